"""Metrics by hand, against NumPy, and over the data set of a trainer."""

import csv
import json
import re

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from references import assert_agree, normal, refused, run

import graphkit as gk

v1 = tf.compat.v1

INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
NUMBERS = ("float16", "float32", "float64", "int32", "uint8", "bool")


# Rows are examples; of equal logits the first counts. Predicted 0, 1, 1, 2, 0, 0, 1, 0, 0, 1.
LOGITS = np.array(
    [
        [3, 1, 0],
        [1, 2, 0],
        [0, 5, 1],
        [0, 1, 2],
        [2, 2, 0],
        [9, 0, 8],
        [1, 3, 2],
        [4, 0, 0],
        [1, 0, 0],
        [0, 1, 0],
    ],
    np.float32,
)


LABELS = np.array([0, 1, 0, 2, 1, 2, 1, 0, 0, 2], np.int32)


# Rows are labels, columns predictions, counted by hand from the two above.
MATRIX = [[3, 1, 0], [1, 2, 0], [1, 1, 1]]


PRECISIONS = [3 / 5, 2 / 4, 1 / 1]  # down the columns


RECALLS = [3 / 4, 2 / 3, 1 / 3]  # along the rows


F1_SCORES = [2 * 3 / (5 + 4), 2 * 2 / (4 + 3), 2 * 1 / (1 + 3)]


BY_CLASS = {"precision": PRECISIONS, "recall": RECALLS, "f1_score": F1_SCORES}


each_metric = pytest.mark.parametrize("name", BY_CLASS)


def finished(metric, examples):
    """Returns the value of a metric over one batch."""
    return metric.finish(np.asarray(run(metric.tensor), np.float64), examples)


# accuracy


def test_fraction_of_right_predictions():
    fraction = gk.accuracy(LOGITS, LABELS)
    assert fraction.dtype == tf.float32 and fraction.shape.rank == 0
    np.testing.assert_allclose(run(fraction), 0.6, rtol=1e-6)


def test_labels_and_logits_may_be_of_any_type():
    cases = {dtype: gk.accuracy(LOGITS, LABELS.astype(dtype)) for dtype in INTEGERS}
    cases |= {("one-hot", dtype): gk.accuracy(LOGITS, np.eye(3, dtype=dtype)[LABELS]) for dtype in NUMBERS}
    for dtype in (tf.float16, tf.bfloat16, tf.float32, tf.float64):
        cases["logits", dtype] = gk.accuracy(tf.constant(LOGITS, dtype), LABELS)
    cases["probabilities"] = gk.accuracy(gk.softmax(tf.constant(LOGITS)), LABELS)
    assert {metric.dtype for metric in cases.values()} == {tf.float32}
    assert_agree({case: (metric, 0.6) for case, metric in cases.items()}, 1e-6, 0)


def test_labels_may_be_a_distribution():
    assert run(gk.accuracy([[1.0, 2.0, 0.0], [0.0, 5.0, 1.0]], [[0.3, 0.4, 0.3], [0.2, 0.2, 0.6]])) == 0.5


@pytest.mark.parametrize("label, right", [(0, 0.0), (1, 1.0), (2, 0.0), (3, 0.0)])
def test_of_equal_logits_the_first_counts(label, right):
    assert run(gk.accuracy([[0.0, 7.0, 7.0, 7.0]], [label])) == right


def test_of_equal_entries_of_a_one_hot_label_the_first_counts():
    assert run(gk.accuracy([[3.0, 1.0, 2.0]], [[0.5, 0.5, 0.0]])) == 1.0


@pytest.mark.parametrize("one_hot", [False, True])
def test_sequences_count_each_position(one_hot):
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(4, 5, 6)).astype(np.float32)
    labels = generator.integers(0, 6, (4, 5)).astype(np.int32)
    labels[0] = logits[0].argmax(-1)
    expected = (logits.argmax(-1) == labels).mean()
    assert expected > 0
    fed = np.eye(6, dtype=np.float32)[labels] if one_hot else labels
    np.testing.assert_allclose(run(gk.accuracy(logits, fed)), expected, rtol=1e-6)


def test_as_many_classes_as_examples_are_told_apart_by_the_axes():
    assert run(gk.accuracy(np.eye(3, dtype=np.float32), np.arange(3))) == 1.0


