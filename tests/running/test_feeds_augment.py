"""Augmentation in `fit`: which rows it is given, by which seeds, and where it is left out."""

import numpy as np
import pytest
import tensorflow as tf
from references import Ended, StopAt

import graphkit as gk

rng = np.random.default_rng(2)
IMAGES = rng.integers(0, 256, (50, 6, 6, 1), np.uint8)
KINDS = (IMAGES[:, :3].mean(axis=(1, 2, 3)) > IMAGES[:, 3:].mean(axis=(1, 2, 3))).astype(np.int32)


class Problem:
    """A linear classifier of images in the current graph."""

    def __init__(self, **options):
        self.images, self.kinds = gk.image_input(6, 6, 1), gk.label_input()
        self.flat = gk.flatten(self.images)
        loss = gk.softmax_cross_entropy(gk.dense(self.flat, 2, name="logits"), self.kinds)
        # what reaches the graph: a mean over the batch of all pixels
        seen = gk.Metric(tf.reduce_mean(self.flat, axis=0), lambda mean, count: mean)
        self.trainer = gk.Trainer(loss, metrics={"seen": seen}, seed=9, **options)
        self.data = {self.images: IMAGES, self.kinds: KINDS}

    def fit(self, augment, images=IMAGES, **options):
        options = {"batch_size": 16, "progress": False, **options}
        augment = None if augment is None else {self.images: augment}
        return self.trainer.fit({self.images: images, self.kinds: KINDS}, augment=augment, **options)

    def variables(self):
        return [v.tobytes() for v in self.trainer.session.run(self.trainer.graph.get_collection("variables"))]


class Recorder:
    """An augmentation that keeps what it is given, and turns the images upside down."""

    def __init__(self):
        self.seeds, self.rows = [], []

    def __call__(self, rows, seed):
        self.seeds.append(tuple(seed))
        self.rows.append(rows.copy())
        return rows[:, ::-1].copy()


def test_seeds_follow_seed_and_step_and_rows_are_the_mini_batches():
    problem, recorder = Problem(), Recorder()
    with problem.trainer:
        problem.fit(recorder, epochs=2)
        problem.fit(recorder, epochs=1)
    steps = [(seed, rows) for seed, rows in zip(recorder.seeds, recorder.rows, strict=True) if any(seed)]
    assert [seed[:2] for seed, _ in steps] == [(9, step) for step in range(12)]
    assert len({seed for seed, _ in steps}) == 12
    for step, (_, rows) in enumerate(steps):
        epoch, batch = divmod(step, 4)
        chosen = gk.epoch_order(50, 9, epoch)[16 * batch : 16 * batch + 16]
        assert rows.dtype == np.uint8 and np.array_equal(rows, IMAGES[chosen])


def test_seeds_do_not_repeat_those_of_the_order():
    problem, recorder = Problem(), Recorder()
    with problem.trainer:
        problem.fit(recorder, epochs=2)
    drawn = {np.random.default_rng(seed).integers(2**62) for seed in recorder.seeds if any(seed)}
    assert not drawn & {np.random.default_rng([9, epoch]).integers(2**62) for epoch in range(20)}


