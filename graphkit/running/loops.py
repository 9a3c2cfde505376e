"""Many steps in one `session.run`: the sub-graph of a training step in the body of a loop.

The ops of a step are copied from the finished graph, whoever wrote it. In the copy, placeholders of
examples become rows gathered from an array of all examples (or of a chunk of them), the learning rate
becomes an element of a vector, and variables are the same variables.
"""

from typing import NamedTuple

import tensorflow as tf

from graphkit.graph import walk
from graphkit.nn import counter_random

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
LARGE = 1 << 18  # elements of a matrix from which on its transposed product has a faster kernel
XLA_OPS = 1600  # in a step; more of them take XLA seconds to compile
NARROW = 16  # columns up to which XLA makes a product of a transposed matrix faster the other way round
CONVOLUTIONS = ("Conv", "DepthwiseConv", "MaxPool", "AvgPool", "FusedBatchNorm")


class Loop(NamedTuple):
    """A loop over steps in the graph, and what it is fed.

    Attributes:
      data: {name of a placeholder of the graph: placeholder of all its examples}.
      pixels: {name of an image placeholder: placeholder of all its examples as uint8}, to be scaled in the
        loop; images that are given as floats go to `data`, and `ready` says so.
      ready: {name of an image placeholder: flag, by default False, that its examples are in `data`}.
      order: int32 (steps, batch_size): which examples each step takes.
      count: int32 (): how many of these steps to run.
      rates: float32 (steps,): their learning rates.
      values: for each value of a step, a tensor (steps, ...).
    """

    data: dict
    pixels: dict
    ready: dict
    order: tf.Tensor
    count: tf.Tensor
    rates: tf.Tensor
    values: list

    def input_for(self, source):
        """Returns the placeholder that takes the array of a `feeds.Source`."""
        return (self.data if source.scaling is None else self.pixels)[source.placeholder.name]

    def flags(self, sources):
        """Returns {flag: True} of the sources that are images given as floats."""
        names = [source.placeholder.name for source in sources if source.scaling is None]
        return {self.ready[name]: True for name in names if name in self.ready}


class Loops(NamedTuple):
    """The loops of a graph: plain and compiled by XLA, each None where the reason says why.

    XLA takes as long for a choice as for scaling the images, so there is a compiled loop for images that
    are given as uint8, and one for images that are given as floats.
    """

    plain: Loop
    compiled: Loop
    compiled_floats: Loop
    reason: str
    compiled_reason: str
    rewritten: bool = False  # whether ops are other ones in the loops than in the graph
    drawing: str = None  # name of an op of the graph that draws random numbers from the state of a kernel

    def compiled_for(self, sources):
        """Returns the compiled loop that takes the arrays of the sources as they are."""
        return self.compiled_floats if self.plain.flags(sources) else self.compiled


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
    ops = walk.ancestors([train_op, *values])
    reason = obstacle(ops)
    drawing = min((op.name for op in ops if is_random(op)), default=None)
    if reason:
        return Loops(None, None, None, reason, reason, drawing=drawing)
    step = Step(ops, train_op, values, rate_input, training_input, scalings, seed, global_step)
    if not step.sliced:
        reason = "no placeholder holds examples"
        return Loops(None, None, None, reason, reason, drawing=drawing)
    compiled_reason = unfit_for_xla(ops)
    with tf.compat.v1.name_scope("graphkit/fused/"):
        plain = make_loop(step)
        compiled = compiled_floats = None
        if not compiled_reason:
            compiled = make_loop(step, compile=True, floats=False)
            images = any(placeholder.name in scalings for placeholder in step.sliced)
            compiled_floats = make_loop(step, compile=True, floats=True) if images else compiled
    return Loops(plain, compiled, compiled_floats, None, compiled_reason, step.rewritten, drawing)


def obstacle(ops):
    """Returns why the ops cannot be copied into a loop, or None."""
    for op in ops:
        if op.type in CANNOT_COPY:
            return f"the graph has {CANNOT_COPY[op.type]} ({op.name})"
        if "Queue" in op.type or op.type.startswith("Reader"):
            return f"the graph has queues ({op.name})"
        if is_random(op) and op.type != "RandomUniform" and op.type not in STATELESS:
            return f"the random numbers of {op.name} follow from the state of a kernel"
        if op.type == "PlaceholderWithDefault" and any(map(walk.is_fed, walk.ancestors(op.inputs))):
            return f"the default of {op.name} depends on what is fed"
    return None


