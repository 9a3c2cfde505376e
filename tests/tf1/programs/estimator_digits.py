"""Digits by an estimator of a program's own, trained and evaluated in turns, then served."""

import sys
import tempfile

import tensorflow as tf
from tensorflow.examples.tutorials.mnist import input_data


def fully_connected(inputs, units, name):
    with tf.variable_scope(name):
        width = inputs.get_shape().as_list()[1]
        weights = tf.get_variable("weights", [width, units])
        biases = tf.get_variable("biases", [units], initializer=tf.constant_initializer(0.1))
        return tf.matmul(inputs, weights) + biases


def digits_model_fn(features, labels, mode, params):
    hidden = tf.nn.relu(fully_connected(features["image"], params["hidden"], "hidden"))
    logits = fully_connected(hidden, 10, "logits")
    predictions = {"digit": tf.argmax(logits, 1), "probabilities": tf.nn.softmax(logits)}
    if mode == tf.estimator.ModeKeys.PREDICT:
        outputs = {"digits": tf.estimator.export.PredictOutput(predictions)}
        return tf.estimator.EstimatorSpec(mode, predictions=predictions, export_outputs=outputs)
    loss = tf.losses.sparse_softmax_cross_entropy(labels=labels, logits=logits)
    accuracy = tf.metrics.accuracy(labels=labels, predictions=predictions["digit"], name="acc_op")
    if mode == tf.estimator.ModeKeys.EVAL:
        return tf.estimator.EstimatorSpec(mode, loss=loss, eval_metric_ops={"accuracy": accuracy})
    tf.summary.scalar("accuracy", accuracy[1])
    rate = tf.train.exponential_decay(params["rate"], tf.train.get_global_step(), 100, 0.9)
    train_op = tf.train.AdamOptimizer(rate).minimize(loss, global_step=tf.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)


def serving_input_receiver_fn():
    images = tf.placeholder(tf.float32, [None, 784], name="images")
    return tf.estimator.export.ServingInputReceiver({"image": images}, {"image": images})


def main(argv):
    mnist = input_data.read_data_sets(argv[1] if len(argv) > 1 else "MNIST_data")
    config = tf.estimator.RunConfig(
        model_dir=argv[2] if len(argv) > 2 else tempfile.mkdtemp(),
        tf_random_seed=7,
        save_checkpoints_steps=150,
        keep_checkpoint_max=2,
    )
    classifier = tf.estimator.Estimator(digits_model_fn, config=config, params={"hidden": 64, "rate": 0.003})
    train_input_fn = tf.estimator.inputs.numpy_input_fn(
        x={"image": mnist.train.images},
        y=mnist.train.labels.astype("int64"),
        batch_size=100,
        num_epochs=None,
        shuffle=True,
    )
    eval_input_fn = tf.estimator.inputs.numpy_input_fn(
        x={"image": mnist.test.images}, y=mnist.test.labels.astype("int64"), num_epochs=1, shuffle=False
    )
    train_spec = tf.estimator.TrainSpec(train_input_fn, max_steps=300)
    exporter = tf.estimator.FinalExporter("digits", serving_input_receiver_fn)
    eval_spec = tf.estimator.EvalSpec(eval_input_fn, steps=None, exporters=[exporter], throttle_secs=0)
    results, _ = tf.estimator.train_and_evaluate(classifier, train_spec, eval_spec)
    digits = [p["digit"] for p in classifier.predict(eval_input_fn)]
    print("digits seen:", digits[:10])
    print("accuracy: {accuracy:.3f} after {global_step} steps".format(**results))
    return results


if __name__ == "__main__":
    results = main(sys.argv)
