"""Named data sets and data files, each read into one record of three splits."""

import logging
import os
import re
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphkit import checks
from graphkit.data import array_checks, batches, folders, readers, sources, tables
from graphkit.data.splits import (
    TEST_FRACTION,
    TEST_SEED,
    Dataset,
    FeatureSplit,
    ImageSplit,
    Split,
    WordSplit,
    take,
)

__all__ = ["load_dataset"]

logger = logging.getLogger("graphkit")
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp")
OWN_DATA = "docs/your_own_data.md"
EMBEDDED = Path(__file__).parent / "files"
MOST_NAMED = 10  # classes in a message
FOLDER, TABLE, ARRAYS = "a folder of images", "a table", "a file of arrays"
NAMES = ("mnist_5k", "words_5_languages", *sources.SOURCES)


def load_dataset(
    name_or_path: str | os.PathLike[str],
    folder: str | os.PathLike[str] | None = None,
    *,
    valid_fraction: float = 1 / 12,
    seed: int = 0,
    image_size: int | Sequence[int] | None = None,
    channels: int | None = None,
    resize: bool = True,
    label: str | None = None,
    task: str | None = None,
    missing: str = "refuse",
    unknown: str = "refuse",
    categories: str = "one_hot",
    categorical: Sequence[str] = (),
    drop: Sequence[str] = (),
    format: folders.ImageFormat | tables.TableFormat | None = None,
) -> Dataset:
    """Loads a data set by name, or a file or folder by path: images, features, words or a table.

    - **A name.** `mnist_5k` (5,000 handwritten digits) and `words_5_languages` (20,000 words) come with
      the package. `mnist`, `fashion_mnist`, `cifar10` and `cifar100` are read from their original files
      (IDX, gzipped or not; CIFAR binary version), looked for in `folder`, in the folder that the
      environment variable GRAPHKIT_DATA names and in the system's share/datasets, and in each of these also
      in a folder of the data set's name. Found nowhere, they are downloaded once by Keras, which checks the
      hash.
    - **An `.npz`** holds `images`, `features` or `words` next to `labels` (and `classes` if they have names),
      or Keras's `x_train, y_train, x_test, y_test`.
    - **A folder of IDX files**, with the names of MNIST's.
    - **A folder of images**: a folder of PNG and JPEG files for each class, or these inside of `train` and
      `valid` or `test`. Pillow decodes them (extra `images`): up to 512 MiB once, to be kept in memory, more
      than that for each mini-batch. Each file is checked first.
    - **A table**: `.csv`, `.tsv` (also `.gz`) or `.parquet`, which pandas reads (extra `tables`); `label` is
      the column to predict. Numbers are standardised, booleans become 0 or 1, texts are categories.

    Where no test set is given, a fifth of each class (or of all rows) is set aside, the same whatever the
    seed.

    Args:
      name_or_path: one of the names above, or a path.
      folder: where to look first for the original files of a named data set.
      valid_fraction: fraction of the training set that is held back for validation (a twelfth leaves
        55,000 of Fashion-MNIST's 60,000).
      seed: which examples those are.
      image_size: (height, width) of a folder's images, or one number for both; None takes their own,
        which must then be one.
      channels: 1 for gray images and 3 for colors; None takes 1 if all files are gray.
      resize: False refuses images of another size than `image_size`.
      label: of a table, the column to predict.
      task: of a table, "classification" or "regression"; None takes classes for texts, booleans and few
        different integers, and regression for other numbers.
      missing: of a table, "refuse", or "fill" for the median (numbers) or no category.
      unknown: of a table, whether a category that the training rows do not have is refused in other tables
        ("refuse"), or counts as no category ("ignore").
      categories: of a table, "one_hot", or "embedded" for columns with many categories.
      categorical: of a table, the columns of integers that are categories.
      drop: of a table, the columns that are left out.
      format: `data.format` of an earlier data set: these files are read as those were, with their image
        size, their classes and the preprocessing that was fitted to them.

    Returns:
      A `gk.data.Dataset` with `.train`, `.valid` and `.test`; images are uint8 (N, height, width,
      channels), labels int32 (N,), those of a regression float32 (N,). Train and valid are shuffled once.

    Raises:
      FileNotFoundError: no data set has that name or path.
      OSError: a file cannot be read or downloaded.
      ValueError: a file is cut off, damaged or not in one of these formats, or an option does not belong to
        what is loaded; the message names the file, and row and column of a table.
      ImportError: Pillow or pandas is needed and not installed.

    Example:
      >>> data = gk.load_dataset("mnist_5k")
      >>> data.train.images.shape, data.train.images.dtype, data.valid.labels.shape
      ((3667, 28, 28, 1), dtype('uint8'), (333,))
    """
    check = checks.Checker("load_dataset")
    valid_fraction = check.number("valid_fraction", valid_fraction, at_least=0, below=1)
    seed = check.integer("seed", seed, minimum=0, maximum=None)
    is_path = isinstance(name_or_path, (str, os.PathLike))
    rule = "name_or_path must be a name or a path"
    rule += ': give frame.to_csv("table.csv", index=False)' * hasattr(name_or_path, "to_csv")
    check.require_type(is_path, rule, name_or_path=name_or_path)
    name = os.fspath(name_or_path)
    check.require_type(isinstance(name, str), "name_or_path must be a name or a path", name_or_path=name)
    image_options = check_image_options(check, image_size, channels, resize)
    table_options = tables.TableOptions(label, task, missing, unknown, categories, categorical, drop)
    if name not in NAMES and not os.path.exists(name):
        rule = f"no file or folder has that path, and the names are {', '.join(NAMES)}{near(name)}"
        raise FileNotFoundError(check.message(rule, name_or_path=name, folder=os.getcwd()))
    kind = kind_of(name)
    check_arrays(check, name, kind)
    of_images, of_table = kind == FOLDER, kind == TABLE
    refuse_options(check, kind, image_options, not of_images, folders.ImageOptions(), FOLDER)
    refuse_options(check, kind, table_options, not of_table, tables.TableOptions(), TABLE)
    fits = folders.ImageFormat if of_images else tables.TableFormat if of_table else None
    right = format is None or (fits is not None and isinstance(format, fits))
    check.require_type(right, f"{name} is {kind}: format must be that of such data, or None", format=format)
    if of_images:
        return folders.load(check, name, image_options, valid_fraction, seed, format)  # type: ignore[arg-type]
    if of_table:
        return tables.load(check, name, table_options, valid_fraction, seed, format)  # type: ignore[arg-type]
    return load_arrays(check, name, folder, valid_fraction, seed)


