"""Reference variables in the loops: programs as TensorFlow 1 wrote them, against NumPy."""

import logging

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk

v1 = tf.compat.v1
rng = np.random.default_rng(0)
POINTS = rng.normal(size=(30, 4)).astype(np.float32)
WORDS = rng.integers(0, 7, 30).astype(np.int32)
TARGETS = rng.normal(size=(30, 3)).astype(np.float32)
KERNEL = rng.normal(size=(4, 3)).astype(np.float32)
TABLE = rng.normal(size=(7, 3)).astype(np.float32)
EXACT = ("feed", "chunks", "resident")
BATCH, RATE, DECAY = 8, 0.1, 0.75
# The initial value of an average is a branch, and no function can read a reference variable without a value:
# such a program starts only where TensorFlow 1's control flow is on.
AVERAGES = not v1.control_flow_v2_enabled()


def program(optimizer):
    """A network without graphkit: sparse gradients, moving averages by hand; returns (loss, data)."""
    points, words = v1.placeholder(tf.float32, (None, 4)), v1.placeholder(tf.int32, (None,))
    targets = v1.placeholder(tf.float32, (None, 3))
    v1.train.get_or_create_global_step()
    kernel, table = v1.get_variable("kernel", initializer=KERNEL), v1.get_variable("table", initializer=TABLE)
    mean = v1.get_variable("mean", initializer=np.ones(3, np.float32), trainable=False)
    count = v1.get_variable("count", initializer=np.int64(0), trainable=False)
    outputs = tf.matmul(points, kernel) + tf.nn.embedding_lookup(table, words)
    moved = v1.assign(mean, mean * DECAY + tf.reduce_mean(outputs, 0) * (1 - DECAY))
    updates = [moved, v1.assign_add(count, 2)]
    if AVERAGES:
        updates.append(v1.train.ExponentialMovingAverage(DECAY).apply([kernel]))
    for update in updates:
        v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, update)
    # Reads the mean as it was before the step.
    loss = tf.reduce_mean(tf.square(outputs - mean - targets))
    return loss, {points: POINTS, words: WORDS, targets: TARGETS}, optimizer()


def trained(optimizer, execution, logdir=None, epochs=2, resume=False, **options):
    with tf.Graph().as_default(), v1.variable_scope("", use_resource=False):
        loss, data, made = program(optimizer)
        assert "VariableV2" in {op.type for op in loss.graph.get_operations()}
        with gk.Trainer(loss, made, seed=3, logdir=logdir, metrics={"loss_again": loss}) as trainer:
            history = trainer.fit(
                data,
                epochs=epochs,
                batch_size=BATCH,
                progress=False,
                execution=execution,
                resume=resume,
                **options,
            )
            values = trainer.session.run({v.op.name: v for v in v1.global_variables()})
            assert trainer.session.run(trainer.training_step.global_step) == trainer.step
            weights, ran = trainer.weights(), trainer.runner.execution
            evaluated = trainer.evaluate(data)["loss"]
            plan = trainer.plan
        assert all(np.array_equal(weights[name], values[name]) for name in weights)
    return {name: np.array(value) for name, value in values.items()}, history["loss"], ran, evaluated, plan


def reference(plan, step, epochs=2):
    """The same training in NumPy; `step` is a function (name, weight, gradient) -> new weight."""
    weights = {"kernel": KERNEL.astype(float), "table": TABLE.astype(float)}
    mean, average, losses = np.ones(3), KERNEL.astype(float), []
    for epoch in range(epochs):
        for rows in plan.epoch(epoch):
            outputs = POINTS[rows] @ weights["kernel"] + weights["table"][WORDS[rows]]
            wrong = outputs - mean - TARGETS[rows]
            losses.append((np.mean(wrong**2), len(rows)))
            slope = 2 * wrong / wrong.size
            table = np.zeros_like(TABLE, float)
            np.add.at(table, WORDS[rows], slope)
            mean = mean * DECAY + outputs.mean(0) * (1 - DECAY)
            average = average - (1 - DECAY) * (average - weights["kernel"])
            weights["kernel"] = step("kernel", weights["kernel"], POINTS[rows].T @ slope)
            weights["table"] = step("table", weights["table"], table)
    steps = len(plan)
    last = [loss * size for loss, size in losses[-steps:]]
    expected = {**weights, "mean": mean}
    if AVERAGES:
        expected["kernel/ExponentialMovingAverage"] = average
    return expected, sum(last) / sum(size for _, size in losses[-steps:])


