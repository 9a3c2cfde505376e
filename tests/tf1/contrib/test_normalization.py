"""Normalization of `tf.contrib.layers`: values, moving averages, collections."""

import numpy as np
import pytest
from references import normal, run

import graphkit.tf1 as tf

layers = tf.contrib.layers
Keys = tf.GraphKeys
X = normal(8, 4) * 2 + 1
IMAGES = normal(2, 3, 3, 4) * 2 + 1


def normalized(values, axes, epsilon=1e-3):
    mean, variance = values.mean(axes, keepdims=True), values.var(axes, keepdims=True)
    return (values - mean) / np.sqrt(variance + epsilon)


def collected(key):
    return [one.name for one in tf.get_collection(key)]


def moving():
    return {one.op.name.split("/")[-1]: one for one in tf.global_variables() if "moving" in one.name}


@pytest.mark.parametrize(
    ("inputs", "axes", "arguments"),
    [
        (X, (0,), {}),
        (X, (0,), {"fused": False}),
        (IMAGES, (0, 1, 2), {"scale": True}),
        (IMAGES, (0, 1, 2), {"fused": False}),
        (IMAGES.reshape(2, 9, 4), (0, 1), {}),
    ],
)
def test_batch_norm_in_training(inputs, axes, arguments):
    outputs = layers.batch_norm(tf.constant(inputs), decay=0.9, **arguments)
    assert outputs.shape.as_list() == list(inputs.shape)
    names = [*(["gamma"] if arguments.get("scale") else []), "beta", "moving_mean", "moving_variance"]
    assert collected(Keys.MODEL_VARIABLES) == [f"BatchNorm/{name}:0" for name in names]
    assert collected(Keys.TRAINABLE_VARIABLES) == [f"BatchNorm/{name}:0" for name in names[:-2]]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        value, _ = session.run([outputs, tf.get_collection(Keys.UPDATE_OPS)])
        averages = session.run(moving())
    np.testing.assert_allclose(value, normalized(inputs, axes), atol=1e-4)
    np.testing.assert_allclose(averages["moving_mean"], 0.1 * inputs.mean(axes), rtol=1e-4)
    # The fused kernel, which also takes inputs of two axes, follows the unbiased variance.
    fused = inputs.ndim in (2, 4) and arguments.get("fused") is not False
    variance = inputs.reshape(-1, 4).var(0, ddof=int(fused))
    np.testing.assert_allclose(averages["moving_variance"], 0.9 + 0.1 * variance, rtol=1e-4)


