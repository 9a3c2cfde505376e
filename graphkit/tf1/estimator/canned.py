"""Canned estimators: linear models, deep networks, and both together, on feature columns.

Variables have the names of TF 1.15 (`dnn/hiddenlayer_0/kernel`, `linear/linear_model/<column>/weights`), and
optimizers given by name its learning rates. Summaries of activations and weights are left out. Slots of
optimizers have other names than in 1.15, where they came of partitioned variables ("t_0/Adagrad").
"""

import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from graphkit.nn import dense, dropout, normalization
from graphkit.tf1.estimator.estimator import Estimator
from graphkit.tf1.estimator.heads import SUM, BinaryClassHead, MultiClassHead, RegressionHead
from graphkit.tf1.estimator.specs import EstimatorSpec, ModeKeys

v1 = tf.compat.v1
OPTIMIZERS = {
    "Adagrad": v1.train.AdagradOptimizer,
    "Adam": v1.train.AdamOptimizer,
    "Ftrl": v1.train.FtrlOptimizer,
    "RMSProp": v1.train.RMSPropOptimizer,
    "SGD": v1.train.GradientDescentOptimizer,
}
DEFAULTS = {
    **dict.fromkeys(("model_dir", "weight_column", "label_vocabulary", "config", "warm_start_from")),
    **dict.fromkeys(("partitioner", "input_layer_partitioner", "dropout", "dnn_dropout")),
    **dict.fromkeys(("linear_feature_columns", "dnn_feature_columns", "dnn_hidden_units")),
    **dict.fromkeys(("activation_fn", "dnn_activation_fn"), tf.nn.relu),
    **dict.fromkeys(("sparse_combiner", "linear_sparse_combiner"), "sum"),
    "dnn_optimizer": "Adagrad",
    "linear_optimizer": "Ftrl",
    "batch_norm": False,
    "loss_reduction": SUM,
    "n_classes": 2,
    "label_dimension": 1,
}


def make_optimizer(given: Any, learning_rate: float) -> Any:
    """Returns an optimizer that is given by name, as an object, or as a function that makes it."""
    if isinstance(given, str):
        if given not in OPTIMIZERS:
            raise ValueError(f"Unsupported optimizer name: {given}. Supported names are: {[*OPTIMIZERS]}")
        return OPTIMIZERS[given](learning_rate)
    given = given() if callable(given) else given
    if not isinstance(given, v1.train.Optimizer):
        raise ValueError(f"The given object is not an Optimizer instance. Given: {given}")
    return given


def dnn_logit_fn_builder(
    units: int,
    hidden_units: Any,
    feature_columns: Any,
    activation_fn: Any,
    dropout: float | None,
    input_layer_partitioner: Any = None,
    batch_norm: bool = False,
) -> Callable[..., tf.Tensor]:
    """Returns the function (features, mode) -> logits of a deep network."""
    rate = dropout

    def dnn_logit_fn(features: Any, mode: str) -> tf.Tensor:
        training = mode == ModeKeys.TRAIN
        with v1.variable_scope("input_from_feature_columns", partitioner=input_layer_partitioner):
            net = v1.feature_column.input_layer(features, feature_columns)
        for number, width in enumerate(hidden_units):
            with v1.variable_scope(f"hiddenlayer_{number}") as scope:
                pass
            net = dense.dense(net, width, activation_fn, name=scope)
            if rate is not None and training:
                net = drop(net, 1 - rate)
            if batch_norm:
                with v1.variable_scope(scope, auxiliary_name_scope=False):
                    name = f"batchnorm_{number}"
                    net = normalization.batch_norm(net, momentum=0.999, training=training, name=name)
        return dense.dense(net, units, name="logits")

    return dnn_logit_fn


drop = dropout.dropout


def linear_logit_fn_builder(
    units: int, feature_columns: Any, sparse_combiner: str = "sum"
) -> Callable[..., tf.Tensor]:
    """Returns the function features -> logits of a linear model."""

    def linear_logit_fn(features: Any) -> tf.Tensor:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*add_variable")  # TensorFlow's own call
            return v1.feature_column.linear_model(features, feature_columns, units, sparse_combiner)

    return linear_logit_fn


class Canned(Estimator):
    """Base of all: a head on the sum of some parts' logits.

    `arguments` names those of TF 1.15's constructor, in its order.
    """

    arguments = ""
    own_optimizer = "Ftrl"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        bound = type(self).__signature__.bind(*args, **kwargs)
        bound.apply_defaults()
        self.given = given = bound.arguments
        self.head = given["head"] if "head" in given else make_head(given)
        parts = self.parts(given)

        def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
            if not isinstance(features, Mapping):
                raise ValueError(
                    f"features should be a dictionary of `Tensor`s. Given type: {type(features)}"
                )
            logits, trained = [], []
            for scope, partitioner, make_logits, optimizer, rate in parts:
                with v1.variable_scope(scope, partitioner=partitioner) as entered:
                    logits.append(make_logits(features, mode))
                trained.append((make_optimizer(optimizer, rate), f"{entered.name}/"))

            def train_op_fn(loss: tf.Tensor) -> tf.Operation:
                steps = [one.minimize(loss, var_list=v1.trainable_variables(scope)) for one, scope in trained]
                with tf.control_dependencies(steps):
                    return v1.assign_add(v1.train.get_global_step(), 1).op

            total = tf.add_n(logits)
            return self.head.create_estimator_spec(features, mode, total, labels, train_op_fn=train_op_fn)

        warm = given.get("warm_start_from")
        super().__init__(model_fn, given["model_dir"], given["config"], warm_start_from=warm)

    def __init_subclass__(cls) -> None:
        kind, default = inspect.Parameter.POSITIONAL_OR_KEYWORD, {**DEFAULTS, "optimizer": cls.own_optimizer}
        parameters = [
            inspect.Parameter(name, kind, default=default.get(name, inspect.Parameter.empty))
            for name in cls.arguments.split()
        ]
        cls.__signature__ = inspect.Signature(parameters)

    __signature__: Any = None

    def parts(self, given: Mapping[str, Any]) -> list[tuple]:
        """Returns (scope, partitioner, function of features and mode, optimizer, its rate if by name)."""
        raise NotImplementedError


