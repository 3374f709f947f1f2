"""`altool import-labels`: add what annotators answered to the label log."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.console import Console
from altool.errors import InputError, UsageError
from altool.labels import corrections, exchange, label_map, registry, remarks
from altool.labels.consensus import given, standing
from altool.labels.exchange import Answers, Naming
from altool.labels.lookalikes import plain, quoted, trimmed
from altool.labels.merge import CONFLICT, MISPLACED, OTHER_TEXT, UNKNOWN_CLASS, UNKNOWN_ID, Outcome, Rules, merge
from altool.tables import align, check, label_log, outputs, rounds, write
from altool.tables.arrays import read_index
from altool.tables.outputs import Output
from altool.tables.read import Reader, Source, listing, meaning
from altool.tables.schema import KINDS, RETRACTED, SOURCES
from altool.tables.targets import Targets, read_targets

HINTS = {
    UNKNOWN_ID: "give the --queries of every round in the export, or --items",
    UNKNOWN_CLASS: "correct them with --label-map old=new, or take them with --allow-new-classes",
    CONFLICT: "the same annotator gave another label; say which is newer by labeled_at or a later --round, or who is who by annotator "
    "(--annotator NAME or file)",
    MISPLACED: "did a spreadsheet change the ids? correct them by the sheet as it was written, or leave the check out: --columns rank=",
    OTHER_TEXT: "is the id the annotation tool's own number? name altool's: --id-col NAME; if that column is another text: --columns text=",
    exchange.NO_ID: "name the column or key that holds altool's id: --id-col NAME",
    exchange.NO_INTEGER_ID: "write ids as the other tables have them",
    exchange.NO_TEXT: "write the label as a text",
    exchange.SEVERAL: "altool takes one class per row; ask for a single choice",
    exchange.NO_TIME: check.HINTS["labeled_at"],
    exchange.NO_SECONDS: "write a number from 0",
    exchange.BROKEN: "the export holds half of a surrogate pair; mend the text in the annotation tool",
    exchange.NO_SKIP: "mark a skip by skip, x, 1, yes or true; leave the cell empty, or write no, where there is none",
    exchange.BOTH: "leave one of them empty",
    exchange.NO_VERDICT: "take the rows that count: --where NAME=VALUE",
}


@dataclass(frozen=True)
class Options:
    labels: str
    exports: Sequence[str] | None = None
    from_: str = "auto"
    queries: Sequence[str] | None = None
    auto: str | None = None
    retract_auto: int | None = None
    round: int | None = None
    source: str | None = None
    items: str | None = None
    targets: str | None = None
    id_col: str | None = None
    annotator_columns: str | None = None
    where: Sequence[str] | None = None
    annotator: str | None = None
    trim: bool = False
    withdraw: bool = False
    rename: Sequence[str] | None = None
    drop_class: Sequence[str] | None = None
    skip_value: Sequence[str] | None = None
    label_map: Sequence[str] | None = None
    allow_new_classes: bool = False
    strict: bool = False
    columns: str | None = None
    classes: str | None = None
    time_zone: str | None = None
    time_unit: str | None = None
    unlabeled_value: Sequence[str] | None = None


FROM_PEOPLE = (
    *("exports", "from_", "queries", "source", "items", "id_col", "annotator_columns", "where", "annotator", "trim", "withdraw"),
    *("skip_value", "label_map", "time_zone", "time_unit", "unlabeled_value"),
)
ALONE = ("auto", "round", "targets", "columns", "classes", "allow_new_classes", "strict")  # what corrections have no use for either


@dataclass(frozen=True)
class Inputs:
    """Everything that is read but the log, which another import may change meanwhile."""

    answers: pa.Table
    queries: pa.Table | None
    known_ids: pa.Array | None
    rules: Rules
    id_type: pa.DataType
    fingerprints: dict[str, str]
    shown: pa.Table | None  # what the items show, by id
    left_out: int  # by --where
    begun: dict[str, list[str]]  # see tables/rounds.py


def run(options: Options, console: Console) -> None:
    """Read the exports, judge every row by queries, classes and the log, and add what is new as one file of the log.

    With `auto`, the answers are those that the machine gave itself, out of its queries. Refused rows go to `LABELS.rejects/`, and go
    there first: a run that was killed in between does the same when it is repeated.
    """
    _check_options(options)
    if options.retract_auto is not None:
        _retract(options.labels, options.retract_auto, console)
        return
    if options.rename or options.drop_class:
        _correct(options.labels, options.rename or (), options.drop_class or (), console)
        return
    inputs = _read_auto(options, options.auto, console) if options.auto else _read_exports(options, console)
    held = _held(options.labels)
    outcome, log = _judge(options, inputs)
    files: dict[str, str | None] = {"fragment": None, "rejects": None}
    if outcome.rows.num_rows or outcome.rejects.num_rows or (options.withdraw and outcome.gone.num_rows):
        with label_log.locked(options.labels):
            if _held(options.labels) != held:
                outcome, log = _judge(options, inputs)  # another import was faster
            files |= _write(options, inputs, outcome)
    _warn(options, inputs, outcome, log, console)
    _report(options, inputs, outcome, files, console)


def _check_options(options: Options) -> None:
    """Refuse what cannot work, or would do nothing. Raises UsageError."""
    instead = {"retract_auto": options.retract_auto is not None, "rename": bool(options.rename), "drop_class": bool(options.drop_class)}
    instead |= {"auto": options.auto is not None}
    if not any(instead.values()) and not options.exports:
        raise UsageError("there is no EXPORT", "name what the annotation tool exported, or give --auto QUERIES")
    corrections_ = ("retract_auto", "rename", "drop_class")
    for own, chosen in instead.items():
        name = f"--{own.replace('_', '-')}"
        others = () if own == "retract_auto" else ("retract_auto",) if own in corrections_ else corrections_
        useless = (*FROM_PEOPLE, *(ALONE if own in corrections_ else ()), *others)
        for field in fields(options) if chosen else ():
            if field.name in useless and getattr(options, field.name) not in (None, field.default, []):
                flag = "EXPORT" if field.name == "exports" else f"--{field.name.strip('_').replace('_', '-')}"
                raise UsageError(f"{flag} means nothing to {name}", "give one of them")
    if options.from_ not in registry.NAMES:
        raise UsageError(f"--from: there is no {options.from_!r}; there are {', '.join(registry.NAMES)}")
    if options.source is not None and options.source not in SOURCES:
        raise UsageError(f"--source: there is no {options.source!r}; there are {', '.join(SOURCES)}")
    if "://" in options.labels or (os.path.lexists(options.labels) and not os.path.isdir(options.labels)):
        raise UsageError(f"--labels: {options.labels} is no local folder", "an import adds a file to a folder, which it makes if need be")
    wanted = [Output("--labels", location, "folder") for location in (options.labels, _rejects_folder(options.labels))]
    read = outputs.given(options, "queries", "auto", "items", "targets", "text:classes")
    outputs.check(wanted, [*read, *(("EXPORT", location) for location in options.exports or ())])


def _where(given_: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """`COLUMN=VALUE`, each of one pair; several values of one column all count."""
    found: dict[str, tuple[str, ...]] = {}
    for text in given_:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--where: {text!r} is not COLUMN=VALUE", "for example --where status=approved")
        found[name] = (*found.get(name, ()), value)
    return found


def _read_exports(options: Options, console: Console) -> Inputs:
    names = label_map.parse(options.label_map or ())
    meant = meaning(options.time_zone, options.time_unit, options.unlabeled_value)
    reader = Reader(options.columns, _classes_of(options, console), console)
    annotators = tuple(filter(None, (options.annotator_columns or "").split(",")))
    naming = Naming(reader.names, options.id_col, annotators, _where(options.where or ()), meant, reader.classes or ())
    found = []
    for export in (export for location in options.exports or () for export in exchange.open_exports(location, console)):
        answers = registry.read(export, options.from_, naming)
        for text in answers.remarks:
            console.warn(text)
        found.append(_signed(answers, options.annotator) if options.annotator is not None else answers)
    if options.where and not sum(one.table.num_rows for one in found):
        left_out = sum(one.left_out for one in found)
        console.warn(f"--where {options.where[0]}{' and so on' if len(options.where) > 1 else ''} holds for none of {left_out:,} rows")
    found = [_trimmed(one) for one in found] if options.trim else found
    return _read(options, reader, found, names, console)


def _classes_of(options: Options, console: Console) -> str | None:
    """`--classes`, else the list of classes that somebody put beside the label log."""
    path = Path(os.path.abspath(options.labels)).parent / "classes.txt"
    if options.classes or not path.is_file():
        return options.classes
    console.info(f"the classes are those of {os.path.join(os.path.dirname(options.labels.rstrip('/')), 'classes.txt')}")
    return str(path)


def _signed(answers: Answers, annotator: str) -> Answers:
    """The answers of which nothing says who gave them are this annotator's; `file`: of whom the file is named after."""
    name = Path(answers.name.removeprefix("export ")).stem if annotator == "file" else annotator.strip()
    if not name or (annotator == "file" and answers.name == "export -"):
        raise UsageError(f"--annotator {annotator}: {answers.name} has no name", "name who answered: --annotator NAME")
    column = pc.fill_null(answers.table.column("annotator"), name)
    return replace(answers, table=answers.table.set_column(answers.table.column_names.index("annotator"), "annotator", column))


