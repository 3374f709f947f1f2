"""`select --relabel`: labels that are most likely wrong, and those on which annotators disagree, go out again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.console import Console
from altool.errors import InputError, NothingLeft, UsageError
from altool.labels.consensus import codes, resolve, standing, tallies
from altool.metrics import doubt
from altool.selection import queries
from altool.selection.options import Options, check_relabel, exports_of
from altool.tables import align, check, label_log, rounds, write
from altool.tables import classes as class_lists
from altool.tables.predicted import read_predicted
from altool.tables.read import Reader, Source, layout, meaning
from altool.tables.schema import RELABEL
from altool.text import count


@dataclass(frozen=True)
class Tables:
    """The tables, ids of one type: predictions of the labels out of fold, of the held-out rows by a model that never saw them, the log,
    what limits the choice, and the items of exports; `versions` are those of tables with a log."""

    oof: Source
    held: Source | None
    log: Source
    limits: dict[str, Source]
    items: Source | None
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Labeled:
    """The labeled rows in id order, as far as they may go out: their `table` (id, label, source, round), and of each its `codes` int64 (n,)
    and `probabilities` (n, K) of the `classes`, where it is `predicted` (boolean)."""

    table: pa.Table
    classes: tuple[str, ...]
    codes: np.ndarray
    probabilities: np.ndarray
    predicted: np.ndarray


@dataclass(frozen=True)
class Doubts:
    """The `places` int64 (m,) of the labels in doubt among the labeled rows, the most doubtful first and of equal ones the smaller id. Of
    each labeled row its `score` float32 (n,), and whether the model or the annotators doubt it (boolean (n,)). How many more are in doubt
    but `settled`: they were asked again before."""

    places: np.ndarray
    score: np.ndarray
    by_model: np.ndarray
    by_people: np.ndarray
    settled: int


def run(options: Options, wanted: int, console: Console) -> None:
    """Write queries of the `wanted` labels that are most in doubt, or of fewer where fewer are.

    Raises NothingLeft, after an empty table was written, where none is.
    """
    check_relabel(options)
    exports, output = exports_of(options), options.output or ""
    queries.check_outputs(options, output, exports, console)
    tables = _open(options, console)
    rows = label_log.read(tables.log)
    round_ = _round(rows, options.round)
    fingerprints = {"labels": align.table_fingerprint(rows)} | tables.versions
    labeled = read_labeled(rows, tables, fingerprints, console, strict=options.strict)
    people = standing(rows)
    people = people.filter(pc.not_equal(pc.fill_null(people.column("source"), ""), "auto"))
    found = _doubts(labeled, _within(labeled.table, tables.limits, fingerprints), rows, people)
    chosen = found.places[:wanted]
    if console.dry_run:
        if not len(chosen):
            raise NothingLeft("nothing left to do: no label is in doubt")
        text = f"ask again about {len(chosen):,} of {count(len(labeled.table), 'label')}, round {round_} -> {output}"
        console.rehearsed({"command": "select", "relabel": len(chosen), "round": round_, "output": output, "exports": exports}, text)
        return
    table = _table(labeled, found, chosen, people, round_, suggest=options.suggest)
    classes = (*labeled.classes, *sorted(set(pc.unique(labeled.table.column("label")).to_pylist()) - set(labeled.classes)))
    if tables.items is not None:
        queries.export(table, tables.items, exports, classes, options, console)
    origin = write.provenance("select", {"relabel": wanted, "round": round_, "suggest": options.suggest}, options.seed, fingerprints)
    write.write_table(table, "queries", output, origin=origin, classes=classes, format=options.format)
    facts = {"round": round_, "relabel": wanted, "output": output, "exports": exports}
    _conclude(labeled, found, chosen, facts, console)


def _open(options: Options, console: Console) -> Tables:
    means = meaning(options.time_zone, options.time_unit, options.unlabeled_value)
    reader = Reader(options.columns, options.classes, console, means, layout(options), options.ids)
    limits = {"within": options.within, "exclude": options.exclude}
    tables = Tables(
        oof=reader.open(options.oof or "", "predictions"),
        held=reader.open(options.predictions, "predictions") if options.predictions else None,
        log=reader.open(options.labels or "", "labels", allow_empty=True),
        limits={name: reader.open(location, "ids") for name, location in limits.items() if location},
        items=reader.open(options.items, "items") if options.items and options.export else None,
    )
    reader.match_ids()
    return replace(tables, versions=reader.versions)


def _round(rows: pa.Table, given: int | None) -> int:
    """The round of the queries: later than all labels, so that its answers are the newest. Raises UsageError for one that is not."""
    # held-out rows may be asked again, too, so that their rounds count
    last = rounds.next_round(rows.set_column(rows.column_names.index("source"), "source", pa.nulls(len(rows), pa.string())))
    if given is not None and given < last:
        text = f"--round {given}: the labels have round {last - 1}, expected at least {last}, whose answers are the newest"
        raise UsageError(text, f"give --round {last}, or leave it out")
    return last if given is None else given


def read_labeled(rows: pa.Table, tables: Tables, fingerprints: dict[str, str], console: Console, *, strict: bool) -> Labeled:
    """The labeled rows and their predictions. Held-out rows count where there are predictions of a model that never saw them; warns of rows
    that no prediction is for. Raises InputError where there is none for any."""
    oof, log = tables.oof, tables.log
    table = resolve(rows).table
    table = table.filter(table.column("label").is_valid())
    if not len(table):
        raise InputError(f"{log.name}: no labels", "import some: altool import-labels")
    held = _held(table)
    if tables.held is None and held.any():
        console.info(f"{count(int(held.sum()), 'held-out row')} left out; to ask about their labels too: --predictions of a model")
        table = table.filter(pa.array(~held))
    if tables.held is not None and not held.any():
        console.info(f"--predictions is not read: it is for held-out rows, and {log.name} has none")
    hint = "give the labels and the predictions of one project; --classes names the classes where the predictions do not"
    if text := class_lists.match(class_lists.counts(table.column("label")), oof.classes, log.name, oof.name, hint):
        console.mismatch(text, "train on them again, or leave --strict out", strict=strict)
    held = _held(table)
    probabilities = np.zeros((len(table), len(oof.classes)), np.float32)
    predicted = np.zeros(len(table), bool)
    for name, source, mine in (("oof", oof, ~held), ("predictions", tables.held, held)):
        if source is None or not mine.any():
            continue
        order = _same_classes(source, oof)
        found = read_predicted(source, table.column("id").filter(pa.array(mine)), console)
        fingerprints[name] = found.fingerprint
        places = found.ids.positions(table.column("id"))
        has = mine & (places >= 0)
        if name == "oof":
            has[has] = found.out_of_fold[places[has]]
            if not has.any():
                text = f"{source.name}: no out-of-fold prediction (column fold) of any label"
                raise InputError(text, "give what altool train --folds 5 --oof PREDICTIONS wrote")
        probabilities[has] = found.probabilities[places[has]][:, order]
        predicted |= has
    numbers = codes(table, oof.classes)
    if not predicted.all():
        ids = table.column("id").filter(pa.array(~predicted))
        text = f"{log.name}: {count(len(ids), 'labeled row')} without a prediction (ids {check.naming(check.first_ids(ids))})"
        console.mismatch(f"{text}; only their annotators can disagree", "train and score again", strict=strict)
    return Labeled(table, oof.classes, numbers, probabilities, predicted & (numbers >= 0))


def _within(table: pa.Table, limits: Mapping[str, Source], fingerprints: dict[str, str]) -> np.ndarray:
    """Boolean (n,): the rows that --within and --exclude let out."""
    inside = np.ones(len(table), bool)
    for name, limit in limits.items():
        ids = pc.unique(limit.read(["id"]).column("id"))
        fingerprints[name] = align.table_fingerprint(pa.table({"id": ids}).sort_by("id"))
        named = np.asarray(pc.is_in(table.column("id"), value_set=ids))
        inside &= named if name == "within" else ~named
    return inside


def _held(table: pa.Table) -> np.ndarray:
    return np.asarray(pc.fill_null(pc.equal(table.column("source"), "holdout"), False))


def _same_classes(source: Source, oof: Source) -> list[int]:
    """The place of each class of `oof` among those of the source. Raises InputError where these are others."""
    if sorted(source.classes) != sorted(oof.classes):
        raise InputError(f"{source.name}: it has other classes than {oof.name}", "give the predictions of one model and its labels")
    return [source.classes.index(name) for name in oof.classes]


def _doubts(labeled: Labeled, inside: np.ndarray, rows: pa.Table, people: pa.Table) -> Doubts:
    """The doubts among the rows that are `inside` (boolean (n,)); `people` are the standing answers of people among the log's `rows`."""
    size, known = len(labeled.table), labeled.predicted
    by_model, margin = np.zeros(size, bool), np.zeros(size)
    if known.any():
        by_model[known], margin[known] = doubt.margins(labeled.probabilities[known], labeled.codes[known])
    said = tallies(rows)
    votes, against, total = np.ones(size, np.int64), np.zeros(size, np.int64), np.ones(size, np.int64)
    ids = labeled.table.column("id")
    for place in np.flatnonzero(np.asarray(pc.is_in(ids, value_set=pa.array(list(said), ids.type)))):
        tally, label = said[ids[place].as_py()], labeled.table.column("label")[place].as_py()
        votes[place], total[place] = tally[label], tally.total()
        against[place] = max(number for name, number in tally.items() if name != label)
    dissent = doubt.dissent(votes, against, total)
    # Twice the same answer, or a majority of three, settles a label; a tie does not.
    asked = people.group_by("id").aggregate([("round", "count_distinct", pc.CountOptions(mode="all"))])
    again = asked.column("id").filter(pc.greater(asked.column("round_count_distinct"), 1))
    settled = np.asarray(pc.is_in(ids, value_set=again)) & (dissent < 0)
    by_people, score = total > votes, doubt.scores(margin, dissent).astype(np.float32)
    doubted = (by_model | by_people) & inside
    places = np.flatnonzero(doubted & ~settled)
    return Doubts(places[np.argsort(-score[places], kind="stable")], score, by_model, by_people, int((doubted & settled).sum()))


