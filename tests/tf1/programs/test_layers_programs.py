"""Programs of layers, as functions, objects and subclasses, run as they are."""

from pathlib import Path

from tf1.old_programs import run_program


def load(name):
    return run_program(Path(__file__).parent / f"{name}.py", name=name)


def test_layers_digits():
    assert load("layers_digits")["main"]() > 0.95


def test_layers_own_layer():
    accuracy, uses = load("layers_own_layer")["main"]()
    assert accuracy > 0.9 and uses == 1800
