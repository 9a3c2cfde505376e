"""What a model function returns: the spec of a mode, checked."""

from collections import namedtuple
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from graphkit.tf1.estimator import export

DEFAULT = "serving_default"


class ModeKeys:
    """What a model function is called for."""

    TRAIN = "train"
    EVAL = "eval"
    PREDICT = "infer"


Fields = namedtuple(
    "Fields",
    "mode predictions loss train_op eval_metric_ops export_outputs training_chief_hooks training_hooks "
    "scaffold evaluation_hooks prediction_hooks",
)


class EstimatorSpec(Fields):
    """Ops and objects that a model function returns for a mode."""

    __slots__ = ()

    def __new__(
        cls,
        mode: str,
        predictions: Any = None,
        loss: Any = None,
        train_op: Any = None,
        eval_metric_ops: Any = None,
        export_outputs: Any = None,
        training_chief_hooks: Any = None,
        training_hooks: Any = None,
        scaffold: Any = None,
        evaluation_hooks: Any = None,
        prediction_hooks: Any = None,
    ) -> "EstimatorSpec":
        if train_op is None and mode == ModeKeys.TRAIN:
            raise ValueError("Missing train_op.")
        if loss is None and mode in (ModeKeys.TRAIN, ModeKeys.EVAL):
            raise ValueError("Missing loss.")
        if predictions is None and mode == ModeKeys.PREDICT:
            raise ValueError("Missing predictions.")
        predictions = {} if predictions is None else predictions
        if isinstance(predictions, Mapping):
            predictions = {
                key: check_tensor(value, f"predictions[{key}]") for key, value in predictions.items()
            }
        else:
            predictions = check_tensor(predictions, "predictions")
        if mode == ModeKeys.PREDICT:
            export_outputs = check_export_outputs(export_outputs, predictions)
        if scaffold is not None and not isinstance(scaffold, tf.compat.v1.train.Scaffold):
            raise TypeError(f"scaffold must be tf.train.Scaffold. Given: {scaffold}")
        return super().__new__(
            cls,
            mode,
            predictions,
            None if loss is None else check_loss(loss),
            None if train_op is None else check_train_op(train_op),
            check_metric_ops(eval_metric_ops),
            export_outputs,
            check_hooks(training_chief_hooks),
            check_hooks(training_hooks),
            scaffold or tf.compat.v1.train.Scaffold(),
            check_hooks(evaluation_hooks),
            check_hooks(prediction_hooks),
        )


def check_graph(item: Any, what: str) -> Any:
    if item.graph is not tf.compat.v1.get_default_graph():
        raise ValueError(f"{what} must be from the default graph. Given: {item.name}")
    return item


def check_tensor(item: Any, what: str) -> tf.Tensor:
    if not isinstance(item, (tf.Tensor, tf.Variable)):
        raise TypeError(f"{what} must be Tensor, given: {item}")
    return check_graph(item, what)


def check_loss(loss: Any) -> tf.Tensor:
    loss = check_tensor(loss, "loss")
    if loss.shape.num_elements() not in (None, 1):
        raise ValueError(f"Loss must be scalar, given: {loss}")
    return loss if loss.shape.rank in (0, None) else tf.reshape(loss, [])


def check_train_op(train_op: Any) -> Any:
    if not isinstance(train_op, (tf.Tensor, tf.Variable, tf.Operation)):
        raise TypeError(f"train_op must be Operation or Tensor, given: {train_op}")
    # tf.assign_add of a resource variable returns a variable: its op is the assignment.
    return check_graph(train_op.op if isinstance(train_op, tf.Variable) else train_op, "train_op")


def check_metric_ops(ops: Any) -> dict[str, tuple]:
    if ops is not None and not isinstance(ops, Mapping):
        raise TypeError(f"eval_metric_ops must be a dict, given: {ops}")
    for name, pair in (ops or {}).items():
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError(
                "Values of eval_metric_ops must be (metric_value, update_op) tuples, "
                f"given: {pair} for key: {name}"
            )
    return dict(ops or {})


def check_hooks(hooks: Iterable[Any] | None) -> tuple:
    hooks = tuple(hooks or ())
    for hook in hooks:
        if not isinstance(hook, tf.compat.v1.train.SessionRunHook):
            raise TypeError(f"Hooks must be a SessionRunHook, given: {hook}")
    return hooks


def check_export_outputs(outputs: Any, predictions: Any) -> dict[str, export.ExportOutput]:
    """Returns the outputs with one that serves by default, the only one unless there is one of that name."""
    if outputs is None:
        return {DEFAULT: export.PredictOutput(predictions)}
    if not isinstance(outputs, Mapping):
        raise TypeError(f"export_outputs must be dict, given: {outputs}")
    if not all(isinstance(output, export.ExportOutput) for output in outputs.values()):
        raise TypeError(f"Values in export_outputs must be ExportOutput objects. Given: {outputs}")
    if len(outputs) > 1 and DEFAULT not in outputs:
        raise ValueError(
            "Multiple export_outputs were provided, but none of them is specified as the default. "
            f"Do this by naming one of them {DEFAULT!r}."
        )
    only = next(iter(outputs.values()), None)
    return {**outputs, DEFAULT: outputs.get(DEFAULT, only)} if outputs else {}
