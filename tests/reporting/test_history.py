"""What histories say, by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest

from altool import seeds
from altool.reporting import history
from altool.reporting.history import Difference, default_level, summarize
from altool.reporting.history_cells import summary_rows
from altool.reporting.history_series import BALANCE, CLASS_METRIC, common_range, rarest, series, unpaired, with_own_tails
from altool.reporting.pages.comparison import render as render_page

COLUMNS = ("run", "repeat", "round", "class", "value", "total", "labels", "pool", "seconds", "verified", "corrected", "scratch")


def rows(*lines):
    """Columns from (run, repeat, round, class, value, total, labels, pool, seconds), the last ones None if they are missing."""
    return {name: [[*line, *[None] * 7][place] for line in lines] for place, name in enumerate(COLUMNS)}


def run(name, repeat, totals, values, classes=None, seconds=None, pool=None):
    """The lines of one repeat. `classes` gives each class its values; each has half of the labels."""
    lines = []
    for round_, (total, value) in enumerate(zip(totals, values, strict=True)):
        lines.append((name, repeat, round_, None, value, total, total, None, seconds and seconds[round_]))
        for class_, heights in (classes or {}).items():
            lines.append((name, repeat, round_, class_, heights[round_], total, total // 2, pool and pool[class_], None))
    return lines


def summary(*lines, metric="macro_f1", **options):
    found, classes = series(rows(*lines), metric, options.get("prices"))
    options.setdefault("generator", lambda: seeds.generator(0, "test"))
    return summarize(found, classes, metric, common_range(found), **options)


def of(found, name):
    return next(run for run in found.runs if run.name == name)


def test_every_metric_has_a_name():
    named = {name: history.metric_name(name) for name in (*CLASS_METRIC, *CLASS_METRIC.values(), *BALANCE)}
    assert {metric for metric, name in named.items() if name == "R@P"} == set()


def test_series():
    lines = [
        *run("b", 0, [10, 20], [0.1, 0.2], {"x": [0.3, 0.4], "w": [0.5, 0.6]}, seconds=[30.0, 60.0], pool={"x": 7, "w": 8}),
        *run("a", 1, [10, 30, 30], [0.1, 0.2, 0.3], {"x": [0, 0, 0.5]}),
    ]
    found, classes = series(rows(*lines[::-1]), "macro_f1")
    assert classes == ("w", "x")
    assert [(one.run, one.repeat) for one in found] == [("a", 1), ("b", 0)]
    a, b = found
    assert a.labels.tolist() == [10, 30]  # the last round with 30 labels
    assert a.value.tolist() == [0.1, 0.3]
    assert a.classes.tolist() == [[0, 0], [0, 0.5]]  # w is missing: 0
    assert (a.counts.tolist(), a.pool, a.seconds) == ([[0, 5], [0, 15]], None, None)
    assert b.classes.tolist() == [[0.5, 0.3], [0.6, 0.4]]
    assert (b.pool.tolist(), b.seconds.tolist()) == ([8, 7], [30, 60])


def test_each_repeat_may_have_a_tail_of_its_own():
    """In the first repeat x is rare, in the second w."""
    classes = {"w": [0.2, 0.4], "x": [0.6, 0.8]}
    lines = [
        *run("a", 0, [10, 20], [0.4, 0.6], classes, pool={"w": 9, "x": 2}),
        *run("a", 1, [10, 20], [0.4, 0.6], classes, pool={"w": 2, "x": 8}),
    ]
    found, _ = series(rows(*lines), "macro_f1")
    own = with_own_tails(found, 0.5)
    assert [one.tail.tolist() for one in own] == [[False, True], [True, False]]
    tail = rarest(own, 0.5, None)
    done = summarize(own, ("w", "x"), "macro_f1", (10, 20), tail=tail, generator=lambda: seeds.generator(0, "test"))
    assert done.own_tails
    assert of(done, "a").final["tail"].value == pytest.approx((0.8 + 0.4) / 2)
    assert of(done, "a").final["head"].value == pytest.approx((0.4 + 0.8) / 2)
    assert of(done, "a").tail_share == 0.5
    assert any("each repeat has a pool of its own" in note for note in done.notes)
    same = with_own_tails([one for one in found if one.repeat == 0], 0.5)
    assert same[0].tail is None


def test_a_metric_of_classes_is_averaged():
    found, _ = series(rows(*run("a", 0, [1, 2], [0.9, 0.9], {"x": [0.1, 0.3], "y": [0.3, 0.5]})), "f1")
    assert found[0].value.tolist() == pytest.approx([0.2, 0.4])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (run("a", 0, [1], [0.5]) * 2, "run 'a', repeat 0, round 0: the metric of all classes appears twice"),
        ([*run("a", 0, [1], [0.5], {"x": [0.1]}), ("a", 0, 0, "x", 0.2, 1)], "the metric of 'x' appears twice"),
        ([("a", 0, None, None, 0.2, 1), ("a", 0, None, None, 0.2, 1)], "no round: the metric of all classes appears twice"),
        ([("a", 0, 0, "x", 0.2, 1)], "run 'a', repeat 0: no row of all classes"),
        ([*run("a", 0, [1], [0.5], {"x": [0.1]}), ("a", 0, 1, "x", 0.2, 1)], "round 1: a class has a value, but all classes have none"),
        ([*run("a", 0, [1], [0.5], {"x": [0.1]}), ("a", 0, 1, None, 0.2, 2)], "round 1: no class has a value"),
        (run("a", 0, [9, 5], [0.1, 0.2]), "the labels fall from 9 to 5"),
        ([("a", 0, 0, None, 0.2, None)], "the number of labels of a round is unknown"),
        (run("a", 0, [1], [95.0]), "column 'value': found 95, expected a share from 0 to 1"),
        (run("a", 0, [1], [None]), "column 'value': found nan"),
    ],
)
def test_series_refuses(lines, message):
    with pytest.raises(ValueError, match=message):
        series(rows(*lines), "macro_f1")


def test_curves_without_a_common_range():
    found, _ = series(rows(*run("a", 0, [1, 5], [0, 1]), *run("b", 2, [7, 9], [0, 1])), "macro_f1")
    with pytest.raises(ValueError, match="run 'b', repeat 2 and run 'a', repeat 0 cannot be compared: one curve begins at 7 labels"):
        common_range(found)


CLASSES = {"x": [0.0, 1.0], "y": [0.0, 0.5], "z": [0.2, 0.2]}


def test_areas_and_finals_by_hand():
    found = summary(*run("a", 0, [100, 300], [0.2, 0.6], CLASSES), tail=np.array([False, False, True]))
    one = found.runs[0]
    assert {scope: area.value for scope, area in one.area.items()} == pytest.approx({"all": 40, "head": 37.5, "tail": 20})
    assert {scope: final.value for scope, final in one.final.items()} == pytest.approx({"all": 0.6, "head": 0.75, "tail": 0.2})
    assert (one.area["all"].low, one.curves["all"].low, one.difference) == (None, None, None)
    assert (found.labels, found.tail, found.uneven) == ((100, 300), ("z",), False)
    assert one.shares == pytest.approx({"x": 1 / 3, "y": 1 / 3, "z": 1 / 3})
    assert one.entropy.value == pytest.approx(np.log(3))
    assert one.tail_share == pytest.approx(1 / 3)


def test_curves_of_different_counts():
    found = summary(*run("a", 0, [10, 20], [0.0, 1.0]), *run("a", 1, [10, 15, 30], [0.0, 0.0, 0.6]), *run("b", 0, [12, 40], [0.5, 0.5]))
    assert found.labels == (12, 20)
    assert "compared from 12 to 20 labels, by straight lines" in found.caution
    a = of(found, "a")
    assert a.curves["all"].labels == [10, 15, 20]  # what both repeats cover
    assert a.curves["all"].value == pytest.approx([0, 0.25, 0.6])
    assert (a.curves["all"].low, a.curves["all"].high) == (pytest.approx([0, 0, 0.2]), pytest.approx([0, 0.5, 1]))
    # repeat 0 rises from 0.2 to 1; repeat 1 is 0 up to 15, then rises to 0.2
    assert a.area["all"].value == pytest.approx((60 + 100 * (5 * 0.1) / 8) / 2)


def test_levels_by_hand():
    seconds = [0.0, 600.0]
    found = summary(
        *run("random", 0, [100, 300], [0.2, 0.6], seconds=seconds),
        *run("random", 1, [100, 300], [0.2, 0.6], seconds=seconds),
        *run("fast", 0, [100, 200, 300], [0.2, 0.6, 0.6], seconds=[0, 600, 1200]),
        *run("fast", 1, [100, 200, 300], [0.4, 0.6, 0.3], seconds=[0, 600, 1200]),
        *run("slow", 0, [100, 300], [0.2, 0.3]),
        *run("slow", 1, [100, 300], [0.2, 0.4]),
        baseline="random",
        levels=[0.4, 0.9],
    )
    level, never = of(found, "random").levels
    assert (level.labels.value, level.seconds.value, level.labels_efficiency) == (pytest.approx(200), pytest.approx(300), None)
    assert (never.reached, never.labels) == (0, None)
    level = of(found, "fast").levels[0]
    assert (level.labels.value, level.labels.low, level.labels.high) == (pytest.approx(125), 100, pytest.approx(150))
    assert (level.reached, level.at_start) == (2, 1)
    assert level.labels_efficiency is None  # one repeat is there with its first labels: it needs at most 100
    level = of(found, "slow").levels[0]
    assert (level.reached, level.labels, level.seconds, level.labels_efficiency) == (1, None, None, None)


def test_less_of_a_shortfall_is_better():
    """Sorted, levels, verdicts and words the other way round."""
    lines = [
        *run("random", 0, [100, 300], [0.4, 0.2]),
        *run("random", 1, [100, 300], [0.4, 0.2]),
        *run("random", 2, [100, 300], [0.4, 0.2]),
    ]
    for number, end in enumerate((0.1, 0.11, 0.09)):
        lines += run("good", number, [100, 300], [0.4, end])
        lines += run("bad", number, [100, 300], [0.4, end + 0.2])
    found = summary(*lines, metric="shortfall", baseline="random", levels=[0.25, 0.05, 0.5])
    assert [one.name for one in found.runs] == ["good", "random", "bad"]
    level, never, at_once = of(found, "random").levels
    assert (level.labels.value, never.labels, at_once.labels.value) == (pytest.approx(250), None, 100)
    assert [one.at_start for one in (level, never, at_once)] == [0, 0, 3]
    assert of(found, "good").levels[0].labels_efficiency.value == pytest.approx(250 / 200, rel=1e-2)
    verdicts = {name: text for name, _, text in found.verdicts()}
    assert verdicts["good"].startswith("better than random by 5.0 [")
    assert verdicts["bad"].startswith("worse than random by 5.0 [")
    assert of(found, "good").difference["all"].value == pytest.approx(-5)
    assert "shortfall: what the classes lack of their targets, on average; less is better" in found.notes
    assert [default_level(best, falls=True) for best in (0.09, 0.2, 0.0123)] == [0.1, 0.23, 0.014]
    assert summary(*lines, metric="shortfall").runs[0].levels[0].level == 0.12  # 0.1 / 0.9, rounded up
    assert summary(*run("a", 0, [1, 2], [0.1, 0]), metric="shortfall").runs[0].levels == []


def test_efficiency_is_a_geometric_mean():
    lines = [*run("random", 0, [0, 400], [0, 1]), *run("random", 1, [0, 400], [0, 1])]
    lines += [*run("a", 0, [0, 200, 400], [0, 1, 1]), *run("a", 1, [0, 400], [0, 0.5]), *run("b", 0, [0, 100, 400], [0, 1, 1])]
    found = summary(*lines, baseline="random", levels=[0.5])
    a, b = (of(found, name).levels[0].labels_efficiency for name in "ab")
    assert a.value == pytest.approx(np.sqrt(2 * 0.5))
    assert (a.low, a.high) == (pytest.approx(0.5), pytest.approx(2))
    assert (b.value, b.low) == (pytest.approx(4), None)


def priced(name, repeat, values, answers):
    """The lines of one repeat, 10 labels a round; `answers` so far, by kind."""
    lines = [(name, repeat, place, None, value, 10 * place + 10, None, None, None) for place, value in enumerate(values)]
    return [(*line, *counts) for line, counts in zip(lines, answers, strict=True)]


def test_costs_by_hand():
    """c_v = 1 and c_a = 4: with suggestions 7 of 10 are verified, for 7 + 12 = 19; without, 10 answers cost 40."""
    lines = [
        *priced("badge", 0, [0.2, 0.4, 0.8], [(0, 0, 0), (0, 0, 10), (0, 0, 20)]),
        *priced("suggest", 0, [0.2, 0.4, 0.8], [(0, 0, 0), (7, 3, 0), (14, 6, 0)]),
        *priced("free", 0, [0.2, 0.6, 0.7], [(0, 0, 0), (0, 0, 0), (0, 0, 1)]),
    ]
    found = summary(*lines, baseline="badge", levels=[0.1, 0.6, 0.75, 0.9], prices=(1, 4))

    def needed(name, quantity):
        return [value and value.value for value in (getattr(level, quantity) for level in of(found, name).levels)]

    assert needed("badge", "cost") == [0, 60, 75, None]
    assert needed("suggest", "cost") == [0, pytest.approx(28.5), pytest.approx(19 * 1.875), None]
    assert needed("free", "cost") == [0, 0, None, None]
    assert needed("suggest", "cost_efficiency") == [1, pytest.approx(40 / 19), pytest.approx(40 / 19), None]
    assert needed("free", "cost_efficiency") == [1, None, None, None]
    assert of(found, "suggest").costs == [0, 19, 38]
    table = {(row["run"], row["quantity"], row.get("level"), row.get("labels")): row["value"] for row in summary_rows(found)}
    assert table["suggest", "cost", None, 30] == 38
    assert table["suggest", "cost_needed", 0.6, None] == pytest.approx(28.5)
    assert table["suggest", "cost_efficiency", 0.6, None] == pytest.approx(40 / 19)
    assert b"cost of the labels" in render_page(found, {})
    assert any("cost: 1 for an answer that verified the suggestion, 4 for any other" in note for note in found.notes)


def test_costs_need_the_answers():
    with pytest.raises(ValueError, match="the answers so far"):
        summary(*run("a", 0, [1, 2], [0.1, 0.2]), prices=(1, 4))


def counted(name, repeat, *rounds):
    """The lines of one repeat, of rounds of a value and of each class's F1, labels and rows in the pool."""
    lines = []
    for place, (value, classes) in enumerate(rounds):
        total = sum(labels for _, labels, _ in classes.values())
        lines.append((name, repeat, place, None, value, total, total))
        lines += [(name, repeat, place, class_, f1, total, labels, pool) for class_, (f1, labels, pool) in classes.items()]
    return lines


