"""Checkpoints of a trainer: what is saved, and the folder that they are kept in."""

import glob
import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.checkpoints import contents, fetched, restoring, sharded, tables
from graphkit.checkpoints.restore_plan import RestorePlan
from graphkit.running import files

STATE = "graphkit/state"  # name of the string variable, and of its entry in a checkpoint
LATEST = "checkpoint"  # TensorFlow's name of the file that names the newest checkpoint
TRIAL = ".writable-"  # how the name of a file begins that only shows that a folder can be written

Folder = str | os.PathLike[str]


class Checkpoints:
    """Writes checkpoints of variables and of a JSON state.

    The state is the value of a string variable, so that one Saver file holds both. Of two files, a process
    killed between them would leave the weights of one step with the position of another.

    Args:
      variables: all that is saved.
      weights: those of them that make the model; the others belong to the training of it.
      ops: those whose lookup tables are saved too.
      fetches: whether the session is on another machine, so that values are fetched and written here.
      spread: whether variables live on several machines, which then write and read their own.

    Attributes:
      variables: {name: variable} of all that is saved.
      weights: {name: variable} of the model.
      tables: the mutable lookup tables.
    """

    def __init__(
        self,
        variables: Iterable[tf.Variable],
        weights: Iterable[tf.Variable],
        ops: Iterable[tf.Operation] = (),
        *,
        fetches: bool = False,
        spread: bool = False,
    ) -> None:
        self.variables = {variable.op.name: variable for variable in variables}
        self.weights = {variable.op.name: variable for variable in weights}
        # In no collection, since it is not part of any model: other Savers must not write it. `load` does not
        # restore it either; `read_state` reads it from the file.
        state = tf.compat.v1.Variable("", trainable=False, collections=[], name=STATE, use_resource=True)
        self.state_input = tf.compat.v1.placeholder(tf.string, (), name="graphkit/state_input")
        self.set_state = state.assign(self.state_input, read_value=False)
        self.tables = tables.Tables(ops)
        # What is fetched is written as it is: each part of a partitioned variable under its own name.
        saved = self.variables if fetches else sharded.as_saved(self.variables)
        everything: dict[str, Any] = {**saved, STATE: state}
        if self.tables.variable is not None:
            everything[tables.NAME] = self.tables.variable
        # The Saver itself deletes nothing (max_to_keep) and declares nothing (write_state, below): older
        # checkpoints, also of earlier processes, stay until the new one is complete and declared.
        self.fetched = fetched.FetchedSaver(everything) if fetches else None
        self.spread = sharded.RemoteRestore(self.variables) if spread else None
        if not fetches:
            self.saver = tf.compat.v1.train.Saver(
                everything, max_to_keep=None, save_relative_paths=True, sharded=spread
            )

    def save(self, session: tf.compat.v1.Session, path: str, state: Any) -> str:
        """Writes the checkpoint; returns its path.

        Raises:
          ValueError: TensorFlow could not read a checkpoint at this path.
          OSError: the files cannot be written.
        """
        files.check_path(checks.Checker("save"), path=path)
        if self.spread is not None:
            path = os.path.abspath(path)  # other processes write, which may be in another folder
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        session.run(self.set_state, {self.state_input: json.dumps(state)})
        self.tables.save_into(session)
        values = None if self.fetched is None else self.fetched.fetch(session)
        try:
            if self.fetched is not None and values is not None:
                return self.fetched.save(values, path)
            with session.graph.as_default():  # else a Saver takes its variables for those of eager execution
                return self.saver.save(session, path, write_meta_graph=False, write_state=False)
        except (tf.errors.OpError, ValueError) as error:
            raise OSError(checks.Checker("save").message(f"cannot write {path} ({error})")) from error

    def load(self, session: tf.compat.v1.Session, plan: RestorePlan) -> None:
        """Restores what is matched, and the lookup tables.

        Raises:
          GraphkitError: the files are damaged or cut off.
        """
        if self.spread is None:
            restoring.load(session, plan)
        else:
            self.spread.run(session, plan)
        self.restore_tables(session, plan.path)

    def restore_tables(self, session: tf.compat.v1.Session, path: str) -> None:
        """Gives the lookup tables what they held when the checkpoint was written, where it holds them."""
        reader = contents.Reader(path)
        if tables.NAME in reader.entries():
            self.tables.restore(session, list(reader.value(tables.NAME)))


def read_state(path: str) -> Any:
    """Returns the state that `Checkpoints.save` wrote into a checkpoint, None if it was made elsewhere."""
    reader = contents.Reader(path)
    return json.loads(reader.value(STATE)) if STATE in reader.entries() else None


