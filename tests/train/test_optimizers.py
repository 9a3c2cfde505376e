"""AdamW's arguments; its steps are in the golden table."""

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
