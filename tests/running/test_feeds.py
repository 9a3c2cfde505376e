"""What is fed: arrays that are checked in full, constants, and a text that differs for other data."""

import numpy as np
import pytest
import tensorflow as tf
from references import KINDS, POINTS

import graphkit as gk
from graphkit import checks
from graphkit.data import batches
from graphkit.running import feeds, pixels, values

v1 = tf.compat.v1


class Problem:
    """A small classifier with dropout in the current graph."""

    def __init__(self):
        self.points, self.kinds, self.keep_prob = gk.feature_input(3), gk.label_input(), gk.keep_prob_input()
        self.hidden = gk.relu(gk.dense(self.points, 4))
        self.logits = gk.dense(gk.dropout(self.hidden, self.keep_prob), 2, name="logits")
        self.loss = gk.softmax_cross_entropy(self.logits, self.kinds)
        self.data = {self.points: POINTS, self.kinds: KINDS}
        (self.seed,) = self.loss.graph.get_collection("graphkit_seed")

    def check(self, data, feed=None, fetches=None, own=None, augment=None):
        """Returns the examples as `fit` would have them."""
        fetches = [self.loss] if fetches is None else fetches
        own = {self.seed: np.int64(3)} if own is None else own
        graph = self.loss.graph
        return feeds.check_examples(checks.Checker("fit"), graph, data, feed, fetches, own, augment)


@pytest.fixture
def problem():
    return Problem()


def source(rows, name="x", dtype=tf.float32, **fields):
    """Returns a Source of an array for a placeholder in a graph of its own."""
    with tf.Graph().as_default():
        array = np.asarray(rows)
        placeholder = v1.placeholder(dtype, (None, *array.shape[1:]), name)
        return feeds.Source(placeholder, array, values.Limits(placeholder, array.dtype, ()), **fields)


# Examples.


def test_examples_have_a_length_sources_and_constants(problem):
    examples = problem.check(problem.data, {problem.keep_prob: 0.5})
    assert len(examples) == 70
    assert [made.placeholder for made in examples.sources] == [problem.points, problem.kinds]
    assert all(
        made.array is array for made, array in zip(examples.sources, problem.data.values(), strict=True)
    )
    assert {key.name: value for key, value in examples.constants.items()} == {
        problem.seed.name: 3,
        "keep_prob:0": 0.5,
    }
    assert examples.constants[problem.keep_prob].dtype == np.float32


def test_values_that_the_trainer_feeds_in_each_run_are_no_constants(problem):
    rate = v1.placeholder(tf.float32, (), "rate")
    examples = problem.check(problem.data, fetches=[problem.loss * rate], own={problem.seed: 1, rate: None})
    assert rate not in examples.constants and examples.constants == {problem.seed: 1}


def test_a_constant_of_the_user_replaces_that_of_the_trainer(problem):
    assert problem.check(problem.data, {problem.seed: 5}).constants == {problem.seed: 5}


def test_constants_for_are_those_that_change_the_fetches(problem):
    feed = {problem.keep_prob: 0.5}
    examples = problem.check(problem.data, feed)
    assert set(examples.constants_for([problem.loss])) == {problem.keep_prob, problem.seed}
    assert examples.constants_for([problem.hidden]) == examples.constants_for([]) == {}
    assert set(examples.constants_for([problem.loss.op])) == {problem.keep_prob, problem.seed}
    at_default = problem.check(problem.data, {problem.keep_prob: 1.0})  # dropout is off as it is without
    assert problem.keep_prob not in at_default.constants_for([problem.loss])
    assert problem.keep_prob in at_default.constants


def test_defaults():
    plain, default = v1.placeholder(tf.float32, ()), v1.placeholder_with_default([1.0, 2.0], (2,))
    derived = v1.placeholder_with_default(plain * 2, ())
    assert feeds.is_default(default, np.array([1.0, 2.0]))
    assert not feeds.is_default(default, np.array([1.0, 3.0]))
    assert not feeds.is_default(plain, 0.0) and not feeds.is_default(derived, 0.0)


