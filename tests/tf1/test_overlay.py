"""`graphkit.tf1` is tf.compat.v1 with names laid over it."""

import pytest
import tensorflow

import graphkit.tf1 as tf


def test_names_of_compat_v1_are_unchanged():
    assert tf.placeholder is tensorflow.compat.v1.placeholder
    assert not tf.executing_eagerly()


def test_a_variable_is_a_resource_variable():
    assert tf.get_variable("v", []).op.type == "VarHandleOp"
    assert tf.Variable(0.0).op.type == "VarHandleOp"


@pytest.mark.parametrize("name", ["layers.conv9d", "contrib.no_such_module", "no_such_name"])
def test_a_missing_name_says_that_it_is_missing_here(name):
    here, _, last = name.rpartition(".")
    namespace = tf
    for part in filter(None, here.split(".")):
        namespace = getattr(namespace, part)
    with pytest.raises(AttributeError, match=f"^tf.{name} is missing in graphkit.tf1"):
        getattr(namespace, last)


def test_a_missing_name_of_compat_v1_is_said_to_be_missing_there_too():
    with pytest.raises(AttributeError, match="tf.compat.v1 does not have it either"):
        _ = tf.no_such_name


def test_a_missing_name_that_is_similar_is_named():
    with pytest.raises(AttributeError, match=r"did you mean tf.train.AdamOptimizer\?$"):
        _ = tf.train.AdamOptimiser
    with pytest.raises(AttributeError, match="^tf.contrib.gan is missing in graphkit.tf1; write both"):
        _ = tf.contrib.gan


def test_programs_read_the_version_of_tensorflow():
    assert tf.__version__ == tensorflow.__version__


def test_what_is_deprecated_is_not_told_in_each_run(caplog):
    tf.get_logger().propagate = True
    try:
        tf.nn.dropout(tf.zeros([2]), keep_prob=0.5)
        tf.get_logger().warning("something else")
    finally:
        tf.get_logger().propagate = False
    assert [record.getMessage() for record in caplog.records] == ["something else"]
