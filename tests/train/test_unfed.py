"""A fit says which dropout, or training flag, it trains without since nothing feeds it."""

import logging

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit.train import unfed

V1 = tf.compat.v1
NO_DROPOUT = 'fit trains without dropout: {0} is {1} unless it is fed; give fit feed={{"{0}": 0.5}}'
KEEP_PROB = NO_DROPOUT.format("keep_prob", 1.0)
RATE = NO_DROPOUT.format("drop/rate", 0.0)
FLAG = (
    'fit trains as it evaluates: is_training is False unless it is fed; give fit feed={"is_training": True}'
)


def messages(caplog):
    found = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    caplog.clear()
    return sorted(found)


@pytest.fixture(scope="module")
def problem():
    with tf.Graph().as_default():
        points, kinds = gk.feature_input(4), gk.label_input()
        keep_prob = gk.keep_prob_input()
        rate = V1.placeholder_with_default(0.0, (), name="drop/rate")
        flag = V1.placeholder_with_default(False, (), name="is_training")
        of_words = V1.placeholder_with_default(False, (), name="train_embeddings")
        debug = V1.placeholder_with_default(False, (), name="debug")
        net = gk.dropout(gk.dropout(points, keep_prob), keep_prob)
        net = gk.dropout(net, V1.placeholder_with_default(0.5, (), name="always"))
        net = tf.nn.dropout(net, rate=rate)
        net = tf.cond(flag, lambda: net * 2.0, lambda: net) + tf.cond(debug, lambda: 1.0, lambda: 0.0)
        net = tf.cond(of_words, lambda: net, lambda: tf.stop_gradient(net))
        logits = gk.dense(gk.batch_norm(net), 2)
        gk.dropout(logits, V1.placeholder_with_default(1.0, (), name="unused"))
        trainer = gk.Trainer(gk.softmax_cross_entropy(logits, kinds))
        data = {points: np.zeros((8, 4), np.float32), kinds: np.zeros(8, np.int32)}
        with trainer:
            yield trainer, data, {"keep_prob": keep_prob, "rate": rate, "flag": flag}


@pytest.mark.parametrize(
    ("feed", "expected"),
    [
        (lambda given: None, [FLAG, RATE, KEEP_PROB]),
        (lambda given: {given["keep_prob"]: 0.5}, [FLAG, RATE]),
        (lambda given: {"keep_prob": 1.0, "drop/rate:0": 0.1}, [FLAG]),
        (lambda given: {given["keep_prob"]: 0.5, given["rate"]: 0.5, given["flag"]: True}, []),
    ],
    ids=["nothing", "one", "by name", "all"],
)
def test_each_is_named_once_in_a_fit(caplog, problem, feed, expected):
    trainer, data, given = problem
    caplog.clear()
    trainer.fit(data, feed(given), epochs=2, valid=data, progress=False, execution="feed")
    assert messages(caplog) == sorted(expected)


def test_names_of_training_flags():
    flags = (
        "is_training train Training isTraining net/phase_train train_phase training_1 train_mode in_training"
    )
    others = "train_embeddings trainable constrain use_training_data train_encoder restrained debug"
    assert all(map(unfed.is_training_flag, flags.split()))
    assert not any(map(unfed.is_training_flag, others.split()))


def test_an_evaluation_says_nothing(caplog, problem):
    trainer, data, _ = problem
    caplog.clear()
    trainer.evaluate(data)
    assert messages(caplog) == []
