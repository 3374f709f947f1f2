"""The rows that a classifier reads: a matrix of features, texts or images."""

from __future__ import annotations

import zlib

import numpy as np
import pyarrow as pa

from altool.errors import UsageError
from altool.tables import align, check
from altool.tables.read import Reader, Source, matrix

TABLES = {"features": "features", "text": "items", "image": "items"}  # column -> the table that holds it
NEEDS = {
    "features": ("features", "give --features; altool embed makes them of items"),
    "text": ("texts", "give --items, a table with a column text"),
    "image": ("images", "give --items, a table with a column image or path"),
}


def open_rows(reader: Reader, column: str, who: str, features: str | None, items: str | None) -> Source:
    """Open the table that holds `column`, where `features` and `items` are the tables given.

    Raises UsageError where it is not the one given, and InputError where it has no such column. `who` reads it.
    """
    given = {"features": features, "items": items}
    location = given.pop(TABLES[column])
    what, hint = NEEDS[column]
    if location is None or any(given.values()):
        raise UsageError(f"{who} reads {what}, not {next(iter(given))}" if any(given.values()) else f"{who} reads {what}", hint)
    source = reader.open(location, TABLES[column])
    if column != "image":  # may be a column of paths; `Items` says which
        source.require(column)
    return source


def read_rows(source: Source, batch: pa.RecordBatch, column: str, width: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """A batch's features (n, D), or texts (n,) of str; and a uint32 per row that changes with it, for a fingerprint.

    Raises RowFaults or InputError for faulty rows: not finite, of another width, null, no UTF-8.
    """
    array = batch.column(column)
    if column == "features":
        found = matrix(source, batch, column, width)
        check.features(batch.column("id"), found)
        return found, align.checksums([array])
    check.mark(batch.column("id"), column, {"without a text (null)": np.asarray(array.is_null())})
    texts = array.to_numpy(zero_copy_only=False).astype(object)
    return texts, np.fromiter((zlib.crc32(text.encode()) for text in texts), np.uint32, len(texts))
