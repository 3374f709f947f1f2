"""Every shape in which other tools write a table: read right, with all ids in their order, or refused with the option that reads it.

The files have the tools' exact shapes, by hand; benchmarks/foreign_shapes.py has the tools themselves write them.
"""

from __future__ import annotations

import bz2
import gzip
import json
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from altool.errors import InputError, UsageError
from altool.tables.derive import derive
from altool.tables.layout import Layout
from altool.tables.read import Reader
from altool.tables.vectors import Vectors, of_options

ROWS, CLASSES, WIDTH = 24, ("cat", "dog", "eel"), 12
IDS = [f"r{row * 7 % ROWS:03d}" for row in range(ROWS)]  # in no order
generator = np.random.default_rng(5)
SHARES = generator.dirichlet(np.ones(3), ROWS)
NUMBERS = generator.normal(size=(ROWS, WIDTH)).astype(np.float32)
INT8 = generator.integers(-127, 128, (ROWS, WIDTH)).astype(np.int8)
SCALES = generator.uniform(0.001, 0.02, ROWS).astype(np.float32)
VECTOR = pa.struct([("type", pa.int8()), ("size", pa.int32()), ("indices", pa.list_(pa.int32())), ("values", pa.list_(pa.float64()))])
UUIDS = [uuid.UUID(int=2**96 + row) for row in range(ROWS)]


def lists(rows: np.ndarray, type_: pa.DataType | None = None) -> pa.Array:
    return pa.array(rows.tolist(), pa.list_(type_ or pa.float64()))


def fixed(rows: np.ndarray, type_: pa.DataType | None = None) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel(), type_), rows.shape[1])


def sparse(row: np.ndarray) -> dict[str, Any]:
    places = np.flatnonzero(row)
    return {"type": 0, "size": len(row), "indices": places.tolist(), "values": row[places].tolist()}


def dense(row: np.ndarray) -> dict[str, Any]:
    return {"type": 1, "size": None, "indices": None, "values": row.tolist()}


def table(**columns: Any) -> pa.Table:
    return pa.table({"id": IDS} | columns)


def opened(path: Path, kind: str, **told: Any) -> tuple[list[Any], np.ndarray]:
    """The ids and the vectors of a table, in file order."""
    reader = Reader(told.pop("columns", None), told.pop("classes", None), **told)
    source = reader.open(str(path), kind)
    reader.match_ids()
    if kind == "predictions":
        assert set(source.classes) == set(CLASSES) or "NEG" in source.classes
    column = "features" if kind == "features" else "probabilities"
    batches = list(source.scan(["id", column], lambda batch: batch, threads=1))
    assert source.num_rows == sum(map(len, batches)) == ROWS
    rows = np.array([row for batch in batches for row in batch.column(column).to_pylist()])
    if kind == "predictions" and "NEG" not in source.classes:
        rows = rows[:, [source.classes.index(name) for name in CLASSES]]
    return [one for batch in batches for one in batch.column("id").to_pylist()], rows


NAMED = {"classes": "cat,dog,eel"}
WIDE = {f"prob_{name}": SHARES[:, place] for place, name in enumerate(CLASSES)}
LONG = pa.table({"id": np.repeat(IDS, 3), "class": list(CLASSES) * ROWS, "p": SHARES.ravel(), "model": ["a"] * (3 * ROWS)})

