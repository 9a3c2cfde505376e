"""Drawings of networks: layers with shapes and parameters, and the receptive field of a stack of layers."""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from graphkit import checks, sizes
from graphkit.inspection import summaries
from graphkit.plots import figures, graph_layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_graph", "plot_receptive_field"]

LETTER = 0.078  # inches: width of a letter of 9 points
BOX_HEIGHT, RANK_HEIGHT, GAP, MARGIN = 0.6, 0.92, 0.25, 0.15  # inches
LONGEST = 44  # letters of a line in a box
# matplotlib draws at most 2**16 pixels a side: 655 inches at 100 dots per inch.
WIDEST = 600  # inches
MOST_RANKS = 600
MOST_LAYERS = 100  # of a receptive field
MOST_PIXELS = 1000  # of a receptive field, more cannot be distinguished
BAR = 0.42  # height of a row of pixels, of which one stands above the other at a distance of 1
WITHOUT_PARAMETERS, WITH_PARAMETERS = "#f0f0f0", "#cfe3f1"  # colours of layers; inputs are white


class Box(NamedTuple):
    """What is written in the box of a layer or input, and how the box is drawn."""

    name: str
    text: str
    color: str

    @property
    def width(self) -> float:
        """Inches that the longest line takes; capitals are wider than other letters."""
        lines = (self.name, *self.text.split("\n"))
        return 0.2 + LETTER * max(sum(1.5 if letter.isupper() else 1 for letter in line) for line in lines)


def plot_graph(target: Any = None) -> "Figure":
    """Draws a network from its inputs down: each layer with its ops, output shape and parameters.

    It draws what `gk.summary` finds, so it reads any TensorFlow 1 graph. Save the figure as SVG to have sharp
    text at any size, `figure.savefig("network.svg")`; no other program is needed for that.

    Args:
      target: a tensor or several, such as logits; what they depend on is drawn. Or a `tf.Graph`, of which
        everything is drawn; None for the default graph.

    Returns:
      A `matplotlib.figure.Figure`, as large as the network needs.

    Raises:
      TypeError: target is not a tensor, a sequence of tensors, or a graph.
      ValueError: tensors of different graphs, a graph without layers, one with more than 600 layers in a row,
        or one more than 600 inches wide.
      ImportError: matplotlib is not installed.

    Source: K. Sugiyama, S. Tagawa, M. Toda, "Methods for visual understanding of hierarchical system
      structures", 1981, for the places of the boxes.

    Example:
      >>> figure = gk.plots.plot_graph(gk.mlp(gk.image_input(28, 28, 1), hidden_units=(256,)))
      >>> [text.get_text() for text in figure.axes[0].texts][-2:]
      ['logits', 'MatMul, BiasAdd\\n(None, 10), 2,570 parameters']
    """
    check = checks.Checker("plot_graph")
    found = summaries.summarize(check, target)
    check.require(found.rows, "the graph must hold a layer", target=target)
    boxes = boxes_of(found)
    widths = {name: box.width for name, box in boxes.items()}
    places, routes = graph_layout.lay_out(list(boxes), found.edges, widths, GAP)
    ranks = 1 + max(rank for _, rank in places.values())
    rule = f"the graph must have at most {MOST_RANKS} layers in a row; draw parts of it, up to a tensor"
    check.require(ranks <= MOST_RANKS, rule, layers=ranks)
    bends = [middle for passed in routes.values() for middle, _ in passed]
    left = min([places[name][0] - widths[name] / 2 for name in boxes] + bends) - MARGIN
    right = max([places[name][0] + widths[name] / 2 for name in boxes] + bends) + MARGIN
    rule = f"the graph must be at most {WIDEST} inches wide; draw parts of it, up to a tensor"
    check.require(right - left <= WIDEST, rule, inches=round(right - left))
    height = RANK_HEIGHT * (ranks - 1) + BOX_HEIGHT + 2 * MARGIN
    with figures.drawing(check, right - left, height) as figure:
        figure.set_layout_engine("none")
        axis = figure.add_axes((0, 0, 1, 1), frameon=False, xticks=[], yticks=[])
        top = MARGIN + BOX_HEIGHT / 2
        axis.set(xlim=(left, right), ylim=(top - height, top))  # one unit is one inch
        for passed in routes.values():
            draw_route(check, axis, [(middle, -RANK_HEIGHT * rank) for middle, rank in passed])
        for name, (middle, rank) in places.items():
            draw_box(check, axis, (middle, -RANK_HEIGHT * rank), boxes[name])
    return figure


