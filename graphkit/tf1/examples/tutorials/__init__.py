"""`tf.examples.tutorials`."""

from graphkit.tf1 import overlay
from graphkit.tf1.examples.tutorials import mnist as mnist

__getattr__, __dir__ = overlay.over(__name__)
