"""Layout of a layered graph drawing: places for a network's boxes and lines, in ranks from top to bottom.

After K. Sugiyama, S. Tagawa, M. Toda, "Methods for visual understanding of hierarchical system structures",
IEEE Transactions on Systems, Man, and Cybernetics 11 (1981): a rank for each box, an order in each rank by
barycentres, and then places that draw connected boxes under each other.
"""

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

Edge = tuple[str, str]  # names of the box where a line begins, and of the box where it ends
Place = tuple[float, int]  # middle of a box or line, and its rank

SWEEPS = 8  # over all ranks, down and up in turn
BEND_WIDTH = 0.3  # of a line where it passes a rank, in the unit of the widths


class Node(NamedTuple):
    """A box, or the place where a line passes a rank on its way: then `name` is the line's edge."""

    name: str | Edge
    rank: int


Row = list[Node]
Neighbours = dict[Node, list[Node]]


def lay_out(
    names: Sequence[str], edges: Collection[Edge], widths: Mapping[str, float], gap: float
) -> tuple[dict[str, Place], dict[Edge, list[Place]]]:
    """Returns {name: (middle, rank)} and {edge: [(middle, rank), …]} for a drawing with few crossings.

    Args:
      names: boxes, in an order in which they can run.
      edges: pairs of different names.
      widths: {name: width of the box}.
      gap: least distance of boxes next to each other, in the unit of the widths.
    """
    ranks = rank_of_boxes(names, edges)
    routes = {edge: route(edge, ranks) for edge in edges}
    boxes = [Node(name, ranks[name]) for name in names]
    nodes = list(dict.fromkeys([*boxes, *(node for nodes in routes.values() for node in nodes)]))
    near: Neighbours = {node: [] for node in nodes}
    for passed in routes.values():
        for one, other in itertools.pairwise(passed):
            near[one].append(other)
            near[other].append(one)
    rows = [[node for node in nodes if node.rank == rank] for rank in range(max(ranks.values()) + 1)]
    sort_rows(rows, near)
    width = {node: BEND_WIDTH if isinstance(node.name, tuple) else widths[node.name] for node in nodes}
    middle = spread(rows, near, width, gap)
    places = {name: (middle[Node(name, rank)], rank) for name, rank in ranks.items()}
    return places, {edge: [(middle[node], node.rank) for node in passed] for edge, passed in routes.items()}


def rank_of_boxes(names: Sequence[str], edges: Collection[Edge]) -> dict[str, int]:
    """Returns {name: rank}: one more than the greatest rank of what feeds it.

    `names` are in an order in which they can run. Lines that lead back in it, as those of a loop do, have no
    influence: with them no ranks would satisfy all lines.
    """
    place = {name: number for number, name in enumerate(names)}
    ranks = dict.fromkeys(names, 0)
    # In the order of their ends, so that the rank of each source is final when it is read.
    for source, end in sorted(edges, key=lambda edge: place[edge[1]]):
        if place[source] < place[end]:
            ranks[end] = max(ranks[end], ranks[source] + 1)
    return ranks


def route(edge: Edge, ranks: Mapping[str, int]) -> Row:
    """Returns the nodes of a line from its source to its end, one in each rank between them.

    Such a node takes part in the layout like a box, so that the line has a free place between the boxes.
    """
    source, end = edge
    step = 1 if ranks[end] >= ranks[source] else -1
    between = [Node(edge, rank) for rank in range(ranks[source] + step, ranks[end], step)]
    return [Node(source, ranks[source]), *between, Node(end, ranks[end])]


def sweeps(rows: list[Row]) -> Iterator[tuple[Row, Row]]:
    """Yields (the rank that is in place, the rank next to it), from the top down, then back, and again.

    One sweep is not enough: a rank is placed by one neighbour, which then moves for its own other neighbour.
    """
    for sweep in range(SWEEPS):
        yield from itertools.pairwise(rows if sweep % 2 == 0 else rows[::-1])


def sort_rows(rows: list[Row], near: Neighbours) -> None:
    """Sorts each rank, in place, by the mean place of each node's neighbours in the rank before."""
    for before, row in sweeps(rows):
        # As fractions of the rank, so that places in ranks of different lengths can be compared.
        place = {node: number / len(before) for number, node in enumerate(before)}
        own = {node: number / len(row) for number, node in enumerate(row)}
        means = {node: mean_place(node, near, place, own) for node in row}
        row.sort(key=means.__getitem__)


def mean_place(node: Node, near: Neighbours, place: Mapping[Node, float], own: Mapping[Node, float]) -> float:
    """Returns the mean place of a node's neighbours; its own place if it has none there."""
    found = [place[other] for other in near[node] if other in place]
    return sum(found) / len(found) if found else own[node]


def spread(rows: list[Row], near: Neighbours, width: Mapping[Node, float], gap: float) -> dict[Node, float]:
    """Returns {node: middle}: each under the nodes that it is connected to, as far as there is room."""
    middle: dict[Node, float] = {}
    for row in rows:
        start = -sum(width[node] + gap for node in row) / 2
        for node in row:
            middle[node] = start + width[node] / 2
            start += width[node] + gap
    for before, row in sweeps(rows):
        place = {node: middle[node] for node in before}
        wanted = [mean_place(node, near, place, middle) for node in row]
        middle.update(zip(row, without_overlap(wanted, [width[node] for node in row], gap), strict=True))
    return middle


class Block(NamedTuple):
    """Boxes that touch. Each wishes for a start of the block; it stands at the mean of these wishes."""

    total: float  # sum of the wishes
    members: int
    width: float

    @property
    def start(self) -> float:
        return self.total / self.members


def without_overlap(wanted: Sequence[float], widths: Sequence[float], gap: float) -> list[float]:
    """Returns the places nearest to the wanted ones, by least squares, at which no two boxes overlap.

    Boxes that would overlap are pushed together into blocks. A block that reaches into the one before it
    becomes a part of it, so one pass from left to right is enough (the pool-adjacent-violators algorithm).
    """
    blocks: list[Block] = []
    for wish, width in zip(wanted, widths, strict=True):
        blocks.append(Block(wish - width / 2, 1, width + gap))
        while len(blocks) > 1 and blocks[-2].start + blocks[-2].width > blocks[-1].start:
            later, earlier = blocks.pop(), blocks.pop()
            total = earlier.total + later.total - later.members * earlier.width
            blocks.append(Block(total, earlier.members + later.members, earlier.width + later.width))
    places, sizes = [], iter(widths)
    for block in blocks:
        start = block.start
        for width in itertools.islice(sizes, block.members):
            places.append(start + width / 2)
            start += width + gap
    return places
