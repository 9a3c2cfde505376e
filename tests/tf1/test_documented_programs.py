"""The programs of `docs/old_programs`, as the guide runs them."""

from pathlib import Path

import pytest
from tf1.old_programs import run_program

from graphkit.commands import tf1

PROGRAMS = Path(__file__).parents[2] / "docs" / "old_programs"


@pytest.mark.grid
@pytest.mark.parametrize("name", ["digits.py", "digits_trained.py"])
def test_each_learns(name, capsys):
    run_program(PROGRAMS / name, "--epochs=8")
    last = capsys.readouterr().out.strip().split("\n")[-1]
    assert last.startswith("test accuracy: ")
    assert float(last.split()[-1]) > 0.9


def test_all_of_their_names_are_there(capsys):
    assert tf1.main(["check", str(PROGRAMS)], "graphkit tf1") == 0
    assert "6 of 6 (100%)" in capsys.readouterr().out
