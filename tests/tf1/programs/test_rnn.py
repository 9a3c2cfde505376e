"""Programs with RNN cells, as TensorFlow 1 ran them: they learn."""

from pathlib import Path

import graphkit.tf1 as tf


def run_main(name):
    """Runs `main` of a program whose TensorFlow is graphkit.tf1."""
    source = (Path(__file__).parent / name).read_text()
    names = {"__name__": name, "tf": tf}
    exec(compile(source.replace("import tensorflow as tf", ""), name, "exec"), names)
    return names["main"]()


def test_characters(capsys):
    perplexity, text = run_main("rnn_characters.py")
    assert perplexity < 1.5
    assert "the mill has" in text or "the field has" in text or "the fire" in text, text
    first = capsys.readouterr().out.splitlines()[0]
    assert float(first.split()[-1]) > 8


def test_classifier():
    accuracy = run_main("rnn_classifier.py")
    assert accuracy > 0.95