def unfit_for_xla(ops):
    """Returns why the loop is not compiled, or None."""
    for op in ops:
        if op.type.startswith(CONVOLUTIONS):
            return "XLA is slower than TensorFlow's kernels at convolutions and pooling"
        if op.type in STATELESS:
            return f"XLA draws other random numbers for {op.name}"
        if op.type in ("Switch", "Enter"):
            return f"the graph has control flow of TensorFlow 1 ({op.name})"
    if len(ops) > XLA_OPS:
        return f"XLA would take seconds to compile the {len(ops):,} ops of a step"
    return None


def is_random(op):
    """Tells whether the op draws random numbers from the state of a kernel."""
    return "seed2" in op.node_def.attr and op.op_def.is_stateful


def is_slow_product(op):
    """Tells whether the op multiplies by a large transposed matrix, as the gradient of a dense layer does.

    TensorFlow's kernel of MatMul takes up to four times as long for that as its kernel of BatchMatMulV2.
    """
    return (
        op.type == "MatMul"
        and op.get_attr("transpose_b")
        and op.inputs[0].dtype == tf.float32
        and (op.inputs[1].shape.num_elements() or 0) >= LARGE
    )


def is_narrow_product(op):
    """Tells whether the op is transpose(a) b with few columns, as the gradient of a layer of logits."""
    shape = op.outputs[0].shape if op.type == "MatMul" and op.get_attr("transpose_a") else None
    few = shape is not None and shape.is_fully_defined() and shape[1] <= NARROW < shape[0]
    return few and not op.get_attr("transpose_b")


class Step:
    """The ops of a training step as a GraphDef without what the loop puts in their place.

    Random ops draw from a key of (seed, step, their name) there: uniform numbers, of which dropout is made,
    by the hash of `graphkit.nn.masks`, others by TensorFlow's stateless ops. Products by large transposed
    matrices are made by the faster kernel.
    """

    def __init__(self, ops, train_op, values, rate_input, training_input, scalings, seed, global_step):
        self.seed, self.global_step = seed, global_step
        self.random = {}  # name of the key's placeholder: name of the op
        self.rewritten = False
        self.narrow = {op.name for op in ops if is_narrow_product(op)}
        self.names = [*(value.name for value in values), train_op.name]
        self.values = values
        self.rate_name = None if rate_input is None else rate_input.name
        self.training_name = training_input.name
        self.scalings = scalings
        needed = walk.needed_placeholders([train_op, *values])
        self.sliced = [p for p in needed if p.name != self.rate_name and holds_examples(p)]
        replaced = {p.name for p in self.sliced} | {self.rate_name, self.training_name}
        whole = train_op.graph.as_graph_def()
        self.definition = tf.compat.v1.GraphDef(versions=whole.versions, library=whole.library)
        self.outside = {}
        for op in ops:
            if op.outputs and (op.type == "VarHandleOp" or op.type in walk.PLACEHOLDERS):
                if op.outputs[0].name not in replaced:
                    self.outside[op.outputs[0].name] = op.outputs[0]
            else:
                node = self.definition.node.add()
                node.CopyFrom(op.node_def)
                node.attr.pop("_class", None)  # colocation with ops that are not copied
                if is_random(op):
                    self.draw_from_key(node)
                elif is_slow_product(op):
                    self.multiply_in_batch(node)
        copied = {node.name for node in self.definition.node}
        self.used = {name.split(":")[0] for node in self.definition.node for name in node.input}
        for node in self.definition.node:
            kept = [name for name in node.input if name[0] != "^" or name[1:] in copied]
            del node.input[:]
            node.input.extend(kept)

    def draw_from_key(self, node):
        """Turns the node of a random op into one that draws from a key, which `emit` gives."""
        self.rewritten = True
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

    def multiply_in_batch(self, node):
        """Turns a MatMul into the op that multiplies batches of matrices, here of one each."""
        self.rewritten = True
        dtype, flags = node.attr["T"], [node.attr[name].b for name in ("transpose_a", "transpose_b")]
        node.op = "BatchMatMulV2"
        node.ClearField("attr")
        node.attr["T"].CopyFrom(dtype)
        node.attr["adj_x"].b, node.attr["adj_y"].b = flags

    def add_placeholder(self, name, dtype):
        node = self.definition.node.add(name=name, op="Placeholder")
        node.attr["dtype"].type = dtype.as_datatype_enum

    def uniform_function(self, shape_dtype, dtype):
        """Adds to the definition the function (shape, key) -> uniform numbers; returns its name."""
        specs = tf.TensorSpec([None], shape_dtype), tf.TensorSpec([], tf.uint64)
        drawn = tf.function(lambda shape, key: counter_random.uniform(shape, key, dtype), autograph=False)
        made = drawn.get_concrete_function(*specs).function_def
        self.definition.library.function.add().CopyFrom(made)
        return made.signature.name

    def keys(self):
        """Returns {placeholder of the definition: key} of the current step's random ops."""
        given = {}
        for name, op_name in self.random.items():
            key = counter_random.mask_key(tf.identity(self.seed), self.global_step.read_value(), op_name)
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
        definition = for_xla(self.definition, self.narrow) if compile else self.definition
        *values, update = tf.import_graph_def(
            definition, input_map=given, return_elements=self.names, name="step"
        )
        with tf.control_dependencies([update]):
            return [tf.identity(value) for value in values]


