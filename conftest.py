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

# Most programs that are still in graph mode begin with this call.
V1_BEHAVIOR = os.environ.get("GRAPHKIT_TEST_V1_BEHAVIOR") == "1"
if V1_BEHAVIOR:
    tf.compat.v1.disable_v2_behavior()


def pytest_collection_modifyitems(items):
    for item in items:
        mark = item.get_closest_marker("v2_behavior")
        if V1_BEHAVIOR and mark is not None:
            item.add_marker(pytest.mark.skip(reason=mark.args[0]))


@pytest.fixture(autouse=True)
def fresh_graph():
    with tf.Graph().as_default() as graph:
        yield graph


@pytest.fixture(autouse=True)
def example_names(doctest_namespace):
    doctest_namespace.update(gk=gk, np=np, tf=tf)
