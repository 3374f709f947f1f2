"""Excel workbooks, as spreadsheets write them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
STYLES = f'<styleSheet {MAIN}><numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy-mm-dd"/></numFmts>\
<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/></cellXfs></styleSheet>'


class Raw(str):
    """A cell, as it stands in the XML."""

    __slots__ = ()


def xlsx(*sheets: Sequence[Sequence[Any]], hidden: Sequence[int] = (), more: Mapping[str, str] | None = None) -> bytes:
    """A workbook of these sheets: texts are shared, numbers and truth values are cells of their types, and None is no cell."""
    strings: dict[str, int] = {}
    parts = {"xl/styles.xml": STYLES, **(more or {})}
    names, links = [], []
    for number, rows in enumerate(sheets, 1):
        lines = []
        for place, row in enumerate(rows, 1):
            cells = [_cell(value, f"{_letters(column)}{place}", strings) for column, value in enumerate(row) if value is not None]
            lines.append(f'<row r="{place}">{"".join(cells)}</row>' if cells else "")
        parts[f"xl/worksheets/sheet{number}.xml"] = f"<worksheet {MAIN}><sheetData>{''.join(lines)}</sheetData></worksheet>"
        state = ' state="hidden"' if number in hidden else ""
        names.append(f'<sheet name="Sheet{number}" sheetId="{number}" r:id="rId{number}"{state}/>')
        links.append(f'<Relationship Id="rId{number}" Target="worksheets/sheet{number}.xml" Type="x"/>')
    parts["xl/workbook.xml"] = f'<workbook {MAIN} xmlns:r="{LINKS}"><sheets>{"".join(names)}</sheets></workbook>'
    parts["xl/_rels/workbook.xml.rels"] = f'<Relationships xmlns="x">{"".join(links)}</Relationships>'
    items = "".join(f'<si><t xml:space="preserve">{escape(text)}</t></si>' for text in strings)
    parts["xl/sharedStrings.xml"] = f"<sst {MAIN}>{items}</sst>"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text.encode())
    return out.getvalue()


def _cell(value: Any, place: str, strings: dict[str, int]) -> str:
    if isinstance(value, Raw):
        return value.replace("<c", f"<c r={quoteattr(place)}", 1)
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{place}"><v>{value!r}</v></c>'
    return f'<c r="{place}" t="s"><v>{strings.setdefault(value, len(strings))}</v></c>'


def _letters(column: int) -> str:
    return (chr(64 + column // 26) if column >= 26 else "") + chr(65 + column % 26)
