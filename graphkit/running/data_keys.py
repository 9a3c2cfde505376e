"""The keys of data and feed: which placeholder each names, what is missing, and how data has to be given."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.graph import walk
from graphkit.nn import inputs

OWN = re.compile(r"(graphkit|save(_\d+)?)/")  # placeholders of a trainer and of savers
MOST_KEYS = 4  # entries of an example of data in a message
CROSS_ENTROPIES = ("SoftmaxCrossEntropyWithLogits", "SparseSoftmaxCrossEntropyWithLogits")
LABELS = ("label", "labels", "target", "targets", "class", "classes", "y", "kind")  # columns of these names


def name_of(placeholder: tf.Tensor) -> str:
    """Returns the shortest name of a placeholder that data and feed take as a key."""
    return placeholder.op.name


def code_of(placeholder: tf.Tensor) -> str:
    """Returns what the array for a placeholder is called in code that a message offers."""
    word = re.sub(r"^Placeholder", "array", name_of(placeholder).rsplit("/", 1)[-1])
    return word if word.isidentifier() else "array"


def inputs_of(graph: tf.Graph) -> list[tf.Tensor]:
    """Returns the placeholders of a graph that take examples, in the order in which they were made."""
    found = [op.outputs[0] for op in graph.get_operations() if op.type == "Placeholder"]
    return [tensor for tensor in found if tensor.shape.rank != 0 and not OWN.match(tensor.op.name)]


def as_code(values: Mapping[tf.Tensor, str]) -> str:
    """Returns a dict of code for placeholders as a program writes it, by their names."""
    entries = [f'"{name_of(key)}": {value}' for key, value in list(values.items())[:MOST_KEYS]]
    return "{" + ", ".join([*entries, *(["…"] if len(values) > MOST_KEYS else [])]) + "}"


def data_code(graph: tf.Graph, fetches: Sequence[tf.Tensor | tf.Operation] = ()) -> str:
    """Returns what data is for a graph, such as {"images": images, "labels": labels}.

    With fetches, it is for what these need: predictions need no labels.
    """
    return as_code({tensor: code_of(tensor) for tensor in needed_inputs(graph, fetches)})


def needed_inputs(graph: tf.Graph, fetches: Sequence[tf.Tensor | tf.Operation]) -> list[tf.Tensor]:
    """Returns the inputs of a graph that fetches need; all of them where that is none."""
    needed = {tensor.op for tensor in walk.needed_placeholders(fetches)}
    found = inputs_of(graph)
    return [tensor for tensor in found if tensor.op in needed] or found


def stream_code(placeholders: Sequence[tf.Tensor], stream: str = "stream") -> str:
    """Returns what data is where a stream yields tuples, such as {("images", "labels"): stream}."""
    names = [f'"{name_of(tensor)}"' for tensor in placeholders]
    return f"{{({', '.join(names)}{',' if len(names) == 1 else ''}): {stream}}}"


def columns_of(
    check: checks.Checker, graph: tf.Graph, data: Any, fetches: Sequence[tf.Tensor | tf.Operation]
) -> Mapping[Any, Any]:
    """Returns {key: examples} of a dict, or of what has columns with names; the fetches are for messages.

    Such are a pandas DataFrame, a group of an HDF5 or zarr file, a Hugging Face `Dataset`.
    """
    has_keys = hasattr(data, "keys") or hasattr(data, "column_names")
    is_series = hasattr(data, "iloc") and not hasattr(data, "columns")
    if not has_keys or not hasattr(data, "__getitem__") or is_series:
        rule = "data must be {placeholder or its name: array}, or a table with such columns"
        raise TypeError(check.message(f"{rule}: give {code_for(graph, data, fetches)}", data=data))
    try:
        if isinstance(data, Mapping):  # a group of an HDF5 file is one, too
            return one_table(check, dict(data.items()))
        names = list(data.keys() if hasattr(data, "keys") else data.column_names)
    except (KeyError, RuntimeError, ValueError) as error:  # of h5py
        raise ValueError(check.message(f"data cannot be read ({error}); is its file closed?")) from error
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    check.require(not twice, "columns must have different names", twice=twice)
    check_table(check, graph, data, names, fetches)
    return {name: data[name] for name in names}


def one_table(check: checks.Checker, found: dict[Any, Any]) -> dict[Any, Any]:
    """Returns the columns of data, of which none is a table itself, as the splits of Hugging Face are."""
    tables = [key for key, value in found.items() if hasattr(value, "column_names")]
    if tables and len(tables) == len(found):
        rule = f"data holds several tables: give one of them, data[{tables[0]!r}]"
        raise TypeError(check.message(rule, keys=list(found)))
    return found


def code_for(graph: tf.Graph, data: Any, fetches: Sequence[tf.Tensor | tf.Operation]) -> str:
    """Returns how to give data that came in another form."""
    if hasattr(data, "train") and hasattr(data, "valid"):  # of gk.load_dataset
        return code_for_fields(graph, "data.train", type(data.train))
    if hasattr(data, "_fields"):
        return code_for_fields(graph, "data", type(data))
    if isinstance(data, list) and data and isinstance(data[0], (Mapping, tuple)):  # of mini-batches
        batches, every = "lambda: iter(batches)", inputs_of(graph)
        if isinstance(data[0], Mapping):
            return batches
        return stream_code(every if len(every) == len(data[0]) else needed_inputs(graph, fetches), batches)
    if isinstance(data, float) and 0 < data < 1:
        indices = f"train, valid = gk.split_indices(len(x), {data}, seed=0)"
        return f"{data_code(graph)} of these examples, which you divide by {indices}"
    return data_code(graph, fetches)


def code_for_fields(graph: tf.Graph, name: str, kind: Any) -> str:
    """Returns the data for a graph as fields of a named tuple, such as a split of a data set."""
    tensors = inputs_of(graph)
    return as_code({tensor: f"{name}.{field}" for tensor, field in zip(tensors, kind._fields, strict=False)})


def check_table(
    check: checks.Checker,
    graph: tf.Graph,
    table: Any,
    names: Sequence[Any],
    fetches: Sequence[tf.Tensor | tf.Operation],
) -> None:
    """Raises for a table whose columns are meant to be the features of one placeholder."""
    if not hasattr(table, "iloc"):
        return
    tensors = needed_inputs(graph, fetches)
    known = {name for tensor in tensors for name in (tensor.op.name, tensor.name)}
    matrices = [tensor for tensor in tensors if tensor.shape.rank == 2]
    if known & set(names) or not matrices:
        return
    others = [tensor for tensor in tensors if tensor is not matrices[0]]
    is_all = matrices[0].shape.as_list()[1] == len(names)
    labels = None if is_all or not names else label_column(names, tensors) or names[-1]
    features = [name for name in names if name != labels or not others]
    values = {matrices[0]: f"frame[{checks.shown(features)}]"} | {other: code_of(other) for other in others}
    if others and labels is not None:
        values[others[0]] = f"frame[{labels!r}]"
    rule = "columns of a table must have the names of placeholders; where several are the features of one: "
    raise ValueError(check.message(f"{rule}{as_code(values)}", columns=list(names)))


def label_column(names: Sequence[Any], tensors: Sequence[tf.Tensor] = ()) -> Any:
    """Returns which column of a table has a name of labels, or None."""
    known = {*LABELS, *(tensor.op.name for tensor in tensors)}
    return next((name for name in names if str(name).lower() in known), None)


def by_placeholder(check: checks.Checker, graph: tf.Graph, named: Mapping[Any, Any]) -> dict[tf.Tensor, Any]:
    """Returns {placeholder: value} of {placeholder or its name: value}."""
    found: dict[str, tuple[tf.Tensor, Any]] = {}
    for key, value in named.items():
        placeholder = check_key(check, graph, key)
        rule = f"{placeholder.name} must be given once: as a key, the placeholder and its name are the same"
        keys = [str(getattr(key, "name", key)) for key in named]
        check.require(placeholder.name not in found, rule, keys=keys)
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
    if isinstance(key, tf.SparseTensor):
        rule += "; feed dense rows, and compute with tf.sparse.from_dense(placeholder)"
    check.require_type(walk.is_graph_tensor(key), rule, key=key)
    if key.graph is not graph and walk.is_placeholder(key):
        rule += "; this one is of another graph, such as that of a cell which was run before"
    check.require(key.graph is graph and walk.is_placeholder(key), rule, key=key.name, op=key.op.type)
    return key


def check_settings(check: checks.Checker, named: Mapping[tf.Tensor, Any]) -> None:
    """Raises for a placeholder of a single value in data, such as keep_prob, which belongs in feed."""
    for placeholder, value in named.items():
        name = placeholder.name
        is_number = isinstance(value, (bool, int, float, np.number, np.bool_))
        rule = f"the trainer feeds {name} by itself: leave it out of data"
        check.require(not OWN.match(name), rule, value=value)
        if placeholder.shape.rank == 0 or (placeholder.shape.rank is None and is_number):
            code = value if is_number else code_of(placeholder)
            rule = f"{name} has a single value, the same in every step, which belongs in feed: "
            rule += f'give feed={{"{name_of(placeholder)}": {code}}}'
            raise ValueError(check.message(rule, value=value))


def check_given(
    check: checks.Checker,
    needed: Sequence[tf.Tensor],
    given: Collection[tf.Tensor],
    own: Collection[tf.Tensor],
    place: str,
) -> None:
    """Raises if a placeholder that is needed is given neither by the caller nor by the trainer."""
    known = {tensor.name for tensor in (*given, *own)}
    missing = [tensor for tensor in needed if tensor.name not in known]
    if missing:
        names = ", ".join(tensor.name for tensor in missing)
        several = len(missing) > 1
        needs = f"placeholders {names} need" if several else f"placeholder {names} needs"
        rule = f"{needs} data, or a value in feed: {missing_code(missing, place)}"
        needed_names = {tensor.op.name for tensor in needed}
        unused = sorted(tensor.op.name for tensor in given if tensor.op.name not in needed_names)
        again = [name for name in unused if re.sub(r"_\d+$", "", name) in {t.op.name for t in missing}]
        if again:  # a name was bound to a second placeholder, so the key to paste would be the wrong one
            rule = (
                f"{', '.join(again)} is not a placeholder of this network, which has {names}: was a cell run "
            )
            rule += "twice? begin anew with gk.reset(), and run the cells from the network on"
        raise ValueError(check.message(rule, given=sorted(tensor.name for tensor in given)))


def require_once(
    check: checks.Checker, named: Mapping[tf.Tensor, Any], constants: Mapping[tf.Tensor, np.ndarray]
) -> None:
    """Raises for a placeholder in data and in feed: executions would differ in which of them they take."""
    twice = sorted({placeholder.name for placeholder in named} & {p.name for p in constants})
    rule = f"{', '.join(twice)} must be given in data or in feed, not in both: data holds all examples, feed "
    check.require(not twice, f"{rule}what stays the same in every step", both=twice)


def check_rows_in_feed(
    check: checks.Checker,
    named: Mapping[tf.Tensor, Any],
    constants: Mapping[tf.Tensor, np.ndarray],
    examples: int,
) -> None:
    """Raises for labels of all examples in feed, or for their inputs where data has the labels alone."""
    for placeholder, value in constants.items():
        is_batch = placeholder.shape.rank and placeholder.shape.as_list()[0] is None
        if (
            is_batch
            and len(value) == examples > 1
            and (takes_labels(placeholder) or all(map(takes_labels, named)))
        ):
            rule = f"{placeholder.name} has a row for each example, which belongs in data: give data "
            rule += as_code({tensor: code_of(tensor) for tensor in (*named, placeholder)})
            raise ValueError(check.message(rule, feed={placeholder.name: value}))


def takes_labels(placeholder: tf.Tensor, types: Collection[str] = CROSS_ENTROPIES) -> bool:
    """Whether a placeholder is that of the labels of a cross entropy, of one of some types of ops."""
    users = walk.users(placeholder)
    return any(op.type in types and op.inputs[1] is taken for op, taken in users)


def missing_code(missing: Sequence[tf.Tensor], place: str) -> str:
    """Returns the entries that feed, and the place of the examples, need for placeholders without a value."""
    settings = [tensor for tensor in missing if tensor.shape.rank == 0]
    rows = [tensor for tensor in missing if tensor.shape.rank != 0]
    parts = [f"add {as_code({tensor: code_of(tensor) for tensor in rows})} to {place}"] if rows else []
    parts += [f"give feed={as_code({tensor: code_of(tensor) for tensor in settings})}"] if settings else []
    return ", and ".join(parts)


def feed_rule(graph: tf.Graph) -> str:
    """Returns what a feed must be, for a message."""
    keep_probs = graph.get_collection(inputs.KEEP_PROBS)
    example = as_code({keep_probs[0]: "0.5"}) if keep_probs else "keep_prob"
    rule = f"feed must be {{placeholder: value}} of what stays the same in every step, such as {example}"
    return f"{rule}; arrays of examples belong in data, {data_code(graph)}"