def _table(labeled: Labeled, found: Doubts, chosen: np.ndarray, people: pa.Table, round_: int, *, suggest: bool) -> pa.Table:
    """The queries, in rank order. A row keeps its source, so that a fair sample stays one; the machine's labels, and those of unknown
    source, become a person's about a row that a strategy chose."""
    source = pc.fill_null(labeled.table.column("source").take(pa.array(chosen)), "auto")
    why = np.where(found.by_model & found.by_people, "both", np.where(found.by_people, "annotators", "model"))
    columns: dict[str, Any] = {
        "id": labeled.table.column("id").take(pa.array(chosen)),
        "rank": pa.array(np.arange(1, len(chosen) + 1, dtype=np.int32)),
        "score": pa.array(found.score[chosen]),
        "strategy": pa.array([RELABEL] * len(chosen), pa.string()),
        "round": pa.array(np.full(len(chosen), round_, np.int32)),
        "source": pc.if_else(pc.equal(source, "auto"), "exploit", source),
        "reason": pa.array(why[chosen].tolist(), pa.string()),
    }
    if suggest:
        confidence = np.where(labeled.predicted, labeled.probabilities.max(axis=1), np.nan).astype(np.float32)[chosen]
        columns |= queries.suggestions(labeled.probabilities.argmax(axis=1)[chosen], confidence, labeled.classes)
    if len(pc.unique(people.column("annotator").drop_null())) > 1:
        columns["not_annotators"] = _annotators(people, columns["id"])
    return pa.table(columns)


