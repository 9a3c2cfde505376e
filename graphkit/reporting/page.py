"""A page of one file that needs no network: sections of tables and pictures, on a screen and on paper."""

import base64
import html
from collections.abc import Sequence
from typing import Any, NamedTuple

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: #1a1a1a;
  background: #fff; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .5rem 0 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; border-bottom: 1px solid #ccc; padding-bottom: .2rem; }
p { margin: .4rem 0; }
.faint { color: #5f5f5f; }
.numbers { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0; padding: 0; list-style: none; }
.numbers li { border: 1px solid #ccc; border-radius: .4rem; padding: .4rem .9rem; }
.numbers b { display: block; font-size: 1.5rem; line-height: 1.3; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { text-align: left; padding: .25rem 1.2rem .25rem 0; border-bottom: 1px solid #e4e4e4;
  vertical-align: top; }
.pairs td { overflow-wrap: anywhere; }
.pairs th { font-weight: 600; }
.row { display: flex; flex-wrap: wrap; gap: 0 1.5rem; }
thead th { color: #5f5f5f; font-weight: 600; white-space: nowrap; }
.number { text-align: right; white-space: nowrap; }
img { max-width: 100%; height: auto; display: block; margin: .5rem 0; }
@media print {
  body { font-size: 10pt; padding: 0; max-width: none; }
  h2 { break-after: avoid; }
  img, tr, .numbers li { break-inside: avoid; }
  img { max-height: 20cm; }
  .row img { max-width: 48%; }
  .scroll { overflow: visible; }
}
@page { margin: 15mm; }
"""


class Table(NamedTuple):
    """Rows of cells; what is not text is a number, which is aligned at the right.

    Attributes:
      rows: the cells of each row.
      head: names of the columns; None where the first cell of each row names it.
    """

    rows: Sequence[Sequence[Any]]
    head: Sequence[str] | None = None


class Picture(NamedTuple):
    """A PNG image.

    Attributes:
      content: the bytes of the file.
      description: what it shows, for those who do not see it.
      width: in pixels of a page, where there is room; None is that of the file.
    """

    content: bytes
    description: str
    width: int | None = None


class Row(NamedTuple):
    """Pictures next to each other where there is room, as on a wide screen.

    Attributes:
      pictures: the pictures, or texts in their place.
    """

    pictures: Sequence[Picture | str]


class Section(NamedTuple):
    """A part of a page.

    Attributes:
      title: its headline.
      parts: paragraphs of text, tables, pictures and rows of pictures.
    """

    title: str
    parts: Sequence[str | Table | Picture | Row]


def render(title: str, subtitle: str, numbers: Sequence[tuple[str, str]], sections: Sequence[Section]) -> str:
    """Returns the page as HTML.

    Args:
      title: of the page.
      subtitle: a line below it.
      numbers: (name, value) of what readers look for first.
      sections: those without parts are left out.
    """
    first = "".join(f"<li>{escaped(name)}<b>{escaped(value)}</b></li>" for name, value in numbers)
    body = [
        f"<h1>{escaped(title)}</h1>",
        f'<p class="faint">{escaped(subtitle)}</p>',
        f'<ul class="numbers">{first}</ul>' if numbers else "",
        *(f"<h2>{escaped(s.title)}</h2>{''.join(map(render_part, s.parts))}" for s in sections if s.parts),
    ]
    head = [
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escaped(title)}</title>",
        f"<style>{STYLE}</style>",
    ]
    lines = ["<!DOCTYPE html>", '<html lang="en">', "<head>", *head, "</head>", "<body>", *body, "</body>"]
    return "\n".join([*filter(None, lines), "</html>\n"])


def render_part(part: str | Table | Picture | Row) -> str:
    if isinstance(part, Row):
        return f'<div class="row">{"".join(map(render_part, part.pictures))}</div>'
    if isinstance(part, Picture):
        data = base64.b64encode(part.content).decode()
        width = f' width="{part.width}"' if part.width else ""
        return f'<img src="data:image/png;base64,{data}" alt="{escaped(part.description)}"{width}>'
    if isinstance(part, str):
        return f"<p>{escaped(part)}</p>"
    if part.head is None:
        rows = [f"<tr><th>{escaped(row[0])}</th>{''.join(map(cell, row[1:]))}</tr>" for row in part.rows]
        return f'<table class="pairs"><tbody>{"".join(rows)}</tbody></table>'
    # A column of numbers has its name at the right, too.
    kinds = [isinstance(item, str) for item in part.rows[0]] if part.rows else [True] * len(part.head)
    names = "".join(
        f"<th>{escaped(name)}</th>" if is_text else f'<th class="number">{escaped(name)}</th>'
        for name, is_text in zip(part.head, kinds, strict=True)
    )
    body = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in part.rows)
    return f'<div class="scroll"><table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table></div>'


def cell(value: Any) -> str:
    if isinstance(value, str):
        return f"<td>{escaped(value)}</td>"
    return f'<td class="number">{escaped(shown(value))}</td>'


def shown(value: Any) -> str:
    """Returns a number as people read it: integers in full, others with four significant digits."""
    if value is None:
        return "–"  # noqa: RUF001, the dash that stands for nothing
    if isinstance(value, int):
        return f"{value:,}"
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.4f}" if abs(value) < 10 else f"{value:,.1f}"
    return f"{value:.3g}"


def escaped(text: object) -> str:
    return html.escape(str(text))
