"""Keras 3 on TensorFlow: `compile` and `fit`."""

import time

import keras
from keras import layers


class Clock(keras.callbacks.Callback):
    """Records when each epoch ends."""

    def __init__(self):
        super().__init__()
        self.started = time.perf_counter()
        self.ends = []

    def on_epoch_end(self, epoch, logs=None):
        self.ends.append(time.perf_counter() - self.started)


def train(problem, jit=False, steps_per_execution=1):
    config = problem.config
    keras.utils.set_random_seed(config.seed)
    model = build(problem)
    model.compile(
        keras.optimizers.Adam(config.learning_rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=jit,
        steps_per_execution=steps_per_execution,
    )
    examples, clock = problem.floats, Clock()
    kept = model.fit(
        examples, problem.labels, config.batch_size, problem.epochs, verbose=0, callbacks=[clock]
    )
    return clock.ends, kept.history["accuracy"][-1], model.count_params()


def build(problem):
    config = problem.config
    net = inputs = keras.Input(problem.examples.shape[1:], dtype="int32" if config.alphabet else "float32")
    for kind, *sizes in problem.layers:
        if kind == "embedding":
            net = layers.Embedding(problem.vocabulary_size, *sizes, mask_zero=True)(net)
        elif kind == "lstm":
            net = layers.LSTM(*sizes)(net)
        elif kind == "conv":
            net = layers.Conv2D(*sizes, padding="same", activation="relu")(net)
        elif kind == "pool":
            net = layers.MaxPool2D(*sizes, padding="same")(net)
        elif kind == "inception":
            net = inception(net, *sizes)
        elif kind == "global_mean":
            net = layers.GlobalAveragePooling2D()(net)
        elif kind == "flatten":
            net = layers.Flatten()(net)
        elif kind == "relu_dense":
            net = layers.Dense(*sizes, activation="relu")(net)
        elif kind == "dropout":
            net = layers.Dropout(1 - config.keep_prob)(net)
        elif kind == "logits":
            net = layers.Dense(len(config.classes))(net)
    return keras.Model(inputs, net)


def inception(net, conv1x1, reduce3x3, conv3x3, reduce5x5, conv5x5, pool1x1):
    def conv(net, filters, size):
        return layers.Conv2D(filters, size, padding="same", activation="relu")(net)

    return layers.Concatenate()(
        [
            conv(net, conv1x1, 1),
            conv(conv(net, reduce3x3, 1), conv3x3, 3),
            conv(conv(net, reduce5x5, 1), conv5x5, 5),
            conv(layers.MaxPool2D(3, 1, padding="same")(net), pool1x1, 1),
        ]
    )
