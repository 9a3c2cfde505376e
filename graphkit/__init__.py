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
    "graphkit.inspection.summaries": ("Summary", "summary"),
    "graphkit.lint": ("Finding", "check_graph"),
    "graphkit.models": ("char_rnn", "convnet", "inception_net", "mlp", "softmax_regression"),
    "graphkit.nn.initializers": ("glorot_uniform", "he_normal", "truncated_normal", "zeros"),
    "graphkit.nn.inputs": (
        "feature_input",
        "image_input",
        "keep_prob_input",
        "label_input",
        "one_hot_input",
        "token_input",
    ),
    "graphkit.nn.activations": ("elu", "leaky_relu", "relu", "sigmoid", "softmax", "tanh"),
    "graphkit.nn.blocks": ("inception_module", "residual_block"),
    "graphkit.nn.convolutions": ("conv1d", "conv1x1", "conv2d", "conv2d_transpose", "separable_conv2d"),
    "graphkit.nn.layers": ("bias_add", "dense", "dropout", "embedding", "flatten", "linear"),
    "graphkit.nn.normalization": ("batch_norm", "layer_norm"),
    "graphkit.nn.pooling": ("avg_pool", "global_avg_pool", "global_max_pool", "max_pool"),
    "graphkit.nn.losses": (
        "l2_loss",
        "l2_penalty",
        "mean_squared_error",
        "sigmoid_cross_entropy",
        "softmax_cross_entropy",
    ),
    "graphkit.nn.recurrent": ("rnn",),
    "graphkit.nn.metrics": (
        "Metric",
        "accuracy",
        "confusion_matrix",
        "f1_score",
        "precision",
        "recall",
        "top_k_accuracy",
    ),
    "graphkit.plots.curves": ("plot_histograms", "plot_history", "plot_loss_surface", "plot_rate_test"),
    "graphkit.plots.diagrams": ("plot_graph", "plot_receptive_field"),
    "graphkit.plots.images": ("plot_feature_maps", "plot_filters", "plot_images"),
    "graphkit.plots.results": ("plot_confusion_matrix", "plot_embedding", "plot_probabilities"),
    "graphkit.runs": ("RunConfig", "build_network", "load_run", "read_images", "train_run"),
    "graphkit.sizes": (
        "array_bytes",
        "batch_norm_parameters",
        "conv2d_flops",
        "conv2d_parameters",
        "conv2d_shape",
        "conv2d_transpose_shape",
        "dense_flops",
        "dense_parameters",
        "embedding_parameters",
        "largest_batch",
        "optimizer_slots",
        "output_size",
        "pool2d_flops",
        "pool2d_shape",
        "receptive_field",
        "rnn_flops",
        "rnn_parameters",
        "separable_conv2d_parameters",
        "training_bytes",
        "training_flops",
        "unshared_conv2d_parameters",
    ),
    "graphkit.train.callbacks": ("Callback", "Checkpointing", "EarlyStopping", "ReduceOnPlateau"),
    "graphkit.train.landscape": ("LossSurface", "WeightPath", "loss_surface"),
    "graphkit.train.optimizers": ("AdamW",),
    "graphkit.train.postmortem": ("NotFiniteError",),
    "graphkit.train.rate_finder": ("RateTest", "find_learning_rate"),
    "graphkit.train.replay": ("PostMortem", "replay"),
    "graphkit.train.schedules": (
        "cosine_decay",
        "exponential_decay",
        "inverse_time_decay",
        "piecewise_constant",
    ),
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
