"""Reading checkpoints, and starting from them: `tf.train`'s functions under their older names."""

import tensorflow as tf

__all__ = ["init_from_checkpoint", "list_variables", "load_checkpoint", "load_variable"]

v1 = tf.compat.v1

load_checkpoint = v1.train.load_checkpoint
load_variable = v1.train.load_variable
list_variables = v1.train.list_variables
init_from_checkpoint = v1.train.init_from_checkpoint
