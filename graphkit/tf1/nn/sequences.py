"""Functions that run RNN cells over sequences: TensorFlow's own, with loops of functions."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from graphkit.nn import recurrent


def in_functions(run: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the function with loops of functions: a trainer keys the masks of dropout in no others."""

    @functools.wraps(run)
    def run_in_functions(*args: Any, **kwargs: Any) -> Any:
        with recurrent.loop_of_functions(tf.no_op("rnn_place")):
            return run(*args, **kwargs)

    return run_in_functions


bidirectional_dynamic_rnn = in_functions(tf.compat.v1.nn.bidirectional_dynamic_rnn)
dynamic_rnn = in_functions(tf.compat.v1.nn.dynamic_rnn)
raw_rnn = in_functions(tf.compat.v1.nn.raw_rnn)
# With lengths these have a branch for each step, and branches of functions took five times as long to build.
static_bidirectional_rnn = tf.compat.v1.nn.static_bidirectional_rnn
static_rnn = tf.compat.v1.nn.static_rnn
static_state_saving_rnn = tf.compat.v1.nn.static_state_saving_rnn
