"""Input functions of arrays and data frames: epochs, batches, order, refusals."""

import numpy as np
import pytest

import graphkit.tf1 as tf

inputs = tf.estimator.inputs


def read(input_fn, count=100, seed=None):
    """Returns the mini-batches of an input function."""
    with tf.Graph().as_default():
        tf.set_random_seed(seed)
        tensors, batches = input_fn(), []
        with tf.Session() as session:
            session.run(tf.tables_initializer())
            try:
                for _ in range(count):
                    batches.append(session.run(tensors))
            except tf.errors.OutOfRangeError:
                pass
        return batches


def test_batches_go_on_across_the_ends_of_epochs():
    x, y = {"b": np.arange(5.0), "a": np.arange(10).reshape(5, 2)}, np.arange(5, 10)
    batches = read(inputs.numpy_input_fn(x, y, 4, 2, False))
    assert [len(labels) for _, labels in batches] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in batches]), [*range(5, 10)] * 2)
    np.testing.assert_array_equal(batches[1][0]["a"], x["a"][[4, 0, 1, 2]])
    assert batches[0][0]["b"].dtype == np.float64


def test_arrays_text_and_no_labels():
    (batch,) = read(inputs.numpy_input_fn(np.eye(3), shuffle=False))
    np.testing.assert_array_equal(batch, np.eye(3))
    (batch,) = read(inputs.numpy_input_fn({"word": np.array(["a", "bc"])}, {"y": np.ones(2)}, shuffle=False))
    assert list(batch[0]["word"]) == [b"a", b"bc"]
    assert list(batch[1]) == ["y"]
    assert len(read(inputs.numpy_input_fn(np.eye(3), None, 2, None, False), count=7)) == 7


def test_shuffled_epochs_hold_each_example_once_in_an_order_of_the_seed():
    input_fn = inputs.numpy_input_fn(np.arange(20), None, 20, 2, True)
    first, again, other = read(input_fn, seed=1), read(input_fn, seed=1), read(input_fn, seed=2)
    for batch in (*first, *other):
        np.testing.assert_array_equal(np.sort(batch), np.arange(20))
    np.testing.assert_array_equal(first, again)
    assert (first[0] != first[1]).any()
    assert (first[0] != other[0]).any()


def test_shapes_are_known():
    features = inputs.numpy_input_fn(np.zeros((4, 2), np.float32), None, 3, None, True)()
    assert features.shape.as_list() == [3, 2]
    assert inputs.numpy_input_fn(np.zeros((4, 2)), None, 3, 1, True)().shape.as_list() == [None, 2]


def test_frames():
    pandas = pytest.importorskip("pandas")
    x = pandas.DataFrame({"n": [1.0, 2.0, 3.0], "s": ["a", "b", "c"]}, index=[7, 8, 9])
    y = pandas.Series([0, 1, 0], index=[7, 8, 9])
    (first, second) = read(inputs.pandas_input_fn(x, y, 2, shuffle=False))
    assert list(first[0]["s"]) == [b"a", b"b"]
    assert list(second[1]) == [0]
    (batch,) = read(inputs.pandas_input_fn(x, x[["n"]], shuffle=False))
    np.testing.assert_array_equal(batch[1]["n"], [1, 2, 3])
    (batch,) = read(inputs.pandas_input_fn(x, shuffle=False))
    assert list(batch) == ["n", "s"]
    with pytest.raises(ValueError, match="Index for x and y are mismatched"):
        inputs.pandas_input_fn(x, y.reset_index(drop=True), shuffle=False)
    with pytest.raises(ValueError, match="Cannot use the name of a column"):
        inputs.pandas_input_fn(x, y, shuffle=False, target_column="n")


def test_what_is_refused():
    for arguments, kind, message in (
        ({"x": np.ones(2)}, ValueError, "shuffle must be provided"),
        ({"x": [1], "shuffle": True}, TypeError, "x must be a dict or array"),
        ({"x": {}, "shuffle": True}, ValueError, "x cannot be an empty dict"),
        ({"x": np.ones(0), "shuffle": True}, ValueError, "x cannot be an empty array"),
        ({"x": np.ones(2), "y": np.ones(3), "shuffle": True}, ValueError, "mismatched"),
        ({"x": np.ones(2), "y": {}, "shuffle": True}, ValueError, "y cannot be empty dict"),
        ({"x": {"a": np.ones(2)}, "y": {"a": np.ones(2)}, "shuffle": True}, ValueError, "duplicate keys"),
    ):
        with pytest.raises(kind, match=message):
            inputs.numpy_input_fn(**arguments)()
