"""`tf_slim.ops`: the modules of `tf.contrib.framework` by their names in the package tf_slim."""

from graphkit.tf1 import overlay
from graphkit.tf1.contrib.framework import arg_scopes as arg_scope
from graphkit.tf1.contrib.framework import variables as variables

__all__ = ["arg_scope", "variables"]

__getattr__, __dir__ = overlay.over(__name__)
