"""Orders, mini-batches and splits: each example once, and the same for the same seed."""

from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings

import graphkit as gk
from graphkit.data import batches

EXAMPLES = settings(deadline=None, derandomize=True, database=None, max_examples=100)
SIZES = st.integers(1, 200)
SEEDS = st.integers(0, 2**64)
EPOCHS = st.integers(0, 2**31)
FRACTIONS = st.floats(0, 1, exclude_max=True)


# epoch_order


@EXAMPLES
@given(num_examples=st.integers(0, 300), seed=SEEDS, epoch=EPOCHS)
def test_epoch_order_is_a_permutation(num_examples, seed, epoch):
    order = gk.epoch_order(num_examples, seed, epoch)
    assert order.dtype == np.int64 and order.shape == (num_examples,)
    assert sorted(order.tolist()) == list(range(num_examples))


@EXAMPLES
@given(num_examples=SIZES, seed=SEEDS, epoch=EPOCHS)
def test_epoch_order_is_a_pure_function(num_examples, seed, epoch):
    first = gk.epoch_order(num_examples, seed, epoch)
    gk.epoch_order(num_examples + 1, seed, epoch + 1)
    np.testing.assert_array_equal(gk.epoch_order(num_examples, seed, epoch), first)


def test_epoch_order_differs_between_epochs_and_between_seeds():
    orders = {tuple(gk.epoch_order(100, seed, epoch)) for seed in range(12) for epoch in range(12)}
    assert len(orders) == 144


def test_epoch_order_does_not_swap_seed_and_epoch():
    assert (gk.epoch_order(100, seed=1, epoch=2) != gk.epoch_order(100, seed=2, epoch=1)).any()


def test_epoch_order_neither_reads_nor_moves_the_global_generator():
    np.random.seed(1)
    first, state = gk.epoch_order(50, 3, 0), np.random.get_state()[1].copy()
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    np.random.seed(2)
    np.testing.assert_array_equal(gk.epoch_order(50, 3, 0), first)


def test_epoch_order_visits_every_position_about_equally_often():
    first = [gk.epoch_order(4, seed=0, epoch=epoch)[0] for epoch in range(4000)]
    assert np.all(np.abs(np.bincount(first) - 1000) < 150)


@pytest.mark.parametrize("name", ["num_examples", "seed", "epoch"])
def test_epoch_order_refuses_negative_arguments_by_name(name):
    arguments = {"num_examples": 5, "seed": 0, "epoch": 0, name: -1}
    with pytest.raises(ValueError, match=f"^epoch_order: {name} .*received {name}=-1"):
        gk.epoch_order(**arguments)


@pytest.mark.parametrize("value", [1.0, "1", None, True, [1]])
@pytest.mark.parametrize("name", ["num_examples", "seed", "epoch"])
def test_epoch_order_refuses_what_is_no_integer(name, value):
    arguments = {"num_examples": 5, "seed": 0, "epoch": 0, name: value}
    with pytest.raises(TypeError, match=f"^epoch_order: {name} "):
        gk.epoch_order(**arguments)


def test_epoch_order_takes_numpy_integers():
    order = gk.epoch_order(np.int32(9), np.uint8(1), np.int64(2))
    np.testing.assert_array_equal(order, gk.epoch_order(9, 1, 2))


# minibatches


@EXAMPLES
@given(num_examples=SIZES, batch_size=st.integers(1, 250), seed=SEEDS, epoch=EPOCHS, shuffle=st.booleans())
def test_minibatches_cover_each_example_once(num_examples, batch_size, seed, epoch, shuffle):
    examples = np.arange(num_examples)
    batches = [
        batch for (batch,) in gk.minibatches([examples], batch_size, seed=seed, epoch=epoch, shuffle=shuffle)
    ]
    assert sorted(np.concatenate(batches).tolist()) == examples.tolist()


@EXAMPLES
@given(num_examples=SIZES, batch_size=st.integers(1, 250))
def test_only_the_last_minibatch_is_short(num_examples, batch_size):
    sizes = [len(batch) for (batch,) in gk.minibatches([np.arange(num_examples)], batch_size)]
    full, remainder = divmod(num_examples, batch_size)
    assert sizes == [batch_size] * full + [remainder] * (remainder > 0)


@EXAMPLES
@given(num_examples=SIZES, batch_size=st.integers(1, 250), seed=SEEDS)
def test_drop_remainder_leaves_out_the_short_minibatch_only(num_examples, batch_size, seed):
    arrays = [np.arange(num_examples)]
    dropped = [
        batch.tolist() for (batch,) in gk.minibatches(arrays, batch_size, seed=seed, drop_remainder=True)
    ]
    kept = [batch.tolist() for (batch,) in gk.minibatches(arrays, batch_size, seed=seed)]
    assert dropped == [batch for batch in kept if len(batch) == batch_size]


