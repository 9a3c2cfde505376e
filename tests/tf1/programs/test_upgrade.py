"""The edits of an upgrade: only what is safe, only at its place, and never a second time."""

import subprocess
import textwrap

import pytest
from tf1.old_programs import run_program

import graphkit.tf1 as tf
from graphkit.commands import tf1
from graphkit.tf1.programs import sources, upgrade


def upgraded(text):
    new, by_hand = upgrade.upgraded(sources.source("program.py", text))
    again, _ = upgrade.upgraded(sources.source("program.py", new))
    assert again == new
    return new, [f"{finding.line}: {finding.message}" for finding in by_hand]


TF = "import tensorflow as tf\n"
NEW = "import graphkit.tf1 as tf\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import tensorflow as tf, numpy", "import graphkit.tf1 as tf, numpy"),
        ("import tensorflow; tensorflow.a", "import graphkit.tf1 as tensorflow; tensorflow.a"),
        ("import tensorflow.compat.v1 as tf", "import graphkit.tf1 as tf"),
        ("import tensorflow.layers as L  # why", "import graphkit.tf1.layers as L  # why"),
        ("from tensorflow import layers as L", "from graphkit.tf1 import layers as L"),
        ("from tensorflow.layers import (\n  Layer,\n)", "from graphkit.tf1.layers import (\n  Layer,\n)"),
        (
            "def f():\n\tfrom tensorflow.contrib import sparsemax",
            "def f():\n\tfrom graphkit.tf1.contrib import sparsemax",
        ),
        ("from tensorflow.keras import layers", "from tensorflow.keras import layers"),
        ("import tensorflow.compat.v2 as tf", "import tensorflow.compat.v2 as tf"),
        (
            "from tensorflow.python.framework import ops; ops.Graph",
            "from graphkit import tf1 as ops; ops.Graph",
        ),
        ("from tensorflow.python.ops import rnn; rnn.a", "from tensorflow.python.ops import rnn; rnn.a"),
        ("from tensorflow.python.ops import nn; nn.relu", "from graphkit.tf1 import nn; nn.relu"),
        ("from tensorflow.python.framework.ops import Graph", "from graphkit.tf1 import Graph"),
        ("from tensorflow.python.ops import gen_nn_ops", "from tensorflow.python.ops import gen_nn_ops"),
    ],
)
def test_imports(old, new):
    assert upgraded(old)[0] == new


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tf.initialize_all_variables()", "tf.global_variables_initializer()"),
        ("tf.train.SummaryWriter('a')", "tf.summary.FileWriter('a')"),
        ("tf.pack([tf.mul(a, b), tf.sub(a, b)])", "tf.stack([tf.multiply(a, b), tf.subtract(a, b)])"),
        ("tf.concat(1, [a, tf.concat(-1, [b])])", "tf.concat([a, tf.concat([b], -1)], 1)"),
        ("tf.image_summary('a', b, max_images=3)", "tf.summary.image('a', b, max_outputs=3)"),
        ("tf.concat([a], 1); tf.concat(dim, [a])", "tf.concat([a], 1); tf.concat(dim, [a])"),
        ("tf.concat(concat_dim=1, values=[a])", "tf.concat(axis=1, values=[a])"),
        ("tf.split(1, 2, tf.neg(a))", "tf.split(num_or_size_splits=2, value=tf.negative(a), axis=1)"),
        ("tf.split(a, 2, 1)", "tf.split(a, 2, 1)"),
        (
            "tf.reduce_sum(é, keep_dims=True, reduction_indices=[1])",
            "tf.reduce_sum(é, keepdims=True, axis=[1])",
        ),
        ("tf.reduce_sum(a, axis=0, reduction_indices=0)", "tf.reduce_sum(a, axis=0, reduction_indices=0)"),
        (
            "tf.argmax(a, dimension=1); tf.nn.softmax(a, dim=1)",
            "tf.argmax(a, axis=1); tf.nn.softmax(a, axis=1)",
        ),
        (
            "tf.nn.sigmoid_cross_entropy_with_logits(tf.pack(a), b)",
            "tf.nn.sigmoid_cross_entropy_with_logits(logits=tf.stack(a), labels=b)",
        ),
        ("tf.stack('tf.pack')  # tf.pack", "tf.stack('tf.pack')  # tf.pack"),
    ],
)
def test_names_and_arguments(old, new):
    assert upgraded(TF + old) == (NEW + new, [])


