"""What a type checker tells users: nothing about a correct program, the mistake about a wrong one."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAMS = ROOT / "tests" / "typing"
ERROR = re.compile(r":(\d+): error: (.*)  \[([\w-]+)\]$", re.M)
EXPECTED = re.compile(r"  # mypy: ([\w-]+)$")


@pytest.fixture(scope="module")
def errors():
    """{program: {line: "code: message"}} of mypy's errors in the programs; those in graphkit are left out."""
    options = ("--follow-imports", "silent", "--no-error-summary", "--no-pretty", "--hide-error-context")
    paths = [path.relative_to(ROOT) for path in (PROGRAMS / "good.py", PROGRAMS / "bad.py")]
    command = [sys.executable, "-m", "mypy", *options, *map(str, paths)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, dict[int, str]] = {path.name: {} for path in paths}
    for line in done.stdout.splitlines():
        name = Path(line.partition(":")[0]).name
        for number, text, code in ERROR.findall(line):
            found[name][int(number)] = f"{code}: {text}"
    return found


@pytest.mark.slow
def test_correct_program_passes(errors):
    assert errors["good.py"] == {}


def test_each_mistake_is_found_in_its_line(errors):
    lines = (PROGRAMS / "bad.py").read_text().splitlines()
    expected = {number: match[1] for number, line in enumerate(lines, 1) if (match := EXPECTED.search(line))}
    found = {number: text.partition(":")[0] for number, text in errors["bad.py"].items()}
    wrong = [
        f"{number}: {lines[number - 1]} -> {errors['bad.py'].get(number)}"
        for number in sorted(expected.keys() | found.keys())
        if expected.get(number) != found.get(number)
    ]
    assert not wrong, "\n".join(wrong)
