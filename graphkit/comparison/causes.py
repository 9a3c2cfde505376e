"""Why two ops differ: their attributes and constants, or what one value is in terms of the other."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit.comparison import alignment, bodies, extras, locating, masks, relations, wording
from graphkit.comparison.alignment import Alignment
from graphkit.comparison.locating import Place
from graphkit.comparison.sides import Side, as_array
from graphkit.graph import walk

MOST_TRIALS = 60  # constants that are tried in the place of others
ROOTS = ("Rsqrt", "Sqrt", "Pow")


def of_place(both: Alignment, place: Place) -> str:
    """Returns the cause of a difference as a clause."""
    masked = of_masks(both, place)
    if masked:
        return masked
    if place.kind == "extra":
        return extras.of_extra(both, place)
    if place.kind == "op":
        return of_op(both, place)
    if place.kind == "operands":
        return of_operands(both, place)
    return of_parts(both, place)


def sizes_of(both: Alignment, place: Place | None = None) -> dict[int, str]:
    """Returns {number: what it counts}: examples, and numbers in the tensors near a place."""
    sizes: dict[int, str] = {}
    if both.examples:
        sizes[both.examples] = f"the number of examples ({both.examples})"
    for tensor in place.old.op.inputs if place is not None else ():
        value = both.old.values.get(tensor.name)
        if value is None or not both.is_data(both.old, tensor):
            continue
        for start in range(value.ndim):
            for end in range(value.ndim, start, -1):
                count = int(np.prod(value.shape[start:end]))
                sizes.setdefault(
                    count, f"the size of axes {start} to {end - 1} of {tensor.op.name} ({count})"
                )
    return sizes


def of_masks(both: Alignment, place: Place) -> str | None:
    """Returns how dropout differs, where the place is at one whose masks are drawn in another manner."""
    for pair in both.mask_pairs:
        text = masks.difference(*pair) or of_position(both, pair)
        sides = zip((both.old, both.new), pair, (place.old, place.new), strict=True)
        near = [
            tensor.op in {t.op for t in both.cone(side, mask.user.outputs[0])} for side, mask, tensor in sides
        ]
        if text is not None and any(near):
            return text
    return None


def of_all_masks(both: Alignment) -> str | None:
    """Returns how random numbers differ that both graphs were given alike, or None."""
    found = (masks.difference(*pair) or of_position(both, pair) for pair in both.mask_pairs)
    return next(filter(None, found), None)


def of_position(both: Alignment, pair: tuple[masks.Mask, masks.Mask]) -> str | None:
    """Returns that two masks are applied to tensors of other layers, or None."""
    leaves = [
        alignment.shared(both.leaves[s][m.user]) for s, m in zip((both.old, both.new), pair, strict=True)
    ]
    if leaves[0] == leaves[1]:
        return None
    old, new = (
        next(t for t in m.user.inputs if t is not m.tensor and both.is_data(s, t))
        for s, m in zip((both.old, both.new), pair, strict=True)
    )
    texts = wording.operand(both, both.old, old), wording.operand(both, both.new, new)
    return f"dropout is applied at another place: to {texts[0]} in old and to {texts[1]} in new"


def of_op(both: Alignment, place: Place) -> str:
    """Returns which attributes, constants or orders of axes differ between two ops of one type."""
    old, new = place.old.op, place.new.op
    texts = list(attribute_texts(old, new))
    dtypes = [tensor.dtype.base_dtype.name for tensor in (place.old, place.new)]
    if dtypes[0] != dtypes[1] and not texts:
        texts.append(f"data type is {dtypes[0]} in old and {dtypes[1]} in new")
    named = None if texts else of_layouts(both, place)
    if named:
        return named
    for slot, (first, second) in enumerate(locating.slots(both, old, new)):
        if both.is_data(both.old, first) or both.is_data(both.new, second):
            if first.name in both.old.values and second.name in both.new.values:
                x, y = both.old.values[first.name], both.new.values[second.name]
                axes = None if alignment.as_they_are(x, y) else alignment.layout(x, y)
                if axes is not None and not texts:
                    texts.append(f"input {slot} is transposed (axes {axes})")
            continue
        a, b = both.old.values.get(first.name), both.new.values.get(second.name)
        if a is not None and b is not None and not (a.shape == b.shape and alignment.close(a, b)):
            what = role(both, place, slot_name(old, first))
            texts.append(f"{what} is {wording.constant(a)} in old and {wording.constant(b)} in new")
    texts = texts or missing_variables(both, place)
    if not texts:
        texts += bodies.function_texts(both, old, new)
    a, b = both.old.values[place.old.name], both.new.values[place.new.name]
    said = (
        relations.relation(a, b, sizes_of(both, place)) if not texts or old.type in ("Sum", "Mean") else None
    )
    if said:
        texts.append(said)
    clause = "; ".join(texts) or "equal inputs, another result, for a reason that the ops do not show"
    return f"{old.type}: {clause}"


def missing_variables(both: Alignment, place: Place) -> list[str]:
    """Returns which variables the functions of one op take that the other graph lacks."""
    texts = []
    for side, op in ((both.old, place.old.op), (both.new, place.new.op)):
        own = f"{side.name} variable "
        names = [leaf.removeprefix(own) for leaf in both.leaves[side][op] if leaf.startswith(own)]
        if names and wording.has_functions(op):
            names_of_all = ", ".join(sorted(names))
            texts.append(f"{side.name} takes {names_of_all}, which {both.other(side).name} lacks")
    return texts


def of_layouts(both: Alignment, place: Place) -> str | None:
    """Returns which functions of one tensor two ops are that take it with its axes in another order."""
    a, b = both.old.values[place.old.name], both.new.values[place.new.name]
    for first, second in locating.slots(both, place.old.op, place.new.op):
        x, y = both.old.values.get(first.name), both.new.values.get(second.name)
        if x is None or y is None:
            continue
        axes = alignment.layout(x, y)
        if axes is not None and a.shape == x.shape and b.shape == y.shape:
            names = relations.function_of(x, a), relations.function_of(x, np.transpose(b, np.argsort(axes)))
            if all(names) and names[0] != names[1]:
                return f"old takes {names[0]}, new {names[1]}"
    return None


def attribute_texts(old: tf.Operation, new: tf.Operation) -> Iterator[str]:
    first, second = wording.attributes(old), wording.attributes(new)
    for name in sorted(first.keys() & second.keys()):
        if is_function(first[name]) or first[name] == second[name]:
            continue
        label = "slope (alpha)" if old.type == "LeakyRelu" else wording.ATTRIBUTES.get(name, name)
        yield f"{label} is {first[name]} in old and {second[name]} in new"


def is_function(value: Any) -> bool:
    return hasattr(value, "name") and not isinstance(value, tf.DType)


def slot_name(op: tf.Operation, tensor: tf.Tensor) -> str:
    """Returns the name of the input of an op that a tensor is."""
    names = []
    for argument in op.op_def.input_arg:
        count = op.get_attr(argument.number_attr) if argument.number_attr else 1
        names += [argument.name] * int(count)
    places = [n for n, t in zip(names, op.inputs, strict=False) if t is tensor]
    return places[0] if places else "input"


def role(both: Alignment, place: Place, slot: str) -> str:
    """Returns what a constant input of an op is for."""
    op = place.old.op
    following = {user.type for user in locating.users(both.old, place.old)}
    kind = locating.family(op)
    if kind == "Add" and following & set(ROOTS):
        return "epsilon"
    if wording.of_variables(both, both.old, place.old) and both.old.values[place.old.name].size == 1:
        return "the weight of the regularization"
    if kind == "Mul" and following & {"Maximum", "Minimum"}:
        return "the slope of leaky relu"
    if slot in ("reduction_indices", "axis", "dimension", "dim"):
        return "the axis of the reduction" if "reduction" in slot else "the axis"
    if kind in ("Mul", "RealDiv"):
        return "the factor" if kind == "Mul" else "the divisor"
    return f"the constant {slot}" if len(slot) > 1 else "the constant"


def of_operands(both: Alignment, place: Place) -> str:
    """Returns which tensors two ops of one type take."""
    old, new = place.old.op, place.new.op
    texts = list(attribute_texts(old, new)) or missing_variables(both, place)
    if texts:
        return f"{old.type}: {'; '.join(texts)}"
    wrong = locating.differing(both, locating.slots(both, old, new))
    olds, news = locating.data_inputs(old), locating.data_inputs(new)
    if len(olds) != len(news):
        more, fewer, side = (olds, news, both.old) if len(olds) > len(news) else (news, olds, both.new)
        other = both.other(side)

        def is_there(tensor: tf.Tensor) -> bool:
            pairs = [(tensor, t) if side is both.old else (t, tensor) for t in fewer]
            return any(both.aligned(*pair) for pair in pairs)

        alone = [t for t in more if not is_there(t)]
        names = ", ".join(leaf_text(both, side, t) for t in alone)
        what = "regularization term" if all(wording.of_variables(both, side, t) for t in alone) else "term"
        return f"a {what} is missing in {other.name}: {old.type} adds {names} in {side.name} alone"
    crossed = [(a, b) for a, b in wrong if any(both.aligned(a, other) for _, other in wrong)]
    if len(wrong) > 1 and len(crossed) == len(wrong):
        return f"{old.type} takes its inputs in another order (arguments are swapped)"
    a, b = wrong[0]
    taken = wording.operand(both, both.old, a), wording.operand(both, both.new, b)
    text = f"{old.type} takes {taken[0]} in old and {taken[1]} in new"
    if all(both.is_data(s, t) and both.matched(s, t) for s, t in ((both.old, a), (both.new, b))):
        text += ", though both graphs have both"
    parts = ("Split", "SplitV", "Unpack", "StridedSlice", "Slice")
    if strip_type(a) in parts and strip_type(b) in parts:
        return f"another order of the parts of {locating.strip(a).op.type}, as of the gates: {text}"
    olds_values, news_values = both.old.values.get(a.name), both.new.values.get(b.name)
    if olds_values is not None and news_values is not None:
        said = relations.relation(olds_values, news_values, sizes_of(both, place))
        if said:
            text += f"; {said}"
    return text


def strip_type(tensor: tf.Tensor) -> str:
    return locating.strip(tensor).op.type


def leaf_text(both: Alignment, side: Side, tensor: tf.Tensor) -> str:
    leaves = sorted(both.leaves[side].get(tensor.op, ()))
    return f"{tensor.op.type} of {', '.join(leaves)}"


def of_parts(both: Alignment, place: Place) -> str:
    """Returns what differs between values that other ops compute."""
    a, b = both.old.values[place.old.name], both.new.values[place.new.name]
    named = of_functions(both, place)
    if named:
        return named
    kinds = f"{place.old.op.type} in old, {place.new.op.type} in new"
    said = relations.relation(a, b, sizes_of(both, place))
    if said:
        return f"{kinds}; {said}"
    tried = of_trials(both, place)
    if tried:
        return tried
    types = [
        sorted({t.op.type for t in both.cone(side, tensor)})
        for side, tensor in ((both.old, place.old), (both.new, place.new))
    ]
    mine, theirs = [t for t in types[0] if t not in types[1]], [t for t in types[1] if t not in types[0]]
    shown = [", ".join(alone) or "no other ops" for alone in (mine, theirs)]
    if "SpaceToBatchND" in (*mine, *theirs):
        kinds = (
            f"a dilation (by SpaceToBatchND) in {'old' if 'SpaceToBatchND' in mine else 'new'} alone: {kinds}"
        )
    return f"{kinds}; old alone has {shown[0]}, new alone {shown[1]}"


def epsilons(both: Alignment, side: Side, tensor: tf.Tensor) -> set[float]:
    """Returns the epsilons of the ops of a cone, also of those in functions."""
    ops = {inner.op for inner in both.cone(side, tensor)}
    nodes = [node for op in ops for node in walk.nodes_of(op, walk.library_of([op]))]
    return {round(node.attr["epsilon"].f, 9) for node in nodes if "epsilon" in node.attr}


def anchors(both: Alignment, side: Side, tensor: tf.Tensor) -> list[tf.Tensor]:
    """Returns the tensors with partners at which the cone of one ends."""
    found = {}
    for inner in both.cone(side, tensor):
        for source in inner.op.inputs:
            if both.is_data(side, source) and both.matched(side, source):
                found[source.name] = source
    return list(found.values())


def of_functions(both: Alignment, place: Place) -> str | None:
    """Returns which functions of a common tensor both are, or None."""
    a, b = both.old.values[place.old.name], both.new.values[place.new.name]
    for anchor in anchors(both, both.old, place.old):
        x = both.old.values[anchor.name]
        first = relations.function_of(x, a)
        second = relations.function_of(x, b) if first else None
        if first and second and first != second:
            text = f"old takes {first}, new {second}"
            c = relations.factor(a, b)
            return (
                text
                if c is None
                else f"{text}; new is {c:.6g} times old{relations.meaning(c, sizes_of(both, place))}"
            )
    return None


def of_trials(both: Alignment, place: Place) -> str | None:
    """Returns which constant of one side makes both agree if it is that of the other side, or None.

    Each scalar constant is fed the other side's constants and attributes, and the values are computed again.
    """
    numbers = [list(numbers_in(both, side, t)) for side, t in ((both.old, place.old), (both.new, place.new))]
    trials = 0
    for side, tensor, target, own, others in (
        (both.new, place.new, both.old.values[place.old.name], numbers[1], numbers[0]),
        (both.old, place.old, both.new.values[place.new.name], numbers[0], numbers[1]),
    ):
        for name, value in own:
            for _, other_value in others:
                if name is None or np.isclose(value, other_value, rtol=1e-6) or trials > MOST_TRIALS:
                    continue
                trials += 1
                fed = np.asarray(other_value, side.values[name].dtype)
                changed = as_array(side.run(tensor, **{name: fed}))
                if changed.shape == target.shape and alignment.close(changed, target):
                    both_values = (other_value, value) if side is both.new else (value, other_value)
                    small = max(abs(v) for v in both_values) <= 0.1 and has_root(both, place)
                    what = "epsilon" if small else "a constant"
                    return f"{what} is {both_values[0]:.6g} in old and {both_values[1]:.6g} in new"
    return None


def has_root(both: Alignment, place: Place) -> bool:
    cones = [*both.cone(both.old, place.old), *both.cone(both.new, place.new)]
    return any(t.op.type in (*ROOTS, "FusedBatchNormV3") for t in cones)


def numbers_in(both: Alignment, side: Side, tensor: tf.Tensor) -> Iterator[tuple[str | None, float]]:
    """Yields (name of the tensor that can be fed, number) of the constants and attributes of a cone."""
    seen = set()
    for inner in both.cone(side, tensor):
        if inner.op in seen:
            continue
        seen.add(inner.op)
        for value in wording.attributes(inner.op).values():
            if isinstance(value, float):
                yield None, value
        for source in inner.op.inputs:
            value = side.values.get(source.name)
            if (
                value is not None
                and value.size == 1
                and value.dtype.kind == "f"
                and not both.is_data(side, source)
            ):
                yield source.name, float(value.item())
