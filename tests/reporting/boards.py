"""A small network on images, and the event files that its training leaves."""

import numpy as np
import tensorflow as tf

import graphkit as gk

RNG = np.random.default_rng(5)
IMAGES = RNG.integers(0, 256, (48, 6, 6, 1)).astype(np.uint8)
TARGETS = (IMAGES.mean(axis=(1, 2, 3)) > 127).astype(np.int64)


def make_trainer(logdir=None):
    images, labels = gk.image_input(6, 6, 1), gk.label_input()
    with tf.compat.v1.variable_scope("hidden"):
        logits = gk.dense(gk.flatten(images), 2)
    metrics = {"accuracy": gk.accuracy(logits, labels), "confusion": gk.confusion_matrix(logits, labels)}
    loss = gk.softmax_cross_entropy(logits, labels)
    trainer = gk.Trainer(loss, "sgd", 0.1, metrics=metrics, logdir=logdir)
    return trainer, {images: IMAGES, labels: TARGETS}


def train(logdir, callbacks, *, epochs=3, resume=False):
    """Trains 6 steps in an epoch, 2 in a run; returns the history and how steps were run."""
    with tf.Graph().as_default():
        trainer, data = make_trainer(logdir)
        with trainer:
            settings = {"epochs": epochs, "resume": resume, "valid": data, "steps_per_run": 2}
            trainer.fit(data, batch_size=8, callbacks=callbacks, progress=False, **settings)
            return trainer.history, trainer.runner.execution


def events(folder):
    """Returns all events of the files of a folder, in the order of writing."""
    paths = sorted(str(path) for path in folder.glob("events.out.tfevents.*"))
    return [event for path in paths for event in tf.compat.v1.train.summary_iterator(path)]


def values(folder, tag):
    """Returns [(step, value)] of a tag, as a viewer shows them: without what a later START made it forget."""
    found = []
    for event in events(folder):
        if event.HasField("session_log"):
            found = [(step, value) for step, value in found if step < event.step]
        found += [(event.step, value) for value in event.summary.value if value.tag == tag]
    return found


def scalars(folder, tag):
    return [(step, value.simple_value) for step, value in values(folder, tag)]
