"""The table of a built graph: layers, output shapes, parameters, floating-point operations and bytes."""

import dataclasses
from typing import NamedTuple

from graphkit import checks, sizes
from graphkit.inspection import edges, forward, layers
from graphkit.inspection.measures import measure
from graphkit.inspection.notes import unknown_notes
from graphkit.inspection.rules import total
from graphkit.inspection.table import table

__all__ = ["Summary", "summary"]


class Row(NamedTuple):
    """One layer of a summary, with figures for one example; None is what the graph leaves open."""

    layer: str
    ops: tuple
    output_shape: tuple | None
    parameters: int
    flops: int | None
    weight_bytes: int
    activation_bytes: int | None


@dataclasses.dataclass(frozen=True)
class Summary:
    """What `gk.summary` found in a graph; printed, it is the table.

    Attributes:
      rows: one for each layer, in the order of the graph, with the fields layer (the scope), ops (types of
        op that do its arithmetic), output_shape, parameters (trained), flops, weight_bytes (of all its
        variables) and activation_bytes (of one example); None is what the graph leaves open.
      fixed_flops: floating-point operations that each run makes once, whatever the batch, such as those of
        an L2 penalty.
      trained_bytes: bytes of the trained variables.
      notes: sentences that say what is not in the figures.
      edges: pairs of names (from, to), by the rows that they lead to: `to` is the layer of a row, `from`
        another one, or an input, whose values it computes with. Ops without a row of their own are passed
        through. A layer that is used twice, a loop, or a row of ops from several places of a scope can
        make a circle; a row that takes the sizes of arrays only, such as zeros, is fed by nothing.
      inputs: pairs (name, shape) of the arrays that edges start from: placeholders, and what iterators and
        queues bring. The name is the op's, or the tensor's where the op brings several (or a layer is
        called so). Scalars, such as keep_prob, are no inputs; one of unknown rank, shape None, is.

    Example:
      >>> found = gk.summary(gk.dense(gk.feature_input(784), 10, name="logits"), print_table=False)
      >>> found.rows[0].layer, found.rows[0].output_shape, found.parameters, found.flops
      ('logits', (None, 10), 7850, 15690)
      >>> found.memory(batch_size=100, slots=0)
      66800
      >>> found.edges, found.inputs
      ((('features', 'logits'),), (('features', (None, 784)),))
    """

    rows: tuple
    fixed_flops: int
    trained_bytes: int
    notes: tuple
    edges: tuple
    inputs: tuple

    @property
    def parameters(self):
        """How many numbers are trained."""
        return sum(row.parameters for row in self.rows)

    @property
    def flops(self):
        """Floating-point operations of the forward pass of one example."""
        return sum(row.flops or 0 for row in self.rows)

    @property
    def training_flops(self):
        """Floating-point operations of a training step for one example, by `gk.training_flops`."""
        return sizes.training_flops(self.flops)

    @property
    def weight_bytes(self):
        """Bytes of all variables, trained or not."""
        return sum(row.weight_bytes for row in self.rows)

    @property
    def activation_bytes(self):
        """Bytes that the forward pass of one example keeps for the gradients."""
        return sum(row.activation_bytes or 0 for row in self.rows)

    def forward_flops(self, batch_size):
        """Returns the floating-point operations of the forward pass of a whole batch."""
        batch_size = checks.integer("Summary.forward_flops", "batch_size", batch_size)
        return self.fixed_flops + batch_size * self.flops

    def memory(self, batch_size, slots=2):
        """Returns the bytes that a training step holds, see `gk.training_bytes`.

        Args:
          batch_size: examples in a batch.
          slots: numbers that the optimizer keeps for each weight, see `gk.optimizer_slots`.
        """
        untrained = self.weight_bytes - self.trained_bytes
        return untrained + sizes.training_bytes(
            self.trained_bytes, self.activation_bytes, batch_size, slots=slots, dtype="uint8"
        )

    def largest_batch(self, memory, slots=2):
        """Returns the largest batch size whose training step fits into so many bytes.

        Args:
          memory: how much there is, in bytes.
          slots: numbers that the optimizer keeps for each weight, see `gk.optimizer_slots`.

        Raises:
          ValueError: not even one example fits, or the graph keeps nothing for an example.
        """
        function = "Summary.largest_batch"
        memory = checks.integer(function, "memory", memory, minimum=0)
        rule = "the graph must keep activations of known size"
        checks.require(self.activation_bytes, function, rule, activation_bytes=self.activation_bytes)
        needed = self.memory(1, slots)
        rule = "not even one example fits into the memory, in bytes"
        checks.require(needed <= memory, function, rule, memory=memory, needed=needed)
        untrained = self.weight_bytes - self.trained_bytes
        return sizes.largest_batch(
            memory - untrained, self.trained_bytes, self.activation_bytes, slots=slots, dtype="uint8"
        )

    def __str__(self):
        return table(self)


