"""Trains a network and saves it in a run's folder; by default a convnet on 5,000 images of digits."""

import argparse
import logging
from pathlib import Path

import graphkit as gk
from graphkit import checks

MODELS = ("softmax_regression", "mlp", "convnet", "inception_net", "char_rnn")
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "adadelta", "adam", "adamw", "rmsprop")
RATES = {"char_rnn": 3e-3}  # others: 1e-3
KEEP_PROBS = {"softmax_regression": 1.0, "inception_net": 0.8, "char_rnn": 0.8}  # others: 0.5


class DefaultsInHelp(argparse.ArgumentDefaultsHelpFormatter):
    """Shows the default of each option that has one."""

    def _get_help_string(self, action):
        return action.help if action.default is None else super()._get_help_string(action)


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=DefaultsInHelp)
    add = parser.add_argument
    add("--model", choices=MODELS, default="convnet", help="network to train")
    add(
        "--data",
        default="mnist_5k",
        help="mnist_5k, words_5_languages, mnist, fashion_mnist, cifar10, cifar100, or a path",
    )
    add("--data-folder", help="folder with the original files of the data set")
    add("--epochs", type=int, default=15, help="epochs in all, also with --resume")
    add("--batch-size", type=int, default=128, help="examples in a mini-batch")
    add("--optimizer", choices=OPTIMIZERS, default="adam", help="how the weights are updated")
    add("--learning-rate", type=float, help="learning rate of the optimizer (default: 0.001, char_rnn 0.003)")
    keep = "probability that dropout keeps a unit, in (0, 1] (default: 0.5; 0.8 or 1 for some models)"
    add("--keep-prob", type=float, help=keep)
    add("--l2", type=float, default=1e-4, help="weight of half the squared norm of the kernels")
    add("--patience", type=int, help="stop after this number of epochs without a better validation loss")
    add("--seed", type=int, default=0, help="seed of everything random")
    add("--device", default="auto", help="auto, cpu, gpu, or one device such as /gpu:0")
    add("--logdir", help="folder of the run (default: runs/MODEL-DATA)")
    add("--resume", action="store_true", help="continue the run in LOGDIR, if there is one")
    args = parser.parse_args(argv)
    if args.learning_rate is None:
        args.learning_rate = RATES.get(args.model, 1e-3)
    if args.keep_prob is None:
        args.keep_prob = KEEP_PROBS.get(args.model, 0.5)
    return args


def main(argv=None):
    args = parse(argv)
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    cluster = gk.cluster_from_env()  # of scripts/launch.py; None where this process trains alone
    data = gk.load_dataset(args.data, folder=args.data_folder, seed=args.seed)
    config = gk.runs.RunConfig.for_data(
        data,
        model=args.model,
        data_folder=args.data_folder,
        l2=args.l2,
        keep_prob=args.keep_prob,
        optimizer=args.optimizer,
        learning_rate=args.learning_rate,
        batch_size=args.batch_size,
        seed=args.seed,
    )
    logdir = args.logdir or f"runs/{args.model}-{Path(args.data).stem}"
    metrics = gk.runs.train_run(
        config,
        data,
        logdir,
        epochs=args.epochs,
        patience=args.patience,
        resume=args.resume,
        device=args.device,
        cluster=cluster,
    )
    if cluster is not None and not cluster.is_chief:
        return
    print(f"test  loss {metrics['loss']:.4f}  accuracy {metrics['accuracy']:.4f}")
    print(f"saved in {logdir}; next: python scripts/evaluate.py {logdir}")


if __name__ == "__main__":
    checks.run_script(main)
