"""What TensorFlow logs in a TF1 program."""

import logging

import pytest

import graphkit.tf1 as tf


@pytest.fixture
def logged():
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    tf.get_logger().addHandler(handler)
    level = tf.get_logger().level
    yield lines
    tf.get_logger().setLevel(level)
    tf.get_logger().removeHandler(handler)


def test_no_advice_to_use_keras(logged):
    tf.to_bfloat16(1.0)
    tf.nn.dynamic_rnn(tf.nn.rnn_cell.BasicLSTMCell(2), tf.ones([1, 2, 3]), dtype=tf.float32)
    assert logged == []


def test_lines_of_the_program_are_logged(logged):
    tf.logging.set_verbosity(tf.logging.INFO)
    tf.logging.info("step %d", 3)
    tf.logging.warning("this script is deprecated")
    assert logged == ["step 3", "this script is deprecated"]
