"""Long runs grow neither memory, nor open files, nor the graph; equal seeds give equal bits."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import graphkit as gk

PAGE = resource.getpagesize()
MODELS = ("softmax_regression", "mlp", "convnet", "inception_net", "char_rnn")
QUICK = ("softmax_regression", "mlp", "char_rnn")
STEPS = 500  # of an epoch
WARM = 14  # epochs until the allocators of TensorFlow and Python hold what they need
RANDOM = np.random.default_rng(0)
DATA = (
    RANDOM.normal(size=(4 * STEPS, 8)).astype(np.float32),
    RANDOM.integers(0, 3, 4 * STEPS).astype(np.int32),
)


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def open_files():
    return len(os.listdir("/proc/self/fd"))


class Watch(gk.Callback):
    """Notes memory, open files and ops at the end of each epoch."""

    def __init__(self):
        self.seen = []

    def on_epoch_end(self, trainer, metrics):
        self.seen.append((resident_bytes(), open_files(), len(trainer.graph.get_operations())))


@pytest.mark.slow
@pytest.mark.parametrize("execution", ["feed", "chunks", "resident", "compiled"])
def test_thousands_of_steps_grow_nothing(execution, tmp_path):
    x, y = gk.feature_input(8), gk.label_input()
    net = gk.dropout(gk.dense(x, 16, gk.relu), gk.keep_prob_input())
    loss = gk.softmax_cross_entropy(gk.dense(net, 3), y)
    watch, data = Watch(), dict(zip((x, y), DATA, strict=True))
    with gk.Trainer(loss, logdir=tmp_path) as trainer:
        trainer.fit(
            data,
            epochs=WARM + 10,
            batch_size=4,
            valid=data,
            execution=execution,
            callbacks=[watch],
            progress=False,
        )
        assert trainer.step == (WARM + 10) * STEPS
    memory, files, ops = zip(*watch.seen[WARM:], strict=True)
    assert len(set(ops)) == 1 and len(set(files)) == 1
    slope = np.polyfit(np.arange(len(memory)) * STEPS, memory, 1)[0]
    assert slope < 1000, f"{slope:.0f} bytes a step"  # 200,000 steps: less than 200 MB, were it to last


PROGRAM = """
import hashlib, json, sys
import numpy as np
import tensorflow as tf
import graphkit as gk

random = np.random.default_rng(0)
IMAGES = random.integers(0, 256, (96, 12, 12, 1)).astype(np.uint8)
TOKENS = random.integers(1, 9, (96, 6)).astype(np.int32)
LABELS = random.integers(0, 3, 96).astype(np.int32)
digests = {}
for model in sys.argv[2:]:
    with tf.Graph().as_default():
        labels, keep = gk.label_input(), gk.keep_prob_input()
        if model == "char_rnn":
            inputs, examples = gk.token_input(6), TOKENS
            logits = gk.char_rnn(inputs, 9, 3, keep_prob=keep, embedding_size=4, units=5)
        else:
            inputs, examples = gk.image_input(12, 12, 1), IMAGES
            logits = getattr(gk, model)(inputs, 3, keep_prob=keep)
        loss = gk.softmax_cross_entropy(logits, labels)
        with gk.Trainer(loss, seed=int(sys.argv[1])) as trainer:
            trainer.fit({inputs: examples, labels: LABELS}, {keep: 0.5}, 3, batch_size=16, progress=False)
            digest = hashlib.sha256()
            for value in trainer.session.run(trainer.graph.get_collection("variables")):
                digest.update(value.tobytes())
            digests[model] = digest.hexdigest()
print(json.dumps(digests))
"""


@pytest.mark.slow
def test_equal_seeds_give_equal_weights_in_two_processes_and_others_do_not():
    def digests(seed, *models):
        command = [sys.executable, "-c", PROGRAM, str(seed), *models]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    first, second = digests(1, *MODELS), digests(1, *MODELS)
    assert first == second and set(first) == set(MODELS)
    other = digests(2, *QUICK)
    assert all(first[model] != other[model] for model in QUICK)
