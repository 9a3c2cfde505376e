"""What a trainer feeds: complete arrays, checked before the first step, then sliced into mini-batches."""

import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.data import batches
from graphkit.graph import walk
from graphkit.nn import inputs, tensors

CHUNK = 1 << 22  # bytes that are checked at a time, so that a mapped file need not fit into memory
FINGERPRINT_ROWS = 64  # of mapped and very large arrays, evenly spaced, since reading all takes long
FINGERPRINT_BYTES = 1 << 30  # up to this size, all of an array in memory counts; that takes about a second
DATA_RULE = "data must be {placeholder: array}"

Augment = Callable[[np.ndarray, tuple], np.ndarray]


class Source(NamedTuple):
    """An array and the placeholder it is for.

    Attributes:
      placeholder: takes rows of the array.
      array: all examples, in memory or memory-mapped.
      scaling: (offset, 1 / scale) for uint8 images, else None.
      augment: function (rows, seed) -> rows of training mini-batches, or None.
    """

    placeholder: tf.Tensor
    array: np.ndarray
    scaling: tuple | None = None
    augment: Augment | None = None

    @property
    def mapped(self) -> bool:
        """Whether the array is a file that is mapped into memory."""
        return isinstance(self.array, np.memmap) or batches.mapping_of(self.array) is not None

    @property
    def changes(self) -> bool:
        """Whether a placeholder takes other rows than the array holds, which takes time to compute."""
        same = self.array.dtype == self.placeholder.dtype.as_numpy_dtype
        return not same or self.scaling is not None or self.augment is not None

    def release(self) -> None:
        """Frees the pages of a mapped file that were read."""
        batches.release(self.array)

    def sample(self) -> np.ndarray:
        """Returns the indices of a few examples, evenly spaced."""
        return np.unique(np.linspace(0, len(self.array) - 1, FINGERPRINT_ROWS).astype(int))

    def raw_rows(self, selection: Any, seed: tuple | None = None) -> np.ndarray:
        """Returns the selected examples as the array holds them, augmented."""
        values = self.array[selection]
        if self.augment is None:
            return values
        return self.augment(np.array(values), seed or ())  # a copy, since it may work in place

    def rows(self, selection: Any, seed: tuple | None = None) -> np.ndarray:
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


