"""Times training side by side: graphkit, a hand-written feed_dict loop, Keras, PyTorch and JAX.

  python scripts/dev/benchmark.py --models mlp convnet
  python scripts/dev/benchmark.py --models convnet --workers 1 2 3

Every contender trains in its own process, in turn (A B C A B C ...), on the same data, batch size, optimizer
(Adam) and number of epochs, so that a change of the machine's speed affects all of them alike. PyTorch and
JAX run in processes without TensorFlow and graphkit, and may be those of another Python
(`--python torch=PATH jax=PATH`).

The table holds medians over the rounds: microseconds per step (over all epochs except the first of each
process), the ratio to the first contender, the fraction of the peak of matrix products measured in the same
rounds, seconds to the first step (from the start of the process to the end of the first step, or of the first
run of several steps where a contender makes no single ones), seconds of the first epoch (from the start of
`fit`, all compiling included), examples per second in the prediction of 10,000, the peak memory of the
process, and the training accuracy of the last epoch, so that a contender that does not learn is seen. The
last lines give the ratios of graphkit's times to the best contender of each library: below 1 it is ahead.

All contenders predict from the same arrays in memory, uint8 images or int32 tokens, in runs of 1,024, and
return logits as a NumPy array. What makes floats of the images is part of the time, each library's own:
NumPy for each run (handwritten) or for all images beforehand (Keras, whose `predict` takes arrays), in-place
tensor ops (PyTorch), inside the jitted function (JAX), inside the graph (graphkit, which is only given the
array).
A contender that fails (not installed, an error, a signal, out of time) is a row that says so, and is not
tried again; the others go on. `--json` is written after each process, so that an interrupted benchmark keeps
what it has measured.

`--workers` compares numbers of graphkit's workers on this machine instead, which train together through
127.0.0.1 (`contenders/scaling.py`). Its table holds, for a step: microseconds in the fastest epoch of all
rounds, examples per second, the ratio to a single process with the same mini-batches and the same loop, bytes
and packets that the loopback device has sent (headers and acknowledgements included, less what it sends in
the same time beside a single process; exact in a network without other programs:
`unshare --net sh -c "ip link set lo up; python ..."`), processor time of all workers, the fraction of the
time that the collective takes (the same loop without its sums takes that much less), the time that
`gk.sizes.cluster_step_seconds` predicts from the time without sums and from sums of one number and of as many
as the network has weights, and the loss of the last epoch, which must agree. `docs/cluster_cost.md` has what
it measured, and what it says about several machines.

`handwritten` is what the notes teach: it holds all images as float32 and indexes them;
`handwritten-uint8` holds them as uint8 and scales each mini-batch. `graphkit` is the trainer with its
defaults, `graphkit-feed` runs it step by step, `graphkit-bfloat16` lets it compute in bfloat16,
`graphkit-8-gib-file` trains on images spread over a memory-mapped file of 8 GiB, which it writes before its
first step. The other libraries run in each setting that may be their best (`keras` comes with TensorFlow;
`pip install torch jax optax`, in the same environment or another).

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
- predictions from uint8 images scaled in the graph, without the masks of idle dropout: 10,000 images in 0.35
  of the time for softmax, 0.7 for the MLP; nothing measurable with convolutions;
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
- other forms of the LSTM's step, which is matrix products for the most part: processor time on one core is
  6.4 ms for the unrolled cell, 6.3 for `BlockLSTM` and its gradient, 6.5 for a gradient written by hand with
  the input's product outside the steps, 6.6 with three gates in one op, 7.1 with the units before the
  examples; PyTorch takes 6.9. On two cores PyTorch is ahead: it split a product of 128x128x384 over both
  (38 us), while `MatMul`, `BatchMatMulV2` and `Einsum`, with oneDNN or without, took as long with two threads
  as with one (66 us). Two halves of the batch side by side would use both cores, but take 7.9 ms of processor
  time and twice as many ops; their time on a machine without other load has not been measured;
- one thread for XLA's products (130 against 98 us), a table look-up to scale pixels (0.24 ms per batch
  against 0.05), fewer inter-op threads.
"""

import argparse
import collections
import json
import os
import signal
import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import graphkit as gk
from graphkit import checks

MODELS = ("softmax_regression", "mlp", "convnet", "inception_net", "char_rnn")
IMAGE_MODELS = MODELS[:4]
CONVOLUTIONAL = ("convnet", "inception_net")
DATA = {"char_rnn": "words_5_languages"}  # others: Fashion-MNIST


