"""Odd values to put in place of arguments: extremes, wrong types, wrong shapes, tensors of other graphs."""

import decimal
import fractions
import functools
import math
import pathlib

import numpy as np
import tensorflow as tf

import graphkit as gk

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


# {name in the record of a case: function that makes the value}; called anew in the graph of each call.
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
