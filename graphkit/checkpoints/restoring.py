"""Restoring by name: what a checkpoint holds against what a graph wants, told before anything is changed."""

import collections
import dataclasses
import difflib
import json
import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.running import session as sessions

PARTS = re.compile(r"(.+)\.(meta|index|data-\d{5}-of-\d{5})")  # the files of a checkpoint
FOLDER_FILES = ("checkpoint", "saved_model.pb")  # stand for the folder that they are in
OBJECT = "/.ATTRIBUTES/VARIABLE_VALUE"  # ends the names that tf.train.Checkpoint gives
TRAINING = re.compile(
    r"graphkit/.*|_CHECKPOINTABLE_OBJECT_GRAPH|.*/\.OPTIMIZER_SLOT/.*"
    rf"|(.*/)?(global_step|beta[12]_power(_\d+)?|save_counter)({re.escape(OBJECT)})?"
)
ALIASES = {"weights": "kernel", "weight": "kernel", "w": "kernel", "biases": "bias", "b": "bias"}
STANDARD = {"kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance"}
SIMILAR = 0.8  # share of two names that must agree
LINES = 10  # of a group in a plan's text
WIDTH = 100


class Entry(NamedTuple):
    """Shape and dtype of an entry; an unknown rank is None, an unknown length None in the shape."""

    shape: tuple | None
    dtype: str

    def __str__(self):
        return f"{self.dtype} {'of unknown shape' if self.shape is None else self.shape}"

    def fits(self, shape):
        return tf.TensorShape(self.shape).is_compatible_with(tf.TensorShape(shape))


class Wanted(NamedTuple):
    """A variable of the graph; `whole` is what it is a part of, itself unless it is partitioned."""

    variable: tf.Variable
    own: Entry
    whole_name: str
    whole: Entry
    offset: tuple

    def value(self, array):
        """Returns what the variable takes of an entry, which may be the whole of its parts."""
        if not self.offset or array.shape != self.whole.shape:
            return array
        ends = np.add(self.offset, self.own.shape)
        return array[tuple(slice(start, end) for start, end in zip(self.offset, ends, strict=True))]


@dataclasses.dataclass(frozen=True)
class RestorePlan:
    """What a checkpoint holds of a graph's variables; printed, it is the difference.

    Each variable of the graph is in exactly one of matched, missing, shapes and dtypes.

    Attributes:
      path: prefix of the checkpoint's files.
      matched: {variable name: checkpoint name} of what can be restored.
      missing: variables of the graph that the file does not hold.
      shapes: {variable name: (checkpoint name, shape in the graph, shape in the file)}, where they differ.
      dtypes: {variable name: (checkpoint name, dtype in the graph, dtype in the file)}, likewise.
      extra: entries of the file that the graph has no variable for.
      training: more of these, which belong to the training and not to the model: slots of optimizers,
        moving averages, `global_step`, what graphkit keeps.
      renames: {variable name: checkpoint name} of missing variables that the file is likely to hold under
        another name; as an argument `rename`, prefixes may stand for several.
      wanted: {variable name: `Wanted`}, all of the graph.
      held: {checkpoint name: `Entry`}, all of the file.
    """

    path: str
    matched: dict
    missing: tuple
    shapes: dict
    dtypes: dict
    extra: tuple
    training: tuple
    renames: dict
    wanted: dict = dataclasses.field(repr=False)
    held: dict = dataclasses.field(repr=False)

    @property
    def complete(self):
        """Whether all variables of the graph can be restored."""
        return len(self.matched) == len(self.wanted)

    def __str__(self):
        lost = [name for name in self.missing if self.wanted[name].whole_name not in self.renames]
        likely = set(self.renames.values())
        extra = [name for name in self.extra if name not in likely]
        training = [name for name in self.training if name not in likely and not name.startswith("graphkit/")]
        groups = {
            "not in the file": [(name, self.wanted[name].whole) for name in lost],
            "of another shape": differences(self.shapes),
            "of another dtype": differences(self.dtypes),
            "in the file, not in the graph": [(name, self.held[name]) for name in extra],
        }
        lines = [f"{self.path}: {len(self.matched)} of {len(self.wanted)} variables can be restored"]
        for heading, rows in groups.items():
            lines += group_lines(heading, rows)
        if training:
            kinds = sorted({name.removesuffix(OBJECT).rpartition("/")[2] for name in training})
            kinds = ", ".join(kinds[:LINES]) + (", …" if len(kinds) > LINES else "")
            lines.append(f"there as well, for training ({len(training)}): {kinds}")
        if self.renames:
            lines.append(f"likely in the file under other names ({len(self.renames)}); to take them, pass")
            lines += argument_lines(self.short_renames())
        return "\n".join(lines)

    def short_renames(self):
        """Returns the likely renames with prefixes where these say the same in fewer entries."""
        names = list(dict.fromkeys(wanted.whole_name for wanted in self.wanted.values()))
        lost = {self.wanted[name].whole_name for name in self.missing} - self.renames.keys()
        left, short = dict(self.renames), {}

        def stands_for(old, new, name):
            renamed = new + name.removeprefix(old)
            if name in self.renames:
                return left.get(name) == renamed
            return renamed not in self.held and (name in lost or bool(TRAINING.fullmatch(name)))

        for name, source in self.renames.items():
            for old, new in differing_heads(name, source):
                covered = [other for other in names if other.startswith(old)]
                several = name in left and sum(other in left for other in covered) > 1
                if several and all(stands_for(old, new, other) for other in covered):
                    short[old] = new
                    left = {other: left[other] for other in left if other not in covered}
        return {**short, **left}


