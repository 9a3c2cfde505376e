"""Confusion matrices, probabilities and maps of embeddings: numbers computed by hand from the definitions."""

import itertools

import numpy as np
import pytest
from matplotlib import colors

import graphkit as gk
from graphkit.plots import figures


def texts(axis):
    return {
        (round(text.get_position()[0]), round(text.get_position()[1])): text.get_text() for text in axis.texts
    }


def test_confusion_matrix_writes_counts_and_colors_fractions():
    figure = gk.plots.plot_confusion_matrix(np.array([[30, 10], [0, 160]]), ["rare", "frequent"])
    axis = figure.axes[0]
    assert texts(axis) == {(0, 0): "30", (1, 0): "10", (1, 1): "160"}  # (predicted, true); no 0 is written
    np.testing.assert_allclose(axis.images[0].get_array(), [[0.75, 0.25], [0, 1]])
    assert axis.get_title() == "190 of 200 correct (95.0%)"
    assert [label.get_text() for label in axis.get_yticklabels()] == ["rare", "frequent"]


def test_confusion_matrix_of_a_class_without_examples():
    axis = gk.plots.plot_confusion_matrix(np.array([[2, 0], [0, 0]])).axes[0]
    np.testing.assert_array_equal(axis.images[0].get_array(), [[1, 0], [0, 0]])


def test_confusion_matrix_as_the_metric_gives_it():
    logits, labels = gk.feature_input(3), gk.label_input()
    scores = gk.linear(logits, 3)
    metrics = {"confusion": gk.confusion_matrix(scores, labels)}
    with gk.Trainer(gk.softmax_cross_entropy(scores, labels), metrics=metrics) as trainer:
        found = trainer.evaluate({logits: np.eye(3), labels: np.arange(3)})["confusion"]
    assert gk.plots.plot_confusion_matrix(found).axes[0].get_title().endswith("%)")


@pytest.mark.parametrize(
    "matrix",
    [
        np.array([[0.9, 0.1], [0.3, 0.7]]),
        np.ones((2, 3)),
        np.array([[1, -1], [0, 1]]),
        np.zeros((2, 2)),
        np.ones((2, 2, 2)),
    ],
)
def test_matrices_that_do_not_hold_counts_are_refused(matrix):
    with pytest.raises(ValueError, match="^plot_confusion_matrix: matrix must"):
        gk.plots.plot_confusion_matrix(matrix)


def test_probabilities_mark_the_likeliest_class():
    axis = gk.plots.plot_probabilities(np.array([[0.2, 0.7, 0.1]]), ["a", "b", "c"]).axes[0]
    assert [bar.get_width() for bar in axis.patches] == [0.2, 0.7, 0.1]
    dark = [bar.get_facecolor() == colors.to_rgba(figures.COLORS[0]) for bar in axis.patches]
    assert dark == [False, True, False]
    assert [text.get_text() for text in axis.texts] == ["0.70"]


def test_classes_with_the_same_name_have_separate_bars():
    axis = gk.plots.plot_probabilities(np.array([[0.2, 0.3, 0.5]]), ["a", "a", "b"]).axes[0]
    assert [bar.get_y() + bar.get_height() / 2 for bar in axis.patches] == pytest.approx([0, 1, 2])


def test_many_classes_are_drawn_without_their_counts():
    figure = gk.plots.plot_confusion_matrix(np.eye(40, dtype=int))
    assert not figure.axes[0].texts
    assert figure.get_figheight() < 10


def test_probabilities_of_float32_that_add_up_to_a_little_more_than_one():
    row = np.array([[np.nextafter(np.float32(1), np.float32(2)), 0]], np.float32)
    assert len(gk.plots.plot_probabilities(row).axes) == 1


@pytest.mark.parametrize(
    "probabilities, message",
    [
        (np.array([[0.5, 1.5]]), "from 0 to 1"),
        ({"a": np.array([0.5, 0.5]), "b": np.array([1.0])}, "the same classes"),
        ({}, "or {name: array"),
        (np.zeros((0, 3)), "must not be empty"),
    ],
)
def test_invalid_probabilities_are_refused(probabilities, message):
    with pytest.raises(ValueError, match=f"^plot_probabilities: .*{message}"):
        gk.plots.plot_probabilities(probabilities)


def test_embedding_is_turned_to_its_principal_components():
    # Points along (3, 4) / 5 with a fifth of the spread across it, in four dimensions.
    along, across = np.array([-5.0, -5.0, 5.0, 5.0]), np.array([-1.0, 1.0, -1.0, 1.0])
    vectors = np.outer(along, [0.6, 0.8, 0, 0]) + np.outer(across, [-0.8, 0.6, 0, 0]) + 7
    axis = gk.plots.plot_embedding(vectors, list("abcd")).axes[0]
    places = axis.collections[0].get_offsets()
    np.testing.assert_allclose(np.abs(places), np.abs(np.stack([along, across], axis=1)), atol=1e-6)
    assert axis.get_xlabel() == "first principal component (96% of the variance)"  # 100 / 104
    assert axis.get_ylabel() == "second principal component (4% of the variance)"
    assert [text.get_text() for text in axis.texts] == list("abcd")


@pytest.mark.parametrize("scale", [1e-140, 1e140])
def test_embedding_of_very_small_and_very_large_numbers(scale):
    vectors = scale * np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    axis = gk.plots.plot_embedding(vectors, list("abcd")).axes[0]
    assert axis.get_xlabel() == "first principal component (80% of the variance)"  # 8 / 10
    np.testing.assert_allclose(
        np.abs(axis.collections[0].get_offsets()) / scale, np.abs(vectors) / scale, atol=1e-9
    )


def test_embedding_groups_have_different_markers():
    figure = gk.plots.plot_embedding(np.eye(4), list("aebc"), ["vowel", "vowel", "consonant", "consonant"])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["vowel", "consonant"]
    axis = figure.axes[0]
    shapes = [group.get_paths()[0].vertices.shape for group in axis.collections]
    assert shapes[0] != shapes[1]


def test_names_of_neighbours_and_at_the_edge_do_not_overlap():
    vectors = np.array([[0.0, 0.0], [0.01, 0.0], [0.0, 0.01], [0.01, 0.01], [-9.0, 0.0], [9.0, 0.0]])
    figure = gk.plots.plot_embedding(vectors, [f"word {n}" for n in range(6)])
    figure.draw_without_rendering()
    axis = figure.axes[0]
    boxes = [text.get_window_extent() for text in axis.texts]
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
    for box in boxes:
        assert box.x0 >= axis.bbox.x0 and box.x1 <= axis.bbox.x1


@pytest.mark.parametrize("vectors", [np.ones((3, 4)), np.ones((1, 4)), np.arange(3.0)[:, None]])
def test_vectors_without_a_map_are_refused(vectors):
    with pytest.raises(ValueError, match="^plot_embedding: vectors must be two or more different ones"):
        gk.plots.plot_embedding(vectors, [str(number) for number in range(len(vectors))])


def test_names_must_be_as_many_as_vectors():
    with pytest.raises(ValueError, match="names must be a list or tuple of 4 names; received names="):
        gk.plots.plot_embedding(np.eye(4), list("abc"))
