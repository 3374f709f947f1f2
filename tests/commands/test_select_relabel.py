"""`altool select --relabel` from the shell: which labels go out again, and what becomes of the answers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import CLASSES, predictions, write
from pyarrow import csv

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
AGAIN = ("select", "--relabel", 10, "--oof", "oof.parquet", "--labels", "labels.parquet", "-o", "again.parquet")
# Of each row the label, and the probabilities of ant, bee and cat out of fold. Thresholds: ant 0.44, bee 0.55, cat 0.65.
ROWS = {
    "a1": ("ant", (0.80, 0.10, 0.10)),
    "a2": ("ant", (0.42, 0.38, 0.20)),  # below all thresholds
    "a3": ("ant", (0.10, 0.90, 0.00)),  # bee by 0.8
    "b1": ("bee", (0.05, 0.90, 0.05)),
    "b2": ("bee", (0.70, 0.20, 0.10)),  # ant by 0.5
    "c1": ("cat", (0.10, 0.20, 0.70)),
    "c2": ("cat", (0.10, 0.30, 0.60)),
}
DOUBTS = [("a3", 0.8), ("b2", 0.5)]


def out_of_fold(rows: dict[str, tuple[str, Sequence[float]]], path: Path, *, fold: bool = True, classes: Sequence[str] = CLASSES) -> None:
    order = [CLASSES.index(name) for name in classes]
    table = predictions(np.array([p for _, p in rows.values()], np.float32)[:, order], list(rows), classes)
    write(table.append_column("fold", pa.array([number % 2 for number in range(len(rows))], pa.int16())) if fold else table, path)


def labels(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    base = {"source": "seed", "round": 0, "annotator": None, "status": "labeled"}
    names = {"id": pa.string(), "label": pa.string(), "source": pa.string(), "round": pa.int32(), "annotator": pa.string()}
    write(pa.Table.from_pylist([{**base, **row} for row in rows], pa.schema({**names, "status": pa.string()})), path)


def given(**changed: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"id": id_, "label": label, **changed.get(id_, {})} for id_, (label, _) in ROWS.items()]


def asked(folder: Path, name: str = "again.parquet") -> list[tuple[str, float]]:
    return [(row["id"], round(row["score"], 4)) for row in pq.read_table(folder / name).to_pylist()]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    out_of_fold(ROWS, tmp_path / "oof.parquet")
    labels(tmp_path / "labels.parquet", given())
    return tmp_path


def test_the_labels_in_doubt_by_hand(altool: Altool, project: Path) -> None:
    done = altool(*AGAIN)
    assert done.text == ""
    assert done.said == (
        "relabel: 2 of 7 labels in doubt, 2 by the model\n"
        "2 labels in doubt for --relabel 10: all are asked again\n"
        "selected 2 of 2 labels in doubt, round 1 -> again.parquet\n"
    )
    table = pq.read_table(project / "again.parquet")
    types = {"id": pa.string(), "rank": pa.int32(), "score": pa.float32(), "strategy": pa.string(), "round": pa.int32()}
    assert {field.name: field.type for field in table.schema} == {**types, "source": pa.string(), "reason": pa.string()}
    assert asked(project) == DOUBTS
    assert [(row["rank"], row["strategy"], row["round"], row["source"], row["reason"]) for row in table.to_pylist()] == [
        (1, "relabel", 1, "seed", "model"),
        (2, "relabel", 1, "seed", "model"),
    ]
    assert json.loads(table.schema.metadata[b"altool.classes"]) == list(CLASSES)
    origin = json.loads(table.schema.metadata[b"altool.provenance"])
    assert origin["options"] == {"relabel": 10, "round": 1, "suggest": False}
    assert set(origin["inputs"]) == {"oof", "labels"}


def test_json(altool: Altool, project: Path) -> None:
    found = json.loads(altool(*AGAIN[:2], 1, *AGAIN[3:], "--json").text)
    assert found == {
        "command": "select",
        "strategy": "relabel",
        "round": 1,
        "relabel": 1,
        "output": "again.parquet",
        "exports": {},
        "selected": 1,
        "labeled": 7,
        "doubts": 2,
        "settled": 0,
        "by_model": 2,
        "by_annotators": 0,
        "warnings": [],
    }
    assert asked(project) == DOUBTS[:1]


def test_the_order_of_rows_changes_no_byte(altool: Altool, project: Path) -> None:
    altool(*AGAIN)
    for name in ("oof", "labels"):
        table = pq.read_table(project / f"{name}.parquet")
        pq.write_table(table.take(pa.array(range(len(table) - 1, -1, -1))), project / f"{name}.parquet", row_group_size=2)
    altool(*AGAIN[:-1], "other.parquet")
    assert (project / "again.parquet").read_bytes() == (project / "other.parquet").read_bytes()


def test_equal_doubts_come_by_id(altool: Altool, tmp_path: Path) -> None:
    rows = {f"r{number}": ("ant", (0.1, 0.9, 0.0)) for number in (3, 1, 2)} | {"a": ("ant", (1, 0, 0)), "b": ("bee", (0, 1, 0))}
    out_of_fold(rows, tmp_path / "oof.parquet")
    labels(tmp_path / "labels.parquet", [{"id": id_, "label": label} for id_, (label, _) in rows.items()])
    out_of_fold({**rows, "b": ("bee", (0.1, 0.9, 0.0))}, tmp_path / "oof.parquet")
    altool(*AGAIN)
    assert [id_ for id_, _ in asked(tmp_path)] == ["r1", "r2", "r3"]


def test_no_label_in_doubt_is_an_empty_table(altool: Altool, project: Path) -> None:
    labels(project / "labels.parquet", given(a3={"label": "bee"}, b2={"label": "ant"}))
    done = altool(*AGAIN, code=4)
    assert "nothing left to do: none of 7 labels is in doubt; wrote an empty table" in done.said
    assert asked(project) == []


def test_skipped_rows_and_those_left_out_are_not_asked(altool: Altool, project: Path) -> None:
    """What limits the choice does not change who is in doubt."""
    labels(project / "labels.parquet", given(a3={"label": None, "status": "skipped"}))
    altool(*AGAIN)
    assert [id_ for id_, _ in asked(project)] == ["b2"]
    write(pa.table({"id": ["b2", "c1"]}), project / "ids.parquet")
    labels(project / "labels.parquet", given())
    altool(*AGAIN, "--within", "ids.parquet", "--overwrite")
    assert [id_ for id_, _ in asked(project)] == ["b2"]
    altool(*AGAIN, "--exclude", "ids.parquet", "--overwrite")
    assert [id_ for id_, _ in asked(project)] == ["a3"]


def test_a_row_keeps_its_source_so_that_a_fair_sample_stays_one(altool: Altool, project: Path) -> None:
    rows = {**ROWS, "a4": ("ant", (0.05, 0.95, 0.0)), "a5": ("ant", (0.02, 0.98, 0.0))}
    out_of_fold(rows, project / "oof.parquet")
    sources = {"a3": "explore", "a4": "auto", "a5": None}
    labels(project / "labels.parquet", [{"id": id_, "label": rows[id_][0], "source": sources.get(id_, "seed")} for id_ in rows])
    altool(*AGAIN)
    found = {row["id"]: row["source"] for row in pq.read_table(project / "again.parquet").to_pylist()}
    assert {id_: found[id_] for id_ in sources} == {"a3": "explore", "a4": "exploit", "a5": "exploit"}


def test_held_out_labels_need_predictions_of_a_model_that_never_saw_them(altool: Altool, project: Path) -> None:
    held = {**ROWS, "h1": ("cat", (0.9, 0.1, 0.0))}
    labels(project / "labels.parquet", [*given(), {"id": "h1", "label": "cat", "source": "holdout", "round": 3}])
    out_of_fold(held, project / "oof.parquet")  # even where its predictions are at hand
    done = altool(*AGAIN, "--round", 5)
    assert "1 held-out row left out; to ask about their labels too: --predictions of a model" in done.said
    assert [id_ for id_, _ in asked(project)] == ["a3", "b2"]
    out_of_fold(held, project / "p.parquet", fold=False, classes=("cat", "bee", "ant"))
    altool(*AGAIN, "--predictions", "p.parquet", "--overwrite")
    first = pq.read_table(project / "again.parquet").to_pylist()[0]
    assert (first["id"], first["source"], first["round"]) == ("h1", "holdout", 4)
    assert first["score"] == pytest.approx(0.9)
    labels(project / "labels.parquet", given())
    said = altool(*AGAIN, "--predictions", "p.parquet", "--overwrite").said
    assert "--predictions is not read: it is for held-out rows, and labels labels.parquet has none" in said


def test_in_sample_predictions_are_refused(altool: Altool, project: Path) -> None:
    out_of_fold(ROWS, project / "oof.parquet", fold=False)
    said = altool(*AGAIN, code=3).said
    assert "predictions oof.parquet: no out-of-fold prediction (column fold) of any label" in said
    assert "hint: give what altool train --folds 5 --oof PREDICTIONS wrote" in said


def test_predictions_of_other_classes_are_refused(altool: Altool, project: Path) -> None:
    write(predictions(np.eye(2, dtype=np.float32), ["h1", "h2"], ("ant", "dog")), project / "p.parquet")
    labels(project / "labels.parquet", [*given(), {"id": "h1", "label": "cat", "source": "holdout"}])
    said = altool(*AGAIN, "--predictions", "p.parquet", code=3).said
    assert "predictions p.parquet: it has other classes than predictions oof.parquet" in said


def test_labels_without_a_prediction_are_warned_of(altool: Altool, project: Path) -> None:
    labels(project / "labels.parquet", [*given(), {"id": "n1", "label": "ant"}])
    said = altool(*AGAIN).said
    assert "warning: labels labels.parquet: 1 labeled row without a prediction (ids n1); only their annotators can disagree" in said
    assert asked(project) == DOUBTS
    altool(*AGAIN, "--overwrite", "--strict", code=3)


def test_a_class_that_the_predictions_lack_is_warned_of(altool: Altool, project: Path) -> None:
    labels(project / "labels.parquet", given(a1={"label": "dog"}))
    said = altool(*AGAIN).said
    assert "labels labels.parquet: 1 row of 1 class (dog) that predictions oof.parquet does not have" in said
    assert "a1" not in dict(asked(project))


# -- annotators ----------------------------------------------------------------------------------------------------------------------------


def test_rows_on_which_annotators_disagree_come_by_what_both_opinions_say(altool: Altool, project: Path) -> None:
    """The margin, and 1 less the share by which the label is ahead: a tie adds 1, two against one 2/3."""
    rows = [{**row, "annotator": "kim"} for row in given()]
    rows += [{"id": id_, "label": "bee", "annotator": "lee"} for id_ in ("a3", "c1", "c2")]
    rows += [{"id": "c2", "label": "cat", "annotator": "ann"}, {"id": "a1", "label": "ant", "annotator": "lee"}]
    labels(project / "labels.parquet", rows)
    # Ties go to the label that sorts first: ant of a3, bee of c1. So the thresholds are ant 0.44, bee 0.43, cat 0.6.
    said = altool(*AGAIN).said
    assert "relabel: 4 of 7 labels in doubt, 3 by the model, 3 by annotators who disagree\n" in said
    assert asked(project) == [("a3", 1.8), ("c1", 1.5), ("b2", 0.5), ("c2", 0.3667)]
    found = {row["id"]: row for row in pq.read_table(project / "again.parquet").to_pylist()}
    assert [row["reason"] for row in found.values()] == ["both", "both", "model", "annotators"]
    assert found["a3"]["not_annotators"] == ["kim", "lee"]
    assert found["b2"]["not_annotators"] == ["kim"]
    assert found["c2"]["not_annotators"] == ["ann", "kim", "lee"]


def test_a_single_annotator_is_not_kept_from_the_rows(altool: Altool, project: Path) -> None:
    labels(project / "labels.parquet", [{**row, "annotator": "kim"} for row in given()])
    altool(*AGAIN)
    assert "not_annotators" not in pq.read_table(project / "again.parquet").column_names


@pytest.mark.parametrize(
    ("answers", "goes_out"),
    [
        ([("bee", 1, None)], False),  # corrected by the same, though the model still says otherwise
        ([("ant", 1, None)], False),  # confirmed
        ([("ant", 1, "lee")], False),  # by another
        ([("cat", 1, "lee")], True),  # a tie
        ([("cat", 1, "lee"), ("cat", 2, "ann")], False),  # which a third one broke
        ([("cat", 0, "lee"), ("cat", 0, "ann")], True),  # three answers of the first round
    ],
)
def test_a_label_that_was_asked_again_is_settled_but_for_a_tie(
    altool: Altool, project: Path, answers: list[tuple[str, int, str | None]], goes_out: bool
) -> None:
    rows = given() + [{"id": "a3", "label": label, "round": round_, "annotator": who} for label, round_, who in answers]
    labels(project / "labels.parquet", rows)
    altool(*AGAIN)
    assert ("a3" in dict(asked(project))) == goes_out


# -- what annotators are shown, and what becomes of their answers --------------------------------------------------------------------------


def test_the_old_label_is_not_shown_and_the_model_s_only_on_request(altool: Altool, project: Path) -> None:
    write(pa.table({"id": list(ROWS), "text": [f"text {id_}" for id_ in ROWS]}), project / "items.parquet")
    altool(*AGAIN, "--items", "items.parquet", "--export", "csv=todo.csv")
    sheet = csv.read_csv(project / "todo.csv").to_pylist()
    assert [(row["altool_id"], row["suggestion"], row["text"], row["label"]) for row in sheet] == [
        ("a3", None, "text a3", None),
        ("b2", None, "text b2", None),
    ]
    altool(*AGAIN, "--suggest", "--overwrite")
    rows = pq.read_table(project / "again.parquet").to_pylist()
    assert [(row["suggested_label"], round(row["suggested_probability"], 4)) for row in rows] == [("bee", 0.9), ("ant", 0.7)]


def sheet(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    csv.write_csv(pa.Table.from_pylist(list(rows)), path)


def loop(altool: Altool, folder: Path, answers: Sequence[dict[str, Any]], first: Sequence[dict[str, Any]] = ()) -> Any:
    """The whole way: labels, doubts, answers and what the report says of them."""
    sheet(folder / "first.csv", first or [{"id": id_, "label": label} for id_, (label, _) in ROWS.items()])
    altool("import-labels", "first.csv", "--labels", "log")
    altool("select", "--relabel", 10, "--oof", "oof.parquet", "--labels", "log", "-o", "again.parquet")
    sheet(folder / "answers.csv", answers)
    altool("import-labels", "answers.csv", "--labels", "log", "--queries", "again.parquet")
    known = json.loads(altool("import-labels", "answers.csv", "--labels", "log", "--queries", "again.parquet", "--json").text)
    assert (known["imported"], known["known"]) == (0, len(answers))
    report = ("report", "--predictions", "oof.parquet", "--labels", "log", "--queries", "again.parquet")
    return json.loads(altool(*report, "--json").text)


def test_the_new_answer_counts_and_the_report_says_how_many_were_wrong(altool: Altool, project: Path) -> None:
    """Corrected and confirmed, by people without names: the confirmation is an answer, too."""
    found = loop(altool, project, [{"id": "a3", "label": "bee"}, {"id": "b2", "label": "bee"}])
    assert found["relabeled"] == [
        {"round": 1, "asked": 2, "answered": 2, "skipped": 0, "wrong": 1, "low": pytest.approx(0.0945, abs=1e-4)}
        | {"high": pytest.approx(0.9055, abs=1e-4)},
        {"round": None, "asked": 2, "answered": 2, "skipped": 0, "wrong": 1, "low": pytest.approx(0.0945, abs=1e-4)}
        | {"high": pytest.approx(0.9055, abs=1e-4)},
    ]
    (line,) = found["queries"]
    assert (line["strategy"], line["asked"], line["answered"]) == ("relabel", 2, 2)
    counts = {line["class"]: line["labels"] for line in found["classes"]}
    assert counts == {"ant": 2, "bee": 3, "cat": 2}
    assert found["labels"]["by_source"] == {"seed": 7}
    said = altool("report", "--predictions", "oof.parquet", "--labels", "log", "--queries", "again.parquet", "-o", "page.html")
    assert "labels in doubt" in said.text
    assert "0.500" in said.text
    assert "<summary>Labels in doubt</summary>" in (project / "page.html").read_text()
    altool("select", "--relabel", 5, "--oof", "oof.parquet", "--labels", "log", "-o", "next.parquet", code=4)


def test_another_annotator_outvotes_one_but_not_two(altool: Altool, project: Path) -> None:
    first = [{"id": id_, "label": label, "annotator": "kim"} for id_, (label, _) in ROWS.items()]
    first.append({"id": "b2", "label": "bee", "annotator": "lee"})
    found = loop(
        altool, project, [{"id": id_, "label": "ant" if id_ == "b2" else "bee", "annotator": "ann"} for id_ in ("a3", "b2")], first
    )
    assert [(line["answered"], line["wrong"]) for line in found["relabeled"]] == [(2, 1), (2, 1)]
    assert {line["class"]: line["labels"] for line in found["classes"]} == {"ant": 2, "bee": 3, "cat": 2}


def test_a_skip_is_no_answer_and_what_is_not_answered_is_not_either(altool: Altool, project: Path) -> None:
    found = loop(altool, project, [{"id": "a3", "label": "?", "annotator": "ann"}])
    assert [(line["asked"], line["answered"], line["skipped"], line["wrong"]) for line in found["relabeled"]] == [(2, 0, 1, 0)] * 2
    (line,) = found["queries"]
    assert (line["answered"], line["skipped"]) == (0, 1)
    assert found["labels"]["training"] == 7


def test_an_answer_to_a_row_that_was_free_is_paid(altool: Altool, project: Path) -> None:
    loop(altool, project, [{"id": "a3", "label": "bee", "seconds": "9"}])
    report = ("report", "--predictions", "oof.parquet", "--labels", "log", "--queries", "again.parquet", "--json")
    rounds = json.loads(altool(*report).text)["cost"]["rounds"]
    assert [(one["round"], one["free"], one["scratch"], one["cost"]) for one in rounds] == [(0, 7, 0, 0), (1, 0, 1, 9)]


@pytest.mark.parametrize("name", ["again.csv", "again.jsonl", "again.arrow"])
def test_the_queries_may_be_of_any_format(altool: Altool, project: Path, name: str) -> None:
    """Also where they have a column of lists, which CSV holds as text (before: they were refused)."""
    labels(project / "labels.parquet", [{**row, "annotator": who} for row, who in zip(given(), ["kim", "lee"] * 4, strict=False)])
    altool(*AGAIN[:-1], name)
    sheet(project / "answers.csv", [{"id": "a3", "label": "bee", "annotator": "lee"}])
    (project / "log").mkdir()
    shutil.copy(project / "labels.parquet", project / "log")
    altool("import-labels", "answers.csv", "--labels", "log", "--queries", name)
    report = ("report", "--predictions", "oof.parquet", "--labels", "log", "--queries", name, "--json")
    assert [(one["asked"], one["wrong"]) for one in json.loads(altool(*report).text)["relabeled"]] == [(2, 1), (2, 1)]


# -- refusals ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--budget", 3), "--budget has no effect with --relabel"),
        (("--strategy", "margin"), "--strategy has no effect with --relabel"),
        (("--features", "f.parquet"), "--features has no effect with --relabel"),
        (("--target-aware",), "--target-aware has no effect with --relabel"),
        (("--queries", "q.parquet"), "--queries has no effect with --relabel"),
        (("--bait-lambda", 2), "--bait-lambda has no effect with --relabel"),
        (("--round", 0), "--round 0: the labels have round 0, expected at least 1, whose answers are the newest"),
        (("--export", "csv=todo.csv"), "--export needs --items: what people are to see"),
    ],
)
def test_what_has_no_effect_is_refused(altool: Altool, project: Path, arguments: tuple[object, ...], said: str) -> None:
    assert said in altool(*AGAIN, *arguments, code=2).said
    assert not (project / "again.parquet").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (AGAIN[:3] + AGAIN[5:], "--relabel needs --oof"),
        (AGAIN[:5] + AGAIN[7:], "--relabel needs --labels"),
        (AGAIN[:7], "missing --output"),
        (("select", "--relabel", 0, *AGAIN[3:]), "--relabel: expected a whole number from 1 to 2147483647, found 0"),
        (("select", "--budget", 1, *AGAIN[3:], "--predictions", "oof.parquet"), "--oof has no effect without --relabel"),
    ],
)
def test_what_is_missing_is_said(altool: Altool, project: Path, arguments: tuple[object, ...], said: str) -> None:
    assert said in altool(*arguments, code=2).said


def test_an_output_may_not_be_the_predictions(altool: Altool, project: Path) -> None:
    altool(*AGAIN[:-1], "oof.parquet", "--overwrite", code=2)


def test_an_empty_log_is_refused(altool: Altool, project: Path) -> None:
    (project / "log").mkdir()
    assert "labels log: no labels" in altool(*AGAIN[:5], "--labels", "log", *AGAIN[7:], code=3).said
