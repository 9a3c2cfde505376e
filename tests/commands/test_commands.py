"""The commands on a run and on a function, as a person gives them."""

import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graphkit.commands import compare, console

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


@pytest.mark.slow
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


@pytest.mark.slow
def test_summary_and_check_of_a_run(call, run_folder):
    assert call("summary", run_folder / "a")["parameters"] == 7850
    assert call("check", run_folder / "a")["findings"] == []


def test_compare_shows_the_settings_that_differ(call, run_folder, capsys):
    names = [str(run_folder / name) for name in "ab"]
    first, second = call("compare", *names)["runs"]
    assert (first["learning_rate"], second["learning_rate"]) == (0.01, 0.001)
    assert "seed" not in first and first["valid_loss"] < second["valid_loss"]
    assert console.run("compare", names) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["learning_rate", "0.01", "0.001"]


def test_commands_say_how_far_a_run_has_come(call, run_folder, tmp_path, capsys):
    """As it is in its first epoch: its settings are there, and neither weights nor history."""
    begun = tmp_path / "begun"
    begun.mkdir()
    shutil.copy(run_folder / "a" / "run.json", begun)
    assert call("summary", begun)["parameters"] == 7850
    for command, rule in (
        (
            "evaluate",
            "has no checkpoint yet: it is in its first epoch, or ended there; graphkit train --res",
        ),
        (
            "compare",
            "has no epoch to show yet: it is in its first one, or ended there; graphkit train --res",
        ),
    ):
        assert console.run(command, [str(begun), *[str(run_folder / "a")] * (command == "compare")]) == 2
        assert f"the run in {begun} {rule}" in capsys.readouterr().err
    assert console.run("train", ["--model", "mlp", "--logdir", str(run_folder / "a")]) == 2
    ways = "--resume continues it, --overwrite replaces it, another --logdir keeps both"
    assert f"{run_folder / 'a'} holds a run: {ways}" in capsys.readouterr().err


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
    of_run = call("plot", run_folder / "b")["pictures"]
    assert of_run == [str(run_folder / "b" / f"{name}.svg") for name in names]


@pytest.mark.slow
def test_a_table_is_trained_on_evaluated_and_asked(call, tmp_path):
    rng = np.random.default_rng(0)
    area, city = rng.uniform(20, 200, 400), rng.choice(["Oslo", "Rome"], 400)
    price = 3 * area + np.where(city == "Rome", 100, 0)
    rows = [f"{a:.3f},{c},{p:.3f}" for a, c, p in zip(area, city, price, strict=True)]
    (tmp_path / "houses.csv").write_text("\n".join(["area,city,price", *rows]))
    (tmp_path / "new.csv").write_text("city,area\nRome,100\nOslo,50\n")
    given = ("--model", "mlp", "--data", tmp_path / "houses.csv", "--label", "price", "--keep-prob", 1)
    found = call("train", *given, "--epochs", 60, "--learning-rate", 0.01, "--logdir", tmp_path / "run")
    assert found["test"]["mean_absolute_error"] < 20
    assert call("evaluate", tmp_path / "run")["r2"] > 0.95
    predictions = call("predict", tmp_path / "run", tmp_path / "new.csv")["predictions"]
    assert [Path(one["example"]).name for one in predictions] == ["new.csv row 1", "new.csv row 2"]
    assert [one["predicted"]["price"] for one in predictions] == pytest.approx([400, 150], abs=40)
    pictures = call("plot", tmp_path / "run", "--folder", tmp_path)["pictures"]
    assert [Path(path).name for path in pictures] == ["network.svg", "curves.svg"]


