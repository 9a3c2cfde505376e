"""VGG: K. Simonyan, A. Zisserman, "Very deep convolutional networks", ICLR 2015, table 1."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from graphkit.tf1.contrib import layers
from graphkit.tf1.contrib.framework import arg_scope

v1 = tf.compat.v1

__all__ = ["vgg_16", "vgg_19", "vgg_a", "vgg_arg_scope"]


def vgg_arg_scope(weight_decay: float = 0.0005) -> Any:
    with (
        arg_scope(
            [layers.conv2d, layers.fully_connected],
            activation_fn=tf.nn.relu,
            weights_regularizer=layers.l2_regularizer(weight_decay),
            biases_initializer=v1.zeros_initializer(),
        ),
        arg_scope([layers.conv2d], padding="SAME") as scope,
    ):
        return scope


def vgg(name: str, depths: Sequence[int]) -> Callable[..., tuple[tf.Tensor, dict[str, tf.Tensor]]]:
    """Returns a function of a network; `depths` says how many convolutions each of its five blocks has."""

    def network(
        inputs: Any,
        num_classes: int = 1000,
        is_training: Any = True,
        dropout_keep_prob: Any = 0.5,
        spatial_squeeze: bool = True,
        scope: str = name,
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        with v1.variable_scope(scope, name) as opened:
            ends, net = f"{opened.original_name_scope}_end_points", inputs
            collected = [layers.conv2d, layers.fully_connected, layers.max_pool2d]
            with arg_scope(collected, outputs_collections=ends):
                for block, (depth, filters) in enumerate(
                    zip(depths, (64, 128, 256, 512, 512), strict=True), 1
                ):
                    net = layers.repeat(net, depth, layers.conv2d, filters, [3, 3], scope=f"conv{block}")
                    net = layers.max_pool2d(net, [2, 2], scope=f"pool{block}")
                # The dense layers are convolutions, so that larger images give a map of logits.
                for layer, window in ((6, [7, 7]), (7, [1, 1])):
                    net = layers.conv2d(net, 4096, window, padding="VALID", scope=f"fc{layer}")
                    net = layers.dropout(
                        net, dropout_keep_prob, is_training=is_training, scope=f"dropout{layer}"
                    )
                plain = {"activation_fn": None, "normalizer_fn": None}
                net = layers.conv2d(net, num_classes, [1, 1], scope="fc8", **plain)
            end_points = layers.utils.convert_collection_to_dict(ends)
            if spatial_squeeze:
                net = end_points[f"{opened.name}/fc8"] = tf.squeeze(net, [1, 2], name="fc8/squeezed")
            return net, end_points

    network.__name__ = network.__qualname__ = name
    network.__doc__ = "Returns (logits, end points) of images of 224 x 224 pixels."
    network.default_image_size = 224  # type: ignore[attr-defined]
    return network


vgg_a = vgg("vgg_a", (1, 1, 2, 2, 2))
vgg_16 = vgg("vgg_16", (2, 2, 3, 3, 3))
vgg_19 = vgg("vgg_19", (2, 2, 4, 4, 4))
