"""Initial weights: Xavier's, and those scaled by a layer's size."""

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

__all__ = ["variance_scaling_initializer", "xavier_initializer", "xavier_initializer_conv2d"]

TRUNCATION = 1.3  # about 1 / the variance of a standard normal that is cut at two sigma


def xavier_initializer(
    uniform: bool = True, seed: int | None = None, dtype: Any = tf.float32
) -> Callable[..., tf.Tensor]:
    """Returns Glorot's initializer: uniform in ±sqrt(6 / (fan_in + fan_out)), or normal."""
    return variance_scaling_initializer(1.0, "FAN_AVG", uniform, seed, dtype)


xavier_initializer_conv2d = xavier_initializer


def variance_scaling_initializer(
    factor: float = 2.0,
    mode: str = "FAN_IN",
    uniform: bool = False,
    seed: int | None = None,
    dtype: Any = tf.float32,
) -> Callable[..., tf.Tensor]:
    """Returns an initializer of variance factor / n, where n is FAN_IN, FAN_OUT or their mean, FAN_AVG."""
    check_dtype(dtype)
    if mode not in ("FAN_IN", "FAN_OUT", "FAN_AVG"):
        raise TypeError(f"Unknown mode {mode} [FAN_IN, FAN_OUT, FAN_AVG]")

    def initializer(shape: Any, dtype: Any = dtype, partition_info: Any = None) -> tf.Tensor:
        check_dtype(dtype)
        sizes = [int(size) for size in shape] or [1]
        area = math.prod(sizes[:-2])
        fan_in, fan_out = area * sizes[-2 if len(sizes) > 1 else -1], area * sizes[-1]
        n = {"FAN_IN": fan_in, "FAN_OUT": fan_out, "FAN_AVG": (fan_in + fan_out) / 2}[mode]
        if uniform:
            limit = math.sqrt(3 * factor / n)
            return tf.compat.v1.random_uniform(sizes if shape else [], -limit, limit, dtype, seed=seed)
        stddev = math.sqrt(TRUNCATION * factor / n)
        return tf.compat.v1.truncated_normal(sizes if shape else [], 0.0, stddev, dtype, seed=seed)

    return initializer


def check_dtype(dtype: Any) -> None:
    if not tf.as_dtype(dtype).is_floating:
        raise TypeError("Cannot create initializer for non-floating point type.")
