"""What a table must hold before any work starts. Rows that break a rule are counted over the whole table, then refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.errors import InputError
from altool.text import clip, count

SHOWN = 3  # ids named in a message
NAMED = 20  # columns named in a message
LONGEST = 80  # characters of one name in a message
SUM_TOLERANCE = {2: 1e-2, 4: 1e-3, 8: 1e-3}  # by bytes per number: float16 rounds more
NOISE = 2e-5  # a float32 softmax may stray this far outside [0, 1]; fastText's adds 1e-5 to every class
ROUNDED = 0.05  # sums of numbers with two digits, or of bfloat16, stray no further than this
PER_CLASS = 1.2e-5  # and so its sums stray with the number of classes


class RowFaults(Exception):
    """Rows of one batch that break a rule: {rule: (count, smallest ids)}. `Source.scan` sums them up and raises `InputError`.

    A rule reads after `3 rows`: `with NaN or infinity`."""

    def __init__(self, column: str, faults: dict[str, tuple[int, list[Any]]], hint: str = "") -> None:
        super().__init__(column, faults)
        self.column = column
        self.faults = faults
        self.hint = hint


def first_ids(ids: pa.Array | pa.ChunkedArray) -> list[Any]:
    """The few smallest ids, the ones that messages name."""
    return ids.take(pc.array_sort_indices(ids)[:SHOWN]).to_pylist() if len(ids) else []


def naming(ids: Sequence[Any]) -> str:
    return ", ".join(clip(str(value), LONGEST) for value in ids[:SHOWN])


def naming_columns(names: Sequence[Any]) -> str:
    """`a, b, c and 4,997 more`: as many names of columns or files as a message can hold."""
    shown = ", ".join(clip(str(name), LONGEST) for name in names[:NAMED])
    return f"{shown} and {len(names) - NAMED:,} more" if len(names) > NAMED else shown


def short(error: Exception) -> str:
    """The first line of what a library says of a failure."""
    lines = str(error).strip().splitlines()
    return clip(lines[0], 300) if lines else type(error).__name__


def class_numbers(names: Sequence[str], known: Sequence[str], who: str) -> list[int]:
    """The places of `names` among the `known` classes. Raises InputError, which begins with `who`, for a name that is not there."""
    if unknown := [name for name in names if name not in known]:
        listed = "; name one with a comma in a file, a class a line" if any("," in name for name in known) else ""
        raise InputError(
            f"{who}: unknown {'class' if len(unknown) == 1 else 'classes'} {naming(unknown)}",
            f"choose from {naming_columns(known)}{listed}",
        )
    return [list(known).index(name) for name in names]


def raise_faults(table: str, faults: Sequence[RowFaults]) -> None:
    """Raise one `InputError` for the faults of all batches, each column's most frequent rule first."""
    columns_: dict[str, dict[str, tuple[int, list[Any]]]] = {}
    for fault in faults:
        total = columns_.setdefault(fault.column, {})
        for rule, (rows, ids) in fault.faults.items():
            before, seen = total.get(rule, (0, []))
            total[rule] = (before + rows, sorted([*seen, *ids], key=lambda value: (value is None, value))[:SHOWN])
    if columns_:
        hint = next((fault.hint for fault in faults if fault.hint), HINTS.get(faults[0].column, "correct these rows"))
        raise InputError(f"{table}, {'; '.join(_told(column, total) for column, total in sorted(columns_.items()))}", hint)


def _told(column: str, total: Mapping[str, tuple[int, list[Any]]]) -> str:
    worst = sorted(total.items(), key=lambda item: -item[1][0])
    text = "; ".join(f"{count(rows, 'row')} {rule}{_ids(ids)}" for rule, (rows, ids) in worst)
    return f"column {column!r}: {text}"


def _ids(ids: Sequence[Any]) -> str:
    """` (ids a, b, c)`, without those that are null."""
    named = [value for value in ids if value is not None]
    return f" (ids {naming(named)})" if named else ""


def mark(ids: pa.Array, column: str, rules: Mapping[str, Any], hint: str = "") -> None:
    """Raise `RowFaults` for the rows (boolean masks, one per rule) that break a rule; a row counts under its first rule."""
    faults: dict[str, tuple[int, list[Any]]] = {}
    seen = np.zeros(len(ids), bool)
    for rule, mask in rules.items():
        bad = mask & ~seen
        if bad.any():
            faults[rule] = (int(bad.sum()), first_ids(ids.filter(pa.array(bad))))
        seen |= mask
    if faults:
        raise RowFaults(column, faults, hint)


