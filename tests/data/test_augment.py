"""Augmentation against TensorFlow's own image transform, a plain loop, slices, and what it promises."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit.data import augment

DTYPES = ["u1", "f2", "f4", ">f4", "f8"]


def random_images(count, height, width, channels=1, dtype="u1", seed=0):
    values = np.random.default_rng(seed).integers(0, 256, (count, height, width, channels))
    return values.astype(np.uint8) if dtype == "u1" else (values / 256).astype(dtype)


def forward_matrix(degrees, factor, shear_degrees, flip, shift, height, width):
    """Returns the 3 x 3 map of (x, y, 1) from input to output, composed of the steps one by one."""
    angle, slant = math.radians(degrees), math.tan(math.radians(shear_degrees))
    to_centre = np.array([[1, 0, -(width - 1) / 2], [0, 1, -(height - 1) / 2], [0, 0, 1]])
    mirror = np.diag([-1 if flip else 1, 1, 1])
    enlarge = np.diag([factor, factor, 1])
    slope = np.array([[1, slant, 0], [0, 1, 0], [0, 0, 1]])
    # Counterclockwise as it is seen: y points down.
    turn = np.array(
        [[math.cos(angle), math.sin(angle), 0], [-math.sin(angle), math.cos(angle), 0], [0, 0, 1]]
    )
    move = np.array([[1, 0, shift[1]], [0, 1, shift[0]], [0, 0, 1]])
    return move @ np.linalg.inv(to_centre) @ turn @ slope @ enlarge @ mirror @ to_centre


def tensorflow_warp(images, forward, fill):
    """Warps by TensorFlow's op, which takes the map from output to input."""
    backward = np.stack([np.linalg.inv(matrix) for matrix in forward])
    transforms = (backward / backward[:, 2:, 2:]).reshape(-1, 9)[:, :8].astype(np.float32)
    warped = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.constant(images.astype(np.float32)),
        transforms=tf.constant(transforms),
        output_shape=tf.constant(images.shape[1:3]),
        fill_value=tf.constant(0.0 if fill is None else fill, tf.float32),
        interpolation="BILINEAR",
        fill_mode="NEAREST" if fill is None else "CONSTANT",
    )
    with tf.compat.v1.Session() as session:
        return session.run(warped)


def loop_warp(image, backward, fill):
    """Samples one (height, width) image pixel by pixel, in Python's own floats."""
    height, width = image.shape
    result = np.zeros((height, width))

    def pixel(row, column):
        if (0 <= row < height and 0 <= column < width) or fill is None:
            return float(image[min(max(row, 0), height - 1), min(max(column, 0), width - 1)])
        return fill

    for y, x in itertools.product(range(height), range(width)):
        column, row, _ = backward @ (x, y, 1)
        top, left = math.floor(row), math.floor(column)
        for down, right in itertools.product((0, 1), (0, 1)):
            share = (1 - abs(row - top - down)) * (1 - abs(column - left - right))
            result[y, x] += share * pixel(top + down, left + right)
    return result


def random_moves(count, seed=0):
    generator = np.random.default_rng(seed)
    return {
        "degrees": generator.uniform(-180, 180, count),
        "factors": generator.uniform(0.5, 1.6, count),
        "shear_degrees": generator.uniform(-50, 50, count),
        "flips": generator.random(count) < 0.5,
    }, generator.integers(-3, 4, (count, 2)).astype(float)


def forward_matrices(moves, shifts, height, width):
    rows = zip(*moves.values(), shifts, strict=True)
    return [forward_matrix(*row, height, width) for row in rows]


# the warp against references


@pytest.mark.parametrize("fill", [None, 0.0, 0.75])
@pytest.mark.parametrize(("height", "width", "channels"), [(9, 9, 1), (7, 12, 3), (1, 5, 2)])
def test_warp_is_tensorflows(fill, height, width, channels):
    images = random_images(40, height, width, channels, "f4")
    moves, shifts = random_moves(40)
    warped = augment.warp(images, augment.backward_matrices(**moves), shifts, fill)
    expected = tensorflow_warp(images, forward_matrices(moves, shifts, height, width), fill)
    assert warped.dtype == np.float32
    np.testing.assert_allclose(warped, expected, atol=2e-5)


