"""TFRecord files: their order, what is read of them, and what is refused by the name of the file."""

import gzip

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit import checks

FEATURES = {"labels": tf.io.FixedLenFeature((), tf.int64), "images": tf.io.FixedLenFeature((4,), tf.float32)}


def example(label, values):
    feature = {
        "labels": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
        "images": tf.train.Feature(float_list=tf.train.FloatList(value=values)),
        "pixels": tf.train.Feature(bytes_list=tf.train.BytesList(value=[bytes([label] * 4)])),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def write(path, labels, options=None):
    with tf.io.TFRecordWriter(str(path), options) as writer:
        for label in labels:
            writer.write(example(label, [label / 2] * 4))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("records")
    for number in range(3):
        write(found / f"train-{number}.tfrecord", range(7 * number, 7 * number + 7))
    return found


def labels_of(batches):
    return [batch["labels"].tolist() for batch in batches]


def test_without_shuffling_files_are_read_in_the_order_of_their_names(folder):
    stream = gk.tfrecord_batches(folder / "train-*", FEATURES, batch_size=8, shuffle=False)
    batches = list(stream())
    assert labels_of(batches) == [[*range(8)], [*range(8, 16)], [*range(16, 21)]]
    assert batches[0]["images"].dtype == np.float32 and batches[0]["images"][3].tolist() == [1.5] * 4
    stream = gk.tfrecord_batches(folder / "train-*", FEATURES, batch_size=8, drop_remainder=True)
    assert [len(labels) for labels in labels_of(stream())] == [8, 8]


def test_the_order_follows_from_seed_and_epoch(folder):
    def orders(seed, epochs=(0, 1), **options):
        stream = gk.tfrecord_batches(folder / "train-*", FEATURES, batch_size=21, seed=seed, **options)
        return [labels_of(stream(epoch))[0] for epoch in epochs]

    first, second = orders(5)
    assert sorted(first) == sorted(second) == list(range(21)) and first != second
    assert orders(5, epochs=(1,)) == [second] and orders(6) != [first, second]
    # Of a buffer of one example, only the order of the files is shuffled.
    for order in orders(5, buffer_size=1, epochs=range(4)):
        starts = order[::7]
        assert sorted(starts) == [0, 7, 14] and order == [s + n for s in starts for n in range(7)]


def test_examples_are_decoded_in_the_graph(folder):
    def decode(one):
        pixels = tf.reshape(tf.io.decode_raw(one["pixels"], tf.uint8), (2, 2, 1))
        return {"images": pixels, "labels": one["labels"]}

    features = {"labels": FEATURES["labels"], "pixels": tf.io.FixedLenFeature((), tf.string)}
    stream = gk.tfrecord_batches(folder / "train-0*", features, batch_size=5, shuffle=False, decode=decode)
    batch = next(stream())
    assert batch["images"].shape == (5, 2, 2, 1) and batch["images"].dtype == np.uint8
    assert batch["images"][3].tolist() == [[[3], [3]], [[3], [3]]]


def test_compressed_files_are_read(tmp_path):
    write(tmp_path / "a.tfrecord.gz", range(3), "GZIP")
    assert labels_of(gk.tfrecord_batches(tmp_path / "a*", FEATURES, shuffle=False)()) == [[0, 1, 2]]
    with gzip.open(tmp_path / "b.tfrecord.gz", "wb") as stream:
        stream.write(b"no record, but long enough")
    with pytest.raises(ValueError, match=r"b.tfrecord.gz is not a TFRecord file"):
        gk.tfrecord_batches(tmp_path / "*.gz", FEATURES)


@pytest.mark.slow
def test_a_trainer_trains_on_the_files_as_on_arrays(folder):
    stream = gk.tfrecord_batches(folder / "train-*", FEATURES, batch_size=8, shuffle=False)
    values = np.repeat(np.arange(21, dtype=np.float32) / 2, 4).reshape(21, 4)
    arrays = {"images": values, "labels": np.arange(21)}
    found = []
    for data, options in ((stream, {}), (arrays, {"batch_size": 8, "shuffle": False})):
        with tf.Graph().as_default():
            images, labels = gk.feature_input(4, name="images"), gk.label_input()
            with gk.Trainer(gk.softmax_cross_entropy(gk.dense(images, 21), labels)) as trainer:
                trainer.fit(data, epochs=2, progress=False, **options)
                assert trainer.evaluate(stream) == trainer.evaluate(arrays, batch_size=8)
                found.append(trainer.weights())
    assert all(np.array_equal(found[0][name], value) for name, value in found[1].items())


def test_a_damaged_file_is_named(folder, tmp_path):
    content = bytearray((folder / "train-1.tfrecord").read_bytes())
    (tmp_path / "a.tfrecord").write_bytes((folder / "train-0.tfrecord").read_bytes())
    for name, part in (("cut", content[:-3]), ("bad", content[:-20] + b"?" + content[-19:])):
        path = tmp_path / f"{name}.tfrecord"
        path.write_bytes(part)
        stream = gk.tfrecord_batches([tmp_path / "a.tfrecord", path], FEATURES, shuffle=False)
        with pytest.raises(
            checks.GraphkitError,
            match=rf"{name}.tfrecord is damaged or cut off: (corrupted|truncated) record at \d+",
        ):
            list(stream())


def test_what_cannot_be_read_is_refused_before_anything_is_read(folder, tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_bytes(b"one, two, three, four, five, six")
    first = (folder / "train-0.tfrecord").read_bytes()
    (tmp_path / "short").write_bytes(first[:40])
    write(tmp_path / "x.gz", [1], "GZIP")
    one = folder / "train-0.tfrecord"
    scalar = tf.io.FixedLenFeature((), tf.float32)
    cases = [
        (
            folder / "test-*",
            FEATURES,
            FileNotFoundError,
            r"there is no such file; received pattern=.*test-\*",
        ),
        ([one, folder / "none"], FEATURES, FileNotFoundError, "received pattern=.*none"),
        ([], FEATURES, ValueError, "pattern must match a file"),
        (tmp_path / "empty", FEATURES, ValueError, "empty has no record"),
        (tmp_path / "text", FEATURES, ValueError, "text is not a TFRecord file"),
        (
            tmp_path / "short",
            FEATURES,
            ValueError,
            "short is not a TFRecord file of .*, or its first record is cut",
        ),
        ([one, tmp_path / "x.gz"], FEATURES, ValueError, "all files, or none, must be compressed"),
        (
            one,
            {"label": FEATURES["labels"]},
            ValueError,
            r"train-0.tfrecord lacks a feature \(near it: labels\)",
        ),
        (one, {"labels": scalar}, ValueError, "train-0.tfrecord holds labels as int64_list; received dtype"),
        (
            one,
            {"images": scalar},
            ValueError,
            r"train-0.tfrecord holds 4 values of images; received shape=\(\)",
        ),
        (one, {"images": tf.io.VarLenFeature(tf.float32)}, TypeError, "features must be"),
        (one, {}, TypeError, "features must be"),
    ]
    for pattern, features, kind, rule in cases:
        with pytest.raises(kind, match=rule):
            gk.tfrecord_batches(pattern, features)
    with pytest.raises(TypeError, match="decode must be a function .*-> {name: tensor}"):
        gk.tfrecord_batches(one, FEATURES, decode=lambda one: one["labels"])
