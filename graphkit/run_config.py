"""The settings of a run of the scripts, and `run.json`, the file that holds them."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from graphkit import checks
from graphkit.checkpoints import saving
from graphkit.data import datasets, text
from graphkit.reporting import facts
from graphkit.running import callback, files
from graphkit.train import trainer as trainers

__all__ = ["RunConfig"]

WORD_MODELS = ("char_rnn",)
FILE = "run.json"
PARTS = ("settings", "facts")  # what the run is made of, and on what it was computed, see `facts.of_process`


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """The settings of a run: everything that is needed to build its network and trainer again.

    Attributes:
      model: name of a function of `graphkit.models`.
      data: name or path of the data set.
      data_folder: folder with the original files of the data set, or None.
      classes: names of the classes.
      image_shape: (height, width, channels) of an image; None for words.
      alphabet: the characters that the network knows; None for images.
      length: number of characters that the network reads of each word; None for images.
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
    l2: float = 1e-4
    keep_prob: float = 0.5
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    batch_size: int = 128
    seed: int = 0

    @classmethod
    def for_data(
        cls,
        data: datasets.Dataset,
        *,
        model: str,
        data_folder: str | os.PathLike[str] | None = None,
        **settings: Any,
    ) -> "RunConfig":
        """Returns the RunConfig for a data set of images or words.

        Args:
          data: the `Dataset`.
          model: name of a function of `graphkit.models`.
          data_folder: folder with the original files of the data set, or None.
          **settings: other attributes of the RunConfig, such as `learning_rate`.
        """
        check = checks.Checker("RunConfig")
        check_dataset(check, data)
        takes, holds = "words" if model in WORD_MODELS else "images", data.train._fields[0]
        check.require(takes == holds, f"{model} takes {takes}, but {data.name} holds {holds}")
        if holds == "words":
            vocabulary = text.Vocabulary.of_characters(data.train.words)
            settings["alphabet"] = "".join(vocabulary.tokens)
            settings["length"] = max(len(word) for word in data.train.words)
        else:
            settings["image_shape"] = tuple(data.train.images.shape[1:])
        return cls(
            model=model,
            # Absolute paths, so that the run can be loaded from another working directory.
            data=data.name if data.name in datasets.NAMES else str(Path(data.name).absolute()),
            data_folder=None if data_folder is None else str(Path(data_folder).absolute()),
            classes=data.classes,
            **settings,
        )

    def encode(self, examples: Any) -> np.ndarray:
        """Returns the array that is fed to the network.

        Args:
          examples: images, which are returned unchanged, or words.

        Returns:
          The images, or int32 tokens (N, length).
        """
        if self.alphabet is None:
            return examples
        vocabulary = text.Vocabulary(self.alphabet, "character")
        return vocabulary.encode(examples, self.length, truncate=True)


def check_dataset(check: checks.Checker, data: datasets.Dataset) -> None:
    splits = (datasets.ImageSplit, datasets.FeatureSplit, datasets.WordSplit)
    complete = isinstance(data, datasets.Dataset) and all(
        isinstance(split, splits) for split in (data.train, data.valid, data.test)
    )
    check.require_type(complete, "data must be a Dataset with three splits", data=type(data))


class RunFile(callback.Callback):
    """Writes `run.json` at the end of an epoch, and removes that of an earlier run when a run begins.

    Not before the end of an epoch: until then there are no trained weights to load. A folder must not hold
    the settings of one run with checkpoints of another.
    """

    def __init__(self, config: RunConfig, logdir: str | os.PathLike[str]) -> None:
        self.config, self.path = config, Path(logdir) / FILE
        self.facts: dict[str, Any] = {}

    def on_fit_start(self, trainer: trainers.Trainer) -> None:
        self.facts = facts.of_process()
        if trainer.step == 0 and trainer.workers.is_chief:
            self.path.unlink(missing_ok=True)

    def on_epoch_end(self, trainer: trainers.Trainer, metrics: Mapping[str, float]) -> None:
        if trainer.workers.is_chief and not self.path.exists():
            parts = (dataclasses.asdict(self.config), self.facts)
            files.write_json(self.path, dict(zip(PARTS, parts, strict=True)))


def read_config(logdir: str | os.PathLike[str]) -> RunConfig:
    """Returns the RunConfig in a run's folder."""
    check = checks.Checker("load_run")
    path = Path(logdir) / FILE
    if not path.is_file():
        rule = "there is no run in this folder (no run.json)"
        raise FileNotFoundError(check.message(rule, logdir=logdir))
    names = {field.name for field in dataclasses.fields(RunConfig)}
    try:
        parts = files.read_json(path)
        if set(parts) != set(PARTS) or not all(isinstance(part, dict) for part in parts.values()):
            raise ValueError(f"it must hold {' and '.join(PARTS)}")
        fields = parts["settings"]
        if set(fields) != names:
            raise ValueError(f"its settings are {sorted(fields)}, not {sorted(names)}")
        for name in ("image_shape", "classes"):
            if not isinstance(fields[name], (list, type(None))):
                raise ValueError(f"its {name} is {checks.shown(fields[name])}, not a list")
            fields[name] = fields[name] and tuple(fields[name])
        return RunConfig(**fields)
    except (ValueError, TypeError) as error:
        rule = f"{path} is not the file of a run ({error}); once it is removed, resume=True writes it again"
        raise ValueError(check.message(rule)) from None


def check_same(check: checks.Checker, logdir: str | os.PathLike[str], config: RunConfig) -> None:
    """Refuses to resume a run with settings other than those it was started with."""
    newest = saving.latest(logdir)
    # A checkpoint of step 0 is of a run that was killed before `run.json` of the earlier one was removed.
    if not (Path(logdir) / FILE).is_file() or (newest and saving.step_of(newest) == 0):
        return
    was, now = dataclasses.asdict(read_config(logdir)), dataclasses.asdict(config)
    changed = {name: (was[name], now[name]) for name in now if was[name] != now[name]}
    check.require(not changed, f"the run in {logdir} was started with other settings (was, now)", **changed)
