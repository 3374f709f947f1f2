"""What of an export goes into the label log, what is there already, and what is refused and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.labels.consensus import Row, newest_of, resolve, standing, withdrawn
from altool.tables.schema import KINDS

UNKNOWN_ID = "unknown id"
UNKNOWN_CLASS = "unknown class"
CONFLICT = "conflict"

COLUMNS = KINDS["labels"].columns


@dataclass(frozen=True)
class Rules:
    """What the command line says about every row. `round` and `source` go before what the row or its query says."""

    round: int | None = None
    source: str | None = None
    skip_value: str | None = None
    label_map: Mapping[str, str] | None = None
    classes: frozenset[str] | None = None  # None: any


@dataclass(frozen=True)
class Outcome:
    """`rows` are new to the log (contract columns), `rejects` have `id` (as the export has it), `label`, `annotator` and `reason`.

    `known` rows the log holds already, `unlabeled` ones are not done yet. `disagreements` counts ids of the export on which
    annotators disagree, in the log as it will be. `retracted` counts
    auto labels that the log has withdrawn. `undated` counts new rows whose round nothing said, `assumed` those whose source
    nothing said, `queried` those of the latter that bear the round of a selection.
    """

    rows: pa.Table
    rejects: pa.Table
    known: int
    unlabeled: int
    retracted: int
    disagreements: int
    undated: int
    assumed: int
    queried: int

    @property
    def refused(self) -> dict[str, int]:
        """How many rows were refused, by reason, the most frequent first."""
        return dict(Counter(self.rejects.column("reason").to_pylist()).most_common())


def merge(answers: pa.Table, log: pa.Table, queries: pa.Table | None, known_ids: pa.Array | None, rules: Rules) -> Outcome:
    """Judge every row of an export; a pure function, whatever the order of the rows of any table.

    `answers` as `exchange.with_ids` gives them; `log` as `label_log.read` does; `queries` has `id`, `round`, `source` and
    `suggested_label`, an id once per round; `known_ids` are those that may be labeled (None: any).

    A row that the log holds is known: the same id, annotator, label and time; without a time, the same round, or what the
    annotator had last said before that round (a sheet that is handed in round after round). A row conflicts with another answer of
    its annotator on its id, in the log or the export, where neither `labeled_at` (if both have one) nor `round` (if anything says
    what it is) tells which is newer; a label goes before a skip. So a second import of the same export adds nothing. Auto labels that
    were withdrawn stay so.
    """
    skipped = pc.fill_null(pc.equal(answers.column("status"), "skipped"), False)
    label = answers.column("label")
    if rules.skip_value is not None:
        skipped = pc.or_(skipped, pc.fill_null(pc.equal(label, rules.skip_value), False))
    idle = pc.and_(label.is_null(), pc.invert(skipped))
    mapped = pc.if_else(skipped, pa.scalar(None, pa.string()), _mapped(label, rules.label_map or {}))
    suggested = answers.column("suggested_label")
    suggested = pc.if_else(pc.fill_null(pc.equal(suggested, label), False), mapped, suggested)  # what was accepted stays so by any name
    reason = answers.column("reason")
    asked = _asked(answers, queries)
    round_ = _filled(rules.round, answers.column("round"), asked.column("round"), None)
    stated = _filled(rules.source, answers.column("source"), asked.column("source"), None)
    table = pa.table(
        {
            "id": answers.column("id"),
            "label": mapped,
            "source": pc.fill_null(stated, "seed"),
            "round": pc.fill_null(round_, 0),
            "annotator": answers.column("annotator"),
            "suggested_label": pc.coalesce(suggested, asked.column("suggested_label")),
            "status": pc.if_else(skipped, "skipped", "labeled"),
            "labeled_at": answers.column("labeled_at"),
            "seconds": answers.column("seconds"),
            "reason": reason,
            "given": answers.column("given"),
            "shown": answers.column("label"),
            # A source that is said here and now is part of the answer: a log that has another one does not hold it.
            "explicit": _filled(rules.source, answers.column("source"), pa.nulls(len(answers), pa.string()), None),
            "undated": round_.is_null(),
            "assumed": stated.is_null(),
            "queried": pc.and_(stated.is_null(), answers.column("round").is_valid()),
        }
    ).filter(pc.invert(idle))
    gone = withdrawn(table, log)
    table = table.filter(pa.array(~gone))
    doubt = table.column("reason").combine_chunks()
    if known_ids is not None:
        doubt = _blame(doubt, pc.invert(pc.is_in(table.column("id"), value_set=known_ids)), UNKNOWN_ID)
    if rules.classes is not None:
        strange = pc.invert(pc.is_in(table.column("label"), value_set=pa.array([*sorted(rules.classes), None], pa.string())))
        doubt = _blame(doubt, strange, UNKNOWN_CLASS)
    known, doubt = _compare(table, standing(log), doubt)

    new = table.filter(pa.array(~known & np.asarray(doubt.is_null())))
    refused = table.append_column("why", doubt).filter(pa.array(~known & np.asarray(doubt.is_valid())))
    rows = new.select(list(COLUMNS))
    touched = log.filter(pc.is_in(log.column("id"), value_set=pc.unique(table.column("id").drop_null())))
    after = pa.concat_tables([touched.select(list(COLUMNS)), rows])
    return Outcome(
        rows,
        pa.table(
            {
                "id": pc.fill_null(refused.column("given"), ""),
                "label": refused.column("shown"),
                "annotator": refused.column("annotator"),
                "reason": refused.column("why"),
            }
        ),
        int(known.sum()),
        pc.sum(idle).as_py() or 0,
        int(gone.sum()),
        resolve(after).contested,
        *(pc.sum(new.column(name)).as_py() or 0 for name in ("undated", "assumed", "queried")),
    )


def _mapped(label: pa.ChunkedArray, names: Mapping[str, str]) -> pa.ChunkedArray:
    if not names:
        return label
    position = pc.index_in(label, value_set=pa.array(list(names), pa.string()))
    return pc.coalesce(pc.take(pa.array(list(names.values()), pa.string()), position), label)


def _filled(option: Any, own: Any, asked: Any, default: Any) -> Any:
    """The option, else the row's own value, else its query's, else the default."""
    if option is not None:
        return pa.array([option] * len(own), own.type)
    found = pc.coalesce(own, asked)
    return found if default is None else pc.fill_null(found, default)


def _blame(reasons: pa.Array, wrong: Any, reason: str) -> pa.Array:
    """`reasons` with this one where a row is wrong and has none yet."""
    wrong = wrong.combine_chunks() if isinstance(wrong, pa.ChunkedArray) else wrong
    return pc.if_else(pc.and_(wrong, reasons.is_null()), reason, reasons)


def _asked(answers: pa.Table, queries: pa.Table | None) -> pa.Table:
    """The query that each row answers, null where there is none: that of the row's own round, else the latest."""
    wanted = {name: COLUMNS[name] for name in ("round", "source", "suggested_label")}
    if queries is None or not queries.num_rows or not answers.num_rows:
        return pa.table({name: pa.nulls(answers.num_rows, kind) for name, kind in wanted.items()})
    queries = queries.set_column(queries.column_names.index("round"), "round", pc.fill_null(queries.column("round"), -1))
    queries = queries.sort_by([(name, "ascending") for name in ("round", "source", "suggested_label")])
    distinct = pc.unique(queries.column("id"))
    codes = np.asarray(pc.index_in(queries.column("id"), value_set=distinct)).astype(np.int64)
    latest = np.empty(len(distinct), np.int64)
    latest[codes] = np.arange(len(codes))  # the last one stays
    keys = codes << 32 | (np.asarray(queries.column("round")) + 1)
    order = np.argsort(keys, kind="stable")
    mine = np.asarray(pc.fill_null(pc.index_in(answers.column("id"), value_set=distinct), -1)).astype(np.int64)
    own = mine << 32 | (np.asarray(pc.fill_null(answers.column("round"), -1)) + 1)
    place = np.searchsorted(keys[order], own, "right") - 1
    exact = (place >= 0) & (keys[order][place] == own)
    found = np.where(exact, order[place], latest[mine])
    taken = queries.select(list(wanted)).take(pa.array(found, pa.int64(), mask=mine < 0))
    unknown = pc.equal(taken.column("round"), -1)
    return taken.set_column(0, "round", pc.if_else(unknown, pa.scalar(None, pa.int32()), taken.column("round").cast(pa.int32())))


