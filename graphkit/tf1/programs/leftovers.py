"""What Python 3 and NumPy lost since the days of TensorFlow 1, where a program uses it, and the edit."""

import ast
import inspect
import re
from collections.abc import Iterator

import numpy as np

from graphkit.tf1.programs import names
from graphkit.tf1.programs.findings import Edit, Finding, Text

# {release of NumPy: {name that it lost: what to write}}. ".name" is a name of the same module, and what has a
# space or a bracket is advice, all others are edits.
NUMPY = {
    "1.18": {"rank": ".ndim"},
    "1.23": {"asscalar": "the array's .item()", "alen": "len"},
    "1.24": {name: name for name in "float int bool object str complex".split()}
    | {"long": "int", "unicode": "str", "typeDict": ".sctypeDict"},
    "2.0": {"float_": ".float64", "complex_": ".complex128", "unicode_": ".str_", "string_": ".bytes_"}
    | {"bool8": ".bool_", "int0": ".intp", "product": ".prod", "cumproduct": ".cumprod", "mat": ".asmatrix"}
    | {"sometrue": ".any", "alltrue": ".all", "round_": ".round", "NaN": ".nan", "NAN": ".nan"}
    | {name: ".inf" for name in "Inf Infinity infty PINF".split()}
    | {"NINF": "minus np.inf", "asfarray": "np.asarray(a, dtype=float)", "cast": "the array's .astype(dtype)"}
    | {"find_common_type": "np.result_type(...)", "msort": "np.sort(a, axis=0)"},
    "2.4": {"in1d": ".isin", "trapz": ".trapezoid"},
}
SCIPY = {
    "1.2": {"imread": "imageio.v3.imread", "imsave": "imageio.v3.imwrite", "toimage": "PIL.Image.fromarray"},
    "1.3": {"imresize": "PIL.Image.fromarray(image).resize((width, height))"}
    | {name: f"scipy.special.{name}" for name in ("comb", "factorial", "logsumexp")},
    "1.12": {"face": "scipy.datasets.face"},
}
PYTHON2 = {
    "builtins.xrange": "range",
    "builtins.raw_input": "input",
    "builtins.unicode": "str",
    "builtins.unichr": "chr",
    "builtins.long": "int",
    "builtins.basestring": "str",
    "builtins.file": "open",
    "builtins.reduce": "from functools import reduce",
    "builtins.reload": "from importlib import reload",
    "builtins.execfile": "exec(open(path).read())",
    "builtins.cmp": "(a > b) - (a < b), or a key to sort by",
    "sys.maxint": ".maxsize",
    "sys.setdefaultencoding": "no such line: texts are Unicode",
    "os.getcwdu": ".getcwd",
    "itertools.izip_longest": ".zip_longest",
    **{f"itertools.i{name}": f"{name}, which is lazy now" for name in ("zip", "map", "filter")},
    **{f"string.{name}": f".ascii_{name}" for name in ("letters", "lowercase", "uppercase")},
    "string.maketrans": "str.maketrans",
    **{
        f"string.{name}": f"the text's method, text.{name}(...)"
        for name in "join split replace strip".split()
    },
    **{f"string.{name}": f"the text's method, text.{name}(...)" for name in "lower upper find".split()},
    **{f".iter{name}": f".{name}" for name in ("items", "values", "keys")},
    ".has_key": "key in the dictionary",
}
# {module of Python 2: module with the same names}, and what has a space is advice
MODULES = {
    "cPickle": "pickle",
    "ConfigParser": "configparser",
    "Queue": "queue",
    "Tkinter": "tkinter",
    "HTMLParser": "html.parser",
    "httplib": "http.client",
    "cookielib": "http.cookiejar",
    "__builtin__": "builtins",
    "StringIO": "io",
    "cStringIO": "io: StringIO for text, BytesIO for bytes",
    "urllib2": "urllib.request and urllib.error",
    "urlparse": "urllib.parse",
    "commands": "subprocess, whose run(...) it is",
    "sets": "set, which is built in",
}
RAGGED = "NumPy 1.24 and later refuse rows of several lengths; write np.array(rows, dtype=object)"
KEEPS_NEWSHAPE = "newshape" in inspect.signature(np.reshape).parameters
# What is looked up: {full name: (what became of it, what to write)}
LOST = (
    {f"numpy.{old}": (f"was removed in NumPy {at}", new) for at in NUMPY for old, new in NUMPY[at].items()}
    | {
        f"scipy.misc.{old}": (f"was removed in SciPy {at}", new)
        for at in SCIPY
        for old, new in SCIPY[at].items()
    }
    | {old: ("is Python 2", new) for old, new in PYTHON2.items()}
)


def find(text: Text, tree: ast.Module, uses: list[names.Use]) -> list[Finding]:
    """Returns what a program that Python 3 can parse uses of Python 2, older NumPy and older SciPy."""
    found = [finding for use in uses if not use.is_guarded for finding in of_use(text, use)]
    return [*found, *ragged_arrays(tree, uses)]