@pytest.mark.parametrize("fill", [None, -0.5])
def test_warp_is_the_plain_loop_to_float64(fill):
    images = random_images(12, 5, 8, 1, "f8")
    moves, shifts = random_moves(12, seed=1)
    warped = augment.warp(images, augment.backward_matrices(**moves), shifts, fill)
    assert warped.dtype == np.float64
    for image, result, forward in zip(images, warped, forward_matrices(moves, shifts, 5, 8), strict=True):
        np.testing.assert_allclose(
            result[..., 0], loop_warp(image[..., 0], np.linalg.inv(forward), fill), atol=1e-12
        )


@pytest.mark.parametrize("fill", [None, 200])
def test_jitter_is_its_draws(fill):
    """Each of the seven draws from [0, 1) means what it says, up to the largest setting."""
    images = random_images(50, 10, 7, 2)
    draws = np.random.default_rng(3).random((50, 7))
    draws[0], draws[1] = 0, np.nextafter(1, 0)
    augmentation = gk.Augmentation(3, 170, scale=0.4, shear=30, flip=True, brightness=0.2, fill=fill)
    moves = {
        "degrees": 170 * (2 * draws[:, 2] - 1),
        "factors": 1 + 0.4 * (2 * draws[:, 3] - 1),
        "shear_degrees": 30 * (2 * draws[:, 4] - 1),
        "flips": draws[:, 5] < 0.5,
    }
    shifts = np.floor(7 * draws[:, :2]) - 3
    assert (shifts.min(), shifts.max()) == (-3, 3)
    expected = tensorflow_warp(images, forward_matrices(moves, shifts, 10, 7), fill)
    expected += (0.2 * 255 * (2 * draws[:, 6] - 1))[:, None, None, None]
    jittered = augmentation.jitter(images, draws)
    assert jittered.dtype == np.uint8
    np.testing.assert_allclose(jittered, np.clip(expected, 0, 255), atol=0.5 + 1e-2)


def test_enlarging_by_hand():
    image = np.array([0, 10, 20], np.float32).reshape(1, 1, 3, 1)
    doubled = augment.backward_matrices(np.zeros(1), np.array([2.0]), np.zeros(1), np.zeros(1, bool))
    assert augment.warp(image, doubled, np.zeros((1, 2)), None).ravel().tolist() == [5, 10, 15]
    halved = augment.backward_matrices(np.zeros(1), np.array([0.5]), np.zeros(1), np.zeros(1, bool))
    assert augment.warp(image, halved, np.zeros((1, 2)), None).ravel().tolist() == [0, 10, 20]
    assert augment.warp(image, halved, np.zeros((1, 2)), 7).ravel().tolist() == [7, 10, 7]


@pytest.mark.parametrize("quarters", [1, 2, 3, -1])
@pytest.mark.parametrize("size", [6, 7])
def test_quarter_turns_are_rot90(quarters, size):
    images = random_images(3, size, size, 2)
    turned = augment.backward_matrices(
        np.full(3, 90.0 * quarters), np.ones(3), np.zeros(3), np.zeros(3, bool)
    )
    warped = augment.warp(images, turned, np.zeros((3, 2)), None)
    np.testing.assert_array_equal(np.rint(warped), np.rot90(images, quarters, axes=(1, 2)))


def test_each_quarter_turn_of_draws():
    images = random_images(2, 6, 6)
    draws = np.full((2, 7), 0.5)
    draws[:, 2] = 0.25, 0.75
    turned = gk.Augmentation(rotate=180).jitter(images, draws)
    np.testing.assert_array_equal(turned[0], np.rot90(images[0], -1))
    np.testing.assert_array_equal(turned[1], np.rot90(images[1], 1))


# shift, flip, brightness and none of them


def shifted_windows(image, shift, fill):
    """Returns a dict (down, right) -> the image so shifted, as slices of the padded image."""
    height, width, _ = image.shape
    pads = ((shift, shift), (shift, shift), (0, 0))
    padded = np.pad(image, pads, "edge") if fill is None else np.pad(image, pads, constant_values=fill)
    steps = range(-shift, shift + 1)
    return {
        (down, right): padded[shift - down :, shift - right :][:height, :width]
        for down in steps
        for right in steps
    }


