"""Prints the class probabilities of images (PNG or JPEG files, or an .npz with an array `images`) or words.

Images must have the size of the images that the network was trained on, and look like them (the digits
of MNIST are white on black). A run that was trained on words takes the words themselves.
"""

import argparse

import graphkit as gk
from graphkit import checks


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("logdir", metavar="LOGDIR", help="folder of the run, as train.py made it")
    parser.add_argument("examples", metavar="IMAGE", nargs="+", help="PNG, JPEG or .npz file, or a word")
    parser.add_argument(
        "--top", type=int, default=10, help="number of classes to print for each image (default: 10)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, gpu, or one device such as /gpu:0")
    return parser.parse_args(argv)


def main(argv=None):
    args = parse(argv)
    top = checks.Checker("predict").integer("--top", args.top)
    run = gk.runs.load_run(args.logdir, device=args.device)
    with run.trainer as trainer:
        for example in args.examples:
            shape = run.config.image_shape
            examples = [example] if shape is None else gk.runs.read_images(example, shape)
            fed = {run.network.inputs: run.network.encode(examples)}
            rows = trainer.predict(run.network.probabilities, fed)
            for number, row in enumerate(rows):
                ranked = sorted(zip(row, run.config.classes, strict=True), reverse=True)[:top]
                name = f"{example}[{number}]" if len(rows) > 1 else example
                print(f"{name}: " + "  ".join(f"{label} {probability:.4f}" for probability, label in ranked))


if __name__ == "__main__":
    checks.run_script(main)
