"""`tf.estimator.inputs`: input functions of arrays and data frames, on tf.data.

Batches go on across the ends of epochs, and only the last one is smaller, as those of the queues were. The
queue shuffled 1,000 examples at a time; here each epoch is shuffled as a whole, from the graph's seed.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit.tf1 import overlay

__all__ = ["numpy_input_fn", "pandas_input_fn"]


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
    check_shuffle(shuffle)

    def input_fn() -> Any:
        if not isinstance(x, (Mapping, np.ndarray)):
            raise TypeError(f"x must be a dict or array; got {type(x).__name__}")
        if not len(x):
            kind = "array" if isinstance(x, np.ndarray) else "dict"
            raise ValueError(f"x cannot be an empty {kind}")
        if isinstance(y, Mapping) and not y:
            raise ValueError("y cannot be empty dict, use None instead.")
        features, labels = keyed(x, "x"), {} if y is None else keyed(y, "y")
        both = set(features) & set(labels)
        if both:
            raise ValueError(f"{len(both)} duplicate keys are found in both x and y: {both}")
        arrays = {**features, **labels}
        if len({len(array) for array in arrays.values()}) > 1:
            shapes = {key: array.shape for key, array in arrays.items()}
            raise ValueError(
                "Length of tensors in x and y is mismatched. All elements in x and y must have the same "
                f"length.\nShapes: {shapes}"
            )
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
    check_shuffle(shuffle)
    if not isinstance(target_column, str):
        raise TypeError("target_column must be a string type")
    if y is not None and target_column in x:
        raise ValueError(
            f"Cannot use name {target_column} for target column: DataFrame already has a column "
            f"with that name: {x.columns}"
        )
    if y is not None and not np.array_equal(x.index, y.index):
        raise ValueError(f"Index for x and y are mismatched.\nIndex for x: {x.index}\nIndex for y: {y.index}")
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


def check_shuffle(shuffle: Any) -> None:
    if not isinstance(shuffle, bool):
        raise ValueError(
            "shuffle must be provided and explicitly set as boolean "
            f"(it is recommended to set it as True for training); got {shuffle}"
        )


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
    iterator = tf.compat.v1.data.make_initializable_iterator(
        rows.repeat(epochs).batch(batch_size).prefetch(2)
    )
    with tf.device("/cpu:0"):
        variables, chosen = [held(array) for array in given], iterator.get_next()
        tensors = [tf.gather(variable, chosen) for variable in variables]
    for initializer in (iterator.initializer, *(variable.initializer for variable in variables)):
        tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.TABLE_INITIALIZERS, initializer)
    for tensor, array in zip(tensors, given, strict=True):
        tensor.set_shape([batch_size if epochs is None else None, *array.shape[1:]])
    return dict(zip(arrays, tensors, strict=True))


def held(array: np.ndarray) -> tf.Variable:
    """Returns a variable that holds an array, in no collection.

    The array itself is not in the graph, which could not be larger than 2 GiB and
    is written with each checkpoint.
    """
    dtype = tf.string if array.dtype == object else tf.as_dtype(array.dtype)
    value = tf.numpy_function(lambda: array, [], dtype)
    value.set_shape(array.shape)
    return tf.compat.v1.Variable(value, trainable=False, collections=[], use_resource=True, name="examples")


__getattr__, __dir__ = overlay.over(__name__)
