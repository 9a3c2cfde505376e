"""What each helper samples, reads next, and takes for finished, step by step."""

import numpy as np
import pytest
from references import normal, run

import graphkit.tf1 as tf
from graphkit.tf1.contrib import seq2seq

INPUTS = normal(3, 4, 2)  # (batch, time, features)
LENGTHS = np.array([2, 4, 1])
EMBEDDING = normal(5, 2, seed=1)


def steps_of(helper, outputs, times=4):
    """Returns finished, inputs and samples of the start and of each step, for the same outputs."""
    state = tf.zeros([3])
    finished, inputs = helper.initialize()
    results = [(finished, inputs)]
    for time in range(times):
        ids = helper.sample(time=tf.constant(time), outputs=outputs, state=state)
        finished, inputs, after = helper.next_inputs(
            time=tf.constant(time), outputs=outputs, state=state, sample_ids=ids
        )
        assert after is state
        results.append((finished, inputs, ids))
    return run(results)


@pytest.mark.parametrize("time_major", [False, True])
def test_training_helper_reads_its_inputs_until_all_have_finished(time_major):
    inputs = INPUTS.transpose(1, 0, 2) if time_major else INPUTS
    helper = seq2seq.TrainingHelper(tf.constant(inputs), LENGTHS, time_major)
    logits = normal(3, 5, seed=2)
    start, *steps = steps_of(helper, tf.constant(logits))
    np.testing.assert_array_equal(start[0], [False] * 3)
    np.testing.assert_array_equal(start[1], INPUTS[:, 0])
    for time, (finished, read, ids) in enumerate(steps, start=1):
        np.testing.assert_array_equal(finished, time >= LENGTHS)
        np.testing.assert_array_equal(read, INPUTS[:, time] if time < 4 else np.zeros((3, 2)))
        np.testing.assert_array_equal(ids, logits.argmax(-1))
    assert helper.sample_ids_shape == tf.TensorShape([]) and helper.sample_ids_dtype == tf.int32
    assert run(helper.batch_size) == 3
    assert run([helper.inputs, helper.sequence_length])[1].tolist() == [2, 4, 1]


def test_sequences_without_steps_are_finished_at_once():
    finished, inputs = run(seq2seq.TrainingHelper(INPUTS, [0, 0, 0]).initialize())
    np.testing.assert_array_equal(finished, [True] * 3)
    np.testing.assert_array_equal(inputs, np.zeros((3, 2)))


@pytest.mark.parametrize("as_function", [False, True])
def test_greedy_helper_embeds_the_largest_logit_until_the_end_token(as_function):
    embedding = tf.constant(EMBEDDING)
    embed = (lambda ids: tf.gather(embedding, ids)) if as_function else embedding
    helper = seq2seq.GreedyEmbeddingHelper(embed, [1, 2, 1], 4)
    logits = np.eye(5, dtype=np.float32)[[4, 0, 3]]
    start, step = steps_of(helper, tf.constant(logits), times=1)
    np.testing.assert_array_equal(start[0], [False] * 3)
    np.testing.assert_array_equal(start[1], EMBEDDING[[1, 2, 1]])
    np.testing.assert_array_equal(step[2], [4, 0, 3])
    np.testing.assert_array_equal(step[0], [True, False, False])
    np.testing.assert_array_equal(step[1], EMBEDDING[[4, 0, 3]])


@pytest.mark.parametrize("temperature", [None, 0.5])
def test_sample_helper_draws_from_the_softmax(temperature):
    count, logits = 20_000, np.log([[0.5, 0.3, 0.2]]).astype(np.float32)
    helper = seq2seq.SampleEmbeddingHelper(EMBEDDING, [1] * count, 2, temperature, seed=3)
    tf.set_random_seed(1)
    ids = run(helper.sample(0, tf.tile(tf.constant(logits), [count, 1]), None))
    expected = np.array([0.5, 0.3, 0.2]) ** (1 / (temperature or 1))
    np.testing.assert_allclose(np.bincount(ids) / count, expected / expected.sum(), atol=0.015)


def test_inference_helper_of_functions():
    helper = seq2seq.InferenceHelper(
        sample_fn=lambda outputs: outputs * 2,
        sample_shape=[2],
        sample_dtype=tf.float32,
        start_inputs=INPUTS[:, 0],
        end_fn=lambda samples: samples[:, 0] > 1,
        next_inputs_fn=lambda samples: samples + 1,
    )
    outputs = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]], np.float32)
    start, step = steps_of(helper, tf.constant(outputs), times=1)
    np.testing.assert_array_equal(start[1], INPUTS[:, 0])
    np.testing.assert_array_equal(step[2], outputs * 2)
    np.testing.assert_array_equal(step[1], outputs * 2 + 1)
    np.testing.assert_array_equal(step[0], [False, True, True])
    assert helper.sample_ids_shape == tf.TensorShape([2]) and helper.sample_ids_dtype == tf.float32
    plain = seq2seq.InferenceHelper(lambda o: o, [2], tf.float32, INPUTS[:, 0], lambda s: s[:, 0] > 1)
    np.testing.assert_array_equal(steps_of(plain, tf.constant(outputs), times=1)[1][1], outputs)


