"""`tf.contrib.estimator`: heads, and estimators made of an estimator."""

from graphkit.tf1 import estimator as _estimator
from graphkit.tf1 import overlay
from graphkit.tf1.estimator.experimental import (
    make_early_stopping_hook,
    stop_if_higher_hook,
    stop_if_lower_hook,
    stop_if_no_decrease_hook,
    stop_if_no_increase_hook,
)
from graphkit.tf1.estimator.extenders import add_metrics, forward_features
from graphkit.tf1.estimator.heads import BinaryClassHead as binary_classification_head
from graphkit.tf1.estimator.heads import MultiClassHead as multi_class_head
from graphkit.tf1.estimator.heads import RegressionHead as regression_head

__all__ = [
    "add_metrics",
    "binary_classification_head",
    "forward_features",
    "make_early_stopping_hook",
    "multi_class_head",
    "regression_head",
    "stop_if_higher_hook",
    "stop_if_lower_hook",
    "stop_if_no_decrease_hook",
    "stop_if_no_increase_hook",
]

__getattr__, __dir__ = overlay.over(__name__, _estimator)
