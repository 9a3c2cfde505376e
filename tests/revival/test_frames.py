"""Loops of TensorFlow 1, as recurrent networks of that time have them."""

import numpy as np
import pytest
import tensorflow as tf
from revival import files

import graphkit as gk
from graphkit.graph import control_flow

v1 = tf.compat.v1
normal = files.normal


class Cell:
    """A recurrent cell as `dynamic_rnn` takes it, of two states, of which the model takes one."""

    state_size, output_size = (5, 5), 5

    def zero_state(self, batch_size, dtype):
        return (tf.zeros((batch_size, 5), dtype),) * 2

    def __call__(self, inputs, state, scope=None):
        kernel = v1.get_variable("kernel", (8, 5))
        bias = v1.get_variable("bias", (5,), initializer=v1.zeros_initializer())
        gate = tf.nn.bias_add(tf.matmul(tf.concat([inputs, state[0]], 1), kernel), bias)
        memory = 0.5 * state[1] + gate
        output = tf.tanh(memory * v1.get_variable("peephole", (5,)))
        return output, (output, memory)


def network():
    words = v1.placeholder(tf.float32, (None, 6, 3), name="words")
    lengths = v1.placeholder(tf.int32, (None,), name="lengths")
    before = tf.tensordot(words, v1.get_variable("before", (3, 3)), 1)
    with v1.variable_scope("rnn"):
        _, state = v1.nn.dynamic_rnn(Cell(), before, lengths, dtype=tf.float32)
    return tf.matmul(state[0], v1.get_variable("after", (5, 2)), name="output")


NAMES = {"before", "rnn/rnn/kernel", "rnn/rnn/bias", "rnn/rnn/peephole", "after"}


def feed():
    return {"words": normal(7, 6, 3), "lengths": np.array([1, 6, 3, 2, 5, 4, 6], np.int32)}


@pytest.mark.grid
@pytest.mark.parametrize(
    ("kind", "with_handles"),
    [
        ("frozen", False),
        ("meta", True),
        pytest.param("frozen", True, marks=pytest.mark.slow),
        pytest.param("meta", False, marks=pytest.mark.slow),
    ],
)
def test_recurrent_networks_have_the_same_gradients(kind, with_handles, tmp_path):
    (v1.enable_resource_variables if with_handles else v1.disable_resource_variables)()
    try:
        with control_flow.of_functions(False):
            output = network()
            variables = v1.trainable_variables()
            gradients = tf.gradients(tf.reduce_sum(tf.square(output)), variables)
    finally:
        v1.enable_resource_variables()
    with files.open_session() as session:
        wanted = session.run([output, *gradients], {f"{name}:0": value for name, value in feed().items()})
        save = files.save_meta if kind == "meta" else lambda s, path: files.freeze(s, [output], path)
        path = save(session, tmp_path / "model")
    with control_flow.of_functions(False):
        compare(path, variables, wanted)
    if not v1.control_flow_v2_enabled():
        return
    model = gk.revive(path, outputs="output")
    assert all("tensor arrays" in why for why in model.closed.values())
    assert [v.op.name for v in model.trainable()] == ["after"]


def compare(path, variables, wanted):
    model = gk.revive(path, outputs="output")
    assert {v.op.name for v in model.trainable()} == set(model.variables) == NAMES
    assert model.closed == {}
    assert "SaveV2" not in {op.type for op in model.graph.get_operations()}
    with model.graph.as_default():
        loss = tf.reduce_sum(tf.square(model.output))
        gradients = tf.gradients(loss, [model.variables[v.op.name] for v in variables])
        found = files.run(model, [model.output, *gradients], feed())
        for got, expected in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(got, expected)
        with gk.Trainer(loss, "sgd", 0.01, seed=2) as trainer:
            data = {model.inputs[name]: value for name, value in feed().items()}
            history = trainer.fit(data, epochs=4, batch_size=7, progress=False)
    assert history["loss"][-1] < history["loss"][0]


def test_constants_and_tensors_inside_a_loop(tmp_path):
    with control_flow.of_functions(False):
        net = tf.matmul(v1.placeholder(tf.float32, (None, 4), name="features"), weight("kernel"))
        _, net = v1.while_loop(
            lambda i, _: i < 3, lambda i, x: (i + 1, tf.matmul(x, weight("fixed"), name="product")), [0, net]
        )
    tf.identity(net, name="output")
    path = files.write(tmp_path / "graph.pb")
    model = gk.revive(path, outputs="output")
    assert set(model.variables) == {"kernel"}
    found = files.run(model, model.output, {"features": normal(2, 4)})
    kernel = 0.5 * normal(4, 4)
    np.testing.assert_allclose(found, normal(2, 4) @ kernel @ kernel @ kernel @ kernel, rtol=1e-4)
    for call in (lambda: model.cut("while/product"), lambda: gk.revive(path, outputs="while/product")):
        with pytest.raises(ValueError, match="an output must not be inside a branch or a loop"):
            call()


def test_what_is_before_a_loop_with_a_branch_inside_stays_and_what_is_after_it_is_trained(tmp_path):
    with control_flow.of_functions(False):
        net = tf.matmul(v1.placeholder(tf.float32, (None, 4), name="features"), weight("before"))
        inside = weight("inside")

        def body(i, x):
            return i + 1, v1.cond(i > 1, lambda: tf.tanh(tf.matmul(x, inside)), lambda: x)

        _, net = v1.while_loop(lambda i, _: i < 3, body, [0, net])
        tf.matmul(net, weight("after"), name="output")
    path = files.write(tmp_path / "graph.pb")
    model = gk.revive(path)
    assert [v.op.name for v in model.trainable()] == ["after"]
    assert "no gradient passes: what is before them is not trained (2):\n  while/Exit_1 " in model.report()
    with model.graph.as_default():
        loss = tf.reduce_mean(tf.square(model.output))
        with gk.Trainer(loss, "sgd", 0.1) as trainer:
            data = {model.inputs["features"]: normal(8, 4)}
            history = trainer.fit(data, epochs=3, batch_size=8, progress=False)
    assert history["loss"][-1] < history["loss"][0]


def weight(name):
    return tf.constant(0.5 * normal(4, 4), name=name)
