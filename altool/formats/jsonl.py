"""Plain JSON: lines, or an array, of objects."""

from __future__ import annotations

from altool.labels import table
from altool.labels.exchange import Format

FORMAT = Format(
    "jsonl",
    lambda export: export.encoding in ("jsonl", "json"),
    table.read,
    plain=True,
    reads="JSON Lines or a JSON array with keys of ids and labels",
)
