"""`tf.estimator`: estimators, their specs, settings and input functions, in one process."""

import tensorflow as _tensorflow

from graphkit.tf1 import overlay
from graphkit.tf1.estimator import experimental as experimental
from graphkit.tf1.estimator import export as export
from graphkit.tf1.estimator import inputs as inputs
from graphkit.tf1.estimator import tpu as tpu
from graphkit.tf1.estimator.canned import (
    DNNClassifier,
    DNNEstimator,
    DNNLinearCombinedClassifier,
    DNNLinearCombinedEstimator,
    DNNLinearCombinedRegressor,
    DNNRegressor,
    LinearClassifier,
    LinearEstimator,
    LinearRegressor,
)
from graphkit.tf1.estimator.estimator import Estimator, WarmStartSettings
from graphkit.tf1.estimator.exporters import BestExporter, Exporter, FinalExporter, LatestExporter
from graphkit.tf1.estimator.extenders import add_metrics
from graphkit.tf1.estimator.run_config import RunConfig
from graphkit.tf1.estimator.specs import EstimatorSpec, ModeKeys
from graphkit.tf1.estimator.training import EvalSpec, TrainSpec, train_and_evaluate

VocabInfo = _tensorflow.compat.v1.train.VocabInfo

__all__ = [
    "BestExporter",
    "DNNClassifier",
    "DNNEstimator",
    "DNNLinearCombinedClassifier",
    "DNNLinearCombinedEstimator",
    "DNNLinearCombinedRegressor",
    "DNNRegressor",
    "Estimator",
    "EstimatorSpec",
    "EvalSpec",
    "Exporter",
    "FinalExporter",
    "LatestExporter",
    "LinearClassifier",
    "LinearEstimator",
    "LinearRegressor",
    "ModeKeys",
    "RunConfig",
    "TrainSpec",
    "VocabInfo",
    "WarmStartSettings",
    "add_metrics",
    "experimental",
    "export",
    "inputs",
    "tpu",
    "train_and_evaluate",
]

__getattr__, __dir__ = overlay.over(__name__)
