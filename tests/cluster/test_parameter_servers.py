"""Training with parameter servers, in real processes that talk over the loopback interface."""

import json
import os
import signal
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from cluster import forked, served
from cluster.processes import free_addresses

import graphkit as gk
from graphkit.cluster import programs

LIMIT = 240  # seconds after which a process counts as hung


class Ended(NamedTuple):
    code: int
    output: str

    @property
    def result(self):
        """Returns what the process has found, of its last trainer."""
        assert self.code == 0, self.output
        return json.loads([line for line in self.output.splitlines() if line.startswith("{")][-1])


class Processes:
    """The processes of a cluster, which are ended with the block."""

    def __init__(self, ps, workers):
        addresses = free_addresses(ps + workers)
        self.cluster = {"ps": addresses[:ps], "worker": addresses[ps:]}
        self.started = []
        self.folder = tempfile.TemporaryDirectory()

    def start(self, job, index, **settings):
        config = programs.task_config(self.cluster, job, index)
        environment = {**os.environ, "TF_CONFIG": config}
        output = Path(self.folder.name) / f"{job}-{len(self.started)}.txt"
        process = forked.Process(served.__file__, json.dumps(settings), environment, output)
        self.started.append((process, output))
        return process

    def end_of(self, process):
        """Waits for the end of a process; returns its code and its output."""
        code = process.wait(LIMIT)
        output = next(output for started, output in self.started if started is process)
        return Ended(code, output.read_text())

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for process, _ in self.started:
            process.kill()
            process.wait()
        self.folder.cleanup()


def run(ps, workers, start=None, **settings):
    """Returns how each worker has ended (of those to start), and the codes of servers ended by SIGTERM."""
    with Processes(ps, workers) as processes:
        servers = [processes.start("ps", index, **settings) for index in range(ps)]
        if settings.get("kill") and settings["kill"][2] == "ps":
            settings["kill"] = [*settings["kill"][:2], servers[-1].pid]
        started = [processes.start("worker", index, **settings) for index in start or range(workers)]
        ended = [processes.end_of(process) for process in started]
        for server in servers:
            server.terminate()
        return ended, [server.wait(LIMIT) for server in servers]


@pytest.mark.slow
def test_one_worker_with_its_server_trains_a_divided_embedding():
    [worker], codes = run(1, 1, examples=200)
    found = worker.result
    assert found["history"]["loss"][-1] < found["history"]["loss"][0]
    assert {device for name, device in found["devices"].items()} == {"/job:ps/task:0"}
    assert found["execution"] == ["feed", "the variables are on parameter servers, which a loop cannot read"]
    assert codes == [-signal.SIGTERM]


@pytest.mark.slow
def test_asynchronous_workers_share_variables_and_one_process_restores_their_checkpoint(tmp_path):
    workers, codes = run(2, 2, logdir=str(tmp_path), epochs=4)
    first, second = (worker.result for worker in workers)
    for found in (first, second):
        losses = found["history"]["valid_loss"]
        assert losses[-1] < 0.5 * losses[0]
        assert found["steps"] == 32
    assert first["counted"] == 64  # the chief waits for the last steps of the other
    parts = {n: d for n, d in first["devices"].items() if "part_" in n and n.endswith(("part_0", "part_1"))}
    assert parts["words/embedding/embeddings/part_0"] != parts["words/embedding/embeddings/part_1"]
    assert {"/job:ps/task:0", "/job:ps/task:1"} == set(first["devices"].values())
    assert codes == [-signal.SIGTERM] * 2
    # One entry, although each server wrote a part.
    reader = tf.train.load_checkpoint(str(tmp_path))
    assert reader.get_variable_to_shape_map()["words/embedding/embeddings"] == [101, 16]
    tokens, labels, _, _, loss = served.build(None, served.SETTINGS)
    x, y = served.examples(served.SETTINGS["examples"])
    with gk.Trainer(loss) as trainer:
        trainer.restore(tmp_path, weights_only=True)
        evaluated = trainer.evaluate({tokens: x, labels: y})["loss"]
        whole = sum(v for n, v in first["weights"].items() if "embeddings" in n)
        np.testing.assert_allclose(np.abs(trainer.weights()["words/embedding/embeddings"]).sum(), whole, 1e-5)
    assert evaluated == pytest.approx(first["evaluated"], rel=1e-5)


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_servers(tmp_path):
    settings = {"logdir": str(tmp_path), "synchronous": True, "epochs": 1}
    [before, _], _ = run(2, 2, **settings)
    [after, other], _ = run(1, 2, **settings | {"epochs": 2, "resume": "anyway"})
    assert after.result["history"]["valid_loss"][0] == before.result["history"]["valid_loss"][0]
    assert after.result["history"] == other.result["history"] | {
        name: after.result["history"][name] for name in ("seconds", "examples_per_second")
    }
    assert after.result["steps"] == after.result["counted"] == 16


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{"batch_size": 63}, {"accumulate": 2, "keep_prob": 0.7}, {"parts": True}]
)
def test_synchronous_workers_make_the_steps_of_one_process(settings):
    settings = {"synchronous": True, "optimizer": "momentum", "rate": 0.05, "parts": False, **settings}
    workers, _ = run(2, 3, **settings)
    found = [worker.result for worker in workers]
    if settings["parts"]:
        alone, _ = run(2, 1, **settings)  # the parts have other initial values than the variable
        alone = alone[0].result
    else:
        alone = served.train(None, {**served.SETTINGS, **settings})
    for result in found:
        assert result["steps"] == result["counted"] == alone["steps"]
        for name in ("loss", "accuracy", "valid_loss"):
            np.testing.assert_allclose(result["history"][name], alone["history"][name], rtol=2e-5)
        for name, value in alone["weights"].items():
            assert result["weights"][name] == pytest.approx(value, rel=2e-5), name


