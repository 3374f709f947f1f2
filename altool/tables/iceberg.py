"""The rows of now of an Iceberg table: by its metadata, the manifests of its current snapshot, and the deletes that these name."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from altool.errors import InputError
from altool.tables import columns as column_types
from altool.tables.check import short
from altool.tables.fragments import Fragment, ParquetFragment
from altool.tables.live import MEND, Column, by_field_id, data_file, held, live
from altool.tables.outside import load_json

METADATA = re.compile(r"^v?(\d+)(?:-.*)?(?:\.gz)?\.metadata\.json(?:\.gz)?$")  # names of a table's metadata; the number is the version
EVOLVED = "its fields have other names in the table than in the file, and altool reads such names of whole columns alone"
POSITIONS, EQUALITY = 1, 2  # contents of delete files
GIVE_ONE = "give the metadata file of the current version, which the table's catalog names"


def is_metadata(path: str) -> bool:
    """Is it the path of a file that a table's metadata are in?"""
    return (
        os.path.basename(os.path.dirname(path)) == "metadata"
        and METADATA.match(os.path.basename(path)) is not None
        and os.path.isfile(path)
    )


def latest(label: str, folder: str) -> str:
    """The metadata file of the last version in a table's folder. Raises InputError, which begins with `label`, where it is not one file."""
    inner = os.path.join(folder, "metadata")
    numbers = {name: int(found[1]) for name in os.listdir(inner) if (found := METADATA.match(name))}
    last = sorted(name for name, number in numbers.items() if number == max(numbers.values()))
    if len(last) != 1:
        problem = f"metadata of version {numbers[last[0]]} are in {' and '.join(last)}" if last else "no file with metadata is in it"
        raise InputError(f"{label}: {problem}", GIVE_ONE)
    return os.path.join(inner, last[0])


def read(label: str, folder: str, metadata: str, pyiceberg: Any) -> tuple[str, list[Fragment]]:
    """The version of a table (its current snapshot) and its data files. `metadata` is the path of its metadata file, `pyiceberg` the module
    pyiceberg.table.

    Raises InputError, which begins with `label`, where something cannot be read, or not be applied exactly.
    """
    io_module = importlib.import_module("pyiceberg.io.pyarrow")
    try:
        table = pyiceberg.StaticTable.from_metadata(os.path.abspath(metadata))
        place = _Place(label, folder, _plain(table.metadata.location))
        io = _io(io_module, place)
        fields = list(table.schema().fields)
        types = io_module.schema_to_pyarrow(table.schema())
        snapshot = table.current_snapshot()
        manifests = snapshot.manifests(io) if snapshot is not None else []
        entries = [entry for manifest in manifests for entry in manifest.fetch_manifest_entry(io, discard_deleted=True)]
        specs = table.specs()
    except InputError:
        raise
    except Exception as error:  # of pydantic, of Avro, and of the file system: they have no common base
        raise InputError(f"{label}: its Iceberg metadata cannot be read ({short(error)})", MEND) from error
    mapping = _mapping(label, table.properties.get("schema.name-mapping.default"))
    deletes = [_deletes(label, entry, place, specs) for entry in entries if int(entry.data_file.content) != 0]
    files: list[Fragment] = []
    data = [entry for entry in entries if int(entry.data_file.content) == 0]
    for entry in sorted(data, key=lambda entry: str(entry.data_file.file_path)):
        path = place.here(entry.data_file.file_path)
        if _format(entry.data_file) != "PARQUET":
            raise InputError(f"{label}: {path} is a data file of format {_format(entry.data_file)}", "write its rows as Parquet")
        inner = data_file(label, path)
        ids = by_field_id(inner.schema) or {
            number: name for number, names in mapping.items() for name in names if name in inner.schema.names
        }
        if not ids:
            raise InputError(f"{label}: {path} has no field ids, and the table maps no names to them", MEND)
        partition = _partition(entry.data_file, specs)
        columns = {}
        for one, arrow in zip(fields, types, strict=True):
            otherwise = _absent(label, one, arrow.type, partition)
            name = ids.get(one.field_id)
            evolved = name is not None and not _same_fields(inner.schema.field(name).type, arrow.type)
            columns[one.name] = held(inner.schema, name, otherwise, EVOLVED if evolved else "")
        files.append(live(label, inner, columns, _kept(label, entry, inner, ids, deletes)))
    version = f"snapshot {snapshot.snapshot_id}" if snapshot is not None else "without a snapshot"
    return f"Iceberg {version}", files


