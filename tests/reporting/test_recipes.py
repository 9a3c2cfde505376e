"""The lines that docs/results.md gives for other tools, as they stand there."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest
from reporting import boards

import graphkit as gk

PAGE = Path(__file__).parents[2] / "docs" / "results.md"


@pytest.mark.slow
def test_mlflow_holds_the_metrics_and_the_report(tmp_path, monkeypatch):
    mlflow = importlib.import_module("mlflow")  # of the extra interop, which the default tests do without
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    code = next(block for block in blocks if "mlflow" in block)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    trainer, data = boards.make_trainer(tmp_path / "run")
    with trainer:
        exec(code, {"gk": gk, "mlflow": mlflow, "trainer": trainer, "data": data})
        history = trainer.history
    client = mlflow.MlflowClient()
    (run,) = client.search_runs(["0"])
    for name in ("loss", "valid_loss", "accuracy", "learning_rate"):
        found = client.get_metric_history(run.info.run_id, name)
        assert [metric.step for metric in found] == history["step"]
        assert np.array_equal([metric.value for metric in found], history[name])
    assert [artifact.path for artifact in client.list_artifacts(run.info.run_id)] == ["report.html"]
    assert run.info.status == "FINISHED"
