"""Which execution a fit gets and why, and where its runs begin and end."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit import checks
from graphkit.data import batches
from graphkit.running import execution, steps

v1 = tf.compat.v1
Wanted = execution.Wanted


def aligned(*shape):
    array = batches.aligned_empty(shape, np.float32)
    array[...] = np.random.default_rng(0).uniform(-1, 1, shape)
    return array


FEATURES, IMAGES = aligned(12, 6), aligned(12, 6, 6, 1)
WHOLE, LABELS = np.arange(12, dtype=np.int32), np.arange(12, dtype=np.int32) % 2


def dense_graph():
    features, labels, extra = gk.feature_input(6), gk.label_input(), gk.feature_input(6, name="extra")
    loss = gk.softmax_cross_entropy(gk.dense(features, 2), labels)
    return loss, {features: FEATURES, labels: LABELS}, extra


def convolution_graph():
    images, labels = gk.image_input(6, 6, 1), gk.label_input()
    net = gk.flatten(gk.conv2d(images, 2, 3))
    return gk.softmax_cross_entropy(gk.dense(net, 2), labels), {images: IMAGES, labels: LABELS}, None


def python_graph():
    features, labels = gk.feature_input(6), gk.label_input()
    net = tf.ensure_shape(tf.numpy_function(lambda rows: rows, [features], tf.float32), (None, 6))
    return gk.softmax_cross_entropy(gk.dense(net, 2), labels), {features: FEATURES, labels: LABELS}, None


def text_graph():
    words, labels = v1.placeholder(tf.string, (None,), "words"), gk.label_input()
    tokens = tf.strings.to_hash_bucket_fast(words, 9)
    loss = gk.softmax_cross_entropy(gk.dense(gk.embedding(tokens, 9, 3), 2), labels)
    return loss, {words: np.array(list("abcdefghijkl")), labels: LABELS}, None


def noisy_graph():
    features, labels = gk.feature_input(6), gk.label_input()
    net = features + tf.random.normal((6,), name="noise")
    return gk.softmax_cross_entropy(gk.dense(net, 2), labels), {features: FEATURES, labels: LABELS}, None


GRAPHS = {
    "dense": dense_graph,
    "convolution": convolution_graph,
    "python": python_graph,
    "text": text_graph,
    "noisy": noisy_graph,
}
FEW = "10 steps are not worth compiling"
SLOW = "XLA is slower than TensorFlow's kernels at convolutions and pooling"
PYTHON = "the graph has Python functions (PyFunc)"
TEXT = "text, of ['words:0'], is fed step by step"
LOOKS = "a callback looks at each step"
OTHERS = (
    "the examples are of ['extra:0', 'features:0', 'labels:0'], "
    "and the graph's are of ['features:0', 'labels:0']"
)
NOISY = "XLA draws other random numbers for noise/RandomStandardNormal"
AUGMENTED = "augmented rows are made for each mini-batch"
TABLE = [
    # graph, data, wanted execution, steps in all, whether observed -> execution, reason
    ("dense", "arrays", "auto", 10, False, "resident", FEW),
    ("dense", "arrays", "auto", 299, False, "resident", "299 steps are not worth compiling"),
    ("dense", "arrays", "auto", 300, False, "compiled", None),
    ("dense", "arrays", "feed", 300, False, "feed", None),
    ("dense", "arrays", "chunks", 300, False, "chunks", None),
    ("dense", "arrays", "resident", 300, False, "resident", None),
    ("dense", "arrays", "compiled", 10, False, "compiled", None),
    *(("dense", "arrays", w, 300, True, "feed", LOOKS) for w in execution.EXECUTIONS),
    ("dense", "mapped", "auto", 10, False, "chunks", FEW),
    ("dense", "mapped", "auto", 300, False, "compiled", None),
    ("dense", "doubles", "auto", 10, False, "chunks", FEW),
    ("dense", "augmented", "auto", 10, False, "chunks", FEW),
    ("dense", "augmented", "resident", 10, False, "chunks", AUGMENTED),
    ("dense", "augmented", "chunks", 10, False, "chunks", None),
    ("dense", "augmented", "compiled", 10, False, "compiled", None),
    ("dense", "large", "auto", 10, False, "chunks", FEW),
    ("dense", "extra", "auto", 300, False, "feed", OTHERS),
    ("dense", "extra", "compiled", 300, False, "feed", OTHERS),
    ("convolution", "arrays", "auto", 300, False, "resident", SLOW),
    ("convolution", "arrays", "compiled", 300, False, "resident", SLOW),
    ("convolution", "mapped", "compiled", 300, False, "chunks", SLOW),
    ("convolution", "arrays", "chunks", 300, False, "chunks", None),
    ("noisy", "arrays", "compiled", 300, False, "resident", NOISY),
    ("noisy", "arrays", "feed", 300, False, "feed", None),
    *(("python", "arrays", w, 300, False, "feed", PYTHON) for w in execution.EXECUTIONS),
    ("python", "arrays", "auto", 300, True, "feed", PYTHON),
    *(("text", "arrays", w, 300, False, "feed", TEXT) for w in ("auto", "resident", "compiled")),
]


@pytest.fixture(scope="module")
def trainers():
    """{name of a graph: (trainer, data, placeholder that the loss does not need)}."""
    made = {}
    for name, make in GRAPHS.items():
        with tf.Graph().as_default():
            loss, data, extra = make()
            made[name] = gk.Trainer(loss), data, extra
    yield made
    for trainer, _, _ in made.values():
        trainer.close()


@pytest.mark.parametrize(("graph", "kind", "wanted", "total", "observed", "taken", "reason"), TABLE)
def test_what_is_chosen(graph, kind, wanted, total, observed, taken, reason, trainers, tmp_path, monkeypatch):
    trainer, data, extra = trainers[graph]
    first, augment = next(iter(data)), None
    if kind == "mapped":
        np.save(tmp_path / "array.npy", data[first])
        data = {**data, first: np.load(tmp_path / "array.npy", mmap_mode="r")}
    elif kind == "doubles":
        data = {**data, first: data[first].astype(np.float64)}
    elif kind == "augmented":
        augment = {first: lambda rows, seed: rows}
    elif kind == "extra":
        data = {**data, extra: FEATURES}
    elif kind == "large":
        monkeypatch.setattr(execution, "RESIDENT_FRACTION", 1e-12)
    step = trainer.training_step
    fetches = [*step.values, step.update]
    examples = trainer.check_examples(checks.Checker("fit"), data, None, fetches, augment)
    asked = Wanted(wanted, None, total, observed)
    assert execution.choose(trainer.loops, examples, asked) == (taken, reason)


class Noted:
    """Steps that run nothing; they note the size of their mini-batches, and what happens when."""

    def __init__(self, name, log, most=100):
        self.name, self.log, self.most = name, log, most
        self.prefetches = self.copied = False

    def next_count(self, left):
        return min(left, self.most)

    def prepare(self, selections, seeds):
        self.log.append(("seeds", seeds))
        return selections

    def run(self, prepared, rates):
        self.log.append((self.name, [len(indices) for indices in prepared], rates))
        return [np.zeros(len(prepared))]


def at(step=0, epoch=0, batch=0):
    return SimpleNamespace(step=step, epoch=epoch, batch=batch)


def test_the_short_last_mini_batch_is_run_by_its_own_steps():
    log = []
    plan = batches.Plan(11, 4, seed=5)
    runner = execution.Runner("compiled", None, plan, Noted("whole", log), Noted("short", log))
    runs = list(runner.runs(at(step=6, epoch=2), lambda steps: [float(step) for step in steps]))
    assert [run.batch_size for run in runs] == [4, 3]
    assert [entry for entry in log if entry[0] != "seeds"] == [
        ("whole", [4, 4], [6.0, 7.0]),
        ("short", [3], [8.0]),
    ]
    seeds = [seed for entry in log if entry[0] == "seeds" for seed in entry[1]]
    assert seeds == [(5, step, steps.AUGMENTATION) for step in (6, 7, 8)]


def test_without_steps_for_it_the_short_mini_batch_is_run_by_the_others():
    log = []
    runner = execution.Runner("feed", None, batches.Plan(11, 4), Noted("whole", log))
    assert [run.batch_size for run in runner.runs(at(), lambda steps: [])] == [4, 3]
    assert [entry[0] for entry in log if entry[0] != "seeds"] == ["whole", "whole"]


def test_a_mini_batch_of_all_examples_is_run_by_what_was_compiled_for_it():
    log = []
    runner = execution.Runner("compiled", None, batches.Plan(5, 8), Noted("whole", log), Noted("short", log))
    assert [run.batch_size for run in runner.runs(at(), lambda steps: [0.5])] == [5]
    assert [entry[0] for entry in log if entry[0] != "seeds"] == ["whole"]


@pytest.mark.parametrize("batch", [0, 1, 2, 3])
def test_an_epoch_under_way_is_gone_on_with(batch):
    log = []
    plan = batches.Plan(11, 4, shuffle=False)
    runner = execution.Runner("chunks", None, plan, Noted("whole", log))
    runs = list(runner.runs(at(step=batch, batch=batch), lambda steps: [float(step) for step in steps]))
    assert [rate for run in runs for rate in run.rates] == [float(step) for step in range(batch, 3)]


@pytest.mark.parametrize(
    ("stops", "start", "ends"),
    [
        ([], 0, [20]),
        ([6], 0, [6, 12, 18, 20]),
        ([6], 4, [6, 12, 18, 24]),
        ([4, 6], 0, [4, 6, 8, 12, 16, 18, 20]),
        ([1], 0, list(range(1, 21))),
        ([100], 90, [100, 110]),
    ],
)
def test_runs_end_at_multiples_of_the_stops(stops, start, ends):
    runner = execution.Runner("chunks", None, batches.Plan(20, 1), Noted("whole", []), stops=stops)
    step, found = start, []
    for run in runner.runs(at(step=start), lambda steps: [0.5] * len(steps)):
        step += len(run.values[0])
        found.append(step)
    assert found == ends


def test_rates_are_asked_for_when_a_run_starts():
    log = []
    runner = execution.Runner("chunks", None, batches.Plan(11, 2), Noted("run", log, most=2))

    def rates_of(steps):
        log.append(("asked", steps))
        return [0.0] * len(steps)

    for _ in runner.runs(at(step=10), rates_of):
        log.append(("yielded", None))
    order = [entry[0] for entry in log if entry[0] != "seeds"]
    assert order == ["asked", "run", "yielded"] * 4
    assert [entry[1] for entry in log if entry[0] == "asked"] == [
        range(10, 12), range(12, 14), range(14, 15), range(15, 16),
    ]  # fmt: skip


@pytest.mark.grid
@pytest.mark.parametrize(
    ("graph", "wanted", "taken", "keyed", "compiled"),
    [
        ("dense", "feed", "feed", False, False),
        ("dense", "chunks", "chunks", True, False),
        ("dense", "resident", "resident", True, False),
        ("dense", "compiled", "compiled", True, True),
        ("noisy", "feed", "feed", True, False),  # in a loop of one step, to the bits of the others
        ("python", "compiled", "feed", False, False),
    ],
)
def test_the_runner_says_how_it_runs(graph, wanted, taken, keyed, compiled, trainers, caplog):
    caplog.set_level("INFO", "graphkit")
    trainer, data, _ = trainers[graph]
    trainer.fit(data, batch_size=5, execution=wanted, steps_per_run=2, progress=False)
    runner = trainer.runner
    assert (runner.execution, runner.keyed, runner.compiled) == (taken, keyed, compiled)
    assert runner.plan == trainer.plan == batches.Plan(12, 5)
    assert f'execution "{taken}"' in caplog.text
    assert runner.reason is None or f"({runner.reason})" in caplog.text
