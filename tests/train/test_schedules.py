"""Learning-rate schedules against TensorFlow 1's own, against figures by hand, and in a trainer."""

import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import graphkit as gk

V1 = tf.compat.v1.train
STEPS = [*range(0, 45), 99, 100, 101, 199, 200, 201, 1000, 54_321]


def in_tensorflow(make, steps):
    """Returns the rates of a TF1 schedule, a function of the global step's tensor, at these steps."""
    step = tf.compat.v1.placeholder(tf.int64, ())
    rate = make(step)
    with tf.compat.v1.Session() as session:
        return [float(session.run(rate, {step: number})) for number in steps]


@pytest.mark.parametrize("staircase", [False, True])
@pytest.mark.parametrize("name", ["exponential_decay", "inverse_time_decay"])
@pytest.mark.parametrize(
    ("rate", "decay_steps", "decay_rate"), [(0.5, 10, 0.9), (3.0, 7, 0.25), (1e-3, 1, 1.0)]
)
def test_decays_are_those_of_tensorflow(name, rate, decay_steps, decay_rate, staircase):
    schedule = getattr(gk, name)(rate, decay_steps, decay_rate, staircase=staircase)
    first, factor = tf.constant(rate, tf.float64), tf.constant(decay_rate, tf.float64)
    expected = in_tensorflow(
        lambda step: getattr(V1, name)(first, step, decay_steps, factor, staircase), STEPS
    )
    assert [schedule(step) for step in STEPS] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("boundaries", "rates"),
    [([10, 20, 100], [1.0, 0.5, 0.25, 0.125]), ([0, 1], [1.0, 4.0, 0.0]), ([200], [0.25, 0.5])],
)
def test_piecewise_constant_is_that_of_tensorflow(boundaries, rates):
    schedule = gk.piecewise_constant(boundaries, rates)
    expected = in_tensorflow(lambda step: V1.piecewise_constant(step, boundaries, rates), STEPS)
    assert [schedule(step) for step in STEPS] == expected  # the rates are exact in float32


@pytest.mark.parametrize(("rate", "decay_steps", "alpha"), [(0.1, 100, 0.0), (2.0, 200, 0.25), (1.0, 1, 0.5)])
def test_cosine_without_warm_up_is_that_of_tensorflow(rate, decay_steps, alpha):
    schedule = gk.cosine_decay(rate, decay_steps, final_rate=alpha * rate)
    expected = in_tensorflow(lambda step: V1.cosine_decay(rate, step, decay_steps, alpha), STEPS)
    assert [schedule(step) for step in STEPS] == pytest.approx(expected, rel=1e-5, abs=1e-6)  # in float32


def test_cosine_with_warm_up_by_hand():
    rate = gk.cosine_decay(1.0, 12, warmup_steps=4, final_rate=0.2)
    assert [rate(step) for step in range(4)] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    # t = 0, 1/4, 1/2, 3/4, 1 of the half cosine that starts at step 4: 0.2 + 0.8 * (1 + cos(pi t)) / 2
    root = math.sqrt(0.5)
    falling = [1.0, 0.6 + 0.4 * root, 0.6, 0.6 - 0.4 * root, 0.2]
    assert [rate(step) for step in (4, 6, 8, 10, 12)] == pytest.approx(falling)
    assert [rate(step) for step in (13, 500)] == [pytest.approx(0.2)] * 2


def test_staircase_stands_still_in_between():
    rate = gk.exponential_decay(0.5, 10, 0.5, staircase=True)
    assert [rate(step) for step in (0, 9, 10, 19, 20)] == [0.5, 0.5, 0.25, 0.25, 0.125]
    rate = gk.inverse_time_decay(0.5, 10, 1.0, staircase=True)
    assert [rate(step) for step in (0, 9, 10, 29, 30)] == [0.5, 0.5, 0.25, 0.5 / 3, 0.125]


rates = st.floats(1e-6, 10)
counts = st.integers(1, 500)
step_pairs = st.tuples(st.integers(0, 3000), st.integers(0, 3000)).map(sorted)


@settings(deadline=None)
@given(rates, counts, st.floats(1e-3, 1), st.booleans(), step_pairs)
def test_decays_fall_and_are_never_negative(rate, decay_steps, decay_rate, staircase, pair):
    early, late = pair
    for decay in (gk.exponential_decay, gk.inverse_time_decay):
        schedule = decay(rate, decay_steps, decay_rate, staircase=staircase)
        assert 0 <= schedule(late) <= schedule(early) <= schedule(0) == rate


