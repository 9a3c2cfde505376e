"""Programs with estimators, run as they are."""

from pathlib import Path

import pytest

import graphkit.tf1 as tf

FOLDER = Path(__file__).parent


@pytest.mark.parametrize(
    ("name", "steps", "floor"), [("estimator_digits", 300, 0.92), ("estimator_wide_and_deep", 200, 0.9)]
)
def test_programs_learn(tmp_path, name, steps, floor):
    source = (FOLDER / f"{name}.py").read_text()
    source = source.replace("import tensorflow as tf", f"import {tf.__name__} as tf")
    source = source.replace("from tensorflow.", f"from {tf.__name__}.")
    program = {"__name__": name}
    exec(compile(source, f"{name}.py", "exec"), program)
    folders = [str(tmp_path / part) for part in ("data", "model")]
    results = program["main"]([name, *folders[name != "estimator_digits" :]])
    assert results["accuracy"] > floor
    assert results["global_step"] == steps
