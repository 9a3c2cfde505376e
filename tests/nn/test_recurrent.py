"""Recurrent layers against their equations in NumPy, TensorFlow's own `dynamic_rnn`, and TF1's names."""

import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from nn.hand_made_cells import HandMadeCell
from references import (
    assert_gradients,
    gru_step,
    lstm_step,
    names,
    normal,
    refused,
    set_variable,
    simple_step,
)

import graphkit as gk
from graphkit.graph import control_flow

v1 = tf.compat.v1
BATCH, TIME, FEATURES, UNITS = 4, 5, 3, 2
LENGTHS = [0, 5, 3, 1]
CELLS = ("simple", "gru", "lstm")

each_cell = pytest.mark.parametrize("cell", CELLS)


def by_default(default):
    """Parametrizes with one cell by default, and with the others in the slow tier."""
    others = [pytest.param(cell, marks=pytest.mark.slow) for cell in CELLS if cell != default]
    return pytest.mark.parametrize("cell", [default, *others])


STEPS = {"simple": simple_step, "gru": gru_step, "lstm": lstm_step}
WEIGHTS = {"simple": 2, "gru": 4, "lstm": 2}  # variables of a cell
PARTS = {"simple": 1, "gru": 1, "lstm": 2}  # of its state


def reference(cell, inputs, lengths, weights, initial=None, backward=False):
    """Returns (outputs, parts of the state at the last valid step) of one cell."""
    outputs = np.zeros((*inputs.shape[:2], UNITS))
    parts = np.zeros((PARTS[cell], len(inputs), UNITS)) if initial is None else np.array(initial)
    for number, (sequence, length) in enumerate(zip(inputs, lengths, strict=True)):
        state = tuple(parts[:, number])
        order = range(length - 1, -1, -1) if backward else range(length)
        for t in order:
            state = STEPS[cell](sequence[t], state, *weights)
            outputs[number, t] = state[-1]
        parts[:, number] = state
    return outputs, list(parts)


def stacked_reference(cell, inputs, lengths, weights, num_layers, bidirectional):
    """Returns (outputs, flat state: forward layers, then backward ones); weights in TF1's order."""
    weights = iter(weights)
    states = {"fw": [], "bw": []}
    for _ in range(num_layers):
        results = []
        for direction in ("fw", "bw") if bidirectional else ("fw",):
            own = list(itertools.islice(weights, WEIGHTS[cell]))
            outputs, state = reference(cell, inputs, lengths, own, backward=direction == "bw")
            results.append(outputs)
            states[direction] += state
        inputs = np.concatenate(results, axis=-1)
    assert next(weights, None) is None
    return inputs, states["fw"] + states["bw"]


# What the tests share: sequences, random weights, a session.


def sequences(dtype="float32", time=TIME, seed=0):
    return normal(BATCH, time, FEATURES, dtype=dtype, seed=seed)


def session_with_random_weights(seed=1):
    """Returns a session in which every variable, biases too, is drawn from a normal distribution."""
    session = v1.Session()
    for place, variable in enumerate(v1.global_variables()):
        dtype = variable.dtype.as_numpy_dtype
        set_variable(session, variable, normal(*variable.shape, dtype=dtype, seed=[seed, place]))
    return session


def trained():
    return names([variable.op for variable in v1.trainable_variables()])


def assert_near(actual, expected, dtype="float32"):
    np.testing.assert_allclose(actual, expected, atol=2e-6 if dtype == "float32" else 1e-13)


@pytest.mark.grid
@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
@each_cell
def test_cells_compute_their_equations(cell, dtype):
    x, cases = sequences(dtype), {}
    for shape in ((BATCH, TIME), (None, TIME), (None, None)):
        for lengths in (None, LENGTHS):
            inputs = v1.placeholder(dtype, (*shape, FEATURES))
            outputs, state = gk.rnn(inputs, UNITS, cell, lengths, name="cell", reuse=v1.AUTO_REUSE)
            assert outputs.dtype == dtype and outputs.shape.as_list() == [*shape, UNITS]
            cases[shape, lengths is None] = inputs, outputs, tf.nest.flatten(state)
    with session_with_random_weights() as session:
        weights = session.run(v1.trainable_variables())
        feed = {inputs: x for inputs, *_ in cases.values()}
        found = session.run({case: fetched[1:] for case, fetched in cases.items()}, feed)
    for (_, complete), (actual, final) in found.items():
        expected, expected_final = reference(cell, x, [TIME] * BATCH if complete else LENGTHS, weights)
        assert_near(actual, expected, dtype)
        assert_near(final, expected_final, dtype)


