"""Variables of layers: names, initializers, regularizers, constraints, and arguments as in tf.layers."""

import inspect
import math

import numpy as np
import pytest
import tensorflow as tf
from nn.layer_table import LAYERS, SCOPES, VARIABLES, each_layer, variable_names
from references import constant, names, normal, refused, run

import graphkit as gk

v1 = tf.compat.v1
Keys = v1.GraphKeys

# Of tensorflow/python/layers in TensorFlow 1.15
BEFORE = "inputs, filters, kernel_size, strides=(1, 1), padding='valid', data_format='channels_last', "
AFTER = (
    "activation=None, use_bias=True, kernel_initializer=None, bias_initializer=zeros, "
    "kernel_regularizer=None, bias_regularizer=None, activity_regularizer=None, kernel_constraint=None, "
    "bias_constraint=None, trainable=True, name=None, reuse=None"
)
POOL = "inputs, pool_size, strides, padding='valid', data_format='channels_last', name=None"
SIGNATURES = {
    "conv1d": f"{BEFORE.replace('(1, 1)', '1')}dilation_rate=1, {AFTER}",
    "conv2d": f"{BEFORE}dilation_rate=(1, 1), {AFTER}",
    "conv2d_transpose": f"{BEFORE}{AFTER}",
    "separable_conv2d": f"{BEFORE}dilation_rate=(1, 1), depth_multiplier=1, activation=None, use_bias=True, "
    "depthwise_initializer=None, pointwise_initializer=None, bias_initializer=zeros, "
    "depthwise_regularizer=None, pointwise_regularizer=None, bias_regularizer=None, "
    "activity_regularizer=None, depthwise_constraint=None, pointwise_constraint=None, "
    "bias_constraint=None, trainable=True, name=None, reuse=None",
    "dense": f"inputs, units, {AFTER}",
    "max_pool": POOL,
    "avg_pool": POOL,
    "flatten": "inputs, name=None, data_format='channels_last'",
    # training=False in tf.layers
    "batch_norm": "inputs, axis=-1, momentum=0.99, epsilon=0.001, center=True, scale=True, "
    "beta_initializer=zeros, gamma_initializer=ones, moving_mean_initializer=zeros, "
    "moving_variance_initializer=ones, beta_regularizer=None, gamma_regularizer=None, beta_constraint=None, "
    "gamma_constraint=None, training=None, trainable=True, name=None, reuse=None, renorm=False, "
    "renorm_clipping=None, renorm_momentum=0.99, fused=None, virtual_batch_size=None, adjustment=None",
}


def written(parameter):
    """Returns a parameter as in the table: initializers by what they make."""
    assert parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    default = parameter.default
    if default is parameter.empty:
        return parameter.name
    for kind, word in ((v1.zeros_initializer, "zeros"), (v1.ones_initializer, "ones")):
        if isinstance(default, kind):
            return f"{parameter.name}={word}"
    return f"{parameter.name}={default!r}"


@pytest.mark.parametrize("function", SIGNATURES)
def test_arguments_order_and_defaults_are_those_of_tf_layers(function):
    parameters = inspect.signature(getattr(gk, function)).parameters.values()
    assert ", ".join(map(written, parameters)) == SIGNATURES[function]


@each_layer
def test_variables_of_a_named_layer(layer):
    LAYERS[layer](name="first")
    assert names(v1.global_variables()) == variable_names(layer, "first")
    shapes = [variable.shape.as_list() for variable in v1.global_variables()]
    assert shapes == list(VARIABLES[layer].values())
    assert {variable.dtype for variable in v1.global_variables()} == {tf.float32}


@each_layer
def test_what_is_trained_is_in_trainable_variables(layer):
    LAYERS[layer](name="first")
    expected = [name for name in variable_names(layer, "first") if "moving" not in name]
    assert names(v1.trainable_variables()) == expected


@pytest.mark.parametrize("layer", sorted(LAYERS.keys() - {"conv1x1", "linear"}))
def test_trainable_false_keeps_out_of_trainable_variables(layer):
    LAYERS[layer](name="first", trainable=False)
    assert not v1.trainable_variables()
    assert names(v1.global_variables()) == variable_names(layer, "first")


@each_layer
def test_all_variables_are_resource_variables(layer):
    with v1.variable_scope("net", use_resource=False):
        LAYERS[layer]()
    assert {variable.op.type for variable in v1.global_variables()} == {"VarHandleOp"}


