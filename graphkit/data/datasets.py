"""Named data sets and data files, each read into one record of three splits."""

import os
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from graphkit import checks
from graphkit.data import batches, readers, sources

__all__ = ["Dataset", "FeatureSplit", "ImageSplit", "WordSplit", "load_dataset"]

EMBEDDED = Path(__file__).parent / "files"
NAMES = ("mnist_5k", "words_5_languages", *sources.SOURCES)
TEST_FRACTION = 0.2  # of data that comes without a test set
TEST_SEED = 0  # the test set stays the same, whatever seed the training has


class ImageSplit(NamedTuple):
    """Images and their labels.

    Attributes:
      images: uint8 (N, height, width, channels).
      labels: int32 (N,).

    Example:
      >>> gk.load_dataset("mnist_5k").test.images.shape
      (1000, 28, 28, 1)
    """

    images: np.ndarray
    labels: np.ndarray


class FeatureSplit(NamedTuple):
    """Feature vectors and their labels.

    Attributes:
      features: (N, num_features), in the file's dtype.
      labels: int32 (N,).

    Example:
      >>> gk.data.FeatureSplit(np.zeros((2, 3)), np.array([0, 1])).features.shape
      (2, 3)
    """

    features: np.ndarray
    labels: np.ndarray


class WordSplit(NamedTuple):
    """Words and their labels.

    Attributes:
      words: unicode strings (N,).
      labels: int32 (N,).

    Example:
      >>> gk.load_dataset("words_5_languages").test.words.shape
      (4000,)
    """

    words: np.ndarray
    labels: np.ndarray


Split = ImageSplit | FeatureSplit | WordSplit


class Dataset(NamedTuple):
    """A data set in three splits of one kind: `ImageSplit`, `FeatureSplit` or `WordSplit`.

    Attributes:
      name: the name or path that it was loaded by.
      train: what a network is trained on.
      valid: what is held back from the training set to choose settings and to stop early.
      test: what is looked at last.
      classes: names of the classes, in the order of their labels.

    Example:
      >>> gk.load_dataset("words_5_languages").classes
      ('de', 'en', 'es', 'fr', 'it')
    """

    # `Any`, since the data decide which kind of split these are: with a union of the three, type checkers
    # would refuse `data.train.images`.
    name: str
    train: Any
    valid: Any
    test: Any
    classes: tuple[str, ...]


def load_dataset(
    name_or_path: str | os.PathLike[str],
    folder: str | os.PathLike[str] | None = None,
    *,
    valid_fraction: float = 1 / 12,
    seed: int = 0,
) -> Dataset:
    """Loads a data set by name, or an `.npz` file or a folder of IDX files by path.

    `mnist_5k` (5,000 handwritten digits) and `words_5_languages` (20,000 words) come with the package.
    `mnist`, `fashion_mnist`, `cifar10` and `cifar100` are read from their original files (IDX, gzipped
    or not; CIFAR binary version), looked for in `folder`, in the folder that the environment variable
    GRAPHKIT_DATA names and in the system's share/datasets, and in each of these also in a folder of
    the data set's name. Found nowhere, they are downloaded once by Keras, which checks the hash.

    An `.npz` holds `images`, `features` or `words` next to `labels` (and `classes` if they have names),
    or Keras's `x_train, y_train, x_test, y_test`. Where no test set is given, a fifth of each class is
    set aside, the same whatever the seed.

    Args:
      name_or_path: one of the names above, or a path.
      folder: where to look first for the original files of a named data set.
      valid_fraction: fraction of the training set that is held back for validation (a twelfth leaves
        55,000 of Fashion-MNIST's 60,000).
      seed: which examples those are.

    Returns:
      A `gk.data.Dataset` with `.train`, `.valid` and `.test`; images are uint8 (N, height, width,
      channels), labels int32 (N,). Train and valid are shuffled once.

    Raises:
      FileNotFoundError: no data set has that name or path.
      OSError: a file cannot be read or downloaded.
      ValueError: a file is cut off, damaged or not in one of these formats.

    Example:
      >>> data = gk.load_dataset("mnist_5k")
      >>> data.train.images.shape, data.train.images.dtype, data.valid.labels.shape
      ((3667, 28, 28, 1), dtype('uint8'), (333,))
    """
    check = checks.Checker("load_dataset")
    valid_fraction = check.number("valid_fraction", valid_fraction, at_least=0, below=1)
    seed = check.integer("seed", seed, minimum=0, maximum=None)
    name = os.fspath(name_or_path)
    train, test, classes = read_parts(check, name, folder)
    train, test = check_parts(check, name, train, test)
    if test is None:
        rest, held = batches.split_indices(len(train.labels), TEST_FRACTION, TEST_SEED, labels=train.labels)
        train, test = take(train, np.sort(rest)), take(train, np.sort(held))
    classes = check_classes(check, name, np.concatenate([train.labels, test.labels]), classes)
    rest, held = batches.split_indices(len(train.labels), valid_fraction, seed)
    rule = f"{name}: valid_fraction must leave training examples"
    check.require(len(rest) > 0, rule, valid_fraction=valid_fraction)
    return Dataset(name, take(train, rest), take(train, held), test, classes)


