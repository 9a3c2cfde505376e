"""What a fit was not given: values of dropout and of training flags, which are off unless they are fed."""

import logging
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

import tensorflow as tf

from graphkit.graph import walk
from graphkit.nn import inputs
from graphkit.running import settings

logger = logging.getLogger("graphkit")
# The names of flags that say that a step trains, and not those of what is trained, as train_embeddings.
TRAINING = re.compile(r"(is|in|phase)?train(ing)?(phase|mode|flag|time|placeholder|ph|pl)?")


class Switch(NamedTuple):
    """A placeholder that has to be fed in training.

    Attributes:
      placeholder: the op, whose default is meant for evaluation.
      off: what does not happen unless it is fed.
      value: an example of a value to feed, as text.
    """

    placeholder: tf.Operation
    off: str
    value: str


def warn(trainer: Any) -> None:
    """Logs one line for each placeholder that switches training on, and that the fit does not feed."""
    fed = {placeholder.op for placeholder in trainer.examples.given}
    ops = trainer.training_step.needed_ops()
    if not trainer.workers.is_chief or not any(map(is_switch, ops)):
        return
    found = {switch.placeholder: switch for switch in switches(trainer.graph, ops)}
    for op, switch in found.items():
        if op not in fed:
            value = walk.default_value(op.outputs[0]).item()
            text = 'fit trains %s: %s is %s unless it is fed; give fit feed={"%s": %s}'
            logger.warning(text, switch.off, op.name, value, op.name, switch.value)


def switches(graph: tf.Graph, ops: Collection[tf.Operation]) -> Iterator[Switch]:
    """Yields the placeholders among the ops of a step by which training differs from evaluation."""
    no_dropout = "without dropout"
    for keep_prob in graph.get_collection(inputs.KEEP_PROBS):
        if keep_prob.op in ops and walk.default_value(keep_prob) == 1:
            yield from (Switch(op, no_dropout, "0.5") for op in defaults_of(keep_prob))
    for op in ops:
        # TensorFlow's own dropout compares random numbers with a rate, or adds them to a keep_prob.
        if op.type == "GreaterEqual" and settings.is_for_masks(op) and walk.default_value(op.inputs[1]) == 0:
            yield from (Switch(op, no_dropout, "0.5") for op in defaults_of(op.inputs[1]))
        if is_switch(op) and op.outputs[0].dtype == tf.bool and is_training_flag(op.name):
            default = walk.default_value(op.outputs[0])
            if default is not None and not default:
                yield Switch(op, "as it evaluates", "True")


def is_training_flag(name: str) -> bool:
    """Whether a placeholder's name, such as is_training or phase_train_1, says that a step trains."""
    words = re.sub(r"_\d+$", "", name.rsplit("/", 1)[-1]).lower()
    return TRAINING.fullmatch(re.sub(r"[^a-z]", "", words)) is not None


def defaults_of(tensor: tf.Tensor) -> Iterable[tf.Operation]:
    return filter(is_switch, walk.as_made(walk.ancestors([tensor])))


def is_switch(op: tf.Operation) -> bool:
    """Whether the op is a scalar placeholder with a default that is not one of graphkit's own."""
    is_default = op.type == "PlaceholderWithDefault" and op.outputs[0].shape.rank in (0, None)
    return is_default and not op.name.startswith("graphkit/")
