"""Settings are in setup.cfg; this fits the README to an index page, which has no files of the repository.

Links to files lead to the repository if `project_urls` in setup.cfg names a Source, and else become text.
"""

import configparser
import re
from pathlib import Path

import setuptools

LINK = re.compile(r"(!?)\[([^\]]+)\]\((?!https?://|#)([^)\s]+)\)")  # or a picture


def source(path: str = "setup.cfg") -> str | None:
    """Returns the address of the repository, or None."""
    settings = configparser.ConfigParser()
    settings.read(path, encoding="utf-8")
    urls = settings.get("metadata", "project_urls", fallback="")
    pairs = (line.partition("=") for line in urls.splitlines())
    return next((url.strip().rstrip("/") for name, _, url in pairs if name.strip() == "Source"), None)


def for_index(readme: str, home: str | None) -> str:
    """Returns the README with links and pictures that work anywhere."""

    def replaced(match: re.Match[str]) -> str:
        picture, text, path = match.groups()
        if home is None:
            return "" if picture else text
        return f"{picture}[{text}]({home}/{'raw' if picture else 'blob'}/main/{path})"

    return LINK.sub(replaced, readme)


if __name__ == "__main__":
    text = for_index(Path("README.md").read_text(encoding="utf-8"), source())
    setuptools.setup(long_description=text, long_description_content_type="text/markdown")
