"""Variables of layers: what a layer's arguments say about one, and making it in the current scope."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import tensorflow as tf

from graphkit import checks

Initializer: TypeAlias = Callable[..., tf.Tensor]  # (shape, dtype) -> the first value
Regularizer: TypeAlias = Callable[[tf.Tensor], tf.Tensor]  # variable or output -> scalar loss
Constraint: TypeAlias = Callable[[tf.Tensor], tf.Tensor]  # updated variable -> what is kept of it


class VariableSpec(NamedTuple):
    """A variable's name in its layer, and the layer's arguments for it, as `kernel_initializer` for kernel.

    Attributes:
      name: such as "kernel", below the layer's scope.
      initializer: None takes the variable scope's, or else Glorot's uniform.
      regularizer: its loss is added to REGULARIZATION_LOSSES.
      constraint: applied by the optimizer after each update.
    """

    name: str
    initializer: Initializer | None
    regularizer: Regularizer | None = None
    constraint: Constraint | None = None


def get_variable(
    check: checks.Checker, spec: VariableSpec, shape: Sequence[int], dtype: tf.DType, trainable: bool = True
) -> tf.Variable:
    """Makes or reuses a resource variable in the current variable scope."""
    rule = f"the initializer of {spec.name} must be a function of a shape, such as gk.zeros()"
    right = spec.initializer is None or callable(spec.initializer)
    check.require_type(right, rule, initializer=spec.initializer)
    return tf.compat.v1.get_variable(
        spec.name,
        shape,
        dtype,
        initializer=spec.initializer,
        regularizer=spec.regularizer,
        constraint=spec.constraint,
        trainable=trainable,
        use_resource=True,  # a loop of training steps captures handles, which the older variables lack
    )
