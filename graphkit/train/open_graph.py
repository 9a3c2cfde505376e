"""A finished graph with an open session: evaluates, predicts, returns weights, exports."""

import contextlib
import functools
import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.checkpoints import saving
from graphkit.exports import card, exporting
from graphkit.graph import walk
from graphkit.nn.metrics import Metric
from graphkit.running import feeds, order, remote, steps, streams, wire
from graphkit.running import session as sessions
from graphkit.running.callback import Callback
from graphkit.running.training_step import TrainingStep
from graphkit.running.workers import ALONE, Workers
from graphkit.train import averages

EVALUATION_BATCH = 1024  # examples; more are hardly faster and need more memory

Feed = Mapping[Any, Any]  # {placeholder or its name: value}
T = TypeVar("T", bound="OpenGraph")
OPEN: weakref.WeakSet["OpenGraph"] = weakref.WeakSet()  # and closed ones that somebody still holds


def reset() -> tf.Graph:
    """Begins with an empty default graph, and closes the trainers of the one before.

    For notebooks: a cell that builds a network begins with `gk.reset()`, so that it can run again. What is
    left of the old network cannot be used with the new one. Graphs of `with tf.Graph().as_default():` and
    their trainers, such as those of `gk.runs.load_run`, stay as they are.

    Returns:
      The new default graph.

    Raises:
      RuntimeError: a `with` block (or an `InteractiveSession`) has made another graph the default here, or
        TensorFlow executes eagerly, so that there is no default graph.

    Example:
      >>> graph = gk.reset()  # doctest: +SKIP
      >>> logits = gk.dense(gk.feature_input(4), 3, name="logits")
    """
    check = checks.Checker("reset")
    if tf.executing_eagerly():
        rule = (
            "TensorFlow executes eagerly here, so there is no default graph; begin the program with "
            "tf.compat.v1.disable_eager_execution(), or build each network under "
            "`with tf.Graph().as_default():`"
        )
        raise RuntimeError(check.message(rule))
    graph = tf.compat.v1.get_default_graph()
    try:
        tf.compat.v1.reset_default_graph()
    except AssertionError:
        rule = (
            "a `with tf.Graph().as_default():` (or an InteractiveSession) has made another graph the default "
            "here; call gk.reset() outside of it, or begin a new graph by such a block"
        )
        raise RuntimeError(check.message(rule)) from None
    for one in [one for one in OPEN if one.graph is graph]:
        one.close()
    return tf.compat.v1.get_default_graph()


