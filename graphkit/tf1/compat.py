"""`tf.compat`, whose `v1` is this package: programs of TF 1.13 to 1.15 write `tf.compat.v1.layers`."""

import sys

import tensorflow

from graphkit.tf1 import overlay

v1 = sys.modules[overlay.PACKAGE]

__getattr__, __dir__ = overlay.over(__name__, tensorflow.compat.v1.compat)