BALANCED = [
    (0.3, {"a": (0.4, 3, 30), "b": (0.2, 1, 60), "other": (0.3, 0, 10)}),
    (0.6, {"a": (0.6, 6, 30), "b": (0.4, 6, 60), "other": (0.8, 0, 10)}),
]


def test_the_balance_of_labels_by_hand():
    """3, 1 and 0 labels of three classes: mean 4/3, variance (25 + 1 + 16) / 27; then 6, 6 and 0: mean 4, variance 8."""
    found = summary(*counted("a", 0, *BALANCED))
    balance = found.runs[0].balance
    assert balance["label_imbalance"].labels == [4, 12]
    assert balance["label_imbalance"].value == pytest.approx([np.sqrt(14) / 4, np.sqrt(0.5)])
    assert balance["label_entropy"].value == pytest.approx([np.log(4) - 0.75 * np.log(3), np.log(2)])
    assert found.pool == {"a": pytest.approx(0.3), "b": pytest.approx(0.6), "other": pytest.approx(0.1)}
    keyed = {(row["quantity"], row.get("class"), row.get("labels")): row["value"] for row in summary_rows(found)}
    assert keyed["label_imbalance", None, 12] == pytest.approx(np.sqrt(0.5))
    assert keyed["pool_share", "b", None] == pytest.approx(0.6)


