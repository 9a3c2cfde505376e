"""`tf.contrib.slim`: training, evaluation and networks."""

import numpy as np
import pytest
from references import normal, run

import graphkit as gk
import graphkit.tf1 as tf

slim = tf.contrib.slim


def names(variables):
    return [variable.op.name for variable in variables]


def test_names_of_slim():
    assert slim.conv2d is tf.contrib.layers.conv2d
    assert slim.arg_scope is tf.contrib.framework.arg_scope
    assert slim.get_model_variables is tf.contrib.framework.get_model_variables
    assert slim.losses is tf.contrib.losses and slim.metrics is tf.contrib.metrics
    assert slim.ops.arg_scope.arg_scope is slim.arg_scope
    assert hasattr(slim.summaries, "add_scalar_summary") and "l2_regularizer" in dir(slim)


# Training


@pytest.fixture
def loss():
    """A loss with gradients 3 and 4."""
    a = tf.get_variable("a", [], initializer=tf.zeros_initializer())
    b = tf.get_variable("b", [], initializer=tf.zeros_initializer())
    return 3 * a + 4 * b + 1


def sgd(rate=0.1):
    return tf.train.GradientDescentOptimizer(rate)


def variables_after(train_op):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run(train_op) == 1
        return session.run(tf.trainable_variables())


@pytest.mark.grid
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, [-0.3, -0.4]),
        ({"clip_gradient_norm": 2.0}, [-0.2, -0.2]),  # each gradient by itself
        ({"gradient_multipliers": {"a": 2.0}}, [-0.6, -0.4]),
        ({"gradient_multipliers": {"b": tf.constant}, "clip_gradient_norm": 3.5}, None),
        ({"summarize_gradients": True, "check_numerics": False}, [-0.3, -0.4]),
    ],
)
def test_create_train_op(loss, arguments, expected):
    if expected is None:
        arguments, expected = {**arguments, "gradient_multipliers": {"b": tf.constant(0.5)}}, [-0.3, -0.2]
    train_op = slim.learning.create_train_op(loss, sgd(), **arguments)
    assert train_op.name == "train_op/control_dependency:0"
    assert tf.get_collection(tf.GraphKeys.TRAIN_OP)[-1] is train_op
    np.testing.assert_allclose(variables_after(train_op), expected, rtol=1e-6)
    assert len(tf.get_collection(tf.GraphKeys.SUMMARIES)) == (4 if "summarize_gradients" in arguments else 0)


def test_train_op_of_contrib_training(loss):
    training = tf.contrib.training
    train_op = training.create_train_op(loss, sgd(), transform_grads_fn=training.clip_gradient_norms_fn(2.0))
    np.testing.assert_allclose(variables_after(train_op), [-0.2, -0.2], rtol=1e-6)
    assert training.checkpoints_iterator is slim.evaluation.checkpoints_iterator


def test_updates_steps_and_variables(loss):
    ran = tf.get_variable("ran", [], initializer=tf.zeros_initializer(), trainable=False)
    tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, ran.assign_add(1.0))
    step = tf.train.get_or_create_global_step()
    every = slim.learning.create_train_op(loss, sgd())
    part = slim.learning.create_train_op(
        loss, sgd(), None, update_ops=[], variables_to_train=tf.trainable_variables()[:1]
    )
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(every)
        assert session.run([ran, step]) == [1, 1]
        session.run(part)
        assert session.run([ran, step]) == [1, 1]
        np.testing.assert_allclose(session.run(tf.trainable_variables()), [-0.6, -0.4], rtol=1e-6)


def test_a_loss_that_is_not_finite_is_an_error():
    a = tf.get_variable("a", [], initializer=tf.zeros_initializer())
    train_op = slim.learning.create_train_op(tf.log(a), sgd())
    with pytest.raises(tf.errors.InvalidArgumentError, match="LossTensor is inf or nan"):
        run(train_op)


def test_gradients_that_cannot_be_multiplied(loss):
    pairs = sgd().compute_gradients(loss)
    for arguments, rule in (
        ((tuple(pairs), {"a": 1.0}), "`grads_and_vars` must be a list"),
        ((pairs, {}), "`gradient_multipliers` is empty"),
        ((pairs, ["a"]), "`gradient_multipliers` must be a dict"),
        (([(None, pairs[0][1])], {"a": 1.0}), "Requested multiple of `None` gradient"),
    ):
        with pytest.raises(ValueError, match=rule):
            slim.learning.multiply_gradients(*arguments)
    assert slim.learning.clip_gradient_norms([(None, pairs[0][1])], 1.0) == [(None, pairs[0][1])]


