"""`tf.nn.rnn_cell` and the functions that run cells: formulas, names, states, lengths, dropout, training."""

import copy

import numpy as np
import pytest
from references import assert_gradients, names, normal, refused, run, set_variable
from tf1.nn.cell_steps import affine, assert_steps, lstm, sigmoid

import graphkit as gk
import graphkit.tf1 as tf

cells = tf.nn.rnn_cell


# One step, against its definition


def basic_rnn(x, state, w):
    h = np.tanh(affine([x, state[0]], w["basic_rnn_cell/kernel"], w["basic_rnn_cell/bias"]))
    return h, [h]


def gru(x, state, w, activation=np.tanh, scope="gru_cell"):
    (h,) = state
    r, u = np.split(sigmoid(affine([x, h], w[f"{scope}/gates/kernel"], w[f"{scope}/gates/bias"])), 2, axis=1)
    new = activation(affine([x, r * h], w[f"{scope}/candidate/kernel"], w[f"{scope}/candidate/bias"]))
    h = u * h + (1 - u) * new
    return h, [h]


def basic_lstm(x, state, w, scope="basic_lstm_cell", **options):
    c, h = state
    gates = np.split(affine([x, h], w[f"{scope}/kernel"], w[f"{scope}/bias"]), 4, axis=1)
    c, h = lstm(gates, c, **options)
    return h, [c, h]


def concatenated_lstm(x, state, w):
    h, new = basic_lstm(
        x, np.split(state[0], [3], axis=1), w, forget_bias=0.5, activation=lambda a: np.maximum(a, 0)
    )
    return h, [np.concatenate(new, axis=1)]


def full_lstm(x, state, w):
    (c, h), scope = state, "lstm_cell"
    gates = np.split(affine([x, h], w[f"{scope}/kernel"], w[f"{scope}/bias"]), 4, axis=1)
    peepholes = [w[f"{scope}/w_{gate}_diag"] for gate in "ifo"]
    c, h = lstm(gates, c, peepholes=peepholes, memory=lambda c: np.clip(c, -0.6, 0.6))
    h = np.clip(h @ w[f"{scope}/projection/kernel"], -0.3, 0.3)
    return h, [c, h]


def stack(x, state, w):
    scopes = [f"multi_rnn_cell/cell_{number}" for number in range(2)]
    h, new = basic_lstm(x, state[:2], w, scope=f"{scopes[0]}/basic_lstm_cell")
    top, last = gru(h, state[2:], w, scope=f"{scopes[1]}/gru_cell")
    return top, [*new, *last]


def concatenated_stack(x, state, w):
    parts = np.split(state[0], [2], axis=1)
    h, first = gru(x, parts[:1], w, scope="multi_rnn_cell/cell_0/gru_cell")
    top, second = gru(h, parts[1:], w, scope="multi_rnn_cell/cell_1/gru_cell")
    return top, [np.concatenate([*first, *second], axis=1)]


def with_inputs(formula, combine):
    def residual(x, state, w):
        h, new = formula(x, state, w)
        return combine(x, h), new

    return residual


def test_each_step_is_that_of_its_formula():
    def relu_gru(x, state, w):
        return gru(x, state, w, activation=lambda a: np.maximum(a, 0))

    full = cells.LSTMCell(3, use_peepholes=True, cell_clip=0.6, num_proj=2, proj_clip=0.3)
    gru_cells = [cells.GRUCell(2), cells.GRUCell(3)]
    assert_steps(
        {
            "rnn": (cells.BasicRNNCell(3), basic_rnn),
            "gru": (cells.GRUCell(3), gru),
            "relu_gru": (cells.GRUCell(3, activation="relu"), relu_gru),
            "lstm": (cells.BasicLSTMCell(3), basic_lstm),
            "concatenated": (
                cells.BasicLSTMCell(3, forget_bias=0.5, state_is_tuple=False, activation=tf.nn.relu),
                concatenated_lstm,
            ),
            "full": (full, full_lstm),
            "stack": (cells.MultiRNNCell([cells.BasicLSTMCell(3), cells.GRUCell(2)]), stack),
            "concatenated_stack": (cells.MultiRNNCell(gru_cells, state_is_tuple=False), concatenated_stack),
            "residual": (cells.ResidualWrapper(cells.GRUCell(4)), with_inputs(gru, np.add)),
            "own_residual": (
                cells.ResidualWrapper(cells.GRUCell(4), lambda x, h: x * h),
                with_inputs(gru, np.multiply),
            ),
            "device": (cells.DeviceWrapper(cells.BasicRNNCell(3), "/cpu:0"), basic_rnn),
            "no_dropout": (cells.DropoutWrapper(cells.BasicRNNCell(3)), basic_rnn),
        }
    )