def descent(name, weight, gradient):
    return weight - RATE * gradient


def momentum():
    speeds = {"kernel": np.zeros_like(KERNEL, float), "table": np.zeros_like(TABLE, float)}

    def step(name, weight, gradient):
        seen = gradient.any(axis=1, keepdims=True)  # rows that nobody looked up rest, and keep their speed
        speeds[name] = np.where(seen, 0.9 * speeds[name] + gradient, speeds[name])
        return weight - RATE * np.where(seen, speeds[name], 0.0)

    return step


def adam():
    state = {"kernel": [0, 0.0, 0.0], "table": [0, 0.0, 0.0]}

    def step(name, weight, gradient):
        number, m, v = state[name]
        number, m, v = number + 1, 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        state[name] = [number, m, v]
        rate = RATE * np.sqrt(1 - 0.999**number) / (1 - 0.9**number)
        return weight - rate * m / (np.sqrt(v) + 1e-8)

    return step


OPTIMIZERS = {
    "descent": (lambda: v1.train.GradientDescentOptimizer(RATE), lambda: descent),
    "momentum": (lambda: v1.train.MomentumOptimizer(RATE, 0.9), momentum),
    "adam": (lambda: v1.train.AdamOptimizer(RATE), adam),
}


@pytest.mark.grid
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_program_of_reference_variables_trains_in_all_executions(name):
    optimizer, step = OPTIMIZERS[name]
    runs = {execution: trained(optimizer, execution) for execution in (*EXACT, "compiled")}
    assert [run[2] for run in runs.values()][:3] == list(EXACT)
    # XLA does not have SparseApplyMomentum.
    assert (runs["compiled"][2] == "compiled") == (name != "momentum")
    values, losses, _, evaluated, plan = runs["feed"]
    expected, loss = reference(plan, step())
    for key, value in expected.items():
        np.testing.assert_allclose(values[key], value, rtol=2e-4, atol=2e-5)
    assert values["count"] == 16
    np.testing.assert_allclose(losses[-1], loss, rtol=1e-4)
    for execution in EXACT[1:]:
        assert runs[execution][1] == losses and runs[execution][3] == evaluated
        assert all(np.array_equal(value, values[key]) for key, value in runs[execution][0].items())
    for key, value in runs["compiled"][0].items():
        np.testing.assert_allclose(value, values[key], rtol=2e-3, atol=1e-4)


@pytest.mark.slow
def test_a_run_of_reference_variables_resumes_to_the_same_bits(tmp_path):
    adam_optimizer = OPTIMIZERS["adam"][0]
    complete = trained(adam_optimizer, "chunks", epochs=3)
    trained(adam_optimizer, "feed", tmp_path, epochs=1)
    resumed = trained(adam_optimizer, "chunks", tmp_path, epochs=3, resume=True)
    assert all(np.array_equal(value, resumed[0][name]) for name, value in complete[0].items())
    assert resumed[1] == complete[1]
    with tf.Graph().as_default(), v1.variable_scope("", use_resource=True):
        program(adam_optimizer)
        names = {v.op.name for v in v1.global_variables()}
    saved = {name for name, _ in tf.train.list_variables(str(tmp_path))}
    assert saved >= names and not [name for name in saved if "stand_in" in name]


