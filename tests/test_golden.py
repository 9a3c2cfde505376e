"""The golden table: for each public layer, loss, metric, optimizer and schedule, numbers worked out by hand.

A public name without a row fails. The comment of a row says how its numbers follow from the definition.
"""

import math

import numpy as np
import pytest
import references
import tensorflow as tf
from references import run

import graphkit as gk
from graphkit.train import optimizers, schedules

v1 = tf.compat.v1
log = math.log

EXAMPLES = 4  # in what the metrics are given


def constant(*numbers):
    return references.constant(list(numbers))


def image(*rows):
    """Returns one image of one channel: (1, height, width, 1)."""
    return tf.constant(rows, tf.float32)[tf.newaxis, :, :, tf.newaxis]


def block(build, *arguments):
    """Returns a block whose kernels are all 3."""
    with v1.variable_scope("golden", initializer=constant(3.0)):
        return build(*arguments)


def linear():
    """Gives linear, which draws its weights, those that a dense layer of its name has made."""
    features = [[1.0, 2.0]]
    gk.dense(features, 2, kernel_initializer=constant(1.0, 2.0, 3.0, 4.0), name="layer")
    return gk.linear(features, 2, name="layer", reuse=True)


def l2_penalty():
    gk.dense([[1.0]], 3, kernel_initializer=constant(2.0), bias_initializer=constant(9.0))
    return gk.l2_penalty(0.5)


def each_of(values):
    """Returns the different values, in order."""
    return tf.sort(tf.unique(tf.reshape(values, [-1]))[0])


