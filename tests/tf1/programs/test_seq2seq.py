"""A program with `tf.contrib.seq2seq`, as TensorFlow 1 ran it: it learns."""

from pathlib import Path

import graphkit.tf1 as tf


def test_strings_are_reversed():
    source = (Path(__file__).parent / "seq2seq_reverse.py").read_text()
    names = {"__name__": "seq2seq_reverse", "tf": tf}
    exec(compile(source.replace("import tensorflow as tf", ""), "seq2seq_reverse.py", "exec"), names)
    greedy, beam = names["main"]()
    assert greedy >= 0.95
    assert beam >= 0.95
