"""Memory: numbers by hand, NumPy's and TensorFlow's own bytes, and the slots that optimizers make."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import graphkit as gk

V1 = tf.compat.v1


def test_bytes_of_the_course():
    assert gk.sizes.array_bytes((55000, 784), "float32") == 172_480_000
    assert gk.sizes.array_bytes((55000, 10), "float32") == 2_200_000
    assert gk.sizes.array_bytes((784, 10)) == 31_360
    assert gk.sizes.array_bytes([10]) == 40
    assert gk.sizes.array_bytes(()) == 4
    assert gk.sizes.array_bytes((3, 0, 2)) == 0


@pytest.mark.parametrize(
    "dtype",
    "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64 complex64".split(),
)
def test_array_bytes_is_what_numpy_and_tensorflow_say(dtype):
    expected = np.zeros((3, 5), dtype).nbytes
    assert gk.sizes.array_bytes((3, 5), dtype) == expected
    assert gk.sizes.array_bytes((3, 5), np.dtype(dtype)) == expected
    assert gk.sizes.array_bytes((3, 5), tf.as_dtype(dtype)) == 15 * tf.as_dtype(dtype).size == expected


def test_bfloat16_takes_two_bytes():
    assert gk.sizes.array_bytes((3, 5), "bfloat16") == gk.sizes.array_bytes((3, 5), tf.bfloat16) == 30


OPTIMIZERS = {
    "sgd": lambda: V1.train.GradientDescentOptimizer(0.1),
    "momentum": lambda: V1.train.MomentumOptimizer(0.1, 0.9),
    "nesterov": lambda: V1.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
    "adagrad": lambda: V1.train.AdagradOptimizer(0.1),
    "adadelta": lambda: V1.train.AdadeltaOptimizer(0.1),
    "adam": lambda: V1.train.AdamOptimizer(0.1),
    "rmsprop": lambda: V1.train.RMSPropOptimizer(0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_slots_are_those_that_tensorflow_makes(name):
    weights = V1.get_variable("weights", (7,))
    before = len(V1.global_variables())
    OPTIMIZERS[name]().minimize(tf.reduce_sum(weights**2))
    made = [variable for variable in V1.global_variables()[before:] if variable.shape == (7,)]
    assert len(made) == gk.sizes.optimizer_slots(name)


def test_adamw_keeps_what_adam_keeps():
    assert gk.sizes.optimizer_slots("AdamW") == 2


def test_training_bytes_by_hand():
    # weight, gradient and Adam's two moments: 16 bytes for each float32 parameter
    assert gk.sizes.training_bytes(1_000_000, 0, 1, slots=gk.sizes.optimizer_slots("adam")) == 16_000_000
    assert gk.sizes.training_bytes(1000, 500, 32, slots=0) == 1000 * 2 * 4 + 500 * 32 * 4
    assert gk.sizes.training_bytes(1000, 500, 32, slots=1, dtype="float16") == 1000 * 3 * 2 + 500 * 32 * 2


def test_training_bytes_are_those_of_the_arrays_of_a_step():
    """Softmax regression in NumPy: what a step holds before its weights move, array by array."""
    inputs, kernel, bias = (np.zeros(shape, np.float32) for shape in ((32, 784), (784, 10), (10,)))
    logits = inputs @ kernel + bias
    gradients = inputs.T @ logits, logits.sum(axis=0)  # the gradient of the kernel takes the inputs
    held = sum(array.nbytes for array in (inputs, kernel, bias, logits, *gradients))
    assert gk.sizes.training_bytes(7850, 784 + 10, 32, slots=0) == held
    assert gk.summary(gk.softmax_regression(gk.image_input(28, 28, 1))).memory(32, slots=0) == held


@settings(deadline=None)
@given(
    memory=st.integers(0, 10**6),
    parameters=st.integers(0, 3000),
    activations=st.integers(1, 3000),
    slots=st.integers(0, 3),
    dtype=st.sampled_from(["float16", "float32"]),
)
def test_the_largest_batch_fits_and_the_next_does_not(memory, parameters, activations, slots, dtype):
    arguments = {"parameters": parameters, "activations": activations, "slots": slots, "dtype": dtype}
    if gk.sizes.training_bytes(batch_size=1, **arguments) > memory:
        with pytest.raises(ValueError, match="largest_batch: not even one example fits"):
            gk.sizes.largest_batch(memory, **arguments)
    else:
        largest = gk.sizes.largest_batch(memory, **arguments)
        assert gk.sizes.training_bytes(batch_size=largest, **arguments) <= memory
        assert gk.sizes.training_bytes(batch_size=largest + 1, **arguments) > memory


def test_largest_batch_names_the_numbers():
    message = "received memory=15999, without_examples=12000, for_each_example=4000"
    with pytest.raises(ValueError, match=message):
        gk.sizes.largest_batch(15999, parameters=1000, activations=1000, slots=1)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gk.sizes.array_bytes(10), TypeError, "shape must be a sequence"),
        (lambda: gk.sizes.array_bytes((2, -1)), ValueError, "shape must be an integer of at least 0"),
        (lambda: gk.sizes.array_bytes((2, None)), TypeError, "shape must be an integer"),
        (lambda: gk.sizes.array_bytes((2,), "float31"), ValueError, "dtype must be one of 'float32'"),
        (lambda: gk.sizes.array_bytes((2,), 4), TypeError, "dtype must be one of"),
        (lambda: gk.sizes.optimizer_slots("lion"), ValueError, "optimizer must be one of 'sgd'"),
        (lambda: gk.sizes.optimizer_slots(2), TypeError, "optimizer must be one of"),
        (lambda: gk.sizes.training_bytes(1, 1, 0), ValueError, "training_bytes: batch_size"),
        (lambda: gk.sizes.training_bytes(-1, 1, 1), ValueError, "parameters"),
        (lambda: gk.sizes.training_bytes(1, -1, 1), ValueError, "activations"),
        (lambda: gk.sizes.training_bytes(1, 1, 1, slots=0.5), TypeError, "slots"),
        (lambda: gk.sizes.largest_batch(-1, 1, 1), ValueError, "largest_batch: memory"),
        (lambda: gk.sizes.largest_batch(1e9, 1, 1), TypeError, "memory"),
        (
            lambda: gk.sizes.largest_batch(100, 1, 0),
            ValueError,
            "activations must be an integer of at least 1",
        ),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()
