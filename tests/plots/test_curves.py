"""Learning curves, rate tests, histograms and loss surfaces: what is drawn is what was given."""

import io

import numpy as np
import pytest
from plots.pictures import HISTORY, draw

import graphkit as gk
from graphkit import studies
from graphkit.plots import curves


def lines(axis):
    return {line.get_label(): line for line in axis.lines}


def test_history_has_a_panel_for_each_metric_and_a_curve_for_each_split():
    figure = gk.plots.plot_history(HISTORY)
    assert [axis.get_title() for axis in figure.axes] == ["loss", "accuracy"]
    drawn = lines(figure.axes[0])
    assert list(drawn) == ["training", "validation"]
    np.testing.assert_array_equal(drawn["training"].get_xydata().T, [HISTORY["epoch"], HISTORY["loss"]])
    np.testing.assert_array_equal(drawn["validation"].get_ydata(), HISTORY["valid_loss"])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["training", "validation"]


def test_history_of_a_real_training():
    inputs, labels = gk.feature_input(4), gk.label_input()
    logits = gk.dense(inputs, 3)
    data = {inputs: np.eye(4, dtype=np.float32), labels: np.array([0, 1, 2, 0])}
    metrics = {"accuracy": gk.accuracy(logits, labels), "confusion": gk.confusion_matrix(logits, labels)}
    with gk.Trainer(gk.softmax_cross_entropy(logits, labels), metrics=metrics) as trainer:
        history = trainer.fit(data, epochs=3, batch_size=2, valid=data, progress=False)
    figure = gk.plots.plot_history(history)
    assert [axis.get_title() for axis in figure.axes] == ["loss", "accuracy"]
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), history["loss"])


def test_history_against_seconds_adds_up_the_epochs():
    drawn = lines(gk.plots.plot_history(HISTORY, x="seconds").axes[0])
    np.testing.assert_allclose(drawn["training"].get_xdata(), [1.0, 1.5, 2.0, 2.5])


def test_runs_are_compared_under_their_names():
    short = {name: values[:2] for name, values in HISTORY.items()}
    drawn = lines(gk.plots.plot_history({"slow": HISTORY, "fast": short}).axes[1])
    assert list(drawn) == ["slow", "slow, validation", "fast", "fast, validation"]
    assert len(drawn["fast"].get_xdata()) == 2
    assert drawn["slow"].get_color() == drawn["slow, validation"].get_color() != drawn["fast"].get_color()


def test_a_single_epoch_is_seen_as_a_point():
    drawn = lines(gk.plots.plot_history({"epoch": [1], "loss": [0.5]}).axes[0])
    assert drawn["training"].get_marker() == "o"


def test_smoothing_is_a_running_mean_corrected_for_its_start():
    values = [4.0, 2.0, 0.0]
    # m1 = 4; m2 = (0.5 * 0.5 * 4 + 0.5 * 2) / 0.75; m3 = (0.25 * 0.5 * 4 + 0.25 * 2 + 0.5 * 0) / 0.875
    np.testing.assert_allclose(curves.smooth(values, 0.5), [4.0, 2 / 0.75, 1 / 0.875])
    axis = gk.plots.plot_history({"epoch": [1, 2, 3], "loss": values}, smoothing=0.5).axes[0]
    np.testing.assert_array_equal(axis.lines[0].get_ydata(), values)
    np.testing.assert_allclose(axis.lines[1].get_ydata(), [4.0, 2 / 0.75, 1 / 0.875])


@pytest.mark.parametrize("smoothing", [0.0, 0.9])
def test_what_was_measured_now_and_then_is_joined(smoothing):
    history = {"epoch": [1, 2, 3, 4], "loss": [1.0] * 4, "valid_loss": [np.nan, 2.0, np.nan, 2.0]}
    drawn = lines(gk.plots.plot_history(history, smoothing=smoothing).axes[0])["validation"]
    np.testing.assert_allclose(drawn.get_xydata(), [[2, 2], [4, 2]])


