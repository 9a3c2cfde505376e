"""Specs, settings, outputs and receivers: defaults and refusals of TensorFlow 1.15."""

import json

import pytest

import graphkit.tf1 as tf

export, Spec = tf.estimator.export, tf.estimator.EstimatorSpec


def test_a_spec_has_the_defaults_of_1_15():
    loss, step = tf.constant([2.0]), tf.train.get_or_create_global_step()
    spec = Spec("train", loss=loss, train_op=tf.assign_add(step, 1))
    assert (spec.loss.shape.rank, spec.predictions, spec.eval_metric_ops) == (0, {}, {})
    assert isinstance(spec.train_op, tf.Operation)
    assert isinstance(spec.scaffold, tf.train.Scaffold)
    assert (spec.training_hooks, spec.export_outputs) == ((), None)
    predictions = {"y": loss}
    assert list(Spec("infer", predictions).export_outputs) == ["serving_default"]
    output = export.PredictOutput(predictions)
    outputs = Spec("infer", predictions, export_outputs={"y": output}).export_outputs
    assert outputs == {"y": output, "serving_default": output}
    assert spec._replace(loss=3).loss == 3


def test_specs_that_are_refused():
    loss = tf.constant(1.0)
    with tf.Graph().as_default():
        foreign = tf.constant(1.0)
    output = export.PredictOutput(loss)
    for given, kind, message in (
        ({"mode": "train", "loss": loss}, ValueError, "Missing train_op"),
        ({"mode": "eval"}, ValueError, "Missing loss"),
        ({"mode": "infer"}, ValueError, "Missing predictions"),
        ({"mode": "eval", "loss": 1.0}, TypeError, "loss must be Tensor"),
        ({"mode": "eval", "loss": tf.ones([2])}, ValueError, "Loss must be scalar"),
        ({"mode": "eval", "loss": foreign}, ValueError, "default graph"),
        ({"mode": "train", "loss": loss, "train_op": 1}, TypeError, "train_op must be Operation"),
        ({"mode": "infer", "predictions": {"a": 1}}, TypeError, r"predictions\[a\] must be Tensor"),
        ({"mode": "eval", "loss": loss, "eval_metric_ops": []}, TypeError, "must be a dict"),
        ({"mode": "eval", "loss": loss, "eval_metric_ops": {"a": loss}}, TypeError, "tuples"),
        ({"mode": "eval", "loss": loss, "evaluation_hooks": [1]}, TypeError, "Hooks must be"),
        ({"mode": "eval", "loss": loss, "scaffold": 1}, TypeError, "scaffold must be"),
        ({"mode": "infer", "predictions": loss, "export_outputs": [1]}, TypeError, "must be dict"),
        ({"mode": "infer", "predictions": loss, "export_outputs": {"a": 1}}, TypeError, "ExportOutput"),
        (
            {"mode": "infer", "predictions": loss, "export_outputs": {"a": output, "b": output}},
            ValueError,
            "Multiple export_outputs",
        ),
    ):
        with pytest.raises(kind, match=message):
            Spec(**given)


def test_settings():
    config = tf.estimator.RunConfig("somewhere", 7)
    assert (config.model_dir, config.tf_random_seed, config.save_checkpoints_secs) == ("somewhere", 7, 600)
    assert (config.save_checkpoints_steps, config.keep_checkpoint_max, config.is_chief) == (None, 5, True)
    config = tf.estimator.RunConfig(save_checkpoints_steps=10)
    assert config.save_checkpoints_secs is None
    other = config.replace(save_checkpoints_secs=5, model_dir="b")
    assert (other.save_checkpoints_steps, other.save_checkpoints_secs, config.model_dir) == (None, 5, None)
    for given, message in (
        ({"save_checkpoints_steps": 1, "save_checkpoints_secs": 1}, "cannot be both set"),
        ({"model_dir": ""}, "non-empty"),
        ({"tf_random_seed": 1.0}, "must be integer"),
        ({"session_config": 1}, "ConfigProto"),
        ({"keep_checkpoint_max": -1}, "should be >= 0"),
        ({"log_step_count_steps": 0}, "should be >= 1"),
        ({"train_distribute": "strategy"}, "is not supported"),
        ({"no_such": 1}, "is not supported"),
    ):
        with pytest.raises(ValueError, match=message):
            tf.estimator.RunConfig(**given)


def test_several_processes_are_refused(monkeypatch):
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": "chief", "index": 0}}))
    with pytest.raises(ValueError, match="estimators run in one process"):
        tf.estimator.RunConfig()
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": ["a:1"]}}))
    assert tf.estimator.RunConfig().is_chief


def test_outputs_and_receivers():
    scores, words = tf.ones([2, 3]), tf.constant(["a", "b"])
    text = {"examples": tf.placeholder(tf.string, [None])}
    assert export.PredictOutput(scores).outputs == {"output": scores}
    method = export.ClassificationOutput(scores, words).as_signature_def(text).method_name
    assert method == tf.saved_model.signature_constants.CLASSIFY_METHOD_NAME
    assert export.RegressionOutput(scores).as_signature_def(text).outputs["outputs"].dtype == 1
    receiver = export.ServingInputReceiver(scores, words)
    assert receiver == ({"feature": scores}, {"input": words}, None)
    assert export.TensorServingInputReceiver(scores, {"x": words}).features is scores
    raw = export.build_raw_serving_input_receiver_fn({"x": scores}, 4)
    assert raw().receiver_tensors["x"].shape.as_list() == [4, 3]
    for call, message in (
        (lambda: export.ClassificationOutput(), "At least one"),
        (lambda: export.ClassificationOutput(scores=words), "scores must be a float32"),
        (lambda: export.ClassificationOutput(classes=scores), "classes must be a string"),
        (lambda: export.RegressionOutput(words), "must be a float32"),
        (lambda: export.RegressionOutput(scores).as_signature_def({"a": scores}), "single string"),
        (lambda: export.PredictOutput({"a": 1}), "must be a Tensor"),
        (lambda: export.ServingInputReceiver(None, words), "feature must be a Tensor"),
        (lambda: export.ServingInputReceiver({"a": 1}, words), "must be a Tensor"),
        (lambda: export.ServingInputReceiver(scores, words, 3), "must be a dict"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_missing_names_say_so():
    with pytest.raises(AttributeError, match="tf.estimator.BoostedTreesClassifier is missing"):
        _ = tf.estimator.BoostedTreesClassifier
