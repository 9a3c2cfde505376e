"""A run of the scripts: `run.json` beside the checkpoints in its folder, so that it can be loaded again."""

import dataclasses
import inspect
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from graphkit import checks, models
from graphkit.checkpoints import saving
from graphkit.data import datasets, readers, text
from graphkit.nn import activations, inputs, losses, metrics
from graphkit.running import callback
from graphkit.train import callbacks
from graphkit.train import trainer as trainers

__all__ = ["RunConfig", "build_network", "load_run", "read_images", "train_run"]

MODELS = {name: getattr(models, name) for name in models.__all__}
WORD_MODELS = ("char_rnn",)
PNG = b"\x89PNG\r\n\x1a\n"


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """What a run is made of.

    Attributes:
      model: name of a function of `graphkit.models`.
      data: name or path of the data set.
      data_dir: folder to look for it first, or None.
      image_shape: (height, width, channels) of an image, None for words.
      classes: names of the classes.
      alphabet: the characters that words are made of, None for images.
      length: characters that are looked at of each word, None for images.
      l2: weight of the L2 penalty.
      keep_prob: probability that dropout keeps a unit in training.
      optimizer: name of the optimizer.
      learning_rate: its learning rate.
      batch_size: examples in a mini-batch.
      seed: of the trainer and of the split of the data.

    Example:
      >>> data = gk.load_dataset("mnist_5k")
      >>> gk.RunConfig.for_data(data, model="mlp").image_shape
      (28, 28, 1)
    """

    model: str
    data: str
    data_dir: str | None
    classes: tuple
    image_shape: tuple | None = None
    alphabet: str | None = None
    length: int | None = None
    l2: float = 1e-4
    keep_prob: float = 0.5
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    batch_size: int = 128
    seed: int = 0

    @classmethod
    def for_data(cls, data, data_dir=None, **settings):
        """Returns the RunConfig for a `Dataset` of images or words, and the settings of a run."""
        check_dataset("RunConfig", data)
        kind, has = settings.get("model"), data.train._fields[0]
        takes = "words" if kind in WORD_MODELS else "images"
        rule = f"{kind} takes {takes}, and {data.name} has {has}"
        checks.require(takes == has, "RunConfig", rule)
        if has == "words":
            vocabulary = text.Vocabulary.of_characters(data.train.words)
            settings["alphabet"] = "".join(vocabulary.tokens)
            settings["length"] = max(len(word) for word in data.train.words)
        else:
            settings["image_shape"] = tuple(data.train.images.shape[1:])
        where = None if data_dir is None else str(Path(data_dir).absolute())
        name = data.name if data.name in datasets.NAMES else str(Path(data.name).absolute())
        return cls(data=name, data_dir=where, classes=data.classes, **settings)

    def encode(self, examples):
        """Returns images as they are, and words as tokens (N, length)."""
        if self.alphabet is None:
            return examples
        vocabulary = text.Vocabulary(self.alphabet, "character")
        return vocabulary.encode(examples, self.length, truncate=True)


class Network(NamedTuple):
    """The tensors of a run's graph that a program needs."""

    inputs: tf.Tensor
    labels: tf.Tensor
    keep_prob: tf.Tensor
    logits: tf.Tensor
    probabilities: tf.Tensor
    loss: tf.Tensor
    metrics: dict
    encode: Callable

    def feed(self, split):
        """Returns the split as {placeholder: array}."""
        examples, labels = split
        return {self.inputs: self.encode(examples), self.labels: labels}


class Run(NamedTuple):
    """A run that was loaded: what it is made of, its tensors, and a trainer with its weights."""

    config: RunConfig
    network: Network
    trainer: trainers.Trainer


def build_network(config):
    """Emits a run's network, loss and metrics into the current graph.

    Args:
      config: a `RunConfig`.

    Returns:
      A named tuple: inputs, labels, keep_prob, logits, probabilities, loss, metrics, and the function
      encode(examples) that gives what is fed to the inputs.

    Raises:
      TypeError: what is no `RunConfig`, or a field of another kind.
      ValueError: an unknown model, or a size out of its range.

    Example:
      >>> config = gk.RunConfig.for_data(gk.load_dataset("mnist_5k"), model="mlp")
      >>> gk.build_network(config).logits.shape.as_list()
      [None, 10]
    """
    model = MODELS[check_config("build_network", config)]
    labels = inputs.label_input()
    keep_prob = inputs.keep_prob_input()
    settings = {"num_classes": len(config.classes), "keep_prob": keep_prob}
    if config.alphabet is None:
        examples = inputs.image_input(*config.image_shape)
    else:
        examples = inputs.token_input(config.length)
        settings["vocabulary_size"] = len(text.Vocabulary(config.alphabet, "character"))
    logits = model(examples, **settings)
    loss = losses.softmax_cross_entropy(logits, labels)
    if config.l2:
        loss += losses.l2_penalty(config.l2)
    measured = {"accuracy": metrics.accuracy(logits, labels)}
    probabilities = activations.softmax(logits)
    return Network(examples, labels, keep_prob, logits, probabilities, loss, measured, config.encode)


