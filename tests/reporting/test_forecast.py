"""The forecast in words and tables."""

import pytest

from altool.labels.costs import Cost
from altool.metrics.forecast import LABELS, LEVEL, REACHED, UNKNOWN
from altool.reporting.content import Aim, ClassReport, Estimate, Labels, Past
from altool.reporting.forecast import Forecast, Needed, Outlook, cells, of_rounds, rough

SOME = Outlook(LABELS, Needed((420, 250, 744), (8400.0, 5000.0, 14880.0)), None)
MORE = Outlook(LABELS, Needed((1234, 987, 1999), (24680.0, 19740.0, 39980.0)), None)
LEVELS = Outlook(LEVEL, None, (0.834, 0.801, 0.862))
OPEN, MET = Outlook(UNKNOWN, None, None), Outlook(REACHED, Needed((0, 0, 0), (0.0, 0.0, 0.0)), None)


def forecast(classes, together=None, *, rounds=5, held_out=True, followed=True, unit="seconds"):
    return Forecast(classes, together, rounds, held_out, followed, unit)


@pytest.mark.parametrize(
    ("classes", "together", "said"),
    [
        ({"a": MET}, None, ""),
        ({"a": MET, "b": OPEN}, None, "forecast: 1 open class: 1 cannot be told yet"),
        ({"a": LEVELS, "b": LEVELS, "c": OPEN}, None, "forecast: 3 open classes: 1 cannot be told yet; 2 not reachable with this model"),
        ({"a": SOME}, SOME.needed, "forecast: 420 more labels [250, 740] (2.3 h [83 min, 4.1 h]) for the target of 1 of 1 open class"),
        (
            {"a": SOME, "b": MORE, "c": OPEN},
            Needed((1234, 987, 1999), None),
            "forecast: 1,200 more labels [990, 2,000] for the targets of 2 of 3 open classes; 1 cannot be told yet",
        ),
        (
            {"a": SOME, "b": MORE},
            Needed((1400, 1100, None), (700.0, 550.0, None)),
            "forecast: at least 1,100 more labels (9 min) for the targets of 2 of 2 open classes",
        ),
        ({"a": SOME, "b": MORE}, None, "forecast: more than 9 times as many labels as now for the targets of 2 of 2 open classes"),
    ],
)
def test_the_sum_in_words(classes, together, said):
    assert forecast(classes, together).line() == said


def test_what_is_lacking_is_said():
    assert forecast({"a": OPEN}, followed=False).line() == ""
    assert forecast({"a": OPEN}, held_out=False, rounds=1).line().startswith("forecast: cannot tell without a holdout")
    assert forecast({"a": OPEN}, rounds=3).line() == "forecast: cannot tell yet, 3 of at least 4 rounds on this holdout"


def test_the_table_has_what_needs_most_first():
    head, rows = forecast({"a": SOME, "b": MORE, "c": LEVELS, "d": OPEN, "e": MET}).table()
    assert head == ["class", "more labels", "80 %", "time", "80 %"]
    assert rows == [
        ("c", ["levels off at 0.83", "0.80–0.86", "", ""]),
        ("b", ["1,200", "990–2,000", "6.9 h", "5.5 h–11.1 h"]),
        ("a", ["420", "250–740", "2.3 h", "83 min–4.1 h"]),
    ]
    assert forecast({"d": OPEN, "e": MET}).table() is None


def test_without_costs_there_are_no_columns_of_them():
    head, rows = forecast({"a": Outlook(LABELS, Needed((420, 250, 744), None), None), "c": LEVELS}).table()
    assert (head, [len(cells_) for _, cells_ in rows]) == (["class", "more labels", "80 %"], [2, 2])
    assert forecast({"a": SOME}, unit="cost").table()[1] == [("a", ["420", "250–740", "8,400 cost", "5,000 cost–1.488e+04 cost"])]


@pytest.mark.parametrize(("number", "shown"), [(0, 0), (7, 7), (99, 99), (104, 100), (996, 1000), (1234, 1200), (98765, 99000)])
def test_numbers_have_two_digits(number, shown):
    assert rough(number) == shown


def line(name, metric, value, target, *, met=False, labels=50, support=40):
    aim = Aim(metric, target, 1.0, target - value, 1.0, met, "estimate" if met else "not_yet", None)
    return ClassReport(name, labels, {}, support, {metric: Estimate(value, 0.0, 1.0)}, 0.9, None, aim)


LAW = [0.8, 0.86, 0.9, 0.93]  # at 50, 100, 200 and 400 labels about 1 - 1.4 / sqrt(n)


def past(rows=100, **others):
    return [
        Past(place, count, {}, {"a": {"f1": LAW[place], "accuracy": LAW[place]}}, rows, {"a": (40, 10 * (place + 1)), **others})
        for place, count in enumerate([50, 100, 200])
    ]


LABELED = Labels(training=400, by_source={"seed": 50, "exploit": 350}, skipped=0, by_round={}, contested=0)


def test_costs_are_those_of_a_label_so_far():
    """350 labels cost 1,400 seconds; the seed set is free."""
    cost = Cost(False, {}, [], 1400.0, 1.0, [], [])
    found = of_rounds([line("a", "accuracy", LAW[3], 0.95)], 1000, LABELED, past(rows=1000), cost, held_out=True)
    needed = found.classes["a"].needed
    assert (found.rounds, found.classes["a"].state) == (4, LABELS)
    assert needed.cost == pytest.approx([4 * number for number in needed.labels])
    assert found.together == needed
    assert cells(found, "a") == {
        "forecast": LABELS,
        **dict(zip(("labels_to_target", "labels_to_target_low", "labels_to_target_high"), needed.labels, strict=True)),
    }


def test_accuracy_is_a_share_of_all_measured_rows_and_other_metrics_of_the_rows_of_the_class():
    few, many = (
        of_rounds([line("a", metric, LAW[3], 0.95)], 1000, LABELED, past(rows=1000), None, held_out=True).classes["a"]
        for metric in ("f1", "accuracy")
    )
    assert (few.state, many.state) == (UNKNOWN, LABELS)


@pytest.mark.parametrize(("rows", "held_out", "rounds"), [(1000, True, 4), (999, True, 1), (1000, False, 1)])
def test_only_rounds_on_the_same_holdout_count(rows, held_out, rounds):
    found = of_rounds([line("a", "accuracy", LAW[3], 0.95)], 1000, LABELED, past(rows=rows), None, held_out=held_out)
    assert (found.rounds, found.classes["a"].state) == (rounds, LABELS if rounds == 4 else UNKNOWN)


def test_classes_without_a_target_to_meet_have_no_forecast():
    left_out = line("b", "f1", 0.5, 0.9)
    left_out = ClassReport(**{**vars(left_out), "target": Aim("f1", 0.9, 0.0, 0.4, 0.0, None, None, None)})
    assert of_rounds([left_out], 100, LABELED, past(), None, held_out=True) is None
    found = of_rounds([line("new", "f1", 0.5, 0.9), left_out], 100, LABELED, past(), None, held_out=True)
    assert list(found.classes) == ["new"]
    assert found.classes["new"] == OPEN  # it is in no earlier round
    assert cells(found, "b") == dict.fromkeys(("forecast", "labels_to_target", "labels_to_target_low", "labels_to_target_high"))


def test_the_summary_is_plain():
    assert forecast({"a": LEVELS}).summary() == {
        "classes": [{"class": "a", "state": LEVEL, "needed": None, "level": (0.834, 0.801, 0.862)}],
        "together": None,
        "rounds": 5,
        "unit": "seconds",
        "line": "forecast: 1 open class: 1 not reachable with this model",
    }
