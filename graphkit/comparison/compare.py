"""`gk.compare`: whether two graphs compute the same, and the first difference if they do not."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.comparison import alignment, causes, gradients, locating, masks, updates, weights
from graphkit.comparison.alignment import Alignment
from graphkit.comparison.result import Comparison, Row
from graphkit.comparison.sides import Given, Side, as_array
from graphkit.graph import walk

__all__ = ["compare"]


def compare(
    old: Any,
    new: Any,
    inputs: Mapping[Any, Any],
    *,
    rename: Mapping[str, str] | None = None,
    weights: tf.compat.v1.Session | str | os.PathLike | Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Comparison:
    """Compares two graphs with the same weights on the same inputs, and names the first real difference.

    It runs copies of both graphs, as in a training step (the flag of `gk.batch_norm` is True, placeholders
    have their defaults unless fed): first the outputs, then the gradients of the loss, then some updates, as
    far as both have them. Tensors are aligned by their values, so that other ops that compute the same (a
    bias by BiasAdd or by +, explicit padding that is that of SAME, another layout) count as equal, as does
    rounding, such as that of sums in another order. Where the two graphs begin to differ, the attributes,
    the constants and the values of the ops there tell the cause.

    Random masks (dropout) are those of the old graph in both: compared is how many units they keep, and their
    shape. Random ops in loops and functions cannot be shared so.

    Args:
      old: a tensor such as a loss or logits, a tuple (loss, training op), a `gk.Trainer`, or an object with
        `graph` and `outputs`. A scalar loss has gradients; a training op or a trainer has an update.
      new: likewise, of another graph or the same.
      inputs: {name of a placeholder: array}. The name is that in both graphs, or in one of them, if the other
        has one free placeholder of this shape and dtype; a pair (old, new) names both. Names are strings
        or placeholders.
      rename: {variable of the new graph: variable of the old graph}, or prefixes that end in /, as
        `Trainer.restore` takes it. Without it variables are matched by name, by likely names, and what is
        left by shape in the order of making.
      weights: values of the old graph's variables, which both get: a session of the old graph, the path of
        a checkpoint, or {name: array}. None takes those of a trainer, or the initial values of the old graph,
        with small random numbers added to constant ones, since zeros hide differences. Variables of the
        optimizer, and others that the outputs do not depend on, have their initial values.
      seed: of these random numbers, and of initial values without a seed.

    Returns:
      A `Comparison`: equal, finding (one sentence), where (ops and lines), numbers, a table of the tensors.

    Raises:
      TypeError: an argument has another type than is listed.
      ValueError: a placeholder that has no value, a name that neither graph has, variables of one shape of
        which it is not clear which belong together, or outputs that are random beyond what can be shared.

    Example:
      >>> def loss(activation):
      ...     with tf.Graph().as_default():
      ...         hidden = activation(gk.dense(gk.feature_input(3), 4))
      ...         return gk.softmax_cross_entropy(gk.dense(hidden, 2), gk.label_input())
      >>> inputs = {"features": np.eye(3), "labels": [0, 1, 1]}
      >>> gk.compare(loss(tf.nn.relu), loss(tf.nn.relu), inputs).equal
      True
      >>> found = gk.compare(loss(tf.nn.relu), loss(tf.nn.elu), inputs)
      >>> print(found.finding)
      The first difference is in the forward pass: old takes relu, new elu.
    """
    check = checks.Checker("compare")
    seed = check.integer("seed", seed, 0)
    given = Given(check, "old", old), Given(check, "new", new)
    counts = [len(one.outputs) for one in given]
    check.require(counts[0] == counts[1], "old and new must have equally many outputs", outputs=counts)
    sides = Side("old", given[0], seed), Side("new", given[1], seed)
    try:
        return of_sides(check, *sides, inputs, rename, weights, seed)
    finally:
        for side in sides:
            side.close()


def of_sides(
    check: checks.Checker, old: Side, new: Side, inputs: Any, rename: Any, given_weights: Any, seed: int
) -> Comparison:
    made = gradients.of_variables(old), gradients.of_variables(new)
    known = weights.feed_inputs(check, old, new, inputs)
    pairs, *alone = weights.match_variables(check, old, new, rename)
    values = weights.values_of(check, old, given_weights, seed)
    new.reset({})
    own = weights.disturbed(new.read(new.used()), seed + 1)
    theirs = {mine: weights.fitted(values[name], new.variables[mine]) for mine, name in pairs.items()}
    assigned: dict[Side, Mapping[str, Any]] = {old: values, new: {**own, **theirs}}
    for side in (old, new):
        side.reset(assigned[side])
    mask_pairs, unpaired = masks.share(old, new)
    for side in (old, new):
        check_repeats(check, side)
    both = Alignment(old, new, pairs, known, mask_pairs, unpaired)
    unmatched = tuple(
        f"{s.name} {name}" for s, names in zip((old, new), alone, strict=True) for name in names
    )
    compared = ["forward pass"]
    stage, clause, where = "", "", {}
    place = first_place(both)
    shapes = None if place is None else of_shapes(both, place, *alone)
    if place is not None and shapes:
        stage, (clause, name) = "forward pass", shapes
        where = {s.name: (name, s.line(s.handle(name).op)) for s in (old, new)}
    elif place is not None:
        stage, clause = "forward pass", of_sharing(both, alone[1], assigned) or causes.of_place(both, place)
        where = {s.name: (t.op.name, s.line(t.op)) for s, t in ((old, place.old), (new, place.new))}
    else:
        clause = causes.of_all_masks(both) or of_dtypes(both) or ""
        stage = "forward pass" if clause else ""
    if not stage:
        stage, clause, where = of_training(both, made, alone, assigned, compared)
    return result(both, stage, clause, where, tuple(compared), unmatched)


def check_repeats(check: checks.Checker, side: Side) -> None:
    """Refuses outputs that two runs compute differently, which nothing can be compared with."""
    first, second = side.run(side.outputs), side.run(side.outputs)
    pairs = zip(side.outputs, first, second, strict=True)
    drawn = [t.name for t, a, b in pairs if not alignment.same_values(as_array(a), as_array(b))]
    rule = f"the outputs of the {side.name} graph must be the same in two runs; random ops in loops and "
    rule += "functions cannot be shared, so feed what turns them off, such as keep_prob 1.0"
    check.require(not drawn, rule, outputs=drawn)


def first_place(both: Alignment) -> locating.Place | None:
    """Returns where the first of the outputs that differ begins to differ, or None."""
    for first, second in zip(both.old.outputs, both.new.outputs, strict=True):
        if not both.aligned(first, second):
            return locating.locate(both, first, second)
    return None


def of_shapes(
    both: Alignment, place: locating.Place, olds: list[str], news: list[str]
) -> tuple[str, str] | None:
    """Returns (clause, name) of a variable at a place that has another shape in the other graph, or None."""
    for name in news:
        if name in olds and f"new variable {name}" in both.leaves[both.new][place.new.op]:
            shapes = [tuple(side.variables[name].shape.as_list()) for side in (both.old, both.new)]
            return f"variable {name} has shape {shapes[0]} in old and {shapes[1]} in new", name
    return None


def of_sharing(both: Alignment, alone: list[str], assigned: Mapping[Side, Mapping[str, Any]]) -> str | None:
    """Returns that old alone shares a variable, where equal values make both graphs agree, or None."""
    new = both.new
    for name in alone:
        value = assigned[new][name]
        for mine, theirs in both.pairs.items():
            candidate = assigned[new][mine]
            if candidate.shape != value.shape:
                continue
            changed = {**assigned[new], name: candidate}
            new.reset(changed)
            outputs = new.run(new.outputs)
            new.reset(assigned[new])
            expected = [both.old.values[t.name] for t in both.old.outputs]
            if all(alignment.same_values(a, np.asarray(b)) for a, b in zip(expected, outputs, strict=True)):
                return (
                    f"{theirs} is shared (used twice) in old, and not shared in new, which has {name} as well"
                )
    return None


def of_dtypes(both: Alignment) -> str | None:
    """Returns the first variable that the graphs hold in other dtypes, or None."""
    for mine, theirs in both.pairs.items():
        kinds = [
            both.old.variables[theirs].dtype.base_dtype.name,
            both.new.variables[mine].dtype.base_dtype.name,
        ]
        if kinds[0] != kinds[1]:
            return f"the data type of {theirs} is {kinds[0]} in old and {kinds[1]} in new"
    return None


def of_training(
    both: Alignment,
    made: Sequence[gradients.Gradients],
    alone: Sequence[list[str]],
    assigned: Mapping[Side, Mapping[str, Any]],
    compared: list[str],
) -> tuple[str, str, dict[str, tuple[str, str]]]:
    """Returns (stage, clause, where) of the first difference of gradients and updates, empty without one."""
    old, new = both.old, both.new
    raw = None
    values = [one.values() for one in made]
    if values[0] is not None and values[1] is not None:
        compared.append("gradients")
        floats = {m: t for m, t in both.pairs.items() if m in values[1]}
        raw = {m: values[0][t] for m, t in floats.items()}, {m: values[1][m] for m in floats}
        found = gradients.difference(both, *raw)
        if found is not None:
            names = {old: old.handle(both.pairs[found[0]]).op, new: new.handle(found[0]).op}
            return "gradients", found[1], {s.name: (op.name, s.line(op)) for s, op in names.items()}
    if old.update is not None and new.update is not None:
        compared.append("update")
        moving = weights.match_moving(old, new)
        text = updates.Updates(both, moving, alone, assigned, raw).difference()
        if text is not None:
            return (
                "update",
                text,
                {s.name: (op.name, s.line(op)) for s, op in ((old, old.update), (new, new.update))},
            )
    return "", "", {}


def result(
    both: Alignment,
    stage: str,
    clause: str,
    where: dict[str, tuple[str, str]],
    compared: tuple[str, ...],
    unmatched: tuple[str, ...],
) -> Comparison:
    largest, size = 0.0, 0.0
    for first, second in zip(both.old.outputs, both.new.outputs, strict=True):
        a, b = both.old.values[first.name], both.new.values[second.name]
        if a.shape == b.shape:
            largest = max(largest, float(np.max(np.abs(a.astype(np.float64) - b), initial=0)))
        size = max(size, float(np.max(np.abs(a.astype(np.float64)), initial=0)))
    relative = largest / size if size else largest
    if stage:
        finding = f"The first difference is in the {stage}: {clause}."
    else:
        stages = f"{', '.join(compared[:-1])} and {compared[-1]}" if len(compared) > 1 else compared[0]
        real = (
            f"real difference ({relative:.1g} of the largest output is rounding)" if largest else "difference"
        )
        finding = f"No {real} in the {stages}."
    return Comparison(
        equal=not stage,
        finding=finding,
        stage=stage,
        where=where,
        difference=largest,
        relative=relative,
        variables=both.pairs,
        unmatched=unmatched,
        compared=compared,
        table=table_of(both),
    )


def table_of(both: Alignment) -> tuple[Row, ...]:
    rows = []
    for op in walk.as_made(both.old.forward):
        for tensor in op.outputs:
            if both.is_data(both.old, tensor):
                value, partner = both.old.values[tensor.name], None
                if both.matched(both.old, tensor):
                    partner = both.partner[both.old, tensor.name]
                other = both.new.values.get(partner or "", np.zeros(()))
                same = partner is not None and other.shape == value.shape and value.size
                apart = float(np.max(np.abs(value.astype(np.float64) - other))) if same else 0.0
                rows.append(Row(tensor.name, partner or "", value.shape, apart))
    return tuple(rows)
