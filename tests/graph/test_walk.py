"""Reading a graph: needed placeholders and the range of indices."""

import pytest
import tensorflow as tf

import graphkit as gk
from graphkit import checks
from graphkit.graph import walk

V1 = tf.compat.v1


def test_needed_placeholders_leave_out_what_has_a_default():
    images, labels, keep_prob = gk.feature_input(2), gk.label_input(), gk.keep_prob_input()
    logits = gk.dense(gk.dropout(images, keep_prob), 2)
    loss = gk.softmax_cross_entropy(logits, labels)
    assert [p.name for p in walk.needed_placeholders([loss])] == ["features:0", "labels:0"]
    assert [p.name for p in walk.needed_placeholders([logits])] == ["features:0"]


def test_control_inputs_are_needed_too():
    first, second = gk.feature_input(1, name="first"), gk.feature_input(1, name="second")
    with tf.control_dependencies([second]):
        total = tf.identity(first)
    assert [p.name for p in walk.needed_placeholders([total])] == ["first:0", "second:0"]


def by_labels(indices):
    return gk.softmax_cross_entropy(tf.zeros((4, 7)), indices)


def by_cast_labels(indices):
    return gk.softmax_cross_entropy(tf.zeros((4, 7)), tf.reshape(tf.cast(indices, tf.int64), [-1]))


def by_gather(indices):
    return tf.gather(tf.zeros((7, 3)), indices)


def by_gather_axis(indices):
    return tf.gather(tf.zeros((3, 7)), indices, axis=1)


def by_lookup(indices):
    table = V1.get_variable("table", (7, 3), use_resource=True)
    return tf.nn.embedding_lookup(table, indices)


def by_one_hot(indices):
    return tf.one_hot(indices, 7)


@pytest.mark.parametrize("use", [by_labels, by_cast_labels, by_gather, by_gather_axis, by_lookup, by_one_hot])
def test_indices_have_the_limits_of_the_op_that_takes_them(use):
    labels = gk.label_input()
    used = use(labels)
    limits = walk.index_limits(labels, walk.ancestors([used]))
    assert (limits.lowest, limits.highest) == (-1 if use is by_one_hot else 0, 6)


def test_smallest_limit_of_the_ops_that_run_counts():
    labels = gk.label_input()
    wide, narrow, row = tf.one_hot(labels, 9), tf.one_hot(labels, 4), by_gather(labels)
    assert walk.index_limits(labels, walk.ancestors([wide, narrow])) == (-1, 3, "OneHot")
    assert walk.index_limits(labels, walk.ancestors([wide])) == (-1, 8, "OneHot")
    assert walk.index_limits(labels, walk.ancestors([narrow, row])) == (0, 3, "OneHot")


def test_plain_numbers_have_no_limit():
    labels = gk.label_input()
    used = tf.cast(labels, tf.float32) * 2
    tf.one_hot(labels, 3)  # does not run
    assert walk.index_limits(labels, walk.ancestors([used])) is None


def test_same_computation_tells_copies_from_others():
    w, v = (V1.get_variable(name, (3,), use_resource=True) for name in "wv")
    first, copy, other = tf.nn.l2_loss(w) * 0.5, tf.nn.l2_loss(w) * 0.5, tf.nn.l2_loss(v) * 0.5
    assert walk.same_computation(first.op, copy.op)
    assert not walk.same_computation(first.op, other.op)
    assert not walk.same_computation(first.op, (tf.nn.l2_loss(w) * 0.25).op)
    assert not walk.same_computation(tf.random.normal((2,)).op, tf.random.normal((2,)).op)


def test_sources_and_consumers_are_each_others_reverse(fresh_graph):
    first, second = gk.feature_input(1, name="first"), gk.feature_input(1, name="second")
    with tf.control_dependencies([second]):
        total = first * first
    users = walk.consumers(fresh_graph.get_operations())
    assert users == {first.op: [total.op], second.op: [total.op]}
    assert set(walk.sources(total.op)) == {first.op, second.op}


