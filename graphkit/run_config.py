"""The settings of a run of the scripts, and `run.json`, the file that holds them."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from graphkit import checks, run_data
from graphkit.checkpoints import saving
from graphkit.data import datasets, folders, splits, tables
from graphkit.reporting import facts
from graphkit.run_data import FeatureScaling
from graphkit.running import callback, files
from graphkit.train import trainer as trainers

__all__ = ["RunConfig"]

FILE = "run.json"
PARTS = ("settings", "facts")  # what the run is made of, and on what it was computed, see `facts.of_process`


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """The settings of a run: everything that is needed to build its network and trainer again.

    Attributes:
      model: name of a function of `graphkit.models`.
      data: name or path of the data set.
      data_folder: folder with the original files of the data set, or None.
      classes: names of the classes; () where numbers are predicted.
      image_shape: (height, width, channels) of an image; None for other data.
      alphabet: the characters that the network knows; None for data other than words.
      length: number of characters that the network reads of each word, or None.
      scaling: what features are standardised by; None for other data.
      format: how image files are decoded or the columns of a table become features, with its fitted
        preprocessing; None for data that are arrays.
      l2: weight of the L2 penalty.
      keep_prob: probability that dropout keeps a unit in training.
      optimizer: name of the optimizer.
      learning_rate: learning rate of the optimizer.
      batch_size: examples in a mini-batch.
      seed: seed of the trainer and of the split of the data.

    Example:
      >>> data = gk.load_dataset("mnist_5k")
      >>> gk.runs.RunConfig.for_data(data, model="mlp").image_shape
      (28, 28, 1)
    """

    model: str
    data: str
    data_folder: str | None
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int] | None = None
    alphabet: str | None = None
    length: int | None = None
    scaling: FeatureScaling | None = None
    format: folders.ImageFormat | tables.TableFormat | None = None
    l2: float = 1e-4
    keep_prob: float = 0.5
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    batch_size: int = 128
    seed: int = 0

    @classmethod
    def for_data(
        cls,
        data: splits.Dataset,
        *,
        model: str,
        data_folder: str | os.PathLike[str] | None = None,
        **settings: Any,
    ) -> "RunConfig":
        """Returns the RunConfig for a data set of images, words, features or a table.

        Args:
          data: the `Dataset`.
          model: name of a function of `graphkit.models`.
          data_folder: folder with the original files of the data set, or None.
          **settings: other attributes of the RunConfig, such as `learning_rate`.
        """
        check = checks.Checker("RunConfig")
        check_dataset(check, data)
        kind = run_data.kind_of_data(data)
        takes = run_data.TAKES.get(model, (kind.holds,))  # an unknown model is refused later
        rule = f"{model} takes {' or '.join(takes)}, but {data.name} holds {kind.holds}"
        fitting = [name for name, held in run_data.TAKES.items() if kind.holds in held]
        rule += f": give one of {', '.join(fitting)}" if fitting else ""
        check.require(kind.holds in takes, rule)
        return cls(
            model=model,
            # Absolute paths, so that the run can be loaded from another working directory.
            data=data.name if data.name in datasets.NAMES else str(Path(data.name).absolute()),
            data_folder=None if data_folder is None else str(Path(data_folder).absolute()),
            classes=data.classes,
            format=data.format,
            **kind.settings(data),
            **settings,
        )

    def load_data(
        self, data: str | None = None, data_folder: str | os.PathLike[str] | None = None
    ) -> splits.Dataset:
        """Reads the run's data set, or another one as the run's was read.

        Args:
          data: name or path of the other data set; None for the run's own.
          data_folder: folder with its original files; None for the run's own.

        Raises:
          The errors of `gk.load_dataset`.
        """
        check, name, folder = checks.Checker("load_data"), data or self.data, data_folder or self.data_folder
        if name in datasets.NAMES or os.path.exists(name):
            found, meant = datasets.kind_of(name), "arrays"
            if self.format is not None:
                is_table = isinstance(self.format, tables.TableFormat)
                meant = datasets.TABLE if is_table else datasets.FOLDER
            fits = found != datasets.TABLE if self.format is None else found == meant
            check.require(fits, f"the run is of {meant}, and {name} is {found}: give {meant}")
        return datasets.load_dataset(name, folder, seed=self.seed, format=self.format)

    @property
    def label(self) -> str:
        """Name of what is predicted: the label of a table, else "class"."""
        return self.format.label if isinstance(self.format, tables.TableFormat) else "class"

    def encode(self, examples: Any) -> np.ndarray:
        """Returns the array that is fed to the network.

        Args:
          examples: images or features, which are returned unchanged; words; or the rows of a table as a
            pandas `DataFrame`.

        Returns:
          The images or features; int32 tokens (N, length); or float32 features (N, features).
        """
        return self.kind(checks.Checker("RunConfig.encode")).encode(examples)

    def read(self, example: str | os.PathLike[str]) -> np.ndarray:
        """Reads what somebody asks a prediction for, as the training examples were read.

        Args:
          example: a PNG, JPEG or `.npz` file for a network of images, a table for one of tables (the column
            of the labels may be missing), an `.npz` file for one of features, or a word.

        Returns:
          What is fed to the network for one or more examples (N, ...).

        Raises:
          OSError: the file cannot be read.
          ValueError: the file is damaged, has an unknown format, or does not fit the network.
        """
        check = checks.Checker("read")
        check.require_type(
            isinstance(example, (str, os.PathLike)), "example must be a path or a word", example=example
        )
        return self.kind(check).read(check, example)

    def answers(self, output: Any, top: int | None = None) -> dict[str, float]:
        """Returns what the network says about one example, in words.

        Args:
          output: probabilities (classes,), or the predicted number: a row of `network.outputs`.
          top: number of classes; None takes all.

        Returns:
          {class: probability}, the most probable first; {label: number} where numbers are predicted.
        """
        check = checks.Checker("RunConfig.answers")
        rule = f"output must have {len(self.classes) or 1} numbers"
        try:
            values = np.asarray(check.unmasked("output", output), np.float64).reshape(-1)
        except (ValueError, TypeError, OverflowError, NotImplementedError):  # the last of a tensor
            raise TypeError(check.message(rule, output=output)) from None
        check.require(len(values) == (len(self.classes) or 1), rule, shape=np.shape(output))
        if not self.classes:
            return {self.label: float(values[0])}
        count = len(values) if top is None else check.integer("top", top)
        return {
            self.classes[place]: float(values[place]) for place in np.argsort(-values, kind="stable")[:count]
        }

    def kind(self, check: checks.Checker) -> run_data.Kind:
        """Returns what the network is trained on."""
        return run_data.kind_of(check, self)(self)

    def to_json(self) -> dict[str, Any]:
        """Returns all settings as numbers, texts, lists and dictionaries."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        if self.scaling is not None:
            fields["scaling"] = {name: list(values) for name, values in self.scaling._asdict().items()}
        if self.format is not None:
            fields["format"] = self.format.to_json()
        return fields

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "RunConfig":
        """Returns the RunConfig that `to_json` described.

        Raises:
          TypeError: a field has the wrong type.
          ValueError: a field is missing, unknown or out of range.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        if set(fields) != names:
            raise ValueError(f"its settings are {sorted(fields)}, not {sorted(names)}")
        known = dict(fields)
        for name in ("image_shape", "classes"):
            if not isinstance(known[name], (list, tuple, type(None))):
                raise ValueError(f"its {name} is {checks.shown(known[name])}, not a list")
            known[name] = None if known[name] is None else tuple(known[name])
        if known["scaling"] is not None:
            known["scaling"] = scaling_of(known["scaling"])
        if known["format"] is not None:
            is_table = isinstance(known["format"], dict) and "encoder" in known["format"]
            kind = tables.TableFormat if is_table else folders.ImageFormat
            known["format"] = kind.from_json(known["format"])
        return cls(**known)


def scaling_of(fields: Any) -> FeatureScaling:
    right = isinstance(fields, dict) and set(fields) == set(FeatureScaling._fields)
    if not right or not all(isinstance(values, list) for values in fields.values()):
        raise ValueError(f"its scaling is {checks.shown(fields)}, not lists mean and std")
    return FeatureScaling(**{name: tuple(values) for name, values in fields.items()})


def check_dataset(check: checks.Checker, data: splits.Dataset) -> None:
    kinds = (splits.ImageSplit, splits.FeatureSplit, splits.WordSplit)
    complete = isinstance(data, splits.Dataset) and all(
        isinstance(split, kinds) for split in (data.train, data.valid, data.test)
    )
    check.require_type(complete, "data must be a Dataset with three splits", data=type(data))


class RunFile(callback.Callback):
    """Writes `run.json` before the first step: from then on the folder is of a run with these settings."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config

    def on_epoch_start(self, trainer: trainers.Trainer) -> None:
        path = Path(trainer.logdir or "") / FILE
        if trainer.workers.is_chief and not path.exists():  # a run that is resumed keeps its own
            parts = (self.config.to_json(), facts.of_process())
            files.write_json(path, dict(zip(PARTS, parts, strict=True)))


