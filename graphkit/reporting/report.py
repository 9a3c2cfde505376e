"""The report of a training: one file of HTML with settings, curves, errors and what computed it."""

import io
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphkit import checks
from graphkit.plots import curves, images, results
from graphkit.reporting import facts, page
from graphkit.reporting.predictions import as_array, by_class, check_predictions, confused_pairs
from graphkit.running import files
from graphkit.train import trainer as trainers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger("graphkit")

FILE = "report.html"
DPI = 160  # sharp on a telephone and on paper
PIXELS = 110  # of the page for an inch of a picture, so that its letters are about as large as the text
NOTE = "Training and validation: of the last epoch; training: before the updates of its steps, with dropout."
MOST_EPOCHS = 20  # in the table
MOST_EXAMPLES = 16
FACTS = {
    "date": "date of the report",
    "git_commit": "git commit",
    "git_changes": "files that differ from it",
    "onednn_kernels": "oneDNN kernels",
    "gpus": "GPUs",
}


def report(
    trainer: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    test: Mapping[str, Any] | None = None,
    labels: Any = None,
    predictions: Any = None,
    examples: Any = None,
    classes: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    title: str | None = None,
) -> str:
    """Writes what a training led to as one HTML file, which can be mailed and needs no network.

    It has the last metrics, the learning curves, the confusion matrix with the most frequent errors, the most
    confident wrong examples, the settings, and what computed it: versions, processor, git commit, command.
    `curves.png` and `confusion_matrix.png` are written next to it. Without matplotlib it has no pictures, and
    a line in the log says what to install.

    Args:
      trainer: a trainer that has been fitted.
      path: of the file; None is `report.html` in the trainer's logdir.
      test: {name: value} on data that was not trained on, as `trainer.evaluate` returns it.
      labels: integers (examples,), the true classes of such data.
      predictions: integers (examples,), or probabilities (examples, classes) as `trainer.predict` returns a
        softmax. Without labels and predictions, a confusion matrix in `test` or the history is shown.
      examples: what the predictions are of, images (examples, height, width[, channels]) or texts, to show
        the wrong ones; only these are read.
      classes: names of the classes; None shows their numbers.
      settings: {name: value} of the run, such as a learning rate.
      title: None is the name of the folder.

    Returns:
      The path of the file.

    Raises:
      TypeError: an argument has another type than is listed.
      ValueError: the trainer was not fitted, neither a path nor a logdir, labels and predictions that do not
        fit together, a class without a name.
      OSError: the file cannot be written; it is as it was.

    Example:
      >>> import tempfile
      >>> features, labels = gk.feature_input(2), gk.label_input()
      >>> data = {features: np.eye(2), labels: np.arange(2)}
      >>> folder = tempfile.mkdtemp()
      >>> with gk.Trainer(gk.softmax_cross_entropy(gk.dense(features, 2), labels), logdir=folder) as trainer:
      ...     history = trainer.fit(data, epochs=3, progress=False)
      ...     path = gk.report(trainer, settings={"optimizer": "adam"})
      >>> path.endswith("report.html")
      True
    """
    check = checks.Checker("report")
    is_trainer = isinstance(trainer, trainers.Trainer)
    check.require_type(is_trainer, "trainer must be a gk.Trainer", trainer=type(trainer))
    rule = "path must be the path of a file; it may be None where the trainer has a logdir"
    check.require(path is not None or trainer.logdir is not None, rule, path=path)
    target = Path(check.path("path", path)) if path is not None else trainer.logdir / FILE
    for name, value in (("test", test), ("settings", settings)):
        is_dict = isinstance(value or {}, Mapping) and all(isinstance(key, str) for key in value or {})
        check.require_type(is_dict, f"{name} must be {{name: value}}", **{name: value})
    for name, value in (test or {}).items():
        as_array(check, f"{name} of test", value)
    check.require(trainer.history, "the trainer must have been fitted for an epoch or more", epoch=0)
    found = check_predictions(check, labels, predictions)
    if examples is not None:
        rule, count = "examples must be those of the predictions", 0 if found is None else len(found.labels)
        check.require_type(hasattr(examples, "__len__"), rule, examples=type(examples))
        check.require(len(examples) == count, rule, examples=len(examples), predictions=count)
    matrix = matrix_of(check, found, predictions, classes, test or {}, trainer.history)
    draws = drawer(check, target)
    sections = [
        page.Section("Metrics", [metrics_table(trainer, test or {}), NOTE]),
        page.Section("Learning curves", learning_curves(draws, trainer)),
    ]
    if matrix is not None:
        names = [str(number) for number in range(len(matrix))] if classes is None else list(map(str, classes))
        sections += [page.Section("Confusion matrix", confusion(draws, matrix, names, classes))]
        if found is not None and examples is not None:
            sections.append(wrong_examples(draws, found, examples, names))
    sections += [
        page.Section("Settings", [page.Table(rows_of({**known_settings(trainer), **(settings or {})}))]),
        page.Section("Computed by", [page.Table(rows_of(facts_now()))]),
        page.Section("Epochs", [epochs_table(trainer.history)]),
    ]
    name = title if title is not None else target.absolute().parent.name
    content = page.render(name, subtitle(trainer), first_numbers(trainer, test or {}), sections)
    with check.system_errors(f"{target} cannot be written"), files.replacing(target) as stream:
        stream.write(content)
    return str(target)


