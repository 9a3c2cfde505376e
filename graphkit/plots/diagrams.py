"""Drawings of networks: layers with shapes and parameters, and the receptive field of a stack of layers."""

import itertools

from graphkit import checks, sizes
from graphkit.inspection import summaries
from graphkit.plots import canvas, layered

__all__ = ["plot_graph", "plot_receptive_field"]

LETTER = 0.078  # width of a letter of 9 points, in inches
BOX_HEIGHT, RANK_HEIGHT, GAP, MARGIN = 0.6, 0.92, 0.25, 0.15  # inches
LONGEST = 44  # letters of a line in a box
WIDEST = 600  # inches
MOST_RANKS = 600  # that fit on the largest picture that matplotlib draws
MOST_LAYERS = 100  # of a receptive field
MOST_PIXELS = 1000  # of a receptive field, that can be told apart
BAR = 0.42  # height of a row of pixels


def plot_graph(target=None):
    """Draws a network from its inputs down: each layer with its ops, output shape and parameters.

    It draws what `gk.summary` finds, so it reads any TensorFlow 1 graph. Save the figure as SVG to have sharp
    text at any size, `figure.savefig("network.svg")`; no other program is needed for that.

    Args:
      target: a tensor or several, such as logits, of which what they depend on is drawn; or a `tf.Graph`;
        None for the default graph.

    Returns:
      A `matplotlib.figure.Figure`, as large as the network needs.

    Raises:
      TypeError: a target of another kind.
      ValueError: tensors of different graphs, a graph without layers, or one of more than 600 layers in a
        row.
      ImportError: matplotlib is not installed.

    Example:
      >>> figure = gk.plot_graph(gk.mlp(gk.image_input(28, 28, 1), hidden_units=(256,)))
      >>> [text.get_text() for text in figure.axes[0].texts][-2:]
      ['logits', 'MatMul, BiasAdd\\n(None, 10), 2,570 parameters']
    """
    function = "plot_graph"
    found = summaries.summarize(checks.Checker(function), target)
    checks.require(found.rows, function, "the graph must hold a layer", target=target)
    linked = set(itertools.chain(*found.edges))  # not what sizes alone connect, such as a state of zeros
    rows = [row for row in found.rows if row.layer in linked or row.parameters] or found.rows
    texts = {name: f"input\n{shape_text(shape)}" for name, shape in found.inputs}
    texts |= {row.layer: layer_text(row) for row in rows}
    shown = {name: canvas.shortened(name, LONGEST) for name in texts}
    widths = {name: width_of((shown[name], *text.split("\n"))) for name, text in texts.items()}
    places, routes = layered.lay_out(list(texts), found.edges, widths, GAP)
    ranks = 1 + max(rank for _, rank in places.values())
    rule = f"the graph must have at most {MOST_RANKS} layers in a row; draw parts of it, up to a tensor"
    checks.require(ranks <= MOST_RANKS, function, rule, layers=ranks)
    points = [point for passed in routes.values() for point, _ in passed]
    left = min([places[name][0] - widths[name] / 2 for name in texts] + points) - MARGIN
    right = max([places[name][0] + widths[name] / 2 for name in texts] + points) + MARGIN
    height = RANK_HEIGHT * (ranks - 1) + BOX_HEIGHT + 2 * MARGIN
    rule = f"the graph must be at most {WIDEST} inches wide; draw parts of it, up to a tensor"
    checks.require(right - left <= WIDEST, function, rule, inches=round(right - left))
    with canvas.drawing(function, right - left, height) as figure:
        figure.set_layout_engine("none")
        axis = figure.add_axes((0, 0, 1, 1), frameon=False, xticks=[], yticks=[])  # a unit is an inch
        axis.set(xlim=(left, right), ylim=(MARGIN + BOX_HEIGHT / 2 - height, MARGIN + BOX_HEIGHT / 2))
        for passed in routes.values():
            draw_route(function, axis, [(x, -RANK_HEIGHT * rank) for x, rank in passed])
        parameters = {row.layer: row.parameters for row in rows}
        for name, (middle, rank) in places.items():
            colors = ("white", "#f0f0f0", "#cfe3f1")
            color = colors[0 if name not in parameters else 1 + bool(parameters[name])]
            draw_box(
                function, axis, (middle, -RANK_HEIGHT * rank), widths[name], color, shown[name], texts[name]
            )
    return figure