@pytest.mark.slow
def test_asynchronous_masks_and_moving_averages():
    [first, second], _ = run(1, 2, keep_prob=0.8, normalized=True, epochs=4)
    for worker in (first, second):
        losses = worker.result["history"]["loss"]
        assert losses[-1] < losses[0]


@pytest.mark.slow
def test_asynchronous_workers_go_on_without_one_that_is_killed():
    [chief, killed], _ = run(1, 2, kill=[1, 5, None], epochs=3)
    assert killed.code == -signal.SIGKILL
    assert chief.result["steps"] == 24


@pytest.mark.slow
@pytest.mark.parametrize("synchronous", [False, True])
def test_a_lost_server_ends_the_workers_and_is_named(synchronous):
    ended, codes = run(2, 2, kill=[1, 5, "ps"], synchronous=synchronous, epochs=1000)
    for worker in ended:
        assert worker.code == 75, worker.output
        assert "WorkerLostError" in worker.output or "cannot go on" in worker.output
        assert "ps 1 (127.0.0.1" in worker.output
    assert codes == [-signal.SIGTERM, -signal.SIGKILL]


@pytest.mark.slow
def test_a_synchronous_worker_that_does_not_come_is_named():
    [chief], _ = run(1, 2, start=[0], synchronous=True, timeout=6)
    assert chief.code == 75
    assert "worker 1 (127.0.0.1" in chief.output
    assert "did not come within 6 s" in chief.output


@pytest.mark.slow
def test_a_synchronous_worker_that_is_killed_is_named():
    [chief, killed], _ = run(
        1, 2, synchronous=True, timeout=15, kill=[1, 5, None]
    )  # longer than starts differ
    assert killed.code == -signal.SIGKILL
    assert chief.code == 75
    assert "worker 1 (127.0.0.1" in chief.output


@pytest.mark.slow
@pytest.mark.parametrize("synchronous", [False, True])
def test_the_chief_stops_all(synchronous):
    [chief, other], _ = run(1, 2, stop=[0, 2], synchronous=synchronous, epochs=10_000)
    assert chief.result["stop_reason"] == "enough"
    assert chief.result["steps"] == 16
    assert other.result["stop_reason"] == "another worker stopped the training"


@pytest.mark.slow
@pytest.mark.parametrize("synchronous", [False, True])
def test_several_trainers_and_early_stopping(synchronous, tmp_path):
    settings = {"trainers": 2, "stopping": True, "logdir": str(tmp_path), "rate": 0.05, "epochs": 12}
    [chief, other], _ = run(1, 2, synchronous=synchronous, **settings)
    best = min(chief.result["history"]["valid_loss"])
    assert chief.result["history"]["valid_loss"][-1] >= best
    # The chief restores the best weights when no worker changes them any more.
    assert chief.result["weights"] == pytest.approx(other.result["weights"]) or not synchronous
    reader = tf.train.load_checkpoint(str(next(tmp_path.glob("best-*.index")).with_suffix("")))
    kept = np.abs(reader.get_tensor("dense/kernel")).sum()
    assert chief.result["weights"]["dense/kernel"] == pytest.approx(kept, rel=1e-5)


@pytest.mark.slow
def test_synchronous_sums_of_an_earlier_run_are_refused():
    settings = {"synchronous": True, "epochs": 1}
    with Processes(1, 1) as processes:
        processes.start("ps", 0, **settings)
        first, second = (processes.end_of(processes.start("worker", 0, **settings)) for _ in range(2))
    assert first.result["steps"] == 8
    assert second.code == 1
    assert "the parameter servers hold sums of an earlier run" in second.output


