"""`gk.to_numpy`: a training graph as one readable Python file that needs NumPy alone."""

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.graph import walk
from graphkit.running import files
from graphkit.train.trainer import Trainer
from graphkit.transcription import reading, writing

__all__ = ["to_numpy"]


def to_numpy(
    trainer: Trainer,
    path: str | os.PathLike[str],
    outputs: tf.Tensor | Sequence[tf.Tensor] | None = None,
    *,
    overwrite: bool = False,
) -> str:
    """Writes the training graph as one Python file that needs NumPy alone, and its weights next to it.

    The file has a line for each op, grouped by layers: `forward`, `backward`, `update`, a `train_step` made
    of them, and `predict`. It computes what the trainer computes, in the same dtypes: masks of dropout have
    the same bits, and all other numbers agree to rounding. Constants are computed, and sizes of arrays are
    written where they are known. Next to "model.py" comes "model.npz": the variables, the optimizer's slots,
    the global step and the seed.

    Images of a `gk.image_input` are taken as floats that have been scaled, as by `gk.scale_pixels`. A
    learning rate that follows a schedule is an argument of `train_step`; by default that of the next step.

    Args:
      trainer: an open trainer; it is not changed.
      path: of the file, which ends in .py.
      outputs: what `predict` returns: a tensor of the trainer's graph, or a list of them. None takes what
        the loss compares with labels: the logits of a softmax cross entropy, or else the first tensor that
        is computed from variables and meets labels.
      overwrite: whether files that exist are replaced.

    Returns:
      The path of the file.

    Raises:
      TypeError: trainer is not a trainer, or the outputs are not tensors.
      ValueError: an op that NumPy cannot compute yet (it is named, with the line that made it), random
        numbers that follow from the state of a kernel, several workers or devices, an output of another
        graph, or a path that does not end in .py. Nothing is written.
      FileExistsError: a file is there, and overwrite is False.
      RuntimeError: the trainer is closed.

    Example:
      >>> import tempfile
      >>> from pathlib import Path
      >>> features, labels = gk.feature_input(2), gk.label_input()
      >>> loss = gk.softmax_cross_entropy(gk.dense(features, 3, name="logits"), labels)
      >>> with gk.Trainer(loss) as trainer:
      ...     path = gk.to_numpy(trainer, tempfile.mkdtemp() + "/model.py")
      >>> print(next(line.strip() for line in Path(path).read_text().splitlines() if "@" in line))
      logits_matmul = features @ logits_kernel
    """
    check = checks.Checker("to_numpy")
    check.require_type(isinstance(trainer, Trainer), "trainer must be a Trainer", trainer=trainer)
    trainer.check_open("to_numpy")
    target = check_path(check, path, overwrite)
    found = check_outputs(check, trainer, outputs)
    step = reading.read(check, trainer, found)
    text, constants = writing.write(check, trainer, step, target.stem)
    arrays: dict[str, Any] = {**variables_of(trainer, step), **constants}
    content = io.BytesIO()
    np.savez(content, **arrays)
    with files.replacing(weights_path(target), mode="xb", encoding=None) as stream:
        stream.write(content.getvalue())
    with files.replacing(target) as stream:
        stream.write(text)
    return str(target)


def weights_path(target: Path) -> Path:
    return target.with_suffix(".npz")


def check_path(check: checks.Checker, path: Any, overwrite: bool) -> Path:
    """Returns the path of the file, next to which the weights are written."""
    path = check.path("path", path)
    check.require_type(isinstance(overwrite, bool), "overwrite must be True or False", overwrite=overwrite)
    target = Path(path)
    check.require(target.suffix == ".py", "path must end in .py", path=path)
    check.require(target.parent.is_dir(), "the folder of path must exist", path=path)
    for file in (target, weights_path(target)):
        if file.exists() and (not overwrite or file.is_dir()):
            rule = "the file exists; overwrite=True replaces it"
            raise FileExistsError(check.message(rule, path=str(file)))
    return target


def check_outputs(check: checks.Checker, trainer: Trainer, outputs: Any) -> list[tf.Tensor]:
    if outputs is None:
        return reading.find_outputs(trainer)
    tensors = [outputs] if walk.is_graph_tensor(outputs) else outputs
    rule = "outputs must be a tensor of the trainer's graph, or a list of them"
    are_tensors = isinstance(tensors, (list, tuple)) and all(map(walk.is_graph_tensor, tensors))
    check.require_type(are_tensors, rule, outputs=outputs)
    inside = len(tensors) > 0 and all(tensor.graph is trainer.graph for tensor in tensors)
    check.require(inside, rule, outputs=outputs)
    return list(tensors)


def variables_of(trainer: Trainer, step: reading.Reading) -> dict[str, np.ndarray]:
    """Returns {name: value} of the variables of a step, and the seed."""
    names = {op.name for op in step.graph.get_operations() if op.type == "VarHandleOp"}
    variables = {walk.handle_op(variable).name: variable for variable in trainer.training_step.variables}
    wanted = {name: variable for name, variable in variables.items() if name in names}
    return {**trainer.session.run(wanted), writing.SEED: np.int64(trainer.seed)}