def boxes_of(found: Any) -> dict[str, Box]:
    """Returns {name: Box} of the inputs and layers of a summary, in an order in which they can run."""
    # A row without edges computes from the sizes of arrays only, such as the zeros of an initial state. Such
    # rows are left out, unless they have parameters or nothing else is there.
    linked = set(itertools.chain(*found.edges))
    rows = [row for row in found.rows if row.layer in linked or row.parameters] or found.rows
    boxes = {
        name: Box(figures.shortened(name, LONGEST), f"input\n{shape_text(shape)}", "white")
        for name, shape in found.inputs
    }
    for row in rows:
        color = WITH_PARAMETERS if row.parameters else WITHOUT_PARAMETERS
        boxes[row.layer] = Box(figures.shortened(row.layer, LONGEST), layer_text(row), color)
    return boxes


def layer_text(row: Any) -> str:
    """Returns the two lines under a layer's name: its ops; its output shape and parameters."""
    ops = ", ".join(row.ops)
    ops = ops if len(ops) <= LONGEST else f"{ops[: LONGEST - 1]}…"
    counted = f", {row.parameters:,} parameters" if row.parameters else ""
    return f"{ops}\n{shape_text(row.output_shape)}{counted}".strip()


def shape_text(shape: Sequence[int | None] | None) -> str:
    return "shape not known" if shape is None else str(tuple(shape))


def draw_box(check: checks.Checker, axis: "Axes", middle: tuple[float, float], box: Box) -> None:
    x, y = middle
    rounded = figures.part(check, "patches").FancyBboxPatch(
        (x - box.width / 2, y - BOX_HEIGHT / 2),
        box.width,
        BOX_HEIGHT,
        "round,pad=0,rounding_size=0.06",
        facecolor=box.color,
        edgecolor="black",
        linewidth=0.8,
    )
    axis.add_patch(rounded)
    axis.text(x, y + 0.17, box.name, ha="center", va="center", fontsize=9, weight="bold")
    axis.text(x, y - 0.09, box.text, ha="center", va="center", fontsize=8.5, linespacing=1.15)


def draw_route(check: checks.Checker, axis: "Axes", points: list[tuple[float, float]]) -> None:
    """Draws an arrow from the edge of the first box, upright through each rank, to the edge of the last.

    Curves bend between the ranks only. Within a rank the line is straight, so that it stays in the gap that
    the layout left for it between the boxes.
    """
    paths, patches = figures.part(check, "path"), figures.part(check, "patches")
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


def plot_receptive_field(layers: Sequence[Sequence[int]]) -> "Figure":
    """Draws which pixels of the input one pixel of the last layer sees, in a section through the layers.

    Args:
      layers: a sequence of (kernel_size, strides) or (kernel_size, strides, dilation_rate), see
        `gk.sizes.receptive_field`.

    Returns:
      A `matplotlib.figure.Figure`: a row of pixels for each layer, the input at the bottom. Lines lead from
      each pixel to those that it is computed from. Next to each row stands how many of its pixels are seen. A
      pixel is drawn as wide as the step to the next one.

    Raises:
      TypeError: layers is not a sequence of tuples of integers.
      ValueError: no layer or more than 100, a field of more than 1,000 pixels, or what
        `gk.sizes.receptive_field` refuses.
      ImportError: matplotlib is not installed.

    Source: A. Araujo, W. Norris, J. Sim, "Computing receptive fields of convolutional neural networks",
    Distill (2019), doi:10.23915/distill.00021.

    Example:
      >>> figure = gk.plots.plot_receptive_field([(5, 1), (2, 2), (5, 1), (2, 2)])
      >>> figure.axes[0].get_title()
      'one pixel of the last layer sees 16 pixels of the input'
    """
    check = checks.Checker("plot_receptive_field")
    field = sizes.receptive_field(layers)
    check.require(len(layers), "layers must hold a layer", layers=layers)
    check.require(
        len(layers) <= MOST_LAYERS, f"at most {MOST_LAYERS} layers can be drawn", layers=len(layers)
    )
    rule = f"the field must be of at most {MOST_PIXELS} pixels to be drawn"
    check.require(field <= MOST_PIXELS, rule, pixels=field)
    full_layers = [Layer(*layer) for layer in layers]
    rows = seen_pixels(full_layers)
    with figures.drawing(check, 8, 0.9 + 0.62 * len(rows)) as figure:
        axis = figure.subplots()
        for height, row in enumerate(rows):
            draw_pixels(axis, height, row)
        for height, layer in enumerate(full_layers):
            draw_rays(check, axis, rows, height, layer)
        names = ["input", *(layer_name(number, layer) for number, layer in enumerate(full_layers, start=1))]
        axis.set_yticks(range(len(rows)), names)
        axis.set_title(
            f"one pixel of the last layer sees {seen_text(rows[0])} pixel{'s' * (field > 1)} of the input"
        )
        axis.set_xlabel("pixels of the input, from the middle of the field")
        axis.spines["left"].set_visible(False)
        axis.tick_params(axis="y", length=0)
        right = axis.secondary_yaxis("right")
        right.set_yticks(range(len(rows)), [f"{seen_text(row)} seen" for row in rows])
        right.spines["right"].set_visible(False)
        right.tick_params(length=0)
    return figure


