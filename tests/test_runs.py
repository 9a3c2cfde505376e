"""Runs: a folder that can be loaded again without repeating its settings."""

import dataclasses
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pandas
import pytest
import tensorflow as tf
from PIL import Image

import graphkit as gk
from graphkit import checks, runs
from graphkit.checkpoints import saving
from graphkit.commands.plot import read_history
from graphkit.data import folders, tables
from graphkit.running import files
from graphkit.train import run_folder


@pytest.fixture(scope="module")
def data():
    complete = gk.load_dataset("mnist_5k")
    return complete._replace(train=gk.data.ImageSplit(*(array[:600] for array in complete.train)))


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    config = gk.runs.RunConfig.for_data(data, model="mlp", seed=3)
    return folder, config, gk.runs.train_run(config, data, folder, epochs=3)


def test_run_is_loaded_with_its_weights(trained, data):
    folder, config, test_metrics = trained
    run = gk.runs.load_run(folder)
    with run.trainer as trainer:
        assert run.config == config
        assert trainer.evaluate(run.network.feed(data.test)) == test_metrics
    assert test_metrics["accuracy"] > 0.7


def test_best_weights_are_loaded_where_early_stopping_kept_them(data, tmp_path):
    config = gk.runs.RunConfig.for_data(data, model="softmax_regression", learning_rate=0.05, keep_prob=1.0)
    test_metrics = gk.runs.train_run(config, data, tmp_path, epochs=30, patience=2)
    run = gk.runs.load_run(tmp_path)
    with run.trainer as trainer:
        assert trainer.evaluate(run.network.feed(data.test)) == test_metrics


@pytest.mark.slow
def test_newest_weights_are_loaded_where_the_run_was_continued_without_early_stopping(data, tmp_path):
    config = gk.runs.RunConfig.for_data(data, model="softmax_regression", keep_prob=1.0)
    gk.runs.train_run(config, data, tmp_path, epochs=1, patience=2)
    expected = gk.runs.train_run(config, data, tmp_path, epochs=2, resume=True)
    assert saving.best(tmp_path) is None  # that of the first epoch is not of the run any more
    run = gk.runs.load_run(tmp_path)
    with run.trainer as trainer:
        assert trainer.evaluate(run.network.feed(data.test)) == expected


def test_best_weights_alone_are_a_run_that_can_be_loaded(data, tmp_path):
    config = gk.runs.RunConfig.for_data(data, model="softmax_regression", keep_prob=1.0)
    gk.runs.train_run(config, data, tmp_path, epochs=1, patience=2)
    for path in (*saving.kept(tmp_path), str(tmp_path / "checkpoint")):
        saving.remove(path)
    gk.runs.load_run(tmp_path).trainer.close()


@pytest.mark.slow
def test_best_weights_are_loaded_where_the_newest_checkpoint_is_damaged(data, tmp_path):
    config = gk.runs.RunConfig.for_data(data, model="softmax_regression", keep_prob=1.0)
    expected = gk.runs.train_run(config, data, tmp_path, epochs=2, patience=2)
    Path(f"{saving.latest(tmp_path)}.index").write_bytes(b"")
    run = gk.runs.load_run(tmp_path)
    with run.trainer as trainer:
        assert saving.step_of(saving.best(tmp_path)) == 10
        assert trainer.evaluate(run.network.feed(data.test)) == expected


class Killed(Exception):
    """Stands for what ends a process at once."""


MOMENTS = ("on_fit_start", "on_epoch_start", "on_run_end", "on_save_start", "on_epoch_end", "on_save_end")


