"""A program that tests run in each process of a cluster with parameter servers; it prints JSON.

Its argument is a JSON object: see `SETTINGS`.
"""

import json
import logging
import os
import signal
import sys

import numpy as np
import tensorflow as tf

import graphkit as gk

SETTINGS = {
    "synchronous": False,
    "timeout": 60,
    "optimizer": "adam",
    "rate": 0.01,
    "parts": True,  # the embedding is divided
    "keep_prob": 1.0,
    "logdir": None,
    "epochs": 2,
    "batch_size": 64,
    "examples": 500,
    "resume": False,
    "accumulate": 1,
    "normalized": False,
    "kill": None,  # [number of the worker that does it, its step, process to kill, or None for itself]
    "stop": None,  # [number of the worker that stops, after which epoch]
    "stopping": False,
    "trainers": 1,
}


class Interference(gk.Callback):
    """Kills a process after a step, or stops the training after an epoch."""

    def __init__(self, cluster, settings):
        self.cluster, self.kill, self.stop = cluster, settings["kill"], settings["stop"]

    def on_run_end(self, trainer):
        if self.kill and self.kill[:2] == [self.cluster.index, trainer.step]:
            os.kill(self.kill[2] or os.getpid(), signal.SIGKILL)

    def on_epoch_end(self, trainer, metrics):
        if self.stop == [self.cluster.index, metrics["epoch"]]:
            trainer.stop("enough")


def build(cluster, settings):
    device = cluster.device() if cluster else None
    partitioner = cluster.partitioner() if cluster and settings["parts"] else None
    with tf.compat.v1.device(device):
        tokens, labels, keep_prob = gk.token_input(8), gk.label_input(), gk.keep_prob_input()
        with tf.compat.v1.variable_scope("words", partitioner=partitioner):
            vectors = gk.embedding(tokens, 101, 16)
        hidden = gk.dense(gk.flatten(vectors), 30, activation=gk.relu)
        if settings["normalized"]:
            hidden = gk.batch_norm(hidden)
        logits = gk.dense(gk.dropout(hidden, keep_prob), 5)
        loss = gk.softmax_cross_entropy(logits, labels)
    return tokens, labels, keep_prob, logits, loss


def examples(count):
    tokens = np.random.default_rng(0).integers(0, 101, (count, 8)).astype(np.int32)
    return tokens, (tokens[:, 0] % 5).astype(np.int32)


def train(cluster, settings):
    """Trains; returns what a test looks at."""
    tokens, labels, keep_prob, logits, loss = build(cluster, settings)
    x, y = examples(settings["examples"])
    callbacks = [Interference(cluster, settings)] if cluster else []
    callbacks += [gk.EarlyStopping(patience=1)] if settings["stopping"] else []
    with gk.Trainer(
        loss,
        settings["optimizer"],
        settings["rate"],
        metrics={"accuracy": gk.accuracy(logits, labels)},
        seed=7,
        cluster=cluster,
        logdir=settings["logdir"],
        accumulate=settings["accumulate"],
    ) as trainer:
        history = trainer.fit(
            {tokens: x, labels: y},
            {keep_prob: settings["keep_prob"]},
            settings["epochs"],
            batch_size=settings["batch_size"],
            valid={tokens: x[:100], labels: y[:100]},
            callbacks=callbacks,
            resume=settings["resume"],
        )
        return {
            "history": history,
            "devices": {v.op.name: v.device for v in tf.compat.v1.global_variables()},
            "weights": {name: float(np.abs(v).sum()) for name, v in trainer.weights().items()},
            "steps": trainer.step,
            "counted": int(trainer.session.run(trainer.training_step.global_step)),
            "execution": [trainer.runner.execution, trainer.runner.reason],
            "stop_reason": trainer.state.stop_reason,
            "evaluated": trainer.evaluate({tokens: x, labels: y})["loss"],
        }


def main():
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    settings = {**SETTINGS, **json.loads(sys.argv[1])}
    cluster = gk.cluster_from_env(timeout=settings["timeout"], synchronous=settings["synchronous"])
    for _ in range(settings["trainers"]):
        with tf.Graph().as_default():
            print(json.dumps(train(cluster, settings)), flush=True)


if __name__ == "__main__":
    main()
