"""Dropout: what it keeps and scales, its noise shapes, its gradient, and what decides its masks."""

import math

import numpy as np
import pytest
import tensorflow as tf
from nn.mask_statistics import largest_correlation
from references import assert_gradients, normal, refused

import graphkit as gk
from graphkit.graph import control_flow
from graphkit.nn import counter_random, inputs

v1 = tf.compat.v1
COUNT = 1 << 16


def run(fetches, feed=None, step=0):
    """Runs in a new session, as a trainer does in a step."""
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        return session.run(fetches, {inputs.step_input(): step, **(feed or {})})


def test_dropout_changes_nothing_unless_keep_prob_is_fed():
    features, keep_prob = normal(30, 20), gk.keep_prob_input()
    np.testing.assert_array_equal(run(gk.dropout(features, keep_prob)), features)


def test_dropout_changes_nothing_with_keep_prob_one():
    features = normal(30, 20)
    for keep_prob in (1, 1.0, np.float32(1), np.int64(1), tf.constant(1.0)):
        np.testing.assert_array_equal(run(tf.identity(gk.dropout(features, keep_prob))), features)


@pytest.mark.parametrize("keep_prob", [0.1, 0.5, 0.9])
def test_dropout_scales_what_it_keeps_by_one_over_keep_prob(keep_prob):
    features = normal(200, 100)
    placeholder = gk.keep_prob_input()
    nets = [gk.dropout(features, keep_prob), gk.dropout(features, placeholder)]
    for outputs in run(nets, {placeholder: keep_prob}):
        kept = outputs != 0
        np.testing.assert_allclose(outputs[kept], features[kept] / keep_prob, rtol=1e-6)
        deviation = math.sqrt(keep_prob * (1 - keep_prob) / kept.size)
        assert abs(kept.mean() - keep_prob) < 5 * deviation + 2**-17


def test_keep_prob_may_be_a_placeholder_of_unknown_shape():
    keep_prob = v1.placeholder(tf.float32)  # as in the notes and tutorials of TensorFlow 1
    outputs = run(gk.dropout(tf.ones((100,)), keep_prob), {keep_prob: 0.5})
    assert set(outputs) == {0, 2}


def test_keep_prob_may_be_fed_anew_in_each_step():
    keep_prob = gk.keep_prob_input()
    net = gk.dropout(tf.ones((10_000,)), keep_prob)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        fractions = [(session.run(net, {keep_prob: value}) > 0).mean() for value in (0.2, 0.8, 1.0)]
    np.testing.assert_allclose(fractions, [0.2, 0.8, 1.0], atol=0.02)


def test_dropout_takes_any_shape():
    fed = v1.placeholder(tf.float32)
    net = gk.dropout(fed, 0.5)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        for shape in ((), (1,), (3,), (0,), (0, 5), (7, 0), (5, 7, 3), (1, 1, 1, 1, 9)):
            outputs = session.run(net, {fed: np.ones(shape)})
            assert outputs.shape == shape and np.isin(outputs, [0, 2]).all()


@pytest.mark.parametrize("known", [None, (None, 5), (None, None), (4, 5)])
def test_dropout_keeps_the_static_shape(known):
    net = gk.dropout(v1.placeholder(tf.float32, known), 0.5)
    assert net.shape.rank is None if known is None else net.shape.as_list() == list(known)


def test_dropout_keeps_the_dtype():
    dtypes = (tf.float16, tf.bfloat16, tf.float32, tf.float64)
    nets = [gk.dropout(tf.ones((100,), dtype), 0.5) for dtype in dtypes]
    assert tuple(net.dtype for net in nets) == dtypes
    for outputs in run([tf.cast(net, tf.float32) for net in nets]):
        assert set(outputs) == {0, 2}


NOISE_SHAPES = [  # shape, noise shape, the axes along which units are kept or dropped together
    ((64, 32), (None, 1), (1,)),
    ((64, 32), (1, None), (0,)),
    ((64, 32), [64, 1], (1,)),
    ((16, 5, 6, 8), (None, 1, 1, None), (1, 2)),
    ((64, 32), (1, 1), (0, 1)),
]


def test_units_are_kept_or_dropped_together_along_axes_of_one():
    nets = [gk.dropout(tf.ones(shape), 0.5, noise_shape) for shape, noise_shape, _ in NOISE_SHAPES]
    for outputs, (shape, _, shared) in zip(run(nets), NOISE_SHAPES, strict=True):
        assert outputs.shape == shape and np.isin(outputs, [0, 2]).all()
        np.testing.assert_array_equal(outputs.min(shared), outputs.max(shared))


