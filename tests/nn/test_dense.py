"""dense, linear, embedding and flatten: values, gradients, and what a trainer makes of them."""

import math
import re

import numpy as np
import pytest
import tensorflow as tf
from references import assert_agree, assert_gradients, constant, names, normal, run, set_variable, to_format

import graphkit as gk

v1 = tf.compat.v1
Keys = v1.GraphKeys


def variable_value(trainer, name):
    variables = {v.op.name: v for v in trainer.graph.get_collection(Keys.GLOBAL_VARIABLES)}
    return trainer.session.run(variables[name])


# dense


def test_dense_agrees_with_numpy():
    cases = {}
    for shape in ((5, 4), (2, 3, 4), (2, 3, 2, 4), (0, 4), (1, 1)):
        features, kernel, bias = normal(*shape), normal(shape[-1], 6, seed=1), normal(6, seed=2)
        outputs = gk.dense(features, 6, kernel_initializer=constant(kernel), bias_initializer=constant(bias))
        assert outputs.shape.as_list() == [*shape[:-1], 6]
        cases[shape] = outputs, features @ kernel + bias
    assert_agree(cases)


@pytest.mark.parametrize("known", [(None, 4), (None, None, 4), (None, 3, 4), (2, None, 4)])
def test_dense_takes_axes_of_unknown_size(known):
    array, kernel = normal(*(size or 5 for size in known)), normal(4, 6, seed=1)
    fed = v1.placeholder(tf.float32, known)
    outputs = gk.dense(fed, 6, kernel_initializer=constant(kernel))
    assert outputs.shape.as_list() == [*known[:-1], 6]
    assert_agree({known: (outputs, array @ kernel)}, feed={fed: array})


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64])
def test_dense_computes_in_the_dtype_of_its_inputs(dtype):
    outputs = gk.dense(tf.ones((2, 3), dtype), 4, kernel_initializer=constant(2.0))
    assert outputs.dtype == dtype and (run(outputs) == 6).all()
    assert {variable.dtype for variable in v1.trainable_variables()} == {dtype}


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4)])
def test_gradient_of_dense(shape):
    fed = v1.placeholder(tf.float64, shape)
    outputs = gk.dense(fed, 5, activation=tf.nn.tanh)
    assert_gradients(outputs, {fed: normal(*shape, dtype=np.float64)})


# linear


