"""Base of what provides the items of examples."""

from collections.abc import Mapping
from typing import Any


class DataProvider:
    """Items by name, which are tensors that are new in each run."""

    def __init__(self, items_to_tensors: Mapping[str, Any], num_samples: int) -> None:
        self._items_to_tensors, self._num_samples = dict(items_to_tensors), num_samples

    def list_items(self) -> list[str]:
        return list(self._items_to_tensors)

    def num_samples(self) -> int:
        return self._num_samples

    def get(self, items: list[str]) -> list[Any]:
        """Returns the tensors of items, such as ["image", "label"]."""
        unknown = set(items) - set(self._items_to_tensors)
        if unknown:
            raise ValueError(f"Items {sorted(unknown)} are not among {sorted(self._items_to_tensors)}")
        return [self._items_to_tensors[item] for item in items]