@settings(deadline=None)
@given(rates, counts, st.data(), step_pairs)
def test_cosine_rises_in_the_warm_up_then_falls_to_the_final_rate(rate, decay_steps, data, pair):
    warmup = data.draw(st.integers(0, decay_steps - 1))
    final = data.draw(st.floats(0, 1)) * rate
    schedule = gk.cosine_decay(rate, decay_steps, warmup_steps=warmup, final_rate=final)
    early, late = (schedule(step) for step in pair)
    slack = 1e-12 * rate
    assert early >= 0 and late >= 0 and max(early, late) <= rate + slack
    if pair[1] <= warmup:
        assert early <= late + slack
    if pair[0] >= warmup:
        assert late <= early + slack
    assert schedule(warmup) == pytest.approx(rate)
    assert schedule(decay_steps) == schedule(decay_steps + pair[1]) == pytest.approx(final)


@settings(deadline=None)
@given(st.lists(st.integers(0, 300), unique=True, max_size=6).map(sorted), st.integers(0, 400), st.data())
def test_piecewise_constant_counts_the_boundaries_passed(boundaries, step, data):
    count = len(boundaries) + 1
    values = data.draw(st.lists(st.floats(0, 10), min_size=count, max_size=count))
    passed = sum(step > boundary for boundary in boundaries)
    assert gk.piecewise_constant(boundaries, values)(step) == values[passed]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: gk.exponential_decay(0, 10, 0.9), ValueError, "exponential_decay: learning_rate .*above 0"),
        (lambda: gk.exponential_decay("1", 10, 0.9), TypeError, "exponential_decay: learning_rate .*'1'"),
        (lambda: gk.exponential_decay(1, 0, 0.9), ValueError, "exponential_decay: decay_steps .*at least 1"),
        (lambda: gk.exponential_decay(1, 1.5, 0.9), TypeError, "exponential_decay: decay_steps .*integer"),
        (lambda: gk.exponential_decay(1, 10, 0), ValueError, "exponential_decay: decay_rate .*above 0"),
        (lambda: gk.exponential_decay(1, 10, 1.1), ValueError, "exponential_decay: decay_rate .*at most 1"),
        (lambda: gk.inverse_time_decay(-1, 1, 1), ValueError, "inverse_time_decay: learning_rate .*above 0"),
        (lambda: gk.inverse_time_decay(1, -3, 1), ValueError, "inverse_time_decay: decay_steps .*at least 1"),
        (lambda: gk.inverse_time_decay(1, 1, 0), ValueError, "inverse_time_decay: decay_rate .*above 0"),
        (lambda: gk.inverse_time_decay(1, 1, math.nan), ValueError, "inverse_time_decay: decay_rate"),
        (lambda: gk.piecewise_constant([2, 1], [1, 2, 3]), ValueError, "piecewise_constant: .*must increase"),
        (lambda: gk.piecewise_constant([2, 2], [1, 2, 3]), ValueError, "piecewise_constant: .*must increase"),
        (lambda: gk.piecewise_constant([1], [1, 2, 3]), ValueError, "piecewise_constant: .*one rate more"),
        (lambda: gk.piecewise_constant([-1], [1, 2]), ValueError, "piecewise_constant: boundaries"),
        (lambda: gk.piecewise_constant([1], [1, -2]), ValueError, "piecewise_constant: rates .*at least 0"),
        (lambda: gk.piecewise_constant([0.5], [1, 2]), TypeError, "piecewise_constant: boundaries .*integer"),
        (lambda: gk.piecewise_constant(100, [1, 2]), TypeError, "piecewise_constant: boundaries"),
        (lambda: gk.piecewise_constant([100], 0.1), TypeError, "piecewise_constant: rates"),
        (lambda: gk.cosine_decay(0, 10), ValueError, "cosine_decay: learning_rate .*above 0"),
        (lambda: gk.cosine_decay(1, 0), ValueError, "cosine_decay: decay_steps .*at least 1"),
        (
            lambda: gk.cosine_decay(1, 10, warmup_steps=-1),
            ValueError,
            "cosine_decay: warmup_steps .*at least 0",
        ),
        (
            lambda: gk.cosine_decay(1, 10, warmup_steps=10),
            ValueError,
            "cosine_decay: .*fewer than decay_steps.*10",
        ),
        (
            lambda: gk.cosine_decay(1, 10, final_rate=-0.1),
            ValueError,
            "cosine_decay: final_rate .*at least 0",
        ),
        (lambda: gk.cosine_decay(1, 10, final_rate=1.1), ValueError, "cosine_decay: final_rate .*at most"),
    ],
)
def test_bad_arguments_are_refused_by_message(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    "schedule",
    [
        gk.exponential_decay(0.5, 3, 0.5),
        gk.inverse_time_decay(0.5, 2, 1.0, staircase=True),
        gk.piecewise_constant([3, 8], [0.5, 0.25, 0.0]),
        gk.cosine_decay(0.5, 10, warmup_steps=3, final_rate=0.01),
    ],
    ids=["exponential", "inverse_time", "piecewise", "cosine"],
)
def test_a_trainer_moves_by_the_schedule_and_its_history_agrees(schedule):
    x = gk.feature_input(1)
    w = tf.compat.v1.get_variable("w", (), initializer=gk.zeros(), use_resource=True)
    loss = w * tf.reduce_mean(x)  # its gradient is 1 everywhere, so that w ends at minus the sum of rates
    with gk.Trainer(loss, optimizer="sgd", learning_rate=schedule) as trainer:
        history = trainer.fit({x: np.ones((16, 1))}, epochs=3, batch_size=4, progress=False)
        end = trainer.session.run(w)
    assert history["learning_rate"] == [schedule(3), schedule(7), schedule(11)]
    assert end == pytest.approx(-sum(schedule(step) for step in range(12)), rel=1e-5)


