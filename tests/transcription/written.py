"""Steps of a written file next to those of its trainer."""

from pathlib import Path

import numpy as np

import graphkit as gk


def load(folder, trainer, **options):
    """Writes a file for the trainer; returns (its names, its state)."""
    path = Path(gk.to_numpy(trainer, folder / "model.py", **options))
    names = {"__name__": "model"}
    exec(compile(path.read_text(), str(path), "exec"), names)
    return names, names["load"](path.with_suffix(".npz"))


def variables(trainer):
    step = trainer.training_step
    return trainer.session.run({variable.op.name: variable for variable in step.variables})


def named(values):
    return {tensor.op.name: value for tensor, value in values.items()}


def largest_difference(trainer, names, state, data, feed, steps=10):
    """Trains both for some steps of the same examples; returns the largest difference, and of what."""
    size = len(next(iter(data.values()))) // steps
    losses = []
    for step in range(steps):
        batch = {tensor: array[step * size : (step + 1) * size] for tensor, array in data.items()}
        state, loss = names["train_step"](state, **named(batch), **named(feed))
        losses.append(loss)
    history = trainer.fit(data, feed=feed, batch_size=size, shuffle=False, progress=False)
    trained = variables(trainer)
    found = {
        name: float(np.max(np.abs(state[name] - value) / (1 + np.abs(value)), initial=0))
        for name, value in trained.items()
    }
    found["loss"] = abs(float(np.mean(losses)) - history["loss"][-1])
    worst = max(found, key=found.__getitem__)
    return found[worst], worst
