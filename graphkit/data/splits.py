"""What a data set is: three splits of one kind, and the names of its classes."""

from typing import Any, NamedTuple

import numpy as np

from graphkit import checks
from graphkit.data import batches

__all__ = ["Dataset", "FeatureSplit", "ImageSplit", "WordSplit"]

TEST_FRACTION = 0.2  # of data that comes without a test set
TEST_SEED = 0  # the test set stays the same, whatever seed the training has


class ImageSplit(NamedTuple):
    """Images and their labels.

    Attributes:
      images: uint8 (N, height, width, channels): an array, or a `Column` of files that are decoded when they
        are needed.
      labels: int32 (N,).

    Example:
      >>> gk.load_dataset("mnist_5k").test.images.shape
      (1000, 28, 28, 1)
    """

    images: Any  # an array or a `Column`, of which type checkers would refuse what only arrays have
    labels: np.ndarray

    def __repr__(self) -> str:
        return checks.summary(self, checks.DEEPEST)


class FeatureSplit(NamedTuple):
    """Feature vectors and their labels.

    Attributes:
      features: (N, num_features), in the file's dtype; float32 of a table.
      labels: int32 (N,); float32 (N,) where numbers are predicted.

    Example:
      >>> gk.data.FeatureSplit(np.zeros((2, 3)), np.array([0, 1])).features.shape
      (2, 3)
    """

    features: np.ndarray
    labels: np.ndarray

    def __repr__(self) -> str:
        return checks.summary(self, checks.DEEPEST)


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

    def __repr__(self) -> str:
        return checks.summary(self, checks.DEEPEST)


Split = ImageSplit | FeatureSplit | WordSplit


class Dataset(NamedTuple):
    """A data set in three splits of one kind: `ImageSplit`, `FeatureSplit` or `WordSplit`.

    Attributes:
      name: the name or path that it was loaded by.
      train: what a network is trained on.
      valid: what is held back from the training set to choose settings and to stop early.
      test: what is looked at last.
      classes: names of the classes, in the order of their labels; () where numbers are predicted.
      format: how its files were read, for the files to come: a `gk.data.ImageFormat` of a folder of images,
        a `gk.data.TableFormat` of a table, None of all others.

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
    format: Any = None

    def __repr__(self) -> str:
        return checks.summary(self, checks.DEEPEST)


def take(split: Any, indices: np.ndarray) -> Any:
    """Returns a split of the examples at the indices."""
    return type(split)(*(batches.take(array, indices) for array in split))


def partition(
    check: checks.Checker, count: int, valid_fraction: float, seed: int, labels: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the indices of the training, validation and test set; of each class alike, if there are labels.

    Train and valid are shuffled; the test set follows from the labels alone.
    """
    rest, test = batches.split_indices(count, TEST_FRACTION, TEST_SEED, labels=labels)
    rest = np.sort(rest)
    train, valid = hold_back(check, len(rest), valid_fraction, seed, None if labels is None else labels[rest])
    return rest[train], rest[valid], np.sort(test)


def hold_back(
    check: checks.Checker, count: int, valid_fraction: float, seed: int, labels: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the indices of the training and the validation set, shuffled."""
    train, valid = batches.split_indices(count, valid_fraction, seed, labels=labels)
    rule = "valid_fraction must leave training examples"
    check.require(len(train) > 0, rule, valid_fraction=valid_fraction)
    return train, valid
