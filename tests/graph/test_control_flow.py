"""Branches and loops of functions, or of TensorFlow 1, in a block alone."""

import pytest
import tensorflow as tf

from graphkit.graph import control_flow


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("wanted", [False, True])
def test_what_was_set_is_set_again(before, wanted):
    def body(value):
        with control_flow.of_functions(wanted):
            return 2.0 * value

    with control_flow.of_functions(before):
        with control_flow.of_functions(wanted):
            assert tf.compat.v1.control_flow_v2_enabled() == wanted
        assert tf.compat.v1.control_flow_v2_enabled() == before
        tf.function(body)(tf.constant(1.0))  # in whose graph TensorFlow makes functions anyway
        assert tf.compat.v1.control_flow_v2_enabled() == before
