"""The summary: its numbers by hand, and its tables of text and of HTML."""

import itertools
from html.parser import HTMLParser

import pytest
import tensorflow as tf
from inspection.graphs import looped, profiled, raw_rows, raw_tf1, row, trained_parameters

import graphkit as gk
from graphkit.inspection import Summary

V1 = tf.compat.v1


def test_convnet_by_hand():
    """Two convolutions with pools, a dense layer and logits, from the sizes alone."""
    found = gk.summary(gk.convnet(gk.image_input(28, 28, 1)))
    conv1 = gk.sizes.conv2d_flops((28, 28, 1), 32, 5, padding="same")
    conv2 = gk.sizes.conv2d_flops((14, 14, 32), 64, 5, padding="same")
    expected = [
        ("conv1", (None, 28, 28, 32), 832, conv1, 4 * 28 * 28 * 32),
        ("max_pool", (None, 14, 14, 32), 0, gk.sizes.pool2d_flops((28, 28, 32), 2, 2), 4 * 14 * 14 * 32),
        ("conv2", (None, 14, 14, 64), 51264, conv2, 4 * 14 * 14 * 64),
        ("max_pool_1", (None, 7, 7, 64), 0, gk.sizes.pool2d_flops((14, 14, 64), 2, 2), 4 * 7 * 7 * 64),
        ("flatten", (None, 3136), 0, 0, 0),
        ("hidden", (None, 1024), 3212288, gk.sizes.dense_flops(3136, 1024), 4 * 1024),
        ("logits", (None, 10), 10250, gk.sizes.dense_flops(1024, 10), 4 * 10),
    ]
    seen = [(r.layer, r.output_shape, r.parameters, r.flops, r.activation_bytes) for r in found.rows]
    assert seen == expected
    assert found.rows[0].ops == ("Conv2D", "BiasAdd", "Relu")
    assert found.parameters == 3274634
    assert found.weight_bytes == found.trained_bytes == 4 * 3274634
    assert found.flops == sum(line[3] for line in expected)
    assert found.training_flops == 3 * found.flops
    assert found.fixed_flops == 0
    assert found.notes == ()


def test_memory_and_largest_batch():
    net = gk.dense(gk.relu(gk.batch_norm(gk.dense(gk.feature_input(7), 5), training=False)), 3)
    found = gk.summary(net)
    trained, untrained = 4 * (7 * 5 + 5 + 10 + 5 * 3 + 3), 4 * 10  # moving mean and variance
    assert (found.trained_bytes, found.weight_bytes) == (trained, trained + untrained)
    each = 4 * 7 + found.activation_bytes  # the first kernel's gradient is a product with the 7 features
    assert found.input_bytes == 4 * 7 and found.example_bytes == each
    assert found.memory(8, slots=1) == untrained + 3 * trained + 8 * each
    memory = untrained + 4 * trained + 8 * each
    assert found.largest_batch(memory) == 8
    assert found.largest_batch(memory - 1) == 7
    with pytest.raises(ValueError, match="Summary.largest_batch: not even one example.*memory=100, needed="):
        found.largest_batch(100)
    with pytest.raises(ValueError, match="batch_size must be an integer of at least 1"):
        found.memory(0)
    with pytest.raises(ValueError, match="batch_size must be an integer of at least 1"):
        found.forward_flops(0)
    with pytest.raises(TypeError, match="memory must be an integer"):
        found.largest_batch(1e9)


def test_no_largest_batch_without_activations():
    with pytest.raises(ValueError, match="must keep activations of known size"):
        gk.summary(tf.Graph()).largest_batch(100)


@pytest.mark.parametrize(("batch_size", "use_resource"), list(itertools.product((None, 50), (True, False))))
def test_a_graph_in_raw_style(batch_size, use_resource):
    net = raw_tf1(batch_size, use_resource)
    found = gk.summary(net)
    lines = [line for line in found.rows if "Reshape" not in line.ops]
    layers = [(line.ops, line.parameters, line.flops) for line in lines]
    assert layers == [line[1:] for line in raw_rows()]
    assert [lines[0].layer, lines[2].layer] == ["Variable", "Variable_2"]
    assert lines[0].output_shape == (batch_size, 28, 28, 8)
    assert found.parameters == trained_parameters()
    if batch_size:
        assert found.forward_flops(batch_size) == profiled(net)


# What is not known is said.


