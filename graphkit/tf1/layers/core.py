"""Dense layers, dropout and flatten."""

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.nn import activations, bias, tensors
from graphkit.nn.dense import in_rows, product
from graphkit.nn.dropout import drop
from graphkit.nn.normalization import Training, check_training
from graphkit.nn.variables import Constraint, Initializer, Regularizer
from graphkit.tf1.layers.base import Layer
from graphkit.tf1.layers.functions import function_of, shows_arguments
from graphkit.tf1.layers.input_spec import InputSpec

ZEROS = tf.compat.v1.zeros_initializer()


class Weighted(Layer):
    """What layers with a kernel, a bias and an activation share."""

    bias: Any  # None without one

    def __init__(
        self,
        activation: activations.Activation | None = None,
        use_bias: bool = True,
        kernel_initializer: Initializer | None = None,
        bias_initializer: Initializer | None = ZEROS,
        kernel_regularizer: Regularizer | None = None,
        bias_regularizer: Regularizer | None = None,
        activity_regularizer: Regularizer | None = None,
        kernel_constraint: Constraint | None = None,
        bias_constraint: Constraint | None = None,
        trainable: bool = True,
        name: Any = None,
        _reuse: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable, name, activity_regularizer=activity_regularizer, _reuse=_reuse, **kwargs)
        self._check = checks.Checker(type(self).__name__)
        self.activation = activations.check_activation(self._check, activation)
        self.use_bias = use_bias
        self.kernel_initializer, self.bias_initializer = kernel_initializer, bias_initializer
        self.kernel_regularizer, self.bias_regularizer = kernel_regularizer, bias_regularizer
        self.kernel_constraint, self.bias_constraint = kernel_constraint, bias_constraint

    def _make(self, name: str, shape: Sequence[int]) -> tf.Variable:
        """Makes the variable of a name such as "depthwise_kernel" with the layer's arguments for it."""
        kind = name.removesuffix("_kernel")
        initializer, regularizer, constraint = (
            getattr(self, f"{kind}_{argument}") for argument in ("initializer", "regularizer", "constraint")
        )
        return self.add_weight(
            name, shape, initializer=initializer, regularizer=regularizer, constraint=constraint
        )

    def _finish(self, outputs: tf.Tensor, data_format: str = "channels_last") -> tf.Tensor:
        """Adds the bias and applies the activation."""
        if self.use_bias:
            outputs = bias.add_bias(outputs, self.bias, data_format)
        return outputs if self.activation is None else self.activation(outputs)


@shows_arguments()
class Dense(Weighted):
    """inputs @ kernel + bias; the arguments after `units` are those of TensorFlow 1.15, in its order."""

    def __init__(self, units: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.units = self._check.integer("units", units, whole_floats=True)
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: Any) -> None:
        shape, dtype = tf.TensorShape(input_shape), tf.as_dtype(self.dtype or tf.float32)
        rule = "a Dense layer must have a floating-point dtype"
        self._check.require_type(dtype.is_floating or dtype.is_complex, rule, dtype=dtype.name)
        features = self._features(shape)
        self.input_spec = InputSpec(min_ndim=2, axes={-1: features})
        self.kernel = self._make("kernel", (features, self.units))
        self.bias = self._make("bias", (self.units,)) if self.use_bias else None
        self.built = True

    def call(self, inputs: Any) -> tf.Tensor:
        inputs = inputs if isinstance(inputs, tf.SparseTensor) else tf.convert_to_tensor(inputs)
        if inputs.shape.rank == 2:
            inputs = tf.cast(inputs, self.dtype)
        return self._finish(product(inputs, self.kernel))

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        shape = tf.TensorShape(input_shape).with_rank_at_least(2)
        self._features(shape)
        return shape[:-1].concatenate(self.units)

    def _features(self, shape: tf.TensorShape) -> Any:
        features = shape.as_list()[-1] if shape.rank else None
        self._check.require(features is not None, "the last axis must have a known size", shape=shape)
        return features


class Dropout(Layer):
    """Sets a fraction `rate` of the units to 0 in training, and scales the others by 1 / (1 - rate).

    The masks are those of `gk.dropout`: a hash of (seed, op, step), with which a trainer resumes to the bit.
    """

    def __init__(
        self,
        rate: Any = 0.5,
        noise_shape: Any = None,
        seed: int | None = None,
        name: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.rate, self.noise_shape, self.seed = rate, noise_shape, seed

    def call(self, inputs: Any, training: Training = False) -> tf.Tensor:
        check = checks.Checker("Dropout")
        inputs, flag = tf.convert_to_tensor(inputs), known_flag(check, training)
        if flag is False:
            return tf.identity(inputs)
        inputs = tensors.float_tensor(check, "inputs", inputs)
        if tf.is_tensor(self.rate):
            keep_prob = 1 - tf.cast(self.rate, tf.float32)
        else:
            keep_prob = 1 - check.number("rate", self.rate, at_least=0, below=1)
        if flag is not True:
            keep_prob = tf.where(tf.reshape(flag, []), keep_prob, 1.0)
        sizes = tf.unstack(self.noise_shape) if tf.is_tensor(self.noise_shape) else self.noise_shape
        if sizes is not None:
            sizes = [getattr(size, "value", size) for size in sizes]  # of Dimensions
        with tf.compat.v1.name_scope("dropout") as scope:
            return drop(inputs, keep_prob, sizes, scope, self.seed)

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        return tf.TensorShape(input_shape)


class Flatten(Layer):
    """Lays the axes of each example out in a row."""

    def __init__(self, data_format: str | None = "channels_last", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check, formats = checks.Checker("Flatten"), ("channels_last", "channels_first")
        self.data_format = check.choice("data_format", data_format or "channels_last", formats)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Any) -> tf.Tensor:
        return in_rows(tf.convert_to_tensor(inputs), self.data_format)

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        batch, *sizes = tf.TensorShape(input_shape).as_list()
        return tf.TensorShape([batch, None if None in sizes else math.prod(sizes)])


def known_flag(check: checks.Checker, training: Training) -> bool | tf.Tensor:
    """Returns `training` as a Python boolean where it is known when the graph is built."""
    flag = check_training(check, training)
    known = tf.get_static_value(flag) if tf.is_tensor(flag) else flag
    return flag if known is None else bool(known)


dense = function_of("dense", Dense)


def dropout(
    inputs: Any,
    rate: Any = 0.5,
    noise_shape: Any = None,
    seed: int | None = None,
    training: Training = False,
    name: Any = None,
) -> tf.Tensor:
    """Applies a new `tf.layers.Dropout` to the inputs."""
    return Dropout(rate, noise_shape, seed, name)(inputs, training=training)


def flatten(inputs: Any, name: Any = None, data_format: str = "channels_last") -> tf.Tensor:
    """Applies a new `tf.layers.Flatten` to the inputs."""
    return Flatten(data_format, name=name)(inputs)
