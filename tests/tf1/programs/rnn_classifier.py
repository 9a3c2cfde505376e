"""A classifier of sequences of several lengths: which of its two marks comes first?"""

import numpy as np
import tensorflow as tf

UNITS = 24
STEPS = 150
LONGEST = 15
FEATURES = 4  # two marks and two kinds of noise


def draw(count, random):
    """Returns (sequences, lengths, labels); each sequence has one mark of either kind."""
    sequences = np.zeros([count, LONGEST, FEATURES], np.float32)
    lengths = random.randint(4, LONGEST + 1, count)
    labels = random.randint(0, 2, count)
    for row, length in enumerate(lengths):
        kinds = random.randint(2, 4, length)
        first, second = sorted(random.choice(length, 2, replace=False))
        kinds[first], kinds[second] = labels[row], 1 - labels[row]
        sequences[row, np.arange(length), kinds] = 1
    return sequences, lengths.astype(np.int32), labels.astype(np.int32)


def model(x, lengths, keep_prob):
    cell = tf.nn.rnn_cell.GRUCell(UNITS)
    cell = tf.nn.rnn_cell.DropoutWrapper(cell, output_keep_prob=keep_prob)
    outputs, _ = tf.nn.dynamic_rnn(cell, x, dtype=tf.float32, sequence_length=lengths)
    places = tf.range(tf.shape(x)[0]) * LONGEST + lengths - 1
    last = tf.gather(tf.reshape(outputs, [-1, UNITS]), places)
    weight = tf.Variable(tf.truncated_normal([UNITS, 2], stddev=0.1))
    return tf.matmul(last, weight) + tf.Variable(tf.zeros([2]))


def main():
    tf.set_random_seed(1)
    random = np.random.RandomState(0)
    x = tf.placeholder(tf.float32, [None, LONGEST, FEATURES])
    lengths = tf.placeholder(tf.int32, [None])
    y = tf.placeholder(tf.int32, [None])
    keep_prob = tf.placeholder(tf.float32)
    logits = model(x, lengths, keep_prob)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
    train_op = tf.train.AdamOptimizer(0.01).minimize(loss)
    right = tf.equal(tf.cast(tf.argmax(logits, 1), tf.int32), y)
    accuracy = tf.reduce_mean(tf.cast(right, tf.float32))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for step in range(STEPS):
            values = draw(64, random)
            feed = dict(zip((x, lengths, y), values))
            feed[keep_prob] = 0.9
            _, cost = session.run([train_op, loss], feed)
            if (step + 1) % 50 == 0:
                print("step %d: loss %.3f" % (step + 1, cost))
        feed = dict(zip((x, lengths, y), draw(1000, random)))
        feed[keep_prob] = 1.0
        result = session.run(accuracy, feed)
    print("accuracy %.3f" % result)
    return result


if __name__ == "__main__":
    main()
