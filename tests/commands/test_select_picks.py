"""`altool select` with strategies that pick: features, labeled rows, models, partitions and bounded memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import CLASSES, features, predictions, probabilities, write

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
ROWS = 300
CORESET = ("select", "--strategy", "coreset", "--features", "f.parquet", "--budget")


@pytest.fixture
def matrix(tmp_path: Path) -> np.ndarray:
    matrix = np.random.default_rng(5).normal(size=(ROWS, 6)).astype(np.float32)
    write(features(matrix), tmp_path / "f.parquet")
    write(predictions(probabilities(ROWS, seed=7)), tmp_path / "p.parquet")
    log = {"id": [f"row-{row:04d}" for row in (3, 50, 51, 200)], "label": ["ant", "bee", "ant", "cat"]}
    write(pa.table(log), tmp_path / "l.parquet")
    return matrix


def ids(path: Path) -> list[Any]:
    return pq.read_table(path).column("id").to_pylist()


def farthest_first(rows: np.ndarray, centres: list[int], count: int) -> list[str]:
    """Plain k-center greedy in float64, one pick at a time."""
    rows = rows.astype(np.float64)
    chosen: list[int] = []
    for _ in range(count):
        taken = centres + chosen
        nearest = [min(np.linalg.norm(row - rows[centre]) for centre in taken) for row in rows]
        chosen.append(max((row for row in range(len(rows)) if row not in taken), key=lambda row: (nearest[row], -row)))
    return [f"row-{row:04d}" for row in chosen]


def test_coreset_from_the_shell(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    altool(*CORESET, 5, "--labels", "l.parquet", "-o", "q.parquet")
    table = pq.read_table(tmp_path / "q.parquet")
    assert table.column("id").to_pylist() == farthest_first(matrix, [3, 50, 51, 200], 5)
    assert table.column("rank").to_pylist() == [1, 2, 3, 4, 5]
    assert table.column("score").to_pylist() == [-1, -2, -3, -4, -5]  # higher is sooner
    origin = json.loads(table.schema.metadata[b"altool.provenance"])
    assert set(origin["inputs"]) == {"features", "labels"}


def test_first_names_the_row_to_begin_with(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    altool(*CORESET, 4, "--first", "row-0017", "-o", "q.parquet")
    assert ids(tmp_path / "q.parquet") == ["row-0017", *farthest_first(matrix, [17], 3)]
    said = altool(*CORESET, 4, "--first", "row-0003", "--labels", "l.parquet", "-o", "q2.parquet", code=3).said
    assert said == "error: --first: row-0003 is not a candidate\nhint: name the id of a row that has no label yet\n"


COVERAGE = ["maxherding", "uherding", "probcover", "typiclust", "dropquery"]


@pytest.mark.parametrize("strategy", ["coreset", "badge", "kmeans", "logdetmi", "flqmi", *COVERAGE])
def test_layout_memory_threads_and_tables_do_not_matter(altool: Altool, tmp_path: Path, matrix: np.ndarray, strategy: str) -> None:
    shuffle = np.random.default_rng(1).permutation(ROWS)
    for number, part in enumerate(np.array_split(shuffle, 5)):
        write(features(matrix).take(pa.array(part)), tmp_path / "f" / f"{number}.parquet", row_group_size=17)
    write(predictions(probabilities(ROWS, seed=7)).take(pa.array(shuffle[::-1])), tmp_path / "p2.parquet")
    common = ["select", "--strategy", strategy, "--budget", 20, "--labels", "l.parquet"]
    altool(*common, "--features", "f.parquet", "--predictions", "p.parquet", "-o", "1.parquet", "--threads", 1)
    altool(*common, "--features", "f/", "--predictions", "p2.parquet", "-o", "2.parquet", "--memory", "1MiB", "--threads", 3)
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


def test_rows_that_one_table_lacks(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    write(features(matrix).slice(4), tmp_path / "f.parquet")  # rows 0 to 3, one of them labeled, have no features
    both = ("select", "--strategy", "bait", "--predictions", "p.parquet", "--features", "f.parquet", "--labels", "l.parquet", "--budget")
    said = altool(*both, 10, "-o", "q.parquet").said
    assert "features f.parquet: 3 candidates not in it (ids row-0000, row-0001, row-0002)" in said
    assert "labels: 1 labeled row without features or predictions (ids row-0003)" in said
    assert not {"row-0000", "row-0001", "row-0002"} & set(ids(tmp_path / "q.parquet"))
    assert "3 candidates not in it" in altool(*both, 10, "-o", "q2.parquet", "--strict", code=3).said
    altool(*both, 400, "-o", "all.parquet")
    assert len(set(ids(tmp_path / "all.parquet"))) == ROWS - 4 - 3


def test_partitions_pick_exact_shares(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    altool(*CORESET, 11, "--partitions", 4, "--labels", "l.parquet", "-o", "q.parquet")
    altool(*CORESET, 11, "--partitions", 4, "--labels", "l.parquet", "-o", "q1.parquet", "--threads", 1)
    assert len(set(ids(tmp_path / "q.parquet"))) == 11
    assert (tmp_path / "q.parquet").read_bytes() == (tmp_path / "q1.parquet").read_bytes()
    altool(*CORESET, 4, "--partitions", 4, "--first", "row-0017", "-o", "first.parquet")
    assert "row-0017" in ids(tmp_path / "first.parquet")
    said = altool(*CORESET, 3, "--partitions", 4, "-o", "q3.parquet", code=2).said
    assert "--partitions 4 is more than --budget 3" in said


def test_base_takes_the_head_of_a_model(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    altool("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "model")
    base = ("select", "--strategy", "base", "--budget", 9, "--model", "model", "-o")
    altool(*base, "q.parquet", "--features", "f.parquet", "--labels", "l.parquet")
    assert len(set(ids(tmp_path / "q.parquet"))) == 9
    write(features(matrix[:, :4].copy()), tmp_path / "narrow.parquet")
    assert "its head takes 6 features, not 4" in altool(*base, "q2.parquet", "--features", "narrow.parquet", code=3).said
    assert "needs --model" in altool("select", "--strategy", "base", *base[3:5], "--features", "f.parquet", "-o", "q", code=2).said


def test_bald_reads_the_mutual_information(altool: Altool, tmp_path: Path) -> None:
    values = np.random.default_rng(3).random(50).astype(np.float32)
    table = predictions(probabilities(50)).append_column("mutual_information", pa.array(values))
    write(table, tmp_path / "p.parquet")
    altool("select", "--strategy", "bald", "--budget", 5, "--predictions", "p.parquet", "-o", "q.parquet", "--suggest")
    assert ids(tmp_path / "q.parquet") == [f"row-{row:04d}" for row in np.argsort(-values)[:5]]
    values[[4, 9]] = np.nan
    write(table.set_column(2, "mutual_information", pa.array(values)), tmp_path / "p.parquet")
    said = altool("select", "--strategy", "bald", "--budget", 5, "--predictions", "p.parquet", "-o", "q2.parquet", code=3).said
    assert "column 'mutual_information': 2 rows with null, NaN or infinity (ids row-0004, row-0009)" in said
    write(table.drop_columns("mutual_information"), tmp_path / "p.parquet")
    said = altool("select", "--strategy", "bald", "--budget", 5, "--predictions", "p.parquet", "-o", "q2.parquet", code=3).said
    assert "no column 'mutual_information'" in said


def test_query_classes_default_to_all_but_the_most_common(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    similar = ("select", "--strategy", "gcmi", "--budget", 5, "--features", "f.parquet", "--labels", "l.parquet", "-o")
    altool(*similar, "q.parquet")
    altool(*similar, "named.parquet", "--query-classes", "cat,bee")
    assert ids(tmp_path / "q.parquet") == ids(tmp_path / "named.parquet")
    metrics = {"class": list(CLASSES), "metric": ["f1"] * 3, "value": [0.5, 0.9, 0.9], "gap": [0.3, -0.1, 0.0]}
    write(pa.table(metrics), tmp_path / "m.parquet")
    altool(*similar, "behind.parquet", "--metrics", "m.parquet")
    altool(*similar, "ant.parquet", "--query-classes", "ant")
    assert ids(tmp_path / "behind.parquet") == ids(tmp_path / "ant.parquet") != ids(tmp_path / "q.parquet")
    assert "--query-classes: unknown class dog" in altool(*similar, "q2.parquet", "--query-classes", "dog", code=3).said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("coreset", "--eta", 2), "--eta has no effect with --strategy coreset"),
        (("coreset", "--diversify"), "--diversify re-orders strategies that sort"),
        (("gcmi", "--similarity", "near"), "--similarity: expected features or gradient, found 'near'"),
        (("gcmi", "--similarity", "gradient"), "--similarity gradient needs --predictions"),
        (("coreset", "--metrics", "m.parquet"), "--metrics has no effect here"),
        (("coreset", "--model", "model"), "--model has no effect with --strategy coreset"),
        (("coreset", "--memory", "much"), "--memory: expected a size, found 'much'"),
        (("coreset", "--device", "cuda:77"), "--device cuda:77"),
        (("badge",), "--strategy badge needs --predictions"),
        (("random", "--partitions", 2), "--partitions has no effect with --strategy random"),
    ],
)
def test_what_would_do_nothing_is_refused(
    altool: Altool, tmp_path: Path, matrix: np.ndarray, arguments: tuple[object, ...], said: str
) -> None:
    common = ["--labels", "l.parquet"] if arguments[0] == "gcmi" else []
    result = altool("select", "--strategy", *arguments, *common, "--features", "f.parquet", "--budget", 3, "-o", "q.parquet", code=2)
    assert said in result.said
    assert not (tmp_path / "q.parquet").exists()


def test_clusters_are_kept_over_rounds(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    common = ("select", "--strategy", "cluster-margin", "--features", "f.parquet", "--predictions", "p.parquet", "--budget", 20)
    altool(*common, "-o", "alone.parquet")
    said = altool(*common, "--clusters", "c.parquet", "-o", "first.parquet").said
    assert f"of {ROWS} rows -> c.parquet" in said
    assert ids(tmp_path / "first.parquet") == ids(tmp_path / "alone.parquet")
    table = pq.read_table(tmp_path / "c.parquet")
    assert table.column("id").to_pylist() == [f"row-{row:04d}" for row in range(ROWS)]
    one = pa.table({"id": table.column("id"), "cluster": pa.array(np.zeros(ROWS, np.int64))}).replace_schema_metadata(table.schema.metadata)
    write(one, tmp_path / "one.parquet")
    assert "clusters of" not in altool(*common, "--clusters", "one.parquet", "--labels", "l.parquet", "-o", "one-q.parquet").said
    altool("select", "--strategy", "margin", "--predictions", "p.parquet", "--labels", "l.parquet", "--budget", 20, "-o", "m.parquet")
    assert ids(tmp_path / "one-q.parquet") == ids(tmp_path / "m.parquet")  # one cluster: the margins' own order


def test_rows_that_kept_clusters_lack_are_clusters_of_their_own(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    common = ("select", "--strategy", "cluster-margin", "--features", "f.parquet", "--predictions", "p.parquet", "--budget", 20)
    altool(*common, "--clusters", "c.parquet", "-o", "q.parquet")
    table = pq.read_table(tmp_path / "c.parquet")
    write(table.slice(2), tmp_path / "some.parquet")
    said = altool(*common, "--clusters", "some.parquet", "-o", "q2.parquet").said
    assert "clusters some.parquet: 2 candidates not in it (ids row-0000, row-0001); each is a cluster of its own" in said
    write(table.slice(0, 3).set_column(0, "id", pa.array(["x", "y", "z"])), tmp_path / "other.parquet")
    said = altool(*common, "--clusters", "other.parquet", "-o", "q3.parquet", code=3).said
    assert "predictions p.parquet: none of its 300 candidates is in clusters other.parquet" in said
    said = altool(*common, "--clusters", "c.parquet", "--cluster-margin-factor", 2, "-o", "q3.parquet", code=3).said
    assert "was made of features of another space, or with other options of cluster-margin" in said
    said = altool("select", "--predictions", "p.parquet", "--budget", 5, "--clusters", "c.parquet", "-o", "q3.parquet", code=2).said
    assert "--clusters has no effect with --strategy auto" in said
