"""Optimizers by name, and the training op that they emit."""

import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.graph import control_flow, walk
from graphkit.nn import losses
from graphkit.running import order, training_step
from graphkit.running import session as sessions
from graphkit.train import keras_objects

__all__ = ["AdamW"]

logger = logging.getLogger("graphkit")
V1 = tf.compat.v1.train
Keys = tf.compat.v1.GraphKeys
LossScaled = tf.compat.v1.mixed_precision.MixedPrecisionLossScaleOptimizer

Pairs = list[tuple[Any, tf.Variable]]  # (gradient, variable); the gradient of a gather is an IndexedSlices
Clip = Callable[[Pairs], Pairs]  # clips gradients


class AdamW(tf.compat.v1.train.AdamOptimizer):
    """Adam with weight decay that is decoupled from the gradient.

    Each step first shrinks the kernels, then makes Adam's update from the gradients at the weights before.
    Biases and the variables of normalizations do not decay (as in `l2_penalty`). Each variable has the slots
    `<variable>/AdamW` (m) and `<variable>/AdamW_1` (v); `beta1_power` and `beta2_power` are scalars.

    Args:
      learning_rate: a number of at least 0, or a floating-point scalar tensor.
      weight_decay: fraction of a kernel that a step with learning_rate 1 removes; at least 0.
      beta1: decay of m, the moving mean of the gradients; in [0, 1).
      beta2: decay of v, the moving mean of their squares; in [0, 1).
      epsilon: added to the square root of v; at least 0.

    Raises:
      TypeError: an argument is not a number.
      ValueError: a number is out of its range.

    Formula, for step t = 1, 2, … with gradient g:
      kernel = kernel * (1 - learning_rate * weight_decay)
      m = beta1 * m + (1 - beta1) * g
      v = beta2 * v + (1 - beta2) * g**2
      variable = variable - learning_rate * sqrt(1 - beta2**t) / (1 - beta1**t) * m / (sqrt(v) + epsilon)

    Source: I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2.

    Example:
      >>> loss = gk.softmax_cross_entropy(gk.dense(gk.feature_input(4), 3), gk.label_input())
      >>> update = gk.AdamW(1e-3, weight_decay=0.05).minimize(loss)
    """

    def __init__(
        self,
        learning_rate: float | tf.Tensor = 1e-3,
        weight_decay: float = 0.01,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        check = checks.Checker("AdamW")
        if not tf.is_tensor(learning_rate):
            learning_rate = check.number("learning_rate", learning_rate, at_least=0)
        self.rate = learning_rate
        self.weight_decay = check.number("weight_decay", weight_decay, at_least=0)
        beta1 = check.number("beta1", beta1, at_least=0, below=1)
        beta2 = check.number("beta2", beta2, at_least=0, below=1)
        epsilon = check.number("epsilon", epsilon, at_least=0)
        super().__init__(learning_rate, beta1, beta2, epsilon, name="AdamW")

    def apply_gradients(
        self,
        grads_and_vars: Sequence[tuple[Any, tf.Variable]],
        global_step: tf.Variable | None = None,
        name: str | None = None,
    ) -> tf.Operation:
        """Adds the op of one step to the graph, see `tf.compat.v1.train.Optimizer.apply_gradients`."""
        pairs = list(grads_and_vars)
        gradients = [gradient for gradient, _ in pairs if gradient is not None]
        # Kernels decay in place, so only when all gradients have been computed from their old values.
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


# Functions learning_rate -> optimizer. All other settings are the defaults of TensorFlow 1.15.
OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": V1.GradientDescentOptimizer,
    "momentum": lambda rate: V1.MomentumOptimizer(rate, momentum=0.9),
    "nesterov": lambda rate: V1.MomentumOptimizer(rate, momentum=0.9, use_nesterov=True),
    "adagrad": V1.AdagradOptimizer,
    "adadelta": V1.AdadeltaOptimizer,
    "adam": V1.AdamOptimizer,
    "adamw": AdamW,
    "rmsprop": V1.RMSPropOptimizer,
}


# They sum the rows of a sparse gradient that have one index, see `with_sums`.
SUMS_ROWS = (
    *(V1.MomentumOptimizer, V1.AdagradOptimizer, V1.AdadeltaOptimizer),
    *(V1.AdamOptimizer, V1.RMSPropOptimizer, V1.FtrlOptimizer, AdamW),
)


