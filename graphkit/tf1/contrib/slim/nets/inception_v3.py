"""Inception v3: C. Szegedy et al., "Rethinking the Inception architecture", CVPR 2016, table 1."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from graphkit.tf1.contrib import layers
from graphkit.tf1.contrib.framework import arg_scope

v1 = tf.compat.v1

__all__ = ["inception_v3", "inception_v3_arg_scope", "inception_v3_base"]

# {part: its layers}, by names of slim. A layer is "name filters", with "/2" a stride of 2 without padding.
# A name ends with the kernel's size; "max" and "avg" are poolings of 3 x 3; "a|b" is both, joined.
STEM = """
Conv2d_1a_3x3 32/2, Conv2d_2a_3x3 32/1, Conv2d_2b_3x3 64, MaxPool_3a_3x3 max/2,
Conv2d_3b_1x1 80/1, Conv2d_4a_3x3 192/1, MaxPool_5a_3x3 max/2
"""
SMALL = (
    "Conv2d_0a_1x1 64; {}; Conv2d_0a_1x1 64, Conv2d_0b_3x3 96, Conv2d_0c_3x3 96; AvgPool_0a_3x3 avg, "
    "Conv2d_0b_1x1 {}"
)
WIDE = (
    "Conv2d_0a_1x1 192; Conv2d_0a_1x1 {0}, Conv2d_0b_1x7 {0}, Conv2d_0c_7x1 192; Conv2d_0a_1x1 {0}, "
    "Conv2d_0b_7x1 {0}, Conv2d_0c_1x7 {0}, Conv2d_0d_7x1 {0}, Conv2d_0e_1x7 192; AvgPool_0a_3x3 avg, "
    "Conv2d_0b_1x1 192"
)
LAST = (
    "Conv2d_0a_1x1 320; Conv2d_0a_1x1 384, Conv2d_0b_1x3 384|{} 384; Conv2d_0a_1x1 448, Conv2d_0b_3x3 384, "
    "Conv2d_0c_1x3 384|Conv2d_0d_3x1 384; AvgPool_0a_3x3 avg, Conv2d_0b_1x1 192"
)
MIXED = {
    "5b": SMALL.format("Conv2d_0a_1x1 48, Conv2d_0b_5x5 64", 32),
    "5c": SMALL.format("Conv2d_0b_1x1 48, Conv_1_0c_5x5 64", 64),  # these names are in checkpoints
    "5d": SMALL.format("Conv2d_0a_1x1 48, Conv2d_0b_5x5 64", 64),
    "6a": "Conv2d_1a_1x1 384/2/3; Conv2d_0a_1x1 64, Conv2d_0b_3x3 96, Conv2d_1a_1x1 96/2/3; "
    "MaxPool_1a_3x3 max/2",
    "6b": WIDE.format(128),
    "6c": WIDE.format(160),
    "6d": WIDE.format(160),
    "6e": WIDE.format(192),
    "7a": "Conv2d_0a_1x1 192, Conv2d_1a_3x3 320/2; Conv2d_0a_1x1 192, Conv2d_0b_1x7 192, Conv2d_0c_7x1 192, "
    "Conv2d_1a_3x3 192/2; MaxPool_1a_3x3 max/2",
    "7b": LAST.format("Conv2d_0b_3x1"),
    "7c": LAST.format("Conv2d_0c_3x1"),
}


def layer(net: tf.Tensor, text: str, depth: Callable[[int], int]) -> tf.Tensor:
    """Adds the layer that a text of `MIXED` describes."""
    if "|" in text:
        return tf.concat([layer(net, part, depth) for part in text.split("|")], 3)
    scope, kind = text.split()
    kind, *stride = kind.split("/")
    size = [int(side) for side in scope.rpartition("_")[2].split("x")] if len(stride) < 2 else [3, 3]
    moves = {"stride": int(stride[0]), "padding": "VALID"} if stride else {}
    if kind == "avg":
        return layers.avg_pool2d(net, size, scope=scope, **moves)
    if kind == "max":
        return layers.max_pool2d(net, size, scope=scope, **moves)
    return layers.conv2d(net, depth(int(kind)), size, scope=scope, **moves)


def chain(net: tf.Tensor, text: str, depth: Callable[[int], int]) -> tf.Tensor:
    for part in text.split(","):
        net = layer(net, part.strip(), depth)
    return net


def depth_of(min_depth: int, multiplier: float) -> Callable[[int], int]:
    if multiplier <= 0:
        raise ValueError("depth_multiplier is not greater than zero.")
    return lambda filters: max(int(filters * multiplier), min_depth)


def same_padding() -> Any:
    return arg_scope([layers.conv2d, layers.max_pool2d, layers.avg_pool2d], stride=1, padding="SAME")


def inception_v3_base(
    inputs: Any,
    final_endpoint: str = "Mixed_7c",
    min_depth: int = 16,
    depth_multiplier: float = 1.0,
    scope: Any = None,
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Returns the features of an end point, and all end points up to it."""
    depth, ends, net = depth_of(min_depth, depth_multiplier), {}, inputs
    with v1.variable_scope(scope, "InceptionV3", [inputs]), same_padding():
        for text in STEM.split(","):
            net = ends[text.split()[0]] = layer(net, text.strip(), depth)
            if final_endpoint in ends:
                return net, ends
        for name, text in MIXED.items():
            with v1.variable_scope(f"Mixed_{name}"):
                branches = []
                for number, branch in enumerate(text.split(";")):
                    with v1.variable_scope(f"Branch_{number}"):
                        branches.append(chain(net, branch, depth))
                net = ends[f"Mixed_{name}"] = tf.concat(branches, 3)
            if final_endpoint in ends:
                return net, ends
    raise ValueError(f"Unknown final endpoint {final_endpoint}")


