"""What `run.json` holds beside the settings."""

import json
from types import SimpleNamespace

import pytest

from graphkit import run_config
from graphkit.running import files, kernels
from graphkit.running.workers import ALONE

CONFIG = run_config.RunConfig("mlp", "mnist_5k", None, ("a", "b"), image_shape=(2, 2, 1))


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a run.json of a run with the kernels on or off, with other fields; returns its folder."""

    def write_it(kernels_on, **changes):
        monkeypatch.setattr(kernels, "onednn_kernels", lambda: kernels_on)
        run_config.RunFile(CONFIG, tmp_path).on_epoch_end(SimpleNamespace(workers=ALONE), {})
        fields = json.loads((tmp_path / "run.json").read_text()) | changes
        del fields["checksum"]
        files.write_json(tmp_path / "run.json", fields)
        return tmp_path

    return write_it


@pytest.mark.parametrize("kernels_on", [True, False])
def test_it_holds_whether_onednn_computed_the_run(kernels_on, write):
    folder = write(kernels_on)
    assert json.loads((folder / "run.json").read_text())["onednn_kernels"] is kernels_on
    assert run_config.read_config(folder) == CONFIG


@pytest.mark.parametrize("value", [None, 1, "on"])
def test_another_value_is_refused(value, write):
    with pytest.raises(ValueError, match="its onednn_kernels is neither true nor false"):
        run_config.read_config(write(True, onednn_kernels=value))
