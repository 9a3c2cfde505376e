"""`tf.contrib.learn`: experiments, and names of modes."""

import pytest
from tf1.estimator.models import estimator, input_fn

import graphkit.tf1 as tf

learn = tf.contrib.learn


@pytest.mark.slow
def test_an_experiment_runs_by_its_schedule(tmp_path):
    def experiment_fn(run_config, hparams):
        made = estimator(run_config.model_dir, **hparams)
        return learn.Experiment(made, input_fn(), input_fn(1), train_steps=4, eval_steps=None)

    given = {"run_config": learn.RunConfig(model_dir=str(tmp_path)), "hparams": {"rate": 0.1}}
    assert learn.learn_runner.run(experiment_fn, **given)["global_step"] == 4
    assert learn.learn_runner.run(experiment_fn, schedule="train", **given).model_dir == str(tmp_path)
    assert learn.learn_runner.run(experiment_fn, schedule="evaluate", **given).keys() == {
        "loss",
        "mae",
        "global_step",
    }

    def with_folder(output_dir):
        return experiment_fn(learn.RunConfig(model_dir=output_dir), {})

    assert learn.learn_runner.run(with_folder, str(tmp_path), "evaluate")["global_step"] == 4


def test_names():
    assert (learn.ModeKeys.TRAIN, learn.ModeKeys.EVAL, learn.ModeKeys.INFER) == ("train", "eval", "infer")
    with pytest.raises(AttributeError, match="tf.contrib.learn.DNNClassifier is missing"):
        _ = learn.DNNClassifier
