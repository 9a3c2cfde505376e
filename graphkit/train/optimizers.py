"""Optimizers by name, and the training op that they emit."""

import tensorflow as tf

from graphkit import checks

OPTIMIZERS = {
    "sgd": tf.compat.v1.train.GradientDescentOptimizer,
    "momentum": lambda rate: tf.compat.v1.train.MomentumOptimizer(rate, momentum=0.9),
    "adagrad": tf.compat.v1.train.AdagradOptimizer,
    "adam": tf.compat.v1.train.AdamOptimizer,
    "rmsprop": tf.compat.v1.train.RMSPropOptimizer,
}


def make_optimizer(optimizer, learning_rate):
    """Returns a TF1 optimizer from a name, an optimizer, or a function learning_rate -> optimizer."""
    if isinstance(optimizer, str):
        return OPTIMIZERS[checks.choice("Trainer", "optimizer", optimizer, OPTIMIZERS)](learning_rate)
    if isinstance(optimizer, tf.compat.v1.train.Optimizer):
        return optimizer
    made = optimizer(learning_rate) if callable(optimizer) else None
    if not isinstance(made, tf.compat.v1.train.Optimizer):
        names = ", ".join(OPTIMIZERS)
        rule = (
            f"optimizer must be a name ({names}), a tf.compat.v1.train.Optimizer, or a function "
            "learning_rate -> tf.compat.v1.train.Optimizer"
        )
        raise TypeError(checks.message("Trainer", rule, optimizer=optimizer))
    return made


def minimize(optimizer, loss, variables, clip_norm, global_step, before):
    """Returns the op that moves the variables by one step, after everything in `before` has run."""
    pairs = optimizer.compute_gradients(loss, variables)
    pairs = [(gradient, variable) for gradient, variable in pairs if gradient is not None]
    rule = "the loss must depend on a trainable variable"
    names = [variable.name for variable in variables]
    checks.require(pairs, "Trainer", rule, loss=loss.name, trainable_variables=names)
    if clip_norm is not None:
        gradients, chosen = zip(*pairs, strict=True)
        clipped, _ = tf.clip_by_global_norm(gradients, clip_norm)
        pairs = list(zip(clipped, chosen, strict=True))
    with tf.control_dependencies(before):
        return optimizer.apply_gradients(pairs, global_step=global_step)
