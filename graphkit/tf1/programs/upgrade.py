"""`graphkit tf1 upgrade`: the edits of a program that are safe; all other characters stay."""

import ast
import difflib
import itertools
import re
import sys
from collections.abc import Iterator

from graphkit.tf1 import overlay, python, replacements
from graphkit.tf1.programs import findings, hook, names, sources, symbols
from graphkit.tf1.programs.findings import Edit, Finding, Text

REDUCTIONS = "all any logsumexp max mean min prod sum"
KEYWORDS = {
    **{
        f"tf.reduce_{name}": {"keep_dims": "keepdims", "reduction_indices": "axis"}
        for name in REDUCTIONS.split()
    },
    "tf.audio_summary": {"tag": "name"},
    "tf.histogram_summary": {"tag": "name"},
    "tf.image_summary": {"tag": "name", "max_images": "max_outputs"},
    "tf.scalar_summary": {"tags": "name", "values": "tensor"},
    "tf.norm": {"keep_dims": "keepdims"},
    "tf.nn.moments": {"keep_dims": "keepdims"},
    "tf.argmax": {"dimension": "axis"},
    "tf.argmin": {"dimension": "axis"},
    "tf.concat": {"concat_dim": "axis"},
    "tf.expand_dims": {"dim": "axis"},
    "tf.nn.l2_normalize": {"dim": "axis"},
    "tf.nn.log_softmax": {"dim": "axis"},
    "tf.nn.softmax": {"dim": "axis"},
    "tf.split": {"split_dim": "axis", "num_split": "num_or_size_splits"},
    "tf.squeeze": {"squeeze_dims": "axis"},
}
# Since TensorFlow 1.0 they refuse arguments without names; before, their order was this.
CROSS_ENTROPIES = {
    f"tf.nn.{name}_cross_entropy_with_logits": ("logits", "labels")
    for name in ("softmax", "sparse_softmax", "sigmoid")
}
COMMA = re.compile(r"\s*,\s*")


def upgraded(source: sources.Source) -> tuple[str, list[Finding]]:
    """Returns the text with all safe edits made, and what has to be edited by hand."""
    while True:
        found = [*source.leftovers, *of_tensorflow(source)]
        text = findings.apply(source.text.text, sources.edits_of(found))
        if text == source.original or isinstance(sources.parse(text), SyntaxError):
            break
        source = sources.source(source.path, text)  # again, for what was inside of an edit
    by_hand = {(one.line, one.message): one for one in [*source.syntax, *found] if not one.edits}
    return source.original, [finding for _, finding in sorted(by_hand.items())]


def of_tensorflow(source: sources.Source) -> Iterator[Finding]:
    if not symbols.is_of_tensorflow(source):
        return
    later = symbols.of_tensorflow2(source)
    if later is not None:
        yield Finding(1, f"imports are left alone, because {later} is of TensorFlow 2")
        return
    for use in source.uses:
        if isinstance(use.statement, ast.Import):
            yield from of_import(source, use)
        elif use.statement is not None:
            yield from of_import_from(source, use, use.statement)
        elif use.name.startswith("tf."):
            yield from of_name(source.text, use)
            if use.call is not None:
                yield from of_keywords(source.text, use, use.call)
                yield from of_order(source.text, use, use.call)
    for use, symbol in symbols.gone(source):
        if not symbol.in_bridge and replacements.RENAMED.get(use.name) is None:
            advice = f"; {symbol.instead}" if symbol.instead else ""
            yield Finding(use.node.lineno, f"{symbol.name} is missing in graphkit.tf1{advice}")


def of_import(source: sources.Source, use: names.Use) -> Iterator[Finding]:
    """The edits of `import tensorflow as tf` and of its modules."""
    assert isinstance(use.node, ast.alias)
    old, alias = use.node.name, use.node.asname
    if not hook.is_replaced(old) or is_kept(old):
        return
    new = hook.new_name(old) if alias else hook.new_name(old.partition(".")[0])
    line = use.node.lineno
    if not symbols.look_up(use.name).in_bridge:
        return  # listed as missing
    if alias and not is_module(new):
        yield Finding(line, f"write from {new.rpartition('.')[0]} import {new.rpartition('.')[2]} as {alias}")
        return
    edit = Edit(*source.text.span(use.node), f"{new} as {alias or old.partition('.')[0]}")
    yield Finding(line, f"import {old} becomes import {new}", edits=(edit,))


def of_import_from(source: sources.Source, use: names.Use, statement: ast.ImportFrom) -> Iterator[Finding]:
    """The edits of `from tensorflow.contrib import slim` and its like."""
    old = str(statement.module)
    if statement.level or not hook.is_replaced(old) or is_kept(f"{old}.{statement.names[0].name}"):
        return
    if any(alias.name == "*" for alias in statement.names):
        yield Finding(use.node.lineno, f"from {old} import * hides which names are used; import them by name")
    elif old.startswith("tensorflow.python"):
        yield from of_private_import(source, use, statement)
    elif is_module(hook.new_name(old)):
        yield from with_module(source.text, statement, hook.new_name(old))
    elif symbols.look_up(use.name).in_bridge:
        yield Finding(use.node.lineno, f"write import graphkit.tf1 as tf, and the names of {old} as tf's")


