"""Whether oneDNN's kernels are on, and when they are recommended."""

import os
import subprocess
import sys

import pytest
import tensorflow as tf

import graphkit as gk
from graphkit import startup
from graphkit.running import kernels

HAS_ONEDNN = pytest.mark.skipif(not startup.has_onednn(), reason="TensorFlow has no oneDNN here")


@HAS_ONEDNN
def test_kernels_are_on_where_the_variable_said_so_when_tensorflow_was_loaded(monkeypatch):
    monkeypatch.setenv(startup.ONEDNN, "0")  # too late
    kernels.onednn_kernels.cache_clear()
    assert kernels.onednn_kernels()


@HAS_ONEDNN
@pytest.mark.slow
@pytest.mark.parametrize("variable", ["0", "1"])
def test_kernels_are_on_where_tensorflow_logs_it(variable):
    program = "from graphkit.running import kernels; print(kernels.onednn_kernels())"
    environment = {**os.environ, startup.ONEDNN: variable, startup.LEVEL: "0"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    logged = "oneDNN custom operations are on" in done.stderr
    assert logged == (variable == "1") and done.stdout == f"{logged}\n"


@pytest.fixture
def undecided(monkeypatch):
    """A system on which the kernels would help, and are off because nobody has decided on them."""
    monkeypatch.delenv(startup.ONEDNN, raising=False)
    monkeypatch.setattr(startup, "has_onednn", lambda: True)
    monkeypatch.setattr(kernels, "onednn_kernels", lambda: False)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    kernels.log_recommendation.cache_clear()
    yield monkeypatch
    kernels.log_recommendation.cache_clear()


def train(*, convolves, times=1):
    """Makes trainers of a network with a convolution or without."""
    for _ in range(times):
        with tf.Graph().as_default():
            images = gk.image_input(4, 4, 1)
            net = gk.conv2d(images, 1, 3) if convolves else images
            gk.Trainer(gk.mean_squared_error(gk.dense(gk.flatten(net), 1), tf.zeros((1, 1)))).close()


def test_they_are_recommended_once_for_convolutions(undecided, caplog):
    train(convolves=False)
    assert not caplog.records
    train(convolves=True, times=2)
    (record,) = caplog.records
    text = record.getMessage()
    assert "\n" not in text and "import graphkit before TensorFlow, or set TF_ENABLE_ONEDNN_OPTS=1" in text


@pytest.mark.parametrize("variable", ["0", "1"])
def test_they_are_not_recommended_to_those_who_have_decided(variable, undecided, caplog):
    undecided.setenv(startup.ONEDNN, variable)
    train(convolves=True)
    assert not caplog.records


@pytest.mark.parametrize("case", ["on", "gpu", "no oneDNN"])
def test_they_are_not_recommended_where_they_bring_nothing(case, undecided, caplog):
    if case == "on":
        undecided.setattr(kernels, "onednn_kernels", lambda: True)
    elif case == "gpu":
        undecided.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU:0"])
    else:
        undecided.setattr(startup, "has_onednn", lambda: False)
    train(convolves=True)
    assert not caplog.records
