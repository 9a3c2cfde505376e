"""`tf.contrib.tpu`: the estimator for TPUs, on processors and GPUs."""

import tensorflow as _tensorflow

from graphkit.tf1 import overlay
from graphkit.tf1.estimator.tpu import (
    InputPipelineConfig,
    RunConfig,
    TPUConfig,
    TPUEstimator,
    TPUEstimatorSpec,
)

__all__ = ["InputPipelineConfig", "RunConfig", "TPUConfig", "TPUEstimator", "TPUEstimatorSpec"]

__getattr__, __dir__ = overlay.over(__name__, _tensorflow.compat.v1.tpu)
