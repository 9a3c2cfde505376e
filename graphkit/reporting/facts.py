"""The facts of a run that are not its settings: versions, processor, kernels, git commit, date, command."""

import datetime
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import _version
from graphkit.running import kernels

GIT_SECONDS = 10  # a repository on a slow disk must not hold up a training


def of_process() -> dict[str, Any]:
    """Returns what this process computes with, as JSON: {fact: text, number, list or bool}.

    `git_commit` is that of the checkout in which the program, or else the working directory, is; None outside
    of one. `git_changes` says whether tracked files differed from it.
    """
    commit, changes = git_state()
    return {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": shlex.join(sys.orig_argv),
        "folder": os.getcwd(),
        "git_commit": commit,
        "git_changes": changes,
        "graphkit": _version.__version__,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": processor(),
        "cores": cores(),
        "gpus": gpus(),
        "onednn_kernels": kernels.onednn_kernels(),
    }


def processor() -> str:
    """Returns the processor's name as the system states it, such as "AMD EPYC 7B13"."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus() -> list[str]:
    devices = tf.config.list_physical_devices("GPU")
    details = (tf.config.experimental.get_device_details(device) for device in devices)
    return [found.get("device_name", "unknown") for found in details]


def git_state() -> tuple[str | None, bool | None]:
    """Returns the commit of the program's checkout and whether files differ from it, or None twice."""
    program = getattr(sys.modules["__main__"], "__file__", None)
    folders = [Path(program).resolve().parent] if program else []
    for folder in [*folders, Path.cwd()]:
        # The name of no tag is that of all: the complete hash is described, with what has changed.
        command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude", "*"]
        try:
            run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=GIT_SECONDS)
        except (OSError, subprocess.SubprocessError):  # no git, or it hangs
            return None, None
        if run.returncode == 0:
            commit, _, dirty = run.stdout.strip().partition("-")
            return commit, bool(dirty)
    return None, None
