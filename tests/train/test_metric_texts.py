"""Lines of metrics that fit."""

from graphkit.train import metric_texts

METRICS = {
    name: "0.1234"
    for name in ("loss", "accuracy", "top_5_accuracy", "valid_loss", "valid_accuracy", "valid_top_5_accuracy")
}


def test_a_line_is_as_long_as_the_width_allows():
    def lines(width, **metrics):
        return metric_texts.lines_of("epoch 1/15", metrics or METRICS, "99 examples/s", width).splitlines()

    few = {name: "0.1234" for name in ("loss", "accuracy", "valid_loss", "valid_accuracy")}
    assert lines(120, **few) == [
        "epoch 1/15  loss 0.1234  accuracy 0.1234  valid_loss 0.1234  valid_accuracy 0.1234  99 examples/s"
    ]
    assert lines(95, **few) == [
        "epoch 1/15  loss 0.1234 (valid 0.1234)  accuracy 0.1234 (valid 0.1234)  99 examples/s"
    ]
    assert lines(80, **few) == ["epoch 1/15  loss 0.1234 (valid 0.1234)  accuracy 0.1234 (valid 0.1234)"]
    assert lines(60) == [
        "epoch 1/15  loss 0.1234 (valid 0.1234)",
        "    accuracy 0.1234 (valid 0.1234)",
        "    top_5_accuracy 0.1234 (valid 0.1234)",
    ]
    assert lines(40, valid_loss="1") == ["epoch 1/15  valid_loss 1  99 examples/s"]
    assert max(map(len, lines(42))) <= 42


def test_as_many_metrics_are_shown_as_fit():
    values = {"loss": 0.5, "accuracy": 0.25, "confusion": [[1, 0], [0, 1]]}
    assert metric_texts.fitting_text(values, 30) == "loss 0.5000  accuracy 0.2500"
    assert metric_texts.fitting_text(values, 20) == "loss 0.5000"
    assert metric_texts.fitting_text(values, 5) == ""
