"""`tf.contrib.learn.datasets`."""

from typing import Any

from graphkit.tf1 import overlay
from graphkit.tf1.contrib.learn.datasets import base as base
from graphkit.tf1.contrib.learn.datasets import mnist as mnist
from graphkit.tf1.contrib.learn.datasets.mnist import load_mnist

__all__ = ["base", "load_dataset", "mnist"]


def load_dataset(name: str, size: str = "small", test_with_fake_data: bool = False) -> Any:
    """Returns the data set "mnist"; the others of TensorFlow 1 were downloaded from places that are gone."""
    if name != "mnist":
        raise ValueError(
            f"load_dataset: name must be 'mnist'; scikit-learn has the others; received name={name!r}"
        )
    return load_mnist()


__getattr__, __dir__ = overlay.over(__name__)