def read_config(logdir: str | os.PathLike[str]) -> RunConfig:
    """Returns the RunConfig in a run's folder."""
    check = checks.Checker("load_run")
    path = files.run_in(check.path("logdir", logdir)) / FILE
    if not path.is_file():
        raise FileNotFoundError(check.message(f"there is no run in {os.fspath(logdir)} (no run.json)"))
    try:
        parts = files.read_json(path)
        if set(parts) != set(PARTS) or not all(isinstance(part, dict) for part in parts.values()):
            raise ValueError(f"it must hold {' and '.join(PARTS)}")
        return RunConfig.from_json(parts["settings"])
    except (ValueError, TypeError) as error:
        rule = f"{path} is not the file of a run ({error}); once it is removed, resume=True writes it again"
        raise ValueError(check.message(rule)) from None


def has_run(logdir: str | os.PathLike[str]) -> bool:
    """Whether a folder holds weights of a run that has made steps."""
    return any(map(saving.step_of, saving.paths_in(files.run_in(logdir), "model", "best")))


def check_folder(
    check: checks.Checker, logdir: str | os.PathLike[str], config: RunConfig, resume: bool, overwrite: bool
) -> None:
    """Refuses to lose the run in a folder, and to resume it with other settings than it was started with.

    Raises:
      ValueError: the folder holds a run, and neither resume nor overwrite; the settings differ.
    """
    if not has_run(logdir):
        return
    if resume and saving.latest(files.run_in(logdir)) is not None:
        check_same(check, logdir, config)
    elif not overwrite:
        ways = "resume=True continues it, overwrite=True replaces it, another logdir keeps both"
        if resume:
            ways = (
                "without a checkpoint to resume from; overwrite=True begins anew, another logdir keeps both"
            )
        raise ValueError(check.message(f"{os.fspath(logdir)} holds a run: {ways}"))


def check_same(check: checks.Checker, logdir: str | os.PathLike[str], config: RunConfig) -> None:
    """Refuses to resume a run with settings other than those it was started with."""
    changed = changed_settings(logdir, config)
    rule = f"the run in {os.fspath(logdir)} was started with other settings (was, now)"
    check.require(not changed, f"{rule}; overwrite=True instead of resume replaces it", **changed)


def changed_settings(logdir: str | os.PathLike[str], config: RunConfig) -> dict[str, tuple]:
    """Returns {name: (was, now)} of the settings that differ from those of the run in a folder, if any."""
    if not (files.run_in(logdir) / FILE).is_file():
        return {}
    was, now = read_config(logdir).to_json(), config.to_json()
    return {name: (was[name], now[name]) for name in now if was[name] != now[name]}
