"""Folders of images, one folder for each class: Pillow decodes them, at once or when they are needed."""

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent import futures
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from graphkit import checks
from graphkit.data import batches, columns
from graphkit.data.splits import Dataset, ImageSplit, hold_back, partition

__all__ = ["ImageFormat"]

logger = logging.getLogger("graphkit")
FORMATS = ("PNG", "JPEG")
OTHER_FORMAT = "neither PNG nor JPEG"
CONVERTIBLE = (".gif", ".bmp", ".tif", ".tiff", ".webp", ".avif")  # pictures that Pillow reads, too
# Names of the folders of a set that comes in parts.
PARTS = {
    "train": ("train", "training"),
    "valid": ("valid", "val", "validation"),
    "test": ("test", "testing"),
}
SYSTEM_FILES = ("thumbs.db", "desktop.ini")  # that Windows puts into folders; others begin with a dot
IN_MEMORY = 1 << 29  # bytes of decoded images up to which they are decoded once and kept
MOST_NAMED = 10  # files in a message
GRAY_MODES = ("1", "L", "LA", "I", "F")  # of Pillow, and those that begin with I;16
TURNED = (5, 6, 7, 8)  # values of the EXIF orientation that exchange height and width
ORIENTATION = 0x0112  # tag of EXIF
JPEG_END = b"\xff\xd9"


class ImageOptions(NamedTuple):
    """How images are to be read; see `load_dataset`."""

    image_size: tuple[int, int] | None = None
    channels: int | None = None
    resize: bool = True


