"""Examples and tests alike: a fresh default graph for each, `gk`, `tf` and `np` in the examples."""

import os

# Of a processor, only oneDNN has kernels for channels_first, and TensorFlow takes it by itself only where it
# expects it to be faster.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import graphkit as gk  # before TensorFlow, which then starts as in a user's program

# isort: split
import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture(autouse=True)
def fresh_graph():
    with tf.Graph().as_default() as graph:
        yield graph


@pytest.fixture(autouse=True)
def example_names(doctest_namespace):
    doctest_namespace.update(gk=gk, np=np, tf=tf)