def make_optimizer(check: checks.Checker, optimizer: Any, learning_rate: tf.Tensor | None) -> Any:
    """Returns a TF1 optimizer from a name, an optimizer, or a function learning_rate -> optimizer."""
    if isinstance(optimizer, str):
        return OPTIMIZERS[check.choice("optimizer", optimizer, OPTIMIZERS)](learning_rate)
    if isinstance(optimizer, V1.Optimizer):
        return optimizer
    of_keras = bool(checks.keras_kinds(optimizer))
    made = optimizer(learning_rate) if callable(optimizer) and not of_keras else None
    if of_keras or checks.keras_kinds(made):
        advice = keras_objects.instead_of_optimizer(optimizer if of_keras else made)
        rule = f"an optimizer of Keras cannot train a graph of TensorFlow 1; {advice}"
        raise TypeError(check.message(rule, optimizer=optimizer))
    rule = (
        f"optimizer must be a name ({', '.join(OPTIMIZERS)}), a tf.compat.v1.train.Optimizer, or a function "
        "learning_rate -> tf.compat.v1.train.Optimizer"
    )
    if isinstance(optimizer, tf.Operation):
        rule = "give the optimizer, not the op of its step, as minimize returns: a trainer makes the step"
    check.require_type(isinstance(made, V1.Optimizer), rule, optimizer=optimizer)
    return made


def settings_ops(optimizer: Any) -> set[tf.Operation]:
    """Returns the ops that the settings of an optimizer follow from, such as a placeholder of its rate."""
    if not isinstance(optimizer, V1.Optimizer):
        return set()
    held = [*vars(optimizer).values()]
    tensors = [value for value in held if walk.is_graph_tensor(value)]
    return walk.ancestors(tensors).union(*map(settings_ops, held))


def brings_rate(optimizer: Any) -> bool:
    """Whether an optimizer has a learning rate already, as an optimizer object has."""
    return isinstance(optimizer, V1.Optimizer)


def with_loss_scaling(optimizer: Any) -> Any:
    """Returns an optimizer that scales the loss, so that small gradients in float16 do not become zero.

    A step whose scaled gradients overflow leaves the variables as they are and halves the scale.
    """
    scale = tf.compat.v1.mixed_precision.DynamicLossScale()
    return LossScaled(optimizer, scale)


def check_variables(check: checks.Checker, loss: tf.Tensor, variables: Any) -> list[tf.Variable]:
    """Returns the variables to train: the given ones, or all trainable ones of the graph."""
    if variables is None:
        trained = tf.compat.v1.trainable_variables()
        check.require(trained, "the graph must hold a trainable variable", loss=loss.name)
        return trained
    rule = "variables must be a list of one or more variables of the loss's graph"
    are_variables = isinstance(variables, (list, tuple)) and all(
        isinstance(v, tf.Variable) for v in variables
    )
    check.require_type(are_variables, rule, variables=variables)
    in_graph = variables and all(v.graph is loss.graph for v in variables)
    check.require(in_graph, rule, variables=variables)
    return list(variables)


def add_regularization(loss: tf.Tensor, trained: Sequence[tf.Variable]) -> tf.Tensor:
    """Returns the loss plus those REGULARIZATION_LOSSES of the graph that it does not contain yet.

    Terms that depend on none of the trained variables are left out; `check_graph` reports them.
    """
    held = walk.ancestors([loss])
    handles = {walk.handle_op(variable) for variable in trained}
    added: list[tf.Tensor] = []
    for term in map(tf.convert_to_tensor, loss.graph.get_collection(Keys.REGULARIZATION_LOSSES)):
        # A term that the user added to the loss may be in it as a copy, see `walk.same_computation`.
        if any(walk.same_computation(term.op, op) for op in [*held, *(t.op for t in added)]):
            continue
        if walk.ancestors([term]) & handles:
            added.append(term)
    if not added:
        return loss
    logger.info("added %d regularization losses of the graph to the loss", len(added))
    return tf.add_n([loss, *(tf.cast(term, loss.dtype) for term in added)], name="regularized_loss")


def is_not_deprecation(record: logging.LogRecord) -> bool:
    """True unless the record is a deprecation warning about TensorFlow's own internal calls."""
    return "is deprecated" not in record.getMessage()


