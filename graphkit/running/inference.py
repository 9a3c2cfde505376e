"""A copy of what a graph computes, for evaluations: images scaled in the graph, and no dropout that is off.

The masks of dropout take most of the time of a small network's predictions, although they keep everything
while keep_prob is 1; and TensorFlow scales images faster than NumPy, from a quarter of the bytes. The graph's
own ops cannot do without either, since the training step is made of them.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from graphkit.graph import copies, references, walk
from graphkit.nn import inputs
from graphkit.running.feeds import Source, is_default
from graphkit.running.pixels import Scaling

READS = ("ReadVariableOp", "ResourceGather", "ResourceGatherNd")  # stateful, but they change nothing


class Inference(NamedTuple):
    """What of a graph is copied; without a copy all is empty, and nothing is computed otherwise.

    Attributes:
      pixels: {name of an image placeholder: placeholder of its rows as uint8}.
      floats: {name of an image placeholder: placeholder of its rows as floats, by default the scaled pixels}.
      switches: placeholders of the dropouts that are left out, as long as these are not fed.
      copied: {name of a tensor: its copy}.
      starts: the image placeholders and the dropouts: what depends on them and has no copy is not computed.
    """

    pixels: dict[str, tf.Tensor]
    floats: dict[str, tf.Tensor]
    switches: list[tf.Tensor]
    copied: dict[str, tf.Tensor]
    starts: frozenset[tf.Operation]

    def covers(self, fetches: Iterable[tf.Tensor], constants: Mapping[tf.Tensor, Any]) -> bool:
        """Whether the copy computes the fetches with these constants."""
        names = {placeholder.name for placeholder in self.switches} | self.floats.keys()
        fed = any(p.name in names and not is_default(p, value) for p, value in constants.items())
        others = [tensor for tensor in fetches if tensor.name not in self.copied]
        return not fed and self.starts.isdisjoint(walk.ancestors(others))

    def tensors(self, fetches: Iterable[tf.Tensor]) -> list[tf.Tensor]:
        """Returns the copies of the fetches; those that the copy would not change stay."""
        return [self.copied.get(tensor.name, tensor) for tensor in fetches]

    def source(self, source: Source) -> Source:
        """Returns the source for the placeholder of the copy, which takes uint8 images as they are."""
        name = source.placeholder.name
        if name not in self.floats:
            return source
        if source.scaling is None or source.augment is not None:
            return source._replace(placeholder=self.floats[name])
        return source._replace(placeholder=self.pixels[name], scaling=None)


NONE = Inference({}, {}, [], {}, frozenset())


def make_inference(ops: Sequence[tf.Operation], scalings: Mapping[str, Scaling]) -> Inference:
    """Adds the copy to the graph.

    Args:
      ops: those of the model, without the training step, in the order in which they were made.
      scalings: {name of an image placeholder: its scaling}.
    """
    images = [op for op in ops if walk.is_fed(op) and op.outputs[0].name in scalings]
    dropouts = idle_dropouts(ops)
    if not images and not dropouts:
        return NONE
    starts = frozenset((*images, *dropouts))
    kept = copiable(ops, starts)
    masks = masks_of(dropouts, kept)
    kept = [op for op in kept if op not in masks]
    pixels, floats = {}, {}
    with tf.compat.v1.name_scope("graphkit/inference/"):
        for op in images:
            name = op.outputs[0].name
            pixels[name], floats[name] = image_inputs(op.outputs[0], scalings[name])
        wanted = [tensor.name for op in kept for tensor in op.outputs]

        def leave_out(op: tf.Operation, node: Any) -> None:
            if op in dropouts:
                node.input[0] = dropouts[op][0].name

        definition = copies.definition_of(kept, rewrite=leave_out)
        outer = {tensor.name: tensor for op in kept for tensor in op.inputs}
        outer |= {source.name: source for source, _ in dropouts.values()}
        known = set(wanted)
        given = {name: tensor for name, tensor in outer.items() if name not in known} | floats
        pasted = copies.paste(definition, given, wanted, "copy") if kept else []
    copied = floats | dict(zip(wanted, pasted, strict=True))
    switches = [switch for _, switch in dropouts.values()]
    return Inference(pixels, floats, switches, copied, starts)


def image_inputs(placeholder: tf.Tensor, scaling: Scaling) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns placeholders for rows of images: as uint8, and as floats, which follow from the former."""
    v1 = tf.compat.v1
    pixels = v1.placeholder(tf.uint8, placeholder.shape, name="pixels")
    scaled = scaling.emit(pixels, placeholder.dtype)
    return pixels, v1.placeholder_with_default(scaled, placeholder.shape, name="images")


