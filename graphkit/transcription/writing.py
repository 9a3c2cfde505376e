"""A step that was read as the text of a file: which ops are in which function, and the functions together."""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from graphkit import _version, checks
from graphkit.graph import walk
from graphkit.running import order
from graphkit.train.trainer import Trainer
from graphkit.transcription import (
    arrays,
    elementwise,
    flow,
    layout,
    naming,
    networks,
    sections,
    statements,
    updates,
)
from graphkit.transcription.reading import Reading
from graphkit.transcription.transcriber import COMPARE, Call, Code, Transcriber, key_of
from graphkit.transcription.values import Constant, Name, Sizes

RULES = {**elementwise.RULES, **arrays.RULES, **networks.RULES, **updates.RULES, **flow.RULES}
SEED = "seed"  # its key in the file of the weights


class Mask(NamedTuple):
    """The mask of a `gk.dropout`, which is written as one line.

    Attributes:
      shape, keep_prob: the tensors that it is made of.
      scope: the name that it follows from.
      names: {name of a tensor: what it is called}.
    """

    shape: tf.Tensor
    keep_prob: tf.Tensor
    scope: str
    names: dict[str, str]


def is_write(op: tf.Operation) -> bool:
    """Whether an op may change a variable."""
    takes = any(tensor.dtype == tf.resource for tensor in op.inputs)
    return takes and op.type not in order.READS and not op.type.startswith("Stateless")


class Phases:
    """The ops of each function of the file, in their order.

    Attributes:
      network: what the outputs need; it is a part of the forward pass.
      loss: the rest of the forward pass: what the loss and the metrics need.
      backward: what the gradients need.
      update: the rest.
    """

    def __init__(self, step: Reading) -> None:
        graph = step.graph
        self.masks = dict(find_masks(graph.get_operations()))
        places = {op.name: place for place, op in enumerate(step.original.get_operations())}
        made = sorted(graph.get_operations(), key=lambda op: places.get(op.name, len(places)))
        ops = walk.running_order(made)
        update = graph.get_operation_by_name(step.update)
        needed = walk.ancestors([update, *map(graph.get_tensor_by_name, step.values.values())])
        writes = [op for op in ops if op in needed and is_write(op)]
        tensors = [graph.get_tensor_by_name(name) for name in step.values.values()]
        outputs = [graph.get_tensor_by_name(name) for name in step.outputs]
        gradients = [graph.get_tensor_by_name(name) for name in step.gradients]
        self.live = walk.ancestors([*tensors, *gradients, *outputs, *writes], self.sources)
        left = set(self.live)
        self.network = self.take(ops, left, outputs)
        self.loss = self.take(ops, left, tensors)
        self.backward = self.take(ops, left, gradients)
        self.update = [op for op in ops if op in left]

    def sources(self, op: tf.Operation) -> list[tf.Operation]:
        """Returns the ops whose values are needed for an op's line."""
        mask = self.masks.get(op)
        return [tensor.op for tensor in (op.inputs if mask is None else (mask.shape, mask.keep_prob))]

    def take(self, ops: Sequence[tf.Operation], left: set[tf.Operation], wanted: Sequence[tf.Tensor]) -> list:
        found = walk.ancestors(wanted, self.sources) & left if wanted else set()
        left -= found
        return [op for op in ops if op in found]


def write(
    check: checks.Checker, trainer: Trainer, step: Reading, stem: str
) -> tuple[str, dict[str, np.ndarray]]:
    """Returns the text of the file, and {key: array} of constants that are kept with the weights."""
    phases = Phases(step)
    known = layout.functions()
    namespace = {"np": np, **known}
    at = Transcriber(check, step, RULES, namespace, {})
    forward = phases.network + phases.loss
    at.sections = sections.sections_of(step, forward, at.names.wrt)
    at.live = {op.name for op in phases.live}
    at.phase_of = {
        op.name: name
        for name, ops in zip("fbu", (forward, phases.backward, phases.update), strict=True)
        for op in ops
    }
    at.kept = {*step.values.values(), *step.outputs, *step.gradients}
    at.special = {op.name: mask_rule(mask) for op, mask in phases.masks.items()}
    name_tensors(at, step, phases)
    return File(trainer, step, phases, at, known, stem).text()


def name_tensors(at: Transcriber, step: Reading, phases: Phases) -> None:
    """Gives metrics, and what layers hand on, their names."""
    for name, tensor in step.values.items():
        at.names.reserve(tensor, naming.identifier(name))
    for mask in phases.masks.values():
        for tensor_name, name in mask.names.items():
            at.names.reserve(tensor_name, naming.identifier(f"{mask.scope}/{name}"))
    for section, tensor in sections.results(phases.network + phases.loss, at.sections).items():
        if tensor.name not in step.values.values():
            at.names.reserve(tensor.name, naming.identifier(section))
            shape = ["n" if size is None else str(size) for size in tensor.shape.as_list() or []]
            at.remarks[tensor.name] = f"({', '.join(shape)})"


