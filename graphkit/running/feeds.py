"""What a trainer feeds: complete arrays, checked before the first step, then sliced into mini-batches."""

import functools
import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.data import batches, columns
from graphkit.graph import walk
from graphkit.nn import inputs, tensors
from graphkit.running import values

FINGERPRINT_ROWS = 64  # of files and very large arrays, evenly spaced, since reading all takes long
FINGERPRINT_BYTES = 1 << 30  # up to this size, all of an array in memory counts; that takes about a second
OWN = re.compile(r"(graphkit|save(_\d+)?)/")  # placeholders of a trainer and of savers
DATA_RULE = "data must be {placeholder or its name: array}, or a table with such columns"

Accept = Callable[[np.ndarray, Sequence[int] | np.ndarray], None]
Augment = Callable[[np.ndarray, tuple], np.ndarray]


class Source(NamedTuple):
    """An array and the placeholder it is for.

    Attributes:
      placeholder: takes rows of the array.
      array: all examples: in memory, memory-mapped, or a column.
      limits: what its values must be.
      scaling: (offset, 1 / scale) for uint8 images, else None.
      augment: function (rows, seed) -> rows of training mini-batches, or None.
      accept: function (rows, their numbers) that raises for rows of a column that cannot be used; None for
        an array, which is checked in full before the first step.
    """

    placeholder: tf.Tensor
    array: np.ndarray | columns.Column
    limits: values.Limits
    scaling: tuple | None = None
    augment: Augment | None = None
    accept: Accept | None = None

    @property
    def is_lazy(self) -> bool:
        """Whether rows are read when they are needed: those of a mapped file or a column."""
        is_read = isinstance(self.array, (np.memmap, columns.Column))
        return is_read or batches.mapping_of(self.complete) is not None

    @property
    def complete(self) -> np.ndarray:
        """The array of all examples, of a source that is not a column."""
        return cast(np.ndarray, self.array)

    @property
    def changes(self) -> bool:
        """Whether a placeholder takes other rows than the array holds, which takes time to compute."""
        same = self.array.dtype == self.placeholder.dtype.as_numpy_dtype
        return not same or self.scaling is not None or self.augment is not None

    def release(self) -> None:
        """Frees the pages of a mapped file that were read."""
        if isinstance(self.array, np.ndarray):
            batches.release(self.array)

    def sample(self) -> np.ndarray:
        """Returns the indices of a few examples, evenly spaced."""
        return np.unique(np.linspace(0, len(self.array) - 1, FINGERPRINT_ROWS).astype(int))

    def raw_rows(self, selection: Any, seed: tuple | None = None) -> np.ndarray:
        """Returns the selected examples as the array holds them, augmented."""
        rows = self.array[selection]
        if self.accept is not None:
            is_slice = isinstance(selection, slice)
            self.accept(rows, range(len(self.array))[selection] if is_slice else selection)
        if self.augment is None:
            return rows
        return self.augment(np.array(rows), seed or ())  # a copy, since it may work in place

    def rows(self, selection: Any, seed: tuple | None = None) -> np.ndarray:
        """Returns the selected examples as the placeholder takes them."""
        rows = self.raw_rows(selection, seed)
        dtype = self.placeholder.dtype.as_numpy_dtype
        if self.scaling is None:
            return rows if rows.dtype == dtype else rows.astype(dtype)
        offset, factor = self.scaling
        rows = rows.astype(dtype)
        rows -= offset
        rows *= factor
        return rows


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

    def plan(self, batch_size: int, *options: Any, most: int | None = None) -> Any:
        """Returns the `Plan` of mini-batches of these examples, or of the first ones, at most so many."""
        return batches.Plan(min(len(self), most or len(self)), batch_size, *(options or (False,)))

    @functools.cached_property
    def fingerprint(self) -> str:
        """A text that differs for other data: made of names, shapes, dtypes and rows.

        Of arrays that are in files, or larger than a gibibyte, only some rows count.
        """
        digest = hashlib.sha256()
        for source in self.sources:
            array = source.array
            digest.update(repr((source.placeholder.name, array.shape, str(array.dtype))).encode())
            is_table = isinstance(array, columns.Column) and array.in_memory
            if array.nbytes > FINGERPRINT_BYTES or (source.is_lazy and not is_table):
                update(digest, array[source.sample()])
            elif isinstance(array, columns.Column):
                for _, rows in values.parts(array):
                    update(digest, rows)
            else:
                update(digest, array)
        return digest.hexdigest()


