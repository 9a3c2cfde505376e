"""Files that are complete or as they were whenever the process is killed, and paths that TensorFlow reads."""

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from graphkit import checks

PATTERN = re.compile(r"[*?\[\]]" if os.name == "nt" else r"[*?\[\]\\]")  # Windows separates folders by \

EARLIER = ".earlier-run"  # in a run's folder: the run that a new one replaces, until its first checkpoint


def run_in(logdir: str | os.PathLike[str]) -> Path:
    """Returns where the run of a folder is: in it, or aside while one that replaces it has no checkpoint."""
    earlier = Path(logdir, EARLIER)
    return earlier if earlier.is_dir() else Path(logdir)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], **options: Any) -> Iterator[IO]:
    """Opens a new file for a block to write, which then takes the place of the one at the path, if any.

    Args:
      path: of the file. A symbolic link there is replaced; what it points to stays as it was.
      **options: of `open`, such as `newline`; without any, text in UTF-8.

    Raises:
      OSError: the file cannot be written; it is as it was.
    """
    new = new_name(path)
    new.unlink(missing_ok=True)  # what a killed process has left, or a link that somebody else has made
    try:
        # "x" only makes new files, and so never follows a link, wherever that points to.
        with open(new, **{"mode": "x", "encoding": "utf-8", **options}) as stream:
            yield stream
        os.replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def write_json(path: str | os.PathLike[str], fields: Mapping[str, Any]) -> None:
    """Writes fields and a checksum of them as a JSON file."""
    with replacing(path) as stream:
        stream.write(json.dumps({**fields, "checksum": checksum(fields)}, indent=1) + "\n")


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns the fields that `write_json` wrote.

    Raises:
      ValueError: the file is another one, or was changed.
    """
    fields = json.loads(Path(path).read_text(encoding="utf-8"))
    if not isinstance(fields, dict):
        raise ValueError(f"it holds a {type(fields).__name__}, not an object")
    if fields.pop("checksum", None) != checksum(fields):
        raise ValueError("it was damaged or edited, since it does not have its checksum")
    return fields


def checksum(fields: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def new_name(path: str | os.PathLike[str]) -> Path:
    """Returns the path under which `replacing` writes a file before it is complete."""
    return Path(path).with_name(f".{Path(path).name}.new")


def remove_unfinished(folder: str | os.PathLike[str]) -> None:
    """Deletes the files that `replacing` has left in a folder where the process was killed."""
    for file in Path(folder).glob(".*.new"):
        file.unlink(missing_ok=True)


def check_path(check: checks.Checker, **received: Any) -> None:
    """Refuses a path at which TensorFlow can write a checkpoint or a SavedModel, but cannot read it.

    It looks for the files with the path as a pattern, in which `lr=[0.1]` stands for "lr=" and one of the
    characters "0.1". Of a folder that such a path goes through, a relative path may not show it.
    """
    (path,) = map(os.fspath, received.values())
    rule = (
        "TensorFlow takes the characters * ? [ ] and \\ in a path as a pattern, and would not find its files"
    )
    check.require(not PATTERN.search(os.fsdecode(path)), f"{rule}; use another path", **received)
    try:
        os.fsdecode(path).encode()
    except UnicodeEncodeError:
        raise ValueError(check.message("TensorFlow takes paths in UTF-8 only", **received)) from None


def temporary_folder(check: checks.Checker) -> tempfile.TemporaryDirectory:
    """Returns a new folder for checkpoints, which is removed when it is collected or cleaned up."""
    check_path(check, TMPDIR=tempfile.gettempdir())
    return tempfile.TemporaryDirectory()
