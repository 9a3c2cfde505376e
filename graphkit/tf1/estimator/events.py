"""Metrics of evaluations, read from the summaries that were written."""

import os
from collections.abc import Iterable

import tensorflow as tf


def metrics_of(files: Iterable[str]) -> dict[int, dict[str, float]]:
    """Returns {global step: {metric: value}} of event files, in the order of the steps."""
    found: dict[int, dict[str, float]] = {}
    for file in sorted(files):
        for event in tf.compat.v1.train.summary_iterator(file):
            values = [one for one in event.summary.value if one.HasField("simple_value")]
            if values:
                found.setdefault(event.step, {}).update({one.tag: one.simple_value for one in values})
    return dict(sorted(found.items()))


def metrics_in(folder: str) -> dict[int, dict[str, float]]:
    """Returns the same of all event files of a folder."""
    files = os.listdir(folder) if os.path.isdir(folder) else []
    return metrics_of(os.path.join(folder, file) for file in files if ".tfevents." in file)