def take(split: Any, indices: np.ndarray) -> Any:
    return type(split)(*(batches.take(array, indices) for array in split))


def read_parts(
    check: checks.Checker, name: str, folder: str | os.PathLike[str] | None
) -> tuple[Split, Split | None, tuple[str, ...]]:
    """Returns (train, test, classes) as the files hold them; None and () where they have none."""
    if name in sources.SOURCES:
        source = sources.SOURCES[name]
        found = sources.find_folder(check, source, folder)
        train, test = read_folder(check, found, source) if found else read_download(check, name, source)
        return train, test, source.classes
    if name in NAMES:
        return read_npz_parts(check, EMBEDDED / f"{name}.npz")
    if os.path.isdir(name):
        return *read_folder(check, Path(name), sources.SOURCES["mnist"]), ()
    if os.path.isfile(name):
        return read_npz_parts(check, Path(name))
    rule = f"no file or folder has that path, and the names are {', '.join(NAMES)}"
    raise FileNotFoundError(check.message(rule, name_or_path=name))


def read_folder(check: checks.Checker, folder: Path, source: sources.Source) -> tuple[ImageSplit, ImageSplit]:
    """Reads (train, test) from a folder of original files."""

    def locate(name: str) -> Path:
        path = sources.find_file(folder, name)
        if path is None:
            found = sorted(path.name for path in folder.iterdir())[:10]
            raise FileNotFoundError(check.message(f"{folder} must hold {name} (or {name}.gz)", files=found))
        return path

    def read(names: tuple[str, ...]) -> ImageSplit:
        paths = [locate(name) for name in names]
        if source.label_bytes:
            return ImageSplit(*readers.read_cifar(paths, source.label_bytes))
        return ImageSplit(*(readers.read_idx(path) for path in paths))

    return read(source.train_files), read(source.test_files)


def read_download(check: checks.Checker, name: str, source: sources.Source) -> tuple[Split, Split | None]:
    paths = sources.download(check, name, source)
    if source.label_bytes:
        return read_tar(check, paths[0], source)
    if paths[0].suffix == ".npz":
        train, test, _ = read_npz_parts(check, paths[0])
        return train, test
    return read_folder(check, paths[0].parent, source)


def read_tar(check: checks.Checker, path: Path, source: sources.Source) -> tuple[ImageSplit, ImageSplit]:
    """Reads (train, test) from the archive of a CIFAR binary version, without unpacking it."""
    with readers.refuse_damaged(check, path), tarfile.open(path) as archive:
        members = {os.path.basename(m.name): m for m in archive.getmembers() if m.isfile()}
        missing = sorted({*source.train_files, *source.test_files} - members.keys())
        check.require(not missing, f"{path} lacks files", missing=missing)

        def read(names: tuple[str, ...]) -> ImageSplit:
            streams = [(name, archive.extractfile(members[name])) for name in names]
            contents = [(name, stream.read()) for name, stream in streams if stream is not None]
            return ImageSplit(*readers.cifar_arrays(check, contents, source.label_bytes))

        return read(source.train_files), read(source.test_files)


