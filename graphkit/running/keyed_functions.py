"""Keys inside functions: copies of branches, loop bodies and called functions that take a key as an argument.

Each random op of a function draws from a key of (the function's key, its name), each function that it calls
is given such a key, and a loop carries a key from iteration to iteration, so that each has its own numbers.
"""

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit.graph import walk
from graphkit.nn import counter_random
from graphkit.running import keyed_draws

KEY = "graphkit_key"  # the argument of a function that is its key
LOOPS = ("While", "StatelessWhile")
# {type of an op that calls functions: (its attributes that name them, the attribute of its inputs' types)}
CALLS = {
    "If": (("then_branch", "else_branch"), "Tin"),
    "StatelessIf": (("then_branch", "else_branch"), "Tin"),
    "Case": (("branches",), "Tin"),
    "StatelessCase": (("branches",), "Tin"),
    "While": (("cond", "body"), "T"),
    "StatelessWhile": (("cond", "body"), "T"),
    "PartitionedCall": (("f",), "Tin"),
    "StatefulPartitionedCall": (("f",), "Tin"),
}
numbers = itertools.count()  # for names of functions, which must differ in all definitions of a process


def random_nodes(node: Any, library: Mapping[str, Any]) -> list[Any]:
    """Returns the nodes that draw random numbers in the functions that a node calls, also through others."""
    return [inner for nodes in walk.bodies_called(node, library) for inner in nodes if draws(inner)]


def draws(node: Any) -> bool:
    """Whether a node of a function draws random numbers from the state of a kernel."""
    without = node.op.startswith("Stateless") or node.op in keyed_draws.DRAWING_NOTHING
    return "seed2" in node.attr and not without


def can_rewrite(node: Any, library: Mapping[str, Any]) -> bool:
    """Whether all calls that lead from a node to random ops are of kinds that can be given a key."""
    waiting, seen = [node], set[str]()
    while waiting:
        caller = waiting.pop()
        if not random_nodes(caller, library):
            continue
        if caller.op not in CALLS and caller.op not in library:
            return False
        for name in set(walk.names_called(caller, library)) - seen:
            seen.add(name)
            # A key cannot enter a loop of TensorFlow 1, which is made of single ops.
            if any(inner.op.endswith("Enter") for inner in library[name].node_def):
                return False
            waiting += library[name].node_def
    return True


def traced(function: Callable, shapes: Sequence[list], dtypes: Sequence[tf.DType]) -> Any:
    """Returns the FunctionDef of a function of arguments of these shapes and dtypes."""
    return concrete(function, shapes, dtypes).function_def


