"""The file of metrics: a JSON object for each step and each epoch, on a line of its own."""

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from graphkit import checks
from graphkit.running import step_values
from graphkit.running.callback import Callback
from graphkit.running.steps import Run

FILE = "metrics.jsonl"
ENCODE = json.JSONEncoder(allow_nan=False).encode  # json.dumps makes an encoder for each line
ALL_STEPS = 10_000  # up to here each step has a line, then as many for each tenfold number of steps


class MetricsFile(Callback):
    """Writes the metrics to `metrics.jsonl` in the trainer's logdir, by step and by epoch.

    A trainer with a logdir has one with these defaults, unless it is given another. Each line is a JSON
    object whose "kind" is "step" (loss and metrics of one mini-batch, computed before its update),
    "validation" (one inside an epoch) or "epoch" (the row of the history); what is not finite is null.
    `pandas.read_json(path, lines=True)` reads it.

    Lines are written at the end of each run of steps, so a process that is killed loses no more than the run
    under way; where it was killed while it wrote, the last line is incomplete until the run is resumed. A run
    that is resumed first removes the lines after its checkpoint, so that no step is there twice.

    Args:
      every: steps between those that have a line; None is all of the first 10,000 steps, then each 10th up to
        100,000, each 100th up to 1,000,000 and so on, so that the file of a long run stays small.

    Raises:
      TypeError: every is not an integer.
      ValueError: every is not positive, or, in `fit`, the trainer has no logdir.

    Example:
      >>> all_steps = gk.MetricsFile(every=1)
    """

    def __init__(self, every: int | None = None) -> None:
        self.check = checks.Checker("MetricsFile")
        self.every = None if every is None else self.check.integer("every", every)
        self.stream: IO[str] | None = None
        self.position = {"step": 0, "validation": 0, "epoch": 0}

    def on_fit_start(self, trainer: Any) -> None:
        rule = "metrics.jsonl needs a trainer with a logdir"
        self.check.require(trainer.logdir is not None, rule, logdir=None)
        validated = max(trainer.state.validations.get("step", []), default=0)
        self.position = {"step": trainer.step, "validation": validated, "epoch": trainer.epoch}

    def on_run_end(self, trainer: Any) -> None:
        rows = steps_of_run(trainer, self.every)
        self.write(trainer, [{"kind": "step", "epoch": trainer.epoch + 1, **row} for row in rows])

    def on_validation_end(self, trainer: Any, metrics: dict[str, Any]) -> None:
        # At the end of an epoch it is in its row. A run that is resumed where it ended validates again.
        again = trainer.step <= self.position["validation"]
        if not again and not trainer.plan.ends(trainer.epoch, trainer.batch):
            row = {"kind": "validation", "epoch": trainer.epoch + 1, "step": trainer.step, **metrics}
            self.write(trainer, [row])

    def on_epoch_end(self, trainer: Any, metrics: dict[str, Any]) -> None:
        self.write(trainer, [{"kind": "epoch", **metrics}])

    def on_fit_end(self, trainer: Any) -> None:
        if self.stream is not None:
            self.stream.close()
            self.stream = None

    def write(self, trainer: Any, rows: list[dict[str, Any]]) -> None:
        """Appends rows at once, after those of an earlier part of the run."""
        if not rows or not trainer.workers.is_chief:
            return
        if self.stream is None:  # not before there is something to write: until then a fit may be refused
            path = trainer.logdir / FILE
            keep_until(path, self.position)
            self.stream = open(path, "a", encoding="utf-8")  # noqa: SIM115, closed where the fit ends
        self.stream.write("".join(f"{ENCODE(strict(row))}\n" for row in rows))
        self.stream.flush()


def steps_of_run(trainer: Any, every: int | None) -> Iterator[dict[str, Any]]:
    """Yields {"step": …, "loss": …, metric: …, "learning_rate": …} of steps of the trainer's last run.

    Metrics that are not single numbers, such as confusion matrices, are left out.

    Args:
      trainer: with a last run, whose steps it counts already.
      every: steps between those that are wanted, see `MetricsFile`.
    """
    run = trainer.last_run
    first = trainer.step - len(run.values[0]) + 1
    steps = wanted_steps(first, trainer.step, every)
    columns = numbers_of(trainer, run, [step - first for step in steps]) if steps else {}
    for row, step in enumerate(steps):
        rate = trainer.learning_rate.columns(run.rates[step - first]) if run.rates else {}
        yield {"step": step, **{name: column[row] for name, column in columns.items()}, **rate}


def wanted_steps(first: int, last: int, every: int | None) -> list[int]:
    """Returns those of some steps, counted from 1, of which the metrics are kept, see `MetricsFile`."""
    found, step = [], first
    while step <= last:
        apart = stride(step) if every is None else every
        step += -step % apart
        if step <= last:
            found.append(step)
        step += 1
    return found


def stride(step: int) -> int:
    """Returns how far apart the steps are that are kept by default."""
    apart = 1
    while step > ALL_STEPS * apart:
        apart *= 10
    return apart


def numbers_of(trainer: Any, run: Run, places: list[int]) -> dict[str, list[float]]:
    """Returns {name: values} of the metrics that are single numbers, at some steps of a run."""
    columns = {}
    for (name, metric), values in zip(trainer.metrics.items(), run.values, strict=True):
        found = step_values.finished(metric, values[places], run.batch_size)
        if found.ndim == 1:
            columns[name] = found.astype(np.float64).tolist()
    return columns


def strict(value: Any) -> Any:
    """Returns a value as strict JSON, which knows no NaN and no infinity: they are null."""
    if isinstance(value, dict):
        return {name: strict(item) for name, item in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, list):
        return [strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def keep_until(path: Path, position: dict[str, int]) -> None:
    """Cuts off the lines after a position, and what a killed process wrote in part.

    Lines are in the order of the training, so that all before one that stays stay, too.

    Args:
      path: of the file.
      position: for each kind of line the number of the last one that stays: the step of "step" and
        "validation", the epoch of "epoch".
    """
    if not path.exists():
        return
    content = path.read_bytes()
    end = len(content)
    while end:
        start = content.rfind(b"\n", 0, end - 1) + 1
        if belongs(content[start:end], position):
            break
        end = start
    os.truncate(path, end)


def belongs(line: bytes, position: dict[str, int]) -> bool:
    """Whether a line is complete and not after a position."""
    try:
        row = json.loads(line)
        at_most = row["epoch" if row["kind"] == "epoch" else "step"] <= position[row["kind"]]
    except (ValueError, LookupError, TypeError):
        return False
    return line.endswith(b"\n") and at_most
