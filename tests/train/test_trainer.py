"""The trainer as a user drives it: fit, evaluate, predict, save, restore, resume."""

import csv
import math

import numpy as np
import pytest
import tensorflow as tf
from references import KINDS, POINTS, Problem, everything, same, value

import graphkit as gk


def fitted(epochs=3, seed=7, batch_size=16, dropout=True, batch_norm=True, **options):
    """Returns (all variables, history) of a run in a graph of its own."""
    with tf.Graph().as_default():
        problem = Problem(dropout, batch_norm)
        with problem.trainer(seed=seed, **options) as trainer:
            feed = {problem.keep_prob: 0.5}
            history = trainer.fit(problem.data, feed, epochs, batch_size=batch_size, progress=False)
            return everything(trainer), history


def test_fit_learns_and_keeps_every_figure():
    problem = Problem()
    with problem.trainer(learning_rate=0.02) as trainer:
        history = trainer.fit(problem.data, epochs=20, batch_size=16, valid=problem.data, progress=False)
    assert list(history) == [
        "epoch", "step", "loss", "accuracy", "valid_loss", "valid_accuracy",
        "learning_rate", "seconds", "examples_per_second",
    ]  # fmt: skip
    assert history["epoch"] == list(range(1, 21))
    assert history["step"] == [5 * epoch for epoch in range(1, 21)]
    assert history["valid_accuracy"][-1] > 0.95
    assert all(len(column) == 20 for column in history.values())


def test_step_by_step_equals_a_hand_written_loop():
    names = ("hidden/kernel", "hidden/bias", "logits/kernel", "logits/bias")
    problem = Problem(dropout=True)
    with problem.trainer(optimizer="momentum", learning_rate=0.1, seed=3) as trainer:
        start = value(trainer, *names)
        trainer.fit(problem.data, {problem.keep_prob: 0.5}, epochs=2, batch_size=16, progress=False)
        got = value(trainer, *names)
    with tf.Graph().as_default() as graph:
        problem = Problem(dropout=True)
        step = tf.compat.v1.train.get_or_create_global_step()
        update = tf.compat.v1.train.MomentumOptimizer(0.1, 0.9).minimize(problem.loss, step)
        (seed,), (number,) = (graph.get_collection(f"graphkit_{name}") for name in ("seed", "step"))
        variables = tf.compat.v1.trainable_variables()
        begin = [variable.assign(first) for variable, first in zip(variables, start, strict=True)]
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            session.run(begin)
            for epoch in range(2):
                order = gk.epoch_order(70, 3, epoch)
                for place, first in enumerate(range(0, 70, 16)):
                    chosen = order[first : first + 16]
                    feed = {problem.points: POINTS[chosen], problem.kinds: KINDS[chosen]}
                    session.run(update, {**feed, problem.keep_prob: 0.5, seed: 3, number: 5 * epoch + place})
            expected = session.run(variables)
    assert same(got, expected)


@pytest.mark.grid
@pytest.mark.parametrize("execution", ["feed", "chunks", "resident", "compiled"])
@pytest.mark.parametrize("own", [0, 0.0])
def test_a_programs_own_variable_global_step_changes_no_bit(own, execution):
    def train(own):
        problem = Problem(dropout=True)
        mine = None if own is None else tf.Variable(own, name="global_step", trainable=False)
        with problem.trainer(seed=3) as trainer:
            fed = {problem.keep_prob: 0.5}
            trainer.fit(problem.data, fed, batch_size=16, progress=False, execution=execution)
            counted = None if mine is None else trainer.session.run(mine)
            return counted, value(trainer, "hidden/kernel", "logits/kernel")

    weights = []
    for kind in (None, own):
        with tf.Graph().as_default():
            counted, trained = train(kind)
            weights.append(trained)
    assert same(*weights) and counted == (5 if isinstance(own, int) else 0)


