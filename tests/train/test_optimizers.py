"""AdamW's arguments, and what optimizers write; their steps are in the golden table."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk


@pytest.mark.parametrize("name", ["learning_rate", "weight_decay", "beta1", "beta2", "epsilon"])
@pytest.mark.parametrize("value", ["0.1", None, -0.1, np.nan, 10**400])
def test_numbers_out_of_range_are_refused_by_name(name, value):
    with pytest.raises((ValueError, TypeError), match=f"^AdamW: {name} must be a finite number"):
        gk.AdamW(**{name: value})


@pytest.mark.parametrize("name", ["beta1", "beta2"])
def test_a_beta_of_one_is_refused(name):
    with pytest.raises(ValueError, match=f"^AdamW: {name} must be .* below 1"):
        gk.AdamW(**{name: 1.0})


def test_a_learning_rate_may_be_a_tensor():
    rate = tf.compat.v1.placeholder_with_default(0.5, ())
    loss = gk.l2_loss(gk.dense(gk.feature_input(2), 2))
    gk.AdamW(rate).minimize(loss)


@pytest.mark.slow
def test_optimizers_warn_of_no_deprecated_call_inside_tensorflow():
    # TensorFlow warns once in a process, so this needs one of its own.
    program = """
import tensorflow as tf
import graphkit as gk

for name in ("adagrad", "rmsprop", "adadelta"):
    with tf.Graph().as_default():
        gk.Trainer(gk.l2_loss(gk.dense(tf.ones((1, 2)), 2)), name).close()
tf.get_logger().warning("use of x is deprecated")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    written = [line for line in done.stderr.splitlines() if "deprecated" in line]
    assert len(written) == 1 and written[0].endswith("use of x is deprecated")
