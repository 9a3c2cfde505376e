"""Rules of `check_graph` on the structure of a graph: what the training reaches, and what nothing uses."""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import tensorflow as tf

from graphkit.graph import lines, walk
from graphkit.inspection.graph_view import GraphView, Problems, listed

FLOATS = {tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.complex64, tf.complex128}
CARRIERS = {*FLOATS, tf.resource, tf.variant}  # variables and lists of tensors stand for what they hold
# Ops on floats that pass no gradient on.
STOPS = (
    "StopGradient Round Rint Floor Ceil Sign FloorDiv ZerosLike OnesLike OneHot LinSpace Range Unique "
    "UniqueV2 PyFunc PyFuncStateless Assign AssignAdd AssignSub"
).split()
WRITES = re.compile(r"Assign|(Resource)?(Sparse)?Apply|(Resource)?Scatter(?!Nd$)")
# Marks of an op, by what it depends on: variables that the loss trains; something that the loss computes of
# examples; variables to train that the loss does not depend on.
TRAINED, COMPUTED, APART = 1, 2, 4
REPEATED = 20  # this many idle ops of one kind are taken for those of a training loop


def no_gradient(view: GraphView) -> Problems:
    """Finds trained variables that the loss does not depend on, or only through what stops gradients."""
    reached = gradient_ops(view.loss)
    updated = {
        source for op in view.run_ops - view.loss_ops if WRITES.match(op.type) for source in walk.sources(op)
    }
    stopped: dict[tf.Operation, list[tf.Operation]] = {}
    apart = []
    for op in view.trained:
        if op in reached or op in updated:
            continue
        stop = first_stop(view, op) if op in view.loss_ops else None
        if stop is None:
            apart.append(op)
        else:
            stopped.setdefault(stop, []).append(op)
    for stop, ops in stopped.items():
        text = f"the loss depends on {listed(ops)} only through {view.named(stop)}, which stops the gradient"
        yield ops[0], f"{text}; compute the loss without it, or make the variable with trainable=False"
    for ops in view.by_line(apart):
        text = f"the loss does not depend on {listed(ops)}, so no step trains it"
        yield ops[0], f"{text}; connect it to the loss, or delete it or make it with trainable=False"


def gradient_ops(loss: tf.Tensor) -> set[tf.Operation]:
    """Returns the ops that get a gradient from the loss."""
    waiting, reached = [loss.op], {loss.op}
    while waiting:
        op = waiting.pop()
        if stops_gradient(op):
            continue
        for tensor in op.inputs:
            source = tensor.op
            if source not in reached and tensor.dtype.base_dtype in CARRIERS:
                reached.add(source)
                waiting.append(source)
    return reached


def stops_gradient(op: tf.Operation) -> bool:
    """True if an op passes no gradient on, unless `Graph.gradient_override_map` gave it another gradient."""
    return op.type in STOPS and "_gradient_op_type" not in op.node_def.attr


def first_stop(view: GraphView, variable: tf.Operation) -> tf.Operation | None:
    """Returns the first op after a variable that passes no gradient on.

    None if there is no such op: then the loss waits for the variable, but takes none of its values.
    """
    waiting, seen = [variable], {variable}
    for op in waiting:
        for user in view.consumers.get(op, ()):
            takes = any(tensor.op is op for tensor in user.inputs)  # or it only waits for the op
            if not takes or user not in view.loss_ops or user in seen:
                continue
            if stops_gradient(user) or not any(t.dtype.base_dtype in CARRIERS for t in user.outputs):
                return user
            seen.add(user)
            waiting.append(user)
    return None


def unreached_collections(view: GraphView) -> Problems:
    """Finds regularization losses and update ops that no training step runs, or that change nothing."""
    return missing_from_step(view) if view.own_training else apart_from_loss(view)


