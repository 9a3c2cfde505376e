"""train_and_evaluate: when it evaluates and exports; hooks that stop early; specs that are refused."""

import os

import numpy as np
import pytest
from tf1.estimator.models import WEIGHTS, estimator, gradient_descent, input_fn, model_fn

import graphkit.tf1 as tf

estimators = tf.estimator


def receiver():
    x = tf.placeholder(tf.float32, [None, 3])
    return estimators.export.ServingInputReceiver({"x": x}, x)


@pytest.mark.slow
def test_evaluations_and_exports_follow_checkpoints(tmp_path):
    made = estimator(tmp_path, save_checkpoints_steps=5)
    exporters = [
        estimators.LatestExporter("latest", receiver, exports_to_keep=2),
        estimators.FinalExporter("final", receiver),
        estimators.BestExporter("best", receiver, exports_to_keep=None),
        estimators.BestExporter(
            "worst", receiver, compare_fn=lambda best_eval_result, current_eval_result: False
        ),
    ]
    evaluation = estimators.EvalSpec(input_fn(1), None, exporters=exporters, throttle_secs=0)
    metrics, exports = estimators.train_and_evaluate(
        made, estimators.TrainSpec(input_fn(), max_steps=20), evaluation
    )
    kernel = gradient_descent(0.1, 20)[0]
    np.testing.assert_allclose(made.get_variable_value("kernel"), kernel, rtol=1e-4)
    assert metrics["global_step"] == 20
    assert metrics == made.evaluate(input_fn(1))
    counts = {
        name: len(os.listdir(tmp_path / "export" / name)) for name in ("latest", "final", "best", "worst")
    }
    assert counts == {"latest": 2, "final": 1, "best": 4, "worst": 1}
    assert [export is not None for export in exports] == [True, True, True, False]
    with tf.Graph().as_default(), tf.Session() as session:
        signature = tf.saved_model.load(session, ["serve"], exports[1]).signature_def["serving_default"]
        served = session.run(signature.outputs["y"].name, {signature.inputs["input"].name: np.eye(3)})
    np.testing.assert_allclose(served, kernel + made.get_variable_value("bias"), rtol=1e-4)

    # Another process takes up the best result that was seen.
    best = estimators.BestExporter("best", receiver)
    assert best.export(made, str(tmp_path / "export"), "", {"loss": 9.0, "global_step": 25}, False) is None
    assert best.best["loss"] == pytest.approx(metrics["loss"], rel=1e-5)
    assert estimators.train_and_evaluate(
        made, estimators.TrainSpec(input_fn(), max_steps=20), evaluation
    ) == (None, None)


def test_throttled_evaluations_still_end_with_one(tmp_path):
    made = estimator(tmp_path, save_checkpoints_steps=5)
    evaluation = estimators.EvalSpec(input_fn(1), name="late", throttle_secs=10000)
    metrics, exports = estimators.train_and_evaluate(
        made, estimators.TrainSpec(input_fn(), max_steps=20), evaluation
    )
    assert (metrics["global_step"], exports) == (20, [])
    # The first checkpoint after the start is the first that is due; those until the end are not.
    files = [os.path.join(made.eval_dir("late"), name) for name in os.listdir(made.eval_dir("late"))]
    steps = {event.step for file in files for event in tf.train.summary_iterator(file) if event.step}
    assert steps == {5, 20}


@pytest.mark.grid
@pytest.mark.parametrize(
    ("hook", "given", "last"),
    [
        ("stop_if_no_decrease_hook", {"max_steps_without_decrease": 10}, 20),
        ("stop_if_no_increase_hook", {"max_steps_without_increase": 10}, 25),
        ("stop_if_lower_hook", {"threshold": 2.5}, 15),
        ("stop_if_higher_hook", {"threshold": 4.5, "min_steps": 11}, 25),
    ],
)
def test_hooks_that_stop_by_the_metrics_of_evaluations(tmp_path, hook, given, last):
    made = estimator(tmp_path)
    writer = tf.summary.FileWriterCache.get(made.eval_dir())
    for step, value in ((5, 3.0), (10, 1.0), (15, 2.0), (20, 1.5), (25, 5.0)):
        if step > last:
            break
        writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag="mae", simple_value=value)]), step)
    writer.flush()
    make = getattr(estimators.experimental, hook)
    made.train(
        input_fn(), steps=8, hooks=[make(made, "mae", **given, run_every_secs=None, run_every_steps=3)]
    )
    assert made.get_variable_value("global_step") <= 5
    harmless = {next(iter(given)): 100.0 if "higher" in hook else -1.0 if "lower" in hook else 100}
    made.train(
        input_fn(), steps=8, hooks=[make(made, "mae", **harmless, run_every_secs=None, run_every_steps=3)]
    )
    assert made.get_variable_value("global_step") >= 9


