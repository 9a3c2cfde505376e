"""Random masks by counting: a hash of (seed, op, step, element), with no state in any kernel.

The same mask therefore comes out in every execution of a step, on every device and after every resume.
"""

import zlib

import numpy as np
import tensorflow as tf

LEVELS = 1 << 16  # a unit is kept if its 16 random bits are below round(keep_prob * LEVELS)


def keep_mask(shape, keep_prob, seed, step, op_name):
    """Returns a boolean mask that is True with probability round(keep_prob * 2**16) / 2**16.

    Each 32-bit hash gives the bits of two neighbouring units. Beside the unit's number, two key words
    go into it, so that no two (seed, op, step) see shifted copies of one sequence.

    Args:
      shape: of the mask, an int32 tensor.
      keep_prob: float32 scalar tensor in (0, 1].
      seed: integer scalar tensor.
      step: integer scalar tensor.
      op_name: name of the op that asks; it sets which of the step's masks this is.

    Returns:
      bool tensor of the shape.

    Source: the 32-bit finalizer of the "lowbias32" kind (C. Wellons, "Prospecting for hash functions",
    2018), with the second key word added between its two multiplications.
    """
    first, second = mask_key(seed, step, op_name)
    count = tf.reduce_prod(shape)
    pairs = tf.bitcast(tf.range((count + 1) // 2), tf.uint32)
    bits = tf.bitcast(finalize(pairs ^ first, second), tf.uint16)
    bits = tf.reshape(tf.reshape(bits, [-1])[:count], shape)
    kept_levels = tf.cast(tf.round(keep_prob * LEVELS), tf.int32)
    return bits <= tf.cast(tf.maximum(kept_levels, 1) - 1, tf.uint16)


def mask_key(seed, step, op_name):
    """Returns two uint32 scalars that depend on every bit of (seed, op, step)."""
    op = np.uint32(zlib.crc32(op_name.encode()))
    seed, step = tf.cast(seed, tf.uint32), tf.cast(step, tf.uint32)
    first = finalize(finalize(seed ^ op, np.uint32(0)) ^ step, op)
    return first, finalize(first ^ np.uint32(0x9E3779B9), step)


def finalize(bits, key):
    """Mixes uint32 words: every input bit and key bit reaches every output bit."""
    bits = bits ^ tf.bitwise.right_shift(bits, np.uint32(16))
    bits = bits * np.uint32(0x7FEB352D) + key
    bits = bits ^ tf.bitwise.right_shift(bits, np.uint32(15))
    bits = bits * np.uint32(0x846CA68B)
    return bits ^ tf.bitwise.right_shift(bits, np.uint32(16))
