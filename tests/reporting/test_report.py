"""The report: one file that holds what it says, with pictures and without them."""

import base64
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from reporting import boards
from reporting.browsers import browser

import graphkit as gk
from graphkit.reporting import page, predictions, report

NAMES = ["dark & dim", "<bright>"]
RULES = (
    ({"path": 3}, TypeError, "path must be a path"),
    ({"test": [1]}, TypeError, "test must be {name: value}"),
    ({"settings": {1: 2}}, TypeError, "settings must be {name: value}"),
    ({"labels": [0]}, ValueError, "labels and predictions go together"),
    ({"labels": [0, 1], "predictions": [0]}, ValueError, "must be of the same examples"),
    ({"labels": [0.5], "predictions": [0]}, ValueError, "labels must be integers"),
    ({"labels": [0], "predictions": [[[0]]]}, ValueError, "predictions must be classes"),
    ({"labels": [0], "predictions": [-1]}, ValueError, "classes must be at least 0"),
    ({"labels": [0], "predictions": [[0.5, np.nan]]}, ValueError, "predictions must be finite"),
    ({"labels": [0], "predictions": [[2.5, -1.0]]}, ValueError, "must be probabilities: those of logits"),
    ({"labels": [0], "predictions": [[0.7]]}, ValueError, "one column are probabilities of class 1"),
    ({"labels": [0], "predictions": [2], "classes": NAMES}, ValueError, "classes must name all 3 classes"),
    ({"labels": [0], "predictions": [0], "classes": "ab"}, TypeError, "classes must be a list or tuple"),
    ({"labels": [0], "predictions": [0], "examples": 3}, TypeError, "examples must be those"),
    (
        {"labels": [0], "predictions": [0], "examples": ["a", "b"]},
        ValueError,
        "examples must be those",
    ),
)


class Page(HTMLParser):
    """The rows of the tables, the pictures and the text of a page."""

    def __init__(self, content):
        super().__init__()
        self.rows, self.pictures, self.texts = [], [], []
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        if tag == "img":
            self.pictures.append(dict(attrs))

    def handle_data(self, data):
        if data.strip():
            self.texts.append(data.strip())
            if self.rows and self.lasttag in ("td", "th"):
                self.rows[-1].append(data.strip())


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """Returns the path, the history, the test metrics and the predictions of a report."""
    folder = tmp_path_factory.mktemp("a <run>")
    with tf.Graph().as_default():
        trainer, data = boards.make_trainer(folder)
        with trainer:
            trainer.fit(data, epochs=3, batch_size=8, valid=data, progress=False)
            test = trainer.evaluate(data)
            rng = np.random.default_rng(0)
            found = {
                "labels": boards.TARGETS,
                "predictions": rng.dirichlet([1, 1], len(boards.TARGETS)),
                "examples": boards.IMAGES,
                "classes": NAMES,
            }
            settings = {"optimizer": "sgd", "l2": None, "units": [2, 3], "words": 12345, "augment": True}
            path = gk.report(trainer, test=test, settings=settings, **found)
            for arguments, error, rule in RULES:
                with pytest.raises(error, match=f"report: .*{rule}"):
                    gk.report(trainer, **arguments)
            return Path(path), trainer.history, test, found


def test_it_holds_metrics_settings_and_facts(reported):
    path, history, test, _ = reported
    found = Page(path.read_text(encoding="utf-8"))
    columns = [f"{history['loss'][-1]:.4f}", f"{history['valid_loss'][-1]:.4f}", f"{test['loss']:.4f}"]
    assert ["loss", *columns] in found.rows
    for row in (["optimizer", "sgd"], ["units", "2, 3"], ["words", "12,345"], ["augment", "yes"]):
        assert row in found.rows
    known = {"seed": "0", "batch_size": "8", "training examples": "48", "trained parameters": "74"}
    assert all([name, value] in found.rows for name, value in known.items())
    assert ["tensorflow", tf.__version__] in found.rows and ["graphkit", gk.__version__] in found.rows
    assert "l2" not in found.texts  # not given
    assert path.parent.name in found.texts and "test loss" in found.texts


