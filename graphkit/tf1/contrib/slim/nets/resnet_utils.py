"""Parts of residual networks, and the network made of them.

Source: K. He et al., "Deep residual learning for image recognition", CVPR 2016 (v1), and "Identity mappings
in deep residual networks", ECCV 2016 (v2). The last unit of a block has its stride, as in slim.
"""

import collections
import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from graphkit.tf1.contrib import layers
from graphkit.tf1.contrib.framework import add_arg_scope, arg_scope

v1 = tf.compat.v1
Outputs = tuple[tf.Tensor, dict[str, tf.Tensor]]
# {layers: how many units each of the four blocks has}
UNITS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 200: (3, 24, 36, 3)}

__all__ = ["Block", "conv2d_same", "resnet_arg_scope", "stack_blocks_dense", "subsample"]

Block = collections.namedtuple("Block", ["scope", "unit_fn", "args"])


def subsample(inputs: tf.Tensor, factor: int, scope: str | None = None) -> tf.Tensor:
    return inputs if factor == 1 else layers.max_pool2d(inputs, [1, 1], stride=factor, scope=scope)


def conv2d_same(
    inputs: tf.Tensor,
    num_outputs: int,
    kernel_size: int,
    stride: int,
    rate: int = 1,
    scope: str | None = None,
) -> tf.Tensor:
    """Pads alike at both ends, also with a stride, where "SAME" would pad more at the end."""
    padding = "SAME"
    if stride != 1:
        total = (kernel_size - 1) * rate
        sides = [total // 2, total - total // 2]
        inputs, padding = tf.pad(inputs, [[0, 0], sides, sides, [0, 0]]), "VALID"
    return layers.conv2d(
        inputs, num_outputs, kernel_size, stride=stride, rate=rate, padding=padding, scope=scope
    )


@add_arg_scope
def stack_blocks_dense(
    net: tf.Tensor,
    blocks: Sequence[Block],
    output_stride: float | None = None,
    outputs_collections: Any = None,
) -> tf.Tensor:
    """Adds the blocks; from output_stride on, strides become rates of dilated convolutions."""
    reached, rate = 1, 1
    for block in blocks:
        with v1.variable_scope(block.scope, "block") as opened:
            for number, unit in enumerate(block.args, 1):
                if output_stride is not None and reached > output_stride:
                    raise ValueError("The target output_stride cannot be reached.")
                with v1.variable_scope(f"unit_{number}"):
                    if reached == output_stride:
                        net = block.unit_fn(net, rate=rate, **{**unit, "stride": 1})
                        rate *= unit.get("stride", 1)
                    else:
                        net = block.unit_fn(net, rate=1, **unit)
                        reached *= unit.get("stride", 1)
            net = layers.utils.collect_named_outputs(outputs_collections, opened.name, net)
    if output_stride is not None and reached != output_stride:
        raise ValueError("The target output_stride cannot be reached.")
    return net


def resnet_arg_scope(
    weight_decay: float = 0.0001,
    batch_norm_decay: float = 0.997,
    batch_norm_epsilon: float = 1e-5,
    batch_norm_scale: bool = True,
) -> Any:
    normalization = {
        "decay": batch_norm_decay,
        "epsilon": batch_norm_epsilon,
        "scale": batch_norm_scale,
        "updates_collections": v1.GraphKeys.UPDATE_OPS,
    }
    with (
        arg_scope(
            [layers.conv2d],
            weights_regularizer=layers.l2_regularizer(weight_decay),
            weights_initializer=layers.variance_scaling_initializer(),
            activation_fn=tf.nn.relu,
            normalizer_fn=layers.batch_norm,
            normalizer_params=normalization,
        ),
        arg_scope([layers.batch_norm], **normalization),
        arg_scope([layers.max_pool2d], padding="SAME") as scope,
    ):
        return scope


def bottleneck_of(name: str, preactivates: bool) -> Callable[..., tf.Tensor]:
    """Returns a unit of three convolutions: v1 normalizes after, v2 before each of them."""

    def bottleneck(
        inputs: tf.Tensor,
        depth: int,
        depth_bottleneck: int,
        stride: int,
        rate: int = 1,
        outputs_collections: Any = None,
        scope: str | None = None,
    ) -> tf.Tensor:
        with v1.variable_scope(scope, name) as opened:
            last: dict[str, Any] = {"activation_fn": None}
            before = inputs
            if preactivates:
                before = layers.batch_norm(inputs, activation_fn=tf.nn.relu, scope="preact")
                last["normalizer_fn"] = None
            if depth == layers.utils.last_dimension(inputs.shape, min_rank=4):
                shortcut = subsample(inputs, stride, "shortcut")
            else:
                shortcut = layers.conv2d(before, depth, [1, 1], stride=stride, scope="shortcut", **last)
            net = layers.conv2d(before, depth_bottleneck, [1, 1], stride=1, scope="conv1")
            net = conv2d_same(net, depth_bottleneck, 3, stride, rate=rate, scope="conv2")
            net = shortcut + layers.conv2d(net, depth, [1, 1], stride=1, scope="conv3", **last)
            net = net if preactivates else tf.nn.relu(net)
            return layers.utils.collect_named_outputs(outputs_collections, opened.name, net)

    return add_arg_scope(bottleneck)


def resnet(
    bottleneck: Callable[..., tf.Tensor],
    preactivates: bool,
    name: str,
    inputs: tf.Tensor,
    blocks: Sequence[Block],
    num_classes: int | None = None,
    is_training: Any = True,
    global_pool: bool = True,
    output_stride: int | None = None,
    include_root_block: bool = True,
    reuse: Any = None,
    scope: Any = None,
) -> Outputs:
    """Returns (logits, or features where num_classes is None; end points)."""
    with v1.variable_scope(scope, name, reuse=reuse) as opened:
        ends, net = f"{opened.original_name_scope}_end_points", inputs
        with (
            arg_scope([layers.conv2d, bottleneck, stack_blocks_dense], outputs_collections=ends),
            arg_scope([layers.batch_norm], is_training=is_training),
        ):
            stride: float | None = output_stride
            if include_root_block:
                if stride is not None:
                    if stride % 4:
                        raise ValueError("The output_stride needs to be a multiple of 4.")
                    stride /= 4
                plain = {"activation_fn": None, "normalizer_fn": None} if preactivates else {}
                with arg_scope([layers.conv2d], **plain):
                    net = conv2d_same(net, 64, 7, stride=2, scope="conv1")
                net = layers.max_pool2d(net, [3, 3], stride=2, scope="pool1")
            net = stack_blocks_dense(net, blocks, stride)
            if preactivates:
                net = layers.batch_norm(net, activation_fn=tf.nn.relu, scope="postnorm")
            if global_pool:
                net = tf.reduce_mean(net, [1, 2], name="pool5", keepdims=True)
            if num_classes is not None:
                last = {"activation_fn": None, "normalizer_fn": None}
                net = layers.conv2d(net, num_classes, [1, 1], scope="logits", **last)
            end_points = layers.utils.convert_collection_to_dict(ends)
            if num_classes is not None:
                end_points["predictions"] = layers.softmax(net, scope="predictions")
            return net, end_points


def resnet_block(
    bottleneck: Callable[..., tf.Tensor], scope: str, base_depth: int, num_units: int, stride: int
) -> Block:
    unit = {"depth": base_depth * 4, "depth_bottleneck": base_depth}
    units = [{**unit, "stride": 1}] * (num_units - 1)
    return Block(scope, bottleneck, [*units, {**unit, "stride": stride}])


def resnet_of(
    name: str, network: Callable[..., Outputs], block: Callable[..., Block], depth: int
) -> Callable[..., Outputs]:
    """Returns a function of a network with as many layers."""

    def of_depth(
        inputs: tf.Tensor,
        num_classes: int | None = None,
        is_training: Any = True,
        global_pool: bool = True,
        output_stride: int | None = None,
        reuse: Any = None,
        scope: Any = f"{name}_{depth}",
    ) -> Outputs:
        sizes = zip((64, 128, 256, 512), UNITS[depth], (2, 2, 2, 1), strict=True)
        blocks = [block(f"block{number}", *size) for number, size in enumerate(sizes, 1)]
        return network(
            inputs, blocks, num_classes, is_training, global_pool, output_stride, True, reuse, scope
        )

    of_depth.__name__ = of_depth.__qualname__ = f"{name}_{depth}"
    of_depth.__doc__ = "Returns (logits, or features where num_classes is None; end points)."
    of_depth.default_image_size = 224  # type: ignore[attr-defined]
    return of_depth


def network_of(name: str, preactivates: bool) -> tuple[Any, Any, Any]:
    """Returns (unit, network, function of a block) of v1 or v2."""
    unit = bottleneck_of(name.replace("resnet", "bottleneck"), preactivates)
    return unit, functools.partial(resnet, unit, preactivates, name), functools.partial(resnet_block, unit)
