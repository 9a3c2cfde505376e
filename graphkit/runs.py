"""Runs of the scripts: a run's folder holds checkpoints and a `run.json` that says how to load it again."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from graphkit import checks, models, run_data
from graphkit.checkpoints import saving
from graphkit.data import splits, tables
from graphkit.nn import activations, inputs, losses, metrics, regression_metrics
from graphkit.reporting import report as reports
from graphkit.run_config import RunConfig, RunFile, changed_settings, check_dataset, check_folder, read_config
from graphkit.run_data import FeatureScaling, read_images
from graphkit.running import callback, workers
from graphkit.running.files import run_in
from graphkit.train import run_folder
from graphkit.train import trainer as trainers
from graphkit.train.early_stopping import EarlyStopping

__all__ = ["FeatureScaling", "RunConfig", "build_network", "load_run", "read_images", "train_run"]

MODELS: dict[str, Callable[..., Any]] = {name: getattr(models, name) for name in models.__all__}


class Network(NamedTuple):
    """The tensors of a run's graph that a program needs.

    Attributes:
      inputs: placeholder of the examples.
      labels: placeholder of the labels: class numbers, or the numbers to predict.
      keep_prob: placeholder of dropout's keep_prob.
      logits: (batch, classes); (batch, 1) where numbers are predicted, standardised as the labels are.
      probabilities: (batch, classes); None where numbers are predicted.
      outputs: what is predicted: the probabilities, or numbers (batch,) in the units of the labels.
      loss: scalar, with the L2 penalty.
      metrics: {name: scalar}.
      encode: function examples -> what is fed to `inputs`.
    """

    inputs: tf.Tensor
    labels: tf.Tensor
    keep_prob: tf.Tensor
    logits: tf.Tensor
    probabilities: tf.Tensor | None
    outputs: tf.Tensor
    loss: tf.Tensor
    metrics: dict[str, Any]
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
      A named tuple: inputs, labels, keep_prob, logits, probabilities (batch, classes) or None, outputs (the
      probabilities, or the predicted numbers (batch,)), loss, metrics, and encode, the function that turns
      examples into what is fed to the inputs.

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
    labels = (
        inputs.label_input() if config.classes else inputs.placeholder(check, tf.float32, (None,), "labels")
    )
    keep_prob = inputs.keep_prob_input()
    kind = config.kind(check)
    given = kind.model()
    settings = {"num_classes": len(config.classes) or 1, "keep_prob": keep_prob} | given.arguments
    logits = model(given.inputs, **settings)
    ends = ClassEnds() if config.classes else NumberEnds(config.format)
    loss = ends.loss(logits, labels)
    if config.l2:
        loss += losses.l2_penalty(config.l2)
    measured = ends.metrics(logits, labels)
    outputs = ends.outputs(logits)
    probabilities = outputs if config.classes else None
    return Network(
        given.placeholder, labels, keep_prob, logits, probabilities, outputs, loss, measured, kind.encode
    )


class ClassEnds:
    """What follows the logits of classes."""

    def loss(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        return losses.softmax_cross_entropy(logits, labels)

    def metrics(self, logits: tf.Tensor, labels: tf.Tensor) -> dict[str, Any]:
        return {"accuracy": metrics.accuracy(logits, labels)}

    def outputs(self, logits: tf.Tensor) -> tf.Tensor:
        return activations.softmax(logits)


class NumberEnds:
    """What follows the logits (batch, 1) of a number, which the loss compares with standardised labels.

    So one learning rate fits labels of any unit; predictions and their error are in the labels' unit.
    """

    def __init__(self, table: Any) -> None:
        self.mean, self.std = table.mean, table.std

    def loss(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        return losses.mean_squared_error(tf.squeeze(logits, axis=1), (labels - self.mean) / self.std)

    def metrics(self, logits: tf.Tensor, labels: tf.Tensor) -> dict[str, Any]:
        outputs = self.outputs(logits)
        return {
            "mean_absolute_error": regression_metrics.mean_absolute_error(outputs, labels),
            "r2": regression_metrics.r2_score(outputs, labels),
        }

    def outputs(self, logits: tf.Tensor) -> tf.Tensor:
        return tf.squeeze(logits, axis=1) * self.std + self.mean


def check_config(check: checks.Checker, config: RunConfig) -> str:
    """Returns the name of the model, after checking the fields that the network is built from."""
    check.require_type(isinstance(config, RunConfig), "config must be a RunConfig", config=type(config))
    model = check.choice("model", config.model, MODELS)
    kind = run_data.kind_of(check, config)
    takes = run_data.TAKES[model]
    check.require(
        kind.holds in takes, f"{model} takes {' or '.join(takes)}, and the config is for {kind.holds}"
    )
    classes = config.classes
    names = isinstance(classes, tuple) and all(isinstance(name, str) for name in classes)
    check.require(names, "classes must be a tuple of names", classes=classes)
    numbers = isinstance(config.format, tables.TableFormat) and not config.format.classes
    check.require(
        bool(classes) != numbers,
        "classes must be one or more names, unless numbers are predicted",
        classes=classes,
    )
    kind.check(check, config)
    return model


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
      FileNotFoundError: load_run: there is no run in no/such/folder (no run.json)
    """
    folder = run_in(checks.Checker("load_run").path("logdir", logdir))  # once: another may take its place
    config, path = read_config(folder), run_folder.find_weights(folder)
    if path is None or saving.step_of(path) == 0:
        rule = f"the run in {os.fspath(logdir)} has no checkpoint yet: it is in its first epoch, or ended "
        rule += "there; train_run(resume=True) begins it again"
        raise FileNotFoundError(checks.Checker("load_run").message(rule))
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
    data: splits.Dataset,
    logdir: str | os.PathLike[str],
    *,
    epochs: int | None,
    patience: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    cluster: Any = None,
    report: bool = False,
    **fit: Any,
) -> dict[str, float]:
    """Trains a network, saves it in a run's folder and evaluates it on the test set.

    Args:
      config: a `RunConfig`.
      data: the `Dataset` that the config was made for.
      logdir: the run's folder.
      epochs: number of epochs in all, those of the run that is resumed included; None is 1, or as many as
        max_steps and max_seconds allow.
      patience: number of epochs without a better validation loss after which training stops; None for never.
      resume: True continues the run in the folder, if there is one.
      overwrite: True replaces the run in the folder; with resume, only one that has other settings.
      device: see `Trainer`.
      cluster: see `Trainer`.
      report: True writes `report.html` and its pictures to the folder, see `gk.report`.
      **fit: other arguments of `Trainer.fit`, such as max_steps and progress.

    Returns:
      {"loss": float, "accuracy": float} on the test set, with "mean_absolute_error" (in the unit of the
      labels) and "r2" for "accuracy" where numbers are predicted; nothing after a dry run.

    Raises:
      TypeError: config is not a `RunConfig`, or data is not a `Dataset`.
      ValueError: a setting is out of range, or differs from those of the run to resume; the folder holds a
        run, and neither resume nor overwrite is True.
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
    for name, value in (("epochs", epochs), ("max_steps", fit.get("max_steps"))):
        if value is not None:
            check.integer(name, value)
    check.require(len(data.test.labels), f"{data.name} is too small: its test set holds no examples")
    workers.check_cluster(check, cluster)
    if resume or cluster is None or cluster.is_chief:  # others may see what the chief already writes
        resume = resume and not (overwrite and changed_settings(logdir, config))
        check_folder(check, logdir, config, resume, overwrite or fit.get("dry_run", False))
    observers: list[callback.Callback] = [RunFile(config)]
    if patience is not None:
        observers.append(EarlyStopping("valid_loss", patience))
    with tf.Graph().as_default():
        network = build_network(config)
        with make_trainer(config, network, logdir=logdir, device=device, cluster=cluster) as trainer:
            trainer.fit(
                network.feed(data.train),
                feed={network.keep_prob: config.keep_prob},
                epochs=epochs,
                batch_size=config.batch_size,
                valid=network.feed(data.valid) if len(data.valid.labels) else None,
                callbacks=observers,
                resume=resume,
                **fit,
            )
            if fit.get("dry_run"):
                return {}
            test = trainer.evaluate(network.feed(data.test))
            if report and trainer.workers.is_chief and trainer.history:
                write_report(trainer, config, network, data, test)
            return test


def describe_format(config: RunConfig) -> dict[str, Any]:
    """Returns what a report says about how a table or the images of a folder were read."""
    if isinstance(config.format, tables.TableFormat):
        encoder = config.format.encoder.to_json()
        columns = ", ".join(column["name"] for column in encoder["columns"])
        return {"label": config.label, "columns": columns, "missing values": encoder["missing"]}
    return {} if config.format is None else {"resize": config.format.resize}


def write_report(
    trainer: trainers.Trainer, config: RunConfig, network: Network, data: splits.Dataset, test: dict
) -> None:
    """Writes the report of a run, with its confusion matrix on the test set where it predicts classes."""
    hidden = ("classes", "format")
    settings = {name: value for name, value in dataclasses.asdict(config).items() if name not in hidden}
    settings |= describe_format(config)
    predicted: dict[str, Any] = {}
    if network.probabilities is not None:
        examples, labels = data.test
        found = trainer.predict(network.probabilities, {network.inputs: network.encode(examples)})
        predicted = {"labels": labels, "predictions": found, "examples": examples, "classes": config.classes}
    reports.report(trainer, test=test, settings=settings, **predicted)
