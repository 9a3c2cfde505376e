"""The callbacks that every fit has."""

from collections.abc import Sequence
from typing import Any

from graphkit.diagnosis import recorder
from graphkit.running.callback import Callback
from graphkit.train.checkpointing import Checkpointing
from graphkit.train.history_file import HistoryFile
from graphkit.train.metrics_file import MetricsFile


def with_built_in(callbacks: Sequence[Callback], trainer: Any) -> list[Callback]:
    """Returns the callbacks followed by those that every fit has.

    The built-in ones come last, so that checkpoints and history hold what the caller's callbacks changed.

    Args:
      callbacks: those of the caller; a `Recorder`, a `MetricsFile` or a `Checkpointing` among them replaces
        the built-in one.
      trainer: with a logdir, its history and checkpoints are written; where its steps cannot be made again to
        the same bits, no search finds the one that is not finite.
    """

    def missing(kind: type) -> bool:
        return not any(isinstance(callback, kind) for callback in callbacks)

    writes, search = trainer.logdir is not None, trainer.workers.repeats
    added: list[Callback] = [recorder.Recorder(search=search)] if missing(recorder.Recorder) else []
    if writes:
        added.append(HistoryFile())
    if writes and missing(MetricsFile):
        added.append(MetricsFile())
    if writes and missing(Checkpointing):
        added.append(Checkpointing())
    return [*callbacks, *added]
