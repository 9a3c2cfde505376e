"""`tf.contrib.rnn`: cells by their formulas, wrappers, fused cells and stacks."""

import numpy as np
import pytest
from references import assert_gradients, normal, refused, run
from tf1.nn.cell_steps import affine, assert_steps, lstm, sigmoid

import graphkit.tf1 as tf

rnn = tf.contrib.rnn


def layer_norm(x, w, scope):
    """Ba et al. (2016), equation 4."""
    centered = x - x.mean(axis=1, keepdims=True)
    normalized = centered / np.sqrt((centered**2).mean(axis=1, keepdims=True) + 1e-12)
    return normalized * w[f"{scope}/gamma"] + w[f"{scope}/beta"]


def layer_norm_lstm(x, state, w, scope="layer_norm_basic_lstm_cell"):
    c, h = state
    gates = np.split(affine([x, h], w[f"{scope}/kernel"]), 4, axis=1)
    names = "input", "transform", "forget", "output"
    gates = [layer_norm(gate, w, f"{scope}/{name}") for gate, name in zip(gates, names, strict=True)]
    c, h = lstm(gates, c, memory=lambda c: layer_norm(c, w, f"{scope}/state"))
    return h, [c, h]


def plain_lstm(x, state, w, scope="layer_norm_basic_lstm_cell", peepholes=(0, 0, 0), **options):
    c, h = state
    gates = np.split(affine([x, h], w[f"{scope}/kernel"], w[f"{scope}/bias"]), 4, axis=1)
    c, h = lstm(gates, c, peepholes=peepholes, **options)
    return h, [c, h]


def block_lstm(x, state, w):
    peepholes = [w[f"lstm_cell/w_{gate}_diag"] for gate in "ifo"]
    return plain_lstm(x, state, w, "lstm_cell", peepholes, memory=lambda c: np.clip(c, -0.6, 0.6))


def nas(x, state, w, scope="nas_cell"):
    """Zoph and Le (2017), appendix A: the cell that the search found, with 8 maps of x and of h."""
    c, h = state
    h_maps = np.split(affine([h], w[f"{scope}/recurrent_kernel"], w[f"{scope}/bias"]), 8, axis=1)
    a, b = np.split(affine([x], w[f"{scope}/kernel"]), 8, axis=1), h_maps
    first = np.tanh(sigmoid(a[0] + b[0]) * np.maximum(a[1] + b[1], 0)) + c
    second = np.tanh(sigmoid(a[2] + b[2]) + np.maximum(a[3] * b[3], 0))
    third = np.tanh(np.tanh(a[4] + b[4]) * sigmoid(a[5] + b[5]))
    fourth = sigmoid(np.tanh(a[6] + b[6]) + sigmoid(a[7] + b[7]))
    c = np.tanh(first) * second
    h = np.tanh(c * np.tanh(third + fourth)) @ w[f"{scope}/projection_weights"]
    return h, [c, h]


def gru(x, state, w, scope="gru_cell"):
    gates_kernel, gates_bias, kernel, bias = (w[f"{scope}/{name}"] for name in GRU)
    (h,) = state
    r, u = np.split(sigmoid(affine([x, h], gates_kernel, gates_bias)), 2, axis=1)
    h = u * h + (1 - u) * np.tanh(affine([x, r * h], kernel, bias))
    return h, [h]


GRU = "gates/kernel", "gates/bias", "candidate/kernel", "candidate/bias"


def projected(x, state, w):
    outer, inner = "input_projection_wrapper", "input_projection_wrapper/output_projection_wrapper"
    x = np.maximum(affine([x], w[f"{outer}/kernel"], w[f"{outer}/bias"]), 0)
    h, new = gru(x, state, w, f"{inner}/gru_cell")
    return affine([h], w[f"{inner}/kernel"], w[f"{inner}/bias"]), new


