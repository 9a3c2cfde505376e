"""Optimizers by name, and the training op that they emit."""

import logging
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.graph import walk
from graphkit.nn import losses
from graphkit.running import session as sessions

__all__ = ["AdamW"]

logger = logging.getLogger("graphkit")
V1 = tf.compat.v1.train
Keys = tf.compat.v1.GraphKeys
LossScaled = tf.compat.v1.mixed_precision.MixedPrecisionLossScaleOptimizer


class AdamW(V1.AdamOptimizer):
    """Adam with weight decay that is decoupled from the gradient.

    Each step first shrinks the kernels by the factor (1 - learning_rate * weight_decay), then makes
    Adam's update. Biases and the variables of normalizations do not decay (as in `l2_penalty`).

    Args:
      learning_rate: a number or scalar tensor.
      weight_decay: share of a kernel that a step of rate 1 would take away; at least 0.
      beta1: decay of the mean of the gradients.
      beta2: decay of the mean of their squares.
      epsilon: added to the root of the latter.

    Raises:
      TypeError: an argument of another kind.
      ValueError: a negative number, or a beta of 1 or above.

    Source: I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2.

    Example:
      >>> loss = gk.softmax_cross_entropy(gk.dense(gk.feature_input(4), 3), gk.label_input())
      >>> update = gk.AdamW(1e-3, weight_decay=0.05).minimize(loss)
    """

    def __init__(self, learning_rate=1e-3, weight_decay=0.01, beta1=0.9, beta2=0.999, epsilon=1e-8):
        function = "AdamW"
        if not tf.is_tensor(learning_rate):
            learning_rate = checks.number(function, "learning_rate", learning_rate, at_least=0)
        self.rate = learning_rate
        self.weight_decay = checks.number(function, "weight_decay", weight_decay, at_least=0)
        beta1 = checks.number(function, "beta1", beta1, at_least=0, below=1)
        beta2 = checks.number(function, "beta2", beta2, at_least=0, below=1)
        epsilon = checks.number(function, "epsilon", epsilon, at_least=0)
        super().__init__(learning_rate, beta1, beta2, epsilon, name=function)

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        """Emits the op of one step, see `tf.compat.v1.train.Optimizer.apply_gradients`."""
        pairs = list(grads_and_vars)
        gradients = [gradient for gradient, _ in pairs if gradient is not None]
        with tf.control_dependencies(gradients):
            decays = [
                variable.assign_sub(
                    tf.cast(self.rate * self.weight_decay, variable.dtype.base_dtype) * variable,
                    read_value=False,
                )
                for gradient, variable in pairs
                if gradient is not None and losses.is_kernel(variable)
            ]
        with tf.control_dependencies(decays):
            return super().apply_gradients(pairs, global_step, name)


# Each a function learning_rate -> optimizer; settings beside the rate are those of TensorFlow 1.15.
OPTIMIZERS = {
    "sgd": V1.GradientDescentOptimizer,
    "momentum": lambda rate: V1.MomentumOptimizer(rate, momentum=0.9),
    "nesterov": lambda rate: V1.MomentumOptimizer(rate, momentum=0.9, use_nesterov=True),
    "adagrad": V1.AdagradOptimizer,
    "adadelta": V1.AdadeltaOptimizer,
    "adam": V1.AdamOptimizer,
    "adamw": AdamW,
    "rmsprop": V1.RMSPropOptimizer,
}


def make_optimizer(optimizer, learning_rate):
    """Returns a TF1 optimizer from a name, an optimizer, or a function learning_rate -> optimizer."""
    if isinstance(optimizer, str):
        return OPTIMIZERS[checks.choice("Trainer", "optimizer", optimizer, OPTIMIZERS)](learning_rate)
    if isinstance(optimizer, V1.Optimizer):
        return optimizer
    made = optimizer(learning_rate) if callable(optimizer) else None
    if not isinstance(made, V1.Optimizer):
        names = ", ".join(OPTIMIZERS)
        rule = (
            f"optimizer must be a name ({names}), a tf.compat.v1.train.Optimizer, or a function "
            "learning_rate -> tf.compat.v1.train.Optimizer"
        )
        raise TypeError(checks.message("Trainer", rule, optimizer=optimizer))
    return made


def brings_rate(optimizer: Any) -> bool:
    """Whether an optimizer has a learning rate already, as an optimizer object has."""
    return isinstance(optimizer, V1.Optimizer)


def with_loss_scaling(optimizer):
    """Returns an optimizer that scales the loss, so that small gradients in float16 do not become zero.

    A step whose scaled gradients overflow moves nothing and halves the scale.
    """
    scale = tf.compat.v1.mixed_precision.DynamicLossScale()
    return LossScaled(optimizer, scale)


