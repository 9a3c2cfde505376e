"""Rules of branches, loops and calls of functions, and of the lists that loops fill."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from graphkit.graph import copies, walk
from graphkit.transcription import naming, statements
from graphkit.transcription.arrays import shape_text
from graphkit.transcription.transcriber import COMPARE, PLUS, TIMES, Call, Code, Result, Transcriber, key_of
from graphkit.transcription.values import Handle, Name, Same, Value


class Body(NamedTuple):
    """A function as a graph of its own: its arguments, its ops in order, and what it returns."""

    arguments: list[tf.Tensor]
    ops: list[tf.Operation]
    results: list[tf.Tensor]


def body_of(call: Call, name: str, given: Sequence[tf.Tensor]) -> Body:
    """Returns the body of a function that an op calls with these tensors."""
    library = {f.signature.name: f for f in call.op.graph.as_graph_def().library.function}
    function = library[name]
    graph = tf.Graph()
    with graph.as_default():
        functions = tf.compat.v1.GraphDef()
        functions.library.function.extend(walk.functions_called(function.node_def, library).values())
        tf.import_graph_def(functions, name="")
        arguments = [argument(call, tensor) for tensor in given]
        names = [argument.name for argument in function.signature.input_arg]
        values = dict(zip(names, arguments, strict=True))
        ops = []
        for node in in_order(function):
            op = copies.paste_node(node, values)
            ops.append(op)
            values.update(zip(copies.output_names(node, op.op_def), op.outputs, strict=True))
    results = [values[function.ret[result.name]] for result in function.signature.output_arg]
    return Body(arguments, ops, results)


def argument(call: Call, tensor: tf.Tensor) -> tf.Tensor:
    """Makes what stands for a tensor in the graph of a function."""
    if tensor.dtype == tf.resource:
        value = call.at.value(tensor)
        if not isinstance(value, Handle):
            raise call.refusal("hands on a resource that is not a variable")
        variable = call.at.reading.graph.get_operation_by_name(value.key)
        return tf.raw_ops.VarHandleOp(
            dtype=variable.get_attr("dtype"), shape=variable.get_attr("shape"), shared_name=value.key
        )
    return tf.compat.v1.placeholder(tensor.dtype, tensor.shape)


def in_order(function: Any) -> list[Any]:
    """Returns the nodes of a function in an order in which they can run."""
    nodes = {node.name: node for node in function.node_def}
    placed: dict[str, Any] = {}
    for start in nodes:
        waiting = [start]
        while waiting:
            name = waiting[-1]
            sources = [text.lstrip("^").split(":")[0] for text in nodes[name].input]
            missing = [source for source in sources if source in nodes and source not in placed]
            waiting.extend(missing)
            if not missing:
                placed[waiting.pop()] = nodes[name]
    return [nodes[name] for name in placed]


def inside(call: Call, body: Body, *, fresh: bool = False) -> list[statements.Statement]:
    """Returns the statements of a body, whose arguments have their values.

    Args:
      fresh: whether it runs several times, so that it must read variables itself.
    """
    at = call.at
    saved = at.caller, at.scope, at.statements, at.returned, dict(at.read), at.phase
    before = at.versions.copy()
    at.caller = at.caller or call.op.name
    at.scope = naming.last(call.op.name) if call.op.graph is at.reading.graph else at.scope
    at.statements, at.returned = [], [key_of(tensor) for tensor in body.results]
    if fresh:
        at.read = {}
    at.transcribe(body.ops)
    found = at.statements
    at.caller, at.scope, at.statements, at.returned, at.read, at.phase = saved
    for key in at.versions:
        if at.versions[key] != before[key]:
            at.versions[key] += 1  # what is read next is read anew
    return found


def call_function(call: Call) -> Result:
    """A call: the lines of the function in the place of the call."""
    if call.op.name in call.at.reading.uniform and call.at.caller is None:
        return Code(f"{call.helper('uniform')}({shape_text(call, 0)}, {call.arg(1, COMPARE)})")
    body = body_of(call, call.attr("f").name, call.op.inputs)
    hand_over(call, body.arguments, call.op.inputs)
    call.at.statements += inside(call, body)
    for source, tensor in zip(body.results, call.op.outputs, strict=True):
        call.at.alias(tensor, source)
    return None


def hand_over(call: Call, arguments: Sequence[tf.Tensor], given: Sequence[tf.Tensor]) -> None:
    for inner, tensor in zip(arguments, given, strict=True):
        call.at.give(inner, call.at.value(tensor))
        if tensor.dtype not in (tf.resource, tf.variant):
            call.at.shapes[key_of(inner)] = call.at.shape(tensor)


def branch(call: Call) -> Result:
    """A condition: an `if`, or `a if test else b` where both branches are constants."""
    at, (_, *given) = call.at, call.op.inputs
    known = call.constant(0)
    bodies = [body_of(call, call.attr(f"{name}_branch").name, given) for name in ("then", "else")]
    if known is not None:
        body = bodies[0 if known else 1]
        hand_over(call, body.arguments, given)
        at.statements += inside(call, body)
        for source, tensor in zip(body.results, call.op.outputs, strict=True):
            at.alias(tensor, source)
        return None
    test = call.arg(0, COMPARE)
    uses, at.uses = frozenset(at.uses), set()
    blocks, values = [], []
    for body in bodies:
        hand_over(call, body.arguments, given)
        blocks.append(inside(call, body))
        values.append([at.value(tensor) for tensor in body.results])
    if not any(blocks) and len(call.op.outputs) == 1:
        first, second = (at.code(value[0]) for value in values)
        at.uses |= uses | first.uses | second.uses
        return Code(f"{first.text} if {test} else {second.text}", 0)
    names = [Name(at.names.of(tensor, at.scope), at.phase) for tensor in call.op.outputs]
    ends = [[end(at, name, value) for name, value in zip(names, side, strict=True)] for side in values]
    at.statements.append(
        statements.Branch(test, uses, (blocks[0], blocks[1]), (ends[0], ends[1]), at.section)
    )
    at.uses = set()
    return list(names)


def end(at: Transcriber, name: Name, value: Value) -> statements.Line:
    code = at.code(value)
    return statements.Line(code.text, [name], code.uses, section=at.section)


def loop(call: Call) -> Result:
    """A loop: its variables, a `while` with the lines of its body."""
    at, op = call.at, call.op
    given = list(op.inputs)
    body = body_of(call, call.attr("body").name, [widened(op, place) for place in range(len(given))])
    test = body_of(call, call.attr("cond").name, [widened(op, place) for place in range(len(given))])
    same = [
        walk.origin(result, ("Identity",)) is argument or tensor.dtype == tf.resource
        for argument, result, tensor in zip(body.arguments, body.results, given, strict=True)
    ]
    starts, values = [], []
    for place, tensor in enumerate(given):
        if same[place]:
            values.append(at.value(tensor))
            continue
        name = Name(at.names.fresh(variable_name(call, place, body.results[place])), at.phase)
        starts.append(end(at, name, at.value(tensor)))
        values.append(name)
    for arguments in (body.arguments, test.arguments):
        for argument, value, tensor, fixed in zip(arguments, values, given, same, strict=True):
            at.give(argument, value)
            if fixed and tensor.dtype not in (tf.resource, tf.variant):
                at.shapes[key_of(argument)] = at.shape(tensor)
    tests = inside(call, test, fresh=True)
    condition = at.code(at.value(test.results[0]))
    lines = inside(call, body, fresh=True)
    nexts = [
        end(at, value, at.value(result))
        for value, result, fixed in zip(values, body.results, same, strict=True)
        if not fixed and isinstance(value, Name)
    ]
    at.statements.append(
        statements.Loop(starts, (tests, condition.text, condition.uses), lines, nexts, at.section)
    )
    at.uses = set()
    for tensor, value, source, fixed in zip(op.outputs, values, given, same, strict=True):
        at.give(tensor, value)
        if fixed and tensor.dtype not in (tf.resource, tf.variant):
            at.shapes[key_of(tensor)] = at.shape(source)
    return None


def widened(op: tf.Operation, place: int) -> tf.Tensor:
    """Returns the tensor whose shape a variable of a loop has in all iterations; a number stays a number."""
    given = op.inputs[place]
    return given if given.dtype == tf.resource or given.shape.rank == 0 else op.outputs[place]


def variable_name(call: Call, place: int, result: tf.Tensor) -> str:
    """Returns a name for a variable of a loop: i for integers, all_x for lists of x."""
    loop_name, source = naming.identifier(naming.last(call.op.name)), call.op.inputs[place]
    if source.dtype == tf.variant:
        item = next((t for t in result.op.inputs if t.dtype not in (tf.variant, tf.int32)), None)
        name = "list" if item is None else f"all_{naming.plain(naming.bare(item.op.name), item.op.type)}"
    elif source.dtype.is_integer and source.shape.rank == 0:
        name = "i"
    else:
        name = naming.plain(naming.last(source.op.name), source.op.type)
    return naming.identifier(f"{loop_name}/{name}")


# Lists. A line makes a new list, since an op never changes its input.


def empty_list(call: Call) -> Result:
    return [Code("[]")]


def reserved_list(call: Call) -> Result:
    text = f"[None] * {call.arg(1)}"
    uses, call.at.uses = frozenset(call.at.uses), set()
    if call.at.phase_of.get(call.op.name) != call.at.phase and call.at.caller is None:
        return Code(text, TIMES, uses)
    return [Code(text, TIMES, uses)]


def item(call: Call) -> Result:
    shape = f", {shape_text(call, 2)}" if call.op.inputs[2].shape.rank == 1 else ""
    return Code(f"{call.helper('item')}({call.arg(0)}, {call.arg(1, COMPARE)}{shape})")


def with_item(call: Call) -> Result:
    return Code(f"{call.helper('with_item')}({', '.join(call.args()[:3])})")


def push(call: Call) -> Result:
    return Code(f"{call.arg(0, PLUS)} + [{call.arg(1, COMPARE)}]", PLUS)


def pop(call: Call) -> Result:
    return Code(f"{call.arg(0)}[:-1], {call.arg(0)}[-1]")


def stacked(call: Call) -> Result:
    return Code(f"{call.helper('stacked')}({call.arg(0, COMPARE)}, {shape_text(call, 1)}, {call.dtype()})")


def from_tensor(call: Call) -> Result:
    return Code(f"list({call.arg(0, COMPARE)})")


def length(call: Call) -> Result:
    return Code(f"len({call.arg(0, COMPARE)})")


def element_shape(call: Call) -> Result:
    # Items may have no value yet: then no shape of them is known, as (-1,).
    return Code(f"{call.helper('item_shape')}({call.arg(0, COMPARE)})")


def optional(call: Call) -> Result:
    """What a branch hands to its gradient, and no value where the other branch ran."""
    if len(call) != 1 or len(call.op.outputs) != 1:
        raise call.refusal("hands several arrays to a gradient, which NumPy cannot compute yet")
    return Same(0)


def no_value(call: Call) -> Result:
    return Code("None")


def random_normal(call: Call) -> Result:
    return Code(f"{call.helper('random_normal')}({shape_text(call, 0)}, {call.arg(1, COMPARE)})")


def random_integers(call: Call) -> Result:
    bounds = f"{call.arg(4, COMPARE)}, {call.arg(5, COMPARE)}"
    return Code(f"{call.helper('random_integers')}({shape_text(call, 0)}, {call.arg(1, COMPARE)}, {bounds})")


RULES: dict[str, Callable[[Call], Any]] = {
    **{"If": branch, "StatelessIf": branch, "While": loop, "StatelessWhile": loop},
    **{"PartitionedCall": call_function, "StatefulPartitionedCall": call_function},
    **{"OptionalFromValue": optional, "OptionalGetValue": optional, "OptionalNone": no_value},
    "EmptyTensorList": empty_list,
    "TensorListReserve": reserved_list,
    "TensorListFromTensor": from_tensor,
    "TensorListGetItem": item,
    "TensorListSetItem": with_item,
    "TensorListPushBack": push,
    "TensorListPopBack": pop,
    "TensorListStack": stacked,
    "TensorListLength": length,
    "TensorListElementShape": element_shape,
    "StatelessRandomNormalV2": random_normal,
    "StatelessRandomUniformIntV2": random_integers,
}
