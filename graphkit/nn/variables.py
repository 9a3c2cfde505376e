"""Variables of layers: what a layer's arguments say about one, and making it in the current scope."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import tensorflow as tf

from graphkit import checks
from graphkit.graph import lines, walk
from graphkit.nn import scopes

Initializer: TypeAlias = Callable[..., tf.Tensor] | str  # (shape, dtype) -> the first value
Regularizer: TypeAlias = Callable[[tf.Tensor], tf.Tensor]  # variable or output -> scalar loss
Constraint: TypeAlias = Callable[[tf.Tensor], tf.Tensor]  # updated variable -> what is kept of it
# The names that tf.layers took in TensorFlow 1.15, with the defaults that they had there.
NAMED: dict[str, Callable[[], Any]] = {
    "glorot_normal": tf.compat.v1.glorot_normal_initializer,
    "glorot_uniform": tf.compat.v1.glorot_uniform_initializer,
    "he_normal": tf.compat.v1.initializers.he_normal,
    "he_uniform": tf.compat.v1.initializers.he_uniform,
    "identity": tf.compat.v1.initializers.identity,
    "lecun_normal": tf.compat.v1.initializers.lecun_normal,
    "lecun_uniform": tf.compat.v1.initializers.lecun_uniform,
    "ones": tf.compat.v1.ones_initializer,
    "orthogonal": tf.compat.v1.orthogonal_initializer,
    "random_normal": lambda: tf.compat.v1.random_normal_initializer(stddev=0.05),
    "random_uniform": lambda: tf.compat.v1.random_uniform_initializer(-0.05, 0.05),
    "truncated_normal": lambda: tf.compat.v1.truncated_normal_initializer(stddev=0.05),
    "zeros": tf.compat.v1.zeros_initializer,
}
# {name of a Keras class: function of its object -> TensorFlow 1's initializer of the same distribution}
SAME_DISTRIBUTION: dict[str, Callable[[Any], Any]] = {
    "VarianceScaling": lambda own: tf.compat.v1.variance_scaling_initializer(
        own.scale, own.mode, own.distribution
    ),
    "RandomNormal": lambda own: tf.compat.v1.random_normal_initializer(own.mean, own.stddev),
    "RandomUniform": lambda own: tf.compat.v1.random_uniform_initializer(own.minval, own.maxval),
    "TruncatedNormal": lambda own: tf.compat.v1.truncated_normal_initializer(own.mean, own.stddev),
    "Orthogonal": lambda own: tf.compat.v1.orthogonal_initializer(own.gain),
}


class VariableSpec(NamedTuple):
    """A variable's name in its layer, and the layer's arguments for it, as `kernel_initializer` for kernel.

    Attributes:
      name: such as "kernel", below the layer's scope.
      initializer: None takes the variable scope's, or else Glorot's uniform.
      regularizer: its loss is added to REGULARIZATION_LOSSES.
      constraint: applied by the optimizer after each update.
    """

    name: str
    initializer: Initializer | None
    regularizer: Regularizer | None = None
    constraint: Constraint | None = None


def get_variable(
    check: checks.Checker, spec: VariableSpec, shape: Sequence[int], dtype: tf.DType, trainable: bool = True
) -> tf.Variable:
    """Makes or reuses a resource variable in the current variable scope.

    Raises:
      ValueError: the variable exists, and is not to be reused.
      RuntimeError: the graph has a trainer, which has given all variables their values.
    """
    initializer = usable_initializer(check, spec.name, spec.initializer)
    for kind, function in (("regularizer", spec.regularizer), ("constraint", spec.constraint)):
        rule = f"the {kind} of {spec.name} must be a function of the variable, or None"
        check.require_type(function is None or callable(function), rule, **{kind: function})
    scope = tf.compat.v1.get_variable_scope()
    name = f"{scope.name}/{spec.name}" if scope.name else spec.name
    earlier = variable_op(name)
    if earlier is None and scope.reuse is not True:
        check_no_trainer(check, name)
    try:
        return tf.compat.v1.get_variable(
            spec.name,
            shape,
            dtype,
            initializer=initializer,
            regularizer=spec.regularizer,
            constraint=spec.constraint,
            trainable=trainable,
            use_resource=True,  # a loop of training steps captures handles, which the older variables lack
        )
    except ValueError as error:
        if earlier is None or "already exists" not in str(error):
            raise
        line = lines.user_line(earlier.traceback) or lines.UNKNOWN
        rule = (
            f"the variable {name} already exists: it was made at {line}, and is made again at "
            f"{lines.caller_line()} (a notebook's cell that ran twice?); {scopes.NEW_NETWORK}; or give the "
            "layer another name, or reuse=True to share the variable"
        )
        raise ValueError(check.message(rule)) from None


def variable_op(name: str) -> tf.Operation | None:
    """Returns the op of the variable of this name in the graph around all functions, or None."""
    with tf.init_scope():
        try:
            op = tf.compat.v1.get_default_graph().get_operation_by_name(name)
        except KeyError:
            return None
    return op if op.type in walk.VARIABLES else None


def check_no_trainer(check: checks.Checker, name: str) -> None:
    """Refuses a new variable in a graph that has a trainer, which would never give it a value."""
    with tf.init_scope():
        line = scopes.TRAINERS.get(tf.compat.v1.get_default_graph())
    if line is not None:
        rule = (
            f"the Trainer made at {line} has given the variables of this graph their values, so {name} "
            f"would have none; build the layer before the Trainer, or {scopes.NEW_NETWORK}; called at "
            f"{lines.caller_line()}"
        )
        raise RuntimeError(check.message(rule))


def usable_initializer(check: checks.Checker, name: str, initializer: Any) -> Any:
    """Returns a variable's initializer as `get_variable` takes it; None is the variable scope's, if any."""
    if isinstance(initializer, str):
        initializer = NAMED[check.choice(f"the initializer of {name}", initializer, NAMED)]()
    rule = f"the initializer of {name} must be a function of a shape, such as gk.zeros()"
    right = initializer is None or callable(initializer)
    check.require_type(right, rule, initializer=initializer)
    if initializer is None:
        initializer = tf.compat.v1.get_variable_scope().initializer
    return keyed_initializer(check, name, initializer)


def keyed_initializer(check: checks.Checker, name: str, initializer: Any) -> Any:
    """Returns TensorFlow 1's initializer in the place of a Keras initializer without a seed.

    A Keras object without a seed draws one from Python's random numbers when it is made, and puts it into the
    graph as a constant: two runs of a program with one trainer seed would start from different weights. The
    ops of TensorFlow 1 have no seed then, and a trainer fills in its own.
    """
    if isinstance(initializer, type):
        initializer = initializer()  # as get_variable does
    kinds = checks.keras_kinds(initializer)
    config = initializer.get_config() if kinds else {}
    if "seed" not in config or config["seed"] is not None:
        return initializer
    names = [kind.__name__ for kind in kinds if kind.__name__ in SAME_DISTRIBUTION]
    own_call = type(initializer).__call__ is not kinds[0].__call__
    rule = (
        f"the initializer of {name} draws its numbers by a seed of Keras, which no trainer can set; "
        "give it a seed, or use one of TensorFlow 1 or of graphkit, such as gk.glorot_uniform()"
    )
    axes = config.get("input_axes"), config.get("output_axes")
    check.require(names and not own_call and axes == (None, None), rule, initializer=initializer)
    return SAME_DISTRIBUTION[names[0]](initializer)
