"""Attention mechanisms and `AttentionWrapper`, against the formulas of the papers in NumPy."""

import numpy as np
import pytest
from references import normal, run
from tf1.contrib.seq2seq_models import Cell, softmax

import graphkit.tf1 as tf
from graphkit.tf1.contrib import seq2seq

MEMORY, LENGTHS, QUERY = normal(2, 4, 3), np.array([4, 2]), normal(2, 5, seed=1)
VALID = np.arange(4) < LENGTHS[:, None]
KINDS = {
    "luong": (seq2seq.LuongAttention, "scale"),
    "bahdanau": (seq2seq.BahdanauAttention, "normalize"),
}


def values_of(tensors):
    """Returns the values of tensors and, by name, of all variables, which are drawn at random."""
    variables = tf.trainable_variables()
    with tf.Session() as session:
        for place, variable in enumerate(variables):
            session.run(variable.initializer)
            session.run(variable.assign(normal(*variable.shape.as_list(), seed=20 + place)))
        values, weights = session.run([tensors, variables])
    return values, {variable.op.name: w for variable, w in zip(variables, weights, strict=True)}


def scores_of(kind, weights, memory, query, scope=""):
    """The scores by Luong et al. (2015), equation 8, and Bahdanau et al. (2014), appendix A.1.2."""
    inner = f"{scope}{kind}_attention/"
    keys = memory @ weights["memory_layer/kernel"]
    if kind == "luong":
        scores = np.einsum("bu,btu->bt", query, keys) * weights.get(f"{inner}attention_g", 1)
    else:
        v = weights[f"{inner}attention_v"]
        if f"{inner}attention_g" in weights:
            v = weights[f"{inner}attention_g"] * v / np.linalg.norm(v)
        mapped = query @ weights[f"{inner}query_layer/kernel"]
        scores = np.tanh(keys + mapped[:, None] + weights.get(f"{inner}attention_b", 0)) @ v
    return scores


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_alignments_by_the_formula(kind, scaled):
    make, option = KINDS[kind]
    mechanism = make(5, tf.constant(MEMORY), LENGTHS, **{option: scaled})
    before = mechanism.initial_state(2, tf.float32)
    assert (mechanism.batch_size, mechanism.alignments_size, mechanism.state_size) == (2, 4, 4)
    alignments, state = mechanism(tf.constant(QUERY), before)
    results = alignments, state, before, mechanism.values
    (alignments, state, before, memory), weights = values_of(results)
    np.testing.assert_array_equal(memory, MEMORY * VALID[..., None])
    np.testing.assert_array_equal(state, alignments)
    scores = scores_of(kind, weights, memory, QUERY)
    np.testing.assert_array_equal(before, np.zeros((2, 4)))
    expected = softmax(np.where(VALID, scores, -np.inf))
    np.testing.assert_allclose(alignments, expected, rtol=1e-4, atol=1e-5)
    names = {"luong": [], "bahdanau": ["query_layer/kernel", "attention_v"]}[kind]
    names += ["attention_g"] * scaled + ["attention_b"] * (scaled and kind == "bahdanau")
    assert sorted(weights) == sorted(["memory_layer/kernel", *(f"{kind}_attention/{name}" for name in names)])


def test_initial_values_of_variables():
    seq2seq.BahdanauAttention(5, MEMORY, normalize=True)(tf.constant(QUERY), None)
    seq2seq.LuongAttention(5, MEMORY, scale=True)(tf.constant(QUERY), tf.ones([2, 4]))
    values = run({variable.op.name: variable for variable in tf.trainable_variables()})
    assert values["bahdanau_attention/attention_g"] == np.float32(np.sqrt(1 / 5))
    np.testing.assert_array_equal(values["bahdanau_attention/attention_b"], np.zeros(5))
    assert values["luong_attention/attention_g"] == 1
    assert "memory_layer_1/kernel" in values


def test_options_of_mechanisms():
    mechanism = seq2seq.LuongAttention(
        5,
        MEMORY,
        LENGTHS,
        probability_fn=seq2seq.hardmax,
        score_mask_value=1e9,
        custom_key_value_fn=lambda keys, values: (keys, 2 * values),
    )
    (alignments, values), _ = values_of([mechanism(tf.constant(QUERY), None)[0], mechanism.values])
    np.testing.assert_array_equal(alignments[1], [0, 0, 1, 0])
    np.testing.assert_array_equal(values, 2 * MEMORY * VALID[..., None])
    with pytest.raises(TypeError, match="probability_fn must be callable"):
        seq2seq.LuongAttention(5, MEMORY, probability_fn=1)
    with pytest.raises(ValueError, match="fully defined inner dims"):
        seq2seq.LuongAttention(5, tf.placeholder(tf.float32, [None, None, None]))
    with pytest.raises(ValueError, match="num_units must be the query's"):
        seq2seq.LuongAttention(4, MEMORY)(tf.constant(QUERY), None)


