"""`tf.contrib.slim`, also `tf_slim`: layers, scopes of arguments, training, evaluation, networks."""

from graphkit.tf1 import overlay as _overlay
from graphkit.tf1.contrib import layers as layers
from graphkit.tf1.contrib import losses as losses
from graphkit.tf1.contrib import metrics as metrics
from graphkit.tf1.contrib.framework import arg_scopes as _arg_scopes
from graphkit.tf1.contrib.framework import variables as variables
from graphkit.tf1.contrib.framework.arg_scopes import *  # noqa: F403
from graphkit.tf1.contrib.framework.variables import *  # noqa: F403
from graphkit.tf1.contrib.layers import *  # noqa: F403
from graphkit.tf1.contrib.slim import data as data
from graphkit.tf1.contrib.slim import evaluation as evaluation
from graphkit.tf1.contrib.slim import learning as learning
from graphkit.tf1.contrib.slim import model_analyzer as model_analyzer
from graphkit.tf1.contrib.slim import nets as nets
from graphkit.tf1.contrib.slim import ops as ops
from graphkit.tf1.contrib.slim import prefetch_queue as prefetch_queue
from graphkit.tf1.contrib.slim import queues as queues
from graphkit.tf1.contrib.slim import summaries as summaries
from graphkit.tf1.contrib.slim import training as training
from graphkit.tf1.contrib.slim.data import dataset as dataset
from graphkit.tf1.contrib.slim.data import dataset_data_provider as dataset_data_provider
from graphkit.tf1.contrib.slim.data import tfexample_decoder as tfexample_decoder

__all__ = """
data dataset dataset_data_provider evaluation layers learning losses metrics model_analyzer nets ops
prefetch_queue queues summaries tfexample_decoder training variables
""".split()
__all__ += [*_arg_scopes.__all__, *variables.__all__, *layers.__all__]

__getattr__, __dir__ = _overlay.over(__name__)
