"""Restoring by name: a checkpoint is compared with a graph's variables before any of them is changed."""

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.checkpoints import contents, likely_renames
from graphkit.checkpoints.contents import Entry
from graphkit.checkpoints.restore_plan import RestorePlan, Wanted
from graphkit.running import files
from graphkit.running import session as sessions

PARTS = re.compile(r"(.+)\.(meta|index|data-\d{5}-of-\d{5})")  # the files of a checkpoint
FOLDER_FILES = ("checkpoint", "saved_model.pb")  # stand for the folder that they are in


def find_checkpoint(path: str | os.PathLike[str]) -> str:
    """Returns the prefix of a checkpoint's files.

    Args:
      path: the prefix, as a Saver returns it; one of the files; a folder whose file `checkpoint` names its
        newest; or the folder of a SavedModel.

    Raises:
      FileNotFoundError: there is no such checkpoint.
      ValueError: it is at a path where TensorFlow cannot read it.
    """
    check = checks.Checker("restore")
    path = check.path("path", path)
    is_folder = os.path.isdir(path)
    folder = path if is_folder else os.path.dirname(path)
    part = PARTS.fullmatch(path)
    candidates = [path, *([part[1]] if part else [])]  # a prefix may itself end in ".meta", so it goes first
    if is_folder or os.path.basename(path) in FOLDER_FILES:
        candidates += [*newest(folder), os.path.join(folder, "variables", "variables")]
    found = next(filter(is_checkpoint, candidates), None)
    if found is not None:
        files.check_path(check, path=found)
        return found
    rule = "there is no such checkpoint"
    if is_folder:
        there = sorted(file.stem for file in Path(path).glob("*.index"))
        rule = "the folder must hold a SavedModel, or a file named checkpoint that names one that is there"
        rule += f" (there are {', '.join(there)})" if there else ""
    raise FileNotFoundError(check.message(rule, path=path))


def is_checkpoint(prefix: str) -> bool:
    """True if there are files of the prefix, or one file of that name, the format before 2016."""
    other = PARTS.fullmatch(prefix) or os.path.basename(prefix) in FOLDER_FILES
    return os.path.isfile(f"{prefix}.index") or (os.path.isfile(prefix) and not other)


def newest(folder: str) -> list[str]:
    """Returns where the newest checkpoint of a folder may be."""
    state = tf.train.get_checkpoint_state(folder)
    if state is None:
        return []
    # A Saver writes absolute paths unless save_relative_paths is set; wrong in a folder that was moved.
    named = state.model_checkpoint_path
    return [named, os.path.join(folder, os.path.basename(named))]


def plan_restore(
    path: str | os.PathLike[str],
    variables: Mapping[str, tf.Variable],
    rename: Mapping[str, str] | None = None,
) -> RestorePlan:
    """Compares a checkpoint with variables; neither the graph nor a session is touched.

    Args:
      path: as `find_checkpoint` takes it.
      variables: {name: variable} of the graph. A part of a partitioned variable is found under its own
        name or, as Savers write it, as a slice of the partitioned variable.
      rename: {name in the graph: name in the checkpoint} where they differ. Names that end in "/" are
        prefixes, the empty one that of all. A variable's own name takes precedence over prefixes, a longer
        prefix over a shorter one. Where a prefix leads to a name that the checkpoint does not hold,
        `global_step` and what optimizers count are looked up under their own names.

    Raises:
      FileNotFoundError: there is no such checkpoint.
      TypeError: rename is not a dict of names.
      ValueError: rename names what is not in the graph or not in the checkpoint.
      GraphkitError: the files are damaged or cut off.
    """
    check = checks.Checker("restore")
    path = find_checkpoint(path)
    held = contents.Reader(path).entries()
    wanted = {name: describe(name, variable) for name, variable in variables.items()}
    rename = check_rename(check, rename, wanted=wanted, held=held, path=path)
    matched: dict[str, str] = {}
    missing, shapes, dtypes = [], {}, {}
    for name, want in wanted.items():
        source = find_source(name, want.full_name, rename=rename, held=held)
        if source is None:
            missing.append(name)
        elif not (want.own.fits(held[source].shape) or want.full.fits(held[source].shape)):
            shapes[name] = (source, want.full.shape, held[source].shape)
        elif want.own.dtype != held[source].dtype:
            dtypes[name] = (source, want.own.dtype, held[source].dtype)
        else:
            matched[name] = source
    taken = {*matched.values(), *(found[0] for found in (*shapes.values(), *dtypes.values()))}
    unused = without(held, taken)
    training = contents.training_names(held)
    return RestorePlan(
        path=path,
        matched=matched,
        missing=tuple(missing),
        shapes=shapes,
        dtypes=dtypes,
        extra=tuple(without(unused, training)),
        training=tuple(within(unused, training)),
        renames=guess_renames(missing, wanted, unused=unused, training=training),
        wanted=wanted,
        held=held,
    )


