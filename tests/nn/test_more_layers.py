"""linear and embedding: values, variables, gradients, and what a trainer makes of them."""

import math
import re

import numpy as np
import pytest
import tensorflow as tf
from references import normal, run

import graphkit as gk

v1 = tf.compat.v1
Keys = v1.GraphKeys


def constant(array):
    return v1.constant_initializer(array)


def names():
    return [variable.name for variable in v1.global_variables()]


def variable_value(trainer, name):
    variables = {v.op.name: v for v in trainer.graph.get_collection(Keys.GLOBAL_VARIABLES)}
    return trainer.session.run(variables[name])


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
        session.run(offset.initializer, {offset.initializer.inputs[1]: bias})
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


def test_a_scopes_initializer_does_not_replace_the_small_weights():
    with v1.variable_scope("net", initializer=constant(7.0)):
        gk.linear(tf.zeros((1, 3)), 2)
    assert np.abs(run(v1.global_variables()[0])).max() <= 0.02


def test_linear_reuses_what_dense_has_made():
    features = tf.constant(normal(5, 4))
    first = gk.dense(features, 3, name="logits")
    second = gk.linear(features, 3, name="logits", reuse=True)
    assert names() == ["logits/kernel:0", "logits/bias:0"]
    np.testing.assert_array_equal(*run([first, second]))


@pytest.mark.parametrize("sigma, error", [(0, ValueError), (-1.0, ValueError), (None, TypeError)])
def test_linear_refuses_a_sigma(sigma, error):
    text = f"linear: sigma must be a finite number above 0; received sigma={sigma!r}"
    with pytest.raises(error, match=f"^{re.escape(text)}$"):
        gk.linear(tf.zeros((1, 3)), 2, sigma)


# embedding


@pytest.mark.parametrize("shape", [(), (0,), (6,), (2, 5), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_a_lookup_takes_the_rows(shape, dtype):
    table = normal(7, 3)
    tokens = np.random.default_rng(1).integers(0, 7, shape).astype(dtype)
    outputs = gk.embedding(tokens, 7, 3, constant(table))
    assert outputs.shape.as_list() == [*shape, 3] and outputs.dtype == tf.float32
    np.testing.assert_array_equal(run(outputs), table[tokens])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "uint32", "uint64"])
def test_tokens_may_be_any_integers(dtype):
    table, tokens = normal(5, 3), np.array([[4, 0], [2, 2]], dtype)
    np.testing.assert_array_equal(run(gk.embedding(tokens, 5, 3, constant(table))), table[tokens])


def test_a_lookup_is_the_product_with_one_hot_rows():
    tokens = np.array([[1, 0, 4], [2, 2, 3]])
    looked_up = gk.embedding(tokens, 5, 3, name="words")
    with v1.variable_scope("words", reuse=True):
        table = v1.get_variable("embeddings")
    first, second = run([looked_up, tf.tensordot(tf.one_hot(tokens, 5), table, 1)])
    np.testing.assert_allclose(first, second, rtol=1e-6)


def test_sequences_of_unknown_length_are_taken():
    table, fed = normal(7, 3), gk.token_input()
    outputs = gk.embedding(fed, 7, 3, constant(table))
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
    assert math.prod(variable.shape) == 28 * 32 == gk.embedding_parameters(28, 32)


def test_gradient_is_counted_for_each_use_of_a_row():
    outputs = gk.embedding([[1, 3, 1]], 5, 2, constant(1.0))
    gradient = tf.gradients(outputs * [[[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]]], v1.trainable_variables())
    dense = np.zeros((5, 2))
    slices = run(gradient[0])
    np.add.at(dense, slices.indices, slices.values)
    np.testing.assert_array_equal(dense, [[0, 0], [101, 202], [0, 0], [10, 20], [0, 0]])


@pytest.mark.parametrize(
    "optimizer", ["sgd", "momentum", "nesterov", "adagrad", "adadelta", "adam", "rmsprop"]
)
def test_training_moves_only_the_rows_that_are_used(optimizer):
    tokens, table = gk.token_input(3), normal(6, 4)
    loss = gk.l2_loss(gk.embedding(tokens, 6, 4, constant(table), name="words"))
    with gk.Trainer(loss, optimizer, learning_rate=0.1) as trainer:
        data = {tokens: np.array([[0, 2, 2], [2, 5, 0]])}
        trainer.fit(data, epochs=3, batch_size=1, progress=False)
        moved = variable_value(trainer, "words/embeddings") != table
    np.testing.assert_array_equal(moved, np.isin(np.arange(6), [0, 2, 5])[:, np.newaxis].repeat(4, 1))


