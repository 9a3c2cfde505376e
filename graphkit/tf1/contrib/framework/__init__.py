"""`tf.contrib.framework`: scopes of arguments, variables, checkpoints, checks of tensors."""

import tensorflow as _tensorflow

from graphkit.tf1 import overlay as _overlay
from graphkit.tf1.contrib.framework import arg_scopes, functions, variables
from graphkit.tf1.contrib.framework import nest as nest
from graphkit.tf1.contrib.framework.arg_scopes import *  # noqa: F403
from graphkit.tf1.contrib.framework.functions import *  # noqa: F403
from graphkit.tf1.contrib.framework.variables import *  # noqa: F403

__all__ = ["nest", *arg_scopes.__all__, *functions.__all__, *variables.__all__]

# What TensorFlow still has elsewhere.
_KEPT = "TensorSpec argsort is_tensor py_func sort".split()
_CHECKPOINTS = "init_from_checkpoint list_variables load_checkpoint load_variable".split()
globals().update({name: getattr(_tensorflow.compat.v1, name) for name in _KEPT})
globals().update({name: getattr(_tensorflow.compat.v1.train, name) for name in _CHECKPOINTS})
__all__ += [*_KEPT, *_CHECKPOINTS]

__getattr__, __dir__ = _overlay.over(__name__, modules="checkpoint_utils ops sort_ops tensor_util")
