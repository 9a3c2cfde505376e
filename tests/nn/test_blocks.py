"""Blocks against the same network written with TensorFlow's own ops, and against single layers."""

import math
import re

import numpy as np
import pytest
import tensorflow as tf
from references import normal, run, set_variable

import graphkit as gk
from graphkit.nn import inputs as graph_inputs

v1 = tf.compat.v1

BRANCHES = {"conv1x1": 2, "reduce3x3": 3, "conv3x3": 4, "reduce5x5": 1, "conv5x5": 5, "pool1x1": 6}


def parameters():
    return sum(math.prod(variable.shape) for variable in v1.trainable_variables())


def shapes():
    return {variable.op.name: variable.shape.as_list() for variable in v1.global_variables()}


def by_name(scope):
    """Returns {name inside the scope: value as a tensor} of the variables that a block has made."""
    variables = v1.get_collection(v1.GraphKeys.GLOBAL_VARIABLES, scope=f"{scope}/")
    return {v.op.name.removeprefix(f"{scope}/"): tf.convert_to_tensor(v) for v in variables}


def inception(images, name=None, reuse=None, **options):
    return gk.inception_module(images, **BRANCHES, name=name, reuse=reuse, **options)


# inception_module


def plain_inception(images, values, activation):
    """Writes the module as its paper draws it, with TensorFlow's ops; returns its four branches."""

    def conv(net, layer):
        net = tf.nn.conv2d(net, values[f"{layer}/kernel"], 1, "SAME")
        return activation(net + values[f"{layer}/bias"])

    pooled = tf.nn.max_pool2d(images, 3, 1, "SAME")
    return [
        conv(images, "conv1x1"),
        conv(conv(images, "reduce3x3"), "conv3x3"),
        conv(conv(images, "reduce5x5"), "conv5x5"),
        conv(pooled, "pool1x1"),
    ]


@pytest.mark.parametrize("activation", [tf.nn.relu, tf.nn.tanh])
def test_inception_module_is_its_branches_side_by_side(activation):
    images = tf.constant(normal(2, 6, 5, 3))
    outputs = inception(images, "block", activation=activation)
    branches = plain_inception(images, by_name("block"), activation)
    assert outputs.shape.as_list() == [2, 6, 5, 2 + 4 + 5 + 6]
    values, branches = run([outputs, branches])
    assert [branch.shape[-1] for branch in branches] == [2, 4, 5, 6]
    np.testing.assert_allclose(values, np.concatenate(branches, axis=-1), rtol=1e-5, atol=1e-6)
    assert all(np.ptp(branch) > 0 for branch in branches)


def test_biases_of_all_branches_count():
    images = tf.zeros((1, 4, 4, 3))
    outputs = inception(images, "block", activation=None)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        assert not session.run(outputs).any()
        for variable in v1.global_variables():
            if variable.op.name.endswith("bias"):
                set_variable(session, variable, np.ones(variable.shape))
        values = session.run([outputs, *plain_inception(images, by_name("block"), tf.identity)])
    np.testing.assert_allclose(values[0], np.concatenate(values[1:], axis=-1), rtol=1e-5, atol=1e-6)
    assert values[0].any(axis=(0, 1, 2)).all()


