"""Reading a finished graph: what a tensor depends on, and where its placeholders lead."""

import numbers
import operator
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from graphkit import checks

PLACEHOLDERS = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")
PYTHON = ("PyFunc", "PyFuncStateless", "EagerPyFunc")  # call a function of this very process
VARIABLES = ("VarHandleOp", "VariableV2", "Variable")
SAME_VALUES = (
    "Identity Cast Reshape ExpandDims Squeeze StopGradient Transpose EnsureShape CheckNumerics Snapshot"
).split()
ARITHMETIC = {
    "Add": operator.add,
    "AddV2": operator.add,
    "Sub": operator.sub,
    "Mul": operator.mul,
    "RealDiv": operator.truediv,
}
HANDS_BACK = ("NextIteration", "RefNextIteration")  # the end of a loop's body, to its start
MUTABLE_TABLES = ("MutableHashTableV2", "MutableHashTableOfTensorsV2", "MutableDenseHashTableV2")
HOLDS_STATE = (*VARIABLES, *MUTABLE_TABLES)  # from one step to the next
SIZES = ("Shape", "ShapeN", "Size", "Rank")
DATA = re.compile(r"IteratorGetNext|Queue(Dequeue|TakeGrad)|Reader(Read|V2)")  # bring examples without a feed
GRADIENTS = re.compile(r"(^|/)(gradients(_\d+)?/|grad_ys_\d+$)")  # the names that tf.gradients gives


class IndexLimits(NamedTuple):
    """Which integers an op takes as indices.

    Attributes:
      lowest, highest: the smallest and the largest one.
      op_type: of the op that takes the fewest.
    """

    lowest: int
    highest: int
    op_type: str


def check_loss(check: checks.Checker, loss: Any) -> tf.Graph:
    """Returns the graph of the loss, which must be a tensor that can be minimized."""
    rule = "loss must be a floating-point scalar tensor of a graph"
    check.require_type(is_graph_tensor(loss), rule + why_no_loss(loss), loss=loss)
    is_scalar = loss.shape.rank == 0
    shape = "unknown" if loss.shape.rank is None else tuple(loss.shape.as_list())
    received = {"loss": loss.name, "shape": shape, "dtype": loss.dtype.name}
    mean = "" if is_scalar or not loss.dtype.is_floating else ", a mean over the batch: tf.reduce_mean(loss)"
    check.require(is_scalar and loss.dtype.is_floating, rule + mean, **received)
    return loss.graph


def why_no_loss(value: Any) -> str:
    """Returns what to give in place of a value that is not a tensor of a graph, to follow a rule."""
    if isinstance(value, tf.Operation):
        return "; a trainer makes the training step itself, so give the loss that it minimizes"
    if isinstance(value, (list, tuple)) and any(map(is_graph_tensor, value)) and not hasattr(value, "finish"):
        return "; give the sum of several, tf.add_n(losses), or {name: (loss, variables)} of each"
    if hasattr(value, "finish"):
        return "; a Metric is not a loss, but has a tensor, such as gk.mean_squared_error makes"
    if checks.keras_kinds(value):
        return "; objects of Keras are not taken: build it, as by gk.softmax_cross_entropy(logits, labels)"
    if callable(value) or isinstance(value, str):
        return ", as a function returns it: gk.softmax_cross_entropy(logits, labels)"
    if isinstance(value, numbers.Number) or hasattr(value, "__array__"):
        return ", not a value that was computed already; build it in a tf.Graph"
    return ""


def sources(op: tf.Operation) -> tuple[tf.Operation, ...]:
    """Returns the ops whose values this one takes, or that it waits for."""
    return (*(tensor.op for tensor in op.inputs), *op.control_inputs)


def ancestors(
    tensors: Iterable[tf.Tensor | tf.Operation],
    sources_of: Callable[[tf.Operation], Iterable[tf.Operation]] = sources,
) -> set[tf.Operation]:
    """Returns all ops that must run to compute the tensors (or ops)."""
    # Without recursion: the graph of a long unrolled recurrent network is deeper than Python's stack.
    waiting = [tensor if isinstance(tensor, tf.Operation) else tensor.op for tensor in tensors]
    seen = set(waiting)
    while waiting:
        for source in sources_of(waiting.pop()):
            if source not in seen:
                seen.add(source)
                waiting.append(source)
    return seen


