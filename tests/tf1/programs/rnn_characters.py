"""A language model of characters: two layers of LSTM, trained by truncated backpropagation through time."""

import numpy as np
import tensorflow as tf

TEXT = (
    "the miller has a mill, the mill has a wheel, the wheel has a stone, and the stone grinds the rye. "
    "the baker has an oven, the oven has a fire, the fire has a chimney, and the fire bakes the bread. "
    "the farmer has a field, the field has a fence, the fence has a gate, and the field grows the rye. "
) * 12

HIDDEN = 64
LAYERS = 2
BATCH = 8
STEPS = 12
EPOCHS = 7
KEEP_PROB = 0.9


class Model(object):
    def __init__(self, symbols, training=True):
        batch, steps = (BATCH, STEPS) if training else (1, 1)
        cells = []
        for _ in range(LAYERS):
            cell = tf.contrib.rnn.BasicLSTMCell(HIDDEN, forget_bias=1.0, state_is_tuple=True)
            if training:
                cell = tf.contrib.rnn.DropoutWrapper(cell, output_keep_prob=KEEP_PROB)
            cells.append(cell)
        stack = tf.contrib.rnn.MultiRNNCell(cells, state_is_tuple=True)

        self.inputs = tf.placeholder(tf.int32, [batch, steps])
        self.targets = tf.placeholder(tf.int32, [batch, steps])
        self.initial_state = stack.zero_state(batch, tf.float32)
        embedding = tf.get_variable("embedding", [symbols, HIDDEN])
        embedded = tf.nn.embedding_lookup(embedding, self.inputs)
        outputs, self.final_state = tf.nn.static_rnn(
            stack, tf.unstack(embedded, axis=1), initial_state=self.initial_state
        )
        weight = tf.get_variable("softmax_w", [HIDDEN, symbols])
        bias = tf.get_variable("softmax_b", [symbols], initializer=tf.zeros_initializer())
        logits = [tf.matmul(output, weight) + bias for output in outputs]
        self.probabilities = tf.nn.softmax(logits[-1])
        if not training:
            return
        ones = [tf.ones([batch]) for _ in range(steps)]
        targets = tf.unstack(self.targets, axis=1)
        self.cost = tf.contrib.legacy_seq2seq.sequence_loss(logits, targets, ones)
        variables = tf.trainable_variables()
        gradients, _ = tf.clip_by_global_norm(tf.gradients(self.cost, variables), 5.0)
        optimizer = tf.train.AdamOptimizer(0.005)
        self.train_op = optimizer.apply_gradients(zip(gradients, variables))


def batches(ids):
    """Yields (inputs, targets); each row of a batch goes on where it ended in the batch before."""
    count = (len(ids) - 1) // (BATCH * STEPS)
    inputs = ids[: count * BATCH * STEPS].reshape(BATCH, -1)
    targets = ids[1 : count * BATCH * STEPS + 1].reshape(BATCH, -1)
    return zip(np.split(inputs, count, axis=1), np.split(targets, count, axis=1))


def sample(session, model, letters, start, length):
    state, symbol, text = session.run(model.initial_state), letters.index(start), start
    for _ in range(length):
        feed = {model.inputs: [[symbol]], model.initial_state: state}
        probabilities, state = session.run([model.probabilities, model.final_state], feed)
        symbol = int(np.argmax(probabilities[0]))
        text += letters[symbol]
    return text


def main():
    tf.set_random_seed(1)
    letters = sorted(set(TEXT))
    ids = np.array([letters.index(letter) for letter in TEXT], dtype=np.int32)
    with tf.variable_scope("model"):
        model = Model(len(letters))
    with tf.variable_scope("model", reuse=True):
        sampler = Model(len(letters), training=False)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for epoch in range(EPOCHS):
            state, costs = session.run(model.initial_state), []
            for inputs, targets in batches(ids):
                feed = {model.inputs: inputs, model.targets: targets}
                for layer, (c, h) in enumerate(model.initial_state):
                    feed[c], feed[h] = state[layer].c, state[layer].h
                cost, state, _ = session.run([model.cost, model.final_state, model.train_op], feed)
                costs.append(cost)
            print("epoch %d: perplexity %.2f" % (epoch + 1, np.exp(np.mean(costs))))
        text = sample(session, sampler, letters, "t", 60)
        print(text)
    return np.exp(np.mean(costs)), text


if __name__ == "__main__":
    main()
