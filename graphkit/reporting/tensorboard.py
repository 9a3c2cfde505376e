"""Event files for TensorBoard, written while a trainer fits."""

import contextlib
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.plots import results
from graphkit.reporting import events
from graphkit.running import files
from graphkit.running.callback import Callback
from graphkit.train.metrics_file import steps_of_run

FLUSH_SECONDS = 5  # after which what was written is on the disk, so that a training can be watched
QUEUE = 1000  # events that may wait for the disk


class TensorBoard(Callback):
    """Writes event files for TensorBoard, which `pip install 'tf-graphkit[tensorboard]'` brings.

    `tensorboard --logdir FOLDER` shows them, also while the training runs:

    - scalars: `epoch/loss` and each metric that is one number, training and validation on one chart;
      `epoch/learning_rate` and `epoch/examples_per_second`; `step/loss`, … of single mini-batches. All are
      drawn over the number of steps.
    - histograms and distributions of all variables of the model, after each epoch.
    - the graph that computes the loss and the metrics.
    - on request a confusion matrix after each epoch, and examples of the training data.
    - hyperparameters: batch size, seed, learning rate and `settings`, as text, and for the HPARAMS tab where
      the package tensorboard is installed.

    No op is added to the graph, and steps run as fast as without it, many at a time. A run that is resumed
    goes on in the same charts: what was written after its checkpoint is no longer shown. A run that begins
    anew in the same folder replaces the earlier one in the charts; its files stay where `logdir` is given.

    Args:
      logdir: folder for the sub-folders `train` and `valid`; None is the trainer's logdir.
      every: steps between those that are written, see `MetricsFile`; None writes all of the first 10,000.
      histograms: whether the variables are written; that takes a copy of them.
      graph: whether the graph is written.
      confusion_matrix: name of the metric of the history, such as "valid_confusion", that is drawn; needs
        matplotlib.
      classes: names of its classes.
      images: number of training examples to show, augmented if there is an augmentation.
      settings: {name: number, text or bool} of the run, such as {"l2": 1e-4}.

    Raises:
      TypeError: every or images is not an integer, or settings is not a dict with names.
      ValueError: a number is out of range, or, in `fit`, there is no logdir, the history does not have the
        confusion matrix, or no data are images.
      ImportError: a confusion matrix is to be drawn without matplotlib.

    Example:
      >>> board = gk.TensorBoard("runs/first", settings={"l2": 1e-4})
    """

    def __init__(
        self,
        logdir: str | os.PathLike[str] | None = None,
        *,
        every: int | None = None,
        histograms: bool = True,
        graph: bool = True,
        confusion_matrix: str | None = None,
        classes: Sequence[str] | None = None,
        images: int = 0,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.check = check = checks.Checker("TensorBoard")
        self.logdir = None if logdir is None else check.path("logdir", logdir)
        self.every = None if every is None else check.integer("every", every)
        self.histograms, self.graph, self.classes = histograms, graph, classes
        is_name = confusion_matrix is None or isinstance(confusion_matrix, str)
        rule = "confusion_matrix must be the name of a metric"
        check.require_type(is_name, rule, confusion_matrix=confusion_matrix)
        if confusion_matrix is not None:
            check.optional_module("matplotlib", "plots")
        self.matrix = confusion_matrix
        self.images = check.integer("images", images, minimum=0)
        named = isinstance(settings or {}, Mapping) and all(isinstance(name, str) for name in settings or {})
        check.require_type(named, "settings must be {name: value}", settings=settings)
        self.settings = dict(settings or {})
        self.open: dict[str, Any] = {}  # {sub-folder: writer}
        self.folder = ""
        self.temporary: Any = None  # the folder of a dry run
        self.first: Any = None  # examples to show
        self.forgotten = 0  # the first step that is no longer shown
        self.handled: Any = None  # what was being handled when the fit began, which is not an error of it

    def on_fit_start(self, trainer: Any) -> None:
        self.handled = sys.exc_info()[1]
        has_folder = self.logdir is not None or trainer.logdir is not None
        self.check.require(has_folder, "it needs a logdir, or a trainer with one", logdir=None)
        known = self.matrix is None or self.matrix in trainer.metric_names
        rule = "confusion_matrix must be a metric of the history"
        received = {"confusion_matrix": self.matrix, "metrics": trainer.metric_names}
        self.check.require(known, rule, **received)
        self.first = self.pixels(trainer) if self.images else None
        # What is there of an earlier run, or of steps after the checkpoint, is no longer shown.
        self.forgotten = trainer.step + 1 if trainer.step else 0
        self.folder = os.fspath(self.logdir or trainer.logdir)
        if hasattr(trainer, "is_trial"):  # a dry run must not hide the curves of a run
            self.temporary = files.temporary_folder(self.check)
            self.folder = self.temporary.name

    def on_epoch_start(self, trainer: Any) -> None:
        # Not when the fit starts: until all callbacks have, an earlier run is as it was.
        if self.open or not trainer.workers.is_chief:
            return
        if self.graph:
            values = [metric.tensor for metric in trainer.metrics.values()]
            self.writer(trainer, "train").add_event(events.forward_pass(values))
        if self.first is not None:
            self.add(trainer, "train", events.images("images", self.first))
        self.add_settings(trainer)

    def on_run_end(self, trainer: Any) -> None:
        if not trainer.workers.is_chief:
            return
        for row in steps_of_run(trainer, self.every):
            step = row.pop("step")
            self.writer(trainer, "train").add_event(events.event(events.scalars("step/", row), step))

    def on_validation_end(self, trainer: Any, metrics: dict[str, Any]) -> None:
        values = {name.removeprefix("valid_"): value for name, value in metrics.items()}
        self.add(trainer, "valid", events.scalars("epoch/", values))

    def on_epoch_end(self, trainer: Any, metrics: dict[str, Any]) -> None:
        rates = [name for name in metrics if name.startswith("learning_rate")]
        names = [*trainer.metrics, *rates, "examples_per_second"]
        values = events.scalars("epoch/", {name: metrics[name] for name in names if name in metrics})
        if self.histograms and trainer.workers.is_chief:
            arrays = {name: array for name, array in trainer.weights().items() if array.dtype.kind in "fiub"}
            values += [events.histogram(name, array) for name, array in arrays.items()]
        self.add(trainer, "train", values)
        if self.matrix is not None and trainer.workers.is_chief:
            picture = results.plot_confusion_matrix(np.asarray(metrics[self.matrix]), self.classes)
            tag = self.matrix.removeprefix("valid_")
            self.add(trainer, "valid" if tag != self.matrix else "train", [events.figure(tag, picture)])
        self.flush()

    def on_save_start(self, trainer: Any) -> None:
        self.flush()  # a run that is resumed from the checkpoint needs all that was written until then

    def on_fit_end(self, trainer: Any) -> None:
        error = sys.exc_info()[1]
        failed = error is not None and error is not self.handled
        with contextlib.ExitStack() as stack:
            if self.temporary is not None:
                stack.callback(self.temporary.cleanup)
            for writer in self.open.values():
                stack.callback(writer.close)
            if "" in self.open and not trainer.interrupted:
                self.add(trainer, "", end_of_session(failed))
            self.open, self.temporary = {}, None

    def add(self, trainer: Any, name: str, values: Sequence[Any]) -> None:
        """Writes summary values of the trainer's step to a sub-folder."""
        if values and trainer.workers.is_chief:
            self.writer(trainer, name).add_event(events.event(values, trainer.step))

    def add_settings(self, trainer: Any) -> None:
        settings = {"batch_size": trainer.plan.batch_size, "seed": trainer.seed}
        if trainer.learning_rate.schedule is not None:
            settings |= trainer.learning_rate.columns(trainer.learning_rate.schedule(0))
        settings |= self.settings
        self.add(trainer, "", [events.table("settings", settings), *hyperparameters(settings)])

    def writer(self, trainer: Any, name: str) -> Any:
        """Returns the writer of a sub-folder, which is made when something is first written to it."""
        if name not in self.open:
            folder = os.path.join(self.folder, name)
            # The writer is a thread that appends to a file, and adds nothing to the graph; but TensorFlow
            # refuses to make one where it executes eagerly.
            with trainer.graph.as_default(), self.check.system_errors(f"{folder} cannot be written"):
                os.makedirs(folder, exist_ok=True)
                suffix = f".{number_of_files(folder):06}.{os.getpid()}"
                options = {"max_queue": QUEUE, "flush_secs": FLUSH_SECONDS, "filename_suffix": suffix}
                self.open[name] = tf.compat.v1.summary.FileWriter(folder, **options)
            self.open[name].add_event(events.start(self.forgotten))
        return self.open[name]

    def flush(self) -> None:
        for writer in self.open.values():
            writer.flush()

    def pixels(self, trainer: Any) -> np.ndarray:
        """Returns the first examples of the first data that are images."""
        sources = trainer.examples.sources
        found = (s for s in sources if len(s.array.shape) == 4 and s.array.shape[-1] in (1, 3, 4))
        source = next(found, None)
        rule = "images need data of shape (examples, height, width, channels) with 1, 3 or 4 channels"
        shapes = {s.placeholder.name: tuple(s.array.shape) for s in sources}
        if source is None:
            raise ValueError(self.check.message(rule, shapes=shapes))
        count = min(self.images, len(source.array))
        return source.raw_rows(np.arange(count), (trainer.seed, 0, 1))


def number_of_files(folder: str) -> int:
    """Returns how many event files a folder has.

    TensorBoard reads the files of a run in the order of their names, in which TensorFlow writes the second
    and the host. So that those of one second are read in the order of writing, this number follows.
    """
    return sum(".tfevents." in name for name in os.listdir(folder))


def hyperparameters(settings: Mapping[str, Any]) -> list[Any]:
    """Returns what the HPARAMS tab shows, in the format of the package tensorboard; nothing without it."""
    api = optional("tensorboard.plugins.hparams.api")
    plain = {name: v if isinstance(v, (bool, int, float, str)) else str(v) for name, v in settings.items()}
    return [] if api is None else values_of(api.hparams_pb(plain))


def end_of_session(failed: bool) -> list[Any]:
    """Returns what says in the HPARAMS tab that the run has ended, and how."""
    api, pb = optional("tensorboard.plugins.hparams.summary"), optional("tensorboard.plugins.hparams.api_pb2")
    if api is None or pb is None:
        return []
    return values_of(api.session_end_pb(pb.STATUS_FAILURE if failed else pb.STATUS_SUCCESS))


def values_of(summary: Any) -> list[Any]:
    """Returns the values of a summary of tensorboard's own message class."""
    return list(events.Summary.FromString(summary.SerializeToString()).value)


def optional(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
