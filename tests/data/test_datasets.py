"""Data sets by name and by path: right arrays, clean splits, refusals that name the file."""

import os
import pathlib
import subprocess
import sys
import tracemalloc
import zipfile

import hypothesis.strategies as st
import numpy as np
import pytest
from data.data_files import (
    assert_complete,
    assert_refused,
    idx_contents,
    image_arrays,
    keras_arrays,
    npz_path,
    numbers_of,
    same,
    write_files,
)
from hypothesis import given, settings

import graphkit as gk

EXAMPLES = settings(deadline=None, derandomize=True, database=None, max_examples=60)
MEBIBYTE = 1 << 20
NAMES = ["mnist_5k", "words_5_languages", "mnist", "fashion_mnist", "cifar10", "cifar100"]


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


def test_a_given_test_set_stays_as_it_is(tmp_path):
    folder = write_files(tmp_path / "set", idx_contents())
    for seed in range(3):
        assert_complete(gk.load_dataset(folder, seed=seed), 20, 6)


def test_train_and_valid_are_shuffled(tmp_path):
    data = gk.load_dataset(npz_path(tmp_path, **image_arrays(200)), valid_fraction=0.5)
    for split in (data.train, data.valid):
        assert numbers_of(split) != sorted(numbers_of(split))


def test_valid_fraction_of_zero_holds_nothing_back(tmp_path):
    data = gk.load_dataset(npz_path(tmp_path, **keras_arrays()), valid_fraction=0)
    assert data.valid.images.shape == (0, 4, 5, 1) and data.valid.labels.shape == (0,)
    assert sorted(numbers_of(data.train)) == list(range(20))


@pytest.mark.parametrize(("fraction", "count"), [(1 / 12, 2), (0.1, 2), (0.25, 5), (0.5, 10), (0.9, 18)])
def test_valid_fraction_is_the_fraction_held_back(tmp_path, fraction, count):
    data = gk.load_dataset(npz_path(tmp_path, **keras_arrays()), valid_fraction=fraction)
    assert (len(data.train.labels), len(data.valid.labels)) == (20 - count, count)


def test_valid_fraction_that_leaves_no_training_example_is_refused(tmp_path):
    assert_refused(npz_path(tmp_path, **keras_arrays()), "valid_fraction", valid_fraction=0.99)


@pytest.mark.parametrize("fraction", [-0.1, 1, 1.5, float("nan"), float("inf")])
def test_valid_fraction_outside_its_bounds_is_refused(fraction):
    assert_refused("mnist_5k", "load_dataset: valid_fraction must be", valid_fraction=fraction)


@pytest.mark.parametrize("fraction", ["0.1", None, True, [0.1]])
def test_valid_fraction_that_is_not_a_number_is_refused(fraction):
    assert_refused("mnist_5k", "load_dataset: valid_fraction", kind=TypeError, valid_fraction=fraction)


def test_negative_seed_is_refused():
    assert_refused("mnist_5k", "load_dataset: seed must be", "seed=-1", seed=-1)


@pytest.mark.parametrize("seed", [0.0, "0", None, True])
def test_seed_that_is_not_an_integer_is_refused(seed):
    assert_refused("mnist_5k", "load_dataset: seed must be", kind=TypeError, seed=seed)


# Names and paths


