"""The nodes of a model, made ready for the import: chosen, checked, and rewritten where they must be."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from graphkit import checks
from graphkit.graph import walk
from graphkit.revival import ends, op_kinds, rewrites
from graphkit.revival import nodes as graphs
from graphkit.revival.artefacts import Artefact
from graphkit.revival.nodes import Nodes

Names = str | Sequence[str] | Mapping[str, str]


class Prepared(NamedTuple):
    """What is imported, and what was done with it.

    Attributes:
      nodes: all that the outputs need.
      wanted: {name: name of a tensor} of the outputs.
      extras: (collection, name) of updates, penalties and table initializers.
      labels: {name of a placeholder: name that it was given as an input}.
      put: placeholders in the place of other tensors.
      gradients: where gradients of the writing process were dropped.
      dropouts: ops of dropout that was removed.
      reshapes: those that were opened with the batch.
    """

    nodes: Nodes
    wanted: dict[str, str]
    extras: list[tuple[str, str]]
    labels: dict[str, str]
    put: list[str]
    gradients: list[str]
    dropouts: list[str]
    reshapes: list[str]


def prepare(
    check: checks.Checker,
    artefact: Artefact,
    inputs: Names | None,
    outputs: Names | None,
    allow: Collection[str],
    open_batch: bool,
) -> Prepared:
    """Chooses, checks and rewrites the nodes of a model.

    Raises:
      TypeError: inputs or outputs are not names.
      ValueError: a name that is not there, a graph that is cut off, an op that is refused.
    """
    library = {function.signature.name: function for function in artefact.definition.library.function}
    nodes = Nodes(artefact.definition.node, library)
    nodes, labels, put = with_inputs(check, nodes, artefact.inputs or None if inputs is None else inputs)
    chosen = artefact.outputs or None if outputs is None else outputs
    if chosen is None:
        wanted = ends.default_outputs(check, artefact, nodes)
    else:
        wanted = ends.named(check, nodes, chosen, "outputs")
    targets = [graphs.owner(text) for text in wanted.values()]
    extras = ends.kept_extras(artefact, nodes, nodes.ancestors(targets))
    targets += [graphs.owner(text) for _, text in extras]
    nodes = needed_for(nodes, targets)
    ends.check_complete(check, nodes, artefact.path)
    op_kinds.check_kinds(check, nodes.by_name.values(), library, allow)
    rewrites.repair_reads(library)
    gradients = rewrites.drop_custom_gradients(nodes.by_name.values(), library)
    dropouts = rewrites.remove_dropout(nodes)
    rewrites.read_before_control_flow(nodes)
    targets += rewrites.add_exits(nodes)
    placeholders = [node.name for node in nodes.by_name.values() if node.op in walk.PLACEHOLDERS[:2]]
    reshapes = rewrites.open_batch(check, nodes, list(labels) or placeholders) if open_batch else []
    return Prepared(needed_for(nodes, targets), wanted, extras, labels, put, gradients, dropouts, reshapes)


def with_inputs(
    check: checks.Checker, nodes: Nodes, inputs: Names | None
) -> tuple[Nodes, dict[str, str], list[str]]:
    """Returns (the nodes with placeholders as inputs, {placeholder: given name}, placeholders put in)."""
    if inputs is None:
        return nodes, {}, []
    given = ends.named(check, nodes, inputs, "inputs")
    were = {text: nodes.kind(graphs.owner(text)) in walk.PLACEHOLDERS for text in given.values()}
    made = rewrites.put_inputs(check, nodes, given.values())
    put = [made[text] for text, was_placeholder in were.items() if not was_placeholder]
    labels = {made[text]: name for name, text in given.items()}
    return Nodes(nodes.by_name.values(), nodes.library), labels, put


def needed_for(nodes: Nodes, targets: Iterable[str]) -> Nodes:
    """Returns the nodes that the targets need, in their order."""
    needed = nodes.ancestors(targets)
    return Nodes([node for name, node in nodes.by_name.items() if name in needed], nodes.library)