def holds_examples(placeholder):
    shape = placeholder.shape
    return shape.rank is None or (shape.rank > 0 and shape[0] is None)


def for_xla(definition, narrow):
    """Returns the definition as XLA takes it best: conditionals as functions, narrow products turned."""
    copy = tf.compat.v1.GraphDef()
    copy.CopyFrom(definition)
    for node in list(copy.node):
        node.attr.pop("_lower_using_switch_merge", None)
        if node.name in narrow:
            turn_product(copy, node)
    return copy


def turn_product(definition, node):
    """Turns the node's transpose(a) b into the transpose of transpose(b) a.

    XLA is twice as fast at the latter, but would turn it back if there were no barrier between.
    """
    product = definition.node.add()
    product.CopyFrom(node)
    product.name = f"{node.name}/product"
    product.input[:2] = [node.input[1], node.input[0]]
    barrier = definition.node.add(name=f"{node.name}/barrier", op="XlaOptimizationBarrier")
    barrier.input.append(product.name)
    barrier.attr["T"].list.type.append(node.attr["T"].type)
    order = definition.node.add(name=f"{node.name}/order", op="Const")
    order.attr["dtype"].type = tf.int32.as_datatype_enum
    order.attr["value"].tensor.CopyFrom(tf.make_tensor_proto([1, 0], tf.int32))
    dtype = node.attr["T"].type
    node.op = "Transpose"
    node.input[:] = [barrier.name, order.name]
    node.ClearField("attr")
    node.attr["T"].type = dtype
    node.attr["Tperm"].type = tf.int32.as_datatype_enum


def make_loop(step, compile=False, floats=None):
    """Adds a loop over steps to the graph.

    Args:
      step: the `Step`.
      compile: whether XLA compiles it.
      floats: whether images are given as floats; None leaves that to a flag that is fed.
    """
    v1 = tf.compat.v1
    order = v1.placeholder(tf.int32, (None, None), name="order")
    count = v1.placeholder(tf.int32, (), name="count")
    rates = v1.placeholder(tf.float32, (None,), name="rates")
    data, pixels, ready = {}, {}, {}
    for placeholder in step.sliced:
        name = placeholder.name
        if name in step.scalings:
            nothing = tf.zeros([1, *placeholder.shape[1:]], placeholder.dtype)
            data[name] = v1.placeholder_with_default(nothing, placeholder.shape, name="examples")
            nothing = tf.cast(nothing, tf.uint8)
            pixels[name] = v1.placeholder_with_default(nothing, placeholder.shape, name="pixels")
            if floats is None:
                ready[name] = v1.placeholder_with_default(False, (), name="ready")
        else:
            data[name] = v1.placeholder(placeholder.dtype, placeholder.shape, name="examples")

    def loop(order, count, rates, data, pixels, ready):
        def body(number, collected):
            chosen = tf.gather(order, number)
            rows = {name: tf.gather(array, chosen) for name, array in data.items() if name not in pixels}
            for name, array in pixels.items():
                flag = ready.get(name, floats)
                rows[name] = image_rows(flag, data[name], array, chosen, *step.scalings[name])
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
    values = run(order, count, rates, data, pixels, ready)
    return Loop(data, pixels, ready, order, count, rates, values)


def image_rows(ready, floats, pixels, chosen, offset, factor):
    """Returns the chosen images as floats, from the array that is ready or from the one that is scaled."""

    def scaled():
        return (tf.cast(tf.gather(pixels, chosen), floats.dtype) - offset) * factor

    if isinstance(ready, bool):
        return tf.gather(floats, chosen) if ready else scaled()
    return tf.cond(ready, lambda: tf.gather(floats, chosen), scaled)