def test_last_short_batch_is_included_by_default_and_dropped_on_request():
    sizes = []

    class Sizes(gk.Callback):
        def on_step(self, trainer, metrics):
            sizes.append(trainer.state.means.examples)

    problem = Problem()
    with problem.trainer() as trainer:
        trainer.fit(problem.data, batch_size=32, callbacks=[Sizes()], progress=False)
        trainer.fit(problem.data, batch_size=32, callbacks=[Sizes()], drop_remainder=True, progress=False)
    assert sizes == [32, 64, 70, 32, 64]


def test_every_example_is_seen_once_an_epoch_in_another_order():
    seen = []
    with tf.Graph().as_default():
        number, weight = gk.feature_input(1), tf.compat.v1.get_variable("w", (1,), use_resource=True)

        def note(values):
            seen.extend(values[:, 0].astype(int).tolist())
            return np.float32(0)

        noted = tf.numpy_function(note, [number], tf.float32)
        loss = tf.reduce_sum(weight) + tf.reshape(noted, ())
        with gk.Trainer(loss, seed=1) as trainer:
            numbers = np.arange(10, dtype=np.float32)[:, None]
            trainer.fit({number: numbers}, epochs=2, batch_size=3, progress=False)
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]
    assert seen == [*gk.epoch_order(10, 1, 0), *gk.epoch_order(10, 1, 1)]


def test_without_shuffle_examples_come_as_they_stand():
    problem = Problem()
    with problem.trainer(learning_rate=1e-9) as trainer:
        first = trainer.fit(problem.data, batch_size=70, shuffle=False, progress=False)["loss"][0]
        assert first == pytest.approx(trainer.evaluate(problem.data)["loss"], rel=1e-5)


def test_batch_norm_moves_its_averages_without_the_caller_doing_anything():
    problem = Problem(batch_norm=True)
    with problem.trainer(learning_rate=1e-9) as trainer:
        before = value(trainer, "norm/moving_mean")[0]
        trainer.fit(problem.data, epochs=300, batch_size=70, progress=False)
        after, hidden = value(trainer, "norm/moving_mean")[0], "hidden/BiasAdd:0"
        mean = trainer.session.run(hidden, {problem.points: POINTS}).mean(axis=0)
    assert not before.any()
    np.testing.assert_allclose(after, mean * (1 - 0.99**300), rtol=1e-3, atol=1e-5)


def test_same_seed_same_bits_and_other_seed_other_bits():
    first, again, other = fitted(seed=7), fitted(seed=7), fitted(seed=8)
    assert same(first[0], again[0]) and first[1]["loss"] == again[1]["loss"]
    assert first[1]["loss"] != other[1]["loss"]


@pytest.mark.parametrize(
    "optimizer",
    ["adam", *(pytest.param(o, marks=pytest.mark.slow) for o in ("sgd", "momentum", "adagrad", "rmsprop"))],
)
def test_stopped_and_resumed_run_ends_with_the_same_bits(optimizer, tmp_path):
    whole, history = fitted(epochs=4, optimizer=optimizer)
    for epochs in (1, 3, 4):
        with tf.Graph().as_default():
            problem = Problem(dropout=True, batch_norm=True)
            with problem.trainer(seed=7, optimizer=optimizer, logdir=tmp_path) as trainer:
                feed = {problem.keep_prob: 0.5}
                resumed = trainer.fit(problem.data, feed, epochs, batch_size=16, resume=True, progress=False)
                got = everything(trainer)
    assert same(got, whole)
    for figure in ("epoch", "step", "loss", "accuracy", "learning_rate"):
        assert resumed[figure] == history[figure]


