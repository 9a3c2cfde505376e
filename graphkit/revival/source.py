"""A model as it was imported, out of which graphs with variables are made."""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from graphkit import checks
from graphkit.graph import copies, references, walk
from graphkit.nn import inputs as graph_inputs
from graphkit.revival import frames, values
from graphkit.revival.values import Stored

# What a program with graphkit's layers feeds by itself, by the names that it gives them.
OWN_SCALARS = {
    "graphkit/seed": graph_inputs.SEED,
    "graphkit/step": graph_inputs.STEP,
    "graphkit/training": graph_inputs.TRAINING,
    "graphkit/rows": graph_inputs.ROWS,
    "graphkit/first_row": graph_inputs.FIRST_ROW,
}
OWN_TEXTS = (graph_inputs.DROPOUTS, graph_inputs.PIXEL_SCALING)


class Source(NamedTuple):
    """A model whose weights are placeholders, or variables without values.

    Attributes:
      graph: the imported graph.
      stored: {name of an op that stands for a weight: where its value is}.
      extras: (collection, name) of updates, penalties and table initializers.
      texts: {collection: what graphkit keeps there}.
      labels: {name of a placeholder: name that it was given as an input}.
      folder: of the values, if they are not in files of somebody else.
    """

    graph: tf.Graph
    stored: Mapping[str, Stored]
    extras: list[tuple[str, str]]
    texts: Mapping[str, list[str]]
    labels: Mapping[str, str]
    folder: values.Folder | None

    def needed(self, targets: Iterable[tf.Tensor | tf.Operation]) -> list[tf.Operation]:
        return walk.as_made(walk.ancestors(targets))

    def element(self, text: str) -> Any:
        return self.graph.as_graph_element(text)

    def extras_for(self, ops: Iterable[tf.Operation]) -> list[tuple[str, Any]]:
        """Returns (collection, op or tensor) of what belongs to the ops."""
        ops = set(ops)
        chosen = []
        for key, text in self.extras:
            element = self.element(text)
            needed = walk.ancestors([element])
            ends = {op for op in needed if op.name in self.stored or walk.is_fed(op)}
            fills = key == "table_initializer"
            if (element.inputs[0].op in ops) if fills else ends <= ops:
                chosen.append((key, element))
        return chosen


class Made(NamedTuple):
    """A graph with variables.

    Attributes:
      graph: the graph.
      variables: {name: variable}.
      inputs: {name: placeholder}.
      outputs: {name: tensor}.
      closed: {end of a loop that no gradient passes: why}.
    """

    graph: tf.Graph
    variables: dict[str, tf.Variable]
    inputs: dict[str, tf.Tensor]
    outputs: dict[str, tf.Tensor]
    closed: dict[str, str]


def own_texts(collections: Mapping[str, Any]) -> dict[str, list[str]]:
    """Returns what graphkit keeps in the collections of a file."""
    return {
        key: [text.decode(errors="replace") for text in collections[key].bytes_list.value]
        for key in OWN_TEXTS
        if key in collections
    }


def read_source(check: checks.Checker, definition: Any) -> tf.Graph:
    """Imports a definition that has been checked.

    Raises:
      ValueError: TensorFlow cannot import it.
    """
    graph = tf.Graph()
    copies.keep_known_controls(definition)
    for node in definition.node:
        node.attr.pop("_class", None)
        node.attr.pop("_output_shapes", None)  # of the graph as it was before it was changed
    try:
        with graph.as_default():
            copies.paste(definition, {}, [])
    except (ValueError, TypeError, tf.errors.OpError) as error:
        raise ValueError(check.message(f"TensorFlow cannot import the graph ({error})")) from error
    return graph


