"""What is added to a graph after its session was opened: predictions may be, but not in a loop."""

import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.graph import lines, walk

logger = logging.getLogger("graphkit")
RUNS = 20  # a line that has added ops before this many runs is in a loop; more than there are digits
MOST_RUNS = 50 * RUNS  # a loop over letters, channels or variables ends before, one of training does not
OPTIMIZERS = re.compile(r"(Resource)?(Sparse)?Apply")
# What a trainer takes of a graph when it is made.
TAKEN = {
    tf.compat.v1.GraphKeys.REGULARIZATION_LOSSES: "a regularization loss",
    tf.compat.v1.GraphKeys.UPDATE_OPS: "an update for each step",
}
TYPED = "<stdin>"  # Python's prompt: the lines that are typed there have one number


class Growth:
    """The ops that a graph has got since its session was opened.

    A problem is raised once, so that what was trained can still be saved, where TensorFlow allows it.

    Args:
      graph: the graph, with all that its trainer runs.

    Attributes:
      later: the ops that were added.
      refused: {one of them that would change what is trained behind the trainer's back: why it is not run}.
      runs: {line: how many runs it has added ops before}.
      taken: {collection: how many of it the trainer has taken, or a warning has named}.
      broken: why the session can run nothing more, or None.
    """

    def __init__(self, graph: tf.Graph) -> None:
        self.graph, self.version = graph, graph.version
        self.earlier = {op: ends(op) for op in graph.get_operations()}
        self.later: dict[tf.Operation, None] = {}
        self.refused: dict[tf.Operation, str] = {}
        self.runs: Counter[str] = Counter()
        self.taken = {name: len(graph.get_collection(name)) for name in TAKEN}
        self.broken: str | None = None

    def check(self, fetches: Any) -> None:
        """Raises `RuntimeError` if the graph has grown in a way that a run of the fetches must not meet."""
        if self.graph.version != self.version:  # 0.3 us
            self.take()
        if self.broken is not None:
            raise RuntimeError(message(self.broken))
        if self.refused:
            found = [op for op in self.needed(fetches) if op in self.refused]
            if found:
                raise RuntimeError(message(self.refused[found[0]], op=found[0].name))

    def take(self) -> None:
        """Takes the ops that were added since the last run."""
        self.version = self.graph.version
        made = self.graph.get_operations()[len(self.earlier) + len(self.later) :]
        self.later |= dict.fromkeys(made)
        self.refused |= {op: why for op in made if (why := self.why_refused(op)) is not None}
        line = line_of(made[-1]) if made else lines.UNKNOWN
        self.name_late()
        changed = [op for op, before in self.earlier.items() if ends(op) != before]
        if changed:
            # Such as a gradient, for which a branch or a loop of functions gets more outputs.
            rule = (
                f"{line} changes {changed[0].name} ({line_of(changed[0])}), which the session has taken as "
                "it was; build this before the Trainer"
            )
            if any(ends(op)[2] != self.earlier[op][2] for op in changed):
                self.broken = f"{rule}. The session can run nothing more; go on from the last checkpoint"
                return
            self.earlier |= {op: ends(op) for op in changed}
            raise RuntimeError(message(rule))
        # Groups alone, as of tf.compat.v1.local_variables_initializer() in each epoch, compute nothing.
        if line != lines.UNKNOWN and not line.startswith(TYPED) and any(op.type != "NoOp" for op in made):
            self.runs[line] += 1
            self.check_loop(line, made)

    def name_late(self) -> None:
        """Warns of what a training step would have, had it been made before the trainer."""
        for name, noun in TAKEN.items():
            late = self.graph.get_collection(name)[self.taken[name] :]
            self.taken[name] += len(late)
            ops = [op for item in late if isinstance(op := getattr(item, "op", item), tf.Operation)]
            if ops:
                made = f"{line_of(ops[0])} makes {noun}, {ops[0].name}, after the Trainer"
                logger.warning("%s, whose steps do not have it: make it before the Trainer", made)

    def check_loop(self, line: str, made: list[tf.Operation]) -> None:
        """Says when a line has added ops before many runs, and raises `RuntimeError` if it goes on."""
        if self.runs[line] != RUNS and self.runs[line] < MOST_RUNS:
            return
        todo = (
            "give values by variable.load(value, trainer.session), which adds nothing"
            if any(op.type.startswith("Assign") for op in made) and made[-1].type != "NoOp"
            else "build the tensor once, before the loop, and use it there, such as: "
            "probabilities = tf.nn.softmax(logits)"
        )
        rule = (
            f"{line} adds ops to the graph again and again ({self.runs[line]} times until now), which "
            f"makes each run slower than the one before; {todo}"
        )
        if self.runs[line] >= MOST_RUNS:
            raise RuntimeError(message(rule, op=made[-1].name))
        logger.warning("%s; after %d times it is refused", rule, MOST_RUNS)

    def why_refused(self, op: tf.Operation) -> str | None:
        """Returns why a later op is not run: it trains, or it gives all variables their initial values."""
        if OPTIMIZERS.match(op.type):
            return (
                f"{line_of(op)} makes an optimizer's update after the Trainer, which counts no such step and "
                "saves none of its variables; give it to the Trainer: gk.Trainer(loss, optimizer), "
                "or for several losses gk.Trainer({name: (loss, variables, optimizer)})"
            )
        if op.type == "NoOp" and op.control_inputs:
            variables = self.graph.get_collection(tf.compat.v1.GraphKeys.TRAINABLE_VARIABLES)
            first = {variable.initializer for variable in variables} & self.earlier.keys()
            # A part of them, such as a layer that is to learn anew, is named on purpose.
            if first and first.issubset(op.control_inputs):
                return (
                    f"{line_of(op)} initializes variables again, and what was trained would be lost; the "
                    "Trainer has given all their initial values, which follow from its seed: leave this out"
                )
        return None

    def explain(self, fetches: Any) -> None:
        """Raises `RuntimeError` if what has no value in a run was made after the trainer."""
        needed = self.needed(fetches)
        found = [op for op in needed if op.type in walk.VARIABLES or "HashTable" in op.type]
        if found:
            rule = (
                f"{found[0].name} ({line_of(found[0])}) was made after the Trainer, which has given all "
                "variables their values, so it has none; make it before the Trainer, or run its initializer "
                "in trainer.session"
            )
            raise RuntimeError(message(rule)) from None

    def needed(self, fetches: Any) -> set[tf.Operation]:
        """Returns the later ops that a run of the fetches needs."""
        given = map(self.graph.as_graph_element, flat(fetches))
        ops = [getattr(item, "op", item) for item in given]
        later = [op for op in ops if op in self.later]
        return walk.ancestors(later, lambda op: (s for s in walk.sources(op) if s in self.later))


