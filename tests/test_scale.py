"""The page of what a stage costs at a size is made of what was measured."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import scripts

rows = scripts.load(Path(__file__).parents[1] / "benchmarks" / "rows.py")
GIB, Line, Stage, cost, line = rows.GIB, rows.Line, rows.Stage, rows.cost, rows.line
PRICE = rows.Price(core_hour=0.1, gigabyte_month=0.02, thousand_gets=1.0, thousand_puts=10.0)


def lines(**each: Any) -> dict[str, dict[str, float]]:
    return {name: asdict(each.get(name, Line(0, 0))) for name in ("processor", "peak", "read", "written")}


def test_the_page_has_the_figures() -> None:
    text = rows.PAGE.read_text("utf-8")
    figures = json.loads(rows.FIGURES.read_text("utf-8"))
    assert rows.page(text, figures, rows.Price()) == text
    assert set(figures["stages"]) == {stage.name for stage in rows.STAGES}


def test_a_line_goes_through_both_sizes_and_never_below_zero() -> None:
    assert line((100, 300), (5.0, 9.0)) == Line(3.0, 0.02)
    assert line((100, 300), (5.0, 4.0)) == Line(5.0, 0.0)
    assert line((100, 300), (1.0, 9.0)) == Line(0.0, 0.03)


def test_ranges_of_rows_start_once_a_process() -> None:
    stage = Stage("score", "score", (), (1, 2), (), sharded=True)
    own = lines(processor=Line(2.0, 1e-3), peak=Line(GIB, 1000.0), read=Line(0, 1000.0), written=Line(0, 100.0))
    found = cost(stage, own, 3_500_000, 10, 4, PRICE)
    assert found.seconds == pytest.approx(4 * 2.0 + 3500)
    assert found.memory == pytest.approx(GIB + 875e6)
    assert (found.read, found.written) == (3.5e9, 3.5e8)
    requests = 3.5e9 / (8 << 20) / 1000 * 1.0 + 3.5e8 / (8 << 20) / 1000 * 10.0
    assert found.dollars == pytest.approx(3508 / 3600 * 0.1 + requests)


def test_one_process_holds_all_rows_and_pays_for_its_memory() -> None:
    stage = Stage("merge", "merge", (), (1, 2), ())
    own = lines(processor=Line(2.0, 1e-3), peak=Line(0, 16.0))
    found = cost(stage, own, GIB, 10, 4, PRICE)
    assert found.memory == 16 * GIB
    assert found.dollars == pytest.approx((2 + GIB / 1000) / 3600 * 4 * 0.1)  # of 4 GiB a core
    assert cost(Stage("report", "report", (), (1, 2), (), per="label"), own, GIB, 10, 4, PRICE).seconds == pytest.approx(2.01)


def test_numbers_in_words() -> None:
    assert [rows.rounded(value) for value in (0, 0.0123, 1.26, 12.6, 1234.0)] == ["0", "0.012", "1.3", "13", "1,200"]
    assert [rows.sized(value) for value in (12, 1234, 5e6, 2.5e12)] == ["12 B", "1.2 kB", "5.0 MB", "2.5 TB"]
    assert [rows.lasting(value) for value in (5, 300, 7200, 400_000, 1e9)] == ["5.0 s", "5.0 min", "2.0 h", "4.6 days", "32 years"]
