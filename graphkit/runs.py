"""Runs of the scripts: a run's folder holds checkpoints and a `run.json` that says how to load it again."""

import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from graphkit import checks, models
from graphkit.data import datasets, readers, text
from graphkit.nn import activations, inputs, losses, metrics
from graphkit.run_config import WORD_MODELS, RunConfig, RunFile, check_dataset, check_same, read_config
from graphkit.running import callback
from graphkit.train import callbacks, run_folder
from graphkit.train import trainer as trainers

__all__ = ["RunConfig", "build_network", "load_run", "read_images", "train_run"]

MODELS: dict[str, Callable[..., Any]] = {name: getattr(models, name) for name in models.__all__}
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"


class Network(NamedTuple):
    """The tensors of a run's graph that a program needs."""

    inputs: tf.Tensor
    labels: tf.Tensor
    keep_prob: tf.Tensor
    logits: tf.Tensor
    probabilities: tf.Tensor
    loss: tf.Tensor
    metrics: dict[str, tf.Tensor]
    encode: Callable[[Any], np.ndarray]

    def feed(self, split: Sequence[np.ndarray]) -> dict[tf.Tensor, np.ndarray]:
        """Returns a split of the data set as {placeholder: array}."""
        examples, labels = split
        return {self.inputs: self.encode(examples), self.labels: labels}


class Run(NamedTuple):
    """A loaded run: its settings, its tensors, and a trainer that holds its weights."""

    config: RunConfig
    network: Network
    trainer: trainers.Trainer


def build_network(config: RunConfig) -> Network:
    """Emits a run's network, loss and metrics into the current graph.

    Args:
      config: a `RunConfig`.

    Returns:
      A named tuple: inputs, labels, keep_prob, logits (batch, classes), probabilities (batch, classes),
      loss, metrics, and encode, the function that turns examples into what is fed to the inputs.

    Raises:
      TypeError: config is not a `RunConfig`, or a field has the wrong type.
      ValueError: the model is unknown, or a field is out of range.

    Example:
      >>> config = gk.runs.RunConfig.for_data(gk.load_dataset("mnist_5k"), model="mlp")
      >>> gk.runs.build_network(config).logits.shape.as_list()
      [None, 10]
    """
    check = checks.Checker("build_network")
    model = MODELS[check_config(check, config)]
    labels = inputs.label_input()
    keep_prob = inputs.keep_prob_input()
    settings = {"num_classes": len(config.classes), "keep_prob": keep_prob}
    if config.image_shape is not None:
        examples = inputs.image_input(*config.image_shape)
    else:
        examples = inputs.token_input(check.integer("length", config.length))
        settings["vocabulary_size"] = len(text.Vocabulary(config.alphabet or "", "character"))
    logits = model(examples, **settings)
    loss = losses.softmax_cross_entropy(logits, labels)
    if config.l2:
        loss += losses.l2_penalty(config.l2)
    measured = {"accuracy": metrics.accuracy(logits, labels)}
    probabilities = activations.softmax(logits)
    return Network(examples, labels, keep_prob, logits, probabilities, loss, measured, config.encode)


def check_config(check: checks.Checker, config: RunConfig) -> str:
    """Returns the name of the model, after checking the fields that the network is built from."""
    check.require_type(isinstance(config, RunConfig), "config must be a RunConfig", config=type(config))
    model = check.choice("model", config.model, MODELS)
    classes, image_shape, alphabet = config.classes, config.image_shape, config.alphabet
    names = isinstance(classes, tuple) and all(isinstance(name, str) for name in classes)
    check.require(names and classes, "classes must be a tuple of one or more names", classes=classes)
    received = {"alphabet": alphabet, "image_shape": image_shape}
    if model in WORD_MODELS:
        for_words = isinstance(alphabet, str) and image_shape is None
        check.require(for_words, f"{model} takes words: set alphabet, and no image_shape", **received)
        check.integer("length", config.length)
    else:
        for_images = image_shape is not None and alphabet is None
        check.require(for_images, f"{model} takes images: set image_shape, and no alphabet", **received)
        check_image_shape(check, image_shape)
    return model


def check_image_shape(check: checks.Checker, image_shape: Any) -> tuple[int, ...]:
    rule = "image_shape must be (height, width, channels)"
    check.require_type(isinstance(image_shape, (tuple, list)), rule, image_shape=image_shape)
    check.require(len(image_shape) == 3, rule, image_shape=image_shape)
    return check.integers("image_shape", image_shape, 3)


def make_trainer(
    config: RunConfig,
    network: Network,
    *,
    logdir: str | os.PathLike[str] | None = None,
    device: str = "auto",
    cluster: Any = None,
) -> trainers.Trainer:
    """Makes the trainer of a run."""
    return trainers.Trainer(
        network.loss,
        optimizer=config.optimizer,
        learning_rate=config.learning_rate,
        metrics=network.metrics,
        seed=config.seed,
        logdir=logdir,
        device=device,
        cluster=cluster,
    )


def load_run(logdir: str | os.PathLike[str], *, device: str = "auto") -> Run:
    """Loads a run: builds its graph and restores its best weights or, if none were kept, its newest.

    Args:
      logdir: the run's folder, as `scripts/train.py` wrote it.
      device: see `Trainer`.

    Returns:
      A named tuple: config, network, trainer. Close the trainer at the end.

    Raises:
      FileNotFoundError: the folder has no run or no checkpoint.
      ValueError: the files of the run do not fit together.
      GraphkitError: the checkpoint is damaged.

    Example:
      >>> gk.runs.load_run("no/such/folder")
      Traceback (most recent call last):
      FileNotFoundError: load_run: there is no run in this folder (no run.json); ...
    """
    config = read_config(logdir)
    path = run_folder.find_weights(logdir)
    if path is None:
        check = checks.Checker("load_run")
        rule = "there is no checkpoint in this folder"
        raise FileNotFoundError(check.message(rule, logdir=logdir))
    with tf.Graph().as_default():
        network = build_network(config)
        trainer = make_trainer(config, network, device=device)
    try:
        trainer.restore(path, weights_only=True)
    except BaseException:
        trainer.close()
        raise
    return Run(config, network, trainer)


