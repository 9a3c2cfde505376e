"""A list of variables, with their sizes."""

from collections.abc import Iterable
from typing import Any

from graphkit.tf1 import overlay

__all__ = ["analyze_vars"]


def analyze_vars(variables: Iterable[Any], print_info: bool = False) -> tuple[int, int]:
    """Returns how many numbers, and how many bytes, variables have."""
    total, total_bytes = 0, 0
    if print_info:
        print("---------\nVariables: name (type shape) [size]\n---------")
    for var in variables:
        size = var.shape.num_elements() or 0
        total, total_bytes = total + size, total_bytes + size * var.dtype.size
        if print_info:
            shape = "x".join(str(length) for length in var.shape.as_list())
            print(f"{var.name} ({var.dtype.name} {shape}) [{size}, bytes: {size * var.dtype.size}]")
    if print_info:
        print(f"Total size of variables: {total}\nTotal bytes of variables: {total_bytes}")
    return total, total_bytes


__getattr__, __dir__ = overlay.over(__name__)