def quadratic():
    """A training op whose loss is (a - 3)**2."""
    a = tf.get_variable("a", [], initializer=tf.zeros_initializer())
    return a, slim.learning.create_train_op(tf.square(a - 3), sgd(0.5))


def test_train_and_resume(tmp_path):
    logdir = str(tmp_path)
    for steps in (1, 3):
        with tf.Graph().as_default():
            _, train_op = quadratic()
            loss = slim.learning.train(train_op, logdir, number_of_steps=steps, save_summaries_secs=0)
            assert loss == (9 if steps == 1 else 0)
        assert tf.train.latest_checkpoint(logdir) == f"{logdir}/model.ckpt-{steps}"
    reader = tf.train.load_checkpoint(logdir)
    assert reader.get_tensor("a") == 3 and reader.get_tensor("global_step") == 3


def test_train_without_a_folder():
    a, train_op = quadratic()
    seen = []

    five = a.assign(5.0)

    def init(session):
        session.run(five)

    def step(session, train_op, global_step, arguments):
        loss, stop = slim.learning.train_step(session, train_op, global_step, arguments)
        seen.append(float(loss))
        return loss, stop

    assert (
        slim.learning.train(train_op, None, step, number_of_steps=2, init_fn=init, log_every_n_steps=0) == 0
    )
    assert seen == [4.0, 0.0]


def test_train_ends_with_its_data(tmp_path):
    values = tf.data.make_one_shot_iterator(tf.data.Dataset.range(3)).get_next()
    a = tf.get_variable("a", [], initializer=tf.zeros_initializer())
    train_op = slim.learning.create_train_op(a * tf.cast(values, tf.float32), sgd())
    slim.learning.train(train_op, str(tmp_path))
    assert tf.train.load_checkpoint(str(tmp_path)).get_tensor("global_step") == 3


def test_train_refuses():
    _, train_op = quadratic()
    for arguments, rule in (
        ({"train_op": None}, "train_op cannot be None"),
        ({"number_of_steps": 0}, "`number_of_steps` must be either None or a positive number"),
        ({"saver": tf.train.Saver()}, "Cannot provide summary_op or saver because logdir=None"),
        ({"startup_delay_steps": 1}, "startup_delay_steps and trace_every_n_steps are not offered"),
    ):
        with pytest.raises(ValueError, match=rule):
            slim.learning.train(**{"train_op": train_op, "logdir": None, **arguments})


# Evaluation