@pytest.mark.parametrize(
    ("old", "message"),
    [
        ("tf.concat(1, # the axis\n [a])", "2: the order of tf.concat's arguments is another"),
        ("tf.nn.softmax_cross_entropy_with_logits(labels, x)", "2: the order of tf.nn.softmax_cross"),
        ("tf.split(1, (n), a)", "2: the order of tf.split's arguments is another"),
        (
            "tf.contrib.sparsemax.x",
            "2: tf.contrib.sparsemax.x is missing in graphkit.tf1; write it in TensorFlow",
        ),
        ("from tensorflow import *", "2: from tensorflow import * hides which names are used"),
        ("from tensorflow.gfile import Exists", "2: write import graphkit.tf1 as tf, and the names"),
        ("from tensorflow.python.ops import gen_nn_ops", "2: tensorflow.python.ops is private to TensorFlow"),
        ("{}.has_key(3)", "2: .has_key is Python 2; write key in the dictionary"),
    ],
)
def test_what_is_not_safe_is_listed_and_left(old, message):
    new, by_hand = upgraded(TF + old)
    assert new == NEW + old
    assert len(by_hand) == 1
    assert by_hand[0].startswith(message)


def test_programs_of_tensorflow_2_are_left_alone():
    text = TF + "tf.random.Generator.from_seed(1)\ntf.keras.Model\ntf.summary.create_file_writer\n"
    new, by_hand = upgraded(text)
    assert new == text
    assert by_hand == ["1: imports are left alone, because tf.summary.create_file_writer is of TensorFlow 2"]


OLD_PROGRAM = """
    import numpy as np
    import tensorflow as tf
    from tensorflow.python.framework import ops

    class Scaled(tf.layers.Layer):   # a layer of the user's
        def build(self, shape):
            self.scale = self.add_variable("scale", [], initializer=tf.constant_initializer(2.0))
            self.built = True
        def call(self, inputs):
            return tf.mul(inputs, self.scale)

    assert ops.get_default_graph() is tf.get_default_graph()
    x = tf.placeholder(tf.float32, [None, 2])
    y = Scaled().apply(x)
    both = tf.concat(1, [y, tf.neg(y)])
    left, right = tf.split(1, 2, both)
    total = tf.reduce_sum(left - right, reduction_indices=[1], keep_dims=True)
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        values = []
        for i in xrange(2):
            values.append(session.run(total, {x: np.ones([1, 2], np.float) * i}).tolist())
            print "step", i,
        print
    if values <> [[[0.0]], [[8.0]]]:
        raise ValueError, "wrong"
"""


def test_an_upgraded_program_runs_without_the_hook(tmp_path, capsys):
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(OLD_PROGRAM))
    assert tf1.main(["upgrade", str(path), "--write"], "graphkit tf1") == 0
    assert capsys.readouterr() == ("", "")
    names = {"__name__": "__main__"}
    with tf.Graph().as_default():
        text = path.read_text()
        exec(text, names)
    assert names["values"] == [[[0.0]], [[8.0]]]
    assert run_program(path)["values"] == names["values"]
    assert text.count("\n") == OLD_PROGRAM.count("\n")
    assert "class Scaled(tf.layers.Layer):   # a layer of the user's" in text
    capsys.readouterr()
    tf1.main(["upgrade", str(path)], "graphkit tf1")
    assert capsys.readouterr() == ("", "")


def test_the_diff_is_a_patch_and_the_rest_is_on_the_error_stream(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "old"
    folder.mkdir()
    texts = {"a.py": TF + "x = 1\r\ntf.pack([1])", "b.py": "x = 1\n", "c.py": TF + "tf.contrib.sparsemax.x\n"}
    for name, text in texts.items():
        (folder / name).write_bytes(text.encode())
    monkeypatch.chdir(tmp_path)
    assert tf1.main(["upgrade", "old", "--diff"], "graphkit tf1") == 0
    patch, rest = capsys.readouterr()
    assert [(folder / name).read_bytes() for name in texts] == [text.encode() for text in texts.values()]
    assert rest.startswith("old/c.py:2: tf.contrib.sparsemax.x is missing in graphkit.tf1")
    subprocess.run(
        ["patch", "-p1", "--binary"], input=patch.encode(), check=True, cwd=tmp_path, capture_output=True
    )
    assert (folder / "a.py").read_bytes() == (NEW + "x = 1\r\ntf.stack([1])").encode()
    assert (folder / "c.py").read_text() == NEW + "tf.contrib.sparsemax.x\n"


def test_encodings_and_line_ends_stay(tmp_path):
    path = tmp_path / "program.py"
    path.write_bytes(b"# -*- coding: latin-1 -*-\r\nimport tensorflow as tf\r\nx = '\xe9'\r\n")
    tf1.main(["upgrade", str(path), "--write"], "graphkit tf1")
    assert path.read_bytes() == b"# -*- coding: latin-1 -*-\r\nimport graphkit.tf1 as tf\r\nx = '\xe9'\r\n"
