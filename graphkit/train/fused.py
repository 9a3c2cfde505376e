"""Many steps in one `session.run`: the sub-graph of a training step in the body of a loop.

The ops of a step are copied from the finished graph, whoever wrote it. In the copy, placeholders of
examples become rows gathered from an array of all examples (or of a chunk of them), the learning rate
becomes an element of a vector, and variables are the same variables.
"""

from typing import NamedTuple

import tensorflow as tf

from graphkit import graphs
from graphkit.nn import masks

CANNOT_COPY = {
    "VariableV2": "ref variables",
    "Variable": "ref variables",
    "PyFunc": "Python functions",
    "PyFuncStateless": "Python functions",
    "EagerPyFunc": "Python functions",
    "IteratorGetNext": "data iterators",
}
STATELESS = {  # TensorFlow's own ops that draw the same distribution from a key
    "RandomStandardNormal": "StatelessRandomNormalV2",
    "TruncatedNormal": "StatelessTruncatedNormalV2",
    "RandomUniformInt": "StatelessRandomUniformIntV2",
}
PHILOX = 1  # the algorithm of these ops that runs on every device
CONVOLUTIONS = ("Conv", "DepthwiseConv", "MaxPool", "AvgPool", "FusedBatchNorm")


class Loop(NamedTuple):
    """A loop over steps in the graph, and what it is fed.

    Attributes:
      data: {name of a placeholder of the graph: placeholder of all its examples}.
      order: int32 (steps, batch_size): which examples each step takes.
      count: int32 (): how many of these steps to run.
      rates: float32 (steps,): their learning rates.
      values: for each value of a step, a tensor (steps, ...).
    """

    data: dict
    order: tf.Tensor
    count: tf.Tensor
    rates: tf.Tensor
    values: list


class Loops(NamedTuple):
    """The loops of a graph: plain and compiled by XLA, each None where the reason says why."""

    plain: Loop
    compiled: Loop
    reason: str
    compiled_reason: str
    rewritten: bool = False  # whether random ops are other ones in the loops than in the graph


def make_loops(train_op, values, rate_input, training_input, scalings, seed, global_step):
    """Adds the loops to the graph that holds the training step.

    Args:
      train_op: the op that makes a step.
      values: tensors to collect from each step.
      rate_input: the learning rate's placeholder, or None.
      training_input: the flag that is True in training.
      scalings: {placeholder name: (offset, factor)} of images that are given as uint8.
      seed: the graph's scalar seed of all masks.
      global_step: the variable that counts the steps.
    """
    ops = graphs.ancestors([train_op, *values])
    reason = obstacle(ops)
    if reason:
        return Loops(None, None, reason, reason)
    step = Step(ops, train_op, values, rate_input, training_input, scalings, seed, global_step)
    if not step.sliced:
        reason = "no placeholder holds examples"
        return Loops(None, None, reason, reason)
    compiled_reason = unfit_for_xla(ops)
    with tf.compat.v1.name_scope("graphkit/fused/"):
        plain = make_loop(step, compile=False)
        compiled = None if compiled_reason else make_loop(step, compile=True)
    return Loops(plain, compiled, None, compiled_reason, bool(step.random))


def obstacle(ops):
    """Returns why the ops cannot be copied into a loop, or None."""
    for op in ops:
        if op.type in CANNOT_COPY:
            return f"the graph has {CANNOT_COPY[op.type]} ({op.name})"
        if "Queue" in op.type or op.type.startswith("Reader"):
            return f"the graph has queues ({op.name})"
        if is_random(op) and op.type != "RandomUniform" and op.type not in STATELESS:
            return f"the random numbers of {op.name} follow from the state of a kernel"
    return None


def unfit_for_xla(ops):
    """Returns why the loop is not compiled, or None."""
    for op in ops:
        if op.type.startswith(CONVOLUTIONS):
            return "XLA is slower than TensorFlow's kernels at convolutions and pooling"
        if op.type in STATELESS:
            return f"XLA draws other random numbers for {op.name}"
    return None


def is_random(op):
    """Tells whether the op draws random numbers from the state of a kernel."""
    return "seed2" in op.node_def.attr and op.op_def.is_stateful


