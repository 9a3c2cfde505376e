"""The session: which device it runs on, and initial values that follow from the seed."""

import contextlib
import logging
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.graph import copies, walk
from graphkit.running import keyed

ON = 1  # RewriterConfig.Toggle
COMPUTE_DTYPES = ("float32", "bfloat16", "float16")
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}


def all_devices(device: str, config: Any) -> tuple[str, ...]:
    """Returns the devices that train together: for "all" the GPUs, or else the processors of the session.

    Args:
      device: as `make_config` takes it.
      config: what `make_config` returned; its `device_count` says how many virtual processors there are.
    """
    if device != "all":
        return ()
    visible = [name for name in config.gpu_options.visible_device_list.split(",") if name]
    present = len(visible or tf.config.list_physical_devices("GPU"))
    gpus = min(present, config.device_count["GPU"]) if "GPU" in config.device_count else present
    kind, count = ("GPU", gpus) if gpus else ("CPU", config.device_count.get("CPU", 1))
    return tuple(f"/device:{kind}:{number}" for number in range(count))


def make_config(device: str, session_config: Any = None, compute_dtype: str = "float32") -> Any:
    """Returns the session's ConfigProto for "auto", "all", "cpu", "gpu" or one device such as "/gpu:0".

    "auto", "all" and "gpu" leave placement to TensorFlow, which takes a GPU where there is one; "/gpu:1"
    makes the second GPU the only one that the process sees. GPU memory grows as it is needed.
    """
    check = checks.Checker("Trainer")
    config = tf.compat.v1.ConfigProto(allow_soft_placement=True)
    if session_config is not None:
        is_config = isinstance(session_config, tf.compat.v1.ConfigProto)
        rule = "session_config must be a tf.compat.v1.ConfigProto"
        check.require_type(is_config, rule, session_config=session_config)
        config.MergeFrom(session_config)
    config.gpu_options.allow_growth = True
    kind, index = parse_device(check, device)
    if kind == "gpu":
        present = tf.config.list_physical_devices("GPU")
        found = [f"/gpu:{number}" for number in range(len(present))] or ["none"]
        rule = f"the device must exist; GPUs found by TensorFlow: {', '.join(found)}"
        rule += " (with TF_CPP_MIN_LOG_LEVEL=0 in the environment, it logs why)"
        check.require(int(index or 0) < len(present), rule, device=device)
        if index is not None:
            config.gpu_options.visible_device_list = index
    if kind == "cpu":
        rule = (
            "the processor is one device, /cpu:0; place ops on further virtual ones with tf.device where "
            "the graph is built"
        )
        check.require(int(index or 0) == 0, rule, device=device)
        config.device_count["GPU"] = 0
    rewrites = config.graph_options.rewrite_options
    compute_dtype = check.choice("compute_dtype", compute_dtype, COMPUTE_DTYPES)
    if compute_dtype == "bfloat16":
        check_bfloat16(check, kind)
        rewrites.auto_mixed_precision_onednn_bfloat16 = ON
    elif compute_dtype == "float16":
        check_float16(check, kind)
        rewrites.auto_mixed_precision = ON
    return config


def parse_device(check: checks.Checker, device: str) -> tuple[str | None, str | None]:
    """Returns ("cpu", "gpu" or None for "auto" and "all", the number as text or None)."""
    rule = 'device must be "auto", "all", "cpu", "gpu" or one device such as "/gpu:0"'
    check.require_type(isinstance(device, str), rule, device=device)
    match = re.fullmatch(r"auto|all|/?(?:device:)?(cpu|gpu)(?::(\d+))?", device.lower())
    check.require(match, rule, device=device)
    return (match[1], match[2]) if match else (None, None)


def check_bfloat16(check: checks.Checker, kind: str | None) -> None:
    """Raises unless the session runs on a processor with instructions for bfloat16."""
    gpu = kind != "cpu" and tf.config.list_physical_devices("GPU")
    rule = 'compute_dtype "bfloat16" is for the processor (device="cpu"); a GPU takes "float16"'
    check.require(not gpu, rule, device=kind)
    flags = processor_flags()
    found = sorted(flag for flag in flags if flag.startswith(("avx512", "amx")))
    rule = "compute_dtype bfloat16 needs a processor with avx512_bf16 or amx_bf16"
    check.require(flags & BFLOAT16_FLAGS, rule, found=found)


def check_float16(check: checks.Checker, kind: str | None) -> None:
    """Raises unless the session runs on a GPU."""
    gpu = kind != "cpu" and tf.config.list_physical_devices("GPU")
    rule = 'compute_dtype "float16" is for a GPU; a processor takes "bfloat16"'
    check.require(gpu, rule, device=kind or "auto, without a GPU")


