"""Single values as every reader of a table takes them: integers, times and lengths of time. Nothing is guessed."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from altool.errors import UsageError
from altool.tables.schema import TIMESTAMP

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST = 3.4028234e38  # seconds that are finite in float32
INTEGER = "^(0|-?[1-9][0-9]{0,18})$"  # as integers are written; 007 and 0x8 are texts
UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 0.001}
LARGEST = (1 << 63) - 1
FIRST, LAST = ((datetime(*day, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1) for day in ((1, 1, 1), (9999, 12, 31)))


@dataclass(frozen=True)
class Clock:
    """What `--time-zone` and `--time-unit` say of times that do not say it themselves; None: nothing does, and such times are refused."""

    zone: tzinfo | None = None
    unit: str | None = None


def clock(zone: str | None, unit: str | None) -> Clock:
    """Raises UsageError for a zone or a unit that there is none of."""
    if unit is not None and unit not in UNITS:
        raise UsageError(f"--time-unit: {unit!r} is unknown", f"choose from {', '.join(UNITS)}")
    if zone is None:
        return Clock(None, unit)
    if offset := re.fullmatch(r"([+-])(\d\d):?(\d\d)", zone):
        minutes = int(offset[2]) * 60 + int(offset[3])
        if minutes < 24 * 60:
            return Clock(timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes)), unit)
    from zoneinfo import ZoneInfo  # here alone: few runs need it

    try:
        return Clock(UTC if zone in ("UTC", "Z") else ZoneInfo(zone), unit)
    except (KeyError, ValueError, OSError) as error:
        raise UsageError(f"--time-zone: {zone!r} is unknown", "give for example UTC, +02:00 or Europe/Berlin") from error


def integers(array: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Texts as int64, and which of them are no integers, or not written as one: those are null."""
    canonical = pc.fill_null(pc.match_substring_regex(array, INTEGER), True)
    kept = pc.if_else(canonical, array, pa.scalar(None, array.type))
    try:
        return kept.cast(pa.int64()), pc.invert(canonical)
    except pa.ArrowInvalid:  # nineteen digits may be too many
        numbers = [None if text is None else int(text) for text in kept.to_pylist()]
        fits = [number is None or -LARGEST - 1 <= number <= LARGEST for number in numbers]
        found = pa.array([number if fit else None for number, fit in zip(numbers, fits, strict=True)], pa.int64())
        return found, pc.or_(pc.invert(canonical), pc.invert(pa.array(fits)))


def times(array: pa.Array, known: Clock) -> tuple[pa.Array, pa.Array]:
    """Instants in UTC, and which entries are none: no time, beyond the years 1 to 9999, or one that may mean several instants (without
    an offset, a day, a bare number) where `known` does not say which."""
    if array.type == TIMESTAMP or pa.types.is_null(array.type):
        return _dated(array.cast(TIMESTAMP).cast(pa.int64()), pa.repeat(pa.scalar(False), len(array)))
    if pa.types.is_timestamp(array.type):
        micros, wrong = _scaled(array)
        if array.type.tz or known.zone is UTC:
            return _dated(micros, wrong)
        values: list[Any] = [None if value is None else _wall(value) for value in micros.to_pylist()]
        values = ["" if bad else value for value, bad in zip(values, wrong.to_pylist(), strict=True)]
    else:
        values = array.to_pylist()
    found = [_micros(value, known) for value in values]
    wrong = pa.array([value == "" for value in found], pa.bool_())
    return _dated(pa.array([None if value == "" else value for value in found], pa.int64()), wrong)


def _dated(micros: pa.Array, wrong: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Microseconds since 1970 as times, but for those that no calendar's date is, which are wrong too."""
    held = pc.fill_null(pc.and_(pc.greater_equal(micros, FIRST), pc.less_equal(micros, LAST)), True)
    return pc.if_else(held, micros, pa.scalar(None, pa.int64())).cast(TIMESTAMP), pc.or_(wrong, pc.invert(held))


def _scaled(array: pa.Array) -> tuple[pa.Array, pa.Array]:
    """A timestamp column's numbers in microseconds (whole ones, rounded down), null where 64 bits do not hold them; and where that is."""
    numbers = array.cast(pa.int64())
    if array.type.unit == "ns":
        quotient = pc.divide(numbers, 1000)  # towards zero
        down = pc.and_(pc.less(numbers, 0), pc.not_equal(pc.multiply(quotient, 1000), numbers))
        return pc.subtract(quotient, down.cast(pa.int64())), pa.repeat(pa.scalar(False), len(array))
    factor = int(UNITS[array.type.unit])
    fits = pc.and_(pc.less_equal(numbers, LARGEST // factor), pc.greater_equal(numbers, -(LARGEST // factor)))
    fits = pc.fill_null(fits, True)
    return pc.multiply(pc.if_else(fits, numbers, pa.scalar(None, pa.int64())), factor), pc.invert(fits)


def _wall(micros: int) -> datetime | str:
    """What a clock on a wall showed; "" for what no calendar holds."""
    try:
        return datetime(1970, 1, 1) + timedelta(microseconds=micros)
    except OverflowError:
        return ""


def _micros(value: Any, known: Clock) -> int | str | None:
    """Microseconds since 1970; None for a blank, "" for what is no time, or not one alone."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool):
        return ""
    if isinstance(value, str):
        value = value.strip()
        if known.unit is not None and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
            value = float(value) if "." in value else int(value)
    if isinstance(value, int | float):
        return _since(value, known)
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value.upper())
        elif not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day) if isinstance(value, date) else ""
        if value.tzinfo is None:
            if known.zone is None:
                return ""
            value = value.replace(tzinfo=known.zone)  # the first of two equal hours in autumn
        return (value - EPOCH) // timedelta(microseconds=1)
    except (ValueError, AttributeError, OverflowError):
        return ""


def _since(value: float, known: Clock) -> int | str:
    if known.unit is None or not math.isfinite(value):
        return ""
    micros = math.floor(value * UNITS[known.unit]) if known.unit != "ns" else math.floor(value / 1000)
    return micros if abs(micros) <= LARGEST else ""


def lengths(array: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Seconds as float32, and which entries are none: no finite number from 0."""
    values: list[float | None] = []
    wrong = []
    for value in array.to_pylist():
        try:
            number = None if value is None or (isinstance(value, str) and not value.strip()) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        bad = number is not None and not 0 <= number <= LONGEST
        values.append(None if bad else number)
        wrong.append(bad)
    return pa.array(values, pa.float32()), pa.array(wrong, pa.bool_())
