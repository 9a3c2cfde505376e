"""Files of others are not trusted: what reaches files, networks or Python is refused before the import."""

import re

import numpy as np
import pytest
import tensorflow as tf
from revival import files

import graphkit as gk
from graphkit.revival import op_kinds

v1 = tf.compat.v1
normal = files.normal


def product(inputs):
    return tf.matmul(inputs, tf.constant(normal(4, 3), name="kernel"))


def features():
    return v1.placeholder(tf.float32, (None, 4), name="features")


def from_file(path):
    return tf.reshape(tf.io.decode_raw(tf.io.read_file(str(path)), tf.float32), (-1, 4))


@tf.function
def inner(inputs, name):
    return inputs + tf.reduce_sum(tf.io.decode_raw(tf.io.read_file(name), tf.float32))


REFUSED = {
    "ReadFile": lambda path: product(features()) + tf.reduce_sum(from_file(path)),
    "ReadFile (in function": lambda path: inner(product(features()), str(path)),
    "WriteFile": lambda path: after(tf.io.write_file(str(path / "written"), "text")),
    "MatchingFiles": lambda path: product(features()) + size(tf.io.matching_files(f"{path}/*")),
    "EagerPyFunc": lambda path: tf.py_function(lambda x: x, [product(features())], tf.float32),
    "PyFunc": lambda path: v1.py_func(lambda x: x, [product(features())], tf.float32),
    "RestoreV2": lambda path: (
        product(features())
        + tf.raw_ops.RestoreV2(
            prefix=str(path), tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32]
        )[0]
    ),
    "SaveV2": lambda path: after(
        tf.raw_ops.SaveV2(
            prefix=str(path / "s"), tensor_names=["a"], shape_and_slices=[""], tensors=[tf.constant(1.0)]
        )
    ),
    "PrintV2": lambda path: after(tf.print("text", output_stream=f"file://{path}/printed")),
    "DebugIdentity": lambda path: tf.raw_ops.DebugIdentity(
        input=product(features()), debug_urls=["grpc://localhost:1"]
    ),
    "Abort": lambda path: after(tf.raw_ops.Abort()),
    "ImmutableConst": lambda path: (
        product(features())
        + tf.raw_ops.ImmutableConst(dtype=tf.float32, shape=(3,), memory_region_name=str(path))
    ),
    "FIFOQueueV2": lambda path: product(tf.ensure_shape(v1.FIFOQueue(1, [tf.float32]).dequeue(), (None, 4))),
    "Timestamp": lambda path: product(features()) + tf.cast(tf.timestamp(), tf.float32),
    "MutableHashTableV2": lambda path: product(features()) + lookup(),
    "TextLineReaderV2": lambda path: product(features()) + total(v1.TextLineReader().num_records_produced()),
    "GenerateVocabRemapping": lambda path: (
        product(features())
        + total(
            tf.raw_ops.GenerateVocabRemapping(
                new_vocab_file=str(path), old_vocab_file=str(path), new_vocab_offset=0, num_new_vocab=1
            )[0]
        )
    ),
}


def size(tensor):
    return tf.cast(tf.size(tensor), tf.float32)


def total(tensor):
    return tf.cast(tf.reduce_sum(tensor), tf.float32)


def after(op):
    with tf.control_dependencies([op]):
        return tf.identity(product(features()))


def lookup():
    table = tf.raw_ops.MutableHashTableV2(key_dtype=tf.int64, value_dtype=tf.float32)
    return tf.raw_ops.LookupTableFindV2(
        table_handle=table, keys=tf.constant([1], tf.int64), default_value=tf.constant(0.0)
    )


@pytest.mark.parametrize("kind", REFUSED)
def test_ops_that_reach_outside_are_refused_by_name(kind, tmp_path):
    tf.identity(REFUSED[kind](tmp_path), name="output")
    path = files.write(tmp_path / "graph.pb")
    with pytest.raises(ValueError, match=re.escape(kind)) as refused:
        gk.revive(path, outputs="output")
    text = str(refused.value)
    assert text.startswith("revive: the file must not hold the op ")
    assert f"type='{kind.split(' ')[0]}'" in text
    assert [file.name for file in tmp_path.iterdir()] == ["graph.pb"]


def test_a_table_that_is_filled_from_a_file_is_refused(tmp_path):
    (tmp_path / "words").write_text("a\nb\n")
    words = v1.placeholder(tf.string, (None,), name="words")
    filler = tf.lookup.TextFileInitializer(
        str(tmp_path / "words"), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, -1
    )
    numbers = tf.lookup.StaticHashTable(filler, 0).lookup(words)
    tf.gather(tf.constant(normal(3, 2), name="embedding"), numbers, name="output")
    with pytest.raises(ValueError, match="InitializeTableFromTextFileV2"):
        gk.revive(files.write(tmp_path / "graph.pb"))