class Located(seq2seq.BahdanauAttention):
    """A mechanism of a program, in the manner of location-sensitive ones: it looks at its last weights."""

    def __call__(self, query, state):
        with tf.variable_scope(None, "located", [query]):
            mapped = tf.expand_dims(self.query_layer(query), 1)
            places = tf.layers.Dense(self._num_units, use_bias=False, name="places")(tf.expand_dims(state, 2))
            energy = tf.reduce_sum(tf.tanh(self._keys + mapped + places), [2])
        alignments = self._probability_fn(energy, state)
        return alignments, alignments + state


def test_a_mechanism_of_a_program():
    mechanism = Located(num_units=5, memory=MEMORY, memory_sequence_length=LENGTHS, name="mine")
    cell = seq2seq.AttentionWrapper(Cell(6, 5, 5), mechanism)
    _, state = cell(tf.zeros([2, 3]), cell.zero_state(2, tf.float32))
    _, state = cell(tf.zeros([2, 3]), state)
    (alignments, after), weights = values_of([state.alignments, state.attention_state])
    np.testing.assert_allclose(alignments.sum(1), [1, 1], rtol=1e-5)
    np.testing.assert_allclose(after.sum(1), [2, 2], rtol=1e-5)
    assert not alignments[~VALID].any()
    assert "attention_wrapper/located/places/kernel" in weights


def wrapped(**options):
    """Returns a cell with attention on 3 features of inputs, and what a step of it should give."""
    mechanism = seq2seq.LuongAttention(5, tf.constant(MEMORY), LENGTHS)
    inner = Cell(options.pop("features"), 5, 5)
    return inner, seq2seq.AttentionWrapper(inner, mechanism, **options)


