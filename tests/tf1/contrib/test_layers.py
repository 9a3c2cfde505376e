"""`tf.contrib.layers`: names, collections and values of TensorFlow 1.15, argument by argument."""

import numpy as np
import pytest
from references import normal, run

import graphkit.tf1 as tf

layers = tf.contrib.layers
Keys = tf.GraphKeys
X = normal(2, 5)
IMAGES = normal(2, 6, 6, 3)


def made():
    return {variable.op.name: variable.shape.as_list() for variable in tf.global_variables()}


def collected(key):
    return [one.name for one in tf.get_collection(key)]


def relu(x):
    return np.maximum(x, 0)


def constant(shape, seed=0):
    return tf.constant_initializer(normal(*shape, seed=seed))


def test_fully_connected():
    weights, biases = normal(5, 4), normal(4, seed=1)
    outputs = layers.fully_connected(
        tf.constant(X), 4, weights_initializer=constant([5, 4]), biases_initializer=constant([4], 1)
    )
    linear = layers.fully_connected(tf.constant(X), 4, None, scope="linear", biases_initializer=None)
    assert made() == {
        "fully_connected/weights": [5, 4],
        "fully_connected/biases": [4],
        "linear/weights": [5, 4],
    }
    assert (outputs.name, linear.name) == ("fully_connected/Relu:0", "linear/MatMul:0")
    assert (
        collected(Keys.MODEL_VARIABLES)
        == collected(Keys.GLOBAL_VARIABLES)
        == collected(Keys.TRAINABLE_VARIABLES)
    )
    np.testing.assert_allclose(run(outputs), relu(X @ weights + biases), rtol=1e-5, atol=1e-5)


def test_default_names_are_numbered_and_scopes_reuse():
    x = tf.constant(X)
    for _ in range(2):
        layers.fully_connected(x, 4)
    with tf.variable_scope("net"):
        first = layers.linear(x, 4, scope="a")
        again = layers.linear(x, 4, scope="a", reuse=True)
    with tf.variable_scope("net", reuse=True):
        third = layers.linear(x, 4, scope="a")
    assert [name for name in made() if "weights" in name] == [
        "fully_connected/weights",
        "fully_connected_1/weights",
        "net/a/weights",
    ]
    assert (first.name, again.name) == ("net/a/BiasAdd:0", "net/a_1/BiasAdd:0")
    first, again, third = run([first, again, third])
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, third)
    with pytest.raises(ValueError, match="already exists"):
        layers.linear(x, 4, scope="net/a")


def test_collections_of_variables_and_outputs():
    x = tf.constant(X)
    layers.fully_connected(x, 4, variables_collections=["all"], outputs_collections="ends", scope="a")
    layers.fully_connected(
        x, 4, variables_collections={"weights": ["W"], "biases": ["B"]}, scope="b", trainable=False
    )
    assert collected("all") == ["a/weights:0", "a/biases:0"]
    assert (collected("W"), collected("B")) == (["b/weights:0"], ["b/biases:0"])
    assert collected(Keys.TRAINABLE_VARIABLES) == ["a/weights:0", "a/biases:0"]
    assert list(layers.utils.convert_collection_to_dict("ends")) == ["a"]


def test_regularizers_count_once():
    x = tf.constant(X)
    arguments = {
        "weights_regularizer": layers.l2_regularizer(0.1),
        "biases_regularizer": layers.l1_regularizer(0.2),
        "biases_initializer": tf.ones_initializer(),
        "scope": "a",
    }
    layers.fully_connected(x, 4, **arguments)
    layers.fully_connected(x, 4, **arguments, reuse=True)
    weights, losses = run([tf.trainable_variables()[0], tf.losses.get_regularization_losses()])
    np.testing.assert_allclose(losses, [0.05 * np.sum(weights**2), 0.8], rtol=1e-5)