def test_units_along_axes_of_none_are_kept_or_dropped_alone():
    outputs = run(gk.dropout(tf.ones((64, 32, 3)), 0.5, (None, None, 1)))
    assert (outputs.min(0) < outputs.max(0)).all() and (outputs.min(1) < outputs.max(1)).all()


def test_noise_shape_takes_batches_of_any_size():
    fed = gk.feature_input(32)
    net = gk.dropout(fed, 0.5, noise_shape=(None, 1))
    for batch in (0, 1, 7):
        assert run(net, {fed: np.ones((batch, 32))}).shape == (batch, 32)


def test_dropout_makes_no_variables():
    gk.dropout(tf.ones((2, 3)), 0.5)
    assert not v1.global_variables() and not v1.local_variables()


def test_dropout_can_be_used_first_where_variables_are_reused():
    with v1.variable_scope("net"):
        gk.dense(gk.dropout(tf.ones((2, 3)), 1.0), 4, name="a")
    with v1.variable_scope("net", reuse=True):
        gk.dense(gk.dropout(tf.ones((2, 3)), 0.5), 4, name="a")
    assert len(v1.trainable_variables()) == 2


# Gradients


@pytest.mark.parametrize("noise_shape", [None, (None, 1)])
def test_gradient_of_dropout_with_its_mask_held(noise_shape):
    fed = v1.placeholder(tf.float64, (6, 5))
    net = gk.dropout(fed, 0.6, noise_shape)
    assert_gradients(net, {fed: normal(6, 5, dtype=np.float64)}, {inputs.step_input(): 3})


def test_gradient_of_dropout_is_the_scaled_mask():
    ones = tf.ones((50, 20))
    net = gk.dropout(ones, 0.25)
    np.testing.assert_array_equal(*run([net, tf.gradients(net, ones)[0]]))


def test_dropped_units_pass_no_gradient_even_where_they_are_not_finite():
    net = gk.dropout(fed := tf.fill((1000,), np.float32(np.inf)), 0.5)
    outputs, gradient = run([net, *tf.gradients(net, fed)])
    assert set(outputs) == {0, np.inf} and set(gradient) == {0, 2}


# What decides the mask


def dropped(units=4096, keep_prob=0.5, name=None):
    """Returns gk.dropout of ones: the mask, scaled."""
    return gk.dropout(tf.ones((units,)), keep_prob, name=name)


def seed_input():
    (placeholder,) = v1.get_collection(inputs.SEED)
    return placeholder


def test_dropout_is_the_mask_of_its_seed_step_and_scope():
    net = dropped(name="drop")
    drawn = run(net, {seed_input(): 11}, step=13) > 0
    shape, scalars = tf.constant([4096]), (tf.constant(0.5), tf.constant(11), tf.constant(13))
    np.testing.assert_array_equal(drawn, run(counter_random.keep_mask(shape, *scalars, "drop/")))


def test_dropout_of_a_step_is_the_same_however_often_it_is_run():
    net = dropped()
    with v1.Session() as session:
        feed = {inputs.step_input(): 3}
        np.testing.assert_array_equal(session.run(net, feed), session.run(net, feed))


def test_dropout_is_the_same_in_another_session():
    net = dropped()
    np.testing.assert_array_equal(run(net, step=5), run(net, step=5))


def test_dropout_is_the_same_in_another_graph():
    first = run(dropped(), step=5)
    with tf.Graph().as_default():
        gk.relu(gk.dense(tf.ones((2, 3)), 4))
        np.testing.assert_array_equal(run(dropped(), step=5), first)


def test_dropout_changes_with_the_step():
    net = dropped(COUNT)
    assert largest_correlation([run(net, step=step) for step in range(6)]) < 5


def test_dropout_changes_with_the_seed():
    net = dropped(COUNT)
    assert largest_correlation([run(net, {seed_input(): seed}) for seed in range(6)]) < 5


def test_dropout_changes_with_the_graphs_seed():
    drawn = []
    for seed in range(4):
        with tf.Graph().as_default():
            v1.set_random_seed(seed)
            drawn.append(run(dropped(COUNT)))
    assert largest_correlation(drawn) < 5


def test_each_dropout_has_a_mask_of_its_own():
    nets = [dropped(COUNT) for _ in range(6)]
    with v1.variable_scope("net"):
        nets += [dropped(COUNT) for _ in range(2)]
    assert largest_correlation(run(nets)) < 5


def test_all_dropouts_share_one_seed_and_one_step(fresh_graph):
    dropped()
    with v1.variable_scope("net"):
        dropped()
    assert len(v1.get_collection(inputs.SEED)) == 1
    assert len(v1.get_collection(inputs.STEP)) == 1


# A program's own loop over session.run


def in_a_loop(fetches, runs):
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        return [session.run(fetches) for _ in range(runs)]


