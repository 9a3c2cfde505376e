"""Beam search, against an exhaustive search and a re-implementation in Python."""

import itertools

import numpy as np
import pytest
from references import normal, run
from tf1.contrib.seq2seq_models import Cell, log_softmax

import graphkit.tf1 as tf
from graphkit.tf1.contrib import seq2seq

VOCABULARY, END, STEPS = 4, 0, 4
EMBEDDING = normal(VOCABULARY, 2, seed=2)
START, TOKENS = normal(3, 5, seed=1), [1, 2, 3]


def search(cell, width, steps=STEPS, tokens=TOKENS, **options):
    """Returns the values of a beam search."""
    batch = len(tokens)
    state = seq2seq.tile_batch(tf.constant(START[:batch]), width)
    decoder = seq2seq.BeamSearchDecoder(cell, EMBEDDING, tokens, END, state, width, **options)
    return run(seq2seq.dynamic_decode(decoder, maximum_iterations=steps))


def penalty(length, weight):
    return ((5 + length) / 6) ** weight


def exhaustive(cell, row, weight):
    """Returns all (score, tokens) of one example, the best first."""
    found = []
    for tokens in itertools.product(range(VOCABULARY), repeat=STEPS):
        end = tokens.index(END) + 1 if END in tokens else STEPS
        if any(token != END for token in tokens[end:]):
            continue  # the same sequence as that which is filled with end tokens
        h, last, total = START[row : row + 1], TOKENS[row], 0.0
        for token in tokens[:end]:
            logits, h = cell.step(EMBEDDING[[last]], h)
            total, last = total + log_softmax(logits)[0, token], token
        # While it is ranked, an end token is not counted; it is one step later.
        length = end - (end == STEPS and tokens[-1] == END)
        found.append((total / penalty(length, weight), tokens))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("weight", [0.0, 0.8])
def test_a_wide_beam_finds_what_an_exhaustive_search_finds(weight):
    cell, width = Cell(2, 5, VOCABULARY), VOCABULARY**STEPS
    final, _, _ = search(cell, width, length_penalty_weight=weight)
    for row in range(3):
        best = exhaustive(cell, row, weight)[:10]
        scores = final.beam_search_decoder_output.scores[row, -1, :10]
        np.testing.assert_allclose(scores, [score for score, _ in best], rtol=1e-4)
        assert final.predicted_ids[row, :, :10].T.tolist() == [list(tokens) for _, tokens in best]


def by_definition(cell, row, width, steps, weight):
    """Returns (scores, tokens, log probabilities, finished, lengths) of the beams of one example."""
    beams = [(0.0, (), False, 0, START[row : row + 1])]
    for _ in range(steps):
        extensions = []
        for total, tokens, finished, length, h in beams:
            if finished:
                extensions.append((total / penalty(length, weight), total, (*tokens, END), True, length, h))
                continue
            last = tokens[-1] if tokens else TOKENS[row]
            logits, new = cell.step(EMBEDDING[[last]], h)
            for token, log_prob in enumerate(log_softmax(logits)[0]):
                score = (total + log_prob) / penalty(length + (token != END), weight)
                result = (score, total + log_prob, (*tokens, token), token == END, length + 1, new)
                extensions.append(result)
        extensions.sort(key=lambda one: -one[0])
        scores = [one[0] for one in extensions[:width]]
        beams = [one[1:] for one in extensions[:width]]
    return scores, [b[1] for b in beams], [b[0] for b in beams], [b[2] for b in beams], [b[3] for b in beams]


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_beams_are_those_of_the_definition(weight):
    cell = Cell(2, 5, VOCABULARY, seed=5)
    final, state, _ = search(cell, 3, steps=6, length_penalty_weight=weight)
    assert 0 < state.finished.sum() < 9
    for row in range(3):
        scores, tokens, log_probs, finished, lengths = by_definition(cell, row, 3, 6, weight)
        np.testing.assert_allclose(final.beam_search_decoder_output.scores[row, -1], scores, rtol=1e-4)
        assert final.predicted_ids[row].T.tolist() == [list(one) for one in tokens]
        np.testing.assert_allclose(state.log_probs[row], log_probs, rtol=1e-4)
        np.testing.assert_array_equal(state.finished[row], finished)
        np.testing.assert_array_equal(state.lengths[row], lengths)