def test_inception_module_is_its_single_layers_with_the_same_variables():
    images = tf.constant(normal(2, 6, 5, 3))
    block = inception(images, "block")
    with v1.variable_scope("block", reuse=True):

        def conv(net, layer, size):
            return gk.conv2d(net, BRANCHES[layer], size, padding="same", activation=gk.relu, name=layer)

        third = conv(conv(images, "reduce5x5", 1), "conv5x5", 5)
        last = conv(gk.max_pool(images, 3, 1, "same"), "pool1x1", 1)
    block, third, last = run([block, third, last])
    np.testing.assert_allclose(block[..., 6:11], third, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(block[..., 11:], last, rtol=1e-5, atol=1e-6)


def test_parameters_of_an_inception_module_by_hand():
    inception(gk.image_input(8, 8, 3), "block")
    by_hand = {
        "block/conv1x1": (1, 1, 3, 2),
        "block/reduce3x3": (1, 1, 3, 3),
        "block/conv3x3": (3, 3, 3, 4),
        "block/reduce5x5": (1, 1, 3, 1),
        "block/conv5x5": (5, 5, 1, 5),
        "block/pool1x1": (1, 1, 3, 6),
    }
    expected = {f"{layer}/kernel": list(kernel) for layer, kernel in by_hand.items()}
    expected |= {f"{layer}/bias": [kernel[-1]] for layer, kernel in by_hand.items()}
    assert shapes() == expected
    # Weights 6 + 9 + 108 + 3 + 125 + 18, and biases 2 + 3 + 4 + 1 + 5 + 6.
    assert parameters() == 269 + 21


def test_googlenets_first_module_has_the_parameters_of_the_paper():
    """Inception (3a) of table 1: 28 x 28 x 192 to 28 x 28 x 256, "159K" parameters."""
    outputs = gk.inception_module(gk.image_input(28, 28, 192), 64, 96, 128, 16, 32, 32)
    assert outputs.shape.as_list() == [None, 28, 28, 256]
    weights = sum(math.prod(v.shape) for v in v1.trainable_variables() if v.shape.rank == 4)
    assert weights == 192 * (64 + 96 + 16 + 32) + 9 * 96 * 128 + 25 * 16 * 32 == 163_328
    assert weights // 1024 == 159


def test_inception_module_takes_images_of_unknown_size():
    fed = gk.image_input(None, None, 3)
    outputs = inception(fed)
    assert outputs.shape.as_list() == [None, None, None, 17]
    assert run(outputs, {fed: np.zeros((2, 3, 1, 3))}).shape == (2, 3, 1, 17)


# residual_block


def normalized(net, values, norm):
    """Batch normalization by the moving averages, with tf.layers' epsilon of 0.001."""
    mean, variance = values[f"{norm}/moving_mean"], values[f"{norm}/moving_variance"]
    scaled = (net - mean) / tf.sqrt(variance + 1e-3)
    return values[f"{norm}/gamma"] * scaled + values[f"{norm}/beta"]


def plain_residual(images, values, strides, activation):
    """Writes the block as its paper draws it, with TensorFlow's ops."""

    def conv(net, layer, norm, step):
        return normalized(tf.nn.conv2d(net, values[f"{layer}/kernel"], step, "SAME"), values, norm)

    net = conv(activation(conv(images, "conv1", "norm1", strides)), "conv2", "norm2", 1)
    shortcut = conv(images, "shortcut", "shortcut_norm", strides) if "shortcut/kernel" in values else images
    return activation(net + shortcut)


def run_at_random(fetches):
    """Runs with every variable at random values, positive ones for variances."""
    with v1.Session() as session:
        for place, variable in enumerate(v1.global_variables()):
            value = normal(*variable.shape, seed=place)
            value = np.abs(value) + 0.5 if variable.op.name.endswith("variance") else value
            set_variable(session, variable, value)
        return session.run(fetches)


@pytest.mark.grid
@pytest.mark.parametrize(
    "filters, strides, projected", [(3, 1, False), (5, 1, True), (3, 2, True), (5, 2, True)]
)
@pytest.mark.parametrize("activation", [tf.nn.relu, tf.nn.tanh])
def test_residual_block_is_its_formula(filters, strides, projected, activation):
    images = tf.constant(normal(2, 7, 6, 3))
    outputs = gk.residual_block(images, filters, strides, activation=activation, name="block")
    values = by_name("block")
    assert ("shortcut/kernel" in values) == projected
    assert outputs.shape.as_list() == [2, math.ceil(7 / strides), math.ceil(6 / strides), filters]
    first, second = run_at_random([outputs, plain_residual(images, values, strides, activation)])
    np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-4)


def test_residual_block_is_its_single_layers_with_the_same_variables():
    images = tf.constant(normal(2, 6, 5, 3))
    block = gk.residual_block(images, 4, 2, name="block")
    with v1.variable_scope("block", reuse=True):

        def conv(net, size, strides, layer, norm):
            net = gk.conv2d(net, 4, size, strides, "same", use_bias=False, name=layer)
            return gk.batch_norm(net, name=norm)

        net = conv(gk.relu(conv(images, 3, 2, "conv1", "norm1")), 3, 1, "conv2", "norm2")
        single = gk.relu(net + conv(images, 1, 2, "shortcut", "shortcut_norm"))
    for flag in (False, True):
        first, second = run([block, single], {graph_inputs.training_input(): flag})
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-5)


def test_a_residual_block_of_zero_kernels_is_the_identity():
    images = normal(2, 5, 4, 3)
    with v1.variable_scope("net", initializer=v1.zeros_initializer()):
        active = gk.residual_block(tf.constant(images), 3)
        plain = gk.residual_block(tf.constant(images), 3, activation=tf.identity)
    for flag in (False, True):
        first, second = run([active, plain], {graph_inputs.training_input(): flag})
        np.testing.assert_array_equal(first, np.maximum(images, 0))
        np.testing.assert_array_equal(second, images)


def test_the_gradient_passes_a_block_of_zero_kernels_unchanged():
    images = tf.constant(normal(2, 5, 4, 3))
    with v1.variable_scope("net", initializer=v1.zeros_initializer()):
        outputs = gk.residual_block(images, 3, activation=tf.identity)
    np.testing.assert_array_equal(run(tf.gradients(outputs, images)[0]), np.ones((2, 5, 4, 3)))


