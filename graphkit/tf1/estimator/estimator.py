"""`tf.estimator.Estimator`: trains, evaluates, predicts and exports a model function's graph.

Each call makes a graph and runs it in a monitored session: the program's own train_op, step by step, with
its hooks. `fast_steps` takes many steps in one run where nothing looks at the steps between. What comes along
of graphkit: the session's settings, the loop of training steps, and its advice on kernels. Checkpoints are
TensorFlow 1's (`model.ckpt-N` and the file `checkpoint`), which `gk.Trainer.restore` reads, too; a run that
was killed goes on from the newest. Where it was in its data is not
saved: they begin anew, as in TF 1.15.
"""

import contextlib
import copy
import functools
import inspect
import logging
import os
import tempfile
import time
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.nn import scopes
from graphkit.running import kernels, session
from graphkit.tf1.estimator import export, fast_steps
from graphkit.tf1.estimator.run_config import RunConfig
from graphkit.tf1.estimator.specs import EstimatorSpec, ModeKeys, check_hooks

v1 = tf.compat.v1
CHECK = checks.Checker("Estimator")
MODEL_ARGUMENTS = {"features", "labels", "mode", "params", "self", "config"}


WarmStartSettings = namedtuple(
    "WarmStartSettings",
    "ckpt_to_initialize_from vars_to_warm_start var_name_to_vocab_info var_name_to_prev_var_name",
    defaults=(".*", None, None),
)


def is_news(record: logging.LogRecord) -> bool:
    """False of TensorFlow's line about a race for the global step, which does no harm in one process."""
    return not str(record.msg).startswith("It seems that global step")


