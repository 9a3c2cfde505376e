"""What a trainer calls while it fits: the order of all hooks, and what callbacks can do with a trainer."""

import signal

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit import checks
from graphkit.checkpoints import saving
from graphkit.running import callback

EXECUTIONS = ("feed", "chunks", "resident", "compiled")
X = np.linspace(-1, 1, 12, dtype=np.float32)[:, None]  # six mini-batches of 2


def line_fit(**options):
    """Returns (trainer, data) of the regression y = 2 x with one weight, in a graph of its own."""
    with tf.Graph().as_default():
        x = gk.feature_input(1)
        w = tf.compat.v1.get_variable("w", (), initializer=gk.zeros(), use_resource=True)
        options = {"optimizer": "sgd", "learning_rate": 0.1, **options}
        return gk.Trainer(tf.reduce_mean((w * x - 2 * x) ** 2), **options), {x: X}


def weight(trainer):
    return float(trainer.weights()["w"])


FIT = {"batch_size": 2, "progress": False, "shuffle": False}


class Note(gk.Callback):
    """Notes each hook, and where training stands then."""

    def __init__(self, at_run_end=lambda trainer: None):
        self.calls, self.at_run_end = [], at_run_end

    def note(self, name, trainer, *more):
        self.calls.append((name, trainer.step, *more))

    def names(self):
        return [name for name, *_ in self.calls]

    def on_fit_start(self, trainer):
        self.note("fit_start", trainer)

    def on_epoch_start(self, trainer):
        self.note("epoch_start", trainer, trainer.batch)

    def on_run_end(self, trainer):
        self.note("run_end", trainer)
        self.at_run_end(trainer)

    def on_not_finite(self, trainer, run):
        self.note("not_finite", trainer, len(run.values[0]))

    def on_validation_start(self, trainer):
        self.note("validation_start", trainer)

    def on_validation_end(self, trainer, metrics):
        self.note("validation_end", trainer, sorted(metrics))

    def on_epoch_end(self, trainer, metrics):
        self.note("epoch_end", trainer, metrics["epoch"])

    def on_save_start(self, trainer):
        self.note("save_start", trainer)

    def on_save_end(self, trainer, path):
        self.note("save_end", trainer, path.rsplit("/")[-1])

    def on_fit_end(self, trainer):
        self.note("fit_end", trainer)


class NoteSteps(Note):
    def on_step(self, trainer, metrics):
        self.note("step", trainer, sorted(metrics))


def test_the_order_of_a_fit_with_validation_and_checkpoints(tmp_path):
    trainer, data = line_fit(logdir=tmp_path)
    note = NoteSteps()
    with trainer:
        trainer.fit(data, epochs=2, valid=data, callbacks=[note], **{**FIT, "batch_size": 6})
    epochs = []
    for epoch in (1, 2):
        first = 2 * epoch - 1
        epochs += [
            ("epoch_start", first - 1, 0),
            ("step", first, ["loss"]),
            ("run_end", first),
            ("step", first + 1, ["loss"]),
            ("run_end", first + 1),
            ("validation_start", first + 1),
            ("validation_end", first + 1, ["valid_loss"]),
            ("epoch_end", first + 1, epoch),
            ("save_start", first + 1),
            ("save_end", first + 1, f"model-{first + 1}"),
        ]
    assert note.calls == [("fit_start", 0), *epochs, ("fit_end", 4)]


def test_a_run_of_many_steps_is_one_call():
    trainer, data = line_fit()
    note = Note()
    with trainer:
        trainer.fit(data, callbacks=[note], execution="chunks", steps_per_run=4, **FIT)
        assert len(trainer.last_run.values[0]) == 2
    assert note.calls == [
        ("fit_start", 0), ("epoch_start", 0, 0), ("run_end", 4), ("run_end", 6),
        ("epoch_end", 6, 1), ("fit_end", 6),
    ]  # fmt: skip


