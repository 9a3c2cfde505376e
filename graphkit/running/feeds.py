"""What a trainer feeds: whole arrays, checked in full before the first step, then sliced."""

import hashlib
import json
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.data import batches
from graphkit.graph import walk
from graphkit.nn import inputs

CHUNK = 1 << 22  # bytes looked at in one go
FINGERPRINT_ROWS = 64


class Source(NamedTuple):
    """An array and the placeholder it is for."""

    placeholder: tf.Tensor
    array: np.ndarray
    scaling: tuple  # (offset, 1 / scale) for uint8 images, else None
    augment: Callable = None  # function (rows, seed) -> rows

    @property
    def mapped(self):
        """Whether the array is a file that is mapped into memory."""
        return isinstance(self.array, np.memmap) or batches.mapping_of(self.array) is not None

    def release(self):
        """Gives back the memory of what was read of a mapped file."""
        batches.release(self.array)

    def raw_rows(self, selection, seed=None):
        """Returns the selected examples as the array holds them, augmented."""
        values = self.array[selection]
        if self.augment is None:
            return values
        return self.augment(np.array(values), seed)  # a copy: it may work in place

    def rows(self, selection, seed=None):
        """Returns the selected examples as the placeholder takes them."""
        values = self.raw_rows(selection, seed)
        dtype = self.placeholder.dtype.as_numpy_dtype
        if self.scaling is None:
            return values if values.dtype == dtype else values.astype(dtype)
        offset, factor = self.scaling
        values = values.astype(dtype)
        values -= offset
        values *= factor
        return values


def check_data(function, graph, data, fetches, constants):
    """Returns (sources, number of examples) of {placeholder: array}, or refuses the data.

    Args:
      function: who asks, for the messages.
      graph: the trainer's graph.
      data: {placeholder: array of all examples}.
      fetches: tensors to be computed; each placeholder they need must have its data.
      constants: placeholders that are fed otherwise.
    """
    if not isinstance(data, dict):
        raise TypeError(checks.message(function, "data must be {placeholder: array}", data=type(data)))
    scalings = pixel_scalings(graph)
    sources = []
    for key, value in data.items():
        placeholder = check_key(function, graph, key)
        array = check_array(function, placeholder, value)
        scaling = scalings.get(placeholder.name) if array.dtype == np.uint8 else None
        sources.append(Source(placeholder, array, scaling))
    lengths = {source.placeholder.name: len(source.array) for source in sources}
    rule = "all arrays must have the same number of examples, and at least one"
    sound = len(set(lengths.values())) == 1 and min(lengths.values()) > 0
    checks.require(sound, function, rule, examples=lengths)
    fed = {source.placeholder.name for source in sources} | {c.name for c in constants}
    missing = [p.name for p in walk.needed_placeholders(fetches) if p.name not in fed]
    rule = f"placeholder {', '.join(missing)} needs data"
    checks.require(not missing, function, rule, fed=sorted(fed))
    for source in sources:
        check_values(function, source)
    return sources, len(sources[0].array)


def fingerprint(sources):
    """Returns a text that tells other data from these: by names, shapes, dtypes and some of the rows."""
    digest = hashlib.sha256()
    for source in sources:
        array = source.array
        digest.update(repr((source.placeholder.name, array.shape, str(array.dtype))).encode())
        places = np.unique(np.linspace(0, len(array) - 1, FINGERPRINT_ROWS).astype(int))
        rows = np.ascontiguousarray(array[places])
        digest.update(repr(rows.tolist()).encode() if rows.dtype.hasobject else rows.tobytes())
    return digest.hexdigest()


def check_augment(function, graph, augment, sources):
    """Returns the sources with their augmentations, each tried on the first example."""
    augment = augment or {}
    if not isinstance(augment, dict):
        rule = "augment must be {placeholder: function (rows, seed) -> rows}"
        raise TypeError(checks.message(function, rule, augment=augment))
    augmented = {check_key(function, graph, key).name: value for key, value in augment.items()}
    names = [source.placeholder.name for source in sources]
    unknown = sorted(augmented.keys() - set(names))
    checks.require(not unknown, function, "augment must name placeholders of data", augment=unknown)
    for source in sources:
        change = augmented.get(source.placeholder.name)
        if change is not None:
            if not callable(change):
                rule = f"augment of {source.placeholder.name} must be a function (rows, seed) -> rows"
                raise TypeError(checks.message(function, rule, augment=change))
            rows = source.array[:2]
            changed = change(np.array(rows), (0, 0, 0))
            rule = f"augment of {source.placeholder.name} must keep shape and dtype"
            array = np.asarray(changed)
            alike = (
                isinstance(changed, np.ndarray) and array.shape == rows.shape and array.dtype == rows.dtype
            )
            received = {"type": type(changed), "shape": array.shape, "dtype": str(array.dtype)}
            checks.require(alike, function, rule, **received)
    return [s._replace(augment=augmented.get(s.placeholder.name)) for s in sources]


