"""Trains a network and saves it in a run's folder; by default a convnet on 5,000 images of digits."""

import argparse
from pathlib import Path
from typing import Any

import graphkit as gk
from graphkit import checks
from graphkit.commands.options import CommandParser, Output, command_line

# Repeated here, so that --help does not load TensorFlow.
MODELS = ("softmax_regression", "mlp", "convnet", "inception_net", "char_rnn")
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "adadelta", "adam", "adamw", "rmsprop")
RATES = {"char_rnn": 3e-3}  # others: 1e-3
KEEP_PROBS = {"softmax_regression": 1.0, "inception_net": 0.8, "char_rnn": 0.8}  # others: 0.5


def add_arguments(parser: CommandParser) -> None:
    add = parser.add_argument
    add("--model", choices=MODELS, default="convnet", help="network to train")
    names = "mnist_5k, words_5_languages, mnist, fashion_mnist, cifar10, cifar100"
    add("--data", default="mnist_5k", help=f"{names}; a folder of images; a table (.csv); an .npz file")
    add("--data-folder", metavar="FOLDER", help="where the original files of the data set are")
    epochs = "epochs in all, also with --resume (default: 15, or what the two options below allow)"
    add("--epochs", type=int, help=epochs)
    add("--max-steps", type=int, help="end after this number of steps, also inside an epoch")
    add("--max-seconds", type=float, help="end after this number of seconds, also inside an epoch")
    add("--valid-every", type=int, metavar="STEPS", help="validate inside epochs, too")
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
    add("--overwrite", action="store_true", help="replace the run in LOGDIR (with --resume, if it differs)")
    add("--dry-run", action="store_true", help="try everything on one mini-batch; leaves nothing behind")
    add("--no-report", action="store_true", help="do not write report.html")
    add_data_arguments(parser)


def add_data_arguments(parser: CommandParser) -> None:
    """Adds what only some kinds of data have."""
    add = parser.add_argument
    add("--image-size", type=int, nargs="+", metavar="PIXELS", help="folder: a side, or height and width")
    add("--channels", type=int, choices=(1, 3), help="folder: 1 for gray images, 3 for colors")
    add("--no-resize", action="store_true", help="folder: refuse images of another size")
    add("--label", metavar="COLUMN", help="table: the column to predict")
    add("--task", choices=("classification", "regression"), help="table: default by the column's values")
    add("--missing", choices=("refuse", "fill"), help="table: what to do with missing values")
    add("--unknown", choices=("refuse", "ignore"), help="table: categories that are new in later tables")
    add("--categories", choices=("one_hot", "embedded"), help="table: how texts become numbers")
    add("--categorical", nargs="+", default=[], metavar="COLUMN", help="table: integers that are categories")
    add("--drop", nargs="+", default=[], metavar="COLUMN", help="table: columns to leave out")


def data_options(options: argparse.Namespace) -> dict[str, Any]:
    """Returns the options of `load_dataset` that were given; the others belong to other data."""
    names = ("image_size", "channels", "label", "task", "missing", "unknown", "categories", "categorical")
    given = {name: getattr(options, name) for name in (*names, "drop") if getattr(options, name)}
    if len(given.get("image_size", ())) == 1:
        (given["image_size"],) = given["image_size"]
    return given | ({"resize": False} if options.no_resize else {})


def run(options: argparse.Namespace) -> Output:
    cluster = gk.cluster_from_env()  # of a launcher; None where this process trains alone
    name, given = options.data, data_options(options)
    data = gk.load_dataset(name, folder=options.data_folder, seed=options.seed, **given)
    rate, keep_prob, epochs = options.learning_rate, options.keep_prob, options.epochs
    if epochs is None and options.max_steps is None and options.max_seconds is None:
        epochs = 15
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
    logdir = options.logdir or f"runs/{options.model}-{Path(name).absolute().name.split('.')[0]}"
    metrics = gk.runs.train_run(
        config,
        data,
        logdir,
        epochs=epochs,
        patience=options.patience,
        resume=options.resume,
        overwrite=options.overwrite,
        device=options.device,
        cluster=cluster,
        report=not (options.no_report or options.dry_run),
        max_steps=options.max_steps,
        max_seconds=options.max_seconds,
        valid_every=options.valid_every,
        dry_run=options.dry_run,
        progress=not (options.quiet or options.json),
    )
    fields = {"logdir": logdir, "model": config.model, "data": config.data, "test": metrics}
    if options.dry_run or (cluster is not None and not cluster.is_chief):
        return Output("", fields)
    numbers = "  ".join(f"{name} {checks.number_text(value)}" for name, value in metrics.items())
    return Output(f"test  {numbers}\nsaved in {logdir}; next: {command_line('evaluate', logdir)}", fields)
