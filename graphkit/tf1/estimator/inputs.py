"""`tf.estimator.inputs`: input functions of arrays and data frames, on tf.data.

Batches go on across the ends of epochs, and only the last one is smaller, as those of the queues were. The
queue shuffled 1,000 examples at a time; here each epoch is shuffled as a whole, from the graph's seed. In a
session of a program's own, `tf.tables_initializer()` takes the place of `tf.train.start_queue_runners()`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.tf1 import overlay

__all__ = ["numpy_input_fn", "pandas_input_fn"]

v1 = tf.compat.v1


def numpy_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool | None = None,
    queue_capacity: int = 1000,
    num_threads: int = 1,
) -> Callable[[], Any]:
    """Returns an input function of an array or a dict of arrays, whose first axis is the example."""
    check = checks.Checker("numpy_input_fn")
    check_shuffle(check, shuffle)

    def input_fn() -> Any:
        is_data = isinstance(x, (Mapping, np.ndarray))
        check.require_type(is_data, "x must be a dict or array", x=type(x))
        kind = "array" if isinstance(x, np.ndarray) else "dict"
        check.require(len(x) > 0, f"x cannot be an empty {kind}")
        check.require(not isinstance(y, Mapping) or y, "y cannot be empty dict, use None instead.")
        features, labels = keyed(x, "x"), {} if y is None else keyed(y, "y")
        both = set(features) & set(labels)
        check.require(not both, "duplicate keys are found in both x and y", keys=both)
        arrays = {**features, **labels}
        shapes = {key: array.shape for key, array in arrays.items()}
        same = len({shape[0] for shape in shapes.values()}) == 1
        check.require(same, "Length of tensors in x and y is mismatched", shapes=shapes)
        rows = batches(arrays, batch_size, num_epochs, shuffle)
        given = rows[None, "x"] if isinstance(x, np.ndarray) else {key: rows[key] for key in features}
        if y is None:
            return given
        return given, {key: rows[key] for key in labels} if isinstance(y, Mapping) else rows[None, "y"]

    return input_fn


def pandas_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool | None = None,
    queue_capacity: int = 1000,
    num_threads: int = 1,
    target_column: str = "target",
) -> Callable[[], Any]:
    """Returns an input function of a pandas DataFrame: {column: tensor}, and labels if there are any."""
    check = checks.Checker("pandas_input_fn")
    check_shuffle(check, shuffle)
    check.require_type(isinstance(target_column, str), "target_column must be a string type")
    new = y is None or target_column not in x
    check.require(new, "Cannot use the name of a column for target_column", target_column=target_column)
    same = y is None or np.array_equal(x.index, y.index)
    check.require(same, "Index for x and y are mismatched")
    features = {key: x[key].to_numpy() for key in x}
    many = y is not None and hasattr(y, "columns")
    labels = {("y", key): y[key].to_numpy() for key in y} if many else {}
    labels |= {("y", None): y.to_numpy()} if y is not None and not many else {}

    def input_fn() -> Any:
        rows = batches({**features, **labels}, batch_size, num_epochs, shuffle)
        given = {key: rows[key] for key in features}
        if y is None:
            return given
        return given, {key[1]: rows[key] for key in labels} if many else rows["y", None]

    return input_fn


def check_shuffle(check: checks.Checker, shuffle: Any) -> None:
    check.require(isinstance(shuffle, bool), "shuffle must be provided, as True or False", shuffle=shuffle)


def keyed(data: Any, name: str) -> dict[Any, np.ndarray]:
    if not isinstance(data, Mapping):
        return {(None, name): np.asarray(data)}
    return {key: np.asarray(data[key]) for key in sorted(data)}


def batches(
    arrays: Mapping[Any, np.ndarray], batch_size: int, epochs: int | None, shuffle: bool | None
) -> dict[Any, tf.Tensor]:
    """Returns the tensors of the next mini-batch of all arrays."""
    given = [array.astype(object) if array.dtype.kind in "US" else array for array in arrays.values()]
    rows = tf.data.Dataset.range(len(given[0]))
    rows = rows.shuffle(len(given[0])) if shuffle else rows
    rows = rows.repeat(epochs).batch(batch_size).prefetch(2)
    iterator = v1.data.make_initializable_iterator(rows)
    with tf.device("/cpu:0"):
        variables, chosen = [held(array) for array in given], iterator.get_next()
        tensors = [tf.gather(variable, chosen) for variable in variables]
    for initializer in (iterator.initializer, *(variable.initializer for variable in variables)):
        v1.add_to_collection(v1.GraphKeys.TABLE_INITIALIZERS, initializer)
    for tensor, array in zip(tensors, given, strict=True):
        tensor.set_shape([batch_size if epochs is None else None, *array.shape[1:]])
    return dict(zip(arrays, tensors, strict=True))


def held(array: np.ndarray) -> tf.Variable:
    """Returns a variable of an array, in no collection; a graph could not hold more than 2 GiB of arrays."""
    value = tf.numpy_function(lambda: array, [], tf.string if array.dtype == object else array.dtype)
    value.set_shape(array.shape)
    return v1.Variable(value, trainable=False, collections=[], use_resource=True, name="examples")


__getattr__, __dir__ = overlay.over(__name__)
