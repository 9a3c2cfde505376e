"""The summary of a graph: a table of layers with output shapes, parameters, FLOPs and bytes."""

import dataclasses
import html
import textwrap
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import tensorflow as tf

from graphkit import checks, sizes
from graphkit.inspection import costs, forward_pass, layers
from graphkit.inspection.flops import Count, total

__all__ = ["Summary", "summary"]

HEAD = ("layer", "ops", "output shape", "parameters", "FLOPs", "bytes kept")
WORDS = 3  # how many of these columns hold words; the others hold numbers
MAXIMUM_WIDTH = 100  # characters of a printed line


class Row(NamedTuple):
    """One layer of a summary, with the numbers for one example; None is what the graph leaves open."""

    layer: str
    ops: tuple[str, ...]
    output_shape: layers.Shape
    parameters: int
    flops: Count
    weight_bytes: int
    activation_bytes: Count


@dataclasses.dataclass(frozen=True, repr=False)
class Summary:
    """What `gk.summary` found in a graph. `print` shows it as a text table, a notebook as an HTML table.

    Attributes:
      rows: one for each layer, in the order of the graph, with the fields layer (the scope), ops (types of
        op that do its arithmetic), output_shape, parameters (trained), flops, weight_bytes (of all its
        variables) and activation_bytes (of one example); None is what the graph leaves open.
      fixed_flops: floating-point operations that each run does once, whatever the batch size, such as those
        of an L2 penalty.
      trained_bytes: bytes of the trained variables.
      input_bytes: bytes of one example's inputs that the gradients need, such as the images of a first layer,
        whose kernel's gradient is a product with them. No row counts them.
      notes: sentences that say what the numbers leave out.
      edges: pairs of names (from, to): `to` is the layer of a row, `from` the layer or the input whose
        values it computes with. Ops without a row are passed through. Edges can form a cycle where a layer
        is used twice, in a loop, and where a row joins ops from several places of a scope. A row that takes
        only the sizes of arrays, such as zeros, has no edge to it.
      inputs: pairs (name, shape) of the arrays that edges start from: placeholders, and what iterators and
        queues bring. The name is the op's, or the tensor's if the op brings several or a layer has the op's
        name. Scalars, such as keep_prob, are not listed; an input of unknown rank is, with shape None.

    Example:
      >>> found = gk.summary(gk.dense(gk.feature_input(784), 10, name="logits"))
      >>> found.rows[0].layer, found.rows[0].output_shape, found.parameters, found.flops
      ('logits', (None, 10), 7850, 15690)
      >>> found.memory(batch_size=100, slots=0)  # 4 * (2 * 7,850 + 100 * (784 + 10))
      380400
      >>> found.edges, found.inputs
      ((('features', 'logits'),), (('features', (None, 784)),))
    """

    rows: tuple[Row, ...]
    fixed_flops: int
    trained_bytes: int
    input_bytes: int
    notes: tuple[str, ...]
    edges: tuple[layers.Edge, ...]
    inputs: tuple[tuple[str, layers.Shape], ...]

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        return sum(row.parameters for row in self.rows)

    @property
    def flops(self) -> int:
        """Floating-point operations of the forward pass of one example."""
        return sum(row.flops or 0 for row in self.rows)

    @property
    def training_flops(self) -> int:
        """Floating-point operations of a training step for one example, by `gk.sizes.training_flops`."""
        return sizes.training_flops(self.flops)

    @property
    def weight_bytes(self) -> int:
        """Bytes of all variables, trained or not."""
        return sum(row.weight_bytes for row in self.rows)

    @property
    def activation_bytes(self) -> int:
        """Bytes that the layers compute for one example and keep for the gradients."""
        return sum(row.activation_bytes or 0 for row in self.rows)

    @property
    def example_bytes(self) -> int:
        """Bytes that a training step holds for each example: inputs and activations."""
        return self.input_bytes + self.activation_bytes

    def forward_flops(self, batch_size: int) -> int:
        """Returns the floating-point operations of the forward pass of a batch."""
        batch_size = checks.Checker("Summary.forward_flops").integer("batch_size", batch_size)
        return self.fixed_flops + batch_size * self.flops

    def memory(self, batch_size: int, slots: int = 2) -> int:
        """Returns the bytes that a training step holds, see `gk.sizes.training_bytes`.

        Args:
          batch_size: number of examples in a batch.
          slots: numbers that the optimizer keeps for each weight, see `gk.sizes.optimizer_slots`.
        """
        untrained = self.weight_bytes - self.trained_bytes
        # Sizes are in bytes here, so the element that they count is a byte.
        return untrained + sizes.training_bytes(
            self.trained_bytes, self.example_bytes, batch_size, slots=slots, dtype="uint8"
        )

    def largest_batch(self, memory: int, slots: int = 2) -> int:
        """Returns the largest batch size whose training step fits in the memory.

        Args:
          memory: available memory, in bytes.
          slots: numbers that the optimizer keeps for each weight, see `gk.sizes.optimizer_slots`.

        Raises:
          ValueError: not even one example fits, or the graph keeps no activations of known size.
        """
        check = checks.Checker("Summary.largest_batch")
        memory = check.integer("memory", memory, minimum=0)
        check.require(
            self.example_bytes,
            "the graph must keep activations of known size",
            activation_bytes=self.activation_bytes,
        )
        needed = self.memory(1, slots)
        check.require(
            needed <= memory,
            "not even one example fits into the memory, in bytes",
            memory=memory,
            needed=needed,
        )
        untrained = self.weight_bytes - self.trained_bytes
        return sizes.largest_batch(
            memory - untrained, self.trained_bytes, self.example_bytes, slots=slots, dtype="uint8"
        )

    def __str__(self) -> str:
        return text_table(self)

    __repr__ = __str__  # the table, not the fields, at a prompt

    def _repr_html_(self) -> str:
        return html_table(self)


