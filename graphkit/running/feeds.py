"""What a trainer feeds: complete arrays, checked before the first step, then sliced into mini-batches."""

import functools
import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.data import batches, columns
from graphkit.graph import walk
from graphkit.nn import inputs, tensors
from graphkit.running import data_keys, pixels, received, values

FINGERPRINT_ROWS = 64  # of files and very large arrays, evenly spaced, since reading all takes long
FINGERPRINT_BYTES = 1 << 30  # up to this size, all of an array in memory counts; that takes about a second

Accept = Callable[[np.ndarray, Sequence[int] | np.ndarray], None]
Augment = Callable[[np.ndarray, tuple], np.ndarray]


class Source(NamedTuple):
    """An array and the placeholder it is for.

    Attributes:
      placeholder: takes rows of the array.
      array: all examples: in memory, memory-mapped, or a column.
      limits: what its values must be.
      scaling: of uint8 images, else None.
      augment: function (rows, seed) -> rows of training mini-batches, or None.
      accept: function (rows, their numbers) that raises for rows of a column that cannot be used; None for
        an array, which is checked in full before the first step.
    """

    placeholder: tf.Tensor
    array: np.ndarray | columns.Column
    limits: values.Limits
    scaling: pixels.Scaling | None = None
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
        if self.scaling is not None:
            return self.scaling.rows(rows, dtype)
        return rows if rows.dtype == dtype else rows.astype(dtype)


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

    def plan(self, batch_size: int, *options: Any, most: int | None = None) -> batches.Plan:
        """Returns the `Plan` of mini-batches of these examples, or of the first `most`."""
        return batches.Plan(min(len(self), most or len(self)), batch_size, *(options or (False,)))

    def plan_to_evaluate(
        self, check: checks.Checker, batch_size: int, most: int | None = None
    ) -> batches.Plan:
        """Returns the plan of an evaluation, with as many examples at a time as the placeholders take."""
        plan = self.plan(self.fixed_size(batch_size), most=most)
        rule = "the number of examples must be a multiple of it"
        check_sizes(check, self.sources, plan, rule, examples=plan.examples)
        return plan

    def fixed_size(self, default: int) -> int:
        """Returns how many examples at a time the placeholders take, or the default if that is any number."""
        return next(iter(fixed_sizes(self.sources).values()), default)

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
    place: str = "data",
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
      place: where a program gives the arrays, for messages.
    """
    columns = data_keys.columns_of(check, graph, data, fetches)
    named = data_keys.by_placeholder(check, graph, columns)
    data_keys.check_settings(check, named)
    constants = check_feed(check, graph, feed)
    data_keys.require_once(check, named, constants)
    ops = walk.ancestors(fetches)
    data_keys.check_given(check, walk.fed_among(ops), [*named, *constants], own, place)
    require_examples(check, data, named, ops)
    arrays = received.check_arrays(check, named)
    data_keys.check_rows_in_feed(check, named, constants, len(next(iter(arrays.values()))))
    sources = [make_source(check, placeholder, array, ops) for placeholder, array in arrays.items()]
    for source in sources:
        check_values(check, source)
    own_values = {placeholder: value for placeholder, value in own.items() if value is not None}
    return Examples(with_augment(check, graph, sources, augment), own_values | constants, constants)


def require_examples(
    check: checks.Checker, data: Any, named: Mapping[tf.Tensor, Any], ops: Iterable[tf.Operation]
) -> None:
    """Raises `ValueError` if there are no arrays, as where a graph reads its examples itself."""
    readers = [op.name for op in ops if walk.DATA.match(op.type)]
    rule = "data must hold the examples, as {placeholder: array of all examples}"
    if readers:
        rule += (
            f"; the graph reads its own by {min(readers)}, which no trainer can shuffle or repeat: make "
            "placeholders in place of what it returns, and give the tf.data.Dataset, or arrays, as data"
        )
    check.require(named, rule, data=data)


def with_augment(
    check: checks.Checker, graph: tf.Graph, sources: Sequence[Source], augment: Any
) -> list[Source]:
    """Returns the sources with their augmentations, each tried on the first two examples."""
    rule = "augment must be {placeholder: function (rows, seed) -> rows}"
    check.require_type(isinstance(augment or {}, Mapping), rule, augment=augment)
    changes = {p.name: change for p, change in data_keys.by_placeholder(check, graph, augment or {}).items()}
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
    if feed is not None and not isinstance(feed, Mapping):
        raise TypeError(check.message(data_keys.feed_rule(graph), feed=feed))
    checked = {}
    for placeholder, value in data_keys.by_placeholder(check, graph, feed or {}).items():
        name, given = placeholder.name, value
        check.unmasked(f"feed of {name}", value)
        value = values.as_constant(check, placeholder, value)
        fits = placeholder.shape.is_compatible_with(value.shape)
        check.require(fits, f"{name} has shape {tensors.shape_text(placeholder)}", shape=value.shape)
        if any(placeholder is p for p in graph.get_collection(inputs.KEEP_PROBS)):
            rule = f"{name} is a probability to keep, in (0, 1]"
            check.require(0 < value <= 1, rule, value=float(value))
        checked[placeholder] = pixels.as_fed(check, placeholder, given, value)
    return checked


def is_default(placeholder: tf.Tensor, value: Any) -> bool:
    """Whether the placeholder has this value where it is not fed."""
    if placeholder.op.type != "PlaceholderWithDefault":
        return False
    default = tf.get_static_value(placeholder.op.inputs[0])
    return default is not None and np.array_equal(default, value)


def make_source(
    check: checks.Checker,
    placeholder: tf.Tensor,
    array: np.ndarray | columns.Column,
    ops: Collection[tf.Operation],
) -> Source:
    """Returns the source of examples, whose dtype and shape fit the placeholder."""
    scaling = pixels.scaling_of(placeholder) if array.dtype == np.uint8 else None
    limits = values.Limits(placeholder, array.dtype, ops)
    accept = functools.partial(limits.check, check) if isinstance(array, columns.Column) else None
    return Source(placeholder, array, limits, scaling, accept=accept)


def check_sizes(
    check: checks.Checker, sources: Sequence[Source], plan: batches.Plan, rule: str, **received: int
) -> None:
    """Raises `ValueError` if a placeholder is for mini-batches of another size, which is {} in the rule."""
    for name, size in fixed_sizes(sources).items():
        fits = {plan.full_size, plan.short_size} <= {size, 0}
        check.require(fits, f"{name} takes {size} examples at a time: {rule.format(size)}", **received)


def fixed_sizes(sources: Iterable[Source]) -> dict[str, int]:
    """Returns {name of a placeholder: number of examples} of those that take a fixed number at a time."""
    placeholders = [source.placeholder for source in sources if source.placeholder.shape.rank]
    # As a list, since after disable_v2_behavior() a size is a Dimension.
    sizes = {placeholder.name: placeholder.shape.as_list()[0] for placeholder in placeholders}
    return {name: size for name, size in sizes.items() if size is not None}


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
