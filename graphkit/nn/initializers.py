"""Initial values of variables, under the names that the field uses."""

import tensorflow as tf

from graphkit import checks
from graphkit.nn.variables import Initializer

__all__ = ["glorot_uniform", "he_normal", "truncated_normal", "zeros"]


def truncated_normal(sigma: float = 0.1, seed: int | None = None) -> Initializer:
    """Returns an initializer: a normal distribution of mean 0, redrawn beyond two sigma.

    Small random weights of zero mean keep the first predictions near uniform.

    Args:
      sigma: standard deviation before truncation; positive.
      seed: a non-negative integer; None draws by the trainer's seed and the variable's name.

    Returns:
      A TF1 initializer.

    Raises:
      TypeError: sigma is not a number, or the seed is not an integer.
      ValueError: sigma is not positive, or the seed is negative.

    Example:
      >>> layer = gk.dense(gk.feature_input(4), 3, kernel_initializer=gk.truncated_normal(0.01))
    """
    check = checks.Checker("truncated_normal")
    sigma = check.number("sigma", sigma, above=0)
    seed = check_seed(check, seed)
    return tf.compat.v1.truncated_normal_initializer(stddev=sigma, seed=seed)


def zeros() -> Initializer:
    """Returns an initializer of zeros, which biases start from.

    Returns:
      A TF1 initializer.

    Example:
      >>> layer = gk.dense(gk.feature_input(4), 3, kernel_initializer=gk.zeros())
    """
    return tf.compat.v1.zeros_initializer()


def glorot_uniform(seed: int | None = None) -> Initializer:
    """Returns an initializer: uniform in ±sqrt(6 / (fan_in + fan_out)), the default of the layers.

    Args:
      seed: a non-negative integer; None draws by the trainer's seed and the variable's name.

    Returns:
      A TF1 initializer.

    Raises:
      TypeError: the seed is not an integer.
      ValueError: the seed is negative.

    Source: X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010, equation 16.

    Example:
      >>> layer = gk.dense(gk.feature_input(4), 3, kernel_initializer=gk.glorot_uniform())
    """
    seed = check_seed(checks.Checker("glorot_uniform"), seed)
    return tf.compat.v1.glorot_uniform_initializer(seed=seed)


def he_normal(seed: int | None = None) -> Initializer:
    """Returns an initializer for layers before relu: truncated normal of variance 2 / fan_in.

    Args:
      seed: a non-negative integer; None draws by the trainer's seed and the variable's name.

    Returns:
      A TF1 initializer.

    Raises:
      TypeError: the seed is not an integer.
      ValueError: the seed is negative.

    Source: K. He et al., "Delving deep into rectifiers", ICCV 2015, section 2.2.

    Example:
      >>> layer = gk.dense(gk.feature_input(4), 3, kernel_initializer=gk.he_normal())
    """
    seed = check_seed(checks.Checker("he_normal"), seed)
    return tf.compat.v1.variance_scaling_initializer(2.0, "fan_in", "truncated_normal", seed=seed)


def check_seed(check: checks.Checker, seed: int | None) -> int | None:
    return None if seed is None else check.integer("seed", seed, minimum=0)