class Session(tf.compat.v1.Session):
    """A session that looks at how its graph grows before each run."""

    def __init__(self, target: str, graph: tf.Graph, config: Any) -> None:
        super().__init__(target, graph=graph, config=config)
        self.growth = Growth(graph)

    def run(self, fetches: Any, *arguments: Any, **options: Any) -> Any:
        self.growth.check(fetches)
        try:
            return super().run(fetches, *arguments, **options)
        except tf.errors.FailedPreconditionError:
            self.growth.explain(fetches)
            raise


def ends(op: tf.Operation) -> tuple[int, int, int]:
    """Returns what TensorFlow may change of an op: a gradient adds outputs to a branch or a loop, say."""
    return len(op.inputs), len(op.control_inputs), len(op.outputs)


def flat(fetches: Any) -> Iterator[Any]:
    """Yields what a run is to fetch, out of lists and dicts."""
    if isinstance(fetches, (list, tuple, Mapping)):
        # Not by `tf.nest`, which sorts the keys of a dict: here they may be variables or ops.
        for part in fetches.values() if isinstance(fetches, Mapping) else fetches:
            yield from flat(part)
    else:
        yield from tf.nest.flatten(fetches, expand_composites=True)


def line_of(op: tf.Operation) -> str:
    return lines.user_line(op.traceback) or lines.UNKNOWN


def message(rule: str, **received: Any) -> str:
    return checks.Checker("Trainer").message(rule, **received)
