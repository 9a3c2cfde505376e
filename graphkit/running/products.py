"""Products of matrices that TensorFlow or XLA computes faster in another form."""

from typing import Any

import tensorflow as tf

LARGE = 1 << 18  # elements of a matrix; from this size on, BatchMatMulV2 is faster at a transposed product
NARROW = 16  # columns; up to this number XLA is faster at the transpose of a product, see `turn`


def is_slow(op: tf.Operation) -> bool:
    """Whether the op multiplies by a large transposed matrix, as the gradient of a dense layer does.

    TensorFlow's kernel of MatMul takes up to four times as long for that as its kernel of BatchMatMulV2
    (8.2 against 4.7 ms for the step of the convolutional network with two cores, TF 2.21).
    """
    return (
        op.type == "MatMul"
        and op.get_attr("transpose_b")
        and op.inputs[0].dtype == tf.float32
        and (op.inputs[1].shape.num_elements() or 0) >= LARGE
    )


def is_narrow(op: tf.Operation) -> bool:
    """Whether the op is transpose(a) b with few columns, as the gradient of a layer of logits."""
    shape = op.outputs[0].shape if op.type == "MatMul" and op.get_attr("transpose_a") else None
    if shape is None or not shape.is_fully_defined() or op.get_attr("transpose_b"):
        return False
    rows, columns = shape.as_list()
    return columns <= NARROW < rows


def multiply_in_batch(node: Any) -> None:
    """Turns a MatMul into a BatchMatMulV2, which also takes matrices without a batch axis."""
    dtype, flags = node.attr["T"].type, [node.attr[name].b for name in ("transpose_a", "transpose_b")]
    node.op = "BatchMatMulV2"
    node.ClearField("attr")
    node.attr["T"].type = dtype
    node.attr["adj_x"].b, node.attr["adj_y"].b = flags


def turn(definition: Any, node: Any) -> None:
    """Turns the node's transpose(a) b into the transpose of transpose(b) a.

    XLA is twice as fast at the latter. The barrier keeps XLA from turning it back.
    """
    product = definition.node.add()
    product.CopyFrom(node)
    product.name = f"{node.name}/product"
    product.input[:2] = [node.input[1], node.input[0]]
    barrier = definition.node.add(name=f"{node.name}/barrier", op="XlaOptimizationBarrier")
    barrier.input.append(product.name)
    barrier.attr["T"].list.type.append(node.attr["T"].type)
    order = definition.node.add(name=f"{node.name}/order", op="Const")
    order.attr["dtype"].type = tf.int32.as_datatype_enum
    order.attr["value"].tensor.CopyFrom(tf.make_tensor_proto([1, 0], tf.int32))
    dtype = node.attr["T"].type
    node.op = "Transpose"
    node.input[:] = [barrier.name, order.name]
    node.ClearField("attr")
    node.attr["T"].type = dtype
    node.attr["Tperm"].type = tf.int32.as_datatype_enum
