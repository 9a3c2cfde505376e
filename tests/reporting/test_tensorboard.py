"""Event files for TensorBoard: what is in them, also after a resume and an error."""

import json

import numpy as np
import pytest
import tensorflow as tf
from reporting import boards

import graphkit as gk
from graphkit.reporting import tensorboard


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    settings = {"optimizer": "sgd", "l2": None, "layers | units": [2, 3]}
    more = {"confusion_matrix": "valid_confusion", "classes": ["dark", "bright"], "images": 3}
    board = gk.TensorBoard(settings=settings, **more)
    return (folder, *boards.train(folder, [board]))


def test_train_and_validation_are_on_one_chart(trained):
    folder, history, _ = trained
    for name, column in (("train", "loss"), ("valid", "valid_loss")):
        found = boards.scalars(folder / name, "epoch/loss")
        assert [step for step, _ in found] == history["step"] == [6, 12, 18]
        assert np.allclose([value for _, value in found], history[column], rtol=1e-6)
    for name in ("learning_rate", "examples_per_second"):
        found = boards.scalars(folder / "train", f"epoch/{name}")
        assert np.allclose([value for _, value in found], history[name], rtol=1e-6)


def test_steps_have_the_values_of_the_file_of_metrics_and_are_run_in_a_loop(trained):
    folder, _, execution = trained
    assert execution != "feed"
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    steps = [row for row in lines if row["kind"] == "step"]
    for name in ("loss", "accuracy", "learning_rate"):
        found = boards.scalars(folder / "train", f"step/{name}")
        assert [step for step, _ in found] == list(range(1, 19))
        assert np.allclose([value for _, value in found], [row[name] for row in steps], rtol=1e-6)


def test_histograms_are_those_of_the_variables(trained):
    folder, *_ = trained
    found = boards.values(folder / "train", "hidden/dense/kernel")
    assert [step for step, _ in found] == [6, 12, 18]
    newest = tf.train.latest_checkpoint(folder)
    kernel = tf.train.load_variable(newest, "hidden/dense/kernel").astype(np.float64)
    histogram = found[-1][1].histo
    assert (histogram.min, histogram.max, histogram.num) == (kernel.min(), kernel.max(), kernel.size)
    assert np.isclose(histogram.sum, kernel.sum()) and np.isclose(histogram.sum_squares, (kernel**2).sum())
    below = np.searchsorted(np.sort(kernel.ravel()), histogram.bucket_limit, side="left")
    counted = np.cumsum(histogram.bucket)
    assert np.array_equal(counted[:-1], below[:-1]) and counted[-1] == kernel.size


def test_the_graph_is_that_of_loss_and_metrics(trained):
    folder, *_ = trained
    (content,) = (event.graph_def for event in boards.events(folder / "train") if event.graph_def)
    graph = tf.compat.v1.GraphDef.FromString(content)
    scopes = {node.name.split("/")[0] for node in graph.node}
    assert {"images", "labels", "hidden", "accuracy", "softmax_cross_entropy"} <= scopes
    assert not {"gradients", "save"} & scopes
    with tf.Graph().as_default():
        tf.import_graph_def(graph)  # it is complete


def test_images_are_the_examples_and_the_matrix_is_drawn(trained):
    folder, *_ = trained
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for number in range(3):
            ((step, value),) = boards.values(folder / "train", f"images/{number}")
            decoded = session.run(tf.io.decode_png(value.image.encoded_image_string))
            assert step == 0 and np.array_equal(decoded, boards.IMAGES[number])
        found = boards.values(folder / "valid", "confusion")
        assert [step for step, _ in found] == [6, 12, 18]
        picture = session.run(tf.io.decode_png(found[0][1].image.encoded_image_string))
    image = found[0][1].image
    assert picture.shape == (image.height, image.width, 4) and picture[..., :3].std() > 20


def test_settings_are_a_table_and_hyperparameters(trained):
    folder, *_ = trained
    ((_, table),) = boards.values(folder, "settings")
    (text,) = table.tensor.string_val
    expected = ["| batch_size | 8 |", "| seed | 0 |", "| learning_rate | 0.1 |", "| optimizer | sgd |"]
    expected += ["| l2 | None |", "| layers \\| units | [2, 3] |"]
    assert text.decode().splitlines()[2:] == expected
    assert table.metadata.plugin_data.plugin_name == "text"


