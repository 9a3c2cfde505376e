"""Many steps in one run: the same results as one by one, and a reason where that cannot be."""

import logging

import numpy as np
import pytest
import tensorflow as tf
from references import fits_from_the_start

import graphkit as gk
from graphkit.data import batches
from graphkit.graph import control_flow
from graphkit.nn import counter_random
from graphkit.running import products, steps
from graphkit.train import optimizers

rng = np.random.default_rng(0)
IMAGES = batches.aligned_empty((70, 8, 8, 1), np.uint8)  # as `load_dataset` has them
IMAGES[...] = rng.integers(0, 256, IMAGES.shape)
LABELS = rng.integers(0, 3, 70).astype(np.int32)
POINTS = rng.normal(size=(70, 3)).astype(np.float32)
WORDS = rng.integers(1, 9, (70, 6)).astype(np.int32)
MODELS = ("softmax_regression", "mlp", "convnet", "inception_net", "char_rnn")
EXACT = ("feed", "chunks", "resident")


def build(model, keep_prob):
    """Returns (loss, {placeholder: array}, keep_prob's placeholder, metrics) of a small problem."""
    labels, keep = gk.label_input(), gk.keep_prob_input()
    if model == "char_rnn":
        tokens = gk.token_input(6)
        logits = gk.char_rnn(tokens, 9, 3, keep_prob=keep, embedding_size=4, units=5)
        data = {tokens: WORDS, labels: LABELS}
    elif model == "norms":
        images = gk.image_input(8, 8, 1)
        net = gk.residual_block(images, 4)
        net = gk.batch_norm(gk.dense(gk.dropout(gk.flatten(net), keep), 6))
        logits = gk.dense(gk.layer_norm(net), 3)
        data = {images: IMAGES, labels: LABELS}
    else:
        images = gk.image_input(8, 8, 1)
        logits = getattr(gk, model)(images, 3, keep_prob=keep)
        data = {images: IMAGES, labels: LABELS}
    loss = gk.softmax_cross_entropy(logits, labels) + gk.l2_penalty(1e-3)
    return loss, data, {keep: keep_prob}, {"accuracy": gk.accuracy(logits, labels)}


def train(execution, model="mlp", optimizer="adam", epochs=2, learning_rate=0.01, fit=None, **options):
    """Returns (all variables, history) of a run in a graph of its own."""
    with tf.Graph().as_default():
        loss, data, feed, metrics = build(model, 0.7)
        options = {"optimizer": optimizer, "learning_rate": learning_rate, "seed": 3, **options}
        with gk.Trainer(loss, metrics=metrics, **options) as trainer:
            fit = {"batch_size": 16, "progress": False, "execution": execution, **(fit or {})}
            history = trainer.fit(data, feed, epochs, **fit)
            return trainer.session.run(trainer.graph.get_collection("variables")), history


def figures(history):
    return {k: v for k, v in history.items() if k not in ("seconds", "examples_per_second")}


def assert_same(one, other):
    assert figures(one[1]) == figures(other[1])
    assert all(np.array_equal(a, b) for a, b in zip(one[0], other[0], strict=True))


def train_in_each(executions, folder, *, fits=({},), augment=False, **arguments):
    """Returns for each of `fits` {execution: (all variables, history)}, all from one start in one graph."""
    with tf.Graph().as_default():
        keep_prob = arguments.pop("keep_prob", 0.7)
        loss, data, feed, metrics = build(arguments.pop("model", "mlp"), keep_prob)
        options = {"optimizer": "adam", "learning_rate": 0.01, "seed": 3, **arguments}
        extra = {"augment": {next(iter(data)): gk.Augmentation(shift=2, flip=True)}} if augment else {}
        with gk.Trainer(loss, metrics=metrics, **options) as trainer:
            fit = fits_from_the_start(trainer, folder)
            return [
                {
                    e: fit(data, feed, 2, **{"batch_size": 16, "execution": e, **extra, **f})
                    for e in executions
                }
                for f in fits
            ]


def slow_but(chosen, names):
    """Returns the names as parameters, of which those that are not chosen are slow."""
    return [name if name in chosen else pytest.param(name, marks=pytest.mark.slow) for name in names]


