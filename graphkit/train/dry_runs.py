"""A dry run: everything that a fit does, once, after which all is as before."""

import contextlib
import copy
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from graphkit import checks
from graphkit.checkpoints import restoring
from graphkit.running import files
from graphkit.running.callback import Callback
from graphkit.train import fitting, signals
from graphkit.train.callbacks import Remembering
from graphkit.train.limits import Limits
from graphkit.train.progress import Progress
from graphkit.train.run_folder import RunFolder
from graphkit.train.validating import Validation

logger = logging.getLogger("graphkit")


class Trial:
    """A fit of one step.

    Args:
      trainer: the `Trainer`.
      folder: takes the place of its logdir.
    """

    def __init__(self, trainer: Any, folder: Path) -> None:
        self.trainer, self.folder = trainer, folder

    def run(self, validation: Validation) -> dict[str, list]:
        """Makes the step and all that follows an epoch; returns the history."""
        trainer = self.trainer
        trainer.fits = True  # until `trial` restores it
        if trainer.folder is not None:
            (self.folder / "run").mkdir()
            trainer.folder = RunFolder(self.folder / "run")
        for callback in trainer.callbacks:
            if isinstance(callback, Remembering):  # the files that it remembers are not in this folder
                callback.forget(trainer.epoch)
        try:
            self.fit(validation)
            path = trainer.save(None if trainer.folder is not None else self.folder / "model")
            trainer.restore(path)
            self.export()
            if any(isinstance(callback, Progress) for callback in trainer.callbacks):
                text = "a step, the validation of a batch, a checkpoint and an export were made and undone"
                print(f"dry run: {text}", flush=True)
            return copy.deepcopy(trainer.history)
        finally:
            if trainer.folder is not None:
                trainer.folder.release()

    def fit(self, validation: Validation) -> None:
        trainer, started = self.trainer, fitting.Start.now(self.trainer)
        limits = Limits(None, trainer.step + 1, None, {})
        trainer.runner.last_step = limits.last_step
        try:
            with signals.Interrupts(trainer.workers.decides) as interrupts:
                for callback in trainer.callbacks:
                    callback.on_fit_start(trainer)
                for callback in trainer.callbacks:
                    callback.on_epoch_start(trainer)
                fitting.train_epoch(trainer, limits, validation, interrupts)
                fitting.end_epoch(trainer, validation, started, interrupts)
        except signals.Interrupted:
            raise interrupts.exception() from None
        finally:
            for callback in trainer.callbacks:
                callback.on_fit_end(trainer)

    def export(self) -> None:
        """Exports the loss, which shows whether the graph can be exported; a graph that cannot is named."""
        trainer = self.trainer
        needed = {p: value for p, value in trainer.examples.given.items() if p.op.type == "Placeholder"}
        try:
            trainer.export(self.folder / "export", {"loss": trainer.training_step.loss}, needed)
        except ValueError as error:
            logger.warning("dry run: the graph of the loss cannot be exported: %s", error)


@contextlib.contextmanager
def trial(trainer: Any, callbacks: Sequence[Callback]) -> Iterator[Trial]:
    """Returns a block with a `Trial`, after which trainer, variables, tables and callbacks are as before."""
    check = checks.Checker("fit")
    alone = trainer.workers.size == 1
    check.require(alone, "dry_run is for a trainer without a cluster", workers=trainer.workers.size)
    before = dict(vars(trainer))
    trainer.state = trainer.state.copy()  # what the caller holds, such as the history, does not change
    with memories_kept(callbacks), files.temporary_folder(check) as name:
        folder = Path(name)
        path = trainer.checkpoints.save(trainer.session, str(folder / "before"), {})
        trainer.is_trial = True  # for callbacks that write to a folder of their own
        if trainer.folder is not None:  # where a run to resume is only read
            trainer.folder = RunFolder(trainer.folder.logdir, writes=False)
        try:
            yield Trial(trainer, folder)
        finally:
            vars(trainer).clear()
            vars(trainer).update(before)
            plan = restoring.plan_restore(path, trainer.checkpoints.variables)
            trainer.checkpoints.load(trainer.session, plan)


@contextlib.contextmanager
def memories_kept(callbacks: Sequence[Callback]) -> Iterator[None]:
    """Returns a block after which callbacks remember what they did before; others only have their states."""
    remembering = [(c, dict(vars(c))) for c in callbacks if isinstance(c, Remembering)]
    states = [(c, copy.deepcopy(c.state())) for c in callbacks if not isinstance(c, Remembering)]
    for callback, _ in remembering:
        vars(callback).update(vars(copy.deepcopy(callback)))
    try:
        yield
    finally:
        for callback, memory in remembering:
            vars(callback).clear()
            vars(callback).update(memory)
        for other, state in states:
            if state is not None:
                other.restore_state(state)