def processor_flags() -> set[str]:
    """Returns the processor's features as Linux lists them; an empty set on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return set()
    return set(next((line.split(":")[1] for line in lines if line.startswith("flags")), "").split())


def make_initializer(check: checks.Checker, variables: Sequence[tf.Variable], seed: int) -> tf.Operation:
    """Returns the op that gives all variables their initial values, which nothing may be fed for.

    Random values follow from (seed, name of the random op), unless the op has its own seed: the initial
    values are copied in the graph, with the seeds filled in. So they do not depend on how many ops the graph
    has, as TensorFlow's op seeds do.
    """
    ops: dict[tf.Operation, None] = {}
    unseeded = []
    needed_by = {v.name: walk.ancestors([v.initial_value]) for v in variables}
    fed = {name: [given.name for given in walk.fed_among(ops)] for name, ops in needed_by.items()}
    fed = {name: placeholders for name, placeholders in fed.items() if placeholders}
    rule = (
        "nothing is fed when variables get their initial values: initialize by the array itself, as "
        "tf.compat.v1.get_variable(name, initializer=array)"
    )
    check.require(not fed, rule, placeholders=fed)
    random = keyed.RandomOps(set().union(*needed_by.values()))
    for variable in variables:
        needed = needed_by[variable.name]
        if any(is_seedless(op) or draws_in_function(op, random) for op in needed):
            unseeded.append(variable)
            ops |= dict.fromkeys(needed)
    seeded = seeded_copies(unseeded, list(ops), seed, random)
    values = dict(zip((variable.name for variable in unseeded), seeded, strict=True))
    assignments = [
        v.assign(values[v.name], read_value=False) if v.name in values else v.initializer for v in variables
    ]
    return tf.group(*assignments, name="graphkit/initialize")


def seeded_copies(
    variables: Sequence[tf.Variable], ops: list[tf.Operation], seed: int, random: keyed.RandomOps
) -> list[tf.Tensor]:
    """Returns copies of the variables' initial values, computed by these ops with seeds filled in.

    A function may be called by several initializers, so what it draws follows from a key of the call.
    """
    if not variables:
        return []
    keys = keyed.Keys(random.library)

    def fill_in_seed(op: tf.Operation, node: Any) -> None:
        if is_seedless(op):
            set_seed(op, node, seed)
        elif draws_in_function(op, random):
            keys.rewrite(node)

    # An initial value may read another variable: that of the graph, not a copy.
    handles = [op for op in ops if op.type in walk.VARIABLES]
    definition = copies.definition_of(ops, without=handles, rewrite=fill_in_seed)
    keys.complete(definition)
    given = {op.outputs[0].name: op.outputs[0] for op in handles}
    given |= keys.tensors(tf.constant(seed, tf.int64), tf.constant(0, tf.int64)) if keys.ops else {}
    wanted = [variable.initial_value.name for variable in variables]
    return copies.paste(definition, given, wanted, "graphkit/initial_values")


def draws_in_function(op: tf.Operation, random: keyed.RandomOps) -> bool:
    """Whether a function that the op calls draws random numbers without a seed, and can be given a key."""
    nodes = random.drawing.get(op, [])
    inside = bool(nodes) and not keyed.is_random(op)
    return (
        inside
        and random.has_key(op)
        and not any(node.attr["seed"].i or node.attr["seed2"].i for node in nodes)
    )


def set_seed(op: tf.Operation, node: Any, seed: int) -> None:
    """Gives the `NodeDef` of a random op a seed that follows from its name."""
    node.attr["seed"].i = seed
    node.attr["seed2"].i = zlib.crc32(op.name.encode()) or 1


def is_seedless(op: tf.Operation) -> bool:
    """Whether the op draws random numbers and has no seed."""
    attributes = op.node_def.attr
    seeds = ("seed" in attributes, "seed2" in attributes)
    return all(seeds) and attributes["seed"].i == 0 and attributes["seed2"].i == 0


@contextlib.contextmanager
def kept(session: tf.compat.v1.Session, variables: Sequence[tf.Variable]) -> Iterator[None]:
    """Gives variables, after a block, the values that they had before it."""
    values = [np.array(value) for value in session.run(list(variables))] if variables else []
    try:
        yield
    finally:
        assign(session, list(zip(variables, values, strict=True)))


def assign(session: Any, pairs: Iterable[tuple]) -> None:
    """Assigns a value to each variable of (variable, value) pairs.

    The values are fed to the variables' initializers, so that the graph gets no ops for it. This
    is one run, unless variables were made with one tensor as their common initial value.
    """
    runs: list[dict] = []
    for variable, value in pairs:
        fed = variable.initializer.inputs[1].name
        run = next((run for run in runs if fed not in run), None)
        if run is None:
            runs.append(run := {})
        run[fed] = variable.initializer, value
    for run in runs:
        feed = {fed: value for fed, (_, value) in run.items()}
        session.run([initializer for initializer, _ in run.values()], feed)


@contextlib.contextmanager
def tensorflow_logs(is_wanted: Callable[[logging.LogRecord], bool]) -> Iterator[None]:
    """In a block or a call, drops those of TensorFlow's Python log records for which a function is False."""
    logger = tf.get_logger()

    def look(
        record: logging.LogRecord,
    ) -> bool:  # one for each block, so that the end of an inner one is its own
        return is_wanted(record)

    logger.addFilter(look)
    try:
        yield
    finally:
        logger.removeFilter(look)
