"""What is built after a trainer: predictions may be, a loop that builds is found, variables have no value."""

import re

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit.graph import control_flow
from graphkit.running import growth

V1 = tf.compat.v1
POINTS = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
HERE = r"test_growth\.py:\d+"


@pytest.fixture(scope="module")
def network():
    with tf.Graph().as_default():
        points, kinds = gk.feature_input(3), gk.label_input()
        logits = gk.dense(points, 2, name="logits")
        with gk.Trainer(gk.softmax_cross_entropy(logits, kinds), optimizer="sgd") as trainer:
            yield trainer, logits, {points: POINTS}, {points: POINTS, kinds: np.array([0, 1, 1, 0])}


@pytest.fixture(autouse=True)
def same_graph(network, monkeypatch):
    monkeypatch.setattr(growth, "RUNS", 3)
    monkeypatch.setattr(growth, "MOST_RUNS", 6)
    with network[0].graph.as_default():
        yield


LOOPS = {
    "predict": lambda trainer, logits, points: trainer.predict(tf.nn.softmax(logits), points),
    "session.run": lambda trainer, logits, points: trainer.session.run(tf.exp(logits), points),
    "eval": lambda trainer, logits, points: tf.exp(logits).eval(points, trainer.session),
}


@pytest.mark.parametrize("kind", LOOPS)
def test_a_loop_that_adds_ops_is_found_and_named(network, kind, caplog):
    trainer, logits, points, data = network
    turn = 0
    with pytest.raises(
        RuntimeError, match=rf"^Trainer: .*{HERE} adds ops to the graph again .*before the loop"
    ):
        for turn in range(100):  # noqa: B007
            LOOPS[kind](trainer, logits, points)
    assert turn == growth.MOST_RUNS - 1
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "adds ops to the graph again and again (3 times until now)" in warning
    assert warning.endswith("; after 6 times it is refused")
    assert trainer.weights() and trainer.evaluate(data)  # nothing is lost


def test_values_in_a_loop_are_loaded(network, caplog):
    trainer = network[0]
    for variable in (V1.trainable_variables("logits") * growth.RUNS)[: growth.RUNS]:
        trainer.session.run(variable.assign(trainer.session.run(variable)))
    assert "give values by variable.load(value, trainer.session)" in caplog.text
    caplog.clear()
    for variable in V1.trainable_variables("logits") * growth.RUNS:
        variable.load(trainer.session.run(variable), trainer.session)
    assert "again and again" not in caplog.text


@pytest.mark.parametrize(("execution", "runs"), [("feed", False), ("chunks", True)])
def test_a_callback_that_adds_ops_in_each_step_is_found(network, execution, runs):
    trainer, logits, points, data = network

    class Adds(gk.Callback):
        def on_run_end(self, trainer):
            made = tf.reduce_mean(logits)
            if runs:
                trainer.session.run(made, points)

    options = {"batch_size": 2, "progress": False, "execution": execution, "steps_per_run": 1}
    with pytest.raises(RuntimeError, match=f"{HERE} adds ops to the graph again"):
        trainer.fit(data, epochs=50, callbacks=[Adds()], **options)


def test_what_is_built_once_may_run_often(network):
    trainer, logits, points, _ = network
    later = tf.nn.softmax(logits)
    rows = [trainer.predict(later, points) for _ in range(2 * growth.RUNS)]
    assert all(np.array_equal(rows[0], row) for row in rows)
    for place in range(growth.RUNS - 1):  # a tensor for each class
        trainer.predict(logits[:, place], points)
    for _ in range(2 * growth.MOST_RUNS):  # before the values of tf.metrics of an epoch
        trainer.session.run(V1.local_variables_initializer())
    typed = compile(
        "trainer.session.run(tf.constant(1))", "<stdin>", "exec"
    )  # all such lines have one number
    for _ in range(2 * growth.MOST_RUNS):
        exec(typed, {"trainer": trainer, "tf": tf})


