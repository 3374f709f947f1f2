"""What `select` says where tables do not belong together, and where nothing tells the candidates apart: status 3 or a word, never 4."""

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
IDS = [f"{name}/{number:02d}" for name in CLASSES for number in range(8)]  # as folders of images give them
OTHERS = [f"other-{number}" for number in range(24)]
MARGIN = ("select", "--strategy", "margin", "--budget", 6, "--predictions", "p.parquet", "-o", "q.parquet")
BADGE = ("select", "--strategy", "badge", "--budget", 6, "--predictions", "p.parquet", "--features", "f.parquet", "-o", "q.parquet")


@pytest.fixture(autouse=True)
def tables(tmp_path: Path) -> None:
    write(predictions(probabilities(24), IDS), tmp_path / "p.parquet")
    vectors = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
    write(features(vectors, IDS), tmp_path / "f.parquet")
    write(features(vectors, OTHERS), tmp_path / "f2.parquet")
    write(pa.table({"id": OTHERS, "label": ["ant", "bee"] * 12, "source": ["seed"] * 24}), tmp_path / "l2.parquet")
    write(predictions(probabilities(24), OTHERS), tmp_path / "p2.parquet")
    write(pa.table({"id": OTHERS, "text": OTHERS}), tmp_path / "i2.parquet")
    write(pa.table({"id": OTHERS, "rank": pa.array(range(1, 25), pa.int32())}), tmp_path / "q2.parquet")


def chosen(tmp_path: Path) -> list[str]:
    found: list[str] = pq.read_table(tmp_path / "q.parquet").column("id").to_pylist()
    return found


THERE = "predictions p.parquet, which has 24 rows (ids other-0, other-1, other-10; there ant/00, ant/01, ant/02)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*MARGIN, "--within", "l2.parquet"), f"--within l2.parquet: none of its 24 ids is in {THERE}"),
        (
            ("select", "--strategy", "queue", "--budget", 3, "--predictions", "p.parquet", "--queue", "q2.parquet", "-o", "q.parquet"),
            f"queries q2.parquet: none of its 24 rows is in {THERE}",
        ),
        (
            (*MARGIN, "--diversify", "--diversify-by", "previous", "--previous", "p2.parquet"),
            f"predictions p2.parquet: none of its 24 rows is in {THERE}",
        ),
        (
            tuple("f2.parquet" if word == "f.parquet" else word for word in BADGE),
            "predictions p.parquet, which has 24 rows: none of its 24 candidates is in features f2.parquet, which has 24 rows "
            "(ids ant/00, ant/01, ant/02; there other-0, other-1, other-10)",
        ),
    ],
)
def test_tables_that_share_no_id_are_refused(altool: Altool, tmp_path: Path, arguments: tuple[object, ...], message: str) -> None:
    said = json.loads(altool(*arguments, "--json", code=3).text)["error"]
    assert said["message"] == message
    assert said["hint"]
    assert not (tmp_path / "q.parquet").exists()


def test_items_of_another_project_are_refused(altool: Altool, tmp_path: Path) -> None:
    said = altool(*MARGIN, "--items", "i2.parquet", "--export", "csv=todo.csv", code=3).said
    assert "items i2.parquet: 6 chosen rows not in it" in said
    assert not (tmp_path / "q.parquet").exists()
    assert not (tmp_path / "todo.csv").exists()


def test_labels_that_only_the_features_hold_are_of_this_project(altool: Altool, tmp_path: Path) -> None:
    write(predictions(probabilities(20), IDS[4:]), tmp_path / "p.parquet")
    write(pa.table({"id": IDS[:4], "label": ["ant"] * 4}), tmp_path / "l.parquet")
    assert "4 ids not in the pool" in altool(*BADGE, "--labels", "l.parquet").said


def test_done_is_still_4_and_says_of_what(altool: Altool, tmp_path: Path) -> None:
    write(pa.table({"id": IDS, "label": ["ant", "bee", "cat"] * 8}), tmp_path / "l.parquet")
    assert "every row is labeled, skipped or held out\n" in altool(*MARGIN, "--labels", "l.parquet", code=4).said
    write(pa.table({"id": IDS}), tmp_path / "all.parquet")
    assert (
        "every row is labeled, skipped, held out or in --exclude\n"
        in altool(*MARGIN, "--exclude", "all.parquet", "--overwrite", code=4).said
    )
    write(pa.table({"id": IDS[:20], "label": ["ant"] * 20}), tmp_path / "most.parquet")
    within = altool(*MARGIN, "--within", "most.parquet", "--labels", "most.parquet", "--overwrite", code=4).said
    assert "every row is labeled, skipped, held out or not in --within\n" in within


