"""`gk.revive`: a model of TensorFlow 1's files, made trainable again."""

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.graph import walk
from graphkit.revival import artefacts, ends, op_kinds, rewrites, source, values, weights
from graphkit.revival import nodes as graphs
from graphkit.revival.artefacts import Artefact, Declared
from graphkit.revival.nodes import Nodes
from graphkit.revival.revived import Revived, Story, find_output
from graphkit.revival.values import Stored

__all__ = ["revive"]

Names = str | Sequence[str] | Mapping[str, str]


def revive(
    path: str | os.PathLike[str],
    *,
    inputs: Names | None = None,
    outputs: Names | None = None,
    allow: Collection[str] = (),
    constants: Collection[str] = (),
    open_batch: bool = False,
    tags: Collection[str] = ("serve",),
    signature: str = "serving_default",
) -> Revived:
    """Makes a model of TensorFlow 1's files trainable again, in a graph of its own.

    Of a frozen graph, constants that feed convolutions, matrix products, biases, batch norms and lookups,
    also through ops that only hand them on, become variables of the same names; moving averages are not
    trained.
    Variables of other files, also reference variables, become resource variables with the values of the
    checkpoint. All start from the file's values, which are read when a session initializes them.

    The file is not trusted. Before anything is imported, ops that reach files, networks, Python or other
    processes are refused, also inside functions; and those that this version does not know to be harmless.

    Args:
      path: a frozen graph (.pb, or .pbtxt as text); a checkpoint with its `.meta`, or a folder with a file
        `checkpoint`; or a SavedModel's folder.
      inputs: names of tensors that are fed: those that are not placeholders become some, and what they were
        computed from is dropped. None takes the placeholders, or those of the signature.
      outputs: names of tensors that are kept, with what they need. None takes those of the signature, or
        where the model ends: what nothing takes, training aside.
      allow: types of ops that are taken although they would be refused, such as ("ReadFile",).
      constants: names of constants that stay so, although a layer takes them.
      open_batch: True makes the batch axis of inputs any size that was frozen to a number, with reshapes to
        a constant shape that begins with this number.
      tags: of the graph in a SavedModel.
      signature: of a SavedModel, where inputs or outputs are None.

    Returns:
      A `Revived`: `graph`, `inputs`, `outputs`, `variables`; `report()` says what was done, `cut(name)` drops
      what comes after a tensor, and `head(num_classes)` puts new logits on it.

    Raises:
      TypeError: an argument has another type than is listed.
      FileNotFoundError: there is no such model.
      ValueError: a file is of another kind, damaged or cut off; it holds an op that is refused, or quantized
        weights; a name that is not there; a SavedModel of TensorFlow 2, which has other names for variables.
      GraphkitError: the checkpoint is damaged or cut off.
      OSError: a file cannot be read, or the values cannot be written to the folder for temporary files.

    Example:
      >>> import os, tempfile
      >>> images = gk.feature_input(2, name="images")
      >>> logits = gk.dense(images, 3, name="logits")
      >>> with gk.Trainer(gk.softmax_cross_entropy(logits, gk.label_input())) as trainer:
      ...     folder = trainer.export(os.path.join(tempfile.mkdtemp(), "model"), logits)
      >>> model = gk.revive(folder)
      >>> sorted(model.variables)
      ['logits/bias', 'logits/kernel']
      >>> with model.graph.as_default():
      ...     loss = gk.softmax_cross_entropy(model.head(5), gk.label_input())
      >>> data = {model.inputs["images"]: np.eye(2), "labels": np.arange(2)}
    """
    check = checks.Checker("revive")
    check_names(check, allow=allow, constants=constants, tags=tags)
    check.require_type(
        isinstance(open_batch, bool), "open_batch must be True or False", open_batch=open_batch
    )
    check.require_type(isinstance(signature, str), "signature must be a string", signature=signature)
    artefact = artefacts.read(check, path, tags, signature)
    library = {function.signature.name: function for function in artefact.definition.library.function}
    nodes = Nodes(artefact.definition.node, library)
    fed = inputs if inputs is not None else artefact.inputs or None
    put = [] if fed is None else list(ends.named(check, nodes, fed, "inputs").values())
    replaced = [text.split(":")[0] for text in put if nodes.kind(text.split(":")[0]) not in walk.PLACEHOLDERS]
    made_inputs = rewrites.put_inputs(check, nodes, put)
    nodes = Nodes(nodes.by_name.values(), library)
    wanted = outputs if outputs is not None else artefact.outputs or None
    wanted = (
        ends.default_outputs(check, artefact, nodes)
        if wanted is None
        else ends.named(check, nodes, wanted, "outputs")
    )
    targets = [text.split(":")[0] for text in wanted.values()]
    needed = nodes.ancestors(targets)
    extras = ends.kept_extras(artefact, nodes, needed)
    needed |= nodes.ancestors(graphs.owner(text) for _, text in extras)
    ends.check_complete(check, nodes, needed, artefact.path)
    kept = [nodes.by_name[name] for name in nodes.by_name if name in needed]
    op_kinds.check_kinds(check, kept, library, allow)
    nodes = Nodes(kept, library)
    gradients = rewrites.drop_custom_gradients(kept, library)
    dropouts = rewrites.remove_dropout(nodes)
    placeholders = [node.name for node in kept if node.op in walk.PLACEHOLDERS[:2]]
    reshapes = rewrites.open_batch(check, nodes, made_inputs or placeholders) if open_batch else []
    nodes = Nodes(nodes.by_name.values(), library)
    needed = nodes.ancestors([*targets, *(graphs.owner(text) for _, text in extras)])
    nodes = Nodes([node for name, node in nodes.by_name.items() if name in needed], library)
    found, stored, folder = find_weights(check, artefact, nodes, constants)
    rule = "the model must have weights: constants that a layer takes, or variables"
    check.require(stored, rule, path=artefact.path)
    definition = tf.compat.v1.GraphDef(versions=artefact.definition.versions)
    frozen = found.weights if found is not None else {}
    definition.node.extend(stand_in(node) if name in frozen else node for name, node in nodes.by_name.items())
    definition.library.CopyFrom(walk.needed_functions(definition.node, artefact.definition.library))
    texts = {
        key: [text.decode() for text in artefact.collections[key].bytes_list.value]
        for key in source.OWN_TEXTS
        if key in artefact.collections
    }
    origin = source.Source(source.read_source(check, definition), stored, extras, texts, folder)
    story = Story(
        kind=artefact.kind,
        path=artefact.path,
        roles={name: weight.role for name, weight in frozen.items()},
        stayed={} if found is None else found.stayed,
        folded=[] if found is None else found.folded,
        dropouts=dropouts,
        gradients=gradients,
        reshapes=reshapes,
        inputs=replaced,
    )
    return Revived(origin, {name: find_output(check, origin, text) for name, text in wanted.items()}, story)


