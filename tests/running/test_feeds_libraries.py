"""Data of zarr, Hugging Face and Arrow, read batch by batch with the bits of the same arrays in memory."""

import importlib

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from running.test_feeds_columns import DATA, EXAMPLES, IMAGES, LABELS, Counted, Problem

import graphkit as gk

pytestmark = pytest.mark.slow


def trained(problem, start, data, **settings):
    problem.trainer.restore(start)
    found = problem.fit(data, **settings), problem.trainer.evaluate(data)
    assert problem.trainer.runner.execution == settings.get("execution", "chunks")
    return found


def test_zarr(tmp_path):
    zarr = importlib.import_module("zarr")
    group = zarr.open_group(tmp_path / "data.zarr", mode="w")
    for name, array in DATA.items():
        group.create_array(name, data=array, chunks=(8, *array.shape[1:]))
    problem = Problem()
    with problem.trainer as trainer:
        start = trainer.save(tmp_path / "start")
        expected = trained(problem, start, DATA, execution="resident")
        assert trained(problem, start, {"images": group["images"], "labels": group["labels"]}) == expected
        assert trained(problem, start, group, execution="feed") == expected


def test_hugging_face(tmp_path):
    datasets = importlib.import_module("datasets")
    pixels = datasets.Features(
        {"images": datasets.Array3D((6, 6, 1), "uint8"), "labels": datasets.Value("int8")}
    )
    arrays = datasets.Dataset.from_dict({"images": IMAGES, "labels": LABELS}, features=pixels)
    pictures = datasets.Dataset.from_dict(
        {"images": [PIL.Image.fromarray(image[..., 0]) for image in IMAGES], "labels": LABELS},
        features=datasets.Features({"images": datasets.Image(), "labels": datasets.ClassLabel(2)}),
    )
    order = np.random.default_rng(1).permutation(EXAMPLES)
    shuffled = pictures.select(np.argsort(order)).select(order)
    problem = Problem()
    with problem.trainer as trainer:
        start = trainer.save(tmp_path / "start")
        expected = trained(problem, start, DATA, execution="resident")
        numbers = arrays.with_format("numpy")
        assert trained(problem, start, {"images": numbers["images"], "labels": arrays["labels"]}) == expected
        assert trained(problem, start, pictures, execution="feed") == expected
        assert trained(problem, start, shuffled) == expected
        assert trainer.evaluate(numbers) == expected[1]
        labels = arrays.with_format("arrow")["labels"]
        assert trainer.evaluate({"images": IMAGES, "labels": labels}) == expected[1]
        with pytest.raises(TypeError, match="data of images:0 must be one array or column"):
            trainer.evaluate({"images": pictures, "labels": LABELS})
        labels = datasets.Dataset.from_dict({"labels": [*LABELS[:-1].tolist(), None]})
        with pytest.raises(ValueError, match="data of labels:0 has a missing value; received example=69"):
            trainer.fit({"images": IMAGES, "labels": labels["labels"]})


def test_tables_of_arrow(tmp_path):
    table = pd.DataFrame({"a": LABELS, "b": LABELS / 3, "c": LABELS == 0, "d": LABELS + 1})
    arrow = table.astype({"a": "int8[pyarrow]", "b": "double[pyarrow]", "c": "bool[pyarrow]"})
    features, labels = gk.feature_input(4), gk.label_input()
    with gk.Trainer(gk.softmax_cross_entropy(gk.dense(features, 2), labels)) as trainer:
        expected = trainer.evaluate({"features": table.to_numpy(float), "labels": LABELS})
        assert trainer.evaluate({"features": arrow, "labels": arrow["a"]}) == expected
        missing = arrow.assign(b=arrow["b"].where(arrow.index != 7))
        with pytest.raises(ValueError, match="missing value.* received example=7, column='b'"):
            trainer.evaluate({"features": missing, "labels": arrow["a"]})


def test_augmented_rows_of_a_column(tmp_path):
    problem = Problem()
    with problem.trainer as trainer:
        start = trainer.save(tmp_path / "start")
        jitter, data = {"images": gk.Augmentation(shift=1, flip=True)}, {**DATA, "images": Counted(IMAGES)}
        expected = trained(problem, start, DATA, augment=jitter, execution="chunks")
        assert trained(problem, start, data, augment=jitter) == expected
        assert trained(problem, start, DATA, execution="chunks") != expected


def test_studies_take_the_same_data():
    problem = Problem()
    column = {"images": Counted(IMAGES), "labels": Counted(LABELS)}
    with problem.trainer as trainer:
        rates = [gk.find_learning_rate(trainer, data, steps=8, batch_size=16) for data in (DATA, column)]
        assert (rates[0].losses == rates[1].losses).all()
        path = gk.WeightPath()
        problem.fit(DATA, callbacks=[path])
        surfaces = [gk.loss_surface(trainer, data, path, resolution=5) for data in (DATA, column)]
        assert (surfaces[0].losses == surfaces[1].losses).all()
