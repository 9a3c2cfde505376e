"""Runs on folders of images, tables and features: trained, loaded again, asked about files."""

import json

import numpy as np
import pytest
import tensorflow as tf
from data.test_folders import write_images
from data.test_tables import houses
from PIL import Image

import graphkit as gk
from graphkit.data import folders


def train(data, folder, model, epochs=1, **settings):
    config = gk.runs.RunConfig.for_data(data, model=model, keep_prob=1.0, batch_size=8, **settings)
    return config, gk.runs.train_run(config, data, folder, epochs=epochs, progress=False)


def check_loaded(folder, config, data, metrics, *asked):
    """Loads a run, which must read and say what it did; returns its config and what it says about files."""
    run = gk.runs.load_run(folder)
    assert run.config == config and run.config.format == data.format
    again = gk.load_dataset(config.data, seed=config.seed, format=config.format)
    assert np.array_equal(again.test[0][:], data.test[0][:])
    with run.trainer as trainer:
        assert trainer.evaluate(run.network.feed(again.test)) == metrics
        return run, [
            trainer.predict(run.network.outputs, {run.network.inputs: run.config.read(path)})
            for path in asked
        ]


def test_a_table_of_numbers_is_a_regression(tmp_path):
    path = tmp_path / "houses.csv"
    houses().to_csv(path, index=False)
    data = gk.load_dataset(path, label="price", drop=["number", "city"])
    config, metrics = train(data, tmp_path / "run", "softmax_regression", 15, learning_rate=0.2, l2=0.0)
    assert set(metrics) == {"loss", "mean_absolute_error", "r2"}
    # The price is a sum of two columns. The error is in its unit; 20,000 is its standard deviation.
    assert metrics["mean_absolute_error"] < 5000 and metrics["r2"] > 0.9
    run, (prices,) = check_loaded(tmp_path / "run", config, data, metrics, path)
    assert prices.shape == (60,) and np.mean(np.abs(prices - houses().price)) < 5000
    assert run.network.probabilities is None
    assert run.config.answers(prices[3], top=5) == {"price": float(prices[3])}


@pytest.mark.slow
def test_a_run_on_a_table_is_resumed(tmp_path):
    houses().to_csv(tmp_path / "houses.csv", index=False)
    data = gk.load_dataset(tmp_path / "houses.csv", label="price", missing="fill")
    _, metrics = train(data, tmp_path / "whole", "mlp", 3)
    config, _ = train(data, tmp_path / "run", "mlp", 1)
    options = {"resume": True, "progress": False}
    assert gk.runs.train_run(config, data, tmp_path / "run", epochs=3, **options) == metrics
    other = gk.load_dataset(tmp_path / "houses.csv", label="price", missing="fill", drop=["city"])
    config = gk.runs.RunConfig.for_data(other, model="mlp", keep_prob=1.0, batch_size=8)
    with pytest.raises(ValueError, match="started with other settings"):
        gk.runs.train_run(config, other, tmp_path / "run", epochs=3, **options)


@pytest.mark.slow
def test_a_table_of_classes_with_embedded_categories(tmp_path):
    path = tmp_path / "houses.csv"
    houses().to_csv(path, index=False)
    options = {"categories": "embedded", "categorical": ["rooms"], "unknown": "ignore"}
    data = gk.load_dataset(path, label="garden", **options)
    config, metrics = train(data, tmp_path / "run", "mlp")
    run, (probabilities,) = check_loaded(tmp_path / "run", config, data, metrics, path)
    assert probabilities.shape == (60, 2)
    assert set(run.config.answers(probabilities[0])) == {"False", "True"}
    held = json.loads((tmp_path / "run" / "run.json").read_text())["settings"]["format"]
    assert held["label"] == "garden"
    assert held["encoder"]["columns"][2]["categories"] == ["Bonn", "Oslo", "Rome"]
    shapes = {v.op.name: v.shape.as_list() for v in run.trainer.graph.get_collection("trainable_variables")}
    assert shapes["embedding1/embeddings"] == [6, 4] and shapes["embedding2/embeddings"] == [4, 3]
    assert shapes["hidden1/kernel"] == [3 + 4 + 3, 256]


def test_rows_that_are_asked_about(tmp_path):
    """Rows have no label; their categories may be new where that was said, their columns must be there."""
    houses().to_csv(tmp_path / "houses.csv", index=False)
    data = gk.load_dataset(tmp_path / "houses.csv", label="garden", categories="embedded", unknown="ignore")
    config = gk.runs.RunConfig.for_data(data, model="mlp")
    config = gk.runs.RunConfig.from_json(json.loads(json.dumps(config.to_json())))
    rows = houses()[:2].drop(columns="garden").assign(city=["Paris", "Oslo"])
    rows.to_csv(tmp_path / "rows.csv", index=False)
    assert config.read(tmp_path / "rows.csv")[:, 2].tolist() == [0, 2]
    assert np.array_equal(config.read(tmp_path / "rows.csv"), config.encode(rows))
    rows.drop(columns="area").to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(ValueError, match=r"^read: .*rows.csv: the table must have the column area"):
        config.read(tmp_path / "rows.csv")
    with pytest.raises(ValueError, match="rows are read from a table"):
        config.read("rows.npz")