def differences(found):
    """Returns the rows of variables that the file holds in another form."""
    return [
        (name, f"{wanted} in the graph, {held} in the file" + (f" as {source}" if source != name else ""))
        for name, (source, wanted, held) in found.items()
    ]


def group_lines(heading, rows):
    """Returns a heading and aligned rows, as many as are read with ease."""
    if not rows:
        return []
    shown = rows if len(rows) <= LINES + 1 else rows[:LINES]  # "and 1 more" saves no line
    width = max(len(name) for name, _ in shown)
    lines = [f"{heading} ({len(rows)}):", *(f"  {name:{width}}  {text}" for name, text in shown)]
    return lines if len(shown) == len(rows) else [*lines, f"  and {len(rows) - len(shown)} more"]


def argument_lines(renames):
    """Returns `rename={...}` as it can be pasted, so never cut short."""
    pairs = [f"{json.dumps(name)}: {json.dumps(source)}" for name, source in renames.items()]
    line = f"  rename={{{', '.join(pairs)}}}"
    if len(line) <= WIDTH:
        return [line]
    return ["  rename={", *(f"      {pair}," for pair in pairs), "  }"]


def differing_heads(name, source):
    """Yields the prefixes in which two names with a common end differ, the shortest first."""
    ours, theirs = name.split("/"), source.split("/")
    for count in range(min(len(ours), len(theirs)), 0, -1):
        if ours[-count:] == theirs[-count:]:
            heads = ours[:-count], theirs[:-count]
            yield tuple("".join(f"{part}/" for part in head) for head in heads)


def find_checkpoint(path):
    """Returns the prefix of a checkpoint's files.

    Args:
      path: the prefix, as a Saver returns it; one of the files; a folder whose file `checkpoint` names its
        newest; or the folder of a SavedModel.

    Raises:
      FileNotFoundError: there is no such checkpoint.
    """
    path = os.fspath(path)
    is_folder = os.path.isdir(path)
    folder = path if is_folder else os.path.dirname(path)
    part = PARTS.fullmatch(path)
    candidates = [path, *([part[1]] if part else [])]
    if is_folder or os.path.basename(path) in FOLDER_FILES:
        candidates += [*newest(folder), os.path.join(folder, "variables", "variables")]
    found = next(filter(is_checkpoint, candidates), None)
    if found is not None:
        return found
    rule = "there is no such checkpoint"
    if is_folder:
        there = sorted(file.stem for file in Path(path).glob("*.index"))
        rule = "the folder must hold a SavedModel, or a file named checkpoint that names one that is there"
        rule += f" (there are {', '.join(there)})" if there else ""
    raise FileNotFoundError(checks.message("restore", rule, path=path))


