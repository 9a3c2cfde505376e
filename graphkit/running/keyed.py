"""Keyed randomness: random ops of a copied step draw from a key of (seed, op, step), not from a kernel.

The numbers of a step then follow from its number alone: they are the same in every execution, after every
resume, and when a step is run again to find out why its loss was not finite. Keys reach random ops wherever
they stand: in branches, in bodies of loops, in functions that these call.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit.graph import walk
from graphkit.nn import counter_random
from graphkit.running import keyed_draws, keyed_functions

# TensorFlow's own ops that draw the same distribution from a key.
STATELESS = {
    "RandomStandardNormal": "StatelessRandomNormalV2",
    "TruncatedNormal": "StatelessTruncatedNormalV2",
    "RandomUniformInt": "StatelessRandomUniformIntV2",
}
ROWS_OF_WORKER = "graphkit_rows_of_worker"


class RandomOps:
    """Those of some ops that draw random numbers from the state of a kernel.

    An op also draws if a function that it calls does, such as the branch of a condition.

    Args:
      ops: ops of one graph.

    Attributes:
      drawing: {op: the nodes that draw: its own one, or those inside functions}.
      library: {name: FunctionDef} of the functions of the graph.
    """

    def __init__(self, ops: Iterable[tf.Operation]) -> None:
        self.drawing: dict[tf.Operation, list[Any]] = {}
        ops = walk.as_made(ops)
        self.library = walk.library_of(ops)
        for op in ops:
            node = op.node_def
            if is_random(op):
                self.drawing[op] = [node]
            elif found := keyed_functions.random_nodes(node, self.library):
                self.drawing[op] = found
        # A key cannot enter a loop of TensorFlow 1, which is made of single ops of the graph.
        self.in_loops = walk.inside_control_flow(ops, branches=False) if self.drawing else set()

    def __contains__(self, op: tf.Operation) -> bool:
        return op in self.drawing

    @property
    def first(self) -> str | None:
        """Name of what draws, or None."""
        op = min(self.drawing, key=lambda op: op.name, default=None)
        return None if op is None else walk.place(op, self.drawing[op][0])

    def without_key(self) -> str | None:
        """Returns the name of a random op whose numbers cannot be drawn from a key, or None."""
        for op in sorted(self.drawing, key=lambda op: op.name):
            if not self.has_key(op):
                nodes = self.drawing[op]
                return walk.place(op, next((node for node in nodes if not has_key(node)), nodes[0]))
        return None

    def has_key(self, op: tf.Operation) -> bool:
        """Whether all that an op draws can be drawn from a key."""
        if op in self.in_loops or not all(map(has_key, self.drawing[op])):
            return False
        return is_random(op) or keyed_functions.can_rewrite(op.node_def, self.library)


def is_random(op: tf.Operation) -> bool:
    """Whether the op itself draws random numbers from the state of a kernel."""
    drawing = "seed2" in op.node_def.attr and op.op_def.is_stateful
    return drawing and op.type not in keyed_draws.DRAWING_NOTHING


def has_key(node: Any) -> bool:
    """Whether the numbers of a random op, or of its node, can be drawn from a key."""
    return keyed_draws.has_key(node.node_def if isinstance(node, tf.Operation) else node)


def draw_stateless(node: Any) -> None:
    """Makes the node of a random op TensorFlow's one that draws from a key."""
    shape_dtype = node.attr["T"].type
    dtype = node.attr["Tout" if node.op == "RandomUniformInt" else "dtype"].type
    node.op = STATELESS[node.op]
    node.ClearField("attr")
    node.attr["Tshape"].type, node.attr["dtype"].type = shape_dtype, dtype