def attended(x, state, w, scope="attention_cell_wrapper"):
    """Vinyals et al. (2015), section 2.1, over the last outputs of the cell."""
    (h, read, memory), w = state, {name.removeprefix(f"{scope}/"): value for name, value in w.items()}
    memory = memory.reshape(len(x), 2, 3)
    h, new = gru(affine([x, read], w["kernel"], w["bias"]), [h], w)
    query = affine(new, w["attention/kernel"], w["attention/bias"])
    scores = (w["attention/attn_v"] * np.tanh(memory @ w["attention/attn_w"][0, 0] + query[:, None])).sum(
        axis=2
    )
    weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    read = (weights[:, :, None] * memory).sum(axis=1)
    output = affine([h, read], w["attn_output_projection/kernel"], w["attn_output_projection/bias"])
    memory = np.concatenate([memory[:, 1:], output[:, None]], axis=1).reshape(len(x), 6)
    return output, [*new, read, memory]


def test_each_step_is_that_of_its_formula():
    projection = rnn.InputProjectionWrapper(rnn.OutputProjectionWrapper(rnn.GRUCell(2), 5), 3, tf.nn.relu)
    assert_steps(
        {
            "norm": (rnn.LayerNormBasicLSTMCell(3), layer_norm_lstm),
            "no_norm": (rnn.LayerNormBasicLSTMCell(3, layer_norm=False), plain_lstm),
            "nas": (rnn.NASCell(3, num_proj=2, use_bias=True), nas),
            "block": (rnn.LSTMBlockCell(3, cell_clip=0.6, use_peephole=True), block_lstm),
            "projected": (projection, projected),
        }
    )


def test_a_step_of_the_attention_wrapper():
    assert_steps({"attention": (rnn.AttentionCellWrapper(rnn.GRUCell(3), 2), attended)})


def test_a_step_of_convolutions():
    """With one pixel and a kernel of that size, a convolution is a matrix product."""
    x, image, deep = (
        normal(3, 1, 1, 4),
        tf.contrib.rnn.Conv2DLSTMCell,
        {"output_channels": 2, "kernel_shape": [1, 1]},
    )
    cell = image(input_shape=[1, 1, 4], skip_connection=True, **deep)
    state = rnn.LSTMStateTuple(*(tf.constant(normal(3, 1, 1, 2, seed=seed)) for seed in (1, 2)))
    output, new = cell(tf.constant(x), state)
    kernel, bias = tf.global_variables()
    values = run([output, new, kernel, bias, state])
    gates = np.split(affine([x[:, 0, 0], values[4].h[:, 0, 0]], values[2][0, 0], values[3]), 4, axis=1)
    c, h = lstm(gates, values[4].c[:, 0, 0])
    np.testing.assert_allclose(values[1].c[:, 0, 0], c, rtol=1e-5)
    np.testing.assert_allclose(values[0][:, 0, 0], np.concatenate([h, x[:, 0, 0]], axis=1), rtol=1e-5)
    assert [variable.op.name for variable in (kernel, bias)] == [
        f"conv_2d_lstm_cell/{n}" for n in ("kernel", "biases")
    ]
    outputs, _ = tf.nn.dynamic_rnn(
        image(input_shape=[5, 6, 4], name="wide", output_channels=2, kernel_shape=[3, 3]),
        tf.zeros([2, 3, 5, 6, 4]),
        dtype=tf.float32,
    )
    assert outputs.shape.as_list() == [2, 3, 5, 6, 2]


