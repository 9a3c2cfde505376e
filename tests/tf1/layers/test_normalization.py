"""Batch normalization of `tf.layers`, from TensorFlow 1.15's documentation and the papers' definitions."""

import numpy as np
import pytest
from references import assert_gradients, constant, names, normal, refused

import graphkit.tf1 as tf

EPSILON, MOMENTUM = 0.01, 0.8
GAMMA, BETA, MEAN, VARIANCE = (normal(3, seed=seed) for seed in (1, 2, 3, 4))
VARIANCE = np.abs(VARIANCE) + 0.5
ARGUMENTS = {
    "momentum": MOMENTUM,
    "epsilon": EPSILON,
    "gamma_initializer": constant(GAMMA),
    "beta_initializer": constant(BETA),
    "moving_mean_initializer": constant(MEAN),
    "moving_variance_initializer": constant(VARIANCE),
}


def moments_of(values):
    axes = tuple(range(values.ndim - 1))
    return values.mean(axes), values.var(axes)


def normalized(values, mean, variance):
    return (values - mean) / np.sqrt(variance + EPSILON)


def kept(average, value, momentum=MOMENTUM):
    return average * momentum + value * (1 - momentum)


def run_layer(shape, training=True, **arguments):
    """Returns (outputs, those with training off, {name: value of a variable after one update}, inputs)."""
    inputs, flag = normal(*shape), tf.placeholder(tf.bool, [])
    fed = tf.placeholder(tf.float32, [None, *shape[1:]])
    flag_or_value = flag if training == "tensor" else training
    outputs = tf.layers.batch_normalization(fed, training=flag_or_value, **{**ARGUMENTS, **arguments})
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        values = session.run([outputs, updates], {fed: inputs, flag: True})[0]
        off = session.run([outputs, updates], {fed: inputs, flag: False})[0] if training == "tensor" else None
        variables = {variable.op.name.split("/")[-1]: variable for variable in tf.global_variables()}
        return values, off, session.run(variables), inputs.astype(np.float64)


