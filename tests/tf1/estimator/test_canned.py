"""Canned estimators: what they learn, names of variables, losses and metrics by their definitions."""

import inspect

import numpy as np
import pytest
from tf1.estimator.models import WEIGHTS, data

import graphkit.tf1 as tf

estimators, columns = tf.estimator, tf.feature_column
rng = np.random.default_rng(5)
COUNT = 60
TABLE = {
    "size": rng.normal(size=COUNT).astype(np.float32),
    "color": rng.choice(["red", "green", "blue"], COUNT),
    "weight": rng.uniform(0.5, 2, COUNT).astype(np.float32),
}
SCORE = 2 * TABLE["size"] + np.where(TABLE["color"] == "red", 2.0, -1.0)


def size_and_color():
    words = ["red", "green", "blue"]
    return columns.numeric_column("size"), columns.categorical_column_with_vocabulary_list("color", words)


def feed(labels, epochs=None, batch_size=COUNT):
    return estimators.inputs.numpy_input_fn(TABLE, labels, batch_size, epochs, False)


def config(folder):
    return estimators.RunConfig(model_dir=str(folder), tf_random_seed=1)


def test_a_linear_regressor_reaches_the_least_squares_solution(tmp_path):
    features, labels = data()
    labels = labels + np.random.default_rng(1).normal(size=labels.shape).astype(np.float32)
    given = estimators.inputs.numpy_input_fn({"x": features}, labels, 40, None, False)
    optimizer = tf.train.GradientDescentOptimizer(0.3)
    mean = tf.losses.Reduction.SUM_OVER_BATCH_SIZE
    made = estimators.LinearRegressor(
        [columns.numeric_column("x", 3)], optimizer=optimizer, config=config(tmp_path), loss_reduction=mean
    )
    made.train(given, steps=150)
    design = np.concatenate([features, np.ones((40, 1), np.float32)], 1)
    solution = np.linalg.lstsq(design, labels, rcond=None)[0]
    found = [made.get_variable_value(f"linear/linear_model/{name}") for name in ("x/weights", "bias_weights")]
    np.testing.assert_allclose(found[0], solution[:3], atol=1e-4)
    np.testing.assert_allclose(found[1], solution[3], atol=1e-4)
    assert np.abs(solution[:3] - WEIGHTS).max() > 0.01
    results = made.evaluate(given, steps=1)
    np.testing.assert_allclose(results["average_loss"], np.mean((design @ solution - labels) ** 2), rtol=1e-4)
    np.testing.assert_allclose(results["label/mean"], labels.mean(), rtol=1e-4)
    assert {*results} == {"average_loss", "global_step", "label/mean", "loss", "prediction/mean"}


@pytest.mark.slow
def test_the_metrics_of_two_classes(tmp_path):
    size, color = size_and_color()
    labels = (SCORE + rng.normal(size=COUNT) > 0).astype(np.int64)
    given = {"feature_columns": [size, color], "weight_column": "weight", "config": config(tmp_path)}
    made = estimators.LinearClassifier(**given)
    made.train(feed(labels), steps=20)
    found, weight = made.evaluate(feed(labels, 1, 20)), TABLE["weight"].astype(np.float64)
    predictions = list(made.predict(feed(None, 1)))
    logits = np.array([p["logits"][0] for p in predictions], np.float64)
    chosen = logits > 0
    losses = np.logaddexp(0, logits) - labels * logits

    def mean(values):
        return np.average(values, weights=weight)

    positive = weight[:, None] * weight[None] * (labels[:, None] > labels[None])
    expected = {
        "loss": np.mean(np.sum((weight * losses).reshape(3, 20), 1)),
        "average_loss": mean(losses),
        "accuracy": mean(chosen == labels),
        "precision": np.sum(weight * chosen * labels) / np.sum(weight * chosen),
        "recall": np.sum(weight * chosen * labels) / np.sum(weight * labels),
        "prediction/mean": mean(1 / (1 + np.exp(-logits))),
        "label/mean": mean(labels),
        "accuracy_baseline": max(mean(labels), 1 - mean(labels)),
        "global_step": 20,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, err_msg=name)
    area = np.sum(positive * (logits[:, None] > logits[None])) / np.sum(positive)
    np.testing.assert_allclose(found["auc"], area, atol=0.01)
    assert {*found} == {*expected, "auc", "auc_precision_recall"}
    assert {key: value.shape for key, value in predictions[0].items()} == {
        "logits": (1,),
        "logistic": (1,),
        "probabilities": (2,),
        "class_ids": (1,),
        "classes": (1,),
        "all_class_ids": (2,),
        "all_classes": (2,),
    }
    np.testing.assert_allclose(predictions[0]["probabilities"][1], predictions[0]["logistic"][0], rtol=1e-5)
    assert predictions[0]["classes"][0] == str(int(chosen[0])).encode()
    names = {name for name in made.get_variable_names() if "Ftrl" not in name}
    parts = ("bias_weights", "color/weights", "size/weights")
    assert names == {"global_step", *(f"linear/linear_model/{part}" for part in parts)}


