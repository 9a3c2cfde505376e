"""What some outputs need of a graph: the ops that an export copies, and what it refuses.

The ops are copied into a new graph, since an export holds a complete graph: of the trainer's own it would
hold the gradients and slots as well.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.graph import copies, walk
from graphkit.nn import inputs

TABLE, TABLE_IMPORT = "HashTableV2", "LookupTableImportV2"  # of a table whose entries are in the graph


class Extract:
    """The ops that some outputs need of a graph, without dropout that drops nothing.

    Args:
      check: of the function that users called.
      session: the session of the graph, by which keep_probs are computed.
      outputs: {name: tensor}.
      constants: {placeholder: value} of what is to be constant.

    Attributes:
      ops: the ops, in the order in which they were made.
      inputs: placeholders without a default among them.
      variables: {op that is a variable: the variable}.
      initializers: ops that fill tables.
      library: the functions that the ops call.

    Raises:
      ValueError: an output depends on no input, or on state or code that an export cannot hold.
    """

    def __init__(
        self,
        check: checks.Checker,
        session: tf.compat.v1.Session,
        *,
        outputs: Mapping[str, tf.Tensor],
        constants: Mapping[tf.Tensor, Any],
    ) -> None:
        self.graph, self.outputs = session.graph, outputs
        targets = list(outputs.values())
        defaults = (op for op in self.graph.get_operations() if op.type == "PlaceholderWithDefault")
        # For ops that are copied as another one: the tensor that they hand on, or the array that they hold.
        # Placeholders with a default hand it on: in an export, the inputs of its signature alone are fed.
        # Dropout that keeps everything hands on its input, so that nobody computes its masks.
        self.instead: dict[tf.Operation, Any] = {
            **{op: op.inputs[0] for op in defaults},
            **{placeholder.op: value for placeholder, value in constants.items()},
            **idle_dropouts(session, targets, constants),
        }
        for name, tensor in outputs.items():
            check.require(
                any(map(self.is_input, self.needed([tensor]))),
                f"{tensor.name} must depend on a placeholder without a default, which is not in feed",
                output=name,
            )
        self.initializers = table_imports(self.graph, self.needed(targets))
        self.ops = self.needed([*targets, *self.initializers])
        self.inputs = [op.outputs[0] for op in self.ops if self.is_input(op)]
        nodes = [op.node_def for op in self.ops]
        self.library = walk.needed_functions(nodes, self.graph.as_graph_def().library)
        self.check_state(check)
        self.variables = self.find_variables(check)

    def needed(self, targets: Iterable[tf.Tensor | tf.Operation]) -> list[tf.Operation]:
        """Returns the ops that the tensors (or ops) need, in the order in which they were made."""
        return walk.as_made(walk.ancestors(targets, self.sources))

    def sources(self, op: tf.Operation) -> tuple[tf.Operation, ...]:
        """Returns the ops that the copy of an op takes values of, or waits for."""
        if op not in self.instead:
            return walk.sources(op)
        source = self.instead[op]
        return (source.op, *op.control_inputs) if tf.is_tensor(source) else ()

    def is_input(self, op: tf.Operation) -> bool:
        return walk.is_fed(op) and op not in self.instead

    def check_state(self, check: checks.Checker) -> None:
        """Refuses ops whose state, or whose code, would not be in the export."""
        filled = {op.inputs[0].op for op in self.initializers}
        for op in self.ops:
            # An op without inputs that hands out a resource or a reference is where that state lives.
            holds = any(t.dtype == tf.resource or t.dtype != t.dtype.base_dtype for t in op.outputs)
            known = op.inputs or op.type in walk.VARIABLES or op in filled
            check.require(
                known or not holds,
                "outputs must not depend on a state other than variables and tables of constants",
                op=op.name,
                type=op.type,
            )
            # `emit` replaces a reference variable by a read of a resource variable, which no op can change.
            check.require(
                not any(argument.is_ref for argument in op.op_def.input_arg),
                "outputs must not depend on an op that may change a reference variable",
                op=op.name,
                type=op.type,
            )
        for node in (*(op.node_def for op in self.ops), *nodes_of_functions(self.library)):
            check.require(
                not walk.DATA.match(node.op),
                "outputs must not depend on a state other than variables and tables of constants",
                op=node.name,
                type=node.op,
            )
            check.require(
                node.op not in walk.PYTHON,
                "outputs must not depend on a Python function, which no other program has",
                op=node.name,
                type=node.op,
            )

    def find_variables(self, check: checks.Checker) -> dict[tf.Operation, tf.Variable]:
        """Returns {op: variable} of the ops that are variables."""
        keys = (tf.compat.v1.GraphKeys.GLOBAL_VARIABLES, tf.compat.v1.GraphKeys.LOCAL_VARIABLES)
        known = {walk.handle_op(v): v for key in keys for v in self.graph.get_collection(key)}
        found = {op: known.get(op) for op in self.ops if op.type in walk.VARIABLES}
        unlisted = [op.name for op, variable in found.items() if variable is None]
        check.require(
            not unlisted,
            "a variable must be in the collection of global or of local variables",
            variables=unlisted,
        )
        return found

    def definition(self, without: Iterable[tf.Operation] = ()) -> tf.compat.v1.GraphDef:
        """Returns the `GraphDef` of the ops, on no device, without variables and those to leave out."""
        left_out = {*self.variables, *without}
        return copies.definition_of(self.ops, without=left_out, rewrite=self.rewrite, keep_devices=False)

    def rewrite(self, op: tf.Operation, node: tf.compat.v1.NodeDef) -> None:
        """Makes the node of what is constant a constant; idle dropout hands on its input."""
        if op not in self.instead:
            return
        source = self.instead[op]
        dtype = op.outputs[0].dtype.as_datatype_enum
        controls = [name for name in node.input if name[0] == "^"]
        node.ClearField("attr")
        if tf.is_tensor(source):
            node.op = "Identity"
            node.input[:] = [source.name, *controls]
            node.attr["T"].type = dtype
        else:
            node.op = "Const"
            del node.input[:]
            node.attr["dtype"].type = dtype
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(source, dtype))


def nodes_of_functions(library: Any) -> Iterator[tf.compat.v1.NodeDef]:
    """Yields the nodes in the bodies of a `FunctionDefLibrary`."""
    return (node for function in library.function for node in function.node_def)


def idle_dropouts(
    session: tf.compat.v1.Session, targets: Iterable[tf.Tensor], constants: Mapping[tf.Tensor, Any]
) -> dict[tf.Operation, tf.Tensor]:
    """Returns {op of a dropout's outputs: its inputs} of those that keep everything."""
    ops = walk.ancestors(targets)
    tensors = {tensor.name: tensor for op in ops for tensor in op.outputs}
    known = {placeholder.name for placeholder in constants}
    keep_probs, sources = {}, {}
    for text in session.graph.get_collection(inputs.DROPOUTS):
        source, keep_prob, result = map(tensors.get, json.loads(text))
        if result is not None and session.graph.is_fetchable(keep_prob):
            needed = {placeholder.name for placeholder in walk.needed_placeholders([keep_prob])}
            if needed <= known:
                keep_probs[result.op], sources[result.op] = keep_prob, source
    values = session.run(keep_probs, constants)
    return {op: sources[op] for op, value in values.items() if value == 1}


def table_imports(graph: tf.Graph, ops: Iterable[tf.Operation]) -> list[tf.Operation]:
    """Returns the ops that fill the tables among the ops."""
    tables = {op for op in ops if op.type == TABLE}
    initializers = graph.get_collection(tf.compat.v1.GraphKeys.TABLE_INITIALIZERS)
    return [op for op in initializers if op.type == TABLE_IMPORT and op.inputs[0].op in tables]
