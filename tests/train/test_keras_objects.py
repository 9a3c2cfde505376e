"""Keras's optimizers and schedules, tensors and texts are refused with what to write in their place."""

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit import checks
from graphkit.train import keras_objects, learning_rate, optimizers

V1 = tf.compat.v1
CHECK = checks.Checker("Trainer")
keras = tf.keras.optimizers


def refused(call):
    with pytest.raises((TypeError, ValueError)) as error:
        call()
    return str(error.value)


OPTIMIZERS = {
    "give tf.compat.v1.train.AdamOptimizer(0.01)": lambda: keras.Adam(1e-2),
    "give tf.compat.v1.train.GradientDescentOptimizer(0.5)": lambda: keras.SGD(0.5),
    "give tf.compat.v1.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True)": lambda: keras.SGD(
        0.1, momentum=0.9, nesterov=True
    ),
    "give tf.compat.v1.train.RMSPropOptimizer(0.001)": lambda: keras.RMSprop(),
    "give gk.AdamW(learning_rate)": lambda: keras.AdamW(keras.schedules.ExponentialDecay(0.1, 10, 0.9)),
    "give tf.compat.v1.train.AdagradOptimizer(learning_rate)": lambda: keras.Adagrad,
    "TensorFlow 1 has no Nadam": lambda: keras.Nadam(),
    "(near it: adam, adamw)": lambda: "adm",
    "(near it: rmsprop)": lambda: "rms_prop",
    "give the optimizer, not the op of its step": lambda: tf.no_op(),
    "optimizer must be a name (sgd,": lambda: 0.01,
}


@pytest.mark.parametrize("advice", OPTIMIZERS)
def test_optimizers(advice):
    rate = tf.constant(0.1)
    assert advice in refused(lambda: optimizers.make_optimizer(CHECK, OPTIMIZERS[advice](), rate))


def test_names_in_capitals_and_functions_are_taken():
    rate = tf.constant(0.1)
    assert isinstance(optimizers.make_optimizer(CHECK, "Adam", rate), V1.train.AdamOptimizer)
    assert isinstance(optimizers.make_optimizer(CHECK, V1.train.AdamOptimizer, rate), V1.train.AdamOptimizer)


def test_the_advice_can_be_run():
    for name, make in keras_objects.OPTIMIZERS.items():
        code = make(getattr(keras, name)()).format("0.1")
        assert isinstance(eval(code, {"tf": tf, "gk": gk}), V1.train.Optimizer), code


SCHEDULES = {
    "gk.exponential_decay(0.1, 10, 0.9)": keras.schedules.ExponentialDecay(0.1, 10, 0.9),
    "gk.inverse_time_decay(0.1, 10, 0.9)": keras.schedules.InverseTimeDecay(0.1, 10, 0.9),
    "gk.polynomial_decay(0.1, 10)": keras.schedules.PolynomialDecay(0.1, 10),
    "gk.cosine_decay(0.1, 10)": keras.schedules.CosineDecay(0.1, 10),
    "gk.cosine_decay_restarts(0.1, 10)": keras.schedules.CosineDecayRestarts(0.1, 10),
    "gk.piecewise_constant([10], [0.2, 0.1])": keras.schedules.PiecewiseConstantDecay([10], [0.2, 0.1]),
}


@pytest.mark.parametrize("code", SCHEDULES)
def test_schedules(code):
    assert f"a schedule of Keras; give {code};" in refused(
        lambda: learning_rate.schedule_of(CHECK, SCHEDULES[code])
    )
    assert 0 < eval(code, {"gk": gk})(3) <= 0.2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: tf.constant(0.1),
            "or a function of the step that returns one, such as gk.exponential_decay(",
        ),
        (lambda: V1.placeholder(tf.float32, ()), "or an optimizer that was made with the tensor"),
        (lambda: "0.1", "not a text; received learning_rate='0.1'"),
        (lambda: 0, "learning_rate must be a finite number above 0; received learning_rate=0"),
        (lambda: -1.0, "learning_rate must be a finite number above 0; received learning_rate=-1.0"),
        (lambda: 1e39, "above 0 and at most 3.4"),
        (lambda: [0.1], "learning_rate must be a finite number above 0; received learning_rate=[0.1]"),
    ],
)
def test_rates(make, message):
    assert message in refused(lambda: learning_rate.schedule_of(CHECK, make()))
    assert learning_rate.schedule_of(CHECK, np.float32(0.5))(0) == 0.5
