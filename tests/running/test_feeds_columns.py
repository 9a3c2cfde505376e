"""Data by name, and data that is read batch by batch: HDF5, zarr, Hugging Face, pandas, anything indexed."""

import operator

import h5py
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from references import Ended, StopAt

import graphkit as gk
from graphkit.running import values

EXAMPLES = 70
GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 256, (EXAMPLES, 6, 6, 1)).astype(np.uint8)
LABELS = (IMAGES.mean(axis=(1, 2, 3)) > 127).astype(np.int64)
DATA = {"images": IMAGES, "labels": LABELS}


class Counted:
    """Rows of an array, without a shape or a dtype; keeps how many rows each access reads."""

    def __init__(self, array):
        self.array, self.reads = array, []

    def __len__(self):
        return len(self.array)

    def __getitem__(self, selection):
        assert (np.diff(selection) > 0).all()
        rows = self.array[selection]
        self.reads.append(len(rows))
        return rows


class Problem:
    """A small classifier of images, with dropout, that can start anew."""

    def __init__(self, logdir=None):
        images, labels = gk.image_input(6, 6, 1), gk.label_input()
        hidden = gk.dropout(gk.relu(gk.dense(gk.flatten(images), 8)), gk.keep_prob_input())
        self.logits = gk.dense(hidden, 2, name="logits")
        loss = gk.softmax_cross_entropy(self.logits, labels)
        self.trainer = gk.Trainer(loss, learning_rate=0.01, seed=7, logdir=logdir)

    def fit(self, data, epochs=2, valid=None, **settings):
        """Returns (weights, losses) after a fit."""
        settings = {"batch_size": 16, "progress": False, "valid": valid or DATA, **settings}
        history = self.trainer.fit(data, {"keep_prob": 0.8}, epochs, **settings)
        return self.state(), history["loss"], history["valid_loss"]

    def state(self):
        return [value.tobytes() for value in self.trainer.weights().values()]


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["images"] = IMAGES
        file["labels"] = LABELS.astype(np.int16)
        file.create_dataset("packed", data=IMAGES, chunks=(8, 6, 6, 1), compression="gzip")
        yield file


@pytest.fixture
def unchecked(monkeypatch):
    """Columns are as if they were too large to be read before the first step."""
    monkeypatch.setattr(values, "CHUNK", 0)


def test_data_in_files_gives_the_bits_of_arrays(file, tmp_path, unchecked):
    problem = Problem()
    trainer = problem.trainer
    start = trainer.save(tmp_path / "start")
    expected = problem.fit(DATA, execution="resident")
    logits = trainer.predict(problem.logits, {"images": IMAGES})
    counted = Counted(IMAGES), Counted(LABELS)
    for data, valid, execution in (
        ({"images": IMAGES, "labels:0": LABELS.tolist()}, None, "feed"),
        ({"images": file["images"], "labels": file["labels"]}, None, "feed"),
        ({"images": file["packed"], "labels": pd.Series(LABELS, index=LABELS)}, None, "chunks"),
        ({name: file[name] for name in DATA}, {name: file[name] for name in DATA}, "auto"),
        ({"images": counted[0], "labels": counted[1]}, None, "resident"),
    ):
        trainer.restore(start)
        assert problem.fit(data, valid=valid, execution=execution) == expected
        assert trainer.runner.execution == {"feed": "feed"}.get(execution, "chunks")
        assert trainer.evaluate(data) == trainer.evaluate(DATA)
        assert (trainer.predict(problem.logits, {"images": data["images"]}) == logits).all()
    del file["packed"]
    assert trainer.evaluate(file) == trainer.evaluate(DATA)
    data = dict(file)
    file.close()
    with pytest.raises(
        ValueError, match=r"^evaluate: data of images:0 cannot be read .*; is its file closed\?$"
    ):
        trainer.evaluate(data)
    with pytest.raises(ValueError, match=r"^evaluate: data cannot be read .*; is its file closed\?$"):
        trainer.evaluate(file)
    # By fit: for the kind of the examples, the fingerprint, and the mini-batches of two epochs.
    assert counted[0].reads[:12] == [1, 64, *[16, 16, 16, 16, 6] * 2]
    trainer.close()