LAST_OF_TWO = [[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]  # predicted 1, 1, 0, 1
OF_TWO = [1, 0, 0, 1]  # so that one example of class 0 is predicted 1

# name: (what builds it, the numbers that come out)
NN = {
    "relu": (lambda: gk.relu([-1.0, 0.0, 2.0]), [0, 0, 2]),
    # 1, 2, 5 of 8
    "softmax": (lambda: gk.softmax([0.0, log(2), log(5)]), [0.125, 0.25, 0.625]),
    # Top left 1 * 1 + 2 * 2 + 4 * 3 + 5 * 4 = 37, and 1 more; a step right adds 10, a step down 30.
    "conv2d": (
        lambda: gk.conv2d(
            image([1, 2, 3], [4, 5, 6], [7, 8, 9]),
            1,
            2,
            kernel_initializer=constant(1, 2, 3, 4),
            bias_initializer=constant(1),
        ),
        [[[[38], [48]], [[68], [78]]]],
    ),
    # 1 + 10 * 2, 2 + 10 * 4, 4 + 10 * 8
    "conv1d": (
        lambda: gk.conv1d([[[1.0], [2.0], [4.0], [8.0]]], 1, 2, kernel_initializer=constant(1, 10)),
        [[[21], [42], [84]]],
    ),
    # One channel of 2 becomes two: its kernel is (1, 1, 1, 2), all 3.
    "conv1x1": (lambda: block(gk.conv1x1, image([2]), 2), [[[[6, 6]]]]),
    # 1 spreads 1, 10, 100; two places on 2 spreads 2, 20, 200; 100 and 2 meet.
    "conv2d_transpose": (
        lambda: gk.conv2d_transpose(
            image([1, 2]), 1, (1, 3), (1, 2), kernel_initializer=constant(1, 10, 100)
        ),
        [[[[1], [10], [102], [20], [200]]]],
    ),
    # Pixels (1, 2), (3, 4), (5, 6). First channel, taps 1, 10: 1 + 30, 3 + 50; second, taps 100, 1000:
    # 200 + 4000, 400 + 6000; mixed 1 to 2: 31 + 8400, 53 + 12800.
    "separable_conv2d": (
        lambda: gk.separable_conv2d(
            [[[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]]],
            1,
            (1, 2),
            depthwise_initializer=constant(1, 100, 10, 1000),
            pointwise_initializer=constant(1, 2),
        ),
        [[[[8431], [12853]]]],
    ),
    # 1 * (1, 2, 3) + 2 * (4, 5, 6) + (10, 20, 30)
    "dense": (
        lambda: gk.dense(
            [[1.0, 2.0]],
            3,
            kernel_initializer=constant(1, 2, 3, 4, 5, 6),
            bias_initializer=constant(10, 20, 30),
        ),
        [[19, 32, 45]],
    ),
    "bias_add": (lambda: gk.bias_add([[1.0, 2.0]], constant(10, 20)), [[11, 22]]),
    "flatten": (lambda: gk.flatten([[[1, 2], [3, 4]], [[5, 6], [7, 8]]]), [[1, 2, 3, 4], [5, 6, 7, 8]]),
    # What is kept of 3 becomes 3 / 0.25, the rest 0.
    "dropout": (lambda: each_of(gk.dropout(tf.fill((10, 100), 3.0), 0.25)), [0, 12]),
    # Rows 2 and 0.
    "embedding": (
        lambda: gk.embedding([2, 0], 3, 2, embeddings_initializer=constant(1, 2, 3, 4, 5, 6)),
        [[5, 6], [1, 2]],
    ),
    # 1 * (1, 2) + 2 * (3, 4)
    "linear": (linear, [[7, 10]]),
    # Mean 2, variance 1; -1 and 1 are divided by sqrt(1 + 3), multiplied by 6, and 1 is added.
    "batch_norm": (
        lambda: gk.batch_norm(
            [[1.0], [3.0]],
            epsilon=3.0,
            beta_initializer=constant(1),
            gamma_initializer=constant(6),
            training=True,
        ),
        [[-2], [4]],
    ),
    # Means 2 and 30, variances 1 and 97: -1, 1 divided by 2; -+sqrt(97) by 10.
    "layer_norm": (
        lambda: gk.layer_norm([[1.0, 3.0], [30 - 97**0.5, 30 + 97**0.5]], epsilon=3.0),
        [[-0.5, 0.5], [-(97**0.5) / 10, 97**0.5 / 10]],
    ),
    "max_pool": (lambda: gk.max_pool(image([1, 2, 3, 4], [5, 6, 7, 8]), 2, 2), [[[[6], [8]]]]),
    # (1 + 2 + 5 + 6) / 4, (3 + 4 + 7 + 8) / 4
    "avg_pool": (lambda: gk.avg_pool(image([1, 2, 3, 4], [5, 6, 7, 8]), 2, 2), [[[[3.5], [5.5]]]]),
    # 36 / 8
    "global_avg_pool": (lambda: gk.global_avg_pool(image([1, 2, 3, 4], [5, 6, 7, 8])), [[4.5]]),
    "global_max_pool": (lambda: gk.global_max_pool(image([1, 2, 3, 4], [5, 9, 7, 8])), [[9]]),
    # tanh(log 2) = (2 - 1/2) / (2 + 1/2) = 0.6; then tanh(0 + 0.6 * log(3) / 0.6) = (3 - 1/3) / (3 + 1/3).
    "rnn": (
        lambda: gk.rnn([[[log(2)], [0.0]]], 1, "simple", kernel_initializer=constant(1, log(3) / 0.6))[0],
        [[[0.6], [0.8]]],
    ),
    # Pixels 1, 2, 3. 1x1: times 3. 3x3: times 9, each with its neighbours: 3, 6, 5. 5x5: times 9, all: 6.
    # Pool: 2, 3, 3, times 3.
    "inception_module": (
        lambda: block(gk.inception_module, image([1, 2, 3]), 1, 1, 1, 1, 1, 1),
        [[[[3, 27, 54, 6], [6, 54, 54, 9], [9, 45, 54, 9]]]],
    ),
    # 2 * 3 / sqrt(1.001) * 3 / sqrt(1.001) + 2: in evaluation a norm divides by sqrt(1 + 0.001).
    "residual_block": (lambda: block(gk.residual_block, image([2]), 1), [[[[18 / 1.001 + 2]]]]),
    # Probabilities 3/4 and 1/2 of the labels.
    "softmax_cross_entropy": (
        lambda: gk.softmax_cross_entropy([[0.0, log(3)], [0.0, 0.0]], [1, 0]),
        (log(4 / 3) + log(2)) / 2,
    ),
    # Probabilities 3/4 of 1, and 1 - 1/2 of 0.
    "sigmoid_cross_entropy": (
        lambda: gk.sigmoid_cross_entropy([log(3), 0.0], [1, 0]),
        (log(4 / 3) + log(2)) / 2,
    ),
    # (1 + 4) / 2
    "mean_squared_error": (lambda: gk.mean_squared_error([1.0, 2.0], [0.0, 4.0]), 2.5),
    # (9 + 16) / 2
    "l2_loss": (lambda: gk.l2_loss([3.0, 4.0]), 12.5),
    # 0.5 * (4 + 4 + 4) / 2, without the bias
    "l2_penalty": (l2_penalty, 3),
    "accuracy": (lambda: gk.accuracy(LAST_OF_TWO, OF_TWO), 0.75),
    # Labels 0, 1 of 0, 1, 2, 2 are among the first two.
    "top_k_accuracy": (lambda: gk.top_k_accuracy([[3.0, 2.0, 1.0]] * 4, [0, 1, 2, 2], k=2), 0.5),
    "confusion_matrix": (lambda: gk.confusion_matrix(LAST_OF_TWO, OF_TWO), [[1, 1], [0, 2]]),
    # Of three predicted to be 1, two are.
    "precision": (lambda: gk.precision(LAST_OF_TWO, OF_TWO, positive=1), 2 / 3),
    # Of the two that are 0, one is predicted 0; of the two that are 1, both are predicted 1.
    "recall": (lambda: gk.recall(LAST_OF_TWO, OF_TWO), (1 / 2 + 1) / 2),
    # 2 * (2/3 * 1) / (2/3 + 1)
    "f1_score": (lambda: gk.f1_score(LAST_OF_TWO, OF_TWO, positive=1), 0.8),
    # Of four pairs of a 1 and a 0, three are in order: not 0.35 and 0.4.
    "auc": (lambda: gk.auc(tf.constant([0.1, 0.4, 0.35, 0.8]), [0, 0, 1, 1]), 0.75),
    # (1 + 2) / 2
    "mean_absolute_error": (lambda: gk.mean_absolute_error([1.0, 2.0], [0.0, 4.0]), 1.5),
    # The root of (1 + 4) / 2.
    "root_mean_squared_error": (lambda: gk.root_mean_squared_error([1.0, 2.0], [0.0, 4.0]), 2.5**0.5),
    # 1 - (1 + 4) / (4 + 4)
    "r2_score": (lambda: gk.r2_score([1.0, 2.0], [0.0, 4.0]), 0.375),
    # The root of (1 + 49) / 2.
    "Metric": (lambda: gk.Metric(tf.reduce_mean(tf.square([1.0, 7.0])), lambda mean, count: mean**0.5), 5),
}

# name: the weight after two steps on loss = w**2, gradient 2w, from w = 1 at a rate of 1/8.
OPTIMIZERS = {
    # 1 - 2/8 = 0.75; 0.75 - 1.5/8
    "sgd": 0.5625,
    # a = 2, w = 0.75; a = 0.9 * 2 + 1.5 = 3.3, w = 0.75 - 3.3/8
    "momentum": 0.3375,
    # a = 2, w = 1 - (2 + 0.9 * 2)/8 = 0.525; a = 1.8 + 1.05 = 2.85, w = 0.525 - (1.05 + 0.9 * 2.85)/8
    "nesterov": 0.073125,
    # a = 0.1 + 4, w = 1 - 0.25/sqrt(4.1) = 0.8765338; g = 1.7530676,
    # a = 4.1 + 3.0732460 = 7.1732460, w = 0.8765338 - 0.125 * 1.7530676/2.6782917
    "adagrad": 0.7947154,
    # a = 0.05 * 4 = 0.2, u = sqrt(1e-8/0.2) * 2 = 4.472136e-4, w = 1 - u/8 = 0.9999441,
    # d = 0.05 * u**2 = 1e-8; g = 1.9998882, a = 0.95 * 0.2 + 0.05 * g**2 = 0.3899776,
    # u = sqrt(2e-8/a) * g = 4.528963e-4, w - u/8
    "adadelta": 0.9998875,
    # m, v = 0.2, 0.004: w = 1 - 1/8; g = 1.75: m = 0.9 * 0.2 + 0.175 = 0.355,
    # v = 0.999 * 0.004 + 0.001 * 3.0625 = 0.0070585, rate sqrt(1 - 0.999**2)/(1 - 0.9**2)/8 = 0.02941459,
    # w = 0.875 - 0.02941459 * 0.355/0.08401488
    "adam": 0.7507104,
    # w = 1 * (1 - 0.01/8) - 1/8 = 0.87375; g = 1.7475: m = 0.35475, v = 0.003996 + 0.00305376 = 0.00704976,
    # w = 0.87375 * (1 - 0.01/8) - 0.02941459 * 0.35475/0.08396283
    "adamw": 0.7483787,
    # r = 0.9 * 1 + 0.1 * 4 = 1.3, w = 1 - 0.25/sqrt(1.3) = 0.7807355; g = 1.5614710,
    # r = 0.9 * 1.3 + 0.1 * 2.4381917 = 1.4138192, w = 0.7807355 - 0.125 * 1.5614710/1.1890413
    "rmsprop": 0.6165831,
}

# name: (schedule, {step: rate})
SCHEDULES = {
    # Each 10 steps a quarter, so each 5 steps a half.
    "exponential_decay": (
        lambda: gk.exponential_decay(0.5, 10, 0.25),
        {0: 0.5, 5: 0.25, 10: 0.125, 20: 1 / 32},
    ),
    # 0.6 divided by 1, 1 + 2/2, 1 + 2, 1 + 4
    "inverse_time_decay": (
        lambda: gk.inverse_time_decay(0.6, 10, 2.0),
        {0: 0.6, 5: 0.3, 10: 0.2, 20: 0.12},
    ),
    # A boundary belongs to the rate before it.
    "piecewise_constant": (
        lambda: gk.piecewise_constant([2, 5], [1.0, 0.5, 0.1]),
        {0: 1, 2: 1, 3: 0.5, 5: 0.5, 6: 0.1, 99: 0.1},
    ),
    # 1/3, 2/3, 3/3 of 0.9, then from 0.9 to 0.1: cos(60 degrees) = 1/2 at a third, 0 at the half.
    "cosine_decay": (
        lambda: gk.cosine_decay(0.9, 62, warmup_steps=2, final_rate=0.1),
        {0: 0.3, 1: 0.6, 2: 0.9, 22: 0.1 + 0.8 * 0.75, 32: 0.5, 62: 0.1, 99: 0.1},
    ),
    # Half a cosine of 10 steps, then of 20 from half the rate, then of 40 from a quarter.
    "cosine_decay_restarts": (
        lambda: gk.cosine_decay_restarts(1.0, 10, m_mul=0.5),
        {0: 1, 5: 0.5, 10: 0.5, 20: 0.25, 30: 0.25, 50: 0.125},
    ),
    # The square of what is left.
    "polynomial_decay": (
        lambda: gk.polynomial_decay(1.0, 10, final_rate=0.0, power=2.0),
        {0: 1, 5: 0.25, 8: 0.04, 10: 0, 99: 0},
    ),
    # Up from 1/25 to step 0.3 * 100 - 1, then down to step 99, halfway at 64.
    "one_cycle": (
        lambda: gk.one_cycle(1.0, 100, final_rate=0.0),
        {0: 0.04, 29: 1, 64: 0.5, 99: 0, 200: 0},
    ),
    # Quarters of 1 in three steps, then a line of 10 steps.
    "linear_warmup": (
        lambda: gk.linear_warmup(gk.polynomial_decay(1.0, 10, final_rate=0.0), 3),
        {0: 0.25, 2: 0.75, 3: 1, 8: 0.5, 13: 0, 99: 0},
    ),
}

MODULES_WITHOUT_ROWS = ("graphkit.nn.inputs", "graphkit.nn.initializers")


def home(name):
    """Returns the module that a public name is defined in."""
    return getattr(getattr(gk, name), "__module__", "")


PUBLIC = [n for n in gk.__all__ if home(n).startswith("graphkit.nn.") and home(n) not in MODULES_WITHOUT_ROWS]


@pytest.mark.parametrize(
    "rows, public",
    [(NN, PUBLIC), (OPTIMIZERS, optimizers.OPTIMIZERS), (SCHEDULES, schedules.__all__)],
    ids=["nn", "optimizers", "schedules"],
)
def test_each_public_name_has_a_row(rows, public):
    assert sorted(rows) == sorted(public), "a public name without golden row, or a row without public name"


@pytest.mark.parametrize("name", NN)
def test_layers_losses_and_metrics(name):
    build, expected = NN[name]
    built = build()
    metric = isinstance(built, gk.Metric)
    value = run(built.tensor if metric else built)
    value = built.finish(np.asarray(value, np.float64), EXAMPLES) if metric else value
    assert np.shape(value) == np.shape(expected)
    np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-6)