def _trimmed(answers: Answers) -> Answers:
    """The answers with names of classes and people as they are without blanks at their ends."""
    table = answers.table
    for name in ("label", "annotator", "suggested_label"):
        texts = [value if value is None else trimmed(value) or None for value in table.column(name).to_pylist()]
        table = table.set_column(table.column_names.index(name), name, pa.array(texts, pa.string()))
    return replace(answers, table=table)


def _read(options: Options, reader: Reader, found: Sequence[Answers], names: Mapping[str, str], console: Console) -> Inputs:
    queries = [reader.open(location, "queries") for location in options.queries or ()]
    items = reader.open(options.items, "items") if options.items else None
    targets = read_targets(reader, options.targets) if options.targets else None
    reader.add(_open_log(options.labels))
    for one in found:
        reader.add(Source(KINDS["labels"], one.name.removeprefix("export "), [], {}, one.id_type, {}, None), one.used)
    typed = any(source.id_type for source in reader.sources)
    if not typed and all(one.table.schema.field("id").type == pa.int64() for one in found):
        reader.sources[-1].id_type = pa.int64()  # nothing but numbers, out of JSON
    id_type = reader.match_ids()

    answers = pa.concat_tables([exchange.with_ids(one, id_type) for one in found]).combine_chunks()
    if not typed and id_type == pa.string() and all(exchange.INTEGER.fullmatch(text or "0") for text in answers.column("id").to_pylist()):
        console.warn(
            "the ids look like integers, but nothing says so: they are stored as strings; if that is wrong give --queries or --items"
        )
    content = [*KINDS["labels"].columns, "reason", "given"]
    fingerprints = {"export": align.table_fingerprint(answers.select(content))}
    shown = None
    known: list[pa.ChunkedArray] = []
    asked = None
    if queries:
        asked = pa.concat_tables([_queries(source) for source in queries])
        # Whoever answers a row that the machine would have labeled is a person: its source is the strategy, like that of its tier's audit.
        asked_of = asked.column("source")
        by_people = pc.if_else(pc.equal(asked_of, "auto"), pa.scalar("exploit"), asked_of)
        asked = asked.set_column(asked.column_names.index("source"), "source", by_people)
        fingerprints["queries"] = align.table_fingerprint(asked)
        known.append(asked.column("id"))
    if items:
        index = read_index(items)
        fingerprints["items"] = align.fingerprint(index, None)
        wanted = pc.unique(answers.column("id").drop_null())
        known.append(index.ids.filter(pc.is_in(index.ids, value_set=wanted)))
        shown = _shown(items, wanted)
    ids = pc.unique(pa.chunked_array([chunk for column in known for chunk in column.chunks], id_type)) if known else None
    skips = tuple(options.skip_value or ())
    rules = Rules(options.round, options.source, skips, names, _allowed(options, reader, targets, queries))
    return Inputs(answers, asked, ids, rules, id_type, fingerprints, shown, sum(one.left_out for one in found), rounds.begun(queries))


