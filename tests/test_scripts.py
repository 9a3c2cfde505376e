"""The scripts as a person runs them, and the program of the README."""

import importlib.util
import json
import logging
import os
import re
import runpy
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import graphkit as gk
from graphkit import runs
from graphkit.benchmark import comparing
from graphkit.commands import train
from graphkit.train import optimizers

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "scripts"
SCRIPTS = sorted(str(path.relative_to(FOLDER)) for path in [*FOLDER.glob("*.py"), *FOLDER.glob("dev/*.py")])


def start(script, *arguments, code=0):
    """Runs a script in a new process; returns what it printed on standard output and error."""
    command = [sys.executable, FOLDER / script, *map(str, arguments)]
    usual = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(command, capture_output=True, text=True, env=usual)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout, done.stderr


@pytest.fixture
def run(monkeypatch, capsys):
    """A function like `start` that runs the script in this process, as starting TensorFlow takes seconds."""

    def run_here(script, *arguments, code=0):
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        capsys.readouterr()
        found = 0
        try:
            runpy.run_path(str(FOLDER / script), run_name="__main__")
        except SystemExit as end:
            found = end.code
        out, err = capsys.readouterr()
        assert found == code, out + err
        return out, err

    return run_here


def test_users_and_developers_have_their_scripts():
    users = "evaluate export launch predict train"
    developers = "benchmark compare_xla crash_test fuzz time_old_program"
    expected = [f"dev/{name}.py" for name in developers.split()] + [f"{name}.py" for name in users.split()]
    assert expected == SCRIPTS


@pytest.mark.grid
@pytest.mark.parametrize("script", SCRIPTS)
def test_help_answers_without_loading_tensorflow(script):
    probe = "import runpy, sys; sys.argv = [sys.argv[1], '--help']\n"
    probe += f"try: runpy.run_path({str(FOLDER / script)!r}, run_name='__main__')\n"
    probe += "except SystemExit as end: assert not end.code\n"
    probe += "assert 'tensorflow' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", probe, script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout


def test_train_offers_every_model_and_optimizer():
    assert set(train.MODELS) == set(comparing.MODELS) == set(runs.MODELS)
    assert set(train.OPTIMIZERS) == set(optimizers.OPTIMIZERS)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "digits"
    arguments = ("--model", "softmax_regression", "--keep-prob", 1, "--epochs", 3, "--logdir", folder)
    return folder, arguments, start("train.py", *arguments)


def test_train_prints_a_line_an_epoch_and_the_test_accuracy(trained):
    folder, _, (out, err) = trained
    assert [line[:10] for line in out.splitlines()[:3]] == [f"epoch {n}/3 " for n in (1, 2, 3)]
    assert float(re.search(r"test  loss [\d.]+  accuracy ([\d.]+)", out)[1]) > 0.8
    assert all(line.startswith("execution ") for line in err.splitlines())
    assert {path.name for path in folder.iterdir()} >= {"run.json", "history.csv", "checkpoint"}


def test_train_resumes(trained, run, caplog):
    _, arguments, (out, _) = trained
    with caplog.at_level(logging.INFO, "graphkit"):
        again, _ = run("train.py", *arguments, "--resume")
    assert "resumed from" in caplog.text and "epoch" not in again
    assert again.splitlines()[-2] == out.splitlines()[-2]


def test_evaluate_repeats_the_metrics_of_training(trained, run):
    folder, _, (out, _) = trained
    shown, _ = run("evaluate.py", folder)
    assert "softmax_regression on the test set of mnist_5k, 1,000 examples" in shown
    assert shown.splitlines()[-1] in out


def test_predict_prints_class_probabilities(trained, run, tmp_path):
    folder, _, _ = trained
    split = gk.load_dataset("mnist_5k").test
    np.savez(tmp_path / "three.npz", images=split.images[[0, 400, 900]])
    out, _ = run("predict.py", folder, tmp_path / "three.npz")
    rows = [line.split(": ")[1].split("  ") for line in out.splitlines()]
    assert [row[0].split()[0] for row in rows] == [str(split.labels[i]) for i in (0, 400, 900)]
    assert all(abs(sum(float(cell.split()[1]) for cell in row) - 1) < 1e-3 for row in rows)


def run_what_is_printed(out, tmp_path, **given):
    """Runs the lines that export.py prints in a new process; returns the probabilities."""
    np.savez(tmp_path / "given.npz", **given)
    lines = textwrap.dedent(out.split("To load it:\n")[1]).splitlines()
    start = f"import numpy as np; globals().update(np.load({str(tmp_path / 'given.npz')!r}))"
    end = f"np.save({str(tmp_path / 'found.npy')!r}, probabilities)"
    subprocess.run([sys.executable, "-c", "\n".join([start, *lines, end])], check=True, capture_output=True)
    return np.load(tmp_path / "found.npy")


