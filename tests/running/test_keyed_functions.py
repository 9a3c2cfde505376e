"""Random ops in branches, loops and functions: drawn by seed, step, op and iteration, in every execution."""

import contextlib
import hashlib
import logging

import numpy as np
import pytest
import tensorflow as tf
from nn.test_counter_random import GOLDEN, mix
from references import fits_from_the_start
from running.test_keyed import drawn, keyed_copy, unigram

import graphkit as gk
from graphkit.graph import control_flow
from graphkit.nn import inputs
from graphkit.running import keyed

v1 = tf.compat.v1
POINTS = np.random.default_rng(0).normal(size=(32, 3)).astype(np.float32)
EXECUTIONS = ("feed", "chunks", "resident", "compiled")
ALWAYS = 1e9  # more than any sum of the weights


def uniform():
    return tf.random.uniform((3,))


def in_condition(x, w, draw=uniform):
    return tf.cond(tf.reduce_sum(w) < ALWAYS, lambda: x * w * draw(), lambda: x * w)


def in_switch(x, w):
    return tf.switch_case(tf.constant(1), [lambda: x * w, lambda: x * w + uniform()])


def in_loop(x, w):
    return tf.while_loop(lambda i, _: i < 3, lambda i, a: (i + 1, a * w + uniform()), (0, x))[1]


def in_condition_in_loop(x, w):
    return tf.while_loop(lambda i, _: i < 3, lambda i, a: (i + 1, in_condition(a, w)), (0, x))[1]


def in_function(x, w):
    function = tf.function(lambda a: a * w * uniform(), autograph=False)
    return function(x) + function(2 * x)


def in_loop_in_function(x, w):
    return tf.function(in_loop, autograph=False)(x, tf.convert_to_tensor(w))


def dropout_in_loop(x, w):
    def body(i, a):
        return i + 1, tf.cond(i < 2, lambda: gk.dropout(a, 0.5), lambda: a) + gk.dropout(x, 0.9)

    return tf.while_loop(lambda i, _: i < 3, body, (0, x * w))[1]


def dropout_in_function(x, w):
    function = tf.function(lambda a: gk.dropout(a * w, 0.5), autograph=False)
    return function(x) + function(2 * x)


def normal_numbers(x, w):
    return in_condition(x, w, lambda: tf.random.normal((3,)) + tf.random.truncated_normal((3,)))


def integers(x, w):
    return in_condition(x, w, lambda: tf.cast(tf.random.uniform((3,), 1, 5, tf.int32), tf.float32))


@contextlib.contextmanager
def trainer_of(make, seed=3, **options):
    """Yields (trainer, data) of a loss with what `make` returns of points and three weights."""
    with tf.Graph().as_default():
        x = gk.feature_input(3)
        w = v1.get_variable("w", (3,), initializer=v1.ones_initializer(), use_resource=True)
        loss = tf.reduce_mean((make(x, w) - 1) ** 2)
        with gk.Trainer(loss, "sgd", learning_rate=0.05, seed=seed, **options) as trainer:
            yield trainer, {x: POINTS}


def fitted(make, seed):
    with trainer_of(make, seed) as (trainer, data):
        trainer.fit(data, epochs=2, batch_size=8, progress=False)
        return trainer.weights()["w"]


def every_kind(x, w):
    kinds = in_switch, in_condition_in_loop, in_function, in_loop_in_function, normal_numbers, integers
    return tf.add_n([make(x, w) for make in kinds]) / len(kinds)


KINDS = [in_condition, in_switch, in_loop, in_condition_in_loop, in_function, in_loop_in_function]
KINDS += [normal_numbers, integers]


@pytest.mark.grid
@pytest.mark.v2_behavior("no key can enter a loop of TensorFlow 1")
@pytest.mark.parametrize(
    "make",
    [
        in_loop,
        every_kind,
        dropout_in_loop,
        dropout_in_function,
        *(pytest.param(make, marks=pytest.mark.slow) for make in KINDS),
    ],
)
def test_a_seed_gives_the_same_bits_in_every_run_and_execution(make, tmp_path, caplog):
    with trainer_of(make) as (trainer, data):
        fit = fits_from_the_start(trainer, tmp_path)
        runs = {e: fit(data, epochs=2, batch_size=8, execution=e) for e in EXECUTIONS}
        rounds_as_xla = trainer.runner.compiled
    (expected, *_), _ = runs["feed"]
    for execution, ((weights, *_), _) in runs.items():
        if execution == "compiled" and rounds_as_xla:
            np.testing.assert_allclose(weights, expected, rtol=1e-5)
        else:
            np.testing.assert_array_equal(weights, expected, err_msg=execution)
    np.testing.assert_array_equal(fitted(make, seed=3), expected)
    assert not np.allclose(fitted(make, seed=4), expected)
    assert "state of a kernel" not in caplog.text


@pytest.mark.slow
@pytest.mark.v2_behavior("no key can enter a loop of TensorFlow 1")
def test_dropout_in_a_loop_resumes_with_the_same_masks(tmp_path):
    def weights(folder, epochs, **options):
        with trainer_of(dropout_in_loop, logdir=folder) as (trainer, data):
            trainer.fit(data, epochs=epochs, batch_size=8, progress=False, **options)
            return trainer.weights()["w"]

    expected = weights(tmp_path / "whole", 3)
    weights(tmp_path / "parts", 1)
    np.testing.assert_array_equal(weights(tmp_path / "parts", 3, resume=True), expected)


