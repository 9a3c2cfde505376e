"""`tf.contrib.learn`."""

from graphkit.tf1 import overlay
from graphkit.tf1.contrib.learn import datasets as datasets
from graphkit.tf1.contrib.learn import learn_runner as learn_runner
from graphkit.tf1.contrib.learn import preprocessing as preprocessing
from graphkit.tf1.contrib.learn.learn_runner import Experiment as Experiment
from graphkit.tf1.estimator import RunConfig as RunConfig
from graphkit.tf1.estimator import specs as _specs


class ModeKeys(_specs.ModeKeys):
    INFER = _specs.ModeKeys.PREDICT


__getattr__, __dir__ = overlay.over(__name__)
