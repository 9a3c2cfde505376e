"""The rules of FLOPs, against TensorFlow's profiler."""

import pytest
import tensorflow as tf
from inspection.graphs import profiled

import graphkit as gk
from graphkit.graph import walk
from graphkit.inspection import flops

V1 = tf.compat.v1


def zeros(*shape):
    return tf.zeros(shape)


def gradient(function, *inputs, place=0):
    return tf.gradients(function(*inputs), inputs)[place]


IMAGES, KERNEL = (2, 9, 8, 3), (3, 2, 3, 4)
OPS = {
    "Reciprocal": lambda: tf.math.reciprocal(zeros(3, 4)),
    "Square": lambda: tf.square(zeros(3, 4)),
    "Rsqrt": lambda: tf.math.rsqrt(zeros(3, 4)),
    "Log": lambda: tf.math.log(zeros(3, 4)),
    "Neg": lambda: -zeros(3, 4),
    "Softmax": lambda: tf.nn.softmax(zeros(3, 4)),
    "L2Loss": lambda: tf.nn.l2_loss(zeros(3, 4)),
    "Add": lambda: tf.raw_ops.Add(x=zeros(3, 4), y=zeros(4)),
    "AddV2": lambda: zeros(3, 1) + zeros(4),
    "Sub": lambda: zeros(3, 4) - zeros(4),
    "Mul": lambda: zeros(3, 4) * 2.0,
    "RealDiv": lambda: zeros(3, 4) / 2.0,
    "Maximum": lambda: tf.maximum(zeros(3, 4), 1.0),
    "Minimum": lambda: tf.minimum(zeros(3, 4), 1.0),
    "Pow": lambda: zeros(3, 4) ** 3.0,
    "BiasAdd": lambda: tf.nn.bias_add(zeros(2, 3, 4), zeros(4)),
    "Greater": lambda: zeros(3, 4) > 0.0,
    "GreaterEqual": lambda: zeros(3, 4) >= 0.0,
    "Less": lambda: zeros(3, 4) < 0.0,
    "LessEqual": lambda: zeros(3, 4) <= 0.0,
    "Equal": lambda: tf.equal(zeros(3, 4), 0.0),
    "NotEqual": lambda: tf.not_equal(zeros(3, 4), 0.0),
    "SquaredDifference": lambda: tf.math.squared_difference(zeros(3, 4), 1.0),
    "RsqrtGrad": lambda: gradient(tf.math.rsqrt, zeros(3, 4)),
    "AddN": lambda: tf.add_n([zeros(3, 4)] * 5),
    "Mean": lambda: tf.reduce_mean(zeros(3, 4), 1),
    "Sum": lambda: tf.reduce_sum(zeros(3, 4), 1),
    "ArgMax": lambda: tf.argmax(zeros(3, 4), 1),
    "ArgMin": lambda: tf.argmin(zeros(3, 4), 1),
    "BiasAddGrad": lambda: gradient(tf.nn.bias_add, zeros(2, 3, 4), zeros(4), place=1),
    "Conv2D": lambda: tf.nn.conv2d(zeros(*IMAGES), zeros(*KERNEL), 2, "SAME"),
    "Conv3D": lambda: tf.nn.conv3d(zeros(1, 5, 6, 7, 2), zeros(3, 2, 1, 2, 4), [1] * 5, "VALID"),
    "DepthwiseConv2dNative": lambda: tf.nn.depthwise_conv2d(zeros(*IMAGES), zeros(*KERNEL), [1] * 4, "SAME"),
    "Dilation2D": lambda: V1.nn.dilation2d(zeros(*IMAGES), zeros(3, 2, 3), [1] * 4, [1] * 4, "VALID"),
    "Conv2DBackpropInput": lambda: tf.nn.conv2d_transpose(
        zeros(2, 5, 4, 4), zeros(*KERNEL), (2, 10, 8, 3), 2, "SAME"
    ),
    "Conv2DBackpropFilter": lambda: gradient(
        lambda x, w: tf.nn.conv2d(x, w, 1, "VALID"), zeros(*IMAGES), zeros(*KERNEL), place=1
    ),
    "MaxPool": lambda: tf.nn.max_pool2d(zeros(*IMAGES), (3, 2), 2, "SAME"),
    "AvgPool": lambda: tf.nn.avg_pool2d(zeros(*IMAGES), (3, 2), 2, "VALID"),
    "AvgPoolGrad": lambda: gradient(lambda x: tf.nn.avg_pool2d(x, 2, 2, "VALID"), zeros(*IMAGES)),
    "MaxPoolGrad": lambda: gradient(lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"), zeros(*IMAGES)),
    "MatMul": lambda: tf.matmul(zeros(7, 3), zeros(7, 5), transpose_a=True),
    "BatchMatMulV2": lambda: tf.matmul(zeros(6, 3, 7), zeros(6, 7, 5)),
}


@pytest.mark.parametrize("kind", OPS)
def test_each_rule_is_the_profilers(kind):
    result = OPS[kind]()
    assert any(op.type == kind for op in walk.ancestors([result])), "the example does not make such an op"
    assert gk.summary(result).forward_flops(1) == profiled(result) > 0


def test_each_rule_has_an_example():
    alike = {"BatchMatMul", "BatchMatMulV3"}  # other versions of BatchMatMulV2
    assert set(flops.FLOP_RULES) == {*OPS, *alike, "Einsum"}


def test_rules_that_the_profiler_lacks():
    assert gk.summary(
        tf.nn.conv2d_transpose(zeros(2, 5, 4, 4), zeros(3, 2, 3, 4), (2, 10, 8, 3), 2)
    ).flops == (2 * (2 * 5 * 4) * (3 * 2) * 3 * 4)
    assert gk.summary(tf.einsum("bij,jk->bik", zeros(2, 3, 4), zeros(4, 5))).flops == 2 * 2 * 3 * 4 * 5
    adjoint = tf.linalg.matmul(zeros(6, 7, 3), zeros(6, 7, 5), transpose_a=True)
    assert gk.summary(adjoint).flops == 2 * 6 * 3 * 7 * 5


@pytest.mark.parametrize("kind", ["channels_last", "channels_first"])
def test_both_data_formats_cost_the_same(kind):
    shape = (None, 9, 8, 3) if kind == "channels_last" else (None, 3, 9, 8)
    net = gk.max_pool(
        gk.conv2d(V1.placeholder(tf.float32, shape), 4, 3, data_format=kind), 2, 2, data_format=kind
    )
    assert gk.summary(net).flops == gk.sizes.conv2d_flops((9, 8, 3), 4, 3) + gk.sizes.pool2d_flops(
        (7, 6, 4), 2, 2
    )


UNKNOWN = {
    "matrix": lambda x: tf.matmul(x, zeros(3, 4), transpose_a=True),
    "images": lambda x: tf.raw_ops.Conv2DBackpropFilter(
        input=x,
        filter_sizes=KERNEL,
        out_backprop=zeros(2, 4, 9, 8),
        strides=[1] * 4,
        padding="SAME",
        data_format="NCHW",
    ),
    "einsum": lambda x: tf.raw_ops.Einsum(inputs=[x, zeros(3, 4)], equation="ij,jk->ik"),
    "einsum of one": lambda x: tf.raw_ops.Einsum(inputs=[x], equation="ii->i"),
}


@pytest.mark.parametrize("kind", UNKNOWN)
def test_flops_of_unknown_shapes_are_not_known(kind):
    found = gk.summary(UNKNOWN[kind](V1.placeholder(tf.float32)))
    assert [line.flops for line in found.rows] == [None]