def summary(target=None, print_table=True):
    """Prints and returns the table of a graph: layers, shapes, parameters, operations, bytes.

    It reads any TensorFlow 1 graph, whoever built it. Given tensors, only what they depend on counts.
    Given a whole graph, gradients (the ops in scopes that `tf.gradients` makes, and what depends on them)
    and what only updates, initial values, checkpoints or weights alone need are left out.

    A row is a layer: the ops that use the variables of one scope, with the bias and the activation that
    follow; or a pooling; or a name scope, or else a single op, without variables. A variable that is used
    twice is counted once, the operations of each use are counted. Operations are counted by the rules of
    TensorFlow's profiler (a multiply and an add are two; relu and fused batch normalization are none), and
    those of einsum likewise. Activations are the floating-point arrays that the gradients need from the
    forward pass, without the graph's inputs.

    Figures are for one example: what one more example in the batch adds. The batch is the first axis of
    placeholders (and of what iterators bring); where it has a fixed size, figures are divided by it. What
    a `while_loop` does in a round is counted as often as its `maximum_iterations` says, and once where it
    says nothing; of the branches of a `cond`, the costlier counts. The notes under the table name what is
    counted for one round, what has no rule (such as CuDNN's networks) and whose sizes are open.

    Args:
      target: a tensor or several, or a `tf.Graph`; None for the default graph.
      print_table: whether the table is printed.

    Returns:
      A `gk.Summary`: rows and totals.

    Raises:
      TypeError: a target of another kind.
      ValueError: no tensor, or tensors of different graphs.

    Example:
      >>> found = gk.summary(gk.mlp(gk.image_input(28, 28, 1), hidden_units=(256,)))
      layer    ops                    output shape  parameters    FLOPs  bytes kept
      -----------------------------------------------------------------------------
      flatten  Reshape                (None, 784)            0        0           0
      hidden1  MatMul, BiasAdd, Relu  (None, 256)      200,960  401,664       1,024
      logits   MatMul, BiasAdd        (None, 10)         2,570    5,130          40
      -----------------------------------------------------------------------------
      total                                            203,530  406,794       1,064
      FLOPs, and the bytes that the gradients need kept, are for one example. The
      variables take 814,120 bytes.
    """
    found = summarize("summary", target)
    if print_table:
        print(found)
    return found


def summarize(function, target):
    """Returns the `Summary` of what a public function was given."""
    graph, ops = forward.find_ops(function, target)
    weights, weight_notes = layers.find_weights(graph, ops)
    sources, dependent = forward.depend_on_examples(ops)
    consumed = layers.trace_weights(ops, weights, dependent)
    measures, batch_notes = measure(graph, ops, sources, dependent)
    grouped = layers.group_ops(ops, weights, dependent, consumed)
    rows, trained = make_rows(grouped, weights, consumed, measures)
    fixed = total(measures[op].fixed_flops or 0 for op in ops)
    notes = [*weight_notes, *batch_notes, *unknown_notes(rows)]
    pairs, inputs = edges.find_edges(ops, grouped, rows)
    return Summary(rows, fixed, trained, tuple(notes), pairs, inputs)


def make_rows(rows, weights, consumed, measures):
    """Returns the rows that hold variables, operations or arrays, and the bytes of what they train."""
    members, owners = {}, {}
    for op, name in rows.items():
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
            parameters=sum(weight.count for weight in held if weight.trained),
            flops=total(measures[op].flops for op in ops),
            weight_bytes=sum(weight.bytes for weight in held),
            activation_bytes=total(measures[op].kept_bytes for op in ops),
        )
        if held or row.flops != 0 or (row.ops and row.output_shape != ()):
            made.append(row)
    trained = sum(weights[variable].bytes for variable in owners if weights[variable].trained)
    return tuple(made), trained
