"""A training step that was not finite, run again by itself: what went wrong first, and a file that says so.

The ops that loss and gradients depend on are copied into a graph and a session of their own, where ops can
be added that tell for each output whether it is finite. The fit that failed and `gk.replay` do the same.
"""

import dataclasses
import json
import math
import os
import re
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf import message

from graphkit import checks
from graphkit.data import readers
from graphkit.diagnosis import causes
from graphkit.graph import walk
from graphkit.nn import scopes
from graphkit.running import session as sessions

__all__ = ["PostMortem", "replay"]

VERSION = 1  # of the file
LINE = "_graphkit_line"  # attribute of a node: "file:line" of the user who made it
FLOATS = (tf.float16, tf.bfloat16, tf.float32, tf.float64)
GRADIENT = re.compile(r"(?:^|/)gradients(?:_\d+)?/(.*)")  # the names that tf.gradients gives
BODIES = ("While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase")  # ops with ops inside
SHOWN = 8  # examples, or ops of a path, that a report lists


@dataclasses.dataclass(frozen=True)
class PostMortem:
    """What was found out about a training step that was not finite; printed, it is the report.

    Attributes:
      what: "loss", "gradient", or "variable" where loss and gradients were finite, but not the weights that
        they led to.
      step: number of steps made before.
      epoch: counted from 1.
      batch: mini-batch of the epoch, counted from 0.
      loss: of the step.
      norm: global norm of its gradients.
      learning_rate: of the step; None where the optimizer brings its own.
      indices: the examples of the mini-batch, by their place in the data.
      norms: (step, global gradient norm) of the last steps before.
      op: name of the first op with an output that is not finite from inputs that are; None where there is
        none to be found, and `reason` says why.
      op_type: of it.
      line: "file:line" that made it, or the forward op that it is a gradient of.
      forward: (name, type) of that forward op, or None.
      path: names of ops on the way from the op to the loss or gradient.
      ranges: (lowest, highest, nearest to 0) of each floating-point input of the op.
      examples: those whose rows of the op's output are not finite, where its rows are examples.
      gradients: names of the variables whose gradients are not finite.
      variables: names of the variables that were not finite before the step.
      update: step whose update made them so; -1 if they were so when the fit started.
      largest_weight: largest magnitude in the trained variables before the step.
      reason: why no op was found, or None.
      file: the replay file, or None.

    Example:
      >>> found = gk.PostMortem("loss", 7, 1, 7, float("nan"), 1.0, 0.1, (2, 5), op="Log", op_type="Log",
      ...                       line="net.py:12", ranges=((0.0, 1.0, 0.0),))
      >>> print(found)
      the loss is not finite at step 7, batch 7 of epoch 1
        first op that is not finite: Log (Log), made at net.py:12; input 0 to 1
        examples: 2, 5 (2 in all)
        gradient norm of the step: 1
        likely cause: the logarithm of 0; keep its input above 0, as by tf.maximum(x, 1e-7)
    """

    what: str
    step: int
    epoch: int
    batch: int
    loss: float = math.nan
    norm: float = math.nan
    learning_rate: float | None = None
    indices: tuple = ()
    norms: tuple = ()
    op: str | None = None
    op_type: str | None = None
    line: str | None = None
    forward: tuple | None = None
    path: tuple = ()
    ranges: tuple = ()
    examples: tuple = ()
    gradients: tuple = ()
    variables: tuple = ()
    update: int | None = None
    largest_weight: float = 0.0
    reason: str | None = None
    file: str | None = None

    @property
    def headline(self):
        """What is not finite, and where."""
        where = f"step {self.step}, batch {self.batch} of epoch {self.epoch}"
        if self.what == "variable":
            return f"a variable is not finite after {where}"
        return f"{'the loss' if self.what == 'loss' else 'a gradient'} is not finite at {where}"

    @property
    def causes(self):
        """Sentences that say what the cause may be, the likeliest first."""
        return causes.likely(self)

    def lines(self):
        """Returns the report without its first line."""
        lines = []
        if self.op is not None:
            lines.append(f"first op that is not finite: {self.op} ({self.op_type}){self.origin()}")
        if len(self.path) > 1:
            lines.append(f"way from there: {' -> '.join(shortened(self.path))}")
        if self.reason:
            lines.append(f"no op was found: {self.reason}")
        if self.gradients:
            lines.append(f"gradients that are not finite: {listed(self.gradients)}")
        if self.examples:
            lines.append(f"examples whose rows are not finite there: {listed(self.examples)}")
        if self.indices:
            lines.append(f"examples: {listed(self.indices)}")
        if self.norms:
            norms = ", ".join(f"{norm:.4g} at step {step}" for step, norm in self.norms)
            lines.append(f"gradient norms before: {norms}")
        if math.isfinite(self.norm):
            lines.append(f"gradient norm of the step: {self.norm:.4g}")
        lines += [f"likely cause: {cause}" for cause in self.causes]
        if self.file:
            lines.append(f"to run the step again: gk.replay({self.file!r})")
        return lines

    def origin(self):
        """Returns who made the op, and from what it made what is not finite."""
        text = ""
        if self.forward is not None:
            text = f", of the gradient of {self.forward[0]} ({self.forward[1]})"
        if self.line is not None:
            text += f", made at {self.line}"
        spans = [f"{lowest:.4g} to {highest:.4g}" for lowest, highest, _ in self.ranges]
        return text + (f"; input {', '.join(spans)}" if spans else "")

    def __str__(self):
        return "\n  ".join([self.headline, *self.lines()])


