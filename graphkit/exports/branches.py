"""Branches that are decided once for all: an export computes what is taken, and drops the rest.

With its flag of training constant, `gk.batch_norm` still holds both branches. TFLite has no kernel for the
one that is never taken, and ONNX would carry it along.
"""

from typing import Any

import tensorflow as tf

from graphkit.graph import copies, walk

BRANCHES = {"If": 0, "StatelessIf": 0, "Switch": 1}  # {type: which input decides}


def decided(session: tf.compat.v1.Session) -> dict[str, str]:
    """Returns {name of a tensor: name of the tensor that always has its value}.

    The branches that are taken are copied out of their functions, into the session's graph.
    """
    graph = session.graph
    library = walk.library_of(graph.get_operations())
    instead: dict[str, str] = {}
    waiting = graph.get_operations()
    while waiting:
        taken = constant_flags(session, waiting)
        instead |= switches(waiting, taken)
        waiting = []
        for op, flag in taken.items():
            if op.type != "Switch":
                name = op.get_attr("then_branch" if flag else "else_branch").name
                made, results = copies.paste_body(op, library[name])
                waiting += made  # may hold branches, too
                instead |= {old.name: new.name for old, new in zip(op.outputs, results, strict=True)}
    return instead


def constant_flags(session: tf.compat.v1.Session, ops: list[tf.Operation]) -> dict[tf.Operation, bool]:
    """Returns {op of a branch: whether it is taken} of those whose flag depends on no input and no state."""
    flags = {op: op.inputs[BRANCHES[op.type]] for op in ops if op.type in BRANCHES}
    inside = walk.inside_control_flow(session.graph.get_operations()) if flags else set()
    constant = {
        op: flag
        for op, flag in flags.items()
        if flag.op not in inside
        and not any(
            source.type in walk.PLACEHOLDERS or source.op_def.is_stateful for source in walk.ancestors([flag])
        )
    }
    return {op: bool(value) for op, value in session.run(constant).items()}


def switches(ops: list[tf.Operation], taken: dict[tf.Operation, bool]) -> dict[str, str]:
    """Returns what stands for the values of TensorFlow 1's branches, where a Switch sends a value one way."""
    instead: dict[str, str] = {}
    dead: set[tf.Tensor] = set()
    dead_ops: set[tf.Operation] = set()
    for op in walk.running_order(ops):
        if op.type == "Switch" and op in taken and op.inputs[0] not in dead:
            dead.add(op.outputs[not taken[op]])
            instead[op.outputs[taken[op]].name] = op.inputs[0].name
        elif op.type == "Merge":
            alive = [tensor for tensor in op.inputs if tensor not in dead]
            if not alive:
                dead.update(op.outputs)
            elif len(alive) == 1 and len(op.inputs) > 1:
                instead[op.outputs[0].name] = alive[0].name
        elif any(t in dead for t in op.inputs) or any(source in dead_ops for source in op.control_inputs):
            dead_ops.add(op)
            dead.update(op.outputs)
    return instead


def replace(definition: Any, instead: dict[str, str]) -> None:
    """Lets the nodes of a GraphDef take the tensors that stand for others, and wait for no branch."""
    gone = {name.rsplit(":", 1)[0] for name in instead}
    for node in definition.node:
        kept = [text for text in node.input if not (text[0] == "^" and text[1:] in gone)]
        node.input[:] = [text if text[0] == "^" else find(text, instead) for text in kept]


def find(text: str, instead: dict[str, str]) -> str:
    name = copies.input_name(text)
    while name in instead:
        name = instead[name]
    return name
