"""Restoring by name: checkpoints of other programs, what fits and what does not, and nothing by halves."""

import os
import shutil
import tempfile
import textwrap
from concurrent import futures
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import graphkit as gk
from graphkit.checkpoints import restoring

V1 = tf.compat.v1
DATA = "data-00000-of-00001"


def make(shapes, resource=True, dtype=tf.float32):
    """Makes variables of random values; returns {name: variable}."""
    kind = {"use_resource": resource, "dtype": dtype}
    return {name: V1.get_variable(name, shape, **kind) for name, shape in shapes.items()}


def start(variables):
    session = V1.Session()
    session.run(V1.variables_initializer(list(variables.values())))
    return session


def write(folder, shapes, name="model", resource=False, dtype=tf.float32, **options):
    """Writes a checkpoint with a Saver, from a graph of its own; returns (prefix, {name: array})."""
    with tf.Graph().as_default():
        variables = make(shapes, resource, dtype)
        with start(variables) as session:
            prefix = V1.train.Saver(variables, **options).save(session, str(folder / name))
            return prefix, session.run(variables)


def eagerly(function):
    """Returns what a function returns in a thread of its own, where no graph is the default."""
    with futures.ThreadPoolExecutor(1) as executor:
        return executor.submit(function).result()


def values_of(variables, session):
    """Returns {name: array} without adding an op, which `session.run(variable)` would."""
    return {name: session.run(f"{name}/Read/ReadVariableOp:0") for name in variables}


NET = {"conv1/kernel": (3, 3, 1, 4), "conv1/bias": (4,), "logits/kernel": (4, 2), "logits/bias": (2,)}
IN_SCOPE = {f"model/{name}": shape for name, shape in NET.items()}
OF_CONTRIB = {n.replace("kernel", "weights").replace("bias", "biases"): s for n, s in NET.items()}


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


def test_prefix_that_ends_like_a_file_is_taken_at_its_word(tmp_path):
    prefix, _ = write(tmp_path, NET, "net.meta")
    assert restoring.find_checkpoint(prefix) == prefix


def test_what_is_no_checkpoint_is_named(tmp_path):
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


def test_state_of_training_is_no_clutter(tmp_path):
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


def test_slots_are_known_in_the_scope_of_their_optimizer_and_by_their_shape():
    entries = {
        "net/w": restoring.Entry((3,), "float32"),
        "train/net/w/Momentum": restoring.Entry((3,), "float32"),
        "net/w/ExponentialMovingAverage": restoring.Entry((3,), "float32"),
        "net/w/g": restoring.Entry((), "float32"),  # of weight normalization, say
        "net/v/Momentum": restoring.Entry((3,), "float32"),
    }
    slots = {"train/net/w/Momentum", "net/w/ExponentialMovingAverage"}
    assert restoring.training_names(entries) == slots


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
def test_renames_of_what_is_not_there_are_refused(tmp_path, rename, message):
    prefix, _ = write(tmp_path, NET)
    with pytest.raises(ValueError, match=f"restore: rename must .*{message}"):
        restoring.plan_restore(prefix, make(NET), rename)


@pytest.mark.parametrize("rename", [["conv1/"], {"conv1/kernel": 1}, {None: "conv1/kernel"}, "conv1/"])
def test_rename_of_another_kind_is_refused(tmp_path, rename):
    prefix, _ = write(tmp_path, NET)
    with pytest.raises(TypeError, match="restore: rename must be {name in the graph"):
        restoring.plan_restore(prefix, make(NET), rename)


# --- likely renames


def entries(*names, shape=(3,)):
    return {name: restoring.Entry(shape, "float32") for name in names}


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("conv1/kernel", "model/conv1/kernel"),
        ("a/b/conv1/kernel", "conv1/kernel"),
        ("conv1/kernel", "conv1/weights"),
        ("conv1/bias", "net/conv1/biases"),
        ("hidden/kernel", "hidden/W"),
        ("dense/kernel", "dense_1/kernel"),
        ("dense_2/kernel", "net_1/dense/kernel"),
        ("dense/kernel/Adam_1", "dense_1/kernel/Adam_1"),
        ("Variable", "Variable_1"),
        ("bert/layer_1/query/kernel", "roberta/layer_1/query/weights"),
        ("conv1/kernel", "conv_1/kernel"),
        ("block_1/conv2/kernel", "block1_conv2/kernel"),
        ("embedding/table", "embeddings/table"),
        ("conv1/kernel", "conv1/kernel/.ATTRIBUTES/VARIABLE_VALUE"),
    ],
)
def test_likely_renames_are_found(name, other):
    assert restoring.likely_renames(entries(name), entries(other)) == {name: other}


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("conv1/kernel", "conv2/kernel"),
        ("conv1/kernel", "conv1/bias"),
        ("norm/beta", "norm/gamma"),
        ("norm/moving_mean", "norm/moving_variance"),
        ("conv1/kernel", "unrelated/thing"),
        ("block1/conv/kernel", "block2/conv/kernel"),
        ("hidden/kernel", "logits/kernel"),
    ],
)
def test_unlikely_renames_are_not_found(name, other):
    assert restoring.likely_renames(entries(name), entries(other)) == {}


