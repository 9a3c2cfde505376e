"""From ops to statements: each op of a graph becomes a line, an inlined expression, or nothing."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.transcription import dimensions, naming, statements
from graphkit.transcription.reading import Reading
from graphkit.transcription.values import (
    ATOM,
    COMPARE,
    PLUS,
    POWER,
    TIMES,
    Code,
    Constant,
    Dimension,
    Handle,
    Name,
    Same,
    Size,
    Sizes,
    Value,
    literal,
    tuple_text,
)

Key = tuple[int, str]  # a tensor: its graph, and its name
Result = Any  # what a rule returns: a Value, a list of them, or None for an op without a value
Rule = Callable[["Call"], Result]

ALIASES = (*naming.ALIASES, "PlaceholderWithDefault")
NOTHING = ("NoOp", "Assert", "Placeholder", "ControlTrigger")
LEVELS = {"+": PLUS, "-": PLUS, "*": TIMES, "//": TIMES, "%": TIMES}
# Written where they are used, also as arrays, if they are used once.
LIGHT = ("ExpandDims", "Tile", "BroadcastTo", "Fill", "Cast", "ZerosLike", "OnesLike")
OWN_LINE = ("L2Loss", "Mean", "Sum", "Max", "AddN", "Conv2D", "MatMul")
INLINED = 60  # characters of an expression that is written where it is used
FOLDED = 1000  # numbers of a result that is computed when the file is written
PREFIXES = {"f": "f.", "b": "b."}


def key_of(tensor: tf.Tensor) -> Key:
    return id(tensor.graph), tensor.name


class Transcriber:
    """Turns the ops of a step into statements, phase by phase: "f"orward, "b"ackward, "u"pdate.

    Args:
      reading: the step.
      rules: {type of an op: function that returns what its results are}.
      namespace: the functions that rules may name.
      sections: {name of an op: the layer that it belongs to}.

    Attributes:
      statements: of the phase under way.
      constants: {key: array} that is too long for the file.
    """

    def __init__(
        self,
        check: checks.Checker,
        reading: Reading,
        rules: Mapping[str, Rule],
        namespace: Mapping[str, Any],
        sections: Mapping[str, str],
    ) -> None:
        self.check, self.reading, self.rules, self.namespace = check, reading, rules, namespace
        self.sections = sections
        self.names = naming.Names(reading, namespace)
        self.values: dict[Key, Value] = {}
        self.shapes: dict[Key, list[Dimension] | None] = {}
        self.versions: Counter[str] = Counter()  # how often each variable was written
        self.read: dict[tuple[str, int], Name] = {}
        self.statements: list[statements.Statement] = []
        self.constants: dict[str, np.ndarray] = {}
        self.phase, self.section, self.scope = "f", "", ""
        self.caller: str | None = None  # the op of the graph whose functions are being written
        self.uses: set[Name] = set()
        self.phases: dict[Key, str] = {}
        self.kept: set[str] = set()  # names of tensors that need a name
        self.returned: list[Key] = []  # tensors that the function being written returns
        self.live: set[str] = set()  # names of the ops that are written
        self.phase_of: dict[str, str] = {}  # {name of an op: its phase}
        self.remarks: dict[str, str] = {}  # {name of a tensor: what is said of it at the end of its line}
        self.special: dict[str, Callable[[Call], Result]] = {}

    # Values.

    def give(self, tensor: tf.Tensor, value: Value, shape: list[Dimension] | None = None) -> None:
        self.values[key_of(tensor)] = value
        self.phases.setdefault(key_of(tensor), self.phase)
        if shape is not None:
            self.shapes[key_of(tensor)] = shape

    def value(self, tensor: tf.Tensor) -> Value:
        return self.values[key_of(tensor)]

    def shape(self, tensor: tf.Tensor) -> list[Dimension] | None:
        """Returns the sizes of a tensor's axes, or None if their number is not known."""
        key = key_of(tensor)
        if key not in self.shapes:
            known = tensor.shape.as_list() if tensor.shape.rank is not None else None
            self.shapes[key] = known and [
                Size("axis", (key, axis)) if size is None else size for axis, size in enumerate(known)
            ]
            if known == []:
                self.shapes[key] = []
        return self.shapes[key]

    def text(self, tensor: tf.Tensor | Key, level: int = ATOM) -> str:
        """Returns a tensor as an expression that binds at least as tightly as the level."""
        code = self.code(self.values[tensor if isinstance(tensor, tuple) else key_of(tensor)])
        self.uses |= code.uses
        return code.text if code.level >= level else f"({code.text})"

    def code(self, value: Value) -> Code:
        if isinstance(value, Name):
            prefix = "" if value.phase == self.phase else PREFIXES[value.phase]
            return Code(prefix + value.text, ATOM, frozenset([value]))
        if isinstance(value, Code):
            return value
        if isinstance(value, Handle):
            return Code(f'state["{value.key}"]')
        if isinstance(value, Constant):
            return self.constant(value.array)
        return self.sizes_code(value)

    def constant(self, array: np.ndarray) -> Code:
        text = literal(array)
        if text is None:
            key = next((k for k, a in self.constants.items() if a is array), None)
            if key is None:
                key = f"constants/{len(self.constants)}"
                self.constants[key] = array
            return Code(f'state["{key}"]')
        return Code(text, ATOM if text[0] != "-" else PLUS)

    def sizes_code(self, value: Sizes) -> Code:
        codes = [self.size_code(size) for size in value.sizes]
        uses = frozenset().union(*(code.uses for code in codes))
        if value.scalar:
            return codes[0]
        return Code(tuple_text([code.text for code in codes]), ATOM, uses)

    def size_code(self, size: Dimension) -> Code:
        if isinstance(size, int):
            return Code(str(size), ATOM if size >= 0 else PLUS)
        if size.form == "axis":
            key, axis = size.parts
            code = self.code(self.values[key])
            base = code.text if code.level == ATOM else f"({code.text})"
            return Code(f"len({base})" if axis == 0 else f"{base}.shape[{axis}]", ATOM, code.uses)
        first, second = map(self.size_code, size.parts)
        uses = first.uses | second.uses
        if size.form in ("max", "min"):
            return Code(f"{size.form}({first.text}, {second.text})", ATOM, uses)
        level = LEVELS[size.form]
        left = first.text if first.level >= level else f"({first.text})"
        right = second.text if second.level > level else f"({second.text})"
        return Code(f"{left} {size.form} {right}", level, uses)

    # Statements.

    def add(self, text: str, names: Sequence[Name] = (), *, effect: bool = False, remark: str = "") -> None:
        """Adds a line that uses the names that were taken since the last one."""
        uses = frozenset(self.uses)
        self.uses = set()
        self.statements.append(statements.Line(text, list(names), uses, effect, self.section, remark))

    def define(self, tensor: tf.Tensor, text: str, remark: str = "") -> Name:
        """Adds a line that gives a tensor a name."""
        name = self.new_name(tensor)
        self.add(text, [name], remark=remark or self.remarks.get(tensor.name, ""))
        self.give(tensor, name)
        return name

    def read_variable(self, key: str) -> Name:
        """Returns the name of the value that a variable has now."""
        version = key, self.versions[key]
        found = self.read.get(version)
        if found is None:
            found = self.read[version] = Name(self.names.fresh(naming.identifier(key)), self.phase)
            self.add(f'state["{key}"]', [found])
        return found

    def write(self, keys: Iterable[str], text: str) -> None:
        """Adds a statement that changes variables."""
        self.add(text, effect=True)
        for key in keys:
            self.versions[key] += 1

    # Ops.

    def transcribe(self, ops: Iterable[tf.Operation]) -> None:
        """Adds the statements of ops, which are in an order in which they can run."""
        for op in ops:
            if self.caller is None:
                self.section = self.sections.get(op.name, "")
            for tensor in op.outputs:
                self.phases[key_of(tensor)] = self.phase
            self.transcribe_op(op)

    def transcribe_op(self, op: tf.Operation) -> None:
        self.uses = set()
        special = self.special.get(op.name) if self.caller is None else None
        if special is not None:
            self.take(op, special(Call(self, op)))
        elif op.type in NOTHING:
            return
        elif op.type == "Const":
            self.give(op.outputs[0], Constant(tf.make_ndarray(op.get_attr("value"))))
        elif op.type in ("IdentityN", *ALIASES):
            for source, tensor in zip(op.inputs, op.outputs, strict=True):
                self.alias(tensor, source)
        elif op.type == "VarHandleOp":
            self.give(op.outputs[0], Handle(op.name))
        else:
            call = Call(self, op)
            sizes = dimensions.sizes_of(call)
            if sizes is not None:
                for tensor, size in zip(op.outputs, sizes, strict=True):
                    self.give(tensor, size)
                return
            if op.type not in self.rules:
                raise call.refusal("is of a type that cannot be written in NumPy yet")
            self.take(op, self.rules[op.type](call))

    def alias(self, tensor: tf.Tensor, source: tf.Tensor) -> None:
        value = self.value(source)
        self.give(tensor, value)
        if tensor.dtype not in (tf.resource, tf.variant):
            self.shapes[key_of(tensor)] = self.shape(source)
        if isinstance(value, Code) and not self.inlined(tensor):
            self.uses |= value.uses
            self.define(tensor, value.text)

    def take(self, op: tf.Operation, result: Result) -> None:
        """Gives the outputs of an op what its rule has returned."""
        if result is None:
            return
        if isinstance(result, Same):
            self.uses = set()
            self.alias(op.outputs[0], op.inputs[result.place])
            return
        for index, tensor in enumerate(op.outputs):
            if tensor.dtype not in (tf.resource, tf.variant):
                given = self.shapes.get(key_of(tensor)) if op.name in self.special else None
                self.shapes[key_of(tensor)] = given or dimensions.shape_of(Call(self, op), index)
        if isinstance(result, list):
            for tensor, value in zip(op.outputs, result, strict=True):
                if value is not None:
                    self.give(tensor, value)
            return
        if len(op.outputs) > 1:  # one expression that returns several arrays
            names = [Name(self.names.of(tensor, self.scope), self.phase) for tensor in op.outputs]
            self.add(result.text, names)
            for tensor, name in zip(op.outputs, names, strict=True):
                self.give(tensor, name)
            return
        tensor = op.outputs[0]
        if not isinstance(result, Code):
            self.give(tensor, result)
            return
        folded = self.folded(op, result)
        if folded is not None:
            self.uses = set()
            self.give(tensor, Constant(folded))
        elif self.inlined(tensor) and len(result.text) <= INLINED:
            uses = frozenset(self.uses)
            self.uses = set()
            self.give(tensor, Code(result.text, result.level, result.uses | uses))
        else:
            self.define(tensor, result.text)

    def folded(self, op: tf.Operation, result: Code) -> np.ndarray | None:
        """Returns the result of an op whose inputs are all constants, if it is small."""
        if op.name in self.special:
            return None
        values = [self.value(tensor) for tensor in op.inputs]
        size = op.outputs[0].shape.num_elements()
        if op.outputs[0].dtype in (tf.variant, tf.resource, tf.string) or not op.inputs:
            return None
        if self.uses or size is None or size > FOLDED or op.op_def.is_stateful or "state[" in result.text:
            return None
        if not all(isinstance(value, (Constant, Sizes)) for value in values):
            return None
        with np.errstate(all="ignore"):
            found = eval(result.text, dict(self.namespace))
        return np.asarray(found, op.outputs[0].dtype.as_numpy_dtype)

    def inlined(self, tensor: tf.Tensor) -> bool:
        """Whether a tensor is written where it is used: a scalar that is used once, in the same phase."""
        if tensor.name in self.kept and self.caller is None:
            return False
        users = [op for op in tensor.consumers() for source in op.inputs if source.name == tensor.name]
        users = [op for op in users if op.type not in ("NoOp", "Shape")]
        if self.caller is None:
            users = [op for op in users if op.name in self.live]
        times = len(users) + (self.returned.count(key_of(tensor)) if self.caller else 0)
        if times != 1 or tensor.op.type in OWN_LINE:
            return False
        if tensor.dtype == tf.variant:  # a list that is the next value of a variable of a loop
            return not users and self.caller is not None
        if tensor.shape.rank != 0 and (tensor.op.type not in LIGHT or self.is_open(tensor)):
            return False
        if any(op.type in ("While", "StatelessWhile", "If", "StatelessIf") for op in users):
            return False
        return self.caller is not None or self.phase_of.get(users[0].name) == self.phase

    def is_open(self, tensor: tf.Tensor) -> bool:
        """Whether others may ask for sizes of a tensor, so that it needs a name."""
        own = key_of(tensor)
        shape = self.shape(tensor)
        return shape is None or any(isinstance(n, Size) and n.parts[0] == own for n in shape)

    def new_name(self, tensor: tf.Tensor) -> Name:
        return Name(self.names.of(tensor, self.scope), self.phase)

    def array_shape(self, key: str) -> np.ndarray:
        """Returns the shape of a variable."""
        shape = self.reading.graph.get_operation_by_name(key).get_attr("shape")
        return np.array(tf.TensorShape(shape).as_list(), np.int32)


