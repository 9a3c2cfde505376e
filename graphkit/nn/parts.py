"""Parts that layers share: bias, activation, and the order of the axes."""

import tensorflow as tf

from graphkit import checks
from graphkit.nn import scopes

DATA_FORMATS = ("channels_last", "channels_first")


def add_bias_variable(
    function, inputs, initializer, regularizer, constraint, data_format="channels_last", trainable=True
):
    """Makes the variable `bias` in the current scope and adds it to each channel."""
    channels = scopes.static_size(function, "inputs", inputs, channel_axis(data_format))
    bias = scopes.get_variable(
        "bias", (channels,), inputs.dtype.base_dtype, initializer, regularizer, constraint, trainable
    )
    last = data_format == "channels_last" or inputs.shape.rank == 2
    return tf.nn.bias_add(inputs, bias, "N...C" if last else "NC...")


def check_activation(function, activation):
    """Refuses an activation that is no function."""
    if activation is not None and not callable(activation):
        rule = "activation must be a function of a tensor, such as gk.relu"
        raise TypeError(checks.message(function, rule, activation=activation))


def activate(outputs, activation, activity_regularizer):
    """Applies the activation and files the activity's loss, a mean over the batch as in tf.layers."""
    if activation is not None:
        outputs = activation(outputs)
    if activity_regularizer is not None:
        loss = tf.convert_to_tensor(activity_regularizer(outputs))
        loss /= tf.cast(tf.shape(outputs)[0], loss.dtype)
        tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.REGULARIZATION_LOSSES, loss)
    return outputs


def check_window_fits(function, inputs, extents, padding, data_format):
    """Refuses a valid window that is larger than the image or sequence."""
    first = 1 if data_format == "channels_last" else 2
    for size, extent in zip(inputs.shape[first : first + len(extents)], extents, strict=True):
        fits = padding == "same" or size is None or extent <= size
        rule = "a valid window must fit into the inputs"
        checks.require(fits, function, rule, shape=scopes.shape_text(inputs), window=tuple(extents))


def channel_axis(data_format):
    return -1 if data_format == "channels_last" else 1


def per_axis(sizes, data_format):
    """Returns (down, right) as one number for each of the four axes."""
    return (1, *sizes, 1) if data_format == "channels_last" else (1, 1, *sizes)