def concrete(function: Callable, shapes: Sequence[Any], dtypes: Sequence[tf.DType]) -> Any:
    specs = [tf.TensorSpec(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
    return tf.function(function, autograph=False).get_concrete_function(*specs)


def drawing(node: Any, key_of: Callable[[tf.Tensor], tf.Tensor] = tf.identity) -> list[Any]:
    """Returns the FunctionDef of a function (inputs, key) -> what a random op draws, and of those it calls.

    Args:
      node: of the op as it is.
      key_of: makes of the function's key what is drawn from.
    """
    given = type(node)()
    given.CopyFrom(node)
    shapes, dtypes = keyed_draws.specs(given)

    def outputs(*inputs: tf.Tensor) -> Any:
        return keyed_draws.DRAWS[given.op].numbers(given, key_of(inputs[-1]), *inputs[:-1])

    made = concrete(outputs, [*shapes, []], [*dtypes, tf.uint64])
    return [made.function_def, *made.graph.as_graph_def().library.function]


def call(node: Any, function: Any) -> None:
    """Makes the node a call of a function."""
    node.op = "PartitionedCall"
    node.ClearField("attr")
    node.attr["f"].func.name = function.signature.name
    node.attr["Tin"].list.type.extend(argument.type for argument in function.signature.input_arg)
    node.attr["Tout"].list.type.extend(result.type for result in function.signature.output_arg)


def derived(key: tf.Tensor, name: str) -> tf.Tensor:
    """Returns the key of what has this name in a function; that of "" is the key of the next iteration."""
    number = np.frombuffer(hashlib.sha256(name.encode()).digest()[:8], "<u8")[0]
    return counter_random.mix(key + number)


class KeyedFunctions:
    """Copies of functions that draw from a key.

    Args:
      library: {name: FunctionDef} of the functions as they are.
    """

    def __init__(self, library: Mapping[str, Any]) -> None:
        self.library = library
        self.names: dict[tuple[str, bool], str] = {}  # (function, whether it is a loop's body): its copy
        self.functions: list[Any] = []

    def add_key(self, node: Any, key: str) -> None:
        """Makes a node call copies of its functions that draw from a key.

        Args:
          node: one that calls functions.
          key: the input that is its key.
        """
        data = [name for name in node.input if name[0] != "^"]
        node.input[:] = [*data, key, *(name for name in node.input if name[0] == "^")]
        if node.op in self.library:
            node.op = self.copy(node.op)
            return
        attributes, types = CALLS[node.op]
        node.attr[types].list.type.append(tf.uint64.as_datatype_enum)
        for name in attributes:
            value = node.attr[name]
            for function in value.list.func or [value.func]:
                function.name = self.copy(function.name, is_body=name == "body")
        if node.op in LOOPS and node.attr["output_shapes"].list.shape:
            node.attr["output_shapes"].list.shape.add()  # of a scalar

    def copy(self, name: str, is_body: bool = False) -> str:
        """Returns the name of the copy of a function that takes a key as its last argument."""
        if (name, is_body) in self.names:
            return self.names[name, is_body]
        made = self.names[name, is_body] = f"graphkit_keyed_{next(numbers)}_{name}"
        function = type(self.library[name])()
        function.CopyFrom(self.library[name])
        function.signature.name = made
        function.signature.input_arg.add(name=KEY, type=tf.uint64.as_datatype_enum)
        for node in list(function.node_def):
            if draws(node):
                self.draw_from_key(function, node)
            elif random_nodes(node, self.library):
                self.add_key(node, self.derive(function, node.name))
        if is_body:
            function.signature.output_arg.add(name="graphkit_next_key", type=tf.uint64.as_datatype_enum)
            function.ret["graphkit_next_key"] = self.derive(function, "")
        self.functions.append(function)
        return made

    def derive(self, function: Any, name: str) -> str:
        """Adds a node to a function that makes the key of what has this name; returns it as an input."""
        made = traced(lambda key: derived(key, name), [[]], [tf.uint64])
        self.functions.append(made)
        node = function.node_def.add(name=f"{KEY}_of_{name}" if name else f"{KEY}_next", input=[KEY])
        call(node, made)
        return f"{node.name}:output:0"

    def draw_from_key(self, function: Any, node: Any) -> None:
        """Makes the node of a random op in a function call one (inputs, key) -> its outputs."""
        name, outputs = node.name, keyed_draws.DRAWS[node.op].outputs
        made = drawing(node, lambda key: derived(key, name))
        self.functions += made
        call(node, made[0])
        data = [text for text in node.input if text[0] != "^"]
        node.input[:] = [*data, KEY, *(text for text in node.input if text[0] == "^")]
        if len(outputs) > 1:
            # The outputs of a call have one name, and numbers.
            new = {f"{name}:{old}:0": f"{name}:output:{place}" for place, old in enumerate(outputs)}
            for other in function.node_def:
                other.input[:] = [new.get(text, text) for text in other.input]
            for result, text in function.ret.items():
                function.ret[result] = new.get(text, text)

    def complete(self, definition: Any) -> None:
        """Adds to a definition the copies, and those functions of the library that they call."""
        whole = tf.compat.v1.GraphDef().library
        whole.function.extend(self.library.values())
        have = {function.signature.name for function in definition.library.function}
        bodies = [node for function in self.functions for node in function.node_def]
        needed = walk.needed_functions(bodies, whole).function if self.functions else []
        definition.library.function.extend(f for f in needed if f.signature.name not in have)
        definition.library.function.extend(self.functions)
