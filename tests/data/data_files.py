"""What tests of data sets share: small files of each format, and what every loaded data set must be."""

import gzip
import io
import struct
import tarfile

import numpy as np
import pytest

import graphkit as gk

IDX_FILES = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]
CIFAR_FILES = {
    "cifar10": [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"],
    "cifar100": ["train.bin", "test.bin"],
}


def idx(values):
    values = np.asarray(values)
    code = {"uint8": 0x08, "int8": 0x09, "int32": 0x0C, "float32": 0x0D}[str(values.dtype)]
    header = bytes([0, 0, code, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + values.astype(values.dtype.newbyteorder(">")).tobytes()


def idx_contents(train=20, test=6, size=4, first=0):
    """Returns the four files of a data set whose image number n has all pixels n and the label n % 3."""
    contents = {}
    for part, start, count in (("train", first, train), ("t10k", first + train, test)):
        numbers = np.arange(start, start + count).astype(np.uint8)
        images = np.broadcast_to(numbers[:, None, None], (count, size, size + 1))
        contents[f"{part}-images-idx3-ubyte"] = idx(images)
        contents[f"{part}-labels-idx1-ubyte"] = idx(numbers % 3)
    return contents


def write_files(folder, contents, zipped=False):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        path = folder / (f"{name}.gz" if zipped else name)
        path.write_bytes(gzip.compress(content) if zipped else content)
    return folder


def cifar_images(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8)


def cifar_bytes(images, *label_columns):
    """Returns the records of the binary version: label bytes, then all red, all green, all blue pixels."""
    records = []
    for image, *labels in zip(images, *label_columns, strict=True):
        records += [bytes(labels), *(image[:, :, channel].tobytes() for channel in range(3))]
    return b"".join(records)


def cifar_contents(name, each=3):
    """Returns the files, and the images and labels in the order of the files."""
    files = CIFAR_FILES[name]
    images = cifar_images(each * len(files))
    labels = [number % 10 for number in range(len(images))]
    contents = {}
    for number, file in enumerate(files):
        chosen = slice(each * number, each * (number + 1))
        columns = [labels[chosen]] if name == "cifar10" else [[19] * each, labels[chosen]]
        contents[file] = cifar_bytes(images[chosen], *columns)
    return contents, images, labels


def cifar_archive(name):
    folder, file = {
        "cifar10": ("cifar-10-batches-bin", "cifar-10-binary.tar.gz"),
        "cifar100": ("cifar-100-binary", "cifar-100-binary.tar.gz"),
    }[name]
    contents, images, labels = cifar_contents(name)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for member, content in {"readme.html": b"<html>", **contents}.items():
            info = tarfile.TarInfo(f"{folder}/{member}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return {file: stream.getvalue()}, images, labels


def mnist_archive(**sizes):
    stream = io.BytesIO()
    np.savez(stream, **keras_arrays(**sizes))
    return {"mnist.npz": stream.getvalue()}


def fashion_archives():
    return {f"{name}.gz": gzip.compress(content) for name, content in idx_contents().items()}


def npz_path(folder, **arrays):
    path = folder / "some.npz"
    np.savez(path, **arrays)
    return path


def image_arrays(count=30, num_classes=3):
    labels = np.arange(count) % num_classes
    images = np.zeros((count, 4, 5), np.uint8)
    images[:, 0, 0] = np.arange(count)
    return {"images": images, "labels": labels}


def keras_arrays(train=20, test=6):
    parts = {}
    for part, start, count in (("train", 0, train), ("test", train, test)):
        numbers = np.arange(start, start + count).astype(np.uint8)
        parts[f"x_{part}"] = np.broadcast_to(numbers[:, None, None], (count, 4, 5))
        parts[f"y_{part}"] = numbers % 3
    return parts


def numbers_of(split):
    """Returns the numbers of the images of `idx_contents`, `image_arrays` or `keras_arrays`."""
    return split.images[:, 0, 0, 0].tolist()


def assert_complete(data, train, test, num_classes=3):
    """The images numbered below `train` are in train and valid, the next `test` in the test set."""
    assert sorted(numbers_of(data.train) + numbers_of(data.valid)) == list(range(train))
    assert numbers_of(data.test) == list(range(train, train + test))
    for split in (data.train, data.valid, data.test):
        assert isinstance(split, gk.data.ImageSplit)
        assert (split.images.dtype, split.labels.dtype) == (np.uint8, np.int32)
        assert split.labels.tolist() == [number % num_classes for number in numbers_of(split)]


def same(one, other):
    return all(np.array_equal(left, right) for left, right in zip(one, other, strict=True))


def assert_refused(path, *words, kind=ValueError, **options):
    with pytest.raises(kind) as caught:
        gk.load_dataset(path, **options)
    for word in map(str, words):
        assert word in str(caught.value)
