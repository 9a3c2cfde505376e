"""What `run.json` holds beside the settings."""

import json
from types import SimpleNamespace

import pytest

from graphkit import run_config
from graphkit.reporting import facts
from graphkit.running import files
from graphkit.running.workers import ALONE

CONFIG = run_config.RunConfig("mlp", "mnist_5k", None, ("a", "b"), image_shape=(2, 2, 1))


@pytest.fixture
def write(tmp_path):
    """Writes a run.json with other parts than those of a run; returns its folder."""

    def write_it(**changes):
        observer = run_config.RunFile(CONFIG)
        observer.on_epoch_start(SimpleNamespace(workers=ALONE, logdir=tmp_path))
        parts = json.loads((tmp_path / "run.json").read_text()) | changes
        del parts["checksum"]
        files.write_json(tmp_path / "run.json", parts)
        return tmp_path

    return write_it


def test_it_holds_the_settings_and_what_computed_the_run(write, monkeypatch):
    monkeypatch.setattr(facts, "of_process", lambda: {"onednn_kernels": True})
    folder = write()
    held = json.loads((folder / "run.json").read_text())
    assert held["settings"]["model"] == "mlp"
    assert held["facts"] == {"onednn_kernels": True}
    assert run_config.read_config(folder) == CONFIG


def test_other_parts_are_refused(write):
    for changes in ({"facts": None}, {"settings": []}, {"more": {}}):
        with pytest.raises(ValueError, match="it must hold settings and facts"):
            run_config.read_config(write(**changes))
        (write() / "run.json").unlink()