def assert_close(one, other):
    for a, b in zip(one[0], other[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)
    np.testing.assert_allclose(one[1]["loss"], other[1]["loss"], rtol=1e-4)


@pytest.mark.parametrize("model", slow_but(["norms"], [*MODELS, "norms"]))
def test_executions_agree_to_the_bit_for_every_model(model, tmp_path):
    (runs,) = train_in_each(EXACT, tmp_path, model=model)
    assert_same(runs["chunks"], runs["feed"])
    assert_same(runs["resident"], runs["feed"])


@pytest.mark.parametrize("optimizer", slow_but(["adam"], optimizers.OPTIMIZERS))
def test_executions_agree_to_the_bit_or_to_xlas_rounding_for_every_optimizer(optimizer, tmp_path):
    (runs,) = train_in_each((*EXACT, "compiled"), tmp_path, optimizer=optimizer)
    assert_same(runs["chunks"], runs["feed"])
    assert_same(runs["resident"], runs["feed"])
    assert_close(runs["compiled"], runs["feed"])


@pytest.mark.parametrize("model", slow_but(["softmax_regression"], ["softmax_regression", "mlp", "char_rnn"]))
def test_compiled_agrees_to_rounding_for_models_without_convolutions(model, tmp_path, caplog):
    caplog.set_level(logging.INFO, "graphkit")
    (runs,) = train_in_each(("feed", "compiled"), tmp_path, model=model)
    assert 'execution "compiled"' in caplog.text
    np.testing.assert_allclose(runs["compiled"][1]["loss"], runs["feed"][1]["loss"], rtol=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        {"clip_norm": 0.1, "accumulate": 3, "learning_rate": gk.exponential_decay(0.05, 3, 0.5)},
        pytest.param({"clip_norm": 0.1}, marks=pytest.mark.slow),
        pytest.param({"accumulate": 3}, marks=pytest.mark.slow),
        pytest.param({"learning_rate": gk.exponential_decay(0.05, 3, 0.5)}, marks=pytest.mark.slow),
    ],
    ids=lambda options: "-".join(options),
)
def test_executions_agree_to_the_bit_with_options_of_the_trainer(options, tmp_path):
    (runs,) = train_in_each(EXACT, tmp_path, model="softmax_regression", **options)
    assert_same(runs["chunks"], runs["feed"])
    assert_same(runs["resident"], runs["feed"])


def test_executions_agree_to_the_bit_with_options_of_fit(tmp_path):
    fits = (
        {"drop_remainder": True},
        {"shuffle": False},
        {"steps_per_run": 1},
        {"steps_per_run": 3},
        {"batch_size": 70},
        {"batch_size": 100},
    )
    for runs in train_in_each(EXACT, tmp_path, fits=fits, model="softmax_regression"):
        assert_same(runs["chunks"], runs["feed"])
        assert_same(runs["resident"], runs["feed"])


def test_augmented_images_agree_to_the_bit(tmp_path):
    executions = ("feed", "chunks", "resident", "auto")
    (runs,) = train_in_each(executions, tmp_path, augment=True, keep_prob=1.0, model="softmax_regression")
    for execution in executions[1:]:
        assert_same(runs[execution], runs["feed"])


@pytest.mark.slow
def test_a_run_resumed_in_another_execution_ends_with_the_same_bits(tmp_path):
    whole = train("feed", "softmax_regression", epochs=3)
    for epochs, execution in enumerate(EXACT, 1):
        got = train(execution, "softmax_regression", epochs=epochs, logdir=tmp_path, fit={"resume": True})
    assert_same(got, whole)


def test_a_loss_that_is_not_finite_is_named_with_its_step():
    def rate(step):
        return 1e38 if step == 7 else 0.01

    messages = []
    for execution in EXACT:
        with pytest.raises(gk.GraphkitError, match=r"not finite at step \d+, batch \d+ of epoch") as caught:
            train(execution, "softmax_regression", optimizer="sgd", learning_rate=rate, epochs=4)
        messages.append(str(caught.value).split(";")[0])
    assert len(set(messages)) == 1


def said(caplog, execution="auto", **arguments):
    caplog.clear()
    caplog.set_level(logging.INFO, "graphkit")
    train(execution, **arguments)
    (line,) = (r.getMessage() for r in caplog.records if r.getMessage().startswith('execution "'))
    return line


def test_auto_says_what_it_takes_and_why(caplog):
    """The table of what is chosen and why is in test_execution.py."""
    few = 'execution "resident" (10 steps are not worth compiling)'
    assert said(caplog, model="softmax_regression") == few
    assert said(caplog, model="softmax_regression", epochs=60) == 'execution "compiled"'