class OpenGraph:
    """A finished graph with an open session, which does not change it.

    Args:
      graph: the graph, with all that is run by itself; what is added later can be predicted.
      config: `tf.compat.v1.ConfigProto` of the session.
      metrics: {name: `Metric`}, the loss first.
      step: the training step, of which the inputs are fed.
      checkpoints: saves and restores the variables.
      seed: of all keyed random numbers.
      workers: the processes that train the graph, whose session it is.
    """

    def __init__(
        self,
        graph: tf.Graph,
        config: Any,
        metrics: Mapping[str, Metric],
        step: TrainingStep,
        checkpoints: saving.Checkpoints,
        seed: int,
        workers: Workers = ALONE,
    ) -> None:
        self.graph, self.metrics, self.training_step = graph, metrics, step
        self.checkpoints, self.config, self.seed = checkpoints, config, seed
        self.callbacks: list[Callback] = []
        self.has_averages = False  # whether the variables hold their moving averages
        self.session = remote.open_session(workers.target, graph, config, step.remote)
        OPEN.add(self)
        # Also when this is garbage collected.
        self.closer = weakref.finalize(self, workers.close, self.session)

    def check_examples(
        self,
        check: checks.Checker,
        data: Any,
        feed: Any,
        fetches: Sequence[Any],
        augment: Any = None,
    ) -> feeds.Examples:
        """Returns the checked examples that the fetches need, see `streams.check_examples`."""
        step = self.training_step
        own = {step.seed_input: np.int64(self.seed), step.training_input: None}
        if step.rate_input is not None:
            own[step.rate_input] = None
        if step.place is not None:
            own[step.place.votes] = None
        return streams.check_examples(check, self.graph, data, feed, fetches, own, augment)

    def evaluator(self, examples: feeds.Examples, fetches: Sequence[tf.Tensor]) -> steps.FeedSteps:
        """Returns the steps that compute the fetches for mini-batches of examples, without training."""
        copy = self.training_step.inference
        if copy.covers(fetches, examples.constants):
            fetches = copy.tensors(fetches)
            sources = [copy.source(source) for source in examples.sources]
            examples = feeds.Examples(sources, examples.constants)
        prepared = any(source.changes or source.is_lazy for source in examples.sources)
        return steps.FeedSteps(self.session, fetches, examples, prefetches=prepared, step=self.training_step)

    def evaluate(
        self, data: Feed, feed: Feed | None = None, *, batch_size: int = EVALUATION_BATCH
    ) -> dict[str, Any]:
        """Returns the loss and the metrics over a data set, with placeholders at their defaults.

        Variables that the loss itself changes, such as a state, have the same values before and after it.

        Args:
          data: {placeholder or its name: all examples}, or a stream, see `fit`.
          feed: {placeholder: value} that replaces the defaults of some placeholders.
          batch_size: examples in a run, which changes the result only by rounding; a stream, and placeholders
            of a fixed number of examples, have their own.

        Returns:
          {"loss": float, metric: value} over all examples.

        Raises:
          TypeError: batch_size is not an integer; see `fit` for the data.
          ValueError: batch_size is not positive; see `fit` for the data.
          RuntimeError: the trainer is closed.
        """
        check = self.check_open("evaluate")
        batch_size = check.integer("batch_size", batch_size)
        return self.evaluation(check, data, feed, batch_size)(lambda: None)

    def evaluation(
        self,
        check: checks.Checker,
        data: Feed,
        feed: Feed | None = None,
        batch_size: int = EVALUATION_BATCH,
        workers: Workers = ALONE,
        most: int | None = None,
        again: bool = False,
    ) -> steps.Evaluation:
        """Checks the data; returns the function by which the workers compute the metrics over it.

        Args:
          check: of the function that users called.
          data, feed, batch_size: see `evaluate`.
          workers: the processes that evaluate.
          most: how many of the examples are evaluated, None for all; of a stream, one mini-batch.
          again: whether the function may be called more than once.
        """
        values = self.training_step.evaluated
        examples = self.check_examples(check, data, feed, values)
        wire.check_batch(check, self.training_step.remote, examples, batch_size)
        evaluator = self.evaluator(examples, values)
        streams.require_usable(check, examples, again, workers is ALONE or self.training_step.place is None)
        plan = examples.plan_to_evaluate(check, batch_size, most)

        def compute(after_batch: Callable[[], None]) -> dict[str, Any]:
            with sessions.kept(self.session, self.written):
                return steps.evaluate(evaluator, plan, self.metrics, after_batch, workers)

        return compute

    @functools.cached_property
    def written(self) -> list[tf.Variable]:
        """The variables that computing the loss and the metrics changes, which an evaluation puts back."""
        shared = self.checkpoints.spread  # other workers train them at the same time
        return [] if shared else order.written(self.training_step.evaluated, self.training_step.variables)

    def predict(
        self, tensor: Any, data: Feed, feed: Feed | None = None, *, batch_size: int = EVALUATION_BATCH
    ) -> Any:
        """Returns a tensor's values for all examples, with placeholders at their defaults.

        Args:
          tensor: a tensor of the trainer's graph whose first axis is the example, also one made after the
            trainer; or a list, tuple or dict of such tensors, which are computed in one pass.
          data: {placeholder or its name: all examples}, or a stream, for what the tensor needs, see `fit`.
          feed: {placeholder: value} that replaces the defaults of some placeholders.
          batch_size: see `evaluate`.

        Returns:
          An array (examples, ...); of several tensors a list, tuple or dict of arrays, as they were given.

        Raises:
          TypeError: tensor is not a tensor; see `fit` for the data.
          ValueError: the tensor is of another graph, or its first axis is not the example; see `fit` for the
            data.
          RuntimeError: the trainer is closed, or tensors are made anew in a loop around this call.

        Example, classes and how sure the network is of them:
          >>> features, labels = gk.feature_input(2), gk.label_input()
          >>> logits = gk.dense(features, 2)
          >>> with gk.Trainer(gk.softmax_cross_entropy(logits, labels)) as trainer:
          ...     classes = trainer.predict(logits, {features: np.eye(2)}).argmax(axis=1)
          ...     names = np.array(["cat", "dog"])[classes]
          ...     found = trainer.predict({"p": tf.nn.softmax(logits), "z": logits}, {features: np.eye(2)})
          >>> {name: array.shape for name, array in found.items()}
          {'p': (2, 2), 'z': (2, 2)}
        """
        check = self.check_open("predict")
        # Not by `tf.nest`, which sorts the keys of a dict.
        tensors = list(tensor.values()) if isinstance(tensor, Mapping) else tensor
        wanted = tf.nest.flatten(tensors)
        rule = "tensor must be a tensor of the trainer's graph, or a list, tuple or dict of them"
        swapped = isinstance(tensor, Mapping) and any(map(walk.is_graph_tensor, tf.nest.flatten(data)))
        rule += "; are tensor and data swapped? predict(tensor, data)" * swapped
        check.require(wanted, rule, tensor=tensor)
        for one in wanted:
            check.require_type(walk.is_graph_tensor(one), rule, tensor=one)
            check.require(one.graph is self.graph, rule, tensor=one.name)
        batch_size = check.integer("batch_size", batch_size)
        examples = self.check_examples(check, data, feed, wanted)
        wire.check_batch(check, self.training_step.remote, examples, batch_size)
        parts: list[list[np.ndarray]] = [[] for _ in wanted]
        plan = examples.plan_to_evaluate(check, batch_size)
        for run, _ in steps.run_all(self.evaluator(examples, wanted), plan.slices()):
            for one, values, part in zip(wanted, run.values, parts, strict=True):
                fits = np.ndim(values[0]) > 0 and len(values[0]) == run.batch_size
                rule = f"the first axis of {one.name} must be the example"
                check.require(fits, rule, shape=np.shape(values[0]), examples=run.batch_size)
                part.append(values[0])
        arrays = [joined(check, one.name, part) for one, part in zip(wanted, parts, strict=True)]
        found = tf.nest.pack_sequence_as(tensors, arrays)
        return dict(zip(tensor, found, strict=True)) if isinstance(tensor, Mapping) else found

    def averages(self) -> contextlib.AbstractContextManager[None]:
        """Returns a block in which the trained variables hold their moving averages.

        In it, `evaluate`, `predict`, `weights`, `export`, and `save` to a path of its own use them; after it,
        the variables have their values again, so that training goes on as without it. Before the first step
        they are the variables themselves.

        Raises:
          ValueError: the trainer was made without `average_decay`, or this is inside of such a block.
          RuntimeError: the trainer is closed.

        Example:
          >>> features, labels = gk.feature_input(2), gk.label_input()
          >>> loss = gk.softmax_cross_entropy(gk.dense(features, 2), labels)
          >>> data = {features: np.eye(2), labels: np.arange(2)}
          >>> with gk.Trainer(loss, average_decay=0.99) as trainer:
          ...     history = trainer.fit(data, epochs=9, progress=False)
          ...     with trainer.averages():
          ...         averaged = trainer.evaluate(data)["loss"]
          ...     averaged > trainer.evaluate(data)["loss"]  # they follow the weights
          True
        """
        return averages.instead_of_weights(self, self.check_open("averages"))

    def weights(self) -> dict[str, np.ndarray]:
        """Returns the values of the model's variables by name, without the optimizer's variables.

        Returns:
          {name: array}, such as {"conv1/kernel": (5, 5, 1, 32) float32}, in the order in which the graph made
          them; moving means and variances of `gk.batch_norm` are among them.

        Raises:
          RuntimeError: the trainer is closed.
        """
        self.check_open("weights")
        return self.session.run(self.checkpoints.weights)

    def export(
        self,
        path: str | os.PathLike,
        outputs: Any,
        feed: Feed | None = None,
        *,
        pixels: bool = False,
        info: Mapping[str, Any] | None = None,
    ) -> str:
        """Writes a model that computes some outputs as `predict` does, for programs without graphkit.

        The path's suffix says the format:

        | path | format | who loads it |
        |---|---|---|
        | `model` | SavedModel, a folder | `tf.saved_model.load`, `keras.layers.TFSMLayer`, `restore` |
        | `model.tflite` | TFLite | LiteRT, on phones and small computers |
        | `model.onnx` | ONNX (extra `onnx`) | onnxruntime, from many languages |
        | `model.pb` | frozen graph: weights are constants | `tf.compat.v1.import_graph_def`, `gk.revive` |

        It contains only the ops and variables that the outputs need. Its inputs are the placeholders without
        a default that the outputs depend on, under their names; outputs have the names that are given here.
        The batch can have any size. All other placeholders have the values of `predict`: dropout is off, and
        `gk.batch_norm` uses its moving averages. There are no devices in it, and it computes in float32
        whatever the trainer's `compute_dtype` is. The trainer is not changed.

        Each export holds `model.json`, which says what the inputs and the outputs are, how pixels are scaled,
        and what `info` says: as a file in the folder of a SavedModel; in the ZIP archive at the end of a
        `.tflite` file; in the metadata of an `.onnx` file; as the string constant `model.json` of a `.pb`.
        The signature of a SavedModel is "serving_default", its tag "serve".

        Args:
          path: a new file, or a new or empty folder; an export that fails leaves it as it was.
          outputs: a tensor of the trainer's graph, which is then called "output", or {name: tensor}.
          feed: {placeholder: value} of what becomes a constant, such as a keep_prob without a default.
          pixels: True makes a `gk.image_input` take uint8 pixels, which are scaled in the model; False takes
            floats that have been scaled, as by `gk.scale_pixels`.
          info: what else `model.json` is to say, such as {"classes": data.classes}.

        Returns:
          The path, as `tf.saved_model.load` and `restore` take it.

        Raises:
          TypeError: outputs are not tensors, or names are not strings; see `fit` for the feed.
          ValueError: there are no outputs, or one is of another graph, does not depend on any input, or
            depends on a Python function, on state other than variables and constant tables, or on ops that
            the format cannot hold, which are listed; pixels without a `gk.image_input`; classes of which no
            output has a column each.
          ImportError: an `.onnx` file without the extra `onnx`.
          OSError: the path is taken, or cannot be written.
          RuntimeError: the trainer is closed.

        Example:
          >>> import tempfile
          >>> features, labels = gk.feature_input(2), gk.label_input()
          >>> logits = gk.dense(features, 3)
          >>> outputs = {"probabilities": gk.softmax(logits)}
          >>> with gk.Trainer(gk.softmax_cross_entropy(logits, labels)) as trainer:
          ...     path = trainer.export(tempfile.mkdtemp(), outputs, info={"classes": ["a", "b", "c"]})
          >>> tf.saved_model.contains_saved_model(path)
          True
        """
        check = self.check_open("export")
        target = exporting.check_path(check, path)
        outputs = exporting.check_outputs(check, self.graph, outputs)
        fields = card.check_info(check, info, outputs)
        check.require_type(isinstance(pixels, bool), "pixels must be True or False", pixels=pixels)
        fed = feeds.check_feed(check, self.graph, feed)
        for callback in self.callbacks:
            callback.on_save_start(self)
        step = self.training_step
        number = np.int64(self.session.run(step.global_step))
        constants: dict[tf.Tensor, Any] = {
            step.seed_input: np.int64(self.seed),
            step.step_input: number,
            **fed,
        }
        needed = feeds.Examples([], constants).constants_for(list(outputs.values()))
        exporting.write(check, self.session, target, outputs, needed, pixels=pixels, info=fields)
        return str(target)

    def close(self) -> None:
        """Closes the session, after which nothing more can be run."""
        self.closer()

    def check_open(self, function: str) -> checks.Checker:
        """Returns the checker of a method that needs the session; raises `RuntimeError` if it is closed."""
        if not self.closer.alive:
            rule = "the trainer is closed, by close(), gk.reset() or the end of its `with` block: call "
            raise RuntimeError(f"{function}: {rule}{function} before that, or make network and Trainer anew")
        return checks.Checker(function)

    def __enter__(self: T) -> T:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def joined(check: checks.Checker, name: str, parts: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the values of all mini-batches as one array, for which their other axes must agree."""
    shapes = {np.shape(part)[1:] for part in parts}
    rule = (
        f"{name} must have one shape for all examples, apart from the first axis: pad sequences to one "
        "length, or call predict for the examples of each length"
    )
    check.require(len(shapes) == 1, rule, shapes=sorted(shapes)[:4])
    return np.concatenate(parts)