def _shown(items: Source, ids: pa.Array) -> pa.Table | None:
    """`id` and `text` or `path` of the items with these ids; None where the items have neither."""
    columns = ["id", *(name for name in ("text", "path") if name in items)]
    if len(columns) == 1 or not len(ids):
        return None
    return pa.Table.from_batches(items.scan(columns, lambda batch: batch.filter(pc.is_in(batch.column("id"), value_set=ids))))


def _allowed(options: Options, reader: Reader, targets: Targets | None, queries: Sequence[Source]) -> frozenset[str] | None:
    """The classes that a label may be of; None: any."""
    named = reader.classes or (tuple(targets.named) if targets else _classes(queries))
    closed = named is not None and not options.allow_new_classes and (reader.classes or not targets or not targets.default)
    return frozenset(named or ()) if closed else None


def _read_auto(options: Options, location: str, console: Console) -> Inputs:
    """The suggestions of the queries of source `auto` as answers. Raises InputError for one that has none."""
    reader = Reader(options.columns, _classes_of(options, console), console)
    source = reader.open(location, "queries")
    targets = read_targets(reader, options.targets) if options.targets else None
    reader.add(_open_log(options.labels))
    id_type = reader.match_ids()
    source.require("source")
    table = _queries(source)
    table = table.filter(pc.fill_null(pc.equal(table.column("source"), "auto"), False))
    blank = pc.equal(pc.utf8_trim_whitespace(pc.fill_null(table.column("suggested_label"), "")), "")
    empty = table.column("id").filter(blank)
    if len(empty):
        text = f"{source.name}, column 'suggested_label': {len(empty):,} rows of source auto have none"
        raise InputError(f"{text} (ids {check.naming(check.first_ids(empty))})", "give the queries as altool select wrote them")
    if not table.num_rows:
        console.info(f"{source.name}: no row is of source auto")
    # Nobody was shown the suggestion, so it is the label alone.
    columns = {name: table.column(name) for name in ("id", "source", "round")} | {"label": table.column("suggested_label")}
    found = exchange.answers(source.name, {name: column.combine_chunks() for name, column in columns.items()}, id_type)
    rules = Rules(round=options.round, classes=_allowed(options, reader, targets, [source]))
    fingerprints = {"queries": align.table_fingerprint(table)}
    return Inputs(exchange.with_ids(found, id_type), None, None, rules, id_type, fingerprints, None, 0, rounds.begun([source]))


