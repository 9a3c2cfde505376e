"""Blocks: several layers under one name."""

import tensorflow as tf

from graphkit import checks
from graphkit.nn import activations, convolutions, normalization, pooling, scopes, tensors

__all__ = ["inception_module", "residual_block"]


def inception_module(
    inputs: tensors.TensorLike,
    conv1x1: int,
    reduce3x3: int,
    conv3x3: int,
    reduce5x5: int,
    conv5x5: int,
    pool1x1: int,
    *,
    activation: activations.Activation | None = activations.relu,
    name: str | None = None,
    reuse: scopes.Reuse = None,
) -> tf.Tensor:
    """Applies 1x1, 3x3 and 5x5 kernels and a pool to the same inputs, and concatenates their channels.

    1x1 convolutions before the larger kernels reduce the channels that these read, and so the parameters.

    Args:
      inputs: floating-point (batch, height, width, channels).
      conv1x1: filters of the 1x1 branch.
      reduce3x3: filters of the 1x1 convolution before the 3x3 one.
      conv3x3: filters of the 3x3 branch.
      reduce5x5: filters of the 1x1 convolution before the 5x5 one.
      conv5x5: filters of the 5x5 branch.
      pool1x1: filters of the 1x1 convolution after the 3x3 max pool.
      activation: of each convolution.
      name: variable scope of the block; unnamed ones are numbered inception, inception_1, …
      reuse: whether to reuse the variables of an earlier block of that name.

    Returns:
      (batch, height, width, conv1x1 + conv3x3 + conv5x5 + pool1x1).

    Variables:
      kernel and bias of `<name>/conv1x1`, `reduce3x3`, `conv3x3`, `reduce5x5`, `conv5x5`, `pool1x1`.

    Raises:
      TypeError: `inputs` is not a floating-point tensor.
      ValueError: a number of filters below one, or the variables exist and reuse is not set.

    Source: C. Szegedy et al., "Going deeper with convolutions", CVPR 2015, figure 2b.

    Example:
      >>> gk.inception_module(gk.image_input(16, 16, 32), 16, 16, 24, 4, 8, 8).shape.as_list()
      [None, 16, 16, 56]
    """
    check = checks.Checker("inception_module")
    inputs = tensors.float_tensor(check, "inputs", inputs, rank=4)
    activation = activations.check_activation(check, activation)
    filters = {"conv1x1": conv1x1, "reduce3x3": reduce3x3, "conv3x3": conv3x3}
    filters |= {"reduce5x5": reduce5x5, "conv5x5": conv5x5, "pool1x1": pool1x1}
    for branch, count in filters.items():
        check.integer(branch, count)
    with scopes.layer_scope(check, name, "inception", reuse):

        def conv(net: tf.Tensor, filters: int, size: int, branch: str) -> tf.Tensor:
            return convolutions.conv2d(
                net, filters, size, padding="same", activation=activation, name=branch, reuse=reuse
            )

        pooled = pooling.max_pool(inputs, 3, 1, padding="same")
        branches = [
            conv(inputs, conv1x1, 1, "conv1x1"),
            conv(conv(inputs, reduce3x3, 1, "reduce3x3"), conv3x3, 3, "conv3x3"),
            conv(conv(inputs, reduce5x5, 1, "reduce5x5"), conv5x5, 5, "conv5x5"),
            conv(pooled, pool1x1, 1, "pool1x1"),
        ]
        return tf.concat(branches, axis=-1)


def residual_block(
    inputs: tensors.TensorLike,
    filters: int,
    strides: int = 1,
    *,
    activation: activations.Activation | None = activations.relu,
    training: bool | tf.Tensor | None = None,
    name: str | None = None,
    reuse: scopes.Reuse = None,
) -> tf.Tensor:
    """Adds to the inputs what two 3x3 convolutions with batch normalization make of them.

    Where the shape changes, the inputs go through a 1x1 convolution with batch normalization first.

    Args:
      inputs: floating-point (batch, height, width, channels).
      filters: number of output channels.
      strides: of the first convolution, in pixels.
      activation: between the convolutions, and after the sum; None for none.
      training: of the batch normalizations, see `batch_norm`; None follows the trainer.
      name: variable scope of the block; unnamed ones are numbered residual, residual_1, …
      reuse: whether to reuse the variables of an earlier block of that name.

    Returns:
      (batch, ceil(height / strides), ceil(width / strides), filters).

    Variables:
      `<name>/conv1/kernel`, `conv2/kernel`, `shortcut/kernel` where the shape changes, and gamma, beta
      and moving averages of `norm1`, `norm2` and `shortcut_norm`.

    Raises:
      TypeError: `inputs` is not a floating-point tensor.
      ValueError: an argument is out of its range, or the variables exist and reuse is not set.

    Source: K. He et al., "Deep residual learning for image recognition", CVPR 2016, figure 2 and
    section 3.3, option B.

    Example:
      >>> gk.residual_block(gk.image_input(16, 16, 32), 64, strides=2).shape.as_list()
      [None, 8, 8, 64]
    """
    check = checks.Checker("residual_block")
    inputs = tensors.float_tensor(check, "inputs", inputs, rank=4)
    filters = check.integer("filters", filters)
    strides = check.integer("strides", strides)
    activation = activations.check_activation(check, activation)
    activation = activation or tf.identity
    with scopes.layer_scope(check, name, "residual", reuse):

        def conv(net: tf.Tensor, size: int, strides: int, layer: str, norm: str) -> tf.Tensor:
            net = convolutions.conv2d(
                net, filters, size, strides, padding="same", use_bias=False, name=layer, reuse=reuse
            )
            return normalization.batch_norm(net, training=training, name=norm, reuse=reuse)

        net = activation(conv(inputs, 3, strides, "conv1", "norm1"))
        net = conv(net, 3, 1, "conv2", "norm2")
        shortcut = inputs
        if strides != 1 or inputs.shape.as_list()[-1] != filters:
            shortcut = conv(inputs, 1, strides, "shortcut", "shortcut_norm")
        return activation(net + shortcut)
