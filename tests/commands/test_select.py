"""`altool select` from the shell: what it writes, from whatever the pool comes in."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import CLASSES, features, predictions, probabilities, write
from pyarrow import csv

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
MARGIN = ("select", "--strategy", "margin", "--budget")


def expected(matrix: np.ndarray, count: int, left_out: tuple[int, ...] = ()) -> list[str]:
    """The rows of smallest margin, one at a time in plain Python."""
    gaps = {row: float(np.sort(values)[-1]) - float(np.sort(values)[-2]) for row, values in enumerate(matrix) if row not in left_out}
    return [f"row-{row:04d}" for row in sorted(gaps, key=lambda row: (gaps[row], row))[:count]]


def ids(path: Path) -> list[Any]:
    return pq.read_table(path).column("id").to_pylist()


@pytest.fixture
def matrix(tmp_path: Path) -> np.ndarray:
    matrix = probabilities(400, seed=5)
    write(predictions(matrix), tmp_path / "p.parquet")
    return matrix


def test_the_queries_table_is_the_contract(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    result = altool(*MARGIN, 3, "--predictions", "p.parquet", "-o", "q.parquet", "--suggest", "--round", 4)
    assert result.text == ""
    assert result.said == "selected 3 of 400 candidates by margin, round 4 -> q.parquet\n"
    table = pq.read_table(tmp_path / "q.parquet")
    types = {"id": pa.string(), "rank": pa.int32(), "score": pa.float32(), "strategy": pa.string(), "round": pa.int32()}
    types |= {"source": pa.string(), "suggested_label": pa.string(), "suggested_probability": pa.float32()}
    assert {field.name: field.type for field in table.schema} == types
    rows = table.to_pylist()
    assert [row["id"] for row in rows] == expected(matrix, 3)
    assert [row["rank"] for row in rows] == [1, 2, 3]
    best = matrix[int(rows[0]["id"][-4:])]
    assert rows[0]["suggested_label"] == CLASSES[int(best.argmax())]
    assert rows[0]["suggested_probability"] == best.max()
    assert {(row["strategy"], row["round"], row["source"]) for row in rows} == {("margin", 4, "exploit")}
    metadata = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    assert metadata["altool.kind"] == "queries"
    assert json.loads(metadata["altool.classes"]) == list(CLASSES)
    origin = json.loads(metadata["altool.provenance"])
    assert origin["command"] == "select"
    assert origin["seed"] == 0
    assert set(origin["inputs"]) == {"predictions"}


def test_labeled_skipped_and_held_out_rows_are_no_candidates(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    first = expected(matrix, 3)
    table = {"id": first, "label": ["ant", None, "bee"], "status": ["labeled", "skipped", "labeled"]}
    table |= {"source": ["seed", "explore", "holdout"], "round": pa.array([0, 1, 0], pa.int32())}
    write(pa.table(table), tmp_path / "l.parquet")
    altool(*MARGIN, 5, "--predictions", "p.parquet", "--labels", "l.parquet", "-o", "q.parquet")
    assert ids(tmp_path / "q.parquet") == expected(matrix, 8)[3:]
    assert set(pq.read_table(tmp_path / "q.parquet").column("round").to_pylist()) == {2}


def test_an_empty_label_log_is_a_log_without_labels(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    (tmp_path / "labels").mkdir()
    altool(*MARGIN, 2, "--predictions", "p.parquet", "--labels", "labels", "-o", "q.parquet")
    assert ids(tmp_path / "q.parquet") == expected(matrix, 2)


def test_within_and_exclude(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    (tmp_path / "w.csv").write_text("id\nrow-0001\nrow-0002\nrow-0003\nrow-0003\n")
    (tmp_path / "e.jsonl").write_text('{"id": "row-0002"}\n')
    altool(
        "select",
        "--strategy",
        "random",
        "--budget",
        9,
        "--predictions",
        "p.parquet",
        "--within",
        "w.csv",
        "--exclude",
        "e.jsonl",
        "-o",
        "q",
    )
    assert sorted(ids(tmp_path / "q")) == ["row-0001", "row-0003"]


def test_nothing_left_writes_an_empty_table_and_exits_with_4(altool: Altool, tmp_path: Path) -> None:
    write(predictions(probabilities(2)), tmp_path / "p.parquet")
    write(pa.table({"id": ["row-0000", "row-0001"], "label": ["ant", "bee"]}), tmp_path / "l.parquet")
    altool(*MARGIN, 5, "--predictions", "p.parquet", "--labels", "l.parquet", "-o", "q.parquet", code=4)
    assert pq.read_table(tmp_path / "q.parquet").num_rows == 0


def test_a_queue_from_any_tool(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    (tmp_path / "queue.csv").write_text("item,place\nrow-0007,2\nrow-0009,1\nrow-0003,3\n")
    columns = ("--columns", "id=item,rank=place")
    altool("select", "--strategy", "queue", "--queue", "queue.csv", "--budget", 2, *columns, "-o", "q.parquet")
    assert ids(tmp_path / "q.parquet") == ["row-0009", "row-0007"]
    altool(
        "select",
        "--strategy",
        "queue",
        "--queue",
        "queue.csv",
        "--budget",
        2,
        *columns,
        "--predictions",
        "p.parquet",
        "--suggest",
        "-o",
        "s",
    )
    assert ids(tmp_path / "s") == ["row-0009", "row-0007"]
    assert pq.read_table(tmp_path / "s").column("suggested_label").to_pylist() == [CLASSES[int(matrix[row].argmax())] for row in (9, 7)]


def test_diversify_takes_a_row_of_each_predicted_class_first(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    altool(*MARGIN, 3, "--predictions", "p.parquet", "--diversify", "-o", "q.parquet")
    chosen = ids(tmp_path / "q.parquet")
    assert {int(matrix[int(name[-4:])].argmax()) for name in chosen} == {0, 1, 2}
    assert chosen[0] == expected(matrix, 1)[0]


def test_random_starts_cold_and_the_seed_decides(altool: Altool, tmp_path: Path) -> None:
    write(features(np.zeros((50, 2), np.float32)), tmp_path / "f.parquet")
    chosen = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        altool("select", "--strategy", "random", "--budget", 10, "--features", "f.parquet", "--seed", seed, "-o", name)
        chosen.append(ids(tmp_path / name))
    assert chosen[0] == chosen[1] != chosen[2]
    assert len(set(chosen[0])) == 10


def foreign(matrix: np.ndarray) -> dict[str, tuple[pa.Table, tuple[str, ...]]]:
    """Somebody else's exports of the same pool."""
    names = [f"row-{row:04d}" for row in range(len(matrix))]
    column = predictions(matrix, names, None).column("probabilities")
    rows = matrix.tolist()
    wide = {f"p:{name}": matrix[:, place] for place, name in enumerate(CLASSES)}
    return {
        "other names": (
            pa.table({"item_id": names, "probs": column}),
            ("--columns", "id=item_id,probabilities=probs", "--classes", "ant,bee,cat"),
        ),
        "unnamed classes": (pa.table({"id": names, "probabilities": column}), ()),
        "wide": (pa.table({"id": names, **wide}), ()),
        "wide float64": (pa.table({"id": names, **{key: value.astype(float) for key, value in wide.items()}}), ()),
        "plain lists": (pa.table({"id": names, "probabilities": rows}), ("--classes", "ant,bee,cat")),
        "large lists": (pa.table({"id": names, "probabilities": pa.array(rows, pa.large_list(pa.float32()))}), ()),
        "large strings": (pa.table({"id": pa.array(names, pa.large_string()), "probabilities": column}), ()),
        "dictionary": (pa.table({"id": pa.array(names).dictionary_encode(), "probabilities": column}), ()),
    }


