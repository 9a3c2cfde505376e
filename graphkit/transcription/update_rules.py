"""The update rules of optimizers, in NumPy: the functions that a written file has at its top if it uses them.

Each changes the entries of `state` that it names: the variable first, then its slots. Their sources are
copied, so they use NumPy and each other alone.
"""

import numpy as np


def momentum(state, names, gradient, rate, decay, nesterov=False):
    """a = decay * a + g; w = w - rate * a; with Nesterov's look ahead w - rate * (g + decay * a)."""
    w, a = names
    state[a] = decay * state[a] + gradient
    state[w] = state[w] - rate * (gradient + decay * state[a] if nesterov else state[a])


def adam(state, names, gradient, rate, beta1_power, beta2_power, beta1, beta2, epsilon, nesterov=False):
    """m and v: moving means of the gradient and of its square; w = w - rate' * m / (sqrt(v) + epsilon)."""
    w, m, v = names
    one = gradient.dtype.type(1)
    rate = rate * np.sqrt(one - beta2_power) / (one - beta1_power)
    state[m] = state[m] + (gradient - state[m]) * (one - beta1)
    state[v] = state[v] + (gradient * gradient - state[v]) * (one - beta2)
    ahead = gradient * (one - beta1) + beta1 * state[m] if nesterov else state[m]
    state[w] = state[w] - ahead * rate / (np.sqrt(state[v]) + epsilon)


def adagrad(state, names, gradient, rate, epsilon=0.0):
    """a = a + g**2; w = w - rate * g / (sqrt(a) + epsilon)."""
    w, a = names
    state[a] = state[a] + gradient * gradient
    state[w] = state[w] - rate * gradient / (np.sqrt(state[a]) + gradient.dtype.type(epsilon))


def adadelta(state, names, gradient, rate, decay, epsilon):
    """Steps as long as the root of the mean square of earlier steps, over that of the gradients."""
    w, a, s = names
    one = gradient.dtype.type(1)
    state[a] = decay * state[a] + (one - decay) * gradient * gradient
    step = np.sqrt(state[s] + epsilon) / np.sqrt(state[a] + epsilon) * gradient
    state[s] = decay * state[s] + (one - decay) * step * step
    state[w] = state[w] - rate * step


def rmsprop(state, names, gradient, rate, decay, momentum, epsilon):
    """a = decay * a + (1 - decay) * g**2; p = momentum * p + rate * g / sqrt(a + epsilon); w = w - p."""
    w, a, p = names
    one = gradient.dtype.type(1)
    state[a] = state[a] + (gradient * gradient - state[a]) * (one - decay)
    state[p] = momentum * state[p] + rate * gradient / np.sqrt(state[a] + epsilon)
    state[w] = state[w] - state[p]


def centered_rmsprop(state, names, gradient, rate, decay, momentum, epsilon):
    """As rmsprop, with the variance of the gradients (a - b**2, b their mean) in place of a."""
    w, b, a, p = names
    one = gradient.dtype.type(1)
    state[a] = state[a] + (gradient * gradient - state[a]) * (one - decay)
    state[b] = state[b] + (gradient - state[b]) * (one - decay)
    state[p] = momentum * state[p] + rate * gradient / np.sqrt(state[a] - state[b] ** 2 + epsilon)
    state[w] = state[w] - state[p]


def ftrl(state, names, gradient, rate, l1, l2, power):
    """Follow the regularized leader: weights whose sum of gradients is small stay 0 (by l1)."""
    w, a, z = names
    squares = state[a] + gradient * gradient
    state[z] = state[z] + gradient - (squares**-power - state[a] ** -power) / rate * state[w]
    bound = squares**-power / rate + 2 * l2
    state[w] = np.where(np.abs(state[z]) > l1, (np.sign(state[z]) * l1 - state[z]) / bound, 0)
    state[a] = squares


def at_rows(rule, state, names, indices, *arguments, **options):
    """Applies an update rule to some rows of a variable and of its slots; the others stay as they are."""
    rows = {name: state[name][indices] for name in names}
    rule(rows, names, *arguments, **options)
    for name in names:
        state[name] = state[name].copy()
        state[name][indices] = rows[name]


def scattered(array, indices, rows, how=np.add):
    """A copy of the array in which rows are added (or so) at their indices, one after the other."""
    array = array.copy()
    how.at(array, indices, rows)
    return array


def replaced(array, indices, rows):
    """A copy of the array with new rows at their indices."""
    array = array.copy()
    array[indices] = rows
    return array
