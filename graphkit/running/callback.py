"""What a trainer calls while it fits. Callbacks get the trainer as an argument and never import it."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from graphkit import checks
from graphkit.running.step_values import StepValues
from graphkit.running.steps import Run

logger = logging.getLogger("graphkit")


class Callback:
    """What a trainer calls while it fits; override the methods that you need.

    Each method gets the trainer and may read all of its documented attributes. An exception ends the fit.
    In each fit the order is: `on_fit_start`; in each epoch `on_epoch_start`, for each run of steps `on_step`,
    `on_steps` and `on_run_end`, then `on_validation_start`, `on_validation_end` and `on_epoch_end`; at last
    `on_fit_end`. `on_not_finite` or `on_op_error` is called where a step fails, `on_save_start` and
    `on_save_end` around each checkpoint.

    Attributes:
      every_steps: runs of many steps end at each multiple of this number of steps, counted from the start of
        the training, so that `on_run_end` sees the variables there; None leaves it to the trainer.

    Example:
      >>> class Shout(gk.Callback):
      ...     def on_epoch_end(self, trainer, metrics):
      ...         print(f"epoch {metrics['epoch']}!")
    """

    every_steps: int | None = None

    def on_fit_start(self, trainer: Any) -> None:
        """Called before the first step, when all input has been checked."""

    def on_epoch_start(self, trainer: Any) -> None:
        """Called before the first step of each epoch, also where a fit continues inside an epoch."""

    def on_step(self, trainer: Any, metrics: dict[str, Any]) -> None:
        """Called after each step with its {"loss": …, metric: …}; steps are then run one by one."""

    def on_steps(self, trainer: Any, values: StepValues) -> None:
        """Called after each run with the values of all its steps, which are run as fast as without it."""

    def on_run_end(self, trainer: Any) -> None:
        """Called after each run of one or more steps, `trainer.last_run`: several times a second."""

    def on_not_finite(self, trainer: Any, run: Run) -> None:
        """Called when a loss is not finite, before the fit ends with an error.

        The trainer's step and metrics are as before the step; the variables have been updated by all steps
        of the run. `run` holds that step and those that were run after it.
        """

    def on_op_error(self, trainer: Any) -> None:
        """Called when an op failed in a step, before the fit ends with an error.

        The trainer's step and metrics are those before the run of steps; the variables may have been updated
        by steps of it, and in part by the one that failed.
        """

    def on_validation_start(self, trainer: Any) -> None:
        """Called before each validation: at the end of each epoch, and every `valid_every` steps."""

    def on_validation_end(self, trainer: Any, metrics: dict[str, Any]) -> None:
        """Called after each validation with its {"valid_loss": …, "valid_…": …}, at `trainer.step`."""

    def on_epoch_end(self, trainer: Any, metrics: dict[str, Any]) -> None:
        """Called after each epoch and its validation with the new row of the history."""

    def on_save_start(self, trainer: Any) -> None:
        """Called before a checkpoint or an export is written; earlier files are untouched if this raises."""

    def on_save_end(self, trainer: Any, path: str) -> None:
        """Called when a checkpoint has been written at this path."""

    def on_fit_end(self, trainer: Any) -> None:
        """Called when `fit` ends, also by an error."""

    def changes_training(self) -> Any:
        """Returns the settings by which the callback changes the training, as JSON; None if it does not.

        A run is only resumed with equal ones, since others would not give the same bits.
        """
        return None

    def best_names(self) -> list[str]:
        """Returns the names of checkpoints of best weights that it keeps in the logdir, the best first.

        Their names begin with "best-". Each checkpoint of the run names them; others are removed then.
        """
        return []

    def state_name(self) -> str:
        """Returns what a checkpoint calls the callback's state, to know it again in another order."""
        return type(self).__name__

    def state(self) -> Any:
        """Returns what a checkpoint keeps of the callback, as JSON; None for nothing."""
        return None

    def restore_state(self, state: Any) -> None:
        """Restores what `state` returned, when a run is resumed."""


def check_callbacks(check: checks.Checker, callbacks: Any) -> list[Callback]:
    """Returns the callbacks as a list; each must be a `Callback`."""
    rule = "callbacks must be a list of gk.Callback objects, such as [gk.EarlyStopping()]"
    alone = not isinstance(callbacks, Iterable) or isinstance(callbacks, (str, bytes, Mapping))
    check.require_type(not alone, rule, callbacks=callbacks)
    callbacks = list(callbacks)
    for callback in callbacks:
        why = ""
        if isinstance(callback, type) and issubclass(callback, Callback):
            why = f"; make an object of the class: {callback.__name__}(...)"
        elif callable(callback):
            why = "; put a function into a method of a class, as class Mine(gk.Callback) with on_epoch_end"
        check.require_type(isinstance(callback, Callback), rule + why, callback=callback)
        if callback.every_steps is not None:
            check.integer(f"every_steps of {type(callback).__name__}", callback.every_steps)
    return callbacks


def observes_steps(callback: Callback) -> bool:
    """Whether the callback looks at each step."""
    return type(callback).on_step is not Callback.on_step


def states_of(callbacks: Sequence[Callback]) -> list[list]:
    """Returns what a checkpoint keeps of callbacks: [name, state] of those that have a state."""
    kept = [[callback.state_name(), callback.state()] for callback in callbacks]
    return [[name, state] for name, state in kept if state is not None]


def reads_steps(callback: Callback) -> bool:
    """Whether the callback reads the values of steps."""
    return type(callback).on_steps is not Callback.on_steps


def best_names(callbacks: Sequence[Callback]) -> list[str]:
    """Returns the names of the checkpoints of best weights, those of the first callback first."""
    return [name for callback in callbacks for name in callback.best_names()]


def restore_states(callbacks: Sequence[Callback], kept: Sequence[Sequence[Any]]) -> None:
    """Gives callbacks their states back by name; of those with one name, in their order."""
    left = list(kept)
    for callback in callbacks:
        found = next((pair for pair in left if pair[0] == callback.state_name()), None)
        if found is not None:
            left.remove(found)
            callback.restore_state(found[1])
    for name, _ in left:
        logger.warning("the checkpoint holds the state of %s, which no callback takes", name)
