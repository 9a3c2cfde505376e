"""Files of runs: `run.json`, checkpoints and run folders."""

import contextlib
import copy
import functools
import json
import operator
from pathlib import Path

import numpy as np
import tensorflow as tf

import graphkit as gk
from fuzzing.damage import damage
from fuzzing.outcomes import WrongResult
from fuzzing.target import Target
from graphkit import runs
from graphkit.checkpoints import restoring, saving
from graphkit.running import files

RUN = {
    "model": "softmax_regression",
    "data": "mnist_5k",
    "data_folder": None,
    "classes": ["a", "b"],
    "image_shape": [4, 4, 1],
    "alphabet": None,
    "length": None,
    "scaling": None,
    "format": None,
    "l2": 0.0001,
    "keep_prob": 0.5,
    "optimizer": "sgd",
    "learning_rate": 0.001,
    "batch_size": 2,
    "seed": 0,
}
WORD_RUN = RUN | {"model": "char_rnn", "image_shape": None, "alphabet": "abc", "length": 3}
FEATURE_RUN = RUN | {"image_shape": None, "scaling": {"mean": [0.5, 1], "std": [1, 0.1]}}
FOLDER_RUN = RUN | {"format": {"shape": [4, 4, 1], "resize": True, "classes": ["a", "b"]}}
COLUMNS = [
    {"name": "x", "kind": "number", "mean": 0.5, "std": 2.0, "fill": 0.0},
    {"name": "y", "kind": "category", "categories": ["u", "v"]},
    {"name": "z", "kind": "embedded", "categories": ["u", "v"]},
]
ENCODER = {
    "missing": "fill",
    "unknown": "ignore",
    "categories": "one_hot",
    "categorical": [],
    "columns": COLUMNS,
}
TABLE = {"label": "price", "classes": [], "mean": 2.0, "std": 3.0, "encoder": ENCODER}
TABLE_RUN = RUN | {"classes": [], "image_shape": None, "format": TABLE}
RUNS = (RUN, WORD_RUN, FEATURE_RUN, FOLDER_RUN, TABLE_RUN)
# Parts of settings, in which something can be wrong, too.
INNER = (("format",), ("scaling",), ("format", "encoder"), ("format", "encoder", "columns", 0))
ODD_JSON = (
    *(None, True, False, 0, 1, -1, 2, 0.5, -0.5, 1e308, 2**31, 2**63, 10**400, float("nan"), float("inf")),
    *(
        "",
        "x",
        "abc",
        "aa",
        "\0",
        "mlp",
        "char_rnn",
        "adam",
        [],
        {},
        [[]],
        [0, 0, 0],
        [4, 4, 1],
        [4, 4, 2**40],
    ),
    *(["a", "b"], ["a", "a"], [1, 2], [None], [4, None, 1], {"a": 1}, "x" * 5000, ["x"] * 300, [2**63] * 3),
)


def with_checksum(fields):
    return {**fields, "checksum": files.checksum(fields)}


def make_config(random):
    settings = copy.deepcopy(random.choice(RUNS))
    parts = {"settings": settings, "facts": {"onednn_kernels": True}}
    if random.random() < 0.3:
        return {"run.json": damage(random, json.dumps(with_checksum(parts), indent=1).encode())}
    for _ in range(random.choice((1, 1, 2, 3))):
        fields = parts if random.random() < 0.1 else random.choice(dictionaries(settings))
        name = random.choice(sorted(fields) or ["model"])
        change = random.random()
        if change < 0.85:
            fields[name] = random.choice(ODD_JSON)
        elif change < 0.95:
            fields.pop(name, None)
        else:
            fields["more"] = 1
    parts = with_checksum(parts)
    return {"run.json": json.dumps(random.choice((parts, parts, parts, [parts]))).encode()}


def dictionaries(settings):
    """Returns the settings, and the dictionaries inside of them."""
    found = [settings]
    for keys in INNER:
        with contextlib.suppress(KeyError, TypeError, IndexError):
            found.append(functools.reduce(operator.getitem, keys, settings))
    return [fields for fields in found if isinstance(fields, dict)]


def read_config(folder):
    config = runs.read_config(folder)
    with tf.Graph().as_default():
        return runs.build_network(config)


def check_config(case, network):
    classes = json.loads(case["run.json"])["settings"]["classes"]
    if network.logits.shape[-1] != (len(classes) or 1):
        raise WrongResult(f"{network.logits.shape[-1]} logits for {len(classes)} classes")


def graph_with_variables():
    graph = tf.Graph()
    with graph.as_default():
        first = tf.compat.v1.get_variable("first", initializer=np.arange(6, dtype=np.float32).reshape(2, 3))
        second = tf.compat.v1.get_variable("second", initializer=np.int64(7))
        checkpoints = saving.Checkpoints([first, second], [first])
        initializer = tf.compat.v1.global_variables_initializer()
        values = [tf.identity(first.read_value()), tf.identity(second.read_value())]
    return graph, checkpoints, initializer, values


def checkpoint_target(folder):
    graph, checkpoints, initializer, values = graph_with_variables()
    session = tf.compat.v1.Session(graph=graph)
    session.run(initializer)
    state = {"step": 3, "history": {"loss": [0.5]}}
    checkpoints.save(session, str(Path(folder, "model")), state)
    valid = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
    expected = session.run(values)

    def make(random):
        name = random.choice(sorted(valid))
        return valid | {name: damage(random, valid[name], tuple(valid.values()))}

    def read(folder):
        session.run(initializer)
        path = str(folder / "model")
        found = saving.read_state(restoring.find_checkpoint(path))
        plan = restoring.plan_restore(path, checkpoints.variables)
        restoring.require_complete(plan)
        restoring.load(session, plan)
        return found, session.run(values)

    def check(case, result):
        found, read = result
        if found not in (state, None) or not all(map(np.array_equal, read, expected)):
            raise WrongResult(f"a damaged checkpoint was read as {found}, {read}")

    return Target("checkpoint", make, read, check)


def run_target(folder):
    config = runs.RunConfig(**RUN | {"classes": ("a", "b"), "image_shape": (4, 4, 1)})
    with tf.Graph().as_default():
        network = runs.build_network(config)
        with runs.make_trainer(config, network, logdir=folder) as trainer:
            trainer.save()
    files.write_json(Path(folder, "run.json"), {"settings": RUN, "facts": {}})
    valid = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
    odd_names = ("best-x.index", "best-9.index", "best-.index", "model-1.index", "history.csv")

    def make(random):
        files = dict(valid)
        change = random.random()
        name = random.choice(sorted(files))
        if change < 0.1:
            del files[name]
        elif change < 0.25:
            files[random.choice(odd_names)] = random.choice((b"", b"x", *valid.values()))
        elif change < 0.45:
            files |= make_config(random)
        else:
            files[name] = damage(random, files[name], tuple(valid.values()))
        return files

    def read(folder):
        run = gk.runs.load_run(folder)
        with run.trainer as trainer:
            return trainer.predict(run.network.logits, {run.network.inputs: np.zeros((1, 4, 4, 1))})

    return Target("run folder", make, read, lambda case, result: None)


def targets(checkpoint_folder, run_folder):
    """Returns the targets; a valid checkpoint and a valid run are written to the folders first."""
    return [
        Target("run.json", make_config, read_config, check_config),
        checkpoint_target(checkpoint_folder),
        run_target(run_folder),
    ]
