"""What the benchmark itself needs of graphkit and TensorFlow: the problem, and the machine's peak."""

import time

import numpy as np
import tensorflow as tf
from contenders import networks

import graphkit as gk

KEEP_PROBS = {"softmax_regression": 1.0}  # others: 0.5
PEAK_SIZE = 2048  # rows and columns of the matrices whose product sets the peak


def prepare(model, data, examples, batch_size, epochs, folder):
    """Writes the problem to a folder; returns the FLOPs of a training step of the model, and the examples."""
    found = gk.load_dataset(data)
    settings = {"l2": 0.0, "keep_prob": KEEP_PROBS.get(model, 0.5), "batch_size": batch_size}
    split = type(found.train)(*(array[:examples] for array in found.train))
    config = gk.runs.RunConfig.for_data(found, model=model, **settings)
    unseen = config.encode(found.test[0])
    unseen = np.resize(unseen, (networks.PREDICTED, *unseen.shape[1:]))
    problem = networks.Problem(config.to_json(), config.encode(split[0]), split[1], unseen, epochs)
    problem.save(folder)
    with tf.Graph().as_default():
        flops = gk.summary(gk.runs.build_network(config).logits).training_flops
    return {"step_flops": batch_size * flops, "examples": len(problem.labels)}


def peak():
    """Returns the peak of matrix products in GFLOP/s."""
    with tf.Graph().as_default():
        ones = [tf.compat.v1.get_variable(name, initializer=tf.ones([PEAK_SIZE] * 2)) for name in "ab"]
        product = tf.matmul(*ones).op
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            multiply, times = session.make_callable(product), []
            for _ in range(10):
                started = time.perf_counter()
                multiply()
                times.append(time.perf_counter() - started)
    return {"gflops": 2 * PEAK_SIZE**3 / min(times) / 1e9}


def run_config(problem):
    """Returns the `RunConfig` of a problem."""
    return gk.runs.RunConfig.from_json(problem.config)