def find_masks(ops: Iterable[tf.Operation]) -> Iterable[tuple[tf.Operation, Mask]]:
    """Yields (op that makes the mask of a `gk.dropout`, `Mask`)."""
    for op in ops:
        scope = op.name.rpartition("/")[0]
        if op.type != "LessEqual" or op.inputs[0].dtype != tf.uint16:
            continue
        hashed = np.frombuffer(hashlib.sha256(f"{scope}/".encode()).digest()[:8], "<u8")[0]
        rounded = [
            o for o in walk.ancestors([op.inputs[1]]) if o.type == "Round" and o.name.startswith(scope)
        ]
        try:
            number = tf.get_static_value(op.graph.get_tensor_by_name(f"{scope}/add/y:0"))
            (level,) = [o.inputs[0].op for o in rounded]
            shape, keep_prob = op.inputs[0].op.inputs[1], level.inputs[0]
        except (KeyError, IndexError, ValueError):
            continue
        if number == hashed:  # else the mask follows from a seed of its own, or from a call
            names = {f"{scope}/LessEqual:0": "mask", f"{scope}/truediv:0": "factor"}
            names |= {
                user.outputs[0].name: "scaled"
                for user in op.outputs[0].consumers()
                for user in [user.inputs[1].op]
                if user.type == "Mul"
            }
            yield op, Mask(shape, keep_prob, scope, names)


def mask_rule(mask: Mask) -> Callable[[Call], Code]:
    def rule(call: Call) -> Code:
        at = call.at
        if mask.shape.op.type == "Shape":
            size = f"{at.text(mask.shape.op.inputs[0])}.shape"
        else:
            size = at.text(mask.shape, COMPARE)
        sizes = at.value(mask.shape)
        if isinstance(sizes, Sizes):
            at.shapes[key_of(call.output)] = list(sizes.sizes)
        state = f'state["{SEED}"], state["{at.reading.counter}"]'
        keep_prob = at.text(mask.keep_prob, COMPARE)
        return Code(f'{call.helper("keep_mask")}({size}, {keep_prob}, {state}, "{mask.scope}/")')

    return rule