class ImageFormat(NamedTuple):
    """How image files become arrays: what the images of a folder are decoded to.

    Attributes:
      shape: (height, width, channels).
      resize: whether images of another size are resized, or refused.
      classes: names of the classes, in the order of their labels.

    Example:
      >>> gk.data.ImageFormat((32, 32, 3), True, ("cat", "dog")).shape
      (32, 32, 3)
    """

    shape: tuple[int, int, int]
    resize: bool
    classes: tuple[str, ...]

    def decode(self, check: checks.Checker, path: str | os.PathLike[str]) -> np.ndarray:
        """Returns the image in a PNG or JPEG file as uint8 of the shape.

        It is turned as its EXIF orientation says, what is transparent is laid on white, and colors become
        gray for one channel (0.299 R + 0.587 G + 0.114 B).
        """
        check.optional_module("PIL", "images")
        with check.system_errors(f"{path} cannot be read"):
            problem = problem_of(Path(path))
        if problem:
            raise ValueError(
                check.message(f"{os.fspath(path)} is not a complete PNG or JPEG image", problem=problem)
            )
        try:
            pixels = decoded(check, path, self)
        except Exception as error:  # Pillow raises many classes
            rule = f"{os.fspath(path)} is not a complete PNG or JPEG image"
            raise ValueError(check.message(rule, error=str(error))) from None
        height, width, _ = self.shape
        rule = f"{os.fspath(path)} must have {height}x{width} pixels, as the training's images: resize it, "
        rule += f"as by PIL.Image.open({os.fspath(path)!r}).resize(({width}, {height}))"
        rule += f", or train with image_size=({height}, {width}), which resizes all images"
        check.require(pixels.shape == self.shape, rule, shape=pixels.shape)
        return pixels

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as numbers, texts and lists."""
        return {"shape": list(self.shape), "resize": self.resize, "classes": list(self.classes)}

    @classmethod
    def from_json(cls, fields: Any) -> "ImageFormat":
        """Returns the format that `to_json` described.

        Raises:
          TypeError: a field has the wrong type.
          ValueError: a field is missing, unknown or out of range.
        """
        check = checks.Checker("ImageFormat.from_json")
        check.fields(fields, cls._fields)
        shape, classes, resize = fields["shape"], fields["classes"], fields["resize"]
        check.require_type(isinstance(shape, list), "shape must be (height, width, channels)", shape=shape)
        height, width, channels = check.integers("shape", shape, 3)
        check.require(channels in (1, 3), "channels must be 1 or 3", shape=shape)
        right = isinstance(classes, list) and all(isinstance(name, str) for name in classes)
        check.require_type(right and isinstance(resize, bool), "classes must be names, resize true or false")
        return cls((height, width, channels), resize, tuple(classes))


class ImageFiles(columns.Column):
    """Images in files, decoded when they are needed.

    Args:
      check: of the function that was called.
      paths: the files.
      image_format: what each becomes.
    """

    def __init__(self, check: checks.Checker, paths: Sequence[Path], image_format: ImageFormat) -> None:
        self.check, self.paths, self.format = check, list(paths), image_format
        super().__init__(self.decode, (len(self.paths), *image_format.shape), np.uint8)

    def decode(self, indices: np.ndarray) -> np.ndarray:
        """Returns the images of the indices, decoded by several threads."""
        pixels = batches.aligned_empty((len(indices), *self.format.shape), np.uint8)

        def write(place: int) -> None:
            pixels[place] = self.format.decode(self.check, self.paths[indices[place]])

        for _ in in_threads(write, range(len(indices))):
            pass
        return pixels


class Header(NamedTuple):
    """What the first bytes of an image file say."""

    height: int
    width: int
    is_gray: bool


def in_threads(function: Callable[[Any], Any], items: Sequence[Any]) -> Iterable[Any]:
    """Returns the results in order. Pillow lets other threads run while it decodes."""
    if len(items) < 4:
        yield from map(function, items)
        return
    with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(function, items)


def is_image_folder(path: Path) -> bool:
    return path.is_dir() and bool(subfolders(path))


def load(
    check: checks.Checker,
    name: str,
    options: ImageOptions,
    valid_fraction: float,
    seed: int,
    fitted: ImageFormat | None,
) -> Dataset:
    """Reads a folder of images into a `Dataset`; see `load_dataset`."""
    check.optional_module("PIL", "images")
    parts = parts_of(check, Path(name))
    classes = fitted.classes if fitted else class_names(check, name, parts["train"])
    files = {part: files_of(check, folder, classes) for part, folder in parts.items()}
    every = [path for paths, _ in files.values() for path in paths]
    headers = read_headers(check, name, every)
    image_format = fitted or format_of(check, name, every, headers, options, classes)
    check_sizes(check, name, every, headers, image_format)
    images = images_of(check, name, every, image_format)
    ends = np.cumsum([len(paths) for paths, _ in files.values()])
    starts = {part: end - len(files[part][0]) for part, end in zip(files, ends, strict=True)}

    def split(part: str, indices: np.ndarray) -> ImageSplit:
        return ImageSplit(images(indices + starts[part]), files[part][1][indices])

    train, valid, test = indices_of(
        check, {part: labels for part, (_, labels) in files.items()}, valid_fraction, seed
    )
    splits = (
        split("train", train),
        split("valid" if "valid" in files else "train", valid),
        split("test" if "test" in files else "train", test),
    )
    return Dataset(name, *splits, classes, image_format)


def indices_of(
    check: checks.Checker, labels: Mapping[str, np.ndarray], valid_fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns which images of their parts are for training, validation and test."""
    of_train = labels["train"]
    if "valid" in labels:
        valid_fraction = 0.0
    if "test" in labels:
        test = np.arange(len(labels["test"]))
        train, valid = hold_back(check, len(of_train), valid_fraction, seed, of_train)
    else:
        train, valid, test = partition(check, len(of_train), valid_fraction, seed, of_train)
    return train, np.arange(len(labels["valid"])) if "valid" in labels else valid, test


def subfolders(folder: Path) -> list[Path]:
    found = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    if all(path.name.isdecimal() for path in found):
        return sorted(found, key=lambda path: int(path.name))  # 2 before 10
    return sorted(found)


def parts_of(check: checks.Checker, folder: Path) -> dict[str, Path]:
    """Returns {"train": folder, ...} of the parts in which the images come."""
    found = {path.name.lower(): path for path in subfolders(folder)}
    parts = {part: [found[name] for name in names if name in found] for part, names in PARTS.items()}
    # A class may be called "train": a set in parts has one for training and another one.
    if not parts["train"] or not (parts["valid"] or parts["test"]):
        return {"train": folder}
    known = [paths[0] for paths in parts.values() if paths]
    wrong = [path.name for path in found.values() if path not in known]
    rule = f"{folder} must hold one folder for each part, train, valid and test, and no others"
    check.require(not wrong, rule, others=wrong)
    return {part: paths[0] for part, paths in parts.items() if paths}