def test_many_runs_differ_and_are_all_named():
    figure = gk.plots.plot_history({f"run {number}": HISTORY for number in range(12)})
    drawn = lines(figure.axes[0])
    looks = {
        (drawn[name].get_color(), str(drawn[name]._dash_pattern)) for name in drawn if "valid" not in name
    }
    assert len(looks) == 12
    assert len(figure.legends[0].get_texts()) == 24
    figure.draw_without_rendering()
    assert all(axis.get_position().height > 0.3 for axis in figure.axes)


def test_names_that_matplotlib_takes_for_something_else():
    figure = gk.plots.plot_history({"_hidden": HISTORY, "$x$": HISTORY, "": HISTORY, "a\tb": HISTORY})
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names[::2] == ["\u200b_hidden", r"\$x\$", "(no name)", r"a\tb"]
    figure.savefig(io.BytesIO(), format="png")


@pytest.mark.parametrize(
    "history, error, message",
    [
        ([1, 2], TypeError, "history must be what fit returned"),
        ({}, ValueError, "history must be what fit returned"),
        ({"epoch": [], "loss": []}, ValueError, "one epoch or more"),
        ({"epoch": [1, 2], "loss": [1.0]}, ValueError, "all columns of a history must have the same length"),
        ({"loss": [1.0]}, ValueError, "must have a column 'epoch'"),
        ({"epoch": [1]}, ValueError, "a loss or a metric"),
        ({"sgd": HISTORY, "adam": {"epoch": 3}}, TypeError, "epoch=3"),
    ],
)
def test_invalid_histories_are_refused(history, error, message):
    with pytest.raises(error, match=f"^plot_history: .*{message}"):
        gk.plots.plot_history(history)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_smoothing_out_of_range_is_refused(smoothing):
    with pytest.raises(ValueError, match=f"smoothing must be .* received smoothing={smoothing}"):
        gk.plots.plot_history(HISTORY, smoothing=smoothing)


def test_a_metric_on_a_logarithmic_axis():
    figure = gk.plots.plot_history(HISTORY, log_scale=["loss"])
    assert [axis.get_yscale() for axis in figure.axes] == ["log", "linear"]
    assert all(axis.get_xscale() == "linear" for axis in figure.axes)


@pytest.mark.parametrize(
    "log_scale, error, message",
    [
        ("loss", TypeError, "log_scale must be a list or tuple of names .* received log_scale='loss'"),
        (["lost"], ValueError, r"names of metrics of the history; .* metrics=\['loss', 'regret'\]"),
        (["regret"], ValueError, "must be positive; received metric='regret', least=-1.0"),
    ],
)
def test_invalid_logarithmic_axes_are_refused(log_scale, error, message):
    history = {"epoch": [1, 2], "loss": [2.0, np.nan], "regret": [1.0, 2.0], "valid_regret": [1.0, -1.0]}
    with pytest.raises(error, match=f"^plot_history: .*{message}"):
        gk.plots.plot_history(history, log_scale=log_scale)