@sessions.tensorflow_logs(is_not_deprecation)
def gradients(
    check: checks.Checker, optimizer: Any, loss: tf.Tensor, variables: Sequence[tf.Variable]
) -> Pairs:
    """Returns (gradient, variable) of those of the variables that the loss depends on."""
    complex_ones = [v for v in variables if v.dtype.is_complex]
    ops = walk.ancestors([loss]) if complex_ones else ()
    names = [v.name for v in complex_ones if walk.handle_op(v) in ops]
    rule = (
        "an optimizer trains real numbers: make a complex variable of two by tf.complex, or trainable=False"
    )
    check.require(not names, rule, variables=names)
    pairs = optimizer.compute_gradients(loss, variables)
    pairs = [(gradient, variable) for gradient, variable in pairs if gradient is not None]
    rule = "the loss must depend on a trainable variable"
    names = [variable.name for variable in variables]
    check.require(pairs, rule, loss=loss.name, trainable_variables=names)
    return pairs


@sessions.tensorflow_logs(is_not_deprecation)
def apply(
    optimizer: Any,
    pairs: Pairs,
    *,
    clip: Clip,
    accumulate: int,
    global_step: tf.Variable | None,
    before: Sequence[tf.Tensor | tf.Operation],
) -> tf.Operation:
    """Adds the op that makes one update to the graph.

    Args:
      optimizer: a `tf.compat.v1.train.Optimizer`.
      pairs: (gradient, variable) of each variable to train.
      clip: function pairs -> pairs with clipped gradients, see `clipping`.
      accumulate: number of steps whose gradients are averaged into one update.
      global_step: counts the steps; None where another update counts.
      before: tensors and ops that must run before the update.
    """
    if global_step is not None and accumulate > 1:
        return apply_accumulated(optimizer, pairs, clip, accumulate, global_step, before)
    with tf.control_dependencies(before):
        if global_step is None or not isinstance(optimizer, LossScaled):
            return apply_constrained(optimizer, ready(optimizer, pairs, clip), global_step)
        with branches_that_write(pairs):
            # Dense, so that the optimizer applies constraints itself, and only where nothing overflows.
            dense = [(dense_if_constrained(*pair), pair[1]) for pair in pairs]
            # It would not count a step whose gradients overflow, so `counted` does.
            return update_by(optimizer, ready(optimizer, dense, clip))


def update_by(optimizer: Any, pairs: Pairs, global_step: tf.Variable | None = None) -> tf.Operation:
    """Returns the op of what apply_gradients returns: an op, a tensor, as that of `tf.cond`, or several."""
    update = optimizer.apply_gradients(pairs, global_step=global_step)
    if isinstance(update, tf.Operation):
        return update
    made = tf.nest.flatten(update)
    rule = "the optimizer's apply_gradients must return the op that makes the update"
    is_update = all(isinstance(one, tf.Operation) or tf.is_tensor(one) for one in made)
    checks.Checker("Trainer").require_type(made and is_update, rule, returned=update)
    return tf.group(*made)


def counted(check: checks.Checker, update: tf.Operation, global_step: tf.Variable) -> tf.Operation:
    """Returns the update, which counts the step once.

    Positions, random numbers and schedules follow from that number, and an optimizer of a program's own may
    not count, as that of BERT, which leaves it to its caller.
    """
    uses = order.StepOps(walk.ancestors([update])).uses_of(walk.handle_op(global_step))
    counts = [use.start.name for use in uses if use.writes]
    rule = (
        f"each step must count {global_step.op.name} once, which a trainer does: take the count out of the "
        "optimizer's apply_gradients, or out of UPDATE_OPS"
    )
    check.require(len(counts) <= 1, rule, counted_by=counts)
    if counts:
        return update
    with tf.control_dependencies([update]):
        return global_step.assign_add(1, read_value=False)


def apply_constrained(optimizer: Any, pairs: Pairs, global_step: tf.Variable | None) -> tf.Operation:
    """Applies gradients, and the constraints of variables afterwards.

    TensorFlow does so where a gradient is dense, and refuses a constraint where it is sparse, as the one of
    an embedding is: "Cannot use a constraint function on a sparse variable".
    """
    sparse = [v for gradient, v in pairs if is_sparse(gradient) and v.constraint is not None]
    if not sparse:
        return update_by(optimizer, pairs, global_step)
    names = {variable.name for variable in sparse}
    bare = [(g, unconstrained(v) if v.name in names else v) for g, v in pairs]
    applied = update_by(optimizer, bare, global_step)
    with tf.compat.v1.name_scope("constraints"), tf.control_dependencies([applied]):
        # Each reads the variable anew, since the value that a reference variable keeps may be older.
        kept = [v.assign(v.constraint(v.read_value()), read_value=False) for v in sparse]
        return tf.group(applied, *kept)


def is_sparse(gradient: Any) -> bool:
    return isinstance(gradient, tf.IndexedSlices)


