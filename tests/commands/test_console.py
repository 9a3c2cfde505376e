"""`graphkit` on the command line: commands, options of a file, refusals, completion."""

import json
import subprocess
import sys

import pytest

import graphkit
from graphkit.commands import console, options
from graphkit.train import fitting


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
        (["train", "--epoch", "3"], 2, "unrecognized arguments: --epoch 3"),
        (["train", "--epochs", "three"], 2, "invalid int value: 'three'; see graphkit train --help"),
        (["--print-completion", "fish"], 2, "invalid choice: 'fish'"),
    ],
)
def test_exit_codes(monkeypatch, capsys, arguments, code, text):
    monkeypatch.setattr("sys.argv", ["graphkit", *arguments])
    with pytest.raises(SystemExit) as end:
        console.main()
    assert end.value.code == code
    assert text in "".join(capsys.readouterr())


def test_help_does_not_load_tensorflow():
    probe = "import sys; from graphkit.commands import console\n"
    probe += "for name in console.COMMANDS:\n"
    probe += "    sys.argv[1:] = [name, '--help']\n"
    probe += "    try: console.main()\n"
    probe += "    except SystemExit as end: assert not end.code\n"
    probe += "console.top_parser(complete=True)\n"
    probe += "assert 'tensorflow' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("usage: ") == len(console.COMMANDS)


def test_completion_is_a_script_of_the_shell(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["graphkit", "--print-completion", "bash"])
    assert console.main() == 0
    script = capsys.readouterr().out
    # What bash offers after `graphkit eval`, `graphkit evaluate --sp` and `graphkit tf1 up`.
    offered = {"graphkit eval": "evaluate", "graphkit evaluate --sp": "--split", "graphkit tf1 up": "upgrade"}
    for words, expected in offered.items():
        ask = f"COMP_WORDS=({words}); COMP_CWORD={len(words.split()) - 1}; _shtab_graphkit\n"
        ask += 'printf "%s\\n" "${COMPREPLY[@]}"'
        done = subprocess.run(["bash", "-c", f"{script}\n{ask}"], capture_output=True, text=True)
        assert done.stdout.split() == [expected], done.stderr


@pytest.fixture
def parsed(tmp_path):
    """A function that returns the options of a command from the text of a file and a command line."""

    def parse(text, *arguments, command="train"):
        path = tmp_path / "options.toml"
        path.write_text(text)
        parser = options.CommandParser(f"graphkit {command}")
        console.add_arguments(parser, console.module_of(command))
        return options.parse(parser, ["--config", str(path), *arguments])

    return parse


def test_options_of_a_file_are_those_of_the_command_line(parsed):
    found = parsed('model = "mlp"\nbatch_size = 32\nlearning-rate = 1\nresume = true\nquiet = false\n')
    assert (found.model, found.batch_size, found.learning_rate) == ("mlp", 32, 1.0)
    assert found.resume and not found.quiet and found.epochs is None
    assert parsed('models = ["mlp", "convnet"]\n', command="benchmark").models == ["mlp", "convnet"]


def test_the_command_line_wins(parsed):
    found = parsed("batch_size = 32\nseed = -1\n", "--batch-size", "64")
    assert (found.batch_size, found.seed) == (64, -1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", r"'epoch', which is not an option \(near it: epochs"),
        ("epochs = '3'", "epochs must be an integer; received epochs='3'"),
        ("epochs = 3.5", "epochs must be an integer; received epochs=3.5"),
        ("epochs = true", "epochs must be an integer; received epochs=True"),
        ("epochs = [3]", "epochs must be one value"),
        ("l2 = 'none'", "l2 must be a number"),
        ("model = 'mlpp'", "model must be one of softmax_regression, mlp, "),
        ("logdir = 3", "logdir must be a string"),
        ("resume = 1", "resume must be true or false"),
        ("config = 'other.toml'", "'config', which is not an option"),
        ("[train]\nepochs = 3", "'train', which is not an option: options stand without a section"),
        ("epochs = ", "options.toml is not TOML: Invalid value"),
    ],
)
def test_refusals_of_a_file(parsed, text, message):
    with pytest.raises((ValueError, TypeError), match=message):
        parsed(text)


def test_an_error_is_one_line_and_a_traceback_if_wished(capsys):
    assert console.run("evaluate", ["no/such/run"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert (
        said.err.startswith("error: load_run: there is no run in no/such/run") and said.err.count("\n") == 1
    )
    assert console.run("evaluate", ["no/such/run", "--debug"]) == 2
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_json_is_all_that_is_printed(monkeypatch, capsys):
    output = options.Output("for a person", {"loss": 0.5, "classes": ["é"]})
    monkeypatch.setattr("graphkit.commands.evaluate.run", lambda parsed: output)
    assert console.run("evaluate", ["run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == output.fields


def test_the_next_command_names_the_python_that_runs(monkeypatch, tmp_path):
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert options.command_line("evaluate", "my run") == f"{sys.executable} -m graphkit evaluate 'my run'"
    monkeypatch.setattr("shutil.which", lambda name: str(tmp_path / name))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    assert options.command_line("evaluate", "run") == "graphkit evaluate run"


def test_a_reader_that_has_enough_of_the_completion_sees_no_traceback():
    command = [sys.executable, "-m", "graphkit", "--print-completion", "bash"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.wait() == 1 and process.stderr.read() == ""


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "started with other settings; overwrite=True instead of resume replaces it",
            "started with other settings; --overwrite instead of --resume replaces it",
        ),
        (
            "ended; fit(resume=True) with a larger max_steps continues",
            "ended; --resume with a larger --max-steps continues",
        ),
        ("with more max_seconds continues", "with more --max-seconds continues"),
        ("train_run(resume=True) begins it again", "graphkit train --resume begins it again"),
        (
            f"not the same bits; {fitting.WAYS}",
            "not the same bits; --overwrite instead of --resume begins anew",
        ),
        ("regression (task='classification' for classes)", "regression (--task classification for classes)"),
        ("fill it, or give missing='fill'", "fill it, or give --missing fill"),
        ("drop=['customer id'] leaves it out", "--drop 'customer id' leaves it out"),
        ("out, drop=['a b', 'note']; received", "out, --drop 'a b' note; received"),
        ("train with image_size=(6, 8), which", "train with --image-size 6 8, which"),
        ("load_dataset: label is an option of a table", "load_dataset: --label is an option of a table"),
        ("image_size, resize are options of", "--image-size, --resize are options of"),
        ("leave it out, or name it in categorical", "leave it out, or name it in --categorical"),
        (
            "batch_size must be positive; received batch_size=0",
            "batch_size must be positive; received batch_size=0",
        ),
    ],
)
def test_messages_name_options_and_not_arguments(said, shown):
    assert options.as_command(said) == shown


def test_an_unknown_option_is_told_the_nearest(capsys):
    for given, near in (("--epoch", "epochs"), ("--learning-rat", "learning-rate")):
        with pytest.raises(SystemExit):
            console.run("train", [f"{given}=3"])
        assert f"unrecognized arguments: {given}=3 (near it: --{near}" in capsys.readouterr().err
