"""What the layers have in common: scopes, names of variables, collections, normalization and activation."""

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import tensorflow as tf

from graphkit.tf1.contrib.framework import arg_scopes, variables
from graphkit.tf1.contrib.layers import utils
from graphkit.tf1.contrib.layers.initializers import xavier_initializer

v1 = tf.compat.v1
# {name of a variable in tf.layers: (its name in tf.contrib.layers, its key in variables_collections)}
NAMES = {
    "kernel": ("weights", "weights"),
    "bias": ("biases", "biases"),
    "depthwise_kernel": ("depthwise_weights", "weights"),
    "pointwise_kernel": ("pointwise_weights", "weights"),
}
KNOWN = set(inspect.signature(variables.model_variable).parameters) - {"name", "device", "custom_getter"}
# The arguments that layers with weights take after their own, with their defaults.
COMMON: dict[str, Any] = {
    "activation_fn": tf.nn.relu,
    "normalizer_fn": None,
    "normalizer_params": None,
    "weights_initializer": xavier_initializer(),
    "weights_regularizer": None,
    "biases_initializer": v1.zeros_initializer(),
    "biases_regularizer": None,
    "reuse": None,
    "variables_collections": None,
    "outputs_collections": None,
    "trainable": True,
    "scope": None,
}


@contextlib.contextmanager
def layer_scope(
    scope: Any,
    default_name: str,
    reuse: Any = None,
    variables_collections: Any = None,
    names: Mapping[str, tuple[str, str]] = NAMES,
) -> Iterator[Any]:
    """Opens a layer's variable scope, whose variables get their names here and are MODEL_VARIABLES.

    Args:
      names: {a variable's name: (its name here, its key in variables_collections)}.
    """

    def getter(getter: Callable[..., Any], name: str, **kwargs: Any) -> Any:
        head, slash, tail = name.rpartition("/")
        new, key = names.get(tail, (tail, None))
        known = {name: value for name, value in kwargs.items() if name in KNOWN}
        variable = variables.model_variable(head + slash + new, custom_getter=getter, **known)
        if key is not None:
            collect(variable, utils.get_variable_collections(variables_collections, key))
        return variable

    with v1.variable_scope(scope, default_name, reuse=reuse, custom_getter=getter) as opened:
        yield opened


def collect(variable: Any, collections: Any) -> None:
    parts = [variable] if isinstance(variable, tf.Variable) else list(variable)
    for collection in [collections] if isinstance(collections, str) else collections or ():
        for part in parts:
            if all(part is not one for one in v1.get_collection_ref(collection)):
                v1.add_to_collection(collection, part)


def weighted_layer(
    name: str,
    default_scope: str,
    own: Mapping[str, Any],
    build: Callable[[tf.Tensor, SimpleNamespace], tf.Tensor],
    doc: str,
    after: Mapping[str, Mapping[str, Any]] = {},
) -> Callable[..., tf.Tensor]:
    """Returns a function of a layer with weights, which `arg_scope` knows.

    Args:
      own: the first arguments, with their defaults; `inspect.Parameter.empty` is none.
      build: function (inputs, all arguments by name, with `scope` opened) -> outputs before normalization.
      after: {one of the common arguments: further ones that come after it}.
    """
    defaults = {"inputs": inspect.Parameter.empty, **own}
    for key, value in COMMON.items():
        defaults |= {key: value, **after.get(key, {})}
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature([inspect.Parameter(key, kind, default=v) for key, v in defaults.items()])

    def layer(*args: Any, **kwargs: Any) -> tf.Tensor:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = SimpleNamespace(**bound.arguments)
        with layer_scope(given.scope, default_scope, given.reuse, given.variables_collections) as scope:
            given.scope, given.inputs = scope, tf.convert_to_tensor(given.inputs)
            outputs = build(given.inputs, given)
            if given.normalizer_fn is not None:
                outputs = given.normalizer_fn(outputs, **(given.normalizer_params or {}))
            return finish(scope.name, outputs, given.activation_fn, given.outputs_collections)

    layer.__name__ = layer.__qualname__ = name
    layer.__doc__ = doc
    layer.__signature__ = signature  # type: ignore[attr-defined]
    return arg_scopes.add_arg_scope(layer)


def finish(
    alias: str, outputs: tf.Tensor, activation_fn: Callable[..., Any] | None, outputs_collections: Any
) -> tf.Tensor:
    """Applies the activation, and collects the outputs by their alias."""
    if activation_fn is not None:
        outputs = activation_fn(outputs)
    return utils.collect_named_outputs(outputs_collections, alias, outputs)


def arguments_of(given: SimpleNamespace, kernels: tuple[str, ...] = ("kernel",)) -> dict[str, Any]:
    """Returns what the arguments of a layer are called in `tf.layers`."""
    arguments: dict[str, Any] = {
        "use_bias": given.normalizer_fn is None and given.biases_initializer is not None,
        "bias_initializer": given.biases_initializer,
        "bias_regularizer": given.biases_regularizer,
        "trainable": given.trainable,
        "name": given.scope.name,
        "dtype": given.inputs.dtype.base_dtype,
        "_scope": given.scope,
        "_reuse": given.reuse,
    }
    for kernel in kernels:
        arguments[f"{kernel}_initializer"] = given.weights_initializer
        arguments[f"{kernel}_regularizer"] = given.weights_regularizer
    return arguments


def model_variable(given: SimpleNamespace, name: str, shape: Any, dtype: Any) -> Any:
    """Makes the "weights", the "biases" or such of a layer."""
    kind = "biases" if name == "biases" else "weights"
    return variables.model_variable(
        name,
        shape,
        dtype,
        getattr(given, f"{kind}_initializer"),
        getattr(given, f"{kind}_regularizer"),
        given.trainable,
        utils.get_variable_collections(given.variables_collections, kind),
    )


def add_biases(given: SimpleNamespace, outputs: tf.Tensor, data_format: str = "NHWC") -> tf.Tensor:
    """Adds biases where nothing normalizes the outputs."""
    if given.normalizer_fn is not None or given.biases_initializer is None:
        return outputs
    channels = outputs.shape.as_list()[1 if data_format.startswith("NC") else -1]
    biases = model_variable(given, "biases", [channels], outputs.dtype.base_dtype)
    return tf.nn.bias_add(outputs, biases, data_format=data_format)


def format_of(data_format: str | None, allowed: str = "NHWC NCHW") -> str:
    """Returns the name that `tf.layers` has for a data format."""
    if data_format not in allowed.split():
        raise ValueError(f"data_format has to be either {' or '.join(reversed(allowed.split()))}.")
    return "channels_first" if data_format.startswith("NC") else "channels_last"


def without_dimensions(value: Any) -> Any:
    """Returns sizes that may be Dimensions, since programs take them from shapes, as integers."""
    if isinstance(value, (list, tuple)):
        return [getattr(one, "value", one) for one in value]
    return getattr(value, "value", value)
