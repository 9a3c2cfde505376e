"""Models that are cut and get a new head, and files of old programs."""

import gc
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from revival import files

import graphkit as gk

v1 = tf.compat.v1
normal = files.normal


@pytest.fixture(scope="module")
def frozen_convnet(tmp_path_factory):
    with tf.Graph().as_default():
        v1.set_random_seed(1)
        images = gk.image_input(28, 28, 1)
        net = gk.max_pool(gk.conv2d(images, 8, 5, activation=gk.relu, padding="same", name="conv1"), 2, 2)
        net = gk.conv2d(net, 16, 3, activation=gk.relu, padding="same", name="conv2")
        net = tf.identity(gk.max_pool(net, 2, 2), name="pool2")
        logits = gk.dense(gk.flatten(net), 1000, name="logits")
        with files.open_session() as session:
            return files.freeze(session, [logits], tmp_path_factory.mktemp("frozen") / "convnet.pb")


def test_a_cut_drops_what_comes_after(frozen_convnet):
    model = gk.revive(frozen_convnet)
    part = model.cut("pool2")
    assert set(part.variables) == {"conv1/kernel", "conv1/bias", "conv2/kernel", "conv2/bias"}
    assert list(part.outputs) == ["pool2"] and part.graph is not model.graph
    assert "logits/kernel" not in {op.name for op in part.graph.get_operations()}
    assert part.report().startswith("Revived: images -> pool2, 4 variables (4 trained, 1,376 numbers)")
    feed = {"images": normal(2, 28, 28, 1)}
    np.testing.assert_array_equal(
        files.run(part, part.output, feed), files.run(model, model.tensor("pool2"), feed)
    )
    with pytest.raises(ValueError, match=r"cut: name must be that of an op .*near it: pool2"):
        model.cut("pool5")
    with pytest.raises(ValueError, match="cut: an output must depend on an input"):
        model.cut("conv1/kernel")
    with pytest.raises(TypeError, match="cut: name must be a string"):
        model.cut(5)


def test_a_new_head_learns_digits(frozen_convnet):
    (images, labels), (test_images, test_labels) = digits()
    model = gk.revive(frozen_convnet).cut("pool2")
    logits = model.head(10, pool="flatten")
    with model.graph.as_default():
        targets = gk.label_input()
        loss, accuracy = gk.softmax_cross_entropy(logits, targets), gk.accuracy(logits, targets)
    assert gk.check_graph(loss) == []
    assert "head" in str(gk.summary(logits))
    pixels = model.inputs["images"]
    with gk.Trainer(loss, metrics={"accuracy": accuracy}, seed=1) as trainer:
        trainer.fit({pixels: images, targets: labels}, epochs=8, progress=False)
        assert trainer.runner.execution in ("resident", "chunks")
        assert trainer.evaluate({pixels: test_images, targets: test_labels})["accuracy"] > 0.93


def digits():
    found = gk.load_dataset("mnist_5k")
    scaled = [(gk.scale_pixels(part.images), part.labels) for part in (found.train, found.test)]
    return scaled


def test_an_export_of_a_revived_model_is_revived(frozen_convnet, tmp_path):
    model = gk.revive(frozen_convnet).cut("pool2")
    with model.graph.as_default():
        loss = gk.softmax_cross_entropy(model.head(3), gk.label_input())
    output = model.tensor("pool2")
    with gk.Trainer(loss) as trainer:
        folder = trainer.export(tmp_path / "export", output)
        wanted = trainer.predict(output, {model.inputs["images"]: normal(2, 28, 28, 1)})
    again = gk.revive(folder)
    np.testing.assert_array_equal(files.run(again, again.output, {"images": normal(2, 28, 28, 1)}), wanted)


def test_heads_of_all_ranks_and_what_they_refuse(tmp_path):
    words = v1.placeholder(tf.int32, (None, 5), name="words")
    net = tf.gather(tf.constant(normal(10, 6), name="table"), words, name="time")
    tf.reduce_sum(net, axis=1, name="features")
    tf.cast(tf.argmax(net, axis=2), tf.int32, name="numbers")
    path = files.write(tmp_path / "graph.pb")
    for name in ("time", "features"):
        model = gk.revive(path, outputs=name)
        logits = model.head(4)
        assert logits.shape.as_list() == [None, 4]
        assert model.graph.get_tensor_by_name("head/kernel:0").op.get_attr("shape").dim[0].size == 6
    cases = [
        (lambda: model.head(4), ValueError, "name must be one that the graph does not have"),
        (lambda: model.head(0, name="b"), ValueError, "num_classes must be an integer"),
        (lambda: model.head(4, name=3), TypeError, "name must be a string"),
        (lambda: model.head(4, name="b", pool="max"), ValueError, "pool must be one of"),
        (lambda: gk.revive(path).head(3), ValueError, "several outputs; choose one by cut"),
        (lambda: gk.revive(path).output, ValueError, "several outputs; choose one by cut"),
        (lambda: gk.revive(path, outputs="numbers").head(3), TypeError, "must be floating-point"),
    ]
    for call, kind, text in cases:
        with pytest.raises(kind, match=text):
            call()


