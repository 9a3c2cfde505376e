"""The loop over `session.run` with a `feed_dict` from the notes, on the same graph as the trainer's."""

import time

import tensorflow as tf

import graphkit as gk
from graphkit.nn import inputs


def train(problem, as_float=True):
    config = problem.config
    with tf.Graph().as_default():
        network = gk.runs.build_network(config)
        update = tf.compat.v1.train.AdamOptimizer(config.learning_rate).minimize(network.loss)
        fetches = [update, network.loss, *network.metrics.values()]
        examples = problem.floats if as_float else problem.examples
        feed = {network.keep_prob: config.keep_prob, inputs.seed_input(): config.seed}
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            started, ends = time.perf_counter(), []
            for order in problem.orders():
                correct = 0.0
                for chosen in order:
                    batch = examples[chosen] if as_float else gk.scale_pixels(examples[chosen])
                    feed.update({network.inputs: batch, network.labels: problem.labels[chosen]})
                    _, _, accuracy = session.run(fetches, feed)
                    correct += accuracy * len(chosen)
                ends.append(time.perf_counter() - started)
            weights = sum(v.shape.num_elements() for v in tf.compat.v1.trainable_variables())
    return ends, correct / len(problem.labels), weights