@pytest.mark.slow
def test_a_folder_is_one_runs_wherever_the_one_that_replaces_another_is_killed(data, tmp_path, monkeypatch):
    first, second = (
        gk.runs.RunConfig.for_data(data, model="softmax_regression", learning_rate=rate, keep_prob=1.0)
        for rate in (0.1, 0.01)
    )
    logdir = tmp_path / "run"
    whole = gk.runs.train_run(second, data, tmp_path / "whole", epochs=1)
    earlier = gk.runs.train_run(first, data, logdir, epochs=1)

    def kill(*_):
        raise Killed

    def loaded():
        run = gk.runs.load_run(logdir)
        with run.trainer as trainer:
            found = trainer.evaluate(run.network.feed(data.test))
        return run.config, found, read_history(checks.Checker("plot"), logdir)["epoch"]

    assert loaded() == (first, earlier, [1]) != (second, whole, [1])
    for moment in MOMENTS:  # in the last of which it has its first checkpoint
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(gk.runs.RunFile, moment, kill)
            patch.setattr(run_folder.RunFolder, "settle", lambda folder: None)  # nothing is tidied up
            gk.runs.train_run(second, data, logdir, epochs=1, overwrite=True)
        if moment == "on_save_start":
            rule = "was started with other settings .*; overwrite=True instead of"
            with pytest.raises(ValueError, match=rule):
                gk.runs.train_run(second, data, logdir, epochs=1, resume=True)
        assert loaded() == ((second, whole, [1]) if moment == "on_save_end" else (first, earlier, [1])), (
            moment
        )
    assert gk.runs.train_run(second, data, logdir, epochs=1, resume=True) == whole
    gk.runs.train_run(first, data, logdir, epochs=1, overwrite=True, resume=True)  # it has other settings
    assert loaded() == (first, earlier, [1])
    assert gk.runs.train_run(first, data, logdir, epochs=1, overwrite=True, resume=True) == earlier


@pytest.mark.slow
def test_a_run_is_not_replaced_without_being_asked(data, tmp_path):
    first, second = (
        gk.runs.RunConfig.for_data(data, model="softmax_regression", learning_rate=rate)
        for rate in (0.1, 0.2)
    )
    kept = gk.runs.train_run(first, data, tmp_path, epochs=1)
    rule = (
        f"{tmp_path} holds a run: resume=True continues it, overwrite=True replaces it, another logdir keeps"
    )
    with pytest.raises(ValueError, match=rule):
        gk.runs.train_run(second, data, tmp_path, epochs=1)
    for name in ("epochs", "max_steps"):
        with pytest.raises(
            ValueError, match=f"{name} must be positive|{name} must be an integer of at least 1"
        ):
            gk.runs.train_run(first, data, tmp_path, **{"epochs": 1, name: 0}, overwrite=True)
    gk.runs.train_run(second, data, tmp_path, epochs=1, dry_run=True)
    run = gk.runs.load_run(tmp_path)
    with run.trainer as trainer:
        assert trainer.evaluate(run.network.feed(data.test)) == kept
    for path in (*saving.kept(tmp_path), str(tmp_path / "checkpoint")):
        saving.remove(path)
    (tmp_path / "best-3.index").touch()
    with pytest.raises(ValueError, match="holds a run: without a checkpoint to resume from; overwrite=True"):
        gk.runs.train_run(second, data, tmp_path, epochs=1, resume=True)
    gk.runs.train_run(second, data, tmp_path, epochs=1, overwrite=True)
    assert gk.runs.read_config(tmp_path) == second and not (tmp_path / "best-3.index").exists()


@pytest.mark.grid
@pytest.mark.parametrize("damage", [b"", b'{\n "model": "mlp",\n "da', "edited"])
def test_damaged_settings_are_refused_and_the_run_goes_on_without_them_or_anew(damage, data, tmp_path):
    config = gk.runs.RunConfig.for_data(data, model="softmax_regression", keep_prob=1.0)
    gk.runs.train_run(config, data, tmp_path, epochs=1)
    path = tmp_path / "run.json"
    content = path.read_bytes()
    edited = content.replace(b'"0"', b'"1"')  # another name for the class 0
    path.write_bytes(edited if damage == "edited" else damage)
    for use in (
        lambda: gk.runs.load_run(tmp_path),
        lambda: gk.runs.train_run(config, data, tmp_path, epochs=2, resume=True),
    ):
        with pytest.raises(
            ValueError, match=r"run.json is not the file of a run \(.*once it is removed, resume"
        ):
            use()
    if damage == "edited":
        path.unlink()
    gk.runs.train_run(config, data, tmp_path, epochs=2, resume=damage == "edited", overwrite=True)
    written = json.loads(path.read_text())
    assert edited != content and written["settings"] == json.loads(content)["settings"]


def test_resume_goes_on_where_the_run_stood(trained, data, tmp_path):
    _, config, test_metrics = trained
    for epochs in (1, 3):
        resumed = gk.runs.train_run(config, data, tmp_path, epochs=epochs, resume=True)
    assert resumed == test_metrics


