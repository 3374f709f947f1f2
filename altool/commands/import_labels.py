"""`altool import-labels`: add what annotators answered to the label log."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from altool.console import Console
from altool.errors import InputError, UsageError
from altool.labels import adjusting, corrections, exchange, label_map, matching, refusals, registry, remarks
from altool.labels import queries as asked_of
from altool.labels.exchange import Answers, Naming
from altool.labels.merge import CONFLICT, Outcome, Rules, merge
from altool.labels.opening import open_exports
from altool.options import declared, flag, option, shared
from altool.shared import COLUMNS, TIME_UNIT, TIME_ZONE, UNLABELED_VALUE
from altool.tables import align, check, label_log, objects, outputs, places, rounds, write
from altool.tables.arrays import read_index
from altool.tables.outputs import Output
from altool.tables.read import Reader, Source, listing, meaning
from altool.tables.schema import KINDS, SOURCES
from altool.tables.targets import Targets, read_targets
from altool.text import count

EXPORT = "The export"
TAKEN = "What is taken of it"
INSTEAD = "Instead of an export"
LAST_ROUND = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Options:
    """Add what annotators answered to the label log."""

    exports: Sequence[str] | None = option(
        "What the annotation tool exported: files, folders or -.", metavar="EXPORT...", argument=True, panel=EXPORT
    )
    labels: str = option("The label log, a folder; made if it is missing.", metavar="DIR", required=True, panel=EXPORT)
    queries: Sequence[str] | None = option(
        "What was asked, with its round and source; repeatable, or a glob.", metavar="TABLE", panel=EXPORT
    )
    from_: str = option("Its format; see altool formats.", default=registry.AUTO, metavar="FORMAT", flags=("--from",), panel=EXPORT)
    items: str | None = option("Also take labels of these ids, which no query asked.", metavar="TABLE", panel=EXPORT)
    id_col: str | None = option("The export's column or key that holds the id.", metavar="NAME", panel=EXPORT)
    annotator_columns: str | None = option("Columns of labels, one per annotator, beside annotator:NAME.", metavar="A,B,…", panel=EXPORT)
    match: str | None = option(
        "Match rows to items by text, path or rank, not by id.", metavar="BY", choices=matching.MATCHES, panel=EXPORT
    )
    encoding: str | None = option("Encoding of text files, as cp1252.", metavar="NAME", shown="UTF-8", panel=EXPORT)
    annotator: str | None = option("Who answered rows without an annotator; file: the file's name.", metavar="NAME|file", panel=EXPORT)
    where: Sequence[str] | None = option("Only rows with this value; repeatable.", metavar="COLUMN=VALUE", panel=TAKEN)
    classes: str | None = option("Only these classes are taken; or a file of them.", metavar="A,B,…", panel=TAKEN)
    targets: str | None = option("Only classes with a target are taken; with a default target, any.", metavar="TABLE", panel=TAKEN)
    allow_new_classes: bool = option("Take classes that no list has yet.", default=False, panel=TAKEN)
    label_map: Sequence[str] | None = option("Other names for the tool's labels, or a file of them.", metavar="OLD=NEW,…", panel=TAKEN)
    skip_value: Sequence[str] | None = option("A label that means the row was skipped; repeatable.", metavar="LABEL", panel=TAKEN)
    trim: bool = option("Remove blanks at the ends of labels and annotators.", default=False, panel=TAKEN)
    round: int | None = option(
        "The round of every row.", metavar="N", low=0, high=LAST_ROUND, shown="each row's, or its query's", panel=TAKEN
    )
    source: str | None = option(
        f"The source of every row: {', '.join(SOURCES)}.", metavar="NAME", choices=SOURCES, shown="each row's, or its query's", panel=TAKEN
    )
    withdraw: bool = option("Withdraw answers that the export no longer has.", default=False, panel=TAKEN)
    strict: bool = option("Take nothing if a row is refused.", default=False, panel=TAKEN)
    auto: str | None = option("Take the suggestions of rows of source auto as labels.", metavar="QUERIES", panel=INSTEAD)
    retract_auto: int | None = option("Withdraw a round's auto labels.", metavar="ROUND", low=0, high=LAST_ROUND, panel=INSTEAD)
    rename: Sequence[str] | None = option("Rename a class of the log; repeatable.", metavar="OLD=NEW", panel=INSTEAD)
    drop_class: Sequence[str] | None = option("Withdraw the log's labels of a class; repeatable.", metavar="NAME", panel=INSTEAD)
    columns: str | None = shared(COLUMNS)
    time_zone: str | None = shared(TIME_ZONE)
    time_unit: str | None = shared(TIME_UNIT)
    unlabeled_value: Sequence[str] | None = shared(UNLABELED_VALUE)


FROM_PEOPLE = (
    *("exports", "from_", "queries", "source", "items", "id_col", "annotator_columns", "where", "annotator", "trim", "withdraw"),
    *("skip_value", "label_map", "time_zone", "time_unit", "unlabeled_value", "match", "encoding"),
)
ALONE = ("auto", "round", "targets", "columns", "classes", "allow_new_classes", "strict")  # without effect on corrections, too


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
    if console.dry_run:
        _warn(options, inputs, outcome, log, console)
        _report(options, inputs, outcome, {"fragment": None, "rejects": None}, console)
        return
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
        raise UsageError("EXPORT is missing", "name what the annotation tool exported, or give --auto QUERIES")
    corrections_ = ("retract_auto", "rename", "drop_class")
    for own, chosen in instead.items():
        others = () if own == "retract_auto" else ("retract_auto",) if own in corrections_ else corrections_
        useless = (*FROM_PEOPLE, *(ALONE if own in corrections_ else ()), *others)
        for one in declared(Options) if chosen else ():
            if one.name in useless and getattr(options, one.name) not in (None, one.default, []):
                raise UsageError(f"{'EXPORT' if one.argument else one.flag} has no effect with {flag(own)}", "give one of them")
    if options.match and not (options.queries if options.match == "rank" else options.items):
        raise UsageError(f"--match {options.match} needs {'--queries' if options.match == 'rank' else '--items'}")
    if options.match and options.id_col:
        raise UsageError("--id-col has no effect with --match", "give one of them")
    if options.from_ != registry.AUTO:
        registry.FORMATS.load(options.from_)
    if (places.exists(options.labels) or os.path.lexists(options.labels)) and not places.is_folder(options.labels):
        raise UsageError(f"--labels: expected a folder, found {options.labels}", "give a folder; it is made if it is missing")
    wanted = [Output("--labels", location, "folder") for location in (options.labels, refusals.folder(options.labels))]
    read = outputs.given(options, "queries", "auto", "items", "targets", "text:classes")
    outputs.check(wanted, [*read, *(("EXPORT", location) for location in options.exports or ())])


def _read_exports(options: Options, console: Console) -> Inputs:
    names = label_map.parse(options.label_map or ())
    meant = meaning(options.time_zone, options.time_unit, options.unlabeled_value)
    reader = Reader(options.columns, _classes_of(options, console), console)
    annotators = tuple(filter(None, (options.annotator_columns or "").split(",")))
    naming = Naming(
        reader.names, options.id_col, annotators, adjusting.where(options.where or ()), meant, reader.classes or (), options.match
    )
    found = []
    opened = (export for location in options.exports or () for export in open_exports(location, console, options.encoding))
    for export in opened:
        answers = registry.read(export, options.from_, naming)
        for text in answers.remarks:
            console.warn(text)
        found.append(adjusting.signed(answers, options.annotator) if options.annotator is not None else answers)
    if options.where and not sum(one.table.num_rows for one in found):
        left_out = sum(one.left_out for one in found)
        console.warn(f"--where {' --where '.join(options.where)}: none of {count(left_out, 'row')} matches")
    found = [adjusting.trimmed(one) for one in found] if options.trim else found
    return _read(options, reader, found, names, console)


def _classes_of(options: Options, console: Console) -> str | None:
    """`--classes`, else the list of classes beside the label log."""
    shown = places.sibling(options.labels, "classes.txt")
    path = shown if objects.is_remote(shown) else os.path.abspath(shown)
    if options.classes or not places.exists(path):
        return options.classes
    console.info(f"classes: those of {shown}")
    return path


def _read(options: Options, reader: Reader, found: Sequence[Answers], names: Mapping[str, str], console: Console) -> Inputs:
    queries = [reader.open(location, "queries") for location in options.queries or ()]
    for source in queries:  # what the export is to leave out, the queries keep
        source.names = {name: other for name, other in source.names.items() if other}
    items = reader.open(options.items, "items") if options.items else None
    targets = read_targets(reader, options.targets) if options.targets else None
    reader.add(_log(options.labels))
    for one in found:
        reader.use(one.used)
    found = [adjusting.without_ids(one) for one in found] if options.match else found
    typed = any(source.id_type for source in reader.sources) or any(one.id_type for one in found)
    numbers = all(one.table.schema.field("id").type == pa.int64() for one in found)  # out of JSON
    id_type = reader.match_ids([(one.name, one.id_type) for one in found], pa.int64() if numbers else pa.string())

    answers = pa.concat_tables([exchange.with_ids(one, id_type) for one in found]).combine_chunks()
    untyped = not typed and not options.match and id_type == pa.string()
    if untyped and all(exchange.INTEGER.fullmatch(text or "0") for text in answers.column("id").to_pylist()):
        console.warn(
            "ids that look like integers are stored as strings, as no other table has typed ids; to store integers: --queries or --items"
        )
    fingerprints: dict[str, str] = {}
    shown = None
    known: list[pa.ChunkedArray] = []
    asked = None
    if queries:
        asked = pa.concat_tables([asked_of.read(source) for source in queries])
        # Whoever answers a row that the machine would have labeled is a person: its source is the strategy, like that of its tier's audit.
        sources = asked.column("source")
        by_people = pc.if_else(pc.equal(sources, "auto"), pa.scalar("exploit"), sources)
        asked = asked.set_column(asked.column_names.index("source"), "source", by_people)
        fingerprints["queries"] = align.table_fingerprint(asked)
        known.append(asked.column("id"))
    if items:
        index = read_index(items)
        fingerprints["items"] = align.fingerprint(index, None)
        if options.match in ("text", "path"):
            answers = matching.matched(answers, options.match, asked_of.shown(items, index.ids), None)
        wanted = pc.unique(answers.column("id").drop_null())
        known.append(index.ids.filter(pc.is_in(index.ids, value_set=wanted)))
        shown = asked_of.shown(items, wanted)
    if options.match == "rank":
        answers = matching.matched(answers, "rank", None, asked)
        shown = asked_of.shown(items, pc.unique(answers.column("id").drop_null())) if items else None
    content = [*KINDS["labels"].columns, "reason", "given"]
    fingerprints["export"] = align.table_fingerprint(answers.select(content))
    ids = pc.unique(pa.chunked_array([chunk for column in known for chunk in column.chunks], id_type)) if known else None
    skips = tuple(options.skip_value or ())
    rules = Rules(options.round, options.source, skips, names, _allowed(options, reader, targets, queries))
    return Inputs(answers, asked, ids, rules, id_type, fingerprints, shown, sum(one.left_out for one in found), rounds.begun(queries))


def _allowed(options: Options, reader: Reader, targets: Targets | None, queries: Sequence[Source]) -> frozenset[str] | None:
    """The classes that a label may be of; None: any."""
    named = reader.classes or (tuple(targets.named) if targets else asked_of.classes(queries))
    closed = named is not None and not options.allow_new_classes and (reader.classes or not targets or not targets.default)
    return frozenset(named or ()) if closed else None


def _read_auto(options: Options, location: str, console: Console) -> Inputs:
    """The suggestions of the queries of source `auto` as answers. Raises InputError for one that has none."""
    reader = Reader(options.columns, _classes_of(options, console), console)
    source = reader.open(location, "queries")
    targets = read_targets(reader, options.targets) if options.targets else None
    reader.add(_log(options.labels))
    id_type = reader.match_ids()
    source.require("source")
    table = asked_of.read(source)
    table = table.filter(pc.fill_null(pc.equal(table.column("source"), "auto"), False))
    blank = pc.equal(pc.utf8_trim_whitespace(pc.fill_null(table.column("suggested_label"), "")), "")
    empty = table.column("id").filter(blank)
    if len(empty):
        text = f"{source.name}, column 'suggested_label': {count(len(empty), 'row')} of source auto without one"
        raise InputError(f"{text} (ids {check.naming(check.first_ids(empty))})", "give the queries as altool select wrote them")
    if not table.num_rows:
        console.info(f"{source.name}: no row of source auto")
    # Nobody was shown the suggestion, so it is the label alone.
    columns = {name: table.column(name) for name in ("id", "source", "round")} | {"label": table.column("suggested_label")}
    found = exchange.answers(source.name, {name: column.combine_chunks() for name, column in columns.items()}, id_type)
    rules = Rules(round=options.round, classes=_allowed(options, reader, targets, [source]))
    fingerprints = {"queries": align.table_fingerprint(table)}
    return Inputs(exchange.with_ids(found, id_type), None, None, rules, id_type, fingerprints, None, 0, rounds.begun([source]))


def _retract(labels: str, round_: int, console: Console) -> None:
    """Withdraw the auto labels of a round."""
    retracted, before, fragment = corrections.retract(labels, round_, dry=console.dry_run)
    summary = {"command": "import-labels", "retracted": retracted, "known": before, "fragment": fragment}
    if console.dry_run:
        console.rehearsed(summary, f"retract {count(retracted, 'auto label')} of round {round_}")
        return
    line = f"retracted {count(retracted, 'auto label')} of round {round_}"
    line = f"{line} -> {places.within(labels, fragment)}" if fragment else "no change"
    console.result(summary, line + (f" ({before:,} retracted already)" if before else ""))


def _correct(labels: str, renames: Sequence[str], dropped: Sequence[str], console: Console) -> None:
    """Take classes out of the log, or give them another name."""
    names: dict[str, str] = {}
    for old, new in (pair for text in renames for pair in label_map.pairs(text, "--rename")):
        if old in names or old in dropped:
            raise UsageError(f"--rename: {old!r} is given twice", "name each class once, in --rename or in --drop-class")
        names[old] = new
    renamed, withdrawn, fragment = corrections.correct(labels, names, dropped, dry=console.dry_run)
    summary = {"command": "import-labels", "renamed": renamed, "withdrawn": withdrawn, "fragment": fragment}
    if console.dry_run:
        console.rehearsed(summary, f"rename {count(renamed, 'label')}, withdraw {count(withdrawn, 'label')}")
        return
    line = f"renamed {count(renamed, 'label')}, withdrew {count(withdrawn, 'label')}"
    console.result(summary, f"{line} -> {places.within(labels, fragment)}" if fragment else "no change")


def _held(folder: str) -> list[str]:
    """The files of the log."""
    return listing(f"labels {folder}", folder, allow_empty=True).paths if places.is_folder(folder) else []


def _log(folder: str) -> Source:
    """The log, without the names of `--columns`, which are the export's."""
    return Reader().open(folder, "labels", allow_empty=True, allow_missing=True)