def update(digest: Any, rows: np.ndarray) -> None:
    """Adds rows to a hash."""
    rows = np.ascontiguousarray(rows)
    digest.update(repr(rows.tolist()).encode() if rows.dtype.hasobject else rows.view(np.uint8).data)


def check_examples(
    check: checks.Checker,
    graph: tf.Graph,
    data: Any,
    feed: Any,
    fetches: Sequence[tf.Tensor | tf.Operation],
    own: Mapping[tf.Tensor, Any],
    augment: Any = None,
) -> Examples:
    """Returns the examples of {placeholder: array}, checked; those of a column as they are read.

    Args:
      check: of the function that was called.
      graph: the trainer's graph.
      data: {placeholder or its name: array or column of all examples}, or a table of such columns.
      feed: {placeholder or its name: value} of what is fed unchanged, or None.
      fetches: what is computed; each placeholder that it needs must have its data.
      own: {placeholder: value} of what the trainer feeds; None for a value that it feeds in each run.
      augment: {placeholder or its name: function (rows, seed) -> rows}, or None.
    """
    constants = check_feed(check, graph, feed)
    ops = walk.ancestors(fetches)
    sources = [
        make_source(check, placeholder, value, ops)
        for placeholder, value in by_placeholder(check, graph, columns_of(check, data)).items()
    ]
    require_once(check, sources, constants)
    lengths = {source.placeholder.name: len(source.array) for source in sources}
    same = len(set(lengths.values())) == 1 and min(lengths.values()) > 0
    rule = "all arrays must have the same number of examples, and at least one"
    check.require(same, rule, examples=lengths)
    given = sorted([*lengths, *(placeholder.name for placeholder in constants)])
    fed = {*given, *(placeholder.name for placeholder in own)}
    missing = [p.name for p in walk.needed_placeholders(fetches) if p.name not in fed]
    check.require(
        not missing, f"placeholder {', '.join(missing)} needs data, or a value in feed", given=given
    )
    for source in sources:
        check_values(check, source)
    own_values = {placeholder: value for placeholder, value in own.items() if value is not None}
    return Examples(with_augment(check, graph, sources, augment), own_values | constants, constants)


def require_once(
    check: checks.Checker, sources: Sequence[Source], constants: Mapping[tf.Tensor, np.ndarray]
) -> None:
    """Raises for a placeholder in data and in feed: executions would differ in which of them they take."""
    fed = {placeholder.name for placeholder in constants}
    twice = sorted(fed & {source.placeholder.name for source in sources})
    rule = f"{', '.join(twice)} must be given in data or in feed, not in both: data holds all examples, feed "
    check.require(not twice, f"{rule}what stays the same in every step", both=twice)


def with_augment(
    check: checks.Checker, graph: tf.Graph, sources: Sequence[Source], augment: Any
) -> list[Source]:
    """Returns the sources with their augmentations, each tried on the first two examples."""
    rule = "augment must be {placeholder: function (rows, seed) -> rows}"
    check.require_type(isinstance(augment or {}, Mapping), rule, augment=augment)
    changes = {p.name: change for p, change in by_placeholder(check, graph, augment or {}).items()}
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
    is_feed = feed is None or isinstance(feed, Mapping)
    check.require_type(is_feed, "feed must be {placeholder: value}", feed=feed)
    checked = {}
    for placeholder, value in by_placeholder(check, graph, feed or {}).items():
        name = placeholder.name
        check.unmasked(f"feed of {name}", value)
        value = values.as_constant(check, placeholder, value)
        fits = placeholder.shape.is_compatible_with(value.shape)
        check.require(fits, f"{name} has shape {tensors.shape_text(placeholder)}", shape=value.shape)
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


