"""What the imports of a TF1 program find, and that they do not change for anybody else."""

import builtins
import importlib
import sys
import textwrap

import pytest
import tensorflow
from tf1.old_programs import run_program

import graphkit.tf1 as tf
from graphkit.tf1.programs import hook


@pytest.fixture
def program(tmp_path):
    """Writes files and runs the first of them."""

    def run(source, *arguments, modules=()):
        for name, text in {"program": source, **dict(modules)}.items():
            path = tmp_path / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(textwrap.dedent(text))
        return run_program(tmp_path / "program.py", *arguments)

    return run


def test_every_form_of_import(program):
    names = program("""
        import tensorflow as a
        import tensorflow
        import tensorflow.compat.v1 as b
        from tensorflow.compat import v1 as c
        import tensorflow as d, os.path
        import tensorflow.layers as e
        from tensorflow import layers as f, placeholder
        from tensorflow.layers import Layer
        from tensorflow.train import AdamOptimizer
        import tensorflow.train as g
        from tensorflow.keras.initializers import Zeros
        import tensorflow.keras.initializers as h
        import tensorflow.compat.v2 as two
        import importlib
        i = importlib.import_module("tensorflow.layers")
        def lazy():
            import tensorflow.layers
            return tensorflow
        j = lazy()
        exec("import tensorflow as k")
        l = eval("__import__('tensorflow')")
    """)
    assert {names[name] for name in ("a", "b", "c", "d", "j", "k", "l", "tensorflow")} == {tf}
    assert {names[name] for name in "efi"} == {tf.layers}
    assert names["placeholder"] is tensorflow.compat.v1.placeholder
    assert names["Layer"] is tf.layers.Layer
    assert names["AdamOptimizer"] is names["g"].AdamOptimizer is tensorflow.compat.v1.train.AdamOptimizer
    assert names["Zeros"] is names["h"].Zeros
    assert names["two"].function is tensorflow.function
    assert tf.compat.v1 is tf


def test_a_module_that_nobody_imported_yet(program, monkeypatch):
    monkeypatch.delattr(tf, "python")
    monkeypatch.delitem(sys.modules, "graphkit.tf1.python")
    hook.find.cache_clear()
    assert program("from tensorflow import python")["python"] is sys.modules["graphkit.tf1.python"]
    hook.find.cache_clear()


def test_a_star_brings_all_names(program):
    names = program("from tensorflow import *\nfrom tensorflow.layers import *")
    assert names["placeholder"] is tf.placeholder
    assert names["layers"] is tf.layers
    assert names["Layer"] is tf.layers.Layer


def test_private_modules_have_public_names(program):
    names = program("""
        from tensorflow.python.framework import ops, dtypes
        from tensorflow.python.framework.ops import reset_default_graph
        from tensorflow.python.ops import array_ops, math_ops, rnn, variable_scope as vs, init_ops, nn_ops
        import tensorflow.python.platform.gfile as gfile
        from tensorflow.python.platform import flags
        from tensorflow.python.client import device_lib, timeline
        from tensorflow.python.tools import freeze_graph, inspect_checkpoint
        reset_default_graph()
        ops.reset_default_graph()
        with vs.variable_scope("a"):
            v = vs.get_variable("v", [2], dtypes.float32, init_ops.constant_initializer(3.0))
        y = math_ops.reduce_sum(array_ops.concat([v, v], 0))
        devices = device_lib.list_local_devices()
    """)
    assert names["ops"].Graph is tf.Graph
    assert names["rnn"].dynamic_rnn is tf.nn.dynamic_rnn
    assert names["gfile"].Exists is tf.gfile.Exists
    assert names["flags"].DEFINE_string is tf.flags.DEFINE_string
    assert names["nn_ops"].softmax is tf.nn.softmax
    assert names["v"].op.name == "a/v"
    assert names["devices"][0].device_type == "CPU"
    assert names["timeline"].Timeline
    assert names["freeze_graph"].freeze_graph
    assert "get_variable" in dir(names["vs"])


def test_private_modules_of_contrib_have_what_they_defined(program):
    names = program("""
        from tensorflow.contrib.framework.python.ops.arg_scope import arg_scope, add_arg_scope
        from tensorflow.contrib.framework.python.framework import tensor_util
        from tensorflow.contrib.layers.python.layers.layers import conv2d
        from tensorflow.contrib.seq2seq.python.ops import attention_wrapper, decoder, helper
        from tensorflow.contrib.distributions.python.ops import bernoulli
        from tensorflow.contrib.crf.python.ops import crf
        from tensorflow.contrib.rnn.python.ops import core_rnn_cell
    """)
    contrib = tf.contrib
    assert names["arg_scope"] is contrib.framework.arg_scope
    assert names["tensor_util"].with_same_shape is contrib.framework.with_same_shape
    assert names["conv2d"] is contrib.layers.conv2d
    assert names["attention_wrapper"].BahdanauAttention is contrib.seq2seq.BahdanauAttention
    assert names["helper"].TrainingHelper is contrib.seq2seq.TrainingHelper
    assert names["bernoulli"].Bernoulli is tf.distributions.Bernoulli
    assert names["crf"].crf_log_likelihood is contrib.crf.crf_log_likelihood
    assert names["core_rnn_cell"]._linear is contrib.rnn._linear


