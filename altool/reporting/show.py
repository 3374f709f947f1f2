"""What a table, a label log, a model or a folder of images holds, as `altool show` says it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from altool.console import Console
from altool.errors import InputError
from altool.models import store
from altool.payloads import pictures
from altool.payloads.reading import Unusable
from altool.payloads.shape import Payload
from altool.selection.contents import Contents
from altool.tables.image_files import ImageFiles
from altool.tables.outside import load_json
from altool.tables.read import Reader, Source
from altool.tables.schema import ALIASES, KINDS, WIDE_PREFIX
from altool.tables.tar_items import TarItems
from altool.text import clip, count, visible

FIRST = 10  # rows that are shown
CELL = 60  # characters of a cell
NUMBERS = 4  # of a vector
FOREIGN = "not altool's"


def of_model(location: str) -> dict[str, Any] | None:
    """The facts of a model's folder; None for what is none. Raises InputError where it is damaged."""
    if not store.is_model(location):
        return None
    facts = store.read_facts(location)
    return {"kind": "model", "location": location, **{name: value for name, value in facts.items() if name != "format"}}


def of_table(source: Source, items: Contents | None) -> dict[str, Any]:
    """Kind, rows, columns with their types, provenance, classes and the first rows of a table; with `items`, of each row what it shows."""
    first = source.fragments[0]
    rows = _first_rows(source)
    shown = [_shown(row) for row in rows]
    _add_sizes(source, rows, shown)
    if items is not None and rows and "id" in rows[0]:
        wanted = pa.array([row["id"] for row in rows])
        held = {id_: _described(column, payload) for id_, column, payload in items.rows(wanted)}
        for row, cells in zip(rows, shown, strict=True):
            cells["item"] = held.get(row["id"], "no such item")
    facts: dict[str, Any] = {"kind": _kind(source), "location": source.location, "files": len(source.fragments), "rows": source.num_rows}
    facts["columns"] = {name: str(first.schema.field(name).type) for name in first.schema.names}
    facts["columns"] |= {name: "string" for name in first.constants if name not in facts["columns"]}
    origins = [
        load_json(one.facts["provenance"], f"{one.path}: altool.provenance") for one in source.fragments if "provenance" in one.facts
    ]
    facts["version"] = first.facts.get("version")
    facts["provenance"] = [origin for number, origin in enumerate(origins) if origin not in origins[:number]]
    wide = [name.removeprefix(WIDE_PREFIX) for name in first.schema.names if name.startswith(WIDE_PREFIX)]
    facts["classes"] = json.loads(first.facts["classes"]) if "classes" in first.facts else wide or None
    return {**facts, "first": shown}


def open_table(location: str, reader: Reader) -> Source:
    """A table of whatever kind. Raises InputError for what is none, or has no rows."""
    return reader.open(location, "items", required=())


def _kind(source: Source) -> str:
    """What altool wrote it as, else what its columns make it."""
    first = source.fragments[0]
    if isinstance(first, ImageFiles | TarItems):
        return "images" if isinstance(first, ImageFiles) else "tars"
    if "kind" in first.facts:
        return str(first.facts["kind"])
    names = {*first.schema.names, *first.constants}
    names |= {"id"} if ALIASES["labels"]["id"] in names else set()
    if any(name.startswith(WIDE_PREFIX) for name in names):
        return f"predictions ({FOREIGN})"
    likely = ("predictions", "features", "labels", "losses", "metrics", "targets", "confusion", "clusters")
    kind = next((name for name in likely if names >= set(KINDS[name].required)), "")
    kind = kind or ("items" if "id" in names and names & {"image", "path", "text"} else "ids" if "id" in names else "table")
    return f"{kind} ({FOREIGN})"


def _first_rows(source: Source) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for one in source.fragments:
        for group in range(len(one.group_rows)):
            for batch in one.batches(group, one.schema.names, FIRST):
                rows += [{**row, **one.constants} for row in batch.slice(0, FIRST - len(rows)).to_pylist()]
                if len(rows) == FIRST:
                    return rows
    return rows


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """The cells of a row as JSON has them: vectors and bytes in short."""
    return {name: _cell(value) for name, value in row.items()}


def _cell(value: Any) -> Any:
    if isinstance(value, bytes):
        return count(len(value), "byte")
    if isinstance(value, list) and len(value) > NUMBERS and not isinstance(value[0], str):
        return f"[{', '.join(f'{number:.4g}' for number in value[:NUMBERS] if number is not None)}, … {len(value):,}]"
    return value if isinstance(value, str | int | float | bool | list) or value is None else str(value)


def _add_sizes(source: Source, rows: Sequence[Mapping[str, Any]], shown: Sequence[dict[str, Any]]) -> None:
    """Beside the pictures of an items table, how large they are."""
    if not rows or "id" not in rows[0] or not {"image", "path"} & rows[0].keys():
        return
    try:
        held = {id_: (column, payload) for id_, column, payload in Contents(source).rows(pa.array([row["id"] for row in rows]))}
    except InputError:  # its columns are called so, but hold something else
        return
    for row, cells in zip(rows, shown, strict=True):
        column, payload = held.get(row["id"], ("", None))
        if column in ("image", "path"):
            cells["size"] = _described(column, payload)


def _described(column: str, payload: Payload) -> str:
    """A text, or the size of a picture."""
    if column == "text":
        return str(payload)
    if not column:
        return "null"
    try:
        width, height = pictures.size(payload)
    except Unusable as error:
        return str(error)
    return f"{width} x {height}"


def lines(facts: Mapping[str, Any]) -> list[str]:
    """The facts but for the first rows, a line each."""
    found = [f"{facts['location']}: {facts['kind']}" + (f", {count(facts['rows'], 'row')}" if "rows" in facts else "")]
    if facts.get("files", 1) > 1:
        found[0] += f" in {count(facts['files'], 'file')}"
    for name, value in facts.items():
        if name in ("kind", "location", "rows", "files", "first") or value in (None, [], {}):
            continue
        if name == "classes":
            found.append(f"classes ({len(value):,}): {', '.join(map(str, value))}")
        elif name == "columns":
            found.append(f"columns: {', '.join(f'{column} {type_}' for column, type_ in value.items())}")
        elif name == "provenance" and isinstance(value, list):
            found += [f"made by: {_made(origin)}" for origin in value[:FIRST]]
        else:
            found.append(f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")
    return [clip(visible(line), 500) for line in found]


def _made(origin: Mapping[str, Any]) -> str:
    options = ", ".join(f"{name} {json.dumps(value, ensure_ascii=False)}" for name, value in origin.get("options", {}).items())
    return f"altool {origin.get('command')}, seed {origin.get('seed')}{': ' * bool(options)}{options}"


def print_rows(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    """The first rows as a table."""
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    names = list(dict.fromkeys(name for row in rows for name in row))
    table = Table(*(escape(visible(name)) for name in names))
    for row in rows:
        table.add_row(*(Text(clip(visible(str("" if row.get(name) is None else row[name])), CELL)) for name in names))
    console.print(table)
