"""`tf.contrib.training`: hyperparameters, and training ops."""

from graphkit.tf1 import overlay
from graphkit.tf1.contrib.training.hparam import HParams, parse_values

__all__ = ["HParams", "parse_values"]

__getattr__, __dir__ = overlay.over(__name__)
