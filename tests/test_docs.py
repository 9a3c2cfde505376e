"""The documentation site: its reference is complete, pages build without a warning, links work."""

import functools
import importlib.util
import json
import re
from pathlib import Path

import tensorflow as tf

import graphkit as gk

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
MODULES = ("data", "plots", "runs", "sizes")


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_has_each_public_name_once():
    pages = "\n".join(path.read_text() for path in DOCS.glob("reference/*.md"))
    shown = re.findall(r"^::: graphkit\.(\S+)$", pages, re.MULTILINE)
    expected = [name for name in gk.__all__ if not name.startswith("_") and name not in MODULES]
    # The names of `gk.data` that are also names of `gk` are shown once, as those.
    expected += [f"data.{name}" for name in vars(gk.data) if is_shown(name)]
    assert sorted(name for name in shown if name not in ("plots", "runs", "sizes")) == sorted(expected)
    assert {"plots", "runs", "sizes"} <= set(shown)


def is_shown(name):
    value = getattr(gk.data, name)
    is_module = isinstance(value, type(gk.data))
    return not (name.startswith("_") or is_module or name in gk.__all__)


def test_the_site_shows_each_notebook_under_its_title():
    pages = (ROOT / "mkdocs.yml").read_text()
    shown = re.findall(r"notebooks/(\d\d_\w+\.ipynb)$", pages, re.MULTILINE)
    assert shown == sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


def test_links_of_the_readme_work_on_an_index_page():
    setup = load(ROOT / "setup.py")
    text = "see [the guide](docs/guide.md), [below](#below) and [TensorFlow](https://tensorflow.org)"
    outside = "[below](#below) and [TensorFlow](https://tensorflow.org)"
    assert setup.for_index(text, None) == f"see the guide, {outside}"
    home = "https://example.org/graphkit"
    assert setup.for_index(text, home) == f"see [the guide]({home}/blob/main/docs/guide.md), {outside}"
    picture = "![two lines\nof text](docs/curves.svg)"
    assert setup.for_index(picture, None) == ""
    assert setup.for_index(picture, home) == f"![two lines\nof text]({home}/raw/main/docs/curves.svg)"
    readme = (ROOT / "README.md").read_text()
    assert setup.LINK.search(readme) and not setup.LINK.search(setup.for_index(readme, None))


def test_notebooks_open_in_colab_once_the_repository_has_an_address(tmp_path):
    colab = load(DOCS / "site" / "colab.py")
    settings = tmp_path / "setup.cfg"
    settings.write_text("[metadata]\nproject_urls =\n    Source = https://github.com/someone/graphkit/\n")
    name = colab.repository(str(settings))
    address = "https://colab.research.google.com/github/someone/graphkit/blob/main/notebooks/01_a.ipynb"
    assert f"({address})" in colab.badge("notebooks/01_a.ipynb", name)
    assert colab.badge("cluster.md", name) == colab.badge("notebooks/01_a.ipynb", None) == ""


# A row of the table in notes_to_code.md: idea, code, chapter.
ROW = re.compile(
    r"^\| .*\| (?P<code>.+) \| \[(?P<number>\d+)\]\(notebooks/(?P<chapter>\w+)\.ipynb\) \|$", re.MULTILINE
)


def test_the_table_of_ideas_names_what_exists_and_what_its_chapter_shows():
    text = (DOCS / "notes_to_code.md").read_text()
    rows = list(ROW.finditer(text))
    assert len(rows) == text.count("](notebooks/"), "a row that is not read"
    assert {int(row["number"]) for row in rows} == set(range(1, 14))
    for row in rows:
        names = re.findall(r"\b(gk|tf|trainer)\.(\w[\w.]*\w)", row["code"])
        assert names, row[0]
        for module, name in names:
            start = {"gk": gk, "tf": tf, "trainer": gk.Trainer}[module]
            assert functools.reduce(getattr, name.split("."), start), name
        (path,) = (ROOT / "notebooks").glob(f"{int(row['number']):02}_*.ipynb")
        assert path.stem == row["chapter"]
        chapter = json.loads(path.read_text())
        source = "\n".join("".join(cell["source"]) for cell in chapter["cells"])
        assert any(f"{module}.{name}" in source for module, name in names), f"not in its chapter: {row[0]}"


def test_ten_mistakes_shows_what_graphkit_says():
    mistakes = load(DOCS / "site" / "mistakes.py")
    page = (DOCS / "ten_mistakes.md").read_text()
    assert re.findall(r"^## (\d+)\. ", page, re.MULTILINE) == [str(number) for number in range(1, 11)]
    said = [found["said"].strip() for found in mistakes.PROGRAM.finditer(page)]
    assert len(said) == 10 and all(said)
    assert mistakes.checked(page) == page, "run python docs/site/mistakes.py"