@pytest.mark.parametrize("fill", [None, 9])
@pytest.mark.parametrize("dtype", DTYPES)
def test_shifts_are_whole_pixels_and_each_occurs(fill, dtype):
    images = np.repeat(random_images(1, 5, 8, 2, dtype), 400, axis=0)
    results = gk.Augmentation(shift=2, fill=fill)(images, 7)
    windows = shifted_windows(images[0], 2, fill)
    found = [
        [move for move, window in windows.items() if np.array_equal(window, result)] for result in results
    ]
    assert all(len(moves) == 1 for moves in found)
    assert {move for moves in found for move in moves} == set(windows)  # missed with probability 25 exp(-16)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", [1, 6, 7])
def test_flip_mirrors_half_of_the_images(dtype, width):
    images = random_images(400, 3, width, 2, dtype)
    results = gk.Augmentation(flip=True)(images, 7)
    mirrored = (results == images[:, :, ::-1]).all(axis=(1, 2, 3))
    kept = (results == images).all(axis=(1, 2, 3))
    assert (mirrored | kept).all()
    assert width == 1 or 150 < mirrored.sum() < 250  # five standard deviations of 10


@pytest.mark.parametrize("fill", [None, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_zero_settings_leave_every_bit(dtype, fill):
    images = random_images(5, 4, 6, 3, dtype)
    if dtype != "u1":
        images[0, 0, :4, 0] = np.nan, np.inf, -0.0, 1e-7
    results = gk.Augmentation(fill=fill)(images, 7)
    assert (results.dtype, results.shape) == (images.dtype, images.shape)
    assert results.tobytes() == images.tobytes()
    assert not np.shares_memory(results, images)


def test_brightness_of_bytes_is_one_clipped_number_for_an_image():
    images = random_images(300, 8, 8)
    results = gk.Augmentation(brightness=0.2)(images, 7).astype(int)
    differences = results - images
    inside = (results > 0) & (results < 255)
    added = np.array([differences[i][inside[i]][0] for i in range(300)])
    expected = np.clip(images + added[:, None, None, None], 0, 255)
    np.testing.assert_array_equal(results, expected)
    assert -51 <= added.min() < -45  # a fifth of 255
    assert 45 < added.max() <= 51
    assert results.min() == 0
    assert results.max() == 255


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_brightness_of_floats_is_not_clipped(dtype):
    images = random_images(300, 4, 4, 1, dtype)
    differences = gk.Augmentation(brightness=0.25)(images, 7) - images
    added = differences[:, :1, :1, :1]
    np.testing.assert_allclose(differences, np.broadcast_to(added, images.shape), atol=1e-6)
    assert -0.25 <= added.min() < -0.22
    assert 0.22 < added.max() <= 0.25


# seeds


EVERYTHING = gk.Augmentation(2, 20, scale=0.2, shear=10, flip=True, brightness=0.1)


def test_a_call_is_a_function_of_images_and_seed():
    images = random_images(20, 8, 9)
    before = images.copy()
    first = EVERYTHING(images, (7, 3))
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(first, EVERYTHING(images, [7, np.int64(3)]))
    np.testing.assert_array_equal(
        first, gk.Augmentation(2, 20, scale=0.2, shear=10, flip=True, brightness=0.1)(images, (7, 3))
    )
    others = [EVERYTHING(images, seed).tobytes() for seed in (0, 7, 8, (7, 4), (8, 3), 2**70)]
    assert len({first.tobytes(), *others}) == 7


def test_each_image_has_its_own_draw_whatever_the_batch(monkeypatch):
    images = np.repeat(random_images(1, 8, 9), 30, axis=0)
    results = EVERYTHING(images, 7)
    assert len({result.tobytes() for result in results}) == 30
    np.testing.assert_array_equal(EVERYTHING(images[:11], 7), results[:11])
    monkeypatch.setattr(augment, "CHUNK", 100)
    np.testing.assert_array_equal(EVERYTHING(images, 7), results)


def test_a_setting_changes_no_other_draw():
    images = random_images(60, 6, 6)
    flipped = gk.Augmentation(flip=True)(images, 7)
    shifted = gk.Augmentation(shift=1, flip=True)(images, 7)
    for result, other in zip(flipped, shifted, strict=True):
        assert any(np.array_equal(window, other) for window in shifted_windows(result, 1, None).values())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(0, 5, 6, 3), (1, 3, 3, 1), (3, 4, 9, 5)])
def test_shape_and_dtype_are_kept(dtype, shape):
    images = np.zeros(shape, dtype)
    results = EVERYTHING(images, 7)
    assert (results.shape, results.dtype) == (shape, images.dtype)


