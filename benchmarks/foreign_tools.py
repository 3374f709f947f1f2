"""Does altool read what other tools write? `PYTHON -m benchmarks.foreign_tools WORK --altool ALTOOL`, with the Python of an environment
that has the tools (pandas, polars, duckdb, datasets, pyspark, deltalake, pyiceberg, fastparquet, safetensors: those that are missing are
left out) and the path of altool's program. Each tool writes 200 rows in its own shapes. altool then ranks all of them: `read` says that
every id has its place, as numpy has it; else the status and the message are shown.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import io
import shlex
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS, CLASSES, WIDTH = 200, ["cat", "dog", "eel"], 16
ROOT = Path(__file__).parents[1]
generator = np.random.default_rng(3)
IDS = [f"r{row * 77 % ROWS:04d}" for row in range(ROWS)]
SHARES = generator.dirichlet(np.ones(3), ROWS)
VECTORS = generator.normal(size=(ROWS, WIDTH)).astype(np.float32)
UUIDS = [uuid.UUID(int=2**96 + row) for row in range(ROWS)]
NAMED = ["--classes", ",".join(CLASSES)]


@dataclass
class Cell:
    """A shape of a tool: what writes it to a path, what altool is told, and the ids that it must give, in the order of the rows."""

    tool: str
    shape: str
    name: str
    write: Callable[[Path], Any]
    told: list[str] = field(default_factory=list)
    kind: str = "predictions"
    ids: list[Any] = field(default_factory=lambda: list(IDS))
    kept: np.ndarray = field(default_factory=lambda: np.arange(ROWS))


def pandas() -> list[Cell]:
    import pandas as pd

    lists = pd.DataFrame({"id": IDS, "probabilities": SHARES.tolist()})
    wide = pd.DataFrame(SHARES, columns=[f"prob_{name}" for name in CLASSES]).assign(id=IDS)
    numbers = pd.DataFrame(VECTORS).rename(columns=str).assign(id=IDS)
    return [
        Cell("pandas", "lists, named index", "p.parquet", lambda p: lists.set_index("id").to_parquet(p), NAMED),
        Cell("pandas", "unnamed index", "p.parquet", lambda p: lists.set_index("id").rename_axis(None).to_parquet(p),
             [*NAMED, "--columns", "id=__index_level_0__"]),
        Cell("pandas", "categorical ids", "p.parquet", lambda p: lists.astype({"id": "category"}).to_parquet(p), NAMED),
        Cell("pandas", "nullable Int64 ids", "p.parquet", lambda p: lists.assign(id=pd.array(range(ROWS), "Int64")).to_parquet(p), NAMED,
             ids=[*range(ROWS)]),
        Cell("pandas", "prob_ columns", "p.parquet", lambda p: wide.to_parquet(p), ["--prob-prefix", "prob_"]),
        Cell("pandas", "prob_ columns, CSV", "p.csv", lambda p: wide.to_csv(p), ["--prob-prefix", "prob_"]),
        Cell("pandas", "prob_ columns, gzipped CSV", "p.csv.gz", lambda p: wide.to_csv(p, index=False), ["--prob-prefix", "prob_"]),
        Cell("pandas", "JSON array of records", "p.json", lambda p: lists.to_json(p, orient="records"), NAMED),
        Cell("pandas", "JSON Lines, zst", "p.jsonl.zst", lambda p: _compressed(p, lists.to_json(orient="records", lines=True)), NAMED),
        Cell("pandas", "one score", "p.parquet", lambda p: pd.DataFrame({"id": IDS, "score": SHARES[:, 0]}).to_parquet(p),
             ["--score", "score", "--classes", "no,yes"]),
        Cell("pandas", "rows of classes (melt)", "p.parquet",
             lambda p: wide.melt("id", var_name="label", value_name="p").to_parquet(p), ["--long", "label=label,score=p"]),
        Cell("pandas", "vectors in columns 0, 1, …", "f.parquet", lambda p: numbers.to_parquet(p), ["--feature-prefix", ""], "features"),
        Cell("pandas", "Feather", "p.feather", lambda p: lists.to_feather(p), NAMED),
    ]  # fmt: skip


def _compressed(path: Path, text: str) -> None:
    path.write_bytes(pa.compress(text.encode(), "zstd", asbytes=True))


def fastparquet() -> list[Cell]:
    import pandas as pd

    wide = pd.DataFrame(SHARES, columns=[f"p:{name}" for name in CLASSES]).assign(id=IDS, part=[row % 2 for row in range(ROWS)])
    return [
        Cell("fastparquet", "p: columns", "p.parquet", lambda p: wide.to_parquet(p, engine="fastparquet")),
        Cell("fastparquet", "Hive folder", "p", lambda p: wide.to_parquet(p, engine="fastparquet", partition_cols=["part"])),
    ]


def polars() -> list[Cell]:
    import polars as pl

    array = pl.DataFrame(
        {"id": IDS, "probabilities": SHARES.astype(np.float32)}, {"id": pl.String, "probabilities": pl.Array(pl.Float32, 3)}
    )
    lists = pl.DataFrame({"id": IDS, "probabilities": SHARES.tolist()})
    struct = pl.DataFrame({"id": IDS, "probabilities": [dict(zip(CLASSES, row, strict=True)) for row in SHARES.tolist()]})
    parted = lists.with_columns(part=pl.Series([row % 2 for row in range(ROWS)]))
    named = lists.with_columns(pl.col("id").cast(pl.Enum(sorted(IDS))))
    category = lists.with_columns(pl.col("id").cast(pl.Categorical))
    return [
        Cell("polars", "Array", "p.parquet", lambda p: array.write_parquet(p), NAMED),
        Cell("polars", "List, zstd", "p.parquet", lambda p: lists.write_parquet(p), NAMED),
        Cell("polars", "struct", "p.parquet", lambda p: struct.write_parquet(p)),
        Cell("polars", "struct, NDJSON", "p.ndjson", lambda p: struct.write_ndjson(p)),
        Cell("polars", "Enum ids", "p.parquet", lambda p: named.write_parquet(p), NAMED),
        Cell("polars", "Categorical ids, IPC", "p.arrow", lambda p: category.write_ipc(p), NAMED),
        Cell("polars", "IPC stream", "p.arrows", lambda p: lists.write_ipc_stream(p), NAMED),
        Cell("polars", "Hive folder, key in the files too", "p", lambda p: parted.write_parquet(p, partition_by="part", mkdir=True), NAMED),
    ]


def duckdb() -> list[Cell]:
    import duckdb

    rows = pa.table({"id": IDS, "uid": [str(one) for one in UUIDS], "k": list(range(ROWS)), "p": SHARES.tolist()})
    duckdb.register("rows", rows)

    def copied(select: str, options: str = "FORMAT PARQUET") -> Callable[[Path], Any]:
        return lambda path: duckdb.sql(f"COPY (SELECT {select} FROM rows) TO '{path}' ({options})")

    classes = ", ".join(f"'{name}'" for name in CLASSES)
    struct = ", ".join(f"'{name}': p[{place + 1}]" for place, name in enumerate(CLASSES))
    wide = ", ".join(f'p[{place + 1}] AS "{name}"' for place, name in enumerate(CLASSES))
    long = f"unnest([{classes}]) AS class, unnest(p) AS prob"
    return [
        Cell("DuckDB", "FLOAT[]", "p.parquet", copied("id, p::FLOAT[] AS probabilities"), NAMED),
        Cell("DuckDB", "FLOAT[3]", "p.parquet", copied("id, p::FLOAT[3] AS probabilities"), NAMED),
        Cell("DuckDB", "DECIMAL[]", "p.parquet", copied("id, p::DECIMAL(9,8)[] AS probabilities"), NAMED),
        Cell("DuckDB", "MAP", "p.parquet", copied(f"id, map([{classes}], p) AS probabilities")),
        Cell("DuckDB", "STRUCT", "p.parquet", copied(f"id, {{{struct}}} AS probabilities")),
        Cell("DuckDB", "columns of class names", "p.parquet", copied(f"id, {wide}"), ["--prob-columns", ",".join(CLASSES)]),
        Cell("DuckDB", "rows of classes", "p.parquet", copied(f"id, {long}"), ["--long", "label=class,score=prob"]),
        Cell("DuckDB", "UUID ids", "p.parquet", copied("uid::UUID AS id, p AS probabilities"), NAMED, ids=[str(one) for one in UUIDS]),
        Cell("DuckDB", "UBIGINT ids", "p.parquet", copied("k::UBIGINT AS id, p AS probabilities"), NAMED, ids=[*range(ROWS)]),
        Cell("DuckDB", "DECIMAL ids", "p.parquet", copied("k::DECIMAL(18,0) AS id, p AS probabilities"), NAMED, ids=[*range(ROWS)]),
        Cell("DuckDB", "PARTITION_BY, names with / # ?", "p",
             copied("id, p AS probabilities, 'a b/#?%' || (k % 2)::VARCHAR AS part", "FORMAT PARQUET, PARTITION_BY (part)"), NAMED),
        Cell("DuckDB", "CSV", "p.csv", copied("id, " + wide.replace(' AS "', ' AS "p:'), "FORMAT CSV")),
    ]  # fmt: skip


def datasets() -> list[Cell]:
    import datasets as hf

    lists = hf.Dataset.from_dict({"id": IDS, "probabilities": SHARES.tolist()})
    table = {"id": IDS, "features": VECTORS[:, None].tolist()}
    flat = hf.Dataset.from_dict(table, hf.Features(id=hf.Value("string"), features=hf.Array2D((1, WIDTH), "float32")))
    tall = hf.Features(id=hf.Value("string"), features=hf.Array2D((WIDTH, 1), "float32"))
    column = hf.Dataset.from_dict({"id": IDS, "features": VECTORS[:, :, None].tolist()}, tall)
    pairs = [[{"label": name, "score": p} for name, p in zip(CLASSES, row, strict=True)] for row in SHARES.tolist()]
    label = hf.ClassLabel(names=CLASSES)
    labels = hf.Dataset.from_dict(
        {"id": IDS, "label": [row % 4 - 1 for row in range(ROWS)]}, hf.Features(id=hf.Value("string"), label=label)
    )
    png = io.BytesIO()
    from PIL import Image

    Image.new("RGB", (8, 8)).save(png, "PNG")
    pictures = hf.Dataset.from_dict({"id": IDS, "image": [{"bytes": png.getvalue(), "path": None}] * ROWS},
                                    hf.Features(id=hf.Value("string"), image=hf.Image()))  # fmt: skip
    return [
        Cell("datasets", "List, Parquet", "p.parquet", lambda p: lists.to_parquet(p), NAMED),
        Cell("datasets", "save_to_disk", "p", lambda p: lists.save_to_disk(p), NAMED),
        Cell("datasets", "lists of {label, score}", "p.parquet",
             lambda p: pq.write_table(pa.table({"id": IDS, "probabilities": pairs}), p)),
        Cell("datasets", "Array2D (1, D)", "f.parquet", lambda p: flat.to_parquet(p), kind="features"),
        Cell("datasets", "Array2D (D, 1)", "f.parquet", lambda p: column.to_parquet(p), kind="features"),
        Cell("datasets", "ClassLabel, -1 for none", "y.parquet", lambda p: labels.to_parquet(p), kind="labels"),
        Cell("datasets", "Image", "i.parquet", lambda p: pictures.to_parquet(p), kind="items"),
    ]  # fmt: skip


def pyspark() -> list[Cell]:
    from pyspark.ml.linalg import Vectors
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as F

    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    rows = SHARES.tolist()
    lists = spark.createDataFrame(list(zip(IDS, rows, [row % 2 for row in range(ROWS)], strict=True)), ["id", "probabilities", "part"])
    vectors = [Vectors.dense(row) if place % 2 else Vectors.sparse(3, list(enumerate(row))) for place, row in enumerate(rows)]
    mixed = spark.createDataFrame(list(zip(IDS, vectors, strict=True)), ["id", "probability"])
    mapped = lists.select("id", F.map_from_arrays(F.array(*map(F.lit, CLASSES)), "probabilities").alias("probabilities"))
    nested = lists.select(F.struct("id").alias("meta"), F.struct(F.col("probabilities").alias("p")).alias("out"))
    wide = lists.select("id", *(F.col("probabilities")[place].alias(f"p:{name}") for place, name in enumerate(CLASSES)))
    saved, fields = (["--columns", names, *NAMED] for names in ("probabilities=probability", "id=meta.id,probabilities=out.p"))
    legacy = lists.coalesce(1).write.option("compression", "gzip")
    return [
        Cell("Spark", "array<double>, _SUCCESS, .crc", "p", lambda p: lists.write.parquet(str(p)), NAMED),
        Cell("Spark", "array<double>, legacy lists", "p", lambda p: _legacy(spark, legacy, p), NAMED),
        Cell("Spark", "partitionBy", "p", lambda p: lists.write.partitionBy("part").parquet(str(p)), NAMED),
        Cell("Spark", "VectorUDT, dense and sparse", "p", lambda p: mixed.write.parquet(str(p)), saved),
        Cell("Spark", "map", "p", lambda p: mapped.write.parquet(str(p))),
        Cell(
            "Spark",
            "fields of structs",
            "p",
            lambda p: nested.write.parquet(str(p)),
            fields,
        ),
        Cell("Spark", "JSON, gzip", "p", lambda p: lists.write.option("compression", "gzip").json(str(p)), NAMED),
        Cell("Spark", "CSV, gzip", "p", lambda p: wide.coalesce(1).write.option("compression", "gzip").csv(str(p), header=True)),
    ]


def _legacy(spark: Any, writer: Any, path: Path) -> None:
    spark.conf.set("spark.sql.parquet.writeLegacyFormat", "true")
    writer.parquet(str(path))
    spark.conf.set("spark.sql.parquet.writeLegacyFormat", "false")


def deltalake() -> list[Cell]:
    from deltalake import DeltaTable, write_deltalake

    table = pa.table({"id": IDS, "probabilities": pa.array(SHARES.tolist(), pa.list_(pa.float32())), "k": list(range(ROWS))})
    old = table.set_column(0, "id", pa.array([f"old-{row}" for row in range(ROWS)]))
    halves = table.append_column("part", pa.array([f"a/b {row % 2}" for row in range(ROWS)]))

    def overwritten(path: Path) -> None:
        write_deltalake(path, old)
        write_deltalake(path, table, mode="overwrite")

    def deleted(path: Path) -> None:
        write_deltalake(path, table)
        DeltaTable(path).delete("k >= 150")
        DeltaTable(path).optimize.compact()

    def parted(path: Path) -> None:
        write_deltalake(path, halves, partition_by=["part"])
        DeltaTable(path).delete("k >= 150")
        DeltaTable(path).create_checkpoint()

    def grown(path: Path) -> None:
        write_deltalake(path, table.slice(0, 100))
        write_deltalake(path, halves.slice(100), mode="append", schema_mode="merge")

    kept = np.arange(150)
    return [
        Cell("deltalake", "one write", "p", lambda p: write_deltalake(p, table), NAMED),
        Cell("deltalake", "overwritten", "p", overwritten, NAMED),
        Cell("deltalake", "DELETE, OPTIMIZE", "p", deleted, NAMED, kept=kept),
        Cell("deltalake", "partitions, DELETE, checkpoint", "p", parted, NAMED, kept=kept),
        Cell("deltalake", "a column that was added", "p", grown, NAMED),
        Cell("deltalake", "column mapping", "p",
             lambda p: write_deltalake(p, table, configuration={"delta.columnMapping.mode": "name"}), NAMED),
    ]  # fmt: skip


def pyiceberg() -> list[Cell]:
    sys.path.insert(0, str(ROOT / "tests"))
    import lakehouse

    table = pa.table({"id": IDS, "probabilities": pa.array(SHARES.tolist(), pa.list_(pa.float32())), "k": list(range(ROWS))})

    def deleted(path: Path) -> None:
        made = lakehouse.iceberg(path.resolve(), table.schema)
        made.append(table)
        made.delete("k >= 150")

    def moved(path: Path) -> None:
        deleted(path.with_name("before"))
        shutil.move(path.with_name("before"), path)

    def positions(path: Path) -> None:
        made = lakehouse.iceberg(path.resolve(), table.schema)
        made.append(table)
        file = next(iter(made.scan().plan_files())).file.file_path
        gone = pa.table({"file_path": [file] * 25, "pos": pa.array(range(150, 175), pa.int64())})
        lakehouse.deleting(made, 1, lakehouse.identified(gone, 2147483546, 2147483545))
        lakehouse.deleting(made, 2, lakehouse.identified(pa.table({"k": list(range(175, 200))}), 3), [3])

    kept = np.arange(150)
    return [
        Cell("pyiceberg", "DELETE (rewritten files)", "p", deleted, NAMED, kept=kept),
        Cell("pyiceberg", "copied elsewhere", "p", moved, NAMED, kept=kept),
        Cell("pyiceberg + by hand", "position and equality deletes", "p", positions, NAMED, kept=kept),
    ]


def safetensors() -> list[Cell]:
    from safetensors.numpy import save_file

    pq_ids = lambda p: pq.write_table(pa.table({"id": IDS}), p.parent / "ids.parquet")  # noqa: E731
    quantised = np.clip(np.rint(VECTORS / 0.03125), -127, 127).astype(np.int8)
    told = ["--ids", "ids.parquet"]
    return [
        Cell("numpy", ".npy", "f.npy", lambda p: (np.save(p, VECTORS), pq_ids(p)), told, "features"),
        Cell("numpy", ".npz, ids in it", "f.npz", lambda p: np.savez(p, emb=VECTORS, key=IDS), ["--columns", "id=key"], "features"),
        Cell("numpy", ".npz, int8 and its scale", "f.npz",
             lambda p: (np.savez(p, emb=quantised, scale=np.float32(0.03125)), pq_ids(p)), [*told, "--scale", "scale"], "int8"),
        Cell("safetensors", "float32", "f.safetensors", lambda p: (save_file({"emb": VECTORS}, p), pq_ids(p)), told, "features"),
    ]  # fmt: skip


TOOLS = {
    one.__name__: one for one in (pandas, fastparquet, polars, duckdb, datasets, pyspark, deltalake, pyiceberg, safetensors)
}  # fmt: skip


def asked(altool: str, folder: Path, *words: str) -> tuple[int, str, str]:
    done = subprocess.run([altool, *words], cwd=folder, capture_output=True, text=True)
    lines = [line for line in done.stderr.splitlines() if not line.startswith(("warning", "note"))]
    return done.returncode, done.stdout, " ".join(lines)


def ranked(text: str) -> list[str]:
    return [row["id"] for row in csv.DictReader(io.StringIO(text))]


def outcome(cell: Cell, altool: str, folder: Path) -> str:
    """`read`, or what went wrong."""
    path = folder / cell.name
    if cell.kind == "items":
        words = ("embed", "--items", str(path), "--backbone", "pixels", "--image-size", "8", "-o", "v.parquet", "--quiet")
        status, _, said = asked(altool, folder, *words)
        right = not status and pq.read_table(folder / "v.parquet").column("id").to_pylist() == sorted(IDS)
    elif cell.kind == "labels":
        status, _, said = asked(altool, folder, "import-labels", str(path), "--labels", "log", "--quiet")
        right = not status and dict(zip(*pq.read_table(folder / "log", columns=["id", "label"]).to_pydict().values(), strict=True)) == {
            one: CLASSES[row % 4 - 1] for row, one in enumerate(IDS) if row % 4
        }
    else:
        strategy = ("margin", "--predictions") if cell.kind == "predictions" else ("coreset", "--features")
        words = ("select", "--budget", str(ROWS), "-o", "-", "--format", "csv", "--quiet", "--strategy", *strategy)
        status, text, said = asked(altool, folder, *words, str(path), *cell.told)
        right = not status and ranked(text) == expected(cell, altool, folder)
    return "read" if right else f"{status}: {said[:200]}" if status else "WRONG"


def expected(cell: Cell, altool: str, folder: Path) -> list[str]:
    ids = [str(one) for one in cell.ids]
    if cell.kind != "predictions":
        vectors = (
            np.clip(np.rint(VECTORS / 0.03125), -127, 127).astype(np.float32) * np.float32(0.03125) if cell.kind == "int8" else VECTORS
        )
        pq.write_table(pa.table({"id": ids, "features": vectors.tolist()}), folder / "plain.parquet")
        words = ("select", "--strategy", "coreset", "--budget", str(ROWS), "-o", "-", "--format", "csv", "--quiet")
        return ranked(asked(altool, folder, *words, "--features", "plain.parquet")[1])
    rows = SHARES[cell.kept]
    rows = np.sort(rows, axis=1) if "--score" not in cell.told else np.sort(np.column_stack([1 - rows[:, 0], rows[:, 0]]), axis=1)
    return [ids[cell.kept[place]] for place in np.argsort(rows[:, -1] - rows[:, -2], kind="stable")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--altool", default="altool")
    parser.add_argument("--tools", default=",".join(TOOLS))
    given = parser.parse_args()
    print("| tool | shape | options | altool |\n|---|---|---|---|", flush=True)
    for tool in given.tools.split(","):
        if importlib.util.find_spec(tool) is None:
            print(f"| {tool} | not installed | | |")
            continue
        for number, cell in enumerate(TOOLS[tool]()):
            folder = given.work.resolve() / f"{tool}-{number}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            cell.write(folder / cell.name)
            options = f"`{shlex.join(cell.told)}`" if cell.told else ""
            print(f"| {cell.tool} | {cell.shape} | {options} | {outcome(cell, given.altool, folder)} |", flush=True)


if __name__ == "__main__":
    main()