@pytest.mark.slow
def test_export_prints_lines_that_load_it(trained, run, tmp_path):
    folder, _, _ = trained
    out, _ = run("export.py", folder, tmp_path / "model")
    size = sum(path.stat().st_size for path in (tmp_path / "model").rglob("*") if path.is_file())
    assert 4 * 7_850 < size < 4 * 7_850 + 10_000
    assert out.splitlines()[:4] == [
        f"{tmp_path / 'model'}: softmax_regression of {folder}, {size:,} bytes",
        "input    images float32 (None, 28, 28, 1)",
        "output   probabilities float32 (None, 10)",
        "classes  0, 1, 2, 3, 4, 5, 6, 7, 8, 9",
    ]
    pixels = gk.load_dataset("mnist_5k").test.images[:50]
    found = run_what_is_printed(out, tmp_path, pixels=pixels)
    loaded = gk.runs.load_run(folder)
    with loaded.trainer as trainer:
        expected = trainer.predict(loaded.network.probabilities, {loaded.network.inputs: pixels})
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_export_of_a_run_of_words(run, tmp_path):
    folder, data = tmp_path / "run", gk.load_dataset("words_5_languages")
    data = data._replace(train=gk.data.WordSplit(*(array[:500] for array in data.train)))
    gk.runs.train_run(gk.runs.RunConfig.for_data(data, model="char_rnn"), data, folder, epochs=1)
    out, _ = run("export.py", folder, tmp_path / "model")
    words = ["straße", "où", "a" * 40, "日本"]
    found = run_what_is_printed(out, tmp_path, words=words)
    loaded = gk.runs.load_run(folder)
    with loaded.trainer as trainer:
        fed = {loaded.network.inputs: loaded.network.encode(words)}
        expected = trainer.predict(loaded.network.probabilities, fed)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


UNREADABLE = [
    ("none.png", "error: read_images: {path} cannot be read (No such file or directory)"),
    ("none.npz", "error: read_npz: {path} cannot be read (No such file or directory)"),
    ("folder.png", "error: predict: {path} holds no pictures (.png, .jpg, .jpeg); received files=[]"),
    ("text.png", "error: read_images: {path} is not a complete PNG or JPEG image; received bytes=4"),
]


@pytest.mark.grid
@pytest.mark.parametrize(("name", "message"), UNREADABLE)
def test_files_that_cannot_be_read_are_named_in_one_line(name, message, trained, run, tmp_path):
    path = tmp_path / name
    if "folder" in name:
        path.mkdir()
    if "text" in name:
        path.write_text("text")
    _, err = run("predict.py", trained[0], path, code=2)
    assert err == message.format(path=path) + "\n"


def test_predict_doubts_a_picture_that_is_dark_on_light(trained, run, tmp_path, caplog):
    path = tmp_path / "digit.png"
    picture = Image.new("L", (28, 28), 255)
    picture.putpixel((14, 14), 0)
    picture.save(path)
    out, _ = run("predict.py", trained[0], path)
    assert out.startswith(f"{path}: ")
    assert (
        f"{path} is dark on a light ground, and mnist_5k is light on black: invert it, as by" in caplog.text
    )


def test_an_export_into_a_file_is_refused_in_one_line(trained, run, tmp_path):
    (tmp_path / "file").touch()
    _, err = run("export.py", trained[0], tmp_path / "file" / "model", code=2)
    assert re.fullmatch(r"error: export: cannot write .* \(.*\)\n", err)


REFUSED = [
    ("train.py", ["--data", "no_such_data"], "error: load_dataset: no file or folder"),
    ("train.py", ["--keep-prob", "2", "--logdir", "{tmp}"], "is a probability to keep"),
    ("train.py", ["--logdir", "{tmp}/lr=[1]"], "lr=[1]'\n"),
    ("train.py", ["--data", "words_5_languages"], "convnet takes images"),
    ("evaluate.py", ["{tmp}"], "error: load_run: there is no run in "),
    ("predict.py", ["{tmp}", "x.png"], "error: load_run: there is no run in "),
    ("predict.py", ["{tmp}", "x.png", "--top", "0"], "--top must be an integer of at least 1"),
    ("export.py", ["{tmp}", "{tmp}/model"], "error: load_run: there is no run in "),
    ("dev/crash_test.py", ["--kills", "0"], "--kills must be an integer of at least 1"),
    ("dev/fuzz.py", ["--inputs", "0"], "--inputs must be an integer of at least 1"),
    ("dev/benchmark.py", ["--models", "mlp", "--data", "no_such_data"], "load_dataset: no file or folder"),
]


@pytest.mark.parametrize(("script", "arguments", "message"), REFUSED[:-1])
def test_wrong_input_is_one_line_and_exit_code_2(script, arguments, message, run, tmp_path):
    _, err = run(script, *(text.format(tmp=tmp_path) for text in arguments), code=2)
    assert message in err and len(err.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("script", "arguments", "message"), [REFUSED[5], REFUSED[-1]])
def test_wrong_input_ends_the_process_with_exit_code_2(script, arguments, message, tmp_path):
    _, err = start(script, *(text.format(tmp=tmp_path) for text in arguments), code=2)
    assert message in err and len(err.splitlines()) == 1