def summary(target: forward_pass.Target = None) -> Summary:
    """Returns the table of a graph: layers, shapes, parameters, operations and bytes.

    Nothing is printed: use `print(gk.summary(...))`, or let a notebook show the value as a table. It reads
    any TensorFlow 1 graph, whoever built it. Given tensors, only what they depend on counts. Given a complete
    graph, gradients (the ops in scopes that `tf.gradients` makes, and what depends on them) are left out, and
    so is what only updates, initial values, checkpoints or weights need.

    A row is a layer: the ops that use the variables of one scope, with the bias and the activation that
    follow; or a pooling; or a name scope, or else a single op, without variables. A variable that is used
    twice is counted once, the operations of each use are counted. Operations are counted by the rules of
    TensorFlow's profiler (a multiply and an add are two; relu and fused batch normalization are none), and
    those of einsum in the same manner. Activations are the floating-point arrays of the forward pass that
    the gradients need, without the graph's inputs.

    The numbers are for one example: what one more example in the batch adds. The batch is the first axis of
    placeholders (and of what iterators bring); where it has a fixed size, the numbers are divided by it. A
    round of a `while_loop` is counted `maximum_iterations` times, and once if the loop sets no maximum; of
    the branches of a `cond`, the costliest counts. The notes under the table name what is counted for one
    round, what has no rule (such as CuDNN's networks) and whose sizes are open.

    Args:
      target: a tensor or a list of tensors, or a `tf.Graph`; None for the default graph.

    Returns:
      A `graphkit.inspection.Summary`: rows and totals.

    Raises:
      TypeError: target is not a tensor of a graph, a list of tensors, or a `tf.Graph`.
      ValueError: the list is empty, or its tensors are of different graphs.

    Example:
      >>> print(gk.summary(gk.mlp(gk.image_input(28, 28, 1), hidden_units=(256,))))
      layer    ops                    output shape  parameters    FLOPs  bytes kept
      -----------------------------------------------------------------------------
      flatten  Reshape                (None, 784)            0        0           0
      hidden1  MatMul, BiasAdd, Relu  (None, 256)      200,960  401,664       1,024
      logits   MatMul, BiasAdd        (None, 10)         2,570    5,130          40
      -----------------------------------------------------------------------------
      total                                            203,530  406,794       1,064
      FLOPs and bytes kept (of the arrays that the gradients need) are for one
      example. The variables take 814,120 bytes.
    """
    return summarize(checks.Checker("summary"), target)


