"""Estimators train, evaluate, predict, export and resume as those of TensorFlow 1.15."""

import functools
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tf1.estimator.models import Recorder, data, estimator, gradient_descent, input_fn, model_fn

import graphkit.tf1 as tf
from graphkit.tf1.estimator import fast_steps

NEVER = {"save_summary_steps": 0, "log_step_count_steps": None, "save_checkpoints_secs": None}


def test_the_life_of_an_estimator(tmp_path):
    made = estimator(tmp_path / "model")
    assert made.train(input_fn(), steps=30) is made
    kernel, bias, _ = gradient_descent(0.1, 30)
    np.testing.assert_allclose(made.get_variable_value("kernel"), kernel, rtol=1e-4)
    np.testing.assert_allclose(made.get_variable_value("bias"), [bias], rtol=1e-4)
    assert sorted(made.get_variable_names()) == ["bias", "global_step", "kernel"]
    assert made.latest_checkpoint() == str(tmp_path / "model" / "model.ckpt-30")

    features, labels = data()
    outputs = features @ kernel + bias
    batches = (outputs - labels).reshape(-1, 10)
    results = made.evaluate(input_fn(1, batch_size=10))
    assert results["global_step"] == 30
    np.testing.assert_allclose(results["loss"], np.mean(np.mean(batches**2, 1)), rtol=1e-3)
    np.testing.assert_allclose(results["mae"], np.mean(np.abs(outputs - labels)), rtol=1e-3)
    assert os.listdir(tmp_path / "model" / "eval")
    two = made.evaluate(input_fn(1, batch_size=10), steps=2, name="two")
    np.testing.assert_allclose(two["loss"], np.mean(batches[:2] ** 2), rtol=1e-3)
    assert os.listdir(tmp_path / "model" / "eval_two")

    predictions = list(made.predict(input_fn(1)))
    np.testing.assert_allclose([p["y"] for p in predictions], outputs, rtol=1e-3, atol=1e-4)
    assert {*predictions[0]} == {"y", "twice"}
    whole = list(made.predict(input_fn(1), predict_keys=["twice"], yield_single_examples=False))
    assert [{key: value.shape for key, value in batch.items()} for batch in whole] == [{"twice": (8, 1)}] * 5

    receiver = tf.placeholder(tf.float32, [None, 3], "x")
    fed = tf.estimator.export.build_raw_serving_input_receiver_fn({"x": receiver})
    paths = [
        made.export_saved_model(tmp_path / "out", fed),
        made.export_savedmodel(str(tmp_path / "out"), fed),
    ]
    assert sorted(os.listdir(tmp_path / "out")) == sorted(os.path.basename(path.decode()) for path in paths)
    with tf.Graph().as_default(), tf.Session() as session:
        loaded = tf.saved_model.load(session, ["serve"], paths[0])
        signature = loaded.signature_def["serving_default"]
        served = session.run(signature.outputs["y"].name, {signature.inputs["x"].name: features})
    np.testing.assert_allclose(served, outputs, rtol=1e-3, atol=1e-4)


def test_a_training_goes_on_from_the_newest_checkpoint(tmp_path):
    estimator(tmp_path).train(input_fn(), max_steps=10)
    made = estimator(tmp_path)
    made.train(input_fn(), max_steps=10)  # nothing is left to do
    made.train(input_fn(), max_steps=15)
    made.train(input_fn(), steps=5)
    assert made.get_variable_value("global_step") == 20
    # Each training begins with the first mini-batch.
    place = (None, 0.0)
    for steps in (10, 5, 5):
        place = gradient_descent(0.1, steps, *place)[:2]
    np.testing.assert_allclose(made.get_variable_value("kernel"), place[0], rtol=1e-4)


def test_a_training_that_broke_off_goes_on_from_its_last_checkpoint(tmp_path):
    class Breaks(tf.train.SessionRunHook):
        def after_run(self, run_context, run_values):
            if run_context.session.run(self.step) == 7:
                raise InterruptedError

        def begin(self):
            self.step = tf.train.get_global_step()

    config = {"save_checkpoints_steps": 5}
    with pytest.raises(InterruptedError):
        estimator(tmp_path, **config).train(input_fn(), max_steps=20, hooks=[Breaks()])
    assert estimator(tmp_path).get_variable_value("global_step") == 5
    hook = Recorder()
    estimator(tmp_path, **config).train(input_fn(), max_steps=20, hooks=[hook])
    place = gradient_descent(0.1, 5)[:2]
    np.testing.assert_allclose(hook.losses, gradient_descent(0.1, 15, *place)[2], rtol=1e-3)
    assert hook.steps == [20]


