"""`tf.contrib.training`: hyperparameters, what changes gradients, and waiting for checkpoints."""

from graphkit.tf1 import overlay
from graphkit.tf1.contrib.slim.evaluation import (
    StopAfterNEvalsHook,
    SummaryAtEndHook,
    checkpoints_iterator,
    wait_for_new_checkpoint,
)
from graphkit.tf1.contrib.slim.learning import (
    add_gradients_summaries,
    clip_gradient_norms,
    multiply_gradients,
)
from graphkit.tf1.contrib.training.hparam import HParams, parse_values

__all__ = [
    "HParams",
    "StopAfterNEvalsHook",
    "SummaryAtEndHook",
    "add_gradients_summaries",
    "checkpoints_iterator",
    "clip_gradient_norms",
    "multiply_gradients",
    "parse_values",
    "wait_for_new_checkpoint",
]

__getattr__, __dir__ = overlay.over(__name__)