def make_head(given: Mapping[str, Any]) -> Any:
    weights, reduction = given["weight_column"], given["loss_reduction"]
    if "label_dimension" in given:
        return RegressionHead(weights, given["label_dimension"], reduction)
    vocabulary, count = given["label_vocabulary"], given["n_classes"]
    if count == 2:
        return BinaryClassHead(weights, None, vocabulary, reduction)
    return MultiClassHead(count, weights, vocabulary, reduction)


class LinearEstimator(Canned):
    arguments = "head feature_columns model_dir optimizer config partitioner sparse_combiner"

    def parts(self, given: Mapping[str, Any]) -> list[tuple]:
        columns, optimizer = given["feature_columns"], given["optimizer"]
        make = linear_logit_fn_builder(self.head.logits_dimension, columns, given["sparse_combiner"])
        rate = 0.2 if optimizer else min(0.2, len(columns) ** -0.5)
        return [
            ("linear", given["partitioner"], lambda features, _: make(features), optimizer or "Ftrl", rate)
        ]


class LinearClassifier(LinearEstimator):
    arguments = (
        "feature_columns model_dir n_classes weight_column label_vocabulary optimizer config partitioner "
        "warm_start_from loss_reduction sparse_combiner"
    )


class LinearRegressor(LinearEstimator):
    arguments = (
        "feature_columns model_dir label_dimension weight_column optimizer config partitioner "
        "warm_start_from loss_reduction sparse_combiner"
    )


class DNNEstimator(Canned):
    arguments = (
        "head hidden_units feature_columns model_dir optimizer activation_fn dropout "
        "input_layer_partitioner config warm_start_from batch_norm"
    )
    own_optimizer = "Adagrad"

    def parts(self, given: Mapping[str, Any]) -> list[tuple]:
        names = "hidden_units feature_columns activation_fn dropout input_layer_partitioner batch_norm"
        make = dnn_logit_fn_builder(self.head.logits_dimension, *(given[name] for name in names.split()))
        return [("dnn", None, make, given["optimizer"], 0.05)]


class DNNClassifier(DNNEstimator):
    arguments = (
        "hidden_units feature_columns model_dir n_classes weight_column label_vocabulary optimizer "
        "activation_fn dropout input_layer_partitioner config warm_start_from loss_reduction batch_norm"
    )


class DNNRegressor(DNNEstimator):
    arguments = (
        "hidden_units feature_columns model_dir label_dimension weight_column optimizer activation_fn "
        "dropout input_layer_partitioner config warm_start_from loss_reduction batch_norm"
    )


class DNNLinearCombinedEstimator(Canned):
    arguments = (
        "head model_dir linear_feature_columns linear_optimizer dnn_feature_columns dnn_optimizer "
        "dnn_hidden_units dnn_activation_fn dnn_dropout input_layer_partitioner config "
        "linear_sparse_combiner batch_norm"
    )

    def parts(self, given: Mapping[str, Any]) -> list[tuple]:
        linear, deep = list(given["linear_feature_columns"] or ()), list(given["dnn_feature_columns"] or ())
        if not linear and not deep:
            raise ValueError("Either linear_feature_columns or dnn_feature_columns must be defined.")
        if deep and not given["dnn_hidden_units"]:
            raise ValueError("dnn_hidden_units must be defined when dnn_feature_columns is specified.")
        units, partitioner = self.head.logits_dimension, given["input_layer_partitioner"]
        parts = []
        if deep:
            network = (given["dnn_hidden_units"], deep, given["dnn_activation_fn"], given["dnn_dropout"])
            make = dnn_logit_fn_builder(units, *network, partitioner, given["batch_norm"])
            parts.append(("dnn", None, make, given["dnn_optimizer"], 0.001))
        if linear:
            add = linear_logit_fn_builder(units, linear, given["linear_sparse_combiner"])
            rate = min(0.005, len(linear) ** -0.5)
            optimizer = given["linear_optimizer"]
            parts.append(("linear", partitioner, lambda features, _: add(features), optimizer, rate))
        return parts


class DNNLinearCombinedClassifier(DNNLinearCombinedEstimator):
    arguments = (
        "model_dir linear_feature_columns linear_optimizer dnn_feature_columns dnn_optimizer "
        "dnn_hidden_units dnn_activation_fn dnn_dropout n_classes weight_column label_vocabulary "
        "input_layer_partitioner config warm_start_from loss_reduction batch_norm linear_sparse_combiner"
    )


class DNNLinearCombinedRegressor(DNNLinearCombinedEstimator):
    arguments = (
        "model_dir linear_feature_columns linear_optimizer dnn_feature_columns dnn_optimizer "
        "dnn_hidden_units dnn_activation_fn dnn_dropout label_dimension weight_column "
        "input_layer_partitioner config warm_start_from loss_reduction batch_norm linear_sparse_combiner"
    )
