"""What became of the labels that were asked again, counted by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from altool.metrics.intervals import wilson
from altool.reporting.relabeled import of_log, table
from altool.tables.schema import KINDS

SCHEMA = pa.schema([(name, pa.string() if name == "id" else kind) for name, kind in KINDS["labels"].columns.items()])


def log(*rows: tuple[str, str | None, int | None, str | None]) -> pa.Table:
    """Rows of (id, label, round, annotator); a row without a label is skipped."""
    columns = [dict(zip(("id", "label", "round", "annotator"), row, strict=True)) for row in rows]
    return pa.Table.from_pylist([{**row, "status": "labeled" if row["label"] else "skipped"} for row in columns], SCHEMA)


def asked(round_: int | None, *ids: str, strategy: str = "relabel") -> list[dict[str, Any]]:
    return [{"id": id_, "round": round_, "strategy": strategy} for id_ in ids]


FIRST = [(id_, "a", 0, "kim") for id_ in ("u", "v", "w", "x", "y", "z")]


def counts(rows: pa.Table, requests: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(one.round, one.asked, one.answered, one.skipped, one.wrong) for one in of_log(rows, requests)[0]]


def test_corrected_confirmed_skipped_and_open() -> None:
    rows = log(*FIRST, ("u", "b", 1, "lee"), ("v", "a", 1, "lee"), ("w", None, 1, "lee"), ("x", "b", 1, "kim"))
    found, again = of_log(rows, asked(1, "u", "v", "w", "x", "y"))
    assert counts(rows, asked(1, "u", "v", "w", "x", "y")) == [(1, 5, 3, 1, 2), (None, 5, 3, 1, 2)]
    low, high = wilson(np.array(2), np.array(3))
    assert (found[0].low, found[0].high) == (pytest.approx(float(low)), pytest.approx(float(high)))
    assert again == {(1, "u"): "b", (1, "v"): "a", (1, "w"): None, (1, "x"): "b"}


def test_each_round_is_measured_by_what_was_known_before_it() -> None:
    rows = log(*FIRST, ("u", "b", 1, "lee"), ("u", "b", 2, "ann"), ("v", "b", 2, "lee"))
    assert counts(rows, asked(1, "u") + asked(2, "u", "v")) == [(1, 1, 1, 0, 1), (2, 2, 2, 0, 1), (None, 3, 3, 0, 2)]


def test_one_against_two_is_an_answer_but_the_label_was_not_wrong() -> None:
    rows = log(("u", "a", 0, "kim"), ("u", "a", 0, "lee"), ("u", "b", 1, "ann"))
    assert counts(rows, asked(1, "u"))[0] == (1, 1, 1, 0, 0)


def test_other_queries_and_those_given_twice_do_not_count() -> None:
    rows = log(*FIRST, ("u", "b", 1, "kim"))
    requests = asked(1, "u", strategy="margin") + asked(None, "u")
    assert of_log(rows, requests) == ([], {})
    assert counts(rows, asked(1, "u") + asked(1, "u"))[0] == (1, 1, 1, 0, 1)


def test_a_row_without_an_earlier_label_was_not_wrong() -> None:
    """As after a withdrawal of it."""
    assert counts(log(("u", "b", 1, "kim")), asked(1, "u"))[0] == (1, 1, 1, 0, 0)


def test_the_table_has_a_last_line_for_several_rounds() -> None:
    rows = log(*FIRST, ("u", "b", 1, "kim"), ("v", "a", 2, "kim"))
    head, one = table(of_log(rows, asked(1, "u"))[0])
    assert head == ["round", "asked again", "answered", "skipped", "wrong", "share", "95 %"]
    assert one == [("1", ["1", "1", "0", "1", "1.000", "0.207–1.000"])]
    _, several = table(of_log(rows, asked(1, "u") + asked(2, "v", "w"))[0])
    assert [name for name, _ in several] == ["1", "2", "all"]
    assert several[2][1] == ["3", "2", "0", "1", "0.500", "0.095–0.905"]
    _, open_ = table(of_log(log(*FIRST), asked(1, "u"))[0])
    assert open_ == [("1", ["1", "0", "0", "0", "", ""])]
