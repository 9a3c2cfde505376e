"""Fingerprints of graphs: equal for the same computation, also in another process."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from graphkit.graph import walk

# Of lookup tables: TensorFlow gives each a name that holds a random number.
NAMED_BY_PROCESS = {"shared_name", "container"}
PY_FUNCTIONS = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}  # numbered over all that the process has made
# How functions are run, from the settings of the process; not what they compute.
AMONG_WORKERS = "graphkit/workers/"  # scope of the ops that sum over workers
SETTINGS = {"config", "config_proto", "executor_type"}


def of_scopes(ops: Iterable[tf.Operation], originals: Mapping[str, str] | None = None) -> dict[str, str]:
    """Returns {outermost scope: hash} of names, types, inputs, attributes and functions of the ops.

    Names of functions are left out: TensorFlow numbers them over all functions that the process has built,
    so the same program gives other names when it has built another graph before. What functions compute is
    part of the hash; nobody knows it of Python functions. A static lookup table counts with the keys and
    values that it is initialized with.

    Args:
      ops: of one graph.
      originals: {name of a tensor or op: name of that which it stands for}. What computes the former, in
        the scope AMONG_WORKERS, is left out: hashes do not follow from the number of workers or devices.
    """
    originals = originals or {}
    ops = {op for op in ops if not op.name.startswith(AMONG_WORKERS)}
    ops |= walk.ancestors(table_initializers(ops))
    library = walk.library_of(ops)
    digests: dict[str, Any] = {}
    for op in sorted(ops, key=lambda op: op.name):
        digest = digests.setdefault(op.name.partition("/")[0], hashlib.sha256())
        inputs = [originals.get(tensor.name, tensor.name) for tensor in op.inputs]
        waits = {originals.get(c.name, c.name) for c in op.control_inputs}
        inputs += sorted(f"^{name}" for name in waits if not name.startswith(AMONG_WORKERS))
        digest.update(repr((op.name, op.type, inputs)).encode())
        digest.update(attributes_of(op.node_def, library).encode())
        digest.update(file_of(op))
    return {scope: digest.hexdigest()[:16] for scope, digest in digests.items()}


def table_initializers(ops: set[tf.Operation]) -> list[tf.Operation]:
    """Returns the ops that fill those lookup tables that are among the ops."""
    graph = next(iter(ops)).graph
    initializers = graph.get_collection(tf.compat.v1.GraphKeys.TABLE_INITIALIZERS)
    return [op for op in initializers if op.inputs and op.inputs[0].op in ops]


def file_of(op: tf.Operation) -> bytes:
    """Returns the hash of the text file that a lookup table is initialized from; empty for other ops."""
    if not op.type.startswith("InitializeTableFromTextFile"):
        return b""
    path = tf.get_static_value(op.inputs[1])
    if path is None or not tf.io.gfile.exists(path.item()):
        return b""
    with tf.io.gfile.GFile(path.item(), "rb") as stream:
        return hashlib.sha256(stream.read()).digest()


def attributes_of(node: Any, library: Mapping[str, Any]) -> str:
    """Returns the attributes of a node as text, functions as the hash of what they compute."""
    texts = []
    for name, value in sorted(node.attr.items()):
        if name.startswith("_") or name in SETTINGS:
            continue
        if (name in NAMED_BY_PROCESS and "Table" in node.op) or (name == "token" and node.op in PY_FUNCTIONS):
            continue
        functions = [f.name for f in (value.func, *value.list.func) if f.name]
        if functions:
            texts.append((name, [of_function(function, library) for function in functions]))
        else:
            texts.append((name, value.SerializeToString(deterministic=True)))
    return repr(texts)


def of_function(name: str, library: Mapping[str, Any]) -> str:
    """Returns the hash of what a function of the library computes, whatever it and others are named."""
    if name not in library:
        return name  # an op's type
    function = library[name]
    signature = function.signature
    # By their places: TensorFlow names some arguments after the function.
    places = {arg.name: f"argument {place}" for place, arg in enumerate(signature.input_arg)}
    types = [arg.type for arg in (*signature.input_arg, *signature.output_arg)]
    nodes = []
    for node in sorted(function.node_def, key=lambda node: node.name):
        called = of_function(node.op, library) if node.op in library else node.op
        inputs = [places.get(text, text) for text in node.input]
        nodes.append((node.name, called, inputs, attributes_of(node, library)))
    returned = [function.ret[arg.name] for arg in signature.output_arg]
    returned = [places.get(text, text) for text in returned] + sorted(function.control_ret.values())
    return hashlib.sha256(repr((types, nodes, returned)).encode()).hexdigest()