# {shape: (its columns, what has to be said, what a refusal without it names)}
PREDICTIONS: dict[str, tuple[pa.Table, dict[str, Any], str]] = {
    "list": (table(probabilities=lists(SHARES)), NAMED, "--classes"),
    "large list": (table(probabilities=pa.array(SHARES.tolist(), pa.large_list(pa.float32()))), NAMED, "--classes"),
    "fixed array": (table(probabilities=fixed(SHARES)), NAMED, "--classes"),
    "list of decimals": (
        table(probabilities=pa.array([[Decimal(f"{x:.9f}") for x in row] for row in SHARES], pa.list_(pa.decimal128(18, 9)))),
        NAMED,
        "--classes",
    ),
    "list of one list": (table(probabilities=[[row] for row in SHARES.tolist()]), NAMED, "--classes"),
    "list of lists of one": (table(probabilities=[[[x] for x in row] for row in SHARES.tolist()]), NAMED, "--classes"),
    "Spark vector, dense": (table(probabilities=pa.array([dense(row) for row in SHARES], VECTOR)), NAMED, "--classes"),
    "Spark vector, mixed": (
        table(probabilities=pa.array([(sparse if place % 2 else dense)(row) for place, row in enumerate(SHARES)], VECTOR)),
        NAMED,
        "--classes",
    ),
    "Spark vector, other name": (
        table(probability=pa.array([dense(row) for row in SHARES], VECTOR)),
        NAMED | {"columns": "probabilities=probability"},
        "--columns probabilities=probability",
    ),
    "struct": (table(probabilities=[dict(zip(CLASSES, row, strict=True)) for row in SHARES.tolist()]), {}, ""),
    "map": (
        table(
            probabilities=pa.array([list(zip(CLASSES, row, strict=True)) for row in SHARES.tolist()], pa.map_(pa.string(), pa.float64()))
        ),
        {},
        "",
    ),
    "pairs, best first": (
        table(
            probabilities=[
                sorted(({"label": name, "score": x} for name, x in zip(CLASSES, row, strict=True)), key=lambda pair: -pair["score"])
                for row in SHARES.tolist()
            ]
        ),
        {},
        "",
    ),
    "field of a struct": (
        pa.table({"meta": [{"id": one} for one in IDS], "out": [{"p": row} for row in SHARES.tolist()]}),
        NAMED | {"columns": "id=meta.id,probabilities=out.p"},
        "--columns id=meta.id",
    ),
    "p: columns": (table(**{f"p:{name}": SHARES[:, place] for place, name in enumerate(CLASSES)}), {}, ""),
    "columns with a prefix": (table(**WIDE), {"layout": Layout(prefix="prob_")}, "--prob-prefix prob_"),
    "columns of class names": (
        table(**{name: SHARES[:, place] for place, name in enumerate(CLASSES)}),
        {"layout": Layout(columns=CLASSES)},
        "--prob-columns cat,dog,eel",
    ),
    "rows of classes": (LONG, {"layout": Layout(long=("class", "p"))}, "--long label="),
    "logits": (table(probabilities=fixed(np.log(SHARES))), NAMED | {"layout": Layout(scale="logits")}, "--classes"),
    "percents": (table(probabilities=fixed(SHARES * 100)), NAMED | {"layout": Layout(scale="unnormalised")}, "--classes"),
}


@pytest.mark.parametrize("shape", PREDICTIONS)
def test_predictions(tmp_path: Path, shape: str) -> None:
    content, told, refusal = PREDICTIONS[shape]
    pq.write_table(content, tmp_path / "p.parquet")
    ids, rows = opened(tmp_path / "p.parquet", "predictions", **dict(told))
    assert ids == IDS
    np.testing.assert_allclose(rows, SHARES, atol=2e-6)
    if refusal:
        with pytest.raises(InputError) as caught:
            opened(tmp_path / "p.parquet", "predictions")
        assert refusal in caught.value.hint


def test_one_score(tmp_path: Path) -> None:
    pq.write_table(table(prob=SHARES[:, 0]), tmp_path / "p.parquet")
    ids, rows = opened(tmp_path / "p.parquet", "predictions", classes="NEG,POS", layout=Layout(score="prob"))
    assert ids == IDS
    np.testing.assert_allclose(rows[:, 1], SHARES[:, 0], atol=1e-6)
    with pytest.raises(InputError) as caught:
        opened(tmp_path / "p.parquet", "predictions")
    assert "--score prob --classes NEG,POS" in caught.value.hint


