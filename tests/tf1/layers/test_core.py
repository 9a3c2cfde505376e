"""Dense layers, dropout and flatten of `tf.layers`, from TensorFlow 1.15's documentation."""

import numpy as np
import pytest
from references import assert_agree, names, normal, refused, run, to_format

import graphkit as gk
import graphkit.tf1 as tf

L2 = tf.nn.l2_loss


def features(*sizes):
    return tf.placeholder(tf.float32, [None, *sizes])


def test_dense_by_its_definition():
    cases, kernel, bias = {}, normal(4, 3, seed=1), normal(3, seed=2)
    arguments = {"kernel_initializer": tf.constant_initializer(kernel)}
    arguments |= {"bias_initializer": tf.constant_initializer(bias)}
    for shape in ((2, 4), (2, 5, 4), (2, 3, 5, 4)):
        layer = tf.layers.Dense(3, tf.nn.tanh, **arguments)
        inputs = normal(*shape)
        outputs = layer(tf.constant(inputs))
        assert layer.compute_output_shape(shape) == outputs.shape
        cases[shape] = (outputs, np.tanh(inputs @ kernel + bias))
    sparse = tf.sparse.from_dense(normal(2, 4))
    cases["sparse"] = (tf.layers.dense(sparse, 3, **arguments), normal(2, 4) @ kernel + bias)
    layer = tf.layers.Dense(3, dtype=tf.float32, **arguments)
    cases["cast"] = (layer(np.int32([[1, 0, 0, 2]])), [kernel[0] + 2 * kernel[3] + bias])
    assert_agree(cases)


def test_variables_and_op_names_of_dense():
    outputs = [
        tf.layers.dense(features(4), 3, tf.nn.relu),
        tf.layers.dense(features(4), 3, activation="relu"),
        tf.layers.dense(features(4), 3, tf.nn.relu, name="q"),
        tf.layers.dense(features(4), 3, tf.nn.relu, name="q", reuse=True),
    ]
    assert names(outputs) == ["dense/Relu:0", "dense_1/Relu:0", "q/Relu:0", "q_1/Relu:0"]
    made = {variable.op.name: variable.shape.as_list() for variable in tf.trainable_variables()}
    scopes = ("dense", "dense_1", "q")
    assert made == {
        f"{s}/{name}": shape for s in scopes for name, shape in (("kernel", [4, 3]), ("bias", [3]))
    }
    with tf.variable_scope("s", reuse=tf.AUTO_REUSE):
        for _ in range(2):
            tf.layers.dense(features(4), 3, name="q")
    assert names(tf.global_variables()[6:]) == ["s/q/kernel:0", "s/q/bias:0"]
    with pytest.raises(ValueError, match="q/kernel already exists"):
        tf.layers.dense(features(4), 3, name="q")
    with pytest.raises(ValueError, match="r/kernel does not exist"):
        tf.layers.dense(features(4), 3, name="r", reuse=True)


def test_an_unnamed_dense_that_reuses_means_the_first_one():
    tf.layers.dense(features(4), 3)
    tf.layers.dense(features(4), 3, reuse=True)
    assert names(tf.global_variables()) == ["dense/kernel:0", "dense/bias:0"]


def test_arguments_of_dense():
    zeros = tf.zeros_initializer()
    arguments = [3, "relu", True, "ones", zeros, L2, L2, L2, tf.abs, tf.abs, True, "q", None]
    tf.layers.dense(features(4), *arguments)
    kernel, bias = variables = tf.trainable_variables()
    assert [np.unique(value).tolist() for value in run(variables)] == [[1], [0]]
    assert kernel.constraint is bias.constraint is tf.abs
    assert names(tf.losses.get_regularization_losses()) == [
        "q/kernel/Regularizer/L2Loss:0",
        "q/bias/Regularizer/L2Loss:0",
        "q/ActivityRegularizer/truediv:0",
    ]
    tf.layers.dense(features(4), 3, use_bias=False, trainable=False, name="r")
    assert tf.trainable_variables() == variables and names(tf.global_variables()[2:]) == ["r/kernel:0"]
    tf.layers.dense(features(4), *arguments[:-1], True)
    assert len(tf.losses.get_regularization_losses()) == 4  # the activity, but not the variables


