"""What the labels of a log cost, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from altool.labels.costs import costs
from altool.metrics.cost import ratio
from altool.metrics.intervals import wilson
from altool.reporting import cost


def answer(id: str, label: str | None, suggested: str | None = None, seconds: float | None = None, **values: Any) -> dict[str, Any]:
    return {"id": id, "label": label, "suggested_label": suggested, "seconds": seconds, "source": "exploit", "round": 1,
            "annotator": "ann", "status": "labeled" if label else "skipped", **values}  # fmt: skip


LOG = [
    answer("s1", "cat", None, 9.0, source="seed", round=0),
    answer("s2", "dog", None, None, source="seed", round=0),
    answer("h1", "dog", None, None, source="holdout", round=0),
    answer("a", "cat", "cat", 1.0),
    answer("b", "cat", "cat", 3.0),
    answer("c", "dog", "cat", 8.0),
    answer("c", "dog", "cat", 6.0, annotator="bob"),
    answer("d", None, "dog", 2.0),
    answer("e", "dog", None, 5.0),  # its queries say what was suggested
    answer("f", "cat", None, None, source="auto", annotator=None),
    answer("g", "dog", None, None, round=2),
]
QUERIES = [
    {"id": key, "round": 1, "tier": tier, "suggested_label": "dog"}
    for key, tier in (("a", "hard"), ("c", "hard"), ("e", "intermediate"), ("f", "easy"))
]
LABELS = {"s1": "cat", "s2": "dog", "h1": "dog", "a": "cat", "b": "cat", "c": "dog", "d": None, "e": "dog", "g": "dog"}


def test_given_prices() -> None:
    found = costs(LOG, QUERIES, LABELS, (1, 4))
    assert found
    assert [(one.round, one.verified, one.corrected, one.scratch, one.auto, one.free, one.cost) for one in found.rounds] == [
        (0, 0, 0, 0, 0, 3, 0),
        (1, 3, 2, 1, 1, 0, 3 * 1 + 3 * 4),
        (2, 0, 0, 1, 0, 0, 4),
    ]
    assert (found.total, found.given, found.unit) == (19, True, "cost")
    assert found.per_row == 7 / 6  # c was answered twice


def test_measured_prices_and_times() -> None:
    found = costs(LOG, QUERIES, LABELS, None)
    assert found
    # verified: a, b, e; corrected: c twice; from scratch: s1, d
    assert found.prices == {"verified": 3, "corrected": 7, "scratch": 5.5}
    assert [one.cost for one in found.rounds] == [0, 3 * 3 + 2 * 7 + 5.5, 5.5]
    times = {(one.annotator, one.class_): (one.verified, one.corrected, one.scratch, one.timed) for one in found.times}
    assert times[None, None] == (3, 7, 5.5, {"verified": 3, "corrected": 2, "scratch": 2})
    assert times["bob", None] == (None, 6, None, {"verified": 0, "corrected": 1, "scratch": 0})
    assert times[None, "cat"] == (2, None, 9, {"verified": 2, "corrected": 0, "scratch": 1})
    assert list(times) == [(None, None), ("ann", None), ("bob", None), (None, "cat"), (None, "dog")]


def test_acceptance_counts_rows_that_people_labeled() -> None:
    found = costs(LOG, QUERIES, LABELS, None)
    assert found
    counted = {(one.tier, one.class_): (one.suggested, one.accepted) for one in found.acceptance}
    assert counted == {
        (None, None): (4, 3),
        ("hard", None): (2, 1),
        ("intermediate", None): (1, 1),
        (None, "cat"): (3, 2),
        (None, "dog"): (1, 1),
        ("hard", "cat"): (2, 1),
        ("intermediate", "dog"): (1, 1),
    }
    assert (found.suggestions("hard"), found.suggestions(), found.suggestions("easy")) == ((2, 1), (4, 3), (0, 0))
    hard = next(one for one in found.acceptance if (one.tier, one.class_) == ("hard", None))
    assert (hard.low, hard.high) == pytest.approx([float(end) for end in wilson(1, 2)])


def test_rows_that_were_left_to_the_machine_are_no_sample() -> None:
    """Whoever answers them chose them; the audited rows alone are drawn at random."""
    log = [answer("x", "dog", "cat"), answer("y", "cat", "cat")]
    queries = [{"id": key, "round": 1, "tier": "easy", "source": source} for key, source in (("x", "auto"), ("y", "exploit"))]
    found = costs(log, queries, {"x": "dog", "y": "cat"}, None)
    assert found
    assert found.suggestions("easy") == (1, 1)


def test_nothing_to_say() -> None:
    bare = [answer("a", "cat"), answer("b", "cat", source="auto")]
    assert costs(bare, [], {"a": "cat"}, None) is None
    given = costs(bare, [], {"a": "cat"}, (1, 3))
    assert given
    assert (given.total, given.times, given.acceptance) == (3, [], [])
    only = costs([answer("a", "cat", "dog")], [], {"a": "cat"}, None)
    assert only
    assert (only.total, only.rounds[0].cost, cost.note(only)) == (None, None, "")
    assert costs([], [], {}, (1, 3)).total == 0  # type: ignore[union-attr]


def test_the_same_row_twice_costs_once() -> None:
    once, twice = (costs(LOG[3:4] * count, [], {"a": "cat"}, (1, 4)) for count in (1, 2))
    assert once == twice


def test_tables() -> None:
    found = costs(LOG, QUERIES, LABELS, None)
    assert found
    head, rows = cost.rounds_table(found)
    assert head == ["round", "verified", "corrected", "from scratch", "auto", "free", "seconds"]
    assert rows[-1] == ("all", ["3", "2", "2", "1", "3", "34"])
    assert [name for name, _ in cost.acceptance_table(found, crossed=True)[1]] == [
        "all", "tier hard", "tier intermediate", "cat", "dog", "tier hard, cat", "tier intermediate, dog"]  # fmt: skip
    assert cost.times_table(found)[1][0] == ("all", ["3 (3)", "7 (2)", "5.5 (2)", "2.3", "2.3"])
    assert cost.note(found).startswith("an answer costs: verified 3, corrected 7, from scratch 5.5 (measured medians, in seconds)")


def test_a_labeling_study() -> None:
    """The ratio of each annotator by medians and by means, wrong answers aside, and no replaced suggestion told as the model's."""
    log = [
        *(answer(f"a{place}", "cat", "cat", seconds) for place, seconds in enumerate((1.0, 2.0, 6.0))),  # verified: median 2, mean 3
        *(answer(f"b{place}", "dog", "cat", seconds) for place, seconds in enumerate((5.0, 7.0, 12.0))),  # corrected: 7, 8
        answer("c", "cat", "cat", 90.0),  # is a dog
        *(answer(f"a{place}", "cat", "cat", 2.0, annotator="bob") for place in range(2)),
        *(answer(f"b{place}", "dog", "cat", 5.0, annotator="bob") for place in range(2)),
    ]
    truth = {**{f"a{place}": "cat" for place in range(3)}, **{f"b{place}": "dog" for place in range(3)}, "c": "dog"}
    queries = [{"id": row, "round": 1, "suggested_label": "cat", "suggested_by": "chance" if row[0] == "b" else "model"} for row in truth]
    found = costs(log, queries, truth, None, truth)
    assert found
    assert (found.wrong, found.suggestions()) == (1, (4, 3))
    rows = dict(cost.times_table(found)[1])
    assert rows["annotator ann"] == ["2 (3)", "7 (3)", "", "3.5", f"{8 / 3:.1f}"]
    assert rows["annotator bob"] == ["2 (2)", "5 (2)", "", "2.5", "2.5"]
    assert rows["2 annotators, on average"] == ["", "", "", "3.0", f"{(8 / 3 + 2.5) / 2:.1f}"]
    assert [name for name, _ in cost.times_table(found)[1]][:4] == ["all", "annotator ann", "annotator bob", "2 annotators, on average"]
    assert cost.note(found).endswith("; the times of 1 answer that the truth contradicts are left out")
    whole = costs(log, queries, truth, None)
    assert whole
    assert dict(cost.times_table(whole)[1])["annotator ann"][0] == "4 (4)"


def test_ratio() -> None:
    assert ratio((2.0, 8.0, 9.0)) == 4
    assert ratio((2.0, None, 9.0)) == 4.5
    assert [ratio(values) for values in ((0.0, 1.0, 1.0), (None, 1.0, 1.0), (1.0, None, None))] == [None] * 3
