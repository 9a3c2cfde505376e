"""Several workers give the answer of one process; they end, fail and resume together."""

import numpy as np
import pytest
from cluster.processes import run_workers
from cluster.worker import train

CASES = {
    "feed": {"execution": "feed"},
    "chunks, clipped": {"execution": "chunks", "clip_norm": 0.05},
    "embedding": {"network": "embedding", "optimizer": "momentum"},
}
MORE = {
    "dropout of TensorFlow": {"network": "tf_dropout"},
    "batch_norm": {"network": "batch_norm"},
    "chunks": {"execution": "chunks"},
    "resident": {"execution": "resident"},
    "clipped": {"clip_norm": 0.05, "optimizer": "momentum"},
    "averages, to a step": {"average_decay": 0.9, "max_steps": 3, "valid_every": 2, "clip_value": 0.02},
    "accumulated": {"accumulate": 2, "batch_size": 10},
    "a last mini-batch of one example": {"batch_size": 25},
    "several rows of a mask for an example": {"network": "rows"},
    "batch_norm, feed": {"network": "batch_norm", "execution": "feed"},
}
ALL = {**CASES, **MORE}


# One pair of processes trains all cases, and one test looks at all of it: each start takes seconds.
@pytest.mark.slow
@pytest.mark.parametrize(("count", "cases"), [(2, CASES), pytest.param(3, ALL, marks=pytest.mark.slow)])
def test_several_workers_give_the_answer_of_one_process(tmp_path, count, cases):
    of_workers = run_workers(count, {"cases": list(cases.values())}, tmp_path)
    results = dict(zip(cases, zip(*of_workers, strict=True), strict=True))
    for name, case in cases.items():
        assert_equal_bits(results[name], name)
        one, found = train(case), results[name][0]
        assert found["step"] == one["step"], name
        if case.get("network") == "batch_norm":
            assert_near(found, one)
            continue
        for kind in ("history", "weights"):
            for key, values in one[kind].items():
                text = f"{name}: {key}"
                np.testing.assert_allclose(found[kind][key], values, rtol=1e-4, atol=2e-6, err_msg=text)
    for names in (("feed", "chunks", "resident"), ("batch_norm", "batch_norm, feed")):
        assert len({results[name][0]["digest"] for name in names if name in results}) < 2, names
    assert results["feed"][0]["execution"] == "feed"
    assert results["chunks, clipped"][0]["execution"] == "chunks"


def assert_equal_bits(results, name):
    """Checks that all workers end with the same bits, and have seen the same."""
    assert len({result["digest"] for result in results}) == 1, name
    assert [result["worker"] for result in results] == list(range(len(results)))
    assert all(result["history"] == results[0]["history"] for result in results), name


def assert_near(found, one):
    """Checks moving averages, which are means of the workers', and near those of one process."""
    for name in ("moving_mean", "moving_variance"):
        key = f"batch_normalization/{name}"
        np.testing.assert_allclose(found["weights"][key], one["weights"][key], rtol=0.3, atol=0.03)
    assert found["history"]["loss"][-1] == pytest.approx(one["history"]["loss"][-1], rel=0.1)
