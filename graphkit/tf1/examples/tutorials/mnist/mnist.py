"""`tf.examples.tutorials.mnist.mnist`: the tutorial's network of two hidden layers, in four functions."""

import math

import tensorflow as tf

from graphkit.tf1 import overlay

__all__ = ["IMAGE_PIXELS", "IMAGE_SIZE", "NUM_CLASSES", "evaluation", "inference", "loss", "training"]

NUM_CLASSES = 10
IMAGE_SIZE = 28
IMAGE_PIXELS = IMAGE_SIZE * IMAGE_SIZE


def inference(images: tf.Tensor, hidden1_units: int, hidden2_units: int) -> tf.Tensor:
    """Returns logits (batch, 10) of images (batch, 784)."""
    sizes = [IMAGE_PIXELS, hidden1_units, hidden2_units, NUM_CLASSES]
    outputs = images
    for index, scope in enumerate(("hidden1", "hidden2", "softmax_linear")):
        with tf.compat.v1.name_scope(scope):
            sigma = 1 / math.sqrt(sizes[index])
            start = tf.compat.v1.truncated_normal([sizes[index], sizes[index + 1]], stddev=sigma)
            weights = tf.compat.v1.Variable(start, name="weights")
            biases = tf.compat.v1.Variable(tf.zeros([sizes[index + 1]]), name="biases")
            outputs = tf.matmul(outputs, weights) + biases
            outputs = outputs if scope == "softmax_linear" else tf.nn.relu(outputs)
    return outputs


def loss(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Returns the mean cross-entropy."""
    return tf.compat.v1.losses.sparse_softmax_cross_entropy(tf.cast(labels, tf.int64), logits)


def training(loss: tf.Tensor, learning_rate: float) -> tf.Operation:
    """Returns the op that trains by gradient descent and counts the global step."""
    tf.compat.v1.summary.scalar("loss", loss)
    global_step = tf.compat.v1.Variable(0, name="global_step", trainable=False)
    optimizer = tf.compat.v1.train.GradientDescentOptimizer(learning_rate)
    return optimizer.minimize(loss, global_step=global_step)


def evaluation(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Returns how many of the batch are right."""
    return tf.reduce_sum(tf.cast(tf.nn.in_top_k(labels, logits, 1), tf.int32))


__getattr__, __dir__ = overlay.over(__name__)
