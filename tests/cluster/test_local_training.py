"""Local SGD against its definition in NumPy."""

import numpy as np
import pytest
from cluster.processes import run_workers
from cluster.worker import arrays

import graphkit as gk

CASE = {"network": "linear", "epochs": 2, "batch_size": 20, "learning_rate": 0.3, "seed": 5}


def local_sgd(kernel, bias, steps):
    """Returns (kernel, bias, mean loss of each epoch) of softmax regression by two workers."""
    x, y = arrays("linear")
    workers, losses = [(kernel, bias)] * 2, []
    for epoch in range(CASE["epochs"]):
        order, total = gk.epoch_order(len(x), CASE["seed"], epoch), 0.0
        batches = [order[start : start + 20] for start in range(0, len(x), 20)]
        for number, batch in enumerate(batches, 1):
            for place, part in enumerate(np.array_split(batch, 2)):
                if not len(
                    part
                ):  # of a last mini-batch of one example: a step that does not count in the loss
                    part, counted = batch[:1], 0
                else:
                    counted = len(part)
                kernel, bias = workers[place]
                logits = x[part] @ kernel + bias
                p = np.exp(logits - logits.max(1, keepdims=True))
                p /= p.sum(1, keepdims=True)
                total += counted * -np.mean(np.log(p[np.arange(len(part)), y[part]]))
                p[np.arange(len(part)), y[part]] -= 1
                p /= len(part)
                workers[place] = kernel - 0.3 * x[part].T @ p, bias - 0.3 * p.sum(0)
            # The last mini-batch has a run of its own, since it is shorter.
            if number % steps == 0 or number >= len(batches) - 1:
                mean = tuple(np.mean(both, axis=0) for both in zip(*workers, strict=True))
                workers = [mean, mean]
        losses.append(total / len(x))
    return *workers[0], losses


@pytest.mark.slow
@pytest.mark.parametrize("execution", ["chunks", "compiled"])
def test_weights_are_averaged_every_few_steps(tmp_path, execution):
    cases = [{**CASE, "epochs": 0}, {**CASE, "execution": execution}]
    found = run_workers(2, {"cases": cases, "local_steps": 2}, tmp_path)
    start, end = (found[0][place]["weights"] for place in (0, 1))
    kernel, bias, losses = local_sgd(np.array(start["dense/kernel"]), np.array(start["dense/bias"]), 2)
    np.testing.assert_allclose(end["dense/kernel"], kernel, atol=1e-5)
    np.testing.assert_allclose(end["dense/bias"], bias, atol=1e-5)
    np.testing.assert_allclose(found[0][1]["history"]["loss"], losses, atol=1e-5)
    assert found[0][1]["digest"] == found[1][1]["digest"]
    assert found[0][1]["execution"] == execution


@pytest.mark.slow
def test_steps_that_are_fed_one_by_one_are_refused(tmp_path):
    settings = {"cases": [{**CASE, "execution": "feed"}], "local_steps": 2, "shows_errors": True}
    for (result,) in run_workers(2, settings, tmp_path):
        assert "fit: local_steps needs steps that run in a loop" in result["error"]