def test_more_metrics_and_features_among_predictions(tmp_path):
    made = estimator(tmp_path).train(input_fn(), steps=5)

    def root(labels, predictions):
        return {"rmse": tf.metrics.root_mean_squared_error(labels, predictions["y"])}

    results = estimators.add_metrics(made, root).evaluate(input_fn(1))
    np.testing.assert_allclose(results["rmse"], results["loss"] ** 0.5, rtol=1e-5)
    forwards = tf.contrib.estimator.forward_features(made, "x")
    first = next(forwards.predict(input_fn(1)))
    outputs = first["x"] @ made.get_variable_value("kernel") + made.get_variable_value("bias")
    np.testing.assert_allclose(first["y"], outputs, rtol=1e-4)
    with pytest.raises(ValueError, match="not expected args"):
        estimators.add_metrics(made, lambda loss: {})


def test_the_estimator_for_tpus_knows_the_batch_sizes(tmp_path):
    sizes = []

    def model(features, labels, mode, params):
        spec = model_fn(features, labels, mode, params)
        metrics = (lambda y: {"y": tf.metrics.mean(y)}, [spec.predictions["y"]])
        optimizer = tf.contrib.tpu.CrossShardOptimizer
        assert optimizer is not None
        sizes.append(params["batch_size"])
        return tf.contrib.tpu.TPUEstimatorSpec(
            mode, spec.predictions, spec.loss, spec.train_op, None if mode == "infer" else metrics
        )

    def data(params):
        return input_fn(1, batch_size=params["batch_size"])()

    given = {"train_batch_size": 8, "eval_batch_size": 10, "predict_batch_size": 20}
    run = tf.contrib.tpu.RunConfig(model_dir=str(tmp_path), tpu_config=tf.contrib.tpu.TPUConfig(50))
    made = tf.contrib.tpu.TPUEstimator(model, config=run, params={"rate": 0.1}, use_tpu=False, **given)
    made.train(data, steps=5)
    assert {*made.evaluate(data)} == {"y", "loss", "global_step"}
    assert len(list(made.predict(data))) == 40
    assert sizes == [8, 10, 20]
    np.testing.assert_allclose(made.get_variable_value("kernel"), gradient_descent(0.1, 5)[0], rtol=1e-4)
    assert np.abs(WEIGHTS).min() == 1
    for wrong in ({"use_tpu": True}, {"use_tpu": False, "params": {"batch_size": 3}}):
        with pytest.raises(ValueError, match="use_tpu|reserved"):
            tf.contrib.tpu.TPUEstimator(model, **wrong)


def test_what_is_refused(tmp_path):
    given = input_fn()
    for call, kind, message in (
        (lambda: estimators.TrainSpec(3), TypeError, "must be callable"),
        (lambda: estimators.TrainSpec(given, 0), ValueError, "max_steps > 0"),
        (lambda: estimators.EvalSpec(given, 0), ValueError, "steps > 0"),
        (lambda: estimators.EvalSpec(given, name=3), TypeError, "`name` must be string"),
        (lambda: estimators.EvalSpec(given, throttle_secs=-1), ValueError, "throttle_secs >= 0"),
        (lambda: estimators.EvalSpec(given, exporters=[3]), TypeError, "must be an Exporter"),
        (
            lambda: estimators.EvalSpec(given, exporters=[estimators.FinalExporter("a", given)] * 2),
            ValueError,
            "unique names",
        ),
        (lambda: estimators.LatestExporter("a", given, exports_to_keep=0), ValueError, "must be positive"),
        (lambda: estimators.BestExporter(compare_fn=None), ValueError, "must not be None"),
        (lambda: estimators.train_and_evaluate(estimator(tmp_path), 1, 2), TypeError, "TrainSpec"),
    ):
        with pytest.raises(kind, match=message):
            call()
