"""What the tests of seq2seq share: a small cell, and sequences decoded by the definition in NumPy."""

import numpy as np
from references import normal

import graphkit.tf1 as tf


class Cell(tf.nn.rnn_cell.RNNCell):
    """h' = tanh(x A + h B), output = h' C, of constants."""

    def __init__(self, inputs, units, outputs, seed=0):
        super().__init__(name="cell")
        shapes = (inputs, units), (units, units), (units, outputs)
        self.matrices = [1.5 * normal(*shape, seed=seed + place) for place, shape in enumerate(shapes)]

    state_size = property(lambda self: self.matrices[1].shape[0])
    output_size = property(lambda self: self.matrices[2].shape[1])

    def call(self, inputs, state):
        a, b, c = map(tf.constant, self.matrices)
        state = tf.tanh(tf.matmul(inputs, a) + tf.matmul(state, b))
        return tf.matmul(state, c), state

    def step(self, x, h):
        a, b, c = self.matrices
        h = np.tanh(x @ a + h @ b)
        return h @ c, h


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def softmax(x):
    return np.exp(log_softmax(x))