class Case(NamedTuple):
    """A step by itself: its ops, and all that they start from.

    Attributes:
      definition: `GraphDef` of the ops that loss and gradients depend on.
      loss: name of the loss.
      gradients: {name of a variable: name of its gradient, or of the rows of a sparse one}.
      variables: {name of the op that is a variable: its value before the step}.
      fed: {name of a tensor: its value}.
      precision: see `Trainer`.
    """

    definition: tf.compat.v1.GraphDef
    loss: str
    gradients: dict
    variables: dict
    fed: dict
    precision: str = "float32"


class Replica:
    """The ops of a case in a graph and a session of their own.

    Args:
      case: the `Case`; its variables and what is fed are given anew in each run.
      config: `ConfigProto` of the session.
    """

    def __init__(self, case, config):
        v1 = tf.compat.v1
        self.graph = tf.Graph()
        with self.graph.as_default():
            tf.import_graph_def(case.definition, name="")
            self.ops = self.graph.get_operations()
            self.loss = self.graph.get_tensor_by_name(case.loss)
            self.gradients = {
                name: self.graph.get_tensor_by_name(tensor) for name, tensor in case.gradients.items()
            }
            self.values, assigns = {}, []
            for op in self.ops:
                if op.type in walk.VARIABLES:
                    value = v1.placeholder(op.get_attr("dtype"), name="graphkit_value")
                    self.values[op.name] = value
                    assigns.append(assign(op, value))
            self.assign = tf.group(*assigns)
            squares = [squared_sum(gradient) for gradient in self.gradients.values()]
            self.norm = tf.sqrt(tf.add_n(squares)) if squares else tf.constant(0.0, tf.float64)
            self.finite = {name: is_finite(gradient) for name, gradient in self.gradients.items()}
        self.session = v1.Session(graph=self.graph, config=config)
        self.flags = None

    def load(self, variables):
        """Gives the variables their values."""
        self.session.run(self.assign, {self.values[name]: value for name, value in variables.items()})

    def run(self, fed, extra=()):
        """Returns what `PostMortem` holds of loss and gradients, and the values of extra tensors."""
        loss, norm, finite, more = self.session.run([self.loss, self.norm, self.finite, list(extra)], fed)
        wrong = tuple(name for name, flag in finite.items() if not flag)
        return {"loss": float(loss), "norm": float(norm), "gradients": wrong}, more

    def first_op(self, fed, what, gradients, indices=()):
        """Returns what `PostMortem` holds of the first op that is not finite, as far as there is one.

        Args:
          fed: {name of a tensor: value}.
          what: "loss" or "gradient".
          gradients: names of the variables whose gradients are not finite.
          indices: the examples of the mini-batch.
        """
        if self.flags is None:
            hidden = inside_control_flow(self.ops)
            with self.graph.as_default():
                self.flags = {
                    tensor.name: is_finite(tensor)
                    for op in self.ops
                    for tensor in op.outputs
                    if op not in hidden and is_float(tensor)
                }
        flags = self.session.run(self.flags, fed)
        wrong = {name for name, flag in flags.items() if not flag}
        targets = [self.loss] if what == "loss" else [self.gradients[name] for name in gradients]
        path = way_to(targets, wrong, set(flags), {op: place for place, op in enumerate(self.ops)})
        return self.describe(path, fed, wrong, indices) if path else {}

    def describe(self, path, fed, wrong, indices):
        op = path[0]
        forward = forward_op(op)
        outputs = [tensor for tensor in op.outputs if tensor.name in wrong]
        return {
            "op": op.name,
            "op_type": op.type,
            "line": line_of(forward or op),
            "forward": forward and (forward.name, forward.type),
            "path": tuple(op.name for op in path),
            "ranges": self.ranges(op, fed),
            "examples": self.rows(outputs, fed, indices),
        }

    def ranges(self, op, fed):
        """Returns (lowest, highest, nearest to 0) of each floating-point input of the op."""
        inputs = [tensor for tensor in op.inputs if tensor.name in self.flags]
        with self.graph.as_default():
            measured = [
                (tf.reduce_min(t), tf.reduce_max(t), tf.reduce_min(tf.abs(t)))
                for t in (tf.cast(tensor, tf.float64) for tensor in inputs)
            ]
        return tuple(tuple(float(number) for number in row) for row in self.session.run(measured, fed))

    def rows(self, outputs, fed, indices):
        """Returns the examples whose rows are not finite, where the first axis may be the example."""
        per_example = [t for t in outputs if t.shape.rank and t.shape[0] is None]
        if not per_example:
            return ()
        value = self.session.run(per_example[0], fed)
        if len(value) != len(indices):
            return ()
        sound = np.isfinite(value.astype(np.float64)).reshape(len(value), -1).all(axis=1)
        return tuple(int(index) for index in np.asarray(indices)[~sound])

    def close(self):
        self.session.close()