def _judge(options: Options, inputs: Inputs) -> tuple[Outcome, pa.Table]:
    """What the import comes to, and the log as it was. Raises InputError where a row is refused with `--strict`, or every answer is."""
    reader = Reader()
    source = reader.open(options.labels, "labels", allow_empty=True, allow_missing=True)
    reader.match_ids([("this import", inputs.id_type)])
    log = label_log.read(source)
    outcome = merge(inputs.answers, log, inputs.queries, inputs.known_ids, inputs.rules, inputs.shown)
    refused = sum(outcome.refused.values())
    taken = outcome.rows.num_rows + outcome.known
    if refused and (options.strict or not taken):
        reasons = "; ".join(refusals.described(outcome, reason) for reason in outcome.refused)
        text = f"refused {refused:,} of {count(refused + taken, 'label')}: {reasons}"
        raise InputError(text, refusals.HINTS[next(iter(outcome.refused))])
    return outcome, log


def _write(options: Options, inputs: Inputs, outcome: Outcome) -> dict[str, str | None]:
    """The names of the files that were added."""
    rules = inputs.rules
    changing = {
        **{name: getattr(rules, name) for name in ("round", "source")},
        "skip_value": next(iter(rules.skip_values)) if len(rules.skip_values) == 1 else list(rules.skip_values) or None,
        "label_map": rules.label_map or None,
        "where": sorted(options.where) if options.where else None,
        "annotator": options.annotator,
        "match": options.match,
        **{name: getattr(options, name) or None for name in ("trim", "withdraw")},
        "classes": sorted(rules.classes) if rules.classes is not None else None,
    }
    origin = write.provenance("import-labels", changing, 0, inputs.fingerprints)
    if inputs.begun:
        origin["begun"] = inputs.begun
    rows = pa.concat_tables([outcome.rows, corrections.withdrawals(outcome.gone)]) if options.withdraw else outcome.rows
    round_ = pc.max(rows.column("round")).as_py() if rows.num_rows else 0
    rejects = refusals.unkept(options.labels, outcome.rejects)
    files: dict[str, str | None] = {}
    if rejects.num_rows:
        # In object storage two imports of the same rows may both write: there each keeps what it refused under a name of its own.
        alike = rows.num_rows and not objects.is_remote(options.labels)
        refused = f"refused-{align.table_fingerprint(rejects)[7:27]}.parquet"
        location = places.within(refusals.folder(options.labels), label_log.fragment(rows, round_, outcome.number)[0] if alike else refused)
        write.write_table(rejects, "rejects", location, origin=origin)
        files["rejects"] = location
    return {**files, "fragment": label_log.write(rows, options.labels, round_, origin, outcome.number) if rows.num_rows else None}


