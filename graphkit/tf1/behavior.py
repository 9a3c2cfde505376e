"""How TensorFlow behaves in a TF1 program: graphs instead of eager execution, and resource variables.

TensorFlow has one such setting for the process. It is made here, before another module of the room uses it.
"""

import tensorflow as tf

from graphkit.train import optimizers

# TF1 programs call what TensorFlow has deprecated since, and so does the call below. To be told in each run
# helps nobody; `graphkit tf1 check` names what is gone.
tf.get_logger().addFilter(optimizers.is_not_deprecation)
if tf.executing_eagerly():
    tf.compat.v1.disable_v2_behavior()
# A loop of training steps captures the handles of resource variables; the older ones have none.
tf.compat.v1.enable_resource_variables()