def near(name: str) -> str:
    """Returns " (near it: ...)" with the data sets, or the files in its folder, whose names are like one."""
    found = checks.near(re.sub("[ -]", "_", name.lower()), NAMES)
    folder, base = os.path.split(name)
    if not found and base and os.path.isdir(folder or "."):
        found = checks.near(base, os.listdir(folder or "."))
    return found


def kind_of(name: str) -> str:
    """Returns what a name or a path is, as people call it."""
    if name in NAMES:
        return "a named data set"
    if os.path.isdir(name) and not holds_idx(name) and folders.is_image_folder(Path(name)):
        return FOLDER
    return TABLE if os.path.isfile(name) and tables.is_table(name) else ARRAYS


def check_arrays(check: checks.Checker, name: str, kind: str) -> None:
    """Refuses what holds no arrays, before options are looked at, which may be right for what is meant."""
    path, source = Path(name), sources.SOURCES["mnist"]
    if kind != ARRAYS:
        return
    if path.is_dir():
        find_in(check, path, source, source.train_files[0])
        return
    is_other = instead_of(path) != instead_of(Path())  # an archive of tables, or a spreadsheet, is a zip file
    is_npz = path.suffix.lower() == ".npz" or (zipfile.is_zipfile(path) and not is_other)
    check.require(is_npz, f"{name} is not a data set: {instead_of(path)}")


