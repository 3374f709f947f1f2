"""`altool select` without a strategy: the recommended rule from whatever tables there are, and no more vectors read than it needs."""

from __future__ import annotations

import json
from collections import Counter
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
LABELED = [3, 50, 51, 200, 201, 202, 203, 204]


@pytest.fixture
def matrix(tmp_path: Path) -> np.ndarray:
    matrix = np.random.default_rng(5).normal(size=(ROWS, 6)).astype(np.float32)
    write(features(matrix), tmp_path / "f.parquet")
    write(predictions(probabilities(ROWS, seed=7)), tmp_path / "p.parquet")
    log = {"id": [f"row-{row:04d}" for row in LABELED], "label": ["ant", "bee", "ant", "cat"] * 2}
    write(pa.table(log), tmp_path / "l.parquet")
    write(pa.table({"id": [f"row-{row:04d}" for row in range(ROWS)], "text": ["t"] * ROWS}), tmp_path / "i.parquet")
    (tmp_path / "t.toml").write_text('[default]\nmetric = "f1"\ntarget = 0.9\n')
    return matrix


def chosen(path: Path) -> pa.Table:
    table = pq.read_table(path)
    assert len(set(table.column("id").to_pylist())) == len(table)
    assert not set(table.column("id").to_pylist()) & {f"row-{row:04d}" for row in LABELED}
    return table


@pytest.mark.parametrize(
    ("tables", "reasons", "says"),
    [
        ("f", {"coverage"}, "auto: no model of two classes yet, so rows are chosen that cover the pool best"),
        ("i", {"random"}, "auto: no features, so chance chooses all rows"),
        ("il", {"random"}, "auto: no features, so chance chooses all rows"),
        ("fl", {"coverage", "boundary"}, "no --predictions: a logistic classifier is fitted on 8 labeled rows of 3 classes"),
        ("pl", {"boundary"}, "auto: no features, so margin, with the predicted classes in turn, chooses all rows"),
        ("fpl", {"coverage", "boundary"}, "auto: rows chosen: 14 by coverage, 6 by boundary (radius 0.93, 6.0 labels a class)"),
        ("fp", {"coverage"}, "auto: no labels of two classes yet, so rows are chosen that cover the pool best"),
        ("p", {"boundary"}, "auto: rows chosen: 20 by boundary\n"),
        ("i", {"random"}, "auto: rows chosen: 20 at random\n"),
    ],
)
def test_one_command_whatever_there_is(
    altool: Altool, tmp_path: Path, matrix: np.ndarray, tables: str, reasons: set[str], says: str
) -> None:
    names = {"f": "--features", "p": "--predictions", "l": "--labels", "i": "--items"}
    given = [word for letter in tables for word in (names[letter], f"{letter}.parquet")]
    found = altool("select", *given, "--budget", 20, "-o", "q.parquet", "--exclude", "l.parquet")
    assert says in found.said
    table = chosen(tmp_path / "q.parquet")
    assert len(table) == 20
    assert set(table.column("reason").to_pylist()) == reasons
    assert set(table.column("strategy").to_pylist()) == {"auto"}