def test_classes_that_are_left_out_by_hand():
    found, classes = series(rows(*counted("a", 0, *BALANCED)), "macro_f1", left_out={"other"})
    found = summarize(
        found, classes, "macro_f1", (4, 12), tail=np.array([False, True, False]), generator=lambda: seeds.generator(0, "test")
    )
    one = found.runs[0]
    assert found.left_out == ("other",)
    assert one.curves["all"].value == pytest.approx([0.3, 0.5])  # of a and b
    assert one.curves["head"].value == pytest.approx([0.4, 0.6])  # of a alone
    assert one.balance["label_imbalance"].value == pytest.approx([0.5, 0])  # 3 and 1, then 6 and 6
    assert one.shares == pytest.approx({"a": 0.5, "b": 0.5, "other": 0})
    assert "left out of all means over classes: other" in found.notes
    rare = rarest(series(rows(*counted("a", 0, *BALANCED)), "macro_f1", left_out={"other"})[0], 0.4, None)
    assert rare.tolist() == [True, False, False]  # other has fewer rows than a


def test_the_balance_as_the_metric():
    lines = [line for number in range(3) for line in counted("a", number, *BALANCED)]
    lines += [line for number in range(3) for line in counted("random", number, BALANCED[0], (0.9, {"a": (1, 8, 30), "b": (1, 4, 60)}))]
    columns = rows(*lines)
    found, classes = series(columns, "label_imbalance", left_out={"other"})
    found = summarize(found, classes, "label_imbalance", (4, 12), baseline="random", generator=lambda: seeds.generator(0, "test"))
    assert [one.name for one in found.runs] == ["a", "random"]  # the more even one first
    assert of(found, "a").area["all"].value == pytest.approx(25)  # from 0.5 to 0
    assert of(found, "random").final["all"].value == pytest.approx(1 / 3)  # 8 and 4: mean 6, deviation 2
    assert of(found, "random").class_curves["a"].value == pytest.approx([0.75, 2 / 3])
    assert of(found, "a").difference["all"].verdict == "better"
    assert (found.class_metric, found.choice, found.runs[0].levels) == ("label_share", None, [])
    assert b"points over random" in render_page(found, {})
    columns["labels"] = [None] * len(columns["labels"])
    with pytest.raises(ValueError, match="run 'a', repeat 0: the labels of each class are unknown"):
        series(columns, "label_entropy")