def check_config(function, config):
    """Returns the name of the model, if the fields are there that it is built by."""
    if not isinstance(config, RunConfig):
        raise TypeError(checks.message(function, "config must be a gk.RunConfig", config=type(config)))
    model = checks.choice(function, "model", config.model, MODELS)
    rule = "classes must be a tuple of one or more names"
    sound = isinstance(config.classes, tuple) and all(isinstance(name, str) for name in config.classes)
    checks.require(sound and config.classes, function, rule, classes=config.classes)
    if model in WORD_MODELS:
        rule = f"{model} takes words: there must be an alphabet, and no image_shape"
        sound = isinstance(config.alphabet, str) and config.image_shape is None
        checks.require(sound, function, rule, alphabet=config.alphabet, image_shape=config.image_shape)
        checks.integer(function, "length", config.length)
    else:
        rule = f"{model} takes images: there must be an image_shape, and no alphabet"
        sound = config.image_shape is not None and config.alphabet is None
        checks.require(sound, function, rule, alphabet=config.alphabet, image_shape=config.image_shape)
        check_image_shape(function, config.image_shape)
    return model


def check_image_shape(function, image_shape):
    rule = "image_shape must be (height, width, channels)"
    if not isinstance(image_shape, (tuple, list)):
        raise TypeError(checks.message(function, rule, image_shape=image_shape))
    checks.require(len(image_shape) == 3, function, rule, image_shape=image_shape)
    return checks.integers(function, "image_shape", image_shape, 3)


def check_dataset(function, data):
    sound = isinstance(data, datasets.Dataset) and all(
        isinstance(split, (datasets.ImageSplit, datasets.FeatureSplit, datasets.WordSplit))
        for split in (data.train, data.valid, data.test)
    )
    if not sound:
        rule = "data must be a gk.Dataset of three splits"
        raise TypeError(checks.message(function, rule, data=type(data)))


def make_trainer(config, network, logdir=None, device="auto"):
    """Makes the trainer of a run."""
    return trainers.Trainer(
        network.loss,
        optimizer=config.optimizer,
        learning_rate=config.learning_rate,
        metrics=network.metrics,
        seed=config.seed,
        logdir=logdir,
        device=device,
    )


class RunFile(callback.Callback):
    """Writes `run.json` when there is an epoch to load."""

    def __init__(self, config):
        self.config = config

    def on_epoch_end(self, trainer, figures):
        path = trainer.logdir / "run.json"
        if not path.exists() or read_config(trainer.logdir) != self.config:
            path.write_text(json.dumps(dataclasses.asdict(self.config), indent=1) + "\n")


def read_config(folder):
    """Returns the RunConfig of a run's folder, refusing a file that is not whole."""
    path = Path(folder) / "run.json"
    if not path.is_file():
        rule = "there is no run in this folder (no run.json)"
        raise FileNotFoundError(checks.message("load_run", rule, folder=str(folder)))
    names = set(inspect.signature(RunConfig).parameters)
    try:
        fields = json.loads(path.read_text())
        if not isinstance(fields, dict):
            raise ValueError(f"it holds a {type(fields).__name__}, not an object")
        if set(fields) != names:
            raise ValueError(f"its fields are {sorted(fields)}, not {sorted(names)}")
        for name in ("image_shape", "classes"):
            if not isinstance(fields[name], (list, type(None))):
                raise ValueError(f"its {name} is {checks.shown(fields[name])}, not a list")
            fields[name] = fields[name] and tuple(fields[name])
        return RunConfig(**fields)
    except (ValueError, TypeError) as error:
        raise ValueError(checks.message("load_run", f"{path} is no run's file ({error})")) from None


def check_same(folder, config):
    """Refuses to resume a run with other settings than it was started with."""
    if not (Path(folder) / "run.json").is_file():
        return
    was, now = dataclasses.asdict(read_config(folder)), dataclasses.asdict(config)
    changed = {name: (was[name], now[name]) for name in now if was[name] != now[name]}
    rule = f"{folder} was started with other settings (was, now)"
    checks.require(not changed, "resume", rule, **changed)


def load_run(folder, device="auto"):
    """Loads a run: builds its graph and restores its best weights, or else its newest.

    Args:
      folder: the run's folder, as `scripts/train.py` wrote it.
      device: see `Trainer`.

    Returns:
      A named tuple: config, network, trainer. Close the trainer at the end.

    Raises:
      FileNotFoundError: there is no run, or no checkpoint, in the folder.
      ValueError: its files do not fit together.
      GraphkitError: the checkpoint is damaged.

    Example:
      >>> gk.load_run("no/such/folder")
      Traceback (most recent call last):
      FileNotFoundError: load_run: there is no run in this folder (no run.json); ...
    """
    config = read_config(folder)
    path = saving.best(folder) or saving.latest(folder)
    if path is None:
        rule = "there is no checkpoint in this folder"
        raise FileNotFoundError(checks.message("load_run", rule, folder=str(folder)))
    with tf.Graph().as_default():
        network = build_network(config)
        trainer = make_trainer(config, network, device=device)
    try:
        trainer.restore(path, weights_only=True)
    except BaseException:
        trainer.close()
        raise
    return Run(config, network, trainer)