class Examples:
    """Checked arrays, and what is fed unchanged with each of their mini-batches.

    Attributes:
      sources: a `Source` for each array.
      constants: {placeholder: value} of what stays the same.
      given: those of the constants that the caller of `fit` gave.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        constants: Mapping[tf.Tensor, Any],
        given: Mapping[tf.Tensor, np.ndarray] | None = None,
    ) -> None:
        self.sources = tuple(sources)
        self.constants = dict(constants)
        self.given = dict(given or {})

    def __len__(self) -> int:
        """Returns the number of examples."""
        return len(self.sources[0].array)

    def constants_for(self, fetches: Sequence[tf.Tensor | tf.Operation]) -> dict[tf.Tensor, Any]:
        """Returns those constants that change the fetches; each feed of a `session.run` takes about 30 us."""
        needed = walk.ancestors(fetches)
        return {
            placeholder: value
            for placeholder, value in self.constants.items()
            if placeholder.op in needed and not is_default(placeholder, value)
        }

    @functools.cached_property
    def fingerprint(self) -> str:
        """A text that differs for other data: made of names, shapes, dtypes and rows.

        Of arrays that are mapped, or larger than a gibibyte, only some rows count.
        """
        digest = hashlib.sha256()
        for source in self.sources:
            array = source.array
            digest.update(repr((source.placeholder.name, array.shape, str(array.dtype))).encode())
            some = source.mapped or array.nbytes > FINGERPRINT_BYTES
            rows = np.ascontiguousarray(array[source.sample()] if some else array)
            digest.update(repr(rows.tolist()).encode() if rows.dtype.hasobject else rows.view(np.uint8).data)
        return digest.hexdigest()


def check_examples(
    check: checks.Checker,
    graph: tf.Graph,
    data: Any,
    feed: Any,
    fetches: Sequence[tf.Tensor | tf.Operation],
    own: Mapping[tf.Tensor, Any],
    augment: Any = None,
) -> Examples:
    """Returns the examples of {placeholder: array}, all checked.

    Args:
      check: of the function that was called.
      graph: the trainer's graph.
      data: {placeholder: array of all examples}.
      feed: {placeholder: value} of what is fed unchanged, or None.
      fetches: what is computed; each placeholder that it needs must have its data.
      own: {placeholder: value} of what the trainer feeds; None for a value that it feeds in each run.
      augment: {placeholder: function (rows, seed) -> rows}, or None.
    """
    constants = check_feed(check, graph, feed)
    check.require_type(isinstance(data, dict), DATA_RULE, data=type(data))
    scalings = pixel_scalings(graph)
    sources = []
    for key, value in data.items():
        placeholder = check_key(check, graph, key)
        array = check_array(check, placeholder, value)
        scaling = scalings.get(placeholder.name) if array.dtype == np.uint8 else None
        sources.append(Source(placeholder, array, scaling))
    lengths = {source.placeholder.name: len(source.array) for source in sources}
    same = len(set(lengths.values())) == 1 and min(lengths.values()) > 0
    rule = "all arrays must have the same number of examples, and at least one"
    check.require(same, rule, examples=lengths)
    given = sorted(placeholder.name for placeholder in (*data, *constants))
    fed = {*given, *(placeholder.name for placeholder in own)}
    missing = [p.name for p in walk.needed_placeholders(fetches) if p.name not in fed]
    check.require(
        not missing, f"placeholder {', '.join(missing)} needs data, or a value in feed", given=given
    )
    for source in sources:
        check_values(check, source)
    own_values = {placeholder: value for placeholder, value in own.items() if value is not None}
    return Examples(with_augment(check, graph, sources, augment), own_values | constants, constants)


def with_augment(
    check: checks.Checker, graph: tf.Graph, sources: Sequence[Source], augment: Any
) -> list[Source]:
    """Returns the sources with their augmentations, each tried on the first two examples."""
    rule = "augment must be {placeholder: function (rows, seed) -> rows}"
    check.require_type(isinstance(augment or {}, dict), rule, augment=augment)
    changes = {check_key(check, graph, key).name: value for key, value in (augment or {}).items()}
    unknown = sorted(changes.keys() - {source.placeholder.name for source in sources})
    check.require(not unknown, "augment must name placeholders of data", augment=unknown)
    for source in sources:
        if source.placeholder.name in changes:
            try_augment(check, source, changes[source.placeholder.name])
    return [source._replace(augment=changes.get(source.placeholder.name)) for source in sources]


def try_augment(check: checks.Checker, source: Source, change: Any) -> None:
    """Raises if an augmentation does not keep the shape and the dtype of rows."""
    name = f"augment of {source.placeholder.name}"
    check.require_type(callable(change), f"{name} must be a function (rows, seed) -> rows", augment=change)
    rows = source.array[:2]
    changed = check.unmasked(f"what {name} returns", change(np.array(rows), (0, 0, 0)))
    array = np.asarray(changed)
    same = isinstance(changed, np.ndarray) and (array.shape, array.dtype) == (rows.shape, rows.dtype)
    received = {"type": type(changed), "shape": array.shape, "dtype": str(array.dtype)}
    check.require(same, f"{name} must keep shape and dtype", **received)


def check_feed(check: checks.Checker, graph: tf.Graph, feed: Any) -> dict[tf.Tensor, np.ndarray]:
    """Returns {placeholder: value} of what is fed unchanged in every step, as arrays of their dtypes."""
    check.require_type(feed is None or isinstance(feed, dict), "feed must be {placeholder: value}", feed=feed)
    checked = {}
    for key, value in (feed or {}).items():
        placeholder = check_key(check, graph, key)
        name = placeholder.name
        check.unmasked(f"feed of {name}", value)
        try:
            value = np.asarray(value, placeholder.dtype.as_numpy_dtype)
        except (TypeError, ValueError):
            raise TypeError(check.message(f"{name} takes {placeholder.dtype.name}", value=value)) from None
        fits = placeholder.shape.is_compatible_with(value.shape)
        check.require(fits, f"{name} has shape {tensors.shape_text(placeholder)}", shape=value.shape)
        if value.dtype.kind == "f":
            check.require(np.isfinite(value).all(), f"{name} must be finite", value=value)
        if any(placeholder is p for p in graph.get_collection(inputs.KEEP_PROBS)):
            rule = f"{name} is a probability to keep, in (0, 1]"
            check.require(0 < value <= 1, rule, value=float(value))
        checked[placeholder] = value
    return checked


def is_default(placeholder: tf.Tensor, value: Any) -> bool:
    """Whether the placeholder has this value where it is not fed."""
    if placeholder.op.type != "PlaceholderWithDefault":
        return False
    default = tf.get_static_value(placeholder.op.inputs[0])
    return default is not None and np.array_equal(default, value)


def check_key(check: checks.Checker, graph: tf.Graph, key: Any) -> tf.Tensor:
    """Returns the key, which must be a placeholder of the trainer's graph."""
    rule = "keys must be placeholders of the trainer's graph"
    check.require_type(walk.is_graph_tensor(key), rule, key=key)
    check.require(key.graph is graph and walk.is_placeholder(key), rule, key=key.name, op=key.op.type)
    return key