def is_checkpoint(prefix):
    """Tells whether there are files of the prefix, or a file of that name, as of the format before 2016."""
    other = PARTS.fullmatch(prefix) or os.path.basename(prefix) in FOLDER_FILES
    return os.path.isfile(f"{prefix}.index") or (os.path.isfile(prefix) and not other)


def newest(folder):
    """Returns where the newest checkpoint of a folder may be, which may have been moved since."""
    state = tf.train.get_checkpoint_state(folder)
    if state is None:
        return []
    named = state.model_checkpoint_path
    return [named, os.path.join(folder, os.path.basename(named))]


def read(call, path):
    """Returns what a checkpoint reader returns; its errors, of many kinds, become one."""
    try:
        return call()
    except (tf.errors.OpError, RuntimeError, ValueError, TypeError, LookupError, MemoryError) as error:
        rule = f"{path} is damaged or cut off ({error})"
        raise checks.GraphkitError(checks.message("restore", rule)) from error


def plan_restore(path, variables, rename=None):
    """Returns the `RestorePlan` of a checkpoint; neither the graph nor a session is touched.

    Args:
      path: what `find_checkpoint` takes.
      variables: {name: variable} of the graph. A part of a partitioned variable is found under its own
        name or, as Savers write it, as a slice of the whole.
      rename: {name in the graph: name in the checkpoint} where they differ. Names that end in "/" are
        prefixes, the empty one that of all; a variable's own name goes before, and longer prefixes. A
        prefix that leads to nothing leaves `global_step` and what optimizers count under their own names.

    Raises:
      FileNotFoundError: there is no such checkpoint.
      TypeError: a rename that is no dict of names.
      ValueError: a rename of names that are not in the graph or not in the checkpoint.
      GraphkitError: the files are damaged or cut off.
    """
    path = find_checkpoint(path)
    held = read_contents(path)
    wanted = {name: describe(name, variable) for name, variable in variables.items()}
    rename = check_rename(rename, wanted, held, path)
    matched, missing, shapes, dtypes = {}, [], {}, {}
    for name, want in wanted.items():
        source = find_source(name, want, rename, held)
        if source is None:
            missing.append(name)
        elif not (want.own.fits(held[source].shape) or want.whole.fits(held[source].shape)):
            shapes[name] = (source, want.whole.shape, held[source].shape)
        elif want.own.dtype != held[source].dtype:
            dtypes[name] = (source, want.own.dtype, held[source].dtype)
        else:
            matched[name] = source
    taken = {*matched.values(), *(found[0] for found in (*shapes.values(), *dtypes.values()))}
    unused = without(held, taken)
    training = training_names(held)
    lost = {wanted[name].whole_name: wanted[name].whole for name in missing}
    ours = training_names({want.whole_name: want.whole for want in wanted.values()})
    renames = {
        **likely_renames(without(lost, ours), without(unused, training)),
        **likely_renames(within(lost, ours), within(unused, training)),
    }
    return RestorePlan(
        path=path,
        matched=matched,
        missing=tuple(missing),
        shapes=shapes,
        dtypes=dtypes,
        extra=tuple(without(unused, training)),
        training=tuple(within(unused, training)),
        renames={name: renames[name] for name in lost if name in renames},
        wanted=wanted,
        held=held,
    )


def within(entries, names):
    return {name: entry for name, entry in entries.items() if name in names}


def without(entries, names):
    return {name: entry for name, entry in entries.items() if name not in names}


def open_reader(path):
    return read(lambda: tf.compat.v1.train.NewCheckpointReader(path), path)


