"""Data sets of original files: IDX folders, CIFAR, the places that are searched, and downloads."""

import gc
import hashlib
import pathlib
import socket

import numpy as np
import pytest
from data.data_files import (
    CIFAR_FILES,
    IDX_FILES,
    assert_complete,
    assert_refused,
    cifar_archive,
    cifar_bytes,
    cifar_contents,
    fashion_archives,
    idx,
    idx_contents,
    mnist_archive,
    same,
    write_files,
)

import graphkit as gk
from graphkit import checks
from graphkit.data import datasets, sources

SYSTEM_FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")
CHECK = checks.Checker("load_dataset")


# Folders of IDX files, by path


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("as_path", [str, pathlib.Path])
def test_folder_of_idx_files_is_read_by_path(tmp_path, zipped, as_path):
    folder = write_files(tmp_path / "own digits", idx_contents(), zipped)
    data = gk.load_dataset(as_path(folder))
    assert_complete(data, 20, 6)
    assert data.train.images.shape[1:] == (4, 5, 1)
    assert (data.name, data.classes) == (str(folder), ("0", "1", "2"))


def test_folder_of_idx_files_partly_gzipped_is_read(tmp_path):
    contents = idx_contents()
    folder = write_files(tmp_path, {name: contents[name] for name in IDX_FILES[::2]}, zipped=True)
    write_files(folder, {name: contents[name] for name in IDX_FILES[1::2]})
    assert_complete(gk.load_dataset(folder), 20, 6)


@pytest.mark.parametrize("missing", IDX_FILES)
def test_partly_filled_folder_names_the_missing_file(tmp_path, missing):
    contents = idx_contents()
    del contents[missing]
    folder = write_files(tmp_path / "part", contents)
    assert_refused(folder, folder, missing, kind=FileNotFoundError)
    assert_refused("mnist", folder, missing, kind=FileNotFoundError, folder=folder)


def test_folder_without_data_names_what_is_missing(tmp_path):
    assert_refused(tmp_path, tmp_path, IDX_FILES[0], kind=FileNotFoundError)


@pytest.mark.parametrize("damaged", IDX_FILES)
def test_cut_off_file_in_a_folder_is_named(tmp_path, damaged):
    contents = idx_contents()
    contents[damaged] = contents[damaged][:-1]
    folder = write_files(tmp_path / "cut", contents)
    assert_refused(folder, folder / damaged)


def test_images_and_labels_swapped_are_refused(tmp_path):
    contents = idx_contents()
    contents[IDX_FILES[0]], contents[IDX_FILES[1]] = contents[IDX_FILES[1]], contents[IDX_FILES[0]]
    folder = write_files(tmp_path / "swapped", contents)
    assert_refused(folder, folder)


@pytest.mark.parametrize("part", ["train", "t10k"])
def test_folder_with_more_labels_than_images_is_refused(tmp_path, part):
    contents = idx_contents()
    contents[f"{part}-labels-idx1-ubyte"] = idx(np.zeros(21, np.uint8))
    folder = write_files(tmp_path / "unequal", contents)
    assert_refused(folder, folder)


@pytest.mark.parametrize("part", ["train", "t10k"])
def test_folder_without_examples_is_refused(tmp_path, part):
    contents = idx_contents()
    contents[f"{part}-labels-idx1-ubyte"] = idx(np.zeros(0, np.uint8))
    contents[f"{part}-images-idx3-ubyte"] = idx(np.zeros((0, 4, 5), np.uint8))
    folder = write_files(tmp_path / "empty", contents)
    assert_refused(folder, folder)


def test_folder_with_labels_that_are_not_integers_is_refused(tmp_path):
    contents = idx_contents()
    contents[IDX_FILES[1]] = idx(np.zeros(20, np.float32))
    folder = write_files(tmp_path / "float", contents)
    assert_refused(folder, folder, "integers")