# Fingerprints.


def print_of(*sources):
    return feeds.Examples(sources, {}).fingerprint


def test_a_fingerprint_is_that_of_names_shapes_dtypes_and_rows():
    values = np.arange(12, dtype=np.float32).reshape(6, 2)
    same = print_of(source(values))
    assert print_of(source(values.copy())) == same
    assert print_of(source(np.asfortranarray(values))) == same
    changed = values.copy()
    changed[3, 1] += 1
    others = [
        print_of(source(changed)),
        print_of(source(values[:5])),
        print_of(source(values.reshape(6, 2, 1))),
        print_of(source(values.astype(np.float64))),
        print_of(source(values, "y")),
        print_of(source(values[::-1])),
        print_of(source(values), source(values, "y")),
        print_of(source(values.view(np.int32), dtype=tf.int32)),
    ]
    assert len({same, *others}) == 1 + len(others)


@pytest.mark.parametrize("kind", [object, "U", "S"])
def test_texts_have_fingerprints_too(kind):
    texts = np.array(["one", "two", "three"], kind)
    other = np.array(["one", "two", "threE"], kind)
    same = print_of(source(texts, dtype=tf.string))
    assert same == print_of(source(texts.copy(), dtype=tf.string)) != print_of(source(other, dtype=tf.string))


def test_of_many_rows_the_first_the_last_and_some_between_are_looked_at(monkeypatch):
    values = np.zeros((10_000, 1), np.float32)
    plain = print_of(source(values))
    seen = []
    for place in (0, 9999, *np.linspace(0, 9999, feeds.FINGERPRINT_ROWS).astype(int)[1:-1]):
        changed = values.copy()
        changed[place] = 1
        seen.append(print_of(source(changed)))
    assert len({plain, *seen}) == 1 + len(seen) == 1 + feeds.FINGERPRINT_ROWS


# Rows.


def test_rows_are_those_that_the_placeholder_takes():
    doubles = source(np.array([[1.0], [2.0], [3.0]]))
    rows = doubles.rows(np.array([2, 0]))
    assert rows.dtype == np.float32 and rows.tolist() == [[3], [1]]
    assert doubles.raw_rows(slice(1, 3)).dtype == np.float64
    images = source(np.array([[0], [255]], np.uint8), scaling=pixels.Scaling(128, 128))
    assert images.rows(slice(0, 2)).tolist() == [[-1.0], [0.9921875]]
    assert images.raw_rows([1]).tolist() == [[255]]


def test_augmented_rows_are_a_copy_and_are_scaled_after():
    def double(rows, seed):
        seeds.append(seed)
        rows *= 2
        return rows

    seeds, values = [], np.array([[1], [2]], np.uint8)
    images = source(values, scaling=pixels.Scaling(1, 2), augment=double)
    assert images.rows([1], (3, 4, 1)).tolist() == [[1.5]] and values.tolist() == [[1], [2]]
    assert images.rows([0]).tolist() == [[0.5]] and seeds == [(3, 4, 1), ()]


def test_mapped_arrays_are_told_from_those_in_memory(tmp_path):
    np.save(tmp_path / "values.npy", np.ones((4, 2)))
    mapped = np.load(tmp_path / "values.npy", mmap_mode="r")
    assert source(mapped).is_lazy and source(mapped[1:]).is_lazy and not source(np.array(mapped)).is_lazy


# What is refused, in the same words by each function that takes data.

