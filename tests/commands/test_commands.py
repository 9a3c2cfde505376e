"""The commands on a run and on a function, as a person gives them."""

import json
from pathlib import Path

import numpy as np
import pytest

from graphkit.commands import console

NETWORKS = """\
import graphkit as gk


def good():
    images, labels = gk.image_input(8, 8, 1, name="images"), gk.label_input(name="labels")
    logits = gk.dense(gk.flatten(images), 10, name="logits")
    return gk.softmax_cross_entropy(logits, labels), logits


def softmax_twice():
    images, labels = gk.image_input(8, 8, 1, name="images"), gk.label_input(name="labels")
    logits = gk.dense(gk.flatten(images), 10, activation=gk.softmax, name="logits")
    return gk.softmax_cross_entropy(logits, labels)


def logits():
    return good()[1]


def nothing():
    return None
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("program") / "networks.py"
    path.write_text(NETWORKS)
    return path


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name, rate in (("a", "0.01"), ("b", "0.001")):
        options = ["--model", "softmax_regression", "--epochs", "1", "--learning-rate", rate, "--quiet"]
        assert console.run("train", [*options, "--logdir", str(folder / name)]) == 0
    return folder


@pytest.fixture
def call(capsys):
    """A function that runs a command and returns what it prints, as JSON is read."""

    def run(command, *arguments, code=0):
        capsys.readouterr()
        assert console.run(command, [*map(str, arguments), "--json"]) == code, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    return run


def test_train_and_evaluate_agree(call, tmp_path):
    folder = tmp_path / "run"
    found = call("train", "--model", "softmax_regression", "--epochs", 1, "--logdir", folder)
    assert found["logdir"] == str(folder) and found["test"]["accuracy"] > 0.5
    evaluated = call("evaluate", folder)
    assert {name: evaluated[name] for name in found["test"]} == found["test"]
    assert evaluated["examples"] == 1000


def test_summary_and_check_of_a_function(call, program):
    summary = call("summary", f"{program}:good")
    assert summary["parameters"] == 650
    assert [row["layer"] for row in summary["rows"]][-1] == "softmax_cross_entropy"
    assert call("check", f"{program}:good")["findings"] == []
    (finding,) = call("check", f"{program}:softmax_twice", code=1)["findings"]
    assert finding["rule"] == "softmax_twice" and finding["line"].endswith("networks.py:13")


def test_summary_and_check_of_a_run(call, run_folder):
    assert call("summary", run_folder / "a")["parameters"] == 7850
    assert call("check", run_folder / "a")["findings"] == []


def test_compare_shows_the_settings_that_differ(call, run_folder, capsys):
    names = [str(run_folder / name) for name in "ab"]
    first, second = call("compare", *names)["runs"]
    assert (first["learning_rate"], second["learning_rate"]) == (0.01, 0.001)
    assert "seed" not in first and first["valid_loss"] < second["valid_loss"]
    assert console.run("compare", names) == 0
    assert capsys.readouterr().out.splitlines()[0].split()[:2] == ["run", "learning_rate"]


def test_compare_says_where_two_networks_begin_to_differ(call, program, tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(4, 8, 8, 1)).astype(np.float32), np.arange(4)
    np.savez(tmp_path / "inputs.npz", images=images, labels=labels)
    given = ("--inputs", tmp_path / "inputs.npz")
    assert call("compare", f"{program}:good", f"{program}:good", *given)["equal"]
    found = call("compare", f"{program}:good", f"{program}:softmax_twice", *given, code=1)
    assert not found["equal"] and found["stage"] == "forward pass"


@pytest.mark.slow
def test_plot_draws_a_run(call, run_folder, tmp_path):
    found = call("plot", run_folder / "a", "--folder", tmp_path / "pictures", "--format", "png")
    names = ["network", "curves", "confusion_matrix"]
    assert found["pictures"] == [str(tmp_path / "pictures" / f"{name}.png") for name in names]
    assert all(Path(path).read_bytes().startswith(b"\x89PNG") for path in found["pictures"])


@pytest.mark.slow
def test_summary_of_an_exported_model(call, run_folder, tmp_path):
    call("export", run_folder / "a", tmp_path / "model")
    assert call("summary", tmp_path / "model")["weight_bytes"] == 4 * 7850


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("summary", ["nowhere"], "nowhere is neither a run's folder, nor the file of a model, nor FILE.py"),
        ("summary", ["{program}"], "of a program, name the function: {program}:FUNCTION"),
        ("summary", ["{program}:god"], r"has no function god (near it: good)"),
        ("summary", ["{program}:nothing"], "must return tensors that it has built; received returned=None"),
        ("check", ["{program}:logits"], "has no loss, a floating-point scalar"),
        ("compare", ["{program}:good"], "at least two are needed"),
        ("compare", ["{program}:good", "{program}:good"], "is not the folder of a run"),
        ("predict", ["run", "x", "--top", "0"], "--top must be an integer of at least 1"),
    ],
)
def test_refusals(command, arguments, message, program, capsys):
    given = [argument.format(program=program) for argument in arguments]
    assert console.run(command, given) == 2
    assert message.format(program=program) in capsys.readouterr().err
