"""AdamW's arguments, and what optimizers write; their steps are in the golden table."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from references import fits_from_the_start, normal, run

import graphkit as gk
from graphkit.train import optimizers


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


@pytest.mark.grid
@pytest.mark.parametrize("clip_norm", [0.5, 1e6])
def test_clip_norm_takes_the_sum_of_the_rows_of_a_sparse_gradient(clip_norm, tmp_path):
    tokens, firsts = gk.token_input(4), gk.label_input()
    table = tf.compat.v1.get_variable("table", (5, 2), initializer=gk.zeros(), use_resource=True)
    weight = tf.compat.v1.get_variable("weight", (), initializer=gk.zeros(), use_resource=True)
    chosen, again = tf.nn.embedding_lookup(table, tokens), tf.nn.embedding_lookup(table, firsts)
    loss = tf.reduce_sum(chosen) + 3 * tf.reduce_sum(again) + 40 * weight
    numbers = (np.arange(64).reshape(16, 4) * 3 % 4).astype(np.int32)  # 4 rows, 16 times each
    gradient = np.zeros((5, 2), np.float32)
    np.add.at(gradient, numbers.ravel(), 1)
    np.add.at(gradient, numbers[:, 0], 3)
    factor = min(1, clip_norm / np.sqrt(np.square(gradient).sum() + 40**2))
    with gk.Trainer(loss, "sgd", learning_rate=1.0, clip_norm=clip_norm) as trainer:
        fit = fits_from_the_start(trainer, tmp_path)
        for execution in ("feed", "chunks", "resident", "compiled"):
            fit({tokens: numbers, firsts: numbers[:, 0]}, batch_size=16, execution=execution)
            assert trainer.runner.execution == execution
            after = trainer.weights()
            np.testing.assert_allclose(after["table"], -factor * gradient, rtol=1e-6, err_msg=execution)
            np.testing.assert_allclose(after["weight"], -factor * 40, rtol=1e-6, err_msg=execution)


@pytest.mark.grid
@pytest.mark.parametrize("accumulate", [1, 2])
def test_clip_value_cuts_each_number_of_the_gradients(accumulate, tmp_path):
    tokens = gk.token_input(4)
    table = tf.compat.v1.get_variable("table", (5, 2), initializer=gk.zeros(), use_resource=True)
    weight = tf.compat.v1.get_variable("weight", (3,), initializer=gk.zeros(), use_resource=True)
    factors = np.array([[1.0, -2.0]], np.float32)
    loss = tf.reduce_sum(factors * tf.nn.embedding_lookup(table, tokens))
    loss += tf.reduce_sum(weight * np.float32([20, -30, 1]))
    numbers = (np.arange(64).reshape(16, 4) % 8 // 2).astype(np.int32) * np.int32([1, 1, 1, 0])
    counts = np.bincount(numbers.ravel(), minlength=5)[:, None]  # the rows of an index are summed, then cut
    expected = {"table": -np.clip(counts * factors, -12, 12), "weight": [-12, 12, -1]}
    options = {"clip_value": 12.0, "accumulate": accumulate}
    with gk.Trainer(loss, "sgd", learning_rate=1.0, **options) as trainer:
        fit = fits_from_the_start(trainer, tmp_path)
        for execution in ("feed", "chunks", "resident", "compiled"):
            fit({tokens: np.tile(numbers, (accumulate, 1))}, batch_size=16, execution=execution)
            after = trainer.weights()
            for name, value in expected.items():
                np.testing.assert_allclose(after[name], value, rtol=1e-6, err_msg=execution)


def test_clipping_in_two_manners_is_refused():
    loss = tf.reduce_mean(gk.dense(gk.feature_input(1), 1))
    with pytest.raises(ValueError, match="^Trainer: give clip_norm or clip_value, not both"):
        gk.Trainer(loss, clip_norm=1.0, clip_value=1.0)
    with pytest.raises(ValueError, match="^Trainer: clip_value .*above 0"):
        gk.Trainer(loss, clip_value=0)


class OwnDescent(tf.compat.v1.train.GradientDescentOptimizer):
    """An optimizer that graphkit does not know."""


DESCENTS = {"name": "sgd", "object": tf.compat.v1.train.GradientDescentOptimizer(1.0), "own": OwnDescent(1.0)}


@pytest.mark.grid
@pytest.mark.parametrize("kind", DESCENTS)
def test_rows_that_repeat_are_summed_in_one_order(kind, tmp_path):
    # So many that TensorFlow shares them among threads.
    numbers = np.random.default_rng(0).integers(0, 7, 20_000).astype(np.int32)
    factors = normal(20_000, 8)
    gradient = np.zeros((7, 8), np.float32)
    np.add.at(gradient, numbers, factors)  # one row after the other
    tokens, factor = gk.label_input(), gk.feature_input(8)
    table = tf.compat.v1.get_variable("table", (7, 8), initializer=gk.zeros(), use_resource=True)
    loss = tf.reduce_sum(tf.nn.embedding_lookup(table, tokens) * factor)
    threads = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=8)
    rate = 1.0 if kind == "name" else None
    with gk.Trainer(loss, DESCENTS[kind], rate, session_config=threads) as trainer:
        fit = fits_from_the_start(trainer, tmp_path)
        for execution in ("feed", "chunks", "resident", "compiled"):
            fit({tokens: numbers, factor: factors}, batch_size=20_000, shuffle=False, execution=execution)
            assert trainer.runner.execution == execution
            exact = dict(rtol=1e-5, atol=1e-4) if execution == "compiled" else dict(rtol=0, atol=0)
            np.testing.assert_allclose(trainer.weights()["table"], -gradient, err_msg=execution, **exact)


def test_a_sparse_gradient_is_summed_for_a_scaled_loss():
    table = tf.compat.v1.get_variable("table", (3, 2), initializer=gk.zeros(), use_resource=True)
    gradient = tf.IndexedSlices(tf.ones((4, 2)), tf.constant([2, 0, 2, 2]), tf.constant([3, 2]))
    optimizer = optimizers.with_loss_scaling(tf.compat.v1.train.GradientDescentOptimizer(1.0))
    ((summed, variable),) = optimizers.ready(optimizer, [(gradient, table)], optimizers.clipping(None, None))
    assert variable is table
    values, indices = run([summed.values, summed.indices])
    np.testing.assert_array_equal(indices, [2, 0])
    np.testing.assert_array_equal(values, [[3, 3], [1, 1]])


@pytest.mark.slow
def test_optimizers_warn_of_no_deprecated_call_inside_tensorflow():
    # TensorFlow warns once in a process, so this needs one of its own.
    program = """
