"""Functions such as `tf.layers.dense`: a layer that is made, called and forgotten."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from graphkit.tf1.layers.base import Layer


def function_of(name: str, layer: type[Layer], with_variables: bool = True) -> Callable[..., tf.Tensor]:
    """Returns the function of a layer: the inputs, then the arguments of the class, in its order.

    With variables, the scope of the layer is its name, and the last argument is `reuse`: whether to reuse
    the variables of that scope.
    """

    def function(inputs: Any, *args: Any, **kwargs: Any) -> tf.Tensor:
        if with_variables:
            kwargs["_scope"] = True
            if "reuse" in kwargs:
                kwargs["_reuse"] = kwargs.pop("reuse")
        return layer(*args, **kwargs)(inputs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Applies a new `tf.layers.{layer.__name__}` of these arguments to the inputs."
    return function
