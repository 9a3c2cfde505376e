"""Readers of data files: IDX, the CIFAR binary version, `.npz`. No pickle is ever loaded.

Nothing is allocated on the word of a header: what it promises must fit into the file's own length, so a
small or damaged file can neither allocate more than it holds nor lose its end unnoticed.
"""

import contextlib
import gzip
import io
import math
import os
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from graphkit import checks

__all__ = ["read_idx", "read_npz"]

IDX_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_AXES = 32  # what NumPy 1 holds; NumPy 2 would take 64
CHUNK = 1 << 20  # bytes
DAMAGE = (gzip.BadGzipFile, EOFError, zlib.error, tarfile.TarError)
DEFLATE_RATIO = 1032  # deflate cannot shrink data further than this


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Reads a file in the IDX format, in which MNIST and Fashion-MNIST are published.

    Args:
      path: the file, gzipped (when the name ends in .gz) or not.

    Returns:
      An array of the shape and dtype that the header states, in native byte order.

    Raises:
      OSError: the file cannot be read.
      ValueError: the file is not an IDX file, ends early, or is longer than its header says.

    Source: Y. LeCun, "The MNIST database", section "File formats".

    Example:
      >>> import struct, tempfile
      >>> with tempfile.NamedTemporaryFile(suffix=".idx") as file:
      ...     _ = file.write(bytes([0, 0, 8, 1]) + struct.pack(">i", 3) + bytes([7, 8, 9]))
      ...     file.flush()
      ...     gk.data.read_idx(file.name)
      array([7, 8, 9], dtype=uint8)
    """
    check = checks.Checker("read_idx")
    path = os.fspath(path)
    with refuse_damaged(check, path), open_plain_or_gzipped(path) as stream:
        header = read_exactly(check, stream, 4, path)
        known = header[:2] == b"\0\0" and header[2] in IDX_DTYPES and 1 <= header[3] <= MOST_AXES
        check.require(known, f"{path} is not an IDX file", header=header)
        shape = struct.unpack(f">{header[3]}I", read_exactly(check, stream, 4 * header[3], path))
        dtype = np.dtype(IDX_DTYPES[header[2]])
        check.require(is_possible(shape, dtype), f"{path}: an array cannot have these sizes", shape=shape)
        values = read_exactly(check, stream, math.prod(shape) * dtype.itemsize, path)
        check.require(not stream.read(1), f"{path} is longer than its header says", shape=shape)
    return np.frombuffer(values, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


@contextlib.contextmanager
def refuse_damaged(check: checks.Checker, path: object) -> Iterator[None]:
    """Raises a `ValueError` that names the path, where decompressors raise several classes and no path.

    An error of the system, as for a file that is missing, stays an `OSError`.
    """
    try:
        with check.system_errors(f"{path} cannot be read"):
            yield
    except DAMAGE as error:
        raise ValueError(check.message(f"{path} is damaged or cut off", error=str(error))) from None


def open_plain_or_gzipped(path: str | os.PathLike[str]) -> gzip.GzipFile | io.BufferedReader:
    return gzip.open(path, "rb") if os.fspath(path).endswith(".gz") else open(path, "rb")


def is_possible(shape: Sequence[int], dtype: np.dtype) -> bool:
    """Whether NumPy can hold such an array at all; an axis of length zero does not excuse the others."""
    valid = len(shape) <= MOST_AXES and all(size >= 0 for size in shape)
    return valid and math.prod(filter(None, shape)) * max(dtype.itemsize, 1) <= sys.maxsize


def read_exactly(
    check: checks.Checker, stream: gzip.GzipFile | io.BufferedReader, count: int, path: str
) -> bytearray:
    """Returns the next `count` bytes; memory grows with what the file holds, not with `count`."""
    values = bytearray()
    while len(values) < count:
        chunk = stream.read(min(CHUNK, count - len(values)))
        rule = f"{path} is cut off: its header promises {count} more bytes"
        check.require(chunk, rule, bytes=len(values))
        values += chunk
    return values


def read_cifar(paths: Sequence[str | os.PathLike[str]], label_bytes: int) -> tuple[np.ndarray, np.ndarray]:
    """Reads files of the CIFAR binary version: records of label bytes and 3072 pixels.

    Args:
      paths: the files, in order.
      label_bytes: label bytes before each image: 1 for CIFAR-10, 2 for CIFAR-100 (coarse, fine).

    Returns:
      (images, labels): uint8 (N, 32, 32, 3) and the last label byte of each record, uint8 (N,).

    Raises:
      OSError: a file cannot be read.
      ValueError: a file is damaged, or does not hold a number of complete records.
    """
    check = checks.Checker("read_cifar")
    contents = []
    for path in paths:
        with refuse_damaged(check, path), open_plain_or_gzipped(path) as stream:
            contents.append((path, stream.read()))
    return cifar_arrays(check, contents, label_bytes)


def cifar_arrays(
    check: checks.Checker, contents: Sequence[tuple[object, bytes]], label_bytes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Decodes (name, bytes) pairs of the CIFAR binary version; see `read_cifar`."""
    length = label_bytes + 32 * 32 * 3
    for name, content in contents:
        complete = len(content) > 0 and len(content) % length == 0
        rule = f"{name} must hold records of {length} bytes (CIFAR binary version)"
        check.require(complete, rule, bytes=len(content))
    records = np.concatenate([np.frombuffer(c, np.uint8).reshape(-1, length) for _, c in contents])
    # A record holds all red pixels, then all green, then all blue ones.
    images = records[:, label_bytes:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), records[:, label_bytes - 1].copy()


