"""What Python 3, NumPy and SciPy lost, named with line and edit, before and after a failure."""

import numpy as np
import pytest
from tf1.old_programs import run_program

import graphkit.tf1 as tf
from graphkit.tf1.programs import advice, hook, leftovers, sources, upgrade

IMPORTS = "import numpy as np, sys, string, itertools, os\nimport scipy.misc as misc\n"
SET_ENCODING = "sys.setdefaultencoding is Python 2; write no such line: texts are Unicode"
NEWSHAPE = "newshape= was removed in NumPy 2.4; write np.reshape(array, shape)"


def found(text):
    read = sources.source("program.py", IMPORTS + text)
    return [finding.message for finding in read.leftovers], upgrade.upgraded(read)[0].removeprefix(IMPORTS)


@pytest.mark.parametrize(
    ("old", "message", "new"),
    [
        ("np.float(3)", "np.float was removed in NumPy 1.24; write float", "float(3)"),
        ("np.ones(3, np.int)", "np.int was removed in NumPy 1.24; write int", "np.ones(3, int)"),
        ("np.float_", "np.float_ was removed in NumPy 2.0; write np.float64", "np.float64"),
        ("np.product([1])", "np.product was removed in NumPy 2.0; write np.prod", "np.prod([1])"),
        (
            "np.asscalar(a)",
            "np.asscalar was removed in NumPy 1.23; write the array's .item()",
            "np.asarray(a).item()",
        ),
        ("np.reshape(a, newshape=(2, 3))", NEWSHAPE, "np.reshape(a, (2, 3))"),
        ("np.array([[1], [2, 3]])", leftovers.RAGGED, None),
        ("xrange(3)", "xrange is Python 2; write range", "range(3)"),
        ("d.iteritems()", ".iteritems is Python 2; write .items", "d.items()"),
        ("d.has_key(3)", ".has_key is Python 2; write key in the dictionary", None),
        ("sys.maxint", "sys.maxint is Python 2; write sys.maxsize", "sys.maxsize"),
        ("string.letters", "string.letters is Python 2; write string.ascii_letters", "string.ascii_letters"),
        ("string.join(a)", "string.join is Python 2; write the text's method, text.join(...)", None),
        ("itertools.izip(a)", "itertools.izip is Python 2; write zip, which is lazy now", None),
        ("import cPickle", "module cPickle is Python 2; write pickle", "import pickle as cPickle"),
        ("import cPickle as p", "module cPickle is Python 2; write pickle", "import pickle as p"),
        ("from Queue import Queue", "module Queue is Python 2; write queue", "from queue import Queue"),
        ("import urllib2", "module urllib2 is Python 2; write urllib.request and urllib.error", None),
        ("reload(a)", "reload is Python 2; write from importlib import reload", None),
        ("reload(sys)", "reload is Python 2; write from importlib import reload", "pass"),
        ("sys.setdefaultencoding('utf8')", SET_ENCODING, "pass"),
        ("misc.imread(p)", "misc.imread was removed in SciPy 1.2; write imageio.v3.imread", None),
        (
            "from scipy.misc import logsumexp",
            "scipy.misc.logsumexp was removed in SciPy 1.3; write scipy.special.logsumexp",
            None,
        ),
    ],
)
def test_each(old, message, new):
    if message == NEWSHAPE and leftovers.KEEPS_NEWSHAPE:
        pytest.skip("this NumPy still has newshape=")
    name = message.split()[0].removeprefix("np.")
    if message.startswith("np.") and hasattr(np, name):
        pytest.skip(f"this NumPy still has {name}")
    messages, text = found(old)
    assert messages == [message]
    assert text == (new or old)


@pytest.mark.parametrize(
    "text",
    [
        "np.array([[1, 2], [3, 4]]); np.array([[1], [2, 3]], dtype=object); np.array([1, 2, [3]][:2])",
        "xrange = range; xrange(3)",
        "from six.moves import xrange\nxrange(3)",
        "def f(file, long): return file(long)",
        "d.iteritems; d.iteritems(1)",
        "np.float32(np.zeros(3, bool)); np.reshape(a, (2, 3))",
        "'np.float'",
    ],
)
def test_what_is_fine(text):
    assert found(text)[0] == []


