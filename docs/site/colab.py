"""Puts a badge that opens it in Colab on each notebook, once setup.cfg names the repository on GitHub."""

import runpy
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

BADGE = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({address})\n\n"
GITHUB = "https://github.com/"
COLAB = "https://colab.research.google.com/github/{name}/blob/main/{path}"


def repository(path: str = str(ROOT / "setup.cfg")) -> str | None:
    """Returns "owner/name" of the repository on GitHub that `project_urls` gives as Source, or None."""
    found = runpy.run_path(str(ROOT / "setup.py"))["source"](path) or ""
    return found.removeprefix(GITHUB) if found.startswith(GITHUB) else None


REPOSITORY = repository()


def badge(path: str, name: str | None) -> str:
    """Returns the badge of a file of the repository; "" if it is not a notebook, or has no address."""
    if name is None or not path.endswith(".ipynb"):
        return ""
    return BADGE.format(address=COLAB.format(name=name, path=path))


def on_page_markdown(markdown: str, *, page: Any, **others: Any) -> str:
    return badge(page.file.src_uri, REPOSITORY) + markdown