def test_pools_that_differ_are_not_one():
    other = [(value, {**classes, "a": (0.1, 3, 900)}) for value, classes in BALANCED]
    assert summary(*counted("a", 0, *BALANCED), *counted("b", 0, *other)).pool is None
    assert summary(*run("a", 0, [1, 2], [0.1, 0.2])).pool is None


def test_points_over_the_baseline_by_hand():
    """20 and 10 points at the end; at the baseline's numbers of labels alone."""
    lines = [*run("random", 0, [0, 10], [0, 0.2]), *run("random", 1, [0, 10], [0.1, 0.2])]
    lines += [*run("a", 0, [0, 5, 10], [0, 0.9, 0.4]), *run("a", 1, [0, 10], [0.1, 0.3]), *run("once", 1, [0, 10], [0.2, 0.1])]
    found = summary(*lines, baseline="random")
    over = of(found, "a").over_baseline["all"]
    assert (over.labels, over.value) == ([0, 10], pytest.approx([0, 15]))
    assert (over.low[0], over.high[0]) == (0, 0)
    assert over.low[1] < 10 < 20 < over.high[1]
    assert of(found, "once").over_baseline["all"].value == pytest.approx([10, -10])
    assert (of(found, "once").over_baseline["all"].low, of(found, "random").over_baseline) == (None, None)
    keyed = {(row["run"], row["quantity"], row.get("labels")): row for row in summary_rows(found)}
    assert (keyed["a", "difference", 10]["value"], keyed["a", "difference", 10]["repeats"]) == (pytest.approx(15), 2)
    assert (keyed["once", "difference", 10]["repeats"], keyed["once", "difference", 10]["interval"]) == (1, None)
    assert "−10.0" in render_page(found, {}).decode()