def _compare(table: pa.Table, log: pa.Table, doubt: pa.Array) -> tuple[np.ndarray, pa.Array]:
    """Which rows the log holds already, and `doubt` with the conflicts. Only ids that occur more than once are looked at one by one."""
    known = np.zeros(table.num_rows, bool)
    ids = table.column("id").drop_null()
    held = log.filter(pc.is_in(log.column("id"), value_set=pc.unique(ids))).select(list(COLUMNS))
    counts = pa.chunked_array([*ids.chunks, *held.column("id").chunks], ids.type).value_counts()
    several = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    positions = np.flatnonzero(np.asarray(pc.is_in(table.column("id"), value_set=several)))
    reasons = doubt.to_pylist()
    groups: dict[Any, tuple[list[Row], list[Row]]] = {}
    for row in held.to_pylist():
        row["label"] = None if row["status"] == "skipped" else row["label"]
        groups.setdefault(_key(row), ([], []))[0].append(row)
    for position, row in zip(positions.tolist(), table.take(pa.array(positions)).to_pylist(), strict=True):
        groups.setdefault(_key(row), ([], []))[1].append({**row, "position": position})
    for old, new in groups.values():
        fresh: dict[Any, list[Row]] = {}  # equal rows together
        said = [*old, *(row for row in new if reasons[row["position"]] is None)]
        for row in new:
            if row["reason"] is None and _holds(old, said, row):
                known[row["position"]] = True
            elif reasons[row["position"]] is None:
                fresh.setdefault(tuple(row[name] for name in COLUMNS), []).append(row)
        for rows in fresh.values():
            conflict = any(_undecided(rows[0], other) for other in said)
            for number, row in enumerate(rows):
                reasons[row["position"]] = CONFLICT if conflict else None
                known[row["position"]] = not conflict and number > 0
    return known, pa.array(reasons, pa.string())