def test_open_sizes_are_open():
    net = gk.conv2d(gk.image_input(None, None, 3), 4, 3, activation=gk.relu, name="conv")
    net = gk.dense(tf.reduce_mean(net, [1, 2]), 2, name="logits")
    found = gk.summary(net)
    assert row(found, "conv").flops is row(found, "conv").activation_bytes is None
    assert row(found, "conv").output_shape == (None, None, None, 4)
    assert row(found, "logits").flops == gk.sizes.dense_flops(4, 2) == found.flops
    assert found.parameters == trained_parameters()
    assert "the FLOPs of these layers are not in the total: conv, Mean." in found.notes[0]
    assert "?" in str(found)


def test_unknown_rank():
    found = gk.summary(tf.nn.relu(V1.placeholder(tf.float32)) * 2.0)
    assert {line.output_shape for line in found.rows} == {None}
    assert found.flops == 0
    assert "Sizes are not known, so the FLOPs" in found.notes[0]


def test_an_empty_graph():
    found = gk.summary(tf.Graph())
    assert (found.rows, found.parameters, found.flops, found.weight_bytes) == ((), 0, 0, 0)
    assert "total" in str(found)


# The table as text.


def test_nothing_is_printed_unless_asked(capsys):
    gk.summary(gk.mlp(gk.image_input(28, 28, 1)))
    assert capsys.readouterr().out == ""


def long_names():
    with V1.variable_scope("a_tower_with_a_long_name/of_a_block_with_a_long_name"):
        return gk.convnet(gk.image_input(1000, 1000, 3))


@pytest.mark.parametrize(
    "network", [lambda: gk.convnet(gk.image_input(28, 28, 1)), long_names, raw_tf1, lambda: looped(3)]
)
def test_the_table_is_aligned(network):
    found = gk.summary(network())
    lines = str(found).splitlines()
    assert max(map(len, lines)) <= 100
    lines_across = [place for place, line in enumerate(lines) if set(line) == {"-"}]
    head, *body = [
        *lines[: lines_across[0]],
        *lines[lines_across[0] + 1 : lines_across[1]],
        lines[lines_across[1] + 1],
    ]
    assert len(body) == len(found.rows) + 1
    assert {len(line) for line in (head, *body)} == {len(lines[lines_across[0]])}
    for name, counts in {
        "parameters": [*(line.parameters for line in found.rows), found.parameters],
        "FLOPs": [*(line.flops for line in found.rows), found.flops],
        "bytes kept": [*(line.activation_bytes for line in found.rows), found.activation_bytes],
    }.items():
        end = head.index(name) + len(name)
        assert [line[:end].split()[-1] for line in body] == [f"{count:,}" for count in counts]


def test_long_layer_names_keep_their_end():
    text = str(gk.summary(long_names()))
    assert "…" in text and "/conv1 " in text


# The table as HTML.


class Table(HTMLParser):
    """Reads the rows of a table, and refuses tags that are not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.rows, self.right, self.paragraphs = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
            self.right.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.right[-1].append("text-align: right" in dict(attributes)["style"])
        elif tag == "p":
            self.paragraphs.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        elif self.open[-1] == "p":
            self.paragraphs[-1] += data
        else:
            assert data.isspace()


def test_the_html_table_holds_what_the_text_holds():
    found = gk.summary(looped(3))
    table = Table(found._repr_html_())
    text = [line.split("  ") for line in str(found).splitlines() if "---" not in line]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in text]
    assert [[cell for cell in row if cell] for row in table.rows] == cells[: len(table.rows)]
    assert all(row == [False] * 3 + [True] * 3 for row in table.right)
    assert " ".join(table.paragraphs) == " ".join(str(found).splitlines()[len(table.rows) + 2 :])


def test_the_html_table_does_not_cut_names():
    assert all("…" not in cell for row in Table(gk.summary(long_names())._repr_html_()).rows for cell in row)


def test_names_are_escaped_in_html():
    """TensorFlow allows > in names; a `Summary` may hold any text."""
    found = gk.summary(tf.exp(gk.feature_input(3), name="a>b"))
    (row,) = found.rows
    odd = Summary((row._replace(layer="<b>&", ops=("<i>",)),), 0, 0, 0, ("<script>",), (), ())
    assert Table(found._repr_html_()).rows[1][0] == "a>b"
    assert "a&gt;b" in found._repr_html_()
    table = Table(odd._repr_html_())
    assert table.rows[1][:2] == ["<b>&", "<i>"]
    assert table.paragraphs[1] == "<script>"


def test_html_sets_no_colors():
    """The page's own colors are readable in light and dark themes."""
    assert "color" not in gk.summary(raw_tf1())._repr_html_().replace("border-collapse", "")