def kernel_within(net: tf.Tensor, size: int) -> list[int]:
    """Returns the size of a kernel, which smaller features make smaller."""
    return [min(size, size if side is None else side) for side in net.shape.as_list()[1:3]]


def logits_of(net: tf.Tensor, num_classes: int, squeeze: bool, scope: str, **options: Any) -> tf.Tensor:
    plain = {"activation_fn": None, "normalizer_fn": None, **options}
    net = layers.conv2d(net, num_classes, [1, 1], scope=scope, **plain)
    return tf.squeeze(net, [1, 2], name="SpatialSqueeze") if squeeze else net


def inception_v3(
    inputs: Any,
    num_classes: int = 1000,
    is_training: Any = True,
    dropout_keep_prob: Any = 0.8,
    min_depth: int = 16,
    depth_multiplier: float = 1.0,
    prediction_fn: Callable[..., tf.Tensor] = layers.softmax,
    spatial_squeeze: bool = True,
    reuse: Any = None,
    create_aux_logits: bool = True,
    scope: str = "InceptionV3",
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Returns (logits, end points) of images of 299 x 299 pixels."""
    depth = depth_of(min_depth, depth_multiplier)
    with (
        v1.variable_scope(scope, "InceptionV3", [inputs], reuse=reuse) as opened,
        arg_scope([layers.batch_norm, layers.dropout], is_training=is_training),
    ):
        net, ends = inception_v3_base(
            inputs, min_depth=min_depth, depth_multiplier=depth_multiplier, scope=opened
        )
        if create_aux_logits and num_classes:
            with same_padding(), v1.variable_scope("AuxLogits"):
                ends["AuxLogits"] = aux_logits(ends["Mixed_6e"], num_classes, spatial_squeeze, depth)
        with v1.variable_scope("Logits"):
            size = kernel_within(net, 8)
            net = layers.avg_pool2d(net, size, padding="VALID", scope=f"AvgPool_1a_{size[0]}x{size[1]}")
            net = ends["PreLogits"] = layers.dropout(net, keep_prob=dropout_keep_prob, scope="Dropout_1b")
            logits = ends["Logits"] = logits_of(net, num_classes, spatial_squeeze, "Conv2d_1c_1x1")
        ends["Predictions"] = prediction_fn(logits, scope="Predictions")
    return logits, ends


inception_v3.default_image_size = 299  # type: ignore[attr-defined]


def aux_logits(net: tf.Tensor, num_classes: int, squeeze: bool, depth: Callable[[int], int]) -> tf.Tensor:
    net = layers.avg_pool2d(net, [5, 5], stride=3, padding="VALID", scope="AvgPool_1a_5x5")
    net = layers.conv2d(net, depth(128), [1, 1], scope="Conv2d_1b_1x1")
    size = kernel_within(net, 5)
    first, last = (v1.truncated_normal_initializer(0.0, spread) for spread in (0.01, 0.001))
    given = {"padding": "VALID", "weights_initializer": first}
    net = layers.conv2d(net, depth(768), size, scope=f"Conv2d_2a_{size[0]}x{size[1]}", **given)
    return logits_of(net, num_classes, squeeze, "Conv2d_2b_1x1", weights_initializer=last)


def inception_v3_arg_scope(
    weight_decay: float = 0.00004,
    batch_norm_var_collection: str = "moving_vars",
    batch_norm_decay: float = 0.9997,
    batch_norm_epsilon: float = 0.001,
    updates_collections: Any = v1.GraphKeys.UPDATE_OPS,
    use_fused_batchnorm: bool = True,
) -> Any:
    collections: dict[str, Sequence[str] | None] = {"beta": None, "gamma": None}
    collections |= {f"moving_{name}": [batch_norm_var_collection] for name in ("mean", "variance")}
    normalizer = {
        "decay": batch_norm_decay,
        "epsilon": batch_norm_epsilon,
        "updates_collections": updates_collections,
        "fused": use_fused_batchnorm,
        "variables_collections": collections,
    }
    regularizer = layers.l2_regularizer(weight_decay)
    with (
        arg_scope([layers.conv2d, layers.fully_connected], weights_regularizer=regularizer),
        arg_scope(
            [layers.conv2d],
            weights_initializer=layers.variance_scaling_initializer(),
            activation_fn=tf.nn.relu,
            normalizer_fn=layers.batch_norm,
            normalizer_params=normalizer,
        ) as scope,
    ):
        return scope