def check_image_options(
    check: checks.Checker, image_size: Any, channels: Any, resize: Any
) -> folders.ImageOptions:
    if image_size is not None:
        image_size = check.integers("image_size", image_size, 2)
    if channels is not None:
        channels = check.integer("channels", channels)
        check.require(channels in (1, 3), "channels must be 1 (gray) or 3 (colors)", channels=channels)
    check.require_type(isinstance(resize, bool), "resize must be True or False", resize=resize)
    return folders.ImageOptions(image_size, channels, resize)


def refuse_options(
    check: checks.Checker, kind: str, options: Any, wrong: bool, defaults: Any, meant: str
) -> None:
    """Refuses options that do not belong to this kind of data."""
    given = {
        option: value
        for option, value in options._asdict().items()
        if wrong and (type(value), value) != (type(defaults._asdict()[option]), defaults._asdict()[option])
    }
    are = "is an option" if len(given) == 1 else "are options"
    check.require(not given, f"{', '.join(given)} {are} of {meant}, and this is {kind}", **given)


def holds_idx(folder: str) -> bool:
    source = sources.SOURCES["mnist"]
    return any(sources.find_file(Path(folder), name) for name in source.train_files + source.test_files)


def load_arrays(
    check: checks.Checker,
    name: str,
    folder: str | os.PathLike[str] | None,
    valid_fraction: float,
    seed: int,
) -> Dataset:
    """Loads a data set whose files hold arrays."""
    train, test, classes = read_parts(check, name, folder)
    train, test = check_parts(check, name, train, test)
    if test is None:
        rest, held = batches.split_indices(len(train.labels), TEST_FRACTION, TEST_SEED, labels=train.labels)
        train, test = take(train, np.sort(rest)), take(train, np.sort(held))
    classes = check_classes(check, name, np.concatenate([train.labels, test.labels]), classes)
    rest, held = batches.split_indices(len(train.labels), valid_fraction, seed)
    rule = f"{name}: valid_fraction must leave training examples"
    check.require(len(rest) > 0, rule, valid_fraction=valid_fraction)
    return Dataset(name, take(train, rest), take(train, held), test, classes)


def read_parts(
    check: checks.Checker, name: str, folder: str | os.PathLike[str] | None
) -> tuple[Split, Split | None, tuple[str, ...]]:
    """Returns (train, test, classes) as the files hold them; None and () where they have none."""
    if name in sources.SOURCES:
        source = sources.SOURCES[name]
        found = sources.find_folder(check, source, folder)
        train, test = read_folder(check, found, source) if found else read_download(check, name, source)
        return train, test, source.classes
    if name in NAMES:
        return read_npz_parts(check, EMBEDDED / f"{name}.npz")
    if os.path.isdir(name):
        return *read_folder(check, Path(name), sources.SOURCES["mnist"]), ()
    return read_npz_parts(check, Path(name))


def instead_of(path: Path) -> str:
    """Returns what to give instead of a file that is not a data set."""
    suffix = path.suffix.lower()
    if suffix in PICTURES:
        return "pictures are given as a folder, in which each class has a folder of its pictures"
    if suffix in (".zip", ".tar", ".gz", ".tgz", ".bz2", ".7z", ".rar"):
        return "unpack it, and give the folder or the file that it holds"
    if suffix == ".npy":
        return 'store it with its labels: np.savez("data.npz", features=..., labels=...)'
    if suffix in (".h5", ".hdf5", ".pkl", ".pickle", ".mat", ".tfrecord", ".tfrecords", ".zarr"):
        return f'read it, and store it by np.savez("data.npz", features=..., labels=...), or see {OWN_DATA}'
    if suffix in (".xlsx", ".xls", ".ods", ".txt", ".json", ".jsonl", ".dat", ".data"):
        return 'a table is given as .csv, .tsv or .parquet: load_dataset("table.csv", label="column")'
    return "a table (.csv, .tsv, .parquet), arrays (.npz) or a folder of pictures is one"