NO_KEY = "keys must be placeholders of the trainer's graph, or their names"
NO_NAME = "keys must name placeholders of the trainer's graph"
REFUSED = [
    (
        lambda p: {p.points: POINTS},
        ValueError,
        'placeholder labels:0 needs data, or a value in feed: add {"labels": labels} to data; '
        "received given=['features:0']",
    ),
    (
        lambda p: {p.points: POINTS[:60], p.kinds: KINDS},
        ValueError,
        "all arrays must have the same number of examples, and at least one; "
        "received examples={'features:0': 60, 'labels:0': 70}",
    ),
    (
        lambda p: {p.points: POINTS[:0], p.kinds: KINDS[:0]},
        ValueError,
        "data must have at least one example; received shapes={'features:0': (0, 3), 'labels:0': (0,)}",
    ),
    (
        lambda p: {},
        ValueError,
        "placeholders features:0, labels:0 need data, or a value in feed: "
        'add {"features": features, "labels": labels} to data; received given=[]',
    ),
    (
        lambda p: [POINTS],
        TypeError,
        "data must be {placeholder or its name: array}, or a table with such columns: "
        'give {"features": features, "labels": labels}; received data=[array of float32 with shape (70, 3)]',
    ),
    (
        lambda p: {p.points: POINTS[:, :2], p.kinds: KINDS},
        ValueError,
        "features:0 takes (None, 3), of which the first axis is the example: "
        "these examples need another placeholder, such as gk.feature_input(2); "
        "received shape=(70, 2), dtype='float32'",
    ),
    (
        lambda p: {p.points: 1.5, p.kinds: KINDS},
        ValueError,
        "features:0 takes (None, 3), of which the first axis is the example: "
        "give an array with a row for each example, as np.array([features]) for a single one; "
        "received shape=(), dtype='float64'",
    ),
    (
        lambda p: {p.points: np.full((70, 3), "abc"), p.kinds: KINDS},
        TypeError,
        "features:0 takes float32: texts must become numbers: "
        "encode = gk.data.TableEncoder(pandas.DataFrame(features)), "
        "and give encode(pandas.DataFrame(features)); received shape=(70, 3), dtype='<U3'",
    ),
    (
        lambda p: {p.points: POINTS, p.kinds: KINDS / 2},
        TypeError,
        "labels:0 takes int32: these are not whole numbers; numbers that are to be predicted need a "
        "placeholder such as tf.compat.v1.placeholder(tf.float32, (None,)); "
        "received shape=(70,), dtype='float64'",
    ),
    (
        lambda p: {p.points: POINTS, p.kinds: KINDS + 1},
        ValueError,
        "labels:0 must lie in 0..1, which SparseSoftmaxCrossEntropyWithLogits takes: "
        "classes start at 0, so where yours start at 1, give labels - 1; "
        f"received value=2, example={np.argmax(KINDS)}",
    ),
    (
        lambda p: {p.points: POINTS, p.kinds: KINDS - 1},
        ValueError,
        "labels:0 must lie in 0..1, which SparseSoftmaxCrossEntropyWithLogits takes: "
        "number the classes: names, numbers = np.unique(labels, return_inverse=True), and give numbers; "
        f"received value=-1, example={np.argmin(KINDS)}",
    ),
    (
        lambda p: {p.points: POINTS, p.kinds: np.full(70, 2**40)},
        ValueError,
        "labels:0 must lie in 0..1, which SparseSoftmaxCrossEntropyWithLogits takes; "
        f"received value={2**40}, example=0",
    ),
    (
        lambda p: {p.points: POINTS, p.logits: POINTS},
        ValueError,
        f"{NO_KEY}; received key='logits/BiasAdd:0', op='BiasAdd'",
    ),
    (lambda p: {3: POINTS}, TypeError, f"{NO_KEY}; received key=3"),
    (lambda p: {"feature": POINTS}, ValueError, f"{NO_NAME} (near it: features); received key='feature'"),
    (
        lambda p: {"x": POINTS},
        ValueError,
        f"{NO_NAME} (there are: features, labels, keep_prob); received key='x'",
    ),
    (
        lambda p: {"features": POINTS, p.points: POINTS},
        ValueError,
        "features:0 must be given once: as a key, the placeholder and its name are the same; "
        "received keys=['features', 'features:0']",
    ),
]


