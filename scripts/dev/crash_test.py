"""Kills trainings at random and resumes them; each must end with the bits of one that was never killed.

  python scripts/dev/crash_test.py --kills 20

For each model and execution, one training runs to its end undisturbed. Then the same training is started,
killed by SIGKILL after a random time (in the first step, inside an epoch, in a validation, while a checkpoint
is written), started again with `resume=True`, killed again, and so on. When it has ended, the SHA-256 of all
its variables (weights, slots, step) and of its history are compared with those of the undisturbed training.
The trainings have dropout and, by model, batch norm, augmentation, schedules, plateaus, accumulation or early
stopping; those of `crashing/foreign_graphs.py` are graphs in plain TensorFlow 1 style with other state.
Checkpoints are written every few steps. Each folder holds a run of another training first: until the training
has a checkpoint, a kill must leave that run completely, and nothing of it afterwards. With `--workers 2`,
each training is that of two processes on this machine, of which a random one is killed; the other must
notice, and end with exit code 75. Exit code 1 if a training differs.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from graphkit import checks
from graphkit.cluster import programs
from graphkit.running import files

MODELS = ("softmax_regression", "mlp", "convnet", "inception_net", "char_rnn", "norms")
FOREIGN = (  # functions of `crashing/foreign_graphs.py`
    *("control_flow", "sparse", "static_table", "moving_averages", "two_optimizers", "local_variables"),
    "references",
)
OTHERS = ("mutable_table",)  # only where named: a checkpoint does not hold its state
EXECUTIONS = ("feed", "chunks", "resident", "compiled")
EXAMPLES, VALID = 1500, 300
EPOCHS, BATCH_SIZE = 4, 32
MOST_KILLS = 8  # of one training; then it runs to its end


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--models",
        nargs="+",
        choices=(*MODELS, *FOREIGN, *OTHERS),
        default=(*MODELS, *FOREIGN),
        help="graphs",
    )
    add("--executions", nargs="+", choices=EXECUTIONS, default=EXECUTIONS, help="how steps are run")
    add("--kills", type=int, default=100, help="number of kills in all (default: 100)")
    add("--workers", type=int, default=1, help="processes that train together (default: 1)")
    add("--seed", type=int, default=0, help="seed of the times of the kills")
    return parser.parse_args(argv)


def recipe(model):
    """Returns (options of the trainer, callbacks) of a model; each model uses other parts of a training."""
    import graphkit as gk

    trainers = {
        "softmax_regression": {"optimizer": "adagrad", "learning_rate": 0.1, "accumulate": 3},
        "mlp": {"optimizer": "adam", "learning_rate": gk.exponential_decay(1e-2, 20, 0.9)},
        "convnet": {"optimizer": "momentum", "learning_rate": 1e-2, "clip_norm": 1.0},
        "inception_net": {"optimizer": "rmsprop", "learning_rate": 1e-3},
        "char_rnn": {"optimizer": "adamw", "learning_rate": 3e-3},
        "norms": {"optimizer": "nesterov", "learning_rate": 0.05},
    }
    plateau = gk.ReduceOnPlateau("valid_loss", factor=0.5, patience=1, min_delta=0.5)
    stopping = gk.EarlyStopping("valid_accuracy", patience=3)
    callbacks = {"mlp": [stopping], "convnet": [plateau], "norms": [plateau, stopping]}
    return trainers[model], callbacks.get(model, [])


def foreign(model):
    """Returns (loss, metrics, training data, validation data, options of the trainer) of a foreign graph."""
    from crashing import foreign_graphs

    graph = getattr(foreign_graphs, model)()
    arrays = foreign_graphs.arrays(EXAMPLES + VALID)
    parts = [
        {placeholder: array[part] for placeholder, array in zip(graph.inputs, arrays, strict=False)}
        for part in (slice(EXAMPLES), slice(EXAMPLES, None))
    ]
    return graph.loss, graph.metrics, *parts, graph.options


def build(model):
    """Returns (loss, metrics, training data, validation data, feed, augmentation)."""
    import graphkit as gk

    labels, keep_prob, augment = gk.label_input(), gk.keep_prob_input(), None
    data = gk.load_dataset("words_5_languages" if model == "char_rnn" else "mnist_5k")
    examples, targets = data.train[0][: EXAMPLES + VALID], data.train[1][: EXAMPLES + VALID]
    if model == "char_rnn":
        vocabulary = gk.Vocabulary.of_characters(examples)
        examples, inputs = vocabulary.encode(examples, 12, truncate=True), gk.token_input(12)
        logits = gk.char_rnn(inputs, len(vocabulary), 5, keep_prob=keep_prob, embedding_size=8, units=16)
    else:
        inputs = gk.image_input(28, 28, 1)
        net = gk.max_pool(inputs, 2, 2)
        if model == "norms":
            net = gk.residual_block(gk.max_pool(net, 2, 2), 4)
            net = gk.batch_norm(gk.dense(gk.dropout(gk.flatten(net), keep_prob), 16))
            logits = gk.dense(gk.layer_norm(net), 10)
        else:
            logits = getattr(gk, model)(net, keep_prob=keep_prob)
        if model in ("mlp", "convnet"):
            augment = {inputs: gk.Augmentation(shift=2)}
    loss = gk.softmax_cross_entropy(logits, labels) + gk.l2_penalty(1e-4)
    parts = [
        {inputs: examples[part], labels: targets[part]} for part in (slice(EXAMPLES), slice(EXAMPLES, None))
    ]
    return loss, {"accuracy": gk.accuracy(logits, labels)}, *parts, {keep_prob: 0.7}, augment


def train(model, execution, logdir, resume, tf_config=""):
    """Trains to the end, and writes the digests of the variables and of the history."""
    os.environ["TF_CONFIG"] = tf_config
    import tensorflow as tf

    import graphkit as gk

    with tf.Graph().as_default():
        feed = augment = None
        callbacks = []
        if model in MODELS:
            loss, metrics, data, valid, feed, augment = build(model)
            options, callbacks = recipe(model)
        else:
            loss, metrics, data, valid, options = foreign(model)
        cluster = gk.cluster_from_env(timeout=20)
        trainer = gk.Trainer(loss, metrics=metrics, seed=5, logdir=logdir, cluster=cluster, **options)
        with trainer:
            history = trainer.fit(
                data,
                feed=feed,
                epochs=EPOCHS,
                batch_size=BATCH_SIZE,
                valid=valid,
                callbacks=[*callbacks, gk.Checkpointing(every_steps=7)],
                augment=augment,
                execution=execution,
                resume=resume,
                progress=False,
            )
            variables = trainer.graph.get_collection("variables")
            digest = hashlib.sha256()
            for variable, value in zip(variables, trainer.session.run(variables), strict=True):
                digest.update(variable.name.encode() + value.tobytes())
    untimed = {k: v for k, v in history.items() if k not in ("seconds", "examples_per_second")}
    if not trainer.workers.is_chief:
        return
    result = {"variables": digest.hexdigest(), "history": repr(untimed)}
    with open(os.path.join(logdir, "result.new"), "w") as stream:
        json.dump(result, stream)
    os.replace(os.path.join(logdir, "result.new"), os.path.join(logdir, "result.json"))


def quiet_train(*arguments):
    """Runs `train` without output, unless it fails."""
    errors = os.dup(2)
    # TensorFlow writes to the file descriptor, not to `sys.stderr`.
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 2)
    try:
        train(*arguments)
    except BaseException:
        os.dup2(errors, 2)
        raise


def run(processes, arguments, seconds=None, workers=1, victim=0, target=quiet_train):
    """Runs a training in new processes, one of them killed after `seconds`; returns whether it was killed."""
    configs = tf_configs(workers) if workers > 1 else [()]
    started = [processes.Process(target=target, args=(*arguments, *config)) for config in configs]
    for process in started:
        process.start()
    killed = started[victim]
    killed.join(seconds)
    if killed.is_alive():
        killed.kill()
    for process in started:
        process.join()
    codes = [process.exitcode for process in started]
    if codes[victim] == -signal.SIGKILL:
        others = codes[:victim] + codes[victim + 1 :]
        if set(others) != {programs.LOST} and workers > 1:
            raise checks.GraphkitError(f"the others ended with {others} when worker {victim} was killed")
        return True
    if any(codes):
        raise checks.GraphkitError(f"the training of {arguments[:2]} failed (exit codes {codes})")
    return False


def tf_configs(workers):
    """Returns [TF_CONFIG] for each worker, as the arguments of its process."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in programs.free_ports(workers)]}
    return [[programs.task_config(cluster, "worker", index)] for index in range(workers)]