def summarize(check: checks.Checker, target: forward_pass.Target) -> Summary:
    """Returns the `Summary` of what a public function was given."""
    graph, ops = forward_pass.find_ops(check, target)
    weights, weight_notes = layers.find_weights(graph, ops)
    sources, dependent = forward_pass.depend_on_examples(ops)
    consumed = layers.trace_weights(ops, weights, dependent)
    op_costs, cost_notes = costs.costs_of_ops(ops, sources, dependent)
    grouped = layers.group_ops(ops, weights, dependent, consumed)
    rows, trained = make_rows(grouped, weights, consumed, op_costs)
    fixed = sum(op_costs[op].fixed_flops or 0 for op in ops)
    notes = (*weight_notes, *cost_notes, *unknown_notes(rows))
    edges, inputs = layers.find_edges(ops, grouped, [row.layer for row in rows])
    brought = total(op_costs[op].kept_bytes for op in sources if op not in grouped) or 0
    return Summary(rows, fixed, trained, brought, notes, edges, inputs)


def make_rows(
    grouped: Mapping[tf.Operation, str],
    weights: Mapping[tf.Operation, layers.Weight],
    consumed: Mapping[tf.Operation, tuple[tf.Operation, ...]],
    op_costs: Mapping[tf.Operation, costs.Cost],
) -> tuple[tuple[Row, ...], int]:
    """Returns the rows that hold variables, operations or arrays, and the bytes of what they train."""
    members: dict[str, list[tf.Operation]] = {}
    owners: dict[tf.Operation, str] = {}  # {variable: its row}: the first that computes with it
    for op, name in grouped.items():
        members.setdefault(name, []).append(op)
        for variable in consumed.get(op, ()):
            owners.setdefault(variable, name)
    for variable in dict.fromkeys(variable for parts in consumed.values() for variable in parts):
        owners.setdefault(variable, weights[variable].layer or weights[variable].name)
    made = []
    for name in dict.fromkeys((*members, *owners.values())):
        ops = members.get(name, [])
        held = [weights[variable] for variable, owner in owners.items() if owner == name]
        row = Row(
            layer=name,
            ops=layers.types_of(ops),
            output_shape=layers.output_shape(ops),
            parameters=sum(weight.parameters for weight in held if weight.trained),
            flops=total(op_costs[op].flops for op in ops),
            weight_bytes=sum(weight.bytes for weight in held),
            activation_bytes=total(op_costs[op].kept_bytes for op in ops),
        )
        if held or row.flops != 0 or (row.ops and row.output_shape != ()):
            made.append(row)
    trained = sum(weights[variable].bytes for variable in owners if weights[variable].trained)
    return tuple(made), trained


def unknown_notes(rows: Sequence[Row]) -> list[str]:
    """Returns which rows cannot be counted because a size is open."""
    notes = []
    for field, name in (("flops", "FLOPs"), ("activation_bytes", "bytes kept")):
        unknown = [row.layer for row in rows if getattr(row, field) is None]
        if unknown:
            notes.append(
                f"Sizes are not known, so the {name} of these layers are not in the total: "
                f"{costs.join(unknown)}."
            )
    return notes


# The table.


def cells_of(row: Row) -> tuple[str, ...]:
    """Returns the texts of a row, one for each column."""
    shape = "?" if row.output_shape is None else str(row.output_shape)
    numbers = map(number_text, (row.parameters, row.flops, row.activation_bytes))
    return row.layer, ", ".join(row.ops), shape, *numbers


