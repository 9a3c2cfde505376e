"""graphkit: TensorFlow 1.x-style static graphs on today's TensorFlow, through `tf.compat.v1`.

Builders emit placeholders, layers, losses and metrics into the current graph; a `Trainer` runs it in a
session. The public names are listed in `__init__.pyi`, which editors and type checkers read too. Each is
loaded when it is first used, so that what needs no TensorFlow (`gk.data`, `gk.sizes`) does not wait for it.
How TensorFlow starts is decided here, before it is imported.
"""

import sys
from typing import Any

import lazy_loader

from graphkit import startup
from graphkit._version import __version__ as __version__

startup.prepare()

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name in __all__:
        return _load(name)
    # With the module, so that Python can suggest a name that is similar.
    text = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(text, name=name, obj=sys.modules[__name__])
