"""Lists of ops and variables, with their sizes."""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

__all__ = ["analyze_ops", "analyze_vars", "tensor_description"]


def tensor_description(var: Any) -> str:
    """Returns such as "(float32 3x3x16)"."""
    return f"({var.dtype.name} {'x'.join(str(size) for size in var.shape.as_list())})"


def analyze_ops(graph: tf.Graph, print_info: bool = False) -> int:
    """Returns how many numbers the ops of a graph put out, as far as their shapes are known."""
    total = 0
    if print_info:
        print("---------\nOperations: name -> (type shapes) [size]\n---------")
    for op in graph.get_operations():
        size = sum(one.shape.num_elements() or 0 for one in op.outputs)
        total += size
        if print_info:
            shapes = ", ".join(tensor_description(one) for one in op.outputs if one.shape.rank)
            print(f"{op.name} \t-> {shapes} [{size}]")
    return total


def analyze_vars(variables: Iterable[Any], print_info: bool = False) -> tuple[int, int]:
    """Returns how many numbers, and how many bytes, variables have."""
    total, total_bytes = 0, 0
    if print_info:
        print("---------\nVariables: name (type shape) [size]\n---------")
    for var in variables:
        size = var.shape.num_elements() or 0
        total, total_bytes = total + size, total_bytes + size * var.dtype.size
        if print_info:
            print(f"{var.name} {tensor_description(var)} [{size}, bytes: {size * var.dtype.size}]")
    if print_info:
        print(f"Total size of variables: {total}\nTotal bytes of variables: {total_bytes}")
    return total, total_bytes
