"""One label per id, from a log in which people correct themselves and each other."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.tables.label_log import groups
from altool.tables.schema import ARRIVAL, RETRACTED, WITHDRAWN

Row = dict[str, Any]


@dataclass(frozen=True)
class Labels:
    """The log's answer for each id, in id order.

    `table` has `id`, `label` (null where skipped), `source` and `round`; `contested` counts the ids whose annotators disagree,
    `undecided` those where not even the time says who wins.
    """

    table: pa.Table
    contested: int
    undecided: int

    def _where(self, *, holdout: bool) -> pa.Table:
        held = pc.fill_null(pc.equal(self.table.column("source"), "holdout"), False)
        return self.table.filter(pc.and_(self.table.column("label").is_valid(), held if holdout else pc.invert(held)))

    @property
    def training(self) -> pa.Table:
        """The labeled rows that may be trained on: not skipped, not held out."""
        return self._where(holdout=False)

    @property
    def holdout(self) -> pa.Table:
        """The labeled rows that are only measured on."""
        return self._where(holdout=True)

    @property
    def by_people(self) -> dict[Any, str | None]:
        """{id: label} of the rows that people answered, None where they skipped: what the machine labeled itself is no answer."""
        people = self.table.filter(pc.not_equal(pc.fill_null(self.table.column("source"), ""), "auto"))
        return dict(zip(people.column("id").to_pylist(), people.column("label").to_pylist(), strict=True))

    @property
    def taken(self) -> pa.Array:
        """The ids that are not in the pool any more: labeled, skipped or held out."""
        return self.table.column("id").combine_chunks()


def retracted(rows: pa.Table, log: pa.Table) -> np.ndarray:
    """Boolean: the `auto` rows whose id and round `log` retracts. Both have the contract's columns.

    A row of status `retracted` withdraws the auto labels of its id and round, those that are added later too: so it does not matter
    which of two imports was first. Of people's labels, and of other rounds, it says nothing.
    """
    retractions = log.filter(_is(log, RETRACTED))
    auto = np.asarray(pc.fill_null(pc.equal(rows.column("source"), "auto"), False))
    if not len(retractions) or not auto.any():
        return np.zeros(len(rows), bool)
    ids = pc.unique(retractions.column("id"))

    def keys(table: pa.Table) -> np.ndarray:
        places = np.asarray(pc.fill_null(pc.index_in(table.column("id"), value_set=ids), -1)).astype(np.int64)
        return places << 32 | (np.asarray(pc.fill_null(table.column("round"), -1)).astype(np.int64) + 1)

    return auto & np.isin(keys(rows), keys(retractions))


def given(log: pa.Table) -> pa.Table:
    """The rows of the log that were ever somebody's answer, whatever was corrected since: not retracted, and no retraction."""
    return log.filter(pa.array(~retracted(log, log) & ~np.asarray(_is(log, RETRACTED))))


def standing(log: pa.Table) -> pa.Table:
    """The rows of the log that are somebody's answer: not retracted, corrected or withdrawn, and themselves neither of these.

    Of what an annotator said on an id in the same round, at the same time or at none, the import that came last stands.
    """
    log = given(log)
    log = log.filter(pa.array(latest_arrivals(log)))
    return log.filter(pc.invert(_is(log, WITHDRAWN)))


def latest_arrivals(log: pa.Table) -> np.ndarray:
    """Boolean: the rows of the latest import among those of the same annotator, id, round and time (`auto` apart)."""
    latest = np.ones(len(log), bool)
    if ARRIVAL not in log.column_names or not len(log):
        return latest
    counts = log.column("id").value_counts()
    if len(counts) == len(log):
        return latest
    several = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    repeated = np.flatnonzero(np.asarray(pc.is_in(log.column("id"), value_set=several)))
    latest[repeated] = _last_of_each(log.take(pa.array(repeated)))
    return latest


def _last_of_each(log: pa.Table) -> np.ndarray:
    """`latest_arrivals` of rows that have an arrival."""
    arrival = np.asarray(log.column(ARRIVAL))
    auto = pc.fill_null(pc.equal(log.column("source"), "auto"), False)
    group = groups([*(log.column(name) for name in ("id", "annotator", "round", "labeled_at")), auto])
    last = np.zeros(group.max() + 1, np.int64)
    np.maximum.at(last, group, arrival)
    return np.asarray(arrival == last[group])


def _is(log: pa.Table, status: str) -> pa.ChunkedArray:
    return pc.fill_null(pc.equal(log.column("status"), status), False)


