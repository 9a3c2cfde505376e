"""`tf.examples.tutorials.mnist.input_data`: the folder's files, a download, or the digits of the package."""

import contextlib
import functools
import gzip
import http.server
import struct
import threading

import numpy as np
import pytest

import graphkit.tf1 as tf
from graphkit.tf1.contrib.learn.datasets.mnist import FILES
from graphkit.tf1.examples.tutorials.mnist import input_data

SIZES = {"train": 30, "t10k": 10}


def write_mnist(folder):
    """Writes four files in MNIST's format; an image's pixels are its number, its label the last digit."""
    folder.mkdir(exist_ok=True)
    for name in FILES:
        count = SIZES[name.split("-")[0]]
        numbers = np.arange(count, dtype=np.uint8)
        if "images" in name:
            content = struct.pack(">HBB3i", 0, 8, 3, count, 28, 28) + np.repeat(numbers, 784).tobytes()
        else:
            content = struct.pack(">HBBi", 0, 8, 1, count) + (numbers % 10).tobytes()
        with gzip.open(folder / name, "wb") as file:
            file.write(content)
    return folder


def pixel_of(images):
    return np.rint(images[:, 0] * 255).astype(int)


def test_the_folder_s_files_are_read(tmp_path):
    mnist = input_data.read_data_sets(str(write_mnist(tmp_path)), validation_size=5)
    assert [part.num_examples for part in mnist] == [25, 5, 10]
    assert mnist.train.images.shape == (25, 784)
    assert mnist.train.images.dtype == np.float32
    assert pixel_of(mnist.validation.images).tolist() == [0, 1, 2, 3, 4]
    assert mnist.train.labels.tolist() == [n % 10 for n in range(5, 30)]


def test_one_hot_unscaled_and_with_axes(tmp_path):
    folder = str(write_mnist(tmp_path))
    mnist = input_data.read_data_sets(folder, one_hot=True, dtype=tf.uint8, reshape=False, validation_size=0)
    assert mnist.train.images.shape == (30, 28, 28, 1)
    assert mnist.train.images.dtype == np.uint8
    assert mnist.train.labels.shape == (30, 10)
    assert mnist.train.labels.argmax(1).tolist() == [n % 10 for n in range(30)]


def test_next_batch_takes_each_example_once_in_an_epoch(tmp_path):
    train = input_data.read_data_sets(str(write_mnist(tmp_path)), validation_size=6, seed=3).train
    batches = [train.next_batch(10) for _ in range(5)]
    pixels = np.concatenate([pixel_of(images) for images, _ in batches])
    labels = np.concatenate([labels for _, labels in batches])
    assert (labels == pixels % 10).all()
    assert sorted(pixels[:24]) == list(range(6, 30))
    assert sorted(pixels[24:48]) == list(range(6, 30))
    assert list(pixels[:24]) != sorted(pixels[:24])
    assert train.epochs_completed == 2


def test_next_batch_without_shuffling_keeps_the_order(tmp_path):
    test = input_data.read_data_sets(str(write_mnist(tmp_path)), validation_size=5).test
    taken = [pixel_of(test.next_batch(4, shuffle=False)[0]).tolist() for _ in range(3)]
    assert taken == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]


def test_a_seed_repeats_the_order(tmp_path):
    folder = str(write_mnist(tmp_path))
    orders = [
        pixel_of(
            input_data.read_data_sets(folder, validation_size=5, seed=seed).train.next_batch(25)[0]
        ).tolist()
        for seed in (1, 1, 2)
    ]
    assert orders[0] == orders[1] != orders[2]


def test_without_files_the_package_s_digits_stand_in(tmp_path, capsys):
    mnist = input_data.read_data_sets(str(tmp_path / "none"), one_hot=True)
    # A twelfth of the training set is held back, as 5,000 of 60,000 are.
    assert [part.num_examples for part in mnist] == [3667, 333, 1000]
    assert "no MNIST files in" in capsys.readouterr().err
    assert mnist.train.labels.sum(1).tolist() == [1] * 3667
    assert 0 <= mnist.train.images.min() < mnist.train.images.max() <= 1


def test_some_of_the_files_are_refused(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / FILES[1]).unlink()
    with pytest.raises(ValueError, match="all four files of MNIST or none"):
        input_data.read_data_sets(str(tmp_path))


def test_a_validation_set_above_the_training_set_is_refused(tmp_path):
    with pytest.raises(ValueError, match="validation_size must not exceed"):
        input_data.read_data_sets(str(write_mnist(tmp_path)), validation_size=31)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serving(folder):
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


def test_files_are_downloaded_once_from_an_address(tmp_path):
    folder = tmp_path / "MNIST_data"
    with serving(write_mnist(tmp_path / "served")) as address:
        first = input_data.read_data_sets(str(folder), validation_size=5, source_url=address)
    again = input_data.read_data_sets(str(folder), validation_size=5, source_url="http://127.0.0.1:9/")
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert (first.train.images == again.train.images).all()


def test_a_file_that_is_not_at_the_address_is_named(tmp_path):
    with serving(tmp_path) as address, pytest.raises(OSError, match="maybe_download.*404.*train-images"):
        input_data.read_data_sets(str(tmp_path / "MNIST_data"), source_url=address)
    assert list((tmp_path / "MNIST_data").iterdir()) == []


def test_fake_data():
    images, labels = input_data.read_data_sets("none", fake_data=True, one_hot=True).train.next_batch(3)
    assert (images == 1).all() and images.shape == (3, 784)
    assert labels.argmax(1).tolist() == [0, 0, 0]


def test_the_tutorial_s_network_learns():
    mnist, model = input_data.read_data_sets("none"), tf.examples.tutorials.mnist.mnist
    tf.set_random_seed(0)
    images = tf.placeholder(tf.float32, (None, model.IMAGE_PIXELS))
    labels = tf.placeholder(tf.int32, (None,))
    logits = model.inference(images, 64, 32)
    train = model.training(model.loss(logits, labels), 0.2)
    right = model.evaluation(logits, labels)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(200):
            x, y = mnist.train.next_batch(100)
            session.run(train, {images: x, labels: y})
        count = session.run(right, {images: mnist.test.images, labels: mnist.test.labels})
        assert session.run(tf.train.get_global_step()) == 200
    assert count / 1000 > 0.85
