"""`tf.contrib.slim.nets.inception`: what programs import instead of the module of a version."""

from graphkit.tf1 import overlay
from graphkit.tf1.contrib.slim.nets.inception_v3 import inception_v3 as inception_v3
from graphkit.tf1.contrib.slim.nets.inception_v3 import inception_v3_arg_scope as inception_v3_arg_scope
from graphkit.tf1.contrib.slim.nets.inception_v3 import inception_v3_base as inception_v3_base

__getattr__, __dir__ = overlay.over(__name__)