BY_PLACE = {f"embedding_{place}": NUMBERS[:, place] for place in (*range(2, WIDTH), 1, 0)}  # not in the order of the numbers
FEATURES: dict[str, tuple[pa.Table, dict[str, Any], str]] = {
    "list": (table(features=lists(NUMBERS, pa.float32())), {}, ""),
    "float16": (table(features=fixed(NUMBERS.astype(np.float16), pa.float16())), {}, ""),
    "Array2D (1, D)": (table(features=[[row] for row in NUMBERS.tolist()]), {}, ""),
    "Array2D (D, 1)": (table(features=[[[x] for x in row] for row in NUMBERS.tolist()]), {}, ""),
    "fixed (1, D)": (table(features=pa.FixedSizeListArray.from_arrays(fixed(NUMBERS), 1)), {}, ""),
    "fixed (D, 1)": (table(features=pa.FixedSizeListArray.from_arrays(fixed(NUMBERS.reshape(-1, 1)), WIDTH)), {}, ""),
    "Spark vector": (table(features=pa.array([dense(row) for row in NUMBERS], VECTOR)), {}, ""),
    "another name": (table(embedding=fixed(NUMBERS)), {"columns": "features=embedding"}, "--columns features=embedding"),
    "columns with a prefix": (table(**BY_PLACE), {"vectors": Vectors("embedding_")}, "--feature-prefix embedding_"),
    "columns of numbers": (
        table(**{str(place): NUMBERS[:, place] for place in range(WIDTH)}),
        {"vectors": Vectors("")},
        "--feature-prefix ''",
    ),
}


@pytest.mark.parametrize("shape", FEATURES)
def test_features(tmp_path: Path, shape: str) -> None:
    content, told, refusal = FEATURES[shape]
    pq.write_table(content, tmp_path / "f.parquet")
    ids, rows = opened(tmp_path / "f.parquet", "features", **told)
    assert ids == IDS
    np.testing.assert_allclose(rows, NUMBERS, atol=2e-3 if shape == "float16" else 0)
    if refusal:
        with pytest.raises(InputError) as caught:
            opened(tmp_path / "f.parquet", "features")
        assert refusal in caught.value.hint


@pytest.mark.parametrize("type_", ["list", "fixed", "wide"])
@pytest.mark.parametrize("scale", ["0.0078125", "scale"])
def test_numbers_in_units_of_a_scale(tmp_path: Path, type_: str, scale: str) -> None:
    held = {"list": {"features": lists(INT8, pa.int8())}, "fixed": {"features": fixed(INT8)}}
    wide = {f"d{place}": INT8[:, place] for place in range(WIDTH)}
    pq.write_table(table(**held.get(type_, wide), scale=SCALES), tmp_path / "f.parquet")
    told = of_options("d" if type_ == "wide" else None, scale)
    ids, rows = opened(tmp_path / "f.parquet", "features", vectors=told)
    assert ids == IDS
    factors = SCALES[:, None] if scale == "scale" else np.float32(0.0078125)
    np.testing.assert_array_equal(rows.astype(np.float32), INT8.astype(np.float32) * factors)


def test_a_scale_beside_the_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", emb=INT8, scale=SCALES)
    np.savez(tmp_path / "one.npz", emb=INT8, scale=np.float32(0.5))
    for name, factors in (("rows", SCALES[:, None]), ("one", np.float32(0.5))):
        ids, rows = opened(tmp_path / f"{name}.npz", "features", ids="row", vectors=of_options(None, "scale"))
        assert ids == list(range(ROWS))
        np.testing.assert_array_equal(rows.astype(np.float32), INT8.astype(np.float32) * factors)


@pytest.mark.parametrize(
    ("columns", "prefix", "scale", "message"),
    [
        ({"e_0": [1.0], "e_2": [1.0]}, "e_", None, "has 2 columns of vectors, but no e_1"),
        ({"e_1": [1.0], "e_01": [1.0]}, "e_", None, "columns e_1 and e_01 of .* have the same number"),
        ({"e_a": [1.0]}, "e_", None, "has no column called 'e_' and a number"),
        ({"features": [[1, 2]]}, None, "factor", "has no column 'factor', which --scale names"),
        ({"features": [[1, 2]], "factor": pa.array([None], pa.float32())}, None, "factor", "1 row with NaN or infinity"),
        ({"e_0": pa.array([None], pa.float32())}, "e_", None, "1 row with NaN or infinity"),
    ],
)
def test_vectors_that_are_refused(tmp_path: Path, columns: dict[str, Any], prefix: str, scale: str, message: str) -> None:
    pq.write_table(pa.table({"id": ["a"], **columns}), tmp_path / "f.parquet")
    reader = Reader(vectors=of_options(prefix, scale))
    with pytest.raises(InputError, match=message):
        derive(reader.open(str(tmp_path / "f.parquet"), "features"), ["features"], len)