@pytest.mark.parametrize(("make", "error", "message"), REFUSED)
def test_data_that_does_not_fit_is_refused(make, error, message, problem):
    with pytest.raises(error) as caught:
        problem.check(make(problem))
    assert str(caught.value) == "fit: " + message


def test_a_cell_that_ran_twice_is_named(problem):
    with problem.points.graph.as_default():
        again = gk.feature_input(3)
    with pytest.raises(ValueError, match=r"^\S+: features_1 is not a placeholder of this .*gk\.reset\(\)"):
        problem.check({again: POINTS, problem.kinds: KINDS})


def test_a_placeholder_of_another_graph_is_refused(problem):
    with tf.Graph().as_default():
        stranger = Problem()
    with pytest.raises(
        ValueError,
        match=f"^fit: {NO_KEY}; this one is of another graph.*; received key='features:0', op='Placeholder'$",
    ):
        problem.check({**problem.data, stranger.points: POINTS})


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_single_bad_number_at_the_end_is_found(number, problem, monkeypatch):
    monkeypatch.setattr(values, "CHUNK", 200)  # bytes, that is 16 rows
    points = POINTS.copy()
    points[-1, 2] = number
    with pytest.raises(ValueError) as caught:
        problem.check({problem.points: points, problem.kinds: KINDS})
    assert str(caught.value) == f"fit: features:0 must be finite; received value={number}, example=69"


def test_large_finite_numbers_are_finite(problem):
    problem.check({problem.points: np.full_like(POINTS, 3e38), problem.kinds: KINDS})


def test_integers_that_the_dtype_cannot_hold_are_refused(problem):
    counts = v1.placeholder(tf.int16, (None,), "counts")
    good = np.array([-(2**15), 2**15 - 1])
    assert len(problem.check({counts: good}, fetches=[counts])) == 2
    with pytest.raises(ValueError, match="^fit: counts:0 takes int16; received value=32768, example=1$"):
        problem.check({counts: good + np.array([0, 1])}, fetches=[counts])


def test_only_what_the_fetches_need_must_be_given(problem):
    assert len(problem.check({problem.points: POINTS}, fetches=[problem.logits])) == 70


def test_lists_are_arrays_too(problem):
    examples = problem.check({problem.points: POINTS.tolist(), problem.kinds: KINDS.tolist()})
    assert all(isinstance(made.array, np.ndarray) for made in examples.sources)


FEEDS = [
    (
        3,
        TypeError,
        "feed must be {placeholder: value} of what stays the same in every step, such as "
        '{"keep_prob": 0.5}; arrays of examples belong in data, {"features": features, "labels": labels}; '
        "received feed=3",
    ),
    ({"keep": 1}, ValueError, f"{NO_NAME} (near it: keep_prob); received key='keep'"),
    ({"keep_prob": 0.5}, None, None),
    (0, ValueError, "keep_prob:0 is a probability to keep, in (0, 1]; received value=0.0"),
    (-0.5, ValueError, "keep_prob:0 is a probability to keep, in (0, 1]; received value=-0.5"),
    (1.5, ValueError, "keep_prob:0 is a probability to keep, in (0, 1]; received value=1.5"),
    (np.inf, ValueError, "keep_prob:0 must be finite; received value=inf"),
    ([0.5], ValueError, "keep_prob:0 has shape (); received shape=(1,)"),
    ("half", TypeError, "keep_prob:0 takes float32; received value='half'"),
    (None, None, None),
    (1e-6, None, None),
    (1, None, None),
]


@pytest.mark.parametrize(("value", "error", "message"), FEEDS)
def test_constants_that_cannot_be_are_refused(value, error, message, problem):
    bare = isinstance(value, dict) or value == 3 or value is None
    feed = value if bare else {problem.keep_prob: value}
    if error is None:
        problem.check(problem.data, feed)
        return
    with pytest.raises(error) as caught:
        problem.check(problem.data, feed)
    assert str(caught.value) == f"fit: {message}"


