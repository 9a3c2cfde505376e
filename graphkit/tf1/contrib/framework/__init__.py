"""`tf.contrib.framework`: scopes of arguments, variables, checkpoints, checks of tensors."""

import tensorflow as _tensorflow

from graphkit.tf1 import overlay as _overlay
from graphkit.tf1.contrib.framework import arg_scopes, checkpoints, functions, tensors, variables
from graphkit.tf1.contrib.framework import nest as nest
from graphkit.tf1.contrib.framework.arg_scopes import *  # noqa: F403
from graphkit.tf1.contrib.framework.checkpoints import *  # noqa: F403
from graphkit.tf1.contrib.framework.functions import *  # noqa: F403
from graphkit.tf1.contrib.framework.tensors import *  # noqa: F403
from graphkit.tf1.contrib.framework.variables import *  # noqa: F403

# What TensorFlow still has elsewhere.
argsort, sort, py_func, TensorSpec = (
    getattr(_tensorflow.compat.v1, name) for name in ("argsort", "sort", "py_func", "TensorSpec")
)

__all__ = ["TensorSpec", "argsort", "nest", "py_func", "sort"]
for _module in (arg_scopes, checkpoints, functions, tensors, variables):
    __all__ += _module.__all__

__getattr__, __dir__ = _overlay.over(__name__, modules="checkpoint_utils ops sort_ops tensor_util")