def test_resume_with_other_settings_is_refused(trained, data):
    folder, config, _ = trained
    other = dataclasses.replace(config, learning_rate=0.5)
    with pytest.raises(
        ValueError, match=r"other settings \(was, now\); .*; received learning_rate=\(0.001, 0.5\)"
    ):
        gk.runs.train_run(other, data, folder, epochs=3, resume=True)


def test_words_are_not_images():
    words = gk.load_dataset("words_5_languages")
    with pytest.raises(ValueError, match="mlp takes images or features, but words_5_languages holds words"):
        gk.runs.RunConfig.for_data(words, model="mlp")
    with pytest.raises(ValueError, match="char_rnn takes words, but mnist_5k holds images"):
        gk.runs.RunConfig.for_data(gk.load_dataset("mnist_5k"), model="char_rnn")


@pytest.mark.slow
def test_run_on_words_is_loaded_with_its_alphabet(tmp_path):
    words = gk.load_dataset("words_5_languages")
    words = words._replace(train=gk.data.WordSplit(*(array[:1500] for array in words.train)))
    config = gk.runs.RunConfig.for_data(words, model="char_rnn", keep_prob=1.0)
    test_metrics = gk.runs.train_run(config, words, tmp_path, epochs=2)
    run = gk.runs.load_run(tmp_path)
    with run.trainer as trainer:
        assert run.config == config
        assert trainer.evaluate(run.network.feed(words.test)) == test_metrics
    assert test_metrics["accuracy"] > 0.3


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"model": "mlp"}', "\x00"])
def test_foreign_run_file_is_named(content, tmp_path):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ValueError, match=r"load_run: .*run.json is not the file of a run"):
        gk.runs.load_run(tmp_path)


def test_folder_without_checkpoint_is_named(trained, tmp_path):
    folder, _, _ = trained
    (tmp_path / "run.json").write_text((folder / "run.json").read_text())
    rule = (
        r"has no checkpoint yet: it is in its first epoch, or ended there; train_run\(resume=True\) begins it"
    )
    with pytest.raises(FileNotFoundError, match=rule):
        gk.runs.load_run(tmp_path)


def test_unknown_model_is_refused(trained):
    folder, config, _ = trained
    with pytest.raises(ValueError, match="build_network: model must be one of"):
        gk.runs.build_network(dataclasses.replace(config, model="resnet"))
    assert json.loads((folder / "run.json").read_text())["settings"]["model"] == "mlp"


def png(path, pixels):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        path.write_bytes(session.run(tf.io.encode_png(pixels)))
    return path


def test_png_and_npz_are_read_alike(tmp_path):
    pixels = np.arange(28 * 28, dtype=np.uint32).astype(np.uint8).reshape(28, 28, 1)
    np.savez(tmp_path / "images.npz", images=pixels[None, ..., 0])
    from_png = gk.runs.read_images(png(tmp_path / "image.png", pixels), (28, 28, 1))
    assert np.array_equal(from_png, pixels[None])
    assert np.array_equal(gk.runs.read_images(tmp_path / "images.npz", (28, 28, 1)), pixels[None])


def test_picture_in_color_becomes_gray_for_one_channel(tmp_path):
    gray = gk.runs.read_images(png(tmp_path / "c.png", np.full((4, 4, 3), 200, np.uint8)), (4, 4, 1))
    assert gray.shape == (1, 4, 4, 1) and abs(int(gray.max()) - 200) <= 1