def test_a_normalizer_takes_the_place_of_biases():
    layers.fully_connected(
        tf.constant(X), 4, normalizer_fn=layers.batch_norm, normalizer_params={"scale": True}
    )
    layers.conv2d(tf.constant(IMAGES), 4, 3, normalizer_fn=layers.layer_norm)
    assert list(made()) == [
        "fully_connected/weights",
        "fully_connected/BatchNorm/gamma",
        "fully_connected/BatchNorm/beta",
        "fully_connected/BatchNorm/moving_mean",
        "fully_connected/BatchNorm/moving_variance",
        "Conv/weights",
        "Conv/LayerNorm/beta",
        "Conv/LayerNorm/gamma",
    ]
    assert collected(Keys.MODEL_VARIABLES) == collected(Keys.GLOBAL_VARIABLES)


def test_more_axes_and_refusals():
    assert layers.fully_connected(tf.zeros([2, 7, 5]), 4).shape.as_list() == [2, 7, 4]
    with pytest.raises(ValueError, match="num_outputs type should be one of"):
        layers.fully_connected(tf.constant(X), 4.0)
    with pytest.raises(TypeError, match="units"):
        layers.fully_connected(tf.constant(X), 4, units=4)
    with pytest.raises(ValueError, match="the last axis must have a known size"):
        layers.fully_connected(tf.placeholder(tf.float32, [2, None]), 4)


