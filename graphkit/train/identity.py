"""What decides the next bits of a training: a resumed run must share all of it with the earlier one."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit.running import feeds, kernels

RATES = 1 << 14  # of a schedule that are compared; of a longer training, as many that are evenly spaced
COMPILED = "compiled"
WORKERS = "number of workers"  # changes the rounding alone, so that a run may go on with another one
SHOWN = (int, float, str, bool, type(None))


def of_run(trainer: Any, steps: int) -> dict[str, Any]:
    """Returns what decides the bits of the fit that is about to start, as JSON.

    What cannot be stored as it is has a hash in a dict: data, graph, arrays, and what functions return: the
    rates of a schedule at the steps of the training, and what augmentations make of some of the examples.

    Args:
      trainer: with the examples, plan, callbacks and runner of the fit.
      steps: of the training in all, for which the rates of the schedule are compared.
    """
    plan, examples = trainer.plan, trainer.examples
    devices = {device.device_type for device in trainer.session.list_devices()}
    found = {
        "graph": trainer.fingerprint,
        "data": hashed(examples.fingerprint.encode()),
        "batch_size": plan.batch_size,
        "shuffle": plan.shuffle,
        "drop_remainder": plan.drop_remainder,
        "learning_rate": of_schedule(trainer.learning_rate, steps),
        "callbacks that change the training": [
            [c.state_name(), c.changes_training()]
            for c in trainer.callbacks
            if c.changes_training() is not None
        ],
        "execution": COMPILED if trainer.runner.compiled else f"not {COMPILED}",
        "device": "GPU" if "GPU" in devices else "CPU",
        "session_config": hashed(trainer.config.graph_options.SerializeToString(deterministic=True)),
        "oneDNN kernels": kernels.onednn_kernels(),
        "TensorFlow": tf.__version__,
        WORKERS: trainer.workers.size,
        "local_steps": trainer.workers.steps_per_run,
    }
    for placeholder, value in examples.given.items():
        if not feeds.is_default(placeholder, value):
            found[f"feed of {placeholder.name}"] = value.item() if plain(value) else hashed(value.tobytes())
    for source in examples.sources:
        if source.augment is not None:
            found[f"augment of {source.placeholder.name}"] = of_augment(source)
    return found


def plain(value: np.ndarray) -> bool:
    """Whether a value is shown as it is."""
    return value.ndim == 0 and isinstance(value.item(), SHOWN)


def hashed(content: bytes) -> dict[str, str]:
    return {"hash": hashlib.sha256(content).hexdigest()[:16]}


def of_schedule(learning_rate: Any, steps: int) -> dict[str, Any]:
    """Returns the number of steps and the hash of their rates."""
    spaced = range(0, steps, max(1, steps // RATES))
    rates = learning_rate.rates(spaced, 1.0)
    return {"steps": steps, **hashed(np.array(rates).tobytes())}


def of_augment(source: Any) -> dict[str, str]:
    """Returns the hash of what an augmentation makes of some of the examples."""
    return hashed(np.ascontiguousarray(source.raw_rows(source.sample(), (0, 0, 0))).tobytes())


def steps_of(fields: Mapping[str, Any] | None) -> int:
    """Returns the number of steps that a run was to make."""
    return 0 if fields is None else fields["learning_rate"]["steps"]


def differences(was: Mapping[str, Any] | None, now: Mapping[str, Any]) -> list[str]:
    """Returns what differs between the run of a checkpoint and one that is to continue it, as texts.

    The number of workers may differ.
    """
    if was is None:
        return ["fit, since none had begun"]
    keys = [key for key in {**was, **now} if key != WORKERS and was.get(key) != now.get(key)]
    if "data" in keys:  # what augmentations make of the examples differs then, too
        keys = [key for key in keys if not key.startswith("augment")]
    return [text(key, was.get(key), now.get(key)) for key in keys]


def text(key: str, was: Any, now: Any) -> str:
    """Returns what differs, with both values where they are short."""
    if key == "graph":
        scopes = [scope for scope in {**was, **now} if was.get(scope) != now.get(scope)]
        more = "" if len(scopes) <= 5 else f" and {len(scopes) - 5} more"
        return f"graph (in {', '.join(scopes[:5])}{more})"
    if isinstance(was, SHOWN) and isinstance(now, SHOWN):
        return f"{key} ({shown(was)} before, {shown(now)} now)"
    return key


def shown(value: Any) -> str:
    return "not given" if value is None else f"{value}"
