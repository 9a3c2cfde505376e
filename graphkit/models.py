"""Whole networks made of `graphkit.nn`: each takes a batch of examples and returns logits."""

from graphkit.nn import layers

__all__ = ["convnet", "mlp", "softmax_regression"]


def softmax_regression(images, num_classes=10, keep_prob=1.0):
    """Builds one linear layer under a softmax: the smallest classifier.

    Args:
      images: floating-point (batch, ...).
      num_classes: how many classes there are.
      keep_prob: probability to keep an input, see `gk.dropout`.

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
    return layers.dense(net, num_classes, name="logits")


def mlp(images, num_classes=10, keep_prob=1.0, hidden_units=(256,)):
    """Builds a multi-layer perceptron: dense layers with relu, dropout after each, logits.

    Args:
      images: floating-point (batch, ...).
      num_classes: how many classes there are.
      keep_prob: probability to keep a hidden unit, see `gk.dropout`.
      hidden_units: units of each hidden layer.

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
    for number, units in enumerate(hidden_units, start=1):
        net = layers.dense(net, units, activation=layers.relu, name=f"hidden{number}")
        net = layers.dropout(net, keep_prob)
    return layers.dense(net, num_classes, name="logits")


def convnet(images, num_classes=10, keep_prob=1.0):
    """Builds two 5x5 convolutions (32 and 64 filters) with 2x2 max pools, dense 1024, dropout, logits.

    Args:
      images: floating-point (batch, height, width, channels), at least 4x4 pixels.
      num_classes: how many classes there are.
      keep_prob: probability to keep a unit of the dense layer, see `gk.dropout`.

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
    net = layers.conv2d(images, 32, 5, padding="same", activation=layers.relu, name="conv1")
    net = layers.max_pool(net, 2, 2)
    net = layers.conv2d(net, 64, 5, padding="same", activation=layers.relu, name="conv2")
    net = layers.max_pool(net, 2, 2)
    net = layers.dense(layers.flatten(net), 1024, activation=layers.relu, name="hidden")
    return layers.dense(layers.dropout(net, keep_prob), num_classes, name="logits")
