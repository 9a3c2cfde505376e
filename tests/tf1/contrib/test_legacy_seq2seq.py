"""`tf.contrib.legacy_seq2seq`: losses and attention by their formulas, names, feeding back, buckets."""

import numpy as np
import pytest
from references import normal, refused, run, softmax

import graphkit.tf1 as tf

seq2seq, rnn = tf.contrib.legacy_seq2seq, tf.contrib.rnn
GRU = ["gru_cell/gates/kernel", "gru_cell/gates/bias", "gru_cell/candidate/kernel", "gru_cell/candidate/bias"]


def symbols(steps, batch=2):
    return [tf.constant([step] * batch) for step in range(steps)]


def weights():
    return [variable.op.name for variable in tf.global_variables()]


def in_scope(scope, parts):
    return [f"{scope}/{part}" for part in parts]


def cell():
    return rnn.GRUCell(3)


# Models: outputs, names


def test_a_decoder_feeds_outputs_back_through_the_loop_function():
    inputs = [tf.constant(normal(2, 3, seed=step)) for step in range(3)]
    state = tf.zeros([2, 3])
    shared = cell()
    fed, last = seq2seq.rnn_decoder(inputs, state, shared)
    looped, _ = seq2seq.rnn_decoder(inputs, state, shared, lambda previous, step: previous * step)
    hand, now = [], state
    for step, value in enumerate(inputs):
        output, now = shared(hand[-1] * step if step else value, now)
        hand.append(output)
    assert weights() == in_scope("rnn_decoder", GRU)
    fed, last, looped, hand = run([fed, last, looped, hand])
    np.testing.assert_array_equal(fed[-1], last)
    np.testing.assert_array_equal(fed[0], looped[0])
    np.testing.assert_allclose(looped, hand, rtol=1e-6)
    assert (fed[1] != looped[1]).any()


def test_plain_models():
    inputs = [tf.one_hot(step, 5) for step in symbols(3)]
    seq2seq.basic_rnn_seq2seq(inputs, inputs[:2], cell())
    outputs, state = seq2seq.tied_rnn_seq2seq(inputs, inputs[:2], cell())
    expected = in_scope("basic_rnn_seq2seq/rnn", GRU) + in_scope("basic_rnn_seq2seq/rnn_decoder", GRU)
    assert weights() == expected + in_scope("combined_tied_rnn_seq2seq/tied_rnn_seq2seq", GRU)
    outputs, state = run([outputs, state])
    np.testing.assert_array_equal(outputs[-1], state)


def embedding_rnn(encoder, decoder, feed_previous=False, **options):
    return seq2seq.embedding_rnn_seq2seq(
        encoder, decoder, cell(), 7, 5, 4, feed_previous=feed_previous, **options
    )


def embedding_tied(encoder, decoder, feed_previous=False):
    return seq2seq.embedding_tied_rnn_seq2seq(encoder, decoder, cell(), 7, 4, feed_previous=feed_previous)


def embedding_attention(encoder, decoder, feed_previous=False, **options):
    return seq2seq.embedding_attention_seq2seq(
        encoder, decoder, cell(), 7, 5, 4, feed_previous=feed_previous, **options
    )


def one_to_many(encoder, decoder, feed_previous=False):
    outputs, states = seq2seq.one2many_rnn_seq2seq(
        encoder,
        {"a": decoder, "b": decoder[:1]},
        cell(),
        {"a": cell(), "b": cell()},
        7,
        {"a": 5, "b": 6},
        4,
        feed_previous=feed_previous,
    )
    return outputs["a"], states["a"]


WRAPPED = [*GRU, "kernel", "bias"]
NAMES = {
    embedding_rnn: [
        *in_scope("embedding_rnn_seq2seq/rnn/embedding_wrapper", ["embedding", *GRU]),
        "embedding_rnn_seq2seq/embedding_rnn_decoder/embedding",
        *in_scope(
            "embedding_rnn_seq2seq/embedding_rnn_decoder/rnn_decoder/output_projection_wrapper", WRAPPED
        ),
    ],
    embedding_tied: [
        "embedding_tied_rnn_seq2seq/embedding",
        *in_scope(
            "embedding_tied_rnn_seq2seq/combined_tied_rnn_seq2seq/tied_rnn_seq2seq/output_projection_wrapper",
            WRAPPED,
        ),
    ],
    embedding_attention: in_scope(
        "embedding_attention_seq2seq",
        [
            *in_scope("rnn/embedding_wrapper", ["embedding", *GRU]),
            "embedding_attention_decoder/embedding",
            *in_scope(
                "embedding_attention_decoder/attention_decoder",
                [
                    "AttnW_0",
                    "AttnV_0",
                    "kernel",
                    "bias",
                    *in_scope("output_projection_wrapper", WRAPPED),
                    "Attention_0/kernel",
                    "Attention_0/bias",
                    "AttnOutputProjection/kernel",
                    "AttnOutputProjection/bias",
                ],
            ),
        ],
    ),
    one_to_many: in_scope(
        "one2many_rnn_seq2seq",
        [
            *in_scope("rnn/embedding_wrapper", ["embedding", *GRU]),
            *(
                f"one2many_decoder_{key}/embedding_rnn_decoder/{part}"
                for key in "ab"
                for part in ["embedding", *in_scope("rnn_decoder/output_projection_wrapper", WRAPPED)]
            ),
        ],
    ),
}