def check_names(check: checks.Checker, **given: Any) -> None:
    for argument, names in given.items():
        listed = isinstance(names, (list, tuple, set, frozenset)) and all(isinstance(n, str) for n in names)
        check.require_type(listed, f"{argument} must be a list of names", **{argument: names})


def find_weights(
    check: checks.Checker, artefact: Artefact, nodes: Nodes, constants: Collection[str]
) -> tuple[weights.Finder | None, dict[str, Stored], values.Folder | None]:
    """Returns (what was found among constants, {name: where its value is}, folder of values).

    Where a model has variables, its constants were meant to be constants.
    """
    variables = [node for node in nodes.by_name.values() if node.op in walk.VARIABLES]
    for name in constants:
        ends.nearest(check, name, nodes.by_name, "constants must name what is in the graph")
    if variables:
        return None, stored_variables(check, artefact, variables), None
    found = weights.find(nodes, constants)
    frozen = [nodes.by_name[name] for name in nodes.by_name if name in found.weights]
    folder = values.Folder()
    prefix = values.write(check, frozen, folder)
    stored = {
        node.name: Stored(
            node.name,
            tf.as_dtype(node.attr["dtype"].type),
            graphs.shape_of(node),
            not found.weights[node.name].average,
            prefix,
            node.name,
        )
        for node in frozen
    }
    return found, stored, folder


def stored_variables(
    check: checks.Checker, artefact: Artefact, variables: Sequence[Any]
) -> dict[str, Stored]:
    """Returns {name: where its value is} of variables of a file with a checkpoint.

    Raises:
      ValueError: the checkpoint does not hold one of them.
    """
    held = artefacts.entries(check, artefact)
    order = {name: place for place, name in enumerate(artefact.declared)}
    found = {}
    for node in sorted(variables, key=lambda node: order.get(node.name, len(order))):
        declared = artefact.declared.get(node.name, Declared(True, node.name))
        key = declared.key
        if key not in held and any(name.endswith(artefacts.contents.OBJECT) for name in held):
            rule = "a SavedModel of TensorFlow 2 names its variables by objects; export it with "
            rule += "tf.compat.v1.saved_model, or freeze it"
            raise ValueError(check.message(rule, path=artefact.path, variable=node.name))
        ends.nearest(check, key, held, f"the checkpoint must hold the variable {node.name}")
        dtype = tf.as_dtype(node.attr["dtype"].type)
        shape = tf.TensorShape(node.attr["shape"].shape)
        if not declared.part:
            rule = f"the checkpoint's value of {node.name} must have its shape and dtype"
            fits = held[key].dtype == dtype.name and held[key].fits(shape_tuple(shape))
            check.require(fits, rule, graph=f"{dtype.name} {shape}", checkpoint=str(held[key]))
            shape = tf.TensorShape(held[key].shape)
        trained = declared.trainable and dtype.is_floating
        found[node.name] = Stored(
            node.name, dtype, tuple(shape.as_list()), trained, str(artefact.checkpoint), key, declared.part
        )
    return found


def shape_tuple(shape: tf.TensorShape) -> tuple[int | None, ...] | None:
    return None if shape.rank is None else tuple(shape.as_list())


def stand_in(node: Any) -> Any:
    """Returns a placeholder in the place of a constant that is a weight."""
    made = tf.compat.v1.NodeDef(name=node.name)
    rewrites.make_placeholder(made, node.attr["dtype"].type, node.attr["value"].tensor.tensor_shape)
    return made
