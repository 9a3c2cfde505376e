"""Damaged files: whole ones of each format, what is done to them, and what a reader may make of it."""

import gzip
import io
import json
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import tensorflow as tf

import graphkit as gk
from fuzzing.outcomes import Fault
from graphkit import runs
from graphkit.checkpoints import restoring, saving
from graphkit.data import datasets, readers

EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
IMAGE_SHAPE = (6, 5, 3)
IDX_SIZES = (3, 4, 5)


class Target:
    """A reader and the files that it is given.

    Args:
      name: of the target.
      make: function (random) -> {file name: bytes}, a case.
      read: function (folder) -> what the reader makes of the files in it.
      check: function (case, result), which raises `Fault` if the files do not bear the result out.
    """

    may_be_large = False

    def __init__(self, name, make, read, check):
        self.name, self.draw, self.read, self.check = name, make, read, check

    def run(self, case, folder):
        for name, content in case.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.check(case, self.read(Path(folder)))

    def save(self, case, path):
        """Writes the case's files into a folder; returns it."""
        path.mkdir(parents=True, exist_ok=True)
        for name, content in case.items():
            (path / name).write_bytes(content)
        return path


def damage(random, content, others=()):
    """Returns the content after one to three changes: flips, cuts, splices, extreme numbers, a tail."""
    content = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 3))):
        random.choice((flip, cut, append, overwrite, overwrite, splice))(random, content, others)
    return bytes(content)


def place(random, content):
    """Returns a position, as often as not near an end, where headers and directories are."""
    size = len(content)
    near = min(size, 64)
    return random.choice((random.randint(0, size), random.randint(0, near), size - random.randint(0, near)))


def flip(random, content, _):
    for _ in range(random.randint(1, 8)):
        if content:
            content[min(place(random, content), len(content) - 1)] ^= 1 << random.randrange(8)


def cut(random, content, _):
    del content[place(random, content) :]


def append(random, content, _):
    content += random.choice((b"\0", b"\n", random.randbytes(random.randint(1, 64)), bytes(4096)))


def overwrite(random, content, _):
    size, order = random.choice((1, 2, 4, 8)), random.choice(("big", "little"))
    start = place(random, content)
    number = random.choice(EXTREMES) % 256**size
    content[start : start + size] = number.to_bytes(size, order)


def splice(random, content, others):
    source = random.choice((content, *others))
    start = place(random, source)
    part = source[start : start + random.randint(0, 64)]
    at = place(random, content)
    content[at : at + random.choice((0, len(part), random.randint(0, 64)))] = part


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


def damage_zipped(random, content, others):
    """Damages what is zipped, or the zipped file."""
    if random.random() < 0.5:
        return gzip.compress(damage(random, content, others), mtime=0)
    return damage(random, gzip.compress(content, mtime=0))


def read_first(read):
    return lambda folder: read(next(folder.iterdir()))


def check_idx(case, result):
    ((name, content),) = case.items()
    content = gzip.decompress(content) if name.endswith(".gz") else content
    header = 4 + 4 * content[3]
    whole = content[header:] == result.astype(result.dtype.newbyteorder(">")).tobytes()
    sizes = struct.unpack(f">{content[3]}I", content[4:header])
    if not whole or result.shape != sizes:
        raise Fault(f"{len(content)} bytes were read as {result.dtype} {result.shape}")


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
        raise Fault(f"{len(content)} bytes were read as {images.shape}")


def make_tar(random):
    """Makes the archive of a CIFAR data set, of one image a file."""
    source, stream = datasets.SOURCES["cifar100"], io.BytesIO()
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
            raise Fault(f"images {images.shape} with labels {labels.shape}")


# npz


def npz(arrays, compressed):
    stream = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(stream, **arrays)
    return stream.getvalue()


