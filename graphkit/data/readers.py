"""Readers of data files: IDX, the CIFAR binary version, `.npz`. No pickle is ever loaded.

A header is believed only as far as the file's own length bears it out, so a small or damaged file can
neither allocate more than it holds nor lose its end unnoticed.
"""

import gzip
import math
import os
import struct
import sys
import zipfile
import zlib

import numpy as np

from graphkit import checks

__all__ = ["read_idx", "read_npz"]

IDX_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
CHUNK = 1 << 20  # bytes
ZIP_ERRORS = (gzip.BadGzipFile, EOFError, zlib.error)
DEFLATE_RATIO = 1032  # deflate cannot shrink data further than this


def read_idx(path):
    """Reads a file in the IDX format, in which MNIST and Fashion-MNIST are published.

    Args:
      path: the file, gzipped (when the name ends in .gz) or not.

    Returns:
      An array of the shape and dtype that the header states, in native byte order.

    Raises:
      OSError: the file cannot be read.
      ValueError: the file is no IDX file, ends early, or is longer than its header says.

    Source: Y. LeCun, "The MNIST database", section "File formats".

    Example:
      >>> import struct, tempfile
      >>> with tempfile.NamedTemporaryFile(suffix=".idx") as file:
      ...     _ = file.write(bytes([0, 0, 8, 1]) + struct.pack(">i", 3) + bytes([7, 8, 9]))
      ...     file.flush()
      ...     gk.read_idx(file.name)
      array([7, 8, 9], dtype=uint8)
    """
    path = os.fspath(path)
    try:
        with open_plain_or_zipped(path) as stream:
            header = read_exactly(stream, 4, path)
            known = header[:2] == b"\0\0" and header[2] in IDX_DTYPES and 1 <= header[3] <= 32
            checks.require(known, "read_idx", f"{path} is not an IDX file", header=header)
            shape = struct.unpack(f">{header[3]}I", read_exactly(stream, 4 * header[3], path))
            dtype = np.dtype(IDX_DTYPES[header[2]])
            possible = is_possible(shape, dtype)
            checks.require(possible, "read_idx", f"{path}: no array has these sizes", shape=shape)
            values = read_exactly(stream, math.prod(shape) * dtype.itemsize, path)
            rest = stream.read(1)
    except ZIP_ERRORS as error:
        rule = f"{path} is damaged or cut off"
        raise ValueError(checks.message("read_idx", rule, error=str(error))) from None
    checks.require(not rest, "read_idx", f"{path} is longer than its header says", shape=shape)
    return np.frombuffer(values, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def open_plain_or_zipped(path):
    return gzip.open(path, "rb") if os.fspath(path).endswith(".gz") else open(path, "rb")


def is_possible(shape, dtype):
    """Whether NumPy can hold such an array at all; an axis of length zero does not excuse the others."""
    sound = len(shape) <= 32 and all(size >= 0 for size in shape)
    return sound and math.prod(filter(None, shape)) * max(dtype.itemsize, 1) <= sys.maxsize


def read_exactly(stream, count, path):
    """Returns the next `count` bytes; memory grows with what the file holds, not with `count`."""
    values = bytearray()
    while len(values) < count:
        chunk = stream.read(min(CHUNK, count - len(values)))
        if not chunk:
            rule = f"{path} is cut off: its header promises {count} more bytes"
            raise ValueError(checks.message("read_idx", rule, bytes=len(values)))
        values += chunk
    return values


def read_cifar(paths, label_bytes):
    """Reads files of the CIFAR binary version: records of label bytes and 3072 pixels.

    Args:
      paths: the files, in order.
      label_bytes: label bytes before each image: 1 for CIFAR-10, 2 for CIFAR-100 (coarse, fine).

    Returns:
      (images, labels): uint8 (N, 32, 32, 3) and the last label byte of each record, uint8 (N,).

    Raises:
      OSError: a file cannot be read.
      ValueError: a file is damaged, or its length is no whole number of records.
    """
    contents = []
    for path in paths:
        try:
            with open_plain_or_zipped(path) as stream:
                contents.append((path, stream.read()))
        except ZIP_ERRORS as error:
            rule = f"{path} is damaged or cut off"
            raise ValueError(checks.message("read_cifar", rule, error=str(error))) from None
    return cifar_arrays(contents, label_bytes)


def cifar_arrays(contents, label_bytes):
    """Decodes (name, bytes) pairs of the CIFAR binary version; see `read_cifar`."""
    length = label_bytes + 32 * 32 * 3
    for name, content in contents:
        whole = len(content) > 0 and len(content) % length == 0
        rule = f"{name} must hold records of {length} bytes (CIFAR binary version)"
        checks.require(whole, "read_cifar", rule, bytes=len(content))
    records = np.concatenate([np.frombuffer(c, np.uint8).reshape(-1, length) for _, c in contents])
    images = records[:, label_bytes:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), records[:, label_bytes - 1].copy()


def read_npz(path):
    """Reads all arrays of a NumPy `.npz` file.

    Args:
      path: the file.

    Returns:
      A dict of arrays by name.

    Raises:
      OSError: the file cannot be read.
      ValueError: the file is no `.npz`, is damaged, or holds Python objects (pickles are refused).

    Example:
      >>> import tempfile
      >>> with tempfile.NamedTemporaryFile(suffix=".npz") as file:
      ...     np.savez(file, labels=np.arange(3))
      ...     file.flush()
      ...     gk.read_npz(file.name)["labels"]
      array([0, 1, 2])
    """
    path = os.fspath(path)
    rule = f"{path} is no whole .npz file"
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            held = sum(member.compress_size for member in members)
            checks.require(held <= os.path.getsize(path), "read_npz", rule, compressed_bytes=held)
            plain = not any(member.comment for member in members)  # a damaged length hides the next entry
            checks.require(plain, "read_npz", rule, comments=[member.comment for member in members])
            for member in members:
                check_npy_member(archive, member, path)
            return {m.filename.removesuffix(".npy"): read_member(archive, m) for m in members}
    except Exception as error:  # zipfile, its decompressors and NumPy's header parser raise of all kinds
        if path in str(error) and isinstance(error, (OSError, ValueError)):
            raise
        raise ValueError(checks.message("read_npz", rule, error=str(error))) from None


def read_member(archive, member):
    with archive.open(member) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def check_npy_member(archive, member, path):
    """Refuses a member that is no array of plain numbers, or whose header promises more than it has."""
    rule = f"{path}: {member.filename} is no whole array"
    plausible = member.file_size <= DEFLATE_RATIO * member.compress_size + CHUNK
    checks.require(plausible, "read_npz", rule, bytes=member.file_size)
    with archive.open(member) as stream:
        try:
            version = np.lib.format.read_magic(stream)
            read_header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, _, dtype = read_header(stream)
        except (ValueError, KeyError, TypeError, SyntaxError, OverflowError) as error:
            raise ValueError(checks.message("read_npz", rule, error=str(error))) from None
        objects = f"{path}: {member.filename} holds Python objects; pickles are never loaded"
        checks.require(not dtype.hasobject, "read_npz", objects, dtype=str(dtype))
        held = member.file_size - stream.tell()
        sound = is_possible(shape, dtype) and math.prod(shape) * dtype.itemsize == held
        checks.require(sound, "read_npz", rule, shape=shape, bytes=member.file_size)
