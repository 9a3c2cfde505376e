"""Runs of mini-batches: their order, what is prepared ahead, and that sizes change no result."""

import threading

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit import checks
from graphkit.data import batches
from graphkit.running import feeds, loops, steps, values
from graphkit.running import metrics as running_metrics


class Noted:
    """Steps that run nothing, and note what they are asked for."""

    def __init__(self, most=3, prefetches=False):
        self.most, self.prefetches = most, prefetches
        self.log, self.threads, self.ready = [], [], threading.Event()

    def next_count(self, left):
        return min(left, self.most)

    def prepare(self, selections, seeds):
        self.threads.append(threading.current_thread())
        self.log.append(("prepare", list(selections), list(seeds)))
        self.ready.set()
        return list(selections)

    def run(self, prepared, rates):
        self.log.append(("run", prepared, list(rates)))
        return [np.array([float(selection[0]) for selection in prepared])]

    def events(self, kind):
        return [entry[1:] for entry in self.log if entry[0] == kind]


SELECTIONS = [[number, number + 100] for number in range(8)]


@pytest.mark.parametrize("prefetches", [False, True])
def test_run_all_runs_everything_once_in_order(prefetches):
    noted = Noted(prefetches=prefetches)
    runs = list(steps.run_all(noted, SELECTIONS, rates_of=lambda places: [0.5 * p for p in places]))
    assert [taken for _, taken in runs] == [SELECTIONS[:3], SELECTIONS[3:6], SELECTIONS[6:]]
    assert [run.values[0].tolist() for run, _ in runs] == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert [run.rates for run, _ in runs] == [[0, 0.5, 1], [1.5, 2, 2.5], [3, 3.5]]
    assert {run.batch_size for run, _ in runs} == {2}
    assert [prepared for prepared, _ in noted.events("run")] == [taken for _, taken in runs]
    assert [prepared for prepared, _ in noted.events("prepare")] == [taken for _, taken in runs]


@pytest.mark.parametrize("prefetches", [False, True])
def test_nothing_to_run_is_no_run(prefetches):
    noted = Noted(prefetches=prefetches)
    assert list(steps.run_all(noted, [])) == [] and noted.log == []


def test_limits_and_seeds_are_asked_for_by_place():
    noted = Noted(most=100)
    limit = lambda place: 5 - place % 5  # noqa: E731
    runs = list(steps.run_all(noted, SELECTIONS, seed_of=lambda place: (9, place), limit=limit))
    assert [len(taken) for _, taken in runs] == [5, 3]
    seeds = [seed for _, seeds in noted.events("prepare") for seed in seeds]
    assert seeds == [(9, place) for place in range(8)]


def test_rates_are_asked_for_when_a_run_starts_prepared_or_not():
    for prefetches in (False, True):
        noted, factor = Noted(prefetches=prefetches), 1.0
        for number, (run, _) in enumerate(
            steps.run_all(noted, SELECTIONS, rates_of=lambda places: [factor] * len(places))  # noqa: B023
        ):
            assert run.rates == [factor] * len(run.rates)
            if prefetches and number < 2:
                assert noted.ready.wait(10)  # the next run may be prepared, and still takes the new rate
            factor /= 2
        assert [rates for _, rates in noted.events("run")] == [[1.0] * 3, [0.5] * 3, [0.25] * 2]


def test_a_thread_prepares_the_next_run_while_this_one_is_run():
    """Each run but the last waits until the next one has been prepared, which no other order allows."""

    class Waiting(Noted):
        def run(self, prepared, rates):
            if prepared[-1] != SELECTIONS[-1]:
                assert self.ready.wait(10)
            self.ready.clear()
            return super().run(prepared, rates)

        def prepare(self, selections, seeds):
            if selections[0] == SELECTIONS[0]:
                return list(selections)
            return super().prepare(selections, seeds)

    waiting = Waiting(prefetches=True)
    assert len(list(steps.run_all(waiting, SELECTIONS))) == 3
    assert all(thread is not threading.main_thread() for thread in waiting.threads)
    assert all(thread.name.startswith("graphkit-prefetch") for thread in waiting.threads)


def test_without_prefetching_everything_is_in_the_callers_thread():
    noted = Noted()
    list(steps.run_all(noted, SELECTIONS))
    assert set(noted.threads) == {threading.current_thread()}


def test_an_error_of_a_preparation_is_raised_after_the_runs_before_it():
    class Fails(Noted):
        def prepare(self, selections, seeds):
            if selections[0] == SELECTIONS[3]:
                raise OSError("gone")
            return super().prepare(selections, seeds)

    for prefetches in (False, True):
        seen = []
        with pytest.raises(OSError, match="gone"):
            seen.extend(taken for _, taken in steps.run_all(Fails(prefetches=prefetches), SELECTIONS))
        assert seen == [SELECTIONS[:3]]


def test_a_generator_that_is_closed_leaves_no_thread():
    runs = steps.run_all(Noted(prefetches=True), SELECTIONS)
    next(runs)
    runs.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("graphkit-prefetch")]