DIGIT = np.zeros((28, 28), np.uint8)
DIGIT[4:24, 12:16] = np.linspace(1, 255, 80, dtype=np.uint8).reshape(20, 4)
GRAY = Image.fromarray(DIGIT)
GROUND = Image.new("L", GRAY.size, 0)
PICTURES = {
    "gray.png": GRAY,
    "color.png": GRAY.convert("RGB"),
    "opaque.png": GRAY.convert("RGBA"),
    "palette.png": GRAY.convert("P"),
    "16_bits.png": Image.fromarray(DIGIT * np.uint16(257)),
    "bits.png": GRAY.point(lambda pixel: 255 * (pixel > 99)).convert("1"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_of_all_kinds_become_bytes(name, tmp_path):
    PICTURES[name].save(tmp_path / name)
    expected = 255 * (DIGIT > 99) if name == "bits.png" else DIGIT
    found = gk.runs.read_images(tmp_path / name, (28, 28, 1))
    assert found.dtype == np.uint8 and np.array_equal(found[0, ..., 0], expected)
    in_color = gk.runs.read_images(tmp_path / name, (28, 28, 3))
    assert np.array_equal(in_color, np.repeat(found, 3, axis=-1))


@pytest.mark.parametrize(
    "picture", [Image.merge("LA", (GROUND, GRAY)), Image.merge("RGBA", (GROUND, GROUND, GROUND, GRAY))]
)
def test_picture_with_transparent_parts_is_refused(picture, tmp_path):
    picture.save(tmp_path / "image.png")
    with pytest.raises(ValueError, match=r"image.png has transparent parts: lay it on a ground"):
        gk.runs.read_images(tmp_path / "image.png", (28, 28, 1))


def test_integers_of_an_npz_are_pixels(tmp_path):
    path = tmp_path / "images.npz"
    np.savez(path, images=DIGIT[None].astype(np.int64))
    assert np.array_equal(gk.runs.read_images(path, (28, 28, 1))[0, ..., 0], DIGIT)
    refused = {"value=500, example=0": DIGIT[None] + np.int64(500), "float64": DIGIT[None] / 255}
    for received, images in refused.items():
        np.savez(path, images=images)
        with pytest.raises(ValueError, match=f"read_images: .*integers .*0..255; .*{received}"):
            gk.runs.read_images(path, (28, 28, 1))


def test_pictures_that_are_dark_on_light_are_doubted():
    check = checks.Checker("predict")
    digits = gk.load_dataset("mnist_5k")
    kind = gk.runs.RunConfig.for_data(digits, model="mlp").kind(check)
    assert kind.doubt(digits.train.images) is None
    two = np.stack([DIGIT, 255 - DIGIT])[..., None]
    assert kind.doubt(two).startswith("dark on a light ground (1 of 2 images), and mnist_5k is light on")
    assert kind.doubt(two[1:]).startswith("dark on a light ground, and mnist_5k is")
    assert kind.doubt(two[:1] // 20) == "nearly of one color (pixels 0 to 12, of 255)"
    other = gk.runs.RunConfig.for_data(digits._replace(name="mine.npz"), model="mlp").kind(check)
    assert other.doubt(two) is None


@pytest.mark.parametrize("length", [0, 5, 20, 60])
def test_damaged_picture_is_refused(length, tmp_path):
    path = png(tmp_path / "image.png", np.zeros((28, 28, 1), np.uint8))
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"read_images: .*image.png is not a complete PNG or JPEG"):
        gk.runs.read_images(path, (28, 28, 1))


def test_picture_of_another_size_is_refused(tmp_path):
    path = png(tmp_path / "image.png", np.zeros((30, 28, 1), np.uint8))
    with pytest.raises(ValueError, match=r"must have 28x28 pixels.*resize.*; received height=30, width=28"):
        gk.runs.read_images(path, (28, 28, 1))
    np.savez(tmp_path / "other.npz", pictures=np.zeros((2, 28, 28), np.uint8))
    with pytest.raises(ValueError, match="must hold an array named images"):
        gk.runs.read_images(tmp_path / "other.npz", (28, 28, 1))
    with pytest.raises(FileNotFoundError):
        gk.runs.read_images(tmp_path / "none.png", (28, 28, 1))


@pytest.mark.parametrize("height_and_width", [(2**15, 2**14), (2**31 - 1, 2**31 - 1), (0, 0)])
def test_size_is_read_before_the_picture_is_decoded(height_and_width, tmp_path):
    path = png(tmp_path / "image.png", np.zeros((28, 28, 1), np.uint8))
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", *reversed(height_and_width))
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"received height={height_and_width[0]}, "):
        gk.runs.read_images(path, (28, 28, 1))


def test_picture_of_another_format_is_refused(tmp_path):
    head = struct.pack("<IiiHHIIiiII", 40, 4, 4, 1, 24, 0, 48, 0, 0, 0, 0)
    bmp = b"BM" + struct.pack("<IHHI", 102, 0, 0, 54) + head + bytes(48)
    (tmp_path / "image.png").write_bytes(bmp)
    with pytest.raises(ValueError, match="is not a complete PNG or JPEG image"):
        gk.runs.read_images(tmp_path / "image.png", (4, 4, 3))


@pytest.mark.parametrize("image_shape", [None, 28, (), (28, 28), (28, 28, 0), (28, 28, "1"), np.zeros(3)])
def test_image_shape_is_checked(image_shape):
    with pytest.raises((ValueError, TypeError), match="^read_images: image_shape must be "):
        gk.runs.read_images("none.png", image_shape)


@pytest.mark.parametrize(
    ("field", "value"),
    [("classes", "ab"), ("classes", 3), ("image_shape", "441"), ("image_shape", {"4": 4})],
)
def test_run_file_with_a_field_that_is_not_a_list_is_named(trained, field, value, tmp_path):
    parts = json.loads((trained[0] / "run.json").read_text())
    del parts["checksum"]
    parts["settings"][field] = value
    files.write_json(tmp_path / "run.json", parts)
    with pytest.raises(
        ValueError, match=rf"run.json is not the file of a run \(its {field} is .*, not a list"
    ):
        gk.runs.load_run(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": None}, "classes must be"),
        ({"classes": ()}, "classes must be"),
        ({"classes": (1, 2)}, "classes must be"),
        ({"image_shape": None}, "set one of image_shape"),
        ({"image_shape": (28, 28)}, "image_shape must be"),
        ({"image_shape": (28, 28, 2**63)}, "image_shape is too large"),
        ({"alphabet": "abc"}, "set one of image_shape .*received image_shape=.*, alphabet='abc'"),
        ({"model": "char_rnn"}, "char_rnn takes words, and the config is for images"),
        ({"model": "char_rnn", "alphabet": "abc", "image_shape": None}, "length must be"),
        ({"model": None}, "model must be one of"),
    ],
)
def test_build_network_names_the_field_that_is_wrong(trained, changes, message):
    _, config, _ = trained
    with pytest.raises((ValueError, TypeError), match=f"build_network: .*{message}"):
        gk.runs.build_network(dataclasses.replace(config, **changes))


