"""One update of two graphs whose losses and gradients agree."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphkit.comparison import alignment, applied, gradients, relations
from graphkit.comparison.alignment import Alignment
from graphkit.comparison.sides import Side, as_array

STEPS = 3  # the first of some optimizers are alike: a momentum of 0.9 and of 0.5 begin with the same step
MOST_STEPS = 8  # after which gradients that are accumulated have been applied
TOLERANCE = 2e-3  # of the largest change of a variable
AVERAGES = 2e-5  # likewise, of a moving average; N / (N - 1) is near 1
PRECISION = 4e-7  # of a float32 number, whose change is not known any better

States = list[dict[str, np.ndarray]]
Moves = dict[
    str, tuple[np.ndarray, np.ndarray]
]  # what one step adds to a variable in the old graph and the new


class Updates:
    """The training steps of two graphs.

    Args:
      both: the graphs.
      moving: {name in the new graph: in the old one} of variables that the outputs do not depend on, such as
        moving averages.
      alone: variables of the old graph, and of the new one, without a partner.
      weights: {side: {variable: value}} to begin with.
      raw: the gradients of the losses by the new graph's names, or None where they are not known.
    """

    def __init__(
        self,
        both: Alignment,
        moving: Mapping[str, str],
        alone: Sequence[list[str]],
        weights: Mapping[Side, Mapping[str, Any]],
        raw: tuple[gradients.Found, gradients.Found] | None,
    ) -> None:
        self.both, self.old, self.new = both, both.old, both.new
        self.pairs = {**both.pairs, **moving}
        self.raw, self.alone = raw, alone
        found = raw[0].values() if raw is not None else ()
        self.largest = max((float(np.max(np.abs(g), initial=0)) for g in found), default=0.0)
        self.weights = {side: dict(weights[side]) for side in (self.old, self.new)}
        self.zero_averages()
        for side in (self.old, self.new):
            side.reset(self.weights[side])
        self.applied = {side: applied.of_side(side) for side in (self.old, self.new)}

    def zero_averages(self) -> None:
        """Lets moving averages begin with zero, where the outputs do not depend on them.

        From there one becomes a multiple of the batch's value, which is known to all digits.
        """
        averages = [(m, t) for m, t in self.pairs.items() if self.is_average(m)]
        zeros = {}
        for place, side in enumerate((self.new, self.old)):
            zeros[side] = {**self.weights[side], **{p[place]: zeros_like(side, p[place]) for p in averages}}
            side.reset(zeros[side])
            for tensor, value in zip(side.outputs, side.run(side.outputs), strict=True):
                if not alignment.same_values(side.values[tensor.name], as_array(value)):
                    return
        self.weights = zeros

    def difference(self) -> str | None:
        """Returns why one step updates the variables of two graphs differently, or None."""
        return (
            self.of_frozen()
            or self.of_settings()
            or self.of_gradients()
            or self.of_schedules()
            or self.of_states()
        )

    def trained_pairs(self) -> list[tuple[str, applied.Applied, applied.Applied]]:
        """Returns (name in the new graph, op of the old graph, op of the new one) of what both train."""
        olds, news = self.applied[self.old], self.applied[self.new]
        return [(m, olds[t], news[m]) for m, t in self.pairs.items() if t in olds and m in news]

    def of_frozen(self) -> str | None:
        """Returns which variable only one graph trains, where both train some by ops of optimizers."""
        if not self.trained_pairs():
            return None
        for side, names in zip((self.old, self.new), self.alone, strict=True):
            for name in names:
                if name in self.applied[side]:
                    return f"{side.name} trains {name}, which {self.both.other(side).name} lacks"
        for mine, theirs in self.pairs.items():
            trains = theirs in self.applied[self.old], mine in self.applied[self.new]
            if trains[0] != trains[1]:
                first, second = ("old", "new") if trains[0] else ("new", "old")
                text = f"{theirs} is trained in {first} and frozen in {second}"
                return f"{text} (trainable=False, or not among the variables to train)"
        return None

    def of_settings(self) -> str | None:
        found = (applied.setting_difference(first, second) for _, first, second in self.trained_pairs())
        return next(filter(None, found), None)

    def of_gradients(self) -> str | None:
        """Returns how the gradients that are applied differ: clipped, scaled."""
        if self.raw is None:
            return None
        for side in (
            self.old,
            self.new,
        ):  # a setting that was read may wait for ops that write, as of a decay
            side.reset(self.weights[side])
        both = {m: (a, b) for m, a, b in self.trained_pairs() if m in self.raw[0]}
        both = {m: (a, b) for m, (a, b) in both.items() if not (a.is_sparse or b.is_sparse)}
        values = [
            side.run({m: pair[place].gradient for m, pair in both.items()}, **applied.rate_feed(side, 0))
            for place, side in enumerate((self.old, self.new))
        ]
        if all(gradients.agree(values[0][m], values[1][m], self.largest) for m in both):
            return None
        said = [
            applied.treatment({m: (raw[m], found[m]) for m in both}, self.largest)
            for raw, found in zip(self.raw, values, strict=True)
        ]
        return f"the applied gradients are {said[0]} in old and {said[1]} in new"

    def of_schedules(self) -> str | None:
        """Returns the step at which the learning rates begin to differ, or None."""
        functions = [applied.rates_of(side, self.applied[side]) for side in (self.old, self.new)]
        for step in applied.SCHEDULE if all(functions) else ():
            a, b = (function(step) for function in functions if function is not None)
            if not math.isclose(a, b, rel_tol=1e-5):
                text = f"at step {step} it is {a:.6g} in old and {b:.6g} in new"
                return f"the schedule of the learning rate differs: {text}"
        return None

    def names(self, side: Side) -> list[str]:
        return list(self.pairs.values() if side is self.old else self.pairs)

    def run(self, side: Side, count: int) -> States:
        """Returns the values of the variables before the first step and after each."""
        side.reset(self.weights[side])
        states = [side.read(self.names(side))]
        for step in range(count):
            side.run(side.update, **applied.rate_feed(side, step))
            states.append(side.read(self.names(side)))
        return states

    def of_states(self) -> str | None:
        """Returns which variables a step changes differently, and why."""
        olds, news = self.run(self.old, STEPS), self.run(self.new, STEPS)
        for step in range(1, STEPS + 1):
            moves, wrong = {}, {}
            for mine, theirs in self.pairs.items():
                before = olds[step - 1][theirs]
                first, second = olds[step][theirs] - before, news[step][mine] - news[step - 1][mine]
                moves[mine] = first, second
                tolerance = AVERAGES if self.is_average(mine) else TOLERANCE
                if not self.is_noise(mine) and not moved_alike(first, second, before, tolerance):
                    wrong[mine] = first, second
            if wrong:
                return self.of_moves(wrong, moves, olds[step - 1], step)
        return None

    def is_noise(self, mine: str) -> bool:
        """Whether a variable's gradient is what is left where terms cancel out."""
        if self.raw is None or mine not in self.raw[0] or self.is_average(mine):
            return False
        sizes = [np.max(np.abs(found[mine]), initial=0) for found in self.raw]
        return bool(max(sizes) <= gradients.NOISE * self.largest)

    def of_moves(self, wrong: Moves, moves: Moves, before: Mapping[str, np.ndarray], step: int) -> str:
        mine = next(iter(wrong))
        theirs, (a, b) = self.pairs[mine], wrong[mine]
        for side, place in ((self.old, 0), (self.new, 1)):
            if not np.any(wrong[mine][place]):
                if not any(np.any(pair[place]) for pair in moves.values()):
                    return self.of_accumulation(side)
                if self.is_average(mine):
                    text = f"the moving averages ({theirs}) are not updated in {side.name}"
                    return f"{text}: UPDATE_OPS are not run"
                return f"{theirs} is updated in {self.both.other(side).name} and frozen in {side.name}"
        if self.is_average(mine):
            return self.of_averages(theirs, a, b)
        if a.shape == b.shape:
            decay = decay_in(before[theirs], b - a)
            if decay is not None:
                side = self.new if decay < 0 else self.old
                return f"weight decay: each step removes {abs(decay):.4g} of {theirs} in {side.name} alone"
        text = f"step {step} changes {', '.join(self.pairs[m] for m in wrong)} differently"
        c = relations.factor(a, b)
        return text if c is None else f"{text}: {c:.6g} times as much in new, as by another learning rate"

    def is_average(self, mine: str) -> bool:
        """Whether a variable is trained in neither graph."""
        return not (self.new.variables[mine].trainable or self.old.variables[self.pairs[mine]].trainable)

    def of_averages(self, name: str, a: np.ndarray, b: np.ndarray) -> str:
        """Returns why a moving average that was zero becomes b and not a."""
        c = relations.factor(a, b)
        if c is None:
            return f"the moving averages ({name}) are updated differently"
        for number, text in self.window_sizes().items():
            ratio = number / (number - 1)
            for factor, side in ((ratio, "new"), (1 / ratio, "old")):
                if math.isclose(c, factor, rel_tol=AVERAGES):
                    text = f"the unbiased variance, N / (N - 1) with {text}, in {side} alone"
                    return f"the moving variance {name} is of {text}"
        return f"the momentum of the moving averages differs: {name} moves {c:.6g} times as far in new"

    def window_sizes(self) -> dict[int, str]:
        """Returns {count of the numbers of a channel: text} for the tensors of the old graph."""
        sizes: dict[int, str] = {}
        for value in self.old.values.values():
            if value.ndim >= 2 and len(value) == self.both.examples:
                for axes in (value.shape[:-1], (value.shape[0], *value.shape[2:])):
                    sizes.setdefault(int(np.prod(axes)), f"N = {int(np.prod(axes))}")
        return {number: text for number, text in sizes.items() if number > 1}

    def of_accumulation(self, side: Side) -> str:
        """Returns after how many steps a graph updates its variables that does not do so in the first."""
        states = self.run(side, MOST_STEPS)
        for step in range(1, MOST_STEPS + 1):
            if any(np.any(states[step][name] != states[0][name]) for name in self.names(side)):
                return f"gradients are accumulated over {step} steps in {side.name} alone"
        return f"the training op of {side.name} updates no variable"


def decay_in(before: np.ndarray, rest: np.ndarray) -> float | None:
    """Returns c where what two changes of a variable differ by is c times the variable, or None."""
    size = float(np.max(np.abs(before), initial=0))
    if size == 0:
        return None
    value = before.astype(np.float64)
    c = float(np.sum(value * rest) / np.sum(value**2))
    apart = np.max(np.abs(c * value - rest), initial=0)
    return c if abs(c) > 5 * PRECISION and apart <= PRECISION * size else None


def zeros_like(side: Side, name: str) -> np.ndarray:
    variable = side.variables[name]
    return np.zeros(variable.shape.as_list(), variable.dtype.base_dtype.as_numpy_dtype)


def moved_alike(first: np.ndarray, second: np.ndarray, before: np.ndarray, tolerance: float) -> bool:
    """Whether a step changes a variable alike in two graphs, of which one may hold it transposed."""
    if first.shape != second.shape:
        second = second.T
    if first.shape != second.shape:
        return True
    largest = max(np.max(np.abs(first), initial=0), np.max(np.abs(second), initial=0))
    size = np.max(np.abs(before), initial=0)
    apart = np.max(np.abs(first.astype(np.float64) - second), initial=0)
    return bool(apart <= tolerance * largest + PRECISION * size)