@pytest.mark.slow
def test_a_deep_network_of_three_classes(tmp_path):
    size, color = size_and_color()
    labels = np.digitize(SCORE, [-1, 2])
    words = np.array(["low", "middle", "high"])
    made = estimators.DNNClassifier(
        [8, 4],
        [size, columns.embedding_column(color, 2)],
        n_classes=3,
        label_vocabulary=list(words),
        optimizer=lambda: tf.train.AdamOptimizer(0.03),
        batch_norm=True,
        config=config(tmp_path),
    )
    made.train(feed(words[labels]), steps=100)
    predictions = list(made.predict(feed(None, 1)))
    logits = np.array([p["logits"] for p in predictions])
    log_p = logits - np.log(np.sum(np.exp(logits), 1, keepdims=True))
    found = made.evaluate(feed(words[labels], 1))
    np.testing.assert_allclose(found["loss"], -np.sum(log_p[np.arange(COUNT), labels]), rtol=1e-3)
    np.testing.assert_allclose(found["average_loss"], found["loss"] / COUNT, rtol=1e-4)
    np.testing.assert_allclose(found["accuracy"], np.mean(logits.argmax(1) == labels), rtol=1e-5)
    assert {*found} == {"loss", "average_loss", "accuracy", "global_step"}
    assert [p["classes"][0].decode() for p in predictions] == list(words[logits.argmax(1)])
    layers = [f"hiddenlayer_{number}/{part}" for number in range(2) for part in ("bias", "kernel")]
    norm = [f"hiddenlayer_{n}/batchnorm_{n}/{part}" for n in range(2) for part in ("beta", "gamma")]
    norm += [
        f"hiddenlayer_{n}/batchnorm_{n}/moving_{part}" for n in range(2) for part in ("mean", "variance")
    ]
    embedding = "input_from_feature_columns/input_layer/color_embedding/embedding_weights"
    names = {f"dnn/{part}" for part in [*layers, *norm, embedding, "logits/bias", "logits/kernel"]}
    assert names == {name for name in made.get_variable_names() if name[:3] == "dnn" and "Adam" not in name}


def test_a_deep_and_a_linear_part_are_added(tmp_path):
    size, color = size_and_color()
    crossed = columns.crossed_column([columns.bucketized_column(size, [0.0]), "color"], 50)
    made = estimators.DNNLinearCombinedRegressor(
        linear_feature_columns=[color, crossed],
        dnn_feature_columns=[size],
        dnn_hidden_units=[6],
        dnn_dropout=0.1,
        config=config(tmp_path),
    )
    made.train(feed(SCORE.astype(np.float32)), steps=3)
    value = made.get_variable_value
    hidden = np.maximum(
        TABLE["size"][:, None] @ value("dnn/hiddenlayer_0/kernel") + value("dnn/hiddenlayer_0/bias"), 0
    )
    outputs = hidden @ value("dnn/logits/kernel") + value("dnn/logits/bias")
    number = [["red", "green", "blue"].index(word) for word in TABLE["color"]]
    outputs += value("linear/linear_model/color/weights")[number] + value("linear/linear_model/bias_weights")
    found = np.array([p["predictions"] for p in made.predict(feed(None, 1))])
    crossings = value("linear/linear_model/color_X_size_bucketized/weights")
    assert crossings.shape == (50, 1)
    # The crossing's weights follow from hashes: each example adds one of them.
    assert np.abs((found - outputs) - crossings.T).min(1).max() < 1e-5
    assert value("global_step") == 3


def test_a_classifier_is_served(tmp_path):
    size, color = size_and_color()
    made = estimators.LinearClassifier([size, color], config=config(tmp_path))
    made.train(feed((SCORE > 0).astype(np.int64)), steps=10)
    spec = columns.make_parse_example_spec([size, color])
    path = made.export_saved_model(tmp_path, estimators.export.build_parsing_serving_input_receiver_fn(spec))
    with tf.Graph().as_default(), tf.Session() as session:
        signatures = tf.saved_model.load(session, ["serve"], path).signature_def
        assert {*signatures} == {"serving_default", "classification", "regression", "predict"}
        example = tf.train.Example()
        example.features.feature["size"].float_list.value.append(TABLE["size"][0])
        example.features.feature["color"].bytes_list.value.append(TABLE["color"][0].encode())
        signature = signatures["serving_default"]
        fed = {signature.inputs["inputs"].name: [example.SerializeToString()]}
        scores, classes = session.run([signature.outputs[name].name for name in ("scores", "classes")], fed)
    expected = next(made.predict(feed(None, 1)))["probabilities"]
    np.testing.assert_allclose(scores[0], expected, rtol=1e-5)
    assert list(classes[0]) == [b"0", b"1"]


def test_arguments_are_those_of_1_15():
    assert list(inspect.signature(estimators.LinearClassifier).parameters)[:3] == [
        "feature_columns",
        "model_dir",
        "n_classes",
    ]
    size, _ = size_and_color()
    regressor = estimators.DNNRegressor
    for call, kind, message in (
        (lambda: regressor(hidden_units=[1]), TypeError, "feature_columns"),
        (lambda: regressor([1], [size], units=3), TypeError, "units"),
        (lambda: regressor([1], [size], label_dimension=0), ValueError, "Invalid label_dimension"),
        (lambda: regressor([1], [size], loss_reduction="none"), ValueError, "Invalid loss_reduction"),
        (lambda: regressor([1], [size], weight_column=3), TypeError, "Weight column"),
        (lambda: estimators.DNNLinearCombinedClassifier(), ValueError, "Either linear_feature_columns"),
        (
            lambda: estimators.DNNLinearCombinedClassifier(dnn_feature_columns=[size]),
            ValueError,
            "dnn_hidden_units must be defined",
        ),
        (lambda: estimators.LinearClassifier([size], n_classes=1), ValueError, "n_classes must be > 2"),
        (
            lambda: regressor([1], [size], optimizer="Sgd").train(feed(SCORE), steps=1),
            ValueError,
            "Unsupported optimizer name",
        ),
    ):
        with pytest.raises(kind, match=message):
            call()
