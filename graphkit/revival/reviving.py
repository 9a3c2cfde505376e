"""`gk.revive`: a model of TensorFlow 1's files, made trainable again."""

import os
from collections.abc import Collection
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.graph import walk
from graphkit.revival import artefacts, preparing, rewrites, source, stored
from graphkit.revival.preparing import Names
from graphkit.revival.revived import Revived, Story, find_output

__all__ = ["revive"]


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
    checkpoint. All start from the file's values. These are read when a session initializes them, from the
    checkpoint, or from a temporary file that lasts as long as the graph; with `Trainer(target=...)` the
    server must find them, too. Gradients pass branches of TensorFlow 1, and loops without a branch or a loop
    inside; for loops of recurrent networks, call tf.compat.v1.disable_control_flow_v2() first.

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
      signature: of a SavedModel, where inputs or outputs are None; the default takes the only one, too.

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
      >>> logits = gk.dense(gk.feature_input(2), 3, name="logits")
      >>> with gk.Trainer(gk.softmax_cross_entropy(logits, gk.label_input())) as trainer:
      ...     folder = trainer.export(os.path.join(tempfile.mkdtemp(), "model"), logits)
      >>> model = gk.revive(folder)
      >>> sorted(model.variables)
      ['logits/bias', 'logits/kernel']
      >>> with model.graph.as_default():
      ...     labels = gk.label_input()
      ...     loss = gk.softmax_cross_entropy(model.head(5), labels)
      >>> data = {model.inputs["features"]: np.eye(2), labels: [3, 4]}
      >>> with gk.Trainer(loss, optimizer="sgd", learning_rate=1.0) as trainer:
      ...     history = trainer.fit(data, epochs=2, batch_size=2, progress=False)
    """
    check = checks.Checker("revive")
    check_names(check, allow=allow, constants=constants, tags=tags)
    rule = "open_batch must be True or False"
    check.require_type(isinstance(open_batch, bool), rule, open_batch=open_batch)
    check.require_type(isinstance(signature, str), "signature must be a string", signature=signature)
    artefact = artefacts.read(check, path, tags, signature)
    model = preparing.prepare(check, artefact, inputs, outputs, allow, open_batch)
    weights = stored.find(check, artefact, model.nodes, constants)
    rule = "the model must have weights: constants that a layer takes, or variables"
    check.require(weights.stored, rule, path=artefact.path)
    definition = tf.compat.v1.GraphDef(versions=artefact.definition.versions)
    definition.node.extend(
        stand_in(node) if name in weights.roles else node for name, node in model.nodes.by_name.items()
    )
    definition.library.CopyFrom(walk.needed_functions(definition.node, artefact.definition.library))
    origin = source.Source(
        graph=source.read_source(check, definition),
        stored=weights.stored,
        extras=model.extras,
        texts=source.own_texts(artefact.collections),
        labels=model.labels,
        folder=weights.folder,
    )
    story = Story(
        kind=artefact.kind,
        path=artefact.path,
        roles=weights.roles,
        stayed=weights.stayed,
        folded=weights.folded,
        dropouts=model.dropouts,
        gradients=model.gradients,
        reshapes=model.reshapes,
        inputs=model.put,
    )
    return Revived(
        origin, {name: find_output(check, origin, text) for name, text in model.wanted.items()}, story
    )


def check_names(check: checks.Checker, **given: Any) -> None:
    for argument, names in given.items():
        listed = isinstance(names, (list, tuple, set, frozenset)) and all(isinstance(n, str) for n in names)
        check.require_type(listed, f"{argument} must be a list of names", **{argument: names})


def stand_in(node: Any) -> Any:
    """Returns a placeholder in the place of a constant that is a weight."""
    made = tf.compat.v1.NodeDef(name=node.name)
    rewrites.make_placeholder(made, node.attr["dtype"].type, node.attr["value"].tensor.tensor_shape)
    return made