@pytest.fixture
def checkpoint(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("a", [], initializer=tf.constant_initializer(2.0))
        step = tf.train.create_global_step().assign(7)
        session.run(tf.global_variables_initializer())
        session.run(step)
        return tf.train.Saver().save(session, str(tmp_path / "model.ckpt"), global_step=7)


def metric():
    a = tf.get_variable("a", [])
    value, update = slim.metrics.streaming_mean(a * tf.ones([3]))
    count, one_more = slim.metrics.streaming_true_positives(tf.ones([3], tf.bool), tf.ones([3], tf.bool))
    tf.summary.scalar("mean", value)
    return {"mean": value, "count": count}, [update, one_more]


def test_evaluate_once(checkpoint, tmp_path):
    values, updates = metric()
    found = slim.evaluation.evaluate_once(
        "", checkpoint, str(tmp_path / "log"), num_evals=4, eval_op=updates, final_op=values
    )
    assert found == {"mean": 2, "count": 12}
    (events,) = (tmp_path / "log").iterdir()
    summaries = [event for event in tf.train.summary_iterator(str(events)) if event.summary.value]
    assert [(event.step, event.summary.value[0].simple_value) for event in summaries] == [(7, 2.0)]


def test_evaluation_loop(checkpoint, tmp_path):
    values, updates = metric()
    arguments = {"eval_op": updates, "final_op": values, "summary_op": None, "eval_interval_secs": 0}
    found = slim.evaluation.evaluation_loop(
        "", str(tmp_path), str(tmp_path), max_number_of_evaluations=1, **arguments
    )
    assert found == {"mean": 2, "count": 3}
    found = slim.evaluation.evaluation_loop(
        "", str(tmp_path), str(tmp_path), timeout=0, variables_to_restore=tf.global_variables(), **arguments
    )
    assert found == {"mean": 2, "count": 3}


def test_checkpoints_as_they_come(checkpoint, tmp_path):
    asked = []
    found = list(
        slim.evaluation.checkpoints_iterator(
            str(tmp_path), timeout=0, timeout_fn=lambda: asked.append(1) or len(asked) == 2
        )
    )
    assert found == [checkpoint] and len(asked) == 2
    assert slim.evaluation.wait_for_new_checkpoint(str(tmp_path), checkpoint, timeout=0) is None


# Lists, summaries, queues


def test_a_list_of_variables(capsys):
    slim.fully_connected(tf.ones([2, 3]), 4, scope="fc")
    assert slim.model_analyzer.analyze_vars(slim.get_model_variables(), print_info=True) == (16, 64)
    assert "fc/weights:0 (float32 3x4) [12, bytes: 48]" in capsys.readouterr().out


def test_summaries():
    number = tf.constant(1.0, name="number")
    slim.summaries.add_scalar_summary(number, prefix="all")
    slim.summaries.add_scalar_summary(number, "printed", print_summary=True)
    tags = {value.tag for value in tf.Summary.FromString(run(tf.summary.merge_all())).value}
    assert tags == {"all/number", "printed"}


def test_queue_runners():
    queue = tf.FIFOQueue(5, tf.float32)
    tf.train.add_queue_runner(tf.train.QueueRunner(queue, [queue.enqueue(3.0)]))
    value = queue.dequeue()
    with tf.Session() as session, slim.queues.QueueRunners(session):
        assert session.run(value) == 3


def test_a_prefetch_queue_keeps_the_form_of_a_batch():
    count = tf.Variable(0.0)
    step = count.assign_add(1.0)
    by_name = slim.prefetch_queue.prefetch_queue({"x": step, "y": tf.stack([step, -step])}).dequeue()
    pair = slim.prefetch_queue.prefetch_queue([tf.constant(1), tf.constant([2])], capacity=2).dequeue()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        with slim.queues.QueueRunners(session):
            assert [session.run(by_name)["x"] for _ in range(3)] == [1, 2, 3]
            assert [value.tolist() for value in session.run(pair)] == [1, [2]]
    assert by_name["y"].shape.as_list() == [2]


def test_training_and_evaluation_with_hooks(tmp_path):
    x = tf.get_variable("x", initializer=5.0)
    loss = tf.square(x - 2.0)
    step = slim.learning.create_train_op(loss, tf.train.GradientDescentOptimizer(0.25))
    last = slim.training.train(step, str(tmp_path), hooks=[tf.train.StopAtStepHook(num_steps=20)])
    assert last < 1e-6
    values = slim.evaluation.evaluate_repeatedly(
        str(tmp_path),
        eval_ops=loss,
        final_ops=x,
        hooks=[tf.contrib.training.StopAfterNEvalsHook(2)],
        max_number_of_evaluations=1,
    )
    np.testing.assert_allclose(values, 2, atol=1e-4)
    assert tf.contrib.training.train is slim.training.train
    with pytest.raises(ValueError, match="logdir cannot be None"):
        slim.training.train(step, None)


# Networks

# {network: (weights and biases that are trained, from the papers' tables or sums over them; end points)}
PARAMETERS = {
    "vgg_16": (138_357_544, 21),
    "vgg_19": (143_667_240, 24),
    "vgg_a": (132_863_336, 16),
    "resnet_v1_50": (25_557_032, 75),
    "resnet_v1_101": (44_549_160, 143),
    "resnet_v1_152": (60_192_808, 211),
    "resnet_v2_50": (25_568_360, 75),
}


def network(name, inputs, **arguments):
    module = getattr(slim.nets, name.rsplit("_", 1)[0] if "resnet" in name else name.split("_")[0])
    scope = "resnet_arg_scope" if "resnet" in name else "vgg_arg_scope"
    with slim.arg_scope(getattr(module, scope)()):
        return getattr(module, name)(inputs, **arguments)


@pytest.mark.slow
@pytest.mark.parametrize("name", PARAMETERS)
def test_networks(name):
    outputs, ends = network(name, tf.placeholder(tf.float32, [None, 224, 224, 3]), num_classes=1000)
    count, _ = slim.model_analyzer.analyze_vars(tf.trainable_variables())
    assert (count, len(ends)) == PARAMETERS[name]
    assert outputs.shape.as_list() == ([None, 1, 1, 1000] if "resnet" in name else [None, 1000])
    assert all(end.startswith(name) for end in ends if end != "predictions")
    weights = [variable for variable in slim.get_model_variables() if "weights" in variable.op.name]
    assert len(slim.losses.get_regularization_losses()) == len(weights)


@pytest.mark.slow
def test_inception_v3():
    """The count is that which Keras documents for its Inception v3 without the last layer."""
    x, inception = tf.placeholder(tf.float32, [None, 299, 299, 3]), slim.nets.inception_v3
    with slim.arg_scope(inception.inception_v3_arg_scope()):
        logits, ends = inception.inception_v3(x, 1001, is_training=False)
    assert logits.shape.as_list() == ends["AuxLogits"].shape.as_list() == [None, 1001]
    assert ends["Mixed_7c"].shape.as_list() == [None, 8, 8, 2048]
    assert ends["Mixed_5b"].shape.as_list() == [None, 35, 35, 256]
    base = [v for v in slim.get_model_variables() if "Logits" not in v.op.name]
    assert sum(v.shape.num_elements() for v in base) == 21_802_784
    assert names(base)[-4:] == [
        f"InceptionV3/Mixed_7c/Branch_3/Conv2d_0b_1x1/{name}"
        for name in ("weights", "BatchNorm/beta", "BatchNorm/moving_mean", "BatchNorm/moving_variance")
    ]
    assert names(slim.get_variables("InceptionV3/Mixed_5c/Branch_1", "weights")) == [
        f"InceptionV3/Mixed_5c/Branch_1/{name}/weights" for name in ("Conv2d_0b_1x1", "Conv_1_0c_5x5")
    ]
    small, _ = inception.inception_v3_base(
        tf.zeros([1, 75, 75, 3]), "Mixed_5b", depth_multiplier=0.1, scope="s"
    )
    assert small.shape.as_list() == [1, 7, 7, 16 * 4]
    with pytest.raises(ValueError, match="Unknown final endpoint Mixed_8"):
        inception.inception_v3_base(tf.zeros([1, 75, 75, 3]), "Mixed_8", scope="other")


@pytest.mark.slow
def test_names_of_networks():
    x = tf.placeholder(tf.float32, [None, 224, 224, 3])
    _, ends = network("vgg_16", x, is_training=False)
    assert list(ends)[:3] == ["vgg_16/conv1/conv1_1", "vgg_16/conv1/conv1_2", "vgg_16/pool1"]
    assert ends["vgg_16/fc8"].name == "vgg_16/fc8/squeezed:0"
    assert names(slim.get_variables("vgg_16/conv3"))[-2:] == [
        "vgg_16/conv3/conv3_3/weights",
        "vgg_16/conv3/conv3_3/biases",
    ]
    features, ends = network("resnet_v1_50", x, is_training=False, global_pool=False, output_stride=16)
    assert features.shape.as_list() == [None, 14, 14, 2048] and "predictions" not in ends
    assert names(slim.get_variables("resnet_v1_50/block1/unit_1"))[:5] == [
        f"resnet_v1_50/block1/unit_1/bottleneck_v1/shortcut/{name}"
        for name in ("weights", *(f"BatchNorm/{part}" for part in ("gamma", "beta")))
    ] + [
        f"resnet_v1_50/block1/unit_1/bottleneck_v1/shortcut/BatchNorm/moving_{name}"
        for name in ("mean", "variance")
    ]
    with pytest.raises(ValueError, match="multiple of 4"):
        network("resnet_v1_50", x, output_stride=6, scope="other")
    with pytest.raises(ValueError, match="The target output_stride cannot be reached"):
        network("resnet_v1_50", x, output_stride=64, scope="another")


@pytest.mark.slow
def test_networks_run():
    images = normal(1, 64, 64, 3)
    _, ends = network("resnet_v2_50", tf.constant(images), num_classes=5, is_training=False)
    dense, _ = network(
        "resnet_v2_50", tf.constant(images), is_training=False, global_pool=False, output_stride=8, reuse=True
    )
    predictions, dense = run([ends["predictions"], dense])
    assert predictions.shape == (1, 1, 1, 5) and dense.shape == (1, 8, 8, 2048)
    np.testing.assert_allclose(predictions.sum(), 1, rtol=1e-5)


@pytest.mark.slow
def test_a_trainer_trains_a_network_of_slim():
    x, y = tf.placeholder(tf.float32, [None, 6]), tf.placeholder(tf.int64, [None])
    flag = tf.placeholder_with_default(False, [])
    normalization = {"is_training": flag, "decay": 0.8}
    net = slim.fully_connected(x, 16, normalizer_fn=slim.batch_norm, normalizer_params=normalization)
    net = slim.dropout(net, 0.9, is_training=flag)
    slim.losses.sparse_softmax_cross_entropy(slim.fully_connected(net, 2, activation_fn=None), y)
    inputs = normal(200, 6)
    examples = {x: inputs, y: (inputs.sum(1) > 0).astype(np.int64)}
    (moving,) = slim.get_variables(suffix="moving_mean")
    with gk.Trainer(slim.losses.get_total_loss(), tf.train.AdamOptimizer(0.05)) as trainer:
        trainer.fit(examples, feed={flag: True}, epochs=10, batch_size=20, progress=False)
        assert trainer.evaluate(examples)["loss"] < 0.2
        assert np.abs(trainer.session.run(moving)).min() > 0
