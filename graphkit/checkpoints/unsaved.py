"""State that no checkpoint holds: with it, a resumed run does not have the bits of one that went on."""

import re
from collections.abc import Iterable

import tensorflow as tf

from graphkit.graph import walk

KINDS = {
    r"\w*Queue(V2)?": "a queue",
    r"\w*Iterator(V2|V3|FromStringHandle\w*)?": "an iterator of data",
    r"\w+Reader(V2)?": "a reader of files",
    r"(OrderedMap|Map)?(Stage|Unstage)": "a staging area",
    r"\w*ConditionalAccumulator": "an accumulator of gradients",
    r"Barrier": "a barrier",
    "|".join(walk.PYTHON): "a Python function",
}


def unsaved_state(ops: Iterable[tf.Operation]) -> list[str]:
    """Returns what keeps a state that is neither a variable nor a lookup table, as texts for a message.

    Ops inside branches, loops and functions count. Random ops do not: the loops of a trainer draw from keys.
    """
    ops = walk.as_made(ops)
    library = walk.library_of(ops)
    found = {}
    for op in ops:
        for node in walk.nodes_of(op, library):
            kind = next((kind for form, kind in KINDS.items() if re.fullmatch(form, node.op)), None)
            if kind is not None:
                found[walk.place(op, node)] = f"{kind} ({walk.place(op, node)})"
    return list(found.values())