def test_gradients_are_those_of_differences():
    x = tf.placeholder(tf.float64, [2, 3])
    cell = cells.LSTMCell(3, use_peepholes=True, cell_clip=5.0, num_proj=2, proj_clip=5.0)
    _, state = cell(x, cell.zero_state(2, tf.float64))
    output, state = cell(x, state)
    assert_gradients(tf.concat([output, state.c], axis=1), {x: normal(2, 3, dtype=np.float64)})


# Variables and names, as TensorFlow 1.15 gave them


LSTM = ["basic_lstm_cell/kernel", "basic_lstm_cell/bias"]
GRU = ["gru_cell/gates/kernel", "gru_cell/gates/bias", "gru_cell/candidate/kernel", "gru_cell/candidate/bias"]


def inputs(batch=2, time=5, features=4):
    return tf.constant(normal(batch, time, features))


def in_scope(scope, parts):
    return [f"{scope}/{part}" for part in parts]


def dynamic(cell, x):
    return tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)


def static(cell, x):
    return tf.nn.static_rnn(cell, tf.unstack(x, axis=1), dtype=tf.float32)


@pytest.mark.parametrize("unroll", [dynamic, static])
def test_names_of_variables_in_a_checkpoint(unroll):
    x = inputs()
    unroll(cells.BasicLSTMCell(3), x)
    stack = cells.MultiRNNCell([cells.DropoutWrapper(cells.BasicLSTMCell(3), 0.5), cells.GRUCell(2)])
    with tf.variable_scope("deep"):
        unroll(stack, x)
    full = cells.LSTMCell(3, use_peepholes=True, num_proj=2, name="mine")
    with tf.variable_scope("full"):
        unroll(full, x)
    expected = in_scope("rnn", LSTM)
    multi = in_scope("rnn/multi_rnn_cell/cell_0", LSTM) + in_scope("rnn/multi_rnn_cell/cell_1", GRU)
    expected += in_scope("deep", multi)
    diagonal = ["kernel", "bias", "w_f_diag", "w_i_diag", "w_o_diag", "projection/kernel"]
    expected += in_scope("full/rnn/mine", diagonal)
    assert [variable.op.name for variable in tf.trainable_variables()] == expected
    assert [weight.op.name for weight in stack.trainable_weights] == in_scope("deep", multi)
    shapes = {variable.op.name: variable.shape.as_list() for variable in full.weights}
    assert list(shapes.values()) == [[6, 12], [12], [3], [3], [3], [3, 2]]


def test_names_of_bidirectional_cells():
    x = inputs()
    tf.nn.bidirectional_dynamic_rnn(cells.BasicLSTMCell(3), cells.GRUCell(2), x, dtype=tf.float32)
    with tf.variable_scope("static"):
        steps = tf.unstack(x, axis=1)
        tf.nn.static_bidirectional_rnn(cells.BasicLSTMCell(3), cells.GRUCell(2), steps, dtype=tf.float32)
    expected = in_scope("bidirectional_rnn/fw", LSTM) + in_scope("bidirectional_rnn/bw", GRU)
    expected += in_scope("static", expected)
    assert [variable.op.name for variable in tf.global_variables()] == expected


def test_names_of_ops_and_of_cells():
    cell = cells.BasicLSTMCell(3)
    state = cell.zero_state(2, tf.float32)
    outputs, _ = dynamic(cell, inputs())
    assert [part.op.name for part in state] == [
        "BasicLSTMCellZeroState/zeros",
        "BasicLSTMCellZeroState/zeros_1",
    ]
    assert (cell.name, cell.scope_name) == ("basic_lstm_cell_1", "rnn/basic_lstm_cell")
    assert outputs.op.name == "rnn/transpose_1"


