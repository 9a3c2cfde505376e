"""`tf.examples`: the tutorials' data and their first network."""

from graphkit.tf1 import overlay
from graphkit.tf1.examples import tutorials as tutorials

__getattr__, __dir__ = overlay.over(__name__)
