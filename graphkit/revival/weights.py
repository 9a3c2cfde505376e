"""Which constants of a frozen graph are weights: those that feed layers, also through other ops."""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from graphkit.graph import walk
from graphkit.revival import nodes as graphs
from graphkit.revival.nodes import Nodes

ALL = tuple(range(64))
# {type of op: places of its inputs that are weights}
PRODUCTS: dict[str, Sequence[int]] = {
    **dict.fromkeys(("Conv2D", "Conv3D", "DepthwiseConv2dNative", "Dilation2D"), (1,)),
    **dict.fromkeys(("Conv2DBackpropInput", "Conv3DBackpropInput", "Conv3DBackpropInputV2"), (1,)),
    "DepthwiseConv2dNativeBackpropInput": (1,),
    **dict.fromkeys(("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "SparseMatMul"), (0, 1)),
    "SparseTensorDenseMatMul": (3,),
    "Einsum": ALL,
}
NORMS = {
    **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), (1, 2, 3, 4)),
    "BatchNormWithGlobalNormalization": (1, 2, 3, 4),
}
LOOKUPS = ("Gather", "GatherV2", "GatherNd", "ResourceGather")
SLOTS: dict[str, Sequence[int]] = {
    **PRODUCTS,
    **NORMS,
    **dict.fromkeys(LOOKUPS, (0,)),
    **dict.fromkeys(("BiasAdd", "BiasAddV1"), (1,)),
    "LSTMBlockCell": (3, 4, 5, 6, 7),
    **dict.fromkeys(("BlockLSTM", "BlockLSTMV2"), (4, 5, 6, 7, 8)),
    "GRUBlockCell": (2, 3, 4, 5),
    **dict.fromkeys(("CudnnRNN", "CudnnRNNV2", "CudnnRNNV3"), (3,)),
}
AVERAGES = {**dict.fromkeys(NORMS, (3, 4)), "BatchNormWithGlobalNormalization": (1, 2)}
SUMS, FACTORS = ("Add", "AddV2", "Sub"), ("Mul", "RealDiv")
ROOTS = ("Rsqrt", "Sqrt")
SAME = ("Identity", "ReadVariableOp", "Reshape", "ExpandDims", "Squeeze", "Cast", "Snapshot", "Transpose")
READ_NAMES = re.compile(r"(^|/)ReadVariableOp(_\d+)?$")
READS = ("Identity", "ReadVariableOp")
# What leaves a sum of products one, so that a vector added to it is a bias.
LINEAR = (*SAME, *SUMS, *FACTORS, *NORMS, "AddN", "BiasAdd", "BiasAddV1", "ConcatV2", "BatchToSpaceND", "Pad")
AVERAGE_NAMES = re.compile(r"(^|/)(moving|running|population|pop)_?(mean|var|avg|average)|ExponentialMoving")
VECTOR_NAMES = re.compile(r"(^|/)(bias(es)?|gamma|beta|scale|offset|shift|alphas?)(_\d+)?$")
OFFSET_NAMES = re.compile(r"_bn_offset$")
BRANCHES = ("Switch", "RefSwitch")  # of TensorFlow 1
CALLS = {
    **dict.fromkeys(("While", "StatelessWhile"), ("body", 0)),
    **dict.fromkeys(("PartitionedCall", "StatefulPartitionedCall"), ("f", 0)),
    **dict.fromkeys(("If", "StatelessIf"), ("then_branch else_branch", 1)),
    **dict.fromkeys(("Case", "StatelessCase"), ("branches", 1)),
}


class Weight(NamedTuple):
    """A constant that is a weight.

    Attributes:
      role: what it is for, in words.
      taker: the node that takes it.
      average: whether it is a moving average, which is not trained.
    """

    role: str
    taker: str
    average: bool


