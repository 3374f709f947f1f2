"""Tables of Delta Lake and Iceberg: the rows of their current version, once each, and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import lakehouse
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from altool.errors import InputError, UsageError
from altool.tables.read import Reader

pytest.importorskip("deltalake")
pytest.importorskip("pyiceberg")

IDS = [f"r{row:02d}" for row in range(20)]
SHARES = np.linspace(0.05, 0.95, 20)
PREDICTIONS = pa.table({"id": IDS, "probabilities": pa.array(np.column_stack([SHARES, 1 - SHARES]).tolist(), pa.list_(pa.float32()))})
LABELS = pa.table({"id": IDS[:10], "label": ["cat", "dog"] * 5})
TEXTS = [lakehouse.column("id"), lakehouse.column("label")]


def read(location: Path, kind: str = "labels", columns: str | None = None) -> dict[str, list[Any]]:
    reader = Reader(columns, "cat,dog")
    source = reader.open(str(location), kind)
    reader.match_ids()
    assert source.num_rows == sum(len(batch) for batch in source.scan(["id"], lambda batch: batch))
    return source.read().to_pydict()


def rows(location: Path) -> list[str]:
    return sorted(read(location)["id"])


# Delta Lake.


def written(folder: Path, table: pa.Table, **facts: Any) -> Any:
    import deltalake

    deltalake.write_deltalake(folder, table, **facts)
    return deltalake.DeltaTable(folder)


def test_delta_after_deletes_rewrites_and_a_checkpoint(tmp_path: Path) -> None:
    table = written(tmp_path / "t", LABELS)
    table.delete("id = 'r03'")
    written(tmp_path / "t", LABELS.slice(0, 0).append_column("seconds", pa.array([], pa.float32())), mode="append", schema_mode="merge")
    written(tmp_path / "t", pa.table({"id": ["r10"], "label": ["cat"], "seconds": pa.array([2], pa.float32())}), mode="append")
    table = written(tmp_path / "t", pa.table({"id": ["r11"], "label": ["dog"]}), mode="append", schema_mode="merge")
    table.update(predicate="id = 'r00'", new_values={"label": "dog"})
    table.optimize.compact()
    table.create_checkpoint()
    found = read(tmp_path / "t")
    assert sorted(found["id"]) == [*IDS[:3], *IDS[4:12]]
    by_id = dict(zip(found["id"], zip(found["label"], found["seconds"], strict=True), strict=True))
    assert by_id["r00"] == ("dog", None)
    assert by_id["r10"] == ("cat", 2.0)


def test_delta_overwritten(tmp_path: Path) -> None:
    written(tmp_path / "t", pa.table({"id": ["old"], "label": ["cat"]}))
    written(tmp_path / "t", LABELS, mode="overwrite")
    assert rows(tmp_path / "t") == IDS[:10]
    assert read(tmp_path / "t")["id"] == IDS[:10]  # in the order in which they were written


def test_delta_partitions_have_the_types_of_the_schema(tmp_path: Path) -> None:
    table = LABELS.append_column("round", pa.array([row % 2 for row in range(10)], pa.int32()))
    table = table.append_column("annotator", pa.array(["a b/ü#?", None] * 5))
    written(tmp_path / "t", table, partition_by=["round", "annotator"])
    shutil.move(tmp_path / "t", tmp_path / "a b#[ü]?")
    found = read(tmp_path / "a b#[ü]?")

    def by_id(columns: dict[str, list[Any]]) -> list[Any]:
        return sorted(zip(*columns.values(), strict=True))

    assert by_id(found) == by_id(table.to_pydict())
    assert by_id(read((tmp_path / "a b#[ü]?").as_uri())) == by_id(found)
    shutil.move(tmp_path / "a b#[ü]?", tmp_path / "a%20b")
    with pytest.raises(InputError, match="its path holds %, which the library deltalake takes for another name"):
        read(tmp_path / "a%20b")


def test_delta_columns_that_were_renamed(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    ids = {"delta__columnMapping__id": 1, "delta__columnMapping__physicalName": "col-1"}
    label = {"delta__columnMapping__id": 2, "delta__columnMapping__physicalName": "col-2"}
    fields = [lakehouse.column("id", **ids), lakehouse.column("label", **label)]
    physical = LABELS.rename_columns(["col-1", "col-2"]).append_column("label", pa.array(["a column that was dropped"] * 10))
    made = lakehouse.created(fields, ("columnMapping",), delta__columnMapping__mode="name")
    lakehouse.commit(folder, *made, lakehouse.add(folder, "a.parquet", physical))
    assert read(folder) == LABELS.to_pydict()

    by_id = lakehouse.identified(LABELS.rename_columns(["x", "y"]), 1, 2)
    made = lakehouse.created(fields, ("columnMapping",), delta__columnMapping__mode="id")
    lakehouse.commit(tmp_path / "u", *made, lakehouse.add(tmp_path / "u", "a.parquet", by_id))
    assert read(tmp_path / "u") == LABELS.to_pydict()

    made = lakehouse.created(fields, ("columnMapping",), delta__columnMapping__mode="name")
    lakehouse.commit(tmp_path / "v", *made, lakehouse.add(tmp_path / "v", "a.parquet", LABELS))
    with pytest.raises(InputError, match="holds none of the columns that its log names"):
        read(tmp_path / "v")


def test_delta_deletion_vectors(tmp_path: Path) -> None:
    folder = tmp_path / "t t"
    made = lakehouse.created(TEXTS, ("deletionVectors",), delta__enableDeletionVectors="true")
    whole = lakehouse.add(folder, "a.parquet", LABELS)
    lakehouse.commit(folder, *made, whole)
    cut = {"add": whole["add"] | {"deletionVector": lakehouse.vector(1, 4, 7)}}
    lakehouse.commit(folder, lakehouse.remove("a.parquet"), cut)
    kept = [row for row in range(10) if row not in (1, 4, 7)]
    assert read(folder) == LABELS.take(kept).to_pydict()


def test_rows_that_are_gathered_one_by_one_are_those_that_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    vectors = np.arange(4000, dtype=np.float32).reshape(1000, 4)
    fields = [lakehouse.column("id"), lakehouse.column("features", {"type": "array", "elementType": "float", "containsNull": True})]
    matrix = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), 4)
    table = pa.table({"id": [f"{row:04d}" for row in range(1000)], "features": matrix})
    options = {"use_dictionary": False, "compression": "none", "row_group_size": 300}
    action = lakehouse.add(folder, "a.parquet", table)
    pq.write_table(table, folder / "a.parquet", **options)
    action["add"] |= {"size": (folder / "a.parquet").stat().st_size, "deletionVector": lakehouse.vector(0, 5, 299, 300, 600, 999)}
    lakehouse.commit(folder, *lakehouse.created(fields, ("deletionVectors",)), action)
    kept = np.setdiff1d(np.arange(1000), [0, 5, 299, 300, 600, 999])
    reader = Reader()
    source = reader.open(str(folder), "features")
    reader.match_ids()
    assert source.num_rows == 994
    wanted = np.array([0, 3, 297, 298, 595, 993])
    found: dict[int, np.ndarray] = {}

    def take(batch: pa.RecordBatch, start: int) -> None:
        for place, row in enumerate(batch.column("features").to_pylist()):
            found[start + place] = row

    source.gather(["features"], wanted, source.read(["id"]).column("id").take(pa.array(wanted)).combine_chunks(), take)
    assert [found[place] for place in range(6)] == vectors[kept[wanted]].tolist()
    assert source.read(["features"]).column("features").to_pylist() == vectors[kept].tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": ("columnMapping", "catalogManaged")}, "its log demands catalogManaged|cannot be read"),
        ({"path": "../elsewhere.parquet"}, "lies outside of the table's folder"),
        ({"path": "gone.parquet"}, "cannot be opened"),
        ({"vector": (3, 10)}, "mask length 11 exceeds numRecords 10"),
    ],
)
def test_delta_that_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    folder = tmp_path / "t"
    action = lakehouse.add(folder, "a.parquet", LABELS)
    action["add"] |= {"path": change["path"]} if "path" in change else {}
    action["add"] |= {"deletionVector": lakehouse.vector(*change["vector"])} if "vector" in change else {}
    lakehouse.commit(folder, *lakehouse.created(TEXTS, change.get("features", ("deletionVectors",))), action)
    pq.write_table(LABELS, tmp_path / "elsewhere.parquet")
    with pytest.raises(InputError, match=message):
        read(folder)


def test_delta_without_rows(tmp_path: Path) -> None:
    table = written(tmp_path / "t", LABELS)
    table.delete()
    with pytest.raises(InputError, match="the table is empty"):
        read(tmp_path / "t")
    assert Reader().open(str(tmp_path / "t"), "labels", allow_empty=True).num_rows == 0


# Iceberg.


def stored(folder: Path) -> Any:
    table = lakehouse.iceberg(folder, LABELS.schema)
    table.append(LABELS)
    return table


def test_iceberg_after_deletes_rewrites_and_new_columns(tmp_path: Path) -> None:
    from pyiceberg.types import FloatType

    table = stored(tmp_path / "t")
    table.delete("id == 'r03'")
    with table.update_schema() as update:
        update.rename_column("label", "y")
        update.add_column("seconds", FloatType())
    table.append(pa.table({"id": ["r10"], "y": ["cat"], "seconds": pa.array([2], pa.float32())}))
    found = read(tmp_path / "t", columns="label=y")
    assert dict(zip(found["id"], found["seconds"], strict=True)) == dict.fromkeys([*IDS[:3], *IDS[4:10]]) | {"r10": 2.0}
    assert dict(zip(found["id"], found["label"], strict=True))["r01"] == "dog"
    first = sorted((tmp_path / "t" / "metadata").glob("00001-*"))[0]  # an earlier version, by its metadata file
    assert rows(first) == IDS[:10]


def test_iceberg_rows_deleted_by_position_and_by_equality(tmp_path: Path) -> None:
    table = stored(tmp_path / "t")
    path = next(iter(table.scan().plan_files())).file.file_path
    places = pa.table({"file_path": [path, path, "file:///another"], "pos": pa.array([2, 5, 0], pa.int64())})
    lakehouse.deleting(table, 1, lakehouse.identified(places, 2147483546, 2147483545))
    assert rows(tmp_path / "t") == sorted(table.scan().to_arrow().column("id").to_pylist()) == [*IDS[:2], *IDS[3:5], *IDS[6:10]]
    lakehouse.deleting(table, 2, lakehouse.identified(pa.table({"id": ["r00", "r19"]}), 1), [1])
    both = lakehouse.identified(pa.table({"id": ["r01", "r03"], "label": ["cat", "dog"]}), 1, 2)  # r01 is a dog: it stays
    lakehouse.deleting(table, 2, both, [1, 2])
    table.append(pa.table({"id": ["r00"], "label": ["dog"]}))  # after its deletion: it is there
    assert rows(tmp_path / "t") == ["r00", "r01", "r04", "r06", "r07", "r08", "r09"]


def test_iceberg_partitions(tmp_path: Path) -> None:
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.transforms import IdentityTransform
    from pyiceberg.types import IntegerType, NestedField, StringType

    fields = [NestedField(1, "id", StringType()), NestedField(2, "label", StringType()), NestedField(3, "round", IntegerType())]
    spec = PartitionSpec(PartitionField(source_id=3, field_id=1000, transform=IdentityTransform(), name="round"))
    table = lakehouse.iceberg(tmp_path / "t", Schema(*fields), partition_spec=spec)
    rounds = LABELS.append_column("round", pa.array([row % 2 for row in range(10)], pa.int32()))
    table.append(rounds)
    expected = sorted(zip(*rounds.to_pydict().values(), strict=True))
    assert sorted(zip(*read(tmp_path / "t").values(), strict=True)) == expected
    for path in (tmp_path / "t/data").rglob("*.parquet"):  # as Hive's tables have them: the column is in the partition alone
        own = pq.ParquetFile(path).read()
        pq.write_table(own.drop_columns(["round"]), path)
    assert sorted(zip(*read(tmp_path / "t").values(), strict=True)) == expected


def test_iceberg_that_was_moved(tmp_path: Path) -> None:
    stored(tmp_path / "t")
    shutil.move(tmp_path / "t", tmp_path / "moved to")
    assert rows(tmp_path / "moved to") == IDS[:10]


def test_iceberg_whose_current_version_is_not_clear(tmp_path: Path) -> None:
    stored(tmp_path / "t")
    last = sorted((tmp_path / "t" / "metadata").glob("*.metadata.json"))[-1]
    other = last.with_name("00001-other.metadata.json")
    shutil.copy(last, other)
    with pytest.raises(InputError, match="metadata of version 1 are in") as caught:
        read(tmp_path / "t")
    assert "give the metadata file of the current version" in caught.value.hint
    assert rows(other) == IDS[:10]
    last.write_text("{}")
    with pytest.raises(InputError, match="its Iceberg metadata cannot be read"):
        read(last)


def test_iceberg_files_without_field_ids(tmp_path: Path) -> None:
    table = lakehouse.iceberg(tmp_path / "t", LABELS.schema)
    pq.write_table(LABELS, tmp_path / "t/own.parquet")
    table.add_files([f"file://{tmp_path}/t/own.parquet"])  # names its columns in the property schema.name-mapping.default
    assert rows(tmp_path / "t") == IDS[:10]
    last = sorted((tmp_path / "t" / "metadata").glob("*.metadata.json"))[-1]
    facts = json.loads(last.read_text())
    del facts["properties"]["schema.name-mapping.default"]
    last.write_text(json.dumps(facts))
    with pytest.raises(InputError, match="has no field ids, and the table maps no names to them"):
        read(tmp_path / "t")


def test_a_file_of_such_a_table_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "t", LABELS.append_column("round", pa.array([0] * 10)), partition_by=["round"])
    part = next((tmp_path / "t").glob("round=0/*.parquet"))
    for location in (part, part.parent, tmp_path / "t/*/*.parquet", tmp_path):
        with pytest.raises(InputError, match="a Delta Lake table: its files also hold rows") as caught:
            read(location)
        assert f"give the folder of the table: {tmp_path}/t" in caught.value.hint
    with pytest.raises(InputError, match="it is a Delta Lake table"):  # nothing is added to it as to a label log
        Reader().open(str(tmp_path / "t"), "labels", allow_empty=True, allow_missing=True)


@pytest.mark.parametrize("library", ["deltalake", "pyiceberg"])
def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    if library == "deltalake":
        written(tmp_path / "t", LABELS)
    else:
        stored(tmp_path / "t")
    import importlib

    found = importlib.import_module

    def missing(name: str) -> Any:
        if name.partition(".")[0] == library:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return found(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(UsageError, match=f"needs {library}, which is not installed") as caught:
        read(tmp_path / "t")
    assert caught.value.hint == "type: pip install 'altool[lakes]'"