def test_a_schedule_that_leaves_its_range_is_refused_before_the_first_step():
    x = gk.feature_input(1)
    w = tf.compat.v1.get_variable("w", (), initializer=gk.zeros(), use_resource=True)
    with gk.Trainer(w * tf.reduce_mean(x), learning_rate=lambda step: 2.0 - step) as trainer:
        with pytest.raises(ValueError, match=r"Trainer: learning_rate\(3\) must be .*at least 0.*-1.0"):
            trainer.fit({x: np.ones((16, 1))}, batch_size=2, progress=False, execution="feed")
        assert trainer.step == 0


@pytest.mark.parametrize("rate", [1e39, 1e308, 10**400])
def test_rates_beyond_float32_are_refused(rate):
    for call in (
        lambda: gk.exponential_decay(rate, 10, 0.5),
        lambda: gk.inverse_time_decay(rate, 10, 0.5),
        lambda: gk.cosine_decay(rate, 10),
        lambda: gk.piecewise_constant([1], [0.1, rate]),
    ):
        with pytest.raises(ValueError, match="must be a finite number"):
            call()


def test_number_of_rates_is_compared_before_any_is_looked_at():
    with pytest.raises(
        ValueError, match="one rate more than boundaries; received boundaries=1, rates=1099511627776"
    ):
        gk.piecewise_constant([1], np.broadcast_to(0.1, (2**40,)))


@pytest.mark.parametrize(("power", "cycle"), [(1.0, False), (0.5, False), (2.0, True), (1.0, True)])
def test_polynomial_decay_is_that_of_tensorflow(power, cycle):
    for rate, decay_steps, final in ((0.5, 10, 0.0001), (2.0, 100, 0.0), (1.0, 1, 1.0)):
        schedule = gk.polynomial_decay(rate, decay_steps, final_rate=final, power=power, cycle=cycle)
        expected = polynomial(rate, decay_steps, final, power, cycle)
        assert [schedule(step) for step in STEPS] == pytest.approx(expected, rel=1e-5, abs=1e-6)  # in float32
    assert gk.polynomial_decay(1.0, 10)(10) == 0.0001  # TensorFlow's default


def polynomial(rate, *others):
    return in_tensorflow(lambda step: V1.polynomial_decay(rate, step, *others), STEPS)


@pytest.mark.parametrize(("t_mul", "m_mul", "alpha"), [(2.0, 1.0, 0.0), (1.0, 0.5, 0.0), (1.5, 0.9, 0.25)])
def test_cosine_decay_restarts_is_that_of_tensorflow(t_mul, m_mul, alpha):
    schedule = gk.cosine_decay_restarts(2.0, 10, t_mul=t_mul, m_mul=m_mul, final_rate=2 * alpha)
    # At a restart itself, rounding decides in TensorFlow whether the period before has ended.
    steps = [step for step in STEPS if step not in (25, 10, 20, 30, 40, 70, 100, 200, 1000)]
    expected = in_tensorflow(lambda step: V1.cosine_decay_restarts(2.0, step, 10, t_mul, m_mul, alpha), steps)
    # TensorFlow computes in float32, and the fraction of a period of thousands of steps from large numbers.
    assert [schedule(step) for step in steps] == pytest.approx(expected, rel=2e-3, abs=2e-3)
    assert [schedule(step) for step in steps[:36]] == pytest.approx(expected[:36], rel=1e-5, abs=1e-5)


