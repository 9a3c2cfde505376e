"""How TensorFlow starts in a program that imports graphkit first: with oneDNN's kernels, and quietly."""

import contextlib
import faulthandler
import importlib.abc
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
LEVEL = "TF_CPP_MIN_LOG_LEVEL"
SEVERITIES = "IWE"  # of log lines that a level of 1, 2 or 3 hides; fatal ones are always shown
# Such as "I0000 00:00:1795777457.024182   31216 port.cc:153] text"; TensorFlow 2.16 has the date in front.
LOG_LINE = re.compile(r"(?:[\d-]{10} [\d:.]+: )?([IWEF])(?:\d{4} [\d:.]+ +\d+)? \S+:\d+\] ")
HEADING = "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR"


def prepare() -> None:
    """Sets TensorFlow's environment variables that the user has not set, unless it has been imported."""
    if "tensorflow" in sys.modules:
        return
    if has_onednn():
        os.environ.setdefault(ONEDNN, "1")
    os.environ.setdefault(LEVEL, "3")
    if log_level() > 0:
        sys.meta_path.insert(0, QuietFinder())


def has_onednn() -> bool:
    """Whether TensorFlow for this system has kernels of oneDNN, and they were measured to be faster."""
    return platform.machine().lower() in ("x86_64", "amd64") and sys.platform in ("linux", "win32")


def log_level() -> int:
    """Returns the lowest severity that TensorFlow is to log; text that is not a number is 0, as for it."""
    text = os.environ.get(LEVEL, "")
    return int(text) if text.isdecimal() else 0


class QuietFinder(importlib.abc.MetaPathFinder):
    """Finds TensorFlow as the other finders do, and has it imported quietly."""

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "tensorflow":
            return None
        others = [finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec")]
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is not None and spec.loader is not None:
            spec.loader = QuietLoader(self, spec.loader)
        return spec


class QuietLoader(importlib.abc.Loader):
    """Loads a module as its loader does, in a block of `filtered_stderr`."""

    def __init__(self, finder: QuietFinder, loader: Any) -> None:
        self.finder, self.loader = finder, loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if self.finder in sys.meta_path:
            sys.meta_path.remove(self.finder)
        module.__loader__ = self.loader
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        with filtered_stderr():
            self.loader.exec_module(module)


@contextlib.contextmanager
def filtered_stderr() -> Iterator[None]:
    """In a block, drops the log lines below TensorFlow's level that are written to the error stream.

    While TensorFlow's libraries are loaded, they log before they have read the level
    (https://github.com/tensorflow/tensorflow/issues/100442), past Python's `sys.stderr`. All other lines, and
    all of them if the block fails, follow at its end.
    """
    with contextlib.ExitStack() as stack:
        try:
            kept = os.dup(2)
        except OSError:  # a process without an error stream
            yield
            return
        stack.callback(os.close, kept)
        held = stack.enter_context(tempfile.TemporaryFile())
        if not faulthandler.is_enabled():
            # What TensorFlow says before it aborts would be lost: at least the line where it did is shown.
            faulthandler.enable(kept)
            stack.callback(faulthandler.disable)
        os.dup2(held.fileno(), 2)
        level = log_level()
        try:
            yield
        except BaseException:
            level = 0
            raise
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(kept, 2)
            held.seek(0)
            for line in held:
                if is_wanted(line.decode(errors="replace"), level):
                    os.write(2, line)


def is_wanted(line: str, level: int) -> bool:
    """Whether a line is to be shown: it is not a log line of TensorFlow, or not below the level."""
    if level and line.strip() == HEADING:
        return False
    match = LOG_LINE.match(line)
    return match is None or match[1] not in SEVERITIES[:level]
