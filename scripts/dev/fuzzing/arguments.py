"""Targets that call public names with odd arguments."""

import functools
import inspect
import pkgutil

import tensorflow as tf

import graphkit as gk
from fuzzing import calls
from fuzzing.odd_values import ODD_VALUES

WORK = ("epochs", "max_seconds", "max_steps", "steps", "num_layers", "resolution")  # set the amount of work
MUCH_WORK = [repr(number) for number in (2**16, 2**31 - 1, 2**31, 2**53 + 1, 2**62)]


class Target:
    """A public function, class or method that is called with odd arguments.

    Args:
      name: a key of `calls.CALLS`.
    """

    may_be_large = True  # MemoryError is a correct answer to arguments that ask for much memory

    def __init__(self, name):
        self.name = name
        self.parameters = parameters_of(name)

    def draw(self, random):
        """Returns {parameter: name of an odd value}; the other arguments are those of the correct call."""
        if not self.parameters:
            return {}
        count = min(random.choice((1, 1, 1, 2, 3)), len(self.parameters))
        return {name: random.choice(values_for(name)) for name in random.sample(self.parameters, count)}

    def run(self, case, folder):
        with tf.Graph().as_default():
            call = calls.METHODS.get(self.name, lambda: find(self.name))()
            arguments = calls.CALLS[self.name]() | {name: ODD_VALUES[odd]() for name, odd in case.items()}
            result = call(**arguments)
            if self.name in calls.USES:
                calls.USES[self.name](result, arguments)

    def save(self, case, path):
        """Writes the call as text; returns its path."""
        path = path.with_name(f"{path.name}.txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        odd = ", ".join(f"{name}={value}" for name, value in case.items())
        path.write_text(f"gk.{self.name}({odd}, and the arguments of its correct call)\n")
        return path


def find(name):
    """Returns the public function, class or method of a name such as `sizes.conv2d_shape`."""
    return pkgutil.resolve_name(f"graphkit.{name}")


@functools.cache
def values_for(parameter):
    """Returns the names of the odd values, without numbers that validly ask for endless work."""
    return [name for name in ODD_VALUES if not (parameter in WORK and name in MUCH_WORK)]


def parameters_of(name):
    call = find(name)
    if call in (gk.GraphkitError, gk.NotFiniteError):
        return []
    taken = inspect.signature(call).parameters.values()
    return [p.name for p in taken if p.name != "self" and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def targets():
    """Returns the targets that call public names."""
    with tf.Graph().as_default():
        return {name: Target(name) for name in calls.CALLS}
