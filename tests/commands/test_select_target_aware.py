"""`altool select --target-aware` and `--strategy e3g` from the shell."""

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
ROWS = 400
STEERED = ("--predictions", "p.parquet", "--target-aware", "--targets", "targets.toml", "--metrics", "m.parquet")
AWARE = (*STEERED, "--weights-from", "explored", "--budget")  # the paper's equations, on estimates as they are
TARGETS = '[default]\nmetric = "f1"\ntarget = 0.9\n'


@pytest.fixture
def matrix(tmp_path: Path) -> np.ndarray:
    matrix = probabilities(ROWS, seed=5)
    write(predictions(matrix), tmp_path / "p.parquet")
    draw = np.random.default_rng(1)
    write(features(draw.normal(size=(ROWS, 6)).astype(np.float32)), tmp_path / "f.parquet")
    (tmp_path / "targets.toml").write_text(TARGETS)
    stand(tmp_path, 0.9, 0.4, 0.95)
    return matrix


def stand(folder: Path, *values: float) -> None:
    """The metrics of a report in which the classes stand at these F1 values."""
    estimates = {"explored_value": list(values), "explored_rows": [9] * 3}
    write(pa.table({"class": list(CLASSES), "metric": ["f1"] * 3, "value": list(values), **estimates}), folder / "m.parquet")


