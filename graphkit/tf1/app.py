"""`tf.app`: `run(main)`, and the flags."""

import tensorflow as tf

from graphkit.tf1 import flags as flags
from graphkit.tf1 import overlay

__getattr__, __dir__ = overlay.over(__name__, tf.compat.v1.app)
