"""Variables in parts: what a checkpoint holds of them, and reading it where they are."""

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit.checkpoints import contents, restoring, saving, sharded


def table(parts, axis=0):
    """Returns {name: variable} of a table (7, 4), in so many parts, and of a vector."""
    partitioner = tf.compat.v1.fixed_size_partitioner(parts, axis=axis) if parts > 1 else None
    with tf.compat.v1.variable_scope("words", partitioner=partitioner):
        initializer = tf.compat.v1.random_uniform_initializer(seed=parts)
        tf.compat.v1.get_variable("table", (7, 4), initializer=initializer, use_resource=True)
    tf.compat.v1.get_variable("vector", (3,), use_resource=True)
    return {v.op.name: v for v in tf.compat.v1.global_variables()}


def whole(session, parts, axis=0):
    found = session.run([v for v in tf.compat.v1.global_variables() if "table" in v.name])
    return np.concatenate(found, axis) if parts > 1 else found[0]


@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize(("parts", "axis"), [(1, 0), (3, 0), (2, 1)])
def test_parts_are_slices_of_one_entry_that_other_parts_restore(parts, axis, spread, tmp_path):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = table(2)
        checkpoints = saving.Checkpoints(variables.values(), variables.values(), spread=spread)
        session.run(tf.compat.v1.global_variables_initializer())
        expected = whole(session, 2)
        path = checkpoints.save(session, str(tmp_path / "model-1"), {"step": 1})
    entries = contents.Reader(path).entries()
    assert entries["words/table"].shape == (7, 4)
    assert {name for name in entries if "part" in name} == set()
    assert saving.read_state(path) == {"step": 1}
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = table(parts, axis)
        checkpoints = saving.Checkpoints(variables.values(), variables.values(), spread=spread)
        session.run(tf.compat.v1.global_variables_initializer())
        plan = restoring.plan_restore(path, checkpoints.variables)
        restoring.require_complete(plan)
        checkpoints.load(session, plan)
        np.testing.assert_array_equal(whole(session, parts, axis), expected)


def test_remote_restore_takes_renamed_entries_and_names_damage(tmp_path):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        other = tf.compat.v1.get_variable("other", (7, 4), use_resource=True)
        session.run(other.initializer)
        path = tf.compat.v1.train.Saver([other]).save(
            session, str(tmp_path / "model"), write_meta_graph=False
        )
        expected = session.run(other)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = {name: v for name, v in table(2).items() if "table" in name}
        remote = sharded.RemoteRestore(variables)
        plan = restoring.plan_restore(path, variables, {"words/table": "other"})
        remote.run(session, plan)
        np.testing.assert_array_equal(whole(session, 2), expected)
        [file] = tmp_path.glob("*.data-*")
        file.write_bytes(file.read_bytes()[:10])
        with pytest.raises(gk.GraphkitError, match="is damaged or cut off, or not seen by all machines"):
            remote.run(session, plan)
