"""The trainer: owns the session of a finished graph, and fits, evaluates, predicts, saves, restores."""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.checkpoints import saving
from graphkit.running import execution as executions
from graphkit.running import feeds, remote, session, steps
from graphkit.running import metrics as running_metrics
from graphkit.running.callback import Callback, check_callbacks
from graphkit.train import building, built_in, dry_runs, fitting, limits, objectives, saved_runs, validating
from graphkit.train.open_graph import Feed, OpenGraph
from graphkit.train.progress import Progress
from graphkit.train.run_folder import folder_of
from graphkit.train.state import TrainingState


class Trainer(OpenGraph):
    """Trains the graph of a loss with its own session, until it is closed.

    Making a trainer adds the update of each step to the loss's graph, opens a session on it and gives all
    variables their initial values; later ones have none. It runs what graphs ask for: ops in UPDATE_OPS
    run in each step, after all has been read that they assign, and REGULARIZATION_LOSSES that the loss
    does not depend on yet are added to it. Use it in a `with` statement, or call `close`.

    Args:
      loss: floating-point scalar tensor that depends on a trainable variable; a mean over the batch. Several
        are {name: (loss, variables, optimizer)}, and each step updates them in this order, see
        docs/several_losses.md.
      optimizer: "sgd", "momentum" (0.9), "nesterov" (0.9), "adagrad", "adadelta", "adam", "adamw" or
        "rmsprop", a `tf.compat.v1.train.Optimizer`, or a function learning_rate -> optimizer.
      learning_rate: a positive number, or a function of the global step (counted from 0) that returns one;
        {name: one of these} of several losses; None is 1e-3. An optimizer object brings its own.
      metrics: {name: scalar tensor or `Metric`}, each a mean over the batch, computed before the step's
        update.
      seed: sets the order of the examples, all masks, and initial values that have no seed of their own;
        an integer from 0 to 2**31 - 1.
      logdir: folder for checkpoints and `history.csv`, made if missing; None writes nothing.
      device: "auto" (a GPU where there is one), "cpu", "gpu", or one device such as "/gpu:0"; "all" splits
        the rows of each mini-batch among the GPUs, or the processors that session_config makes, with the
        result of one device up to rounding (`gk.batch_norm` takes the moments of each device's rows).
      compute_dtype: "float32", or "bfloat16" (a processor that has it) or "float16" (a GPU; with dynamic
        loss scaling) to let TensorFlow's rewriter run matrix products and convolutions in it; variables and
        checkpoints stay float32.
      clip_norm: largest global norm of the gradients, to which longer ones are scaled; None for any.
      clip_value: largest magnitude of each number of a gradient, to which larger ones are cut; None for any.
      average_decay: decay of moving averages of the trained variables, such as 0.999, which each step updates
        and `averages` puts in their place; None for no averages.
      accumulate: number of mini-batches whose gradients are averaged into one update, to emulate a batch
        that does not fit in memory; `step` and schedules count mini-batches. Sparse gradients become dense.
      variables: the variables to train; None for all trainable ones, or where the losses have their own.
      session_config: a `tf.compat.v1.ConfigProto` to start from.
      cluster: a `gk.Cluster`, as `gk.cluster_from_env()` returns, to train together with other processes that
        run the same program; None trains in this process alone.
      target: "grpc://host:port" of a `tf.compat.v1.train.Server`, on which the session runs; None is this
        process. Data are sent once in each fit, or the rows of each run; losses and the variables of
        checkpoints come back, and files are written here. See docs/cluster.md.
      strict: True refuses a graph in which `check_graph` finds an issue, which is only logged otherwise.

    Attributes:
      graph: the graph of the loss, to which tensors to predict may be added, once and not in a loop.
      session: the open `tf.compat.v1.Session`.
      metrics: {name: `Metric`}, the loss first; of several losses their sum, then each.
      state: the `TrainingState`: step, epoch, history and all else that a checkpoint holds.
      step, epoch, batch: the number of mini-batches trained on, of epochs finished, and of mini-batches of
        the epoch under way.
      history: {name: list with a value for each epoch}: epoch, step, loss, the metrics, valid_loss and
        valid_… of each metric (valid_averaged_… with moving averages), learning_rate, seconds,
        examples_per_second. A fit that max_steps or max_seconds ends inside an epoch adds a row for the part,
        which the row of the epoch replaces when the training goes on.
      validations: {name: list with a value for each validation}: step, valid_loss, …
      ended: what ended the last fit before its last epoch (max_steps, max_seconds) and how to go on, or None.
      rate_factor: what the learning rate of the next steps is multiplied by, 1.0 unless it is set.
      learning_rate: the `LearningRate`; its `schedule` is None where the optimizer brings its own.
      training_step: the `TrainingStep`: loss, update, gradients and variables.
      seed, logdir, compute_dtype, config: as given, with an absolute logdir; `config` is the session's.
      examples, plan, runner, callbacks, metric_names: of the fit under way, or of the last one: `Examples`,
        `Plan` of its mini-batches, `Runner`, all callbacks, and the names of metrics in its history.
      last_run: the last `Run` of steps.
      interrupted: whether a signal ended the last fit.

    Raises:
      TypeError: an argument has another type than is listed.
      ValueError: a loss that is not a scalar or depends on no trainable variable, metrics of another graph,
        an unknown optimizer, a device that does not exist, a step that cannot be made as asked, a logdir
        with * ? [ ] or \\ in its path, which are patterns to TensorFlow; with strict, an issue in the graph.
      OSError: the logdir cannot be written; no server answers at the target.
      GraphkitError: the server at the target cannot run the graph, as of another version of TensorFlow.

    Example:
      >>> images, labels = gk.feature_input(2), gk.label_input()
      >>> loss = gk.softmax_cross_entropy(gk.dense(images, 2), labels)
      >>> data = {images: np.eye(2), labels: np.arange(2)}
      >>> with gk.Trainer(loss, optimizer="sgd", learning_rate=1.0, seed=7) as trainer:
      ...     history = trainer.fit(data, epochs=50, batch_size=2, progress=False)
      ...     trainer.evaluate(data)["loss"] < 0.1
      True
    """

    def __init__(
        self,
        loss: tf.Tensor | Mapping[str, tuple],
        optimizer: Any = "adam",
        learning_rate: float | Callable[[int], float] | Mapping[str, Any] | None = None,
        *,
        metrics: Mapping[str, Any] | None = None,
        seed: int = 0,
        logdir: str | os.PathLike | None = None,
        device: str = "auto",
        compute_dtype: str = "float32",
        clip_norm: float | None = None,
        clip_value: float | None = None,
        average_decay: float | None = None,
        accumulate: int = 1,
        variables: Sequence[tf.Variable] | None = None,
        session_config: Any = None,
        strict: bool = False,
        cluster: Any = None,
        target: str | None = None,
    ) -> None:
        check = checks.Checker("Trainer")
        minimized = objectives.check_objectives(check, loss, optimizer, variables)
        graph, losses = minimized[0].loss.graph, [one.name for one in minimized]
        checked_metrics = running_metrics.check_metrics(graph, metrics, losses)
        seed = check.integer("seed", seed, minimum=0)
        check.require(seed < 2**31, "seed must be below 2**31", seed=seed)
        self.learning_rate = objectives.learning_rate_of(check, learning_rate, minimized)
        folder = saving.check_logdir(logdir)
        self.compute_dtype = compute_dtype
        self.workers = remote.workers_of(check, cluster, target, device, compute_dtype)
        config = self.workers.configure(session.make_config(device, session_config, compute_dtype))
        given = clip_norm, clip_value, accumulate, average_decay, compute_dtype, strict
        devices = session.all_devices(device, config)
        settings = building.check_settings(check, minimized, *given, self.workers, devices)
        built = building.build(minimized, checked_metrics, self.learning_rate, seed, settings)
        self.loops, self.fingerprint, self.unsaved = built.loops, built.fingerprint, built.unsaved
        super().__init__(graph, config, built.metrics, built.step, built.checkpoints, seed, self.workers)
        self.state = TrainingState(running_metrics.Means(self.metrics))
        self.folder = folder_of(folder, self.workers)
        self.metric_names = list(self.metrics)
        self.interrupted = self.stops_now = self.fits = False
        self.ended: str | None = None
        self.last_run: steps.Run | None = None
        try:
            self.workers.start(self.session, built.initializer, {"graph": self.fingerprint, "seed": seed})
        except BaseException:
            self.close()
            raise

    @property
    def logdir(self) -> Path | None:
        return None if self.folder is None else self.folder.logdir

    @property
    def step(self) -> int:
        return self.state.step

    @property
    def epoch(self) -> int:
        return self.state.epoch

    @property
    def batch(self) -> int:
        return self.state.batch

    @property
    def history(self) -> dict[str, list]:
        return self.state.history

    @property
    def validations(self) -> dict[str, list]:
        return self.state.validations

    @property
    def rate_factor(self) -> float:
        return self.state.rate_factor

    @rate_factor.setter
    def rate_factor(self, factor: float) -> None:
        self.state.rate_factor = checks.Checker("rate_factor").number("factor", factor, at_least=0)

    def fit(
        self,
        data: Feed,
        feed: Feed | None = None,
        epochs: int | None = None,
        *,
        max_steps: int | None = None,
        max_seconds: float | None = None,
        batch_size: int | None = None,
        valid: Feed | None = None,
        valid_every: int | None = None,
        callbacks: Sequence[Callback] = (),
        shuffle: bool = True,
        drop_remainder: bool = False,
        augment: Mapping[tf.Tensor, feeds.Augment] | None = None,
        resume: bool | str = False,
        progress: bool = True,
        execution: str = "auto",
        steps_per_run: int | str = "auto",
        dry_run: bool = False,
    ) -> dict[str, list]:
        """Trains for some epochs, steps or seconds in shuffled mini-batches; returns the history.

        Everything is checked before the first step. With a logdir, a checkpoint and `history.csv` are
        written after each epoch, and a checkpoint each minute inside long ones (see `Checkpointing`); a run
        that is not resumed replaces an earlier one there, which is lost with its first checkpoint only.

        SIGINT and SIGTERM end it after the steps under way: it saves a checkpoint, says how to continue, and
        raises KeyboardInterrupt, or SystemExit with 143. The trainer stays usable; another `fit` on the same
        data continues where this one ended. A copy of the variables is kept in memory, renewed every ten
        seconds or more, from which the step is found whose loss or gradient was not finite.

        Args:
          data: {placeholder or its name: all examples}, or a table with such columns; arrays, or what is read
            batch by batch (HDF5, pandas, streams: see docs/your_own_data.md). Integers for a `gk.image_input`
            are pixels, scaled as it says; all else is fed as it is, in the placeholder's dtype.
          feed: {placeholder or its name: value} of what stays the same in every step, such as keep_prob.
          epochs: how many epochs to train; with `resume`, how many in all. None is 1, or as many as max_steps
            and max_seconds allow.
          max_steps: ends it after this many mini-batches, also inside an epoch; with `resume`, of the whole
            training. What was reached is validated and saved, and `resume` goes on with the epoch.
          max_seconds: the same after this many seconds of this fit, when the steps under way are done.
          batch_size: examples in a mini-batch, by default 128, or what placeholders take; streams have one.
          valid: like `data`, to be evaluated after each epoch, with placeholders at their defaults; where
            there are moving averages, with these too.
          valid_every: steps after which it is evaluated inside epochs, too; see `validations`.
          callbacks: `gk.Callback`s, called in this order.
          shuffle: False visits the examples in the order of the data; else (seed, epoch) set the order.
          drop_remainder: True leaves out a last mini-batch of fewer than batch_size examples.
          augment: {placeholder: function (rows, seed) -> rows}, such as `gk.Augmentation`, applied to the
            rows of each training mini-batch before they are scaled; the seed follows from (seed, step).
          resume: continue from the newest valid checkpoint in the logdir, where there is one; what follows
            has the same bits as in a run that was not interrupted. Where graph, data, settings, schedule,
            augmentation or execution are not those of the run, it is refused; "anyway" continues it.
          progress: False shows neither bar nor lines.
          execution: how steps are run: "feed" (one `session.run` each), or many in a loop of the graph that
            is given "chunks" of examples, or all of them ("resident"), or that is "compiled" by XLA; "auto"
            takes what is fastest for the graph and the data. Batches and masks are the same in all of them,
            and so are the results, to the bit except for XLA's rounding.
          steps_per_run: steps of a loop, or "auto" for as many as take a fifth of a second.
          dry_run: True makes one step and validates one batch, with all callbacks, saves, restores, exports,
            in a folder that is removed; then trainer, logdir and the states of callbacks are as before.

        Returns:
          The history, see `Trainer`.

        Raises:
          TypeError: keys are not placeholders or names, or arrays have a dtype that does not fit.
          ValueError: arrays of unequal length, of other shapes, with NaN, with labels out of range; a
            placeholder without data; a number out of range; a run to resume of other data or another graph.
          NotFiniteError: the loss, a gradient or a variable is not finite; it says where and why.
          GraphkitError: no valid checkpoint to resume from, or another trainer writes the logdir.
          WorkerLostError: another worker of the cluster ended, or does not answer.
          OSError: a checkpoint cannot be written; earlier ones are as they were.
        """
        check = self.check_open("fit")
        fitting.require_idle(self, check)
        limited = limits.check_limits(check, epochs, max_steps, max_seconds)
        execution = check.choice("execution", execution, executions.EXECUTIONS)
        count = None if steps_per_run == "auto" else check.integer("steps_per_run", steps_per_run)
        callbacks, epochs = check_callbacks(check, callbacks), None if dry_run else limited[0]
        again = dry_run or epochs not in (None, 1)  # is data read more than once?
        with dry_runs.trial(self, callbacks) if dry_run else contextlib.nullcontext() as trial:
            fetches = [*self.training_step.values, self.training_step.update]
            self.examples = self.check_examples(check, data, feed, fetches, augment)
            options = bool(shuffle), bool(drop_remainder)
            self.plan = fitting.make_plan(self, check, batch_size, options, again)
            most = self.plan.full_size if dry_run else None
            validation = validating.validation_of(self, valid, valid_every, most, epochs)
            self.callbacks = built_in.with_built_in(callbacks, self)
            self.stops_now = False
            earlier = fitting.find_earlier(self, resume)
            limit = limits.limits_of(self, limited, resume)
            if progress and self.workers.is_chief:
                self.callbacks.append(Progress(limit.last_epoch))
            wanted = fitting.wanted(self, execution, count, limit, validation, earlier)
            self.runner = executions.runner_for(
                self.session, self.training_step, self.loops, self.examples, self.plan, wanted, self.workers
            )
            begins = fitting.begin(self, earlier, resume, limit)
            if trial is not None:
                return trial.run(validation)
            fitting.fit(self, limit, validation, begins)
        return self.history

    def save(self, path: str | os.PathLike | None = None, *, keep: int = 2) -> str:
        """Writes a checkpoint: variables, slots, position, history, callbacks; of several workers, worker 0.

        Args:
          path: prefix of its files; None names it `model-<step>` in the logdir.
          keep: how many of the newest checkpoints stay in the logdir.

        Returns:
          The path, as `restore` takes it.

        Raises:
          ValueError: neither a path nor a logdir, or a path where TensorFlow could not read the checkpoint.
          GraphkitError: another trainer writes the logdir.
          OSError: the files cannot be written; earlier checkpoints are as they were.
        """
        return saved_runs.save(self, path, keep)

    def restore(
        self,
        path: str | os.PathLike | None = None,
        *,
        weights_only: bool = False,
        partial: bool = False,
        rename: Mapping[str, str] | None = None,
    ) -> None:
        """Restores a checkpoint, which is read and checked in full before anything is changed.

        A checkpoint that `save` wrote brings back the whole run; of one that another TF1 program wrote, the
        weights are taken by name.

        Args:
          path: as `save` or a Saver returned it, a file of a checkpoint, a folder with a file `checkpoint`,
            or that of a SavedModel; None takes the newest in the logdir.
          weights_only: True restores the model's variables alone, and leaves optimizer, position and
            history as they are.
          partial: True restores those of the model's variables that the checkpoint holds in their shape and
            dtype, leaves all else as it is, and logs the difference.
          rename: {name in the graph: name in the checkpoint} of variables with another name there,
            such as {"conv1/kernel": "layer1/weights"}; names that end in "/" are prefixes, which rename the
            slots of optimizers too: {"conv1/": "model/conv1/"}; "" is the prefix of all.

        Raises:
          FileNotFoundError: there is no such checkpoint.
          TypeError: rename is not a dict of names.
          ValueError: variables that are missing or have another shape or dtype, each listed, with a `rename`
            where they are likely to have another name; with `partial`, a checkpoint that holds none of them;
            a rename of what is not there; a run of another seed.
          GraphkitError: the files are damaged or cut off.
        """
        saved_runs.restore(self, path, weights_only, partial, rename)

    def stop(self, reason: str, *, now: bool = False) -> None:
        """Ends `fit` after the epoch under way; callbacks call it.

        Args:
          reason: a sentence that says why; a run that was stopped is not continued by `resume`.
          now: True ends it after the run of steps under way, inside the epoch; what was reached is saved
            where there is a logdir.
        """
        self.state.stop_reason = reason
        self.stops_now = self.stops_now or now

    def close(self) -> None:
        """Closes the session and gives up the logdir. A closed trainer can do nothing more."""
        super().close()
        if self.folder is not None:
            self.folder.release()