def read_contents(path):
    """Returns {name: Entry} of a checkpoint."""
    reader = open_reader(path)
    shapes = read(reader.get_variable_to_shape_map, path)
    dtypes = read(reader.get_variable_to_dtype_map, path)
    return {name: Entry(tuple(shapes[name]), dtypes[name].name) for name in sorted(shapes, key=by_number)}


def by_number(name):
    """Returns the key that sorts layer2 before layer10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def describe(name, variable):
    """Returns what is wanted for a variable: a shape that its initializer takes, and where it is a part."""
    shape = variable.shape.merge_with(variable.initializer.inputs[1].shape)
    own = Entry(None if shape.rank is None else tuple(shape.as_list()), variable.dtype.base_dtype.name)
    with variable.graph.as_default():  # elsewhere TensorFlow believes that it runs eagerly
        definition = variable.to_proto()
    if not definition.HasField("save_slice_info_def"):
        return Wanted(variable, own, name, own, ())
    part = definition.save_slice_info_def
    whole = Entry(tuple(part.full_shape), own.dtype)
    return Wanted(variable, own, part.full_name, whole, tuple(part.var_offset))


def check_rename(rename, wanted, held, path):
    """Returns the renames, if each has something to rename on both sides."""
    rename = {} if rename is None else rename
    rule = "rename must be {name in the graph: name in the checkpoint}"
    if not isinstance(rename, dict) or not all(isinstance(n, str) for pair in rename.items() for n in pair):
        raise TypeError(checks.message("restore", rule, rename=rename))
    ours = {*wanted, *(want.whole_name for want in wanted.values())}
    for name, source in rename.items():
        rule = "rename must take a name to a name, or a prefix that ends in / to another"
        checks.require(is_prefix(name) == is_prefix(source), "restore", rule, rename={name: source})
        for wrong, names, where in ((name, ours, "the graph"), (source, held, path)):
            known = any(n.startswith(wrong) for n in names) if is_prefix(wrong) else wrong in names
            near = difflib.get_close_matches(wrong, names, n=3)
            hint = f" (near it: {', '.join(near)})" if near and not known else ""
            rule = f"rename must name what is in {where}{hint}"
            checks.require(known, "restore", rule, name=wrong)
    return rename


def is_prefix(name):
    return name == "" or name.endswith("/")


def find_source(name, want, rename, held):
    """Returns the checkpoint's name of a variable, or of the whole that it is a part of, or None."""
    for ours in dict.fromkeys((name, want.whole_name)):
        prefixes = [prefix for prefix in rename if is_prefix(prefix) and ours.startswith(prefix)]
        longest = max(prefixes, key=len, default=None)
        source = ours if longest is None else rename[longest] + ours.removeprefix(longest)
        source = rename.get(ours, source)
        if source in held:
            return source
    return name if name in held and name not in rename and TRAINING.fullmatch(name) else None


def training_names(entries):
    """Returns the names that belong to the training of a model.

    A slot is known by its form: the name and shape of a variable, and a further part of the name. An
    optimizer that was made in a scope puts this scope before.
    """

    def is_slot(name):
        owner = name.split("/")[:-1]
        owners = ["/".join(owner[start:]) for start in range(len(owner))]
        return any(other in entries and entries[other].shape == entries[name].shape for other in owners)

    return {name for name in entries if TRAINING.fullmatch(name) or is_slot(name)}


def likely_renames(lost, unused):
    """Returns {name: other name} of entries of one shape and dtype whose names are alike.

    Close relations go before distant ones; a name whose closest relatives are several, or are claimed by
    several, has none.
    """
    found, open_names = {}, list(lost)
    stages = (
        same_words,
        same_ends,
        same_but_scope_numbers,
        same_but_numbers,
        same_but_first_scope,
        similar,
    )
    for relatives_in in stages:
        relatives = relatives_in(within(lost, open_names), without(unused, set(found.values())))
        claims = collections.Counter(other for others in relatives.values() for other in others)
        for name, others in relatives.items():
            if len(others) == 1 and claims[others[0]] == 1:
                found[name] = others[0]
        open_names = [name for name in open_names if not relatives[name]]
    return found


