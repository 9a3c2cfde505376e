"""Normalization over the batch or over the features of each example."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.graph import control_flow, walk
from graphkit.nn import initializers, scopes, tensors
from graphkit.nn import inputs as graph_inputs
from graphkit.nn.variables import Constraint, Initializer, Regularizer, VariableSpec, get_variable

__all__ = ["batch_norm", "layer_norm"]

Training: TypeAlias = bool | tf.Tensor | tf.Variable | None
Moments: TypeAlias = tuple[tf.Tensor, tf.Tensor]  # (mean, variance), a number for each channel


def batch_norm(
    inputs: tensors.TensorLike,
    axis: int | Sequence[int] = -1,
    momentum: float = 0.99,
    epsilon: float = 1e-3,
    center: bool = True,
    scale: bool = True,
    beta_initializer: Initializer | None = initializers.zeros(),  # noqa: B008
    gamma_initializer: Initializer | None = tf.compat.v1.ones_initializer(),  # noqa: B008
    moving_mean_initializer: Initializer | None = initializers.zeros(),  # noqa: B008
    moving_variance_initializer: Initializer | None = tf.compat.v1.ones_initializer(),  # noqa: B008
    beta_regularizer: Regularizer | None = None,
    gamma_regularizer: Regularizer | None = None,
    beta_constraint: Constraint | None = None,
    gamma_constraint: Constraint | None = None,
    training: Training = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: scopes.Reuse = None,
    renorm: bool = False,
    renorm_clipping: None = None,
    renorm_momentum: float = 0.99,
    fused: bool | None = None,
    virtual_batch_size: None = None,
    adjustment: None = None,
) -> tf.Tensor:
    """Normalizes each channel over the batch, as `tf.layers.batch_normalization` did.

    In training it uses the batch's mean and variance and moves the moving averages towards them (by
    ops in UPDATE_OPS, which a trainer runs in each step); elsewhere it uses the moving averages. Where two
    layers share their variables, the second moves the averages when the first has moved them.

    Args:
      inputs: floating-point (batch, ..., channels).
      axis: the axis of the channels, or a list of this one axis.
      momentum: fraction of the moving averages that a step keeps, in [0, 1].
      epsilon: added to the variance; not negative.
      center: whether a trained beta is added.
      scale: whether a trained gamma multiplies.
      beta_initializer: of beta.
      gamma_initializer: of gamma.
      moving_mean_initializer: of the moving mean.
      moving_variance_initializer: of the moving variance.
      beta_regularizer: a function beta -> scalar loss, added to REGULARIZATION_LOSSES.
      gamma_regularizer: likewise for gamma.
      beta_constraint: a function that the optimizer applies to beta after each update.
      gamma_constraint: likewise for gamma.
      training: a boolean or a boolean scalar tensor; None is True in a trainer's training steps and
        False elsewhere.
      trainable: whether beta and gamma are added to TRAINABLE_VARIABLES; with False the moving averages
        stay as they are, too.
      name: variable scope of the layer; unnamed ones are numbered batch_normalization, …_1, …
      reuse: whether to reuse the variables of an earlier layer of that name.
      renorm: must be False; batch renormalization is not offered.
      renorm_clipping: must be None.
      renorm_momentum: has no effect without renorm.
      fused: whether to use TensorFlow's fused kernel; None uses it where it can.
      virtual_batch_size: must be None.
      adjustment: must be None.

    Returns:
      A tensor of the shape of `inputs`.

    Variables:
      `<name>/gamma`, `<name>/beta`, `<name>/moving_mean`, `<name>/moving_variance`, each (channels,);
      the moving ones are not trained.

    Raises:
      TypeError: `inputs` is not a floating-point tensor.
      ValueError: an argument is out of its range, or the variables exist and reuse is not set.

    Formula: gamma * (inputs - mean) / sqrt(variance + epsilon) + beta. Where TensorFlow's fused
    kernel is used (four axes, channels first or last, not float64), the moving variance follows the
    unbiased variance (times N / (N - 1)), as in TensorFlow 1.15.

    Source: S. Ioffe, C. Szegedy, "Batch normalization", ICML 2015, algorithm 1.

    Example:
      >>> net = gk.batch_norm(gk.conv2d(gk.image_input(28, 28, 1), 8, 3, use_bias=False))
      >>> len(tf.compat.v1.get_collection(tf.compat.v1.GraphKeys.UPDATE_OPS))
      2
    """
    check = checks.Checker("batch_norm")
    inputs = tensors.float_tensor(check, "inputs", inputs, minimum_rank=2)
    rank = inputs.shape.rank
    if isinstance(axis, (tuple, list)):
        check.require(len(axis) == 1, "axis must be one axis, or a list of one", axis=axis)
    only: Any = axis[0] if isinstance(axis, (tuple, list)) else axis
    axis = tensors.check_axis(check, "axis", only, "inputs", rank)
    for option, value in {
        "renorm": renorm or None,
        "renorm_clipping": renorm_clipping,
        "virtual_batch_size": virtual_batch_size,
        "adjustment": adjustment,
    }.items():
        rule = f"{option} is not offered; leave it out, or use TensorFlow's own ops for it"
        check.require(value is None, rule, **{option: value})
    momentum = check.number("momentum", momentum, at_least=0, at_most=1)
    epsilon = check.number("epsilon", epsilon, at_least=0)
    channels = tensors.static_size(check, "inputs", inputs, axis)
    training = check_training(check, training)
    fused = check_fused(check, fused, inputs, axis)
    with scopes.layer_scope(check, name, "batch_normalization", reuse):
        # Averages of float16 would stop moving: their steps of 1 - momentum are below its precision.
        dtype = tf.float32 if inputs.dtype.size < 4 else inputs.dtype.base_dtype

        def variable(spec: VariableSpec, trainable: bool) -> tf.Variable:
            return get_variable(check, spec, (channels,), dtype, trainable)

        gamma_spec = VariableSpec("gamma", gamma_initializer, gamma_regularizer, gamma_constraint)
        beta_spec = VariableSpec("beta", beta_initializer, beta_regularizer, beta_constraint)
        gamma = variable(gamma_spec, trainable) if scale else None
        beta = variable(beta_spec, trainable) if center else None
        with unpartitioned():
            moving = (
                variable(VariableSpec("moving_mean", moving_mean_initializer), trainable=False),
                variable(VariableSpec("moving_variance", moving_variance_initializer), trainable=False),
            )
        normalize = normalize_fused if fused else normalize_plain
        outputs, batch_moments = normalize(inputs, axis, gamma, beta, moving, epsilon, training)
        if trainable:
            add_moving_updates(check, moving, batch_moments, momentum, training)
        return outputs


def check_fused(check: checks.Checker, fused: bool | None, inputs: tf.Tensor, axis: int) -> bool:
    """Returns whether the fused kernel is used, which is faster than the ops of the definition."""
    rule = "fused must be True, False or None"
    check.require_type(fused is None or isinstance(fused, (bool, np.bool_)), rule, fused=fused)
    possible = inputs.shape.rank == 4 and axis in (1, 3) and inputs.dtype != tf.float64
    rule = "the fused kernel takes four axes with the channels first or last, and not float64"
    received = {"shape": tensors.shape_text(inputs), "dtype": inputs.dtype.name}
    check.require(possible or not fused, rule, axis=axis, **received)
    return possible if fused is None else bool(fused)


@contextlib.contextmanager
def unpartitioned(scope: tf.compat.v1.VariableScope | None = None) -> Iterator[None]:
    """Makes variables whole, also in a scope with a partitioner, as tf.layers made moving averages."""
    scope = scope or tf.compat.v1.get_variable_scope()
    partitioner = scope.partitioner
    scope.set_partitioner(None)
    try:
        yield
    finally:
        scope.set_partitioner(partitioner)


def check_training(check: checks.Checker, training: Training) -> bool | tf.Tensor:
    """Returns a Python boolean, or a boolean scalar tensor; None is the graph's own flag."""
    if training is None:
        scopes.check_growing(check)
        return graph_inputs.training_input()
    rule = "training must be None, a boolean, or a boolean scalar tensor"
    if tf.is_tensor(training):
        flag = tensors.to_tensor(check, "training", training)
        valid = flag.dtype == tf.bool and flag.shape.rank in (0, None)
        check.require(valid, rule, training=flag)
        return flag
    is_flag = isinstance(training, (bool, np.bool_)) or (type(training) is int and training in (0, 1))
    check.require_type(is_flag, rule, training=training)
    return bool(training)


