"""Several workers give the answer of one process; they end, fail and resume together."""

import numpy as np
import pytest
from cluster.processes import run_workers
from cluster.worker import train

CASES = {
    "feed": {"execution": "feed"},
    "chunks, clipped": {"execution": "chunks", "clip_norm": 0.05},
    "embedding": {"network": "embedding", "optimizer": "momentum"},
    "dropout of TensorFlow": {"network": "tf_dropout"},
    "batch_norm": {"network": "batch_norm"},
}
MORE = {
    "chunks": {"execution": "chunks"},
    "resident": {"execution": "resident"},
    "clipped": {"clip_norm": 0.05, "optimizer": "momentum"},
    "accumulated": {"accumulate": 2, "batch_size": 10},
    "a last mini-batch of one example": {"batch_size": 25},
    "several rows of a mask for an example": {"network": "rows"},
    "batch_norm, feed": {"network": "batch_norm", "execution": "feed"},
}
ALL = {**CASES, **MORE}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Function (number of workers, cases) -> {name of a case: its result on each worker}."""
    made = {}

    def of(count, cases):
        if (count, len(cases)) not in made:
            folder = tmp_path_factory.mktemp("workers")
            found = run_workers(count, {"cases": list(cases.values())}, folder)
            made[count, len(cases)] = dict(zip(cases, zip(*found, strict=True), strict=True))
        return made[count, len(cases)]

    return of


# Each case makes a trainer on each worker, which takes a second: those of the first list are run by default.
WORKERS = [
    (2, CASES),
    pytest.param(2, ALL, marks=pytest.mark.slow),
    pytest.param(3, ALL, marks=pytest.mark.slow),
]
several = pytest.mark.parametrize(("count", "cases"), WORKERS)


@several
def test_all_workers_end_with_the_same_bits(results, count, cases):
    for name, found in results(count, cases).items():
        assert len({result["digest"] for result in found}) == 1, name
        assert [result["worker"] for result in found] == list(range(count))
        assert all(result["history"] == found[0]["history"] for result in found), name


@several
def test_several_workers_give_the_answer_of_one_process(results, count, cases):
    for name, case in cases.items():
        if case.get("network") == "batch_norm":
            continue
        one, found = train(case), results(count, cases)[name][0]
        assert found["step"] == one["step"], name
        for kind in ("history", "weights"):
            for key, values in one[kind].items():
                text = f"{name}: {key}"
                np.testing.assert_allclose(found[kind][key], values, rtol=1e-4, atol=2e-6, err_msg=text)


@several
def test_all_executions_have_the_same_bits(results, count, cases):
    found = results(count, cases)
    for names in (("feed", "chunks", "resident"), ("batch_norm", "batch_norm, feed")):
        assert len({found[name][0]["digest"] for name in names if name in found}) == 1, names
    assert found["feed"][0]["execution"] == "feed"
    assert found["chunks, clipped"][0]["execution"] == "chunks"


@several
def test_moving_averages_are_means_of_the_workers_and_near_those_of_one_process(results, count, cases):
    found, one = results(count, cases)["batch_norm"][0], train(CASES["batch_norm"])
    for name in ("moving_mean", "moving_variance"):
        key = f"batch_normalization/{name}"
        np.testing.assert_allclose(found["weights"][key], one["weights"][key], rtol=0.3, atol=0.03)
    assert found["history"]["loss"][-1] == pytest.approx(one["history"]["loss"][-1], rel=0.1)