@pytest.mark.parametrize("count", [2, 4, 5, 9, 12])
def test_the_legend_fills_its_rows(count):
    figure = gk.plots.plot_history({f"run {n}": {"epoch": [1], "loss": [1.0]} for n in range(count)})
    columns = figure.legends[0]._ncols
    rows = -(-count // columns)
    assert columns == -(-count // rows)


def test_rate_test_shows_the_suggestion():
    axis = draw("plot_rate_test").axes[0]
    assert axis.get_legend().get_texts()[0].get_text() == "suggested: 0.03"
    assert axis.lines[1].get_xdata() == [0.03, 0.03]


def test_rate_test_of_a_real_finder():
    inputs, labels = gk.feature_input(2), gk.label_input()
    loss = gk.softmax_cross_entropy(gk.dense(inputs, 2), labels)
    with gk.Trainer(loss, optimizer="sgd") as trainer:
        test = gk.find_learning_rate(trainer, {inputs: np.eye(2), labels: np.arange(2)}, steps=20)
    np.testing.assert_array_equal(gk.plots.plot_rate_test(test).axes[0].lines[0].get_xdata(), test.rates)


def test_histograms_count_each_number_once():
    axis = gk.plots.plot_histograms({"kernel": np.arange(12.0).reshape(3, 4)}, bins=4).axes[0]
    assert [bar.get_height() for bar in axis.patches] == [3, 3, 3, 3]
    assert axis.get_title() == "kernel\nmean 5.5, sigma 3.45"  # sqrt((12**2 - 1) / 12)


def test_histograms_over_a_common_range():
    arrays = {"wide": np.array([-4.0, 0.0, 4.0]), "narrow": np.array([-1.0, 1.0])}
    wide, narrow = gk.plots.plot_histograms(arrays, bins=4, share_x=True).axes
    assert [bar.get_x() for bar in narrow.patches] == [-4, -2, 0, 2]
    assert [bar.get_height() for bar in narrow.patches] == [0, 1, 1, 0]
    assert wide.get_xlim() == narrow.get_xlim()
    wide, narrow = gk.plots.plot_histograms(arrays, bins=4).axes
    assert [bar.get_x() for bar in narrow.patches] == [-1, -0.5, 0, 0.5]


def test_histograms_of_numbers_that_hardly_differ():
    numbers = np.array([1.0, np.nextafter(1.0, 2.0)])
    assert gk.plots.plot_histograms({"same": numbers}, bins=2).axes[0].get_xlim()[0] < 0.6


def test_histograms_far_from_zero_are_not_drawn_from_there():
    assert gk.plots.plot_histograms({"variance": np.linspace(1000, 1001, 50)}).axes[0].get_xlim()[0] > 999


def test_histograms_of_arrays_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match=r"plot_histograms: arrays\['kernel'\] must be finite"):
        gk.plots.plot_histograms({"kernel": np.array([1.0, np.nan])})


def test_loss_surface_shows_the_path_from_circle_to_square():
    figure = draw("plot_loss_surface")
    axis = figure.axes[0]
    path = lines(axis)["sgd"].get_xydata()
    ends = [(line.get_marker(), *line.get_xydata()[0]) for line in axis.lines if line.get_marker() in "os"]
    assert ends[:2] == [("o", *path[0]), ("s", *path[-1])]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("along", "across")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["sgd", "momentum"]


def test_invalid_loss_surfaces_are_refused():
    with pytest.raises(
        TypeError, match=r"plot_loss_surface: surface must be a LossSurface; received surface=3"
    ):
        gk.plots.plot_loss_surface(3)


def test_loss_surface_leaves_out_what_is_not_finite():
    losses = np.array([[np.inf, 1.0, 2.0], [1.0, 0.0, 1.0], [2.0, 1.0, np.nan]])
    axis, path = np.arange(3.0), np.array([[0.0, 1.0], [1.0, 1.0]])
    surface = studies.LossSurface(axis, axis, losses, {"path": path}, ("a", "b"), np.array([1.0, 0.0]))
    figure = gk.plots.plot_loss_surface(surface)
    assert figure.axes[1].get_yticklabels()[0].get_text() == "0"
    with pytest.raises(ValueError, match="losses must be .* finite somewhere"):
        gk.plots.plot_loss_surface(surface._replace(losses=np.full((3, 3), np.nan)))


def test_loss_surface_shows_the_bottom_of_a_deep_valley():
    # A parabola of height 1 along a valley whose walls are a million times as high.
    axis = np.linspace(-1, 1, 21)
    losses = axis[np.newaxis] ** 2 + 1e6 * axis[:, np.newaxis] ** 2
    path = np.array([[1.0, 0.0], [0.0, 0.0]])
    surface = studies.LossSurface(
        axis, axis, losses, {"path": path}, ("along", "across"), np.array([1.0, 0.0])
    )
    areas = gk.plots.plot_loss_surface(surface).axes[0].collections[0]
    levels = areas.levels if hasattr(areas, "levels") else areas.norm.boundaries
    assert len({int(np.searchsorted(levels, loss)) for loss in losses[10]}) > 4


def test_paths_that_coincide_are_both_seen():
    axis, path = np.arange(3.0), np.array([[0.0, 1.0], [1.0, 1.0]])
    paths = {"one": path, "two": path}
    surface = studies.LossSurface(axis, axis, np.eye(3), paths, ("a", "b"), np.array([1.0, 0.0]))
    drawn = [line for line in gk.plots.plot_loss_surface(surface).axes[0].lines if len(line.get_xdata()) > 1]
    assert [line.get_color() == "white" for line in drawn] == [True, True, False, False]
    assert drawn[2].get_linestyle() != drawn[3].get_linestyle()
