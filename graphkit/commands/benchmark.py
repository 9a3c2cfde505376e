"""Times training side by side: graphkit, a hand-written feed_dict loop, Keras, PyTorch and JAX.

  graphkit benchmark --models mlp convnet
  graphkit benchmark --models convnet --workers 1 2 3

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
tried again; the others go on. `--results` is written after each process, so that an interrupted benchmark
keeps what it has measured.

`--workers` compares numbers of graphkit's workers on this machine instead, which train together through
127.0.0.1. Its table holds, for a step: microseconds in the fastest epoch of all rounds, examples per
second, the ratio to a single process with the same mini-batches and the same loop, bytes and packets that
the loopback device has sent (headers and acknowledgements included, less what it sends in the same time
beside a single process; exact in a network without other programs: `unshare --net sh -c "ip link set lo up;
graphkit benchmark ..."`), processor time of all workers, the fraction of the time that the collective takes
(the same loop without its sums takes that much less), the time that `gk.sizes.cluster_step_seconds`
predicts from the time without sums and from sums of one number and of as many as the network has weights,
and the loss of the last epoch, which must agree. `docs/cluster_cost.md` has what it measured, and what it
says about several machines.

`handwritten` is what the notes teach: it holds all images as float32 and indexes them; `handwritten-uint8`
holds them as uint8 and scales each mini-batch. `graphkit` is the trainer with its defaults, `graphkit-feed`
runs it step by step, `graphkit-bfloat16` lets it compute in bfloat16, `graphkit-8-gib-file` trains on
images spread over a memory-mapped file of 8 GiB, which it writes before its first step. The other libraries
run in each setting that may be their best (`keras` comes with TensorFlow; `pip install torch jax optax`, in
the same environment or another).
"""

import argparse
import os
import signal
import sys
from typing import Any

from graphkit import checks
from graphkit.benchmark import comparing, scaling, tables
from graphkit.benchmark.comparing import CONTENDERS, DEFAULT_CONTENDERS, MODELS, PEERS
from graphkit.commands.options import CommandParser, Output


def add_arguments(parser: CommandParser) -> None:
    add = parser.add_argument
    default = [name for name in MODELS if name != "inception_net"]
    add("--models", nargs="+", choices=MODELS, default=default, help="networks")
    who = "who trains them (default: handwritten, graphkit and all peers)"
    add(
        "--contenders",
        nargs="+",
        choices=tuple(CONTENDERS),
        metavar="NAME",
        help=f"{who}: {', '.join(CONTENDERS)}",
    )
    add("--workers", type=int, nargs="+", metavar="N", help="compare numbers of workers of graphkit instead")
    add("--data", help="data set (default: fashion_mnist, words_5_languages for char_rnn)")
    add("--examples", type=int, help="train on the first examples only")
    add("--batch-size", type=int, default=128, help="examples in a mini-batch")
    add("--epochs", type=int, default=3, help="epochs of a process; the first is reported separately")
    add("--rounds", type=int, default=3, help="processes of each contender")
    python = f"Python of a peer ({', '.join(PEERS)}) that is installed elsewhere"
    add("--python", nargs="+", default=[], metavar="LIBRARY=PATH", help=python)
    add("--timeout", type=float, default=900.0, help="most seconds of a process")
    add("--results", metavar="FILE", help="file to write the metrics to as JSON, after each process")
    add("--plot", metavar="FILE", help="file to draw the step times to (.png, .svg, .pdf); needs matplotlib")


def check_options(options: argparse.Namespace) -> None:
    """Raises if options do not go together; makes the paths of interpreters absolute."""
    check = checks.Checker("benchmark")
    for name in ("batch_size", "rounds", "examples"):
        value = getattr(options, name)
        if value is not None:
            check.integer(f"--{name.replace('_', '-')}", value)
    check.integer("--epochs", options.epochs, minimum=2)
    for count in options.workers or ():
        check.integer("--workers", count)
    pairs = [pair.partition("=") for pair in options.python]
    valid = all(library in PEERS and path for library, _, path in pairs)
    check.require(valid, f"--python takes LIBRARY=PATH of {', '.join(PEERS)}", python=options.python)
    rule = "--plot draws contenders, not --workers"
    check.require(not (options.plot and options.workers), rule, plot=options.plot)
    # Processes start in another folder; a name without a folder is looked up in PATH.
    options.python = {name: os.path.abspath(path) if os.sep in path else path for name, _, path in pairs}
    options.contenders = options.contenders or DEFAULT_CONTENDERS


def run(options: argparse.Namespace) -> Output:
    check_options(options)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # and end the running process
    results: dict[str, Any] = {}

    def keep() -> None:
        if options.results:
            tables.write(results, options.results)

    for model in options.models:
        if options.workers:
            results[model] = comparing.measure_workers(options, model)
            keep()
        else:
            comparing.measure(options, model, results, keep)
        if not options.json:
            (scaling if options.workers else tables).show(model, results[model])
    if options.plot:
        tables.plot(results, options.plot)
    return Output("", results)
