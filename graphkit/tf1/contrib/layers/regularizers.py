"""Losses of weights."""

import numbers
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

v1 = tf.compat.v1
Regularizer = Callable[[Any], Any]

__all__ = ["apply_regularization", "l1_l2_regularizer", "l1_regularizer", "l2_regularizer", "sum_regularizer"]


def l1_regularizer(scale: Any, scope: str | None = None) -> Regularizer:
    """Returns weights -> scale * sum(|weights|); with a scale of 0.0, a function that returns None."""
    return scaled("l1_regularizer", lambda weights: tf.reduce_sum(tf.abs(weights)), scale, scope)


def l2_regularizer(scale: Any, scope: str | None = None) -> Regularizer:
    """Returns weights -> scale * sum(weights**2) / 2; with a scale of 0.0, a function that returns None."""
    return scaled("l2_regularizer", tf.nn.l2_loss, scale, scope)


def scaled(name: str, loss: Callable[[Any], tf.Tensor], scale: Any, scope: str | None) -> Regularizer:
    check_scale("scale", scale)
    if isinstance(scale, numbers.Real):
        if scale < 0:
            raise ValueError(f"Setting a scale less than 0 on a regularizer: {scale:g}")
        if scale == 0:
            v1.logging.info("Scale of 0 disables regularizer.")
            return lambda weights: None

    def regularizer(weights: Any) -> tf.Tensor:
        with v1.name_scope(scope, name) as op_name:
            factor = tf.convert_to_tensor(scale, weights.dtype.base_dtype, name="scale")
            return tf.multiply(factor, loss(weights), name=op_name)

    return regularizer


def check_scale(name: str, scale: Any) -> None:
    if isinstance(scale, numbers.Integral):
        raise ValueError(f"{name} cannot be an integer: {scale}")


def l1_l2_regularizer(
    scale_l1: Any = 1.0, scale_l2: Any = 1.0, scope: str | None = None
) -> Regularizer | None:
    check_scale("scale_l1", scale_l1)
    check_scale("scale_l2", scale_l2)
    scope = scope or "l1_l2_regularizer"
    if isinstance(scale_l1, numbers.Real) and scale_l1 == 0:
        return l2_regularizer(scale_l2, scope)
    if isinstance(scale_l2, numbers.Real) and scale_l2 == 0:
        return l1_regularizer(scale_l1, scope)
    return sum_regularizer([l1_regularizer(scale_l1), l2_regularizer(scale_l2)], scope)


def sum_regularizer(
    regularizer_list: Sequence[Regularizer | None], scope: str | None = None
) -> Regularizer | None:
    """Returns weights -> sum of the losses that are not None; None if there is no regularizer."""
    regularizers = [one for one in regularizer_list if one is not None]

    def sum_of_all(weights: Any) -> tf.Tensor | None:
        with v1.name_scope(scope, "sum_regularizer") as name:
            losses = [loss for loss in (one(weights) for one in regularizers) if loss is not None]
            return tf.add_n(losses, name=name) if losses else None

    return sum_of_all if regularizers else None


def apply_regularization(regularizer: Regularizer, weights_list: Sequence[Any] | None = None) -> tf.Tensor:
    """Returns the sum over weights, by default those of WEIGHTS, and adds it to REGULARIZATION_LOSSES."""
    weights_list = weights_list or v1.get_collection(v1.GraphKeys.WEIGHTS)
    if not weights_list:
        raise ValueError("No weights to regularize.")
    with v1.name_scope("get_regularization_penalty") as name:
        losses = [regularizer(weights) for weights in weights_list]
        losses = [tf.constant(0.0) if loss is None else loss for loss in losses]
        for loss in losses:
            if loss.shape.rank != 0:
                rank = loss.shape.rank
                raise ValueError(
                    f"regularizer must return a scalar Tensor instead of a Tensor with rank {rank}."
                )
        penalty = tf.add_n(losses, name=name)
    v1.add_to_collection(v1.GraphKeys.REGULARIZATION_LOSSES, penalty)
    return penalty
