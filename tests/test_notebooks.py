"""The notebooks: each runs from a fresh kernel without a warning, and comes out as it was committed.

So do the solutions of the exercises, which run in the same kernel after the notebook's own cells.
"""

import ast
import base64
import io
import itertools
import re
import sys
from pathlib import Path
from typing import NamedTuple

import nbformat
import numpy as np
import pytest
from matplotlib import image
from nbclient import NotebookClient
from public_names import MODULES, PUBLIC

FOLDER = Path(__file__).parents[1] / "notebooks"
CHAPTERS = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
# Cells with this tag print numbers of one run: times, or results of a training, which processors round
# differently. Their words are compared, their numbers are left to the asserts of the notebook.
MEASURED = "measured"
NUMBER = re.compile(r"[-+]?\d[\d,_]*(\.\d+)?(e[-+]?\d+)?")
SPACES = re.compile(r"[ -]+")  # the width of columns and rules follows from the numbers
SIZES = 0.1  # relative difference of a picture's sides: longer numbers need more space
IMPORTS = ("graphkit", "numpy", "tensorflow")  # and the standard library
# A solution is a folded Markdown cell: what happens and why, the code, and what it prints.
SOLUTION = re.compile(
    r"<details><summary>Solution (\d)</summary>\n\n"
    r"(?P<words>.+?)\n\n"
    r"```python\n(?P<code>.+?)\n```\n\n"
    r"(It prints:\n\n)?"
    r"```text\n(?P<printed>.+?\n)```\n"
    r"(?P<remarks>.*?)\n"
    r"</details>",
    re.DOTALL,
)


class Solution(NamedTuple):
    code: str
    printed: str