def test_relatives_need_the_same_shape_and_dtype_and_no_rival():
    assert restoring.likely_renames(entries("a/w", shape=(2,)), entries("b/a/w")) == {}
    whole = {"b/a/w": restoring.Entry((3,), "int32")}
    assert restoring.likely_renames(entries("a/w"), whole) == {}
    assert restoring.likely_renames(entries("a/w"), entries("b/a/w", "c/a/w")) == {}
    assert restoring.likely_renames(entries("b/a/w", "c/a/w"), entries("a/w")) == {}
    assert (
        restoring.likely_renames(entries("dense_1/w", "dense_2/w"), entries("dense_3/w", "dense_4/w")) == {}
    )


def test_nearer_relatives_go_first():
    found = restoring.likely_renames(entries("a/kernel", "n/a/kernel"), entries("a/weights", "m/n/a/kernel"))
    assert found == {"a/kernel": "a/weights", "n/a/kernel": "m/n/a/kernel"}


def test_weights_are_never_taken_from_slots(tmp_path):
    prefix, _ = write(tmp_path, {"net/w": (3,), "net/w/Adam": (3,), "net/w/Adam_1": (3,)})
    plan = restoring.plan_restore(prefix, make({"w": (3,), "w/Adam": (3,)}))
    assert plan.renames == {"w": "net/w", "w/Adam": "net/w/Adam"}
    with tf.Graph().as_default():
        plan = restoring.plan_restore(prefix, make({"w/Adam": (3,)}))
    assert plan.renames == {}


def test_what_is_printed_can_be_pasted(tmp_path):
    more = {"norm/gamma": (4,), "norm/beta": (4,)}
    in_file = {**IN_SCOPE, "bn/gamma": (4,), "norm/beta": (4,), "hidden/weights": (4, 5)}
    prefix, _ = write(tmp_path, in_file)
    for shapes in ({**NET, "hidden/kernel": (4, 5)}, NET, {**NET, **more}, {"other": (), **NET}):
        with tf.Graph().as_default():
            variables = make(shapes)
            plan = restoring.plan_restore(prefix, variables)
            text = str(plan)
            pasted = eval(text[text.index("rename={") :].replace("rename=", "", 1))  # as a reader would
            again = restoring.plan_restore(prefix, variables, pasted)
            assert again.matched == {**plan.matched, **plan.renames}
            assert not again.renames


def test_prefixes_stand_for_several_renames(tmp_path):
    prefix, _ = write(tmp_path, {**IN_SCOPE, "norm/beta": (4,)})
    assert restoring.plan_restore(prefix, make(NET)).short_renames() == {"": "model/"}
    with tf.Graph().as_default():  # a prefix of all would take norm/beta along
        plan = restoring.plan_restore(prefix, make({**NET, "norm/beta": (4,)}))
        assert plan.short_renames() == {"conv1/": "model/conv1/", "logits/": "model/logits/"}
    with tf.Graph().as_default():
        plan = restoring.plan_restore(prefix, make({"conv1/bias": (4,)}))
        assert plan.short_renames() == {"conv1/bias": "model/conv1/bias"}


# --- the text


def test_text_of_a_plan(tmp_path):
    in_file = {
        **{f"net/{name}": shape for name, shape in NET.items()},
        **{f"block{number}/kernel": (5, 5) for number in range(1, 15)},
        "hidden/kernel": (7, 9),
        "hidden/kernel/Adam": (7, 9),
        "graphkit/state": (),
        "table": (3,),
        "steps": (),
    }
    prefix, _ = write(tmp_path, in_file)
    variables = make({**NET, "hidden/kernel": (7, 8), "attention/query": (6, 6), "gate": (), "table": (3,)})
    variables.update(make({"steps": ()}, dtype=tf.int64))
    plan = restoring.plan_restore(prefix, variables)
    expected = """\
        PREFIX: 1 of 9 variables can be restored
        not in the file (2):
          attention/query  float32 (6, 6)
          gate             float32 ()
        of another shape (1):
          hidden/kernel  (7, 8) in the graph, (7, 9) in the file
        of another dtype (1):
          steps  int64 in the graph, float32 in the file
        in the file, not in the graph (14):
          block1/kernel   float32 (5, 5)
          block2/kernel   float32 (5, 5)
          block3/kernel   float32 (5, 5)
          block4/kernel   float32 (5, 5)
          block5/kernel   float32 (5, 5)
          block6/kernel   float32 (5, 5)
          block7/kernel   float32 (5, 5)
          block8/kernel   float32 (5, 5)
          block9/kernel   float32 (5, 5)
          block10/kernel  float32 (5, 5)
          and 4 more
        there as well, for training (1): Adam
        likely in the file under other names (4); to take them, pass
          rename={"conv1/": "net/conv1/", "logits/": "net/logits/"}"""
    assert str(plan) == textwrap.dedent(expected).replace("PREFIX", prefix)


