"""Estimators made of an estimator: with more metrics, or with features among the predictions."""

from collections.abc import Callable, Sequence
from typing import Any

from graphkit.tf1.estimator import estimator as estimators
from graphkit.tf1.estimator.specs import EstimatorSpec, ModeKeys


def add_metrics(estimator: Any, metric_fn: Callable[..., dict]) -> estimators.Estimator:
    """Returns an estimator with more metrics: metric_fn(labels, predictions, features, config), or less."""
    wanted = estimators.argument_names(metric_fn)
    unknown = wanted - {"features", "predictions", "labels", "config"}
    if unknown:
        raise ValueError(f"metric_fn ({metric_fn}) has following not expected args: {sorted(unknown)}")

    def model_fn(features: Any, labels: Any, mode: str, config: Any) -> EstimatorSpec:
        spec = estimator.model_fn(features, labels, mode, config)
        if mode != ModeKeys.EVAL:
            return spec
        given = {"features": features, "predictions": spec.predictions, "labels": labels, "config": config}
        more = metric_fn(**{name: given[name] for name in wanted})
        return spec._replace(eval_metric_ops={**spec.eval_metric_ops, **more})

    return estimators.Estimator(model_fn, estimator.model_dir, estimator.config)


def forward_features(
    estimator: Any, keys: Any = None, sparse_default_values: Any = None
) -> estimators.Estimator:
    """Returns an estimator whose predictions hold features, all or those of some keys; dense ones."""
    chosen: Sequence[str] | None = [keys] if isinstance(keys, str) else keys

    def model_fn(features: Any, labels: Any, mode: str, config: Any) -> EstimatorSpec:
        spec = estimator.model_fn(features, labels, mode, config)
        if mode == ModeKeys.PREDICT:
            for key in features if chosen is None else chosen:
                if key in spec.predictions:
                    raise ValueError(f"Cannot forward feature key ({key}). It is already in predictions.")
                spec.predictions[key] = features[key]
            for output in spec.export_outputs.values():
                if hasattr(output, "outputs"):
                    output.outputs.update({key: spec.predictions[key] for key in spec.predictions})
        return spec

    return estimators.Estimator(model_fn, estimator.model_dir, estimator.config)