def _annotators(people: pa.Table, ids: pa.ChunkedArray) -> pa.Array:
    """Who answered each of these rows before, by name: one who did not is to be asked."""
    own = people.filter(pc.is_in(people.column("id"), value_set=ids.combine_chunks()))
    who: dict[Any, set[str]] = {}
    for id_, name in zip(own.column("id").to_pylist(), own.column("annotator").to_pylist(), strict=True):
        who.setdefault(id_, set()).update([name] if name is not None else [])
    return pa.array([sorted(who.get(id_, ())) for id_ in ids.to_pylist()], pa.list_(pa.string()))


def _conclude(labeled: Labeled, found: Doubts, chosen: np.ndarray, facts: Mapping[str, Any], console: Console) -> None:
    """Say what was written. Raises NothingLeft where that is an empty table."""
    size, doubts, wanted = len(labeled.table), len(found.places), facts["relabel"]
    if found.settled:
        console.info(f"{count(found.settled, 'label')} in doubt left out: asked again before")
    if not doubts:
        text = f"nothing left to do: none of {count(size, 'label')} is in doubt; wrote an empty table"
        raise NothingLeft(text, "label new rows: altool select --budget N")
    numbers = {"by_model": int(found.by_model[found.places].sum()), "by_annotators": int(found.by_people[found.places].sum())}
    why = zip(numbers.values(), ("by the model", "by annotators who disagree"), strict=True)
    said = [f"{number:,} {reason}" for number, reason in why if number]
    console.info(f"relabel: {doubts:,} of {count(size, 'label')} in doubt, {', '.join(said)}")
    if doubts < wanted:
        console.info(f"{count(doubts, 'label')} in doubt for --relabel {wanted:,}: all are asked again")
    counts = {"selected": len(chosen), "labeled": size, "doubts": doubts, "settled": found.settled, **numbers}
    line = f"selected {len(chosen):,} of {count(doubts, 'label')} in doubt, round {facts['round']} -> {facts['output']}"
    console.result({"command": "select", "strategy": RELABEL, **facts, **counts}, line)
