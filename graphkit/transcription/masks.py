"""Masks by counting, in NumPy, bit for bit those of graphkit: functions that a written file has at its top.

Their sources are copied, so they use NumPy, hashlib and each other alone.
"""

import hashlib

import numpy as np


def keep_mask(shape, keep_prob, seed, step, op_name):
    """Which units dropout keeps: a hash of (seed, step, op, number of the unit), below keep_prob.

    Each unit has 16 random bits; it is kept if they are below round(keep_prob * 2**16).
    """
    bits = random_bits(shape, mask_key(seed, step, op_name), np.uint16)
    return bits <= np.uint16(max(int(np.round(np.float32(keep_prob) * np.float32(65536))), 1) - 1)


def uniform(shape, key):
    """Uniform float32 numbers of [0, 1) in steps of 2**-24."""
    return (random_bits(shape, key, np.uint32) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def random_bits(shape, key, dtype):
    """Random integers of the shape: the stream of the generator SplitMix64 that starts at the key."""
    count, lanes = int(np.prod(shape)), 8 // np.dtype(dtype).itemsize
    words = np.arange((count + lanes - 1) // lanes, dtype=np.uint64)
    return mix(words * np.uint64(0x9E3779B97F4A7C15) + key).view(dtype)[:count].reshape(shape)


def mask_key(seed, step, op_name):
    """A number of 64 bits that depends on every bit of (seed, op, step); it wraps around at 2**64."""
    golden = np.uint64(0x9E3779B97F4A7C15)
    op = np.frombuffer(hashlib.sha256(op_name.encode()).digest()[:8], "<u8")
    key = mix(np.array([seed]).astype(np.uint64) * golden + op)
    return mix(key + np.array([step]).astype(np.uint64) * golden)


def mix(words):
    """Mixes 64-bit integers, so that every input bit reaches every output bit."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def random_normal(shape, key):
    """Normal float32 numbers: the generator Philox, and the formula of Box and Muller."""
    count = int(np.prod(shape))
    words = philox((count + 3) // 4, int(np.ravel(key)[0])).reshape(-1, 2)
    floats = ((words & np.uint32(0x7FFFFF)) | np.uint32(0x3F800000)).view(np.float32) - np.float32(1)
    radius = np.sqrt(np.float32(-2) * np.log(np.maximum(floats[:, 0], np.float32(1e-7))))
    angle = np.float32(2 * np.pi) * floats[:, 1]
    return np.stack([np.sin(angle) * radius, np.cos(angle) * radius], axis=1).ravel()[:count].reshape(shape)


def random_integers(shape, key, low, high):
    """Uniform int32 numbers of [low, high): those of the generator Philox, modulo the range."""
    count = int(np.prod(shape))
    words = philox((count + 3) // 4, int(np.ravel(key)[0])).ravel()[:count].astype(np.int64)
    return (int(low) + words % (int(high) - int(low))).astype(np.int32).reshape(shape)


def philox(blocks, key):
    """Four random 32-bit integers for each block: ten rounds of products that mix a counter and the key."""
    low = np.uint64(0xFFFFFFFF)
    number = np.arange(blocks, dtype=np.uint64)
    a, b, c, d = number & low, number >> np.uint64(32), number * np.uint64(0), number * np.uint64(0)
    first, second = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        p, q = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
        a, b, c, d = (
            (q >> np.uint64(32)) ^ b ^ np.uint64(first),
            q & low,
            (p >> np.uint64(32)) ^ d ^ np.uint64(second),
            p & low,
        )
        first, second = (first + 0x9E3779B9) & 0xFFFFFFFF, (second + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([a, b, c, d], axis=1).astype(np.uint32)
