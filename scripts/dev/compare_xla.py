"""Compares what XLA computes with what TensorFlow's own kernels compute, op by op, on this processor.

  python scripts/dev/compare_xla.py                  # all that differs
  python scripts/dev/compare_xla.py --group casts --all
  python scripts/dev/compare_xla.py --brief          # enough to test the tables: the slow tests do

Each case of `comparing/xla_cases.py` runs as it is and compiled by XLA, at values where kernels may differ:
NaN, infinities, numbers and indices out of range, ties, divisors of zero, nothing at all. The table has the
op, the case, what the kernel gives and what XLA gives, at the first place where they differ. Exit code 1 if
an op differs that `graphkit/running/xla_ops.py` takes for equal.
"""

import argparse
import collections
import itertools
import os
import sys
from typing import NamedTuple

import numpy as np

RELATIVE = {"float64": 1e-9, "float32": 2e-5, "float16": 1e-2, "bfloat16": 4e-2}
RARE = ("float16", "int8", "int16", "uint32", "uint64")  # bfloat16, uint8 and uint16 too
ABSOLUTE = {"float64": 1e-14, "float32": 1e-6, "float16": 2e-4, "bfloat16": 1e-2}


class Result(NamedTuple):
    """What a case gave.

    Attributes:
      op, case: which.
      verdict: "same", "differs", "XLA accepts" what the kernel refuses, "XLA refuses", "both refuse", or
        "no kernel" of TensorFlow.
      kernel, xla: what they gave, as text.
    """

    op: str
    case: str
    verdict: str
    kernel: str = ""
    xla: str = ""


def compare(case):
    """Returns the `Result` of a case."""
    import tensorflow as tf

    from graphkit.running import xla_ops

    call = as_in_a_step(case) if case.op in xla_ops.REWRITTEN else case.call
    function = tf.function(call, jit_compile=True, autograph=False)
    kernel, error = outcome(case.call, case)
    compiled, xla_error = outcome(function, case)
    if error is not None or xla_error is not None:
        missing = isinstance(error, tf.errors.NotFoundError)
        refused = "no kernel" if missing else "XLA accepts" if xla_error is None else "both refuse"
        verdict = "XLA refuses" if error is None else refused
        return Result(case.op, case.name, verdict, text_of(kernel, error), text_of(compiled, xla_error))
    for first, second in zip(kernel, compiled, strict=True):
        at = difference(first, second, case.exact)
        if at is not None:
            numbers = (str(array[at] if first.shape == second.shape else array) for array in (first, second))
            return Result(case.op, case.name, "differs", *numbers)
    return Result(case.op, case.name, "same")


def as_in_a_step(case):
    """Returns the call of a case as the copy of a step for XLA has it."""
    import tensorflow as tf

    from graphkit.running import xla_ops

    with tf.Graph().as_default() as graph:
        given = [
            tf.compat.v1.placeholder(array.dtype, np.shape(array)) for array in map(np.asarray, case.arrays)
        ]
        wanted = [tensor.name for tensor in tf.nest.flatten(case.call(*given))]
        tf.math.reciprocal(tf.constant([1.0]))  # a pole: gradients that are not finite must be kept
    definition = graph.as_graph_def()
    xla_ops.rewrite(definition)

    def call(*inputs):
        places = {tensor.name: value for tensor, value in zip(given, inputs, strict=True)}
        return tf.import_graph_def(definition, places, wanted)

    return call


def outcome(call, case):
    """Returns (arrays, error) of a call with the arrays of the case, of which one is None."""
    import tensorflow as tf

    getattr(case.call, "reset", lambda: None)()
    try:
        given = tf.nest.flatten(call(*(tf.constant(array) for array in case.arrays)))
        return [np.asarray(value) for value in given if value is not None], None
    except (tf.errors.OpError, ValueError, TypeError) as error:  # kernels may run late, when values are read
        return None, error


def text_of(arrays, error):
    if error is None:
        return " ".join(str(array.ravel()[:4]) for array in arrays)
    lines = [line for line in str(getattr(error, "message", error)).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


def difference(first, second, exact):
    """Returns where two arrays differ, by more than rounding unless they must be equal, or None.

    Zeros of either sign are equal: what is divided by them aside, no op tells them apart.
    """
    if first.shape != second.shape or first.dtype != second.dtype:
        return ()
    name = str(first.dtype)
    if name in RELATIVE:
        first, second = first.astype(np.float64), second.astype(np.float64)
        limits = {"rtol": 0, "atol": 1e-37} if exact else {"rtol": RELATIVE[name], "atol": ABSOLUTE[name]}
        wrong = ~np.isclose(first, second, equal_nan=True, **limits)
    else:
        wrong = np.not_equal(first, second) & ((first == first) | (second == second))
    if not np.any(wrong):
        return None
    return tuple(int(axis[0]) for axis in np.nonzero(wrong)) if np.ndim(wrong) else ()


def run(groups, brief=False):
    """Returns the `Result` of each case of the groups; a brief run leaves out those that `is_known` names."""
    from comparing import xla_cases

    results = {}
    for case in itertools.chain.from_iterable(xla_cases.GROUPS[group]() for group in groups):
        before = results.setdefault(case.op, [])
        if not (brief and before and is_known(case, before)):
            before.append(compare(case))
    return [result for of_op in results.values() for result in of_op]


def is_known(case, before):
    """Returns whether a case adds little: its op may differ and has, or its dtype is a rare one."""
    from graphkit.running import xla_ops

    differed = any(result.verdict in ("differs", "XLA accepts") for result in before)
    accepted = case.op in xla_ops.DIFFERS and case.op not in xla_ops.REWRITTEN
    return (accepted and differed) or any(dtype in case.name for dtype in RARE)


def wrong_tables(results):
    """Returns what the tables of `xla_ops` say otherwise than the results, as lines."""
    from graphkit.running import xla_ops

    verdicts = collections.defaultdict(set)
    for result in results:
        verdicts[result.op].add(result.verdict)
    found = []
    for op, seen in sorted(verdicts.items()):
        differs = bool(seen & {"differs", "XLA accepts"})
        accepted = op in xla_ops.LOUDER or (op in xla_ops.DIFFERS and op not in xla_ops.REWRITTEN)
        if differs and not accepted:
            found.append(f"{op} differs, and is not in the tables")
        if op in xla_ops.SAME and "same" not in seen:
            found.append(f"{op} is in SAME: {sorted(seen)}")
    return found


def main(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--group", nargs="+", help="such as casts; all if not given")
    parser.add_argument("--all", action="store_true", help="also show the cases that are the same")
    parser.add_argument(
        "--brief", action="store_true", help="leave out rare dtypes, and what is known to differ"
    )
    options = parser.parse_args(argv)
    import tensorflow as tf
    from comparing import xla_cases

    tf.get_logger().setLevel("ERROR")  # each case is a function of its own, of which TensorFlow warns
    unknown = sorted(set(options.group or ()) - set(xla_cases.GROUPS))
    if unknown:
        parser.error(f"--group must be of {', '.join(xla_cases.GROUPS)}; received {', '.join(unknown)}")
    results = run(options.group or xla_cases.GROUPS, options.brief)
    for result in results:
        if options.all or result.verdict in ("differs", "XLA accepts"):
            print(" | ".join(text[:70].replace("\n", " ") for text in result))
    wrong = wrong_tables(results)
    print(f"{len(results)} cases of {len({result.op for result in results})} ops", *wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main(sys.argv[1:]))
