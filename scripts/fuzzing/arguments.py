"""Odd arguments: for each public name a call that is right, and what is put in place of its arguments."""

import decimal
import fractions
import functools
import inspect
import itertools
import math
import pathlib

import numpy as np
import tensorflow as tf

import graphkit as gk
from fuzzing.outcomes import Fault

v1 = tf.compat.v1


def elsewhere(make):
    """Returns what a function makes in another graph."""
    with tf.Graph().as_default():
        return make()


def holding_itself():
    held = []
    held.append(held)
    return held


def constant(value, dtype=None):
    return lambda: tf.constant(value, dtype)


# By what they are called in the record of a case; made anew for each, in the graph of the call.
ODD_VALUES = {
    **{
        repr(value): functools.partial(lambda value: value, value)
        for value in (
            None,
            True,
            False,
            -1,
            0,
            1,
            2,
            3,
            7,
            0.5,
            1.0,
            -0.5,
            1e-320,
            1e308,
            1j,
            2**16,
            2**31 - 1,
            2**31,
            2**53 + 1,
            2**62,
            2**63,
            2**64,
            -(2**63),
            "",
            "x",
            "same",
            "valid",
            "channels_first",
            "lstm",
            "a b",
            "a/b",
            "../a",
            "\0",
            "\ud800",
            "é",
            b"x",
            b"\xff",
            (),
            [],
            {},
            (0,),
            (1, 2),
            [1, 2],
            (-1, 2),
            (2, 2, 2),
            (1, 0),
            ("a", "b"),
            ["a", 1],
            (None,),
            [None, 1],
            [[1], [2, 3]],
            (2**31,) * 4,
            (2**63, 1),
            {"a": 1},
            {1, 2},
            range(3),
            Ellipsis,
            str,
        )
    },
    "nan": lambda: math.nan,
    "inf": lambda: math.inf,
    "-inf": lambda: -math.inf,
    "10**400": lambda: 10**400,
    "10**5000": lambda: 10**5000,
    "'x' * 10000": lambda: "x" * 10000,
    "(1,) * 300": lambda: (1,) * 300,
    "Fraction(1, 3)": lambda: fractions.Fraction(1, 3),
    "Fraction(10**400)": lambda: fractions.Fraction(10**400),
    "Decimal('0.5')": lambda: decimal.Decimal("0.5"),
    "Path('x')": lambda: pathlib.Path("x"),
    "object()": object,
    "slice(2)": lambda: slice(2),
    "iter([1])": lambda: iter([1]),
    "a list that holds itself": holding_itself,
    "lambda: 1": lambda: lambda: 1,
    "lambda *_: None": lambda: lambda *_, **__: None,
    "lambda x: x": lambda: lambda x, *_: x,
    "np.float32(1)": lambda: np.float32(1),
    "np.float16(inf)": lambda: np.float16(np.inf),
    "np.int64(2)": lambda: np.int64(2),
    "np.uint8(200)": lambda: np.uint8(200),
    "np.bool_(True)": lambda: np.bool_(True),
    "np.str_('x')": lambda: np.str_("x"),
    "np.array(3)": lambda: np.array(3),
    "np.arange(4)": lambda: np.arange(4),
    "np.arange(4.0)": lambda: np.arange(4.0),
    "np.array([-1, 5])": lambda: np.array([-1, 5]),
    "np.array([2**63], uint64)": lambda: np.array([2**63], np.uint64),
    "np.array([2**62, 1])": lambda: np.array([2**62, 1]),
    "np.zeros(0)": lambda: np.zeros(0),
    "np.zeros(0, int)": lambda: np.zeros(0, int),
    "np.zeros((0, 3))": lambda: np.zeros((0, 3)),
    "np.zeros((2, 0))": lambda: np.zeros((2, 0)),
    "np.zeros((0, 4, 4, 1), uint8)": lambda: np.zeros((0, 4, 4, 1), np.uint8),
    "np.zeros((2, 3))": lambda: np.zeros((2, 3)),
    "np.zeros((2, 0, 4, 3))": lambda: np.zeros((2, 0, 4, 3)),
    "np.zeros((1,) * 32)": lambda: np.zeros((1,) * 32),
    "np.full((4, 4), nan)": lambda: np.full((4, 4), np.nan),
    "np.full((4, 4), 1e308)": lambda: np.full((4, 4), 1e308) * [1, -1, 1, -1],
    "np.zeros(3, complex)": lambda: np.zeros(3, complex),
    "np.array(['a', 'b'])": lambda: np.array(["a", "b"]),
    "np.array([b'a'])": lambda: np.array([b"a"]),
    "np.array([None, 1])": lambda: np.array([None, 1]),
    "np.zeros(3, 'M8[s]')": lambda: np.zeros(3, "M8[s]"),
    "np.zeros(3, [('x', 'f4')])": lambda: np.zeros(3, [("x", "f4")]),
    "np.zeros((2, 3), float16)": lambda: np.zeros((2, 3), np.float16),
    "np.zeros((2, 3), longdouble)": lambda: np.zeros((2, 3), np.longdouble),
    "np.zeros((2, 3), '>f4')": lambda: np.zeros((2, 3), ">f4"),
    "np.ma.masked_all(3)": lambda: np.ma.masked_all(3),
    "np.broadcast_to(0.0, (2**20,))": lambda: np.broadcast_to(0.0, (2**20,)),
    "np.matrix([[1, 2]])": lambda: np.asmatrix(np.eye(2)),
    "np.dtype('f4')": lambda: np.dtype("f4"),
    "np.dtype('O')": lambda: np.dtype("O"),
    "placeholder ()": lambda: v1.placeholder(tf.float32, ()),
    "placeholder (None,)": lambda: v1.placeholder(tf.float32, (None,)),
    "placeholder (None, None)": lambda: v1.placeholder(tf.float32, (None, None)),
    "placeholder (None, 4, 4, 3)": lambda: v1.placeholder(tf.float32, (None, 4, 4, 3)),
    "placeholder (None, None, None, None)": lambda: v1.placeholder(tf.float32, (None,) * 4),
    "placeholder (0, 4, 0, 3)": lambda: v1.placeholder(tf.float32, (0, 4, 0, 3)),
    "placeholder (2**31, 2**31, 2**31)": lambda: v1.placeholder(tf.float32, (2**31,) * 3),
    "placeholder of any shape": lambda: v1.placeholder(tf.float32),
    "float16 placeholder (None, 3)": lambda: v1.placeholder(tf.float16, (None, 3)),
    "float64 placeholder (2, 3)": lambda: v1.placeholder(tf.float64, (2, 3)),
    "bfloat16 placeholder (2, 4, 4, 3)": lambda: v1.placeholder(tf.bfloat16, (2, 4, 4, 3)),
    "int32 placeholder (None,)": lambda: v1.placeholder(tf.int32, (None,)),
    "int64 placeholder (None, 3)": lambda: v1.placeholder(tf.int64, (None, 3)),
    "uint64 placeholder": lambda: v1.placeholder(tf.uint64, (None,)),
    "complex placeholder": lambda: v1.placeholder(tf.complex64, (None, 3)),
    "string tensor": constant("x"),
    "bool tensor": constant([True, False]),
    "int tensor": constant(2),
    "float tensor": constant(0.5),
    "nan tensor": constant(math.nan),
    "variant tensor": lambda: v1.placeholder(tf.variant, ()),
    "resource tensor": lambda: v1.placeholder(tf.resource, ()),
    "qint8 tensor": lambda: v1.placeholder(tf.qint8, (2,)),
    "float8 tensor": lambda: v1.placeholder(tf.dtypes.experimental.float8_e5m2, (2, 3)),
    "tensor of another graph": lambda: elsewhere(constant([[0.5, 1.0]])),
    "placeholder of another graph": lambda: elsewhere(lambda: v1.placeholder(tf.float32, (None, 4, 4, 3))),
    "variable of another graph": lambda: elsewhere(
        lambda: v1.get_variable("other", (2, 3), use_resource=True)
    ),
    "variable": lambda: v1.get_variable("odd", (2, 3), use_resource=True),
    "reference variable": lambda: v1.get_variable("odd_reference", (2, 3), use_resource=False),
    "operation": lambda: tf.no_op(),
    "sparse tensor": lambda: tf.sparse.from_dense([[1.0, 0.0]]),
    "ragged tensor": lambda: tf.ragged.constant([[1.0], [2.0, 3.0]]),
    "TensorShape([None])": lambda: tf.TensorShape([None]),
    "TensorShape(None)": lambda: tf.TensorShape(None),
    "tf.float32": lambda: tf.float32,
    "tf.Graph()": tf.Graph,
    "graph of everything so far": v1.get_default_graph,
    "gk.Metric(0.5, None)": lambda: gk.Metric(0.5, None),
    "gk.EarlyStopping()": lambda: gk.EarlyStopping(),
    "gk.relu": lambda: gk.relu,
    "gk.zeros()": lambda: gk.zeros(),
    "tf.ones_initializer": lambda: tf.compat.v1.ones_initializer,
}


