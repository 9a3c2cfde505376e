"""AlexNet as in A. Krizhevsky, "One weird trick for parallelizing convolutional networks", 2014."""

from typing import Any

import tensorflow as tf

from graphkit.tf1.contrib import layers
from graphkit.tf1.contrib.framework import arg_scope
from graphkit.tf1.contrib.slim.nets.vgg import end, head

v1 = tf.compat.v1

__all__ = ["alexnet_v2", "alexnet_v2_arg_scope"]


def alexnet_v2_arg_scope(weight_decay: float = 0.0005) -> Any:
    with (
        arg_scope(
            [layers.conv2d, layers.fully_connected],
            activation_fn=tf.nn.relu,
            biases_initializer=v1.constant_initializer(0.1),
            weights_regularizer=layers.l2_regularizer(weight_decay),
        ),
        arg_scope([layers.conv2d], padding="SAME"),
        arg_scope([layers.max_pool2d], padding="VALID") as scope,
    ):
        return scope


def alexnet_v2(
    inputs: Any,
    num_classes: int = 1000,
    is_training: Any = True,
    dropout_keep_prob: Any = 0.5,
    spatial_squeeze: bool = True,
    scope: str = "alexnet_v2",
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Returns (logits, end points) of images of 224 x 224 pixels."""
    with v1.variable_scope(scope, "alexnet_v2") as opened:
        ends = f"{opened.original_name_scope}_end_points"
        collected = [layers.conv2d, layers.fully_connected, layers.max_pool2d]
        with arg_scope(collected, outputs_collections=[ends]):
            net = layers.conv2d(inputs, 64, [11, 11], 4, padding="VALID", scope="conv1")
            net = layers.max_pool2d(net, [3, 3], 2, scope="pool1")
            net = layers.conv2d(net, 192, [5, 5], scope="conv2")
            net = layers.max_pool2d(net, [3, 3], 2, scope="pool2")
            for number, filters in ((3, 384), (4, 384), (5, 256)):
                net = layers.conv2d(net, filters, [3, 3], scope=f"conv{number}")
            net = layers.max_pool2d(net, [3, 3], 2, scope="pool5")
            with arg_scope(
                [layers.conv2d],
                weights_initializer=v1.truncated_normal_initializer(0.0, 0.005),
                biases_initializer=v1.constant_initializer(0.1),
            ):
                last = {"biases_initializer": v1.zeros_initializer()}
                net = head(net, [5, 5], num_classes, is_training, dropout_keep_prob, last)
        return end(net, ends, opened.name, spatial_squeeze)


alexnet_v2.default_image_size = 224  # type: ignore[attr-defined]