def _warn(options: Options, inputs: Inputs, outcome: Outcome, log: pa.Table, console: Console) -> None:
    """Say what was refused, what changed, and which names are odd."""
    for reason in outcome.refused:
        console.warn(f"refused: {refusals.described(outcome, reason)}; {refusals.HINTS[reason]}")
    good = inputs.answers.filter(inputs.answers.column("reason").is_null())
    names = set(pc.unique(good.column("label").drop_null()).to_pylist()) - set(inputs.rules.label_map or ()) - set(inputs.rules.skip_values)
    about_names = remarks.of_names(outcome, log, inputs.rules.classes, names, listed=not options.allow_new_classes)
    for text in (*about_names, *remarks.of_changes(outcome, options.withdraw)):
        console.warn(text)
    if outcome.people:
        same = ", ".join(f"{name} is {other}" for name, other in sorted(outcome.people.items())[:3])
        console.info(f"annotators known by identical answers in the log: {same}")
    if outcome.marked:
        console.info(f"? and skip are no classes: skipped {count(outcome.marked, 'row')}")


def _report(options: Options, inputs: Inputs, outcome: Outcome, files: dict[str, str | None], console: Console) -> None:
    without = {"round": (outcome.undated, 0), "source": (outcome.assumed, "seed")}
    stored = [f"{count(rows, 'row')} without a {name} (stored as {value})" for name, (rows, value) in without.items() if rows]
    if stored:
        console.info("; ".join(stored))
    if outcome.queried:
        console.warn(
            f"{count(outcome.queried, 'row')} without a source, of a round that select chose: stored as source seed, on which models are "
            "measured; give the --queries, or --source"
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
    rest = [f"{rows:,} {name}" for name, rows in counts.items() if rows]
    rest += [count(outcome.disagreements, "disagreement")] if outcome.disagreements else []
    if console.dry_run:
        taken = f"import {count(len(named), 'label')}" + (f" and {count(skipped, 'skip')}" if skipped else "")
        console.rehearsed(summary, taken + (f" ({', '.join(rest)})" if rest else "") + f" -> {options.labels}")
        return
    auto = outcome.rows.num_rows and summary["sources"] == {"auto": outcome.rows.num_rows}
    line = f"imported {count(len(named), 'auto label' if auto else 'label')}" + (f" and {count(skipped, 'skip')}" if skipped else "")
    line = line if outcome.rows.num_rows else "no change" if not withdrawn else "imported nothing"
    line += f", withdrew {count(withdrawn, 'answer')}" if withdrawn else ""
    line += f" ({', '.join(rest)})" if rest else ""
    line += f" -> {places.within(options.labels, files['fragment'])}" if files["fragment"] else ""
    console.result(summary, line + (f"; the refused rows are in {files['rejects']}" if files["rejects"] else ""))


def _tally(values: pa.ChunkedArray) -> dict[str, int]:
    return dict(sorted((pair["values"], pair["counts"]) for pair in values.value_counts().to_pylist()))