def images(size=4, channels=3):
    return v1.placeholder(tf.float32, (None, size, size, channels))


def features(size=3):
    return v1.placeholder(tf.float32, (None, size))


def logits_and_labels():
    return {"logits": features(3), "labels": v1.placeholder(tf.int32, (None,))}


def pixels():
    return np.arange(4 * 4 * 4 * 3, dtype=np.uint8).reshape(4, 4, 4, 3)


def small_loss():
    inputs, labels = gk.feature_input(2), gk.label_input()
    return gk.softmax_cross_entropy(gk.dense(inputs, 2), labels)


def digits():
    """Returns the embedded digits, few of them."""
    whole = whole_digits()
    parts = (
        gk.ImageSplit(*(array[:20] for array in split)) for split in (whole.train, whole.valid, whole.test)
    )
    return whole._replace(**dict(zip(("train", "valid", "test"), parts, strict=True)))


@functools.cache
def whole_digits():
    return gk.load_dataset("mnist_5k")


def small_config(**settings):
    return gk.RunConfig.for_data(digits(), model="softmax_regression", keep_prob=1.0, **settings)


class Trained:
    """A trainer that serves many cases, made anew when one has closed it."""

    trainer = None
    numbers = itertools.count()  # of folders, which must be new

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


SIZES = {"input_shape": (8, 8, 3), "filters": 4, "kernel_size": 3}
OBSERVED = {"logits": features, "labels": lambda: v1.placeholder(tf.int32, (None,))}
LABELS = np.array([0, 0, 1, 2])

