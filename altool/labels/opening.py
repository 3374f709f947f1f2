"""What an annotation tool gave back: tables, JSON, workbooks, XML, archives and folders of pictures, told apart by their content."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from altool.errors import InputError, UsageError
from altool.labels import archives, foreign, records, workbook
from altool.labels.exchange import Export
from altool.labels.markup import Element, parse
from altool.labels.records import Records
from altool.tables import check
from altool.tables.check import short
from altool.tables.columns import class_names, plain
from altool.tables.fragments import HEAD, NoTable, ParquetFragment, contents, probe, stream
from altool.tables.listing import decompressed, listing, partition_values
from altool.tables.outside import NotUtf8, decode
from altool.tables.source import Listener
from altool.tables.text import BOM, Json, with_values
from altool.text import clip, count

PICTURES = (".jpg", ".jpeg", ".jfif", ".png", ".gif", ".webp", ".avif", ".bmp", ".tif", ".tiff")
NOTES = (".txt", ".md", ".names", ".yaml", ".yml", ".html", ".log")  # what lies beside exports and seldom is one
ONE_HOT = "_classes.csv"  # a hidden name, but Roboflow's for its labels
BINARY = (b"PAR1", b"PK\x03\x04", b"ARROW1", b"\xff\xff\xff\xff", b"\x1f\x8b", b"\xd0\xcf\x11\xe0")
LABEL = re.compile(r"__label__(\S+)")


def open_exports(location: str, console: Listener | None = None, encoding: str | None = None) -> list[Export]:
    """The files behind a location (`-`: standard input), told apart by their content. Text files are in UTF-8, or in `encoding`.

    A folder or a zip archive with pictures and without a file of answers is one export, a record per picture. The `console` hears which
    files of a folder are left out. Raises InputError for one that cannot be read, UsageError for an unknown encoding.
    """
    label = f"export {location}"
    paths, folder, filesystem, hidden = listing(label, location)
    paths = sorted([*paths, *(path for path in hidden if folder and os.path.basename(path) == ONE_HOT)])
    pictures = [path for path in paths if folder and path.lower().endswith(PICTURES)]
    exports: list[Export] = []
    stray: dict[str, InputError] = {}
    for path in paths:
        if folder and path.lower().endswith(PICTURES):
            continue
        name = label if location == "-" else f"export {path}"
        if folder and path.lower().endswith(NOTES) and not _begins_as_answers(path, filesystem):
            stray[path] = NoTable(f"{name}: it does not begin as answers do", "name the file itself if it holds some")
            continue
        try:
            exports += _open(name, path, filesystem, partition_values(path, folder), encoding)
        except NoTable as error:
            stray[path] = error
    if pictures and not exports:
        return [_pictures(label, [os.path.relpath(path, folder) for path in pictures])]
    if stray and (not exports or not folder):
        raise next(iter(stray.values()))
    if stray and console is not None:
        names = check.naming([os.path.relpath(path, folder) for path in stray])
        console.warn(f"{label}: left out {count(len(stray), 'file')} without a table ({names})")
    return exports


def _begins_as_answers(path: str, filesystem: Any) -> bool:
    """Does a file that may be a note begin as one of answers: with JSON, fastText's mark, or a header that has ids or labels?"""
    with stream(path, filesystem) as file:
        start = file.read(HEAD).lstrip(BOM + b" \t\r\n")
    header = start.split(b"\n", 1)[0].lower()
    return start.startswith((b"{", b"[", b"__label__")) or b"altool_id" in header or re.search(rb"[,;\t]\s*\"?label\b", header) is not None


def _pictures(name: str, paths: Sequence[str]) -> Export:
    """Pictures as records: where each lies, and the folder in which it does."""
    return Export(name, "folder", records=[{"path": path, "folder": os.path.basename(os.path.dirname(path)) or None} for path in paths])


def _open(name: str, path: str, filesystem: Any, values: Mapping[str, str | None], encoding: str | None) -> list[Export]:
    with stream(path, filesystem) as file:
        head = file.read(HEAD)
    if head[:4] == b"PK\x03\x04":
        return list(_archive(name, path, filesystem, encoding))
    if encoding and not head.startswith(BINARY):
        path, filesystem = _recoded(name, path, filesystem, encoding), None
        with stream(path, None) as file:
            head = file.read(HEAD)
    foreign.check_content(name, head)
    start = head.lstrip(BOM + b" \t\r\n")
    try:
        if start[:9] == b"__label__":
            return [Export(name, "fasttext", records=_fasttext(name, _whole(path, filesystem)))]
        if start[:1] == b"<":
            root = parse(name, _whole(path, filesystem))
            return [Export(name, "xml", records=[_record(child) for child in root.children])]
        return [_table(name, path, filesystem, values)]
    except NotUtf8 as error:
        if encoding:
            raise
        raise InputError(error.message, f"{error.hint}; or name its encoding: --encoding {error.guess}") from error


def _whole(path: str, filesystem: Any) -> bytes:
    with stream(path, filesystem) as file:
        return file.read()


def _recoded(name: str, path: str, filesystem: Any, encoding: str) -> str:
    """The path of a file with the same text in UTF-8."""
    try:
        text = _whole(path, filesystem).decode(encoding)
    except UnicodeError as error:
        raise InputError(f"{name}: its text is not {encoding} ({short(error)})", "name its own encoding: --encoding NAME") from error
    except LookupError as error:
        raise UsageError(
            f"--encoding: {clip(repr(encoding), 80)} is unknown", "for example cp1252, mac-roman, utf-16, shift-jis"
        ) from error
    return decompressed(io.BytesIO(text.removeprefix("\ufeff").encode("utf-8", "surrogatepass")))