def width_of(lines):
    """Returns the inches that the longest line takes in a box; capitals are wider than other letters."""
    return 0.2 + LETTER * max(sum(1.5 if letter.isupper() else 1 for letter in line) for line in lines)


def shape_text(shape):
    return "shape not known" if shape is None else str(tuple(shape))


def layer_text(row):
    """Returns the two lines under a layer's name."""
    ops = ", ".join(row.ops)
    ops = ops if len(ops) <= LONGEST else f"{ops[: LONGEST - 1]}…"
    counted = f", {row.parameters:,} parameters" if row.parameters else ""
    return f"{ops}\n{shape_text(row.output_shape)}{counted}".strip()


def draw_box(function, axis, middle, width, color, name, text):
    corner = (middle[0] - width / 2, middle[1] - BOX_HEIGHT / 2)
    style = "round,pad=0,rounding_size=0.06"
    box = canvas.part(function, "patches").FancyBboxPatch(
        corner, width, BOX_HEIGHT, style, facecolor=color, edgecolor="black", linewidth=0.8
    )
    axis.add_patch(box)
    axis.text(middle[0], middle[1] + 0.17, name, ha="center", va="center", fontsize=9, weight="bold")
    axis.text(middle[0], middle[1] - 0.09, text, ha="center", va="center", fontsize=8.5, linespacing=1.15)


def draw_route(function, axis, points):
    """Draws a line from the edge of the first box, upright through each rank, to the edge of the last."""
    paths, patches = canvas.part(function, "path"), canvas.part(function, "patches")
    down = -1 if points[-1][1] < points[0][1] else 1
    half = BOX_HEIGHT / 2 * down
    corners, codes = [(points[0][0], points[0][1] + half)], [paths.Path.MOVETO]
    for number, (x, y) in enumerate(points[1:], start=1):
        is_last = number == len(points) - 1
        here, there = corners[-1], (x, y - half)
        between = (here[1] + there[1]) / 2
        corners += [(here[0], between), (there[0], between), there]
        codes += [paths.Path.CURVE4] * 3
        if not is_last:
            corners.append((x, y + half))
            codes.append(paths.Path.LINETO)
    arrow = patches.FancyArrowPatch(
        path=paths.Path(corners, codes),
        arrowstyle="-|>",
        mutation_scale=9,
        linewidth=0.9,
        color="#404040",
        shrinkB=0,
    )
    axis.add_patch(arrow)


