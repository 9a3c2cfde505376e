"""Whole networks made of `graphkit.nn`: each takes a batch of examples and returns logits."""

import tensorflow as tf

from graphkit import checks
from graphkit.nn import activations, blocks, convolutions, initializers, layers, pooling, recurrent

__all__ = ["char_rnn", "convnet", "inception_net", "mlp", "softmax_regression"]


def softmax_regression(images, num_classes=10, keep_prob=1.0, sigma=0.01):
    """Builds one linear layer under a softmax: the smallest classifier.

    Args:
      images: floating-point (batch, ...).
      num_classes: how many classes there are.
      keep_prob: probability to keep an input, see `gk.dropout`.
      sigma: standard deviation of the initial weights, see `gk.linear`.

    Returns:
      Logits (batch, num_classes).

    Variables:
      `logits/kernel`, `logits/bias`; 7,850 numbers for 28x28x1 images and 10 classes.

    Raises:
      ValueError: the size of an example is not known.

    Example:
      >>> gk.softmax_regression(gk.image_input(28, 28, 1)).shape.as_list()
      [None, 10]
    """
    net = layers.dropout(layers.flatten(images), keep_prob)
    return layers.linear(net, num_classes, sigma, name="logits")


def mlp(images, num_classes=10, keep_prob=1.0, hidden_units=(256,), sigma=None):
    """Builds a multi-layer perceptron: dense layers with relu, dropout after each, logits.

    Args:
      images: floating-point (batch, ...).
      num_classes: how many classes there are.
      keep_prob: probability to keep a hidden unit, see `gk.dropout`.
      hidden_units: units of each hidden layer.
      sigma: None starts the weights by Glorot's rule; a number as truncated normals of that sigma.

    Returns:
      Logits (batch, num_classes).

    Variables:
      `hidden1/kernel`, `hidden1/bias`, …, `logits/kernel`, `logits/bias`; 203,530 numbers for 28x28x1
      images, 256 hidden units and 10 classes.

    Raises:
      ValueError: the size of an example is not known, or a layer has no units.

    Example:
      >>> gk.mlp(gk.image_input(28, 28, 1), hidden_units=(256, 128)).shape.as_list()
      [None, 10]
    """
    net = layers.flatten(images)
    start = initial_kernels(sigma)
    for number, units in enumerate(hidden_units, start=1):
        net = layers.dense(net, units, activations.relu, kernel_initializer=start, name=f"hidden{number}")
        net = layers.dropout(net, keep_prob)
    return layers.dense(net, num_classes, kernel_initializer=start, name="logits")


def convnet(images, num_classes=10, keep_prob=1.0, sigma=None):
    """Builds two 5x5 convolutions (32 and 64 filters) with 2x2 max pools, dense 1024, dropout, logits.

    Args:
      images: floating-point (batch, height, width, channels), at least 4x4 pixels.
      num_classes: how many classes there are.
      keep_prob: probability to keep a unit of the dense layer, see `gk.dropout`.
      sigma: None starts the weights by Glorot's rule; a number as truncated normals of that sigma.

    Returns:
      Logits (batch, num_classes).

    Variables:
      `conv1/kernel`, `conv1/bias`, `conv2/…`, `hidden/…`, `logits/…`; 3,274,634 numbers for 28x28x1
      images and 10 classes.

    Raises:
      ValueError: images that are no four-axis tensor of known size.

    Source: the network of TensorFlow 1's tutorial "Deep MNIST for experts".

    Example:
      >>> gk.convnet(gk.image_input(28, 28, 1), keep_prob=gk.keep_prob_input()).shape.as_list()
      [None, 10]
    """
    relu, start = activations.relu, initial_kernels(sigma)

    def conv(net, filters, name):
        net = convolutions.conv2d(
            net, filters, 5, padding="same", activation=relu, kernel_initializer=start, name=name
        )
        return pooling.max_pool(net, 2, 2)

    net = layers.flatten(conv(conv(images, 32, "conv1"), 64, "conv2"))
    net = layers.dense(net, 1024, relu, kernel_initializer=start, name="hidden")
    return layers.dense(layers.dropout(net, keep_prob), num_classes, kernel_initializer=start, name="logits")


def inception_net(images, num_classes=10, keep_prob=1.0):
    """Builds a small inception network: a convolution, four inception modules, a global mean, logits.

    Args:
      images: floating-point (batch, height, width, channels), such as 32x32x3 or 28x28x1.
      num_classes: how many classes there are.
      keep_prob: probability to keep a unit before the logits, see `gk.dropout`.

    Returns:
      Logits (batch, num_classes).

    Variables:
      `stem/…`, `inception1/…` to `inception4/…`, `logits/…`; 77,494 numbers for 32x32x3 images and 10
      classes.

    Raises:
      ValueError: images that are no four-axis tensor, or of unknown channels.

    Source: after C. Szegedy et al., "Going deeper with convolutions", CVPR 2015, made small.

    Example:
      >>> gk.inception_net(gk.image_input(32, 32, 3)).shape.as_list()
      [None, 10]
    """
    net = convolutions.conv2d(images, 32, 3, padding="same", activation=activations.relu, name="stem")
    net = pooling.max_pool(net, 2, 2, padding="same")
    net = blocks.inception_module(net, 16, 16, 24, 4, 8, 16, name="inception1")
    net = blocks.inception_module(net, 24, 24, 32, 4, 12, 16, name="inception2")
    net = pooling.max_pool(net, 2, 2, padding="same")
    net = blocks.inception_module(net, 32, 24, 48, 8, 16, 16, name="inception3")
    net = blocks.inception_module(net, 48, 32, 64, 8, 24, 24, name="inception4")
    net = layers.dropout(pooling.global_avg_pool(net), keep_prob)
    return layers.dense(net, num_classes, name="logits")


def char_rnn(tokens, vocabulary_size, num_classes, keep_prob=1.0, embedding_size=32, units=96):
    """Builds a classifier of words: an embedding of the characters, an LSTM over them, logits.

    Args:
      tokens: integers (batch, length), 0 beyond the end of a word, see `gk.Vocabulary`.
      vocabulary_size: how many different tokens there are, padding and unknown among them.
      num_classes: how many classes there are.
      keep_prob: probability to keep a number of the LSTM's last output, see `gk.dropout`.
      embedding_size: numbers for a character.
      units: units of the LSTM.

    Returns:
      Logits (batch, num_classes).

    Variables:
      `embedding/embeddings`, `rnn/lstm_cell/kernel`, `rnn/lstm_cell/bias`, `logits/kernel`, `logits/bias`.

    Raises:
      TypeError: tokens that are no integers.
      ValueError: tokens of other than two axes, or a size below one.

    Source: S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9 (1997).

    Example:
      >>> gk.char_rnn(gk.token_input(16), vocabulary_size=40, num_classes=5).shape.as_list()
      [None, 5]
    """
    checks.integer("char_rnn", "vocabulary_size", vocabulary_size, minimum=2)
    net = layers.embedding(tokens, vocabulary_size, embedding_size, name="embedding")
    lengths = tf.math.count_nonzero(tokens, axis=1, dtype=tf.int32)
    _, state = recurrent.rnn(net, units, "lstm", lengths=lengths, name="rnn")
    return layers.dense(layers.dropout(state.h, keep_prob), num_classes, name="logits")


def initial_kernels(sigma):
    """Returns the initializer of a model's kernels, None for the layers' own."""
    return None if sigma is None else initializers.truncated_normal(sigma)
