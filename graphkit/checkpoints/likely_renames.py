"""Guesses which variables a checkpoint holds under other names: a table of relations between names."""

import collections
import difflib
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from graphkit.checkpoints import contents
from graphkit.checkpoints.contents import Entry

Parts: TypeAlias = tuple[str, ...]  # a name, split at its slashes

# tf.contrib.layers, tf.layers and hand-written programs call the same two variables by these names.
ALIASES = {"weights": "kernel", "weight": "kernel", "w": "kernel", "biases": "bias", "b": "bias"}
# The variables of one layer differ in these words alone, so they are never taken for spellings of each other:
# beta and gamma have the same shape, moving_mean and moving_variance as well.
STANDARD = {"kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance"}
SIMILAR = 0.8  # fraction of two names that must agree; conv1 and conv_1 do, hidden and logits do not


def find(missing: Mapping[str, Entry], unused: Mapping[str, Entry]) -> dict[str, str]:
    """Returns {name in the graph: likely name in the checkpoint}, of entries of one shape and dtype.

    A name whose nearest relatives are several, or are claimed by several, has none: a wrong guess would
    restore wrong weights without any error.

    Args:
      missing: {name: `Entry`} of the graph's variables that the checkpoint does not hold.
      unused: {name: `Entry`} of the checkpoint that the graph has no variable for.
    """
    found: dict[str, str] = {}
    open_names = list(missing)
    for relation in RELATIONS:
        taken = set(found.values())
        theirs = {other: entry for other, entry in unused.items() if other not in taken}
        relatives = relatives_by(relation, {name: missing[name] for name in open_names}, theirs)
        claims = collections.Counter(other for others in relatives.values() for other in others)
        for name, others in relatives.items():
            if len(others) == 1 and claims[others[0]] == 1:
                found[name] = others[0]
        # A name with several relatives is not tried further: a distant relation must not win over near ones.
        open_names = [name for name in open_names if not relatives[name]]
    return found


def in_standard_words(parts: Parts) -> tuple:
    return parts  # `parts_of` has put them in the words of tf.layers


def without_numbers_of_scopes(parts: Parts) -> tuple:
    return *without_numbers(parts[:-1]), parts[-1]


def without_numbers(parts: Parts) -> tuple:
    """Drops the suffixes by which TensorFlow counts equal names: dense, dense_1, dense_2."""
    return tuple(re.sub(r"_\d+$", "", part) for part in parts)


def without_first_scope(parts: Parts) -> tuple:
    """Drops the name of a model; its numbers stay, since block1 and block2 hold different weights."""
    return (numbers_in(parts[0]), *parts[1:]) if len(parts) > 2 else parts


def numbers(parts: Parts) -> tuple:
    return numbers_in("/".join(parts))


def numbers_in(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\d+", text))


def any_spelling(ours: Parts, theirs: Parts) -> bool:
    return True


def similar_spelling(ours: Parts, theirs: Parts) -> bool:
    if ours[-1] != theirs[-1] and STANDARD & {ours[-1], theirs[-1]}:
        return False
    first, second = "/".join(ours).lower(), "/".join(theirs).lower()
    return difflib.SequenceMatcher(None, first, second, autojunk=False).ratio() >= SIMILAR


class Relation(NamedTuple):
    """One way in which two names may mean the same variable.

    Attributes:
      name: what two related names have in common.
      form: the normal form of a name's parts, which is equal for two related names.
      ours, theirs: an example of two names that are related so, and by no nearer relation.
      scopes: whether one of the two forms may have further scopes in front.
      alike: a condition on the parts of both names that no normal form can express.
    """

    name: str
    form: Callable[[Parts], tuple]
    ours: str
    theirs: str
    scopes: bool = False
    alike: Callable[[Parts, Parts], bool] = any_spelling


# The nearest relation comes first. Each later one forgives more, and gets the names that are still open.
RELATIONS = (
    Relation("all words", in_standard_words, "conv1/kernel", "conv1/weights"),
    Relation("the end", in_standard_words, "conv1/kernel", "model/conv1/weights", scopes=True),
    Relation(
        "the end, but for numbers of scopes",
        without_numbers_of_scopes,
        "dense_2/kernel/Adam_1",
        "net/dense/kernel/Adam_1",
        scopes=True,
    ),
    Relation("the end, but for numbers", without_numbers, "Variable", "net/Variable_1", scopes=True),
    Relation(
        "all but the first scope",
        without_first_scope,
        "bert/layer_1/query/kernel",
        "roberta/layer_1/query/weights",
    ),
    Relation("numbers and spelling", numbers, "conv1/kernel", "conv_1/kernel", alike=similar_spelling),
)


def relatives_by(
    relation: Relation, ours: Mapping[str, Entry], theirs: Mapping[str, Entry]
) -> dict[str, list[str]]:
    """Returns {name: the others that are related to it so}, of the same shape and dtype.

    Dictionaries find them, since comparing each name with each is quadratic in the number of variables.
    """
    exact: dict[tuple, list[str]] = collections.defaultdict(list)
    ends: dict[tuple, list[str]] = collections.defaultdict(list)
    for other, entry in theirs.items():
        form = relation.form(parts_of(other))
        exact[form, entry].append(other)
        for start in range(1, len(form) if relation.scopes else 1):
            ends[form[start:], entry].append(other)
    relatives = {}
    for name, entry in ours.items():
        form = relation.form(parts_of(name))
        starts = range(len(form) if relation.scopes else 1)
        others = [other for start in starts for other in exact[form[start:], entry]] + ends[form, entry]
        relatives[name] = [o for o in others if relation.alike(parts_of(name), parts_of(o))]
    return relatives


def parts_of(name: str) -> Parts:
    """Returns the parts of a name, in the words of tf.layers."""
    parts = name.removesuffix(contents.OBJECT).split("/")
    return tuple(ALIASES.get(part.lower(), part) for part in parts)
