"""Folders of images, decoded by Pillow: what files become, splits, class names, files that are refused."""

import io

import numpy as np
import pytest
from data.data_files import assert_refused, idx_contents, write_files
from PIL import Image

import graphkit as gk
from graphkit import checks
from graphkit.data import folders

RED, BLUE = (200, 30, 30), (30, 30, 200)


def write_images(folder, count=15, size=(6, 8), names=("cat", "dog"), kind="png"):
    """Writes images whose first pixel is their number; those of a class have one color."""
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for place in range(count):
            pixels = np.full((*size, 3), (RED, BLUE)[number % 2], np.uint8)
            pixels[0, 0] = 16 * number + place
            Image.fromarray(pixels).save(folder / name / f"{place:02}.{kind}")
    return folder


def numbers_of(split):
    return split.images[:][:, 0, 0, 0].tolist()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("images") / "pets")


@pytest.fixture(params=["in memory", "lazy"])
def anywhere(request, monkeypatch):
    """Runs a test with images that are decoded at once, and with those that are decoded when needed."""
    if request.param == "lazy":
        monkeypatch.setattr(folders, "IN_MEMORY", 0)
    return request.param


def test_classes_are_the_folders(folder, anywhere):
    data = gk.load_dataset(folder, valid_fraction=0.25)
    assert data.classes == ("cat", "dog") and isinstance(data.train, gk.data.ImageSplit)
    assert data.format == gk.data.ImageFormat((6, 8, 3), False, ("cat", "dog"))
    assert isinstance(data.train.images, folders.ImageFiles) == (anywhere == "lazy")
    for split, each in zip(data[1:4], (9, 3, 3), strict=True):
        assert split.images.shape == (2 * each, 6, 8, 3) and split.images.dtype == np.uint8
        assert np.bincount(split.labels).tolist() == [each, each] and split.labels.dtype == np.int32
        assert [number // 16 for number in numbers_of(split)] == split.labels.tolist()
    every = sorted(number for split in data[1:4] for number in numbers_of(split))
    assert every == [*range(15), *range(16, 31)]


def test_splits_are_seeded_and_the_test_set_stays(folder):
    first, again, other = (gk.load_dataset(folder, seed=seed, valid_fraction=0.3) for seed in (1, 1, 2))
    assert numbers_of(first.train) == numbers_of(again.train) != numbers_of(other.train)
    assert set(numbers_of(first.valid)) != set(numbers_of(other.valid))
    assert numbers_of(first.test) == numbers_of(other.test)


def test_lazy_images_are_those_in_memory(folder, monkeypatch):
    whole = gk.load_dataset(folder, image_size=(5, 4)).train.images
    monkeypatch.setattr(folders, "IN_MEMORY", 0)
    lazy = gk.load_dataset(folder, image_size=(5, 4)).train.images
    assert np.array_equal(lazy[:], whole) and len(lazy) == len(whole)
    some = np.array([7, 0, 7, 3])
    assert np.array_equal(lazy[some], whole[some]) and np.array_equal(lazy[2:5], whole[2:5])


def test_parts_that_are_given_stay(tmp_path, anywhere):
    for part, count in (("train", 12), ("val", 4), ("test", 3)):
        write_images(tmp_path / part, count)
    data = gk.load_dataset(tmp_path)
    assert [len(split.labels) for split in data[1:4]] == [24, 8, 6]
    assert numbers_of(data.test) == [0, 1, 2, 16, 17, 18]
    assert sorted(numbers_of(data.valid)) == [0, 1, 2, 3, 16, 17, 18, 19]
    (tmp_path / "val").rename(tmp_path / "elsewhere")
    assert_refused(tmp_path, "one folder for each part", "others=['elsewhere']")


def test_a_test_folder_with_an_unknown_class_is_refused(tmp_path):
    write_images(tmp_path / "train", 3)
    write_images(tmp_path / "test", 1, names=("cat", "dogs"))
    assert_refused(tmp_path, "test", "folders of the classes alone (near it: dog)", "unknown=['dogs']")


def test_folders_of_numbers_are_in_their_order(tmp_path):
    write_images(tmp_path, 5, names=("10", "9", "2"))
    assert gk.load_dataset(tmp_path).classes == ("2", "9", "10")


def test_folders_inside_and_files_of_the_system(tmp_path):
    write_images(tmp_path, 5)
    (tmp_path / "dog" / "more").mkdir()
    (tmp_path / "dog" / "00.png").rename(tmp_path / "dog" / "more" / "00.png")
    for name in (".DS_Store", "Thumbs.db"):
        (tmp_path / "dog" / name).write_bytes(b"x")
    (tmp_path / ".git").mkdir()
    data = gk.load_dataset(tmp_path)
    assert data.classes == ("cat", "dog") and sum(len(split.labels) for split in data[1:4]) == 10


def test_a_folder_of_idx_files_is_that_still(tmp_path):
    (write_files(tmp_path / "set", idx_contents()) / "more").mkdir()
    assert gk.load_dataset(tmp_path / "set").train.images.shape[1:] == (4, 5, 1)


def picture(folder, image, name="a.png", **options):
    image.save(folder / name, **options)
    return folder / name


def decode(path, channels=3, size=None, resize=False):
    image_format = gk.data.ImageFormat((*(size or (2, 2)), channels), resize, ())
    return image_format.decode(checks.Checker("decode"), path)


def test_images_of_all_modes(tmp_path):
    def shown(image, channels=3, **options):
        return decode(picture(tmp_path, image, **options), channels)[0, 0].tolist()

    gray16 = Image.fromarray(np.full((2, 2), 0xABCD, np.uint16))
    palette = Image.new("RGB", (2, 2), (10, 200, 30)).quantize(4)
    clear = Image.new("P", (2, 2), 0)
    clear.putpalette([10, 20, 30])
    assert shown(Image.new("RGB", (2, 2), (1, 2, 3))) == [1, 2, 3]
    assert shown(Image.new("L", (2, 2), 77)) == [77, 77, 77]
    assert shown(Image.new("1", (2, 2), 1), 1) == [255]
    assert shown(gray16, 1) == [0xAB]
    assert np.allclose(shown(palette), [10, 200, 30], atol=2)
    # What is transparent is laid on white, as a browser shows it.
    assert shown(Image.new("RGBA", (2, 2), (0, 0, 0, 0))) == [255, 255, 255]
    assert shown(Image.new("RGBA", (2, 2), (100, 0, 0, 51))) == [224, 204, 204]
    assert shown(Image.new("LA", (2, 2), (0, 0)), 1) == [255]
    assert shown(clear, transparency=0) == [255, 255, 255]
    # The weights of ITU-R 601.
    assert shown(Image.new("RGB", (2, 2), (100, 50, 200)), 1) == [round(29.9 + 29.35 + 22.8)]
    assert shown(Image.new("CMYK", (2, 2), (0, 0, 0, 0)), name="a.jpg") == [255, 255, 255]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_exif_says(orientation, tmp_path):
    """Of the picture that was taken, the upper left corner is black."""
    upright = np.full((16, 32), 255, np.uint8)
    upright[:8, :8] = 0
    # From the definition: where the 0th row and the 0th column of the stored array are in the picture.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),
        7: upright.T[::-1, ::-1],
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(3):
            picture(tmp_path / name, Image.fromarray(stored), f"{number}.jpg", exif=exif, quality=95)
    data = gk.load_dataset(tmp_path)
    assert data.train.images.shape[1:] == (16, 32, 1)
    assert np.abs(data.train.images[0, ..., 0].astype(int) - upright).max() < 30


def test_images_are_resized_or_refused(tmp_path):
    write_images(tmp_path, 4)
    other = picture(tmp_path / "dog", Image.new("RGB", (30, 20), BLUE), "other.jpg")
    assert_refused(tmp_path, "image_size=(height, width)", "size=(20, 30)", other)
    assert_refused(tmp_path, "size=(20, 30)", other, image_size=(6, 8), resize=False)
    data = gk.load_dataset(tmp_path, image_size=(3, 4))
    assert data.train.images.shape[1:] == (3, 4, 3) and data.format.resize
    assert np.abs(decode(other, size=(3, 4), resize=True) - np.array(BLUE)).max() <= 6
    with pytest.raises(
        ValueError, match=r"3x4 pixels, as the training's.*\(4, 3\)\), or train with image_size"
    ):
        decode(other, size=(3, 4))
    gray = gk.load_dataset(tmp_path, image_size=4, channels=1)
    assert gray.train.images.shape[1:] == (4, 4, 1)


def test_gray_files_have_one_channel_unless_told(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(5):
            picture(tmp_path / name, Image.new("L", (3, 3), number), f"{number}.png")
    assert gk.load_dataset(tmp_path).train.images.shape[1:] == (3, 3, 1)
    assert gk.load_dataset(tmp_path, channels=3).train.images.shape[1:] == (3, 3, 3)
    picture(tmp_path / "dog", Image.new("RGB", (3, 3), RED), "red.png")
    assert gk.load_dataset(tmp_path).train.images.shape[1:] == (3, 3, 3)


def encoded(kind):
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    Image.fromarray(noise).save(stream, kind)
    return stream.getvalue()


PNG, JPEG = encoded("PNG"), encoded("JPEG")
DAMAGED = {
    "empty.png": (b"", "empty"),
    "text.jpg": (b"not an image", "neither PNG nor JPEG"),
    "bitmap.png": (b"BM" + bytes(80), "neither PNG nor JPEG"),
    "header.png": (PNG[:12], "damaged"),
    "half.png": (PNG[: len(PNG) // 2], "damaged"),
    "end.png": (PNG[:-20], "damaged"),
    "flipped.png": (PNG[:900] + bytes([PNG[900] ^ 255]) + PNG[901:], "damaged"),
    "header.jpg": (JPEG[:20], "damaged"),
    "half.jpg": (JPEG[: len(JPEG) // 2], "damaged"),
    "end.jpg": (JPEG[:-30], "damaged"),
}


def test_all_files_that_are_not_images_are_named(tmp_path):
    write_images(tmp_path, 4, size=(32, 32))
    for name, (content, _) in DAMAGED.items():
        (tmp_path / "cat" / name).write_bytes(content)
    named = [f"{tmp_path}/cat/{name} ({problem}" for name, (_, problem) in DAMAGED.items()]
    assert_refused(tmp_path, "complete PNG and JPEG images alone", *named, image_size=8)
    (tmp_path / "dog" / "x.png").write_bytes(b"x")
    assert_refused(tmp_path, " and 1 more", image_size=8)


@pytest.mark.parametrize("name", sorted(DAMAGED.keys() - {"end.png"}))  # of which all pixels can be decoded
def test_a_file_that_is_not_an_image_is_refused_alone(name, tmp_path):
    (tmp_path / name).write_bytes(DAMAGED[name][0])
    with pytest.raises(ValueError, match=f"^decode: .*{name} is not a complete PNG or JPEG image"):
        decode(tmp_path / name, size=(32, 32))


def test_jpeg_with_bytes_after_its_end_is_taken(tmp_path, anywhere):
    write_images(tmp_path, 4, size=(32, 32))
    (tmp_path / "cat" / "more.jpg").write_bytes(JPEG + b"trailer of a camera")
    assert sum(len(split.labels) for split in gk.load_dataset(tmp_path)[1:4]) == 9


def test_a_file_that_breaks_later_is_named_when_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "IN_MEMORY", 0)
    images = gk.load_dataset(write_images(tmp_path, 5)).train.images
    images.paths[2].write_bytes(b"")
    with pytest.raises(ValueError, match=rf"{images.paths[2]} is not a complete PNG or JPEG.*'empty'"):
        images[np.arange(5)]


def test_folders_without_images_or_classes_are_refused(tmp_path):
    (tmp_path / "cat").mkdir()
    assert_refused(tmp_path, "each of two or more classes")
    (tmp_path / "cat" / "tabby").mkdir()
    assert_refused(tmp_path, f"two or more classes: they are in {tmp_path / 'cat'}, so give that")
    write_images(tmp_path / "more", 2)
    assert_refused(tmp_path, tmp_path / "cat", "holds no images")
    flat = tmp_path / "more" / "dog"
    picture = min(path.name for path in flat.iterdir())
    words = f"a folder for each class, with its pictures, such as {flat / 'cat' / picture}"
    assert_refused(flat, words, kind=FileNotFoundError, image_size=8)


def test_other_pictures_are_told_how_they_are_converted(tmp_path):
    write_images(tmp_path, 4)
    (tmp_path / "cat" / "a.webp").write_bytes(b"RIFF    WEBP")
    remedy = 'Image.open(path).convert("RGB").save("new.png")'
    assert_refused(tmp_path, tmp_path / "cat" / "a.webp", "(neither PNG nor JPEG)", remedy)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"image_size": (3,)}, ["image_size must be an integer or 2 integers"]),
        ({"image_size": 0}, ["image_size must be an integer of at least 1"]),
        ({"channels": 2}, ["channels must be 1 (gray) or 3 (colors)"]),
        ({"resize": "no"}, ["resize must be True or False"]),
        ({"label": "price"}, ["label is an option of a table, and this is a folder of images"]),
        ({"format": "png"}, ["format must be that of such data"]),
    ],
)
def test_options_are_checked(options, words, folder):
    assert_refused(folder, *words, kind=(ValueError, TypeError), **options)


def test_later_folder_is_read_as_the_first_one_was(folder, tmp_path):
    data = gk.load_dataset(folder, image_size=(4, 4), channels=1)
    later = write_images(tmp_path, 10, size=(9, 9), names=("dog",))
    again = gk.load_dataset(later, format=data.format)
    assert again.classes == ("cat", "dog") and set(again.train.labels) == {1}
    assert again.train.images.shape[1:] == (4, 4, 1)
    assert gk.data.ImageFormat.from_json(data.format.to_json()) == data.format


def test_pillow_is_asked_for_by_the_name_of_its_extra(folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(ImportError, match=r"pip install 'tf-graphkit\[images\]'"):
        gk.load_dataset(folder)
