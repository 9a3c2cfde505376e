"""What a model function returns: the spec of a mode, checked."""

from collections import namedtuple
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.tf1.estimator import export

DEFAULT = "serving_default"
CHECK = checks.Checker("EstimatorSpec")


class ModeKeys:
    """What a model function is called for."""

    TRAIN, EVAL, PREDICT = "train", "eval", "infer"


Fields = namedtuple(
    "Fields",
    "mode predictions loss train_op eval_metric_ops export_outputs training_chief_hooks training_hooks "
    "scaffold evaluation_hooks prediction_hooks",
    defaults=(None, None, None, None, None, None, None, None, None, None),
)


class EstimatorSpec(Fields):
    """Ops and objects that a model function returns for a mode."""

    __slots__ = ()

    def __new__(cls, *args: Any, **kwargs: Any) -> "EstimatorSpec":
        given = Fields(*args, **kwargs)
        mode, predictions, loss, train_op, metrics = given[:5]
        CHECK.require(train_op is not None or mode != ModeKeys.TRAIN, "Missing train_op.")
        CHECK.require(loss is not None or mode not in (ModeKeys.TRAIN, ModeKeys.EVAL), "Missing loss.")
        CHECK.require(predictions is not None or mode != ModeKeys.PREDICT, "Missing predictions.")
        if isinstance(predictions, Mapping):
            predictions = {key: check_tensor(f"predictions[{key}]", one) for key, one in predictions.items()}
        else:
            predictions = {} if predictions is None else check_tensor("predictions", predictions)
        scaffold = given.scaffold or tf.compat.v1.train.Scaffold()
        is_scaffold = isinstance(scaffold, tf.compat.v1.train.Scaffold)
        CHECK.require_type(is_scaffold, "scaffold must be tf.train.Scaffold", scaffold=scaffold)
        outputs = given.export_outputs
        if mode == ModeKeys.PREDICT:
            outputs = check_export_outputs(outputs, predictions)
        hooks = {name: check_hooks(getattr(given, name)) for name in Fields._fields if "hooks" in name}
        checked = given._replace(
            predictions=predictions,
            loss=None if loss is None else check_loss(loss),
            train_op=None if train_op is None else check_train_op(train_op),
            eval_metric_ops=check_metric_ops(metrics),
            export_outputs=outputs,
            scaffold=scaffold,
            **hooks,
        )
        return super().__new__(cls, *checked)


def check_graph(name: str, item: Any) -> Any:
    graph = tf.compat.v1.get_default_graph()
    CHECK.require(item.graph is graph, f"{name} must be from the default graph", given=item.name)
    return item


def check_tensor(name: str, item: Any) -> tf.Tensor:
    is_tensor = isinstance(item, (tf.Tensor, tf.Variable))
    CHECK.require_type(is_tensor, f"{name} must be Tensor", given=item)
    return check_graph(name, item)


def check_loss(loss: Any) -> tf.Tensor:
    loss = check_tensor("loss", loss)
    CHECK.require(loss.shape.num_elements() in (1, None), "Loss must be scalar", loss=loss)
    return loss if loss.shape.rank in (0, None) else tf.reshape(loss, [])


def check_train_op(train_op: Any) -> Any:
    is_op = isinstance(train_op, (tf.Tensor, tf.Variable, tf.Operation))
    CHECK.require_type(is_op, "train_op must be Operation or Tensor", train_op=train_op)
    # tf.assign_add of a resource variable returns a variable: its op is the assignment.
    return check_graph("train_op", train_op.op if isinstance(train_op, tf.Variable) else train_op)


def check_metric_ops(ops: Any) -> dict[str, tuple]:
    ops = {} if ops is None else ops
    CHECK.require_type(isinstance(ops, Mapping), "eval_metric_ops must be a dict", given=ops)
    pairs = all(isinstance(pair, tuple) and len(pair) == 2 for pair in ops.values())
    rule = "Values of eval_metric_ops must be (metric_value, update_op) tuples"
    CHECK.require_type(pairs, rule, eval_metric_ops=ops)
    return dict(ops)


def check_hooks(hooks: Any) -> tuple:
    hooks = tuple(hooks or ())
    are_hooks = all(isinstance(hook, tf.compat.v1.train.SessionRunHook) for hook in hooks)
    CHECK.require_type(are_hooks, "Hooks must be a SessionRunHook", hooks=hooks)
    return hooks


def check_export_outputs(outputs: Any, predictions: Any) -> dict[str, export.ExportOutput]:
    """Returns the outputs with one that serves by default, the only one unless there is one of that name."""
    outputs = {DEFAULT: export.PredictOutput(predictions)} if outputs is None else outputs
    CHECK.require_type(isinstance(outputs, Mapping), "export_outputs must be dict", given=outputs)
    are_outputs = all(isinstance(output, export.ExportOutput) for output in outputs.values())
    CHECK.require_type(are_outputs, "Values in export_outputs must be ExportOutput objects", given=outputs)
    rule = f"Multiple export_outputs were provided, but none of them is the default, {DEFAULT!r}"
    CHECK.require(len(outputs) < 2 or DEFAULT in outputs, rule, names=[*outputs])
    only = next(iter(outputs.values()), None)
    return {**outputs, DEFAULT: outputs.get(DEFAULT, only)} if outputs else {}