class Weights(gk.Callback):
    """Keeps the trained variables as they stand after each step."""

    def __init__(self):
        self.values = []

    def on_step(self, trainer, metrics):
        self.values.append(trainer.session.run(trainer.graph.get_collection("trainable_variables")))


def weights_after_steps(optimizer, outputs, targets, fed, steps, rate, weights=None):
    """Returns the variables of the outputs after each step towards the targets, on one example of ones."""
    kept = Weights()
    loss = gk.mean_squared_error(outputs, targets, weights)
    with gk.Trainer(loss, optimizer, rate) as trainer:
        trainer.fit({fed: np.ones((1, 1))}, epochs=steps, batch_size=1, callbacks=[kept], progress=False)
    return kept.values


@pytest.mark.grid
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name):
    fed = gk.feature_input(1)
    outputs = gk.dense(fed, 1, use_bias=False, kernel_initializer=constant(1))
    ((_,), (kernel,)) = weights_after_steps(name, outputs, tf.zeros((1, 1)), fed, 2, 0.125)
    # TensorFlow keeps 0.999 as float32, so that of 1 - 0.999**2 only five digits are right.
    np.testing.assert_allclose(kernel, [[OPTIMIZERS[name]]], atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name):
    build, expected = SCHEDULES[name]
    schedule = build()
    rates = {step: schedule(step) for step in expected}
    assert rates == pytest.approx(expected, rel=1e-12)


