"""Names: Python identifiers from the names of ops, `d_x` for the gradient for x."""

import keyword
import re
from collections.abc import Iterable

import tensorflow as tf

from graphkit.graph import walk
from graphkit.transcription.reading import Reading

GRADIENT = re.compile(r"^(?:.*/)?gradients(?:_\d+)?/(.+)_grad/(.+)$")
# How the result of an op is called, where its type says it better than the op's own name does.
RESULTS = {
    "MatMul": "matmul",
    "BatchMatMulV2": "matmul",
    "BiasAdd": "z",
    "Conv2D": "conv",
    "DepthwiseConv2dNative": "conv",
    "MaxPool": "pooled",
    "AvgPool": "pooled",
    "ResourceGather": "rows",
    "SelectV2": "chosen",
    "ConcatV2": "joined",
    "Mul": "product",
    "RealDiv": "quotient",
    "AddV2": "sum",
    "AddN": "sum",
    "Sub": "difference",
}
USUAL = {"RealDiv": "truediv", "AddV2": "add", "BiasAdd": "BiasAdd"}  # names that TensorFlow gives ops
RESERVED = {"state", "np", "f", "b", "training", "learning_rate", "step", "gradients", "main", "self", "_"}
ALIASES = ("Identity", "StopGradient", "EnsureShape", "CheckNumerics", "Snapshot", "PreventGradient")
INSIDE = re.compile(r"^inside(_\d+)?/")  # what a copy of an op of a function has before its name
NUMBERED = re.compile(r"_(\d+)$")


