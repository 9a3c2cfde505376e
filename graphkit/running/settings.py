"""Placeholders without a shape: in one program `tf.placeholder(tf.float32)` is a keep_prob, in another data.

The loops are made before there are data. A wrong guess costs time and nothing else: steps are then fed one by
one.
"""

import tensorflow as tf

from graphkit.graph import walk
from graphkit.nn import inputs

ARITHMETIC = (*walk.SAME_VALUES, "Sub", "Mul", "RealDiv", "Maximum", "Minimum", "Select", "SelectV2")
RANDOM = ("RandomUniform", "StatelessRandomUniformV2")
UPDATES = ("ResourceApply", "ResourceSparseApply", "Apply", "SparseApply")
LOOPS = ("While", "StatelessWhile", "Enter")  # of cells with dropout; sequences have a rank


def is_setting(placeholder: tf.Tensor) -> bool:
    """Whether a placeholder of unknown rank is a flag, a learning rate or a probability of dropout."""
    if placeholder.dtype == tf.bool or any(op.type.startswith(UPDATES) for op in takers(placeholder)):
        return True
    keep_probs = {tensor.name for tensor in placeholder.graph.get_collection(inputs.KEEP_PROBS)}
    waiting, seen = [placeholder], {placeholder.name}
    while waiting:
        tensor = waiting.pop()
        if tensor.name in keep_probs or any(is_for_masks(op) for op in tensor.consumers()):
            return True
        for op in tensor.consumers():
            if op.type in ARITHMETIC and all(t.shape.rank in (0, None) for t in op.inputs):
                waiting += [result for result in op.outputs if result.name not in seen]
                seen.update(result.name for result in op.outputs)
    return False


def takers(tensor: tf.Tensor) -> list[tf.Operation]:
    """Returns the ops that take a tensor as it is."""
    same = [op for op in tensor.consumers() if op.type in ("Identity", "Cast")]
    return [*tensor.consumers(), *(taker for op in same for taker in takers(op.outputs[0]))]


def is_for_masks(op: tf.Operation) -> bool:
    """Whether the op makes a mask of random numbers, or is a loop."""
    compares = op.type in ("GreaterEqual", "Less") and any(t.op.type in RANDOM for t in op.inputs)
    return compares or op.type in LOOPS
