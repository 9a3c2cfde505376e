"""graphkit's trainer."""

import time

import tensorflow as tf

import graphkit as gk
from graphkit import runs


class Clock(gk.Callback):
    """Notes when each epoch ends."""

    def __init__(self):
        self.started = time.perf_counter()
        self.ends = []

    def on_epoch_end(self, trainer, figures):
        self.ends.append(time.perf_counter() - self.started)


def train(problem, execution="auto", precision="float32"):
    config = problem.config
    with tf.Graph().as_default():
        network = runs.build_network(config)
        with gk.Trainer(
            network.loss,
            optimizer=config.optimizer,
            learning_rate=config.learning_rate,
            metrics=network.metrics,
            seed=config.seed,
            precision=precision,
        ) as trainer:
            clock = Clock()
            history = trainer.fit(
                {network.inputs: problem.examples, network.labels: problem.labels},
                feed={network.keep_prob: config.keep_prob},
                epochs=problem.epochs,
                batch_size=config.batch_size,
                callbacks=[clock],
                execution=execution,
                progress=False,
            )
            weights = sum(v.shape.num_elements() for v in tf.compat.v1.trainable_variables())
    return clock.ends, history["accuracy"][-1], weights
