"""Mixed precision: what it needs, that it takes place, that variables stay float32, loss scaling."""

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit.running import session as sessions

v1 = tf.compat.v1
POINTS = np.random.default_rng(0).normal(size=(256, 128)).astype(np.float32)
LABELS = (POINTS[:, 0] > 0).astype(np.int32)
HAS_BFLOAT16 = bool(sessions.processor_flags() & sessions.BFLOAT16_FLAGS)


def train(precision, execution="auto", epochs=8, scale=1.0, **options):
    """Returns (trainer's variables as arrays by name, history) of a small network."""
    with tf.Graph().as_default():
        x, y = gk.feature_input(128), gk.label_input()
        logits = gk.dense(gk.dense(x, 64, gk.relu, name="hidden"), 2, name="logits")
        loss = gk.softmax_cross_entropy(logits, y) * scale
        with gk.Trainer(loss, compute_dtype=precision, seed=1, **options) as trainer:
            fit = {"batch_size": 64, "progress": False, "execution": execution}
            history = trainer.fit({x: POINTS, y: LABELS}, epochs=epochs, **fit)
            variables = trainer.graph.get_collection("variables")
            names = [variable.op.name for variable in variables]
            return dict(zip(names, trainer.session.run(variables), strict=True)), history


def test_bfloat16_is_refused_where_the_processor_lacks_it(monkeypatch):
    monkeypatch.setattr(sessions, "processor_flags", lambda: {"avx2", "avx512f"})
    with pytest.raises(
        ValueError, match=r"needs a processor with avx512_bf16 or amx_bf16; received.*avx512f"
    ):
        train("bfloat16")


def test_bfloat16_is_refused_where_a_gpu_would_be_used(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["one"])
    with pytest.raises(ValueError, match='for the processor .*a GPU takes "float16"'):
        sessions.make_config("auto", compute_dtype="bfloat16")


@pytest.mark.grid
@pytest.mark.skipif(not HAS_BFLOAT16, reason="this processor computes in no bfloat16")
@pytest.mark.parametrize("execution", ["feed", "chunks"])
def test_bfloat16_convolutions_learn_as_float32_ones_do(execution):
    losses = {}
    for precision in ("float32", "bfloat16"):
        with tf.Graph().as_default():
            images, labels = gk.image_input(12, 12, 1), gk.label_input()
            loss = gk.softmax_cross_entropy(gk.convnet(images, 3), labels)
            pixels = np.random.default_rng(0).integers(0, 256, (64, 12, 12, 1), dtype=np.uint8)
            data = {images: pixels, labels: np.arange(64) % 3}
            with gk.Trainer(loss, compute_dtype=precision) as trainer:
                losses[precision] = trainer.fit(data, epochs=3, progress=False, execution=execution)["loss"]
    assert losses["float32"] != losses["bfloat16"]
    np.testing.assert_allclose(losses["float32"], losses["bfloat16"], rtol=0.05)


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="compute_dtype must be one of 'float32', 'bfloat16', 'float16'"):
        train("float8")


@pytest.mark.skipif(not HAS_BFLOAT16, reason="this processor computes in no bfloat16")
def test_bfloat16_learns_as_float32_does_with_variables_in_float32():
    variables, history = train("bfloat16")
    _, expected = train("float32")
    assert {value.dtype.name for value in variables.values()} <= {"float32", "int64"}
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=0.02)
    assert history["loss"] != expected["loss"]


@pytest.mark.skipif(not HAS_BFLOAT16, reason="this processor computes in no bfloat16")
def test_bfloat16_reaches_the_matrix_products():
    with tf.Graph().as_default():
        x, y = gk.feature_input(128), gk.label_input()
        loss = gk.softmax_cross_entropy(gk.dense(gk.dense(x, 64, gk.relu), 2), y)
        with gk.Trainer(loss, compute_dtype="bfloat16") as trainer:
            kept, wanted = v1.RunMetadata(), v1.RunOptions(output_partition_graphs=True)
            feed = {x: POINTS[:64], y: LABELS[:64]}
            trainer.session.run(trainer.training_step.update, feed, options=wanted, run_metadata=kept)
    nodes = [node for graph in kept.partition_graphs for node in graph.node]
    products = [node for node in nodes if "MatMul" in node.op and "T" in node.attr]
    assert products and any(node.attr["T"].type == tf.bfloat16.as_datatype_enum for node in products)


def test_float16_is_refused_without_a_gpu():
    with pytest.raises(
        ValueError, match='compute_dtype "float16" is for a GPU; a processor takes "bfloat16"'
    ):
        train("float16")


@pytest.fixture
def pretend_gpu(monkeypatch):
    """Lets float16 pass its check: on a processor nothing is rewritten, but the loss is scaled."""
    monkeypatch.setattr(sessions, "check_float16", lambda check, kind: None)


@pytest.mark.grid
@pytest.mark.parametrize(
    ("execution", "options"),
    [
        ("feed", {"clip_norm": 0.1}),
        ("resident", {"accumulate": 2}),
        *(
            pytest.param(execution, options, marks=pytest.mark.slow)
            for execution in ("feed", "chunks", "resident")
            for options in ({}, {"clip_norm": 0.1}, {"optimizer": "adamw"}, {"accumulate": 2})
            if (execution, options) not in (("feed", {"clip_norm": 0.1}), ("resident", {"accumulate": 2}))
        ),
    ],
    ids=str,
)
def test_a_scaled_loss_trains_as_an_unscaled_one(pretend_gpu, execution, options):
    variables, history = train("float16", execution, **options)
    expected, plain = train("float32", "feed", **options)
    assert variables["current_loss_scale"] == 2**15
    assert variables["good_steps"] == 32 / options.get("accumulate", 1)
    np.testing.assert_allclose(history["loss"], plain["loss"], rtol=1e-5)
    for name, value in expected.items():
        np.testing.assert_allclose(variables[name], value, rtol=1e-4, atol=1e-5)


def test_a_step_whose_scaled_gradients_overflow_moves_nothing_and_is_counted(pretend_gpu):
    """float32 holds numbers up to 3.4e38: 2**15 times a gradient of 1e36 is beyond it, 2**6 times is not."""
    variables, _ = train("float16", "feed", epochs=1, scale=1e36, optimizer="sgd", learning_rate=1e-45)
    assert variables["current_loss_scale"] < 2**15 and variables["global_step"] == 4
