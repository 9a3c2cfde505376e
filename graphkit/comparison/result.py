"""What `compare` found."""

import dataclasses

import tensorflow as tf

SHOWN = 20


@dataclasses.dataclass(frozen=True)
class Row:
    """A tensor of the old graph and its partner.

    Attributes:
      old, new: names of the tensors; new is "" where no tensor of the new graph has these values.
      shape: of the old tensor.
      difference: the largest difference between them.
    """

    old: str
    new: str
    shape: tuple[int, ...]
    difference: float


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Whether two graphs compute the same; printed, it is the finding and what it rests on.

    Attributes:
      equal: whether outputs, gradients and update agree, but for rounding.
      finding: one sentence: the first real difference and its cause, or that there is none.
      stage: "forward pass", "gradients" or "update", where the difference is; "" if there is none.
      where: {"old": (op name, "file:line"), "new": ...} of the difference; empty if it has no place.
      difference: the largest difference between the outputs.
      relative: the same, as a fraction of the largest number of the outputs.
      variables: {variable of the new graph: variable of the old graph}.
      unmatched: variables of which only one of the graphs has one.
      compared: the stages that could be compared.
      table: the tensors of the old graph with their partners, in the order in which they are computed.
    """

    equal: bool
    finding: str
    stage: str
    where: dict[str, tuple[str, str]]
    difference: float
    relative: float
    variables: dict[str, str]
    unmatched: tuple[str, ...]
    compared: tuple[str, ...]
    table: tuple[Row, ...] = dataclasses.field(repr=False, default=())

    def __str__(self) -> str:
        lines = [self.finding]
        lines += [f"  {side}: {op} ({line})" for side, (op, line) in self.where.items()]
        lines.append(
            f"  largest difference of the outputs: {self.difference:.3g} ({self.relative:.2g} of the largest)"
        )
        lines.append(
            f"  compared: {', '.join(self.compared)}; {len(self.variables)} variables with equal values"
        )
        if self.unmatched:
            lines.append(f"  variables without a partner: {', '.join(self.unmatched)}")
        if self.table:
            found = sum(bool(row.new) for row in self.table)
            lines.append(
                f"  {found} of {len(self.table)} tensors of the old graph have a partner in the new one"
            )
        return "\n".join(lines)


def shape_of(tensor: tf.Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape.as_list() or ())