def test_callbacks_are_called_in_the_order_of_the_list():
    order = []

    class Named(gk.Callback):
        def __init__(self, name):
            self.name = name

        def on_run_end(self, trainer):
            order.append(self.name)

    trainer, data = line_fit()
    with trainer:
        trainer.fit(data, callbacks=[Named("a"), Named("b")], **{**FIT, "batch_size": 12})
    assert order == ["a", "b"]


def test_a_fit_of_no_epochs_is_a_start_and_an_end():
    trainer, data = line_fit()
    note = Note()
    with trainer:
        trainer.fit(data, epochs=0, callbacks=[note], **FIT)
    assert note.names() == ["fit_start", "fit_end"]


def test_a_loss_that_is_not_finite_ends_the_fit_after_its_own_hook():
    trainer, data = line_fit(learning_rate=lambda step: 0.1 if step < 2 else 1e30)
    note = Note()
    with trainer:
        with pytest.raises(gk.GraphkitError, match="the loss is not finite at step 3"):
            trainer.fit(data, callbacks=[note], execution="chunks", steps_per_run=6, **FIT)
        assert (trainer.step, trainer.batch) == (3, 3)
    assert note.calls == [
        ("fit_start", 0), ("epoch_start", 0, 0), ("not_finite", 3, 3), ("fit_end", 3),
    ]  # fmt: skip


def test_an_interrupt_saves_and_ends_the_fit(tmp_path):
    def interrupt(trainer):
        if trainer.step == 4:
            signal.raise_signal(signal.SIGINT)

    note = Note(interrupt)
    trainer, data = line_fit(logdir=tmp_path)
    with trainer:
        with pytest.raises(KeyboardInterrupt):
            trainer.fit(data, callbacks=[note], execution="chunks", steps_per_run=2, **FIT)
        assert trainer.interrupted
    assert note.calls[-4:] == [
        ("run_end", 4), ("save_start", 4), ("save_end", 4, "model-4"), ("fit_end", 4),
    ]  # fmt: skip
    resumed, (trainer, data) = Note(), line_fit(logdir=tmp_path)
    with trainer:
        trainer.fit(data, callbacks=[resumed], resume=True, execution="chunks", **FIT)
        assert not trainer.interrupted
    assert resumed.calls[:3] == [("fit_start", 4), ("epoch_start", 4, 4), ("run_end", 6)]
    assert resumed.names().count("epoch_start") == 1


@pytest.mark.parametrize("hook", ["fit_start", "epoch_start", "run_end", "validation_start", "epoch_end"])
def test_an_error_in_any_hook_ends_the_fit_and_fit_end_is_called(hook):
    class Fails(Note):
        def note(self, name, trainer, *more):
            super().note(name, trainer, *more)
            if name == hook:
                raise ZeroDivisionError

    fails, other = Fails(), Note()
    trainer, data = line_fit()
    with trainer, pytest.raises(ZeroDivisionError):
        trainer.fit(data, valid=data, callbacks=[fails, other], **FIT)
    assert fails.names()[-2:] == [hook, "fit_end"] and other.names()[-1] == "fit_end"
    assert hook not in other.names()


def test_an_error_before_a_save_leaves_the_earlier_files(tmp_path):
    class Refuses(gk.Callback):
        def on_save_start(self, trainer):
            if trainer.epoch == 2:
                raise ZeroDivisionError

    trainer, data = line_fit(logdir=tmp_path)
    with trainer, pytest.raises(ZeroDivisionError):
        trainer.fit(data, epochs=3, callbacks=[Refuses()], **FIT)
    assert [saving.step_of(path) for path in saving.kept(tmp_path)] == [6]


# Callbacks of a user, with what is documented of a trainer alone.