import tensorflow as tf
import graphkit as gk

for name in ("adagrad", "rmsprop", "adadelta"):
    with tf.Graph().as_default():
        gk.Trainer(gk.l2_loss(gk.dense(tf.ones((1, 2)), 2)), name).close()
tf.get_logger().warning("use of x is deprecated")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    written = [line for line in done.stderr.splitlines() if "deprecated" in line]
    assert len(written) == 1 and written[0].endswith("use of x is deprecated")


def table_problem(constraint, kind=True):
    """Returns (table, {placeholder: examples}, loss) of an embedding with rows that repeat."""
    tokens, targets = gk.token_input(3), tf.compat.v1.placeholder(tf.float32, (None,))
    table = tf.compat.v1.get_variable(
        "table",
        (6, 2),
        initializer=tf.compat.v1.constant_initializer(0.4),
        use_resource=kind,
        constraint=constraint,
    )
    loss = gk.l2_loss(tf.reduce_sum(tf.nn.embedding_lookup(table, tokens), [1, 2]) - targets)
    rng = np.random.default_rng(1)
    data = {tokens: rng.integers(0, 5, (24, 3)), targets: 9 * rng.normal(size=24).astype(np.float32)}
    return table, data, loss


def unit_rows(table):
    return tf.clip_by_norm(table, 0.5, axes=[1])


