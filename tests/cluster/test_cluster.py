"""Clusters as users describe them: TF_CONFIG and addresses, and what is refused before anyone waits."""

import json
import socket
import subprocess
import sys

import pytest
from cluster.processes import free_addresses

import graphkit as gk
from graphkit import checks
from graphkit.cluster import addresses, cluster

TWO = ["a.example:2222", "b.example:2222"]


def config(workers=TWO, task=("worker", 0), **jobs):
    kind, index = task
    return json.dumps({"cluster": {"worker": workers, **jobs}, "task": {"type": kind, "index": index}})


def from_env(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    return gk.cluster_from_env()


def test_without_tf_config_there_is_no_cluster(monkeypatch):
    assert from_env(monkeypatch, "") is None
    monkeypatch.delenv("TF_CONFIG")
    assert gk.cluster_from_env() is None


def test_tf_config_names_workers_and_this_one(monkeypatch):
    found = from_env(monkeypatch, config(task=("worker", 1)))
    assert (list(found.workers), found.index, found.size, found.is_chief) == (TWO, 1, 2, False)


def test_a_chief_is_worker_0_and_moves_the_others_on(monkeypatch):
    chief = ["c.example:1"]
    found = from_env(monkeypatch, config(task=("chief", 0), chief=chief))
    assert (list(found.workers), found.index, found.is_chief) == ([*chief, *TWO], 0, True)
    assert from_env(monkeypatch, config(task=("worker", 1), chief=chief)).index == 2


def test_an_index_may_be_text_as_schedulers_hand_it_on(monkeypatch):
    assert from_env(monkeypatch, config(task=("worker", "1"))).index == 1


MALFORMED = {
    "{": "it is not JSON",
    "[]": "TF_CONFIG must be",
    "{}": "TF_CONFIG must be",
    '{"cluster": {"worker": ["a:1"]}}': "TF_CONFIG must be",
    '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker"}}': "TF_CONFIG must be",
    config(task=("evaluator", 0)): "the task's type must be chief, worker or ps",
    config(task=("chief", 0)): "the task is chief, but the cluster has none",
    config(task=("worker", 2)): "this is worker 2, but has 2 of them",
    config(task=("worker", -1)): "the task's index must be an integer of at least 0",
    config(workers=["a"]): 'TF_CONFIG\'s workers must be a list of "host:port"',
    config(workers=["a:1", "a:1"]): "must have different addresses",
    config(workers=["a:0"]): "with a port from 1 to 65535",
    config(workers=["a:99999"]): "with a port from 1 to 65535",
    config(workers=["http://a:1"]): "must be a list of",
    config(workers=[], master=["a:1"]): "may name the jobs chief, worker and ps",
}


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_tf_config_is_refused_in_one_line(monkeypatch, text):
    with pytest.raises(ValueError) as caught:
        from_env(monkeypatch, text)
    message = str(caught.value)
    assert message.startswith("cluster_from_env: ") and MALFORMED[text] in message and "\n" not in message


@pytest.mark.parametrize("workers", ["a:1", 3, None, [1], {"worker": ["a:1"]}])
def test_workers_must_be_a_list_of_addresses(workers):
    with pytest.raises(TypeError, match='Cluster: workers.* must be a list of "host:port"'):
        gk.Cluster(workers, 0)


def test_cluster_refuses_what_cannot_be():
    for workers, index, options, message in [
        ([], 0, {}, "at least one address"),
        (TWO, 2, {}, "index must be the place of this process among the 2 workers"),
        (TWO, 0, {"timeout": 0}, "timeout must be a finite number above 0"),
        (TWO, 0, {"local_steps": 0}, "local_steps must be an integer of at least 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            gk.Cluster(workers, index, **options)


def test_addresses_of_ip_version_6():
    assert addresses.split(gk.Cluster(["[::1]:2222"], 0).workers[0]) == ("::1", 2222)


def test_a_port_in_use_is_refused():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(
            OSError, match="worker 1 cannot listen on its port .*; received address='127.0.0.1"
        ):
            addresses.check_free(checks.Checker("Trainer"), "worker 1", address)


def test_why_a_worker_is_not_reached():
    (free,) = free_addresses(1)
    assert addresses.why_not_reached(free) == "connection refused"
    assert (
        addresses.why_not_reached("no-such-host.invalid:1") == "the host 'no-such-host.invalid' is not known"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert addresses.why_not_reached(f"127.0.0.1:{server.getsockname()[1]}") is None


def test_workers_that_do_not_come_are_named():
    (free,) = free_addresses(1)
    said = []
    found = addresses.wait_for({"worker 1": free}, 0.01, said.append)
    assert found == f"worker 1 ({free}, connection refused)" and said in (
        [],
        [f"waiting up to 0.01 s for {found}"],
    )


def test_a_cluster_of_one_worker_is_one_process():
    assert gk.Cluster(TWO[:1], 0).for_trainer().size == 1


def test_a_process_has_one_server(monkeypatch):
    monkeypatch.setattr(cluster, "servers", [((tuple(TWO), 0), None)])
    with pytest.raises(ValueError, match="a worker of another cluster already"):
        gk.Cluster(["a.example:1", "b.example:1"], 0).serve(None)


def test_trainer_takes_clusters_alone():
    loss = gk.softmax_cross_entropy(gk.dense(gk.feature_input(2), 2), gk.label_input())
    with pytest.raises(TypeError, match="Trainer: cluster must be a gk.Cluster"):
        gk.Trainer(loss, cluster=["a:1", "b:2"])


@pytest.mark.slow
def test_the_error_of_a_lost_worker_ends_a_program_with_75():
    program = "import graphkit as gk; raise gk.WorkerLostError('worker 1 was lost')"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True).returncode == 75