def test_variables_that_are_made_later_have_no_value_until_they_are_initialized(network):
    trainer, logits, points, _ = network
    scale = tf.Variable(2.0)
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(np.arange(2), np.array(["a", "b"])), "?"
    )
    named = table.lookup(tf.argmax(logits, 1))
    for tensor in (logits * scale, named):
        with pytest.raises(
            RuntimeError, match=rf"^Trainer: \w+ \(.*{HERE}\) was made after .*initializer in tr"
        ):
            trainer.predict(tensor, points)
    trainer.session.run([scale.initializer, V1.tables_initializer()])
    np.testing.assert_allclose(trainer.predict(logits * scale, points), 2 * trainer.predict(logits, points))
    assert set(trainer.predict(named, points)) <= {b"a", b"b"}


@pytest.mark.parametrize("optimizer", [V1.train.GradientDescentOptimizer, V1.train.AdamOptimizer])
def test_an_optimizer_of_its_own_is_refused(network, optimizer):
    trainer, _, _, data = network
    train_op = optimizer(0.1).minimize(trainer.training_step.loss)
    before = trainer.weights()["logits/kernel"]
    with pytest.raises(
        RuntimeError, match=rf"{HERE} makes an optimizer's update after .*gk\.Trainer\(loss, opt"
    ):
        trainer.session.run([trainer.training_step.loss, train_op], {p.name: v for p, v in data.items()})
    assert np.array_equal(trainer.weights()["logits/kernel"], before)
    kernel, bias = V1.trainable_variables()[:2]  # a dict of fetches may have keys that cannot be sorted
    found = trainer.session.run({kernel.op: kernel, bias.op: [bias, {"loss": kernel}]})
    assert np.array_equal(found[kernel.op], before)


def test_initial_values_are_not_given_again(network):
    trainer = network[0]
    before = trainer.weights()["logits/kernel"]
    with pytest.raises(
        RuntimeError, match=rf"^Trainer: .*{HERE} initializes variables again, .*leave this out"
    ):
        trainer.session.run(V1.global_variables_initializer())
    trainer.session.run([V1.local_variables_initializer(), tf.no_op()])
    bias = V1.trainable_variables("logits/bias")  # a part that is named
    trainer.session.run(V1.variables_initializer(bias))
    assert np.array_equal(trainer.weights()["logits/kernel"], before)


@pytest.mark.parametrize(
    ("collection", "noun"), [("REGULARIZATION_LOSSES", "a regularization loss"), ("UPDATE_OPS", "an update")]
)
def test_what_a_step_would_have_had_is_named_once(network, collection, noun, caplog):
    trainer, logits, points, data = network
    V1.add_to_collection(getattr(V1.GraphKeys, collection), tf.nn.l2_loss(V1.trainable_variables()[0]))
    trainer.evaluate(data)
    trainer.predict(tf.abs(logits), points)
    (text,) = [text for text in caplog.messages if "do not have it" in text]
    assert re.match(rf".*{HERE} makes {noun}.*: make it before the Trainer$", text)


@pytest.mark.slow
def test_a_gradient_that_changes_a_branch_is_named():
    with control_flow.of_functions(True), tf.Graph().as_default():
        points, kinds = gk.feature_input(3), gk.label_input()
        logits = gk.dense(points, 2)
        (kernel, _) = V1.trainable_variables()
        flag = V1.placeholder_with_default(True, ())
        branch = tf.cond(flag, lambda: tf.tanh(tf.matmul(points, kernel)), lambda: points[:, :2])
        with gk.Trainer(gk.softmax_cross_entropy(logits, kinds)) as trainer:
            (gradient,) = tf.gradients(branch, points)
            rule = (
                rf"{HERE} changes cond \(.*{HERE}\), which .*build this before the Trainer\. The session can"
            )
            for _ in range(2):
                with pytest.raises(RuntimeError, match=rule):
                    trainer.predict(gradient, {points: POINTS})
