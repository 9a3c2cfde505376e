"""Protocol messages of TensorFlow's files, read without importing a graph."""

import os
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf import descriptor_pool, message, message_factory, text_format

from graphkit import checks

LARGEST = 2**31  # bytes of a message


def message_class(name: str) -> Any:
    """Returns the class of one of TensorFlow's messages that has no name in `tf.compat.v1`."""
    # TensorFlow, which has been imported, has added its messages to the pool.
    descriptor = descriptor_pool.Default().FindMessageTypeByName(f"tensorflow.{name}")
    return message_factory.GetMessageClass(descriptor)


KINDS = {
    "a GraphDef": lambda: tf.compat.v1.GraphDef,
    "a MetaGraphDef": lambda: tf.compat.v1.MetaGraphDef,
    "a SavedModel": lambda: message_class("SavedModel"),
}


def parse(kind: str, content: bytes, *, is_text: bool) -> Any:
    """Returns the message, or None if the content is something else."""
    made = KINDS[kind]()()
    try:
        if is_text:
            text_format.Parse(content, made)
        else:
            made.MergeFromString(content)
    except (message.DecodeError, text_format.ParseError, UnicodeDecodeError, RecursionError):
        return None
    return made if is_one(kind, made) else None


def is_one(kind: str, made: Any) -> bool:
    """Whether a message that could be read has what all messages of its kind have.

    Messages hold no name of their kind, and one kind can sometimes be read as another.
    """
    if kind == "a SavedModel":
        return len(made.meta_graphs) > 0
    definition = made.graph_def if kind == "a MetaGraphDef" else made
    return len(definition.node) > 0 and all(node.name and node.op for node in definition.node)


def read(check: checks.Checker, path: str | os.PathLike[str], kind: str) -> Any:
    """Reads a message of a kind from a binary or a text file.

    Raises:
      OSError: the file cannot be read.
      ValueError: it holds something else, or was cut off.
    """
    is_text = os.fspath(path).endswith(("txt", ".json"))
    with check.system_errors("cannot read the file", path=path):
        size = os.path.getsize(path)
        check.require(size < LARGEST, "the file must have less than 2 GiB", path=path, size=size)
        content = Path(path).read_bytes()
    made = parse(kind, content, is_text=is_text)
    if made is None:
        start = content[:1000].decode("latin-1").lstrip()
        is_other_form = not is_text and parse(kind, content, is_text=True) is not None if start else False
        others = [other for other in KINDS if other != kind and parse(other, content, is_text=is_text)]
        hint = f"; it holds {others[0]}" if others else ""
        hint = "; it is a text, whose name must end in .pbtxt" if is_other_form else hint
        rule = f"the file must hold {kind}, complete{hint}"
        raise ValueError(check.message(rule, path=path, bytes=len(content)))
    return made
