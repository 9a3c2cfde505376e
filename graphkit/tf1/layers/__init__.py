"""`tf.layers`: functions and classes of layers, as in TensorFlow 1.15."""

from graphkit.tf1 import overlay
from graphkit.tf1.layers.base import Layer
from graphkit.tf1.layers.input_spec import InputSpec

__all__ = ["InputSpec", "Layer"]

__getattr__, __dir__ = overlay.over(__name__)
