"""Trains a network and saves it in a run's folder; by default a convnet on 5,000 images of digits."""

import argparse
from pathlib import Path

import graphkit as gk
from graphkit.commands.options import CommandParser, Output, command_line

# Repeated here, so that --help does not load TensorFlow.
MODELS = ("softmax_regression", "mlp", "convnet", "inception_net", "char_rnn")
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "adadelta", "adam", "adamw", "rmsprop")
RATES = {"char_rnn": 3e-3}  # others: 1e-3
KEEP_PROBS = {"softmax_regression": 1.0, "inception_net": 0.8, "char_rnn": 0.8}  # others: 0.5


def add_arguments(parser: CommandParser) -> None:
    add = parser.add_argument
    add("--model", choices=MODELS, default="convnet", help="network to train")
    add(
        "--data",
        default="mnist_5k",
        help="mnist_5k, words_5_languages, mnist, fashion_mnist, cifar10, cifar100, or a path",
    )
    add("--data-folder", metavar="FOLDER", help="where the original files of the data set are")
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
    add("--logdir", metavar="FOLDER", help="folder of the run (default: runs/MODEL-DATA)")
    add("--resume", action="store_true", help="continue the run in LOGDIR, if there is one")


def run(options: argparse.Namespace) -> Output:
    cluster = gk.cluster_from_env()  # of a launcher; None where this process trains alone
    data = gk.load_dataset(options.data, folder=options.data_folder, seed=options.seed)
    rate, keep_prob = options.learning_rate, options.keep_prob
    config = gk.runs.RunConfig.for_data(
        data,
        model=options.model,
        data_folder=options.data_folder,
        l2=options.l2,
        keep_prob=KEEP_PROBS.get(options.model, 0.5) if keep_prob is None else keep_prob,
        optimizer=options.optimizer,
        learning_rate=RATES.get(options.model, 1e-3) if rate is None else rate,
        batch_size=options.batch_size,
        seed=options.seed,
    )
    logdir = options.logdir or f"runs/{options.model}-{Path(options.data).stem}"
    metrics = gk.runs.train_run(
        config,
        data,
        logdir,
        epochs=options.epochs,
        patience=options.patience,
        resume=options.resume,
        device=options.device,
        cluster=cluster,
        progress=not (options.quiet or options.json),
        report=True,
    )
    fields = {"logdir": logdir, "model": config.model, "data": config.data, "test": metrics}
    if cluster is not None and not cluster.is_chief:
        return Output("", fields)
    numbers = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
    return Output(f"test  {numbers}\nsaved in {logdir}; next: {command_line('evaluate', logdir)}", fields)