def _log(folder: str) -> pa.Table:
    """The rows of the log alone, as they are now."""
    reader = Reader()
    source = reader.open(folder, "labels", allow_empty=True)
    reader.match_ids()
    return label_log.read(source)


def _retract(labels: str, round_: int, console: Console) -> None:
    """Withdraw the auto labels of a round: a row of status `retracted` for each, as one file of the log."""
    name = f"labels {labels}"
    if not os.path.isdir(labels):
        raise InputError(f"{name}: there is no such folder", "give the label log")
    path = None
    with label_log.locked(labels):
        log = _log(labels)
        auto = standing(log)
        auto = auto.filter(pc.equal(auto.column("source"), "auto"))
        mine = auto.filter(pc.equal(auto.column("round"), round_))
        gone = log.filter(pc.and_(pc.equal(log.column("status"), RETRACTED), pc.equal(log.column("round"), round_)))
        if not mine.num_rows and not gone.num_rows:
            others = ", ".join(str(number) for number in sorted(set(auto.column("round").drop_null().to_pylist())))
            raise InputError(f"{name}: round {round_} has no auto label", f"rounds that have some: {others or 'none'}")
        ids = pc.unique(mine.column("id"))
        if len(ids):
            said = {"id": ids, "source": "auto", "round": round_, "status": RETRACTED}
            columns = {
                column: said[column] if column == "id" else pa.array([said.get(column)] * len(ids), type_)
                for column, type_ in KINDS["labels"].columns.items()
            }
            origin = write.provenance("import-labels", {"retract_auto": round_}, 0, {"labels": align.table_fingerprint(log)})
            path = label_log.write(pa.table(columns), labels, round_, origin, label_log.next_import(log))
    summary = {"command": "import-labels", "retracted": len(ids), "known": gone.num_rows, "fragment": path.name if path else None}
    line = f"retracted {_count(len(ids), 'auto label')} of round {round_} -> {labels}/{path.name}" if path else "no change"
    console.result(summary, line + (f" ({gone.num_rows:,} retracted already)" if gone.num_rows else ""))


