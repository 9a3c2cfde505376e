"""What every builder does first: check its input and open its scope in a graph that may still grow."""

import contextlib
import os
import traceback

import tensorflow as tf

from graphkit import checks

OWN_FILES = (
    *(os.path.join(os.path.dirname(path), "") for path in (checks.__file__, tf.__file__)),
    contextlib.__file__,
)


UNKNOWN_LINE = "an unknown line"


def caller_line():
    """Returns "file:line" of the innermost caller outside graphkit and TensorFlow."""
    return user_line(traceback.extract_stack())


def user_line(frames):
    """Returns "file:line" of a stack's innermost frame outside graphkit and TensorFlow, of an op's too."""
    for frame in reversed(frames or ()):
        if not frame.filename.startswith(OWN_FILES):
            return f"{frame.filename}:{frame.lineno}"
    return UNKNOWN_LINE


def check_growing(function):
    """Refuses to add ops where there is no graph, or to a finalized one, naming the caller's line."""
    if tf.executing_eagerly():
        raise RuntimeError(
            f"{function}: ops are added to a graph, and TensorFlow executes eagerly here; put the call under "
            "`with tf.Graph().as_default():`, or begin the program with "
            f"tf.compat.v1.disable_eager_execution(); called at {caller_line()}"
        )
    if tf.compat.v1.get_default_graph().finalized:
        raise RuntimeError(
            f"{function}: the graph is finalized since a Trainer made its session, and cannot grow; "
            f"build this op before the Trainer; called at {caller_line()}"
        )


@contextlib.contextmanager
def op_scope(function, name, default_name=None):
    """Opens the name scope of a builder that makes no variables."""
    check_growing(function)
    with tf.compat.v1.name_scope(name, default_name or function) as scope:
        yield scope


@contextlib.contextmanager
def layer_scope(function, name, default_name=None, reuse=None):
    """Opens the variable scope of a layer as tf.layers does: unnamed ones are numbered.

    An unnamed layer that reuses variables means the first one of its kind.
    """
    check_growing(function)
    default_name = default_name or function
    if name is None and reuse:
        name = default_name
    with tf.compat.v1.variable_scope(name, default_name=default_name, reuse=reuse) as scope:
        yield scope


def global_step():
    """Returns the graph's global step, made at the first call, outside all variable scopes."""
    step = tf.compat.v1.train.get_global_step()
    if step is None:
        root = tf.compat.v1.VariableScope(reuse=False)
        with tf.init_scope(), tf.compat.v1.variable_scope(root, auxiliary_name_scope=False):
            step = tf.compat.v1.train.create_global_step()
    return step


def get_variable(name, shape, dtype, initializer, regularizer=None, constraint=None, trainable=True):
    """Makes or reuses a resource variable in the current variable scope."""
    if initializer is not None and not callable(initializer):
        rule = f"the initializer of {name} must be a function of a shape, such as gk.zeros()"
        raise TypeError(checks.message("get_variable", rule, initializer=initializer))
    return tf.compat.v1.get_variable(
        name,
        shape,
        dtype,
        initializer=initializer,
        regularizer=regularizer,
        constraint=constraint,
        trainable=trainable,
        use_resource=True,
    )


def float_tensor(function, name, value, rank=None, minimum_rank=0):
    """Returns `value` as a floating-point tensor of known rank, or refuses it."""
    tensor = to_tensor(function, name, value)
    if not tensor.dtype.is_floating:
        rule = f"{name} must be a floating-point tensor"
        raise TypeError(checks.message(function, rule, dtype=tensor.dtype.name))
    check_rank(function, name, tensor, rank, minimum_rank)
    return tensor


def to_tensor(function, name, value):
    """Returns `value` as a tensor of the default graph, which tensors of a graph around it count for."""
    check_growing_for(function, value)
    graph = tf.compat.v1.get_default_graph()
    rule = f"{name} must be a tensor of the default graph"
    if tf.is_tensor(value):
        own = getattr(value, "graph", None) is graph or (hasattr(value, "graph") and graph.building_function)
        if not own:
            raise TypeError(checks.message(function, rule, **{name: value}))
    try:
        return tf.convert_to_tensor(value)
    except (TypeError, ValueError, RecursionError) as error:  # the last of a list that holds itself
        raise TypeError(checks.message(function, f"{rule} ({error})", **{name: value})) from None


def check_growing_for(function, value):
    """Refuses to turn what is no tensor yet into one in a finalized graph."""
    if not isinstance(value, tf.Tensor):
        check_growing(function)


def check_rank(function, name, tensor, rank=None, minimum_rank=0):
    """Refuses a tensor whose number of axes is not `rank`, or below `minimum_rank`."""
    known = tensor.shape.rank
    if rank is not None:
        fits = known == rank
        rule = f"{name} must have {rank} axes"
    else:
        fits = minimum_rank == 0 or (known is not None and known >= minimum_rank)
        rule = f"{name} must have at least {minimum_rank} axes"
    checks.require(fits, function, rule, shape=shape_text(tensor))


def static_size(function, name, tensor, axis):
    """Returns the size of an axis that a layer must know to make its variables."""
    size = tensor.shape[axis]
    rule = f"axis {axis} of {name} must have a known size"
    checks.require(size is not None, function, rule, shape=shape_text(tensor))
    return size


def shape_text(tensor):
    return "unknown" if tensor.shape.rank is None else tuple(tensor.shape.as_list())