def of_private_import(source: sources.Source, use: names.Use, statement: ast.ImportFrom) -> Iterator[Finding]:
    """`from tensorflow.python.framework import ops`, where what is used of it is public in one place."""
    path = str(statement.module).removeprefix("tensorflow.python").lstrip(".")
    imported = [alias.name for alias in statement.names]
    inner = f"{path}.{imported[0]}".lstrip(".")
    prefix = f"tf.python.{inner}."
    every = [one.name for one in source.uses if one.name.startswith(prefix)]
    used = [name.removeprefix(prefix).partition(".")[0] for name in every]
    module, namespace = namespace_of(path, imported), namespace_of(inner, used)
    if module is not None and is_module(module):
        yield from with_module(source.text, statement, module)
    elif namespace is not None and len(imported) == 1:
        above, _, last = namespace.rpartition(".")
        alias = statement.names[0].asname or imported[0]
        text = f"from {above} import {last}" + (f" as {alias}" if alias != last else "")
        edit = Edit(*source.text.span(statement), text)
        yield Finding(statement.lineno, f"{inner} is public in {namespace}", edits=(edit,))
    else:
        yield Finding(use.node.lineno, f"{statement.module} is private to TensorFlow; use public names")


def namespace_of(private: str, used: list[str]) -> str | None:
    """Returns the namespace in which all these names of a private module are public, or None."""
    for namespace in python.PUBLIC.get(private, []):
        full = f"tf.{namespace}".rstrip(".")
        if all(symbols.look_up(name).in_bridge for name in [full, *(f"{full}.{last}" for last in used)]):
            return overlay.PACKAGE + full.removeprefix("tf")
    return None


def with_module(text: Text, statement: ast.ImportFrom, new: str) -> Iterator[Finding]:
    start, _ = text.span(statement)
    match = re.compile(r"from\s+([\w.]+)").match(text.text, start)
    if match:
        message = f"from {match.group(1)} becomes from {new}"
        yield Finding(statement.lineno, message, edits=(Edit(match.start(1), match.end(1), new),))


def is_kept(module: str) -> bool:
    """Whether a module is public in today's TensorFlow, and not one of graphkit.tf1."""
    return f"{module}.".startswith(("tensorflow.keras.", "tensorflow.compat.v2.", "tensorflow.core."))


def is_module(name: str) -> bool:
    """Whether a module is of graphkit.tf1, so that it can be imported."""
    return name == overlay.PACKAGE or getattr(sys.modules.get(name), "__name__", None) == name


def of_name(text: Text, use: names.Use) -> Iterator[Finding]:
    """Names from before TensorFlow 1.0, such as tf.pack."""
    new = replacements.RENAMED.get(use.name)
    if new is None or not isinstance(use.node, ast.Attribute) or not symbols.look_up(new).in_bridge:
        return
    start, end = text.span(use.node)
    root = text.text[start:end].partition(".")[0].strip()
    message = f"{use.name} is from before TensorFlow 1.0; write {new}"
    is_plain = "tf" + text.text[start:end].removeprefix(root) == use.name  # not tf's module by another name
    yield Finding(use.node.lineno, message, edits=(Edit(start, end, root + new[2:]),) if is_plain else ())


def of_keywords(text: Text, use: names.Use, call: ast.Call) -> Iterator[Finding]:
    given = {keyword.arg for keyword in call.keywords}
    for keyword in call.keywords:
        new = KEYWORDS.get(use.name, {}).get(keyword.arg or "")
        if new is not None and new not in given:
            start, _ = text.span(keyword)
            edit = Edit(start, start + len(keyword.arg or ""), new)
            yield Finding(keyword.lineno, f"{keyword.arg}= of {use.name} is {new}=", edits=(edit,))


def of_order(text: Text, use: names.Use, call: ast.Call) -> Iterator[Finding]:
    """Arguments whose order changed in TensorFlow 1.0."""
    args, line = call.args, call.lineno
    if any(isinstance(arg, ast.Starred) for arg in args) or not args:
        return
    spans = [text.span(arg) for arg in args]
    gaps = [text.text[left[1] : right[0]] for left, right in itertools.pairwise(spans)]
    is_simple = all(COMMA.fullmatch(gap) for gap in gaps)  # brackets and comments stand in the gaps
    is_simple &= re.fullmatch(r"\s*\(\s*", text.text[text.span(call.func)[1] : spans[0][0]]) is not None
    edits: list[Edit] = []
    if use.name == "tf.concat" and len(args) == 2 and is_integer(args[0]) and not is_integer(args[1]):
        edits = [
            Edit(spans[0][0], spans[1][0], ""),
            Edit(spans[1][1], spans[1][1], f", {text.source(args[0])}"),
        ]
    elif use.name == "tf.split" and len(args) == 3 and is_integer(args[0]) and not is_integer(args[2]):
        # With names, so that an edit inside of an argument stays possible.
        edits = [
            Edit(spans[0][0], spans[1][0], "num_or_size_splits="),
            Edit(spans[2][0], spans[2][0], "value="),
        ]
        edits.append(Edit(spans[2][1], spans[2][1], f", axis={text.source(args[0])}"))
    elif use.name in CROSS_ENTROPIES and len(args) == 2:
        order = zip(spans, CROSS_ENTROPIES[use.name], strict=True)
        edits = [Edit(start, start, f"{name}=") for (start, _), name in order]
        is_simple &= "label" not in text.source(args[0]).lower()  # tf.compat.v1 takes (labels, logits)
    if edits:
        message = f"the order of {use.name}'s arguments is another since TensorFlow 1.0"
        yield Finding(line, message, edits=tuple(edits) if is_simple else ())


def is_integer(node: ast.expr) -> bool:
    value = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(value, ast.Constant) and type(value.value) is int


def diff(source: sources.Source, text: str) -> str:
    """Returns the changes of a file as a patch, "" if there are none."""
    old, new = source.original.splitlines(keepends=True), text.splitlines(keepends=True)
    path = source.path.replace("\\", "/").lstrip("/")
    lines = difflib.unified_diff(old, new, f"a/{path}", f"b/{path}")
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )
