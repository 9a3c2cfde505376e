"""Named data sets and data files -> one record of splits."""

import importlib
import os
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from graphkit import checks
from graphkit.data import batches, readers

__all__ = ["Dataset", "FeatureSplit", "ImageSplit", "WordSplit", "load_dataset"]

EMBEDDED = Path(__file__).parent / "files"
TEST_FRACTION = 0.2  # of data that comes without a test set of its own
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
      features: (N, num_features), as the file holds them.
      labels: int32 (N,).

    Example:
      >>> gk.FeatureSplit(np.zeros((2, 3)), np.array([0, 1])).features.shape
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

    name: str
    train: NamedTuple
    valid: NamedTuple
    test: NamedTuple
    classes: tuple


class Archive(NamedTuple):
    """A file that is downloaded: its address and the hash that it must have."""

    origin: str
    hash: str


class Source(NamedTuple):
    """Where a data set of original files is found, and what its files are."""

    folders: tuple
    train_files: tuple
    test_files: tuple
    label_bytes: int  # before each CIFAR record; 0 for IDX files
    archives: tuple
    classes: tuple


DIGITS = tuple("0123456789")
CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
CIFAR10 = tuple(["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"])
CIFAR100 = tuple(
    """apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus
    butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab
    crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard
    lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom
    oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
    possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake
    spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor
    train trout tulip turtle wardrobe whale willow_tree wolf woman worm""".split()
)
IDX_TRAIN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
IDX_TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
KERAS_ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
CIFAR_ORIGIN = "https://www.cs.toronto.edu/~kriz/"

