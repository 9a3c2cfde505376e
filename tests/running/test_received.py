"""Data that does not fit: the message offers code, and with what that code gives the data fits."""

import re

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit import checks
from graphkit.data import columns
from graphkit.graph import walk
from graphkit.running import feeds, received

v1 = tf.compat.v1
N = 12
GENERATOR = np.random.default_rng(3)
IMAGES = GENERATOR.uniform(-1, 1, (N, 4, 5, 1)).astype(np.float32)
COLORS = GENERATOR.uniform(-1, 1, (N, 4, 5, 3)).astype(np.float32)
ROWS = GENERATOR.normal(size=(N, 6)).astype(np.float32)
LABELS = np.arange(N) % 3
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]
NAMES = np.array(["cat", "dog", "owl"])[LABELS]
FRAME = pd.DataFrame(ROWS, columns=list("abcdef"))
DAYS = pd.date_range("2026-01-01", periods=N)


class Problem:
    """A graph with a placeholder of each kind, of which one network is made."""

    def __init__(self):
        self.graph = tf.Graph()
        with self.graph.as_default():
            images, colors = gk.image_input(4, 5, 1), gk.image_input(4, 5, 3, name="colors")
            rows, labels = gk.feature_input(6, name="rows"), gk.label_input()
            keep_prob = gk.keep_prob_input()
            one_hot = gk.one_hot_input(3, name="one_hot")
            parts = [gk.dense(gk.flatten(part), 3) for part in (images, colors, rows)]
            self.logits = gk.dropout(tf.add_n(parts), keep_prob)
            self.loss = gk.softmax_cross_entropy(self.logits, labels)
            self.loss += gk.softmax_cross_entropy(self.logits, one_hot)
            v1.placeholder(tf.float32, (None, 1), "prices")
            v1.placeholder(tf.int32, (None, None), "tokens")
            self.embedded = gk.embedding(gk.token_input(4, name="words"), 9, 2)
            v1.placeholder(tf.int32, (None, 3), "classes")
            v1.placeholder(tf.bool, (None,), "flags")
            v1.placeholder(tf.string, (None,), "texts")
            v1.placeholder(tf.float32, name="anything")
        self.fitting = {
            "images": IMAGES,
            "colors": COLORS,
            "rows": ROWS,
            "labels": LABELS,
            "one_hot": ONE_HOT,
        }

    def check(self, data, *needed):
        """Returns the examples of data as `fit` would have them, if only these placeholders are needed."""
        needed = [self.graph.get_tensor_by_name(f"{name}:0") for name in needed]
        placeholders = [op.outputs[0] for op in self.graph.get_operations() if op.type in walk.PLACEHOLDERS]
        others = {p: None for p in placeholders if all(p is not one for one in needed)}
        fetches = [*needed, self.loss, self.embedded]
        return feeds.check_examples(checks.Checker("fit"), self.graph, data, None, fetches, others)

    def refusal(self, data):
        with pytest.raises((TypeError, ValueError)) as caught:
            self.check(data)
        return str(caught.value)


@pytest.fixture(scope="module")
def problem():
    return Problem()


def eager(array):
    """Returns an array as a tensor, or as it is where tensors belong to graphs alone."""
    return tf.constant(array) if tf.executing_eagerly() else array


def column(array):
    return columns.Column(lambda indices: array[indices], array.shape, array.dtype)