def as_made(ops: Iterable[tf.Operation]) -> list[tf.Operation]:
    """Returns ops of one graph in the order in which they were made."""
    known = set(ops)
    return [op for op in next(iter(known)).graph.get_operations() if op in known] if known else []


def running_order(ops: Iterable[tf.Operation]) -> list[tf.Operation]:
    """Returns ops in an order in which they can run, but for what a loop of TensorFlow 1 hands back.

    That is the order in which they were made, except where TensorFlow 1 gave an op another input afterwards:
    a branch makes the Switch of a tensor when an op in it has taken the tensor.
    """
    ops = list(ops)
    known, placed = set(ops), dict[tf.Operation, None]()
    for op in ops:
        waiting = [op]
        while waiting:
            last = waiting[-1]
            missing = [
                s for s in sources(last) if s in known and s not in placed and s.type not in HANDS_BACK
            ]
            waiting.extend(missing)
            if not missing:
                placed[waiting.pop()] = None
    return list(placed)


def consumers(ops: Iterable[tf.Operation]) -> dict[tf.Operation, list[tf.Operation]]:
    """Returns {op: those of the ops that take one of its values or wait for it}, without empty lists."""
    found: dict[tf.Operation, list[tf.Operation]] = {}
    for op in ops:
        for source in dict.fromkeys(sources(op)):
            found.setdefault(source, []).append(op)
    return found


def descendants(starts: Iterable[tf.Operation], ops: Iterable[tf.Operation]) -> set[tf.Operation]:
    """Returns the starts, and those of the ops that take values of them, directly or through other ops.

    Args:
      starts: ops.
      ops: ops of one graph.
    """
    reached = set(starts)
    for op in running_order(ops):
        if any(tensor.op in reached for tensor in op.inputs):
            reached.add(op)
    return reached


def origin(tensor: tf.Tensor, through: Collection[str] = SAME_VALUES) -> tf.Tensor:
    """Returns the tensor whose values this one holds, found by going back through ops of these types."""
    while tensor.op.type in through:
        tensor = tensor.op.inputs[0]
    return tensor


def default_value(tensor: tf.Tensor) -> Any:
    """Returns the value of a tensor when nothing is fed, if simple arithmetic gives it, or None."""
    known = tf.get_static_value(tensor)
    op = tensor.op
    if known is None and op.type in (*SAME_VALUES, "PlaceholderWithDefault"):
        return default_value(op.inputs[0])
    if known is None and op.type in ARITHMETIC:
        values = [default_value(source) for source in op.inputs]
        return None if any(value is None for value in values) else ARITHMETIC[op.type](*values)
    return known


def inputs_of_examples(ops: Iterable[tf.Operation]) -> dict[tf.Operation, int]:
    """Returns {op: which inputs of examples it depends on}, as a bit mask.

    Each tensor that brings examples (an array that is fed, or read by a pipeline) has one bit. An op that
    depends on none of them is left out. Sizes of arrays do not count.

    Args:
      ops: ops of one graph.
    """
    bits: dict[tf.Tensor, int] = {}
    reached: dict[tf.Operation, int] = {}
    for op in running_order(ops):
        kind = op.type
        if kind in SIZES:
            continue
        brings = DATA.match(kind) or (kind in PLACEHOLDERS and op.outputs[0].shape.rank != 0)
        if brings:
            for tensor in op.outputs:
                bits[tensor] = 1 << len(bits)
            reached[op] = sum(bits[tensor] for tensor in op.outputs)
            continue
        mask = 0
        for tensor in op.inputs:
            source = reached.get(tensor.op)
            if source:
                mask |= bits.get(tensor, source)
        if mask:
            reached[op] = mask
    return reached


