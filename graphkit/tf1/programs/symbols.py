"""Which names of TensorFlow 1 are gone from TensorFlow, and whether `graphkit.tf1` has them."""

import functools
import sys
from types import ModuleType
from typing import NamedTuple

import tensorflow

from graphkit.tf1 import overlay, replacements
from graphkit.tf1.programs import names, sources


class Symbol(NamedTuple):
    """A name of TensorFlow 1: whether tf.compat.v1 and graphkit.tf1 have it, and what to use instead."""

    name: str
    in_tensorflow: bool
    in_bridge: bool
    instead: str | None


@functools.cache
def look_up(name: str) -> Symbol:
    """Looks up a name such as "tf.app.flags.FLAGS.rate", of which the symbol is "tf.app.flags.FLAGS"."""
    parts = name.split(".")[1:]
    reached = reach(sys.modules[overlay.PACKAGE], parts)
    symbol = ".".join(["tf", *(parts[:reached] if reached is not None else parts)])
    if symbol.startswith("tf.python"):
        kept = reached is not None
    else:
        kept = reach(tensorflow.compat.v1, symbol.split(".")[1:]) is not None
    return Symbol(symbol, kept, reached is not None, replacements.instead_of(symbol))


def reach(root: object, parts: list[str]) -> int | None:
    """Returns how many parts lead to something other than a module; None if one is missing."""
    for place, part in enumerate(parts):
        if not isinstance(root, ModuleType):
            return place
        try:
            root = getattr(root, part)
        except Exception:  # errors of many kinds, where Keras cannot be loaded
            return None
    return len(parts)


def gone(source: sources.Source) -> list[tuple[names.Use, Symbol]]:
    """Returns the uses of names that tf.compat.v1 lost, or never had."""
    found = [
        (use, look_up(use.name)) for use in source.uses if use.name.startswith("tf.") and not use.is_guarded
    ]
    return [(use, symbol) for use, symbol in found if not symbol.in_tensorflow]


def is_of_tensorflow(source: sources.Source) -> bool:
    return any(use.name.partition(".")[0] == "tf" for use in source.uses)


def of_tensorflow2(source: sources.Source) -> str | None:
    """Returns a name that only TensorFlow 2 has, if a program uses one."""
    for use in source.uses:
        symbol = look_up(use.name) if use.name.startswith("tf.") else None
        if symbol is not None and not symbol.in_bridge and reach(tensorflow, use.name.split(".")[1:]):
            return symbol.name
    return None
