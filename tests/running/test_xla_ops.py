"""XLA compiles only what it computes as TensorFlow's kernels do: all executions end, or refuse, alike."""

import logging
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit.graph import control_flow
from graphkit.running import steps, xla_ops

v1 = tf.compat.v1
SCRIPT = Path(__file__).parents[2] / "scripts" / "dev" / "compare_xla.py"
EXECUTIONS = ("feed", "chunks", "resident", "compiled")
NUMBERS = np.array([[0.5, 3e9], [-2.5, 1.5], [1e12, -1.0], [2.0, 0.25]] * 4, np.float32)
PLACES = np.arange(16, dtype=np.int32) % 4


def trained(make, execution, numbers=NUMBERS, places=PLACES):
    """Returns (weights after a training, reason of its execution, its execution).

    Args:
      make: function (rows of numbers, places, weights (2,)) -> the loss.
    """
    with tf.Graph().as_default(), control_flow.of_functions():
        x, at = v1.placeholder(tf.float32, (None, 2), "x"), v1.placeholder(tf.int32, (None,), "at")
        w = v1.get_variable("w", (2,), initializer=v1.ones_initializer(), use_resource=True)
        loss = make(x, at, w) + 0 * tf.reduce_sum(x * 0) * tf.cast(tf.size(at), tf.float32)
        with gk.Trainer(loss, "sgd", 0.1) as trainer:
            trainer.fit({x: numbers, at: places}, batch_size=4, execution=execution, progress=False)
            return trainer.session.run(w), trainer.runner.reason, trainer.runner.execution


def cast(x, at, w):
    return tf.reduce_mean(w * tf.cast(tf.cast(x, tf.int32), tf.float32) * 1e-9)


def cast_in_branch(x, at, w):
    chosen = tf.cond(tf.size(at) > 2, lambda: tf.cast(tf.cast(x, tf.int32), tf.float32), lambda: x)
    return tf.reduce_mean(w * chosen * 1e-9)


def cast_in_function(x, at, w):
    chosen = tf.function(lambda x: tf.cast(tf.cast(x, tf.int32), tf.float32), autograph=False)(x)
    return tf.reduce_mean(w * chosen * 1e-9)


def cast_in_loop(x, at, w):
    def body(i, total):
        return i + 1, total + tf.cast(tf.cast(x, tf.int32), tf.float32)

    total = tf.while_loop(lambda i, _: i < 2, body, (0, tf.zeros_like(x)))[1]
    return tf.reduce_mean(w * total * 1e-9)


def shift(x, at, w):
    return tf.reduce_mean(w * tf.cast(tf.bitwise.right_shift(2**30 + at, 29 + at), tf.float32)[:, None])


def lost_nan(x, at, w):
    """A maximum of NaN that comes second; the loss stays finite where XLA drops it."""
    missing = tf.where(x > 1e9, float("nan") * tf.ones_like(x), x)
    most = tf.maximum(tf.constant(0.0), missing)
    return tf.reduce_mean(w * tf.where(tf.math.is_nan(most), 3.0 * tf.ones_like(x), most * 0.5))


def lost_nan_of_rows(x, at, w):
    missing = tf.where(x > 1e9, float("nan") * tf.ones_like(x), x)
    most = tf.reduce_max(missing, axis=1, keepdims=True)
    least = tf.reduce_min(missing, axis=1, keepdims=True)
    kept = tf.where(tf.math.is_nan(most), 3.0 * tf.ones_like(most), most + least)
    return tf.reduce_mean(w * kept * 0.1)


def place_of_nan(x, at, w):
    missing = tf.where(x > 1e9, float("nan") * tf.ones_like(x), x)
    places = tf.argmax(missing, axis=1) + 2 * tf.argmin(missing, axis=1)
    return tf.reduce_mean(w * tf.cast(places, tf.float32)[:, None])


def ties(x, at, w):
    _, places = tf.nn.top_k(tf.zeros_like(x), 2, sorted=False)
    return tf.reduce_mean(w * tf.cast(places[:, :1] + 2 * places[:, 1:], tf.float32))


