"""The shapes that convolutions and poolings make, and how much of the input one output pixel sees."""

from collections.abc import Sequence

from graphkit import checks

__all__ = ["conv2d_shape", "conv2d_transpose_shape", "output_size", "pool2d_shape", "receptive_field"]


def output_size(
    size: int, kernel_size: int, strides: int = 1, padding: str | int = "valid", dilation_rate: int = 1
) -> int:
    """Returns the width (or height) that a convolution or pooling makes of `size`.

    TensorFlow's own rule, with the dilated kernel F = dilation_rate * (kernel_size - 1) + 1:
    `same` gives ceil(W / S), `valid` gives ceil((W - F + 1) / S). With P pixels of padding on each side
    it is (W - F + 2P) / S + 1, which must be a whole number.

    Args:
      size: width W of the input, in pixels.
      kernel_size: width of the kernel or the pooling window, in pixels.
      strides: step S, in pixels.
      padding: "same", "valid", or the number P of pixels of zeros on each side.
      dilation_rate: distance between neighbouring taps of the kernel, in pixels.

    Returns:
      The width of the output, an int.

    Raises:
      TypeError: a size is not an integer.
      ValueError: a size is below one, the kernel is larger than the padded input, or with this P the kernel
        does not step exactly to the end of the input.

    Source: TensorFlow, `tf.nn.convolution`, "padding"; for P, Stanford's CS231n, course
    notes "Convolutional networks", "Spatial arrangement".

    Example:
      >>> gk.sizes.output_size(32, 8, 2, "same"), gk.sizes.output_size(32, 8, 2, "valid")
      (16, 13)
      >>> gk.sizes.output_size(32, 8, 2, padding=1)
      14
    """
    check = checks.Checker("output_size")
    size = check.integer("size", size)
    kernel_size = check.integer("kernel_size", kernel_size)
    strides = check.integer("strides", strides)
    dilation_rate = check.integer("dilation_rate", dilation_rate)
    padding = check_padding(check, padding)
    return count_steps(check, size, kernel_size, strides, padding, dilation_rate)


def check_padding(check: checks.Checker, padding: str | int) -> str | int:
    """Returns "same", "valid" or a number of pixels."""
    if isinstance(padding, str):
        return check.choice("padding", padding, ("same", "valid"))
    try:
        return check.integer("padding", padding, minimum=0)
    except TypeError:
        rule = "padding must be 'same', 'valid' or an integer of at least 0"
        raise TypeError(check.message(rule, padding=padding)) from None