def read(chapter):
    return nbformat.read(FOLDER / f"{chapter}.ipynb", as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def source(notebook):
    """Returns the code of all cells and of the solutions, without magics."""
    code = [cell.source for cell in code_cells(notebook)] + [one.code for one in solutions(notebook)]
    return "\n".join(line for line in "\n".join(code).split("\n") if not line.startswith("%"))


def exercises(notebook):
    """Returns the place of the cell with the exercises, and their number."""
    (place,) = (i for i, cell in enumerate(notebook.cells) if cell.source.startswith("## Exercises"))
    return place, len(re.findall(r"^\d\. ", notebook.cells[place].source, re.M))


def solutions(notebook):
    """Returns the solutions: the cells after the exercises, one for each, in their order."""
    place, _ = exercises(notebook)
    found = []
    for number, cell in enumerate(notebook.cells[place + 1 :], 1):
        parts = SOLUTION.fullmatch(cell.source)
        assert cell.cell_type == "markdown" and parts, f"not the form of README.md:\n{cell.source}"
        assert int(parts[1]) == number
        found.append(Solution(parts["code"], parts["printed"]))
    return found


each_chapter = pytest.mark.parametrize("chapter", CHAPTERS)


def test_readme_lists_the_chapters_in_order():
    listed = re.findall(r"^\| \[(\d+)\. .*\]\((\w+)\.ipynb\) \|", (FOLDER / "README.md").read_text(), re.M)
    assert [name for _, name in listed] == CHAPTERS
    assert [int(number) for number, _ in listed] == list(range(1, 14))


@each_chapter
def test_opens_with_what_it_shows_and_ends_with_exercises(chapter):
    notebook = read(chapter)
    nbformat.validate(notebook)
    place, count = exercises(notebook)
    first = notebook.cells[0]
    assert first.cell_type == notebook.cells[place].cell_type == "markdown"
    assert re.match(rf"# {int(chapter[:2])}\. \w", first.source), "the first line is '# number. title'"
    assert len(first.source.split("\n", 1)[1].strip()) > 80, "there are sentences on what it shows"
    assert count in (2, 3)
    assert len(solutions(notebook)) == count
    assert "**What you need:** " in first.source


@each_chapter
def test_holds_its_numbers_with_asserts(chapter):
    notebook = read(chapter)
    notebook.cells = notebook.cells[: exercises(notebook)[0] + 1]  # the solutions do not count
    tests = [node for node in ast.walk(ast.parse(source(notebook))) if isinstance(node, ast.Assert)]
    assert len(tests) >= 3
    assert not any(isinstance(node.test, ast.Constant) for node in tests)


@each_chapter
def test_uses_and_mentions_only_public_names(chapter):
    text = "\n".join(cell.source for cell in read(chapter).cells)
    for name, inner in re.findall(r"\bgk\.(\w+)(?:\.(\w+))?", text):
        assert (f"{name}.{inner}" if name in MODULES else name) in PUBLIC


@each_chapter
def test_imports_graphkit_numpy_and_tensorflow_only(chapter):
    for node in ast.walk(ast.parse(source(read(chapter)))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.split(".")[0] in (*IMPORTS, *sys.stdlib_module_names), name


@each_chapter
def test_is_committed_with_clean_outputs(chapter):
    cells = code_cells(read(chapter))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    check_clean(cells)
    for cell in cells:
        streams = [output.get("name") for output in cell.outputs]
        pairs = itertools.pairwise(streams)
        assert not any(one and one == other for one, other in pairs), f"in pieces, from\n{cell.source}"
    kinds = [kind for cell in cells for output in cell.outputs for kind in output.get("data", {})]
    assert "image/png" in kinds or "image/svg+xml" in kinds, "a chapter has a picture"


@pytest.mark.slow
@each_chapter
def test_runs_from_a_fresh_kernel_to_the_committed_outputs(chapter, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parent))
    committed, notebook = read(chapter), read(chapter)
    for cell in code_cells(notebook):
        cell.outputs = []
    solved = solutions(notebook)
    # Each sees what the notebook made, and nothing of the other solutions.
    calls = [f"exec({one.code!r}, dict(globals()))" for one in solved]
    notebook.cells += [nbformat.v4.new_code_cell(call) for call in calls]
    NotebookClient(
        notebook,
        timeout=900,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
        # What TensorFlow's C++ writes about the machine is not an output of a cell; warnings of Python are.
        extra_arguments=["--IPKernelApp.capture_fd_output=False"],
    ).execute()
    check_clean(code_cells(notebook))
    ran = code_cells(notebook)
    own, answers = ran[: len(ran) - len(solved)], ran[len(ran) - len(solved) :]
    for old, new in zip(code_cells(committed), own, strict=True):
        check_alike(old, new)
    for solution, cell in zip(solved, answers, strict=True):
        assert all(output.output_type == "stream" for output in cell.outputs), "a solution prints"
        assert text_of(cell, measured=False) == solution.printed, f"another output of\n{solution.code}"


def check_clean(cells):
    """Asserts that no cell wrote an error or a warning, and that pictures are not empty."""
    for cell in cells:
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", f"{cell.source}\n{output.text}"
            if "image/png" in output.get("data", {}):
                assert np.ptp(pixels(output)) > 0.5, f"an empty picture from\n{cell.source}"


def pixels(output):
    return image.imread(io.BytesIO(base64.b64decode(output.data["image/png"])))


def check_alike(old, new):
    """Asserts that a cell gave its committed output: the same text, pictures of the same size."""
    measured = MEASURED in old.metadata.get("tags", [])
    assert text_of(old, measured) == text_of(new, measured), f"another output of\n{old.source}"
    pictures = [[o for o in cell.outputs if "image/png" in o.get("data", {})] for cell in (old, new)]
    for before, after in zip(*pictures, strict=True):
        sizes = np.array(pixels(before).shape[:2]), np.array(pixels(after).shape[:2])
        np.testing.assert_allclose(*sizes, rtol=SIZES, err_msg=f"another picture from\n{old.source}")


def text_of(cell, measured):
    """Returns what a cell printed; of measured numbers only the words around them."""
    parts = [o.text if o.output_type == "stream" else o.data.get("text/plain", "") for o in cell.outputs]
    text = re.sub(r"<Figure size .*>", "<Figure>", "".join(parts))
    return SPACES.sub(" ", NUMBER.sub("#", text)) if measured else text