def test_names_of_variables_in_a_checkpoint():
    x, symbols = tf.zeros([2, 5, 4]), tf.zeros([2, 5, 1], tf.int32)
    tf.nn.dynamic_rnn(rnn.LayerNormBasicLSTMCell(3), x, dtype=tf.float32)
    embedded = rnn.EmbeddingWrapper(rnn.BasicRNNCell(3), 10, 6)
    tf.nn.dynamic_rnn(embedded, symbols, dtype=tf.float32)
    tf.nn.dynamic_rnn(rnn.OutputProjectionWrapper(rnn.BasicRNNCell(3), 2), x, dtype=tf.float32)
    norms = [
        f"{gate}/{part}"
        for gate in ("input", "transform", "forget", "output", "state")
        for part in ("gamma", "beta")
    ]
    expected = [f"layer_norm_basic_lstm_cell/{part}" for part in ("kernel", *norms)]
    inner = "basic_rnn_cell/kernel", "basic_rnn_cell/bias"
    expected += [f"embedding_wrapper/{part}" for part in ("embedding", *inner)]
    expected += [f"output_projection_wrapper/{part}" for part in (*inner, "kernel", "bias")]
    assert [variable.op.name for variable in tf.global_variables()] == [f"rnn/{part}" for part in expected]
    assert len(embedded.trainable_weights) == 3
    first = run(embedded.trainable_weights[0])
    assert first.shape == (10, 6)
    assert abs(first).max() <= 3**0.5


def test_gradients_are_those_of_differences():
    x, cell = tf.placeholder(tf.float64, [2, 3]), rnn.LayerNormBasicLSTMCell(3)
    _, state = cell(x, cell.zero_state(2, tf.float64))
    output, state = cell(x, state)
    assert_gradients(tf.concat([output, state.c], axis=1), {x: normal(2, 3, dtype=np.float64)})


def test_dropout_of_the_new_input():
    keep_prob = tf.placeholder_with_default(1.0, [])
    cell = rnn.LayerNormBasicLSTMCell(50, layer_norm=False, dropout_keep_prob=keep_prob)
    output, _ = cell(tf.ones([2, 3]), cell.zero_state(2, tf.float32))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run(output).all()
        zeros = (session.run(output, {keep_prob: 0.5}) == 0).mean()
        assert 0.2 < zeros < 0.8


# What runs cells


