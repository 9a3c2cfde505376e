"""The floating-point operations of a layer, as TensorFlow's profiler counts them: a multiply-add is two."""

import fractions
from collections.abc import Sequence

from graphkit import checks
from graphkit.sizes import parameters, shapes

__all__ = ["conv2d_flops", "dense_flops", "pool2d_flops", "rnn_flops", "training_flops"]

# Products and sums of the state, for each unit and step: gru r * h, u * h, 1 - u, (1 - u) * c, their sum;
# lstm f * c, i * j, their sum, o * tanh(c).
CELL_STATE_FLOPS = {"simple": 0, "gru": 5, "lstm": 4}


def conv2d_flops(
    input_shape: Sequence[int],
    filters: int,
    kernel_size: int | Sequence[int],
    strides: int | Sequence[int] = 1,
    padding: str | int = "valid",
    dilation_rate: int | Sequence[int] = 1,
    *,
    use_bias: bool = True,
) -> int:
    """Returns the floating-point operations of a 2-D convolution of one example.

    (new height * new width * filters) * (2 * kh * kw * in + bias): a multiply and an add count two.
    Products with padding count as well, as in TensorFlow's profiler.

    Args:
      input_shape: (height, width, channels) of the input, in pixels.
      filters: number of filters.
      kernel_size: an integer or (height, width), in pixels.
      strides: an integer or (down, right), in pixels.
      padding: "same", "valid", or pixels of zeros on each side.
      dilation_rate: an integer or (down, right), in pixels.
      use_bias: whether each filter has a bias.

    Returns:
      An int.

    Raises:
      TypeError: a size is not an integer.
      ValueError: a size is below one, or `gk.sizes.output_size` refuses the sizes.

    Example:
      >>> gk.sizes.conv2d_flops((28, 28, 1), 32, 5, padding="same")
      1279488
    """
    check = checks.Checker("conv2d_flops")
    filters = check.integer("filters", filters)
    height, width = shapes.window_output(check, input_shape, kernel_size, strides, padding, dilation_rate)
    products = parameters.conv2d_parameters(input_shape[2], filters, kernel_size, use_bias=False)
    return height * width * (2 * products + bool(use_bias) * filters)


def pool2d_flops(
    input_shape: Sequence[int],
    pool_size: int | Sequence[int],
    strides: int | Sequence[int],
    padding: str | int = "valid",
) -> int:
    """Returns the floating-point operations of a pooling of one example: window area * size of the output.

    Args:
      input_shape: (height, width, channels) of the input, in pixels.
      pool_size: an integer or (height, width) of the window, in pixels.
      strides: an integer or (down, right), in pixels.
      padding: "same", "valid", or pixels on each side.

    Returns:
      An int.

    Raises:
      TypeError: a size is not an integer.
      ValueError: a size is below one, or `gk.sizes.output_size` refuses the sizes.

    Example:
      >>> gk.sizes.pool2d_flops((28, 28, 32), 2, 2)
      25088
    """
    check = checks.Checker("pool2d_flops")
    height, width = shapes.window_output(check, input_shape, pool_size, strides, padding, name="pool_size")
    window_height, window_width = check.integers("pool_size", pool_size, 2)
    return window_height * window_width * height * width * input_shape[2]


def dense_flops(in_features: int, units: int, *, use_bias: bool = True) -> int:
    """Returns the floating-point operations of a dense layer for one example: (2 * in + bias) * units.

    Args:
      in_features: features of the input.
      units: features of the output.
      use_bias: whether each unit has a bias.

    Returns:
      An int; a multiply and an add count two.

    Raises:
      TypeError: a size is not an integer.
      ValueError: a size is below one.

    Example:
      >>> gk.sizes.dense_flops(784, 10)
      15690
    """
    check = checks.Checker("dense_flops")
    in_features = check.integer("in_features", in_features)
    units = check.integer("units", units)
    return (2 * in_features + bool(use_bias)) * units


def rnn_flops(in_features: int, units: int, steps: int, cell: str = "lstm") -> int:
    """Returns the floating-point operations of a recurrent layer for one example.

    steps * units * (gates * (2 * (in + units) + 1) + s), with gates as in `gk.sizes.rnn_parameters` and s
    products and sums of the state: 0 for simple, 5 for gru, 4 for lstm. The gates' sigmoids and tanhs do
    not count, as no activation does.

    Args:
      in_features: features of the input of one step.
      units: length of the state.
      steps: length of the sequence.
      cell: "simple", "gru" or "lstm".

    Returns:
      An int; a multiply and an add count two.

    Raises:
      TypeError: a size is not an integer, or cell is not a string.
      ValueError: a size is below one, or the cell is unknown.

    Example:
      >>> gk.sizes.rnn_flops(28, 128, steps=28)
      4501504
    """
    check = checks.Checker("rnn_flops")
    in_features = check.integer("in_features", in_features)
    units = check.integer("units", units)
    steps = check.integer("steps", steps)
    cell = check.choice("cell", cell, parameters.CELL_GATES)
    gates = parameters.CELL_GATES[cell]
    return steps * units * (gates * (2 * (in_features + units) + 1) + CELL_STATE_FLOPS[cell])


def training_flops(forward: int, gradients: float = 2.0) -> int:
    """Returns the floating-point operations of a training step: forward * (1 + gradients).

    The rule of thumb: gradients cost 2 to 3 times the forward pass, so that a step costs 3 to 4 times as
    much. A product of matrices has two products as its gradients, one for each factor.

    Args:
      forward: floating-point operations of the forward pass.
      gradients: cost of the gradients, in forward passes.

    Returns:
      An int, rounded.

    Raises:
      TypeError: forward is not an integer, or gradients is not a number.
      ValueError: a number is negative.

    Source: A. Griewank, A. Walther, "Evaluating derivatives", 2nd ed. (2008), the cheap gradient principle:
    a function and its gradient together cost at most 3 to 4 times the function.

    Example:
      >>> gk.sizes.training_flops(1000), gk.sizes.training_flops(1000, gradients=3)
      (3000, 4000)
    """
    check = checks.Checker("training_flops")
    forward = check.integer("forward", forward, 0, maximum=None)
    gradients = check.number("gradients", gradients, at_least=0)
    # As a fraction: the product may exceed what a float holds.
    return forward + round(forward * fractions.Fraction(gradients))
