"""Integers, times and lengths of time, as every reader takes them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from altool.errors import UsageError
from altool.tables.values import Clock, clock, integers, lengths, times

MOMENT = datetime(2024, 5, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("7", 7),
        ("-12", -12),
        ("9223372036854775807", 2**63 - 1),
        *((text, None) for text in ("007", "0x8", "+1", "1.0", "1e3", " 1", "-0", "9223372036854775808", "٣", "", "one")),
    ],
)
def test_only_canonical_integers_are_integers(text: str, number: int | None) -> None:
    found, wrong = integers(pa.array([text, None]))
    assert found.to_pylist() == [number, None]
    assert wrong.to_pylist() == [number is None, False]


@given(st.integers(-(2**63), 2**63 - 1))
def test_an_integer_comes_back_as_it_was(number: int) -> None:
    found, wrong = integers(pa.array([str(number)]))
    assert (found.to_pylist(), wrong.to_pylist()) == ([number], [False])


@pytest.mark.parametrize(
    ("array", "known", "expected"),
    [
        (pa.array(["2024-05-01T10:00:00Z", "2024-05-01 12:00:00+02:00", None, " "]), Clock(), [MOMENT, MOMENT, None, None]),
        (pa.array(["2024-05-01T10:00:00", "2024-05-01", "1714557600", "soon"]), Clock(), ["wrong"] * 4),
        (pa.array(["2024-05-01T10:00:00", "2024-05-01"]), Clock(UTC), [MOMENT, MOMENT - timedelta(hours=10)]),
        (pa.array(["2024-05-01T12:00:00"]), clock("Europe/Berlin", None), [MOMENT]),
        (pa.array(["2024-05-01T08:30:00"]), clock("-01:30", None), [MOMENT]),
        (pa.array([1714557600]), Clock(), ["wrong"]),
        (pa.array([1714557600, None]), clock(None, "s"), [MOMENT, None]),
        (pa.array(["1714557600", "1714557600.5"]), clock(None, "s"), [MOMENT, MOMENT + timedelta(seconds=0.5)]),
        (pa.array([1714557600_000]), clock(None, "ms"), [MOMENT]),
        (pa.array([1714557600_000_000_000]), clock(None, "ns"), [MOMENT]),
        (pa.array([1714557600.25]), clock(None, "s"), [MOMENT + timedelta(seconds=0.25)]),
        (pa.array([float("nan"), 1e300]), clock(None, "s"), ["wrong", "wrong"]),
        (pa.array([True]), clock(None, "s"), ["wrong"]),
        (pa.array([date(2024, 5, 1)]), Clock(), ["wrong"]),
        (pa.array([date(2024, 5, 1)]), Clock(UTC), [MOMENT - timedelta(hours=10)]),
        (pa.array([MOMENT.replace(tzinfo=None)], pa.timestamp("ns")), Clock(), ["wrong"]),
        (pa.array([MOMENT.replace(tzinfo=None)], pa.timestamp("ms")), Clock(UTC), [MOMENT]),
        (pa.array([MOMENT.replace(tzinfo=None)], pa.timestamp("s")), clock("+02:00", None), [MOMENT - timedelta(hours=2)]),
        (pa.array([MOMENT], pa.timestamp("ns", "Europe/Berlin")), Clock(), [MOMENT]),
        (
            pa.array([1714557600_000_000_999, -1], pa.timestamp("ns", "UTC")),
            Clock(),
            [MOMENT, datetime(1969, 12, 31, 23, 59, 59, 999999, UTC)],
        ),
        (pa.array([2**62, 1714557600], pa.timestamp("s", "UTC")), Clock(), ["wrong", MOMENT]),
        (pa.array([2**62, 0, -(2**62)], pa.timestamp("us", "UTC")), Clock(), ["wrong", datetime(1970, 1, 1, tzinfo=UTC), "wrong"]),
        (pa.array(["9999-12-31T00:00:00-01:00", "0001-01-01T00:00:00+01:00"]), Clock(), ["wrong", "wrong"]),
        (pa.nulls(2), Clock(), [None, None]),
    ],
)
def test_a_time_is_one_instant_or_refused(array: pa.Array, known: Clock, expected: list[datetime | str | None]) -> None:
    found, wrong = times(array, known)
    assert wrong.to_pylist() == [value == "wrong" for value in expected]
    assert found.to_pylist() == [None if value == "wrong" else value for value in expected]


def test_a_zone_or_unit_that_there_is_none_of() -> None:
    for zone, unit in (("Mars/Olympus", None), ("+25:00", None), ("../etc/passwd", None), (None, "minutes")):
        with pytest.raises(UsageError, match="is unknown"):
            clock(zone, unit)


def test_lengths_of_time() -> None:
    found, wrong = lengths(pa.array(["0", "1e3", "", None, "-1", "nan", "inf", "2 s", "1e39"]))
    assert found.to_pylist() == [0, 1000, None, None, None, None, None, None, None]
    assert wrong.to_pylist() == [False] * 4 + [True] * 5