class Contender(NamedTuple):
    """One entry of the comparison: a module of `contenders`, and the options it is called with."""

    library: str
    module: str
    options: dict
    models: tuple = MODELS
    function: str = "train"


CONTENDERS = {
    "handwritten": Contender("handwritten", "by_hand", {"as_float": True}),
    "handwritten-uint8": Contender("handwritten", "by_hand", {"as_float": False}, IMAGE_MODELS),
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
DEFAULT_CONTENDERS = [
    name for name, who in CONTENDERS.items() if who.library in PEERS or name in ("handwritten", "graphkit")
]
# What the lines below a table compare: {text: time of a row}.
COMPARED = {
    "time": lambda row: row["us"],
    "time to the first step": lambda row: row["first_step"],
    "time of a prediction": lambda row: 1 / row["predicted"],
}


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    default = [name for name in MODELS if name != "inception_net"]
    add("--models", nargs="+", choices=MODELS, default=default, help="networks (default: %(default)s)")
    add(
        "--contenders",
        nargs="+",
        choices=CONTENDERS,
        default=DEFAULT_CONTENDERS,
        help="who trains them (default: handwritten, graphkit and all peers)",
    )
    add("--workers", type=int, nargs="+", metavar="N", help="compare numbers of workers of graphkit instead")
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
    add(
        "--python",
        nargs="+",
        default=[],
        metavar="LIBRARY=PATH",
        help=f"Python of a peer ({', '.join(PEERS)}) that is installed elsewhere",
    )
    add("--timeout", type=float, default=900, help="most seconds of a process (default: 900)")
    add("--json", help="file to write the metrics to, after each process")
    add("--plot", help="file to draw the step times to (.png, .svg, .pdf); needs matplotlib")
    args = parser.parse_args(argv)
    check = checks.Checker("benchmark")
    for name in ("batch_size", "rounds", "examples"):
        value = getattr(args, name)
        if value is not None:
            check.integer(f"--{name.replace('_', '-')}", value)
    check.integer("--epochs", args.epochs, minimum=2)
    for count in args.workers or ():
        check.integer("--workers", count)
    pairs = [pair.partition("=") for pair in args.python]
    valid = all(library in PEERS and path for library, _, path in pairs)
    check.require(valid, f"--python takes LIBRARY=PATH of {', '.join(PEERS)}", python=args.python)
    rule = "--plot draws contenders, not --workers"
    check.require(not (args.plot and args.workers), rule, plot=args.plot)
    # Processes start in another folder; a name without a folder is looked up in PATH.
    args.python = {name: os.path.abspath(path) if os.sep in path else path for name, _, path in pairs}
    return args


def measure(args, model, results, keep):
    """Adds {contender: its row} of one model to the results, and calls `keep` after each process."""
    from contenders import processes

    names = [name for name in args.contenders if model in CONTENDERS[name].models]
    reports, peaks, failed = collections.defaultdict(list), [], {}
    rows = results[model] = {}
    with tempfile.TemporaryDirectory() as folder:
        step_flops = prepare(args, model, folder)["step_flops"]
        for number in range(args.rounds):
            peaks.append(ask_machine("peak", {})["gflops"])
            for name in names:
                if name in failed:
                    continue
                show_progress(f"{model} round {number + 1}/{args.rounds}: {name}")
                try:
                    reports[name].append(train(args, name, folder))
                except processes.FailedError as error:
                    failed[name] = str(error)
                made = {n: row(reports[n], failed.get(n), step_flops, peaks) for n in names}
                rows.update({n: found for n, found in made.items() if found})
                keep()
    show_progress("")


def measure_workers(args, model):
    """Returns {number of workers: its row} of one model."""
    from contenders import scaling

    with tempfile.TemporaryDirectory() as folder:
        examples = prepare(args, model, folder)["examples"]
        show_progress(f"{model}: {', '.join(map(str, args.workers))} workers")
        options = {"rounds": args.rounds, "timeout": args.timeout, "batch_size": args.batch_size}
        rows = scaling.measure(args.workers, folder, examples=examples, **options)
    show_progress("")
    scaling.show(model, rows)
    return rows


def prepare(args, model, folder):
    """Writes the problem to the folder; returns its size: the FLOPs of a step, and the examples."""
    options = {
        "model": model,
        "data": args.data or DATA.get(model, "fashion_mnist"),
        "examples": args.examples,
        "batch_size": args.batch_size,
        "epochs": args.epochs,
        "folder": folder,
    }
    return ask_machine("prepare", options)


def ask_machine(function, options):
    """Returns what a function of `machine` reports; without it there is nothing to compare."""
    from contenders import processes

    try:
        return processes.run("machine", function, options)
    except processes.FailedError as error:
        raise gk.GraphkitError(str(error)) from None


def train(args, name, folder):
    """Returns the report of one process of a contender."""
    from contenders import processes

    who = CONTENDERS[name]
    python = args.python.get(who.library, sys.executable)
    given = {"python": python, "timeout": args.timeout, "problem": folder}
    return processes.run(who.module, who.function, who.options, **given)


def row(reports, failure, step_flops, peaks):
    """Returns the medians of a contender's reports, and why it failed if it has; None before its turn."""
    found = {"failed": failure} if failure else {}
    if reports:
        us = statistics.median(value for report in reports for value in report["us"])
        found |= {
            key: statistics.median(report[key] for report in reports) for key in reports[0] if key != "us"
        }
        peak = statistics.median(peaks)
        fraction = step_flops / (1e3 * us) / peak
        found |= {"us": us, "peak_fraction": fraction, "machine_gflops": peak, "rounds": len(reports)}
    return found or None


def show_progress(text):
    if sys.stderr.isatty():
        print(text, end="\033[K\r", file=sys.stderr)


def show(model, rows):
    """Prints the table of one model, and graphkit's ratios below it."""
    measured = {name: row for name, row in rows.items() if "us" in row}
    base = next((row["us"] for row in measured.values()), None)
    print(
        f"\n{model:22}{'us/step':>10}{'ratio':>8}{'of peak':>9}{'step 1 s':>10}{'epoch 1 s':>11}"
        f"{'predict/s':>11}{'MiB':>8}{'accuracy':>10}{'weights':>12}"
    )
    for name, row in rows.items():
        if name in measured:
            print(
                f"{name:22}{row['us']:>10,.0f}{row['us'] / base:>8.3f}{row['peak_fraction']:>9.1%}"
                f"{row['first_step']:>10.2f}{row['first']:>11.2f}{row['predicted']:>11,.0f}"
                f"{row['peak']:>8,.0f}{row['accuracy']:>10.4f}{row['weights']:>12,}"
            )
        if "failed" in row:
            after = f" after {row['rounds']} of its rounds" if name in measured else ""
            print(f"{name:22}failed{after}: {row['failed']}")
    if "graphkit" in measured:
        for text, time_of in COMPARED.items():
            show_ratios(text, time_of, measured)
    sys.stdout.flush()


def show_ratios(text, time_of, rows):
    ratios = [
        f"{library} {time_of(rows['graphkit']) / min(time_of(rows[name]) for name in names):.3f}"
        for library, names in by_library(rows).items()
        if library != "graphkit"
    ]
    if ratios:
        print(f"graphkit's {text} to the best of {', '.join(ratios)}")


def by_library(names):
    """Returns {library: names of its contenders}."""
    libraries = {}
    for name in names:
        libraries.setdefault(CONTENDERS[name].library, []).append(name)
    return libraries


def write(results, path):
    """Writes the results so that the file is always complete."""
    path = Path(path)
    new = path.with_name(f"{path.name}.new")
    new.write_text(json.dumps(results, indent=1))
    os.replace(new, path)


def plot(results, path):
    """Draws the times of a step as bars, a panel for each model."""
    from graphkit.plots import figures

    with figures.drawing(checks.Checker("benchmark"), 4.2 * len(results), 4) as figure:
        axes = figures.panels(figure, len(results), 1, len(results))
        for axis, (model, rows) in zip(axes, results.items(), strict=True):
            rows = {name: row for name, row in rows.items() if "us" in row}
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
    args, results = parse(argv), {}
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # and end the running process
    for model in args.models:
        if args.workers:
            results[model] = measure_workers(args, model)
            if args.json:
                write(results, args.json)
        else:
            measure(args, model, results, lambda: args.json and write(results, args.json))
            show(model, results[model])
    if args.plot:
        plot(results, args.plot)


if __name__ == "__main__":
    checks.run_script(main)
