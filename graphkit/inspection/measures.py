"""What each op costs: operations and kept bytes of one example, with those inside of its functions."""

from typing import NamedTuple

import tensorflow as tf

from graphkit.graph import walk
from graphkit.inspection import forward, functions
from graphkit.inspection.kept import kept_outputs
from graphkit.inspection.notes import loop_notes
from graphkit.inspection.rules import flops_of, product, sizes_of, total


class Measure(NamedTuple):
    """Figures of an op: for one more example, and what it does once in each run; None is not known."""

    flops: int | None
    fixed_flops: int | None
    kept_bytes: int | None


def measure(graph, ops, sources, dependent):
    """Returns {op: Measure} and notes.

    Where the batch is open, the graph is looked at with one example and with two: what the second one
    adds is an example's own, the rest is done once.
    """
    chosen = set(ops)
    kept = [kept_outputs(op, chosen) if op in dependent else [] for op in ops]
    batch_size, notes = fixed_batch_size(sources)
    library, copies = {}, [ops, ops]
    try:
        library, *copies = copies_for_batches(graph, ops, sources)
    except ValueError as error:
        notes.append(
            "The graph cannot be copied for a batch of 1 or 2, so that arrays whose first size is open count "
            f"as one example and the insides of functions as nothing ({str(error).splitlines()[0]})."
        )
    active = [first for op, first in zip(ops, copies[0], strict=True) if op in dependent]
    notes += loop_notes(active, library)
    measures = {}
    for op, first, second, outputs in zip(ops, *copies, kept, strict=True):
        flops, kept_bytes = figures(first, outputs, 1, library if op in dependent else {})
        if batch_size is None:
            more_flops, more_bytes = figures(second, outputs, 2, library if op in dependent else {})
            measures[op] = Measure(*grow(flops, more_flops), grow(kept_bytes, more_bytes)[0])
        else:
            share = batch_size if op in dependent else None
            measures[op] = Measure(*divide(flops, share), divide(kept_bytes, share)[0])
    return measures, notes


def grow(first, second):
    """Returns what one more example adds, and what is left without any."""
    return (None, None) if first is None or second is None else (second - first, 2 * first - second)


def divide(figure, batch_size):
    """Returns a batch's figure as that of one example, and what is left over."""
    if figure is None:
        return None, None
    return (0, figure) if batch_size is None else divmod(figure, batch_size)


def fixed_batch_size(sources):
    """Returns the number of examples in the graph's batch, None where it is open, and notes."""
    fed = [op for op in sources if not op.type.startswith(forward.RANDOM)] or sources
    shapes = [tensor.shape for op in fed for tensor in op.outputs if tensor.shape.rank != 0]
    found = {None if shape.rank is None else shape[0] for shape in shapes}
    if None in found:
        return None, []
    if len(found) == 1 and any(forward.brings_examples(op) for op in fed):
        return found.pop(), []
    notes = ["The inputs do not tell the size of the batch: figures are for the graph's whole run."]
    return 1, notes if fed else []


def copies_for_batches(graph, ops, sources):
    """Returns the graph's functions by name, and copies of the ops with one and with two examples."""
    names = {op.name for op in ops}
    definition = graph.as_graph_def(add_shapes=True)
    nodes = [node for node in definition.node if node.name in names]
    del definition.node[:]
    for node in nodes:
        node.attr.pop("_class", None)
        controls = [name for name in node.input if name.startswith("^")]
        for name in controls:
            node.input.remove(name)
    definition.node.extend(nodes)
    library = {function.signature.name: function for function in definition.library.function}
    inputs = {op.name for op in sources}
    return library, *(copy_for_batch(definition, ops, inputs, batch_size) for batch_size in (1, 2))


def copy_for_batch(definition, ops, inputs, batch_size):
    """Returns copies of the ops, in a graph of their own whose inputs hold so many examples."""
    changed = tf.compat.v1.GraphDef()
    changed.CopyFrom(definition)
    for node in changed.node:
        shapes = list(node.attr["output_shapes"].list.shape) if "output_shapes" in node.attr else []
        if node.op in walk.PLACEHOLDERS and node.name in inputs:
            shapes.append(node.attr["shape"].shape)
        for shape in shapes:
            if shape.dim and shape.dim[0].size == -1:
                shape.dim[0].size = batch_size
                node.attr.pop("_output_shapes", None)
    with tf.Graph().as_default() as copy:
        tf.import_graph_def(changed, name="")
    return [copy.get_operation_by_name(op.name) for op in ops]


def figures(op, outputs, examples, library):
    """Returns the FLOPs of an op and the bytes of its kept outputs, with those inside of its functions."""
    flops, kept_bytes = flops_of(op, examples), bytes_of(op, outputs, examples)
    inside = [
        inner_figures(op, library[name], examples, library)
        for name in walk.called_functions(op.node_def)
        if name in library
    ]
    if not inside:
        return flops, kept_bytes
    if op.type in functions.LOOPS:
        times = functions.rounds(op, library)
        inside = [scaled(figure, 1 if times is None else times) for figure in inside]
    elif op.type in ("If", "StatelessIf", "Case", "StatelessCase"):
        inside = [max(inside, key=lambda figure: figure[0] or 0)]
    return total([flops, *(flops for flops, _ in inside)]), total([kept_bytes, *(kept for _, kept in inside)])


def scaled(figure, times):
    return tuple(product([part, times]) for part in figure)


def inner_figures(op, function, examples, library):
    """Returns the FLOPs and the kept bytes of a function that an op calls."""
    ops = functions.copy_of_body(op, function)
    chosen = set(ops)
    pairs = [figures(inner, kept_outputs(inner, chosen, ends=False), examples, library) for inner in ops]
    return total(flops for flops, _ in pairs), total(kept for _, kept in pairs)


def bytes_of(op, outputs, examples):
    """Returns the bytes of some outputs of an op."""
    tensors = [op.outputs[index] for index in outputs]
    return total(product([tensor.dtype.size, *sizes_of(tensor, examples)]) for tensor in tensors)
