"""Running a TF1 program as `python program.py args` would, with the imports of `hook`."""

import builtins
import importlib.util
import io
import itertools
import os
import sys
import sysconfig
import types
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path

from graphkit import checks
from graphkit.tf1.programs import advice, hook, sources


def run(program: str, arguments: Sequence[str], *, is_module: bool = False, own: Sequence[str] = ()) -> int:
    """Runs a program in this process, which is left as the program leaves it; returns the exit code.

    Args:
      program: path of a file, or the name of a module as for `python -m`.
      arguments: the program's arguments.
      is_module: whether `program` is the name of a module.
      own: further folders whose modules are the program's.

    Raises:
      SystemExit, KeyboardInterrupt: the program ended so.
      OSError, ModuleNotFoundError: the program cannot be read.
    """
    if is_module:
        set_first_folder(os.getcwd())
        imports, main = of_module(program, own)
    else:
        imports, main = of_file(program, own)
        set_first_folder(imports.folders[0])
    assert main.__file__ is not None
    sys.argv = [main.__file__ if is_module else program, *arguments]
    sys.modules["__main__"] = main
    try:
        execute(main)
    except SystemExit:
        raise
    except KeyboardInterrupt as error:
        show, trace = sys.excepthook, without_own_frames(error.__traceback__)
        sys.excepthook = lambda kind, value, _: show(kind, value.with_traceback(trace), trace)
        raise  # Python ends the process as by the signal
    except BaseException as error:
        trace = without_own_frames(error.__traceback__)
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        for line in advice.after(error, trace, imports.is_own_file):
            print(line, file=sys.stderr)
        return 1
    return 0


def set_first_folder(folder: str) -> None:
    """Puts a folder where Python puts that of a program, in place of graphkit's."""
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = folder


def execute(main: types.ModuleType) -> None:
    path = str(main.__file__)
    exec(compile(Path(path).read_bytes(), path, "exec", dont_inherit=True), vars(main))


def of_file(path: str, own: Sequence[str]) -> tuple[hook.Hook, types.ModuleType]:
    """Returns the hook of a program and its module, before it is executed."""
    sources.refuse_notebook(path)
    full = os.path.abspath(path)
    with io.open_code(full):  # an error here is the user's, not the program's
        pass
    main = types.ModuleType("__main__")
    main.__file__, main.__loader__ = full, SourceFileLoader("__main__", full)
    vars(main).update(__builtins__=builtins, __cached__=None, __annotations__={})
    return hook.Hook([os.path.dirname(os.path.realpath(full)), *own]), main


def of_module(name: str, own: Sequence[str]) -> tuple[hook.Hook, types.ModuleType]:
    """Returns the hook of a module and the module as `__main__`, before it is executed."""
    check = checks.Checker("run")
    top = importlib.util.find_spec(name.partition(".")[0])
    if top is None or top.origin is None or not top.has_location:
        raise ModuleNotFoundError(check.message("no Python source of this module is found", module=name))
    folder, is_package = os.path.dirname(top.origin), top.submodule_search_locations is not None
    above = os.path.dirname(folder) if is_package else folder
    folder = folder if os.path.basename(above) in hook.LIBRARIES else above
    if folder == sysconfig.get_path("stdlib"):
        folder = os.getcwd()  # a tool such as cProfile, which runs a program
    imports = hook.Hook([folder, os.getcwd(), *own])  # packages above the module are imported to find it
    found = importlib.util.find_spec(name)
    if found is not None and found.submodule_search_locations is not None:
        found = importlib.util.find_spec(f"{name}.__main__")
    if found is None or found.origin is None:
        raise ModuleNotFoundError(check.message("no Python source of this module is found", module=name))
    main = types.ModuleType("__main__")
    main.__file__, main.__spec__, main.__loader__ = found.origin, found, found.loader
    vars(main).update(__builtins__=builtins, __cached__=found.cached, __annotations__={})
    main.__package__ = found.parent
    return imports, main


def without_own_frames(trace: types.TracebackType | None) -> types.TracebackType | None:
    """Returns a traceback as `python program.py` would print it."""
    kept = [
        step for step in steps(trace) if step.tb_frame.f_code.co_filename not in (__file__, hook.__file__)
    ]
    for step, following in itertools.zip_longest(kept, kept[1:]):
        step.tb_next = following
    return kept[0] if kept else None


def steps(trace: types.TracebackType | None) -> list[types.TracebackType]:
    found = []
    while trace is not None:
        found.append(trace)
        trace = trace.tb_next
    return found
