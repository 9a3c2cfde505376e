"""`tf.contrib.training`: hyperparameters, and training ops."""

from graphkit.tf1 import overlay
from graphkit.tf1.contrib.slim import evaluation, learning
from graphkit.tf1.contrib.training.hparam import HParams, parse_values

__all__ = ["HParams", "checkpoints_iterator", "create_train_op", "parse_values", "wait_for_new_checkpoint"]

checkpoints_iterator, wait_for_new_checkpoint = (
    evaluation.checkpoints_iterator,
    evaluation.wait_for_new_checkpoint,
)
create_train_op = learning.create_train_op

__getattr__, __dir__ = overlay.over(__name__, modules="training")