class Stopping(gk.Callback):
    """Early stopping, as a user would write it."""

    def __init__(self, monitor, patience, folder):
        self.monitor, self.patience, self.path = monitor, patience, str(folder / "best")
        self.best, self.waited = float("inf"), 0

    def on_fit_start(self, trainer):
        if self.monitor not in trainer.metric_names:
            raise ValueError(self.monitor)

    def on_epoch_end(self, trainer, metrics):
        if metrics[self.monitor] < self.best:
            self.best, self.waited = metrics[self.monitor], 0
            trainer.save(self.path)
        else:
            self.waited += 1
            if self.waited == self.patience:
                trainer.stop("no better")

    def on_fit_end(self, trainer):
        trainer.restore(self.path, weights_only=True)


class Plateau(gk.Callback):
    """A rate that is halved on plateaus, with its state in checkpoints."""

    def __init__(self, monitor):
        self.monitor, self.best = monitor, None

    def on_epoch_end(self, trainer, metrics):
        if self.best is not None and metrics[self.monitor] >= self.best:
            trainer.rate_factor *= 0.5
        else:
            self.best = trainer.history[self.monitor][-1]

    def state(self):
        return {"best": self.best}

    def restore_state(self, state):
        self.best = state["best"]


class Saving(gk.Callback):
    """Checkpoints inside epochs."""

    every_steps = 4

    def on_run_end(self, trainer):
        if trainer.step % 4 == 0 and trainer.batch < len(trainer.plan):
            self.saved = trainer.save()


def rising(step):
    """Approaches the optimum for three epochs, then leaves it."""
    return 0.3 if step < 18 else 4.0


def untimed(history):
    return {
        name: values for name, values in history.items() if name not in ("seconds", "examples_per_second")
    }


@pytest.mark.grid
@pytest.mark.parametrize("execution", ["feed", "resident"])
def test_early_stopping_and_plateaus_of_a_user_do_as_the_built_in_ones(execution, tmp_path):
    def run(*callbacks):
        trainer, data = line_fit(learning_rate=rising)
        with trainer:
            history = trainer.fit(
                data, epochs=20, callbacks=callbacks, valid=data, execution=execution, **FIT
            )
            return untimed(history), weight(trainer), trainer.rate_factor, trainer.epoch

    built_in = run(gk.ReduceOnPlateau("valid_loss", 0.5, 1), gk.EarlyStopping("valid_loss", patience=2))
    assert run(Plateau("valid_loss"), Stopping("valid_loss", 2, tmp_path)) == built_in
    assert 3 < built_in[-1] < 20 and built_in[-2] < 1


@pytest.mark.grid
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_checkpoints_of_a_user_are_resumed_with_the_callbacks_state(execution, tmp_path):
    class Killed(Exception):
        pass

    class Kill(gk.Callback):
        def on_run_end(self, trainer):
            if trainer.step >= 28:
                raise Killed

    def run(*callbacks, **options):
        trainer, data = line_fit(learning_rate=rising, logdir=options.pop("logdir", None))
        with trainer:
            options = {"epochs": 6, "execution": execution, "steps_per_run": 4, **FIT, **options}
            history = trainer.fit(data, callbacks=callbacks, **options)
            return untimed(history), weight(trainer), trainer.rate_factor

    whole = run(Plateau("loss"))
    with pytest.raises(Killed):
        run(Plateau("loss"), Saving(), Kill(), logdir=tmp_path)
    assert saving.step_of(saving.latest(tmp_path)) == 28
    assert run(Plateau("loss"), logdir=tmp_path, resume=True) == whole


# Stopping inside an epoch.


class StopAt(gk.Callback):
    """Stops at a step, at which runs of steps end."""

    def __init__(self, step):
        self.every_steps = self.step = step

    def on_run_end(self, trainer):
        if trainer.step == self.step:
            trainer.stop("enough", now=True)