class File:
    """The text of a file.

    Args:
      trainer: whose step it is.
      step: the step.
      phases: its ops.
      at: what turns ops into statements.
      known: the functions that may come at the top.
      stem: name of the file without .py.
    """

    def __init__(
        self,
        trainer: Trainer,
        step: Reading,
        phases: Phases,
        at: Transcriber,
        known: dict[str, Any],
        stem: str,
    ) -> None:
        self.trainer, self.step, self.phases, self.at = trainer, step, phases, at
        self.known, self.stem = known, stem
        self.arguments: dict[str, str] = {}  # {name of a placeholder's tensor: argument}
        self.fed: list[str] = []  # the arguments without a default, in their order

    def text(self) -> tuple[str, dict[str, np.ndarray]]:
        at, step = self.at, self.step
        self.give_inputs()
        network = self.transcribed(self.phases.network, "f")
        loss = self.transcribed(self.phases.loss, "f")
        # Nobody needs gradients but a training step: what depends on `training` is decided from here on.
        self.give(step.inputs.training, Constant(np.array(True)))
        backward = self.transcribed(self.phases.backward, "b")
        update = self.transcribed(self.phases.update, "u")
        live = {name for value in map(self.value_of, step.gradients) if isinstance(name := value, Name)}
        update = statements.needed(update, live)
        backward = statements.needed(backward, live)
        live |= {v for v in map(self.value_of, [*step.values.values(), *step.outputs]) if isinstance(v, Name)}
        loss = statements.needed(loss, live)
        network = statements.needed(network, live)
        headings = self.headings()
        bodies = [layout.block(found, headings) for found in (network, loss)]
        bodies += [layout.block(found, {}) for found in (backward, update)]
        body = "\n".join(self.file_lines(*bodies))
        constants = {key: array for key, array in at.constants.items() if f'"{key}"' in body}
        return self.complete(body), constants

    def transcribed(self, ops: Sequence[tf.Operation], phase: str) -> list[statements.Statement]:
        at = self.at
        at.statements, at.phase, at.section = [], phase, ""
        at.transcribe(sections.in_sections(ops, at.sections))
        return at.statements

    def value_of(self, name: str) -> Any:
        return self.at.value(self.step.graph.get_tensor_by_name(name))

    def give_inputs(self) -> None:
        """Gives the placeholders their arguments."""
        at, inputs = self.at, self.step.inputs
        at.phase = "f"
        for tensor in (*inputs.fed, *inputs.defaults):
            name = Name(at.names.fresh(naming.identifier(tensor)), "f")
            self.arguments[tensor] = name.text
            self.give(tensor, name)
        self.give(inputs.training, Name("training", "f"))
        if inputs.rate is not None:
            self.give(inputs.rate, Name("learning_rate", "u"))
        self.give(inputs.seed, Code(f'state["{SEED}"]'))
        self.give(inputs.step, Code(f'state["{self.step.counter}"]'))
        for tensor, op_name in inputs.keys.items():
            key = f'mask_key(state["{SEED}"], state["{self.step.counter}"], "{op_name}")'
            self.give(tensor, Code(key))
        for op in self.step.graph.get_operations():
            if op.type == "Placeholder" and key_of(op.outputs[0]) not in at.values:
                self.give(op.outputs[0].name, Constant(np.zeros(2, np.uint64)))  # counters of keyed numbers

    def give(self, name: str, value: Any) -> None:
        try:
            tensor = self.step.graph.get_tensor_by_name(name)
        except KeyError:
            return
        self.at.give(tensor, value)

    def headings(self) -> dict[str, str]:
        groups: dict[str, list[tf.Operation]] = {}
        for op in self.phases.network + self.phases.loss:
            groups.setdefault(self.at.sections.get(op.name, ""), []).append(op)
        texts = {name: sections.describe(ops) for name, ops in groups.items()}
        return {name: f"{name}: {text}" if text else name for name, text in texts.items()}

    # The functions.

    def file_lines(
        self, network: list[str], loss: list[str], backward: list[str], update: list[str]
    ) -> Iterable[str]:
        first = [self.arguments[name] for name in self.inputs_of(self.phases.network) or self.step.inputs.fed]
        fed = [self.arguments[name] for name in self.step.inputs.fed]
        later = [name for name in fed if name not in first]
        defaults = {self.arguments[name]: value for name, value in self.step.inputs.defaults.items()}
        optional = [f"{name}={default_text(value)}" for name, value in defaults.items()]
        training = uses_word("training", network + loss)
        flag = ["training=False"] if training else []
        early = bool(network) and bool(later)
        self.fed = first + later
        labels = [f"{name}=None" for name in later] if early else later
        converted = [
            *(self.conversion(name) for name in self.step.inputs.fed if self.arguments[name] in first),
            *(self.conversion(name) for name in self.step.inputs.defaults),
        ]
        body = [*converted, *([""] if converted else []), *network]
        if early:
            body += ["", f"    if {later[0]} is None:  # without labels: only what predict needs"]
            body += ["        return SimpleNamespace(**locals())"]
        inner = [self.conversion(name) for name in self.step.inputs.fed if self.arguments[name] in later]
        body += [*inner, "", *loss]
        head = ", ".join(["state", *first, *labels, *optional, *flag])
        yield from layout.function(
            f"def forward({head}):",
            "The forward pass. Returns all values by name: the backward pass takes many of them again.",
            body,
            end=["    return SimpleNamespace(**locals())"],
        )
        yield from ["", ""]
        yield from layout.function(
            "def backward(state, f):",
            "The backward pass: d_x is the gradient of the loss for x, which is f.x.",
            backward,
            end=["    return SimpleNamespace(**locals())"],
        )
        yield from ["", ""]
        rate = self.step.inputs.rate is not None
        prepared = ["    learning_rate = np.float32(learning_rate)", ""] if rate else []
        yield from layout.function(
            f"def update(state, f, b{', learning_rate' if rate else ''}):",
            self.update_description(),
            [*prepared, *update],
        )
        yield from ["", ""]
        yield from self.train_step(first + later, optional, list(defaults), training, rate)
        if self.step.outputs:
            yield from ["", ""]
            yield from self.predict(first, optional, list(defaults))
        yield from ["", ""]
        yield from self.main(first + later, defaults)

    def inputs_of(self, ops: Sequence[tf.Operation]) -> list[str]:
        names = {tensor.name for op in ops for tensor in (*op.inputs, *op.outputs)}
        return [name for name in self.step.inputs.fed if name in names]

    def conversion(self, name: str) -> str:
        tensor, argument = self.step.graph.get_tensor_by_name(name), self.arguments[name]
        dtype = np.dtype(tensor.dtype.as_numpy_dtype).name
        dtype = "bool" if dtype == "bool" else f"np.{dtype}"
        if tensor.shape.rank == 0:
            return f"    {argument} = {dtype}({argument})"
        return f"    {argument} = np.asarray({argument}, {dtype})"

    def update_description(self) -> str:
        written = sorted(
            op.type.removeprefix("ResourceApply").removeprefix("ResourceSparseApply")
            for op in self.phases.update
            if "Apply" in op.type
        )
        names = ", ".join(dict.fromkeys(written))
        return f"Changes the state by a step of the optimizer{f' ({names})' if names else ''}."

    def train_step(
        self, fed: list[str], optional: list[str], names: list[str], training: bool, rate: bool
    ) -> Iterable[str]:
        rates = [f"learning_rate={self.next_rate()}"] if rate else []
        head = ", ".join(["state", *fed, *optional, *rates])
        given = ", ".join(["state", *fed, *names, *(["training=True"] if training else [])])
        loss = next(iter(self.step.values.values()))
        value = self.at.value(self.step.graph.get_tensor_by_name(loss))
        text = f"f.{value.text}" if isinstance(value, Name) else self.at.code(value).text
        yield from layout.function(
            f"def train_step({head}):",
            "One step on a mini-batch. Returns the new state, and the loss before the step.",
            [
                "    state = dict(state)  # the given one stays as it is",
                f"    f = forward({given})",
                "    b = backward(state, f)",
                f"    update(state, f, b{', learning_rate' if rate else ''})",
                f"    return state, {text}",
            ],
        )

    def next_rate(self) -> str:
        schedule = self.trainer.learning_rate.schedule
        return (
            "0.001" if schedule is None else f"{schedule(self.trainer.step) * self.trainer.rate_factor:.7g}"
        )

    def predict(self, first: list[str], optional: list[str], names: list[str]) -> Iterable[str]:
        self.at.phase = "u"
        texts = [self.at.code(self.value_of(name)).text for name in self.step.outputs]
        yield from layout.function(
            f"def predict({', '.join(['state', *first])}):",
            "What the network computes for examples, without dropout.",
            [f"    f = forward({', '.join(['state', *first])})", f"    return {', '.join(texts)}"],
        )

    def main(self, fed: list[str], defaults: dict[str, Any]) -> Iterable[str]:
        yield 'if __name__ == "__main__":'
        yield f'    state = load(Path(__file__).with_name("{self.stem}.npz"))'
        for name in sorted(self.step.inputs.fed, key=lambda name: fed.index(self.arguments[name])):
            tensor = self.step.graph.get_tensor_by_name(name)
            shape = tuple(
                8 if size is None else size for size in (tensor.shape.as_list() if tensor.shape.rank else [])
            )
            dtype = np.dtype(tensor.dtype.as_numpy_dtype).name
            yield f"    {self.arguments[name]} = np.zeros({shape}, np.{dtype})  # your examples"
        keeps = [
            f"{name}=0.5" for name, value in defaults.items() if name.startswith("keep_prob") and value == 1
        ]
        yield "    for _ in range(3):"
        yield f"        state, loss = train_step({', '.join(['state', *fed, *keeps])})"
        yield f"        print(f\"step {{state['{self.step.counter}']}}: loss {{loss:.4f}}\")"

    def complete(self, body: str) -> str:
        """Returns the file: its description, imports, the functions that it uses, and its own."""
        sources = layout.used_functions(body, self.known)
        helpers = "\n\n\n".join(sources)
        needs_hash = "hashlib" in helpers
        parts = [
            f'"""A network and its training step in NumPy, written by graphkit {_version.__version__}.\n',
            f'The weights are in {self.stem}.npz. Names are those of the graph; "d_" marks a gradient.\n',
            f'    state = load("{self.stem}.npz")',
            f"    state, loss = train_step(state, {', '.join(self.fed)})",
            '"""\n',
            *(["import hashlib"] if needs_hash else []),
            "from pathlib import Path",
            "from types import SimpleNamespace\n",
            "import numpy as np\n",
        ]
        if "np.uint64(" in body:
            parts.append('np.seterr(over="ignore")  # integers of random numbers wrap around at 2**64\n')
        if helpers:
            parts += ["# What layers compute. The network itself begins at `load`.\n", "", helpers, "", ""]
        parts += ["", LOAD, "", "", body, ""]
        return re.sub(r"\n{4,}", "\n\n\n", "\n".join(parts))


LOAD = '''def load(path):
    """Returns {name: array}: the variables, the optimizer's slots, the global step, the seed of the masks."""
    with np.load(path) as file:
        return dict(file)


def save(path, state):
    """Writes a state, for `load`."""
    np.savez(path, **state)'''


def default_text(value: Any) -> str:
    array = np.asarray(value)
    if array.ndim == 0:
        return str(array.item()) if array.dtype.kind != "f" else f"{float(str(array[()]))}"
    return "None"


def uses_word(word: str, lines: Iterable[str]) -> bool:
    return any(re.search(rf"\b{word}\b", line) for line in lines)