def test_a_cell_keeps_its_variables_and_others_share_them_by_reuse_alone():
    x, cell = inputs(), cells.BasicLSTMCell(3)
    first = dynamic(cell, x)[0]
    with pytest.raises(ValueError, match="already exists"):
        dynamic(cells.BasicLSTMCell(3), x)
    with tf.variable_scope("", reuse=True):
        shared = dynamic(cells.BasicLSTMCell(3), x)[0]
    with tf.variable_scope("", reuse=tf.AUTO_REUSE):
        too = dynamic(cells.BasicLSTMCell(3), x)[0]
    with tf.variable_scope("rnn"):
        own = cells.BasicLSTMCell(3, reuse=True)(x[:, 0], cell.zero_state(2, tf.float32))[0]
    with tf.variable_scope("elsewhere"):
        again = dynamic(cell, x)[0]
    assert names(tf.global_variables()) == ["rnn/basic_lstm_cell/kernel:0", "rnn/basic_lstm_cell/bias:0"]
    values = run([first, again, shared, too, own])
    for value in values[1:4]:
        np.testing.assert_array_equal(value, values[0])
    np.testing.assert_allclose(values[4], values[0][:, 0], rtol=1e-6)


def test_a_cell_may_be_built_before_it_is_called():
    cell = cells.GRUCell(3, dtype=tf.float32)
    cell.build(tf.TensorShape([None, 4]))
    assert cell.built
    cell(inputs()[:, 0], cell.zero_state(2, tf.float32))
    assert [variable.op.name for variable in tf.global_variables()] == GRU


def test_initializers_and_first_biases():
    x, half = inputs()[:, 0], tf.constant_initializer(0.5)
    with tf.variable_scope("", initializer=half):
        cells.GRUCell(2)(x, tf.zeros([2, 2]))
    cells.LSTMCell(2, initializer="ones", num_proj=1, name="l")(x, (tf.zeros([2, 2]), tf.zeros([2, 1])))
    cells.GRUCell(2, None, None, half, half, name="g")(x, tf.zeros([2, 2]))
    firsts = [value.ravel()[0] for value in run(tf.global_variables())]
    assert firsts == [0.5, 1, 0.5, 0, 1, 0, 1, 0.5, 0.5, 0.5, 0.5]


class Own(cells.RNNCell):
    """A cell as a program writes it: get_variable in `call`, or `add_variable` in `build`."""

    def __init__(self, units, built=False, **kwargs):
        super().__init__(**kwargs)
        self.units, self.builds = units, built

    state_size = output_size = property(lambda self: self.units)

    def build(self, input_shape):
        if self.builds:
            self.kernel = self.add_variable("kernel", [input_shape.as_list()[1] + self.units, self.units])

    def call(self, inputs, state):
        size = inputs.shape.as_list()[1] + self.units
        kernel = self.kernel if self.builds else tf.get_variable("kernel", [size, self.units])
        output = tf.tanh(tf.concat([inputs, state], axis=1) @ kernel)
        return output, output


class Old(cells.RNNCell):
    """A cell from before 1.1, with `__call__` and scopes of its own."""

    state_size = output_size = property(lambda self: 3)

    def __init__(self):
        pass

    def __call__(self, inputs, state, scope=None):
        with tf.variable_scope(scope or type(self).__name__):
            output = tf.tanh(inputs @ tf.get_variable("W", [4, 3]) + state)
        return output, output


def test_cells_of_a_program():
    x, get, add = inputs(), Own(3), Own(3, built=True, name="added")
    results = [dynamic(cell, x)[0] for cell in (get, add)] + [static(Old(), x)[0][-1]]
    stacked = dynamic(cells.MultiRNNCell([Own(3), Own(2)]), x)[0]
    expected = ["own/kernel", "added/kernel", "Old/W"]
    expected += ["multi_rnn_cell/cell_0/own/kernel", "multi_rnn_cell/cell_1/own/kernel"]
    assert [variable.op.name for variable in tf.trainable_variables()] == in_scope("rnn", expected)
    assert get.trainable_weights == tf.trainable_variables()[:1]
    assert add.weights == tf.trainable_variables()[1:2]
    assert [value.shape for value in run([*results, stacked])] == [(2, 5, 3), (2, 5, 3), (2, 3), (2, 5, 2)]