def test_batches_add_up_to_the_data_set():
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(64, 4)).astype(np.float32)
    labels = generator.integers(0, 4, 64)
    features, integers = gk.feature_input(4), gk.label_input()
    fraction = gk.accuracy(features, integers)
    parts = [slice(0, 7), slice(7, 40), slice(40, 64)]
    total = sum(run(fraction, {features: logits[p], integers: labels[p]}) * (p.stop - p.start) for p in parts)
    np.testing.assert_allclose(total / 64, (logits.argmax(1) == labels).mean(), rtol=1e-6)


def test_large_batches_are_counted_exactly():
    logits = np.zeros((100_000, 2), np.float32)
    labels = np.zeros(100_000, np.int32)
    labels[:3] = 1
    np.testing.assert_allclose(run(gk.accuracy(logits, labels)), 0.99997, rtol=1e-6)


def test_it_has_no_gradient():
    logits = tf.constant(LOGITS)
    assert tf.gradients(gk.accuracy(logits, LABELS), logits) == [None]


# top_k_accuracy


@pytest.mark.parametrize("k, right", [(1, 7), (2, 9), (3, 10)])
def test_top_k_accuracy_by_hand(k, right):
    # Numbers of logits that are larger than the label's own: 0 0 2 0 0 1 0 0 0 1.
    np.testing.assert_allclose(run(gk.top_k_accuracy(LOGITS, LABELS, k)), right / 10, rtol=1e-6)


def test_top_k_accuracy_agrees_with_numpy():
    cases = {}
    for shape in ((50,), (6, 7)):
        logits, labels = normal(*shape, 8), np.random.default_rng(1).integers(0, 8, shape)
        for k in (1, 2, 5, 8):
            best = np.argsort(-logits, axis=-1)[..., :k]
            expected = (best == labels[..., np.newaxis]).any(-1).mean()
            cases[shape, k] = gk.top_k_accuracy(logits, labels, k), expected
            cases[shape, k, "one-hot"] = gk.top_k_accuracy(logits, np.eye(8)[labels], k), expected
    assert {metric.dtype for metric, _ in cases.values()} == {tf.float32}
    assert_agree(cases, 1e-6, 0)


def test_k_is_five_unless_given():
    logits = np.arange(10, dtype=np.float32)[np.newaxis].repeat(10, 0)
    assert run(gk.top_k_accuracy(logits, np.arange(10))) == 0.5


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 20), st.integers(2, 6), st.integers(0, 10**6))
def test_top_1_is_accuracy_where_no_logits_are_equal(examples, classes, seed):
    generator = np.random.default_rng(seed)
    logits = generator.permuted(np.tile(np.arange(classes, dtype=np.float32), (examples, 1)), axis=1)
    labels = generator.integers(0, classes, examples)
    with tf.Graph().as_default():
        first, second = run([gk.top_k_accuracy(logits, labels, k=1), gk.accuracy(logits, labels)])
    assert first == second


def test_a_tie_counts_if_fewer_than_k_are_larger():
    cases = {}
    for k, right in ((1, 0), (2, 1), (3, 1), (4, 1)):
        for label in (1, 2, 3):
            cases[k, label] = gk.top_k_accuracy([[9.0, 5.0, 5.0, 5.0]], [label], k), right
    assert_agree(cases, 0, 0)


def test_with_all_logits_equal_every_label_is_among_the_first():
    assert run(gk.top_k_accuracy(np.zeros((4, 4)), np.arange(4), k=1)) == 1.0


def test_logits_that_are_nan_are_not_right():
    assert run(gk.top_k_accuracy(np.full((3, 4), np.nan), [0, 1, 2], k=2)) == 0.0


def test_all_classes_are_always_right():
    assert run(gk.top_k_accuracy(normal(9, 3), np.arange(9) % 3, k=3)) == 1.0


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "int64"])
def test_labels_of_top_k_accuracy_may_be_any_integers(dtype):
    assert run(gk.top_k_accuracy([[3.0, 2.0, 1.0]] * 2, np.array([1, 2], dtype), k=2)) == 0.5


# Metrics that follow from the confusion matrix, over one batch


@pytest.mark.parametrize("one_hot", [False, True])
def test_confusion_matrix_by_hand(one_hot):
    matrix = finished(gk.confusion_matrix(LOGITS, np.eye(3)[LABELS] if one_hot else LABELS), 10)
    assert matrix.dtype == np.int64 and matrix.tolist() == MATRIX


