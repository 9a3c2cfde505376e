"""Streams give the bits of arrays, in every execution, and are checked as their mini-batches arrive."""

import importlib
import itertools

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit import checks

ROWS = 23
IMAGES = np.random.default_rng(0).integers(0, 256, (ROWS, 4, 4, 1)).astype(np.uint8)
LABELS = (np.arange(ROWS) % 3).astype(np.int64)
PARTS = [slice(start, min(start + 4, ROWS)) for start in range(0, ROWS, 4)]
# Made where no graph is: after `tf.disable_v2_behavior()` it is of the default graph, all the same.
DATASET = tf.data.Dataset.from_tensor_slices({"images": IMAGES, "labels": LABELS}).batch(4)
# Fails in the last mini-batch, which has 3 examples.
OF_FOUR = DATASET.map(lambda batch: {**batch, "labels": tf.ensure_shape(batch["labels"], (4,))})


def tuples():
    for part in PARTS:
        yield IMAGES[part], LABELS[part]


def dicts():
    for images, labels in tuples():
        yield {"images": images, "labels": labels}


def shuffled(epoch):
    order = np.random.default_rng([5, epoch]).permutation(ROWS)
    for part in PARTS:
        yield {"images": IMAGES[order[part]], "labels": LABELS[order[part]]}


class Loader:
    """Starts anew each time, as a PyTorch `DataLoader`."""

    def __iter__(self):
        return dicts()

    def __len__(self):
        return len(PARTS)


def darker(rows, seed):
    return rows // (1 + seed[1] % 2 if len(seed) > 1 else 1)


