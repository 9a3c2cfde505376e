"""The public interface: what `graphkit/__init__.pyi` lists, documented and with an example each."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from public_names import MODULES, PUBLIC, TOP

import graphkit as gk

STUB = Path(gk.__file__).with_suffix(".pyi")


def documented_parameters(text):
    return set(re.findall(r"^  (?:  )?\**(\w+): ", text, re.M))


@pytest.mark.parametrize("name", PUBLIC)
def test_each_name_is_documented(name):
    thing = PUBLIC[name]
    text = inspect.getdoc(thing)
    assert text and text.splitlines()[0].endswith("."), f"{name} has no sentence that says what it is"
    assert "Example:" in text and ">>>" in text, f"{name} has no example"
    if inspect.isfunction(thing):
        parameters = inspect.signature(thing).parameters
        assert not parameters or "Args:" in text
        assert "Returns:" in text
        missing = set(parameters) - documented_parameters(text)
        assert not missing, f"{name} does not document {missing}"


METHODS = ("fit", "evaluate", "predict", "weights", "save", "restore", "export", "stop", "close")


@pytest.mark.parametrize("name", METHODS)
def test_each_method_of_the_trainer_is_documented(name):
    method = getattr(gk.Trainer, name)
    missing = set(inspect.signature(method).parameters) - {"self"}
    missing -= documented_parameters(inspect.getdoc(method))
    assert not missing, f"{name} does not document {missing}"


def test_unknown_name_is_an_attribute_error_that_python_can_suggest_a_name_for():
    with pytest.raises(AttributeError, match="^module 'graphkit' has no attribute 'conv9d'$") as caught:
        _ = gk.conv9d
    assert caught.value.name == "conv9d" and caught.value.obj is gk


def test_completion_offers_the_names_of_the_stub():
    imported = [node for node in ast.parse(STUB.read_text()).body if isinstance(node, ast.ImportFrom)]
    names = [alias.asname for node in imported for alias in node.names]
    assert len(names) == len(set(names))
    assert sorted(gk.__all__) == sorted(dir(gk)) == sorted(names)
    assert MODULES == ["data", "plots", "runs", "sizes"] and "__version__" in names


def test_a_page_lists_the_names():
    """Its table names what is at the top, or in a room that `gk` has, and nothing else."""
    text = (Path(__file__).parents[1] / "docs" / "names.md").read_text()
    table = text.split("\n\n")[2]
    named = {name for name in re.findall(r"`([a-z_]+\.\w+|\w+)`", table.split("\n", 2)[2])}
    missing = {*TOP} - named
    assert not missing, "public names that are not in the table of docs/names.md"
    rooms = {name for name in named if name.split(".")[0] in MODULES}
    assert rooms <= PUBLIC.keys(), rooms - PUBLIC.keys()


# {code: modules that it must not load}. TensorFlow loads matplotlib itself, if it is installed.
LIGHT = {
    "import graphkit as gk; gk.__all__; gk.__version__": "tensorflow keras matplotlib numpy",
    "import graphkit as gk; gk.sizes.output_size(28, 5)": "tensorflow keras matplotlib",
    "import graphkit as gk; gk.load_dataset('mnist_5k'); gk.data.minibatches": "tensorflow keras matplotlib",
}


@pytest.mark.parametrize("code", LIGHT)
def test_a_name_loads_only_what_it_needs(code):
    check = f"import sys; loaded = sys.modules.keys() & set({LIGHT[code].split()}); assert not loaded, loaded"
    subprocess.run([sys.executable, "-c", f"{code}\n{check}"], check=True)