def identifier(name: str) -> str:
    """Returns a name of a graph as a Python identifier: "hidden1/MatMul" is hidden1_matmul."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", name.split(":")[0])
    name = re.sub(r"\W+", "_", name).strip("_").lower()
    name = re.sub(r"__+", "_", name)
    if not name or name[0].isdigit():
        name = f"x{name}"
    return f"{name}_" if keyword.iskeyword(name) or name in RESERVED else name


class Names:
    """Names for tensors, each used once.

    Args:
      reading: the step.
      taken: names that no tensor may have.
    """

    def __init__(self, reading: Reading, taken: Iterable[str] = ()) -> None:
        self.reading = reading
        self.taken, self.functions = set(taken), frozenset(taken)
        self.given: dict[str, str] = {}
        self.wrt = gradients_of(reading)
        self.parts = parts_of(reading, self.wrt)
        self.forward: dict[str, str] = {}  # {name of a tensor: its name in the file}

    def reserve(self, tensor: str, name: str) -> None:
        """Gives a tensor of the graph this name when it is defined."""
        self.given[tensor] = name

    def fresh(self, name: str) -> str:
        """Returns the name, or the name with a number if it is used already."""
        name = f"{name}_out" if name in self.functions else name
        number, found = 2, name
        while found in self.taken or found in RESERVED:
            found = f"{name}_{number}"
            number += 1
        self.taken.add(found)
        return found

    def of(self, tensor: tf.Tensor, scope: str = "") -> str:
        """Returns a name for a tensor.

        Args:
          tensor: of the step, or of a function.
          scope: name of the op that calls the function.
        """
        if tensor.graph is self.reading.graph:
            name = self.fresh(self.given.get(tensor.name) or self.chosen(tensor))
            self.forward[tensor.name] = name
            return name
        inner = bare(tensor.op.name)
        return self.fresh(identifier(f"{scope}/{plain(inner, tensor.op.type)}"))

    def chosen(self, tensor: tf.Tensor) -> str:
        target = self.wrt.get(tensor.name)
        if target is not None:
            name = f"d_{self.name_of(target)}"
            if tensor.name in self.parts:
                return f"{name}_{self.parts[tensor.name]}"
            return name
        found = GRADIENT.match(tensor.op.name)
        if found:
            return f"d_{identifier(plain(found[1], ''))}_{identifier(last(tensor.op.type))}"
        return self.plain_name(tensor.name)

    def name_of(self, tensor: str) -> str:
        """Returns what a tensor of the forward pass is called; ops that change nothing have no name."""
        found = self.reading.graph.get_tensor_by_name(tensor)
        source = walk.origin(found, ALIASES).name
        for name in (tensor, source):
            if name in self.forward or name in self.given:
                return self.forward.get(name) or self.given[name]
        return self.plain_name(source)

    def plain_name(self, tensor: str) -> str:
        op = self.reading.graph.get_tensor_by_name(tensor).op
        if op.type in ("ReadVariableOp", "VarHandleOp"):
            handle = op.inputs[0].op if op.inputs else op
            return identifier(handle.name)
        if op.type in ("Identity", "Cast", "EnsureShape") and op.name.endswith(
            ("/ReadVariableOp", "/Identity")
        ):
            return self.plain_name(op.inputs[0].name)
        output = int(tensor.split(":")[1])
        name = identifier(plain(op.name, op.type))
        if op.type.endswith("SoftmaxCrossEntropyWithLogits") and output:
            return f"{name.removesuffix('_each')}_grad"
        return f"{name}_{output}" if output else name


def parts_of(reading: Reading, wrt: dict[str, str]) -> dict[str, int]:
    """Returns {name of a gradient that is a part of a sum: its number}."""
    found: dict[str, int] = {}
    for op in reading.graph.get_operations():
        if op.type == "AddN" and op.outputs[0].name in wrt:
            for number, tensor in enumerate(op.inputs, start=1):
                for source in (tensor, walk.origin(tensor, ALIASES)):
                    found[source.name] = number
    return found


def bare(name: str) -> str:
    """Returns the name that an op has in its function."""
    return INSIDE.sub("", name)


def last(name: str) -> str:
    return name.rpartition("/")[2]


def plain(name: str, kind: str) -> str:
    """Returns the name of an op without what it says twice, and with a word for its result."""
    parts: list[str] = []
    for part in name.split("/"):
        if not parts or part != parts[-1]:
            parts.append(part)
    own = NUMBERED.sub("", parts[-1])
    number = NUMBERED.search(parts[-1])
    if own.lower() in (kind.lower(), USUAL.get(kind)):
        parts[-1] = RESULTS.get(kind, own)
    elif number and number[0] != parts[-1]:
        parts[-1] = own
    if kind.endswith("SoftmaxCrossEntropyWithLogits") and len(parts) > 1:
        parts[-1] = "each"
    return "/".join(parts)


def gradients_of(reading: Reading) -> dict[str, str]:
    """Returns {name of a tensor: name of the tensor of the forward pass that it is the gradient for}."""
    graph = reading.graph
    found: dict[str, str] = {}
    ops = graph.get_operations()
    known = {op.name: op for op in ops}
    for op in ops:
        match = GRADIENT.match(op.name)
        forward = known.get(match[1]) if match else None
        if forward is None or match is None:
            continue
        floats = [tensor for tensor in forward.inputs if tensor.dtype.is_floating]
        control = re.match(r"tuple/control_dependency(?:_(\d+))?$", match[2])
        if control and op.inputs:
            place = int(control[1] or 0)  # counted without inputs that have no gradient
            if place < len(floats):
                source = op.inputs[0]
                found.setdefault(source.name, floats[place].name)
                while source.op.type in ("Reshape", "Sum") and source.op.name.startswith(
                    op.name.split("_grad/")[0]
                ):
                    source = source.op.inputs[0]  # often the sum over no axis, which is not written
                    found.setdefault(source.name, floats[place].name)
                found[op.name + ":0"] = floats[place].name
        if len(floats) == 1 and not control:
            for tensor in op.outputs:
                outside = [
                    user
                    for user in tensor.consumers()
                    if not user.name.startswith(f"{op.name.split('_grad/')[0]}_grad/")
                ]
                if outside:
                    found.setdefault(tensor.name, floats[0].name)
    for op in ops:
        if op.type == "AddN" and re.match(r"^(?:.*/)?gradients(?:_\d+)?/AddN(_\d+)?$", op.name):
            target = next((found[t.name] for t in op.inputs if t.name in found), None)
            if target is not None:
                found[op.outputs[0].name] = target
    for gradient, variable in reading.gradients.items():
        if not variable.endswith(" rows"):
            found[gradient] = f"{variable}:0"
    return found