@each_metric
@pytest.mark.parametrize("one_hot", [False, True])
def test_metrics_of_a_class_by_hand(name, one_hot):
    build, labels = getattr(gk, name), np.eye(3)[LABELS] if one_hot else LABELS
    for positive, expected in enumerate(BY_CLASS[name]):
        metric = finished(build(LOGITS, labels, positive), 10)
        assert isinstance(metric, float)
        np.testing.assert_allclose(metric, expected, rtol=1e-6)
    np.testing.assert_allclose(finished(build(LOGITS, labels), 10), np.mean(BY_CLASS[name]), rtol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 30), st.integers(2, 5), st.integers(0, 10**6))
def test_the_metrics_follow_from_counts(examples, classes, seed):
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(examples, classes)).astype(np.float32)
    labels, predicted = generator.integers(0, classes, examples), logits.argmax(1)
    counts = np.zeros((classes, classes), int)
    for label, prediction in zip(labels, predicted, strict=True):
        counts[label, prediction] += 1
    with tf.Graph().as_default():
        assert finished(gk.confusion_matrix(logits, labels), examples).tolist() == counts.tolist()
        hits = ((labels == 1) & (predicted == 1)).sum()
        precision = hits / max(1, (predicted == 1).sum())
        recall = hits / max(1, (labels == 1).sum())
        f1_score = 2 * precision * recall / (precision + recall) if hits else 0
        found = [finished(getattr(gk, name)(logits, labels, 1), examples) for name in BY_CLASS]
    np.testing.assert_allclose(found, [precision, recall, f1_score], rtol=1e-5)


@each_metric
@pytest.mark.parametrize("labels, positive", [([0, 0], 1), ([1, 1], 2), ([0, 1], 2)])
def test_a_class_that_is_not_there_has_the_metric_0(name, labels, positive):
    # All predictions are class 0, and no label is class 2.
    assert finished(getattr(gk, name)([[1.0, 0.0, 0.0]] * 2, labels, positive), 2) == 0


def test_the_metrics_of_sequences_count_each_position():
    logits, labels = LOGITS.reshape(2, 5, 3), LABELS.reshape(2, 5)
    for name, expected in BY_CLASS.items():
        np.testing.assert_allclose(
            finished(getattr(gk, name)(logits, labels), 2), np.mean(expected), rtol=1e-6
        )


def test_counts_of_a_large_data_set_are_exact():
    labels = gk.label_input()
    matrix = gk.confusion_matrix(tf.one_hot(labels % 7, 7), labels % 7)
    examples = 100_000
    fed = np.arange(examples)
    found = matrix.finish(run(matrix.tensor, {labels: fed}).astype(np.float64), examples)
    np.testing.assert_array_equal(found, np.diag(np.bincount(fed % 7)))


# In a trainer


def trainer_on(logits_fed, labels_fed, metrics, **options):
    """A trainer whose logits are what is fed, plus a bias that starts at zero."""
    logits = gk.bias_add(logits_fed, name="logits")
    built = {name: build(logits, labels_fed) for name, build in metrics.items()}
    loss = gk.softmax_cross_entropy(logits, labels_fed)
    return gk.Trainer(loss, "sgd", metrics=built, **options)


METRICS = {
    "matrix": gk.confusion_matrix,
    "precision": gk.precision,
    "recall": gk.recall,
    "f1_score": gk.f1_score,
    "recall_of_2": lambda logits, labels: gk.recall(logits, labels, positive=2),
    "top_2": lambda logits, labels: gk.top_k_accuracy(logits, labels, k=2),
}


EXPECTED = {
    "matrix": MATRIX,
    "precision": np.mean(PRECISIONS),
    "recall": np.mean(RECALLS),
    "f1_score": np.mean(F1_SCORES),
    "recall_of_2": 1 / 3,
    "top_2": 0.9,
}


@pytest.fixture
def fed():
    return {gk.feature_input(3): LOGITS, gk.label_input(): LABELS}


def test_evaluation_does_not_depend_on_the_batch_size(fed):
    with trainer_on(*fed, METRICS) as trainer:
        for batch_size in (1, 2, 3, 7, 10, 512):
            metrics = trainer.evaluate(fed, batch_size=batch_size)
            assert list(metrics) == ["loss", *METRICS]
            assert metrics["matrix"].dtype == np.int64
            for name, expected in EXPECTED.items():
                np.testing.assert_allclose(metrics[name], expected, rtol=1e-6, err_msg=name)