def test_checkpoint_inside_an_epoch_resumes_to_the_same_bits(tmp_path):
    whole, history = fitted(epochs=2)

    class Halt(gk.Callback):
        def on_step(self, trainer, metrics):
            if trainer.step == 7:
                trainer.save()
                raise KeyboardInterrupt

    for callbacks, resume in (([Halt()], False), ([], True)):
        with tf.Graph().as_default():
            problem = Problem(dropout=True, batch_norm=True)
            with problem.trainer(seed=7, logdir=tmp_path) as trainer:
                arguments = (problem.data, {problem.keep_prob: 0.5}, 2)
                options = {"batch_size": 16, "callbacks": callbacks, "resume": resume, "progress": False}
                if callbacks:
                    with pytest.raises(KeyboardInterrupt):
                        trainer.fit(*arguments, **options)
                else:
                    resumed = trainer.fit(*arguments, **options)
                    assert same(everything(trainer), whole)
    assert resumed["loss"] == history["loss"]


def test_epochs_add_up_over_several_fits():
    problem = Problem()
    with problem.trainer(seed=7) as trainer:
        for _ in range(3):
            history = trainer.fit(problem.data, epochs=1, batch_size=16, progress=False)
        parts = everything(trainer)
    assert history["epoch"] == [1, 2, 3]
    assert same(parts, fitted(dropout=False, batch_norm=False)[0])


def test_schedule_is_a_function_of_the_step():
    problem = Problem()
    rates = []
    with problem.trainer(optimizer="sgd", learning_rate=lambda step: 0.1 * 0.5**step) as trainer:
        history = trainer.fit(problem.data, epochs=2, batch_size=35, progress=False)
    rates = [0.1 * 0.5**1, 0.1 * 0.5**3]  # of the last step of each epoch
    assert history["learning_rate"] == pytest.approx(rates)


def test_zero_learning_rate_changes_nothing_and_a_larger_one_changes_more():
    with tf.Graph().as_default():
        problem = Problem()
        with problem.trainer(optimizer="sgd", learning_rate=lambda step: 0.0) as trainer:
            before = everything(trainer)[:4]
            trainer.fit(problem.data, progress=False)
            assert same(everything(trainer)[:4], before)


def test_clip_norm_bounds_the_step():
    problem = Problem()
    with problem.trainer(optimizer="sgd", learning_rate=1.0, clip_norm=1e-3) as trainer:
        variables = trainer.graph.get_collection("trainable_variables")
        before = trainer.session.run(variables)
        trainer.fit(problem.data, batch_size=70, progress=False)
        after = trainer.session.run(variables)
    moved = math.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(after, before, strict=True)))
    assert moved == pytest.approx(1e-3, rel=1e-3)


def test_optimizer_object_and_function():
    with tf.Graph().as_default():
        problem = Problem()
        with problem.trainer(optimizer=tf.compat.v1.train.AdagradOptimizer(0.1)) as trainer:
            history = trainer.fit(problem.data, progress=False)
            assert "learning_rate" not in history
    with tf.Graph().as_default():
        problem = Problem()
        nesterov = lambda rate: tf.compat.v1.train.MomentumOptimizer(rate, 0.8, use_nesterov=True)  # noqa: E731
        with problem.trainer(optimizer=nesterov, learning_rate=0.5) as trainer:
            assert trainer.fit(problem.data, progress=False)["learning_rate"] == [0.5]


def test_variables_restrict_what_is_trained():
    problem = Problem()
    chosen = [v for v in tf.compat.v1.trainable_variables() if v.name.startswith("logits")]
    with problem.trainer(variables=chosen) as trainer:
        before = value(trainer, "hidden/kernel", "logits/kernel")
        trainer.fit(problem.data, progress=False)
        after = value(trainer, "hidden/kernel", "logits/kernel")
    assert np.array_equal(before[0], after[0]) and not np.array_equal(before[1], after[1])


def regularized(add_by_hand):
    points, kinds = gk.feature_input(3), gk.label_input()
    logits = gk.dense(points, 2, kernel_regularizer=lambda kernel: 0.5 * gk.l2_loss(kernel), name="logits")
    loss = gk.softmax_cross_entropy(logits, kinds)
    if add_by_hand:
        loss += tf.add_n(tf.compat.v1.get_collection(tf.compat.v1.GraphKeys.REGULARIZATION_LOSSES))
    return loss, {points: POINTS, kinds: KINDS}, logits, kinds