class Finder:
    """Finds the weights among the constants of a graph, or among the arguments of a function.

    Args:
      nodes: the nodes.

    Attributes:
      weights: {name of a constant (or argument): `Weight`}.
      stayed: {name of an array of floats: why it stays a constant}.
      folded: names of nodes where a batch norm was multiplied into the layer before it.
    """

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self.weights: dict[str, Weight] = {}
        self.stayed: dict[str, str] = {}
        self.folded: list[str] = []
        order = nodes.ordered()
        self.live, self.linear = set[str](), set[str]()
        self.leaves_of: dict[str, list[str]] = {}
        for node in order:
            self.place(node)
        for node in order:
            if node.name in self.live:
                self.look_at(node)
        for node in order:
            if node.name not in self.weights and self.was_variable(node):
                self.stayed.pop(node.name, None)
                self.add(node.name, "a variable of the program, by its read", node)
            if node.name not in self.weights and self.is_leaf(node):
                if AVERAGE_NAMES.search(node.name) and node.name not in self.stayed:
                    self.add(node.name, "", node, average=True)  # where a flag chooses it or the batch's
                    continue
                takers = [taker.name for taker, _ in nodes.consumers.get(node.name, [])]
                self.stayed.setdefault(node.name, f"{', '.join(takers[:3])} takes it")

    def place(self, node: Any) -> None:
        """Notes whether a node depends on inputs, and whether its values are sums of products."""
        data = values_of(node)
        source = not data and node.op not in ("Const", graphs.STATIC_ARGUMENT, "NoOp")
        if source or not self.live.isdisjoint(data) or node.op in walk.HANDS_BACK:
            self.live.add(node.name)
        known = not self.linear.isdisjoint(data)
        if node.op in PRODUCTS or (node.op in LINEAR and known):
            self.linear.add(node.name)

    def is_leaf(self, node: Any) -> bool:
        return node.op == graphs.STATIC_ARGUMENT or (graphs.is_float_array(node) and is_outside(node))

    def was_variable(self, node: Any) -> bool:
        """Whether a constant has the read that freezing leaves of a variable's."""
        if node.op != graphs.STATIC_ARGUMENT and not (graphs.is_float(node) and is_outside(node)):
            return False
        takers = (taker for taker, _ in self.nodes.consumers.get(node.name, []) if taker.op in READS)
        return any(t.name == f"{node.name}/read" or READ_NAMES.search(t.name) for t in takers)

    def is_static(self, name: str) -> bool:
        return name not in self.live

    def needs(self, name: str) -> list[Any]:
        """Returns the nodes whose values an expression is made of."""
        waiting, seen = [name], {name: None}  # a dict, for its order
        while waiting:
            for source in values_of(self.nodes.by_name[waiting.pop()]):
                if source not in seen:
                    seen[source] = None
                    waiting.append(source)
        return [self.nodes.by_name[found] for found in seen]

    def leaves(self, name: str) -> list[str]:
        """Returns the arrays of floats that a constant expression is made of."""
        if name not in self.leaves_of:
            needed = self.needs(name)
            found = [node.name for node in needed if self.is_leaf(node)]
            self.leaves_of[name] = self.that_were_variables(found)
        return self.leaves_of[name]

    def that_were_variables(self, leaves: list[str]) -> list[str]:
        """Returns the arrays without those that were constants in the program, too.

        Freezing turns the read of a variable into an `Identity`. Where some of the arrays of an expression
        have one, those without it were constants, such as what is added to the bias of a forget gate.
        """
        read = [leaf for leaf in leaves if any(n.op in READS for n, _ in self.nodes.consumers[leaf])]
        if read:
            reason = "it has no read as variables have, where it is combined with some"
            self.stayed.update({leaf: reason for leaf in leaves if leaf not in read})
        return read or leaves

    def add(self, name: str, role: str, taker: Any, *, average: bool = False) -> None:
        average = average or bool(AVERAGE_NAMES.search(name))
        role = "moving average" if average else role
        earlier = self.weights.get(name)
        if earlier is None or (average and not earlier.average):
            self.weights[name] = Weight(role, taker.name, average)

    def look_at(self, node: Any) -> None:
        """Adds the weights that a node takes which depends on inputs."""
        data = graphs.data_inputs(node)
        if node.op in SLOTS:
            for place in SLOTS[node.op]:
                if place < len(data) and self.is_static(data[place]):
                    self.fill(node, place, data[place])
        elif node.op in (*SUMS, *FACTORS) and len(data) == 2:
            for place, other in ((0, 1), (1, 0)):
                if self.is_static(data[place]) and not self.is_static(data[other]):
                    self.combine(node, place, data[place], data[other])
        elif node.op in CALLS:
            self.call(node, data)

    def fill(self, node: Any, place: int, name: str) -> None:
        """Adds what feeds a place of an op that only weights feed."""
        for leaf in self.leaves(name):
            if node.op in LOOKUPS and not self.is_table(leaf):
                self.stayed[leaf] = f"{node.name} looks numbers up in it, of one axis"
                continue
            role = f"of {node.op}"
            if OFFSET_NAMES.search(leaf):
                self.folded.append(node.name)
                role = "bias, and offset of a batch norm that was folded in"
            self.add(leaf, role, node, average=place in AVERAGES.get(node.op, ()))

    def is_table(self, leaf: str) -> bool:
        node = self.nodes.by_name[leaf]
        return node.op == graphs.STATIC_ARGUMENT or len(graphs.shape_of(node)) > 1

    def is_vector(self, leaf: str) -> bool:
        """Whether the array has at most one axis longer than 1, as biases and scales have."""
        node = self.nodes.by_name[leaf]
        if node.op == graphs.STATIC_ARGUMENT:
            return True
        return sum(size > 1 for size in graphs.shape_of(node)) <= 1

    def combine(self, node: Any, place: int, name: str, other: str) -> None:
        """Adds what is added to, or multiplied with, values that depend on inputs."""
        found = self.leaves(name)
        if not found:
            return
        if not all(map(self.is_vector, found)):
            reason = f"{node.name} takes it, along more than one axis, as a mask or a position"
            self.stayed.update(dict.fromkeys(found, reason))
            return
        if any(n.op in ROOTS for n in self.needs(name)):
            for leaf in found:
                self.add(leaf, "of a batch norm", node, average=self.is_average(leaf))
        elif node.op == "Sub" and place == 1 and self.is_normalized(node.name):
            for leaf in found:
                self.add(leaf, "moving average", node, average=True)
        elif node.op in SUMS and other in self.linear:
            for leaf in found:
                self.add(leaf, "bias", node)
        elif node.op in FACTORS and self.follows_product(other):
            self.folded.append(node.name)
            for leaf in found:
                self.add(leaf, "scale of a batch norm that was folded", node)
        elif any(map(VECTOR_NAMES.search, found)):
            for leaf in found:
                self.add(leaf, "scale or offset, by its name", node)
        else:
            reason = f"{node.name} takes it, but no layer's output is next to it"
            self.stayed.update(dict.fromkeys(found, reason))

    def follows_product(self, name: str) -> bool:
        """Whether the values are those of a convolution or a matrix product."""
        node = self.nodes.by_name[name]
        while node.op in SAME:
            node = self.nodes.by_name[graphs.data_inputs(node)[0]]
        return node.op in PRODUCTS

    def is_normalized(self, name: str) -> bool:
        """Whether the values are multiplied with, or divided by, the root of constants."""
        for taker, _ in self.nodes.consumers.get(name, []):
            sides = [side for side in graphs.data_inputs(taker) if self.is_static(side)]
            if taker.op in FACTORS and any(n.op in ROOTS for side in sides for n in self.needs(side)):
                return True
        return False

    def takers(self, name: str) -> Iterator[tuple[Any, int]]:
        """Yields (node that takes a value, place), through ops that hand it on."""
        waiting = [name]
        while waiting:
            for taker, place in self.nodes.consumers.get(waiting.pop(), []):
                if taker.op in SAME:
                    waiting.append(taker.name)
                else:
                    yield taker, place

    def is_average(self, leaf: str) -> bool:
        """Whether an array in the expression of a batch norm is its mean or its variance."""
        for taker, _ in self.takers(leaf):
            after = list(self.takers(taker.name))
            if taker.op in ROOTS or (taker.op in SUMS and any(n.op in ROOTS for n, _ in after)):
                return True  # variance + epsilon
            if taker.op == "Mul" and after and all(n.op == "Sub" and place == 1 for n, place in after):
                return True  # beta - mean * scale
        return False

    def call(self, node: Any, data: Sequence[str]) -> None:
        """Adds what a function takes as a weight, by looking at its body."""
        names, first = CALLS[node.op]
        functions = [f.name for key in names.split() for f in functions_of(node.attr[key])]
        given = {place: name for place, name in enumerate(data[first:]) if self.is_static(name)}
        for function in (self.nodes.library[name] for name in functions if name in self.nodes.library):
            if node.op in ("While", "StatelessWhile"):
                given = {place: name for place, name in given.items() if is_handed_on(function, place)}
            inner = Finder(graphs.with_arguments(function, given, self.nodes.library))
            arguments = [argument.name for argument in function.signature.input_arg]
            for place, name in given.items():
                weight = inner.weights.get(arguments[place])
                if weight is not None:
                    for leaf in self.leaves(name):
                        self.add(leaf, f"{weight.role} in {node.name}", node, average=weight.average)
            inside = (n for n in inner.weights if n not in arguments)
            reason = "it is inside a function"
            self.stayed.update({f"{n} (in function {function.signature.name})": reason for n in inside})


