"""Plain Parquet or Arrow."""

from __future__ import annotations

from altool.labels import table
from altool.labels.exchange import Format

FORMAT = Format(
    "parquet",
    lambda export: export.encoding in ("parquet", "arrow"),
    table.read,
    plain=True,
    reads="Parquet or Arrow with columns of ids and labels",
)