def check_variables(loss, variables):
    """Returns the variables to train: what was given, or all trainable ones of the graph."""
    if variables is None:
        trained = tf.compat.v1.trainable_variables()
        checks.require(trained, "Trainer", "the graph must hold a trainable variable", loss=loss.name)
        return trained
    rule = "variables must be a list of one or more variables of the loss's graph"
    sound = isinstance(variables, (list, tuple)) and all(isinstance(v, tf.Variable) for v in variables)
    if not sound:
        raise TypeError(checks.message("Trainer", rule, variables=variables))
    checks.require(
        variables and all(v.graph is loss.graph for v in variables), "Trainer", rule, variables=variables
    )
    return list(variables)


def add_regularization(loss, trained):
    """Returns the loss plus those REGULARIZATION_LOSSES of the graph that it does not hold yet."""
    held = walk.ancestors([loss])
    handles = {walk.handle_op(variable) for variable in trained}
    added = []
    for term in map(tf.convert_to_tensor, loss.graph.get_collection(Keys.REGULARIZATION_LOSSES)):
        if any(walk.same_computation(term.op, op) for op in [*held, *(t.op for t in added)]):
            continue
        if walk.ancestors([term]) & handles:  # else `check_graph` has said that it is of no such variable
            added.append(term)
    if not added:
        return loss
    logger.info("%d regularization losses of the graph are added to the loss", len(added))
    return tf.add_n([loss, *(tf.cast(term, loss.dtype) for term in added)], name="regularized_loss")


def is_no_deprecation(record):
    """Tells whether a record is no warning of TensorFlow's of its own calls, which no caller can mend."""
    return "is deprecated" not in record.getMessage()


@sessions.tensorflow_logs(is_no_deprecation)
def minimize(optimizer, loss, variables, clip_norm, accumulate, global_step, before):
    """Returns the op that moves the variables by one step, after everything in `before` has run.

    With it comes the list of (gradient, variable), before they are clipped.
    """
    pairs = optimizer.compute_gradients(loss, variables)
    pairs = [(gradient, variable) for gradient, variable in pairs if gradient is not None]
    rule = "the loss must depend on a trainable variable"
    names = [variable.name for variable in variables]
    checks.require(pairs, "Trainer", rule, loss=loss.name, trainable_variables=names)
    if accumulate > 1:
        return apply_accumulated(optimizer, pairs, clip_norm, accumulate, global_step, before), pairs
    with tf.control_dependencies(before):
        if not isinstance(optimizer, LossScaled):
            return optimizer.apply_gradients(clip(pairs, clip_norm), global_step=global_step), pairs
        applied = optimizer.apply_gradients(clip(pairs, clip_norm))
    with tf.control_dependencies([applied]):  # a step that moves nothing is counted too
        return global_step.assign_add(1, read_value=False), pairs


def clip(pairs, clip_norm):
    """Scales all gradients together to a global norm of at most `clip_norm`."""
    if clip_norm is None:
        return pairs
    gradients, variables = zip(*pairs, strict=True)
    clipped, _ = tf.clip_by_global_norm(gradients, clip_norm)
    return list(zip(clipped, variables, strict=True))


def apply_accumulated(optimizer, pairs, clip_norm, accumulate, global_step, before):
    """Returns the op that sums gradients, and applies their mean in every `accumulate`-th step.

    The sums are variables `<variable>/accumulated_gradient`, so that a checkpoint between two updates
    holds them.
    """
    sums = []
    for _, variable in pairs:
        name = f"{variable.op.name}/accumulated_gradient"
        zeros = tf.zeros(variable.shape, variable.dtype.base_dtype)
        sums.append(tf.compat.v1.Variable(zeros, trainable=False, name=name, use_resource=True))
    with tf.control_dependencies(before):
        added = [
            total.assign_add(tf.convert_to_tensor(gradient), read_value=False)
            for total, (gradient, _) in zip(sums, pairs, strict=True)
        ]

    def update():
        means = [(total / accumulate, variable) for total, (_, variable) in zip(sums, pairs, strict=True)]
        applied = optimizer.apply_gradients(clip(means, clip_norm))
        with tf.control_dependencies([applied]):
            cleared = [total.assign(tf.zeros_like(total), read_value=False) for total in sums]
        with tf.control_dependencies(cleared):
            return tf.constant(True)

    with tf.control_dependencies(added):
        due = tf.equal((global_step + 1) % accumulate, 0)
        updated = tf.cond(due, update, lambda: tf.constant(False))
    with tf.control_dependencies([updated]):
        return global_step.assign_add(1, read_value=False)
