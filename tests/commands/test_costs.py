"""Suggestions and seconds go out to an annotation tool and come back, whatever the export, and the costs are measured."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from checked import checked
from conftest import features, predictions, write

from altool.commands import import_labels, report, select
from altool.console import Console
from altool.errors import UsageError
from altool.tables import label_log
from altool.tables.read import Reader

pytestmark = pytest.mark.slow

CLASSES = ("ant", "bee", "cat")
AT = "2026-11-04T18:50:53.017134Z"


def run_here(command: Any, **options: Any) -> dict[str, Any]:
    """A command in this process; its summary."""
    summaries: list[dict[str, Any]] = []
    console = Console(json_output=True)
    console.result = lambda summary, line: summaries.append(summary)  # type: ignore[method-assign]
    command.run(command.Options(**options), console)
    return json.loads(json.dumps(summaries[0], allow_nan=False))  # type: ignore[no-any-return]


def log(folder: str) -> dict[str, dict[str, Any]]:
    reader = Reader()
    source = reader.open(folder, "labels")
    reader.match_ids()
    return {row["id"]: row for row in label_log.read(source).to_pylist()}


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Twelve tasks for Label Studio, as select writes them, with suggestions."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    matrix = rng.dirichlet(np.ones(3), 12).astype(np.float32)
    write(predictions(matrix), tmp_path / "p.parquet")
    ids = [f"row-{number:04d}" for number in range(12)]
    write(pa.table({"id": ids, "text": [f"text, {number} \u201equoted\u201c" for number in range(12)]}), tmp_path / "items.parquet")
    options = {"strategy": "margin", "budget": 12, "predictions": "p.parquet", "suggest": True, "round": 3}
    run_here(select, **options, items="items.parquet", export=["label-studio=tasks.json"], output="q.parquet")
    return json.loads(Path("tasks.json").read_text())  # type: ignore[no-any-return]


def answered(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The project's full export: 6 suggestions accepted in 2 s each, 3 changed in 8 s, one skipped, two not done yet."""
    exported = []
    for number, task in enumerate(tasks):
        (shown,) = task["predictions"]
        suggested = shown["result"][0]["value"]["choices"][0]
        kind = "prediction" if number < 6 else "prediction-changed"
        label = suggested if number < 6 else CLASSES[(CLASSES.index(suggested) + 1) % 3]
        choice = {**shown["result"][0], "id": f"x{number}", "origin": kind, "value": {"choices": [label]}}
        annotation = {
            "id": 100 + number,
            "completed_by": {"id": 1, "email": "a@x.com"},
            "was_cancelled": number == 9,
            "ground_truth": False,
            "lead_time": 2.0 if number < 6 else 8.0,
            "created_at": AT,
            "updated_at": AT,
            "parent_prediction": shown.get("id"),
            "last_action": "submitted",
            "result": [] if number == 9 else [choice],
        }
        exported.append(
            {
                "id": 7000 + number,
                "data": task["data"],
                "agreement": 100.0,
                "drafts": [],
                "file_upload": "d06c405d-x.json",
                "predictions": [{**shown, "id": 500 + number}],
                "annotations": [annotation] if number < 10 else [],
            }
        )
    return exported