@pytest.mark.grid
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [pytest.param(1, marks=pytest.mark.slow), 3])
@pytest.mark.parametrize("lengths", [pytest.param(None, marks=pytest.mark.slow), LENGTHS])
@each_cell
def test_layers_and_directions_are_cells_put_together(cell, lengths, num_layers, bidirectional):
    x = sequences("float64")
    outputs, state = gk.rnn(
        tf.constant(x), UNITS, cell, lengths, num_layers=num_layers, bidirectional=bidirectional
    )
    assert outputs.shape.as_list() == [BATCH, TIME, UNITS * (2 if bidirectional else 1)]
    with session_with_random_weights() as session:
        weights = session.run(v1.trainable_variables())
        actual, final = session.run((outputs, tf.nest.flatten(state)))
    lengths = lengths or [TIME] * BATCH
    expected, expected_final = stacked_reference(cell, x, lengths, weights, num_layers, bidirectional)
    assert_near(actual, expected, "float64")
    assert_near(final, expected_final, "float64")


def test_the_state_has_the_structure_of_cells_layers_and_directions():
    inputs = tf.zeros((2, 3, 1))
    _, state = gk.rnn(inputs, 4)
    assert state._fields == ("c", "h") and state.c.shape == state.h.shape == (2, 4)
    for cell in ("simple", "gru"):
        outputs, state = gk.rnn(inputs, 4, cell)
        assert state.shape == (2, 4) and outputs.shape == (2, 3, 4)
    _, layers = gk.rnn(inputs, 4, num_layers=3)
    assert len(layers) == 3 and all(layer._fields == ("c", "h") for layer in layers)
    _, (forward, backward) = gk.rnn(inputs, 4, bidirectional=True)
    assert forward._fields == backward._fields == ("c", "h")
    _, (forward, backward) = gk.rnn(inputs, 4, "gru", num_layers=3, bidirectional=True)
    assert len(forward) == len(backward) == 3


def test_forget_bias_is_added_in_the_graph():
    x = sequences("float64")
    outputs, _ = gk.rnn(tf.constant(x), UNITS, forget_bias=-0.5)
    with session_with_random_weights() as session:
        kernel, bias, actual = session.run([*v1.trainable_variables(), outputs])
    zero = np.zeros((2, UNITS))
    _, first = lstm_step(x[0, 0], zero, kernel, bias, forget_bias=-0.5)
    state = lstm_step(x[0, 0], zero, kernel, bias, forget_bias=-0.5)
    _, second = lstm_step(x[0, 1], state, kernel, bias, forget_bias=-0.5)
    assert_near(actual[0, :2], [first, second], "float64")


# Against TensorFlow's own loop, with cells written down from the equations and the layer's variables.


@pytest.mark.parametrize("time", [TIME, pytest.param(None, marks=pytest.mark.slow)])
@by_default("lstm")
def test_agrees_with_dynamic_rnn_in_values_and_gradients(cell, time):
    inputs = v1.placeholder(tf.float64, (None, time, FEATURES))
    lengths = v1.placeholder(tf.int32, (None,))
    ours = gk.rnn(inputs, UNITS, cell, lengths, name="encoder")
    with v1.variable_scope(v1.get_variable_scope(), reuse=True):
        theirs = v1.nn.dynamic_rnn(
            HandMadeCell(cell, UNITS), inputs, lengths, dtype=tf.float64, scope="encoder"
        )
    results = []
    for result in (ours, theirs):
        flat = tf.nest.flatten(result)
        loss = tf.add_n([tf.reduce_sum(tf.sin(tensor)) for tensor in flat])
        results.append([*flat, *tf.gradients(loss, [inputs, *v1.trainable_variables()])])
    assert len(v1.trainable_variables()) == WEIGHTS[cell]
    with session_with_random_weights() as session:
        actual, expected = session.run(results, {inputs: sequences("float64"), lengths: LENGTHS})
    for first, second in zip(actual, expected, strict=True):
        assert_near(first, second, "float64")


