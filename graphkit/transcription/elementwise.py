"""Rules of ops that compute each number from the numbers at its place."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from graphkit.transcription import dimensions
from graphkit.transcription.transcriber import ATOM, COMPARE, PLUS, POWER, TIMES, Call, Code, Result, Rule
from graphkit.transcription.values import Constant, Same


def infix(operator: str, level: int) -> Rule:
    """Returns the rule of an op that Python writes as `a operator b`."""

    def rule(call: Call) -> Result:
        swaps = operator in ("+", "*", "&", "|")
        return Code(f"{call.arg(0, level)} {operator} {call.arg(1, level if swaps else level + 1)}", level)

    return rule


def called(function: str) -> Rule:
    """Returns the rule of an op that a function of NumPy computes."""
    return lambda call: Code(f"{function}({', '.join(call.args())})")


def helped(function: str) -> Rule:
    """Returns the rule of an op that a function at the top of the file computes."""
    return lambda call: Code(f"{call.helper(function)}({', '.join(call.args())})")


def written(template: str, level: int = ATOM, *levels: int) -> Rule:
    """Returns the rule of an op that is written as the template, with its inputs in the place of {0}, {1}."""
    return lambda call: Code(
        template.format(*(call.arg(place, (levels or (POWER,) * 9)[place]) for place in range(len(call)))),
        level,
    )


def multiply(call: Call) -> Result:
    for place in (0, 1):
        value, shape = call.value(place), call.shape(place)
        one = isinstance(value, Constant) and value.array.size == 1 and value.array.ravel()[0] == 1
        if (
            one
            and shape is not None
            and set(shape) <= {1}
            and len(shape) <= (call.op.inputs[1 - place].shape.rank or 0)
        ):
            return Same(1 - place)
    if len({tensor.name for tensor in call.op.inputs}) == 1:
        return Code(f"{call.arg(0, ATOM)} ** 2", POWER)
    return infix("*", TIMES)(call)


def divide(call: Call) -> Result:
    if call.op.inputs[0].dtype.is_integer:
        return Code(f"{call.arg(0, TIMES)} / {call.arg(1, POWER)}", TIMES)
    return infix("/", TIMES)(call)


def add_all(call: Call) -> Result:
    if call.output.dtype == tf.variant:
        return helped("add_lists")(call)
    if len(call) == 1:
        return Same(0)
    return Code(" + ".join(call.arg(place, PLUS) for place in range(len(call))), PLUS)


def cast(call: Call) -> Result:
    before, after = call.op.inputs[0].dtype, call.output.dtype
    if before == after:
        return Same(0)
    if call.output.shape.rank == 0 or call.shape(0) == []:
        return Code(f"{call.dtype()}({call.arg(0, COMPARE)})")
    if call.output.shape.rank is None:
        return Code(f"np.asarray({call.arg(0, COMPARE)}).astype({call.dtype()})")
    return Code(f"{call.arg(0)}.astype({call.dtype()})")


def select(call: Call) -> Result:
    return Code(f"np.where({', '.join(call.args())})")


def pad_condition(call: Call) -> Result:
    """Select, of which the condition may be a vector that chooses rows."""
    condition, chosen = call.shape(0), call.shape(1)
    if condition is not None and chosen is not None and len(condition) == 1 < len(chosen):
        more = ", None" * (len(chosen) - 1)
        return Code(f"np.where({call.arg(0)}[:{more}], {call.arg(1, COMPARE)}, {call.arg(2, COMPARE)})")
    return select(call)


def fill_like(function: str) -> Rule:
    def rule(call: Call) -> Result:
        if call.output.dtype == tf.variant:
            return Code(f"{call.helper('zeros_of')}({call.arg(0)})")
        if call.output.shape.rank == 0:
            return Constant(np.array(function == "ones", call.output.dtype.as_numpy_dtype))
        return Code(f"np.{function}_like({call.arg(0, COMPARE)})")

    return rule


def bitcast(call: Call) -> Result:
    before, after = call.op.inputs[0].dtype.size, call.output.dtype.size
    shape = f"np.shape({call.arg(0, COMPARE)})"
    if after > before:
        shape += "[:-1]"
    elif after < before:
        shape = f"(*{shape}, {before // after})"
    return Code(f"np.ravel({call.arg(0, COMPARE)}).view({call.dtype()}).reshape({shape})")


BINARY = {
    **{"Add": infix("+", PLUS), "AddV2": infix("+", PLUS), "Sub": infix("-", PLUS), "Mul": multiply},
    **{"RealDiv": divide, "FloorDiv": infix("//", TIMES), "FloorMod": infix("%", TIMES)},
    "Div": lambda call: infix("//" if call.output.dtype.is_integer else "/", TIMES)(call),
    "DivNoNan": written("np.where({1} == 0, 0, {0} / np.where({1} == 0, 1, {1}))"),
    "MulNoNan": written("np.where({1} == 0, 0, {0} * {1})"),
    "TruncateDiv": written("np.trunc({0} / {1})"),
    "Pow": written("{0} ** {1}", POWER, ATOM, ATOM),
    "SquaredDifference": written("({0} - {1}) ** 2", POWER, PLUS, TIMES),
    "Maximum": called("np.maximum"),
    "Minimum": called("np.minimum"),
    **{"Equal": infix("==", COMPARE), "NotEqual": infix("!=", COMPARE), "Less": infix("<", COMPARE)},
    **{
        "LessEqual": infix("<=", COMPARE),
        "Greater": infix(">", COMPARE),
        "GreaterEqual": infix(">=", COMPARE),
    },
    **{"LogicalAnd": called("np.logical_and"), "LogicalOr": called("np.logical_or")},
    "Atan2": called("np.arctan2"),
    **{"BitwiseXor": called("np.bitwise_xor"), "BitwiseAnd": called("np.bitwise_and")},
    **{"BitwiseOr": called("np.bitwise_or"), "RightShift": called("np.right_shift")},
    "LeftShift": called("np.left_shift"),
    "Xlogy": written("np.where({0} == 0, 0, {0} * np.log(np.where({0} == 0, 1, {1})))"),
}
UNARY = {
    "Neg": written("-{0}", PLUS, TIMES),
    "LogicalNot": called("np.logical_not"),
    **{
        "Exp": called("np.exp"),
        "Expm1": called("np.expm1"),
        "Log": called("np.log"),
        "Log1p": called("np.log1p"),
    },
    **{"Sin": called("np.sin"), "Cos": called("np.cos"), "Tan": called("np.tan"), "Tanh": called("np.tanh")},
    **{"Abs": called("np.abs"), "Sign": called("np.sign"), "Sqrt": called("np.sqrt")},
    **{
        "Floor": called("np.floor"),
        "Ceil": called("np.ceil"),
        "Round": called("np.round"),
        "Rint": called("np.rint"),
    },
    **{"IsFinite": called("np.isfinite"), "IsNan": called("np.isnan"), "IsInf": called("np.isinf")},
    "Square": written("{0} ** 2", POWER, ATOM),
    "Rsqrt": written("1 / np.sqrt({0})", TIMES, COMPARE),
    **{"Inv": written("1 / {0}", TIMES, POWER), "Reciprocal": written("1 / {0}", TIMES, POWER)},
    "Relu": written("np.maximum({0}, 0)", ATOM, COMPARE),
    "Relu6": written("np.clip({0}, 0, 6)", ATOM, COMPARE),
    "Elu": written("np.where({0} > 0, {0}, np.expm1(np.minimum({0}, 0)))", ATOM, PLUS),
    "Selu": written(
        "1.0507009873554805 * np.where({0} > 0, {0}, 1.6732632423543772 * np.expm1(np.minimum({0}, 0)))",
        TIMES,
        PLUS,
    ),
    "Softsign": written("{0} / (1 + np.abs({0}))", TIMES),
    **{"Sigmoid": helped("sigmoid"), "Softplus": helped("softplus")},
    "LeakyRelu": lambda call: Code(
        f"np.where({call.arg(0, PLUS)} > 0, {call.arg(0, COMPARE)}, {call.attr('alpha'):.7g} * {call.arg(0)})"
    ),
    "Cast": cast,
    "ZerosLike": fill_like("zeros"),
    "OnesLike": fill_like("ones"),
}
# Gradients of the above: of the output (d), with the input or the output.
GRADIENTS = {
    "ReluGrad": written("{0} * ({1} > 0)", TIMES, TIMES, PLUS),
    "Relu6Grad": written("{0} * (({1} > 0) & ({1} < 6))", TIMES, TIMES, PLUS),
    "EluGrad": written("{0} * np.where({1} > 0, 1, {1} + 1)", TIMES, TIMES, PLUS),
    "SeluGrad": written(
        "{0} * np.where({1} > 0, 1.0507009873554805, {1} + 1.7580993408473766)", TIMES, TIMES, PLUS
    ),
    "SigmoidGrad": written("{1} * {0} * (1 - {0})", TIMES, ATOM, TIMES),
    "TanhGrad": written("{1} * (1 - {0} ** 2)", TIMES, ATOM, TIMES),
    "SqrtGrad": written("{1} * 0.5 / {0}", TIMES, POWER, TIMES),
    "RsqrtGrad": written("-0.5 * {1} * {0} ** 3", TIMES, ATOM, POWER),
    "InvGrad": written("-{1} * {0} ** 2", TIMES, ATOM, POWER),
    "ReciprocalGrad": written("-{1} * {0} ** 2", TIMES, ATOM, POWER),
    "SoftplusGrad": lambda call: Code(
        f"{call.arg(0, TIMES)} * {call.helper('sigmoid')}({call.arg(1, COMPARE)})", TIMES
    ),
    "SoftsignGrad": written("{0} / (1 + np.abs({1})) ** 2", TIMES, TIMES, COMPARE),
    "LeakyReluGrad": lambda call: Code(
        f"{call.arg(0, TIMES)} * np.where({call.arg(1, PLUS)} > 0, 1, {call.attr('alpha'):.7g})", TIMES
    ),
}
RULES: dict[str, Callable[[Call], Result]] = {
    **BINARY,
    **UNARY,
    **GRADIENTS,
    "AddN": add_all,
    "SelectV2": select,
    "Select": pad_condition,
    "ClipByValue": written("np.clip({0}, {1}, {2})", ATOM, COMPARE, COMPARE, COMPARE),
    "Bitcast": bitcast,
}
dimensions.ELEMENTWISE.update({*RULES} - {"Select", "Bitcast"})