def test_the_summary_says_what_took_the_rows(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    tables = ("--features", "f.parquet", "--predictions", "p.parquet", "--labels", "l.parquet")
    found = json.loads(altool("select", *tables, "--budget", 20, "-o", "q.parquet", "--json").text)
    assert found["labels_per_class"] == 6  # 8 labels and half of 20 of 3 classes
    assert found["boundary_share"] == pytest.approx(0.7 * 3 / 7)
    counts = Counter(chosen(tmp_path / "q.parquet").column("reason").to_pylist())
    assert found["reasons"] == {"coverage": 14, "boundary": 6} == counts
    assert 0 < found["radius"] < 2


@pytest.mark.parametrize("tables", [["--predictions", "p"], []])
def test_targets_steer_it_without_another_option(altool: Altool, tmp_path: Path, matrix: np.ndarray, tables: list[str]) -> None:
    given = (
        "--features",
        "f.parquet",
        "--labels",
        "l.parquet",
        "--targets",
        "t.toml",
        *(f"{word}.parquet" if word == "p" else word for word in tables),
    )
    said = altool("select", *given, "--budget", 20, "-o", "q.parquet").said
    assert "class weights: " in said
    table = chosen(tmp_path / "q.parquet")
    assert set(table.column("target_class").to_pylist()) <= {*CLASSES, None}
    assert table.column("target_class").null_count < 20
    counts = Counter(table.column("reason").to_pylist())  # those of the rows that the targets led to
    assert f"rows chosen: {', '.join(f'{number} by {reason}' for reason, number in counts.most_common())} (" in said


def test_targets_wait_for_a_model(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    said = altool("select", "--features", "f.parquet", "--targets", "t.toml", "--budget", 20, "-o", "q.parquet").said
    assert "no predictions yet, and no two classes with a label: the targets do not steer this round" in said
    assert "warning" not in said


@pytest.mark.parametrize("cold", [False, True])
def test_layout_threads_and_order_do_not_matter(altool: Altool, tmp_path: Path, matrix: np.ndarray, cold: bool) -> None:
    shuffle = np.random.default_rng(1).permutation(ROWS)
    for number, part in enumerate(np.array_split(shuffle, 5)):
        write(features(matrix).take(pa.array(part)), tmp_path / "f" / f"{number}.parquet", row_group_size=17)
    write(predictions(probabilities(ROWS, seed=7)).take(pa.array(shuffle[::-1])), tmp_path / "p2.parquet")
    common = ["select", "--budget", 40] + ([] if cold else ["--labels", "l.parquet"])
    altool(*common, "--features", "f.parquet", *([] if cold else ["--predictions", "p.parquet"]), "-o", "1.parquet", "--threads", 1)
    altool(*common, "--features", "f/", *([] if cold else ["--predictions", "p2.parquet"]), "-o", "2.parquet", "--threads", 2)
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


def test_rows_that_the_features_lack(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    write(features(matrix).slice(100), tmp_path / "f.parquet")  # rows 0 to 99, three of them labeled, have none
    common = ("select", "--features", "f.parquet", "--predictions", "p.parquet", "--labels", "l.parquet", "--budget", 40, "-o", "q.parquet")
    said = altool(*common).said
    assert "features f.parquet: 97 candidates not in it (ids row-0000, row-0001, row-0002)" in said
    table = chosen(tmp_path / "q.parquet")
    by = {reason: [row["id"] for row in table.to_pylist() if row["reason"] == reason] for reason in ("coverage", "boundary")}
    assert min(by["coverage"]) >= "row-0100" > min(by["boundary"])
    altool(*common, "--strict", "--overwrite", code=3)


def test_only_the_rows_of_the_sample_are_checked(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    matrix[7] = np.nan
    write(features(matrix), tmp_path / "f.parquet")
    write(pa.table({"id": [f"row-{row:04d}" for row in range(100, 300)]}), tmp_path / "w.parquet")
    common = ("select", "--features", "f.parquet", "--budget", 20, "-o", "q.parquet")
    said = altool(*common, code=3).said
    assert said.startswith("error: features f.parquet, column 'features': 1 row with NaN or infinity (ids row-0007)")
    altool(*common, "--within", "w.parquet")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            ("--diversify", "--predictions", "p.parquet"),
            "--diversify re-orders strategies that sort; --strategy auto picks one row after another",
        ),
        (("--partitions", 2), "--partitions has no effect with --strategy auto"),
        (("--queue", "p.parquet"), "--queue has no effect with --strategy auto"),
        (("--target-aware",), "--target-aware needs --targets and --predictions"),
    ],
)
def test_what_it_refuses(altool: Altool, matrix: np.ndarray, more: tuple[object, ...], says: str) -> None:
    assert says in altool("select", "--features", "f.parquet", "--budget", 5, "-o", "q.parquet", *more, code=2).said