@pytest.mark.parametrize(
    "cell", ["gru", *(pytest.param(c, marks=pytest.mark.slow) for c in ("simple", "lstm"))]
)
def test_agrees_with_bidirectional_dynamic_rnn(cell):
    inputs, lengths = tf.constant(sequences("float64")), tf.constant(LENGTHS)
    outputs, state = gk.rnn(inputs, UNITS, cell, lengths, bidirectional=True)
    with v1.variable_scope(v1.get_variable_scope(), reuse=True):
        both, expected_state = v1.nn.bidirectional_dynamic_rnn(
            HandMadeCell(cell, UNITS), HandMadeCell(cell, UNITS), inputs, lengths, dtype=tf.float64
        )
    actual, expected = (
        [outputs, *tf.nest.flatten(state)],
        [tf.concat(both, 2), *tf.nest.flatten(expected_state)],
    )
    with session_with_random_weights() as session:
        for first, second in zip(*session.run((actual, expected)), strict=True):
            assert_near(first, second, "float64")


# Variables: TF1's names, shapes, order and initial values.

CELL_VARIABLES = {
    "simple": {"basic_rnn_cell/kernel": (-1, 2), "basic_rnn_cell/bias": (2,)},
    "gru": {
        "gru_cell/gates/kernel": (-1, 4),
        "gru_cell/gates/bias": (4,),
        "gru_cell/candidate/kernel": (-1, 2),
        "gru_cell/candidate/bias": (2,),
    },
    "lstm": {"lstm_cell/kernel": (-1, 8), "lstm_cell/bias": (8,)},
}
SCOPES = {  # (layers, bidirectional): [(scope of a cell in the outer one, features that it reads)]
    (1, False): [("", 3)],
    (2, False): [("multi_rnn_cell/cell_0/", 3), ("multi_rnn_cell/cell_1/", 2)],
    (1, True): [("fw/", 3), ("bw/", 3)],
    (2, True): [
        ("cell_0/bidirectional_rnn/fw/", 3),
        ("cell_0/bidirectional_rnn/bw/", 3),
        ("cell_1/bidirectional_rnn/fw/", 4),
        ("cell_1/bidirectional_rnn/bw/", 4),
    ],
}
DEFAULT_NAMES = {
    (1, False): "rnn",
    (2, False): "rnn",
    (1, True): "bidirectional_rnn",
    (2, True): "stack_bidirectional_rnn",
}


@pytest.mark.parametrize("name", [None, "encoder"])
@pytest.mark.parametrize("layers, bidirectional", SCOPES)
@each_cell
def test_variables_are_those_of_tf1(cell, layers, bidirectional, name):
    inputs = tf.zeros((BATCH, 2, FEATURES))
    gk.rnn(inputs, UNITS, cell, num_layers=layers, bidirectional=bidirectional, name=name)
    outer = name or DEFAULT_NAMES[layers, bidirectional]
    expected = [
        (f"{outer}/{scope}{variable}", tuple(features + UNITS if size == -1 else size for size in shape))
        for scope, features in SCOPES[layers, bidirectional]
        for variable, shape in CELL_VARIABLES[cell].items()
    ]
    assert [(v.op.name, tuple(v.shape)) for v in v1.global_variables()] == expected
    assert trained() == [variable for variable, _ in expected]


def test_lstm_as_the_names_were_written_in_tf1_checkpoints(tmp_path):
    kernel, bias = np.random.default_rng(2).normal(size=(2, 5, 8)).astype(np.float32), np.arange(8, dtype="f")
    with tf.Graph().as_default(), v1.Session() as session:
        for layer in range(2):
            scope = f"decoder/multi_rnn_cell/cell_{layer}/lstm_cell"
            rows = kernel[layer, : (FEATURES if layer == 0 else UNITS) + UNITS]
            v1.get_variable(f"{scope}/kernel", initializer=rows, use_resource=False)
            v1.get_variable(f"{scope}/bias", initializer=bias, use_resource=False)
        session.run(v1.global_variables_initializer())
        path = v1.train.Saver().save(session, str(tmp_path / "model"))
    x = sequences()
    outputs, _ = gk.rnn(tf.constant(x), UNITS, num_layers=2, name="decoder")
    with v1.Session() as session:
        v1.train.Saver().restore(session, path)
        actual = session.run(outputs)
    weights = [kernel[0], bias, kernel[1, : 2 * UNITS], bias]
    expected, _ = stacked_reference("lstm", x, [TIME] * BATCH, weights, 2, False)
    assert_near(actual, expected)


