"""Exporting: which format a path is of, what is refused, and files that are complete or not there."""

import os
import sys

import numpy as np
import pytest
import tensorflow as tf
from exports import networks

import graphkit as gk


@pytest.fixture(scope="module")
def trained():
    with tf.Graph().as_default():
        images = gk.image_input(2, 2, 3, offset=10, scale=3)
        logits = gk.dense(gk.flatten(images), 3, name="dense")
        with gk.Trainer(gk.softmax_cross_entropy(logits, gk.label_input())) as trainer:
            yield trainer, images, logits


PIXELS = np.random.default_rng(0).integers(0, 256, (3, 2, 2, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    "name", ["model.h5", "model.keras", "model.PBTXT", "model.pt", "model.py", "model.zip"]
)
def test_other_formats_are_refused(trained, name, tmp_path):
    trainer, _, logits = trained
    with pytest.raises(
        ValueError, match=r"^export: the suffix says the format: \.tflite, \.onnx, \.pb, or no"
    ):
        trainer.export(tmp_path / name, logits)
    assert not any(tmp_path.iterdir())


def test_a_misspelled_suffix_is_told_the_nearest(trained, tmp_path):
    trainer, _, logits = trained
    for name, near in (("model.onx", ".onnx"), ("model.TFLIT", ".tflite"), ("model.pbb", ".pb")):
        with pytest.raises(ValueError, match=rf"a SavedModel \(near it: \{near}\); received path="):
            trainer.export(tmp_path / name, logits)
    assert not any(tmp_path.iterdir())


def test_versions_and_folders_that_are_there_are_folders(trained, tmp_path):
    trainer, _, logits = trained
    (tmp_path / "tmp.AbCdEf").mkdir()
    for name in ("epoch-1.5", "model.v2", "tmp.AbCdEf"):
        assert tf.saved_model.contains_saved_model(trainer.export(tmp_path / name, logits))


def test_a_file_must_be_new(trained, tmp_path):
    trainer, _, logits = trained
    (tmp_path / "model.pb").write_text("kept")
    (tmp_path / "folder.pb").mkdir()
    for name in ("model.pb", "folder.pb"):
        with pytest.raises(FileExistsError, match=r"^export: path must be new; received path="):
            trainer.export(tmp_path / name, logits)
    assert (tmp_path / "model.pb").read_text() == "kept"
    path = trainer.export(tmp_path / "new" / "MODEL.PB", logits)
    assert os.listdir(tmp_path / "new") == ["MODEL.PB"] and networks.read_graph(path).node


def test_a_file_that_cannot_be_written_is_not_there(trained, tmp_path, monkeypatch):
    def fail(*paths):
        raise OSError(28, "No space left on device")

    trainer, _, logits = trained
    monkeypatch.setattr(os, "replace", fail)
    for name in ("model.pb", "model"):
        with pytest.raises(OSError, match=r"^export: cannot write .*model.* \(No space left on device\)"):
            trainer.export(tmp_path / name, logits)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["onnx", "tf2onnx"])
def test_onnx_without_its_packages_says_what_to_install(trained, name, tmp_path, monkeypatch):
    trainer, _, logits = trained
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        ImportError, match=r"^export: .*needed; install it with pip install 'tf-graphkit\[onnx\]'"
    ):
        trainer.export(tmp_path / "model.onnx", logits)
    assert not any(tmp_path.iterdir())


# --- pixels and model.json


@pytest.mark.parametrize("name", ["model.pb", "model"])
def test_pixels_are_scaled_in_the_model(trained, name, tmp_path):
    trainer, images, logits = trained
    path = trainer.export(tmp_path / name, {"logits": logits}, pixels=True)
    load = networks.load_frozen if name.endswith("pb") else networks.load_in_session
    networks.check(load(path), ("images", PIXELS), trainer.predict(logits, {images: PIXELS}), sizes=(1, 3))


def test_pixels_need_images(tmp_path):
    with tf.Graph().as_default():
        logits = gk.dense(gk.feature_input(2), 3)
        with gk.Trainer(gk.softmax_cross_entropy(logits, gk.label_input())) as trainer:
            with pytest.raises(
                ValueError, match=r"gk.image_input made, with a scale; received inputs=\['features:0'\]"
            ):
                trainer.export(tmp_path / "model", logits, pixels=True)
            with pytest.raises(TypeError, match="pixels must be True or False; received pixels=1"):
                trainer.export(tmp_path / "model", logits, pixels=1)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("pixels", [False, True])
def test_the_card_says_what_goes_in_and_out(trained, pixels, tmp_path):
    trainer, _, logits = trained
    info = {"classes": ("Katze", "Hund", "Kühe"), "trained_on": {"images": 70}}
    path = trainer.export(tmp_path / "model.pb", {"logits": logits}, pixels=pixels, info=info)
    card = networks.card_of_frozen(path)
    assert card.pop("made_by").startswith("graphkit ")
    where = "in the model" if pixels else "(pixel - offset) / scale"
    limits = {} if pixels else {"range": [-10 / 3, 245 / 3]}
    assert card == {
        "inputs": {
            "images": {
                "dtype": "uint8" if pixels else "float32",
                "shape": [None, 2, 2, 3],
                "pixels": {"offset": 10, "scale": 3, "scaled": where} | limits,
            }
        },
        "outputs": {"logits": {"dtype": "float32", "shape": [None, 3]}},
        "classes": ["Katze", "Hund", "Kühe"],
        "trained_on": {"images": 70},
    }
    folder = trainer.export(tmp_path / "model", {"logits": logits}, pixels=pixels, info=info)
    assert networks.card_of_saved_model(folder)["classes"] == card["classes"]


@pytest.mark.parametrize(
    ("info", "error", "message"),
    [
        ([1], TypeError, r"info must be a dict; received info=\[1\]"),
        ({"classes": "abc"}, TypeError, "classes must be a list of names; received classes='abc'"),
        ({"classes": ["a", 2, "c"]}, TypeError, "classes must be a list of names"),
        ({"classes": ["a", "b"]}, ValueError, r"a column for each .* classes=2, columns=\{'output': 3\}"),
        ({"inputs": 1}, ValueError, r"must not have the names inputs, outputs, made_by; .*\['inputs'\]"),
        ({"x": np.ones(2)}, ValueError, "what JSON can hold"),
        ({"x": float("nan")}, ValueError, "what JSON can hold"),
    ],
)
def test_info_that_is_refused(trained, info, error, message, tmp_path):
    trainer, _, logits = trained
    with pytest.raises(error, match=f"^export: .*{message}"):
        trainer.export(tmp_path / "model", logits, info=info)
    assert not any(tmp_path.iterdir())
