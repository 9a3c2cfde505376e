"""The lists that loops fill, in NumPy: the functions that a written file has at its top if it uses them.

An op never changes its input, so each of them returns a new list. Their sources are copied, so they use NumPy
and each other alone.
"""

import numpy as np


def item(items, place, shape=None):
    """An item of a list; zeros of the shape if it has no value."""
    found = items[place]
    return np.zeros([max(int(n), 0) for n in shape], np.float32) if found is None else found


def with_item(items, place, value):
    """The list with another item at this place."""
    return [*items[:place], value, *items[place + 1 :]]


def item_shape(items):
    """The shape of the items that have a value."""
    return next((np.shape(value) for value in items if value is not None), ())


def stacked(items, shape, dtype):
    """The items as one array; zeros for those without a value."""
    shape = next((np.shape(value) for value in items if value is not None), shape)
    shape = tuple(max(int(n), 0) for n in np.ravel(shape))
    return np.array([np.zeros(shape, dtype) if v is None else v for v in items], dtype).reshape(-1, *shape)


def add_lists(*lists):
    """The sums of the items at each place; an item without a value counts as zeros."""
    return [
        sum((v for v in values if v is not None), start=0) if any(v is not None for v in values) else None
        for values in zip(*lists, strict=True)
    ]


def zeros_of(items):
    """A list of zeros of the shapes of the items."""
    return [None if value is None else np.zeros_like(value) for value in items]


def put(shape, where, values):
    """Zeros with the values at a place: the gradient of taking a part of an array."""
    array = np.zeros(tuple(shape), values.dtype)
    array[where] = values
    return array
