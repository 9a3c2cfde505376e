"""A network of two hidden layers in tf.contrib.layers, trained by optimize_loss."""

import tensorflow as tf
from tensorflow.contrib import layers
from tensorflow.contrib.framework import arg_scope, get_or_create_global_step
from tensorflow.examples.tutorials.mnist import input_data


def network(x, is_training):
    with arg_scope(
        [layers.fully_connected],
        weights_initializer=layers.variance_scaling_initializer(),
        weights_regularizer=layers.l2_regularizer(1e-4),
    ):
        net = layers.stack(x, layers.fully_connected, [128, 64], scope="hidden")
        net = layers.dropout(net, keep_prob=0.8, is_training=is_training)
        return layers.linear(net, 10, scope="logits")


def decay(learning_rate, global_step):
    return tf.train.exponential_decay(learning_rate, global_step, 100, 0.8, staircase=True)


def main(epochs=4):
    tf.set_random_seed(1)
    mnist = input_data.read_data_sets("MNIST_data", one_hot=True)
    x = tf.placeholder(tf.float32, [None, 784])
    y_ = tf.placeholder(tf.float32, [None, 10])
    is_training = tf.placeholder_with_default(False, [])
    logits = network(x, is_training)
    tf.contrib.losses.softmax_cross_entropy(logits, y_)
    loss = tf.contrib.losses.get_total_loss()
    accuracy = tf.contrib.metrics.accuracy(tf.argmax(logits, 1), tf.argmax(y_, 1))
    train_op = layers.optimize_loss(
        loss,
        get_or_create_global_step(),
        0.003,
        "Adam",
        clip_gradients=5.0,
        learning_rate_decay_fn=decay,
        summaries=["loss", "learning_rate", "gradient_norm"],
    )
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(epochs * mnist.train.num_examples // 100):
            images, labels = mnist.train.next_batch(100)
            sess.run(train_op, {x: images, y_: labels, is_training: True})
        result = sess.run(accuracy, {x: mnist.test.images, y_: mnist.test.labels})
    print("accuracy", result)
    return result


if __name__ == "__main__":
    main()
