"""Drawings of networks: boxes, arrows and receptive fields against the definition of the network."""

import io
import itertools
from xml.etree import ElementTree

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import patches

import graphkit as gk
from graphkit.plots import diagrams


def boxes(figure):
    """Returns {name: (text, box)} of a drawing."""
    axis = figure.axes[0]
    names, texts = axis.texts[::2], axis.texts[1::2]
    drawn = [patch for patch in axis.patches if isinstance(patch, patches.FancyBboxPatch)]
    return {
        name.get_text(): (text.get_text(), box) for name, text, box in zip(names, texts, drawn, strict=True)
    }


def arrows(figure):
    return [patch for patch in figure.axes[0].patches if isinstance(patch, patches.FancyArrowPatch)]


def test_each_layer_has_a_box_with_shape_and_parameters():
    keep_prob = gk.keep_prob_input()
    figure = gk.plots.plot_graph(gk.convnet(gk.image_input(28, 28, 1), keep_prob=keep_prob))
    found = {name: text for name, (text, _) in boxes(figure).items()}
    assert found["images"] == "input\n(None, 28, 28, 1)"
    assert found["conv1"].endswith("(None, 28, 28, 32), 832 parameters")  # 5 * 5 * 32 + 32
    assert found["hidden"].endswith("(None, 1024), 3,212,288 parameters")  # (7 * 7 * 64 + 1) * 1024
    assert found["logits"].endswith("(None, 10), 10,250 parameters")
    assert "keep_prob" not in found


def test_what_feeds_stands_above_what_it_feeds():
    figure = gk.plots.plot_graph(gk.mlp(gk.image_input(28, 28, 1), hidden_units=(256, 64)))
    heights = [box.get_y() for _, box in boxes(figure).values()]
    assert heights == sorted(heights, reverse=True) and len(set(heights)) == len(heights)
    assert len(arrows(figure)) == len(heights) - 1  # a chain


def test_boxes_do_not_overlap_and_branches_stand_side_by_side():
    figure = gk.plots.plot_graph(gk.inception_net(gk.image_input(32, 32, 3)))
    found = [box.get_bbox() for _, box in boxes(figure).values()]
    for one, other in itertools.combinations(found, 2):
        width = min(one.x1, other.x1) - max(one.x0, other.x0)
        height = min(one.y1, other.y1) - max(one.y0, other.y0)
        assert width <= 0 or height <= 0
    ranks = [box.y0 for box in found]
    assert max(ranks.count(rank) for rank in ranks) >= 4  # the four branches of a module


def test_a_skip_leads_around_the_layers_that_it_skips():
    net = gk.conv2d(gk.image_input(8, 8, 4), 4, 3, padding="same", name="stem")
    figure = gk.plots.plot_graph(gk.residual_block(net, 4, name="block"))
    found = {name: box.get_bbox() for name, (_, box) in boxes(figure).items()}
    for arrow in arrows(figure):
        middle = arrow.get_path().vertices[2:-2]
        for box in found.values():
            inside = (middle[:, 0] > box.x0) & (middle[:, 0] < box.x1)
            inside &= (middle[:, 1] > box.y0) & (middle[:, 1] < box.y1)
            assert not inside.any()


def test_svg_holds_the_layers_as_shapes():
    figure = gk.plots.plot_graph(gk.mlp(gk.image_input(28, 28, 1)))
    stream = io.StringIO()
    figure.savefig(stream, format="svg")
    root = ElementTree.fromstring(stream.getvalue())
    width, height = figure.get_size_inches()
    assert root.attrib["viewBox"] == f"0 0 {width * 72:.6g} {height * 72:.6g}"
    assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) > 7


def test_a_graph_that_graphkit_did_not_build():
    inputs = tf.compat.v1.placeholder(tf.float32, (None, 4), name="given")
    kernel = tf.compat.v1.get_variable("table", (4, 2), use_resource=True)
    found = boxes(gk.plots.plot_graph(tf.nn.relu(tf.matmul(inputs, kernel))))
    assert list(found) == ["given", "table"]