def test_a_mean_of_the_batches_metrics_would_be_another(fed):
    means = []
    for rows in (slice(0, 5), slice(5, 10)):
        metric = gk.precision(LOGITS[rows], LABELS[rows])
        means.append(finished(metric, 5))
    assert abs(np.mean(means) - EXPECTED["precision"]) > 0.01


def test_history_and_csv_keep_a_metric(fed, tmp_path):
    with trainer_on(*fed, METRICS, learning_rate=lambda step: 0.0, logdir=tmp_path) as trainer:
        history = trainer.fit(fed, epochs=2, batch_size=4, valid=fed, progress=False)
        assert json.loads(json.dumps(history)) == history
    with open(tmp_path / "history.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 2
    for name, expected in EXPECTED.items():
        for column in (name, f"valid_{name}"):
            for epoch in range(2):
                np.testing.assert_allclose(history[column][epoch], expected, rtol=1e-6, err_msg=column)
                in_file = json.loads(rows[epoch][column])
                np.testing.assert_allclose(in_file, expected, rtol=1e-6, err_msg=column)


def test_the_line_of_an_epoch_shows_numbers_and_leaves_matrices_out(fed, capsys):
    with trainer_on(*fed, METRICS, learning_rate=lambda step: 0.0) as trainer:
        trainer.fit(fed, epochs=1, batch_size=4)
    line = capsys.readouterr().out
    assert "precision 0.7000" in line and "matrix" not in line


class Interrupting(gk.Callback):
    """Saves after a step in the middle of an epoch, and breaks off."""

    def on_step(self, trainer, metrics):
        if trainer.step == 5:
            trainer.save()
            raise InterruptedError


def fitted(folder, callbacks=(), resume=False):
    """Returns the history of a run with matrices, in a new graph, without its times."""
    with tf.Graph().as_default():
        fed = {gk.feature_input(3): LOGITS, gk.label_input(): LABELS}
        with trainer_on(*fed, METRICS, learning_rate=0.5, seed=3, logdir=folder) as trainer:
            history = trainer.fit(
                fed, epochs=3, batch_size=3, valid=fed, callbacks=callbacks, resume=resume, progress=False
            )
            return {n: v for n, v in history.items() if n not in ("seconds", "examples_per_second")}


def test_sums_of_a_metric_survive_a_save_in_the_middle_of_an_epoch(tmp_path):
    with pytest.raises(InterruptedError):
        fitted(tmp_path / "resumed", [Interrupting()])
    resumed = fitted(tmp_path / "resumed", resume=True)
    uninterrupted = fitted(tmp_path / "uninterrupted")
    assert resumed == uninterrupted
    assert [int(np.sum(matrix)) for matrix in resumed["matrix"]] == [10, 10, 10]


def test_a_metric_of_the_user_is_finished_over_the_data_set(fed):
    def root_mean_square(logits, labels):
        mean = tf.reduce_mean(tf.square(logits), axis=0)
        return gk.Metric(mean, lambda average, examples: [examples, *np.sqrt(average)])

    with trainer_on(*fed, {"size": root_mean_square}) as trainer:
        expected = [10, *np.sqrt((LOGITS.astype(np.float64) ** 2).mean(0))]
        for batch_size in (1, 4, 512):
            np.testing.assert_allclose(trainer.evaluate(fed, batch_size=batch_size)["size"], expected, 1e-6)


# What is refused


FIT = "labels must be integers (batch,) or rows (batch, num_classes) that fit the logits; received"


BUILDERS = [gk.accuracy, gk.top_k_accuracy, gk.confusion_matrix, gk.precision, gk.recall, gk.f1_score]


each_builder = pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__name__)


WRONG = [
    (LOGITS.astype("int32"), LABELS, TypeError, "logits must be a floating-point tensor"),
    (None, LABELS, TypeError, "logits must be a tensor of the default graph"),
    (LOGITS, None, TypeError, "labels must be a tensor of the default graph"),
    (LOGITS, LABELS[:3], ValueError, f"{FIT} labels=(3,), dtype='int32', logits=(10, 3)"),
    (LOGITS, [0.0] * 10, ValueError, f"{FIT} labels=(10,), dtype='float32', logits=(10, 3)"),
    (LOGITS, LOGITS[:, 1:], ValueError, f"{FIT} labels=(10, 2), dtype='float32', logits=(10, 3)"),
    (LOGITS, LABELS[:, np.newaxis], ValueError, f"{FIT} labels=(10, 1), dtype='int32', logits=(10, 3)"),
    (LOGITS, 1, ValueError, f"{FIT} labels=(), dtype='int32', logits=(10, 3)"),
    (LOGITS, list("abcdefghij"), ValueError, f"{FIT} labels=(10,), dtype='string', logits=(10, 3)"),
]


