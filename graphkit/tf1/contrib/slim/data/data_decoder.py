"""Base of decoders of a program's own."""

from collections.abc import Sequence
from typing import Any


class DataDecoder:
    """Makes the items of an example, of what is stored."""

    def decode(self, data: Any, items: Sequence[str]) -> list[Any]:
        raise NotImplementedError

    def list_items(self) -> list[str]:
        raise NotImplementedError
