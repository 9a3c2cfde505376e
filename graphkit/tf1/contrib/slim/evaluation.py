"""Evaluating checkpoints, once or as they come."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from graphkit.tf1 import train

v1 = tf.compat.v1
USE_DEFAULT = 0  # as a summary_op: all summaries

__all__ = """
checkpoints_iterator evaluate_once evaluate_repeatedly evaluation_loop wait_for_new_checkpoint
""".split()


class SummaryAtEndHook(tf.compat.v1.train.SessionRunHook):
    """Writes summaries at the end of an evaluation."""

    def __init__(
        self,
        log_dir: str | None = None,
        summary_writer: Any = None,
        summary_op: Any = None,
        feed_dict: Any = None,
    ) -> None:
        if log_dir is None and summary_writer is None:
            raise ValueError("One of log_dir or summary_writer should be used.")
        self._writer, self._log_dir = summary_writer, log_dir
        self._summary_op, self._feed_dict = summary_op, feed_dict

    def begin(self) -> None:
        self._op = v1.summary.merge_all() if self._summary_op is None else self._summary_op
        self._global_step = train.get_or_create_global_step()

    def end(self, session: Any) -> None:
        writer = self._writer or v1.summary.FileWriterCache.get(self._log_dir)
        if self._op is not None:
            step = train.global_step(session, self._global_step)
            writer.add_summary(session.run(self._op, self._feed_dict), step)
        writer.flush()


class StopAfterNEvalsHook(tf.compat.v1.train.SessionRunHook):
    """Stops after a number of runs of `eval_ops`; None never does."""

    def __init__(self, num_evals: int | None, log_progress: bool = True) -> None:
        self._num_evals = num_evals

    def begin(self) -> None:
        self._done = 0

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self._done += 1
        if self._num_evals is not None and self._done >= self._num_evals:
            run_context.request_stop()


def wait_for_new_checkpoint(
    checkpoint_dir: str,
    last_checkpoint: str | None = None,
    seconds_to_sleep: float = 1,
    timeout: float | None = None,
) -> str | None:
    """Returns the newest checkpoint as soon as it is another one; None after `timeout` seconds."""
    end = None if timeout is None else time.time() + timeout
    while True:
        newest = v1.train.latest_checkpoint(checkpoint_dir)
        if newest is not None and newest != last_checkpoint:
            return newest
        if end is not None and time.time() + seconds_to_sleep > end:
            return None
        time.sleep(seconds_to_sleep)


def checkpoints_iterator(
    checkpoint_dir: str,
    min_interval_secs: float = 0,
    timeout: float | None = None,
    timeout_fn: Callable[[], bool] | None = None,
) -> Iterator[str]:
    """Yields each new checkpoint, until none came for `timeout` seconds and `timeout_fn` returns True."""
    newest = None
    while True:
        found = wait_for_new_checkpoint(checkpoint_dir, newest, timeout=timeout)
        if found is None:
            if timeout_fn is None or timeout_fn():
                return
            continue
        start, newest = time.time(), found
        yield newest
        time.sleep(max(0.0, start + min_interval_secs - time.time()))


def evaluate_once(
    master: str,
    checkpoint_path: str,
    logdir: str,
    num_evals: int | None = 1,
    initial_op: Any = None,
    initial_op_feed_dict: Any = None,
    eval_op: Any = None,
    eval_op_feed_dict: Any = None,
    final_op: Any = None,
    final_op_feed_dict: Any = None,
    summary_op: Any = USE_DEFAULT,
    summary_op_feed_dict: Any = None,
    variables_to_restore: Sequence[Any] | None = None,
    session_config: Any = None,
    hooks: Sequence[Any] | None = None,
    init_fn: Any = None,
) -> Any:
    """Runs `eval_op` num_evals times with a checkpoint's values; returns the values of `final_op`."""
    summary_op = v1.summary.merge_all() if summary_op is USE_DEFAULT else summary_op
    final = v1.train.FinalOpsHook(final_op, final_op_feed_dict)
    every: list[Any] = [StopAfterNEvalsHook(num_evals)]
    if summary_op is not None:
        every.append(SummaryAtEndHook(logdir, summary_op=summary_op, feed_dict=summary_op_feed_dict))
    if train.get_global_step() is None:
        train.create_global_step()
    saver = None if variables_to_restore is None else v1.train.Saver(variables_to_restore)
    scaffold = v1.train.Scaffold(
        init_op=initial_op, init_feed_dict=initial_op_feed_dict, init_fn=init_fn, saver=saver
    )
    creator = v1.train.ChiefSessionCreator(
        scaffold, master, session_config, checkpoint_filename_with_path=checkpoint_path
    )
    with v1.train.MonitoredSession(creator, [*every, *(hooks or ()), final]) as session:
        while eval_op is not None and not session.should_stop():
            session.run(eval_op, eval_op_feed_dict)
    return final.final_ops_values


def evaluation_loop(
    master: str,
    checkpoint_dir: str,
    logdir: str,
    num_evals: int | None = 1,
    *,
    summary_op: Any = USE_DEFAULT,
    eval_interval_secs: float = 60,
    max_number_of_evaluations: int | None = None,
    timeout: float | None = None,
    timeout_fn: Callable[[], bool] | None = None,
    **evaluation: Any,
) -> Any:
    """Evaluates each new checkpoint of a folder as `evaluate_once` does; returns the last `final_op`."""
    values = None
    evaluation["summary_op"] = v1.summary.merge_all() if summary_op is USE_DEFAULT else summary_op
    paths = checkpoints_iterator(checkpoint_dir, eval_interval_secs, timeout, timeout_fn)
    for number, path in enumerate(paths, 1):
        values = evaluate_once(master, path, logdir, num_evals, **evaluation)
        if max_number_of_evaluations is not None and number >= max_number_of_evaluations:
            break
    return values


def evaluate_repeatedly(
    checkpoint_dir: str,
    master: str = "",
    scaffold: Any = None,
    eval_ops: Any = None,
    feed_dict: Any = None,
    final_ops: Any = None,
    final_ops_feed_dict: Any = None,
    eval_interval_secs: float = 60,
    hooks: Sequence[Any] | None = None,
    config: Any = None,
    max_number_of_evaluations: int | None = None,
    timeout: float | None = None,
    timeout_fn: Callable[[], bool] | None = None,
) -> Any:
    """Runs `eval_ops` with each new checkpoint, until a hook stops; returns the last `final_ops`."""
    final = v1.train.FinalOpsHook(final_ops, final_ops_feed_dict)
    paths = checkpoints_iterator(checkpoint_dir, eval_interval_secs, timeout, timeout_fn)
    for number, path in enumerate(paths, 1):
        creator = v1.train.ChiefSessionCreator(scaffold, master, config, checkpoint_filename_with_path=path)
        with v1.train.MonitoredSession(creator, [*(hooks or ()), final]) as session:
            while eval_ops is not None and not session.should_stop():
                session.run(eval_ops, feed_dict)
        if max_number_of_evaluations is not None and number >= max_number_of_evaluations:
            break
    return final.final_ops_values
