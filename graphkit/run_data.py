"""The kinds of data that a run is trained on: images, words, features and tables, one class each.

A kind says what of the data a `RunConfig` holds, which placeholder takes its examples, what the model is
given, and how the files and words that people ask about become examples.
"""

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.data import array_checks, folders, readers, scalers, splits, table_encoder, tables, text
from graphkit.nn import dense, inputs

__all__ = ["FeatureScaling", "read_images"]

IMAGES, FEATURES, WORDS = "images", "features", "words"
# What each function of `graphkit.models` takes.
TAKES = {
    "softmax_regression": (IMAGES, FEATURES),
    "mlp": (IMAGES, FEATURES),
    "convnet": (IMAGES,),
    "inception_net": (IMAGES,),
    "char_rnn": (WORDS,),
}
TINY = float(np.finfo(np.float32).tiny)  # what float32 can still divide by
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
FAINT = 16  # a picture whose pixels differ by less shows nothing
LIGHT_ON_DARK = ("mnist", "mnist_5k", "fashion_mnist")  # data sets whose images have a black ground


class FeatureScaling(NamedTuple):
    """What is subtracted from features, and what they are then divided by.

    Attributes:
      mean: of each feature in the training examples.
      std: likewise; 1 of a feature that never changes.

    Example:
      >>> gk.runs.FeatureScaling((0.5, 2.0), (1.0, 0.1)).mean
      (0.5, 2.0)
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


class Model(NamedTuple):
    """What a model is given: the placeholder of its examples, its inputs, and arguments of its own."""

    placeholder: tf.Tensor
    inputs: tf.Tensor
    arguments: dict[str, Any]


class Kind:
    """A kind of data; it is made from a `RunConfig` whose fields `check` has found to fit together."""

    holds: ClassVar[str]

    def __init__(self, config: Any) -> None: ...

    @staticmethod
    def settings(data: splits.Dataset) -> dict[str, Any]:
        """Returns the fields of a `RunConfig` that describe the data."""
        return {}

    @staticmethod
    def check(check: checks.Checker, config: Any) -> None:
        """Raises unless these fields of a `RunConfig` have right values."""

    def model(self) -> Model:
        """Emits the placeholder, and what is done to the examples before the model."""
        raise NotImplementedError

    def encode(self, examples: Any) -> np.ndarray:
        """Returns what is fed for examples as the data set has them."""
        return examples

    def read(self, check: checks.Checker, example: str | os.PathLike[str]) -> np.ndarray:
        """Returns what is fed for a file, or for a word."""
        raise NotImplementedError

    def doubt(self, examples: np.ndarray) -> str | None:
        """Returns why examples that were read may not be like those of the training, or None."""
        return None


class Images(Kind):
    """Images as arrays, or as files of a folder, whose `ImageFormat` says how they are decoded."""

    holds = IMAGES

    def __init__(self, config: Any) -> None:
        self.shape = config.image_shape or ()
        self.format: Any = config.format
        self.data = config.data

    @staticmethod
    def settings(data: splits.Dataset) -> dict[str, Any]:
        return {"image_shape": tuple(data.train.images.shape[1:])}

    @staticmethod
    def check(check: checks.Checker, config: Any) -> None:
        shape = check_image_shape(check, config.image_shape)
        decoded: Any = config.format
        fits = decoded is None or decoded.shape == shape
        check.require(fits, "image_shape must be the shape of the format", image_shape=shape)

    def model(self) -> Model:
        placeholder = inputs.image_input(*self.shape)
        return Model(placeholder, placeholder, {})

    def read(self, check: checks.Checker, example: str | os.PathLike[str]) -> np.ndarray:
        if self.format is None or os.fspath(example).endswith(".npz"):
            return read_images(example, self.shape)
        return self.format.decode(check, example)[np.newaxis]

    def doubt(self, examples: np.ndarray) -> str | None:
        lowest, highest = int(examples.min()), int(examples.max())
        if highest - lowest < FAINT:  # as of 0 and 1, or of 12 bits in a file of 16
            return f"nearly of one color (pixels {lowest} to {highest}, of 255)"
        height, width = examples.shape[1:3]
        corners = examples[:, :: max(1, height - 1), :: max(1, width - 1)]
        is_light = (corners > 127).all(axis=(1, 2, 3))
        if self.data not in LIGHT_ON_DARK or not is_light.any():
            return None
        count = "" if len(examples) == 1 else f" ({is_light.sum():,} of {len(examples):,} images)"
        remedy = 'PIL.ImageOps.invert(PIL.Image.open(path).convert("L"))'
        return f"dark on a light ground{count}, and {self.data} is light on black: invert it, as by {remedy}"


class Words(Kind):
    """Words, which become tokens."""

    holds = WORDS

    def __init__(self, config: Any) -> None:
        self.length = config.length
        self.vocabulary = text.Vocabulary(config.alphabet or "", "character")

    @staticmethod
    def settings(data: splits.Dataset) -> dict[str, Any]:
        vocabulary = text.Vocabulary.of_characters(data.train.words)
        return {
            "alphabet": "".join(vocabulary.tokens),
            "length": max(len(word) for word in data.train.words),
        }

    @staticmethod
    def check(check: checks.Checker, config: Any) -> None:
        check.integer("length", config.length)

    def model(self) -> Model:
        placeholder = inputs.token_input(self.length or 1)
        return Model(placeholder, placeholder, {"vocabulary_size": len(self.vocabulary)})

    def encode(self, examples: Any) -> np.ndarray:
        return self.vocabulary.encode(examples, self.length, truncate=True)

    def read(self, check: checks.Checker, example: str | os.PathLike[str]) -> np.ndarray:
        return self.encode([example])


class Features(Kind):
    """Feature vectors, standardised in the graph, so that an exported model takes them as they are."""

    holds = FEATURES

    def __init__(self, config: Any) -> None:
        mean, std = config.scaling or ((), ())
        self.mean, self.std = np.asarray(mean, np.float32), np.asarray(std, np.float32)

    @staticmethod
    def settings(data: splits.Dataset) -> dict[str, Any]:
        scaler = scalers.Standardizer(data.train.features)
        std = np.where(scaler.std > TINY, scaler.std, 1.0)
        return {"scaling": FeatureScaling(tuple(scaler.mean.tolist()), tuple(std.tolist()))}

    @staticmethod
    def check(check: checks.Checker, config: Any) -> None:
        scaling = config.scaling
        right = isinstance(scaling, FeatureScaling) and len(scaling.mean) == len(scaling.std) > 0
        rule = "scaling must be a FeatureScaling of as many means as standard deviations"
        check.require(right, rule, scaling=scaling)
        for mean, std in zip(*(scaling or ((), ())), strict=True):
            check.number("mean", mean)
            check.number("std", std, at_least=TINY)

    def model(self) -> Model:
        placeholder = inputs.feature_input(len(self.mean))
        return Model(placeholder, (placeholder - self.mean) / self.std, {})

    def read(self, check: checks.Checker, example: str | os.PathLike[str]) -> np.ndarray:
        path = os.fspath(example)
        check.require(path.endswith(".npz"), "features are read from an .npz file", path=path)
        arrays = readers.read_npz(path)
        rule = f"{path} must hold an array named features"
        check.require("features" in arrays, rule, arrays=sorted(arrays))
        features = arrays["features"]
        rule = f"{path} must hold features (N, {len(self.mean)}), N at least 1"
        fits = features.ndim == 2 and features.shape[1] == len(self.mean) and len(features)
        check.require(fits, rule, shape=features.shape)
        return features


class Table(Kind):
    """The columns of a table as features; its `TableFormat` has the fitted preprocessing."""

    holds = FEATURES

    def __init__(self, config: Any) -> None:
        self.format: Any = config.format

    def model(self) -> Model:
        encoder: table_encoder.TableEncoder = self.format.encoder
        placeholder = inputs.feature_input(encoder.num_features)
        return Model(placeholder, embed(placeholder, encoder.embedded), {})

    def encode(self, examples: Any) -> np.ndarray:
        return self.format.encoder.transform(examples) if hasattr(examples, "iloc") else examples

    def read(self, check: checks.Checker, example: str | os.PathLike[str]) -> np.ndarray:
        path = os.fspath(example)
        rule = f"rows are read from a table ({', '.join(tables.SUFFIXES)})"
        check.require(tables.is_table(path), rule, path=path)
        frame = tables.read_table(check, path)
        return self.format.encoder.encode(checks.Checker(f"{check.function}: {path}"), frame)


def kind_of(check: checks.Checker, config: Any) -> type[Kind]:
    """Returns the kind of data that the fields of a `RunConfig` describe; they must be of one kind."""
    described: dict[str, Any] = {
        "image_shape": config.image_shape,
        "alphabet": config.alphabet,
        "scaling": config.scaling,
    }
    if isinstance(config.format, tables.TableFormat):
        described["format"] = config.format
    given = [name for name, value in described.items() if value is not None]
    rule = "set one of image_shape (images), alphabet (words), scaling (features) and format (a table)"
    check.require(len(given) == 1, rule, **{name: described[name] for name in given})
    kinds: dict[str, type[Kind]] = {
        "image_shape": Images,
        "alphabet": Words,
        "scaling": Features,
        "format": Table,
    }
    right = config.format is None or isinstance(config.format, (folders.ImageFormat, tables.TableFormat))
    check.require_type(right, "format must be an ImageFormat, a TableFormat or None", format=config.format)
    fits = not isinstance(config.format, folders.ImageFormat) or given == ["image_shape"]
    check.require(fits, "an ImageFormat is for images: set image_shape", **{given[0]: described[given[0]]})
    return kinds[given[0]]


def kind_of_data(data: splits.Dataset) -> type[Kind]:
    if isinstance(data.format, tables.TableFormat):
        return Table
    kinds: dict[type, type[Kind]] = {
        splits.ImageSplit: Images,
        splits.WordSplit: Words,
        splits.FeatureSplit: Features,
    }
    return kinds[type(data.train)]


def embed(features: tf.Tensor, sizes: dict[int, int]) -> tf.Tensor:
    """Replaces the features that are categories' numbers by trained vectors.

    Args:
      features: (batch, features).
      sizes: {place of a feature: number of rows of its embedding}.

    Returns:
      (batch, features with the vectors at the end). A vector has 1.6 * rows**0.56 numbers, at most 600.

    Source: the rule for the length of a vector is that of fastai's `emb_sz_rule`.
    """
    if not sizes:
        return features
    others = [place for place in range(features.shape.as_list()[1]) if place not in sizes]
    parts = [tf.gather(features, others, axis=1)] if others else []
    for number, (place, rows) in enumerate(sizes.items(), start=1):
        units = min(600, round(1.6 * rows**0.56))
        tokens = tf.cast(features[:, place], tf.int32)
        parts.append(dense.embedding(tokens, rows, units, name=f"embedding{number}"))
    return tf.concat(parts, axis=1)


def check_image_shape(check: checks.Checker, image_shape: Any) -> tuple[int, ...]:
    rule = "image_shape must be (height, width, channels)"
    check.require_type(isinstance(image_shape, (tuple, list)), rule, image_shape=image_shape)
    check.require(len(image_shape) == 3, rule, image_shape=image_shape)
    return check.integers("image_shape", image_shape, 3)


def read_images(path: str | os.PathLike[str], image_shape: Sequence[int]) -> np.ndarray:
    """Reads the images of a PNG or JPEG file (one image) or of an `.npz` file (its array `images`).

    Pictures of a palette, of bits and of 16 bits become 8 bits for each channel. In an `.npz` file, integers
    of any dtype are pixels if they lie in 0..255.

    Args:
      path: the file.
      image_shape: (height, width, channels) that the images must have. For one channel, color is converted
        to gray; images are never resized.

    Returns:
      uint8 (N, height, width, channels).

    Raises:
      TypeError: path is not a path, or image_shape is not a sequence of integers.
      OSError: the file cannot be read.
      ValueError: the file is damaged, its images have another size, or a picture has transparent parts.

    Example:
      >>> import tempfile
      >>> with tempfile.NamedTemporaryFile(suffix=".npz") as file:
      ...     np.savez(file, images=np.zeros((2, 28, 28), np.uint8))
      ...     file.flush()
      ...     gk.runs.read_images(file.name, (28, 28, 1)).shape
      (2, 28, 28, 1)
    """
    check = checks.Checker("read_images")
    shape = check_image_shape(check, image_shape)
    path = os.fspath(path)
    if path.endswith(".npz"):
        arrays = readers.read_npz(path)
        check.require("images" in arrays, f"{path} must hold an array named images", arrays=sorted(arrays))
        images = arrays["images"]
        images = images[..., np.newaxis] if images.ndim == 3 else images
        rule = f"{path} must hold images {shape} of integers 0..255"
        fits = images.shape[1:] == shape and images.dtype.kind in "ui" and len(images)
        check.require(fits, rule, shape=images.shape[1:], dtype=str(images.dtype))
        return array_checks.check_pixels(check, path, images)
    return decode_image(check, path, shape)[np.newaxis]


def decode_image(check: checks.Checker, path: str, shape: tuple[int, ...]) -> np.ndarray:
    """Returns a PNG or JPEG file as uint8 (height, width, channels).

    The size is read from the header first: a few bytes of a damaged header can ask the decoder for gigabytes.
    """
    with check.system_errors(f"{path} cannot be read"):
        content = Path(path).read_bytes()
    no_image = check.message(f"{path} is not a complete PNG or JPEG image", bytes=len(content))
    if not content.startswith((PNG, JPEG)):  # libjpeg would write a line of its own
        raise ValueError(no_image)
    height, width, channels = shape
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        try:
            found = stated_size(session, content)
            rule = f"{path} must have {height}x{width} pixels, as the network's images: resize it, as by "
            rule += f'PIL.Image.open({path!r}).resize(({width}, {height})).save("resized.png")'
            check.require(found == [height, width], rule, height=found[0], width=found[1])
            decoded = session.run(tf.io.decode_image(content, 0, expand_animations=False))
            check_opaque(check, path, decoded)
            return session.run(tf.io.decode_image(content, channels, expand_animations=False))
        except tf.errors.InvalidArgumentError:
            raise ValueError(no_image) from None


def check_opaque(check: checks.Checker, path: str, decoded: np.ndarray) -> None:
    """Refuses transparent parts: what lies under them is mostly black, and not what anybody sees."""
    rule = f"{path} has transparent parts: lay it on a ground like that of the training's images, as by "
    rule += f'p = PIL.Image.open({path!r}).convert("RGBA"); '
    rule += 'ground = PIL.Image.new("RGBA", p.size, "black"); '
    rule += 'PIL.Image.alpha_composite(ground, p).convert("RGB").save("opaque.png")'
    has_alpha = decoded.shape[-1] in (2, 4)
    check.require(not has_alpha or (decoded[..., -1] == 255).all(), rule)


def stated_size(session: tf.compat.v1.Session, content: bytes) -> list[int]:
    """Returns [height, width] as the header of a PNG or JPEG states it."""
    if content[:8] == PNG and len(content) >= 24:
        width, height = struct.unpack(">II", content[16:24])
        return [height, width]
    return session.run(tf.image.extract_jpeg_shape(content))[:2].tolist()
