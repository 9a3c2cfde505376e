"""The trainer: owns the session of a finished graph, and fits, evaluates, predicts, saves, restores."""

import contextlib
import logging
import math
import os
import tempfile
import time
import weakref

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.checkpoints import exporting, restoring, saving
from graphkit.data import batches
from graphkit.diagnosis import recorder
from graphkit.graph import walk
from graphkit.inspection import faults
from graphkit.nn import inputs, scopes
from graphkit.running import feeds, loops, metrics, steps
from graphkit.running import session as sessions
from graphkit.train import callbacks as callback_module
from graphkit.train import optimizers, signals

__all__ = ["Trainer"]

logger = logging.getLogger("graphkit")
Keys = tf.compat.v1.GraphKeys
EVALUATION_BATCH = 1024  # examples; more are hardly faster, and take memory


class Trainer:
    """Trains the graph of a loss with a session of its own, until it is closed.

    Making a trainer adds the update of each step to the loss's graph, opens a session on it, gives all
    variables their initial values and finalizes the graph. It runs what graphs ask for: ops in
    UPDATE_OPS run in each step, and REGULARIZATION_LOSSES that the loss does not depend on yet are
    added to it. Use it in a `with` statement, or call `close`.

    Args:
      loss: floating-point scalar tensor that depends on a trainable variable; a mean over the batch.
      optimizer: "sgd", "momentum" (0.9), "nesterov" (0.9), "adagrad", "adadelta", "adam", "adamw" or
        "rmsprop", a `tf.compat.v1.train.Optimizer`, or a function learning_rate -> optimizer.
      learning_rate: a positive number, or a function of the global step (counted from 0) that returns
        one; None is 1e-3. An optimizer object brings its own, and takes none here.
      metrics: {name: scalar tensor or `Metric`}, each a mean over the batch, computed before the step's
        update.
      seed: sets the order of the examples, all masks, and initial values that have no seed of their own;
        an integer from 0 to 2**31 - 1.
      logdir: folder for checkpoints and `history.csv`, made if missing; None writes nothing.
      device: "auto" (a GPU where there is one), "cpu", "gpu", or one device such as "/gpu:0".
      precision: "float32", or "bfloat16" (a processor that has it) or "float16" (a GPU; with dynamic loss
        scaling) to let TensorFlow's rewriter run matrix products and convolutions in it; variables and
        checkpoints stay float32.
      clip_norm: largest global norm of the gradients, to which longer ones are scaled; None for any.
      accumulate: mini-batches whose mean gradient makes one update, so that batches that do not fit into
        memory can be had in parts; `step` and schedules count mini-batches. Sparse gradients become dense.
      variables: the variables to train; None for all trainable ones.
      session_config: a `tf.compat.v1.ConfigProto` to start from.
      strict: True refuses a graph in which `check_graph` finds a fault, which is only logged otherwise; what
        is done on purpose, such as dropout that is always on, is refused too.

    Attributes:
      session: the open `tf.compat.v1.Session`.
      step: global step, the number of mini-batches trained on.
      rate_factor: what the learning rate is multiplied by, 1.0 unless `ReduceOnPlateau` lowers it.
      epoch: number of epochs finished.
      history: {figure: list with a value for each epoch}: epoch, step, loss, the metrics, valid_loss and
        valid_… of each metric, learning_rate, seconds, examples_per_second.

    Raises:
      TypeError: an argument of another kind.
      ValueError: a loss that is no scalar or depends on no trainable variable, metrics of another graph,
        an unknown optimizer, a device that is not there; with strict, a fault in the graph.
      OSError: a logdir that cannot be written.

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
        loss,
        optimizer="adam",
        learning_rate=None,
        metrics=None,
        seed=0,
        logdir=None,
        device="auto",
        precision="float32",
        clip_norm=None,
        accumulate=1,
        variables=None,
        session_config=None,
        strict=False,
    ):
        self.graph = walk.check_loss("Trainer", loss)
        self.metrics = metrics.check_metrics(self.graph, metrics or {})
        self.seed = checks.integer("Trainer", "seed", seed, minimum=0)
        checks.require(self.seed < 2**31, "Trainer", "seed must be below 2**31", seed=seed)
        if clip_norm is not None:
            clip_norm = checks.number("Trainer", "clip_norm", clip_norm, above=0)
        accumulate = checks.integer("Trainer", "accumulate", accumulate)
        self.schedule = optimizers.check_learning_rate(optimizer, learning_rate)
        self.constant_schedule = None if callable(learning_rate) else self.schedule
        self.logdir = saving.check_logdir(logdir)
        self.precision = precision
        self.config = config = sessions.make_config(device, session_config, precision)
        rule = f"the graph is finalized and cannot be trained anew; called at {scopes.caller_line()}"
        checks.require(not self.graph.finalized, "Trainer", rule)
        with self.graph.as_default():
            trained = optimizers.check_variables(loss, variables)
            check_faults(loss, trained, strict)
            self.build(loss, optimizer, clip_norm, accumulate, trained, precision)
        self.history = {}
        self.step = 0
        self.epoch = 0
        self.batch = 0  # of the epoch under way
        self.order = None  # [examples, batch size, …] of the epoch under way
        self.means = metrics.Means(self.metrics)
        self.rate_factor = 1.0
        self.callbacks = []
        self.recorder = None  # of the fit under way
        self.searches = True  # for the cause, where a step is not finite
        self.stop_reason = None
        self.rate = None  # learning rate of the last step
        self.data_fingerprint = None
        self.replaced = []  # checkpoints of an earlier run, until the first one of this run is written
        self.interrupted = False  # whether a signal ended the last fit
        self.lock = None  # on the logdir
        self.session = tf.compat.v1.Session(graph=self.graph, config=config)
        self.closer = weakref.finalize(self, self.session.close)
        try:
            self.session.run(self.initializer)
        except BaseException:
            self.close()
            raise

    def build(self, loss, optimizer, clip_norm, accumulate, trained, precision):
        """Adds to the graph all that the trainer will ever run, and finalizes it."""
        self.loss = optimizers.add_regularization(loss, trained)
        self.metrics = {"loss": metrics.loss_metric(self.loss), **self.metrics}
        self.values = [metric.tensor for metric in self.metrics.values()]
        self.global_step = scopes.global_step()
        self.seed_input = inputs.seed_input()
        self.training_input = inputs.training_input()
        self.rate_input = None
        if self.schedule is not None:
            with tf.compat.v1.name_scope("graphkit/"):
                rate = np.float32(self.schedule(0))
                self.rate_input = tf.compat.v1.placeholder_with_default(rate, (), name="learning_rate")
        weights = [v for v in tf.compat.v1.global_variables() if v is not self.global_step]
        updates = self.graph.get_collection(Keys.UPDATE_OPS)
        before = [*self.values, *updates]
        optimizer = optimizers.make_optimizer(optimizer, self.rate_input)
        if precision == "float16":
            optimizer = optimizers.with_loss_scaling(optimizer)
        self.train_op, pairs = optimizers.minimize(
            optimizer,
            self.loss,
            trained,
            clip_norm,
            accumulate,
            self.global_step,
            before,
        )
        everything = tf.compat.v1.global_variables()
        local = tf.compat.v1.local_variables()
        self.checkpoints = saving.Checkpoints(everything, weights)
        self.trained = [variable for _, variable in pairs]
        self.examiner = recorder.Examiner(
            self.loss,
            pairs,
            everything,
            self.rate_input,
            self.training_input,
            self.seed_input,
            self.global_step,
            scaled=isinstance(optimizer, optimizers.LossScaled),
        )
        tables = tf.compat.v1.tables_initializer()
        self.loops = loops.make_loops(
            self.train_op,
            self.values,
            self.rate_input,
            self.training_input,
            feeds.pixel_scalings(self.graph),
            self.seed_input,
            self.global_step,
        )
        self.graph_fingerprint = walk.fingerprint(walk.ancestors([self.train_op, *self.values]))
        self.initializer = tf.group(sessions.make_initializer([*everything, *local], self.seed), tables)
        self.graph.finalize()

    def fit(
        self,
        data,
        feed=None,
        epochs=1,
        batch_size=128,
        valid=None,
        callbacks=(),
        shuffle=True,
        drop_remainder=False,
        augment=None,
        resume=False,
        progress=True,
        execution="auto",
        steps_per_run="auto",
    ):
        """Trains for some epochs of shuffled mini-batches; returns the history.

        Everything is checked before the first step. With a logdir, a checkpoint and `history.csv` are
        written after each epoch, and a checkpoint each minute inside long ones (see `Checkpointing`); a run
        that starts anew replaces the checkpoints of an earlier one there.

        SIGINT and SIGTERM end it after the steps under way: it keeps a checkpoint, says how to go on, and
        raises KeyboardInterrupt, or SystemExit with 143. The trainer stays usable; another `fit` on the same
        data goes on where this one ended. A copy of the variables is kept in memory, renewed every ten
        seconds or more, from which the step is found that made a loss or gradient that is not finite.

        Args:
          data: {placeholder: array of all examples}: a feed_dict of whole arrays (in memory or
            memory-mapped), whose first axis is the example. uint8 images for a `gk.image_input` are
            scaled as it says; all else is fed as it is, in the placeholder's dtype.
          feed: {placeholder: value} of what stays the same in every training step, such as keep_prob.
          epochs: how many epochs to train; with `resume`, how many in all.
          batch_size: examples in a mini-batch.
          valid: like `data`, to be evaluated after each epoch, with placeholders at their defaults.
          callbacks: `gk.Callback`s, called in this order.
          shuffle: False visits the examples as they stand; else the order follows from (seed, epoch).
          drop_remainder: True leaves out a last mini-batch of fewer than batch_size examples.
          augment: {placeholder: function (rows, seed) -> rows}, such as `gk.Augmentation`, applied to the
            rows of each training mini-batch before they are scaled; the seed follows from (seed, step).
          resume: continue from the newest sound checkpoint in the logdir, where there is one; what follows
            has the same bits as in a run with the same arguments that was not interrupted.
          progress: False shows neither bar nor lines.
          execution: how steps are run: "feed" (one `session.run` each), or many in a loop of the graph that
            is given "chunks" of examples, or all of them ("resident"), or that is "compiled" by XLA; "auto"
            takes what is fastest for the graph and the data. Batches and masks are the same in all of them,
            and so are the results, to the bit except for XLA's rounding.
          steps_per_run: steps of a loop, or "auto" for as many as take a fifth of a second.

        Returns:
          The history, see `Trainer`.

        Raises:
          TypeError: keys that are no placeholders, or arrays of a dtype that does not fit.
          ValueError: arrays of unequal length, of other shapes, with NaN, with labels out of range; a
            placeholder without data; a number out of its range; a run to resume of other data or graph.
          NotFiniteError: the loss, a gradient or a variable is not finite; it says where and why.
          GraphkitError: no checkpoint to resume from is sound, or another trainer writes the logdir.
          OSError: a checkpoint cannot be written; earlier ones are as they were.
        """
        function = "fit"
        self.check_open(function)
        epochs = checks.integer(function, "epochs", epochs, minimum=0)
        batch_size = checks.integer(function, "batch_size", batch_size)
        constants = feeds.check_feed(function, self.graph, feed)
        fetches = [*self.values, self.train_op]
        sources, examples = self.check_data(function, data, fetches, constants)
        sources = feeds.check_augment(function, self.graph, augment, sources)
        bounds = batches.batch_bounds(examples, batch_size, drop_remainder)
        rule = "batch_size must leave at least one whole mini-batch where the remainder is dropped"
        checks.require(bounds, function, rule, batch_size=batch_size, examples=examples)
        self.figure_names = list(self.metrics)
        execution = checks.choice(function, "execution", execution, steps.EXECUTIONS)
        steps_per_run = (
            None if steps_per_run == "auto" else checks.integer(function, "steps_per_run", steps_per_run)
        )
        validation = None
        if valid is not None:
            validation = self.evaluation(f"{function} (valid)", valid, None, EVALUATION_BATCH)
            self.figure_names += [f"valid_{name}" for name in self.metrics]
        self.callbacks = callback_module.check_callbacks(callbacks)
        if self.logdir is not None:
            self.callbacks = callback_module.with_writers(self.callbacks)
        order = [examples, batch_size, bool(shuffle), bool(drop_remainder)]
        last_epoch = self.begin(epochs, order, feeds.fingerprint(sources), resume)
        if progress:
            self.callbacks.append(callback_module.Progress(last_epoch))
        self.examples_per_epoch, self.batches_per_epoch = bounds[-1][1], len(bounds)
        runners = self.make_runners(sources, constants, execution, steps_per_run, bounds, last_epoch)
        try:
            for callback in self.callbacks:
                callback.on_fit_start(self)
            self.recorder = recorder.Recorder(
                self, self.examiner, runners, sources, constants, bounds, self.searches
            )
            self.train_epochs(last_epoch, runners, bounds, order, validation)
        except recorder.Noticed as noticed:
            error = self.recorder.examine(noticed)
            self.step, self.batch = error.report.step, error.report.batch
            raise error from None
        finally:
            self.recorder = None
            for callback in self.callbacks:
                callback.on_fit_end(self)
        if self.stop_reason is not None and progress:
            print(f"stopped: {self.stop_reason}", flush=True)
        return self.history

    def begin(self, epochs, order, data_fingerprint, resume):
        """Restores what is to be resumed; returns the number of the epoch to end with."""
        self.interrupted = False
        if resume:
            checks.require(self.logdir, "fit", "resume needs a logdir to resume from", logdir=None)
        if self.logdir is not None and self.lock is None:
            self.lock = saving.lock(self.logdir)
            saving.remove_remains(self.logdir)
        found = saving.kept(self.logdir) if self.logdir else []
        if resume:
            if found:
                self.resume(found, data_fingerprint)
            if self.step == 0:
                self.replaced = [p for p in saving.paths_in(self.logdir, "model", "best") if p not in found]
            rule = "a run inside an epoch resumes with the same examples and batch size"
            checks.require(self.batch == 0 or self.order == order, "fit", rule, was=self.order, now=order)
        else:
            self.stop_reason = None
            if self.batch and (self.order, self.data_fingerprint) != (order, data_fingerprint):
                self.batch = 0  # the epoch under way was of other data
                self.means = metrics.Means(self.metrics)
        self.order, self.data_fingerprint = order, data_fingerprint
        if not resume and found and self.step == 0:
            self.replaced = saving.paths_in(self.logdir, "model", "best")
            logger.warning(
                "%s holds an earlier run; its checkpoints will be replaced (resume=True continues it)",
                self.logdir,
            )
            self.save()  # so that not the earlier run is resumed, should this one be killed soon
        return epochs if resume else self.epoch + epochs

    def resume(self, paths, data_fingerprint):
        """Restores the newest checkpoint that is sound, of the same graph and data as now."""
        for path in paths:
            try:
                state = saving.read_state(path)
                self.check_fingerprints(path, state, data_fingerprint)
                self.restore(path)
                logger.info("resumed from %s at step %d", path, self.step)
                return
            except (checks.GraphkitError, FileNotFoundError) as error:
                logger.warning("%s; the checkpoint before it is looked at", error)
        rule = f"no checkpoint in {self.logdir} is sound"
        raise checks.GraphkitError(checks.message("fit", rule, checkpoints=paths))

    def check_fingerprints(self, path, state, data_fingerprint):
        """Refuses a checkpoint from which the same bits would not follow."""
        hint = "to go on from its weights: restore(path, weights_only=True), then fit without resume"
        for what, now in (("graph", self.graph_fingerprint), ("data", data_fingerprint)):
            rule = (
                f"{path} is of a run with another {what}, and would not be resumed to the same bits; {hint}"
            )
            checks.require(state is not None and state[what] == now, "fit", rule)

    def leave(self):
        """Keeps what an interrupted training has reached, and says how to go on."""
        self.interrupted = True
        where = f"interrupted at step {self.step}, in epoch {self.epoch + 1}"
        if self.logdir is None:
            logger.warning("%s; another fit goes on from here, while this trainer is open", where)
        else:
            path = self.save()
            logger.warning("%s; kept as %s; fit(resume=True) (a script's --resume) goes on", where, path)

    def make_runners(self, sources, constants, execution, steps_per_run, bounds, last_epoch):
        """Returns what runs whole mini-batches, and what runs a short one at the end of an epoch."""
        observed = any(map(callback_module.overrides_on_step, self.callbacks))
        # Of the whole run, so that a resumed one is executed as the one that was not interrupted.
        total_steps = last_epoch * len(bounds)
        chosen, reason = steps.choose(self.loops, sources, execution, total_steps, observed)
        if chosen == "compiled":
            loop = self.loops.compiled_for(sources)
            runner = self.fused_runner(loop, sources, constants, steps_per_run, True)
            failure = runner.compile(bounds[0][1] - bounds[0][0])
            if failure is None:
                logger.info('execution "compiled"')
                return runner, self.fused_runner(self.loops.plain, sources, constants, 1)
            chosen, reason = "resident" if runner.arrays else "chunks", failure
        logger.info('execution "%s"%s', chosen, f" ({reason})" if reason else "")
        if chosen == "feed" and self.loops.rewritten and not steps.mismatch(self.loops.plain, sources):
            runner = self.fused_runner(self.loops.plain, sources, constants, 1, resident=False)
        elif chosen == "feed":
            if self.loops.drawing:
                text = "%s draws from the state of a kernel: a resumed run would not have the same bits"
                logger.warning(text, self.loops.drawing)
            fetches = [*self.values, self.train_op]
            constants = self.with_own({self.training_input: np.bool_(True), **constants}, fetches)
            rate_input = self.rate_input if self.rate_varies() else None
            runner = steps.FeedSteps(self.session, fetches, sources, constants, rate_input)
        else:
            resident = chosen == "resident"
            runner = self.fused_runner(self.loops.plain, sources, constants, steps_per_run, resident=resident)
        return runner, runner

    def rate_varies(self):
        """Tells whether the learning rate may be another one than the graph holds."""
        plateaus = any(isinstance(c, callback_module.ReduceOnPlateau) for c in self.callbacks)
        return plateaus or self.rate_factor != 1 or self.schedule is not self.constant_schedule

    def fused_runner(self, loop, sources, constants, steps_per_run, fixed=False, resident=None):
        if resident is None:
            resident = steps.can_be_resident(loop, sources)
        constants = self.with_own(constants, loop.values)
        most = min(self.stops(), default=math.inf)
        return steps.FusedSteps(self.session, loop, sources, constants, resident, steps_per_run, fixed, most)

    def stops(self):
        """Returns the numbers of steps at whose multiples a run ends, since callbacks want to look."""
        return [c.every_steps for c in self.callbacks if c.every_steps is not None]

    def train_epochs(self, last_epoch, runners, bounds, order, validation):
        """Trains and validates until the last epoch, or until a callback or a signal ends it."""
        with signals.Interrupts() as interrupts:
            try:
                while self.epoch < last_epoch and self.stop_reason is None:
                    started = time.perf_counter()
                    self.train_epoch(runners, bounds, order, interrupts)
                    self.recorder.check()
                    self.end_epoch(validation, started, interrupts)
                    interrupts.check()
            except signals.Interrupted:
                self.leave()
                raise interrupts.exception() from None

    def train_epoch(self, runners, bounds, order, interrupts):
        """Runs the steps of the epoch under way, from where it stands to its end."""
        examples, batch_size, shuffle, _ = order
        indices = batches.visiting_order(examples, self.seed, self.epoch, shuffle)
        left = bounds[self.batch :]
        whole = [bound for bound in left if bound[1] - bound[0] == batch_size]
        for runner, todo in zip(runners, (whole, left[len(whole) :]), strict=True):
            selections = [indices[start:stop] for start, stop in todo]
            with contextlib.closing(self.run_steps(runner, selections)) as runs:
                for values, rates in runs:
                    self.take_in(values, rates, len(selections[0]))
                    interrupts.check()

    def run_steps(self, runner, selections):
        """Returns an iterator of the (values, learning rates) of each run of training steps."""
        start = self.step

        def prepare(first, stop):
            numbers = range(start + first, start + stop)
            rates = [] if self.schedule is None else [self.rate_factor * self.schedule(n) for n in numbers]
            seeds = [(self.seed, n, steps.AUGMENTATION) for n in numbers]
            return runner.prepare(selections[first:stop], rates, seeds), rates

        every = self.stops()

        def limit(first):
            return min((e - (start + first) % e for e in every), default=math.inf)

        return steps.run_all(runner, len(selections), prepare, limit)

    def take_in(self, values, rates, examples):
        """Adds the values of steps that were made to the figures of the epoch, and tells callbacks."""
        finite = np.isfinite(values[0])
        sound = len(finite) if finite.all() else int(np.argmin(finite))
        self.means.add([value[:sound] for value in values], examples)
        self.step += sound
        self.batch += sound
        self.recorder.took(rates)
        if sound < len(finite):
            rate = rates[sound] if rates else None
            at = recorder.position_of(self)
            raise recorder.Noticed("loss", at, float(values[0][sound]), rate)
        self.rate = rates[-1] if rates else None
        for callback in self.callbacks:
            if callback_module.overrides_on_step(callback):
                callback.on_step(self, self.figures_of([value[-1:] for value in values], examples))
            callback.on_run_end(self)
        self.recorder.refresh()

    def figures_of(self, values, examples):
        """Returns {name: figure} of one mini-batch."""
        means = metrics.Means(self.metrics)
        means.add(values, examples)
        return means.result()

    def end_epoch(self, validation, started, interrupts):
        """Validates, adds a row to the history and calls the callbacks."""
        seconds = time.perf_counter() - started
        row = {"epoch": self.epoch + 1, "step": self.step, **self.means.result()}
        if validation is not None:
            means = steps.figures_over(*validation, self.metrics, interrupts.check)
            row.update({f"valid_{name}": value for name, value in means.items()})
        if self.rate is not None:
            row["learning_rate"] = float(self.rate)
        row["seconds"] = seconds
        row["examples_per_second"] = self.means.examples / seconds
        self.epoch, self.batch = self.epoch + 1, 0
        self.means = metrics.Means(self.metrics)
        metrics.add_row(self.history, row)
        for callback in self.callbacks:
            callback.on_epoch_end(self, row)

    def evaluate(self, data, feed=None, batch_size=EVALUATION_BATCH):
        """Returns the loss and the metrics over a data set, with placeholders at their defaults.

        Args:
          data: {placeholder: array of all examples}, see `fit`.
          feed: {placeholder: value} of what is not to have its default.
          batch_size: examples that are run together; it does not change the result, but for rounding.

        Returns:
          {"loss": float, metric: figure} over all examples.

        Raises:
          TypeError: see `fit`.
          ValueError: see `fit`.
        """
        runner, bounds = self.evaluation("evaluate", data, feed, batch_size)
        return steps.figures_over(runner, bounds, self.metrics)

    def evaluation(self, function, data, feed, batch_size):
        """Checks what is to be evaluated; returns what runs it, and its mini-batches."""
        self.check_open(function)
        batch_size = checks.integer(function, "batch_size", batch_size)
        constants = feeds.check_feed(function, self.graph, feed)
        fetches = self.values
        sources, examples = self.check_data(function, data, fetches, constants)
        return self.outside_training(fetches, sources, constants), batches.batch_bounds(examples, batch_size)

    def outside_training(self, fetches, sources, constants):
        """Returns what runs mini-batches that train nothing."""
        constants = self.with_own(constants, fetches)
        return steps.FeedSteps(self.session, fetches, sources, constants, prefetches=True)

    def predict(self, tensor, data, feed=None, batch_size=EVALUATION_BATCH):
        """Returns a tensor's values for all examples, with placeholders at their defaults.

        Args:
          tensor: a tensor of the trainer's graph whose first axis is the example.
          data: {placeholder: array of all examples} for the placeholders that the tensor needs.
          feed: {placeholder: value} of what is not to have its default.
          batch_size: examples that are run together.

        Returns:
          An array (examples, ...).

        Raises:
          TypeError: no tensor; see `fit` for the data.
          ValueError: a tensor of another graph, or without an axis for the examples; see `fit`.
        """
        function = "predict"
        self.check_open(function)
        rule = "tensor must be a tensor of the trainer's graph"
        if not walk.is_graph_tensor(tensor):
            raise TypeError(checks.message(function, rule, tensor=tensor))
        checks.require(tensor.graph is self.graph, function, rule, tensor=tensor.name)
        batch_size = checks.integer(function, "batch_size", batch_size)
        constants = feeds.check_feed(function, self.graph, feed)
        sources, examples = self.check_data(function, data, [tensor], constants)
        runner = self.outside_training([tensor], sources, constants)
        parts = []
        bounds = batches.batch_bounds(examples, batch_size)
        for ((part,),), (start, stop) in steps.run_slices(runner, bounds):
            rule = f"the first axis of {tensor.name} must be the example"
            sound = np.ndim(part) > 0 and len(part) == stop - start
            checks.require(sound, function, rule, shape=np.shape(part), examples=stop - start)
            parts.append(part)
        return np.concatenate(parts)

    def weights(self):
        """Returns the values of the model's variables by name, without those of the optimizer.

        Returns:
          {name: array}, such as {"conv1/kernel": (5, 5, 1, 32) float32}, in the order in which the graph made
          them; moving means and variances of `gk.batch_norm` are among them.

        Raises:
          RuntimeError: the trainer is closed.
        """
        self.check_open("weights")
        return self.session.run(self.checkpoints.weights)

    def export(self, folder, outputs, feed=None):
        """Writes a SavedModel that computes some outputs as `predict` does, for programs without graphkit.

        It holds the ops and variables that the outputs need, and nothing of the training. Its inputs are the
        placeholders without a default which they depend on, by name and as they are: a `gk.image_input`
        takes floats that were scaled, as by `gk.scale_pixels`. All else has the values of `predict`: dropout
        is off, `gk.batch_norm` takes its moving averages. Reference variables become resource variables.

        The signature is "serving_default", the tag "serve". The graph is on no device, and in float32 where
        the trainer's `precision` is another one. The trainer is not changed.

        Args:
          folder: where to write it: a new folder, or an empty one; it is there whole or not at all.
          outputs: a tensor of the trainer's graph, to be called "output", or {name: tensor}.
          feed: {placeholder: value} of what is to be constant, such as a keep_prob without a default.

        Returns:
          The path of the folder, as `tf.saved_model.load` and `restore` take it.

        Raises:
          TypeError: outputs that are no tensors, names that are no strings; see `fit` for the feed.
          ValueError: no output, one of another graph, or one that depends on no input, on a Python function,
            or on a state other than variables and constant tables.
          OSError: a folder that is not empty, or cannot be written.

        Example:
          >>> import tempfile
          >>> features, labels = gk.feature_input(2), gk.label_input()
          >>> logits = gk.dense(features, 3)
          >>> outputs = {"probabilities": gk.softmax(logits)}
          >>> with gk.Trainer(gk.softmax_cross_entropy(logits, labels)) as trainer:
          ...     path = trainer.export(tempfile.mkdtemp(), outputs)
          >>> tf.saved_model.contains_saved_model(path)
          True
        """
        function = "export"
        self.check_open(function)
        folder = exporting.check_folder(folder)
        outputs = exporting.check_outputs(self.graph, outputs)
        constants = feeds.check_feed(function, self.graph, feed)
        if self.recorder is not None:
            self.recorder.check()
        constants = self.with_own(constants, list(outputs.values()))
        exporting.write(self.session, folder, outputs, constants)
        return str(folder)

    def with_own(self, constants, fetches):
        """Returns the constants and the seed, as far as they matter to the fetches: each feed costs time."""
        needed = walk.ancestors(fetches)
        constants = {self.seed_input: np.int64(self.seed), **constants}
        return {
            placeholder: value
            for placeholder, value in constants.items()
            if placeholder.op in needed and not feeds.is_default(placeholder, value)
        }

    def check_data(self, function, data, fetches, constants):
        """Refuses data that does not fit what is to be computed; see `feeds.check_data`."""
        own = [self.seed_input, self.training_input]
        own += [] if self.rate_input is None else [self.rate_input]
        fed = [*constants, *own]
        return feeds.check_data(function, self.graph, data, fetches, fed)

    def save(self, path=None, keep=2):
        """Writes a checkpoint: variables, slots, position, history and callbacks in one unit.

        Args:
          path: prefix of its files; None names it `model-<step>` in the logdir.
          keep: how many of the newest checkpoints stay in the logdir.

        Returns:
          The path, as `restore` takes it.

        Raises:
          ValueError: neither a path nor a logdir.
          OSError: the files cannot be written; earlier checkpoints are as they were.
        """
        self.check_open("save")
        keep = checks.integer("save", "keep", keep)
        if self.recorder is not None:
            self.recorder.check()
        rule = "a path is needed where the trainer has no logdir"
        checks.require(path is not None or self.logdir, "save", rule, path=path)
        state = {
            "step": self.step,
            "epoch": self.epoch,
            "batch": self.batch,
            "order": self.order,
            "seed": self.seed,
            "totals": self.means.state(),
            "rate": self.rate,
            "rate_factor": self.rate_factor,
            "graph": self.graph_fingerprint,
            "data": self.data_fingerprint,
            "examples": self.means.examples,
            "history": self.history,
            "stop_reason": self.stop_reason,
            "callbacks": [[type(c).__name__, c.state()] for c in self.callbacks],
        }
        if path is not None:
            return self.checkpoints.save(self.session, os.fspath(path), state)
        path = self.checkpoints.save(self.session, str(self.logdir / f"model-{self.step}"), state)
        earlier = [old for old in saving.kept(self.logdir) if old not in (path, *self.replaced)]
        newest = [path, *earlier][:keep]
        saving.declare(self.logdir, newest)
        if self.step or not self.replaced:  # an earlier run's checkpoints stay until there is a step to keep
            for old in {*saving.paths_in(self.logdir, "model"), *self.replaced} - set(newest):
                saving.remove(old)
            self.replaced = []
        return path

    def restore(self, path=None, weights_only=False, partial=False, rename=None):
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
          rename: {name in the graph: name in the checkpoint} of variables that are called otherwise there,
            such as {"conv1/kernel": "layer1/weights"}; names that end in "/" are prefixes, which take the
            slots of optimizers along: {"conv1/": "model/conv1/"}; "" is the prefix of all.

        Raises:
          FileNotFoundError: there is no such checkpoint.
          TypeError: a rename that is no dict of names.
          ValueError: variables that are missing or have another shape or dtype, each told, with a `rename`
            where they are likely to have another name; with `partial`, a checkpoint that holds none of them;
            a rename of what is not there; a run of another seed.
          GraphkitError: the files are damaged or cut off.
        """
        self.check_open("restore")
        if path is None:
            path = self.logdir and saving.latest(self.logdir)
            rule = "there is no checkpoint in the trainer's logdir"
            if not path:
                where = self.logdir and str(self.logdir)
                raise FileNotFoundError(checks.message("restore", rule, logdir=where))
        path = restoring.find_checkpoint(path)
        state = None if weights_only or partial else saving.read_state(path)
        variables = self.checkpoints.weights if state is None else self.checkpoints.variables
        plan = restoring.plan_restore(path, variables, rename)
        if partial:
            rule = f"the checkpoint must hold a variable of the model\n{plan}"
            checks.require(plan.matched, "restore", rule)
        else:
            restoring.require_complete(plan, self.checkpoints.weights)
        if state is not None:
            rule = f"{path} was trained with another seed"
            checks.require(state["seed"] == self.seed, "restore", rule, seed=state["seed"])
        restoring.load(self.session, plan)
        if not plan.complete:
            logger.warning("restored in part: %s", plan)
        if state is not None:
            self.restore_state(state)
        elif not (weights_only or partial):
            logger.warning("%s was not written by graphkit: its weights are restored alone", path)

    def restore_state(self, state):
        """Takes over position, history and callbacks from what `save` wrote."""
        for name in ("step", "epoch", "batch", "order", "history", "stop_reason", "rate", "rate_factor"):
            setattr(self, name, state[name])
        self.data_fingerprint = state["data"]
        self.means = metrics.Means(self.metrics, state["totals"], state["examples"])
        for callback, (kind, kept) in zip(self.callbacks, state["callbacks"], strict=False):
            if type(callback).__name__ == kind:
                callback.restore_state(kept)

    @contextlib.contextmanager
    def experiment(self, schedule):
        """Lets a block train at other rates, then brings everything back to where it was."""
        names = ("schedule", "logdir", "callbacks", "rate_factor", "searches")
        kept = {name: getattr(self, name) for name in names}
        with tempfile.TemporaryDirectory() as folder:
            path = self.save(os.path.join(folder, "before"))
            self.schedule, self.logdir, self.rate_factor, self.searches = schedule, None, 1.0, False
            history, self.history = self.history, {}
            try:
                yield
            finally:
                self.callbacks = []
                self.restore(path)
                self.history = history
                for name, value in kept.items():
                    setattr(self, name, value)

    def stop(self, reason):
        """Ends `fit` after the epoch under way; callbacks call it.

        Args:
          reason: a sentence that says why.
        """
        self.stop_reason = reason

    def close(self):
        """Closes the session. A trainer that has been closed can do nothing more."""
        self.closer()
        if self.lock is not None:
            self.lock.close()
            self.lock = None

    def check_open(self, function):
        if not self.closer.alive:
            raise RuntimeError(f"{function}: the trainer is closed")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def check_faults(loss, trained, strict):
    """Logs the faults that `gk.check_graph` finds, or refuses them."""
    found = faults.check_graph(loss, variables=trained)
    rule = f"strict refuses a graph with faults:\n{faults.report(found)}"
    checks.require(not (strict and found), "Trainer", rule)
    for finding in found:
        logger.warning("%s", finding)
