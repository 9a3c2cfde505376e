"""Variables are read before they are written: one result in every run and execution."""

import numpy as np
import pytest
import tensorflow as tf
from references import fits_from_the_start

import graphkit as gk
from graphkit.graph import control_flow, walk
from graphkit.running import order

v1 = tf.compat.v1
POINTS = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
EXECUTIONS = ("feed", "chunks", "resident", "compiled")


def variable(name, value=0.0, **options):
    return v1.get_variable(name, (), initializer=v1.constant_initializer(value), use_resource=True, **options)


class Baseline:
    """A loss that is measured from a running baseline, which UPDATE_OPS move and copy."""

    def __init__(self):
        self.x = gk.feature_input(3)
        self.w, self.b = variable("w", 1.0), variable("b", 0.5, trainable=False)
        self.seen = variable("seen", trainable=False)
        self.mean = tf.reduce_mean(self.x * self.w)
        for update in (self.b.assign_add(0.25), self.b.assign(self.b * 0.5 + self.mean)):
            v1.add_to_collection("update_ops", update)
        v1.add_to_collection("update_ops", self.seen.assign(self.b.read_value() + 0.0))
        self.loss = (self.mean - self.b) ** 2

    @staticmethod
    def steps(batches, rate):
        """Returns ((w, b, seen), losses) by the rule: all reads, then the writes as they were made."""
        w, b, seen, losses = 1.0, 0.5, 0.0, []
        for rows in batches:
            mean = rows.mean() * w
            losses.append((mean - b) ** 2)
            w, b, seen = w - rate * 2 * (mean - b) * rows.mean(), b * 0.5 + mean, b
        return (w, b, seen), losses


def test_update_ops_write_after_all_have_read(tmp_path):
    problem = Baseline()
    expected, losses = problem.steps(POINTS.astype(np.float64).reshape(8, 8, 3), rate=0.5)
    with gk.Trainer(problem.loss, "sgd", learning_rate=0.5) as trainer:
        fit = fits_from_the_start(trainer, tmp_path)
        for execution in (*EXECUTIONS, *EXECUTIONS):
            _, history = fit({problem.x: POINTS}, batch_size=8, shuffle=False, execution=execution)
            assert trainer.runner.execution == execution
            got = trainer.session.run([problem.w, problem.b, problem.seen])
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6, err_msg=execution)
            np.testing.assert_allclose(history["loss"], [np.mean(losses)], rtol=1e-4)


def waits(*tensors):
    """Returns {name: names} of what the ops of the tensors must wait for."""
    found = order.Order(walk.ancestors(tensors), {}).waits
    return {write.name: [first.name for first in firsts] for write, firsts in found.items()}


def test_what_the_program_has_ordered_stays():
    b = variable("b")
    with tf.control_dependencies([b.assign_add(1.0)]):
        after = b.read_value()
    with tf.control_dependencies([after]):
        last = b.assign(2.0)
    assert waits(after, last) == {}


def test_a_write_waits_for_reads_that_do_not_wait_for_it():
    b = variable("b")
    read = tf.multiply(b, 2.0, name="double")
    write = b.assign_add(1.0, read_value=False, name="write")
    assert waits(read, write) == {write.name: ["double/ReadVariableOp"]}


def test_branches_and_loops_that_only_read_are_reads():
    b = variable("b")
    read = tf.cond(v1.placeholder(tf.bool, ()), lambda: b * 2.0, lambda: 0.0, name="branches")
    loop = tf.while_loop(lambda i, _: i < 2, lambda i, a: (i + 1, a + b), (0, 0.0), name="loop")[1]
    write = b.assign_add(1.0, read_value=False)
    names = sorted(waits(read, loop, write)[write.name])
    assert names == (
        ["branches", "loop"] if v1.control_flow_v2_enabled() else ["branches/Merge", "loop/Exit_1"]
    )


def test_two_variables_that_take_each_others_value_wait_for_both_reads():
    one, other = variable("one"), variable("other")
    first, second = one.read_value(), other.read_value()
    writes = [other.assign(first, read_value=False), one.assign(second, read_value=False)]
    expected = {writes[0].name: [second.op.inputs[0].op.name], writes[1].name: [first.op.inputs[0].op.name]}
    assert waits(*writes) == expected


def left(*tensors):
    """Returns the names of two ops that no wait can order, or None."""
    return order.Order(walk.ancestors(tensors), {}).description(copied=True)


def test_writes_of_one_variable_are_made_in_the_order_of_the_program():
    b = variable("b")
    writes = [b.assign(value, read_value=False, name=f"write{value}") for value in (1, 2, 3)]
    assert waits(*writes) == {"write2": ["write1"], "write3": ["write1", "write2"]}
    assert left(*writes) is None