def test_reference_variables_of_old_programs_become_resource_variables(tmp_path):
    v1.disable_resource_variables()
    try:
        features = v1.placeholder(tf.float32, (None, 4), name="features")
        with v1.variable_scope("net", partitioner=v1.fixed_size_partitioner(2)):
            kernel = v1.get_variable("kernel", (4, 3))
        bias = v1.Variable(normal(3), name="bias")
        counter = v1.Variable(0.0, trainable=False, name="counter")
        average = v1.Variable(normal(3), trainable=False, name="moving_mean")
        net = tf.matmul(features, kernel) + bias - average
        logits = tf.nn.relu(net, name="logits")
        loss = tf.reduce_mean(tf.square(logits), name="loss")
        penalty = tf.nn.l2_loss(bias, name="penalty")
        v1.add_to_collection(v1.GraphKeys.REGULARIZATION_LOSSES, penalty)
        update = v1.assign_sub(average, 0.5 * (average - tf.reduce_mean(net, axis=0)), name="move")
        v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, update)
        v1.train.MomentumOptimizer(0.1, 0.9).minimize(loss, v1.train.get_or_create_global_step())
        tf.add(counter, 1.0, name="unused")
    finally:
        v1.enable_resource_variables()
    assert "VariableV2" in {op.type for op in v1.get_default_graph().get_operations()}
    x = normal(5, 4)
    with files.open_session() as session:
        prefix = files.save_meta(session, tmp_path / "old.ckpt")
        wanted = session.run([logits, tf.gradients(loss, [bias])[0]], {features: x})
    model = gk.revive(prefix)
    assert set(model.variables) == {"net/kernel/part_0", "net/kernel/part_1", "bias", "moving_mean"}
    assert [name for name, variable in model.variables.items() if not variable.trainable] == ["moving_mean"]
    kinds = {op.type for op in model.graph.get_operations()}
    assert "VariableV2" not in kinds and "VarHandleOp" in kinds
    gradient = tf.gradients(model.output, [model.variables["bias"]])[0]
    found = files.run(model, [model.tensor("logits"), gradient], {"features": x})
    np.testing.assert_array_equal(found[0], wanted[0])
    np.testing.assert_array_equal(found[1], wanted[1])
    with model.graph.as_default():
        assert len(v1.get_collection(v1.GraphKeys.UPDATE_OPS)) == 1
        assert len(v1.losses.get_regularization_losses()) == 1
        with gk.Trainer(model.output, "sgd", 0.1) as trainer:
            before = trainer.weights()["moving_mean"]
            trainer.fit({model.inputs["features"]: x}, batch_size=5, progress=False)
            after = trainer.weights()["moving_mean"]
    assert not np.array_equal(after, before)


@pytest.mark.slow
def test_values_last_as_long_as_the_graph(frozen_convnet):
    model = gk.revive(frozen_convnet)
    folder = model.source.folder.path
    part = model.cut("pool2")
    del model
    gc.collect()
    assert os.path.isdir(folder)
    graph = part.graph
    del part
    gc.collect()
    with graph.as_default(), files.open_session():
        pass
    del graph
    gc.collect()
    assert not os.path.exists(folder)


BIG = """
import sys
import numpy as np, tensorflow as tf
import graphkit as gk

def peak():  # not ru_maxrss, which begins with that of the process that started this one
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024

before = peak()
model = gk.revive(sys.argv[1])
print(peak() - before)
assert len(model.graph.as_graph_def().SerializeToString()) < 100_000
with model.graph.as_default():
    loss = tf.reduce_mean(model.output)
with gk.Trainer(loss, "sgd", 0.1) as trainer:
    assert trainer.weights()["wide"].sum(dtype=np.float64) == 0.5 * 12_000 * 8_000
    trainer.fit({model.inputs["features"]: np.ones((2, 12_000), np.float32)}, batch_size=2, progress=False)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_large_model_needs_a_bounded_multiple_of_its_size(tmp_path):
    with tf.Graph().as_default():
        features = v1.placeholder(tf.float32, (None, 12_000), name="features")
        wide = tf.constant(np.full((12_000, 8_000), 0.5, np.float32), name="wide")  # 384 MB
        tf.matmul(features, wide, name="output")
        path = files.write(tmp_path / "big.pb")
    size = path.stat().st_size
    assert size > 380e6
    done = subprocess.run([sys.executable, "-c", BIG, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    grown = int(done.stdout.split()[-1]) / size
    assert grown < 4, f"{grown:.1f} times the file"  # the file and its message, and an array that is written
