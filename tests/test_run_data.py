"""Runs on folders of images, tables and features: trained, loaded again, asked about files."""

import json

import numpy as np
import pandas
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


def check_loaded(folder, config, data, metrics):
    """The run that is loaded has the same settings, reads the data alike, and says the same of them."""
    run = gk.runs.load_run(folder)
    assert run.config == config and run.config.format == data.format
    again = gk.load_dataset(config.data, seed=config.seed, format=config.format)
    assert np.array_equal(again.test[0], data.test[0])
    with run.trainer as trainer:
        assert trainer.evaluate(run.network.feed(again.test)) == metrics
        asked = run.config.read(config.data) if config.image_shape is None else None
        return run, None if asked is None else trainer.predict(
            run.network.outputs, {run.network.inputs: asked}
        )


def test_a_table_of_numbers_is_a_regression(tmp_path):
    houses().to_csv(tmp_path / "houses.csv", index=False)
    data = gk.load_dataset(tmp_path / "houses.csv", label="price", drop=["number"])
    config, metrics = train(data, tmp_path / "run", "softmax_regression", 60, learning_rate=0.05, l2=0.0)
    assert set(metrics) == {"loss", "mean_absolute_error", "r2"}
    # The price is a sum of the columns. The error is in its unit; 20,000 is its standard deviation.
    assert metrics["mean_absolute_error"] < 2000 and metrics["r2"] > 0.95
    run, prices = check_loaded(tmp_path / "run", config, data, metrics)
    assert prices.shape == (60,) and np.mean(np.abs(prices - houses().price)) < 2000
    assert run.network.probabilities is None
    answer = run.config.answers(prices[3], top=5)
    assert answer == {"price": float(prices[3])}
    assert (
        gk.runs.train_run(config, data, tmp_path / "run", epochs=60, resume=True, progress=False) == metrics
    )


def test_a_table_of_classes_with_embedded_categories(tmp_path):
    houses().to_csv(tmp_path / "houses.csv", index=False)
    data = gk.load_dataset(
        *[tmp_path / "houses.csv"],
        **{"label": "garden", "categories": "embedded", "categorical": ["rooms"], "unknown": "ignore"},
    )
    config, metrics = train(data, tmp_path / "run", "mlp")
    run, probabilities = check_loaded(tmp_path / "run", config, data, metrics)
    assert probabilities.shape == (60, 2)
    assert set(run.config.answers(probabilities[0])) == {"False", "True"}
    held = json.loads((tmp_path / "run" / "run.json").read_text())["settings"]["format"]
    assert held["label"] == "garden" and held["encoder"]["columns"][2]["categories"] == [
        "Bonn",
        "Oslo",
        "Rome",
    ]
    shapes = {v.op.name: v.shape.as_list() for v in run.trainer.graph.get_collection("trainable_variables")}
    assert shapes["embedding1/embeddings"] == [6, 4] and shapes["embedding2/embeddings"] == [4, 3]
    assert shapes["hidden1/kernel"] == [3 + 4 + 3, 256]
    rows = pandas.DataFrame({"rooms": [9], "area": [70.0], "city": ["Paris"], "price": [1], "number": [3]})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    assert run.config.read(tmp_path / "rows.csv")[0, [0, 2]].tolist() == [0, 0]
    rows.drop(columns="area").to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(ValueError, match=r"^read: .*rows.csv: the table must have the column area"):
        run.config.read(tmp_path / "rows.csv")
    with pytest.raises(ValueError, match="rows are read from a table"):
        run.config.read("rows.npz")


@pytest.mark.parametrize("memory", [0, 1 << 29])
def test_a_folder_of_images(memory, tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "IN_MEMORY", memory)
    data = gk.load_dataset(write_images(tmp_path / "pets"), image_size=(4, 4))
    config, metrics = train(data, tmp_path / "run", "softmax_regression", 20, learning_rate=0.01)
    assert metrics["accuracy"] == 1.0
    run, _ = check_loaded(tmp_path / "run", config, data, metrics)
    Image.new("RGBA", (50, 40), (190, 30, 40, 255)).save(tmp_path / "red.png")
    Image.new("RGB", (50, 40), (40, 30, 190)).save(tmp_path / "blue.jpg")
    with gk.runs.load_run(tmp_path / "run").trainer as trainer:
        for name, answer in (("red.png", "cat"), ("blue.jpg", "dog")):
            fed = run.config.read(tmp_path / name)
            row = trainer.predict(
                trainer.graph.get_tensor_by_name(run.network.outputs.name), {"images": fed}
            )[0]
            best, *_ = run.config.answers(row)
            assert fed.shape == (1, 4, 4, 3) and best == answer
    np.savez(tmp_path / "some.npz", images=data.test.images[:])
    assert np.array_equal(run.config.read(tmp_path / "some.npz"), data.test.images[:])
    # The images are read by the thread of the loop: the same bits as in memory.
    kept = tmp_path.parent / "weights.npy"
    weights = np.concatenate([array.reshape(-1) for array in run_weights(tmp_path / "run")])
    if kept.exists():
        assert np.array_equal(np.load(kept), weights)
    np.save(kept, weights)


def run_weights(folder):
    with gk.runs.load_run(folder).trainer as trainer:
        return list(trainer.weights().values())


def test_features_of_any_scale_are_standardised_in_the_graph(tmp_path):
    random = np.random.default_rng(0)
    features = random.normal(size=(120, 3)) * [1e4, 1e-3, 0] + [5e4, 7, 2]
    labels = (features[:, 0] > 5e4).astype(int)
    np.savez(tmp_path / "some.npz", features=features, labels=labels, classes=np.array(["low", "high"]))
    data = gk.load_dataset(tmp_path / "some.npz")
    config, metrics = train(data, tmp_path / "run", "mlp", 10, learning_rate=0.01)
    assert metrics["accuracy"] > 0.9
    assert np.allclose(config.scaling.mean, data.train.features.mean(axis=0))
    assert (
        np.allclose(config.scaling.std[:2], data.train.features.std(axis=0)[:2])
        and config.scaling.std[2] == 1
    )
    run, probabilities = check_loaded(tmp_path / "run", config, data, metrics)
    assert list(run.config.answers(probabilities[0], top=1)) == [["low", "high"][labels[0]]]
    np.savez(tmp_path / "other.npz", features=features[:, :2])
    with pytest.raises(ValueError, match=r"must hold features \(N, 3\)"):
        run.config.read(tmp_path / "other.npz")


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
