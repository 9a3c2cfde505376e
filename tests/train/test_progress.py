"""What a person sees of a fit, in terminals of any width."""

import io
import re
import sys

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_no_line_is_wider_than_the_terminal(columns, monkeypatch):
    terminal, lines = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", lines)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("graphkit.train.progress.Progress.REFRESH", 0.0)
    x = tf.compat.v1.placeholder(tf.float32, (None,))
    w = tf.compat.v1.get_variable("w", (), use_resource=True)
    data = {x: np.arange(32, dtype=np.float32)}
    with gk.Trainer(tf.reduce_mean((w * x - x) ** 2), learning_rate=1e-4) as trainer:
        trainer.fit(data, epochs=2, batch_size=2, valid=data, execution="feed")
    bars = [line.rstrip() for line in re.split("[\r\n]", terminal.getvalue())]
    assert max(map(len, bars)) <= columns
    bar = max(bars, key=lambda line: line.count("█"))
    assert re.match("epoch [12]/2 ", bar) and bar.count("█") >= 8
    assert ("loss " in bar) == (columns >= 60) and ("examples/s" in bar) == (columns >= 120)
    shown = lines.getvalue().splitlines()
    assert max(map(len, shown)) <= columns and shown[0].startswith("epoch 1/2  loss ")
    assert "valid" in lines.getvalue()