def test_reference_variables_count(caplog):
    b = v1.get_variable("b", (), initializer=gk.zeros(), use_resource=False, trainable=False)
    w, x = variable("w"), gk.feature_input(3)
    first, second = (v1.assign(b, value, name=f"write{value}") for value in (1, 2))
    read = tf.multiply(b, 2.0)
    assert waits(read, first, second) == {"write1": ["b/read"], "write2": ["b/read", "write1"]}
    v1.add_to_collection("update_ops", tf.group(first, second))
    with gk.Trainer(tf.reduce_mean(x * w) + read, "sgd") as trainer:
        trainer.fit({x: POINTS}, progress=False)
        assert trainer.runner.execution != "feed"
        assert trainer.session.run(b) == 2  # the second write comes last
    assert "in any order" not in caplog.text


def test_what_writes_a_variable_waits_for_the_end_of_a_condition_of_tensorflow_1():
    with control_flow.of_functions(False):
        b = variable("b")
        condition = v1.placeholder(tf.bool, ())
        inside = tf.cond(condition, lambda: b.assign(1.0), lambda: b.assign(2.0))
        assert left(inside) is None  # one of the branches runs
        outside = b.assign(3.0, read_value=False, name="outside")
        assert left(inside, outside) is None and waits(inside, outside) == {"outside": ["cond/Merge"]}
        with tf.control_dependencies([inside]):
            later = b.assign(4.0, read_value=False)
        assert left(inside, later) is None


def scatter(*tensors):
    """Returns the name of an op that adds rows in any order, or None."""
    ops = walk.ancestors(tensors)
    return order.Order(ops, walk.library_of(ops)).scatter


@control_flow.of_functions()
def test_rows_that_may_repeat_are_noticed():
    table = v1.get_variable("table", (4, 2), use_resource=True)
    numbers, condition = gk.label_input(), v1.placeholder(tf.bool, ())

    def added(indices):
        return table.scatter_add(tf.IndexedSlices(tf.ones((2, 2)), indices))

    unique = tf.unique(numbers)[0]
    inside = tf.cond(condition, lambda: added(numbers), lambda: tf.convert_to_tensor(table), name="branch")
    assert scatter(added(numbers)) == "ResourceScatterAdd"
    assert scatter(inside) == "ResourceScatterAdd (in branch)"
    for indices in (unique, tf.identity(unique), tf.constant([3, 0])):
        assert scatter(added(indices)) is None
    assert scatter(added(tf.constant([3, 3]))) is not None
    assert scatter(tf.cond(condition, lambda: added(tf.unique(numbers)[0]), lambda: added(unique))) is None


def test_an_update_op_that_adds_rows_in_any_order_is_said_before_the_first_step(caplog):
    x, numbers, w = gk.feature_input(3), gk.label_input(), variable("w")
    counts = v1.get_variable("counts", (4,), initializer=gk.zeros(), use_resource=True, trainable=False)
    added = counts.scatter_add(tf.IndexedSlices(tf.reduce_sum(x, 1), numbers), name="count")
    v1.add_to_collection("update_ops", added)
    with gk.Trainer(tf.reduce_mean(x * w), "sgd") as trainer:
        for execution in EXECUTIONS:
            caplog.clear()
            data = {x: POINTS, numbers: np.arange(64, dtype=np.int32) % 4}
            trainer.fit(data, batch_size=64, progress=False, execution=execution)
            said = "writes rows of a variable in any order: two runs of one seed may differ" in caplog.text
            assert said == (trainer.runner.execution != "compiled"), execution


def test_no_circle_is_made():
    three, four = variable("three"), variable("four")
    with tf.control_dependencies([three.assign(1.0, read_value=False)]):
        late = four.read_value()
    with tf.control_dependencies([four.assign(1.0, read_value=False)]):
        later = three.read_value()
    assert len(waits(late, later)) == 1  # the other edge would close a circle
    assert left(late, later) is not None


@pytest.mark.grid
@pytest.mark.parametrize("build", [gk.mlp, gk.convnet])
def test_graphkits_own_graphs_need_no_more_waits(build):
    images, labels = gk.image_input(8, 8, 1), gk.label_input()
    loss = gk.softmax_cross_entropy(gk.dense(gk.batch_norm(build(images, 3)), 3), labels)
    with gk.Trainer(loss, "adam", accumulate=2) as trainer:
        step = trainer.training_step
        assert waits(step.update, *step.values) == {}


def test_where_the_order_cannot_be_fixed_it_is_said(caplog):
    problem = Baseline()
    python = tf.numpy_function(lambda x: x, [problem.mean], tf.float32)
    python.set_shape(())
    with gk.Trainer(problem.loss + 0 * python, "sgd") as trainer:
        trainer.fit({problem.x: POINTS}, progress=False)
    assert "read and write a variable in any order: two runs of one seed may differ" in caplog.text
