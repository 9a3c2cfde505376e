"""What `tf.layers` shares with the builders of graphkit: variables, checkpoints, bits, and the trainer."""

import numpy as np
import pytest
import tensorflow
from references import names, normal

import graphkit as gk
import graphkit.tf1 as tf

IMAGES = normal(4, 8, 8, 2)


def by_layers(images):
    net = tf.layers.conv2d(images, 3, 3, activation=tf.nn.relu, name="conv")
    net = tf.layers.batch_normalization(net, name="norm")
    net = tf.layers.max_pooling2d(net, 2, 2, name="pool")
    net = tf.layers.separable_conv2d(net, 4, 2, name="separable")
    net = tf.layers.conv2d_transpose(net, 2, 2, 2, name="transposed")
    net = tf.layers.conv1d(tf.layers.flatten(net)[..., None], 2, 3, name="sequence")
    return tf.layers.dense(tf.layers.flatten(net), 5, name="logits")


def by_builders(images):
    net = gk.conv2d(images, 3, 3, activation=gk.relu, name="conv")
    net = gk.batch_norm(net, training=False, name="norm")
    net = gk.max_pool(net, 2, 2, name="pool")
    net = gk.separable_conv2d(net, 4, 2, name="separable")
    net = gk.conv2d_transpose(net, 2, 2, 2, name="transposed")
    net = gk.conv1d(gk.flatten(net)[..., None], 2, 3, name="sequence")
    return gk.dense(gk.flatten(net), 5, name="logits")


@pytest.mark.parametrize(("first", "second"), [(by_layers, by_builders), (by_builders, by_layers)])
def test_checkpoints_of_the_builders(first, second, tmp_path):
    results, variables = [], []
    for build in (first, second):
        with tf.Graph().as_default(), tf.Session() as session:
            outputs = build(tf.constant(IMAGES))
            variables.append(names(tf.global_variables()))
            saver = tf.train.Saver()
            if build is first:
                session.run(tf.global_variables_initializer())
                saver.save(session, str(tmp_path / "model"))
            else:
                saver.restore(session, str(tmp_path / "model"))
            results.append(session.run(outputs))
    assert variables[0] == variables[1]
    assert np.array_equal(*results)  # to the bit


@pytest.mark.grid
@pytest.mark.parametrize("execution", ["feed", "resident"])
def test_a_trainer_trains_layers(execution):
    """Batch normalization and dropout in all executions: UPDATE_OPS run, and evaluations leave them alone."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(120, 6)).astype(np.float32)
    labels = (values[:, :3].sum(1) > 0).astype(np.int32)
    inputs, targets = tf.placeholder(tf.float32, [None, 6]), tf.placeholder(tf.int32, [None])
    training = tf.placeholder_with_default(False, [])
    net = tf.layers.dense(inputs, 32, tf.nn.relu)
    net = tf.layers.batch_normalization(net, momentum=0.9, training=training)
    net = tf.layers.dropout(net, 0.2, training=training)
    logits = tf.layers.dense(net, 2)
    loss = tf.losses.sparse_softmax_cross_entropy(targets, logits)
    with gk.Trainer(
        loss, "adam", 0.01, metrics={"accuracy": gk.accuracy(logits, targets)}, seed=1
    ) as trainer:
        trainer.fit(
            {inputs: values, targets: labels},
            feed={training: True},
            epochs=15,
            batch_size=20,
            progress=False,
            execution=execution,
        )
        scores = trainer.evaluate({inputs: values, targets: labels})
        moved = trainer.session.run(tf.global_variables("batch_normalization/moving_mean"))[0]
    assert scores["accuracy"] >= 0.95 and np.abs(moved).max() > 0.1


def test_a_dense_layer_has_the_bits_of_tensorflows_own_ops():
    values = tensorflow.constant(normal(16, 4))
    layer = tf.layers.Dense(3)
    outputs = layer(values)
    same = tf.nn.bias_add(tf.matmul(values, layer.kernel), layer.bias)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert np.array_equal(*session.run([outputs, same]))
