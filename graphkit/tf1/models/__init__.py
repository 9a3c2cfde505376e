"""`tf.models`, where RNN cells were before TensorFlow 1.0."""

from graphkit.tf1 import overlay
from graphkit.tf1.models import rnn as rnn

__getattr__, __dir__ = overlay.over(__name__)