@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 4), (0, 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_linear_is_a_product_and_a_bias(shape, dtype):
    features, bias = normal(*shape, dtype=dtype), np.arange(6)
    outputs = gk.linear(features, 6)
    assert outputs.shape.as_list() == [*shape[:-1], 6]
    kernel, offset = v1.global_variables()
    with v1.Session() as session:
        session.run(kernel.initializer)
        set_variable(session, offset, bias)
        values, weights = session.run([outputs, kernel])
    assert values.dtype == weights.dtype == dtype
    np.testing.assert_allclose(values, features @ weights + bias, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sigma", [0.01, 0.5, 3])
@pytest.mark.parametrize("by_trainer", [False, True])
def test_weights_start_small_and_within_two_sigma(sigma, by_trainer):
    outputs = gk.linear(gk.feature_input(300), 100, sigma, name="logits")
    if by_trainer:
        with gk.Trainer(tf.reduce_mean(outputs), seed=3) as trainer:
            kernel, bias = (variable_value(trainer, f"logits/{name}") for name in ("kernel", "bias"))
    else:
        kernel, bias = run(v1.global_variables())
    assert not bias.any()
    assert np.abs(kernel).max() <= 2 * sigma
    assert np.abs(kernel).max() > 1.9 * sigma
    # A normal distribution cut off at two sigma has a standard deviation of 0.8796 sigma.
    np.testing.assert_allclose(kernel.std(), 0.8796 * sigma, rtol=0.02)
    assert abs(kernel.mean()) < 0.03 * sigma


def test_the_default_sigma_is_a_hundredth():
    gk.linear(tf.zeros((1, 300)), 100)
    np.testing.assert_allclose(run(v1.global_variables()[0]).std(), 0.008796, rtol=0.02)


def test_the_first_predictions_are_near_uniform():
    probabilities = run(gk.softmax(gk.linear(normal(50, 100), 10)))
    np.testing.assert_allclose(probabilities, 0.1, atol=0.06)


def test_linear_reuses_what_dense_has_made():
    features = tf.constant(normal(5, 4))
    first = gk.dense(features, 3, name="logits")
    second = gk.linear(features, 3, name="logits", reuse=True)
    assert names(v1.global_variables()) == ["logits/kernel:0", "logits/bias:0"]
    np.testing.assert_array_equal(*run([first, second]))


@pytest.mark.parametrize("sigma, error", [(0, ValueError), (-1.0, ValueError), (None, TypeError)])
def test_linear_refuses_a_sigma(sigma, error):
    text = f"linear: sigma must be a finite number above 0; received sigma={sigma!r}"
    with pytest.raises(error, match=f"^{re.escape(text)}$"):
        gk.linear(tf.zeros((1, 3)), 2, sigma)


# embedding


def test_a_lookup_takes_the_rows():
    cases, table = {}, normal(7, 3)
    for shape in ((), (0,), (6,), (2, 5), (2, 3, 4)):
        for dtype in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"):
            tokens = np.random.default_rng(1).integers(0, 7, shape).astype(dtype)
            outputs = gk.embedding(tokens, 7, 3, embeddings_initializer=constant(table))
            assert outputs.shape.as_list() == [*shape, 3] and outputs.dtype == tf.float32
            cases[shape, dtype] = outputs, table[tokens]
    assert_agree(cases, rtol=0, atol=0)


def test_a_lookup_is_the_product_with_one_hot_rows():
    tokens = np.array([[1, 0, 4], [2, 2, 3]])
    looked_up = gk.embedding(tokens, 5, 3, name="words")
    with v1.variable_scope("words", reuse=True):
        table = v1.get_variable("embeddings")
    first, second = run([looked_up, tf.tensordot(tf.one_hot(tokens, 5), table, 1)])
    np.testing.assert_allclose(first, second, rtol=1e-6)


def test_sequences_of_unknown_length_are_taken():
    table, fed = normal(7, 3), gk.token_input()
    outputs = gk.embedding(fed, 7, 3, embeddings_initializer=constant(table))
    assert outputs.shape.as_list() == [None, None, 3]
    for length in (1, 4):
        tokens = np.full((2, length), length)
        np.testing.assert_array_equal(run(outputs, {fed: tokens}), table[tokens])


def test_embeddings_start_as_glorots_uniform():
    gk.embedding([0], 200, 100)
    table = run(v1.global_variables()[0])
    limit = math.sqrt(6 / 300)
    assert 0.98 * limit < np.abs(table).max() <= limit
    np.testing.assert_allclose(table.std(), limit / math.sqrt(3), rtol=0.02)


def test_the_parameters_are_what_sizes_counts():
    gk.embedding([0], 28, 32, name="words")
    (variable,) = v1.trainable_variables()
    assert variable.name == "words/embeddings:0" and variable.shape.as_list() == [28, 32]
    assert math.prod(variable.shape) == 28 * 32 == gk.sizes.embedding_parameters(28, 32)


def test_gradient_is_counted_for_each_use_of_a_row():
    outputs = gk.embedding([[1, 3, 1]], 5, 2, embeddings_initializer=constant(1.0))
    gradient = tf.gradients(outputs * [[[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]]], v1.trainable_variables())
    dense = np.zeros((5, 2))
    slices = run(gradient[0])
    np.add.at(dense, slices.indices, slices.values)
    np.testing.assert_array_equal(dense, [[0, 0], [101, 202], [0, 0], [10, 20], [0, 0]])


@pytest.mark.parametrize(
    "optimizer",
    [
        "sgd",
        "adam",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("momentum", "nesterov", "adagrad", "adadelta", "rmsprop")
        ),
    ],
)
def test_training_moves_only_the_rows_that_are_used(optimizer):
    tokens, table = gk.token_input(3), normal(6, 4)
    loss = gk.l2_loss(gk.embedding(tokens, 6, 4, embeddings_initializer=constant(table), name="words"))
    with gk.Trainer(loss, optimizer, learning_rate=0.1) as trainer:
        data = {tokens: np.array([[0, 2, 2], [2, 5, 0]])}
        trainer.fit(data, epochs=3, batch_size=1, progress=False)
        moved = variable_value(trainer, "words/embeddings") != table
    np.testing.assert_array_equal(moved, np.isin(np.arange(6), [0, 2, 5])[:, np.newaxis].repeat(4, 1))


@pytest.mark.parametrize("options", [{"clip_norm": 0.5}, {"accumulate": 2}, {"optimizer": "adamw"}])
def test_embeddings_train_with_what_else_a_trainer_does(options):
    tokens = gk.token_input(3)
    loss = gk.l2_loss(gk.embedding(tokens, 6, 4, embeddings_initializer=constant(1.0)))
    with gk.Trainer(loss, learning_rate=0.01, **options) as trainer:
        data = {tokens: np.array([[0, 2, 2], [2, 5, 0]])}
        losses = trainer.fit(data, epochs=4, batch_size=1, progress=False)["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("wrong", [-1, 6, 1000])
@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_a_trainer_refuses_tokens_that_are_not_rows(wrong, method):
    tokens = gk.token_input(2)
    loss = gk.l2_loss(gk.embedding(tokens, 6, 4))
    with gk.Trainer(loss) as trainer:
        data = {tokens: np.array([[0, 1], [2, 5], [3, wrong]])}
        text = rf"^{method}: tokens:0 must lie in 0\.\.5, .*; received value={wrong}, example=2$"
        with pytest.raises(ValueError, match=text):
            getattr(trainer, method)(data)


REFUSED_TOKENS = {
    "float": ([1.0], "embedding: tokens must be integers; received"),
    "boolean": ([True], "embedding: tokens must be integers"),
    "none": (None, "embedding: tokens must be a tensor of the default"),
}


@pytest.mark.parametrize("case", REFUSED_TOKENS)
def test_embedding_refuses_tokens(case):
    tokens, text = REFUSED_TOKENS[case]
    with pytest.raises(TypeError, match=f"^{re.escape(text)}"):
        gk.embedding(tokens, 2, 2)
    assert not v1.global_variables()


# flatten


def test_flatten_agrees_with_numpy():
    cases = {}
    for shape in ((3,), (3, 4), (3, 4, 5), (2, 3, 4, 5), (0, 3, 4), (2, 1, 3, 2, 2)):
        for data_format in ("channels_last", "channels_first"):
            for dtype in (np.float32, np.uint8):
                array = normal(*shape).astype(dtype)
                outputs = gk.flatten(array, data_format=data_format)
                moved = data_format == "channels_first" and array.ndim > 2
                moved = np.moveaxis(array, 1, -1) if moved else array
                expected = moved.reshape(shape[0], math.prod(shape[1:]))
                assert outputs.shape.as_list() == list(expected.shape)
                cases[shape, data_format, dtype] = outputs, expected
    assert_agree(cases, rtol=0, atol=0)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("known", [(None, None, 3), (None, 4, 3), (2, None, 3), (None, None)])
def test_flatten_takes_axes_of_unknown_size(known, data_format):
    array = normal(*(2 if axis == 0 else size or 4 for axis, size in enumerate(known)))
    fed = v1.placeholder(tf.float32, known)
    outputs = gk.flatten(fed, data_format=data_format)
    assert outputs.shape.as_list()[0] == known[0]
    of_known = gk.flatten(tf.constant(array), data_format=data_format)
    np.testing.assert_array_equal(*run([outputs, of_known], {fed: array}))


def test_flatten_of_unknown_size_takes_an_empty_batch():
    fed = v1.placeholder(tf.float32, (None, None, 3))
    assert run(gk.flatten(fed), {fed: np.zeros((0, 4, 3))}).shape == (0, 12)


def test_flatten_of_examples_without_elements_keeps_the_batch():
    assert run(gk.flatten(tf.zeros((5, 0, 3)))).shape == (5, 0)


def test_both_formats_flatten_to_the_same_order():
    images = normal(2, 3, 4, 5)
    first = gk.flatten(to_format(images, "channels_first"), data_format="channels_first")
    np.testing.assert_array_equal(*run([gk.flatten(images), first]))
