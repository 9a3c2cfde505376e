"""The copier of sub-graphs: what a definition holds, and what its import takes from the new graph."""

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit.graph import copies, walk

v1 = tf.compat.v1


def nodes(definition):
    return {node.name: node for node in definition.node}


def ops_of(*tensors):
    return walk.ancestors(tensors)


def line():
    """Returns (input, scaled input, its square) in the current graph."""
    x = v1.placeholder(tf.float32, (None,), "x")
    scaled = tf.multiply(x, 3.0, name="scaled")
    return x, scaled, tf.square(scaled, name="square")


def test_a_copy_computes_what_the_original_does():
    x, _, square = line()
    definition = copies.definition_of(ops_of(square), without=[x.op])
    assert set(nodes(definition)) == {"scaled/y", "scaled", "square"}
    with tf.Graph().as_default(), v1.Session() as session:
        (copied,) = copies.paste(definition, {"x:0": tf.constant([1.0, 2.0])}, ["square:0"], "copy")
        assert copied.name == "copy/square:0"
        assert session.run(copied).tolist() == [9.0, 36.0]


def test_wanted_ops_and_tensors_come_in_order():
    _, _, square = line()
    definition = copies.definition_of(ops_of(square))
    with tf.Graph().as_default():
        found = copies.paste(definition, {}, ["square", "scaled:0", "square:0"])
    assert [item.name for item in found] == ["square", "scaled:0", "square:0"]
    assert isinstance(found[0], tf.Operation)


def test_no_ops_are_an_empty_definition():
    definition = copies.definition_of([])
    assert not definition.node and not definition.library.function
    assert copies.paste(definition, {}, []) == []


def test_names_attributes_and_data_inputs_stay():
    x, scaled, _ = line()
    node = nodes(copies.definition_of([scaled.op]))["scaled"]
    assert node == scaled.op.node_def and list(node.input) == ["x", "scaled/y"]
    with tf.Graph().as_default(), pytest.raises(ValueError, match="scaled"):
        tf.import_graph_def(copies.definition_of([scaled.op]))  # its inputs must be given
    assert x.op not in copies.definition_of([scaled.op]).node


def test_class_is_dropped_and_the_original_keeps_it():
    w = v1.get_variable("w", (2,), use_resource=True)
    with v1.colocate_with(w.handle.op):
        doubled = tf.multiply(w, 2.0, name="doubled")
    assert doubled.op.colocation_groups() == [b"loc:@w"]
    definition = copies.definition_of(ops_of(doubled), without=[w.handle.op])
    assert not any("_class" in node.attr for node in definition.node)
    assert doubled.op.colocation_groups() == [b"loc:@w"]


def test_control_inputs_of_what_is_not_copied_are_dropped_and_others_stay():
    x = v1.placeholder(tf.float32, (), "x")
    outside = tf.no_op("outside")
    inside = tf.no_op("inside")
    one = tf.constant(1.0, name="one")
    with tf.control_dependencies([outside, inside]):
        y = tf.add(x, one, name="y")
    assert len(y.op.control_inputs) == 2
    definition = copies.definition_of([inside, y.op, one.op])
    assert [name for name in nodes(definition)["y"].input if name[0] == "^"] == ["^inside"]
    assert nodes(definition)["y"].input[0] == "x"
    with tf.Graph().as_default(), v1.Session() as session:
        (copied,) = copies.paste(definition, {"x:0": tf.constant(2.0)}, ["y:0"])
        assert session.run(copied) == 3.0


@tf.function(autograph=False)
def inner(x):
    return x + 1.0


@tf.function(autograph=False)
def outer(x):
    return inner(x) * 2.0


@tf.function(autograph=False)
def stranger(x):
    return x


def test_functions_come_along_with_what_they_call_and_no_others():
    x = v1.placeholder(tf.float32, (), "x")
    y = tf.identity(outer(x), name="y")
    stranger(x)
    definition = copies.definition_of(ops_of(y), without=[x.op])
    names = [function.signature.name for function in definition.library.function]
    assert len(names) == 2 and any("outer" in n for n in names) and any("inner" in n for n in names)
    with tf.Graph().as_default(), v1.Session() as session:
        (copied,) = copies.paste(definition, {"x:0": tf.constant(3.0)}, ["y:0"])
        assert session.run(copied) == 8.0


@pytest.mark.parametrize("keep_devices", [True, False])
def test_devices_are_kept_or_cleared_also_inside_functions(keep_devices):
    @tf.function(autograph=False)
    def placed(x):
        with tf.device("/cpu:0"):
            return x + 1.0

    x = v1.placeholder(tf.float32, (), "x")
    with tf.device("/cpu:0"):
        y = tf.identity(placed(x) * 2.0, name="y")
    definition = copies.definition_of(ops_of(y), keep_devices=keep_devices)
    bodies = [node for function in definition.library.function for node in function.node_def]
    assert bodies
    for found in (definition.node, bodies):
        assert any(node.device for node in found) == keep_devices
    assert "CPU" in y.op.device.upper()