@pytest.mark.grid
@pytest.mark.parametrize("model", NAMES)
def test_a_tensor_decides_whether_outputs_are_fed_back(model):
    flag = tf.placeholder(tf.bool, [])
    results = [model(symbols(3), symbols(2), flag)]
    assert weights() == NAMES[model]
    with tf.variable_scope("", reuse=True):
        results += [model(symbols(3), symbols(2), fixed) for fixed in (True, False)]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for fixed, place in ((True, 1), (False, 2)):
            values = session.run(results, {flag: fixed})
            for value, expected in zip(*(tf.nest.flatten(values[at]) for at in (0, place)), strict=True):
                np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    assert [output.shape.as_list()[1] for output in results[1][0]] == [
        7 if model is embedding_tied else 5
    ] * 2
    loss = tf.add_n([tf.reduce_sum(output**2) for output in results[0][0]])
    assert all(gradient is not None for gradient in tf.gradients(loss, tf.trainable_variables()[:6]))


def test_an_output_projection_stands_for_the_wrapper():
    projection = tf.get_variable("W", [3, 5]), tf.get_variable("b", [5])
    outputs, _ = embedding_rnn(symbols(2), symbols(2), True, output_projection=projection)
    attending, _ = embedding_attention(symbols(2), symbols(2), True, output_projection=projection)
    assert [output.shape.as_list()[1] for output in (*outputs, *attending)] == [3, 3, 3, 3]
    assert not [name for name in weights() if "output_projection_wrapper" in name]
    with tf.variable_scope("other"), refused(ValueError, "Shapes"):
        embedding_rnn(symbols(2), symbols(2), output_projection=projection[::-1])


@pytest.mark.parametrize("update", [True, False])
def test_the_embedding_of_what_is_fed_back_is_trained_if_asked_for(update):
    wrapped, state = rnn.OutputProjectionWrapper(cell(), 5), tf.constant(normal(4, 3))
    zeros = [tf.zeros([4], tf.int32)] * 4
    outputs, _ = seq2seq.embedding_rnn_decoder(
        zeros, state, wrapped, 5, 2, feed_previous=True, update_embedding_for_previous=update
    )
    embedding = tf.global_variables()[0]
    (slices,) = tf.gradients(tf.add_n([tf.reduce_sum(output**2) for output in outputs]), [embedding])
    with tf.variable_scope("", reuse=True):
        bias = tf.get_variable("embedding_rnn_decoder/rnn_decoder/output_projection_wrapper/bias")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(tf.assign(bias, [0, 0, 0, 9.0, 0]))
        gradient = session.run(tf.convert_to_tensor(slices))
    assert gradient[0].any()
    assert gradient[3].any() == update


def test_attention_is_that_of_its_formula():
    """Vinyals et al. (2015), section 2.1, for one step with two heads."""
    memory, x, state = (tf.constant(normal(*shape, seed=3)) for shape in ((2, 4, 3), (2, 5), (2, 3)))
    (output,), _ = seq2seq.attention_decoder([x], state, memory, cell(), 6, 2, initial_state_attention=True)
    gru = cell()
    scope = tf.VariableScope(True, "attention_decoder/gru_cell")
    names = {
        name.removeprefix("attention_decoder/"): value
        for name, value in zip(weights(), tf.global_variables(), strict=True)
    }
    merged = tf.placeholder(tf.float32, [2, 5])
    hidden, _ = gru(merged, state, scope=scope)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        w = session.run(names)
        values = session.run([output, memory, x, state])

        def attention(query):
            reads = []
            for head in range(2):
                mapped = query @ w[f"Attention_{head}/kernel"] + w[f"Attention_{head}/bias"]
                keys = values[1] @ w[f"AttnW_{head}"][0, 0]
                scores = (w[f"AttnV_{head}"] * np.tanh(keys + mapped[:, None])).sum(axis=2)
                reads.append((softmax(scores)[:, :, None] * values[1]).sum(axis=1))
            return reads

        first = np.concatenate([values[2], *attention(values[3])], axis=1) @ w["kernel"] + w["bias"]
        h = session.run(hidden, {merged: first})
        parts = np.concatenate([h, *attention(h)], axis=1)
        expected = parts @ w["AttnOutputProjection/kernel"] + w["AttnOutputProjection/bias"]
    np.testing.assert_allclose(values[0], expected, rtol=1e-5, atol=1e-6)


