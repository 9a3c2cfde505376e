"""Times training side by side: graphkit, a hand-written feed_dict loop, Keras, PyTorch and JAX.

  python scripts/dev/benchmark.py --models mlp convnet

Every contender trains in its own process, in turn (A B C A B C ...), on the same data, batch size, optimizer
(Adam) and number of epochs, so that a change of the machine's speed affects all of them alike. The table
holds medians over all epochs except the first of each process: microseconds per step, the ratio to the first
contender, the fraction of the peak of matrix products measured in the same rounds, the seconds of the first
epoch from the start of `fit` (all compiling included), the peak memory of the process, and the training
accuracy of the last epoch, so that a contender that does not learn is seen. The last line gives the ratio of
graphkit's time to the best contender of each library.

`handwritten` is what the notes teach: it holds all images as float32 and indexes them;
`handwritten-uint8` holds them as uint8 and scales each mini-batch. `graphkit` is the trainer with its
defaults, `graphkit-feed` runs it step by step, `graphkit-bfloat16` lets it compute in bfloat16,
`graphkit-8-gib-file` trains on images spread over a memory-mapped file of 8 GiB. The other libraries run in
each setting that may be their best, if they are installed (`keras` comes with TensorFlow;
`pip install torch jax optax`).

What helped, on two cores and TensorFlow 2.21 (matrix products reach 210 to 250 GFLOP/s there):
- many steps in one run, in a loop of the graph: softmax 1.2 to 0.65 ms per step, MLP 1.7 to 1.2 ms;
- the same loop compiled by XLA: softmax 0.21 ms, MLP 0.73 ms;
- for XLA, transpose(x) @ g of ten columns as transpose(transpose(g) @ x), with a barrier, as XLA reverts it
  otherwise: 98 to 55 us for 784 rows, 59 to 19 us for 256; softmax 182 to 140 us, MLP 715 to 674 us;
- a separate compiled loop for images given as floats: a conditional in the loop costs 45 us per step;
- products by large transposed matrices (gradients of dense layers) as BatchMatMulV2: 8.2 to 4.7 ms for
  3136x1024 and 128 examples, 5.4 to 1.35 ms for 32; no gain below 2**18 elements; convnet 57.5 to 53.8 ms;
- bfloat16 for the convnet: 58 to 36 ms, inside the loop and outside it;
- fewer feeds: each costs about 30 us in `session.run`, and as much through `make_callable`;
- recording the metrics of a run at once instead of step by step: 17 to 1 us of Python per step;
- masks of 64-bit words for four units: as fast as of 32-bit words for two, and better mixed.
What did not help:
- avoiding a copy in the update of large variables: ResourceApplyAdam allocates nothing in the loop
  (RunMetadata); its 0.15 ms for 200,000 weights and 3 ms for 3.2 million are 28 bytes of memory traffic per
  weight;
- other forms of the second convolution's three products, which take 10.0 to 10.5 ms each, the machine's
  peak: the input gradient as a forward convolution 10.2, the kernel gradient the same way 12.6, by 25 shifted
  products 15, by patches 31 ms;
- gathering outside the compiled loop, or flat rows: gathering and scaling a batch take 12 us of the loop;
- the forward product of ten columns transposed: 46 to 72 us; padded to sixteen columns: slower;
- XLA for an unrolled LSTM (1,800 ops): 10.2 against 9.7 ms, and 4.5 s of compiling;
- one thread for XLA's products (130 against 98 us), a table look-up to scale pixels (0.24 ms per batch
  against 0.05), fewer inter-op threads.
"""

import argparse
import importlib.util
import itertools
import json
import resource
import statistics
import subprocess
import sys
import time
from typing import NamedTuple

import graphkit as gk
from graphkit import checks

MODELS = ("softmax_regression", "mlp", "convnet", "inception_net", "char_rnn")
IMAGE_MODELS = MODELS[:4]
CONVOLUTIONAL = ("convnet", "inception_net")
DATA = {"char_rnn": "words_5_languages"}  # others: Fashion-MNIST
KEEP_PROBS = {"softmax_regression": 1.0}  # others: 0.5
PEAK_SIZE = 2048  # rows and columns of the matrices whose product sets the peak


class Contender(NamedTuple):
    """One entry of the comparison: a module of `contenders`, and the options it is called with."""

    library: str
    module: str
    options: dict
    models: tuple = MODELS
    function: str = "train"


