"""`tf.contrib.opt.LazyAdamOptimizer` against Adam's formula, on the rows that a gradient has."""

import numpy as np

import graphkit.tf1 as tf

ROWS, RATE, BETA1, BETA2, EPSILON = 5, 0.1, 0.9, 0.999, 1e-8


def test_rows_without_a_gradient_stay_as_they_are():
    table = tf.get_variable("table", (ROWS, 2), initializer=tf.ones_initializer())
    rows = tf.placeholder(tf.int32, (None,))
    loss = tf.reduce_sum(tf.square(tf.nn.embedding_lookup(table, rows)))
    update = tf.contrib.opt.LazyAdamOptimizer(RATE).minimize(loss)
    expected = np.ones((ROWS, 2))
    m, v = np.zeros((ROWS, 2)), np.zeros((ROWS, 2))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for step, chosen in enumerate([[0, 3], [3, 3], [1, 0]], 1):
            session.run(update, {rows: chosen})
            gradient = np.zeros((ROWS, 2))
            np.add.at(gradient, chosen, 2 * expected[chosen])
            used = sorted(set(chosen))
            m[used] = BETA1 * m[used] + (1 - BETA1) * gradient[used]
            v[used] = BETA2 * v[used] + (1 - BETA2) * gradient[used] ** 2
            rate = RATE * np.sqrt(1 - BETA2**step) / (1 - BETA1**step)
            expected[used] -= rate * m[used] / (np.sqrt(v[used]) + EPSILON)
        found = session.run(table)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert (found[[2, 4]] == 1).all()