def test_options_of_vectors_that_have_no_effect(tmp_path: Path) -> None:
    pq.write_table(table(probabilities=lists(SHARES)), tmp_path / "p.parquet")
    for told, flag in ((of_options("e", None), "--feature-prefix"), (of_options(None, "2"), "--scale")):
        reader = Reader(classes="cat,dog,eel", vectors=told)
        reader.open(str(tmp_path / "p.parquet"), "predictions")
        with pytest.raises(UsageError, match=f"{flag} has no effect: no features of another tool are read"):
            reader.match_ids()
    for scale in ("0", "inf", "nan", ""):
        with pytest.raises(UsageError, match="--scale: expected a number other than 0 or a column"):
            of_options(None, scale)


KEYS: dict[str, tuple[pa.Array, list[Any]]] = {
    "dictionary": (pa.array(IDS).dictionary_encode(), IDS),
    "string view": (pa.array(IDS, pa.string_view()), IDS),
    "uint64": (pa.array(range(ROWS), pa.uint64()), list(range(ROWS))),
    "decimal": (pa.array([Decimal(row) for row in range(ROWS)], pa.decimal128(20, 0)), list(range(ROWS))),
    "UUID": (pa.array([one.bytes for one in UUIDS], pa.uuid()), [str(one) for one in UUIDS]),
    "16 bytes": (pa.array([one.bytes for one in UUIDS], pa.binary(16)), [str(one) for one in UUIDS]),
}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_ids(tmp_path: Path, kind: str, ending: str) -> None:
    column, expected = KEYS[kind]
    content = pa.table({"id": column, "probabilities": lists(SHARES)})
    if ending == "parquet":
        pq.write_table(content, tmp_path / "p.parquet")
    else:
        with pa.OSFile(str(tmp_path / "p.arrow"), "wb") as sink, pa.ipc.new_file(sink, content.schema) as writer:
            writer.write_table(content)
    ids, rows = opened(tmp_path / f"p.{ending}", "predictions", **NAMED)
    assert ids == expected
    np.testing.assert_allclose(rows, SHARES, atol=1e-6)


def jsonl(content: pa.Table) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in content.to_pylist()).encode()


FILES: dict[str, tuple[str, Callable[[pa.Table], bytes]]] = {
    "JSON Lines": ("p.jsonl", jsonl),
    "a JSON array": ("p.json", lambda content: json.dumps(content.to_pylist()).encode()),
    "gzip": ("p.jsonl.gz", lambda content: gzip.compress(jsonl(content))),
    "bzip2": ("p.json.bz2", lambda content: bz2.compress(jsonl(content))),
    "zstd": ("p.json.zst", lambda content: pa.compress(jsonl(content), "zstd", asbytes=True)),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("folder", ["a b#c?d%20e/ü", "run[1]/x=1"])
def test_files_and_where_they_lie(tmp_path: Path, kind: str, folder: str) -> None:
    name, written = FILES[kind]
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / name).write_bytes(written(table(probabilities=lists(SHARES))))
    for location in (tmp_path / folder / name, tmp_path / folder, tmp_path / folder.split("/")[0]):
        ids, rows = opened(location, "predictions", **NAMED)
        assert ids == IDS
        np.testing.assert_allclose(rows, SHARES, atol=1e-6)


