"""The loop over `session.run` with a `feed_dict` from the notes, on the same graph as the trainer's."""

import numpy as np
import tensorflow as tf
from contenders import machine, networks

import graphkit as gk
from graphkit.nn import inputs


def train(problem, watch, as_float=True):
    config = machine.run_config(problem)
    with tf.Graph().as_default():
        network = gk.runs.build_network(config)
        update = tf.compat.v1.train.AdamOptimizer(config.learning_rate).minimize(network.loss)
        fetches = [update, network.loss, *network.metrics.values()]
        examples = problem.floats if as_float else problem.examples
        feed = {network.keep_prob: config.keep_prob, inputs.seed_input(): config.seed}

        def floats(batch):
            return batch if as_float else problem.as_floats(batch)

        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            watch.start()
            for order in problem.orders():
                correct = 0.0
                for chosen in order:
                    batch = floats(examples[chosen])
                    feed.update({network.inputs: batch, network.labels: problem.labels[chosen]})
                    _, _, accuracy = session.run(fetches, feed)
                    watch.step()
                    correct += accuracy * len(chosen)
                watch.epoch()

            def predict(unseen):
                runs = networks.batches_of(unseen)
                feeds = ({network.inputs: problem.as_floats(batch)} for batch in runs)
                return np.concatenate([session.run(network.logits, feed) for feed in feeds])

            watch.predict(predict, problem.unseen)
            weights = sum(v.shape.num_elements() for v in tf.compat.v1.trainable_variables())
    return correct / len(problem.labels), weights