def test_one_beam_is_greedy():
    cell = Cell(2, 5, VOCABULARY, seed=5)
    final, state, _ = search(cell, 1, steps=7)
    helper = seq2seq.GreedyEmbeddingHelper(EMBEDDING, TOKENS, END)
    decoder = seq2seq.BasicDecoder(cell, helper, tf.constant(START))
    outputs, _, lengths = run(seq2seq.dynamic_decode(decoder, maximum_iterations=7, impute_finished=True))
    beyond = np.arange(7) >= lengths[:, None]
    np.testing.assert_array_equal(final.predicted_ids[..., 0], np.where(beyond, END, outputs.sample_id))
    np.testing.assert_array_equal(state.lengths[:, 0], lengths)


def test_search_ends_when_all_beams_have_finished():
    cell = Cell(2, 5, VOCABULARY)
    cell.matrices[2] = np.zeros((5, VOCABULARY), np.float32)
    cell.matrices[1] = np.zeros((5, 5), np.float32)
    cell.matrices[2][:, END] = 100.0
    cell.matrices[0] = np.full((2, 5), 9.0, np.float32)
    state = seq2seq.tile_batch(tf.constant(START), 2)
    embedding = tf.ones([VOCABULARY, 2])
    decoder = seq2seq.BeamSearchDecoder(cell, embedding, TOKENS, END, state, 2)
    final, state, _ = run(seq2seq.dynamic_decode(decoder))
    assert state.finished.all() and final.predicted_ids.shape == (3, 2, 2)
    assert (final.predicted_ids[:, :, 0] == END).all()


def attentive(width=None, start=None, **options):
    """Returns a cell with attention, its zero state, its embedding and its output layer."""
    memory, lengths = tf.constant(normal(2, 4, 3, seed=3)), tf.constant([4, 2])
    if width is not None:
        memory, lengths = seq2seq.tile_batch((memory, lengths), width)
    with tf.variable_scope("decoder", reuse=tf.AUTO_REUSE):
        mechanism = seq2seq.LuongAttention(5, memory, lengths)
        cell = seq2seq.AttentionWrapper(tf.nn.rnn_cell.GRUCell(5), mechanism, 6, alignment_history=True)
    embedding = tf.constant(normal(6, 2, seed=6))
    return cell, cell.zero_state(2 * (width or 1), tf.float32), embedding, tf.layers.Dense(6, name="out")


