"""The notebooks: each runs from a fresh kernel without a warning, and comes out as it was committed."""

import ast
import base64
import io
import itertools
import re
import sys
from pathlib import Path

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


def read(chapter):
    return nbformat.read(FOLDER / f"{chapter}.ipynb", as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def source(notebook):
    """Returns the code of all cells, without magics."""
    lines = "\n".join(cell.source for cell in code_cells(notebook)).split("\n")
    return "\n".join(line for line in lines if not line.startswith("%"))


each_chapter = pytest.mark.parametrize("chapter", CHAPTERS)


def test_readme_lists_the_chapters_in_order():
    listed = re.findall(r"^\| \[(\d+)\. .*\]\((\w+)\.ipynb\) \|", (FOLDER / "README.md").read_text(), re.M)
    assert [name for _, name in listed] == CHAPTERS
    assert [int(number) for number, _ in listed] == list(range(1, 14))


@each_chapter
def test_opens_with_what_it_shows_and_ends_with_exercises(chapter):
    notebook = read(chapter)
    nbformat.validate(notebook)
    first, last = notebook.cells[0], notebook.cells[-1]
    assert first.cell_type == last.cell_type == "markdown"
    assert re.match(rf"# {int(chapter[:2])}\. \w", first.source), "the first line is '# number. title'"
    assert len(first.source.split("\n", 1)[1].strip()) > 80, "there are sentences on what it shows"
    assert last.source.startswith("## Exercises")
    assert len(re.findall(r"^\d\. ", last.source, re.M)) in (2, 3)


@each_chapter
def test_holds_its_numbers_with_asserts(chapter):
    tests = [node for node in ast.walk(ast.parse(source(read(chapter)))) if isinstance(node, ast.Assert)]
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
    NotebookClient(
        notebook,
        timeout=900,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
        # What TensorFlow's C++ writes about the machine is not an output of a cell; warnings of Python are.
        extra_arguments=["--IPKernelApp.capture_fd_output=False"],
    ).execute()
    check_clean(code_cells(notebook))
    for old, new in zip(code_cells(committed), code_cells(notebook), strict=True):
        check_alike(old, new)


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
