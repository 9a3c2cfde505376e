"""`tf.contrib`: the parts of it that TF1 programs use."""

from graphkit.tf1 import overlay

__getattr__, __dir__ = overlay.over(__name__)