@pytest.mark.grid
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (cast, "XLA casts NaN and numbers out of range to other integers: Cast (Cast)"),
        (cast_in_branch, "XLA casts NaN and numbers out of range to other integers: Cast (Cast (in cond))"),
        (cast_in_function, "XLA casts NaN and numbers out of range to other integers: Cast (Cast (in "),
        (cast_in_loop, "XLA casts NaN and numbers out of range to other integers: Cast (Cast (in while))"),
        (shift, "XLA shifts by too many bits to other numbers: RightShift (RightShift)"),
        (ties, "XLA takes ties and NaN in another order: TopKV2 (TopKV2)"),
        (lost_nan, None),
        (lost_nan_of_rows, None),
        (place_of_nan, None),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_all_executions_end_with_the_same_weights(make, reason):
    expected = trained(make, "feed")[0]
    assert np.isfinite(expected).all() and not np.array_equal(expected, [1, 1])
    for execution in EXECUTIONS[1:]:
        weights, why, taken = trained(make, execution)
        np.testing.assert_allclose(weights, expected, rtol=1e-5, err_msg=execution)
        if execution == "compiled":
            assert (taken == "compiled") == (reason is None)
            assert why == reason or why.startswith(reason)


def asserts(x, at, w):
    with tf.control_dependencies([tf.debugging.assert_less(at, 3)]):
        return tf.reduce_mean(w * tf.identity(x))


def asserts_in_branch(x, at, w):
    def checked():
        with tf.control_dependencies([tf.debugging.assert_less(at, 3)]):
            return tf.identity(x)

    return tf.reduce_mean(w * tf.cond(tf.size(at) > 2, checked, lambda: 2 * x))


def asserts_in_function(x, at, w):
    @tf.function(autograph=False)
    def checked(x, at):
        with tf.control_dependencies([tf.debugging.assert_less(at, 3)]):
            return tf.identity(x)

    return tf.reduce_mean(w * checked(x, at))


def checks_numerics(x, at, w):
    return tf.reduce_mean(w * tf.where(at[:, None] < 9, x, tf.debugging.check_numerics(x / 0.0, "infinite")))


def index(x, at, w):
    return tf.reduce_mean(w * tf.gather(tf.constant([1.0, 2.0, 3.0]), at + 1)[:, None])


def index_of_variable(x, at, w):
    return tf.reduce_mean(tf.gather(w, at - 2))


def index_in_branch(x, at, w):
    table = tf.constant([1.0, 2.0, 3.0])
    found = tf.cond(tf.size(at) > 2, lambda: tf.gather(table, at), lambda: tf.cast(at, tf.float32))
    return tf.reduce_mean(w * found[:, None])


def scattered(x, at, w):
    return tf.reduce_mean(w * tf.scatter_nd(at[:, None], x, [3, 2]))


def segments(x, at, w):
    return tf.reduce_mean(w * tf.math.unsorted_segment_sum(x, at, 3))


def labels(x, at, w):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(at - 2, w * x * 1e-12))


