"""What the optimizers of two graphs apply: their kinds, numbers, schedules, and gradients."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from graphkit.comparison import gradients, relations
from graphkit.comparison.sides import APPLIES, Side, as_array
from graphkit.graph import walk

SCHEDULE = (0, 1, 10, 100, 1000, 10_000, 100_000)  # steps at which learning rates are compared
RATES = ("lr", "alpha")
WORDS = {"lr": "the learning rate", "alpha": "the learning rate", "rho": "the decay (rho)"}
SETTINGS = (*RATES, "rho", "momentum", "beta1", "beta2", "epsilon", "l1", "l2", "lr_power")
STATE = ("accum", "m", "v", "ms", "mg", "mom", "linear")
SWITCHES = ("use_nesterov", "centered")


class Applied(NamedTuple):
    """An op of an optimizer that updates a variable.

    Attributes:
      op: the op.
      kind: the optimizer, such as "Adam".
      settings: {name: value} of its numbers and switches.
      gradient: what it applies.
      rate: the learning rate, or None.
    """

    op: tf.Operation
    kind: str
    settings: dict[str, Any]
    gradient: tf.Tensor
    rate: tf.Tensor | None

    @property
    def is_sparse(self) -> bool:
        return "Sparse" in self.op.type


def of_side(side: Side) -> dict[str, Applied]:
    """Returns {name of a variable: what updates it}, of ops outside of branches and loops."""
    assert side.update is not None
    variables = {side.handle(name).op.name: name for name in side.variables}
    found = {}
    ops = walk.as_made(walk.ancestors([side.update]))
    hidden = walk.inside_control_flow(ops)  # a branch that is not taken has no values
    for op in ops:
        if op in hidden or not APPLIES.fullmatch(op.type):
            continue
        handle = walk.origin(op.inputs[0], ("Identity",)).op.name
        given = dict(zip([a.name for a in op.op_def.input_arg], op.inputs, strict=True))
        numbers = side.run({n: given[n] for n in SETTINGS if n in given}, **rate_feed(side, 0))
        settings: dict[str, Any] = {name: float(as_array(value)) for name, value in numbers.items()}
        settings |= {name: op.get_attr(name) for name in SWITCHES if name in op.node_def.attr}
        slots = {
            name: variables.get(walk.origin(given[name], ("Identity",)).op.name)
            for name in STATE
            if name in given
        }
        states = side.read(variable for variable in slots.values() if variable is not None)
        settings |= {
            f"the initial value of {name}": float(states[variable].mean())
            for name, variable in slots.items()
            if variable is not None
        }
        kind = op.type.split("Apply", 1)[1].removesuffix("V2").replace("KerasMomentum", "Momentum")
        rate = next((given[n] for n in RATES if n in given), None)
        gradient = given["grad"] if "grad" in given else given["delta"]
        found[variables.get(handle, handle)] = Applied(op, kind, settings, gradient, rate)
    return found


def rate_feed(side: Side, step: int) -> dict[str, Any]:
    """Returns what a trainer's learning rate is fed in a step."""
    trainer = side.given.trainer
    if trainer is None or trainer.learning_rate.schedule is None:
        return {}
    name = trainer.training_step.rate_input.name  # type: ignore[union-attr]  # there is a schedule
    return {name: np.float32(trainer.learning_rate.schedule(step))}


def rates_of(side: Side, applied: Mapping[str, Applied]) -> Callable[[int], float] | None:
    """Returns the learning rate as a function of the step, or None where it is not known."""
    trainer = side.given.trainer
    if trainer is not None and trainer.learning_rate.schedule is not None:
        return trainer.learning_rate.schedule
    rate = next((one.rate for one in applied.values() if one.rate is not None), None)
    if rate is None:
        return None
    counters = [v for n, v in side.variables.items() if v.dtype.base_dtype.is_integer and v.shape.rank == 0]

    def at(step: int) -> float:
        for variable in counters:
            initializer = side.graph.get_operation_by_name(variable.initializer.name)
            side.session.run(initializer, {variable.initializer.inputs[1].name: step})
        return float(as_array(side.run(rate)))

    return at


def setting_difference(first: Applied, second: Applied) -> str | None:
    """Returns which optimizer or setting of it differs, or None."""
    if first.kind != second.kind:
        return f"the optimizer is {first.kind} in old and {second.kind} in new"
    for name in first.settings:
        a, b = first.settings[name], second.settings.get(name, first.settings[name])
        if not math.isclose(a, b, rel_tol=1e-5):
            word = WORDS.get(name, name)
            return f"{word} of the optimizer ({first.kind}) is {a:.6g} in old and {b:.6g} in new"
    return None


Pairs = Mapping[str, tuple[np.ndarray, np.ndarray]]


def treatment(pairs: Pairs, largest: float) -> str:
    """Returns what was made of the gradients of a loss before they were applied.

    Args:
      pairs: {variable: (gradient of the loss, what is applied)}.
      largest: the largest number of all gradients.
    """
    same = {m for m, (a, b) in pairs.items() if gradients.agree(a, b, largest)}
    if len(same) == len(pairs):
        return "those of the loss"
    if all(np.array_equal(np.sign(a), b) for a, b in pairs.values()):
        return "the signs of those of the loss"
    factors = {m: 1.0 if m in same else relations.factor(a, b) for m, (a, b) in pairs.items()}
    known = [c for c in factors.values() if c is not None]
    if len(known) == len(pairs):
        norm = math.sqrt(sum(float(np.sum(b.astype(np.float64) ** 2)) for _, b in pairs.values()))
        if max(known) - min(known) > 1e-3 * abs(max(known)):
            norms = [float(np.linalg.norm(pairs[m][1])) for m in pairs if m not in same]
            return f"clipped one by one to a norm of {max(norms):.4g}"
        clipped = f", or clipped to a global norm of {norm:.4g}" if known[0] < 1 else ""
        return f"{known[0]:.4g} times those of the loss (scaled{clipped})"
    limit = max(float(np.max(np.abs(b), initial=0)) for _, b in pairs.values())
    if all(gradients.agree(np.clip(a, -limit, limit), b, largest) for a, b in pairs.values()):
        return f"clipped by value to {limit:.4g}"
    return "changed in another manner"
