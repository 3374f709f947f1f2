"""What of an export goes into the label log, what is there already, and what is refused and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.labels import people
from altool.labels.consensus import Row, given, latest_arrivals, newest_of, resolve, retracted, standing
from altool.labels.exchange import FAILED, NO_SKIP, NO_VERDICT, REJECTIONS
from altool.labels.pairing import asked, misplaced, other_text
from altool.tables.label_log import next_import
from altool.tables.schema import ARRIVAL, KINDS, RENAMED, WITHDRAWN

UNKNOWN_ID = "unknown id"
UNKNOWN_CLASS = "unknown class"
CONFLICT = "conflict"
MISPLACED = "the id is not that of its rank and round"
OTHER_TEXT = "the text is not that of its id"

COLUMNS = KINDS["labels"].columns
COUNTED = ("marked", "undated", "assumed", "queried")  # what more there is to say of rows that are taken
MARKS = ("?", "skip")  # what people write who cannot tell, where no class is called so


@dataclass(frozen=True)
class Rules:
    """What the command line says about every row. `round` and `source` go before what the row or its query says; but what the export
    says that a machine labeled is nobody's answer, whatever `source` is."""

    round: int | None = None
    source: str | None = None
    skip_values: Collection[str] = ()
    label_map: Mapping[str, str] | None = None
    classes: frozenset[str] | None = None  # None: any


@dataclass(frozen=True)
class Change:
    """The label of an annotator's answer on an id, and that of the one which counts instead: "skip" or "no label" where it has none."""

    id: Any
    annotator: str | None
    before: str
    after: str


@dataclass(frozen=True)
class Outcome:
    """`rows` are new to the log (contract columns), `rejects` have `id` (as the export has it), `label`, `annotator` and `reason`;
    beside them `places` says where each is in the exports, and `details` what more there is to say.

    `known` rows the log holds already, `unlabeled` ones are not done yet. `changed` are the answers of which another one counts now;
    `outdated` those of the export that the log holds, but corrected since. `gone` are the log's
    rows that the export does not answer any more. `marked` counts labels that were taken as skips (`?`). `people` are the annotators
    that the log has under another name, `strangers` those that it may have so (theirs, the log's). `disagreements` counts ids of the
    export on which annotators disagree, in the log as it will be. `retracted` counts auto labels that the log has withdrawn. `undated`
    counts new rows whose round nothing said, `assumed` those whose source nothing said, `queried` those of the latter that bear the
    round of a selection. `number` is that of this import. Every row of the export is one of `rows`, `rejects`, `known`, `unlabeled`
    and `retracted`.
    """

    rows: pa.Table
    rejects: pa.Table
    places: list[str | None]
    details: list[str | None]
    known: int
    unlabeled: int
    retracted: int
    changed: list[Change]
    outdated: list[Change]
    gone: pa.Table
    marked: int
    people: Mapping[str, str]
    strangers: tuple[list[str], list[str]]
    disagreements: int
    undated: int
    assumed: int
    queried: int
    number: int

    @property
    def refused(self) -> dict[str, int]:
        """How many rows were refused, by reason, the most frequent first; without those that do not count by the export's own word."""
        reasons = Counter(self.rejects.column("reason").to_pylist())
        return {reason: count for reason, count in reasons.most_common() if reason not in (*REJECTIONS, FAILED)}

    @property
    def rejected(self) -> int:
        """How many answers their annotator, a reviewer or whoever paid for them rejected."""
        return sum(reason in REJECTIONS for reason in self.rejects.column("reason").to_pylist())

    @property
    def failed(self) -> int:
        """How many rows the tool failed to have labeled."""
        return self.rejects.column("reason").to_pylist().count(FAILED)


