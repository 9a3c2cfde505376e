"""What a checkpoint holds: its entries, and which of them belong to training."""

import numpy as np
import pytest
from checkpoints.savers import DATA, write

import graphkit as gk
from graphkit.checkpoints import contents
from graphkit.checkpoints.contents import Entry


def test_entries_are_sorted_by_number(tmp_path):
    path, values = write(tmp_path, {"layer10/w": (2, 3), "layer2/w": (), "b": (4,)})
    reader = contents.Reader(path)
    float_shapes = {"b": (4,), "layer2/w": (), "layer10/w": (2, 3)}
    assert list(reader.entries().items()) == [(n, Entry(s, "float32")) for n, s in float_shapes.items()]
    np.testing.assert_array_equal(reader.value("layer10/w"), values["layer10/w"])


def test_entries_fit_where_all_that_is_known_agrees():
    assert Entry((2, None), "int32").fits((2, 3)) and Entry(None, "int32").fits((2, 3))
    assert not Entry((2, None), "int32").fits((3, 3)) and not Entry((2,), "int32").fits((2, 1))
    assert str(Entry(None, "int32")) == "int32 of unknown shape"


def test_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("not a checkpoint")
    with pytest.raises(gk.GraphkitError, match=r"restore: .*notes.txt is damaged or cut off"):
        contents.Reader(str(tmp_path / "notes.txt"))


def test_values_that_are_cut_off_are_refused(tmp_path):
    path, values = write(tmp_path, {"a": (3,), "z": (50,)})
    file = tmp_path / f"model.{DATA}"
    file.write_bytes(file.read_bytes()[:100])
    reader = contents.Reader(path)
    np.testing.assert_array_equal(reader.value("a"), values["a"])
    with pytest.raises(gk.GraphkitError, match=rf"^restore: {path} is damaged or cut off \("):
        reader.value("z")


def test_slots_are_known_in_the_scope_of_their_optimizer_and_by_their_shape():
    entries = {
        "net/w": Entry((3,), "float32"),
        "train/net/w/Momentum": Entry((3,), "float32"),
        "net/w/ExponentialMovingAverage": Entry((3,), "float32"),
        "net/w/g": Entry((), "float32"),  # of weight normalization, say
        "net/v/Momentum": Entry((3,), "float32"),
    }
    slots = {"train/net/w/Momentum", "net/w/ExponentialMovingAverage"}
    assert contents.training_names(entries) == slots
