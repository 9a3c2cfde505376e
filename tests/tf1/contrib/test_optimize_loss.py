"""`tf.contrib.layers.optimize_loss`, argument by argument, on a loss whose gradients are known."""

import numpy as np
import pytest
from references import run

import graphkit.tf1 as tf

optimize_loss = tf.contrib.layers.optimize_loss


@pytest.fixture
def loss():
    """A loss with gradients 3 and 4."""
    tf.train.create_global_step()
    a = tf.get_variable("a", [], initializer=tf.zeros_initializer())
    b = tf.get_variable("b", [], initializer=tf.zeros_initializer())
    return 3 * a + 4 * b + 1


def after_steps(train_op, count=1):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(count):
            value = session.run(train_op)
        return value, session.run(tf.trainable_variables()), session.run(tf.train.get_global_step())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, [-0.3, -0.4]),
        ({"optimizer": tf.train.GradientDescentOptimizer}, [-0.3, -0.4]),
        ({"optimizer": tf.train.GradientDescentOptimizer(0.2)}, [-0.6, -0.8]),
        ({"optimizer": lambda rate: tf.train.GradientDescentOptimizer(2 * rate)}, [-0.6, -0.8]),
        (
            {"optimizer": lambda: tf.train.GradientDescentOptimizer(0.2), "learning_rate": None},
            [-0.6, -0.8],
        ),
        ({"optimizer": "Momentum"}, [-0.3, -0.4]),
        ({"clip_gradients": 2.5}, [-0.15, -0.2]),
        ({"clip_gradients": lambda pairs: [(2 * gradient, v) for gradient, v in pairs]}, [-0.6, -0.8]),
        ({"gradient_multipliers": {"a:0": 2.0}}, [-0.6, -0.4]),
        ({"gradient_multipliers": {"a:0": 0.0}, "clip_gradients": 2.0}, [0, -0.2]),
        ({"learning_rate_decay_fn": lambda rate, step: rate / 2}, [-0.15, -0.2]),
        ({"gradient_noise_scale": 0.0}, [-0.3, -0.4]),
    ],
)
def test_one_step(loss, arguments, expected):
    train_op = optimize_loss(
        **{"loss": loss, "global_step": None, "learning_rate": 0.1, "optimizer": "SGD", **arguments}
    )
    value, variables, step = after_steps(train_op)
    np.testing.assert_allclose(variables, expected, rtol=1e-5)
    assert (value, step) == (1, 1)  # the loss before the update


def test_names_and_summaries(loss):
    train_op = optimize_loss(
        loss,
        tf.train.get_global_step(),
        0.1,
        "Adam",
        clip_gradients=1.0,
        learning_rate_decay_fn=lambda rate, step: rate * 2,
        summaries=tf.contrib.layers.OPTIMIZER_SUMMARIES,
    )
    assert train_op.name == "OptimizeLoss/control_dependency:0"
    assert "OptimizeLoss/learning_rate" in [one.op.name for one in tf.global_variables()]
    values = {value.tag: value for value in tf.Summary.FromString(run(tf.summary.merge_all())).value}
    assert {tag.removeprefix("OptimizeLoss/") for tag in values} == {
        "loss",
        "learning_rate_1",  # the variable has the name
        "global_norm/gradient_norm",
        "global_norm/clipped_gradient_norm",
        *(f"{kind}/{name}_0" for kind in ("gradients", "gradient_norm") for name in ("a", "b")),
    }
    scalars = {tag.removeprefix("OptimizeLoss/"): value.simple_value for tag, value in values.items()}
    np.testing.assert_allclose(scalars["learning_rate_1"], 0.2, rtol=1e-6)
    assert scalars["global_norm/gradient_norm"] == 5
    np.testing.assert_allclose(scalars["global_norm/clipped_gradient_norm"], 1, rtol=1e-6)


def test_variables_step_and_updates(loss):
    ran = tf.get_variable("ran", [], initializer=tf.zeros_initializer(), trainable=False)
    tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, ran.assign_add(1.0))
    train_op = optimize_loss(
        loss,
        None,
        0.1,
        "SGD",
        variables=tf.trainable_variables()[:1],
        increment_global_step=False,
        name="mine",
    )
    others = optimize_loss(loss, None, 0.1, "SGD", update_ops=[])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(train_op)
        np.testing.assert_allclose(session.run(tf.trainable_variables()), [-0.3, 0], rtol=1e-6)
        assert session.run([ran, tf.train.get_global_step()]) == [1, 0]
        session.run(others)
        assert session.run([ran, tf.train.get_global_step()]) == [1, 1]


def test_rows_of_embeddings_are_clipped_and_multiplied():
    tf.train.create_global_step()
    table = tf.get_variable("table", [4, 1], initializer=tf.zeros_initializer())
    loss = tf.reduce_sum(tf.nn.embedding_lookup(table, [1, 2]))
    train_op = optimize_loss(
        loss,
        None,
        1.0,
        "SGD",
        gradient_multipliers={table: 2.0},
        clip_gradients=1.0,
    )
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(train_op)
        expected = -np.sqrt(0.5)
        np.testing.assert_allclose(session.run(table)[:, 0], [0, expected, expected, 0], rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"learning_rate": -0.1}, "Invalid learning_rate -0.1"),
        ({"learning_rate": 1}, "Learning rate should be 0d Tensor or float"),
        ({"learning_rate": None}, "Learning rate is None, but should be specified"),
        ({"optimizer": "Sgd"}, "Optimizer name should be one of"),
        ({"optimizer": 3}, "Unrecognized optimizer"),
        ({"optimizer": lambda rate: rate}, "function should return subclass of Optimizer"),
        ({"summaries": ["losses"]}, "Summaries should be one of"),
        ({"clip_gradients": 1}, "Unknown type <class 'int'> for clip_gradients"),
    ],
)
def test_refusals(loss, arguments, rule):
    with pytest.raises(ValueError, match=rule):
        optimize_loss(
            **{"loss": loss, "global_step": None, "learning_rate": 0.1, "optimizer": "SGD", **arguments}
        )


def test_what_is_no_scalar_or_step_is_refused(loss):
    with pytest.raises(ValueError):
        optimize_loss(tf.zeros([2]), None, 0.1, "SGD")
    with pytest.raises(TypeError):
        optimize_loss(loss, tf.constant(0.5), 0.1, "SGD")


def test_a_programs_own_global_step():
    step = tf.Variable(0, name="global_step", trainable=False)
    a = tf.get_variable("a", [], initializer=tf.zeros_initializer())
    assert tf.contrib.framework.get_global_step() is step
    train_op = optimize_loss(3 * a + 1, tf.contrib.framework.get_global_step(), 0.1, "SGD")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(train_op)
        assert session.run(step) == 1
