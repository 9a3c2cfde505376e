"""Variables, and checkpoints of them as other programs write them: with a Saver, from another graph."""

from concurrent import futures

import tensorflow as tf

V1 = tf.compat.v1
DATA = "data-00000-of-00001"


def make(shapes, resource=True, dtype=tf.float32):
    """Makes variables of random values; returns {name: variable}."""
    kind = {"use_resource": resource, "dtype": dtype}
    return {name: V1.get_variable(name, shape, **kind) for name, shape in shapes.items()}


def start(variables):
    """Returns a session in which the variables have their initial values."""
    session = V1.Session()
    session.run(V1.variables_initializer(list(variables.values())))
    return session


def write(folder, shapes, name="model", resource=False, dtype=tf.float32, **options):
    """Writes a checkpoint with a Saver, from a new graph; returns (prefix, {name: array})."""
    with tf.Graph().as_default():
        variables = make(shapes, resource, dtype)
        with start(variables) as session:
            prefix = V1.train.Saver(variables, **options).save(session, str(folder / name))
            return prefix, session.run(variables)


def eagerly(function):
    """Returns what a function returns in a new thread, where no graph is the default."""
    with futures.ThreadPoolExecutor(1) as executor:
        return executor.submit(function).result()


NET = {"conv1/kernel": (3, 3, 1, 4), "conv1/bias": (4,), "logits/kernel": (4, 2), "logits/bias": (2,)}
IN_SCOPE = {f"model/{name}": shape for name, shape in NET.items()}
