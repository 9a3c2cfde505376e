"""The edges of a summary: which inputs and layers feed which layers."""

from graphkit.graph import walk
from graphkit.inspection import forward, layers

SIZES_ONLY = (*walk.SIZES, "ZerosLike", "OnesLike")  # what they make holds nothing of an array's values


def find_edges(ops, grouped, rows):
    """Returns pairs of names (from, to), by the rows that they lead to, and (name, shape) of the inputs."""
    names = [row.layer for row in rows]
    inputs = name_inputs(ops, names)
    feeds = find_feeds(ops, grouped, names, inputs)
    places = {name: place for place, name in enumerate((*inputs, *names))}
    edges = [(name, layer) for layer in names for name in sorted(feeds[layer] - {layer}, key=places.get)]
    used = {name for name, _ in edges}
    shapes = tuple((name, layers.shape_of(tensor)) for name, tensor in inputs.items() if name in used)
    return tuple(edges), shapes


def name_inputs(ops, taken):
    """Returns {name: tensor} of the arrays that are fed or read.

    They are called like their ops, unless an op brings several or a layer is called so.
    """
    inputs = {}
    for op in filter(forward.brings_inputs, ops):
        for tensor in op.outputs:
            if tensor.shape.rank != 0:
                alone = len(op.outputs) == 1 and op.name not in taken
                inputs[op.name if alone else tensor.name] = tensor
    return inputs


def find_feeds(ops, grouped, names, inputs):
    """Returns {row: what feeds it}, for the rows of these names.

    Ops of no such row, or that change nothing, hand on what feeds them. A loop hands it to ops before
    them too, so that the ops are gone through until nothing is new.
    """
    feeds = {name: set() for name in names}
    handed, before = {tensor.name: {name} for name, tensor in inputs.items()}, None
    while handed != before:
        before = dict(handed)
        for op in ops:
            if op.type in SIZES_ONLY or forward.brings_inputs(op):
                continue
            given = [handed.get(tensor.name, set()) for tensor in op.inputs]
            if op.type != "IdentityN":  # which hands on each of its values by itself
                given = [set().union(*given)] * len(op.outputs)
            row = grouped.get(op)
            if row in feeds and op.type not in layers.TRIVIAL:
                feeds[row].update(*given)
                given = [{row} if some or layers.is_worth_naming(op) else some for some in given]
            handed.update(zip((tensor.name for tensor in op.outputs), given, strict=True))
    return feeds
