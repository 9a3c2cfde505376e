"""Programs with estimators, run as they are: they learn."""

from pathlib import Path

import pytest
from tf1.old_programs import run_program

FOLDER = Path(__file__).parent


@pytest.mark.parametrize(
    ("name", "folders", "steps", "floor"),
    [
        ("estimator_digits", ("data", "model"), 300, 0.92),
        pytest.param("estimator_wide_and_deep", ("model",), 200, 0.9, marks=pytest.mark.slow),
    ],
)
def test_programs_learn(tmp_path, name, folders, steps, floor):
    results = run_program(FOLDER / f"{name}.py", *(tmp_path / folder for folder in folders))["results"]
    assert results["accuracy"] > floor
    assert results["global_step"] == steps
