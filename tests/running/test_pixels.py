"""Pixels: one rule for the integers and floats that a `gk.image_input` is given, by all ways in."""

import re

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit import checks
from graphkit.running import feeds, pixels, values

rng = np.random.default_rng(4)
IMAGES = rng.integers(0, 256, (40, 4, 4, 1), np.uint8)
IMAGES[0, 0, :2, 0] = 0, 255
LABELS = np.arange(40) % 3
SCALED = gk.scale_pixels(IMAGES)
INTEGERS, RAW = IMAGES.astype(np.int64), IMAGES.astype(np.float32)


class OnDisk:
    """Images that are read by an array of indices, as those of a file."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __len__(self):
        return len(self.array)

    def __getitem__(self, selection):
        return self.array[selection]


def mapped(array, folder):
    np.save(folder / "images.npy", array)
    return np.load(folder / "images.npy", mmap_mode="r")


class Net:
    """A trainer of a small network, and its tensors."""

    def __init__(self, **scaling):
        self.images, self.labels = gk.image_input(4, 4, 1, **scaling), gk.label_input()
        self.flat = gk.flatten(self.images)
        loss = gk.softmax_cross_entropy(gk.dense(self.flat, 3), self.labels)
        self.trainer = gk.Trainer(loss, seed=1)

    def seen(self, images):
        """Returns what the network gets, in the shape of the images."""
        return self.trainer.predict(self.flat, {self.images: images}).reshape(-1, 4, 4, 1)

    def data(self, images):
        return {self.images: images, self.labels: LABELS}

    def fit(self, images, **options):
        self.trainer.fit(self.data(images), progress=False, batch_size=16, **options)


@pytest.fixture(scope="module")
def net():
    with tf.Graph().as_default():
        made = Net()
    with made.trainer:
        yield made


GIVEN = {
    "list": lambda folder: IMAGES.tolist(),
    "int16": lambda folder: IMAGES.astype(np.int16),
    "big endian": lambda folder: IMAGES.astype(">u4"),
    "view": lambda folder: np.repeat(INTEGERS, 2, axis=0)[::2],
    "column": lambda folder: OnDisk(INTEGERS),
    "mapped": lambda folder: mapped(IMAGES.astype(np.uint64), folder),
    "stream": lambda folder: lambda: iter([INTEGERS[:16], IMAGES[16:20].tolist(), IMAGES[20:]]),
    "scaled": lambda folder: SCALED,
    "scaled doubles": lambda folder: SCALED.astype(np.float64),
    "scaled column": lambda folder: OnDisk(SCALED),
}


@pytest.mark.parametrize("kind", GIVEN)
def test_what_the_network_gets_for_pixels(net, kind, tmp_path):
    assert net.seen(GIVEN[kind](tmp_path)).tobytes() == SCALED.tobytes()


@pytest.mark.parametrize("images", [INTEGERS, IMAGES.tolist(), SCALED], ids=["int64", "list", "scaled"])
def test_what_is_fed_in_every_step_follows_the_rule(net, images):
    fed = feeds.check_feed(checks.Checker("fit"), net.trainer.graph, {net.images: images})
    assert fed[net.images].tobytes() == SCALED.tobytes()


@pytest.mark.parametrize("execution", ["resident", pytest.param("compiled", marks=pytest.mark.slow)])
def test_a_fit_has_the_bits_of_one_on_bytes(net, execution, tmp_path):
    start = net.trainer.save(tmp_path / "start")

    def trained(images):
        net.trainer.restore(start)
        net.fit(images, valid=net.data(images), execution=execution)
        return net.trainer.history["valid_loss"], net.trainer.weights()["dense/kernel"].tobytes()

    expected = trained(IMAGES)
    assert all(trained(images) == expected for images in (INTEGERS, OnDisk(INTEGERS), SCALED))


def test_augmentations_get_bytes(net):
    dtypes = set()

    def keep(rows, seed):
        dtypes.add(rows.dtype)
        return rows

    step = net.trainer.step
    for images in (INTEGERS, OnDisk(INTEGERS)):
        net.fit(images, augment={net.images: keep})
    assert dtypes == {np.dtype(np.uint8)} and net.trainer.step == step + 6


@pytest.mark.parametrize(
    ("most", "remedy"), [(1, "images * 255"), (16, "images * 15"), (60, None), (0, None)]
)
def test_faint_pixels_are_named(net, most, remedy, caplog):
    images = np.arange(64 * 16).reshape(64, 4, 4, 1) % (most + 1)
    for dtype in (np.uint8, np.int64):
        caplog.clear()
        net.trainer.fit({net.images: images.astype(dtype), net.labels: np.arange(64) % 3}, progress=False)
        assert (f"the largest pixel of images:0 is {most}, of 255" in caplog.text) == (remedy is not None)
        assert remedy is None or f"give {remedy}, or" in caplog.text


def raises(error, rule):
    return pytest.raises(error, match=re.escape(rule))


OTHERS = "gk.image_input(..., scale=None) takes any numbers"
FLOATS = (
    "images:0 takes pixels 0..255 as integers, or floats that were scaled to -1..0.9922: scale pixels by "
    "gk.scale_pixels(images), or make images:0 by gk.image_input(..., scale=None), which takes any floats"
)
REFUSED = {
    "floats": (RAW, ValueError, f"{FLOATS}; received lowest=0.0, highest=255.0"),
    "standardised": (
        (IMAGES - 100.0) / 40,
        ValueError,
        "to -1..0.9922: make images:0 by gk.image_input(..., scale=None), which takes any floats, such as "
        "standardised images; received lowest=-2.5, highest=3.875",
    ),
    "not of 255": (IMAGES / 51, ValueError, "0.9922: make images:0 by gk.image_input(..., scale=None)"),
    "256": (
        INTEGERS + 1,
        ValueError,
        f"images:0 must be pixels, integers in 0..255 ({OTHERS}); received value=256, example=0",
    ),
    "below zero": (IMAGES.astype(np.int16) - 1, ValueError, "received value=-1, example=0"),
    "16 bits": (
        IMAGES * np.uint16(257),
        ValueError,
        f"in 0..255 (images // 256 makes 8 bits of 16, {OTHERS}); received value=65535, example=0",
    ),
    "booleans": (
        IMAGES > 99,
        TypeError,
        "images:0 takes pixels 0..255, not booleans: give images * np.uint8(255); received dtype='bool'",
    ),
    "not finite": (np.where(IMAGES == 0, np.nan, SCALED), ValueError, "images:0 must be finite; received"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_pixels_is_refused(net, kind):
    images, error, rule = REFUSED[kind]
    with raises(error, rule):
        net.seen(images)


@pytest.mark.parametrize("kind", ["floats", "256"])
def test_all_ways_in_refuse_before_a_step(net, kind):
    images, error, rule = REFUSED[kind]
    step, weights = net.trainer.step, net.trainer.weights()["dense/kernel"]
    with raises(error, f"fit: {rule}"):
        net.fit(images)
    with raises(error, f"fit (valid): {rule}"):
        net.fit(IMAGES, valid=net.data(images))
    with raises(error, f"evaluate: {rule}"):
        net.trainer.evaluate(net.data(images))
    with raises(error, f"evaluate: {rule.replace(', example=0', '')}"):
        net.trainer.evaluate({net.labels: LABELS}, {net.images: images})
    with raises(error, f"predict, batch 1: {rule}"):
        net.seen(lambda: iter([SCALED if kind == "floats" else IMAGES, images]))
    assert net.trainer.step == step and np.array_equal(weights, net.trainer.weights()["dense/kernel"])


def test_columns_are_refused_as_they_are_read(net, monkeypatch):
    monkeypatch.setattr(values, "CHUNK", 1)  # so that nothing is read before
    late = INTEGERS.copy()
    late[33] = 256
    with raises(ValueError, "received value=256, example=33"):
        net.seen(OnDisk(late))
    with raises(ValueError, "gk.scale_pixels(images)"):
        net.fit(OnDisk(RAW))


def test_the_scaling_is_that_of_the_placeholder():
    net = Net(offset=0, scale=255)
    with net.trainer:
        assert net.seen(INTEGERS).tobytes() == gk.scale_pixels(IMAGES, 0, 255).tobytes()
        assert np.array_equal(net.seen(IMAGES / 255), (IMAGES / 255).astype(np.float32))
        with raises(ValueError, "to 0..1: scale pixels by gk.scale_pixels(images, offset=0, scale=255)"):
            net.seen(1.0 * IMAGES)
        with raises(ValueError, "to 0..1: make images:0 by gk.image_input(..., scale=None), which takes any"):
            net.seen(2.0 * IMAGES / 255 - 1)


@pytest.mark.parametrize("images", [IMAGES / 255, IMAGES / 127.5 - 1, 1.4 * SCALED, 0.0 * IMAGES])
def test_floats_that_were_scaled_in_another_way_are_taken(net, images):
    assert np.array_equal(net.seen(images), images.astype(np.float32))


def test_other_placeholders_take_any_numbers():
    foreign = tf.compat.v1.placeholder(tf.float32, (None, 4), "foreign") * 1
    net = Net(scale=None)
    with net.trainer:
        for images in (IMAGES, INTEGERS * 300, RAW - 500, IMAGES > 99):
            assert np.array_equal(net.seen(images), images.astype(np.float32))
        rows = IMAGES[:, 0, :, 0]
        for features in (rows, rows.tolist(), rows * 2.5):
            found = net.trainer.predict(foreign, {"foreign": features})
            assert np.array_equal(found, np.float32(features))


def test_scaling_in_a_graph_has_the_bits_of_numpy():
    scaling = pixels.Scaling(33.3, 57.7)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        found = session.run(scaling.emit(tf.constant(IMAGES), tf.float32))
    assert found.tobytes() == scaling.rows(IMAGES).tobytes() == gk.scale_pixels(IMAGES, 33.3, 57.7).tobytes()
