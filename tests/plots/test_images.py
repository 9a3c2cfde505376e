"""Tiles of images, filters and feature maps: each shows its own pixels on the common scale."""

import numpy as np
import pytest
from matplotlib import colors

import graphkit as gk
from graphkit.plots import figures


def shown(figure):
    """Returns the arrays that the axes show."""
    return [axis.images[0].get_array() for axis in figure.axes if axis.images]


def test_images_are_shown_row_by_row_under_their_classes():
    images = np.arange(3 * 4, dtype=np.uint8).reshape(3, 2, 2)
    figure = gk.plots.plot_images(images, np.array([1, 0, 1]), classes=["cat", "dog"], columns=2)
    assert [axis.get_title() for axis in figure.axes[:3]] == ["dog", "cat", "dog"]
    for picture, image in zip(shown(figure), images, strict=True):
        np.testing.assert_allclose(picture, image / 255)
    tops = [round(axis.get_position().y0, 6) for axis in figure.axes]
    assert tops[0] == tops[1] > tops[2]


def test_wrong_predictions_are_framed_and_named():
    figure = gk.plots.plot_images(
        np.zeros((2, 2, 2)), np.array([0, 1]), np.array([0, 0]), classes=["cat", "dog"]
    )
    right, wrong = figure.axes
    assert right.get_title() == "cat" and not right.axison
    assert wrong.get_title() == "dog → cat"
    assert wrong.spines["top"].get_visible()
    assert wrong.spines["top"].get_edgecolor() == colors.to_rgba(figures.WRONG)


def test_long_names_of_a_wrong_prediction_take_two_lines():
    classes = ["Ankle boot", "Sneaker"]
    figure = gk.plots.plot_images(np.zeros((1, 2, 2)), np.array([0]), np.array([1]), classes=classes)
    assert figure.axes[0].get_title() == "Ankle boot\n→ Sneaker"


@pytest.mark.parametrize("shape", [(2, 3, 3), (2, 3, 3, 1), (2, 3, 3, 3)])
def test_images_of_each_kind(shape):
    pictures = shown(gk.plots.plot_images(np.random.default_rng(0).random(shape)))
    assert [picture.shape for picture in pictures] == [
        shape[1:] if shape[-1] == 3 and len(shape) == 4 else (3, 3)
    ] * 2


def test_floats_are_shown_from_the_least_to_the_greatest():
    pictures = shown(gk.plots.plot_images(np.array([[[-0.5, 0.0]], [[0.5, 0.25]]])))
    np.testing.assert_allclose(pictures, [[[0.0, 0.5]], [[1.0, 0.75]]])


def test_images_of_one_grey_are_not_divided_by_zero():
    np.testing.assert_array_equal(shown(gk.plots.plot_images(np.full((1, 2, 2), 0.3)))[0], np.zeros((2, 2)))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"images": np.zeros((2, 2))}, r"images must be \(count, height, width\).*received shape=\(2, 2\)"),
        ({"images": np.zeros((2, 2, 2, 2))}, r"1 or 3 channels.*received shape=\(2, 2, 2, 2\)"),
        ({"images": np.zeros((0, 2, 2))}, r"images must not be empty"),
        ({"labels": np.array([1])}, "labels must be integers of at least 0, one for each image"),
        ({"labels": np.array([0, -1])}, "labels must be integers of at least 0, one for each image"),
        ({"predictions": np.array([0, 1])}, "predictions need labels"),
        ({"labels": np.array([0, 2]), "classes": ["a", "b"]}, "classes must name all classes up to 2"),
        ({"columns": 0}, "columns must be an integer of at least 1; received columns=0"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=f"^plot_images: .*{message}"):
        gk.plots.plot_images(**({"images": np.zeros((2, 2, 2))} | arguments))


