"""Keyed randomness: random ops of a copied step draw from a key of (seed, op, step), not from a kernel.

The numbers of a step then follow from its number alone: they are the same in every execution, after every
resume, and when a step is run again to find out why its loss was not finite.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from graphkit.nn import counter_random

# TensorFlow's own ops that draw the same distribution from a key.
STATELESS = {
    "RandomStandardNormal": "StatelessRandomNormalV2",
    "TruncatedNormal": "StatelessTruncatedNormalV2",
    "RandomUniformInt": "StatelessRandomUniformIntV2",
}
PHILOX = 1  # the algorithm of these ops that runs on every device


def is_random(op: tf.Operation) -> bool:
    """Whether the op draws random numbers from the state of a kernel."""
    return "seed2" in op.node_def.attr and op.op_def.is_stateful


def has_key(op: tf.Operation) -> bool:
    """Whether the numbers of a random op can be drawn from a key."""
    return op.type == "RandomUniform" or op.type in STATELESS


class Keys:
    """The keys that the random ops of one copied step draw from.

    `rewrite` turns nodes into keyed ones, `complete` adds to the definition what they refer to, and
    `tensors` makes the keys of a step in the graph that the definition is imported into.
    """

    def __init__(self) -> None:
        self.ops: dict[str, str] = {}  # placeholder of a key: the random op, by whose name it is set
        self.placeholders: list[tuple[str, tf.DType]] = []
        self.functions: list[Any] = []

    def rewrite(self, node: Any) -> None:
        """Turns the node of a random op into one that draws from a key."""
        key = f"graphkit_key_{len(self.ops)}"
        self.ops[key] = node.name
        shape, *bounds = (name for name in node.input if name[0] != "^")
        controls = [name for name in node.input if name[0] == "^"]
        shape_dtype = tf.as_dtype(node.attr["T"].type)
        dtype = tf.as_dtype(node.attr["Tout" if bounds else "dtype"].type)
        self.placeholders.append((key, tf.uint64))
        node.ClearField("attr")
        if node.op == "RandomUniform":
            inputs = [shape, key]
            self.call_uniform(node, shape_dtype, dtype)
        else:
            parts = {f"{key}_vector": tf.uint64, f"{key}_counter": tf.uint64, f"{key}_algorithm": tf.int32}
            self.placeholders += parts.items()
            inputs = [shape, *parts, *bounds]
            node.op = STATELESS[node.op]
            node.attr["Tshape"].type = shape_dtype.as_datatype_enum
            node.attr["dtype"].type = dtype.as_datatype_enum
        node.input[:] = [*inputs, *controls]

    def call_uniform(self, node: Any, shape_dtype: tf.DType, dtype: tf.DType) -> None:
        """Makes the node a call of a function (shape, key) -> uniform numbers.

        Uniform numbers come from the hash that `gk.dropout` uses, since TensorFlow's stateless ones take
        longer than the arithmetic of a small network, and are other ones under XLA.
        """
        drawn = tf.function(lambda shape, key: counter_random.uniform(shape, key, dtype), autograph=False)
        specs = tf.TensorSpec([None], shape_dtype), tf.TensorSpec([], tf.uint64)
        function = drawn.get_concrete_function(*specs).function_def
        self.functions.append(function)
        node.op = "PartitionedCall"
        node.attr["f"].func.name = function.signature.name
        types = (shape_dtype.as_datatype_enum, tf.uint64.as_datatype_enum)
        node.attr["Tin"].list.type.extend(types)
        node.attr["Tout"].list.type.append(dtype.as_datatype_enum)

    def complete(self, definition: Any) -> None:
        """Adds to a definition the placeholders and functions that its rewritten nodes refer to."""
        for name, dtype in self.placeholders:
            node = definition.node.add(name=name, op="Placeholder")
            node.attr["dtype"].type = dtype.as_datatype_enum
        definition.library.function.extend(self.functions)

    def tensors(self, seed: tf.Tensor, step: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns {tensor of the definition: key} of a step, as tensors of the current graph."""
        given = {}
        for name, op_name in self.ops.items():
            key = counter_random.mask_key(seed, step, op_name)
            given[f"{name}:0"] = key
            given[f"{name}_vector:0"] = tf.reshape(key, [1])
            given[f"{name}_counter:0"] = tf.zeros([2], tf.uint64)
            given[f"{name}_algorithm:0"] = tf.constant(PHILOX)
        return given

    def values(self, seed: int, step: int) -> dict[str, np.ndarray]:
        """Returns {tensor of the definition: key} of a step, as numbers to feed."""
        if not self.ops:
            return {}
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            return session.run(self.tensors(tf.constant(seed), tf.constant(step)))