def test_folder_with_images_that_are_not_uint8_is_refused(tmp_path):
    contents = idx_contents()
    contents[IDX_FILES[0]] = idx(np.zeros((20, 4, 5), np.float32))
    folder = write_files(tmp_path / "float", contents)
    assert_refused(folder, folder)


@pytest.mark.parametrize("shape", [(6, 9, 9), (6, 4, 6), (6, 4, 5, 3)])
def test_folder_with_test_images_of_another_size_is_refused(tmp_path, shape):
    contents = idx_contents()
    contents[IDX_FILES[2]] = idx(np.zeros(shape, np.uint8))
    folder = write_files(tmp_path / "sizes", contents)
    assert_refused(folder, folder)


# The places where a named data set is looked for


@pytest.mark.parametrize("inside", [".", "mnist"])
@pytest.mark.parametrize("zipped", [False, True])
def test_named_data_set_is_read_from_the_folder(tmp_path, inside, zipped):
    write_files(tmp_path / inside, idx_contents(), zipped)
    data = gk.load_dataset("mnist", folder=tmp_path)
    assert_complete(data, 20, 6)
    assert (data.name, data.classes) == ("mnist", tuple("0123456789"))


@pytest.mark.parametrize("inside", [".", "fashion_mnist", "fashion-mnist"])
def test_named_data_set_is_read_from_the_environments_folder(tmp_path, monkeypatch, inside):
    write_files(tmp_path / inside, idx_contents())
    monkeypatch.setenv("GRAPHKIT_DATA", str(tmp_path))
    data = gk.load_dataset("fashion_mnist")
    assert_complete(data, 20, 6)
    assert len(data.classes) == 10 and data.classes[0] == "T-shirt/top"


def test_folder_comes_before_the_environments_folder(tmp_path, monkeypatch):
    write_files(tmp_path / "one", idx_contents(train=12))
    write_files(tmp_path / "two", idx_contents(train=20))
    monkeypatch.setenv("GRAPHKIT_DATA", str(tmp_path / "two"))
    assert_complete(gk.load_dataset("mnist", folder=str(tmp_path / "one")), 12, 6)


def test_folder_without_the_data_set_is_passed_over(tmp_path, monkeypatch):
    (tmp_path / "bare").mkdir()
    write_files(tmp_path / "full", idx_contents())
    monkeypatch.setenv("GRAPHKIT_DATA", str(tmp_path / "full"))
    assert_complete(gk.load_dataset("mnist", folder=tmp_path / "bare"), 20, 6)


def test_data_sets_of_one_folder_are_kept_apart(tmp_path):
    write_files(tmp_path / "mnist", idx_contents(train=12))
    write_files(tmp_path / "fashion_mnist", idx_contents(train=20))
    assert_complete(gk.load_dataset("mnist", folder=tmp_path), 12, 6)
    assert_complete(gk.load_dataset("fashion_mnist", folder=tmp_path), 20, 6)


@pytest.mark.parametrize("present", [False, True])
def test_folder_that_does_not_exist_is_refused(tmp_path, monkeypatch, present):
    monkeypatch.setenv("GRAPHKIT_DATA", str(write_files(tmp_path / "set", idx_contents() if present else {})))
    missing = tmp_path / "no-such-folder"
    assert_refused("mnist", missing, kind=FileNotFoundError, folder=missing)


def test_labels_beyond_a_named_data_sets_classes_are_refused(tmp_path):
    contents = idx_contents()
    contents[IDX_FILES[3]] = idx(np.array([0, 1, 2, 3, 4, 10], np.uint8))
    write_files(tmp_path, contents)
    assert_refused("mnist", "mnist", "0..9", folder=tmp_path)


@pytest.fixture(scope="module")
def fashion():
    if not SYSTEM_FASHION.is_dir():
        pytest.skip("the Fashion-MNIST files are not on this system")
    return gk.load_dataset("fashion_mnist", folder=SYSTEM_FASHION)