def test_what_each_saves_against_each_by_hand():
    """To 0.4: random 200 labels, fast 150, slow never; to 0.2 all have it at once."""
    lines = [*run("random", 0, [100, 300], [0.2, 0.6]), *run("fast", 0, [100, 200, 300], [0.2, 0.6, 0.6])]
    lines += run("slow", 0, [100, 300], [0.2, 0.3])
    found = summary(*lines, baseline="random", levels=[0.2, 0.4])
    assert {(one.run, one.baseline, one.level): one.share for one in found.saved} == {
        ("fast", "random", 0.4): pytest.approx(0.25),
        ("random", "fast", 0.4): pytest.approx(-1 / 3),
    }
    saved = [row for row in summary_rows(found) if row["quantity"] == "labels_saved"]
    assert [(row["run"], row["baseline"], row["labels"]) for row in saved] == [("fast", "random", 150), ("random", "fast", 200)]
    text = render_page(found, {}).decode()
    assert "<td>−33 %</td>" in text
    assert "labeling efficiency by labels" in text  # a curve over the two levels
    assert "saved" not in found.summary()


def test_the_level_by_default():
    assert [default_level(best) for best in (0.7342, 1.0, 0.5, 0.0123, 0.1)] == [0.66, 0.9, 0.45, 0.011, 0.09]
    found = summary(*run("a", 0, [1, 2], [0.1, 0.2]), *run("b", 0, [1, 2], [0.4, 0.6]))
    assert [level.level for level in found.runs[0].levels] == [0.54]
    assert found.runs[0].name == "b"  # the largest area first
    assert summary(*run("a", 0, [1, 2], [0, 0])).runs[0].levels == []