class Pickled:
    """What a pickle makes of it shows that it was loaded."""

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
    """Puts an extreme word where the header of an `.npy` has one, and sets the header's length right."""
    length = struct.unpack("<H", content[8:10])[0]
    words = content[10 : 10 + length].replace(b",", b" , ").replace(b"(", b"( ").replace(b")", b" )").split()
    for _ in range(random.choice((1, 1, 2))):
        words[random.randrange(len(words))] = random.choice(HEADER_WORDS)
    header = b" ".join(words) + b"\n"
    return content[:8] + struct.pack("<H", len(header)) + header + content[10 + length :]


def check_npz(case, result):
    """An accepted file has all members that its directory names, each with all bytes of its member."""
    with zipfile.ZipFile(io.BytesIO(case["some.npz"])) as archive:
        sizes = {m.filename.removesuffix(".npy"): m.file_size for m in archive.infolist()}
        contents = {m.filename.removesuffix(".npy"): archive.read(m) for m in archive.infolist()}
    if set(sizes) != set(result):
        raise Fault(f"arrays {sorted(result)} were read of {sorted(sizes)}")
    for name, array in result.items():
        start = 10 + struct.unpack("<H", contents[name][8:10])[0]
        start += 2 if contents[name][6] > 1 else 0
        if array.nbytes != sizes[name] - start:
            raise Fault(f"{name} holds {array.nbytes} of {sizes[name] - start} bytes")


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
    """Makes an `.npz` with the names of a data set and arrays of all kinds."""
    names = random.choice((NAMES[:2], ("features", "labels"), ("words", "labels"), KERAS_NAMES, NAMES))
    extra = [name for name in NAMES[4:] if random.random() < 0.2]
    arrays = {name: random.choice(ODD_ARRAYS) for name in (*names, *extra)}
    return {"data.npz": npz(arrays, random.random() < 0.5)}


def make_idx_folder(random):
    whole = {
        **{
            name: random.choice(IDX_SEEDS[:1])
            for name in ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte")
        },
        **{
            name: idx(np.arange(3, dtype=np.uint8), 8)
            for name in ("train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte")
        },
    }
    name = random.choice(sorted(whole))
    whole[name] = damage(random, whole[name], IDX_SEEDS)
    return whole


def check_dataset(case, data):
    for split in (data.train, data.valid, data.test):
        examples, labels = split
        inside = labels.dtype == np.int32 and ((labels >= 0) & (labels < len(data.classes))).all()
        if len(examples) != len(labels) or not inside:
            raise Fault(f"{examples.shape} with labels {labels.tolist()} of {len(data.classes)} classes")
    if len(data.train.labels) == 0 or len(data.classes) > 1000:
        raise Fault(f"{len(data.train.labels)} examples of {len(data.classes)} classes")


# Images


def encoded(encode):
    pixels = np.arange(np.prod(IMAGE_SHAPE), dtype=np.uint8).reshape(IMAGE_SHAPE)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        return session.run(encode(pixels))


def bmp(height, width):
    rows = bytes((width * 3 + 3) // 4 * 4 * height)
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(rows), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54) + head + rows


def gif(frames):
    frame = (
        b","
        + struct.pack("<HHHHB", 0, 0, 5, 6, 0)
        + b"\x02\x10"
        + bytes.fromhex("8c8f a9cb ed0f a39c b4da 8bb3 de05".replace(" ", ""))
        + b"\0\0\0\0"
    )
    return b"GIF89a" + struct.pack("<HHBBB", 5, 6, 0x80, 0, 0) + bytes(6) + frame * frames + b";"


def image_seeds():
    return (
        encoded(tf.io.encode_png),
        encoded(lambda pixels: tf.io.encode_png(pixels[..., :1])),
        encoded(lambda pixels: tf.io.encode_png(pixels.astype(np.uint16))),
        encoded(tf.io.encode_jpeg),
        encoded(lambda pixels: tf.io.encode_jpeg(pixels, progressive=True)),
        bmp(*IMAGE_SHAPE[:2]),
        gif(2),
    )


