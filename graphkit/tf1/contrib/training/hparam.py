"""`tf.contrib.training.HParams`: hyperparameters as attributes, each of one type, set from text or JSON."""

import json
import numbers
import re
from collections.abc import Callable, Mapping
from typing import Any

# A clause of "rate=0.1,layers=[64,64],layers[1]=32".
CLAUSE = re.compile(r"\s*([A-Za-z][\w.]*)(?:\[\s*(\d+)\s*\])?\s*=\s*(?:\[([^\]]*)\]|([^,\[]*))\s*(?:,|$)")


def parse_values(values: str, type_map: Mapping[str, type], ignore_unknown: bool = False) -> dict[str, Any]:
    """Returns {name: value} of text such as "rate=0.1,layers=[64,64]".

    For "layers[1]=32" the value is {1: 32}.

    Raises:
      ValueError: the text is malformed, a name is unknown or assigned twice, or a value has another type.
    """
    parsed: dict[str, Any] = {}
    position = 0
    while position < len(values):
        clause = CLAUSE.match(values, position)
        if clause is None:
            raise ValueError(f"Malformed hyperparameter value: {values[position:]}")
        position = clause.end()
        name, index, several, single = clause.groups()
        if name not in type_map:
            if ignore_unknown:
                continue
            raise ValueError(f"Unknown hyperparameter type for {name}")
        add_clause(
            parsed, name, index, parse_clause(name, type_map[name], index, several, single, values), values
        )
    return parsed


def parse_clause(
    name: str, kind: type, index: str | None, several: str | None, single: str | None, values: str
) -> Any:
    """Returns the value of a clause, or the list of its values."""
    parse: Callable[[str], Any] = parse_boolean if kind is bool else kind
    text = single if several is None else several
    if several is not None and index is not None:
        raise ValueError("Assignment of a list to a list index.")
    try:
        if several is None:
            return parse((single or "").strip())
        return [parse(part) for part in re.split("[ ,]+", several) if part]
    except ValueError:
        kind_name = kind.__name__
        raise ValueError(
            f"Could not parse hparam '{name}' of type '{kind_name}' with value '{text}' in {values}"
        ) from None


def add_clause(parsed: dict[str, Any], name: str, index: str | None, value: Any, values: str) -> None:
    """Adds an assignment, unless the name or the element has been assigned."""
    if index is None:
        taken = name in parsed
        parsed.setdefault(name, value)
    else:
        elements = parsed.setdefault(name, {})
        taken = not isinstance(elements, dict) or int(index) in elements
        if not taken:
            elements[int(index)] = value
    if taken:
        raise ValueError(f"Multiple assignments to variable '{name}' in {values}")


def parse_boolean(text: str) -> bool:
    known = {"true": True, "True": True, "false": False, "False": False}
    return known[text] if text in known else bool(int(text))


class HParams:
    """Hyperparameters: `HParams(rate=0.1, layers=[64, 64]).rate`.

    Each keeps the type of its first value; an integer may become a float, and nothing else changes type.
    """

    def __init__(self, hparam_def: Any = None, model_structure: Any = None, **kwargs: Any) -> None:
        if hparam_def is not None or model_structure is not None:
            raise ValueError("HParams: only values are offered, which are keyword arguments")
        self._hparam_types: dict[str, tuple[type, bool]] = {}
        for name, value in kwargs.items():
            self.add_hparam(name, value)

    def add_hparam(self, name: str, value: Any) -> None:
        if getattr(self, name, None) is not None:
            raise ValueError(f"Hyperparameter name is reserved: {name}")
        is_list = isinstance(value, (list, tuple))
        if is_list and not value:
            raise ValueError(f"Multi-valued hyperparameters cannot be empty: {name}")
        self._hparam_types[name] = (type(value[0]) if is_list else type(value), is_list)
        setattr(self, name, value)

    def set_hparam(self, name: str, value: Any) -> None:
        kind, is_list = self._hparam_types[name]
        if isinstance(value, list) != is_list:
            wanted = "a list" if is_list else "a single value"
            raise ValueError(
                f"Must pass {wanted} for {'multi' if is_list else 'single'}-valued parameter: {name}"
            )
        setattr(self, name, [cast(name, kind, one) for one in value] if is_list else cast(name, kind, value))

    def del_hparam(self, name: str) -> None:
        if hasattr(self, name):
            delattr(self, name)
            del self._hparam_types[name]

    def parse(self, values: str) -> "HParams":
        """Sets what text such as "rate=0.1,layers=[64,64]" says."""
        types = {name: kind for name, (kind, _) in self._hparam_types.items()}
        return self.override_from_dict(parse_values(values, types))

    def override_from_dict(self, values_dict: Mapping[str, Any]) -> "HParams":
        for name, value in values_dict.items():
            if isinstance(value, dict):
                elements = list(getattr(self, name))
                for index, element in value.items():
                    elements[index] = element
                value = elements
            self.set_hparam(name, value)
        return self

    def parse_json(self, values_json: str) -> "HParams":
        return self.override_from_dict(json.loads(values_json))

    def to_json(self, indent: Any = None, separators: Any = None, sort_keys: bool = False) -> str:
        values = {name: value for name, value in self.values().items() if not callable(value)}
        return json.dumps(values, indent=indent, separators=separators, sort_keys=sort_keys)

    def values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._hparam_types}

    def get(self, key: str, default: Any = None) -> Any:
        return getattr(self, key) if key in self else default

    def __contains__(self, key: str) -> bool:
        return key in self._hparam_types

    def __str__(self) -> str:
        return str(sorted(self.values().items()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"


def cast(name: str, kind: type, value: Any) -> Any:
    """Returns the value in the type of its parameter; `ValueError` where that would change what it says."""
    if type(value) is kind or kind is type(None):
        return value
    wrong = (
        (issubclass(kind, (str, bytes)) and not isinstance(value, (str, bytes)))
        or issubclass(kind, bool) != isinstance(value, bool)
        or (issubclass(kind, numbers.Integral) and not isinstance(value, numbers.Integral))
        or (issubclass(kind, numbers.Number) and not isinstance(value, numbers.Number))
    )
    if wrong:
        raise ValueError(f"Could not cast hparam '{name}' of type '{kind}' from value {value!r}")
    make: Any = kind
    return make(value)
