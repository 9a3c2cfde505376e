"""Functions such as `tf.layers.dense`: a layer that is made, called and forgotten."""

import inspect
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from graphkit.tf1.layers.base import Layer

DOC = """Applies a new `tf.layers.{}` of these arguments to the inputs.{}"""
REUSED = """

    Its scope is `name`, by default the class's name in snake case, numbered; with `reuse`, its variables are
    those of this scope.
    """


def shows_arguments(*fixed: str) -> Callable[[type], type]:
    """Returns a decorator of layers whose `__init__` hands `*args` to that of the base.

    Help and editors then show the arguments of the base that are left: those after the last that the layer
    has, too, without the fixed ones.
    """

    def decorate(layer: Any) -> Any:
        own = [*inspect.signature(layer.__init__).parameters.values()]
        own = [one for one in own if one.kind == one.POSITIONAL_OR_KEYWORD]
        base = [*inspect.signature(layer.__base__.__init__).parameters.values()]
        shared = [index for index, one in enumerate(base) if one.name in {one.name for one in own}]
        more = [one for one in base[shared[-1] + 1 :] if one.name not in fixed]
        layer.__init__.__signature__ = inspect.Signature([*own, *more])
        return layer

    return decorate


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
    function.__doc__ = DOC.format(layer.__name__, REUSED if with_variables else "")
    function.__signature__ = signature_of(layer)  # type: ignore[attr-defined]
    return function


def signature_of(layer: type[Layer]) -> inspect.Signature:
    """Returns the signature of the function of a layer, without annotations, as in TensorFlow 1.15."""
    shown = [inspect.Parameter("inputs", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    for one in inspect.signature(layer).parameters.values():
        if one.kind == one.POSITIONAL_OR_KEYWORD:
            name = "reuse" if one.name == "_reuse" else one.name
            shown.append(one.replace(name=name, annotation=inspect.Parameter.empty))
    return inspect.Signature(shown)
