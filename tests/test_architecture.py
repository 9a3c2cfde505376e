"""Holds the import directions of the design, read from the sources."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "graphkit"

# What a module may import from graphkit; by the longest name that fits it.
ALLOWED = {
    "graphkit": {"graphkit._version"},
    "graphkit._version": set(),
    "graphkit.checks": set(),
    "graphkit.sizes": {"graphkit.checks"},
    "graphkit.graphs": {"graphkit.checks"},
    "graphkit.inspection": {"graphkit.checks", "graphkit.sizes", "graphkit.graphs", "graphkit.inspection"},
    "graphkit.data": {"graphkit.checks", "graphkit.sizes", "graphkit.data"},
    "graphkit.nn": {"graphkit.checks", "graphkit.sizes", "graphkit.nn"},
    "graphkit.models": {"graphkit.checks", "graphkit.nn"},
    "graphkit.lint": {"graphkit.checks", "graphkit.graphs", "graphkit.nn"},
    "graphkit.train": {
        "graphkit.checks",
        "graphkit.graphs",
        "graphkit.lint",
        "graphkit.data",
        "graphkit.nn",
        "graphkit.train",
    },
    "graphkit.plots": {
        "graphkit.checks",
        "graphkit.sizes",
        "graphkit.inspection",
        "graphkit.data",
        "graphkit.plots",
    },
    "graphkit.runs": {"graphkit.checks", "graphkit.data", "graphkit.nn", "graphkit.models", "graphkit.train"},
}
WITHOUT_TENSORFLOW = ("graphkit._version", "graphkit.checks", "graphkit.sizes", "graphkit.data")
FORBIDDEN = ("tensorflow.python", "tf_keras", "tf.keras", "keras.layers", "pickle", "tf.contrib")


def module_name(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def imports(path):
    """Yields (full name of what is imported, whether it is imported at the top level)."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        at_top = node in tree.body
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


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_one_way(name):
    rule = max((package for package in ALLOWED if is_inside(name, package)), key=len)
    assert rule != "graphkit" or name == "graphkit", f"{name} has no place in the design"
    for imported in own_imports(name):
        assert any(is_inside(imported, package) for package in ALLOWED[rule]), f"{name} imports {imported}"


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
    order = ["scopes", "inputs", "initializers", "masks", "activations", "parts", "convolutions", "pooling"]
    order += ["normalization", "layers", "recurrent", "losses", "metrics", "blocks"]
    for place, name in enumerate(order):
        later = {f"graphkit.nn.{other}" for other in order[place + 1 :]}
        assert not own_imports(f"graphkit.nn.{name}") & later


def test_order_inside_train():
    trainer, callbacks = "graphkit.train.trainer", "graphkit.train.callbacks"
    for name in ("session", "saving", "steps", "optimizers", "feeds"):
        assert not own_imports(f"graphkit.train.{name}") & {trainer, callbacks}
    assert trainer not in own_imports(callbacks)


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
