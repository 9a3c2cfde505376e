"""What tests of several rooms share: running tensors, seeded arrays, and NumPy references by definition."""

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1


def run(fetches, feed=None):
    """Returns the values of tensors of the current graph, its variables freshly initialized."""
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        return session.run(fetches, feed)


def normal(*shape, dtype=np.float32, seed=0):
    """Returns numbers drawn from the standard normal distribution."""
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)
