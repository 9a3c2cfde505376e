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


def eventually(is_shown):
    """Waits until TensorBoard, which answers with what it has read of the files so far, shows something."""
    waiting(None).until(lambda _: is_shown())


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
    path = "plugin/scalars/scalars"
    with viewer(folder.parent, fast) as address:

        def steps(run, tag):
            return [step for _, step, _ in ask(address, path, run=f"first/{run}", tag=tag)]

        def tags(kind, run):
            return set(ask(address, f"plugin/{kind}/tags").get(run, ()))

        eventually(lambda: {"first", "first/train", "first/valid"} <= set(ask(address, "runs")))
        for run, column in (("train", "loss"), ("valid", "valid_loss")):
            eventually(lambda run=run: "epoch/loss" in tags("scalars", f"first/{run}"))
            eventually(lambda run=run: steps(run, "epoch/loss") == history["step"])
            points = ask(address, path, run=f"first/{run}", tag="epoch/loss")
            assert np.allclose([value for *_, value in points], history[column], rtol=1e-6)
        eventually(lambda: steps("train", "step/loss") == list(range(1, 49)))
        eventually(lambda: {"hidden/dense/kernel", "hidden/dense/bias"} <= tags("histograms", "first/train"))
        eventually(lambda: "confusion" in tags("images", "first/valid"))
        eventually(lambda: len(tags("images", "first/train")) == 4)
        eventually(lambda: "settings" in tags("text", "first"))
        eventually(lambda: "first/train" in ask(address, "plugin/graphs/info"))


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
