"""Tables with a log, of which the rows of now are read, each once: the folders of Delta Lake, and those of Iceberg.

The log says which data files are part of the table, which of their rows were deleted, and under what names they hold its columns.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow as pa

from altool.errors import InputError
from altool.extras import library
from altool.tables import iceberg
from altool.tables.check import short
from altool.tables.fragments import Fragment, probe
from altool.tables.listing import DELTA, ICEBERG, log_of
from altool.tables.live import MEND, Column, Live, by_field_id, data_file, held, live

if TYPE_CHECKING:
    from altool.tables.source import Source

EXTRA = "lakes"
RENAMED = "the log gives its fields other names than the file, and altool reads such names of whole columns alone"
# What a Delta table may demand of whoever reads it and is done here. A variant is a column that no table of altool has.
FEATURES = {
    *("columnMapping", "deletionVectors", "timestampNtz", "typeWidening", "typeWidening-preview"),
    *("v2Checkpoint", "vacuumProtocolCheck", "variantType", "variantType-preview"),
}


@dataclass(frozen=True)
class Lake:
    """A table by its log: its `folder`, the `version` that is read (as `Delta Lake version 3`), and its `files`."""

    folder: str
    version: str
    files: list[Fragment]


def versions(sources: Iterable[Source]) -> dict[str, str]:
    """{KIND_version: what was read} of the tables with a log, as provenance has it among the inputs."""
    found: dict[str, list[str]] = {}
    for source in sources:
        if source.version:
            found.setdefault(f"{source.kind.name}_version", []).append(source.version)
    return {kind: ", ".join(texts) for kind, texts in found.items()}


def opened(label: str, location: str) -> Lake | None:
    """The table with a log at a location on this machine: its folder, or a metadata file of Iceberg; None where there is no such table.

    Raises UsageError where the library that reads the log is not installed, and InputError, which begins with `label`, for a log that
    cannot be read, and for a table of which something cannot be applied exactly.
    """
    path = unquote(urlsplit(location).path) if location.startswith("file://") else location
    metadata = iceberg.is_metadata(path)
    try:
        kind = ICEBERG if metadata else log_of(path) if os.path.isdir(path) else ""
    except OSError:  # a folder that may not be looked into, which the listing says
        return None
    if kind == DELTA:
        found = _delta(label, path)
    elif kind == ICEBERG:
        folder = os.path.dirname(os.path.dirname(os.path.abspath(path))) if metadata else path
        pyiceberg = library("pyiceberg.table", EXTRA, f"{label}: an Iceberg table")
        found = Lake(folder, *iceberg.read(label, folder, path if metadata else iceberg.latest(label, folder), pyiceberg))
    else:
        return None
    probe(label, [one.inner for one in found.files if isinstance(one, Live)])
    return found


def _delta(label: str, folder: str) -> Lake:
    """A Delta Lake table. Raises as `opened` does."""
    deltalake = library("deltalake", EXTRA, f"{label}: a Delta Lake table")
    place = os.path.realpath(folder)
    if unquote(place) != place:  # the library would open the folder of that other name
        raise InputError(
            f"{label}: its path holds %, which the library deltalake takes for another name", "move the table, or rename its folder"
        )
    try:
        table = deltalake.DeltaTable(place)
        protocol, settings = table.protocol(), table.metadata().configuration
        features = set(protocol.reader_features or ())
        if unknown := sorted(features - FEATURES):
            raise InputError(
                f"{label}: its log demands {', '.join(unknown)}, which altool does not do",
                "write its current rows to a Parquet file with the tool that wrote it",
            )
        vectors = _vectors(label, table) if "deletionVectors" in features else {}
        fields = json.loads(table.schema().to_json())["fields"]
        schema, partitions = pa.schema(table.schema().to_arrow()), set(table.metadata().partition_columns)
        actions = pa.table(table.get_add_actions()).to_pylist()
    except (deltalake.exceptions.DeltaError, OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise InputError(f"{label}: its Delta Lake log cannot be read ({short(error)})", MEND) from error
    maps = protocol.min_reader_version == 2 or "columnMapping" in features
    mapping = settings.get("delta.columnMapping.mode", "none") if maps else "none"
    files: list[Fragment] = []
    for action in sorted(actions, key=lambda action: str(action["path"])):
        path = _local(label, folder, action["path"])
        inner = data_file(label, path)
        ids = by_field_id(inner.schema)
        values = action.get("partition") or {}
        columns: dict[str, Column] = {}
        for one in fields:
            name, facts, type_ = one["name"], one["metadata"], schema.field(one["name"]).type
            physical = facts.get("delta.columnMapping.physicalName", name) if mapping != "none" else name
            if name in partitions:
                value = values.get(name, values.get(physical))
                columns[name] = Column(type_, value=pa.scalar(value, type_))
            else:
                if mapping == "id":
                    physical = ids.get(facts.get("delta.columnMapping.id"))
                renamed = mapping != "none" and "physicalName" in json.dumps(one["type"])
                columns[name] = held(inner.schema, physical, Column(type_), RENAMED if renamed else "")
        if mapping == "none":  # where columns cannot be dropped from files, what a file holds besides is the table's too
            columns |= {
                field.name: held(inner.schema, field.name, Column(field.type)) for field in inner.schema if field.name not in columns
            }
        kept = vectors.pop(os.path.realpath(path), None)
        if kept is not None and len(kept) < (rows := sum(inner.group_rows)):  # what lies behind the last deleted row is left out of it
            kept = np.concatenate([kept, np.ones(rows - len(kept), bool)])
        files.append(live(label, inner, columns, kept))
    if vectors:
        raise InputError(f"{label}: its log deletes rows of {next(iter(vectors))}, which is no part of it", MEND)
    return Lake(folder, f"{DELTA} version {table.version()}", files)


def _vectors(label: str, table: Any) -> dict[str, np.ndarray]:
    """{real path: which of its rows are kept} of the files of which the log deletes rows."""
    if not hasattr(table, "deletion_vectors"):
        raise InputError(
            f"{label}: its log deletes single rows, which this deltalake does not say", f"type: pip install --upgrade 'altool[{EXTRA}]'"
        )
    found = pa.table(table.deletion_vectors())
    return {
        os.path.realpath(unquote(urlsplit(path.as_py()).path)): np.asarray(kept.values).astype(bool)
        for path, kept in zip(found.column("filepath"), found.column("selection_vector"), strict=True)
    }


def _local(label: str, folder: str, path: str) -> str:
    """Where a data file lies that a Delta log names. Raises InputError where that is not in the table's folder."""
    place = os.path.join(folder, unquote(urlsplit(path).path if path.startswith("file:") else path))
    root = os.path.realpath(folder)
    if "://" in path.removeprefix("file://") or not os.path.realpath(place).startswith(root + os.sep):
        raise InputError(f"{label}: {path} lies outside of the table's folder", "copy the whole table, with the tool that wrote it")
    return place
