"""A generative adversarial network of points: two scopes, two optimizers, and a discriminator used twice."""

import os
import tempfile

import numpy as np
import tensorflow as tf

CENTER, WIDTH = np.array([2.0, -1.0]), 0.3
NOISE = 4


def generator(z):
    with tf.variable_scope("generator"):
        net = tf.layers.dense(z, 16, activation=tf.nn.leaky_relu)
        return tf.layers.dense(net, 2, name="points")


def discriminator(points, reuse=False):
    with tf.variable_scope("discriminator", reuse=reuse):
        net = tf.layers.dense(points, 32, activation=tf.nn.leaky_relu)
        net = tf.layers.dense(net, 32, activation=tf.nn.leaky_relu)
        return tf.layers.dense(net, 1, name="score")


def cross_entropy(scores, label):
    labels = label * tf.ones_like(scores)
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(logits=scores, labels=labels))


def main(steps=1500):
    tf.set_random_seed(1)
    random = np.random.RandomState(1)
    real = tf.placeholder(tf.float32, [None, 2], name="real")
    z = tf.placeholder(tf.float32, [None, NOISE], name="z")
    made = generator(z)
    on_real, on_made = discriminator(real), discriminator(made, reuse=True)
    d_loss = cross_entropy(on_real, 0.9) + cross_entropy(on_made, 0.0)
    g_loss = cross_entropy(on_made, 1.0)
    of_d = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope="discriminator")
    of_g = [v for v in tf.trainable_variables() if v.name.startswith("generator/")]
    d_step = tf.train.AdamOptimizer(2e-3, beta1=0.5).minimize(d_loss, var_list=of_d)
    g_step = tf.train.AdamOptimizer(1e-3, beta1=0.5).minimize(g_loss, var_list=of_g)
    saver = tf.train.Saver(of_g)
    noise = random.normal(size=(1000, NOISE))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(steps):
            points = CENTER + WIDTH * random.normal(size=(128, 2))
            sess.run(d_step, {real: points, z: random.normal(size=(128, NOISE))})
            sess.run(g_step, {z: random.normal(size=(128, NOISE))})
        samples = sess.run(made, {z: noise})
        path = saver.save(sess, os.path.join(tempfile.mkdtemp(), "generator"))
    with tf.Session() as sess:  # the generator alone
        saver.restore(sess, path)
        assert np.array_equal(sess.run(made, {z: noise}), samples)
    print("mean", samples.mean(0), "standard deviation", samples.std(0))
    return samples, [v.name for v in of_d + of_g]


if __name__ == "__main__":
    main()