def test_custom_helper_calls_its_functions_by_name():
    helper = seq2seq.CustomHelper(
        initialize_fn=lambda: (tf.constant([False, True, False]), tf.constant(INPUTS[:, 0])),
        sample_fn=lambda time, outputs, state: outputs + tf.cast(time, tf.float32),
        next_inputs_fn=lambda time, outputs, state, sample_ids: (sample_ids[:, 0] > 1, sample_ids, state),
        sample_ids_shape=[1],
        sample_ids_dtype=tf.float32,
    )
    with pytest.raises(ValueError, match="before initialize"):
        _ = helper.batch_size
    outputs = np.array([[0.0], [1.0], [2.0]], np.float32)
    start, first, second = steps_of(helper, tf.constant(outputs), times=2)
    np.testing.assert_array_equal(start[0], [False, True, False])
    np.testing.assert_array_equal(first[1], outputs)
    np.testing.assert_array_equal(second[1], outputs + 1)
    np.testing.assert_array_equal(second[0], [False, True, True])
    assert run(helper.batch_size) == 3


def test_scheduled_embedding_helper_reads_samples_where_it_has_drawn_one():
    peaked = np.full((3, 5), -1e9, np.float32)
    peaked[[0, 1, 2], [3, 1, 4]] = 0
    helper = seq2seq.ScheduledEmbeddingTrainingHelper(
        INPUTS, [3, 3, 3], tf.constant(EMBEDDING), [0.0, 1.0, 1.0]
    )
    start, first, second, third = steps_of(helper, tf.constant(peaked), times=3)
    np.testing.assert_array_equal(start[1], INPUTS[:, 0])
    for time, step in ((1, first), (2, second)):
        np.testing.assert_array_equal(step[2], [-1, 1, 4])
        np.testing.assert_array_equal(step[1], [INPUTS[0, time], EMBEDDING[1], EMBEDDING[4]])
    assert third[0].all()
    np.testing.assert_array_equal(third[1], np.zeros((3, 2)))


def test_scheduled_sampling_has_the_given_probability():
    count = 20_000
    helper = seq2seq.ScheduledEmbeddingTrainingHelper(
        np.zeros((count, 1, 2), np.float32), [1] * count, EMBEDDING, 0.25, seed=1, scheduling_seed=2
    )
    tf.set_random_seed(1)
    ids = run(helper.sample(0, tf.zeros([count, 5]), None))
    assert abs((ids >= 0).mean() - 0.25) < 0.015
    np.testing.assert_allclose(np.bincount(ids[ids >= 0]) / (ids >= 0).sum(), [0.2] * 5, atol=0.03)


@pytest.mark.parametrize("transform", [False, True])
@pytest.mark.parametrize("auxiliary", [False, True])
def test_scheduled_output_helper_reads_outputs_where_it_samples(transform, auxiliary):
    more = normal(3, 4, 1, seed=4)
    function = (lambda outputs: outputs * 10) if transform else None
    helper = seq2seq.ScheduledOutputTrainingHelper(
        tf.constant(INPUTS),
        [3, 3, 3],
        [1.0, 0.0, 1.0],
        next_inputs_fn=function,
        auxiliary_inputs=more if auxiliary else None,
    )
    outputs = normal(3, 2, seed=5)
    start, first, second, third = steps_of(helper, tf.constant(outputs), times=3)
    given = np.concatenate([INPUTS, more], -1) if auxiliary else INPUTS
    np.testing.assert_array_equal(start[1], given[:, 0])
    for time, step in ((1, first), (2, second)):
        own = outputs * 10 if transform else outputs
        own = np.concatenate([own, more[:, time]], -1) if auxiliary else own
        np.testing.assert_array_equal(step[2], [1, 0, 1])
        np.testing.assert_array_equal(step[1], [own[0], given[1, time], own[2]])
    assert third[0].all()


def test_gradients_pass_through_scheduled_inputs():
    table, outputs = tf.constant(EMBEDDING), tf.constant(np.eye(3, 5, dtype=np.float32) * 1e9)
    helper = seq2seq.ScheduledEmbeddingTrainingHelper(INPUTS, [3, 3, 3], table, [0.0, 1.0, 0.0])
    ids = helper.sample(0, outputs, None)
    _, inputs, _ = helper.next_inputs(0, outputs, None, ids)
    gradient = run(tf.convert_to_tensor(tf.gradients(inputs, table)[0]))
    np.testing.assert_array_equal(gradient, [[0, 0], [1, 1], [0, 0], [0, 0], [0, 0]])


REFUSED = {
    "lengths": (lambda: seq2seq.TrainingHelper(INPUTS, 3), "sequence_length to be a vector"),
    "start": (lambda: seq2seq.GreedyEmbeddingHelper(EMBEDDING, 1, 0), "start_tokens must be a vector"),
    "end": (lambda: seq2seq.GreedyEmbeddingHelper(EMBEDDING, [1], [0]), "end_token must be a scalar"),
    "embedding probability": (
        lambda: seq2seq.ScheduledEmbeddingTrainingHelper(INPUTS, LENGTHS, EMBEDDING, [[0.5]]),
        "scalar or a vector",
    ),
    "output probability": (
        lambda: seq2seq.ScheduledOutputTrainingHelper(INPUTS, LENGTHS, [[0.5]]),
        "scalar or a vector",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case):
    make, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        make()


def test_outputs_that_are_not_one_tensor_are_refused():
    for kind in (seq2seq.GreedyEmbeddingHelper, seq2seq.SampleEmbeddingHelper):
        with pytest.raises(TypeError, match="single Tensor"):
            kind(EMBEDDING, [1], 0).sample(0, (tf.zeros([1, 5]),), None)
