"""graphkit's trainer."""

import tempfile
import time

import numpy as np
import tensorflow as tf

import graphkit as gk


class Clock(gk.Callback):
    """Records when each epoch ends."""

    def __init__(self):
        self.started = time.perf_counter()
        self.ends = []

    def on_epoch_end(self, trainer, metrics):
        self.ends.append(time.perf_counter() - self.started)


def train_mapped(problem, gib):
    """Trains on the problem's number of examples, spread over a memory-mapped file of `gib` GiB."""
    images = problem.examples
    copies = max(1, round(gib * 2**30 / images.nbytes))
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        shape = (copies * len(images), *images.shape[1:])
        header = {"descr": np.lib.format.dtype_to_descr(images.dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for image in images:
            file.write(image.tobytes() * copies)
        file.flush()
        return train(problem._replace(examples=np.load(file.name, mmap_mode="r")[::copies]))


def train(problem, execution="auto", compute_dtype="float32"):
    config = problem.config
    with tf.Graph().as_default():
        network = gk.runs.build_network(config)
        with gk.Trainer(
            network.loss,
            optimizer=config.optimizer,
            learning_rate=config.learning_rate,
            metrics=network.metrics,
            seed=config.seed,
            compute_dtype=compute_dtype,
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