def missing_from_step(view: GraphView) -> Problems:
    """Finds regularization losses and update ops that the user's own training step leaves out."""
    missing = [term for term in view.terms if not is_held(view, term)]
    if missing:
        yield (
            missing[0],
            f"the loss leaves out {listed(missing)} of REGULARIZATION_LOSSES, which has no effect; "
            "add tf.compat.v1.losses.get_regularization_loss() to the loss",
        )
    missing = [op for op in view.updates if op not in view.run_ops]
    if missing:
        yield (
            missing[0],
            f"the training op does not run {listed(missing)} of UPDATE_OPS, so moving averages keep their "
            "initial values; make it under "
            "tf.control_dependencies(tf.compat.v1.get_collection('update_ops'))",
        )


def is_held(view: GraphView, term: tf.Operation) -> bool:
    """True if the training computes a regularization loss, or a copy of it."""
    alike = (op for op in view.penalties(term.type) if op in view.run_ops)
    return term in view.run_ops or any(walk.same_computation(term, op) for op in alike)


def apart_from_loss(view: GraphView) -> Problems:
    """Finds regularization losses and update ops of parts of the graph that the loss does not depend on."""
    marks = marks_of(view) if view.terms or view.updates else {}
    for ops in view.by_line(term for term in view.terms if not marks[term] & TRAINED):
        yield (
            ops[0],
            f"the regularization loss {listed(ops)} depends on no trainable variable that the loss depends "
            "on; delete its layer, or connect that to the loss",
        )
    for ops in view.by_line(op for op in view.updates if is_apart(view, op, marks[op])):
        yield (
            ops[0],
            f"{listed(ops)} of UPDATE_OPS belongs to a part of the graph that the loss does not depend on; "
            "delete that part, or connect it to the loss",
        )


def marks_of(view: GraphView) -> dict[tf.Operation, int]:
    """Returns {op: marks}: what each op depends on: parts of the loss, or variables apart from it."""
    marks: dict[tf.Operation, int] = {}
    for op in view.ops:
        if op in view.loss_ops:
            computed = op in view.examples and op.inputs
            marks[op] = (TRAINED if op in view.learned else 0) | (COMPUTED if computed else 0)
        else:
            marks[op] = APART if op in view.trained else 0
            for source in walk.sources(op):
                marks[op] |= marks.get(source, 0)  # 0 for the end of a loop that leads back
    return marks


def is_apart(view: GraphView, update: tf.Operation, mark: int) -> bool:
    """True if an update depends on examples, but on nothing that the loss computes of them."""
    written = [tensor.op for tensor in update.inputs if tensor.op.type in walk.HOLDS_STATE]
    if update not in view.examples or any(op in view.loss_ops for op in (update, *written)):
        return False
    return bool(mark & APART) or not mark & COMPUTED


def unshared_towers(view: GraphView) -> Problems:
    """Finds layers of one shape whose names differ in a number, each for its own input."""
    originals: dict[tf.Operation, tf.Operation] = {}
    for layers in towers(view).values():
        if all(alike(view, first, second) for first, second in layers):
            for first, second in layers:
                for op, copy in zip(first, second, strict=True):
                    originals.setdefault(copy, op)
    for copies in view.by_line(originals):
        original = originals[copies[0]]
        yield (
            copies[0],
            f"{listed(copies)} is like {original.name} ({view.line(original)}), for another input and with "
            "its own weights; if the two were meant to share weights, build both with one name and "
            "reuse=tf.compat.v1.AUTO_REUSE",
        )


def towers(
    view: GraphView,
) -> dict[frozenset[int], list[tuple[list[tf.Operation], list[tf.Operation]]]]:
    """Returns {two inputs: [(variables of the first, variables of the second)]}, one pair for each name.

    Names are compared without their numbers. More than three inputs for one name are not towers, but, for
    instance, the columns of a table.
    """
    groups: dict[str, dict[int, list[tf.Operation]]] = {}
    pairs: dict[frozenset[int], list[tuple[list[tf.Operation], list[tf.Operation]]]] = {}
    for op in view.trained:
        mask = input_mask(view, op)
        if mask:
            name = re.sub(r"_\d+(?=/|$)", "", op.name)
            groups.setdefault(name, {}).setdefault(mask, []).append(op)
    for parts in groups.values():
        for (one, first), (other, second) in itertools.combinations(parts.items(), 2):
            if not one & other and len(parts) <= 3:
                pairs.setdefault(frozenset((one, other)), []).append((first, second))
    return pairs