def test_origin_passes_what_hands_values_on():
    x = gk.feature_input(4)
    assert walk.origin(tf.reshape(tf.stop_gradient(tf.transpose(x)), [-1])) is x
    assert walk.origin(-x).op.type == "Neg"


def test_default_value_is_what_comes_out_when_nothing_is_fed():
    rate = V1.placeholder_with_default(0.25, ())
    assert walk.default_value(tf.identity(1 - 2 * rate) / 2) == 0.25
    assert walk.default_value(1 - V1.placeholder(tf.float32, ())) is None


def test_inputs_of_examples_tell_the_inputs_apart(fresh_graph):
    left, right, rate = gk.feature_input(2, "left"), gk.feature_input(2, "right"), gk.keep_prob_input()
    one, other = left * rate, right + tf.cast(tf.shape(left)[1], tf.float32)
    both = one + other
    found = walk.inputs_of_examples(fresh_graph.get_operations())
    assert rate.op not in found
    assert found[one.op] == found[left.op] and found[other.op] == found[right.op]
    assert not found[one.op] & found[other.op] and found[both.op] == found[one.op] | found[other.op]


def test_elements_of_a_pipeline_are_inputs_of_their_own(fresh_graph):
    data = tf.data.Dataset.from_tensors((tf.zeros(2), tf.ones(2))).batch(3)
    left, right = V1.data.make_one_shot_iterator(data).get_next()
    one, other = left + 1, right + 1
    found = walk.inputs_of_examples(fresh_graph.get_operations())
    assert found[one.op] and found[other.op] and not found[one.op] & found[other.op]


def test_descendants_take_values(fresh_graph):
    x = gk.feature_input(2)
    result = tf.reduce_mean(x) + 1
    assert walk.descendants([x.op], fresh_graph.get_operations()) >= {x.op, result.op}
    assert walk.descendants([result.op], fresh_graph.get_operations()) == {result.op}


def test_sparse_tensor_is_no_tensor_of_a_graph():
    sparse = tf.sparse.from_dense([[1.0, 0.0]])
    assert walk.is_graph_tensor(sparse.values) and not walk.is_graph_tensor(sparse)
    with pytest.raises(TypeError, match="summary: target must be a tensor of a graph"):
        gk.summary(sparse)


def test_ops_are_put_in_the_order_in_which_they_were_made():
    ops = [tf.constant(float(number)).op for number in range(5)]
    assert walk.as_made({ops[3], ops[0], ops[2]}) == [ops[0], ops[2], ops[3]]
    assert walk.as_made([]) == []


VECTOR = "a mean over the batch: tf.reduce_mean(loss); received loss='features:0', shape=(None, 3)"
NOT_LOSSES = {
    VECTOR: lambda tensor: tensor,
    "the training step itself, so give the loss": lambda tensor: tensor.op,
    "tf.add_n(losses), or {name: (loss, variables)}": lambda tensor: [tensor, tensor],
    "objects of Keras are not taken": lambda tensor: tf.keras.losses.MeanSquaredError(),
    "as a function returns it: gk.softmax_cross_entropy(": lambda tensor: gk.softmax_cross_entropy,
    "a Metric is not a loss": lambda tensor: gk.root_mean_squared_error(tensor, tensor),
    "not a value that was computed already": lambda tensor: 0.5,
    "received loss=None": lambda tensor: None,
}


@pytest.mark.parametrize("message", NOT_LOSSES)
def test_what_is_given_in_place_of_a_loss(message):
    with pytest.raises((TypeError, ValueError)) as error:
        walk.check_loss(checks.Checker("Trainer"), NOT_LOSSES[message](gk.feature_input(3)))
    assert "Trainer: loss must be a floating-point scalar tensor of a graph" in str(error.value)
    assert message in str(error.value)
