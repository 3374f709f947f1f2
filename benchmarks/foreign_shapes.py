"""What the shapes of other tools cost: `python -m benchmarks.foreign_shapes POOL WORK` writes the predictions of a pool
(`benchmarks/pools.py`) to WORK in each shape that altool reads, chooses 1,000 rows of each by margin, in turn, and prints processor seconds
(user + system) and peak memory beside those of the plain shape, and how many of the chosen ids are the plain shape's. `--shapes struct,map`
takes some of them, `--runs N` repeats. Delta Lake and Iceberg tables need the extra `lakes`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from benchmarks.select import ROOT, timed

BUDGET = 1000
VECTOR = pa.struct([("type", pa.int8()), ("size", pa.int32()), ("indices", pa.list_(pa.int32())), ("values", pa.list_(pa.float64()))])


def parts(pool: Path) -> Iterator[tuple[pa.Array, np.ndarray]]:
    """Ids and probabilities, a few thousand rows at a time."""
    for batch in pq.ParquetFile(pool / "predictions.parquet").iter_batches(16_384):
        column = batch.column("probabilities")
        yield batch.column("id"), column.flatten().to_numpy().reshape(len(batch), -1)


def offsets(rows: np.ndarray) -> pa.Array:
    return pa.array(np.arange(len(rows) + 1) * rows.shape[1], pa.int32())


def listed(rows: np.ndarray) -> pa.Array:
    return pa.ListArray.from_arrays(offsets(rows), pa.array(rows.ravel()))


def vectors(rows: np.ndarray, sparse: bool) -> pa.Array:
    """Spark's vectors: of a sparse one all places are named, so that nothing is lost."""
    places = pa.ListArray.from_arrays(offsets(rows), pa.array(np.tile(np.arange(rows.shape[1], dtype=np.int32), len(rows))))
    values = pa.ListArray.from_arrays(offsets(rows), pa.array(rows.ravel().astype(np.float64)))
    nothing = pa.nulls(len(rows), places.type)
    size = pa.array(np.full(len(rows), rows.shape[1], np.int32)) if sparse else pa.nulls(len(rows), pa.int32())
    kind = pa.array(np.full(len(rows), 0 if sparse else 1, np.int8))
    return pa.StructArray.from_arrays([kind, size, places if sparse else nothing, values], fields=list(VECTOR))


def pairs(rows: np.ndarray, names: list[str]) -> pa.Array:
    labels = pa.array(names * len(rows))
    both = pa.StructArray.from_arrays([labels, pa.array(rows.ravel())], ["label", "score"])
    return pa.ListArray.from_arrays(offsets(rows), both)


def mapped(rows: np.ndarray, names: list[str]) -> pa.Array:
    return pa.MapArray.from_arrays(offsets(rows), pa.array(names * len(rows)), pa.array(rows.ravel()))


def columns(rows: np.ndarray, names: list[str], prefix: str) -> dict[str, pa.Array]:
    return {f"{prefix}{name}": pa.array(rows[:, place]) for place, name in enumerate(names)}


Table = Callable[[pa.Array, np.ndarray, list[str]], pa.Table]
# {shape: (the table of a part, what altool is told; CLASSES stands for a file of them)}
SHAPES: dict[str, tuple[Table, list[str]]] = {
    "plain": (
        lambda ids, rows, names: pa.table({"id": ids, "probabilities": pa.FixedSizeListArray.from_arrays(rows.ravel(), rows.shape[1])}),
        ["--classes", "CLASSES"],
    ),
    "list": (lambda ids, rows, names: pa.table({"id": ids, "probabilities": listed(rows)}), ["--classes", "CLASSES"]),
    "list float64": (
        lambda ids, rows, names: pa.table({"id": ids, "probabilities": listed(rows.astype(np.float64))}),
        ["--classes", "CLASSES"],
    ),
    "list of one list": (
        lambda ids, rows, names: pa.table(
            {"id": ids, "probabilities": pa.ListArray.from_arrays(pa.array(range(len(rows) + 1), pa.int32()), listed(rows))}
        ),
        ["--classes", "CLASSES"],
    ),
    "Spark dense": (lambda ids, rows, names: pa.table({"id": ids, "probabilities": vectors(rows, False)}), ["--classes", "CLASSES"]),
    "Spark sparse": (lambda ids, rows, names: pa.table({"id": ids, "probabilities": vectors(rows, True)}), ["--classes", "CLASSES"]),
    "struct": (
        lambda ids, rows, names: pa.table(
            {"id": ids, "probabilities": pa.StructArray.from_arrays([pa.array(rows[:, place]) for place in range(rows.shape[1])], names)}
        ),
        [],
    ),
    "map": (lambda ids, rows, names: pa.table({"id": ids, "probabilities": mapped(rows, names)}), []),
    "pairs": (lambda ids, rows, names: pa.table({"id": ids, "probabilities": pairs(rows, names)}), []),
    "p: columns": (lambda ids, rows, names: pa.table({"id": ids} | columns(rows, names, "p:")), []),
    "prob_ columns": (lambda ids, rows, names: pa.table({"id": ids} | columns(rows, names, "prob_")), ["--prob-prefix", "prob_"]),
    "rows of classes": (
        lambda ids, rows, names: pa.table(
            {"id": pc.take(ids, np.repeat(np.arange(len(rows)), rows.shape[1])), "label": names * len(rows), "p": rows.ravel()}
        ),
        ["--long", "label=label,score=p"],
    ),
    "logits": (
        lambda ids, rows, names: pa.table({"id": ids, "probabilities": listed(np.log(np.maximum(rows, 1e-30)))}),
        ["--classes", "CLASSES", "--probabilities", "logits"],
    ),
    "field of a struct": (
        lambda ids, rows, names: pa.table({"id": ids, "out": pa.StructArray.from_arrays([listed(rows)], ["p"])}),
        ["--classes", "CLASSES", "--columns", "probabilities=out.p"],
    ),
    "CSV": (lambda ids, rows, names: pa.table({"id": ids} | columns(rows, names, "p:")), []),
    "Delta Lake": (lambda ids, rows, names: pa.table({"id": ids, "probabilities": listed(rows)}), ["--classes", "CLASSES"]),
    "Delta Lake after a DELETE": (
        lambda ids, rows, names: pa.table({"id": ids, "probabilities": listed(rows)}),
        ["--classes", "CLASSES"],
    ),
    "Iceberg": (lambda ids, rows, names: pa.table({"id": ids, "probabilities": listed(rows)}), ["--classes", "CLASSES"]),
}