def test_real_fashion_mnist_has_70000_images(fashion):
    shapes = [split.images.shape for split in (fashion.train, fashion.valid, fashion.test)]
    assert shapes == [(55_000, 28, 28, 1), (5_000, 28, 28, 1), (10_000, 28, 28, 1)]
    assert {split.images.dtype for split in fashion[1:4]} == {np.dtype(np.uint8)}


def test_real_fashion_mnist_is_balanced(fashion):
    assert np.bincount(fashion.test.labels).tolist() == [1000] * 10
    others = np.bincount(fashion.train.labels) + np.bincount(fashion.valid.labels)
    assert others.tolist() == [6000] * 10
    assert fashion.classes[9] == "Ankle boot" and fashion.test.labels[0] == 9


# CIFAR


@pytest.mark.parametrize("name", CIFAR_FILES)
def test_cifar_test_images_and_labels_are_read_in_order(tmp_path, name):
    contents, images, labels = cifar_contents(name)
    data = gk.load_dataset(name, folder=write_files(tmp_path, contents))
    np.testing.assert_array_equal(data.test.images, images[-3:])
    assert data.test.labels.tolist() == labels[-3:]
    assert data.test.images.dtype == np.uint8 and data.test.labels.dtype == np.int32


@pytest.mark.parametrize("name", CIFAR_FILES)
def test_cifar_training_images_keep_their_labels(tmp_path, name):
    contents, images, labels = cifar_contents(name)
    data = gk.load_dataset(name, folder=write_files(tmp_path, contents))
    pairs = {image.tobytes(): label for image, label in zip(images[:-3], labels, strict=False)}
    split = [np.concatenate(parts) for parts in zip(data.train, data.valid, strict=True)]
    assert {image.tobytes(): label for image, label in zip(*split, strict=True)} == pairs


@pytest.mark.parametrize(("row", "column", "channel"), [(0, 0, 0), (0, 31, 1), (31, 0, 2), (7, 20, 1)])
@pytest.mark.parametrize("name", CIFAR_FILES)
def test_cifar_pixel_is_where_the_format_says(tmp_path, name, row, column, channel):
    contents, _, _ = cifar_contents(name)
    record = bytearray(3073 if name == "cifar10" else 3074)
    record[len(record) - 3072 + 1024 * channel + 32 * row + column] = 255
    contents[CIFAR_FILES[name][-1]] = bytes(record)
    images = gk.load_dataset(name, folder=write_files(tmp_path, contents)).test.images
    assert images.shape == (1, 32, 32, 3)
    assert np.argwhere(images).tolist() == [[0, row, column, channel]]


def test_cifar100_label_is_the_fine_one(tmp_path):
    contents, images, _ = cifar_contents("cifar100")
    contents["test.bin"] = cifar_bytes(images[:2], [3, 4], [99, 51])
    data = gk.load_dataset("cifar100", folder=write_files(tmp_path, contents))
    assert data.test.labels.tolist() == [99, 51]
    assert [data.classes[label] for label in data.test.labels] == ["worm", "mushroom"]


def test_cifar_class_names_are_complete(tmp_path):
    for name, first, last in (("cifar10", "airplane", "truck"), ("cifar100", "apple", "worm")):
        contents, _, _ = cifar_contents(name)
        classes = gk.load_dataset(name, folder=write_files(tmp_path / name, contents)).classes
        assert (len(set(classes)), classes[0], classes[-1]) == (int(name[5:]), first, last)
        assert list(classes) == sorted(classes)


@pytest.mark.parametrize("name", CIFAR_FILES)
@pytest.mark.parametrize(
    "change",
    [lambda c: c[:-1], lambda c: c + b"x", lambda c: b"", lambda c: c[1:3073]],
    ids=["short", "long", "empty", "less than a record"],
)
def test_cifar_file_of_a_wrong_length_is_refused_by_name(tmp_path, name, change):
    contents, _, _ = cifar_contents(name)
    for file in CIFAR_FILES[name]:
        folder = write_files(tmp_path / file, {**contents, file: change(contents[file])})
        assert_refused(name, folder / file, folder=folder)