@each_cell
def test_biases_start_at_zero_and_those_of_gru_gates_at_one(cell):
    gk.rnn(tf.zeros((1, 2, 3)), 50, cell)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        for variable in v1.trainable_variables():
            value = session.run(variable)
            if variable.op.name.endswith("/bias"):
                assert np.all(value == ("gates" in variable.op.name))
            else:  # Glorot's uniform
                limit = np.sqrt(6 / sum(value.shape))
                assert 0.9 * limit < np.abs(value).max() <= limit


def test_initializers_can_be_given_or_left_to_the_scope():
    ones = v1.ones_initializer()
    gk.rnn(
        tf.zeros((1, 2, 3)), 2, "gru", kernel_initializer=gk.zeros(), bias_initializer=gk.zeros(), name="a"
    )
    with v1.variable_scope("b", initializer=ones):
        gk.rnn(tf.zeros((1, 2, 3)), 2, "gru")
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        values = {variable.op.name: session.run(variable) for variable in v1.trainable_variables()}
    assert all(np.all(value == 0) for name, value in values.items() if name.startswith("a/"))
    assert all(np.all(value == 1) for name, value in values.items() if "kernel" in name and name[0] == "b")
    assert np.all(values["b/rnn/gru_cell/candidate/bias"] == 0)


def test_trainable_false_keeps_the_variables_from_the_optimizer():
    gk.rnn(tf.zeros((1, 2, 3)), 2, "gru", trainable=False)
    assert len(v1.global_variables()) == 4 and trained() == []


def test_kernel_regularizer_files_a_loss_for_each_kernel():
    gk.rnn(tf.zeros((1, 2, 3)), 2, "gru", num_layers=2, kernel_regularizer=gk.l2_loss)
    losses = v1.get_collection(v1.GraphKeys.REGULARIZATION_LOSSES)
    kernels = [variable for variable in v1.trainable_variables() if "kernel" in variable.op.name]
    with session_with_random_weights() as session:
        actual, weights = session.run((losses, kernels))
    assert_near(actual, [np.sum(kernel**2) / 2 for kernel in weights])


def test_unnamed_calls_are_numbered():
    for _ in range(2):
        gk.rnn(tf.zeros((1, 2, 3)), 2, "simple")
    assert [name for name in trained() if "kernel" in name] == [
        "rnn/basic_rnn_cell/kernel",
        "rnn_1/basic_rnn_cell/kernel",
    ]


@pytest.mark.parametrize("name", [None, "encoder"])
def test_reuse_shares_the_variables(name):
    x = tf.constant(sequences())
    first, _ = gk.rnn(x, UNITS, num_layers=2, bidirectional=True, name=name)
    before = trained()
    second, _ = gk.rnn(x, UNITS, num_layers=2, bidirectional=True, name=name, reuse=True)
    assert trained() == before
    with session_with_random_weights() as session:
        np.testing.assert_array_equal(*session.run((first, second)))


def test_surrounding_variable_scope_decides_on_reuse():
    with v1.variable_scope("model", reuse=v1.AUTO_REUSE):
        gk.rnn(tf.zeros((1, 2, 3)), 2, name="encoder")
        gk.rnn(tf.zeros((1, 2, 3)), 2, name="encoder")
    assert trained() == ["model/encoder/lstm_cell/kernel", "model/encoder/lstm_cell/bias"]


# Gradients.


@pytest.mark.grid
@pytest.mark.parametrize("time", [3, pytest.param(None, marks=pytest.mark.slow)])
@each_cell
def test_gradients_are_finite_differences(cell, time):
    inputs = v1.placeholder(tf.float64, (None, time, FEATURES))
    outputs, state = gk.rnn(inputs, UNITS, cell, [3, 2], bidirectional=True)
    total = tf.reduce_sum(tf.sin(outputs)) + sum(tf.reduce_sum(part**2) for part in tf.nest.flatten(state))
    assert_gradients(total, {inputs: sequences("float64", time=3)[:2]})


# Padding.


@functools.cache
def padded_program(cell, time):
    """Returns a function (inputs, lengths) -> outputs, state, gradients to the inputs and variables."""
    with tf.Graph().as_default():
        inputs = v1.placeholder(tf.float32, (None, time, FEATURES))
        lengths = v1.placeholder(tf.int32, (None,))
        outputs, state = gk.rnn(inputs, UNITS, cell, lengths, bidirectional=True)
        flat = [outputs, *tf.nest.flatten(state)]
        loss = tf.add_n([tf.reduce_sum(tf.sin(tensor)) for tensor in flat])
        gradients = tf.gradients(loss, [inputs, *v1.trainable_variables()])
        session = session_with_random_weights()
        run = session.make_callable([outputs, gradients[0], *flat[1:], *gradients[1:]], [inputs, lengths])
    return lambda *arrays: (session, run(*arrays))[1]