class Call:
    """An op, as a rule sees it."""

    def __init__(self, transcriber: Transcriber, op: tf.Operation) -> None:
        self.at, self.op = transcriber, op

    def __len__(self) -> int:
        return len(self.op.inputs)

    @property
    def output(self) -> tf.Tensor:
        return self.op.outputs[0]

    def arg(self, place: int, level: int = ATOM) -> str:
        """Returns an input as an expression."""
        value = self.value(place)
        if isinstance(value, Sizes) and not value.scalar and self.op.type in dimensions.ELEMENTWISE:
            if value.sizes == tuple(range(len(value.sizes))):
                return f"np.arange({len(value.sizes)})"
            return f"np.array({self.at.text(self.op.inputs[place])})"
        return self.at.text(self.op.inputs[place], level)

    def args(self) -> list[str]:
        return [self.arg(place, COMPARE) for place in range(len(self))]

    def attr(self, name: str) -> Any:
        return self.op.get_attr(name)

    def value(self, place: int) -> Value:
        return self.at.value(self.op.inputs[place])

    def shape(self, place: int) -> list[Dimension] | None:
        return self.at.shape(self.op.inputs[place])

    def constant(self, place: int) -> np.ndarray | None:
        """Returns the value of an input that is known when the file is written, or None."""
        value = self.value(place)
        if isinstance(value, Constant):
            return value.array
        if isinstance(value, Sizes) and all(isinstance(size, int) for size in value.sizes):
            return np.array(value.sizes[0] if value.scalar else value.sizes, np.int64)
        return None

    def sizes(self, place: int) -> Sizes | None:
        """Returns an input that is made of sizes of arrays and integers, or None."""
        value = self.value(place)
        if isinstance(value, Sizes):
            return value
        if not isinstance(value, Constant) or value.array.dtype.kind != "i" or value.array.ndim > 1:
            return None
        if value.array.size > 16:
            return None
        return Sizes(tuple(int(n) for n in value.array.ravel()), value.array.ndim == 0)

    def handle(self, place: int = 0) -> str:
        """Returns the key of the variable that an input is."""
        value = self.value(place)
        if not isinstance(value, Handle):
            raise self.refusal("takes a resource that is not a variable")
        return value.key

    def helper(self, name: str) -> str:
        """Returns the name of a function at the top of the file, which is then written there."""
        if name not in self.at.namespace:
            raise KeyError(name)
        return name

    def dtype(self, tensor: tf.Tensor | None = None) -> str:
        """Returns the NumPy dtype of the output, as it is written."""
        name = (self.output if tensor is None else tensor).dtype.as_numpy_dtype().dtype.name
        return "bool" if name == "bool" else f"np.{name}"

    def refusal(self, rule: str) -> ValueError:
        """Returns the error that names the op and the line that made it."""
        place = self.at.caller or self.op.name
        inside = "" if place == self.op.name else f" in {place}"
        line = self.at.reading.line(place)
        return ValueError(self.at.check.message(f"{self.op.name}{inside} ({self.op.type}) {rule}", line=line))


__all__ = ["ATOM", "COMPARE", "PLUS", "POWER", "TIMES", "Call", "Code", "Result", "Rule", "Transcriber"]
