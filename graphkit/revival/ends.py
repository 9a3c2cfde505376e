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
WRITES = r"(Resource)?(Sparse)?Apply.*|Assign.*|(Resource)?Scatter(Add|Sub|Update|Nd.*)|Save.*|QueueEnqueue.*"
OF_TRAINING = re.compile(rf"{WRITES}|Restore.*|.*Summary(V2)?|Print|IsVariableInitialized|VarIsInitializedOp")
OF_TRAINER = ("graphkit/loops/", "graphkit/inference/", "graphkit/evaluated/")  # copies of the model
# On it a loop puts what its gradient needs: the loop takes it, but does not belong to the training.
STACK = "EmptyTensorList"
LOOPS = ("While", "StatelessWhile")
# `tf.losses` and others check shapes or values, and make the model wait for it: that it waits for these does
# not make it part of the training, as waiting for an update does.
CHECKS = ("NoOp", "Assert")
# What guards a check, and what tf.cond adds for branches that may take no value.
OF_GUARD = re.compile(r"(^|/)(AssertGuard(_\d+)?(/|$)|(switch_[tf]|pred_id)$)")
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
    order, behind, later = nodes.ordered(), set[str](), set[str]()
    for node in order:
        if node.op == STACK:
            continue
        of_training = OF_TRAINING.fullmatch(node.op) is not None
        # What waits for an assignment alone is of the model: a batch norm waits for its moving averages.
        updates = of_training and not node.op.startswith("Assign")
        added = walk.GRADIENTS.search(node.name) or node.name.startswith(OF_TRAINER)
        if updates or added or not later.isdisjoint(map(graphs.owner, node.input)):
            later.add(node.name)
        if node.name in later or of_training or not behind.isdisjoint(graphs.data_inputs(node)):
            behind.add(node.name)
    left = fed_nodes(nodes) - behind
    ends = [node.name for node in order if node.name in left and is_end(nodes, node.name, behind)]
    loops = {loop_of(nodes, name) for name in left.difference(ends)}  # of these the model takes a result
    ends = [name for name in ends if loop_of(nodes, name) is None or loop_of(nodes, name) not in loops]
    known = artefact.collections
    taken = {graphs.owner(text) for key in (UPDATE_OPS, REGULARIZATION) for text in names_in(known, key)}
    ends = [name for name in ends if name not in taken]
    rule = "the model must have an end that depends on a placeholder; name one in outputs"
    check.require(ends, rule, path=artefact.path)
    return {name: f"{name}:0" for name in ends}


def fed_nodes(nodes: Nodes) -> set[str]:
    """Returns the nodes that follow from data by more than its size, also by a round of a loop."""
    found, left = set[str](), [node.name for node in nodes.by_name.values() if brings_data(node)]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [taker.name for taker, _ in nodes.consumers.get(name, []) if taker.op not in walk.SIZES]
    return found


def brings_data(node: Any) -> bool:
    return node.op in walk.PLACEHOLDERS or walk.DATA.match(node.op) is not None


def is_end(nodes: Nodes, name: str, behind: Collection[str]) -> bool:
    """Whether nothing but training takes the node's values, which are not a size."""
    node = nodes.by_name[name]
    takers = [taker for taker, _ in nodes.consumers.get(name, [])]
    written = any(re.fullmatch(WRITES, taker.op) for taker in takers)  # as a new moving average is
    brings = node.op in (*walk.SIZES, "BroadcastGradientArgs") or brings_data(node)
    others = [taker for taker in takers if taker.op not in CHECKS]
    checked = node.op in CHECKS or OF_GUARD.search(name) or (takers and not others)
    return not brings and not written and not checked and all(taker.name in behind for taker in others)


def loop_of(nodes: Nodes, name: str) -> str | None:
    """Returns the scope of the loop of which the node is a result, such as a counter or a last state."""
    node = nodes.by_name[name]
    sources = [nodes.by_name.get(source) for source in graphs.data_inputs(node)]
    of_function = node.op == "Identity" and any(source and source.op in LOOPS for source in sources)
    return name.rpartition("/")[0] if of_function or node.op in ("Exit", "RefExit") else None


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