def rows(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()


def candidates(matrix: np.ndarray, row: str) -> list[str]:
    values = matrix[int(row[-4:])]
    return [name for name, value in zip(CLASSES, values, strict=True) if value >= np.float32(0.5) * values.max()]


def test_only_the_class_that_misses_its_target_is_served(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    result = altool("select", "--strategy", "margin", *AWARE, 30, "-o", "q.parquet")
    assert "class weights: bee 100%" in result.said
    altool("select", "--strategy", "margin", "--budget", ROWS, "--predictions", "p.parquet", "-o", "all.parquet")
    queue = [row["id"] for row in rows(tmp_path / "all.parquet") if "bee" in candidates(matrix, row["id"])]
    found = rows(tmp_path / "q.parquet")
    assert [row["id"] for row in found] == queue[:30]  # the queue's order among the rows that may be bees
    assert {row["target_class"] for row in found} == {"bee"}
    assert all(row["candidate_labels"] == candidates(matrix, row["id"]) for row in found)
    assert [row["score"] for row in found] == [-rank for rank in range(1, 31)]
    origin = json.loads(pq.read_schema(tmp_path / "q.parquet").metadata[b"altool.provenance"])
    assert origin["options"]["weights"] == pytest.approx({"ant": 0, "bee": 0.5, "cat": 0})
    assert {"metrics", "predictions"} <= set(origin["inputs"])


def test_rows_that_no_class_asks_for_follow_the_strategy(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    result = altool("select", "--strategy", "margin", *AWARE, ROWS, "-o", "q.parquet")
    served = sum("bee" in candidates(matrix, f"row-{row:04d}") for row in range(ROWS))
    assert f"{ROWS - served} of {ROWS} rows by the order of margin alone" in result.said
    found = rows(tmp_path / "q.parquet")
    assert [row["target_class"] for row in found] == ["bee"] * served + [None] * (ROWS - served)


def test_all_met_and_no_metrics(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    stand(tmp_path, 0.9, 0.95, 0.95)
    result = altool("select", "--strategy", "margin", *AWARE, 90, "-o", "q.parquet")
    assert "every target is met by estimate: all classes weigh the same" in result.said
    assert {row["target_class"] for row in rows(tmp_path / "q.parquet")} == set(CLASSES)
    without = ("select", "--strategy", "margin", "--predictions", "p.parquet", "--target-aware", "--targets", "targets.toml")
    assert "every class is taken to be at 0" in altool(*without, "--budget", 5, "-o", "q2.parquet").said
    (tmp_path / "targets.toml").write_text(TARGETS + "".join(f'[class."{name}"]\npriority = 0\n' for name in CLASSES))
    assert "every class has priority 0" in altool(*without, "--budget", 5, "-o", "q3.parquet").said


def weights(path: Path) -> list[float]:
    origin = json.loads(pq.read_schema(path).metadata[b"altool.provenance"])
    return [origin["options"]["weights"][name] for name in CLASSES]


def test_weights_come_from_the_rows_that_are_named(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    """What a report writes of each sample. A class without a row there is at 0, whatever its value."""
    samples = {
        "holdout": ([0.8, 0.5, 0.7], [20, 10, 0]),
        "explored": ([0.6, 0.7, 1.0], [5, 3, 1]),
        "labeled": ([0.5, 0.85, 0.95], [40, 30, 20]),
    }
    columns: dict[str, list[Any]] = {"class": list(CLASSES), "metric": ["f1"] * 3, "value": [0.1, 0.2, 0.3]}
    for name, (values, sizes) in samples.items():
        columns |= {f"{name}_value": values, f"{name}_rows": sizes}
    write(pa.table(columns), tmp_path / "m.parquet")
    select = ("select", "--strategy", "margin", *STEERED, "--budget", 20, "-o", "q.parquet", "--overwrite")
    for name, expected in {"holdout": [0.1, 0.4, 0.9], "explored": [0.3, 0.2, 0], "labeled": [0.4, 0.05, 0], "equal": [1, 1, 1]}.items():
        altool(*select, "--weights-from", name)
        assert weights(tmp_path / "q.parquet") == pytest.approx(expected), name
    columns["explored_value"] = columns["explored_rows"] = pa.nulls(3, pa.float64())
    write(pa.table(columns), tmp_path / "m.parquet")
    said = altool(*select, "--weights-from", "explored", code=3).said
    assert "metrics m.parquet: no class has an estimate from explored rows (column 'explored_value')" in said
    without = ("select", "--strategy", "margin", *STEERED[:-2], "--budget", 20, "-o", "q.parquet", "--overwrite")
    assert "--weights-from labeled needs --metrics" in altool(*without, "--weights-from", "labeled", code=2).said
    altool(*without, "--weights-from", "equal")
    assert weights(tmp_path / "q.parquet") == [1, 1, 1]
    plain = ("select", "--strategy", "margin", "--predictions", "p.parquet", "--budget", 5, "-o", "q2.parquet", "--weights-from", "equal")
    assert "--weights-from has no effect without --target-aware" in altool(*plain, code=2).said


def test_the_estimates_that_steer_by_default(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    """n v / (n + 5) of the held-out rows where there are ten of a class, or as many as drawn labels; half of the weight is even."""
    select = ("select", "--strategy", "margin", *STEERED, "--budget", 20, "-o", "q.parquet", "--overwrite")

    def expected(*estimates: float) -> list[float]:
        gaps = [max(0.9 - value, 0) for value in estimates]
        return [0.5 * gap / sum(gaps) + 0.5 / 3 for gap in gaps]

    columns: dict[str, list[Any]] = {"class": list(CLASSES), "metric": ["f1"] * 3, "value": [0.1, 0.2, 0.3]}
    columns |= {
        "holdout_value": [0.8, 0.5, 0.7],
        "holdout_rows": [20, 4, 2],
        "explored_value": [0.6, 0.7, 1.0],
        "explored_rows": [30, 5, 1],
    }
    write(pa.table(columns), tmp_path / "m.parquet")
    altool(*select)
    assert weights(tmp_path / "q.parquet") == pytest.approx(expected(0.8 * 20 / 25, 0.7 * 5 / 10, 0.7 * 2 / 7))
    del columns["holdout_value"], columns["holdout_rows"]
    write(pa.table(columns), tmp_path / "m.parquet")
    altool(*select)
    assert weights(tmp_path / "q.parquet") == pytest.approx(expected(0.6 * 30 / 35, 0.7 * 5 / 10, 1 / 6))
    del columns["explored_value"], columns["explored_rows"]  # a table that is not altool's: the values, of as many rows as it has
    write(pa.table(columns | {"support": [10, 5, 0]}), tmp_path / "m.parquet")
    altool(*select)
    assert weights(tmp_path / "q.parquet") == pytest.approx(expected(0.1 * 10 / 15, 0.2 * 5 / 10, 0))
    write(pa.table(columns), tmp_path / "m.parquet")
    altool(*select)
    assert weights(tmp_path / "q.parquet") == pytest.approx(expected(0.1, 0.2, 0.3))


@pytest.mark.parametrize("strategy", ["random", "entropy", "coreset", "badge", "logdetmi", "queue"])
def test_it_wraps_every_shape(altool: Altool, tmp_path: Path, matrix: np.ndarray, strategy: str) -> None:
    write(pa.table({"id": ["row-0001", "row-0003", "row-0005"], "label": ["ant", "bee", "cat"]}), tmp_path / "l.parquet")
    more: list[object] = ["--features", "f.parquet"] if strategy in ("coreset", "badge", "logdetmi") else []
    if strategy == "queue":
        write(pa.table({"id": [f"row-{row:04d}" for row in range(6, 200)], "rank": list(range(194))}), tmp_path / "queue.parquet")
        more = ["--queue", "queue.parquet"]
    common = ("select", "--strategy", strategy, *AWARE, 12, "--labels", "l.parquet", *more, "-o")
    altool(*common, "q.parquet")
    altool(*common, "again.parquet", "--threads", 1)
    assert (tmp_path / "q.parquet").read_bytes() == (tmp_path / "again.parquet").read_bytes()
    found = rows(tmp_path / "q.parquet")
    assert len({row["id"] for row in found}) == 12
    assert {row["target_class"] for row in found} == {"bee"}
    if more and strategy != "queue":
        said = altool(*common, "short.parquet", "--queue-size", 12).said
        assert "only their order can change" in said


def test_diversify_and_layout(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    shuffle = np.random.default_rng(1).permutation(ROWS)
    write(predictions(matrix).take(pa.array(shuffle)), tmp_path / "p2.parquet", row_group_size=37)
    common = ("select", "--strategy", "margin", "--diversify", *AWARE[2:], 40)
    altool(*common, "--predictions", "p.parquet", "-o", "q.parquet")
    altool(*common, "--predictions", "p2.parquet", "-o", "q2.parquet")
    assert (tmp_path / "q.parquet").read_bytes() == (tmp_path / "q2.parquet").read_bytes()


def test_e3g_explores_and_exploits(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    log = {"id": [f"row-{row:04d}" for row in range(20)], "label": [CLASSES[row % 3] for row in range(20)]}
    write(pa.table(log), tmp_path / "l.parquet")
    e3g = ("select", "--strategy", "e3g", "--features", "f.parquet", "--labels", "l.parquet", "--total-budget", 40)
    altool(*e3g, "--budget", 60, "--predictions", "p.parquet", "-o", "q.parquet")
    found = rows(tmp_path / "q.parquet")
    shares = Counter(row["source"] for row in found)
    assert set(shares) == {"explore", "exploit"}
    assert abs(shares["explore"] / 60 - 0.1**0.5) < 0.2  # halfway to the total budget
    altool(*e3g, *AWARE, 60, "-o", "ta.parquet")
    aware = rows(tmp_path / "ta.parquet")
    explored = [(row["rank"], row["id"]) for row in found if row["source"] == "explore"]
    assert explored == [(row["rank"], row["id"]) for row in aware if row["source"] == "explore"]  # untouched
    assert {row["target_class"] for row in aware if row["source"] == "exploit"} == {"bee"}
    assert {row["target_class"] for row in aware if row["source"] == "explore"} == {None}
    altool("select", "--strategy", "e3g", "--features", "f.parquet", "--budget", 15, "-o", "cold.parquet")  # a stratified seed set
    assert {row["source"] for row in rows(tmp_path / "cold.parquet")} == {"explore"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--strategy", "margin", "--target-aware"), 2, "--target-aware needs --targets and --predictions"),
        (("--strategy", "margin", "--targets", "targets.toml"), 2, "--targets has no effect without --target-aware"),
        (("--strategy", "margin", "--candidate-threshold", 0.3), 2, "--candidate-threshold has no effect without --target-aware"),
        (("--strategy", "margin", "--target-aware", "--targets", "targets.toml", "--queue-size", 9), 2, "--queue-size has no effect"),
        (
            ("--strategy", "margin", "--target-aware", "--targets", "targets.toml", "--metrics", "other.parquet"),
            3,
            "none of its 1 class (fox) is one of this run",
        ),
        (("--strategy", "margin", "--target-aware", "--targets", "fox.toml"), 3, "in no other table (fox)"),
        (("--strategy", "e3g", "--features", "f.parquet", "--partitions", 2), 2, "--partitions has no effect with --strategy e3g"),
    ],
)
def test_refused(altool: Altool, tmp_path: Path, matrix: np.ndarray, arguments: tuple[object, ...], code: int, said: str) -> None:
    write(pa.table({"class": ["fox"], "metric": ["f1"], "value": [0.5]}), tmp_path / "other.parquet")
    (tmp_path / "fox.toml").write_text(TARGETS + '[class."fox"]\ntarget = 0.5\n')
    result = altool("select", *arguments, "--predictions", "p.parquet", "--budget", 3, "-o", "q.parquet", code=code)
    assert said in result.said
