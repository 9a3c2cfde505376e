"""Files of arrays: IDX, CIFAR, `.npz`, and data sets made of them."""

import gzip
import io
import struct
import tarfile
import zipfile

import numpy as np

import graphkit as gk
from fuzzing.damage import damage, damage_zipped
from fuzzing.outcomes import WrongResult
from fuzzing.target import Target, read_first
from graphkit import checks
from graphkit.data import datasets, readers, sources

IDX_SIZES = (3, 4, 5)
READER = checks.Checker("load_dataset")

# IDX


def idx(values, code):
    return (
        bytes([0, 0, code, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()
    )


IDX_SEEDS = (
    idx(np.arange(60, dtype=np.uint8).reshape(IDX_SIZES), 8),
    idx(np.arange(5, dtype=np.uint8), 8),
    idx(np.arange(6, dtype=">i4").reshape(2, 3), 0x0C),
    idx(np.linspace(0, 1, 4).astype(">f8"), 0x0E),
    idx(np.zeros((0, 7), np.uint8), 8),
)


def make_idx(random):
    return {"some-idx": damage(random, random.choice(IDX_SEEDS), IDX_SEEDS)}


def make_zipped_idx(random):
    return {"some-idx.gz": damage_zipped(random, random.choice(IDX_SEEDS), IDX_SEEDS)}


def check_idx(case, result):
    ((name, content),) = case.items()
    content = gzip.decompress(content) if name.endswith(".gz") else content
    header = 4 + 4 * content[3]
    complete = content[header:] == result.astype(result.dtype.newbyteorder(">")).tobytes()
    sizes = struct.unpack(f">{content[3]}I", content[4:header])
    if not complete or result.shape != sizes:
        raise WrongResult(f"{len(content)} bytes were read as {result.dtype} {result.shape}")


# CIFAR

RECORD = 3073


def make_cifar(random):
    content = random.randbytes(RECORD) * random.randint(1, 3)
    if random.random() < 0.5:
        return {"batch.bin.gz": damage_zipped(random, content, ())}
    return {"batch.bin": damage(random, content)}


def check_cifar(case, result):
    ((name, content),) = case.items()
    content = gzip.decompress(content) if name.endswith(".gz") else content
    images, labels = result
    records = np.concatenate([labels[:, None], images.transpose(0, 3, 1, 2).reshape(len(images), -1)], axis=1)
    if records.tobytes() != content:
        raise WrongResult(f"{len(content)} bytes were read as {images.shape}")


def make_tar(random):
    """Makes the archive of a CIFAR data set, with one image per file."""
    source, stream = sources.SOURCES["cifar100"], io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in source.train_files + source.test_files:
            content = bytes(2 + 3072) if random.random() < 0.8 else damage(random, bytes(2 + 3072))
            member = tarfile.TarInfo(f"cifar-100-binary/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return {"archive.tar.gz": damage_zipped(random, stream.getvalue(), ())}


def check_tar(case, result):
    for images, labels in result:
        if not 0 < len(images) == len(labels):
            raise WrongResult(f"images {images.shape} with labels {labels.shape}")


# npz


def npz(arrays, compressed):
    stream = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(stream, **arrays)
    return stream.getvalue()


class Pickled:
    """Prints when its pickle is loaded."""

    def __reduce__(self):
        return (print, ("loaded",))


NPZ_ARRAYS = {
    "numbers": np.arange(12, dtype=np.int32).reshape(3, 4),
    "words": np.array(["a", "bc"]),
    "empty": np.zeros((0, 3)),
    "records": np.zeros(2, [("x", "f4"), ("y", "u1")]),
}
OBJECTS = np.array([Pickled()], object)
NPZ_SEEDS = (npz(NPZ_ARRAYS, False), npz(NPZ_ARRAYS, True), npz({"numbers": OBJECTS}, False))


def npy(array):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array)
    return stream.getvalue()


NPY_SEEDS = (*map(npy, NPZ_ARRAYS.values()), npy(OBJECTS))
HEADER_WORDS = (
    *(b"-1", b"0", b"2147483648", b"9223372036854775807", b"99999999999999999999", b"1e9", b"None"),
    *(b"True", b"()", b"(0, 9223372036854775807)", b"'|O'", b"'O8'", b"'<U1000000000'", b"'V0'", b"'S0'"),
    *(b"'<f16'", b"[('x', 'O')]", b"'<M8[ns]'", b"{}", b"(" * 200, b"9" * 5000, b"\xff", b"__import__('os')"),
)


def make_npz(random):
    if random.random() < 0.4:
        return {"some.npz": damage(random, random.choice(NPZ_SEEDS), NPZ_SEEDS)}
    seed = random.choice(NPY_SEEDS)
    content = damage_npy_header(random, seed) if random.random() < 0.6 else damage(random, seed, NPY_SEEDS)
    stream = io.BytesIO()
    kind = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(stream, "w", kind) as archive:
        archive.writestr("numbers.npy", content)
    return {"some.npz": stream.getvalue()}


def damage_npy_header(random, content):
    """Replaces words in the header of an `.npy` by extreme ones, and corrects the header's length."""
    length = struct.unpack("<H", content[8:10])[0]
    words = content[10 : 10 + length].replace(b",", b" , ").replace(b"(", b"( ").replace(b")", b" )").split()
    for _ in range(random.choice((1, 1, 2))):
        words[random.randrange(len(words))] = random.choice(HEADER_WORDS)
    header = b" ".join(words) + b"\n"
    return content[:8] + struct.pack("<H", len(header)) + header + content[10 + length :]


def check_npz(case, result):
    """Every member of an accepted file must have been read, with all its bytes."""
    with zipfile.ZipFile(io.BytesIO(case["some.npz"])) as archive:
        sizes = {m.filename.removesuffix(".npy"): m.file_size for m in archive.infolist()}
        contents = {m.filename.removesuffix(".npy"): archive.read(m) for m in archive.infolist()}
    if set(sizes) != set(result):
        raise WrongResult(f"arrays {sorted(result)} were read of {sorted(sizes)}")
    for name, array in result.items():
        start = 10 + struct.unpack("<H", contents[name][8:10])[0]
        start += 2 if contents[name][6] > 1 else 0
        if array.nbytes != sizes[name] - start:
            raise WrongResult(f"{name} holds {array.nbytes} of {sizes[name] - start} bytes")


ODD_ARRAYS = (
    *(np.zeros((6, 4, 4), np.uint8), np.zeros((6, 4, 4, 3), np.uint8), np.zeros((6, 4)), np.arange(6)),
    *(np.zeros(6, np.int32), np.array([0, 1, 2, 0, 1, 2]), np.array(list("abcdef")), np.zeros(6, "S3")),
    *(np.array(3), np.zeros(0), np.zeros((0, 4, 4), np.uint8), np.zeros(6, bool), np.full(6, np.nan)),
    *(np.full(6, -1), np.full(6, 2**62), np.full(6, 2**63, np.uint64), np.zeros((6, 1), np.int64)),
    *(np.zeros(6, "M8[s]"), np.zeros(6, [("x", "u1")]), np.zeros((6, 0)), np.zeros((6, 0, 4), np.uint8)),
    *(
        np.full((6, 2), np.inf),
        np.zeros(6, complex),
        np.array([""]),
        np.zeros(5, np.int64),
        np.arange(6)[::-1],
    ),
)
NAMES = ("images", "labels", "features", "words", "classes", "languages")
KERAS_NAMES = ("x_train", "y_train", "x_test", "y_test")


def make_dataset(random):
    """Makes an `.npz` with the names of a data set and arrays of many dtypes and shapes."""
    names = random.choice((NAMES[:2], ("features", "labels"), ("words", "labels"), KERAS_NAMES, NAMES))
    extra = [name for name in NAMES[4:] if random.random() < 0.2]
    arrays = {name: random.choice(ODD_ARRAYS) for name in (*names, *extra)}
    return {"data.npz": npz(arrays, random.random() < 0.5)}


def make_idx_folder(random):
    images, labels = IDX_SEEDS[0], idx(np.arange(3, dtype=np.uint8), 8)
    files = {
        "train-images-idx3-ubyte": images,
        "t10k-images-idx3-ubyte": images,
        "train-labels-idx1-ubyte": labels,
        "t10k-labels-idx1-ubyte": labels,
    }
    name = random.choice(sorted(files))
    files[name] = damage(random, files[name], IDX_SEEDS)
    return files


def check_dataset(case, data):
    for split in (data.train, data.valid, data.test):
        examples, labels = split
        inside = labels.dtype == np.int32 and ((labels >= 0) & (labels < len(data.classes))).all()
        if len(examples) != len(labels) or not inside:
            raise WrongResult(
                f"{examples.shape} with labels {labels.tolist()} of {len(data.classes)} classes"
            )
    if len(data.train.labels) == 0 or len(data.classes) > 1000:
        raise WrongResult(f"{len(data.train.labels)} examples of {len(data.classes)} classes")


def targets():
    return [
        Target("IDX file", make_idx, read_first(gk.data.read_idx), check_idx),
        Target("IDX file, gzipped", make_zipped_idx, read_first(gk.data.read_idx), check_idx),
        Target("CIFAR file", make_cifar, lambda at: readers.read_cifar(list(at.iterdir()), 1), check_cifar),
        Target(
            "CIFAR archive",
            make_tar,
            read_first(lambda path: datasets.read_tar(READER, path, sources.SOURCES["cifar100"])),
            check_tar,
        ),
        Target("npz file", make_npz, read_first(gk.data.read_npz), check_npz),
        Target("npz data set", make_dataset, read_first(gk.load_dataset), check_dataset),
        Target("IDX data set", make_idx_folder, gk.load_dataset, check_dataset),
    ]
