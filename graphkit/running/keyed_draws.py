"""How each random op draws from a key what it else draws from the state of a kernel: the same distribution.

Only ops of TensorFlow whose numbers do not depend on how many threads make them are used, which leaves out
StatelessMultinomial and StatelessParameterizedTruncatedNormal.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from graphkit.graph import control_flow
from graphkit.nn import counter_random

PHILOX = 1  # the algorithm of TensorFlow's stateless ops that runs on every device


def state(key: tf.Tensor) -> dict[str, Any]:
    """Returns the arguments of a stateless op that say where it begins."""
    return {"key": tf.reshape(key, [1]), "counter": tf.zeros([2], tf.uint64), "alg": PHILOX}


def dtype_of(node: Any, name: str = "dtype") -> tf.DType:
    return tf.as_dtype(node.attr[name].type)


def unit_numbers(count: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Returns so many float64 of [0, 1) in steps of 2**-53; more of them begin with the same ones."""
    bits = counter_random.random_bits(tf.reshape(count, [1]), key, tf.uint64)
    return tf.cast(tf.bitwise.right_shift(bits, np.uint64(11)), tf.float64) * 2.0**-53


def uniform(node: Any, key: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    return counter_random.uniform(shape, key, dtype_of(node))


def normal(node: Any, key: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    return tf.raw_ops.StatelessRandomNormalV2(shape=shape, dtype=dtype_of(node), **state(key))


def truncated_normal(node: Any, key: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    return tf.raw_ops.StatelessTruncatedNormalV2(shape=shape, dtype=dtype_of(node), **state(key))


def integers(node: Any, key: tf.Tensor, shape: tf.Tensor, low: tf.Tensor, high: tf.Tensor) -> tf.Tensor:
    return tf.raw_ops.StatelessRandomUniformIntV2(shape=shape, minval=low, maxval=high, **state(key))


def gamma(node: Any, key: tf.Tensor, shape: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
    shape = tf.concat([shape, tf.shape(alpha, shape.dtype)], 0)
    return tf.raw_ops.StatelessRandomGammaV3(shape=shape, alpha=alpha, **state(key))


def poisson(node: Any, key: tf.Tensor, shape: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
    shape = tf.concat([shape, tf.shape(rate, shape.dtype)], 0)
    seed = tf.bitcast(key, tf.int32)
    return tf.raw_ops.StatelessRandomPoisson(shape=shape, seed=seed, lam=rate, dtype=dtype_of(node))


def normal_between(node: Any, key: tf.Tensor, shape: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
    """Inverts the distribution; the parameters are scalars, or have one number for each row."""
    column = tf.concat([[-1], tf.ones([tf.size(shape) - 1], tf.int32)], 0)
    mean, deviation, low, high = (tf.reshape(tf.cast(p, tf.float64), column) for p in parameters)
    start, end = (low - mean) / deviation, (high - mean) / deviation
    # Small chances are exact, so that what lies above the mean is mirrored.
    sign = tf.where(start > 0, tf.constant(-1, tf.float64), 1)
    start, end = tf.where(start > 0, -end, start), tf.where(start > 0, -start, end)
    below_start, below_end = (0.5 * tf.math.erfc(-x / np.sqrt(2)) for x in (start, end))
    numbers = tf.reshape(unit_numbers(tf.reduce_prod(shape), key) + 2.0**-54, shape)
    found = tf.math.ndtri(below_start + numbers * (below_end - below_start))
    return tf.cast(tf.clip_by_value(mean + deviation * sign * found, low, high), dtype_of(node))


def categories(node: Any, key: tf.Tensor, logits: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Finds uniform numbers among the sums of the weights; a logit that is not finite has none."""
    logits = tf.cast(logits, tf.float64)
    finite = tf.math.is_finite(logits)
    largest = tf.reduce_max(tf.where(finite, logits, logits.dtype.min), axis=1, keepdims=True)
    sums = tf.cumsum(tf.where(finite, tf.exp(logits - largest), 0), axis=1)
    rows = tf.shape(logits)[0]
    numbers = tf.reshape(unit_numbers(rows * count, key), [rows, count]) * sums[:, -1:]
    return tf.raw_ops.UpperBound(sorted_inputs=sums, values=numbers, out_type=dtype_of(node, "output_dtype"))


def shuffled(node: Any, key: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """Sorts the rows by words of the stream, all of which differ."""
    words = counter_random.random_bits(tf.shape(value)[:1], key, tf.uint64)
    return tf.gather(value, tf.argsort(tf.bitcast(words, tf.int64), stable=True))


def sampled(node: Any, key: tf.Tensor, true_classes: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Returns what a candidate sampler does: classes, and how often each is expected among them.

    Without repetition, classes are drawn until there are enough different ones. How many tries that took
    decides how often a class is expected.
    """
    count, limit = node.attr["num_sampled"].i, node.attr["range_max"].i
    is_log = node.op.startswith("Log")

    def classes(tries: tf.Tensor) -> tf.Tensor:
        numbers = unit_numbers(tries, key)
        if is_log:
            return (tf.cast(tf.exp(numbers * np.log1p(limit)), tf.int64) - 1) % limit
        return tf.cast(numbers * limit, tf.int64)

    tries, drawn = tf.constant(count), classes(tf.constant(count))
    if node.attr["unique"].b:
        with control_flow.of_functions():
            (most,) = tf.while_loop(
                lambda most: tf.size(tf.unique(classes(most)).y) < count, lambda most: (2 * most,), (tries,)
            )
        different, places = tf.unique(classes(most))
        tries = 1 + tf.argmax(tf.cast(tf.equal(places, count - 1), tf.int32), output_type=tf.int32)
        drawn = different[:count]

    def expected(classes: tf.Tensor) -> tf.Tensor:
        place = tf.cast(classes, tf.float64)
        share = tf.math.log1p(1 / (place + 1)) / np.log1p(limit) if is_log else tf.ones_like(place) / limit
        total = tf.cast(tries, tf.float64)
        times = tf.where(tf.equal(tries, count), share * total, -tf.math.expm1(total * tf.math.log1p(-share)))
        return tf.cast(times, tf.float32)

    return drawn, expected(true_classes), expected(drawn)


class Draw(NamedTuple):
    """How an op draws from a key.

    Attributes:
      numbers: function (node, key, *inputs) -> its outputs.
      inputs: (dtype, or the attribute of the node that is it; shape) of each input.
      outputs: names of the outputs, where these are not one, "output".
    """

    numbers: Callable[..., Any]
    inputs: tuple[tuple[Any, list | None], ...]
    outputs: tuple[str, ...] = ("output",)


SHAPE = ("T", [None])
CANDIDATES = Draw(
    sampled,
    ((tf.int64, [None, None]),),
    ("sampled_candidates", "true_expected_count", "sampled_expected_count"),
)
DRAWS = {
    "RandomUniform": Draw(uniform, (SHAPE,)),
    "RandomStandardNormal": Draw(normal, (SHAPE,)),
    "TruncatedNormal": Draw(truncated_normal, (SHAPE,)),
    "RandomUniformInt": Draw(integers, (SHAPE, ("Tout", []), ("Tout", []))),
    "RandomGamma": Draw(gamma, (("S", [None]), ("T", None))),
    "RandomPoissonV2": Draw(poisson, (("S", [None]), ("R", None))),
    "ParameterizedTruncatedNormal": Draw(normal_between, (SHAPE, *[("dtype", None)] * 4)),
    "Multinomial": Draw(categories, (("T", [None, None]), (tf.int32, []))),
    "RandomShuffle": Draw(shuffled, (("T", None),)),
    "UniformCandidateSampler": CANDIDATES,
    "LogUniformCandidateSampler": CANDIDATES,
}
# They have attributes for a seed, and no use for it.
DRAWING_NOTHING = ("ComputeAccidentalHits", "AllCandidateSampler")


def has_key(node: Any) -> bool:
    """Whether the numbers of a random op, given as its node, can be drawn from a key."""
    if DRAWS.get(node.op) is not CANDIDATES:
        return node.op in DRAWS
    # TensorFlow's op refuses to find more different classes than there are.
    return not node.attr["unique"].b or node.attr["num_sampled"].i <= node.attr["range_max"].i


def specs(node: Any) -> tuple[list[Any], list[tf.DType]]:
    """Returns the shapes and the dtypes of the inputs of a random op, given as its node."""
    inputs = DRAWS[node.op].inputs
    dtypes = [dtype_of(node, dtype) if isinstance(dtype, str) else dtype for dtype, _ in inputs]
    return [shape for _, shape in inputs], dtypes
