"""`tf.contrib.learn`."""

from graphkit.tf1 import overlay
from graphkit.tf1.contrib.learn import datasets as datasets
from graphkit.tf1.contrib.learn import preprocessing as preprocessing

__getattr__, __dir__ = overlay.over(__name__)