# Name: function -> arguments of a call that is right. A name with a dot is a method, see `METHODS`.
ROWS = {
    "GraphkitError": lambda: {},
    "Callback": lambda: {},
    "Dataset": lambda: {"name": "x", "train": (), "valid": (), "test": (), "classes": ()},
    "FeatureSplit": lambda: {"features": np.zeros((2, 3)), "labels": np.arange(2)},
    "ImageSplit": lambda: {"images": pixels(), "labels": np.arange(4)},
    "WordSplit": lambda: {"words": np.array(["a"]), "labels": np.arange(1)},
    "Finding": lambda: {"rule": "x", "op": "y", "line": "a.py:1", "message": "z"},
    "NotFiniteError": lambda: {"text": "x", "report": None},
    "PostMortem": lambda: {"what": "loss", "step": 1, "epoch": 1, "batch": 1},
    "Metric": lambda: {"tensor": tf.constant(0.5), "finish": lambda mean, count: mean},
    "RateTest": lambda: {"rates": np.ones(2), "losses": np.ones(2), "suggestion": 0.1},
    "Summary": lambda: {
        "rows": (),
        "fixed_flops": 0,
        "trained_bytes": 0,
        "notes": (),
        "edges": (),
        "inputs": (),
    },
    "LossSurface": lambda: (
        {"x": np.arange(2), "y": np.arange(2), "losses": np.ones((2, 2)), "paths": {}}
        | {"labels": ("a", "b"), "shares": np.ones(2)}
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
    "load_dataset": lambda: {"name_or_path": "mnist_5k"},
    "MinMaxScaler": lambda: {"examples": np.eye(3)},
    "MinMaxScaler.__call__": lambda: {"examples": np.eye(3)},
    "Standardizer": lambda: {"examples": np.eye(3)},
    "Standardizer.__call__": lambda: {"examples": np.eye(3)},
    "grayscale": lambda: {"images": pixels()},
    "one_hot": lambda: {"labels": LABELS, "num_classes": 3},
    "scale_pixels": lambda: {"images": pixels()},
    "read_idx": lambda: {"path": "no-such-file"},
    "read_npz": lambda: {"path": "no-such-file"},
    "Vocabulary": lambda: {"tokens": ["a", "b"]},
    "Vocabulary.of_characters": lambda: {"texts": ["ab", "b"]},
    "Vocabulary.of_words": lambda: {"texts": ["ab", "b c"]},
    "Vocabulary.encode": lambda: {"texts": ["a b", "b c"]},
    "Vocabulary.decode": lambda: {"tokens": np.array([[2, 0]])},
    "Vocabulary.lengths": lambda: {"tokens": np.array([[2, 0]])},
    # graphs
    "check_graph": lambda: {"loss": small_loss()},
    "replay": lambda: {"path": "no-such-file"},
    "summary": lambda: {"target": gk.dense(features(), 2)},
    "Summary.memory": lambda: {"batch_size": 2},
    "Summary.forward_flops": lambda: {"batch_size": 2},
    "Summary.largest_batch": lambda: {"memory": 10**6},
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
    **{
        name: lambda: {"inputs": features()}
        for name in ("elu", "leaky_relu", "relu", "sigmoid", "tanh", "flatten")
    },
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
    "mean_squared_error": lambda: {"predictions": features(), "targets": features()},
    "sigmoid_cross_entropy": lambda: {"logits": features(), "labels": features()},
    "softmax_cross_entropy": logits_and_labels,
    "rnn": lambda: {"inputs": v1.placeholder(tf.float32, (None, 3, 2)), "units": 2},
    "accuracy": logits_and_labels,
    "confusion_matrix": logits_and_labels,
    "f1_score": logits_and_labels,
    "precision": logits_and_labels,
    "recall": logits_and_labels,
    "top_k_accuracy": lambda: logits_and_labels() | {"k": 2},
    # runs
    "RunConfig": lambda: (
        {"model": "mlp", "data": "mnist_5k", "data_dir": None, "classes": ("a", "b")}
        | {"image_shape": (4, 4, 1)}
    ),
    "RunConfig.for_data": lambda: {"data": digits(), "model": "mlp"},
    "RunConfig.encode": lambda: {"examples": ["ab", "b"]},
    "build_network": lambda: {"config": small_config()},
    "load_run": lambda: {"folder": "no-such-folder"},
    "read_images": lambda: {"path": "no-such-file.png", "image_shape": (4, 4, 3)},
    "train_run": lambda: {"config": small_config(), "data": digits(), "logdir": "run", "epochs": 1},
    # pictures
    "plot_confusion_matrix": lambda: {"matrix": np.array([[3, 1], [0, 2]]), "classes": ["a", "b"]},
    "plot_embedding": lambda: {"vectors": np.eye(3), "names": ["a", "b", "c"], "groups": ["x", "y", "y"]},
    "plot_feature_maps": lambda: {"maps": np.ones((4, 4, 3))},
    "plot_filters": lambda: {"kernel": np.ones((2, 2, 5, 3)), "columns": 2, "rows": 2},
    "plot_graph": lambda: {"target": gk.dense(features(), 2)},
    "plot_histograms": lambda: {"arrays": {"a": np.arange(4.0)}},
    "plot_history": lambda: {
        "history": {"epoch": [1, 2], "loss": [1.0, 0.5]},
        "smoothing": 0.5,
        "log_scale": ["loss"],
    },
    "plot_images": lambda: {
        "images": pixels(),
        "labels": np.arange(4),
        "predictions": np.arange(4)[::-1].copy(),
        "classes": ["a", "b", "c", "d"],
    },
    "plot_loss_surface": lambda: {
        "surface": gk.LossSurface(
            np.arange(3), np.arange(3), np.eye(3), {"path": np.eye(2)}, ("a", "b"), np.array([0.9, 0.1])
        )
    },
    "plot_probabilities": lambda: {"probabilities": np.full((2, 4), 0.25), "classes": ["a", "b", "c", "d"]},
    "plot_rate_test": lambda: {"test": gk.RateTest(np.array([0.1, 1.0]), np.array([2.0, 1.0]), 0.1)},
    "plot_receptive_field": lambda: {"layers": [(3, 1), (2, 2, 1)]},
    # sizes
    "array_bytes": lambda: {"shape": (2, 3)},
    "batch_norm_parameters": lambda: {"channels": 3},
    "conv2d_flops": lambda: SIZES,
    "conv2d_parameters": lambda: {"in_channels": 3, "filters": 4, "kernel_size": 3},
    "conv2d_shape": lambda: SIZES,
    "conv2d_transpose_shape": lambda: SIZES,
    "dense_flops": lambda: {"in_features": 3, "units": 2},
    "dense_parameters": lambda: {"in_features": 3, "units": 2},
    "embedding_parameters": lambda: {"vocabulary_size": 3, "units": 2},
    "largest_batch": lambda: {"memory": 10**6, "parameters": 3, "activations": 2},
    "optimizer_slots": lambda: {"optimizer": "adam"},
    "output_size": lambda: {"size": 8, "kernel_size": 3},
    "pool2d_flops": lambda: {"input_shape": (8, 8, 3), "pool_size": 2, "strides": 2},
    "pool2d_shape": lambda: {"input_shape": (8, 8, 3), "pool_size": 2, "strides": 2},
    "receptive_field": lambda: {"layers": [(3, 1), (2, 2, 1)]},
    "rnn_flops": lambda: {"in_features": 3, "units": 2, "steps": 4},
    "rnn_parameters": lambda: {"in_features": 3, "units": 2},
    "separable_conv2d_parameters": lambda: {"in_channels": 3, "filters": 4, "kernel_size": 3},
    "training_bytes": lambda: {"parameters": 3, "activations": 2, "batch_size": 4},
    "training_flops": lambda: {"forward": 100},
    "unshared_conv2d_parameters": lambda: SIZES,
    # training
    "Checkpointing": lambda: {},
    "EarlyStopping": lambda: {},
    "ReduceOnPlateau": lambda: {},
    "AdamW": lambda: {},
    "cosine_decay": lambda: {"learning_rate": 0.1, "decay_steps": 10},
    "exponential_decay": lambda: {"learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5},
    "inverse_time_decay": lambda: {"learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5},
    "piecewise_constant": lambda: {"boundaries": [1, 2], "rates": [0.1, 0.2, 0.3]},
    "find_learning_rate": lambda: {"trainer": Trained.get(), "data": Trained.data(), "steps": 2},
    "WeightPath": lambda: {},
    "loss_surface": lambda: (
        {"trainer": Trained.get(), "data": Trained.data(), "paths": Trained.path(), "resolution": 2}
    ),
    "Trainer": lambda: {"loss": small_loss()},
    "Trainer.fit": lambda: {"data": Trained.data(), "progress": False, "execution": "feed"},
    "Trainer.evaluate": lambda: {"data": Trained.data()},
    "Trainer.predict": lambda: {"data": Trained.data(), "tensor": Trained.outputs()},
    "Trainer.weights": lambda: {},
    "Trainer.save": lambda: {"path": "model"},
    "Trainer.restore": lambda: {"path": Trained.get().save("whole")},
    "Trainer.export": lambda: {"folder": f"exported-{next(Trained.numbers)}", "outputs": Trained.outputs()},
    "Trainer.stop": lambda: {"reason": "enough"},
}


def vocabulary():
    return gk.Vocabulary(["a", "b"])


def found():
    return gk.summary(gk.dense(features(), 2), print_table=False)


# Method: function -> the bound method.
METHODS = {
    "Augmentation.__call__": lambda: gk.Augmentation(shift=1, rotate=5.0, flip=True, brightness=0.1),
    "MinMaxScaler.__call__": lambda: gk.MinMaxScaler(np.eye(3)),
    "Standardizer.__call__": lambda: gk.Standardizer(np.eye(3)),
    "Vocabulary.of_characters": lambda: gk.Vocabulary.of_characters,
    "Vocabulary.of_words": lambda: gk.Vocabulary.of_words,
    "Vocabulary.encode": lambda: vocabulary().encode,
    "Vocabulary.decode": lambda: vocabulary().decode,
    "Vocabulary.lengths": lambda: vocabulary().lengths,
    "Summary.memory": lambda: found().memory,
    "Summary.forward_flops": lambda: found().forward_flops,
    "Summary.largest_batch": lambda: found().largest_batch,
    "RunConfig.for_data": lambda: gk.RunConfig.for_data,
    "RunConfig.encode": lambda: (
        gk.RunConfig("char_rnn", "x", None, ("a", "b"), alphabet="abc", length=3).encode
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


def iterate(batches, _):
    list(itertools.islice(batches, 3))


def ask_rates(schedule, _):
    for step in (0, 1, 10, 10**6, 2**62):
        rate = schedule(step)
        if not (isinstance(rate, float) and math.isfinite(rate) and rate >= 0):
            raise Fault(f"the rate of step {step} is {rate!r}")


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
        raise Fault(f"a size is {number!r}")


# Name: function (result, arguments) that uses what the call gave.
USES = {
    "minibatches": iterate,
    **{
        n: ask_rates
        for n in ("cosine_decay", "exponential_decay", "inverse_time_decay", "piecewise_constant")
    },
    **{n: initialize for n in ("glorot_uniform", "he_normal", "truncated_normal", "zeros")},
    "Standardizer": transform,
    "MinMaxScaler": transform,
    "Augmentation": jitter,
    "Vocabulary": encode,
    "AdamW": minimize,
    "Trainer": close,
    **{name: save for name in gk.__all__ if name.startswith("plot_")},
    "Trainer.export": restore,
    **{name: is_natural for name in gk.EXPORTS["graphkit.sizes"] if not name.endswith("_shape")},
}


WORK = ("epochs", "steps", "num_layers", "resolution")  # parameters that say how much is done
MUCH_WORK = [repr(number) for number in (2**16, 2**31 - 1, 2**31, 2**53 + 1, 2**62)]


class Target:
    """A public function, class or method, which is called with odd arguments."""

    may_be_large = True  # where the arguments ask for much memory, MemoryError is the right answer

    def __init__(self, name):
        self.name = name
        self.parameters = parameters_of(name)

    def draw(self, random):
        """Returns {parameter: name of an odd value}; the other arguments are those of the row."""
        if not self.parameters:
            return {}
        count = min(random.choice((1, 1, 1, 2, 3)), len(self.parameters))
        return {name: random.choice(values_for(name)) for name in random.sample(self.parameters, count)}

    def run(self, case, folder):
        with tf.Graph().as_default():
            call = METHODS[self.name]() if self.name in METHODS else getattr(gk, self.name)
            arguments = ROWS[self.name]() | {name: ODD_VALUES[odd]() for name, odd in case.items()}
            result = call(**arguments)
            if self.name in USES:
                USES[self.name](result, arguments)

    def save(self, case, path):
        """Writes the call as text; returns its path."""
        path = path.with_name(f"{path.name}.txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        odd = ", ".join(f"{name}={value}" for name, value in case.items())
        path.write_text(f"gk.{self.name}({odd}, and the arguments of its row)\n")
        return path


@functools.cache
def values_for(parameter):
    """Returns the names of the odd values; none of those that rightly ask for work without end."""
    return [name for name in ODD_VALUES if not (parameter in WORK and name in MUCH_WORK)]


def parameters_of(name):
    """Returns the names of the parameters, without loading what makes the object of a method."""
    owner, _, method = name.partition(".")
    call = getattr(gk, owner)
    call = getattr(call, method) if method else call
    if call in (gk.GraphkitError, gk.NotFiniteError):
        return []
    taken = inspect.signature(call).parameters.values()
    own = [p.name for p in taken if p.name != "self" and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return [*own, *ROWS[name]()] if name == "RunConfig.for_data" else own


def targets():
    """Returns the targets that call public names."""
    with tf.Graph().as_default():
        return {name: Target(name) for name in ROWS}
