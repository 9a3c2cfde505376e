"""What layers cost, by plain arithmetic without TensorFlow: shapes, parameters, bytes, operations."""

import fractions

from graphkit import checks

__all__ = [
    "array_bytes",
    "batch_norm_parameters",
    "conv2d_flops",
    "conv2d_parameters",
    "conv2d_shape",
    "conv2d_transpose_shape",
    "dense_flops",
    "dense_parameters",
    "embedding_parameters",
    "largest_batch",
    "optimizer_slots",
    "output_size",
    "pool2d_flops",
    "pool2d_shape",
    "receptive_field",
    "rnn_flops",
    "rnn_parameters",
    "separable_conv2d_parameters",
    "training_bytes",
    "training_flops",
    "unshared_conv2d_parameters",
]

# Bytes of one number.
ITEM_BYTES = {
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "float64": 8,
    "bool": 1,
    "int8": 1,
    "uint8": 1,
    "int16": 2,
    "uint16": 2,
    "int32": 4,
    "uint32": 4,
    "int64": 8,
    "uint64": 8,
    "complex64": 8,
    "complex128": 16,
}
# Numbers that TensorFlow 1's optimizers keep for each weight.
OPTIMIZER_SLOTS = {
    "sgd": 0,
    "momentum": 1,
    "nesterov": 1,
    "adagrad": 1,
    "adadelta": 2,
    "adam": 2,
    "adamw": 2,
    "rmsprop": 2,
}
CELL_GATES = {"simple": 1, "gru": 3, "lstm": 4}
# Products and sums of the state, for each unit and step: gru r * h, u * h, 1 - u, (1 - u) * c, their sum;
# lstm f * c, i * j, their sum, o * tanh(c).
CELL_STATE_FLOPS = {"simple": 0, "gru": 5, "lstm": 4}


