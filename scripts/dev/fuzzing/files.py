"""Targets that read damaged files."""

from pathlib import Path

from fuzzing import array_files, model_files, picture_files, run_files


def targets(folder):
    """Returns the targets that read files; their valid checkpoints are made in the folder first."""
    for name in ("checkpoint", "run"):
        Path(folder, name).mkdir(exist_ok=True)
    made = [
        *array_files.targets(),
        *model_files.targets(),
        *picture_files.targets(),
        *run_files.targets(Path(folder, "checkpoint"), Path(folder, "run")),
    ]
    return {target.name: target for target in made}