def read_npz(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads all arrays of a NumPy `.npz` file.

    Args:
      path: the file.

    Returns:
      A dict of arrays by name.

    Raises:
      OSError: the file cannot be read.
      ValueError: the file is not an `.npz`, is damaged, or holds Python objects (pickles are refused).

    Example:
      >>> import tempfile
      >>> with tempfile.NamedTemporaryFile(suffix=".npz") as file:
      ...     np.savez(file, labels=np.arange(3))
      ...     file.flush()
      ...     gk.data.read_npz(file.name)["labels"]
      array([0, 1, 2])
    """
    check = checks.Checker("read_npz")
    path = os.fspath(path)
    rule = f"{path} is not a complete .npz file"
    try:
        with check.system_errors(f"{path} cannot be read"), zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            # The directory at the file's end is what damage hits first. Compressed sizes beyond the file's
            # length would be allocated; a damaged entry length hides the entries after it in a comment.
            held = sum(member.compress_size for member in members)
            check.require(held <= os.path.getsize(path), rule, compressed_bytes=held)
            comments = [member.comment for member in members]
            check.require(not any(comments), rule, comments=comments)
            for member in members:
                check_npy_member(check, archive, member, path)
            return {m.filename.removesuffix(".npy"): read_member(archive, m) for m in members}
    except Exception as error:  # zipfile, its decompressors and NumPy's header parser raise many classes
        if path in str(error) and isinstance(error, (OSError, ValueError)):
            raise
        is_table = path.lower().endswith((".csv", ".tsv", ".parquet"))
        rule += "; a table is read by gk.load_dataset(path, label=column)" if is_table else ""
        raise ValueError(check.message(rule, error=str(error))) from None


def check_npy_member(
    check: checks.Checker, archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: str
) -> None:
    """Refuses a member that is not an array of plain numbers, or whose header promises more than it has."""
    rule = f"{path}: {member.filename} is not a complete array"
    plausible = member.file_size <= DEFLATE_RATIO * member.compress_size + CHUNK
    check.require(plausible, rule, bytes=member.file_size)
    with archive.open(member) as stream:
        shape, dtype = read_npy_header(check, stream, rule)
        objects = f"{path}: {member.filename} holds Python objects; pickles are never loaded"
        check.require(not dtype.hasobject, objects, dtype=str(dtype))
        held = member.file_size - stream.tell()
        complete = is_possible(shape, dtype) and math.prod(shape) * dtype.itemsize == held
        check.require(complete, rule, shape=shape, bytes=member.file_size)


def read_npy_header(check: checks.Checker, stream: Any, rule: str) -> tuple[tuple[int, ...], np.dtype]:
    try:
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read_header(stream)
    except (ValueError, KeyError, TypeError, SyntaxError, OverflowError) as error:
        raise ValueError(check.message(rule, error=str(error))) from None
    return shape, dtype


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)
