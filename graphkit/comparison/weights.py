"""Inputs and variables of two graphs that mean the same, and the values they get."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.checkpoints import contents, likely_renames, restoring
from graphkit.comparison.sides import Side, as_array
from graphkit.graph import walk

Pairs = dict[str, str]  # {name in the new graph: name in the old one}


def feed_inputs(check: checks.Checker, old: Side, new: Side, inputs: Any) -> dict[str, tuple[str, str]]:
    """Sets what both sides are fed; returns {key: (name in old, name in new)}, "" for none."""
    rule = "inputs must be {name of a placeholder, or (old placeholder, new placeholder): array}"
    check.require_type(isinstance(inputs, Mapping), rule, inputs=inputs)
    known: dict[str, tuple[str, str]] = {}
    for key, value in inputs.items():
        value = check.unmasked(f"inputs[{key!r}]", value)
        names = names_of(check, rule, key, old, new)
        for side, name in zip((old, new), names, strict=True):
            if name:
                feed_one(check, side, name, value)
        known["/".join(dict.fromkeys(n.removesuffix(":0") for n in names if n))] = names
    by_shape(old, new, known)
    by_shape(new, old, known)
    for side in (old, new):
        side.feed = {**side.settings(), **side.feed}
        missing = [tensor.name.removesuffix(":0") for tensor in side.unfed()]
        rule = f"inputs must have a value for each placeholder of the {side.name} graph"
        check.require(not missing, rule, missing=missing, inputs=sorted(map(str, inputs)))
    return known


def names_of(check: checks.Checker, rule: str, key: Any, old: Side, new: Side) -> tuple[str, str]:
    """Returns the names of the tensors that a key of `inputs` stands for."""
    keys = key if isinstance(key, tuple) else (key, key)
    check.require_type(len(keys) == 2, rule, key=key)
    names = []
    for side, one in zip((old, new), keys, strict=True):
        if walk.is_graph_tensor(one):
            name = one.name if one.graph is side.original else ""
        else:
            check.require_type(isinstance(one, str), rule, key=key)
            name = one if ":" in one else f"{one}:0"
        names.append(name if name and side.holds(name) else "")
    candidates = sorted({p.op.name for side in (old, new) for p in side.placeholders()})
    rule = f"a key of inputs must be in one of the graphs{checks.near(str(key), candidates)}"
    check.require(any(names), rule, key=key)
    return names[0], names[1]


def feed_one(check: checks.Checker, side: Side, name: str, value: Any) -> None:
    tensor = side.tensor(name)
    try:
        array = np.asarray(value, tensor.dtype.as_numpy_dtype)
    except (TypeError, ValueError):
        rule = f"{name} of the {side.name} graph takes {tensor.dtype.name}"
        raise TypeError(check.message(rule, value=value)) from None
    fits = tensor.shape.is_compatible_with(array.shape)
    rule = f"{name} of the {side.name} graph has shape {tensor.shape}"
    check.require(fits, rule, shape=array.shape)
    side.feed[name] = array


def by_shape(fed: Side, other: Side, known: dict[str, tuple[str, str]]) -> None:
    """Feeds what one side is fed to the one placeholder of the other side that takes it."""
    index = 0 if fed.name == "old" else 1
    for key, names in known.items():
        if names[1 - index] or not names[index]:
            continue
        value = fed.feed[names[index]]
        takes = [
            p
            for p in other.placeholders()
            if p.name not in other.feed
            and walk.is_fed(p.op)
            and p.dtype == fed.tensor(names[index]).dtype
            and p.shape.is_compatible_with(value.shape)
        ]
        if len(takes) == 1:
            other.feed[takes[0].name] = value
            pair = (names[0], takes[0].name) if index == 0 else (takes[0].name, names[1])
            known[key] = pair


def match_variables(
    check: checks.Checker, old: Side, new: Side, rename: Mapping[str, str] | None
) -> tuple[Pairs, list[str], list[str]]:
    """Returns ({new name: old name}, old ones without a partner, new ones without a partner).

    By name, with the renames, as `Trainer.restore` does; then by likely names; then by order of making where
    the shapes of what is left are the same in this order.
    """
    theirs = {name: restoring.describe(name, old.variables[name]).own for name in old.used()}
    ours = {name: restoring.describe(name, new.variables[name]).own for name in new.used()}
    wanted = {name: restoring.describe(name, new.variables[name]) for name in ours}
    rename = restoring.check_rename(check, rename, wanted=wanted, held=theirs, path="the old graph")
    pairs: Pairs = {}
    for name in ours:
        source = restoring.find_source(name, name, rename=rename, held=theirs)
        if source is not None and same_size(ours[name], theirs[source]):
            pairs[name] = source
    if not pairs.keys() >= ours.keys():
        left = {n: bare(e) for n, e in ours.items() if n not in pairs}
        unused = {n: bare(e) for n, e in theirs.items() if n not in pairs.values()}
        pairs |= likely_renames.find(left, unused)
    left_new = [name for name in ours if name not in pairs]
    left_old = [name for name in theirs if name not in pairs.values()]
    forms = [[bare(entries[n]) for n in names] for entries, names in ((ours, left_new), (theirs, left_old))]
    if forms[0] == forms[1]:
        return {**pairs, **dict(zip(left_new, left_old, strict=True))}, [], []
    for form in dict.fromkeys(forms[0]):
        mine = [n for n in left_new if bare(ours[n]) == form]
        other = [n for n in left_old if bare(theirs[n]) == form]
        rule = "variables must be matched by name; pass rename={name in the new graph: name in the old one}"
        check.require(len(other) in (0, len(mine)), rule, old=other, new=mine)
        if len(mine) == len(other):
            pairs |= dict(zip(mine, other, strict=True))
    matched = set(pairs.values())
    return pairs, [n for n in left_old if n not in matched], [n for n in left_new if n not in pairs]


def match_moving(old: Side, new: Side) -> Pairs:
    """Returns {new name: old name} of further variables of the models, such as moving averages."""
    entries = [{n: restoring.describe(n, s.variables[n]).own for n in s.moving()} for s in (old, new)]
    pairs = {name: name for name, entry in entries[1].items() if entries[0].get(name) == entry}
    left = [{n: bare(e) for n, e in found.items() if n not in pairs} for found in entries]
    return {**pairs, **likely_renames.find(left[1], left[0])}


def bare(entry: contents.Entry) -> contents.Entry:
    """Returns an entry with one dtype for all floating-point numbers: a port may compute in another one."""
    return entry._replace(dtype="float") if "float" in entry.dtype else entry


def same_size(first: contents.Entry, second: contents.Entry) -> bool:
    """Whether one can take the values of the other, transposed where it has to be."""
    return sorted(map(str, first.shape or ())) == sorted(map(str, second.shape or ()))


def values_of(check: checks.Checker, old: Side, weights: Any, seed: int) -> dict[str, np.ndarray]:
    """Returns the values that the old graph's variables get."""
    names = old.used()
    trainer = old.given.trainer
    if weights is None and trainer is not None:
        return disturbed(values_of(check, old, trainer.session, seed), seed)
    if isinstance(weights, tf.compat.v1.Session):
        check.require(weights.graph is old.original, "weights must be a session of the old graph")
        found = weights.run({name: old.variables[name] for name in names})
        return {name: as_array(value) for name, value in found.items()}
    if isinstance(weights, (str, os.PathLike)):
        plan = restoring.plan_restore(weights, {name: old.variables[name] for name in names})
        restoring.require_complete(plan)
        reader = contents.Reader(plan.path)
        return {n: plan.wanted[n].value(reader.value(source)) for n, source in plan.matched.items()}
    if isinstance(weights, Mapping):
        lost = [name for name in names if name not in weights]
        check.require(not lost, "weights must have a value for each variable of the old graph", missing=lost)
        return {name: np.asarray(weights[name]) for name in names}
    rule = "weights must be None, a session of the old graph, a checkpoint, or {variable name: array}"
    check.require_type(weights is None, rule, weights=weights)
    old.reset({})
    return disturbed(old.read(names), seed)


def disturbed(values: Mapping[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Returns initial values, of which constant ones get small positive random numbers added.

    A bias of zeros, or a scale of ones, would hide that one of the graphs does not use it. What has been
    trained is not constant, and stays.
    """
    random = np.random.default_rng(seed)
    changed = {}
    for name, value in values.items():
        constant = value.dtype.kind == "f" and value.size and np.ptp(value) == 0
        noise = random.uniform(0.1, 0.5, value.shape)
        changed[name] = (value + noise).astype(value.dtype) if constant else value
    return changed


def fitted(value: np.ndarray, variable: tf.Variable) -> np.ndarray:
    """Returns a value in the shape and dtype of a variable, transposed where its axes are."""
    shape = tuple(variable.initializer.inputs[1].shape.as_list() or ())
    if value.shape != shape and None not in shape:
        value = value.T if value.T.shape == shape else np.moveaxis(value, -1, 0)
        value = value if value.shape == shape else np.resize(value, shape)
    return value.astype(variable.dtype.base_dtype.as_numpy_dtype)
