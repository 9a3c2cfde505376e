"""Many steps in one `session.run`: the sub-graph of a training step in the body of a loop.

The ops of a step are copied from the finished graph, whoever wrote it. In the copy, placeholders of
examples become rows gathered from an array of all examples (or of a chunk of them), the learning rate
becomes an element of a vector, and variables are the same variables. No function can capture a reference
variable: a resource variable stands in for it, and its value is copied at the start and the end of a run.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from graphkit.graph import control_flow, copies, references, walk
from graphkit.nn import inputs
from graphkit.running import feeds, keyed, order, products, settings, xla_ops
from graphkit.running.pixels import Scaling
from graphkit.running.stored import Store, Stored
from graphkit.running.training_step import TrainingStep

CANNOT_COPY = {
    **dict.fromkeys(walk.PYTHON, "Python functions"),
    "IteratorGetNext": "data iterators",
}
XLA_OPS = 1600  # in a step; XLA takes seconds to compile more of them
CONVOLUTIONS = ("Conv", "DepthwiseConv", "MaxPool", "AvgPool", "FusedBatchNorm")


class Loop(NamedTuple):
    """A loop over steps in the graph, and what it is fed.

    Attributes:
      data: {name of a placeholder of the graph: placeholder of all its examples}.
      pixels: {name of an image placeholder: placeholder of all its examples as uint8}, scaled in the loop;
        images that are given as floats go to `data`, and `ready` says so.
      ready: {name of an image placeholder: flag, by default False, that its examples are in `data`}.
      order: int32 (steps, batch_size): which examples each step takes.
      count: int32 (): how many of these steps to run.
      rates: float32 (steps,): their learning rates; (steps, losses) where several losses have their own.
      values: for each value of a step, a tensor (steps, ...).
      stored: {name of a placeholder of `data` or `pixels`: array on the machine of the session that it takes
        by default}, empty where the session is in this process.
    """

    data: dict[str, tf.Tensor]
    pixels: dict[str, tf.Tensor]
    ready: dict[str, tf.Tensor]
    order: tf.Tensor
    count: tf.Tensor
    rates: tf.Tensor
    values: list[tf.Tensor]
    stored: Mapping[str, Stored] = {}

    def store(self, session: Any, sources: Iterable[feeds.Source]) -> None:
        """Sends the arrays of the sources to the machine of the session, if that is another one."""
        for source in sources:
            name = self.input_for(source).name
            if name in self.stored:
                self.stored[name].fill(session, source.complete)

    def input_for(self, source: feeds.Source) -> tf.Tensor:
        """Returns the placeholder that takes the array of a source."""
        return (self.data if source.scaling is None else self.pixels)[source.placeholder.name]

    def flags(self, sources: Iterable[feeds.Source]) -> dict[tf.Tensor, bool]:
        """Returns {flag: True} of the sources that are images given as floats."""
        names = [source.placeholder.name for source in sources if source.scaling is None]
        return {self.ready[name]: True for name in names if name in self.ready}


class Loops(NamedTuple):
    """The loops of a graph: plain and compiled by XLA, each None where the reason says why.

    In a loop compiled by XLA, choosing between images given as uint8 and as floats takes as long as scaling
    them, so there is a compiled loop for each.
    """

    plain: Loop | None
    compiled: Loop | None
    compiled_floats: Loop | None
    reason: str | None
    compiled_reason: str | None
    doubts: "Doubts"
    rewritten: bool = False  # whether the loops have other ops than the graph: other random bits, rounding

    def compiled_for(self, sources: Iterable[feeds.Source]) -> Loop | None:
        """Returns the compiled loop that takes the arrays of the sources as they are."""
        floats = self.plain is not None and self.plain.flags(sources)
        return self.compiled_floats if floats else self.compiled


class Doubts(NamedTuple):
    """Why two runs of one seed may differ; None where they do not.

    Attributes:
      drawing: name of an op of the graph that draws random numbers from a kernel's state.
      unordered: which ops of the graph read and write a variable in any order.
      left: those of them that do so in the loops, too.
      scatter: name of an op that writes rows, some of which may be the same one, in any order.
    """

    drawing: str | None
    unordered: str | None
    left: str | None
    scatter: str | None


def make_loops(step: TrainingStep, scalings: dict[str, Scaling], reason: str | None = None) -> Loops:
    """Adds the loops over a training step to its graph.

    Args:
      step: the `TrainingStep`.
      scalings: {name of an image placeholder: its scaling}.
      reason: why there are to be no loops, or None.
    """
    ops = step.needed_ops()
    random = keyed.RandomOps(ops)
    reason = reason or obstacle(ops, random) or references.obstacle(ops, step.values)
    found = order.Order(ops, random.library)
    unordered, left = found.description(copied=False), found.description(copied=True)
    doubts = Doubts(random.first, unordered, left, found.scatter)
    if reason:
        return Loops(None, None, None, reason, reason, doubts)
    copied = StepCopy(ops, step, scalings, random, found.waits)
    if not copied.sliced:
        reason = "no placeholder holds examples"
        return Loops(None, None, None, reason, reason, doubts)
    compiled_reason = "XLA compiles for one device" if step.split else unfit_for_xla(ops, random)
    with tf.compat.v1.name_scope("graphkit/loops/"):
        store = Store() if step.remote else None
        plain = make_loop(copied, store)
        compiled = compiled_floats = None
        if not compiled_reason:
            compiled = make_loop(copied, store, compile=True, floats=False)
            images = any(placeholder.name in scalings for placeholder in copied.sliced)
            compiled_floats = make_loop(copied, store, compile=True, floats=True) if images else compiled
    return Loops(plain, compiled, compiled_floats, None, compiled_reason, doubts, copied.rewritten)


def obstacle(ops: Iterable[tf.Operation], random: keyed.RandomOps) -> str | None:
    """Returns why the ops cannot be copied into a loop, or None."""
    for op in ops:
        for node in walk.nodes_of(op, random.library):
            if node.op in CANNOT_COPY:
                return f"the graph has {CANNOT_COPY[node.op]} ({walk.place(op, node)})"
            if "Queue" in node.op or node.op.startswith("Reader"):
                return f"the graph has queues ({walk.place(op, node)})"
        if op.type == "PlaceholderWithDefault" and any(map(walk.is_fed, walk.ancestors(op.inputs))):
            return f"the default of {op.name} depends on what is fed"
    name = random.without_key()
    return name and f"the random numbers of {name} follow from the state of a kernel"


def unfit_for_xla(ops: Iterable[tf.Operation], random: keyed.RandomOps) -> str | None:
    """Returns why the loop is not compiled by XLA, or None."""
    ops = list(ops)
    for op in ops:
        if op.type.startswith(CONVOLUTIONS):
            return "XLA is slower than TensorFlow's kernels at convolutions and pooling"
        if any(node.op in keyed.STATELESS for node in random.drawing.get(op, ())):
            return f"XLA draws other random numbers for {op.name}"
        if op.type.removeprefix("Ref") in ("Switch", "Enter"):
            return f"the graph has control flow of TensorFlow 1 ({op.name})"
    if len(ops) > XLA_OPS:
        return f"XLA would take seconds to compile the {len(ops):,} ops of a step"
    return xla_ops.difference(ops, random.library)


class StepCopy:
    """A training step as a GraphDef, without the placeholders and variables that the loop replaces.

    In the copy, random ops draw from keys (see `keyed`), variables are read before they are written (see
    `order`), and a faster kernel multiplies by large transposed matrices.

    Args:
      ops: what the step runs.
      step: the `TrainingStep`.
      scalings: {name of an image placeholder: its scaling}.
      random: those of the ops that draw random numbers.
      waits: what the ops that write variables must wait for.
    """

    def __init__(
        self,
        ops: Iterable[tf.Operation],
        step: TrainingStep,
        scalings: dict[str, Scaling],
        random: keyed.RandomOps,
        waits: order.Waits,
    ) -> None:
        self.step, self.scalings, self.random, self.waits = step, scalings, random, waits
        place = step.place and (step.place.rows, step.place.first_row)
        self.keys = keyed.Keys(random.library, place)
        self.rewritten = False
        ops = list(ops)
        self.narrow = {op.name for op in ops if products.is_narrow(op)}
        self.rate_name = None if step.rate_input is None else step.rate_input.name
        needed = walk.needed_placeholders([step.update, *step.values])
        needed = [p for p in needed if p.name != self.rate_name]
        # Or those of a batch of a fixed size, as recurrent networks that hand on their state have it.
        self.sliced = [p for p in needed if holds_examples(p)] or [p for p in needed if p.shape.rank]
        outside = outer_ops(ops)
        replaced = {p.name for p in self.sliced} | {self.rate_name}
        replaced |= {step.training_input.name, step.step_input.name}
        tensors = [op.outputs[0] for op in outside]
        self.captured = {tensor.name: tensor for tensor in tensors if tensor.name not in replaced}
        # Where one process has the complete mini-batch, TensorFlow then leaves out what follows from them.
        self.constants = {} if step.place else inputs.whole_batch(step.loss.graph)
        self.constants = {name: value for name, value in self.constants.items() if name in self.captured}
        self.definition = copies.definition_of(ops, without=outside, rewrite=self.rewrite)
        self.stand_ins = references.StandIns(ops)
        self.captured |= self.stand_ins.handles
        # The graph's own ops read a reference variable before or after it is written, as threads happen to.
        self.rewritten |= references.use_handles(self.definition, ops, step.values)
        self.keys.complete(self.definition)

    def rewrite(self, op: tf.Operation, node: Any) -> None:
        """Turns the node of an op into one with keyed random numbers, more waits or a faster kernel."""
        if op in self.waits:
            node.input.extend(f"^{first.name}" for first in self.waits[op])
            self.rewritten = True
        if op in self.random:
            self.keys.rewrite(node, of_examples=not all(t.shape.is_fully_defined() for t in op.outputs))
        elif products.is_slow(op):
            products.multiply_in_batch(node)
        else:
            return
        self.rewritten = True

    def emit(self, rows: dict[str, tf.Tensor], rate: tf.Tensor, compile: bool) -> list[tf.Tensor]:
        """Copies the step into the current graph; returns its values, computed after the update."""
        step = self.step
        given = {
            name: tf.constant(self.constants[name]) if name in self.constants else tf.identity(tensor)
            for name, tensor in self.captured.items()
        }
        counter, dtype = walk.handle_op(step.global_step).outputs[0].name, step.global_step.dtype.base_dtype
        number = tf.raw_ops.ReadVariableOp(resource=given[counter], dtype=dtype)
        given |= rows | self.keys.tensors(tf.identity(step.seed_input), number)
        given[step.step_input.name] = tf.cast(number, tf.int64)
        given[step.training_input.name] = tf.constant(True)
        if self.rate_name is not None:
            given[self.rate_name] = rate
        definition = for_xla(self.definition, self.narrow) if compile else self.definition
        wanted = [*(value.name for value in step.values), step.update.name]
        *values, update = copies.paste(definition, given, wanted, "step")
        with tf.control_dependencies([update]):
            return [tf.identity(value) for value in values]


def evaluated_values(
    values: Sequence[tf.Tensor], seed_input: tf.Tensor, step_input: tf.Tensor
) -> list[tf.Tensor]:
    """Returns the values, with copies of those that draw random numbers, or read variables that they write.

    In the copies random numbers follow from keys, and all reads come before the writes. Evaluations of the
    same variables then agree, and with them what callbacks make of a validation.
    """

    def needed(targets: Iterable[tf.Tensor]) -> list[tf.Operation]:
        given = step_input.op
        return walk.as_made(walk.ancestors(targets, lambda op: () if op == given else walk.sources(op)))

    ops = needed(values)
    random = keyed.RandomOps(ops)
    waits = order.Order(ops, random.library).waits
    varying = {*random.drawing, *waits, *(first for firsts in waits.values() for first in firsts)}
    chosen = [value for value in values if not varying.isdisjoint(needed([value]))]
    ops = needed(chosen)
    if not chosen or obstacle(ops, random):
        return list(values)
    keys = keyed.Keys(random.library)

    def rewrite(op: tf.Operation, node: Any) -> None:
        node.input.extend(f"^{first.name}" for first in waits.get(op, ()))
        if op in random:
            keys.rewrite(node)

    outside = outer_ops(ops)
    definition = copies.definition_of(ops, without=outside, rewrite=rewrite)
    keys.complete(definition)
    given = {op.outputs[0].name: op.outputs[0] for op in outside}
    with tf.compat.v1.name_scope("graphkit/evaluated/"):
        given |= keys.tensors(seed_input, step_input)
        pasted = copies.paste(definition, given, [value.name for value in chosen], "copy")
    copied = {value.name: copy for value, copy in zip(chosen, pasted, strict=True)}
    return [copied.get(value.name, value) for value in values]


def outer_ops(ops: Iterable[tf.Operation]) -> list[tf.Operation]:
    """Returns the handles and placeholders, which a copy takes from the graph that it is put into.

    So it reads and writes the variables and lookup tables of the graph; an imported VarHandleOp would make a
    second variable.
    """
    return [op for op in ops if op.type in walk.PLACEHOLDERS or is_handle(op)]


def is_handle(op: tf.Operation) -> bool:
    """Whether the op makes the handle of a variable, a table or another resource, or a reference variable."""
    makes_one = len(op.outputs) == 1 and op.outputs[0].dtype == tf.resource
    return op.type in walk.VARIABLES or (makes_one and (not op.inputs or op.type in walk.MUTABLE_TABLES))


def holds_examples(placeholder: tf.Tensor) -> bool:
    shape = placeholder.shape
    if shape.rank is None:
        return not settings.is_setting(placeholder)
    return shape.rank > 0 and shape.as_list()[0] is None


def for_xla(definition: Any, narrow: set[str]) -> Any:
    """Returns the definition as XLA compiles it best, and with NaN taken as TensorFlow's kernels do."""
    copy = tf.compat.v1.GraphDef()
    copy.CopyFrom(definition)
    for node in list(copy.node):
        node.attr.pop("_lower_using_switch_merge", None)  # which would lower If and While to Switch and Merge
        if node.name in narrow:
            products.turn(copy, node)
    xla_ops.rewrite(copy)
    return copy


