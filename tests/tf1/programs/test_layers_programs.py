"""Programs of layers, as functions, objects and subclasses, run as they are."""

from pathlib import Path

import graphkit.tf1 as tf

HERE = Path(__file__).parent


def load(name):
    """Returns the names of a program whose import of TensorFlow finds `graphkit.tf1`."""
    source = (
        (HERE / f"{name}.py").read_text().replace("import tensorflow as tf", f"import {tf.__name__} as tf")
    )
    names = {"__name__": name}
    exec(compile(source, f"{name}.py", "exec"), names)
    return names


def test_layers_digits():
    assert load("layers_digits")["main"]() > 0.95


def test_layers_own_layer():
    accuracy, uses = load("layers_own_layer")["main"]()
    assert accuracy > 0.9 and uses == 1800
