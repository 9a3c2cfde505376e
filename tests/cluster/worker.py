"""The program of a worker in tests: trains the cases of its settings one after the other, prints results.

The test process calls `train` itself, without a cluster, for what one process makes of a case.
"""

import hashlib
import json
import logging
import os
import signal
import sys

import graphkit as gk

# isort: split
import numpy as np
import tensorflow as tf

EXAMPLES = 101


def arrays(network):
    rng = np.random.default_rng(3)
    if network == "embedding":
        features = rng.integers(0, 7, (EXAMPLES, 5)).astype(np.int32)
    else:
        features = rng.normal(size=(EXAMPLES, 6)).astype(np.float32)
    return features, rng.integers(0, 3, EXAMPLES).astype(np.int32)


def build(network):
    """Returns (features, labels, keep_prob, loss, metrics)."""
    labels, keep_prob = gk.label_input(), gk.keep_prob_input()
    features = gk.token_input(5) if network == "embedding" else gk.feature_input(6)
    net = gk.flatten(gk.embedding(features, 7, 4)) if network == "embedding" else features
    if network == "linear":
        logits = gk.dense(features, 3)
        return features, labels, keep_prob, gk.softmax_cross_entropy(logits, labels), {}
    net = gk.dense(net, 9, activation=gk.relu)
    if network == "batch_norm":
        net = gk.batch_norm(net)
    if network == "tf_dropout":
        net = tf.compat.v1.nn.dropout(net, keep_prob=keep_prob)
    elif network == "rows":  # the mask has several rows for each example
        net = tf.reshape(gk.dropout(tf.reshape(net, [-1, 3]), keep_prob), [-1, 9])
    else:
        net = gk.dropout(net, keep_prob)
    if network == "nan":
        net = net / tf.cast(features[:, :1] < 2.0, tf.float32)
    logits = gk.dense(net, 3)
    loss = gk.softmax_cross_entropy(logits, labels) + gk.l2_penalty(1e-2)
    metrics = {"accuracy": gk.accuracy(logits, labels), "matrix": gk.confusion_matrix(logits, labels)}
    return features, labels, keep_prob, loss, metrics


class Once(gk.Callback):
    """Does something to one worker, once, at the first end of a run from a step on.

    Args:
      do: a signal's name, "raise", "stop" or "stop now".
      worker: its index.
      step: the step.
    """

    every_steps = 2

    def __init__(self, do, worker, step):
        self.do, self.worker, self.step = do, worker, step

    def on_run_end(self, trainer):
        if self.do is None or trainer.step < self.step or trainer.workers.index != self.worker:
            return
        do, self.do = self.do, None
        if do == "raise":
            raise ValueError("an error of the program")
        if do.startswith("stop"):
            trainer.stop("one worker has enough", now=do == "stop now")
        else:
            os.kill(os.getpid(), getattr(signal, do))


def train(case, cluster=None):
    """Trains a case; returns its result as JSON."""
    case = {"network": "dense", "optimizer": "sgd", "epochs": 2, "batch_size": 20, **case}
    with tf.Graph().as_default():
        features, labels, keep_prob, loss, metrics = build(case["network"])
        trainer = gk.Trainer(
            loss,
            case["optimizer"],
            case.get("learning_rate", 0.1),
            metrics=metrics,
            seed=case.get("seed", 5),
            clip_norm=case.get("clip_norm"),
            clip_value=case.get("clip_value"),
            average_decay=case.get("average_decay"),
            accumulate=case.get("accumulate", 1),
            logdir=case.get("logdir"),
            cluster=cluster,
        )
        x, y = arrays(case["network"])
        x, y = x[: case.get("examples", EXAMPLES)], y[: case.get("examples", EXAMPLES)]
        callbacks = [Once(*case["once"])] if "once" in case else []
        if case.get("logdir"):
            callbacks.append(gk.Checkpointing(every_steps=2))
        if "patience" in case:
            callbacks.append(gk.EarlyStopping("valid_loss", case["patience"], min_delta=case["min_delta"]))
        with trainer:
            history = trainer.fit(
                {features: x, labels: y},
                feed={} if case["network"] == "linear" else {keep_prob: 0.6},
                epochs=case["epochs"],
                max_steps=case.get("max_steps"),
                max_seconds=case.get("max_seconds"),
                valid_every=case.get("valid_every"),
                batch_size=case["batch_size"],
                valid={features: x[:30], labels: y[:30]},
                callbacks=callbacks,
                execution=case.get("execution", "auto"),
                resume=case.get("resume", False),
                progress=case.get("progress", False),
            )
            weights = trainer.weights()
    digest = hashlib.sha256(b"".join(weights[name].tobytes() for name in sorted(weights))).hexdigest()
    history = {k: v for k, v in history.items() if k not in ("seconds", "examples_per_second")}
    return {
        "step": trainer.step,
        "digest": digest,
        "history": history,
        "weights": {name: value.tolist() for name, value in weights.items()},
        "execution": trainer.runner.execution,
        "worker": trainer.workers.index,
    }


def main():
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    settings = json.loads(sys.argv[1])
    if int(os.environ.get("GRAPHKIT_ATTEMPT", 0)):  # the launcher has started all again
        settings["cases"] = [{**case, "once": [None, 0, 0], "resume": True} for case in settings["cases"]]
    options = {"timeout": settings.get("timeout", 60), "local_steps": settings.get("local_steps", 1)}
    cluster = gk.cluster_from_env(**options)
    for case in settings["cases"]:
        try:
            print("RESULT", json.dumps(train(case, cluster)))
        except (ValueError, gk.NotFiniteError) as error:
            if not settings.get("shows_errors"):
                raise
            print("RESULT", json.dumps({"error": str(error)}))


if __name__ == "__main__":
    main()