@dataclass(frozen=True)
class _Place:
    """Where the files of a table lie: those that its metadata place below `root` are below `folder`, also after it was copied."""

    label: str
    folder: str
    root: str

    def here(self, location: str) -> str:
        """The path of one. Raises InputError where it is not in the folder."""
        path = _plain(location)
        if path.startswith(self.root.rstrip("/") + "/"):
            path = os.path.join(self.folder, path[len(self.root.rstrip("/")) + 1 :])
        if not os.path.realpath(path).startswith(os.path.realpath(self.folder) + os.sep):
            raise InputError(f"{self.label}: {location} lies outside of the table's folder", "copy the whole table into one folder")
        return path


def _plain(location: str) -> str:
    """A location without the scheme of this machine's files."""
    return location.removeprefix("file:").removeprefix("//") if location.startswith("file:") else location


def _io(module: Any, place: _Place) -> Any:
    """What pyiceberg opens a table's files with, at the place where they are."""

    class Here(module.PyArrowFileIO):  # type: ignore[misc]
        def new_input(self, location: str) -> Any:
            path = place.here(location)
            return module.PyArrowFile(fs=self.fs_by_scheme("file", None), location=location, path=os.path.abspath(path))

    return Here()


def _format(file: Any) -> str:
    return str(getattr(file.file_format, "value", file.file_format)).upper()


def _mapping(label: str, text: str | None) -> dict[int, list[str]]:
    """{field id: the names that a file without ids may give the column}, of the table's property."""
    found = load_json(text, f"{label}: schema.name-mapping.default") if text else []
    return {one["field-id"]: one["names"] for one in found if isinstance(one, dict) and "field-id" in one and "names" in one}


def _partition(file: Any, specs: Mapping[int, Any]) -> dict[int, Any]:
    """{field id: value of all rows} of the columns by whose own value the file was put into its partition."""
    own = specs[file.spec_id].fields
    return {one.source_id: file.partition[number] for number, one in enumerate(own) if str(one.transform) == "identity"}


def _absent(label: str, one: Any, type_: pa.DataType, partition: Mapping[int, Any]) -> Column:
    """A column of the table in a file that does not hold it."""
    value = partition.get(one.field_id, getattr(one, "initial_default", None))
    try:
        return Column(type_, value=None if value is None else pa.scalar(value, type_))
    except (pa.ArrowException, TypeError, ValueError) as error:
        return Column(type_, problem=f"its value in files without it cannot be read ({short(error)})")


def _same_fields(held_: pa.DataType, wanted: pa.DataType) -> bool:
    """Have structs in both types the same fields?"""
    if pa.types.is_struct(wanted):
        numbers = by_field_id(wanted)
        same = pa.types.is_struct(held_) and {field.name for field in held_} == {field.name for field in wanted}
        own = by_field_id(held_) if same else {}
        return same and own in ({}, numbers) and all(_same_fields(held_.field(field.name).type, field.type) for field in wanted)
    if hasattr(wanted, "value_type") and hasattr(held_, "value_type"):
        return _same_fields(held_.value_type, wanted.value_type)
    return True


@dataclass(frozen=True)
class _Deletes:
    """What one file deletes: rows at `positions`, {data file: their places}; or all that are equal to a row of `rows`, whose columns are
    called by their field ids. `scope` is the partition that it is of; None: every one."""

    sequence: int
    positions: Mapping[str, np.ndarray] = field(default_factory=dict)
    rows: pa.Table | None = None
    scope: tuple[int, Any] | None = None


