"""Likely renames: which pairs of names are taken for the same variable, and which are not."""

import pytest

from graphkit.checkpoints import likely_renames
from graphkit.checkpoints.contents import Entry
from graphkit.checkpoints.likely_renames import RELATIONS


def entries(*names, shape=(3,)):
    return {name: Entry(shape, "float32") for name in names}


@pytest.mark.parametrize("relation", RELATIONS, ids=[relation.name for relation in RELATIONS])
def test_each_relation_finds_its_example_which_no_nearer_one_finds(relation):
    finders = [
        each
        for each in RELATIONS
        if likely_renames.relatives_by(each, entries(relation.ours), entries(relation.theirs))[relation.ours]
    ]
    assert finders[0] is relation
    assert likely_renames.find(entries(relation.ours), entries(relation.theirs)) == {
        relation.ours: relation.theirs
    }


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("conv1/kernel", "model/conv1/kernel"),
        ("a/b/conv1/kernel", "conv1/kernel"),
        ("conv1/kernel", "conv1/weights"),
        ("conv1/bias", "net/conv1/biases"),
        ("hidden/kernel", "hidden/W"),
        ("dense/kernel", "dense_1/kernel"),
        ("dense_2/kernel", "net_1/dense/kernel"),
        ("dense/kernel/Adam_1", "dense_1/kernel/Adam_1"),
        ("Variable", "Variable_1"),
        ("bert/layer_1/query/kernel", "roberta/layer_1/query/weights"),
        ("conv1/kernel", "conv_1/kernel"),
        ("block_1/conv2/kernel", "block1_conv2/kernel"),
        ("embedding/table", "embeddings/table"),
        ("conv1/kernel", "conv1/kernel/.ATTRIBUTES/VARIABLE_VALUE"),
    ],
)
def test_likely_renames_are_found(name, other):
    assert likely_renames.find(entries(name), entries(other)) == {name: other}


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("conv1/kernel", "conv2/kernel"),
        ("conv1/kernel", "conv1/bias"),
        ("norm/beta", "norm/gamma"),
        ("norm/moving_mean", "norm/moving_variance"),
        ("conv1/kernel", "unrelated/thing"),
        ("block1/conv/kernel", "block2/conv/kernel"),
        ("hidden/kernel", "logits/kernel"),
    ],
)
def test_unlikely_renames_are_not_found(name, other):
    assert likely_renames.find(entries(name), entries(other)) == {}


def test_relatives_need_the_same_shape_and_dtype_and_no_rival():
    assert likely_renames.find(entries("a/w", shape=(2,)), entries("b/a/w")) == {}
    of_integers = {"b/a/w": Entry((3,), "int32")}
    assert likely_renames.find(entries("a/w"), of_integers) == {}
    assert likely_renames.find(entries("a/w"), entries("b/a/w", "c/a/w")) == {}
    assert likely_renames.find(entries("b/a/w", "c/a/w"), entries("a/w")) == {}
    assert likely_renames.find(entries("dense_1/w", "dense_2/w"), entries("dense_3/w", "dense_4/w")) == {}


def test_nearer_relatives_go_first():
    found = likely_renames.find(entries("a/kernel", "n/a/kernel"), entries("a/weights", "m/n/a/kernel"))
    assert found == {"a/kernel": "a/weights", "n/a/kernel": "m/n/a/kernel"}