@pytest.mark.parametrize("counts", [False, True])
def test_a_loop_draws_new_masks_in_each_run_whether_or_not_it_counts_steps(counts):
    net = dropped()
    loss = tf.reduce_sum(gk.dense(net[None], 1))
    step = v1.train.create_global_step() if counts else None
    train = v1.train.GradientDescentOptimizer(0.0).minimize(loss, step)
    assert largest_correlation([masks for masks, _ in in_a_loop([net, train], 4)]) < 5


def test_a_loop_that_does_not_count_steps_trains_all_units():
    weights = v1.get_variable("weights", (200,), initializer=gk.zeros())
    loss = -tf.reduce_sum(gk.dropout(weights, 0.5))
    train = v1.train.GradientDescentOptimizer(1.0).minimize(loss)
    # After 30 steps of rate 1, the weights are twice the number of steps that kept them: of 60 at most.
    trained = in_a_loop([train, weights], 31)[-1][1]
    assert (trained > 0).all() and (trained < 60).all() and abs(trained.mean() - 30) < 4


def test_forward_and_backward_pass_of_a_run_have_one_mask():
    features = tf.ones((500,))
    net = gk.dropout(features, 0.5)
    for outputs, gradient in in_a_loop([net, tf.gradients(net, features)[0]], 3):
        np.testing.assert_array_equal(outputs, gradient)


def test_the_masks_of_a_session_follow_from_the_graphs_seed():
    def masks(seed, runs=3):
        with tf.Graph().as_default():
            v1.set_random_seed(seed)
            tf.zeros((seed,))  # another op, so that the numbers of ops differ
            return in_a_loop(dropped(name="drop"), runs)

    np.testing.assert_array_equal(masks(1), masks(1))
    assert largest_correlation([*masks(1), *masks(2)]) < 5


def test_a_program_may_make_its_global_step_before_or_after_dropout():
    dropped()
    after = v1.train.create_global_step()
    with tf.Graph().as_default():
        own = tf.Variable(0, name="global_step", trainable=False)
        dropped()
        assert (own.op.name, after.op.name) == ("global_step", "global_step")
        assert v1.global_variables() == [own]


@pytest.mark.parametrize("v2", [False, True])
def test_dropout_in_a_branch_of_a_condition_draws_new_masks_in_each_run(v2):
    with control_flow.of_functions(v2):
        net = tf.cond(v1.placeholder_with_default(True, ()), dropped, lambda: tf.zeros((4096,)))
        assert largest_correlation(in_a_loop(net, 4)) < 5


# Inside loops and functions


def repeated(x):
    return tf.while_loop(lambda i, _: i < 3, lambda i, a: (i + 1, gk.dropout(a, 0.5)), (0, x))[1]


def scanned(x):
    return tf.scan(lambda a, _: gk.dropout(a, 0.5), tf.zeros(3), initializer=x)


def in_a_branch_of_a_loop(x):
    def body(i, a):
        return i + 1, tf.cond(i < 3, lambda: gk.dropout(a, 0.5), lambda: a)

    return tf.while_loop(lambda i, _: i < 4, body, (0, x))[1]


@pytest.mark.grid
@pytest.mark.parametrize("v2", [False, True])
def test_each_iteration_of_a_loop_has_its_own_mask(v2):
    with control_flow.of_functions(v2):
        ones = tf.ones((COUNT,))
        loops = [make(ones) for make in (repeated, in_a_branch_of_a_loop)]
        rows = tf.map_fn(lambda row: gk.dropout(row, 0.5), tf.ones((3, COUNT)))
        *loops, carried, rows = run([*loops, scanned(ones), rows])
    near = {"atol": 6 / math.sqrt(COUNT)}
    for net in (*loops, carried[-1]):  # three masks of 1/2 keep 1/8, which is scaled by 8
        np.testing.assert_allclose((net > 0).mean(), 1 / 8, **near)
        np.testing.assert_array_equal(np.unique(net), [0, 8])
    np.testing.assert_allclose((rows > 0).mean(axis=1), [1 / 2] * 3, **near)
    np.testing.assert_allclose((rows > 0).all(axis=0).mean(), 1 / 8, **near)


def test_the_gradient_of_a_loop_goes_through_the_masks_of_its_iterations():
    ones = tf.ones((COUNT,))
    net = repeated(ones)
    outputs, gradient = run([net, tf.gradients(net, ones)[0]])
    np.testing.assert_array_equal(outputs, gradient)


@pytest.mark.parametrize("v2", [False, True])
def test_branches_and_functions_have_different_masks(v2):
    with control_flow.of_functions(v2):
        nets = [dropped(COUNT)]
        for _ in range(2):
            taken = v1.placeholder_with_default(True, ())
            nets.append(tf.cond(taken, lambda: dropped(COUNT), lambda: tf.zeros((COUNT,))))
            nets.append(tf.function(lambda: dropped(COUNT), autograph=False)())
        masks = np.array(run(nets)) > 0
    for place, mask in enumerate(masks):
        for other in masks[:place]:
            np.testing.assert_allclose((mask & other).mean(), 1 / 4, atol=6 / math.sqrt(COUNT))