def noisy(name, gains, base):
    return [line for number, gain in enumerate(gains) for line in run(name, number, [0, 10], [base[number], base[number] + gain])]


def test_differences_are_paired():
    base = np.linspace(0.1, 0.8, 6)  # what repeats have in common is much larger than the gains
    lines = noisy("random", [0.0] * 6, base) + noisy("good", [0.04, 0.05, 0.06, 0.05, 0.04, 0.06], base)
    lines += noisy("bad", [-0.04, -0.05, -0.06, -0.05, -0.04, -0.06], base) + noisy("same", [0.04, -0.05, 0.02, -0.01, 0.03, -0.02], base)
    lines += noisy("twin", [0.0] * 6, base) + noisy("once", [0.1], base)
    lines += [(*line[:1], 99, *line[2:]) for line in run("apart", 0, [0, 10], [0, 0.1])]
    found = summary(*lines, baseline="random")
    kinds = {one.name: one.difference and one.difference["all"].verdict for one in found.runs}
    same = "no difference"
    assert kinds == {"random": None, "good": "better", "bad": "worse", "same": same, "twin": same, "once": "unknown", "apart": None}
    good = of(found, "good").difference["all"]
    assert good.value == pytest.approx(2.5)  # the mean gain is 0.05 at the end, half of it on average
    assert 1.5 < good.low < 2.5 < good.high < 3.5
    said = {name: verdict for name, _, verdict in found.verdicts()}
    assert said["good"] == f"better than random by 2.5 [{good.low:.1f}, {good.high:.1f}]"
    assert said["bad"].startswith("worse than random by 2.5 [")
    assert said["same"].startswith("no detectable difference from random: 0.1 [-")
    assert said["twin"] == "no detectable difference from random: 0.0 [0.0, 0.0]"
    assert said["once"] == "5.0 against random in 1 repeat: no interval, so no verdict"
    assert said["apart"] == "no repeat in common with random"
    assert found.result == "; against random: 1 better, 1 worse, 2 without a detectable difference, 1 without an interval"
    alone = of(summary(*noisy("random", [0.0] * 6, base), *lines[12:24], baseline="random"), "good").difference["all"]
    assert replace(good, joint=None) == replace(alone, joint=None)  # but for that one, it depends on no other run
    assert good.joint[0] < alone.joint[0]


def test_points_have_two_digits():
    assert history._verdict(Difference(0.04, 0.01, 0.07, 5, "better"), "r") == "better than r by 0.040 [0.010, 0.070]"
    assert history._verdict(Difference(-31.4, -52, -12, 5, "worse"), "r") == "worse than r by 31.4 [12.0, 52.0]"


