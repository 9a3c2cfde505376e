"""Statistics of random masks, in standard deviations of chance."""

import math

import numpy as np


def standardized(mask):
    return (mask - mask.mean()) / mask.std()


def largest_correlation(drawn):
    """Returns the largest correlation between two of the masks, in standard deviations of chance."""
    rows = np.stack([standardized(mask.ravel()) for mask in drawn])
    table = rows @ rows.T / math.sqrt(rows.shape[1])
    return np.abs(table[~np.eye(len(rows), dtype=bool)]).max()


def shifted_correlations(one, other):
    """Correlations of one mask with the other moved by 0, 1, 2, … units around, in standard deviations."""
    spectrum = np.fft.rfft(standardized(one)) * np.conj(np.fft.rfft(standardized(other)))
    return np.abs(np.fft.irfft(spectrum, len(one))) / math.sqrt(len(one))


def walsh(values):
    """Returns the Walsh-Hadamard transform, by which XOR-ed indices convolve."""
    values, size = values.copy(), 1
    while size < len(values):
        halves = values.reshape(-1, 2, size)
        values = np.stack([halves[:, 0] + halves[:, 1], halves[:, 0] - halves[:, 1]], axis=1).ravel()
        size *= 2
    return values


def xored_correlations(one, other):
    """Correlations of unit i of one mask with unit i ^ d of the other for all d, in standard deviations."""
    products = walsh(standardized(one)) * walsh(standardized(other))
    return np.abs(walsh(products)) / len(one) / math.sqrt(len(one))


def assert_uniform(values, bins):
    """Chi-square test within 5 standard deviations: neither uneven nor more even than chance."""
    expected = len(values) / bins
    statistic = ((np.bincount(values, minlength=bins) - expected) ** 2 / expected).sum()
    assert abs(statistic - (bins - 1)) < 5 * math.sqrt(2 * (bins - 1))
