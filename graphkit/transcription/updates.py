"""Rules of ops that read and change variables: assignments, scatters, the update rules of optimizers."""

from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit.transcription.transcriber import ATOM, COMPARE, PLUS, TIMES, Call, Result, Rule
from graphkit.transcription.values import Constant


def read(call: Call) -> Result:
    return call.at.read_variable(call.handle())


def assign(call: Call) -> Result:
    key = call.handle()
    call.at.write([key], f'state["{key}"] = {call.arg(1, COMPARE)}')
    return None


def change(operator: str) -> Rule:
    """Returns the rule of an op that adds to a variable, or subtracts from it."""

    def rule(call: Call) -> Result:
        key = call.handle()
        level = PLUS if operator == "+" else TIMES
        call.at.write([key], f'state["{key}"] = state["{key}"] {operator} {call.arg(1, level)}')
        return None

    return rule


def descend(call: Call) -> Result:
    key = call.handle()
    step = f"{call.arg(1, TIMES)} * {call.arg(2, ATOM)}"
    call.at.write([key], f'state["{key}"] = state["{key}"] - {step}')
    return None


def by_rule(function: str, slots: int, inputs: str, *flags: str, refused: str = "") -> Rule:
    """Returns the rule of an op that applies the update rule of an optimizer.

    Args:
      function: the function at the top that computes it.
      slots: number of variables that the op takes first: the variable itself and its slots.
      inputs: the names of the other inputs, in the op's order; "rows" are those that are changed.
      *flags: attributes that the function takes as options where they are True.
      refused: an attribute that must be False, or "not" and one that must be True.
    """

    def rule(call: Call) -> Result:
        if refused and call.attr(refused.removeprefix("not ")) != refused.startswith("not "):
            raise call.refusal(f"has {refused}, which NumPy cannot compute yet")
        keys = [call.handle(place) for place in range(slots)]
        places = {name: place for place, name in enumerate(inputs.split(), start=slots)}
        if "rows" in places and not call.op.type.startswith("ResourceSparse"):
            del places["rows"]
            places = {name: place for place, name in enumerate(places, start=slots)}
        rows = places.pop("rows", None)
        first = [name for name in ("gradient", "rate", "beta1_power", "beta2_power") if name in places]
        arguments = [call.arg(places[name], COMPARE) for name in first]
        arguments += [f"{name}={call.arg(places[name], COMPARE)}" for name in places if name not in first]
        arguments += [f"{name.removeprefix('use_')}=True" for name in flags if call.attr(name)]
        names = "[" + ", ".join(f'"{key}"' for key in keys) + "]"
        start = [call.helper(function) + "(state", names]
        if rows is not None:
            start = [f"{call.helper('at_rows')}({function}", "state", names, call.arg(rows, COMPARE)]
        call.at.write(keys, ", ".join(start + arguments) + ")")
        return None

    return rule


def scatter(function: str) -> Rule:
    """Returns the rule of an op that changes rows of a variable."""

    def rule(call: Call) -> Result:
        key = call.handle()
        indices, rows = call.arg(1, COMPARE), call.arg(2, COMPARE)
        if function == "replaced":
            text = f'{call.helper("replaced")}(state["{key}"], {indices}, {rows})'
        else:
            how = "" if function == "np.add" else f", {function}"
            text = f'{call.helper("scattered")}(state["{key}"], {indices}, {rows}{how})'
        call.at.write([key], f'state["{key}"] = {text}')
        return None

    return rule


def initialized(call: Call) -> Result:
    return Constant(np.array(True))


def variable_shape(call: Call) -> Result:
    return Constant(call.at.array_shape(call.handle()))


def for_rows(name: str, rule: Rule) -> dict[str, Rule]:
    """Returns the rule of the op that changes a complete variable, and of the one that changes rows of it."""
    return {f"ResourceApply{name}": rule, f"ResourceSparseApply{name}": rule}


RULES: dict[str, Callable[[Call], Any]] = {
    "ReadVariableOp": read,
    "AssignVariableOp": assign,
    "AssignAddVariableOp": change("+"),
    "AssignSubVariableOp": change("-"),
    "ResourceApplyGradientDescent": descend,
    **for_rows("Momentum", by_rule("momentum", 2, "rate gradient rows decay", "use_nesterov")),
    "ResourceApplyAdam": by_rule(
        "adam", 3, "beta1_power beta2_power rate beta1 beta2 epsilon gradient", "use_nesterov"
    ),
    **for_rows("Adagrad", by_rule("adagrad", 2, "rate gradient rows", refused="not update_slots")),
    **for_rows("AdagradV2", by_rule("adagrad", 2, "rate epsilon gradient rows", refused="not update_slots")),
    **for_rows("Adadelta", by_rule("adadelta", 3, "rate decay epsilon gradient rows")),
    **for_rows("RMSProp", by_rule("rmsprop", 3, "rate decay momentum epsilon gradient rows")),
    **for_rows(
        "CenteredRMSProp", by_rule("centered_rmsprop", 4, "rate decay momentum epsilon gradient rows")
    ),
    **for_rows("Ftrl", by_rule("ftrl", 3, "gradient rows rate l1 l2 power", refused="multiply_linear_by_lr")),
    "ResourceScatterAdd": scatter("np.add"),
    "ResourceScatterSub": scatter("np.subtract"),
    "ResourceScatterUpdate": scatter("replaced"),
    "VarIsInitializedOp": initialized,
    "VariableShape": variable_shape,
}