def _key(row: Row) -> Any:
    return row["id"], row["annotator"], row["source"] == "auto"


def _holds(old: list[Row], said: list[Row], row: Row) -> bool:
    """Is this answer among the `old` ones, those that the log has of the same annotator on the same id? `said` are all, the export's too.

    What an import adds to `old` is in `said` already, so what was known stays known.
    """
    same = [other for other in old if other["label"] == row["label"] and row["explicit"] in (None, other["source"])]
    if not same or row["labeled_at"] is not None:
        return any(other["labeled_at"] == row["labeled_at"] for other in same)
    if any(other["round"] == row["round"] for other in same):
        return True
    before = said
    if not row["undated"]:
        if any(other["round"] == row["round"] and other["label"] != row["label"] for other in said):
            return False
        before = [other for other in said if other["round"] is None or other["round"] < row["round"]]
    if not before:
        return False
    last, tied = newest_of(before)
    return last["label"] == row["label"] and not tied


def _undecided(row: Row, other: Row) -> bool:
    """Do two answers of one annotator differ, with nothing to tell which is newer?"""
    if row["label"] == other["label"] or row["label"] is None or other["label"] is None:
        return False
    times: tuple[datetime | None, datetime | None] = (row["labeled_at"], other["labeled_at"])
    if None not in times and times[0] != times[1]:
        return False
    return row["round"] == other["round"] or row["undated"] or other.get("undated", False)