def parts_of(name):
    """Returns the parts of a name, in the words of tf.layers."""
    parts = name.removesuffix(OBJECT).split("/")
    return tuple(ALIASES.get(part.lower(), part) for part in parts)


def same_words(ours, theirs, form=tuple):
    """Returns {name: others that are called the same in the words of tf.layers}."""
    index = collections.defaultdict(list)
    for other, entry in theirs.items():
        index[form(parts_of(other)), entry].append(other)
    return {name: index[form(parts_of(name)), entry] for name, entry in ours.items()}


def same_ends(ours, theirs, form=tuple):
    """Returns {name: others that it is with scopes before it, or that are it with scopes before them}."""
    whole, ends = collections.defaultdict(list), collections.defaultdict(list)
    for other, entry in theirs.items():
        parts = form(parts_of(other))
        whole[parts, entry].append(other)
        for start in range(1, len(parts)):
            ends[parts[start:], entry].append(other)
    relatives = {}
    for name, entry in ours.items():
        parts = form(parts_of(name))
        shorter = [other for start in range(len(parts)) for other in whole[parts[start:], entry]]
        relatives[name] = shorter + ends[parts, entry]
    return relatives


def same_but_scope_numbers(ours, theirs):
    return same_ends(ours, theirs, lambda parts: (*without_numbers(parts[:-1]), parts[-1]))


def same_but_numbers(ours, theirs):
    return same_ends(ours, theirs, without_numbers)


def same_but_first_scope(ours, theirs):
    def form(parts):
        return (numbers_of(parts[0]), *parts[1:]) if len(parts) > 2 else parts

    return same_words(ours, theirs, form)


def without_numbers(parts):
    return tuple(re.sub(r"_\d+$", "", part) for part in parts)


def similar(ours, theirs):
    """Returns {name: others that differ little, but not in numbers nor in a layer's kind of variable}."""
    index = collections.defaultdict(list)
    for other, entry in theirs.items():
        index[numbers_of(other), entry].append(other)
    return {
        name: [other for other in index[numbers_of(name), entry] if is_similar(name, other)]
        for name, entry in ours.items()
    }


def numbers_of(name):
    return tuple(re.findall(r"\d+", name))


def is_similar(name, other):
    ours, theirs = parts_of(name), parts_of(other)
    if ours[-1] != theirs[-1] and STANDARD & {ours[-1], theirs[-1]}:
        return False
    first, second = "/".join(ours).lower(), "/".join(theirs).lower()
    return difflib.SequenceMatcher(None, first, second, autojunk=False).ratio() >= SIMILAR


def require_complete(plan, weights=None):
    """Refuses a checkpoint that does not hold all variables of the graph; the message is the difference.

    Args:
      plan: a `RestorePlan`.
      weights: names of the model's variables; where these are all there, the message says so.

    Raises:
      ValueError: the plan is not complete.
    """
    rule = "the checkpoint must hold all variables of the graph, in their shapes and dtypes"
    if weights is not None and plan.matched.keys() >= set(weights):
        rule += "; weights_only=True takes the model's, which are all there"
    checks.require(plan.complete, "restore", f"{rule}\n{plan}")


def load(session, plan):
    """Restores what is matched, after all of it has been read.

    Raises:
      GraphkitError: the files are damaged or cut off; the session is as it was.
    """
    reader = open_reader(plan.path)
    names = dict.fromkeys(plan.matched.values())
    arrays = {name: read(lambda name=name: reader.get_tensor(name), plan.path) for name in names}
    pairs = ((plan.wanted[name], arrays[source]) for name, source in plan.matched.items())
    sessions.assign(session, [(wanted.variable, wanted.value(array)) for wanted, array in pairs])
