"""Whose line made an op: the innermost frame outside graphkit and TensorFlow."""

import contextlib
import traceback
from types import SimpleNamespace

import tensorflow as tf

import graphkit as gk
from graphkit.graph import lines


def here(offset=0):
    """Returns "file:line" of the caller's line plus an offset, by Python's own count."""
    frame = traceback.extract_stack()[-2]
    return f"{frame.filename}:{frame.lineno + offset}"


def frame(filename, lineno=1):
    return SimpleNamespace(filename=filename, lineno=lineno)


def test_the_caller_is_the_line_of_the_test():
    line = lines.caller_line()
    assert line == here(-1) and line.startswith(__file__)


def test_an_op_of_a_layer_has_the_line_that_called_the_layer():
    logits = gk.dense(gk.feature_input(2), 3)
    assert lines.user_line(logits.op.traceback) == here(-1)
    assert lines.user_line(tf.nn.relu(logits).op.traceback) == here()


def test_a_helper_of_the_user_is_the_innermost_line():
    def block(net):
        made.append(here(1))
        return gk.dense(net, 3)

    made = []
    assert lines.user_line(block(gk.feature_input(2)).op.traceback) == made[0]


def test_a_context_manager_of_the_user_is_passed_by_the_frames_of_contextlib():
    @contextlib.contextmanager
    def scope():
        yield tf.constant(1.0)

    with scope() as made:
        assert lines.user_line(made.op.traceback).startswith(__file__)
    frames = [frame("user.py", 7), frame(contextlib.__file__), frame(tf.__file__), frame(gk.__file__)]
    assert lines.user_line(frames) == "user.py:7"


def test_folders_that_only_begin_like_graphkit_are_the_users():
    folder = gk.__file__.removesuffix("/__init__.py")
    frames = [frame("user.py"), frame(f"{folder}_extras/net.py", 9), frame(f"{folder}/nn/layers.py")]
    assert lines.user_line(frames) == f"{folder}_extras/net.py:9"


def test_frames_of_nobody_are_none():
    assert lines.user_line(None) is lines.user_line([]) is lines.user_line([frame(tf.__file__)]) is None


def test_a_stack_without_a_user_is_an_unknown_line(monkeypatch):
    monkeypatch.setattr(lines, "OWN_FILES", ("",))
    assert lines.caller_line() == "an unknown line"