def normalize_fused(
    inputs: tf.Tensor,
    axis: int,
    gamma: tf.Variable | None,
    beta: tf.Variable | None,
    moving: tuple[tf.Variable, tf.Variable],
    epsilon: float,
    training: bool | tf.Tensor,
) -> tuple[tf.Tensor, Moments]:
    """Returns (outputs, (mean, variance) of the batch) by TensorFlow's fused kernel."""
    outputs, mean, variance = fused_kernel(inputs, axis, gamma, beta, moving, epsilon, training)
    return tf.ensure_shape(outputs, inputs.shape), (mean, variance)


def fused_kernel(
    inputs: tf.Tensor,
    axis: int,
    gamma: tf.Variable | None,
    beta: tf.Variable | None,
    moving: tuple[tf.Variable, tf.Variable],
    epsilon: float,
    training: bool | tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns (outputs, mean, variance)."""
    gamma = tf.ones_like(moving[0]) if gamma is None else gamma
    beta = tf.zeros_like(moving[0]) if beta is None else beta

    def fused(is_training: bool) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        averages = {} if is_training else {"mean": moving[0], "variance": moving[1]}
        return tf.compat.v1.nn.fused_batch_norm(
            inputs,
            gamma,
            beta,
            epsilon=epsilon,
            data_format="NHWC" if axis == 3 else "NCHW",
            is_training=is_training,
            **averages,
        )

    return choose(training, lambda: fused(True), lambda: fused(False))


def normalize_plain(
    inputs: tf.Tensor,
    axis: int,
    gamma: tf.Variable | None,
    beta: tf.Variable | None,
    moving: tuple[tf.Variable, tf.Variable],
    epsilon: float,
    training: bool | tf.Tensor,
) -> tuple[tf.Tensor, Moments]:
    """Returns (outputs, (mean, variance) of the batch) for any rank, from the definition."""
    others = [other for other in range(inputs.shape.rank) if other != axis]
    shape = [1] * inputs.shape.rank
    shape[axis] = inputs.shape.as_list()[axis]
    values = tf.cast(inputs, moving[0].dtype)
    moments = (tf.convert_to_tensor(moving[0]), tf.convert_to_tensor(moving[1]))
    if training is not False:
        pairs = zip(tf.nn.moments(values, others), moments, strict=True)
        moments = tuple(choose_value(training, of_batch, average) for of_batch, average in pairs)

    def aligned(vector: tf.Tensor | None) -> tf.Tensor | None:
        return None if vector is None else tf.reshape(vector, shape)

    outputs = tf.nn.batch_normalization(
        values, aligned(moments[0]), aligned(moments[1]), aligned(beta), aligned(gamma), epsilon
    )
    return tf.cast(outputs, inputs.dtype), moments


def add_moving_updates(
    check: checks.Checker,
    moving: tuple[tf.Variable, tf.Variable],
    batch_moments: Moments,
    momentum: float,
    training: bool | tf.Tensor,
) -> None:
    """Adds to UPDATE_OPS what moves the averages in training and leaves them alone elsewhere."""
    rule = (
        "the layer must stand outside tf.cond, loops and functions unless training is False, since no "
        "training step can run the updates of its moving averages there"
    )
    for update in moving_updates(moving, batch_moments, momentum, training):
        scopes.check_outside_functions(check, update, rule)
        tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.UPDATE_OPS, update)


def moving_updates(
    averages: Sequence[tf.Variable],
    batch_moments: Sequence[tf.Tensor],
    momentum: float,
    training: bool | tf.Tensor,
) -> list[tf.Operation]:
    """Returns the ops that move averages in training, after those of UPDATE_OPS that move the same ones."""
    if training is False:
        return []
    decay = choose(training, lambda: tf.convert_to_tensor(1 - momentum), lambda: tf.constant(0.0))
    collected = tf.compat.v1.get_collection(tf.compat.v1.GraphKeys.UPDATE_OPS)
    updates = []
    for average, batch_value in zip(averages, batch_moments, strict=True):
        # A layer that is used again moves its averages again: one use after the other, also where no trainer
        # orders the updates. Two that ran at once gave six results in eight runs of one seed.
        earlier = [op for op in collected if is_update(op, average)]
        with tf.control_dependencies(earlier):
            before = average.read_value() if earlier else average
            change = (before - batch_value) * tf.cast(decay, average.dtype)
            updates.append(average.assign_sub(change, read_value=False))
    return updates


def is_update(op: tf.Operation | tf.Tensor, average: tf.Variable) -> bool:
    """Whether one of UPDATE_OPS writes a moving average."""
    op = op if isinstance(op, tf.Operation) else op.op
    return len(op.inputs) > 0 and op.inputs[0].op is walk.handle_op(average)


def choose_value(condition: bool | tf.Tensor, if_true: tf.Tensor, if_false: tf.Tensor) -> tf.Tensor:
    """Returns one of two tensors; where the condition is a tensor, both are computed."""
    return tf.where(condition, if_true, if_false) if tf.is_tensor(condition) else if_true


def choose(condition: bool | tf.Tensor, if_true: Callable[[], Any], if_false: Callable[[], Any]) -> Any:
    """Calls one branch for a Python boolean, or emits both behind a boolean tensor."""
    if tf.is_tensor(condition):
        with control_flow.of_functions():  # XLA compiles no others
            return tf.cond(condition, if_true, if_false)
    return if_true() if condition else if_false()


def layer_norm(
    inputs: tensors.TensorLike,
    center: bool = True,
    scale: bool = True,
    *,
    begin_norm_axis: int = 1,
    begin_params_axis: int = -1,
    epsilon: float = 1e-12,
    trainable: bool = True,
    name: str | None = None,
    reuse: scopes.Reuse = None,
) -> tf.Tensor:
    """Normalizes each example over its own features, as `tf.contrib.layers.layer_norm` did.

    Args:
      inputs: floating-point (batch, ...).
      center: whether a trained beta is added.
      scale: whether a trained gamma multiplies.
      begin_norm_axis: mean and variance are taken over this axis and those after it.
      begin_params_axis: gamma and beta have the sizes of this axis and those after it.
      epsilon: added to the variance; positive.
      trainable: whether beta and gamma are added to TRAINABLE_VARIABLES.
      name: variable scope of the layer; unnamed ones are numbered LayerNorm, LayerNorm_1, …
      reuse: whether to reuse the variables of an earlier layer of that name.

    Returns:
      A tensor of the shape of `inputs`.

    Variables:
      `<name>/beta` and `<name>/gamma`, of the sizes of the axes from begin_params_axis on.

    Raises:
      TypeError: `inputs` is not a floating-point tensor.
      ValueError: an axis that `inputs` do not have, an axis of unknown size, or the variables exist and reuse
        is not set.

    Formula: gamma * (inputs - mean) / sqrt(variance + epsilon) + beta

    Source: J. L. Ba et al., "Layer normalization", 2016, equation 4.

    Example:
      >>> gk.layer_norm(gk.feature_input(16)).shape.as_list()
      [None, 16]
    """
    check = checks.Checker("layer_norm")
    inputs = tensors.float_tensor(check, "inputs", inputs, minimum_rank=2)
    rank = inputs.shape.rank
    first_norm = tensors.check_axis(check, "begin_norm_axis", begin_norm_axis, "inputs", rank)
    first_param = tensors.check_axis(check, "begin_params_axis", begin_params_axis, "inputs", rank)
    epsilon = check.number("epsilon", epsilon, above=0)
    shape = [tensors.static_size(check, "inputs", inputs, axis) for axis in range(first_param, rank)]
    with scopes.layer_scope(check, name, "LayerNorm", reuse):
        # Squares of float16 values above 255 would overflow.
        dtype = tf.float32 if inputs.dtype.size < 4 else inputs.dtype.base_dtype
        values = tf.cast(inputs, dtype)

        def variable(name: str, initializer: Initializer) -> tf.Variable:
            return get_variable(check, VariableSpec(name, initializer), shape, dtype, trainable)

        beta = variable("beta", tf.compat.v1.zeros_initializer()) if center else None
        gamma = variable("gamma", tf.compat.v1.ones_initializer()) if scale else None
        mean, variance = tf.nn.moments(values, list(range(first_norm, rank)), keepdims=True)
        outputs = tf.nn.batch_normalization(values, mean, variance, beta, gamma, epsilon)
        return tf.cast(outputs, inputs.dtype)