def describe(name: str, variable: tf.Variable) -> Wanted:
    """Returns what is wanted for a variable, and which part of a partitioned variable it is."""
    # `load` feeds the tensor of the initial value, whose shape may be known where the variable's is not
    # (validate_shape=False), or the other way around.
    shape = variable.shape.merge_with(variable.initializer.inputs[1].shape)
    own = Entry(None if shape.rank is None else tuple(shape.as_list()), variable.dtype.base_dtype.name)
    with variable.graph.as_default():  # where no graph is the default, to_proto raises as in eager execution
        definition = variable.to_proto()
    if not definition.HasField("save_slice_info_def"):
        return Wanted(variable, own, name, own, ())
    part = definition.save_slice_info_def
    full = Entry(tuple(part.full_shape), own.dtype)
    starts = zip(part.var_offset, part.var_shape, strict=True)
    slices = tuple(slice(start, start + length) for start, length in starts)
    return Wanted(variable, own, part.full_name, full, slices)


def check_rename(
    check: checks.Checker, rename: Any, *, wanted: Mapping[str, Wanted], held: Collection[str], path: str
) -> Mapping[str, str]:
    """Returns the renames, each of which must have something to rename on both sides."""
    rename = {} if rename is None else rename
    of_names = isinstance(rename, dict) and all(isinstance(n, str) for pair in rename.items() for n in pair)
    check.require_type(of_names, "rename must be {name in the graph: name in the checkpoint}", rename=rename)
    ours = {*wanted, *(want.full_name for want in wanted.values())}
    for name, source in rename.items():
        check.require(
            is_prefix(name) == is_prefix(source),
            "rename must take a name to a name, or a prefix that ends in / to another",
            rename={name: source},
        )
        for looked_up, names, where in ((name, ours, "the graph"), (source, held, path)):
            prefix = is_prefix(looked_up)
            known = any(n.startswith(looked_up) for n in names) if prefix else looked_up in names
            hint = "" if known else checks.near(looked_up, names)
            check.require(known, f"rename must name what is in {where}{hint}", name=looked_up)
    return rename


def is_prefix(name: str) -> bool:
    return name == "" or name.endswith("/")


def find_source(name: str, full_name: str, *, rename: Mapping[str, str], held: Collection[str]) -> str | None:
    """Returns the checkpoint's name of a variable, or of the partitioned one it is a part of, or None."""
    for ours in dict.fromkeys((name, full_name)):
        prefixes = [prefix for prefix in rename if is_prefix(prefix) and ours.startswith(prefix)]
        longest = max(prefixes, key=len, default=None)
        source = ours if longest is None else rename[longest] + ours.removeprefix(longest)
        source = rename.get(ours, source)
        if source in held:
            return source
    # The prefix of a model is usually not that of its counters: global_step stays outside of all scopes.
    return name if name in held and name not in rename and contents.TRAINING.fullmatch(name) else None


def guess_renames(
    missing: Collection[str], wanted: Mapping[str, Wanted], *, unused: Mapping[str, Entry], training: set[str]
) -> dict[str, str]:
    """Returns the likely renames of missing variables, in their order, by their full names."""
    lost = {wanted[name].full_name: wanted[name].full for name in missing}
    ours = contents.training_names({want.full_name: want.full for want in wanted.values()})
    # Two searches, so that no weight is taken from its slot, of the same shape and nearly the same name.
    renames = {
        **likely_renames.find(without(lost, ours), without(unused, training)),
        **likely_renames.find(within(lost, ours), within(unused, training)),
    }
    return {name: renames[name] for name in lost if name in renames}


def within(entries: Mapping[str, Entry], names: Collection[str]) -> dict[str, Entry]:
    return {name: entry for name, entry in entries.items() if name in names}


def without(entries: Mapping[str, Entry], names: Collection[str]) -> dict[str, Entry]:
    return {name: entry for name, entry in entries.items() if name not in names}


def require_complete(plan: RestorePlan, weights: Collection[str] | None = None) -> None:
    """Refuses a checkpoint that does not hold all variables of the graph; the message is the difference.

    Args:
      plan: what `plan_restore` returned.
      weights: names of the model's variables; where the checkpoint holds all of these, the message says so.

    Raises:
      ValueError: a variable is missing, or has another shape or dtype.
    """
    rule = "the checkpoint must hold all variables of the graph, in their shapes and dtypes"
    if weights is not None and plan.matched.keys() >= set(weights):
        rule += "; weights_only=True takes the model's, which are all there"
    checks.Checker("restore").require(plan.complete, f"{rule}\n{plan}")


def load(session: tf.compat.v1.Session, plan: RestorePlan) -> None:
    """Restores what is matched.

    Raises:
      GraphkitError: the files are damaged or cut off; the session is as it was.
    """
    reader = contents.Reader(plan.path)
    # All is read before anything is assigned: damage in the last tensor must not leave half a model behind.
    arrays = {source: reader.value(source) for source in dict.fromkeys(plan.matched.values())}
    pairs = ((plan.wanted[name], arrays[source]) for name, source in plan.matched.items())
    sessions.assign(session, [(wanted.variable, wanted.value(array)) for wanted, array in pairs])
