"""`graphkit` on the command line."""

import pytest

import graphkit
from graphkit.commands import console


def test_it_hands_the_rest_to_the_command(monkeypatch, capsys, tmp_path):
    (tmp_path / "program.py").write_text("import tensorflow as tf\nprint(tf.nn)\n")
    monkeypatch.setattr("sys.argv", ["graphkit", "tf1", "check", str(tmp_path)])
    assert console.main() == 0
    assert "files that run" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--version"], 0, graphkit.__version__),
        (["--help"], 0, "run, check and upgrade programs of TensorFlow 1"),
        ([], 2, "COMMAND"),
        (["tf3"], 2, "tf3"),
        (["tf1"], 2, "graphkit tf1"),
    ],
)
def test_exit_codes(monkeypatch, capsys, arguments, code, text):
    monkeypatch.setattr("sys.argv", ["graphkit", *arguments])
    with pytest.raises(SystemExit) as end:
        console.main()
    assert end.value.code == code
    assert text in "".join(capsys.readouterr())