def test_the_scopes_initializer_makes_kernels_alone():
    with v1.variable_scope("net", initializer=constant(3.0)):
        for layer, build in LAYERS.items():
            build(name=layer)
    starts = {"bias": 0, "gamma": 1, "beta": 0, "moving_mean": 0, "moving_variance": 1}
    for name, value in run({v.op.name: v for v in v1.global_variables()}).items():
        _, layer, variable = name.split("/")
        if (layer, variable) == ("linear", "kernel"):  # which says itself how it starts
            assert np.abs(value).max() <= 0.02
        else:
            assert (value == starts.get(variable, 3)).all(), name


@pytest.mark.parametrize("layer", ["conv2d", "dense"])
def test_a_kernel_initializer_beats_the_scopes(layer):
    with v1.variable_scope("net", initializer=constant(3.0)):
        LAYERS[layer](kernel_initializer=constant(4.0))
    assert (run(v1.trainable_variables()[0]) == 4).all()


# Layers that take functions for each variable; moving averages take an initializer and nothing else.
ARGUMENTS = [
    (layer, variable)
    for layer, made in VARIABLES.items()
    if layer not in ("conv1x1", "linear", "layer_norm")
    for variable in made
]
TRAINED = [row for row in ARGUMENTS if "moving" not in row[1]]


def argument(variable, what):
    """Returns the argument for a variable, such as depthwise_initializer for depthwise_kernel."""
    return f"{variable.replace('wise_kernel', 'wise')}_{what}"


def test_initializers_are_those_of_their_variables():
    for layer, variable in ARGUMENTS:
        LAYERS[layer](name=f"{layer}-{variable}", **{argument(variable, "initializer"): constant(5.0)})
    for name, value in run({v.op.name: v for v in v1.global_variables()}).items():
        case, variable = name.split("/")
        assert (value == 5).all() == case.endswith(f"-{variable}"), name


@pytest.mark.parametrize("layer, variable", TRAINED)
def test_constraints_are_set_on_their_variables(layer, variable):
    LAYERS[layer](**{argument(variable, "constraint"): tf.nn.relu})
    constraints = {v.op.name.split("/")[-1]: v.constraint for v in v1.trainable_variables()}
    assert constraints == {name: tf.nn.relu if name == variable else None for name in constraints}


def test_an_optimizer_applies_the_constraint():
    net = gk.dense(tf.ones((2, 3)), 4, kernel_constraint=lambda kernel: tf.maximum(kernel, 0.0))
    train = v1.train.GradientDescentOptimizer(100.0).minimize(tf.reduce_sum(net))
    kernel, bias = v1.trainable_variables()
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        session.run(train)
        assert (session.run(kernel) == 0).all() and (session.run(bias) < 0).all()


def regularization_losses():
    return run([tf.convert_to_tensor(loss) for loss in v1.get_collection(Keys.REGULARIZATION_LOSSES)])


def test_regularizers_file_one_loss_however_often_a_layer_is_reused():
    for layer, variable in TRAINED:
        start = {argument(variable, "initializer"): constant(2.0)}
        start[argument(variable, "regularizer")] = gk.l2_loss
        for reuse in (None, True, v1.AUTO_REUSE):
            LAYERS[layer](name=f"{layer}-{variable}", reuse=reuse, **start)
    # Twos cost 2**2 / 2 = 2 each.
    assert regularization_losses() == [2 * math.prod(VARIABLES[layer][name]) for layer, name in TRAINED]


@pytest.mark.parametrize("layer", ["conv2d", "dense"])
def test_the_scopes_regularizer_is_taken(layer):
    with v1.variable_scope("net", initializer=constant(2.0), regularizer=gk.l2_loss):
        LAYERS[layer](name="first")
    assert regularization_losses()[0] == 2 * math.prod(VARIABLES[layer]["kernel"])


def test_layers_without_regularizers_file_no_losses():
    for layer in LAYERS.values():
        layer()
    assert not v1.get_collection(Keys.REGULARIZATION_LOSSES)


def test_a_checkpoint_of_plain_variables_restores_into_layers(tmp_path):
    kept = {"conv1/kernel": normal(2, 2, 3, 5), "conv1/bias": normal(5), "bn/gamma": normal(5)}
    with tf.Graph().as_default():
        for name, value in kept.items():
            v1.get_variable(name, initializer=value)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            path = v1.train.Saver().save(session, str(tmp_path / "model"))
    gk.batch_norm(LAYERS["conv2d"](name="conv1"), center=False, name="bn")
    variables = v1.trainable_variables()
    with v1.Session() as session:
        v1.train.Saver(variables).restore(session, path)
        for variable in variables:
            np.testing.assert_array_equal(session.run(variable), kept[variable.op.name])


