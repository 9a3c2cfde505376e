"""IDX and `.npz` readers: every dtype and shape, and every damaged file refused by name."""

import contextlib
import gzip
import io
import itertools
import math
import pickle
import struct
import tracemalloc
import zipfile

import hypothesis.extra.numpy as arrays_of
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import graphkit as gk

EXAMPLES = settings(deadline=None, derandomize=True, database=None, max_examples=80)
MEBIBYTE = 1 << 20

# Type code of the format -> struct letter, dtype, values at the ends of its range.
IDX_TYPES = {
    0x08: ("B", np.uint8, [0, 1, 255]),
    0x09: ("b", np.int8, [-128, -1, 127]),
    0x0B: ("h", np.int16, [-32768, 258, 32767]),
    0x0C: ("i", np.int32, [-(2**31), 66051, 2**31 - 1]),
    0x0D: ("f", np.float32, [-0.0, 1.5, 2.0**100]),
    0x0E: ("d", np.float64, [-0.0, 1 / 3, 2.0**1000]),
}
SMALL_IDX = bytes([0, 0, 8, 2]) + struct.pack(">2I", 2, 3) + bytes([5, 4, 3, 2, 1, 0])


def idx_header(code, sizes):
    return bytes([0, 0, code, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)


def idx_path(folder, content, zipped=False):
    path = folder / ("some-idx.gz" if zipped else "some-idx")
    path.write_bytes(content)
    return path


def npy(header, data=b""):
    """Returns an `.npy` of a header that no NumPy function would write."""
    header = header.encode("latin1")
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header + b"\n" + data


def npy_of(descr, shape, data=b""):
    return npy(f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}", data)


def npz(content, compression=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr("values.npy", content)
    return stream.getvalue()


def npz_path(folder, content):
    path = folder / "some.npz"
    path.write_bytes(content)
    return path


def sample_arrays():
    return {"images": np.arange(12, dtype=np.uint8).reshape(3, 4), "labels": np.array([2, 0, 1])}


def sample_npz(save=np.savez):
    stream = io.BytesIO()
    save(stream, **sample_arrays())
    return stream.getvalue()


def flip(content, position, mask):
    damaged = bytearray(content)
    damaged[position] ^= mask
    return bytes(damaged)


def failure(read, path):
    """Returns the error of a read, None if it read."""
    try:
        read(path)
    except Exception as error:
        return error


def is_refusal(error, path):
    return isinstance(error, (ValueError, TypeError, OSError)) and str(path) in str(error)


def assert_refused(read, path, kind=ValueError):
    with pytest.raises(kind) as caught:
        read(path)
    assert str(path) in str(caught.value)


@contextlib.contextmanager
def allocation_below(limit):
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


# read_idx: what it reads


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("code", IDX_TYPES)
def test_idx_of_every_type_is_read(tmp_path, code, zipped):
    letter, dtype, values = IDX_TYPES[code]
    content = idx_header(code, [3]) + struct.pack(f">3{letter}", *values)
    path = idx_path(tmp_path, gzip.compress(content) if zipped else content, zipped)
    result = gk.data.read_idx(path)
    assert result.dtype == np.dtype(dtype) and result.dtype.isnative
    np.testing.assert_array_equal(result, np.array(values, dtype))


@pytest.mark.parametrize("sizes", [(6,), (2, 3), (1, 2, 3), (3, 1, 2, 1), (1,) * 30 + (2, 3)])
def test_idx_values_are_in_row_major_order(tmp_path, sizes):
    path = idx_path(tmp_path, idx_header(8, sizes) + bytes(range(6)))
    np.testing.assert_array_equal(gk.data.read_idx(path), np.arange(6).reshape(sizes))


@pytest.mark.parametrize("sizes", [(0,), (0, 3), (3, 0), (2, 0, 4)])
@pytest.mark.parametrize("code", IDX_TYPES)
def test_idx_without_elements_keeps_its_shape(tmp_path, code, sizes):
    result = gk.data.read_idx(idx_path(tmp_path, idx_header(code, sizes)))
    assert result.shape == sizes and result.dtype == IDX_TYPES[code][1]


def test_idx_path_may_be_a_string(tmp_path):
    assert gk.data.read_idx(str(idx_path(tmp_path, SMALL_IDX))).shape == (2, 3)


def test_idx_of_several_gzip_members_is_read(tmp_path):
    content = gzip.compress(SMALL_IDX[:7]) + gzip.compress(SMALL_IDX[7:])
    path = idx_path(tmp_path, content, zipped=True)
    np.testing.assert_array_equal(gk.data.read_idx(path), [[5, 4, 3], [2, 1, 0]])


def test_idx_of_more_than_a_chunk_is_read_completely(tmp_path):
    values = np.arange(3 * MEBIBYTE // 4 + 7, dtype=">i4")
    path = idx_path(tmp_path, idx_header(0x0C, values.shape) + values.tobytes())
    np.testing.assert_array_equal(gk.data.read_idx(path), values)


@EXAMPLES
@given(values=arrays_of.arrays(">f8", arrays_of.array_shapes(max_dims=4), elements=st.floats()))
def test_idx_values_survive_bit_by_bit(tmp_path_factory, values):
    path = idx_path(tmp_path_factory.getbasetemp(), idx_header(0x0E, values.shape) + values.tobytes())
    result = gk.data.read_idx(path)
    assert result.shape == values.shape
    assert result.astype(">f8").tobytes() == values.tobytes()


# read_idx: what it refuses


@pytest.mark.parametrize("head", ["01000801", "00010801", "ffff0801", "1f8b0800", "504b0304"])
def test_idx_with_a_wrong_magic_number_is_refused(tmp_path, head):
    path = idx_path(tmp_path, bytes.fromhex(head) + struct.pack(">I", 1) + b"x")
    assert_refused(gk.data.read_idx, path)


def test_idx_of_every_unknown_type_is_refused(tmp_path):
    for code in {*range(256)} - {*IDX_TYPES}:
        assert_refused(gk.data.read_idx, idx_path(tmp_path, idx_header(code, [1]) + bytes(16)))


@pytest.mark.parametrize("count", [0, 33, 65, 255])
def test_idx_of_no_axes_or_too_many_is_refused(tmp_path, count):
    assert_refused(gk.data.read_idx, idx_path(tmp_path, idx_header(8, [1] * count) + b"x"))


@pytest.mark.parametrize("length", range(len(SMALL_IDX)))
def test_idx_cut_off_anywhere_is_refused(tmp_path, length):
    assert_refused(gk.data.read_idx, idx_path(tmp_path, SMALL_IDX[:length]))


def test_gzipped_idx_cut_off_anywhere_is_refused(tmp_path):
    whole = gzip.compress(SMALL_IDX)
    for length in range(len(whole)):
        assert_refused(gk.data.read_idx, idx_path(tmp_path, whole[:length], zipped=True))


@pytest.mark.parametrize("length", range(len(SMALL_IDX)))
def test_complete_gzip_of_a_cut_off_idx_is_refused(tmp_path, length):
    assert_refused(gk.data.read_idx, idx_path(tmp_path, gzip.compress(SMALL_IDX[:length]), zipped=True))


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("tail", [b"\0", b"x", bytes(4096)])
def test_idx_longer_than_its_header_says_is_refused(tmp_path, tail, zipped):
    content = SMALL_IDX + tail
    assert_refused(
        gk.data.read_idx, idx_path(tmp_path, gzip.compress(content) if zipped else content, zipped)
    )


def test_text_after_the_gzip_member_is_refused(tmp_path):
    assert_refused(gk.data.read_idx, idx_path(tmp_path, gzip.compress(SMALL_IDX) + b"tail", zipped=True))


def test_plain_idx_named_gz_is_refused(tmp_path):
    assert_refused(gk.data.read_idx, idx_path(tmp_path, SMALL_IDX, zipped=True))


def test_gzipped_idx_not_named_gz_is_refused(tmp_path):
    assert_refused(gk.data.read_idx, idx_path(tmp_path, gzip.compress(SMALL_IDX)))


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("sizes", [(65536, 65536), (2**32 - 1,), (2**32 - 1,) * 3, (2**31,) * 32])
def test_idx_header_of_billions_allocates_little(tmp_path, sizes, zipped):
    content = idx_header(0x0E, sizes) + bytes(64)
    path = idx_path(tmp_path, gzip.compress(content) if zipped else content, zipped)
    with allocation_below(4 * MEBIBYTE):
        assert_refused(gk.data.read_idx, path)


def test_gzipped_idx_that_unpacks_to_far_more_than_its_header_says_allocates_little(tmp_path):
    path = idx_path(tmp_path, gzip.compress(SMALL_IDX + bytes(32 * MEBIBYTE)), zipped=True)
    with allocation_below(4 * MEBIBYTE):
        assert_refused(gk.data.read_idx, path)


@pytest.mark.parametrize("sizes", [(2**32 - 1, 2**32 - 1, 0), (0, *[2**32 - 1] * 31)])
def test_idx_of_no_elements_and_impossible_sizes_is_refused(tmp_path, sizes):
    assert_refused(gk.data.read_idx, idx_path(tmp_path, idx_header(8, sizes)))


def test_a_flipped_bit_of_a_gzipped_idx_is_refused_or_changes_nothing(tmp_path):
    whole, wrong = gzip.compress(SMALL_IDX), []
    for position, bit in itertools.product(range(len(whole)), range(8)):
        path = idx_path(tmp_path, flip(whole, position, 1 << bit), zipped=True)
        error = failure(gk.data.read_idx, path)
        same = error is None and gk.data.read_idx(path).tolist() == [[5, 4, 3], [2, 1, 0]]
        if not (same or is_refusal(error, path)):
            wrong.append((position, bit, error))
    assert wrong == []


@EXAMPLES
@given(content=st.binary(max_size=64), head=st.sampled_from([b"", b"\0\0\x08\x01", b"\0\0\x0d\x02"]))
def test_arbitrary_bytes_are_an_idx_or_refused(tmp_path_factory, head, content):
    path = idx_path(tmp_path_factory.getbasetemp(), head + content)
    error = failure(gk.data.read_idx, path)
    assert error is None or is_refusal(error, path)


# Both readers: files that are not there


@pytest.mark.parametrize("name", ["none", "none.gz", "no-folder/none", "none.npz"])
@pytest.mark.parametrize("read", [gk.data.read_idx, gk.data.read_npz])
def test_missing_file_is_named(tmp_path, read, name):
    assert_refused(read, tmp_path / name, FileNotFoundError)


@pytest.mark.parametrize("read", [gk.data.read_idx, gk.data.read_npz])
def test_a_folder_is_refused(tmp_path, read):
    assert_refused(read, tmp_path, OSError)


@pytest.mark.parametrize("read", [gk.data.read_idx, gk.data.read_npz])
@pytest.mark.parametrize("path", [None, 3, ["a"]])
def test_what_is_not_a_path_is_a_type_error(read, path):
    with pytest.raises(TypeError):
        read(path)


# read_npz: what it reads


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_arrays_are_read_by_name(tmp_path, save):
    result = gk.data.read_npz(npz_path(tmp_path, sample_npz(save)))
    assert list(result) == ["images", "labels"]
    for name, values in sample_arrays().items():
        assert result[name].dtype == values.dtype
        np.testing.assert_array_equal(result[name], values)


@pytest.mark.parametrize(
    "values",
    [
        np.float64(3.5),
        np.zeros((0, 3), np.int16),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.arange(4, dtype=">i4"),
        np.array(["año", "été", ""]),
        np.array([b"ab", b"c"]),
        np.array([True, False]),
        np.array([(1, 2.5)], [("a", "i4"), ("b", "f8")]),
        np.zeros((3, 0), np.uint8),
    ],
    ids=lambda values: f"{values.dtype.str}{values.shape}",
)
def test_npz_array_of_every_plain_dtype_is_read(tmp_path, values):
    path = tmp_path / "some.npz"
    np.savez(path, values=values)
    result = gk.data.read_npz(path)["values"]
    assert result.dtype == values.dtype
    np.testing.assert_array_equal(result, values)


def test_highly_compressed_npz_is_read(tmp_path):
    np.savez_compressed(tmp_path / "zeros.npz", images=np.zeros((500, 100, 100), np.uint8))
    assert not gk.data.read_npz(str(tmp_path / "zeros.npz"))["images"].any()


def test_npz_without_arrays_is_an_empty_dict(tmp_path):
    np.savez(tmp_path / "empty.npz")
    assert gk.data.read_npz(tmp_path / "empty.npz") == {}


@EXAMPLES
@given(values=arrays_of.arrays(arrays_of.scalar_dtypes(), arrays_of.array_shapes(min_dims=0)))
def test_npz_values_survive_bit_by_bit(tmp_path_factory, values):
    path = tmp_path_factory.getbasetemp() / "values.npz"
    np.savez_compressed(path, values=values)
    result = gk.data.read_npz(path)["values"]
    assert (result.dtype, result.shape) == (values.dtype, values.shape)
    assert result.tobytes() == values.tobytes()


# read_npz: what it refuses


class Trap:
    """Raises when it is unpickled, which is to say: when its pickle is run."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('a pickle was run')",))


@pytest.mark.parametrize("values", [[None], ["a", 1], [Trap()]], ids=["none", "mixed", "trap"])
def test_npz_of_python_objects_is_refused(tmp_path, values):
    np.savez(tmp_path / "objects.npz", values=np.array(values, object))
    assert_refused(gk.data.read_npz, tmp_path / "objects.npz")


def test_npz_of_objects_inside_records_is_refused(tmp_path):
    np.savez(tmp_path / "objects.npz", values=np.zeros(1, [("a", "i4"), ("b", object)]))
    assert_refused(gk.data.read_npz, tmp_path / "objects.npz")


def test_one_array_of_objects_among_others_is_refused(tmp_path):
    np.savez(tmp_path / "objects.npz", values=np.arange(3), objects=np.array([None]))
    assert_refused(gk.data.read_npz, tmp_path / "objects.npz")


def test_member_that_is_a_pickle_is_refused(tmp_path):
    assert_refused(gk.data.read_npz, npz_path(tmp_path, npz(pickle.dumps(Trap()))))


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"plain text", pickle.dumps([1]), gzip.compress(b"x", mtime=0)]
)
def test_what_is_not_a_zip_is_refused(tmp_path, content):
    assert_refused(gk.data.read_npz, npz_path(tmp_path, content))


def test_a_single_npy_is_refused(tmp_path):
    np.save(tmp_path / "some.npy", np.arange(3))
    assert_refused(gk.data.read_npz, tmp_path / "some.npy")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"text", b"\x93NUMPY\x09\x00" + bytes(64)])
def test_zip_of_what_is_not_an_npy_is_refused(tmp_path, content):
    assert_refused(gk.data.read_npz, npz_path(tmp_path, npz(content)))


@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_cut_off_anywhere_is_refused(tmp_path, save, step):
    content = sample_npz(save)
    for length in range(len(content) - 1, -1, -step):
        assert_refused(gk.data.read_npz, npz_path(tmp_path, content[:length]))


def test_npz_with_text_before_it_is_read_or_refused_by_name(tmp_path):
    path = npz_path(tmp_path, b"text" + sample_npz())
    error = failure(gk.data.read_npz, path)
    assert error is None or is_refusal(error, path)


# Every eleventh bit, which visits each bit of a byte; all of them are left to the slow tests.
@pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_flipped_bit_is_refused_by_name_or_changes_nothing(tmp_path, save, step):
    content, expected, wrong = sample_npz(save), sample_arrays(), []
    for bit in range(0, 8 * len(content), step):
        path = npz_path(tmp_path, flip(content, bit // 8, 1 << bit % 8))
        try:
            arrays = gk.data.read_npz(path)
        except Exception as error:
            if not is_refusal(error, path):
                wrong.append((bit, error))
        else:
            # A name may change, and with it only the name.
            kept = [np.array_equal(arrays.get(name, values), values) for name, values in expected.items()]
            if len(arrays) != len(expected) or not all(kept):
                wrong.append((bit, arrays))
    assert wrong == []


@EXAMPLES
@given(data=st.data())
def test_overwritten_bytes_are_refused_by_name_or_harmless(tmp_path_factory, data):
    content = bytearray(sample_npz())
    start = data.draw(st.integers(0, len(content) - 1), "start")
    patch = data.draw(st.binary(min_size=1, max_size=8), "patch")
    content[start : start + len(patch)] = patch
    path = npz_path(tmp_path_factory.getbasetemp(), bytes(content))
    error = failure(gk.data.read_npz, path)
    assert error is None or is_refusal(error, path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_member_of_another_compression_is_refused_by_name_or_read(tmp_path, compression):
    whole = npz(npy_of("<i8", (100,), bytes(range(200)) * 4), compression)
    start = whole.index(b"values.npy") + len("values.npy")
    for position in range(start, start + 60):
        path = npz_path(tmp_path, flip(whole, position, 0xFF))
        error = failure(gk.data.read_npz, path)
        assert error is None or is_refusal(error, path), (position, error)


@pytest.mark.parametrize("shape", [(4,), (2**20,), (2**32,), (2**62,), (2**40, 2**40), (2, 2)])
def test_npy_header_that_promises_more_than_the_member_has_allocates_little(tmp_path, shape):
    path = npz_path(tmp_path, npz(npy_of("<f8", shape, bytes(24))))
    with allocation_below(4 * MEBIBYTE):
        assert_refused(gk.data.read_npz, path)


@pytest.mark.parametrize("shape", [(2,), (0,), (1, 2), ()])
def test_member_that_has_more_than_its_header_promises_is_refused(tmp_path, shape):
    assert_refused(gk.data.read_npz, npz_path(tmp_path, npz(npy_of("<f8", shape, bytes(24)))))


@pytest.mark.parametrize("shape", [(-1,), (-1, -3), (1.5,), ("3",), (None,), 3, "ab"])
def test_npy_header_of_an_invalid_shape_is_refused(tmp_path, shape):
    assert_refused(gk.data.read_npz, npz_path(tmp_path, npz(npy_of("<f8", shape, bytes(24)))))


@pytest.mark.parametrize("shape", [(2**62, 2**62, 0), (2**70, 0), (0,) * 70])
def test_npy_header_of_no_elements_and_impossible_sizes_is_refused(tmp_path, shape):
    assert_refused(gk.data.read_npz, npz_path(tmp_path, npz(npy_of("<f8", shape))))


def test_npy_header_of_countless_elements_of_no_bytes_is_refused(tmp_path):
    descr = "('<f8', (0,))"
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': ({2**62},), }}"
    assert_refused(gk.data.read_npz, npz_path(tmp_path, npz(npy(header))))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "{",
        "{'descr': (",
        '{\'descr\': """',
        "((((",
        "{}",
        "[]",
        "1" * 5000,
        "\0",
        "é",
        "a b",
        "-" * 9000 + "1",
    ],
    ids=lambda header: f"{header[:9]!r}",
)
def test_npy_header_that_is_not_a_python_dict_is_refused(tmp_path, header):
    assert_refused(gk.data.read_npz, npz_path(tmp_path, npz(npy(header))))


@pytest.mark.parametrize("descr", ["", "?!", "<i3", "<M8[X]", [], [("a",)], 7, None, "|O"])
def test_npy_header_of_an_unknown_dtype_is_refused(tmp_path, descr):
    assert_refused(gk.data.read_npz, npz_path(tmp_path, npz(npy_of(descr, (2,), bytes(16)))))


@pytest.mark.parametrize("power", [24, 30, 31])
def test_zip_directory_that_promises_more_than_the_file_has_allocates_little(tmp_path, power):
    member = npy_of("|u1", (2**power,), bytes(8))
    content = bytearray(npz(member))
    size = len(member) - 8 + 2**power
    struct.pack_into("<II", content, content.index(b"PK\1\2") + 20, size, size)
    path = npz_path(tmp_path, bytes(content))
    with allocation_below(4 * MEBIBYTE):
        assert_refused(gk.data.read_npz, path)


def test_deflated_size_beyond_what_deflate_can_reach_allocates_little(tmp_path):
    member = npy_of("|u1", (2**30,), bytes(8))
    content = bytearray(npz(member, zipfile.ZIP_DEFLATED))
    struct.pack_into("<I", content, content.index(b"PK\1\2") + 24, len(member) - 8 + 2**30)
    path = npz_path(tmp_path, bytes(content))
    with allocation_below(4 * MEBIBYTE):
        assert_refused(gk.data.read_npz, path)


def test_encrypted_member_is_refused(tmp_path):
    content = sample_npz()
    entry = content.index(b"PK\1\2")
    path = npz_path(tmp_path, flip(flip(content, entry + 8, 1), 6, 1))
    assert_refused(gk.data.read_npz, path)


@EXAMPLES
@given(shape=st.lists(st.integers(-2, 2**64), max_size=4).map(tuple), length=st.integers(0, 64))
def test_header_of_any_shape_is_borne_out_by_the_file_or_refused(tmp_path_factory, shape, length):
    path = npz_path(tmp_path_factory.getbasetemp(), npz(npy_of("|u1", shape, bytes(length))))
    error = failure(gk.data.read_npz, path)
    assert is_refusal(error, path) or (error is None and math.prod(shape) == length)
