"""`tf.flags`: that of `tf.compat.v1`, and the method of `FLAGS` that programs before TensorFlow 1.5 call."""

import sys
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from graphkit.tf1 import overlay

V1: Any = tf.compat.v1.flags


class Flags:
    """The program's flags, such as `FLAGS.rate`; the command line is parsed when one is first read."""

    def _parse_flags(self, args: list[str] | None = None) -> None:
        if not V1.FLAGS.is_parsed():
            V1.FLAGS(sys.argv if args is None else ["program", *args])

    def __getattr__(self, name: str) -> Any:
        if overlay.is_special(name):  # asked for by tools; TensorFlow would parse the command line
            raise AttributeError(name)
        return getattr(V1.FLAGS, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(V1.FLAGS, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(V1.FLAGS, name)

    def __getitem__(self, name: str) -> Any:
        return V1.FLAGS[name]

    def __contains__(self, name: str) -> bool:
        return name in V1.FLAGS

    def __iter__(self) -> Iterator[str]:
        return iter(V1.FLAGS)

    def __len__(self) -> int:
        return len(V1.FLAGS)

    def __call__(self, argv: list[str], known_only: bool = False) -> list[str]:
        return V1.FLAGS(argv, known_only)

    def __dir__(self) -> list[str]:
        return dir(V1.FLAGS)

    def __str__(self) -> str:
        return str(V1.FLAGS)


FLAGS = Flags()

__getattr__, __dir__ = overlay.over(__name__, V1)