@pytest.mark.parametrize("name", CIFAR_FILES)
def test_partly_filled_cifar_folder_names_the_missing_file(tmp_path, name):
    contents, _, _ = cifar_contents(name)
    for missing in CIFAR_FILES[name]:
        rest = {file: content for file, content in contents.items() if file != missing}
        folder = write_files(tmp_path / missing, rest)
        assert_refused(name, folder, missing, kind=FileNotFoundError, folder=folder)


@pytest.mark.parametrize("name", CIFAR_FILES)
def test_gzipped_cifar_files_are_read_like_plain_ones(tmp_path, name):
    contents, images, _ = cifar_contents(name)
    data = gk.load_dataset(name, folder=write_files(tmp_path, contents, zipped=True))
    np.testing.assert_array_equal(data.test.images, images[-3:])


@pytest.mark.parametrize("change", [lambda c: c[:-9], lambda c: c[:20] + b"damaged" + c[27:], lambda c: b"x"])
def test_damaged_gzipped_cifar_file_is_refused_by_name(tmp_path, change):
    contents, _, _ = cifar_contents("cifar100")
    folder = write_files(tmp_path, contents, zipped=True)
    path = folder / "test.bin.gz"
    path.write_bytes(change(path.read_bytes()))
    assert_refused("cifar100", path, "damaged or cut off", folder=folder)


def test_cifar10_label_above_nine_is_refused(tmp_path):
    contents, images, _ = cifar_contents("cifar10")
    contents["test_batch.bin"] = cifar_bytes(images[:1], [10])
    assert_refused("cifar10", "cifar10", "0..9", folder=write_files(tmp_path, contents))