# (placeholder, what is given, the code that the message offers for it).
OFFERS = [
    ("images", IMAGES[..., 0], "images[..., np.newaxis]"),
    ("images", IMAGES[..., 0].tolist(), "np.array(images)[..., np.newaxis]"),
    ("images", column(IMAGES[..., 0]), "images[:][..., np.newaxis]"),
    ("images", IMAGES.reshape(N, 20), "images.reshape(-1, 4, 5, 1)"),
    ("images", pd.DataFrame(IMAGES.reshape(N, 20)), "images.to_numpy().reshape(-1, 4, 5, 1)"),
    ("images", IMAGES[0], "images[np.newaxis]"),
    ("images", IMAGES[0, ..., 0], "images[np.newaxis, ..., np.newaxis]"),
    ("images", IMAGES[0].reshape(-1), "images.reshape(1, 4, 5, 1)"),
    ("images", IMAGES.transpose(0, 3, 1, 2), "images.transpose(0, 2, 3, 1)"),
    ("images", IMAGES.transpose(1, 2, 3, 0), "images.transpose(3, 0, 1, 2)"),
    ("images", IMAGES.transpose(0, 2, 1, 3), "images.transpose(0, 2, 1, 3)"),
    ("images", COLORS, "gk.grayscale(images)"),
    ("images", np.concatenate([COLORS, IMAGES], axis=-1), "gk.grayscale(images[..., :3])"),
    ("images", IMAGES.astype(str), "images.astype(np.float32)"),
    ("images", IMAGES.astype(object), "images.astype(np.float32)"),
    ("colors", IMAGES, "np.repeat(colors, 3, axis=-1)"),
    ("colors", IMAGES[..., 0], "np.repeat(colors[..., np.newaxis], 3, axis=-1)"),
    ("colors", np.concatenate([COLORS, IMAGES], axis=-1), "colors[..., :3]"),
    ("colors", COLORS.transpose(0, 3, 1, 2), "colors.transpose(0, 2, 3, 1)"),
    ("colors", COLORS.reshape(N, 60), "colors.reshape(-1, 4, 5, 3)"),
    ("colors", COLORS.reshape(N, 60), "colors.reshape(-1, 3, 4, 5).transpose(0, 2, 3, 1)"),
    ("rows", ROWS.reshape(N, 2, 3), "rows.reshape(len(rows), -1)"),
    ("rows", ROWS.reshape(N, 2, 3).tolist(), "np.array(rows).reshape(len(rows), -1)"),
    ("rows", ROWS[0].reshape(2, 3), "rows.reshape(1, 6)"),
    ("rows", ROWS[0], "rows[np.newaxis]"),
    ("rows", ROWS.T, "rows.T"),
    ("rows", ROWS * 1j, "np.abs(rows)"),
    ("rows", pd.Series(ROWS.tolist(), index=range(N, 0, -1)), "np.stack(rows)"),
    ("rows", pd.Series(list(ROWS)), "np.stack(rows)"),
    ("rows", ROWS.astype("U"), "rows.astype(np.float32)"),
    ("rows", FRAME.assign(label=LABELS), "rows.drop(columns=['label'])"),
    ("rows", FRAME.assign(g=1, h=2), "rows.drop(columns=['g', 'h'])"),
    ("rows", FRAME.assign(g=1), "rows.iloc[:, :-1]"),
    ("rows", FRAME.assign(g=1), "rows.iloc[:, 1:]"),
    ("rows", FRAME.astype(str).astype({"a": float}), "frame.astype({'b': float, 'c': float, 'd': float"),
    ("rows", FRAME.assign(c=FRAME["c"].astype(str)), "frame.astype({'c': float})"),
    ("rows", FRAME.astype(str)[["a"] * 6].set_axis(list("abcdef"), axis=1), "rows.astype({'a': float"),
    ("labels", LABELS[:, np.newaxis], "labels.reshape(-1)"),
    ("labels", pd.DataFrame({"kind": LABELS}), "labels['kind']"),
    ("labels", ONE_HOT, "labels.argmax(axis=1)"),
    ("rows", FRAME.to_records(index=False), "pandas.DataFrame(rows)"),
    ("rows", FRAME.to_dict("records"), "pandas.DataFrame(rows)"),
    ("labels", ONE_HOT.astype(int).tolist(), "np.array(labels).argmax(axis=1)"),
    ("labels", pd.DataFrame(ONE_HOT), "labels.to_numpy().argmax(axis=1)"),
    ("labels", (ONE_HOT + 0.5) / 2.5, "labels.argmax(axis=1)"),
    ("labels", LABELS + 1, "labels - 1"),
    ("labels", pd.Series(LABELS + 1), "labels - 1"),
    ("labels", LABELS.astype(float), "labels.astype(np.int32)"),
    ("labels", pd.Series(LABELS.astype(float)), "labels.to_numpy().astype(np.int32)"),
    ("labels", LABELS.astype(str), "labels.astype(np.int32)"),
    ("labels", LABELS.astype(object), "labels.astype(np.int32)"),
    ("labels", pd.Series(NAMES, dtype="category"), "labels.cat.codes"),
    ("labels", 2, "np.array([labels])"),
    ("one_hot", LABELS, "gk.one_hot(one_hot, 3)"),
    ("one_hot", LABELS.tolist(), "gk.one_hot(np.array(one_hot), 3)"),
    ("one_hot", LABELS.astype(float), "gk.one_hot(one_hot.astype(int), 3)"),
    ("one_hot", LABELS.astype(str), "gk.one_hot(one_hot.astype(int), 3)"),
    ("one_hot", LABELS + 1, "gk.one_hot(one_hot - 1, 3)"),
    ("one_hot", LABELS[:, np.newaxis], "gk.one_hot(one_hot.reshape(-1), 3)"),
    ("one_hot", pd.Series(NAMES, dtype="category"), "gk.one_hot(one_hot.cat.codes, 3)"),
    ("classes", LABELS, "gk.one_hot(classes, 3).astype(np.int32)"),
    ("prices", ROWS[:, 0], "prices[..., np.newaxis]"),
    ("prices", pd.Series(ROWS[:, 0]), "prices.to_numpy()[..., np.newaxis]"),
    ("prices", DAYS.to_numpy()[:, np.newaxis], '(prices - prices.min()) / np.timedelta64(1, "D")'),
    ("tokens", np.arange(5), "tokens[np.newaxis]"),
    ("flags", LABELS, "flags.astype(bool)"),
    ("texts", LABELS, "texts.astype(str)"),
]


