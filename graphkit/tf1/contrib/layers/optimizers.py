"""A training op in one call."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from graphkit.tf1 import train

v1 = tf.compat.v1
Pairs = list[tuple[Any, Any]]  # of gradients and variables

__all__ = ["OPTIMIZER_CLS_NAMES", "OPTIMIZER_SUMMARIES", "optimize_loss"]

OPTIMIZER_CLS_NAMES = {
    "Adagrad": v1.train.AdagradOptimizer,
    "Adam": v1.train.AdamOptimizer,
    "Ftrl": v1.train.FtrlOptimizer,
    "Momentum": lambda learning_rate: v1.train.MomentumOptimizer(learning_rate, momentum=0.9),
    "RMSProp": v1.train.RMSPropOptimizer,
    "SGD": v1.train.GradientDescentOptimizer,
}
OPTIMIZER_SUMMARIES = ["learning_rate", "loss", "gradients", "gradient_norm", "global_gradient_norm"]


def optimize_loss(
    loss: Any,
    global_step: Any,
    learning_rate: Any,
    optimizer: Any,
    gradient_noise_scale: float | None = None,
    gradient_multipliers: dict[Any, Any] | None = None,
    clip_gradients: Any = None,
    learning_rate_decay_fn: Callable[[Any, Any], Any] | None = None,
    update_ops: Any = None,
    variables: Sequence[Any] | None = None,
    name: str | None = None,
    summaries: Sequence[str] | None = None,
    colocate_gradients_with_ops: bool = False,
    increment_global_step: bool = True,
) -> tf.Tensor:
    """Returns the loss as a tensor that also runs UPDATE_OPS, then the optimizer."""
    loss = v1.assert_scalar(tf.convert_to_tensor(loss))
    if global_step is None:
        global_step = train.get_global_step()
    else:
        v1.train.assert_global_step(global_step)
    with v1.variable_scope(name, "OptimizeLoss"):
        updates = v1.get_collection(v1.GraphKeys.UPDATE_OPS) if update_ops is None else list(update_ops)
        loss = after(updates, loss)
        wanted = check_summaries(summaries)
        rate = learning_rate_of(learning_rate)
        if rate is not None and learning_rate_decay_fn is not None:
            if global_step is None:
                raise ValueError("global_step is required for learning_rate_decay_fn.")
            rate = learning_rate_decay_fn(rate, global_step)
            if "learning_rate" in wanted:
                v1.summary.scalar("learning_rate", rate)
        own = optimizer_of(optimizer, rate)
        pairs = own.compute_gradients(
            loss,
            v1.trainable_variables() if variables is None else variables,
            colocate_gradients_with_ops=colocate_gradients_with_ops,
        )
        if gradient_noise_scale is not None:
            pairs = [(with_noise(gradient, gradient_noise_scale), variable) for gradient, variable in pairs]
        if gradient_multipliers is not None:
            pairs = [
                (times(g, multiplier_of(variable, gradient_multipliers)), variable) for g, variable in pairs
            ]
        norms = not {"global_gradient_norm", "gradient_norm"}.isdisjoint(wanted)
        if norms:
            v1.summary.scalar("global_norm/gradient_norm", tf.linalg.global_norm([g for g, _ in pairs]))
        pairs = clipped(pairs, clip_gradients)
        summarize(wanted, loss, pairs)
        if norms and clip_gradients is not None:
            v1.summary.scalar(
                "global_norm/clipped_gradient_norm", tf.linalg.global_norm([g for g, _ in pairs])
            )
        update = own.apply_gradients(pairs, global_step if increment_global_step else None, name="train")
        return after([update], loss)


def after(ops: Sequence[Any], tensor: tf.Tensor) -> tf.Tensor:
    """Returns the tensor, which waits for the ops."""
    if not ops:
        return tensor
    with tf.control_dependencies(ops):
        return tf.identity(tensor, name="control_dependency")


def check_summaries(summaries: Sequence[str] | None) -> Sequence[str]:
    for one in summaries or ():
        if one not in OPTIMIZER_SUMMARIES:
            raise ValueError(f"Summaries should be one of {OPTIMIZER_SUMMARIES}, you provided {one}.")
    return ["loss", "learning_rate", "global_gradient_norm"] if summaries is None else summaries


def learning_rate_of(learning_rate: Any) -> Any:
    """Returns the rate as a tensor, or as the variable "learning_rate"; None where there is none."""
    if learning_rate is None or (tf.is_tensor(learning_rate) and learning_rate.shape.rank == 0):
        return learning_rate
    if not isinstance(learning_rate, float):
        kind = type(learning_rate)
        raise ValueError(f"Learning rate should be 0d Tensor or float. Got {learning_rate} of type {kind}")
    if learning_rate < 0:
        raise ValueError(f"Invalid learning_rate {learning_rate}.")
    first = v1.constant_initializer(learning_rate)
    return v1.get_variable("learning_rate", [], initializer=first, trainable=False, use_resource=True)


def optimizer_of(optimizer: Any, rate: Any) -> Any:
    """Returns the optimizer of a name, a class, a function of the rate, or the given one."""
    if isinstance(optimizer, v1.train.Optimizer):
        return optimizer
    is_class = isinstance(optimizer, type) and issubclass(optimizer, v1.train.Optimizer)
    if isinstance(optimizer, str) or is_class:
        if rate is None:
            raise ValueError(f"Learning rate is None, but should be specified for the optimizer {optimizer}.")
        if isinstance(optimizer, str) and optimizer not in OPTIMIZER_CLS_NAMES:
            names = ", ".join(OPTIMIZER_CLS_NAMES)
            raise ValueError(f"Optimizer name should be one of [{names}], you provided {optimizer}.")
        return (optimizer if is_class else OPTIMIZER_CLS_NAMES[optimizer])(learning_rate=rate)
    if not callable(optimizer):
        raise ValueError(
            "Unrecognized optimizer: should be string, subclass of Optimizer, instance of subclass of "
            f"Optimizer or function with one argument. Got {optimizer}."
        )
    made = optimizer() if rate is None else optimizer(rate)
    if not isinstance(made, v1.train.Optimizer):
        raise ValueError(f"Unrecognized optimizer: function should return subclass of Optimizer. Got {made}.")
    return made


def of_values(function: Callable[[tf.Tensor], tf.Tensor], gradient: Any) -> Any:
    """Applies a function to a gradient, or to the rows of a sparse one; None stays None."""
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(function(gradient.values), gradient.indices, gradient.dense_shape)
    return None if gradient is None else function(gradient)


def times(gradient: Any, factor: Any) -> Any:
    if factor is None:
        return gradient
    return of_values(lambda values: values * tf.cast(factor, values.dtype), gradient)


def multiplier_of(variable: Any, multipliers: dict[Any, Any]) -> Any:
    """Returns what a variable, or its name, stands for; None if it is not among the keys."""
    for key, factor in multipliers.items():
        if key is variable or (isinstance(key, str) and key == variable.name):
            return factor
    return None


def with_noise(gradient: Any, scale: float) -> Any:
    if gradient is None:
        return None
    dense = tf.convert_to_tensor(gradient)
    return dense + scale * v1.truncated_normal(tf.shape(dense), dtype=dense.dtype)


def clipped(pairs: Pairs, clip_gradients: Any) -> Pairs:
    if clip_gradients is None:
        return pairs
    if isinstance(clip_gradients, float):
        gradients, _ = tf.clip_by_global_norm([gradient for gradient, _ in pairs], clip_gradients)
        return [(gradient, variable) for gradient, (_, variable) in zip(gradients, pairs, strict=True)]
    if callable(clip_gradients):
        return clip_gradients(pairs)
    raise ValueError(f"Unknown type {type(clip_gradients)} for clip_gradients")


def summarize(wanted: Sequence[str], loss: tf.Tensor, pairs: Pairs) -> None:
    if "loss" in wanted:
        v1.summary.scalar("loss", loss)
    for gradient, variable in pairs:
        if gradient is None:
            continue
        values = gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient
        name = variable.name.replace(":", "_")
        if "gradients" in wanted:
            v1.summary.histogram(f"gradients/{name}", values)
        if "gradient_norm" in wanted:
            v1.summary.scalar(f"gradient_norm/{name}", tf.linalg.global_norm([values]))