def result_of(logdir):
    with open(os.path.join(logdir, "result.json")) as stream:
        return json.load(stream)


def main(argv=None):
    args = parse(argv)
    checks.Checker("crash_test").integer("--kills", args.kills)
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tensorflow", "graphkit"])
    run(
        processes, (), target=os.getpid
    )  # starts the server now, so that no measured duration includes its start
    chances = random.Random(args.seed)
    cells = [(model, execution) for model in args.models for execution in args.executions]
    counts = [args.kills // len(cells) + (place < args.kills % len(cells)) for place in range(len(cells))]
    print(
        f"{'model':20}{'execution':12}{'kills':>6}{'trainings':>11}{'differences':>13}{'seconds':>9}",
        flush=True,
    )
    wrong = total = 0
    with tempfile.TemporaryDirectory() as folder:
        earlier = os.path.join(folder, "earlier")
        run(processes, ("softmax_regression", "chunks", earlier, False))
        os.remove(os.path.join(earlier, "result.json"))
        for (model, execution), kills in zip(cells, counts, strict=True):
            started = time.perf_counter()
            given = model, execution, kills, args.workers, earlier
            trainings, differences = test_cell(processes, chances, *given)
            wrong, total = wrong + differences, total + kills
            seconds = time.perf_counter() - started
            numbers = f"{kills:>6}{trainings:>11}{differences:>13}{seconds:>9.0f}"
            print(f"{model:20}{execution:12}{numbers}", flush=True)
    print(f"{total} kills, {wrong} differences")
    sys.exit(1 if wrong else 0)


def contents_of(folder):
    """Returns {name: content} of a folder's files, without those that are there for other reasons."""
    found = {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.is_file()}
    return {name: content for name, content in found.items() if name not in (".lock", "result.json")}


def has_replaced(logdir, earlier):
    """Returns whether the run in a folder is another one than the earlier one; raises if it is a mixture."""
    left, whole = contents_of(files.run_in(logdir)), contents_of(earlier)
    if left == whole:
        return False
    if "checkpoint" in left:
        del left["checkpoint"], whole["checkpoint"]  # names alone, which may be those of both
    mixed = [name for name in left if left[name] == whole.get(name)]
    if mixed or "checkpoint" in whole:
        raise checks.GraphkitError(f"{logdir} holds {', '.join(left)}; of the earlier run: {mixed}")
    return True


def test_cell(processes, chances, model, execution, kills, workers, earlier):
    """Returns (number of trainings that ended, number that differ from the undisturbed one)."""
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = os.path.join(folder, "undisturbed")
        started = time.perf_counter()
        run(processes, (model, execution, undisturbed, False), workers=workers)
        duration = time.perf_counter() - started
        expected, trainings, differences = result_of(undisturbed), 0, 0
        while kills:
            logdir, resume, of_this = os.path.join(folder, "killed"), False, 0
            shutil.copytree(earlier, logdir)
            while kills and of_this < MOST_KILLS:
                seconds = chances.uniform(0.1, 0.7) * duration
                victim = chances.randrange(workers)
                if not run(processes, (model, execution, logdir, resume), seconds, workers, victim):
                    break
                kills, of_this, resume = kills - 1, of_this + 1, has_replaced(logdir, earlier)
            else:
                run(processes, (model, execution, logdir, resume), workers=workers)
            trainings += 1
            if result_of(logdir) != expected:
                differences += 1
                kept = tempfile.mkdtemp(prefix="graphkit-difference-")
                shutil.copytree(folder, kept, dirs_exist_ok=True)
                print(f"a difference: {model} {execution}, kept in {kept}", flush=True)
            shutil.rmtree(logdir)
        return trainings, differences


if __name__ == "__main__":
    checks.run_script(main)
