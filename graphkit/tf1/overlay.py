"""Namespaces of TensorFlow 1, laid over those of `tf.compat.v1` that still exist, and what they lack."""

import difflib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from graphkit.tf1 import replacements

PACKAGE = "graphkit.tf1"


def old_name(module: str) -> str:
    """Returns a module's name in TensorFlow 1: "tf.contrib.slim" for the contrib.slim of this package."""
    return "tf" + module.removeprefix(PACKAGE)


def over(
    module: str, under: ModuleType | None = None, modules: str = ""
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Returns `__getattr__` and `__dir__` of a module: its own names, then those of `under`.

    A name that neither has raises an `AttributeError` that says what to use in its place.

    Args:
      module: name of the module, such as "graphkit.tf1.nn".
      under: what lies below it, such as tf.compat.v1.nn; None for namespaces that TensorFlow lost.
      modules: names of modules in which TensorFlow 1 defined what is here; programs import them, too, as in
        `from tensorflow.contrib.seq2seq.python.ops import helper`.
    """
    private = modules.split()

    def get(name: str) -> Any:
        if under is not None and not is_special(name):
            try:
                return getattr(under, name)
            except AttributeError:
                pass
        if name in private:
            return sys.modules[module]
        raise AttributeError(missing(module, name, under), name=name, obj=sys.modules[module])

    def names() -> list[str]:
        own = sys.modules[module]
        public = getattr(own, "__all__", [name for name in vars(own) if not name.startswith("_")])
        return sorted({*public, *(dir(under) if under is not None else ())})

    return get, names


def is_special(name: str) -> bool:
    """Whether Python or an editor asks for a name such as `__path__`; programs ask for `__version__`."""
    return name.startswith("__") and name.endswith("__") and not name.endswith("version__")


def attribute(root: object, path: str) -> Any:
    """Returns what a path such as "nn.rnn_cell" leads to; "" leads to the root."""
    for name in filter(None, path.split(".")):
        root = getattr(root, name)
    return root


def missing(module: str, name: str, under: ModuleType | None) -> str:
    """Returns the message about a name that a namespace lacks."""
    full = f"{old_name(module)}.{name}"
    if is_special(name):
        return f"module {module!r} has no attribute {name!r}"
    text = f"{full} is missing in graphkit.tf1"
    if under is not None:
        text += ", and TensorFlow's tf.compat.v1 does not have it either"
    advice = replacements.instead_of(full)
    if advice is None:
        known = dir(sys.modules[module]) if module in sys.modules else []
        similar = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
        advice = f"did you mean {old_name(module)}.{similar[0]}?" if similar else None
    return f"{text}; {advice}" if advice else text
