"""`tf.estimator.export`: what a served model takes and returns."""

from collections import namedtuple
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

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
        outputs = dict(outputs) if isinstance(outputs, Mapping) else {"output": outputs}
        for key, value in outputs.items():
            if not isinstance(key, str):
                raise ValueError(f"Prediction output key must be a string; got {key}.")
            if not isinstance(value, tf.Tensor):
                raise ValueError(f"Prediction output value must be a Tensor; got {value}.")
        self.outputs = outputs

    def as_signature_def(self, receiver_tensors: Mapping[str, tf.Tensor]) -> Any:
        return signatures.predict_signature_def(receiver_tensors, self.outputs)


class ClassificationOutput(ExportOutput):
    def __init__(self, scores: Any = None, classes: Any = None) -> None:
        if scores is not None and not (isinstance(scores, tf.Tensor) and scores.dtype.is_floating):
            raise ValueError(f"Classification scores must be a float32 Tensor; got {scores}")
        if classes is not None and not (isinstance(classes, tf.Tensor) and classes.dtype == tf.string):
            raise ValueError(f"Classification classes must be a string Tensor; got {classes}")
        if scores is None and classes is None:
            raise ValueError("At least one of scores and classes must be set.")
        self.scores, self.classes = scores, classes

    def as_signature_def(self, receiver_tensors: Mapping[str, tf.Tensor]) -> Any:
        examples = only_examples(receiver_tensors, "Classification")
        return signatures.classification_signature_def(examples, self.classes, self.scores)


class RegressionOutput(ExportOutput):
    def __init__(self, value: Any) -> None:
        if not (isinstance(value, tf.Tensor) and value.dtype.is_floating):
            raise ValueError(f"Regression output value must be a float32 Tensor; got {value}")
        self.value = value

    def as_signature_def(self, receiver_tensors: Mapping[str, tf.Tensor]) -> Any:
        return signatures.regression_signature_def(only_examples(receiver_tensors, "Regression"), self.value)


def only_examples(tensors: Mapping[str, tf.Tensor], kind: str) -> tf.Tensor:
    """Returns the one string tensor that such a signature takes."""
    if len(tensors) != 1 or next(iter(tensors.values())).dtype != tf.string:
        raise ValueError(f"{kind} input must be a single string Tensor; got {dict(tensors)}")
    return next(iter(tensors.values()))


Receiver = namedtuple("Receiver", "features receiver_tensors receiver_tensors_alternatives")


class TensorServingInputReceiver(Receiver):
    """Features for the model function, as they are, and what is fed to the served model."""

    __slots__ = ()

    def __new__(cls, features: Any, receiver_tensors: Any, receiver_tensors_alternatives: Any = None) -> Any:
        tensors, others = named(receiver_tensors, "receiver_tensor", "input"), receiver_tensors_alternatives
        if others is not None and not isinstance(others, Mapping):
            raise ValueError(f"receiver_tensors_alternatives must be a dict: {others}.")
        others = others and {key: named(one, "receiver_tensor", "input") for key, one in others.items()}
        return super().__new__(cls, features, tensors, others)


class ServingInputReceiver(TensorServingInputReceiver):
    """The same with a dict of features, into which a single tensor is put, too."""

    __slots__ = ()

    def __new__(cls, features: Any, receiver_tensors: Any, receiver_tensors_alternatives: Any = None) -> Any:
        features = named(features, "feature", "feature")
        return super().__new__(cls, features, receiver_tensors, receiver_tensors_alternatives)


def named(tensors: Any, what: str, default: str) -> dict[str, Any]:
    if tensors is None:
        raise ValueError(f"{what}s must be defined.")
    tensors = dict(tensors) if isinstance(tensors, Mapping) else {default: tensors}
    for name, tensor in tensors.items():
        if not isinstance(name, str):
            raise ValueError(f"{what} keys must be strings: {name}.")
        if not isinstance(tensor, (tf.Tensor, tf.SparseTensor)):
            raise ValueError(f"{what} {name} must be a Tensor or SparseTensor.")
    return tensors


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
    like = {key: (tensor.dtype, tensor.shape[1:], tensor.op.name) for key, tensor in features.items()}

    def serving_input_receiver_fn() -> ServingInputReceiver:
        batch = tf.TensorShape([default_batch_size])
        made = {
            key: tf.compat.v1.placeholder(dtype, batch.concatenate(shape), name)
            for key, (dtype, shape, name) in like.items()
        }
        return ServingInputReceiver(made, made)

    return serving_input_receiver_fn


def signature_defs(receiver: Any, outputs: Mapping[str, ExportOutput]) -> dict[str, Any]:
    """Returns the signatures of all outputs that can be served from what the receiver takes."""
    inputs = {"": receiver.receiver_tensors}
    inputs |= {
        f"{name}:": tensors for name, tensors in (receiver.receiver_tensors_alternatives or {}).items()
    }
    made = {}
    for prefix, tensors in inputs.items():
        for name, output in outputs.items():
            try:
                made[prefix + name] = output.as_signature_def(tensors)
            except ValueError as error:
                tf.compat.v1.logging.info("signature %s is left out: %s", prefix + name, error)
    return {name: made[name] for name in made if signatures.is_valid_signature(made[name])}


__getattr__, __dir__ = overlay.over(__name__)