@by_default("lstm")
@settings(max_examples=15, deadline=None)
@given(
    time=st.sampled_from([TIME, None]),
    lengths=st.lists(st.integers(0, TIME), min_size=BATCH, max_size=BATCH),
    padding=st.sampled_from([0.0, 7.0, -1e30, np.inf, np.nan]),
)
def test_padding_influences_nothing(cell, time, lengths, padding):
    program = padded_program(cell, time)
    x = sequences()
    beyond = np.arange(TIME) >= np.array(lengths)[:, np.newaxis]
    expected = program(x, lengths)
    x[beyond] = padding
    actual = program(x, lengths)
    for first, second in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(first, second)
    outputs, slopes = actual[:2]
    assert np.all(outputs[beyond] == 0) and np.all(slopes[beyond] == 0)
    assert np.all(np.isfinite(slopes)) and np.all(outputs[~beyond] != 0)


def test_lengths_beyond_the_time_axis_mean_all_of_it():
    inputs, lengths = tf.constant(sequences()), v1.placeholder(tf.int32, (None,))
    fetches = gk.rnn(inputs, UNITS, lengths=lengths, bidirectional=True)
    with session_with_random_weights() as session:
        actual = session.run(tf.nest.flatten(fetches), {lengths: [-2, 9, 6, 1]})
        expected = session.run(tf.nest.flatten(fetches), {lengths: [0, 5, 5, 1]})
    for first, second in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(first, second)


def test_another_number_of_lengths_is_not_broadcast():
    inputs, lengths = tf.constant(sequences()), v1.placeholder(tf.int64, (None,))
    outputs, _ = gk.rnn(inputs, UNITS, lengths=lengths)
    with session_with_random_weights() as session, pytest.raises(tf.errors.InvalidArgumentError):
        session.run(outputs, {lengths: [2]})


# The initial state, the time axis, and where the ops may be used.


@pytest.mark.parametrize("bidirectional", [False, True])
@each_cell
def test_initial_state_is_what_the_cells_start_from(cell, bidirectional):
    x = sequences("float64")
    directions = 2 if bidirectional else 1
    parts = np.random.default_rng(3).normal(size=(directions, PARTS[cell], BATCH, UNITS))
    given_state = [tuple(part) if cell == "lstm" else part[0] for part in parts]
    given_state = tuple(given_state) if bidirectional else given_state[0]
    outputs, state = gk.rnn(
        tf.constant(x), UNITS, cell, LENGTHS, bidirectional=bidirectional, initial_state=given_state
    )
    with session_with_random_weights() as session:
        weights = session.run(v1.trainable_variables())
        actual, final = session.run((outputs, tf.nest.flatten(state)))
    results = [
        reference(
            cell, x, LENGTHS, weights[place * WEIGHTS[cell] :][: WEIGHTS[cell]], parts[place], place == 1
        )
        for place in range(directions)
    ]
    assert_near(actual, np.concatenate([result for result, _ in results], axis=2), "float64")
    assert_near(final, [part for _, state_parts in results for part in state_parts], "float64")


@by_default("lstm")
def test_a_sequence_goes_on_from_the_state_of_its_first_half(cell):
    x = tf.constant(sequences("float64"))
    complete, end = gk.rnn(x, UNITS, cell, num_layers=2, name="net")
    first, state = gk.rnn(x[:, :2], UNITS, cell, num_layers=2, name="net", reuse=True)
    rest, last = gk.rnn(x[:, 2:], UNITS, cell, num_layers=2, name="net", reuse=True, initial_state=state)
    assert type(last) is type(end)
    with session_with_random_weights() as session:
        expected, *end = session.run([complete, *tf.nest.flatten(end)])
        actual, *last = session.run([tf.concat([first, rest], 1), *tf.nest.flatten(last)])
    assert_near(actual, expected, "float64")
    assert_near(last, end, "float64")