@pytest.mark.parametrize("size", [None, 6])
@pytest.mark.parametrize("output_attention", [True, False])
def test_steps_of_a_wrapped_cell(size, output_attention):
    features = 3 + (size or 3)
    inner, cell = wrapped(features=features, attention_layer_size=size, output_attention=output_attention)
    inputs, state = normal(2, 2, 3, seed=4), cell.zero_state(2, tf.float32)
    assert cell.output_size == (5 if not output_attention else size or 3)
    assert cell.state_size == seq2seq.AttentionWrapperState(5, size or 3, tf.TensorShape([]), 4, (), 4)
    results = []
    for step in range(2):
        output, state = cell(tf.constant(inputs[step]), state)
        results.append((output, state.attention, state.alignments, state.time, state.cell_state))
    results, weights = values_of(results)
    names = ["memory_layer/kernel"] + ["attention_wrapper/attention_layer/kernel"] * (size is not None)
    assert list(weights) == names
    memory, attention, h = MEMORY * VALID[..., None], np.zeros((2, size or 3)), np.zeros((2, 5))
    for step, (output, given, alignments, time, state) in enumerate(results):
        query, h = inner.step(np.concatenate([inputs[step], attention], 1), h)
        expected = softmax(np.where(VALID, scores_of("luong", weights, memory, query), -np.inf))
        attention = np.einsum("bt,btf->bf", expected, memory)
        if size:
            attention = np.concatenate([query, attention], 1) @ weights[names[1]]
        np.testing.assert_allclose(alignments, expected, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(given, attention, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(output, attention if output_attention else query, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(state, h, rtol=1e-3, atol=1e-5)
        assert time == step + 1


def test_several_mechanisms():
    mechanisms = [
        seq2seq.LuongAttention(5, MEMORY, LENGTHS),
        seq2seq.BahdanauAttention(4, normal(2, 6, 2, seed=8)),
    ]
    cell = seq2seq.AttentionWrapper(Cell(3 + 9, 5, 5), mechanisms, [7, 2], alignment_history=True)
    state = cell.zero_state(2, tf.float32)
    assert cell.output_size == 9 and cell.state_size.alignments == (4, 6)
    assert cell.state_size.alignment_history == (4, 6)
    inputs = tf.constant(normal(2, 3))
    _, state = cell(inputs, state)
    output, state = cell(inputs, state)
    histories = [history.stack() for history in state.alignment_history]
    (output, histories, last), weights = values_of([output, histories, state.alignments])
    assert output.shape == (2, 9)
    for history, alignments in zip(histories, last, strict=True):
        assert history.shape == (2, 2, alignments.shape[1])
        np.testing.assert_array_equal(history[1], alignments)
    assert list(weights) == [
        "memory_layer/kernel",
        "memory_layer_1/kernel",
        "attention_wrapper/attention_layer/kernel",
        "attention_wrapper/bahdanau_attention/query_layer/kernel",
        "attention_wrapper/bahdanau_attention/attention_v",
        "attention_wrapper/attention_layer_1/kernel",
    ]


def test_functions_and_layers_of_a_program():
    def attend(mechanism, output, state, layer):
        alignments, state = mechanism(output, state=state)
        return layer(tf.concat([output, output], 1)[:, :8]), alignments, state

    _, cell = wrapped(
        features=3,
        attention_layer=tf.layers.Dense(6, name="mine"),
        cell_input_fn=lambda inputs, attention: inputs + attention[:, :3],
        attention_fn=attend,
    )
    assert cell.output_size == 6
    output, _ = cell(tf.constant(normal(2, 3)), cell.zero_state(2, tf.float32))
    output, weights = values_of(output)
    assert output.shape == (2, 6) and "attention_wrapper/mine/kernel" in weights


def test_the_initial_state_of_the_cell():
    start = normal(2, 5, seed=6)
    _, cell = wrapped(features=6, initial_cell_state=tf.constant(start))
    state = cell.zero_state(2, tf.float32)
    np.testing.assert_array_equal(run(state.cell_state), start)
    cloned = state.clone(cell_state=tf.constant(2 * start), time=tf.constant(3))
    assert isinstance(cloned, seq2seq.AttentionWrapperState)
    cell_state, time, attention = run([cloned.cell_state, cloned.time, cloned.attention])
    np.testing.assert_array_equal(cell_state, 2 * start)
    assert time == 3 and not attention.any()
    with pytest.raises(ValueError, match="^clone: a tensor must keep its shape"):
        state.clone(cell_state=tf.zeros([2, 4]))


def test_a_wrapped_stack_of_cells_in_a_dynamic_rnn():
    stack = tf.nn.rnn_cell.MultiRNNCell([tf.nn.rnn_cell.BasicLSTMCell(5) for _ in range(2)])
    cell = seq2seq.AttentionWrapper(stack, seq2seq.BahdanauAttention(5, MEMORY, LENGTHS), 5)
    outputs, state = tf.nn.dynamic_rnn(
        cell, tf.constant(normal(2, 7, 3)), None, cell.zero_state(2, tf.float32), tf.float32
    )
    names = [variable.op.name for variable in tf.trainable_variables()]
    scope = "rnn/attention_wrapper"
    assert names[:2] == ["memory_layer/kernel", f"{scope}/multi_rnn_cell/cell_0/basic_lstm_cell/kernel"]
    assert names[-1] == f"{scope}/attention_layer/kernel"
    gradients = run(tf.gradients(tf.reduce_sum(outputs), tf.trainable_variables()))
    assert all(np.abs(gradient).sum() > 0 for gradient in gradients)
    # The variables of the cell are those inside of it, by whatever they were made.
    assert {v.op.name for v in cell.trainable_variables} >= set(names[1:])
    assert run(state.time) == 7


def test_batches_that_do_not_match():
    rows = tf.placeholder(tf.int32, [])
    _, cell = wrapped(features=6)
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match="tile_batch"):
        run(cell.zero_state(rows, tf.float32), {rows: 3})
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match="tile_batch"):
        wrapped(features=6, initial_cell_state=tf.zeros([3, 5]))


REFUSED = {
    "cell": (dict(cell=1), TypeError, "not an RNNCell"),
    "mechanism": (dict(attention_mechanism=1), TypeError, "attention_mechanism must be an"),
    "mechanisms": (dict(attention_mechanism=[1]), TypeError, "attention_mechanism must be an"),
    "input": (dict(cell_input_fn=1), TypeError, "cell_input_fn must be callable"),
    "sizes": (dict(attention_layer_size=[1, 2]), ValueError, "exactly one value per"),
    "both": (dict(attention_layer_size=1, attention_layer=1), ValueError, "Only one of"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case):
    options, error, message = REFUSED[case]
    given = {"cell": Cell(6, 5, 5), "attention_mechanism": seq2seq.LuongAttention(5, MEMORY)}
    with pytest.raises(error, match=message):
        seq2seq.AttentionWrapper(**{**given, **options})
    cell = seq2seq.AttentionWrapper(**given)
    with pytest.raises(TypeError, match="AttentionWrapperState"):
        cell(tf.zeros([2, 3]), tf.zeros([2, 5]))
