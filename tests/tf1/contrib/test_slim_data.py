"""`slim.dataset` and its kin: TFRecord files as tensors."""

import numpy as np
import pytest

import graphkit.tf1 as tf

slim = tf.contrib.slim
decoder = slim.tfexample_decoder
COUNT = 12


def feature(value):
    if isinstance(value, bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    kind = "float" if isinstance(value[0], float) else "int64"
    lists = {"float": tf.train.FloatList, "int64": tf.train.Int64List}
    return tf.train.Feature(**{f"{kind}_list": lists[kind](value=value)})


def image_of(number):
    return np.random.RandomState(number).randint(0, 256, (4, 5, 3), np.uint8)


@pytest.fixture
def files(tmp_path):
    """Two files of six examples each: images (PNG and raw in turn), labels, boxes, and a shape."""
    with tf.Session() as session:
        encoded = [session.run(tf.io.encode_png(image_of(n))) for n in range(COUNT)]
    for part in range(2):
        with tf.python_io.TFRecordWriter(str(tmp_path / f"digits-{part}.tfrecord")) as writer:
            for number in range(6 * part, 6 * part + 6):
                raw = number % 2 == 1
                values = {
                    "image/encoded": image_of(number).tobytes() if raw else encoded[number],
                    "image/format": b"raw" if raw else b"png",
                    "label": [number],
                    "box/ymin": [0.0, 0.1 * number],
                    "box/xmin": [0.0, 0.2],
                    "box/ymax": [1.0, 0.3],
                    "box/xmax": [1.0, 0.4],
                    "numbers": [number, number + 1, number + 2, number + 3],
                    "size": [2, 2],
                }
                features = tf.train.Features(feature={key: feature(value) for key, value in values.items()})
                writer.write(tf.train.Example(features=features).SerializeToString())
    return str(tmp_path / "digits-*.tfrecord")


def digits(pattern):
    features = {
        "image/encoded": tf.FixedLenFeature((), tf.string, ""),
        "image/format": tf.FixedLenFeature((), tf.string, "png"),
        "label": tf.FixedLenFeature([1], tf.int64),
        "numbers": tf.VarLenFeature(tf.int64),
        "size": tf.FixedLenFeature([2], tf.int64),
        **{f"box/{side}": tf.VarLenFeature(tf.float32) for side in ("ymin", "xmin", "ymax", "xmax")},
    }
    handlers = {
        "image": decoder.Image(shape=[4, 5, 3]),
        "label": decoder.Tensor("label", shape=[]),
        "matrix": decoder.Tensor("numbers", shape_keys="size"),
        "boxes": decoder.BoundingBox(prefix="box/"),
        "twice": decoder.ItemHandlerCallback(["label"], lambda tensors: 2 * tensors["label"]),
    }
    return slim.dataset.Dataset(
        data_sources=pattern,
        reader=tf.TFRecordReader,
        decoder=decoder.TFExampleDecoder(features, handlers),
        num_samples=COUNT,
        items_to_descriptions={"image": "a picture"},
        num_classes=COUNT,
    )


def test_items_in_order(files):
    provider = slim.dataset_data_provider.DatasetDataProvider(digits(files), shuffle=False, num_epochs=1)
    items = ["image", "label", "matrix", "boxes", "twice", "record_key"]
    assert provider.list_items() == items and provider.num_samples() == COUNT
    tensors = provider.get(items)
    assert tensors[0].shape.as_list() == [4, 5, 3]
    with tf.Session() as session:
        for number in range(COUNT):
            image, label, matrix, boxes, twice, key = session.run(tensors)
            assert (image == image_of(number)).all()
            assert label == number and twice.tolist() == [2 * number]
            assert matrix.tolist() == [[number, number + 1], [number + 2, number + 3]]
            np.testing.assert_allclose(boxes, [[0, 0, 1, 1], [0.1 * number, 0.2, 0.3, 0.4]], rtol=1e-6)
            assert key.decode().endswith(f"digits-{number // 6}.tfrecord:{number % 6}")
        with pytest.raises(tf.errors.OutOfRangeError):
            session.run(tensors)


def test_an_epoch_in_mini_batches_has_each_example_once(files):
    provider = slim.dataset_data_provider.DatasetDataProvider(
        digits(files), num_readers=2, num_epochs=1, seed=1
    )
    image, label = provider.get(["image", "label"])
    batch = tf.train.batch([image, label], batch_size=4)
    with tf.Session() as session, slim.queues.QueueRunners(session):
        labels = [session.run(batch)[1] for _ in range(3)]
    labels = np.concatenate(labels).tolist()
    assert sorted(labels) == list(range(COUNT)) and labels != list(range(COUNT))


def test_errors(files, tmp_path):
    with pytest.raises(ValueError, match="there must be files that data_sources names"):
        slim.dataset_data_provider.DatasetDataProvider(digits(str(tmp_path / "none-*")))
    with pytest.raises(ValueError, match="record_key must not be the name of an item"):
        slim.dataset_data_provider.DatasetDataProvider(digits(files), record_key="label")
    provider = slim.dataset_data_provider.DatasetDataProvider(digits(files))
    with pytest.raises(ValueError, match="'nothing'"):
        provider.get(["nothing"])
    with pytest.raises(ValueError, match="Cannot specify both"):
        decoder.Tensor("a", shape_keys="b", shape=[1])


def test_several_readers_read_each_record_once(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text(f"{number}a\n{number}b\n")
    key, value = slim.data.parallel_reader.parallel_read(
        str(tmp_path / "*.txt"), tf.TextLineReader, num_epochs=1, num_readers=2, min_after_dequeue=0
    )
    provider = slim.data.data_provider.DataProvider({"line": value, "key": key}, 6)
    (line,) = provider.get(["line"])
    found = []
    with tf.train.MonitoredSession() as session:
        while not session.should_stop():
            found.append(session.run(line).decode())
    assert sorted(found) == ["0a", "0b", "1a", "1b", "2a", "2b"]
    assert provider.num_samples() == 6 and provider.list_items() == ["line", "key"]
