"""Strategies that ask, wait and ask again, over several runs of the program."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import CLASSES, predictions, write

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
Row = dict[str, Any]
ROWS = 300
ASK = ("select", "--budget", 12, "--parallel", 3, "--round", 1, "--predictions", "p.parquet", "--labels", "labels")


@pytest.fixture
def truth(altool: Altool, tmp_path: Path) -> dict[str, str]:
    """Predictions that know a little, and four labels of round 0."""
    draw = np.random.default_rng(0)
    codes = draw.choice(3, ROWS, p=[0.8, 0.1, 0.1])
    logits = 2 * np.eye(3)[codes] + draw.normal(size=(ROWS, 3))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    write(predictions(shares.astype(np.float32)), tmp_path / "p.parquet")
    truth = {f"row-{row:04d}": CLASSES[code] for row, code in enumerate(codes)}
    write(pa.table({"id": list(truth), "label": list(truth.values())}), tmp_path / "truth.parquet")
    answer(altool, tmp_path, list(truth)[:4], truth, "--round", 0)
    return truth


def answer(altool: Altool, folder: Path, ids: Sequence[str], truth: dict[str, str], *options: object) -> None:
    (folder / "a.csv").write_text("altool_id,label\n" + "".join(f"{row},{truth[row]}\n" for row in ids))
    altool("import-labels", "a.csv", "--labels", "labels", *options)


def rows(path: Path) -> list[Row]:
    return sorted(pq.read_table(path).to_pylist(), key=lambda row: row["rank"])


def facts(found: Sequence[Row]) -> list[tuple[str, str, str]]:
    return [(row["id"], row["target_class"], row["phase"]) for row in found]


@pytest.mark.parametrize("strategy", ["direct", "galaxy"])
def test_call_by_call_it_is_what_the_oracle_gets(altool: Altool, tmp_path: Path, truth: dict[str, str], strategy: str) -> None:
    """Answered in part, in any order, and repeated; an empty table and status 4 at the end."""
    ask = (*ASK, "--strategy", strategy)
    altool(*ask, "--oracle", "truth.parquet", "-o", "whole.parquet")
    whole = rows(tmp_path / "whole.parquet")
    assert len({row["id"] for row in whole}) == 12
    seen: list[Row] = []
    for call in range(40):
        result = altool(*ask, "-o", "q.parquet", "--overwrite", code=None)
        now = rows(tmp_path / "q.parquet")
        if result.returncode == 4:
            assert not now
            assert "round 1 is complete with 12 rows" in result.said
            break
        assert 0 < len(now) <= 3
        new = [row for row in now if row["id"] not in {row["id"] for row in seen}]
        seen += new
        assert not new or len(new) == len(now)  # what is missing comes first
        some = now[::-1][: 1 + call % 3]
        answer(altool, tmp_path, [row["id"] for row in some], truth, "--queries", "q.parquet")
    else:
        pytest.fail("the round does not end")
    assert facts(seen) == facts(whole)


def test_what_is_skipped_counts_and_teaches_nothing(altool: Altool, tmp_path: Path, truth: dict[str, str]) -> None:
    seen = set()
    for call in range(30):
        if altool(*ASK, "--strategy", "direct", "-o", "q.parquet", "--overwrite", code=None).returncode == 4:
            break
        ids = [row["id"] for row in rows(tmp_path / "q.parquet")]
        assert not seen & set(ids)
        seen |= set(ids)
        answers = {row: "skip" if call % 2 else truth[row] for row in ids}
        answer(altool, tmp_path, ids, answers, "--queries", "q.parquet", "--skip-value", "skip")
    assert len(seen) == 12


def test_it_asks_on_without_waiting(altool: Altool, tmp_path: Path, truth: dict[str, str]) -> None:
    """Every question once, whatever has been answered; told what was asked, the same call asks the same."""
    ask = (*ASK, "--strategy", "direct", "--no-wait")
    asked: list[str] = []
    tables: list[object] = []
    for call in range(30):
        output = f"q{call}.parquet"
        if altool(*ask, *tables, "-o", output, code=None).returncode == 4:
            break
        altool(*ask, *tables, "-o", "again.parquet", "--overwrite")
        assert facts(rows(tmp_path / "again.parquet")) == facts(rows(tmp_path / output))
        ids = [row["id"] for row in rows(tmp_path / output)]
        assert not set(asked) & set(ids)
        asked += ids
        tables = [*("--queries", output), *tables]  # in any order
        if call % 2:
            answer(altool, tmp_path, asked[-5:-1], truth, "--queries", "q*.parquet")
    assert len(asked) == 12
    assert "answers of round 1 to questions in no --queries" in altool(*ask, "-o", "x", code=3).said


def test_a_round_goes_on_with_what_it_began_with(altool: Altool, tmp_path: Path, truth: dict[str, str]) -> None:
    ask = (*ASK, "--strategy", "direct")
    altool(*ask, "-o", "q.parquet")
    answer(altool, tmp_path, [row["id"] for row in rows(tmp_path / "q.parquet")], truth, "--queries", "q.parquet")
    for change in (("--seed", 1), ("--budget", 13), ("--parallel", 4), ("--direct-min-per-class", 3), ("--strategy", "galaxy")):
        told = [word for name, value in zip(ask[1::2], ask[2::2], strict=True) if name != change[0] for word in (name, value)]
        said = altool("select", *told, *change, "-o", "x", code=3).said
        assert "its round 1 began with another strategy, seed, budget or option" in said
        assert "--round 2" in said
    write(predictions(np.full((ROWS, 3), 1 / 3, np.float32)), tmp_path / "p.parquet")
    assert "other predictions" in altool(*ask, "-o", "x", code=3).said


def test_an_oracle_must_know_what_is_asked(altool: Altool, tmp_path: Path, truth: dict[str, str]) -> None:
    write(pq.read_table(tmp_path / "truth.parquet").slice(0, 150), tmp_path / "half.parquet")
    said = altool(*ASK, "--strategy", "galaxy", "--oracle", "half.parquet", "-o", "x", code=3).said
    assert "that the strategy asks about (ids row-0" in said


def test_the_report_shows_where_classes_end(altool: Altool, tmp_path: Path, truth: dict[str, str]) -> None:
    altool(*ASK, "--strategy", "direct", "--oracle", "truth.parquet", "-o", "q.parquet")
    (tmp_path / "h.csv").write_text("altool_id,label\n" + "".join(f"{row},{truth[row]}\n" for row in list(truth)[-40:]))
    altool("import-labels", "h.csv", "--labels", "labels", "--source", "holdout")
    report = ("report", "--predictions", "p.parquet", "--labels", "labels", "--queries", "q.parquet")
    found = json.loads(altool(*report, "--json", "-o", "r.html").text)["searches"]
    assert [line["name"] for line in found] == list(CLASSES)
    assert sum(line["searched"] + line["spent"] for line in found) == 12
    assert {line["searched"] for line in found} == {2}  # floor(12 / 6)
    for line in found:
        assert line["size"] == ROWS
        assert 0 <= line["first"] <= line["last"] <= ROWS
        assert 0 < line["threshold"] < ROWS
    text = altool(*report).text
    assert "where the classes end" in text
    assert f"{found[0]['threshold']} of 300" in text
    assert "Where the classes end" in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--strategy", "direct", "--predictions", "p"), "--strategy direct needs --round"),
        (("--strategy", "direct", "--round", 1), "needs --predictions"),
        (("--strategy", "galaxy", "--predictions", "p", "--round", 1, "--diversify"), "--diversify re-orders a queue"),
        (("--strategy", "galaxy", "--predictions", "p", "--round", 1, "--partitions", 2), "--partitions has no effect"),
        (("--strategy", "galaxy", "--predictions", "p", "--round", 1, "--queries", "q"), "--queries has no effect without --no-wait"),
        (("--strategy", "galaxy", "--predictions", "p", "--no-wait", "--oracle", "t"), "--no-wait has no effect with --oracle"),
        (
            ("--strategy", "galaxy", "--predictions", "p", "--round", 1, "--direct-min-per-class", 2),
            "--direct-min-per-class has no effect",
        ),
        (("--strategy", "margin", "--predictions", "p", "--parallel", 2), "--parallel has no effect with --strategy margin"),
        (("--strategy", "margin", "--predictions", "p", "--no-wait"), "--wait has no effect with --strategy margin"),
    ],
)
def test_refused(altool: Altool, arguments: tuple[object, ...], said: str) -> None:
    assert said in altool("select", "--budget", 9, "-o", "q", *arguments, code=2).said
