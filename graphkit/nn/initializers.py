"""Initial values of variables, under the names that the field uses."""

import tensorflow as tf

from graphkit import checks

__all__ = ["glorot_uniform", "he_normal", "truncated_normal", "zeros"]


def truncated_normal(sigma=0.1, seed=None):
    """Returns an initializer: a normal distribution of mean 0, redrawn beyond two sigma.

    Small random weights of zero mean keep the first predictions near uniform.

    Args:
      sigma: standard deviation before truncation; positive.
      seed: a non-negative integer; None draws by the trainer's seed and the variable's name.

    Returns:
      A TF1 initializer.

    Raises:
      TypeError: an argument of another kind.
      ValueError: a sigma that is not positive, or a negative seed.

    Example:
      >>> layer = gk.dense(gk.feature_input(4), 3, kernel_initializer=gk.truncated_normal(0.01))
    """
    sigma = checks.number("truncated_normal", "sigma", sigma, above=0)
    seed = check_seed("truncated_normal", seed)
    return tf.compat.v1.truncated_normal_initializer(stddev=sigma, seed=seed)


def zeros():
    """Returns an initializer of zeros, which biases start from.

    Returns:
      A TF1 initializer.

    Example:
      >>> layer = gk.dense(gk.feature_input(4), 3, kernel_initializer=gk.zeros())
    """
    return tf.compat.v1.zeros_initializer()


def glorot_uniform(seed=None):
    """Returns an initializer: uniform in ±sqrt(6 / (fan_in + fan_out)), the default of the layers.

    Args:
      seed: a non-negative integer; None draws by the trainer's seed and the variable's name.

    Returns:
      A TF1 initializer.

    Raises:
      TypeError: a seed that is no integer.
      ValueError: a negative seed.

    Source: X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010, equation 16.

    Example:
      >>> layer = gk.dense(gk.feature_input(4), 3, kernel_initializer=gk.glorot_uniform())
    """
    return tf.compat.v1.glorot_uniform_initializer(seed=check_seed("glorot_uniform", seed))


def he_normal(seed=None):
    """Returns an initializer for layers before relu: truncated normal of variance 2 / fan_in.

    Args:
      seed: a non-negative integer; None draws by the trainer's seed and the variable's name.

    Returns:
      A TF1 initializer.

    Raises:
      TypeError: a seed that is no integer.
      ValueError: a negative seed.

    Source: K. He et al., "Delving deep into rectifiers", ICCV 2015, section 2.2.

    Example:
      >>> layer = gk.dense(gk.feature_input(4), 3, kernel_initializer=gk.he_normal())
    """
    return tf.compat.v1.variance_scaling_initializer(
        scale=2.0, mode="fan_in", distribution="truncated_normal", seed=check_seed("he_normal", seed)
    )


def check_seed(function, seed):
    return None if seed is None else checks.integer(function, "seed", seed, minimum=0)
