"""`tf.layers.Layer`: names, scopes, variables, losses and updates, as TensorFlow 1.15 documented them."""

import copy

import numpy as np
import pytest

import graphkit.tf1 as tf

L2 = tf.nn.l2_loss


class Own(tf.layers.Layer):
    """A layer as a program writes it: variables in `build`, a loss and updates in `call`."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.kernel = self.add_variable("kernel", [input_shape[-1], self.units], regularizer=L2)
        self.bias = self.add_weight("bias", [self.units], initializer="zeros")
        self.count = self.add_weight("count", [], initializer=tf.zeros_initializer(), trainable=False)
        super().build(input_shape)

    def call(self, inputs, training=False):
        self.training = training
        self.add_loss(tf.reduce_sum(inputs), inputs=inputs)
        self.add_update([tf.assign_add(self.count, tf.reduce_sum(inputs)), tf.assign(self.count, 1.0)])
        return tf.nn.relu(inputs @ self.kernel + self.bias)


class Outer(tf.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = Own(3)

    def call(self, inputs):
        return self.inner(inputs)


def features(size=4):
    return tf.placeholder(tf.float32, [None, size])


def names(tensors):
    return [tensor.name.split(":")[0] for tensor in tensors]


def test_names_of_unnamed_layers_are_numbered_from_one_and_their_scopes_from_zero():
    first, second = Own(3), Own(3)
    outputs = [first(features()), first(features()), second(features())]
    assert (first.name, second.name) == ("own_1", "own_2")
    assert (first.scope_name, second.scope_name) == ("own", "own_1")
    assert names(outputs) == ["own/Relu", "own/Relu_1", "own_1/Relu"]
    assert names(first.weights) == ["own/kernel", "own/bias", "own/count"]


def test_a_name_is_made_unique_a_scope_is_not():
    outputs = [Own(3, name="q")(features()), Own(3, name="q")(features())]
    assert names(outputs) == ["q/Relu", "q_1/Relu"]
    Own(3, name="r", _scope="r")(features())
    with pytest.raises(ValueError, match="r/kernel already exists"):
        Own(3, name="r", _scope="r")(features())


def test_reuse_gets_the_variables_and_numbers_the_ops():
    first = Own(3, name="q", _scope="q")
    again = Own(3, name="q", _scope="q", _reuse=True)
    unnamed, unnamed_again = Own(3), Own(3, _reuse=True)
    outputs = [layer(features()) for layer in (first, again, unnamed, unnamed_again)]
    assert names(outputs) == ["q/Relu", "q_1/Relu", "own/Relu", "own_1/Relu"]
    assert first.kernel is again.kernel and unnamed.kernel is unnamed_again.kernel
    with pytest.raises(ValueError, match="nowhere/kernel does not exist"):
        Own(3, name="nowhere", _scope="nowhere", _reuse=True)(features())


def test_auto_reuse_of_the_scope_around():
    with tf.variable_scope("s", reuse=tf.AUTO_REUSE):
        layers = [Own(3, name="q", _scope="q") for _ in range(2)]
        outputs = [layer(features()) for layer in layers]
    assert names(outputs) == ["s/q/Relu", "s/q_1/Relu"]
    assert layers[0].kernel is layers[1].kernel


def test_scopes_around_fix_the_name_at_the_first_call():
    layer = Own(3)
    with tf.variable_scope("s") as scope:
        first = layer(features())
    with tf.variable_scope("t"):
        second = layer(features())
        third = Own(3)(features(), scope="mine")
    with tf.variable_scope(scope, reuse=True):
        again = Own(3, name="own", _scope="own")
        again(features())
    assert names([first, second, third]) == ["s/own/Relu", "s/own/Relu_1", "t/mine/Relu"]
    assert again.kernel is layer.kernel


def test_a_layer_named_by_a_scope():
    with tf.variable_scope("s") as scope:
        pass
    assert names([Own(3, name=scope)(features())]) == ["s_1/Relu"]


def test_a_layer_inside_a_layer():
    layer = Outer()
    outputs = [layer(features(), training=True), layer(features())]
    assert names(outputs) == ["outer/own/Relu", "outer/own/Relu_1"]
    assert layer.inner.training is False and layer.weights == []
    layer(features(), training=True)  # Outer.call does not take it, the layer inside does
    assert layer.inner.training is True
    flag = tf.placeholder(tf.float32, [])
    layer(features(), training=flag)
    assert layer.inner.training.dtype == tf.bool


def test_build_makes_the_variables_before_the_first_call():
    layer = Own(3, name="q")
    layer.build((None, 4))
    assert (layer.scope_name, layer.dtype, layer.count_params()) == ("q", "float32", 16)
    assert names([layer(features())]) == ["q/Relu"]


def test_what_a_layer_is_not_yet():
    layer = Own(3)
    with pytest.raises(ValueError, match="has not been used yet"):
        _ = layer.scope_name
    with pytest.raises(ValueError, match="isn't built"):
        layer.count_params()
    with pytest.raises(AttributeError, match="own_1 has 0 calls"):
        _ = layer.input
    with pytest.raises(NotImplementedError):
        layer.compute_output_shape((None, 4))
    with pytest.raises(RuntimeError, match="has never been called"):
        layer.get_output_at(0)


def test_the_base_itself():
    layer = tf.layers.Layer(name="q", dtype=tf.float32)
    inputs = features()
    assert layer(inputs) is inputs and layer.graph is None
    config = layer.get_config()
    assert config == {"name": "q", "trainable": True, "dtype": "float32"}
    assert tf.layers.Layer.from_config(config).name == "q"
    with pytest.raises(NotImplementedError, match="must override `get_config`"):
        Own(3).get_config()
    assert tf.layers.Layer(_scope="r", name="private").scope_name == "r"
    assert type("_Own", (tf.layers.Layer,), {})().name == "private__own_1"


def test_input_and_output():
    layer, inputs = Own(3), features()
    outputs = layer(inputs)
    assert layer.input is inputs and layer.output is outputs
    assert (layer.input_shape, layer.output_shape) == ((None, 4), (None, 3))
    layer(features())
    assert layer.get_input_at(0) is inputs and layer.output_shape == (None, 3)
    with pytest.raises(AttributeError, match="has 2 calls"):
        _ = layer.output
    with pytest.raises(ValueError, match="2 calls"):
        layer.get_output_at(2)


def test_losses():
    layer, first, second = Own(3), features(), features()
    layer(first), layer(second)
    assert names(layer.losses) == ["own/kernel/Regularizer/L2Loss", "own/Sum", "own/Sum_2"]
    assert tf.losses.get_regularization_losses() == layer.losses
    assert names(layer.get_losses_for(None)) == ["own/kernel/Regularizer/L2Loss"]
    assert names(layer.get_losses_for(second)) == ["own/Sum_2"]
    layer.add_loss([lambda: 2.0, None])
    assert tf.get_static_value(layer.losses[-1]) == 2


def test_a_reused_variable_is_regularized_once():
    for reuse in (None, True):
        Own(3, _scope="q", _reuse=reuse)(features())
    found = names(tf.losses.get_regularization_losses())
    assert [name for name in found if name.endswith("L2Loss")] == ["q/kernel/Regularizer/L2Loss"]


def test_the_regularizer_of_the_scope():
    with tf.variable_scope("s", regularizer=L2):
        Own(3, name="q")(features())
    found = names(tf.losses.get_regularization_losses())
    by_scope = {f"s/q/{name}/Regularizer/L2Loss" for name in ("kernel", "bias", "count")}
    assert set(found) == {*by_scope, "s/q/kernel/Regularizer/L2Loss_1", "s/q/Sum"}


def test_activity_regularizer_is_a_mean_over_the_examples():
    layer = Own(3, name="q", activity_regularizer=tf.reduce_sum)
    inputs = tf.ones([5, 4])
    outputs = layer(inputs)
    loss = layer.losses[-1]
    assert loss.name == "q/ActivityRegularizer/truediv:0" and loss in layer.get_losses_for(inputs)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        value, activity = session.run([loss, outputs])
    np.testing.assert_allclose(value, activity.sum() / 5, rtol=1e-6)


def test_updates():
    layer, first, second = Own(3), features(), features()
    layer(first), layer(second)
    assert tf.get_collection(tf.GraphKeys.UPDATE_OPS) == layer.updates
    assert [op.type for op in layer.updates] == ["AssignAddVariableOp", "AssignVariableOp"] * 2
    assert layer.get_updates_for(first) == layer.updates[:1]
    assert layer.get_updates_for(None) == layer.updates[1::2]
    layer.trainable = False
    assert layer.updates == [] and layer.trainable_weights == []
    assert len(layer.non_trainable_weights) == 3


def test_a_layer_that_is_not_trainable():
    layer = Own(3, trainable=False)
    layer(features())
    assert tf.trainable_variables() == [] and len(layer.non_trainable_variables) == 3


def test_a_getter_that_makes_variables_untrainable():
    def getter(getter, **arguments):
        return getter(**{**arguments, "trainable": False})

    with tf.variable_scope("s", custom_getter=getter):
        layer = Own(3)
        layer(features())
    assert layer.trainable_weights == [] and len(layer.non_trainable_weights) == 3


def test_a_partitioned_variable():
    with tf.variable_scope("s", partitioner=tf.fixed_size_partitioner(2)):
        layer = Own(4, name="q")
        layer(features())
    assert names(layer.trainable_weights)[:2] == ["s/q/kernel/part_0", "s/q/kernel/part_1"]
    assert len(layer.get_losses_for(None)) == 2


def test_dtypes():
    assert Own(3, dtype=tf.float16).dtype == Own(3, dtype="float16").dtype == "float16"
    layer = Own(3)
    assert layer.dtype is None
    assert layer(np.ones((2, 4))).dtype == tf.float64 and layer.dtype == "float64"
    assert Own(3).add_weight("count", [], tf.int32).dtype == tf.int32


def test_sizes_may_be_dimensions():
    inputs = features()
    assert Own(inputs.shape[1])(inputs).shape.as_list() == [None, 4]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"ndim": 3}, "expected ndim=3, found ndim=2. Full shape received: \\[None, 4\\]"),
        ({"min_ndim": 3}, "expected min_ndim=3, found ndim=2"),
        ({"max_ndim": 1}, "expected max_ndim=1, found ndim=2"),
        ({"dtype": tf.int32}, "found dtype=float32"),
        ({"axes": {-1: 5}}, "expected axis -1 of input shape to have value 5 but received .* \\[None, 4\\]"),
        ({"shape": (None, 3)}, "expected axis 1"),
    ],
)
def test_input_spec(spec, message):
    layer = Own(3)
    layer.input_spec = tf.layers.InputSpec(**spec)
    with pytest.raises(ValueError, match=message):
        layer(features())


def test_what_input_spec_lets_through():
    layer = Own(3)
    layer.input_spec = tf.layers.InputSpec(tf.float32, (None, 4))
    layer(features())
    layer.input_spec = tf.layers.InputSpec(axes={-1: features().shape[-1]}, min_ndim=2)
    layer(features())
    with pytest.raises(ValueError, match="its rank is undefined"):
        layer(tf.placeholder(tf.float32))
    with pytest.raises(ValueError, match="expects 1 inputs, but it received 2"):
        layer([features(), features()])
    with pytest.raises(TypeError, match="instance of InputSpec"):
        layer.input_spec = 3


def test_wrong_arguments():
    with pytest.raises(TypeError, match="Keyword argument not understood"):
        Own(3, unknown=1)
    layer = Own(3)
    for wrong in ("no such name", 3.0):
        with pytest.raises(ValueError, match="add_weight: .*initializer"):
            layer.add_weight("w", [], initializer=wrong)
    with pytest.raises(ValueError, match="ON_READ"):
        layer.add_weight("w", [], synchronization=tf.VariableSynchronization.ON_READ, trainable=True)
    layer.call = lambda inputs: None
    with pytest.raises(ValueError, match="should return a Tensor"):
        layer(features())


def test_several_inputs_and_arguments_of_call():
    class Add(tf.layers.Layer):
        def build(self, input_shape):
            self.shapes = [shape.as_list() for shape in input_shape]

        def call(self, inputs, factor, scope=None):
            self.given_scope = scope.name
            return inputs[0] + factor * inputs[1]

    layer = Add()
    result = layer.apply([1.0, np.float32([1, 2])], 2)
    assert layer.shapes == [[], [2]] and layer.built and layer.given_scope == "add"
    with tf.Session() as session:
        assert session.run(result).tolist() == [3, 5]


def test_a_copy_before_the_first_call_has_variables_of_its_own():
    layer = Own(3)
    other = copy.deepcopy(layer)
    assert names([layer(features()), other(features())]) == ["own/Relu", "own_1/Relu"]
    assert other.kernel is not layer.kernel


def test_a_copy_of_a_called_layer_shares_its_variables():
    layer = Own(3)
    layer(features())
    same = copy.deepcopy(layer)
    same(features())
    assert same.kernel is layer.kernel and len(same.losses) == len(layer.losses) + 1


def test_values_of_weights():
    layer = Own(2)
    layer.build((None, 2))
    with tf.Session():
        layer.set_weights([np.eye(2), np.ones(2), np.array(3)])
        assert [value.tolist() for value in layer.get_weights()] == [[[1, 0], [0, 1]], [1, 1], 3]
        with pytest.raises(ValueError, match="shapes of the weights"):
            layer.set_weights([np.eye(2)])


@pytest.mark.parametrize("functions", [False, True], ids=["of_tensorflow_1", "of_functions"])
def test_inside_branches_and_loops(functions):
    (tf.enable_control_flow_v2 if functions else tf.disable_control_flow_v2)()
    try:

        class Square(tf.layers.Layer):
            def build(self, input_shape):
                self.kernel = self.add_weight("kernel", [4, 4], initializer="ones", regularizer=L2)

            def call(self, inputs):
                return inputs @ self.kernel

        layer, condition = Square(name="q"), tf.placeholder(tf.bool, [])
        inputs = tf.ones([1, 4])
        branch = tf.cond(condition, lambda: layer(inputs), lambda: inputs)
        loop = tf.while_loop(lambda i, x: i < 2, lambda i, x: (i + 1, layer(x)), [0, inputs])[1]
    finally:
        tf.disable_control_flow_v2()
    gradient = tf.gradients(branch, layer.kernel)[0]
    loss = tf.losses.get_regularization_loss()  # can be read outside
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        values = session.run([branch, loop, gradient, loss], {condition: True})
    assert [np.max(value) for value in values] == [4, 16, 1, 8]
