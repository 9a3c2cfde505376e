"""Batch normalization with all that TensorFlow 1.15 had of it."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.nn.batch_renormalization import Adjustment, Averages, Renorm, normalize_general
from graphkit.nn.normalization import Training, fused_kernel, moving_updates, unpartitioned
from graphkit.nn.variables import Constraint, Initializer, Regularizer, usable_initializer
from graphkit.tf1.layers.base import Layer
from graphkit.tf1.layers.core import ZEROS, known_flag
from graphkit.tf1.layers.input_spec import InputSpec

ONES = tf.compat.v1.ones_initializer()


class BatchNormalization(Layer):
    """Normalizes over the batch; the updates of its averages are in UPDATE_OPS.

    They move the averages in an order that is fixed where a layer is used again. In float64, TensorFlow's
    fused kernel is not used.
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        momentum: Any = 0.99,
        epsilon: Any = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Initializer | None = ZEROS,
        gamma_initializer: Initializer | None = ONES,
        moving_mean_initializer: Initializer | None = ZEROS,
        moving_variance_initializer: Initializer | None = ONES,
        beta_regularizer: Regularizer | None = None,
        gamma_regularizer: Regularizer | None = None,
        beta_constraint: Constraint | None = None,
        gamma_constraint: Constraint | None = None,
        renorm: bool = False,
        renorm_clipping: Mapping[str, Any] | None = None,
        renorm_momentum: Any = 0.99,
        fused: bool | None = None,
        trainable: bool = True,
        virtual_batch_size: int | None = None,
        adjustment: Adjustment | None = None,
        name: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable, name, **kwargs)
        self._check = check = checks.Checker("BatchNormalization")
        check.require_type(isinstance(axis, int | list | tuple), "axis must be an int or a list", axis=axis)
        self.axis = [axis] if isinstance(axis, int) else list(axis)
        self.momentum, self.epsilon, self.center, self.scale = momentum, epsilon, center, scale
        self.beta_initializer, self.gamma_initializer = beta_initializer, gamma_initializer
        self.moving_mean_initializer = moving_mean_initializer
        self.moving_variance_initializer = moving_variance_initializer
        self.beta_regularizer, self.gamma_regularizer = beta_regularizer, gamma_regularizer
        self.beta_constraint, self.gamma_constraint = beta_constraint, gamma_constraint
        self.fused, self.virtual_batch_size, self.adjustment = fused, virtual_batch_size, adjustment
        self.renorm, self.renorm_clipping, self.renorm_momentum = renorm, renorm_clipping, renorm_momentum
        rule = "the keys of renorm_clipping must be 'rmax', 'rmin' and 'dmax'"
        unknown = set(renorm_clipping or ()) - {"rmax", "rmin", "dmax"}
        check.require(not renorm or not unknown, rule, renorm_clipping=renorm_clipping)

    def build(self, input_shape: Any) -> None:
        shape = tf.TensorShape(input_shape)
        self._check.require(shape.rank, "inputs must have axes, and a known number of them", shape=shape)
        sizes = self._check_axes(shape.as_list())
        one_axis = len(self.axis) == 1
        special = self.renorm or self.adjustment is not None or self.virtual_batch_size is not None
        at_channels = shape.rank == 4 and self.axis in ([1], [3]) and self.dtype != "float64"
        self.fused = self.fused is not False and at_channels and not special
        self.input_spec = InputSpec(ndim=shape.rank, axes=sizes)
        weight_shape = [sizes.get(axis, 1) for axis in range(shape.rank)]
        if self.virtual_batch_size is not None:  # an axis for the virtual batches is second
            weight_shape.insert(1, 1)
            self.axis = [axis + 1 for axis in self.axis]
        elif one_axis:
            weight_shape = list(sizes.values())
        self.gamma = self._make("gamma", weight_shape) if self.scale else None
        self.beta = self._make("beta", weight_shape) if self.center else None
        self._set_scope()
        with unpartitioned(self._scope):
            self._averages = Averages(*self._make_averages(weight_shape))
        self.moving_mean, self.moving_variance = self._averages[:2]
        self.built = True

    def _check_axes(self, shape: list[int | None]) -> dict[int, int]:
        """Returns {axis: its size}, and counts the axes from the front."""
        axes = [axis + len(shape) if axis < 0 else axis for axis in self.axis]
        valid = all(0 <= axis < len(shape) for axis in axes) and len(set(axes)) == len(axes)
        self._check.require(valid, f"axis must be different axes of {len(shape)}", axis=self.axis)
        known = None not in [shape[axis] for axis in axes]
        self._check.require(known, "the axes must have known sizes", axis=self.axis, shape=shape)
        self.axis, virtual = axes, self.virtual_batch_size
        if virtual is not None:
            rule = "virtual_batch_size must be positive, and go with neither axis 0 nor adjustment"
            fits = virtual > 0 and 0 not in axes and self.adjustment is None
            self._check.require(fits, rule, virtual_batch_size=virtual, axis=axes, adjustment=self.adjustment)
        return {axis: size for axis in axes if (size := shape[axis]) is not None}

    @property
    def _weight_dtype(self) -> tf.DType:
        # Averages of float16 would stop moving: their steps of 1 - momentum are below its precision.
        dtype = tf.as_dtype(self.dtype or tf.float32)
        return tf.float32 if dtype.size < 4 else dtype

    def _make(self, name: str, shape: Sequence[int]) -> tf.Variable:
        """Makes gamma or beta."""
        initializer, regularizer, constraint = (
            getattr(self, f"{name}_{argument}") for argument in ("initializer", "regularizer", "constraint")
        )
        return self.add_weight(name, shape, self._weight_dtype, initializer, regularizer, True, constraint)

    def _make_averages(self, shape: Sequence[int]) -> list[tf.Variable]:
        def of_variance(*args: Any, **kwargs: Any) -> tf.Tensor:
            given = usable_initializer(self._check, "moving_variance", self.moving_variance_initializer)
            return tf.sqrt(given(*args, **kwargs))

        mean = self.moving_mean_initializer
        first = {"moving_mean": mean, "moving_variance": self.moving_variance_initializer}
        if self.renorm:
            first |= {"moving_stddev": of_variance, "renorm_mean": mean, "renorm_stddev": of_variance}
        return [
            self.add_weight(name, shape, self._weight_dtype, initializer, trainable=False)
            for name, initializer in first.items()
        ]

    def call(self, inputs: Any, training: Training = False) -> tf.Tensor:
        inputs, flag = tf.convert_to_tensor(inputs), known_flag(self._check, training)
        weights = (self.gamma, self.beta)
        if self.fused:
            moving = (self.moving_mean, self.moving_variance)
            outputs, *moments = fused_kernel(inputs, self.axis[0], *weights, moving, self.epsilon, flag)
            outputs.set_shape(inputs.shape)
            updates = moving_updates(moving, moments, self.momentum, flag)
        else:
            outputs, updates = normalize_general(
                inputs,
                self.axis,
                *weights,
                self._averages,
                self.epsilon,
                self.momentum,
                flag,
                renorm=Renorm(self.renorm_clipping or {}, self.renorm_momentum) if self.renorm else None,
                virtual_batch_size=self.virtual_batch_size,
                adjustment=self.adjustment,
            )
        self.add_update(updates)
        return outputs

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        return tf.TensorShape(input_shape)