def test_unpaired():
    lines = [*run("random", 0, [1, 2], [0, 1]), *run("random", 1, [1, 2], [0, 1]), *run("a", 1, [1, 2], [0, 1])]
    found, _ = series(rows(*lines), "macro_f1")
    assert unpaired(found, "random") == ["1 run with other repeats than random; only common repeats are compared (a: 1)"]
    assert unpaired(found, None) == []


def test_rarest():
    pool = {"x": 5, "y": 1, "z": 9}
    found, _ = series(rows(*run("a", 0, [2, 8], [0, 1], CLASSES, pool=pool)), "macro_f1")
    assert rarest(found, 0.3, None).tolist() == [False, True, False]
    lines = [("a", 0, 0, None, 0.1, 10), *(("a", 0, 0, name, 0.1, 10, count) for name, count in (("x", 6), ("y", 3), ("z", 1)))]
    lines += [("r", 0, 0, None, 0.1, 10), *(("r", 0, 0, name, 0.1, 10, count) for name, count in (("x", 1), ("y", 2), ("z", 9)))]
    found, _ = series(rows(*lines), "macro_f1")
    assert rarest(found, 0.3, "r").tolist() == [True, False, False]  # what was labeled at random tells the pool
    assert rarest(found, 0.3, None).tolist() == [False, True, False]
    found, _ = series(rows(*run("a", 0, [2, 8], [0, 1])), "macro_f1")
    with pytest.raises(ValueError, match="the tail is unknown"):
        rarest(found, 0.3, None)


def test_summary_rows():
    lines = [*run("random", 0, [0, 10], [0, 1], CLASSES), *run("a", 0, [0, 10], [0, 0.5], CLASSES)]
    found = summary(*lines, baseline="random", levels=[0.25], tail=np.array([True, False, False]))
    table = summary_rows(found)
    assert len({tuple(row.get(key) for key in ("run", "scope", "class", "quantity", "labels", "level")) for row in table}) == len(table)
    keyed = {(row["run"], row["scope"], row["quantity"], row.get("class"), row.get("labels")): row for row in table}
    assert keyed["a", "all", "area", None, None]["value"] == 25
    assert keyed["a", "all", "area_difference", None, None]["value"] == -25
    assert keyed["a", "tail", "final", None, 10]["value"] == 1
    assert keyed["a", "tail", "final", None, 10]["metric"] == "f1"
    assert keyed["a", "all", "labels_needed", None, None]["value"] == 5
    assert keyed["a", "all", "labels_efficiency", None, None]["value"] == 0.5
    assert keyed["random", "class", "curve", "y", 10]["value"] == 0.5
    assert keyed["a", "class", "label_share", "z", None]["value"] == pytest.approx(1 / 3)
    assert ("random", "all", "area_difference", None, None) not in keyed
    assert all(row["interval"] is None for row in table)


def test_summary_is_json():
    lines = [
        *run("random", 0, [0, 10], [0, 1], CLASSES),
        *run("random", 1, [0, 10], [0, 1], CLASSES),
        *run("a", 0, [0, 10], [0, 0.5], CLASSES),
    ]
    found = summary(*lines, baseline="random", levels=[0.25, 0.9])
    said = json.loads(json.dumps(found.summary(), allow_nan=False))
    assert said["labels"] == [0, 10]
    assert "class_curves" not in said["runs"][0]
    assert said["runs"][0]["curves"]["all"]["labels"] == [0, 10]


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 31])
def test_pages_of_few_and_many_classes(count):
    classes = {f"class {number:02d}": [0.1, number / 50] for number in range(count)}
    lines = [line for number in range(12) for line in run(f"_run {number}", 0, [5, 9], [0.1, number / 20], classes)]
    found = summary(*lines, tail=np.arange(count) < 1 if count > 1 else None, baseline="_run 3")
    text = render_page(found, {}).decode()
    assert ("of each class, means" in text) == (count == 2)
    assert text.count("_run 3 (baseline)</") >= 3  # a curve, its legend, a table
    assert ("19 more classes" in text) == (count == 31)


def test_a_page_of_one_point():
    text = render_page(summary(*run("a", 0, [5], [0.5])), {}).decode()
    assert text.count("</figure>") == 1
    assert "Against" not in text