@EXAMPLES
@given(num_examples=SIZES, batch_size=st.integers(1, 50), seed=SEEDS, epoch=EPOCHS)
def test_minibatches_keep_examples_and_labels_together(num_examples, batch_size, seed, epoch):
    labels = np.arange(num_examples, dtype=np.int32)
    images = np.stack([labels, 3 * labels], axis=1)[:, :, np.newaxis]
    for image, label in gk.minibatches((images, labels), batch_size, seed=seed, epoch=epoch):
        assert image.shape == (len(label), 2, 1) and label.dtype == np.int32
        np.testing.assert_array_equal(image[:, :, 0], np.stack([label, 3 * label], axis=1))


def test_minibatches_without_shuffle_are_in_the_given_order():
    batches = gk.minibatches([np.array([7, 5, 6, 4, 9])], 2, shuffle=False)
    assert [batch.tolist() for (batch,) in batches] == [[7, 5], [6, 4], [9]]


def test_minibatches_shuffle_by_default():
    (batch,) = next(gk.minibatches([np.arange(100)], 100))
    assert (batch != np.arange(100)).any()


def test_minibatches_are_the_same_for_the_same_seed_and_epoch():
    first = [batch.tolist() for (batch,) in gk.minibatches([np.arange(50)], 7, seed=4, epoch=2)]
    again = [batch.tolist() for (batch,) in gk.minibatches([np.arange(50)], 7, seed=4, epoch=2)]
    assert first == again


@pytest.mark.parametrize("other", [{"seed": 1}, {"epoch": 1}])
def test_minibatches_differ_for_another_seed_or_epoch(other):
    (first,) = next(gk.minibatches([np.arange(100)], 100))
    (second,) = next(gk.minibatches([np.arange(100)], 100, **other))
    assert (first != second).any()


def test_minibatches_take_a_split_of_a_dataset():
    split = gk.data.FeatureSplit(np.arange(6.0).reshape(3, 2), np.arange(3))
    for features, labels in gk.minibatches(split, 2):
        np.testing.assert_array_equal(features[:, 0], 2.0 * labels)


def test_minibatches_leave_the_arrays_as_they_are():
    labels = np.arange(20)
    list(gk.minibatches([labels], 3))
    np.testing.assert_array_equal(labels, np.arange(20))


def test_minibatches_of_words_stay_words():
    (words,) = next(gk.minibatches([np.array(["uno", "due", "tre"])], 3))
    assert sorted(words.tolist()) == ["due", "tre", "uno"]


def test_minibatches_of_a_generator_of_arrays_are_refused_or_right():
    arrays = (np.arange(4) for _ in range(2))
    try:
        batches = list(gk.minibatches(arrays, 2, shuffle=False))
    except TypeError:
        return
    assert [[part.tolist() for part in batch] for batch in batches] == [[[0, 1], [0, 1]], [[2, 3], [2, 3]]]


@pytest.mark.parametrize("lengths", [[], [0], [0, 0], [3, 2], [2, 3, 2], [3, 0]])
def test_minibatches_refuse_unequal_or_empty_arrays_at_the_call(lengths):
    with pytest.raises(ValueError, match=r"^minibatches: .*received lengths=\["):
        gk.minibatches([np.zeros(length) for length in lengths], 2)


@pytest.mark.parametrize("batch_size", [0, -1])
def test_minibatches_refuse_a_batch_size_below_one_at_the_call(batch_size):
    with pytest.raises(ValueError, match=f"^minibatches: batch_size .*received batch_size={batch_size}"):
        gk.minibatches([np.arange(3)], batch_size)


@pytest.mark.parametrize("batch_size", [2.0, "2", None, True])
def test_minibatches_refuse_a_batch_size_that_is_no_integer_at_the_call(batch_size):
    with pytest.raises(TypeError, match=r"^minibatches: batch_size "):
        gk.minibatches([np.arange(3)], batch_size)


@pytest.mark.parametrize("name", ["seed", "epoch"])
def test_minibatches_refuse_a_negative_seed_or_epoch_at_the_call(name):
    with pytest.raises(ValueError, match=f"{name} .*received {name}=-1"):
        gk.minibatches([np.arange(3)], 2, **{name: -1})


# split_indices


@EXAMPLES
@given(num_examples=st.integers(0, 300), fraction=FRACTIONS, seed=SEEDS)
def test_split_indices_hold_each_example_once(num_examples, fraction, seed):
    rest, part = gk.split_indices(num_examples, fraction, seed)
    assert rest.dtype == part.dtype == np.int64
    assert sorted([*rest.tolist(), *part.tolist()]) == list(range(num_examples))


@EXAMPLES
@given(num_examples=st.integers(0, 300), fraction=FRACTIONS, seed=SEEDS)
def test_split_indices_round_the_share_to_the_nearest(num_examples, fraction, seed):
    _, part = gk.split_indices(num_examples, fraction, seed)
    assert abs(len(part) - num_examples * fraction) <= 0.5


