"""`check_graph`: problems of a graph that TensorFlow runs without a warning, found before the first step."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import tensorflow as tf

from graphkit import checks
from graphkit.graph import walk
from graphkit.inspection import batch_rules, layer_rules, loss_rules, structure_rules
from graphkit.inspection.graph_view import GraphView, Problems

__all__ = ["Finding", "check_graph"]

RULES: dict[str, Callable[[GraphView], Problems]] = {
    rule.__name__: rule
    for rule in (
        loss_rules.softmax_twice,
        loss_rules.relu_logits,
        loss_rules.log_of_softmax,
        structure_rules.no_gradient,
        structure_rules.unreached_collections,
        loss_rules.broadcast_in_loss,
        batch_rules.sum_over_batch,
        loss_rules.l2_on_bias,
        loss_rules.dropout_always_on,
        structure_rules.unshared_towers,
        structure_rules.ops_in_loop,
        structure_rules.unused_placeholder,
        layer_rules.bias_twice,
        layer_rules.linear_layers,
        layer_rules.only_penalised,
    )
}


class Finding(NamedTuple):
    """One problem that `gk.check_graph` found; printed, it is one readable line.

    Attributes:
      rule: short name of the rule that found it, such as "softmax_twice".
      op: name of the op or variable that has the problem; the first one, if a line made several.
      line: "file:line" of the program that made it.
      message: what is wrong, and how to fix it.

    Example:
      >>> from graphkit.inspection import Finding
      >>> print(Finding("unused_placeholder", "x", "train.py:12", "nothing uses it; delete it"))
      train.py:12: nothing uses it; delete it [unused_placeholder: x]
    """

    rule: str
    op: str
    line: str
    message: str

    def __str__(self) -> str:
        return f"{self.line}: {self.message} [{self.rule}: {self.op}]"


def check_graph(
    loss: tf.Tensor,
    train_op: tf.Operation | tf.Tensor | Sequence[tf.Operation | tf.Tensor] | None = None,
    *,
    variables: Sequence[tf.Variable] | None = None,
) -> list[Finding]:
    """Looks through a TF1 graph for problems that TensorFlow runs without a warning.

    Nothing is run and no op is added: the graph may be finalized, or still grow. Only what the loss
    depends on is checked, and what was meant to reach it. The rules:

    - softmax_twice: a softmax (sigmoid) before a loss that takes logits.
    - relu_logits: a ReLU before a softmax loss, which takes logits.
    - log_of_softmax: the logarithm of a softmax or sigmoid.
    - no_gradient: trainable variables that get no gradient from the loss.
    - unreached_collections: regularization losses and update ops that reach no training.
    - broadcast_in_loss: (N,) against (N, 1), which makes N x N.
    - sum_over_batch: a loss that is a sum over the examples, and not a mean; not with a train_op.
    - l2_on_bias: an L2 penalty on biases, or on the scales of a normalization.
    - dropout_always_on: dropout that evaluation cannot switch off, or that is on unless fed.
    - unshared_towers: layers that two towers for different inputs were meant to share.
    - ops_in_loop: ops that a training loop adds to the graph.
    - unused_placeholder: placeholders that nothing uses.
    - bias_twice: a bias on top of a layer's own.
    - linear_layers: a dense layer after one that has no activation, and is not narrower.
    - only_penalised: layers that reach the loss by a penalty on their weights alone.

    Args:
      loss: floating-point scalar tensor.
      train_op: the op of your own training step, or a list of ops. None stands for a `gk.Trainer`, which runs
        all UPDATE_OPS and adds missing REGULARIZATION_LOSSES by itself.
      variables: the variables to train; None for all trainable ones.

    Returns:
      A list of `Finding`, empty if there is nothing to fix.

    Raises:
      TypeError: loss is not a tensor of a graph, train_op holds something that is not an op or a tensor, or
        variables is not a list of variables.
      ValueError: loss is not a floating-point scalar, or train_op or variables are of another graph.

    Example:
      >>> probabilities = gk.softmax(gk.dense(gk.feature_input(4), 3))
      >>> loss = gk.softmax_cross_entropy(probabilities, gk.label_input())
      >>> [finding.rule for finding in gk.check_graph(loss)]
      ['softmax_twice']
    """
    check = checks.Checker("check_graph")
    graph = walk.check_loss(check, loss)
    train_ops = check_train_op(check, graph, train_op)
    return findings(GraphView(graph, loss, train_ops, check_variables(check, graph, variables)))


def of_trainer(
    loss: tf.Tensor, variables: Sequence[tf.Variable], metrics: Mapping[str, tf.Tensor]
) -> list[Finding]:
    """Returns what `check_graph` finds, and what it finds in the metrics of a trainer."""
    trained = {walk.handle_op(variable): variable for variable in variables}
    named = {f"the metric {name!r}": tensor for name, tensor in metrics.items()}
    return findings(GraphView(loss.graph, loss, None, trained, named))


def findings(view: GraphView) -> list[Finding]:
    return [
        Finding(rule, op.name, view.line(op), message)
        for rule, find in RULES.items()
        for op, message in find(view)
    ]


def report(findings: Iterable[Finding]) -> str:
    """Returns the findings as text, one per line."""
    return "\n".join(map(str, findings))


def check_train_op(
    check: checks.Checker,
    graph: tf.Graph,
    train_op: tf.Operation | tf.Tensor | Sequence[tf.Operation | tf.Tensor] | None,
) -> list[tf.Operation | tf.Tensor] | None:
    """Returns the ops and tensors of a training step in a list, or None."""
    if train_op is None:
        return None
    rule = "train_op must be an op or a tensor of the loss's graph, or a list of them"
    given: list[tf.Tensor] = list(train_op) if isinstance(train_op, (list, tuple)) else [train_op]
    for item in given:
        check.require_type(isinstance(item, tf.Operation) or walk.is_graph_tensor(item), rule, train_op=item)
        check.require(item.graph is graph, rule, train_op=item.name)
    return given


def check_variables(
    check: checks.Checker, graph: tf.Graph, variables: Sequence[tf.Variable] | None
) -> dict[tf.Operation, tf.Variable]:
    """Returns {op: variable} of the variables to train."""
    rule = "variables must be a list of variables of the loss's graph"
    check.require_type(isinstance(variables, (list, tuple, type(None))), rule, variables=variables)
    for variable in variables or ():
        check.require_type(isinstance(variable, tf.Variable), rule, variables=variable)
        check.require(variable.graph is graph, rule, variables=variable.name)
    if variables is None:
        variables = graph.get_collection(tf.compat.v1.GraphKeys.TRAINABLE_VARIABLES)
    return {walk.handle_op(variable): variable for variable in variables}
