"""Replay files: a step that was not finite, written to a file and run again from it."""

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import message

from graphkit import checks
from graphkit.data import readers
from graphkit.diagnosis.replica import Case, CasePart, Replica
from graphkit.diagnosis.report import PostMortem
from graphkit.running import files
from graphkit.running import session as sessions

VERSION = 1  # of the file


def replay(path: str | os.PathLike) -> PostMortem:
    """Runs a training step that was not finite again, from the file that `fit` wrote.

    A `Trainer` with a logdir writes `notfinite-<step>.npz` there when its loss, a gradient or a variable is
    not finite. The file holds the graph of loss and gradients with the lines that made its ops, the
    variables before the step, and what was fed, so the program that made it is not needed. It does not hold
    a pickle, but a graph is a program: replay only files from people whom you trust.

    Args:
      path: the file.

    Returns:
      A `PostMortem` (`graphkit.diagnosis.PostMortem`): loss, gradient norm and the first op that is not
      finite as computed now, all else as it was found then.

    Raises:
      OSError: the file cannot be read.
      ValueError: it is not a replay file, or is damaged, or needs a compute_dtype that this machine does not
        have.
      GraphkitError: its graph cannot be run here.

    Example:
      >>> import tempfile
      >>> x = gk.feature_input(1)
      >>> w = gk.dense(x, 1, use_bias=False, kernel_initializer=gk.zeros())
      >>> with tempfile.TemporaryDirectory() as logdir, gk.Trainer(tf.norm(w), logdir=logdir) as trainer:
      ...     try:
      ...         trainer.fit({x: np.ones((1, 1))}, progress=False)
      ...     except gk.NotFiniteError as error:
      ...         print(gk.replay(error.report.file).causes[0])
      the derivative of the square root at 0 is infinite; add a small constant below the root
    """
    check = checks.Checker("replay")
    path = check.path("path", path)
    case, report = load(path)
    config = sessions.make_config("auto", None, case.compute_dtype)
    try:
        replica = Replica(case, config)
    except (ValueError, TypeError, KeyError) as error:
        rule = f"the graph of {path} cannot be made"
        raise ValueError(check.message(rule, error=str(error))) from None
    try:
        replica.load(case.variables)
        found, _ = replica.run(case.fed)
        op = replica.first_op(case.fed, report.what, found, report.indices)
    except (tf.errors.OpError, KeyError, ValueError, TypeError) as error:
        rule = f"the graph of {path} cannot be run here ({error})"
        raise checks.GraphkitError(check.message(rule)) from error
    finally:
        replica.close()
    if report.what != "variable" and not op:
        op = {"reason": report.reason or "loss and gradients come out finite here"}
    nothing = {"op": None, "op_type": None, "line": None, "forward": None, "path": (), "ranges": ()}
    return dataclasses.replace(report, file=path, **{**nothing, "examples": (), **found, **op})


def save(path: str, case: Case, report: PostMortem) -> None:
    """Writes a replay file, without pickles."""
    tensors = {"variables": case.variables, "fed": case.fed}
    header: dict[str, Any] = {
        "graphkit_replay": VERSION,
        "parts": [part._asdict() for part in case.parts],
        "compute_dtype": case.compute_dtype,
        "report": dataclasses.asdict(report),
    }
    arrays: dict[str, Any] = {"graph": np.frombuffer(case.definition.SerializeToString(), np.uint8)}
    for kind, values in tensors.items():
        stored = {name: storable(value) for name, value in values.items()}
        header[kind] = [[name, dtype] for name, (_, dtype) in stored.items()]
        arrays |= {f"{kind}/{place}": array for place, (array, _) in enumerate(stored.values())}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with files.replacing(path, mode="xb", encoding=None) as stream:
        np.savez(stream, **arrays)


def storable(value: Any) -> tuple[np.ndarray, str]:
    """Returns (array, name of its dtype): strings as bytes, dtypes that NumPy does not know as their bits."""
    array = np.asarray(value)
    if array.dtype.kind in "OU":
        encoded = [item.encode() if isinstance(item, str) else item for item in array.ravel()]
        return np.array(encoded, np.bytes_).reshape(array.shape), "string"
    dtype = tf.as_dtype(array.dtype)
    if array.dtype.kind == "V":
        return array.view(f"u{array.dtype.itemsize}"), dtype.name
    return array, dtype.name


def load(path: str) -> tuple[Case, PostMortem]:
    """Returns (case, report) of a replay file; raises `ValueError` if it is not a complete one."""
    check = checks.Checker("replay")
    arrays = readers.read_npz(path)
    try:
        header = json.loads(arrays["header"].tobytes())
        version = header["graphkit_replay"]
        check.require(version == VERSION, f"{path} is of another version", version=version)
        variables, fed = (read_values(arrays, header, kind) for kind in ("variables", "fed"))
        definition = tf.compat.v1.GraphDef.FromString(arrays["graph"].tobytes())
        parts = [part_of(fields) for fields in header["parts"]]
        case = Case(definition, parts, variables, fed, header["compute_dtype"])
        return case, read_report(header["report"])
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError, message.DecodeError) as error:
        detail = repr(error)
    except ValueError as error:
        detail = str(error)
        if detail.startswith("replay: "):
            raise
    raise ValueError(check.message(f"{path} is not a complete replay file", error=detail))


def part_of(fields: Mapping[str, Any]) -> CasePart:
    return CasePart(fields["name"], fields["loss"], dict(fields["gradients"]), dict(fields["indices"]))


def read_values(arrays: Mapping[str, np.ndarray], header: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Returns {name: value} of the variables, or of what was fed."""
    return {
        name: restored(arrays[f"{kind}/{place}"], dtype) for place, (name, dtype) in enumerate(header[kind])
    }


def restored(array: np.ndarray, dtype: str) -> np.ndarray:
    """Returns the array as `storable` was given it."""
    if dtype == "string":
        return array.astype(object)
    wanted = np.dtype(tf.as_dtype(dtype).as_numpy_dtype)
    return array if array.dtype == wanted else array.view(wanted)


def read_report(fields: Mapping[str, Any]) -> PostMortem:
    """Returns the report from JSON, which has lists instead of tuples."""

    def tuples(value: Any) -> Any:
        return tuple(map(tuples, value)) if isinstance(value, list) else value

    return PostMortem(**{name: tuples(value) for name, value in fields.items()})