def test_strided_and_memory_mapped_images(tmp_path):
    images = random_images(10, 12, 7)
    expected = EVERYTHING(np.ascontiguousarray(images[::2, ::-1]), 7)
    np.testing.assert_array_equal(EVERYTHING(images[::2, ::-1], 7), expected)
    mapped = np.memmap(tmp_path / "images", np.uint8, "w+", shape=images.shape)
    mapped[:] = images
    np.testing.assert_array_equal(EVERYTHING(mapped, 7), EVERYTHING(images, 7))


# refusals


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"shift": -1}, ValueError, "shift must be an integer of at least 0; received shift=-1"),
        ({"shift": 1.5}, TypeError, "shift must be an integer"),
        ({"rotate": 181}, ValueError, "rotate must be a finite number at least 0 and at most 180"),
        ({"rotate": math.nan}, ValueError, "rotate must be a finite number"),
        ({"scale": 1}, ValueError, "scale must be a finite number at least 0 and below 1"),
        ({"scale": -0.1}, ValueError, "scale must be"),
        ({"shear": 90}, ValueError, "shear must be a finite number at least 0 and below 90"),
        ({"flip": 1}, TypeError, "flip must be True or False; received flip=1"),
        ({"brightness": 1.1}, ValueError, "brightness must be .* at most 1"),
        ({"fill": "edge"}, TypeError, "fill must be a finite number"),
        ({"fill": math.inf}, ValueError, "fill must be a finite number"),
    ],
)
def test_refused_settings(settings, error, message):
    with pytest.raises(error, match=f"^Augmentation: {message}"):
        gk.Augmentation(**settings)


@pytest.mark.parametrize(
    ("settings", "images", "seed", "error", "message"),
    [
        ({}, 3, 0, TypeError, "images must be an array"),
        (
            {},
            np.zeros((2, 3, 3), "u1"),
            0,
            ValueError,
            r"images must have 4 axes; received shape=\(2, 3, 3\)",
        ),
        ({}, np.zeros((2, 3, 3, 1), int), 0, TypeError, "uint8 or floating-point; received dtype='int64'"),
        ({}, np.zeros((2, 3, 3, 1), bool), 0, TypeError, "uint8 or floating-point"),
        ({"shift": 3}, np.zeros((2, 9, 3, 1), "u1"), 0, ValueError, r"smaller than the images; .*shift=3"),
        ({}, np.zeros((2, 0, 3, 1), "u1"), 0, ValueError, r"height, a width and .*\(2, 0, 3, 1\)"),
        ({}, np.zeros((2, 3, 3, 0), "u1"), 0, ValueError, r"channels of at least 1; .*\(2, 3, 3, 0\)"),
        ({"fill": 256}, np.zeros((2, 3, 3, 1), "u1"), 0, ValueError, "fill must be .* 0 to 255"),
        ({"fill": 0.5}, np.zeros((2, 3, 3, 1), "u1"), 0, ValueError, "fill must be an integer"),
        ({"fill": 1e5}, np.zeros((2, 3, 3, 1), "f2"), 0, ValueError, "fill must fit float16 images"),
        ({}, np.zeros((2, 3, 3, 1), "u1"), -1, ValueError, "seed must be an integer of at least 0"),
        ({}, np.zeros((2, 3, 3, 1), "u1"), (0, 1.5), TypeError, "seed must be an integer"),
        ({}, np.zeros((2, 3, 3, 1), "u1"), None, TypeError, "seed must be an integer"),
        ({}, np.zeros((2, 3, 3, 1), "u1"), [], ValueError, "seed must be a non-negative integer or"),
    ],
)
def test_refused_images_and_seeds(settings, images, seed, error, message):
    with pytest.raises(error, match=f"^Augmentation: .*{message}"):
        gk.Augmentation(**settings)(images, seed)


# fill_rare_classes


def unbalanced(dtype="u1"):
    """Returns 5 examples of class 0, 2 of class 3, 12 of class 4, mixed; image number i holds i."""
    labels = np.random.default_rng(0).permutation(np.repeat([0, 3, 4], [5, 2, 12])).astype(np.int32)
    images = np.broadcast_to(np.arange(19).reshape(-1, 1, 1, 1), (19, 4, 4, 1)).astype(dtype)
    return images, labels


def still(images, seed):
    return images.copy()