@pytest.mark.parametrize(("name", "given", "code"), OFFERS)
def test_data_fits_after_what_the_message_offers(name, given, code, problem):
    message = problem.refusal({name: given})
    assert message.startswith("fit: ") and code in message and len(message) < 420
    if code.count("(") != code.count(")"):
        code = re.search(re.escape(code) + r".*?\)", message)[0]
    names = {"np": np, "gk": gk, "tf": tf, "pandas": pd, name: given, "frame": given}
    better = eval(code, names)
    assert len(problem.check({name: better}, name)) >= 1


# (placeholder, what is given, code that is run, what is then given).
STEPS = [
    ("labels", NAMES, "names, numbers = np.unique(labels, return_inverse=True)", "numbers"),
    ("labels", NAMES.tolist(), "names, numbers = np.unique(labels, return_inverse=True)", "numbers"),
    ("labels", pd.Series(NAMES), "names, numbers = np.unique(labels, return_inverse=True)", "numbers"),
    ("one_hot", NAMES, "names, numbers = np.unique(one_hot, return_inverse=True)", "gk.one_hot(numbers, 3)"),
    ("labels", LABELS * 4, "names, numbers = np.unique(labels, return_inverse=True)", "numbers"),
    ("labels", LABELS - 1, "names, numbers = np.unique(labels, return_inverse=True)", "numbers"),
    ("labels", np.r_[LABELS, -1], "keep = labels >= 0", "labels[keep]"),
    ("labels", np.r_[LABELS[LABELS > 0], -1], "keep = labels >= 0", "labels[keep]"),
    ("rows", FRAME.assign(a=NAMES), "encode = gk.data.TableEncoder(frame)", None),
    ("rows", FRAME.assign(a=pd.Categorical(NAMES)), "encode = gk.data.TableEncoder(frame)", None),
    ("rows", FRAME.assign(a=DAYS), "frame['a'].dt.day_of_year", None),
    ("rows", FRAME.assign(a=DAYS - DAYS[0]), "frame['a'].dt.days", None),
    ("rows", FRAME.assign(a=[1, "x"] * 6), "pandas.to_numeric(frame['a'], errors=\"coerce\")", None),
    ("rows", FRAME.assign(a=[1, pd.NA] * 6), "frame['a'].fillna(0)", None),
    ("words", NAMES, "vocabulary = gk.Vocabulary.of_words(words)", "vocabulary.encode(words)"),
    ("rows", [list(range(6)), [1, 2]], "length = max(map(len, rows))", None),
]


