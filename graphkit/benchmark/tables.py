"""What a benchmark shows: tables, ratios, a picture and a file of numbers."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from graphkit import checks
from graphkit.benchmark.comparing import CONTENDERS
from graphkit.plots import figures

# What the lines below a table compare: {text: time of a row}.
COMPARED: dict[str, Callable[[dict], float]] = {
    "time": lambda row: row["us"],
    "time to the first step": lambda row: row["first_step"],
    "time of a prediction": lambda row: 1 / row["predicted"],
}


def show(model: str, rows: Mapping[str, dict]) -> None:
    """Prints the table of one model, and graphkit's ratios below it."""
    measured = {name: row for name, row in rows.items() if "us" in row}
    base = next((row["us"] for row in measured.values()), None)
    print(
        f"\n{model:22}{'us/step':>10}{'ratio':>8}{'of peak':>9}{'step 1 s':>10}{'epoch 1 s':>11}"
        f"{'predict/s':>11}{'MiB':>8}{'accuracy':>10}{'weights':>12}"
    )
    for name, row in rows.items():
        if name in measured:
            print(
                f"{name:22}{row['us']:>10,.0f}{row['us'] / base:>8.3f}{row['peak_fraction']:>9.1%}"
                f"{row['first_step']:>10.2f}{row['first']:>11.2f}{row['predicted']:>11,.0f}"
                f"{row['peak']:>8,.0f}{row['accuracy']:>10.4f}{row['weights']:>12,}"
            )
        if "failed" in row:
            after = f" after {row['rounds']} of its rounds" if name in measured else ""
            print(f"{name:22}failed{after}: {row['failed']}")
    if "graphkit" in measured:
        for text, time_of in COMPARED.items():
            show_ratios(text, time_of, measured)
    sys.stdout.flush()


def show_ratios(text: str, time_of: Callable[[dict], float], rows: Mapping[str, dict]) -> None:
    ratios = [
        f"{library} {time_of(rows['graphkit']) / min(time_of(rows[name]) for name in names):.3f}"
        for library, names in by_library(rows).items()
        if library != "graphkit"
    ]
    if ratios:
        print(f"graphkit's {text} to the best of {', '.join(ratios)}")


def by_library(names: Iterable[str]) -> dict[str, list[str]]:
    """Returns {library: names of its contenders}."""
    libraries: dict[str, list[str]] = {}
    for name in names:
        libraries.setdefault(CONTENDERS[name].library, []).append(name)
    return libraries


def write(results: dict, path: str | os.PathLike[str]) -> None:
    """Writes the results so that the file is always complete."""
    path = Path(path)
    new = path.with_name(f"{path.name}.new")
    new.write_text(json.dumps(results, indent=1))
    os.replace(new, path)


def plot(results: Mapping[str, dict], path: str | os.PathLike[str]) -> None:
    """Draws the times of a step as bars, a panel for each model."""
    with figures.drawing(checks.Checker("benchmark"), 4.2 * len(results), 4) as figure:
        axes = figures.panels(figure, len(results), 1, len(results))
        for axis, (model, rows) in zip(axes, results.items(), strict=True):
            rows = {name: row for name, row in rows.items() if "us" in row}
            is_ours = [CONTENDERS[name].library == "graphkit" for name in rows]
            colors = [figures.COLORS[0] if ours else figures.FAINT for ours in is_ours]
            times = [row["us"] / 1e3 for row in rows.values()]
            bars = axis.barh(list(rows), times, color=colors)
            labels = [f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in times]
            axis.bar_label(bars, labels, padding=3)
            axis.margins(x=0.18)
            axis.invert_yaxis()
            axis.set(title=model, xlabel="ms per step (less is better)")
    figure.savefig(path, dpi=120)
