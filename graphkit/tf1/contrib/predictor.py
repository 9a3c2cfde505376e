"""`tf.contrib.predictor`: a model in a session, as a function of arrays."""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit.tf1 import overlay
from graphkit.tf1.estimator import estimator as estimators
from graphkit.tf1.estimator import export
from graphkit.tf1.estimator.specs import ModeKeys

__all__ = ["from_estimator", "from_saved_model"]

v1 = tf.compat.v1
DEFAULT = "serving_default"


class Predictor:
    """A function of {name of an input: array}, which returns {name of an output: array}.

    Attributes:
      graph, session: of the model.
      feed_tensors, fetch_tensors: {name: tensor}.
    """

    def __init__(self, running: tf.compat.v1.Session, signature: Any) -> None:
        self.session, self.graph = running, running.graph
        self.feed_tensors = tensors_of(self.graph, signature.inputs)
        self.fetch_tensors = tensors_of(self.graph, signature.outputs)

    def __call__(self, input_dict: Mapping[str, Any]) -> dict[str, np.ndarray]:
        known = sorted(self.feed_tensors)
        unexpected = sorted(set(input_dict) - set(known))
        if unexpected:
            raise ValueError(f"Got unexpected keys in input_dict: {unexpected}\nexpected: {known}")
        feed = {self.feed_tensors[name]: value for name, value in input_dict.items() if value is not None}
        return self.session.run(self.fetch_tensors, feed)


def tensors_of(graph: tf.Graph, infos: Mapping[str, Any]) -> dict[str, Any]:
    with graph.as_default():
        return {name: v1.saved_model.get_tensor_from_tensor_info(info) for name, info in infos.items()}


def from_saved_model(
    export_dir: str | bytes,
    signature_def_key: str | None = None,
    signature_def: Any = None,
    input_names: Mapping[str, str] | None = None,
    output_names: Mapping[str, str] | None = None,
    tags: str | Iterable[str] | None = None,
    graph: tf.Graph | None = None,
    config: Any = None,
) -> Predictor:
    """Returns a SavedModel as a function, by one of its signatures or by {name: name of a tensor}."""
    given = (bool(signature_def_key), bool(signature_def), bool(input_names and output_names))
    if sum(given) > 1:
        raise ValueError("You must specify at most one of signature_def_key, signature_def or the names.")
    tags = (tags or "serve").split(",") if isinstance(tags, str | None) else tags
    graph = graph or tf.Graph()
    with graph.as_default():
        running = v1.Session(config=config)
        loaded = v1.saved_model.load(running, list(tags), os.fsdecode(export_dir))
        if input_names and output_names:
            both = [
                {name: graph.get_tensor_by_name(text) for name, text in names.items()}
                for names in (input_names, output_names)
            ]
            signature_def = v1.saved_model.predict_signature_def(*both)
    if signature_def is None:
        signature_def = chosen(loaded.signature_def, signature_def_key)
    return Predictor(running, signature_def)


def chosen(signatures: Mapping[str, Any], key: str | None) -> Any:
    if (key or DEFAULT) not in signatures:
        known = "\n".join(sorted(signatures))
        raise ValueError(f"Got signature_def_key {key or DEFAULT!r}. Available signatures are:\n{known}")
    return signatures[key or DEFAULT]


def from_estimator(
    estimator: Any,
    serving_input_receiver_fn: Callable[[], Any],
    output_key: str | None = None,
    graph: tf.Graph | None = None,
    config: Any = None,
) -> Predictor:
    """Returns an estimator's newest checkpoint as a function, without a SavedModel."""
    path = estimator.latest_checkpoint()
    if path is None:
        raise ValueError(f"Could not find trained model in {estimator.model_dir}.")
    with (graph or tf.Graph()).as_default():
        v1.train.get_or_create_global_step()
        receiver = serving_input_receiver_fn()
        spec = estimator.model_fn(receiver.features, None, ModeKeys.PREDICT, estimator.config)
        signature = chosen(export.signature_defs(receiver, spec.export_outputs), output_key)
        creator = v1.train.ChiefSessionCreator(
            estimators.initializing(spec.scaffold), config=config, checkpoint_filename_with_path=path
        )
        return Predictor(creator.create_session(), signature)


__getattr__, __dir__ = overlay.over(__name__)