class Estimator:
    """As `tf.estimator.Estimator`, in one process."""

    def __init__(
        self,
        model_fn: Callable,
        model_dir: Any = None,
        config: Any = None,
        params: Any = None,
        warm_start_from: Any = None,
    ) -> None:
        CHECK.require(model_fn is not None, "model_fn must be provided to Estimator.")
        config = RunConfig() if config is None else config
        is_config = isinstance(config, RunConfig)
        CHECK.require(is_config, "config must be an instance of `RunConfig`", config=config)
        folders = {os.fspath(folder) for folder in (model_dir, config.model_dir) if folder}
        rule = "`model_dir` are set both in constructor and `RunConfig`, but with different values"
        CHECK.require(len(folders) < 2, rule, model_dir=model_dir, config_model_dir=config.model_dir)
        check_model_fn(model_fn, params)
        if not folders:
            folders = {tempfile.mkdtemp()}
            v1.logging.warning("Using temporary folder as model directory: %s", *folders)
        self.config, self._model_fn = config.replace(model_dir=folders.pop()), model_fn
        self._params, self._warm = copy.deepcopy(params or {}), warm_start_settings(warm_start_from)

    @property
    def model_dir(self) -> str:
        return self.config.model_dir

    @property
    def params(self) -> Any:
        return copy.deepcopy(self._params)

    @property
    def model_fn(self) -> Callable:
        def public_model_fn(features: Any, labels: Any, mode: str, config: Any) -> EstimatorSpec:
            return self._call_model_fn(features, labels, mode)

        return public_model_fn

    def latest_checkpoint(self) -> str | None:
        return tf.train.latest_checkpoint(self.model_dir)

    def eval_dir(self, name: str | None = None) -> str:
        return os.path.join(self.model_dir, f"eval_{name}" if name else "eval")

    def get_variable_names(self) -> list[str]:
        return [name for name, _ in tf.train.list_variables(self._trained())]

    def get_variable_value(self, name: str) -> np.ndarray:
        return tf.train.load_variable(self._trained(), name)

    def _trained(self) -> str:
        path = self.latest_checkpoint()
        CHECK.require(path, "Could not find trained model in model_dir", model_dir=self.model_dir)
        return str(path)

    # Training

    def train(
        self,
        input_fn: Callable,
        hooks: Any = None,
        steps: int | None = None,
        max_steps: int | None = None,
        saving_listeners: Any = None,
    ) -> "Estimator":
        """Trains until the input ends, for `steps` more steps, or up to the global step `max_steps`."""
        CHECK.require(steps is None or max_steps is None, "Can not provide both steps and max_steps.")
        check_positive(steps=steps, max_steps=max_steps)
        hooks = check_hooks(hooks)
        if max_steps is not None:
            path = self.latest_checkpoint()
            if path and max_steps <= tf.train.load_variable(path, v1.GraphKeys.GLOBAL_STEP):
                v1.logging.info("Skipping training since max_steps has already saved.")
                return self
        with self._graph():
            fast_steps.number_steps()
            features, labels, own = self._data(input_fn, ModeKeys.TRAIN)
            spec = self._call_model_fn(features, labels, ModeKeys.TRAIN)
            self._warm_start()
            loss = self._run_steps(spec, [*own, *hooks], tuple(saving_listeners or ()), steps, max_steps)
        v1.logging.info("Loss for final step: %s.", loss)
        return self

    def _warm_start(self) -> None:
        if self._warm is not None:
            v1.train.warm_start(*self._warm)

    def _run_steps(
        self, spec: EstimatorSpec, hooks: list, listeners: tuple, steps: int | None, max_steps: int | None
    ) -> Any:
        """Makes the steps of a training; returns the last loss, None if there was no step."""
        graph, config = v1.get_default_graph(), self.config
        spec = spec._replace(scaffold=initializing(spec.scaffold))
        if all(summary.op.name != "loss" for summary in graph.get_collection(v1.GraphKeys.SUMMARIES)):
            v1.summary.scalar("loss", spec.loss)
        graph.add_to_collection(v1.GraphKeys.LOSSES, spec.loss)
        kernels.recommend_onednn(graph.get_operations())
        fast = fast_steps.FastSteps.of(spec, hooks, config, steps, max_steps)
        if steps is not None or max_steps is not None:
            hooks = [*hooks, v1.train.StopAtStepHook(num_steps=steps, last_step=max_steps)]
        hooks = [*hooks, v1.train.NanTensorHook(spec.loss), *spec.training_hooks]
        if config.log_step_count_steps is not None:
            hooks.append(fast_steps.LogLoss(spec.loss, scopes.global_step(), config.log_step_count_steps))
        loss = None
        with self._training_session(spec, hooks, listeners) as running:
            while not running.should_stop():
                _, loss = running.run([spec.train_op, spec.loss])
                if fast is not None and not running.should_stop():
                    loss = fast.run(running, loss)
        if loss is None:
            v1.logging.warning("Training with estimator made no steps. Is the input empty?")
        return loss

    def _training_session(self, spec: EstimatorSpec, hooks: list, listeners: tuple) -> Any:
        graph, config = v1.get_default_graph(), self.config
        if spec.scaffold.saver is None and not graph.get_collection(v1.GraphKeys.SAVERS):
            saver = v1.train.Saver(
                sharded=True,
                max_to_keep=config.keep_checkpoint_max,
                keep_checkpoint_every_n_hours=config.keep_checkpoint_every_n_hours,
                defer_build=True,
                save_relative_paths=True,
            )
            graph.add_to_collection(v1.GraphKeys.SAVERS, saver)
        return v1.train.MonitoredTrainingSession(
            checkpoint_dir=self.model_dir,
            scaffold=spec.scaffold,
            hooks=hooks,
            chief_only_hooks=[*self._savers(spec, hooks, listeners), *spec.training_chief_hooks],
            save_checkpoint_secs=0,
            save_summaries_steps=config.save_summary_steps,
            config=self._session_config,
            log_step_count_steps=config.log_step_count_steps,
        )

    def _savers(self, spec: EstimatorSpec, hooks: list, listeners: tuple) -> list:
        """Returns the hook that writes checkpoints, unless the program brings one; listeners need ours."""
        seconds, steps = self.config.save_checkpoints_secs or None, self.config.save_checkpoints_steps or None
        kind = v1.train.CheckpointSaverHook
        theirs = any(isinstance(hook, kind) for hook in (*hooks, *spec.training_chief_hooks))
        if (seconds or steps) and (listeners or not theirs):
            given = {"scaffold": spec.scaffold, "listeners": list(listeners)}
            return [kind(self.model_dir, seconds, steps, **given)]
        rule = "There should be a CheckpointSaverHook to use saving_listeners; set save_checkpoints_steps"
        CHECK.require(not listeners, rule)
        return []

    # Evaluation and prediction

    def evaluate(
        self,
        input_fn: Callable,
        steps: int | None = None,
        hooks: Any = None,
        checkpoint_path: str | None = None,
        name: str | None = None,
    ) -> dict[str, Any]:
        """Returns the metrics over the input, or `steps` batches of it, and writes them as summaries."""
        check_positive(steps=steps)
        hooks, path = check_hooks(hooks), checkpoint_path or self._newest()
        with self._graph():
            features, labels, own = self._data(input_fn, ModeKeys.EVAL)
            spec = self._call_model_fn(features, labels, ModeKeys.EVAL)
            taken = {"loss", v1.GraphKeys.GLOBAL_STEP} & set(spec.eval_metric_ops)
            CHECK.require(not taken, "Metric with name of a default metric is not allowed", names=taken)
            metrics = {**spec.eval_metric_ops, "loss": v1.metrics.mean(spec.loss)}
            update = tf.group(*(update for _, update in metrics.values()))
            values = {key: value for key, (value, _) in metrics.items()}
            final = v1.train.FinalOpsHook({**values, v1.GraphKeys.GLOBAL_STEP: scopes.global_step()})
            with self._restored(spec, path, [*own, *hooks, *spec.evaluation_hooks, final]) as running:
                done = 0
                while not running.should_stop() and (steps is None or done < steps):
                    running.run(update)
                    done += 1
        results = dict(final.final_ops_values)
        write_summary(self.eval_dir(name), results)
        return results

    def predict(
        self,
        input_fn: Callable,
        predict_keys: Any = None,
        hooks: Any = None,
        checkpoint_path: str | None = None,
        yield_single_examples: bool = True,
    ) -> Iterator[Any]:
        """Yields the predictions of each example, or of each batch."""
        hooks, path = check_hooks(hooks), checkpoint_path or self._newest()
        with self._graph():
            features, _, own = self._data(input_fn, ModeKeys.PREDICT)
            spec = self._call_model_fn(features, None, ModeKeys.PREDICT)
            predictions = chosen(spec.predictions, predict_keys)
            monitored = self._restored(spec, path, [*own, *hooks, *spec.prediction_hooks])
        with monitored as running:
            while not running.should_stop():
                values = running.run(predictions)
                if not yield_single_examples:
                    yield values
                elif isinstance(values, dict):
                    lengths = {len(value) for value in values.values()}
                    CHECK.require(
                        len(lengths) == 1, "Batch length of predictions should be same", given=lengths
                    )
                    for row in zip(*values.values(), strict=True):
                        yield dict(zip(values, row, strict=True))
                else:
                    yield from values

    def _newest(self) -> str | None:
        path = self.latest_checkpoint()
        if path is None:
            v1.logging.info("Could not find trained model in %s, running initialization.", self.model_dir)
        return path

    def _restored(self, spec: EstimatorSpec, path: str | None, hooks: Sequence) -> Any:
        if not path:
            self._warm_start()
        creator = v1.train.ChiefSessionCreator(
            initializing(spec.scaffold), config=self._session_config, checkpoint_filename_with_path=path
        )
        return v1.train.MonitoredSession(creator, hooks)

    # Export

    def export_saved_model(
        self,
        export_dir_base: Any,
        serving_input_receiver_fn: Callable,
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | None = None,
        experimental_mode: str = ModeKeys.PREDICT,
        *,
        strip_default_attrs: bool = True,
    ) -> bytes:
        """Writes a SavedModel into a new folder named by the time; returns its path, as bytes as in 1.15."""
        CHECK.require(experimental_mode == ModeKeys.PREDICT, "only the mode PREDICT is exported")
        CHECK.require(serving_input_receiver_fn is not None, "serving_input_receiver_fn must be defined.")
        path = checkpoint_path or self.latest_checkpoint()
        CHECK.require(path or self._warm, "Couldn't find trained model", model_dir=self.model_dir)
        base, stamp = Path(os.fsdecode(export_dir_base)), int(time.time())
        while (base / str(stamp)).exists():
            stamp += 1
        unfinished = base / f"temp-{stamp}"
        with self._graph():
            receiver = serving_input_receiver_fn()
            spec = self._call_model_fn(receiver.features, None, ModeKeys.PREDICT)
            signatures = export.signature_defs(receiver, spec.export_outputs)
            if not path:
                self._warm_start()
            saver = spec.scaffold.saver or v1.train.Saver(sharded=True)
            with v1.Session(config=self._session_config) as running:
                if path:
                    saver.restore(running, path)
                else:
                    running.run(v1.global_variables_initializer())
                builder = v1.saved_model.Builder(str(unfinished))
                builder.add_meta_graph_and_variables(
                    running,
                    ["serve"],
                    signature_def_map=signatures,
                    assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS),
                    main_op=spec.scaffold.local_init_op or v1.train.Scaffold.default_local_init_op(),
                    saver=saver,
                    strip_default_attrs=strip_default_attrs,
                )
                builder.save(as_text)
        for name, source in (assets_extra or {}).items():
            target = unfinished / "assets.extra" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(Path(source).read_bytes())
        return os.fsencode(unfinished.rename(base / str(stamp)))

    def export_savedmodel(
        self,
        export_dir_base: Any,
        serving_input_receiver_fn: Callable,
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | None = None,
        strip_default_attrs: bool = False,
    ) -> bytes:
        given = (export_dir_base, serving_input_receiver_fn, assets_extra, as_text, checkpoint_path)
        return self.export_saved_model(*given, strip_default_attrs=strip_default_attrs)

    # The graph of a mode

    @contextlib.contextmanager
    def _graph(self) -> Iterator[None]:
        """Opens a graph with seed and global step."""
        with session.tensorflow_logs(is_news), tf.Graph().as_default():
            v1.set_random_seed(self.config.tf_random_seed)
            scopes.global_step()
            yield

    @property
    def _session_config(self) -> Any:
        return session.make_config("auto", self.config.session_config)

    def _params_of(self, mode: str) -> Any:
        return self.params

    def _data(self, input_fn: Callable, mode: str) -> tuple[Any, Any, list]:
        """Returns (features, labels or None, hooks) of what an input function returns."""
        wanted = argument_names(input_fn)
        given = {"mode": mode, "params": self._params_of(mode), "config": self.config}
        data = input_fn(**{name: value for name, value in given.items() if name in wanted})
        hooks = []
        if isinstance(data, tf.data.Dataset):
            iterator = v1.data.make_initializable_iterator(data)
            hooks, data = [fast_steps.StartIterator(iterator.initializer)], iterator.get_next()
        if isinstance(data, (list, tuple)):
            CHECK.require(len(data) == 2, "input_fn should return (features, labels) as a len 2 tuple.")
            return data[0], data[1], hooks
        return data, None, hooks

    def _call_model_fn(self, features: Any, labels: Any, mode: str) -> EstimatorSpec:
        wanted = argument_names(self._model_fn)
        takes = labels is None or "labels" in wanted
        CHECK.require(takes, "model_fn does not take labels, but input_fn returns labels.")
        given = {"labels": labels, "mode": mode, "params": self._params_of(mode), "config": self.config}
        spec = self._model_fn(features=features, **{name: given[name] for name in given if name in wanted})
        if hasattr(spec, "as_estimator_spec"):
            spec = spec.as_estimator_spec()
        CHECK.require(isinstance(spec, EstimatorSpec), "model_fn should return an EstimatorSpec.", given=spec)
        return spec