def _correct(labels: str, renames: Sequence[str], dropped: Sequence[str], console: Console) -> None:
    """Take classes out of the log, or give them another name: a row for each of their answers, as one file of the log."""
    names: dict[str, str] = {}
    for old, new in (pair for text in renames for pair in label_map.pairs(text, "--rename")):
        if old in names or old in dropped:
            raise UsageError(f"--rename: {old!r} is there twice", "name each class once, in --rename or in --drop-class")
        names[old] = new
    name = f"labels {labels}"
    if not os.path.isdir(labels):
        raise InputError(f"{name}: there is no such folder", "give the label log")
    path = None
    with label_log.locked(labels):
        log = _log(labels)
        ever = set(given(log).column("label").to_pylist())
        if strange := [other for other in (*names, *dropped) if other not in ever]:
            raise InputError(
                f"{name}: no label was ever of class {quoted(strange[0])}",
                f"classes that it has: {check.naming(sorted(map(quoted, filter(None, set(standing(log).column('label').to_pylist())))))}",
            )
        renamed = corrections.renamings(log, names)
        withdrawn = corrections.withdrawals(corrections.of_classes(log, dropped))
        rows = pa.concat_tables([renamed, withdrawn])
        if rows.num_rows:
            origin = write.provenance(
                "import-labels",
                {"rename": names or None, "drop_class": sorted(dropped) or None},
                0,
                {"labels": align.table_fingerprint(log)},
            )
            path = label_log.write(rows, labels, pc.max(rows.column("round")).as_py() or 0, origin, label_log.next_import(log))
    fragment = path.name if path else None
    summary = {"command": "import-labels", "renamed": renamed.num_rows, "withdrawn": withdrawn.num_rows, "fragment": fragment}
    line = f"renamed {_count(renamed.num_rows, 'label')}, withdrew {_count(withdrawn.num_rows, 'label')} -> {labels}/{fragment}"
    console.result(summary, line if path else "no change")


def _queries(source: Source) -> pa.Table:
    """`id`, `round`, `source`, `suggested_label` and `rank` of queries. Raises InputError for what the log could not hold."""
    names = ["id", "round", "source", "suggested_label", "rank"]
    table = source.read(names)
    if len(source.fragments) == 1:  # the files of several rounds may share ids
        align.index(table.column("id").chunks, source.name)
    for name in names[1:]:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, source.kind.columns[name]))
    known = pc.is_in(table.column("source"), value_set=pa.array([*SOURCES, None], pa.string()))
    for column, wrong in (("source", pc.invert(known)), ("round", pc.fill_null(pc.less(table.column("round"), 0), False))):
        faulty = table.column("id").filter(wrong)
        if len(faulty):
            what = f"something else than {', '.join(SOURCES)}" if column == "source" else "a negative round"
            raise InputError(
                f"{source.name}, column {column!r}: {len(faulty):,} rows hold {what} (ids {check.naming(check.first_ids(faulty))})",
                "correct, rename or leave out the column",
            )
    return table.select(names)


def _classes(queries: Sequence[Source]) -> tuple[str, ...] | None:
    """The classes that the files of the queries name; None if none does."""
    metadata = [fragment.schema.metadata or {} for source in queries for fragment in source.fragments]
    lists = [json.loads(entry[b"altool.classes"]) for entry in metadata if b"altool.classes" in entry]
    return tuple(dict.fromkeys(name for classes in lists for name in classes)) if lists else None


def _held(folder: str) -> list[str]:
    """The files of the log."""
    return listing(f"labels {folder}", folder, allow_empty=True)[0] if os.path.isdir(folder) else []


def _open_log(folder: str) -> Source:
    if not os.path.isdir(folder):
        return Source(KINDS["labels"], folder, [], {}, None, {}, None)
    return Reader().open(folder, "labels", allow_empty=True)


