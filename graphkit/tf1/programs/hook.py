"""The imports of a TF1 program: in its own files, `import tensorflow` finds `graphkit.tf1`.

Its own files are those below its folder, without installed packages. Python's `__import__` is asked by each
import statement, with the names of the module in which it stands, so nothing needs to be rewritten: sources,
line numbers, bytecode and `sys.modules` stay as they are, and libraries find TensorFlow.
"""

import builtins
import functools
import importlib
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from multiprocessing import spawn
from types import ModuleType
from typing import Any

import graphkit
from graphkit.tf1 import overlay
from graphkit.tf1.programs import names

LIBRARIES = ("site-packages", "dist-packages")
OWN = os.path.realpath(os.path.dirname(graphkit.__file__))


class Hook:
    """Lets the imports of a program find `graphkit.tf1`, until `remove` is called.

    Args:
      folders: where the program's own files are.
      cells: names of a notebook's cells, which belong to the program although no file does.
    """

    def __init__(self, folders: Iterable[str], cells: Mapping[str, Any] | None = None) -> None:
        self.folders = [os.path.realpath(folder) for folder in folders]
        self.cells = cells
        self.import_statement = builtins.__import__
        self.import_module = importlib.import_module
        self.preparation_data = spawn.get_preparation_data
        self.is_own_file = functools.cache(self._is_own_file)
        self.is_removed = False
        builtins.__import__ = self._import_statement
        importlib.import_module = self._import_module
        spawn.get_preparation_data = self._preparation_data

    def remove(self) -> None:
        """Imports are Python's again; what has been imported stays."""
        self.is_removed = True  # where another hook was installed after this one, that one is left alone
        if builtins.__import__ == self._import_statement:
            builtins.__import__ = self.import_statement
        if importlib.import_module == self._import_module:
            importlib.import_module = self.import_module
        if spawn.get_preparation_data == self._preparation_data:
            spawn.get_preparation_data = self.preparation_data

    def is_own(self, module: Mapping[str, Any]) -> bool:
        """Whether a module is the program's, given its names."""
        if self.is_removed:
            return False
        file = module.get("__file__")
        return module is self.cells or (file is not None and self.is_own_file(file))

    def _is_own_file(self, file: str) -> bool:
        path = os.path.realpath(file)
        if is_below(path, OWN):
            return False
        inner = [os.path.relpath(path, folder) for folder in self.folders if is_below(path, folder)]
        return any(not set(LIBRARIES) & set(part.split(os.sep)) for part in inner)

    def _import_statement(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        caller = sys._getframe(1).f_globals if globals is None else globals  # None: a call of __import__
        if level == 0 and is_replaced(name) and self.is_own(caller):
            module = find(name)
            if fromlist:
                return with_names(module, name, fromlist)
            return find(name.partition(".")[0])
        return self.import_statement(name, globals, locals, fromlist, level)

    def _import_module(self, name: str, package: str | None = None) -> ModuleType:
        if is_replaced(name) and self.is_own(sys._getframe(1).f_globals):
            return find(name)
        return self.import_module(name, package)

    def _preparation_data(self, name: str) -> dict[str, Any]:
        """What `multiprocessing` sends to a process that it starts, which will import the program again."""
        return {**self.preparation_data(name), "graphkit": Child(self.folders)}


class Child:
    """Installs the hook in a process of `multiprocessing`, when it is unpickled there."""

    def __init__(self, folders: Sequence[str]) -> None:
        self.folders = folders

    def __reduce__(self) -> tuple[Any, ...]:
        return Hook, (self.folders,)


def is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)


def is_replaced(name: str) -> bool:
    return name.startswith(("tensorflow.", "tf_slim.")) or name in ("tensorflow", "tf_slim")


def new_name(name: str) -> str:
    """Returns the place in graphkit of a module of TensorFlow 1, such as "tensorflow.contrib.slim"."""
    return overlay.PACKAGE + names.full_name(name).removeprefix("tf")


@functools.cache
def find(name: str) -> ModuleType:
    """Returns the module that a TF1 program imports by a name such as "tensorflow.contrib.slim".

    Raises:
      ModuleNotFoundError: there is no such module; says what to use in its place.
    """
    new = new_name(name)
    try:
        return importlib.import_module(new)
    except ModuleNotFoundError as error:
        if not f"{new}.".startswith(f"{error.name}."):
            raise
    # Such as tf.train, a namespace of TensorFlow that this package does not touch.
    try:
        found = overlay.attribute(sys.modules[overlay.PACKAGE], new[len(overlay.PACKAGE) + 1 :])
    except AttributeError as error:
        raise ModuleNotFoundError(str(error), name=name) from None
    if not isinstance(found, ModuleType) and ".python." in name and name.startswith("tensorflow.contrib."):
        # A private module that is named as what it defines, such as contrib.framework.python.ops.arg_scope.
        return find(name.rpartition(".python.")[0])
    if not isinstance(found, ModuleType):
        raise ModuleNotFoundError(f"{name} is not a module; write import tensorflow", name=name)
    return found


def with_names(module: ModuleType, name: str, fromlist: Sequence[str]) -> ModuleType:
    """Returns a module that has what is imported from it, or all of its names for `*`."""
    if "*" in fromlist:
        every = ModuleType(module.__name__)
        for public in dir(module):
            if not public.startswith("_") and hasattr(module, public):
                setattr(every, public, getattr(module, public))
        return every
    for wanted in fromlist:
        try:
            getattr(module, wanted)
        except AttributeError as error:
            if overlay.is_special(wanted):  # pickle asks for __doc__
                continue
            try:
                find(f"{name}.{wanted}")  # a module that has not been imported
            except ModuleNotFoundError:
                raise ImportError(str(error), name=name) from None
    return module
