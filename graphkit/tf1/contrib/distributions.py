"""`tf.contrib.distributions`: those of `tf.compat.v1.distributions`."""

import tensorflow as tf

from graphkit.tf1 import overlay

__getattr__, __dir__ = overlay.over(
    __name__,
    tf.compat.v1.distributions,
    modules="bernoulli beta categorical dirichlet exponential gamma laplace multinomial normal student_t "
    "uniform",
)
