"""`altool select --strategy clarifier` from the shell: tiers, suggestions, what composes and what is refused."""

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
TABLES = ("--predictions", "p.parquet", "--features", "f.parquet", "--labels", "l.parquet")
CLARIFIER = ("select", "--strategy", "clarifier", *TABLES, "--clarifier-budgets")


@pytest.fixture
def matrix(tmp_path: Path) -> np.ndarray:
    matrix = probabilities(ROWS, seed=7)
    write(predictions(matrix), tmp_path / "p.parquet")
    draw = np.random.default_rng(5)
    write(features(draw.normal(size=(ROWS, 6)).astype(np.float32)), tmp_path / "f.parquet")
    names = [f"row-{row:04d}" for row in range(40)]
    source = ["auto" if row % 5 == 0 else "exploit" for row in range(40)]
    write(pa.table({"id": names, "label": [CLASSES[row % 3] for row in range(40)], "source": source}), tmp_path / "l.parquet")
    return matrix


def rows(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()


def number(row: dict[str, Any]) -> int:
    return int(row["id"][-4:])


def tier(found: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [row for row in found if row["tier"] == name]


def test_three_tiers(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    result = altool(*CLARIFIER, "20,9,12", "-o", "q.parquet", "--json")
    table = pq.read_table(tmp_path / "q.parquet")
    assert table.column_names == [
        *("id", "rank", "score", "strategy", "round", "source", "tier", "suggested_label", "suggested_probability")
    ]
    found = table.to_pylist()
    assert json.loads(result.text)["tiers"] == Counter(row["tier"] for row in found)
    assert len({row["id"] for row in found}) == len(found)
    assert not {number(row) for row in found} & set(range(40))  # labeled
    assert [row["tier"] for row in found] == sorted((row["tier"] for row in found), key=["hard", "intermediate", "easy"].index)
    assert {row["source"] for row in tier(found, "easy")} == {"auto"}
    assert {row["source"] for row in found if row["tier"] != "easy"} == {"exploit"}
    likeliest, free = matrix.argmax(axis=1), range(40, ROWS)
    sure = sorted(free, key=lambda row: -matrix[row].max())
    for class_ in range(3):
        best = [row for row in sure if likeliest[row] == class_][:4]
        assert [number(row) for row in tier(found, "easy") if likeliest[number(row)] == class_] == best
    for row in found:
        class_ = CLASSES.index(row["suggested_label"])
        assert row["suggested_probability"] == matrix[number(row), class_]
        assert row["tier"] == "intermediate" or class_ == likeliest[number(row)]
    assert max(Counter(row["suggested_label"] for row in tier(found, "intermediate")).values()) == 3


def test_the_hard_tier_is_what_its_strategy_chooses_among_the_rest(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    for name, flags in (("entropy", ()), ("coreset", ()), ("badge", ()), ("margin", ("--diversify",)), ("e3g", ()), ("random", ())):
        hard = ("--clarifier-hard", name, *flags)
        altool(*CLARIFIER, "15,6,9", *hard, "-o", f"{name}.parquet")
        found = rows(tmp_path / f"{name}.parquet")
        assert len(tier(found, "hard")) == 15
        others = [row["id"] for row in found if row["tier"] != "hard"]
        write(pa.table({"id": others}), tmp_path / "others.parquet")
        if name in ("entropy", "coreset", "margin"):  # the others draw
            alone = ("select", "--strategy", name, *TABLES, "--budget", 15, *flags, "--exclude", "others.parquet")
            altool(*alone, "-o", "alone.parquet", "--overwrite")
            assert [row["id"] for row in tier(found, "hard")] == [row["id"] for row in rows(tmp_path / "alone.parquet")]
        if name in ("random", "e3g"):
            assert "explore" in {row["source"] for row in tier(found, "hard")}


def test_layout_memory_and_threads_do_not_matter(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    shuffle = np.random.default_rng(1).permutation(ROWS)
    write(predictions(matrix).take(pa.array(shuffle)), tmp_path / "p2.parquet", row_group_size=17)
    altool(*CLARIFIER, "15,9,6", "--partitions", 3, "-o", "1.parquet", "--threads", 1)
    again = [part.replace("p.parquet", "p2.parquet") for part in CLARIFIER]
    altool(*again, "15,9,6", "--budget", 30, "--partitions", 3, "-o", "2.parquet", "--memory", "1MiB", "--threads", 3)
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


def test_a_tier_without_rows_needs_nothing(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    only = ("select", "--strategy", "clarifier", "--predictions", "p.parquet", "--clarifier-hard", "entropy", "--clarifier-budgets")
    altool(*only, "5,0,6", "-o", "q.parquet")
    assert Counter(row["tier"] for row in rows(tmp_path / "q.parquet")) == {"hard": 5, "easy": 6}
    altool(*only, "0,0,6", "--clarifier-easy", "global", "-o", "easy.parquet")
    assert [number(row) for row in rows(tmp_path / "easy.parquet")] == np.argsort(-matrix.max(axis=1), kind="stable")[:6].tolist()
    assert "--strategy clarifier needs --features" in altool(*only, "5,1,6", "-o", "q2.parquet", code=2).said


def test_target_aware_serves_the_hard_tier(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    (tmp_path / "targets.toml").write_text('[default]\nmetric = "f1"\ntarget = 0.9\npriority = 0\n[class."bee"]\npriority = 1\n')
    altool(*CLARIFIER, "10,6,6", "--clarifier-hard", "margin", "--target-aware", "--targets", "targets.toml", "-o", "q.parquet")
    found = rows(tmp_path / "q.parquet")
    assert {row["target_class"] for row in tier(found, "hard")} == {"bee"}
    assert {row["target_class"] for row in found if row["tier"] != "hard"} == {None}
    assert all("bee" in row["candidate_labels"] for row in tier(found, "hard"))


def test_shortfalls_and_classes_without_a_persons_label_are_said(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    names = [f"row-{row:04d}" for row in range(9)]
    labels = {"id": names, "label": ["ant", "bee", "cat"] * 3, "source": ["exploit", "exploit", "auto"] * 3}
    write(pa.table(labels), tmp_path / "l.parquet")
    said = altool(*CLARIFIER, "4,200,290", "-o", "q.parquet").said
    assert "intermediate: 1 class without a label (cat); the others share the budget" in said
    assert "easy: " in said
    assert "of 290 rows: too few rows are predicted as some classes" in said
    found = rows(tmp_path / "q.parquet")
    assert {row["suggested_label"] for row in tier(found, "intermediate")} <= {"ant", "bee"}
    said = altool(*CLARIFIER, "4,12,6", "--clarifier-use-auto", "-o", "auto.parquet").said
    assert "without a label (" not in said
    assert "cat" in {row["suggested_label"] for row in tier(rows(tmp_path / "auto.parquet"), "intermediate")}


def test_people_are_not_asked_about_easy_rows(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    names = [f"row-{row:04d}" for row in range(ROWS)]
    write(pa.table({"id": names, "text": [f"text {name}" for name in names]}), tmp_path / "i.parquet")
    export = ("--items", "i.parquet", "--export", "csv=todo.csv", "--export", "label-studio=tasks.json")
    altool(*CLARIFIER, "4,6,9", *export, "-o", "q.parquet")
    found = rows(tmp_path / "q.parquet")
    asked = {row["id"]: row["suggested_label"] for row in found if row["tier"] != "easy"}
    lines = (tmp_path / "todo.csv").read_text().splitlines()[1:]
    assert len(lines) == len(asked)
    assert {line.split(",")[0]: line.split(",")[6] for line in lines} == {row["id"]: row["tier"] for row in found if row["tier"] != "easy"}
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    assert len(tasks) == len(asked)
    text = json.dumps(tasks)
    assert all(name in text for name in asked)


def test_a_class_that_only_the_labels_know_is_suggested_and_answered(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    names = [f"row-{row:04d}" for row in range(ROWS)]
    write(pa.table({"id": names, "text": names}), tmp_path / "i.parquet")
    labels = pa.table({"id": names[:9], "label": ["ant", "bee", "yak"] * 3, "source": ["exploit"] * 9})
    write(labels, tmp_path / "l.parquet")
    altool(*CLARIFIER, "0,9,0", "--items", "i.parquet", "--export", "label-studio=tasks.json", "-o", "q.parquet")
    suggested = {row["id"]: row["suggested_label"] for row in rows(tmp_path / "q.parquet")}
    assert "yak" in suggested.values()
    assert '<Choice value="yak"/>' in (tmp_path / "tasks.json.config.xml").read_text()
    write(pa.table({"id": list(suggested), "label": list(suggested.values())}), tmp_path / "answers.parquet")
    done = altool("import-labels", "answers.parquet", "--queries", "q.parquet", "--labels", "log", "--json")
    assert (json.loads(done.text)["imported"], json.loads(done.text)["refused"]) == (len(suggested), {})


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (("10,5,5", "--budget", 21), "--budget 21 is not the sum of --clarifier-budgets 10,5,5: 20"),
        (("10,5",), "expected auto or HARD,INTERMEDIATE,EASY, three numbers of rows as 60,30,10, found '10,5'"),
        (("0,0,0",), "expected auto or HARD,INTERMEDIATE,EASY, three numbers of rows as 60,30,10, found"),
        (("10,-5,5",), "expected auto or HARD,INTERMEDIATE,EASY, three numbers of rows as 60,30,10, found"),
        ((f"10,{2**63},5",), "expected auto or HARD,INTERMEDIATE,EASY, three numbers of rows as 60,30,10, found"),
        (("9,5,5", "--clarifier-hard", "clarifier"), "--clarifier-hard: clarifier cannot be the strategy of the hard tier"),
        (("9,5,5", "--clarifier-hard", "queue"), "--clarifier-hard: queue cannot be the strategy of the hard tier"),
        (("9,5,5", "--clarifier-hard", "direct"), "--clarifier-hard: direct cannot be the strategy of the hard tier"),
        (("9,5,5", "--clarifier-hard", "hardest"), "--clarifier-hard: 'hardest' is unknown"),
        (("9,5,5", "--clarifier-measure", "entropy"), "--clarifier-measure: expected flqmi, flvmi, gcmi, com or logdetmi, found 'entropy'"),
        (("9,5,5", "--clarifier-easy", "some"), "--clarifier-easy: expected balanced or global, found 'some'"),
        (("9,5,5", "--clarifier-measure", "gcmi", "--ridge", 1), "--ridge has no effect with --clarifier-measure gcmi"),
        (("9,5,5", "--bait-lambda", 1), "--bait-lambda has no effect with --strategy clarifier"),
        (("9,5,5", "--diversify"), "--diversify re-orders strategies that sort; badge, its inner strategy, picks"),
        (
            ("9,5,5", "--clarifier-hard", "most-likely-positive", "--alamp-base", "margin"),
            "--alamp-base has no effect with",
        ),
    ],
)
def test_what_cannot_work_is_refused(altool: Altool, matrix: np.ndarray, flags: tuple[object, ...], text: str) -> None:
    assert text in altool(*CLARIFIER, *flags, "-o", "q.parquet", code=2).said


def test_other_strategies_know_none_of_its_options(altool: Altool, matrix: np.ndarray) -> None:
    select = ("select", "--strategy", "margin", "--predictions", "p.parquet", "-o", "q.parquet")
    assert "--clarifier-hard has no effect" in altool(*select, "--budget", 5, "--clarifier-hard", "badge", code=2).said
    assert "needs --clarifier-budgets" in (
        altool("select", "--strategy", "clarifier", *TABLES, "--budget", 5, "-o", "q.parquet", code=2).said
    )


def test_suggestions_need_class_names(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    write(predictions(matrix, classes=None), tmp_path / "p.parquet")
    for select in (
        ("select", "--strategy", "margin", "--budget", 5, "--suggest", "--predictions", "p.parquet"),
        (*CLARIFIER, "5,0,5"),
    ):
        said = altool(*select, "-o", "q.parquet", "--overwrite", code=3).said
        assert "the classes of its probabilities are unnamed" in said
        altool(*select, "-o", "q.parquet", "--classes", "ant,bee,cat", "--overwrite")
        assert set(pq.read_table(tmp_path / "q.parquet").column("suggested_label").to_pylist()) <= set(CLASSES)


def test_alamp_as_the_hard_tier(altool: Altool, tmp_path: Path, matrix: np.ndarray) -> None:
    write(predictions(probabilities(ROWS, seed=8)), tmp_path / "before.parquet")
    alamp = ("--clarifier-hard", "alamp", "--previous", "before.parquet", "--diversify")
    altool(*CLARIFIER, "12,3,6", *alamp, "-o", "q.parquet")
    found = rows(tmp_path / "q.parquet")
    write(pa.table({"id": [row["id"] for row in found if row["tier"] != "hard"]}), tmp_path / "others.parquet")
    alone = ("select", "--strategy", "alamp", *TABLES[:2], "--labels", "l.parquet", "--previous", "before.parquet", "--diversify")
    altool(*alone, "--budget", 12, "--exclude", "others.parquet", "-o", "alone.parquet")
    assert [row["id"] for row in tier(found, "hard")] == [row["id"] for row in rows(tmp_path / "alone.parquet")]
