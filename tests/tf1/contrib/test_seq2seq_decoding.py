"""`dynamic_decode` and `BasicDecoder`, against the same sequences decoded step by step in NumPy."""

import numpy as np
import pytest
from references import normal, run
from tf1.contrib.seq2seq_models import Cell

import graphkit as gk
import graphkit.tf1 as tf
from graphkit.tf1.contrib import seq2seq

INPUTS = normal(3, 5, 2)
LENGTHS = np.array([3, 5, 1])
START = normal(3, 4, seed=1)
EMBEDDING = normal(6, 2, seed=2)


def forced(cell):
    """Returns outputs (batch, time, units) and the states after each step."""
    outputs, states, h = [], [], START
    for time in range(5):
        output, h = cell.step(INPUTS[:, time], h)
        outputs.append(output)
        states.append(h)
    return np.stack(outputs, 1), np.stack(states, 1)


def greedy(cell, start, end, steps):
    """Returns logits and tokens of each step, and how long each sequence is with its end token."""
    h, tokens, logits, ids, lengths = START, np.array(start), [], [], np.zeros(3, int)
    finished = np.zeros(3, bool)
    for _ in range(steps):
        output, h = cell.step(EMBEDDING[tokens], h)
        tokens = output.argmax(-1)
        lengths += ~finished
        finished = finished | (tokens == end)
        logits.append(output)
        ids.append(tokens)
        if finished.all():
            break
    return np.stack(logits, 1), np.stack(ids, 1), lengths


def training_decoder(cell=None, lengths=LENGTHS, **kwargs):
    helper = seq2seq.TrainingHelper(tf.constant(INPUTS), lengths)
    return seq2seq.BasicDecoder(cell or Cell(2, 4, 6), helper, tf.constant(START), **kwargs)


@pytest.mark.parametrize("impute", [False, True])
@pytest.mark.parametrize("time_major", [False, True])
def test_teacher_forcing_with_lengths(impute, time_major):
    cell = Cell(2, 4, 6)
    outputs, state, lengths = seq2seq.dynamic_decode(training_decoder(cell), time_major, impute)
    assert outputs.rnn_output.shape.as_list() == ([None, 3, 6] if time_major else [3, None, 6])
    assert outputs.sample_id.shape.as_list() == ([None, 3] if time_major else [3, None])
    outputs, state, lengths = run([outputs, state, lengths])
    expected, states = forced(cell)
    ids = expected.argmax(-1)
    if impute:
        beyond = np.arange(5) >= LENGTHS[:, None]
        expected, ids = np.where(beyond[..., None], 0, expected), np.where(beyond, 0, ids)
        last = states[np.arange(3), LENGTHS - 1]
    else:
        last = states[:, -1]
    if time_major:
        expected, ids = expected.swapaxes(0, 1), ids.T
    np.testing.assert_allclose(outputs.rnn_output, expected, atol=1e-5)
    np.testing.assert_array_equal(outputs.sample_id, ids)
    np.testing.assert_allclose(state, last, atol=1e-5)
    np.testing.assert_array_equal(lengths, LENGTHS)


def test_what_lies_beyond_a_length_has_no_gradient_if_finished_is_imputed():
    inputs = tf.constant(INPUTS)
    helper = seq2seq.TrainingHelper(inputs, LENGTHS)
    decoder = seq2seq.BasicDecoder(Cell(2, 4, 6), helper, tf.constant(START))
    outputs, _, _ = seq2seq.dynamic_decode(decoder, impute_finished=True)
    gradient = run(tf.gradients(tf.reduce_sum(outputs.rnn_output), inputs)[0])
    beyond = np.arange(5) >= LENGTHS[:, None]
    assert not gradient[beyond].any() and gradient[~beyond].all()