def test_dense_takes_the_initializer_of_the_scope():
    with tf.variable_scope("s", initializer=tf.constant_initializer(3.0)):
        tf.layers.dense(features(2), 1, use_bias=False)
    assert run(tf.global_variables())[0].tolist() == [[3], [3]]


@pytest.mark.parametrize(
    ("shape", "dtype", "arguments", "error", "message"),
    [
        ([None, 4], tf.float32, {"units": 0}, ValueError, "Dense: units must be an integer of at least 1"),
        ([None, 4], tf.float32, {"units": 2.5}, TypeError, "Dense: units must be an integer"),
        ([None, 4], tf.float32, {"activation": 4}, TypeError, "Dense: activation must be a function"),
        ([None, 4], tf.int32, {}, TypeError, "Dense: a Dense layer must have a floating-point dtype"),
        ([None, None], tf.float32, {}, ValueError, "Dense: the last axis must have a known size"),
        (
            [4],
            tf.float32,
            {},
            ValueError,
            "Input 0 of layer dense_1 is incompatible with the layer: expected min_ndim=2",
        ),
        (
            None,
            tf.float32,
            {},
            ValueError,
            "Input 0 of layer dense_1 is incompatible with the layer: its rank is",
        ),
    ],
)
def test_refusals_of_dense(shape, dtype, arguments, error, message):
    with refused(error, message):
        tf.layers.dense(tf.placeholder(dtype, shape), **{"units": 3, **arguments})
    with refused(ValueError, "Dense: the last axis"):
        tf.layers.Dense(3).compute_output_shape((None, None))


def test_dropout_without_training_is_the_identity():
    inputs = features(4)
    outputs = [tf.layers.dropout(inputs), tf.layers.dropout(inputs, training=0, name="q")]
    assert names(outputs) == ["dropout/Identity:0", "q/Identity:0"]
    assert tf.layers.dropout(tf.constant([1, 2])).dtype == tf.int32
    assert tf.layers.dropout(inputs, training=tf.constant(False)).op.type == "Identity"


def test_dropout_drops_at_its_rate_and_scales_the_rest():
    ones, training = tf.ones([400, 100]), tf.placeholder(tf.bool)
    rate = tf.placeholder(tf.float32, [])
    cases = {
        "half": tf.layers.dropout(ones, training=True),
        "number": tf.layers.dropout(ones, 0.2, training=training),
        "tensor": tf.layers.dropout(ones, rate, training=training),
        "none": tf.layers.dropout(ones, 0.0, training=True),
        "rows": tf.layers.dropout(ones, 0.5, [400, 1], training=True),
        "columns": tf.layers.dropout(ones, 0.5, [1, None], training=True),
        "tensor shape": tf.layers.dropout(ones, 0.5, tf.stack([tf.shape(ones)[0], 1]), training=True),
    }
    with tf.Session() as session:
        values = session.run(cases, {training: True, rate: 0.7})
        off = session.run([cases["number"], cases["tensor"]], {training: False, rate: 0.7})
    for label, kept in {"half": 0.5, "number": 0.8, "tensor": 0.3, "none": 1.0, "rows": 0.5}.items():
        # Of 40,000 units (of 400 rows) by 5 standard deviations.
        count = 400 if label == "rows" else 40000
        assert abs((values[label] > 0).mean() - kept) <= 5 * np.sqrt(kept * (1 - kept) / count), label
        assert set(np.unique(values[label])) <= {0, np.float32(1 / np.float32(kept))}
    assert np.ptp(values["rows"], 1).max() == np.ptp(values["tensor shape"], 1).max() == 0
    assert np.ptp(values["columns"], 0).max() == 0 and np.ptp(values["columns"]) > 0
    assert all(np.all(value == 1) for value in off)