def matrix_of(
    check: checks.Checker, found: Any, predictions: Any, classes: Any, test: Mapping, history: Mapping
) -> np.ndarray | None:
    """Returns the confusion matrix of the predictions, or else of the metrics, or None."""
    if classes is not None:
        rule = "classes must be a list or tuple of names"
        check.require_type(isinstance(classes, (list, tuple)), rule, classes=classes)
    if found is not None:
        shape = np.shape(predictions)
        most = 1 + max(found.labels.max(), found.classes.max())
        count = max(most, shape[1] if len(shape) == 2 else 0)
        if classes is not None:
            check.require(len(classes) >= count, f"classes must name all {count} classes", classes=classes)
            count = len(classes)
        return found.matrix(int(count))
    last = [values[-1] for values in reversed(list(history.values()))]  # of the validation first
    squares = [np.asarray(value) for value in (*test.values(), *last) if np.ndim(value) == 2]
    matrix = next((m for m in squares if m.shape[0] == m.shape[1] and m.dtype.kind in "iu"), None)
    if matrix is not None and classes is not None:
        check.require(len(classes) == len(matrix), f"classes must name all {len(matrix)}", classes=classes)
    return matrix


def drawer(check: checks.Checker, target: Path) -> Any:
    """Returns a function that draws a picture, writes it next to the report and returns it for the page."""
    lacks: list[str] = []

    def draws(name: str | None, description: str, draw: Any, *arguments: Any) -> list[Any]:
        try:
            figure = draw(*arguments)
        except ImportError as error:
            if not lacks:
                logger.warning("%s; the report has no pictures", error)
            lacks.append(description)
            return ["There is no picture, since matplotlib is not installed."]
        content, width = png(figure), round(PIXELS * figure.get_size_inches()[0])
        if name is not None:
            beside = target.with_name(name)
            writing = files.replacing(beside, mode="xb", encoding=None)
            with check.system_errors(f"{beside} cannot be written"), writing as stream:
                stream.write(content)
        return [page.Picture(content, description, width)]

    return draws


def png(figure: "Figure") -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI)
    return stream.getvalue()


def learning_curves(draws: Any, trainer: Any) -> list[Any]:
    """Returns a picture for each metric; the file has all in one."""
    history = trainer.history
    names = [name for name in trainer.metrics if np.ndim(history.get(name, [[]])) == 1]
    drawn = {"epoch": history["epoch"]}
    for name in names:
        drawn |= {column: history[column] for column in (name, f"valid_{name}") if column in history}
    complete = draws("curves.png", "learning curves", curves.plot_history, drawn)
    if len(names) == 1 or isinstance(complete[0], str):
        return complete
    pictures = []
    for name in names:
        columns = {column: drawn[column] for column in ("epoch", name, f"valid_{name}") if column in drawn}
        pictures += draws(None, f"learning curve of {name}", curves.plot_history, columns)
    return [page.Row(pictures)]


def confusion(draws: Any, matrix: np.ndarray, names: list[str], classes: Any) -> list[Any]:
    """Returns the picture of a confusion matrix, the most frequent errors and the numbers of each class."""
    if not matrix.sum():
        return []
    picture = draws(
        "confusion_matrix.png", "confusion matrix", results.plot_confusion_matrix, matrix, classes
    )
    pairs = confused_pairs(matrix, names)
    columns = ["class", "taken for", "times", "of the class"]
    errors = ["The most frequent errors:", page.Table(pairs, columns)] if pairs else ["There is no error."]
    columns = ["class", "examples", "recall", "precision"]
    return [*picture, *errors, "By class:", page.Table(by_class(matrix, names), columns)]


