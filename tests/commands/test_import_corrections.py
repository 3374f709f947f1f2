"""People correct themselves, take answers back and come late; classes are renamed and dropped: by rows that are added to the log."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import program
import pyarrow.parquet as pq
import pytest
from imports import counted, imported, log_rows, queries, read_log

from altool.errors import InputError, UsageError
from altool.labels.consensus import resolve
from altool.labels.costs import of_log

IDS = [f"r-{number}" for number in range(1, 7)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    queries(tmp_path, IDS, ["TVs", "Digital Cameras", "Radios"])
    return tmp_path


def sheet(folder: Path, name: str = "sheet.csv", annotator: str = "kim", round_: int = 0, **labels: str) -> str:
    rows = [f"{id_.replace('_', '-')},{round_},{label},{annotator}" for id_, label in labels.items()]
    (folder / name).write_text("altool_id,altool_round,label,annotator\n" + "\n".join(rows) + "\n")
    return name


def fragments(folder: Path) -> set[str]:
    return {path.name for path in (folder / "log").glob("*.parquet")}


def test_a_corrected_answer_counts_and_the_import_says_so(folder: Path) -> None:
    imported(folder, sheet(folder, r_1="TVs", r_2="Radios"))
    summary = imported(folder, sheet(folder, r_1="Digital Cameras", r_2="Radios"))
    assert (summary["imported"], summary["known"], summary["changed"], summary["conflicts"]) == (1, 1, 1, 0)
    assert summary["warnings"] == ["1 answer changed (r-1: TVs -> Digital Cameras)"]
    assert summary["line"].startswith("imported 1 label (1 changed, 1 known) -> ")
    assert counted(folder) == {"r-1": "Digital Cameras", "r-2": "Radios"}
    before = fragments(folder)
    assert imported(folder, "sheet.csv")["known"] == 2
    assert fragments(folder) == before


def test_the_older_sheet_again_does_not_flip_it_back(folder: Path) -> None:
    imported(folder, sheet(folder, "old.csv", r_1="TVs"))
    imported(folder, sheet(folder, "new.csv", r_1="Digital Cameras"))
    before = fragments(folder)
    summary = imported(folder, "old.csv")
    assert (summary["known"], summary["outdated"], fragments(folder)) == (1, 1, before)
    assert summary["warnings"] == [
        "1 answer of the export was changed since, and the log stays as it is (r-1: TVs -> Digital Cameras); "
        "if the export is newer, give labeled_at or a later --round"
    ]
    assert counted(folder) == {"r-1": "Digital Cameras"}
    imported(folder, "old.csv", round=1)
    assert counted(folder) == {"r-1": "TVs"}


def test_time_goes_before_the_order_of_imports(folder: Path) -> None:
    head = "altool_id,label,annotator,labeled_at\n"
    (folder / "late.csv").write_text(head + "r-1,TVs,kim,2026-01-02T00:00:00Z\n")
    (folder / "early.csv").write_text(head + "r-1,Radios,kim,2026-01-01T00:00:00Z\n")
    for order in permutations(("late.csv", "early.csv")):
        log = {"labels": str(folder / f"log-{order[0]}")}
        for name in order:
            imported(folder, name, **log)
        assert imported(folder, "early.csv", **log)["outdated"] == 0
        (folder / "log").symlink_to(log["labels"]) if not (folder / "log").exists() else None
        assert counted(folder) == {"r-1": "TVs"}
        (folder / "log").unlink()


def test_a_dated_correction_of_an_undated_answer(folder: Path) -> None:
    imported(folder, sheet(folder, r_1="TVs"))
    (folder / "dated.csv").write_text("altool_id,altool_round,label,annotator,labeled_at\nr-1,0,Radios,kim,2026-01-01T00:00:00Z\n")
    assert imported(folder, "dated.csv")["changed"] == 1
    assert counted(folder) == {"r-1": "Radios"}


def test_a_skip_may_correct_a_label_and_the_other_way_round(folder: Path) -> None:
    imported(folder, sheet(folder, r_1="TVs", r_2="?"))
    summary = imported(folder, sheet(folder, r_1="?", r_2="Radios"))
    assert summary["warnings"][0] == "2 answers changed (r-1: TVs -> skip, r-2: skip -> Radios)"
    assert counted(folder) == {"r-1": None, "r-2": "Radios"}


def test_two_answers_in_one_export_stay_a_conflict(folder: Path) -> None:
    sheet(folder, "a.csv", r_1="TVs", r_2="Radios")
    sheet(folder, "b.csv", r_1="Radios")
    for names in (("a.csv", "b.csv"), ("b.csv", "a.csv")):
        summary = imported(folder, *names, labels=str(folder / names[0]) + ".log")
        assert (summary["imported"], summary["conflicts"]) == (1, 2)


@pytest.mark.slow
def test_what_one_import_adds_does_not_depend_on_the_order_of_its_files(folder: Path) -> None:
    for number, person in enumerate(("kim", "lee", "mo")):
        sheet(folder, f"{person}.csv", person, r_1="TVs" if number else "Radios", r_2="TVs")
    found = set()
    for names in permutations(("kim.csv", "lee.csv", "mo.csv")):
        log = folder / "-".join(names)
        imported(folder, *names, labels=str(log))
        found.add(tuple((path.name, path.read_bytes()) for path in sorted(log.glob("*.parquet"))))
    assert len(found) == 1


@pytest.mark.slow
def test_corrections_at_once_lose_nothing(folder: Path) -> None:
    """Whoever is last counts; no import overtakes another, and every number is there once."""
    for number in range(8):
        sheet(folder, f"s{number}.csv", r_1=("TVs", "Radios")[number % 2], **{f"r_{2 + number % 5}": "TVs"})
    command = ["import-labels", "--labels", "log", "--queries", "q.parquet", "--quiet"]
    started = [program.Running([*command, f"s{number}.csv"], folder) for number in range(8)]
    ended = [run.end() for run in started]
    assert [status for status, _ in ended] == [0] * 8, ended
    numbers = [json.loads(pq.read_schema(folder / "log" / name).metadata[b"altool.provenance"])["import"] for name in fragments(folder)]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    last = max((row for row in log_rows(folder) if row["id"] == "r-1"), key=lambda row: row["arrival"])
    assert counted(folder)["r-1"] == last["label"]
    assert set(counted(folder)) == set(IDS)


def test_an_answer_that_was_taken_back(folder: Path) -> None:
    imported(folder, sheet(folder, r_1="TVs", r_2="Radios"))
    sheet(folder, "second.csv", r_1="", r_2="Radios")
    summary = imported(folder, "second.csv")
    assert (summary["gone"], summary["known"], summary["unlabeled"], summary["withdrawn"]) == (1, 1, 1, 0)
    assert summary["warnings"] == ["1 answer is gone from the export, but not from the log (ids r-1): --withdraw"]
    assert counted(folder) == {"r-1": "TVs", "r-2": "Radios"}
    summary = imported(folder, "second.csv", withdraw=True)
    assert (summary["withdrawn"], summary["line"].partition(" ->")[0]) == (1, "imported nothing, withdrew 1 answer (1 known, 1 unlabeled)")
    assert counted(folder) == {"r-2": "Radios"}
    before = fragments(folder)
    assert (imported(folder, "second.csv", withdraw=True)["withdrawn"], fragments(folder)) == (0, before)
    assert imported(folder, "sheet.csv")["outdated"] == 1
    assert counted(folder) == {"r-2": "Radios"}
    imported(folder, sheet(folder, "third.csv", r_1="Digital Cameras"))  # answered again
    assert counted(folder) == {"r-1": "Digital Cameras", "r-2": "Radios"}


def test_an_annotation_that_was_deleted_in_label_studio(folder: Path) -> None:
    """Its task is there without it, so that nothing names who had answered; but she answers others of the export."""
    chosen = [{"from_name": "label", "type": "choices", "value": {"choices": ["TVs"]}}]
    tasks = [{"data": {"altool_id": id_}, "annotations": [{"completed_by": 1, "result": chosen}]} for id_ in ("r-1", "r-2")]
    (folder / "e").write_text(json.dumps(tasks))
    imported(folder, "e")
    (folder / "e").write_text(json.dumps([{**tasks[0], "annotations": []}, tasks[1]]))
    assert imported(folder, "e", withdraw=True)["withdrawn"] == 1
    assert counted(folder) == {"r-2": "TVs"}


def test_nobody_elses_answer_is_gone(folder: Path) -> None:
    imported(folder, sheet(folder, r_1="TVs", r_2="Radios"))
    for options in ({"annotator": "lee"}, {"annotator": "kim", "round_": 1}, {"annotator": ""}):
        assert imported(folder, sheet(folder, "other.csv", **options, r_1=""))["gone"] == 0  # type: ignore[arg-type]


def test_a_rejected_answer_of_the_log_is_gone(folder: Path) -> None:
    record = {"altool_id": "r-1", "label": "TVs", "_task_hash": 1, "_annotator_id": "kim"}
    for answer in ("accept", "reject"):
        (folder / "e").write_text(json.dumps({**record, "answer": answer}) + "\n")
        summary = imported(folder, "e")
    assert (summary["gone"], summary["rejected"]) == (1, 1)
    (folder / "e").write_text(json.dumps({**record, "label": "Radios", "answer": "reject"}) + "\n")
    assert imported(folder, "e")["gone"] == 0  # another class was rejected


@pytest.mark.slow
def test_a_withdrawn_answer_is_in_the_pool_again(folder: Path, altool: Callable[..., Any]) -> None:
    imported(folder, sheet(folder, r_1="TVs", r_2="Radios"))
    imported(folder, sheet(folder, r_1="", r_2="Radios"), withdraw=True)
    (folder / "items.csv").write_text("id\n" + "\n".join(IDS) + "\n")
    altool("select", "--strategy", "random", "--budget", 6, "--items", "items.csv", "--labels", "log", "-o", "next.parquet")
    assert sorted(pq.read_table(folder / "next.parquet")["id"].to_pylist()) == ["r-1", *IDS[2:]]


def test_who_answered_a_sheet_without_names(folder: Path) -> None:
    for person, label in (("kim", "TVs"), ("lee", "Radios"), ("mo", "Radios")):
        sheet(folder, f"{person}.csv", "", r_1=label)
    summary = imported(folder, "kim.csv", "lee.csv", "mo.csv", annotator="file")
    assert (summary["imported"], summary["disagreements"], counted(folder)) == (3, 1, {"r-1": "Radios"})
    assert {row["annotator"] for row in log_rows(folder)} == {"kim", "lee", "mo"}
    assert imported(folder, "kim.csv", annotator="kim")["known"] == 1
    sheet(folder, "named.csv", "eve", r_2="TVs")
    imported(folder, "named.csv", annotator="kim")  # a name in the sheet stays
    assert {row["annotator"] for row in log_rows(folder) if row["id"] == "r-2"} == {"eve"}
    with pytest.raises(UsageError, match="has no file name"):
        imported(folder, "kim.csv", annotator=" ")


def test_sheets_without_names_one_after_another_say_who_may_be_two_people(folder: Path) -> None:
    imported(folder, sheet(folder, "kim.csv", "", r_1="TVs"))
    assert imported(folder, sheet(folder, "lee.csv", "", r_1="Radios"))["warnings"] == [
        "1 answer changed (r-1: TVs -> Radios); if they are different people's, name the annotators: --annotator NAME or file"
    ]


def annotation(**values: Any) -> dict[str, Any]:
    return {
        "altool_id": "r-1",
        "id": 1,
        "label": "TVs",
        "annotation_id": 101,
        "updated_at": "2024-05-01T10:00:00Z",
        "lead_time": 4.2,
        **values,
    }


def full(**values: Any) -> list[dict[str, Any]]:
    chosen = [{"from_name": "label", "type": "choices", "value": {"choices": ["TVs"]}}]
    own = {"id": 101, "completed_by": {"id": 1, "email": "kim@example.org"}, "updated_at": "2024-05-01T10:00:00Z", "lead_time": 4.2}
    return [{"id": 1, "data": {"altool_id": "r-1"}, "annotations": [{**own, "result": chosen, **values}]}]


def test_one_annotation_of_two_exports_is_one(folder: Path) -> None:
    (folder / "full.json").write_text(json.dumps(full()))
    (folder / "min.json").write_text(json.dumps([annotation(annotator=1), annotation(altool_id="r-2", annotation_id=102, annotator=1)]))
    imported(folder, "full.json")
    summary = imported(folder, "min.json")
    assert (summary["imported"], summary["known"]) == (1, 1)
    assert {(row["id"], row["annotator"]) for row in log_rows(folder)} == {("r-1", "kim@example.org"), ("r-2", "kim@example.org")}
    both = imported(folder, "min.json", "full.json", labels=str(folder / "other"))
    assert (both["imported"], both["known"]) == (2, 1)


def test_where_it_cannot_be_told_the_other_names_are_told(folder: Path) -> None:
    (folder / "full.json").write_text(json.dumps(full()))
    (folder / "min.json").write_text(json.dumps([annotation(annotator=1, updated_at="2024-05-02T10:00:00Z")]))
    imported(folder, "full.json")
    assert imported(folder, "min.json")["warnings"] == [
        "annotators have other names than in the log (1 here, kim@example.org there): if they are the same people their answers count "
        "twice; export them as before"
    ]


def test_late_answers_to_an_older_round(folder: Path) -> None:
    queries(folder, ["r-5"], ["TVs"], round_=1, name="q1.parquet")
    both = {"queries": [str(folder / "q.parquet"), str(folder / "q1.parquet")]}
    imported(folder, sheet(folder, round_=1, r_5="TVs"), **both)
    imported(folder, sheet(folder, r_1="Radios"), **both)
    assert {row["id"]: row["round"] for row in log_rows(folder)} == {"r-1": 0, "r-5": 1}


def test_a_class_is_renamed_in_the_log(folder: Path) -> None:
    (folder / "e.csv").write_text(
        "altool_id,altool_round,label,annotator,labeled_at,suggestion\nr-1,0,TVs,kim,2026-01-01T00:00:00Z,TVs\nr-2,0,Radios,kim,,\nr-3,0,TVs,kim,,\n"
    )
    imported(folder, "e.csv")
    summary = imported(folder, rename=["TVs=Televisions"])
    assert (summary["renamed"], summary["withdrawn"], summary["line"].partition(" ->")[0]) == (2, 0, "renamed 2 labels, withdrew 0 labels")
    assert counted(folder) == {"r-1": "Televisions", "r-2": "Radios", "r-3": "Televisions"}
    renamed = [row for row in log_rows(folder) if row["status"] == "renamed"]
    assert [(row["id"], row["label"], row["suggested_label"]) for row in renamed] == [
        ("r-1", "Televisions", "Televisions"),
        ("r-3", "Televisions", None),
    ]
    before = fragments(folder)
    again = imported(folder, "e.csv")  # the old sheet does not bring the old name back
    assert (again["known"], again["warnings"], counted(folder)["r-1"]) == (3, [], "Televisions")
    assert (imported(folder, rename=["TVs=Televisions"])["line"], fragments(folder)) == ("no change", before)


def test_classes_are_renamed_there_and_back_and_swapped(folder: Path) -> None:
    imported(folder, sheet(folder, r_1="TVs", r_2="Radios"))
    for step, expected in (
        ("TVs=Sets", ["Sets", "Radios"]), ("Sets=TVs", ["TVs", "Radios"]), ("TVs=Sets", ["Sets", "Radios"]),
        ("Sets=Radios,Radios=Sets", ["Radios", "Sets"]),
    ):  # fmt: skip
        imported(folder, rename=[step])
        assert list(counted(folder).values()) == expected
    imported(folder, sheet(folder, "new.csv", r_1="Digital Cameras"))  # and people still correct themselves
    assert counted(folder) == {"r-1": "Digital Cameras", "r-2": "Sets"}


def test_a_class_is_dropped_from_the_log(folder: Path) -> None:
    imported(folder, sheet(folder, r_1="TVs", r_2="Radios", r_3="TVs"))
    summary = imported(folder, drop_class=["TVs"], rename=["Radios=Sets"])
    assert (summary["renamed"], summary["withdrawn"]) == (1, 2)
    assert counted(folder) == {"r-2": "Sets"}
    imported(folder, "sheet.csv")
    assert counted(folder) == {"r-2": "Sets"}


def test_corrections_that_mean_nothing(folder: Path) -> None:
    with pytest.raises(InputError, match=r"labels .*log: no such folder"):
        imported(folder, rename=["a=b"])
    imported(folder, sheet(folder, r_1="TVs"))
    with pytest.raises(InputError, match='no label was ever of class "TV"') as error:
        imported(folder, rename=["TV=Sets"])
    assert error.value.hint == 'its classes are "TVs"'
    with pytest.raises(UsageError, match="'TVs' is given twice"):
        imported(folder, rename=["TVs=a", "TVs=b"])
    with pytest.raises(UsageError, match="'TVs' is given twice"):
        imported(folder, rename=["TVs=a"], drop_class=["TVs"])
    with pytest.raises(UsageError, match="EXPORT has no effect with --rename"):
        imported(folder, "sheet.csv", queries=None, rename=["TVs=a"])
    with pytest.raises(UsageError, match="--trim has no effect with --drop-class"):
        imported(folder, drop_class=["TVs"], trim=True)


def test_what_was_corrected_costs_once(folder: Path) -> None:
    """A renamed answer is no second one: its seconds are counted once, and the suggestion of the old name was accepted."""
    (folder / "e.csv").write_text(
        "altool_id,altool_round,label,annotator,seconds,suggestion\nr-1,0,TVs,kim,4,TVs\nr-2,0,Radios,kim,6,TVs\n"
    )
    imported(folder, "e.csv")
    imported(folder, rename=["TVs=Sets"])
    table = read_log(folder)
    found = of_log(table, resolve(table), [])
    assert found is not None
    assert (found.total, found.suggestions()) == (10, (2, 1))