def make(seed=3, **options):
    """Returns a trainer and its placeholders, in a graph of its own."""
    with tf.Graph().as_default():
        images, labels = gk.image_input(4, 4, 1), gk.label_input()
        hidden = gk.dropout(gk.dense(gk.flatten(images), 5), gk.keep_prob_input())
        logits = gk.dense(hidden, 3, name="logits")
        loss = gk.softmax_cross_entropy(logits, labels)
        metrics = {"accuracy": gk.accuracy(logits, labels)}
        return gk.Trainer(loss, seed=seed, metrics=metrics, **options), images, labels


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A trainer for all tests that write no checkpoints, and a function that takes it back to its start."""
    trainer, images, labels = make()
    with trainer:
        start = trainer.save(tmp_path_factory.mktemp("start") / "model")

        def begin():
            trainer.callbacks = []
            trainer.restore(start)
            trainer.state.identity = trainer.state.plan = None
            return trainer

        begin.keys = images, labels
        yield begin


def trained(begin, data, epochs=3, **arguments):
    """Returns weights, history and execution of a fit from the start."""
    trainer = begin()
    arguments = {"progress": False, "augment": {"images": darker}, **arguments}
    history = trainer.fit(data, {"keep_prob": 0.8}, epochs, **arguments)
    measured = {name: history[name] for name in history if "second" not in name and "valid" not in name}
    return trainer.weights(), measured, trainer.runner.execution


def trained_in(folder, data, **arguments):
    """The same in a folder, by a trainer of its own."""
    trainer, *_ = make(logdir=folder)
    with trainer:
        return trained(lambda: trainer, data, **arguments)


def same(first, second):
    return all(np.array_equal(first[name], second[name]) for name in first) and first.keys() == second.keys()


ARRAYS = {"images": IMAGES, "labels": LABELS}
STREAMS = {
    "a dataset": DATASET,
    "a function": dicts,
    "a loader": Loader(),
    "tuples": {("images", "labels:0"): tuples},
    "tuples of a dataset": {
        ("images", "labels"): tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(4)
    },
}


@pytest.fixture(scope="module")
def reference(shared):
    return trained(shared, ARRAYS, batch_size=4, shuffle=False, execution="feed")


@pytest.mark.parametrize("name", STREAMS)
def test_streams_have_the_bits_of_arrays(name, shared, reference):
    weights, history, execution = trained(shared, STREAMS[name])
    assert execution == "chunks"
    assert same(weights, reference[0]) and history == reference[1]


@pytest.mark.parametrize("execution", ["feed", "chunks", "resident"])
def test_all_executions_have_the_same_bits(execution, shared, reference):
    weights, history, found = trained(shared, dicts, execution=execution, steps_per_run=2)
    assert found == ("chunks" if execution == "resident" else execution)
    assert same(weights, reference[0]) and history == reference[1]


def test_streams_validate(shared, reference):
    images, labels = shared.keys
    weights, *_ = trained(shared, {(images, labels): tuples}, valid=DATASET)
    assert same(weights, reference[0])
    trainer = shared()
    history = trainer.fit(ARRAYS, epochs=2, batch_size=4, valid=dicts, progress=False)
    assert history["valid_loss"][-1] == trainer.evaluate(ARRAYS, batch_size=4)["loss"]


def test_mini_batches_of_any_size_are_those_of_single_fits(shared):
    """One epoch of unequal mini-batches, and one fit of each mini-batch in turn."""
    sizes = [4, 4, 4, 2, 4, 1, 3, 1]
    starts = np.cumsum([0, *sizes])
    parts = [{"images": IMAGES[a:b], "labels": LABELS[a:b]} for a, b in itertools.pairwise(starts)]
    weights, history, _ = trained(shared, lambda: iter(parts), epochs=1, augment=None)
    assert history["step"] == [len(sizes)]
    trainer = shared()
    for part in parts:
        trainer.fit(part, {"keep_prob": 0.8}, batch_size=len(part["labels"]), shuffle=False, progress=False)
    assert same(weights, trainer.weights())


def test_padded_sequences_may_have_another_length_in_each_mini_batch():
    with tf.Graph().as_default():
        tokens = tf.compat.v1.placeholder(tf.int32, (None, None), "tokens")
        loss = tf.reduce_mean(gk.dense(tf.reduce_mean(gk.embedding(tokens, 9, 3), 1), 1) ** 2)
        with gk.Trainer(loss, optimizer="sgd") as trainer:
            arrays = [np.full((2, length), length, np.int32) for length in (3, 3, 5, 5, 2)]
            history = trainer.fit({"tokens": lambda: iter(arrays)}, epochs=2, progress=False)
            assert history["step"] == [5, 10] and trainer.runner.execution == "chunks"
            with pytest.raises(
                ValueError, match=r"fit, batch 1 of epoch 3: tokens:0 must lie in 0\.\.8, .*9"
            ):
                trainer.fit({"tokens": lambda: iter([arrays[0], arrays[0] + 6])}, progress=False)


def test_evaluate_and_predict_take_streams(shared):
    trainer = shared()
    images = shared.keys[0]
    logits = trainer.graph.get_tensor_by_name("logits/BiasAdd:0")
    wanted = trainer.evaluate(ARRAYS, batch_size=4)
    for stream in (DATASET, dicts, dicts()):
        assert trainer.evaluate(stream) == wanted
    rows = trainer.predict(logits, {images: lambda: (IMAGES[part] for part in PARTS)})
    assert np.array_equal(rows, trainer.predict(logits, {images: IMAGES}, batch_size=4))


def test_a_generator_is_for_one_epoch(shared):
    trainer = shared()
    assert trainer.fit(dicts(), progress=False)["step"] == [6]
    with pytest.raises(
        ValueError, match="fit: an iterator can be read only once, .* the function that makes"
    ):
        trainer.fit(dicts(), epochs=2, progress=False)
    with pytest.raises(ValueError, match=r"fit \(valid\): an iterator can be read only once"):
        trainer.fit(ARRAYS, epochs=2, valid=dicts(), progress=False)
    assert trainer.fit(dicts(), valid=dicts(), progress=False)["step"] == [6, 12]
    with pytest.raises(gk.GraphkitError, match="fit: an iterator can be read only once; give the function"):
        trainer.fit(dicts(), max_steps=7, progress=False)
    assert trainer.step == 18


def changed(number, **arrays):
    """Returns a function that yields the mini-batches, one of them changed."""

    def stream():
        for place, batch in enumerate(dicts()):
            yield {**batch, **arrays} if place == number else batch

    return stream


WRONG = {
    "labels:0 must lie in 0..2, which SparseSoftmaxCrossEntropyWithLogits takes": changed(
        3, labels=np.array([0, 1, 3, 2])
    ),
    "labels:0 must have the dtype of the first mini-batch, int64": changed(3, labels=np.zeros(4, np.int32)),
    "labels:0 takes int32": changed(3, labels=np.zeros(4)),
    "images:0 takes (None, 4, 4, 1)": changed(3, images=IMAGES[:4, :3]),
    "all arrays must have the same number of examples": changed(3, labels=np.zeros(3, int)),
    "each mini-batch must hold what the first one held": changed(3, more=np.zeros(3)),
}


@pytest.mark.parametrize("rule", WRONG)
def test_what_is_wrong_is_named_before_its_mini_batch_is_used(rule, shared):
    trainer = shared()
    with pytest.raises((ValueError, TypeError)) as caught:
        trainer.fit(WRONG[rule], progress=False, steps_per_run=1)
    assert str(caught.value).startswith(f"fit, batch 3 of epoch 1: {rule}")
    assert trainer.step == 3  # those before it were used
    with pytest.raises((ValueError, TypeError), match="evaluate, batch 3: "):
        trainer.evaluate(WRONG[rule])


REFUSED = [
    (changed(0, labels=np.array([0, 1, 3, 2])), {}, "fit, batch 0 of epoch 1: labels:0 must lie in"),
    (changed(0, label=LABELS[:4]), {}, r"keys must name placeholders .*near it: labels"),
    (lambda: iter([]), {}, "fit: the stream must have a mini-batch"),
    (lambda: tuples(), {}, r'as \{\("images", "labels"\): stream\}; received'),
    ({("images", "labels"): dicts}, {}, "must be a tuple of 2: images, labels"),
    ({("images",): tuples}, {}, r"must be a tuple of 1: images; received length=2"),
    ({("images", "labels"): IMAGES}, {}, "take a stream of tuples"),
    ({"images": dicts, "labels": LABELS}, {}, "a stream must be the one entry of data"),
    ({"images": lambda: iter([IMAGES])}, {}, "placeholder labels:0 needs data"),
    (lambda: 7, {}, "must return an iterable of mini-batches.*int"),
    (lambda size: dicts(), {}, r"takes nothing, or `epoch`.*needs=\['size'\]"),
    (DATASET, {"batch_size": 4}, "batch_size is not for a stream"),
    (DATASET, {"drop_remainder": True}, "drop_remainder is not for a stream"),
    (DATASET.unbatch(), {}, r"the stream yields single examples: batch them, as by dataset.batch\(128\)"),
    (DATASET.repeat(), {}, r"the dataset must end, so that an epoch does: .* dataset.take\(1000\)"),
    (DATASET.map(lambda d: {**d, "images": tf.sparse.from_dense(d["images"])}), {}, "must be dense tensors"),
]


def test_what_cannot_be_trained_on_is_refused_before_the_first_step(shared):
    trainer = shared()
    for data, arguments, rule in REFUSED:
        with pytest.raises((ValueError, TypeError), match=rule):
            trainer.fit(data, progress=False, **arguments)
    assert trainer.step == 0


def test_an_error_of_a_generator_is_raised_as_it_is_after_the_steps_before_it(shared):
    def failing():
        yield from list(dicts())[:2]
        raise KeyError("gone")

    trainer = shared()
    with pytest.raises(KeyError, match="gone"):
        trainer.fit(failing, progress=False)
    assert trainer.step == 2


def test_an_error_of_a_dataset_names_the_mini_batch(shared):
    trainer = shared()
    with pytest.raises(checks.GraphkitError, match="fit, batch 5 of epoch 1: the mini-batch cannot be read"):
        trainer.fit(OF_FOUR, progress=False)


def test_a_function_that_returns_an_iterator_that_was_read_is_named(shared):
    once = dicts()
    trainer = shared()
    with pytest.raises(ValueError, match="in epoch 2, too: a function must return a new iterator"):
        trainer.fit(lambda: once, epochs=2, progress=False)


def test_epochs_may_have_unequal_lengths(shared):
    def growing(epoch):
        yield from list(dicts())[: epoch + 1]

    _, history, _ = trained(shared, growing)
    assert history["step"] == [1, 3, 6]


def test_a_fit_ends_inside_an_epoch_of_a_stream_and_goes_on_there(shared, reference):
    trainer = shared()
    arguments = {"feed": {"keep_prob": 0.8}, "progress": False, "augment": {"images": darker}}
    trainer.fit(dicts, max_steps=4, **arguments)
    assert (trainer.epoch, trainer.batch) == (0, 4)
    trainer.fit(dicts, max_steps=2, **arguments)  # to the end of the epoch
    assert (trainer.epoch, trainer.batch) == (1, 0)
    trainer.fit(dicts, epochs=2, **arguments)
    assert same(trainer.weights(), reference[0])


class Killed(gk.Callback):
    """Saves a checkpoint at a step, and ends the fit there, as a kill would."""

    every_steps = 1

    def __init__(self, step):
        self.step = step

    def on_run_end(self, trainer):
        if trainer.step == self.step:
            trainer.save()
            raise KeyboardInterrupt


def reshuffled():
    """Returns a dataset with another order in each epoch."""
    return tf.data.Dataset.from_tensor_slices(ARRAYS).shuffle(ROWS, seed=4).batch(4)


@pytest.mark.slow
def test_a_resumed_run_has_the_bits_of_one_that_was_not_interrupted(tmp_path, shared):
    wanted = trained(shared, shuffled)
    with pytest.raises(KeyboardInterrupt):
        trained_in(tmp_path, shuffled, callbacks=[Killed(8)])
    weights, history, _ = trained_in(tmp_path, shuffled, resume=True)
    assert same(weights, wanted[0]) and history == wanted[1]


@pytest.mark.slow
@pytest.mark.parametrize("make_stream", [lambda: dicts, reshuffled])
@pytest.mark.parametrize("step", [5, 6, 14])
def test_streams_that_yield_the_same_again_resume_to_the_same_bits(make_stream, step, tmp_path, shared):
    wanted = trained(shared, make_stream())
    with pytest.raises(KeyboardInterrupt):
        trained_in(tmp_path, make_stream(), callbacks=[Killed(step)])
    weights, history, _ = trained_in(tmp_path, make_stream(), resume=True)
    assert same(weights, wanted[0]) and history == wanted[1]


@pytest.mark.slow
def test_a_run_of_another_stream_is_not_resumed(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        trained_in(tmp_path, dicts, callbacks=[Killed(4)])
    with pytest.raises(ValueError, match="another data"):
        trained_in(tmp_path, changed(0, labels=LABELS[4:8]), resume=True)
    with pytest.raises(
        ValueError, match="the 4 mini-batches that were trained on in epoch 1; received batches=2"
    ):
        trained_in(tmp_path, lambda: iter(list(dicts())[:2]), resume=True)


def with_infinity():
    """Yields what is finite, and makes the loss infinite: a logarithm of a batch of zeros."""
    for number in range(6):
        yield np.full((2, 1), float(number != 4), np.float32)


def logarithm(**options):
    with tf.Graph().as_default():
        x = gk.feature_input(1)
        w = gk.dense(x, 1, use_bias=False, kernel_initializer=tf.compat.v1.ones_initializer())
        return gk.Trainer(tf.reduce_mean(tf.math.log(w**2)), optimizer="sgd", learning_rate=1e-6, **options)


def test_a_loss_that_is_not_finite_is_found_by_reading_the_stream_again():
    for stream, op in ((with_infinity, "Log"), (with_infinity(), None)):
        with logarithm() as trainer, pytest.raises(gk.NotFiniteError) as caught:
            trainer.fit({"features": stream}, progress=False)
        report = caught.value.report
        assert (report.step, report.op, report.indices) == (4, op, (8, 9))
        assert op or "an iterator can be read only once" in report.reason


def test_a_stream_that_changes_is_noticed_when_it_is_read_again():
    turns = iter(range(9))

    def changing():
        turn = next(turns)
        for batch in with_infinity():
            yield batch + turn

    with logarithm() as trainer, pytest.raises(gk.NotFiniteError) as caught:
        trainer.fit({"features": changing}, progress=False)
    assert "the stream has another batch 0 in epoch 1 now" in caught.value.report.reason


def test_the_progress_bar_does_not_need_the_number_of_examples(capsys, shared):
    trainer = shared()
    trainer.fit(dicts, epochs=2)
    assert trainer.plan.examples_per_epoch == ROWS
    assert capsys.readouterr().out.count("epoch") == 2


def test_what_is_logged_says_that_the_number_of_steps_is_not_known(caplog, shared):
    with caplog.at_level("INFO", "graphkit"):
        trained(shared, dicts, epochs=1)
    assert 'execution "chunks" (the number of steps is not known)' in caplog.text


@pytest.mark.slow
def test_iterable_data_sets_of_hugging_face_are_streams(shared, reference):
    datasets = importlib.import_module("datasets")  # of the extra interop, and slow to import
    rows = datasets.Dataset.from_dict({"images": IMAGES.astype(int).tolist(), "labels": LABELS.tolist()})
    images = [IMAGES[part] for part in PARTS]
    assert [np.array(batch["images"]).shape for batch in rows.to_iterable_dataset().batch(4)] == [
        part.shape for part in images
    ]
    arrays = (
        rows.to_iterable_dataset().batch(4).map(lambda b: {**b, "images": np.array(b["images"], np.uint8)})
    )
    weights, history, _ = trained(shared, arrays)
    assert same(weights, reference[0]) and history == reference[1]