def idle_dropouts(ops: Sequence[tf.Operation]) -> dict[tf.Operation, tuple[tf.Tensor, tf.Tensor]]:
    """Returns {op of a dropout's outputs: (inputs, placeholder)} of those that are off unless it is fed."""
    tensors = {tensor.name: tensor for op in ops for tensor in op.outputs}
    found: dict[tf.Operation, tuple[tf.Tensor, tf.Tensor]] = {}
    for text in ops[0].graph.get_collection(inputs.DROPOUTS) if ops else ():
        source, keep_prob, result = map(tensors.get, json.loads(text))
        if source is None or keep_prob is None or result is None or result.op.type != "EnsureShape":
            continue
        placeholder = switch_of(keep_prob)
        if placeholder is not None:
            found[result.op] = source, placeholder
    return found


def switch_of(keep_prob: tf.Tensor) -> tf.Tensor | None:
    """Returns the placeholder by whose default a dropout is off: of keep_prob, or of a flag of training."""
    keep_prob = walk.origin(keep_prob)
    if keep_prob.op.type == "SelectV2":  # tf.where(flag, keep_prob, 1.0)
        flag, _, otherwise = keep_prob.op.inputs
        flag = walk.origin(flag)
        is_off = np.array_equal(tf.get_static_value(otherwise), 1) and is_default(flag, False)
        return flag if is_off else None
    return keep_prob if is_default(keep_prob, np.float32(1)) else None


def copiable(ops: Sequence[tf.Operation], starts: Collection[tf.Operation]) -> list[tf.Operation]:
    """Returns those of the ops that depend on the starts and that can be copied with what they depend on."""
    inside = walk.inside_control_flow(ops)
    kept: dict[tf.Operation, bool] = {}  # {op that depends on the starts: whether it can be copied}
    for op in walk.running_order(ops):
        if op in starts and walk.is_fed(op):
            kept[op] = True
            continue
        behind = [kept[tensor.op] for tensor in op.inputs if tensor.op in kept]
        if behind or op in starts:
            kept[op] = (
                all(behind)
                and op not in inside
                and op.type not in walk.PLACEHOLDERS
                and (not op.op_def.is_stateful or op.type in READS)
                # A copy would not wait for what is not copied, such as a check of its inputs.
                and all(kept.get(first, False) for first in op.control_inputs)
                and not any(references.is_reference(tensor) for tensor in (*op.inputs, *op.outputs))
            )
    return [op for op, can_be_copied in kept.items() if can_be_copied and not walk.is_fed(op)]


def masks_of(
    dropouts: Mapping[tf.Operation, tuple[tf.Tensor, tf.Tensor]], ops: Sequence[tf.Operation]
) -> set[tf.Operation]:
    """Returns those of the ops that only the dropouts need, which are left out."""
    consumers = walk.consumers(ops)
    for result, (source, _) in dropouts.items():
        consumers.setdefault(source.op, []).append(result)
    found: set[tf.Operation] = set()
    for op in reversed(ops):
        after = consumers.get(op, [])
        if after and all(c in found or (c in dropouts and op is c.inputs[0].op) for c in after):
            found.add(op)
    return found
