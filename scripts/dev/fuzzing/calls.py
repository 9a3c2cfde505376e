"""A correct call of each public function, class and method, and what is then done with its result."""

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas
import tensorflow as tf

import graphkit as gk
from fuzzing.outcomes import WrongResult
from graphkit import studies

v1 = tf.compat.v1


def images(size=4, channels=3):
    return v1.placeholder(tf.float32, (None, size, size, channels))


def features(size=3):
    return v1.placeholder(tf.float32, (None, size))


def logits_and_labels():
    return {"logits": features(3), "labels": v1.placeholder(tf.int32, (None,))}


def rows():
    """Returns a small table."""
    return pandas.DataFrame({"n": [1, 2, 2], "t": ["a", "b", "a"], "x": [0.5, np.nan, 2.0]})


def pixels():
    return np.arange(4 * 4 * 4 * 3, dtype=np.uint8).reshape(4, 4, 4, 3)


def small_loss():
    inputs, labels = gk.feature_input(2), gk.label_input()
    return gk.softmax_cross_entropy(gk.dense(inputs, 2), labels)


def two_examples(loss):
    names = [op.name for op in loss.graph.get_operations() if op.type == "Placeholder"][-2:]
    return dict(zip(names, (np.eye(2), [0, 1]), strict=True))


def digits():
    """Returns 60 of the embedded digits."""
    complete = all_digits()
    parts = (
        gk.data.ImageSplit(*(array[:20] for array in split))
        for split in (complete.train, complete.valid, complete.test)
    )
    return complete._replace(**dict(zip(("train", "valid", "test"), parts, strict=True)))


@functools.cache
def all_digits():
    return gk.load_dataset("mnist_5k")


def small_config(**settings):
    return gk.runs.RunConfig.for_data(digits(), model="softmax_regression", keep_prob=1.0, **settings)


def fitted():
    """Returns a shared trainer that has a history."""
    trainer = Trained.get()
    if not trainer.history:
        trainer.fit(Trained.data(), progress=False, execution="feed")
    return trainer


class Trained:
    """A trainer shared by many cases; made again after a case has closed it."""

    trainer = None
    numbers = itertools.count()  # of the folders of exports, which must be new

    @classmethod
    def get(cls):
        if cls.trainer is None or not cls.trainer.closer.alive:
            with tf.Graph().as_default():
                cls.inputs, cls.labels = gk.feature_input(2), gk.label_input()
                cls.keep_prob = gk.keep_prob_input()
                cls.logits = gk.dense(gk.dropout(cls.inputs, cls.keep_prob), 2)
                loss = gk.softmax_cross_entropy(cls.logits, cls.labels)
                cls.trainer = gk.Trainer(loss, optimizer="sgd", learning_rate=1e-3)
        return cls.trainer

    @classmethod
    def outputs(cls):
        cls.get()
        return cls.logits

    @classmethod
    def data(cls):
        cls.get()
        return {cls.inputs: np.eye(2, dtype=np.float32), cls.labels: np.arange(2)}

    @classmethod
    def path(cls):
        path = gk.WeightPath()
        cls.get().fit(cls.data(), epochs=2, batch_size=1, callbacks=[path], progress=False, execution="feed")
        return path


# Takes no arguments, and is refused under the graphs that the fuzzer makes.
UNCALLED = ("reset",)
SIZES = {"input_shape": (8, 8, 3), "filters": 4, "kernel_size": 3}
LABELS = np.array([0, 0, 1, 2])

