"""`tf.contrib.learn.datasets.mnist`: MNIST in mini-batches, as the tutorials of TensorFlow 1 read it."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks, data
from graphkit.tf1 import overlay
from graphkit.tf1.contrib.learn.datasets.base import Datasets, maybe_download

__all__ = ["DataSet", "dense_to_one_hot", "load_mnist", "read_data_sets"]

FILES = tuple(
    f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
)
EXAMPLES = 60_000  # in MNIST's training files, of which validation_size says how many are held back
Images = tuple[np.ndarray, np.ndarray]  # uint8 (N, 28, 28, 1) and labels uint8 (N,)


class DataSet:
    """Images and labels that `next_batch` hands out in shuffled mini-batches.

    Args:
      images: uint8 (N, height, width, 1).
      labels: (N,) or (N, classes).
      dtype: float32 scales pixels to [0, 1]; uint8 leaves them as they are.
      reshape: whether an image becomes a row of pixels.
      seed: of the order; None draws by NumPy's global random numbers, as TensorFlow 1 did.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        fake_data: bool = False,
        one_hot: bool = False,
        dtype: Any = tf.float32,
        reshape: bool = True,
        seed: int | None = None,
    ) -> None:
        dtype = tf.as_dtype(dtype).base_dtype
        if dtype not in (tf.uint8, tf.float32):
            raise TypeError(f"DataSet: dtype must be uint8 or float32; received dtype={dtype.name!r}")
        if fake_data:
            images, labels = np.full((10_000, 28, 28, 1), 255, np.uint8), np.zeros(10_000, np.uint8)
            labels = dense_to_one_hot(labels, 10) if one_hot else labels
        assert len(images) == len(labels), f"images.shape: {images.shape} labels.shape: {labels.shape}"
        if reshape:
            images = images.reshape(len(images), -1)
        if dtype == tf.float32:
            images = images.astype(np.float32) * np.float32(1 / 255)
        self._images, self._labels = images, labels
        self._epochs_completed, self._index_in_epoch = 0, 0
        self._random: Any = np.random if seed is None else np.random.RandomState(seed)

    images = property(lambda self: self._images)
    labels = property(lambda self: self._labels)
    num_examples = property(lambda self: len(self._images))
    epochs_completed = property(lambda self: self._epochs_completed)

    def next_batch(
        self, batch_size: int, fake_data: bool = False, shuffle: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the next images and labels; at the end of an epoch the batch begins the next one."""
        start, count = self._index_in_epoch, self.num_examples
        if start == 0 and self._epochs_completed == 0 and shuffle:
            self._shuffle()
        if start + batch_size <= count:
            self._index_in_epoch += batch_size
            return self._images[start : start + batch_size], self._labels[start : start + batch_size]
        self._epochs_completed += 1
        images, labels = self._images[start:], self._labels[start:]
        if shuffle:
            self._shuffle()
        self._index_in_epoch = batch_size - len(images)
        images = np.concatenate([images, self._images[: self._index_in_epoch]])
        return images, np.concatenate([labels, self._labels[: self._index_in_epoch]])

    def _shuffle(self) -> None:
        order = np.arange(self.num_examples)
        self._random.shuffle(order)
        self._images, self._labels = self._images[order], self._labels[order]


def read_data_sets(
    train_dir: str,
    fake_data: bool = False,
    one_hot: bool = False,
    dtype: Any = tf.float32,
    reshape: bool = True,
    validation_size: int = 5000,
    seed: int | None = None,
    source_url: str | None = None,
) -> Datasets:
    """Returns MNIST in three parts: train, validation and test.

    The four gzipped files are read from `train_dir`; those that are not there are downloaded from
    `source_url`. Without files and address, the 5,000 digits that come with graphkit stand in, and a line
    says so.
    """
    if fake_data:
        fake = [
            DataSet(np.zeros(0), np.zeros(0), True, one_hot, dtype, reshape, seed) for _ in Datasets._fields
        ]
        return Datasets(*fake)
    check = checks.Checker("read_data_sets")
    train, test, validation_size = read_parts(check, train_dir, source_url, validation_size)
    held_back = check.integer("validation_size", validation_size, minimum=0)
    check.require(
        held_back <= len(train[0]),
        "validation_size must not exceed the training set",
        validation_size=held_back,
    )
    parts = (tuple(a[held_back:] for a in train), tuple(a[:held_back] for a in train), test)
    labelled = [(images, dense_to_one_hot(labels, 10) if one_hot else labels) for images, labels in parts]
    return Datasets(*(DataSet(*part, dtype=dtype, reshape=reshape, seed=seed) for part in labelled))


def read_parts(
    check: checks.Checker, folder: str, source_url: str | None, validation_size: int
) -> tuple[Images, Images, int]:
    """Returns images and labels for training, those for testing, and how many of the first validate."""
    if source_url:
        paths = [Path(maybe_download(name, folder, source_url + name)) for name in FILES]
    else:
        paths = [found for name in FILES for found in find(folder, name)]
    if len(paths) == len(FILES):
        arrays = [data.read_idx(path) for path in paths]
        return (arrays[0][..., None], arrays[1]), (arrays[2][..., None], arrays[3]), validation_size
    rule = f"the folder must have all four files of MNIST or none; {', '.join(FILES)}"
    check.require(not paths, rule, folder=folder, found=[path.name for path in paths])
    digits = data.load_dataset("mnist_5k")
    train = tuple(np.concatenate(pair) for pair in zip(digits.train, digits.valid, strict=True))
    held_back = round(validation_size * len(train[0]) / EXAMPLES)
    print(
        f"read_data_sets: no MNIST files in {folder!r}; the 5,000 digits that come with graphkit stand in "
        f"({len(train[0]) - held_back:,} train, {held_back:,} validation, {len(digits.test.images):,} test). "
        "For all 70,000 put the four files there, or give source_url.",
        file=sys.stderr,
    )
    as_bytes = [(images, labels.astype(np.uint8)) for images, labels in (train, tuple(digits.test))]
    return as_bytes[0], as_bytes[1], held_back


def find(folder: str, name: str) -> list[Path]:
    """Returns the path of a file, gzipped or not, in a list; an empty one if it is not there."""
    return [path for path in (Path(folder, name), Path(folder, name.removesuffix(".gz"))) if path.is_file()][
        :1
    ]


def dense_to_one_hot(labels_dense: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns float64 (N, num_classes): 1 at the label, 0 elsewhere."""
    return np.eye(num_classes)[labels_dense]


def load_mnist(train_dir: str = "MNIST-data") -> Datasets:
    return read_data_sets(train_dir)


__getattr__, __dir__ = overlay.over(__name__)
