"""A program with `tf.contrib.seq2seq`, as TensorFlow 1 ran it: it learns."""

from pathlib import Path

import pytest
from tf1.old_programs import run_program


@pytest.mark.slow
def test_strings_are_reversed():
    path = Path(__file__).parent / "seq2seq_reverse.py"
    greedy, beam = run_program(path, name="seq2seq_reverse")["main"]()
    assert greedy >= 0.95
    assert beam >= 0.95
