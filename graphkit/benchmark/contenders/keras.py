"""Keras 3 on TensorFlow: `compile` and `fit`."""

import keras
from contenders import networks
from keras import layers


class Clock(keras.callbacks.Callback):
    """Tells the watch when runs and epochs end."""

    def __init__(self, watch):
        super().__init__()
        self.watch = watch
        watch.start()

    def on_train_batch_end(self, batch, logs=None):
        self.watch.step()

    def on_epoch_end(self, epoch, logs=None):
        self.watch.epoch()


def train(problem, watch, jit=False, steps_per_execution=1):
    keras.utils.set_random_seed(problem.config["seed"])
    model = build(problem)
    model.compile(
        keras.optimizers.Adam(problem.config["learning_rate"]),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=jit,
        steps_per_execution=steps_per_execution,
    )
    kept = model.fit(
        problem.floats,
        problem.labels,
        problem.batch_size,
        problem.epochs,
        verbose=0,
        callbacks=[Clock(watch)],
    )

    def predict(unseen):
        return model.predict(problem.as_floats(unseen), networks.PREDICT_BATCH, verbose=0)

    watch.predict(predict, problem.unseen)
    return kept.history["accuracy"][-1], model.count_params()


def build(problem):
    dtype = "int32" if problem.vocabulary_size else "float32"
    net = inputs = keras.Input(problem.examples.shape[1:], dtype=dtype)
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
            net = layers.Dropout(1 - problem.config["keep_prob"])(net)
        elif kind == "logits":
            net = layers.Dense(problem.num_classes)(net)
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