@pytest.mark.parametrize("filters, strides, norms", [(3, 1, 2), (5, 1, 3), (3, 2, 3)])
def test_variables_and_update_ops_of_a_residual_block(filters, strides, norms):
    gk.residual_block(gk.image_input(8, 8, 3), filters, strides, name="block")
    expected = {"block/conv1/kernel": [3, 3, 3, filters], "block/conv2/kernel": [3, 3, filters, filters]}
    layers = ["norm1", "norm2"]
    if norms == 3:
        expected["block/shortcut/kernel"] = [1, 1, 3, filters]
        layers.append("shortcut_norm")
    for layer in layers:
        for name in ("gamma", "beta", "moving_mean", "moving_variance"):
            expected[f"block/{layer}/{name}"] = [filters]
    assert shapes() == expected
    assert len(v1.get_collection(v1.GraphKeys.UPDATE_OPS)) == 2 * norms
    projection = 3 * filters if norms == 3 else 0
    assert parameters() == 27 * filters + 9 * filters**2 + projection + 2 * filters * norms


def test_residual_block_takes_images_of_unknown_size():
    fed = gk.image_input(None, None, 3)
    outputs = gk.residual_block(fed, 4, 2)
    assert outputs.shape.as_list() == [None, None, None, 4]
    assert run(outputs, {fed: np.zeros((2, 5, 1, 3))}).shape == (2, 3, 1, 4)


# The conventions of layers

BLOCKS = {
    "inception": inception,
    "residual": lambda images, **options: gk.residual_block(images, 5, **options),
}
COUNTS = {"inception": 12, "residual": 15}

each_block = pytest.mark.parametrize("block", BLOCKS)


def scopes():
    """Returns the outermost scopes of the variables in the order of their making."""
    return list(dict.fromkeys(variable.name.split("/")[0] for variable in v1.global_variables()))


@pytest.mark.grid
@each_block
def test_unnamed_blocks_are_numbered(block):
    for _ in range(3):
        BLOCKS[block](tf.zeros((1, 4, 4, 3)))
    assert scopes() == [block, f"{block}_1", f"{block}_2"]
    assert len(v1.global_variables()) == 3 * COUNTS[block]


@pytest.mark.grid
@each_block
@pytest.mark.parametrize("reuse", [True, v1.AUTO_REUSE])
def test_reuse_by_name_shares_the_variables(block, reuse):
    images = tf.constant(normal(2, 4, 4, 3))
    first = BLOCKS[block](images, name="block")
    second = BLOCKS[block](images, name="block", reuse=reuse)
    assert len(v1.global_variables()) == COUNTS[block]
    np.testing.assert_array_equal(*run([first, second]))


@each_block
def test_auto_reuse_makes_what_is_not_there(block):
    BLOCKS[block](tf.zeros((1, 4, 4, 3)), name="block", reuse=v1.AUTO_REUSE)
    assert len(v1.global_variables()) == COUNTS[block]


@pytest.mark.grid
@each_block
def test_reuse_without_a_name_means_the_first_of_the_kind(block):
    for reuse in (None, True):
        BLOCKS[block](tf.zeros((1, 4, 4, 3)), reuse=reuse)
    assert scopes() == [block]


@pytest.mark.grid
@each_block
@pytest.mark.parametrize("reuse", [True, v1.AUTO_REUSE])
def test_reuse_by_the_variable_scope(block, reuse):
    for again in (None, reuse):
        with v1.variable_scope("net", reuse=again):
            BLOCKS[block](tf.zeros((1, 4, 4, 3)))
    assert len(v1.global_variables()) == COUNTS[block]
    assert all(variable.name.startswith(f"net/{block}/") for variable in v1.global_variables())


@each_block
def test_a_name_that_is_taken_is_refused(block):
    BLOCKS[block](tf.zeros((1, 4, 4, 3)), name="block")
    with pytest.raises(ValueError, match=r"^conv2d: the variable block/conv1\w*/kernel already exists"):
        BLOCKS[block](tf.zeros((1, 4, 4, 3)), name="block")


@each_block
def test_reuse_of_what_is_not_there_is_refused(block):
    with pytest.raises(ValueError, match=r"^Variable block/conv1\w*/kernel does not exist"):
        BLOCKS[block](tf.zeros((1, 4, 4, 3)), name="block", reuse=True)


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("filters, error", [(0, ValueError), (1.5, TypeError)])
def test_a_refused_inception_module_leaves_no_variables(branch, filters, error):
    text = f"inception_module: {branch} must be an integer of at least 1; received {branch}={filters!r}"
    with pytest.raises(error, match=f"^{re.escape(text)}$"):
        gk.inception_module(tf.zeros((1, 4, 4, 3)), **{**BRANCHES, branch: filters})
    assert not v1.global_variables()
