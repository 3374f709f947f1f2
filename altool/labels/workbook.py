"""Excel workbooks (.xlsx) as tables of texts, as a spreadsheet would save them as CSV. Formulas are read by the values that it kept.

Source: ECMA-376, part 1, 18.3 (worksheets), 18.4 (shared strings), 18.8 (styles).
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from xml.parsers import expat

import pyarrow as pa

from altool.errors import InputError
from altool.labels.archives import LARGEST
from altool.labels.markup import Element, parse
from altool.tables.write import unguarded

DATES = {*range(14, 23), *range(27, 37), 45, 46, 47, *range(50, 59)}  # number formats that every workbook has
WIDEST = 16_384  # columns of a sheet
CELL = re.compile(r"([A-Z]{1,3})[0-9]+")
WORDS = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]')  # of a number format, what is shown as it stands
SAVE = "save the sheet as CSV UTF-8"


def read(name: str, archive: zipfile.ZipFile) -> pa.Table:
    """The only sheet that has rows, its first row the header; null where a cell is empty.

    Raises InputError, which begins with `name`, for several sheets with rows, for a formula without a value and for an error value.
    """
    sheets = _sheets(name, archive)
    strings = [_plain_text(item) for item in _part(name, archive, "xl/sharedStrings.xml").every("si")]
    dates, epoch = _dates(name, archive), _epoch(name, archive)
    found: dict[str, list[dict[int, str]]] = {}
    for title, path in sheets.items():
        sheet = _Sheet(f"{name}, sheet {title!r}", strings, dates, epoch)
        sheet.read(_bytes(name, archive, path))
        while sheet.rows and not sheet.rows[-1]:
            sheet.rows.pop()
        if sheet.rows:
            found[title] = sheet.rows
    if len(found) != 1:
        what = f"{len(found)} sheets with rows ({', '.join(list(found)[:3])})" if found else "no sheet with rows"
        raise InputError(f"{name}: expected one sheet with rows, found {what}", f"keep the one with the labels, or {SAVE}")
    ((title, rows),) = found.items()
    header = rows[0]
    wide = 1 + max((column for row in rows for column in row), default=-1)
    columns = {}
    for column in range(wide):
        values = [row.get(column) for row in rows[1:]]
        key = header.get(column) or f"column {column + 1}"
        if column not in header and not any(values):
            continue
        if key in columns:
            raise InputError(f"{name}, sheet {title!r}: two columns are called {key!r}", "give every column its own name")
        columns[key] = pa.array([value if value is None else unguarded(value) for value in values], pa.string())
    return pa.table(columns)


class _Sheet:
    """The rows of a worksheet, read cell by cell."""

    def __init__(self, name: str, strings: list[str], dates: list[bool], epoch: datetime) -> None:
        self.name, self.strings, self.dates, self.epoch = name, strings, dates, epoch
        self.rows: list[dict[int, str]] = []
        self.cell: dict[str, str] = {}
        self.text: dict[str, str] = {}
        self.inside = ""
        self.skipping = 0  # phonetic hints

    def read(self, content: bytes) -> None:
        parser = expat.ParserCreate()
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._doctype
        try:
            parser.Parse(content, True)
        except (expat.ExpatError, ValueError, OverflowError) as error:
            raise InputError(f"{self.name}: it is damaged ({error})", SAVE) from error

    def _doctype(self, *declared: Any) -> None:
        raise InputError(f"{self.name}: its XML has a DOCTYPE, which may declare entities", SAVE)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "row":
            place = int(attributes.get("r", len(self.rows) + 1))
            if not len(self.rows) < place <= 2**20:
                raise ValueError(f"row {place}")
            self.rows += [{} for _ in range(place - len(self.rows))]
        elif tag == "c":
            self.cell, self.text = attributes, {}
        self.skipping += tag == "rPh"
        self.inside = tag

    def _characters(self, characters: str) -> None:
        if self.inside in ("v", "t", "f") and not self.skipping:
            self.text[self.inside] = self.text.get(self.inside, "") + characters

    def _end(self, tag: str) -> None:
        tag = tag.rpartition(":")[2]
        self.skipping -= tag == "rPh"
        if tag == "f":
            self.text.setdefault("f", "")  # a shared formula has no text of its own
        if tag == "c" and self.rows:
            row = self.rows[-1]
            match = CELL.fullmatch(self.cell.get("r", ""))
            column = _number(match[1]) if match else 1 + max(row, default=-1)
            if (value := self._value()) not in (None, ""):
                row[column] = value or ""
        self.inside = ""

    def _value(self) -> str | None:
        kind, value = self.cell.get("t", "n"), self.text.get("v")
        where = f"{self.name}, cell {self.cell.get('r', '?')}"
        if kind == "inlineStr":
            return self.text.get("t")
        if value is None or value == "":
            if "f" in self.text and kind != "str":
                raise InputError(f"{where}: a formula without a value", f"open the workbook in a spreadsheet and save it; or {SAVE}")
            return None
        if kind == "e":
            raise InputError(f"{where}: found the error value {value[:20]}", "correct the cell")
        if kind == "s":
            return self.strings[int(value)] if int(value) < len(self.strings) else None
        if kind == "b":
            return "TRUE" if value.strip() == "1" else "FALSE"
        if kind in ("str", "d"):
            return value
        style = int(self.cell.get("s", 0))
        return self._number(value.strip(), style < len(self.dates) and self.dates[style])

    def _number(self, value: str, is_date: bool) -> str:
        number = float(value)
        if is_date and 0 <= number < 2_958_466:  # 10000-01-01
            moment = self.epoch + timedelta(seconds=round(number * 86_400))
            return moment.date().isoformat() if number.is_integer() else moment.isoformat()
        return value if value.lstrip("-").isdigit() else str(int(number)) if number.is_integer() and abs(number) < 1e16 else repr(number)


def _number(letters: str) -> int:
    column = 0
    for letter in letters:
        column = column * 26 + ord(letter) - 64
    if column > WIDEST:
        raise ValueError(f"column {letters}")
    return column - 1


def _bytes(name: str, archive: zipfile.ZipFile, path: str) -> bytes:
    try:
        if archive.getinfo(path).file_size > LARGEST:
            raise InputError(f"{name}: {path} has more than {LARGEST >> 30} GiB", SAVE)
        return archive.read(path)
    except KeyError:
        return b""
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError, zlib.error) as error:
        raise InputError(f"{name}: it is a damaged workbook ({error})", SAVE) from error


def _part(name: str, archive: zipfile.ZipFile, path: str) -> Element:
    content = _bytes(name, archive, path)
    return parse(f"{name}, {path}", content) if content else Element("", {})


def _sheets(name: str, archive: zipfile.ZipFile) -> dict[str, str]:
    """{title: path} of the sheets that are not hidden."""
    links = _part(name, archive, "xl/_rels/workbook.xml.rels")
    paths = {link.attributes.get("Id"): link.attributes.get("Target", "") for link in links.every("Relationship")}
    found = {}
    for sheet in (sheet for part in _part(name, archive, "xl/workbook.xml").every("sheets") for sheet in part.every("sheet")):
        target = paths.get(next((value for key, value in sheet.attributes.items() if key.rpartition(":")[2] == "id"), ""), "")
        if target and sheet.attributes.get("state", "visible") == "visible":
            found[sheet.attributes.get("name", "")] = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    return found


def _epoch(name: str, archive: zipfile.ZipFile) -> datetime:
    properties = _part(name, archive, "xl/workbook.xml").every("workbookPr")
    later = any(one.attributes.get("date1904") in ("1", "true") for one in properties)
    return datetime(1904, 1, 1) if later else datetime(1899, 12, 30)


def _dates(name: str, archive: zipfile.ZipFile) -> list[bool]:
    """Of each style of cells: does it show a number as a date?"""
    styles = _part(name, archive, "xl/styles.xml")
    formats = [one.attributes for part in styles.every("numFmts") for one in part.children]
    own = {one.get("numFmtId", ""): one.get("formatCode", "") for one in formats}
    own_dates = {number: bool(re.search("[ymdhs]", WORDS.sub("", code), re.IGNORECASE)) for number, code in own.items()}
    numbers = [one.attributes.get("numFmtId", "0") for part in styles.every("cellXfs") for one in part.every("xf")]
    return [own_dates.get(number, number.isdigit() and int(number) in DATES) for number in numbers]


def _plain_text(item: Element) -> str:
    return "".join(_texts(item))


def _texts(element: Element) -> Iterator[str]:
    if element.tag == "t":
        yield element.text
    for child in element.children:
        if child.tag != "rPh":
            yield from _texts(child)