def merge(
    answers: pa.Table, log: pa.Table, queries: pa.Table | None, known_ids: pa.Array | None, rules: Rules, shown: pa.Table | None = None
) -> Outcome:
    """Judge every row of an export; a pure function, whatever the order of the rows of any table.

    `answers` as `exchange.with_ids` gives them; `log` as `label_log.read` does; `queries` has `id`, `round`, `source`,
    `suggested_label` and maybe `rank`, an id once per round; `known_ids` are those that may be labeled (None: any); `shown` has the
    `text` or `path` of items by `id`.

    A row that the log holds is known: the same id, annotator, label and time; without a time, the same round, or what the
    annotator had last said before that round (a sheet that is handed in round after round). So a second import of the same export
    adds nothing, not even after a correction of it. The answer to a query that asks again (`strategy` relabel) is known only from its own
    round: it may confirm what was said before. Another answer of the annotator on the id is a correction: the later
    `labeled_at` counts (if both have one), else the later `round`, else the later import. Two answers in one export conflict where
    neither of the first two tells, and so does an answer whose round nothing says with one of a later round; a label goes before a
    skip. Auto labels that were withdrawn stay so.
    """
    label, own_round = answers.column("label"), answers.column("round")
    names = (
        rules.classes if rules.classes is not None else {*pc.unique(standing(log).column("label")).to_pylist(), *(rules.label_map or {})}
    )
    marks = pc.fill_null(pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(label)), value_set=pa.array(MARKS)), False)
    marks = pc.and_(marks, pc.invert(pc.is_in(label, value_set=pa.array([name for name in names if name], pa.string()))))
    skipped = pc.fill_null(pc.equal(answers.column("status"), "skipped"), False)
    named = pc.fill_null(pc.is_in(label, value_set=pa.array(list(rules.skip_values), pa.string())), False)
    marks = pc.and_(marks, pc.invert(named))
    skipped = pc.or_(skipped, pc.or_(marks, named))
    reason = answers.column("reason")
    verdict = pc.is_in(reason, value_set=pa.array([*REJECTIONS, FAILED, NO_VERDICT, NO_SKIP]))
    idle = pc.and_(pc.and_(label.is_null(), pc.invert(skipped)), pc.invert(verdict))
    mapped = pc.if_else(skipped, pa.scalar(None, pa.string()), _mapped(label, rules.label_map or {}))
    suggested = answers.column("suggested_label")
    suggested = pc.if_else(pc.fill_null(pc.equal(suggested, label), False), mapped, suggested)  # what was accepted stays so by any name
    query = asked(answers, queries)
    round_ = _filled(rules.round, own_round, query.column("round"), None)
    own_source = answers.column("source")
    stated = _source(own_source, _filled(rules.source, own_source, query.column("source"), None))
    table = pa.table(
        {
            "id": answers.column("id"),
            "label": mapped,
            "source": pc.fill_null(stated, "seed"),
            "round": pc.fill_null(round_, 0),
            "annotator": answers.column("annotator"),
            "suggested_label": pc.coalesce(suggested, query.column("suggested_label")),
            "status": pc.if_else(skipped, "skipped", "labeled"),
            "labeled_at": answers.column("labeled_at"),
            "seconds": answers.column("seconds"),
            "reason": reason,
            "given": answers.column("given"),
            "shown": label,
            "idle": idle,
            "marked": marks,
            "own_round": own_round,
            **{name: answers.column(name) for name in ("rank", "text", "path", "place")},
            # A source that is said here and now is part of the answer: a log that has another one does not hold it.
            "explicit": _source(own_source, _filled(rules.source, own_source, pa.nulls(len(answers), pa.string()), None)),
            "undated": round_.is_null(),
            "assumed": stated.is_null(),
            "again": query.column("again"),
            "queried": pc.and_(stated.is_null(), own_round.is_valid()),
        }
    )
    table, same_people = people.one_name(table, standing(log))
    gone = _gone(table, standing(log))
    table = table.filter(pc.invert(table.column("idle")))
    taken_back = retracted(table, log)
    table = table.filter(pa.array(~taken_back))
    doubt = table.column("reason").combine_chunks()
    details = misplaced(table, queries)
    placed = pa.array([detail is None for detail in details], pa.bool_())
    doubt = _blame(doubt, pc.invert(placed), MISPLACED)
    ranked = np.asarray(table.column("rank").is_valid()) & np.asarray(table.column("own_round").is_valid()) & (queries is not None)
    doubt = _blame(doubt, pa.array(other_text(table, shown) & ~ranked), OTHER_TEXT)
    if known_ids is not None:
        doubt = _blame(doubt, pc.invert(pc.is_in(table.column("id"), value_set=known_ids)), UNKNOWN_ID)
    if rules.classes is not None:
        strange = pc.invert(pc.is_in(table.column("label"), value_set=pa.array([*sorted(rules.classes), None], pa.string())))
        doubt = _blame(doubt, strange, UNKNOWN_CLASS)
    number = next_import(log)
    known, doubt, changed, outdated = _compare(table, log, doubt, number)

    new = table.select([*COLUMNS, *COUNTED]).filter(pa.array(~known & np.asarray(doubt.is_null())))
    out = np.flatnonzero(~known & np.asarray(doubt.is_valid()))
    refused = table.append_column("why", doubt).take(pa.array(out))
    rows = new.select(list(COLUMNS))
    touched = log.filter(pc.is_in(log.column("id"), value_set=pc.unique(table.column("id").drop_null())))
    return Outcome(
        rows=rows,
        rejects=pa.table(
            {
                "id": pc.fill_null(refused.column("given"), ""),
                "label": refused.column("shown"),
                "annotator": refused.column("annotator"),
                "reason": refused.column("why"),
            }
        ),
        places=refused.column("place").to_pylist(),
        details=[details[row] for row in out],
        known=int(known.sum()),
        unlabeled=pc.sum(idle).as_py() or 0,
        retracted=int(taken_back.sum()),
        changed=changed,
        outdated=outdated,
        gone=gone,
        marked=pc.sum(new.column("marked")).as_py() or 0,
        people=same_people,
        strangers=people.strangers(rows, standing(log)),
        disagreements=resolve(_numbered(touched, rows, number)).contested,
        undated=pc.sum(new.column("undated")).as_py() or 0,
        assumed=pc.sum(new.column("assumed")).as_py() or 0,
        queried=pc.sum(new.column("queried")).as_py() or 0,
        number=number,
    )


