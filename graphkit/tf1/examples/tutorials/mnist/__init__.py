"""`tf.examples.tutorials.mnist`."""

from graphkit.tf1 import overlay
from graphkit.tf1.examples.tutorials.mnist import input_data as input_data
from graphkit.tf1.examples.tutorials.mnist import mnist as mnist

__getattr__, __dir__ = overlay.over(__name__)