def read_folder(check: checks.Checker, folder: Path, source: sources.Source) -> tuple[ImageSplit, ImageSplit]:
    """Reads (train, test) from a folder of original files."""

    def read(names: tuple[str, ...]) -> ImageSplit:
        paths = [find_in(check, folder, source, name) for name in names]
        if source.label_bytes:
            return ImageSplit(*readers.read_cifar(paths, source.label_bytes))
        return ImageSplit(*(readers.read_idx(path) for path in paths))

    return read(source.train_files), read(source.test_files)


def find_in(check: checks.Checker, folder: Path, source: sources.Source, name: str) -> Path:
    """Returns the path of a file of a source, which must be in the folder."""
    path = sources.find_file(folder, name)
    if path is None:
        found = sorted(path.name for path in folder.iterdir())[:10]
        raise FileNotFoundError(check.message(rule_of(folder, found, source, name), files=found))
    return path


def rule_of(folder: Path, found: Sequence[str], source: sources.Source, name: str) -> str:
    """Returns what a folder must hold that lacks a file of a source, by what else it may be meant for."""
    rule = f"{folder} must hold {name} (or {name}.gz)"
    if any(sources.find_file(folder, name) for name in source.train_files + source.test_files):
        return rule
    pictures = [name for name in found if name.lower().endswith(PICTURES)]
    tables_in = [name for name in found if tables.is_table(name)]
    if len(pictures) > len(tables_in):
        example = folder / "cat" / pictures[0]
        return f"{folder} must hold a folder for each class, with its pictures, such as {example}"
    if tables_in:
        return f"{rule}; the table in it is the data set: {folder / tables_in[0]}"
    return f"{rule}, or a folder of pictures for each class"


def read_download(check: checks.Checker, name: str, source: sources.Source) -> tuple[Split, Split | None]:
    paths = sources.download(check, name, source)
    if source.label_bytes:
        return read_tar(check, paths[0], source)
    if paths[0].suffix == ".npz":
        train, test, _ = read_npz_parts(check, paths[0])
        return train, test
    return read_folder(check, paths[0].parent, source)


def read_tar(check: checks.Checker, path: Path, source: sources.Source) -> tuple[ImageSplit, ImageSplit]:
    """Reads (train, test) from the archive of a CIFAR binary version, without unpacking it."""
    with readers.refuse_damaged(check, path), tarfile.open(path) as archive:
        members = {os.path.basename(m.name): m for m in archive.getmembers() if m.isfile()}
        missing = sorted({*source.train_files, *source.test_files} - members.keys())
        check.require(not missing, f"{path} lacks files", missing=missing)

        def read(names: tuple[str, ...]) -> ImageSplit:
            streams = [(name, archive.extractfile(members[name])) for name in names]
            contents = [(name, stream.read()) for name, stream in streams if stream is not None]
            return ImageSplit(*readers.cifar_arrays(check, contents, source.label_bytes))

        return read(source.train_files), read(source.test_files)


def read_npz_parts(check: checks.Checker, path: Path) -> tuple[Split, Split | None, tuple[str, ...]]:
    """Returns (train, test, classes) of an `.npz`; test is None where the file has no test set."""
    arrays = readers.read_npz(path)
    if {"x_train", "y_train", "x_test", "y_test"} <= arrays.keys():
        kind = FeatureSplit if arrays["x_train"].ndim == 2 else ImageSplit
        # Keras stores CIFAR's labels as a column (N, 1).
        train, test = (
            kind(arrays[f"x_{part}"], arrays[f"y_{part}"].reshape(-1)) for part in ("train", "test")
        )
        return train, test, names_in(arrays)
    for key, split in (("images", ImageSplit), ("features", FeatureSplit), ("words", WordSplit)):
        if key in arrays and "labels" in arrays:
            return split(arrays[key], arrays["labels"]), None, names_in(arrays)
    rule = f"{path} must hold images, features or words next to labels, or x_train, y_train, x_test, y_test"
    raise ValueError(check.message(rule, arrays=sorted(arrays)))