def assign(op, value):
    """Returns the op that gives a variable, of which this is the op, its value."""
    if op.type == "VarHandleOp":
        return tf.raw_ops.AssignVariableOp(resource=op.outputs[0], value=value)
    return tf.raw_ops.Assign(ref=op.outputs[0], value=value, validate_shape=False)


def squared_sum(tensor):
    return tf.reduce_sum(tf.square(tf.cast(tensor, tf.float64)))


def is_float(tensor):
    return tensor.dtype.base_dtype in FLOATS


def is_finite(tensor):
    return tf.reduce_all(tf.math.is_finite(tensor))


def inside_control_flow(ops):
    """Returns the ops inside loops and branches of TensorFlow 1, whose outputs cannot be looked at."""
    depths = {}  # op: (loops, branches) that it is inside of
    for op in ops:
        sources = [tensor.op for tensor in op.inputs] + list(op.control_inputs)
        loops, branches = (max((depths.get(s, (0, 0))[axis] for s in sources), default=0) for axis in (0, 1))
        kind = op.type.removeprefix("Ref")
        starts_loop = any(tensor.op.type.endswith("Enter") for tensor in op.inputs)
        if kind in ("Enter", "Exit"):
            loops += 1 if kind == "Enter" else -1
        if kind in ("Switch", "Exit") or (kind == "Merge" and not starts_loop):
            branches += 1 if kind == "Switch" else -1
        depths[op] = loops, branches
    return {op for op, depth in depths.items() if depth > (0, 0)}


def way_to(targets, wrong, seen, places):
    """Returns the ops from the first one that is not finite to one of the targets.

    Goes back from the targets through all that is not finite, so that an infinity that leads to nothing,
    such as that of a mask, is not taken for the cause.

    Args:
      targets: tensors that are not finite.
      wrong: names of all tensors that are not finite.
      seen: names of all tensors that were looked at.
      places: {op: its place in the graph}.
    """
    after = {tensor.op: None for tensor in targets if tensor.name in wrong}
    waiting, origins = list(after), []
    for op in waiting:
        sources = [tensor.op for tensor in op.inputs if tensor.name in wrong] or behind(op, wrong, seen)
        if not sources:
            origins.append(op)
        for source in sources:
            if source not in after:
                after[source] = op
                waiting.append(source)
    if not origins:
        return []
    path = [min(origins, key=lambda op: (op.type == "Const", places[op]))]
    while after[path[-1]] is not None:
        path.append(after[path[-1]])
    return path