def of_use(text: Text, use: names.Use) -> Iterator[Finding]:
    module, _, name = use.name.rpartition(".")
    if use.statement is not None:
        yield from of_import(text, use, use.statement)
    if use.name == "numpy.reshape" and use.call is not None and not KEEPS_NEWSHAPE:
        yield from newshape(text, use.call)
    is_here = module == "numpy" and name in vars(np)  # bool and long came back in NumPy 2
    if use.name in LOST and not is_here and (module or is_call_of_dictionary(use, name)):
        became, new = LOST[use.name]
        write = new
        if module and new.startswith(".") and isinstance(use.node, ast.Attribute):
            write = text.source(use.node.value) + new
        is_written = isinstance(use.node, ast.Attribute | ast.Name) and module
        shown = text.source(use.node) if is_written else use.name
        edits = of_call(text, use, use.call) if use.call is not None else ()
        edits = edits or edits_of(text, use, new)
        yield Finding(use.node.lineno, f"{shown} {became}; write {write}", name, edits)


def of_call(text: Text, use: names.Use, call: ast.Call) -> tuple[Edit, ...]:
    """Returns the edits of a call that has to become another, and that can."""
    start, end = text.span(call)
    if use.name == "numpy.asscalar" and isinstance(call.func, ast.Attribute) and len(call.args) == 1:
        middle = text.span(call.func.value)[1]
        return Edit(middle, text.span(call.func)[1], ".asarray"), Edit(end, end, ".item()")
    is_statement = text.lines[call.lineno - 1].strip() == text.text[start:end]
    is_reload = use.name == "builtins.reload" and [*map(text.source, call.args)] == ["sys"]
    if is_statement and (is_reload or use.name == "sys.setdefaultencoding"):
        return (Edit(start, end, "pass"),)  # texts are Unicode
    return ()


def is_call_of_dictionary(use: names.Use, name: str) -> bool:
    wanted = 1 if name == "has_key" else 0
    return use.call is not None and len(use.call.args) == wanted and not use.call.keywords


def of_import(text: Text, use: names.Use, statement: ast.Import | ast.ImportFrom) -> Iterator[Finding]:
    assert isinstance(use.node, ast.alias)
    is_plain = isinstance(statement, ast.Import)
    module = (
        use.node.name if isinstance(statement, ast.Import) else "." * statement.level + str(statement.module)
    )
    if module not in MODULES:
        return
    new = MODULES[module]
    start, end = text.span(use.node if is_plain else statement)
    place = text.text.index(module, start, end)
    alias = f" as {module}" if is_plain and use.node.asname is None and module != new else ""
    edits = () if " " in new else (Edit(place, place + len(module), new + alias),)
    yield Finding(use.node.lineno, f"module {module} is Python 2; write {new}", module, edits)


def newshape(text: Text, call: ast.Call) -> Iterator[Finding]:
    for keyword in call.keywords:
        if keyword.arg == "newshape":
            start, end = text.span(keyword)
            name = re.match(r"newshape\s*=\s*", text.text[start:end])
            is_second = name and len(call.args) == 1 and call.keywords[0] is keyword
            edits = (Edit(start, start + name.end(), ""),) if name and is_second else ()
            message = "newshape= was removed in NumPy 2.4; write np.reshape(array, shape)"
            yield Finding(keyword.lineno, message, "newshape", edits)


def ragged_arrays(tree: ast.Module, uses: list[names.Use]) -> Iterator[Finding]:
    for use in uses:
        call = use.call
        if use.name not in ("numpy.array", "numpy.asarray") or call is None or not call.args:
            continue
        typed = len(call.args) > 1 or any(keyword.arg == "dtype" for keyword in call.keywords)
        if not typed and is_ragged(call.args[0]):
            yield Finding(call.lineno, RAGGED, "inhomogeneous")


def is_ragged(node: ast.expr) -> bool:
    if not isinstance(node, ast.List | ast.Tuple):
        return False
    rows = [len(row.elts) if isinstance(row, ast.List | ast.Tuple) else 0 for row in node.elts]
    stars = any(isinstance(inner, ast.Starred) for inner in ast.walk(node))
    return len(set(rows)) > 1 and all(rows) and not stars


def edits_of(text: Text, use: names.Use, new: str) -> tuple[Edit, ...]:
    """Returns the edit that writes another name; none where the edit is advice, or the place is not exact."""
    if isinstance(use.node, ast.alias) or " " in new or "(" in new or "." in new[1:]:
        return ()
    start, end = text.span(use.node)
    if isinstance(use.node, ast.Attribute):
        middle = text.span(use.node.value)[1]
        # Before Python 3.12 the places in an f-string are wrong.
        if text.text[middle:end].replace(" ", "") != f".{use.node.attr}":
            return ()
        return (Edit(middle if new.startswith(".") else start, end, new),)
    return (Edit(start, end, new),) if text.text[start:end] == use.node.id and not new.startswith(".") else ()
