"""The public names: those of `graphkit/__init__.pyi`, and those of the rooms with names of their own."""

import inspect

import graphkit as gk
from graphkit import diagnosis, inspection, studies

MODULES = [name for name in gk.__all__ if inspect.ismodule(getattr(gk, name))]
TOP = [name for name in gk.__all__ if name not in ("__version__", *MODULES)]
ROOMS = (gk.data, gk.plots, gk.runs, gk.sizes, diagnosis, inspection, studies)


def names_of(module):
    """Returns the public functions and classes of a room; `dir` knows those that are loaded on first use."""
    things = {name: getattr(module, name) for name in dir(module) if not name.startswith("_")}
    listed = getattr(module, "__all__", ())
    return [
        name
        for name, thing in things.items()
        if getattr(thing, "__module__", "").startswith("graphkit" if name in listed else module.__name__)
        and (inspect.isclass(thing) or inspect.isfunction(thing))
        and (not listed or name in listed)
    ]


# {name, without "graphkit.": function or class}; what is public at the top and in a room is here twice.
PUBLIC = {name: getattr(gk, name) for name in TOP}
PUBLIC |= {
    f"{module.__name__.partition('.')[2]}.{name}": getattr(module, name)
    for module in ROOMS
    for name in names_of(module)
}
