"""Holds the import directions of the design, read from the sources."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "graphkit"

# What the modules of a room may import from graphkit beside their own room; a room is a folder or a file.
ALLOWED = {
    "graphkit": "_version startup",
    "_version": "",
    "startup": "",
    "checks": "",
    "graph": "checks",
    "sizes": "checks",
    "data": "checks sizes",
    "nn": "checks graph sizes",
    "models": "checks nn",
    "inspection": "checks graph sizes nn",
    "running": "checks startup graph data nn",
    "checkpoints": "checks graph nn running",
    "diagnosis": "checks graph data nn running",
    "plots": "checks sizes data inspection",
    "exports": "_version checks graph nn running",
    "train": "checks graph data nn inspection running checkpoints diagnosis exports",
    "cluster": "checks graph data nn running train",
    "tf1": "checks graph data nn inspection running checkpoints train",
    "revival": "checks graph nn running checkpoints",
    "comparison": "checks graph nn running checkpoints train",
    "transcription": "_version checks graph inspection running train",
    "benchmark": "checks sizes cluster plots",
    "commands": "checks tf1 benchmark reporting",
    "__main__": "commands",
    "studies": "checks graph data nn running diagnosis train",
    "reporting": "_version checks graph data nn inspection running checkpoints plots train",
    "run_data": "checks data nn",
    "run_config": "checks data running checkpoints train reporting run_data",
    "runs": "checks data nn models running checkpoints train reporting run_data run_config",
}
WITHOUT_TENSORFLOW = [f"graphkit.{name}" for name in ("_version", "startup", "checks", "sizes", "data")]
WITHOUT_TENSORFLOW += [f"graphkit.cluster.{n}" for n in ("programs", "launching", "isolation", "schedulers")]
FORBIDDEN = ("tensorflow.python", "tf_keras", "tf.keras", "keras.layers", "pickle", "tf.contrib")


def module_name(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


# Programs that train with other libraries, in processes without graphkit; they are none of its modules.
PROGRAMS = ROOT / "benchmark" / "contenders"
MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py")) if PROGRAMS not in path.parents}


def is_name(node, name):
    return isinstance(node, ast.Name) and node.id == name


def imports(path):
    """Yields (full name of what is imported, whether it is imported at the top level)."""
    tree = ast.parse(path.read_text())
    for_types = [
        node for node in tree.body if isinstance(node, ast.If) and is_name(node.test, "TYPE_CHECKING")
    ]
    top = [*tree.body, *(node for block in for_types for node in block.body)]
    for node in ast.walk(tree):
        at_top = node in top
        if isinstance(node, ast.Import):
            yield from ((alias.name, at_top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from ((f"{node.module}.{alias.name}", at_top) for alias in node.names)


def home(name):
    """Returns the graphkit module that an imported name is, or is defined in."""
    while name not in MODULES:
        name = name.rsplit(".", 1)[0]
    return name


def own_imports(name):
    found = {home(full) for full, _ in imports(MODULES[name]) if full.split(".")[0] == "graphkit"}
    return found - {"graphkit"} if name != "graphkit" else found


def is_inside(name, package):
    return name == package or name.startswith(package + ".")


def room(name):
    """Returns the room of a module: the first part of its name after the package's."""
    return name.split(".")[1] if "." in name else name


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_one_way(name):
    assert room(name) in ALLOWED, f"{name} has no place in the design"
    allowed = {room(name), *ALLOWED[room(name)].split()}
    upwards = {imported for imported in own_imports(name) if room(imported) not in allowed}
    assert not upwards, f"{name} imports {sorted(upwards)}"


@pytest.mark.parametrize("name", MODULES)
def test_no_function_local_imports(name):
    assert [full for full, at_top in imports(MODULES[name]) if not at_top] == []


@pytest.mark.parametrize("name", [n for n in MODULES if any(is_inside(n, p) for p in WITHOUT_TENSORFLOW)])
def test_data_and_sizes_do_without_tensorflow(name):
    assert not [full for full, _ in imports(MODULES[name]) if full.split(".")[0] in ("tensorflow", "keras")]


def dotted_names(path):
    """Yields every name that the code imports or spells out, such as tf.compat.v1.Session."""
    yield from (full for full, _ in imports(path))
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node)


@pytest.mark.parametrize("name", MODULES)
def test_only_public_tensorflow(name):
    wrong = [n for n in dotted_names(MODULES[name]) if n.startswith(FORBIDDEN)]
    assert not wrong, f"{name} uses {wrong}"


def test_order_inside_nn():
    order = ["scopes", "tensors", "inputs", "variables", "initializers", "counter_random", "activations"]
    order += ["data_formats", "windows", "bias", "convolutions", "transposed_convolutions"]
    order += ["separable_convolutions", "pooling", "normalization", "batch_renormalization", "dense"]
    order += ["dropout", "recurrent_cells", "recurrent", "losses", "metrics"]
    order += ["regression_metrics", "ranking_metrics", "attention", "beams", "blocks"]
    for place, name in enumerate(order):
        later = {f"graphkit.nn.{other}" for other in order[place + 1 :]}
        assert not own_imports(f"graphkit.nn.{name}") & later


def test_the_trainer_does_not_know_what_reaches_it_by_callbacks():
    for name in ("trainer", "open_graph", "fitting", "building", "state"):
        known = {room(imported) for imported in own_imports(f"graphkit.train.{name}")}
        assert not known & {"diagnosis", "studies"}


def test_no_circles():
    waiting, done = {name: own_imports(name) for name in MODULES}, set()
    while waiting:
        free = [name for name, needed in waiting.items() if needed - {name} <= done]
        assert free, f"a circle among {sorted(waiting)}"
        done.update(free)
        for name in free:
            del waiting[name]


def test_nn_opens_no_session():
    for name in MODULES:
        if is_inside(name, "graphkit.nn") or name == "graphkit.models":
            code = ast.parse(MODULES[name].read_text())
            calls = [n.attr for n in ast.walk(code) if isinstance(n, ast.Attribute)]
            assert "Session" not in calls
