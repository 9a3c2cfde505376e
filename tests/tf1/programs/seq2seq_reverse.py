"""Learns to write short strings of digits backwards: an encoder, and a decoder with attention."""

import numpy as np
import tensorflow as tf

PAD, GO, END, DIGITS = 0, 1, 2, 10
VOCABULARY = 3 + DIGITS
LONGEST = 6
UNITS, EMBEDDING, BEAMS = 48, 16, 4
STEPS, BATCH = 150, 64


def make_strings(rng, count):
    """Returns (strings, their lengths, the reversed strings with an end token), padded."""
    lengths = rng.randint(2, LONGEST + 1, count)
    sources = np.full((count, LONGEST), PAD, np.int32)
    targets = np.full((count, LONGEST + 1), PAD, np.int32)
    for row, length in enumerate(lengths):
        digits = rng.randint(3, VOCABULARY, length)
        sources[row, :length] = digits
        targets[row, : length + 1] = [*digits[::-1], END]
    return sources, lengths, targets


def encode(embedding, sources, lengths):
    with tf.variable_scope("encoder"):
        forward, backward = tf.contrib.rnn.GRUCell(UNITS), tf.contrib.rnn.GRUCell(UNITS)
        outputs, states = tf.nn.bidirectional_dynamic_rnn(
            forward, backward, tf.nn.embedding_lookup(embedding, sources), lengths, dtype=tf.float32
        )
        return tf.concat(outputs, 2), tf.layers.dense(tf.concat(states, 1), UNITS, tf.tanh, name="bridge")


def build(mode, sources, lengths, targets=None):
    """Returns the loss, or the strings that greedy decoding or beam search writes."""
    with tf.variable_scope("model", reuse=mode != "train"):
        batch = tf.shape(sources)[0]
        embedding = tf.get_variable("embedding", [VOCABULARY, EMBEDDING])
        memory, state = encode(embedding, sources, lengths)
        rows = batch
        if mode == "beam":
            memory, state, lengths = (
                tf.contrib.seq2seq.tile_batch(t, BEAMS) for t in (memory, state, lengths)
            )
            rows = batch * BEAMS
        with tf.variable_scope("decoder") as scope:
            mechanism = tf.contrib.seq2seq.BahdanauAttention(UNITS, memory, memory_sequence_length=lengths)
            cell = tf.contrib.seq2seq.AttentionWrapper(
                tf.contrib.rnn.GRUCell(UNITS), mechanism, attention_layer_size=UNITS
            )
            start = cell.zero_state(dtype=tf.float32, batch_size=rows).clone(cell_state=state)
            projection = tf.layers.Dense(VOCABULARY, use_bias=False, name="projection")
            go = tf.fill([batch], GO)
            if mode == "train":
                read = tf.nn.embedding_lookup(embedding, tf.concat([go[:, None], targets[:, :-1]], 1))
                mask = tf.cast(tf.not_equal(targets, PAD), tf.float32)
                helper = tf.contrib.seq2seq.TrainingHelper(read, tf.reduce_sum(tf.cast(mask, tf.int32), 1))
                decoder = tf.contrib.seq2seq.BasicDecoder(cell, helper, start, projection)
            elif mode == "greedy":
                helper = tf.contrib.seq2seq.GreedyEmbeddingHelper(embedding, go, END)
                decoder = tf.contrib.seq2seq.BasicDecoder(cell, helper, start, projection)
            else:
                decoder = tf.contrib.seq2seq.BeamSearchDecoder(
                    cell, embedding, go, END, start, BEAMS, projection, length_penalty_weight=1.0
                )
            outputs, _, _ = tf.contrib.seq2seq.dynamic_decode(
                decoder,
                impute_finished=mode != "beam",
                maximum_iterations=None if mode == "train" else LONGEST + 1,
                scope=scope,
            )
    if mode == "train":
        logits = outputs.rnn_output
        steps = tf.shape(logits)[1]
        return tf.contrib.seq2seq.sequence_loss(logits, targets[:, :steps], mask[:, :steps])
    return outputs.sample_id if mode == "greedy" else outputs.predicted_ids[:, :, 0]


def exact_matches(written, targets):
    """Returns the fraction of strings that are right up to their end tokens."""
    right = 0
    for place, target in enumerate(targets.tolist()):
        wanted = target[: target.index(END) + 1]
        right += [*written[place], END][: len(wanted)] == wanted
    return right / len(targets)


def main():
    tf.set_random_seed(1)
    rng = np.random.RandomState(1)
    sources = tf.placeholder(tf.int32, [None, LONGEST])
    lengths = tf.placeholder(tf.int32, [None])
    targets = tf.placeholder(tf.int32, [None, LONGEST + 1])
    loss = build("train", sources, lengths, targets)
    optimizer = tf.train.AdamOptimizer(0.005)
    train_op = optimizer.apply_gradients(
        [
            (tf.clip_by_norm(gradient, 5.0), variable)
            for gradient, variable in optimizer.compute_gradients(loss)
        ]
    )
    greedy = build("greedy", sources, lengths)
    beam = build("beam", sources, lengths)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for step in range(STEPS):
            strings, sizes, wanted = make_strings(rng, BATCH)
            _, value = sess.run(
                [train_op, loss], feed_dict={sources: strings, lengths: sizes, targets: wanted}
            )
            if (step + 1) % 50 == 0:
                print(f"step {step + 1} loss {value:.4f}")
        strings, sizes, wanted = make_strings(rng, 500)
        written = sess.run([greedy, beam], feed_dict={sources: strings, lengths: sizes})
    matches = [exact_matches(ids, wanted) for ids in written]
    print("exact matches: greedy {:.3f}, beam search {:.3f}".format(*matches))
    return matches


if __name__ == "__main__":
    main()
