"""Evaluates a run on the test set of its own data or of another data set."""

import argparse

import graphkit as gk
from graphkit import checks


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("logdir", metavar="LOGDIR", help="folder of the run, as train.py made it")
    add("--data", help="name or path of another data set with the same kind of images")
    add("--data-folder", help="folder with the original files of the data set")
    add("--split", choices=("train", "valid", "test"), default="test", help="part of the data set")
    add("--device", default="auto", help="auto, cpu, gpu, or one device such as /gpu:0")
    return parser.parse_args(argv)


def main(argv=None):
    args = parse(argv)
    run = gk.runs.load_run(args.logdir, device=args.device)
    with run.trainer as trainer:
        config = run.config
        name, folder = args.data or config.data, args.data_folder or config.data_folder
        data = gk.load_dataset(name, folder=folder, seed=config.seed)
        split = getattr(data, args.split)
        metrics = trainer.evaluate(run.network.feed(split))
    print(f"{args.logdir}: {config.model} on the {args.split} set of {name}, {len(split.labels):,} examples")
    print("  ".join(f"{name} {value:.4f}" for name, value in metrics.items()))


if __name__ == "__main__":
    checks.run_script(main)