@pytest.mark.parametrize("memory", [pytest.param(1 << 29, marks=pytest.mark.slow), 0])
def test_a_folder_of_images(memory, tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "IN_MEMORY", memory)
    data = gk.load_dataset(write_images(tmp_path / "pets"), image_size=(4, 4))
    config, metrics = train(data, tmp_path / "run", "softmax_regression", 5, learning_rate=0.05)
    assert metrics["accuracy"] == 1.0
    Image.new("RGBA", (50, 40), (190, 30, 40, 255)).save(tmp_path / "red.png")
    Image.new("RGB", (50, 40), (40, 30, 190)).save(tmp_path / "blue.jpg")
    np.savez(tmp_path / "some.npz", images=data.test.images[:])
    asked = [tmp_path / name for name in ("red.png", "blue.jpg", "some.npz")]
    run, answers = check_loaded(tmp_path / "run", config, data, metrics, *asked)
    assert [next(iter(run.config.answers(rows[0]))) for rows in answers[:2]] == ["cat", "dog"]
    assert answers[2].argmax(axis=1).tolist() == data.test.labels.tolist()


@pytest.mark.slow
def test_images_that_are_read_when_needed_train_to_the_same_bits(tmp_path, monkeypatch):
    write_images(tmp_path / "pets")
    weights = []
    for memory in (1 << 29, 0):  # decoded at once, and by the thread that reads mini-batches
        monkeypatch.setattr(folders, "IN_MEMORY", memory)
        data = gk.load_dataset(tmp_path / "pets", image_size=(8, 8))
        train(data, tmp_path / f"run-{memory}", "convnet", 2)
        with gk.runs.load_run(tmp_path / f"run-{memory}").trainer as trainer:
            weights.append(trainer.weights())
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.slow
def test_features_of_any_scale_are_standardised_in_the_graph(tmp_path):
    random = np.random.default_rng(0)
    features = random.normal(size=(120, 3)) * [1e4, 1e-3, 0] + [5e4, 7, 2]
    labels = (features[:, 0] > 5e4).astype(int)
    path = tmp_path / "some.npz"
    np.savez(path, features=features, labels=labels, classes=np.array(["low", "high"]))
    data = gk.load_dataset(path)
    config, metrics = train(data, tmp_path / "run", "mlp", 10, learning_rate=0.01)
    assert metrics["accuracy"] > 0.9
    run, (probabilities,) = check_loaded(tmp_path / "run", config, data, metrics, path)
    assert list(run.config.answers(probabilities[0], top=1)) == [["low", "high"][labels[0]]]


def test_features_are_measured_and_asked_about(tmp_path):
    features = np.random.default_rng(0).normal(5, 2, (30, 3)) * [1, 100, 0]
    np.savez(tmp_path / "some.npz", features=features, labels=np.arange(30) % 2)
    data = gk.load_dataset(tmp_path / "some.npz")
    config = gk.runs.RunConfig.for_data(data, model="mlp")
    assert np.allclose(config.scaling.mean, data.train.features.mean(axis=0))
    assert np.allclose(config.scaling.std, [*data.train.features.std(axis=0)[:2], 1])
    assert np.array_equal(config.read(tmp_path / "some.npz"), features)
    with tf.Graph().as_default():
        network = gk.runs.build_network(config)
        assert network.logits.shape.as_list() == [None, 2]
    np.savez(tmp_path / "other.npz", features=features[:, :2])
    with pytest.raises(ValueError, match=r"must hold features \(N, 3\)"):
        config.read(tmp_path / "other.npz")


def test_what_a_model_takes(tmp_path):
    np.savez(tmp_path / "some.npz", features=np.eye(30), labels=np.arange(30) % 2)
    data = gk.load_dataset(tmp_path / "some.npz")
    with pytest.raises(ValueError, match=r"convnet takes images, but .*some.npz holds features"):
        gk.runs.RunConfig.for_data(data, model="convnet")
    small = data._replace(test=gk.data.FeatureSplit(np.zeros((0, 30)), np.zeros(0, np.int32)))
    config = gk.runs.RunConfig.for_data(data, model="mlp")
    with pytest.raises(ValueError, match="is too small: its test set holds no examples"):
        gk.runs.train_run(config, small, tmp_path / "run", epochs=1)


def test_answers():
    config = gk.runs.RunConfig("mlp", "x", None, ("cat", "dog", "owl"), image_shape=(2, 2, 1))
    assert list(config.answers([0.2, 0.7, 0.1]).items()) == [("dog", 0.7), ("cat", 0.2), ("owl", 0.1)]
    assert config.answers(np.array([0.25, 0.25, 0.5]), top=2) == {"owl": 0.5, "cat": 0.25}
    with pytest.raises(ValueError, match="output must have 3 numbers"):
        config.answers([0.5, 0.5])


def test_confusion_matrix_shows_the_names_of_the_classes(tmp_path):
    data = gk.load_dataset(write_images(tmp_path / "pets"), image_size=(4, 4))
    figure = gk.plots.plot_confusion_matrix(np.array([[3, 0], [1, 2]]), data.classes)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["cat", "dog"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scaling": ((0.0,), (1.0,))}, "scaling must be a FeatureScaling"),
        ({"scaling": gk.runs.FeatureScaling((0.0,), (0.0,))}, "std must be a finite number at least"),
        ({"scaling": gk.runs.FeatureScaling((0.0,), (1.0, 1.0))}, "as many means as standard"),
        ({"format": "png"}, "format must be an ImageFormat"),
        ({"format": gk.data.ImageFormat((2, 2, 1), True, ())}, "an ImageFormat is for images"),
    ],
)
def test_build_network_names_the_field_that_is_wrong(changes, message):
    fields = {"scaling": gk.runs.FeatureScaling((0.0,), (1.0,))} | changes
    config = gk.runs.RunConfig("mlp", "x", None, ("a", "b"), **fields)
    with pytest.raises((ValueError, TypeError), match=f"build_network: .*{message}"), tf.Graph().as_default():
        gk.runs.build_network(config)
