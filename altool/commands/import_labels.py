"""`altool import-labels`: add what annotators answered to the label log."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields

import pyarrow as pa
import pyarrow.compute as pc

from altool.console import Console
from altool.errors import InputError, UsageError
from altool.labels import exchange, registry
from altool.labels.consensus import standing
from altool.labels.exchange import Answers, Naming
from altool.labels.merge import CONFLICT, UNKNOWN_CLASS, UNKNOWN_ID, Outcome, Rules, merge
from altool.tables import align, check, label_log, outputs, rounds, write
from altool.tables.arrays import read_index
from altool.tables.outputs import Output
from altool.tables.read import Reader, Source, listing
from altool.tables.schema import KINDS, RETRACTED, SOURCES
from altool.tables.targets import Targets, read_targets

HINTS = {
    UNKNOWN_ID: "give the --queries of every round in the export, or --items",
    UNKNOWN_CLASS: "correct them with --label-map old=new, or take them with --allow-new-classes",
    CONFLICT: "the same annotator gave another label; say which is newer by labeled_at or a later --round, or who is who by annotator",
    exchange.NO_ID: "name the column or key that holds altool's id: --id-col NAME",
    exchange.NO_INTEGER_ID: "write ids as the other tables have them",
    exchange.NO_TEXT: "write the label as a text",
    exchange.SEVERAL: "altool takes one class per row; ask for a single choice",
    exchange.NO_TIME: "write times as 2026-01-31T12:00:00Z, with an offset",
    exchange.NO_SECONDS: "write a number from 0",
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
    skip_value: str | None = None
    label_map: str | None = None
    allow_new_classes: bool = False
    strict: bool = False
    columns: str | None = None
    classes: str | None = None


FROM_PEOPLE = ("exports", "from_", "queries", "source", "items", "id_col", "annotator_columns", "skip_value", "label_map")
ALONE = ("round", "targets", "columns", "classes", "allow_new_classes", "strict")  # what --retract-auto has no use for either


@dataclass(frozen=True)
class Inputs:
    """Everything that is read but the log, which another import may change meanwhile."""

    answers: pa.Table
    queries: pa.Table | None
    known_ids: pa.Array | None
    rules: Rules
    id_type: pa.DataType
    fingerprints: dict[str, str]
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
    inputs = _read_auto(options, options.auto, console) if options.auto else _read_exports(options, console)
    held = _held(options.labels)
    outcome = _judge(options, inputs)
    files: dict[str, str | None] = {"fragment": None, "rejects": None}
    if outcome.rows.num_rows or outcome.rejects.num_rows:
        with label_log.locked(options.labels):
            if _held(options.labels) != held:
                outcome = _judge(options, inputs)  # another import was faster
            files |= _write(options, inputs, outcome)
    _report(outcome, files, options.labels, console)


def _check_options(options: Options) -> None:
    """Refuse what cannot work, or would do nothing. Raises UsageError."""
    machine = {"--auto": options.auto is not None, "--retract-auto": options.retract_auto is not None}
    if not any(machine.values()) and not options.exports:
        raise UsageError("there is no EXPORT", "name what the annotation tool exported, or give --auto QUERIES")
    for name, given in machine.items():
        useless = (*FROM_PEOPLE, *(("auto", *ALONE) if name == "--retract-auto" else ()))
        for field in fields(options) if given else ():
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


def _label_map(text: str | None) -> dict[str, str]:
    """`old=new,…`."""
    names: dict[str, str] = {}
    for part in filter(None, (text or "").split(",")):
        old, equals, new = part.partition("=")
        if not equals or not old or not new or old in names:
            raise UsageError(
                f"--label-map: {part!r} is not OLD=NEW, or its OLD is there twice", "for example --label-map pos=positive,neg=negative"
            )
        names[old] = new
    return names


def _read_exports(options: Options, console: Console) -> Inputs:
    label_map = _label_map(options.label_map)
    reader = Reader(options.columns, options.classes)
    naming = Naming(reader.names, options.id_col, tuple(filter(None, (options.annotator_columns or "").split(","))))
    found = [
        registry.read(export, options.from_, naming) for location in options.exports or () for export in exchange.open_exports(location)
    ]
    return _read(options, reader, found, label_map, console)


def _read(options: Options, reader: Reader, found: Sequence[Answers], label_map: dict[str, str], console: Console) -> Inputs:
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
    fingerprints = {"export": align.table_fingerprint(answers)}
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
        known.append(index.ids.filter(pc.is_in(index.ids, value_set=pc.unique(answers.column("id").drop_null()))))
    ids = pc.unique(pa.chunked_array([chunk for column in known for chunk in column.chunks], id_type)) if known else None
    rules = Rules(options.round, options.source, options.skip_value, label_map, _allowed(options, reader, targets, queries))
    return Inputs(answers, asked, ids, rules, id_type, fingerprints, rounds.begun(queries))


def _allowed(options: Options, reader: Reader, targets: Targets | None, queries: Sequence[Source]) -> frozenset[str] | None:
    """The classes that a label may be of; None: any."""
    named = reader.classes or (tuple(targets.named) if targets else _classes(queries))
    closed = named is not None and not options.allow_new_classes and (reader.classes or not targets or not targets.default)
    return frozenset(named or ()) if closed else None


def _read_auto(options: Options, location: str, console: Console) -> Inputs:
    """The suggestions of the queries of source `auto` as answers. Raises InputError for one that has none."""
    reader = Reader(options.columns, options.classes)
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
    return Inputs(exchange.with_ids(found, id_type), None, None, rules, id_type, fingerprints, rounds.begun([source]))


def _retract(labels: str, round_: int, console: Console) -> None:
    """Withdraw the auto labels of a round: a row of status `retracted` for each, as one file of the log."""
    name = f"labels {labels}"
    if not os.path.isdir(labels):
        raise InputError(f"{name}: there is no such folder", "give the label log")
    path = None
    with label_log.locked(labels):
        reader = Reader()
        source = reader.open(labels, "labels", allow_empty=True)
        reader.match_ids()
        log = label_log.read(source)
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
            path = label_log.write(pa.table(columns), labels, round_, origin)
    summary = {"command": "import-labels", "retracted": len(ids), "known": gone.num_rows, "fragment": path.name if path else None}
    line = f"retracted {_count(len(ids), 'auto label')} of round {round_} -> {labels}/{path.name}" if path else "no change"
    console.result(summary, line + (f" ({gone.num_rows:,} retracted already)" if gone.num_rows else ""))


def _queries(source: Source) -> pa.Table:
    """`id`, `round`, `source` and `suggested_label` of queries. Raises InputError for what the log could not hold."""
    table = source.read(["id", "round", "source", "suggested_label"])
    if len(source.fragments) == 1:  # the files of several rounds may share ids
        align.index(table.column("id").chunks, source.name)
    for name in ("round", "source", "suggested_label"):
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
    return table.select(["id", "round", "source", "suggested_label"])


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


def _judge(options: Options, inputs: Inputs) -> Outcome:
    """Raises InputError where a row is refused with `--strict`, or every answer is."""
    reader = Reader()
    reader.add(Source(KINDS["ids"], "of this import", [], {}, inputs.id_type, {}, None))
    source = _open_log(options.labels)
    reader.add(source)
    reader.match_ids()
    outcome = merge(inputs.answers, label_log.read(source), inputs.queries, inputs.known_ids, inputs.rules)
    refused = outcome.rejects.num_rows
    taken = outcome.rows.num_rows + outcome.known
    if refused and (options.strict or not taken):
        reasons = "; ".join(_refusal(outcome, reason) for reason in outcome.refused)
        text = f"{refused:,} of {refused + taken:,} labels are refused: {reasons}"
        raise InputError(text, HINTS[next(iter(outcome.refused))])
    return outcome


def _refusal(outcome: Outcome, reason: str) -> str:
    """`unknown id, 3 rows (ids a, b, c)`."""
    rows = outcome.rejects.filter(pc.equal(outcome.rejects.column("reason"), reason))
    shown = rows.column("label" if reason == UNKNOWN_CLASS else "id").drop_null().unique()
    names = f" ({'classes' if reason == UNKNOWN_CLASS else 'ids'} {check.naming(check.first_ids(shown))})"
    return f"{reason}, {_count(rows.num_rows, 'row')}{'' if reason == exchange.NO_ID else names}"


def _write(options: Options, inputs: Inputs, outcome: Outcome) -> dict[str, str | None]:
    """The names of the files that were added."""
    rules = inputs.rules
    changing = {
        **{name: getattr(rules, name) for name in ("round", "source", "skip_value")},
        "label_map": rules.label_map or None,
        "classes": sorted(rules.classes) if rules.classes is not None else None,
    }
    origin = write.provenance("import-labels", changing, 0, inputs.fingerprints)
    if inputs.begun:
        origin["begun"] = inputs.begun
    rows = outcome.rows
    round_ = pc.max(rows.column("round")).as_py() if rows.num_rows else 0
    rejects = _new_rejects(options.labels, outcome.rejects)
    files: dict[str, str | None] = {}
    if rejects.num_rows:
        name = label_log.fragment(rows, round_)[0] if rows.num_rows else f"refused-{align.table_fingerprint(rejects)[7:27]}.parquet"
        location = f"{_rejects_folder(options.labels)}/{name}"
        write.write_table(rejects, "rejects", location, origin=origin)
        files["rejects"] = location
    path = label_log.write(rows, options.labels, round_, origin) if rows.num_rows else None
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


def _report(outcome: Outcome, files: dict[str, str | None], labels: str, console: Console) -> None:
    for reason in outcome.refused:
        console.warn(f"refused: {_refusal(outcome, reason)}; {HINTS[reason]}")
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
    summary = {
        "command": "import-labels",
        "imported": outcome.rows.num_rows,
        "known": outcome.known,
        "skipped": skipped,
        "unlabeled": outcome.unlabeled,
        "refused": outcome.refused,
        "retracted": outcome.retracted,
        "sources": _tally(outcome.rows.column("source")),
        "conflicts": outcome.refused.get(CONFLICT, 0),
        "disagreements": outcome.disagreements,
        "classes": _tally(named),
        **files,
    }
    counts = {"known": outcome.known, "unlabeled": outcome.unlabeled, "retracted": outcome.retracted, "refused": outcome.rejects.num_rows}
    rest = [f"{count:,} {name}" for name, count in counts.items() if count]
    rest += [_count(outcome.disagreements, "disagreement")] if outcome.disagreements else []
    auto = summary["sources"] == {"auto": outcome.rows.num_rows}
    line = f"imported {_count(len(named), 'auto label' if auto else 'label')}" + (f" and {_count(skipped, 'skip')}" if skipped else "")
    line = (line if outcome.rows.num_rows else "no change") + (f" ({', '.join(rest)})" if rest else "")
    line += f" -> {labels}/{files['fragment']}" if files["fragment"] else ""
    console.result(summary, line + (f"; the refused rows are in {files['rejects']}" if files["rejects"] else ""))


def _tally(values: pa.ChunkedArray) -> dict[str, int]:
    return dict(sorted((pair["values"], pair["counts"]) for pair in values.value_counts().to_pylist()))


def _count(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
