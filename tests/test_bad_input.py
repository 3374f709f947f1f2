""" "Input that is rejected" of docs/contract.md, one test each: status 3, what is wrong and what to do, nothing written."""

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


def refused(altool: Altool, tmp_path: Path, *arguments: object, **options: Any) -> str:
    """Run it; check the status, the two lines, the JSON object and that nothing is written. Returns the message."""
    before = sorted(tmp_path.rglob("*"))
    result = altool(*arguments, "--json", code=3, **options)
    lines = [line for line in result.said.splitlines() if not line.startswith("warning: ")]
    assert len(lines) == 2
    assert lines[0].startswith("error: ")
    assert lines[1].startswith("hint: ")
    error = json.loads(result.text)["error"]
    assert lines[0] == f"error: {error['message']}"
    assert error["exit_code"] == 3
    assert sorted(tmp_path.rglob("*")) == before
    return str(error["message"])


def margin(altool: Altool, tmp_path: Path, table: pa.Table, *more: object) -> str:
    write(table, tmp_path / "p.parquet")
    return refused(
        altool, tmp_path, "select", "--strategy", "margin", "--budget", 2, "--predictions", "p.parquet", "-o", "q.parquet", *more
    )


def test_duplicate_ids(altool: Altool, tmp_path: Path) -> None:
    message = margin(altool, tmp_path, predictions(probabilities(5), ["b", "a", "b", "c", "a"]))
    assert message == "predictions p.parquet, column 'id': 2 duplicate ids (a, b)"


def test_null_ids(altool: Altool, tmp_path: Path) -> None:
    message = margin(altool, tmp_path, predictions(probabilities(3), ["a", None, "c"]))
    assert message == "predictions p.parquet, column 'id': 1 row without an id"


def test_ids_of_other_types_across_tables(altool: Altool, tmp_path: Path) -> None:
    write(pa.table({"id": [1, 2], "label": ["ant", "bee"]}), tmp_path / "l.parquet")
    message = margin(altool, tmp_path, predictions(probabilities(3)), "--labels", "l.parquet")
    assert message == "labels l.parquet, column 'id': ids are int64, but predictions p.parquet has string"


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ([np.nan, 0.5, 0.5], "2 rows with NaN or infinity (ids row-0001, row-0003)"),
        ([np.inf, 0, 0], "2 rows with NaN or infinity (ids row-0001, row-0003)"),
        ([-0.2, 0.7, 0.5], "2 rows with a negative probability (ids row-0001, row-0003)"),
        ([1.0005, 0, 0], "2 rows with a probability above 1 (ids row-0001, row-0003)"),
        ([0.5, 0.3, 0.1], "2 rows with a sum other than 1 (tolerance 0.001) (ids row-0001, row-0003)"),
    ],
)
def test_rows_that_are_no_probabilities(altool: Altool, tmp_path: Path, row: list[float], what: str) -> None:
    matrix = probabilities(5)
    matrix[[1, 3]] = row
    assert margin(altool, tmp_path, predictions(matrix)) == f"predictions p.parquet, column 'probabilities': {what}"


def test_rows_without_numbers(altool: Altool, tmp_path: Path) -> None:
    table = pa.table({"id": ["a", "b", "c"], "probabilities": [[0.5, 0.5], None, [1.0, 0.0]]})
    message = margin(altool, tmp_path, table, "--classes", "ant,bee")
    assert message == "predictions p.parquet, column 'probabilities': 1 row without a list (null) (ids b)"


def test_faults_are_counted_over_all_files(altool: Altool, tmp_path: Path) -> None:
    matrix = probabilities(40)
    matrix[::2, 0] = np.nan
    whole = predictions(matrix)
    for part in range(4):
        write(whole.slice(part * 10, 10), tmp_path / "p" / f"{part}.parquet", row_group_size=3)
    message = refused(altool, tmp_path, "select", "--strategy", "entropy", "--budget", 2, "--predictions", "p", "-o", "q.parquet")
    assert message == "predictions p, column 'probabilities': 20 rows with NaN or infinity (ids row-0000, row-0002, row-0004)"