# The published rules, as functions (gradient, step counted from 1, state, rate) -> what is subtracted.


def sgd(g, t, state, rate):
    return rate * g


def momentum(g, t, state, rate):
    """TF1: accumulation = momentum * accumulation + gradient, without the rate."""
    state["a"] = 0.9 * state.get("a", 0) + g
    return rate * state["a"]


def nesterov(g, t, state, rate):
    """TF1's use_nesterov: the gradient, and the new accumulation a step ahead."""
    state["a"] = 0.9 * state.get("a", 0) + g
    return rate * (g + 0.9 * state["a"])


def adagrad(g, t, state, rate):
    """J. Duchi et al., JMLR 12 (2011), with TF1's initial accumulator of 0.1."""
    state["a"] = state.get("a", 0.1) + g**2
    return rate * g / np.sqrt(state["a"])


def adadelta(g, t, state, rate):
    """M. Zeiler, 2012, algorithm 1, with rho = 0.95 and epsilon = 1e-8, times the rate."""
    state["a"] = 0.95 * state.get("a", 0) + 0.05 * g**2
    change = np.sqrt(state.get("d", 0) + 1e-8) / np.sqrt(state["a"] + 1e-8) * g
    state["d"] = 0.95 * state.get("d", 0) + 0.05 * change**2
    return rate * change


