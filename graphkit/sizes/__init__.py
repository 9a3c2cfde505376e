"""What layers cost, by plain arithmetic without TensorFlow: shapes, parameters, operations, memory.

Functions about a layer take its arguments in the layer's own order, which is that of `tf.layers`.
"""

from graphkit.sizes.clusters import cluster_step_seconds as cluster_step_seconds
from graphkit.sizes.flops import conv2d_flops as conv2d_flops
from graphkit.sizes.flops import dense_flops as dense_flops
from graphkit.sizes.flops import pool2d_flops as pool2d_flops
from graphkit.sizes.flops import rnn_flops as rnn_flops
from graphkit.sizes.flops import training_flops as training_flops
from graphkit.sizes.memory import array_bytes as array_bytes
from graphkit.sizes.memory import largest_batch as largest_batch
from graphkit.sizes.memory import optimizer_slots as optimizer_slots
from graphkit.sizes.memory import training_bytes as training_bytes
from graphkit.sizes.parameters import batch_norm_parameters as batch_norm_parameters
from graphkit.sizes.parameters import conv2d_parameters as conv2d_parameters
from graphkit.sizes.parameters import dense_parameters as dense_parameters
from graphkit.sizes.parameters import embedding_parameters as embedding_parameters
from graphkit.sizes.parameters import rnn_parameters as rnn_parameters
from graphkit.sizes.parameters import separable_conv2d_parameters as separable_conv2d_parameters
from graphkit.sizes.parameters import unshared_conv2d_parameters as unshared_conv2d_parameters
from graphkit.sizes.shapes import conv2d_shape as conv2d_shape
from graphkit.sizes.shapes import conv2d_transpose_shape as conv2d_transpose_shape
from graphkit.sizes.shapes import output_size as output_size
from graphkit.sizes.shapes import pool2d_shape as pool2d_shape
from graphkit.sizes.shapes import receptive_field as receptive_field
