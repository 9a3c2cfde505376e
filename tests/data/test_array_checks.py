"""What all data functions refuse alike: arrays with a mask, which NumPy would take for data."""

import numpy as np
import pytest

import graphkit as gk

IMAGES = np.ma.array(np.full((2, 4, 4, 3), 99, np.uint8), mask=np.ones((2, 4, 4, 3), bool))
FLOATS = np.ma.masked_greater(np.array([[1.0, 5.0], [3.0, 999.0]]), 100)
LABELS = np.ma.array([0, 1, 0, 99], mask=[False, False, False, True])
fitted = gk.Standardizer(np.array([[1.0, 5.0], [3.0, 7.0]]))
ranged = gk.MinMaxScaler(np.array([[1.0, 5.0], [3.0, 7.0]]))
words = gk.Vocabulary.of_words(["a b"])

CALLS = {
    "Standardizer": lambda: gk.Standardizer(FLOATS),
    "Standardizer, called": lambda: fitted(FLOATS),
    "MinMaxScaler": lambda: gk.MinMaxScaler(FLOATS),
    "MinMaxScaler, called": lambda: ranged(FLOATS),
    "scale_pixels": lambda: gk.scale_pixels(IMAGES),
    "grayscale": lambda: gk.grayscale(IMAGES),
    "one_hot": lambda: gk.one_hot(LABELS, 100),
    "class_weights": lambda: gk.class_weights(LABELS),
    "resample": lambda: gk.resample(LABELS),
    "minibatches": lambda: gk.minibatches([FLOATS], 2),
    "split_indices": lambda: gk.split_indices(4, 0.5, seed=0, labels=LABELS),
    "Vocabulary.decode": lambda: words.decode(LABELS.reshape(2, 2)),
    "Vocabulary.lengths": lambda: words.lengths(LABELS.reshape(2, 2)),
    "Augmentation": lambda: gk.Augmentation(shift=1)(IMAGES, (0,)),
    "fill_rare_classes": lambda: gk.fill_rare_classes(IMAGES, np.array([0, 1]), gk.Augmentation(shift=1)),
}


@pytest.mark.parametrize("name", CALLS)
def test_masked_arrays_are_refused(name):
    with pytest.raises(TypeError, match="must not be a masked array: replace the masked values"):
        CALLS[name]()


def test_a_mask_without_masked_values_is_refused_too():
    with pytest.raises(TypeError, match="where nothing is masked, give array.data"):
        gk.one_hot(np.ma.array([0, 1]), 2)
    assert gk.one_hot(np.ma.array([0, 1]).data, 2).tolist() == [[1, 0], [0, 1]]
