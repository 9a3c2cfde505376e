"""Programs with RNN cells, as TensorFlow 1 ran them: they learn."""

from pathlib import Path

import pytest
from tf1.old_programs import run_program


def run_main(name):
    return run_program(Path(__file__).parent / name, name="program")["main"]()


@pytest.mark.slow
def test_characters(capsys):
    perplexity, text = run_main("rnn_characters.py")
    assert perplexity < 1.5
    assert "the mill has" in text or "the field has" in text or "the fire" in text, text
    first = capsys.readouterr().out.splitlines()[0]
    assert float(first.split()[-1]) > 8


@pytest.mark.slow
def test_classifier():
    accuracy = run_main("rnn_classifier.py")
    assert accuracy > 0.95
