"""The bytes of arrays and of a training step, and the batch that fits into a memory."""

import math
from collections.abc import Sequence

from graphkit import checks

__all__ = ["array_bytes", "largest_batch", "optimizer_slots", "training_bytes"]

# Bytes of one number.
ITEM_BYTES = {
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "float64": 8,
    "bool": 1,
    "int8": 1,
    "uint8": 1,
    "int16": 2,
    "uint16": 2,
    "int32": 4,
    "uint32": 4,
    "int64": 8,
    "uint64": 8,
    "complex64": 8,
    "complex128": 16,
}
# Numbers that TensorFlow 1's optimizers keep for each weight.
OPTIMIZER_SLOTS = {
    "sgd": 0,
    "momentum": 1,
    "nesterov": 1,
    "adagrad": 1,
    "adadelta": 2,
    "adam": 2,
    "adamw": 2,
    "rmsprop": 2,
}


def array_bytes(shape: Sequence[int], dtype: object = "float32") -> int:
    """Returns the bytes of an array: the product of its shape times the bytes of a number.

    Args:
      shape: the sizes of its axes; () for a scalar.
      dtype: name of the dtype ("float32", "uint8", "bfloat16", …), or a dtype of NumPy or TensorFlow.

    Returns:
      An int.

    Raises:
      TypeError: shape is not a sequence of integers, or dtype is neither a name nor a dtype.
      ValueError: a size is negative, or the dtype is unknown.

    Example:
      >>> gk.sizes.array_bytes((55000, 784)), gk.sizes.array_bytes((784, 10)), gk.sizes.array_bytes((10,))
      (172480000, 31360, 40)
    """
    check = checks.Checker("array_bytes")
    is_sequence = isinstance(shape, (tuple, list))
    check.require_type(is_sequence, "shape must be a sequence of integers", shape=shape)
    sizes = [check.integer("shape", size, minimum=0) for size in shape]
    return math.prod(sizes) * item_bytes(check, dtype)


def item_bytes(check: checks.Checker, dtype: object) -> int:
    """Returns the bytes of one number of a dtype, which may be given by name."""
    return ITEM_BYTES[check.choice("dtype", getattr(dtype, "name", dtype), ITEM_BYTES)]


def optimizer_slots(optimizer: str) -> int:
    """Returns how many numbers an optimizer keeps for each weight.

    sgd 0; momentum, nesterov, adagrad 1 (velocity, or sum of squares); adadelta, adam, adamw, rmsprop 2
    (two moments; TensorFlow 1's rmsprop keeps a mean square and a momentum, even if that is 0).

    Args:
      optimizer: "sgd", "momentum", "nesterov", "adagrad", "adadelta", "adam", "adamw" or "rmsprop".

    Returns:
      An int.

    Raises:
      TypeError: optimizer is not a string.
      ValueError: the name is unknown.

    Example:
      >>> gk.sizes.optimizer_slots("adam")
      2
    """
    check = checks.Checker("optimizer_slots")
    return OPTIMIZER_SLOTS[check.choice("optimizer", optimizer, OPTIMIZER_SLOTS)]


def training_bytes(
    parameters: int, activations: int, batch_size: int, *, slots: int = 2, dtype: object = "float32"
) -> int:
    """Returns the bytes that a training step holds: (parameters * (2 + slots) + activations * batch) * item.

    For each parameter there is the weight, its gradient and the optimizer's slots; each example's
    activations are kept until the backward pass has used them. The numbers that a first layer takes are
    kept as well: the gradient of its kernel is a product with them. Not counted: labels, what a kernel needs
    while it runs (a convolution's workspace), the gradients of activations, of which few live at a time,
    memory that the allocator has not yet freed, and the program itself.

    Args:
      parameters: number of trained parameters.
      activations: how many numbers of one example the gradients need: its features or pixels, and what the
        layers make of them.
      batch_size: examples in a batch.
      slots: numbers that the optimizer keeps for each parameter, see `gk.sizes.optimizer_slots`.
      dtype: of all numbers, see `gk.sizes.array_bytes`.

    Returns:
      An int.

    Raises:
      TypeError: a count is not an integer, or dtype is neither a name nor a dtype.
      ValueError: a count is negative, batch_size is below one, or the dtype is unknown.

    Source: weight, gradient and slots are the 16 bytes that each float32 parameter takes with Adam in
    S. Rajbhandari et al., "ZeRO: memory optimizations toward training trillion parameter models", SC 2020.

    Example:
      >>> pixels, logits = 784, 10
      >>> gk.sizes.training_bytes(parameters=7850, activations=pixels + logits, batch_size=100, slots=0)
      380400
    """
    check = checks.Checker("training_bytes")
    fixed, per_example = step_bytes(check, parameters, activations, slots, dtype)
    return fixed + per_example * check.integer("batch_size", batch_size)


def largest_batch(
    memory: int, parameters: int, activations: int, *, slots: int = 2, dtype: object = "float32"
) -> int:
    """Returns the largest batch size whose `gk.sizes.training_bytes` fits into the memory.

    Args:
      memory: size of the memory, in bytes.
      parameters: number of trained parameters.
      activations: how many numbers of one example the gradients need, inputs included; at least one.
      slots: numbers that the optimizer keeps for each parameter, see `gk.sizes.optimizer_slots`.
      dtype: of all numbers, see `gk.sizes.array_bytes`.

    Returns:
      An int of at least 1.

    Raises:
      TypeError: a count is not an integer, or dtype is neither a name nor a dtype.
      ValueError: not even one example fits, a count is negative, or the dtype is unknown.

    Example:
      >>> gk.sizes.largest_batch(80000, parameters=1000, activations=500)
      32
    """
    check = checks.Checker("largest_batch")
    memory = check.integer("memory", memory, 0, maximum=None)
    check.integer("activations", activations, maximum=None)
    fixed, per_example = step_bytes(check, parameters, activations, slots, dtype)
    check.require(
        fixed + per_example <= memory,
        "not even one example fits into the memory, in bytes",
        memory=memory,
        without_examples=fixed,
        for_each_example=per_example,
    )
    return (memory - fixed) // per_example


def step_bytes(
    check: checks.Checker, parameters: int, activations: int, slots: int, dtype: object
) -> tuple[int, int]:
    """Returns the bytes that a step holds whatever the batch, and the bytes for each example."""
    parameters = check.integer("parameters", parameters, 0, maximum=None)
    activations = check.integer("activations", activations, 0, maximum=None)
    slots = check.integer("slots", slots, minimum=0)
    item = item_bytes(check, dtype)
    return parameters * (2 + slots) * item, activations * item