def convolve(images, kernel, stride, padding):
    """Returns a convolution by its definition."""
    size = kernel.shape[0]
    if padding == "SAME":
        count = -(-images.shape[1] // stride)
        total = max((count - 1) * stride + size - images.shape[1], 0)
        sides = (total // 2, total - total // 2)
        images = np.pad(images, [(0, 0), sides, sides, (0, 0)])
    count = (images.shape[1] - size) // stride + 1
    outputs = np.zeros((len(images), count, count, kernel.shape[-1]), np.float32)
    for i in range(count):
        for j in range(count):
            window = images[:, i * stride : i * stride + size, j * stride : j * stride + size]
            outputs[:, i, j] = np.tensordot(window, kernel, 3)
    return outputs


def test_conv2d():
    x, kernel = tf.constant(IMAGES), normal(3, 3, 3, 4)
    initializer = constant([3, 3, 3, 4])
    same = layers.conv2d(x, 4, 3, weights_initializer=initializer)
    valid = layers.conv2d(
        x, 4, [3, 3], 2, "VALID", activation_fn=None, weights_initializer=initializer, scope="valid"
    )
    first = layers.conv2d(
        tf.transpose(x, [0, 3, 1, 2]),
        4,
        3,
        data_format="NCHW",
        weights_initializer=initializer,
        scope="first",
    )
    assert made()["Conv/weights"] == [3, 3, 3, 4] and "valid/biases" in made()
    assert (same.name, valid.name) == ("Conv/Relu:0", "valid/BiasAdd:0")
    same, valid, first = run([same, valid, first])
    np.testing.assert_allclose(same, relu(convolve(IMAGES, kernel, 1, "SAME")), atol=1e-4)
    np.testing.assert_allclose(valid, convolve(IMAGES, kernel, 2, "VALID"), atol=1e-4)
    np.testing.assert_allclose(first.transpose(0, 2, 3, 1), same, atol=1e-4)


def test_convolutions_of_other_ranks():
    x = tf.constant(IMAGES)
    assert layers.convolution(tf.zeros([2, 9, 3]), 4, 3, stride=2).shape.as_list() == [2, 5, 4]
    assert layers.conv1d(tf.zeros([2, 9, 3]), 4, 3, padding="VALID", rate=2).shape.as_list() == [2, 5, 4]
    assert layers.conv2d(x, 4, 3, padding="VALID", rate=2).shape.as_list() == [2, 2, 2, 4]
    for size in (x.shape[1:3], [x.shape[1], x.shape[2]]):
        assert layers.conv2d(x, x.shape[3], size, padding="VALID").shape.as_list() == [2, 1, 1, 3]
    volumes = tf.zeros([2, 6, 6, 6, 3])
    assert layers.conv3d(volumes, 4, 3, stride=2).shape.as_list() == [2, 3, 3, 3, 4]
    assert layers.conv3d_transpose(volumes, 4, 3, 2).shape.as_list() == [2, 12, 12, 12, 4]
    assert made()["Conv3d_transpose/weights"] == [3, 3, 3, 4, 3]
    for call, rule in (
        (lambda: layers.conv2d(tf.zeros([2, 9, 3]), 4, 3), "Convolution expects input with rank 4, got 3"),
        (lambda: layers.convolution(tf.zeros([2, 9]), 4, 3), "Convolution not supported for input with rank"),
        (lambda: layers.conv2d(x, 4, 3, data_format="CHWN"), "Invalid data_format: 'CHWN'"),
        (lambda: layers.max_pool2d(x, 2, data_format="NWC"), "data_format has to be either NCHW or NHWC"),
        (
            lambda: layers.conv2d_transpose(x, 4, 3, data_format="NWC"),
            "data_format has to be either NCHW or NHWC",
        ),
    ):
        with pytest.raises(ValueError, match=rule):
            call()


def test_transposed_in_plane_and_separable():
    x = tf.constant(IMAGES)
    transposed = layers.conv2d_transpose(x, 4, 3, 2)
    plane = layers.conv2d_in_plane(
        x, 3, activation_fn=None, padding="VALID", weights_initializer=constant([3, 3, 1, 1])
    )
    separable = layers.separable_conv2d(x, 6, 3, 2, scope="sep")
    depthwise = layers.separable_conv2d(
        x, None, 3, 1, padding="VALID", activation_fn=None, weights_initializer=constant([3, 3, 3, 1])
    )
    assert made() == {
        "Conv2d_transpose/weights": [3, 3, 4, 3],
        "Conv2d_transpose/biases": [4],
        "ConvInPlane/weights": [3, 3, 1, 1],
        "ConvInPlane/biases": [3],
        "sep/depthwise_weights": [3, 3, 3, 2],
        "sep/pointwise_weights": [1, 1, 6, 6],
        "sep/biases": [6],
        "SeparableConv2d/depthwise_weights": [3, 3, 3, 1],
        "SeparableConv2d/biases": [3],
    }
    assert transposed.shape.as_list() == [2, 12, 12, 4]
    assert separable.shape.as_list() == [2, 6, 6, 6]
    plane, depthwise = run([plane, depthwise])
    one, each = normal(3, 3, 1, 1), normal(3, 3, 3, 1)
    for channel in range(3):
        image = IMAGES[..., channel : channel + 1]
        expected = convolve(image, one, 1, "VALID")[..., 0]
        np.testing.assert_allclose(plane[..., channel], expected, atol=1e-4)
        expected = convolve(image, each[:, :, channel : channel + 1], 1, "VALID")[..., 0]
        np.testing.assert_allclose(depthwise[..., channel], expected, atol=1e-4)


def test_pools():
    x = tf.constant(IMAGES)
    largest = layers.max_pool2d(x, 2, outputs_collections="ends")
    mean = layers.avg_pool2d(x, [2, 2], 2, scope="mean", outputs_collections="ends")
    assert (largest.name, mean.name) == ("MaxPool2D/MaxPool:0", "mean/AvgPool:0")
    assert list(layers.utils.convert_collection_to_dict("ends", True)) == ["MaxPool2D", "mean"]
    assert tf.get_collection("ends") == []
    blocks = IMAGES.reshape(2, 3, 2, 3, 2, 3)
    volumes = tf.constant(normal(2, 4, 4, 4, 3))
    deep, deep_mean = layers.max_pool3d(volumes, 2), layers.avg_pool3d(volumes, [2, 2, 2], 2, "SAME")
    largest, mean, deep, deep_mean = run([largest, mean, deep, deep_mean])
    np.testing.assert_allclose(largest, blocks.max((2, 4)), atol=1e-6)
    np.testing.assert_allclose(mean, blocks.mean((2, 4)), atol=1e-6)
    cubes = normal(2, 4, 4, 4, 3).reshape(2, 2, 2, 2, 2, 2, 2, 3)
    np.testing.assert_allclose(deep, cubes.max((2, 4, 6)), atol=1e-6)
    np.testing.assert_allclose(deep_mean, cubes.mean((2, 4, 6)), atol=1e-6)
    assert layers.avg_pool2d(x, x.shape[1:3], padding="VALID").shape.as_list() == [2, 1, 1, 3]


def test_dropout():
    ones = tf.ones([1000, 10])
    flag = tf.placeholder(tf.bool, [])
    dropped, kept = layers.dropout(ones, 0.8), layers.dropout(ones, 0.8, is_training=False)
    fed, rows = layers.dropout(ones, 0.8, is_training=flag), layers.dropout(ones, 0.5, [None, 1])
    assert kept.name == "Dropout_1/Identity:0"
    on, off, in_training, together = run([dropped, kept, fed, rows], {flag: True})
    assert set(np.unique(on.round(4))) == set(np.unique(in_training.round(4))) == {0.0, 1.25}
    assert abs(on.mean() - 1) < 0.05
    np.testing.assert_array_equal(off, np.ones((1000, 10)))
    assert (together == together[:, :1]).all()
    np.testing.assert_array_equal(run(fed, {flag: False}), np.ones((1000, 10)))


def test_small_functions():
    x = tf.constant(IMAGES)
    flat = layers.flatten(x, outputs_collections="ends")
    assert flat.shape.as_list() == [2, 108] and flat.name == "Flatten/flatten/Reshape:0"
    cases = {
        "flat": (flat, IMAGES.reshape(2, -1)),
        "one_hot": (layers.one_hot_encoding(tf.constant([1, 0]), 3, 2.0, -1.0), [[-1, 2, -1], [2, -1, -1]]),
    }
    for name, value in run({name: tensor for name, (tensor, _) in cases.items()}).items():
        np.testing.assert_allclose(value, cases[name][1], rtol=1e-5, atol=1e-6, err_msg=name)
    with pytest.raises(ValueError, match="stack_args need to be a list or tuple"):
        layers.stack(x, layers.conv2d, 3)


def test_softmax():
    logits = normal(2, 3, 4)
    outputs = layers.softmax(tf.constant(logits), scope="predictions")
    assert outputs.name == "predictions/Reshape_1:0"
    np.testing.assert_allclose(
        run(outputs), np.exp(logits) / np.exp(logits).sum(-1, keepdims=True), rtol=1e-5
    )


def test_repeat_and_stack():
    images, x = tf.constant(IMAGES), tf.constant(X)
    layers.repeat(images, 2, layers.conv2d, 4, [3, 3], scope="conv1")
    layers.repeat(images, 1, layers.conv2d, 4, 3)
    layers.stack(x, layers.fully_connected, [7, 6])
    layers.stack(x, layers.relu, [7], scope="fc")
    layers.stack(images, layers.conv2d, [(4, [3, 3]), (5, [1, 1])], scope="core")
    assert [name for name in made() if name.endswith("weights")] == [
        "conv1/conv1_1/weights",
        "conv1/conv1_2/weights",
        "Repeat/convolution2d_1/weights",
        "Stack/fully_connected_1/weights",
        "Stack/fully_connected_2/weights",
        "fc/fc_1/weights",
        "core/core_1/weights",
        "core/core_2/weights",
    ]


def test_arg_scope_of_layers():
    framework, x = tf.contrib.framework, tf.constant(IMAGES)
    with (
        framework.arg_scope([layers.conv2d, layers.fully_connected], activation_fn=None),
        framework.arg_scope([layers.conv2d], padding="VALID", data_format="NHWC", biases_initializer=None),
        framework.arg_scope([layers.max_pool2d], stride=1),
    ):
        net = layers.conv2d(x, 4, 3)
        assert net.name == "Conv/Conv2D:0" and net.shape.as_list() == [2, 4, 4, 4]
        assert layers.max_pool2d(net, 2).shape.as_list() == [2, 3, 3, 4]
        assert layers.relu(layers.flatten(net), 2).name == "fully_connected/Relu:0"


def test_model_variable_can_be_scoped():
    with tf.contrib.framework.arg_scope([tf.contrib.framework.model_variable], device="/cpu:0"):
        layers.fully_connected(tf.constant(X), 4)
    assert {variable.device for variable in tf.global_variables()} == {"/device:CPU:0"}


def test_legacy_fully_connected():
    outputs = layers.legacy_relu(tf.constant(X), 4, name="old", weight_regularizer=layers.l2_regularizer(0.1))
    assert made() == {"old/weights": [5, 4], "old/bias": [4]}
    assert (collected(Keys.WEIGHTS), collected(Keys.BIASES)) == (["old/weights:0"], ["old/bias:0"])
    assert outputs.name in collected(Keys.ACTIVATIONS)
    penalty, weights = run(
        [layers.apply_regularization(layers.l1_regularizer(0.5)), tf.global_variables()[0]]
    )
    np.testing.assert_allclose(penalty, 0.5 * np.abs(weights).sum(), rtol=1e-5)


def test_embeddings():
    ids = tf.constant([[1, 2, 1], [0, 1, 2]])
    rows = normal(3, 4)
    plain = layers.embed_sequence(ids, 3, 4, initializer=constant([3, 4]), scope="words")
    unique = layers.embed_sequence(ids, 3, 4, unique=True, scope="words", reuse=True)
    assert list(made()) == ["words/embeddings"]
    assert collected(Keys.MODEL_VARIABLES) == collected(Keys.GLOBAL_VARIABLES)
    plain, unique = run([plain, unique])
    expected = rows[[[1, 2, 1], [0, 1, 2]]]
    np.testing.assert_allclose(plain, expected)
    np.testing.assert_allclose(unique, expected)
    with pytest.raises(ValueError, match="Must specify vocab size and embedding dimension"):
        layers.embed_sequence(ids, 3)


def test_a_feature_column():
    age = layers.real_valued_column("age", dimension=2)
    assert age == tf.feature_column.numeric_column("age", (2,))


def test_missing_names_say_what_to_use():
    for name, advice in (
        ("tf.contrib.layers.sparse_column_with_keys", "categorical_column_with_vocabulary_list"),
        ("tf.contrib.layers.shared_embedding_columns", "tf.feature_column.shared_embeddings"),
        ("tf.contrib.slim.get_variable_full_name", "variable.op.name"),
        ("tf.contrib.slim.nets.overfeat", r"vgg, inception \(v3\), resnet_v1 and resnet_v2"),
        ("tf.contrib.slim.nets.inception.inception_v1", r"vgg, inception \(v3\), resnet_v1 and resnet_v2"),
        ("tf.contrib.slim.model_analyzer.analyze_ops", "gk.summary"),
        ("tf.contrib.slim.data.tfexample_decoder.SparseTensor", "ItemHandlerCallback"),
        ("tf.contrib.learn.datasets.load_iris", "sklearn.datasets"),
        ("tf.contrib.losses.metric_learning", "pairwise distances"),
        ("tf.contrib.metrics.f1_score", "tf.metrics"),
    ):
        *path, last = name.split(".")[2:]
        namespace = tf.contrib
        for part in path:
            namespace = getattr(namespace, part)
        with pytest.raises(AttributeError, match=f"{name} is missing in graphkit.tf1.*{advice}"):
            getattr(namespace, last)