def class_names(check: checks.Checker, name: str, folder: Path) -> tuple[str, ...]:
    names = tuple(path.name for path in subfolders(folder))
    rule = f"{name} must hold a folder of images for each of two or more classes"
    if len(names) == 1 and subfolders(folder / names[0]):
        rule += f": they are in {Path(name, names[0])}, so give that"
    check.require(len(names) > 1, rule, classes=names)
    return names


def files_of(check: checks.Checker, folder: Path, classes: tuple[str, ...]) -> tuple[list[Path], np.ndarray]:
    """Returns the files of the classes' folders, those in folders inside included, and their labels."""
    found = {path.name: path for path in subfolders(folder)}
    unknown = [name for name in found if name not in classes]
    near = checks.near(unknown[0], classes) if unknown else ""
    check.require(not unknown, f"{folder} must hold folders of the classes alone{near}", unknown=unknown)
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        inside = found[name].rglob("*") if name in found else ()
        own = sorted(path for path in inside if path.is_file() and not is_hidden(path.relative_to(folder)))
        check.require(own or name not in found, f"{found.get(name)} holds no images")
        paths += own
        labels += [label] * len(own)
    check.require(paths, f"{folder} holds no images", classes=classes)
    return paths, np.array(labels, np.int32)


def is_hidden(path: Path) -> bool:
    return path.name.lower() in SYSTEM_FILES or any(part.startswith(".") for part in path.parts)


def read_headers(check: checks.Checker, name: str, paths: Sequence[Path]) -> list[Header]:
    """Returns the headers of all files, of which each must be a PNG or a JPEG."""

    def read(path: Path) -> Header | str:
        return problem_of(path) or incomplete(check, path) or header_of(check, path)

    found = list(in_threads(read, paths))
    refuse(check, name, paths, [item if isinstance(item, str) else None for item in found])
    return found


def refuse(check: checks.Checker, name: str, paths: Sequence[Path], problems: Sequence[str | None]) -> None:
    """Raises `ValueError` with the files that have a problem."""
    wrong = [f"{path} ({problem})" for path, problem in zip(paths, problems, strict=True) if problem]
    if wrong:
        rule = f"{name} must hold complete PNG and JPEG images alone: replace or remove "
        rule += ", ".join(wrong[:MOST_NAMED])
        rule += f" and {len(wrong) - MOST_NAMED} more" if len(wrong) > MOST_NAMED else ""
        others = [path for path, found in zip(paths, problems, strict=True) if found == OTHER_FORMAT]
        convertible = any(path.suffix.lower() in CONVERTIBLE for path in others)
        rule += '; Pillow converts some others: Image.open(path).convert("RGB").save("new.png")' * convertible
        raise ValueError(check.message(rule))


def problem_of(path: Path) -> str | None:
    """Returns why a file is not an image, by its first bytes and length; None if it may be one."""
    try:
        with open(path, "rb") as stream:
            first = stream.read(8)
    except FileNotFoundError:
        raise
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not first:
        return "empty"
    known = first == b"\x89PNG\r\n\x1a\n" or first.startswith(b"\xff\xd8\xff")
    return None if known else OTHER_FORMAT


def header_of(check: checks.Checker, path: Path) -> Header | str:
    """Returns the size and whether an image is gray; or its problem, as text."""
    image_module = check.optional_module("PIL.Image", "images")
    try:
        with image_module.open(path, formats=FORMATS) as image:
            width, height = image.size
            if image.getexif().get(ORIENTATION) in TURNED:
                width, height = height, width
            return Header(height, width, image.mode in GRAY_MODES or image.mode.startswith("I;16"))
    except Exception as error:
        return damage(error)


def format_of(
    check: checks.Checker,
    name: str,
    paths: Sequence[Path],
    headers: Sequence[Header],
    options: ImageOptions,
    classes: tuple[str, ...],
) -> ImageFormat:
    """Returns what the images become, by what was asked for and what they are."""
    gray = all(header.is_gray for header in headers)
    channels = options.channels or (1 if gray else 3)
    if options.image_size is not None:
        return ImageFormat((*options.image_size, channels), options.resize, classes)
    height, width = headers[0][:2]
    return ImageFormat((height, width, channels), False, classes)


