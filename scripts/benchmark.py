"""Times training side by side: graphkit's trainer against hand-written feed_dict loops over the same graph.

Each contender trains in a process of its own, in turn (A B C A B C …), so that a drift of the machine's
speed meets all of them. Printed are medians over all epochs but each process's first: microseconds a
step, the ratio to the first contender, the first epoch, peak memory, and the training accuracy of the
last epoch, so that nobody wins by not learning.

The hand-written loops are what the notes teach: `handwritten` holds all images as float32 and indexes
them, `handwritten-uint8` holds them as uint8 and scales each mini-batch. `graphkit` is the trainer as it
is, `graphkit-feed` runs it step by step, `graphkit-bfloat16` lets it compute in bfloat16.

What helped, on two cores and TensorFlow 2.21 (a step of the hand-written loop: softmax 1.5 ms, MLP 2.1 ms,
convnet 47.5 ms):
- many steps in one run, in a loop of the graph: softmax 0.84 ms, MLP 1.6 ms; the convnet gains 1 to 3 %;
- the same loop compiled by XLA: softmax 0.24 ms, MLP 0.75 ms;
- bfloat16 for the convnet: 25.7 ms, in the loop as well as outside it;
- fewer feeds: each costs about 30 us in `session.run`, and as much through `make_callable`;
- masks of 64-bit words for four units: as fast as of 32-bit words for two, and better mixed.
What did not: a table look-up to scale pixels (0.24 ms a batch against 0.05), fewer inter-op threads.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import graphkit as gk
from graphkit import checks

MODELS = ("softmax_regression", "mlp", "convnet", "inception_net")
GRAPHKIT = {
    "graphkit-feed": {"execution": "feed"},
    "graphkit": {"execution": "auto"},
    "graphkit-bfloat16": {"execution": "auto", "precision": "bfloat16"},
}
CONTENDERS = ("handwritten", "handwritten-uint8", *GRAPHKIT)


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--models", nargs="+", choices=MODELS, default=MODELS[:3], help="networks to train")
    add("--contenders", nargs="+", choices=CONTENDERS, default=CONTENDERS[:-1], help="who trains them")
    add("--data", default="fashion_mnist", help="data set of images")
    add("--examples", type=int, help="train on the first examples only")
    add("--batch-size", type=int, default=128, help="examples in a mini-batch (default: 128)")
    add("--epochs", type=int, default=3, help="epochs of a process, the first one apart (default: 3)")
    add("--rounds", type=int, default=3, help="processes of each contender (default: 3)")
    add("--json", help="file to write the figures to")
    add("--worker", choices=CONTENDERS, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def train_graphkit(network, config, split, epochs, execution, precision="float32"):
    """Returns (seconds of each epoch, accuracy in the last)."""
    settings = {"optimizer": config.optimizer, "learning_rate": config.learning_rate, "seed": config.seed}
    with gk.Trainer(network.loss, metrics=network.metrics, precision=precision, **settings) as trainer:
        history = trainer.fit(
            network.feed(split),
            feed={network.keep_prob: config.keep_prob},
            epochs=epochs,
            batch_size=config.batch_size,
            progress=False,
            execution=execution,
        )
    return history["seconds"], history["accuracy"][-1]


def train_by_hand(network, config, split, epochs, as_float):
    """Returns the same as `train_graphkit`, by the loop that the notes write."""
    import numpy as np
    import tensorflow as tf

    from graphkit.nn import inputs

    optimizer = tf.compat.v1.train.AdamOptimizer(config.learning_rate)
    step = tf.compat.v1.train.get_or_create_global_step()
    fetches = [optimizer.minimize(network.loss, step), network.loss, *network.metrics.values()]
    images = gk.scale_pixels(split.images) if as_float else split.images
    feed = {network.keep_prob: config.keep_prob, inputs.seed_input(): config.seed}
    seconds, count, random = [], len(split.labels), np.random.default_rng(config.seed)
    with tf.compat.v1.Session() as session:
        session.run(tf.compat.v1.global_variables_initializer())
        for _ in range(epochs):
            started, correct = time.perf_counter(), 0.0
            order = random.permutation(count)
            for start in range(0, count, config.batch_size):
                chosen = order[start : start + config.batch_size]
                batch = images[chosen] if as_float else gk.scale_pixels(images[chosen])
                feed.update({network.inputs: batch, network.labels: split.labels[chosen]})
                _, _, accuracy = session.run(fetches, feed)
                correct += accuracy * len(chosen)
            seconds.append(time.perf_counter() - started)
    return seconds, correct / count


def work(args):
    """Trains one contender on one model in this process, and prints its figures as JSON."""
    import tensorflow as tf

    from graphkit import runs

    data = gk.load_dataset(args.data)
    split = type(data.train)(*(array[: args.examples] for array in data.train))
    keep_prob = 1.0 if args.models[0] == "softmax_regression" else 0.5
    config = gk.RunConfig.for_data(
        data, model=args.models[0], l2=0.0, keep_prob=keep_prob, batch_size=args.batch_size
    )
    with tf.Graph().as_default():
        network = runs.build_network(config)
        if args.worker in GRAPHKIT:
            options = GRAPHKIT[args.worker]
            seconds, accuracy = train_graphkit(network, config, split, args.epochs, **options)
        else:
            as_float = args.worker == "handwritten"
            seconds, accuracy = train_by_hand(network, config, split, args.epochs, as_float)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    steps = -(-len(split.labels) // args.batch_size)
    micros = [1e6 * value / steps for value in seconds]
    print(json.dumps({"us": micros[1:], "first": seconds[0], "peak": peak, "accuracy": float(accuracy)}))


def measure(args, model):
    """Returns {contender: its medians} of one model."""
    reports = {name: [] for name in args.contenders}
    options = ["--data", args.data, "--batch-size", args.batch_size, "--epochs", args.epochs]
    options += ["--examples", args.examples] if args.examples else []
    for _ in range(args.rounds):
        for name in args.contenders:
            command = [sys.executable, __file__, "--worker", name, "--models", model, *map(str, options)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise gk.GraphkitError(f"{name} failed: {done.stderr.strip().splitlines()[-1]}")
            reports[name].append(json.loads(done.stdout.splitlines()[-1]))
    return {name: median_report(parts) for name, parts in reports.items()}


def median_report(parts):
    return {
        "us": statistics.median(value for part in parts for value in part["us"]),
        **{key: statistics.median(part[key] for part in parts) for key in ("first", "peak", "accuracy")},
    }


def main(argv=None):
    args = parse(argv)
    if args.worker:
        work(args)
        return
    figures = {}
    print(
        f"{'model':20}{'contender':20}{'us/step':>10}{'ratio':>8}{'first s':>9}{'peak MiB':>10}"
        f"{'accuracy':>10}"
    )
    for model in args.models:
        figures[model] = measure(args, model)
        base = figures[model][args.contenders[0]]["us"]
        for name, row in figures[model].items():
            shown = f"{row['us']:>10,.0f}{row['us'] / base:>8.3f}{row['first']:>9.2f}{row['peak']:>10,.0f}"
            print(f"{model:20}{name:20}{shown}{row['accuracy']:>10.4f}", flush=True)
    if args.json:
        with open(args.json, "w") as stream:
            json.dump(figures, stream, indent=1)


if __name__ == "__main__":
    checks.run_script(main)
