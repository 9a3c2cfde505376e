"""The files of a model: which of them there are, and what they hold, before anything is imported."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf import message

from graphkit import checks
from graphkit.checkpoints import contents, restoring, sharded
from graphkit.revival import messages

SAVED_MODEL = ("saved_model.pb", "saved_model.pbtxt")
Path_ = str | os.PathLike[str]


class Declared(NamedTuple):
    """What a file says of a variable.

    Attributes:
      trainable: whether it is trained.
      key: its name in the checkpoint.
      part: which part of that it is, as RestoreV2 takes it; "" for all.
    """

    trainable: bool
    key: str
    part: str = ""


class Artefact(NamedTuple):
    """A model as its files hold it.

    Attributes:
      kind: in words.
      path: of the file.
      definition: the GraphDef.
      collections: {name: CollectionDef}.
      declared: {name of the op of a variable: `Declared`}.
      checkpoint: prefix of the values of the variables, or None.
      inputs: {name: name of a tensor} of a signature.
      outputs: likewise.
    """

    kind: str
    path: str
    definition: Any
    collections: Mapping[str, Any]
    declared: Mapping[str, Declared]
    checkpoint: str | None
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


def read(check: checks.Checker, path: Path_, tags: Collection[str], signature: str) -> Artefact:
    """Returns what is at a path.

    Raises:
      TypeError: path is not a path.
      FileNotFoundError: there is nothing that can be revived.
      ValueError: a file is of another kind, or cut off; a SavedModel without these tags or this signature.
    """
    path = check.path("path", path)
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    if os.path.isdir(path) or os.path.basename(path) in SAVED_MODEL:
        found = next((name for name in SAVED_MODEL if os.path.isfile(os.path.join(folder, name))), None)
        if found is not None:
            return saved_model(check, os.path.join(folder, found), tags, signature)
    if os.path.isdir(path) or os.path.basename(path) == "checkpoint":
        return meta_graph(check, f"{find_checkpoint(check, path)}.meta")
    part = restoring.PARTS.fullmatch(path)
    prefix = part[1] if part else path
    if os.path.isfile(f"{prefix}.meta") and not (os.path.isfile(path) and part is None):
        return meta_graph(check, f"{prefix}.meta")
    if not os.path.isfile(path) or part is not None:
        rule = (
            "path must be a frozen graph (.pb, .pbtxt), a checkpoint with its .meta, or a SavedModel's folder"
        )
        raise FileNotFoundError(check.message(rule, path=path))
    definition = messages.read(check, path, "a GraphDef")
    return Artefact("frozen graph", path, definition, {}, {}, None, {}, {})


def find_checkpoint(check: checks.Checker, path: str) -> str:
    """Returns the prefix of the newest checkpoint of a folder."""
    try:
        return restoring.find_checkpoint(path)
    except FileNotFoundError as error:
        rule = "the folder must hold a saved_model.pb, or a file checkpoint that names one that is there"
        raise FileNotFoundError(check.message(rule, path=path)) from error


def meta_graph(check: checks.Checker, path: str) -> Artefact:
    """Reads a `.meta`, next to which its checkpoint is."""
    meta = messages.read(check, path, "a MetaGraphDef")
    prefix = os.path.abspath(path.removesuffix(".meta"))
    if not restoring.is_checkpoint(prefix):
        rule = "the checkpoint must be next to its .meta, which holds no values"
        raise FileNotFoundError(check.message(rule, path=path))
    declared = declarations(check, meta.collection_def)
    return Artefact("meta graph", path, meta.graph_def, meta.collection_def, declared, prefix, {}, {})


def saved_model(check: checks.Checker, path: str, tags: Collection[str], signature: str) -> Artefact:
    """Reads one graph of a SavedModel."""
    model = messages.read(check, path, "a SavedModel")
    graphs = {frozenset(graph.meta_info_def.tags): graph for graph in model.meta_graphs}
    there = ", ".join(str(sorted(known)) for known in graphs)
    rule = f"tags must be those of a graph in the SavedModel, which has {there}"
    check.require(frozenset(tags) in graphs, rule, tags=tuple(tags))
    meta = graphs[frozenset(tags)]
    known = {name: s for name, s in meta.signature_def.items() if s.outputs}
    if signature == "serving_default" and len(known) == 1:
        (signature,) = known  # such as "predict", which is all that some estimators export
    rule = f"signature must be one of {', '.join(map(repr, sorted(known))) or 'none'}"
    check.require(signature in known, rule, signature=signature)
    chosen = known[signature]
    # Sorted: messages keep maps in any order.
    inputs = {name: chosen.inputs[name].name for name in sorted(chosen.inputs)}
    outputs = {name: chosen.outputs[name].name for name in sorted(chosen.outputs)}
    prefix = os.path.abspath(Path(path).parent / "variables" / "variables")
    values = prefix if restoring.is_checkpoint(prefix) else None
    declared = declarations(check, meta.collection_def)
    kind = "SavedModel"
    return Artefact(kind, path, meta.graph_def, meta.collection_def, declared, values, inputs, outputs)


def declarations(check: checks.Checker, collections: Mapping[str, Any]) -> dict[str, Declared]:
    """Returns what the collections say of variables."""
    found: dict[str, Declared] = {}
    trainable = {text.variable_name for text in variables_of(check, collections, "trainable_variables")}
    for key in sorted(collections):
        if "variables" in key:
            for variable in variables_of(check, collections, key):
                name = variable.variable_name.split(":")[0]
                found.setdefault(name, declared(name, variable, trained=variable.variable_name in trainable))
    return found


def declared(name: str, variable: Any, *, trained: bool) -> Declared:
    if not variable.HasField("save_slice_info_def"):
        return Declared(trained, name)
    part = variable.save_slice_info_def
    slices = zip(part.var_offset, part.var_shape, strict=True)
    return Declared(trained, part.full_name, sharded.slice_text(part.full_shape, slices))


def variables_of(check: checks.Checker, collections: Mapping[str, Any], key: str) -> list[Any]:
    """Returns the `VariableDef`s of a collection."""
    kind = messages.message_class("VariableDef")
    texts = collections[key].bytes_list.value if key in collections else ()
    try:
        return [kind.FromString(text) for text in texts]
    except message.DecodeError as error:
        raise ValueError(check.message(f"the collection {key} is damaged")) from error


def entries(check: checks.Checker, artefact: Artefact) -> dict[str, contents.Entry]:
    """Returns {name: shape and dtype} of what the checkpoint holds.

    Raises:
      GraphkitError: it is damaged or cut off.
    """
    if artefact.checkpoint is None:
        return {}
    try:
        return contents.Reader(artefact.checkpoint).entries()
    except checks.GraphkitError as error:
        text = str(error).removeprefix("restore: ")
        raise checks.GraphkitError(check.message(text)) from error