def test_a_constant_model_is_said_and_asks_in_random_order(altool: Altool, tmp_path: Path) -> None:
    write(predictions(np.full((24, 3), 1 / 3, np.float32), IDS), tmp_path / "p.parquet")
    said = altool(*MARGIN).said
    assert (
        "warning: margin: all 24 candidates have the same score: nothing tells them apart, so they come in a random order (by --seed), "
        "not in that of their ids\n" in said
    )
    first = chosen(tmp_path)
    assert len({name.split("/")[0] for name in first}) > 1
    write(predictions(np.full((24, 3), 1 / 3, np.float32), IDS[::-1]), tmp_path / "p.parquet", row_group_size=5)
    altool(*MARGIN, "--overwrite")
    assert chosen(tmp_path) == first  # whatever the order of the file
    altool(*MARGIN, "--overwrite", "--seed", 1)
    assert chosen(tmp_path) != first


def test_a_model_that_is_certain_of_all_gives_badge_nothing(altool: Altool, tmp_path: Path) -> None:
    write(predictions(np.eye(3, dtype=np.float32)[np.zeros(24, int)], IDS), tmp_path / "p.parquet")
    said = altool(*BADGE).said
    assert "badge: all 24 candidates have probabilities of 0 and 1 only, and so gradients of 0: nothing tells them apart" in said
    assert len({name.split("/")[0] for name in chosen(tmp_path)}) > 1


def test_equal_probabilities_or_features_are_said_where_the_others_decide(altool: Altool, tmp_path: Path) -> None:
    write(predictions(np.full((24, 3), 1 / 3, np.float32), IDS), tmp_path / "p.parquet")
    assert "badge: all 24 candidates have the same probabilities, which cannot tell them apart" in altool(*BADGE).said
    write(predictions(probabilities(24), IDS), tmp_path / "p.parquet")
    write(features(np.ones((24, 4), np.float32), IDS), tmp_path / "f.parquet")
    assert "badge: all 24 candidates have the same features, which cannot tell them apart" in altool(*BADGE, "--overwrite").said


def test_one_class_is_refused_or_said(altool: Altool, tmp_path: Path) -> None:
    write(predictions(np.ones((24, 1), np.float32), IDS, ["ant"]), tmp_path / "p.parquet")
    assert "a margin needs two classes" in altool(*MARGIN, code=3).said
    assert "entropy: all 24 candidates have the same score" in altool(*("entropy" if word == "margin" else word for word in MARGIN)).said


def test_labels_of_no_class_of_the_predictions_are_refused(altool: Altool, tmp_path: Path) -> None:
    wide = {"id": IDS, "p:0": probabilities(24, 2)[:, 0], "p:1": probabilities(24, 2)[:, 1]}
    write(pa.table(wide), tmp_path / "p.parquet")
    (tmp_path / "l.csv").write_text("id,label,source\n" + "".join(f"{name},{number % 2}.0,holdout\n" for number, name in enumerate(IDS)))
    for arguments in (MARGIN, ("report", "--predictions", "p.parquet")):
        error = json.loads(altool(*arguments, "--labels", "l.csv", "--json", code=3).text)["error"]
        assert (
            error["message"] == "labels l.csv: none of its 2 classes (0.0, 1.0) is one of predictions p.parquet, which has 2 classes (0, 1)"
        )
        assert "is '0.0' the class '0'?" in error["hint"]
        assert "--label-map '0.0=0,1.0=1'" in error["hint"]


def test_classes_that_the_model_does_not_know_are_said(altool: Altool, tmp_path: Path) -> None:
    write(pa.table({"id": IDS[:4], "label": ["ant", "dog", "dog", "Bee"]}), tmp_path / "l.parquet")
    said = altool(*MARGIN, "--labels", "l.parquet").said
    assert (
        "warning: labels l.parquet: 3 rows of 2 classes (Bee, dog) that predictions p.parquet does not have; is 'Bee' the class 'bee'?"
        in said
    )
    assert "predictions p.parquet: 2 of its 3 classes without a label (bee, cat)\n" in said
    strict = altool(*MARGIN, "--labels", "l.parquet", "--strict", "--overwrite", code=3).said
    assert "3 rows of 2 classes" in strict


def test_items_without_an_export_are_a_note(altool: Altool, tmp_path: Path) -> None:
    said = altool(*MARGIN, "--items", "no such file").said
    assert "--items is not read: it is for --export, and the pool is that of --predictions or --features\n" in said
    assert len(chosen(tmp_path)) == 6