def _numbered(log: pa.Table, rows: pa.Table, number: int) -> pa.Table:
    """The log with these rows of import `number`."""
    arrival = log.column(ARRIVAL) if ARRIVAL in log.column_names else pa.chunked_array([np.zeros(len(log), np.int64)])
    parts = [log.select(list(COLUMNS)).append_column(ARRIVAL, arrival), rows.append_column(ARRIVAL, pa.array(np.full(len(rows), number)))]
    return pa.concat_tables(parts)


def _gone(table: pa.Table, log: pa.Table) -> pa.Table:
    """The people's rows of the log of which the export, in the same round, says now that there is no answer: the label is empty, or
    the annotator, a reviewer or whoever pays rejected it. An empty row without a name is that of all whom the export names elsewhere,
    if it has no answer of anybody for it."""
    rejected = pc.is_in(pc.fill_null(table.column("reason"), ""), value_set=pa.array(REJECTIONS))
    silent = pc.or_(table.column("idle"), rejected)
    answers = log.filter(pc.not_equal(pc.fill_null(log.column("source"), ""), "auto"))
    concerned = pc.is_in(table.column("id"), value_set=pc.unique(answers.column("id")))
    if not pc.any(pc.and_(silent, concerned)).as_py():
        return answers.slice(0, 0)
    names = {None, *pc.unique(table.column("annotator")).to_pylist()}
    rows = table.select(["id", "round", "annotator", "label", "idle"]).append_column("silent", silent).filter(concerned).to_pylist()
    answered: dict[Any, set[str | None]] = {}
    for row in rows:
        if not row["silent"]:
            answered.setdefault((row["id"], row["round"]), set()).add(row["annotator"])
    said: dict[Any, list[tuple[set[str | None], str | None]]] = {}
    for row in rows:
        place = row["id"], row["round"]
        whose = names if row["idle"] and row["annotator"] is None and place not in answered else {row["annotator"]}
        if row["silent"]:
            said.setdefault(place, []).append((whose - answered.get(place, set()), None if row["idle"] else row["label"]))
    found = [
        place
        for place, row in enumerate(answers.select(["id", "round", "annotator", "label"]).to_pylist())
        if any(row["annotator"] in whose and label in (None, row["label"]) for whose, label in said.get((row["id"], row["round"]), ()))
    ]
    return answers.take(pa.array(found, pa.int64()))


def _source(own: pa.ChunkedArray, stated: Any) -> Any:
    return pc.if_else(pc.fill_null(pc.equal(own, "auto"), False), "auto", stated)


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


