"""`altool select` with the previous round's predictions: alamp, and --diversify by the classes predicted then."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import CLASSES, predictions, probabilities, write

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
ROWS = 200
ALAMP = ("select", "--strategy", "alamp", "--predictions", "p.parquet", "--budget")


@pytest.fixture
def rounds(tmp_path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Two rounds' probabilities; the first 20 rows are new since the previous one, whose table lies in another order."""
    now, before = probabilities(ROWS, seed=1), probabilities(ROWS, seed=2)
    write(predictions(now), tmp_path / "p.parquet")
    shuffle = np.random.default_rng(3).permutation(np.arange(20, ROWS))
    for number, part in enumerate(np.array_split(shuffle, 3)):
        write(predictions(before).take(pa.array(part)), tmp_path / "before" / f"{number}.parquet", row_group_size=17)
    return now, before


def ids(path: Path) -> list[int]:
    return [int(name[-4:]) for name in pq.read_table(path).column("id").to_pylist()]


def margin(row: np.ndarray) -> float:
    values = sorted((float(value) for value in row), reverse=True)
    return (values[0] - values[1]) / sum(values)


def ranked(now: np.ndarray, before: np.ndarray) -> list[int]:
    """alamp's order: rows that were scored by (m' - m) / (m' + m), then the new ones by margin."""

    def key(row: int) -> tuple[bool, float]:
        m, was = margin(now[row]), margin(before[row])
        return (True, m) if row < 20 else (False, -(was - m) / (was + m) if was + m else 0.0)

    return sorted(range(ROWS), key=key)


def test_alamp_compares_two_rounds(altool: Altool, tmp_path: Path, rounds: tuple[np.ndarray, np.ndarray]) -> None:
    said = altool(*ALAMP, ROWS, "--previous", "before", "-o", "q.parquet").said
    assert "20 of 200 candidates of predictions p.parquet are not in --previous: they come after the others, in the order of margin" in said
    assert ids(tmp_path / "q.parquet") == ranked(*rounds)
    table = pq.read_table(tmp_path / "q.parquet")
    assert all(-1 <= score <= 1 for score in table.column("score").to_pylist()[:180])
    assert all(score <= -2 for score in table.column("score").to_pylist()[180:])
    assert set(json.loads(table.schema.metadata[b"altool.provenance"])["inputs"]) == {"predictions", "previous"}
    altool(*ALAMP, 12, "--previous", "before", "-o", "q12.parquet", "--threads", 1)
    assert ids(tmp_path / "q12.parquet") == ranked(*rounds)[:12]


def test_the_first_round_is_the_base(altool: Altool, tmp_path: Path, rounds: tuple[np.ndarray, np.ndarray]) -> None:
    assert "no --previous, so this is the first round: rows are in the order of entropy" in (
        altool(*ALAMP, 30, "--alamp-base", "entropy", "-o", "q.parquet").said
    )
    altool("select", "--strategy", "entropy", "--predictions", "p.parquet", "--budget", 30, "-o", "e.parquet")
    columns = ["id", "rank", "score"]
    assert pq.read_table(tmp_path / "q.parquet").select(columns).equals(pq.read_table(tmp_path / "e.parquet").select(columns))


def passes(queue: list[int], group: list[int], count: int) -> list[int]:
    left, chosen = list(queue), []
    while left and len(chosen) < count:
        seen = set()
        for row in list(left):
            if group[row] not in seen and len(chosen) < count:
                seen.add(group[row])
                chosen.append(row)
                left.remove(row)
    return chosen


@pytest.mark.parametrize(("flags", "by_previous"), [((), True), (("--diversify-by", "current"), False)])
def test_alamp_div(
    altool: Altool, tmp_path: Path, rounds: tuple[np.ndarray, np.ndarray], flags: tuple[str, ...], by_previous: bool
) -> None:
    now, before = rounds
    altool(*ALAMP, 40, "--previous", "before", "--diversify", *flags, "-o", "q.parquet")
    current = now.argmax(axis=1)
    group = np.where(np.arange(ROWS) < 20, current, before.argmax(axis=1)) if by_previous else current
    assert ids(tmp_path / "q.parquet") == passes(ranked(now, before), group.tolist(), 40)


def test_another_strategy_is_diversified_by_the_previous_classes(
    altool: Altool, tmp_path: Path, rounds: tuple[np.ndarray, np.ndarray]
) -> None:
    now, before = rounds
    by_margin = sorted(range(ROWS), key=lambda row: np.partition(now[row], 1)[2] - np.partition(now[row], 1)[1])
    select = ("select", "--strategy", "margin", "--predictions", "p.parquet", "--budget", 40, "--diversify")
    said = altool(*select, "--diversify-by", "previous", "--previous", "before", "-o", "q.parquet").said
    assert "20 of 200 candidates of predictions p.parquet are not in --previous; they count as what they are predicted to be now" in said
    group = np.where(np.arange(ROWS) < 20, now.argmax(axis=1), before.argmax(axis=1))
    assert ids(tmp_path / "q.parquet") == passes(by_margin, group.tolist(), 40)
    altool(*select, "-o", "q2.parquet")
    assert ids(tmp_path / "q2.parquet") == passes(by_margin, now.argmax(axis=1).tolist(), 40)