def dense_if_constrained(gradient: Any, variable: tf.Variable) -> Any:
    """Returns the gradient; a sparse one of a variable with a constraint as a tensor of all rows."""
    constrained = is_sparse(gradient) and variable.constraint is not None
    return tf.convert_to_tensor(gradient) if constrained else gradient


def unconstrained(variable: tf.Variable) -> Any:
    """Returns the same variable, with the same handle and slots, as one without a constraint."""
    kind = type(variable)
    same: Any = object.__new__(type(kind.__name__, (kind,), {"constraint": None}))
    vars(same).update(vars(variable))
    return same


def ready(optimizer: Any, pairs: Pairs, clip: Clip) -> Pairs:
    """Returns the gradients as the optimizer applies them: clipped, without rows that repeat."""
    clipped = clip(pairs)
    if type(optimizer) in SUMS_ROWS:
        return clipped
    return [(with_sums(gradient), variable) for gradient, variable in clipped]


def with_sums(gradient: Any) -> Any:
    """Returns a sparse gradient with one row for each index: their sum, always in the same order.

    An optimizer that subtracts each row from the variable does so in several threads, and the bits follow
    from which is first: from 128 examples of 16 tokens on, five runs of one seed gave five results.
    """
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    indices, places = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, places, tf.shape(indices)[0])
    return tf.IndexedSlices(values, indices, gradient.dense_shape)


def clipping(clip_norm: float | None, clip_value: float | None) -> Clip:
    """Returns the function pairs -> pairs that clips gradients: by their norm, by value, or not at all."""
    if clip_norm is not None:
        return lambda pairs: clip_by_norm(pairs, clip_norm)
    if clip_value is not None:
        return lambda pairs: [(clip_by_value(gradient, clip_value), variable) for gradient, variable in pairs]
    return lambda pairs: pairs


def clip_by_norm(pairs: Pairs, clip_norm: float) -> Pairs:
    """Scales all gradients together to a global norm of at most `clip_norm`."""
    gradients, variables = zip(*pairs, strict=True)
    # TensorFlow takes the rows of a sparse gradient one by one: if 64 tokens look up 4 rows 16 times each, it
    # measures a quarter of the norm of the gradient, and the step would be four times `clip_norm` long.
    norm = tf.linalg.global_norm([summed(gradient) for gradient in gradients])
    clipped, _ = tf.clip_by_global_norm(gradients, clip_norm, use_norm=norm)
    return list(zip(clipped, variables, strict=True))


def clip_by_value(gradient: Any, limit: float) -> Any:
    """Returns the gradient with each number between -limit and limit; of a row that repeats, its sum."""
    if not isinstance(gradient, tf.IndexedSlices):
        return tf.clip_by_value(gradient, -limit, limit)
    rows = with_sums(gradient)
    return tf.IndexedSlices(tf.clip_by_value(rows.values, -limit, limit), rows.indices, rows.dense_shape)


def summed(gradient: Any) -> tf.Tensor:
    """Returns a tensor with the norm of the gradient."""
    if isinstance(gradient, tf.IndexedSlices):
        return training_step.summed_rows(gradient.values, gradient.indices)
    return gradient


def apply_accumulated(
    optimizer: Any,
    pairs: Pairs,
    clip: Clip,
    accumulate: int,
    global_step: tf.Variable,
    before: Sequence[tf.Tensor | tf.Operation],
) -> tf.Operation:
    """Returns the op that sums gradients, and applies their mean in every `accumulate`-th step.

    The sums are variables `<variable>/accumulated_gradient`, so that a checkpoint between two updates
    contains them.
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

    def update() -> tf.Tensor:
        means = [(total / accumulate, variable) for total, (_, variable) in zip(sums, pairs, strict=True)]
        applied = update_by(optimizer, clip(means))
        with tf.control_dependencies([applied]):
            cleared = [total.assign(tf.zeros_like(total), read_value=False) for total in sums]
        with tf.control_dependencies(cleared):
            return tf.constant(True)

    with tf.control_dependencies(added):
        due = tf.equal((global_step + 1) % accumulate, 0)
        with branches_that_write(pairs):
            updated = tf.cond(due, update, lambda: tf.constant(False))
    with tf.control_dependencies([updated]):
        return global_step.assign_add(1, read_value=False)


def branches_that_write(pairs: Pairs) -> contextlib.AbstractContextManager[None]:
    """Returns a block for branches that update; no function can write a reference variable."""
    return control_flow.of_functions(all(hasattr(variable, "handle") for _, variable in pairs))
