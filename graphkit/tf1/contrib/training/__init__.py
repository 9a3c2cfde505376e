"""`tf.contrib.training`: hyperparameters, training ops, and waiting for checkpoints."""

from graphkit.tf1 import overlay
from graphkit.tf1.contrib.slim import evaluation, learning
from graphkit.tf1.contrib.training.hparam import HParams

__all__ = ["HParams"]
for module, names in (
    (evaluation, "StopAfterNEvalsHook SummaryAtEndHook checkpoints_iterator wait_for_new_checkpoint"),
    (learning, "add_gradients_summaries clip_gradient_norms clip_gradient_norms_fn create_train_op"),
    (learning, "multiply_gradients"),
):
    globals().update({name: getattr(module, name) for name in names.split()})
    __all__ += names.split()

__getattr__, __dir__ = overlay.over(__name__, modules="training")
