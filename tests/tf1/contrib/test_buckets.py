"""`tf.contrib.training.bucket`: mini-batches of examples of similar lengths."""

import numpy as np
import pytest

import graphkit.tf1 as tf

training = tf.contrib.training
LENGTHS = [1, 7, 3, 8, 2, 12, 9, 1, 4, 6, 2, 15]


def example():
    """One sentence after the other, each once; word n of sentence n has the value n."""
    length = tf.train.input_producer(LENGTHS, num_epochs=1, shuffle=False).dequeue()
    return length, tf.fill([length], length)


def batches(outputs):
    found = []
    with tf.train.MonitoredSession() as session:
        while not session.should_stop():
            found.append(session.run(outputs))
    return found


def test_sentences_of_similar_lengths_are_padded_together():
    length, words = example()
    lengths, outputs = training.bucket_by_sequence_length(
        length, {"words": words}, 2, [3, 8], dynamic_pad=True, allow_smaller_final_batch=True
    )
    found = batches((lengths, outputs["words"]))
    assert sorted(np.concatenate([lengths for lengths, _ in found])) == sorted(LENGTHS)
    for lengths, words in found:
        assert len({int(np.digitize(length, [3, 8])) for length in lengths}) == 1
        assert words.shape == (len(lengths), max(lengths))
        assert (words.sum(axis=1) == lengths**2).all()


def test_examples_that_are_not_kept_are_in_no_bucket():
    length, _ = example()
    number, outputs = training.bucket(
        [length], length % 2, 1, 2, keep_input=length > 3, num_threads=1, shapes=[[]]
    )
    found = batches((number, outputs))
    assert outputs.shape.as_list() == [1]
    assert sorted(int(values[0]) for _, values in found) == sorted(n for n in LENGTHS if n > 3)
    assert all(values[0] % 2 == number for number, values in found)


@pytest.mark.parametrize(
    ("boundaries", "sizes", "error", "message"),
    [
        ([], 2, ValueError, "bucket_boundaries must not be empty"),
        (3, 2, TypeError, "bucket_boundaries must be a list or tuple"),
        ([3, 2], 2, ValueError, "3 before 2"),
        ([1, 2.5], 2, TypeError, "bucket boundaries must be integers"),
        ([1, 2], [2, 2], ValueError, "must have num_buckets elements"),
    ],
)
def test_buckets_that_are_refused(boundaries, sizes, error, message):
    with pytest.raises(error, match=message):
        training.bucket_by_sequence_length(tf.constant(1), [tf.constant([1])], sizes, boundaries)
