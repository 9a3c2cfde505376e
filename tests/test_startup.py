"""How TensorFlow starts: the environment that graphkit sets, and the lines of TensorFlow that are shown."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from graphkit import startup

VARIABLES = (startup.ONEDNN, startup.LEVEL)


def run(program, *, code=0, **variables):
    """Runs a program in a new process, with only these of the two variables; returns what it printed."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES} | variables
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


SHOWS = f"import os; import graphkit; print([os.environ.get(name) for name in {VARIABLES}])"


@pytest.mark.skipif(not startup.has_onednn(), reason="TensorFlow has no oneDNN here")
@pytest.mark.parametrize(
    ("given", "expected"), [({}, ["1", "3"]), ({startup.ONEDNN: "0", startup.LEVEL: "1"}, ["0", "1"])]
)
def test_import_sets_what_the_user_has_not_set(given, expected):
    assert run(SHOWS, **given)[0] == f"{expected}\n"


def test_import_after_tensorflow_sets_nothing():
    assert run(f"import sys; sys.modules['tensorflow'] = None; {SHOWS}")[0] == "[None, None]\n"


INFO = "I0000 00:00:1795777457.024182   31216 port.cc:153] oneDNN custom operations are on."
OLD = "2025-09-17 14:44:05.157831: {} external/local_xla/xla/tsl/cuda/cudart_stub.cc:32] Could not find"
ERROR = "E0000 00:00:1758131045.203198 3722035 cuda_dnn.cc:8579] Unable to register cuDNN factory"
FATAL = "F0000 00:00:1758131045.203198 3722035 cpu_feature_guard.cc:1] The library was compiled to use AVX"


@pytest.mark.parametrize(
    ("line", "shown_up_to"),
    [
        (startup.HEADING, 0),
        (INFO, 0),
        (OLD.format("I"), 0),
        (OLD.format("W"), 1),
        (OLD.format("E"), 2),
        (ERROR, 2),
        (FATAL, 3),
        ("Illegal instruction: I0000 was here", 3),
        ("WARNING: mine", 3),
        ("", 3),
    ],
)
def test_lines_of_tensorflow_below_the_level_are_dropped(line, shown_up_to):
    shown = [startup.is_wanted(f"{line}\n", level) for level in range(4)]
    assert shown == [level <= shown_up_to for level in range(4)]


@pytest.mark.parametrize(("text", "level"), [("0", 0), ("2", 2), ("", 0), ("-1", 0), ("all", 0)])
def test_a_level_that_is_not_a_number_shows_all(text, level, monkeypatch):
    monkeypatch.setenv(startup.LEVEL, text)
    assert startup.log_level() == level


@pytest.fixture
def start(tmp_path):
    """A function that imports graphkit, then a package called tensorflow of these lines, in a new process."""

    def start_it(lines, then="", **options):
        package = tmp_path / "tensorflow"
        package.mkdir()
        (package / "__init__.py").write_text(f"import os\nos.write(2, {INFO!r}.encode() + b'\\n')\n{lines}")
        root = str(Path(startup.__file__).parents[1])
        program = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {root!r}]\nimport graphkit\n"
        return run(f"{program}import tensorflow\n{then}", **options)

    return start_it


def test_what_others_write_while_tensorflow_is_imported_is_shown(start):
    lines = "import sys\nprint('python', file=sys.stderr)\nos.write(2, b'no end')"
    _, err = start(lines, then="print(' after', file=sys.stderr)")
    assert err == "python\nno end after\n"


def test_the_switch_shows_all(start):
    assert start("", **{startup.LEVEL: "0"})[1] == f"{INFO}\n"


def test_an_import_that_fails_shows_all(start):
    _, err = start("raise ImportError('broken')", code=1)
    assert err.startswith(f"{INFO}\nTraceback") and err.endswith("ImportError: broken\n")


@pytest.mark.skipif(os.name == "nt", reason="Windows has other exit codes")
def test_an_import_that_aborts_shows_where(start):
    _, err = start("os.abort()", code=-6)
    assert "Fatal Python error: Aborted" in err and "startup.py" in err


def test_the_module_is_as_without_graphkit(start):
    then = "spec = tensorflow.__spec__\n"
    then += "print(type(spec.loader).__name__, spec.loader is tensorflow.__loader__)\n"
    then += "print([finder for finder in sys.meta_path if 'graphkit' in type(finder).__module__])"
    assert start("", then)[0] == "SourceFileLoader True\n[]\n"


def test_looking_for_tensorflow_does_not_import_it(start):
    program = "import importlib.util as util, sys, graphkit; spec = util.find_spec('tensorflow')\n"
    program += "print(spec.name, 'tensorflow' in sys.modules, spec.loader.is_package('tensorflow'))"
    assert run(program)[0] == "tensorflow False True\n"


def test_a_process_without_an_error_stream_imports_tensorflow(start):
    script = "import os; os.close(2)\n"
    assert run(f"{script}import graphkit.startup as s\nwith s.filtered_stderr(): print(1)")[0] == "1\n"


FIT = """\
    import graphkit as gk
    import tensorflow.compat.v1 as tf, numpy as np
    with tf.Graph().as_default():
        images, labels = gk.image_input(8, 8, 1), gk.label_input()
        logits = gk.dense(gk.flatten(images), 3)
        data = {images: np.zeros((64, 8, 8, 1), np.uint8), labels: np.arange(64) % 3}
        with gk.Trainer(gk.softmax_cross_entropy(logits, labels)) as trainer:
            trainer.fit(data, batch_size=32, execution="compiled")
            print(trainer.predict(logits, data).shape)
    """


def test_a_run_writes_our_lines_alone():
    out, err = run(FIT)
    assert err == "" and out.startswith("epoch 1/1 ") and out.endswith("(64, 3)\n")


@pytest.mark.slow
def test_the_switch_shows_the_lines_of_tensorflow():
    _, err = run(FIT, **{startup.LEVEL: "0"})
    assert startup.HEADING in err and "XLA service" in err
