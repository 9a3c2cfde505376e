"""Heads: what a canned estimator makes of its logits: predictions, loss, metrics, train_op."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from graphkit.tf1.estimator.export import ClassificationOutput, PredictOutput, RegressionOutput
from graphkit.tf1.estimator.specs import DEFAULT, EstimatorSpec, ModeKeys

v1 = tf.compat.v1
metrics = v1.metrics
SUM, NONE = v1.losses.Reduction.SUM, v1.losses.Reduction.NONE
Metrics = dict[str, tuple[Any, Any]]


class Head:
    """Base of the heads.

    Args:
      logits_dimension: how many logits an example has.
      label_dimension: how many labels.
      weight_column: key of the examples' weights among the features, or a numeric column.
      loss_reduction: how the losses of the examples become one.
    """

    per_logit_weights = False

    def __init__(
        self, logits_dimension: int, label_dimension: int, weight_column: Any, loss_reduction: str
    ) -> None:
        if loss_reduction not in v1.losses.Reduction.all() or loss_reduction == NONE:
            raise ValueError(f"Invalid loss_reduction: {loss_reduction}")
        if not isinstance(weight_column, (str, type(None))) and not hasattr(weight_column, "normalizer_fn"):
            raise TypeError(
                f"Weight column must be either a string or _NumericColumn. Given type: {type(weight_column)}."
            )
        self.logits_dimension, self.label_dimension = logits_dimension, label_dimension
        self.weight_column, self.loss_reduction = weight_column, loss_reduction

    def predictions(self, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        raise NotImplementedError

    def outputs(self, predictions: Mapping[str, tf.Tensor]) -> dict[str, Any]:
        """Returns what a served model returns, by signature."""
        raise NotImplementedError

    def targets(self, labels: tf.Tensor) -> tf.Tensor:
        """Returns the labels as numbers of the loss."""
        raise NotImplementedError

    def losses(self, targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Returns the losses, with as many axes as the logits."""
        raise NotImplementedError

    def metric_ops(self, targets: Any, predictions: Mapping[str, Any], weights: Any) -> Metrics:
        raise NotImplementedError

    def create_estimator_spec(
        self,
        features: Mapping[str, Any],
        mode: str,
        logits: tf.Tensor,
        labels: Any = None,
        optimizer: Any = None,
        train_op_fn: Callable[[tf.Tensor], Any] | None = None,
        regularization_losses: Sequence[tf.Tensor] | None = None,
    ) -> EstimatorSpec:
        """Returns the spec of a mode; training needs an optimizer, or a function loss -> train_op."""
        with v1.name_scope("head"):
            logits = tf.cast(logits, tf.float32)
            if logits.shape.rank is not None and logits.shape[-1] not in (None, self.logits_dimension):
                raise ValueError(
                    f"logits shape must be [D0, D1, ... DN, logits_dimension], got {logits.shape}."
                )
            predictions = self.predictions(logits)
            if mode == ModeKeys.PREDICT:
                outputs = {**self.outputs(predictions), "predict": PredictOutput(predictions)}
                return EstimatorSpec(mode, predictions, export_outputs=outputs)
            targets = self.targets(self.check_labels(labels, logits))
            losses, weights = self.losses(targets, logits), self.weights(features)
            loss = v1.losses.compute_weighted_loss(losses, weights, reduction=self.loss_reduction)
            average = loss / tf.reduce_sum(weights * tf.ones_like(losses))
            total = tf.add_n([loss, *(regularization_losses or ())])
            if mode == ModeKeys.EVAL:
                ops = {"average_loss": metrics.mean(losses, weights)}
                ops |= self.metric_ops(targets, predictions, weights)
                if regularization_losses:
                    ops["regularization_loss"] = metrics.mean(tf.add_n(regularization_losses))
                return EstimatorSpec(mode, predictions, total, eval_metric_ops=ops)
            train_op = make_train_op(total, optimizer, train_op_fn)
        v1.summary.scalar("loss", total)
        if self.loss_reduction == SUM:
            v1.summary.scalar("average_loss", average)
        return EstimatorSpec(mode, predictions, total, train_op)

    def check_labels(self, labels: Any, logits: tf.Tensor) -> tf.Tensor:
        """Returns the labels with as many axes as the logits."""
        if labels is None:
            raise ValueError("You must provide a labels Tensor. Given: None.")
        if isinstance(labels, tf.SparseTensor):
            raise ValueError("SparseTensor labels are not supported; use tf.sparse.to_dense in the input_fn.")
        labels = tf.convert_to_tensor(labels)
        if labels.shape.rank is not None and labels.shape.rank + 1 == logits.shape.rank:
            labels = labels[..., tf.newaxis]
        if labels.shape.rank is not None and labels.shape[-1] not in (None, self.label_dimension):
            raise ValueError(
                f"Mismatched label shape. Expected labels dimension={self.label_dimension}. "
                f"Received {labels.shape[-1]}."
            )
        expected = tf.concat([tf.shape(logits)[:-1], [self.label_dimension]], 0)
        message = f"labels shape must be [D0, D1, ... DN, {self.label_dimension}]"
        with tf.control_dependencies([v1.assert_equal(expected, tf.shape(labels), message=message)]):
            return tf.identity(labels)

    def weights(self, features: Mapping[str, Any]) -> Any:
        if self.weight_column is None:
            return 1.0
        column = self.weight_column
        column = v1.feature_column.numeric_column(column) if isinstance(column, str) else column
        return v1.feature_column.input_layer({column.key: features[column.key]}, [column])


