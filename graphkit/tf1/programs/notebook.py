"""`%load_ext graphkit.tf1`: in the cells of a notebook, `import tensorflow` finds `graphkit.tf1`."""

import os
from typing import Any

from graphkit.tf1.programs import hook

_hooks: dict[int, hook.Hook] = {}


def load_ipython_extension(shell: Any) -> None:
    """Lets the cells, and the modules below the notebook's folder, import TensorFlow 1."""
    _hooks[id(shell)] = hook.Hook([os.getcwd()], cells=shell.user_ns)


def unload_ipython_extension(shell: Any) -> None:
    """Imports in cells are Python's again; `tensorflow` that has been imported keeps its meaning."""
    _hooks.pop(id(shell)).remove()
