"""Checkpoints: one TensorFlow Saver file that holds variables and the state of training together."""

import glob
import importlib
import json
import os
from pathlib import Path

import tensorflow as tf

from graphkit import checks
from graphkit.checkpoints import restoring

fcntl = importlib.import_module("fcntl") if os.name == "posix" else None

STATE = "graphkit/state"  # name of the string variable, and of its entry in a checkpoint
LATEST = "checkpoint"  # TensorFlow's name of the file that names the newest checkpoint


class Checkpoints:
    """Writes checkpoints of the variables and of a JSON state, in one file.

    Args:
      variables: all that is saved.
      weights: those of them that make the model; the others belong to the training of it.
    """

    def __init__(self, variables, weights):
        self.variables = {variable.op.name: variable for variable in variables}
        self.weights = {variable.op.name: variable for variable in weights}
        # In no collection, since it is part of no model; read back through the reader alone.
        state = tf.compat.v1.Variable("", trainable=False, collections=[], name=STATE, use_resource=True)
        self.state_input = tf.compat.v1.placeholder(tf.string, (), name="graphkit/state_input")
        self.set_state = state.assign(self.state_input, read_value=False)
        everything = {**self.variables, STATE: state}
        self.saver = tf.compat.v1.train.Saver(everything, max_to_keep=None, save_relative_paths=True)

    def save(self, session, path, state):
        """Writes the checkpoint; returns its path."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        session.run(self.set_state, {self.state_input: json.dumps(state)})
        try:
            with session.graph.as_default():  # elsewhere a Saver believes that it runs eagerly
                return self.saver.save(session, path, write_meta_graph=False, write_state=False)
        except (tf.errors.OpError, ValueError) as error:
            raise OSError(checks.message("save", f"cannot write {path} ({error})")) from error


def check_logdir(logdir):
    """Returns the folder, made if missing, in which a file can be written."""
    if logdir is None:
        return None
    folder = Path(logdir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f".writable-{os.getpid()}"
        trial.touch()
        trial.unlink()
    except OSError as error:
        rule = f"logdir must be a folder that can be written ({error.strerror})"
        raise OSError(checks.message("Trainer", rule, logdir=str(folder))) from error
    return folder


def read_state(path):
    """Returns the state that `Checkpoints.save` wrote into a checkpoint, None if it was made elsewhere."""
    reader = restoring.open_reader(path)
    held = restoring.read(reader.get_variable_to_shape_map, path)
    return json.loads(restoring.read(lambda: reader.get_tensor(STATE), path)) if STATE in held else None


def kept(folder):
    """Returns the paths of the folder's checkpoints, the newest first."""
    there = sorted(paths_in(folder, "model"), key=step_of, reverse=True)
    try:
        state = tf.train.get_checkpoint_state(str(folder), LATEST)
    except (ValueError, tf.errors.OpError):  # a damaged file; the checkpoints tell their steps themselves
        state = None
    declared = list(reversed(state.all_model_checkpoint_paths)) if state else []
    return [path for path in declared if os.path.exists(f"{path}.index")] or there


def latest(folder):
    """Returns the path of the newest checkpoint in the folder, or None."""
    return next(iter(kept(folder)), None)


def declare(folder, paths):
    """Names the checkpoints of the folder, the newest first, in the file where TensorFlow looks for them."""
    names = [json.dumps(os.path.basename(path)) for path in paths]
    lines = [f"model_checkpoint_path: {names[0]}"]
    lines += [f"all_model_checkpoint_paths: {name}" for name in reversed(names)]
    new = Path(folder, f"{LATEST}.new")
    new.write_text("\n".join(lines) + "\n")
    os.replace(new, Path(folder, LATEST))


def best(folder):
    """Returns the path of the checkpoint with the best figure, as early stopping keeps it, or None."""
    return max(paths_in(folder, "best"), key=step_of, default=None)


def step_of(path):
    """Returns the global step that a checkpoint's name tells."""
    return int(path.rsplit("-", 1)[1])


def paths_in(folder, *kinds):
    """Returns the paths of all checkpoints of these kinds ("model", "best") in the folder."""
    files = [file for kind in kinds for file in Path(folder).glob(f"{kind}-*.index")]
    paths = [str(file.with_suffix("")) for file in files]
    return [path for path in paths if path.rsplit("-", 1)[1].isdecimal()]


def remove(path):
    """Deletes the files of a checkpoint."""
    for part in glob.glob(f"{glob.escape(path)}.*"):
        os.remove(part)


def remove_remains(folder):
    """Deletes what a process that was killed while it wrote has left of checkpoints."""
    whole = set(paths_in(folder, "model", "best"))
    for kind in ("model", "best"):
        for file in Path(folder).glob(f"{kind}-*.data-*"):
            if ".tempstate" in file.name or str(file).rsplit(".data-", 1)[0] not in whole:
                file.unlink()
        for file in Path(folder).glob(f"{kind}-*.index.tempstate*"):
            file.unlink()


def lock(folder):
    """Makes this process the only one that writes the folder; returns a file that holds the lock while open.

    The lock ends with the process, however that ends. Where the system has no such locks there is none.
    """
    stream = open(Path(folder, ".lock"), "a+")  # noqa: SIM115, it is open while it holds the lock
    try:
        if fcntl is not None:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        stream.seek(0)
        writer = stream.read().strip() or "unknown"
        stream.close()
        rule = f"another trainer writes {folder} (process {writer}); give this one a logdir of its own"
        raise checks.GraphkitError(checks.message("fit", rule)) from error
    stream.truncate(0)
    stream.write(f"{os.getpid()}\n")
    stream.flush()
    return stream
