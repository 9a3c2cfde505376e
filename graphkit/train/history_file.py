"""The history as a file."""

import csv
from typing import Any

from graphkit.running import files
from graphkit.running.callback import Callback


class HistoryFile(Callback):
    """Writes the history to `history.csv` in the trainer's logdir, with one row per epoch."""

    def on_epoch_end(self, trainer: Any, metrics: dict[str, Any]) -> None:
        self.write(trainer)

    def on_fit_end(self, trainer: Any) -> None:
        # With a row of the epoch under way. A fit that made no step leaves the run in its folder as it was.
        if trainer.ended is not None and trainer.folder.is_own:
            self.write(trainer)

    def write(self, trainer: Any) -> None:
        if not trainer.workers.is_chief:
            return
        with files.replacing(trainer.logdir / "history.csv", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(trainer.history)
            writer.writerows(zip(*trainer.history.values(), strict=True))