# States


def test_zero_states():
    batch, lists = tf.placeholder(tf.int32, []), tf.placeholder(tf.float32, [None, 4])
    stack = cells.MultiRNNCell([cells.BasicLSTMCell(3), cells.GRUCell(2)])
    assert stack.state_size == (cells.LSTMStateTuple(3, 3), 2)
    assert stack.output_size == 2
    assert cells.LSTMCell(3, num_proj=2).state_size == (3, 2)
    assert cells.LSTMCell(3, num_proj=2, state_is_tuple=False).state_size == 5
    for size in (6, 6.0, tf.constant(6), batch, tf.shape(lists)[0], lists.shape.concatenate(6)[2:]):
        state = stack.zero_state(size, tf.float64)
        assert [part.shape.as_list()[1] for part in tf.nest.flatten(state)] == [3, 3, 2]
        values = run(state, {batch: 6, lists: np.zeros((6, 4))})
        assert values[0].h.shape == (6, 3)
        assert not values[1].any()
        assert values[1].dtype == np.float64
    assert stack.get_initial_state(lists)[0].dtype == tf.float32
    state = cells.LSTMStateTuple(tf.zeros([1]), tf.zeros([1], tf.float64))
    with pytest.raises(TypeError, match="one dtype"):
        state.dtype  # noqa: B018


def test_refusals():
    lists, x, gru = tf.placeholder(tf.float32, [None, 4]), inputs(), cells.GRUCell(3)
    with refused(ValueError, "zero_state: sizes"):
        gru.zero_state(lists.shape[0], tf.float32)
    with refused(ValueError, "get_initial_state: batch_size and dtype"):
        gru.get_initial_state(x[:, 0], batch_size=3)
    with refused(ValueError, "get_initial_state: give"):
        gru.get_initial_state(batch_size=3)
    with refused(ValueError, "RNN cell only supports floating point"):
        gru(tf.zeros([2, 4], tf.int32), tf.zeros([2, 3]))
    with refused(ValueError, "RNN cell only supports floating point"):
        cells.GRUCell(3, dtype=tf.int32)
    with refused(ValueError, "Expected inputs.shape[-1]"):
        cells.GRUCell(3)(tf.placeholder(tf.float32, [2, None]), tf.zeros([2, 3]))
    with refused(ValueError, "GRUCell: activation"):
        cells.GRUCell(3, activation="relux")
    with refused(ValueError, "Must specify"):
        cells.MultiRNNCell([])
    with refused(TypeError, "cells must be"):
        cells.MultiRNNCell(gru)
    with refused(ValueError, "Some cells return tuples"):
        cells.MultiRNNCell([cells.BasicLSTMCell(3)], state_is_tuple=False)
    with refused(ValueError, "Expected state"):
        cells.MultiRNNCell([gru])(x[:, 0], tf.zeros([2, 3]))
    with refused(TypeError, "The argument 'cell'"):
        cells.DropoutWrapper(tf.identity)
    with refused(ValueError, "sequence_length must be a vector"):
        tf.nn.static_rnn(gru, [x[:, 0]], dtype=tf.float32, sequence_length=3)
    with pytest.raises(NotImplementedError):
        cells.RNNCell().zero_state(2, tf.float32)
    with pytest.raises(AttributeError, match=r"tf.nn.rnn_cell.LSTMCel is missing"):
        cells.LSTMCel  # noqa: B018


# Sequences


