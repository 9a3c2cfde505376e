"""The report on programs: what is gone, what graphkit.tf1 has, and what will run."""

import json
import subprocess
import sys

import pytest

import graphkit.tf1 as tf
from graphkit.commands import tf1
from graphkit.tf1.programs import check, sources, symbols

COVERED = "import tensorflow as tf\nlayers = tf.layers\n\n\nclass A(layers.Layer):\n    pass\n"
MISSING = (
    "from tensorflow.contrib import sparsemax\nimport tensorflow as tf\ntf.contrib.sparsemax.sparsemax(x)\n"
)
LEFTOVER = COVERED + "x = xrange(3)\n"
BY_HAND = COVERED + "reload(x)\n"


@pytest.fixture
def folder(tmp_path):
    def write(**files):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        return str(tmp_path)

    return write


def test_symbols():
    assert symbols.look_up("tf.layers.Layer") == ("tf.layers.Layer", False, True, None)
    assert symbols.look_up("tf.placeholder")[1:3] == (True, True)
    assert symbols.look_up("tf.app.flags.FLAGS.rate.x").name == "tf.app.flags.FLAGS"
    assert symbols.look_up("tf.train.AdamOptimizer.minimize").name == "tf.train.AdamOptimizer"
    assert symbols.look_up("tf.python.framework.ops.reset_default_graph")[1:3] == (True, True)
    missing = symbols.look_up("tf.contrib.gan.gan_model")
    assert (missing.in_tensorflow, missing.in_bridge) == (False, False)
    assert "write both losses" in missing.instead


def test_a_report(folder):
    path = folder(covered=COVERED, missing=MISSING, leftover=LEFTOVER, by_hand=BY_HAND, other="print 'a'\n")
    found = check.report(path)
    assert set(found) == {"graphkit", "tensorflow", "summary", "symbols", "files"}
    assert found["summary"] == {
        "files": 5,
        "files_with_tensorflow": 4,
        "files_with_gone_symbols": 4,
        "files_that_run": 1,
        "files_that_run_after_upgrade": 2,
        "uses_of_gone_symbols": 5,
        "uses_covered": 3,
        "leftovers": 3,
        "leftovers_upgraded": 2,
        "covered": False,
    }
    instead = symbols.look_up("tf.contrib.sparsemax").instead
    assert found["symbols"] == [
        {"symbol": "tf.contrib.sparsemax", "uses": 1, "files": 1, "covered": False, "instead": instead},
        {
            "symbol": "tf.contrib.sparsemax.sparsemax",
            "uses": 1,
            "files": 1,
            "covered": False,
            "instead": instead,
        },
        {"symbol": "tf.layers.Layer", "uses": 3, "files": 3, "covered": True, "instead": None},
    ]
    files = {file["path"].rpartition("/")[2]: file for file in found["files"]}
    assert files["missing.py"]["gone"] == [
        {"line": 1, "symbol": "tf.contrib.sparsemax", "covered": False, "instead": instead},
        {"line": 3, "symbol": "tf.contrib.sparsemax.sparsemax", "covered": False, "instead": instead},
    ]
    assert files["leftover.py"]["leftovers"] == [
        {"line": 7, "message": "xrange is Python 2; write range", "upgraded": True}
    ]
    assert [files["by_hand.py"][name] for name in ("runs", "runs_after_upgrade")] == [False, False]
    assert not files["other.py"]["uses_tensorflow"]
    json.dumps(found)


def test_guarded_uses_do_not_count():
    text = "try:\n    from tensorflow.contrib import tpu\nexcept ImportError:\n    tpu = None\ntpu.x\n"
    assert check.of_file(sources.source("a.py", text))["runs"]


@pytest.mark.parametrize("width", [60, 80, 100, 300])
def test_the_text_fits_its_width(folder, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    path = folder(missing=MISSING + f"tf.contrib.{'long_' * 30}name\n", leftover=LEFTOVER)
    lines = check.text_of(check.report(path)).splitlines()
    assert max(len(line) for line in lines if not line.endswith(".py")) <= min(width, 100)


def test_the_text(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    path = folder(missing=MISSING, leftover=LEFTOVER)
    assert tf1.main(["check", path], "graphkit tf1") == 1
    text = capsys.readouterr().out
    assert "tf.layers.Layer" in text
    assert "tf.contrib.sparsemax.sparsemax      1      1  MISSING" in text
    assert (
        f"{path}/missing.py\n     1  tf.contrib.sparsemax is missing in graphkit.tf1; write it in TensorFlow"
        in text
    )
    assert "     7  xrange is Python 2; write range" in text
    assert "files that run                      0 of 2 (0%)" in text
    assert "  after graphkit tf1 upgrade        1 of 2 (50%)" in text


def test_exit_codes(folder, capsys, tmp_path):
    path = folder(covered=COVERED)
    assert tf1.main(["check", path], "graphkit tf1") == 0
    assert tf1.main(["check", f"{path}/covered.py", "--json"], "graphkit tf1") == 0
    found = json.loads(capsys.readouterr().out.partition("{")[2].join(["{", ""]))
    assert found["summary"]["covered"]
    folder(leftover=LEFTOVER)
    assert tf1.main(["check", path], "graphkit tf1") == 1
    assert tf1.main(["check", str(tmp_path / "nowhere.py")], "graphkit tf1") == 2
    assert "graphkit tf1 check: " in capsys.readouterr().err
    for wrong in ([], ["check"], ["check", path, "--jsn"], ["what"]):
        with pytest.raises(SystemExit) as end:
            tf1.main(wrong, "graphkit tf1")
        assert end.value.code == 2
    empty = tmp_path / "empty"
    empty.mkdir()
    notebook = tmp_path / "cells.ipynb"
    notebook.write_text('{"cells": []}')
    # A mistyped path must not pass for one of which all is covered.
    for path, rule in ((empty, "must hold Python files"), (notebook, "nbconvert")):
        for name in ("check", "upgrade"):
            assert tf1.main([name, str(path)], "graphkit tf1") == 2
            assert rule in capsys.readouterr().err
    assert tf1.main(["run", str(notebook)], "graphkit tf1") == 2
    assert tf.layers


@pytest.mark.slow
def test_output_that_nobody_reads(folder):
    path = folder(leftover=LEFTOVER)
    first = "import os, sys; from graphkit.commands import tf1; r, w = os.pipe(); os.close(r)"
    rest = "os.dup2(w, 1); sys.exit(tf1.main(['check', sys.argv[1]], 'graphkit tf1'))"
    done = subprocess.run([sys.executable, "-c", f"{first}; {rest}", path], stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "")


def test_installed_packages_and_hidden_folders_are_left_out(tmp_path):
    for name in ("a.py", "venv/lib/site-packages/b.py", ".git/c.py", "env/d.py", "sub/e.py", "sub/f.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "env" / "pyvenv.cfg").write_text("")
    assert [path[len(str(tmp_path)) + 1 :] for path in sources.files(str(tmp_path))] == ["a.py", "sub/e.py"]
