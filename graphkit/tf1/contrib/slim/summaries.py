"""A summary that is named after its tensor."""

from typing import Any

import tensorflow as tf

v1 = tf.compat.v1

__all__ = ["add_scalar_summary"]


def add_scalar_summary(
    tensor: Any, name: str | None = None, prefix: str | None = None, print_summary: bool = False
) -> tf.Tensor:
    name = "/".join(part for part in (prefix, name or tensor.op.name) if part)
    summary = v1.summary.scalar(name, tensor, collections=[] if print_summary else None)
    if print_summary:
        summary = v1.Print(summary, [tensor], name)
        v1.add_to_collection(v1.GraphKeys.SUMMARIES, summary)
    return summary