def test_batch_norm_by_its_averages():
    initial = {
        "moving_mean": tf.constant_initializer([1.0, 2, 3, 4]),
        "moving_variance": tf.constant_initializer(4.0),
        "beta": tf.constant_initializer(0.5),
        "gamma": tf.constant_initializer(3.0),
    }
    arguments = {"scale": True, "param_initializers": initial, "epsilon": 0.0}
    outputs = layers.batch_norm(tf.constant(X), is_training=False, **arguments)
    images = layers.batch_norm(tf.constant(IMAGES), is_training=tf.constant(False), **arguments)
    assert collected(Keys.UPDATE_OPS) == []
    flat, images = run([outputs, images])
    np.testing.assert_allclose(flat, (X - [1, 2, 3, 4]) / 2 * 3 + 0.5, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(images, (IMAGES - [1, 2, 3, 4]) / 2 * 3 + 0.5, rtol=1e-4, atol=1e-4)


def test_batch_norm_by_a_flag():
    flag = tf.placeholder(tf.bool, [])
    outputs = layers.batch_norm(tf.constant(IMAGES), decay=0.5, is_training=flag)
    updates = tf.get_collection(Keys.UPDATE_OPS)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        value, _ = session.run([outputs, updates], {flag: False})
        np.testing.assert_allclose(value, IMAGES / np.sqrt(1.001), rtol=1e-4)
        assert (session.run(moving()["moving_mean"]) == 0).all()
        value, _ = session.run([outputs, updates], {flag: True})
        np.testing.assert_allclose(value, normalized(IMAGES, (0, 1, 2)), atol=1e-4)
        mean = session.run(moving()["moving_mean"])
    np.testing.assert_allclose(mean, IMAGES.mean((0, 1, 2)) / 2, rtol=1e-4)


def test_updates_collections():
    x = tf.constant(X)
    layers.batch_norm(x, updates_collections="mine", scope="a")
    assert len(tf.get_collection("mine")) == 2 and collected(Keys.UPDATE_OPS) == []
    forced = layers.batch_norm(x, updates_collections=None, decay=0.5, scope="b")
    assert collected(Keys.UPDATE_OPS) == []
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(2):
            session.run(forced)
        mean = session.run(tf.get_default_graph().get_tensor_by_name("b/moving_mean/Read/ReadVariableOp:0"))
    np.testing.assert_allclose(mean, 0.75 * X.mean(0), rtol=1e-4)


def test_channels_first_regularizers_and_collections():
    outputs = layers.batch_norm(
        tf.constant(IMAGES.transpose(0, 3, 1, 2)),
        data_format="NCHW",
        activation_fn=tf.nn.relu,
        param_regularizers={"beta": layers.l2_regularizer(0.5)},
        variables_collections={"beta": ["B"], "moving_mean": ["M"]},
        outputs_collections="ends",
        scope="a",
    )
    assert (collected("B"), collected("M")) == (["a/beta:0"], ["a/moving_mean:0"])
    assert list(layers.utils.convert_collection_to_dict("ends")) == ["a"]
    assert len(tf.losses.get_regularization_losses()) == 1
    value = run(outputs).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(value, np.maximum(normalized(IMAGES, (0, 1, 2)), 0), atol=1e-4)


def test_batch_norm_reuse_and_refusals():
    x = tf.constant(X)
    layers.batch_norm(x, scope="a")
    layers.batch_norm(x, scope="a", reuse=True, trainable=False)
    assert len(tf.global_variables()) == 3
    for arguments, rule in (
        ({"batch_weights": tf.ones([8])}, "batch_weights is not offered"),
        ({"zero_debias_moving_mean": True}, "zero_debias_moving_mean is not offered"),
        ({"renorm": True, "updates_collections": None}, "renorm does not go with updates_collections"),
        ({"data_format": "NHCW"}, "data_format has to be either NCHW or NHWC"),
    ):
        with pytest.raises(ValueError, match=rule):
            layers.batch_norm(x, **arguments)
    with pytest.raises(ValueError, match="has undefined rank"):
        layers.batch_norm(tf.placeholder(tf.float32))


def test_renorm_begins_as_batch_norm_and_uses_its_clipping():
    none = {"rmax": 1.0, "rmin": 1.0, "dmax": 0.0}
    outputs = layers.batch_norm(tf.constant(IMAGES), renorm=True, renorm_clipping=none, renorm_decay=0.9)
    made = [variable.op.name for variable in tf.global_variables()]
    assert "BatchNorm/renorm_mean" in made
    np.testing.assert_allclose(run(outputs), normalized(IMAGES, (0, 1, 2)), atol=1e-3)


def test_layer_instance_and_group_norm():
    x, first = tf.constant(IMAGES), tf.constant(IMAGES.transpose(0, 3, 1, 2))
    grouped = IMAGES.reshape(2, 3, 3, 2, 2)
    cases = {
        "layer": (layers.layer_norm(x), normalized(IMAGES, (1, 2, 3), 1e-12)),
        "axis": (layers.layer_norm(x, begin_norm_axis=-1), normalized(IMAGES, (3,), 1e-12)),
        "instance": (layers.instance_norm(x), normalized(IMAGES, (1, 2), 1e-6)),
        "instance first": (
            tf.transpose(layers.instance_norm(first, data_format="NCHW"), [0, 2, 3, 1]),
            normalized(IMAGES, (1, 2), 1e-6),
        ),
        "group": (layers.group_norm(x, 2), normalized(grouped, (1, 2, 4), 1e-6).reshape(IMAGES.shape)),
        "group first": (
            tf.transpose(layers.group_norm(first, 2, channels_axis=1, reduction_axes=[2, 3]), [0, 2, 3, 1]),
            normalized(grouped, (1, 2, 4), 1e-6).reshape(IMAGES.shape),
        ),
        "shifted": (
            layers.group_norm(
                x,
                2,
                param_initializers={
                    "gamma": tf.constant_initializer(2.0),
                    "beta": tf.constant_initializer(1.0),
                },
                activation_fn=tf.nn.relu,
                scope="shifted",
            ),
            np.maximum(normalized(grouped, (1, 2, 4), 1e-6).reshape(IMAGES.shape) * 2 + 1, 0),
        ),
    }
    names = [
        f"{scope}/{name}:0"
        for scope in ("LayerNorm", "LayerNorm_1", "InstanceNorm")
        for name in ("beta", "gamma")
    ]
    assert collected(Keys.MODEL_VARIABLES)[:6] == names
    assert {tuple(one.shape.as_list()) for one in tf.global_variables()} == {(4,)}
    for name, value in run({name: tensor for name, (tensor, _) in cases.items()}).items():
        np.testing.assert_allclose(value, cases[name][1], atol=1e-4, err_msg=name)
    layers.instance_norm(x, center=False, scale=False, scope="plain")
    assert not [one for one in tf.global_variables() if one.name.startswith("plain")]
    for arguments, rule in (
        ({"groups": 3}, "groups must divide the channels"),
        ({"groups": 2, "reduction_axes": [-1]}, "reduction_axes must not contain channels_axis"),
    ):
        with pytest.raises(ValueError, match=rule):
            layers.group_norm(x, **arguments)