def test_renames_are_never_cut_short_and_one_more_is_shown(tmp_path):
    prefix, _ = write(tmp_path, {f"layer{n}/weights": (2,) for n in range(15)} | {"conv/bias": (3,)})
    variables = make({f"layer{n}/kernel": (2,) for n in range(15)})
    text = str(restoring.plan_restore(prefix, variables))
    assert '\n      "layer14/kernel": "layer14/weights",\n  }' in text and "more" not in text
    assert restoring.group_lines("x", [("a", 1)] * 11)[-1] == "  a  1"
    assert restoring.group_lines("x", [("a", 1)] * 12)[-1] == "  and 2 more"


def test_other_shape_under_another_name_says_so(tmp_path):
    prefix, _ = write(tmp_path, {"b": (2,)})
    text = str(restoring.plan_restore(prefix, make({"a": (3,)}), {"a": "b"}))
    assert "  a  (3,) in the graph, (2,) in the file as b" in text


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
def test_partitioned_variables_take_their_slices_of_the_whole(tmp_path, resource):
    with tf.Graph().as_default():
        parts = partitioned("table", resource)
        with start(parts) as session:
            path = V1.train.Saver().save(session, str(tmp_path / "model"))
            expected = session.run(parts)
    whole = make({"other": (7, 2)})
    assert restoring.plan_restore(path, whole).extra == ("table",)
    with start(whole) as session:  # a whole takes what was partitioned
        restoring.load(session, restoring.plan_restore(path, whole, {"other": "table"}))
        assert np.array_equal(session.run(whole["other"]), np.concatenate(list(expected.values())))
    for name, rename in {"table": None, "words": {"words": "table"}, "net/table": {"net/": ""}}.items():
        with tf.Graph().as_default():
            parts = partitioned(name, resource)
            assert len(parts) == 3
            with start(parts) as session:
                plan = restoring.plan_restore(path, parts, rename)
                assert plan.complete and set(plan.matched.values()) == {"table"} and not plan.extra
                restoring.load(session, plan)
                np.testing.assert_equal(list(session.run(parts).values()), list(expected.values()))


def test_partitioned_variables_under_names_of_their_own_and_of_another_shape(tmp_path):
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


def flip(file, place):
    with open(file, "r+b") as stream:
        stream.seek(place)
        byte = stream.read(1)[0]
        stream.seek(place)
        stream.write(bytes([byte ^ 0x10]))


def test_flipped_byte_of_a_matched_tensor_leaves_the_session_as_it_was(tmp_path):
    prefix, _ = write(tmp_path, {"a": (50,), "b": (50,), "z": (50,)})
    flip(f"{prefix}.{DATA}", 3 * 200 - 60)  # in z, the last that is read
    variables = make({"a": (50,), "z": (50,)})
    with start(variables) as session:
        before = session.run(variables)
        plan = restoring.plan_restore(prefix, variables)
        with pytest.raises(gk.GraphkitError, match=rf"^restore: {prefix} is damaged or cut off \("):
            restoring.load(session, plan)
        np.testing.assert_equal(session.run(variables), before)
        restoring.load(session, restoring.plan_restore(prefix, {"a": variables["a"]}))  # which is whole


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


def test_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no checkpoint")
    with pytest.raises(gk.GraphkitError, match=r"restore: .*notes.txt is damaged or cut off"):
        restoring.plan_restore(tmp_path / "notes.txt", {})


# --- all sets of names

NAMES = st.lists(
    st.sampled_from(["a", "b", "net", "kernel", "weights", "Adam", "w_1", "global_step"]),
    min_size=1,
    max_size=3,
)
TENSORS = st.dictionaries(
    NAMES.map("/".join), st.tuples(st.sampled_from([(), (2,), (3,)]), st.sampled_from(["float32", "int32"]))
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graph=TENSORS, file=TENSORS.filter(bool))
def test_a_plan_sorts_all_names_into_exactly_one_place(graph, file):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model")
        tensors = [np.ones(shape, dtype) for shape, dtype in file.values()]
        options = {"tensor_names": list(file), "shape_and_slices": [""] * len(file), "tensors": tensors}
        eagerly(lambda: tf.raw_ops.SaveV2(prefix=path, **options))
        with tf.Graph().as_default():
            variables = {
                name: V1.Variable(np.zeros(shape, dtype), name=name, use_resource=True)
                for name, (shape, dtype) in graph.items()
            }
            plan = restoring.plan_restore(path, variables)
            pasted = restoring.plan_restore(path, variables, plan.short_renames())
    sorted_out = [*plan.matched, *plan.missing, *plan.shapes, *plan.dtypes]
    assert sorted(sorted_out) == sorted(graph)
    assert sorted([*plan.extra, *plan.training, *(graph.keys() & file.keys())]) == sorted(file)
    assert plan.complete == all(file.get(name) == kind for name, kind in graph.items())
    assert plan.renames.keys() <= set(plan.missing)
    assert set(plan.renames.values()) <= {*plan.extra, *plan.training}
    assert len(set(plan.renames.values())) == len(plan.renames)
    assert all(graph[name] == file[source] for name, source in plan.renames.items())
    assert pasted.matched == {**plan.matched, **plan.renames}
    assert str(plan)
