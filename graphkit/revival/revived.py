"""A model that is alive again: its graph, cut where one likes, with a new head."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from graphkit import checks
from graphkit.graph import walk
from graphkit.nn import dense, pooling
from graphkit.revival import ends, source
from graphkit.revival.source import Source

ROWS = 12  # that a report shows of a group


class Story(NamedTuple):
    """What was done with a file; each is {name: why} or a list of names.

    Attributes:
      kind: of the file, in words.
      path: of it.
      roles: of what became a variable.
      stayed: arrays of floats that stayed constants.
      folded: ops where a batch norm has been folded into the layer before.
      dropouts: ops of dropout that was removed.
      gradients: ops whose own gradient the file does not hold.
      reshapes: ops that were opened with the batch.
      inputs: tensors in whose place are placeholders.
    """

    kind: str
    path: str
    roles: Mapping[str, str]
    stayed: Mapping[str, str]
    folded: Sequence[str]
    dropouts: Sequence[str]
    gradients: Sequence[str]
    reshapes: Sequence[str]
    inputs: Sequence[str]


class Revived:
    """A model of a file in a graph of its own, with variables that start from the file's values.

    `gk.revive` makes it. Build a loss in `with model.graph.as_default():`, and give it to a `gk.Trainer`.

    Args:
      origin: the model as it was imported.
      wanted: {name: tensor of the source} of the outputs.
      story: what was done with the file.

    Attributes:
      graph: the `tf.Graph`.
      inputs: {name: placeholder}, also those with a default, such as is_training.
      outputs: {name: tensor}.
      variables: {name: variable}.
      closed: {end of a loop of TensorFlow 1 that no gradient passes: why}; what is before is not trained.
    """

    def __init__(self, origin: Source, wanted: Mapping[str, tf.Tensor], story: Story) -> None:
        self.source, self.story = origin, story
        made = source.make(checks.Checker("revive"), origin, wanted)
        self.graph, self.variables = made.graph, made.variables
        self.inputs, self.outputs, self.closed = made.inputs, made.outputs, made.closed

    @property
    def output(self) -> tf.Tensor:
        """The only output.

        Raises:
          ValueError: there are several.
        """
        return self.only(checks.Checker("output"))

    def only(self, check: checks.Checker) -> tf.Tensor:
        rule = "the model has several outputs; choose one by cut(name)"
        check.require(len(self.outputs) == 1, rule, outputs=list(self.outputs))
        return next(iter(self.outputs.values()))

    def tensor(self, name: str) -> tf.Tensor:
        """Returns a tensor of the graph by the name of its op, or of itself ("split:1")."""
        return find(checks.Checker("tensor"), self.graph, name)

    def cut(self, name: str) -> "Revived":
        """Returns the model up to a tensor, in a graph of its own; what comes after it is dropped.

        Args:
          name: of an op of the model ("pool5"), or of one of its tensors ("split:1").

        Raises:
          ValueError: there is no such tensor (near names are listed), or it depends on no input.
        """
        check = checks.Checker("cut")
        find(check, self.graph, name)
        tensor = find_output(check, self.source, name)
        return Revived(self.source, {name.removesuffix(":0"): tensor}, self.story)

    def head(self, num_classes: int, *, pool: str = "mean", name: str = "head") -> tf.Tensor:
        """Puts new logits on the only output: a global mean over positions, then one dense layer.

        Outputs (batch, features) are taken as they are. Of (batch, time, features), of images and of volumes,
        the mean over all positions is taken; channels are first where the nearest layer says so ("NCHW").

        Args:
          num_classes: number of logits.
          pool: "mean", or "flatten", which gives each position weights of its own.
          name: of the layer.

        Returns:
          Logits (batch, num_classes), in the model's graph.

        Variables:
          `<name>/kernel`, `<name>/bias`.

        Raises:
          TypeError: the output is not floating-point.
          ValueError: several outputs, an output of unknown size, an unknown pool, or a name that is taken.
        """
        check = checks.Checker("head")
        features = self.only(check)
        num_classes = check.integer("num_classes", num_classes)
        pool = check.choice("pool", pool, ("mean", "flatten"))
        check.require_type(isinstance(name, str), "name must be a string", name=name)
        taken = any(op.name == name or op.name.startswith(f"{name}/") for op in self.graph.get_operations())
        check.require(not taken, "name must be one that the graph does not have yet", name=name)
        rule = "the output must be floating-point, to be followed by a layer"
        check.require_type(features.dtype.is_floating, rule, output=features.name, dtype=features.dtype.name)
        rank = features.shape.rank
        rule = "the output must be (batch, features), or have positions between them"
        check.require(
            rank is not None and 2 <= rank <= 5, rule, output=features.name, shape=str(features.shape)
        )
        with self.graph.as_default():
            if pool == "flatten":
                features = dense.flatten(features)
            elif rank == 4:
                first = is_channels_first(features)
                form = "channels_first" if first else "channels_last"
                features = pooling.global_avg_pool(features, form, name=f"{name}_pool")
            elif rank > 2:
                last = not is_channels_first(features)
                axes = list(range(1, rank - 1)) if last else list(range(2, rank))
                features = tf.reduce_mean(features, axes, name=f"{name}_pool")
            return dense.dense(features, num_classes, name=name)

    def role_of(self, name: str, is_trained: bool) -> str:
        words = [self.story.roles.get(name, ""), "" if is_trained else "not trained"]
        return ", ".join(filter(None, words))

    def report(self) -> str:
        """Returns what became a variable, what stayed constant, and what else was done, in lines."""
        story, trained = self.story, {v.op.name for v in self.trainable()}
        lines = [f"{self.describe()} from the {story.kind} {story.path}"]
        lines += group("inputs", [(n, text_of(t)) for n, t in self.inputs.items()])
        lines += group("outputs", [(n, text_of(t)) for n, t in self.outputs.items()])
        rows = [
            (n, f"{text_of(v)} {self.role_of(n, n in trained)}".rstrip()) for n, v in self.variables.items()
        ]
        lines += group("variables", rows)
        names = {op.name for op in self.graph.get_operations()}
        stayed = [
            (name, why) for name, why in story.stayed.items() if name.split(" ")[0] in names or " " in name
        ]
        lines += group("stayed constants", stayed)
        lines += group("batch norms folded into the layer before", of(story.folded, names))
        lines += group("dropout that was always on, removed", of(story.dropouts, names))
        lines += group("inputs in the place of tensors", of(story.inputs, names))
        lines += group("reshapes opened with the batch", of(story.reshapes, names))
        lines += group(
            "own gradients not in the file; those of the ops are taken", of(story.gradients, names)
        )
        flags = [n for n, t in self.inputs.items() if t.dtype == tf.bool]
        lines += group("flags, such as is_training", [(n, default_text(self.inputs[n])) for n in flags])
        heading = "loops of TensorFlow 1, which no gradient passes: what is before them is not trained"
        lines += group(heading, list(self.closed.items()))
        return "\n".join(lines)

    def trainable(self) -> list[tf.Variable]:
        return [variable for variable in self.variables.values() if variable.trainable]

    def describe(self) -> str:
        numbers = sum(v.shape.num_elements() or 0 for v in self.variables.values())
        count = f"{len(self.variables)} variables ({len(self.trainable())} trained, {numbers:,} numbers)"
        return f"Revived: {', '.join(self.inputs) or 'nothing'} -> {', '.join(self.outputs)}, {count}"

    def __repr__(self) -> str:
        return self.report()


def of(found: Sequence[str], names: set[str]) -> list[tuple[str, str]]:
    """Returns rows of those names that the graph has, or that are inside a function."""
    return [(name, "") for name in dict.fromkeys(found) if name in names or " " in name]


def text_of(value: Any) -> str:
    return f"{value.dtype.base_dtype.name} {value.shape}"


def default_text(tensor: tf.Tensor) -> str:
    default = walk.default_value(tensor)
    return "to be fed" if default is None else f"{default} unless fed"


def group(heading: str, rows: Sequence[tuple[str, str]]) -> list[str]:
    """Returns a heading and aligned rows, of which a long group shows the first."""
    if not rows:
        return []
    width = max(len(name) for name, _ in rows[:ROWS])
    lines = [
        f"{heading} ({len(rows)}):",
        *(f"  {name:{width}}  {text}".rstrip() for name, text in rows[:ROWS]),
    ]
    return lines if len(rows) <= ROWS else [*lines, f"  and {len(rows) - ROWS} more"]


def find(check: checks.Checker, graph: tf.Graph, name: Any) -> tf.Tensor:
    """Returns a tensor by the name of its op, or by its own."""
    check.require_type(isinstance(name, str), "name must be a string", name=name)
    op_name, _, number = name.partition(":")
    known = [op.name for op in graph.get_operations() if op.outputs]
    ends.nearest(check, op_name, known, "name must be that of an op of the model")
    outputs = graph.get_operation_by_name(op_name).outputs
    place = int(number) if number.isdecimal() else 0 if not number else len(outputs)
    check.require(place < len(outputs), f"{op_name} has {len(outputs)} outputs", name=name)
    return outputs[place]


def find_output(check: checks.Checker, origin: Source, name: Any) -> tf.Tensor:
    """Returns a tensor of the source that can be an output."""
    tensor = find(check, origin.graph, name)
    fed = (op for op in walk.ancestors([tensor]) if op.type in walk.PLACEHOLDERS)
    rule = "an output must depend on an input"
    check.require(any(op.name not in origin.stored for op in fed), rule, name=name)
    inside = walk.inside_control_flow(walk.as_made(walk.ancestors([tensor])))
    check.require(tensor.op not in inside, "an output must not be inside a branch or a loop", name=name)
    return tensor


def is_channels_first(tensor: tf.Tensor) -> bool:
    """Whether the nearest op before it that has a data format has its channels first."""
    waiting, seen = [tensor.op], {tensor.op}
    while waiting:
        op = waiting.pop(0)
        if "data_format" in op.node_def.attr:
            return op.get_attr("data_format").startswith(b"NC")
        for source_op in (t.op for t in op.inputs):
            if source_op not in seen:
                seen.add(source_op)
                waiting.append(source_op)
    return False
