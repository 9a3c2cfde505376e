"""The distribution `tf-graphkit`: what its wheel holds, and what `pip install` makes of it."""

import re
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

import graphkit as gk

ROOT = Path(__file__).parents[1]
SOURCES = ("graphkit", "scripts", "tests", "LICENSE", "README.md", "pyproject.toml", "setup.cfg", "setup.py")
PACKAGE = ROOT / "graphkit"
VERSION = (
    f"{gk.__version__}.post1"  # another than the one that may be installed, so that pip has to install it
)


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def pip(*arguments):
    """Runs pip with its index switched off; returns what it printed."""
    return run(sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", *arguments)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    # A copy, as the build writes into the sources' folder, and packs files that an earlier build left there.
    sources, dist = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("dist")
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, sources / name)
    (sources / "graphkit" / "_version.py").write_text(f'__version__ = "{VERSION}"\n')
    pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", dist, sources)
    (path,) = dist.iterdir()
    return path


@pytest.mark.slow
def test_wheel_holds_the_package_alone(wheel):
    assert wheel.name == f"tf_graphkit-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    held = {name for name in names if name.startswith("graphkit/")}
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == expected
    assert held >= {"graphkit/__init__.pyi", "graphkit/py.typed", "graphkit/data/files/mnist_5k.npz"}
    assert all(name.startswith("tf_graphkit-") for name in names - held)


@pytest.mark.slow
def test_metadata_names_the_extras(wheel):
    with zipfile.ZipFile(wheel) as archive:
        metadata = message_from_bytes(archive.read(f"tf_graphkit-{VERSION}.dist-info/METADATA"))
        scripts = archive.read(f"tf_graphkit-{VERSION}.dist-info/entry_points.txt").decode()
    assert "graphkit = graphkit.commands.console:main" in scripts
    assert metadata["Name"] == "tf-graphkit"
    assert set(metadata.get_all("Provides-Extra")) == {
        "all",
        "completion",
        "dev",
        "docs",
        "gpu",
        "interop",
        "images",
        "notebooks",
        "onnx",
        "plots",
        "ray",
        "tables",
        "tensorboard",
        "test",
    }
    required = metadata.get_all("Requires-Dist")
    core = {re.match(r"[\w-]+", line)[0] for line in required if "extra ==" not in line}
    assert core == {"lazy-loader", "numpy", "tensorflow", "tqdm"}
    assert any(re.match(r"matplotlib.*extra == .plots.", line) for line in required)


@pytest.mark.slow
def test_installed_package_runs_a_program(wheel, tmp_path):
    found = ("--no-index", "--find-links", wheel.parent)
    pip("install", *found, "--no-deps", "--target", tmp_path / "site", "tf-graphkit")
    program = "import graphkit as gk, os\n"
    program += (
        "print(gk.load_dataset('mnist_5k').train.images.shape, gk.__version__, os.path.dirname(gk.__file__))"
    )
    environment = {"PYTHONPATH": str(tmp_path / "site"), "PATH": ""}
    out = run(sys.executable, "-c", program, cwd=tmp_path, env=environment)
    assert out.split(")")[1].split() == [VERSION, str(tmp_path / "site" / "graphkit")]


@pytest.mark.slow
@pytest.mark.parametrize("extra", ["plots", "test"])
def test_extra_resolves(wheel, extra):
    """The packages of these extras are installed where the tests run, so that pip needs no index."""
    found = ("--no-index", "--find-links", wheel.parent)
    out = pip("install", "--dry-run", *found, f"tf-graphkit[{extra}]=={VERSION}")
    assert f"Would install tf-graphkit-{VERSION}" in out and "does not provide the extra" not in out


def test_texts_name_the_distribution():
    """`graphkit` on the package index is another project."""
    paths = [path for name in SOURCES[:3] for path in (ROOT / name).rglob("*.py")]
    paths += [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *(ROOT / "notebooks").iterdir()]
    for path in paths:
        if path.suffix in (".py", ".md", ".ipynb") and path != Path(__file__):
            wrong = re.findall(r"(?<![\w-])graphkit\[\w+\]|pip install '?graphkit\b", path.read_text())
            assert not wrong, f"{path} names another distribution: {wrong}"
