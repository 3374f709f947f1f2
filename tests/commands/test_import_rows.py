"""Which row an answer is of: rank and round, text and path, another tool's ids, half characters; and where a refused row stands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from imports import counted, imported, queries

from altool.errors import InputError
from altool.labels.table import fragile

LONG = [9912140633506400 + number for number in range(1, 13)]


def test_a_rounded_id_is_not_that_of_its_rank(tmp_path: Path) -> None:
    """A spreadsheet keeps 15 digits: the ids come back as …400 or …410, of which the pool has one."""
    queries(tmp_path, LONG, ["positive"])
    rows = [f"{int(float(f'{id_:.15g}'))},0,{rank},positive\n" for rank, id_ in enumerate(LONG, 1) if rank in (5, 10, 11)]
    (tmp_path / "back.csv").write_text("altool_id,altool_round,altool_rank,label\n" + "".join(rows))
    summary = imported(tmp_path, "back.csv")
    assert summary["refused"] == {"the id is not that of its rank and round": 2}
    assert counted(tmp_path) == {LONG[9]: "positive"}
    assert "back.csv line 2" in summary["warnings"][0]
    assert f"rank 5 of round 0 is {LONG[4]}" in summary["warnings"][0]
    assert imported(tmp_path, "back.csv", columns="rank=")["refused"] == {"unknown id": 1}  # the other one lands on …410


def test_zeros_that_a_spreadsheet_took_away(tmp_path: Path) -> None:
    queries(tmp_path, ["0004", "0011"], ["positive"])
    (tmp_path / "sheet.csv").write_text("altool_id,altool_rank,label\n4,1,positive\n11,2.0,positive\n")
    with pytest.raises(InputError, match=r"the id is not that of its rank and round, 2 rows .*rank 1 of round 0 is 0004") as error:
        imported(tmp_path, "sheet.csv")
    assert "did a spreadsheet change the ids?" in error.value.hint


def test_several_tables_of_a_round_share_ranks(tmp_path: Path) -> None:
    queries(tmp_path, ["a", "b"], ["cat"])
    queries(tmp_path, ["c"], ["cat"], name="q2.parquet")
    (tmp_path / "e.csv").write_text("altool_id,altool_round,altool_rank,label\nc,0,1,cat\na,0,1,cat\nb,0,1,cat\n")
    summary = imported(tmp_path, "e.csv", queries=[str(tmp_path / "q.parquet"), str(tmp_path / "q2.parquet")])
    assert (summary["imported"], sum(summary["refused"].values())) == (2, 1)


ITEMS = "id,text\n" + "".join(f"{number},Made-up sentence {number}\n" for number in range(1, 41))


def test_another_tools_number_is_no_id(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text(ITEMS)
    (tmp_path / "all.csv").write_text("id,text,label,Comments\n3,Made-up sentence 24,positive,\n5,Made-up sentence 5,positive,\n")
    items = {"items": str(tmp_path / "items.csv")}
    with pytest.raises(InputError, match="no record has 'altool_id'"):
        imported(tmp_path, "all.csv", **items)
    summary = imported(tmp_path, "all.csv", id_col="id", **items)
    assert (summary["refused"], counted(tmp_path)) == ({"the text is not that of its id": 1}, {"5": "positive"})
    assert imported(tmp_path, "all.csv", id_col="id", columns="text=", **items)["imported"] == 1


@pytest.mark.parametrize("form", ["csv", "json", "label-studio"])
def test_a_row_with_another_text_is_refused_in_every_format(tmp_path: Path, form: str) -> None:
    (tmp_path / "items.csv").write_text(ITEMS)
    rows = [("3", "Made-up  sentence 3 "), ("4", "Made-up sentence 24")]
    chosen = [{"from_name": "label", "type": "choices", "value": {"choices": ["cat"]}}]
    content = {
        "csv": "altool_id,text,label\n" + "".join(f"{id_},{text},cat\n" for id_, text in rows),
        "json": json.dumps([{"altool_id": id_, "text": text, "label": "cat"} for id_, text in rows]),
        "label-studio": json.dumps([{"data": {"altool_id": id_, "text": text}, "annotations": [{"result": chosen}]} for id_, text in rows]),
    }[form]
    (tmp_path / "e").write_text(content)
    assert imported(tmp_path, "e", items=str(tmp_path / "items.csv"))["refused"] == {"the text is not that of its id": 1}
    assert counted(tmp_path) == {"3": "cat"}


@pytest.mark.slow
def test_ids_that_a_spreadsheet_changes_are_told_on_the_way_out(tmp_path: Path, altool: Callable[..., Any]) -> None:
    (tmp_path / "items.csv").write_text("id,text\n0004,a\nr-1,b\n")
    arguments = ("select", "--strategy", "random", "--budget", 2, "--items", "items.csv")
    done = altool(*arguments, "--export", "csv=todo.csv", "-o", "q.parquet")
    assert "warning: --export csv: a spreadsheet changes 1 of these ids (0004); " in done.said
    assert (tmp_path / "todo.csv").read_text().splitlines()[0].split(",")[-4:] == ["label", "skip", "annotator", "comment"]
    assert "a spreadsheet" not in altool(*arguments, "--export", "label-studio=todo.json", "-o", "q2.parquet").said


def test_which_ids_a_spreadsheet_changes() -> None:
    changed = ["007", "1234567890123456", "12E5", "3-4", "1/2/2024", "2024-01-31", "MAR1", "1-Mar", "12:30", "TRUE", 9912140633506405]
    assert fragile(changed) == changed
    assert fragile(["r-01", "0", "12", "train/0001", 123456789012345, "a1e5", "cat", "3a-4"]) == []


@pytest.mark.parametrize("key", ["altool_id", "label", "annotator"])
def test_half_a_character_costs_its_row_alone(tmp_path: Path, key: str) -> None:
    row = json.dumps({"altool_id": "r-1", "label": "positive", "annotator": "kim", key: "a@b"}).replace("@", "\\ud83d")
    (tmp_path / "e").write_text(row + '\n{"altool_id":"r-2","label":"negative","text":"\\ud83d half"}\n')
    summary = imported(tmp_path, "e")
    assert (summary["refused"], counted(tmp_path)) == ({"half a character": 1}, {"r-2": "negative"})


def test_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    broken = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")])
    pq.write_table(pa.table({"altool_id": ["r-1"], "label": broken}), tmp_path / "e.parquet")
    with pytest.raises(InputError, match="column 'label': it holds text that is not UTF-8"):
        imported(tmp_path, "e.parquet")


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("a.csv", "altool_id,label\nr-1,cat\nr-9,cat\n", "a.csv line 3"),
        ("b.jsonl", '{"altool_id": "r-1", "label": "cat"}\n{"altool_id": "r-9", "label": "cat"}\n', "b.jsonl line 2"),
        ("c.json", '[{"altool_id": "r-1", "label": "cat"},\n {"altool_id": "r-9", "label": "cat"}]', "c.json entry 2"),
    ],
)
def test_a_refusal_says_where(tmp_path: Path, name: str, content: str, place: str) -> None:
    queries(tmp_path, ["r-1"], ["cat"])
    (tmp_path / name).write_text(content)
    (text,) = imported(tmp_path, name)["warnings"]
    assert text.startswith(f"refused: unknown id, 1 row (ids r-9; {tmp_path}/{place}); ")


def test_a_column_that_only_happens_to_be_called_like_ours(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("altool_id,text,source,status,label,annotator\nr-1,a,twitter,done,positive,kim\n")
    said = r"column 'source': 1 row with another value than .* \(twitter; ids r-1\); column 'status': 1 row with .* \(done; ids r-1\)"
    with pytest.raises(InputError, match=said) as error:
        imported(tmp_path, "rows.csv")
    assert "--columns source=,status=;" in error.value.hint
    assert imported(tmp_path, "rows.csv", columns="source=,status=")["imported"] == 1