def _judge(options: Options, inputs: Inputs) -> tuple[Outcome, pa.Table]:
    """What the import comes to, and the log as it was. Raises InputError where a row is refused with `--strict`, or every answer is."""
    reader = Reader()
    reader.add(Source(KINDS["ids"], "of this import", [], {}, inputs.id_type, {}, None))
    source = _open_log(options.labels)
    reader.add(source)
    reader.match_ids()
    log = label_log.read(source)
    outcome = merge(inputs.answers, log, inputs.queries, inputs.known_ids, inputs.rules, inputs.shown)
    refused = sum(outcome.refused.values())
    taken = outcome.rows.num_rows + outcome.known
    if refused and (options.strict or not taken):
        reasons = "; ".join(_refusal(outcome, reason) for reason in outcome.refused)
        text = f"{refused:,} of {refused + taken:,} labels are refused: {reasons}"
        raise InputError(text, HINTS[next(iter(outcome.refused))])
    return outcome, log


def _refusal(outcome: Outcome, reason: str) -> str:
    """`unknown id, 3 rows (ids a, b, c; sheet.csv line 4, sheet.csv line 7, …)`."""
    places = np.flatnonzero(np.asarray(pc.equal(outcome.rejects.column("reason"), reason)))
    rows = outcome.rejects.take(pa.array(places))
    of_class = reason == UNKNOWN_CLASS
    shown = check.first_ids(rows.column("label" if of_class else "id").drop_null().unique())
    what = (
        []
        if reason == exchange.NO_ID
        else [f"{'classes' if of_class else 'ids'} {check.naming([plain(name) if isinstance(name, str) else name for name in shown])}"]
    )
    first = places[:3].tolist()
    named = [named for place in first if (named := outcome.places[place])]
    what += [", ".join(named) + (", …" if len(places) > len(first) else "")] if named else []
    what += [f"ids {check.naming(rows.column('id').to_pylist()[:3])}"] if of_class else []
    what += [detail] if len(places) and (detail := outcome.details[first[0]]) and reason == MISPLACED else []
    return f"{reason}, {_count(rows.num_rows, 'row')} ({'; '.join(what)})"


def _write(options: Options, inputs: Inputs, outcome: Outcome) -> dict[str, str | None]:
    """The names of the files that were added."""
    rules = inputs.rules
    changing = {
        **{name: getattr(rules, name) for name in ("round", "source")},
        "skip_value": next(iter(rules.skip_values)) if len(rules.skip_values) == 1 else list(rules.skip_values) or None,
        "label_map": rules.label_map or None,
        "where": sorted(options.where) if options.where else None,
        "annotator": options.annotator,
        **{name: getattr(options, name) or None for name in ("trim", "withdraw")},
        "classes": sorted(rules.classes) if rules.classes is not None else None,
    }
    origin = write.provenance("import-labels", changing, 0, inputs.fingerprints)
    if inputs.begun:
        origin["begun"] = inputs.begun
    rows = pa.concat_tables([outcome.rows, corrections.withdrawals(outcome.gone)]) if options.withdraw else outcome.rows
    round_ = pc.max(rows.column("round")).as_py() if rows.num_rows else 0
    rejects = _new_rejects(options.labels, outcome.rejects)
    files: dict[str, str | None] = {}
    if rejects.num_rows:
        name = (
            label_log.fragment(rows, round_, outcome.number)[0]
            if rows.num_rows
            else f"refused-{align.table_fingerprint(rejects)[7:27]}.parquet"
        )
        location = f"{_rejects_folder(options.labels)}/{name}"
        write.write_table(rejects, "rejects", location, origin=origin)
        files["rejects"] = location
    path = label_log.write(rows, options.labels, round_, origin, outcome.number) if rows.num_rows else None
    return {**files, "fragment": path.name if path else None}


def _rejects_folder(labels: str) -> str:
    return labels.rstrip("/") + ".rejects"


def _new_rejects(labels: str, rejects: pa.Table) -> pa.Table:
    """The refused rows that are not kept yet, in order, each once."""
    rows = {tuple(row.values()) for row in rejects.to_pylist()}
    folder = _rejects_folder(labels)
    if rows and os.path.isdir(folder):
        kept = Reader().open(folder, "rejects", allow_empty=True).read()
        rows -= {tuple(row[name] for name in rejects.column_names) for row in kept.to_pylist()}
    ordered = sorted(rows, key=lambda row: tuple(value or "" for value in row))
    return pa.table({name: pa.array([row[i] for row in ordered], pa.string()) for i, name in enumerate(rejects.column_names)})


