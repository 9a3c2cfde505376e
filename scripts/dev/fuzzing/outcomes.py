"""The outcome of bad input: a result or a refusal; anything else is a failure."""

import random
import sys
import traceback
import warnings
from typing import NamedTuple

import graphkit as gk

REFUSALS = (gk.GraphkitError, ValueError, TypeError, OSError)
OUTCOMES = ("result", "refusal", "failure")
unpickled = []  # names that pickles have asked for since the last case


class WrongResult(Exception):
    """A result that does not agree with the input."""


class Outcome(NamedTuple):
    """The outcome of a case: one of `OUTCOMES`, and its message."""

    kind: str
    text: str


def watch_pickles():
    """Records in `unpickled` what pickles load from now on, in this process."""
    sys.addaudithook(lambda event, values: event == "pickle.find_class" and unpickled.append(values))


def draw(target, seed, number):
    """Returns a case of a target: which depends only on seed and number."""
    return target.draw(random.Random(f"{seed} {target.name} {number}"))


def run(target, case, folder):
    """Runs a case in an empty folder; returns its Outcome."""
    unpickled.clear()
    outcome = run_alone(target, case, folder)
    if unpickled:
        return Outcome("failure", f"a pickle was loaded: {unpickled}")
    return outcome


def run_alone(target, case, folder):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.run(case, folder)
    except REFUSALS as error:
        if str(error):
            return Outcome("refusal", f"{type(error).__name__}: {error}")
        return Outcome("failure", f"a {type(error).__name__} without a message")
    except MemoryError as error:
        return Outcome("refusal" if target.may_be_large else "failure", f"MemoryError: {error}")
    except WrongResult as error:
        return Outcome("failure", str(error))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        words = " ".join(str(error)[:300].split())
        text = f"{type(error).__name__}: {words} ({where.filename}:{where.lineno})"
        return Outcome("failure", text)
    return Outcome("result", "")
