"""`graphkit tf1 check`: what of a program is gone, what `graphkit.tf1` has of it, and how much will run."""

import collections
import shutil
import textwrap
from collections.abc import Sequence
from typing import Any

import tensorflow

import graphkit
from graphkit.tf1.programs import sources, symbols

COMMON = 25  # symbols that graphkit.tf1 has, in the table


def report(path: str) -> dict[str, Any]:
    """Returns the report on a file, or on the Python files of a folder, as it is written with `--json`.

    `summary` holds counts, and whether all is covered; `symbols` has a row for each symbol that is gone:
    uses, files, whether graphkit.tf1 covers it, what to use instead; `files` the lines of each file. A
    file runs if graphkit.tf1 covers its symbols, and nothing of it is left over from Python 2 or NumPy 1.

    Raises:
      OSError: a file cannot be read.
    """
    files = [of_file(sources.read(file)) for file in sources.files(path)]
    uses = [(use["symbol"], file["path"], use) for file in files for use in file["gone"]]
    leftovers = [leftover for file in files for leftover in file["leftovers"]]
    with_tensorflow = [file for file in files if file["uses_tensorflow"]]
    return {
        "graphkit": graphkit.__version__,
        "tensorflow": tensorflow.__version__,
        "summary": {
            "files": len(files),
            "files_with_tensorflow": len(with_tensorflow),
            "files_with_gone_symbols": sum(bool(file["gone"]) for file in files),
            "files_that_run": sum(file["runs"] for file in with_tensorflow),
            "files_that_run_after_upgrade": sum(file["runs_after_upgrade"] for file in with_tensorflow),
            "uses_of_gone_symbols": len(uses),
            "uses_covered": sum(use["covered"] for _, _, use in uses),
            "leftovers": len(leftovers),
            "leftovers_upgraded": sum(leftover["upgraded"] for leftover in leftovers),
            "covered": all(file["runs"] for file in files),
        },
        "symbols": table_of(uses),
        "files": files,
    }


def of_file(source: sources.Source) -> dict[str, Any]:
    gone = [
        {
            "line": use.node.lineno,
            "symbol": symbol.name,
            "covered": symbol.in_bridge,
            "instead": symbol.instead,
        }
        for use, symbol in symbols.gone(source)
    ]
    found = sorted([*source.syntax, *source.leftovers], key=lambda finding: finding.line)
    leftovers = [
        {"line": finding.line, "message": finding.message, "upgraded": bool(finding.edits)}
        for finding in found
    ]
    covered = all(use["covered"] for use in gone)
    return {
        "path": source.path,
        "uses_tensorflow": symbols.is_of_tensorflow(source),
        "runs": covered and not leftovers,
        "runs_after_upgrade": covered and all(leftover["upgraded"] for leftover in leftovers),
        "gone": gone,
        "leftovers": leftovers,
    }


def table_of(uses: Sequence[tuple[str, str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Returns a row for each symbol: those that are missing first, then by how often they are used."""
    counts = collections.Counter(symbol for symbol, _, _ in uses)
    files = collections.Counter(symbol for symbol, _ in {(symbol, path) for symbol, path, _ in uses})
    first = {symbol: use for symbol, _, use in reversed(uses)}
    rows = [
        {
            "symbol": symbol,
            "uses": counts[symbol],
            "files": files[symbol],
            "covered": use["covered"],
            "instead": use["instead"],
        }
        for symbol, use in first.items()
    ]
    return sorted(rows, key=lambda row: (row["covered"], -row["uses"], row["symbol"]))


def text_of(found: dict[str, Any]) -> str:
    """Returns a report as a text for people."""
    width = min(max(shutil.get_terminal_size((100, 24)).columns, 60), 100)
    parts = [table_text(found["symbols"], width), *(file_text(file, width) for file in found["files"])]
    return "\n\n".join([*filter(None, parts), summary_text(found)])


def table_text(rows: list[dict[str, Any]], width: int) -> str:
    if not rows:
        return ""
    missing, covered = [row for row in rows if not row["covered"]], [row for row in rows if row["covered"]]
    shown = [*missing, *covered[:COMMON]]
    wide = min(max(len("gone from tf.compat.v1"), *(len(row["symbol"]) for row in shown)), width - 34)
    lines = [f"{'gone from tf.compat.v1':{wide}}  {'uses':>5}  {'files':>5}  in graphkit.tf1"]
    for row in shown:
        counts = f"{row['uses']:5}  {row['files']:5}"
        lines.append(
            f"{shortened(row['symbol'], wide):{wide}}  {counts}  {'yes' if row['covered'] else 'MISSING'}"
        )
    if len(covered) > COMMON:
        lines.append(f"... and {len(covered) - COMMON} more that graphkit.tf1 has (--json lists all)")
    return "\n".join(lines)


def shortened(name: str, width: int) -> str:
    return name if len(name) <= width else "..." + name[3 - width :]


def file_text(file: dict[str, Any], width: int) -> str:
    """Returns what has to be done in a file, "" if nothing."""
    found = [(leftover["line"], leftover["message"]) for leftover in file["leftovers"]]
    for use in file["gone"]:
        if not use["covered"]:
            advice = f"; {use['instead']}" if use["instead"] else ""
            found.append((use["line"], f"{use['symbol']} is missing in graphkit.tf1{advice}"))
    lines = [file["path"]]
    for line, message in sorted(found):
        lines += textwrap.wrap(message, width, initial_indent=f"{line:6}  ", subsequent_indent=" " * 8)
    return "\n".join(lines) if found else ""


def summary_text(found: dict[str, Any]) -> str:
    summary = found["summary"]
    files, gone, leftovers = (
        summary[name] for name in ("files_with_tensorflow", "uses_of_gone_symbols", "leftovers")
    )
    return "\n".join(
        [
            f"files that use TensorFlow       {fraction(files, summary['files'])}",
            f"  and symbols that are gone     {fraction(summary['files_with_gone_symbols'], files)}",
            f"uses of gone symbols            {gone:5}",
            f"  that graphkit.tf1 has         {fraction(summary['uses_covered'], gone)}",
            f"leftovers of Python and NumPy   {leftovers:5}",
            f"  that upgrade edits            {fraction(summary['leftovers_upgraded'], leftovers)}",
            f"files that run                  {fraction(summary['files_that_run'], files)}",
            f"  after graphkit tf1 upgrade    {fraction(summary['files_that_run_after_upgrade'], files)}",
        ]
    )


def fraction(part: int, total: int) -> str:
    return f"{part:5} of {total}" + (f" ({100 * part // total}%)" if total else "")