def test_gradients_reach_the_initial_state():
    start = tf.constant([[0.1, 0.2]])
    outputs, _ = gk.rnn(tf.ones((1, 3, 1)), 2, "gru", initial_state=start)
    (slopes,) = tf.gradients(tf.reduce_sum(outputs), [start])
    with session_with_random_weights() as session:
        assert np.all(session.run(slopes) != 0)


@pytest.mark.parametrize("time, unrolled", [(32, True), (33, False), (None, False)])
def test_short_known_time_axes_are_unrolled(time, unrolled):
    inputs = v1.placeholder(tf.float64, (None, time, FEATURES))
    outputs, _ = gk.rnn(inputs, UNITS, "gru")
    kinds = {op.type for op in outputs.graph.get_operations()}
    assert unrolled == (not kinds & {"While", "StatelessWhile", "Enter"})
    x = sequences("float64", time=time or 7)
    with session_with_random_weights() as session:
        weights = session.run(v1.trainable_variables())
        actual = session.run(outputs, {inputs: x})
    expected, _ = reference("gru", x, [x.shape[1]] * BATCH, weights)
    assert_near(actual, expected, "float64")


@pytest.mark.parametrize("time", [TIME, None])
def test_an_empty_batch_gives_empty_outputs(time):
    inputs, lengths = v1.placeholder(tf.float32, (None, time, 3)), v1.placeholder(tf.int32, (None,))
    outputs, state = gk.rnn(inputs, UNITS, lengths=lengths, bidirectional=True)
    with session_with_random_weights() as session:
        feed = {inputs: np.zeros((0, TIME, 3)), lengths: np.zeros(0)}
        results = session.run([outputs, *tf.nest.flatten(state)], feed)
    assert [result.shape for result in results] == [(0, TIME, 2 * UNITS)] + [(0, UNITS)] * 4


@pytest.mark.grid
@pytest.mark.parametrize("time", [TIME, None])
def test_sub_graph_of_the_gradients_runs_inside_a_while_loop(time):
    inputs = v1.placeholder(tf.float64, (None, time, FEATURES), name="inputs")
    lengths = v1.placeholder(tf.int32, (None,), name="lengths")
    outputs, _ = gk.rnn(inputs, UNITS, "gru", lengths)
    variables = v1.trainable_variables()
    sums = [tf.reduce_sum(slope**2) for slope in tf.gradients(tf.reduce_sum(outputs**2), variables)]
    definition = v1.graph_util.extract_sub_graph(
        inputs.graph.as_graph_def(), [total.op.name for total in sums]
    )
    x = tf.constant(np.stack([sequences("float64", seed=seed) for seed in range(3)]))
    valid = tf.constant([LENGTHS] * 3)

    def body(step, total):
        handles = {variable.handle.name: tf.identity(variable.handle) for variable in variables}
        input_map = {"inputs:0": x[step], "lengths:0": valid[step], **handles}
        return step + 1, total + tf.add_n(
            tf.import_graph_def(definition, input_map, return_elements=[total.name for total in sums])
        )

    start = (tf.constant(0), tf.constant(0.0, tf.float64))
    looped = tf.while_loop(lambda step, _: step < 3, body, start)[1]
    with session_with_random_weights() as session:
        actual, arrays = session.run((looped, x))
        runs = [session.run(sums, {inputs: array, lengths: LENGTHS}) for array in arrays]
    np.testing.assert_allclose(actual, np.sum(runs), rtol=1e-12)


def test_a_loop_of_tensorflow_1_around_it_has_gradients():
    inputs = v1.placeholder(tf.float64, (None, None, UNITS))

    def layer(net):
        with v1.variable_scope("layer", reuse=v1.AUTO_REUSE):
            return gk.rnn(net, UNITS, "gru")[0]

    by_hand = layer(layer(inputs))
    with control_flow.of_functions(False):
        looped = tf.while_loop(lambda i, _: i < 2, lambda i, net: (i + 1, layer(net)), (0, inputs))[1]
        wanted = [inputs, *v1.trainable_variables()]
        found = [tf.gradients(net**2, wanted) for net in (looped, by_hand)]
    assert "Enter" in {op.type for op in inputs.graph.get_operations()}
    with session_with_random_weights() as session:
        looped, by_hand = session.run(found, {inputs: sequences("float64")[..., :1] * np.ones(UNITS)})
    for actual, expected in zip(looped, by_hand, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-9)


# Refusals.