def test_variables_are_captured_and_not_duplicated(fresh_graph):
    w = v1.get_variable("w", (), initializer=tf.ones_initializer(), use_resource=True)
    grown = tf.identity(w.assign_add(1.0), name="grown")
    handle = w.handle.op
    definition = copies.definition_of(ops_of(grown), without=[handle])
    (copied,) = copies.paste(definition, {handle.outputs[0].name: handle.outputs[0]}, ["grown:0"], "copy")
    assert [op for op in fresh_graph.get_operations() if op.type == "VarHandleOp"] == [handle]
    with v1.Session() as session:
        session.run(w.initializer)
        assert session.run(copied) == 2.0 and session.run(w) == 2.0


def test_given_names_that_no_node_takes_are_ignored():
    x, _, square = line()
    definition = copies.definition_of(ops_of(square), without=[x.op])
    with tf.Graph().as_default(), v1.Session() as session:
        given = {name: tf.constant([2.0]) for name in ("x:0", "nothing:0", "square:0", "x:1", "^x")}
        (copied,) = copies.paste(definition, given, ["square:0"])
        assert session.run(copied).tolist() == [36.0]


def test_a_given_tensor_may_be_any_output():
    x = v1.placeholder(tf.float32, (4,), "x")
    first, second = tf.split(x, 2, name="parts")
    y = tf.subtract(second, first, name="y")
    definition = copies.definition_of([y.op])
    assert list(nodes(definition)["y"].input) == ["parts:1", "parts"]
    with tf.Graph().as_default(), v1.Session() as session:
        given = {"parts:0": tf.constant([1.0, 1.0]), "parts:1": tf.constant([4.0, 5.0])}
        (copied,) = copies.paste(definition, given, ["y:0"])
        assert session.run(copied).tolist() == [3.0, 4.0]


def test_rewrite_sees_each_copied_op_with_its_node_and_changes_the_copy_alone():
    x, scaled, square = line()
    seen = {}

    def rewrite(op, node):
        seen[op.name] = node.name
        if op is square.op:
            node.op = "Neg"

    definition = copies.definition_of(ops_of(square), without=[x.op], rewrite=rewrite)
    assert seen == {name: name for name in ("scaled/y", "scaled", "square")}
    assert square.op.type == "Square" and scaled.op.type == "Mul"
    with tf.Graph().as_default(), v1.Session() as session:
        (copied,) = copies.paste(definition, {"x:0": tf.constant([2.0])}, ["square:0"])
        assert session.run(copied).tolist() == [-6.0]


def test_a_function_that_rewrite_brings_in_is_not_lost_when_it_is_in_the_graph():
    x = v1.placeholder(tf.float32, (), "x")
    name = outer.get_concrete_function(tf.TensorSpec((), tf.float32)).function_def.signature.name
    outer(x)  # now the graph knows the function
    y = tf.negative(x, name="y")

    def call(op, node):
        if op is y.op:
            node.op = "PartitionedCall"
            node.ClearField("attr")
            node.attr["f"].func.name = name
            for types in (node.attr["Tin"], node.attr["Tout"]):
                types.list.type.append(tf.float32.as_datatype_enum)

    definition = copies.definition_of([y.op], rewrite=call)
    with tf.Graph().as_default(), v1.Session() as session:
        (copied,) = copies.paste(definition, {"x:0": tf.constant(3.0)}, ["y:0"])
        assert session.run(copied) == 8.0


def test_a_network_with_its_gradients_is_copied_onto_the_same_variables(fresh_graph):
    x = gk.feature_input(3)
    loss = tf.reduce_mean(gk.dense(gk.dense(x, 4, gk.relu), 1) ** 2)
    variables = v1.trainable_variables()
    gradients = tf.gradients(loss, variables)
    handles = [variable.handle.op for variable in variables]
    ops = walk.ancestors(gradients)
    definition = copies.definition_of(ops, without=[*handles, x.op])
    given = {op.outputs[0].name: op.outputs[0] for op in handles}
    points = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    wanted = [gradient.name for gradient in gradients]
    copied = copies.paste(definition, {**given, x.name: tf.constant(points)}, wanted, "copy")
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        for one, other in zip(*session.run([gradients, copied], {x: points}), strict=True):
            np.testing.assert_array_equal(one, other)


def test_input_names():
    texts = {"dense/kernel": "dense/kernel:0", "parts:1": "parts:1", "^step": "^step"}
    assert {text: copies.input_name(text) for text in texts} == texts