@pytest.fixture
def model(altool: Altool, tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    write(features(draw.normal(size=(30, 4)).astype(np.float32)), tmp_path / "f.parquet")
    labels = pa.table({"id": [f"row-{number:04d}" for number in range(12)], "label": ["ant", "bee"] * 6})
    write(labels, tmp_path / "l.parquet")
    altool("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "model")
    return tmp_path / "model"


@pytest.mark.usefixtures("model")
def test_features_with_nan(altool: Altool, tmp_path: Path) -> None:
    matrix = np.zeros((9, 4), np.float32)
    matrix[2, 1], matrix[7, 3] = np.nan, -np.inf
    write(features(matrix), tmp_path / "bad.parquet")
    message = refused(altool, tmp_path, "score", "--model", "model", "--features", "bad.parquet", "-o", "p.parquet")
    assert message == "features bad.parquet, column 'features': 2 rows with NaN or infinity (ids row-0002, row-0007)"


@pytest.mark.usefixtures("model")
def test_features_of_another_width(altool: Altool, tmp_path: Path) -> None:
    write(features(np.zeros((9, 5), np.float32)), tmp_path / "bad.parquet")
    message = refused(altool, tmp_path, "score", "--model", "model", "--features", "bad.parquet", "-o", "p.parquet")
    assert message == "features bad.parquet, column 'features': rows hold 5 numbers, not 4"


def report(altool: Altool, tmp_path: Path, targets: str) -> str:
    write(predictions(probabilities(6)), tmp_path / "p.parquet")
    labels = {"id": [f"row-{number:04d}" for number in range(6)], "label": list(CLASSES) * 2, "source": ["holdout"] * 6}
    write(pa.table(labels), tmp_path / "l.parquet")
    (tmp_path / "t.toml").write_text(targets)
    arguments = ("--predictions", "p.parquet", "--labels", "l.parquet", "--targets", "t.toml", "--metrics-output", "m.parquet")
    return refused(altool, tmp_path, "report", *arguments)


def test_a_target_for_a_class_that_no_table_knows(altool: Altool, tmp_path: Path) -> None:
    targets = '[default]\nmetric = "f1"\ntarget = 0.9\n[class."dog"]\ntarget = 0.5\n'
    assert report(altool, tmp_path, targets) == "targets t.toml, column 'class': 1 class in no other table (dog)"


def test_predictions_of_another_class_list_than_the_targets(altool: Altool, tmp_path: Path) -> None:
    targets = '[class."ant"]\nmetric = "f1"\ntarget = 0.5\n'
    assert report(altool, tmp_path, targets) == "targets t.toml: 2 classes of this run without a target (bee, cat)"


@pytest.mark.parametrize("content", [b"", b"PAR1 but no more", b"\0\1\2 neither"])
def test_a_damaged_file(altool: Altool, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.parquet").write_bytes(content)
    arguments = ("--strategy", "margin", "--budget", 2, "--predictions", "p.parquet", "-o", "q.parquet")
    assert refused(altool, tmp_path, "select", *arguments).startswith("predictions p.parquet ")


def test_a_truncated_file(altool: Altool, tmp_path: Path) -> None:
    path = write(predictions(probabilities(5000)), tmp_path / "p.parquet")
    path.write_bytes(path.read_bytes()[:-100])
    arguments = ("--strategy", "margin", "--budget", 2, "--predictions", "p.parquet", "-o", "q.parquet")
    assert "cannot be read; truncated or damaged" in refused(altool, tmp_path, "select", *arguments)


def test_an_empty_table(altool: Altool, tmp_path: Path) -> None:
    assert margin(altool, tmp_path, predictions(probabilities(0))) == "predictions p.parquet: the table is empty"


def test_a_missing_file(altool: Altool, tmp_path: Path) -> None:
    arguments = ("--strategy", "margin", "--budget", 2, "--predictions", "none.parquet", "-o", "q.parquet")
    assert refused(altool, tmp_path, "select", *arguments) == "predictions none.parquet: no such file or folder"


def test_a_missing_column(altool: Altool, tmp_path: Path) -> None:
    write(pa.table({"item": [1], "probabilities": [[0.5, 0.5]]}), tmp_path / "p.parquet")
    arguments = ("--strategy", "margin", "--budget", 2, "--predictions", "p.parquet", "-o", "q.parquet")
    message = refused(altool, tmp_path, "select", *arguments)
    assert message == "predictions p.parquet: no column 'id' (it has item, probabilities)"


def test_labels_for_ids_that_the_pool_never_held(altool: Altool, tmp_path: Path) -> None:
    write(predictions(probabilities(5)), tmp_path / "p.parquet")
    write(pa.table({"id": ["row-0001", "x", "y"], "label": ["ant", "bee", "cat"]}), tmp_path / "l.parquet")
    arguments = ["select", "--strategy", "margin", "--budget", 2, "--predictions", "p.parquet", "--labels", "l.parquet"]
    result = altool(*arguments, "-o", "q.parquet")
    assert "warning: labels: 2 ids not in the pool (ids x, y)" in result.said
    assert refused(altool, tmp_path, *arguments, "-o", "strict.parquet", "--strict") == "labels: 2 ids not in the pool (ids x, y)"


def test_a_model_of_a_newer_format(altool: Altool, tmp_path: Path, model: Path) -> None:
    facts = json.loads((model / "model.json").read_text())
    (model / "model.json").write_text(json.dumps({**facts, "format": 99}))
    message = refused(altool, tmp_path, "score", "--model", "model", "--features", "f.parquet", "-o", "p.parquet")
    assert message == "model model: written by a newer altool (format 99, classifier 'logistic'; this one reads format 1)"


def test_a_class_list_that_disagrees(altool: Altool, tmp_path: Path) -> None:
    message = margin(altool, tmp_path, predictions(probabilities(5)), "--classes", "bee,ant,dog")
    assert message == "predictions p.parquet: its classes (ant, bee, cat, … 3) are not those of --classes (bee, ant, dog, … 3)"


def test_one_class_cannot_be_trained(altool: Altool, tmp_path: Path) -> None:
    write(features(np.eye(3, dtype=np.float32)), tmp_path / "f.parquet")
    write(pa.table({"id": ["row-0000", "row-0001"], "label": ["ant", "ant"]}), tmp_path / "l.parquet")
    message = refused(altool, tmp_path, "train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "model")
    assert message == "labels l.parquet: 2 labels of 1 class; a classifier needs two classes"


def test_an_output_that_is_there_is_kept(altool: Altool, tmp_path: Path) -> None:
    write(predictions(probabilities(5)), tmp_path / "p.parquet")
    (tmp_path / "q.parquet").write_text("mine")
    result = altool("select", "--strategy", "margin", "--budget", 2, "--predictions", "p.parquet", "-o", "q.parquet", code=2)
    assert "--overwrite" in result.said
    assert (tmp_path / "q.parquet").read_text() == "mine"


def test_image_bytes_that_are_no_image_are_not_fatal(altool: Altool, tmp_path: Path) -> None:
    good = (Path(__file__).parents[1] / "sample_data" / "digits" / "items.parquet").as_posix()
    images = pq.read_table(good).slice(0, 2).column("image").to_pylist()
    write(pa.table({"id": ["a", "b", "c"], "image": [images[0], b"no image", images[1]]}), tmp_path / "i.parquet")
    result = altool("embed", "--items", "i.parquet", "--backbone", "pixels", "-o", "f.parquet")
    assert pq.read_table(tmp_path / "f.parquet").column("id").to_pylist() == ["a", "c"]
    rejects = pq.read_table(tmp_path / "f.rejects.parquet").to_pylist()
    assert [row["id"] for row in rejects] == ["b"]
    assert "1" in result.said


def test_rounds_that_the_contract_cannot_hold(altool: Altool, tmp_path: Path) -> None:
    write(predictions(probabilities(3)), tmp_path / "p.parquet")
    select = ("select", "--strategy", "random", "--budget", 2, "--predictions", "p.parquet", "-o", "q.parquet")
    importing = ("import-labels", "--labels", "log")
    report = ("report", "--predictions", "p.parquet", "--labels", "log")
    for arguments in ((*select, "--round"), (*importing, "e.csv", "--round"), (*importing, "--retract-auto"), (*report, "--round")):
        assert f"{arguments[-1]}: expected a whole number from 0 to 2147483647, found 2147483648" in altool(*arguments, 2**31, code=2).said


def test_a_class_without_a_name(altool: Altool, tmp_path: Path) -> None:
    message = margin(altool, tmp_path, predictions(probabilities(3), classes=("ant", " ", "cat")), "--suggest")
    assert message == "predictions p.parquet: classes without a name (number 2 of 3)"


def test_seconds_that_are_none(altool: Altool, tmp_path: Path) -> None:
    labels = {"id": ["a", "b", "c", "d"], "label": ["ant"] * 4, "seconds": [2.5, -1.0, float("nan"), None]}
    write(pa.table(labels), tmp_path / "l.parquet")
    message = margin(altool, tmp_path, predictions(probabilities(4), ["a", "b", "c", "d"]), "--labels", "l.parquet")
    assert message == "labels l.parquet, column 'seconds': 2 rows with NaN, infinity or a number below 0 (ids b, c)"