COUNTS = "must be an integer of at least 1; received"
CHOICES = "cell must be one of 'simple', 'gru', 'lstm'; received"
STATE = "initial_state must hold float32 tensors (batch, 5); received"
REFUSALS = [
    (
        ValueError,
        "cell must be one of 'simple', 'gru', 'lstm'; received cell='peephole'",
        {"cell": "peephole"},
    ),
    (TypeError, "cell must be one of 'simple', 'gru', 'lstm'; received cell=3", {"cell": 3}),
    (ValueError, "inputs must have a time step; received shape=(2, 0, 4)", {"inputs": np.ones((2, 0, 4))}),
    (ValueError, f"units {COUNTS} units=0", {"units": 0}),
    (TypeError, f"units {COUNTS} units=2.5", {"units": 2.5}),
    (ValueError, f"num_layers {COUNTS} num_layers=0", {"num_layers": 0}),
    (TypeError, "lengths must be int32 or int64; received dtype='float32'", {"lengths": [1.0, 2.0]}),
    (ValueError, "lengths must have 1 axes; received shape=(1, 2)", {"lengths": [[1, 2]]}),
    (
        ValueError,
        "lengths must have one number for each sequence; received lengths=(3,), inputs=(2, 3, 4)",
        {"lengths": [1, 2, 3]},
    ),
    (ValueError, "lengths must lie in 0..time; received minimum=1, maximum=4, time=3", {"lengths": [4, 1]}),
    (ValueError, "lengths must lie in 0..time; received minimum=-1, maximum=2, time=3", {"lengths": [-1, 2]}),
    (TypeError, "forget_bias must be a finite number; received forget_bias='1'", {"forget_bias": "1"}),
    (
        ValueError,
        "forget_bias is for an LSTM only; received cell='gru', forget_bias=0.0",
        {"cell": "gru", "forget_bias": 0},
    ),
    (ValueError, "initial_state must have the structure LSTMState", {"initial_state": np.ones((2, 5))}),
    (ValueError, "initial_state must have the structure h", {"cell": "gru", "initial_state": (1, 2)}),
    (ValueError, f"{STATE} shape=(2, 4), dtype=", {"cell": "gru", "initial_state": np.ones((2, 4), "f")}),
    (ValueError, f"{STATE} shape=(2, 5), dtype='float64'", {"cell": "gru", "initial_state": np.ones((2, 5))}),
    (
        ValueError,
        "initial_state must have 2 axes; received shape=(5,)",
        {"cell": "gru", "initial_state": np.ones(5)},
    ),
]


@pytest.mark.parametrize("error, text, changes", REFUSALS)
def test_refusals(error, text, changes):
    arguments = {"inputs": np.ones((2, 3, 4), "f"), "units": 5, **changes}
    with refused(error, f"rnn: {text}"):
        gk.rnn(**arguments)
    assert v1.global_variables() == []


# Training.


@pytest.mark.parametrize(
    "cell, length",
    [("gru", None), *(pytest.param(cell, 8, marks=pytest.mark.slow) for cell in ("simple", "lstm"))],
)
def test_trainer_learns_which_of_two_symbols_came_first(cell, length):
    rng = np.random.default_rng(5)
    examples, symbols = 800, 4
    sizes = rng.integers(2, 9, examples).astype(np.int32)
    words = rng.integers(2, symbols, (examples, 8)).astype(np.int32)
    kinds = rng.integers(0, 2, examples).astype(np.int32)
    for word, size, kind in zip(words, sizes, kinds, strict=True):
        first, second = np.sort(rng.choice(size, 2, replace=False))
        word[first], word[second] = kind, 1 - kind
    tokens, labels = gk.token_input(length), gk.label_input()
    lengths = v1.placeholder(tf.int32, (None,), name="lengths")
    outputs, state = gk.rnn(tf.one_hot(tokens, symbols), 12, cell, lengths)
    assert outputs.shape[-1] == 12
    logits = gk.dense(state.h if cell == "lstm" else state, 2)
    loss = gk.softmax_cross_entropy(logits, labels)
    with gk.Trainer(
        loss, learning_rate=0.02, seed=1, metrics={"accuracy": gk.accuracy(logits, labels)}
    ) as trainer:
        data = {tokens: words, lengths: sizes, labels: kinds}
        train = {key: array[:600] for key, array in data.items()}
        test = {key: array[600:] for key, array in data.items()}
        trainer.fit(train, epochs=20, batch_size=50, progress=False)
        assert trainer.evaluate(test)["accuracy"] > 0.97
