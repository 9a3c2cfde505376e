"""Which values a placeholder takes, of examples and of what is fed in every step."""

import re

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit import checks
from graphkit.running import feeds, values

V1 = tf.compat.v1
CHECK = checks.Checker("fit")


def limits(dtype, rows):
    with tf.Graph().as_default():
        return values.Limits(V1.placeholder(dtype, (None,), "x"), rows.dtype, ())


LARGEST = float(np.finfo(np.float32).max)
TEXT = """x:0 takes text: fill what is missing, as by "", and convert numbers by str()"""
MOST = "whose largest number is"
EXAMPLES = [
    (tf.float32, np.array([0, 1e300]), "x:0 takes float32, whose largest number is 3.403e+38", "1e+300"),
    (tf.float32, np.array([0, -1e300]), "x:0 takes float32, whose largest number is 3.403e+38", "-1e+300"),
    (tf.float32, np.array([0, LARGEST * (1 + 1e-9)]), None, None),  # is rounded to the largest number
    (tf.float32, np.array([0, np.nan]), "x:0 must be finite", "nan"),
    (
        tf.float16,
        np.array([0, 1e6], np.float32),
        "x:0 takes float16, whose largest number is 6.55e+04",
        "1000000.0",
    ),
    (tf.float16, np.array([0, 70000]), "x:0 takes float16", "70000"),
    (tf.bfloat16, np.array([0, 1e39]), "x:0 takes bfloat16, whose largest number is 3.39e+38", "1e+39"),
    (tf.float32, np.array([0, 2.5], tf.bfloat16.as_numpy_dtype), None, None),
    (tf.int32, np.array([0, 2**40]), "x:0 takes int32", "1099511627776"),
    (tf.int64, np.array([0, 2**63], np.uint64), "x:0 takes int64", "9223372036854775808"),
    (
        tf.complex64,
        np.array([0, 1e300j]),
        "x:0 takes complex64, whose largest number is 3.403e+38",
        "1e+300j",
    ),
    (tf.complex64, np.array([0, complex(0, np.inf)]), "x:0 must be finite", "infj"),
    (tf.complex64, np.array([0, 1e300]), "x:0 takes complex64, whose largest number is 3.403e+38", "1e+300"),
    (tf.string, np.array(["a", b"b", "\u00e9"], object), None, None),
    (tf.string, np.array(["a", None], object), TEXT, "None"),
    (tf.string, np.array(["a", np.nan], object), TEXT, "nan"),
    (tf.string, np.array(["a", "\ud800"], object), "x:0 takes text that UTF-8 can encode", r"'\ud800'"),
]


@pytest.mark.parametrize(("dtype", "rows", "rule", "value"), EXAMPLES)
def test_a_value_that_the_placeholder_cannot_hold_is_refused_with_its_example(dtype, rows, rule, value):
    if rule is None:
        limits(dtype, rows).check(CHECK, rows, range(7, 7 + len(rows)))
        return
    with pytest.raises((ValueError, TypeError)) as caught:
        limits(dtype, rows).check(CHECK, rows, range(7, 7 + len(rows)))
    assert str(caught.value).startswith(f"fit: {rule}; received value=")
    assert value in str(caught.value) and str(caught.value).endswith("example=8")


ONE_HOT = np.eye(3)[[0, 1, 2]]
SUM = "which must be probabilities that add up to 1: where several classes are right at a time, use "
DOUBTS = [
    (tf.float32, np.array([2**24, 2**24 + 1]), "above 16777216 are rounded: .*; example 8 has 16777217$"),
    (tf.float32, np.array([-(2**24), -(2**63)]), None),  # a power of 2 is exact
    (tf.float16, np.array([2048, 2049], np.int32), "above 2048 are rounded: .*; example 8 has 2049$"),
    (tf.bfloat16, np.array([256, 257], np.uint16), "above 256 are rounded: .*; example 8 has 257$"),
    (tf.float64, np.array([0, 2**53 - 1]), None),
    (tf.int64, np.array([0, 2**62]), None),
    ("labels", ONE_HOT[1:] * 2 - 1, rf"{SUM}gk.sigmoid_cross_entropy; example 7 has \[-1.0, 1.0, -1.0\]$"),
    ("labels", np.array([[0, 1, 0], [1, 1, 0]]), rf"{SUM}.*; example 8 has \[1, 1, 0\]$"),
    ("labels", np.array([[0, 1, 0], [1, 1, 0]], np.uint8), rf"{SUM}.*; example 8 has \[1, 1, 0\]$"),
    ("labels", ONE_HOT, None),
    ("labels", ONE_HOT * 0.7 + 0.1, None),  # smoothed
    ("labels", (ONE_HOT * 0.7 + 0.1).astype(np.float16), None),
    ("labels", ONE_HOT * [[0], [1], [1]], None),  # an example that is left out
]


@pytest.mark.parametrize(("takes", "rows", "rule"), DOUBTS)
def test_a_value_that_is_hardly_meant_is_named_once(takes, rows, rule, caplog):
    if takes == "labels":
        labels = gk.one_hot_input(3, name="labels")
        gk.softmax_cross_entropy(gk.dense(gk.feature_input(2), 3), labels)
        taken = values.Limits(labels, rows.dtype, ())
    else:
        taken = limits(takes, rows)
    for _ in range(2):
        taken.check(CHECK, rows, range(7, 7 + len(rows)))
    assert len(caplog.messages) == (rule is not None)
    assert rule is None or re.search(rule, caplog.messages[0])