SERVERS = {"workers": ["a:1", "b:1"], "ps": ["c:1"]}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"index": 2}, ValueError, "index must be the place of this process among the 2 workers"),
        ({"index": 1, "job": "ps"}, ValueError, "among the 1 parameter servers"),
        ({"index": 0, "job": "chief"}, ValueError, "job must be"),
        ({"index": 0, "job": "ps", "ps": []}, ValueError, 'the job "ps" needs the addresses'),
        ({"index": 0, "ps": "c:1"}, TypeError, "ps must be a list"),
        ({"index": 0, "ps": ["c"]}, ValueError, 'ps must be a list of "host:port"'),
        ({"index": 0, "ps": ["a:1"]}, ValueError, "workers and ps must have different addresses"),
        ({"index": 0, "workers": []}, ValueError, "workers must have at least one address"),
        ({"index": 0, "ps": [], "synchronous": True}, ValueError, "synchronous must be a bool, and is for"),
        ({"index": 0, "synchronous": 1}, TypeError, "synchronous must be a bool"),
    ],
)
def test_refuses_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        gk.Cluster(**{**SERVERS, **arguments})


def test_environment(monkeypatch):
    config = {"cluster": {"chief": ["a:1"], "worker": ["b:1"], "ps": ["c:1", "d:1"]}}
    for task, index, job, chief in (
        ({"type": "ps", "index": 1}, 1, "ps", False),
        ({"type": "worker", "index": 0}, 1, "worker", False),
        ({"type": "chief", "index": 0}, 0, "worker", True),
    ):
        monkeypatch.setenv("TF_CONFIG", json.dumps({**config, "task": task}))
        cluster = gk.cluster_from_env(synchronous=True)
        assert (cluster.index, cluster.job, cluster.is_chief, cluster.synchronous) == (
            index,
            job,
            chief,
            True,
        )
        assert cluster.ps == ("c:1", "d:1")
    monkeypatch.setenv("TF_CONFIG", json.dumps({**config, "task": {"type": "ps", "index": 2}}))
    with pytest.raises(ValueError, match="this is ps 2, but has 2 of them"):
        gk.cluster_from_env()


def test_variables_go_to_the_server_with_the_fewest_bytes():
    cluster = gk.Cluster(["a:1"], 0, ps=["b:1", "c:1"])
    with tf.compat.v1.device(cluster.device()):
        sizes = {"first": 100, "second": 10, "third": 50, "fourth": 45, "fifth": 1}
        made = {n: tf.compat.v1.get_variable(n, (size,), use_resource=True) for n, size in sizes.items()}
        computed = tf.add(made["first"], 1.0)
    places = {name: int(variable.device[-1]) for name, variable in made.items()}
    assert places == {"first": 0, "second": 1, "third": 1, "fourth": 1, "fifth": 0}
    assert computed.device == "/job:worker/task:0"


def test_partitioner():
    cluster = gk.Cluster(["a:1"], 0, ps=["b:1", "c:1", "d:1"])
    with tf.compat.v1.variable_scope("divided", partitioner=cluster.partitioner()):
        for name, shape in {"large": (7, 2), "small": (2, 2), "scalar": ()}.items():
            tf.compat.v1.get_variable(name, shape, use_resource=True, initializer=tf.zeros_initializer())
    with tf.compat.v1.variable_scope("columns", partitioner=cluster.partitioner(axis=1)):
        tf.compat.v1.get_variable("matrix", (7, 3), use_resource=True)
    shapes = {v.op.name: v.shape.as_list() for v in tf.compat.v1.global_variables()}
    assert [s for n, s in shapes.items() if n.startswith("divided/large")] == [[3, 2], [2, 2], [2, 2]]
    assert [s for n, s in shapes.items() if n.startswith("divided/small")] == [[1, 2], [1, 2]]
    assert [s for n, s in shapes.items() if n.startswith("divided/scalar")] == [[]]
    assert [s for n, s in shapes.items() if n.startswith("columns")] == [[7, 1]] * 3
    with pytest.raises(ValueError, match="axis"):
        cluster.partitioner(-1)


def test_nothing_changes_without_servers():
    cluster = gk.Cluster(["a:1"], 0)
    assert cluster.partitioner() is None
    with tf.compat.v1.device("/cpu:0"), tf.compat.v1.device(cluster.device()):
        assert tf.constant(1.0).device == "/device:CPU:0"


def test_refuses_variables_outside_of_the_servers_and_sums_of_all(monkeypatch):
    loss = gk.softmax_cross_entropy(gk.dense(gk.feature_input(2), 2), gk.label_input())
    cluster = gk.Cluster(["127.0.0.1:1"], 0, ps=["127.0.0.1:2"])
    monkeypatch.setattr(cluster, "serve", lambda config: "")  # nothing runs before the refusal
    with pytest.raises(ValueError, match=r"cluster\.device\(\).*elsewhere=\['dense/kernel', 'dense/bias'\]"):
        gk.Trainer(loss, cluster=cluster)
    with tf.Graph().as_default(), tf.compat.v1.device(cluster.device()):
        loss = gk.softmax_cross_entropy(gk.dense(gk.feature_input(2), 2), gk.label_input())
        with pytest.raises(ValueError, match="accumulate must be 1 where workers are asynchronous"):
            gk.Trainer(loss, cluster=cluster, accumulate=2)
