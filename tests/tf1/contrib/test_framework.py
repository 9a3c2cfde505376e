"""`tf.contrib.framework`: variables are found, and get values and checkpoints."""

import numpy as np
import pytest
from references import run

import graphkit.tf1 as tf

framework = tf.contrib.framework
Keys = tf.GraphKeys


def names(variables):
    return [variable.op.name for variable in variables]


@pytest.fixture
def made():
    with tf.variable_scope("A"):
        a = framework.model_variable("a", [2], initializer=tf.ones_initializer())
        framework.variable("b", [], trainable=False, initializer=tf.zeros_initializer())
    with tf.variable_scope("B"):
        framework.model_variable("a", [3], collections=["mine"], regularizer=tf.nn.l2_loss)
    framework.local_variable(0, name="count")
    return a


def test_collections(made):
    assert names(framework.get_variables()) == ["A/a", "A/b", "B/a"]
    assert names(framework.get_model_variables()) == ["A/a", "B/a"]
    assert names(framework.get_trainable_variables()) == ["A/a", "B/a"]
    assert names(tf.local_variables()) == ["count"]
    assert names(tf.get_collection("mine")) == ["B/a"]
    assert len(tf.losses.get_regularization_losses()) == 1


def test_finding(made):
    assert names(framework.get_variables("A")) == ["A/a", "A/b"]
    with tf.variable_scope("A") as scope:
        assert names(framework.get_variables(scope)) == ["A/a", "A/b"]
    assert names(framework.get_variables(suffix="a")) == ["A/a", "B/a"]
    assert names(framework.get_variables("A", "a")) == ["A/a"]
    assert names(framework.get_variables_by_suffix("a", scope="B")) == ["B/a"]
    assert names(framework.get_variables_by_name("a")) == ["A/a", "B/a"]
    assert names(framework.get_local_variables("c")) == ["count"]
    assert framework.get_unique_variable("B/a").op.name == "B/a"
    with pytest.raises(ValueError, match="Couldn't find variable B"):
        framework.get_unique_variable("B")


def test_variables_to_restore(made):
    assert names(framework.get_variables_to_restore()) == ["A/a", "A/b", "B/a"]
    assert names(framework.get_variables_to_restore(["A"])) == ["A/a", "A/b"]
    assert names(framework.get_variables_to_restore(exclude=["A/b", "B"])) == ["A/a"]
    with pytest.raises(TypeError, match="include must be a list"):
        framework.get_variables_to_restore("A")


def test_reuse_and_a_custom_getter():
    with tf.variable_scope("A"):
        first = framework.variable("a", [1])
    with tf.variable_scope("A", reuse=True):
        assert framework.variable("a", [1]) is first

    def getter(name, **kwargs):
        del kwargs["reuse"]
        return tf.get_variable(f"own_{name}", **kwargs)

    assert framework.model_variable("b", [1], custom_getter=getter).op.name == "own_b"
    assert names(framework.get_model_variables()) == ["own_b"]


def test_checkpoints(made, tmp_path):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        path = tf.train.Saver([made, framework.get_variables("A/b")[0]]).save(
            session, str(tmp_path / "model")
        )
        assert framework.list_variables(path) == [("A/a", [2]), ("A/b", [])]
        np.testing.assert_array_equal(framework.load_variable(str(tmp_path), "A/a"), [1, 1])
        other = framework.get_variables("B/a")[0]
        zero = tf.assign(made, [0.0, 0.0])
        op, feed = framework.assign_from_checkpoint(path, {"A/a": made})
        for restore in (
            lambda: session.run(op, feed),
            lambda: framework.assign_from_checkpoint_fn(path, [made])(session),
            lambda: framework.assign_from_checkpoint_fn(path, {"A/a": made, "C": other}, True)(session),
        ):
            session.run(zero)
            restore()
            np.testing.assert_array_equal(session.run(made), [1, 1])
    with pytest.raises(ValueError, match=r"Checkpoint is missing variable \[B/a\]"):
        framework.assign_from_checkpoint(path, [other])
    op, feed = framework.assign_from_checkpoint(path, [other], ignore_missing_vars=True)
    assert feed == {}
    with pytest.raises(ValueError, match="Total size of new array must be unchanged for A/a"):
        framework.assign_from_checkpoint(path, {"A/a": other})
    with pytest.raises(ValueError, match="var_list cannot be empty"):
        framework.assign_from_checkpoint_fn(path, [])
    assert framework.assign_from_checkpoint_fn(path, [other], ignore_missing_vars=True) is None


def test_starting_from_a_checkpoint(made, tmp_path):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        path = tf.train.Saver([made]).save(session, str(tmp_path / "model"))
    with tf.Graph().as_default():
        variable = tf.get_variable("c", [2], initializer=tf.zeros_initializer())
        framework.init_from_checkpoint(path, {"A/a": variable})
        np.testing.assert_array_equal(run(variable), [1, 1])


def test_partitioned_variables_get_their_parts(tmp_path):
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    whole = tf.get_variable("whole", initializer=values)
    parts = tf.get_variable("parts", [3, 2], partitioner=tf.fixed_size_partitioner(2))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        path = tf.train.Saver({"parts": whole}).save(session, str(tmp_path / "model"))
        op, feed = framework.assign_from_checkpoint(path, list(parts))
        session.run(op, feed)
        np.testing.assert_array_equal(session.run(tf.convert_to_tensor(parts)), values)


def test_global_step():
    step = framework.get_or_create_global_step()
    assert framework.get_global_step() is step


def test_conditions_and_names(caplog):
    assert framework.smart_cond(True, lambda: 1, lambda: 2) == 1
    assert framework.smart_cond(tf.constant(False), lambda: 1, lambda: 2) == 2
    flag = tf.placeholder(tf.bool, [])
    assert run(framework.smart_cond(flag, lambda: 1, lambda: 2), {flag: True}) == 1
    with pytest.raises(TypeError, match="`pred` must be a Tensor"):
        framework.smart_cond("yes", lambda: 1, lambda: 2)
    assert framework.nest.is_sequence([1]) and framework.nest.flatten([[1], 2]) == [1, 2]
    assert framework.is_tensor(flag) and not framework.is_tensor(1)
    np.testing.assert_array_equal(run(framework.sort([3, 1, 2])), [1, 2, 3])

    @framework.deprecated(None, "Use another one.")
    def old(x):
        return x + 1

    assert old(1) == 2 and old.__name__ == "old"


def test_tensors_of_the_same_shape():
    x, y = tf.placeholder(tf.float32, [None, 2]), tf.placeholder(tf.float32, [3, None])
    checked = tf.contrib.framework.with_same_shape(x, y)
    assert checked.shape.as_list() == [3, 2]
    with tf.Session() as session:
        assert session.run(checked, {x: [[0, 0]] * 3, y: [[1, 2]] * 3}).shape == (3, 2)
        with pytest.raises(tf.errors.InvalidArgumentError, match="Wrong shape"):
            session.run(checked, {x: [[0, 0]] * 4, y: [[1, 2]] * 3})
    with pytest.raises(ValueError, match="Invalid shape for tensor"):
        tf.contrib.framework.with_same_shape(tf.zeros([2]), tf.zeros([3]))