def alike(view: GraphView, first: Sequence[tf.Operation], second: Sequence[tf.Operation]) -> bool:
    """True if two lists of variables have the same shapes and dtypes, in order."""
    kinds = [
        [(view.trained[op].shape.as_list(), view.trained[op].dtype.base_dtype) for op in ops]
        for ops in (first, second)
    ]
    return kinds[0] == kinds[1]


def input_mask(view: GraphView, variable: tf.Operation) -> int:
    """Returns the inputs of examples that a variable meets where it is used, one bit each."""
    mask = 0
    for use in view.uses(variable):
        mask |= view.examples.get(use, 0)
    return mask


def ops_in_loop(view: GraphView) -> Problems:
    """Finds ops that one line made again and again from the same inputs, and that nothing uses."""
    found: dict[str, list[tf.Operation]] = {}
    for ops in idle_ops(view):
        if len(ops) < REPEATED:
            continue
        for made in view.by_line(ops):
            if view.line(made[0]) != lines.UNKNOWN and alone(view, made) >= REPEATED:
                found.setdefault(view.line(made[0]), made)
    for made in found.values():
        yield (
            made[0],
            f"this line made {len(made)} ops {made[0].type} from the same inputs, which nothing uses: a loop "
            "that adds ops to the graph gets slower and slower; make the op once, before the loop, and run "
            "it there",
        )


def idle_ops(view: GraphView) -> Iterator[list[tf.Operation]]:
    """Yields lists of the ops that nothing uses or runs, one list for each type and variable that is used.

    All ops of one call of tf.gradients, of which there are many, count as one.
    """
    idle: dict[tuple, dict[str, tf.Operation]] = {}
    for op in view.ops:
        if op not in view.consumers and op not in view.run_ops:
            variable = next((t.op for t in op.inputs if t.op.type in walk.VARIABLES), None)
            idle.setdefault((op.type, variable), {}).setdefault(round_of(op), op)
    return (list(ops.values()) for ops in idle.values())


def round_of(op: tf.Operation) -> str:
    """Returns the name of an op, or the part that all ops of one call of tf.gradients have in common."""
    found = walk.GRADIENTS.search(op.name)
    return op.name[: found.end()] if found else op.name


def alone(view: GraphView, ops: Iterable[tf.Operation]) -> int:
    """Returns how many of the ops, all made by one line, were made from the same inputs, each by itself."""
    walked: set[tf.Operation] = set()
    found: Counter[frozenset[tf.Operation]] = Counter()
    for op in ops:
        before = roots(view, op, walked)
        if before is not None:
            found[before] += 1
    return max(found.values(), default=0)


def roots(view: GraphView, op: tf.Operation, walked: set[tf.Operation]) -> frozenset[tf.Operation] | None:
    """Returns the ops, made by other lines, from which the op's line made it and all that is for it alone.

    None if it uses what the line made for the training, or for another op that was walked before: then the
    line builds a network, step by step. What is walked is added to `walked`.
    """
    waiting, own = [op], {op}
    found: set[tf.Operation] = set()
    line = view.line(op)
    while waiting:
        for source in walk.sources(waiting.pop()):
            if source.type in walk.VARIABLES or view.line(source) != line:
                found.add(source)
            elif source in view.run_ops or source in walked:
                return None
            elif source not in own:
                own.add(source)
                waiting.append(source)
    walked |= own
    return frozenset(found)


def unused_placeholder(view: GraphView) -> Problems:
    """Finds placeholders without a default whose values nothing uses."""
    for op in view.ops:
        if walk.is_fed(op) and op not in view.consumers and op not in view.run_ops:
            yield op, "nothing uses this placeholder's values; delete it, or pass it to the layer it is for"