OTHER = "in which the value would be another"
CONSTANTS = [  # dtype, value, what is fed or the rule by which it is refused
    (tf.int32, 2.7, f"p:0 takes int32, {OTHER}"),
    (tf.int32, 2**40 + 5, f"p:0 takes int32, {OTHER}"),
    (tf.int32, np.nan, f"p:0 takes int32, {OTHER}"),
    (tf.int32, "3", "p:0 takes int32"),
    (tf.int32, None, "p:0 takes int32"),
    (tf.int32, [[1], [2, 3]], "p:0 takes int32"),
    (tf.int32, 2.0, 2),
    (tf.int32, True, 1),
    (tf.int64, 2**53 + 1, 2**53 + 1),
    (tf.int64, np.uint64(2**63), f"p:0 takes int64, {OTHER}"),
    (tf.uint8, -1, f"p:0 takes uint8, {OTHER}"),
    (tf.bool, "False", "p:0 takes bool"),
    (tf.bool, 2, f"p:0 takes bool, {OTHER}"),
    (tf.bool, 1, True),
    (tf.float32, "2.5", "p:0 takes float32"),
    (tf.float32, None, "p:0 takes float32"),
    (tf.float32, 1e300, "p:0 takes float32, whose largest number is 3.403e+38"),
    (tf.float32, np.nan, "p:0 must be finite"),
    (tf.float32, 0.1, np.float32(0.1)),
    (tf.float32, [1, 2.5], [1, 2.5]),
    (tf.float16, 70000, "p:0 takes float16, whose largest number is 6.55e+04"),
    (tf.complex64, 1j, 1j),
    (tf.complex64, [np.nan], "p:0 must be finite"),
    (tf.string, 3, TEXT.replace("x:0", "p:0")),
    (tf.string, None, TEXT.replace("x:0", "p:0")),
    (tf.string, ["a", b"b\0"], ["a", b"b\0"]),
]


@pytest.mark.parametrize(("dtype", "value", "expected"), CONSTANTS)
def test_what_is_fed_in_every_step_keeps_its_value_or_is_refused(dtype, value, expected):
    with tf.Graph().as_default():
        placeholder = V1.placeholder(dtype, None, "p")
    if not isinstance(expected, str):
        fed = values.as_constant(CHECK, placeholder, value)
        assert fed.dtype == dtype.as_numpy_dtype and fed.tolist() == np.asarray(expected, fed.dtype).tolist()
        return
    with pytest.raises((ValueError, TypeError)) as caught:
        values.as_constant(CHECK, placeholder, value)
    assert str(caught.value).startswith(f"fit: {expected}; received value=")


def test_a_placeholder_is_given_in_data_or_in_feed_wherever_examples_are_taken():
    points = gk.feature_input(2)
    outputs = gk.dense(points, 1)
    rows = np.ones((4, 2), np.float32)
    with gk.Trainer(gk.l2_loss(outputs)) as trainer:
        calls = [
            lambda data: trainer.fit(data, {points: rows}, progress=False),
            lambda data: trainer.evaluate(data, {points.op.name: rows}),
            lambda data: trainer.predict(outputs, data, {points: rows}),
        ]
        for data in ({points: rows}, lambda: iter([{points: rows}])):
            for call in calls:
                with pytest.raises(ValueError, match="must be given in data or in feed, not in both"):
                    call(data)
        assert trainer.step == 0


@pytest.mark.parametrize("execution", ["feed", "chunks", "resident", "compiled"])
def test_labels_have_the_limits_of_the_ops_that_run(execution):
    """-1 is a row of zeros to tf.one_hot; an op that nothing needs does not count."""
    points, labels = gk.feature_input(2), gk.label_input()
    logits = gk.dense(points, 3)
    tf.one_hot(labels, 2), tf.gather([1.0], labels)
    targets = tf.one_hot(labels, 3)
    losses = tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=logits)
    data = {points: np.ones((8, 2), np.float32), labels: np.array([-1, 0, 1, 2] * 2)}
    with gk.Trainer(tf.reduce_mean(losses), metrics={"rows": tf.reduce_mean(targets)}) as trainer:
        history = trainer.fit(data, batch_size=4, progress=False, execution=execution)
        assert trainer.runner.execution == execution, trainer.runner.reason
        assert history["rows"] == [pytest.approx(0.25)]
        for wrong in (-2, 3):
            with pytest.raises(ValueError, match=r"must lie in -1\.\.2, which OneHot takes"):
                trainer.evaluate({**data, labels: np.array([0] * 7 + [wrong])})


def test_examples_know_the_limits_of_their_values():
    points, labels = gk.feature_input(2), gk.label_input()
    loss = gk.softmax_cross_entropy(gk.dense(points, 3), labels)
    data = {points: np.ones((2, 2)), labels: np.zeros(2, np.int64)}
    examples = feeds.check_examples(CHECK, points.graph, data, None, [loss], {})
    found = {source.placeholder.name: source.limits.indices for source in examples.sources}
    assert found[points.name] is None
    assert found[labels.name] == (0, 2, "SparseSoftmaxCrossEntropyWithLogits")