def adam(g, t, state, rate):
    """D. Kingma, J. Ba, ICLR 2015, end of section 2: epsilon next to the root that is not corrected."""
    state["m"] = 0.9 * state.get("m", 0) + 0.1 * g
    state["v"] = 0.999 * state.get("v", 0) + 0.001 * g**2
    corrected = rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return corrected * state["m"] / (np.sqrt(state["v"]) + 1e-8)


def rmsprop(g, t, state, rate):
    """G. Hinton's lecture 6e; in TF1 decay 0.9, mean squares that start at 1, epsilon inside the root."""
    state["r"] = 0.9 * state.get("r", 1.0) + 0.1 * g**2
    return rate * g / np.sqrt(state["r"] + 1e-10)


RULES = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "adadelta": adadelta,
    "adam": adam,
    "adamw": adam,
    "rmsprop": rmsprop,
}
# The last is so flat that an epsilon makes most of a denominator.
CURVATURES = np.array([[1.0, 5.0, 1e-7]])
KERNEL, BIAS, TARGETS = (
    np.array([[1.0, -2.0, 3.0]]),
    np.array([0.5, 0.25, -0.5]),
    np.array([[0.0, 1.0, -1.0]]),
)


def by_rule(name, steps, rate):
    """Returns [kernel, bias] after each step on the mean of curvature * (kernel + bias - target)**2."""
    kernel, bias, states, values = KERNEL, BIAS, ({}, {}), []
    for t in range(1, steps + 1):
        g = 2 * CURVATURES * (kernel + bias - TARGETS) / 3
        decay = rate * 0.01 * kernel if name == "adamw" else 0  # of the kernel alone, apart from the gradient
        kernel = kernel - decay - RULES[name](g, t, states[0], rate)
        bias = bias - RULES[name](g[0], t, states[1], rate)
        values.append([kernel, bias])
    return values


@pytest.mark.grid
@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize(
    "dtype, accuracy", [(tf.float32, 5e-5), pytest.param(tf.float64, 2e-5, marks=pytest.mark.slow)]
)
def test_optimizers_follow_the_published_rule(name, dtype, accuracy):
    fed = v1.placeholder(dtype, (None, 1))
    outputs = gk.dense(
        fed,
        3,
        kernel_initializer=constant(*KERNEL[0]),
        bias_initializer=constant(*BIAS),
    )
    found = weights_after_steps(name, outputs, TARGETS, fed, 8, 0.0625, CURVATURES)
    expected = by_rule(name, 8, 0.0625)
    for step, (ours, rules) in enumerate(zip(found, expected, strict=True)):
        for variable, start, one, other in zip(("kernel", "bias"), (KERNEL, BIAS), ours, rules, strict=True):
            moved, wanted = one - start, other - start
            np.testing.assert_allclose(
                moved, wanted, rtol=accuracy, atol=1e-6, err_msg=f"{variable} after step {step + 1}"
            )


def test_rules_cover_all_optimizers():
    assert sorted(RULES) == sorted(optimizers.OPTIMIZERS)