@pytest.mark.parametrize(
    ("arguments", "counts"),
    [
        ({}, {0: 12, 3: 12, 4: 12}),
        ({"count": 7}, {0: 7, 3: 7, 4: 12}),
        ({"count": 20}, {0: 20, 3: 20, 4: 20}),
        ({"count": 1}, {0: 5, 3: 2, 4: 12}),
        ({"classes": [3]}, {0: 5, 3: 12, 4: 12}),
        ({"classes": (3, 0, 3), "count": 4}, {0: 5, 3: 4, 4: 12}),
        ({"classes": np.array([4]), "count": 13}, {0: 5, 3: 2, 4: 13}),
        ({"classes": []}, {0: 5, 3: 2, 4: 12}),
    ],
)
@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_rare_classes_are_filled_evenly_behind_the_originals(arguments, counts, dtype):
    images, labels = unbalanced(dtype)
    filled, new_labels = gk.fill_rare_classes(images, labels, still, **arguments)
    assert (filled.dtype, new_labels.dtype) == (images.dtype, labels.dtype)
    np.testing.assert_array_equal(filled[:19], images)
    np.testing.assert_array_equal(new_labels[:19], labels)
    assert dict(zip(*np.unique(new_labels, return_counts=True), strict=True)) == counts
    sources = filled[:, 0, 0, 0].astype(int)  # which image each one is a copy of
    np.testing.assert_array_equal(labels[sources], new_labels)
    times = np.bincount(sources)
    for label in counts:
        assert np.ptp(times[labels == label]) <= 1


def test_copies_are_jittered_by_the_seed():
    images, labels = random_images(19, 8, 8), unbalanced()[1]
    augmentation = gk.Augmentation(shift=2, rotate=15)
    first, _ = gk.fill_rare_classes(images, labels, augmentation, seed=7)
    again, _ = gk.fill_rare_classes(images, labels, augmentation, seed=7)
    other, _ = gk.fill_rare_classes(images, labels, augmentation, seed=8)
    np.testing.assert_array_equal(first, again)
    assert len({image.tobytes() for image in first}) == len(first) == 36
    assert not np.array_equal(first[19:], other[19:])


@pytest.mark.parametrize("seed", [0, 7, (7, 3)])
def test_the_jitter_does_not_draw_the_numbers_that_chose_the_examples(seed):
    seeds = []

    def note(images, seed):
        seeds.append(seed)
        return images

    gk.fill_rare_classes(*unbalanced(), note, seed=seed)
    assert np.random.default_rng(seeds[0]).random() != np.random.default_rng(seed).random()


def test_shifted_copies_are_of_examples_of_their_class():
    images, labels = random_images(19, 8, 8), unbalanced()[1]
    filled, new_labels = gk.fill_rare_classes(images, labels, gk.Augmentation(shift=1), seed=7)
    for image, label in zip(filled[19:], new_labels[19:], strict=True):
        windows = [w for own in images[labels == label] for w in shifted_windows(own, 1, None).values()]
        assert any(np.array_equal(image, window) for window in windows)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"images": 3}, TypeError, "images must be an array"),
        ({"labels": np.zeros(3, int)}, ValueError, r"one label for each; .*labels=\(3,\)"),
        ({"labels": np.zeros(19)}, TypeError, "labels must be integers"),
        ({"augmentation": 3}, TypeError, r"function of \(images, seed\); received augmentation=3"),
        ({"augmentation": lambda images, seed: images[:, 1:]}, ValueError, r"shape \(17, 4, 4, 1\)"),
        ({"augmentation": lambda images, seed: images / 2}, ValueError, "dtype uint8; .*dtype='float64'"),
        ({"augmentation": lambda images, seed: None}, TypeError, "the array that augmentation returns"),
        ({"seed": -1}, ValueError, "seed must be an integer of at least 0"),
        ({"count": 0}, ValueError, "count must be an integer of at least 1"),
        ({"classes": [0, 2, 1]}, ValueError, r"must have examples to copy; received missing=\[1, 2\]"),
        ({"classes": [0.0]}, TypeError, "a class must be an integer"),
        ({"classes": 3}, TypeError, "classes must be a sequence of labels; received classes=3"),
    ],
)
def test_fill_rare_classes_refusals(changes, error, message):
    images, labels = unbalanced()
    arguments = {"images": images, "labels": labels, "augmentation": still, **changes}
    with pytest.raises(error, match=f"^fill_rare_classes: .*{message}"):
        gk.fill_rare_classes(**arguments)
