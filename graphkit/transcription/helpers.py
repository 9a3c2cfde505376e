"""What a layer computes, in NumPy: the functions that a written file has at its top if it uses them.

Their sources are copied, so they use NumPy and each other alone.
"""

import numpy as np


def conv2d(x, kernel, strides=(1, 1), padding="SAME", dilations=(1, 1)):
    """Convolution: each output pixel is the sum of the kernel's positions times the pixels below them."""
    x, height, width = padded(x, kernel.shape[:2], strides, padding, dilations)
    out = np.zeros((len(x), height, width, kernel.shape[3]), x.dtype)
    for i, j, pixels in positions(kernel.shape[:2], height, width, strides, dilations):
        out += x[pixels] @ kernel[i, j]
    return out


def conv2d_grad_input(d_out, kernel, shape, strides=(1, 1), padding="SAME", dilations=(1, 1)):
    """Gradient of a convolution for its input: each output pixel gives its part back to the pixels below."""
    d_x, height, width = padded(np.zeros(shape, d_out.dtype), kernel.shape[:2], strides, padding, dilations)
    for i, j, pixels in positions(kernel.shape[:2], height, width, strides, dilations):
        d_x[pixels] += d_out @ kernel[i, j].T
    return cropped(d_x, shape, kernel.shape[:2], strides, padding, dilations)


def conv2d_grad_kernel(x, d_out, shape, strides=(1, 1), padding="SAME", dilations=(1, 1)):
    """Gradient of a convolution for its kernel: at each position, pixels times gradients, summed."""
    x, height, width = padded(x, shape[:2], strides, padding, dilations)
    d_kernel = np.zeros(shape, d_out.dtype)
    flat = d_out.reshape(-1, d_out.shape[3])
    for i, j, pixels in positions(shape[:2], height, width, strides, dilations):
        d_kernel[i, j] = x[pixels].reshape(-1, x.shape[3]).T @ flat
    return d_kernel


def depthwise_conv2d(x, kernel, strides=(1, 1), padding="SAME", dilations=(1, 1)):
    """Convolution of each channel by itself, with kernel (height, width, channels, outputs per channel)."""
    x, height, width = padded(x, kernel.shape[:2], strides, padding, dilations)
    out = np.zeros((len(x), height, width, *kernel.shape[2:]), x.dtype)
    for i, j, pixels in positions(kernel.shape[:2], height, width, strides, dilations):
        out += x[pixels][..., None] * kernel[i, j]
    return out.reshape(len(x), height, width, -1)


def depthwise_conv2d_grad_input(d_out, kernel, shape, strides=(1, 1), padding="SAME", dilations=(1, 1)):
    """Gradient of a depthwise convolution for its input."""
    d_x, height, width = padded(np.zeros(shape, d_out.dtype), kernel.shape[:2], strides, padding, dilations)
    d_out = d_out.reshape(*d_out.shape[:3], *kernel.shape[2:])
    for i, j, pixels in positions(kernel.shape[:2], height, width, strides, dilations):
        d_x[pixels] += (d_out * kernel[i, j]).sum(axis=-1)
    return cropped(d_x, shape, kernel.shape[:2], strides, padding, dilations)


def depthwise_conv2d_grad_kernel(x, d_out, shape, strides=(1, 1), padding="SAME", dilations=(1, 1)):
    """Gradient of a depthwise convolution for its kernel."""
    x, height, width = padded(x, shape[:2], strides, padding, dilations)
    d_out = d_out.reshape(*d_out.shape[:3], *shape[2:])
    d_kernel = np.zeros(shape, d_out.dtype)
    for i, j, pixels in positions(shape[:2], height, width, strides, dilations):
        d_kernel[i, j] = (x[pixels][..., None] * d_out).sum(axis=(0, 1, 2))
    return d_kernel


def max_pool(x, size, strides, padding="VALID"):
    """The largest number of each window."""
    x, height, width = padded(x, size, strides, padding, fill=-np.inf)
    return np.max([x[pixels] for _, _, pixels in positions(size, height, width, strides)], axis=0)


