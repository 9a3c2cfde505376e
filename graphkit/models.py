"""Whole networks made of `graphkit.nn`: each takes a batch of examples and returns logits."""

from collections.abc import Sequence

import tensorflow as tf

from graphkit import checks
from graphkit.nn import (
    activations,
    blocks,
    convolutions,
    dense,
    dropout,
    initializers,
    pooling,
    recurrent,
    tensors,
)
from graphkit.nn.variables import Initializer

__all__ = ["char_rnn", "convnet", "inception_net", "mlp", "softmax_regression"]


def softmax_regression(
    images: tensors.TensorLike,
    num_classes: int = 10,
    *,
    keep_prob: tensors.TensorLike = 1.0,
    sigma: float = 0.01,
) -> tf.Tensor:
    """Builds one linear layer under a softmax: the smallest classifier.

    Args:
      images: floating-point (batch, ...).
      num_classes: number of classes.
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
    net = dropout.dropout(dense.flatten(images), keep_prob)
    return dense.linear(net, num_classes, sigma, name="logits")


def mlp(
    images: tensors.TensorLike,
    num_classes: int = 10,
    *,
    keep_prob: tensors.TensorLike = 1.0,
    hidden_units: Sequence[int] = (256,),
    sigma: float | None = None,
) -> tf.Tensor:
    """Builds a multi-layer perceptron: dense layers with relu, dropout after each, logits.

    Args:
      images: floating-point (batch, ...).
      num_classes: number of classes.
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
    net = dense.flatten(images)
    start = initial_kernels(sigma)
    for number, units in enumerate(hidden_units, start=1):
        net = dense.dense(net, units, activations.relu, kernel_initializer=start, name=f"hidden{number}")
        net = dropout.dropout(net, keep_prob)
    return dense.dense(net, num_classes, kernel_initializer=start, name="logits")


def convnet(
    images: tensors.TensorLike,
    num_classes: int = 10,
    *,
    keep_prob: tensors.TensorLike = 1.0,
    sigma: float | None = None,
) -> tf.Tensor:
    """Builds two 5x5 convolutions (32 and 64 filters) with 2x2 max pools, dense 1024, dropout, logits.

    Args:
      images: floating-point (batch, height, width, channels), at least 4x4 pixels.
      num_classes: number of classes.
      keep_prob: probability to keep a unit of the dense layer, see `gk.dropout`.
      sigma: None starts the weights by Glorot's rule; a number as truncated normals of that sigma.

    Returns:
      Logits (batch, num_classes).

    Variables:
      `conv1/kernel`, `conv1/bias`, `conv2/…`, `hidden/…`, `logits/…`; 3,274,634 numbers for 28x28x1
      images and 10 classes.

    Raises:
      ValueError: images do not have four axes of known size.

    Source: the network of TensorFlow 1's tutorial "Deep MNIST for experts".

    Example:
      >>> gk.convnet(gk.image_input(28, 28, 1), keep_prob=gk.keep_prob_input()).shape.as_list()
      [None, 10]
    """
    relu, start = activations.relu, initial_kernels(sigma)

    def conv(net: tf.Tensor, filters: int, name: str) -> tf.Tensor:
        net = convolutions.conv2d(
            net, filters, 5, padding="same", activation=relu, kernel_initializer=start, name=name
        )
        return pooling.max_pool(net, 2, 2)

    net = dense.flatten(conv(conv(images, 32, "conv1"), 64, "conv2"))
    net = dense.dense(net, 1024, relu, kernel_initializer=start, name="hidden")
    return dense.dense(dropout.dropout(net, keep_prob), num_classes, kernel_initializer=start, name="logits")


def inception_net(
    images: tensors.TensorLike, num_classes: int = 10, *, keep_prob: tensors.TensorLike = 1.0
) -> tf.Tensor:
    """Builds a small inception network: a convolution, four inception modules, a global mean, logits.

    Args:
      images: floating-point (batch, height, width, channels), such as 32x32x3 or 28x28x1.
      num_classes: number of classes.
      keep_prob: probability to keep a unit before the logits, see `gk.dropout`.

    Returns:
      Logits (batch, num_classes).

    Variables:
      `stem/…`, `inception1/…` to `inception4/…`, `logits/…`; 77,494 numbers for 32x32x3 images and 10
      classes.

    Raises:
      ValueError: images do not have four axes, or their number of channels is not known.

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
    net = dropout.dropout(pooling.global_avg_pool(net), keep_prob)
    return dense.dense(net, num_classes, name="logits")


def char_rnn(
    tokens: tensors.TensorLike,
    vocabulary_size: int,
    num_classes: int,
    *,
    keep_prob: tensors.TensorLike = 1.0,
    embedding_size: int = 32,
    units: int = 96,
) -> tf.Tensor:
    """Builds a classifier of words: an embedding of the characters, an LSTM over them, logits.

    Args:
      tokens: integers (batch, length), 0 beyond the end of a word, see `gk.Vocabulary`.
      vocabulary_size: number of different tokens, with padding and unknown.
      num_classes: number of classes.
      keep_prob: probability to keep a unit of the LSTM's last output, see `gk.dropout`.
      embedding_size: length of a character's vector.
      units: units of the LSTM.

    Returns:
      Logits (batch, num_classes).

    Variables:
      `embedding/embeddings`, `rnn/lstm_cell/kernel`, `rnn/lstm_cell/bias`, `logits/kernel`, `logits/bias`.

    Raises:
      TypeError: tokens are not integers.
      ValueError: tokens do not have two axes, or a size is below one.

    Source: S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9 (1997).

    Example:
      >>> gk.char_rnn(gk.token_input(16), vocabulary_size=40, num_classes=5).shape.as_list()
      [None, 5]
    """
    checks.Checker("char_rnn").integer("vocabulary_size", vocabulary_size, minimum=2)
    net = dense.embedding(tokens, vocabulary_size, embedding_size, name="embedding")
    lengths = tf.math.count_nonzero(tokens, axis=1, dtype=tf.int32)
    _, state = recurrent.rnn(net, units, "lstm", lengths=lengths, name="rnn")
    return dense.dense(dropout.dropout(state.h, keep_prob), num_classes, name="logits")


def initial_kernels(sigma: float | None) -> Initializer | None:
    """Returns the initializer of a model's kernels, None for the layers' own."""
    return None if sigma is None else initializers.truncated_normal(sigma)
