"""A hook of mkdocs: links inside of the finished site lead to a page, a file or a heading."""

import os
import re
from pathlib import Path
from urllib.parse import unquote, urldefrag

from mkdocs.exceptions import PluginError

LINK = re.compile(r'href="([^"]+)"')
PLACE = re.compile(r'\b(?:id|name)="([^"]+)"')
ELSEWHERE = re.compile(
    r"[a-z]+:|/|#__"
)  # other hosts, the root of the site on the error page, the theme's own


def on_post_build(config):
    """Raises with the links that lead nowhere: mkdocs does not see those that its plugins write."""
    site = Path(config["site_dir"])
    texts = {page: page.read_text(encoding="utf-8") for page in site.rglob("*.html")}
    places = {page: {*PLACE.findall(text)} for page, text in texts.items()}
    links = [(page, link) for page, text in texts.items() for link in {*LINK.findall(text)}]
    wrong = [f"{page.relative_to(site)}: {link}" for page, link in links if not leads(page, link, places)]
    if wrong:
        raise PluginError("links that lead nowhere: " + ", ".join(sorted(wrong)))


def leads(page, link, places):
    """Whether a link of a page leads to something on the site, or is of elsewhere."""
    if ELSEWHERE.match(link):
        return True
    path, heading = urldefrag(link)
    target = Path(os.path.normpath(page.parent / unquote(path))) if path else page
    target = target / "index.html" if target.is_dir() else target
    return target.exists() and (not heading or target not in places or unquote(heading) in places[target])