def test_a_fused_cell_does_what_its_cell_does():
    x, lengths = tf.constant(normal(6, 3, 4)), tf.constant([2, 0, 6])
    options = {"dtype": tf.float32, "sequence_length": lengths}
    fused = rnn.LSTMBlockFusedCell(3, use_peephole=True, name="lstm_cell")
    with tf.variable_scope("net"):
        results = [fused(x, **options), rnn.TimeReversedFusedRNN(fused)(x, **options)]
    with tf.variable_scope("net", reuse=True) as scope:
        cell, options = rnn.LSTMCell(3, use_peepholes=True), {**options, "time_major": True, "scope": scope}
        results.append(tf.nn.dynamic_rnn(cell, x, **options))
        outputs, state = tf.nn.dynamic_rnn(cell, tf.reverse_sequence(x, lengths, 0, 1), **options)
        results.append((tf.reverse_sequence(outputs, lengths, 0, 1), state))
        listed, _ = fused(tf.unstack(x), rnn.LSTMStateTuple(tf.zeros([3, 3]), tf.zeros([3, 3])))
        backward, _ = rnn.TimeReversedFusedRNN(fused)(tf.unstack(x), dtype=tf.float32)
    assert [variable.op.name for variable in tf.global_variables()] == [
        f"net/lstm_cell/{name}" for name in ("kernel", "bias", "w_f_diag", "w_i_diag", "w_o_diag")
    ]
    *values, listed, backward = run([*results, listed, backward])
    for value, expected in zip(tf.nest.flatten(values[:2]), tf.nest.flatten(values[2:]), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    (forward, _), (turned, _) = values[:2]
    assert not forward[2:, 0].any()
    for value, expected in ((listed, forward), (backward, turned)):  # the last sequence is a full one
        np.testing.assert_allclose(np.stack(value)[:, 2], expected[:, 2], rtol=1e-5, atol=1e-6)
    with refused(ValueError, "Either initial_state or dtype"):
        fused(x)


def cells():
    return [rnn.LSTMCell(3), rnn.GRUCell(2)]


@pytest.mark.slow
def test_stacks_of_bidirectional_cells():
    x, lengths = tf.constant(normal(2, 5, 4)), tf.constant([3, 5])
    options = {"dtype": tf.float32, "sequence_length": lengths}
    first = [tf.nest.map_structure(lambda part: part + 1, cell.zero_state(2, tf.float32)) for cell in cells()]
    stack = rnn.stack_bidirectional_dynamic_rnn(cells(), cells(), x, first, first, **options)
    layers, outputs, states = zip(cells(), cells(), first, strict=True), tf.unstack(x, axis=1), []
    for number, (fw, bw, start) in enumerate(layers):
        with tf.variable_scope(f"static/cell_{number}"):
            outputs, *both = rnn.static_bidirectional_rnn(fw, bw, outputs, start, start, **options)
        states.append(both)
    weights = [variable.op.name for variable in tf.global_variables()]
    kernels = [name for name in weights if name.endswith("/kernel") and "candidate" not in name]
    inner = [f"cell_{layer}/bidirectional_rnn/{way}" for layer in (0, 1) for way in ("fw", "bw")]
    rest = ["lstm_cell/kernel"] * 2 + ["gru_cell/gates/kernel"] * 2
    scopes = "stack_bidirectional_rnn", "static"
    assert kernels == [f"{scope}/{a}/{b}" for scope in scopes for a, b in zip(inner, rest, strict=True)]
    half = len(weights) // 2
    pairs = zip(tf.global_variables()[:half], tf.global_variables()[half:], strict=True)
    same = [tf.assign(new, old) for old, new in pairs]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(same)
        stacked, listed = session.run([stack, [tf.stack(outputs, axis=1), *zip(*states, strict=True)]])
    assert stacked[0].shape == (2, 5, 4)
    for value, expected in zip(tf.nest.flatten(stacked), tf.nest.flatten(listed), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)


def test_refusals():
    gru, x = rnn.GRUCell(3), tf.zeros([2, 5, 4])
    for wrong, text in (
        (([], [gru]), "Must specify at least one fw cell"),
        (([gru], []), "Must specify at least one bw cell"),
        (((gru,), [gru]), "cells_fw must be a list"),
        (([gru, gru], [gru]), "Forward and Backward cells must have the same depth"),
    ):
        with refused(ValueError, text):
            rnn.stack_bidirectional_dynamic_rnn(*wrong, x)
    with refused(ValueError, "initial_states_bw must be a list"):
        rnn.stack_bidirectional_dynamic_rnn([gru], [gru], x, initial_states_bw=[])
    with refused(ValueError, "Invalid input_shape"):
        rnn.ConvLSTMCell(2, [3, 4], 2, [3])
    with refused(ValueError, "Both embedding_classes and embedding_size"):
        rnn.EmbeddingWrapper(gru, 0, 3)
    with refused(ValueError, "Parameter output_size must be > 0"):
        rnn.OutputProjectionWrapper(gru, 0)
    with refused(ValueError, "linear is expecting 2D"):
        rnn.OutputProjectionWrapper(Flat(), 2)(tf.zeros([3]), tf.zeros([2, 3]))
    with refused(ValueError, "attn_length"):
        rnn.AttentionCellWrapper(gru, 0)
    with refused(ValueError, "Cell returns tuple of states"):
        rnn.AttentionCellWrapper(rnn.LSTMCell(3), 2, state_is_tuple=False)


class Flat(rnn.RNNCell):
    state_size = output_size = 3

    def call(self, inputs, state):
        return inputs, state


def test_a_private_linear_map_has_its_variables_once():
    x, y = tf.constant(normal(2, 3)), tf.constant(normal(2, 3, seed=1))
    with tf.variable_scope("a"):
        mapped = rnn.core_rnn_cell._Linear([x], 4, True)
    kernel, bias = tf.global_variables()
    assert [kernel.op.name, bias.op.name] == ["a/kernel", "a/bias"]
    first, second, w = run([mapped([x]), mapped(y), kernel])
    np.testing.assert_allclose(first, normal(2, 3) @ w, rtol=1e-5)
    np.testing.assert_allclose(second, normal(2, 3, seed=1) @ w, rtol=1e-5)
