"""`tf.estimator.export`: what a served model takes and returns."""

from collections import namedtuple
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.tf1 import overlay

__all__ = [
    "ClassificationOutput",
    "ExportOutput",
    "PredictOutput",
    "RegressionOutput",
    "ServingInputReceiver",
    "TensorServingInputReceiver",
    "build_parsing_serving_input_receiver_fn",
    "build_raw_serving_input_receiver_fn",
]

signatures = tf.compat.v1.saved_model


class ExportOutput:
    """What a signature of a SavedModel returns."""

    def as_signature_def(self, receiver_tensors: Mapping[str, tf.Tensor]) -> Any:
        raise NotImplementedError


class PredictOutput(ExportOutput):
    def __init__(self, outputs: Any) -> None:
        self.outputs = named("PredictOutput", "output", outputs)

    def as_signature_def(self, receiver_tensors: Mapping[str, tf.Tensor]) -> Any:
        return signatures.predict_signature_def(receiver_tensors, self.outputs)


class ClassificationOutput(ExportOutput):
    def __init__(self, scores: Any = None, classes: Any = None) -> None:
        check = checks.Checker("ClassificationOutput")
        check.require(scores is None or is_float(scores), "scores must be a float32 Tensor", scores=scores)
        is_text = classes is None or (isinstance(classes, tf.Tensor) and classes.dtype == tf.string)
        check.require(is_text, "classes must be a string Tensor", classes=classes)
        given = scores is not None or classes is not None
        check.require(given, "At least one of scores and classes must be set.")
        self.scores, self.classes = scores, classes

    def as_signature_def(self, receiver_tensors: Mapping[str, tf.Tensor]) -> Any:
        examples = only_examples("ClassificationOutput", receiver_tensors)
        return signatures.classification_signature_def(examples, self.classes, self.scores)


class RegressionOutput(ExportOutput):
    def __init__(self, value: Any) -> None:
        check = checks.Checker("RegressionOutput")
        check.require(is_float(value), "value must be a float32 Tensor", value=value)
        self.value = value

    def as_signature_def(self, receiver_tensors: Mapping[str, tf.Tensor]) -> Any:
        examples = only_examples("RegressionOutput", receiver_tensors)
        return signatures.regression_signature_def(examples, self.value)


def is_float(tensor: Any) -> bool:
    return isinstance(tensor, tf.Tensor) and tensor.dtype.is_floating


def only_examples(function: str, tensors: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Returns the one string tensor that such a signature takes."""
    is_one = len(tensors) == 1 and next(iter(tensors.values())).dtype == tf.string
    checks.Checker(function).require(is_one, "input must be a single string Tensor", given=tensors)
    return next(iter(tensors.values()))


def named(function: str, default: str, tensors: Any) -> dict[str, Any]:
    """Returns {name: tensor}, in which a single tensor has the default name."""
    tensors, check = (
        dict(tensors) if isinstance(tensors, Mapping) else {default: tensors},
        checks.Checker(function),
    )
    for name, tensor in tensors.items():
        check.require(isinstance(name, str), "names must be strings", name=name)
        is_tensor = isinstance(tensor, (tf.Tensor, tf.SparseTensor))
        check.require(is_tensor, f"{name} must be a Tensor or SparseTensor", given=tensor)
    return tensors


Receiver = namedtuple("Receiver", "features receiver_tensors receiver_tensors_alternatives")


class TensorServingInputReceiver(Receiver):
    """Features for the model function, as they are, and what is fed to the served model."""

    __slots__ = ()

    def __new__(cls, features: Any, receiver_tensors: Any, receiver_tensors_alternatives: Any = None) -> Any:
        others = receiver_tensors_alternatives or {}
        check = checks.Checker(cls.__name__)
        check.require(
            isinstance(others, Mapping), "receiver_tensors_alternatives must be a dict", given=others
        )
        others = {key: named(cls.__name__, "input", one) for key, one in others.items()}
        return super().__new__(cls, features, named(cls.__name__, "input", receiver_tensors), others or None)


class ServingInputReceiver(TensorServingInputReceiver):
    """The same with a dict of features, into which a single tensor is put, too."""

    __slots__ = ()

    def __new__(cls, features: Any, receiver_tensors: Any, receiver_tensors_alternatives: Any = None) -> Any:
        features = named(cls.__name__, "feature", features)
        return super().__new__(cls, features, receiver_tensors, receiver_tensors_alternatives)


def build_parsing_serving_input_receiver_fn(
    feature_spec: Mapping[str, Any], default_batch_size: int | None = None
) -> Callable[[], ServingInputReceiver]:
    """Returns a function that makes a placeholder of serialized tf.Examples, and parses them."""

    def serving_input_receiver_fn() -> ServingInputReceiver:
        examples = tf.compat.v1.placeholder(tf.string, [default_batch_size], name="input_example_tensor")
        return ServingInputReceiver(tf.io.parse_example(examples, feature_spec), {"examples": examples})

    return serving_input_receiver_fn


def build_raw_serving_input_receiver_fn(
    features: Mapping[str, Any], default_batch_size: int | None = None
) -> Callable[[], ServingInputReceiver]:
    """Returns a function that makes a placeholder like each of the features."""

    def serving_input_receiver_fn() -> ServingInputReceiver:
        made = {}
        for key, tensor in features.items():
            shape = tf.TensorShape([default_batch_size]).concatenate(tensor.shape[1:])
            made[key] = tf.compat.v1.placeholder(tensor.dtype, shape, tensor.op.name)
        return ServingInputReceiver(made, made)

    return serving_input_receiver_fn


def signature_defs(receiver: Any, outputs: Mapping[str, ExportOutput]) -> dict[str, Any]:
    """Returns the signatures of all outputs that can be served from what the receiver takes."""
    inputs = {"": receiver.receiver_tensors}
    for name, tensors in (receiver.receiver_tensors_alternatives or {}).items():
        inputs[f"{name}:"] = tensors
    made = {}
    for prefix, tensors in inputs.items():
        for name, output in outputs.items():
            try:
                made[prefix + name] = output.as_signature_def(tensors)
            except ValueError as error:
                tf.compat.v1.logging.info("signature %s is left out: %s", prefix + name, error)
    return {name: made[name] for name in made if signatures.is_valid_signature(made[name])}


__getattr__, __dir__ = overlay.over(__name__)