def test_filters_of_one_channel_are_grey_on_a_scale_around_zero():
    kernel = np.linspace(-1.0, 3.0, 2 * 2 * 1 * 3).reshape(2, 2, 1, 3)
    figure = gk.plots.plot_filters(kernel)
    for number, picture in enumerate(shown(figure)):
        np.testing.assert_array_equal(picture, kernel[:, :, 0, number])
    assert figure.axes[0].images[0].get_clim() == (-3.0, 3.0)
    assert [axis.get_title() for axis in figure.axes[:3]] == ["0", "1", "2"]


def test_filters_of_three_channels_are_in_colors():
    kernel = np.random.default_rng(1).normal(size=(3, 3, 3, 2))
    pictures = shown(gk.plots.plot_filters(kernel))
    greatest = np.abs(kernel).max()
    for number, picture in enumerate(pictures):
        np.testing.assert_allclose(picture * 2 * greatest - greatest, kernel[..., number])


def test_of_other_filters_each_channel_has_a_tile():
    kernel = np.random.default_rng(1).normal(size=(3, 3, 5, 4))
    pictures = shown(gk.plots.plot_filters(kernel, columns=3, rows=2))
    expected = [kernel[:, :, channel, number] for channel in range(2) for number in range(3)]
    np.testing.assert_array_equal(pictures, expected)


def test_maps_of_a_dead_layer_are_on_one_scale():
    figure = gk.plots.plot_feature_maps(np.zeros((4, 4, 3)))
    figure.draw_without_rendering()
    assert {axis.images[0].get_clim() for axis in figure.axes if axis.images} == {(0.0, 1.0)}


def test_a_large_class_number_is_only_a_name():
    figure = gk.plots.plot_images(np.zeros((1, 2, 2)), np.array([10**12]))
    assert figure.axes[0].get_title() == "1000000000000"


def test_filters_and_maps_can_have_names():
    figure = gk.plots.plot_filters(np.ones((2, 2, 1, 2)), names=["edge", "blur"])
    assert [axis.get_title() for axis in figure.axes[:2]] == ["edge", "blur"]
    figure = gk.plots.plot_filters(np.ones((2, 2, 4, 3)), columns=2, rows=2, names=["a", "b", "c"])
    assert [axis.get_title() for axis in figure.axes[:4]] == ["a", "b", "", ""]
    figure = gk.plots.plot_feature_maps(np.ones((4, 4, 2)), names=("edge", "blur"))
    assert [axis.get_title() for axis in figure.axes[:2]] == ["edge", "blur"]
    with pytest.raises(ValueError, match="plot_feature_maps: names must be a list or tuple of 3 names"):
        gk.plots.plot_feature_maps(np.ones((4, 4, 3)), names=["edge", "blur"])


def test_weights_that_are_all_zero_can_be_drawn():
    assert gk.plots.plot_filters(np.zeros((2, 2, 1, 1))).axes[0].images[0].get_clim() == (-1.0, 1.0)


def test_feature_maps_share_a_scale():
    maps = np.stack([np.zeros((2, 2)), np.full((2, 2), 2.0)], axis=-1)
    figure = gk.plots.plot_feature_maps(maps)
    np.testing.assert_array_equal(shown(figure), [np.zeros((2, 2)), np.full((2, 2), 2.0)])
    assert {axis.images[0].get_clim() for axis in figure.axes if axis.images} == {(0.0, 2.0)}


def test_filters_and_maps_of_a_trained_network():
    images = gk.image_input(8, 8, 1)
    net = gk.conv2d(images, 4, 3, activation=gk.relu, name="conv1")
    labels = gk.label_input()
    loss = gk.softmax_cross_entropy(gk.dense(gk.flatten(net), 2), labels)
    with gk.Trainer(loss) as trainer:
        pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)
        maps = trainer.predict(net, {images: pixels})
        kernel = trainer.weights()["conv1/kernel"]
    assert len(gk.plots.plot_feature_maps(maps[0]).axes) == 4 + 1
    assert len(gk.plots.plot_filters(kernel).axes) == 4 + 1
