"""Batch normalization over several axes, with renormalization, virtual batches or adjustments."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import tensorflow as tf

from graphkit.nn.normalization import choose_value, moving_updates

# shape of the inputs -> (scale, bias) for normalized values
Adjustment: TypeAlias = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
ScaleAndBias: TypeAlias = tuple[tf.Tensor, tf.Tensor]


class Averages(NamedTuple):
    """The moving averages of a layer, each of the shape of its gamma; all but the first two for renorm."""

    mean: tf.Variable
    variance: tf.Variable
    stddev: Any = None
    renorm_mean: Any = None
    renorm_stddev: Any = None


class Renorm(NamedTuple):
    """How batch renormalization corrects: S. Ioffe, "Batch renormalization", NeurIPS 2017.

    Attributes:
      clipping: bounds of the correction (r, d): "rmin", "rmax" and "dmax".
      momentum: of the averages that the correction is made of.
    """

    clipping: Mapping[str, Any]
    momentum: Any


def normalize_general(
    inputs: tf.Tensor,
    axes: Sequence[int],
    gamma: tf.Variable | None,
    beta: tf.Variable | None,
    averages: Averages,
    epsilon: Any,
    momentum: Any,
    training: bool | tf.Tensor,
    *,
    renorm: Renorm | None = None,
    virtual_batch_size: int | None = None,
    adjustment: Adjustment | None = None,
) -> tuple[tf.Tensor, list[tf.Operation]]:
    """Returns (outputs, ops that move the averages), from the definition.

    Args:
      inputs: floating-point tensor of a known rank.
      axes: those of the channels, of known sizes; with virtual batches one more than in the inputs.
      gamma: (channels,) or of the inputs' rank, like the variables after it.
      epsilon: added to variances.
      momentum: fraction of the moving averages that a step keeps.
      training: whether the batch's own moments are used, and the averages moved.
      virtual_batch_size: how many examples are normalized together; must divide the batch size.
      adjustment: made after renorm and before gamma and beta, in training.
    """
    values = tf.cast(inputs, averages.mean.dtype)
    if virtual_batch_size is not None:
        values = in_virtual_batches(values, virtual_batch_size)
    known = values.shape.as_list()
    sizes = [size if axis in axes else 1 for axis, size in enumerate(known)]
    mean, variance, *_ = moving = [tf.reshape(average, sizes) for average in averages if average is not None]
    transforms: list[ScaleAndBias] = []
    updates: list[tf.Operation] = []
    if training is not False:
        over = [axis for axis in range(len(sizes)) if axis not in axes]
        if virtual_batch_size is not None:
            over.remove(1)
        of_batch = tf.nn.moments(values, over, keepdims=True)
        mean, variance = (choose_value(training, *pair) for pair in zip(of_batch, moving[:2], strict=True))
        new = (mean, variance)
        if virtual_batch_size is not None:  # averages follow the mean over the virtual batches
            new = (tf.reduce_mean(mean, 1, keepdims=True), tf.reduce_mean(variance, 1, keepdims=True))
        if renorm is not None:
            transforms.append(correction(new, moving[3:], epsilon, renorm.clipping, training))
        if adjustment is not None:
            scale, bias = adjustment(tf.shape(inputs))
            neutral = tf.ones_like(scale), tf.zeros_like(bias)
            transforms.append(
                (choose_value(training, scale, neutral[0]), choose_value(training, bias, neutral[1]))
            )
        with tf.control_dependencies(transforms[0] if renorm else ()):  # it reads what the updates write
            updates = move(averages, new, epsilon, momentum, renorm, training)
    scale, bias = (None if own is None else tf.reshape(own, sizes) for own in (gamma, beta))
    for first_scale, first_bias in reversed(transforms):
        bias = first_bias * (1 if scale is None else scale) + (0 if bias is None else bias)
        scale = first_scale * (1 if scale is None else scale)
    outputs = tf.nn.batch_normalization(values, mean, variance, bias, scale, epsilon)
    if virtual_batch_size is not None:
        outputs = tf.reshape(outputs, tf.shape(inputs))
    outputs = tf.cast(outputs, inputs.dtype)
    outputs.set_shape(inputs.shape)
    return outputs, updates


def in_virtual_batches(values: tf.Tensor, size: int) -> tf.Tensor:
    """Returns (size, number of virtual batches, ...): which examples are together is TensorFlow 1.15's."""
    batches = tf.reshape(values, tf.concat([[size, -1], tf.shape(values)[1:]], 0))
    return tf.ensure_shape(batches, [size, None, *values.shape.as_list()[1:]])


def correction(
    moments: Sequence[tf.Tensor],
    averages: Sequence[tf.Tensor],
    epsilon: Any,
    clipping: Mapping[str, Any],
    training: bool | tf.Tensor,
) -> ScaleAndBias:
    """Returns (r, d), with which normalized values are those of the moving averages; no gradient flows."""
    mean, stddev = moments[0], tf.sqrt(moments[1] + epsilon)
    renorm_mean, renorm_stddev = averages
    renorm_stddev = tf.maximum(renorm_stddev, tf.sqrt(tf.cast(epsilon, stddev.dtype)))
    r, d = stddev / renorm_stddev, (mean - renorm_mean) / renorm_stddev
    if clipping.get("rmin") is not None:
        r = tf.maximum(r, clipping["rmin"])
    if clipping.get("rmax") is not None:
        r = tf.minimum(r, clipping["rmax"])
    if clipping.get("dmax") is not None:
        d = tf.clip_by_value(d, -clipping["dmax"], clipping["dmax"])
    r, d = choose_value(training, r, tf.ones_like(r)), choose_value(training, d, tf.zeros_like(d))
    return tf.stop_gradient(r), tf.stop_gradient(d)


def move(
    averages: Averages,
    moments: Sequence[tf.Tensor],
    epsilon: Any,
    momentum: Any,
    renorm: Renorm | None,
    training: bool | tf.Tensor,
) -> list[tf.Operation]:
    """Returns ops that move the averages towards the moments in training."""
    mean, variance = (tf.reshape(moment, averages.mean.shape) for moment in moments)
    if renorm is None:
        return moving_updates(averages[:2], (mean, variance), momentum, training)
    stddev = tf.sqrt(variance + epsilon)
    updates = moving_updates((averages.mean, averages.stddev), (mean, stddev), momentum, training)
    with tf.control_dependencies(updates[1:]):
        moved = averages.stddev.read_value()
        # Rounding may make it negative.
        new = tf.maximum(moved * moved - epsilon, tf.zeros((), moved.dtype))
        new = choose_value(training, new, averages.variance.read_value())
        updates.append(averages.variance.assign(new, read_value=False))
    correcting = (averages.renorm_mean, averages.renorm_stddev)
    return updates + moving_updates(correcting, (mean, stddev), renorm.momentum, training)