def test_hooks_are_called_in_order_with_the_values_of_the_steps(tmp_path):
    hook = Recorder()
    estimator(tmp_path).train(input_fn(), steps=3, hooks=[hook])
    runs = ["before_run", "after_run"] * 3
    assert hook.calls == ["begin", "after_create_session", *runs, "end"]
    np.testing.assert_allclose(hook.losses, gradient_descent(0.1, 3)[2], rtol=1e-4)


def test_a_hook_ends_a_training_and_an_input_does(tmp_path):
    made = estimator(tmp_path)
    made.train(input_fn(), hooks=[tf.train.StopAtStepHook(last_step=4)])
    assert made.get_variable_value("global_step") == 4
    made.train(input_fn(2), max_steps=1000)
    assert made.get_variable_value("global_step") == 14


@pytest.mark.grid
@pytest.mark.parametrize("end", [{"steps": 57}, {"max_steps": 57}, {}])
def test_many_steps_in_one_run_are_the_steps_one_by_one(tmp_path, end, monkeypatch):
    runs = count_runs(monkeypatch)
    given = {"save_checkpoints_steps": 25, "save_summary_steps": 20, "log_step_count_steps": 20}
    fast, slow = estimator(tmp_path / "fast", **given), estimator(tmp_path / "slow", **given)
    fast.train(input_fn(12, True), **end)
    done = sum(runs)
    assert done >= 45  # steps that no hook looks at
    slow.train(input_fn(12, True), **end, hooks=[Recorder()])
    for name in ("kernel", "bias", "global_step"):
        np.testing.assert_array_equal(fast.get_variable_value(name), slow.get_variable_value(name))
    assert fast.get_variable_value("global_step") == (57 if end else 60)
    files = [{name for name in os.listdir(made.model_dir) if "ckpt" in name} for made in (fast, slow)]
    assert files[0] == files[1]
    # One by one it may be one less: TensorFlow's hook reads the global step while the step adds to it.
    assert steps_of(fast) == [1, 21, 41]
    assert sum(runs) == done


@pytest.mark.slow
def test_masks_follow_from_the_step_in_a_run_of_many(tmp_path, monkeypatch):
    def model(features, labels, mode):
        training = mode == tf.estimator.ModeKeys.TRAIN
        hidden = tf.layers.batch_normalization(tf.layers.dense(features["x"], 8), training=training)
        outputs = tf.layers.dense(tf.layers.dropout(tf.nn.relu(hidden), 0.5, training=training), 1)
        loss = tf.losses.mean_squared_error(labels, outputs)
        with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
            train_op = tf.train.AdamOptimizer().minimize(loss, tf.train.get_global_step())
        return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)

    def trained(name, hooks=None):
        config = tf.estimator.RunConfig(tf_random_seed=1, **NEVER | {"save_checkpoints_steps": 40})
        made = tf.estimator.Estimator(model, str(tmp_path / name), config)
        made.train(input_fn(), steps=60, hooks=hooks)
        return {key: made.get_variable_value(key) for key in made.get_variable_names()}

    runs = count_runs(monkeypatch)
    fast = trained("fast")
    assert sum(runs) >= 50
    slow = trained("slow", hooks=[Recorder()])
    assert fast.keys() == slow.keys()
    for name, value in fast.items():
        np.testing.assert_array_equal(value, slow[name], err_msg=name)


def count_runs(monkeypatch):
    """Returns a list that grows by the number of steps of each run of many."""
    ahead, counts = fast_steps.FastSteps.ahead, []

    def counted(self, now):
        counts.append(ahead(self, now))
        return counts[-1]

    monkeypatch.setattr(fast_steps.FastSteps, "ahead", counted)
    return counts


def steps_of(made):
    """Returns the steps at which the loss was written as a summary."""
    (file,) = (name for name in os.listdir(made.model_dir) if "tfevents" in name)
    events = tf.train.summary_iterator(os.path.join(made.model_dir, file))
    return sorted({event.step for event in events if any(v.tag == "loss" for v in event.summary.value)})