def test_masks_of_dropout():
    ones = tf.ones([50, 20])
    layer = tf.layers.Dropout(0.5)
    first, second = layer(ones, training=True), layer(ones, training=True)
    seeded = [tf.layers.dropout(ones, seed=seed, training=True) for seed in (3, 3, 4)]
    with tf.Session() as session:
        one = session.run([first, second, *seeded])
        two = session.run([first, second, *seeded])
    assert not np.array_equal(one[0], one[1]) and not np.array_equal(one[0], two[0])
    assert np.array_equal(one[2], one[3]) and not np.array_equal(one[2], one[4])
    assert not np.array_equal(one[2], two[2])


def test_a_seed_gives_the_same_masks_in_each_program():
    runs = []
    for more in (0, 1):
        with tf.Graph().as_default(), tf.Session() as session:
            tf.set_random_seed(1)
            for _ in range(more):
                tf.layers.dropout(tf.ones([2]), training=True)
            runs.append(session.run(tf.layers.dropout(tf.ones([50]), seed=3, training=True)))
    assert np.array_equal(*runs)


def test_training_of_the_layer_around():
    class Block(tf.layers.Layer):
        def __init__(self):
            super().__init__()
            self.dropout = tf.layers.Dropout(0.5)

        def call(self, inputs, training=False):
            return self.dropout(inputs)

    block = Block()
    assert block(tf.ones([3])).op.type == "Identity"
    assert block(tf.ones([3]), training=True).op.type != "Identity"


@pytest.mark.parametrize("rate", [1.0, -0.1, 2])
def test_refused_rates(rate):
    with refused(ValueError, "Dropout: rate must be a finite number at least 0 and below 1"):
        tf.layers.dropout(tf.ones([3]), rate, training=True)
    tf.layers.dropout(tf.ones([3]), rate)  # is not looked at


def test_an_evaluation_computes_no_masks_while_training_is_off():
    inputs, labels = features(6), tf.placeholder(tf.int64, [None])
    flag = tf.placeholder_with_default(False, [], name="training")
    hidden = tf.layers.dropout(tf.layers.dense(inputs, 50, tf.nn.relu), 0.5, training=flag)
    logits = tf.layers.dense(hidden, 3)
    on = tf.layers.dropout(logits, 0.5, training=tf.placeholder_with_default(True, []))
    rows = normal(4, 6)
    with gk.Trainer(tf.losses.sparse_softmax_cross_entropy(labels, logits)) as trainer:
        assert trainer.training_step.inference.switches == [flag]
        assert trainer.training_step.inference.copied[logits.name].op.name.startswith("graphkit/inference")
        own = trainer.session.run(logits, {inputs: rows})
        assert trainer.predict(logits, {inputs: rows}).tobytes() == own.tobytes()
        assert (trainer.predict(hidden, {inputs: rows}, {flag: True}) == 0).mean() > 0.6
        assert (trainer.predict(hidden, {inputs: rows}) == 0).mean() < 0.6
        assert (trainer.predict(on, {inputs: rows}) == 0).any()


def test_flatten():
    cases = {}
    outputs = [tf.layers.flatten(features(4, 4)), tf.layers.flatten(features(None, 3), "q")]
    assert names(outputs) == ["flatten/Reshape:0", "q/Reshape:0"]
    assert [part.shape.as_list() for part in outputs] == [[None, 16], [None, None]]
    for shape in ((2,), (2, 3), (2, 3, 4), (2, 3, 4, 5)):
        for data_format in ("channels_last", "channels_first"):
            inputs = normal(*shape)
            layer = tf.layers.Flatten(data_format)
            outputs = layer(tf.constant(to_format(inputs, data_format) if len(shape) > 2 else inputs))
            assert layer.compute_output_shape(shape).as_list() == outputs.shape.as_list()
            cases[shape, data_format] = (outputs, inputs.reshape(2, -1))
    assert_agree(cases)
    with refused(ValueError, "Input 0 of layer flatten_"):
        tf.layers.flatten(tf.constant(1.0))
    with refused(ValueError, "Flatten: data_format must be one of"):
        tf.layers.flatten(features(4), data_format="NHWC")