def count_steps(
    check: checks.Checker, size: int, kernel_size: int, strides: int, padding: str | int, dilation_rate: int
) -> int:
    """Returns the output size; all arguments are checked except whether the kernel fits."""
    extent = dilation_rate * (kernel_size - 1) + 1
    if padding == "same":
        return -(-size // strides)
    if isinstance(padding, str):
        check.require(
            extent <= size, "a valid kernel must fit into the input", size=size, kernel_extent=extent
        )
        return -(-(size - extent + 1) // strides)
    padded = size + 2 * padding
    check.require(extent <= padded, "the kernel must fit into the padded input", W=size, F=extent, P=padding)
    steps, rest = divmod(padded - extent, strides)
    check.require(
        rest == 0, "(W - F + 2P) / S + 1 must be a whole number", W=size, F=extent, P=padding, S=strides
    )
    return steps + 1


def conv2d_shape(
    input_shape: Sequence[int],
    filters: int,
    kernel_size: int | Sequence[int],
    strides: int | Sequence[int] = 1,
    padding: str | int = "valid",
    dilation_rate: int | Sequence[int] = 1,
) -> tuple[int, int, int]:
    """Returns the shape of one example after a 2-D convolution.

    Args:
      input_shape: (height, width, channels) of the input, in pixels.
      filters: number of filters.
      kernel_size: an integer or (height, width), in pixels.
      strides: an integer or (down, right), in pixels.
      padding: "same", "valid", or pixels of zeros on each side.
      dilation_rate: an integer or (down, right), in pixels.

    Returns:
      (new height, new width, filters), a tuple of ints; the sizes are `gk.sizes.output_size`'s.

    Raises:
      TypeError: a size is not an integer.
      ValueError: a size is below one, or `gk.sizes.output_size` refuses the sizes.

    Example:
      >>> gk.sizes.conv2d_shape((32, 32, 3), 20, 8, 2, padding=1)
      (14, 14, 20)
    """
    check = checks.Checker("conv2d_shape")
    filters = check.integer("filters", filters)
    height, width = window_output(check, input_shape, kernel_size, strides, padding, dilation_rate)
    return height, width, filters


def pool2d_shape(
    input_shape: Sequence[int],
    pool_size: int | Sequence[int],
    strides: int | Sequence[int],
    padding: str | int = "valid",
) -> tuple[int, int, int]:
    """Returns the shape of one example after a maximum or mean over windows.

    Args:
      input_shape: (height, width, channels) of the input, in pixels.
      pool_size: an integer or (height, width) of the window, in pixels.
      strides: an integer or (down, right), in pixels.
      padding: "same", "valid", or pixels on each side.

    Returns:
      (new height, new width, channels), a tuple of ints; the sizes are `gk.sizes.output_size`'s.

    Raises:
      TypeError: a size is not an integer.
      ValueError: a size is below one, or `gk.sizes.output_size` refuses the sizes.

    Example:
      >>> gk.sizes.pool2d_shape((4, 4, 5), 2, 2)
      (2, 2, 5)
    """
    check = checks.Checker("pool2d_shape")
    height, width = window_output(check, input_shape, pool_size, strides, padding, name="pool_size")
    return height, width, input_shape[2]


def window_output(
    check: checks.Checker,
    input_shape: Sequence[int],
    window: int | Sequence[int],
    strides: int | Sequence[int],
    padding: str | int,
    dilation_rate: int | Sequence[int] = 1,
    *,
    name: str = "kernel_size",
) -> tuple[int, int]:
    """Returns the height and width that a window makes of an image."""
    height, width, _ = image_shape(check, input_shape)
    windows = check.integers(name, window, 2)
    steps = check.integers("strides", strides, 2)
    rates = check.integers("dilation_rate", dilation_rate, 2)
    padding = check_padding(check, padding)
    return (
        count_steps(check, height, windows[0], steps[0], padding, rates[0]),
        count_steps(check, width, windows[1], steps[1], padding, rates[1]),
    )


def image_shape(check: checks.Checker, input_shape: Sequence[int]) -> tuple[int, int, int]:
    """Returns (height, width, channels) as ints."""
    rule = "input_shape must be (height, width, channels)"
    check.require_type(isinstance(input_shape, (tuple, list)), rule, input_shape=input_shape)
    check.require(len(input_shape) == 3, rule, input_shape=input_shape)
    height, width, channels = (check.integer("input_shape", size) for size in input_shape)
    return height, width, channels


def conv2d_transpose_shape(
    input_shape: Sequence[int],
    filters: int,
    kernel_size: int | Sequence[int],
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
) -> tuple[int, int, int]:
    """Returns the shape of one example after a transposed 2-D convolution.

    `same` gives size * stride, `valid` gives size * stride + max(kernel - stride, 0): the smallest
    input from which the convolution makes `size` pixels and uses all of its own.

    Args:
      input_shape: (height, width, channels) of the input, in pixels.
      filters: number of filters.
      kernel_size: an integer or (height, width), in pixels.
      strides: an integer or (down, right), in pixels.
      padding: "same" or "valid".

    Returns:
      (new height, new width, filters), a tuple of ints.

    Raises:
      TypeError: a size is not an integer, or padding is not a string.
      ValueError: a size is below one, or padding is neither "same" nor "valid".

    Source: TensorFlow 1.15, `tf.layers.conv2d_transpose`.

    Example:
      >>> gk.sizes.conv2d_transpose_shape((14, 14, 8), 1, 5, 2, "same")
      (28, 28, 1)
      >>> gk.sizes.conv2d_transpose_shape((14, 14, 8), 1, 5, 2, "valid")
      (31, 31, 1)
    """
    check = checks.Checker("conv2d_transpose_shape")
    *sizes, _ = image_shape(check, input_shape)
    filters = check.integer("filters", filters)
    kernels = check.integers("kernel_size", kernel_size, 2)
    steps = check.integers("strides", strides, 2)
    same = check.choice("padding", padding, ("same", "valid")) == "same"
    height, width = (
        size * step + (0 if same else max(kernel - step, 0))
        for size, kernel, step in zip(sizes, kernels, steps, strict=True)
    )
    return height, width, filters


def receptive_field(layers: Sequence[Sequence[int]]) -> int:
    """Returns the width of the input that one pixel of the last layer's output sees.

    r = 1 and jump = 1 at first; each layer adds (F - 1) * jump to r, with the dilated kernel
    F = dilation_rate * (kernel_size - 1) + 1, and then multiplies jump by its stride.

    Args:
      layers: a sequence of (kernel_size, strides) or (kernel_size, strides, dilation_rate), all integers in
        pixels, from the input on; convolutions and poolings alike.

    Returns:
      An int, in pixels; 1 for no layers.

    Raises:
      TypeError: `layers` is not a sequence of tuples of integers.
      ValueError: a tuple has neither two nor three items, or a size is below one.

    Source: A. Araujo, W. Norris, J. Sim, "Computing receptive fields of convolutional neural networks",
    Distill (2019), doi:10.23915/distill.00021, equation 2.

    Example:
      >>> gk.sizes.receptive_field([(5, 1), (2, 2), (5, 1), (2, 2)])
      16
    """
    check = checks.Checker("receptive_field")
    rule = "layers must be a sequence of (kernel_size, strides) or (kernel_size, strides, dilation_rate)"
    check.require_type(isinstance(layers, (tuple, list)), rule, layers=layers)
    field = jump = 1
    for layer in layers:
        check.require_type(isinstance(layer, (tuple, list)), rule, layer=layer)
        check.require(len(layer) in (2, 3), rule, layer=layer)
        kernel_size = check.integer("kernel_size", layer[0])
        strides = check.integer("strides", layer[1])
        dilation_rate = check.integer("dilation_rate", layer[2]) if len(layer) == 3 else 1
        field += dilation_rate * (kernel_size - 1) * jump
        jump *= strides
    return field