@pytest.mark.parametrize("shape", sorted(foreign(probabilities(2))))
def test_foreign_exports_work_untouched(altool: Altool, tmp_path: Path, matrix: np.ndarray, shape: str) -> None:
    table, options = foreign(matrix)[shape]
    write(table, tmp_path / "theirs.parquet", row_group_size=130)
    altool(*MARGIN, 20, "--predictions", "theirs.parquet", *options, "-o", "q.parquet")
    assert ids(tmp_path / "q.parquet") == expected(matrix, 20)


def test_integer_ids_stay_integers_in_value_order(altool: Altool, tmp_path: Path) -> None:
    flat = np.full((12, 2), 0.5, np.float32)
    flat[0] = 0.75, 0.25  # were all margins one, the order would be random
    write(predictions(flat, list(range(11, -1, -1)), ("a", "b")), tmp_path / "p.parquet")
    (tmp_path / "l.csv").write_text("id,label\n0,a\n10,b\n")  # CSV ids take the pool's type
    altool(*MARGIN, 20, "--predictions", "p.parquet", "--labels", "l.csv", "-o", "q.parquet")
    assert ids(tmp_path / "q.parquet") == [1, 2, 3, 4, 5, 6, 7, 8, 9, 11]


def test_text_ids_in_csv_keep_their_zeros(altool: Altool, tmp_path: Path) -> None:
    write(predictions(probabilities(3), ["007", "07", "7"]), tmp_path / "p.parquet")
    (tmp_path / "e.csv").write_text("id\n007\n7\n")
    altool(*MARGIN, 3, "--predictions", "p.parquet", "--exclude", "e.csv", "-o", "q.csv")
    assert (tmp_path / "q.csv").read_text().splitlines()[1].startswith("07,1,")


