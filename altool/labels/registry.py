"""The formats of annotation tools: which one an export is in, and which can be written."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.errors import InputError, UsageError
from altool.labels import foreign, table
from altool.labels.exchange import NO_VERDICT, Answers, Export, Format, Naming, Task, answers, json_text, whole_characters
from altool.labels.records import Records
from altool.registry import Registry
from altool.tables import check, label_log
from altool.tables.columns import plain
from altool.text import clip

AUTO = "auto"
FORMATS = Registry("altool.formats", "FORMAT", "--from", lambda: Format)


def ordered(refused: Callable[[InputError], None] = lambda error: None) -> list[Format]:
    """All formats in the order in which an export is tried on them: tools' own shapes first, and of these altool's own first. Broken ones
    of other packages are left out: `refused` is given the error of each."""
    found = FORMATS.every(refused).values()
    return sorted(found, key=lambda form: (form.plain, form.name not in FORMATS.own, form.order, form.name))


def writer(name: str) -> Format:
    """The format of that name, to write. Raises UsageError for an unknown one, and for one that is only read."""
    known = name in FORMATS.names()
    if known and (form := FORMATS.load(name, "--export")).write:
        return form
    names = [other for other, form in FORMATS.every().items() if form.write]
    close = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {close[0]}?" if close else f"choose from {', '.join(names)}"
    raise UsageError(f"--export: {clip(repr(name), 80)} is {'only read' if known else 'unknown'}", hint)


def read(export: Export, wanted: str, naming: Naming) -> Answers:
    """The answers in an export, of the format that is `wanted`, or `auto`. Raises InputError for an export that is in no such format, and
    for one that only a plain format takes while another package's is broken: it may be in that one."""
    export = _readable(export)
    broken: list[InputError] = []
    formats = ordered(broken.append)
    found = next(form for form in formats if form.recognizes(export))
    if wanted == AUTO and found.plain and broken:
        raise InputError(broken[0].message, f"{broken[0].hint}, or name the format: --from {found.name}")
    if wanted not in (AUTO, found.name):
        form = next(form for form in formats if form.name == wanted)
        if not form.recognizes(export) or (form.plain and not found.plain):
            raise InputError(f"{export.name}: expected format {wanted}, found {found.name}", "leave --from out")
        found = form
    if found.plain:
        foreign.check_tool(export, naming)
    return _read_as(found, export, naming)


def read_as(form: Format, export: Export, naming: Naming) -> Answers:
    """The answers in an export, read as this format. Raises InputError where that cannot be."""
    return _read_as(form, _readable(export), naming)


def _read_as(found: Format, export: Export, naming: Naming) -> Answers:
    rows = export.table.num_rows if export.table is not None else len(export.records)
    export = _counted(export, naming)
    left_out = rows - (rows if export.entries is None else len(export.entries))
    said = found.read(export, naming) if left_out < rows else answers(export.name, {"id": pa.array([], pa.string())}, None, naming.columns)
    said = _without_codes(said if found.plain else _by_status(export, said), naming)
    places = export.places(said.table.column("entry").combine_chunks())
    table_ = said.table.set_column(said.table.column_names.index("place"), "place", places)
    return replace(said, table=table_, left_out=left_out)


def _by_status(export: Export, said: Answers) -> Answers:
    """A tool's answers, but for records that say by a `status` of their own that they are none: no tool that is read here writes one."""
    if "status" not in export.columns:
        return said
    states = [row.get("status") for row in export.records] if export.table is None else export.table.column("status").to_pylist()
    taken_back = [str(state).strip().casefold() in {*table.VERDICTS, "skipped"} for state in states]
    back = pa.array(taken_back, pa.bool_()).take(said.table.column("entry").combine_chunks())
    counts = pc.and_(said.table.column("label").is_valid(), said.table.column("status").is_null())
    reason = pc.if_else(pc.and_(pc.and_(back, counts), said.table.column("reason").is_null()), NO_VERDICT, said.table.column("reason"))
    return replace(said, table=said.table.set_column(said.table.column_names.index("reason"), "reason", reason))


def _without_codes(said: Answers, naming: Naming) -> Answers:
    """The answers without the labels that mean that there is none; a remark on those that look so, though nobody says it."""
    labels = said.table.column("label")
    codes = pc.is_in(labels, value_set=pa.array(naming.meaning.unlabeled, pa.string()))
    labels = pc.if_else(codes, pa.scalar(None, pa.string()), labels)
    table_ = said.table.set_column(said.table.column_names.index("label"), "label", labels)
    return replace(said, table=table_, remarks=(*said.remarks, *label_log.doubtful(said.name, labels, naming.classes)))


def _readable(export: Export) -> Export:
    """The export with nothing in it that is no text: half characters of JSON are marked, a table's undecodable columns refused."""
    for name in export.table.column_names if export.table is not None else ():
        column = export.table.column(name)  # type: ignore[union-attr]
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            raise InputError(f"{export.name}, column {name!r}: it holds text that is not UTF-8", "write the file in UTF-8") from error
    if isinstance(export.records, Records):
        return export  # it sees to that itself
    records = list(export.records)
    for place, record in enumerate(records):
        try:
            json.dumps(record, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            records[place] = whole_characters(record)
    return replace(export, records=records)


def _counted(export: Export, naming: Naming) -> Export:
    """The rows of an export for which `--where` holds. Raises InputError for a column that it does not have."""
    if not naming.where:
        return export
    if missing := [name for name in naming.where if name not in export.columns]:
        raise InputError(f"{export.name}: no column {missing[0]!r} (it has {check.naming_columns(export.columns)})", "correct --where")
    rows = export.table.num_rows if export.table is not None else len(export.records)
    kept = np.ones(rows, bool)
    for name, allowed in naming.where.items():
        column = [row.get(name) for row in export.records] if export.table is None else plain(export.table.column(name)).to_pylist()
        kept &= np.array([(json_text(value) or "") in allowed for value in column], bool)
    entries: list[int] = np.flatnonzero(kept).tolist()
    if export.table is not None:
        return replace(export, table=export.table.take(pa.array(entries, pa.int64())), entries=entries)
    kept_records = export.records.take(entries) if isinstance(export.records, Records) else [export.records[place] for place in entries]
    return replace(export, records=kept_records, entries=entries, names=export.columns)


def export(format: str, tasks: Sequence[Task], classes: Sequence[str]) -> dict[str, bytes]:
    """The files that an annotation tool takes, by what follows the name that the user gave ("" is the file itself).

    `tasks` are in rank order, `classes` those to choose from (empty: unknown). The same tasks give the same bytes.
    Raises UsageError for a format that is not written, InputError for tasks that it cannot show.
    """
    form = writer(format)
    assert form.write is not None
    return form.write(tasks, classes)
