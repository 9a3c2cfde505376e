"""A layer of its own kind, subclassed from `tf.layers.Layer`: a gated unit in a tower with shared weights."""

import numpy as np
import tensorflow as tf


class Gated(tf.layers.Layer):
    """Mixes its inputs with a transformation of them: g * h(x) + (1 - g) * x (a highway layer)."""

    def __init__(self, activation=tf.tanh, weight_decay=1e-4, **kwargs):
        super().__init__(**kwargs)
        self.activation = activation
        self.weight_decay = weight_decay
        self.input_spec = tf.layers.InputSpec(ndim=2)

    def build(self, input_shape):
        size = input_shape[-1].value
        self.kernel = self.add_variable("kernel", [size, size], regularizer=self.decay)
        self.gate = self.add_variable(
            "gate", [size, size], initializer=tf.zeros_initializer(), regularizer=self.decay
        )
        self.bias = self.add_variable("bias", [size], initializer=tf.constant_initializer(-1.0))
        self.uses = self.add_variable("uses", [], initializer=tf.zeros_initializer(), trainable=False)
        super().build(input_shape)

    def decay(self, kernel):
        return self.weight_decay * tf.nn.l2_loss(kernel)

    def call(self, inputs, training=False):
        if training:
            self.add_update(tf.assign_add(self.uses, 1.0), inputs=inputs)
        gate = tf.sigmoid(tf.matmul(inputs, self.gate) + self.bias)
        return gate * self.activation(tf.matmul(inputs, self.kernel)) + (1 - gate) * inputs

    def compute_output_shape(self, input_shape):
        return tf.TensorShape(input_shape)


def tower(points, reuse=None):
    """Tells the inside of a ring from the rest; both calls have the same variables."""
    with tf.variable_scope("tower", reuse=reuse):
        net = tf.layers.dense(points, 16, name="lift")
        layer = Gated(name="gated", _scope="gated", _reuse=reuse)
        for _ in range(3):
            net = layer(net, training=not reuse)
        return tf.squeeze(tf.layers.dense(net, 1, name="score"), 1), layer


def ring(count, seed):
    points = np.random.RandomState(seed).uniform(-1.5, 1.5, size=(count, 2)).astype(np.float32)
    radius = np.sqrt((points**2).sum(1))
    return points, ((radius > 0.5) & (radius < 1.2)).astype(np.float32)


def main(steps=600):
    tf.set_random_seed(2)
    points, inside = ring(400, seed=0)
    test_points, test_inside = ring(400, seed=1)
    scores, layer = tower(tf.constant(points))
    test_scores, _ = tower(tf.constant(test_points), reuse=True)

    loss = tf.losses.sigmoid_cross_entropy(inside, scores) + tf.losses.get_regularization_loss()
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    with tf.control_dependencies(updates):
        train_op = tf.train.AdamOptimizer(0.01).minimize(loss)
    accuracy = tf.reduce_mean(tf.cast(tf.equal(test_scores > 0, test_inside > 0.5), tf.float32))

    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(steps):
            session.run(train_op)
        result, uses = session.run([accuracy, layer.uses])
    print(f"accuracy {result:.3f} after {uses:.0f} uses of the layer")
    return result, uses


if __name__ == "__main__":
    main()