class Layer(NamedTuple):
    """A convolution or pooling along one axis, in pixels of its own input."""

    kernel_size: int
    strides: int
    dilation_rate: int = 1


class PixelRow(NamedTuple):
    """The pixels of a layer that are seen, in pixels of the input from the middle of the field."""

    centres: list[float]
    step: int  # from one pixel of the layer to the next


def seen_pixels(layers: Sequence[Layer]) -> list[PixelRow]:
    """Returns the pixels that are seen of the input and of each layer's output."""
    steps = [1]
    for layer in layers:
        steps.append(steps[-1] * layer.strides)
    # From the one pixel of the last layer back to the input.
    centres = [0.0]
    rows = [PixelRow(centres, steps[-1])]
    for layer, step in zip(layers[::-1], steps[-2::-1], strict=True):
        centres = sorted({centre + tap for centre in centres for tap in taps(layer, step)})
        rows.append(PixelRow(centres, step))
    return rows[::-1]


def taps(layer: Layer, step: int) -> list[float]:
    """Returns where a kernel's taps lie from its middle, in pixels of the input."""
    middle = (layer.kernel_size - 1) / 2
    return [(tap - middle) * layer.dilation_rate * step for tap in range(layer.kernel_size)]


def seen_text(row: PixelRow) -> str:
    """Returns how many pixels of a row are seen, and of how many if there are holes between them."""
    seen, width = len(row.centres), round((row.centres[-1] - row.centres[0]) / row.step) + 1
    return f"{seen}" if seen == width else f"{seen} of {width}"


def layer_name(number: int, layer: Layer) -> str:
    dilated = f", dilation {layer.dilation_rate}" if layer.dilation_rate > 1 else ""
    return f"{number}: kernel {layer.kernel_size}, stride {layer.strides}{dilated}"


def draw_pixels(axis: "Axes", height: int, row: PixelRow) -> None:
    bars = [(centre - row.step / 2, row.step) for centre in row.centres]
    edge = min(1.0, 60 / len(bars))  # wide edges would hide narrow pixels
    axis.broken_barh(
        bars, (height - BAR / 2, BAR), color=figures.COLORS[4], edgecolor="white", linewidth=edge
    )


def draw_rays(check: checks.Checker, axis: "Axes", rows: list[PixelRow], height: int, layer: Layer) -> None:
    """Draws lines from a layer's pixels down to those that they are computed from."""
    below = taps(layer, rows[height].step)
    ends = [(centre, centre + tap) for centre in rows[height + 1].centres for tap in below]
    rays = [((x, height + 1 - BAR / 2), (x_below, height + BAR / 2)) for x, x_below in ends]
    lines = figures.part(check, "collections").LineCollection
    axis.add_collection(lines(rays, color=figures.FAINT, linewidth=max(0.1, min(0.6, 60 / len(rays)))))