def test_slices_may_have_a_shorter_last_one():
    class Slices(Noted):
        def run(self, prepared, rates):
            return [np.zeros(len(prepared))]

    slices = [slice(0, 4), slice(4, 8), slice(8, 9)]
    runs = list(steps.run_all(Slices(most=1), slices))
    assert [run.batch_size for run, _ in runs] == [4, 4, 1]
    assert [taken for _, taken in runs] == [[part] for part in slices]


def test_head_and_last_of_a_run():
    run = steps.Run([np.arange(3), np.arange(6).reshape(3, 2)], [0.1, 0.2, 0.3], 16)
    head, last = run.head(2), run.last()
    assert [value.tolist() for value in head.values] == [[0, 1], [[0, 1], [2, 3]]]
    assert (head.rates, head.batch_size) == ([0.1, 0.2], 16)
    assert [value.tolist() for value in last.values] == [[2], [[4, 5]]]
    assert (last.rates, last.batch_size) == ([0.3], 16)
    assert run.head(0).values[0].shape == (0,) and run.head(0).rates == []
    assert run.head(9).rates == run.rates


def test_a_run_without_rates_stays_one():
    run = steps.Run([np.arange(3)], [], 4)
    assert run.head(2).rates == run.last().rates == []


# Of a graph.

POINTS = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
KINDS = (POINTS.sum(axis=1) > 0).astype(np.int32)


def test_evaluation_does_not_depend_on_the_batch_size(fresh_graph):
    points, kinds = gk.feature_input(3), gk.label_input()
    logits = gk.dense(points, 2)
    metrics = {
        "loss": running_metrics.loss_metric(gk.softmax_cross_entropy(logits, kinds)),
        "f1": gk.f1_score(logits, kinds),
        "matrix": gk.confusion_matrix(logits, kinds),
    }
    values = [metric.tensor for metric in metrics.values()]
    checker = checks.Checker("evaluate")
    examples = feeds.check_examples(checker, fresh_graph, {points: POINTS, kinds: KINDS}, None, values, {})
    found = {}
    with tf.compat.v1.Session() as session:
        session.run(tf.compat.v1.global_variables_initializer())
        for size in (1, 7, 49, 50, 1000):
            calls = []
            evaluator = steps.FeedSteps(session, values, examples, prefetches=size == 7)
            plan = batches.Plan(50, size, shuffle=False)
            after = lambda: calls.append(None)  # noqa: E731, B023
            found[size] = steps.evaluate(evaluator, plan, metrics, after)
            assert len(calls) == len(plan) == -(-50 // size)
    for size, got in found.items():
        assert got["loss"] == pytest.approx(found[50]["loss"], rel=1e-6), size
        assert got["f1"] == pytest.approx(found[50]["f1"], rel=1e-6), size
        np.testing.assert_allclose(got["matrix"], found[50]["matrix"], atol=1e-4)
    assert found[1]["matrix"].sum() == pytest.approx(50)


def test_feed_steps_feed_rows_constants_and_the_rate(fresh_graph):
    points, scale = gk.feature_input(3), tf.compat.v1.placeholder(tf.float32, ())
    rate = tf.compat.v1.placeholder(tf.float32, ())
    fetches = [points * scale, rate * 2, tf.no_op()]
    source = feeds.Source(points, POINTS, values.Limits(points, POINTS.dtype, ()))
    examples = feeds.Examples([source], {scale: np.float32(3)})
    with tf.compat.v1.Session() as session:
        feed = steps.FeedSteps(session, fetches, examples, rate)
        assert feed.next_count(10) == 1
        rows, doubled = feed.run(feed.prepare([np.array([4, 2])], [None]), [0.25])
    np.testing.assert_array_equal(rows, 3 * POINTS[np.newaxis, [4, 2]])
    assert doubled.tolist() == [0.5]  # the op without a value is left out


class Session:
    """Stands for a session whose loop returns nothing."""

    def make_callable(self, fetches, feed):
        return lambda *fed: []


@pytest.fixture
def empty_loop():
    rates = tf.compat.v1.placeholder(tf.float32, (None,))
    return loops.Loop({}, {}, {}, None, None, rates, [])  # of a graph without examples


def test_runs_take_as_many_steps_as_a_fifth_of_a_second_allows(empty_loop):
    nothing = feeds.Examples([], {})
    runner = steps.LoopSteps(Session(), empty_loop, nothing, False, None)
    assert [runner.next_count(5), runner.next_count(100)] == [5, 8]
    runner.run((8, np.zeros((8, 1)), []))
    assert runner.next_count(1000) == 32
    assert steps.LoopSteps(Session(), empty_loop, nothing, False, 7).next_count(1000) == 7


def test_runs_take_no_more_steps_than_allowed(empty_loop):
    nothing = feeds.Examples([], {})
    for count, most, expected in ((None, 5, 5), (7, 5, 5), (3, 5, 3), (1000, 1e9, 1000)):
        assert (
            steps.LoopSteps(Session(), empty_loop, nothing, False, count, most=most).next_count(5000)
            == expected
        )
