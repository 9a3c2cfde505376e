"""The text of a file: functions with headings for layers, and at the top what they use."""

import ast
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

from graphkit.transcription import helpers, lists, masks, statements, update_rules

WIDTH = 110
MODULES: Sequence[ModuleType] = (helpers, masks, lists, update_rules)


def functions() -> dict[str, Any]:
    """Returns {name: function} of all functions that a file may have at its top."""
    return {
        name: item
        for module in MODULES
        for name, item in vars(module).items()
        if inspect.isfunction(item) and item.__module__ == module.__name__
    }


def used_functions(text: str, known: Mapping[str, Any]) -> list[str]:
    """Returns the sources of the functions that a text calls, also through others, in their own order."""
    found: set[str] = set()
    waiting = words(text) & known.keys()
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= (words(inspect.getsource(known[name])) & known.keys()) - found
    return [inspect.getsource(known[name]).rstrip() for name in known if name in found]


def words(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def block(found: Sequence[statements.Statement], headings: Mapping[str, str], depth: int = 1) -> list[str]:
    """Returns the lines of statements, with a heading where another layer begins."""
    lines: list[str] = []
    section = None
    for statement in found:
        if depth == 1 and statement.section != section:
            section = statement.section
            if lines:
                lines.append("")
            if section:
                lines += [f"    # {headings.get(section, section)}"]
        lines += written(statement, depth, headings)
    return lines


def written(statement: statements.Statement, depth: int, headings: Mapping[str, str]) -> list[str]:
    indent = "    " * depth
    if isinstance(statement, statements.Line):
        return assignment(statement, depth)
    if isinstance(statement, statements.Branch):
        lines = [f"{indent}if {statement.test}:"]
        for place, (inner, ends) in enumerate(zip(statement.blocks, statement.results, strict=True)):
            text = block(inner, headings, depth + 1) + [t for e in ends for t in assignment(e, depth + 1)]
            if place == 1 and text:
                lines.append(f"{indent}else:")
            lines += text or ([f"{indent}    pass"] if place == 0 else [])
        return lines
    tests, test, _ = statement.test
    lines = [text for start in statement.starts for text in assignment(start, depth)]
    if tests:
        lines += [f"{indent}while True:", *block(tests, headings, depth + 1)]
        lines += [f"{indent}    if not ({test}):", f"{indent}        break"]
    else:
        lines.append(f"{indent}while {test}:")
    lines += block(statement.body, headings, depth + 1)
    return lines + at_once(statement.nexts, depth + 1)


def assignment(line: statements.Line, depth: int) -> list[str]:
    names = ", ".join(name.text for name in line.targets)
    text = f"{names} = {line.text}" if line.targets else line.text
    lines = wrapped(text, depth)
    if line.remark and len(lines[-1]) + len(line.remark) + 4 <= WIDTH:
        lines[-1] += f"  # {line.remark}"
    return lines


def at_once(nexts: Sequence[statements.Line], depth: int) -> list[str]:
    """Returns the lines that give variables of a loop their next values, all from those before."""
    waiting = list(nexts)
    ordered: list[statements.Line] = []
    while waiting:
        used = [
            line for line in waiting if not any(line.targets[0] in o.uses for o in waiting if o is not line)
        ]
        if not used:  # variables that change places
            names = ", ".join(line.targets[0].text for line in waiting)
            values = f"{names} = ({', '.join(line.text for line in waiting)})"
            return [text for line in ordered for text in assignment(line, depth)] + wrapped(values, depth)
        ordered += used
        waiting = [line for line in waiting if line not in used]
    return [text for line in ordered for text in assignment(line, depth)]


def wrapped(text: str, depth: int) -> list[str]:
    """Returns a statement as lines of at most WIDTH characters, broken at its outer commas or its sums."""
    indent = "    " * depth
    if len(indent) + len(text) <= WIDTH:
        return [indent + text]
    names, equals, expression = text.partition(" = ")
    if equals and ", " in names and len(names) > WIDTH // 2 and names[0] != "(":
        targets = packed(names.split(", "), f"{indent}    ")
        return [f"{indent}(", *targets, *wrapped(f") = {expression}", depth)]
    start, parts = outer_parts(text) if text[-1] == ")" else (text, [])
    if parts:
        return [indent + start, *packed(parts, f"{indent}    "), f"{indent})"]
    terms = split_outside(expression, " + ")
    if len(terms) > 1:
        terms = [terms[0], *(f"+ {term}" for term in terms[1:])]
    return (
        [f"{indent}{names} = (", *(f"{indent}    {term}" for term in terms), f"{indent})"]
        if equals
        else [indent + text]
    )


def packed(parts: Sequence[str], indent: str) -> list[str]:
    """Returns parts with commas between them as lines of at most WIDTH characters."""
    lines, line = [], ""
    for part in parts:
        if line and len(indent) + len(line) + len(part) + 2 > WIDTH:
            lines.append(f"{indent}{line.rstrip()}")
            line = ""
        line += f"{part}, "
    return [*lines, f"{indent}{line.rstrip(', ')}"]


def split_outside(text: str, separator: str) -> list[str]:
    """Returns the parts of an expression between separators that are in no brackets and no string."""
    parts, start, depth, quoted = [], 0, 0, False
    for place, character in enumerate(text):
        quoted ^= character == '"'
        if not quoted:
            depth += (character in "([{") - (character in ")]}")
            if depth == 0 and text.startswith(separator, place):
                parts.append(text[start:place].strip())
                start = place + len(separator)
    return [*parts, text[start:].strip()]


def outer_parts(text: str) -> tuple[str, list[str]]:
    """Returns what comes before the last pair of brackets, which ends the text, and the parts in it."""
    depth, place = 0, len(text) - 1
    while place > 0:
        depth += (text[place] in ")]") - (text[place] in "([")
        if depth == 0:
            break
        place -= 1
    parts = [part for part in split_outside(text[place + 1 : -1], ",") if part]
    return text[: place + 1], parts if len(parts) > 1 else []


def function(head: str, description: str, body: Iterable[str], *, end: Iterable[str] = ()) -> Iterator[str]:
    """Yields the lines of a function."""
    yield from wrapped_head(head)
    yield f'    """{description}"""'
    yield from body
    yield from end


def wrapped_head(head: str) -> list[str]:
    if len(head) <= WIDTH:
        return [head]
    start, parts = outer_parts(head[:-1])
    return [start, f"    {', '.join(parts)},", "):"]
