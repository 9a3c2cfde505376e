"""Compares steps of RNN cells with their formulas in NumPy, of many cells in one session."""

import numpy as np
from references import normal, set_variable

import graphkit.tf1 as tf


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def affine(parts, kernel, bias=0.0):
    return np.concatenate(parts, axis=1) @ kernel + bias


def sizes_of(state_size):
    return [tf.TensorShape(size).as_list() for size in tf.nest.flatten(state_size)]


def assert_steps(cases):
    """Runs one step of each cell, of {label: (cell, formula)}, with random float64 weights and states.

    A formula takes (x, [parts of the state], {name of a weight below the case's scope: value}), and returns
    (output, [parts of the next state]).
    """
    x = normal(3, 4, dtype=np.float64, seed=100)
    results, states = {}, {}
    for label, (cell, _) in cases.items():
        states[label] = [
            normal(len(x), *size, dtype=np.float64, seed=10 + place)
            for place, size in enumerate(sizes_of(cell.state_size))
        ]
        with tf.variable_scope(label):
            state = tf.nest.pack_sequence_as(cell.state_size, [tf.constant(part) for part in states[label]])
            output, new = cell(tf.constant(x), state)
        tf.nest.assert_same_structure(new, state)
        results[label] = output, tf.nest.flatten(new)
    weights = {
        variable: 0.7 * normal(*variable.shape.as_list(), dtype=np.float64, seed=place)
        for place, variable in enumerate(tf.global_variables())
    }
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for variable, value in weights.items():
            set_variable(session, variable, value)
        for label, values in session.run(results).items():
            own = {
                variable.op.name.removeprefix(f"{label}/"): value
                for variable, value in weights.items()
                if variable.op.name.startswith(f"{label}/")
            }
            output, new = cases[label][1](x, states[label], own)
            for value, expected in zip([values[0], *values[1]], [output, *new], strict=True):
                np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-12, err_msg=label)


def lstm(gates, c, forget_bias=1.0, activation=np.tanh, peepholes=(0, 0, 0), memory=lambda c: c):
    """Hochreiter and Schmidhuber (1997), with the forget gate and peepholes of Gers et al. (2002)."""
    i, j, f, o = gates
    i, f = sigmoid(i + peepholes[0] * c), sigmoid(f + forget_bias + peepholes[1] * c)
    c = memory(f * c + i * activation(j))
    return c, sigmoid(o + peepholes[2] * c) * activation(c)
