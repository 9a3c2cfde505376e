"""Summaries that are named after their tensors."""

from collections.abc import Callable, Iterable
from typing import Any

import tensorflow as tf

v1 = tf.compat.v1

__all__ = """
add_histogram_summaries add_histogram_summary add_image_summaries add_image_summary add_scalar_summaries
add_scalar_summary add_zero_fraction_summaries add_zero_fraction_summary
""".split()


def summary_name(tensor: Any, name: str | None, prefix: str | None, postfix: str | None = None) -> str:
    return "/".join(part for part in (prefix, name or tensor.op.name, postfix) if part)


def add_histogram_summary(tensor: Any, name: str | None = None, prefix: str | None = None) -> tf.Tensor:
    return v1.summary.histogram(summary_name(tensor, name, prefix), tensor)


def printed(
    kind: Callable[..., tf.Tensor], tensor: Any, name: str | None, prefix: str | None, print_summary: bool
) -> tf.Tensor:
    name = summary_name(tensor, name, prefix)
    summary = kind(name, tensor, collections=[] if print_summary else None)
    if print_summary:
        summary = v1.Print(summary, [tensor], name)
        v1.add_to_collection(v1.GraphKeys.SUMMARIES, summary)
    return summary


def add_image_summary(
    tensor: Any, name: str | None = None, prefix: str | None = None, print_summary: bool = False
) -> tf.Tensor:
    return printed(v1.summary.image, tensor, name, prefix, print_summary)


def add_scalar_summary(
    tensor: Any, name: str | None = None, prefix: str | None = None, print_summary: bool = False
) -> tf.Tensor:
    return printed(v1.summary.scalar, tensor, name, prefix, print_summary)


def add_zero_fraction_summary(
    tensor: Any, name: str | None = None, prefix: str | None = None, print_summary: bool = False
) -> tf.Tensor:
    name = summary_name(tensor, name, prefix, "Fraction_of_Zero_Values")
    return add_scalar_summary(tf.math.zero_fraction(tensor), name, print_summary=print_summary)


def of_each(function: Callable[..., tf.Tensor]) -> Callable[..., list[tf.Tensor]]:
    def summaries(tensors: Iterable[Any], prefix: str | None = None, **kwargs: Any) -> list[tf.Tensor]:
        return [function(tensor, prefix=prefix, **kwargs) for tensor in tensors]

    return summaries


add_histogram_summaries = of_each(add_histogram_summary)
add_image_summaries = of_each(add_image_summary)
add_scalar_summaries = of_each(add_scalar_summary)
add_zero_fraction_summaries = of_each(add_zero_fraction_summary)
