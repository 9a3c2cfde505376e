"""Restoring by name: checkpoints of other programs, what fits and what does not, and nothing by halves."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from checkpoints.savers import DATA, IN_SCOPE, NET, V1, eagerly, make, start, write

import graphkit as gk
from graphkit.checkpoints import restoring


def values_of(variables, session):
    """Returns {name: array} without adding an op, which `session.run(variable)` would."""
    return {name: session.run(f"{name}/Read/ReadVariableOp:0") for name in variables}


# --- which checkpoint is meant


@pytest.mark.parametrize("end", ["", ".meta", ".index", f".{DATA}"])
def test_prefix_and_files_name_a_checkpoint(tmp_path, end):
    prefix, _ = write(tmp_path, NET)
    assert restoring.find_checkpoint(prefix + end) == prefix
    assert restoring.find_checkpoint(Path(prefix + end)) == prefix


def test_folder_means_its_newest_also_where_it_was_moved(tmp_path):
    write(tmp_path / "a", NET, "old")
    prefix, _ = write(tmp_path / "a", NET, "new")
    assert restoring.find_checkpoint(tmp_path / "a") == prefix
    assert restoring.find_checkpoint(tmp_path / "a" / "checkpoint") == prefix
    shutil.move(tmp_path / "a", tmp_path / "b")
    assert restoring.find_checkpoint(tmp_path / "b") == str(tmp_path / "b" / "new")


def test_prefix_that_ends_like_a_file_is_found(tmp_path):
    prefix, _ = write(tmp_path, NET, "net.meta")
    assert restoring.find_checkpoint(prefix) == prefix


def test_path_without_a_checkpoint_is_named(tmp_path):
    for path in (tmp_path / "nowhere", tmp_path / "nowhere.meta", tmp_path / "checkpoint"):
        with pytest.raises(FileNotFoundError, match=rf"restore: there is no such checkpoint.*'{path}'"):
            restoring.find_checkpoint(path)
    prefix, _ = write(tmp_path, NET)
    (tmp_path / "checkpoint").unlink()
    with pytest.raises(FileNotFoundError, match=r"must hold a SavedModel, or .* \(there are model\)"):
        restoring.find_checkpoint(tmp_path)
    os.remove(f"{prefix}.index")
    with pytest.raises(FileNotFoundError, match="there is no such checkpoint"):
        restoring.find_checkpoint(f"{prefix}.meta")
    with pytest.raises(FileNotFoundError, match="must hold a SavedModel"):
        restoring.find_checkpoint(tmp_path)


# --- what is compared


def test_all_that_matches_is_restored_and_the_finalized_graph_stays_as_it_is(tmp_path):
    prefix, expected = write(tmp_path, NET)
    variables = make(NET)
    with start(variables) as session:
        ops = len(session.graph.get_operations())
        session.graph.finalize()
        plan = restoring.plan_restore(prefix, variables)
        restoring.require_complete(plan)
        restoring.load(session, plan)
        assert len(session.graph.get_operations()) == ops
        np.testing.assert_equal(values_of(variables, session), expected)
    assert plan.complete and plan.matched == {name: name for name in NET}
    assert str(plan) == f"{prefix}: 4 of 4 variables can be restored"


def test_plan_needs_no_session_and_adds_no_op(tmp_path):
    prefix, _ = write(tmp_path, NET)
    variables = make({**NET, "more": ()})
    before = V1.get_default_graph().as_graph_def()
    restoring.plan_restore(prefix, variables)
    assert V1.get_default_graph().as_graph_def() == before


def test_differences_are_sorted_out(tmp_path):
    prefix, _ = write(tmp_path, {**NET, "other": (7,)})
    variables = make({"conv1/kernel": (3, 3, 1, 4), "conv1/bias": (5,), "scale": ()})
    variables.update(make({"logits/bias": (2,)}, dtype=tf.float64))
    plan = restoring.plan_restore(prefix, variables)
    assert plan.matched == {"conv1/kernel": "conv1/kernel"}
    assert plan.missing == ("scale",)
    assert plan.shapes == {"conv1/bias": ("conv1/bias", (5,), (4,))}
    assert plan.dtypes == {"logits/bias": ("logits/bias", "float64", "float32")}
    assert plan.extra == ("logits/kernel", "other")
    assert not plan.complete and not plan.renames
    with pytest.raises(
        ValueError, match=r"(?s)^restore: the checkpoint must hold all .*scale.*\(5,\) in the"
    ):
        restoring.require_complete(plan)


def test_part_of_a_graph_is_restored_alone(tmp_path):
    prefix, expected = write(tmp_path, NET)
    variables = make({"conv1/bias": (4,), "new": (2,)})
    with start(variables) as session:
        new = session.run(variables["new"])
        restoring.load(session, restoring.plan_restore(prefix, variables))
        assert np.array_equal(session.run(variables["new"]), new)
        assert np.array_equal(session.run(variables["conv1/bias"]), expected["conv1/bias"])


def test_state_of_training_is_listed_apart(tmp_path):
    points, kinds = gk.feature_input(3), gk.label_input()
    loss = gk.softmax_cross_entropy(gk.dense(points, 2, name="logits"), kinds)
    data = {points: np.ones((4, 3), np.float32), kinds: np.zeros(4, np.int32)}
    with gk.Trainer(loss) as trainer:
        trainer.fit(data, progress=False)
        path = trainer.save(tmp_path / "model")
    with tf.Graph().as_default():
        plan = restoring.plan_restore(path, make({"logits/kernel": (3, 2)}))
    assert plan.extra == ("logits/bias",)
    slots = {f"logits/{name}/{slot}" for name in ("kernel", "bias") for slot in ("Adam", "Adam_1")}
    assert set(plan.training) == slots | {"beta1_power", "beta2_power", "global_step", "graphkit/state"}
    assert str(plan).endswith(
        "in the file, not in the graph (1):\n  logits/bias  float32 (2,)\n"
        "there as well, for training (7): Adam, Adam_1, beta1_power, beta2_power, global_step"
    )


def test_checkpoint_of_another_optimizer_says_that_the_model_is_there(tmp_path):
    prefix, _ = write(tmp_path, {"w": (3,), "w/Adam": (3,), "w/Adam_1": (3,)})
    variables = make({"w": (3,), "w/Momentum": (3,)})
    plan = restoring.plan_restore(prefix, variables)
    with pytest.raises(ValueError, match=r"(?s); weights_only=True takes .*w/Momentum .*: Adam, Adam_1$"):
        restoring.require_complete(plan, {"w": variables["w"]})
    with pytest.raises(ValueError, match=r"in their shapes and dtypes\n/"):
        restoring.require_complete(plan, variables)


# --- renames


@pytest.mark.parametrize(
    "rename",
    [
        {name: f"model/{name}" for name in NET},
        {"": "model/"},
        {"conv1/": "model/conv1/", "logits/": "model/logits/"},
        {
            "conv1/": "model/conv1/",
            "logits/kernel": "model/logits/kernel",
            "logits/bias": "model/logits/bias",
        },
        {"": "model/", "conv1/": "model/conv1/", "conv1/bias": "model/conv1/bias"},
    ],
)
def test_renames_of_names_and_prefixes(tmp_path, rename):
    prefix, expected = write(tmp_path, IN_SCOPE)
    variables = make(NET)
    with start(variables) as session:
        plan = restoring.plan_restore(prefix, variables, rename)
        assert plan.matched == {name: f"model/{name}" for name in NET} and plan.extra == ()
        restoring.load(session, plan)
        for name, value in session.run(variables).items():
            assert np.array_equal(value, expected[f"model/{name}"])


def test_rename_out_of_a_scope_and_an_exchange(tmp_path):
    prefix, expected = write(tmp_path, {"a": (2,), "b": (2,)})
    plan = restoring.plan_restore(prefix, make({"net/a": (2,), "net/b": (2,)}), {"net/": ""})
    assert plan.matched == {"net/a": "a", "net/b": "b"}
    variables = make({"a": (2,), "b": (2,)})
    with start(variables) as session:
        restoring.load(session, restoring.plan_restore(prefix, variables, {"a": "b", "b": "a"}))
        found = session.run(variables)
    assert np.array_equal(found["a"], expected["b"]) and np.array_equal(found["b"], expected["a"])


def test_renamed_prefix_does_not_fall_back_on_the_own_name(tmp_path):
    prefix, _ = write(tmp_path, {"conv1/bias": (4,), "model/conv1/kernel": (3, 3, 1, 4)})
    plan = restoring.plan_restore(prefix, make(NET), {"conv1/": "model/conv1/"})
    assert "conv1/bias" in plan.missing and plan.extra == ("conv1/bias",)


def test_renamed_prefix_leaves_what_the_training_counts(tmp_path):
    counts = {"global_step": (), "beta1_power": ()}
    prefix, _ = write(tmp_path, {**IN_SCOPE, **counts})
    variables = make({**NET, **counts})
    assert restoring.plan_restore(prefix, variables).short_renames() == {"": "model/"}
    assert restoring.plan_restore(prefix, variables, {"": "model/"}).complete


@pytest.mark.parametrize(
    ("rename", "message"),
    [
        (
            {"conv9/kernel": "conv1/kernel"},
            r"in the graph \(near it: conv1/kernel.*received name='conv9/kernel'",
        ),
        ({"conv1/kernel": "conv/kern"}, r"in .*model \(near it: conv1/kernel.*received name='conv/kern'"),
        ({"conv9/": "conv1/"}, "in the graph.*received name='conv9/'"),
        ({"conv1/": "conv9/"}, "in .*model.*received name='conv9/'"),
        ({"conv1/": "conv1"}, "a prefix that ends in / to another"),
        ({"": "conv1/kernel"}, "a prefix that ends in / to another"),
    ],
)
def test_renames_of_unknown_names_are_refused(tmp_path, rename, message):
    prefix, _ = write(tmp_path, NET)
    with pytest.raises(ValueError, match=f"restore: rename must .*{message}"):
        restoring.plan_restore(prefix, make(NET), rename)


@pytest.mark.parametrize("rename", [["conv1/"], {"conv1/kernel": 1}, {None: "conv1/kernel"}, "conv1/"])
def test_rename_that_is_not_a_dict_of_names_is_refused(tmp_path, rename):
    prefix, _ = write(tmp_path, NET)
    with pytest.raises(TypeError, match="restore: rename must be {name in the graph"):
        restoring.plan_restore(prefix, make(NET), rename)


def test_weights_are_never_taken_from_slots(tmp_path):
    prefix, _ = write(tmp_path, {"net/w": (3,), "net/w/Adam": (3,), "net/w/Adam_1": (3,)})
    plan = restoring.plan_restore(prefix, make({"w": (3,), "w/Adam": (3,)}))
    assert plan.renames == {"w": "net/w", "w/Adam": "net/w/Adam"}
    with tf.Graph().as_default():
        plan = restoring.plan_restore(prefix, make({"w/Adam": (3,)}))
    assert plan.renames == {}


# --- kinds of checkpoints


def test_saved_model(tmp_path):
    with tf.Graph().as_default():
        x = V1.placeholder(tf.float32, (None, 4))
        variables = make({"logits/kernel": (4, 2)}, resource=False)
        y = tf.matmul(x, variables["logits/kernel"])
        with start(variables) as session:
            V1.saved_model.simple_save(session, str(tmp_path / "export"), {"x": x}, {"y": y})
            expected = session.run(variables)
    variables = make({"logits/kernel": (4, 2)})
    with start(variables) as session:
        for path in (tmp_path / "export", tmp_path / "export" / "saved_model.pb"):
            plan = restoring.plan_restore(path, variables)
            assert plan.path == str(tmp_path / "export" / "variables" / "variables")
            restoring.load(session, plan)
            np.testing.assert_equal(session.run(variables), expected)


@pytest.mark.parametrize("resource", [True, False])
def test_variables_of_an_imported_meta_graph(tmp_path, resource):
    prefix, expected = write(tmp_path, NET, resource=resource)
    with tf.Graph().as_default() as graph, V1.Session() as session:
        V1.train.import_meta_graph(f"{prefix}.meta")
        variables = {variable.op.name: variable for variable in V1.global_variables()}
        reads = {name: variable.value() for name, variable in variables.items()}
        graph.finalize()
        restoring.load(session, restoring.plan_restore(f"{prefix}.meta", variables))
        np.testing.assert_equal(session.run(reads), expected)


def test_checkpoint_of_the_old_format(tmp_path):
    prefix, expected = write(tmp_path, NET, write_version=V1.train.SaverDef.V1)
    assert os.path.isfile(prefix) and not os.path.exists(f"{prefix}.index")
    variables = make(NET)
    with start(variables) as session:
        restoring.load(session, restoring.plan_restore(tmp_path, variables))
        np.testing.assert_equal(session.run(variables), expected)


@pytest.mark.v2_behavior("only an eager program writes one")
def test_checkpoint_of_objects_is_found_by_likely_renames(tmp_path):
    def save():
        layer = tf.train.Checkpoint(kernel=tf.Variable(np.ones((2, 3), np.float32)))
        return tf.train.Checkpoint(hidden=layer, step=tf.Variable(1)).save(str(tmp_path / "objects"))

    path = eagerly(save)
    plan = restoring.plan_restore(path, make({"hidden/kernel": (2, 3)}))
    assert plan.renames == {"hidden/kernel": "hidden/kernel/.ATTRIBUTES/VARIABLE_VALUE"}
    assert plan.extra == ("hidden/kernel/.ATTRIBUTES/VARIABLE_VALUE", "step/.ATTRIBUTES/VARIABLE_VALUE")
    assert plan.training == ("_CHECKPOINTABLE_OBJECT_GRAPH", "save_counter/.ATTRIBUTES/VARIABLE_VALUE")


def partitioned(name, resource):
    split = V1.fixed_size_partitioner(3)
    V1.get_variable(name, (7, 2), partitioner=split, use_resource=resource)
    return {part.op.name: part for part in V1.global_variables() if part.op.name.startswith(f"{name}/")}


@pytest.mark.parametrize("resource", [True, False])
def test_partitioned_variables_take_their_slices_of_a_complete_one(tmp_path, resource):
    with tf.Graph().as_default():
        parts = partitioned("table", resource)
        with start(parts) as session:
            path = V1.train.Saver().save(session, str(tmp_path / "model"))
            expected = session.run(parts)
    complete = make({"other": (7, 2)})
    assert restoring.plan_restore(path, complete).extra == ("table",)
    with start(complete) as session:  # a variable that is not partitioned takes all parts
        restoring.load(session, restoring.plan_restore(path, complete, {"other": "table"}))
        assert np.array_equal(session.run(complete["other"]), np.concatenate(list(expected.values())))
    for name, rename in {"table": None, "words": {"words": "table"}, "net/table": {"net/": ""}}.items():
        with tf.Graph().as_default():
            parts = partitioned(name, resource)
            assert len(parts) == 3
            with start(parts) as session:
                plan = restoring.plan_restore(path, parts, rename)
                assert plan.complete and set(plan.matched.values()) == {"table"} and not plan.extra
                restoring.load(session, plan)
                np.testing.assert_equal(list(session.run(parts).values()), list(expected.values()))


def test_partitioned_variables_under_their_parts_names_and_of_another_shape(tmp_path):
    parts = partitioned("table", True)
    with start(parts) as session:
        path = V1.train.Saver(parts).save(session, str(tmp_path / "parts"))
        assert restoring.plan_restore(path, parts).matched == {name: name for name in parts}
    path, _ = write(tmp_path, {"net/table": (7, 2)}, "renamed")
    plan = restoring.plan_restore(path, parts)
    assert plan.missing == tuple(parts) and plan.renames == {"table": "net/table"}
    path, _ = write(tmp_path, {"table": (8, 2)}, "longer")
    plan = restoring.plan_restore(path, parts)
    assert plan.shapes == {name: ("table", (7, 2), (8, 2)) for name in parts}


# --- kinds of variables


def test_kinds_of_values(tmp_path):
    arrays = {
        "scalar": np.float32(3),
        "text": np.array([b"a", b"bcd"], object),
        "word": np.array(b"xyz", object),
        "flag": np.array([True, False]),
        "long": np.array([2**40]),
        "complex": np.array([1 + 2j], np.complex64),
        "empty": np.zeros((0, 3), np.float32),
        "half": np.arange(3).astype(tf.bfloat16.as_numpy_dtype),
    }
    values = {}
    with tf.Graph().as_default():
        made = {n: V1.Variable(tf.constant(a), name=n, use_resource=True) for n, a in arrays.items()}
        with start(made) as session:
            path = V1.train.Saver(made).save(session, str(tmp_path / "model"))
    made = {
        n: V1.Variable(tf.zeros(a.shape, tf.as_dtype(tf.constant(a).dtype)), name=n, use_resource=True)
        for n, a in arrays.items()
    }
    with start(made) as session:
        plan = restoring.plan_restore(path, made)
        restoring.require_complete(plan)
        restoring.load(session, plan)
        values = session.run(made)
    for name, array in arrays.items():
        np.testing.assert_array_equal(values[name], array)


@pytest.mark.parametrize("resource", [True, False])
def test_initial_values_of_all_kinds(tmp_path, resource):
    """A common tensor, another variable, a placeholder, a function, and a shape that is not known."""
    shapes = {name: (2,) for name in ("one", "two", "copy", "fed", "drawn", "open", "shadow")}
    path, expected = write(tmp_path, shapes)
    common = tf.zeros(2)

    def variable(value, name, **options):
        return V1.Variable(value, name=name, use_resource=resource, **options)

    made = [variable(common, "one"), variable(common, "two")]
    made.append(variable(made[0], "copy"))
    made.append(variable(V1.placeholder(tf.float32, (2,)), "fed"))
    made.append(variable(lambda: tf.random.normal((2,)), "drawn"))
    made.append(variable(V1.placeholder(tf.float32), "open", validate_shape=False))
    made.append(variable(made[2].initial_value, "shadow"))
    variables = {each.op.name: each for each in made}
    reads = {name: each.value() for name, each in variables.items()}
    V1.get_default_graph().finalize()
    with V1.Session() as session:  # in which nothing has a value yet
        plan = restoring.plan_restore(path, variables)
        assert plan.complete
        restoring.load(session, plan)
        np.testing.assert_equal(session.run(reads), expected)


def test_load_outside_the_graph(tmp_path):
    prefix, expected = write(tmp_path, NET)
    with tf.Graph().as_default():
        variables = make(NET)
        session = start(variables)
    eagerly(lambda: restoring.load(session, restoring.plan_restore(prefix, variables)))
    with session:
        np.testing.assert_equal(values_of(variables, session), expected)


# --- damage


def flip_byte(file, place):
    with open(file, "r+b") as stream:
        stream.seek(place)
        byte = stream.read(1)[0]
        stream.seek(place)
        stream.write(bytes([byte ^ 0x10]))


def test_flipped_byte_of_a_matched_tensor_leaves_the_session_as_it_was(tmp_path):
    prefix, _ = write(tmp_path, {"a": (50,), "b": (50,), "z": (50,)})
    flip_byte(f"{prefix}.{DATA}", 3 * 200 - 60)  # in z, the last that is read
    variables = make({"a": (50,), "z": (50,)})
    with start(variables) as session:
        before = session.run(variables)
        plan = restoring.plan_restore(prefix, variables)
        with pytest.raises(gk.GraphkitError, match=rf"^restore: {prefix} is damaged or cut off \("):
            restoring.load(session, plan)
        np.testing.assert_equal(session.run(variables), before)
        restoring.load(session, restoring.plan_restore(prefix, {"a": variables["a"]}))  # which is not damaged


@pytest.mark.parametrize("part", ["index", DATA])
@pytest.mark.parametrize("damage", ["cut", "empty", "gone"])
def test_cut_files_are_refused(tmp_path, part, damage):
    prefix, _ = write(tmp_path, NET)
    variables = make(NET)
    file = Path(f"{prefix}.{part}")
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    with start(variables) as session:
        before = session.run(variables)
        if damage == "gone":
            file.unlink()
        kind = FileNotFoundError if (part, damage) == ("index", "gone") else gk.GraphkitError
        with pytest.raises(kind, match="restore: "):
            restoring.load(session, restoring.plan_restore(prefix, variables))
        np.testing.assert_equal(session.run(variables), before)