def _deletes(label: str, entry: Any, place: _Place, specs: Mapping[int, Any]) -> _Deletes:
    """What a delete file says. Raises InputError for one that cannot be read."""
    file, sequence = entry.data_file, entry.sequence_number or 0
    path = place.here(file.file_path)
    try:
        if _format(file) == "PUFFIN":
            return _Deletes(sequence, dict(_vectors(path)))
        if _format(file) != "PARQUET":
            raise InputError(f"{label}: {path} deletes rows in the format {_format(file)}", "compact the table with the tool that wrote it")
        if int(file.content) == POSITIONS:
            table = pq.read_table(path, columns=["file_path", "pos"], partitioning=None)
            names = table.column("file_path").combine_chunks().dictionary_encode()
            names = names.combine_chunks() if isinstance(names, pa.ChunkedArray) else names
            places = np.asarray(table.column("pos"))
            which = np.asarray(names.indices)
            return _Deletes(sequence, {name: places[which == number] for number, name in enumerate(names.dictionary.to_pylist())})
        table = pq.read_table(path, partitioning=None)
        ids = by_field_id(table.schema)
        wanted = [name for number, name in ids.items() if number in (file.equality_ids or ())]
        if not wanted or len(wanted) != len(file.equality_ids or ()):
            raise InputError(f"{label}: {path} does not hold the columns by which it deletes", MEND)
        numbers = {name: str(number) for number, name in ids.items()}
        rows = table.select(wanted).rename_columns([numbers[name] for name in wanted])
        return _Deletes(sequence, rows=rows, scope=(file.spec_id, file.partition) if specs[file.spec_id].fields else None)
    except (pa.ArrowException, OSError, ValueError, KeyError, ImportError) as error:
        raise InputError(f"{label}: {path}, which deletes rows, cannot be read ({short(error)})", MEND) from error


def _vectors(path: str) -> Iterator[tuple[str, np.ndarray]]:
    """The places in each data file that the deletion vectors of a Puffin file delete."""
    puffin = importlib.import_module("pyiceberg.table.puffin")
    vectors = importlib.import_module("pyiceberg.table.deletion_vector")
    with open(path, "rb") as stream:
        for one in vectors.deletion_vectors_from_puffin_file(puffin.PuffinFile(stream.read())):
            yield one.referenced_data_file, np.asarray(one.to_vector())


def _kept(label: str, entry: Any, inner: ParquetFragment, ids: Mapping[int, str], deletes: list[_Deletes]) -> np.ndarray | None:
    """Which rows of a data file no delete file takes away: bool, one per row; None: all. It takes rows away by their places in the same
    and in earlier commits, and by their values in earlier ones."""
    file, sequence = entry.data_file, entry.sequence_number or 0
    kept = np.ones(sum(inner.group_rows), bool)
    for one in deletes:
        if one.sequence >= sequence and (places := one.positions.get(file.file_path)) is not None:
            if len(places) and not 0 <= places.min() <= places.max() < len(kept):
                raise InputError(f"{label}: rows are deleted behind the end of {inner.path}", MEND)
            kept[places] = False
        if one.rows is not None and one.sequence > sequence and one.scope in (None, (file.spec_id, file.partition)):
            kept &= ~_equal(label, inner, ids, one.rows)
    return None if kept.all() else kept


def _equal(label: str, inner: ParquetFragment, ids: Mapping[int, str], rows: pa.Table) -> np.ndarray:
    """Which rows of a data file are equal to one of `rows`; null is equal to null."""
    wanted = [ids.get(int(number)) for number in rows.column_names]
    if None in wanted:
        raise InputError(f"{label}: {inner.path} does not hold the columns by which rows are deleted", MEND)
    own = pq.read_table(inner.file, columns=wanted, partitioning=None)
    codes = np.zeros(len(own) + len(rows), np.int64)
    for name, number in zip(wanted, rows.column_names, strict=True):
        theirs = column_types.plain(rows.column(number))
        both = pa.concat_arrays([column_types.plain(own.column(name)), theirs.cast(own.schema.field(name).type)])
        found = pc.dictionary_encode(both, null_encoding="encode")
        codes = np.unique(codes * max(1, len(found.dictionary)) + np.asarray(found.indices), return_inverse=True)[1].astype(np.int64)
    return np.isin(codes[: len(own)], codes[len(own) :])