def resolve(log: pa.Table) -> Labels:
    """The newest row per id and annotator, then the majority over annotators, then the newest (docs/contract.md, "The label log").

    Newest means the latest `labeled_at` where all rows in question have one, else the latest `round`, and within it the latest
    `labeled_at` where all have one, else, of one annotator's answers, the import that came last (`arrival`, which old logs lack);
    what is still equal goes to the smaller label. Rows without an annotator count as one annotator, `auto` rows never as a person.
    A person's label outvotes any number of `auto` ones, and any label outvotes `skipped`. One `holdout` row holds its id out. What
    was retracted or withdrawn was never there. `log` has the contract's columns.
    """
    log = standing(log)
    ids = log.column("id")
    table = log.select(["id", "label", "source", "round"])
    skipped = pc.fill_null(pc.equal(log.column("status"), "skipped"), False)
    table = table.set_column(1, "label", pc.if_else(skipped, pa.scalar(None, pa.string()), table.column("label")))
    contested = undecided = 0
    if groups := _repeated(log):
        winners = []
        for rows in groups.values():
            winner, disagree, open_ = _winner(rows)
            winners.append({name: winner[name] for name in table.column_names})
            contested += disagree
            undecided += open_
        repeated = pc.is_in(ids, value_set=pa.array(list(groups), ids.type))
        table = pa.concat_tables([table.filter(pc.invert(repeated)), pa.Table.from_pylist(winners, schema=table.schema)])
    return Labels(table.take(pc.array_sort_indices(table.column("id"))).combine_chunks(), contested, undecided)


def tallies(log: pa.Table) -> dict[Any, Counter[str]]:
    """{id: {label: how many people say it}} of the ids on which people disagree, each by their newest answer. `log` as of `resolve`."""
    people = standing(log)
    people = people.filter(pc.not_equal(pc.fill_null(people.column("source"), ""), "auto"))
    found = {id_: Counter(row["label"] for row in _votes(rows)[0]) for id_, rows in _repeated(people).items()}
    return {id_: tally for id_, tally in found.items() if len(tally) > 1}


def _repeated(log: pa.Table) -> dict[Any, list[Row]]:
    """{id: its rows} of the ids that a log has several rows of."""
    if not len(log):
        return {}
    counts = log.column("id").value_counts()
    if len(counts) == len(log):
        return {}
    several = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    groups: dict[Any, list[Row]] = {}
    for row in log.filter(pc.is_in(log.column("id"), value_set=several)).to_pylist():
        groups.setdefault(row["id"], []).append(row)
    return groups


def _winner(rows: list[Row]) -> tuple[Row, bool, bool]:
    """The winning row of one id; whether its annotators disagree; whether only the label's spelling decided."""
    votes, undecided = _votes(rows)
    tally = Counter(row["label"] for row in votes)
    most = max(tally.values())
    winner, tied = newest_of([row for row in votes if tally[row["label"]] == most])
    held = any(row["source"] == "holdout" for row in rows)
    return {**winner, "source": "holdout" if held else winner["source"]}, len(tally) > 1, undecided or tied


def _votes(rows: list[Row]) -> tuple[list[Row], bool]:
    """The rows of one id that vote on its label, each annotator's newest; whether only the label's spelling says which one that is.

    Labels go before skips, and people before the machine: of those that there are, none but the first vote."""
    annotators: dict[Any, list[Row]] = {}
    for row in rows:
        row["label"] = None if row["status"] == "skipped" else row["label"]
        annotators.setdefault((row["annotator"], row["source"] == "auto"), []).append(row)
    undecided = False
    latest = []
    for own in annotators.values():
        newest, tied = newest_of(own, of_one=True)
        latest.append(newest)
        undecided |= tied
    votes = [row for row in latest if row["label"] is not None and row["source"] != "auto"]
    return votes or [row for row in latest if row["label"] is not None] or latest, undecided


def newest_of(rows: list[Row], *, of_one: bool = False) -> tuple[Row, bool]:
    """The newest row, and whether another label is just as new. Each row has `label`, `source`, `round` and `labeled_at`.

    Of one annotator's answers (`of_one`) those that came later are newer, where neither time nor round tells.
    """
    if not all(row["labeled_at"] for row in rows):
        last = max(_round(row) for row in rows)
        rows = [row for row in rows if _round(row) == last]
        if of_one and not all(row["labeled_at"] for row in rows):
            rows = _last_arrived(rows)
        if not all(row["labeled_at"] for row in rows):  # then a skip is not known to be newer than any label
            rows = [row for row in rows if row["label"] is not None] or rows
    if all(row["labeled_at"] for row in rows):
        latest = max((row["labeled_at"], _round(row)) for row in rows)
        rows = [row for row in rows if (row["labeled_at"], _round(row)) == latest]
    rows = _last_arrived(rows) if of_one else rows
    labels = {row["label"] for row in rows if row["label"] is not None}
    return min(rows, key=lambda row: (row["label"] is None, row["label"] or "", row["source"] or "", _age(row))), len(labels) > 1


def _last_arrived(rows: list[Row]) -> list[Row]:
    last = max(row.get(ARRIVAL) or 0 for row in rows)
    return [row for row in rows if (row.get(ARRIVAL) or 0) == last]


def _age(row: Row) -> float:
    """Smaller for a later time, largest without one: of equal answers the same one is taken, however the rows lie."""
    return -row["labeled_at"].timestamp() if row["labeled_at"] else float("inf")


def _round(row: Row) -> int:
    return -1 if row["round"] is None else row["round"]


def codes(labels: pa.Table, classes: tuple[str, ...]) -> np.ndarray:
    """The class number of each row's label as int64; -1 for a label that `classes` does not name."""
    return np.asarray(pc.fill_null(pc.index_in(labels.column("label"), value_set=pa.array(classes, pa.string())), -1)).astype(np.int64)