@pytest.mark.parametrize("options", [{"clip_norm": 0.5}, {"accumulate": 2}, {"optimizer": "adamw"}])
def test_embeddings_train_with_what_else_a_trainer_does(options):
    tokens = gk.token_input(3)
    loss = gk.l2_loss(gk.embedding(tokens, 6, 4, constant(1.0)))
    with gk.Trainer(loss, learning_rate=0.01, **options) as trainer:
        data = {tokens: np.array([[0, 2, 2], [2, 5, 0]])}
        losses = trainer.fit(data, epochs=4, batch_size=1, progress=False)["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("wrong", [-1, 6, 1000])
@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_a_trainer_refuses_tokens_that_are_no_rows(wrong, method):
    tokens = gk.token_input(2)
    loss = gk.l2_loss(gk.embedding(tokens, 6, 4))
    with gk.Trainer(loss) as trainer:
        data = {tokens: np.array([[0, 1], [2, 5], [3, wrong]])}
        text = rf"^{method}: tokens:0 must lie in 0\.\.5, .*; received value={wrong}, example=2$"
        with pytest.raises(ValueError, match=text):
            getattr(trainer, method)(data)


@pytest.mark.parametrize(
    "start, regularizer, filed",
    [(2.0, gk.l2_loss, 2 * 12), (3.0, lambda w: tf.reduce_sum(w), 3 * 12)],
)
def test_a_regularizer_files_one_loss(start, regularizer, filed):
    for reuse in (None, True):
        gk.embedding([0], 4, 3, constant(start), regularizer, name="words", reuse=reuse)
    assert run(v1.get_collection(Keys.REGULARIZATION_LOSSES)) == [filed]


def test_a_constraint_is_set_on_the_variable():
    gk.embedding([0], 4, 3, embeddings_constraint=tf.abs)
    assert v1.global_variables()[0].constraint is tf.abs


def test_trainable_false_keeps_out_of_trainable_variables():
    gk.embedding([0], 4, 3, trainable=False)
    assert len(v1.global_variables()) == 1 and not v1.trainable_variables()


def test_the_scopes_initializer_is_taken():
    with v1.variable_scope("net", initializer=constant(7.0)):
        outputs = gk.embedding([0, 1], 4, 3)
    assert (run(outputs) == 7).all()


# Both


LAYERS = {
    "linear": lambda **options: gk.linear(tf.ones((2, 3)), 5, **options),
    "embedding": lambda **options: gk.embedding([[1, 2]], 7, 5, **options),
}
VARIABLES = {
    "linear": {"kernel": [3, 5], "bias": [5]},
    "embedding": {"embeddings": [7, 5]},
}

each_layer = pytest.mark.parametrize("layer", LAYERS)


@each_layer
def test_variables_of_a_named_layer(layer):
    LAYERS[layer](name="mine")
    made = {variable.op.name: variable.shape.as_list() for variable in v1.trainable_variables()}
    assert made == {f"mine/{name}": shape for name, shape in VARIABLES[layer].items()}


@each_layer
def test_unnamed_layers_are_numbered(layer):
    for _ in range(3):
        LAYERS[layer]()
    scopes = [layer, f"{layer}_1", f"{layer}_2"]
    assert names() == [f"{scope}/{name}:0" for scope in scopes for name in VARIABLES[layer]]


@each_layer
@pytest.mark.parametrize("name", [None, "mine"])
def test_reuse_shares_the_variables(layer, name):
    first = LAYERS[layer](name=name)
    second = LAYERS[layer](name=name, reuse=True)
    assert len(v1.global_variables()) == len(VARIABLES[layer])
    np.testing.assert_array_equal(*run([first, second]))


@each_layer
@pytest.mark.parametrize("name", [None, "mine"])
@pytest.mark.parametrize("reuse", [True, v1.AUTO_REUSE])
def test_reuse_by_the_variable_scope(layer, name, reuse):
    for again in (None, reuse):
        with v1.variable_scope("net", reuse=again):
            LAYERS[layer](name=name)
    assert names() == [f"net/{name or layer}/{variable}:0" for variable in VARIABLES[layer]]


@each_layer
def test_auto_reuse_by_name_makes_once_what_is_not_there(layer):
    for _ in range(2):
        LAYERS[layer](name="mine", reuse=v1.AUTO_REUSE)
    assert names() == [f"mine/{variable}:0" for variable in VARIABLES[layer]]


@each_layer
def test_a_name_that_is_taken_is_refused(layer):
    LAYERS[layer](name="mine")
    with pytest.raises(ValueError, match=r"^Variable mine/\w+ already exists"):
        LAYERS[layer](name="mine")


REFUSALS = {
    "units": (gk.linear, (tf.zeros, 0), ValueError, "linear: units must be an integer of at least 1"),
    "one axis": (gk.linear, ([1.0], 2), ValueError, "linear: inputs must have at least 2 axes"),
    "integers": (gk.linear, ([[1]], 2), TypeError, "linear: inputs must be a floating-point tensor"),
    "vocabulary": (gk.embedding, ([1], 0, 2), ValueError, "embedding: vocabulary_size must be an integer"),
    "embedding units": (gk.embedding, ([1], 2, 0), ValueError, "embedding: units must be an integer"),
    "float tokens": (gk.embedding, ([1.0], 2, 2), TypeError, "embedding: tokens must be integers; received"),
    "boolean tokens": (gk.embedding, ([True], 2, 2), TypeError, "embedding: tokens must be integers"),
    "no tokens": (gk.embedding, (None, 2, 2), TypeError, "embedding: tokens must be a tensor of the default"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_layers_refuse(case):
    build, (inputs, *arguments), error, text = REFUSALS[case]
    inputs = tf.zeros((2, 3)) if inputs is tf.zeros else inputs
    with pytest.raises(error, match=f"^{re.escape(text)}"):
        build(inputs, *arguments)
    assert not v1.global_variables()


@pytest.mark.parametrize("build", [gk.linear, gk.embedding])
def test_a_finalized_graph_takes_no_layer(fresh_graph, build):
    inputs = tf.zeros((2, 3)) if build is gk.linear else tf.zeros((2, 3), tf.int32)
    fresh_graph.finalize()
    with pytest.raises(RuntimeError, match=rf"^{build.__name__}: .*finalized.*{re.escape(__file__)}:\d+$"):
        build(inputs, 4, **({"units": 2} if build is gk.embedding else {}))
