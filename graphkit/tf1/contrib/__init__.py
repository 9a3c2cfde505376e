"""`tf.contrib`: the parts of it that TF1 programs use."""

from graphkit.tf1 import overlay
from graphkit.tf1.contrib import cluster_resolver as cluster_resolver
from graphkit.tf1.contrib import crf as crf
from graphkit.tf1.contrib import cudnn_rnn as cudnn_rnn
from graphkit.tf1.contrib import data as data
from graphkit.tf1.contrib import distributions as distributions
from graphkit.tf1.contrib import estimator as estimator
from graphkit.tf1.contrib import framework as framework
from graphkit.tf1.contrib import layers as layers
from graphkit.tf1.contrib import learn as learn
from graphkit.tf1.contrib import legacy_seq2seq as legacy_seq2seq
from graphkit.tf1.contrib import lookup as lookup
from graphkit.tf1.contrib import losses as losses
from graphkit.tf1.contrib import metrics as metrics
from graphkit.tf1.contrib import opt as opt
from graphkit.tf1.contrib import predictor as predictor
from graphkit.tf1.contrib import rnn as rnn
from graphkit.tf1.contrib import seq2seq as seq2seq
from graphkit.tf1.contrib import slim as slim
from graphkit.tf1.contrib import tpu as tpu
from graphkit.tf1.contrib import training as training
from graphkit.tf1.contrib import util as util

__getattr__, __dir__ = overlay.over(__name__)