def output_size(size, kernel_size, strides=1, padding="valid", dilation_rate=1):
    """Returns the width (or height) that a convolution or pooling makes of `size`.

    TensorFlow's own rule, with the dilated kernel F = dilation_rate * (kernel_size - 1) + 1:
    `same` gives ceil(W / S), `valid` gives ceil((W - F + 1) / S). With P pixels of padding on each side
    it is (W - F + 2P) / S + 1, which must be whole.

    Args:
      size: width W of the input, in pixels.
      kernel_size: width of the kernel or the pooling window, in pixels.
      strides: step S, in pixels.
      padding: "same", "valid", or how many pixels P of zeros are put on each side.
      dilation_rate: distance between neighbouring taps of the kernel, in pixels.

    Returns:
      The width of the output, an int.

    Raises:
      TypeError: an argument of another kind.
      ValueError: a size below one, a kernel larger than the padded input, or a P with which the kernel
        does not step exactly to the end of the input.

    Source: TensorFlow, `tf.nn.convolution`, "padding"; for P, Stanford's CS231n, course
    notes "Convolutional networks", "Spatial arrangement".

    Example:
      >>> gk.output_size(32, 8, 2, "same"), gk.output_size(32, 8, 2, "valid"), gk.output_size(32, 8, 2, 1)
      (16, 13, 14)
    """
    function = "output_size"
    size = checks.integer(function, "size", size)
    kernel_size = checks.integer(function, "kernel_size", kernel_size)
    strides = checks.integer(function, "strides", strides)
    dilation_rate = checks.integer(function, "dilation_rate", dilation_rate)
    padding = check_padding(function, padding)
    extent = dilation_rate * (kernel_size - 1) + 1
    if padding == "same":
        return -(-size // strides)
    if padding == "valid":
        rule = "a valid kernel must fit into the input"
        checks.require(extent <= size, function, rule, size=size, kernel_extent=extent)
        return -(-(size - extent + 1) // strides)
    rule = "the kernel must fit into the padded input"
    checks.require(extent <= size + 2 * padding, function, rule, W=size, F=extent, P=padding)
    steps, rest = divmod(size - extent + 2 * padding, strides)
    rule = "(W - F + 2P) / S + 1 must be a whole number"
    checks.require(rest == 0, function, rule, W=size, F=extent, P=padding, S=strides)
    return steps + 1


def check_padding(function, padding):
    """Returns "same", "valid" or a number of pixels."""
    if isinstance(padding, str):
        return checks.choice(function, "padding", padding, ("same", "valid"))
    try:
        return checks.integer(function, "padding", padding, minimum=0)
    except TypeError:
        rule = "padding must be 'same', 'valid' or an integer of at least 0"
        raise TypeError(checks.message(function, rule, padding=padding)) from None


def conv2d_shape(input_shape, filters, kernel_size, strides=1, padding="valid", dilation_rate=1):
    """Returns the shape of one example after a 2-D convolution.

    Args:
      input_shape: (height, width, channels) of the input, in pixels.
      filters: how many filters.
      kernel_size: an integer or (height, width), in pixels.
      strides: an integer or (down, right), in pixels.
      padding: "same", "valid", or pixels of zeros on each side.
      dilation_rate: an integer or (down, right), in pixels.

    Returns:
      (new height, new width, filters), a tuple of ints; the sizes are `gk.output_size`'s.

    Raises:
      TypeError: an argument of another kind.
      ValueError: a size below one, or sizes that `gk.output_size` refuses.

    Example:
      >>> gk.conv2d_shape((32, 32, 3), 20, 8, 2, padding=1)
      (14, 14, 20)
    """
    function = "conv2d_shape"
    filters = checks.integer(function, "filters", filters)
    sizes = window_output(function, input_shape, kernel_size, strides, padding, dilation_rate)
    return (*sizes, filters)


def pool2d_shape(input_shape, pool_size, strides, padding="valid"):
    """Returns the shape of one example after a maximum or mean over windows.

    Args:
      input_shape: (height, width, channels) of the input, in pixels.
      pool_size: an integer or (height, width) of the window, in pixels.
      strides: an integer or (down, right), in pixels.
      padding: "same", "valid", or pixels on each side.

    Returns:
      (new height, new width, channels), a tuple of ints; the sizes are `gk.output_size`'s.

    Raises:
      TypeError: an argument of another kind.
      ValueError: a size below one, or sizes that `gk.output_size` refuses.

    Example:
      >>> gk.pool2d_shape((4, 4, 5), 2, 2)
      (2, 2, 5)
    """
    sizes = window_output("pool2d_shape", input_shape, pool_size, strides, padding, 1, "pool_size")
    return (*sizes, input_shape[2])


def conv2d_transpose_shape(input_shape, filters, kernel_size, strides=1, padding="valid"):
    """Returns the shape of one example after a transposed 2-D convolution.

    `same` gives size * stride, `valid` gives size * stride + max(kernel - stride, 0): the smallest
    inputs of which the convolution makes `size` pixels and uses them all.

    Args:
      input_shape: (height, width, channels) of the input, in pixels.
      filters: how many filters.
      kernel_size: an integer or (height, width), in pixels.
      strides: an integer or (down, right), in pixels.
      padding: "same" or "valid".

    Returns:
      (new height, new width, filters), a tuple of ints.

    Raises:
      TypeError: an argument of another kind.
      ValueError: a size below one, or another padding.

    Source: TensorFlow 1.15, `tf.layers.conv2d_transpose`.

    Example:
      >>> gk.conv2d_transpose_shape((14, 14, 8), 1, 5, 2, "same")
      (28, 28, 1)
      >>> gk.conv2d_transpose_shape((14, 14, 8), 1, 5, 2, "valid")
      (31, 31, 1)
    """
    function = "conv2d_transpose_shape"
    *sizes, _ = image_shape(function, input_shape)
    filters = checks.integer(function, "filters", filters)
    kernel_size = checks.integers(function, "kernel_size", kernel_size, 2)
    strides = checks.integers(function, "strides", strides, 2)
    same = checks.choice(function, "padding", padding, ("same", "valid")) == "same"
    grown = [
        size * stride + (0 if same else max(kernel - stride, 0))
        for size, kernel, stride in zip(sizes, kernel_size, strides, strict=True)
    ]
    return (*grown, filters)


def image_shape(function, input_shape):
    """Returns (height, width, channels) as ints."""
    rule = "input_shape must be (height, width, channels)"
    if not isinstance(input_shape, (tuple, list)):
        raise TypeError(checks.message(function, rule, input_shape=input_shape))
    checks.require(len(input_shape) == 3, function, rule, input_shape=input_shape)
    return tuple(checks.integer(function, "input_shape", size) for size in input_shape)


def window_output(function, input_shape, window, strides, padding, dilation_rate, name="kernel_size"):
    """Returns the height and width that a window makes of an image."""
    *sizes, _ = image_shape(function, input_shape)
    windows = checks.integers(function, name, window, 2)
    strides = checks.integers(function, "strides", strides, 2)
    rates = checks.integers(function, "dilation_rate", dilation_rate, 2)
    axes = zip(sizes, windows, strides, rates, strict=True)
    return [output_size(size, part, step, padding, rate) for size, part, step, rate in axes]


def conv2d_parameters(in_channels, filters, kernel_size, use_bias=True):
    """Returns the number of trained numbers of a 2-D convolution: (kh * kw * in + bias) * filters.

    The kernel is shared by all places of the image, and so is each filter's bias.

    Args:
      in_channels: channels of the input.
      filters: channels of the output.
      kernel_size: an integer or (height, width), in pixels.
      use_bias: whether each filter has a bias.

    Returns:
      An int.

    Raises:
      TypeError: an argument of another kind.
      ValueError: a size below one.

    Example:
      >>> gk.conv2d_parameters(3, 20, 8)
      3860
    """
    function = "conv2d_parameters"
    in_channels = checks.integer(function, "in_channels", in_channels)
    filters = checks.integer(function, "filters", filters)
    height, width = checks.integers(function, "kernel_size", kernel_size, 2)
    return (height * width * in_channels + bool(use_bias)) * filters


def unshared_conv2d_parameters(
    input_shape, filters, kernel_size, strides=1, padding="valid", dilation_rate=1, use_bias=True
):
    """Returns what a 2-D convolution would hold if each place of the image had its own kernel and bias.

    (new height * new width * filters) * (kh * kw * in + bias), to be compared with
    `gk.conv2d_parameters`, where all places share one.

    Args:
      input_shape: (height, width, channels) of the input, in pixels.
      filters: how many filters.
      kernel_size: an integer or (height, width), in pixels.
      strides: an integer or (down, right), in pixels.
      padding: "same", "valid", or pixels of zeros on each side.
      dilation_rate: an integer or (down, right), in pixels.
      use_bias: whether there are biases.

    Returns:
      An int.

    Raises:
      TypeError: an argument of another kind.
      ValueError: a size below one, or sizes that `gk.output_size` refuses.

    Example:
      >>> gk.unshared_conv2d_parameters((32, 32, 3), 20, 8, 2, padding=1)
      756560
    """
    function = "unshared_conv2d_parameters"
    filters = checks.integer(function, "filters", filters)
    height, width = window_output(function, input_shape, kernel_size, strides, padding, dilation_rate)
    return height * width * conv2d_parameters(input_shape[2], filters, kernel_size, use_bias)


def separable_conv2d_parameters(in_channels, filters, kernel_size, depth_multiplier=1, use_bias=True):
    """Returns the number of trained numbers of a depthwise convolution followed by a 1x1 convolution.

    kh * kw * in * depth_multiplier + in * depth_multiplier * filters + bias * filters.

    Args:
      in_channels: channels of the input.
      filters: channels of the output.
      kernel_size: an integer or (height, width), in pixels.
      depth_multiplier: channels that the depthwise convolution makes of each input channel.
      use_bias: whether each filter has a bias.

    Returns:
      An int.

    Raises:
      TypeError: an argument of another kind.
      ValueError: a size below one.

    Example:
      >>> gk.separable_conv2d_parameters(32, 64, 3), gk.conv2d_parameters(32, 64, 3)
      (2400, 18496)
    """
    function = "separable_conv2d_parameters"
    in_channels = checks.integer(function, "in_channels", in_channels)
    filters = checks.integer(function, "filters", filters)
    height, width = checks.integers(function, "kernel_size", kernel_size, 2)
    between = in_channels * checks.integer(function, "depth_multiplier", depth_multiplier)
    return height * width * between + between * filters + bool(use_bias) * filters


def dense_parameters(in_features, units, use_bias=True):
    """Returns the number of trained numbers of a dense layer: (in_features + bias) * units.

    Args:
      in_features: features of the input.
      units: features of the output.
      use_bias: whether each unit has a bias.

    Returns:
      An int.

    Raises:
      TypeError: an argument of another kind.
      ValueError: a size below one.

    Example:
      >>> gk.dense_parameters(784, 10)
      7850
    """
    function = "dense_parameters"
    in_features = checks.integer(function, "in_features", in_features)
    units = checks.integer(function, "units", units)
    return (in_features + bool(use_bias)) * units


def batch_norm_parameters(channels, center=True, scale=True):
    """Returns the number of trained numbers of a batch normalization: beta and gamma per channel.

    The moving mean and variance (2 * channels) are variables too, but no optimizer trains them.

    Args:
      channels: channels of the input.
      center: whether there is a beta.
      scale: whether there is a gamma.

    Returns:
      An int.

    Raises:
      TypeError: channels that are no integer.
      ValueError: fewer than one channel.

    Example:
      >>> gk.batch_norm_parameters(64)
      128
    """
    channels = checks.integer("batch_norm_parameters", "channels", channels)
    return channels * (bool(center) + bool(scale))


def embedding_parameters(vocabulary_size, units):
    """Returns the number of trained numbers of a table of vectors: vocabulary_size * units.

    Args:
      vocabulary_size: how many tokens have a vector.
      units: numbers in a vector.

    Returns:
      An int.

    Raises:
      TypeError: an argument of another kind.
      ValueError: a size below one.

    Example:
      >>> gk.embedding_parameters(10000, 128)
      1280000
    """
    function = "embedding_parameters"
    vocabulary_size = checks.integer(function, "vocabulary_size", vocabulary_size)
    return vocabulary_size * checks.integer(function, "units", units)


def rnn_parameters(in_features, units, cell="lstm"):
    """Returns the number of trained numbers of a recurrent cell: gates * (units * (in + units) + units).

    TensorFlow 1's cells have one bias per gate; a simple cell has one gate, gru has 3, lstm has 4.

    Args:
      in_features: features of the input of one step.
      units: numbers in the state.
      cell: "simple", "gru" or "lstm".

    Returns:
      An int.

    Raises:
      TypeError: an argument of another kind.
      ValueError: a size below one, or an unknown cell.

    Source: TensorFlow 1.15, `tf.nn.rnn_cell`: BasicRNNCell, GRUCell, BasicLSTMCell.

    Example:
      >>> [gk.rnn_parameters(28, 128, cell) for cell in ("simple", "gru", "lstm")]
      [20096, 60288, 80384]
    """
    function = "rnn_parameters"
    in_features = checks.integer(function, "in_features", in_features)
    units = checks.integer(function, "units", units)
    gates = CELL_GATES[checks.choice(function, "cell", cell, CELL_GATES)]
    return gates * (units * (in_features + units) + units)


def array_bytes(shape, dtype="float32"):
    """Returns the bytes of an array: the product of its shape times the bytes of a number.

    Args:
      shape: the sizes of its axes; () for a scalar.
      dtype: name of the dtype ("float32", "uint8", "bfloat16", …), or a dtype of NumPy or TensorFlow.

    Returns:
      An int.

    Raises:
      TypeError: a shape that is no sequence of integers, or a dtype that is no name.
      ValueError: a negative size, or an unknown dtype.

    Example:
      >>> gk.array_bytes((55000, 784)), gk.array_bytes((784, 10)), gk.array_bytes((10,))
      (172480000, 31360, 40)
    """
    function = "array_bytes"
    if not isinstance(shape, (tuple, list)):
        rule = "shape must be a sequence of integers"
        raise TypeError(checks.message(function, rule, shape=shape))
    count = 1
    for size in shape:
        count *= checks.integer(function, "shape", size, minimum=0)
    return count * item_bytes(function, dtype)


def item_bytes(function, dtype):
    """Returns the bytes of one number of a dtype, or of its name."""
    return ITEM_BYTES[checks.choice(function, "dtype", getattr(dtype, "name", dtype), ITEM_BYTES)]


def optimizer_slots(optimizer):
    """Returns how many numbers an optimizer keeps for each weight.

    sgd 0; momentum, nesterov, adagrad 1 (velocity, or sum of squares); adadelta, adam, adamw, rmsprop 2
    (two moments; TensorFlow 1's rmsprop keeps a mean square and a momentum, even if that is 0).

    Args:
      optimizer: "sgd", "momentum", "nesterov", "adagrad", "adadelta", "adam", "adamw" or "rmsprop".

    Returns:
      An int.

    Raises:
      TypeError: an optimizer that is no name.
      ValueError: an unknown name.

    Example:
      >>> gk.optimizer_slots("adam")
      2
    """
    return OPTIMIZER_SLOTS[checks.choice("optimizer_slots", "optimizer", optimizer, OPTIMIZER_SLOTS)]


def training_bytes(parameters, activations, batch_size, slots=2, dtype="float32"):
    """Returns the bytes that a training step holds: (parameters * (2 + slots) + activations * batch) * item.

    For each parameter there is the weight, its gradient and the optimizer's slots; each example's
    activations are kept until the backward pass has used them. Not counted: the batch's own inputs, what
    a kernel needs while it runs (a convolution's workspace), the gradients of activations, of which few
    live at a time, copies that the allocator has not yet given back, and the program itself.

    Args:
      parameters: how many numbers are trained.
      activations: how many numbers the forward pass keeps for one example.
      batch_size: examples in a batch.
      slots: numbers that the optimizer keeps for each parameter, see `gk.optimizer_slots`.
      dtype: of all numbers, see `gk.array_bytes`.

    Returns:
      An int.

    Raises:
      TypeError: an argument of another kind.
      ValueError: a negative number, a batch of no example, or an unknown dtype.

    Source: weight, gradient and slots are the 16 bytes that each float32 parameter takes with Adam in
    S. Rajbhandari et al., "ZeRO: memory optimizations toward training trillion parameter models", SC 2020.

    Example:
      >>> gk.training_bytes(parameters=1000, activations=500, batch_size=32)
      80000
    """
    function = "training_bytes"
    kept, each = kept_bytes(function, parameters, activations, slots, dtype)
    return kept + each * checks.integer(function, "batch_size", batch_size)


def largest_batch(memory, parameters, activations, slots=2, dtype="float32"):
    """Returns the largest batch size whose `gk.training_bytes` fits into the memory.

    Args:
      memory: how much there is, in bytes.
      parameters: how many numbers are trained.
      activations: how many numbers the forward pass keeps for one example; at least one.
      slots: numbers that the optimizer keeps for each parameter, see `gk.optimizer_slots`.
      dtype: of all numbers, see `gk.array_bytes`.

    Returns:
      An int of at least 1.

    Raises:
      TypeError: an argument of another kind.
      ValueError: not even one example fits, a negative number, or an unknown dtype.

    Example:
      >>> gk.largest_batch(80000, parameters=1000, activations=500)
      32
    """
    function = "largest_batch"
    memory = checks.integer(function, "memory", memory, 0, maximum=None)
    checks.integer(function, "activations", activations, maximum=None)
    kept, each = kept_bytes(function, parameters, activations, slots, dtype)
    rule = "not even one example fits into the memory, in bytes"
    checks.require(
        kept + each <= memory, function, rule, memory=memory, without_examples=kept, for_each_example=each
    )
    return (memory - kept) // each


def kept_bytes(function, parameters, activations, slots, dtype):
    """Returns the bytes of what a step holds once, and of what it holds for each example."""
    parameters = checks.integer(function, "parameters", parameters, 0, maximum=None)
    activations = checks.integer(function, "activations", activations, 0, maximum=None)
    slots = checks.integer(function, "slots", slots, minimum=0)
    item = item_bytes(function, dtype)
    return parameters * (2 + slots) * item, activations * item


def conv2d_flops(
    input_shape, filters, kernel_size, strides=1, padding="valid", dilation_rate=1, use_bias=True
):
    """Returns the floating-point operations of a 2-D convolution of one example.

    (new height * new width * filters) * (2 * kh * kw * in + bias): a multiply and an add count two.
    Products with padding count as well, as in TensorFlow's profiler.

    Args:
      input_shape: (height, width, channels) of the input, in pixels.
      filters: how many filters.
      kernel_size: an integer or (height, width), in pixels.
      strides: an integer or (down, right), in pixels.
      padding: "same", "valid", or pixels of zeros on each side.
      dilation_rate: an integer or (down, right), in pixels.
      use_bias: whether each filter has a bias.

    Returns:
      An int.

    Raises:
      TypeError: an argument of another kind.
      ValueError: a size below one, or sizes that `gk.output_size` refuses.

    Example:
      >>> gk.conv2d_flops((28, 28, 1), 32, 5, padding="same")
      1279488
    """
    function = "conv2d_flops"
    filters = checks.integer(function, "filters", filters)
    height, width = window_output(function, input_shape, kernel_size, strides, padding, dilation_rate)
    products = conv2d_parameters(input_shape[2], filters, kernel_size, use_bias=False)
    return height * width * (2 * products + bool(use_bias) * filters)


def pool2d_flops(input_shape, pool_size, strides, padding="valid"):
    """Returns the floating-point operations of a pooling of one example: window area * size of the output.

    Args:
      input_shape: (height, width, channels) of the input, in pixels.
      pool_size: an integer or (height, width) of the window, in pixels.
      strides: an integer or (down, right), in pixels.
      padding: "same", "valid", or pixels on each side.

    Returns:
      An int.

    Raises:
      TypeError: an argument of another kind.
      ValueError: a size below one, or sizes that `gk.output_size` refuses.

    Example:
      >>> gk.pool2d_flops((28, 28, 32), 2, 2)
      25088
    """
    function = "pool2d_flops"
    height, width = window_output(function, input_shape, pool_size, strides, padding, 1, "pool_size")
    window_height, window_width = checks.integers(function, "pool_size", pool_size, 2)
    return window_height * window_width * height * width * input_shape[2]


def dense_flops(in_features, units, use_bias=True):
    """Returns the floating-point operations of a dense layer for one example: (2 * in + bias) * units.

    Args:
      in_features: features of the input.
      units: features of the output.
      use_bias: whether each unit has a bias.

    Returns:
      An int; a multiply and an add count two.

    Raises:
      TypeError: an argument of another kind.
      ValueError: a size below one.

    Example:
      >>> gk.dense_flops(784, 10)
      15690
    """
    function = "dense_flops"
    in_features = checks.integer(function, "in_features", in_features)
    units = checks.integer(function, "units", units)
    return (2 * in_features + bool(use_bias)) * units


def rnn_flops(in_features, units, steps, cell="lstm"):
    """Returns the floating-point operations of a recurrent layer for one example.

    steps * units * (gates * (2 * (in + units) + 1) + s), with gates as in `gk.rnn_parameters` and s
    products and sums of the state: 0 for simple, 5 for gru, 4 for lstm. The gates' sigmoids and tanhs are
    not counted, as no activation is.

    Args:
      in_features: features of the input of one step.
      units: numbers in the state.
      steps: length of the sequence.
      cell: "simple", "gru" or "lstm".

    Returns:
      An int; a multiply and an add count two.

    Raises:
      TypeError: an argument of another kind.
      ValueError: a size below one, or an unknown cell.

    Example:
      >>> gk.rnn_flops(28, 128, steps=28)
      4501504
    """
    function = "rnn_flops"
    in_features = checks.integer(function, "in_features", in_features)
    units = checks.integer(function, "units", units)
    steps = checks.integer(function, "steps", steps)
    cell = checks.choice(function, "cell", cell, CELL_GATES)
    return steps * units * (CELL_GATES[cell] * (2 * (in_features + units) + 1) + CELL_STATE_FLOPS[cell])


def training_flops(forward, gradients=2.0):
    """Returns the floating-point operations of a training step: forward * (1 + gradients).

    The rule of thumb: gradients cost 2 to 3 times the forward pass, so that a step costs 3 to 4 times as
    much. A product of matrices has two products as its gradients, one for each factor.

    Args:
      forward: floating-point operations of the forward pass.
      gradients: cost of the gradients, in forward passes.

    Returns:
      An int, rounded.

    Raises:
      TypeError: an argument of another kind.
      ValueError: a negative number.

    Source: A. Griewank, A. Walther, "Evaluating derivatives", 2nd ed. (2008), the cheap gradient principle:
    a function and its gradient together cost at most 3 to 4 times the function.

    Example:
      >>> gk.training_flops(1000), gk.training_flops(1000, gradients=3)
      (3000, 4000)
    """
    function = "training_flops"
    forward = checks.integer(function, "forward", forward, 0, maximum=None)
    gradients = checks.number(function, "gradients", gradients, at_least=0)
    return forward + round(forward * fractions.Fraction(gradients))


def receptive_field(layers):
    """Returns the width of the input that one pixel of the last layer's output sees.

    r = 1 and jump = 1 at first; each layer adds (F - 1) * jump to r, with the dilated kernel
    F = dilation_rate * (kernel_size - 1) + 1, and then multiplies jump by its stride.

    Args:
      layers: a sequence of (kernel_size, strides) or (kernel_size, strides, dilation_rate), all integers in
        pixels, from the input on; convolutions and poolings alike.

    Returns:
      An int, in pixels; 1 for no layers.

    Raises:
      TypeError: what is no sequence of tuples of integers.
      ValueError: a tuple of another length, or a size below one.

    Source: A. Araujo, W. Norris, J. Sim, "Computing receptive fields of convolutional neural networks",
    Distill (2019), doi:10.23915/distill.00021, equation 2.

    Example:
      >>> gk.receptive_field([(5, 1), (2, 2), (5, 1), (2, 2)])
      16
    """
    function = "receptive_field"
    rule = "layers must be a sequence of (kernel_size, strides) or (kernel_size, strides, dilation_rate)"
    if not isinstance(layers, (tuple, list)):
        raise TypeError(checks.message(function, rule, layers=layers))
    field = jump = 1
    for layer in layers:
        if not isinstance(layer, (tuple, list)):
            raise TypeError(checks.message(function, rule, layer=layer))
        checks.require(len(layer) in (2, 3), function, rule, layer=layer)
        kernel_size = checks.integer(function, "kernel_size", layer[0])
        strides = checks.integer(function, "strides", layer[1])
        dilation_rate = checks.integer(function, "dilation_rate", layer[2]) if len(layer) == 3 else 1
        field += dilation_rate * (kernel_size - 1) * jump
        jump *= strides
    return field
