"""`tf.contrib.cudnn_rnn` against the formulas of cuDNN's documentation, in NumPy."""

import numpy as np
import pytest

import graphkit.tf1 as tf

cudnn = tf.contrib.cudnn_rnn
TIME, BATCH, DEPTH, UNITS = 4, 3, 5, 2
X = np.random.RandomState(0).randn(TIME, BATCH, DEPTH).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_step(x, state, weights):
    h, c = state
    i, j, f, o = np.split(np.concatenate([x, h], 1) @ weights["kernel"] + weights["bias"], 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(j)
    return sigmoid(o) * np.tanh(c), c


def gru_step(x, state, weights):
    (h,) = state
    gates = np.concatenate([x, h], 1) @ weights["gates/kernel"] + weights["gates/bias"]
    r, u = np.split(sigmoid(gates), 2, axis=1)
    of_state = h @ weights["candidate/hidden_projection/kernel"] + weights["candidate/hidden_projection/bias"]
    of_input = x @ weights["candidate/input_projection/kernel"] + weights["candidate/input_projection/bias"]
    return ((1 - u) * np.tanh(of_input + r * of_state) + u * h,)


KINDS = {"lstm": (cudnn.CudnnLSTM, lstm_step, 2), "gru": (cudnn.CudnnGRU, gru_step, 1)}


def over_time(step, x, weights, numbers, backwards=False):
    """Returns the outputs of all steps and the last state."""
    state, outputs = (np.zeros((BATCH, UNITS)),) * numbers, {}
    for t in reversed(range(TIME)) if backwards else range(TIME):
        state = step(x[t], state, weights)
        outputs[t] = state[0]
    return np.stack([outputs[t] for t in range(TIME)]), state


def run_layer(layer):
    outputs, states = layer(tf.constant(X))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        values = session.run({v.op.name: v for v in tf.trainable_variables()})
        noise = np.random.RandomState(1)
        for variable in tf.trainable_variables():  # biases that are not zero
            values[variable.op.name] = noise.randn(*variable.shape.as_list()).astype(np.float32)
            variable.load(values[variable.op.name], session)
        return values, *session.run([outputs, states])


def below(values, prefix):
    return {name[len(prefix) :]: value for name, value in values.items() if name.startswith(prefix)}


@pytest.mark.parametrize("kind", KINDS)
def test_two_layers(kind):
    make, step, numbers = KINDS[kind]
    values, outputs, states = run_layer(make(2, UNITS))
    expected, ends = X, []
    for layer in range(2):
        scope = f"cudnn_{kind}/rnn/multi_rnn_cell/cell_{layer}/cudnn_compatible_{kind}_cell/"
        expected, end = over_time(step, expected, below(values, scope), numbers)
        ends.append(end)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
    assert len(states) == numbers
    for place, state in enumerate(states):
        np.testing.assert_allclose(state, [end[place] for end in ends], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_both_directions(kind):
    make, step, numbers = KINDS[kind]
    values, outputs, states = run_layer(make(1, UNITS, direction="bidirectional"))
    scope = f"cudnn_{kind}/stack_bidirectional_rnn/cell_0/bidirectional_rnn"
    halves = [
        over_time(
            step, X, below(values, f"{scope}/{way}/cudnn_compatible_{kind}_cell/"), numbers, way == "bw"
        )
        for way in ("fw", "bw")
    ]
    np.testing.assert_allclose(outputs, np.concatenate([half[0] for half in halves], 2), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(states[0], [half[1][0] for half in halves], rtol=1e-4, atol=1e-5)


@pytest.mark.grid
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("direction", ["unidirectional", "bidirectional"])
def test_a_state_that_is_given_continues(kind, direction):
    layer = KINDS[kind][0](2, UNITS, direction=direction)
    _, states = layer(tf.constant(X[:2]))
    second, _ = layer(tf.constant(X[2:]), initial_state=states)
    whole, _ = layer(tf.constant(X))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        forward = UNITS if direction == "bidirectional" else None
        halves, complete = session.run([second[..., :forward], whole[2:, ..., :forward]])
    if direction == "unidirectional":
        np.testing.assert_allclose(halves, complete, rtol=1e-5, atol=1e-6)
    # Three calls share the variables of each cell: a kernel and a bias, or three of each.
    cells = 2 if direction == "unidirectional" else 4
    assert len(tf.trainable_variables()) == cells * (2 if kind == "lstm" else 6)
    assert {v.name for v in layer.trainable_weights} == {v.name for v in tf.trainable_variables()}


def test_dropout_between_layers_in_training():
    layer = cudnn.CudnnLSTM(2, 8, dropout=0.5, seed=1)
    inputs = tf.constant(X)
    training, evaluation = layer(inputs, training=True)[0], layer(inputs, training=False)[0]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        one, two, plain = session.run([training, evaluation, evaluation])
        again = session.run(training)
    assert (two == plain).all() and (one != two).any() and (again != one).any()


def test_what_cudnn_had_besides_is_refused():
    with pytest.raises(ValueError, match="CudnnLSTM: input_mode is not offered"):
        cudnn.CudnnLSTM(1, 2, input_mode="skip_input")
