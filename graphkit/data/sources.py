"""The data sets of original files that graphkit knows by name: where they are found, and downloaded from."""

import importlib
import os
import sys
from pathlib import Path
from typing import NamedTuple

from graphkit import checks


class Archive(NamedTuple):
    """A file that is downloaded: its address and the hash that it must have."""

    origin: str
    hash: str


class Source(NamedTuple):
    """Where a data set of original files is found, and what its files are."""

    folders: tuple[str, ...]
    train_files: tuple[str, ...]
    test_files: tuple[str, ...]
    label_bytes: int  # before each CIFAR record; 0 for IDX files
    archives: tuple[Archive, ...]
    classes: tuple[str, ...]


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
CIFAR10 = tuple("airplane automobile bird cat deer dog frog horse ship truck".split())
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
        folders=("mnist", "MNIST/raw"),
        train_files=IDX_TRAIN,
        test_files=IDX_TEST,
        label_bytes=0,
        archives=(
            Archive(
                KERAS_ORIGIN + "mnist.npz",
                "731c5ac602752760c8e48fbffcf8c3b90d9dc2a2aedcf2cc48468fc17b673ea3",
            ),
        ),
        classes=DIGITS,
    ),
    "fashion_mnist": Source(
        folders=("fashion_mnist", "fashion-mnist", "FashionMNIST/raw"),
        train_files=IDX_TRAIN,
        test_files=IDX_TEST,
        label_bytes=0,
        archives=(
            Archive(f"{KERAS_ORIGIN}{IDX_TRAIN[0]}.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
            Archive(f"{KERAS_ORIGIN}{IDX_TRAIN[1]}.gz", "25c81989df183df01b3e8a0aad5dffbe"),
            Archive(f"{KERAS_ORIGIN}{IDX_TEST[0]}.gz", "bef4ecab320f06d8554ea6380940ec79"),
            Archive(f"{KERAS_ORIGIN}{IDX_TEST[1]}.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
        ),
        classes=CLOTHES,
    ),
    "cifar10": Source(
        folders=("cifar10", "cifar-10-batches-bin"),
        train_files=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        test_files=("test_batch.bin",),
        label_bytes=1,
        archives=(Archive(CIFAR_ORIGIN + "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),),
        classes=CIFAR10,
    ),
    "cifar100": Source(
        folders=("cifar100", "cifar-100-binary"),
        train_files=("train.bin",),
        test_files=("test.bin",),
        label_bytes=2,
        archives=(Archive(CIFAR_ORIGIN + "cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),),
        classes=CIFAR100,
    ),
}


def find_folder(check: checks.Checker, source: Source, folder: str | os.PathLike[str] | None) -> Path | None:
    """Returns the first folder that holds a file of the source, or None."""
    if folder is not None and not os.path.isdir(folder):
        raise FileNotFoundError(
            check.message("folder must be a folder that exists", folder=os.fspath(folder))
        )
    roots = [os.fspath(folder or ""), os.environ.get("GRAPHKIT_DATA", "")]
    roots += [f"{prefix}/share/datasets" for prefix in (sys.prefix, "/usr/local", "/usr")]
    for root in filter(None, roots):
        for place in (Path(root), *(Path(root, name) for name in source.folders)):
            # One file is enough: a partly filled folder is then refused with the name of what it lacks,
            # where passing it over would start a download that nobody asked for.
            if any(find_file(place, name) for name in source.train_files + source.test_files):
                return place
    return None


def find_file(folder: Path, name: str) -> Path | None:
    """Returns the path of the file, gzipped or not, or None."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    return None


def download(check: checks.Checker, name: str, source: Source) -> list[Path]:
    """Fetches the archives of a data set with Keras, which keeps them and checks their hashes."""
    keras = importlib.import_module("keras")  # loads TensorFlow, so not before it is needed
    paths = []
    for archive in source.archives:
        file_name = archive.origin.rsplit("/", 1)[1]
        try:
            path = keras.utils.get_file(
                file_name,
                origin=archive.origin,
                file_hash=archive.hash,
                cache_subdir=f"datasets/graphkit-{name}",
            )
        except Exception as error:  # get_file raises bare Exception
            rule = f"{name} is in no local folder and could not be downloaded from {archive.origin}"
            hint = "put its original files into a folder that folder= or GRAPHKIT_DATA names"
            raise OSError(check.message(f"{rule}; {hint}; the error was: {error}")) from error
        paths.append(Path(path))
    return paths
