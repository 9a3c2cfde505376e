"""The event files in the real TensorBoard, asked over HTTP and looked at in a browser."""

import contextlib
import json
import re
import subprocess
import sys
import urllib.parse
import urllib.request

import numpy as np
import pytest
from reporting import boards
from reporting.browsers import browser, waiting

import graphkit as gk

# The text of all shadow trees, since TensorBoard's page is made of web components.
TEXT = """
const parts = [];
const walk = node => {
  if (node.shadowRoot) walk(node.shadowRoot);
  for (const child of node.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) parts.push(child.textContent); else walk(child);
  }
};
walk(document.body);
return parts.join("");
"""


@contextlib.contextmanager
def viewer(logdir, fast):
    """Yields the address of a TensorBoard that shows a folder, on a free port."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir), "--host", "127.0.0.1"]
    command += ["--port", "0", "--reload_interval", "1", "--load_fast", fast]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            found = (re.search(r"http://\S+?:(\d+)/", line) for line in process.stderr)
            port = next(match[1] for match in found if match)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.stderr.read()


def ask(address, path, **query):
    with urllib.request.urlopen(f"{address}/data/{path}?{urllib.parse.urlencode(query)}") as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    """A run that was ended in its second epoch and resumed."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    settings = {"optimizer": "sgd", "l2": 1e-4}

    class Kill(gk.Callback):
        def on_run_end(self, trainer):
            if trainer.step == 10:
                raise InterruptedError

    def board():
        more = {"confusion_matrix": "valid_confusion", "classes": ["dark", "bright"], "images": 4}
        return gk.TensorBoard(settings=settings, **more)

    with pytest.raises(InterruptedError):
        boards.train(folder, [board(), Kill()], epochs=8)
    history, _ = boards.train(folder, [board()], epochs=8, resume=True)
    return folder, history


@pytest.mark.slow
@pytest.mark.parametrize("fast", ["true", "false"])
def test_it_has_the_values(logdir, fast):
    folder, history = logdir
    with viewer(folder.parent, fast) as address:
        wait = waiting(None)
        wait.until(lambda _: {"first", "first/train", "first/valid"} <= set(ask(address, "runs")))
        path = "plugin/scalars/scalars"
        for run, column in (("train", "loss"), ("valid", "valid_loss")):
            wait.until(lambda _, run=run: "epoch/loss" in ask(address, "plugin/scalars/tags")[f"first/{run}"])
            points = wait.until(lambda _, run=run: ask(address, path, run=f"first/{run}", tag="epoch/loss"))
            assert [step for _, step, _ in points] == history["step"]
            assert np.allclose([value for *_, value in points], history[column], rtol=1e-6)
        points = ask(address, path, run="first/train", tag="step/loss")
        assert [step for _, step, _ in points] == list(range(1, 49))
        histograms = ask(address, "plugin/histograms/tags")["first/train"]
        assert {"hidden/dense/kernel", "hidden/dense/bias"} <= set(histograms)
        assert ask(address, "plugin/images/tags")["first/valid"]["confusion"]
        assert len(ask(address, "plugin/images/tags")["first/train"]) == 4
        assert "settings" in ask(address, "plugin/text/tags")["first"]
        assert "first/train" in ask(address, "plugin/graphs/info")


@pytest.mark.slow
def test_its_page_shows_the_curves(logdir, tmp_path):
    folder, _ = logdir
    with viewer(folder.parent, "true") as address, browser(tmp_path) as driver:
        wait = waiting(driver)
        driver.get(f"{address}/#timeseries")
        expected = ("first/train", "first/valid", "epoch/loss", "epoch/accuracy")
        wait.until(lambda _: all(text in driver.execute_script(TEXT) for text in expected))
        driver.save_screenshot(str(tmp_path / "timeseries.png"))
        driver.get(f"{address}/#hparams")
        wait.until(lambda _: all(text in driver.execute_script(TEXT) for text in ("batch_size", "optimizer")))
        driver.save_screenshot(str(tmp_path / "hparams.png"))
