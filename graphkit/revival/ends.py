"""Where a model begins and ends: names that are given, and what is taken where none are."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from graphkit import checks
from graphkit.graph import walk
from graphkit.revival import nodes as graphs
from graphkit.revival.artefacts import Artefact
from graphkit.revival.nodes import Nodes

UPDATE_OPS, REGULARIZATION = "update_ops", "regularization_losses"
# What a program adds to its model to train, save and log it.
WRITES = r"(Resource)?(Sparse)?Apply.*|Assign.*|(Resource)?Scatter(Add|Sub|Update|Nd.*)|Save.*"
OF_TRAINING = re.compile(
    rf"{WRITES}|Restore.*|NoOp|.*Summary(V2)?|Assert|Print|IsVariableInitialized|VarIsInitializedOp"
)
# Those that read a file are among them, to be refused.
TABLE_FILLERS = ("LookupTableImportV2", "InitializeTableV2", "InitializeTableFromTextFileV2")


def nearest(check: checks.Checker, name: str, known: Iterable[str], rule: str) -> str:
    """Returns the name, which must be known; the message names those near to it."""
    known = list(known)
    if name in known:
        return name
    raise ValueError(check.message(f"{rule}{checks.near(name, known)}", name=name))


def named(check: checks.Checker, nodes: Nodes, given: Any, argument: str) -> dict[str, str]:
    """Returns {name: name of a tensor} of a name, a sequence of names, or such a dict."""
    rule = f"{argument} must be names of tensors: a string, a list of some, or {{name: string}}"
    given = [given] if isinstance(given, str) else given
    if isinstance(given, (list, tuple)):
        check.require_type(all(isinstance(text, str) for text in given), rule, **{argument: given})
        given = {text.removesuffix(":0"): text for text in given}
    of_names = isinstance(given, Mapping) and all(isinstance(t, str) for pair in given.items() for t in pair)
    check.require_type(of_names, rule, **{argument: given})
    check.require(given, rule, **{argument: given})
    for text in given.values():
        name, colon, number = text.partition(":")
        nearest(check, name, nodes.by_name, f"{argument} must name what is in the graph")
        check.require(number.isdecimal() == bool(colon), rule, **{argument: text})
    return {name: text if ":" in text else f"{text}:0" for name, text in given.items()}


def default_outputs(check: checks.Checker, artefact: Artefact, nodes: Nodes) -> dict[str, str]:
    """Returns {name: name of a tensor} of the ends of the model: what nothing takes but training does."""
    fed, behind = set[str](), set[str]()
    order = nodes.ordered()
    for node in order:
        sources = set(map(graphs.owner, node.input))
        if node.op in walk.PLACEHOLDERS or walk.DATA.match(node.op) or not fed.isdisjoint(sources):
            fed.add(node.name)
        of_training = OF_TRAINING.fullmatch(node.op) or walk.GRADIENTS.search(node.name)
        if of_training or not behind.isdisjoint(sources):
            behind.add(node.name)
    ends = [node.name for node in order if node.name in fed - behind and is_end(nodes, node.name, behind)]
    known = artefact.collections
    taken = {graphs.owner(text) for key in (UPDATE_OPS, REGULARIZATION) for text in names_in(known, key)}
    ends = [name for name in ends if name not in taken]
    rule = "the model must have an end that depends on a placeholder; name one in outputs"
    check.require(ends, rule, path=artefact.path)
    return {name: f"{name}:0" for name in ends}


def is_end(nodes: Nodes, name: str, behind: Collection[str]) -> bool:
    """Whether nothing but training takes the node's values, which are not a size."""
    node = nodes.by_name[name]
    takers = [taker for taker, _ in nodes.consumers.get(name, [])]
    written = any(re.fullmatch(WRITES, taker.op) for taker in takers)  # as a new moving average is
    sizes = (*walk.SIZES, "BroadcastGradientArgs", *walk.PLACEHOLDERS)
    brings = node.op in sizes or walk.DATA.match(node.op)
    return not brings and not written and all(taker.name in behind for taker in takers)


def names_in(collections: Mapping[str, Any], key: str) -> list[str]:
    """Returns the names in a collection of a file."""
    return list(collections[key].node_list.value) if key in collections else []


def kept_extras(artefact: Artefact, nodes: Nodes, needed: Collection[str]) -> list[tuple[str, str]]:
    """Returns (collection, name) of updates, penalties and tables that belong to what is needed."""
    found = []
    for key in (UPDATE_OPS, REGULARIZATION):
        for text in names_in(artefact.collections, key):
            own = nodes.ancestors([graphs.owner(text)])
            ends = {name for name in own if nodes.kind(name) in (*walk.VARIABLES, *walk.PLACEHOLDERS[:2])}
            if own and ends <= set(needed):
                found.append((key, text))
    for node in nodes.by_name.values():
        if node.op in TABLE_FILLERS and node.input and graphs.owner(node.input[0]) in needed:
            found.append(("table_initializer", node.name))
    return found


def check_complete(check: checks.Checker, nodes: Nodes, path: str) -> None:
    """Refuses a graph where a node takes what is not there, as in a file that was cut off."""
    for name, node in nodes.by_name.items():
        for text in node.input:
            rule = f"the file is cut off or damaged: {name} takes {text}, which it does not hold"
            check.require(graphs.owner(text) in nodes.by_name, rule, path=path)