def close(value, expected):
    np.testing.assert_allclose(value, expected, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("training", [True, "tensor"])
@pytest.mark.parametrize("shape", [(8, 3), (8, 5, 3), (4, 5, 6, 3), (2, 3, 4, 5, 3)], ids=len)
def test_training_by_the_definition(shape, training):
    values, off, variables, inputs = run_layer(shape, training)
    mean, variance = moments_of(inputs)
    close(values, normalized(inputs, mean, variance) * GAMMA + BETA)
    count = inputs.size / 3
    # The fused kernel, with four axes, moves its variance towards the unbiased one.
    unbiased = variance * count / (count - 1) if len(shape) == 4 else variance
    moved = kept(MEAN, mean), kept(VARIANCE, unbiased)
    close(variables["moving_mean"], moved[0])
    close(variables["moving_variance"], moved[1])
    if training == "tensor":  # the averages are used, and stay
        close(off, normalized(inputs, *moved) * GAMMA + BETA)


@pytest.mark.parametrize("shape", [(8, 3), (4, 5, 6, 3)], ids=len)
def test_inference_by_the_definition(shape):
    values, _, variables, inputs = run_layer(shape, training=False)
    close(values, normalized(inputs, MEAN, VARIANCE) * GAMMA + BETA)
    assert tf.get_collection(tf.GraphKeys.UPDATE_OPS) == []
    close(variables["moving_mean"], MEAN)


@pytest.mark.parametrize("fused", [None, True, False])
@pytest.mark.parametrize("axis", [-1, 1, [3], [1]])
def test_the_axis_of_the_channels(axis, fused):
    images, place = normal(4, 5, 6, 3), axis[0] if isinstance(axis, list) else axis
    outputs = tf.layers.batch_normalization(
        tf.constant(np.moveaxis(images, -1, place)), axis, training=True, fused=fused, epsilon=EPSILON
    )
    kernel = [op for op in tf.get_default_graph().get_operations() if op.type.startswith("FusedBatchNorm")]
    assert bool(kernel) == (fused is not False)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        close(np.moveaxis(session.run(outputs), place, -1), normalized(images, *moments_of(images)))


def test_several_axes():
    images = normal(4, 5, 6, 3)
    layer = tf.layers.BatchNormalization([1, -1], epsilon=EPSILON)
    outputs = layer(tf.constant(images), training=True)
    assert all(variable.shape.as_list() == [1, 5, 1, 3] for variable in layer.variables)
    assert layer.axis == [1, 3]
    expected = normalized(images, images.mean((0, 2), keepdims=True), images.var((0, 2), keepdims=True))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        close(session.run([outputs, layer.updates])[0], expected)
        close(session.run(layer.moving_mean), 0.01 * images.mean((0, 2), keepdims=True))


def test_center_and_scale():
    for center, scale, shape in [(False, True, (8, 3)), (True, False, (8, 3)), (False, False, (4, 2, 2, 3))]:
        with tf.Graph().as_default():
            values, _, variables, inputs = run_layer(shape, center=center, scale=scale)
        expected = normalized(inputs, *moments_of(inputs))
        close(values, expected * (GAMMA if scale else 1) + (BETA if center else 0))
        assert set(variables) == {
            *(["gamma"] if scale else []),
            *(["beta"] if center else []),
            "moving_mean",
            "moving_variance",
        }


CLIPPED = {"rmin": 0.9, "rmax": 1.1, "dmax": 0.2}


@pytest.mark.parametrize("clipping", [None, CLIPPED, {"rmax": 1.05}], ids=["none", "all", "rmax"])
@pytest.mark.parametrize("training", [True, "tensor"])
def test_renorm_by_the_paper(clipping, training):
    arguments = {"renorm": True, "renorm_clipping": clipping, "renorm_momentum": 0.7}
    values, off, variables, inputs = run_layer((8, 3), training, **arguments)
    mean, variance = moments_of(inputs)
    stddev, start = np.sqrt(variance + EPSILON), np.sqrt(VARIANCE)
    bounds = clipping or {}
    r = np.clip(stddev / start, bounds.get("rmin"), bounds.get("rmax", np.inf))
    d = np.clip((mean - MEAN) / start, -bounds.get("dmax", np.inf), bounds.get("dmax", np.inf))
    close(values, (normalized(inputs, mean, variance) * r + d) * GAMMA + BETA)
    moved = {
        "moving_mean": kept(MEAN, mean),
        "moving_stddev": kept(start, stddev),
        "moving_variance": kept(start, stddev) ** 2 - EPSILON,
        "renorm_mean": kept(MEAN, mean, 0.7),
        "renorm_stddev": kept(start, stddev, 0.7),
    }
    assert set(variables) == {"gamma", "beta", *moved}
    for name, expected in moved.items():
        close(variables[name], expected)
    if training == "tensor":
        close(off, normalized(inputs, moved["moving_mean"], moved["moving_variance"]) * GAMMA + BETA)


def test_renorm_of_the_first_averages_changes_nothing():
    """Where the averages are the batch's own moments, r is 1 and d is 0 but for epsilon."""
    inputs = normal(64, 3)
    mean, variance = moments_of(inputs)
    start = {"moving_mean_initializer": constant(mean), "moving_variance_initializer": constant(variance)}
    outputs = tf.layers.batch_normalization(
        tf.constant(inputs), training=True, renorm=True, epsilon=1e-7, **start
    )
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        close(session.run(outputs), (inputs - mean) / np.sqrt(variance))


def test_no_gradient_flows_through_the_correction_of_renorm():
    inputs = tf.constant(normal(8, 3))
    arguments = {"training": True, "moving_mean_initializer": constant(MEAN)}
    plain = tf.layers.batch_normalization(inputs, fused=False, **arguments)
    corrected = tf.layers.batch_normalization(inputs, renorm=True, **arguments)
    factors = normal(8, 3, seed=5)
    gradients = [tf.gradients(tf.reduce_sum(factors * outputs), inputs)[0] for outputs in (plain, corrected)]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        first, second = session.run(gradients)
    ratio = second / first  # the r of each channel
    close(ratio, np.broadcast_to(ratio[:1], ratio.shape))


@pytest.mark.parametrize("training", [True, "tensor"])
@pytest.mark.parametrize("shape", [(8, 3), (8, 2, 2, 3)], ids=len)
def test_virtual_batches(shape, training):
    values, off, variables, inputs = run_layer(shape, training, virtual_batch_size=4)
    parts = [inputs[start::2] for start in (0, 1)]  # TF 1.15 deals the examples out in turns
    moments = [moments_of(part) for part in parts]
    for start, part in enumerate(parts):
        close(values[start::2], normalized(part, *moments[start]) * GAMMA + BETA)
    mean, variance = np.mean(moments, axis=0)
    moved = kept(MEAN, mean), kept(VARIANCE, variance)
    close(np.ravel(variables["moving_mean"]), moved[0])
    close(np.ravel(variables["moving_variance"]), moved[1])
    assert variables["gamma"].shape == (1,) * len(shape) + (3,)
    if training == "tensor":
        close(off, normalized(inputs, *moved) * GAMMA + BETA)


@pytest.mark.parametrize("training", [True, "tensor"])
def test_adjustment(training):
    def adjustment(shape):
        return tf.fill(shape[-1:], 1.5), tf.fill(shape[-1:], 0.25)

    values, off, _, inputs = run_layer((8, 3), training, adjustment=adjustment)
    mean, variance = moments_of(inputs)
    close(values, (normalized(inputs, mean, variance) * 1.5 + 0.25) * GAMMA + BETA)
    if training == "tensor":  # only in training
        moved = kept(MEAN, mean), kept(VARIANCE, variance)
        close(off, normalized(inputs, *moved) * GAMMA + BETA)


def test_gradients():
    inputs = tf.placeholder(tf.float64, (8, 2, 3))
    arguments = {**ARGUMENTS, "training": True}
    outputs = [
        tf.layers.batch_normalization(inputs, **arguments),
        tf.layers.batch_normalization(inputs, [1, 2], training=True),
        tf.layers.batch_normalization(inputs, virtual_batch_size=4, **arguments),
        tf.layers.batch_normalization(inputs, adjustment=lambda shape: (1.5, 0.5), **arguments),
    ]
    assert_gradients(tf.stack(outputs), {inputs: normal(8, 2, 3, dtype=np.float64)})


def test_names_and_collections():
    images, flag = tf.placeholder(tf.float32, [None, 4, 4, 3]), tf.placeholder(tf.bool, [])
    outputs = [
        tf.layers.batch_normalization(images, training=True),
        tf.layers.batch_normalization(images, training=flag, fused=False),
        tf.layers.batch_normalization(images, name="q", training=1),
        tf.layers.batch_normalization(images, name="q", reuse=True, fused=False),
    ]
    assert names(outputs) == [
        "batch_normalization/FusedBatchNormV3:0",
        "batch_normalization_1/batchnorm/add_1:0",
        "q/FusedBatchNormV3:0",
        "q_1/batchnorm/add_1:0",
    ]
    made, scopes = (
        ("gamma", "beta", "moving_mean", "moving_variance"),
        ("batch_normalization", "batch_normalization_1", "q"),
    )
    assert names(tf.global_variables()) == [f"{scope}/{name}:0" for scope in scopes for name in made]
    assert names(tf.trainable_variables()) == [f"{scope}/{name}:0" for scope in scopes for name in made[:2]]
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    assert [op.name.split("/")[0] for op in updates] == [scope for scope in scopes for _ in range(2)]
    assert tf.get_collection(tf.GraphKeys.UPDATE_OPS, scope="q") == updates[-2:]


def test_the_class():
    layer, inputs = tf.layers.BatchNorm(name="q", momentum=0.5), tf.ones([2, 3])
    layer.build((None, 3))
    assert layer.moving_mean.shape.as_list() == layer.gamma.shape.as_list() == [3]
    layer(inputs), layer(inputs, training=True), layer.apply(inputs, training=True)
    assert layer.updates == tf.get_collection(tf.GraphKeys.UPDATE_OPS) and len(layer.updates) == 4
    assert layer.trainable_weights == [layer.gamma, layer.beta]
    assert layer.non_trainable_weights == [layer.moving_mean, layer.moving_variance]
    assert layer.compute_output_shape((None, 3)).as_list() == [None, 3]
    with tf.Session() as session:  # the second use moves the averages after the first
        session.run(tf.global_variables_initializer())
        session.run(layer.updates)
        assert session.run(layer.moving_mean).tolist() == [0.75] * 3


def test_a_layer_that_is_not_trainable_moves_no_averages():
    layer = tf.layers.BatchNormalization(trainable=False)
    layer(tf.ones([2, 3]), training=True)
    assert layer.updates == tf.get_collection(tf.GraphKeys.UPDATE_OPS) == tf.trainable_variables() == []


def test_arguments_of_variables():
    l2 = tf.nn.l2_loss
    arguments = {
        f"{name}_{kind}": value
        for name in ("beta", "gamma")
        for kind, value in (("regularizer", l2), ("constraint", tf.abs))
    }
    with tf.variable_scope("s", partitioner=tf.fixed_size_partitioner(2)):
        layer = tf.layers.BatchNormalization(name="q", **arguments)
        layer.build((None, 4))
    found = names(tf.losses.get_regularization_losses())
    assert {name.rsplit("/", 2)[0] for name in found} == {"s/q/gamma", "s/q/beta"}
    assert all(variable.constraint is tf.abs for variable in tf.trainable_variables())
    assert names(tf.global_variables())[-2:] == ["s/q/moving_mean:0", "s/q/moving_variance:0"]  # in one part


def test_half_precision_has_averages_of_single_precision():
    outputs = tf.layers.batch_normalization(tf.ones([2, 3], tf.float16), training=True)
    assert outputs.dtype == tf.float16
    assert all(variable.dtype == tf.float32 for variable in tf.global_variables())


def test_all_arguments_by_place():
    zeros, ones = tf.zeros_initializer(), tf.ones_initializer()
    arguments = [-1, 0.9, 1e-3, True, True, zeros, ones, zeros, ones, None, None, None, None]
    of_function = [True, True, "q", None, False, None, 0.99, None, None, None]
    tf.layers.batch_normalization(tf.ones([2, 3]), *arguments, *of_function)
    layer = tf.layers.BatchNormalization(*arguments, False, None, 0.99, None, True, None, None, "r")
    layer(tf.ones([2, 3]))
    assert names(tf.global_variables())[::4] == ["q/gamma:0", "r/gamma:0"]
    assert len(tf.get_collection(tf.GraphKeys.UPDATE_OPS)) == 2
    with refused(TypeError, "batch_normalization: an argument is given twice"):
        tf.layers.batch_normalization(tf.ones([2, 3]), -1, axis=-1)


@pytest.mark.parametrize("functions", [False, True])
def test_inside_a_branch(functions):
    """The pattern of old programs: one branch for training, one with the same variables for use."""
    (tf.enable_control_flow_v2 if functions else tf.disable_control_flow_v2)()
    try:
        inputs, flag = tf.constant(normal(8, 3)), tf.placeholder(tf.bool, [])
        arguments = {"name": "q", **ARGUMENTS}
        outputs = tf.cond(
            flag,
            lambda: tf.layers.batch_normalization(inputs, training=True, **arguments),
            lambda: tf.layers.batch_normalization(inputs, training=False, reuse=True, **arguments),
        )
    finally:
        tf.disable_control_flow_v2()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        values = normal(8, 3)
        close(session.run(outputs, {flag: True}), normalized(values, *moments_of(values)) * GAMMA + BETA)
        close(session.run(outputs, {flag: False}), normalized(values, MEAN, VARIANCE) * GAMMA + BETA)


@pytest.mark.parametrize(
    ("shape", "arguments", "error", "message"),
    [
        ((2, 3), {"axis": "last"}, TypeError, "axis must be an int or a list"),
        ((2, 3), {"axis": 2}, ValueError, "axis must be different axes of 2"),
        ((2, 3), {"axis": [1, -1]}, ValueError, "axis must be different axes of 2"),
        ((None, None), {}, ValueError, "the axes must have known sizes"),
        (None, {}, ValueError, "inputs must have axes"),
        ((), {}, ValueError, "inputs must have axes"),
        ((2, 3), {"renorm": True, "renorm_clipping": {"max": 1}}, ValueError, "the keys of renorm_clipping"),
        ((2, 3), {"virtual_batch_size": 0}, ValueError, "virtual_batch_size must be positive"),
        ((2, 3), {"virtual_batch_size": 1, "axis": 0}, ValueError, "virtual_batch_size must be positive"),
        (
            (2, 3),
            {"virtual_batch_size": 1, "adjustment": abs},
            ValueError,
            "virtual_batch_size must be positive",
        ),
        ((2, 3), {"training": "yes"}, TypeError, "training must be None, a boolean"),
    ],
)
def test_refusals(shape, arguments, error, message):
    with refused(error, f"BatchNormalization: {message}"):
        tf.layers.batch_normalization(tf.placeholder(tf.float32, shape), **arguments)
