"""Heads: what a canned estimator makes of its logits: predictions, loss, metrics, train_op."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.tf1.estimator.export import ClassificationOutput, PredictOutput, RegressionOutput
from graphkit.tf1.estimator.specs import DEFAULT, EstimatorSpec, ModeKeys

v1 = tf.compat.v1
metrics = v1.metrics
SUM = v1.losses.Reduction.SUM
CHECK = checks.Checker("head")
Metrics = dict[str, tuple[Any, Any]]
Predictions = Mapping[str, tf.Tensor]


class Head:
    """Base of the heads.

    Args:
      logits_dimension, label_dimension: how many logits and labels an example has.
      weight_column: key of the examples' weights among the features, or a numeric column.
      loss_reduction: how the losses of the examples become one.
    """

    def __init__(self, logits_dimension: int, label_dimension: int, weight_column: Any, loss_reduction: str):
        reductions = {*v1.losses.Reduction.all()} - {v1.losses.Reduction.NONE}
        CHECK.require(loss_reduction in reductions, "Invalid loss_reduction", loss_reduction=loss_reduction)
        is_column = isinstance(weight_column, (str, type(None))) or hasattr(weight_column, "normalizer_fn")
        rule = "Weight column must be either a string or _NumericColumn"
        CHECK.require_type(is_column, rule, weight_column=weight_column)
        self.logits_dimension, self.label_dimension = logits_dimension, label_dimension
        self.weight_column, self.loss_reduction = weight_column, loss_reduction

    def predictions(self, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        raise NotImplementedError

    def outputs(self, predictions: Predictions) -> dict[str, Any]:
        """Returns what a served model returns, by signature."""
        raise NotImplementedError

    def targets(self, labels: tf.Tensor) -> tf.Tensor:
        """Returns the labels as numbers of the loss."""
        raise NotImplementedError

    def losses(self, targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Returns the losses, with as many axes as the logits."""
        raise NotImplementedError

    def metric_ops(self, targets: Any, predictions: Predictions, weights: tf.Tensor) -> Metrics:
        raise NotImplementedError

    def create_estimator_spec(
        self,
        features: Mapping[str, Any],
        mode: str,
        logits: Any,
        labels: Any = None,
        optimizer: Any = None,
        train_op_fn: Callable[[tf.Tensor], Any] | None = None,
        regularization_losses: Sequence[tf.Tensor] | None = None,
    ) -> EstimatorSpec:
        """Returns the spec of a mode; training needs an optimizer, or a function loss -> train_op."""
        with v1.name_scope("head"):
            logits = tf.cast(logits, tf.float32)
            fits = logits.shape.rank is None or logits.shape[-1] in (None, self.logits_dimension)
            rule = "logits shape must be [D0, D1, ... DN, logits_dimension]"
            CHECK.require(fits, rule, shape=logits.shape, logits_dimension=self.logits_dimension)
            predictions = self.predictions(logits)
            if mode == ModeKeys.PREDICT:
                outputs = {**self.outputs(predictions), "predict": PredictOutput(predictions)}
                return EstimatorSpec(mode, predictions, export_outputs=outputs)
            targets = self.targets(self.check_labels(labels, logits))
            losses = self.losses(targets, logits)
            weights = self.weights(features) * tf.ones_like(losses)
            loss = v1.losses.compute_weighted_loss(losses, weights, reduction=self.loss_reduction)
            total = tf.add_n([loss, *(regularization_losses or ())])
            if mode == ModeKeys.EVAL:
                ops = {"average_loss": metrics.mean(losses, weights)}
                ops |= self.metric_ops(targets, predictions, weights)
                if regularization_losses:
                    ops["regularization_loss"] = metrics.mean(tf.add_n(regularization_losses))
                return EstimatorSpec(mode, predictions, total, eval_metric_ops=ops)
            train_op = make_train_op(total, optimizer, train_op_fn)
            average = loss / tf.reduce_sum(weights)
        v1.summary.scalar("loss", total)
        if self.loss_reduction == SUM:
            v1.summary.scalar("average_loss", average)
        return EstimatorSpec(mode, predictions, total, train_op)

    def check_labels(self, labels: Any, logits: tf.Tensor) -> tf.Tensor:
        """Returns the labels with as many axes as the logits."""
        CHECK.require(labels is not None, "You must provide a labels Tensor", labels=labels)
        sparse = isinstance(labels, tf.SparseTensor)
        CHECK.require(not sparse, "SparseTensor labels are not supported; use tf.sparse.to_dense before")
        labels, count = tf.convert_to_tensor(labels), self.label_dimension
        if labels.shape.rank is not None and labels.shape.rank + 1 == logits.shape.rank:
            labels = labels[..., tf.newaxis]
        fits = labels.shape.rank is None or labels.shape[-1] in (None, count)
        CHECK.require(fits, f"Mismatched label shape. Expected labels dimension={count}", shape=labels.shape)
        expected = tf.concat([tf.shape(logits)[:-1], [count]], 0)
        message = f"labels shape must be [D0, D1, ... DN, {count}]"
        with tf.control_dependencies([v1.assert_equal(expected, tf.shape(labels), message=message)]):
            return tf.identity(labels)

    def weights(self, features: Mapping[str, Any]) -> Any:
        column = self.weight_column
        if column is None:
            return 1.0
        column = v1.feature_column.numeric_column(column) if isinstance(column, str) else column
        return v1.feature_column.input_layer({column.key: features[column.key]}, [column])