def layouts(table: pa.Table, folder: Path) -> list[str]:
    """The same pool as one file, as 17 shuffled files, with other row groups, in Hive partitions and as a glob."""
    shuffle = np.random.default_rng(4).permutation(table.num_rows)
    write(table, folder / "one.parquet")
    write(table.take(shuffle), folder / "groups.parquet", row_group_size=37, compression="snappy")
    for part, rows in enumerate(np.array_split(shuffle, 17)):
        write(table.take(rows), folder / "many" / f"{part}.parquet", row_group_size=11)
        write(table.take(rows), folder / "hive" / f"day={part % 3}" / f"{part}.parquet")
        write(table.take(rows), folder / f"glob-{part}.parquet")
    return ["one.parquet", "groups.parquet", "many", "hive", "glob-*.parquet", f"file://{folder}/many", f"file://{folder}/glob-*.parquet"]


@pytest.mark.parametrize("strategy", ["margin", "random"])
def test_the_same_bytes_from_every_layout_and_thread_count(altool: Altool, tmp_path: Path, strategy: str) -> None:
    matrix = np.round(probabilities(600, seed=2), 1)  # many ties
    matrix /= matrix.sum(axis=1, keepdims=True)
    written = set()
    for location in layouts(predictions(matrix), tmp_path):
        for threads in (1, 2):
            arguments = (
                "--strategy",
                strategy,
                "--budget",
                50,
                "--predictions",
                location,
                "--threads",
                threads,
                "--suggest",
                "--diversify",
            )
            altool("select", *arguments, "-o", "q.parquet", "--overwrite")
            written.add((tmp_path / "q.parquet").read_bytes())
    assert len(written) == 1


@pytest.mark.parametrize("form", ["parquet", "arrow", "csv", "jsonl"])
def test_pipes(altool: Altool, tmp_path: Path, matrix: np.ndarray, form: str) -> None:
    content = (tmp_path / "p.parquet").read_bytes()
    out = altool(*MARGIN, 4, "--predictions", "-", "-o", "-", "--format", form, "--quiet", stdin=content)
    assert out.said == ""
    (tmp_path / "out").write_bytes(out.stdout)
    if form == "parquet":
        found = ids(tmp_path / "out")
    elif form == "arrow":
        found = pa.ipc.open_stream(out.stdout).read_all().column("id").to_pylist()
    elif form == "csv":
        found = csv.read_csv(tmp_path / "out").column("id").to_pylist()
    else:
        found = [json.loads(line)["id"] for line in out.text.splitlines()]
    assert found == expected(matrix, 4)
    altool(
        "select", "--strategy", "queue", "--queue", "-", "--budget", 4, "-o", "again.parquet", stdin=out.stdout
    )  # any format comes back in
    assert ids(tmp_path / "again.parquet") == found


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    write(predictions(probabilities(60_000)), tmp_path / "p.parquet")
    script = f"{sys.executable} -m altool select --strategy margin --budget 60000 --predictions p.parquet -o - --format jsonl | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", script], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stdout.count(b"\n") == 1
    assert b"rror" not in done.stderr