def minimal(full: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """JSON_MIN of the same project, which loses predictions and cancelled annotations."""
    rows = []
    for task in full:
        done = [annotation for annotation in task["annotations"] if not annotation["was_cancelled"]]
        for annotation in done:
            rows.append(
                {
                    **task["data"],
                    "id": task["id"],
                    "label": annotation["result"][0]["value"]["choices"][0],
                    "annotator": "a@x.com",
                    "annotation_id": annotation["id"],
                    "created_at": AT,
                    "updated_at": AT,
                    "lead_time": annotation["lead_time"],
                }
            )
        if not task["annotations"]:
            rows.append({**task["data"], "id": task["id"], "annotation_id": None})
    return rows


def as_csv(rows: list[dict[str, Any]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, sorted({key for row in rows for key in row}), quoting=csv.QUOTE_NONNUMERIC)
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


@pytest.mark.parametrize("queries", [None, ["q.parquet"]])
@pytest.mark.parametrize("form", ["full", "storage", "minimal", "csv"])
def test_a_round_trip_loses_nothing(tasks: list[dict[str, Any]], form: str, queries: list[str] | None) -> None:
    full = answered(tasks)
    if form == "storage":  # one file per annotation
        for task in full:
            for annotation in task["annotations"]:
                nested = {**annotation, "task": {key: task[key] for key in ("id", "data")}}
                write_text(Path("export") / f"{annotation['id']}.json", json.dumps(nested))
    else:
        content = {"full": full, "minimal": minimal(full), "csv": minimal(full)}[form]
        write_text(Path("export"), as_csv(content) if form == "csv" else json.dumps(content))
    found = run_here(import_labels, exports=["export"], labels="log", queries=queries, source=None if queries else "exploit")
    skips = int(form in ("full", "storage"))
    assert (found["imported"], found["skipped"], found["refused"]) == (9 + skips, skips, {})
    rows = log("log")
    for number, task in enumerate(full[: 9 + skips]):
        data, (annotation,) = task["data"], task["annotations"]
        row = rows[data["altool_id"]]
        assert row["suggested_label"] == data["altool_suggestion"] == task["predictions"][0]["result"][0]["value"]["choices"][0]
        assert row["seconds"] == annotation["lead_time"]
        assert (row["label"] == row["suggested_label"], row["status"]) == (number < 6, "skipped" if number == 9 else "labeled")
        assert (row["round"], row["annotator"], row["labeled_at"].isoformat()[:19]) == (3, "a@x.com", AT[:19])

    write(predictions(np.full((12, 3), 1 / 3, np.float32)).append_column("fold", pa.array([0] * 12, pa.int16())), Path("oof.parquet"))
    measured = run_here(report, predictions="oof.parquet", labels="log", evaluate_on="all", queries=queries)["cost"]
    assert measured["prices"] == {"verified": 2, "corrected": 8, "scratch": 8}
    (round_,) = measured["rounds"]
    assert (round_["verified"], round_["corrected"], round_["scratch"]) == (6, 3, skips)
    assert round_["cost"] == measured["total"] == 6 * 2 + (3 + skips) * 8
    whole = next(one for one in measured["acceptance"] if one["tier"] is None and one["class_"] is None)
    assert (whole["suggested"], whole["accepted"]) == (9, 6)


def write_text(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def test_the_sheet_brings_them_back(tasks: list[dict[str, Any]]) -> None:
    """A spreadsheet of altool's own, with a column of seconds."""
    run_here(
        select,
        strategy="queue",
        queue="q.parquet",
        budget=12,
        output="again.parquet",
        items="items.parquet",
        export=["csv=sheet.csv"],
        round=3,
        predictions="p.parquet",
        suggest=True,
    )
    rows = list(csv.DictReader(io.StringIO(Path("sheet.csv").read_text())))
    for row in rows:
        row |= {"label": row["suggestion"], "seconds": "1.5"}
    write_text(Path("done.csv"), as_csv(rows))
    assert run_here(import_labels, exports=["done.csv"], labels="log", source="exploit")["imported"] == 12
    assert {(row["suggested_label"] == row["label"], row["seconds"]) for row in log("log").values()} == {(True, 1.5)}


def pool_of(folder: Path, rows: int = 200) -> None:
    """Predictions and features of `row-0000`, …, the first 60 of them labeled in round 1, with the queries that asked for them.

    Hard rows: 20, 5 suggestions accepted; intermediate ones: 20, 15 accepted; easy ones: 20 audited, all accepted. An accepted suggestion
    takes 1 second, another answer 5.
    """
    rng = np.random.default_rng(3)
    matrix = rng.dirichlet(np.ones(3), rows).astype(np.float32)
    write(predictions(matrix), folder / "p.parquet")
    write(features(rng.normal(size=(rows, 4)).astype(np.float32)), folder / "f.parquet")
    ids = [f"row-{number:04d}" for number in range(60)]
    suggested = [CLASSES[number % 3] for number in range(60)]
    tiers = ["hard"] * 20 + ["intermediate"] * 20 + ["easy"] * 20
    right = [number % 20 < {"hard": 5, "intermediate": 15, "easy": 20}[tier] for number, tier in enumerate(tiers)]
    labels = [name if yes else CLASSES[(CLASSES.index(name) + 1) % 3] for name, yes in zip(suggested, right, strict=True)]
    shared = {"id": ids, "round": pa.array([1] * 60, pa.int32()), "source": ["exploit"] * 60, "suggested_label": suggested}
    asked = pa.table({**shared, "tier": tiers}).replace_schema_metadata({"altool.kind": "queries"})
    write(asked, folder / "asked.parquet")
    seconds = pa.array([1.0 if yes else 5.0 for yes in right], pa.float32())
    write(pa.table({**shared, "label": labels, "seconds": seconds}), folder / "l.parquet")


def test_as_many_rows_as_seconds_pay_for(altool: Callable[..., Any], tmp_path: Path) -> None:
    pool_of(tmp_path)
    select_ = ("select", "--strategy", "margin", "--predictions", "p.parquet", "--labels", "l.parquet", "-o", "q.parquet", "--overwrite")
    done = altool(*select_, "--budget-seconds", 102)
    assert pq.read_table(tmp_path / "q.parquet").num_rows == 20
    assert "--budget-seconds 102 at 5 seconds a row (from scratch) pays for 20 rows\n" in done.said
    done = altool(*select_, "--budget-seconds", 102, "--suggest")  # 40 of 60 are accepted: 1 x 2/3 + 5 x 1/3
    assert pq.read_table(tmp_path / "q.parquet").num_rows == 43
    assert "at 2.333 seconds a row (40 of 60 suggestions were accepted) pays for 43 rows" in done.said
    table = pq.read_table(tmp_path / "l.parquet")
    twice = pa.concat_tables([table.append_column("annotator", pa.array([name] * 60)) for name in ("ann", "bob")])
    write(twice, tmp_path / "l.parquet")
    assert "pays for 10 rows" in altool(*select_, "--budget-seconds", 102).said  # each row is answered twice
    assert "at 10 seconds a row (from scratch) pays for no row" in altool(*select_, "--budget-seconds", 3, code=3).said
    write(table.drop(["seconds"]), tmp_path / "l.parquet")
    assert "labels l.parquet, column 'seconds': no answer has any" in altool(*select_, "--budget-seconds", 9, code=3).said


CLARIFIER = ("select", "--strategy", "clarifier", "--predictions", "p.parquet", "--features", "f.parquet", "--labels", "l.parquet",
             "--clarifier-hard", "entropy", "-o", "q.parquet", "--overwrite", "--clarifier-budgets")  # fmt: skip


def test_seconds_that_pay_for_anything(altool: Callable[..., Any], tmp_path: Path) -> None:
    """Answers in no time at all, and time without end."""
    pool_of(tmp_path)
    select_ = ("select", "--strategy", "margin", "--predictions", "p.parquet", "--labels", "l.parquet", "-o", "q.parquet", "--overwrite")
    assert "pays for 2,147,483,647 rows" in altool(*select_, "--budget-seconds", "inf").said
    assert pq.read_table(tmp_path / "q.parquet").num_rows == 140
    assert json.loads(altool(*CLARIFIER, "auto", "--budget-seconds", 1e300, "--json").text)["selected"] == 140

    table = pq.read_table(tmp_path / "l.parquet")
    right = [row["label"] == row["suggested_label"] for row in table.to_pylist()]
    accepted = table.filter(pa.array(right))
    write(accepted, tmp_path / "l.parquet")
    told = "labels l.parquet, column 'seconds': no answer has any (only answers that verified a suggestion have any)"
    assert told in altool(*select_, "--budget-seconds", 9, code=3).said
    none = table.set_column(table.column_names.index("seconds"), "seconds", pa.array([0.0] * 60, pa.float32()))
    write(none, tmp_path / "l.parquet")
    told = "labels l.parquet, column 'seconds': no answer has any (the median answer has 0)"
    assert told in altool(*select_, "--budget-seconds", 9, code=3).said
    assert told in altool(*CLARIFIER, "auto", "--budget-seconds", 9, code=3).said
    own = {"id": "row-0100", "label": "ant", "source": "exploit", "round": 1, "suggested_label": None, "seconds": 5.0}
    write(pa.concat_tables([none.filter(pa.array(right)), pa.Table.from_pylist([own], schema=table.schema)]), tmp_path / "l.parquet")
    assert "at 5 seconds a row (from scratch) pays for 1 row" in altool(*select_, "--budget-seconds", 9).said
    told = "labels l.parquet, column 'seconds': the median answer to a suggestion has 0 (40 of 40 suggestions were accepted)"
    assert told in altool(*select_, "--suggest", "--budget-seconds", 9, code=3).said


def test_tiers_by_what_was_measured(altool: Callable[..., Any], tmp_path: Path) -> None:
    pool_of(tmp_path)
    # 6/22 and 16/22 accepted: 43/11 and 23/11 seconds; of 20 audits all right: at worst 3.8416 / 23.8416 are wrong
    ratio = 0.05 / (3.8416 / 23.8416)
    easy = int((100 - 10) * ratio / (1 + ratio))
    hard = round((90 - easy) * 23 / (43 + 23))
    done = altool(*CLARIFIER, "auto", "--budget", 100, "--queries", "asked.parquet", "--audit", 10, "--json")
    told = (
        f"tiers: hard {hard} (5 of 20 accepted), intermediate {90 - easy - hard} (15 of 20 accepted), easy {easy + 10} (20 of 20 accepted)"
    )
    assert told in done.said
    found = pq.read_table(tmp_path / "q.parquet").to_pylist()
    by_tier = {name: [row for row in found if row["tier"] == name] for name in ("hard", "intermediate", "easy")}
    assert json.loads(done.text)["tiers"] == {name: len(part) for name, part in by_tier.items()}
    assert json.loads(done.text)["audited"] == sum(row["source"] == "exploit" for row in by_tier["easy"]) == 10
    assert {row["source"] for row in by_tier["easy"]} == {"auto", "exploit"}
    assert all(row["suggested_label"] for row in found)
    first = (tmp_path / "q.parquet").read_bytes()
    altool(*CLARIFIER, "auto", "--budget", 100, "--queries", "asked.parquet", "--audit", 10, "--threads", 1)
    assert (tmp_path / "q.parquet").read_bytes() == first
    altool(*CLARIFIER, "auto", "--budget", 100, "--queries", "asked.parquet", "--audit", 10, "--seed", 5)
    audited = [{row["id"] for row in rows if row["tier"] == "easy" and row["source"] == "exploit"}
               for rows in (found, pq.read_table(tmp_path / "q.parquet").to_pylist())]  # fmt: skip
    assert audited[0] != audited[1]  # a draw

    seconds = altool(*CLARIFIER, "auto", "--budget-seconds", 200, "--queries", "asked.parquet")
    assert f"tiers: hard {int(100 / (43 / 11))} (" in seconds.said
    assert f"intermediate {int(100 / (23 / 11))} (" in seconds.said


def test_auto_labels_that_cost_more_than_they_give_are_warned_of(altool: Callable[..., Any], tmp_path: Path) -> None:
    """A verified answer takes 1 second and a correction 5: below 5/6 right, correcting auto labels takes longer than verifying them."""
    pool_of(tmp_path)
    table = pq.read_table(tmp_path / "l.parquet")
    ask = (*CLARIFIER, "auto", "--budget", 100, "--queries", "asked.parquet")
    report = ("report", "--predictions", "p.parquet", "--labels", "l.parquet", "--queries", "asked.parquet", "--evaluate-on", "all")
    for right, warned in ((17, False), (16, True)):  # of 20
        shown = table.column("suggested_label").to_pylist()
        wrong = [CLASSES[(CLASSES.index(name) + 1) % 3] for name in shown[40 + right :]]
        labels = [*table.column("label").to_pylist()[:40], *shown[40 : 40 + right], *wrong]
        seconds = [1.0 if label == name else 5.0 for label, name in zip(labels, shown, strict=True)]
        own = table.set_column(table.column_names.index("label"), "label", pa.array(labels))
        write(own.set_column(own.column_names.index("seconds"), "seconds", pa.array(seconds, pa.float32())), tmp_path / "l.parquet")
        told = f"easy tier: {right} of 20 audited suggestions right ({right * 5}%), below 83% its auto labels cost more to correct than to"
        assert (told in altool(*ask).said) is warned
    held = own.set_column(own.column_names.index("source"), "source", pa.array(["explore"] * 60))
    matrix = pq.read_table(tmp_path / "p.parquet")
    write(matrix.append_column("fold", pa.array([0] * len(matrix), pa.int16())), tmp_path / "p.parquet")
    write(held, tmp_path / "l.parquet")
    assert told in altool(*report).said


def test_tiers_of_which_nothing_is_known(altool: Callable[..., Any], tmp_path: Path) -> None:
    pool_of(tmp_path)
    write(pq.read_table(tmp_path / "l.parquet").drop(["seconds", "suggested_label"]), tmp_path / "l.parquet")
    done = altool(*CLARIFIER, "auto", "--budget", 42)
    assert "no answer from scratch has seconds: an answer is taken to cost 3 times what it takes to verify one" in done.said
    assert "no easy row was ever audited" in done.said
    assert "tiers: hard 20 (0 of 0 accepted), intermediate 20 (0 of 0 accepted), easy 2 (0 of 0 accepted)" in done.said


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (("10,10,10", "--budget-seconds", 9), 2, "--clarifier-budgets and --budget-seconds both set the number of rows"),
        (("auto", "--budget", 9, "--budget-seconds", 9), 2, "--budget and --budget-seconds both set the number of rows"),
        (("auto",), 2, "missing --budget"),
        (("10,10,10", "--queries", "asked.parquet"), 2, "--queries has no effect with --strategy clarifier"),
        (("auto", "--budget", 5, "--audit", 5), 3, "--budget 5 pays for no row of the hard and intermediate tiers"),
        (("auto", "--budget-seconds", 1), 3, "--budget-seconds 1 pays for no row of the hard and intermediate tiers"),
    ],
)
def test_budgets_that_cannot_be(altool: Callable[..., Any], tmp_path: Path, flags: tuple[object, ...], code: int, message: str) -> None:
    pool_of(tmp_path)
    assert message in altool(*CLARIFIER, *flags, code=code).said


def test_audits_belong_to_tiers(altool: Callable[..., Any], tmp_path: Path) -> None:
    pool_of(tmp_path)
    done = altool("select", "--strategy", "margin", "--predictions", "p.parquet", "--budget", 3, "--audit", 3, "-o", "q.parquet", code=2)
    assert "--audit has no effect with --strategy margin" in done.said


def test_a_round_that_was_retracted_is_over(tasks: list[dict[str, Any]]) -> None:
    """Its auto labels stay retracted, so the next queries must not bear its number."""
    queries = pq.read_table("q.parquet")
    auto = queries.set_column(queries.column_names.index("source"), "source", pa.array(["auto"] * 12))
    write(auto, Path("auto.parquet"))
    run_here(import_labels, auto="auto.parquet", labels="log")
    run_here(import_labels, retract_auto=3, labels="log")
    found = run_here(select, strategy="margin", budget=12, predictions="p.parquet", labels="log", output="next.parquet")
    assert (found["candidates"], found["round"]) == (12, 4)


def test_the_report_shows_them(tasks: list[dict[str, Any]], altool: Callable[..., Any]) -> None:
    """In the terminal and on the page, by prices that are given; each tier by itself, the machine's labels apart."""
    tiers = ["hard"] * 6 + ["intermediate"] * 3 + ["easy"] * 3
    queries = pq.read_table("q.parquet")
    sources = ["exploit"] * 10 + ["auto"] * 2
    queries = queries.set_column(queries.column_names.index("source"), "source", pa.array(sources)).append_column("tier", pa.array(tiers))
    write(queries, Path("q.parquet"))
    write_text(Path("export"), json.dumps(answered(tasks)))
    run_here(import_labels, exports=["export"], labels="log", queries=["q.parquet"])
    assert run_here(import_labels, auto="q.parquet", labels="log")["sources"] == {"auto": 2}
    matrix = np.full((12, 3), 1 / 3, np.float32)
    write(predictions(matrix).append_column("fold", pa.array([0] * 12, pa.int16())), Path("oof.parquet"))
    common = ("report", "--predictions", "oof.parquet", "--labels", "log", "--evaluate-on", "all", "--queries", "q.parquet")
    done = altool(*common, "--cost-verify", 1, "--cost-answer", 4, "-o", "page.html")
    lines = [" ".join(line.split()) for line in done.text.splitlines()]
    start = lines.index("what the labels cost")
    assert lines[start + 2] == "round verified corrected from scratch auto free cost"
    assert lines[start + 4 : start + 6] == ["3 6 3 1 2 0 22", "all 6 3 1 2 0 22"]
    assert "an answer costs: verified 1, corrected 4, from scratch 4 (given); seed and holdout are free" in lines
    assert {"all 9 6 0.667 0.354–0.879", "tier hard 6 6 1.000 0.610–1.000", "tier intermediate 3 0 0.000 0.000–0.561"} <= set(lines)
    assert {"all 2 (6) 8 (3) 8 (1) 4.0 4.0", "annotator a@x.com 2 (6) 8 (3) 8 (1) 4.0 4.0"} <= set(lines)
    text = Path("page.html").read_text()
    assert '<section id="cost"><h2>Cost</h2>' in text
    assert "tier hard, " in text
    assert "12 of 12" not in text
    with pytest.raises(UsageError, match="--cost-answer: expected a number of at least 0, found inf"):
        checked(report.Options, cost_verify=1.0, cost_answer=np.inf)
    with pytest.raises(UsageError, match="--cost-answer is missing"):
        run_here(report, predictions="oof.parquet", labels="log", cost_verify=1.0)


def test_a_labeling_study_of_right_and_wrong_suggestions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the suggestions are wrong, where the predictions are the truth; people take 2 s for a right and 7 s for a wrong one, and one
    of their answers is wrong."""
    monkeypatch.chdir(tmp_path)
    truth = np.random.default_rng(0).integers(3, size=40)
    names = [CLASSES[code] for code in truth]
    ids = [f"row-{number:04d}" for number in range(40)]
    write(predictions(np.eye(3, dtype=np.float32)[truth] * 0.8 + np.float32(0.2 / 3)), tmp_path / "p.parquet")
    write(pa.table({"id": ids, "label": names}), tmp_path / "t.parquet")
    asked = {"strategy": "random", "budget": 20, "predictions": "p.parquet", "suggest": True, "suggest_wrong": 0.5, "round": 1}
    run_here(select, **asked, output="q.parquet")
    rows = pq.read_table("q.parquet").to_pylist()
    assert "suggested_probability" not in rows[0]
    right = [row["suggested_label"] == names[ids.index(row["id"])] for row in rows]
    assert [row["suggested_by"] == "model" for row in rows] == right
    assert sum(right) == 10
    known = {"source": "explore", "round": 1, "annotator": "ann"}
    log = [
        {**known, "id": row["id"], "label": names[ids.index(row["id"])], "seconds": 2.0 if ok else 7.0}
        for row, ok in zip(rows, right, strict=True)
    ]
    fast = right.index(True)
    log[fast] |= {"label": CLASSES[(CLASSES.index(log[fast]["label"]) + 1) % 3], "seconds": 600.0}
    write(pa.Table.from_pylist(log), tmp_path / "l.parquet")
    write(predictions(np.full((40, 3), 1 / 3, np.float32)).append_column("fold", pa.array([0] * 40, pa.int16())), tmp_path / "oof.parquet")
    given = {"predictions": "oof.parquet", "labels": "l.parquet", "queries": ["q.parquet"]}
    found = run_here(report, **given, truth="t.parquet")["cost"]
    assert found["prices"] == {"verified": 2, "corrected": 7, "scratch": 7}
    assert (found["wrong"], found["acceptance"][0]["suggested"], found["acceptance"][0]["accepted"]) == (1, 10, 9)
    assert found["times"][0]["mean"] == {"verified": 2, "corrected": 7, "scratch": None}
    assert run_here(report, **given)["cost"]["times"][0]["mean"]["corrected"] > 50
    for options, said in (
        ({"suggest": False}, "--suggest-wrong needs --suggest"),
        ({"strategy": "clarifier", "own": {"clarifier_budgets": (5, 10, 5)}}, "--suggest-wrong has no effect with --strategy clarifier"),
    ):
        with pytest.raises(UsageError, match=said):
            run_here(select, **{**asked, "features": "p.parquet", "labels": "l.parquet", **options}, output="no.parquet")