def check_sizes(
    check: checks.Checker, name: str, paths: Sequence[Path], headers: Sequence[Header], wanted: ImageFormat
) -> None:
    """Refuses images of another size, unless they are resized."""
    if wanted.resize:
        return
    other = [place for place, header in enumerate(headers) if header[:2] != wanted.shape[:2]]
    if other:
        height, width = headers[other[0]][:2]
        rule = f"{name} must hold images of one size, or image_size=(height, width) be given to resize them"
        received = {
            "size": (height, width),
            "file": paths[other[0]],
            "others": wanted.shape[:2],
            "files": len(other),
        }
        raise ValueError(check.message(rule, **received))


def images_of(
    check: checks.Checker, name: str, paths: Sequence[Path], image_format: ImageFormat
) -> Callable[[np.ndarray], Any]:
    """Returns a function indices -> their images: an array if all fit into memory, else a column."""
    lazy = ImageFiles(check, paths, image_format)
    if lazy.nbytes > IN_MEMORY:
        return lambda indices: ImageFiles(check, [paths[place] for place in indices], image_format)
    if len(paths) > 1000:
        logger.info("decoding the %d images of %s, which are then kept in memory", len(paths), name)
    pixels = batches.aligned_empty(lazy.shape, np.uint8)

    def write(place: int) -> str | None:
        try:
            pixels[place] = decoded(check, paths[place], image_format)
        except Exception as error:
            return damage(error)
        return None

    refuse(check, name, paths, list(in_threads(write, range(len(paths)))))
    return lambda indices: batches.take(pixels, indices)


def incomplete(check: checks.Checker, path: Path) -> str | None:
    """Returns why a file is cut off or damaged, or None; it takes a small part of the time of decoding.

    PNG has checksums. A JPEG must end with its marker; where other bytes follow that, it is decoded.
    """
    image_module = check.optional_module("PIL.Image", "images")
    content = path.read_bytes()
    try:
        if content.startswith(b"\xff\xd8") and content.rstrip(b"\0").endswith(JPEG_END):
            return None
        with image_module.open(path, formats=FORMATS) as image:
            image.verify() if image.format == "PNG" else image.load()
    except Exception as error:
        return damage(error)
    return None


def damage(error: Exception) -> str:
    """Returns what Pillow found in a file."""
    return f"{'too large' if 'decompression bomb' in str(error) else 'damaged'}: {error}"


def decoded(check: checks.Checker, path: str | os.PathLike[str], image_format: ImageFormat) -> np.ndarray:
    """Returns a file's image as uint8; of another size than the format's if it must not be resized."""
    image_module = check.optional_module("PIL.Image", "images")
    operations = check.optional_module("PIL.ImageOps", "images")
    height, width, channels = image_format.shape
    with image_module.open(path, formats=FORMATS) as image:
        if image_format.resize:
            # A JPEG can be decoded at a half, a quarter or an eighth of its size, in far less time.
            image.draft(image.mode, (2 * max(height, width),) * 2)
        picture = operations.exif_transpose(image)
        picture = on_white(image_module, in_bytes(image_module, picture))
        picture = picture.convert("L" if channels == 1 else "RGB")
    if image_format.resize and picture.size != (width, height):
        picture = picture.resize((width, height), image_module.Resampling.BILINEAR)
    pixels = np.asarray(picture, np.uint8)
    return pixels[..., np.newaxis] if channels == 1 else pixels


def in_bytes(image_module: Any, picture: Any) -> Any:
    """Returns an image of 16 bits as one of 8, which Pillow would clip at 255."""
    if not picture.mode.startswith("I"):
        return picture
    return image_module.fromarray((np.asarray(picture).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))


def on_white(image_module: Any, picture: Any) -> Any:
    """Returns an image with transparent parts laid on white, as a page of paper shows it."""
    if not picture.has_transparency_data:
        return picture
    picture = picture.convert("RGBA")
    background = image_module.new("RGBA", picture.size, (255, 255, 255, 255))
    return image_module.alpha_composite(background, picture)