@pytest.mark.slow
def test_train_reaches_its_accuracy_by_default(tmp_path):
    out, _ = start("train.py", "--logdir", tmp_path / "run")
    assert float(re.findall(r"test .* accuracy ([\d.]+)", out)[0]) >= 0.96


@pytest.mark.slow
def test_fashion_mnist_learns(run, tmp_path):
    if not Path("/usr/share/datasets/fashion-mnist").is_dir():
        pytest.skip("Debian's dataset-fashion-mnist is not installed")
    arguments = ("--data", "fashion_mnist", "--model", "mlp", "--epochs", 2, "--logdir", tmp_path / "run")
    out, _ = start("train.py", *arguments)
    assert float(re.findall(r"test .* accuracy ([\d.]+)", out)[0]) >= 0.8
    shown, _ = run("evaluate.py", tmp_path / "run")
    assert shown.splitlines()[-1] in out


POSITIVE = ("us", "peak_fraction", "first_step", "first", "predicted", "peak", "weights")


@pytest.mark.slow
def test_benchmark_writes_metrics_ratios_and_a_picture(tmp_path):
    contenders = ("handwritten", "handwritten-uint8", "graphkit", "graphkit-feed", "keras", "keras-jit-32")
    small = ("--data", "mnist_5k", "--examples", 256, "--epochs", 2, "--rounds", 1)
    files = ("--results", tmp_path / "metrics.json", "--plot", tmp_path / "metrics.png")
    out, _ = start("dev/benchmark.py", "--models", "mlp", "--contenders", *contenders, *small, *files)
    assert re.search(r"^graphkit +[\d,]+ +[\d.]+ +[\d.]+%", out, re.M)
    assert re.search(r"graphkit's time to the best of handwritten [\d.]+, keras [\d.]+", out)
    assert "graphkit's time to the first step to the best of" in out
    assert "graphkit's time of a prediction to the best of" in out
    rows = json.loads((tmp_path / "metrics.json").read_text())["mlp"]
    assert set(rows) == set(contenders)
    assert all(0 < row["accuracy"] <= 1 and min(row[key] for key in POSITIVE) > 0 for row in rows.values())
    assert (tmp_path / "metrics.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "contender"),
    [("keras", "keras"), ("torch", "pytorch"), ("torch", "pytorch-channels-last"), ("jax", "jax")],
)
@pytest.mark.parametrize(
    ("data", "models"), [("mnist_5k", ["convnet", "inception_net"]), ("words_5_languages", ["char_rnn"])]
)
def test_contenders_train_as_many_weights(library, contender, data, models, tmp_path):
    if not importlib.util.find_spec(library) or (models == ["char_rnn"] and contender.endswith("last")):
        pytest.skip(f"{library} is not installed, or the contender has no such model")
    small = ("--data", data, "--examples", 64, "--batch-size", 32, "--epochs", 2, "--rounds", 1)
    chosen = ("--models", *models, "--contenders", contender, "--results", tmp_path / "metrics.json")
    start("dev/benchmark.py", *chosen, *small)
    report = json.loads((tmp_path / "metrics.json").read_text())
    for model in models:
        with tf.Graph().as_default():
            gk.runs.build_network(gk.runs.RunConfig.for_data(gk.load_dataset(data), model=model))
            weights = sum(variable.shape.num_elements() for variable in tf.compat.v1.trainable_variables())
        assert report[model][contender]["weights"] == weights


@pytest.mark.slow
def test_killed_trainings_end_with_the_same_bits():
    arguments = ("--models", "mlp", "norms", "--executions", "chunks", "resident", "--kills", 4)
    out, _ = start("dev/crash_test.py", *arguments)
    assert out.splitlines()[-1] == "4 kills, 0 differences"


@pytest.mark.slow
def test_two_workers_of_which_one_is_killed_end_with_the_same_bits():
    arguments = ("--workers", 2, "--models", "mlp", "--executions", "chunks", "--kills", 2)
    out, _ = start("dev/crash_test.py", *arguments)
    assert out.splitlines()[-1] == "2 kills, 0 differences"


@pytest.mark.slow
def test_killed_trainings_of_graphs_made_without_graphkit_end_with_the_same_bits():
    models = (
        "control_flow",
        "sparse",
        "static_table",
        "moving_averages",
        "two_optimizers",
        "local_variables",
    )
    arguments = ("--models", *models, "references", "--executions", "resident", "--kills", 7)
    out, _ = start("dev/crash_test.py", *arguments)
    assert out.splitlines()[-1] == "7 kills, 0 differences"


def readme_program():
    """Returns the program, and what the README says that it prints after the lines of the epochs."""
    text = (ROOT / "README.md").read_text()
    (found,) = re.findall(r"```python\n(import graphkit as gk\n.*?)```[^`]*```text\n(.*?)```", text, re.S)
    return found


@pytest.mark.slow
def test_program_of_the_readme_runs_as_written(tmp_path):
    program, results = readme_program()
    (tmp_path / "program.py").write_text(program)
    command = [sys.executable, "-W", "error", "program.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(results) and len(results.splitlines()) == 2
    assert (tmp_path / "runs" / "mnist" / "history.csv").exists()
