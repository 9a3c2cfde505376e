"""`tf.contrib.training`: hyperparameters, training ops, and waiting for checkpoints."""

from graphkit.tf1 import overlay
from graphkit.tf1.contrib.slim import evaluation, training
from graphkit.tf1.contrib.training import buckets
from graphkit.tf1.contrib.training.hparam import HParams

__all__ = ["HParams"]
for module, names in (
    (evaluation, "StopAfterNEvalsHook SummaryAtEndHook checkpoints_iterator evaluate_repeatedly"),
    (evaluation, "wait_for_new_checkpoint"),
    (buckets, "bucket bucket_by_sequence_length"),
    (training, " ".join(training.__all__)),
):
    globals().update({name: getattr(module, name) for name in names.split()})
    __all__ += names.split()

__getattr__, __dir__ = overlay.over(__name__, modules="bucket_ops training")