FAILURES = [
    ("import numpy as np\nnp.int(3)", ":2: np.int was removed in NumPy 1.24; write int"),
    ("x = [1]\nfor i in xrange(3):\n  pass", ":2: xrange is Python 2; write range"),
    ("{}.iteritems()", ":1: .iteritems is Python 2; write .items"),
    ("import cPickle", ":1: module cPickle is Python 2; write pickle"),
    ("range(7 / 2)", ":1: a size is a float here; where Python 2 divided integers by /, write //"),
    ("import tensorflow as tf\ntf.random_uniform([8 / 2])", "a size is a float here"),
    ("import tensorflow as tf\ntf.split(tf.zeros([4, 2]), 4 / 2)", "a size is a float here"),
    ("import tensorflow as tf\ntf.fill([8 / 2], 0.0)", "a size is a float here"),
    ("import tensorflow as tf\ntf.constant([1, 2]) - 35.0", "else tf.cast(tensor, tf.float32)"),
    ("{}.keys()[0]", "write list(...) around them"),
    ("len(map(str, []))", "write list(...) around them"),
    ("import numpy as np\nx = [[1], [2, 3]]\nnp.array(x)", ":3: NumPy 1.24 and later refuse rows"),
    ("[1, 'a'].sort()", "Python 3 orders only values of like types"),
    ("b''.decode('ascii') + b'\\xe9'.decode('ascii')", 'encoding="latin1"'),
    ("import numpy as np\nint(np.zeros([2]))", ":2: NumPy 2.4 makes a number only of an array without axes"),
    ("iter([]).next()", "next(iterator)"),
    ("class A:\n  __iter__ = lambda self: self\nlist(A())", ":3: an iterator has __next__ in Python 3"),
    ("def f():\n  return xrange\nf()", ":2: xrange is Python 2"),
]


@pytest.mark.parametrize(("text", "message"), FAILURES)
def test_a_failure_names_the_edit(tmp_path, text, message):
    path = tmp_path / "program.py"
    path.write_text(text)
    with pytest.raises(Exception) as failure:
        run_program(path)
    own = hook.Hook([str(tmp_path)])
    own.remove()
    lines = advice.after(failure.value, failure.value.__traceback__, own.is_own_file)
    assert len(lines) == 1
    assert str(path) in lines[0]
    assert message in lines[0]


def advice_on(folder, program):
    """Returns the advice on a program that fails, which imports modules of a package `nets`."""
    package = folder / "nets"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for name, text in {"layers": "", "model": "import layers", "relative": "from . import layers"}.items():
        (package / f"{name}.py").write_text(text)
    (package / "absolute.py").write_text("import nets.layers")
    path = package / f"{program}.py" if program != "main" else folder / "main.py"
    (folder / "main.py").write_text("import nets.model")
    with pytest.raises(ImportError) as failure:
        run_program(path)
    return advice.after(failure.value, failure.value.__traceback__, lambda file: str(folder) in file)


def test_an_import_of_what_is_beside_a_module_of_python_2(tmp_path):
    expected = "Python 2 found layers in this file's folder; write from . import or from .layers import"
    assert advice_on(tmp_path, "main") == [f"{tmp_path}/nets/model.py:1: {expected}"]


@pytest.mark.filterwarnings("ignore:can't resolve package:ImportWarning")
@pytest.mark.parametrize("program", ["relative", "absolute"])
def test_a_module_that_is_run_as_a_file(tmp_path, program):
    expected = f"it is a module of a package; cd {tmp_path} && graphkit tf1 run -m nets.{program}"
    assert advice_on(tmp_path, program) == [f"{tmp_path}/nets/{program}.py:1: {expected}"]


def test_other_failures_have_no_advice(tmp_path):
    (tmp_path / "program.py").write_text("import numpy as np\nif False:\n  np.float\n1 / 0")
    with pytest.raises(ZeroDivisionError) as failure:
        run_program(tmp_path / "program.py")
    assert advice.after(failure.value, failure.value.__traceback__, lambda path: "program.py" in path) == []
    assert tf.layers