def test_it_holds_the_errors_of_the_predictions(reported):
    path, *_, found = reported
    rows = Page(path.read_text(encoding="utf-8")).rows
    wrong = found["predictions"].argmax(axis=1)
    for true, other in ((0, 1), (1, 0)):
        of_class = found["labels"] == true
        count = (of_class & (wrong == other)).sum()
        assert [NAMES[true], NAMES[other], str(count), f"{count / of_class.sum():.4f}"] in rows
        recall, precision = (wrong[of_class] == true).mean(), of_class[wrong == true].mean()
        assert [NAMES[true], str(of_class.sum()), f"{recall:.4f}", f"{precision:.4f}"] in rows


def test_it_is_one_file_with_its_pictures(reported):
    path, *_ = reported
    content = path.read_text(encoding="utf-8")
    assert not re.findall(r"""(?:src|href)=["'](?!data:)|url\(|@import|<script""", content)
    pictures = Page(content).pictures
    names = ["learning curve of loss", "learning curve of accuracy", "confusion matrix", "wrong examples"]
    assert [picture["alt"] for picture in pictures] == names
    written = {name: (path.parent / f"{name}.png").read_bytes() for name in ("curves", "confusion_matrix")}
    assert base64.b64decode(pictures[2]["src"].partition(",")[2]) == written["confusion_matrix"]
    assert written["curves"].startswith(b"\x89PNG")


def test_without_matplotlib_one_line_says_so(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    trainer, data = boards.make_trainer()
    with trainer:
        with pytest.raises(ValueError, match="the trainer must have been fitted"):
            gk.report(trainer, tmp_path / "r.html")
        with pytest.raises(ValueError, match="it may be None where the trainer has a logdir"):
            gk.report(trainer)
        trainer.fit(data, epochs=1, progress=False)
        path = gk.report(trainer, tmp_path / "r.html", title="No pictures")
    (record,) = (record for record in caplog.records if "report" in record.getMessage())
    assert "pip install 'tf-graphkit[plots]'" in record.getMessage()
    found = Page(Path(path).read_text(encoding="utf-8"))
    assert found.pictures == [] and "Confusion matrix" in found.texts  # of the metric, as a table
    assert [file.name for file in tmp_path.iterdir()] == ["r.html"]


def test_words_that_are_wrong_are_a_table():
    checker = gk.checks.Checker("report")
    labels, probabilities = np.array([0, 1, 1]), np.array([[0.2, 0.8], [0.9, 0.1], [0.4, 0.6]])
    found = predictions.check_predictions(checker, labels, probabilities)
    assert found.worst(5).tolist() == [1, 0]
    assert found.matrix(2).tolist() == [[0, 1], [1, 1]]
    for words in (["ab", "cd", "ef"], np.array(["ab", "cd", "ef"])):
        (table,) = report.wrong_examples(None, found, words, ["de", "fi"]).parts
        assert table.rows == [["cd", "fi", "de", 0.9], ["ab", "de", "fi", 0.8]]
    assert report.wrong_examples(None, found, np.eye(3), ["de", "fi"]).parts == []  # features are not shown
    assert predictions.check_predictions(checker, labels, labels).worst(5).tolist() == []


def test_numbers_are_short():
    values = (0.0, 0.12345, 12.345, 123456.7, 1e-5, 1234, None, float("nan"))
    expected = ["0.0000", "0.1235", "12.3", "1.23e+05", "1e-05", "1,234", "–", "nan"]  # noqa: RUF001
    assert [page.shown(value) for value in values] == expected


@pytest.mark.slow
def test_a_browser_shows_it_without_scrolling_sideways(reported, tmp_path):
    path, *_ = reported
    for width in (390, 1000):
        with browser(tmp_path / str(width)) as driver:
            metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            driver.get(path.as_uri())
            assert driver.execute_script("return document.documentElement.scrollWidth") <= width
            sizes = "return [...document.images].map(image => [image.naturalWidth, image.clientWidth])"
            images = driver.execute_script(sizes)
            assert len(images) == 4 and all(natural and shown <= width for natural, shown in images)
            errors = [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
            assert errors == []