def test_cosine_decay_restarts_by_the_paper():
    rate = gk.cosine_decay_restarts(1.0, 10, m_mul=0.5, final_rate=0.2)
    # Periods of 10, 20 and 40 steps from 0, 10 and 30; the tops are 0.2 + 0.8 * (1, 1/2, 1/4).
    assert [rate(step) for step in (0, 10, 30, 70)] == pytest.approx([1.0, 0.6, 0.4, 0.3])
    assert [rate(step) for step in (5, 20, 50)] == pytest.approx([0.6, 0.4, 0.3])
    long = gk.cosine_decay_restarts(1.0, 3, t_mul=3.0)
    starts = [3 * (3**number - 1) // 2 for number in range(1, 12)]
    assert [long(start) for start in starts] == [1.0] * 11 and all(long(start - 1) < 0.5 for start in starts)


def test_linear_warmup_goes_over_into_the_schedule():
    rate = gk.linear_warmup(gk.cosine_decay(0.5, 100, final_rate=0.1), 10)
    together = gk.cosine_decay(0.5, 110, warmup_steps=10, final_rate=0.1)
    assert [rate(step) for step in STEPS] == pytest.approx([together(step) for step in STEPS], rel=1e-12)
    constant = gk.linear_warmup(0.4, 3)
    assert [constant(step) for step in (0, 1, 2, 3, 1000)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4])
    assert gk.linear_warmup(0.4, 0)(0) == 0.4


def test_one_cycle_by_its_formula():
    # The top is at step 0.25 * 41 - 1 = 9.25, the end at 40.
    rate = gk.one_cycle(1.0, 41, warmup_fraction=0.25, initial_rate=0.2, final_rate=0.1)

    def between(first, second, part):
        return second + (first - second) * (1 + math.cos(math.pi * part)) / 2

    expected = [between(0.2, 1.0, step / 9.25) for step in range(10)]
    expected += [between(1.0, 0.1, (step - 9.25) / 30.75) for step in range(10, 41)]
    assert [rate(step) for step in range(41)] == pytest.approx(expected, rel=1e-12)
    assert rate(41) == rate(10**9) == pytest.approx(0.1)
    # PyTorch's OneCycleLR(max_lr=0.01, total_steps=10): steps 0, 2 (the top) and 9 by its defaults.
    default = gk.one_cycle(0.01, 10)
    assert [default(step) for step in (0, 2, 9)] == pytest.approx([0.0004, 0.01, 4e-8])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: gk.polynomial_decay(1, 0), ValueError, "polynomial_decay: decay_steps"),
        (lambda: gk.polynomial_decay(1, 9, power=0), ValueError, "polynomial_decay: power .*above 0"),
        (lambda: gk.polynomial_decay(1, 9, final_rate=2), ValueError, "polynomial_decay: final_rate"),
        (lambda: gk.cosine_decay_restarts(1, 0), ValueError, "cosine_decay_restarts: first_decay_steps"),
        (lambda: gk.cosine_decay_restarts(1, 9, t_mul=0.5), ValueError, "cosine_decay_restarts: t_mul"),
        (lambda: gk.cosine_decay_restarts(1, 9, m_mul=0), ValueError, "cosine_decay_restarts: m_mul"),
        (lambda: gk.linear_warmup("fast", 3), TypeError, "linear_warmup: schedule"),
        (lambda: gk.linear_warmup(0.1, -1), ValueError, "linear_warmup: warmup_steps .*at least 0"),
        (lambda: gk.one_cycle(1, 1), ValueError, "one_cycle: total_steps .*at least 2"),
        (lambda: gk.one_cycle(1, 9, warmup_fraction=1), ValueError, "one_cycle: warmup_fraction .*below 1"),
        (lambda: gk.one_cycle(1, 9, warmup_fraction=0.1), ValueError, "one_cycle: the warm-up .*one step"),
        (lambda: gk.one_cycle(1, 9, initial_rate=2), ValueError, "one_cycle: initial_rate .*at most"),
    ],
)
def test_bad_arguments_of_further_schedules(make, error, message):
    with pytest.raises(error, match=message):
        make()