def test_masks_inside_functions_follow_from_the_seed_of_the_graph():
    def masks(seed):
        with tf.Graph().as_default():
            tf.compat.v1.set_random_seed(seed)
            return run([repeated(tf.ones((64,))), tf.function(dropped, autograph=False)()])

    same, again, other = masks(1), masks(1), masks(2)
    for place in (0, 1):
        np.testing.assert_array_equal(same[place], again[place])
        assert (same[place] != other[place]).any()


# In a trainer


@pytest.mark.grid
@pytest.mark.parametrize("execution", ["feed", "chunks", "resident", "compiled"])
def test_the_masks_of_a_trainer_follow_from_its_seed_and_global_step(execution):
    with tf.Graph().as_default():
        features = gk.feature_input(64)
        kept = gk.dropout(tf.ones((64,)), 0.5, name="drop") > 0
        rows = tf.tile(kept[None], [tf.shape(features)[0], 1])
        loss = tf.reduce_mean(gk.dense(features, 1))
        seen = gk.Metric(tf.cast(kept, tf.float32), lambda mean, count: mean.sum())
        recorded = []

        class Record(gk.Callback):
            def on_run_end(self, trainer):
                recorded.extend(trainer.last_run.values[1])

        with gk.Trainer(loss, metrics={"kept": seen}, seed=11) as trainer:
            trainer.fit(
                {features: normal(12, 64)},
                epochs=2,
                batch_size=4,
                callbacks=[Record()],
                progress=False,
                execution=execution,
            )
            predicted = trainer.predict(rows, {features: normal(2, 64)})
    shape, keep_prob, seed = tf.constant([64]), tf.constant(0.5), tf.constant(11)
    masks = run([counter_random.keep_mask(shape, keep_prob, seed, tf.constant(n), "drop/") for n in range(7)])
    np.testing.assert_array_equal(recorded, masks[:6])
    np.testing.assert_array_equal(predicted, [masks[6]] * 2)


@pytest.mark.parametrize("keep_prob", [0.5, *(pytest.param(p, marks=pytest.mark.slow) for p in (0.1, 0.8))])
def test_dropout_keeps_the_expectation_of_each_unit(keep_prob):
    net = dropped(256, keep_prob)
    steps = 1000
    total = np.sum(in_a_loop(net, steps), axis=0)
    deviation = math.sqrt((1 - keep_prob) / keep_prob / steps)
    assert np.abs(total / steps - 1).max() < 5 * deviation


# What is refused


def rows():
    return v1.placeholder(tf.float32, (None, 3))


def test_dropout_refuses_a_keep_prob():
    rule = "dropout: keep_prob must be a finite number above 0 and at most 1; received keep_prob="
    for value in (0.0, -0.5, 1.0001, math.nan, math.inf, 0, 2, -1):
        with refused(ValueError, f"{rule}{value!r}"):
            gk.dropout(rows(), value)
    for value in ("0.5", None, True, [0.5], np.ones(1)):
        with refused(TypeError, f"{rule}{value!r}"):
            gk.dropout(rows(), value)
    for value in (0.0, -0.5, 1.5, math.nan):
        with refused(ValueError, f"{rule}{value!r}"):
            gk.dropout(rows(), tf.constant(value))


@pytest.mark.parametrize("shape", [(1,), (2, 1), (None,)])
def test_dropout_refuses_a_keep_prob_with_axes(shape):
    with refused(ValueError, "dropout: keep_prob must be a scalar; received shape="):
        gk.dropout(rows(), v1.placeholder(tf.float32, shape))


def test_dropout_refuses_a_noise_shape_that_does_not_fit():
    wrong = [
        (),
        (None,),
        (None, 1, 1),
        (1, 4),
        (3, 1),
        (None, 6),
        (None, 0),
        (None, -1),
        (None, 1.0),
        (None, "1"),
    ]
    for noise_shape in wrong:
        with refused(
            ValueError, "dropout: noise_shape must have 1, None or the size for each axis of (2, 3);"
        ):
            gk.dropout(tf.ones((2, 3)), 0.5, noise_shape)
    for noise_shape in (3, "12"):
        with refused(TypeError, "dropout: noise_shape must have"):
            gk.dropout(tf.ones((2, 3)), 0.5, noise_shape)
    with refused(ValueError, "dropout: noise_shape must have"):
        gk.dropout(v1.placeholder(tf.float32), 0.5, (None, 1))