def test_types_that_drift_between_files(tmp_path: Path) -> None:
    first, second = pa.array(range(ROWS // 2), pa.int32()), pa.array(range(ROWS // 2, ROWS), pa.int64())
    half = ROWS // 2
    pq.write_table(pa.table({"id": first, "probabilities": lists(SHARES[:half], pa.float32())}), tmp_path / "0.parquet")
    pq.write_table(pa.table({"id": second, "probabilities": fixed(SHARES[half:])}), tmp_path / "1.parquet")
    ids, rows = opened(tmp_path, "predictions", **NAMED)
    assert ids == list(range(ROWS))
    np.testing.assert_allclose(rows, SHARES, atol=1e-6)
    pq.write_table(pa.table({"id": second.cast(pa.string()), "probabilities": fixed(SHARES[half:])}), tmp_path / "1.parquet")
    with pytest.raises(InputError, match=r"column 'id': strings in .*1.parquet, integers in .*0.parquet"):
        opened(tmp_path, "predictions", **NAMED)


def huggingface(**features: Any) -> dict[str, str]:
    return {"huggingface": json.dumps({"info": {"features": features}})}


@pytest.mark.parametrize("embedded", [True, False])
def test_images_of_hugging_face(tmp_path: Path, embedded: bool) -> None:
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pictures = [{"bytes": b"\x89PNG" if embedded else None, "path": f"{one}.png"} for one in IDS]
    pq.write_table(table(image=pa.array(pictures, struct)), tmp_path / "i.parquet")
    reader = Reader()
    source = reader.open(str(tmp_path / "i.parquet"), "items")
    column = "image" if embedded else "path"
    assert ("image" in source) == embedded
    assert source.read(["id", column]).to_pylist() == [{"id": one, column: b"\x89PNG" if embedded else f"{one}.png"} for one in IDS]


def test_class_numbers_of_hugging_face(tmp_path: Path) -> None:
    numbers = pa.array([row % 4 - 1 for row in range(ROWS)], pa.int64())
    named = table(label=numbers).replace_schema_metadata(huggingface(label={"names": list(CLASSES), "_type": "ClassLabel"}))
    pq.write_table(named, tmp_path / "y.parquet")
    source = Reader().open(str(tmp_path / "y.parquet"), "labels")
    assert source.read(["id", "label"]).column("label").to_pylist() == [([None, *CLASSES])[row % 4] for row in range(ROWS)]


def test_arrays_beside_their_ids(tmp_path: Path) -> None:
    np.save(tmp_path / "img_emb_0.npy", NUMBERS)
    pq.write_table(table(url=IDS), tmp_path / "metadata_0.parquet")
    with pytest.raises(InputError, match=r"it holds arrays \(img_emb_0.npy\) beside tables of another kind") as caught:
        opened(tmp_path, "features")
    assert f"--features '{tmp_path}/*.npy' --ids {tmp_path}/metadata_0.parquet" in caught.value.hint
    for location in (tmp_path, tmp_path / "*.npy", tmp_path / "img_emb_0.npy"):
        ids, rows = opened(location, "features", ids=str(tmp_path / "metadata_0.parquet"))
        assert ids == IDS
        np.testing.assert_array_equal(rows, NUMBERS)


def test_a_glob_in_a_folder_with_brackets(tmp_path: Path) -> None:
    (tmp_path / "run[1]").mkdir()
    pq.write_table(table(probabilities=lists(SHARES)), tmp_path / "run[1]/a.parquet")
    assert opened(tmp_path / "run[1]/*.parquet", "predictions", **NAMED)[0] == IDS


def test_whole_numbers_beside_a_scale_are_remarked(tmp_path: Path) -> None:
    class Ears:
        said: list[str] = []  # noqa: RUF012

        def info(self, text: str) -> None:
            self.said.append(text)

        warn = info

    pq.write_table(table(features=lists(INT8, pa.int8()), row_scale=SCALES), tmp_path / "f.parquet")
    Reader(console=Ears()).open(str(tmp_path / "f.parquet"), "features")
    assert [text for text in Ears.said if "if column 'row_scale' is their scale: --scale row_scale" in text]


def test_an_array_of_bfloat16_in_numpy(tmp_path: Path) -> None:
    np.save(tmp_path / "f.npy", NUMBERS.astype(np.float16).view("V2"))
    with pytest.raises(InputError, match="as NumPy stores bfloat16: write float32 or safetensors"):
        opened(tmp_path / "f.npy", "features", ids="row")