@pytest.mark.parametrize(("name", "given", "first", "then"), STEPS)
def test_data_fits_after_the_two_steps_that_the_message_offers(name, given, first, then, problem):
    message = problem.refusal({name: given})
    assert first in message and len(message) < 420
    names = {"np": np, "gk": gk, "pandas": pd, name: given, "frame": given}
    if then is None:
        exec(first, names)
        return
    assert then.replace("labels[keep]", "array[keep]") in message
    exec(first, names)
    better = eval(then, names)
    assert name == "words" or len(problem.check({name: better}, name)) == len(better)


CODE = "images.numpy()" if tf.executing_eagerly() else "images"
SAYS = [
    ("images", eager(IMAGES[..., 0]), f"so give {CODE}[..., np.newaxis]"),
    (
        "labels",
        np.where(LABELS == 1, np.nan, LABELS),
        "example 1 is NaN, so leave out examples without a value",
    ),
    (
        "labels",
        LABELS / 2,
        "these are not whole numbers; numbers that are to be predicted need a placeholder",
    ),
    ("labels", np.array([None, *LABELS]), "example 0 has a missing value"),
    ("labels", np.array([1, "x"], object), "example 1 has 'x', which is not a number"),
    ("labels", np.r_[LABELS, 11], "labels up to 11 need 12 classes"),
    ("words", np.full((N, 4), 9), "a table for integers up to 9 needs 10 rows"),
    ("images", np.zeros((N, 7, 8, 1)), "another placeholder, such as gk.image_input(7, 8, 1)"),
    ("rows", ROWS[:, :4], "another placeholder, such as gk.feature_input(4)"),
    ("one_hot", np.eye(2)[LABELS % 2], "another placeholder, such as gk.one_hot_input(2)"),
    ("images", None, "data of images:0 must be an array; received value=None"),
    ("images", "x.npy", 'read the file first, as by np.load("x.npy")'),
    ("images", ["a.png", "b.png"], "read the pictures first, as by gk.load_dataset of their folder"),
    ("labels", pd.DataFrame({"kind": NAMES}), "give its column, labels['kind']"),
    ("images", b"x" * 5000, "must be an array: read the file first"),
    ("images", {"a": IMAGES}, "must be one array or column"),
    ("images", IMAGES[:0], "data must have at least one example; received shapes={'images:0': (0, 4, 5, 1)}"),
    ("images", [], "data must have at least one example"),
    ("rows", np.array([[1.0], [1.0, 2.0]], object), "its rows differ in shape"),
    ("images", (IMAGES, LABELS), "its rows differ in shape; received shapes={0: (12, 4, 5, 1), 1: (12,)}"),
    ("rows", tf.ragged.constant([[1.0], [2.0, 3.0]]), "must be a dense array: give rows.to_tensor()"),
    ("rows", tf.sparse.from_dense(ROWS), "must be a dense array: give tf.sparse.to_dense(rows)"),
    ("keep_prob", 0.5, 'belongs in feed: give feed={"keep_prob": 0.5}; received value=0.5'),
    ("keep_prob", np.full(N, 0.5), 'belongs in feed: give feed={"keep_prob": keep_prob}'),
    ("anything", 0.5, 'belongs in feed: give feed={"anything": 0.5}'),
]


@pytest.mark.parametrize(("name", "given", "text"), SAYS)
def test_data_that_no_code_makes_fit(name, given, text, problem):
    message = problem.refusal({name: given})
    assert text in message and len(message) < 420