# Losses and buckets


def test_losses_are_weighted_means_of_cross_entropies():
    logits = [normal(2, 5, seed=step) for step in range(3)]
    targets, factors = [np.array([1, 4]), np.array([0, 2]), np.array([3, 3])], [[1.0, 0], [1, 0], [0.5, 0]]
    entropies = [
        -np.log(softmax(values)[np.arange(2), target]) * factor
        for values, target, factor in zip(logits, targets, factors, strict=True)
    ]
    total = np.sum(entropies, axis=0)
    tensors = [
        [tf.constant(part, dtype) for part in parts]
        for parts, dtype in ((logits, tf.float32), (targets, tf.int32), (factors, tf.float32))
    ]
    cases = [
        (seq2seq.sequence_loss_by_example(*tensors), total / [2.5, 1]),
        (seq2seq.sequence_loss_by_example(*tensors, average_across_timesteps=False), total),
        (seq2seq.sequence_loss(*tensors), total[0] / 2.5 / 2),
        (seq2seq.sequence_loss(*tensors, average_across_batch=False), total[0] / 2.5),
        (
            seq2seq.sequence_loss(*tensors, softmax_loss_function=lambda labels, logits: logits[:, 0]),
            (np.array(logits)[:, 0, 0] * [1, 1, 0.5]).sum() / 2.5 / 2,
        ),
    ]
    for value, (_, expected) in zip(run([case[0] for case in cases]), cases, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    assert cases[2][0].op.name == "sequence_loss/truediv"
    assert tf.nn.seq2seq is seq2seq  # its name before TensorFlow 1.0


def test_buckets_share_one_set_of_variables():
    encoder, targets, ones = symbols(3), symbols(3), [tf.ones([2])] * 3
    rest = targets, ones, [(1, 2), (3, 3)], embedding_rnn
    outputs, losses = seq2seq.model_with_buckets(encoder, targets, *rest)
    assert weights() == NAMES[embedding_rnn]
    with tf.variable_scope("", reuse=True):
        again, _ = embedding_rnn(encoder[:1], targets[:2])
        _, each = seq2seq.model_with_buckets(encoder, targets, *rest, per_example_loss=True)
    assert [len(output) for output in outputs] == [2, 3]
    loss, same = seq2seq.sequence_loss(again, targets[:2], ones[:2]), losses[0]
    loss, same, losses, each = run([loss, same, losses, each])
    np.testing.assert_allclose(loss, same, rtol=1e-6)
    np.testing.assert_allclose(losses, np.mean(each, axis=1), rtol=1e-5)


def test_refusals():
    x = [tf.zeros([2, 3])]
    with refused(ValueError, "Must provide at least 1 input"):
        seq2seq.attention_decoder([], x[0], tf.zeros([2, 4, 3]), cell())
    with refused(ValueError, "With less than 1 heads"):
        seq2seq.attention_decoder(x, x[0], tf.zeros([2, 4, 3]), cell(), num_heads=0)
    with refused(ValueError, "Shape[2] of attention_states"):
        seq2seq.attention_decoder(x, x[0], tf.placeholder(tf.float32, [2, 4, None]), cell())
    with refused(ValueError, "Lengths of logits, weights, and targets must be the same 1, 0, 1"):
        seq2seq.sequence_loss(x, x, [])
    with refused(ValueError, "Length of targets (1) must be at least"):
        seq2seq.model_with_buckets(x * 3, x * 3, x, x, [(1, 1), (3, 3)], embedding_rnn)
    with refused(ValueError, "keys of dec_cells_dict"):
        seq2seq.one2many_rnn_seq2seq(x, {"a": x}, cell(), {"b": cell()}, 3, {"a": 3}, 2)
    with refused(TypeError, "3 is not an RNNCell"):
        seq2seq.one2many_rnn_seq2seq(x, {"a": x}, cell(), {"a": 3}, 3, {"a": 3}, 2)