@pytest.mark.grid
@pytest.mark.v2_behavior("no key can enter a loop of TensorFlow 1")
@pytest.mark.parametrize("make", [every_kind, lambda x, w: x * w * uniform()])
def test_an_evaluation_draws_by_seed_and_step(make):
    def evaluated(seed, steps):
        with trainer_of(make, seed) as (trainer, data):
            w = trainer.graph.get_collection("variables")[0]
            before = trainer.session.run(w)
            trainer.fit(data, epochs=steps, batch_size=32, progress=False, execution="chunks")
            w.load(before, trainer.session)
            return trainer.evaluate(data)["loss"], trainer.evaluate(data)["loss"]

    (first, again), other = evaluated(3, 1), evaluated(3, 1)
    assert (first, again) == other and first == again
    assert evaluated(4, 1)[0] != first and evaluated(3, 2)[0] != first


def number_of(name):
    return np.frombuffer(hashlib.sha256(name.encode()).digest()[:8], np.uint64)[0]


def uniform_numbers(key, count):
    """Returns the stream of SplitMix64 as numbers of [0, 1): the upper 24 of each 32 bits."""
    words = np.arange((count + 1) // 2, dtype=np.uint64)
    bits = mix(words * np.uint64(GOLDEN) + key).astype("<u8").view("<u4")[:count]
    return (bits >> 8).astype(np.float32) * np.float32(2**-24)


@pytest.mark.v2_behavior("no key can enter a loop of TensorFlow 1")
@pytest.mark.parametrize("how", ["graph", "function", "loop", "fed"])
def test_each_iteration_of_a_loop_draws_from_a_key_of_its_own(how):
    def make():
        rows = tf.while_loop(
            lambda i, _: i < 4,
            lambda i, a: (i + 1, a.write(i, tf.random.uniform((5,)))),
            (0, tf.TensorArray(tf.float32, 4, element_shape=(5,))),
            name="rows",
        )[1].stack()
        return [rows]

    copied = keyed_copy(make)
    (rows,) = drawn(copied, seed=7, step=2, how=how)
    (op_name,) = copied[0].ops.values()
    with np.errstate(over="ignore"):
        key = mix(np.uint64(7) * np.uint64(GOLDEN) + number_of(op_name))
        key = mix(key + np.uint64(2) * np.uint64(GOLDEN))
        for row in rows:
            own = mix(key + number_of("random_uniform/RandomUniform"))
            np.testing.assert_array_equal(row, uniform_numbers(own, 5))
            key = mix(key + number_of(""))
    assert len(np.unique(rows)) == rows.size


def test_what_cannot_be_keyed_is_named(caplog):
    caplog.set_level(logging.INFO, "graphkit")
    with trainer_of(lambda x, w: in_condition(x, w, lambda: unigram()[0])) as (trainer, data):
        trainer.fit(data, progress=False, execution="chunks")
        assert trainer.runner.execution == "feed"
    functions = v1.control_flow_v2_enabled()
    kind = "FixedUnigramCandidateSampler"
    name = f"{kind} (in cond)" if functions else f"cond/{kind}"
    assert f"the random numbers of {name} follow from the state of a kernel" in caplog.text
    assert f"{name} draws from the state of a kernel: a resumed run would not" in caplog.text


def test_a_loop_of_tensorflow_1_that_draws_is_named(caplog):
    with control_flow.of_functions(False):
        with trainer_of(in_loop) as (trainer, data):
            trainer.fit(data, progress=False, execution="resident")
            assert trainer.runner.execution == "feed"
        assert "while/random_uniform/RandomUniform draws from the state of a kernel" in caplog.text


def test_what_calls_functions_without_random_ops_is_not_random():
    condition = tf.cond(v1.placeholder(tf.bool, ()), lambda: tf.ones(2), lambda: tf.zeros(2))
    assert keyed.RandomOps(condition.graph.get_operations()).drawing == {}


@pytest.mark.grid
@pytest.mark.parametrize("where", ["condition", "loop", "function"])
def test_the_flag_of_training_and_the_seed_reach_functions(where, tmp_path):
    def flagged():
        flag = tf.cast(inputs.training_input(), tf.float32)
        return flag * 2 + tf.cast(inputs.seed_input(), tf.float32) * flag

    def make(x, w):
        inside = {
            "condition": lambda: tf.cond(tf.reduce_sum(w) < ALWAYS, flagged, lambda: 0.0),
            "loop": lambda: tf.while_loop(lambda i, _: i < 1, lambda i, _: (i + 1, flagged()), (0, 0.0))[1],
            "function": tf.function(flagged, autograph=False),
        }[where]()
        return 0 * w * x + 1 + tf.sqrt(inside) + 0 * flagged()

    with trainer_of(make, seed=3) as (trainer, data):
        fit = fits_from_the_start(trainer, tmp_path)
        for execution in EXECUTIONS:
            _, history = fit(data, batch_size=8, execution=execution)
            np.testing.assert_allclose(history["loss"], [5.0], rtol=1e-6, err_msg=execution)  # 2 + the seed
        assert trainer.evaluate(data)["loss"] == 0
