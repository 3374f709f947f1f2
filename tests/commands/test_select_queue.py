"""`altool select --strategy queue` on queries of earlier rounds, and `--source holdout`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import features, predictions, probabilities, write

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
QUEUE = ("select", "--strategy", "queue", "--budget")
RANDOM = ("select", "--strategy", "random", "--predictions", "p.parquet", "--budget")


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    write(predictions(probabilities(60, seed=7)), tmp_path / "p.parquet")
    texts = {"id": [f"row-{row:04d}" for row in range(60)], "text": [f"text {row}" for row in range(60)]}
    write(pa.table(texts), tmp_path / "items.parquet")
    return tmp_path


def rows(path: Path) -> list[dict[str, Any]]:
    return list(pq.read_table(path).to_pylist())


def unranked(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "rank"} for row in found]


# -- what a queue of queries says


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl", "arrow"])
def test_queries_keep_what_they_say(altool: Altool, pool: Path, ending: str) -> None:
    """Before: round 0, score -1, strategy queue, and no suggestion: it looked like lost work."""
    common = ("select", "--strategy", "margin", "--predictions", "p.parquet", "--budget", 10, "--suggest", "--round", 3, "-o")
    altool(*common, "q.parquet")
    altool(*common, f"queue.{ending}")
    asked = rows(pool / "q.parquet")
    write(pa.table({"id": [asked[0]["id"], asked[2]["id"]], "label": ["ant", "bee"]}), pool / "l.parquet")
    said = altool(*QUEUE, 4, "--queue", f"queue.{ending}", "--labels", "l.parquet", "-o", "next.parquet").said
    assert "selected 4 of 8 candidates by queue, round 3" in said
    found = rows(pool / "next.parquet")
    assert [row["rank"] for row in found] == [1, 2, 3, 4]
    assert unranked(found) == unranked([asked[1], *asked[3:6]])
    assert all(row["strategy"] == "margin" and row["round"] == 3 and row["suggested_label"] for row in found)


def test_the_columns_of_every_strategy_are_kept(altool: Altool, pool: Path) -> None:
    write(pa.table({"id": [f"row-{row:04d}" for row in range(6)], "label": ["ant", "bee", "cat"] * 2}), pool / "l.parquet")
    (pool / "targets.toml").write_text('[default]\nmetric = "f1"\ntarget = 0.9\n')
    write(features(np.random.default_rng(5).normal(size=(60, 4)).astype(np.float32)), pool / "f.parquet")
    common = ("select", "--predictions", "p.parquet", "--labels", "l.parquet", "-o")
    tiers = ("--strategy", "clarifier", "--features", "f.parquet", "--clarifier-budgets", "4,3,6", "--audit", 2)
    altool(*common, "tiers.parquet", *tiers)
    altool(*common, "aware.parquet", "--strategy", "margin", "--budget", 8, "--target-aware", "--targets", "targets.toml")
    altool("select", "--strategy", "direct", "--predictions", "p.parquet", "--budget", 5, "--labels", "l.parquet", "--round", 4, "-o", "d")
    for name, columns in (
        ("tiers.parquet", {"tier", "suggested_label", "suggested_probability"}),
        ("aware.parquet", {"target_class", "candidate_labels"}),
        ("d", {"target_class", "phase"}),
    ):
        altool(*QUEUE, 100, "--queue", name, "-o", "again.parquet", "--overwrite")
        assert columns <= set(rows(pool / "again.parquet")[0]), name
        assert rows(pool / "again.parquet") == rows(pool / name)
    altool(*QUEUE, 100, "--queue", "aware.parquet", "-o", "aware.csv")
    altool(*QUEUE, 100, "--queue", "aware.csv", "-o", "again.parquet", "--overwrite")
    assert rows(pool / "again.parquet") == rows(pool / "aware.parquet")
    altool(*QUEUE, 100, "--queue", "d", "-o", "again.parquet", "--overwrite")
    again, before = (pq.read_schema(pool / name).metadata for name in ("again.parquet", "d"))
    begun = [json.loads(metadata[b"altool.provenance"])["begun"] for metadata in (again, before)]
    assert begun[0] == begun[1]  # the round of a strategy that asks is still known by what it began with
    assert again[b"altool.classes"] == before[b"altool.classes"]


def test_several_tables_of_queries_are_one_queue(altool: Altool, pool: Path) -> None:
    altool(*RANDOM, 6, "-o", "first/holdout.parquet", "--source", "holdout")
    altool(*RANDOM, 4, "-o", "first/seed.parquet", "--exclude", "first/holdout.parquet", "--seed", 1)
    holdout, seed = (rows(pool / f"first/{name}.parquet") for name in ("holdout", "seed"))
    expected = unranked(sorted([*holdout, *seed], key=lambda row: (row["rank"], row["id"])))
    for location in ("first", "first/*.parquet"):
        altool(*QUEUE, 10, "--queue", location, "-o", "all.parquet", "--overwrite")
        found = rows(pool / "all.parquet")
        assert [row["rank"] for row in found] == list(range(1, 11))
        assert unranked(found) == expected
    assert {row["source"] for row in found} == {"holdout", "explore"}
    write(pa.Table.from_pylist([holdout[0]]), pool / "one/a.parquet")
    write(pa.Table.from_pylist([seed[0]]), pool / "one/b.parquet")
    said = altool(*QUEUE, 2, "--queue", "one", "-o", "two.parquet").said
    assert "warning" not in said  # of equal rank, yet in an order
    assert unranked(rows(pool / "two.parquet")) == unranked(sorted([holdout[0], seed[0]], key=lambda row: row["id"]))
    write(pa.Table.from_pylist([holdout[0]]), pool / "first/twice.parquet")
    assert f"1 duplicate id ({holdout[0]['id']})" in altool(*QUEUE, 10, "--queue", "first", "-o", "no.parquet", code=3).said


def test_a_round_that_is_given_counts(altool: Altool, pool: Path) -> None:
    altool(*RANDOM, 5, "-o", "q.parquet")
    said = altool(*QUEUE, 5, "--queue", "q.parquet", "--round", 7, "-o", "again.parquet").said
    assert "by queue, round 7" in said
    assert {row["round"] for row in rows(pool / "again.parquet")} == {7}
    assert {row["strategy"] for row in rows(pool / "again.parquet")} == {"random"}


def test_wrappers_say_what_they_add(altool: Altool, pool: Path) -> None:
    altool(*RANDOM, 30, "-o", "q.parquet")
    (pool / "targets.toml").write_text('[default]\nmetric = "f1"\ntarget = 0.9\n')
    more = ("--predictions", "p.parquet", "--suggest", "--target-aware", "--targets", "targets.toml")
    altool(*QUEUE, 6, "--queue", "q.parquet", *more, "-o", "aware.parquet")
    asked = {row["id"]: row for row in rows(pool / "q.parquet")}
    for row in rows(pool / "aware.parquet"):
        assert row["target_class"] in row["candidate_labels"]
        assert row["suggested_label"]
        assert {name: row[name] for name in ("score", "strategy", "round", "source")} == {
            name: asked[row["id"]][name] for name in ("score", "strategy", "round", "source")
        }


def test_another_ranked_table_says_only_an_order(altool: Altool, pool: Path) -> None:
    (pool / "ranked.csv").write_text("id,rank,source,tier\nrow-0007,2,web,gold\nrow-0009,1,web,gold\n")
    altool(*QUEUE, 2, "--queue", "ranked.csv", "-o", "q.parquet")
    first, second = rows(pool / "q.parquet")
    assert first == {"id": "row-0009", "rank": 1, "score": -1, "strategy": "queue", "round": 0, "source": "exploit"}
    assert second["id"] == "row-0007"


def test_a_queue_of_queries_is_checked(altool: Altool, pool: Path) -> None:
    header = "id,rank,score,strategy,round,source\n"
    for line, message in (
        ("a,1,0.5,margin,0,web", "column 'source': 1 row with another value than seed, explore, exploit, auto, holdout (ids a)"),
        ("a,1,0.5,margin,-1,seed", "column 'round': 1 row with a negative round (ids a)"),
    ):
        (pool / "bad.csv").write_text(f"{header}{line}\n")
        assert f"queries bad.csv, {message}" in altool(*QUEUE, 1, "--queue", "bad.csv", "-o", "q.parquet", code=3).said


def test_lists_in_csv_are_json(altool: Altool, pool: Path) -> None:
    header = "id,rank,score,strategy,round,source,target_class,candidate_labels\n"
    (pool / "q.csv").write_text(header + 'a,1,0.5,margin,0,exploit,ant,"[""ant"", ""a, b""]"\nb,2,0.4,margin,0,exploit,,\n')
    altool(*QUEUE, 2, "--queue", "q.csv", "-o", "q.parquet")
    assert [row["candidate_labels"] for row in rows(pool / "q.parquet")] == [["ant", "a, b"], None]
    (pool / "q.csv").write_text(header + "a,1,0.5,margin,0,exploit,ant,ant\nb,2,0.5,margin,0,exploit,ant,[1]\n")
    said = altool(*QUEUE, 2, "--queue", "q.csv", "-o", "bad.parquet", code=3).said
    assert "column 'candidate_labels': 2 rows with a value that is not a JSON list of texts (ids a, b)" in said


def test_what_was_suggested_reaches_the_sheet(altool: Altool, pool: Path) -> None:
    altool("select", "--strategy", "margin", "--predictions", "p.parquet", "--budget", 5, "--suggest", "-o", "q.parquet")
    exports = ("--items", "items.parquet", "--export", "csv=todo.csv", "--export", "label-studio=tasks.json")
    altool(*QUEUE, 2, "--queue", "q.parquet", *exports, "-o", "again.parquet")
    asked = rows(pool / "q.parquet")[:2]
    tasks = json.loads((pool / "tasks.json").read_text())
    assert [task["data"]["altool_suggestion"] for task in tasks] == [row["suggested_label"] for row in asked]
    assert (pool / "tasks.json.config.xml").exists()  # the classes are those of the queries
    assert all(row["suggested_label"] in (pool / "todo.csv").read_text() for row in asked)


# -- --source holdout


def test_answers_to_a_holdout_are_held_out(altool: Altool, pool: Path) -> None:
    altool(*RANDOM, 8, "--source", "holdout", "--items", "items.parquet", "--export", "csv=todo.csv", "-o", "q.parquet")
    asked = rows(pool / "q.parquet")
    assert {row["source"] for row in asked} == {"holdout"}
    altool(*RANDOM, 8, "-o", "plain.parquet")
    assert [row["id"] for row in rows(pool / "plain.parquet")] == [row["id"] for row in asked]
    assert json.loads(pq.read_schema(pool / "q.parquet").metadata[b"altool.provenance"])["options"]["source"] == "holdout"
    (pool / "answers.csv").write_text("altool_id,label\n" + "".join(f"{row['id']},ant\n" for row in asked))
    altool("import-labels", "answers.csv", "--labels", "labels", "--queries", "q.parquet")
    log = pq.read_table(next((pool / "labels").iterdir()))
    assert log.column("source").to_pylist() == ["holdout"] * 8
    altool(*RANDOM, 60, "--labels", "labels", "-o", "rest.parquet")
    assert not {row["id"] for row in rows(pool / "rest.parquet")} & {row["id"] for row in asked}


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--strategy", "margin"), "--strategy margin"),
        (("--strategy", "auto"), "--strategy auto"),
        (("--strategy", "queue", "--queue", "p.parquet"), "--strategy queue"),
        (("--strategy", "random", "--diversify"), "--diversify"),
        (("--strategy", "random", "--target-aware", "--targets", "t.toml"), "--target-aware"),
    ],
)
def test_only_a_random_sample_is_held_out(altool: Altool, pool: Path, arguments: tuple[str, ...], what: str) -> None:
    said = altool("select", *arguments, "--predictions", "p.parquet", "--budget", 3, "--source", "holdout", "-o", "q.parquet", code=2).said
    assert said == (
        f"error: --source holdout: rows of {what} are no random sample, and what is measured on them is biased\n"
        "hint: use --strategy random alone\n"
    )
    said = altool(*RANDOM, 3, "--source", "seed", "-o", "q.parquet", code=2).said
    assert "--source: expected holdout, found 'seed'" in said
