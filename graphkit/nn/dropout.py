"""Dropout: units set to zero at random in training."""

import json
import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.nn import counter_random, scopes, tensors
from graphkit.nn import inputs as graph_inputs

__all__ = ["dropout"]


def dropout(
    inputs: tensors.TensorLike,
    keep_prob: tensors.TensorLike,
    noise_shape: Sequence[int | None] | None = None,
    *,
    name: str | None = None,
) -> tf.Tensor:
    """Keeps each unit with probability `keep_prob` and scales it by 1 / keep_prob, else sets it to 0.

    The expectation of each unit stays what it was. With keep_prob 1.0, the default of
    `gk.keep_prob_input()`, nothing changes. The mask is a hash of (seed, this op, step, unit), see
    `graphkit.nn.counter_random`. In a trainer the step is its global step, so that a step has the same mask
    in every execution and on every device; where several workers share a mini-batch, each has its rows of the
    mask of all. Without a trainer each `session.run` draws new masks; those of a
    session follow from the graph's seed. Inside loops and functions the mask also follows from the iteration
    and the call. Without a trainer a random op of TensorFlow tells them apart, with its limits: iterations
    that run in parallel draw in any order, and where the graph has a seed, two calls of one `tf.function`
    draw the same.

    Args:
      inputs: floating-point tensor of any shape.
      keep_prob: probability to keep a unit, in (0, 1]: a number or a scalar tensor; exact to 2**-16.
      noise_shape: None, or for each axis 1 where its units are kept or dropped together, and None or
        the axis's size where each unit is by itself.
      name: of the scope.

    Returns:
      A tensor of the shape of `inputs`.

    Raises:
      TypeError: `inputs` is not a floating-point tensor.
      ValueError: keep_prob outside (0, 1], or a noise shape that does not fit.

    Source: N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting",
    JMLR 15 (2014).

    Example:
      >>> gk.dropout(gk.feature_input(100), gk.keep_prob_input()).shape.as_list()
      [None, 100]
    """
    check = checks.Checker("dropout")
    inputs = tensors.float_tensor(check, "inputs", inputs)
    keep_prob = check_keep_prob(check, keep_prob)
    sizes = check_noise_shape(check, noise_shape, inputs)
    if isinstance(keep_prob, float) and keep_prob == 1:
        return inputs
    with scopes.op_scope(check, name) as scope:
        return drop(inputs, keep_prob, sizes, scope)


def drop(
    inputs: tf.Tensor,
    keep_prob: float | tf.Tensor,
    sizes: Sequence[Any] | None,
    scope: str,
    seed: int | None = None,
) -> tf.Tensor:
    """Drops units of the inputs in the current name scope.

    Args:
      inputs: floating-point tensor.
      keep_prob: a number or a scalar tensor.
      sizes: of the mask: for each axis a number, a scalar tensor, or None for the size of the inputs; None
        where the mask has the shape of the inputs.
      scope: name that no other dropout of the graph has.
      seed: dropouts of the same seed have the same masks; None for a mask that no other one has.
    """
    keep_prob = tf.cast(keep_prob, tf.float32)
    tf.compat.v1.add_to_collection(graph_inputs.KEEP_PROBS, keep_prob)
    shape = tf.shape(inputs)
    if sizes is not None:
        shape = tf.stack([shape[axis] if size is None else size for axis, size in enumerate(sizes)])
    graph_seed, step = graph_inputs.seed_input(), graph_inputs.step_input()
    call = drawn_call(shape.op)
    # Each function numbers its scopes anew: two branches would have the same name, and the same mask.
    op_name = scope if call is None else scopes.unique_outside("graphkit/inner_dropout")
    op_name = op_name if seed is None else f"seed {seed}"
    start = start_of(inputs.shape, sizes)
    mask = counter_random.keep_mask(shape, keep_prob, graph_seed, step, op_name, call, start)
    factor = tf.cast(1 / keep_prob, inputs.dtype)
    # Not inputs * mask: a dropped unit that is not finite must become 0, in the gradient, too.
    outputs = tf.where(mask, inputs * factor, tf.zeros((), inputs.dtype))
    outputs = tf.ensure_shape(outputs, inputs.shape)
    # By these names an export finds each dropout, to leave it out.
    names = json.dumps([inputs.name, keep_prob.name, outputs.name])
    tf.compat.v1.add_to_collection(graph_inputs.DROPOUTS, names)
    return outputs


def start_of(shape: tf.TensorShape, sizes: Sequence[Any] | None) -> counter_random.Start | None:
    """Returns where the mask of this process's examples begins in that of the complete mini-batch.

    None where the mask does not have examples: all sizes are known, or it has one row for all of them.
    """
    known = shape.as_list() if shape.rank is not None else [None]
    units: list[Any] = [
        size if kept is None else kept if isinstance(kept, int) else None
        for size, kept in zip(known, sizes or [None] * len(known), strict=True)
    ]
    if None not in units:
        return None
    rest = units[1:]
    row_size = 1 if None in rest or shape.rank is None else math.prod(rest)
    return counter_random.Start(graph_inputs.rows_input(), graph_inputs.first_row_input(), row_size)


def drawn_call(op: tf.Operation) -> tf.Tensor | None:
    """Returns a number that each call of a function, and each iteration of a loop, draws anew.

    It is drawn by an op that the copies of a step give a key of (seed, step, op, iteration), see
    `graphkit.running.keyed_functions`; of uniform floats, since XLA would draw other integers.

    Args:
      op: one that was just made where the number is needed; None is returned if it is in no function or loop.
    """
    if not scopes.runs_more_than_once(op):
        return None
    return tf.bitcast(tf.random.uniform([2], name="call"), tf.uint64)


def check_keep_prob(check: checks.Checker, keep_prob: tensors.TensorLike) -> float | tf.Tensor:
    """Returns keep_prob as a float, or as a scalar tensor whose value is not known yet."""
    if not tf.is_tensor(keep_prob):
        return check.number("keep_prob", keep_prob, above=0, at_most=1)
    keep_prob = tensors.float_tensor(check, "keep_prob", keep_prob)
    # Placeholders of TF1 programs often have no shape at all.
    scalar = keep_prob.shape.rank in (0, None)
    check.require(scalar, "keep_prob must be a scalar", shape=tensors.shape_text(keep_prob))
    known = tf.get_static_value(keep_prob)
    if known is not None:
        check.number("keep_prob", float(known), above=0, at_most=1)
    return keep_prob


def check_noise_shape(
    check: checks.Checker, noise_shape: Sequence[int | None] | None, inputs: tf.Tensor
) -> list[int | None] | None:
    """Returns for each axis 1 or None, or None where no noise shape is given."""
    if noise_shape is None:
        return None
    sizes = inputs.shape
    rule = f"noise_shape must have 1, None or the size for each axis of {sizes}"
    check.require_type(isinstance(noise_shape, (tuple, list)), rule, noise_shape=noise_shape)
    fits = sizes.rank == len(noise_shape) and all(
        size is None or (type(size) is int and size in (1, own))
        for size, own in zip(noise_shape, sizes, strict=True)
    )
    check.require(fits, rule, noise_shape=noise_shape)
    return [1 if size == 1 else None for size in noise_shape]