def test_gradients_are_those_of_the_unrolled_steps():
    cell, weights = Cell(2, 4, 6), tf.constant(normal(3, 5, 6, seed=7))
    inputs, start = tf.constant(INPUTS), tf.constant(START)
    helper = seq2seq.TrainingHelper(inputs, [5, 5, 5])
    looped, _, _ = seq2seq.dynamic_decode(seq2seq.BasicDecoder(cell, helper, start), swap_memory=True)
    state, outputs = start, []
    for time in range(5):
        output, state = cell(inputs[:, time], state)
        outputs.append(output)
    sums = [tf.reduce_sum(weights * part) for part in (looped.rnn_output, tf.stack(outputs, 1))]
    for one, other in zip(*run([tf.gradients(part, [inputs, start]) for part in sums]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_greedy_decoding_stops_at_the_end_token():
    cell, stopped = Cell(2, 4, 6, seed=3), set()
    for end in range(6):
        helper = seq2seq.GreedyEmbeddingHelper(EMBEDDING, [1, 2, 3], end)
        decoder = seq2seq.BasicDecoder(cell, helper, tf.constant(START))
        outputs, _, lengths = run(seq2seq.dynamic_decode(decoder, maximum_iterations=7))
        logits, ids, expected = greedy(cell, [1, 2, 3], end, 7)
        np.testing.assert_array_equal(outputs.sample_id, ids)
        np.testing.assert_allclose(outputs.rnn_output, logits, atol=1e-5)
        np.testing.assert_array_equal(lengths, expected)
        stopped.add(ids.shape[1] < 7)
    assert stopped == {True, False}


def test_maximum_iterations_may_be_a_tensor():
    limit = tf.placeholder(tf.int32, [])
    outputs, state, lengths = seq2seq.dynamic_decode(training_decoder(), maximum_iterations=limit)
    with tf.Session() as session:
        for value, steps in ((2, 2), (9, 5), (0, 0)):
            ids, counted, last = session.run([outputs.rnn_output, lengths, state], {limit: value})
            assert ids.shape == (3, steps, 6)
            np.testing.assert_array_equal(counted, np.minimum(LENGTHS, value))
            if value == 0:
                np.testing.assert_array_equal(last, START)
    with pytest.raises(ValueError, match="maximum_iterations must be a scalar"):
        seq2seq.dynamic_decode(training_decoder(), maximum_iterations=[3])


def test_an_output_layer_and_the_names_of_variables_and_ops():
    cell, layer = tf.nn.rnn_cell.BasicLSTMCell(4), tf.layers.Dense(7, name="projection")
    state = tf.nn.rnn_cell.LSTMStateTuple(tf.constant(START), tf.constant(START))
    helper = seq2seq.TrainingHelper(tf.constant(INPUTS), LENGTHS)
    decoder = seq2seq.BasicDecoder(cell, helper, state, layer)
    outputs, final, _ = seq2seq.dynamic_decode(decoder, impute_finished=True)
    assert outputs.rnn_output.shape.as_list() == [3, None, 7]
    assert isinstance(final, tf.nn.rnn_cell.LSTMStateTuple) and final.h.shape.as_list() == [3, 4]
    assert [variable.op.name for variable in tf.trainable_variables()] == [
        "decoder/basic_lstm_cell/kernel",
        "decoder/basic_lstm_cell/bias",
        "decoder/projection/kernel",
        "decoder/projection/bias",
    ]
    names = {op.name for op in tf.get_default_graph().get_operations()}
    assert any(name.startswith("decoder/while/BasicDecoderStep/TrainingHelperNextInputs/") for name in names)
    with tf.variable_scope("mine"):
        seq2seq.dynamic_decode(training_decoder(tf.nn.rnn_cell.GRUCell(4)), scope="other")
    assert tf.trainable_variables()[-1].op.name == "mine/other/gru_cell/candidate/bias"


def test_variables_of_training_are_reused_for_inference():
    def decode(helper, reuse):
        with tf.variable_scope("model", reuse=reuse):
            cell = tf.nn.rnn_cell.GRUCell(4)
            decoder = seq2seq.BasicDecoder(cell, helper, tf.constant(START), tf.layers.Dense(6, name="out"))
            return seq2seq.dynamic_decode(decoder, maximum_iterations=5)

    embedding = tf.constant(EMBEDDING)
    greedily = decode(seq2seq.GreedyEmbeddingHelper(embedding, [1, 2, 3], -1), None)[0]
    read = tf.concat([[[1], [2], [3]], greedily.sample_id[:, :-1]], 1)
    again = decode(seq2seq.TrainingHelper(tf.gather(embedding, read), [5] * 3), True)[0]
    assert len(tf.trainable_variables()) == 6
    one, other = run([greedily, again])
    np.testing.assert_allclose(one.rnn_output, other.rnn_output, atol=1e-6)
    np.testing.assert_array_equal(one.sample_id, other.sample_id)


class Countdown(seq2seq.Decoder):
    """A decoder of a program: counts down from each number, and keeps what it has seen in an array."""

    batch_size = property(lambda self: 3)
    output_size = property(lambda self: {"left": tf.TensorShape([])})
    output_dtype = property(lambda self: {"left": tf.int32})

    def initialize(self, name=None):
        seen = tf.TensorArray(tf.int32, 0, dynamic_size=True, element_shape=[3])
        return tf.constant([False] * 3), tf.constant([3, 1, 2]), (tf.constant(0), seen)

    def step(self, time, inputs, state, name=None):
        count, seen = state
        left = inputs - 1
        return {"left": left}, (count + 1, seen.write(time, inputs)), left, left <= 0


class Reversing(Countdown):
    def finalize(self, outputs, final_state, sequence_lengths):
        return {"left": outputs["left"][::-1]}, (final_state[0], sequence_lengths)


def test_a_decoder_of_a_program():
    outputs, (count, seen), lengths = seq2seq.dynamic_decode(Countdown(), impute_finished=True)
    left, counted, numbers, sizes = run([outputs["left"], count, seen.stack(), lengths])
    np.testing.assert_array_equal(left, [[2, 1, 0], [0, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(numbers, [[3, 1, 2], [2, 0, 1], [1, -1, 0]])
    np.testing.assert_array_equal(sizes, [3, 1, 2])
    assert counted == 3
    outputs, (count, sizes), _ = run(seq2seq.dynamic_decode(Reversing()))
    np.testing.assert_array_equal(outputs["left"], [[0, 1, 2], [-2, -1, 0], [-1, 0, 1]])
    np.testing.assert_array_equal(sizes, [3, 1, 2])


@pytest.mark.parametrize("place, message", [(0, "not an RNNCell"), (1, "must be a Helper"), (3, "a Layer")])
def test_other_kinds_are_refused(place, message):
    helper = seq2seq.GreedyEmbeddingHelper(EMBEDDING, [1, 2, 3], 0)
    parts = [Cell(2, 4, 6), helper, tf.constant(START), None]
    parts[place] = object()
    with pytest.raises(TypeError, match=message):
        seq2seq.BasicDecoder(*parts)


def test_what_is_not_a_decoder_is_refused():
    with pytest.raises(TypeError, match="Expected decoder to be type Decoder"):
        seq2seq.dynamic_decode(Cell(2, 4, 6))


def attentive_loss():
    """Returns placeholders and the loss of an encoder and a decoder with attention."""
    tf.set_random_seed(5)
    source, target = tf.placeholder(tf.int32, [None, 4]), tf.placeholder(tf.int32, [None, 4])
    lengths = tf.placeholder(tf.int32, [None])
    embedding = tf.get_variable("embedding", [6, 5])
    memory, state = tf.nn.dynamic_rnn(
        tf.nn.rnn_cell.GRUCell(5), tf.nn.embedding_lookup(embedding, source), dtype=tf.float32
    )
    mechanism = seq2seq.BahdanauAttention(5, memory, normalize=True)
    cell = seq2seq.AttentionWrapper(tf.nn.rnn_cell.GRUCell(5), mechanism, attention_layer_size=5)
    start = cell.zero_state(tf.shape(source)[0], tf.float32).clone(cell_state=state)
    helper = seq2seq.TrainingHelper(tf.nn.embedding_lookup(embedding, target), lengths)
    decoder = seq2seq.BasicDecoder(cell, helper, start, tf.layers.Dense(6, name="out"))
    outputs, _, _ = seq2seq.dynamic_decode(decoder, impute_finished=True, maximum_iterations=4)
    logits = outputs.rnn_output
    logits = tf.pad(logits, [[0, 0], [0, 4 - tf.shape(logits)[1]], [0, 0]])
    weights = tf.sequence_mask(lengths, 4, dtype=tf.float32)
    return (source, target, lengths), seq2seq.sequence_loss(logits, target, weights)


@pytest.mark.slow
def test_a_trainer_has_the_losses_of_the_programs_own_loop():
    rng = np.random.default_rng(0)
    arrays = rng.integers(0, 6, (24, 4)), rng.integers(0, 6, (24, 4)), rng.integers(1, 5, 24)
    placeholders, loss = attentive_loss()
    variables = tf.trainable_variables()
    update = tf.train.GradientDescentOptimizer(0.3).minimize(loss)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        first, losses = session.run(variables), []
        for _ in range(3):
            batches = [
                dict(zip(placeholders, [a[i : i + 8] for a in arrays], strict=True)) for i in (0, 8, 16)
            ]
            losses.append(np.mean([session.run([loss, update], batch)[0] for batch in batches]))
        last = session.run(variables)
    with tf.Graph().as_default():
        placeholders, loss = attentive_loss()
        variables = tf.trainable_variables()
        with gk.Trainer(loss, "sgd", 0.3) as trainer:
            for variable, value in zip(variables, first, strict=True):
                variable.load(value, trainer.session)
            feed = dict(zip(placeholders, arrays, strict=True))
            history = trainer.fit(feed, epochs=3, batch_size=8, shuffle=False, progress=False)
            trained = trainer.session.run(variables)
            assert trainer.runner.execution == "chunks"  # many steps in a loop of the graph
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-5)
    for one, other in zip(trained, last, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    assert losses[-1] < losses[0]


def test_names_from_before_tensorflow_1_2_say_what_to_use():
    with pytest.raises(AttributeError, match="missing in graphkit.tf1; it is AttentionWrapper since"):
        _ = seq2seq.DynamicAttentionWrapper
    assert "dynamic_decode" in dir(seq2seq) and "decoding" not in seq2seq.__all__