def divides(x, at, w):
    return tf.reduce_mean(w * tf.cast(7 // at, tf.float32)[:, None])


def slices(x, at, w):
    return tf.reduce_mean(w * x[at[0] + 9])


REFUSED = [
    (asserts, "XLA leaves it out: Assert (assert_less/"),
    (asserts_in_branch, "XLA leaves it out: Assert (assert_less/"),
    (asserts_in_function, "XLA leaves it out: Assert (assert_less/"),
    (checks_numerics, "XLA leaves it out: CheckNumerics (CheckNumerics)"),
    (index, f"{xla_ops.INDEX}: GatherV2 (GatherV2)"),
    (index_of_variable, f"{xla_ops.INDEX}: ResourceGather ("),
    (index_in_branch, f"{xla_ops.INDEX}: GatherV2 (GatherV2 (in cond))"),
    (scattered, f"{xla_ops.INDEX}: ScatterNd (ScatterNd)"),
    (segments, f"{xla_ops.INDEX}: UnsortedSegmentSum (UnsortedSegmentSum)"),
    (labels, f"{xla_ops.INDEX}: SparseSoftmaxCrossEntropyWithLogits ("),
    (divides, f"{xla_ops.DIVISOR}: FloorDiv (floordiv)"),
    (slices, f"{xla_ops.INDEX}: StridedSlice (strided_slice"),
]


@pytest.mark.grid
@pytest.mark.parametrize(("make", "reason"), REFUSED, ids=lambda value: getattr(value, "__name__", ""))
def test_what_a_kernel_refuses_is_refused_in_all_executions(make, reason, caplog):
    caplog.set_level(logging.INFO, "graphkit")
    kinds = []
    for execution in EXECUTIONS:
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            trained(make, execution)
        kinds.append(caught.type)
    assert len(set(kinds)) == 1
    assert f"({reason}" in caplog.text
    assert 'execution "compiled"' not in caplog.text


def test_auto_keeps_the_plain_loop_and_says_why(caplog):
    caplog.set_level(logging.INFO, "graphkit")
    with tf.Graph().as_default(), control_flow.of_functions():
        x = gk.feature_input(2)
        w = v1.get_variable("w", (2,), use_resource=True)
        with tf.control_dependencies([tf.debugging.assert_less(x, 9.0)]):
            loss = tf.reduce_mean(w * x)
        with gk.Trainer(loss) as trainer:
            trainer.fit({x: np.ones((8, 2))}, batch_size=4, epochs=150, progress=False)
    assert "(XLA leaves it out: Assert (Assert (in assert_less/" in caplog.text


def proven(x, at, w):
    """Indices, divisors, shifts and casts that lie inside, whatever is fed."""
    table = tf.constant([1.0, 2.0, 3.0, 4.0])
    found = (
        tf.gather(table, at) + tf.gather(table, (at + 5) % 4) + tf.gather(table, tf.clip_by_value(at, 0, 3))
    )
    found += tf.gather(w, tf.minimum(at, 1)) + tf.gather(found, tf.range(tf.shape(found)[0]))
    found += tf.cast(tf.cast(tf.cast(at < 2, tf.float32) * 9, tf.int32) // tf.maximum(at, 1), tf.float32)
    rows = tf.gather_nd(x, tf.stack([tf.range(tf.shape(x)[0]), at // 2], axis=1))
    _, places = tf.unique(at)
    sums = tf.math.unsorted_segment_sum(rows, places, tf.shape(at)[0])
    best = tf.gather(w, tf.argmax(x, axis=1))
    inside = tf.cond(tf.size(at) > 2, lambda: tf.gather(table, at % 4), lambda: tf.cast(at, tf.float32))
    cross = tf.nn.sparse_softmax_cross_entropy_with_logits(at, x[:, :1] * 1e-12 * w[0] * tf.ones((1, 4)))
    return tf.reduce_mean(w[0] * found + inside * w[1] + cross + best) + 1e-12 * tf.reduce_mean(sums * w[1])


def test_what_cannot_be_out_of_range_is_compiled():
    expected = trained(proven, "feed")[0]
    weights, reason, taken = trained(proven, "compiled")
    assert (taken, reason) == ("compiled", None)
    np.testing.assert_allclose(weights, expected, rtol=1e-5)


def test_augmented_indices_are_not_compiled(caplog):
    caplog.set_level(logging.INFO, "graphkit")
    with tf.Graph().as_default():
        at = v1.placeholder(tf.int32, (None,), "at")
        w = v1.get_variable("w", (), use_resource=True)
        table = tf.constant([1.0, 2.0, 3.0])
        with gk.Trainer(tf.reduce_mean(w * tf.gather(table, at))) as trainer:
            options = {"batch_size": 4, "execution": "compiled", "progress": False}
            with pytest.raises(tf.errors.InvalidArgumentError):
                trainer.fit({at: PLACES % 3}, augment={at: lambda rows, seed: rows + 1}, **options)
    assert "augmented indices (at:0) are not checked before the first step" in caplog.text


def test_xlas_reason_is_one_line_that_names_the_op(caplog):
    caplog.set_level(logging.INFO, "graphkit")

    def make(x, at, w):
        times = tf.reduce_sum(at)
        return tf.reduce_mean(w * tf.cond(times > 1, lambda: tf.tile(x, [times, 1]), lambda: x) * 1e-12)

    _, reason, taken = trained(make, "compiled")
    assert taken != "compiled" and reason.startswith("XLA cannot compile it: Input 1 to node `Tile")
    assert "\n" not in reason and "must be a compile-time constant" in reason


def test_messages_without_a_reason():
    assert steps.xla_message("Graph execution error:\n\n") == "no reason is given"
    assert steps.xla_message("") == "no reason is given"
    text = "Graph execution error:\n\nDetected unsupported operations when trying to compile graph a_1[] on "
    text += "XLA_CPU_JIT: Some (No kernel for node {{node step/Some}}){{node step/Some}}\nmore"
    assert steps.xla_message(text) == "Detected unsupported operations: Some (No kernel for node Some)"


@pytest.mark.slow
def test_the_tables_say_what_xla_does():
    command = [sys.executable, SCRIPT, "--brief", "--all"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]  # not 0 where the tables are wrong
    assert re.search(r"^Cast \| float32 to \w+, out of range \| differs", done.stdout, re.M)
    ops = {line.split(" | ")[0] for line in done.stdout.splitlines()}
    listed = {*xla_ops.SAME, *xla_ops.DIFFERS, *xla_ops.LOUDER, *xla_ops.REWRITTEN}
    assert listed - ops == {"VarHandleOp"}  # whose value is a handle