def train_run(config, data, logdir, epochs, patience=None, resume=False, device="auto"):
    """Trains a network, keeps it in a run's folder and evaluates it on the test set.

    Args:
      config: a `RunConfig`.
      data: the `Dataset` that it is for.
      logdir: the run's folder.
      epochs: how many epochs in all.
      patience: epochs without a better validation loss after which to stop; None for never.
      resume: whether to continue the run in the folder, where there is one.
      device: see `Trainer`.

    Returns:
      {"loss": float, "accuracy": float} of the test set.

    Raises:
      TypeError: what is no `RunConfig` or no `Dataset`.
      ValueError: settings out of range, or other ones than the run to resume was started with.
      OSError: a folder that cannot be written.
      GraphkitError: a loss that is not finite, or a damaged checkpoint.

    Example:
      >>> import tempfile
      >>> data = gk.load_dataset("mnist_5k")
      >>> config = gk.RunConfig.for_data(data, model="mlp", keep_prob=1.0)
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     figures = gk.train_run(config, data, folder, epochs=1)
      epoch 1/1 ...
      >>> figures["accuracy"] > 0.5
      True
    """
    check_config("train_run", config)
    check_dataset("train_run", data)
    if resume:
        check_same(logdir, config)
    observers = [RunFile(config)]
    if patience is not None:
        observers.append(callbacks.EarlyStopping("valid_loss", patience))
    with tf.Graph().as_default():
        network = build_network(config)
        with make_trainer(config, network, logdir, device) as trainer:
            trainer.fit(
                network.feed(data.train),
                feed={network.keep_prob: config.keep_prob},
                epochs=epochs,
                batch_size=config.batch_size,
                valid=network.feed(data.valid),
                callbacks=observers,
                resume=resume,
            )
            return trainer.evaluate(network.feed(data.test))


def read_images(path, image_shape):
    """Reads the images of a PNG or JPEG file (one) or of an `.npz` (its array `images`).

    Args:
      path: the file.
      image_shape: (height, width, channels) that the images must have; a picture in color is turned to
        gray for one channel, but nothing is resized.

    Returns:
      uint8 (N, height, width, channels).

    Raises:
      TypeError: a path or an image_shape of another kind.
      OSError: the file cannot be read.
      ValueError: the file is damaged, or its images have another size.

    Example:
      >>> import tempfile
      >>> with tempfile.NamedTemporaryFile(suffix=".npz") as file:
      ...     np.savez(file, images=np.zeros((2, 28, 28), np.uint8))
      ...     file.flush()
      ...     gk.read_images(file.name, (28, 28, 1)).shape
      (2, 28, 28, 1)
    """
    function = "read_images"
    image_shape = check_image_shape(function, image_shape)
    path = os.fspath(path)
    rule = f"{path} must hold uint8 images (height, width, channels) of {image_shape}"
    if path.endswith(".npz"):
        arrays = readers.read_npz(path)
        rule_name = f"{path} must hold an array named images"
        checks.require("images" in arrays, function, rule_name, arrays=sorted(arrays))
        images = arrays["images"]
        images = images[..., np.newaxis] if images.ndim == 3 else images
    else:
        images = decode_image(path, image_shape, rule)[np.newaxis]
    fits = images.shape[1:] == image_shape and images.dtype == np.uint8
    received = {"shape": images.shape[1:], "dtype": str(images.dtype)}
    checks.require(fits and len(images), function, rule, **received)
    return images


def decode_image(path, image_shape, rule):
    """Returns a PNG or JPEG file as uint8 (height, width, channels); refuses other sizes undecoded."""
    content = Path(path).read_bytes()
    *size, channels = image_shape
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        try:
            found = picture_size(session, content)
            checks.require(found == size, "read_images", rule, shape=(*found, channels))
            return session.run(tf.io.decode_image(content, channels, expand_animations=False))
        except tf.errors.InvalidArgumentError:
            rule = f"{path} is no whole PNG or JPEG image"
            raise ValueError(checks.message("read_images", rule, bytes=len(content))) from None


def picture_size(session, content):
    """Returns [height, width] as the header of a PNG or JPEG states it."""
    if content[:8] == PNG and len(content) >= 24:
        width, height = struct.unpack(">II", content[16:24])
        return [height, width]
    return session.run(tf.image.extract_jpeg_shape(content))[:2].tolist()