def probabilities(ids: pa.Array, matrix: np.ndarray) -> bool:
    """Refuse rows of `matrix` (n, K) that are no probability vectors: not finite, outside [0, 1], or not summing to 1.

    Returns whether the sums of some stray further from 1 than floats do, as those of numbers of two or three digits may.
    """
    if not len(matrix):
        return False
    tolerance = max(SUM_TOLERANCE[matrix.dtype.itemsize], PER_CLASS * matrix.shape[1])
    sums = np.einsum("ij->i", matrix, dtype=np.float32 if matrix.dtype == np.float16 else matrix.dtype)
    with np.errstate(invalid="ignore"):
        off = ~(np.abs(sums - 1) <= tolerance)  # also true for NaN
        if not off.any() and matrix.min() >= -NOISE and matrix.max() <= 1 + NOISE:
            return False
        rounded = np.zeros(len(off), bool)
        rounded[off] = _is_rounded(matrix[off], sums[off])
        off &= ~rounded
        mark(
            ids,
            "probabilities",
            {
                "with NaN or infinity": ~np.isfinite(matrix).all(axis=1),
                "with a negative probability": (matrix < -NOISE).any(axis=1),
                "with a probability above 1": (matrix > 1 + NOISE).any(axis=1),
                f"with a sum other than 1 (tolerance {tolerance:g})": off,
            },
            _shape_hint(matrix, sums),
        )
    return bool(rounded.any())


def _is_rounded(matrix: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Boolean (n,): are all numbers of a row of two or three digits, and is its sum as near to 1 as these allow? Each of K numbers may be
    off by half of its last digit, all of them by 0.05 at most."""
    found = np.zeros(len(matrix), bool)
    numbers = matrix.astype(np.float64)
    for digits in (2, 3):
        scaled = numbers * 10**digits
        whole = (np.abs(scaled - np.rint(scaled)) < 1e-3).all(axis=1)
        found |= whole & (np.abs(sums - 1) <= min(0.5 * 10.0**-digits * matrix.shape[1], ROUNDED) + 1e-6)
    return found


def _shape_hint(matrix: np.ndarray, sums: np.ndarray) -> str:
    """What numbers that are no probabilities seem to be, and how they become some; "" where nothing shows it."""
    finite = np.isfinite(sums)
    if not finite.any():
        return ""
    low, high, sums = matrix[finite].min(), matrix[finite].max(), sums[finite]
    apart = np.abs(sums - 1)
    if matrix.shape[1] == 1:
        return "if that is the probability of one of two classes: --score COLUMN --classes NEG,POS"
    if high <= NOISE:
        return "all are at most 0, as logarithms are: --probabilities logits"
    if low < -NOISE:
        return "some are below 0, as logits are: --probabilities logits"
    if np.abs(sums - 100).max() < 2:
        return "rows sum to 100, as percents do: --probabilities unnormalised"
    if high > 1 + NOISE and (matrix[finite] % 1 == 0).all():
        return "all are whole numbers, as votes are: --probabilities unnormalised"
    if high <= 1 + NOISE and apart.max() < ROUNDED:
        return "they seem to be rounded: write more digits, or divide each row by its sum: --probabilities unnormalised"
    if high <= 1 + NOISE and np.median(apart) >= ROUNDED:
        return "each may be the probability of a label of its own, several per row; altool chooses for one label per row, whose sum is 1"
    return ""


def features(ids: pa.Array, matrix: np.ndarray) -> None:
    """Refuse rows of `matrix` (n, D) that hold NaN or infinity."""
    if matrix.size and not np.isfinite(matrix.sum(dtype=np.float64)):  # NaN and infinity both survive a sum
        mark(ids, "features", {"with NaN or infinity": ~np.isfinite(matrix).all(axis=1)})


HINTS = {
    "probabilities": "leave these rows out or score them again; altool repairs nothing",
    "features": "leave these rows out or embed them again; altool repairs nothing",
    "id": "give every row an id, in the form that the other tables have",
    "labeled_at": "give --time-zone UTC for times without an offset, --time-unit s for numbers, or --columns labeled_at= to leave it out",
    "path": "keep the files below the table, or give --allow-outside",
}