def same_computation(first: tf.Operation, second: tf.Operation) -> bool:
    """Whether two ops compute the same values: with equal type, attributes and inputs.

    Ops cannot be compared by identity alone. TensorFlow runs a variable's regularizer once more wherever
    its loss is used, so the term in a loss is a copy of the tensor in REGULARIZATION_LOSSES.
    """
    if first is second:
        return True
    # Of the ops with a state only a read of a variable gives the same value twice; random ops do not.
    return (
        first.type == second.type
        and len(first.inputs) == len(second.inputs)
        and (first.type == "ReadVariableOp" or not first.op_def.is_stateful)
        and attributes(first) == attributes(second)
        and all(
            a.value_index == b.value_index and same_computation(a.op, b.op)
            for a, b in zip(first.inputs, second.inputs, strict=True)
        )
    )


def attributes(op: tf.Operation) -> dict[str, Any]:
    """Returns {name: `AttrValue`} without TensorFlow's private ones, such as `_class`."""
    return {name: value for name, value in op.node_def.attr.items() if not name.startswith("_")}


def handle_op(variable: tf.Variable) -> tf.Operation:
    """Returns the op that makes the variable: the handle of a resource variable, or a reference variable."""
    return variable.handle.op if hasattr(variable, "handle") else variable.op


def is_graph_tensor(value: Any) -> bool:
    return tf.is_tensor(value) and hasattr(value, "op") and not isinstance(value, tf.SparseTensor)


def is_placeholder(tensor: tf.Tensor) -> bool:
    return tensor.op.type in PLACEHOLDERS


def is_fed(op: tf.Operation) -> bool:
    """Whether the op is a placeholder without a default."""
    return op.type in PLACEHOLDERS[:2]


def needed_placeholders(tensors: Iterable[tf.Tensor | tf.Operation]) -> list[tf.Tensor]:
    """Returns the placeholders without a default that the tensors depend on, sorted by name."""
    return fed_among(ancestors(tensors))


def fed_among(ops: Iterable[tf.Operation]) -> list[tf.Tensor]:
    """Returns the placeholders without a default among ops, sorted by name."""
    return sorted((op.outputs[0] for op in ops if is_fed(op)), key=lambda tensor: tensor.name)


def inside_control_flow(ops: Iterable[tf.Operation], *, branches: bool = True) -> set[tf.Operation]:
    """Returns the ops inside loops and branches of TensorFlow 1, whose outputs cannot be fetched.

    Args:
      ops: ops of one graph.
      branches: False returns those inside loops alone.
    """
    depths: dict[tf.Operation, tuple] = {}  # op: (loops, branches) that it is inside of
    for op in running_order(ops):
        behind = sources(op)
        inner = [max((depths.get(s, (0, 0))[axis] for s in behind), default=0) for axis in (0, 1)]
        kind = op.type.removeprefix("Ref")
        starts_loop = any(tensor.op.type.endswith("Enter") for tensor in op.inputs)
        if kind in ("Enter", "Exit"):
            inner[0] += 1 if kind == "Enter" else -1
        if kind in ("Switch", "Exit") or (kind == "Merge" and not starts_loop):
            inner[1] += 1 if kind == "Switch" else -1
        depths[op] = tuple(inner)
    return {
        op for op, (in_loops, in_branches) in depths.items() if max(in_loops, branches and in_branches) > 0
    }


def called_functions(node: Any) -> list[str]:
    """Returns the names of the functions that are attributes of a node, such as the body of a loop."""
    values = node.attr.values()
    return [function.name for value in values for function in (value.func, *value.list.func) if function.name]


def library_of(ops: Iterable[tf.Operation]) -> dict[str, Any]:
    """Returns {name: FunctionDef} of the functions of the graph of the ops; none if no op calls one."""
    calling = next((op for op in ops if called_functions(op.node_def)), None)
    if calling is None:
        return {}
    return {function.signature.name: function for function in calling.graph.as_graph_def().library.function}


def names_called(node: Any, library: Mapping[str, Any]) -> list[str]:
    """Returns the names of the functions of the library that a node calls itself."""
    if not library:  # the attributes of a node take long to read
        return []
    # A function may be the type of the node itself.
    return [name for name in (node.op, *called_functions(node)) if name in library]