def train_run(
    config: RunConfig,
    data: datasets.Dataset,
    logdir: str | os.PathLike[str],
    *,
    epochs: int,
    patience: int | None = None,
    resume: bool = False,
    device: str = "auto",
    cluster: Any = None,
    progress: bool = True,
) -> dict[str, float]:
    """Trains a network, saves it in a run's folder and evaluates it on the test set.

    Args:
      config: a `RunConfig`.
      data: the `Dataset` that the config was made for.
      logdir: the run's folder.
      epochs: number of epochs in all, those of the run that is resumed included.
      patience: number of epochs without a better validation loss after which training stops; None for never.
      resume: True continues the run in the folder, if there is one.
      device: see `Trainer`.
      cluster: see `Trainer`.
      progress: False shows neither bar nor lines.

    Returns:
      {"loss": float, "accuracy": float} on the test set.

    Raises:
      TypeError: config is not a `RunConfig`, or data is not a `Dataset`.
      ValueError: a setting is out of range, or differs from those of the run to resume.
      OSError: the folder cannot be written.
      GraphkitError: the loss is not finite, or a checkpoint is damaged.

    Example:
      >>> import tempfile
      >>> data = gk.load_dataset("mnist_5k")
      >>> config = gk.runs.RunConfig.for_data(data, model="mlp", keep_prob=1.0)
      >>> with tempfile.TemporaryDirectory() as logdir:
      ...     test_metrics = gk.runs.train_run(config, data, logdir, epochs=1)
      epoch 1/1 ...
      >>> test_metrics["accuracy"] > 0.5
      True
    """
    check = checks.Checker("train_run")
    check_config(check, config)
    check_dataset(check, data)
    if resume:
        check_same(check, logdir, config)
    observers: list[callback.Callback] = [RunFile(config, logdir)]
    if patience is not None:
        observers.append(callbacks.EarlyStopping("valid_loss", patience))
    with tf.Graph().as_default():
        network = build_network(config)
        with make_trainer(config, network, logdir=logdir, device=device, cluster=cluster) as trainer:
            trainer.fit(
                network.feed(data.train),
                feed={network.keep_prob: config.keep_prob},
                epochs=epochs,
                batch_size=config.batch_size,
                valid=network.feed(data.valid),
                callbacks=observers,
                resume=resume,
                progress=progress,
            )
            return trainer.evaluate(network.feed(data.test))


def read_images(path: str | os.PathLike[str], image_shape: Sequence[int]) -> np.ndarray:
    """Reads the images of a PNG or JPEG file (one image) or of an `.npz` file (its array `images`).

    Args:
      path: the file.
      image_shape: (height, width, channels) that the images must have. For one channel, color is converted
        to gray; images are never resized.

    Returns:
      uint8 (N, height, width, channels).

    Raises:
      TypeError: path is not a path, or image_shape is not a sequence of integers.
      OSError: the file cannot be read.
      ValueError: the file is damaged, or its images have another size.

    Example:
      >>> import tempfile
      >>> with tempfile.NamedTemporaryFile(suffix=".npz") as file:
      ...     np.savez(file, images=np.zeros((2, 28, 28), np.uint8))
      ...     file.flush()
      ...     gk.runs.read_images(file.name, (28, 28, 1)).shape
      (2, 28, 28, 1)
    """
    check = checks.Checker("read_images")
    shape = check_image_shape(check, image_shape)
    path = os.fspath(path)
    rule = f"{path} must hold uint8 images (height, width, channels) of {shape}"
    if path.endswith(".npz"):
        arrays = readers.read_npz(path)
        check.require("images" in arrays, f"{path} must hold an array named images", arrays=sorted(arrays))
        images = arrays["images"]
        images = images[..., np.newaxis] if images.ndim == 3 else images
    else:
        images = decode_image(check, path, shape, rule)[np.newaxis]
    fits = images.shape[1:] == shape and images.dtype == np.uint8
    check.require(fits and len(images), rule, shape=images.shape[1:], dtype=str(images.dtype))
    return images


def decode_image(check: checks.Checker, path: str, shape: tuple[int, ...], rule: str) -> np.ndarray:
    """Returns a PNG or JPEG file as uint8 (height, width, channels).

    The size is read from the header first: a few bytes of a damaged header can ask the decoder for gigabytes.
    """
    with check.system_errors(f"{path} cannot be read"):
        content = Path(path).read_bytes()
    no_image = check.message(f"{path} is not a complete PNG or JPEG image", bytes=len(content))
    if not content.startswith((PNG, JPEG)):  # libjpeg would write a line of its own
        raise ValueError(no_image)
    *size, channels = shape
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        try:
            found = stated_size(session, content)
            check.require(found == size, rule, shape=(*found, channels))
            return session.run(tf.io.decode_image(content, channels, expand_animations=False))
        except tf.errors.InvalidArgumentError:
            raise ValueError(no_image) from None


def stated_size(session: tf.compat.v1.Session, content: bytes) -> list[int]:
    """Returns [height, width] as the header of a PNG or JPEG states it."""
    if content[:8] == PNG and len(content) >= 24:
        width, height = struct.unpack(">II", content[16:24])
        return [height, width]
    return session.run(tf.image.extract_jpeg_shape(content))[:2].tolist()
