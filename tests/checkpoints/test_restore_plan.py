"""A plan: each name in exactly one place, a text that shows the difference, renames that can be pasted."""

import os
import tempfile
import textwrap

import numpy as np
import tensorflow as tf
from checkpoints.savers import IN_SCOPE, NET, V1, make, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphkit.checkpoints import restore_plan, restoring


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
    assert restore_plan.group_lines("x", [("a", 1)] * 11)[-1] == "  a  1"
    assert restore_plan.group_lines("x", [("a", 1)] * 12)[-1] == "  and 2 more"


def test_other_shape_under_another_name_says_so(tmp_path):
    prefix, _ = write(tmp_path, {"b": (2,)})
    text = str(restoring.plan_restore(prefix, make({"a": (3,)}), {"a": "b"}))
    assert "  a  (3,) in the graph, (2,) in the file as b" in text


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
        with V1.Session(graph=tf.Graph()) as session, session.graph.as_default():
            session.run(tf.raw_ops.SaveV2(prefix=path, **options))
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