def _compare(table: pa.Table, log: pa.Table, doubt: pa.Array, number: int) -> tuple[np.ndarray, pa.Array, list[Change], list[Change]]:
    """Which rows the log holds already; `doubt` with the conflicts; what changes, and what was changed since.

    Only ids that occur more than once are looked at one by one. `number` is that of this import.
    """
    known = np.zeros(table.num_rows, bool)
    ids = table.column("id").drop_null()
    log = given(log)
    log = log.append_column("stands", pa.array(latest_arrivals(log)))
    held = log.filter(pc.is_in(log.column("id"), value_set=pc.unique(ids)))
    counts = pa.chunked_array([*ids.chunks, *held.column("id").chunks], ids.type).value_counts()
    several = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    positions = np.flatnonzero(np.asarray(pc.is_in(table.column("id"), value_set=several)))
    reasons = doubt.to_pylist()
    groups: dict[Any, tuple[list[Row], list[Row]]] = {}
    for row in held.to_pylist():
        row["label"] = None if row["status"] == "skipped" else row["label"]
        groups.setdefault(_key(row), ([], []))[0].append(row)
    for position, row in zip(positions.tolist(), table.take(pa.array(positions)).to_pylist(), strict=True):
        groups.setdefault(_key(row), ([], []))[1].append({**row, "position": position, ARRIVAL: number})
    changed: list[Change] = []
    outdated: list[Change] = []
    for past, new in groups.values():
        old = [row for row in past if row["status"] != WITHDRAWN]
        current = [row for row in old if row["stands"]]
        fresh: dict[Any, list[Row]] = {}  # equal rows together
        said = [row for row in new if reasons[row["position"]] is None]
        for row in new:
            if row["reason"] is None and _holds(old, [*current, *said], row):
                known[row["position"]] = True
                if row["source"] != "auto":
                    outdated += _outdated(past, row)
            elif reasons[row["position"]] is None:
                fresh.setdefault(tuple(row[name] for name in COLUMNS), []).append(row)
        added = []
        for rows in fresh.values():
            conflict = any(_undecided(rows[0], other) for other in said) or any(_older(rows[0], other) for other in old)
            added += [] if conflict else [rows[0]]
            for place, row in enumerate(rows):
                reasons[row["position"]] = CONFLICT if conflict else None
                known[row["position"]] = not conflict and place > 0
        if added and current and added[0]["source"] != "auto":
            replaced = {_moment(row) for row in added}
            before, after = (
                _said(newest_of(rows, of_one=True)[0])
                for rows in (current, [*added, *(row for row in current if _moment(row) not in replaced)])
            )
            changed += [Change(added[0]["id"], added[0]["annotator"], before, after)] if before != after else []
    return known, pa.array(reasons, pa.string()), changed, outdated


def _key(row: Row) -> Any:
    return row["id"], row["annotator"], row["source"] == "auto"


def _moment(row: Row) -> Any:
    """Of an annotator's answers on an id in one round, at one time, the import that came last stands."""
    return row["round"], row["labeled_at"]


def _holds(old: list[Row], said: list[Row], row: Row) -> bool:
    """Is this answer among the `old` ones, those that the log ever had of the same annotator on the same id?

    `said` are those that stand, and the export's own: what an import adds to `old` is in `said` already, so what was known stays known.
    """
    same = [other for other in old if other["label"] == row["label"] and row["explicit"] in (None, other["source"])]
    if not same or row["labeled_at"] is not None:
        return any(other["labeled_at"] == row["labeled_at"] for other in same)
    if any(other["round"] == row["round"] for other in same):
        return True
    if row["again"]:
        return False  # whoever is asked again and says the same confirms it
    before = said
    if not row["undated"]:
        if any(other["round"] == row["round"] and other["label"] != row["label"] for other in said):
            return False
        before = [other for other in said if other["round"] is None or other["round"] < row["round"]]
    if not before:
        return False
    last, tied = newest_of(before, of_one=True)
    return last["label"] == row["label"] and not tied


def _outdated(past: list[Row], row: Row) -> list[Change]:
    """A known answer in the place of which another one stands, or none; what was but renamed is no other answer."""
    mine = [other for other in past if _moment(other) == _moment(row)]
    now = [other for other in mine if other["stands"]]
    if not mine or any(other["status"] == RENAMED or (other["status"] != WITHDRAWN and other["label"] == row["label"]) for other in now):
        return []
    return [Change(row["id"], row["annotator"], _said(row), _said(now[0]))]


def _said(row: Row) -> str:
    return "no label" if row["status"] == WITHDRAWN else row["label"] or "skip"


def _undecided(row: Row, other: Row) -> bool:
    """Do two answers of one annotator in one export differ, with nothing to tell which is newer?"""
    if row["label"] == other["label"] or row["label"] is None or other["label"] is None:
        return False
    return not _timed(row, other) and (row["round"] == other["round"] or row["undated"] or other["undated"])


def _older(row: Row, other: Row) -> bool:
    """Would an answer whose round nothing says lose against one of the log, only because it is stored with the first round?"""
    if row["label"] == other["label"] or row["label"] is None or other["label"] is None:
        return False
    return not _timed(row, other) and row["undated"] and (other["round"] or 0) > row["round"]


def _timed(row: Row, other: Row) -> bool:
    times: tuple[datetime | None, datetime | None] = (row["labeled_at"], other["labeled_at"])
    return None not in times and times[0] != times[1]