@pytest.mark.parametrize("name", ["no_such_data", "MNIST", "mnist ", "", "a\0b", "no/such/path.npz"])
def test_unknown_name_lists_the_names(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert_refused(name, repr(name), *NAMES, kind=FileNotFoundError)


@pytest.mark.parametrize("name", [None, 3, ["mnist"]])
def test_what_is_neither_name_nor_path_is_a_type_error(name):
    assert_refused(name, kind=TypeError)


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
    assert_complete(gk.load_dataset(npz_path(tmp_path, **arrays)), 20, 6)


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
        ("images", "?", (9, 2, 2)),
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
def test_npz_examples_of_a_wrong_shape_or_dtype_are_refused(tmp_path, name, dtype, shape):
    path = npz_path(tmp_path, **{name: np.zeros(shape, dtype)}, labels=np.arange(9) % 2)
    assert_refused(path, path)


def test_integers_of_any_dtype_are_pixels(tmp_path):
    pixels = np.arange(36).reshape(9, 2, 2)
    path = npz_path(tmp_path, images=pixels, labels=np.arange(9) % 2)
    images = gk.load_dataset(path, valid_fraction=0).train.images
    assert images.dtype == np.uint8 and set(images.flat) < set(range(36))
    path = npz_path(tmp_path, images=pixels * 10, labels=np.arange(9) % 2)
    with pytest.raises(ValueError, match="images must be pixels, integers in 0..255; received value=260"):
        gk.load_dataset(path)


@pytest.mark.parametrize("dtype", ["f4", "f8", "?", "U1", "c8"])
def test_labels_that_are_not_integers_are_refused(tmp_path, dtype):
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
def test_labels_that_are_not_class_numbers_are_refused(tmp_path, label):
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
def test_file_of_an_unknown_format_is_refused_by_name(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    assert_refused(path, path)


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


# Names of classes


def test_classes_of_a_file_in_kerass_layout_are_kept(tmp_path):
    data = gk.load_dataset(npz_path(tmp_path, **keras_arrays(), classes=np.array(["a", "b", "c"])))
    assert data.classes == ("a", "b", "c")
    path = npz_path(tmp_path, **keras_arrays(), classes=np.array(["a", "b"]))
    assert_refused(path, path, "labels must lie in 0..1")


def test_labels_from_1_on_make_a_class_more_and_a_warning(tmp_path, caplog):
    arrays = image_arrays(100, 10)
    data = gk.load_dataset(npz_path(tmp_path, **arrays | {"labels": arrays["labels"] + 1}))
    assert len(data.classes) == 11
    assert (
        "has no example of class 0, but the labels reach 10: there will be 11 classes; subtract 1"
        in caplog.text
    )
    caplog.clear()
    gk.load_dataset(npz_path(tmp_path, **arrays | {"labels": arrays["labels"] * 2}))
    assert (
        "no example of class 1, 3, 5, 7, 9, 11, 13, 15, 17," in caplog.text and "subtract" not in caplog.text
    )
    caplog.clear()
    gk.load_dataset(npz_path(tmp_path, **arrays))
    names = np.array([str(number) for number in range(11)])
    gk.load_dataset(npz_path(tmp_path, **arrays | {"labels": arrays["labels"] + 1}, classes=names))
    assert not caplog.text


OTHER_FILES = {
    "p.png": "pictures are given as a folder",
    "p.JPG": "pictures are given as a folder",
    "a.zip": "unpack it",
    "a.npy": 'np.savez("data.npz", features=..., labels=...)',
    "a.h5": "see docs/your_own_data.md",
    "a.xlsx": 'load_dataset("table.csv", label="column")',
    "a.txt": 'load_dataset("table.csv", label="column")',
    "noext": "a table (.csv, .tsv, .parquet), arrays (.npz) or a folder of pictures",
}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_other_files_are_told_what_is_taken(tmp_path, name):
    (tmp_path / name).write_bytes(b"bytes")
    for options in ({}, {"label": "price"}, {"image_size": 8}):
        with pytest.raises(ValueError) as error:
            gk.load_dataset(tmp_path / name, **options)
        assert f"load_dataset: {tmp_path / name} is not a data set: " in str(error.value)
        assert OTHER_FILES[name] in str(error.value)


def test_an_archive_and_a_spreadsheet_are_told_so(tmp_path):
    for name, words in (("a.csv.zip", "unpack it"), ("a.xlsx", "a table is given as")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("a.csv", "a,b")
        assert_refused(tmp_path / name, words, label="b")


def test_a_data_set_is_shown_without_its_numbers():
    shown = repr(gk.load_dataset("mnist_5k"))
    assert shown.startswith(
        "Dataset(name='mnist_5k', train=ImageSplit(images=array of uint8 with shape (3667,"
    )
    assert len(shown) < 600


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("mnist5k", "mnist_5k, mnist"),
        ("Fashion-MNIST", "fashion_mnist"),
        ("cifar", "cifar10, cifar100"),
        ("words", "words_5_languages"),
        ("hauses.csv", "houses.csv"),
    ],
)
def test_the_nearest_name_is_named(tmp_path, monkeypatch, name, near):
    (tmp_path / "houses.csv").write_text("a,b\n1,2\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as error:
        gk.load_dataset(name)
    assert f"cifar100 (near it: {near}); received name_or_path={name!r}, folder=" in str(error.value)


def test_a_table_without_a_label_and_a_folder_of_tables(tmp_path):
    pytest.importorskip("pandas")
    (tmp_path / "a.csv").write_text("size,price\n1,2\n")
    with pytest.raises(ValueError, match='label must name the column to predict, such as label="price"'):
        gk.load_dataset(tmp_path / "a.csv")
    for options in ({}, {"label": "price"}):
        with pytest.raises(FileNotFoundError, match=r"the table in it is the data set: .*a\.csv"):
            gk.load_dataset(tmp_path, **options)
    with pytest.raises(TypeError, match=r'a path: give frame\.to_csv\("table\.csv", index=False\)'):
        gk.load_dataset(pytest.importorskip("pandas").DataFrame({"a": [1]}), label="a")
    with pytest.raises(ValueError, match="a table is read by gk.load_dataset"):
        gk.data.read_npz(tmp_path / "a.csv")
    with pytest.raises(TypeError, match="name_or_path must be a name or a path; received name_or_path=3"):
        gk.load_dataset(3)
