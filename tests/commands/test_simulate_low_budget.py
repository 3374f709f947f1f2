"""`altool simulate` with strategies that compare rounds, and with tiers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import CLASSES, known_truth, write

from altool import seeds

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
ROWS = 240
PLAN = """
features = "f.parquet"
labels = "truth.parquet"
seed-size = 12
rounds = 2
budget = 9
seconds = [1, 4, 3]
"""


@pytest.fixture
def truth(tmp_path: Path) -> list[str]:
    return [CLASSES[code] for code in known_truth(tmp_path, ROWS)]


def simulate(altool: Altool, folder: Path, runs: str, budget: int = 9) -> None:
    (folder / "plan.toml").write_text(PLAN.replace("budget = 9", f"budget = {budget}") + runs)
    altool("simulate", "--plan", "plan.toml", "-o", "out", "--jobs", 1)


def picks(folder: Path, run: str) -> list[dict[str, Any]]:
    return pq.read_table(folder / "out" / "runs" / f"{run}-000" / "picks.parquet").to_pylist()


def test_a_round_of_alamp_is_what_the_commands_do(altool: Altool, tmp_path: Path, truth: list[str]) -> None:
    runs = {
        "alamp": ("alamp",),
        "alamp-div": ("alamp", "--diversify"),
        "alamp-current": ("alamp", "--diversify", "--diversify-by", "current"),
        "margin-by-previous": ("margin", "--diversify", "--diversify-by", "previous"),
    }
    plan = ""
    for name, (strategy, *flags) in runs.items():
        plan += f'[[run]]\nname = "{name}"\nstrategy = "{strategy}"\n' + ("diversify = true\n" if flags else "")
        plan += f'diversify-by = "{flags[-1]}"\n' if len(flags) == 3 else ""
    simulate(altool, tmp_path, "logistic-c = 1\n" + plan)
    for name, (strategy, *flags) in runs.items():
        asked = picks(tmp_path, name)
        for number in (0, 1):
            given = [row["id"] for row in asked if row["round"] <= number]
            log = {"id": given, "label": [truth[int(id_[-4:])] for id_ in given], "source": ["seed"] * len(given)}
            write(pa.table(log), tmp_path / f"l{number}.parquet")
            # C is fixed: the folds that would choose it are drawn by the seed, and a repeat has one of its own.
            given_c = ("--logistic-c", 1, "-o", "model", "--overwrite")
            altool("train", "--features", "f.parquet", "--labels", f"l{number}.parquet", *given_c)
            altool("score", "--model", "model", "--features", "f.parquet", "-o", f"p{number}.parquet", "--overwrite")
        write(pa.table({"id": [f"row-{row:04d}" for row in range(0, ROWS, 4)]}), tmp_path / "held.parquet")
        select = ("select", "--strategy", strategy, *flags, "--predictions", "p1.parquet", "--previous", "p0.parquet", "--budget", 9)
        altool(*select, "--labels", "l1.parquet", "--exclude", "held.parquet", "-o", "q.parquet", "--overwrite")
        assert pq.read_table(tmp_path / "q.parquet").column("id").to_pylist() == [row["id"] for row in asked if row["round"] == 2], name
        if name == "alamp":  # the first round is margin
            first = ("select", "--strategy", "margin", "--predictions", "p0.parquet", "--labels", "l0.parquet", "--budget", 9)
            altool(*first, "--exclude", "held.parquet", "-o", "first.parquet")
            assert pq.read_table(tmp_path / "first.parquet").column("id").to_pylist() == [row["id"] for row in asked if row["round"] == 1]


def test_clarifier_asks_nobody_about_easy_rows(altool: Altool, tmp_path: Path, truth: list[str]) -> None:
    runs = '[[run]]\nstrategy = "clarifier"\nclarifier-budgets = [4, 3, 6]\n'
    runs += '[[run]]\nname = "hard"\nstrategy = "clarifier"\nclarifier-budgets = "5,0,0"\nclarifier-hard = "alamp"\n'
    simulate(altool, tmp_path, runs + '[[run]]\nstrategy = "alamp"\nsuggest = true\n')
    asked = picks(tmp_path, "clarifier")
    for row in asked:
        assert row["truth"] == truth[int(row["id"][-4:])]
        assert row["source"] == {"easy": "auto", None: "seed"}.get(row["tier"], "exploit")
        assert row["label"] == (row["suggested_label"] if row["tier"] == "easy" else row["truth"])
    counts = Counter((row["round"], row["tier"]) for row in asked)
    assert counts[1, "hard"] == counts[2, "hard"] == 4
    assert 0 < counts[1, "intermediate"] <= 3
    assert 0 < counts[1, "easy"] <= 6
    history = pq.read_table(tmp_path / "out" / "runs" / "clarifier-000" / "history.parquet").to_pylist()
    for number in (0, 1, 2):
        known = [row for row in asked if row["round"] <= number]
        people = [row for row in known if row["tier"] != "easy"]
        cost = sum(3 if row["tier"] is None else 1 if row["suggested_label"] == row["truth"] else 4 for row in people)
        assert {(row["total"], row["asked"], row["seconds"]) for row in history if row["round"] == number} == {
            (len(known), len(people), cost)
        }
    only = picks(tmp_path, "hard")  # the same rows as alamp's first five
    alamp = [row["id"] for row in picks(tmp_path, "alamp-suggest") if row["round"] == 1]
    assert [row["id"] for row in only if row["round"] == 1] == alamp[:5]
    assert {row["tier"] for row in only if row["round"]} == {"hard"}


@pytest.mark.parametrize(
    ("budgets", "given"),
    [
        ("clarifier-budgets = [4, 3, 6]", ("--clarifier-budgets", "4,3,6")),
        (
            'clarifier-budgets = "auto"\naudit = 5',
            ("--clarifier-budgets", "auto", "--audit", 5, "--budget", 30, "--queries", "before.parquet"),
        ),
    ],
)
def test_a_round_of_clarifier_is_what_the_commands_do(
    altool: Altool, tmp_path: Path, truth: list[str], budgets: str, given: tuple[Any, ...]
) -> None:
    simulate(altool, tmp_path, f'[[run]]\nstrategy = "clarifier"\n{budgets}\nclarifier-hard = "entropy"\n', 30)
    asked = picks(tmp_path, "clarifier")
    known = [row for row in asked if row["round"] <= 1]
    columns = ["id", "label", "source", "round", "suggested_label"]
    log = pa.Table.from_pylist([{name: row[name] for name in columns} for row in known])
    seconds = [3.0 if row["tier"] is None else 1.0 if row["label"] == row["suggested_label"] else 4.0 for row in known]
    write(log.append_column("seconds", pa.array(seconds)), tmp_path / "l.parquet")
    columns = ["id", "rank", "score", "round", "source", "strategy", "tier", "suggested_label"]
    write(pa.Table.from_pylist([{name: row[name] for name in columns} for row in known if row["round"] == 1]), tmp_path / "before.parquet")
    altool("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "model")
    altool("score", "--model", "model", "--features", "f.parquet", "-o", "p.parquet")
    write(pa.table({"id": [f"row-{row:04d}" for row in range(0, ROWS, 4)]}), tmp_path / "held.parquet")
    select = ("select", "--strategy", "clarifier", *given, "--clarifier-hard", "entropy", "--labels", "l.parquet")
    tables = ("--predictions", "p.parquet", "--features", "f.parquet", "--exclude", "held.parquet")
    altool(*select, *tables, "--seed", seeds.integer(0, "simulate", 0), "-o", "q.parquet")
    columns = ["id", "tier", "suggested_label", "source"]
    expected = [{name: row[name] for name in columns} for row in asked if row["round"] == 2]
    assert pq.read_table(tmp_path / "q.parquet").select(columns).to_pylist() == expected
    audited = [row for row in asked if row["tier"] == "easy" and row["source"] == "exploit"]
    assert len(audited) == (10 if "--audit" in given else 0)
    assert all(row["label"] == row["truth"] for row in audited)


@pytest.mark.parametrize(
    ("run", "text"),
    [
        ('strategy = "clarifier"', 'clarifier needs run "clarifier", clarifier_budgets'),
        (
            'strategy = "clarifier"\nclarifier-budgets = [1, 2]',
            "three numbers of rows as 60,30,10, found [1, 2]",
        ),
        ('strategy = "clarifier"\nclarifier-budgets = "1,1,1"\nclarifier-hard = "bald"', "bald needs mc-dropout"),
        ('strategy = "margin"\ndiversify-by = "previous"', "diversify_by has no effect without diversify = true"),
        ('strategy = "margin"\ndiversify = true\ndiversify-by = "last"', "diversify_by: expected previous or current, found 'last'"),
        ('strategy = "alamp"\nalamp-base = "bald"', "alamp_base: expected margin, entropy or least-confidence, found 'bald'"),
    ],
)
def test_what_cannot_work_is_refused(altool: Altool, tmp_path: Path, truth: list[str], run: str, text: str) -> None:
    (tmp_path / "plan.toml").write_text(PLAN + f"[[run]]\n{run}\n")
    assert text in altool("simulate", "--plan", "plan.toml", "-o", "out", code=2).said
