"""How TensorFlow behaves in a TF1 program: graphs instead of eager execution, and resource variables.

TensorFlow has one such setting for the process. It is made here, before another module of the room uses it.
"""

import tensorflow as tf

if tf.executing_eagerly():
    # TensorFlow logs that the function below is deprecated, which says nothing to the user.
    level = tf.get_logger().level
    tf.get_logger().setLevel("ERROR")
    tf.compat.v1.disable_v2_behavior()
    tf.get_logger().setLevel(level)
# A loop of training steps captures the handles of resource variables; the older ones have none.
tf.compat.v1.enable_resource_variables()
