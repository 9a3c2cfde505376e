"""Examples and tests alike: a fresh default graph for each, `gk`, `tf` and `np` in the examples."""

import os
import signal
import sys
from functools import partial

# Of a processor, only oneDNN has kernels for channels_first, and TensorFlow takes it by itself only where it
# expects it to be faster.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import graphkit as gk  # before TensorFlow, which then starts as in a user's program

# isort: split
import numpy as np
import pytest
import tensorflow as tf

collect_ignore = ["graphkit/benchmark/contenders"]  # programs of other libraries

# Most programs that are still in graph mode begin with this call.
V1_BEHAVIOR = os.environ.get("GRAPHKIT_TEST_V1_BEHAVIOR") == "1"
if V1_BEHAVIOR:
    tf.compat.v1.disable_v2_behavior()


HANDLERS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


@pytest.fixture(autouse=True)
def usual_handlers():
    """Signals as a program at a terminal has them: one that runs in the background ignores SIGINT."""
    before = {number: signal.signal(number, handler) for number, handler in HANDLERS.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marks
def pytest_collection_modifyitems(items):
    begun = set()
    for item in items:
        if item.get_closest_marker("grid") is not None and item.get_closest_marker("slow") is None:
            function = item.nodeid.split("[")[0]
            if function in begun:
                item.add_marker(pytest.mark.slow)
            begun.add(function)
        mark = item.get_closest_marker("v2_behavior")
        if V1_BEHAVIOR and mark is not None:
            item.add_marker(pytest.mark.skip(reason=mark.args[0]))


RESTARTS = []  # functions that give the random generators of test modules their state after the import


def pytest_collection_finish(session):
    folder = str(session.config.rootpath / "tests")
    modules = [m for m in sys.modules.values() if str(getattr(m, "__file__", "")).startswith(folder)]
    for value in (value for module in modules for value in vars(module).values()):
        if isinstance(value, np.random.Generator):
            RESTARTS.append(partial(setattr, value.bit_generator, "state", value.bit_generator.state))
        elif isinstance(value, np.random.RandomState):
            RESTARTS.append(partial(value.set_state, value.get_state()))


def restart_generators():
    """Each test draws the same numbers, whichever tests ran before it in this process."""
    for restart in RESTARTS:
        restart()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    restart_generators()  # for the fixtures


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call():
    restart_generators()  # even where an earlier test has made the module's fixtures


def is_of_tf1(item):
    """Whether a test, or an example, loads `graphkit.tf1`, which turns TensorFlow 2's behaviour off."""
    return not {"tf1", "commands"}.isdisjoint(item.path.relative_to(item.config.rootpath).parts)


def restore_behavior():
    """Undoes what `import graphkit.tf1` sets for the process, for the tests that come after it."""
    if V1_BEHAVIOR:
        if tf.compat.v1.resource_variables_enabled():
            tf.compat.v1.disable_resource_variables()
    elif not tf.executing_eagerly():
        tf.compat.v1.reset_default_graph()  # TensorFlow refuses to execute eagerly when there is one
        tf.compat.v1.enable_v2_behavior()


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    restore_behavior()  # a module that imports graphkit.tf1 was collected
    return report


@pytest.fixture(autouse=True)
def behavior(request):
    if not is_of_tf1(request.node):
        yield
        return
    tf.compat.v1.disable_v2_behavior()
    tf.compat.v1.enable_resource_variables()
    yield
    restore_behavior()


@pytest.fixture(autouse=True)
def fresh_graph(behavior):
    with tf.Graph().as_default() as graph:
        yield graph


@pytest.fixture(autouse=True)
def example_names(request, doctest_namespace):
    names = sys.modules.get("graphkit.tf1", tf) if is_of_tf1(request.node) else tf
    doctest_namespace.update(gk=gk, np=np, tf=names)