def plot_receptive_field(layers):
    """Draws which pixels of the input one pixel of the last layer sees, in a section through the layers.

    Args:
      layers: a sequence of (kernel_size, strides) or (kernel_size, strides, dilation_rate), see
        `gk.receptive_field`.

    Returns:
      A `matplotlib.figure.Figure`: a row of pixels for each layer, the input below; lines lead from each
      pixel to those that it is computed from. Beside each row stands how many pixels of it are seen. A
      pixel is drawn as wide as the step to the next one.

    Raises:
      TypeError: what is no sequence of tuples of integers.
      ValueError: no layer or more than 100, a field of more than 1,000 pixels, or what
        `gk.receptive_field` refuses.
      ImportError: matplotlib is not installed.

    Source: A. Araujo, W. Norris, J. Sim, "Computing receptive fields of convolutional neural networks",
    Distill (2019), doi:10.23915/distill.00021.

    Example:
      >>> figure = gk.plot_receptive_field([(5, 1), (2, 2), (5, 1), (2, 2)])
      >>> figure.axes[0].get_title()
      'one pixel of the last layer sees 16 pixels of the input'
    """
    function = "plot_receptive_field"
    field = sizes.receptive_field(layers)
    checks.require(len(layers), function, "layers must hold a layer", layers=layers)
    rule = f"at most {MOST_LAYERS} layers can be drawn"
    checks.require(len(layers) <= MOST_LAYERS, function, rule, layers=len(layers))
    rule = f"the field must be of at most {MOST_PIXELS} pixels to be drawn"
    checks.require(field <= MOST_PIXELS, function, rule, pixels=field)
    layers = [(*layer, 1)[:3] for layer in layers]  # with the dilation
    rows = seen_pixels(layers)
    with canvas.drawing(function, 8, 0.9 + 0.62 * len(rows)) as figure:
        axis = figure.subplots()
        for height, row in enumerate(rows):
            draw_pixels(axis, height, *row)
        for height, layer in enumerate(layers):
            draw_rays(function, axis, rows, height, layer)
        names = ["input", *(layer_name(number, layer) for number, layer in enumerate(layers, start=1))]
        axis.set_yticks(range(len(rows)), names)
        seen = seen_text(*rows[0]).removesuffix(" seen")
        axis.set_title(f"one pixel of the last layer sees {seen} pixels of the input")
        axis.set_xlabel("pixels of the input, from the middle of the field")
        axis.spines["left"].set_visible(False)
        axis.tick_params(axis="y", length=0)
        right = axis.secondary_yaxis("right")
        right.set_yticks(range(len(rows)), [seen_text(*row) for row in rows])
        right.spines["right"].set_visible(False)
        right.tick_params(length=0)
    return figure


def draw_pixels(axis, height, centres, step):
    bars = [(centre - step / 2, step) for centre in centres]
    edge = min(1.0, 60 / len(centres))
    axis.broken_barh(bars, (height - BAR / 2, BAR), color=canvas.COLORS[4], edgecolor="white", linewidth=edge)


def draw_rays(function, axis, rows, height, layer):
    """Draws lines from a layer's pixels down to those that they are computed from."""
    below = taps(layer, rows[height][1])
    ends = [(centre, centre + tap) for centre in rows[height + 1][0] for tap in below]
    rays = [((x, height + 1 - BAR / 2), (x_below, height + BAR / 2)) for x, x_below in ends]
    lines = canvas.part(function, "collections").LineCollection
    axis.add_collection(lines(rays, color=canvas.FAINT, linewidth=max(0.1, min(0.6, 60 / len(rays)))))


def seen_text(centres, step):
    """Returns how many pixels of a row are seen, and of how many where there are holes between them."""
    width = round((centres[-1] - centres[0]) / step) + 1
    return f"{width} seen" if width == len(centres) else f"{len(centres)} of {width} seen"


def layer_name(number, layer):
    kernel_size, strides, dilation_rate = layer
    dilated = f", dilation {dilation_rate}" if dilation_rate > 1 else ""
    return f"{number}: kernel {kernel_size}, stride {strides}{dilated}"


def seen_pixels(layers):
    """Returns (centres of the pixels that are seen, distance to the next pixel), for each layer.

    All are in pixels of the input, from the middle of the field.
    """
    steps = [1]
    for _, strides, _ in layers:
        steps.append(steps[-1] * strides)
    centres, rows = [0.0], [([0.0], steps[-1])]
    for layer, step in zip(layers[::-1], steps[-2::-1], strict=True):
        centres = sorted({centre + tap for centre in centres for tap in taps(layer, step)})
        rows.append((centres, step))
    return rows[::-1]


def taps(layer, step):
    """Returns where a kernel's taps lie from its middle, in pixels of the input."""
    kernel_size, _, dilation_rate = layer
    return [(tap - (kernel_size - 1) / 2) * dilation_rate * step for tap in range(kernel_size)]