def test_a_callback_that_looks_at_each_step_sees_the_weights_of_that_step(caplog):
    seen = []

    class Look(gk.Callback):
        def on_step(self, trainer, metrics):
            seen.append(
                (trainer.step, int(trainer.session.run(trainer.training_step.global_step)), metrics["loss"])
            )

    line = said(caplog, model="softmax_regression", fit={"callbacks": [Look()]})
    assert line == 'execution "feed" (a callback looks at each step)'
    assert [(step, step) for step, _, _ in seen] == [(step, inside) for step, inside, _ in seen]


def foreign(make):
    """Returns a fit of a one-weight model into whose loss `make(x)` goes."""

    def run(execution="auto"):
        with tf.Graph().as_default():
            x = tf.compat.v1.placeholder(tf.float32, (None, 1), "x")
            w = tf.compat.v1.get_variable("w", (), use_resource=True)
            loss = tf.reduce_mean((w * make(x) - 1.0) ** 2)
            with gk.Trainer(loss) as trainer:
                trainer.fit({x: np.ones((20, 1))}, batch_size=5, progress=False, execution=execution)

    return run


def python(x):
    return tf.ensure_shape(tf.numpy_function(lambda v: v, [x], tf.float32), x.shape)


def eager_python(x):
    return tf.ensure_shape(tf.py_function(lambda v: v, [x], tf.float32), x.shape)


def unigram(x):
    """Adds what an op draws that cannot be keyed."""
    options = {"num_true": 1, "num_sampled": 2, "unique": False, "range_max": 3, "unigrams": [0.2, 0.3, 0.5]}
    drawn = tf.raw_ops.FixedUnigramCandidateSampler(true_classes=[[0]], **options).sampled_candidates
    return x + tf.cast(drawn[0], tf.float32)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (python, "Python functions"),
        (
            lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: python(x), lambda: x),
            "Python functions (PyFunc (in cond))",
        ),
        (
            lambda x: tf.while_loop(lambda i, _: i < 2, lambda i, a: (i + 1, python(a)), (0, x))[1],
            "Python functions (PyFunc (in while))",
        ),
        (
            tf.function(lambda x: tf.function(eager_python, autograph=False)(x), autograph=False),
            "Python functions (EagerPyFunc (in StatefulPartitionedCall))",
        ),
        (unigram, "follow from the state of a kernel"),
    ],
    ids=["numpy_function", "condition", "loop", "functions", "random"],
)
def test_graphs_that_cannot_be_copied_are_fed_with_the_reason(make, reason, caplog):
    caplog.set_level(logging.INFO, "graphkit")
    with control_flow.of_functions():
        foreign(make)()
    assert 'execution "feed" (' in caplog.text and reason in caplog.text


def test_a_graph_that_cannot_be_resumed_to_the_same_bits_is_named(caplog):
    foreign(unigram)()
    assert (
        "FixedUnigramCandidateSampler draws from the state of a kernel: a resumed run would not"
        in caplog.text
    )
    caplog.clear()
    foreign(lambda x: x + tf.random.normal(tf.shape(x)))("feed")
    assert "state of a kernel" not in caplog.text


def noisy(x):
    """What programs write that know nothing of graphkit."""
    net = tf.nn.relu(gk.dense(x, 6)) + tf.random.normal((6,), stddev=0.1)
    net = tf.nn.dropout(net, rate=0.4) * tf.random.truncated_normal(tf.shape(net), mean=1.0, stddev=0.1)
    return net * tf.cast(1 + tf.random.uniform((6,), 0, 3, tf.int32), tf.float32)


@pytest.mark.slow
def test_random_ops_of_any_graph_draw_by_seed_and_step():
    def run(execution, seed=1, epochs=2, logdir=None):
        with tf.Graph().as_default():
            x, y = gk.feature_input(3), gk.label_input()
            loss = gk.softmax_cross_entropy(gk.dense(noisy(x), 2), y)
            points = np.random.default_rng(1).normal(size=(40, 3)).astype(np.float32)
            data = {x: points, y: (points[:, 0] > 0).astype(np.int32)}
            options = {"batch_size": 7, "execution": execution, "progress": False}
            with gk.Trainer(loss, seed=seed, logdir=logdir) as trainer:
                history = trainer.fit(data, epochs=epochs, resume=logdir is not None, **options)
                return trainer.session.run(trainer.graph.get_collection("variables")), history

    expected = run("feed")
    for execution in ("chunks", "resident", "auto"):
        assert_same(run(execution), expected)
    assert run("feed", seed=2)[1]["loss"] != expected[1]["loss"]


