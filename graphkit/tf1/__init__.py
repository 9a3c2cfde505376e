"""`tf.compat.v1` with what TensorFlow 1 had and TensorFlow 2.16 lost: `import graphkit.tf1 as tf`.

The modules of this package are the namespaces of TensorFlow 1, by their names there: `layers` is
`tf.layers`, `contrib.slim` is `tf.contrib.slim`. All other names are those of `tf.compat.v1`, unchanged.
Importing it turns TensorFlow 2's behaviour off for the process: TF1 programs expect graphs.
"""

# isort: off
from graphkit.tf1 import behavior as behavior  # before all others: it turns TensorFlow 2's behaviour off
# isort: on

import tensorflow as _tensorflow

from graphkit.tf1 import contrib as contrib
from graphkit.tf1 import estimator as estimator
from graphkit.tf1 import layers as layers
from graphkit.tf1 import overlay as _overlay

__getattr__, __dir__ = _overlay.over(__name__, _tensorflow.compat.v1)