def _warn(options: Options, inputs: Inputs, outcome: Outcome, log: pa.Table, console: Console) -> None:
    """Say what was refused, what changed, and which names are odd."""
    for reason in outcome.refused:
        console.warn(f"refused: {_refusal(outcome, reason)}; {HINTS[reason]}")
    good = inputs.answers.filter(inputs.answers.column("reason").is_null())
    names = set(pc.unique(good.column("label").drop_null()).to_pylist()) - set(inputs.rules.label_map or ()) - set(inputs.rules.skip_values)
    about_names = remarks.of_names(outcome, log, inputs.rules.classes, names, listed=not options.allow_new_classes)
    for text in (*about_names, *remarks.of_changes(outcome, options.withdraw)):
        console.warn(text)
    if outcome.people:
        same = ", ".join(f"{name} is {other}" for name, other in sorted(outcome.people.items())[:3])
        console.info(f"annotators under the name that the log has, by annotations that are the same: {same}")
    if outcome.marked:
        console.info(f"? and skip are no classes: {_count(outcome.marked, 'row')} skipped")


def _report(options: Options, inputs: Inputs, outcome: Outcome, files: dict[str, str | None], console: Console) -> None:
    unsaid = {"round": (outcome.undated, 0), "source": (outcome.assumed, "seed")}
    stored = [f"the {name} of {_count(count, 'row')} (stored as {value})" for name, (count, value) in unsaid.items() if count]
    if stored:
        console.info(f"nothing says {' and '.join(stored)}")
    if outcome.queried:
        console.warn(
            "chosen by select, as their round says, but stored as source seed, on which models are measured: "
            f"{_count(outcome.queried, 'row')}; give the --queries, or --source"
        )
    named = outcome.rows.column("label").drop_null()
    skipped = outcome.rows.num_rows - len(named)
    withdrawn = outcome.gone.num_rows if options.withdraw else 0
    # records = imported + known + unlabeled + all that is refused + rejected + failed + left_out + retracted
    summary: dict[str, Any] = {
        "command": "import-labels",
        "records": len(inputs.answers) + inputs.left_out,
        "imported": outcome.rows.num_rows,
        "known": outcome.known,
        "skipped": skipped,
        "unlabeled": outcome.unlabeled,
        "refused": outcome.refused,
        "rejected": outcome.rejected,
        "failed": outcome.failed,
        "left_out": inputs.left_out,
        "retracted": outcome.retracted,
        "changed": len(outcome.changed),
        "outdated": len(outcome.outdated),
        "gone": outcome.gone.num_rows,
        "withdrawn": withdrawn,
        "sources": _tally(outcome.rows.column("source")),
        "conflicts": outcome.refused.get(CONFLICT, 0),
        "disagreements": outcome.disagreements,
        "classes": _tally(named),
        **files,
    }
    counts = {"changed": len(outcome.changed), "known": outcome.known, "unlabeled": outcome.unlabeled, "left out": inputs.left_out}
    counts |= {name: summary[name] for name in ("rejected", "failed", "retracted")} | {"refused": sum(outcome.refused.values())}
    rest = [f"{count:,} {name}" for name, count in counts.items() if count]
    rest += [_count(outcome.disagreements, "disagreement")] if outcome.disagreements else []
    auto = outcome.rows.num_rows and summary["sources"] == {"auto": outcome.rows.num_rows}
    line = f"imported {_count(len(named), 'auto label' if auto else 'label')}" + (f" and {_count(skipped, 'skip')}" if skipped else "")
    line = line if outcome.rows.num_rows else "no change" if not withdrawn else "imported nothing"
    line += f", withdrew {_count(withdrawn, 'answer')}" if withdrawn else ""
    line += f" ({', '.join(rest)})" if rest else ""
    line += f" -> {options.labels}/{files['fragment']}" if files["fragment"] else ""
    console.result(summary, line + (f"; the refused rows are in {files['rejects']}" if files["rejects"] else ""))


def _tally(values: pa.ChunkedArray) -> dict[str, int]:
    return dict(sorted((pair["values"], pair["counts"]) for pair in values.value_counts().to_pylist()))


def _count(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