@pytest.mark.slow
def test_a_resumed_run_shows_each_step_once(trained, tmp_path):
    folder, history, _ = trained

    class Kill(gk.Callback):
        def on_run_end(self, trainer):
            if trainer.step == 10:
                raise InterruptedError

    with pytest.raises(InterruptedError):
        boards.train(tmp_path, [gk.TensorBoard(), Kill()])
    assert [step for step, _ in boards.scalars(tmp_path / "train", "step/loss")] == list(range(1, 11))
    resumed, _ = boards.train(tmp_path, [gk.TensorBoard()], resume=True)
    assert resumed["loss"] == history["loss"]
    for name, tag in (("train", "step/loss"), ("train", "epoch/loss"), ("valid", "epoch/loss")):
        assert boards.scalars(tmp_path / name, tag) == boards.scalars(folder / name, tag)


def test_wrong_arguments_are_refused_before_the_first_step(tmp_path):
    for arguments, error, rule in (
        ({"logdir": 3}, TypeError, "logdir must be a path: text, or a pathlib.Path; received logdir=3"),
        ({"every": 0}, ValueError, "every must be an integer of at least 1"),
        ({"images": -1}, ValueError, "images must be an integer of at least 0"),
        ({"settings": {1: 2}}, TypeError, "settings must be {name: value}"),
        ({"confusion_matrix": 3}, TypeError, "confusion_matrix must be the name of a metric"),
    ):
        with pytest.raises(error, match=f"TensorBoard: {rule}"):
            gk.TensorBoard(**arguments)
    (tmp_path / "file").write_text("")
    features, labels = gk.feature_input(2), gk.label_input()
    trainer = gk.Trainer(gk.softmax_cross_entropy(gk.dense(features, 2), labels))
    data = {features: np.eye(2), labels: np.arange(2)}
    with trainer:
        for board, error, rule in (
            (gk.TensorBoard(), ValueError, "it needs a logdir, or a trainer with one"),
            (gk.TensorBoard(tmp_path, confusion_matrix="no"), ValueError, "must be a metric of the history"),
            (gk.TensorBoard(tmp_path, images=2), ValueError, "images need data of shape"),
            (gk.TensorBoard(tmp_path / "file"), OSError, "cannot be written"),
        ):
            with pytest.raises(error, match=f"TensorBoard: .*{rule}"):
                trainer.fit(data, callbacks=[board], progress=False)
        assert trainer.step == 0
        trainer.fit(data, callbacks=[gk.TensorBoard(tmp_path / "dry")], progress=False, dry_run=True)
        assert not (tmp_path / "dry").exists()


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"TensorBoard: matplotlib is needed; .*'tf-graphkit\[plots\]'"):
        gk.TensorBoard(confusion_matrix="valid_confusion")
    monkeypatch.setitem(__import__("sys").modules, "tensorboard.plugins.hparams.api", None)
    assert tensorboard.hyperparameters({"l2": 0.1}) == []


def test_a_fit_that_is_refused_writes_nothing_and_one_that_replaces_a_run_removes_its_files(tmp_path):
    def files():
        return {path for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"}

    boards.train(tmp_path, [gk.TensorBoard()], epochs=1)
    before = files()
    with pytest.raises(ValueError, match="monitor must be a metric of the history"):
        boards.train(tmp_path, [gk.TensorBoard(), gk.BestCheckpoint("valid_recall")], epochs=1)
    boards.train(tmp_path, [gk.TensorBoard()], epochs=0)
    assert files() == before and sum("tfevents" in path.name for path in before) == 3
    boards.train(tmp_path, [], epochs=1)
    assert not any("tfevents" in path.name for path in files())


def test_files_of_one_second_are_read_in_the_order_of_writing(tmp_path):
    """A viewer reads them in the order of their names, with which TensorFlow writes seconds only."""
    names = []
    with tf.Graph().as_default():
        trainer, data = boards.make_trainer()
        with trainer:
            for _ in range(12):
                board = gk.TensorBoard(tmp_path, histograms=False, graph=False)
                trainer.fit(data, batch_size=24, epochs=1, callbacks=[board], progress=False)
                names += {path.name for path in (tmp_path / "train").iterdir()} - {*names}
        assert names == sorted(names) and len(names) == 12
        found = boards.scalars(tmp_path / "train", "epoch/loss")
        assert [step for step, _ in found] == list(range(2, 25, 2))