def make_train_op(loss: tf.Tensor, optimizer: Any, train_op_fn: Callable | None) -> Any:
    if (optimizer is None) == (train_op_fn is None):
        raise ValueError(
            "train_op_fn and optimizer cannot both be " + ("None." if optimizer is None else "set.")
        )
    if train_op_fn is not None:
        train_op = train_op_fn(loss)
    else:
        train_op = optimizer.minimize(loss, global_step=v1.train.get_global_step())
    updates = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
    return tf.group(train_op, *updates) if updates else train_op


class RegressionHead(Head):
    per_logit_weights = True

    def __init__(
        self, weight_column: Any = None, label_dimension: int = 1, loss_reduction: str = SUM
    ) -> None:
        if label_dimension < 1:
            raise ValueError(f"Invalid label_dimension {label_dimension}.")
        super().__init__(label_dimension, label_dimension, weight_column, loss_reduction)

    def predictions(self, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"predictions": logits}

    def outputs(self, predictions: Mapping[str, tf.Tensor]) -> dict[str, Any]:
        output = RegressionOutput(predictions["predictions"])
        return {DEFAULT: output, "regression": output}

    def targets(self, labels: tf.Tensor) -> tf.Tensor:
        return tf.cast(labels, tf.float32)

    def losses(self, targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        return tf.math.squared_difference(logits, targets)

    def metric_ops(self, targets: Any, predictions: Mapping[str, Any], weights: Any) -> Metrics:
        return {
            "prediction/mean": metrics.mean(predictions["predictions"], weights),
            "label/mean": metrics.mean(targets, weights),
        }


class ClassHead(Head):
    """What the heads of two and of more classes have in common."""

    def __init__(
        self, n_classes: int, weight_column: Any, label_vocabulary: Any, loss_reduction: str
    ) -> None:
        super().__init__(1 if n_classes == 2 else n_classes, 1, weight_column, loss_reduction)
        self.n_classes, self.vocabulary = n_classes, label_vocabulary and list(label_vocabulary)

    def class_predictions(self, scores: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns probabilities, classes and their numbers of logits of all classes."""
        chosen, numbers = tf.argmax(scores, -1)[..., tf.newaxis], tf.range(self.n_classes)
        classes = self.vocabulary or tf.strings.as_string(numbers)
        batch = [tf.shape(scores)[0], 1]
        return {
            "probabilities": tf.nn.softmax(scores),
            "class_ids": chosen,
            "classes": tf.gather(classes, chosen),
            "all_class_ids": tf.tile(numbers[tf.newaxis], batch),
            "all_classes": tf.tile(tf.convert_to_tensor(classes)[tf.newaxis], batch),
        }

    def outputs(self, predictions: Mapping[str, tf.Tensor]) -> dict[str, Any]:
        output = ClassificationOutput(predictions["probabilities"], predictions["all_classes"])
        return {DEFAULT: output, "classification": output}

    def numbers(self, labels: tf.Tensor) -> tf.Tensor:
        """Returns labels as numbers of classes, which are checked."""
        if self.vocabulary is not None:
            if labels.dtype != tf.string:
                raise ValueError(
                    f"Labels dtype should be string if there is a vocabulary. Instead got {labels.dtype}"
                )
            keys = tf.constant(self.vocabulary)
            table = v1.lookup.KeyValueTensorInitializer(keys, tf.range(len(self.vocabulary), dtype=tf.int64))
            labels = v1.lookup.StaticHashTable(table, -1).lookup(labels)
        checked = [
            v1.assert_less_equal(
                labels, tf.cast(self.n_classes - 1, labels.dtype), message="Labels must <= n_classes - 1"
            ),
            v1.assert_non_negative(labels, message="Labels must >= 0"),
        ]
        with tf.control_dependencies(checked):
            return tf.identity(labels)


class MultiClassHead(ClassHead):
    def __init__(
        self,
        n_classes: int,
        weight_column: Any = None,
        label_vocabulary: Any = None,
        loss_reduction: str = SUM,
    ) -> None:
        if n_classes is None or n_classes <= 2:
            raise ValueError(f"n_classes must be > 2: {n_classes}.")
        super().__init__(n_classes, weight_column, label_vocabulary, loss_reduction)

    def predictions(self, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"logits": logits, **self.class_predictions(logits)}

    def targets(self, labels: tf.Tensor) -> tf.Tensor:
        if self.vocabulary is None and not labels.dtype.is_integer:
            raise ValueError(f"Labels dtype should be integer. Instead got {labels.dtype}.")
        return self.numbers(labels)

    def losses(self, targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.squeeze(targets, -1), logits)
        return losses[..., tf.newaxis]

    def metric_ops(self, targets: Any, predictions: Mapping[str, Any], weights: Any) -> Metrics:
        return {"accuracy": metrics.accuracy(targets, predictions["class_ids"], weights)}


class BinaryClassHead(ClassHead):
    def __init__(
        self,
        weight_column: Any = None,
        thresholds: Sequence[float] | None = None,
        label_vocabulary: Any = None,
        loss_reduction: str = SUM,
    ) -> None:
        super().__init__(2, weight_column, label_vocabulary, loss_reduction)
        self.thresholds = tuple(thresholds or ())

    def predictions(self, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        both = tf.concat([tf.zeros_like(logits), logits], -1)
        return {"logits": logits, "logistic": tf.sigmoid(logits), **self.class_predictions(both)}

    def outputs(self, predictions: Mapping[str, tf.Tensor]) -> dict[str, Any]:
        return {**super().outputs(predictions), "regression": RegressionOutput(predictions["logistic"])}

    def targets(self, labels: tf.Tensor) -> tf.Tensor:
        if self.vocabulary is None and labels.dtype == tf.string:
            raise ValueError("Labels dtype should be a number if there is no vocabulary. Instead got string")
        return self.numbers(tf.cast(labels, tf.float32) if self.vocabulary is None else labels)

    def losses(self, targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        return tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(targets, tf.float32), logits)

    def metric_ops(self, targets: Any, predictions: Mapping[str, Any], weights: Any) -> Metrics:
        chosen, logistic = predictions["class_ids"], predictions["logistic"]
        value, update = label_mean = metrics.mean(targets, weights)
        baseline = tf.maximum(value, 1 - value), tf.maximum(update, 1 - update)
        every = weights * tf.ones_like(logistic)
        ops = {
            "accuracy": metrics.accuracy(targets, chosen, weights),
            "precision": metrics.precision(targets, chosen, every),
            "recall": metrics.recall(targets, chosen, every),
            "prediction/mean": metrics.mean(logistic, every),
            "label/mean": label_mean,
            "accuracy_baseline": baseline,
            "auc": metrics.auc(targets, logistic, every),
            "auc_precision_recall": metrics.auc(targets, logistic, every, curve="PR"),
        }
        for threshold in self.thresholds:
            above = tf.cast(logistic > threshold, tf.float32)
            for name, metric in (
                ("accuracy", metrics.accuracy),
                ("precision", metrics.precision),
                ("recall", metrics.recall),
            ):
                ops[f"{name}/positive_threshold_{threshold:g}"] = metric(targets, above, every)
        return ops