def total_cells(found: Summary) -> tuple[str, ...]:
    numbers = map(number_text, (found.parameters, found.flops, found.activation_bytes))
    return "total", "", "", *numbers


def number_text(count: Count) -> str:
    return "?" if count is None else f"{count:,}"


def remarks_on(found: Summary) -> list[str]:
    """Returns the paragraphs under a table: what the numbers mean, and what they leave out."""
    meaning = (
        "FLOPs and bytes kept (of the arrays that the gradients need) are for one example. "
        f"The variables take {found.weight_bytes:,} bytes."
    )
    remarks = [meaning, *found.notes]
    if found.fixed_flops * 100 >= found.flops > 0:  # less is not worth a line
        remarks.append(f"Each run does {found.fixed_flops:,} more FLOPs, whatever the batch size.")
    return remarks


def text_table(found: Summary) -> str:
    """Returns a summary as text of at most 100 columns; long names of layers and ops are cut."""
    lines, last = [cells_of(row) for row in found.rows], total_cells(found)
    widths = [max(map(len, column)) for column in zip(HEAD, *lines, last, strict=True)]
    gaps = 2 * (len(HEAD) - 1)
    room = MAXIMUM_WIDTH - sum(widths[2:]) - gaps
    widths[0] = min(widths[0], max(room - min(widths[1], 16), 12))
    widths[1] = min(widths[1], max(room - widths[0], 12))
    width = sum(widths) + gaps
    rule = "-" * width
    body = [line_text(HEAD, widths), rule, *(line_text(line, widths) for line in lines), rule]
    remarks = (part for remark in remarks_on(found) for part in textwrap.wrap(remark, width))
    return "\n".join([*body, line_text(last, widths), *remarks])


def line_text(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Returns a line of the table, words aligned left and numbers right."""
    cells = [cut_left(cells[0], widths[0]), cut_right(cells[1], widths[1]), *cells[2:]]
    words = [f"{text:<{width}}" for text, width in zip(cells[:WORDS], widths, strict=False)]
    numbers = [f"{text:>{width}}" for text, width in zip(cells[WORDS:], widths[WORDS:], strict=True)]
    return "  ".join([*words, *numbers])


def cut_right(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def cut_left(text: str, width: int) -> str:
    """Returns the end of a long name of scopes, which tells layers apart where the beginning does not."""
    return text if len(text) <= width else "…" + text[len(text) - width + 1 :]


def html_table(found: Summary) -> str:
    """Returns a summary as an HTML table for notebooks.

    It sets no colors: text, background and borders are those of the page, in light and dark themes. Styles
    are on the cells, since a style sheet would act on the other tables of the page too.
    """
    above, below = "border-top: 1px solid;", "border-bottom: 1px solid;"
    lines = [
        "<div>",
        '<table style="border-collapse: collapse;">',
        f"<thead>{html_row(HEAD, 'col', below)}</thead>",
        "<tbody>",
        *(html_row(cells_of(row), "row") for row in found.rows),
        "</tbody>",
        f"<tfoot>{html_row(total_cells(found), 'row', above)}</tfoot>",
        "</table>",
        *(f"<p>{html.escape(remark)}</p>" for remark in remarks_on(found)),
        "</div>",
    ]
    return "\n".join(lines)


def html_row(cells: Sequence[str], scope: str, border: str = "") -> str:
    """Returns a row of an HTML table: all cells are headings with scope "col", the first with "row"."""
    parts = []
    for place, text in enumerate(cells):
        side = "left" if place < WORDS else "right"
        style = f"text-align: {side}; {border}".strip()
        tag, attribute = ("th", f' scope="{scope}"') if scope == "col" or place == 0 else ("td", "")
        parts.append(f'<{tag}{attribute} style="{style}">{html.escape(text)}</{tag}>')
    return f"<tr>{''.join(parts)}</tr>"
