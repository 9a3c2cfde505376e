"""What tests of several rooms share: running tensors, seeded arrays, and NumPy references by definition."""

import re

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk

v1 = tf.compat.v1


def run(fetches, feed=None):
    """Returns the values of tensors of the current graph, its variables freshly initialized."""
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        return session.run(fetches, feed)


def normal(*shape, dtype=np.float32, seed=0):
    """Returns numbers drawn from the standard normal distribution."""
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


# Of layers: comparisons of many cases in one session, gradients, and the layers by their definitions.


def constant(value):
    return v1.constant_initializer(value)


def names(variables):
    return [variable.name for variable in variables]


def set_variable(session, variable, value):
    session.run(variable.initializer, {variable.initializer.inputs[1]: value})


def assert_agree(cases, rtol=1e-5, atol=1e-5, feed=None):
    """Compares tensors with arrays, of all cases {label: (tensor, expected)}, in one session.

    A session costs more than what a small layer computes, so that a grid belongs into one.
    """
    for label, value in run({label: tensor for label, (tensor, _) in cases.items()}, feed).items():
        expected = np.asarray(cases[label][1])
        assert value.shape == expected.shape, label
        np.testing.assert_allclose(value, expected, rtol=rtol, atol=atol, err_msg=str(label))


def assert_gradients(outputs, point, feed=None):
    """Compares tf.gradients of float64 outputs with central differences along random directions.

    For the placeholders of `point` and for each trainable variable. A wrong number anywhere in a gradient
    shows along almost any direction, at two evaluations for each instead of two for each element.
    """
    factors = normal(*outputs.shape.as_list(), dtype=np.float64, seed=9)
    loss, variables = tf.reduce_sum(outputs * factors), v1.trainable_variables()
    gradients = tf.gradients(loss, [*point, *variables])
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        start = {**point, **dict(zip(variables, session.run(variables), strict=True))}
        analytic = session.run(gradients, {**point, **(feed or {})})

        def loss_with(key, value):
            if key in variables:
                set_variable(session, key, value)
                return session.run(loss, {**point, **(feed or {})})
            return session.run(loss, {**point, **(feed or {}), key: value})

        for (key, value), gradient in zip(start.items(), analytic, strict=True):
            for seed in (1, 2):
                direction = normal(*np.shape(value), dtype=np.float64, seed=seed)
                ends = [loss_with(key, value + sign * 1e-5 * direction) for sign in (1, -1)]
                slope = (ends[0] - ends[1]) / 2e-5
                np.testing.assert_allclose((gradient * direction).sum(), slope, rtol=1e-5, atol=1e-7)
            loss_with(key, value)


def both(value):
    return value if isinstance(value, tuple) else (value, value)


def to_format(array, data_format):
    """Moves the channels of an array of images or sequences to where the format wants them."""
    return array if data_format == "channels_last" else np.moveaxis(array, -1, 1)