@pytest.mark.parametrize("initializer", [[0.5], 0.5, np.zeros((3, 2))])
def test_an_initializer_that_is_not_a_function_is_refused(initializer):
    text = "dense: the initializer of kernel must be a function of a shape, such as gk.zeros"
    with pytest.raises(TypeError, match=f"^{text}"):
        gk.dense(gk.feature_input(3), 2, kernel_initializer=initializer)


def test_unnamed_scopes_are_those_of_the_table():
    for layer in LAYERS.values():
        layer()
    assert {variable.op.name.split("/")[0] for variable in v1.global_variables()} == set(SCOPES.values())


# Initializers of Keras, which draw a seed for themselves


def initial_kernel(initializer, seed, shape=(60, 40), scope=False):
    """Returns the kernel before the first step of a trainer."""
    with tf.Graph().as_default():
        features = gk.feature_input(shape[0])
        with v1.variable_scope("net", initializer=initializer if scope else None):
            layer = gk.dense(features, shape[1], kernel_initializer=None if scope else initializer)
        with gk.Trainer(tf.reduce_mean(layer), seed=seed) as trainer:
            return next(iter(trainer.weights().values()))


KERAS = {  # what makes one, (mean, standard deviation, largest magnitude) of the distribution for (60, 40)
    "GlorotUniform": ({}, (0, math.sqrt(2 / 100), math.sqrt(6 / 100))),
    "HeNormal": ({}, (0, math.sqrt(2 / 60), 2 * math.sqrt(2 / 60) / 0.8796)),
    "LecunUniform": ({}, (0, math.sqrt(1 / 60), math.sqrt(3 / 60))),
    "VarianceScaling": (
        {"scale": 3.0, "mode": "fan_out", "distribution": "uniform"},
        (0, math.sqrt(3 / 40), math.sqrt(9 / 40)),
    ),
    "RandomNormal": ({"mean": 1.0, "stddev": 0.5}, (1, 0.5, np.inf)),
    "RandomUniform": ({"minval": 1.0, "maxval": 3.0}, (2, 1 / math.sqrt(3), 3)),
    "TruncatedNormal": ({"mean": 0.0, "stddev": 2.0}, (0, 2 * 0.8796, 4)),
}


@pytest.mark.grid
@pytest.mark.parametrize("name", KERAS)
def test_keras_initializers_without_a_seed_draw_by_the_trainers(name):
    arguments, (mean, deviation, largest) = KERAS[name]
    make = getattr(tf.keras.initializers, name)
    first, again, other = (initial_kernel(make(**arguments), seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.isclose(first, other).all()
    assert abs(first.mean() - mean) < 5 * deviation / math.sqrt(first.size)
    assert abs(first.std() / deviation - 1) < 0.1 and np.abs(first).max() <= largest * 1.0001


def test_keras_orthogonal_without_a_seed_draws_by_the_trainers():
    first, again = (initial_kernel(tf.keras.initializers.Orthogonal(gain=2.0), 3, (6, 4)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(first.T @ first, 4 * np.eye(4), atol=1e-5)


@pytest.mark.parametrize("scope", [False, True])
def test_a_keras_class_is_taken_as_its_object(scope):
    first, again = (initial_kernel(tf.keras.initializers.HeNormal, 3, scope=scope) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_the_seed_of_a_keras_initializer_is_kept():
    def kernels(seed):
        return [initial_kernel(tf.keras.initializers.GlorotUniform(seed=seed), number) for number in (3, 4)]

    np.testing.assert_array_equal(*kernels(5))
    assert not np.isclose(kernels(5)[0], kernels(6)[0]).all()


def test_keras_initializers_that_draw_nothing_stay():
    for initializer, value in ((tf.keras.initializers.Ones(), 1), (tf.keras.initializers.Constant(2.5), 2.5)):
        np.testing.assert_array_equal(initial_kernel(initializer, 3), np.full((60, 40), value))


def test_a_keras_initializer_of_an_unknown_distribution_needs_a_seed():
    class Own(tf.keras.initializers.RandomNormal):
        def __call__(self, shape, dtype=None):
            return super().__call__(shape, dtype) ** 2

    rule = "dense: the initializer of kernel draws its numbers by a seed of Keras, which no trainer can set"
    with refused(ValueError, rule):
        gk.dense(tf.ones((2, 3)), 4, kernel_initializer=Own())
    gk.dense(tf.ones((2, 3)), 4, kernel_initializer=Own(seed=1))
