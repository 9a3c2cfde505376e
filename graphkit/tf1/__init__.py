"""`tf.compat.v1` with what TensorFlow 1 had and TensorFlow 2.16 lost: `import graphkit.tf1 as tf`.

The modules of this package are the namespaces of TensorFlow 1, by their names there: `layers` is
`tf.layers`, `contrib.slim` is `tf.contrib.slim`. All other names are those of `tf.compat.v1`, unchanged.
Importing it turns TensorFlow 2's behaviour off for the process: TF1 programs expect graphs.
"""

# isort: off
from graphkit.tf1 import behavior as behavior  # before all others: it turns TensorFlow 2's behaviour off
# isort: on

import tensorflow as _tensorflow

from graphkit.tf1 import app as app
from graphkit.tf1 import before_1_0 as _before_1_0
from graphkit.tf1 import compat as compat
from graphkit.tf1 import contrib as contrib
from graphkit.tf1 import estimator as estimator
from graphkit.tf1 import examples as examples
from graphkit.tf1 import flags as flags
from graphkit.tf1 import image as image
from graphkit.tf1 import layers as layers
from graphkit.tf1 import models as models
from graphkit.tf1 import nn as nn
from graphkit.tf1 import overlay as _overlay
from graphkit.tf1 import python as python
from graphkit.tf1 import train as train
from graphkit.tf1.before_1_0 import concat as concat
from graphkit.tf1.before_1_0 import split as split
from graphkit.tf1.programs.notebook import load_ipython_extension as load_ipython_extension
from graphkit.tf1.programs.notebook import unload_ipython_extension as unload_ipython_extension

globals().update(_before_1_0.RENAMED)
vars(nn)["seq2seq"] = contrib.legacy_seq2seq  # before TensorFlow 1.0

__getattr__, __dir__ = _overlay.over(__name__, _tensorflow.compat.v1)
