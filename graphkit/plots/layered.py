"""Places for the boxes and lines of a network's drawing: layers in ranks from top to bottom.

After K. Sugiyama, S. Tagawa, M. Toda, "Methods for visual understanding of hierarchical system structures",
IEEE Transactions on Systems, Man, and Cybernetics 11 (1981): a rank for each box, an order in each rank by
barycentres, and then places that draw what is connected under each other.
"""

import itertools
from typing import NamedTuple

SWEEPS = 8  # over all ranks, down and up in turn
BEND_WIDTH = 0.3  # of a line where it passes a rank


class Node(NamedTuple):
    """A box, or the place where a line passes a rank on its way: then `name` is the line's (source, end)."""

    name: str | tuple
    rank: int


def rank_of_boxes(names, edges):
    """Returns {name: rank}: one more than the greatest rank of what feeds it.

    `names` are in an order in which they can run; lines that lead back in it count for nothing.
    """
    place = {name: number for number, name in enumerate(names)}
    ranks = dict.fromkeys(names, 0)
    for source, end in sorted(edges, key=lambda edge: place[edge[1]]):
        if place[source] < place[end]:
            ranks[end] = max(ranks[end], ranks[source] + 1)
    return ranks


def route(edge, ranks):
    """Returns the nodes of a line from its source to its end, through each rank between them."""
    source, end = edge
    step = 1 if ranks[end] >= ranks[source] else -1
    between = [Node(edge, rank) for rank in range(ranks[source] + step, ranks[end], step)]
    return [Node(source, ranks[source]), *between, Node(end, ranks[end])]


def lay_out(names, edges, widths, gap):
    """Returns {name: (middle, rank)} and {edge: [(middle, rank), …]} for a drawing with few crossings.

    Args:
      names: boxes, in an order in which they can run.
      edges: pairs of names, without those of a box with itself.
      widths: {name: width of the box}.
      gap: least distance of boxes side by side, in the unit of the widths.
    """
    ranks = rank_of_boxes(names, edges)
    routes = {edge: route(edge, ranks) for edge in edges}
    boxes = [Node(name, ranks[name]) for name in names]
    nodes = list(dict.fromkeys([*boxes, *(node for nodes in routes.values() for node in nodes)]))
    near = {node: [] for node in nodes}
    for passed in routes.values():
        for one, other in itertools.pairwise(passed):
            near[one].append(other)
            near[other].append(one)
    rows = [[node for node in nodes if node.rank == rank] for rank in range(max(ranks.values()) + 1)]
    sort_rows(rows, near)
    width = {node: widths.get(node.name, BEND_WIDTH) for node in nodes}
    middle = spread(rows, near, width, gap)
    places = {node.name: (middle[node], node.rank) for node in boxes}
    return places, {edge: [(middle[n], n.rank) for n in passed] for edge, passed in routes.items()}


def sweeps(rows):
    """Yields each rank after the one beside it that is in place: from the top down, then back, and again."""
    for sweep in range(SWEEPS):
        yield from itertools.pairwise(rows if sweep % 2 == 0 else rows[::-1])


def sort_rows(rows, near):
    """Sorts each rank, in place, by the mean place of what its nodes are connected with in the last one."""
    for beside, row in sweeps(rows):
        place = {node: number / len(beside) for number, node in enumerate(beside)}
        own = {node: number / len(row) for number, node in enumerate(row)}
        row.sort(key={node: mean_place(node, near, place, own) for node in row}.get)


def mean_place(node, near, place, own):
    found = [place[other] for other in near[node] if other in place]
    return sum(found) / len(found) if found else own[node]


def spread(rows, near, width, gap):
    """Returns {node: middle}: each under what it is connected with, as far as its neighbours leave room."""
    middle = {}
    for row in rows:
        start = -sum(width[node] + gap for node in row) / 2
        for node in row:
            middle[node] = start + width[node] / 2
            start += width[node] + gap
    for beside, row in sweeps(rows):
        place = {node: middle[node] for node in beside}
        wanted = [mean_place(node, near, place, middle) for node in row]
        middle.update(zip(row, without_overlap(wanted, [width[node] for node in row], gap), strict=True))
    return middle


def without_overlap(wanted, widths, gap):
    """Returns the places nearest to those wanted, by least squares, at which no two overlap.

    Those that would overlap are pushed together into blocks that stand at their members' mean wish.
    """
    blocks = []  # [sum of wishes for the block's start, members, width]
    for wish, width in zip(wanted, widths, strict=True):
        blocks.append([wish - width / 2, 1, width + gap])
        while (
            len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] + blocks[-2][2] > blocks[-1][0] / blocks[-1][1]
        ):
            later, earlier = blocks.pop(), blocks[-1]
            earlier[0] += later[0] - later[1] * earlier[2]
            earlier[1] += later[1]
            earlier[2] += later[2]
    places, sizes = [], iter(widths)
    for total, members, _ in blocks:
        start = total / members
        for width in (next(sizes) for _ in range(members)):
            places.append(start + width / 2)
            start += width + gap
    return places