class Keys:
    """The keys that the random ops of one copied step draw from.

    `rewrite` turns nodes into keyed ones, `complete` adds to the definition what they refer to, and
    `tensors` makes the keys of a step in the graph that the definition is imported into.

    Where several workers share a mini-batch, each draws its rows of what one process would draw for
    all: of uniform numbers, from which dropout is made. Other numbers for examples, and those that functions
    draw, follow from the place of the worker's rows too, and are other ones than those of one process.

    Args:
      library: {name: FunctionDef} of the functions that the nodes call.
      place: (rows, first row) of this worker of several, see `counter_random.Start`.
    """

    def __init__(
        self,
        library: Mapping[str, Any] | None = None,
        place: tuple[tf.Tensor, tf.Tensor] | None = None,
    ) -> None:
        self.place = place
        self.of_examples: set[str] = set()  # placeholders of the keys that follow from the place
        self.ops: dict[str, str] = {}  # placeholder of a key: the random op, by whose name it is set
        self.placeholders: list[tuple[str, tf.DType]] = []
        self.functions: list[Any] = []
        self.uniform: set[str] = set()  # names of those that draw uniform numbers
        self.inside = keyed_functions.KeyedFunctions(library or {})

    def rewrite(self, node: Any, of_examples: bool = False) -> None:
        """Turns the node of a random op, or of a call of functions that draw, into one that takes a key.

        Args:
          node: is changed.
          of_examples: whether what it draws has an unknown number of rows.
        """
        key = f"graphkit_key_{len(self.ops)}"
        among = self.place is not None and of_examples
        self.ops[key] = node.name
        self.placeholders.append((key, tf.uint64))
        if among and node.op != "RandomUniform":
            self.of_examples.add(key)
        if not has_key(node):
            self.inside.add_key(node, key)
            return
        data = [name for name in node.input if name[0] != "^"]
        controls = [name for name in node.input if name[0] == "^"]
        if node.op == "RandomUniform":
            self.call_uniform(node, among)
            data += [key, *(f"{ROWS_OF_WORKER}_{name}" for name in ("count", "first") if among)]
        elif node.op in STATELESS:
            parts = {f"{key}_vector": tf.uint64, f"{key}_counter": tf.uint64, f"{key}_algorithm": tf.int32}
            self.placeholders += parts.items()
            data[1:1] = parts
            draw_stateless(node)
        else:
            made = keyed_functions.drawing(node)
            self.functions += made
            keyed_functions.call(node, made[0])
            data.append(key)
        node.input[:] = [*data, *controls]

    def call_uniform(self, node: Any, among: bool) -> None:
        """Makes the node a call of a function (shape, key) -> uniform numbers.

        Uniform numbers come from the hash that `gk.dropout` uses, since TensorFlow's stateless ones take
        longer than the arithmetic of a small network, and are other ones under XLA.
        """
        shape_dtype, dtype = (tf.as_dtype(node.attr[name].type) for name in ("T", "dtype"))

        def uniform(shape: tf.Tensor, key: tf.Tensor, *place: tf.Tensor) -> tf.Tensor:
            return counter_random.uniform(shape, key, dtype, counter_random.Start(*place) if place else None)

        more = [tf.int64, tf.int64] if among else []
        dtypes = [shape_dtype, tf.uint64, *more]
        drawn = keyed_functions.traced(uniform, [[None], [], *([] for _ in more)], dtypes)
        self.functions.append(drawn)
        self.uniform.add(drawn.signature.name)
        keyed_functions.call(node, drawn)

    def complete(self, definition: Any) -> None:
        """Adds to a definition the placeholders and functions that its rewritten nodes refer to."""
        if self.place is not None:
            self.placeholders += [(f"{ROWS_OF_WORKER}_{name}", tf.int64) for name in ("count", "first")]
        for name, dtype in self.placeholders:
            node = definition.node.add(name=name, op="Placeholder")
            node.attr["dtype"].type = dtype.as_datatype_enum
        definition.library.function.extend(self.functions)
        self.inside.complete(definition)

    def tensors(self, seed: tf.Tensor, step: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns {tensor of the definition: key} of a step, as tensors of the current graph."""
        given: dict[str, tf.Tensor] = {}
        if self.place is not None:
            rows, first_row = map(tf.identity, self.place)
            given |= {f"{ROWS_OF_WORKER}_count:0": rows, f"{ROWS_OF_WORKER}_first:0": first_row}
        for name, op_name in self.ops.items():
            key = counter_random.mask_key(seed, step, op_name)
            if name in self.of_examples:
                key += tf.cast(first_row, tf.uint64) * counter_random.GOLDEN
            given[f"{name}:0"] = key
            given[f"{name}_vector:0"] = tf.reshape(key, [1])
            given[f"{name}_counter:0"] = tf.zeros([2], tf.uint64)
            given[f"{name}_algorithm:0"] = tf.constant(keyed_draws.PHILOX)
        return given

    def values(self, seed: int, step: int) -> dict[str, np.ndarray]:
        """Returns {tensor of the definition: key} of a step, as numbers to feed."""
        if not self.ops:
            return {}
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            return session.run(self.tensors(tf.constant(seed), tf.constant(step)))