@pytest.mark.parametrize("kind", ["random", "python", "by two"])
def test_what_a_copy_cannot_do_keeps_to_single_steps(tmp_path, kind, monkeypatch):
    runs = count_runs(monkeypatch)

    def model(features, labels, mode):
        weight = tf.get_variable("weight", [], initializer=tf.zeros_initializer())
        given = {
            "random": lambda: tf.random_uniform([], 1, 2),
            "python": lambda: tf.py_func(lambda: np.float32(1), [], tf.float32),
            "by two": lambda: 1.0,
        }[kind]()
        loss = tf.square(weight - given)
        minimize, step = tf.train.GradientDescentOptimizer(0.1).minimize(loss), tf.train.get_global_step()
        with tf.control_dependencies([minimize]):
            count = tf.assign_add(step, 2 if kind == "by two" else 1)
        return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=count)

    made = tf.estimator.Estimator(model, str(tmp_path), tf.estimator.RunConfig(**NEVER, tf_random_seed=1))
    made.train(input_fn(), steps=30)
    assert not runs


def test_a_loss_that_is_nan_ends_the_training(tmp_path):
    def diverges(features, labels, mode):
        weight = tf.get_variable("weight", [], initializer=tf.ones_initializer())
        loss = tf.square(tf.square(weight)) + 0 * tf.reduce_sum(features["x"])
        train_op = tf.train.GradientDescentOptimizer(1.0).minimize(loss, tf.train.get_global_step())
        return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)

    made = tf.estimator.Estimator(diverges, str(tmp_path), tf.estimator.RunConfig(**NEVER))
    with pytest.raises(tf.train.NanLossDuringTrainingError):
        made.train(input_fn(), steps=100)


def test_the_seed_decides_the_order(tmp_path):
    def trained(name, seed):
        config = tf.estimator.RunConfig(tf_random_seed=seed)
        made = tf.estimator.Estimator(model_fn, str(tmp_path / name), config, {"rate": 0.1})
        return made.train(input_fn(None, True), steps=12).get_variable_value("kernel")

    first = trained("a", 1)
    np.testing.assert_array_equal(first, trained("b", 1))
    assert np.abs(first - trained("c", 2)).max() > 1e-6


def test_input_functions_return_datasets_tensors_and_arguments(tmp_path):
    features, labels = data()
    seen = {}

    def dataset(params, mode, config):
        seen.update(params=params, mode=mode, config=config)
        slices = tf.data.Dataset.from_tensor_slices(({"x": features}, labels))
        return slices.repeat().batch(8)

    def tensors():
        return tf.data.make_one_shot_iterator(dataset(0, 0, 0)).get_next()

    for number, given in enumerate((dataset, tensors, functools.partial(dataset, mode=0))):
        made = estimator(tmp_path / str(number))
        made.train(given, steps=20)
        np.testing.assert_allclose(made.get_variable_value("kernel"), gradient_descent(0.1, 20)[0], rtol=1e-4)
        if number == 0:
            assert (seen["params"], seen["mode"], seen["config"]) == ({"rate": 0.1}, "train", made.config)
    with pytest.raises(ValueError, match="len 2 tuple"):
        made.train(lambda: (1, 2, 3), steps=1)
    arrays = tf.estimator.Estimator(
        lambda features, mode: model_fn(features, None, mode, {}), str(tmp_path / "0")
    )
    assert len(list(arrays.predict(tf.estimator.inputs.numpy_input_fn(features, shuffle=False)))) == 40


def test_warm_starts_take_weights_but_not_the_step(tmp_path):
    first = estimator(tmp_path / "first").train(input_fn(), steps=10)
    given = tf.estimator.WarmStartSettings(first.model_dir, "kernel")
    for number, start in enumerate((first.model_dir, given)):
        config = tf.estimator.RunConfig(model_dir=str(tmp_path / str(number)))
        made = tf.estimator.Estimator(model_fn, None, config, {"rate": 0.0}, start)
        made.train(input_fn(), steps=1)
        same = first.get_variable_value("kernel"), first.get_variable_value("bias") * (number == 0)
        np.testing.assert_array_equal(made.get_variable_value("kernel"), same[0])
        np.testing.assert_array_equal(made.get_variable_value("bias"), same[1])
        assert made.get_variable_value("global_step") == 1
    with pytest.raises(ValueError, match="warm_start_from must be"):
        tf.estimator.Estimator(model_fn, warm_start_from=3, params={})


