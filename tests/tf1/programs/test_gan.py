"""A generative adversarial network of TensorFlow 1: it learns where the points are."""

from pathlib import Path

import numpy as np
import pytest
from tf1.old_programs import run_program


@pytest.mark.slow
def test_gan_points():
    samples, names = run_program(Path(__file__).parent / "gan_points.py", name="gan_points")["main"]()
    assert np.abs(samples.mean(0) - [2, -1]).max() < 0.4
    assert (samples.std(0) > 0.05).all() and (samples.std(0) < 0.8).all()
    layers = ("dense", "dense_1", "score")
    wanted = [f"discriminator/{layer}/{part}:0" for layer in layers for part in ("kernel", "bias")]
    wanted += [f"generator/{layer}/{part}:0" for layer in ("dense", "points") for part in ("kernel", "bias")]
    assert names == wanted