def make_loop(
    copied: StepCopy, store: Store | None = None, compile: bool = False, floats: bool | None = None
) -> Loop:
    """Adds a loop over steps to the graph.

    Args:
      copied: the step.
      store: holds complete arrays on the machine of the session, or None where that is this one.
      compile: whether XLA compiles it.
      floats: whether images are given as floats; None makes it a flag that is fed.
    """
    v1 = tf.compat.v1
    order = v1.placeholder(tf.int32, (None, None), name="order")
    count = v1.placeholder(tf.int32, (), name="count")
    rate_input = copied.step.rate_input
    rate_shape = [] if rate_input is None else rate_input.shape.as_list()
    rates = v1.placeholder(tf.float32, (None, *rate_shape), name="rates")
    data, pixels, ready, kept = {}, {}, {}, {}

    def examples(placeholder: tf.Tensor, default: tf.Tensor | None, dtype: tf.DType, name: str) -> tf.Tensor:
        """Makes the placeholder of all examples, which the session's machine may hold already."""
        held = None if store is None else store.of(placeholder, dtype)
        default = default if held is None else held.value
        shape = placeholder.shape if placeholder.shape.rank is None else [None, *placeholder.shape[1:]]
        if default is None:
            return v1.placeholder(dtype, shape, name=name)
        made = v1.placeholder_with_default(default, shape, name=name)
        if held is not None:
            kept[made.name] = held
        return made

    for placeholder in copied.sliced:
        name = placeholder.name
        if name in copied.scalings:
            nothing = tf.zeros([1, *placeholder.shape.as_list()[1:]], placeholder.dtype)
            data[name] = examples(placeholder, nothing, placeholder.dtype, "examples")
            pixels[name] = examples(placeholder, tf.cast(nothing, tf.uint8), tf.uint8, "pixels")
            if floats is None:
                ready[name] = v1.placeholder_with_default(False, (), name="ready")
        else:
            data[name] = examples(placeholder, None, placeholder.dtype, "examples")

    def loop(
        order: tf.Tensor,
        count: tf.Tensor,
        rates: tf.Tensor,
        data: dict[str, tf.Tensor],
        pixels: dict[str, tf.Tensor],
        ready: dict[str, tf.Tensor],
    ) -> list[tf.Tensor]:
        def body(
            number: tf.Tensor, collected: list[tf.TensorArray]
        ) -> tuple[tf.Tensor, list[tf.TensorArray]]:
            chosen = tf.gather(order, number)
            rows = {name: tf.gather(array, chosen) for name, array in data.items() if name not in pixels}
            for name, array in pixels.items():
                flag = ready.get(name, floats)
                rows[name] = image_rows(flag, data[name], array, chosen, copied.scalings[name])
            values = copied.emit(rows, tf.gather(rates, number), compile)
            arrays_of = [a.write(number, value) for a, value in zip(collected, values, strict=True)]
            return number + 1, arrays_of

        steps = tf.shape(order)[0]
        collected = [
            tf.TensorArray(value.dtype, steps, element_shape=value.shape) for value in copied.step.values
        ]
        # One iteration at a time: each step must read what the step before has written.
        _, collected = tf.while_loop(
            lambda number, _: number < count, body, (0, collected), parallel_iterations=1
        )
        return [array.stack() for array in collected]

    run = tf.function(loop, jit_compile=True, autograph=False) if compile else loop
    with tf.control_dependencies(copied.stand_ins.load()), control_flow.of_functions():
        values = run(order, count, rates, data, pixels, ready)
    values = copied.stand_ins.store(values)
    return Loop(data, pixels, ready, order, count, rates, values, kept)


def image_rows(
    ready: Any, floats: tf.Tensor, pixels: tf.Tensor, chosen: tf.Tensor, scaling: Scaling
) -> tf.Tensor:
    """Returns the chosen images as floats: taken from `floats` if ready, else scaled from `pixels`."""

    def scaled() -> tf.Tensor:
        return scaling.emit(tf.gather(pixels, chosen), floats.dtype)

    if isinstance(ready, bool):
        return tf.gather(floats, chosen) if ready else scaled()
    return tf.cond(ready, lambda: tf.gather(floats, chosen), scaled)
