"""Data sets by name, by path and by download: right arrays, clean splits, refusals that say where."""

import functools
import gc
import gzip
import hashlib
import http.server
import io
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import tracemalloc

import hypothesis.strategies as st
import keras
import numpy as np
import pytest
from hypothesis import given, settings

import graphkit as gk
from graphkit import checks
from graphkit.data import datasets, sources

EXAMPLES = settings(deadline=None, derandomize=True, database=None, max_examples=60)
MEBIBYTE = 1 << 20
NAMES = ["mnist_5k", "words_5_languages", "mnist", "fashion_mnist", "cifar10", "cifar100"]
IDX_FILES = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]
CIFAR_FILES = {
    "cifar10": [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"],
    "cifar100": ["train.bin", "test.bin"],
}
SYSTEM_FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")
CHECK = checks.Checker("load_dataset")


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch):
    monkeypatch.delenv("GRAPHKIT_DATA", raising=False)


def idx(values):
    values = np.asarray(values)
    code = {"uint8": 0x08, "int8": 0x09, "int32": 0x0C, "float32": 0x0D}[str(values.dtype)]
    header = bytes([0, 0, code, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + values.astype(values.dtype.newbyteorder(">")).tobytes()


def idx_contents(train=20, test=6, size=4, first=0):
    """Returns the four files of a data set whose image number n has all pixels n and the label n % 3."""
    contents = {}
    for part, start, count in (("train", first, train), ("t10k", first + train, test)):
        numbers = np.arange(start, start + count).astype(np.uint8)
        images = np.broadcast_to(numbers[:, None, None], (count, size, size + 1))
        contents[f"{part}-images-idx3-ubyte"] = idx(images)
        contents[f"{part}-labels-idx1-ubyte"] = idx(numbers % 3)
    return contents


def write_files(folder, contents, zipped=False):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        path = folder / (f"{name}.gz" if zipped else name)
        path.write_bytes(gzip.compress(content) if zipped else content)
    return folder


def cifar_images(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8)


def cifar_bytes(images, *label_columns):
    """Returns the records of the binary version: label bytes, then all red, all green, all blue pixels."""
    records = []
    for image, *labels in zip(images, *label_columns, strict=True):
        records += [bytes(labels), *(image[:, :, channel].tobytes() for channel in range(3))]
    return b"".join(records)


def cifar_contents(name, each=3):
    """Returns the files, and the images and labels in the order of the files."""
    files = CIFAR_FILES[name]
    images = cifar_images(each * len(files))
    labels = [number % 10 for number in range(len(images))]
    contents = {}
    for number, file in enumerate(files):
        chosen = slice(each * number, each * (number + 1))
        columns = [labels[chosen]] if name == "cifar10" else [[19] * each, labels[chosen]]
        contents[file] = cifar_bytes(images[chosen], *columns)
    return contents, images, labels


def npz_path(folder, **arrays):
    path = folder / "some.npz"
    np.savez(path, **arrays)
    return path


def image_arrays(count=30, num_classes=3):
    labels = np.arange(count) % num_classes
    images = np.zeros((count, 4, 5), np.uint8)
    images[:, 0, 0] = np.arange(count)
    return {"images": images, "labels": labels}


def keras_arrays(train=20, test=6):
    parts = {}
    for part, start, count in (("train", 0, train), ("test", train, test)):
        numbers = np.arange(start, start + count).astype(np.uint8)
        parts[f"x_{part}"] = np.broadcast_to(numbers[:, None, None], (count, 4, 5))
        parts[f"y_{part}"] = numbers % 3
    return parts


def numbers_of(split):
    """Returns the numbers of the images of `idx_contents`, `image_arrays` or `keras_arrays`."""
    return split.images[:, 0, 0, 0].tolist()


def assert_whole(data, train, test, num_classes=3):
    """The images numbered below `train` are in train and valid, the next `test` in the test set."""
    assert sorted(numbers_of(data.train) + numbers_of(data.valid)) == list(range(train))
    assert numbers_of(data.test) == list(range(train, train + test))
    for split in (data.train, data.valid, data.test):
        assert isinstance(split, gk.data.ImageSplit)
        assert (split.images.dtype, split.labels.dtype) == (np.uint8, np.int32)
        assert split.labels.tolist() == [number % num_classes for number in numbers_of(split)]


def same(one, other):
    return all(np.array_equal(left, right) for left, right in zip(one, other, strict=True))


def assert_refused(path, *words, kind=ValueError, **options):
    with pytest.raises(kind) as caught:
        gk.load_dataset(path, **options)
    for word in map(str, words):
        assert word in str(caught.value)


# The data sets inside the package


@pytest.fixture(scope="module")
def digits():
    return gk.load_dataset("mnist_5k")


@pytest.fixture(scope="module")
def words():
    return gk.load_dataset("words_5_languages")


def test_mnist_5k_has_5000_images(digits):
    assert isinstance(digits, gk.data.Dataset) and digits.name == "mnist_5k"
    shapes = [split.images.shape for split in (digits.train, digits.valid, digits.test)]
    assert shapes == [(3667, 28, 28, 1), (333, 28, 28, 1), (1000, 28, 28, 1)]


def test_mnist_5k_is_uint8_with_int32_labels(digits):
    for split in (digits.train, digits.valid, digits.test):
        assert isinstance(split, gk.data.ImageSplit)
        assert (split.images.dtype, split.labels.dtype) == (np.uint8, np.int32)
    assert digits.train.images.min() == 0 and digits.train.images.max() == 255


def test_mnist_5k_classes_are_balanced(digits):
    assert digits.classes == tuple("0123456789")
    assert np.bincount(digits.test.labels).tolist() == [100] * 10
    others = np.concatenate([digits.train.labels, digits.valid.labels])
    assert np.bincount(others).tolist() == [400] * 10


def test_mnist_5k_train_and_valid_are_shuffled(digits):
    for labels in (digits.train.labels, digits.valid.labels):
        assert np.count_nonzero(np.diff(labels)) > len(labels) / 2


def test_mnist_5k_shares_no_image_between_splits(digits):
    parts = [{image.tobytes() for image in split.images} for split in digits[1:4]]
    assert len(set.union(*parts)) == sum(map(len, parts))


def test_words_5_languages_has_20000_words(words):
    assert words.classes == ("de", "en", "es", "fr", "it")
    assert [len(split.words) for split in (words.train, words.valid, words.test)] == [14667, 1333, 4000]
    assert all(isinstance(split, gk.data.WordSplit) for split in words[1:4])


def test_words_5_languages_are_unicode_with_int32_labels(words):
    assert words.train.words.dtype.kind == "U" and words.train.labels.dtype == np.int32
    assert np.bincount(words.test.labels).tolist() == [800] * 5


def test_words_5_languages_shares_no_word_between_splits(words):
    parts = [set(split.words.tolist()) for split in words[1:4]]
    assert len(set.union(*parts)) == 20_000 == sum(map(len, parts))


@pytest.mark.parametrize("name", ["mnist_5k", "words_5_languages"])
def test_embedded_data_set_is_the_same_for_the_same_seed(name):
    first, again = gk.load_dataset(name, seed=3), gk.load_dataset(name, seed=3)
    assert all(same(one, other) for one, other in zip(first[1:4], again[1:4], strict=True))


@pytest.mark.parametrize("name", ["mnist_5k", "words_5_languages"])
def test_embedded_test_set_does_not_depend_on_the_seed(name):
    first, other = gk.load_dataset(name, seed=0), gk.load_dataset(name, seed=1)
    assert same(first.test, other.test)
    assert not same(first.valid, other.valid) and not same(first.train, other.train)


def test_embedded_data_set_is_loaded_afresh_each_time(digits):
    spoiled = gk.load_dataset("mnist_5k")
    spoiled.train.images[:] = 7
    assert same(gk.load_dataset("mnist_5k").train, digits.train)


# Splits


@EXAMPLES
@given(
    labels=st.lists(st.integers(0, 3), min_size=8, max_size=80),
    fraction=st.floats(0, 0.8),
    seed=st.integers(0, 2**32),
)
def test_each_example_is_in_exactly_one_split(tmp_path_factory, labels, fraction, seed):
    numbers = np.arange(len(labels), dtype=np.float64)
    arrays = {"features": np.stack([numbers, -numbers], axis=1), "labels": np.array(labels)}
    path = npz_path(tmp_path_factory.getbasetemp(), classes=np.array(list("abcd")), **arrays)
    data = gk.load_dataset(path, valid_fraction=fraction, seed=seed)
    parts = [split.features[:, 0].astype(int).tolist() for split in data[1:4]]
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    for split, part in zip(data[1:4], parts, strict=True):
        assert split.labels.tolist() == [labels[number] for number in part]
    assert abs(len(parts[1]) - fraction * (len(labels) - len(parts[2]))) <= 0.5


@EXAMPLES
@given(counts=st.lists(st.integers(1, 40), min_size=1, max_size=5), seed=st.integers(0, 2**32))
def test_a_fifth_of_each_class_is_the_test_set(tmp_path_factory, counts, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    arrays = {"features": np.zeros((len(labels), 1)), "labels": labels}
    data = gk.load_dataset(npz_path(tmp_path_factory.getbasetemp(), **arrays), valid_fraction=0, seed=seed)
    tested = np.bincount(data.test.labels, minlength=len(counts))
    assert np.all(np.abs(tested - np.array(counts) / 5) <= 0.5)


def test_same_seed_gives_the_same_split_and_another_seed_another(tmp_path):
    path = npz_path(tmp_path, **image_arrays(100))
    first, again, other = (gk.load_dataset(path, valid_fraction=0.3, seed=seed) for seed in (5, 5, 6))
    assert same(first.train, again.train) and same(first.valid, again.valid)
    assert set(numbers_of(first.valid)) != set(numbers_of(other.valid))
    assert same(first.test, other.test)


def test_a_test_set_of_its_own_stays_as_it_is(tmp_path):
    folder = write_files(tmp_path / "set", idx_contents())
    for seed in range(3):
        assert_whole(gk.load_dataset(folder, seed=seed), 20, 6)


def test_train_and_valid_are_shuffled(tmp_path):
    data = gk.load_dataset(npz_path(tmp_path, **image_arrays(200)), valid_fraction=0.5)
    for split in (data.train, data.valid):
        assert numbers_of(split) != sorted(numbers_of(split))


def test_valid_fraction_of_zero_holds_nothing_back(tmp_path):
    data = gk.load_dataset(npz_path(tmp_path, **keras_arrays()), valid_fraction=0)
    assert data.valid.images.shape == (0, 4, 5, 1) and data.valid.labels.shape == (0,)
    assert sorted(numbers_of(data.train)) == list(range(20))


@pytest.mark.parametrize(("fraction", "count"), [(1 / 12, 2), (0.1, 2), (0.25, 5), (0.5, 10), (0.9, 18)])
def test_valid_fraction_is_the_share_held_back(tmp_path, fraction, count):
    data = gk.load_dataset(npz_path(tmp_path, **keras_arrays()), valid_fraction=fraction)
    assert (len(data.train.labels), len(data.valid.labels)) == (20 - count, count)


def test_valid_fraction_that_leaves_no_training_example_is_refused(tmp_path):
    assert_refused(npz_path(tmp_path, **keras_arrays()), "valid_fraction", valid_fraction=0.99)


@pytest.mark.parametrize("fraction", [-0.1, 1, 1.5, float("nan"), float("inf")])
def test_valid_fraction_outside_its_bounds_is_refused(fraction):
    assert_refused("mnist_5k", "load_dataset: valid_fraction must be", valid_fraction=fraction)


@pytest.mark.parametrize("fraction", ["0.1", None, True, [0.1]])
def test_valid_fraction_that_is_no_number_is_refused(fraction):
    assert_refused("mnist_5k", "load_dataset: valid_fraction", kind=TypeError, valid_fraction=fraction)


def test_negative_seed_is_refused():
    assert_refused("mnist_5k", "load_dataset: seed must be", "seed=-1", seed=-1)


@pytest.mark.parametrize("seed", [0.0, "0", None, True])
def test_seed_that_is_no_integer_is_refused(seed):
    assert_refused("mnist_5k", "load_dataset: seed must be", kind=TypeError, seed=seed)


# Names and paths


@pytest.mark.parametrize("name", ["no_such_data", "MNIST", "mnist ", "", "a\0b", "no/such/path.npz"])
def test_unknown_name_lists_the_names(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert_refused(name, repr(name), *NAMES, kind=FileNotFoundError)


@pytest.mark.parametrize("name", [None, 3, ["mnist"]])
def test_what_is_no_name_or_path_is_a_type_error(name):
    assert_refused(name, kind=TypeError)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("as_path", [str, pathlib.Path])
def test_folder_of_idx_files_is_read_by_path(tmp_path, zipped, as_path):
    folder = write_files(tmp_path / "own digits", idx_contents(), zipped)
    data = gk.load_dataset(as_path(folder))
    assert_whole(data, 20, 6)
    assert data.train.images.shape[1:] == (4, 5, 1)
    assert (data.name, data.classes) == (str(folder), ("0", "1", "2"))


def test_folder_of_idx_files_partly_gzipped_is_read(tmp_path):
    contents = idx_contents()
    folder = write_files(tmp_path, {name: contents[name] for name in IDX_FILES[::2]}, zipped=True)
    write_files(folder, {name: contents[name] for name in IDX_FILES[1::2]})
    assert_whole(gk.load_dataset(folder), 20, 6)


@pytest.mark.parametrize("missing", IDX_FILES)
def test_partly_filled_folder_names_the_missing_file(tmp_path, missing):
    contents = idx_contents()
    del contents[missing]
    folder = write_files(tmp_path / "part", contents)
    assert_refused(folder, folder, missing, kind=FileNotFoundError)
    assert_refused("mnist", folder, missing, kind=FileNotFoundError, folder=folder)


def test_folder_without_data_names_what_is_missing(tmp_path):
    assert_refused(tmp_path, tmp_path, IDX_FILES[0], kind=FileNotFoundError)


@pytest.mark.parametrize("damaged", IDX_FILES)
def test_cut_off_file_in_a_folder_is_named(tmp_path, damaged):
    contents = idx_contents()
    contents[damaged] = contents[damaged][:-1]
    folder = write_files(tmp_path / "cut", contents)
    assert_refused(folder, folder / damaged)


def test_images_and_labels_swapped_are_refused(tmp_path):
    contents = idx_contents()
    contents[IDX_FILES[0]], contents[IDX_FILES[1]] = contents[IDX_FILES[1]], contents[IDX_FILES[0]]
    folder = write_files(tmp_path / "swapped", contents)
    assert_refused(folder, folder)


@pytest.mark.parametrize("part", ["train", "t10k"])
def test_folder_with_more_labels_than_images_is_refused(tmp_path, part):
    contents = idx_contents()
    contents[f"{part}-labels-idx1-ubyte"] = idx(np.zeros(21, np.uint8))
    folder = write_files(tmp_path / "unequal", contents)
    assert_refused(folder, folder)


@pytest.mark.parametrize("part", ["train", "t10k"])
def test_folder_without_examples_is_refused(tmp_path, part):
    contents = idx_contents()
    contents[f"{part}-labels-idx1-ubyte"] = idx(np.zeros(0, np.uint8))
    contents[f"{part}-images-idx3-ubyte"] = idx(np.zeros((0, 4, 5), np.uint8))
    folder = write_files(tmp_path / "empty", contents)
    assert_refused(folder, folder)


def test_folder_with_labels_that_are_no_integers_is_refused(tmp_path):
    contents = idx_contents()
    contents[IDX_FILES[1]] = idx(np.zeros(20, np.float32))
    folder = write_files(tmp_path / "float", contents)
    assert_refused(folder, folder, "integers")


def test_folder_with_images_that_are_not_uint8_is_refused(tmp_path):
    contents = idx_contents()
    contents[IDX_FILES[0]] = idx(np.zeros((20, 4, 5), np.float32))
    folder = write_files(tmp_path / "float", contents)
    assert_refused(folder, folder)


@pytest.mark.parametrize("shape", [(6, 9, 9), (6, 4, 6), (6, 4, 5, 3)])
def test_folder_with_test_images_of_another_size_is_refused(tmp_path, shape):
    contents = idx_contents()
    contents[IDX_FILES[2]] = idx(np.zeros(shape, np.uint8))
    folder = write_files(tmp_path / "sizes", contents)
    assert_refused(folder, folder)


# The places where a named data set is looked for


@pytest.mark.parametrize("inside", [".", "mnist"])
@pytest.mark.parametrize("zipped", [False, True])
def test_named_data_set_is_read_from_data_dir(tmp_path, inside, zipped):
    write_files(tmp_path / inside, idx_contents(), zipped)
    data = gk.load_dataset("mnist", folder=tmp_path)
    assert_whole(data, 20, 6)
    assert (data.name, data.classes) == ("mnist", tuple("0123456789"))


@pytest.mark.parametrize("inside", [".", "fashion_mnist", "fashion-mnist"])
def test_named_data_set_is_read_from_the_environments_folder(tmp_path, monkeypatch, inside):
    write_files(tmp_path / inside, idx_contents())
    monkeypatch.setenv("GRAPHKIT_DATA", str(tmp_path))
    data = gk.load_dataset("fashion_mnist")
    assert_whole(data, 20, 6)
    assert len(data.classes) == 10 and data.classes[0] == "T-shirt/top"


def test_data_dir_comes_before_the_environments_folder(tmp_path, monkeypatch):
    write_files(tmp_path / "one", idx_contents(train=12))
    write_files(tmp_path / "two", idx_contents(train=20))
    monkeypatch.setenv("GRAPHKIT_DATA", str(tmp_path / "two"))
    assert_whole(gk.load_dataset("mnist", folder=str(tmp_path / "one")), 12, 6)


def test_data_dir_without_the_data_set_is_passed_over(tmp_path, monkeypatch):
    (tmp_path / "bare").mkdir()
    write_files(tmp_path / "full", idx_contents())
    monkeypatch.setenv("GRAPHKIT_DATA", str(tmp_path / "full"))
    assert_whole(gk.load_dataset("mnist", folder=tmp_path / "bare"), 20, 6)


def test_data_sets_of_one_folder_are_kept_apart(tmp_path):
    write_files(tmp_path / "mnist", idx_contents(train=12))
    write_files(tmp_path / "fashion_mnist", idx_contents(train=20))
    assert_whole(gk.load_dataset("mnist", folder=tmp_path), 12, 6)
    assert_whole(gk.load_dataset("fashion_mnist", folder=tmp_path), 20, 6)


@pytest.mark.parametrize("present", [False, True])
def test_data_dir_that_does_not_exist_is_refused(tmp_path, monkeypatch, present):
    monkeypatch.setenv("GRAPHKIT_DATA", str(write_files(tmp_path / "set", idx_contents() if present else {})))
    missing = tmp_path / "no-such-folder"
    assert_refused("mnist", missing, kind=FileNotFoundError, folder=missing)


def test_labels_beyond_a_named_data_sets_classes_are_refused(tmp_path):
    contents = idx_contents()
    contents[IDX_FILES[3]] = idx(np.array([0, 1, 2, 3, 4, 10], np.uint8))
    write_files(tmp_path, contents)
    assert_refused("mnist", "mnist", "0..9", folder=tmp_path)


@pytest.fixture(scope="module")
def fashion():
    if not SYSTEM_FASHION.is_dir():
        pytest.skip("the Fashion-MNIST files are not on this system")
    return gk.load_dataset("fashion_mnist", folder=SYSTEM_FASHION)


def test_real_fashion_mnist_has_70000_images(fashion):
    shapes = [split.images.shape for split in (fashion.train, fashion.valid, fashion.test)]
    assert shapes == [(55_000, 28, 28, 1), (5_000, 28, 28, 1), (10_000, 28, 28, 1)]
    assert {split.images.dtype for split in fashion[1:4]} == {np.dtype(np.uint8)}


def test_real_fashion_mnist_is_balanced(fashion):
    assert np.bincount(fashion.test.labels).tolist() == [1000] * 10
    others = np.bincount(fashion.train.labels) + np.bincount(fashion.valid.labels)
    assert others.tolist() == [6000] * 10
    assert fashion.classes[9] == "Ankle boot" and fashion.test.labels[0] == 9


# CIFAR


@pytest.mark.parametrize("name", CIFAR_FILES)
def test_cifar_test_images_and_labels_are_read_in_order(tmp_path, name):
    contents, images, labels = cifar_contents(name)
    data = gk.load_dataset(name, folder=write_files(tmp_path, contents))
    np.testing.assert_array_equal(data.test.images, images[-3:])
    assert data.test.labels.tolist() == labels[-3:]
    assert data.test.images.dtype == np.uint8 and data.test.labels.dtype == np.int32


@pytest.mark.parametrize("name", CIFAR_FILES)
def test_cifar_training_images_keep_their_labels(tmp_path, name):
    contents, images, labels = cifar_contents(name)
    data = gk.load_dataset(name, folder=write_files(tmp_path, contents))
    pairs = {image.tobytes(): label for image, label in zip(images[:-3], labels, strict=False)}
    split = [np.concatenate(parts) for parts in zip(data.train, data.valid, strict=True)]
    assert {image.tobytes(): label for image, label in zip(*split, strict=True)} == pairs


@pytest.mark.parametrize(("row", "column", "channel"), [(0, 0, 0), (0, 31, 1), (31, 0, 2), (7, 20, 1)])
@pytest.mark.parametrize("name", CIFAR_FILES)
def test_cifar_pixel_is_where_the_format_says(tmp_path, name, row, column, channel):
    contents, _, _ = cifar_contents(name)
    record = bytearray(3073 if name == "cifar10" else 3074)
    record[len(record) - 3072 + 1024 * channel + 32 * row + column] = 255
    contents[CIFAR_FILES[name][-1]] = bytes(record)
    images = gk.load_dataset(name, folder=write_files(tmp_path, contents)).test.images
    assert images.shape == (1, 32, 32, 3)
    assert np.argwhere(images).tolist() == [[0, row, column, channel]]


def test_cifar100_label_is_the_fine_one(tmp_path):
    contents, images, _ = cifar_contents("cifar100")
    contents["test.bin"] = cifar_bytes(images[:2], [3, 4], [99, 51])
    data = gk.load_dataset("cifar100", folder=write_files(tmp_path, contents))
    assert data.test.labels.tolist() == [99, 51]
    assert [data.classes[label] for label in data.test.labels] == ["worm", "mushroom"]


def test_cifar_class_names_are_complete(tmp_path):
    for name, first, last in (("cifar10", "airplane", "truck"), ("cifar100", "apple", "worm")):
        contents, _, _ = cifar_contents(name)
        classes = gk.load_dataset(name, folder=write_files(tmp_path / name, contents)).classes
        assert (len(set(classes)), classes[0], classes[-1]) == (int(name[5:]), first, last)
        assert list(classes) == sorted(classes)


@pytest.mark.parametrize("name", CIFAR_FILES)
@pytest.mark.parametrize(
    "change",
    [lambda c: c[:-1], lambda c: c + b"x", lambda c: b"", lambda c: c[1:3073]],
    ids=["short", "long", "empty", "less than a record"],
)
def test_cifar_file_of_a_wrong_length_is_refused_by_name(tmp_path, name, change):
    contents, _, _ = cifar_contents(name)
    for file in CIFAR_FILES[name]:
        folder = write_files(tmp_path / file, {**contents, file: change(contents[file])})
        assert_refused(name, folder / file, folder=folder)


@pytest.mark.parametrize("name", CIFAR_FILES)
def test_partly_filled_cifar_folder_names_the_missing_file(tmp_path, name):
    contents, _, _ = cifar_contents(name)
    for missing in CIFAR_FILES[name]:
        rest = {file: content for file, content in contents.items() if file != missing}
        folder = write_files(tmp_path / missing, rest)
        assert_refused(name, folder, missing, kind=FileNotFoundError, folder=folder)


@pytest.mark.parametrize("name", CIFAR_FILES)
def test_gzipped_cifar_files_are_read_like_plain_ones(tmp_path, name):
    contents, images, _ = cifar_contents(name)
    data = gk.load_dataset(name, folder=write_files(tmp_path, contents, zipped=True))
    np.testing.assert_array_equal(data.test.images, images[-3:])


def test_cifar10_label_above_nine_is_refused(tmp_path):
    contents, images, _ = cifar_contents("cifar10")
    contents["test_batch.bin"] = cifar_bytes(images[:1], [10])
    assert_refused("cifar10", "cifar10", "0..9", folder=write_files(tmp_path, contents))


# `.npz` files by path


def test_npz_of_images_gets_a_channel_axis(tmp_path):
    path = npz_path(tmp_path, **image_arrays())
    data = gk.load_dataset(path)
    assert data.name == str(path) and data.classes == ("0", "1", "2")
    assert [split.images.shape for split in data[1:4]] == [(22, 4, 5, 1), (2, 4, 5, 1), (6, 4, 5, 1)]
    for split in data[1:4]:
        assert split.images.dtype == np.uint8 and split.labels.dtype == np.int32
        assert split.labels.tolist() == [number % 3 for number in numbers_of(split)]


def test_npz_of_color_images_keeps_its_channels(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (12, 4, 5, 3), np.uint8)
    data = gk.load_dataset(npz_path(tmp_path, images=images, labels=np.arange(12) % 2), valid_fraction=0)
    merged = np.concatenate([data.train.images, data.test.images])
    assert sorted(image.tobytes() for image in merged) == sorted(image.tobytes() for image in images)


def test_npz_of_features_keeps_its_dtype(tmp_path):
    features = np.linspace(0, 1, 40, dtype=np.float32).reshape(20, 2)
    data = gk.load_dataset(npz_path(tmp_path, features=features, labels=np.arange(20) % 2))
    assert isinstance(data.train, gk.data.FeatureSplit) and data.train.features.dtype == np.float32
    merged = np.concatenate([split.features for split in data[1:4]])
    np.testing.assert_array_equal(np.sort(merged, axis=0), features)


def test_npz_of_words_with_class_names(tmp_path):
    words = np.array([f"año{number}" for number in range(20)])
    path = npz_path(tmp_path, words=words, labels=np.arange(20) % 2, classes=np.array(["es", "pt"]))
    data = gk.load_dataset(path)
    assert isinstance(data.train, gk.data.WordSplit) and data.classes == ("es", "pt")
    assert sorted(word for split in data[1:4] for word in split.words) == sorted(words)


@pytest.mark.parametrize("column", [False, True])
def test_npz_of_kerass_layout_keeps_its_test_set(tmp_path, column):
    arrays = keras_arrays()
    if column:
        arrays.update({name: arrays[name][:, np.newaxis] for name in ("y_train", "y_test")})
    assert_whole(gk.load_dataset(npz_path(tmp_path, **arrays)), 20, 6)


def test_npz_of_kerass_layout_with_feature_vectors(tmp_path):
    arrays = {"x_train": np.ones((9, 3)), "y_train": np.arange(9) % 2}
    arrays |= {"x_test": np.zeros((4, 3)), "y_test": np.arange(4) % 2}
    data = gk.load_dataset(npz_path(tmp_path, **arrays), valid_fraction=0)
    assert isinstance(data.test, gk.data.FeatureSplit) and data.test.features.shape == (4, 3)
    assert data.test.labels.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", ">i4", "u4", "i8", "u8"])
def test_labels_of_every_integer_dtype_become_int32(tmp_path, dtype):
    data = gk.load_dataset(npz_path(tmp_path, images=np.zeros((9, 2, 2), "u1"), labels=np.full(9, 1, dtype)))
    assert data.train.labels.dtype == np.int32 and set(data.train.labels.tolist()) == {1}


def test_class_names_of_an_npz_may_outnumber_its_labels(tmp_path):
    data = gk.load_dataset(npz_path(tmp_path, **image_arrays(), classes=np.array(list("abcdef"))))
    assert data.classes == tuple("abcdef")


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"images": np.zeros((3, 2, 2), "u1")},
        {"labels": np.zeros(3, int)},
        {"pictures": np.zeros((3, 2, 2), "u1"), "labels": np.zeros(3, int)},
        {"x_train": np.zeros((3, 2, 2), "u1"), "y_train": np.zeros(3, int)},
    ],
    ids=lambda arrays: "+".join(arrays) or "nothing",
)
def test_npz_of_other_arrays_is_refused(tmp_path, arrays):
    path = npz_path(tmp_path, **arrays)
    assert_refused(path, path, "images", *arrays)


@pytest.mark.parametrize(
    ("name", "dtype", "shape"),
    [
        ("images", "u1", (9,)),
        ("images", "u1", (9, 4)),
        ("images", "u1", (9, 1, 2, 2, 1)),
        ("images", "f4", (9, 2, 2)),
        ("images", "i8", (9, 2, 2)),
        ("images", "U3", (9, 2, 2)),
        ("features", "f8", (9,)),
        ("features", "f8", (9, 2, 2)),
        ("features", "U3", (9, 2)),
        ("features", "c16", (9, 2)),
        ("words", "f8", (9,)),
        ("words", "S3", (9,)),
        ("words", "U3", (9, 2)),
    ],
)
def test_npz_examples_of_another_shape_or_dtype_are_refused(tmp_path, name, dtype, shape):
    path = npz_path(tmp_path, **{name: np.zeros(shape, dtype)}, labels=np.arange(9) % 2)
    assert_refused(path, path)


@pytest.mark.parametrize("dtype", ["f4", "f8", "?", "U1", "c8"])
def test_labels_that_are_no_integers_are_refused(tmp_path, dtype):
    path = npz_path(tmp_path, images=np.zeros((9, 2, 2), "u1"), labels=np.zeros(9, dtype))
    assert_refused(path, path, "integers")


@pytest.mark.parametrize("shape", [(8,), (10,), (0,), (), (9, 2), (1, 9)])
def test_labels_of_another_number_than_the_images_are_refused(tmp_path, shape):
    path = npz_path(tmp_path, images=np.zeros((9, 2, 2), "u1"), labels=np.zeros(shape, int))
    assert_refused(path, path)


def test_npz_without_examples_is_refused(tmp_path):
    path = npz_path(tmp_path, images=np.zeros((0, 2, 2), "u1"), labels=np.zeros(0, int))
    assert_refused(path, path, "no examples")


@pytest.mark.parametrize("label", [-1, 2, 3, 255, -(2**31), 2**31 - 1, 2**31, 2**32, 2**32 + 1, -(2**32)])
def test_labels_beyond_the_class_names_are_refused(tmp_path, label):
    labels = np.array([0, 1, 0, 1, label])
    path = npz_path(tmp_path, images=np.zeros((5, 2, 2), "u1"), labels=labels, classes=np.array(["a", "b"]))
    assert_refused(path, path)


@pytest.mark.parametrize("label", [-1, -(2**31), 2**32, 2**63 - 1, -(2**63)])
def test_labels_that_are_no_class_numbers_are_refused(tmp_path, label):
    labels = np.array([0, 1, 0, 1, label])
    path = npz_path(tmp_path, images=np.zeros((5, 2, 2), "u1"), labels=labels)
    assert_refused(path, path)


def test_unsigned_label_beyond_int64_is_refused(tmp_path):
    labels = np.array([0, 1, 2**64 - 2**32], np.uint64)
    path = npz_path(tmp_path, images=np.zeros((3, 2, 2), "u1"), labels=labels)
    assert_refused(path, path)


def test_a_stray_large_label_allocates_little(tmp_path):
    path = npz_path(tmp_path, images=np.zeros((3, 2, 2), "u1"), labels=np.array([0, 1, 10**6]))
    tracemalloc.start()
    try:
        gk.load_dataset(path)
    except ValueError as error:
        assert str(path) in str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8 * MEBIBYTE


def test_the_largest_int32_label_is_refused_in_little_memory(tmp_path):
    path = npz_path(tmp_path, images=np.zeros((3, 2, 2), "u1"), labels=np.array([0, 1, 2**31 - 1]))
    program = f"""
import resource
resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
import graphkit as gk
try:
    gk.load_dataset({str(path)!r})
except Exception as error:
    print(type(error).__name__)
"""
    assert run_python(program) == ["ValueError"]


@pytest.mark.parametrize("shape", [(6, 9, 9), (6, 4, 5, 3), (6, 4, 6)])
def test_npz_with_test_images_of_another_size_is_refused(tmp_path, shape):
    path = npz_path(tmp_path, **{**keras_arrays(), "x_test": np.zeros(shape, np.uint8)})
    assert_refused(path, path)


def test_npz_with_test_features_of_another_number_is_refused(tmp_path):
    arrays = {"x_train": np.ones((9, 3)), "y_train": np.arange(9) % 2}
    path = npz_path(tmp_path, **arrays, x_test=np.ones((4, 2)), y_test=np.arange(4) % 2)
    assert_refused(path, path)


def test_one_hot_labels_of_kerass_layout_are_refused(tmp_path):
    path = npz_path(tmp_path, **{**keras_arrays(), "y_train": np.eye(20, dtype=int)})
    assert_refused(path, path)


def test_damaged_npz_is_refused_by_name(tmp_path):
    path = npz_path(tmp_path, **image_arrays())
    path.write_bytes(path.read_bytes()[:-30])
    assert_refused(path, path)


def test_npz_of_pickled_objects_is_refused_by_name(tmp_path):
    path = npz_path(tmp_path, **image_arrays(), classes=np.array(["a", None, 3], object))
    assert_refused(path, path)


@pytest.mark.parametrize("content", [b"", b"plain text", b"\x93NUMPY"])
def test_file_of_another_kind_is_refused_by_name(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    assert_refused(path, path)


# Downloads


class FileHandler(http.server.BaseHTTPRequestHandler):
    """Serves the server's `files`; a pair (content, length) states another length than it sends."""

    def do_GET(self):
        name = self.path.lstrip("/")
        self.server.asked.append(name)
        if name not in self.server.files:
            return self.send_error(404)
        content = self.server.files[name]
        content, length = content if isinstance(content, tuple) else (content, len(content))
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.HTTPServer(("127.0.0.1", 0), FileHandler) as server:
        server.files, server.asked = {}, []
        server.origin = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty Keras cache, and no data in any local folder nor a proxy between."""
    folder = tmp_path / "keras-cache"
    folder.mkdir()
    monkeypatch.setattr(keras.utils, "get_file", functools.partial(keras.utils.get_file, cache_dir=folder))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for name, source in sources.SOURCES.items():
        monkeypatch.setitem(sources.SOURCES, name, source._replace(folders=(f"{name}-of-this-test",)))
    return folder


@pytest.fixture
def publish(server, cache, monkeypatch):
    """Returns a function that serves the archives of a data set; `served` replaces what is sent."""

    def publish(name, contents, served=None, digest=hashlib.sha256, origin=server.origin):
        server.files.update(contents | (served or {}))
        archives = tuple(
            sources.Archive(origin + file, digest(content).hexdigest()) for file, content in contents.items()
        )
        source = sources.SOURCES[name]._replace(archives=archives)
        monkeypatch.setitem(sources.SOURCES, name, source)

    return publish


def mnist_archive(**sizes):
    stream = io.BytesIO()
    np.savez(stream, **keras_arrays(**sizes))
    return {"mnist.npz": stream.getvalue()}


def fashion_archives():
    return {f"{name}.gz": gzip.compress(content) for name, content in idx_contents().items()}


def cifar_archive(name):
    folder, file = {
        "cifar10": ("cifar-10-batches-bin", "cifar-10-binary.tar.gz"),
        "cifar100": ("cifar-100-binary", "cifar-100-binary.tar.gz"),
    }[name]
    contents, images, labels = cifar_contents(name)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for member, content in {"readme.html": b"<html>", **contents}.items():
            info = tarfile.TarInfo(f"{folder}/{member}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return {file: stream.getvalue()}, images, labels


def test_mnist_is_downloaded(publish, server):
    publish("mnist", mnist_archive())
    data = gk.load_dataset("mnist")
    assert_whole(data, 20, 6)
    assert (data.name, data.classes) == ("mnist", tuple("0123456789"))
    assert server.asked == ["mnist.npz"]


def test_fashion_mnist_is_downloaded(publish, server):
    publish("fashion_mnist", fashion_archives(), digest=hashlib.md5)
    assert_whole(gk.load_dataset("fashion_mnist"), 20, 6)
    assert sorted(server.asked) == sorted(fashion_archives())


@pytest.mark.parametrize("name", CIFAR_FILES)
def test_cifar_is_downloaded(publish, server, name):
    archive, images, labels = cifar_archive(name)
    publish(name, archive, digest=hashlib.md5)
    data = gk.load_dataset(name)
    np.testing.assert_array_equal(data.test.images, images[-3:])
    assert data.test.labels.tolist() == labels[-3:]
    assert len(data.train.labels) + len(data.valid.labels) == len(images) - 3
    assert server.asked == list(archive)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_data_set_is_downloaded_once(publish, server, name):
    archives = {"mnist": mnist_archive, "fashion_mnist": fashion_archives}
    publish(name, archives[name]() if name in archives else cifar_archive(name)[0])
    first = gk.load_dataset(name)
    asked = list(server.asked)
    again = gk.load_dataset(name)
    assert server.asked == asked
    assert same(first.train, again.train) and same(first.test, again.test)


def test_mnist_and_fashion_mnist_do_not_share_their_downloads(publish):
    publish("mnist", mnist_archive(train=12))
    publish("fashion_mnist", fashion_archives())
    assert_whole(gk.load_dataset("mnist"), 12, 6)
    assert_whole(gk.load_dataset("fashion_mnist"), 20, 6)


def test_local_files_come_before_a_download(publish, server, tmp_path):
    publish("mnist", mnist_archive())
    write_files(tmp_path / "local", idx_contents(train=12))
    assert_whole(gk.load_dataset("mnist", folder=tmp_path / "local"), 12, 6)
    assert server.asked == []


def test_partly_filled_folder_is_not_completed_by_a_download(publish, server, tmp_path):
    publish("mnist", mnist_archive())
    contents = idx_contents()
    del contents[IDX_FILES[3]]
    folder = write_files(tmp_path / "part", contents)
    assert_refused("mnist", folder, IDX_FILES[3], kind=FileNotFoundError, folder=folder)
    assert server.asked == []


def test_missing_data_dir_is_refused_before_a_download(publish, server, tmp_path):
    publish("mnist", mnist_archive())
    assert_refused("mnist", tmp_path / "none", kind=FileNotFoundError, folder=tmp_path / "none")
    assert server.asked == []


def test_download_with_a_wrong_hash_is_refused_by_origin(publish, server):
    publish("mnist", mnist_archive(), served=mnist_archive(train=12))
    assert_refused("mnist", server.origin + "mnist.npz", "hash", kind=OSError)


def test_download_with_a_wrong_hash_spoils_no_later_one(publish, server):
    publish("mnist", mnist_archive(), served=mnist_archive(train=12))
    assert_refused("mnist", kind=OSError)
    server.files.update(mnist_archive())
    assert_whole(gk.load_dataset("mnist"), 20, 6)


def test_one_wrong_file_of_several_is_refused_by_its_origin(publish, server):
    name = f"{IDX_FILES[3]}.gz"
    publish("fashion_mnist", fashion_archives(), served={name: b"something else"})
    assert_refused("fashion_mnist", server.origin + name, kind=OSError)


def test_download_that_stops_early_is_refused_by_origin(publish, server):
    content = mnist_archive()["mnist.npz"]
    publish("mnist", mnist_archive(), served={"mnist.npz": (content[:-100], len(content))})
    assert_refused("mnist", server.origin + "mnist.npz", kind=OSError)


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # Keras leaves the answer open
def test_file_that_the_server_does_not_have_is_refused_by_origin(publish, server):
    publish("mnist", mnist_archive())
    server.files.clear()
    assert_refused("mnist", server.origin + "mnist.npz", "404", kind=OSError)
    gc.collect()  # here rather than in a later test


def test_unreachable_server_is_refused_by_origin(publish):
    with socket.socket() as closed:  # bound, so that the port stays free, but not listening
        closed.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        publish("mnist", mnist_archive(), origin=origin)
        assert_refused("mnist", origin + "mnist.npz", "folder=", "GRAPHKIT_DATA", kind=OSError)


def test_cache_spoiled_after_the_download_is_fetched_again(publish, server, cache):
    publish("mnist", mnist_archive())
    gk.load_dataset("mnist")
    (path,) = cache.rglob("mnist.npz")
    path.write_bytes(b"spoiled")
    assert_whole(gk.load_dataset("mnist"), 20, 6)
    assert server.asked == ["mnist.npz"] * 2


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "cifar100"])
def test_downloads_are_encrypted_and_have_a_hash(name):
    for archive in sources.SOURCES[name].archives:
        assert archive.origin.startswith("https://")
        assert len(bytes.fromhex(archive.hash)) in (16, 32)


# Imports


def run_python(program):
    """Runs a program in a fresh interpreter and returns its words; warnings are errors there too."""
    root = str(pathlib.Path(gk.__file__).parents[1])
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={**os.environ, "PYTHONPATH": root, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_data_and_sizes_import_no_tensorflow():
    program = """
import sys
import graphkit
import graphkit.data.batches, graphkit.data.datasets, graphkit.data.preprocess, graphkit.data.readers
import graphkit.sizes
print(*({"tensorflow", "keras", "absl"} & set(sys.modules)))
"""
    assert run_python(program) == []


def test_using_local_data_imports_no_tensorflow(tmp_path):
    folder = write_files(tmp_path, idx_contents())
    program = f"""
import sys
import graphkit as gk
for name in ("mnist_5k", {str(folder)!r}):
    split = gk.load_dataset(name).train
    gk.one_hot(split.labels, 10)
    for images, labels in gk.minibatches(split, 100):
        gk.scale_pixels(images)
gk.sizes.output_size(28, 5)
print(*({{"tensorflow", "keras", "absl"}} & set(sys.modules)))
"""
    assert run_python(program) == []


def test_damaged_archive_is_named(tmp_path):
    (content,) = cifar_archive("cifar100")[0].values()
    path = tmp_path / "cifar.tar.gz"
    for damaged in (b"", content[:100], content[: len(content) // 2], bytes(5000)):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="load_dataset: .*cifar.tar.gz"):
            datasets.read_tar(CHECK, path, sources.SOURCES["cifar100"])


def test_archive_that_lacks_a_file_is_named(tmp_path):
    ((name, content),) = cifar_archive("cifar100")[0].items()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match="lacks files; received missing=.*data_batch_1.bin"):
        datasets.read_tar(CHECK, tmp_path / name, sources.SOURCES["cifar10"])
