"""LeNet in slim: scopes of arguments, a training loop with checkpoints, streaming metrics of the last one."""

import sys

import tensorflow as tf
from tensorflow.contrib import slim
from tensorflow.examples.tutorials.mnist import input_data


def lenet(images, is_training):
    with slim.arg_scope(
        [slim.conv2d, slim.fully_connected],
        weights_regularizer=slim.l2_regularizer(1e-4),
        normalizer_fn=slim.batch_norm,
        normalizer_params={"is_training": is_training, "decay": 0.9},
        outputs_collections="end_points",
    ):
        net = slim.conv2d(images, 16, [5, 5], scope="conv1")
        net = slim.max_pool2d(net, 2, scope="pool1")
        net = slim.conv2d(net, 32, [5, 5], scope="conv2")
        net = slim.max_pool2d(net, 2, scope="pool2")
        net = slim.flatten(net, scope="flatten")
        net = slim.fully_connected(net, 64, scope="fc3")
    net = slim.dropout(net, 0.7, is_training=is_training, scope="dropout3")
    return slim.fully_connected(net, 10, activation_fn=None, scope="logits")


def batches(split, batch_size, repeat):
    data = tf.data.Dataset.from_tensor_slices(
        (split.images.reshape(-1, 28, 28, 1), split.labels.astype("int64"))
    )
    if repeat:
        data = data.shuffle(5000, seed=1).repeat()
    return tf.data.make_one_shot_iterator(data.batch(batch_size)).get_next()


def train(mnist, log_dir, steps):
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        images, labels = batches(mnist.train, 50, repeat=True)
        logits = lenet(images, is_training=True)
        slim.losses.sparse_softmax_cross_entropy(logits, labels)
        total_loss = slim.losses.get_total_loss()
        optimizer = tf.train.MomentumOptimizer(0.05, 0.9)
        train_op = slim.learning.create_train_op(total_loss, optimizer, clip_gradient_norm=4)
        return slim.learning.train(train_op, log_dir, number_of_steps=steps, log_every_n_steps=50)


def evaluate(mnist, log_dir):
    with tf.Graph().as_default():
        images, labels = batches(mnist.test, 100, repeat=False)
        predictions = tf.argmax(lenet(images, is_training=False), 1)
        values, updates = slim.metrics.aggregate_metric_map(
            {"accuracy": slim.metrics.streaming_accuracy(predictions, labels)}
        )
        metrics = slim.evaluation.evaluate_once(
            "",
            slim.evaluation.wait_for_new_checkpoint(log_dir),
            log_dir,
            num_evals=mnist.test.num_examples // 100,
            eval_op=list(updates.values()),
            final_op=values,
        )
        return metrics["accuracy"]


def main(log_dir, steps=150):
    mnist = input_data.read_data_sets("MNIST_data")
    loss = train(mnist, log_dir, steps)
    accuracy = evaluate(mnist, log_dir)
    print("loss", loss, "accuracy", accuracy)
    return loss, accuracy


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "/tmp/slim_lenet")
