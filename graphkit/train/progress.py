"""What a person sees of a fit: a bar, and a line for each epoch."""

import logging
import shutil
import sys
import time
from typing import Any

from tqdm.auto import tqdm

from graphkit.running.callback import Callback
from graphkit.train.metric_texts import fitting_text, lines_of, readable

logger = logging.getLogger(__name__)


BAR = "{desc} {percentage:3.0f}% |{bar}| {remaining}{postfix}"
TAKEN = 45  # columns of the bar's line without metrics: a title, 15 of the bar, the time
SPEED, WIDE = ", {rate_fmt}", 100  # what wider terminals show, too


class Progress(Callback):
    """Shows a progress bar on a terminal or in a notebook, and prints a line for each epoch.

    Args:
      epochs: the number of the last epoch, for the bar's title; None if it is not known.
    """

    REFRESH = 0.1  # seconds

    def __init__(self, epochs: int | None) -> None:
        self.of_all = "" if epochs is None else f"/{epochs}"
        self.width = max(0, len(self.of_all) - 1)
        self.bar: Any = None
        self.shown = 0.0
        self.hidden = not (sys.stderr.isatty() or "ipykernel" in sys.modules)  # as in a log file

    def on_run_end(self, trainer: Any) -> None:
        if self.hidden:
            return
        columns, total = shutil.get_terminal_size().columns, trainer.plan.examples_per_epoch
        is_wide, in_notebook = columns >= WIDE, "ipykernel" in sys.modules
        if self.bar is None:
            self.bar = tqdm(
                total=total,
                desc=f"epoch {trainer.epoch + 1}{self.of_all}",
                unit=" examples",
                unit_scale=True,
                leave=False,
                mininterval=self.REFRESH,
                ncols=None if in_notebook else columns,
                bar_format=None if in_notebook or total is None else BAR + SPEED * is_wide,
            )
        now = time.perf_counter()
        if now - self.shown > self.REFRESH:
            self.shown = now
            width = sys.maxsize if in_notebook else columns - TAKEN - 25 * is_wide
            self.bar.set_postfix_str(fitting_text(trainer.state.means.result(), width), refresh=False)
            self.bar.update(trainer.state.means.examples - self.bar.n)

    def on_epoch_end(self, trainer: Any, metrics: dict[str, Any]) -> None:
        self.show(trainer, metrics)

    def show(self, trainer: Any, row: dict[str, Any], part: str = "") -> None:
        """Prints a row of the history."""
        self.close()
        shown = {name: row[name] for name in trainer.metric_names}
        speed = f"{row['examples_per_second']:,.0f} examples/s"
        heading = f"epoch {row['epoch']:{self.width}}{self.of_all}{part}"
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
        print(lines_of(heading, readable(shown), speed, width), flush=True)

    def on_fit_end(self, trainer: Any) -> None:
        self.close()
        if trainer.ended is not None and trainer.batch:
            row = {name: column[-1] for name, column in trainer.history.items()}
            self.show(trainer, row, f", step {trainer.step}")
        reason = trainer.state.stop_reason
        if trainer.ended is not None and not logger.isEnabledFor(logging.INFO):  # else the log says it
            reason = trainer.ended
        if reason is not None:
            print(f"stopped: {reason}", flush=True)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None