def test_dropout_of_other_programs_keeps_its_share_and_changes_with_the_step():
    kept = []
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, (None, 1000), "x")
        w = tf.compat.v1.get_variable("w", (), initializer=tf.compat.v1.ones_initializer(), use_resource=True)
        mask = tf.cast(tf.nn.dropout(x, rate=0.3) > 0, tf.float32)
        loss = tf.reduce_mean(mask) + 0 * w
        with gk.Trainer(loss) as trainer:
            for _ in range(4):
                kept += trainer.fit({x: np.ones((64, 1000))}, batch_size=64, progress=False)["loss"][-1:]
    sigma = (0.3 * 0.7 / 64_000) ** 0.5
    assert len(set(kept)) == 4 and all(abs(share - 0.7) < 5 * sigma for share in kept)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_uniform_numbers_fill_the_interval(dtype):
    dtype = tf.as_dtype(dtype)
    drawn = counter_random.uniform([1 << 16], counter_random.mask_key(1, 2, "x"), dtype)
    with tf.compat.v1.Session() as session:
        values = session.run(tf.cast(drawn, tf.float64))
    assert drawn.dtype == dtype and values.min() >= 0 and values.max() < 1
    counts = np.histogram(values, 16, (0, 1))[0]
    assert abs(counts - 4096).max() < 5 * 4096**0.5


def train_on(given, executions, folder, **fit_options):
    """Returns for each of the given images {execution: (all variables, history)}, all from one start."""
    with tf.Graph().as_default():
        loss, data, feed, _ = build("softmax_regression", 0.7)
        images, labels = data
        with gk.Trainer(loss, seed=3) as trainer:
            fit = fits_from_the_start(trainer, folder)
            options = {"batch_size": 16, **fit_options}
            return [
                {e: fit({images: kind, labels: LABELS}, feed, 2, execution=e, **options) for e in executions}
                for kind in given
            ]


@pytest.mark.slow
def test_images_given_as_floats_train_to_the_same_bits_as_uint8(tmp_path, caplog):
    caplog.set_level(logging.INFO, "graphkit")
    executions = (*EXACT, "compiled")
    floats, pixels = train_on([gk.scale_pixels(IMAGES), IMAGES], executions, tmp_path)
    for execution in EXACT:
        assert_same(floats[execution], pixels["feed"])
    assert caplog.text.count('execution "compiled"') == 2
    assert_close(floats["compiled"], pixels["compiled"])


@pytest.mark.slow
def test_products_by_large_transposed_matrices_agree_in_all_executions():
    def run(execution):
        with tf.Graph().as_default():
            x, y = gk.feature_input(3), gk.label_input()
            net = gk.dense(gk.dense(x, 512, gk.relu), 512, gk.relu)  # the gradient takes 2**18 weights
            loss = gk.softmax_cross_entropy(gk.dense(net, 3), y)
            with gk.Trainer(loss, seed=1) as trainer:
                types = [op.type for op in trainer.graph.get_operations()]
                slow = [op for op in trainer.graph.get_operations() if products.is_slow(op)]
                assert "MatMul" in types and len(slow) == 1
                options = {"batch_size": 16, "progress": False, "execution": execution}
                history = trainer.fit({x: POINTS, y: LABELS}, epochs=3, **options)
                return trainer.session.run(trainer.graph.get_collection("variables")), history

    expected = run("feed")
    for execution in ("chunks", "resident"):
        assert_same(run(execution), expected)
    np.testing.assert_allclose(run("compiled")[1]["loss"], expected[1]["loss"], rtol=1e-3)


@pytest.mark.parametrize("transpose_a", [False, True])
def test_a_rewritten_product_is_the_product(transpose_a):
    """In steps of gradient descent at rate 1, a weight moves by minus its gradient: here a product's mean."""
    with tf.Graph().as_default():
        shape = (512, None) if transpose_a else (None, 512)
        x = tf.compat.v1.placeholder(tf.float32, (None, 512), "x")
        matrix = np.random.default_rng(2).normal(size=(512, 512)).astype(np.float32)
        given = tf.ensure_shape(tf.transpose(x) if transpose_a else x, shape)
        product = tf.matmul(given, tf.constant(matrix), transpose_a=transpose_a, transpose_b=True)
        weight = tf.compat.v1.get_variable("w", (512,), initializer=tf.zeros_initializer(), use_resource=True)
        loss = tf.reduce_mean(tf.linalg.matvec(product, weight))
        points = np.random.default_rng(3).normal(size=(32, 512)).astype(np.float32)
        with gk.Trainer(loss, optimizer="sgd", learning_rate=1.0) as trainer:
            trainer.fit({x: points}, batch_size=32, progress=False)
            (got,) = trainer.session.run([weight])
    np.testing.assert_allclose(got, -(points @ matrix.T).mean(0), rtol=1e-4, atol=1e-4)


