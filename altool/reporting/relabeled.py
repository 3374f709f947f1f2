"""How many of the labels that were in doubt (`select --relabel`) were wrong, by the answers of the people who were asked again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.labels.consensus import resolve, standing
from altool.metrics.intervals import wilson
from altool.reporting.cost import Cells
from altool.tables.schema import RELABEL

NOTE = "wrong: the row has another label since it was asked again. These labels were most in doubt, so the share is not that of all labels"

Again = Mapping[tuple[int | None, Any], str | None]  # {(round, id): the label that the row has since, None where it was skipped}


@dataclass(frozen=True)
class Relabeled:
    """The labels that one round asked again about, or all rounds (None): how many were `asked`, `answered` or `skipped`, and how many of
    those that were answered were `wrong`, that is have another label since; their share's 95 % interval is `low` to `high`."""

    round: int | None
    asked: int
    answered: int
    skipped: int
    wrong: int
    low: float
    high: float


def of_log(log: pa.Table, requests: Iterable[Mapping[str, Any]]) -> tuple[list[Relabeled], dict[tuple[int | None, Any], str | None]]:
    """Of each round of `requests` (rows of queries tables) that asked again, the last being all, what became of it; and the labels of the
    rows that were answered. `log` as `label_log.read` gives it: what a row was before is what the labels of the rounds before come to."""
    asked: dict[int, dict[Any, None]] = {}
    for row in requests:
        if row.get("strategy") == RELABEL and row.get("round") is not None:
            asked.setdefault(row["round"], {})[row["id"]] = None
    again: dict[tuple[int | None, Any], str | None] = {}
    counts = []
    for round_ in sorted(asked):
        own = log.filter(pc.is_in(log.column("id"), value_set=pa.array(list(asked[round_]), log.column("id").type)))
        number = pc.fill_null(own.column("round"), -1)
        before = _labels(own.filter(pc.less(number, round_)))
        after = _labels(own.filter(pc.less_equal(number, round_)))
        answers = standing(own.filter(pc.equal(number, round_)))
        answers = answers.filter(pc.not_equal(pc.fill_null(answers.column("source"), ""), "auto"))
        given = pc.invert(pc.fill_null(pc.equal(answers.column("status"), "skipped"), False))
        labeled = set(answers.column("id").filter(given).to_pylist())
        again |= {(round_, id_): after[id_] if id_ in labeled else None for id_ in answers.column("id").to_pylist()}
        wrong = sum(before.get(id_) not in (None, after[id_]) for id_ in labeled)
        skipped = len(set(answers.column("id").to_pylist()) - labeled)
        counts.append((round_, len(asked[round_]), len(labeled), skipped, wrong))
    lines = [_line(*one) for one in counts]
    return (lines and [*lines, _line(None, *(sum(column) for column in list(zip(*counts, strict=True))[1:]))]), again


def _labels(log: pa.Table) -> dict[Any, str | None]:
    table = resolve(log).table
    return dict(zip(table.column("id").to_pylist(), table.column("label").to_pylist(), strict=True))


def _line(round_: int | None, asked: int, answered: int, skipped: int, wrong: int) -> Relabeled:
    low, high = wilson(np.array(wrong), np.array(answered))
    return Relabeled(round_, asked, answered, skipped, wrong, float(low), float(high))


def table(found: Sequence[Relabeled]) -> Cells:
    """A row per round, and one for all where there are several."""
    rows = []
    for one in found[:-1] if len(found) == 2 else found:
        share = [f"{one.wrong / one.answered:.3f}", f"{one.low:.3f}–{one.high:.3f}"] if one.answered else ["", ""]
        name = "all" if one.round is None else str(one.round)
        rows.append((name, [f"{one.asked:,}", f"{one.answered:,}", f"{one.skipped:,}", f"{one.wrong:,}", *share]))
    return ["round", "asked again", "answered", "skipped", "wrong", "share", "95 %"], rows