RIGHT = [
    ("images", IMAGES.tolist()),
    ("images", IMAGES.astype(np.float64)),
    ("images", list(IMAGES)),
    ("images", eager(IMAGES)),
    ("images", column(IMAGES)),
    ("rows", FRAME),
    ("rows", FRAME.astype(object)),
    ("rows", FRAME.convert_dtypes()),
    ("rows", FRAME.assign(a=LABELS == 1, b=LABELS, c=pd.array(LABELS, "Int8"))),
    ("rows", FRAME.astype({"a": object}).set_axis(list("aacdef"), axis=1).drop(columns="a").assign(g=1, h=2)),
    ("labels", pd.Series(LABELS, dtype=object)),
    ("labels", LABELS == 1),
    ("labels", LABELS.astype(np.uint8).tolist()),
    ("labels", pd.Series(NAMES, dtype="category").cat.codes),
    ("labels", np.array([2])),
    ("one_hot", (ONE_HOT + 1) / 4),
    ("tokens", np.zeros((3, 4), int)),
    ("texts", NAMES),
    ("texts", pd.Series(NAMES)),
    ("anything", np.zeros(4)),
]


@pytest.mark.parametrize(("name", "given"), RIGHT)
def test_what_is_right_passes(name, given, problem):
    assert problem.check({name: given}, name)


class Split:
    def __init__(self):
        self.train = gk.data.ImageSplit(IMAGES, LABELS)
        self.valid = self.test = self.train


FIVE = '{"images": images, "colors": colors, "rows": rows, "labels": labels, …}'
FORMS = [
    (IMAGES, f"give {FIVE}; received data=array of float32 with shape (12, 4, 5, 1)"),
    ((IMAGES, LABELS), f"give {FIVE}; received data=(array of float32 with shape (12, 4, 5, 1), array"),
    (IMAGES.tolist(), f"give {FIVE}; received data=[[[["),
    (None, "received data=None"),
    ({3}, "received data={3}"),
    (pd.Series(LABELS), "received data=Series of int64 with shape (12,)"),
    (eager(IMAGES), " of float32 with shape (12, 4, 5, 1)"),
    (b"\0" * 5000, "(5000 in all)"),
    (0.2, "which you divide by train, valid = gk.split_indices(len(x), 0.2, seed=0)"),
    (Split(), '{"images": data.train.images, "colors": data.train.labels}'),
    (Split().train, '{"images": data.images, "colors": data.labels}'),
    (
        FRAME.assign(g=1),
        "the features of one: {\"rows\": frame[['a', 'b', 'c', 'd', 'e', 'f']], \"images\": frame['g']",
    ),
    (FRAME, "the features of one: {\"rows\": frame[['a', 'b', 'c', 'd', 'e', 'f']], \"images\": images"),
    ({"images": IMAGES, "images:0": IMAGES}, "images:0 must be given once: as a key, the placeholder and"),
    ({"graphkit/seed": 3}, "the trainer feeds graphkit/seed:0 by itself: leave it out of data"),
    ({"rows": ROWS, "labels": LABELS[:9]}, "received examples={'rows:0': 12, 'labels:0': 9}"),
    ({"rows": LABELS, "labels": ROWS}, "the arrays of rows and labels seem to be swapped"),
    ({"labels": IMAGES, "images": LABELS}, "the arrays of labels and images seem to be swapped"),
    (
        {"labels": IMAGES, "images": NAMES},
        "labels:0 takes int32 (None,), of which the first axis is the example; received shape=(12, 4, 5, 1)",
    ),
]


@pytest.mark.parametrize(("data", "text"), FORMS)
def test_data_in_another_form_is_refused_with_the_form_of_the_graph(data, text, problem):
    message = problem.refusal(data)
    assert text in message and len(message) < 620


def test_kinds_of_arrays_that_a_placeholder_takes():
    kinds = {tf.float32: "uifb", tf.bfloat16: "uifb", tf.int64: "uib", tf.bool: "b", tf.string: "USO"}
    assert {dtype: received.kinds_for(dtype) for dtype in kinds} == kinds
    assert received.kinds_for(tf.complex64) == "uifc"