def test_a_graph_without_layers_is_refused():
    with pytest.raises(ValueError, match="^plot_graph: the graph must hold a layer"):
        gk.plots.plot_graph(tf.Graph())


def test_invalid_targets_are_refused_in_the_name_of_the_picture():
    with pytest.raises(TypeError, match="^plot_graph: target must be a tensor .* received target=3"):
        gk.plots.plot_graph(3)
    with pytest.raises(ValueError, match="^plot_graph: target must hold at least one tensor"):
        gk.plots.plot_graph([])


def test_a_layer_used_twice_is_one_box():
    one, other = gk.feature_input(4, name="one"), gk.feature_input(4, name="other")
    first = gk.dense(one, 3, name="shared")
    second = gk.dense(other, 3, name="shared", reuse=True)
    figure = gk.plots.plot_graph([first, second])
    assert sorted(boxes(figure)) == ["one", "other", "shared"]
    assert len(arrows(figure)) == 2


@pytest.mark.parametrize(
    "layers", [[(5, 1), (2, 2), (5, 1), (2, 2)], [(3, 1), (3, 1, 2), (3, 1, 4)], [(7, 2), (3, 2), (1, 1)]]
)
def test_receptive_field_is_drawn_as_wide_as_it_is(layers):
    figure = gk.plots.plot_receptive_field(layers)
    axis = figure.axes[0]
    corners = np.concatenate([path.vertices for path in axis.collections[0].get_paths()])  # of the input
    np.testing.assert_allclose(np.abs(corners[:, 1]), diagrams.BAR / 2)
    width = np.ptp(corners[:, 0])
    assert width == pytest.approx(gk.sizes.receptive_field(layers))
    assert f"sees {gk.sizes.receptive_field(layers)} pixels" in axis.get_title()


small_layers = st.lists(
    st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=4
)


@given(small_layers)
def test_pixels_that_are_seen_are_those_that_change_the_output(layers):
    """Backward through the definition of a convolution: output i reads the inputs i * S + tap * D."""
    seen = {0}
    for kernel_size, strides, dilation_rate in reversed(layers):
        seen = {pixel * strides + tap * dilation_rate for pixel in seen for tap in range(kernel_size)}
    centres, step = diagrams.seen_pixels([diagrams.Layer(*layer) for layer in layers])[0]
    assert step == 1
    np.testing.assert_allclose(np.array(centres) - centres[0], sorted(seen))


def test_holes_of_a_dilated_kernel_are_counted():
    figure = gk.plots.plot_receptive_field([(3, 1), (3, 1, 4)])
    right = figure.axes[0].child_axes[0]
    assert [label.get_text() for label in right.get_yticklabels()] == [
        "9 of 11 seen",
        "3 of 9 seen",
        "1 seen",
    ]
    assert figure.axes[0].get_title() == "one pixel of the last layer sees 9 of 11 pixels of the input"


def test_a_state_of_zeros_is_no_layer():
    outputs, _ = gk.rnn(tf.compat.v1.placeholder(tf.float32, (None, 5, 3), name="words"), 4)
    assert not [name for name, (text, _) in boxes(gk.plots.plot_graph(outputs)).items() if "Pack" in text]


@pytest.mark.parametrize(
    "layers, message",
    [([], "must hold a layer"), ([(1001, 1)], "at most 1000 pixels"), ([(1, 1)] * 101, "at most 100 layers")],
)
def test_fields_that_cannot_be_drawn_are_refused(layers, message):
    with pytest.raises(ValueError, match=f"^plot_receptive_field: .*{message}"):
        gk.plots.plot_receptive_field(layers)


def test_one_pixel_is_singular():
    title = gk.plots.plot_receptive_field([(1, 1)]).axes[0].get_title()
    assert title == "one pixel of the last layer sees 1 pixel of the input"