# The order of the function's arguments, which is not that of the class.
ORDER = (
    "axis momentum epsilon center scale beta_initializer gamma_initializer moving_mean_initializer "
    "moving_variance_initializer beta_regularizer gamma_regularizer beta_constraint gamma_constraint "
    "training trainable name reuse renorm renorm_clipping renorm_momentum fused virtual_batch_size adjustment"
).split()

KIND = inspect.Parameter.POSITIONAL_OR_KEYWORD
DEFAULTS = {p.name: p.default for p in inspect.signature(BatchNormalization).parameters.values()}
DEFAULTS["training"] = False


def batch_normalization(inputs: Any, *args: Any, **kwargs: Any) -> tf.Tensor:
    """Applies a new `tf.layers.BatchNormalization` to the inputs; the arguments are in TF 1.15's order."""
    check, given = checks.Checker("batch_normalization"), dict(zip(ORDER, args, strict=False))
    fits = len(args) <= len(ORDER) and not set(given) & set(kwargs)
    check.require_type(fits, "an argument is given twice, or there are too many", arguments=list(kwargs))
    arguments = {"name": None, **given, **kwargs}
    training, reuse = arguments.pop("training", False), arguments.pop("reuse", None)
    return BatchNormalization(**arguments, _reuse=reuse, _scope=True)(inputs, training=training)


batch_normalization.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [inspect.Parameter("inputs", KIND)]
    + [inspect.Parameter(name, KIND, default=DEFAULTS.get(name)) for name in ORDER]
)
BatchNorm = BatchNormalization