def test_json_sums_up_the_run(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    summary = json.loads(altool(*MARGIN, 3, "--predictions", "p.parquet", "-o", "q.parquet", "--json").text)
    assert summary["selected"] == 3
    assert summary["candidates"] == 400
    assert summary["warnings"] == []


def test_one_stream_cannot_carry_two_things(altool: Altool, matrix: np.ndarray) -> None:
    altool(*MARGIN, 3, "--predictions", "p.parquet", "-o", "-", "--json", code=2)


def test_list_strategies(altool: Altool) -> None:
    names = [strategy["name"] for strategy in json.loads(altool("select", "--list-strategies", "--json").text)["strategies"]]
    assert {"random", "least-confidence", "margin", "entropy", "most-likely-positive", "queue"} <= set(names)
    assert "Scheffer" in altool("select", "--list-strategies").text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--strategy", "margn", "--budget", 1, "-o", "q"), "hint: did you mean margin?"),
        (("--strategy", "margin", "--budget", 1, "-o", "q"), "needs --predictions"),
        (("--strategy", "margin", "--budget", 0, "-o", "q"), "--budget"),
        (("--strategy", "random", "--budget", 1, "-o", "q"), "the pool is missing"),
        (
            ("--strategy", "random", "--budget", 1, "--features", "f", "--query-classes", "a", "-o", "q"),
            "--query-classes has no effect",
        ),
        (("--strategy", "most-likely-positive", "--budget", 1, "--predictions", "p", "-o", "q"), "needs --query-classes"),
        (("--budget", 1, "-o", "q"), "the pool is missing"),
        (("--strategy", "margin", "--budget", 1, "--predictions", "p", "-o", "q", "--columns", "idx=a"), "--columns"),
        (("--strategy", "margin", "--budget", 1, "--predictions", "p", "-o", "q", "--export", "csv=todo.csv"), "--export needs --items"),
    ],
)
def test_a_wrong_command_line_exits_with_2(altool: Altool, arguments: tuple[object, ...], says: str) -> None:
    result = altool("select", *arguments, code=2)
    assert says in result.said
    assert len(result.said.splitlines()) <= 2


def test_a_columns_name_that_no_table_has_is_wrong(altool: Altool, matrix: np.ndarray) -> None:
    result = altool(*MARGIN, 1, "--predictions", "p.parquet", "--columns", "features=embedding", "-o", "q", code=2)
    assert "no table of this run has a column 'embedding'" in result.said


def test_export_comes_back_through_import_labels(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    names = [f"row-{row:04d}" for row in range(400)]
    write(pa.table({"id": names, "text": [f'=text {name}, "quoted"\n' for name in names]}), tmp_path / "i.parquet")
    exports = ("--items", "i.parquet", "--export", "csv=todo.csv", "--export", "label-studio=tasks.json")
    altool(*MARGIN, 5, "--predictions", "p.parquet", "-o", "q.parquet", "--suggest", *exports)
    sheet = csv.read_csv(tmp_path / "todo.csv", parse_options=csv.ParseOptions(newlines_in_values=True))
    assert sheet.column("altool_id").to_pylist() == expected(matrix, 5)
    assert sheet.column("text").to_pylist()[0].startswith("'=text")
    assert [task["data"]["altool_id"] for task in json.loads((tmp_path / "tasks.json").read_text())] == expected(matrix, 5)
    answers = "altool_id,label\n" + "".join(f"{name},bee\n" for name in expected(matrix, 5))
    (tmp_path / "answers.csv").write_text(answers)
    altool("import-labels", "answers.csv", "--labels", "labels", "--queries", "q.parquet")
    altool(*MARGIN, 5, "--predictions", "p.parquet", "--labels", "labels", "-o", "next.parquet")
    assert ids(tmp_path / "next.parquet") == expected(matrix, 10)[5:]
