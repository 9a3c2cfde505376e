"""graphkit: TensorFlow 1.x-style static graphs on today's TensorFlow, through `tf.compat.v1`.

Builders emit placeholders, layers, losses and metrics into the current graph; a `Trainer` runs it in a
session. The public names are listed in `__init__.pyi`, which editors and type checkers read too. Each is
loaded when it is first used, so that what needs no TensorFlow (`gk.data`, `gk.sizes`) does not wait for it.
"""

import lazy_loader

from graphkit._version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