FEW = ("sgd", "adam")
ALL = [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in optimizers.OPTIMIZERS]


@pytest.mark.parametrize("optimizer", ALL)
def test_a_constraint_of_an_embedding_is_applied_after_each_update(optimizer):
    found = {}
    for constraint in (None, unit_rows):
        with tf.Graph().as_default():
            table, data, loss = table_problem(constraint)
            with gk.Trainer(loss, optimizer, 0.5) as trainer:
                trainer.fit(data, batch_size=24, progress=False)
                slots = {
                    v.name: trainer.session.run(v) for v in trainer.training_step.variables if v is not table
                }
                found[constraint] = slots, trainer.session.run(table)
    (free_slots, free), (slots, kept) = found[None], found[unit_rows]
    norms = np.linalg.norm(free, axis=1, keepdims=True)
    assert (norms > 0.5).any()
    np.testing.assert_allclose(kept, free * np.minimum(1, 0.5 / norms), rtol=1e-6)
    assert slots.keys() == free_slots.keys() and all(np.array_equal(slots[n], free_slots[n]) for n in slots)


@pytest.mark.parametrize("is_resource", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_constraint_of_an_embedding_has_one_result_in_every_execution(is_resource):
    found = []
    for execution in ("feed", "chunks", "resident"):
        with tf.Graph().as_default():
            table, data, loss = table_problem(unit_rows, is_resource)
            with gk.Trainer(loss, "momentum", 0.05) as trainer:
                trainer.fit(data, batch_size=4, epochs=2, progress=False, execution=execution)
                assert trainer.runner.execution == execution
                found.append(trainer.session.run(table))
    assert np.linalg.norm(found[0], axis=1).max() < 0.501
    assert all(np.array_equal(found[0], other) for other in found)


@pytest.mark.slow
@pytest.mark.parametrize("ways", [{"accumulate": 2}, {"clip_norm": 1.0}, {"average_decay": 0.9}])
def test_a_constraint_of_an_embedding_holds_with_other_settings(ways):
    table, data, loss = table_problem(unit_rows)
    with gk.Trainer(loss, "sgd", 0.5, **ways) as trainer:
        trainer.fit(data, batch_size=4, progress=False)
        assert np.linalg.norm(trainer.session.run(table), axis=1).max() < 0.501


class Uncounted(tf.compat.v1.train.GradientDescentOptimizer):
    """Leaves it to others to count the step, as BERT's optimizer does."""

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        return super().apply_gradients(grads_and_vars, None, name)


class Twice(tf.compat.v1.train.GradientDescentOptimizer):
    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        update = super().apply_gradients(grads_and_vars, global_step, name)
        return tf.group(update, tf.compat.v1.train.get_global_step().assign_add(1))


def decayed(optimizer, is_resource=True):
    """Returns (loss, optimizer) of a graph whose masks and learning rate follow from the step."""
    rows, keep_prob = gk.feature_input(3), gk.keep_prob_input()
    step = tf.compat.v1.get_variable("global_step", (), tf.int64, trainable=False, use_resource=is_resource)
    tf.compat.v1.add_to_collection("global_step", step)
    weights = tf.compat.v1.get_variable("weights", (3, 2), use_resource=is_resource)
    loss = tf.reduce_mean(tf.square(tf.matmul(gk.dropout(rows, keep_prob), weights)))
    return loss, optimizer(tf.compat.v1.train.polynomial_decay(0.5, step, 6))


@pytest.mark.parametrize("is_resource", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_step_that_an_optimizer_does_not_count_is_counted(is_resource):
    found = {}
    counts = tf.compat.v1.train.GradientDescentOptimizer
    for optimizer, execution in ((counts, "feed"), (Uncounted, "feed"), (Uncounted, "chunks")):
        with tf.Graph().as_default():
            loss, made = decayed(optimizer, is_resource)
            with gk.Trainer(loss, made, seed=3) as trainer:
                data, keep = {"features": normal(12, 3)}, {"keep_prob": 0.5}
                trainer.fit(data, keep, 2, batch_size=4, progress=False, execution=execution)
                assert trainer.session.run(trainer.training_step.global_step) == 6
                found[optimizer, execution] = trainer.weights()["weights"].tobytes()
    assert len(set(found.values())) == 1


def test_a_step_that_is_counted_twice_is_refused():
    with pytest.raises(ValueError, match="^Trainer: each step must count global_step once, which a trainer"):
        gk.Trainer(*decayed(Twice))


def test_a_rate_that_is_fed_is_no_unused_placeholder():
    rate = tf.compat.v1.placeholder(tf.float32, (), "rate")
    tf.compat.v1.placeholder(tf.float32, (), "unused")
    loss = gk.mean_squared_error(gk.dense(gk.feature_input(2), 1), gk.feature_input(1, name="targets"))
    with pytest.raises(ValueError, match="unused_placeholder: unused") as raised:
        gk.Trainer(loss, tf.compat.v1.train.AdamOptimizer(rate * 0.1), strict=True)
    assert "unused_placeholder: rate" not in str(raised.value)


class Returns(tf.compat.v1.train.GradientDescentOptimizer):
    """Makes the update, and returns what a function of it returns."""

    def __init__(self, result):
        super().__init__(0.1)
        self.result = result

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        return self.result(lambda: super(Returns, self).apply_gradients(grads_and_vars, global_step))


def test_an_update_may_be_a_tensor_or_several():
    found = []
    for result in (
        lambda apply: apply(),
        lambda apply: [apply(), tf.constant(0)],
        lambda apply: tf.cond(tf.constant(True), lambda: tf.group(apply()), tf.no_op),
    ):
        with tf.Graph().as_default():
            loss, _ = decayed(lambda rate: None)
            with gk.Trainer(loss, Returns(result), seed=3) as trainer:
                data = {"features": normal(12, 3)}
                trainer.fit(data, batch_size=4, epochs=1, progress=False, execution="feed")
                found.append(trainer.weights()["weights"].tobytes())
    assert len(set(found)) == 1


@pytest.mark.parametrize("accumulate", [1, 2])
def test_several_ops_are_one_update_before_a_constraint_and_a_count(accumulate):
    found = []
    for result in (lambda apply: apply(), lambda apply: [apply(), tf.constant(0)]):
        with tf.Graph().as_default():
            tokens = gk.token_input(2)
            constraint = {"embeddings_constraint": lambda rows: tf.clip_by_value(rows, -0.1, 0.1)}
            loss = tf.reduce_mean((gk.embedding(tokens, 5, 3, **constraint) - 1.0) ** 2)
            with gk.Trainer(loss, Returns(result), seed=3, accumulate=accumulate) as trainer:
                data = {tokens: np.arange(24).reshape(12, 2) % 5}
                trainer.fit(data, batch_size=4, epochs=1, progress=False, execution="feed")
                (rows,) = trainer.weights().values()
                found.append(rows.tobytes())
                assert trainer.step == 3 and np.abs(rows).max() <= np.float32(0.1)
    assert len(set(found)) == 1


def test_an_optimizer_that_returns_no_update_is_refused():
    loss, _ = decayed(lambda rate: None)
    with pytest.raises(TypeError, match="^Trainer: the optimizer's apply_gradients must return the op"):
        gk.Trainer(loss, Returns(lambda apply: apply() and None))


def test_complex_variables_are_refused():
    weight = tf.compat.v1.get_variable("weight", initializer=tf.constant(1j, tf.complex64))
    loss = tf.reduce_mean(tf.abs(weight * tf.complex(gk.feature_input(2), 0.0)))
    with pytest.raises(ValueError, match="^Trainer: an optimizer trains real numbers: make a complex"):
        gk.Trainer(loss)
