"""The report on a training step that was not finite."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from graphkit.diagnosis import likely_causes

SHOWN = 8  # examples, or ops of a path, that a report lists


@dataclasses.dataclass(frozen=True)
class PostMortem:
    """What was found out about a training step that was not finite; printed, it is the report.

    Attributes:
      what: "loss", "gradient", or "variable" if loss and gradients were finite, but not the variables after
        the update.
      step: number of steps made before.
      epoch: counted from 1.
      batch: mini-batch of the epoch, counted from 0.
      loss: of the step.
      norm: global norm of its gradients.
      learning_rate: of the step, or those of several losses; None where the optimizer brings its own.
      indices: the examples of the mini-batch, by their place in the data.
      norms: (step, global gradient norm) of the last steps before.
      op: name of the first op with an output that is not finite from inputs that are; None if none was
        found, and `reason` says why.
      op_type: its type, such as "Log".
      line: "file:line" that made it, or the forward op that it is a gradient of.
      forward: (name, type) of that forward op, or None.
      path: names of the ops from that op to the loss or gradient.
      ranges: (lowest, highest, nearest to 0) of each floating-point input of the op.
      examples: the examples whose rows of the op's output are not finite, if its rows are examples.
      gradients: names of the variables whose gradients are not finite.
      variables: names of the variables that were not finite before the step.
      update: step whose update made them so; -1 if they were so when the fit started.
      largest_weight: largest magnitude in the trained variables before the step.
      reason: why no op was found, or None.
      file: the replay file, or None.
      part: name of the loss among several, or None.

    Example:
      >>> from graphkit.diagnosis import PostMortem
      >>> found = PostMortem("loss", 7, 1, 7, float("nan"), 1.0, 0.1, (2, 5), op="Log", op_type="Log",
      ...                    line="net.py:12", ranges=((0.0, 1.0, 0.0),))
      >>> print(found)
      the loss is not finite at step 7, batch 7 of epoch 1
        first op that is not finite: Log (Log), made at net.py:12; input 0 to 1
        examples: 2, 5 (2 in all)
        gradient norm of the step: 1
        likely cause: the logarithm of 0; keep its input above 0, as by tf.maximum(x, 1e-7)
    """

    what: str
    step: int
    epoch: int
    batch: int
    loss: float = math.nan
    norm: float = math.nan
    learning_rate: Any = None
    indices: tuple = ()
    norms: tuple = ()
    op: str | None = None
    op_type: str | None = None
    line: str | None = None
    forward: tuple | None = None
    path: tuple = ()
    ranges: tuple = ()
    examples: tuple = ()
    gradients: tuple = ()
    variables: tuple = ()
    update: int | None = None
    largest_weight: float = 0.0
    reason: str | None = None
    file: str | None = None
    part: str | None = None

    @property
    def headline(self) -> str:
        """What is not finite, and where."""
        where = f"step {self.step}, batch {self.batch} of epoch {self.epoch}"
        if self.what == "variable":
            return f"a variable is not finite after {where}"
        loss = "the loss" if self.part is None else f'the loss "{self.part}"'
        if self.what == "gradient":
            loss = "a gradient" if self.part is None else f"a gradient of {loss}"
        return f"{loss} is not finite at {where}"

    @property
    def causes(self) -> list[str]:
        """Sentences that say what the cause may be, the likeliest first."""
        return likely_causes.likely(self)

    def lines(self) -> list[str]:
        """Returns the report without its first line."""
        lines = []
        if self.op is not None:
            lines.append(f"first op that is not finite: {self.op} ({self.op_type}){self.origin()}")
        if len(self.path) > 1:
            lines.append(f"path from there: {' -> '.join(shortened(self.path))}")
        if self.reason:
            lines.append(f"no op was found: {self.reason}")
        if self.gradients:
            lines.append(f"gradients that are not finite: {listed(self.gradients)}")
        if self.examples:
            lines.append(f"examples whose rows are not finite there: {listed(self.examples)}")
        if self.indices:
            lines.append(f"examples: {listed(self.indices)}")
        if self.norms:
            norms = ", ".join(f"{norm:.4g} at step {step}" for step, norm in self.norms)
            lines.append(f"gradient norms before: {norms}")
        if math.isfinite(self.norm):
            lines.append(f"gradient norm of the step: {self.norm:.4g}")
        lines += [f"likely cause: {cause}" for cause in self.causes]
        if self.file:
            lines.append(f"to run the step again: gk.replay({self.file!r})")
        return lines

    def origin(self) -> str:
        """Returns text on the line that made the op, and on the ranges of its inputs."""
        text = ""
        if self.forward is not None:
            text = f", of the gradient of {self.forward[0]} ({self.forward[1]})"
        if self.line is not None:
            text += f", made at {self.line}"
        spans = [f"{lowest:.4g} to {highest:.4g}" for lowest, highest, _ in self.ranges]
        return text + (f"; input {', '.join(spans)}" if spans else "")

    def __str__(self) -> str:
        return "\n  ".join([self.headline, *self.lines()])


def listed(items: Sequence) -> str:
    """Returns the first items, and how many there are."""
    text = ", ".join(map(str, items[:SHOWN]))
    more = ", …" if len(items) > SHOWN else ""
    return f"{text}{more} ({len(items)} in all)"


def shortened(path: Sequence[str]) -> list[str]:
    """Returns the names of a path without those in the middle of a long one."""
    half = SHOWN // 2
    return [*path[:half], "…", *path[-half:]] if len(path) > SHOWN else list(path)
