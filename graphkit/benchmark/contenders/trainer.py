"""graphkit's trainer."""

import tempfile

import numpy as np
import tensorflow as tf
from contenders import machine, networks

import graphkit as gk


class Clock(gk.Callback):
    """Tells the watch when runs and epochs end."""

    def __init__(self, watch):
        self.watch = watch
        watch.start()

    def on_run_end(self, trainer):
        self.watch.step()

    def on_epoch_end(self, trainer, metrics):
        self.watch.epoch()


def train_mapped(problem, watch, gib):
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
        return train(problem._replace(examples=np.load(file.name, mmap_mode="r")[::copies]), watch)


def train(problem, watch, execution="auto", compute_dtype="float32"):
    config = machine.run_config(problem)
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
            history = trainer.fit(
                {network.inputs: problem.examples, network.labels: problem.labels},
                feed={network.keep_prob: config.keep_prob},
                epochs=problem.epochs,
                batch_size=config.batch_size,
                callbacks=[Clock(watch)],
                execution=execution,
                progress=False,
            )

            def predict(unseen):
                given = {network.inputs: unseen}
                return trainer.predict(network.logits, given, batch_size=networks.PREDICT_BATCH)

            watch.predict(predict, problem.unseen)
            weights = sum(v.shape.num_elements() for v in tf.compat.v1.trainable_variables())
    return history["accuracy"][-1], weights
