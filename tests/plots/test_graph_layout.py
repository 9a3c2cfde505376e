"""Layout of layered drawings: ranks, crossings and places against their definitions."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphkit.plots import graph_layout

widths_and_wishes = st.lists(st.tuples(st.floats(0.1, 5), st.floats(-20, 20)), min_size=1, max_size=8)


@given(widths_and_wishes)
def test_boxes_of_a_rank_stand_apart_and_as_near_as_can_be(pairs):
    widths, wishes = (list(column) for column in zip(*pairs, strict=True))
    places = graph_layout.without_overlap(wishes, widths, gap=0.5)
    for (place, width), (after, next_width) in itertools.pairwise(zip(places, widths, strict=True)):
        assert after - place >= (width + next_width) / 2 + 0.5 - 1e-6
    # No block of boxes can be moved nearer to its wishes: those that touch stand at their mean wish.
    assert sum(places) == pytest.approx(sum(wishes), abs=1e-6)


def test_ranks_follow_the_longest_path():
    edges = [("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"), ("a", "d"), ("d", "b")]  # the last leads back
    assert graph_layout.rank_of_boxes(["a", "b", "c", "d"], edges) == {"a": 0, "b": 1, "c": 2, "d": 3}


def test_a_long_line_has_a_place_in_each_rank_that_it_passes():
    edges = [("a", "b"), ("b", "c"), ("a", "c")]
    places, routes = graph_layout.lay_out("abc", edges, dict.fromkeys("abc", 1.0), gap=0.5)
    assert [rank for _, rank in places.values()] == [0, 1, 2]
    assert [rank for _, rank in routes["a", "c"]] == [0, 1, 2]
    beside, (middle, _) = routes["a", "c"][1][0], places["b"]
    assert abs(beside - middle) >= (1.0 + graph_layout.BEND_WIDTH) / 2 + 0.5 - 1e-9


def test_lines_that_can_be_drawn_without_crossings_have_none():
    names = ["in", "a1", "b1", "c1", "c2", "b2", "a2", "out"]
    edges = [("in", f"{branch}1") for branch in "abc"] + [(f"{branch}1", f"{branch}2") for branch in "abc"]
    edges += [(f"{branch}2", "out") for branch in "abc"]
    places, _ = graph_layout.lay_out(names, edges, dict.fromkeys(names, 1.0), gap=0.5)
    orders = [sorted("abc", key=lambda branch: places[f"{branch}{rank}"][0]) for rank in (1, 2)]
    assert orders[0] == orders[1]