def functions_called(nodes: Iterable[Any], library: Mapping[str, Any]) -> dict[str, Any]:
    """Returns {name: FunctionDef} of the functions that nodes call, directly or through others."""
    waiting, found = [name for node in nodes for name in names_called(node, library)], {}
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = library[name]
            waiting += (called for inner in found[name].node_def for called in names_called(inner, library))
    return found


def bodies_called(node: Any, library: Mapping[str, Any]) -> Iterator[list[Any]]:
    """Yields the nodes of each function that a node calls, directly or through others."""
    return (list(function.node_def) for function in functions_called([node], library).values())


def nodes_of(op: tf.Operation, library: Mapping[str, Any]) -> Iterator[Any]:
    """Yields the node of an op, and those of the functions that it calls, directly or through others."""
    yield op.node_def
    for nodes in bodies_called(op.node_def, library):
        yield from nodes


def place(op: tf.Operation, node: Any) -> str:
    """Returns the name of a node, and that of the op of the graph that calls the function it is in."""
    return op.name if op.name == node.name else f"{node.name} (in {op.name})"


def needed_functions(nodes: Iterable[Any], library: Any) -> Any:
    """Returns the `FunctionDefLibrary` of the functions that the nodes call, directly or through others.

    Args:
      nodes: `NodeDef`s.
      library: the `FunctionDefLibrary` of their graph.
    """
    found = functions_called(nodes, {function.signature.name: function for function in library.function})
    needed = tf.compat.v1.GraphDef().library
    needed.function.extend(found[name] for name in sorted(found))
    return needed


def users(tensor: tf.Tensor) -> Iterator[tuple[tf.Operation, tf.Tensor]]:
    """Yields (op, what it takes) of the ops that take a tensor, also after ops that keep its values."""
    waiting = [tensor]
    while waiting:
        taken = waiting.pop()
        for op in taken.consumers():
            if op.type in SAME_VALUES and op.inputs[0] is taken:
                waiting.append(op.outputs[0])
            else:
                yield op, taken


def index_limits(placeholder: tf.Tensor, ops: Collection[tf.Operation]) -> IndexLimits | None:
    """Returns which integers the ops take that use them as indices, or None if none does.

    Found by following the placeholder to the labels of a softmax cross entropy, a gather from a table, a
    one-hot encoding. On a GPU these ops do not refuse an index that is out of range; they return zeros or
    NaN.

    Args:
      placeholder: takes integers.
      ops: all ops that run; others may take what they like.
    """
    found = []
    for op, tensor in users(placeholder):
        if op in ops and (limit := limit_of(op, tensor)) is not None:
            # -1 means "no class" to tf.one_hot: a row of zeros, as in TensorFlow's documentation.
            found.append(IndexLimits(-1 if op.type == "OneHot" else 0, limit - 1, op.type))
    if not found:
        return None
    narrowest = min(found, key=lambda limits: (limits.highest, -limits.lowest))
    return narrowest._replace(lowest=max(limits.lowest for limits in found))


def limit_of(op: tf.Operation, indices: tf.Tensor) -> int | None:
    """Returns the number of valid indices that the op can take from this input, or None."""
    if op.type == "SparseSoftmaxCrossEntropyWithLogits" and op.inputs[1] is indices:
        return op.inputs[0].shape.as_list()[-1]
    if op.type == "OneHot" and op.inputs[0] is indices:
        depth = tf.get_static_value(op.inputs[1])
        return None if depth is None else int(depth)
    if op.type == "ResourceGather" and op.inputs[1] is indices:
        # A handle has no static shape; the op that made it has that of the variable as an attribute.
        handle = op.inputs[0].op
        shape = tf.TensorShape(handle.get_attr("shape")) if handle.type == "VarHandleOp" else None
        return shape.as_list()[0] if shape is not None and shape.rank else None
    if op.type in ("Gather", "GatherV2") and op.inputs[1] is indices:
        axis = 0 if op.type == "Gather" else tf.get_static_value(op.inputs[2])
        known = axis is not None and op.inputs[0].shape.rank is not None
        return op.inputs[0].shape.as_list()[int(axis)] if known else None
    return None