def test_what_xla_was_not_compared_at_falls_back_with_the_reason(caplog):
    caplog.set_level(logging.INFO, "graphkit")

    def unique_mean(x):
        return tf.reduce_mean(tf.strings.to_number(tf.strings.as_string(x)))

    foreign(unique_mean)("compiled")
    assert "XLA has not been compared with TensorFlow at AsString (AsString)" in caplog.text


def test_unknown_execution_and_steps_are_refused():
    with pytest.raises(ValueError, match="fit: execution must be one of 'auto', 'feed'"):
        train("fast")
    with pytest.raises(ValueError, match="fit: steps_per_run must be an integer of at least 1"):
        train("auto", fit={"steps_per_run": 0})


def test_data_of_other_dtypes_is_converted_as_in_feed():
    def run(execution):
        with tf.Graph().as_default():
            x, y = gk.feature_input(3), gk.label_input()
            loss = gk.softmax_cross_entropy(gk.dense(x, 2), y)
            wide = np.random.default_rng(1).normal(size=(40, 3))
            with gk.Trainer(loss) as trainer:
                history = trainer.fit(
                    {x: wide, y: (wide[:, 0] > 0).astype(np.uint8)},
                    epochs=2,
                    batch_size=7,
                    execution=execution,
                    progress=False,
                )
                return trainer.session.run(trainer.graph.get_collection("variables")), history

    expected = run("feed")
    for execution in ("chunks", "resident", "auto"):
        assert_same(run(execution), expected)


def test_memory_mapped_data_is_given_in_chunks(tmp_path, caplog):
    caplog.set_level(logging.INFO, "graphkit")
    np.save(tmp_path / "images.npy", IMAGES)
    loss, data, feed, _ = build("softmax_regression", 1.0)
    images, labels = data
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    with gk.Trainer(loss) as trainer:
        trainer.fit({images: mapped, labels: LABELS}, feed, progress=False)
        trainer.fit({images: np.asarray(mapped), labels: LABELS}, feed, progress=False)
    assert caplog.text.count('execution "chunks"') == 2


def test_a_large_mapped_file_trains_to_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "LARGE_FILE", 1)
    monkeypatch.setattr(steps, "RELEASED_BATCHES", 2)
    np.save(tmp_path / "images.npy", IMAGES)
    given = np.load(tmp_path / "images.npy", mmap_mode="r"), IMAGES
    mapped, in_memory = train_on(given, EXACT, tmp_path)
    for execution in EXACT:
        assert_same(mapped[execution], in_memory["feed"])


def losses_of(build, execution):
    """Returns the losses of a small training of what build(inputs) makes, in a graph of its own."""
    with tf.Graph().as_default():
        inputs, labels = gk.feature_input(4), gk.label_input()
        loss = gk.softmax_cross_entropy(gk.dense(build(inputs), 2), labels)
        data = {inputs: np.eye(4, dtype=np.float32), labels: np.arange(4) % 2}
        with gk.Trainer(loss, seed=1, learning_rate=0.1) as trainer:
            settings = {"epochs": 3, "batch_size": 2, "execution": execution, "progress": False}
            return trainer.fit(data, **settings)["loss"]


@pytest.mark.grid
@pytest.mark.parametrize("execution", ["resident", "compiled"])
def test_dropout_in_a_condition_of_tensorflow_1(execution):
    def build(inputs):
        flag = tf.compat.v1.placeholder_with_default(True, ())
        return tf.cond(flag, lambda: gk.dropout(inputs, 0.5), lambda: inputs * 1)

    with control_flow.of_functions(False):
        assert losses_of(build, execution) == losses_of(build, "feed")


@pytest.mark.parametrize("execution", ["resident", "compiled"])
def test_a_default_that_depends_on_the_examples(execution):
    def build(inputs):
        return tf.compat.v1.placeholder_with_default(2 * inputs, (None, 4))

    assert losses_of(build, execution) == losses_of(build, "feed")