def is_outside(constant: Any) -> bool:
    """Whether a constant is outside of the branches and loops of TensorFlow 1.

    Inside, it waits for what begins the branch or the loop, and was a constant in the program, too.
    """
    return not constant.input


def values_of(node: Any) -> list[str]:
    """Returns the names of the nodes whose values a node hands on or computes with."""
    data = graphs.data_inputs(node)
    return data[:1] if node.op in BRANCHES else data  # the second input only chooses the branch


def functions_of(value: Any) -> list[Any]:
    return [value.func] if value.func.name else list(value.list.func)


def is_handed_on(function: Any, place: int) -> bool:
    """Whether the body of a loop returns an argument as it is."""
    names = {argument.name for argument in function.signature.input_arg}
    nodes = {node.name: node for node in function.node_def}
    text = function.ret[function.signature.output_arg[place].name]
    while graphs.owner(text) in nodes and nodes[graphs.owner(text)].op == "Identity":
        text = nodes[graphs.owner(text)].input[0]
    return text in names and text == function.signature.input_arg[place].name


def find(nodes: Nodes, constants: Collection[str]) -> Finder:
    """Returns the weights of a graph, without those that are to stay constants."""
    found = Finder(nodes)
    for name in constants:
        if found.weights.pop(name, None) is not None:
            found.stayed[name] = "as asked by constants"
    return found


def count(shapes: Mapping[str, Sequence[int]]) -> int:
    return sum(math.prod(shape) for shape in shapes.values())
