"""What to write where a program failed at something that Python, NumPy or SciPy lost."""

import os
import re
from collections.abc import Callable
from types import TracebackType

from graphkit.tf1.programs import leftovers, sources

LISTED = 10  # lines of a file that Python 3 cannot parse
INTEGERS = "a size is a float here; where Python 2 divided integers by /, write //"
OPERANDS = (
    "integers meet a float here; write // where Python 2 divided by /, else tf.cast(tensor, tf.float32)"
)
LAZY = "dict.keys(), map, filter and zip do not return lists in Python 3; write list(...) around them"
EAGER = "TensorFlow 2's behavior was turned on; delete the call of tf.enable_v2_behavior or its like"
FLOAT_SIZES = (
    r"'float' object cannot be interpreted as an integer|integers? or a single integer, got '[\d.]+'|"
    r"non-int of type 'float'|slice indices must be integers|Dimension value must be integer .*'float'|"
    r"parameter '(shape|multiples|size|begin|dims?|perm|axis|indices)' has DataType float|"
    r"Expected int\d*,? .*of type 'float'|valid indices, got [\d.]+|num_or_size_splits .*provided: [\d.]+"
)
ITERATORS = r"(dict_keys|dict_values|dict_items|map|filter|zip|range)"
NEXT = "an iterator has __next__ in Python 3, not next; write __next__ = next below it in its class"
SCALAR = "NumPy 2.4 makes a number only of an array without axes; write array.item()"
BYTES = 'Python 3 tells bytes from text; open the file with "rb" or "wb", or write .encode() or .decode()'
# (kind of error, its text, what to write), for what cannot be seen in the source
RUNTIME: list[tuple[type | tuple[type, ...], str, str]] = [
    (TypeError, r"Expected int\d* passed to parameter '\w' of op", OPERANDS),  # x, y: not sizes
    ((TypeError, ValueError), FLOAT_SIZES, INTEGERS),
    ((TypeError, AttributeError), rf"'{ITERATORS}' object|type '{ITERATORS}'", LAZY),
    (TypeError, r"returned non-iterator|object is not an iterator", NEXT),
    (AttributeError, r"has no attribute 'next'", "an iterator is asked by next(iterator) in Python 3"),
    (TypeError, r"bytes-like object is required, not 'str'|must be str, not bytes", BYTES),
    (UnicodeDecodeError, r"'ascii' codec can't decode", 'a pickle of Python 2 needs encoding="latin1"'),
    (UnicodeDecodeError, r"'utf-8' codec can't decode", 'a file that is not text is opened with "rb"'),
    (RuntimeError, r"not compatible with eager execution", EAGER),
    (TypeError, r"arrays can be converted to Python scalars", SCALAR),
    (ValueError, r"inhomogeneous shape", leftovers.RAGGED),
    (ValueError, r"allow_pickle=False", "np.load of objects needs allow_pickle=True since NumPy 1.16"),
    (TypeError, r"'[<>]=?' not supported between instances", "Python 3 orders only values of like types"),
]


def after(error: BaseException, trace: TracebackType | None, is_own: Callable[[str], bool]) -> list[str]:
    """Returns lines to print below the traceback of a program that failed: none, if nothing is known.

    Args:
      error: the error.
      trace: its traceback.
      is_own: whether a file is the program's.
    """
    try:
        if isinstance(error, SyntaxError):
            return of_syntax(error.filename, error.lineno or 0)
        return of_failure(error, trace, is_own)
    except (OSError, ValueError, RecursionError):
        return []  # such as code without a file; the program's error is what matters


def of_syntax(path: str | None, line: int) -> list[str]:
    if path is None:
        return []
    found = [finding for finding in sources.read(path).syntax if finding.word]
    found.sort(key=lambda finding: finding.line != line)  # the line at which Python stopped comes first
    lines = [f"{path}:{finding.line}: {finding.message}" for finding in found[:LISTED]]
    if len(found) > LISTED:
        lines.append(f"... and {len(found) - LISTED} more")
    if found:
        lines.append(f"graphkit tf1 upgrade {path} --diff shows the edits, --write makes them")
    return lines


def of_failure(error: BaseException, trace: TracebackType | None, is_own: Callable[[str], bool]) -> list[str]:
    own = None
    while trace is not None:
        if is_own(trace.tb_frame.f_code.co_filename):
            own = trace  # the innermost line of the program
        trace = trace.tb_next
    if own is None:
        return []
    path, line = own.tb_frame.f_code.co_filename, own.tb_lineno
    found = sorted(sources.read(path).leftovers, key=lambda finding: abs(finding.line - line))
    for finding in found:
        if re.search(rf"\b{re.escape(finding.word)}\b", str(error)):
            return [f"{path}:{finding.line}: {finding.message}"]
    if isinstance(error, ImportError):
        return [f"{path}:{line}: {text}" for text in of_import(error, path)]
    for kind, pattern, text in RUNTIME:
        if isinstance(error, kind) and re.search(pattern, str(error)):
            return [f"{path}:{line}: {text}"]
    return []


def of_import(error: ImportError, path: str) -> list[str]:
    """Returns how to run a file that is a module of a package, or to import what is beside it."""
    folder, file = os.path.split(path)
    wanted = (error.name or "").partition(".")[0]
    is_relative = "attempted relative import with no known parent package" in str(error)
    if is_relative or wanted == os.path.basename(folder):
        parts = [file.removesuffix(".py")]
        while len(parts) == 1 or (is_relative and os.path.exists(os.path.join(folder, "__init__.py"))):
            folder, name = os.path.split(folder)
            parts.insert(0, name)
        return [f"it is a module of a package; cd {folder} && graphkit tf1 run -m {'.'.join(parts)}"]
    beside = os.path.join(folder, wanted)
    if wanted and (os.path.isfile(f"{beside}.py") or os.path.isdir(beside)):
        return [
            f"Python 2 found {wanted} in this file's folder; write from . import or from .{wanted} import"
        ]
    return []