def check_logdir(logdir: Folder | None) -> Path | None:
    """Returns the folder, made if missing, in which a file can be written."""
    if logdir is None:
        return None
    check, folder = checks.Checker("Trainer"), Path(logdir)
    files.check_path(check, logdir=folder)
    # Absolute, so that a program may change its folder; but not where TensorFlow would take the folders above
    # for a pattern, which a relative path does not show it.
    if not files.PATTERN.search(str(Path.cwd())):
        folder = Path.cwd() / folder
    with check.system_errors("logdir must be a folder that can be written", logdir=folder):
        folder.mkdir(parents=True, exist_ok=True)
        # Permission bits do not show a read-only disk. The file has no name where the system can make such
        # files: nothing is left of it where the process is killed.
        tempfile.TemporaryFile(dir=folder, prefix=TRIAL).close()
    return folder


def kept(logdir: Folder) -> list[str]:
    """Returns the paths of the folder's checkpoints, the newest first.

    These are the declared ones that exist, or where there are none, all complete ones. A declared one may
    be older than one in the folder: a new run's first checkpoint replaces those of an earlier, longer run.
    """
    there = sorted(paths_in(logdir, "model"), key=step_of, reverse=True)
    try:
        state = tf.train.get_checkpoint_state(str(logdir), LATEST)
    except (ValueError, tf.errors.OpError):  # the file is damaged; the checkpoints' names hold their steps
        state = None
    declared = list(reversed(state.all_model_checkpoint_paths)) if state else []
    return [path for path in declared if os.path.exists(f"{path}.index")] or there


def latest(logdir: Folder) -> str | None:
    """Returns the path of the newest checkpoint in the folder, or None."""
    return next(iter(kept(logdir)), None)


def best(logdir: Folder) -> str | None:
    """Returns the path of the newest checkpoint of the kind that early stopping keeps, or None."""
    return max(paths_in(logdir, "best"), key=step_of, default=None)


def declare(logdir: Folder, paths: Sequence[str]) -> None:
    """Names the checkpoints of the folder, the newest first, in the file where TensorFlow looks for them.

    The newest is declared before older ones are removed: so the file never names a checkpoint that is
    gone, and whenever the process is killed there is one to resume from.
    """
    # tf.compat.v1.train.update_checkpoint_state would write absolute paths, wrong once the folder is moved.
    names = [json.dumps(os.path.basename(path)) for path in paths]
    lines = [f"model_checkpoint_path: {names[0]}"]
    lines += [f"all_model_checkpoint_paths: {name}" for name in reversed(names)]
    with files.replacing(Path(logdir, LATEST)) as stream:
        stream.write("\n".join(lines) + "\n")


def paths_in(logdir: Folder, *kinds: str) -> list[str]:
    """Returns the paths of all complete checkpoints of these kinds ("model", "best") in the folder.

    Complete are those with an index: TensorFlow renames the data file into place first, the index last.
    """
    found = [file for kind in kinds for file in Path(logdir).glob(f"{kind}-*.index")]
    paths = [str(file.with_suffix("")) for file in found]
    return [path for path in paths if path.rsplit("-", 1)[1].isdecimal()]


def step_of(path: str) -> int:
    """Returns the global step in a checkpoint's name."""
    return int(path.rsplit("-", 1)[1])


def files_of(path: str) -> list[str]:
    """Returns the files of a checkpoint, the first one to be removed first."""
    # The index: without it, what a killed process leaves is not taken for a checkpoint.
    found = glob.glob(f"{glob.escape(path)}.*")
    return sorted(found, key=lambda file: not file.endswith(".index"))


def remove(path: str) -> None:
    """Deletes the files of a checkpoint."""
    for file in files_of(path):
        os.remove(file)


def remove_remains(logdir: Folder) -> None:
    """Deletes the files that a process has left unfinished that was killed while it wrote."""
    files.remove_unfinished(logdir)
    for file in Path(logdir).glob(f"{TRIAL}*"):
        file.unlink(missing_ok=True)
    complete = set(paths_in(logdir, "model", "best"))
    for kind in ("model", "best"):
        for file in Path(logdir).glob(f"{kind}-*.data-*"):
            if ".tempstate" in file.name or str(file).rsplit(".data-", 1)[0] not in complete:
                file.unlink()
        for file in Path(logdir).glob(f"{kind}-*.index.tempstate*"):
            file.unlink()
