"""What may come of bad input: a result or a refusal; all else is a fault."""

import random
import sys
import traceback
import warnings
from typing import NamedTuple

import graphkit as gk

REFUSALS = (gk.GraphkitError, ValueError, TypeError, OSError)
OUTCOMES = ("result", "refusal", "fault")
unpickled = []  # names that a pickle has asked for since the last case


class Fault(Exception):
    """A result that the input does not bear out."""


class Outcome(NamedTuple):
    """What came of a case: one of `OUTCOMES`, and the words of it."""

    kind: str
    text: str


def watch_pickles():
    """Notes in `unpickled` what pickles load from here on, in this process."""
    sys.addaudithook(lambda event, values: event == "pickle.find_class" and unpickled.append(values))


def draw(target, seed, number):
    """Returns a case of a target: a function of seed and number alone."""
    return target.draw(random.Random(f"{seed} {target.name} {number}"))


def run(target, case, folder):
    """Runs a case in an empty folder; returns its Outcome."""
    unpickled.clear()
    outcome = run_alone(target, case, folder)
    if unpickled:
        return Outcome("fault", f"a pickle was loaded: {unpickled}")
    return outcome


def run_alone(target, case, folder):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.run(case, folder)
    except REFUSALS as error:
        if str(error):
            return Outcome("refusal", f"{type(error).__name__}: {error}")
        return Outcome("fault", f"a {type(error).__name__} without a message")
    except MemoryError as error:
        return Outcome("refusal" if target.may_be_large else "fault", f"MemoryError: {error}")
    except Fault as fault:
        return Outcome("fault", str(fault))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        words = " ".join(str(error)[:300].split())
        text = f"{type(error).__name__}: {words} ({where.filename}:{where.lineno})"
        return Outcome("fault", text)
    return Outcome("result", "")
