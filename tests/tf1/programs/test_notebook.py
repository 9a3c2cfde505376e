"""`%load_ext graphkit.tf1` in a shell and in the kernel of a notebook."""

import sys
import textwrap

import nbformat
import pytest
import tensorflow
from IPython.core.interactiveshell import InteractiveShell
from nbclient import NotebookClient

import graphkit.tf1 as tf

CELLS = [
    "import tensorflow as tf\nprint(tf.__name__)",
    "%load_ext graphkit.tf1",
    """
    import tensorflow as tf
    from tensorflow.layers import Layer
    import tensorflow.compat.v1
    import beside
    print(tf.__name__, Layer.__module__, tensorflow.__name__, beside.tf.__name__)
    """,
    """
    def lazy():
        from tensorflow import layers
        return layers.__name__
    print(lazy())
    """,
    "%unload_ext graphkit.tf1\nimport tensorflow as tf\nprint(tf.__name__)",
]


def test_the_cells_of_a_shell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for prompt in ("ps1", "ps2", "ps3"):  # which a shell leaves behind, as if Python were at a prompt
        monkeypatch.setattr(sys, prompt, "", raising=False)
    shell = InteractiveShell()

    def module_of(cell):
        result = shell.run_cell(cell)
        result.raise_error()
        return shell.user_ns["tf"]

    assert module_of("import tensorflow as tf") is tensorflow
    assert module_of("%load_ext graphkit.tf1\nimport tensorflow as tf") is tf
    assert module_of("from tensorflow.compat import v1 as tf") is tf
    assert module_of("%reload_ext graphkit.tf1\nimport tensorflow as tf") is tf
    assert module_of("%unload_ext graphkit.tf1\nimport tensorflow as tf") is tensorflow


@pytest.mark.slow
def test_the_cells_of_a_notebook(tmp_path):
    (tmp_path / "beside.py").write_text("import tensorflow as tf")
    cells = [nbformat.v4.new_code_cell(textwrap.dedent(cell).strip()) for cell in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    texts = [
        "".join(output.get("text", "") for output in cell.outputs if output.get("name") == "stdout")
        for cell in cells
    ]
    assert texts == [
        "tensorflow\n",
        "",
        "graphkit.tf1 graphkit.tf1.layers.base graphkit.tf1 graphkit.tf1\n",
        "graphkit.tf1.layers\n",
        "tensorflow\n",
    ]
