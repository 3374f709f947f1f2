"""Plots: inline SVG without anything from outside, for ordinary and for degenerate content."""

import matplotlib
import numpy as np
import pytest

from altool import seeds
from altool.metrics.evaluation import evaluate
from altool.metrics.gaps import Aims
from altool.reporting import content, plots
from altool.reporting.projection import project


def report(classes, past=(), aims=None, round_=3):
    size = len(classes)
    true = np.arange(2 * size) % size
    evaluation = evaluate(true, np.eye(size, dtype=np.float32)[true], [0.9] * size, seeds.generator(0, "test"))
    proved = (["estimate"] * size, [None] * size) if aims else ([], [])
    total, counts = content.labels([(name, "seed", 0) for name in classes], 0)
    return content.Report(
        round=round_,
        measured_on="out-of-fold",
        rows=content.Rows(2 * size, {"seed": 2 * size}, 0, 0, 0, {}),
        overall=content.overall(evaluation, past),
        classes=content.class_reports(classes, evaluation, [0.9] * size, aims, counts, past, states=proved),
        labels=total,
        history=list(past),
        queries=[],
        suggestions={},
    )


PAST = [
    content.Past(0, None, {"macro_f1": 0.1}, {"a": {"f1": 0.2}}),
    content.Past(None, 1, {"macro_f1": None, "accuracy": 0.3}, {}),
]


@pytest.mark.slow
@pytest.mark.parametrize("classes", [["a"], ["a", "_b"], [f"class {number}" for number in range(40)]])
def test_all_plots(classes):
    size = len(classes)
    found = report(classes, PAST, Aims(("f1",) * size, np.full(size, 0.9), (np.arange(size) > 0).astype(float), (0.9,) * size))
    drawn = {
        "values": plots.values(found),
        "labels": plots.labels_by_source(found),
        "curves": plots.curves(found),
        "map": plots.scatter(plots.Map(np.zeros((2, 2)), np.array([-1, 0]), np.array([False, False]), "caption"), classes),
    }
    for name, svg in drawn.items():
        assert svg.startswith("<svg ")
        assert "http" not in svg
        assert "currentColor" in svg
        assert svg.count(' id="') == svg.count(f' id="{name}-')
    assert drawn["values"] == plots.values(found)


def test_curves_against_labels_or_rounds():
    growing = [content.Past(0, 1, {"macro_f1": 0.1}, {}), content.Past(1, 2, {"macro_f1": 0.2}, {})]
    assert ">labels</text>" in plots.curves(report(["a", "b", "c"], growing))
    assert ">round</text>" in plots.curves(report(["a"], growing))  # 1, 2, 1 labels: no axis


def test_user_settings_play_no_part_and_stay():
    plain = plots.values(report(["a", "b"]))
    with matplotlib.rc_context({"font.size": 30, "text.color": "red", "svg.fonttype": "path"}):
        assert plots.values(report(["a", "b"])) == plain
        assert matplotlib.rcParams["font.size"] == 30


def test_text_is_escaped():
    svg = plots.values(report(["<script>", "$x$ & y", "url(#a)"]))
    assert "&lt;script&gt;" in svg
    assert "$x$ &amp; y" in svg
    assert ">url(#a)</text>" in svg
    assert "<script" not in svg


@pytest.mark.slow
def test_projection_finds_the_widest_direction():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 6)) * [10, 0.1, 3, 0.1, 0.1, 0.1] + 5
    points = project(features, features, 0)
    assert abs(np.corrcoef(points[:, 0], features[:, 0])[0, 1]) > 0.99
    assert abs(np.corrcoef(points[:, 1], features[:, 2])[0, 1]) > 0.99
    assert np.abs(points).max() == 1
    assert (points == project(features, features, 0)).all()


@pytest.mark.parametrize("features", [np.ones((5, 3)), np.ones((1, 3)), np.arange(4.0)[:, None]])
def test_projection_of_little(features):
    points = project(features.astype(np.float32), features.astype(np.float32), 0)
    assert points.shape == (len(features), 2)
    assert np.isfinite(points).all()
