"""`altool select` with the strategies that cover the pool, and with those that cluster it: from the shell."""

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
from reference_herding import covering

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
ROWS = 200
LABELED = (3, 50, 51, 120)
STRATEGIES = ("maxherding", "uherding", "probcover", "typiclust", "dropquery")


@pytest.fixture
def matrix(tmp_path: Path) -> np.ndarray:
    matrix = np.random.default_rng(5).normal(size=(ROWS, 6)).astype(np.float32)
    write(features(matrix), tmp_path / "f.parquet")
    write(predictions(probabilities(ROWS, seed=7)), tmp_path / "p.parquet")
    log = {"id": [f"row-{row:04d}" for row in LABELED], "label": [*CLASSES[:3], CLASSES[0]]}
    write(pa.table(log), tmp_path / "l.parquet")
    return matrix


def ids(path: Path) -> list[Any]:
    return pq.read_table(path).column("id").to_pylist()


def test_maxherding_from_the_shell(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    altool("select", "--strategy", "maxherding", "--budget", 9, "--features", "f.parquet", "--labels", "l.parquet", "-o", "q.parquet")
    free = np.setdiff1d(np.arange(ROWS), LABELED)
    expected = [f"row-{free[place]:04d}" for place in covering(matrix[free], matrix[list(LABELED)], 9, 1.0)]
    assert ids(tmp_path / "q.parquet") == expected


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_pool_of_features_alone_is_enough(altool: Altool, tmp_path: Path, matrix: np.ndarray, strategy: str) -> None:
    own = ("--probcover-classes", 3) if strategy == "probcover" else ()
    altool("select", "--strategy", strategy, "--budget", 9, "--features", "f.parquet", *own, "-o", "q.parquet")
    assert len(set(ids(tmp_path / "q.parquet"))) == 9


def test_uherding_without_predictions_is_given_a_model_of_the_labels(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    common = ("select", "--strategy", "uherding", "--budget", 9, "--features", "f.parquet")
    said = altool(*common, "--labels", "l.parquet", "-o", "q.parquet").said
    assert "no --predictions: a logistic classifier is fitted on 4 labeled rows of 3 classes" in said
    said = altool(*common, "--labels", "l.parquet", "--uherding-uncertainty", "entropy", "-o", "q2.parquet", code=3).said
    assert "--uherding-uncertainty and --uherding-temperature need the probabilities" in said


@pytest.mark.parametrize(("strategy", "own"), [("probcover", ()), ("flqmi", ("--query-classes", CLASSES[0])), ("typiclust", ())])
def test_no_model_is_fitted_for_those_who_do_not_ask_it(
    altool: Altool, tmp_path: Path, matrix: np.ndarray, strategy: str, own: tuple[str, ...]
) -> None:
    common = ("select", "--strategy", strategy, "--budget", 9, "--features", "f.parquet", "--labels", "l.parquet")
    assert "fitted" not in altool(*common, *own, "-o", "q.parquet").said


def test_probcover_says_what_it_lacks(altool: Altool, matrix: np.ndarray) -> None:
    said = altool("select", "--strategy", "probcover", "--budget", 9, "--features", "f.parquet", "-o", "q.parquet", code=3).said
    assert said.endswith(
        "error: probcover: its radius follows from the number of classes, found 0, expected 2 or more\n"
        "hint: give --probcover-classes N, --labels with two classes, or --probcover-radius\n"
    )


def test_the_classes_of_the_run_are_probcovers(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    """Predictions of four classes, labels of three: as four clusters, not three."""
    common = ("select", "--strategy", "probcover", "--budget", 9, "--features", "f.parquet", "--labels", "l.parquet")
    altool(*common, "--predictions", "p.parquet", "-o", "1.parquet")
    altool(*common, "--probcover-classes", len(CLASSES), "-o", "2.parquet")
    altool(*common, "-o", "3.parquet")
    assert ids(tmp_path / "1.parquet") == ids(tmp_path / "2.parquet")


def test_dropquery_reads_the_head_of_a_model(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    altool("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "model")
    common = ("select", "--strategy", "dropquery", "--budget", 9, "--features", "f.parquet", "--labels", "l.parquet")
    altool(*common, "--model", "model", "-o", "warm.parquet")
    altool(*common, "-o", "cold.parquet")
    assert ids(tmp_path / "warm.parquet") != ids(tmp_path / "cold.parquet")
    origin = json.loads(pq.read_table(tmp_path / "warm.parquet").schema.metadata[b"altool.provenance"])
    assert "model" in origin["inputs"]
