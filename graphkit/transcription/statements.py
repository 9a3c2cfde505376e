"""The lines of a written function: what each of them gives a name, what it uses, and which are needed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from graphkit.transcription.values import Name


@dataclass
class Line:
    """A line `targets = text`, or only `text` where it changes the state.

    Attributes:
      text: the expression, or the statement.
      targets: the names that it gives; an unused one of several is written as `_`.
      uses: names in the text.
      effect: whether it changes the state, so that it is needed whatever uses its names.
      section: the layer that it belongs to.
    """

    text: str
    targets: list[Name] = field(default_factory=list)
    uses: frozenset[Name] = frozenset()
    effect: bool = False
    section: str = ""
    remark: str = ""


@dataclass
class Branch:
    """An `if` with two blocks, each of which gives the targets a value at its end."""

    test: str
    uses: frozenset[Name]
    blocks: tuple[list["Statement"], list["Statement"]]
    results: tuple[list[Line], list[Line]]
    section: str = ""


@dataclass
class Loop:
    """A `while`: variables with their first values, and those that they have after an iteration.

    Attributes:
      starts: a line for each variable.
      test: lines before the test, and the test.
      body: the lines of an iteration.
      nexts: a line for each variable, whose targets all change at once.
    """

    starts: list[Line]
    test: tuple[list["Statement"], str, frozenset[Name]]
    body: list["Statement"]
    nexts: list[Line]
    section: str = ""


Statement = Line | Branch | Loop


def needed(statements: Sequence[Statement], live: set[Name]) -> list[Statement]:
    """Returns the statements that the live names, or the state, need; adds to `live` what they use."""
    kept: list[Statement] = []
    for statement in reversed(statements):
        if isinstance(statement, Line):
            found: Statement | None = needed_line(statement, live)
        elif isinstance(statement, Branch):
            found = needed_branch(statement, live)
        else:
            found = needed_loop(statement, live)
        if found is not None:
            kept.append(found)
    return kept[::-1]


def needed_line(line: Line, live: set[Name]) -> Line | None:
    if not line.effect and not live.intersection(line.targets):
        return None
    used = [name if name in live else Name("_", name.phase) for name in line.targets]
    live |= line.uses
    return Line(line.text, used, line.uses, line.effect, line.section, line.remark)


def needed_branch(branch: Branch, live: set[Name]) -> Branch | None:
    blocks, results, all_live = [], [], set[Name]()
    for block, ends in zip(branch.blocks, branch.results, strict=True):
        inner = set(live)
        last = [line for line in ends if live.intersection(line.targets)]
        for line in last:
            inner |= line.uses
        blocks.append(needed(block, inner))
        results.append(last)
        all_live |= inner
    if not any(blocks) and not any(results):
        return None
    live |= all_live | branch.uses
    return Branch(branch.test, branch.uses, (blocks[0], blocks[1]), (results[0], results[1]), branch.section)


def needed_loop(loop: Loop, live: set[Name]) -> Loop | None:
    variables = {name for line in loop.starts for name in line.targets}
    wanted = set(live & variables)
    if not wanted and not has_effect(loop.body):
        return None
    tests, test, uses = loop.test
    while True:  # until no variable is needed by the next value of another one
        inner = set(wanted) | (live - variables)
        nexts = [line for line in loop.nexts if wanted.intersection(line.targets)]
        for line in nexts:
            inner |= line.uses
        body = needed(loop.body, inner)
        inner |= uses
        lines = needed(tests, inner)
        if inner & variables <= wanted:
            break
        wanted |= inner & variables
    starts = [line for line in loop.starts if wanted.intersection(line.targets)]
    live |= inner
    for line in starts:
        live |= line.uses
    return Loop(starts, (lines, test, uses), body, nexts, loop.section)


def has_effect(statements: Iterable[Statement]) -> bool:
    for statement in statements:
        if isinstance(statement, Line):
            found = statement.effect
        elif isinstance(statement, Branch):
            found = any(map(has_effect, statement.blocks))
        else:
            found = has_effect(statement.body)
        if found:
            return True
    return False
