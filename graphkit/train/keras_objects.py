"""What to write in place of Keras's optimizers and schedules, which update variables of Keras alone."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

V1 = "tf.compat.v1.train."


def sgd(optimizer: Any) -> str:
    momentum, nesterov = getattr(optimizer, "momentum", 0), getattr(optimizer, "nesterov", False)
    if not momentum:
        return f"{V1}GradientDescentOptimizer({{}})"
    return f"{V1}MomentumOptimizer({{}}, {momentum}{', use_nesterov=True' if nesterov else ''})"


# {name of a Keras class: function of its object -> the same optimizer, with {} for the learning rate}
OPTIMIZERS: dict[str, Callable[[Any], str]] = {
    "SGD": sgd,
    "Adam": lambda own: f"{V1}AdamOptimizer({{}})",
    "AdamW": lambda own: "gk.AdamW({})",
    "RMSprop": lambda own: f"{V1}RMSPropOptimizer({{}})",
    "Adagrad": lambda own: f"{V1}AdagradOptimizer({{}})",
    "Adadelta": lambda own: f"{V1}AdadeltaOptimizer({{}})",
    "Ftrl": lambda own: f"{V1}FtrlOptimizer({{}})",
}
# {name of a Keras class: (function of graphkit, the settings that are its first arguments)}
SCHEDULES: dict[str, tuple[str, tuple[str, ...]]] = {
    "ExponentialDecay": ("exponential_decay", ("initial_learning_rate", "decay_steps", "decay_rate")),
    "InverseTimeDecay": ("inverse_time_decay", ("initial_learning_rate", "decay_steps", "decay_rate")),
    "PolynomialDecay": ("polynomial_decay", ("initial_learning_rate", "decay_steps")),
    "CosineDecay": ("cosine_decay", ("initial_learning_rate", "decay_steps")),
    "CosineDecayRestarts": ("cosine_decay_restarts", ("initial_learning_rate", "first_decay_steps")),
    "PiecewiseConstantDecay": ("piecewise_constant", ("boundaries", "values")),
}


def instead_of_optimizer(optimizer: Any) -> str:
    """Returns the TensorFlow 1 optimizer in place of one of Keras, as code."""
    name = (optimizer if isinstance(optimizer, type) else type(optimizer)).__name__
    if name not in OPTIMIZERS:
        return f"TensorFlow 1 has no {name}: take another one, such as {V1}AdamOptimizer(0.001)"
    return f"give {OPTIMIZERS[name](optimizer).format(rate_of(optimizer))}"


def rate_of(optimizer: Any) -> str:
    """Returns the learning rate of a Keras optimizer, as code."""
    rate: Any = None
    try:
        variable = optimizer.learning_rate
        variable = getattr(variable, "value", variable)
        rate = variable.numpy() if tf.executing_eagerly() else tf.get_static_value(variable.initial_value)
    except Exception:  # a class, a schedule, a variable of another context
        pass
    return "learning_rate" if rate is None else f"{float(rate):.6g}"


def instead_of_schedule(schedule: Any) -> str:
    """Returns the schedule of graphkit in place of one of Keras, as code."""
    name = type(schedule).__name__
    if name not in SCHEDULES:
        return "such as gk.exponential_decay(0.1, 1000, 0.9)"
    function, arguments = SCHEDULES[name]
    settings: Mapping[str, Any] = schedule.get_config()
    return f"gk.{function}({', '.join(repr(settings[argument]) for argument in arguments)})"
