"""Puts a badge that opens it in Colab on each notebook, once setup.cfg names the repository on GitHub."""

import configparser
from typing import Any

BADGE = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({address})\n\n"
GITHUB = "https://github.com/"
COLAB = "https://colab.research.google.com/github/{name}/blob/main/{path}"


def repository(path: str = "setup.cfg") -> str | None:
    """Returns "owner/name" of the repository on GitHub that `project_urls` gives as Source, or None."""
    settings = configparser.ConfigParser()
    settings.read(path, encoding="utf-8")
    urls = settings.get("metadata", "project_urls", fallback="")
    pairs = (line.partition("=") for line in urls.splitlines())
    found = next((url.strip() for name, _, url in pairs if name.strip() == "Source"), "")
    return found.removeprefix(GITHUB).rstrip("/") if found.startswith(GITHUB) else None


def badge(path: str, name: str | None) -> str:
    """Returns the badge of a file of the repository; "" if it is not a notebook, or has no address."""
    if name is None or not path.endswith(".ipynb"):
        return ""
    return BADGE.format(address=COLAB.format(name=name, path=path))


def on_page_markdown(markdown: str, *, page: Any, **others: Any) -> str:
    return badge(page.file.src_uri, repository()) + markdown