def names_in(arrays: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """Returns the names of the classes that a file holds, () if it has none."""
    names = arrays.get("classes", arrays.get("languages", np.array([])))
    return tuple(str(item) for item in names.reshape(-1))


def check_parts(
    check: checks.Checker, name: str, train: Split, test: Split | None
) -> tuple[Split, Split | None]:
    """Returns the parts with images' channel axis and int32 labels, if they hold what they must."""
    train = check_split(check, name, train)
    if test is None:
        return train, None
    test = check_split(check, name, test)
    rule = f"{name}: training and test examples must have one shape"
    check.require(train[0].shape[1:] == test[0].shape[1:], rule, train=train[0].shape, test=test[0].shape)
    return train, test


def check_split(check: checks.Checker, name: str, split: Split) -> Split:
    examples, labels = split
    valid = labels.ndim == 1 and labels.dtype.kind in "ui" and labels.shape == examples.shape[:1]
    received = {"labels": labels.shape, "dtype": str(labels.dtype), "examples": examples.shape}
    check.require(valid, f"{name}: labels must be integers, one for each example", **received)
    check.require(len(labels) > 0, f"{name} holds no examples", **received)
    in_int32 = labels.min() >= 0 and labels.max() <= np.iinfo(np.int32).max
    rule = f"{name}: labels must be class numbers"
    check.require(in_int32, rule, minimum=labels.min(), maximum=labels.max())
    if isinstance(split, ImageSplit):
        valid = examples.ndim in (3, 4) and examples.dtype.kind in "ui"
        rule = f"{name}: images must be integers 0..255 (N, height, width) or (N, height, width, channels)"
    elif isinstance(split, FeatureSplit):
        valid = examples.ndim == 2 and examples.dtype.kind in "uif"
        rule = f"{name}: features must be numbers (N, num_features)"
    else:
        valid = examples.ndim == 1 and examples.dtype.kind == "U"
        rule = f"{name}: words must be unicode strings (N,)"
    check.require(valid, rule, shape=examples.shape, dtype=str(examples.dtype))
    if isinstance(split, ImageSplit):
        examples = array_checks.check_pixels(check, f"{name}: images", examples)
        examples = examples[..., np.newaxis] if examples.ndim == 3 else examples
    return type(split)(examples, labels.astype(np.int32))


def check_classes(
    check: checks.Checker, name: str, labels: np.ndarray, classes: tuple[str, ...]
) -> tuple[str, ...]:
    """Returns the class names, the labels' own numbers where the files have none."""
    largest = int(labels.max())
    if not classes:
        # One stray label of two billion must not make as many names.
        rule = f"{name}: without class names, labels must be below the number of examples"
        check.require(largest < len(labels), rule, largest=largest)
        warn_of_gaps(name, labels, largest)
        return tuple(str(label) for label in range(largest + 1))
    rule = f"{name}: labels must lie in 0..{len(classes) - 1}"
    check.require(largest < len(classes), rule, minimum=int(labels.min()), maximum=largest)
    return classes


def warn_of_gaps(name: str, labels: np.ndarray, largest: int) -> None:
    """Logs which classes have no example, as class 0 of labels that begin at 1."""
    missing = np.setdiff1d(np.arange(largest + 1), labels)
    if len(missing):
        remedy = "subtract 1 from the labels, or " if missing.tolist() == [0] else ""
        logger.warning(
            "load_dataset: %s has no example of class %s, but the labels reach %d: there will be %d classes; "
            "%sstore the names of the classes in the file, as classes",
            name,
            ", ".join(map(str, missing[:MOST_NAMED])) + (" ..." if len(missing) > MOST_NAMED else ""),
            largest,
            largest + 1,
            remedy,
        )