def read_npz_parts(check: checks.Checker, path: Path) -> tuple[Split, Split | None, tuple[str, ...]]:
    """Returns (train, test, classes) of an `.npz`; test is None where the file has no test set."""
    arrays = readers.read_npz(path)
    if {"x_train", "y_train", "x_test", "y_test"} <= arrays.keys():
        kind = FeatureSplit if arrays["x_train"].ndim == 2 else ImageSplit
        # Keras stores CIFAR's labels as a column (N, 1).
        train, test = (
            kind(arrays[f"x_{part}"], arrays[f"y_{part}"].reshape(-1)) for part in ("train", "test")
        )
        return train, test, ()
    for key, split in (("images", ImageSplit), ("features", FeatureSplit), ("words", WordSplit)):
        if key in arrays and "labels" in arrays:
            names = arrays.get("classes", arrays.get("languages", np.array([])))
            classes = tuple(str(item) for item in names.reshape(-1))
            return split(arrays[key], arrays["labels"]), None, classes
    rule = f"{path} must hold images, features or words next to labels, or x_train, y_train, x_test, y_test"
    raise ValueError(check.message(rule, arrays=sorted(arrays)))


def check_parts(
    check: checks.Checker, name: str, train: Split, test: Split | None
) -> tuple[Split, Split | None]:
    """Returns the parts with images' channel axis and int32 labels, if they hold what they must."""
    train = check_split(check, name, train)
    if test is None:
        return train, None
    test = check_split(check, name, test)
    rule = f"{name}: training and test examples must have one shape"
    check.require(train[0].shape[1:] == test[0].shape[1:], rule, train=train[0].shape, test=test[0].shape)
    return train, test


def check_split(check: checks.Checker, name: str, split: Split) -> Split:
    examples, labels = split
    valid = labels.ndim == 1 and labels.dtype.kind in "ui" and labels.shape == examples.shape[:1]
    received = {"labels": labels.shape, "dtype": str(labels.dtype), "examples": examples.shape}
    check.require(valid, f"{name}: labels must be integers, one for each example", **received)
    check.require(len(labels) > 0, f"{name} holds no examples", **received)
    in_int32 = labels.min() >= 0 and labels.max() <= np.iinfo(np.int32).max
    rule = f"{name}: labels must be class numbers"
    check.require(in_int32, rule, minimum=labels.min(), maximum=labels.max())
    if isinstance(split, ImageSplit):
        valid = examples.ndim in (3, 4) and examples.dtype == np.uint8
        rule = f"{name}: images must be uint8 (N, height, width) or (N, height, width, channels)"
    elif isinstance(split, FeatureSplit):
        valid = examples.ndim == 2 and examples.dtype.kind in "uif"
        rule = f"{name}: features must be numbers (N, num_features)"
    else:
        valid = examples.ndim == 1 and examples.dtype.kind == "U"
        rule = f"{name}: words must be unicode strings (N,)"
    check.require(valid, rule, shape=examples.shape, dtype=str(examples.dtype))
    if isinstance(split, ImageSplit) and examples.ndim == 3:
        examples = examples[..., np.newaxis]
    return type(split)(examples, labels.astype(np.int32))


def check_classes(
    check: checks.Checker, name: str, labels: np.ndarray, classes: tuple[str, ...]
) -> tuple[str, ...]:
    """Returns the class names, the labels' own numbers where the files have none."""
    largest = int(labels.max())
    if not classes:
        # One stray label of two billion must not make as many names.
        rule = f"{name}: without class names, labels must be below the number of examples"
        check.require(largest < len(labels), rule, largest=largest)
        return tuple(str(label) for label in range(largest + 1))
    rule = f"{name}: labels must lie in 0..{len(classes) - 1}"
    check.require(largest < len(classes), rule, minimum=int(labels.min()), maximum=largest)
    return classes