def test_an_initializer_of_a_scaffold_leaves_metrics_and_inputs_alone(tmp_path):
    def model(features, labels, mode, params):
        local = tf.Variable(2.0, collections=["own"], trainable=False)
        spec = model_fn(features, labels, mode, params)
        return spec._replace(scaffold=tf.train.Scaffold(local_init_op=local.initializer))

    made = tf.estimator.Estimator(model, str(tmp_path), params={"rate": 0.1}).train(input_fn(), steps=2)
    assert made.evaluate(input_fn(1))["mae"] > 0
    assert len(list(made.predict(input_fn(1)))) == 40


@pytest.mark.slow
def test_a_killed_training_goes_on(tmp_path):
    program = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
import graphkit.tf1 as tf
from tf1.estimator.models import estimator, input_fn

class Kill(tf.train.CheckpointSaverListener):
    def after_save(self, session, step):
        if step == 30:
            os.kill(os.getpid(), signal.SIGKILL)

made = estimator({str(tmp_path)!r}, save_checkpoints_steps=10)
made.train(input_fn(), max_steps=70, saving_listeners=[Kill()][: int(sys.argv[1])])
"""
    codes = [subprocess.run([sys.executable, "-c", program, kills]).returncode for kills in ("1", "0")]
    assert codes == [-signal.SIGKILL, 0]
    place = gradient_descent(0.1, 40, *gradient_descent(0.1, 30)[:2])
    made = estimator(tmp_path)
    assert made.get_variable_value("global_step") == 70
    np.testing.assert_allclose(made.get_variable_value("kernel"), place[0], rtol=1e-4)


def test_listeners_hear_of_checkpoints(tmp_path):
    saved = []

    class Listener(tf.train.CheckpointSaverListener):
        def after_save(self, session, global_step_value):
            saved.append(int(global_step_value))

    made = estimator(tmp_path, save_checkpoints_steps=4)
    made.train(input_fn(), steps=10, saving_listeners=[Listener()])
    assert saved == [0, 4, 8, 10]
    with pytest.raises(ValueError, match="There should be a CheckpointSaverHook"):
        estimator(tmp_path, **NEVER).train(input_fn(), saving_listeners=[Listener()])


def test_what_is_refused(tmp_path):
    made = estimator(tmp_path)
    receiver = tf.estimator.export.build_raw_serving_input_receiver_fn({})
    for call, kind, message in (
        (lambda: made.train(input_fn(), steps=1, max_steps=1), ValueError, "Can not provide both"),
        (lambda: made.train(input_fn(), steps=0), ValueError, "Must specify steps > 0"),
        (lambda: made.train(input_fn(), max_steps=-1), ValueError, "Must specify max_steps > 0"),
        (lambda: made.evaluate(input_fn(), steps=0), ValueError, "Must specify steps > 0"),
        (lambda: made.train(input_fn(), hooks=[1]), TypeError, "Hooks must be a SessionRunHook"),
        (lambda: made.get_variable_names(), ValueError, "Could not find trained model"),
        (lambda: made.export_saved_model(tmp_path, receiver), ValueError, "Couldn't find trained model"),
        (lambda: next(made.predict(input_fn(1), "z")), ValueError, "Expected to run at least one"),
        (lambda: tf.estimator.Estimator(None), ValueError, "model_fn must be provided"),
        (lambda: tf.estimator.Estimator(lambda x: x), ValueError, "must include features"),
        (lambda: tf.estimator.Estimator(lambda features, y: y), ValueError, "not expected args"),
        (lambda: tf.estimator.Estimator(lambda features: 1, params={}), ValueError, "params"),
        (lambda: tf.estimator.Estimator(model_fn, config=3), ValueError, "instance of `RunConfig`"),
        (
            lambda: tf.estimator.Estimator(model_fn, "a", tf.estimator.RunConfig(model_dir="b")),
            ValueError,
            "different values",
        ),
        (lambda: tf.estimator.Estimator(lambda features: 1).train(input_fn(1)), ValueError, "labels"),
        (
            lambda: tf.estimator.Estimator(lambda features, labels: 1).train(input_fn(1)),
            ValueError,
            "should return an EstimatorSpec",
        ),
    ):
        with pytest.raises(kind, match=message):
            call()