def test_what_reaches_the_graph_is_augmented_then_scaled():
    problem = Problem(optimizer="sgd")
    with problem.trainer:
        history = problem.fit(Recorder(), epochs=1, shuffle=False)
        plain = problem.trainer.evaluate(problem.data)["seen"]
    expected = (IMAGES[:, ::-1].astype(np.float64) - 128) / 128
    np.testing.assert_allclose(history["seen"][0], expected.reshape(50, -1).mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(plain, (IMAGES.reshape(50, -1).mean(axis=0) - 128) / 128, atol=1e-6)


def test_float_rows_are_augmented_in_their_own_dtype():
    problem, recorder = Problem(), Recorder()
    with problem.trainer:
        problem.fit(recorder, images=IMAGES / 255)
    assert {rows.dtype for rows in recorder.rows} == {np.dtype(np.float64)}


def test_two_placeholders_are_augmented_alike():
    images, masks = gk.image_input(6, 6, 1), gk.image_input(6, 6, 1, name="masks")
    logits = gk.dense(gk.flatten(images), 36)
    difference = tf.reduce_max(tf.abs(images - masks))
    recorders = Recorder(), Recorder()
    with gk.Trainer(gk.mean_squared_error(logits, gk.flatten(masks)), metrics={"off": difference}) as trainer:
        augment = dict(zip((images, masks), recorders, strict=True))
        trainer.fit({images: IMAGES, masks: IMAGES}, augment=augment, progress=False)
        assert recorders[0].seeds == recorders[1].seeds and len(recorders[0].seeds) > 1
        jitter = gk.Augmentation(shift=2, rotate=20, flip=True)
        options = {"augment": {images: jitter, masks: jitter}, "epochs": 2, "progress": False}
        assert trainer.fit({images: IMAGES, masks: IMAGES}, **options)["off"] == [0, 0, 0]


def run(augment, logdir=None, epochs=3, halt_at=None, resume=False):
    """Returns (loss by epoch, all variables as bytes) of a run in a graph of its own."""
    with tf.Graph().as_default():
        problem = Problem(logdir=logdir)
        with problem.trainer:
            if halt_at:
                with pytest.raises(Ended):
                    problem.fit(augment, epochs=epochs, callbacks=[StopAt(halt_at)], resume=resume)
            else:
                problem.fit(augment, epochs=epochs, resume=resume)
            return problem.trainer.history.get("loss"), problem.variables()


JITTER = gk.Augmentation(shift=1, rotate=10, scale=0.1, flip=True, brightness=0.1)


def test_same_run_same_bits_and_other_than_without():
    whole = run(JITTER)
    assert run(gk.Augmentation(shift=1, rotate=10, scale=0.1, flip=True, brightness=0.1)) == whole
    plain, still = run(None), run(gk.Augmentation())
    assert plain == still  # an augmentation that does nothing changes nothing
    assert plain[0] != whole[0]


@pytest.mark.slow
def test_resumed_run_ends_with_the_same_bits(tmp_path):
    whole = run(JITTER)
    run(JITTER, tmp_path, epochs=1)
    run(JITTER, tmp_path, halt_at=7, resume=True)
    assert run(JITTER, tmp_path, resume=True) == whole


def test_evaluation_and_validation_see_the_data_as_it_is():
    problem, recorder = Problem(), Recorder()
    with problem.trainer as trainer:
        history = problem.fit(recorder, epochs=2, valid=problem.data)
        calls = len(recorder.seeds)
        metrics = trainer.evaluate(problem.data)
        flat = trainer.predict(problem.flat, {problem.images: IMAGES})
    assert calls == len(recorder.seeds)
    assert (
        len(list(filter(any, recorder.seeds))) == 2 * 4
    )  # besides the trials, which have the seed (0, 0, 0)
    assert history["valid_loss"][-1] == metrics["loss"]
    assert history["valid_seen"][-1] == metrics["seen"].tolist()
    assert np.array_equal(flat, (IMAGES.reshape(50, -1).astype(np.float32) - 128) / 128)


def test_data_in_the_users_hands_stays_as_it_is():
    def darken(rows, seed):
        rows //= 2  # in place
        return rows

    images = IMAGES.copy()
    problem = Problem()
    with problem.trainer:
        problem.fit(darken, images=images, epochs=2, shuffle=False)
    assert np.array_equal(images, IMAGES)


def test_memory_mapped_images(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    histories = []
    for images in (IMAGES, mapped):
        with tf.Graph().as_default():
            problem = Problem()
            with problem.trainer:
                histories.append(problem.fit(JITTER, images=images)["loss"])
    assert histories[0] == histories[1]


@pytest.mark.parametrize(
    ("change", "received"),
    [
        (lambda rows, seed: rows[:, 1:], r"\(1, 5, 6, 1\)|\(2, 5, 6, 1\)"),
        (lambda rows, seed: rows.astype(np.float32) / 255, "float32"),
        (lambda rows, seed: rows[:1], r"\(1, 6, 6, 1\)"),
        (lambda rows, seed: None, ""),
    ],
    ids=["shape", "dtype", "fewer rows", "nothing"],
)
def test_what_changes_shape_or_dtype_is_refused_before_the_first_step(change, received):
    problem = Problem()
    with problem.trainer as trainer:
        rule = f"fit: augment of images:0 must keep shape and dtype; received .*({received})"
        with pytest.raises(ValueError, match=rule):
            problem.fit(change)
        assert trainer.step == 0 and trainer.history == {}


def test_a_list_of_rows_is_no_array():
    problem = Problem()
    with problem.trainer as trainer:
        with pytest.raises((TypeError, ValueError), match="fit: augment of images:0"):
            problem.fit(lambda rows, seed: rows.tolist(), images=IMAGES / 255)
        assert trainer.step == 0


def test_unknown_placeholders_are_refused():
    stranger = gk.feature_input(3, name="stranger")
    problem = Problem()
    flip = lambda rows, seed: rows[:, ::-1]  # noqa: E731
    with problem.trainer as trainer:
        for key, error, message in (
            (stranger, ValueError, "fit: augment must name placeholders of data; received .*stranger:0"),
            (problem.flat, ValueError, "fit: keys must be placeholders of the trainer's graph"),
            ("label", ValueError, "fit: keys must name placeholders of the trainer's graph"),
        ):
            with pytest.raises(error, match=message):
                trainer.fit(problem.data, augment={key: flip}, progress=False)
        with tf.Graph().as_default(), pytest.raises(ValueError, match="fit: keys must be placeholders"):
            trainer.fit(problem.data, augment={gk.image_input(6, 6, 1): flip}, progress=False)
        assert trainer.step == 0


@pytest.mark.parametrize("augment", [JITTER, "flip", [1]])
def test_augment_that_is_no_dictionary_is_refused(augment):
    problem = Problem()
    with problem.trainer as trainer, pytest.raises(TypeError, match="fit: augment must be {placeholder: "):
        trainer.fit(problem.data, augment=augment, progress=False)


@pytest.mark.parametrize("change", ["flip", 3])
def test_augment_that_is_no_function_is_refused(change):
    problem = Problem()
    with problem.trainer, pytest.raises(TypeError, match="fit: augment .*function"):
        problem.fit(change)
