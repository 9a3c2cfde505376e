"""Likely causes of a training step that was not finite, from the report on it."""

import math
from typing import Any

from graphkit.graph import walk

READS = (*walk.VARIABLES, "ReadVariableOp", "ResourceGather", "ResourceGatherNd", "Gather", "GatherV2")
GROWTH = 10.0  # times the gradient norm of some steps ago
HUGE = 1e6  # for a weight
UNBOUNDED = {  # derivatives that are infinite somewhere, by the op that is differentiated
    "Sqrt": "the derivative of the square root at 0 is infinite; add a small constant below the root",
    "Rsqrt": "the derivative of 1/sqrt(x) at 0 is infinite; add a small constant below the root",
    "Reciprocal": "the derivative of 1/x at 0 is infinite; add a small constant to x",
    "Inv": "the derivative of 1/x at 0 is infinite; add a small constant to x",
    "RealDiv": "the derivative of a division by 0 is infinite; add a small constant to the divisor",
    "Log": "the derivative of the logarithm at 0 is infinite; keep its input above 0",
    "Log1p": "the derivative of log(1 + x) at -1 is infinite; keep its input above -1",
    "Pow": "the derivative of a power below 1 at 0 is infinite; keep its base above 0",
    "Asin": "the derivative of asin at -1 and 1 is infinite; keep its input between",
    "Acos": "the derivative of acos at -1 and 1 is infinite; keep its input between",
    "Atanh": "the derivative of atanh at -1 and 1 is infinite; keep its input between",
    "Acosh": "the derivative of acosh at 1 is infinite; keep its input above",
}


def likely(report: Any) -> list[str]:
    """Returns sentences that say what the cause may be, the likeliest first.

    Args:
      report: a `PostMortem`.
    """
    by_variables = report.variables and (report.op is None or report.op_type in READS)
    first = of_variables(report) if by_variables else of_op(report)
    last = None if by_variables or first else of_overflow(report)
    found = [cause for cause in (first, of_growth(report), last) if cause]
    return found or ["no known cause; a lower learning_rate often helps"]


def of_variables(report: Any) -> str:
    """Returns what made variables not finite."""
    names = ", ".join(report.variables[:3])
    if report.update == -1:
        return f"{names} was not finite when the fit started; look at what was restored, or at initial values"
    norms = dict(report.norms)
    norm = report.norm if report.what == "variable" else norms.get(report.update, math.nan)
    return (
        f"the update of step {report.update}, whose gradient norm was {norm:.4g}, made {names} not finite; "
        "learning_rate is too high"
    )


def of_growth(report: Any) -> str | None:
    """Returns that the learning rate is too high if norms have grown or weights are huge, or None."""
    norms = [norm for _, norm in report.norms]
    if math.isfinite(report.norm):
        norms.append(report.norm)
    if len(norms) > 1 and norms[-1] > GROWTH * norms[0]:
        return (
            f"the gradient norm grew from {norms[0]:.4g} to {norms[-1]:.4g} in {len(norms) - 1} steps; "
            "learning_rate is too high, or clip_norm is needed"
        )
    if report.largest_weight > HUGE:
        return f"a weight of {report.largest_weight:.4g} is huge; learning_rate is too high"
    return None


def of_op(report: Any) -> str | None:
    """Returns the usual cause for this type of op, given the ranges of its inputs, or None."""
    if report.op is None:
        return None
    if report.op_type in ("Placeholder", "PlaceholderWithDefault"):
        return f"what is fed to {report.op} is not finite; look at augment, or at numbers beyond its dtype"
    if report.op_type == "Const":
        return f"the constant {report.op} is not finite"
    if report.forward is not None and report.forward[1] in UNBOUNDED:
        return UNBOUNDED[report.forward[1]]
    lowest = report.ranges[0][0] if report.ranges else math.nan
    nearest = report.ranges[-1][2] if report.ranges else math.nan
    kind = report.op_type
    if kind == "Log":
        if lowest < 0:
            return f"the logarithm of a negative number, {lowest:.4g}"
        return "the logarithm of 0; keep its input above 0, as by tf.maximum(x, 1e-7)"
    if kind == "Log1p":
        return f"the logarithm of 1 + {lowest:.4g}; keep its input above -1"
    if kind in ("Sqrt", "Rsqrt") and lowest < 0:
        return f"the square root of a negative number, {lowest:.4g}"
    if kind in ("RealDiv", "Div", "Xdivy", "Reciprocal", "Inv", "Rsqrt") and nearest == 0:
        return "a division by 0; add a small constant to the divisor"
    if kind == "Pow" and len(report.ranges) == 2:
        return of_power(*report.ranges)
    return None


def of_power(base: tuple, exponent: tuple) -> str | None:
    """Returns the cause for a power, given (lowest, highest, nearest to 0) of base and exponent, or None."""
    if base[2] == 0 and exponent[0] < 0:
        return "a negative power of 0, which is a division by 0; keep its base above 0"
    if base[0] < 0 and not all(float(number).is_integer() for number in exponent):
        return f"a fractional power of a negative number, {base[0]:.4g}; keep its base above 0"
    return None


def of_overflow(report: Any) -> str | None:
    """Returns that the op overflows if its inputs are large, or None."""
    magnitude = max((max(abs(low), abs(high)) for low, high, _ in report.ranges), default=0.0)
    if report.op is None or magnitude <= 1:
        return None
    return f"{report.op_type} overflows: its inputs are as large as {magnitude:.4g}"
