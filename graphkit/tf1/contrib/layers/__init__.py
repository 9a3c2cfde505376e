"""`tf.contrib.layers`: layers, regularizers, initializers, summaries, and `optimize_loss`."""

import sys as _sys

from graphkit.tf1 import overlay as _overlay
from graphkit.tf1.contrib.layers import convolutions as _convolutions
from graphkit.tf1.contrib.layers import dense as _dense
from graphkit.tf1.contrib.layers import embeddings as _embeddings
from graphkit.tf1.contrib.layers import initializers as initializers
from graphkit.tf1.contrib.layers import normalization as _normalization
from graphkit.tf1.contrib.layers import optimizers as optimizers
from graphkit.tf1.contrib.layers import pooling as _pooling
from graphkit.tf1.contrib.layers import regularizers as regularizers
from graphkit.tf1.contrib.layers import summaries as summaries
from graphkit.tf1.contrib.layers import transforms as _transforms
from graphkit.tf1.contrib.layers import utils as utils
from graphkit.tf1.contrib.layers.convolutions import *  # noqa: F403
from graphkit.tf1.contrib.layers.dense import *  # noqa: F403
from graphkit.tf1.contrib.layers.embeddings import *  # noqa: F403
from graphkit.tf1.contrib.layers.initializers import *  # noqa: F403
from graphkit.tf1.contrib.layers.normalization import *  # noqa: F403
from graphkit.tf1.contrib.layers.optimizers import *  # noqa: F403
from graphkit.tf1.contrib.layers.pooling import *  # noqa: F403
from graphkit.tf1.contrib.layers.regularizers import *  # noqa: F403
from graphkit.tf1.contrib.layers.summaries import *  # noqa: F403
from graphkit.tf1.contrib.layers.transforms import *  # noqa: F403

layers = _sys.modules[__name__]  # programs also import tensorflow.contrib.layers.python.layers.layers

# Not summaries, since slim has its own.
__all__ = ["initializers", "optimizers", "regularizers", "utils"]
for _module in (
    *(_convolutions, _dense, _embeddings, initializers, _normalization, optimizers),
    *(_pooling, regularizers, summaries, _transforms),
):
    __all__ += _module.__all__

__getattr__, __dir__ = _overlay.over(
    __name__, modules="embedding_ops encoders feature_column feature_column_ops"
)
