"""`slim.dataset.Dataset`: where the examples of a data set are, and how they are decoded."""

from typing import Any

__all__ = ["Dataset"]


class Dataset:
    """A data set: its files, reader and decoder; more arguments become attributes."""

    def __init__(
        self,
        data_sources: Any,
        reader: Any,
        decoder: Any,
        num_samples: int,
        items_to_descriptions: dict[str, str],
        **kwargs: Any,
    ) -> None:
        self.__dict__.update(kwargs, data_sources=data_sources, reader=reader, decoder=decoder)
        self.num_samples, self.items_to_descriptions = num_samples, items_to_descriptions
