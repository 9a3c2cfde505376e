"""The session: which device it runs on, and initial values that follow from the seed."""

import contextlib
import re
import zlib
from pathlib import Path

import tensorflow as tf

from graphkit import checks
from graphkit.graph import walk

ON = 1  # RewriterConfig.Toggle


PRECISIONS = ("float32", "bfloat16", "float16")
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}


def make_config(device, session_config=None, precision="float32"):
    """Returns the session's ConfigProto for "auto", "cpu", "gpu" or one device such as "/gpu:0".

    "auto" and "gpu" leave placement to TensorFlow, which takes a GPU where there is one; "/gpu:1" makes
    the second GPU the only one that the process sees. GPU memory grows as it is needed.
    """
    config = tf.compat.v1.ConfigProto(allow_soft_placement=True)
    if session_config is not None:
        if not isinstance(session_config, tf.compat.v1.ConfigProto):
            rule = "session_config must be a tf.compat.v1.ConfigProto"
            raise TypeError(checks.message("Trainer", rule, session_config=session_config))
        config.MergeFrom(session_config)
    config.gpu_options.allow_growth = True
    rule = 'device must be "auto", "cpu", "gpu" or one device such as "/gpu:0"'
    if not isinstance(device, str):
        raise TypeError(checks.message("Trainer", rule, device=device))
    match = re.fullmatch(r"auto|/?(?:device:)?(cpu|gpu)(?::(\d+))?", device.lower())
    checks.require(match, "Trainer", rule, device=device)
    kind, index = match.groups()
    if kind == "gpu":
        present = tf.config.list_physical_devices("GPU")
        found = [f"/gpu:{number}" for number in range(len(present))] or ["none"]
        rule = f"device must be there; GPUs found by TensorFlow: {', '.join(found)}"
        checks.require(int(index or 0) < len(present), "Trainer", rule, device=device)
        if index is not None:
            config.gpu_options.visible_device_list = index
    if kind == "cpu":
        rule = (
            "the processor is one device, /cpu:0; ops go to a further virtual one by "
            "tf.device where the graph is built"
        )
        checks.require(int(index or 0) == 0, "Trainer", rule, device=device)
        config.device_count["GPU"] = 0
    rewrites = config.graph_options.rewrite_options
    precision = checks.choice("Trainer", "precision", precision, PRECISIONS)
    if precision == "bfloat16":
        check_bfloat16(kind)
        rewrites.auto_mixed_precision_onednn_bfloat16 = ON
    elif precision == "float16":
        check_float16(kind)
        rewrites.auto_mixed_precision = ON
    return config


def check_bfloat16(kind):
    """Refuses bfloat16 where TensorFlow's rewriter for oneDNN has nothing to run on."""
    gpu = kind != "cpu" and tf.config.list_physical_devices("GPU")
    rule = 'precision "bfloat16" is for the processor (device="cpu"); a GPU takes "float16"'
    checks.require(not gpu, "Trainer", rule, device=kind)
    flags = processor_flags()
    rule = "precision bfloat16 needs a processor with avx512_bf16 or amx_bf16"
    found = sorted(flag for flag in flags if flag.startswith(("avx512", "amx")))
    checks.require(flags & BFLOAT16_FLAGS, "Trainer", rule, found=found)


def check_float16(kind):
    """Refuses float16 where TensorFlow's rewriter for GPUs has nothing to run on."""
    gpu = kind != "cpu" and tf.config.list_physical_devices("GPU")
    rule = 'precision "float16" is for a GPU; a processor takes "bfloat16"'
    checks.require(gpu, "Trainer", rule, device=kind or "auto, without a GPU")


def processor_flags():
    """Returns the names of what the processor can do, as Linux tells them; none elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return set()
    return set(next((line.split(":")[1] for line in lines if line.startswith("flags")), "").split())


def make_initializer(variables, seed):
    """Returns the op that gives all variables their initial values.

    Random values are drawn by (seed, name of the random op), unless the op has a seed of its own: the
    initial values are copied in the graph, with the seeds filled in.
    """
    unseeded = {}  # ops that make the initial value, by the name of the variable
    for variable in variables:
        ops = walk.ancestors([variable.initial_value])
        if any(is_seedless(op) for op in ops):
            unseeded[variable.name] = ops
    names = [v.initial_value.name for v in variables if v.name in unseeded]
    values = dict(zip(unseeded, seeded_copies(unseeded.values(), names, seed), strict=True))
    assignments = [
        v.assign(values[v.name], read_value=False) if v.name in values else v.initializer for v in variables
    ]
    return tf.group(*assignments, name="graphkit/initialize")


def assign(session, pairs):
    """Gives each variable of the (variable, value) its value.

    The values are fed to the variables' initializers, so that a finalized graph needs no ops for it. This
    is one run, unless variables were made with one tensor as their common initial value.
    """
    runs = []
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
def tensorflow_logs(is_wanted):
    """Lets TensorFlow's Python code log only the records for which a function holds, in a block or a call."""
    logger = tf.get_logger()
    logger.addFilter(is_wanted)
    try:
        yield
    finally:
        logger.removeFilter(is_wanted)


def seeded_copies(op_sets, tensor_names, seed):
    """Copies the ops in their graph, the seeds of random ops filled in; returns the named tensors."""
    ops = {op.name: op for op_set in op_sets for op in op_set}
    if not ops:
        return []
    graph = next(iter(ops.values())).graph
    whole = graph.as_graph_def()
    definition = tf.compat.v1.GraphDef(versions=whole.versions, library=whole.library)
    handles = {}
    for name, op in ops.items():
        node = definition.node.add()
        node.CopyFrom(op.node_def)
        node.attr.pop("_class", None)  # colocation with ops that are not copied
        if op.type == "VarHandleOp":
            handles[f"{name}:0"] = op.outputs[0]
        if is_seedless(op):
            node.attr["seed"].i = seed
            node.attr["seed2"].i = zlib.crc32(name.encode()) or 1
    return tf.import_graph_def(
        definition, input_map=handles, return_elements=tensor_names, name="graphkit/initial_values"
    )


def is_seedless(op):
    """Tells whether the op draws random numbers that no seed sets."""
    attributes = op.node_def.attr
    seeds = ("seed" in attributes, "seed2" in attributes)
    return all(seeds) and attributes["seed"].i == 0 and attributes["seed2"].i == 0