def test_placeholders_without_a_name_of_their_own_are_named_in_code():
    graph = tf.compat.v1.get_default_graph()
    placeholders = [v1.placeholder(tf.float32, (None, 3))]
    with tf.name_scope("input"):
        placeholders.append(v1.placeholder(tf.int32, (None,), "y-1"))
    placeholders.append(v1.placeholder(tf.float32))
    with pytest.raises(TypeError) as caught:
        feeds.check_examples(checks.Checker("fit"), graph, [ROWS], None, placeholders, {})
    assert '{"Placeholder": array, "input/y-1": array, "Placeholder_1": array_1}' in str(caught.value)


class Table:
    """As a data set of Hugging Face is: its columns have names."""

    column_names = ("images", "labels")


def test_each_function_that_takes_data_says_the_same():
    images, labels, keep_prob = gk.image_input(4, 5, 1), gk.label_input(), gk.keep_prob_input()
    logits = gk.dense(gk.dropout(gk.flatten(images), keep_prob), 3)
    graph_tensor = tf.constant(IMAGES)
    with gk.Trainer(gk.softmax_cross_entropy(logits, labels)) as trainer:
        right = {images: IMAGES, labels: LABELS}
        calls = {
            "fit": lambda data: trainer.fit(data, progress=False),
            "fit (valid)": lambda data: trainer.fit(right, valid=data, progress=False),
            "evaluate": trainer.evaluate,
            "predict": lambda data: trainer.predict(logits, data),
        }
        wrong = {
            "images:0 takes (None, 4, 5, 1)": {images: IMAGES[..., 0], labels: LABELS},
            'placeholder images:0 needs data, or a value in feed: add {"images": images} to data': {
                labels: LABELS
            },
            "classes start at 0, so where yours start at 1, give labels - 1": {
                images: IMAGES,
                labels: LABELS + 1,
            },
            "; received data=array of float32": IMAGES,
            "a tensor of a graph has no values of its own": {images: graph_tensor, labels: LABELS},
            "data of images:0 must be an array: a tensor of a graph": {
                images: [graph_tensor],
                labels: LABELS,
            },
            'give feed={"keep_prob": 0.5}': {**right, keep_prob: 0.5},
            "these rows are one-hot, so give labels.argmax(axis=1)": {
                (images, labels): lambda: [(IMAGES, ONE_HOT)]
            },
            "so give images[..., np.newaxis]": {(images, labels): lambda: [(IMAGES[..., 0], LABELS)]},
            'add {"images": images} to each mini-batch': lambda: iter([{labels: LABELS}]),
            'as {("images", "labels"): stream}': lambda: iter([(IMAGES, LABELS)]),
            "give lambda: iter(batches); received": [{images: IMAGES, labels: LABELS}],
            'give {("images", "labels"): lambda: iter(batches)}; received': [(IMAGES, LABELS)],
            "give one of them, data['train']": {"train": Table(), "test": Table()},
        }
        for text, data in wrong.items():
            for name, call in calls.items():
                if name == "predict" and "labels - 1" in text:
                    continue  # which needs no labels
                with pytest.raises((TypeError, ValueError)) as caught:
                    call(data)
                message = str(caught.value)
                assert text in message and message.startswith(name) and "graphkit/" not in message
        with pytest.raises(TypeError, match='such as {"keep_prob": 0.5}; arrays of examples belong in data'):
            trainer.fit({images: IMAGES}, LABELS)
        for data, feed in (({images: IMAGES}, {labels: LABELS}), ({labels: LABELS}, {images: IMAGES})):
            text = r"has a row for each example, which belongs in data: give data \{.*\}; received feed=\{"
            with pytest.raises(ValueError, match=f"^evaluate: .*{text}"):
                trainer.evaluate(data, feed)
        assert trainer.step == 0
