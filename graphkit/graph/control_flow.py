"""Which control flow TensorFlow builds: branches and loops of functions, or those of TensorFlow 1."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf


@contextlib.contextmanager
def of_functions(wanted: bool = True) -> Iterator[None]:
    """In a block, builds branches and loops of functions, or else those of TensorFlow 1.

    Programs that turn the behavior of TensorFlow 2 off get the latter, in which no key can enter a loop and
    which XLA does not compile. Only they can write reference variables.
    """
    v1 = tf.compat.v1
    with tf.Graph().as_default():  # in the graph of a function they are always of functions
        was = v1.control_flow_v2_enabled()
    (v1.enable_control_flow_v2 if wanted else v1.disable_control_flow_v2)()
    try:
        yield
    finally:
        (v1.enable_control_flow_v2 if was else v1.disable_control_flow_v2)()
