"""Excel workbooks, read as the sheet would be as CSV."""

from __future__ import annotations

from altool.labels import table
from altool.labels.exchange import Format

FORMAT = Format(
    "xlsx",
    lambda export: export.encoding == "xlsx",
    table.read,
    plain=True,
    reads="Excel workbooks of one sheet with columns of ids and labels",
)