def initializing(scaffold: Any) -> Any:
    """Returns a scaffold whose own initializer of local variables leaves none of metrics and inputs out."""
    if scaffold.local_init_op is None:
        return scaffold
    both = tf.group(scaffold.local_init_op, v1.train.Scaffold.default_local_init_op())
    return v1.train.Scaffold(local_init_op=both, copy_from_scaffold=scaffold)


def check_positive(**counts: int | None) -> None:
    for name, count in counts.items():
        CHECK.require(count is None or count > 0, f"Must specify {name} > 0", given=count)


def argument_names(function: Callable) -> set[str]:
    """Returns the names of a function's arguments, without those that a `partial` has given."""
    bound = function.keywords if isinstance(function, functools.partial) else {}
    kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    parameters = inspect.signature(function).parameters.values()
    return {one.name for one in parameters if one.kind in kinds} - set(bound)


def check_model_fn(model_fn: Callable, params: Any) -> None:
    names = argument_names(model_fn)
    CHECK.require("features" in names, "model_fn must include features argument", model_fn=model_fn)
    rule = "model_fn does not include params argument, but params is passed to Estimator"
    CHECK.require(params is None or "params" in names, rule, model_fn=model_fn)
    unknown = names - MODEL_ARGUMENTS
    CHECK.require(not unknown, "model_fn has following not expected args", args=unknown)


