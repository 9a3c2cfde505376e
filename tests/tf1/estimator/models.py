"""What tests of estimators share: data, a model function, a hook that keeps what it sees."""

import numpy as np

import graphkit.tf1 as tf

WEIGHTS = np.array([[1.0], [2.0], [-1.0]], np.float32)


def data(count=40, seed=0):
    features = np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)
    return features, features @ WEIGHTS + 0.5


def model_fn(features, labels, mode, params):
    features = features["x"] if isinstance(features, dict) else features
    kernel = tf.get_variable("kernel", [3, 1], initializer=tf.zeros_initializer())
    bias = tf.get_variable("bias", [1], initializer=tf.zeros_initializer())
    outputs = features @ kernel + bias
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.estimator.EstimatorSpec(mode, {"y": outputs, "twice": 2 * outputs})
    loss = tf.losses.mean_squared_error(labels, outputs)
    optimizer = tf.train.GradientDescentOptimizer(params["rate"])
    train_op = optimizer.minimize(loss, tf.train.get_global_step())
    metrics = {"mae": tf.metrics.mean_absolute_error(labels, outputs)}
    return tf.estimator.EstimatorSpec(mode, {"y": outputs}, loss, train_op, metrics)


def estimator(folder, rate=0.1, **config):
    config = tf.estimator.RunConfig(tf_random_seed=3, **config)
    return tf.estimator.Estimator(model_fn, str(folder), config, {"rate": rate})


def input_fn(epochs=None, shuffle=False, batch_size=8, count=40):
    features, labels = data(count)
    return tf.estimator.inputs.numpy_input_fn({"x": features}, labels, batch_size, epochs, shuffle)


def gradient_descent(rate, steps, kernel=None, bias=0.0, batch_size=8):
    """Returns (kernel, bias, losses) after steps over the batches of `input_fn`, in NumPy."""
    features, labels = (part.astype(np.float64) for part in data())
    kernel = np.zeros((3, 1)) if kernel is None else kernel
    losses = []
    for step in range(steps):
        rows = (step * batch_size + np.arange(batch_size)) % len(features)
        x, error = features[rows], features[rows] @ kernel + bias - labels[rows]
        losses.append(np.mean(error**2))
        kernel = kernel - rate * 2 / batch_size * x.T @ error
        bias = bias - rate * 2 * np.mean(error)
    return kernel, bias, losses


class Recorder(tf.train.SessionRunHook):
    """Keeps the calls of its methods, and the losses that runs return."""

    def __init__(self):
        self.calls, self.losses, self.steps = [], [], []

    def begin(self):
        self.calls.append("begin")
        self.loss = tf.get_default_graph().get_collection(tf.GraphKeys.LOSSES)[-1]
        self.step = tf.train.get_global_step()

    def after_create_session(self, session, coord):
        self.calls.append("after_create_session")

    def before_run(self, run_context):
        self.calls.append("before_run")
        return tf.train.SessionRunArgs(self.loss)

    def after_run(self, run_context, run_values):
        self.calls.append("after_run")
        self.losses.append(run_values.results)

    def end(self, session):
        self.calls.append("end")
        self.steps.append(session.run(self.step))
