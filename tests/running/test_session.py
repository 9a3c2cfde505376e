"""Devices and initial values."""

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit.running import session as sessions

V1 = tf.compat.v1


def test_auto_and_cpu_run_here():
    for device in ("auto", "cpu", "/cpu:0", "CPU", "/device:cpu:0"):
        with tf.Graph().as_default():
            loss = tf.reduce_sum(V1.get_variable("w", (2,), use_resource=True))
            with gk.Trainer(loss, device=device) as trainer:
                assert [d.device_type for d in trainer.session.list_devices()] == ["CPU"]


def test_gpu_memory_grows_and_cpu_hides_the_gpu():
    assert sessions.make_config("auto").gpu_options.allow_growth
    assert sessions.make_config("cpu").device_count["GPU"] == 0


def test_chosen_gpu_is_the_only_one_seen(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["first", "second"])
    assert sessions.make_config("/gpu:1").gpu_options.visible_device_list == "1"
    assert sessions.make_config("gpu").gpu_options.visible_device_list == ""
    with pytest.raises(
        ValueError, match=r"GPUs found by TensorFlow: /gpu:0, /gpu:1 .*; received device='/gpu:2'"
    ):
        sessions.make_config("/gpu:2")


@pytest.mark.parametrize("device", ["gpu", "/gpu:0"])
def test_device_that_is_not_there_is_named(device):
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("this machine has a GPU")
    with pytest.raises(ValueError, match="by TensorFlow: none .with TF_CPP_MIN_LOG_LEVEL=0"):
        sessions.make_config(device)


def test_second_processor_and_unknown_devices_are_refused():
    with pytest.raises(ValueError, match=r"the processor is one device, /cpu:0"):
        sessions.make_config("/cpu:1")
    for wrong in ("gpu1", "cuda:0", "", "auto:1"):
        with pytest.raises(ValueError, match='device must be "auto"'):
            sessions.make_config(wrong)
    with pytest.raises(TypeError, match="session_config must be"):
        sessions.make_config("auto", {"device_count": 2})


def test_ops_run_where_the_graph_places_them():
    with tf.device("/cpu:1"):
        w = V1.get_variable("w", (3,), initializer=V1.ones_initializer(), use_resource=True)
        loss = tf.reduce_sum(w * w, name="loss")
    config = V1.ConfigProto(device_count={"CPU": 2})
    x = gk.feature_input(1)
    with gk.Trainer(loss + 0 * tf.reduce_sum(x), optimizer="momentum", session_config=config) as trainer:
        metadata = V1.RunMetadata()
        options = V1.RunOptions(trace_level=V1.RunOptions.FULL_TRACE)
        feed = {x: [[0.0]], trainer.training_step.rate_input: 0.1}
        trainer.session.run(trainer.training_step.update, feed, options, metadata)
        placed = {
            node.node_name.split(":")[0]: part.device[-5:]
            for part in metadata.step_stats.dev_stats
            for node in part.node_stats
        }
        assert len(trainer.session.list_devices()) == 2
    own = {name: place for name, place in placed.items() if name.endswith("ResourceApplyMomentum")}
    assert own and set(own.values()) == {"CPU:1"}, placed


def initial_values(build, seed):
    with tf.Graph().as_default():
        loss = tf.add_n([tf.reduce_sum(v) for v in build()])
        with gk.Trainer(loss, seed=seed) as trainer:
            return trainer.session.run(trainer.graph.get_collection("trainable_variables"))


def foreign_graph():
    """Variables as a program writes them that knows nothing of graphkit."""
    first = V1.get_variable("first", (50,), initializer=V1.random_normal_initializer(), use_resource=True)
    second = tf.Variable(V1.truncated_normal((50,), stddev=0.1), name="second")
    third = V1.get_variable("third", initializer=second.initial_value * 2, use_resource=True)
    fixed = V1.get_variable(
        "fixed", (50,), initializer=V1.random_uniform_initializer(seed=5), use_resource=True
    )
    return first, second, third, fixed


def test_seed_sets_initial_values_of_any_graph():
    one, again, other = (initial_values(foreign_graph, seed) for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert [np.array_equal(a, b) for a, b in zip(one, other, strict=True)] == [False, False, False, True]
    np.testing.assert_array_equal(one[2], one[1] * 2)
    assert not np.array_equal(one[0], one[1])


def test_initial_values_do_not_depend_on_what_else_is_in_the_graph():
    def alone():
        return [
            V1.get_variable("first", (50,), initializer=V1.random_normal_initializer(), use_resource=True)
        ]

    def beside():
        V1.get_variable("before", (9,), use_resource=True)
        return alone()

    (one,), (_, two) = initial_values(alone, 3), initial_values(beside, 3)
    assert np.array_equal(one, two)


def test_what_an_initializer_draws_in_a_branch_follows_from_the_seed_too():
    def drawn(shape, dtype=None, partition_info=None):
        chosen = V1.placeholder_with_default(True, ())
        return tf.cond(chosen, lambda: tf.random.uniform(shape), lambda: tf.zeros(shape))

    def build():
        return [V1.get_variable(name, (9,), initializer=drawn, use_resource=True) for name in ("a", "b")]

    (one, other), (again, _) = initial_values(build, 3), initial_values(build, 3)
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    assert not np.array_equal(initial_values(build, 4)[0], one)


def test_ref_variables_are_initialized_too():
    def build():
        return [V1.get_variable("old", (9,), use_resource=False)]

    one, again = initial_values(build, 1), initial_values(build, 1)
    assert np.array_equal(one, again)


def test_tables_and_local_variables_are_initialized():
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], tf.constant([3])), -1)
    found = table.lookup(tf.constant(["a", "b"]))
    local = V1.get_variable(
        "seen", (), collections=[V1.GraphKeys.LOCAL_VARIABLES], initializer=V1.ones_initializer()
    )
    w = V1.get_variable("w", (), use_resource=True)
    with gk.Trainer(w * w) as trainer:
        assert trainer.session.run(local) == 1
        assert trainer.session.run(found).tolist() == [3, -1]


def test_blocks_that_drop_log_records_may_lie_in_each_other(monkeypatch):
    shown = []

    def is_wanted(record):
        return "dropped" not in record.getMessage()

    log = tf.get_logger()
    monkeypatch.setattr(log, "callHandlers", lambda record: shown.append(record.getMessage()))
    with sessions.tensorflow_logs(is_wanted):
        with sessions.tensorflow_logs(is_wanted):
            log.error("dropped inside")
        log.error("dropped between")
    log.error("dropped nowhere")
    assert shown == ["dropped nowhere"]


def test_a_variable_that_is_initialized_from_a_placeholder_is_refused():
    table = tf.compat.v1.placeholder(tf.float32, (3, 2), "table")
    weights = tf.compat.v1.Variable(tf.identity(table), name="weights")
    message = r"^Trainer: nothing is fed .*received placeholders={'weights:0': \['table:0'\]}"
    with pytest.raises(ValueError, match=message):
        gk.Trainer(tf.reduce_mean(tf.matmul(gk.feature_input(3), weights)))