def image_target():
    seeds = image_seeds()

    def make(random):
        content = random.choice(seeds)
        if content.startswith(b"\x89PNG") and random.random() < 0.4:
            return {"some.png": damage_png_chunk(random, content)}
        return {"some.png": damage(random, content, seeds)}

    def check(case, result):
        if result.shape != (1, *IMAGE_SHAPE) or result.dtype != np.uint8:
            raise Fault(f"images of {IMAGE_SHAPE} were read as {result.dtype} {result.shape}")
        content = case["some.png"]
        cut_off = any(whole.startswith(content) and len(content) < len(whole) - 12 for whole in seeds)
        if cut_off:
            raise Fault(f"{len(content)} bytes of a longer image were read as a whole one")

    return Target("picture", make, read_first(lambda path: gk.read_images(path, IMAGE_SHAPE)), check)


def damage_png_chunk(random, content):
    """Damages what a chunk of a PNG holds, and sets its checksum right."""
    chunks, at = [], 8
    while at < len(content):
        length = struct.unpack(">I", content[at : at + 4])[0]
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    number = random.choice((0, 0, random.randrange(len(chunks))))
    kind, held = chunks[number]
    chunks[number] = kind, damage(random, held)
    parts = [
        struct.pack(">I", len(held)) + kind + held + struct.pack(">I", zlib.crc32(kind + held))
        for kind, held in chunks
    ]
    return content[:8] + b"".join(parts)


def make_images_npz(random):
    arrays = {random.choice(("images", "images", "pictures")): random.choice(ODD_ARRAYS)}
    if random.random() < 0.3:
        arrays["images"] = np.zeros((2, *IMAGE_SHAPE), np.uint8)
    content = npz(arrays, random.random() < 0.5)
    return {"some.npz": content if random.random() < 0.5 else damage(random, content)}


def check_images(case, result):
    if result.shape[1:] != IMAGE_SHAPE or result.dtype != np.uint8 or len(result) == 0:
        raise Fault(f"images of {IMAGE_SHAPE} were read as {result.dtype} {result.shape}")


# Runs and checkpoints

RUN = {
    "model": "softmax_regression",
    "data": "mnist_5k",
    "data_dir": None,
    "classes": ["a", "b"],
    "image_shape": [4, 4, 1],
    "alphabet": None,
    "length": None,
    "l2": 0.0001,
    "keep_prob": 0.5,
    "optimizer": "sgd",
    "learning_rate": 0.001,
    "batch_size": 2,
    "seed": 0,
}
WORD_RUN = RUN | {"model": "char_rnn", "image_shape": None, "alphabet": "abc", "length": 3}
ODD_JSON = (
    *(None, True, False, 0, 1, -1, 2, 0.5, -0.5, 1e308, 2**31, 2**63, 10**400, float("nan"), float("inf")),
    *(
        "",
        "x",
        "abc",
        "aa",
        "\0",
        "mlp",
        "char_rnn",
        "adam",
        [],
        {},
        [[]],
        [0, 0, 0],
        [4, 4, 1],
        [4, 4, 2**40],
    ),
    *(["a", "b"], ["a", "a"], [1, 2], [None], [4, None, 1], {"a": 1}, "x" * 5000, ["x"] * 300, [2**63] * 3),
)


def make_config(random):
    fields = dict(random.choice((RUN, WORD_RUN)))
    if random.random() < 0.3:
        return {"run.json": damage(random, json.dumps(fields, indent=1).encode())}
    for _ in range(random.choice((1, 1, 2, 3))):
        name = random.choice(sorted(fields) or ["model"])
        change = random.random()
        if change < 0.85:
            fields[name] = random.choice(ODD_JSON)
        elif change < 0.95:
            fields.pop(name, None)
        else:
            fields["more"] = 1
    return {"run.json": json.dumps(random.choice((fields, fields, fields, [fields]))).encode()}


def read_config(folder):
    config = runs.read_config(folder)
    with tf.Graph().as_default():
        return runs.build_network(config)


def check_config(case, network):
    classes = json.loads(case["run.json"])["classes"]
    if network.logits.shape[-1] != len(classes):
        raise Fault(f"{network.logits.shape[-1]} logits for {len(classes)} classes")


