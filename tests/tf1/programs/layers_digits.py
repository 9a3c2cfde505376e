"""A convolutional network for digits, as a class of `tf.layers` objects with its own training loop."""

import numpy as np
import tensorflow as tf

FONT = """
.###. ..#.. .###. .###. ...#. ##### .###. ##### .###. .###.
#...# .##.. #...# #...# ..##. #.... #.... ....# #...# #...#
#...# ..#.. ....# ..##. .#.#. ####. ####. ...#. .###. .####
#...# ..#.. ..##. ....# ##### ....# #...# ..#.. #...# ....#
.###. .###. ##### .###. ...#. ####. .###. ..#.. .###. .###.
"""


def digits(count, seed):
    """Draws noisy digits of 5 by 5 pixels at random places of images of 8 by 8."""
    rows = [line.split() for line in FONT.strip().splitlines()]
    glyphs = np.array([[[pixel == "#" for pixel in row[digit]] for row in rows] for digit in range(10)])
    rng = np.random.RandomState(seed)
    labels = rng.randint(10, size=count)
    images = rng.normal(0.0, 0.2, size=(count, 8, 8, 1)).astype(np.float32)
    for index, label in enumerate(labels):
        top, left = rng.randint(4, size=2)
        images[index, top : top + 5, left : left + 5, 0] += glyphs[label]
    return images, labels


class Model:
    def __init__(self, data_format="channels_last"):
        self.conv1 = tf.layers.Conv2D(16, 3, padding="same", data_format=data_format, use_bias=False)
        self.norm = tf.layers.BatchNormalization(momentum=0.9)
        self.conv2 = tf.layers.Conv2D(32, 5, padding="same", data_format=data_format, activation=tf.nn.relu)
        self.pool = tf.layers.MaxPooling2D((2, 2), (2, 2), padding="same")
        self.flatten = tf.layers.Flatten()
        self.fc1 = tf.layers.Dense(64, activation=tf.nn.relu)
        self.dropout = tf.layers.Dropout(0.3)
        self.fc2 = tf.layers.Dense(10, kernel_regularizer=lambda kernel: 1e-4 * tf.nn.l2_loss(kernel))

    def __call__(self, images, training):
        net = self.pool(tf.nn.relu(self.norm(self.conv1(images), training=training)))
        net = self.pool(self.conv2(net))
        net = self.fc1(self.flatten(net))
        return self.fc2(self.dropout(net, training=training))


def main(steps=250, batch=50):
    tf.set_random_seed(1)
    images = tf.placeholder(tf.float32, [None, 8, 8, 1], name="images")
    labels = tf.placeholder(tf.int64, [None], name="labels")
    training = tf.placeholder_with_default(False, [], name="training")

    model = Model()
    logits = model(images, training)
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits) + tf.add_n(model.fc2.losses)
    accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1), labels), tf.float32))
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        train_op = tf.train.AdamOptimizer(3e-3).minimize(loss, tf.train.get_or_create_global_step())

    pixels, classes = digits(2000, seed=0)
    rng = np.random.RandomState(0)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for step in range(steps):
            rows = rng.randint(len(classes), size=batch)
            feed = {images: pixels[rows], labels: classes[rows], training: True}
            _, value = session.run([train_op, loss], feed)
            if step % 50 == 0:
                print(f"step {step}: loss {value:.3f}")
        pixels, classes = digits(500, seed=1)
        result = session.run(accuracy, {images: pixels, labels: classes})
    print(f"accuracy {result:.3f}")
    return result


if __name__ == "__main__":
    main()
