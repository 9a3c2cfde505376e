"""Exports: what some outputs need of a graph, with the values of its variables, as a TensorFlow SavedModel.

The ops are copied into a new graph, since the trainer's is finalized, and since a SavedModel holds a complete
graph: of the trainer's own it would hold the gradients and slots as well.
"""

import json
import logging
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.graph import copies, walk
from graphkit.nn import inputs
from graphkit.running import files
from graphkit.running import session as sessions

HANDLES = (tf.resource, tf.variant)  # dtypes that no array has
TABLE, TABLE_IMPORT = "HashTableV2", "LookupTableImportV2"  # of a table whose entries are in the graph


def check_folder(folder: str | os.PathLike[str]) -> Path:
    """Returns the folder's path, without links; an export must be able to take its place.

    Raises:
      TypeError: folder is not a path.
      ValueError: TensorFlow could not load a SavedModel at this path.
      FileExistsError: it is a file, a folder that is not empty, or the current folder.
    """
    check = checks.Checker("export")
    check.require_type(isinstance(folder, (str, os.PathLike)), "folder must be a path", folder=folder)
    files.check_path(check, folder=folder)
    path = Path(os.path.realpath(folder))  # a folder cannot be renamed onto a link
    free = path.is_dir() and path != Path.cwd() and not any(path.iterdir())
    if path.exists() and not free:
        rule = "folder must be new, or an empty folder other than the current one"
        raise FileExistsError(check.message(rule, folder=folder))
    return path


def check_outputs(graph: tf.Graph, outputs: Any) -> dict[str, tf.Tensor]:
    """Returns {name: tensor} of a tensor, which is named "output", or of such a dict.

    Raises:
      TypeError: outputs are not tensors, or names are not strings.
      ValueError: no output, a tensor of another graph or one without values, or a name that is not printable.
    """
    check = checks.Checker("export")
    rule = "outputs must be a tensor of the trainer's graph, or {name: tensor}"
    if walk.is_graph_tensor(outputs):
        outputs = {"output": outputs}
    check.require_type(isinstance(outputs, dict), rule, outputs=outputs)
    check.require(outputs, rule, outputs=outputs)
    for name, tensor in outputs.items():
        named_tensor = isinstance(name, str) and walk.is_graph_tensor(tensor)
        check.require_type(named_tensor, rule, name=name, output=tensor)
        check.require(tensor.graph is graph, rule, name=name, output=tensor.name)
        check.require(name and name.isprintable(), "names must be printable", name=name)
        fetchable = graph.is_fetchable(tensor) and tensor.dtype not in HANDLES
        values = f"{tensor.name} must have values that can be fetched"
        check.require(fetchable, values, name=name, dtype=tensor.dtype.name)
    return dict(outputs)


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
      ValueError: an output depends on no input, or on state or code that a SavedModel cannot hold.
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
        """Refuses ops whose state, or whose code, would not be in the SavedModel."""
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

    def definition(self) -> tf.compat.v1.GraphDef:
        """Returns the `GraphDef` of the ops, without variables and on no device."""
        return copies.definition_of(
            self.ops, without=self.variables, rewrite=self.rewrite, keep_devices=False
        )

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


def write(
    session: tf.compat.v1.Session,
    folder: Path,
    outputs: Mapping[str, tf.Tensor],
    constants: Mapping[tf.Tensor, Any],
) -> None:
    """Writes a SavedModel of what the outputs need.

    Args:
      session: of their graph; the variables have its values.
      folder: as `check_folder` returned it; it is complete afterwards, or as it was before.
      outputs: {name: tensor}, as `check_outputs` returned it.
      constants: {placeholder: value} of what is to be constant; other defaults stay.

    Raises:
      ValueError: an output depends on no input, or on state or code that a SavedModel cannot hold.
      OSError: the folder cannot be written.
    """
    check = checks.Checker("export")
    extract = Extract(check, session, outputs=outputs, constants=constants)
    values = session.run(extract.variables)
    with check.system_errors(f"cannot write {folder}"):
        folder.parent.mkdir(parents=True, exist_ok=True)
    # Built next to its place, so on the same disk, and renamed into it: nobody finds half a model there. In a
    # new folder of the builder's, since a temporary one can be read by its owner alone.
    with tempfile.TemporaryDirectory(prefix=f".{folder.name[:50]}-", dir=folder.parent) as work:
        made = os.path.join(work, "model")
        try:
            with sessions.tensorflow_logs(is_warning):
                build(extract, values, made)
        except tf.errors.OpError as error:
            raise OSError(check.message(f"cannot write {folder} ({error})")) from error
        os.replace(made, folder)