def test_classes_may_have_been_added(altool: Altool, tmp_path: Path, rounds: tuple[np.ndarray, np.ndarray]) -> None:
    now, _ = rounds
    before = probabilities(ROWS, 2, seed=4)
    write(predictions(before, classes=("cat", "ant")), tmp_path / "old.parquet")
    said = altool(*ALAMP, ROWS, "--previous", "old.parquet", "--diversify", "-o", "q.parquet").said
    assert "warning: predictions old.parquet: it lacks 1 of today's classes (bee)" in said
    order = sorted(range(ROWS), key=lambda row: -((b := margin(before[row])) - (m := margin(now[row]))) / (b + m))
    group = np.array([CLASSES.index("cat"), CLASSES.index("ant")])[before.argmax(axis=1)]  # the old name in today's numbers
    assert ids(tmp_path / "q.parquet") == passes(order, group.tolist(), ROWS)


def test_a_class_that_is_gone_is_refused(altool: Altool, tmp_path: Path, rounds: tuple[np.ndarray, np.ndarray]) -> None:
    write(predictions(probabilities(ROWS, 3), classes=("ant", "bee", "dog")), tmp_path / "old.parquet")
    said = altool(*ALAMP, 5, "--previous", "old.parquet", "-o", "q.parquet", code=3).said
    assert "predictions old.parquet: 1 class not in predictions p.parquet (dog): rounds cannot be compared" in said
    for name, width in (("a", 3), ("b", 4)):  # tables that name no classes
        write(predictions(probabilities(ROWS, width), classes=None), tmp_path / f"{name}.parquet")
    plain = ("select", "--strategy", "alamp", "--predictions", "a.parquet", "--budget", 5, "-o", "q.parquet", "--previous")
    assert "it has 4 classes, predictions a.parquet has 3" in altool(*plain, "b.parquet", code=3).said
    altool(*plain, "a.parquet")
    said = altool(*plain, "p.parquet", "--overwrite", code=3).said  # which of the two is named?
    assert "the classes of its probabilities are unnamed" in said


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (("--strategy", "margin", "--previous", "before"), "--previous has no effect with --strategy margin"),
        (("--strategy", "margin", "--diversify", "--diversify-by", "previous"), "--diversify-by previous needs --previous"),
        (("--strategy", "margin", "--diversify", "--diversify-by", "last"), "expected previous or current, found 'last'"),
        (("--strategy", "margin", "--diversify-by", "current"), "has no effect without --diversify"),
        (("--strategy", "alamp", "--alamp-base", "bald"), "--alamp-base: expected margin, entropy or least-confidence, found 'bald'"),
        (("--strategy", "margin", "--alamp-base", "margin"), "--alamp-base has no effect with --strategy margin"),
    ],
)
def test_what_would_do_nothing_is_refused(altool: Altool, rounds: tuple[np.ndarray, np.ndarray], flags: tuple[str, ...], text: str) -> None:
    assert text in altool("select", *flags, "--predictions", "p.parquet", "--budget", 5, "-o", "q.parquet", code=2).said


def test_faulty_previous_predictions_are_refused(altool: Altool, tmp_path: Path, rounds: tuple[np.ndarray, np.ndarray]) -> None:
    before = rounds[1].copy()
    before[7, 1] = np.nan
    write(predictions(before), tmp_path / "old.parquet")
    said = altool(*ALAMP, 5, "--previous", "old.parquet", "-o", "q.parquet", code=3).said
    assert "predictions old.parquet, column 'probabilities': 1 row with NaN or infinity (ids row-0007)" in said


def test_alamp_feeds_target_aware_queues(altool: Altool, tmp_path: Path, rounds: tuple[np.ndarray, np.ndarray]) -> None:
    now, before = rounds
    (tmp_path / "targets.toml").write_text('[default]\nmetric = "f1"\ntarget = 0.9\npriority = 0\n[class."bee"]\npriority = 1\n')
    altool(*ALAMP, 10, "--previous", "before", "--target-aware", "--targets", "targets.toml", "-o", "q.parquet")
    bees = [row for row in ranked(now, before) if now[row, 1] >= np.float32(0.5) * now[row].max()]
    assert ids(tmp_path / "q.parquet") == bees[:10]