@each_builder
def test_metrics_refuse(build):
    for logits, labels, error, text in WRONG:
        with refused(error, f"{build.__name__}: {text}"):
            build(logits, labels)
    axes = "2 axes" if build is gk.confusion_matrix else "at least 2 axes"
    for logits, shape in ((LOGITS[0], "(3,)"), (v1.placeholder(tf.float32), "'unknown'")):
        with refused(ValueError, f"{build.__name__}: logits must have {axes}; received shape={shape}"):
            build(logits, 0)


@pytest.mark.parametrize("build", BUILDERS[1:])
def test_an_unknown_number_of_classes_is_refused(build):
    logits = v1.placeholder(tf.float32, (None, None))
    with refused(ValueError, f"{build.__name__}: axis -1 of logits must have a known size"):
        build(logits, gk.label_input())


@pytest.mark.parametrize(
    "k, error, text",
    [
        (0, ValueError, "k must be an integer of at least 1; received k=0"),
        (4, ValueError, "k must be at most the 3 classes; received k=4"),
        (1.0, TypeError, "k must be an integer of at least 1; received k=1.0"),
    ],
)
def test_top_k_accuracy_refuses_k(k, error, text):
    with pytest.raises(error, match=f"^top_k_accuracy: {re.escape(text)}$"):
        gk.top_k_accuracy(LOGITS, LABELS, k)


def test_confusion_matrix_refuses_sequences():
    with pytest.raises(ValueError, match=r"^confusion_matrix: logits must have 2 axes; received shape="):
        gk.confusion_matrix(LOGITS.reshape(2, 5, 3), LABELS.reshape(2, 5))


@each_metric
@pytest.mark.parametrize(
    "positive, error, text",
    [
        (3, ValueError, "positive must be one of the 3 classes; received positive=3"),
        (-1, ValueError, "positive must be an integer of at least 0; received positive=-1"),
        ("dog", TypeError, "positive must be an integer of at least 0; received positive='dog'"),
    ],
)
def test_metrics_refuse_a_class(name, positive, error, text):
    with pytest.raises(error, match=f"^{name}: {re.escape(text)}$"):
        getattr(gk, name)(LOGITS, LABELS, positive)


CLASSIFIERS = (
    "softmax_cross_entropy sigmoid_cross_entropy accuracy top_k_accuracy confusion_matrix precision recall"
)
OF_CLASSES = [*CLASSIFIERS.split(), "f1_score", "auc"]
OF_NUMBERS = "mean_squared_error mean_absolute_error root_mean_squared_error r2_score".split()


@pytest.mark.parametrize("name", [*OF_CLASSES, *OF_NUMBERS])
def test_labels_before_logits_are_refused(name):
    logits, function = gk.dense(gk.feature_input(4), 3), getattr(gk, name)
    first, second = ("logits", "labels") if name in OF_CLASSES else ("predictions", "targets")
    question = f"are {first} and {second} swapped\\? {name}\\({first}, {second}\\)"
    with pytest.raises(TypeError, match=question):
        function(gk.label_input(), logits)
    if name in OF_CLASSES or name == "r2_score":  # of the others, both orders have one value
        with pytest.raises(ValueError, match=question):
            function(gk.one_hot_input(3), logits)
        with pytest.raises(ValueError, match=question):
            function(tf.one_hot(gk.label_input(), 3), logits)


def test_what_a_teacher_says_may_be_labels_and_what_is_fed_may_be_logits():
    student, teacher = (gk.dense(gk.feature_input(4), 3, name=name) for name in ("student", "teacher"))
    fed = gk.one_hot_input(3)
    gk.softmax_cross_entropy(student, tf.stop_gradient(gk.softmax(teacher)))
    gk.softmax_cross_entropy(student, fed)
    gk.accuracy(fed, tf.argmax(student, axis=1))
    gk.accuracy(fed, gk.label_input())
    gk.mean_squared_error(fed, student)