def patches(images, window, strides=1, padding="valid", dilation=1, fill=0.0):
    """Returns (batch, new height, new width, window height, window width, channels).

    For "same" half of what is missing is put before the image, the rest behind it.
    """
    extents = [rate * (taps - 1) + 1 for taps, rate in zip(both(window), both(dilation), strict=True)]
    steps = both(strides)
    if padding == "same":
        sizes = zip(images.shape[1:3], extents, steps, strict=True)
        missing = [max((-(-size // step) - 1) * step + extent - size, 0) for size, extent, step in sizes]
        around = [(0, 0), *((count // 2, count - count // 2) for count in missing), (0, 0)]
        images = np.pad(images, around, constant_values=fill)
    starts = [
        range(0, size - extent + 1, step)
        for size, extent, step in zip(images.shape[1:3], extents, steps, strict=True)
    ]
    (height, width), (down, right) = extents, both(dilation)
    rows = [[images[:, y : y + height : down, x : x + width : right] for x in starts[1]] for y in starts[0]]
    return np.stack([np.stack(row, 1) for row in rows], axis=1)


def convolved(images, kernel, bias=0.0, **window):
    """Convolves (batch, height, width, channels) with (kernel height, kernel width, channels, filters)."""
    return np.einsum("byxijc,ijcf->byxf", patches(images, kernel.shape[:2], **window), kernel) + bias


def spread(images, kernel, strides=1, padding="valid"):
    """Transposes a convolution: each pixel adds its kernel (height, width, filters, channels) around it."""
    (down, right), (height, width) = both(strides), kernel.shape[:2]
    batch, rows, columns, _ = images.shape
    more = [max(height - down, 0), max(width - right, 0)]
    outputs = np.zeros((batch, rows * down + more[0], columns * right + more[1], kernel.shape[2]))
    for y, x in np.ndindex(rows, columns):
        added = np.einsum("bc,ijfc->bijf", images[:, y, x], kernel)
        outputs[:, y * down : y * down + height, x * right : x * right + width] += added
    if padding == "same":  # as much is left out as a convolution of this padding would put around its inputs
        top, left = more[0] // 2, more[1] // 2
        outputs = outputs[:, top : top + rows * down, left : left + columns * right]
    return outputs


def separated(images, depthwise, pointwise, **window):
    """Convolves each channel with its own filters; the outputs follow channel by channel, then are mixed."""
    by_channel = np.einsum("byxijc,ijcm->byxcm", patches(images, depthwise.shape[:2], **window), depthwise)
    return by_channel.reshape(*by_channel.shape[:3], -1) @ pointwise[0, 0]


def aligned(vector, axis, rank):
    """Returns a number for each channel in a shape that broadcasts to arrays with channels at `axis`."""
    return np.reshape(vector, [-1 if other == axis % rank else 1 for other in range(rank)])


def softmax(logits, axis=-1):
    exponentials = np.exp(logits - logits.max(axis, keepdims=True))
    return exponentials / exponentials.sum(axis, keepdims=True)


def simple_step(x, state, kernel, bias):
    """A step of an RNN, TF1's BasicRNNCell, for one sequence."""
    return (np.tanh(np.concatenate([x, state[0]]) @ kernel + bias),)


def gru_step(x, state, gates_kernel, gates_bias, kernel, bias):
    """A step of TF1's GRUCell, whose reset gate multiplies h before the candidate's product."""
    (h,) = state
    gates = 1 / (1 + np.exp(-(np.concatenate([x, h]) @ gates_kernel + gates_bias)))
    reset, update = np.split(gates, 2)
    candidate = np.tanh(np.concatenate([x, reset * h]) @ kernel + bias)
    return (update * h + (1 - update) * candidate,)


def lstm_step(x, state, kernel, bias, forget_bias=1.0):
    """A step of TF1's LSTMCell, with its gates in the order i, j, f, o."""
    c, h = state
    i, j, f, o = np.split(np.concatenate([x, h]) @ kernel + bias, 4)
    c = c / (1 + np.exp(-(f + forget_bias))) + np.tanh(j) / (1 + np.exp(-i))
    return c, np.tanh(c) / (1 + np.exp(-o))


def refused(error, text):
    """Expects the error, with a message that begins with the text."""
    return pytest.raises(error, match=f"^{re.escape(text)}")


def fits_from_the_start(trainer, folder):
    """Returns a function that fits from where the trainer is now, each time; it returns (variables, history).

    Building a graph with its loops takes longer than training a small one, so that runs which are compared
    share a trainer.
    """
    start = trainer.save(folder / "start")

    def fit(*arguments, **options):
        trainer.restore(start)
        history = trainer.fit(*arguments, **{"progress": False, **options})
        return everything(trainer), history

    return fit


class Ended(Exception):
    """Stands for what ends a process."""


class StopAt(gk.Callback):
    """Saves at a step, and ends the fit there as if the process had been killed."""

    def __init__(self, step):
        self.every_steps = self.at = step

    def on_run_end(self, trainer):
        if trainer.step == self.at:
            trainer.save()
            raise Ended


# A small problem of trainers, and what they have trained.

POINTS = normal(70, 3)
KINDS = (POINTS.sum(axis=1) > 0).astype(np.int32)


class Problem:
    """A small classifier in the current graph, with dropout and batch norm on request."""

    def __init__(self, dropout=False, batch_norm=False):
        self.points, self.kinds, self.keep_prob = gk.feature_input(3), gk.label_input(), gk.keep_prob_input()
        net = gk.dense(self.points, 8, name="hidden")
        net = gk.batch_norm(net, name="norm") if batch_norm else net
        net = gk.dropout(gk.relu(net), self.keep_prob) if dropout else gk.relu(net)
        self.logits = gk.dense(net, 2, name="logits")
        self.loss = gk.softmax_cross_entropy(self.logits, self.kinds)
        self.metrics = {"accuracy": gk.accuracy(self.logits, self.kinds)}
        self.data = {self.points: POINTS, self.kinds: KINDS}

    def trainer(self, **options):
        return gk.Trainer(self.loss, metrics=self.metrics, **options)


def everything(trainer):
    """Returns the values of all variables in the trainer's session."""
    return trainer.session.run(trainer.graph.get_collection("variables"))


def value(trainer, *names):
    """Returns the values of the variables of these names, as they stand in the trainer's session."""
    variables = {v.op.name: v for v in trainer.graph.get_collection("variables")}
    return trainer.session.run([variables[name] for name in names])


def same(first, second):
    return len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
