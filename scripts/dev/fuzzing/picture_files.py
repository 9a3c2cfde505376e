"""Picture files: PNG, JPEG, BMP, GIF, and `.npz` files of pictures."""

import struct
import zlib

import numpy as np
import tensorflow as tf

import graphkit as gk
from fuzzing.array_files import ODD_ARRAYS, npz
from fuzzing.damage import damage
from fuzzing.outcomes import WrongResult
from fuzzing.target import Target, read_first

IMAGE_SHAPE = (6, 5, 3)


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
            raise WrongResult(f"images of {IMAGE_SHAPE} were read as {result.dtype} {result.shape}")
        content = case["some.png"]
        cut_off = any(seed.startswith(content) and len(content) < len(seed) - 12 for seed in seeds)
        if cut_off:
            raise WrongResult(f"{len(content)} bytes of a longer image were read as a complete one")

    return Target("picture", make, read_first(lambda path: gk.runs.read_images(path, IMAGE_SHAPE)), check)


def damage_png_chunk(random, content):
    """Damages the content of a chunk of a PNG, and corrects its checksum."""
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
        raise WrongResult(f"images of {IMAGE_SHAPE} were read as {result.dtype} {result.shape}")


def targets():
    return [
        image_target(),
        Target(
            "npz of pictures",
            make_images_npz,
            read_first(lambda path: gk.runs.read_images(path, IMAGE_SHAPE)),
            check_images,
        ),
    ]