def test_allowed_ops_are_taken_by_name_and_what_is_not_needed_is_not_looked_at(tmp_path):
    array = tmp_path / "array"
    normal(4).tofile(array)
    net = product(features())
    tf.add(net, tf.reduce_sum(from_file(array)), name="output")
    tf.identity(net, name="before")
    path = files.write(tmp_path / "graph.pb")
    with pytest.raises(TypeError, match="allow must be a list of names"):
        gk.revive(path, outputs="output", allow="ReadFile")
    model = gk.revive(path, outputs="output", allow=["ReadFile"])
    found = files.run(model, model.output, {"features": normal(2, 4)})
    np.testing.assert_allclose(found, normal(2, 4) @ normal(4, 3) + normal(4).sum(), rtol=1e-5)
    assert "ReadFile" not in {op.type for op in gk.revive(path, outputs="before").graph.get_operations()}


@pytest.mark.parametrize("kind", ["NoSuchOp", "_Send", "AllKinds>Custom"])
def test_ops_that_tensorflow_does_not_have_are_refused(kind, tmp_path):
    tf.identity(product(features()), name="output")
    definition = v1.get_default_graph().as_graph_def()
    definition.node[-1].op = kind
    path = tmp_path / "graph.pb"
    path.write_bytes(definition.SerializeToString())
    with pytest.raises(ValueError, match=f"the op output: (it sends|TensorFlow has no such op).*{kind}"):
        gk.revive(path)


def test_a_function_must_not_hide_an_op_under_its_name(tmp_path):
    inner.get_concrete_function(tf.TensorSpec((None, 3)), tf.TensorSpec((), tf.string))
    tf.identity(inner(product(features()), "name"), name="output")
    definition = v1.get_default_graph().as_graph_def()
    function = definition.library.function[0]
    function.signature.name = "ReadFile"
    definition.node[-1].op = "ReadFile"
    path = tmp_path / "graph.pb"
    path.write_bytes(definition.SerializeToString())
    with pytest.raises(ValueError, match="it reads files"):
        gk.revive(path, outputs="output")


@pytest.mark.parametrize("dtype", [tf.quint8, tf.qint8])
def test_quantized_weights_are_refused_by_name(dtype, tmp_path):
    weights = tf.constant(np.zeros((4, 3)), tf.float32)
    quantized, low, high = tf.quantization.quantize(weights, -1.0, 1.0, dtype, name="weights_quantized")
    tf.matmul(features(), tf.quantization.dequantize(quantized, low, high, name="back"), name="output")
    with pytest.raises(ValueError, match="is quantized, and such weights cannot be trained.*type='"):
        gk.revive(files.write(tmp_path / "graph.pb"))


def test_fake_quantization_is_refused_unless_it_is_allowed(tmp_path):
    kernel = tf.quantization.fake_quant_with_min_max_args(
        tf.constant(normal(4, 3), name="kernel"), name="fake"
    )
    tf.matmul(features(), kernel, name="output")
    path = files.write(tmp_path / "graph.pb")
    with pytest.raises(ValueError, match="fake is quantized"):
        gk.revive(path)
    assert list(gk.revive(path, allow=("FakeQuantWithMinMaxArgs",)).variables) == ["kernel"]


def test_no_op_that_may_name_a_file_a_host_or_a_function_is_taken():
    """Goes through all ops of the TensorFlow that is installed, also of versions to come."""
    kinds = [name for name in dir(tf.raw_ops) if not name.startswith("_")]
    known = op_kinds.definitions(kinds)
    taken = [kind for kind in kinds if op_kinds.refusal(kind, known[kind]) is None]
    assert {"Conv2D", "MatMul", "While", "RandomUniform"} <= set(taken)
    reaching = re.compile(r"file|path|url|address|host|token|prefix|protocol|memory_region|descriptor_source")
    harmless = {"CTCBeamSearchDecoder"}  # top_paths
    for kind in set(taken) - harmless:
        names = [argument.name for argument in (*known[kind].input_arg, *known[kind].attr)]
        assert not [name for name in names if reaching.search(name)], kind
    listed = op_kinds.STATEFUL | op_kinds.WITH_STRINGS
    assert not {kind for kind in listed for pattern in op_kinds.REASONS if re.fullmatch(pattern, kind)}


def test_a_gradient_of_another_process_is_dropped_and_said(tmp_path):
    with v1.get_default_graph().gradient_override_map({"Identity": "CustomGradient-7"}):
        tf.identity(product(features()), name="output")
    model = gk.revive(files.write(tmp_path / "graph.pb"))
    assert tf.gradients(model.output, [model.variables["kernel"]])[0] is not None
    assert "own gradients not in the file" in model.report()
