"""graphkit: TensorFlow 1.x-style static graphs on today's TensorFlow, through `tf.compat.v1`.

Builders emit placeholders, layers, losses and metrics into the current graph; a `Trainer` runs it in a
session. The names below are the public interface. Each is loaded when it is first used, so that what
needs no TensorFlow (`graphkit.data`, `graphkit.sizes`) does not wait for it.
"""

import importlib

from graphkit._version import __version__

EXPORTS = {
    "graphkit.checks": ("GraphkitError",),
    "graphkit.data.batches": ("epoch_order", "minibatches", "split_indices"),
    "graphkit.data.augment": ("Augmentation", "fill_rare_classes"),
    "graphkit.data.balance": ("class_weights", "resample"),
    "graphkit.data.datasets": ("Dataset", "FeatureSplit", "ImageSplit", "WordSplit", "load_dataset"),
    "graphkit.data.preprocess": ("MinMaxScaler", "Standardizer", "grayscale", "one_hot", "scale_pixels"),
    "graphkit.data.readers": ("read_idx", "read_npz"),
    "graphkit.data.text": ("Vocabulary",),
    "graphkit.inspection": ("Summary", "summary"),
    "graphkit.models": ("convnet", "mlp", "softmax_regression"),
    "graphkit.nn.initializers": ("glorot_uniform", "he_normal", "truncated_normal", "zeros"),
    "graphkit.nn.inputs": (
        "feature_input",
        "image_input",
        "keep_prob_input",
        "label_input",
        "one_hot_input",
        "token_input",
    ),
    "graphkit.nn.layers": (
        "avg_pool",
        "batch_norm",
        "bias_add",
        "conv2d",
        "dense",
        "dropout",
        "flatten",
        "max_pool",
        "relu",
        "softmax",
    ),
    "graphkit.nn.losses": ("l2_loss", "l2_penalty", "softmax_cross_entropy"),
    "graphkit.nn.recurrent": ("rnn",),
    "graphkit.nn.metrics": ("accuracy",),
    "graphkit.runs": ("RunConfig", "build_network", "load_run", "read_images", "train_run"),
    "graphkit.sizes": (
        "batch_norm_parameters",
        "conv2d_parameters",
        "dense_parameters",
        "output_size",
    ),
    "graphkit.train.callbacks": ("Callback", "EarlyStopping"),
    "graphkit.train.trainer": ("Trainer",),
}
HOMES = {name: module for module, names in EXPORTS.items() for name in names}

__all__ = ["__version__", *HOMES]


def __getattr__(name):
    if name not in HOMES:
        raise AttributeError(f"module 'graphkit' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(HOMES[name]), name)
    return value


def __dir__():
    return sorted({*globals(), *__all__})