def with_state(make, value=1.0):
    """Returns (trainer, data, the reference variable) of a loss that `make` makes of (rows, variable)."""
    rows = gk.feature_input(2)
    with v1.variable_scope("", use_resource=False):
        state = v1.get_variable("state", initializer=np.full(2, value, np.float32), trainable=False)
        weight = v1.get_variable("weight", initializer=np.float32(1))
        loss = make(rows, state) + tf.reduce_mean(rows) * weight
        return gk.Trainer(loss, v1.train.GradientDescentOptimizer(0.0)), {rows: POINTS[:24, :2]}, state


def test_what_a_program_assigns_between_two_fits_is_what_the_next_one_starts_from():
    def counted(rows, state):
        v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, v1.assign_add(state, [1.0, 2.0]))
        return tf.reduce_sum(state.read_value()) * 0.0

    trainer, data, state = with_state(counted)
    with trainer:
        for execution in (*EXACT, "compiled"):
            state.load(np.zeros(2, np.float32), trainer.session)
            trainer.fit(data, epochs=1, batch_size=BATCH, progress=False, execution=execution)
            np.testing.assert_array_equal(trainer.session.run(state), [3.0, 6.0])


# Each takes a state that is 1 at first, adds 1 in each step and returns its mean before the step.
def value_of_a_write(rows, state):
    return tf.reduce_sum(v1.assign_add(state, [1.0, 1.0])) / 2 - 1


def chain_of_writes(rows, state):
    chain = v1.assign_sub(v1.assign(state, state * 2), state - 1)
    return tf.reduce_sum(v1.scatter_add(chain, [0], [0.0])) / 2 - 1


def read_before(rows, state):
    v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, v1.scatter_update(state, [0, 1], state + 1))
    return tf.reduce_mean(state)


def assert_state_counts(make, executions):
    """Trains for three steps in each execution, which read the state as 1, 2, 3 and leave it at 4."""
    for execution in executions:
        with tf.Graph().as_default():
            trainer, data, state = with_state(make)
            with trainer:
                history = trainer.fit(
                    data, batch_size=BATCH, shuffle=False, progress=False, execution=execution
                )
                assert trainer.runner.execution == execution
                np.testing.assert_array_equal(trainer.session.run(state), [4.0, 4.0])
                expected = 2.0 + POINTS[:24, :2].mean()  # the mean of 1, 2, 3
                np.testing.assert_allclose(history["loss"], [expected], rtol=1e-5)


@pytest.mark.grid
@pytest.mark.parametrize("make", [value_of_a_write, chain_of_writes, read_before])
def test_reads_and_writes_of_references(make):
    assert_state_counts(make, (*EXACT, "compiled"))


@pytest.mark.skipif(v1.control_flow_v2_enabled(), reason="no function can write a reference variable")
def test_branches_of_tensorflow_1_that_write_and_read_references():
    def branches(rows, state):
        large = tf.reduce_mean(state) > 1.5
        moved = tf.cond(large, lambda: v1.assign_add(state, [1.0, 1.0]), lambda: v1.assign(state, [2.0, 2.0]))
        v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, moved)
        _, total = tf.while_loop(
            lambda i, _: i < 2, lambda i, sum_: (i + 1, sum_ + state / 2), (0, tf.zeros(2))
        )
        return tf.cond(large, lambda: tf.reduce_mean(state), lambda: tf.reduce_mean(total))

    assert_state_counts(branches, EXACT)


def test_what_has_no_counterpart_is_fed_and_named(caplog):
    def temporary(rows, state):
        made = tf.raw_ops.TemporaryVariable(shape=[2], dtype=tf.float32, var_name="work")
        filled = tf.raw_ops.Assign(ref=made, value=state)
        return tf.reduce_sum(tf.raw_ops.DestroyTemporaryVariable(ref=filled, var_name="work")) * 0.0

    caplog.set_level(logging.INFO, "graphkit")
    trainer, data, _ = with_state(temporary)
    with trainer:
        trainer.fit(data, batch_size=BATCH, progress=False)
        assert trainer.runner.execution == "feed"
    assert "no op does with a resource variable what" in caplog.text and "TemporaryVariable" in caplog.text