# In a trainer.


class Holder:
    """An object that NumPy takes for an array, as a column of a table."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


def test_masked_arrays_are_refused_wherever_data_is_given(problem):
    points = np.ma.masked_greater(POINTS, 1.0)
    rule = "must not be a masked array: replace the masked values"
    weights = v1.placeholder_with_default(np.ones(3, np.float32), (3,), name="weights")
    with gk.Trainer(problem.loss + 0 * tf.reduce_sum(weights)) as trainer:
        for given in (points, list(points), Holder(points)):
            data = {**problem.data, problem.points: given}
            for call in (
                lambda data: trainer.fit(data, progress=False),
                lambda data: trainer.fit(problem.data, valid=data, progress=False),
                trainer.evaluate,
                lambda data: trainer.predict(problem.logits, {problem.points: data[problem.points]}),
            ):
                with pytest.raises(TypeError, match=f"data of features:0 {rule}"):
                    call(data)
        with pytest.raises(TypeError, match=f"feed of weights:0 {rule}"):
            trainer.evaluate(problem.data, feed={weights: points[0]})
        with pytest.raises(TypeError, match=f"what augment of features:0 returns {rule}"):
            augment = {problem.points: lambda rows, seed: np.ma.masked_greater(rows, 1.0)}
            trainer.fit(problem.data, augment=augment, progress=False)
        assert trainer.step == 0


def test_memory_mapped_arrays_are_sliced(tmp_path, monkeypatch, problem):
    monkeypatch.setattr(batches, "LARGE_FILE", 1)
    np.save(tmp_path / "points.npy", POINTS)
    mapped = np.load(tmp_path / "points.npy", mmap_mode="r")
    with gk.Trainer(problem.loss) as trainer:
        got = trainer.evaluate({problem.points: mapped, problem.kinds: KINDS})
        assert got == trainer.evaluate(problem.data)


def test_a_graph_that_reads_its_own_examples_is_told_apart_from_one_without():
    dataset = tf.data.Dataset.from_tensor_slices(np.ones((8, 2), np.float32)).batch(4)
    rows = tf.compat.v1.data.make_one_shot_iterator(dataset).get_next()
    with gk.Trainer(tf.reduce_mean(gk.dense(rows, 1))) as trainer:
        with pytest.raises(
            ValueError, match="^fit: data must hold .*by IteratorGetNext, .*make placeholders"
        ):
            trainer.fit({}, progress=False)
        with pytest.raises(
            ValueError, match=r"^predict: data must hold the examples, as [^;]*; received data={}"
        ):
            trainer.predict(tf.zeros((2, 2)), {})


def test_sparse_rows_are_fed_as_dense_ones():
    def loss_of(rows):
        return tf.reduce_mean(tf.sparse.sparse_dense_matmul(rows, tf.compat.v1.get_variable("w", (3, 1))))

    rows = tf.compat.v1.sparse_placeholder(tf.float32, (None, 3), "rows")
    with (
        gk.Trainer(loss_of(rows)) as trainer,
        pytest.raises(TypeError, match=r"^fit: keys .*; feed dense rows, .* tf.sparse.from_dense\(placeh"),
    ):
        trainer.fit({rows: np.eye(3)}, progress=False)
    with tf.Graph().as_default():
        dense = gk.feature_input(3)
        with gk.Trainer(loss_of(tf.sparse.from_dense(dense)), "sgd", learning_rate=3.0) as trainer:
            before = trainer.weights()["w"]
            trainer.fit({dense: np.eye(3)[:1]}, epochs=1, progress=False)
            np.testing.assert_allclose(trainer.weights()["w"] - before, [[-3.0], [0.0], [0.0]], atol=1e-6)