def test_names_that_private_modules_have_lost(program):
    names = program("""
        from tensorflow.python.framework import tensor_shape
        from tensorflow.python.layers import base
        from tensorflow.python.ops import seq2seq, variable_scope
        from tensorflow.python.util import nest
        from tensorflow.models.rnn import rnn, rnn_cell
        from tensorflow.models.rnn import seq2seq as earlier
        from tensorflow.models.rnn.rnn_cell import BasicLSTMCell
        v = variable_scope.variable(2.0, trainable=False, name="v")
    """)
    assert names["tensor_shape"].scalar().rank == 0
    assert names["base"]._Layer is tf.layers.Layer
    assert names["v"].op.name == "v" and not tf.trainable_variables()
    assert names["nest"].is_sequence([1]) and not names["nest"].is_sequence(1)
    assert names["rnn"].rnn is tf.nn.static_rnn
    assert names["BasicLSTMCell"] is names["rnn_cell"].BasicLSTMCell is tf.nn.rnn_cell.BasicLSTMCell
    assert names["earlier"] is tf.contrib.legacy_seq2seq
    assert names["seq2seq"].basic_rnn_seq2seq is names["earlier"].basic_rnn_seq2seq


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "from tensorflow.contrib import sparsemax",
            "tf.contrib.sparsemax is missing in graphkit.tf1; write it in TensorFlow",
        ),
        ("import tensorflow.contrib.sparsemax", "tf.contrib.sparsemax is missing in graphkit.tf1"),
        (
            "from tensorflow.contrib.sparsemax import sparsemax",
            "tf.contrib.sparsemax is missing in graphkit.tf1",
        ),
        ("from tensorflow.layers import Layr", "tf.layers.Layr .* did you mean tf.layers.Layer?"),
        ("from tensorflow.python.ops.nowhere import x", "tf.python.ops.nowhere.* use public names"),
        ("import tensorflow.layers.Layer", "is not a module; write import tensorflow"),
        (
            "import importlib; importlib.import_module('tensorflow.contrib.gan')",
            "tf.contrib.gan .* write both losses",
        ),
    ],
)
def test_what_is_missing_is_named(program, statement, message):
    with pytest.raises(ImportError, match=message):
        program(statement)


def test_modules_of_the_program_and_libraries(program, tmp_path):
    library = tmp_path / "venv" / "site-packages"
    library.mkdir(parents=True)
    (library / "a_library.py").write_text("import tensorflow as tf")
    names = program(
        f"""
        import sys
        import package.inner
        from package import inner as again
        sys.path.insert(0, {str(library)!r})
        import a_library
        """,
        modules={
            "package/__init__": "from . import inner",
            "package/inner": "from .other import tf\nimport tensorflow",
            "package/other": "import tensorflow.compat.v1 as tf",
        },
    )
    assert names["package"].inner.tf is names["again"].tensorflow is tf
    assert names["a_library"].tf is tensorflow
    assert sys.modules["tensorflow"] is tensorflow
    assert "package" not in sys.modules


def test_the_hook_is_removed(program):
    before = builtins.__import__, importlib.import_module
    program("import tensorflow as tf")
    assert (builtins.__import__, importlib.import_module) == before
    with pytest.raises(ZeroDivisionError):
        program("1 / 0")
    assert (builtins.__import__, importlib.import_module) == before
    first, second = hook.Hook(["/a"]), hook.Hook(["/b"])
    first.remove()
    assert not first.is_own({"__file__": "/a/x.py"})
    assert second.is_own({"__file__": "/b/x.py"})
    second.remove()
    assert importlib.import_module("json")
    first.remove()


def test_source_pickles_and_doctests_are_the_programs(program):
    names = program("""
        '''>>> import tensorflow as tf
        >>> tf.layers.__name__
        'graphkit.tf1.layers'
        '''
        import doctest, inspect, pickle
        import tensorflow as tf
        class Data(object):
            '''Text.'''
            x = 1
        copied = pickle.loads(pickle.dumps(Data()))
        source = inspect.getsource(Data)
        failed = doctest.testmod().failed
        kinds = pickle.loads(pickle.dumps([tf.float32, tf.TensorShape([2])]))
    """)
    assert type(names["copied"]) is names["Data"]
    assert names["source"].startswith("class Data(object):")
    assert names["failed"] == 0
    assert names["kinds"] == [tf.float32, tf.TensorShape([2])]


def test_flags_and_the_graph_are_the_programs(program):
    source = """
        import sys
        import tensorflow as tf
        FLAGS = tf.app.flags.FLAGS
        tf.app.flags.DEFINE_integer("steps", 3, "how many")
        tf.app.flags.DEFINE_string("model_dir", "/tmp", "where")
        class Twice(tf.layers.Layer):
            def call(self, inputs):
                return 2 * inputs
        def main(argv):
            global rest, steps, y
            rest, steps = argv[1:], FLAGS.steps
            tf.reset_default_graph()
            with tf.Session() as session:
                y = session.run(Twice().apply(tf.constant([3.0])))
        if __name__ == "__main__":
            tf.app.run()
    """
    for steps in (5, 7):  # the flags of the first run do not disturb the second
        names = program(source, f"--steps={steps}", "rest")
        assert (names["steps"], names["rest"], names["y"].tolist()) == (steps, ["rest"], [6.0])
    with pytest.raises(SystemExit) as end:
        program("import sys; sys.exit(3)")
    assert end.value.code == 3


def test_a_program_that_is_imported_does_not_run(tmp_path):
    path = tmp_path / "program.py"
    path.write_text("import tensorflow as tf\ndef main(): return tf\nif __name__ == '__main__': 1 / 0")
    assert run_program(path, name="a_program")["main"]() is tf
    assert "a_program" not in sys.modules
    with pytest.raises(ZeroDivisionError):
        run_program(path)