@pytest.mark.parametrize("add_by_hand", [False, True])
def test_regularization_losses_are_added_exactly_once(add_by_hand):
    loss, data, logits, kinds = regularized(add_by_hand)
    plain = gk.softmax_cross_entropy(logits, kinds)
    with gk.Trainer(loss, metrics={"plain": plain}) as trainer:
        metrics = trainer.evaluate(data)
        (kernel,) = value(trainer, "logits/kernel")
    assert metrics["loss"] - metrics["plain"] == pytest.approx(0.5 * (kernel**2).sum() / 2, rel=1e-4)


def test_regularization_of_what_is_not_trained_is_left_out_with_a_word(caplog):
    loss, data, _, _ = regularized(False)
    stranger = tf.compat.v1.get_variable("stranger", (2,), use_resource=True)
    tf.compat.v1.add_to_collection("regularization_losses", gk.l2_loss(stranger))
    trained = [v for v in tf.compat.v1.trainable_variables() if v is not stranger]
    with gk.Trainer(loss, variables=trained) as trainer:
        trainer.evaluate(data)
    assert "depends on no trainable variable that the loss depends on" in caplog.text


def test_faults_of_the_graph_are_logged_with_their_line_and_refused_by_strict(caplog):
    logits = gk.dense(gk.feature_input(2), 2)
    loss = gk.softmax_cross_entropy(gk.softmax(logits), gk.label_input())
    with pytest.raises(ValueError, match="(?s)Trainer: strict refuses .*test_trainer.py:.*softmax_twice"):
        gk.Trainer(loss, strict=True)
    gk.Trainer(loss).close()
    (record,) = (r for r in caplog.records if "softmax_twice" in r.getMessage())
    assert record.levelname == "WARNING" and "test_trainer.py:" in record.getMessage()


def test_strict_takes_a_sound_graph():
    loss = gk.softmax_cross_entropy(gk.mlp(gk.image_input(4, 4, 1)), gk.label_input()) + gk.l2_penalty(0.1)
    gk.Trainer(loss, strict=True).close()


def test_history_is_written_as_csv(tmp_path):
    problem = Problem()
    with problem.trainer(logdir=tmp_path / "new" / "run") as trainer:
        history = trainer.fit(problem.data, epochs=2, valid=problem.data, progress=False)
    with open(tmp_path / "new" / "run" / "history.csv") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["valid_loss"]) for row in rows] == history["valid_loss"]
    assert list(rows[0]) == list(history)


def test_a_line_for_each_epoch_and_no_bar_where_there_is_no_terminal(capsys):
    problem = Problem()
    with problem.trainer() as trainer:
        trainer.fit(problem.data, epochs=2, valid=problem.data)
    out, err = capsys.readouterr()
    assert [line[:9] for line in out.splitlines()] == ["epoch 1/2", "epoch 2/2"]
    for figure in ("loss", "accuracy", "valid_loss", "valid_accuracy", "examples/s"):
        assert out.count(figure) >= 2
    assert "epoch" not in err


def test_session_is_closed_whatever_happens():
    problem = Problem()
    with pytest.raises(ZeroDivisionError), problem.trainer() as trainer:
        raise ZeroDivisionError
    for use in (
        lambda: trainer.fit(problem.data),
        lambda: trainer.evaluate(problem.data),
        lambda: trainer.predict(problem.logits, {problem.points: POINTS}),
        lambda: trainer.save("x"),
        lambda: trainer.restore("x"),
    ):
        with pytest.raises(RuntimeError, match="the trainer is closed"):
            use()
    with pytest.raises(RuntimeError, match="closed"):
        trainer.session.run(trainer.training_step.loss)


