"""The training loop of slim."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from graphkit.tf1 import train as tf_train
from graphkit.tf1.contrib.layers import optimizers

v1 = tf.compat.v1
Pairs = list[tuple[Any, Any]]  # of gradients and variables
USE_DEFAULT = 0  # as an argument: what it says is made here; None means none

__all__ = """
add_gradients_summaries clip_gradient_norms create_train_op multiply_gradients train train_step
""".split()


def clip_gradient_norms(gradients_to_variables: Pairs, max_norm: float) -> Pairs:
    """Clips each gradient to a norm by itself."""
    return [
        (optimizers.of_values(lambda values: tf.clip_by_norm(values, max_norm), gradient), variable)
        for gradient, variable in gradients_to_variables
    ]


def clip_gradient_norms_fn(max_norm: float) -> Callable[[Pairs], Pairs]:
    """Returns `clip_gradient_norms` with a given norm."""
    return lambda gradients_to_variables: clip_gradient_norms(gradients_to_variables, max_norm)


def multiply_gradients(grads_and_vars: Pairs, gradient_multipliers: dict[Any, Any]) -> Pairs:
    """Multiplies the gradients of some variables, which are keys, or whose names without ":0" are."""
    if not isinstance(grads_and_vars, list):
        raise ValueError("`grads_and_vars` must be a list.")
    if not gradient_multipliers:
        raise ValueError("`gradient_multipliers` is empty.")
    if not isinstance(gradient_multipliers, dict):
        raise ValueError("`gradient_multipliers` must be a dict.")
    by_name = {
        key if isinstance(key, str) else key.op.name: value for key, value in gradient_multipliers.items()
    }

    def multiply(gradient: Any, variable: Any) -> Any:
        factor = by_name.get(variable.op.name)
        if factor is None:
            return gradient
        if gradient is None:
            raise ValueError("Requested multiple of `None` gradient.")
        return optimizers.times(gradient, factor)

    return [(multiply(gradient, variable), variable) for gradient, variable in grads_and_vars]


def add_gradients_summaries(grads_and_vars: Pairs) -> list[Any]:
    summaries = []
    for gradient, variable in grads_and_vars:
        if gradient is None:
            v1.logging.info("Var %s has no gradient", variable.op.name)
            continue
        values = gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient
        name = variable.op.name
        summaries.append(v1.summary.histogram(f"{name}/gradient", values))
        summaries.append(v1.summary.scalar(f"{name}/gradient_norm", tf.linalg.global_norm([values])))
    return summaries


def create_train_op(
    total_loss: tf.Tensor,
    optimizer: Any,
    global_step: Any = USE_DEFAULT,
    update_ops: Any = None,
    variables_to_train: Sequence[Any] | None = None,
    clip_gradient_norm: float = 0,
    summarize_gradients: bool = False,
    gate_gradients: int = v1.train.Optimizer.GATE_OP,
    aggregation_method: Any = None,
    colocate_gradients_with_ops: bool = False,
    gradient_multipliers: dict[Any, Any] | None = None,
    check_numerics: bool = True,
    transform_grads_fn: Callable[[Pairs], Pairs] | None = None,
) -> tf.Tensor:
    """Returns the loss as a tensor that also runs UPDATE_OPS, then the optimizer; adds it to TRAIN_OP.

    transform_grads_fn is the argument of `tf.contrib.training.create_train_op`.
    """
    if global_step is USE_DEFAULT:
        global_step = tf_train.get_or_create_global_step()
    collected = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
    updates = collected if update_ops is None else list(update_ops)
    if any(all(one is not update for update in updates) for one in collected):
        v1.logging.warning("update_ops in create_train_op does not contain all the update_ops in UPDATE_OPS")
    if updates:
        with tf.control_dependencies(updates):
            barrier = tf.no_op(name="update_barrier")
        total_loss = optimizers.after([barrier], total_loss)
    variables = v1.trainable_variables() if variables_to_train is None else variables_to_train
    assert variables, "there are no variables to train"
    pairs = optimizer.compute_gradients(
        total_loss,
        variables,
        gate_gradients=gate_gradients,
        aggregation_method=aggregation_method,
        colocate_gradients_with_ops=colocate_gradients_with_ops,
    )
    if gradient_multipliers:
        with v1.name_scope("multiply_grads"):
            pairs = multiply_gradients(pairs, gradient_multipliers)
    if clip_gradient_norm > 0:
        with v1.name_scope("clip_grads"):
            pairs = clip_gradient_norms(pairs, clip_gradient_norm)
    if transform_grads_fn is not None:
        pairs = transform_grads_fn(pairs)
    if summarize_gradients:
        with v1.name_scope("summarize_grads"):
            add_gradients_summaries(pairs)
    update = optimizer.apply_gradients(pairs, global_step=global_step)
    with v1.name_scope("train_op"):
        if check_numerics:
            total_loss = v1.check_numerics(total_loss, "LossTensor is inf or nan")
        train_op = optimizers.after([update], total_loss)
    v1.add_to_collection(v1.GraphKeys.TRAIN_OP, train_op)
    return train_op


def train_step(
    sess: Any, train_op: Any, global_step: Any, train_step_kwargs: dict[str, Any]
) -> tuple[Any, Any]:
    """Makes one step; returns the loss, and whether to stop."""
    start = time.time()
    loss, step = sess.run([train_op, global_step])
    if "should_log" in train_step_kwargs and sess.run(train_step_kwargs["should_log"]):
        seconds = time.time() - start
        v1.logging.info("global step %d: loss = %.4f (%.3f sec/step)", step, loss, seconds)
    should_stop = train_step_kwargs.get("should_stop")
    return loss, False if should_stop is None else sess.run(should_stop)


def train(
    train_op: Any,
    logdir: str | None,
    train_step_fn: Callable[..., tuple[Any, Any]] = train_step,
    train_step_kwargs: Any = USE_DEFAULT,
    log_every_n_steps: int = 1,
    graph: tf.Graph | None = None,
    master: str = "",
    is_chief: bool = True,
    global_step: Any = None,
    number_of_steps: int | None = None,
    init_op: Any = USE_DEFAULT,
    init_feed_dict: Any = None,
    local_init_op: Any = USE_DEFAULT,
    init_fn: Callable[[Any], None] | None = None,
    ready_op: Any = USE_DEFAULT,
    summary_op: Any = USE_DEFAULT,
    save_summaries_secs: float = 600,
    summary_writer: Any = USE_DEFAULT,
    startup_delay_steps: int = 0,
    saver: Any = None,
    save_interval_secs: float = 600,
    sync_optimizer: Any = None,
    session_config: Any = None,
    session_wrapper: Callable[[Any], Any] | None = None,
    trace_every_n_steps: int | None = None,
    ignore_live_threads: bool = False,
) -> Any:
    """Trains by `tf.train.Supervisor`, from the last checkpoint in logdir on; returns the last loss.

    sync_optimizer, startup_delay_steps and trace_every_n_steps are refused.
    """
    if train_op is None:
        raise ValueError("train_op cannot be None.")
    if logdir is None and (saver is not None or summary_op not in (USE_DEFAULT, None)):
        raise ValueError("Cannot provide summary_op or saver because logdir=None")
    if number_of_steps is not None and number_of_steps <= 0:
        raise ValueError("`number_of_steps` must be either None or a positive number.")
    if sync_optimizer is not None or startup_delay_steps or trace_every_n_steps is not None:
        raise ValueError("train: sync_optimizer, startup_delay_steps and trace_every_n_steps are not offered")
    graph = graph or v1.get_default_graph()
    with graph.as_default():
        step = tf_train.get_or_create_global_step() if global_step is None else global_step
        given = {"saver": v1.train.Saver() if saver is None else saver}
        with v1.name_scope("init_ops"):
            given["init_op"] = v1.global_variables_initializer() if init_op is USE_DEFAULT else init_op
            ready = v1.report_uninitialized_variables() if ready_op is USE_DEFAULT else ready_op
            local = tf.group(v1.local_variables_initializer(), v1.tables_initializer())
            given["local_init_op"] = local if local_init_op is USE_DEFAULT else local_init_op
        given["summary_op"] = v1.summary.merge_all() if summary_op is USE_DEFAULT else summary_op
        writer = v1.train.Supervisor.USE_DEFAULT if summary_writer is USE_DEFAULT else summary_writer
        if train_step_kwargs is USE_DEFAULT:
            train_step_kwargs = step_kwargs(step, number_of_steps, log_every_n_steps)
    supervisor = v1.train.Supervisor(
        graph=graph,
        is_chief=is_chief,
        logdir=logdir,
        init_feed_dict=init_feed_dict,
        init_fn=init_fn,
        ready_op=ready,
        summary_writer=writer,
        global_step=step,
        save_summaries_secs=save_summaries_secs,
        save_model_secs=save_interval_secs,
        **given,
    )
    loss = None
    # `stop` below closes the writer; a second time would warn.
    with supervisor.managed_session(
        master, session_config, start_standard_services=False, close_summary_writer=False
    ) as session:
        session = session if session_wrapper is None else session_wrapper(session)
        if is_chief and logdir:
            supervisor.start_standard_services(session)
        threads = supervisor.start_queue_runners(session)
        try:
            while not supervisor.should_stop():
                loss, should_stop = train_step_fn(session, train_op, step, train_step_kwargs)
                if should_stop:
                    supervisor.request_stop()
        except tf.errors.OutOfRangeError as error:
            v1.logging.info("Caught OutOfRangeError. Stopping Training. %s", error)
        if logdir and is_chief:
            # Stopped first, so that a checkpoint that a thread still writes is not taken for the last one.
            supervisor.stop(threads, close_summary_writer=True, ignore_live_threads=ignore_live_threads)
            supervisor.saver.save(session, supervisor.save_path, global_step=step)
    return loss


def step_kwargs(step: Any, number_of_steps: int | None, log_every_n_steps: int) -> dict[str, Any]:
    """Returns what `train_step` is told: when to log, and when to stop."""
    with v1.name_scope("train_step"):
        stop = tf.greater_equal(step, number_of_steps) if number_of_steps else tf.constant(False)
        given = {"should_stop": stop}
        if log_every_n_steps > 0:
            given["should_log"] = tf.equal(tf.math.floormod(step, log_every_n_steps), 0)
        return given