@pytest.mark.grid
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_stop_now_ends_after_the_run_and_the_next_fit_goes_on(execution, tmp_path, capsys):
    options = {**FIT, "execution": execution, "steps_per_run": 5}
    trainer, data = line_fit()
    (x,) = data
    with trainer:  # the same steps, as an epoch of their own
        trainer.fit({x: X[:8]}, **options)
        after_four = weight(trainer)
    trainer, data = line_fit()
    with trainer:
        plain = untimed(trainer.fit(data, **options))
        after_six = weight(trainer)

    trainer, data = line_fit(logdir=tmp_path)
    note = Note()
    with trainer:
        history = trainer.fit(
            data, epochs=3, valid=data, callbacks=[note, StopAt(4)], **{**options, "progress": True}
        )
        assert history == {} and (trainer.step, trainer.epoch, trainer.batch) == (4, 0, 4)
        assert weight(trainer) == after_four and not trainer.interrupted
        assert trainer.state.stop_reason == "enough"
        assert saving.step_of(saving.latest(tmp_path)) == 4
    assert "epoch_end" not in note.names() and "validation_start" not in note.names()
    assert note.calls[-3:] == [("save_start", 4), ("save_end", 4, "model-4"), ("fit_end", 4)]
    assert "stopped: enough" in capsys.readouterr().out

    trainer, data = line_fit(logdir=tmp_path)
    with trainer:
        assert trainer.fit(data, epochs=3, resume=True, **options) == {}
        assert trainer.step == 4 and weight(trainer) == after_four  # it was stopped, and stays so
        history = untimed(trainer.fit(data, epochs=1, **options))
        assert (trainer.step, trainer.epoch, trainer.batch) == (6, 1, 0)
        assert weight(trainer) == after_six and history == plain
        assert trainer.state.stop_reason is None


def test_stop_now_in_the_last_run_of_an_epoch_ends_after_the_epoch(tmp_path):
    trainer, data = line_fit(logdir=tmp_path)
    with trainer:
        history = trainer.fit(data, epochs=3, valid=data, callbacks=[StopAt(6)], **FIT)
        assert history["epoch"] == [1] and "valid_loss" in history
        assert saving.step_of(saving.latest(tmp_path)) == 6


def test_stop_ends_after_the_epoch_under_way():
    class Stop(gk.Callback):
        def on_run_end(self, trainer):
            trainer.stop("enough")

    trainer, data = line_fit()
    with trainer:
        assert trainer.fit(data, epochs=3, callbacks=[Stop()], **FIT)["epoch"] == [1]
        assert trainer.fit(data, epochs=2, **FIT)["epoch"] == [1, 2, 3]


# The checks.


def test_what_is_no_callback_is_refused():
    check = checks.Checker("fit")
    assert callback.check_callbacks(check, ()) == []
    both = (Note(), StopAt(3))
    assert callback.check_callbacks(check, both) == list(both)
    rule = r"^fit: callbacks must be a list of gk.Callback objects, such as \[gk.EarlyStopping\(\)\]; "
    with pytest.raises(TypeError, match=rule + "put a function into a method of a class"):
        callback.check_callbacks(check, [print])
    with pytest.raises(TypeError, match=rule + r"make an object of the class: Note\(...\); received"):
        callback.check_callbacks(check, [Note])  # a class is not an object of it
    for alone in (Note(), Note, print, None, "early_stopping", {"note": Note()}):
        with pytest.raises(TypeError, match=rule + "received callbacks="):
            callback.check_callbacks(check, alone)


@pytest.mark.parametrize(("every_steps", "error"), [(0, ValueError), (-2, ValueError), ("3", TypeError)])
def test_every_steps_must_be_a_positive_integer(every_steps, error):
    with pytest.raises(error, match="^fit: every_steps of StopAt must be an integer of at least 1; received"):
        callback.check_callbacks(checks.Checker("fit"), [StopAt(every_steps)])


def test_which_callbacks_look_at_each_step():
    class Later(NoteSteps):
        pass

    assert callback.observes_steps(NoteSteps()) and callback.observes_steps(Later())
    assert not callback.observes_steps(Note()) and not callback.observes_steps(gk.Callback())


def test_a_plain_callback_does_nothing_and_keeps_nothing():
    assert gk.Callback().state() is None and gk.Callback.every_steps is None
    trainer, data = line_fit(metrics={})
    with trainer:
        trainer.fit(data, valid=data, callbacks=[gk.Callback()], **FIT)
