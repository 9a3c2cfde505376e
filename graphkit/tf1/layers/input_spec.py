"""What a layer requires of its inputs."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf


class InputSpec:
    """What a layer requires of an input: dtype, number of axes, shape, or sizes of single axes."""

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Mapping[int, Any] | None = None,
    ) -> None:
        self.dtype, self.shape, self.axes = dtype, shape, dict(axes or {})
        self.ndim = len(shape) if shape is not None else ndim
        self.max_ndim, self.min_ndim = max_ndim, min_ndim

    def check(self, layer: str, number: int, inputs: tf.Tensor) -> None:
        """Raises `ValueError` if one of a layer's inputs does not fit."""
        begin = f"Input {number} of layer {layer} is incompatible with the layer:"
        limits = (self.ndim, self.max_ndim, self.min_ndim)
        rank = inputs.shape.rank
        if rank is None:
            if any(limit is not None for limit in limits):
                raise ValueError(f"{begin} its rank is undefined, but the layer requires a defined rank.")
            return
        sizes = inputs.shape.as_list()
        for word, limit, fits in (
            ("ndim", self.ndim, rank == self.ndim),
            ("max_ndim", self.max_ndim, rank <= (self.max_ndim or rank)),
            ("min_ndim", self.min_ndim, rank >= (self.min_ndim or 0)),
        ):
            if limit is not None and not fits:
                found = f"found ndim={rank}. Full shape received: {sizes}"
                raise ValueError(f"{begin} expected {word}={limit}, {found}")
        if self.dtype is not None and inputs.dtype.base_dtype != tf.as_dtype(self.dtype):
            raise ValueError(f"{begin} expected dtype={self.dtype}, found dtype={inputs.dtype.name}")
        for axis, size in {**dict(enumerate(self.shape or ())), **self.axes}.items():
            size = getattr(size, "value", size)  # of a Dimension
            if size is not None and sizes[axis] not in (size, None):
                raise ValueError(
                    f"{begin} expected axis {axis} of input shape to have value {size} "
                    f"but received input with shape {sizes}"
                )


def check_inputs(specs: Any, layer: str, inputs: Any) -> None:
    """Raises `ValueError` if the inputs of a layer do not fit its specs, or are not as many."""
    if not specs:
        return
    tensors, wanted = tf.nest.flatten(inputs), tf.nest.flatten(specs)
    if len(tensors) != len(wanted):
        raise ValueError(
            f"Layer {layer} expects {len(wanted)} inputs, but it received {len(tensors)} input tensors. "
            f"Inputs received: {tensors}"
        )
    for number, (spec, tensor) in enumerate(zip(wanted, tensors, strict=True)):
        if spec is not None:
            spec.check(layer, number, tensor)