def max_pool_grad(x, out, d_out, size, strides, padding="VALID"):
    """Gradient of max_pool: it goes to the largest number of each window, to the first if several are."""
    shape = x.shape
    x, height, width = padded(x, size, strides, padding, fill=-np.inf)
    d_x, given = np.zeros_like(x), np.zeros(out.shape, bool)
    for _, _, pixels in positions(size, height, width, strides):
        largest = (x[pixels] == out) & ~given
        d_x[pixels] += d_out * largest
        given |= largest
    return cropped(d_x, shape, size, strides, padding)


def avg_pool(x, size, strides, padding="VALID"):
    """The mean of each window, without what lies outside of the image."""
    counts, height, width = padded(np.ones((1, *x.shape[1:3], 1), x.dtype), size, strides, padding)
    x = padded(x, size, strides, padding)[0]
    places = [pixels for _, _, pixels in positions(size, height, width, strides)]
    return sum(x[pixels] for pixels in places) / sum(counts[pixels] for pixels in places)


def avg_pool_grad(shape, d_out, size, strides, padding="VALID"):
    """Gradient of avg_pool: each number of a window gets an equal part."""
    counts, height, width = padded(np.ones((1, *shape[1:3], 1), d_out.dtype), size, strides, padding)
    places = [pixels for _, _, pixels in positions(size, height, width, strides)]
    part = d_out / sum(counts[pixels] for pixels in places)
    d_x = padded(np.zeros(shape, d_out.dtype), size, strides, padding)[0]
    for pixels in places:
        d_x[pixels] += part
    return cropped(d_x, shape, size, strides, padding)


def padded(x, size, strides, padding, dilations=(1, 1), fill=0):
    """Images with the rows and columns that padding adds, and the height and width of the result."""
    (top, bottom, height), (left, right, width) = (
        pad_sizes(*sizes, padding) for sizes in zip(x.shape[1:3], size, strides, dilations, strict=True)
    )
    return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill), height, width


def cropped(x, shape, size, strides, padding, dilations=(1, 1)):
    """Images without the rows and columns that padding added."""
    (top, _, _), (left, _, _) = (
        pad_sizes(*sizes, padding) for sizes in zip(shape[1:3], size, strides, dilations, strict=True)
    )
    return x[:, top : top + shape[1], left : left + shape[2]]


def pad_sizes(size, window, stride, dilation, padding):
    """How much padding adds before and after an axis, and the size of the output along it."""
    window = (window - 1) * dilation + 1
    out = (size - window) // stride + 1 if padding == "VALID" else -(-size // stride)
    more = max((out - 1) * stride + window - size, 0)
    return more // 2, more - more // 2, out


def positions(size, height, width, strides, dilations=(1, 1)):
    """Yields (row, column, slices): for each position of a window, the pixels below it in all windows."""
    for i in range(size[0]):
        for j in range(size[1]):
            top, left = i * dilations[0], j * dilations[1]
            rows = slice(top, top + (height - 1) * strides[0] + 1, strides[0])
            yield i, j, (slice(None), rows, slice(left, left + (width - 1) * strides[1] + 1, strides[1]))


def sparse_softmax_cross_entropy(logits, labels):
    """Returns -log(softmax(logits)[label] of each example, and its gradient: softmax - one_hot(label)."""
    return softmax_cross_entropy(logits, np.eye(logits.shape[-1], dtype=logits.dtype)[labels])


def softmax_cross_entropy(logits, labels):
    """Returns -sum(labels * log(softmax(logits))) of each example, and its gradient for the logits."""
    log_probabilities = log_softmax(logits)
    return -(labels * log_probabilities).sum(axis=-1), np.exp(log_probabilities) - labels


def log_softmax(logits):
    """log(softmax(logits)), along the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def softmax(logits):
    """exp(logits), made to sum to 1 along the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def sigmoid(x):
    """1 / (1 + exp(-x)), without an overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def softplus(x):
    """log(1 + exp(x)), without an overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def batch_norm(x, gamma, beta, epsilon):
    """Normalizes each channel over the batch; returns also its mean, variance, and variance of a sample."""
    mean, variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    count = x.size // x.shape[-1]
    out = (x - mean) / np.sqrt(variance + x.dtype.type(epsilon)) * gamma + beta
    return out, mean, (variance * x.dtype.type(count / max(count - 1, 1))), mean, variance