def is_warning(record: logging.LogRecord) -> bool:
    """True unless the record is news of the folder that TensorFlow writes, which is renamed afterwards."""
    return record.levelno >= logging.WARNING


def build(extract: Extract, values: Mapping[tf.Operation, Any], folder: str) -> None:
    """Builds the extract in a new graph, and saves it in a new folder."""
    v1 = tf.compat.v1
    with tf.Graph().as_default():
        variables = {op: make_variable(op, old, values[op]) for op, old in extract.variables.items()}
        inputs, outputs, initializers = emit(extract, variables)
        signature = v1.saved_model.build_signature_def(
            {name: describe(tensor) for name, tensor in inputs.items()},
            {name: describe(tensor) for name, tensor in outputs.items()},
            tf.saved_model.PREDICT_METHOD_NAME,
        )
        fill_tables = tf.group(*initializers, name="fill_tables") if initializers else None
        saver = v1.train.Saver({op.name: new for op, new in variables.items()}, allow_empty=True)
        builder = v1.saved_model.Builder(folder)
        # On the processor, and without the trainer's session_config: it only holds the values to be saved.
        with v1.Session(config=sessions.make_config("cpu")) as session:
            sessions.assign(session, [(new, values[op]) for op, new in variables.items()])
            builder.add_meta_graph_and_variables(
                session,
                [tf.saved_model.SERVING],
                {tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY: signature},
                main_op=fill_tables,
                strip_default_attrs=True,
                saver=saver,
            )
        builder.save()


def make_variable(op: tf.Operation, old: tf.Variable, value: Any) -> tf.Variable:
    """Makes a variable in the place of an old one, which was this op.

    Its value is assigned later: as an initial value, it would be a constant in the graph, which TensorFlow
    limits to 2 GB, and the SavedModel would hold all weights twice.
    """
    shape, dtype = np.shape(value), old.dtype.base_dtype
    return tf.compat.v1.Variable(
        lambda: tf.zeros(shape, dtype), trainable=old.trainable, name=op.name, use_resource=True
    )


def emit(
    extract: Extract, variables: Mapping[tf.Operation, tf.Variable]
) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor], list[tf.Operation]]:
    """Copies the extract into the current graph; returns {name: input}, {name: output}, initializers."""
    in_place = {
        op.outputs[0].name: new.handle if op.type == "VarHandleOp" else new.read_value()
        for op, new in variables.items()
    }
    wanted = [*extract.inputs, *extract.outputs.values(), *extract.initializers]
    names = [element.name for element in wanted]
    pasted = copies.paste(extract.definition(), in_place, names)
    copy = dict(zip(names, pasted, strict=True))
    return (
        {placeholder.op.name: copy[placeholder.name] for placeholder in extract.inputs},
        {name: copy[tensor.name] for name, tensor in extract.outputs.items()},
        [copy[op.name] for op in extract.initializers],
    )


def describe(tensor: tf.Tensor) -> tf.compat.v1.TensorInfo:
    """Returns the `TensorInfo` that stands for a tensor in a signature."""
    shape, dtype = tensor.shape.as_proto(), tensor.dtype.as_datatype_enum
    return tf.compat.v1.TensorInfo(name=tensor.name, dtype=dtype, tensor_shape=shape)