def warm_start_settings(given: Any) -> WarmStartSettings | None:
    if given is None or isinstance(given, WarmStartSettings):
        return given
    is_path = isinstance(given, (str, bytes))
    CHECK.require(is_path, "warm_start_from must be a string or a WarmStartSettings", warm_start_from=given)
    variables = os.path.join(os.fsdecode(given), "variables", "variables")
    return WarmStartSettings(variables if os.path.exists(f"{variables}.index") else os.fsdecode(given))


def chosen(predictions: Any, keys: Any) -> Any:
    if not keys:
        return predictions
    rule = "predict_keys argument is not valid in case of non-dict predictions"
    CHECK.require(isinstance(predictions, dict), rule, predict_keys=keys)
    found = {key: value for key, value in predictions.items() if key in keys}
    CHECK.require(found, f"Expected to run at least one output from {list(predictions)}", predict_keys=keys)
    return found


def write_summary(folder: str, results: Mapping[str, Any]) -> None:
    step = int(results[v1.GraphKeys.GLOBAL_STEP])
    v1.logging.info("Saving dict for global step %d: %s", step, results)
    summary = v1.Summary()
    for name, value in results.items():
        if isinstance(value, bytes):
            summary.value.extend(v1.Summary.FromString(value).value)
        elif name != v1.GraphKeys.GLOBAL_STEP and np.ndim(value) == 0:
            summary.value.add(tag=name, simple_value=float(value))
    writer = v1.summary.FileWriterCache.get(folder)
    writer.add_summary(summary, step)
    writer.flush()