# {public name, without "graphkit.": function that returns the arguments of a correct call}; methods follow
# their class.
CALLS: dict[str, Callable[[], dict[str, Any]]] = {
    "GraphkitError": lambda: {},
    "Callback": lambda: {},
    "data.Dataset": lambda: {"name": "x", "train": (), "valid": (), "test": (), "classes": ()},
    "data.FeatureSplit": lambda: {"features": np.zeros((2, 3)), "labels": np.arange(2)},
    "data.ImageSplit": lambda: {"images": pixels(), "labels": np.arange(4)},
    "data.WordSplit": lambda: {"words": np.array(["a"]), "labels": np.arange(1)},
    "inspection.Finding": lambda: {"rule": "x", "op": "y", "line": "a.py:1", "message": "z"},
    "NotFiniteError": lambda: {"text": "x", "report": None},
    "diagnosis.Recorder": lambda: {},
    "diagnosis.PostMortem": lambda: {"what": "loss", "step": 1, "epoch": 1, "batch": 1},
    "Metric": lambda: {"tensor": tf.constant(0.5), "finish": lambda mean, count: mean},
    "studies.RateTest": lambda: {"rates": np.ones(2), "losses": np.ones(2), "suggestion": 0.1},
    "inspection.Summary": lambda: {
        "rows": (),
        "fixed_flops": 0,
        "trained_bytes": 0,
        "input_bytes": 0,
        "notes": (),
        "edges": (),
        "inputs": (),
    },
    "studies.LossSurface": lambda: (
        {"x": np.arange(2), "y": np.arange(2), "losses": np.ones((2, 2)), "paths": {}}
        | {"labels": ("a", "b"), "fractions": np.ones(2)}
    ),
    # data
    "epoch_order": lambda: {"num_examples": 5, "seed": 0, "epoch": 0},
    "minibatches": lambda: {"arrays": [np.arange(5), pixels()[[0, 1, 2, 3, 0]]], "batch_size": 2},
    "split_indices": lambda: {"num_examples": 4, "fraction": 0.5, "seed": 0, "labels": LABELS},
    "Augmentation": lambda: {"shift": 1, "rotate": 5.0, "scale": 0.1, "flip": True},
    "Augmentation.__call__": lambda: {"images": pixels(), "seed": (1, 2)},
    "fill_rare_classes": lambda: {
        "images": pixels(),
        "labels": LABELS,
        "augmentation": gk.Augmentation(shift=1),
    },
    "class_weights": lambda: {"labels": LABELS},
    "resample": lambda: {"labels": LABELS},
    "tfrecord_batches": lambda: {
        "pattern": "no-such-file",
        "features": {"labels": tf.io.FixedLenFeature((), tf.int64)},
        "batch_size": 2,
    },
    "load_dataset": lambda: {"name_or_path": "mnist_5k"},
    "MinMaxScaler": lambda: {"examples": np.eye(3)},
    "MinMaxScaler.__call__": lambda: {"examples": np.eye(3)},
    "Standardizer": lambda: {"examples": np.eye(3)},
    "data.OneHotEncoder": lambda: {"values": ["a", "b"], "unknown": "ignore"},
    "data.TableEncoder": lambda: {"frame": rows(), "missing": "fill", "categorical": ["n"]},
    "data.TableFormat": lambda: {
        "label": "y",
        "classes": (),
        "mean": 0.0,
        "std": 1.0,
        "encoder": gk.data.TableEncoder(rows(), missing="fill"),
    },
    "data.ImageFormat": lambda: {"shape": (4, 4, 3), "resize": True, "classes": ("a", "b")},
    "Standardizer.__call__": lambda: {"examples": np.eye(3)},
    "grayscale": lambda: {"images": pixels()},
    "one_hot": lambda: {"labels": LABELS, "num_classes": 3},
    "scale_pixels": lambda: {"images": pixels()},
    "data.read_idx": lambda: {"path": "no-such-file"},
    "data.read_npz": lambda: {"path": "no-such-file"},
    "Vocabulary": lambda: {"tokens": ["a", "b"]},
    "Vocabulary.of_characters": lambda: {"texts": ["ab", "b"]},
    "Vocabulary.of_words": lambda: {"texts": ["ab", "b c"]},
    "Vocabulary.encode": lambda: {"texts": ["a b", "b c"]},
    "Vocabulary.decode": lambda: {"tokens": np.array([[2, 0]])},
    "Vocabulary.lengths": lambda: {"tokens": np.array([[2, 0]])},
    # graphs
    "check_graph": lambda: {"loss": small_loss()},
    "compare": lambda: {"old": (loss := small_loss()), "new": loss, "inputs": two_examples(loss)},
    "replay": lambda: {"path": "no-such-file"},
    "revive": lambda: {"path": "no-such-file"},
    "to_numpy": lambda: {"trainer": Trained.get(), "path": "model.py", "overwrite": True},
    "summary": lambda: {"target": gk.dense(features(), 2)},
    "inspection.Summary.memory": lambda: {"batch_size": 2},
    "inspection.Summary.forward_flops": lambda: {"batch_size": 2},
    "inspection.Summary.largest_batch": lambda: {"memory": 10**6},
    "char_rnn": lambda: {
        "tokens": v1.placeholder(tf.int32, (None, 3)),
        "vocabulary_size": 5,
        "num_classes": 2,
    },
    "convnet": lambda: {"images": images(8)},
    "inception_net": lambda: {"images": images(8)},
    "mlp": lambda: {"images": images()},
    "softmax_regression": lambda: {"images": images()},
    "glorot_uniform": lambda: {},
    "he_normal": lambda: {},
    "truncated_normal": lambda: {},
    "zeros": lambda: {},
    "feature_input": lambda: {"num_features": 3},
    "image_input": lambda: {"height": 4, "width": 4},
    "keep_prob_input": lambda: {},
    "label_input": lambda: {},
    "one_hot_input": lambda: {"num_classes": 3},
    "token_input": lambda: {"length": 3},
    "relu": lambda: {"inputs": features()},
    "flatten": lambda: {"inputs": features()},
    "softmax": lambda: {"logits": features()},
    "inception_module": lambda: (
        {"inputs": images()}
        | dict.fromkeys(("conv1x1", "reduce3x3", "conv3x3", "reduce5x5", "conv5x5", "pool1x1"), 1)
    ),
    "residual_block": lambda: {"inputs": images(), "filters": 2},
    "conv1d": lambda: {"inputs": v1.placeholder(tf.float32, (None, 6, 2)), "filters": 2, "kernel_size": 2},
    "conv1x1": lambda: {"inputs": images(), "filters": 2},
    "conv2d": lambda: {"inputs": images(), "filters": 2, "kernel_size": 2},
    "conv2d_transpose": lambda: {"inputs": images(), "filters": 2, "kernel_size": 2},
    "separable_conv2d": lambda: {"inputs": images(), "filters": 2, "kernel_size": 2},
    "bias_add": lambda: {"inputs": features()},
    "dense": lambda: {"inputs": features(), "units": 2},
    "dropout": lambda: {"inputs": features(), "keep_prob": 0.5},
    "embedding": lambda: {"tokens": v1.placeholder(tf.int32, (None, 3)), "vocabulary_size": 5, "units": 2},
    "linear": lambda: {"inputs": features(), "units": 2},
    "batch_norm": lambda: {"inputs": images()},
    "layer_norm": lambda: {"inputs": features()},
    "avg_pool": lambda: {"inputs": images(), "pool_size": 2, "strides": 2},
    "max_pool": lambda: {"inputs": images(), "pool_size": 2, "strides": 2},
    "global_avg_pool": lambda: {"inputs": images()},
    "global_max_pool": lambda: {"inputs": images()},
    "l2_loss": lambda: {"tensor": features()},
    "l2_penalty": lambda: {"beta": 0.1, "variables": [v1.get_variable("kernel", (2, 3))]},
    **{
        name: lambda: {"predictions": features(), "targets": features()}
        for name in ("mean_absolute_error", "mean_squared_error", "r2_score", "root_mean_squared_error")
    },
    "sigmoid_cross_entropy": lambda: {"logits": features(), "labels": features()},
    "softmax_cross_entropy": logits_and_labels,
    "rnn": lambda: {"inputs": v1.placeholder(tf.float32, (None, 3, 2)), "units": 2},
    "accuracy": logits_and_labels,
    "auc": logits_and_labels,
    "confusion_matrix": logits_and_labels,
    "f1_score": logits_and_labels,
    "precision": logits_and_labels,
    "recall": logits_and_labels,
    "top_k_accuracy": lambda: logits_and_labels() | {"k": 2},
    # several processes
    "Cluster": lambda: {
        "workers": ["a.example:1", "b.example:2"],
        "index": 1,
        "timeout": 9.0,
        "local_steps": 2,
    },
    "cluster_from_env": lambda: {"timeout": 9.0, "local_steps": 2},
    "WorkerLostError": lambda: {"text": "x"},
    # runs
    "runs.FeatureScaling": lambda: {"mean": (0.5,), "std": (1.0,)},
    "runs.RunConfig": lambda: (
        {"model": "mlp", "data": "mnist_5k", "data_folder": None, "classes": ("a", "b")}
        | {"image_shape": (4, 4, 1)}
    ),
    "runs.RunConfig.for_data": lambda: {"data": digits(), "model": "mlp"},
    "runs.RunConfig.encode": lambda: {"examples": ["ab", "b"]},
    "runs.RunConfig.read": lambda: {"example": "ab"},
    "runs.RunConfig.answers": lambda: {"output": np.array([0.25, 0.75]), "top": 1},
    "Standardizer.inverse_transform": lambda: {"examples": np.eye(3)},
    "MinMaxScaler.inverse_transform": lambda: {"examples": np.eye(3)},
    "data.OneHotEncoder.transform": lambda: {"values": ["a", "c"]},
    "data.OneHotEncoder.inverse_transform": lambda: {"rows": np.eye(2)},
    "data.TableEncoder.transform": lambda: {"frame": rows()},
    "data.TableEncoder.inverse_transform": lambda: {"features": np.zeros((2, 4))},
    "runs.build_network": lambda: {"config": small_config()},
    "runs.load_run": lambda: {"logdir": "no-such-folder"},
    "runs.read_images": lambda: {"path": "no-such-file.png", "image_shape": (4, 4, 3)},
    "runs.train_run": lambda: {
        "config": small_config(),
        "data": digits(),
        "logdir": "run",
        "epochs": 1,
        "overwrite": True,
    },
    # pictures
    "plots.plot_confusion_matrix": lambda: {"matrix": np.array([[3, 1], [0, 2]]), "classes": ["a", "b"]},
    "plots.plot_embedding": lambda: {
        "vectors": np.eye(3),
        "names": ["a", "b", "c"],
        "groups": ["x", "y", "y"],
    },
    "plots.plot_feature_maps": lambda: {"maps": np.ones((4, 4, 3))},
    "plots.plot_filters": lambda: {"kernel": np.ones((2, 2, 5, 3)), "columns": 2, "rows": 2},
    "plots.plot_graph": lambda: {"target": gk.dense(features(), 2)},
    "plots.plot_histograms": lambda: {"arrays": {"a": np.arange(4.0)}},
    "plots.plot_history": lambda: {
        "history": {"epoch": [1, 2], "loss": [1.0, 0.5]},
        "smoothing": 0.5,
        "log_scale": ["loss"],
    },
    "plots.plot_images": lambda: {
        "images": pixels(),
        "labels": np.arange(4),
        "predictions": np.arange(4)[::-1].copy(),
        "classes": ["a", "b", "c", "d"],
    },
    "plots.plot_loss_surface": lambda: {
        "surface": studies.LossSurface(
            np.arange(3), np.arange(3), np.eye(3), {"path": np.eye(2)}, ("a", "b"), np.array([0.9, 0.1])
        )
    },
    "plots.plot_probabilities": lambda: {
        "probabilities": np.full((2, 4), 0.25),
        "classes": ["a", "b", "c", "d"],
    },
    "plots.plot_rate_test": lambda: {
        "test": studies.RateTest(np.array([0.1, 1.0]), np.array([2.0, 1.0]), 0.1)
    },
    "plots.plot_receptive_field": lambda: {"layers": [(3, 1), (2, 2, 1)]},
    # sizes
    "sizes.array_bytes": lambda: {"shape": (2, 3)},
    "sizes.batch_norm_parameters": lambda: {"channels": 3},
    "sizes.cluster_step_seconds": lambda: {
        "compute_seconds": 0.1,
        "gradient_bytes": 10**6,
        "workers": 2,
        "bandwidth": 1e9,
        "latency": 1e-3,
    },
    "sizes.conv2d_flops": lambda: SIZES,
    "sizes.conv2d_parameters": lambda: {"in_channels": 3, "filters": 4, "kernel_size": 3},
    "sizes.conv2d_shape": lambda: SIZES,
    "sizes.conv2d_transpose_shape": lambda: SIZES,
    "sizes.dense_flops": lambda: {"in_features": 3, "units": 2},
    "sizes.dense_parameters": lambda: {"in_features": 3, "units": 2},
    "sizes.embedding_parameters": lambda: {"vocabulary_size": 3, "units": 2},
    "sizes.largest_batch": lambda: {"memory": 10**6, "parameters": 3, "activations": 2},
    "sizes.optimizer_slots": lambda: {"optimizer": "adam"},
    "sizes.output_size": lambda: {"size": 8, "kernel_size": 3},
    "sizes.pool2d_flops": lambda: {"input_shape": (8, 8, 3), "pool_size": 2, "strides": 2},
    "sizes.pool2d_shape": lambda: {"input_shape": (8, 8, 3), "pool_size": 2, "strides": 2},
    "sizes.receptive_field": lambda: {"layers": [(3, 1), (2, 2, 1)]},
    "sizes.rnn_flops": lambda: {"in_features": 3, "units": 2, "steps": 4},
    "sizes.rnn_parameters": lambda: {"in_features": 3, "units": 2},
    "sizes.separable_conv2d_parameters": lambda: {"in_channels": 3, "filters": 4, "kernel_size": 3},
    "sizes.training_bytes": lambda: {"parameters": 3, "activations": 2, "batch_size": 4},
    "sizes.training_flops": lambda: {"forward": 100},
    "sizes.unshared_conv2d_parameters": lambda: SIZES,
    # training
    "BestCheckpoint": lambda: {},
    "Checkpointing": lambda: {},
    "EarlyStopping": lambda: {},
    "MetricsFile": lambda: {"every": 2},
    "ReduceOnPlateau": lambda: {},
    "TensorBoard": lambda: {"logdir": "x", "every": 2, "images": 1, "settings": {"l2": 0.1}},
    "AdamW": lambda: {},
    "cosine_decay": lambda: {"learning_rate": 0.1, "decay_steps": 10},
    "exponential_decay": lambda: {"learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5},
    "inverse_time_decay": lambda: {"learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5},
    "cosine_decay_restarts": lambda: {"learning_rate": 0.1, "first_decay_steps": 10},
    "linear_warmup": lambda: {"schedule": 0.1, "warmup_steps": 10},
    "one_cycle": lambda: {"learning_rate": 0.1, "total_steps": 10},
    "polynomial_decay": lambda: {"learning_rate": 0.1, "decay_steps": 10},
    "piecewise_constant": lambda: {"boundaries": [1, 2], "rates": [0.1, 0.2, 0.3]},
    "find_learning_rate": lambda: {"trainer": Trained.get(), "data": Trained.data(), "steps": 2},
    "WeightPath": lambda: {},
    "loss_surface": lambda: (
        {"trainer": Trained.get(), "data": Trained.data(), "paths": Trained.path(), "resolution": 2}
    ),
    "Trainer": lambda: {"loss": small_loss()},
    "report": lambda: {"trainer": fitted(), "path": "report.html", "settings": {"l2": 0.1}},
    "Trainer.fit": lambda: {"data": Trained.data(), "epochs": 1, "progress": False, "execution": "feed"},
    "Trainer.evaluate": lambda: {"data": Trained.data()},
    "Trainer.predict": lambda: {"data": Trained.data(), "tensor": Trained.outputs()},
    "Trainer.weights": lambda: {},
    "Trainer.save": lambda: {"path": "model"},
    "Trainer.restore": lambda: {"path": Trained.get().save("saved")},
    "Trainer.export": lambda: {"path": f"exported-{next(Trained.numbers)}", "outputs": Trained.outputs()},
    "Trainer.stop": lambda: {"reason": "enough"},
}


def vocabulary():
    return gk.Vocabulary(["a", "b"])


def word_config():
    return gk.runs.RunConfig("char_rnn", "x", None, ("a", "b"), alphabet="abc", length=3)


def found():
    return gk.summary(gk.dense(features(), 2))


# {method: function that returns the bound method}.
METHODS: dict[str, Callable[[], Callable[..., Any]]] = {
    "Augmentation.__call__": lambda: gk.Augmentation(shift=1, rotate=5.0, flip=True, brightness=0.1),
    "MinMaxScaler.__call__": lambda: gk.MinMaxScaler(np.eye(3)),
    "Standardizer.__call__": lambda: gk.Standardizer(np.eye(3)),
    "Vocabulary.of_characters": lambda: gk.Vocabulary.of_characters,
    "Vocabulary.of_words": lambda: gk.Vocabulary.of_words,
    "Vocabulary.encode": lambda: vocabulary().encode,
    "Vocabulary.decode": lambda: vocabulary().decode,
    "Vocabulary.lengths": lambda: vocabulary().lengths,
    "inspection.Summary.memory": lambda: found().memory,
    "inspection.Summary.forward_flops": lambda: found().forward_flops,
    "inspection.Summary.largest_batch": lambda: found().largest_batch,
    "runs.RunConfig.for_data": lambda: gk.runs.RunConfig.for_data,
    "runs.RunConfig.encode": lambda: word_config().encode,
    "runs.RunConfig.read": lambda: word_config().read,
    "runs.RunConfig.answers": lambda: word_config().answers,
    "Standardizer.inverse_transform": lambda: gk.Standardizer(np.eye(3)).inverse_transform,
    "MinMaxScaler.inverse_transform": lambda: gk.MinMaxScaler(np.eye(3)).inverse_transform,
    "data.OneHotEncoder.transform": lambda: gk.data.OneHotEncoder(["a", "b"], unknown="ignore").transform,
    "data.OneHotEncoder.inverse_transform": lambda: gk.data.OneHotEncoder(["a", "b"]).inverse_transform,
    "data.TableEncoder.transform": lambda: gk.data.TableEncoder(rows(), missing="fill").transform,
    "data.TableEncoder.inverse_transform": lambda: (
        gk.data.TableEncoder(rows(), missing="fill").inverse_transform
    ),
    "Trainer.fit": lambda: Trained.get().fit,
    "Trainer.evaluate": lambda: Trained.get().evaluate,
    "Trainer.predict": lambda: Trained.get().predict,
    "Trainer.weights": lambda: Trained.get().weights,
    "Trainer.save": lambda: Trained.get().save,
    "Trainer.restore": lambda: Trained.get().restore,
    "Trainer.export": lambda: Trained.get().export,
    "Trainer.stop": lambda: Trained.get().stop,
}


OTHER_SCHEDULES = ("linear_warmup", "one_cycle", "piecewise_constant")


def iterate(batches, _):
    list(itertools.islice(batches, 3))


def ask_rates(schedule, _):
    for step in (0, 1, 10, 10**6, 2**62):
        rate = schedule(step)
        if not (isinstance(rate, float) and math.isfinite(rate) and rate >= 0):
            raise WrongResult(f"the rate of step {step} is {rate!r}")


def initialize(initializer, _):
    gk.dense(features(), 2, kernel_initializer=initializer)


def transform(transformer, _):
    transformer(np.eye(3))


def jitter(augmentation, _):
    augmentation(pixels(), 3)
    augmentation(pixels().astype(np.float32), (0, 3))


def encode(vocabulary, _):
    vocabulary.decode(vocabulary.encode(["a b"]))


def minimize(optimizer, _):
    optimizer.minimize(small_loss())


def restore(path, _):
    Trained.get().restore(path, weights_only=True)


def close(trainer, _):
    trainer.close()


def save(figure, _):
    figure.savefig("picture.svg")


def is_natural(number, _):
    if type(number) is not int or number < 0:
        raise WrongResult(f"a size is {number!r}")


def is_duration(seconds, _):
    if type(seconds) is not float or not seconds >= 0:
        raise WrongResult(f"a duration is {seconds!r}")


# {name: function (result, arguments) that uses the result}.
USES: dict[str, Callable[[Any, dict[str, Any]], object]] = {
    "minibatches": iterate,
    **{name: ask_rates for name in CALLS if "_decay" in name or name in OTHER_SCHEDULES},
    **{n: initialize for n in ("glorot_uniform", "he_normal", "truncated_normal", "zeros")},
    "Standardizer": transform,
    "MinMaxScaler": transform,
    "Augmentation": jitter,
    "Vocabulary": encode,
    "AdamW": minimize,
    "Trainer": close,
    **{name: save for name in CALLS if name.startswith("plots.")},
    "Trainer.export": restore,
    **{name: is_natural for name in CALLS if name.startswith("sizes.") and not name.endswith("_shape")},
    "sizes.cluster_step_seconds": is_duration,
}