def wrong_examples(draws: Any, found: Any, examples: Any, names: list[str]) -> page.Section:
    """Returns the wrong predictions of which the model was surest: images, or a table of texts."""
    places = found.worst(MOST_EXAMPLES)
    title = "Wrong examples" if found.probabilities is None else "Wrong examples, the most confident first"
    shape = getattr(examples, "shape", (0,))
    if not len(places):
        return page.Section(title, [])
    if len(shape) == 3 or (len(shape) == 4 and shape[-1] in (1, 3)):
        labels, wrong = found.labels[places], found.classes[places]
        pictures = np.asarray(examples[places])
        drawn = draws(None, "wrong examples", draw_wrong, pictures, labels, wrong, names)
        return page.Section(title, drawn)
    texts = [examples[int(place)] for place in places]
    if not all(isinstance(text, str) for text in texts):
        return page.Section(title, [])
    rows = [
        [str(text), names[found.labels[place]], names[found.classes[place]], probability(found, place)]
        for text, place in zip(texts, places, strict=True)
    ]
    return page.Section(title, [page.Table(rows, ["example", "class", "taken for", "probability"])])


def draw_wrong(pictures: np.ndarray, labels: np.ndarray, wrong: np.ndarray, names: list[str]) -> "Figure":
    return images.plot_images(pictures, labels, wrong, classes=names, columns=4)


def probability(found: Any, place: int) -> float | None:
    return None if found.probabilities is None else float(found.probabilities[place])


def metrics_table(trainer: Any, test: Mapping[str, Any]) -> page.Table:
    """Returns the last metrics that are single numbers: of training, validation and test."""
    last = {name: values[-1] for name, values in trainer.history.items()}
    columns = {"training": last, "validation": without_prefix(last), "test": test}
    names = [*trainer.metrics, *(name for name in test if name not in trainer.metrics)]
    rows = [[name, *(number(values.get(name)) for values in columns.values())] for name in names]
    rows = [row for row in rows if any(value is not None for value in row[1:])]  # no matrices
    filled = [0, *(place for place in range(1, 4) if any(row[place] is not None for row in rows))]
    head = ["metric", *columns]
    return page.Table([[row[place] for place in filled] for row in rows], [head[place] for place in filled])


def without_prefix(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix("valid_"): value for name, value in row.items() if name.startswith("valid_")}


def number(value: Any) -> float | None:
    """Returns a single number as a float, None for anything else."""
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return float(value) if is_number else None


def first_numbers(trainer: Any, test: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns the numbers that the page begins with: of test, else of validation, else of training."""
    last = {name: values[-1] for name, values in trainer.history.items()}
    valid = without_prefix(last)
    word, values = ("test", test) if test else ("validation", valid) if valid else ("training", last)
    found = {name: number(values.get(name)) for name in (*trainer.metrics, *test)}
    return [(f"{word} {name}", page.shown(value)) for name, value in found.items() if value is not None]


def subtitle(trainer: Any) -> str:
    seconds = sum(value for value in trainer.history["seconds"] if value == value)
    spent = f"{seconds:,.1f} s" if seconds < 120 else f"{seconds / 60:,.1f} min"
    counts = ((trainer.epoch, "epoch"), (trainer.step, "step"))
    done = ", ".join(f"{count:,} {unit}{'s' * (count != 1)}" for count, unit in counts)
    return f"{done}, {spent} of training"


def known_settings(trainer: Any) -> dict[str, Any]:
    """Returns what a trainer knows of its run."""
    known = {"seed": trainer.seed, "compute_dtype": trainer.compute_dtype}
    if trainer.state.plan is not None:
        plan = trainer.state.plan
        known |= {"training examples": plan.examples, "batch_size": plan.batch_size}
    if trainer.learning_rate.schedule is not None:
        known |= trainer.learning_rate.columns(trainer.learning_rate.schedule(0))
    shapes = [variable.shape for variable in trainer.training_step.trained]
    return known | {"trained parameters": sum(shape.num_elements() for shape in shapes)}


def facts_now() -> dict[str, Any]:
    return {FACTS.get(name, name): value for name, value in facts.of_process().items()}


def rows_of(values: Mapping[str, Any]) -> list[list[str]]:
    return [[name, readable(value)] for name, value in values.items() if value is not None]


def readable(value: Any) -> str:
    """Returns a setting as text."""
    if value == []:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) and value >= 10_000 else str(value)


def epochs_table(history: Mapping[str, Sequence[Any]]) -> page.Table:
    """Returns the history's columns of single numbers; of many epochs some, evenly spaced."""
    names = [name for name, values in history.items() if all(number(value) is not None for value in values)]
    count = len(history["epoch"])
    places = sorted({round(place) for place in np.linspace(0, count - 1, MOST_EPOCHS)})
    rows = [[history[name][place] for name in names] for place in places]
    return page.Table(rows, [name.replace("_", " ") for name in names])