def check_feed(function, graph, feed):
    """Returns {placeholder: value} of what is fed unchanged in every step, or refuses it."""
    if feed is not None and not isinstance(feed, dict):
        raise TypeError(checks.message(function, "feed must be {placeholder: value}", feed=feed))
    checked = {}
    for key, value in (feed or {}).items():
        placeholder = check_key(function, graph, key)
        try:
            value = np.asarray(value, placeholder.dtype.as_numpy_dtype)
        except (TypeError, ValueError):
            rule = f"{placeholder.name} takes {placeholder.dtype.name}"
            raise TypeError(checks.message(function, rule, value=value)) from None
        rule = f"{placeholder.name} has shape {placeholder.shape}"
        fits = placeholder.shape.is_compatible_with(value.shape)
        checks.require(fits, function, rule, shape=value.shape)
        if value.dtype.kind == "f":
            rule = f"{placeholder.name} must be finite"
            checks.require(np.isfinite(value).all(), function, rule, value=value)
        if any(placeholder is p for p in graph.get_collection(inputs.KEEP_PROBS)):
            rule = f"{placeholder.name} is a probability to keep, in (0, 1]"
            checks.require(0 < value <= 1, function, rule, value=float(value))
        checked[placeholder] = value
    return checked


def is_default(placeholder, value):
    """Tells whether the placeholder has this value where it is not fed."""
    if placeholder.op.type != "PlaceholderWithDefault":
        return False
    default = tf.get_static_value(placeholder.op.inputs[0])
    return default is not None and np.array_equal(default, value)


def check_key(function, graph, key):
    """Refuses a key that is no placeholder of the trainer's graph."""
    rule = "keys must be placeholders of the trainer's graph"
    if not walk.is_graph_tensor(key):
        raise TypeError(checks.message(function, rule, key=key))
    sound = key.graph is graph and walk.is_placeholder(key)
    checks.require(sound, function, rule, key=key.name, op=key.op.type)
    return key


def check_array(function, placeholder, value):
    """Returns the array if its dtype and the shape of its examples fit the placeholder."""
    name = placeholder.name
    array = value if isinstance(value, np.ndarray) else np.asarray(value)
    received = {"shape": array.shape, "dtype": str(array.dtype)}
    takes = placeholder.dtype
    kinds = "uif" if takes.is_floating else "ui" if takes.is_integer else "b"
    if takes == tf.string:
        kinds = "USO"
    elif takes.is_complex:
        kinds = "uifc"
    if array.dtype.kind not in kinds:
        raise TypeError(checks.message(function, f"{name} takes {takes.name}", **received))
    shape = placeholder.shape
    rule = f"{name} takes {shape}, of which the first axis is the example"
    fits = array.ndim > 0 and (shape.rank is None or shape[1:].is_compatible_with(array.shape[1:]))
    checks.require(fits and shape.rank != 0, function, rule, **received)
    return array


def check_values(function, source):
    """Refuses numbers that are not finite, and integers that no op behind the placeholder can take."""
    placeholder, array = source.placeholder, source.array
    rows = max(1, CHUNK // max(1, array[:1].nbytes))
    if array.dtype.kind == "f":
        for start in range(0, len(array), rows):
            check_finite(function, placeholder, array[start : start + rows], start)
            source.release()
    elif array.dtype.kind in "ui":
        limit, op_type = walk.index_limit(placeholder)
        lowest, highest = placeholder.dtype.min, placeholder.dtype.max
        rule = f"{placeholder.name} takes {placeholder.dtype.name}"
        if limit is not None:
            lowest, highest = 0, limit - 1
            rule = f"{placeholder.name} must lie in 0..{limit - 1}, which {op_type} takes"
        elif np.can_cast(array.dtype, placeholder.dtype.as_numpy_dtype):
            return
        for start in range(0, len(array), rows):
            part = array[start : start + rows]
            wrong = (part < lowest) | (part > highest)
            source.release()
            if wrong.any():
                at = tuple(int(axis[0]) for axis in np.nonzero(wrong))
                found = {"value": part[at].item(), "example": start + at[0]}
                raise ValueError(checks.message(function, rule, **found))


def check_finite(function, placeholder, part, start):
    if not np.isfinite(part.sum(dtype=np.float64)):
        wrong = ~np.isfinite(part)
        if wrong.any():
            at = tuple(int(axis[0]) for axis in np.nonzero(wrong))
            found = {"value": float(part[at]), "example": start + at[0]}
            rule = f"{placeholder.name} must be finite"
            raise ValueError(checks.message(function, rule, **found))


def pixel_scalings(graph):
    """Returns {placeholder name: (offset, 1 / scale)} of the graph's image placeholders."""
    scalings = {}
    for text in graph.get_collection(inputs.PIXEL_SCALING):
        name, offset, scale = json.loads(text)
        scalings[name] = (np.float32(offset), np.float32(1 / scale))
    return scalings
