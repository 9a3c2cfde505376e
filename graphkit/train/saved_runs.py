"""Saving a training with all that goes on from it, and restoring it."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphkit import checks
from graphkit.checkpoints import restoring, saving
from graphkit.running import files
from graphkit.running.callback import best_names, restore_states, states_of
from graphkit.train.state import TrainingState

logger = logging.getLogger("graphkit")


def save(trainer: Any, path: str | os.PathLike[str] | None, keep: int) -> str:
    """Writes a checkpoint, see `Trainer.save`; returns its path."""
    check = trainer.check_open("save")
    keep = check.integer("keep", keep)
    rule = "inside trainer.averages(), save needs a path of its own: a run resumes from its own weights"
    check.require(path is not None or not trainer.has_averages, rule, path=path)
    path = None if path is None else check.path("path", path)
    if trainer.folder is not None:
        target = trainer.folder.prepare(path, trainer.step)
    elif path is not None:
        target = path
    else:
        raise ValueError(check.message("a path is needed where the trainer has no logdir", path=path))
    for callback in trainer.callbacks:
        callback.on_save_start(trainer)
    kept, best = states_of(trainer.callbacks), best_names(trainer.callbacks)
    state = {**trainer.state.to_json(), "seed": trainer.seed, "callbacks": kept, "best": best}
    if not trainer.workers.is_chief:
        return target
    written = trainer.checkpoints.save(trainer.session, target, state)
    if path is None and trainer.folder is not None:
        # Before its first fit, a trainer does not know which best weights are the run's.
        trainer.folder.keep(written, keep, best if trainer.callbacks else None)
    for callback in trainer.callbacks:
        callback.on_save_end(trainer, written)
    return written


def restore(
    trainer: Any,
    path: str | os.PathLike[str] | None,
    weights_only: bool,
    partial: bool,
    rename: Mapping[str, str] | None,
) -> None:
    """Restores a checkpoint, see `Trainer.restore`."""
    check: checks.Checker = trainer.check_open("restore")
    if not trainer.workers.gives_values and (weights_only or partial):
        return
    if path is None:
        path = trainer.logdir and saving.latest(files.run_in(trainer.logdir))
        if not path:
            rule, logdir = "there is no checkpoint in the trainer's logdir", trainer.logdir
            raise FileNotFoundError(check.message(rule, logdir=logdir))
    path = restoring.find_checkpoint(path)
    state = None if weights_only or partial else saving.read_state(path)
    variables = trainer.checkpoints.weights if state is None else trainer.checkpoints.variables
    plan = restoring.plan_restore(path, variables, rename)
    if partial:
        check.require(plan.matched, f"the checkpoint must hold a variable of the model\n{plan}")
    else:
        restoring.require_complete(plan, trainer.checkpoints.weights)
    if state is not None:
        same = state["seed"] == trainer.seed
        check.require(same, f"{path} was trained with another seed", seed=state["seed"])
    if trainer.workers.gives_values:
        trainer.checkpoints.load(trainer.session, plan)
    if not plan.complete:
        logger.warning("restored in part: %s", plan)
    if state is not None:
        trainer.state = TrainingState.from_json(state, trainer.metrics)
        if trainer.folder is not None:  # from elsewhere, another run is what goes on
            own = {trainer.logdir.resolve(), files.run_in(trainer.logdir).resolve()}
            trainer.folder.is_own = Path(path).parent.resolve() in own
        restore_states(trainer.callbacks, state["callbacks"])
    elif not (weights_only or partial):
        logger.warning("%s was not written by graphkit: only its weights are restored", path)
