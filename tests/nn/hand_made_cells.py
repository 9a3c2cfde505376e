"""Cells written down from their equations, for TensorFlow's own `dynamic_rnn`."""

import tensorflow as tf

v1 = tf.compat.v1


class HandMadeCell:
    """What `tf.compat.v1.nn.dynamic_rnn` takes for a cell; it reads variables of TF1's names."""

    def __init__(self, cell, units):
        self.call = getattr(self, cell)
        self.output_size = units
        self.state_size = (units, units) if cell == "lstm" else units

    def zero_state(self, batch, dtype):
        return tf.nest.map_structure(lambda size: tf.zeros((batch, size), dtype), self.state_size)

    def __call__(self, inputs, state, scope=None):
        return self.call(inputs, state)

    def affine(self, parts, columns):
        joined = tf.concat(parts, 1)
        kernel = v1.get_variable("kernel", (joined.shape[1], columns), joined.dtype)
        return joined @ kernel + v1.get_variable("bias", (columns,), joined.dtype)

    def simple(self, x, h):
        with v1.variable_scope("basic_rnn_cell"):
            h = tf.tanh(self.affine([x, h], self.output_size))
        return h, h

    def gru(self, x, h):
        with v1.variable_scope("gru_cell"):
            with v1.variable_scope("gates"):
                r, u = tf.split(tf.sigmoid(self.affine([x, h], 2 * self.output_size)), 2, axis=1)
            with v1.variable_scope("candidate"):
                h = u * h + (1 - u) * tf.tanh(self.affine([x, r * h], self.output_size))
        return h, h

    def lstm(self, x, state):
        c, h = state
        with v1.variable_scope("lstm_cell"):
            i, j, f, o = tf.split(self.affine([x, h], 4 * self.output_size), 4, axis=1)
        c = tf.sigmoid(f + 1) * c + tf.sigmoid(i) * tf.tanh(j)
        h = tf.sigmoid(o) * tf.tanh(c)
        return h, (c, h)