def write(pool: Path, place: Path, shape: str, names: list[str]) -> Path:
    """The predictions in a shape: the path of the table."""
    table = SHAPES[shape][0]
    path = place / shape.replace(" ", "_").replace("/", "_")
    if path.exists():
        return path
    made = (table(ids, rows, names) for ids, rows in parts(pool))
    if shape == "CSV":
        whole = pa.concat_tables(made)
        pyarrow.csv.write_csv(whole, path)
    elif shape.startswith("Delta"):
        import deltalake

        whole = pa.concat_tables(made)
        gone = pa.table({"id": pa.array([f"gone-{row}" for row in range(len(whole) // 20)])})
        extra = whole.slice(0, len(gone)).set_column(0, "id", gone.column("id")) if "DELETE" in shape else whole.slice(0, 0)
        deltalake.write_deltalake(path, pa.concat_tables([whole, extra]))
        if "DELETE" in shape:
            deltalake.DeltaTable(path).delete("id like 'gone-%'")
    elif shape == "Iceberg":
        sys.path.insert(0, str(ROOT / "tests"))
        import lakehouse

        whole = pa.concat_tables(made)
        path.mkdir()
        lakehouse.iceberg(path.resolve(), whole.schema).append(whole)
    else:
        first = next(made)
        with pq.ParquetWriter(path, first.schema) as writer:
            writer.write_table(first)
            for one in made:
                writer.write_table(one)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pool", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--shapes", default=",".join(SHAPES))
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    width = pq.ParquetFile(asked.pool / "predictions.parquet").schema_arrow.field("probabilities").type.list_size
    names = [f"class{place:03d}" for place in range(width)]
    (asked.work / "classes.txt").write_text("\n".join(names) + "\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in dict.fromkeys(["plain", *asked.shapes.split(",")])}
    chosen: dict[str, list[str]] = {}
    for run in range(asked.runs):
        for shape in found:
            path = write(asked.pool, asked.work, shape, names)
            told = [str(asked.work / "classes.txt") if word == "CLASSES" else word for word in SHAPES[shape][1]]
            out = asked.work / "out.parquet"
            command = [
                sys.executable,
                "-m",
                "altool",
                "select",
                "--strategy",
                "margin",
                "--budget",
                str(BUDGET),
                "--predictions",
                str(path),
            ]
            took = timed([*command, *told, "--overwrite", "-o", str(out)], environment, 600)
            if took is None:
                raise SystemExit(f"{shape} failed")
            found[shape].append(took)
            chosen[shape] = pq.read_table(out).column("id").to_pylist()
            print(f"run {run}: {shape}: {took[0]:.2f} s, {took[2]:.0f} MiB", file=sys.stderr, flush=True)
    plain = statistics.median(took[0] for took in found["plain"])
    print("| shape | file, MB | processor, s | of plain | peak, MiB | the same ids |\n|---|---|---|---|---|---|")
    for shape, runs in found.items():
        path = asked.work / shape.replace(" ", "_")
        files = list(path.rglob("*.parquet")) if path.is_dir() else [path]
        size = sum(one.stat().st_size for one in files) / 1e6
        seconds, peak = statistics.median(took[0] for took in runs), statistics.median(took[2] for took in runs)
        same = len(set(chosen[shape]) & set(chosen["plain"]))
        print(f"| {shape} | {size:,.0f} | {seconds:.2f} | {seconds / plain:.2f} | {peak:,.0f} | {same} of {BUDGET} |")


if __name__ == "__main__":
    main()