def make(check: checks.Checker, source: Source, wanted: Mapping[str, tf.Tensor]) -> Made:
    """Makes a graph of what some tensors of the source need.

    Raises:
      ValueError: reference variables are used as no resource variable can be.
    """
    extras = source.extras_for(source.needed(wanted.values()))
    elements = [*wanted.values(), *(element for _, element in extras)]
    ops = frames.with_exits(source.needed(elements))
    targets = [element for element in elements if tf.is_tensor(element)]
    obstacle = references.obstacle(ops, targets)
    check.require(obstacle is None, f"the variables must become resource variables, but {obstacle}")
    loops = frames.find(ops)
    others = [op for op in ops if op.name not in source.stored]
    graph = tf.Graph()
    graph.revived_values = source.folder  # the values are there as long as the graph is
    with graph.as_default():
        variables, given = make_variables(graph, source, ops, stuck=walk.ancestors(loops.closed))
        reads = replaced_reads(others, source.stored)
        given |= {op.outputs[0].name: own_read(graph, name) for op, name in reads.items()}
        definition = copies.definition_of(others, without=reads, keep_devices=False)
        references.use_handles(definition, ops, targets)
        pasted = frames.paste(definition, given, [element.name for element in elements], loops.contexts)
        for variable in variables.values():  # afterwards, see `frames.paste`
            graph.add_to_collection(tf.compat.v1.GraphKeys.GLOBAL_VARIABLES, variable)
        for (key, _), element in zip(extras, pasted[len(wanted) :], strict=True):
            graph.add_to_collection(key, element)
        fill_collections(graph, source)
    placeholders = [op for op in graph.get_operations() if op.type in walk.PLACEHOLDERS]
    return Made(
        graph=graph,
        variables=variables,
        inputs={
            source.labels.get(op.name, op.name): op.outputs[0]
            for op in placeholders
            if op.name not in OWN_SCALARS
        },
        outputs=dict(zip(wanted, pasted, strict=False)),
        closed={op.name: why for op, why in loops.closed.items()},
    )


def make_variables(
    graph: tf.Graph, source: Source, ops: Iterable[tf.Operation], stuck: Collection[tf.Operation]
) -> tuple[dict[str, tf.Variable], dict[str, tf.Tensor]]:
    """Makes the variables of some ops in the current graph.

    Args:
      graph: the current graph.
      source: the model.
      ops: of the source.
      stuck: those that no gradient reaches.

    Returns:
      ({name: variable}, {name of a tensor of the source: what takes its place}).
    """
    variables, given = {}, {}
    for op in ops:
        if op.name in source.stored:
            variable = values.make_variable(source.stored[op.name], trainable=op not in stuck)
            variables[op.name] = variable
            is_handle = op.type in walk.VARIABLES
            given[op.outputs[0].name] = variable.handle if is_handle else own_read(graph, op.name)
    return variables, given


def own_read(graph: tf.Graph, name: str) -> tf.Tensor:
    """Returns the value of a variable, which TensorFlow reads where the variable is made."""
    return graph.get_tensor_by_name(f"{name}/Read/ReadVariableOp:0")


def replaced_reads(ops: Iterable[tf.Operation], stored: Mapping[str, Stored]) -> dict[tf.Operation, str]:
    """Returns {op: name of the variable} of reads of a name that the new variable's own read has."""
    return {
        op: op.inputs[0].op.name
        for op in ops
        if op.inputs
        and op.inputs[0].op.name in stored
        and op.name == f"{op.inputs[0].op.name}/Read/ReadVariableOp"
    }


def fill_collections(graph: tf.Graph, source: Source) -> None:
    """Gives the current graph the collections by which a trainer finds what it feeds."""
    names = {op.name for op in graph.get_operations()}
    for name, key in OWN_SCALARS.items():
        if name in names and graph.get_operation_by_name(name).type == "PlaceholderWithDefault":
            graph.add_to_collection(key, graph.get_tensor_by_name(f"{name}:0"))
    for key, texts in source.texts.items():
        for text in texts:
            tensors = [part for part in as_list(text) if isinstance(part, str)]
            if tensors and all(tensor.split(":")[0] in names for tensor in tensors):
                graph.add_to_collection(key, text)


def as_list(text: str) -> list[Any]:
    """Returns a JSON list of three, as graphkit writes them; [] for what somebody else has written."""
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return found if isinstance(found, list) and len(found) == 3 else []
