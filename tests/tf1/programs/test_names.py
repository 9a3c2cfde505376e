"""The names that a program uses, through aliases and scopes."""

import ast
import textwrap

from graphkit.tf1.programs import names


def of(text):
    return [
        use.name
        for use in names.uses(ast.parse(textwrap.dedent(text)))
        if not use.name.startswith(("builtins.", ".")) and not isinstance(use.node, ast.alias)
    ]


def test_aliases():
    assert of("import tensorflow as tf; tf.a.b") == ["tf.a.b"]
    assert of("import tensorflow; tensorflow.a") == ["tf.a"]
    assert of("import tensorflow.contrib.rnn as rnn; rnn.A") == ["tf.contrib.rnn.A"]
    assert of("import tensorflow.contrib.rnn; tensorflow.contrib.rnn.A") == ["tf.contrib.rnn.A"]
    assert of("from tensorflow.contrib import layers as L; L.flatten(x)") == ["tf.contrib.layers.flatten"]
    assert of("import tensorflow.compat.v1 as tf; tf.compat.v1.a") == ["tf.a"]
    assert of("import tensorflow as t; t.compat.v1.layers.dense") == ["tf.layers.dense"]
    assert of("import tf_slim as slim; slim.conv2d") == ["tf.contrib.slim.conv2d"]
    assert of("import graphkit.tf1 as tf; tf.a") == ["tf.a"]
    assert of("from graphkit import tf1 as tf; tf.a") == ["tf.a"]
    assert of("import tensorflow as tf; slim = tf.contrib.slim; slim.nets.x") == [
        "tf.contrib.slim",
        "tf.contrib.slim.nets.x",
    ]
    assert of("import numpy as np; np.float") == ["numpy.float"]
    assert of("from tensorflow.contrib.slim.python.slim import nets; nets.x") == ["tf.contrib.slim.nets.x"]


def test_scopes():
    text = """
        import tensorflow as tf
        layers = tf.layers
        def f(layers):
            layers.a
            return [tf.b for tf in layers]
        def g():
            layers.c
            layers = []
            layers.append(tf.d)
        class A:
            layers = 3
            layers.real
            def method(self):
                layers.e
        lambda layers: layers.f
        def h():
            for tf in []:
                tf.g
    """
    assert of(text) == ["tf.layers", "tf.layers.c", "tf.d", "tf.layers.e"]


def test_names_in_strings_and_relative_imports_are_others():
    assert of("'tf.layers'\nfrom . import tensorflow as tf\nfrom .tensorflow import a\ntf.b\na.c") == []


def test_what_the_program_puts_into_a_module_is_its_own():
    assert of("import tensorflow as tf\ntf.model = tf.a\ntf.model.fit(tf.b)") == ["tf.a", "tf.b"]


def test_guards():
    text = """
        try:
            import cPickle as pickle
        except ImportError:
            import pickle
        import sys
        if sys.version_info[0] == 2:
            import urllib2
        try:
            xrange
        except NameError:
            xrange = range
        xrange(3)
        try:
            unicode
        except ValueError:
            reload
    """
    uses = names.uses(ast.parse(textwrap.dedent(text)))
    guarded = {use.name for use in uses if use.is_guarded}
    assert {"cPickle", "urllib2", "builtins.xrange"} <= guarded
    plain = {use.name for use in uses if not use.is_guarded}
    assert {"builtins.unicode", "builtins.reload"} <= plain
    assert not plain & guarded
