"""`tf.examples.tutorials.mnist.input_data`: `read_data_sets("MNIST_data", one_hot=True)`."""

from graphkit.tf1 import overlay
from graphkit.tf1.contrib.learn.datasets.mnist import DataSet, read_data_sets

__all__ = ["DataSet", "read_data_sets"]

__getattr__, __dir__ = overlay.over(__name__)