def test_wrong_types_are_refused(trained, data):
    _, config, _ = trained
    with pytest.raises(TypeError, match=r"build_network: config must be a RunConfig"):
        gk.runs.build_network({"model": "mlp"})
    with pytest.raises(TypeError, match=r"RunConfig: data must be a Dataset"):
        gk.runs.RunConfig.for_data(data.train, model="mlp")
    with pytest.raises(TypeError, match=r"train_run: data must be a Dataset"):
        gk.runs.train_run(config, data._replace(test=None), "nowhere", epochs=1)


@pytest.mark.slow
def test_the_folder_of_a_run_explains_itself(data, tmp_path):
    words = gk.load_dataset("words_5_languages")
    for name, found, shown in (("mlp", data, "wrong examples"), ("char_rnn", words, "taken for")):
        config = gk.runs.RunConfig.for_data(found, model=name)
        gk.runs.train_run(config, found, tmp_path / name, epochs=1, report=True)
        files = {path.name for path in (tmp_path / name).iterdir()}
        written = {"run.json", "report.html", "curves.png", "confusion_matrix.png"}
        assert files >= written | {"history.csv", "metrics.jsonl"}
        content = (tmp_path / name / "report.html").read_text(encoding="utf-8")
        assert shown in content and all(label in content for label in found.classes)
        assert "1 epoch," in content


def test_a_report_says_how_the_data_were_read():
    frame = pandas.DataFrame({"area": [50.0, 90.0, 70.0], "city": ["Oslo", "Rome", "Oslo"]})
    encoder = gk.data.TableEncoder(frame, missing="fill")
    table = tables.TableFormat("price", (), 300.0, 20.0, encoder)
    config = gk.runs.RunConfig(model="mlp", data="houses.csv", data_folder=None, classes=(), format=table)
    expected = {"label": "price", "columns": "area, city", "missing values": "fill"}
    assert runs.describe_format(config) == expected
    photos = folders.ImageFormat((8, 8, 3), False, ("cat", "dog"))
    config = dataclasses.replace(config, classes=photos.classes, image_shape=photos.shape, format=photos)
    assert runs.describe_format(config) == {"resize": False}


def test_data_of_another_kind_than_the_runs_are_named(trained, tmp_path):
    _, config, _ = trained
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(
        ValueError, match=r"load_data: the run is of arrays, and .*t.csv is a table: give arrays"
    ):
        config.load_data(str(tmp_path / "t.csv"))