def _archive(name: str, path: str, filesystem: Any, encoding: str | None) -> Iterator[Export]:
    """What an archive holds: a workbook, files of answers, or pictures in folders."""
    with open(path, "rb") if filesystem is None else filesystem.open_input_file(path) as file, archives.opened(name, file) as archive:
        names = archive.namelist()
        foreign.check_archive(name, names)
        if any(entry.startswith("xl/") for entry in names):
            table = workbook.read(name, archive)
            if not table.num_rows:
                raise InputError(f"{name}: it holds no rows", "export it again")
            yield Export(name, "xlsx", table)
            return
        members = archives.shown(archive)
        pictures = [member for member in members if member.lower().endswith(PICTURES)]
        files = [member for member in members if not member.lower().endswith(PICTURES)]
        found = 0
        stray: InputError | None = None
        for member, spooled in archives.unpacked(name, archive, files):
            shown = f"{name}/{member}"
            try:
                with stream(spooled, None) as content:
                    head = content.read(HEAD)
                if not head.strip() or (member.lower().endswith(NOTES) and not _begins_as_answers(spooled, None)):
                    continue  # of somebody who answered nothing, or a note
                if head[:4] == b"PK\x03\x04":
                    raise NoTable(f"{shown}: it is an archive within an archive", archives.HINT)
                for export in _open(shown, spooled, None, {}, encoding):
                    found += 1
                    yield Export(export.name, export.encoding, export.table, export.records, archived=True)
            except NoTable as error:
                stray = InputError(error.message.replace(spooled, shown), error.hint)
        if pictures and not found:
            yield _pictures(name, pictures)
        elif not found:
            raise stray or InputError(f"{name}: it is an archive without files of answers", archives.HINT)


def _fasttext(name: str, content: bytes) -> list[dict[str, Any]]:
    """The lines of fastText's format: labels, then the text."""
    found: list[dict[str, Any]] = []
    for line in decode(content, name).split("\n"):
        labels: list[str] = []
        rest = line.strip("\r ")
        while match := LABEL.match(rest):
            labels.append(match[1])
            rest = rest[match.end() :].lstrip(" \t")
        if labels or rest:
            found.append({"label": labels, "text": rest})
    return found


def _record(element: Element) -> dict[str, Any]:
    return {
        "tag": element.tag,
        "attributes": element.attributes,
        "children": [_record(child) for child in element.children],
        "text": element.text.strip(),
    }


def _table(name: str, path: str, filesystem: Any, folder_values: Mapping[str, str | None]) -> Export:
    if (large := _large(path, filesystem, folder_values)) is not None:
        return Export(name, "json", records=large)
    content = contents(name, path, filesystem, ragged=True)
    if isinstance(content, Json):
        values = _paged(content.values)
        wrong = next((number for number, row in enumerate(values, 1) if not isinstance(row, dict)), None)
        if wrong:
            raise InputError(f"{name}, entry {wrong:,}: expected a JSON object", "give a JSON array, or lines, of objects")
        rows = [{**folder_values, **row} for row in values] if folder_values else values
        export = Export(name, "jsonl" if content.by_line and values is content.values else "json", records=rows)
    else:
        if isinstance(content, ParquetFragment):
            probe(name, [content])
            table, encoding = _parquet(name, content), "parquet"
        else:
            table, encoding = content[0], "csv" if content[1] else "arrow"
        names = table.column_names
        if twins := [column for column in names if names.count(column) > 1]:
            raise InputError(f"{name}: two columns are called {twins[0]!r}", "give every column its own name")
        for position, field in enumerate(table.schema):
            table = table.set_column(position, field.name, class_names(table.schema, field.name, plain(table.column(position))))
        export = Export(name, encoding, with_values(table, folder_values))
    if not export.records and not (export.table is not None and export.table.num_rows):
        raise InputError(f"{name}: it holds no rows", "export it again")
    return export


def _large(path: str, filesystem: Any, folder_values: Mapping[str, str | None]) -> Records | None:
    """The records of a large JSON file of this machine, which is not held as a whole."""
    if filesystem is not None or folder_values or os.path.getsize(path) < records.LARGE:
        return None
    with stream(path, None) as file:
        if file.read(HEAD).lstrip(BOM + b" \t\r\n")[:1] not in (b"{", b"["):
            return None
    try:
        found = records.scan(path)
    except UnicodeDecodeError:
        return None
    return found if found is not None and len(found) > 1 else None


def _paged(values: list[Any]) -> list[Any]:
    """The tasks of a page of Label Studio's API; of anything else the values themselves."""
    tasks = values[0].get("tasks") if len(values) == 1 and isinstance(values[0], dict) else None
    whole = isinstance(tasks, list) and tasks and all(isinstance(task, dict) and isinstance(task.get("data"), dict) for task in tasks)
    return tasks if whole and isinstance(tasks, list) else values


def _parquet(name: str, fragment: ParquetFragment) -> pa.Table:
    """A Parquet file as a table."""
    names = fragment.schema.names
    if len(fragment.names) < len(names):
        return fragment.schema.empty_table()  # names that are there twice are refused
    try:
        batches = [batch for group in range(len(fragment.group_rows)) for batch in fragment.batches(group, names, 1 << 16)]
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{name}: it is damaged ({short(error)})", "export it again") from error
    table = pa.Table.from_batches(batches) if batches else fragment.schema.empty_table()
    return table.replace_schema_metadata(fragment.schema.metadata)