@pytest.mark.slow
def test_a_folder_of_images_is_trained_on_and_asked(call, tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name, low in (("day", 150), ("night", 0)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(30):
            pixels = rng.integers(low, low + 100, (20, 24, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    given = ("--model", "mlp", "--data", tmp_path / "photos", "--image-size", 8, 10, "--batch-size", 16)
    found = call("train", *given, "--epochs", 8, "--logdir", tmp_path / "run", "--no-report")
    assert found["test"]["accuracy"] == 1 and not (tmp_path / "run" / "report.html").exists()
    Image.new("L", (50, 40), 20).save(tmp_path / "dark.jpg")
    (one,) = call("predict", tmp_path / "run", tmp_path / "dark.jpg")["predictions"]
    assert next(iter(one["predicted"])) == "night"
    folder = tmp_path / "photos" / "day"
    found = call("predict", tmp_path / "run", folder)["predictions"]
    assert len(found) == 30 and {next(iter(each["predicted"])) for each in found} == {"day"}
    capsys.readouterr()
    np.savez(tmp_path / "arrays.npz", images=np.zeros((9, 8, 10, 3), np.uint8), labels=np.arange(9) % 2)
    (tmp_path / "empty").mkdir()
    for command, given, rule in (
        (
            "evaluate",
            ["--data", tmp_path / "arrays.npz"],
            "arrays.npz is a file of arrays: give a folder of images",
        ),
        ("evaluate", ["--data", "mnist_5k"], "mnist_5k is a named data set: give a folder of images"),
        ("predict", [tmp_path / "empty"], "empty holds no pictures (.png, .jpg, .jpeg)"),
    ):
        assert console.run(command, [str(tmp_path / "run"), *map(str, given)]) == 2
        assert rule in capsys.readouterr().err


@pytest.mark.slow
def test_a_dry_run_and_limits(call, tmp_path):
    given = ("--model", "softmax_regression", "--logdir", tmp_path / "run")
    assert call("train", *given, "--dry-run")["test"] == {}
    assert not list((tmp_path / "run").iterdir())
    call("train", *given, "--max-steps", 5, "--valid-every", 2)
    assert call("evaluate", tmp_path / "run")["examples"] == 1000
    steps = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert max(row["step"] for row in steps) == 5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model", "model.tflite", "model.onnx", "model.pb", "model.py"])
def test_export_writes_each_format(call, run_folder, name, tmp_path):
    found = call("export", run_folder / "a", tmp_path / name)
    assert Path(found["path"]).exists() and found["bytes"] > 1000 and len(found["classes"]) == 10


@pytest.mark.slow
def test_the_printed_lines_load_each_export(run_folder, tmp_path, capsys):
    program = "import numpy as np\npixels = np.zeros((3, 28, 28, 1), np.uint8)\n"
    for name in ("model", "model.tflite", "model.onnx", "model.pb", "numbers_only.py"):
        assert console.run("export", [str(run_folder / "a"), str(tmp_path / name)]) == 0
        program += textwrap.dedent(capsys.readouterr().out.split("To load it:\n")[1])
        program += "print(*np.sum(probabilities, axis=1))\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.array(done.stdout.split(), float), np.ones(15), rtol=1e-5)


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
        ("export", ["run", "model.py", "--pixels"], "--pixels is for the other formats"),
        (
            "train",
            ["--model", "softmax_regression", "--epochs", "0"],
            "epochs must be an integer of at least 1",
        ),
        ("predict", ["run", "x", "--top", "0"], "--top must be an integer of at least 1"),
    ],
)
def test_refusals(command, arguments, message, program, capsys):
    given = [argument.format(program=program) for argument in arguments]
    assert console.run(command, given) == 2
    assert message.format(program=program) in capsys.readouterr().err


def test_a_cell_of_many_values_shows_the_beginning():
    assert len(compare.text_of(("class",) * 99)) <= compare.LONGEST
    assert compare.text_of(("class",) * 99).endswith("...")
    assert compare.text_of(("a", "b")) == "a, b" and compare.text_of("x" * 99) == "x" * 99
    texts = [compare.text_of(value) for value in (183591.2, 1.5e9, 0.00012, 40.0)]
    assert texts == ["183,591", "1500000000", "0.00012", "40"]


def test_runs_of_tables_are_compared_by_the_parts_of_their_formats():
    def run(name, label, columns, mean):
        columns = [{"name": column, "kind": "number", "mean": mean} for column in columns]
        table = {"label": label, "mean": mean, "encoder": {"missing": "fill", "columns": columns}}
        return {"run": name, "format": table, "valid_loss": 0.5}

    runs = [run("a", "price", ["rooms", "area"], 1.0), run("b", "price", ["rooms"], 2.0)]
    shown = compare.text_of_runs(runs, ["format"]).splitlines()
    assert [line.split("  ")[0] for line in shown] == [
        "run",
        "format.mean",
        "format.encoder.columns",
        "valid_loss",
    ]
    assert shown[2].split() == ["format.encoder.columns", "rooms,", "area", "rooms"]
    many = [{"run": f"run-{number}", "loss": 0.5} for number in range(3)]
    assert compare.text_of_runs(many, []).splitlines() == [
        "run    loss",
        *(f"run-{n}  0.5" for n in range(3)),
    ]