def check_array(check: checks.Checker, placeholder: tf.Tensor, value: Any) -> np.ndarray:
    """Returns the array if its dtype and the shape of its examples fit the placeholder."""
    name, takes, shape = placeholder.name, placeholder.dtype, placeholder.shape
    # np.asanyarray keeps the mask of what an object's `__array__` returns, so that it is refused.
    given = value if isinstance(value, (np.ndarray, list, tuple)) else np.asanyarray(value)
    check.unmasked(f"data of {name}", given)
    array = given if isinstance(given, np.ndarray) else np.asarray(given)
    received = {"shape": array.shape, "dtype": str(array.dtype)}
    check.require_type(array.dtype.kind in kinds_for(takes), f"{name} takes {takes.name}", **received)
    fits = array.ndim > 0 and (shape.rank is None or shape[1:].is_compatible_with(array.shape[1:]))
    rule = f"{name} takes {tensors.shape_text(placeholder)}, of which the first axis is the example"
    check.require(fits and shape.rank != 0, rule, **received)
    return array


def check_sizes(check: checks.Checker, sources: Sequence[Source], plan: batches.Plan) -> None:
    """Raises `ValueError` if a placeholder is for mini-batches of another size."""
    for source in sources:
        size = source.placeholder.shape.as_list()[0] if source.placeholder.shape.rank else None
        rule = (
            f"{source.placeholder.name} takes {size} examples at a time: batch_size must be {size}, and the "
        )
        rule += "number of examples a multiple of it, or drop_remainder=True"
        fits = size is None or {plan.full_size, plan.short_size} <= {size, 0}
        check.require(fits, rule, batch_size=plan.batch_size, examples=plan.examples)


def kinds_for(dtype: tf.DType) -> str:
    """Returns the kinds of NumPy arrays that a placeholder of the dtype takes."""
    if dtype == tf.string:
        return "USO"
    if dtype.is_complex:
        return "uifc"
    return "uif" if dtype.is_floating else "ui" if dtype.is_integer else "b"


def check_values(check: checks.Checker, source: Source) -> None:
    """Raises for numbers that are not finite, and integers that the ops using the placeholder cannot take."""
    placeholder, array = source.placeholder, source.array
    rows = max(1, CHUNK // max(1, array[:1].nbytes))
    if array.dtype.kind == "f":
        for start in range(0, len(array), rows):
            check_finite(check, placeholder, array[start : start + rows], start)
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
            refuse_where(check, (part < lowest) | (part > highest), part, rule, start)
            source.release()


def check_finite(check: checks.Checker, placeholder: tf.Tensor, part: np.ndarray, start: int) -> None:
    # A term that is not finite makes the sum not finite; unlike np.isfinite, summing needs no further array.
    if not np.isfinite(part.sum(dtype=np.float64)):
        refuse_where(check, ~np.isfinite(part), part, f"{placeholder.name} must be finite", start)


def refuse_where(check: checks.Checker, wrong: np.ndarray, part: np.ndarray, rule: str, start: int) -> None:
    """Raises `ValueError` for the first number that is wrong, and says which example it belongs to."""
    if wrong.any():
        at = tuple(int(axis[0]) for axis in np.nonzero(wrong))
        raise ValueError(check.message(rule, value=part[at].item(), example=start + at[0]))


def pixel_scalings(graph: tf.Graph) -> dict[str, tuple]:
    """Returns {placeholder name: (offset, 1 / scale)} of the graph's image placeholders."""
    scalings = {}
    for text in graph.get_collection(inputs.PIXEL_SCALING):
        name, offset, scale = json.loads(text)
        scalings[name] = (np.float32(offset), np.float32(1 / scale))
    return scalings
