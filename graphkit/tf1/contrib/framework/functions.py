"""Conditions that may be known, a mark of deprecated functions, and a check of shapes."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

__all__ = ["deprecated", "smart_cond", "with_same_shape"]

v1 = tf.compat.v1


def smart_cond(
    pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any], name: str | None = None
) -> Any:
    """Calls one function where the condition is known, else makes a `tf.cond`."""
    known = pred
    if tf.is_tensor(pred):
        known = None if isinstance(pred, tf.Variable) else tf.get_static_value(pred)
    elif pred not in (0, 1):
        raise TypeError(f"`pred` must be a Tensor, or a Python bool, or 1 or 0. Found instead: {pred!r}")
    if known is None:
        return v1.cond(pred, true_fn, false_fn, name=name)
    return true_fn() if known else false_fn()


def deprecated(date: str | None, instructions: str, warn_once: bool = True) -> Callable[[Any], Any]:
    """Returns a decorator that logs that a function is deprecated, once."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        logged: list[bool] = []

        @functools.wraps(function)
        def with_warning(*args: Any, **kwargs: Any) -> Any:
            if not (logged and warn_once):
                logged.append(True)
                when = f"after {date}" if date else "in a future version"
                name = f"{function.__module__}.{function.__qualname__}"
                v1.logging.warning("%s is deprecated and will be removed %s. %s", name, when, instructions)
            return function(*args, **kwargs)

        return with_warning

    return decorate


def with_same_shape(expected_tensor: tf.Tensor, tensor: tf.Tensor) -> tf.Tensor:
    """Returns the tensor, with a check that it has the shape of another."""
    if not tensor.shape.is_compatible_with(expected_tensor.shape):
        raise ValueError(
            f"Invalid shape for tensor {tensor.name}, expected {expected_tensor.shape}, got {tensor.shape}."
        )
    same = v1.assert_equal(tf.shape(tensor), tf.shape(expected_tensor), message="Wrong shape")
    with tf.control_dependencies([same]):
        return tf.ensure_shape(tensor, expected_tensor.shape)
