"""digits.py with a trainer in place of its loop."""

import tensorflow as tf
from digits import FLAGS, input_data, network

import graphkit as gk


def main(_):
    mnist = input_data.read_data_sets(FLAGS.data_dir)
    x, y_, keep_prob, loss, accuracy = network()
    train, test = ({x: part.images, y_: part.labels} for part in (mnist.train, mnist.test))
    with gk.Trainer(loss, optimizer=tf.train.AdamOptimizer(1e-3), metrics={"accuracy": accuracy}) as trainer:
        trainer.fit(train, feed={keep_prob: 0.5}, epochs=FLAGS.epochs, batch_size=FLAGS.batch_size)
        print("test accuracy: %.3f" % trainer.evaluate(test)["accuracy"])


if __name__ == "__main__":
    tf.app.run()