class Step:
    """The ops of a training step as a GraphDef without what the loop puts in their place.

    Random ops draw from a key of (seed, step, their name) there: uniform numbers, of which dropout is made,
    by the hash of `graphkit.nn.masks`, others by TensorFlow's stateless ops.
    """

    def __init__(self, ops, train_op, values, rate_input, training_input, scalings, seed, global_step):
        self.seed, self.global_step = seed, global_step
        self.random = {}  # name of the key's placeholder: name of the op
        self.names = [*(value.name for value in values), train_op.name]
        self.values = values
        self.rate_name = None if rate_input is None else rate_input.name
        self.training_name = training_input.name
        self.scalings = scalings
        needed = graphs.needed_placeholders([train_op, *values])
        self.sliced = [p for p in needed if p.name != self.rate_name and holds_examples(p)]
        replaced = {p.name for p in self.sliced} | {self.rate_name, self.training_name}
        whole = train_op.graph.as_graph_def()
        self.definition = tf.compat.v1.GraphDef(versions=whole.versions, library=whole.library)
        self.outside = {}
        for op in ops:
            if op.outputs and (op.type == "VarHandleOp" or op.type in graphs.PLACEHOLDERS):
                if op.outputs[0].name not in replaced:
                    self.outside[op.outputs[0].name] = op.outputs[0]
            else:
                node = self.definition.node.add()
                node.CopyFrom(op.node_def)
                node.attr.pop("_class", None)  # colocation with ops that are not copied
                if is_random(op):
                    self.draw_from_key(node)
        copied = {node.name for node in self.definition.node}
        self.used = {name.split(":")[0] for node in self.definition.node for name in node.input}
        for node in self.definition.node:
            kept = [name for name in node.input if name[0] != "^" or name[1:] in copied]
            del node.input[:]
            node.input.extend(kept)

    def draw_from_key(self, node):
        """Turns the node of a random op into one that draws from a key, which `emit` gives."""
        key = f"graphkit_key_{len(self.random)}"
        self.random[key] = node.name
        shape, *bounds = (name for name in node.input if name[0] != "^")
        control = [name for name in node.input if name[0] == "^"]
        shape_dtype = tf.as_dtype(node.attr["T"].type)
        dtype = tf.as_dtype(node.attr["Tout" if bounds else "dtype"].type)
        self.add_placeholder(key, tf.uint64)
        node.ClearField("attr")
        if node.op == "RandomUniform":
            function = self.uniform_function(shape_dtype, dtype)
            node.op, inputs = "PartitionedCall", [shape, key]
            node.attr["f"].func.name = function
            types = (shape_dtype.as_datatype_enum, tf.uint64.as_datatype_enum)
            node.attr["Tin"].list.type.extend(types)
            node.attr["Tout"].list.type.append(dtype.as_datatype_enum)
        else:
            inputs = [shape, f"{key}_vector", f"{key}_counter", f"{key}_algorithm", *bounds]
            node.op = STATELESS[node.op]
            node.attr["Tshape"].type = shape_dtype.as_datatype_enum
            node.attr["dtype"].type = dtype.as_datatype_enum
            for name, kind in zip(inputs[1:4], (tf.uint64, tf.uint64, tf.int32), strict=True):
                self.add_placeholder(name, kind)
        node.input[:] = [*inputs, *control]

    def add_placeholder(self, name, dtype):
        node = self.definition.node.add(name=name, op="Placeholder")
        node.attr["dtype"].type = dtype.as_datatype_enum

    def uniform_function(self, shape_dtype, dtype):
        """Adds to the definition the function (shape, key) -> uniform numbers; returns its name."""
        specs = tf.TensorSpec([None], shape_dtype), tf.TensorSpec([], tf.uint64)
        drawn = tf.function(lambda shape, key: masks.uniform(shape, key, dtype), autograph=False)
        made = drawn.get_concrete_function(*specs).function_def
        self.definition.library.function.add().CopyFrom(made)
        return made.signature.name

    def keys(self):
        """Returns {placeholder of the definition: key} of the current step's random ops."""
        given = {}
        for name, op_name in self.random.items():
            key = masks.mask_key(tf.identity(self.seed), self.global_step.read_value(), op_name)
            given[f"{name}:0"] = key
            given[f"{name}_vector:0"] = tf.reshape(key, [1])
            given[f"{name}_counter:0"] = tf.zeros([2], tf.uint64)
            given[f"{name}_algorithm:0"] = tf.constant(PHILOX)
        return given

    def emit(self, rows, rate, compile):
        """Copies the step into the current graph; returns its values, computed after the update."""
        given = {name: tf.identity(tensor) for name, tensor in self.outside.items()}
        given.update(rows)
        given.update(self.keys())
        given[self.rate_name] = rate
        given[self.training_name] = tf.constant(True)
        given = {name: t for name, t in given.items() if name and name.split(":")[0] in self.used}
        definition = without_lowering(self.definition) if compile else self.definition
        *values, update = tf.import_graph_def(
            definition, input_map=given, return_elements=self.names, name="step"
        )
        with tf.control_dependencies([update]):
            return [tf.identity(value) for value in values]


def holds_examples(placeholder):
    shape = placeholder.shape
    return shape.rank is None or (shape.rank > 0 and shape[0] is None)


def without_lowering(definition):
    """Returns the definition with its conditionals as functions, as XLA takes them."""
    copy = tf.compat.v1.GraphDef()
    copy.CopyFrom(definition)
    for node in copy.node:
        node.attr.pop("_lower_using_switch_merge", None)
    return copy


def make_loop(step, compile):
    """Adds a loop over steps to the graph."""
    v1 = tf.compat.v1
    order = v1.placeholder(tf.int32, (None, None), name="order")
    count = v1.placeholder(tf.int32, (), name="count")
    rates = v1.placeholder(tf.float32, (None,), name="rates")
    data = {}
    for placeholder in step.sliced:
        dtype = tf.uint8 if placeholder.name in step.scalings else placeholder.dtype
        data[placeholder.name] = v1.placeholder(dtype, placeholder.shape, name="examples")

    def loop(order, count, rates, *arrays):
        def body(number, collected):
            chosen = tf.gather(order, number)
            rows = {}
            for placeholder, array in zip(step.sliced, arrays, strict=True):
                values = tf.gather(array, chosen)
                if placeholder.name in step.scalings:
                    offset, factor = step.scalings[placeholder.name]
                    values = (tf.cast(values, placeholder.dtype) - offset) * factor
                rows[placeholder.name] = values
            values = step.emit(rows, tf.gather(rates, number), compile)
            arrays_of = [a.write(number, value) for a, value in zip(collected, values, strict=True)]
            return number + 1, arrays_of

        steps = tf.shape(order)[0]
        collected = [tf.TensorArray(value.dtype, steps, element_shape=value.shape) for value in step.values]
        _, collected = tf.while_loop(
            lambda number, _: number < count, body, (0, collected), parallel_iterations=1
        )
        return [array.stack() for array in collected]

    run = tf.function(loop, jit_compile=True, autograph=False) if compile else loop
    values = run(order, count, rates, *data.values())
    return Loop(data, order, count, rates, values)