def graph_with_variables():
    graph = tf.Graph()
    with graph.as_default():
        first = tf.compat.v1.get_variable("first", initializer=np.arange(6, dtype=np.float32).reshape(2, 3))
        second = tf.compat.v1.get_variable("second", initializer=np.int64(7))
        checkpoints = saving.Checkpoints([first, second], [first])
        initializer = tf.compat.v1.global_variables_initializer()
        values = [tf.identity(first.read_value()), tf.identity(second.read_value())]
    return graph, checkpoints, initializer, values


def checkpoint_target(folder):
    graph, checkpoints, initializer, values = graph_with_variables()
    session = tf.compat.v1.Session(graph=graph)
    session.run(initializer)
    state = {"step": 3, "history": {"loss": [0.5]}}
    checkpoints.save(session, str(Path(folder, "model")), state)
    whole = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
    expected = session.run(values)

    def make(random):
        name = random.choice(sorted(whole))
        return whole | {name: damage(random, whole[name], tuple(whole.values()))}

    def read(folder):
        session.run(initializer)
        path = str(folder / "model")
        found = saving.read_state(restoring.find_checkpoint(path))
        plan = restoring.plan_restore(path, checkpoints.variables)
        restoring.require_complete(plan)
        restoring.load(session, plan)
        return found, session.run(values)

    def check(case, result):
        found, read = result
        if found not in (state, None) or not all(map(np.array_equal, read, expected)):
            raise Fault(f"a damaged checkpoint was read as {found}, {read}")

    return Target("checkpoint", make, read, check)


def run_target(folder):
    config = runs.RunConfig(**RUN | {"classes": ("a", "b"), "image_shape": (4, 4, 1)})
    with tf.Graph().as_default():
        network = runs.build_network(config)
        with runs.make_trainer(config, network, folder) as trainer:
            trainer.save()
    Path(folder, "run.json").write_text(json.dumps(RUN, indent=1))
    whole = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
    odd_names = ("best-x.index", "best-9.index", "best-.index", "model-1.index", "history.csv")

    def make(random):
        files = dict(whole)
        change = random.random()
        name = random.choice(sorted(files))
        if change < 0.1:
            del files[name]
        elif change < 0.25:
            files[random.choice(odd_names)] = random.choice((b"", b"x", *whole.values()))
        elif change < 0.45:
            files |= make_config(random)
        else:
            files[name] = damage(random, files[name], tuple(whole.values()))
        return files

    def read(folder):
        run = gk.load_run(folder)
        with run.trainer as trainer:
            return trainer.predict(run.network.logits, {run.network.inputs: np.zeros((1, 4, 4, 1))})

    return Target("run folder", make, read, lambda case, result: None)


def targets(folder):
    """Returns the targets that read files; whole checkpoints are first made in the folder."""
    for name in ("checkpoint", "run"):
        Path(folder, name).mkdir(exist_ok=True)
    made = [
        Target("IDX file", make_idx, read_first(gk.read_idx), check_idx),
        Target("IDX file, gzipped", make_zipped_idx, read_first(gk.read_idx), check_idx),
        Target("CIFAR file", make_cifar, lambda at: readers.read_cifar(list(at.iterdir()), 1), check_cifar),
        Target(
            "CIFAR archive",
            make_tar,
            read_first(lambda path: datasets.read_tar(path, datasets.SOURCES["cifar100"])),
            check_tar,
        ),
        Target("npz file", make_npz, read_first(gk.read_npz), check_npz),
        Target("npz data set", make_dataset, read_first(gk.load_dataset), check_dataset),
        Target("IDX data set", make_idx_folder, gk.load_dataset, check_dataset),
        image_target(),
        Target(
            "npz of pictures",
            make_images_npz,
            read_first(lambda path: gk.read_images(path, IMAGE_SHAPE)),
            check_images,
        ),
        Target("run.json", make_config, read_config, check_config),
        checkpoint_target(Path(folder, "checkpoint")),
        run_target(Path(folder, "run")),
    ]
    return {target.name: target for target in made}
