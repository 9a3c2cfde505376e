"""A program that is run is as `python program.py args` would have it."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = str(Path(__file__).parents[3])
RUN = ["-m", "graphkit", "tf1", "run"]
WHAT_IT_SEES = """
    import sys
    print(sys.argv, sys.path, __file__, __name__, __package__, __spec__ and __spec__.name, __doc__)
    print(sorted(globals()), type(__loader__).__name__, __builtins__)
    print(vars(sys.modules["__main__"]) is globals())
    print(sys.stdin.read(), __annotations__ if sys.argv[1] == "end" else "")
    if sys.argv[1] == "exit":
        sys.exit("the end")
    elif sys.argv[1] == "code":
        sys.exit(5)
    elif sys.argv[1] == "raise":
        def f():
            raise KeyError("a")
        try:
            f()
        except KeyError:
            [1, 2][3]
    elif sys.argv[1] == "interrupt":
        raise KeyboardInterrupt
    elif sys.argv[1] == "hook":
        sys.excepthook = lambda kind, error, trace: print("hook", kind, trace.tb_frame.f_code.co_name)
        raise ValueError
"""


def python(*arguments, folder, text="input"):
    environment = {**os.environ, "PYTHONPATH": ROOT}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, input=text, capture_output=True, text=True
    )


def write(folder, source, name="program.py"):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(source))
    return path


def parts(done):
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "ending",
    [
        "raise",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("end", "exit", "code", "hook", "interrupt")
        ),
    ],
)
def test_it_is_as_python_runs_it(tmp_path, ending):
    folder = tmp_path / "programs"
    write(folder, WHAT_IT_SEES)
    arguments = ["programs/program.py", ending, "--flag", "-m", "--", "x"]
    expected = python(*arguments, folder=tmp_path)
    assert parts(python(*RUN, *arguments, folder=tmp_path)) == parts(expected)
    assert (
        expected.returncode
        == {"end": 0, "exit": 1, "code": 5, "raise": 1, "hook": 1, "interrupt": -2}[ending]
    )


@pytest.mark.slow
@pytest.mark.parametrize("module", ["package", "package.inner", "single"])
def test_a_module_is_as_python_runs_it(tmp_path, module):
    for name in ("package/__init__.py", "package/inner.py", "package/__main__.py", "single.py"):
        write(tmp_path, WHAT_IT_SEES if name != "package/__init__.py" else "", name)
    expected = python("-m", module, "end", "x", folder=tmp_path)
    assert expected.returncode == 0
    assert parts(python(*RUN, "-m", module, "end", "x", folder=tmp_path)) == parts(expected)


@pytest.mark.slow
def test_packages_above_a_module_and_folders_of_the_user_are_the_programs(tmp_path):
    root, other = tmp_path / "root", tmp_path / "other"
    root.mkdir()
    write(root, "import tensorflow as tf; tf.layers.Layer", "package/__init__.py")
    write(root, "import sys; sys.path.append(sys.argv[1])", "package/paths.py")
    write(root, "from . import paths\nimport elsewhere\nprint(elsewhere.tf.__name__)", "package/inner.py")
    write(other, "import tensorflow as tf", "elsewhere.py")
    for own, name in (([], "tensorflow"), (["--own", str(other)], "graphkit.tf1")):
        done = python(*RUN, *own, "-m", "package.inner", str(other), folder=root)
        assert (done.returncode, done.stdout.strip()) == (0, name), done.stderr


@pytest.mark.slow
def test_a_tool_runs_the_program(tmp_path):
    write(tmp_path, "import tensorflow as tf\nprint(tf.__name__)")
    done = python(*RUN, "-m", "cProfile", "-o", "profile", "program.py", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "graphkit.tf1\n"), done.stderr


@pytest.mark.slow
def test_processes_of_the_program_import_as_it_does(tmp_path):
    write(
        tmp_path,
        """
        import multiprocessing
        import tensorflow as tf
        import beside
        def work(number):
            from tensorflow.layers import Layer
            return number + 1, Layer.__module__, tf.__name__, beside.tf.__name__
        if __name__ == "__main__":
            for method in ("fork", "spawn", "forkserver"):
                with multiprocessing.get_context(method).Pool(1) as pool:
                    print(pool.map(work, [1]))
        """,
    )
    write(tmp_path, "import tensorflow.compat.v1 as tf", "beside.py")
    done = python(*RUN, "program.py", folder=tmp_path)
    line = str([(2, "graphkit.tf1.layers.base", "graphkit.tf1", "graphkit.tf1")])
    assert done.stdout.splitlines() == [line] * 3, done.stderr


@pytest.mark.slow
def test_a_failure_is_followed_by_the_edit(tmp_path):
    path = write(
        tmp_path,
        """
        import numpy as np
        import tensorflow as tf
        def f():
            return np.zeros(3, np.float)
        f()
        """,
    )
    done = python(*RUN, "program.py", folder=tmp_path)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == f'  File "{path}", line 6, in <module>'
    assert lines[-1] == f"{path}:5: np.float was removed in NumPy 1.24; write float"


@pytest.mark.slow
def test_syntax_of_python_2_is_named_before_anything_runs(tmp_path):
    path = write(tmp_path, 'print("first")\nimport tensorflow as tf\nprint "second"\n')
    done = python(*RUN, "program.py", folder=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{path}:3: the print statement is Python 2; write print(...)" in done.stderr
    assert "SyntaxError" in done.stderr
    assert "graphkit/tf1" not in done.stderr


@pytest.mark.slow
def test_a_program_that_cannot_be_read(tmp_path):
    done = python("-m", "graphkit.tf1", "run", "nowhere.py", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("python -m graphkit.tf1 run: ")
    assert "nowhere.py" in done.stderr
