"""`slim.tfexample_decoder`: the items of an example, made of the features that are stored."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from graphkit.tf1 import overlay
from graphkit.tf1.contrib.slim.data import data_decoder

__all__ = [
    "BoundingBox",
    "Image",
    "ItemHandler",
    "ItemHandlerCallback",
    "TFExampleDecoder",
    "Tensor",
]

Features = Mapping[str, Any]  # {key: tensor or sparse tensor}


class ItemHandler:
    """Makes an item of the features `keys`; base of a program's own."""

    def __init__(self, keys: str | Sequence[str]) -> None:
        self.keys: list[str] = [keys] if isinstance(keys, str) else list(keys)

    def tensors_to_item(self, keys_to_tensors: Features) -> Any:
        raise NotImplementedError


class ItemHandlerCallback(ItemHandler):
    """An item that a function of {key: feature} returns."""

    def __init__(self, keys: str | Sequence[str], func: Callable[[Features], Any]) -> None:
        super().__init__(keys)
        self._func = func

    def tensors_to_item(self, keys_to_tensors: Features) -> Any:
        return self._func(keys_to_tensors)


class Tensor(ItemHandler):
    """A feature as it is, or of a shape: a fixed one, or one that other features hold."""

    def __init__(
        self,
        tensor_key: str,
        shape_keys: str | list[str] | None = None,
        shape: Any = None,
        default_value: Any = 0,
    ) -> None:
        if shape_keys and shape is not None:
            raise ValueError("Cannot specify both shape_keys and shape parameters.")
        self._shape_keys = [shape_keys] if isinstance(shape_keys, str) else shape_keys or []
        self._key, self._shape, self._default_value = tensor_key, shape, default_value
        super().__init__([tensor_key, *self._shape_keys])

    def tensors_to_item(self, keys_to_tensors: Features) -> tf.Tensor:
        tensor, shape = keys_to_tensors[self._key], self._shape
        if self._shape_keys:
            sizes = [tf.reshape(dense(keys_to_tensors[key], 0), [-1]) for key in self._shape_keys]
            shape = tf.concat(sizes, 0)
        if isinstance(tensor, tf.SparseTensor) and shape is not None:
            tensor = tf.sparse.reshape(tensor, shape)
        tensor = dense(tensor, self._default_value)
        return tensor if shape is None else tf.reshape(tensor, shape)


class BoundingBox(ItemHandler):
    """Boxes (N, 4) of the features ymin, xmin, ymax, xmax."""

    def __init__(self, keys: Sequence[str] | None = None, prefix: str = "") -> None:
        keys = ["ymin", "xmin", "ymax", "xmax"] if keys is None else keys
        if len(keys) != 4:
            raise ValueError(f"BoundingBox expects 4 keys but got {len(keys)}")
        super().__init__([prefix + key for key in keys])

    def tensors_to_item(self, keys_to_tensors: Features) -> tf.Tensor:
        sides = [keys_to_tensors[key] for key in self.keys]
        return tf.stack([side.values if isinstance(side, tf.SparseTensor) else side for side in sides], -1)


class Image(ItemHandler):
    """An encoded image: JPEG, PNG, GIF or BMP as its bytes say; raw numbers if its format says "raw"."""

    def __init__(
        self,
        image_key: str | None = None,
        format_key: str | None = None,
        shape: Any = None,
        channels: int = 3,
        dtype: tf.DType = tf.uint8,
        repeated: bool = False,
        dct_method: str = "",
    ) -> None:
        self._image_key, self._format_key = image_key or "image/encoded", format_key or "image/format"
        self._shape, self._channels, self._dtype = shape, channels, dtype
        self._repeated, self._dct_method = repeated, dct_method
        super().__init__([self._image_key, self._format_key])

    def tensors_to_item(self, keys_to_tensors: Features) -> tf.Tensor:
        content, kind = (
            dense(keys_to_tensors[self._image_key], ""),
            dense(keys_to_tensors[self._format_key], ""),
        )
        if self._repeated:
            return tf.map_fn(lambda one: self._decode(one, kind), content, self._dtype)
        return self._decode(content, kind)

    def _decode(self, content: tf.Tensor, kind: tf.Tensor) -> tf.Tensor:
        def encoded() -> tf.Tensor:
            image = tf.cond(
                tf.io.is_jpeg(content),
                lambda: tf.io.decode_jpeg(content, self._channels, dct_method=self._dct_method),
                lambda: tf.io.decode_image(content, self._channels),
            )
            return tf.cast(image, self._dtype)

        raw = tf.reduce_any(tf.equal(kind, ["raw", "RAW"]))
        image = tf.cond(raw, lambda: tf.io.decode_raw(content, self._dtype), encoded)
        if self._shape is not None:
            return tf.reshape(image, self._shape)
        image.set_shape([None, None, self._channels])
        return image


class TFExampleDecoder(data_decoder.DataDecoder):
    """Parses a serialized example, and makes its items.

    Args:
      keys_to_features: {key: tf.FixedLenFeature or tf.VarLenFeature}.
      items_to_handlers: {item: ItemHandler}.
    """

    def __init__(
        self, keys_to_features: Mapping[str, Any], items_to_handlers: Mapping[str, ItemHandler]
    ) -> None:
        self._keys_to_features, self._items_to_handlers = keys_to_features, items_to_handlers

    def list_items(self) -> list[str]:
        return list(self._items_to_handlers)

    def decode(self, serialized_example: tf.Tensor, items: Sequence[str] | None = None) -> list[Any]:
        """Returns the items, all of them unless some are asked for."""
        features = tf.io.parse_single_example(serialized_example, self._keys_to_features)
        handlers = [self._items_to_handlers[item] for item in items or self.list_items()]
        return [handler.tensors_to_item({key: features[key] for key in handler.keys}) for handler in handlers]


def dense(tensor: Any, default_value: Any) -> tf.Tensor:
    return tf.sparse.to_dense(tensor, default_value) if isinstance(tensor, tf.SparseTensor) else tensor


__getattr__, __dir__ = overlay.over(__name__)
