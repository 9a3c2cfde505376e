"""Digits by a network of one hidden layer, written as such programs were in 2017."""

import tensorflow as tf
from tensorflow.examples.tutorials.mnist import input_data

flags = tf.app.flags
flags.DEFINE_string("data_dir", "MNIST_data", "folder of the MNIST files")
flags.DEFINE_integer("epochs", 30, "passes over the training set")
flags.DEFINE_integer("batch_size", 100, "examples in a mini-batch")
FLAGS = flags.FLAGS


def network():
    x = tf.placeholder(tf.float32, [None, 784], name="x")
    y_ = tf.placeholder(tf.int64, [None], name="y_")
    keep_prob = tf.placeholder_with_default(1.0, [], name="keep_prob")
    hidden = tf.layers.dense(
        x,
        256,
        activation=tf.nn.relu,
        name="hidden",
        kernel_initializer=tf.contrib.layers.xavier_initializer(),
        kernel_regularizer=tf.contrib.layers.l2_regularizer(1e-4),
    )
    logits = tf.layers.dense(tf.nn.dropout(hidden, keep_prob), 10, name="logits")
    loss = tf.losses.sparse_softmax_cross_entropy(y_, logits) + tf.losses.get_regularization_loss()
    accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1), y_), tf.float32))
    return x, y_, keep_prob, loss, accuracy


def main(_):
    mnist = input_data.read_data_sets(FLAGS.data_dir)
    tf.set_random_seed(1)
    x, y_, keep_prob, loss, accuracy = network()
    train_step = tf.train.AdamOptimizer(1e-3).minimize(loss)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(FLAGS.epochs * mnist.train.num_examples // FLAGS.batch_size):
            images, labels = mnist.train.next_batch(FLAGS.batch_size)
            sess.run(train_step, feed_dict={x: images, y_: labels, keep_prob: 0.5})
        test = {x: mnist.test.images, y_: mnist.test.labels}
        print("test accuracy: %.3f" % sess.run(accuracy, feed_dict=test))


if __name__ == "__main__":
    tf.app.run()