def test_damaged_archive_is_named(tmp_path):
    (content,) = cifar_archive("cifar100")[0].values()
    path = tmp_path / "cifar.tar.gz"
    for damaged in (b"", content[:100], content[: len(content) // 2], bytes(5000)):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="load_dataset: .*cifar.tar.gz"):
            datasets.read_tar(CHECK, path, sources.SOURCES["cifar100"])


def test_archive_that_lacks_a_file_is_named(tmp_path):
    ((name, content),) = cifar_archive("cifar100")[0].items()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match="lacks files; received missing=.*data_batch_1.bin"):
        datasets.read_tar(CHECK, tmp_path / name, sources.SOURCES["cifar10"])


# Downloads


def test_mnist_is_downloaded(publish, server):
    publish("mnist", mnist_archive())
    data = gk.load_dataset("mnist")
    assert_complete(data, 20, 6)
    assert (data.name, data.classes) == ("mnist", tuple("0123456789"))
    assert server.asked == ["mnist.npz"]


def test_fashion_mnist_is_downloaded(publish, server):
    publish("fashion_mnist", fashion_archives(), digest=hashlib.md5)
    assert_complete(gk.load_dataset("fashion_mnist"), 20, 6)
    assert sorted(server.asked) == sorted(fashion_archives())


@pytest.mark.parametrize("name", CIFAR_FILES)
def test_cifar_is_downloaded(publish, server, name):
    archive, images, labels = cifar_archive(name)
    publish(name, archive, digest=hashlib.md5)
    data = gk.load_dataset(name)
    np.testing.assert_array_equal(data.test.images, images[-3:])
    assert data.test.labels.tolist() == labels[-3:]
    assert len(data.train.labels) + len(data.valid.labels) == len(images) - 3
    assert server.asked == list(archive)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_data_set_is_downloaded_once(publish, server, name):
    archives = {"mnist": mnist_archive, "fashion_mnist": fashion_archives}
    publish(name, archives[name]() if name in archives else cifar_archive(name)[0])
    first = gk.load_dataset(name)
    asked = list(server.asked)
    again = gk.load_dataset(name)
    assert server.asked == asked
    assert same(first.train, again.train) and same(first.test, again.test)


def test_mnist_and_fashion_mnist_do_not_share_their_downloads(publish):
    publish("mnist", mnist_archive(train=12))
    publish("fashion_mnist", fashion_archives())
    assert_complete(gk.load_dataset("mnist"), 12, 6)
    assert_complete(gk.load_dataset("fashion_mnist"), 20, 6)


def test_local_files_come_before_a_download(publish, server, tmp_path):
    publish("mnist", mnist_archive())
    write_files(tmp_path / "local", idx_contents(train=12))
    assert_complete(gk.load_dataset("mnist", folder=tmp_path / "local"), 12, 6)
    assert server.asked == []


def test_partly_filled_folder_is_not_completed_by_a_download(publish, server, tmp_path):
    publish("mnist", mnist_archive())
    contents = idx_contents()
    del contents[IDX_FILES[3]]
    folder = write_files(tmp_path / "part", contents)
    assert_refused("mnist", folder, IDX_FILES[3], kind=FileNotFoundError, folder=folder)
    assert server.asked == []


def test_missing_folder_is_refused_before_a_download(publish, server, tmp_path):
    publish("mnist", mnist_archive())
    assert_refused("mnist", tmp_path / "none", kind=FileNotFoundError, folder=tmp_path / "none")
    assert server.asked == []


def test_download_with_a_wrong_hash_is_refused_by_origin(publish, server):
    publish("mnist", mnist_archive(), served=mnist_archive(train=12))
    assert_refused("mnist", server.origin + "mnist.npz", "hash", kind=OSError)


def test_download_with_a_wrong_hash_spoils_no_later_one(publish, server):
    publish("mnist", mnist_archive(), served=mnist_archive(train=12))
    assert_refused("mnist", kind=OSError)
    server.files.update(mnist_archive())
    assert_complete(gk.load_dataset("mnist"), 20, 6)


def test_one_wrong_file_of_several_is_refused_by_its_origin(publish, server):
    name = f"{IDX_FILES[3]}.gz"
    publish("fashion_mnist", fashion_archives(), served={name: b"something else"})
    assert_refused("fashion_mnist", server.origin + name, kind=OSError)


def test_download_that_stops_early_is_refused_by_origin(publish, server):
    content = mnist_archive()["mnist.npz"]
    publish("mnist", mnist_archive(), served={"mnist.npz": (content[:-100], len(content))})
    assert_refused("mnist", server.origin + "mnist.npz", kind=OSError)


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # Keras leaves the answer open
def test_file_that_the_server_does_not_have_is_refused_by_origin(publish, server):
    publish("mnist", mnist_archive())
    server.files.clear()
    assert_refused("mnist", server.origin + "mnist.npz", "404", kind=OSError)
    gc.collect()  # here rather than in a later test


def test_unreachable_server_is_refused_by_origin(publish):
    with socket.socket() as closed:  # bound, so that the port stays free, but not listening
        closed.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        publish("mnist", mnist_archive(), origin=origin)
        assert_refused("mnist", origin + "mnist.npz", "folder=", "GRAPHKIT_DATA", kind=OSError)


def test_cache_spoiled_after_the_download_is_fetched_again(publish, server, cache):
    publish("mnist", mnist_archive())
    gk.load_dataset("mnist")
    (path,) = cache.rglob("mnist.npz")
    path.write_bytes(b"spoiled")
    assert_complete(gk.load_dataset("mnist"), 20, 6)
    assert server.asked == ["mnist.npz"] * 2


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "cifar100"])
def test_downloads_are_encrypted_and_have_a_hash(name):
    for archive in sources.SOURCES[name].archives:
        assert archive.origin.startswith("https://")
        assert len(bytes.fromhex(archive.hash)) in (16, 32)