def test_lengths():
    x, lengths = normal(3, 6, 4), [2, 0, 6]
    cell = cells.MultiRNNCell([cells.BasicLSTMCell(3), cells.GRUCell(2)])
    first = tf.nest.map_structure(lambda part: part + 0.5, cell.zero_state(3, tf.float32))
    steps = tf.unstack(tf.constant(x), axis=1)
    dynamic = tf.nn.dynamic_rnn(cell, tf.constant(x), lengths, first)
    static = tf.nn.static_rnn(cell, steps, first, sequence_length=tf.constant(lengths))
    major = tf.nn.dynamic_rnn(
        cell, tf.constant(x.transpose(1, 0, 2)), initial_state=first, time_major=True, swap_memory=True
    )
    old = tf.nn.rnn(cell, steps, first)
    (outputs, state), (listed, same), (transposed, last), (all_of_old, _) = run([dynamic, static, major, old])
    np.testing.assert_allclose(np.stack(listed, axis=1), outputs, rtol=1e-5, atol=1e-6)
    for part, other in zip(tf.nest.flatten(state), tf.nest.flatten(same), strict=True):
        np.testing.assert_allclose(part, other, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(part[1], 0.5)
    for row, length in enumerate(lengths):
        assert not outputs[row, length:].any()
        np.testing.assert_allclose(outputs[row, :length], transposed[:length, row], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(outputs[2, -1], state[1][2])
    np.testing.assert_allclose(last[1][2], state[1][2], rtol=1e-6)
    np.testing.assert_allclose(all_of_old, transposed, rtol=1e-5, atol=1e-6)


def test_the_same_weights_give_what_gk_rnn_gives():
    x, lengths = tf.constant(normal(3, 6, 4)), tf.constant([2, 0, 6])
    outputs, (fw, bw) = tf.nn.bidirectional_dynamic_rnn(
        cells.LSTMCell(3), cells.LSTMCell(3), x, lengths, dtype=tf.float32
    )
    own, (own_fw, own_bw) = gk.rnn(
        x, 3, "lstm", lengths, bidirectional=True, name="bidirectional_rnn", reuse=True
    )
    values = run([tf.concat(outputs, axis=2), fw.c, bw.h, own, own_fw.c, own_bw.h])
    for value, expected in zip(values[:3], values[3:], strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)


class Counting(cells.RNNCell):
    """Has a counter of steps, which is one for all examples, in its state."""

    state_size, output_size = (1, tf.TensorShape([])), 4

    def zero_state(self, batch_size, dtype):
        return tf.zeros([batch_size, 1]), tf.zeros([], tf.int32)

    def call(self, inputs, state):
        return inputs, (state[0] + 1, state[1] + 1)


def test_a_scalar_in_the_state_has_no_lengths():
    x = [tf.ones([2, 4])] * 3
    outputs, (own, common) = tf.nn.static_rnn(Counting(), x, dtype=tf.float32, sequence_length=[1, 2])
    outputs, own, common = run([outputs, own, common])
    np.testing.assert_array_equal(np.array(outputs)[..., 0], [[1, 1], [0, 1], [0, 0]])
    np.testing.assert_array_equal(own, [[1], [2]])
    assert common == 3


def test_static_cells_of_both_directions_give_what_dynamic_ones_give():
    x, lengths = tf.constant(normal(3, 6, 4)), tf.constant([2, 0, 6])
    pair, steps = [cells.LSTMCell(3), cells.GRUCell(2)], tf.unstack(x, axis=1)
    for lengths_or_none in (lengths, None):
        outputs, states = tf.nn.bidirectional_dynamic_rnn(*pair, x, lengths_or_none, dtype=tf.float32)
        results = tf.nn.static_bidirectional_rnn(
            *pair, steps, dtype=tf.float32, sequence_length=lengths_or_none
        )
        assert [output.shape.as_list() for output in results[0]] == [[3, 5]] * 6
        (listed, *others), outputs, states = run([results, outputs, states])
        listed = np.stack(listed, axis=1)
        np.testing.assert_allclose(listed, np.concatenate(outputs, axis=2), rtol=1e-5, atol=1e-6)
        for value, expected in zip(tf.nest.flatten(others), tf.nest.flatten(states), strict=True):
            np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)


def test_raw_rnn_runs_a_cell_step_by_step():
    x, cell = inputs(), cells.GRUCell(3)
    steps = tf.TensorArray(tf.float32, 5).unstack(tf.transpose(x, [1, 0, 2]))

    def loop(time, output, state, _):
        state = cell.zero_state(2, tf.float32) if output is None else state
        value = tf.cond(time >= 5, lambda: tf.zeros([2, 4]), lambda: steps.read(time))
        return tf.fill([2], time >= 5), value, state, output, None

    outputs, _, _ = tf.nn.raw_rnn(cell, loop)
    expected, _ = dynamic(cell, x)
    raw, usual = run([outputs.stack(), expected])
    np.testing.assert_allclose(raw.transpose(1, 0, 2), usual, rtol=1e-6)


# Dropout


class Echo(cells.RNNCell):
    """Returns its inputs; its state stays."""

    def __init__(self, size=None):
        super().__init__()
        self.size = size or cells.LSTMStateTuple(200, 200)

    state_size = property(lambda self: self.size)
    output_size = 200

    def call(self, inputs, state):
        return inputs, state


def kept(wrapper, steps=4, runs=1, feed=None):
    """Returns (outputs (steps, 3, 200), parts of the state) over ones, of several runs of one session."""
    ones = tf.ones([3, steps, 200])
    state = tf.nest.map_structure(tf.ones_like, wrapper.zero_state(3, tf.float32))
    outputs, state = tf.nn.dynamic_rnn(wrapper, ones, initial_state=state)
    fetches = tf.transpose(outputs, [1, 0, 2]), tf.nest.flatten(state)
    with tf.Session() as session:
        return [session.run(fetches, feed) for _ in range(runs)]


def test_dropout_keeps_the_expectation_and_draws_anew_for_each_step_and_run():
    tf.set_random_seed(1)
    one, two = kept(cells.DropoutWrapper(Echo(), output_keep_prob=0.8), runs=2)
    masks = [*one[0], *two[0]]
    for place, mask in enumerate(masks):
        np.testing.assert_allclose(np.unique(mask), [0, 1.25], rtol=1e-6)
        assert 0.7 < (mask > 0).mean() < 0.9
        assert not any((mask == other).all() for other in masks[:place])
    assert all((part == 1).all() for part in one[1])


def second_alone(state):
    return (False, True) if type(state) is tuple else True


def test_the_memory_of_an_lstm_is_never_dropped_unless_asked_for():
    tf.set_random_seed(1)
    ((_, (c, h)),) = kept(cells.DropoutWrapper(Echo(), state_keep_prob=0.5), steps=1)
    assert (c == 1).all()
    assert set(np.unique(h)) == {0, 2}
    both = cells.DropoutWrapper(Echo(), state_keep_prob=0.5, dropout_state_filter_visitor=lambda state: True)
    ((_, (c, h)),) = kept(both, steps=1)
    assert set(np.unique(c)) == set(np.unique(h)) == {0, 2}
    size = (cells.LSTMStateTuple(200, 200), 200)
    none = cells.DropoutWrapper(
        Echo(size),
        state_keep_prob=0.5,
        dropout_state_filter_visitor=lambda state: not isinstance(state, tuple),
    )
    assert all((part == 1).all() for part in kept(none, steps=1)[0][1])
    some = cells.DropoutWrapper(Echo(size), state_keep_prob=0.5, dropout_state_filter_visitor=second_alone)
    ((_, (c, h, other)),) = kept(some, steps=1)
    assert (c == 1).all()
    assert (h == 1).all()
    assert set(np.unique(other)) == {0, 2}
    with refused(TypeError, "dropout_state_filter_visitor must return booleans"):
        kept(
            cells.DropoutWrapper(Echo(200), state_keep_prob=0.5, dropout_state_filter_visitor=lambda state: 1)
        )


def test_variational_dropout_drops_the_same_units_in_all_steps_and_examples_of_a_run():
    tf.set_random_seed(1)
    wrapper = cells.DropoutWrapper(
        Echo(), input_keep_prob=0.5, variational_recurrent=True, input_size=200, dtype=tf.float32
    )
    one, two = kept(wrapper, runs=2)
    assert set(np.unique(one[0])) == {0, 2}
    assert (one[0] == one[0][0, 0]).all()
    assert (two[0] != one[0]).any()


def test_keep_prob_may_be_fed():
    keep_prob = tf.placeholder_with_default(1.0, [])
    wrapper = copy.deepcopy(cells.DropoutWrapper(Echo(), input_keep_prob=keep_prob))
    assert (kept(wrapper)[0][0] == 1).all()
    assert set(np.unique(kept(wrapper, feed={keep_prob: 0.5})[0][0])) == {0, 2}


def test_a_seed_fixes_the_masks():
    results = []
    for seed in (3, 3, 4):
        with tf.Graph().as_default():
            results.append(kept(cells.DropoutWrapper(Echo(), output_keep_prob=0.5, seed=seed), steps=1)[0][0])
    assert (results[0] == results[1]).all()
    assert (results[0] != results[2]).any()


def test_refusals_of_dropout():
    gru = cells.GRUCell(3)
    with refused(ValueError, "Parameter state_keep_prob must be between 0 and 1: 1.5"):
        cells.DropoutWrapper(gru, state_keep_prob=1.5)
    with refused(ValueError, "Parameter input_keep_prob must be between"):
        cells.DropoutWrapper(gru, tf.constant(-0.5))
    with refused(TypeError, "dropout_state_filter_visitor must be callable"):
        cells.DropoutWrapper(gru, dropout_state_filter_visitor=3)
    with refused(ValueError, "When variational_recurrent=True, dtype"):
        cells.DropoutWrapper(gru, variational_recurrent=True)
    with refused(ValueError, "When variational_recurrent=True and input_keep_prob < 1.0"):
        cells.DropoutWrapper(gru, 0.5, variational_recurrent=True, dtype=tf.float32)


# Training


def classifier(keep_prob=None):
    """Returns (placeholders, loss) of a stack of cells over sequences of several lengths."""
    x, lengths = tf.placeholder(tf.float32, [None, 6, 4]), tf.placeholder(tf.int32, [None])
    labels, first = tf.placeholder(tf.int32, [None]), cells.BasicLSTMCell(5)
    if keep_prob is not None:
        first = cells.DropoutWrapper(first, keep_prob, keep_prob, keep_prob)
    _, state = tf.nn.dynamic_rnn(cells.MultiRNNCell([first, cells.GRUCell(6)]), x, lengths, dtype=tf.float32)
    logits = state[1] @ tf.get_variable("w", [6, 2])
    return (x, lengths, labels), tf.losses.sparse_softmax_cross_entropy(labels, logits)


def sequences():
    x = normal(64, 6, 4)
    return x, np.random.default_rng(0).integers(1, 7, 64).astype(np.int32), (x[:, 0, 0] > 0).astype(np.int32)


@pytest.mark.slow
def test_a_trainer_takes_the_steps_of_a_programs_own_loop():
    feeds, loss = classifier()
    values = sequences()
    variables = tf.trainable_variables()
    train_op = tf.train.AdamOptimizer(0.01).minimize(loss)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        start = dict(zip([variable.name for variable in variables], session.run(variables), strict=True))
        for _ in range(3):
            for batch in range(0, 64, 16):
                feed = {key: value[batch : batch + 16] for key, value in zip(feeds, values, strict=True)}
                session.run(train_op, feed)
        expected = session.run(variables)
    with tf.Graph().as_default():
        feeds, loss = classifier()
        with gk.Trainer(loss, "adam", 0.01) as trainer:
            for variable in tf.trainable_variables():
                set_variable(trainer.session, variable, start[variable.name])
            data = dict(zip(feeds, values, strict=True))
            trainer.fit(data, epochs=3, batch_size=16, shuffle=False, progress=False)
            for variable, value in zip(tf.trainable_variables(), expected, strict=True):
                np.testing.assert_allclose(trainer.session.run(variable), value, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_dropout_in_a_trainer_follows_from_its_seed():
    def fitted(seed, execution):
        with tf.Graph().as_default():
            feeds, loss = classifier(keep_prob := tf.placeholder_with_default(1.0, []))
            data = dict(zip(feeds, sequences(), strict=True))
            options = {"epochs": 2, "batch_size": 32, "progress": False, "execution": execution}
            with gk.Trainer(loss, "adam", 0.01, seed=seed) as trainer:
                return trainer.fit(data, feed={keep_prob: 0.6}, **options)["loss"]

    losses = fitted(1, "feed")
    assert losses == fitted(1, "compiled")
    assert losses != fitted(2, "feed")
