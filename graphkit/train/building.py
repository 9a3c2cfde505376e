"""What a trainer adds to a graph before its session: the training step, loops, savers, initial values."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from graphkit import checks
from graphkit.checkpoints import saving, unsaved
from graphkit.graph import fingerprint, lines, walk
from graphkit.inspection import graph_checks
from graphkit.nn import inputs, scopes
from graphkit.nn.metrics import Metric
from graphkit.running import (
    inference,
    kernels,
    loops,
    pixels,
    session,
    towers,
    training_step,
    wire,
    workers,
)
from graphkit.train import averages as moving_averages
from graphkit.train import objectives, optimizers, updates
from graphkit.train.learning_rate import LearningRate

logger = logging.getLogger("graphkit")


class Settings(NamedTuple):
    """How a trainer makes its training step; see `Trainer` for what each means."""

    clip_norm: float | None
    clip_value: float | None
    accumulate: int
    average_decay: float | None
    compute_dtype: str
    strict: bool
    workers: workers.Workers
    devices: Sequence[str] = ()


def check_settings(check: checks.Checker, minimized: Sequence[objectives.Objective], *given: Any) -> Settings:
    """Returns the settings, of which the numbers are checked; the others are where they are used."""
    settings = Settings(*given)
    clip_norm = settings.clip_norm
    if clip_norm is not None:
        clip_norm = check.number("clip_norm", clip_norm, above=0)
    accumulate = check.integer("accumulate", settings.accumulate)
    dtype, devices, size = settings.compute_dtype, len(settings.devices), settings.workers.size
    objectives.check_alone(check, minimized, accumulate, dtype, devices, size)
    clip_value, decay = settings.clip_value, settings.average_decay
    if clip_value is not None:
        clip_value = check.number("clip_value", clip_value, above=0)
        both = {"clip_norm": clip_norm, "clip_value": clip_value}
        check.require(clip_norm is None, "give clip_norm or clip_value, not both", **both)
    if decay is not None:
        decay = check.number("average_decay", decay, above=0, below=1)
        rule = "parameter servers do not keep moving averages"
        check.require(not settings.workers.shares, rule, average_decay=decay)
    return settings._replace(
        clip_norm=clip_norm, clip_value=clip_value, accumulate=accumulate, average_decay=decay
    )


class Built(NamedTuple):
    """What a trainer runs.

    Attributes:
      metrics: {name: `Metric`}, the loss first, then each of several.
      step: the training step.
      loops: the loops over the training step.
      checkpoints: saves and restores the variables.
      initializer: gives all variables their initial values.
      fingerprint: hashes of the training step, see `fingerprint.of_scopes`.
      unsaved: what a step uses whose state checkpoints do not hold.
    """

    metrics: dict[str, Metric]
    step: training_step.TrainingStep
    loops: loops.Loops
    checkpoints: saving.Checkpoints
    initializer: tf.Operation
    fingerprint: dict[str, str]
    unsaved: list[str]


def build(
    minimized: Sequence[objectives.Objective],
    metrics: Mapping[str, Metric],
    learning_rate: LearningRate,
    seed: int,
    settings: Settings,
) -> Built:
    """Adds to the graph of the losses everything that its trainer runs by itself."""
    check, graph = checks.Checker("Trainer"), minimized[0].loss.graph
    rule = f"the graph is finalized, so nothing can be added to train it; called at {lines.caller_line()}"
    check.require(not graph.finalized, rule)
    made = scopes.TRAINERS.get(graph)
    rule = (
        f"the graph has a trainer already, made at {made}, and a second one would add its update "
        f"to the same graph; go on with that one, or {scopes.NEW_NETWORK}; called at {lines.caller_line()}"
    )
    check.require(made is None, rule)
    with graph.as_default(), settings.workers.scope():
        minimized = objectives.with_variables(check, minimized)
        trained = objectives.all_variables(minimized)
        settings.workers.check_settings(check, trained, settings.accumulate)
        check_graph(check, minimized, metrics, settings.strict)
        minimized = objectives.regularized(minimized)
        metrics = objectives.metrics_of(minimized) | dict(metrics)
        weights = model_variables(graph, [objective.loss for objective in minimized])
        model = graph.get_operations()
        scalings = pixels.scalings(graph)
        step, originals, replaced = build_step(check, minimized, metrics, learning_rate, settings)
        weights = [v for v in weights if v is not step.global_step]
        ops = step.needed_ops()
        wire.check_variables(check, step.remote, step.variables)
        where = {"fetches": step.remote, "spread": settings.workers.shares}
        checkpoints = saving.Checkpoints(step.variables, weights, ops, **where)
        tables = tf.compat.v1.tables_initializer()
        made_loops = loops.make_loops(step, scalings, settings.workers.why_no_loops)
        step = step._replace(inference=inference.make_inference(model, scalings))
        settings.workers.add_ops(step.variables)
        hashes = fingerprint.of_scopes(step.needed_ops(replaced) if replaced else ops, originals)
        step = step._replace(update=settings.workers.end_step(step.update))
        own = settings.workers.initialized(initialized(step.variables))
        initializer = tf.group(session.make_initializer(check, own, seed), tables)
        scopes.TRAINERS[graph] = lines.caller_line()
    kernels.recommend_onednn(ops)
    lost = unsaved.unsaved_state(of_program(ops))
    return Built(metrics, step, made_loops, checkpoints, initializer, hashes, lost)


def build_step(
    check: checks.Checker,
    minimized: Sequence[objectives.Objective],
    metrics: Mapping[str, Metric],
    learning_rate: LearningRate,
    settings: Settings,
) -> tuple[training_step.TrainingStep, Mapping[str, str], Sequence[Any]]:
    """Adds the training step to the current graph.

    Returns:
      (step, {name of a tensor or op: name of that which it stands for}, what is run only as copies).
    """
    global_step = scopes.global_step()
    seed_input, step_input, training_input = inputs.seed_input(), inputs.step_input(), inputs.training_input()
    rate_input = learning_rate.make_input()
    values = [metric.tensor for metric in metrics.values()]
    turns = [turn_of(check, objective, learning_rate, settings) for objective in minimized]
    gradients = [pair for turn in turns for pair in turn.pairs]
    # The update waits for the loss and the metrics, so that they are those of the weights before it. The user
    # made UPDATE_OPS, and no op can be made to wait afterwards; `running.order` does it in a step's copy.
    graph = tf.compat.v1.get_default_graph()
    collected = check_update_ops(check, graph)
    split = towers.over(check, settings.devices, gradients, values, collected)
    combined = settings.workers.combine(split.pairs, split.values, split.updates)
    clip = optimizers.clipping(settings.clip_norm, settings.clip_value)
    parts: Sequence[training_step.Part] = ()
    if minimized[0].name is None:
        update = optimizers.apply(
            turns[0].optimizer,
            combined.pairs,
            clip=clip,
            accumulate=settings.accumulate,
            global_step=global_step,
            before=combined.before,
        )
    else:
        repeated = [turn for turn, o in zip(turns, minimized, strict=True) for _ in range(o.times)]
        made = updates.in_turn(
            check,
            repeated,
            values[1 + len(turns) :],
            collected,
            clip=clip,
            global_step=global_step,
            step_input=step_input,
        )
        update, parts = made.update, made.parts
        combined = combined._replace(values=[made.total, *made.losses, *values[1 + len(turns) :]])
    update = optimizers.counted(check, update, global_step)
    trained = list({variable.name: variable for _, variable in gradients}.values())
    update, averages = moving_averages.add(update, trained, settings.average_decay)
    variables = changed_variables(check, graph, [update, *values])
    step = training_step.TrainingStep(
        update=update,
        loss=values[0],
        values=combined.values,
        evaluated=loops.evaluated_values(values, seed_input, step_input),
        gradients=gradients,
        variables=variables,
        finite=training_step.finite_flags(variables),
        rate_input=rate_input,
        training_input=training_input,
        seed_input=seed_input,
        step_input=step_input,
        global_step=global_step,
        skips_overflow=isinstance(turns[0].optimizer, optimizers.LossScaled),
        place=combined.place,
        split=split.rows,
        averages=averages,
        remote=settings.workers.is_remote,
        updates=parts,
    )
    originals = {name: split.originals.get(one, one) for name, one in combined.originals.items()}
    return step, {**split.originals, **originals}, split.replaced


def check_update_ops(check: checks.Checker, graph: tf.Graph) -> list[Any]:
    """Returns UPDATE_OPS, none of which may be inside a branch, a loop or a function.

    TensorFlow 1 would never run an update that waits for an op of a branch that is not taken.
    """
    collected = graph.get_collection(tf.compat.v1.GraphKeys.UPDATE_OPS)
    ops = [item if isinstance(item, tf.Operation) else item.op for item in collected]
    own = [op for op in ops if op.graph is graph]
    inner = walk.inside_control_flow(walk.as_made(walk.ancestors(own)))
    lost = [op.name for op in ops if op.graph is not graph or op in inner]
    rule = (
        "UPDATE_OPS must stand outside tf.cond, loops and functions, where no training step can run them: "
        'add to the collection what tf.cond returns, as by tf.compat.v1.add_to_collection("update_ops", '
        "tf.cond(...))"
    )
    check.require(not lost, rule, inside=lost)
    return collected


def turn_of(
    check: checks.Checker, objective: objectives.Objective, learning_rate: LearningRate, settings: Settings
) -> updates.Turn:
    """Makes the optimizer and the gradients of an objective."""
    rate = learning_rate.input_of(objective.name)
    optimizer = optimizers.make_optimizer(check, objective.optimizer, rate)
    if settings.compute_dtype == "float16":
        optimizer = optimizers.with_loss_scaling(optimizer)
    pairs = optimizers.gradients(check, optimizer, objective.loss, objective.variables)
    return updates.Turn(objective.name, optimizer, objective.loss, pairs)


def check_graph(
    check: checks.Checker,
    minimized: Sequence[objectives.Objective],
    metrics: Mapping[str, Metric],
    strict: bool,
) -> None:
    """Logs the issues that `gk.check_graph` finds; with `strict`, raises `ValueError` if there are any."""
    found = objectives.findings(minimized, metrics)
    rule = f"strict refuses a graph with issues:\n{graph_checks.report(found)}"
    check.require(not (strict and found), rule)
    for finding in found:
        logger.warning("%s", finding)


def changed_variables(
    check: checks.Checker, graph: tf.Graph, fetches: list[tf.Tensor | tf.Operation]
) -> list[tf.Variable]:
    """Returns the global variables, and those of other collections that a step reads or writes.

    Raises:
      ValueError: a variable is in no collection, so that nobody can initialize or save it.
    """
    ops = walk.ancestors(fetches)
    known = {walk.handle_op(variable): variable for variable in all_variables(graph)}
    lost = sorted(op.name for op in of_program(ops) if op.type in walk.VARIABLES and op not in known)
    rule = (
        "a variable of the loss is in no collection, so that a trainer can neither initialize nor save it; "
    )
    check.require(not lost, f"{rule}make it with collections=None", variables=lost)
    global_ones = {walk.handle_op(variable) for variable in tf.compat.v1.global_variables()}
    return [variable for op, variable in known.items() if op in global_ones or op in ops]


def model_variables(graph: tf.Graph, losses: Sequence[tf.Tensor]) -> list[tf.Variable]:
    """Returns the global variables, and those of a program's own collections that the losses depend on."""
    ops = walk.ancestors(losses)
    local = {walk.handle_op(variable) for variable in tf.compat.v1.local_variables()}
    global_ones = {walk.handle_op(variable) for variable in tf.compat.v1.global_variables()}
    needed = ((walk.handle_op(variable), variable) for variable in all_variables(graph))
    return [v for op, v in needed if op in global_ones or (op in ops and op not in local)]


def of_program(ops: Iterable[tf.Operation]) -> list[tf.Operation]:
    """Returns the ops without those that several workers add, whose state lasts no longer than they do."""
    return [op for op in ops if not op.name.startswith(fingerprint.AMONG_WORKERS)]


def all_variables(graph: tf.Graph) -> list[tf.Variable]:
    """Returns the variables of all collections, the global ones first, each once."""
    keys = [tf.compat.v1.GraphKeys.GLOBAL_VARIABLES, *sorted(graph.get_all_collection_keys(), key=str)]
    found = (item for key in keys for item in graph.get_collection(key) if isinstance(item, tf.Variable))
    # What `assign` returns is a variable, too, but one without an initial value.
    made = (variable for variable in found if variable.initial_value is not None)
    return list({walk.handle_op(variable): variable for variable in reversed([*made])}.values())[::-1]


def initialized(variables: list[tf.Variable]) -> list[tf.Variable]:
    """Returns the variables, and local ones that a step does not use, such as those of metrics."""
    known = {walk.handle_op(variable) for variable in variables}
    return [*variables, *(v for v in tf.compat.v1.local_variables() if walk.handle_op(v) not in known)]
