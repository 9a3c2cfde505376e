"""Placeholders: shapes, dtypes, names, defaults, and the scalars that a trainer feeds."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf
from references import run

import graphkit as gk
from graphkit.nn import inputs

v1 = tf.compat.v1

PLACEHOLDERS = {
    "image_input": (
        lambda **name: gk.image_input(28, 24, 3, **name),
        tf.float32,
        [None, 28, 24, 3],
        "images",
    ),
    "feature_input": (lambda **name: gk.feature_input(784, **name), tf.float32, [None, 784], "features"),
    "label_input": (lambda **name: gk.label_input(**name), tf.int32, [None], "labels"),
    "one_hot_input": (lambda **name: gk.one_hot_input(10, **name), tf.float32, [None, 10], "labels"),
    "token_input": (lambda **name: gk.token_input(16, **name), tf.int32, [None, 16], "tokens"),
    "keep_prob_input": (lambda **name: gk.keep_prob_input(**name), tf.float32, [], "keep_prob"),
}
each_placeholder = pytest.mark.parametrize("function", PLACEHOLDERS)


@each_placeholder
def test_dtype_and_shape(function):
    build, dtype, shape, _ = PLACEHOLDERS[function]
    placeholder = build()
    assert placeholder.dtype == dtype
    assert placeholder.shape.as_list() == shape


@each_placeholder
def test_default_name(function):
    build, _, _, name = PLACEHOLDERS[function]
    assert build().name == f"{name}:0"


@each_placeholder
def test_given_name(function):
    assert PLACEHOLDERS[function][0](name="mine").name == "mine:0"


@each_placeholder
def test_a_second_one_gets_another_name(function):
    build = PLACEHOLDERS[function][0]
    assert build().name != build().name


@each_placeholder
def test_it_can_be_fed(function):
    build, dtype, shape, _ = PLACEHOLDERS[function]
    value = np.full([2 if size is None else size for size in shape], 0.5).astype(dtype.as_numpy_dtype)
    placeholder = build()
    np.testing.assert_array_equal(run(placeholder, {placeholder: value}), value)


@pytest.mark.parametrize("function", sorted(PLACEHOLDERS.keys() - {"keep_prob_input"}))
def test_data_has_no_default(function):
    placeholder = PLACEHOLDERS[function][0]()
    with pytest.raises(tf.errors.InvalidArgumentError, match="must feed a value"):
        run(tf.identity(placeholder))


def test_an_empty_batch_can_be_fed():
    images = gk.image_input(28, 28)
    assert run(tf.identity(images), {images: np.zeros((0, 28, 28, 1))}).shape == (0, 28, 28, 1)


def test_image_channels_default_to_gray():
    assert gk.image_input(28, 28).shape.as_list() == [None, 28, 28, 1]


@pytest.mark.parametrize("height, width", [(None, 8), (8, None), (None, None)])
def test_images_of_any_size(height, width):
    assert gk.image_input(height, width, 3).shape.as_list() == [None, height, width, 3]


def test_tokens_of_any_length():
    assert gk.token_input().shape.as_list() == [None, None]


def test_sizes_may_be_numpy_integers():
    assert gk.image_input(np.int64(4), np.uint8(5), np.int32(1)).shape.as_list() == [None, 4, 5, 1]


def test_pixel_scaling_is_filed_under_the_placeholder():
    images = gk.image_input(4, 4, offset=0, scale=255, name="pictures")
    (scaling,) = v1.get_collection(inputs.PIXEL_SCALING)
    assert json.loads(scaling) == [images.name, 0.0, 255.0]


def test_each_image_placeholder_has_its_own_scaling():
    first, second = gk.image_input(4, 4), gk.image_input(4, 4, offset=1, scale=2)
    filed = [json.loads(text) for text in v1.get_collection(inputs.PIXEL_SCALING)]
    assert filed == [[first.name, 128.0, 128.0], [second.name, 1.0, 2.0]]


def test_images_of_any_numbers_have_no_scaling():
    assert gk.image_input(4, 4, scale=None).dtype == tf.float32
    assert not v1.get_collection(inputs.PIXEL_SCALING)
    with pytest.raises(ValueError, match="an offset needs a scale; received offset=0.0, scale=None"):
        gk.image_input(4, 4, offset=0, scale=None)


def test_floating_point_images_are_fed_as_they_are():
    images = gk.image_input(1, 1)
    assert run(images, {images: [[[[200.0]]]]}) == 200.0


def test_keep_prob_is_one_unless_fed():
    keep_prob = gk.keep_prob_input()
    assert run(keep_prob) == 1.0
    assert run(keep_prob, {keep_prob: 0.25}) == 0.25


def test_keep_prob_can_be_found_by_its_name(fresh_graph):
    keep_prob = gk.keep_prob_input()
    assert fresh_graph.get_tensor_by_name("keep_prob:0") is keep_prob


def test_keep_prob_is_filed_for_the_trainer():
    keep_prob = gk.keep_prob_input()
    assert v1.get_collection(inputs.KEEP_PROBS) == [keep_prob]


SCALARS = {
    "seed": (inputs.seed_input, inputs.SEED, tf.int64, 0, 12345678901),
    "step": (inputs.step_input, inputs.STEP, tf.int64, None, 12345678901),
    "training": (inputs.training_input, inputs.TRAINING, tf.bool, False, True),
}
each_scalar = pytest.mark.parametrize("scalar", SCALARS)


@each_scalar
def test_graph_scalar_has_a_default_and_can_be_fed(scalar):
    build, _, dtype, default, other = SCALARS[scalar]
    placeholder = build()
    assert placeholder.dtype == dtype
    assert default is None or run(placeholder) == default
    assert run(placeholder, {placeholder: other}) == other


@each_scalar
def test_graph_scalar_is_one_for_the_graph(scalar):
    build, collection, *_ = SCALARS[scalar]
    first = build()
    with v1.variable_scope("net"), tf.name_scope("inner"):
        assert build() is first
    assert v1.get_collection(collection) == [first]


@each_scalar
def test_graph_scalar_has_the_same_name_from_any_scope(scalar):
    with v1.variable_scope("net"), tf.name_scope("inner"):
        assert SCALARS[scalar][0]().name == f"graphkit/{scalar}:0"


@each_scalar
def test_graph_scalar_is_the_graphs_when_first_asked_for_in_a_branch(scalar):
    build, collection, dtype, *_ = SCALARS[scalar]
    condition = v1.placeholder_with_default(True, ())
    value = tf.cond(condition, lambda: tf.identity(build()), lambda: tf.zeros((), dtype))
    assert v1.get_collection(collection) == [build()]
    assert run(value, {build(): 1}) == 1


@each_scalar
def test_each_graph_has_its_own_scalar(scalar):
    build = SCALARS[scalar][0]
    first = build()
    with tf.Graph().as_default() as other:
        assert build().graph is other
    assert first.graph is not other


def test_the_seed_defaults_to_the_graphs_own():
    v1.set_random_seed(7)
    assert run(inputs.seed_input()) == 7


SIZES = [
    ("image_input", "height", lambda size: gk.image_input(size, 4, 4)),
    ("image_input", "width", lambda size: gk.image_input(4, size, 4)),
    ("image_input", "channels", lambda size: gk.image_input(4, 4, size)),
    ("feature_input", "num_features", lambda size: gk.feature_input(size)),
    ("one_hot_input", "num_classes", lambda size: gk.one_hot_input(size)),
    ("token_input", "length", lambda size: gk.token_input(size)),
]
each_size = pytest.mark.parametrize("function, argument, build", SIZES, ids=[f"{f}-{a}" for f, a, _ in SIZES])


def size_message(function, argument, value):
    rule = f"{function}: {argument} must be an integer of at least 1; received {argument}={value!r}"
    return f"^{re.escape(rule)}$"


@each_size
@pytest.mark.parametrize("value", [0, -3])
def test_sizes_below_one_are_refused(function, argument, build, value):
    with pytest.raises(ValueError, match=size_message(function, argument, value)):
        build(value)


@each_size
@pytest.mark.parametrize("value", [28.0, "28", True, (28,), np.float32(4), np.ones(1)])
def test_sizes_that_are_not_integers_are_refused(function, argument, build, value):
    with pytest.raises(TypeError, match=size_message(function, argument, value)):
        build(value)


@pytest.mark.parametrize("argument", ["channels", "num_features", "num_classes"])
def test_sizes_that_must_be_known_are_refused_as_none(argument):
    function, _, build = next(row for row in SIZES if row[1] == argument)
    with pytest.raises(TypeError, match=size_message(function, argument, None)):
        build(None)


@pytest.mark.parametrize(
    "argument, value, error, rule",
    [
        ("scale", 0, ValueError, "scale must be a finite number above 0"),
        ("scale", -1.0, ValueError, "scale must be a finite number above 0"),
        ("scale", float("nan"), ValueError, "scale must be a finite number above 0"),
        ("scale", float("inf"), ValueError, "scale must be a finite number above 0"),
        ("scale", "255", TypeError, "scale must be a finite number above 0"),
        ("scale", True, TypeError, "scale must be a finite number above 0"),
        ("offset", float("nan"), ValueError, "offset must be a finite number"),
        ("offset", float("-inf"), ValueError, "offset must be a finite number"),
        ("offset", None, TypeError, "offset must be a finite number"),
        ("offset", [128.0], TypeError, "offset must be a finite number"),
    ],
)
def test_pixel_scaling_is_checked(argument, value, error, rule):
    text = f"image_input: {rule}; received {argument}={value!r}"
    with pytest.raises(error, match=f"^{re.escape(text)}$"):
        gk.image_input(4, 4, **{argument: value})


@pytest.mark.parametrize("function, argument, build", SIZES[:1])
def test_a_refused_placeholder_leaves_nothing_in_the_graph(fresh_graph, function, argument, build):
    with pytest.raises(ValueError, match=f"^{function}: {argument}"):
        build(0)
    assert not fresh_graph.get_operations()
    assert not v1.get_collection(inputs.PIXEL_SCALING)
