"""Tables of Delta Lake and Iceberg as tests need them: by their own libraries, and by hand what these libraries read and do not write."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def commit(folder: Path, *actions: dict[str, Any]) -> None:
    """One more version of a Delta table."""
    log = folder / "_delta_log"
    log.mkdir(parents=True, exist_ok=True)
    (log / f"{len(list(log.glob('*.json'))):020d}.json").write_text("".join(json.dumps(action) + "\n" for action in actions))


def add(folder: Path, name: str, table: pa.Table, **facts: Any) -> dict[str, Any]:
    """The action that adds a file of these rows, written here."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    entry = {"path": name, "partitionValues": {}, "size": path.stat().st_size, "modificationTime": 0, "dataChange": True}
    return {"add": entry | {"stats": json.dumps({"numRecords": len(table)})} | facts}


def remove(name: str) -> dict[str, Any]:
    return {"remove": {"path": name, "deletionTimestamp": 1, "dataChange": True}}


def created(fields: list[dict[str, Any]], features: tuple[str, ...] = (), **configuration: str) -> list[dict[str, Any]]:
    """The actions that make a Delta table with these columns, which demands `features` of whoever reads it."""
    protocol: dict[str, Any] = {"minReaderVersion": 1, "minWriterVersion": 2}
    if features:
        protocol = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": list(features), "writerFeatures": list(features)}
    schema = json.dumps({"type": "struct", "fields": fields})
    kept = {name.replace("__", "."): value for name, value in configuration.items()}
    facts = {"id": "t", "format": {"provider": "parquet", "options": {}}, "schemaString": schema, "partitionColumns": []}
    return [{"protocol": protocol}, {"metaData": facts | {"configuration": kept}}]


def column(name: str, kind: Any = "string", **metadata: Any) -> dict[str, Any]:
    """A column of a Delta table's schema."""
    return {"name": name, "type": kind, "nullable": True, "metadata": {key.replace("__", "."): value for key, value in metadata.items()}}


def vector(*places: int) -> dict[str, Any]:
    """A deletion vector of Delta that lies in the log: a roaring bitmap of one array container, in base 85."""
    header = (1681511377).to_bytes(4, "little") + (1).to_bytes(8, "little") + (0).to_bytes(4, "little")
    container = np.array([12346 & 0xFFFF, 0, 1, 0, 0, len(places) - 1, 16, 0, *places], "<u2").tobytes()
    content = header + container
    padded = content + b"\0" * (-len(content) % 4)
    text = ""
    for start in range(0, len(padded), 4):
        number = int.from_bytes(padded[start : start + 4], "big")
        text += "".join(Z85[number // 85**power % 85] for power in (4, 3, 2, 1, 0))
    return {"storageType": "i", "pathOrInlineDv": text, "sizeInBytes": len(content), "cardinality": len(places)}


def iceberg(folder: Path, schema: Any, **facts: Any) -> Any:
    """A new Iceberg table of pyiceberg's, whose versions are files in the folder as catalogs write them."""
    from pyiceberg.catalog.noop import NoopCatalog
    from pyiceberg.io.pyarrow import PyArrowFileIO, _pyarrow_to_schema_without_ids
    from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
    from pyiceberg.schema import assign_fresh_schema_ids
    from pyiceberg.serializers import ToOutputFile
    from pyiceberg.table import CommitTableResponse, Table
    from pyiceberg.table.metadata import new_table_metadata
    from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
    from pyiceberg.table.update import update_table_metadata

    io = PyArrowFileIO()

    def stored(metadata: Any) -> str:
        number = len(list(folder.glob("metadata/*.metadata.json")))
        place = f"file://{folder}/metadata/{number:05d}-{uuid.uuid4()}.metadata.json"
        ToOutputFile.table_metadata(metadata, io.new_output(place))
        return place

    class Catalog(NoopCatalog):
        def commit_table(self, table: Table, requirements: Any, updates: Any) -> CommitTableResponse:
            metadata = update_table_metadata(table.metadata, updates, metadata_location=table.metadata_location)
            return CommitTableResponse(metadata=metadata, metadata_location=stored(metadata))

    spec = facts.pop("partition_spec", UNPARTITIONED_PARTITION_SPEC)
    own = assign_fresh_schema_ids(_pyarrow_to_schema_without_ids(schema)) if isinstance(schema, pa.Schema) else schema
    metadata = new_table_metadata(own, spec, UNSORTED_SORT_ORDER, f"file://{folder}", facts)
    return Table(("db", "t"), metadata, stored(metadata), io, Catalog("test"))


def deleting(table: Any, content: int, rows: pa.Table, equality: list[int] | None = None) -> Any:
    """The table after a commit of a file that deletes rows, by position (1) or by equality (2), as Spark and Flink do and pyiceberg does
    not."""
    from pyiceberg import manifest as manifests
    from pyiceberg.table.snapshots import Operation, Snapshot, Summary
    from pyiceberg.table.update import AddSnapshotUpdate, SetSnapshotRefUpdate
    from pyiceberg.typedef import Record

    class Writer(manifests.ManifestWriterV2):
        def content(self) -> manifests.ManifestContent:
            return manifests.ManifestContent.DELETES

        @property
        def _meta(self) -> dict[str, str]:
            return {**super()._meta, "content": "deletes"}

    folder = table.metadata.location
    path = f"{folder}/data/delete-{uuid.uuid4()}.parquet"
    pq.write_table(rows, path.removeprefix("file://"))
    file = manifests.DataFile.from_args(
        content=manifests.DataFileContent(content),
        file_path=path,
        file_format=manifests.FileFormat.PARQUET,
        partition=Record(),
        record_count=len(rows),
        file_size_in_bytes=Path(path.removeprefix("file://")).stat().st_size,
        equality_ids=equality,
    )
    file.spec_id = 0
    before = table.current_snapshot()
    number, sequence = before.snapshot_id % 10**9 + 1, table.metadata.last_sequence_number + 1
    with Writer(table.spec(), table.schema(), table.io.new_output(f"{folder}/metadata/{uuid.uuid4()}-m0.avro"), number, "null") as writer:
        status = manifests.ManifestEntryStatus.ADDED
        writer.add_entry(manifests.ManifestEntry.from_args(status=status, snapshot_id=number, data_file=file))
    listed = f"{folder}/metadata/snap-{number}.avro"
    with manifests.write_manifest_list(2, table.io.new_output(listed), number, before.snapshot_id, sequence, "null") as whole:
        whole.add_manifests([writer.to_manifest_file(), *before.manifests(table.io)])
    snapshot = Snapshot(
        snapshot_id=number,
        parent_snapshot_id=before.snapshot_id,
        sequence_number=sequence,
        manifest_list=listed,
        summary=Summary(Operation.DELETE),
        schema_id=table.schema().schema_id,
    )
    reference = SetSnapshotRefUpdate(ref_name="main", type="branch", snapshot_id=number)
    done = table.catalog.commit_table(table, (), (AddSnapshotUpdate(snapshot=snapshot), reference))
    table.metadata, table.metadata_location = done.metadata, done.metadata_location
    return table


def identified(table: pa.Table, *ids: int) -> pa.Table:
    """The table whose columns have these field ids."""
    fields = [field.with_metadata({"PARQUET:field_id": str(number)}) for field, number in zip(table.schema, ids, strict=True)]
    return table.cast(pa.schema(fields))
