"""What a trainer minimizes: a loss, or several in turn, each with its own variables and optimizer."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from graphkit import checks
from graphkit.graph import walk
from graphkit.inspection import graph_checks
from graphkit.nn.metrics import Metric
from graphkit.running import metrics as running_metrics
from graphkit.train import optimizers
from graphkit.train.learning_rate import LearningRate


class Objective(NamedTuple):
    """A loss that a step minimizes.

    Attributes:
      name: of the loss among several; None of the only one.
      loss: floating-point scalar tensor.
      variables: those to train; None for all trainable ones.
      optimizer: as `Trainer` takes it.
      times: how many updates of it a step makes, one after the other.
    """

    name: str | None
    loss: tf.Tensor
    variables: Any
    optimizer: Any
    times: int = 1


def check_objectives(check: checks.Checker, loss: Any, optimizer: Any, variables: Any) -> list[Objective]:
    """Returns what to minimize, in the order of the updates; see `Trainer` for the arguments.

    Example, a critic that learns the value of an action and an actor that moves to a better one:
      >>> states = gk.feature_input(1)
      >>> actor, critic = gk.dense(states, 1, name="actor"), gk.dense(states, 1, name="critic")
      >>> reward = -tf.square(actor - 1.0)
      >>> of_actor, of_critic = map(tf.compat.v1.trainable_variables, ("actor/", "critic/"))
      >>> losses = {
      ...     "critic": (tf.reduce_mean(tf.square(tf.stop_gradient(reward) - critic)), of_critic, "adam"),
      ...     "actor": (-tf.reduce_mean(reward - tf.stop_gradient(critic)), of_actor, "sgd"),
      ... }
      >>> with gk.Trainer(losses, learning_rate={"critic": 1e-2, "actor": 0.1}, seed=1) as trainer:
      ...     _ = trainer.fit({states: np.ones((8, 1))}, epochs=40, batch_size=8, progress=False)
      >>> abs(trainer.history["actor"][-1]) < 0.1
      True
    """
    if not isinstance(loss, Mapping):
        walk.check_loss(check, loss)
        return [Objective(None, loss, variables, optimizer)]
    check.require(loss, "a dict of losses must hold one", loss=loss)
    check.require(variables is None, "each of several losses lists its own variables", variables=variables)
    found = [of_entry(check, name, entry, optimizer) for name, entry in loss.items()]
    graphs = {objective.loss.graph for objective in found}
    check.require(len(graphs) == 1, "all losses must be of one graph", losses=[*loss])
    dtypes = {objective.name: objective.loss.dtype.name for objective in found}
    check.require(len({*dtypes.values()}) == 1, "all losses must have one dtype", dtypes=dtypes)
    return found


def of_entry(check: checks.Checker, name: Any, entry: Any, optimizer: Any) -> Objective:
    """Returns the objective of an entry of a dict of losses."""
    free = isinstance(name, str) and name.isidentifier() and not running_metrics.is_reserved(name)
    check.require(free, "the name of a loss must be an identifier that the history does not use", name=name)
    rule = (
        f"the entry of {name!r} must be (loss, variables), (loss, variables, optimizer) or "
        "(loss, variables, optimizer, updates in a step)"
    )
    check.require_type(isinstance(entry, tuple) and 2 <= len(entry) <= 4, rule, entry=entry)
    loss, variables, *rest = entry
    walk.check_loss(check, loss)
    check.require_type(variables is not None, f"the loss {name!r} must list its variables", variables=None)
    times = check.integer(f"updates of {name!r}", rest[1]) if len(rest) > 1 else 1
    return Objective(name, loss, variables, rest[0] if rest else optimizer, times)


def check_alone(
    check: checks.Checker,
    objectives: Sequence[Objective],
    accumulate: int,
    dtype: str,
    devices: int,
    workers: int,
) -> None:
    """Raises `ValueError` for what a step with several updates cannot do.

    Args:
      check: of the function that was called.
      objectives: what a step minimizes.
      accumulate: mini-batches of an update.
      dtype: the trainer's compute_dtype.
      devices: how many share a mini-batch.
      workers: how many processes do.
    """
    if objectives[0].name is None:
        return
    losses = [objective.name for objective in objectives]
    rule = "several losses cannot accumulate gradients: later ones are of variables that earlier ones change"
    check.require(accumulate == 1, rule, accumulate=accumulate, losses=losses)
    rule = 'several losses need "float32" or "bfloat16": a step that overflows would make some of its updates'
    check.require(dtype != "float16", rule, compute_dtype=dtype, losses=losses)
    check.require(devices < 2, 'device="all" takes one loss', losses=losses)
    check.require(workers == 1, "several workers train one loss", workers=workers, losses=losses)


def learning_rate_of(
    check: checks.Checker, learning_rate: Any, objectives: Sequence[Objective]
) -> LearningRate:
    """Returns the learning rate: of all losses, or that of each whose optimizer does not bring its own."""
    fed = [o.name for o in objectives if not optimizers.brings_rate(o.optimizer)]
    if isinstance(learning_rate, Mapping):
        rule = "a dict of learning rates must have one for each loss whose optimizer does not bring its own"
        same = objectives[0].name is not None and {*learning_rate} == {*fed}
        check.require(same and fed, rule, learning_rate=learning_rate, losses=fed)
    return LearningRate(learning_rate, own=not fed)


def with_variables(check: checks.Checker, objectives: Sequence[Objective]) -> list[Objective]:
    """Returns the objectives with lists of variables."""
    return [o._replace(variables=optimizers.check_variables(check, o.loss, o.variables)) for o in objectives]


def all_variables(objectives: Sequence[Objective]) -> list[tf.Variable]:
    """Returns the variables that any of the objectives trains, each once."""
    named = {variable.name: variable for objective in objectives for variable in objective.variables}
    return list(named.values())


def regularized(objectives: Sequence[Objective]) -> list[Objective]:
    """Returns the objectives with the regularization losses of their variables added."""
    return [o._replace(loss=optimizers.add_regularization(o.loss, o.variables)) for o in objectives]


def total_of(objectives: Sequence[Objective]) -> tf.Tensor:
    """Returns the only loss, or adds the sum of all to the graph."""
    losses = [objective.loss for objective in objectives]
    return losses[0] if objectives[0].name is None else tf.add_n(losses, name="sum_of_losses")


def metrics_of(objectives: Sequence[Objective]) -> dict[str, Metric]:
    """Returns {"loss": the sum, name: each of several losses} as metrics."""
    named = {"loss": running_metrics.loss_metric(total_of(objectives))}
    return named | {o.name: running_metrics.loss_metric(o.loss) for o in objectives if o.name is not None}


def findings(objectives: Sequence[Objective], metrics: Mapping[str, Metric]) -> list[graph_checks.Finding]:
    """Returns what `gk.check_graph` finds: in the sum of the losses, and for the variables of each."""
    tensors = {name: metric.tensor for name, metric in metrics.items()}
    found = graph_checks.of_trainer(total_of(objectives), all_variables(objectives), tensors)
    used = {op.name for o in objectives for op in optimizers.settings_ops(o.optimizer)}
    found = [finding for finding in found if finding.rule != "unused_placeholder" or finding.op not in used]
    if objectives[0].name is None:
        return found
    found = [finding for finding in found if finding.rule != "no_gradient"]
    for objective in objectives:
        own = graph_checks.check_graph(objective.loss, variables=objective.variables)
        found += [
            finding._replace(message=f"{objective.name}: {finding.message}")
            for finding in own
            if finding.rule == "no_gradient"
        ]
    return found