def test_what_is_built_after_a_trainer_is_predicted_and_layers_and_trainers_are_refused():
    problem = Problem()
    place = r"test_trainer.py:\d+"
    with gk.Trainer(problem.loss) as trainer:
        found = trainer.predict(tf.nn.softmax(problem.logits), {problem.points: POINTS})
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
        reset = r"begin a new network with gk\.reset\(\), or in `with tf\.Graph\(\)\.as_default\(\):`"
        with pytest.raises(
            RuntimeError, match=rf"^dense: the Trainer made at .*{place} has .*{reset}.*{place}$"
        ):
            gk.dense(problem.logits, 2)
        with pytest.raises(ValueError, match=rf"^Trainer: the graph has a trainer already.*{place}.*{reset}"):
            gk.Trainer(problem.loss)
        shared = gk.dense(problem.points, 8, name="hidden", reuse=True)
        assert trainer.predict(shared, {problem.points: POINTS}).shape == (len(POINTS), 8)


def test_a_finalized_graph_takes_no_trainer():
    problem = Problem()
    problem.loss.graph.finalize()
    with pytest.raises(ValueError, match=r"^Trainer: the graph is finalized.*test_trainer.py:\d+"):
        gk.Trainer(problem.loss)


@pytest.mark.slow
def test_what_is_added_for_predictions_changes_no_bit_and_no_resume(tmp_path):
    def resumed(logdir, grows):
        for epochs in (1, 2):
            with tf.Graph().as_default():
                problem = Problem(dropout=True)
                feed, points = {problem.keep_prob: 0.5}, {problem.points: POINTS}
                with problem.trainer(seed=3, logdir=logdir) as trainer:
                    if grows and epochs == 2:
                        trainer.predict(tf.exp(problem.logits), points)
                    trainer.fit(problem.data, feed, epochs, batch_size=16, resume=epochs == 2, progress=False)
                    if grows:
                        trainer.predict(gk.dropout(problem.logits, problem.keep_prob), points, feed)
                        trainer.save()
                    found = everything(trainer)
        return found

    assert same(resumed(tmp_path / "as it was", False), resumed(tmp_path / "grown", True))


def test_loss_that_is_not_finite_stops_before_the_checkpoint(tmp_path):
    problem = Problem()
    schedule = lambda step: 0.01 if step < 5 else 1e38  # noqa: E731
    with problem.trainer(optimizer="sgd", learning_rate=schedule, logdir=tmp_path, seed=1) as trainer:
        with pytest.raises(gk.GraphkitError, match=r"fit: the loss is not finite at step \d+.*learning_rate"):
            trainer.fit(problem.data, epochs=3, batch_size=16, progress=False)
        trainer.restore()
        assert trainer.epoch == 1 and math.isfinite(trainer.evaluate(problem.data)["loss"])


