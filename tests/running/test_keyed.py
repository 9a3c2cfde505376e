"""Random numbers from keys: the same key gives the same numbers wherever a step is copied to."""

import numpy as np
import pytest
import tensorflow as tf

from graphkit.graph import copies, walk
from graphkit.running import keyed

v1 = tf.compat.v1
COUNT = 1 << 14
DRAWS = {
    "uniform": lambda shape: tf.random.uniform(shape),
    "normal": lambda shape: tf.random.normal(shape),
    "truncated": lambda shape: tf.random.truncated_normal(shape),
    "int": lambda shape: tf.random.uniform(shape, -2, 5, tf.int32),
}


def keyed_copy(make):
    """Returns (keys, definition, names of the tensors) of the random ops that make() draws, keyed."""
    with tf.Graph().as_default():
        tensors = make()
        ops = sorted(walk.ancestors(tensors), key=lambda op: op.name)
        random = keyed.RandomOps(ops)
        keys = keyed.Keys(random.library)
        rewrite = lambda op, node: keys.rewrite(node) if op in random else None  # noqa: E731
        definition = copies.definition_of(ops, rewrite=rewrite)
        keys.complete(definition)
        return keys, definition, [tensor.name for tensor in tensors]


def drawn(copied, seed=1, step=0, how="graph"):
    """Returns the numbers of the copied ops at a step."""
    keys, definition, wanted = copied

    def draw(seed, step):
        return copies.paste(definition, keys.tensors(seed, step), wanted)

    with tf.Graph().as_default(), v1.Session() as session:
        if how == "fed":
            names = keys.values(seed, step)
            inputs = {name: v1.placeholder(value.dtype, value.shape) for name, value in names.items()}
            tensors = copies.paste(definition, inputs, wanted)
            return session.run(tensors, {inputs[name]: value for name, value in names.items()})
        if how == "loop":
            step = tf.constant(step, tf.int64)
            zeros = [tf.zeros_like(tensor) for tensor in draw(tf.constant(seed), step)]
            _, *values = tf.while_loop(
                lambda number, *_: number <= step,
                lambda number, *_: (number + 1, *draw(tf.constant(seed), number)),
                (tf.zeros((), tf.int64), *zeros),
            )
            return session.run(values)
        function = tf.function(draw, jit_compile=how == "xla", autograph=False)
        return session.run((draw if how == "graph" else function)(tf.constant(seed), tf.constant(step)))


@pytest.fixture(scope="module")
def all_draws():
    return keyed_copy(lambda: [draw((COUNT,)) for draw in DRAWS.values()])


@pytest.fixture(scope="module")
def numbers(all_draws):
    """The numbers of each distribution for seed 1 and step 0."""
    return dict(zip(DRAWS, drawn(all_draws), strict=True))


@pytest.mark.parametrize("how", ["graph", "function", "loop", "fed"])
def test_the_same_key_gives_the_same_numbers(how, all_draws, numbers):
    for name, values in zip(DRAWS, drawn(all_draws, how=how), strict=True):
        np.testing.assert_array_equal(values, numbers[name], err_msg=name)


