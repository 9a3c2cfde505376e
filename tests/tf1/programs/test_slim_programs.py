"""Programs in slim and in `tf.contrib.layers`, run as they are: they learn the package's digits."""

from pathlib import Path

import pytest

import graphkit.tf1 as tf

HERE = Path(__file__).parent


def load(name):
    """Returns the names of a program whose imports of TensorFlow find `graphkit.tf1`."""
    source = (HERE / f"{name}.py").read_text().replace("import tensorflow as tf", "import graphkit.tf1 as tf")
    names = {"__name__": name}
    exec(compile(source.replace("from tensorflow.", "from graphkit.tf1."), name, "exec"), names)
    return names


@pytest.mark.slow
def test_slim_lenet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program = load("slim_lenet")
    _, accuracy = program["main"](str(tmp_path / "logs"))
    assert accuracy > 0.95
    # A second call goes on from the checkpoint: one step more, and the loss is still small.
    loss, _ = program["main"](str(tmp_path / "logs"), steps=151)
    assert loss < 0.5
    assert tf.train.latest_checkpoint(str(tmp_path / "logs")).endswith("-151")


def test_contrib_layers_mlp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load("contrib_layers_mlp")["main"]() > 0.9
