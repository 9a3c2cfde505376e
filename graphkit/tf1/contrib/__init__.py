"""`tf.contrib`: the parts of it that TF1 programs use."""

from graphkit.tf1 import overlay
from graphkit.tf1.contrib import estimator as estimator
from graphkit.tf1.contrib import tpu as tpu

__getattr__, __dir__ = overlay.over(__name__)
