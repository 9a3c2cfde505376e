"""Blocks: several layers under one name."""

import tensorflow as tf

from graphkit import checks
from graphkit.nn import activations, convolutions, normalization, pooling, scopes
from graphkit.nn.parts import check_activation

__all__ = ["inception_module", "residual_block"]


def inception_module(
    inputs,
    conv1x1,
    reduce3x3,
    conv3x3,
    reduce5x5,
    conv5x5,
    pool1x1,
    activation=activations.relu,
    name=None,
    reuse=None,
):
    """Looks at each place through 1x1, 3x3 and 5x5 kernels and a pool at once, and lays all side by side.

    1x1 convolutions make the input of the larger kernels shallower, which is where the parameters are
    saved.

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
      TypeError: `inputs` is no floating-point tensor.
      ValueError: a number of filters below one, or the variables exist and reuse is not set.

    Source: C. Szegedy et al., "Going deeper with convolutions", CVPR 2015, figure 2b.

    Example:
      >>> gk.inception_module(gk.image_input(16, 16, 32), 16, 16, 24, 4, 8, 8).shape.as_list()
      [None, 16, 16, 56]
    """
    function = "inception_module"
    inputs = scopes.float_tensor(function, "inputs", inputs, rank=4)
    check_activation(function, activation)
    filters = {"conv1x1": conv1x1, "reduce3x3": reduce3x3, "conv3x3": conv3x3}
    filters |= {"reduce5x5": reduce5x5, "conv5x5": conv5x5, "pool1x1": pool1x1}
    for branch, count in filters.items():
        checks.integer(function, branch, count)
    with scopes.layer_scope(function, name, "inception", reuse):

        def conv(net, filters, size, branch):
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


def residual_block(inputs, filters, strides=1, activation=activations.relu, name=None, reuse=None):
    """Adds what two 3x3 convolutions with batch normalization make of the inputs to the inputs.

    Where the shape changes, the inputs go through a 1x1 convolution with batch normalization first.

    Args:
      inputs: floating-point (batch, height, width, channels).
      filters: how many output channels.
      strides: of the first convolution, in pixels.
      activation: between the convolutions, and after the sum; None for none.
      name: variable scope of the block; unnamed ones are numbered residual, residual_1, …
      reuse: whether to reuse the variables of an earlier block of that name.

    Returns:
      (batch, ceil(height / strides), ceil(width / strides), filters).

    Variables:
      `<name>/conv1/kernel`, `conv2/kernel`, `shortcut/kernel` where the shape changes, and gamma, beta
      and moving averages of `norm1`, `norm2` and `shortcut_norm`.

    Raises:
      TypeError: `inputs` is no floating-point tensor.
      ValueError: an argument is out of its range, or the variables exist and reuse is not set.

    Source: K. He et al., "Deep residual learning for image recognition", CVPR 2016, figure 2 and
    section 3.3, option B.

    Example:
      >>> gk.residual_block(gk.image_input(16, 16, 32), 64, strides=2).shape.as_list()
      [None, 8, 8, 64]
    """
    function = "residual_block"
    inputs = scopes.float_tensor(function, "inputs", inputs, rank=4)
    filters = checks.integer(function, "filters", filters)
    strides = checks.integer(function, "strides", strides)
    check_activation(function, activation)
    activation = activation or tf.identity
    with scopes.layer_scope(function, name, "residual", reuse):

        def conv(net, size, strides, layer, norm):
            net = convolutions.conv2d(
                net, filters, size, strides, padding="same", use_bias=False, name=layer, reuse=reuse
            )
            return normalization.batch_norm(net, name=norm, reuse=reuse)

        net = activation(conv(inputs, 3, strides, "conv1", "norm1"))
        net = conv(net, 3, 1, "conv2", "norm2")
        shortcut = inputs
        if strides != 1 or inputs.shape[-1] != filters:
            shortcut = conv(inputs, 1, strides, "shortcut", "shortcut_norm")
        return activation(net + shortcut)
