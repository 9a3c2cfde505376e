"""Metrics as people read them: numbers, and lines that fit into a terminal."""

from typing import Any

from graphkit import checks


def readable(metrics: dict[str, Any]) -> dict[str, str]:
    """Returns {name: text} of the metrics that are single numbers; matrices are only in the history."""
    return {name: checks.number_text(value) for name, value in metrics.items() if isinstance(value, float)}


def fitting_text(metrics: dict[str, Any], width: int) -> str:
    """Returns the first metrics, as many as fit into a width."""
    text = ""
    for name, value in readable(metrics).items():
        longer = f"{text}  {name} {value}".strip()
        if len(longer) > width:
            break
        text = longer
    return text


def lines_of(heading: str, metrics: dict[str, str], speed: str, width: int) -> str:
    """Returns the line of an epoch: all in one if it fits into the width, else as short as it gets.

    Shorter is a metric with its validation's value, "loss 0.25 (valid 0.31)"; then without the speed. What
    still does not fit is continued below.
    """
    parts = [f"{name} {value}" for name, value in metrics.items()]
    pairs = [
        f"{name} {value}" + (f" (valid {metrics[f'valid_{name}']})" if f"valid_{name}" in metrics else "")
        for name, value in metrics.items()
        if not (name.startswith("valid_") and name.removeprefix("valid_") in metrics)
    ]
    for fields in ([*parts, speed], [*pairs, speed], pairs):
        line = "  ".join([heading, *fields])
        if len(line) <= width:
            return line
    lines, indent = [heading], " " * min(len(heading), 4)
    for field in pairs:
        if len(lines[-1]) + 2 + len(field) <= width:
            lines[-1] += f"  {field}"
        else:
            lines.append(f"{indent}{field}")
    return "\n".join(lines)