@pytest.mark.grid
@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_attention_of_each_beam_is_that_of_its_sequence(weight):
    cell, state, embedding, layer = attentive(3)
    decoder = seq2seq.BeamSearchDecoder(
        cell, embedding, [1, 1], END, state, 3, layer, coverage_penalty_weight=weight
    )
    with tf.variable_scope("decoder", initializer=tf.random_normal_initializer(seed=1)):
        pass
    final, beams, _ = seq2seq.dynamic_decode(decoder, maximum_iterations=5, scope="decoder")
    with tf.variable_scope("", reuse=True):
        cell, state, embedding, layer = attentive()
        read = tf.placeholder(tf.int32, [2, None])
        helper = seq2seq.TrainingHelper(tf.gather(embedding, read), tf.tile(tf.shape(read)[1:], [2]))
        decoder = seq2seq.BasicDecoder(cell, helper, state, layer)
        outputs, forced, _ = seq2seq.dynamic_decode(decoder, scope="decoder")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for number, variable in enumerate(tf.trainable_variables()):
            session.run(variable.assign(normal(*variable.shape.as_list(), seed=10 + number)))
        history = beams.cell_state.alignment_history
        final, beams, history = session.run([final, beams._replace(cell_state=()), history])
        alignments = forced.alignment_history.stack()
        for beam in range(3):
            ids = final.predicted_ids[:, :, beam]
            feed = {read: np.concatenate([[[1], [1]], ids[:, :-1]], 1)}
            logits, expected = session.run([outputs.rnn_output, alignments], feed)
            log_probs = np.take_along_axis(log_softmax(logits), ids[..., None], -1)[..., 0]
            for row in range(2):
                length, place = beams.lengths[row, beam], row * 3 + beam
                np.testing.assert_allclose(history[:length, place], expected[:length, row], atol=1e-5)
                total = log_probs[row, :length].sum()
                np.testing.assert_allclose(beams.log_probs[row, beam], total, rtol=1e-4)
                score = final.beam_search_decoder_output.scores[row, -1, beam]
                if length < len(history) and weight:  # it was charged for what it did not cover
                    seen = expected[:length, row].sum(0)[: (4, 2)[row]]
                    total += weight * np.log(np.minimum(seen, 1)).sum()
                np.testing.assert_allclose(score, total, rtol=1e-4)
        assert beams.finished.any()


def test_arrays_stay_as_they_are_if_they_are_not_reordered():
    cell, state, embedding, layer = attentive(3)
    decoder = seq2seq.BeamSearchDecoder(
        cell, embedding, [1, 1], END, state, 3, layer, reorder_tensor_arrays=False
    )
    _, state, _ = seq2seq.dynamic_decode(decoder, maximum_iterations=2)
    assert isinstance(state.cell_state.alignment_history, tf.TensorArray)
    assert run(state.cell_state.alignment_history.stack()).shape == (2, 6, 4)


def test_static_shapes_with_a_batch_of_unknown_size():
    start = tf.placeholder(tf.float32, [None, 5])
    tokens = tf.fill([tf.shape(start)[0]], 1)
    state = tf.nn.rnn_cell.LSTMStateTuple(*[seq2seq.tile_batch(start, 3)] * 2)
    cell = tf.nn.rnn_cell.BasicLSTMCell(5)
    decoder = seq2seq.BeamSearchDecoder(cell, EMBEDDING, tokens, END, state, 3, tf.layers.Dense(VOCABULARY))
    final, state, _ = seq2seq.dynamic_decode(decoder, maximum_iterations=4)
    assert final.predicted_ids.shape.as_list() == [None, None, 3]
    assert state.cell_state.h.shape.as_list() == [None, 3, 5]
    feed = {start: START}
    assert run(final.predicted_ids, feed).shape == (3, 4, 3)


def test_a_state_that_was_not_tiled_is_refused():
    with pytest.raises(ValueError, match="batch_size=encoder_batch_size \\* beam_width"):
        seq2seq.BeamSearchDecoder(Cell(2, 5, 4), EMBEDDING, TOKENS, END, tf.zeros([3, 5]), 2)


def test_refusals():
    cell, state = Cell(2, 5, VOCABULARY), tf.zeros([6, 5])
    with pytest.raises(ValueError, match="start_tokens must be a vector"):
        seq2seq.BeamSearchDecoder(cell, EMBEDDING, 1, END, state, 2)
    with pytest.raises(ValueError, match="end_token must be a scalar"):
        seq2seq.BeamSearchDecoder(cell, EMBEDDING, TOKENS, [END], state, 2)
    with pytest.raises(TypeError, match="output_layer must be a Layer"):
        seq2seq.BeamSearchDecoder(cell, EMBEDDING, TOKENS, END, state, 2, output_layer=len)
    decoder = seq2seq.BeamSearchDecoder(cell, EMBEDDING, TOKENS, END, state, 2, coverage_penalty_weight=0.1)
    with pytest.raises(ValueError, match="coverage_penalty_weight must be 0.0"):
        seq2seq.dynamic_decode(decoder)