def make_train_op(loss: tf.Tensor, optimizer: Any, train_op_fn: Callable | None) -> Any:
    one = (optimizer is None) != (train_op_fn is None)
    CHECK.require(one, "train_op_fn and optimizer cannot both be None, or both be set")
    if train_op_fn is not None:
        train_op = train_op_fn(loss)
    else:
        train_op = optimizer.minimize(loss, global_step=v1.train.get_global_step())
    updates = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
    return tf.group(train_op, *updates) if updates else train_op


class RegressionHead(Head):
    def __init__(self, weight_column: Any = None, label_dimension: int = 1, loss_reduction: str = SUM):
        CHECK.require(label_dimension > 0, "Invalid label_dimension", label_dimension=label_dimension)
        super().__init__(label_dimension, label_dimension, weight_column, loss_reduction)

    def predictions(self, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"predictions": logits}

    def outputs(self, predictions: Predictions) -> dict[str, Any]:
        output = RegressionOutput(predictions["predictions"])
        return {DEFAULT: output, "regression": output}

    def targets(self, labels: tf.Tensor) -> tf.Tensor:
        return tf.cast(labels, tf.float32)

    def losses(self, targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        return tf.math.squared_difference(logits, targets)

    def metric_ops(self, targets: Any, predictions: Predictions, weights: tf.Tensor) -> Metrics:
        means = {"prediction/mean": predictions["predictions"], "label/mean": targets}
        return {name: metrics.mean(values, weights) for name, values in means.items()}


class MultiClassHead(Head):
    def __init__(
        self,
        n_classes: int,
        weight_column: Any = None,
        label_vocabulary: Any = None,
        loss_reduction: str = SUM,
    ):
        CHECK.require(n_classes and n_classes > 2, "n_classes must be > 2", n_classes=n_classes)
        super().__init__(n_classes, 1, weight_column, loss_reduction)
        self.n_classes, self.vocabulary = n_classes, label_vocabulary and list(label_vocabulary)

    def predictions(self, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"logits": logits, **self.class_predictions(logits)}

    def class_predictions(self, scores: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns probabilities, classes and their numbers of logits of all classes."""
        chosen, numbers = tf.argmax(scores, -1)[..., tf.newaxis], tf.range(self.n_classes)
        classes = tf.constant(self.vocabulary) if self.vocabulary else tf.strings.as_string(numbers)
        batch = [tf.shape(scores)[0], 1]
        return {
            "probabilities": tf.nn.softmax(scores),
            "class_ids": chosen,
            "classes": tf.gather(classes, chosen),
            "all_class_ids": tf.tile(numbers[tf.newaxis], batch),
            "all_classes": tf.tile(classes[tf.newaxis], batch),
        }

    def outputs(self, predictions: Predictions) -> dict[str, Any]:
        output = ClassificationOutput(predictions["probabilities"], predictions["all_classes"])
        return {DEFAULT: output, "classification": output}

    def targets(self, labels: tf.Tensor) -> tf.Tensor:
        words, dtype = self.vocabulary, labels.dtype
        rule = "Labels dtype should be string if there is a vocabulary"
        CHECK.require(words is None or dtype == tf.string, rule, dtype=dtype)
        if words is not None:
            numbers = tf.range(len(words), dtype=tf.int64)
            table = v1.lookup.KeyValueTensorInitializer(tf.constant(words), numbers)
            labels = v1.lookup.StaticHashTable(table, -1).lookup(labels)
        else:
            labels = self.numbers(labels)
        most = tf.cast(self.n_classes - 1, labels.dtype)
        upper = v1.assert_less_equal(labels, most, message="Labels must <= n_classes - 1")
        with tf.control_dependencies([upper, v1.assert_non_negative(labels, message="Labels must >= 0")]):
            return tf.identity(labels)

    def numbers(self, labels: tf.Tensor) -> tf.Tensor:
        """Returns labels that are not words as numbers."""
        CHECK.require(labels.dtype.is_integer, "Labels dtype should be integer", dtype=labels.dtype)
        return labels

    def losses(self, targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.squeeze(targets, -1), logits)
        return losses[..., tf.newaxis]

    def metric_ops(self, targets: Any, predictions: Predictions, weights: tf.Tensor) -> Metrics:
        return {"accuracy": metrics.accuracy(targets, predictions["class_ids"], weights)}


class BinaryClassHead(MultiClassHead):
    def __init__(
        self,
        weight_column: Any = None,
        thresholds: Sequence[float] | None = None,
        label_vocabulary: Any = None,
        loss_reduction: str = SUM,
    ):
        Head.__init__(self, 1, 1, weight_column, loss_reduction)
        self.n_classes, self.vocabulary = 2, label_vocabulary and list(label_vocabulary)
        self.thresholds = tuple(thresholds or ())

    def predictions(self, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        both = tf.concat([tf.zeros_like(logits), logits], -1)
        return {"logits": logits, "logistic": tf.sigmoid(logits), **self.class_predictions(both)}

    def outputs(self, predictions: Predictions) -> dict[str, Any]:
        return {**super().outputs(predictions), "regression": RegressionOutput(predictions["logistic"])}

    def numbers(self, labels: tf.Tensor) -> tf.Tensor:
        CHECK.require(labels.dtype != tf.string, "Labels of type string need a label_vocabulary")
        return tf.cast(labels, tf.float32)

    def losses(self, targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        return tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(targets, tf.float32), logits)

    def metric_ops(self, targets: Any, predictions: Predictions, weights: tf.Tensor) -> Metrics:
        chosen, logistic = predictions["class_ids"], predictions["logistic"]
        value, update = metrics.mean(targets, weights)
        ops = {
            "prediction/mean": metrics.mean(logistic, weights),
            "label/mean": (value, update),
            "accuracy_baseline": (tf.maximum(value, 1 - value), tf.maximum(update, 1 - update)),
            "auc": metrics.auc(targets, logistic, weights),
            "auc_precision_recall": metrics.auc(targets, logistic, weights, curve="PR"),
        }
        classes = {"": chosen}
        for threshold in self.thresholds:
            classes[f"/positive_threshold_{threshold:g}"] = tf.cast(logistic > threshold, tf.float32)
        for name in ("accuracy", "precision", "recall"):
            for suffix, predicted in classes.items():
                ops[name + suffix] = getattr(metrics, name)(targets, predicted, weights)
        return ops
