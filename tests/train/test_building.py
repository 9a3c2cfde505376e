"""What a trainer adds to a graph, and which graphs it refuses."""

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit.graph import control_flow

V1 = tf.compat.v1


@pytest.mark.parametrize("of_functions", [True, False])
@pytest.mark.parametrize("inside", [True, False])
def test_an_update_inside_a_branch_is_refused_and_what_the_branch_returns_is_run(of_functions, inside):
    points, taken = gk.feature_input(2), V1.placeholder_with_default(True, ())
    count = V1.get_variable("count", (), initializer=gk.zeros(), use_resource=True, trainable=False)

    def add():
        added = count.assign_add(1.0)
        if inside:
            V1.add_to_collection(V1.GraphKeys.UPDATE_OPS, added)
        return tf.identity(added)

    with control_flow.of_functions(of_functions):
        result = tf.cond(taken, add, lambda: tf.constant(0.0))
    loss = gk.l2_loss(gk.dense(points, 1))
    if inside:
        with pytest.raises(ValueError, match="Trainer: UPDATE_OPS must stand outside tf.cond.*AssignAdd"):
            gk.Trainer(loss)
        return
    V1.add_to_collection(V1.GraphKeys.UPDATE_OPS, result)
    with gk.Trainer(loss) as trainer:
        trainer.fit({points: np.ones((8, 2), np.float32)}, batch_size=2, progress=False)
        assert trainer.session.run(count) == 4
