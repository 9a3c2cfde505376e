"""What a checkpoint holds of a graph's variables, and the text that shows the difference."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from graphkit.checkpoints import contents
from graphkit.checkpoints.contents import Entry

ROWS = 10  # that are shown of a group
WIDTH = 100  # characters, up to which `rename={...}` stays on one line

Shape = tuple[int | None, ...] | None


class Wanted(NamedTuple):
    """A variable of the graph, which may be a part of a partitioned one.

    Attributes:
      variable: the variable.
      own: its shape and dtype.
      full_name: name of the partitioned variable that it is a part of, or its own.
      full: shape and dtype of that.
      slices: where it is in that; empty for a variable that is not partitioned.
    """

    variable: tf.Variable
    own: Entry
    full_name: str
    full: Entry
    slices: tuple[slice, ...]

    def value(self, array: Any) -> Any:
        """Returns what the variable takes of an entry, which may hold all parts."""
        return array[self.slices] if self.slices and array.shape == self.full.shape else array


@dataclasses.dataclass(frozen=True)
class RestorePlan:
    """What a checkpoint holds of a graph's variables; printed, it is the difference.

    Each variable of the graph is in exactly one of matched, missing, shapes and dtypes.

    Attributes:
      path: prefix of the checkpoint's files.
      matched: {variable name: checkpoint name} of what can be restored.
      missing: variables of the graph that the file does not hold.
      shapes: {variable name: (checkpoint name, shape in the graph, shape in the file)}, where they differ.
      dtypes: {variable name: (checkpoint name, dtype in the graph, dtype in the file)}, likewise.
      extra: entries of the file that the graph has no variable for.
      training: further entries without a variable, which belong to the training and not to the model: slots
        of optimizers, moving averages, `global_step`, what graphkit keeps.
      renames: {variable name: checkpoint name} of missing variables that the file is likely to hold under
        another name; as an argument `rename`, prefixes may stand for several.
      wanted: {variable name: `Wanted`}, all of the graph.
      held: {checkpoint name: `Entry`}, all of the file.
    """

    path: str
    matched: dict[str, str]
    missing: tuple[str, ...]
    shapes: dict[str, tuple[str, Shape, Shape]]
    dtypes: dict[str, tuple[str, str, str]]
    extra: tuple[str, ...]
    training: tuple[str, ...]
    renames: dict[str, str]
    wanted: dict[str, Wanted] = dataclasses.field(repr=False)
    held: dict[str, Entry] = dataclasses.field(repr=False)

    @property
    def complete(self) -> bool:
        """Whether all variables of the graph can be restored."""
        return len(self.matched) == len(self.wanted)

    def __str__(self) -> str:
        likely = set(self.renames.values())  # the last lines show them, so the groups leave them out
        missing = [name for name in self.missing if self.wanted[name].full_name not in self.renames]
        extra = [name for name in self.extra if name not in likely]
        training = [name for name in self.training if name not in likely and not name.startswith("graphkit/")]
        lines = [
            f"{self.path}: {len(self.matched)} of {len(self.wanted)} variables can be restored",
            *group_lines("not in the file", [(name, self.wanted[name].full) for name in missing]),
            *group_lines("of another shape", differences(self.shapes)),
            *group_lines("of another dtype", differences(self.dtypes)),
            *group_lines("in the file, not in the graph", [(name, self.held[name]) for name in extra]),
        ]
        if training:
            kinds = sorted({name.removesuffix(contents.OBJECT).rpartition("/")[2] for name in training})
            shown = ", ".join(kinds[:ROWS]) + (", …" if len(kinds) > ROWS else "")
            lines.append(f"there as well, for training ({len(training)}): {shown}")
        if self.renames:
            lines.append(f"likely in the file under other names ({len(self.renames)}); to take them, pass")
            lines += argument_lines(self.short_renames())
        return "\n".join(lines)

    def short_renames(self) -> dict[str, str]:
        """Returns the likely renames with prefixes where these say the same in fewer entries."""
        names = list(dict.fromkeys(wanted.full_name for wanted in self.wanted.values()))
        # Of these no likely name is known, so a prefix that covers them takes nothing away.
        lost = {self.wanted[name].full_name for name in self.missing} - self.renames.keys()
        left, short = dict(self.renames), {}

        def stands_for(old: str, new: str, name: str) -> bool:
            # A prefix renames all variables that begin with it, also those that are found without it.
            renamed = new + name.removeprefix(old)
            if name in self.renames:
                return left.get(name) == renamed
            counter = bool(contents.TRAINING.fullmatch(name))
            return renamed not in self.held and (name in lost or counter)

        for name, source in self.renames.items():
            for old, new in differing_heads(name, source):
                covered = [other for other in names if other.startswith(old)]
                several = name in left and sum(other in left for other in covered) > 1
                if several and all(stands_for(old, new, other) for other in covered):
                    short[old] = new
                    left = {other: left[other] for other in left if other not in covered}
        return {**short, **left}


def differences(found: Mapping[str, tuple[str, Any, Any]]) -> list[tuple[str, str]]:
    """Returns the rows of variables that the file holds in another form."""
    return [
        (name, f"{wanted} in the graph, {held} in the file" + (f" as {source}" if source != name else ""))
        for name, (source, wanted, held) in found.items()
    ]


def group_lines(heading: str, rows: Sequence[tuple[str, object]]) -> list[str]:
    """Returns a heading and aligned rows, of which a long group shows the first."""
    if not rows:
        return []
    shown = rows if len(rows) <= ROWS + 1 else rows[:ROWS]  # "and 1 more" saves no line
    width = max(len(name) for name, _ in shown)
    lines = [f"{heading} ({len(rows)}):", *(f"  {name:{width}}  {text}" for name, text in shown)]
    return lines if len(shown) == len(rows) else [*lines, f"  and {len(rows) - len(shown)} more"]


def argument_lines(renames: Mapping[str, str]) -> list[str]:
    """Returns `rename={...}` as it can be pasted, so never cut short."""
    pairs = [f"{json.dumps(name)}: {json.dumps(source)}" for name, source in renames.items()]
    line = f"  rename={{{', '.join(pairs)}}}"
    if len(line) <= WIDTH:
        return [line]
    return ["  rename={", *(f"      {pair}," for pair in pairs), "  }"]


def differing_heads(name: str, source: str) -> Iterator[tuple[str, str]]:
    """Yields the prefixes in which two names with a common end differ, the shortest first."""
    ours, theirs = name.split("/"), source.split("/")
    for count in range(min(len(ours), len(theirs)), 0, -1):
        if ours[-count:] == theirs[-count:]:
            yield as_prefix(ours[:-count]), as_prefix(theirs[:-count])


def as_prefix(parts: Sequence[str]) -> str:
    return "".join(f"{part}/" for part in parts)
