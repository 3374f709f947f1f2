"""The report in a terminal: the worst classes first, and no more of them than a screen holds."""

from __future__ import annotations

import pytest

from altool.console import Console
from altool.labels.costs import Acceptance, Cost, Times
from altool.metrics.forecast import LABELS
from altool.reporting import terminal
from altool.reporting.content import Aim, ClassReport, Estimate, Labels, Report, Rows
from altool.reporting.forecast import Forecast, Needed, Outlook
from altool.reporting.searches import Search


def a_class(name: str, value: float, target: float | None = None, priority: float = 1.0) -> ClassReport:
    aim = None
    if target is not None:
        met = value >= target if priority else None
        state = None if met is None else "estimate" if met else "not_yet"
        aim = Aim("f1", target, priority, target - value, 0.0, met, state, None)
    estimate = {metric: Estimate(value, max(value - 0.1, 0), min(value + 0.1, 1)) for metric in ("f1", "precision", "recall")}
    return ClassReport(name, 1234, {"explore": 1234}, 1234, estimate, 0.9, None, aim)


def a_report(classes: list[ClassReport], **facts: object) -> Report:
    return Report(
        round=3,
        measured_on="holdout",
        rows=Rows(100, {"holdout": 100}, 0, 0, 0, {}),
        overall={name: Estimate(0.5, 0.4, 0.6) for name in ("accuracy", "shortfall")},
        classes=classes,
        labels=Labels(10, {"explore": 10, "holdout": 100}, 0, {"0": 10}, 0),
        history=[],
        queries=[],
        suggestions={},
        **facts,  # type: ignore[arg-type]
    )


def printed(report: Report, capsys: pytest.CaptureFixture[str], *, every_class: bool = False) -> list[str]:
    console = Console()
    for part in terminal.render(report, every_class=every_class):
        console.print(part)
    return capsys.readouterr().out.splitlines()


def test_what_lacks_most_comes_first() -> None:
    lines = [a_class("met", 0.9, 0.5), a_class("left out", 0.0, 0.9, priority=0), a_class("near", 0.7, 0.8), a_class("far", 0.6, 0.95)]
    assert [line.name for line in terminal.worst_first(lines)] == ["far", "near", "met", "left out"]
    without = [a_class("b", 0.5), a_class("a", 0.5), a_class("worst", 0.1)]
    assert [line.name for line in terminal.worst_first(without)] == ["worst", "b", "a"]


def test_of_many_classes_the_worst_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"class{number:03}" for number in range(151)]
    classes = [a_class(name, number / 151, 0.99) for number, name in enumerate(names)]
    cost = Cost(
        given=False,
        prices=dict.fromkeys(("verified", "corrected", "scratch")),
        rounds=[],
        total=None,
        per_row=1.0,
        times=[Times(None, name, 1.0, 2.0, 3.0, {"verified": 1, "corrected": 1, "scratch": 1}) for name in (None, *names)],
        acceptance=[Acceptance(None, name, 10, 5, 0.2, 0.8) for name in (None, *names)],
    )
    outlooks = {name: Outlook(LABELS, Needed((10, 5, 20), None), None) for name in names}
    forecast = Forecast(outlooks, Needed((1000, 500, 2000), None), 5, True, True, "seconds")
    searches = [Search(0, name, 1, 1) for name in names]
    report = a_report(classes, cost=cost, forecast=forecast, searches=searches)
    lines = printed(report, capsys)
    assert len(lines) < 190  # before: 1,100
    assert [line for line in lines if "--all" in line] == [
        "131 more classes: --all",  # values
        "131 more open classes: --all",  # forecast
        *["131 more classes: --all"] * 3,  # labels, suggestions, seconds
    ]
    shown = {line.split()[0] for line in lines if line.strip().startswith("class0")}
    assert shown == set(names[:20])
    whole = printed(report, capsys, every_class=True)
    assert not any("--all" in line for line in whole)
    assert {line.split()[0] for line in whole if line.strip().startswith("class")} >= set(names)


def test_a_single_class_more(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(a_report([a_class(str(number), 0.5) for number in range(21)]), capsys)
    assert lines.count("1 more class: --all") == 2


def test_nothing_is_cut_in_mid_word_at_80_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Before: `application_statu` and, on the next line, `s`."""
    monkeypatch.setenv("COLUMNS", "80")
    long = "a name of several long words, and more of them still"
    classes = [a_class(name, 0.5, 0.8) for name in ("application_status_of_a_very_long_name", long, "short")]
    lines = printed(a_report(classes), capsys)
    assert all(len(line) <= 80 for line in lines)
    start = next(place for place, line in enumerate(lines) if line.startswith(" application_status"))
    assert [line[:27].strip() for line in lines[start : start + 4]] == [
        "application_status_of_a_…",
        "a name of several long",
        "words, and more …",
        "short",
    ]