def columns_of(check: checks.Checker, data: Any) -> Mapping[Any, Any]:
    """Returns {key: examples} of a dict, or of what has columns with names.

    Such are a pandas DataFrame, a group of an HDF5 or zarr file, a Hugging Face `Dataset`.
    """
    is_table = hasattr(data, "keys") or hasattr(data, "column_names")
    check.require_type(is_table and hasattr(data, "__getitem__"), DATA_RULE, data=type(data))
    try:
        if isinstance(data, Mapping):  # a group of an HDF5 file is one, too
            return dict(data.items())
        names = list(data.keys() if hasattr(data, "keys") else data.column_names)
    except (KeyError, RuntimeError, ValueError) as error:  # of h5py
        raise ValueError(check.message(f"data cannot be read ({error}); is its file closed?")) from error
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    check.require(not twice, "columns must have different names", twice=twice)
    return {name: data[name] for name in names}


def by_placeholder(check: checks.Checker, graph: tf.Graph, named: Mapping[Any, Any]) -> dict[tf.Tensor, Any]:
    """Returns {placeholder: value} of {placeholder or its name: value}."""
    found: dict[str, tuple[tf.Tensor, Any]] = {}
    for key, value in named.items():
        placeholder = check_key(check, graph, key)
        check.require(placeholder.name not in found, f"{placeholder.name} must be given once")
        found[placeholder.name] = placeholder, value
    return dict(found.values())


def check_key(check: checks.Checker, graph: tf.Graph, key: Any) -> tf.Tensor:
    """Returns the placeholder of the trainer's graph that a key is, or names ("images" or "images:0")."""
    if isinstance(key, str):
        known = {op.name: op.outputs[0] for op in graph.get_operations() if op.type in walk.PLACEHOLDERS}
        name = key.removesuffix(":0")
        users = [other for other in known if not OWN.match(other)]
        near = checks.near(key, users) or f" (there are: {', '.join(users)})"
        check.require(name in known, f"keys must name placeholders of the trainer's graph{near}", key=key)
        return known[name]
    rule = "keys must be placeholders of the trainer's graph, or their names"
    check.require_type(walk.is_graph_tensor(key), rule, key=key)
    check.require(key.graph is graph and walk.is_placeholder(key), rule, key=key.name, op=key.op.type)
    return key


def make_source(
    check: checks.Checker, placeholder: tf.Tensor, value: Any, ops: Collection[tf.Operation]
) -> Source:
    """Returns the source of examples whose dtype and shape fit the placeholder."""
    array = check_array(check, placeholder, value)
    is_pixels = array.dtype == np.uint8
    scaling = pixel_scalings(placeholder.graph).get(placeholder.name) if is_pixels else None
    limits = values.Limits(placeholder, array.dtype, ops)
    accept = functools.partial(limits.check, check) if isinstance(array, columns.Column) else None
    return Source(placeholder, array, limits, scaling, accept=accept)


def check_array(check: checks.Checker, placeholder: tf.Tensor, value: Any) -> np.ndarray | columns.Column:
    """Returns the examples if their dtype and shape fit the placeholder."""
    name, takes, shape = placeholder.name, placeholder.dtype, placeholder.shape
    array = columns.as_examples(check, f"data of {name}", value)
    check.unmasked(f"data of {name}", array)
    # The dtype of a table's column, such as category, says more than that of its rows.
    dtype = getattr(value, "dtype", array.dtype) if isinstance(array, columns.Column) else array.dtype
    received = {"shape": array.shape, "dtype": str(dtype)}
    check.require_type(
        values.kind_of(array.dtype) in kinds_for(takes), f"{name} takes {takes.name}", **received
    )
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
    return "uifb" if dtype.is_floating else "uib" if dtype.is_integer else "b"


def check_values(check: checks.Checker, source: Source) -> None:
    """Raises for numbers that are not finite, and integers that the ops using the placeholder cannot take.

    Of columns, those that are in memory or small are read; the others are checked as they are read.
    """
    array, limits = source.array, source.limits
    if isinstance(array, columns.Column):
        is_read = array.in_memory or array.nbytes <= values.CHUNK
    else:
        is_read = limits.any
    for numbers, rows in values.parts(array) if is_read else ():
        limits.check(check, rows, numbers)
        source.release()


def pixel_scalings(graph: tf.Graph) -> dict[str, tuple]:
    """Returns {placeholder name: (offset, 1 / scale)} of the graph's image placeholders."""
    scalings = {}
    for text in graph.get_collection(inputs.PIXEL_SCALING):
        name, offset, scale = json.loads(text)
        scalings[name] = (np.float32(offset), np.float32(1 / scale))
    return scalings