CONTENDERS = {
    "handwritten": Contender("handwritten", "by_hand", {"as_float": True}),
    "handwritten-uint8": Contender("handwritten", "by_hand", {"as_float": False}),
    "graphkit": Contender("graphkit", "trainer", {}),
    "graphkit-feed": Contender("graphkit", "trainer", {"execution": "feed"}),
    "graphkit-bfloat16": Contender("graphkit", "trainer", {"compute_dtype": "bfloat16"}),
    "graphkit-8-gib-file": Contender("graphkit", "trainer", {"gib": 8}, IMAGE_MODELS, "train_mapped"),
    "keras": Contender("keras", "keras", {}),
    "keras-32": Contender("keras", "keras", {"steps_per_execution": 32}),
    "keras-jit": Contender("keras", "keras", {"jit": True}),
    "keras-jit-32": Contender("keras", "keras", {"jit": True, "steps_per_execution": 32}),
    "pytorch": Contender("torch", "pytorch", {}),
    "pytorch-channels-last": Contender("torch", "pytorch", {"channels_last": True}, CONVOLUTIONAL),
    "pytorch-compile": Contender("torch", "pytorch", {"compile": True}),
    "jax": Contender("jax", "jax", {}),
    # With convolutions, a step inside the scan took fifty times as long as a single step.
    "jax-scan": Contender("jax", "jax", {"scan": True}, ("softmax_regression", "mlp", "char_rnn")),
}
PEERS = ("keras", "torch", "jax")


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--models", nargs="+", choices=MODELS, default=MODELS[:3], help="networks to train")
    add(
        "--contenders",
        nargs="+",
        choices=CONTENDERS,
        help="who trains them (default: all that are installed)",
    )
    add("--data", help="data set (default: fashion_mnist, words_5_languages for char_rnn)")
    add("--examples", type=int, help="train on the first examples only")
    add("--batch-size", type=int, default=128, help="examples in a mini-batch (default: 128)")
    add(
        "--epochs",
        type=int,
        default=3,
        help="epochs of a process; the first is reported separately (default: 3)",
    )
    add("--rounds", type=int, default=3, help="processes of each contender (default: 3)")
    add("--json", help="file to write the metrics to")
    add("--plot", help="file to draw the step times to (.png, .svg, .pdf); needs matplotlib")
    add("--worker", choices=(*CONTENDERS, "machine"), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.contenders is None:
        chosen = ("handwritten", "graphkit", *PEERS)
        args.contenders = [name for name, who in CONTENDERS.items() if is_chosen(name, who, chosen)]
    return args


def is_chosen(name, who, chosen):
    """Whether a contender takes part by default: graphkit with its defaults, and all installed peers."""
    installed = who.library not in PEERS or importlib.util.find_spec(who.library)
    return who.library in chosen and installed and (who.library in PEERS or name in chosen)


def work(args):
    """Trains one contender on one model in this process, and prints its metrics as JSON."""
    from contenders.networks import Problem

    (model,), who = args.models, CONTENDERS[args.worker]
    config, split = configure(args, model)
    problem = Problem(config, config.encode(split[0]), split[1], args.epochs)
    train = getattr(importlib.import_module(f"contenders.{who.module}"), who.function)
    ends, accuracy, weights = train(problem, **who.options)
    steps = -(-len(problem.labels) // config.batch_size)
    later = [1e6 * (end - start) / steps for start, end in itertools.pairwise(ends)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    report = {"us": later, "first": ends[0], "peak": peak, "accuracy": float(accuracy), "weights": weights}
    print(json.dumps(report))


def configure(args, model):
    """Returns the run's configuration and the examples to train on."""
    data = gk.load_dataset(args.data or DATA.get(model, "fashion_mnist"))
    split = type(data.train)(*(array[: args.examples] for array in data.train))
    settings = {"l2": 0.0, "keep_prob": KEEP_PROBS.get(model, 0.5), "batch_size": args.batch_size}
    return gk.runs.RunConfig.for_data(data, model=model, **settings), split


def describe_machine(args):
    """Prints the peak of matrix products in GFLOP/s, and the FLOPs of a step of the model, as JSON."""
    import tensorflow as tf

    (model,) = args.models
    config, _ = configure(args, model)
    with tf.Graph().as_default():
        found = gk.summary(gk.runs.build_network(config).logits)
        ones = [tf.compat.v1.get_variable(name, initializer=tf.ones([PEAK_SIZE] * 2)) for name in "ab"]
        product = tf.matmul(*ones).op
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            multiply, times = session.make_callable(product), []
            for _ in range(10):
                started = time.perf_counter()
                multiply()
                times.append(time.perf_counter() - started)
    gflops = 2 * PEAK_SIZE**3 / min(times) / 1e9
    print(json.dumps({"gflops": gflops, "step_flops": args.batch_size * found.training_flops}))


def run_worker(args, name, model):
    """Returns what the process of a worker printed."""
    options = ["--models", model, "--batch-size", args.batch_size, "--epochs", args.epochs]
    options += [*(["--data", args.data] if args.data else [])]
    options += [*(["--examples", args.examples] if args.examples else [])]
    command = [sys.executable, __file__, "--worker", name, *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise gk.GraphkitError(f"{name} failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(args, model):
    """Returns {contender: its medians} of one model."""
    names = [name for name in args.contenders if model in CONTENDERS[name].models]
    reports, machine = {name: [] for name in names}, []
    for number in range(args.rounds):
        machine.append(run_worker(args, "machine", model))
        for name in names:
            if sys.stderr.isatty():
                print(f"{model} round {number + 1}/{args.rounds}: {name}", end="\033[K\r", file=sys.stderr)
            reports[name].append(run_worker(args, name, model))
    peak = statistics.median(part["gflops"] for part in machine)
    rows = {name: median_report(parts) for name, parts in reports.items()}
    for row in rows.values():
        row["peak_fraction"] = machine[0]["step_flops"] / (1e3 * row["us"]) / peak
        row["machine_gflops"] = peak
    return rows


def median_report(parts):
    keys = [key for key in parts[0] if key != "us"]
    return {
        "us": statistics.median(value for part in parts for value in part["us"]),
        **{key: statistics.median(part[key] for part in parts) for key in keys},
    }


def show(model, rows):
    """Prints the table of one model, and graphkit's ratios below it."""
    base = next(iter(rows.values()))["us"]
    print(
        f"\n{model:22}{'us/step':>10}{'ratio':>8}{'of peak':>9}{'first s':>9}{'MiB':>8}{'accuracy':>10}"
        f"{'weights':>12}"
    )
    for name, row in rows.items():
        print(
            f"{name:22}{row['us']:>10,.0f}{row['us'] / base:>8.3f}{row['peak_fraction']:>9.1%}"
            f"{row['first']:>9.2f}{row['peak']:>8,.0f}{row['accuracy']:>10.4f}{row['weights']:>12,}"
        )
    if "graphkit" in rows:
        mine = rows["graphkit"]["us"]
        ratios = [
            f"{library} {mine / min(rows[name]['us'] for name in names):.3f}"
            for library, names in by_library(rows).items()
            if library != "graphkit"
        ]
        if ratios:
            print("graphkit's time to the best of " + ", ".join(ratios), flush=True)


def by_library(names):
    """Returns {library: names of its contenders}."""
    libraries = {}
    for name in names:
        libraries.setdefault(CONTENDERS[name].library, []).append(name)
    return libraries


def plot(results, path):
    """Draws the times of a step as bars, a panel for each model."""
    from graphkit.plots import figures

    with figures.drawing(checks.Checker("benchmark"), 4.2 * len(results), 4) as figure:
        axes = figures.panels(figure, len(results), 1, len(results))
        for axis, (model, rows) in zip(axes, results.items(), strict=True):
            is_ours = [CONTENDERS[name].library == "graphkit" for name in rows]
            colors = [figures.COLORS[0] if ours else figures.FAINT for ours in is_ours]
            times = [row["us"] / 1e3 for row in rows.values()]
            bars = axis.barh(list(rows), times, color=colors)
            labels = [f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in times]
            axis.bar_label(bars, labels, padding=3)
            axis.margins(x=0.18)
            axis.invert_yaxis()
            axis.set(title=model, xlabel="ms per step (less is better)")
    figure.savefig(path, dpi=120)


def main(argv=None):
    args = parse(argv)
    if args.worker == "machine":
        describe_machine(args)
        return
    if args.worker:
        work(args)
        return
    results = {}
    for model in args.models:
        results[model] = measure(args, model)
        show(model, results[model])
        if args.json:
            with open(args.json, "w") as stream:
                json.dump(results, stream, indent=1)
    if args.plot:
        plot(results, args.plot)


if __name__ == "__main__":
    checks.run_script(main)
