"""Loops of TensorFlow 1 in a file: which ops make them, which TensorFlow must know to pass gradients.

Programs keep it in a collection, "while_context", of which a frozen graph has nothing left, and which names
ops of the training that are not copied. So it is found again in the ops.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from graphkit.graph import copies, references, walk
from graphkit.revival import messages

ENTERS, EXITS = ("Enter", "RefEnter"), ("Exit", "RefExit")
WHILE_CONTEXT = "while_context"


class Frames(NamedTuple):
    """The loops among some ops.

    Attributes:
      contexts: WhileContextDef of each that gradients can pass.
      closed: {end of one of the others: why no gradient passes it}.
    """

    contexts: list[Any]
    closed: dict[tf.Operation, str]


def find(ops: Sequence[tf.Operation]) -> Frames:
    """Returns the loops among the ops."""
    consumers = walk.consumers(ops)
    starts: dict[bytes, list[tf.Operation]] = {}
    for op in ops:
        if op.type in ENTERS:
            starts.setdefault(op.get_attr("frame_name"), []).append(op)
    found = Frames([], {})
    for name, enters in starts.items():
        inside = ops_inside(enters, consumers)
        reason = obstacle(inside, enters)
        if reason is None:
            found.contexts.append(context_of(name, inside, enters))
        else:
            found.closed.update({op: reason for op in inside if op.type in EXITS})
    return found


def with_exits(ops: Sequence[tf.Operation]) -> list[tf.Operation]:
    """Returns the ops, and where each variable of their loops leaves, see `rewrites.add_exits`."""
    switches = (op for op in ops if op.type == "Switch")
    leaving = {taker for op in switches for taker in op.outputs[0].consumers() if taker.type == "Exit"}
    return walk.as_made({*ops, *leaving}) if leaving else list(ops)


def ops_inside(
    enters: Sequence[tf.Operation], consumers: Mapping[tf.Operation, list[tf.Operation]]
) -> list[tf.Operation]:
    """Returns the ops of a loop, with its ends."""
    waiting, inside = list(enters), dict.fromkeys(enters)
    while waiting:
        op = waiting.pop()
        for taker in () if op.type in EXITS else consumers.get(op, ()):
            if taker not in inside:
                inside[taker] = None
                waiting.append(taker)
    return list(inside)


def obstacle(inside: Sequence[tf.Operation], enters: Sequence[tf.Operation]) -> str | None:
    """Returns why no gradient can pass a loop, or None."""
    conditions = [op for op in inside if op.type == "LoopCond"]
    switches = [op for op in inside if op.type == "Switch"]
    if any(op.type in ENTERS and op not in enters for op in inside):
        return "a loop is inside it"
    if len(conditions) != 1 or not switches or any(op.inputs[1].op is not conditions[0] for op in switches):
        return "a branch is inside it"
    if any(references.is_reference(tensor) for op in inside for tensor in (*op.inputs, *op.outputs)):
        return "reference variables are inside it"
    if any(op.type.startswith("TensorArray") for op in inside) and tf.compat.v1.control_flow_v2_enabled():
        # Their gradients make tensor arrays, which are others there.
        return "it has tensor arrays; call tf.compat.v1.disable_control_flow_v2() first"
    return None


def context_of(name: bytes, inside: Sequence[tf.Operation], enters: Sequence[tf.Operation]) -> Any:
    """Returns the WhileContextDef of a loop."""
    made = messages.message_class("WhileContextDef")(
        context_name=name.decode(),
        parallel_iterations=enters[0].get_attr("parallel_iterations"),
        back_prop=True,
        pivot_name=next(op for op in inside if op.type == "LoopCond").outputs[0].name,
        pivot_for_pred_name=next(op for op in inside if op.type == "Merge").outputs[0].name,
        pivot_for_body_name=next(op for op in inside if op.type == "Switch").outputs[1].name,
        loop_enter_names=[op.outputs[0].name for op in enters if not op.get_attr("is_constant")],
        loop_exit_names=[op.outputs[0].name for op in inside if op.type in EXITS],
    )
    for op in inside:
        made.values_def.values.extend([tensor.name for tensor in op.outputs] or [op.name])
    return made


def paste(
    definition: Any, given: Mapping[str, tf.Tensor], wanted: Sequence[str], contexts: Sequence[Any]
) -> list[Any]:
    """Imports a definition as `copies.paste` does, with loops that gradients can pass.

    The current graph must have no global variables yet, for which TensorFlow would add a Saver.
    """
    if not contexts:
        return copies.paste(definition, given, wanted)
    meta = tf.compat.v1.MetaGraphDef(graph_def=definition)
    texts = [context.SerializeToString() for context in contexts]
    meta.collection_def[WHILE_CONTEXT].bytes_list.value.extend(texts)
    taken = {copies.input_name(text) for node in definition.node for text in node.input}
    used = {name: tensor for name, tensor in given.items() if name in taken}
    tf.compat.v1.train.import_meta_graph(meta, input_map=used)
    graph = tf.compat.v1.get_default_graph()
    return [graph.as_graph_element(name) for name in wanted]