def batch_norm_grad(d_out, x, gamma, mean, variance, epsilon):
    """Gradients of batch_norm for its input, gamma and beta: mean and variance depend on the input, too."""
    factor = 1 / np.sqrt(variance + x.dtype.type(epsilon))
    normalized = (x - mean) * factor
    d_gamma, d_beta = (d_out * normalized).sum(axis=(0, 1, 2)), d_out.sum(axis=(0, 1, 2))
    count = x.dtype.type(x.size // x.shape[-1])
    return gamma * factor * (d_out - d_beta / count - normalized * d_gamma / count), d_gamma, d_beta


def sum_to(x, shape):
    """Sums over the axes along which a tensor of this shape was repeated to get the shape of x."""
    shape = tuple(int(size) for size in shape)
    x = x.sum(axis=tuple(range(x.ndim - len(shape))), dtype=x.dtype)
    repeated = tuple(axis for axis, size in enumerate(shape) if size == 1 and x.shape[axis] != 1)
    return x.sum(axis=repeated, keepdims=True, dtype=x.dtype)


def broadcast_axes(shape, other):
    """The axes along which tensors of two shapes are repeated when they are combined."""
    rank = max(len(shape), len(other))
    first, second = ((1,) * (rank - len(s)) + tuple(int(n) for n in s) for s in (shape, other))
    repeated = [
        [a for a in range(rank) if s[a] == 1 and (s[a] != t[a] or s[a] == t[a] == 1)]
        for s, t in ((first, second), (second, first))
    ]
    return tuple(np.array(axes, np.int32) for axes in repeated)


def part(x, start, size):
    """The part of an array that begins at `start`; -1 is all that follows."""
    ends = [None if n == -1 else int(first) + int(n) for first, n in zip(start, size, strict=True)]
    return x[tuple(slice(int(first), end) for first, end in zip(start, ends, strict=True))]


def concat_offsets(axis, *shapes):
    """Where each of the arrays of these shapes begins when they are joined along an axis."""
    offsets = np.zeros((len(shapes), len(shapes[0])), np.int32)
    offsets[1:, axis] = np.cumsum([shape[axis] for shape in shapes])[:-1]
    return list(offsets)


def segment_sum(values, places, count):
    """A table of `count` rows: row n is the sum of the values whose place is n."""
    table = np.zeros((int(count), *values.shape[np.ndim(places) :]), values.dtype)
    np.add.at(table, places, values)
    return table


def scatter(places, values, shape):
    """An array of zeros in which the values are added at their places, given by the first axes."""
    array = np.zeros(tuple(shape), values.dtype)
    np.add.at(array, tuple(np.moveaxis(places, -1, 0)), values)
    return array


def unique(values):
    """The different values in the order in which they come, and for each value its place among them."""
    _, first, places = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return values[np.sort(first)], np.argsort(order)[places.reshape(-1)].astype(np.int32)


def one_hot(labels, depth, on=1.0, off=0.0, dtype=np.float32):
    """For each label a row with `on` at its place and `off` elsewhere."""
    return np.where(np.arange(depth) == np.asarray(labels)[..., None], dtype(on), dtype(off))


def stitch(places, parts):
    """The parts put into one array, each at its places; later ones win."""
    size = 1 + max(int(np.max(place)) for place in places if np.size(place))
    rest = np.shape(parts[0])[np.ndim(places[0]) :]
    array = np.zeros((size, *rest), np.asarray(parts[0]).dtype)
    for place, part in zip(places, parts, strict=True):
        array[place] = part
    return array


def in_top_k(predictions, labels, k):
    """Whether less than k other classes have a larger prediction than the label."""
    chosen = np.take_along_axis(predictions, np.asarray(labels)[:, None], axis=1)
    return (predictions > chosen).sum(axis=1) < k