SOURCES = {
    "mnist": Source(
        ("mnist", "MNIST/raw"),
        IDX_TRAIN,
        IDX_TEST,
        0,
        (
            Archive(
                KERAS_ORIGIN + "mnist.npz",
                "731c5ac602752760c8e48fbffcf8c3b90d9dc2a2aedcf2cc48468fc17b673ea3",
            ),
        ),
        DIGITS,
    ),
    "fashion_mnist": Source(
        ("fashion_mnist", "fashion-mnist", "FashionMNIST/raw"),
        IDX_TRAIN,
        IDX_TEST,
        0,
        (
            Archive(f"{KERAS_ORIGIN}{IDX_TRAIN[0]}.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
            Archive(f"{KERAS_ORIGIN}{IDX_TRAIN[1]}.gz", "25c81989df183df01b3e8a0aad5dffbe"),
            Archive(f"{KERAS_ORIGIN}{IDX_TEST[0]}.gz", "bef4ecab320f06d8554ea6380940ec79"),
            Archive(f"{KERAS_ORIGIN}{IDX_TEST[1]}.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
        ),
        CLOTHES,
    ),
    "cifar10": Source(
        ("cifar10", "cifar-10-batches-bin"),
        tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        ("test_batch.bin",),
        1,
        (Archive(CIFAR_ORIGIN + "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),),
        CIFAR10,
    ),
    "cifar100": Source(
        ("cifar100", "cifar-100-binary"),
        ("train.bin",),
        ("test.bin",),
        2,
        (Archive(CIFAR_ORIGIN + "cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),),
        CIFAR100,
    ),
}
NAMES = ("mnist_5k", "words_5_languages", *SOURCES)


def load_dataset(name_or_path, data_dir=None, valid_fraction=1 / 12, seed=0):
    """Loads a data set by name, or an `.npz` file or a folder of IDX files by path.

    `mnist_5k` (5,000 handwritten digits) and `words_5_languages` (20,000 words) come with the package.
    `mnist`, `fashion_mnist`, `cifar10` and `cifar100` are read from their original files (IDX, gzipped
    or not; CIFAR binary version), looked for in `data_dir`, in the folder that the environment
    variable GRAPHKIT_DATA names and in the system's share/datasets, each of them itself or a folder of
    the data set's name inside. Found nowhere, they are downloaded once by Keras, which checks the hash.

    An `.npz` holds `images`, `features` or `words` beside `labels` (and `classes` if they have names),
    or Keras's `x_train, y_train, x_test, y_test`. Where no test set is given, a fifth of each class is
    set aside, the same whatever the seed.

    Args:
      name_or_path: one of the names above, or a path.
      data_dir: a folder to look in first.
      valid_fraction: share of the training set that is held back for validation (a twelfth leaves
        55,000 of Fashion-MNIST's 60,000).
      seed: which examples those are.

    Returns:
      A `Dataset` with `.train`, `.valid` and `.test`; images are uint8 (N, height, width, channels),
      labels int32 (N,). Train and valid are shuffled once.

    Raises:
      FileNotFoundError: no data set of that name or path.
      OSError: a file cannot be read or downloaded.
      ValueError: a file is cut off, damaged or of another kind.

    Example:
      >>> data = gk.load_dataset("mnist_5k")
      >>> data.train.images.shape, data.train.images.dtype, data.valid.labels.shape
      ((3667, 28, 28, 1), dtype('uint8'), (333,))
    """
    function = "load_dataset"
    valid_fraction = checks.number(function, "valid_fraction", valid_fraction, at_least=0, below=1)
    seed = checks.integer(function, "seed", seed, minimum=0, maximum=None)
    name = os.fspath(name_or_path)
    if name in SOURCES:
        source = SOURCES[name]
        folder = find_folder(source, data_dir)
        parts = read_folder(folder, source) if folder else download(name, source)
        classes = source.classes
    elif name in NAMES:
        parts, classes = parts_of_npz(EMBEDDED / f"{name}.npz")
    elif os.path.isdir(name):
        parts, classes = read_folder(Path(name), SOURCES["mnist"]), ()
    elif os.path.isfile(name):
        parts, classes = parts_of_npz(Path(name))
    else:
        rule = f"no file or folder of that path, and the names are {', '.join(NAMES)}"
        raise FileNotFoundError(checks.message(function, rule, name_or_path=name))
    return make_dataset(name, *parts, classes, valid_fraction, seed)


def make_dataset(name, train, test, classes, valid_fraction, seed):
    """Checks the two parts, sets a test set aside where there is none, and holds back the valid set."""
    train, test = check_split(train, name), test and check_split(test, name)
    if test is not None and not isinstance(train, WordSplit):
        rule = f"{name}: training and test examples must have one shape"
        shapes = {"train": train[0].shape, "test": test[0].shape}
        checks.require(train[0].shape[1:] == test[0].shape[1:], "load_dataset", rule, **shapes)
    if test is None:
        rest, held = batches.split_indices(len(train[1]), TEST_FRACTION, TEST_SEED, train.labels)
        rest.sort()
        train, test = take(train, rest), take(train, np.sort(held))
    rest, held = batches.split_indices(len(train[1]), valid_fraction, seed)
    rule = f"{name}: valid_fraction must leave training examples"
    checks.require(len(rest) > 0, "load_dataset", rule, valid_fraction=valid_fraction)
    if not classes:
        largest = max(int(train.labels.max()), int(test.labels.max()) if len(test.labels) else 0)
        rule = f"{name}: without class names, labels must be below the number of examples"
        checks.require(largest < len(train.labels) + len(test.labels), "load_dataset", rule, largest=largest)
        classes = tuple(str(label) for label in range(largest + 1))
    labels = np.concatenate([train.labels, test.labels])
    rule = f"{name}: labels must lie in 0..{len(classes) - 1}"
    inside = labels.min() >= 0 and labels.max() < len(classes)
    checks.require(inside, "load_dataset", rule, minimum=labels.min(), maximum=labels.max())
    return Dataset(name, take(train, rest), take(train, held), test, tuple(classes))


def take(split, indices):
    return type(split)(*(batches.take(array, indices) for array in split))


def check_split(split, name):
    """Gives images their channel axis and labels their dtype, and refuses what does not fit."""
    examples, labels = split
    rule = f"{name}: labels must be integers, one for each example"
    sound = labels.ndim == 1 and labels.dtype.kind in "ui" and labels.shape == examples.shape[:1]
    received = {"labels": labels.shape, "dtype": str(labels.dtype), "examples": examples.shape}
    checks.require(sound, "load_dataset", rule, **received)
    checks.require(len(labels) > 0, "load_dataset", f"{name} holds no examples", **received)
    in_int32 = labels.min() >= 0 and labels.max() <= np.iinfo(np.int32).max
    rule_labels = f"{name}: labels must be class numbers"
    checks.require(in_int32, "load_dataset", rule_labels, minimum=labels.min(), maximum=labels.max())
    if isinstance(split, ImageSplit):
        rule = f"{name}: images must be uint8 (N, height, width) or (N, height, width, channels)"
        sound = examples.ndim in (3, 4) and examples.dtype == np.uint8
        checks.require(sound, "load_dataset", rule, shape=examples.shape, dtype=str(examples.dtype))
        examples = examples[..., np.newaxis] if examples.ndim == 3 else examples
    elif isinstance(split, FeatureSplit):
        rule = f"{name}: features must be numbers (N, num_features)"
        sound = examples.ndim == 2 and examples.dtype.kind in "uif"
        checks.require(sound, "load_dataset", rule, shape=examples.shape, dtype=str(examples.dtype))
    elif examples.ndim != 1 or examples.dtype.kind != "U":
        rule = f"{name}: words must be unicode strings (N,)"
        received = {"shape": examples.shape, "dtype": str(examples.dtype)}
        raise ValueError(checks.message("load_dataset", rule, **received))
    return type(split)(examples, labels.astype(np.int32))


def find_folder(source, data_dir):
    """Returns the first folder that holds a file of the source, or None."""
    if data_dir is not None and not os.path.isdir(data_dir):
        rule = "data_dir must be a folder"
        raise FileNotFoundError(checks.message("load_dataset", rule, data_dir=os.fspath(data_dir)))
    roots = [data_dir, os.environ.get("GRAPHKIT_DATA")]
    roots += [f"{prefix}/share/datasets" for prefix in (sys.prefix, "/usr/local", "/usr")]
    for root in filter(None, roots):
        for folder in (Path(root), *(Path(root, name) for name in source.folders)):
            if any(find_file(folder, name) for name in source.train_files + source.test_files):
                return folder
    return None


def find_file(folder, name):
    """Returns the path of the file, gzipped or not, or None."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    return None


def read_folder(folder, source):
    """Reads (train, test) from a folder of original files."""

    def locate(name):
        path = find_file(folder, name)
        if path is None:
            rule = f"{folder} must hold {name} (or {name}.gz)"
            found = sorted(path.name for path in folder.iterdir())[:10]
            raise FileNotFoundError(checks.message("load_dataset", rule, files=found))
        return path

    def read(names):
        paths = [locate(name) for name in names]
        if source.label_bytes:
            return ImageSplit(*readers.read_cifar(paths, source.label_bytes))
        return ImageSplit(*(readers.read_idx(path) for path in paths))

    return read(source.train_files), read(source.test_files)


def download(name, source):
    """Fetches the archives of a data set with Keras, which keeps them and checks their hashes."""
    keras = importlib.import_module("keras")  # a part of TensorFlow; takes its seconds to load
    paths = []
    for archive in source.archives:
        file_name = archive.origin.rsplit("/", 1)[1]
        try:
            paths.append(
                keras.utils.get_file(
                    file_name,
                    origin=archive.origin,
                    file_hash=archive.hash,
                    cache_subdir=f"datasets/graphkit-{name}",
                )
            )
        except Exception as error:  # get_file raises bare Exception
            rule = f"{name} is in no local folder and could not be downloaded from {archive.origin}"
            hint = "put its original files into data_dir or $GRAPHKIT_DATA"
            raise OSError(f"load_dataset: {rule}; {hint}; the error was: {error}") from error
    if source.label_bytes:
        return read_tar(paths[0], source)
    if paths[0].endswith(".npz"):
        return parts_of_npz(Path(paths[0]))[0]
    return read_folder(Path(paths[0]).parent, source)


def read_tar(path, source):
    """Reads (train, test) from the archive of a CIFAR binary version, without unpacking it."""

    def read(names):
        contents = [(name, archive.extractfile(members[name]).read()) for name in names]
        return ImageSplit(*readers.cifar_arrays(contents, source.label_bytes))

    try:
        with tarfile.open(path) as archive:
            members = {os.path.basename(m.name): m for m in archive.getmembers() if m.isfile()}
            missing = sorted({*source.train_files, *source.test_files} - members.keys())
            checks.require(not missing, "load_dataset", f"{path} lacks files", missing=missing)
            return read(source.train_files), read(source.test_files)
    except (tarfile.TarError, *readers.ZIP_ERRORS) as error:
        rule = f"{path} is damaged or cut off"
        raise ValueError(checks.message("load_dataset", rule, error=str(error))) from None


def parts_of_npz(path):
    """Returns ((train, test), classes) of an `.npz`; test is None where the file has no test set."""
    arrays = readers.read_npz(path)
    if {"x_train", "y_train", "x_test", "y_test"} <= arrays.keys():
        kind = FeatureSplit if arrays["x_train"].ndim == 2 else ImageSplit
        train, test = (
            kind(arrays[f"x_{part}"], arrays[f"y_{part}"].reshape(-1)) for part in ("train", "test")
        )
        return (train, test), ()
    for key, kind in (("images", ImageSplit), ("features", FeatureSplit), ("words", WordSplit)):
        if key in arrays and "labels" in arrays:
            names = arrays.get("classes", arrays.get("languages", np.array([])))
            classes = tuple(str(item) for item in names.reshape(-1))
            return (kind(arrays[key], arrays["labels"]), None), classes
    rule = f"{path} must hold images, features or words beside labels, or x_train, y_train, …"
    raise ValueError(checks.message("load_dataset", rule, arrays=sorted(arrays)))
