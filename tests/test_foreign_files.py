"""Files of other people's tools, from the shell: read right, or refused with the cause and the way on. Never another meaning in silence."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lakehouse
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import write

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]

IDS = [f"r-{row:04d}" for row in range(40)]
CLASSES = ["cat", "dog", "eel", "fox"]
NAMES = ("--classes", ",".join(CLASSES))
MATRIX = np.exp(1.5 * np.random.default_rng(1).normal(size=(40, 4)))
MATRIX /= MATRIX.sum(axis=1, keepdims=True)
VECTORS = np.random.default_rng(2).normal(size=(40, 8))
ORDERED = np.sort(MATRIX, axis=1)
BEST = [IDS[row] for row in np.argsort(ORDERED[:, -1] - ORDERED[:, -2])[:5]]  # what margin must choose


def fixed(matrix: np.ndarray, kind: pa.DataType | None = None) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(matrix).ravel(), kind or pa.float32()), matrix.shape[1])


def scores(ids: list[Any] = IDS, matrix: np.ndarray = MATRIX) -> pa.Table:
    return pa.table({"id": ids, "probabilities": fixed(matrix)})


def rows(result: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(result.text)))


def margin(altool: Altool, location: object, *more: object, budget: int = 5, **options: Any) -> list[str]:
    arguments = ("--strategy", "margin", "--budget", budget, "--predictions", location, *more, "-o", "-", "--format", "csv")
    return [row["id"] for row in rows(altool("select", *arguments, **options))]


def said(altool: Altool, *arguments: object, **options: Any) -> str:
    """What is said of what is refused."""
    return " ".join(altool(*arguments, code=3, **options).said.split())


def select(altool: Altool, location: object, *more: object, **options: Any) -> str:
    return said(altool, "select", "--strategy", "margin", "--budget", 5, "--predictions", location, *more, "-o", "q.parquet", **options)


def test_the_expected_rows_are_margins() -> None:
    assert BEST == ["r-0011", "r-0009", "r-0036", "r-0002", "r-0018"]


def test_suggestions_by_the_classes_of_each_file(altool: Altool, tmp_path: Path) -> None:
    order = [2, 0, 3, 1]
    for name, part, classes in (
        ("a", scores(IDS[:20], MATRIX[:20]), CLASSES),
        ("b", scores(IDS[20:], MATRIX[20:][:, order]), [CLASSES[place] for place in order]),
    ):
        write(part.replace_schema_metadata({"altool.classes": json.dumps(classes)}), tmp_path / f"s/{name}.parquet")
    done = altool("select", "--strategy", "margin", "--budget", 40, "--predictions", "s", "--suggest", "-o", "-", "--format", "csv")
    suggested = {row["id"]: row["suggested_label"] for row in rows(done)}
    assert suggested == {id_: CLASSES[int(row.argmax())] for id_, row in zip(IDS, MATRIX, strict=True)}


def test_a_delta_table_after_a_delete(altool: Altool, tmp_path: Path) -> None:
    pytest.importorskip("deltalake")
    fields, folder = [lakehouse.column("id"), lakehouse.column("label")], tmp_path / "labels"
    lakehouse.commit(
        folder, *lakehouse.created(fields), lakehouse.add(folder, "a.parquet", pa.table({"id": IDS[:10], "label": ["cat"] * 10}))
    )
    rewritten = lakehouse.add(folder, "b.parquet", pa.table({"id": IDS[5:10], "label": ["cat"] * 5}))
    lakehouse.commit(folder, rewritten, lakehouse.remove("a.parquet"))
    write(scores(), tmp_path / "p.parquet")
    arguments = ("--strategy", "random", "--budget", 40, "--predictions", "p.parquet", *NAMES)
    done = altool("select", *arguments, "--labels", "labels", "-o", "q.parquet")
    assert "labels labels: read as Delta Lake version 1" in done.said
    queries = pq.read_table(tmp_path / "q.parquet")
    assert sorted(queries.column("id").to_pylist()) == [id_ for id_ in IDS if id_ not in IDS[5:10]]
    assert json.loads(queries.schema.metadata[b"altool.provenance"])["inputs"]["labels_version"] == "Delta Lake version 1"
    log = ("import-labels", "q.csv", "--labels", "labels")
    (tmp_path / "q.csv").write_text("id,label\nr-0000,cat\n")
    assert "labels labels: it is a Delta Lake table" in said(altool, *log)


def test_hive_folders_of_ids(altool: Altool, tmp_path: Path) -> None:
    for row in range(10):
        write(pa.table({"probabilities": fixed(MATRIX[row : row + 1])}), tmp_path / f"h/id={row + 1:04d}/x.parquet")
    assert set(margin(altool, "h", *NAMES, budget=10)) == {f"{row + 1:04d}" for row in range(10)}


def test_codes_of_no_label(altool: Altool, tmp_path: Path) -> None:
    write(scores(), tmp_path / "p.parquet")
    write(pa.table({"id": IDS, "label": [row % 4 if row < 10 else -1 for row in range(40)]}), tmp_path / "y.parquet")
    given = ("--classes", "0,1,2,3", "--labels", "y.parquet")
    message = select(altool, "p.parquet", *given)
    assert "labels y.parquet, column 'label': 30 rows with a number below 0 (ids r-0010, r-0011, r-0012)" in message
    assert "hint: if that means no label: --unlabeled-value -1" in message
    assert set(margin(altool, "p.parquet", *given, "--unlabeled-value", "-1", budget=30)) == set(IDS[10:])
    write(pa.table({"id": IDS, "label": [str(row % 4) if row < 10 else "nan" for row in range(40)]}), tmp_path / "y.parquet")
    done = altool("select", "--strategy", "margin", "--budget", 5, "--predictions", "p.parquet", *given, "-o", "q.parquet", code=None)
    assert "30 rows with the label 'nan'; if that means no label: --unlabeled-value nan" in done.said


def test_a_linked_subfolder(altool: Altool, tmp_path: Path) -> None:
    write(scores(IDS[:20], MATRIX[:20]), tmp_path / "t/2024/a.parquet")
    write(scores(IDS[20:], MATRIX[20:]), tmp_path / "elsewhere/2025/b.parquet")
    (tmp_path / "t/2025").symlink_to(tmp_path / "elsewhere/2025")
    assert margin(altool, "t", *NAMES) == BEST


def test_two_kinds_of_times_in_one_log(altool: Altool, tmp_path: Path) -> None:
    old, new = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
    ids = IDS[:8]
    one = {"id": ids, "label": ["cat"] * 4 + ["dog"] * 4, "annotator": ["a"] * 8}
    write(pa.table({**one, "labeled_at": pa.array([old] * 8, pa.timestamp("us", "UTC"))}), tmp_path / "two/2024.parquet")
    other = {**one, "label": ["dog"] * 4 + ["cat"] * 4}
    write(pa.table({**other, "labeled_at": pa.array([int(new.timestamp())] * 8)}), tmp_path / "two/2025.parquet")
    write(pa.table({"id": ids, "features": fixed(np.repeat(np.eye(2), 4, 0))}), tmp_path / "f.parquet")
    train = ("train", "--features", "f.parquet", "--labels", "two", "--classifier", "logistic", "-o", "model")
    message = said(altool, *train)
    assert "column 'labeled_at': 8 rows without a time that has an offset" in message
    assert "--time-unit s" in message
    altool(*train, "--time-unit", "s")
    altool("score", "--model", "model", "--features", "f.parquet", "-o", "p.parquet")
    found = pq.read_table(tmp_path / "p.parquet")
    classes = json.loads(found.schema.metadata[b"altool.classes"])
    assert classes[int(np.argmax(found["probabilities"][0].as_py()))] == "dog"  # the newer answer


def test_a_fold_that_is_a_split(altool: Altool, tmp_path: Path) -> None:
    write(scores().append_column("fold", pa.array([row % 5 for row in range(40)])), tmp_path / "k.parquet")
    best = [CLASSES[int(row.argmax())] for row in MATRIX]
    write(pa.table({"id": IDS, "label": best, "source": ["seed"] * 40}), tmp_path / "y.parquet")
    report = ("report", "--predictions", "k.parquet", *NAMES, "--labels", "y.parquet")
    message = said(altool, *report)
    assert "column 'fold' is left out because altool did not write it; to use it: --columns fold=fold" in message
    assert "with an in-sample prediction (no fold)" in message
    assert "accuracy 1.000" in altool(*report, "--columns", "fold=fold").said


def test_integers_with_leading_zeros(altool: Altool, tmp_path: Path) -> None:
    write(scores(list(range(40))), tmp_path / "ints.parquet")
    (tmp_path / "w.csv").write_text("id\n007\n7\n")
    (tmp_path / "y.csv").write_text("id,label\n007,cat\n0x8,cat\n")
    wrong = "with an id that is not an integer, as the other tables' ids are"
    assert f"ids w.csv, column 'id': 1 row {wrong} (ids 007)" in select(altool, "ints.parquet", *NAMES, "--within", "w.csv")
    assert f"labels y.csv, column 'id': 2 rows {wrong} (ids 007, 0x8)" in select(altool, "ints.parquet", *NAMES, "--labels", "y.csv")


def test_a_long_header_changes_no_id(altool: Altool, tmp_path: Path) -> None:
    payload = ",".join(f"payload-{column:06d}" for column in range(500))
    lines = [f"{row:03d},{','.join(map(repr, MATRIX[row].tolist()))},{',' * 499}" for row in range(6)]
    (tmp_path / "p.csv").write_text("id," + ",".join(f"p:{name}" for name in CLASSES) + f",{payload}\n" + "\n".join(lines) + "\n")
    assert set(margin(altool, "p.csv", budget=6)) == {f"{row:03d}" for row in range(6)}


def test_hive_keys_that_are_in_the_files_too(altool: Altool, tmp_path: Path) -> None:
    for part in (0, 1):
        table = scores(IDS[part::2], MATRIX[part::2]).append_column("round", pa.array([part] * 20))
        write(table, tmp_path / f"hv/round={part}/0.parquet")
    assert margin(altool, "hv", *NAMES) == BEST


def test_a_categorical_of_polars(altool: Altool, tmp_path: Path) -> None:
    ids = pa.DictionaryArray.from_arrays(pa.array(range(40), pa.uint32()), pa.array(IDS, pa.string_view()))
    table = pa.table({"id": ids, "probabilities": fixed(MATRIX)})
    with pa.OSFile(str(tmp_path / "c.arrow"), "wb") as stream, pa.ipc.new_file(stream, table.schema) as writer:
        writer.write_table(table)
    assert margin(altool, "c.arrow", *NAMES) == BEST


def wide(separator: str = ",", point: str = ".") -> str:
    header = separator.join(["id", *(f"p:{name}" for name in CLASSES)])
    lines = [
        separator.join([id_, *(str(value).replace(".", point) for value in row)]) for id_, row in zip(IDS, MATRIX.tolist(), strict=True)
    ]
    return "\n".join([header, *lines]) + "\n"


def test_csv_of_spreadsheets_and_of_exports(altool: Altool, tmp_path: Path) -> None:
    (tmp_path / "excel.csv").write_text("sep=;\r\n" + wide(";", ",").replace("\n", "\r\n"))
    (tmp_path / "p.csv.gz").write_bytes(gzip.compress(wide().encode()))
    assert (
        margin(altool, "excel.csv") == margin(altool, "p.csv.gz") == margin(altool, "-", stdin=(tmp_path / "p.csv.gz").read_bytes()) == BEST
    )


def test_a_json_array_of_rows(altool: Altool, tmp_path: Path) -> None:
    table = [{"id": id_, "probabilities": row} for id_, row in zip(IDS, MATRIX.tolist(), strict=True)]
    (tmp_path / "a.json").write_text(json.dumps(table))
    assert margin(altool, "a.json", *NAMES) == BEST


def test_process_substitution(tmp_path: Path) -> None:
    write(scores(), tmp_path / "p.parquet")
    command = f"{sys.executable} -m altool select --strategy margin --budget 3 --predictions <(cat p.parquet) {' '.join(NAMES)}"
    line = f"{command} --exclude <(printf 'id\\n{BEST[0]}\\n') -o - --format csv"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [row["id"] for row in csv.DictReader(io.StringIO(done.stdout))] == BEST[1:4]


def test_readme_beside_the_parts(altool: Altool, tmp_path: Path) -> None:
    write(scores(), tmp_path / "stray/part-0.parquet")
    (tmp_path / "stray/README.md").write_text("---\nlicense: mit\n---\n")
    (tmp_path / "stray/state.json").write_text('{\n  "a": 1\n}')
    done = altool("select", "--strategy", "margin", "--budget", 5, "--predictions", "stray", *NAMES, "-o", "q.parquet", "--json")
    warning = "predictions stray: left out 2 files not part of it (README.md, state.json)"
    assert json.loads(done.text)["warnings"] == [warning]
    assert pq.read_table(tmp_path / "q.parquet").column("id").to_pylist() == BEST


@pytest.mark.parametrize(
    ("table", "cause"),
    [
        (
            pa.table({"id": IDS, "probabilities": fixed(np.log(MATRIX))}),
            "hint: all are at most 0, as logarithms are: --probabilities logits",
        ),
        (
            pa.table({"id": IDS, "p:pos": MATRIX[:, 0]}),
            "hint: if that is the probability of one of two classes: --score COLUMN --classes NEG,POS",
        ),
        (
            pa.table({"id": IDS, **dict(zip(CLASSES, MATRIX.T, strict=True))}),
            "columns cat, dog, eel, fox look like one per class: --prob-columns cat,dog,eel,fox",
        ),
    ],
)
def test_predictions_that_are_not_read_yet(altool: Altool, tmp_path: Path, table: pa.Table, cause: str) -> None:
    write(table, tmp_path / "p.parquet")
    assert cause in select(altool, "p.parquet", *(NAMES if "probabilities" in table.column_names else ()))


def test_an_address_without_its_library(altool: Altool) -> None:
    assert "cannot be opened" in select(altool, "hf://datasets/somebody/set/p.parquet", *NAMES)


def test_rows_that_are_there_twice(altool: Altool, tmp_path: Path) -> None:
    table = pa.table({"id": [*IDS, IDS[30]], "features": fixed(np.vstack([VECTORS, VECTORS[30]]))})
    write(table, tmp_path / "f.parquet")
    write(pa.table({"id": IDS[:8], "label": ["cat", "dog"] * 4}), tmp_path / "y.parquet")
    message = said(altool, "train", "--features", "f.parquet", "--labels", "y.parquet", "-o", "model")
    assert "features f.parquet, column 'id': 1 duplicate id (r-0030)" in message


def test_a_class_with_a_comma(altool: Altool, tmp_path: Path) -> None:
    write(scores().replace_schema_metadata({"altool.classes": json.dumps(["Home, garden", "dog", "eel", "fox"])}), tmp_path / "p.parquet")
    (tmp_path / "wanted.txt").write_text("Home, garden\n")
    arguments = ("--strategy", "most-likely-positive", "--budget", 3, "--predictions", "p.parquet", "--query-classes", "wanted.txt")
    done = altool("select", *arguments, "-o", "-", "--format", "csv")
    assert [row["id"] for row in rows(done)] == [IDS[row] for row in np.argsort(-MATRIX[:, 0])[:3]]