def test_a_run_of_a_file_is_resumed_to_the_same_bits(file, tmp_path):
    problem = Problem(tmp_path / "run")
    data = {"images": file["packed"], "labels": file["labels"]}
    with problem.trainer as trainer:
        start = trainer.save(tmp_path / "start")
        expected = problem.fit(data)
        trainer.restore(start)
        with pytest.raises(Ended):
            problem.fit(data, callbacks=[StopAt(7)])
        other = {"images": IMAGES[::-1], "labels": file["labels"]}
        with pytest.raises(ValueError, match="a run with another data"):
            problem.fit(other, resume=True)
        trainer.restore(start)  # so that all comes from the checkpoint
        assert problem.fit(data, resume=True) == expected and trainer.step == 10


# Tables.

TABLE = pd.DataFrame(
    {
        "count": pd.array(GENERATOR.integers(0, 9, EXAMPLES), "Int64"),
        "height": GENERATOR.normal(size=EXAMPLES),
        "old": pd.array(LABELS == 1, "boolean"),
        "weight": pd.array(GENERATOR.normal(size=EXAMPLES).astype(np.float32), "Float32"),
        "young": LABELS == 0,
        "rare": pd.arrays.SparseArray(LABELS * 3, fill_value=0),
        "kind": LABELS.astype(np.int8),
        "city": ["Oslo", "Rome"] * (EXAMPLES // 2),
    },
    index=GENERATOR.permutation(EXAMPLES),
)
FEATURES = ["count", "height", "old", "weight", "young", "rare"]


def table_trainer():
    features, labels = gk.feature_input(6), gk.label_input()
    loss = gk.softmax_cross_entropy(gk.dense(features, 2, name="logits"), labels)
    return gk.Trainer(loss, learning_rate=0.01, seed=7)


def test_columns_of_a_table_are_one_matrix(tmp_path):
    matrix = np.stack([TABLE[name].to_numpy(np.float64) for name in FEATURES], axis=1)
    assert matrix.std(axis=0).all()
    with table_trainer() as trainer:
        start, found = trainer.save(tmp_path / "start"), []
        for features in (matrix, TABLE[FEATURES]):
            trainer.restore(start)
            data = {"features": features, "labels": TABLE["kind"]}
            found.append((trainer.fit(data, batch_size=16, progress=False)["loss"], trainer.evaluate(data)))
        assert found[0] == found[1]
        for labels in (TABLE["kind"].astype("Int8"), TABLE["old"], LABELS == 1):
            data = {"features": matrix, "labels": labels}
            assert trainer.evaluate(data) == found[0][1]


def test_columns_of_a_table_are_placeholders():
    height, kind = (
        tf.compat.v1.placeholder(t, (None,), n) for t, n in ((tf.float32, "height"), (tf.int32, "kind"))
    )
    city = tf.compat.v1.placeholder(tf.string, (None,), "city")
    in_rome = tf.cast(tf.equal(city, "Rome"), tf.float32)
    loss = tf.reduce_mean(tf.square(gk.dense(height[:, None], 1)[:, 0] - tf.cast(kind, tf.float32) - in_rome))
    with gk.Trainer(loss) as trainer:
        names = ["height", "kind", "city"]
        arrays = {name: TABLE[name].to_numpy() for name in names}
        assert trainer.evaluate(TABLE[names]) == trainer.evaluate(arrays)
        with pytest.raises(ValueError, match="must name placeholders .* received key='count'"):
            trainer.evaluate(TABLE)
        rule = (
            "fit: data of city:0 has a missing value: fill it, as by fillna, or leave out its example; "
            "received example=3"
        )
        towns = TABLE["city"].where(np.arange(EXAMPLES) != 3)
        with pytest.raises(ValueError, match=rule):
            trainer.fit({**arrays, "city": towns})
        with pytest.raises(ValueError, match=r"must have different names; received twice=\['kind'\]"):
            trainer.evaluate(TABLE[["height", "kind", "kind"]])


# What is refused, where it is.

NULL = TABLE.assign(count=TABLE["count"].where(np.arange(EXAMPLES) != 5))
REFUSED = [
    (
        TABLE[[*FEATURES[1:], "city"]],
        TypeError,
        "data of features:0 must hold numbers in all of its columns: "
        r"encode = gk.data.TableEncoder\(frame\), and give encode\(frame\); "
        "received columns={'city': 'str'}",
    ),
    (
        NULL[FEATURES],
        ValueError,
        "data of features:0 has a missing value: fill it, as by fillna, or leave out its example; "
        "received example=5, column='count'",
    ),
    (TABLE[FEATURES[1:]], ValueError, r"features:0 takes \(None, 6\), .* received shape=\(70, 5\)"),
    ({"a": 1}, TypeError, "data of features:0 must be one array or column; received type=<class 'dict'>"),
    (
        TABLE["city"].astype("category"),
        TypeError,
        r"features:0 takes float32 .*: categories .* dtype='category'",
    ),
]


def test_a_table_that_does_not_fit_is_refused_before_the_first_step():
    with table_trainer() as trainer:
        for features, error, message in REFUSED:
            with pytest.raises(error, match="fit: " + message):
                trainer.fit({"features": features, "labels": LABELS}, progress=False)
        for labels in (LABELS + 1, pd.Series(LABELS + 1, dtype="Int64"), Counted(LABELS + 1)):
            rule = rf"labels:0 must lie in 0..1, .* received value=2, example={np.argmax(LABELS)}$"
            with pytest.raises(ValueError, match=rule):
                trainer.fit({"features": TABLE[FEATURES], "labels": labels}, progress=False)
        assert trainer.step == 0


def test_a_bad_value_in_a_large_column_is_refused_before_its_mini_batch_is_used(unchecked):
    features, labels = TABLE[FEATURES].astype(float).to_numpy(), LABELS.copy()
    broken = features.copy()
    labels[40], broken[40, 2] = -1, np.nan
    with table_trainer() as trainer:
        for execution in ("feed", "chunks"):
            for data in ((Counted(features), Counted(labels)), (Counted(broken), LABELS)):
                settings = {"batch_size": 16, "shuffle": False, "steps_per_run": 1, "execution": execution}
                with pytest.raises(ValueError, match=r"^fit: .* received value=(-1|nan), example=40$"):
                    trainer.fit(
                        dict(zip(("features", "labels"), data, strict=True)), progress=False, **settings
                    )
        assert trainer.step == 8  # two mini-batches of each fit
        data = {"features": features, "labels": Counted(labels)}
        with pytest.raises(ValueError, match=r"^fit \(valid\): .* received value=-1, example=40$"):
            trainer.fit({**data, "labels": LABELS}, valid=data, batch_size=16, progress=False)


def test_an_object_whose_rows_differ_is_refused(unchecked):
    class Rows(Counted):
        def __getitem__(self, selection):
            return [np.ones(5) if row % 2 else np.ones(6) for row in np.arange(EXAMPLES)[selection]]

    class Records(Counted):
        def __getitem__(self, index):
            return self.array[operator.index(index)]

    class Changes(Counted):
        def __getitem__(self, selection):
            rows = super().__getitem__(selection)
            return rows if len(rows) == 1 else rows[:, :5]

    with table_trainer() as trainer:
        array = np.ones((EXAMPLES, 6))
        for column, error, message in (
            (
                Rows(array),
                ValueError,
                r"must have one shape, as the first one read, \(6,\); received shape=\(5,\), example=1",
            ),
            (Records(array), TypeError, "must be an array, or an object with a length"),
            (
                Changes(array),
                ValueError,
                r"must have the shape \(6,\) and the dtype float64; received shape=",
            ),
        ):
            with pytest.raises(error, match=message):
                trainer.fit({"features": column, "labels": LABELS}, progress=False)