def scalar_without_variables():
    return tf.reduce_mean(gk.feature_input(2))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda p: gk.Trainer(3.0), TypeError, "Trainer: loss must be a floating-point scalar tensor"),
        (lambda p: gk.Trainer(p.logits), ValueError, "Trainer: loss must be .*scalar.*shape=\\(None, 2\\)"),
        (lambda p: gk.Trainer(tf.argmax(p.logits[0])), ValueError, "dtype='int64'"),
        (lambda p: gk.Trainer(scalar_without_variables()), ValueError, "must depend on a trainable variable"),
        (lambda p: p.trainer(optimizer="adamm"), ValueError, "Trainer: optimizer must be one of 'sgd'"),
        (lambda p: p.trainer(optimizer=3), TypeError, "Trainer: optimizer must be a name"),
        (lambda p: p.trainer(learning_rate=0), ValueError, "learning_rate must be .*above 0"),
        (lambda p: p.trainer(learning_rate=1e39), ValueError, "learning_rate must be .*at most 3.4"),
        (lambda p: p.trainer(learning_rate="fast"), TypeError, "learning_rate must be a finite number"),
        (lambda p: p.trainer(seed=-1), ValueError, "seed must be an integer of at least 0"),
        (lambda p: p.trainer(seed=2**31), ValueError, "seed must be below"),
        (lambda p: p.trainer(clip_norm=0), ValueError, "clip_norm must be .*above 0"),
        (lambda p: p.trainer(device="/gpu:7"), ValueError, "the device must exist"),
        (lambda p: p.trainer(device="tpu"), ValueError, 'device must be "auto"'),
        (lambda p: p.trainer(variables=[]), ValueError, "variables must be a list of one or more variables"),
        (
            lambda p: gk.Trainer(p.loss, metrics={"loss": p.loss}),
            ValueError,
            "the history has a column 'loss' of its own",
        ),
        (
            lambda p: gk.Trainer(p.loss, metrics={"a": p.logits}),
            ValueError,
            r"tf.reduce_mean\(a\) is one number",
        ),
        (lambda p: gk.Trainer(p.loss, metrics=[p.loss]), TypeError, "metrics must be"),
        (
            lambda p: p.trainer(optimizer=tf.compat.v1.train.AdamOptimizer(), learning_rate=0.1),
            ValueError,
            "brings its own learning rate",
        ),
    ],
)
def test_bad_arguments_of_the_trainer(make, error, message):
    with pytest.raises(error, match=message):
        make(Problem())


def test_log_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"Trainer: logdir must be a folder that can be written.*file"):
        Problem().trainer(logdir=tmp_path / "file" / "run")


def test_data_that_does_not_fit_is_refused_before_the_first_step(tmp_path):
    problem = Problem()
    bad = {problem.points: POINTS}
    with problem.trainer(logdir=tmp_path) as trainer:
        before = everything(trainer)
        for call, function in (
            (lambda: trainer.fit(bad), "fit"),
            (lambda: trainer.evaluate(bad), "evaluate"),
            (lambda: trainer.fit(problem.data, valid=bad), r"fit \(valid\)"),
        ):
            with pytest.raises(ValueError, match=f"^{function}: placeholder labels:0 needs data"):
                call()
        assert same(everything(trainer), before) and trainer.step == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "fit: batch_size must be an integer of at least 1"),
        ({"batch_size": 2.5}, TypeError, "batch_size"),
        ({"epochs": -1}, ValueError, "epochs must be"),
        ({"batch_size": 71, "drop_remainder": True}, ValueError, "at least one whole mini-batch"),
        ({"resume": True}, ValueError, "resume needs a logdir"),
        ({"callbacks": [print]}, TypeError, "callbacks must be a list of gk.Callback"),
        ({"callbacks": [gk.EarlyStopping("valid_los")]}, ValueError, "monitor must be a metric"),
    ],
)
def test_bad_options_of_fit(options, error, message):
    problem = Problem()
    with problem.trainer() as trainer, pytest.raises(error, match=message):
        trainer.fit(problem.data, **options)


@pytest.mark.grid
@pytest.mark.parametrize("execution", ["auto", "resident", "chunks", "compiled"])
@pytest.mark.parametrize("dtype", ["U", "S", object])
def test_text_is_trained_on_as_by_a_step_by_step_feed(execution, dtype):
    def losses(execution):
        with tf.Graph().as_default():
            words, labels = tf.compat.v1.placeholder(tf.string, (None,)), gk.label_input()
            tokens = tf.strings.to_hash_bucket_fast(words, 50)
            loss = gk.softmax_cross_entropy(gk.dense(gk.embedding(tokens, 50, 4), 2), labels)
            data = {words: np.array("ab cd ef gh ij".split(), dtype), labels: np.array([0, 1, 0, 1, 1])}
            with gk.Trainer(loss, optimizer="sgd", learning_rate=0.5, seed=3) as trainer:
                return trainer.fit(data, epochs=20, batch_size=2, execution=execution, progress=False)["loss"]

    found = losses(execution)
    assert found[-1] < found[0]
    assert found == losses("feed")
