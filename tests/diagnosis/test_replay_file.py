"""Replay files: the same findings in another process, and files that are not complete."""

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit.diagnosis import replay_file
from graphkit.graph import walk

POINTS = np.random.default_rng(0).uniform(0.5, 1.5, (20, 2)).astype(np.float32)
POINTS[7] = 0


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Returns the report of a training that left a replay file."""
    with tf.Graph().as_default():
        points, labels = gk.feature_input(2), gk.label_input()
        hidden = gk.dropout(gk.dense(tf.sqrt(points @ tf.ones((2, 2)) * gk.dense(points, 2) ** 2), 4), 0.8)
        loss = gk.softmax_cross_entropy(gk.dense(hidden, 2), labels)
        logdir = tmp_path_factory.mktemp("run")
        with gk.Trainer(loss, seed=3, logdir=logdir) as trainer, pytest.raises(gk.NotFiniteError) as caught:
            data = {points: POINTS, labels: np.arange(20) % 2}
            trainer.fit(data, batch_size=4, epochs=2, progress=False)
    return caught.value.report


@pytest.fixture
def failed(trained, tmp_path):
    """Returns the report, with a replay file of the test's own."""
    file = shutil.copy(trained.file, tmp_path)
    return dataclasses.replace(trained, file=file)


def test_replay_finds_the_same(failed):
    again = gk.replay(failed.file)
    assert str(again) == str(failed) and again.forward[1] == "Sqrt"
    assert again.loss == failed.loss and again.indices == failed.indices


@pytest.mark.slow
def test_replay_in_another_process(failed):
    code = "import graphkit as gk, sys; r = gk.replay(sys.argv[1]); print(r.op, r.step, r.loss, r.line)"
    command = [sys.executable, "-c", code, failed.file]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [failed.op, str(failed.step), str(failed.loss), failed.line]


def test_a_step_that_comes_out_finite_is_said_to(failed):
    header = json.loads(gk.data.read_npz(failed.file)["header"].tobytes())
    place = [name for name, _ in header["fed"]].index("features:0")
    rewritten(failed.file, **{f"fed/{place}": np.ones((4, 2), np.float32)})
    again = gk.replay(failed.file)
    assert again.op is None and again.reason == "loss and gradients come out finite here"


def test_no_pickle_is_in_the_file(failed):
    with np.load(failed.file, allow_pickle=False) as arrays:
        assert all(arrays[name].dtype != object for name in arrays)
        header = json.loads(arrays["header"].tobytes())
    assert header["report"]["indices"] == list(failed.indices)


def rewritten(path, **changes):
    arrays = {**gk.data.read_npz(path), **changes}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def header_with(path, **changes):
    header = json.loads(gk.data.read_npz(path)["header"].tobytes())
    return np.frombuffer(json.dumps({**header, **changes}).encode(), np.uint8)


def header_with_part(path, **changes):
    part = json.loads(gk.data.read_npz(path)["header"].tobytes())["parts"][0]
    return header_with(path, parts=[{**part, **changes}])


DAMAGES = {
    "no graph": lambda path: {"graph": None},
    "no header": lambda path: {"header": None},
    "graph of other bytes": lambda path: {"graph": np.full(99, 255, np.uint8)},
    "empty graph": lambda path: {"graph": np.zeros(0, np.uint8)},
    "header that is no JSON": lambda path: {"header": np.full(9, 255, np.uint8)},
    "header that is a list": lambda path: {"header": np.frombuffer(b"[]", np.uint8)},
    "other version": lambda path: {"header": header_with(path, graphkit_replay=9)},
    "unknown loss": lambda path: {"header": header_with_part(path, loss="nowhere:0")},
    "loss of another kind": lambda path: {"header": header_with_part(path, loss=3)},
    "gradients of another kind": lambda path: {"header": header_with_part(path, gradients=[1])},
    "unknown dtype": lambda path: {"header": header_with(path, fed=[["a:0", "float99"]])},
    "report of other fields": lambda path: {"header": header_with(path, report={"what": "loss", "x": 1})},
    "unknown compute_dtype": lambda path: {"header": header_with(path, compute_dtype="int4")},
    "variables left out": lambda path: {"header": header_with(path, variables=[])},
    "fed twice as long": lambda path: {"variables/0": np.zeros((5, 5, 5), np.float32)},
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_refused(failed, damage):
    rewritten(failed.file, **DAMAGES[damage](failed.file))
    with pytest.raises((ValueError, gk.GraphkitError), match=r"replay|Trainer: compute_dtype"):
        gk.replay(failed.file)


def test_files_that_are_cut_off_or_missing(failed, tmp_path):
    with open(failed.file, "r+b") as stream:
        stream.truncate(1000)
    with pytest.raises(ValueError, match="not a complete .npz file"):
        gk.replay(failed.file)
    with pytest.raises(OSError):
        gk.replay(tmp_path / "nothing.npz")


def test_strings_and_bfloat16_are_stored_without_pickle():
    for value in (np.array(["é", b"b"], object), np.array([1.5, -2.0], tf.bfloat16.as_numpy_dtype)):
        array, dtype = replay_file.storable(value)
        assert array.dtype.kind in "Su"
        back = replay_file.restored(array, dtype)
        assert [v.encode() if isinstance(v, str) else v for v in value] == list(back)


def test_only_functions_that_are_called_are_kept(failed):
    case, _ = replay_file.load(failed.file)
    called = {name for node in case.definition.node for name in walk.called_functions(node)}
    assert {function.signature.name for function in case.definition.library.function} == called - {""}
