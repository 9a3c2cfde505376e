"""The public interface: what `graphkit/__init__.py` lists, documented and with an example each."""

import inspect
import re
import subprocess
import sys

import pytest

import graphkit as gk
from graphkit import diagnosis, inspection, studies

TOP = [name for name in gk.__all__ if name != "__version__" and not inspect.ismodule(getattr(gk, name))]
ROOMS = (
    gk.data,
    gk.plots,
    gk.runs,
    gk.sizes,
    diagnosis,
    inspection,
    studies,
)  # with public names of their own


def names_of(module):
    """Returns the public functions and classes of a room."""
    return [
        name
        for name, thing in ((name, getattr(module, name)) for name in dir(module))
        if not name.startswith("_")
        and getattr(thing, "__module__", "").startswith(module.__name__)
        and (inspect.isclass(thing) or inspect.isfunction(thing))
        and name in getattr(module, "__all__", [name])
    ]


PUBLIC = {name: getattr(gk, name) for name in TOP}
PUBLIC |= {f"{m.__name__}.{name}": getattr(m, name) for m in ROOMS for name in names_of(m)}


@pytest.mark.parametrize("name", PUBLIC)
def test_each_name_resolves_and_is_documented(name):
    thing = PUBLIC[name]
    text = inspect.getdoc(thing)
    assert text and text.splitlines()[0].endswith("."), f"{name} has no sentence that says what it is"
    assert "Example:" in text and ">>>" in text, f"{name} has no example"
    if inspect.isfunction(thing):
        parameters = inspect.signature(thing).parameters
        assert not parameters or "Args:" in text
        assert "Returns:" in text
        for parameter in parameters:
            assert re.search(rf"^  {parameter}: ", text, re.M), f"{name} does not document {parameter}"


METHODS = ("fit", "evaluate", "predict", "weights", "save", "restore", "export", "stop", "close")


@pytest.mark.parametrize("name", METHODS)
def test_each_method_of_the_trainer_is_documented(name):
    method = getattr(gk.Trainer, name)
    text = inspect.getdoc(method)
    for parameter in list(inspect.signature(method).parameters)[1:]:
        assert re.search(rf"^  {parameter}: ", text, re.M), f"{name} does not document {parameter}"


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'conv9d'"):
        _ = gk.conv9d


def test_dir_lists_the_public_names():
    assert set(gk.__all__) <= set(dir(gk))


@pytest.mark.parametrize(
    "code",
    [
        "import graphkit",
        "import graphkit.data.datasets, graphkit.data.preprocess, graphkit.data.batches, graphkit.sizes",
        "import graphkit as gk; gk.load_dataset('mnist_5k'); gk.sizes.output_size(28, 5)",
    ],
)
def test_what_needs_no_tensorflow_does_not_load_it(code):
    check = "import sys; assert not {'tensorflow', 'keras'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", f"{code}; {check}"], check=True)
