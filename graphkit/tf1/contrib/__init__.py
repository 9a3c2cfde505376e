"""`tf.contrib`: the parts of it that TF1 programs use."""

from graphkit.tf1 import overlay
from graphkit.tf1.contrib import framework as framework
from graphkit.tf1.contrib import layers as layers

__getattr__, __dir__ = overlay.over(__name__)