def behind(op, wrong, seen):
    """Returns the ops with outputs that are not finite behind inputs that could not be looked at.

    Those are lists of tensors, of which the loops that make them are taken for not finite, and what is
    inside the loops and branches of TensorFlow 1.
    """
    found, passed, waiting = [], {op}, [op]
    while waiting:
        for tensor in waiting.pop().inputs:
            source, is_list = tensor.op, tensor.dtype == tf.variant
            if tensor.name in wrong or (is_list and source.type in BODIES):
                found.append(source)
            elif (is_list or is_float(tensor)) and tensor.name not in seen and source not in passed:
                passed.add(source)
                waiting.append(source)
    return found


def forward_op(op):
    """Returns the op that this one helps to make the gradient of, or None."""
    match = GRADIENT.search(op.name)
    if match is None:
        return None
    parts = match.group(1).split("_grad/")
    names = ["_grad/".join(parts[:count]) for count in range(len(parts) - 1, 0, -1)]
    found = (operation(op.graph, name) for name in names)
    return next(filter(None, found), None)


def operation(graph, name):
    try:
        return graph.get_operation_by_name(name)
    except KeyError:
        return None


def line_of(op):
    """Returns "file:line" of who made the op of a replica, or None."""
    try:
        return op.get_attr(LINE).decode()
    except ValueError:
        return None


def user_line(op):
    """Returns "file:line" of the innermost frame outside graphkit and TensorFlow that made the op."""
    for frame in reversed(list(op.traceback)):
        if not frame.filename.startswith(scopes.OWN_FILES):
            return f"{frame.filename}:{frame.lineno}"
    return None


def define(ops):
    """Returns the GraphDef of the ops, which keeps the line that made each, and the functions they call."""
    whole = ops[0].graph.as_graph_def()
    definition = tf.compat.v1.GraphDef(versions=whole.versions)
    for op in ops:
        node = definition.node.add()
        node.CopyFrom(op.node_def)
        node.attr.pop("_class", None)  # colocation with ops that are not copied
        line = user_line(op)
        if line is not None:
            node.attr[LINE].s = line.encode()
    definition.library.CopyFrom(walk.needed_functions(definition.node, whole.library))
    return definition


def save(path, case, report):
    """Writes a replay file; no pickle is in it."""
    tensors = {"variables": case.variables, "fed": case.fed}
    header = {
        "graphkit_replay": VERSION,
        "loss": case.loss,
        "gradients": case.gradients,
        "precision": case.precision,
        "report": dataclasses.asdict(report),
    }
    arrays = {"graph": np.frombuffer(case.definition.SerializeToString(), np.uint8)}
    for kind, values in tensors.items():
        values = {name: storable(value) for name, value in values.items()}
        header[kind] = [[name, dtype] for name, (_, dtype) in values.items()]
        arrays |= {f"{kind}/{place}": array for place, (array, _) in enumerate(values.values())}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with open(f"{path}.new", "wb") as stream:
        np.savez(stream, **arrays)
    os.replace(f"{path}.new", path)


def storable(value):
    """Returns (array, name of its dtype): strings as bytes, dtypes that NumPy does not know as their bits."""
    array = np.asarray(value)
    if array.dtype.kind in "OU":
        encoded = [item.encode() if isinstance(item, str) else item for item in array.ravel()]
        return np.array(encoded, np.bytes_).reshape(array.shape), "string"
    dtype = tf.as_dtype(array.dtype)
    if array.dtype.kind == "V":
        return array.view(f"u{array.dtype.itemsize}"), dtype.name
    return array, dtype.name