def test_uniform_numbers_are_the_same_under_xla():
    copied = keyed_copy(lambda: [tf.random.uniform((100,)), tf.random.uniform((3, 5), dtype=tf.float64)])
    for one, other in zip(drawn(copied, 5, 6), drawn(copied, 5, 6, "xla"), strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_step_another_seed_and_another_op_give_other_numbers(all_draws, numbers):
    twins = keyed_copy(lambda: [draw((COUNT,)) for draw in (*DRAWS.values(), *DRAWS.values())])
    first, second = np.array(drawn(twins), object).reshape(2, len(DRAWS), COUNT)
    others = {"step": drawn(all_draws, step=1), "seed": drawn(all_draws, seed=2), "op": second}
    for place, (name, values) in enumerate(numbers.items()):
        np.testing.assert_array_equal(first[place].astype(values.dtype), values)  # by the name of the op
        for what, other in others.items():
            equal = np.mean(values == other[place])
            assert equal < (0.2 if name == "int" else 0.01), (name, what)


def test_seed_and_step_are_not_exchangeable(all_draws):
    assert not np.array_equal(drawn(all_draws, 1, 2)[0], drawn(all_draws, 2, 1)[0])


def test_the_seed_of_the_op_itself_does_not_count():
    one = keyed_copy(lambda: [tf.random.normal((8,), seed=1)])
    other = keyed_copy(lambda: [tf.random.normal((8,), seed=2)])
    np.testing.assert_array_equal(drawn(one)[0], drawn(other)[0])


def test_values_are_the_tensors_as_numbers(all_draws):
    keys = all_draws[0]
    for seed, step in ((0, 0), (7, 12345), (2**31 - 1, 2**20)):
        with tf.Graph().as_default(), v1.Session() as session:
            tensors = session.run(keys.tensors(tf.constant(seed, tf.int64), tf.constant(step, tf.int64)))
        values = keys.values(seed, step)
        assert values.keys() == tensors.keys()
        for name, value in values.items():
            assert value.dtype == tensors[name].dtype
            np.testing.assert_array_equal(value, tensors[name])


@pytest.mark.parametrize("step", [2**31, 2**40])
def test_values_take_steps_beyond_int32(all_draws, step):
    keys = all_draws[0]
    with tf.Graph().as_default(), v1.Session() as session:
        tensors = session.run(keys.tensors(tf.constant(1), tf.constant(step, tf.int64)))
    for name, value in keys.values(1, step).items():
        np.testing.assert_array_equal(value, tensors[name])


def test_no_random_ops_need_no_keys():
    keys = keyed.Keys()
    assert keys.values(1, 2) == {} and keys.tensors(tf.constant(1), tf.constant(2)) == {}


def test_distributions(numbers):
    """Mean and variance within five standard errors, ranges, and counts of bins."""
    moments = {"uniform": (0.5, 1 / 12), "normal": (0, 1), "truncated": (0, 0.7737), "int": (1, 4)}
    for name, (mean, variance) in moments.items():
        values = numbers[name].astype(np.float64)
        assert abs(values.mean() - mean) < 5 * (variance / COUNT) ** 0.5, name
        spread = np.var((values - mean) ** 2) ** 0.5
        assert abs(values.var() - variance) < 5 * spread / COUNT**0.5, name
    assert numbers["uniform"].min() >= 0 and numbers["uniform"].max() < 1
    assert np.abs(numbers["truncated"]).max() <= 2 < np.abs(numbers["normal"]).max()
    assert set(numbers["int"].tolist()) == set(range(-2, 5))
    for name, bins in (("uniform", np.linspace(0, 1, 17)), ("int", np.arange(-2, 6))):
        counts = np.histogram(numbers[name], bins)[0]
        expected = COUNT / len(counts)
        assert np.abs(counts - expected).max() < 5 * expected**0.5, name


def test_neighbouring_steps_are_uncorrelated(all_draws):
    rows = np.array([drawn(all_draws, step=step)[1] for step in range(4)])
    off = np.corrcoef(rows)[~np.eye(4, dtype=bool)]
    assert np.abs(off).max() < 5 / COUNT**0.5


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float64])
def test_dtypes_shapes_and_control_inputs_stay(dtype):
    def make():
        size = tf.stack([tf.constant(2), 3])
        sizes = size, tf.cast(size, tf.int64)
        with tf.control_dependencies([tf.no_op("before")]):
            return [tf.random.uniform(sizes[0], dtype=dtype), tf.random.normal(sizes[1], dtype=dtype)]

    copied = keyed_copy(make)
    random = [node for node in copied[1].node if any("graphkit_key" in name for name in node.input)]
    assert len(random) == 2 and all("^before" in node.input for node in random)
    for values in drawn(copied):
        assert values.shape == (2, 3) and values.dtype == dtype.as_numpy_dtype


def unigram():
    """Draws by an op that cannot be keyed."""
    options = {"num_true": 1, "num_sampled": 2, "unique": True, "range_max": 3, "unigrams": [0.2, 0.3, 0.5]}
    return tf.raw_ops.FixedUnigramCandidateSampler(true_classes=[[0]], **options).sampled_expected_count


def test_which_ops_are_random_and_which_have_keys():
    found = {
        "uniform": tf.random.uniform((2,)),
        "normal": tf.random.normal((2,)),
        "gamma": tf.random.gamma((2,), 1.0),
        "unigram": unigram(),
        "stateless": tf.random.stateless_normal((2,), (1, 2)),
        "constant": tf.zeros((2,)),
    }
    ops = {name: walk.ancestors([tensor]) for name, tensor in found.items()}
    random = {name: [op for op in made if keyed.is_random(op)] for name, made in ops.items()}
    assert {name: len(made) for name, made in random.items()} == {
        "uniform": 1, "normal": 1, "gamma": 1, "unigram": 1, "stateless": 0, "constant": 0,
    }  # fmt: skip
    assert all(keyed.has_key(op) for name in ("uniform", "normal", "gamma") for op in random[name])
    assert not keyed.has_key(random["unigram"][0])
