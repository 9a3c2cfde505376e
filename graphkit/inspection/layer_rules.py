"""Rules of `check_graph` on layers: second biases, missing activations, layers that only a penalty trains."""

import re

import tensorflow as tf

from graphkit.graph import walk
from graphkit.inspection.graph_view import READS, GraphView, Problems, listed

ADDITIONS = ("BiasAdd", "Add", "AddV2")


def bias_twice(view: GraphView) -> Problems:
    """Finds a bias that is added to what has a bias of the same shape, so that only their sum counts."""
    for op in view.of_type(*ADDITIONS):
        second = bias_of(view, op)
        if second is None:
            continue
        for tensor in op.inputs:
            before = walk.origin(tensor).op
            first = bias_of(view, before) if before.type in ADDITIONS else None
            if first is None or first is second or view.trained[first].shape != view.trained[second].shape:
                continue
            # Biases that two uses of a value have each for itself are not one.
            if all(len(view.consumers[between]) == 1 for between in path(tensor.op, before)):
                yield (
                    second,
                    f"the bias {second.name} is added to what has the bias {first.name} ({view.line(first)}) "
                    "already, and only their sum counts; leave this one out, or build the layer with "
                    "use_bias=False",
                )


def bias_of(view: GraphView, op: tf.Operation) -> tf.Operation | None:
    """Returns the trained variable of one axis that an addition adds as it is, or None."""
    for tensor in op.inputs:
        source = walk.origin(tensor, READS).op
        if source in view.trained and view.trained[source].shape.rank == 1:
            return source
    return None


def path(op: tf.Operation, end: tf.Operation) -> list[tf.Operation]:
    """Returns the ops from one back to the other, through those that keep the values."""
    ops = [op]
    while ops[-1] is not end:
        ops.append(ops[-1].inputs[0].op)
    return ops


def linear_layers(view: GraphView) -> Problems:
    """Finds a dense layer after a wide one without an activation: both compute what one of them can.

    A layer that is narrower than what it is between is a bottleneck, which may be meant.
    """
    for op in view.of_type("MatMul"):
        kernel, source = kernel_of(view, op), product_before(view, op.inputs[0])
        first = kernel_of(view, source)
        if kernel is None or first is None or any(len(view.uses(one)) > 1 for one in (first, kernel)):
            continue
        (inputs, width), outputs = (
            view.trained[first].shape.as_list(),
            view.trained[kernel].shape.as_list()[1],
        )
        if width >= min(inputs, outputs):
            yield (
                source,
                f"no activation is between the layers of {first.name} and {kernel.name}, which together "
                'compute what one layer can; give the first one activation="relu"',
            )


def product_before(view: GraphView, tensor: tf.Tensor) -> tf.Operation:
    """Returns the op that makes a tensor, or before a bias, if nothing else takes its values."""
    source = walk.origin(tensor).op
    ops = path(tensor.op, source)
    if source.type in ADDITIONS and bias_of(view, source) is not None:
        for addend in source.inputs:
            if walk.origin(addend).op.type == "MatMul":
                ops += path(addend.op, walk.origin(addend).op)
    return ops[-1] if all(len(view.consumers[op]) == 1 for op in ops) else tensor.op


def kernel_of(view: GraphView, op: tf.Operation) -> tf.Operation | None:
    """Returns the trained matrix that a product multiplies examples with, or None."""
    if op.type != "MatMul" or op not in view.examples or op.get_attr("transpose_b"):
        return None
    source = walk.origin(op.inputs[1], READS).op
    return source if source in view.trained else None


def only_penalised(view: GraphView) -> Problems:
    """Finds layers of examples whose results the loss does not depend on, only a penalty on their weights."""
    dead = [op for op in view.trained if op in view.loss_ops and is_only_penalised(view, op)]
    if not dead:
        return
    names = {base_name(op) for op in view.trained if op not in dead}
    again = any(base_name(op) in names for op in dead)
    cause = "the cell that builds the network has probably run again: begin it with gk.reset(); otherwise "
    yield (
        dead[0],
        f"the loss depends on {listed(dead)} only by a penalty, such as gk.l2_penalty, which makes "
        f"them smaller; nothing that their layers compute reaches it; {cause if again else ''}delete these "
        "layers, or give gk.l2_penalty the variables of the network that is trained",
    )


def is_only_penalised(view: GraphView, variable: tf.Operation) -> bool:
    """True if a layer computes with a variable of examples, but the loss takes nothing of that."""
    if any(view.examples.get(use) or combines(use, variable) for use in view.uses(variable)):
        return False
    waiting = [variable]
    while waiting:
        for user in view.consumers.get(waiting.pop(), ()):
            if user.type in READS:
                waiting.append(user)
            elif view.examples.get(user) and user not in view.run_ops:
                return True
    return False


def combines(use: tf.Operation, variable: tf.Operation) -> bool:
    """True if an op takes a computed tensor next to the variable, as a layer of random noise does."""
    sources = [walk.origin(tensor, READS).op for tensor in use.inputs]
    return any(source is not variable and source.type != "Const" for source in sources)


def base_name(op: tf.Operation) -> str:
    """Returns the name of a variable without the numbers that tell unnamed layers apart."""
    return re.sub(r"_\d+(?=/|$)", "", op.name)