def load(path):
    """Returns (case, report) of a replay file, or refuses it."""
    arrays = readers.read_npz(path)
    rule = f"{path} is no whole replay file"
    try:
        header = json.loads(arrays["header"].tobytes())
        version = header["graphkit_replay"]
        checks.require(version == VERSION, "replay", f"{path} is of another version", version=version)
        values = {
            kind: {
                name: restored(arrays[f"{kind}/{place}"], dtype)
                for place, (name, dtype) in enumerate(header[kind])
            }
            for kind in ("variables", "fed")
        }
        definition = tf.compat.v1.GraphDef.FromString(arrays["graph"].tobytes())
        case = Case(
            definition, header["loss"], dict(header["gradients"]), **values, precision=header["precision"]
        )
        return case, read_report(header["report"])
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError, message.DecodeError) as error:
        raise ValueError(checks.message("replay", rule, error=repr(error))) from None
    except ValueError as error:
        if str(error).startswith("replay: "):
            raise
        raise ValueError(checks.message("replay", rule, error=str(error))) from None


def restored(array, dtype):
    """Returns the array as `storable` was given it."""
    if dtype == "string":
        return array.astype(object)
    wanted = np.dtype(tf.as_dtype(dtype).as_numpy_dtype)
    return array if array.dtype == wanted else array.view(wanted)


def read_report(fields):
    """Returns the report from JSON, which knows no tuples."""

    def tuples(value):
        return tuple(map(tuples, value)) if isinstance(value, list) else value

    return PostMortem(**{name: tuples(value) for name, value in fields.items()})


def replay(path):
    """Runs a training step that was not finite again, from the file that the fit has left.

    A `Trainer` with a logdir writes `notfinite-<step>.npz` there when its loss, a gradient or a variable is
    not finite. The file holds the graph of loss and gradients with the lines that made its ops, the
    variables before the step, and what was fed, so the program that made it is not needed. It holds no
    pickle; but a graph is a program, so replay only files of people whom you trust.

    Args:
      path: the file.

    Returns:
      A `PostMortem`: loss, gradient norm and the first op that is not finite as they came out now, all else
      as it was found then.

    Raises:
      OSError: the file cannot be read.
      ValueError: it is no replay file, or is damaged, or needs a precision that is not to be had here.
      GraphkitError: its graph cannot be run here.

    Example:
      >>> import tempfile
      >>> x = gk.feature_input(1)
      >>> w = gk.dense(x, 1, use_bias=False, kernel_initializer=gk.zeros())
      >>> with tempfile.TemporaryDirectory() as logdir, gk.Trainer(tf.norm(w), logdir=logdir) as trainer:
      ...     try:
      ...         trainer.fit({x: np.ones((1, 1))}, progress=False)
      ...     except gk.NotFiniteError as error:
      ...         print(gk.replay(error.report.file).causes[0])
      the derivative of the square root at 0 is infinite; add a small constant below the root
    """
    path = os.fspath(path)
    case, report = load(path)
    config = sessions.make_config("auto", None, case.precision)
    try:
        replica = Replica(case, config)
    except (ValueError, TypeError, KeyError) as error:
        rule = f"the graph of {path} cannot be made"
        raise ValueError(checks.message("replay", rule, error=str(error))) from None
    try:
        replica.load(case.variables)
        found, _ = replica.run(case.fed)
        op = replica.first_op(case.fed, report.what, found["gradients"], report.indices)
    except (tf.errors.OpError, KeyError, ValueError, TypeError) as error:
        rule = f"the graph of {path} cannot be run here ({error})"
        raise checks.GraphkitError(checks.message("replay", rule)) from error
    finally:
        replica.close()
    if report.what != "variable" and not op:
        op = {"reason": report.reason or "loss and gradients come out finite here"}
    nothing = {"op": None, "op_type": None, "line": None, "forward": None, "path": (), "ranges": ()}
    return dataclasses.replace(report, file=path, **{**nothing, "examples": (), **found, **op})


def listed(items):
    """Returns the first items, and how many there are."""
    text = ", ".join(map(str, items[:SHOWN]))
    more = ", …" if len(items) > SHOWN else ""
    return f"{text}{more} ({len(items)} in all)"


def shortened(path):
    """Returns the names of a path, those in the middle of a long one left out."""
    half = SHOWN // 2
    return [*path[:half], "…", *path[-half:]] if len(path) > SHOWN else list(path)
