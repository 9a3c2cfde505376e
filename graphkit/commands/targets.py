"""What `summary`, `check`, `plot` and `compare` look at: a run, a model's file, or a function of yours."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import graphkit as gk
from graphkit import checks

HELP = (
    "folder of a run; file of a model (.pb, checkpoint, SavedModel); or FILE.py:FUNCTION, which builds a "
    "network and returns its loss or its outputs"
)
RUN_FILE = "run.json"


class Target(NamedTuple):
    """A network in a graph.

    Attributes:
      name: what was given.
      graph: its graph.
      outputs: tensors, in a run the logits.
      loss: the tensor of its loss, or None where there is none.
      config: the `RunConfig` of a run, or None.
    """

    name: str
    graph: Any
    outputs: Sequence[Any]
    loss: Any = None
    config: Any = None


def is_run(path: str) -> bool:
    return (gk.runs.run_in(path) / RUN_FILE).is_file()


def find(check: checks.Checker, name: str) -> Target:
    """Returns the network that an argument of the command line names."""
    if is_run(name):
        return of_run(name)
    path, colon, function = name.rpartition(":")
    if colon and path.endswith(".py"):
        return of_function(check, name, Path(path), function)
    rule = f"{name} is neither a run's folder, nor the file of a model, nor FILE.py:FUNCTION"
    if not Path(name).exists() and not Path(f"{name}.index").exists():
        raise FileNotFoundError(check.message(rule))
    check.require(not name.endswith(".py"), f"{rule}; of a program, name the function: {name}:FUNCTION")
    model = gk.revive(name)
    return Target(name, model.graph, list(model.outputs.values()))


def of_run(name: str) -> Target:
    config = gk.runs.read_config(name)
    with new_graph() as graph:
        network = gk.runs.build_network(config)
    return Target(name, graph, [network.logits], network.loss, config)


def of_function(check: checks.Checker, name: str, path: Path, function: str) -> Target:
    """Returns what a function of a program builds, which is called in a graph of its own."""
    build = function_of(check, path, function)
    with new_graph() as graph:
        made = build()
    tensors = list(made) if isinstance(made, (tuple, list)) else [made]
    fits = tensors and all(getattr(tensor, "graph", None) is graph for tensor in tensors)
    check.require_type(fits, f"{name} must return tensors that it has built", returned=made)
    losses = [t for t in tensors if t.dtype.is_floating and t.shape.rank == 0]
    return Target(name, graph, tensors, losses[0] if losses else None)


def new_graph() -> Any:
    # Imported here, so that --help does not wait for it.
    return importlib.import_module("tensorflow").Graph().as_default()


def function_of(check: checks.Checker, path: Path, name: str) -> Callable[[], Any]:
    with check.system_errors(f"{path} cannot be read"):
        path.read_bytes()
    spec = importlib.util.spec_from_file_location(path.stem, path)
    check.require(spec is not None and spec.loader is not None, f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]  # required above
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.parent))  # as Python does for a program
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    functions = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
    rule = f"{path} has no function {name}{checks.near(name, functions)}"
    check.require(callable(getattr(module, name, None)), rule)
    return getattr(module, name)