@EXAMPLES
@given(labels=st.lists(st.integers(-3, 5), max_size=120), fraction=FRACTIONS, seed=SEEDS)
def test_stratified_split_holds_each_example_once(labels, fraction, seed):
    rest, part = gk.split_indices(len(labels), fraction, seed, np.array(labels, np.int32))
    assert rest.dtype == part.dtype == np.int64
    assert sorted([*rest.tolist(), *part.tolist()]) == list(range(len(labels)))


@EXAMPLES
@given(labels=st.lists(st.integers(0, 5), min_size=1, max_size=120), fraction=FRACTIONS, seed=SEEDS)
def test_stratified_split_takes_the_share_of_each_class(labels, fraction, seed):
    labels = np.array(labels)
    _, part = gk.split_indices(len(labels), fraction, seed, labels)
    for label in range(6):
        count = np.count_nonzero(labels[part] == label)
        assert abs(count - np.count_nonzero(labels == label) * fraction) <= 0.5


@pytest.mark.parametrize("stratified", [False, True])
def test_split_indices_depend_on_the_seed_alone(stratified):
    labels = np.arange(90) % 3 if stratified else None
    parts = [gk.split_indices(90, 0.3, seed, labels)[1].tolist() for seed in (5, 5, 6)]
    assert parts[0] == parts[1] and sorted(parts[0]) != sorted(parts[2])


def test_stratified_split_counts_by_hand():
    labels = np.array([0] * 10 + [1] * 20 + [2] * 5)
    rest, part = gk.split_indices(35, 0.2, 0, labels)
    assert np.bincount(labels[part]).tolist() == [2, 4, 1]
    assert np.bincount(labels[rest]).tolist() == [8, 16, 4]


def test_stratified_split_takes_labels_as_a_list():
    _, part = gk.split_indices(4, 0.5, 0, labels=[0, 1, 0, 1])
    assert sorted(index % 2 for index in part.tolist()) == [0, 1]


def test_fraction_of_zero_parts_nothing_off():
    rest, part = gk.split_indices(7, 0, seed=1)
    assert len(rest) == 7 and part.shape == (0,)


@pytest.mark.parametrize("fraction", [-0.1, 1, 1.0, 1.5, float("nan"), float("inf")])
def test_split_indices_refuse_a_fraction_outside_its_bounds(fraction):
    with pytest.raises(ValueError, match=r"^split_indices: fraction .*received fraction="):
        gk.split_indices(10, fraction, 0)


@pytest.mark.parametrize("fraction", ["0.1", None, True, 0.1j])
def test_split_indices_refuse_a_fraction_that_is_no_number(fraction):
    with pytest.raises(TypeError, match=r"^split_indices: fraction "):
        gk.split_indices(10, fraction, 0)


@pytest.mark.parametrize("labels", [np.zeros(9, int), np.zeros(11, int), np.zeros((10, 1), int), []])
def test_split_indices_refuse_labels_of_another_length(labels):
    with pytest.raises(ValueError, match=r"^split_indices: labels "):
        gk.split_indices(10, 0.5, 0, labels)


@pytest.mark.parametrize("labels", [3, "labels", tf.zeros(10), np.zeros(10), ["a"] * 10])
def test_split_indices_refuse_labels_that_are_no_integers(labels):
    with pytest.raises(TypeError, match=r"^split_indices: labels "):
        gk.split_indices(10, 0.5, 0, labels)


@pytest.mark.parametrize(("num_examples", "seed"), [(-1, 0), (10, -1)])
def test_split_indices_refuse_negative_numbers(num_examples, seed):
    with pytest.raises(ValueError, match="=-1"):
        gk.split_indices(num_examples, 0.5, seed)


def test_what_was_read_of_a_large_mapped_file_is_given_back_and_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "LARGE_FILE", 1 << 20)
    np.save(tmp_path / "large.npy", np.arange(1 << 20, dtype=np.int64))
    mapped = np.load(tmp_path / "large.npy", mmap_mode="r")
    for view in (mapped, mapped[5::3], np.asarray(mapped)[1:]):
        assert batches.mapping_of(view) is not None
        before = view.sum()
        resident = resident_pages(tmp_path / "large.npy")
        batches.release(view)
        assert resident_pages(tmp_path / "large.npy") == 0 < resident
        assert view.sum() == before


def resident_pages(path):
    """Returns the KiB of the file that this process has in memory, as Linux tells them."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.endswith(str(path)))
    return int(next(line for line in lines[at:] if line.startswith("Rss:")).split()[1])


def test_changes_that_are_in_memory_alone_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "LARGE_FILE", 1)
    np.save(tmp_path / "file.npy", np.zeros(10))
    changed = np.load(tmp_path / "file.npy", mmap_mode="c")
    changed[3] = 7
    batches.release(changed)
    assert batches.mapping_of(changed) is None and changed[3] == 7
    assert batches.mapping_of(np.zeros(3)) is None
