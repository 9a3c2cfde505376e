"""Runs a TF1 program inside of a test, as `graphkit tf1 run` does in a process of its own."""

import sys
from concurrent.futures import ThreadPoolExecutor

import tensorflow as tf

from graphkit.tf1.programs import running


def run_program(path, *arguments, name="__main__"):
    """Runs a program as `__main__` with these arguments, and returns its names.

    With another name it is imported: what stands below `if __name__ == "__main__":` is not run, and a test
    can call its functions.

    It has a thread of its own, and with it a default graph that `tf.reset_default_graph` may clear. What it
    changed of the process is as before: `sys.argv`, `sys.path`, its modules, its flags and its imports. An
    exit code other than 0 is raised as `SystemExit`.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_run, str(path), [str(value) for value in arguments], name).result()


def _run(path, arguments, name):
    flags = tf.compat.v1.flags.FLAGS
    known = set(flags)
    argv, folders, main, modules = sys.argv, sys.path, sys.modules["__main__"], set(sys.modules)
    imports, program = running.of_file(path, [])
    program.__name__ = name
    try:
        sys.argv, sys.path = [path, *arguments], [imports.folders[0], *sys.path]
        sys.modules[name] = program
        running.execute(program)
    except SystemExit as end:
        if end.code not in (None, 0):
            raise
    finally:
        imports.remove()
        sys.argv, sys.path, sys.modules["__main__"] = argv, folders, main
        for module in set(sys.modules) - modules:
            if imports.is_own_file(getattr(sys.modules[module], "__file__", None) or ""):
                del sys.modules[module]
        for flag in set(flags) - known:
            delattr(flags, flag)
        flags.unparse_flags()
    return vars(program)
