"""Rows without our ids, by `--match`; files in other encodings; and sheets as people send them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from imports import imported, log_rows, queries, said

from altool.errors import InputError, UsageError

pytestmark = pytest.mark.slow

IDS = ["0004", "0011", "0020", "0021"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    queries(tmp_path, IDS, ["positive", "negative"])
    texts = ["größe  one", "two", "the same", "the same"]
    pq.write_table(pa.table({"id": IDS, "text": texts}), tmp_path / "texts.parquet")
    pq.write_table(pa.table({"id": IDS, "path": ["a/1.jpg", "b/1.jpg", "b/x y.jpg", "3.jpg"]}), tmp_path / "pictures.parquet")
    return tmp_path


def test_by_text(folder: Path) -> None:
    (folder / "e.csv").write_text("text,label\ngro\u0308ße one,positive\ntwo,negative\nthe same,positive\nfive,positive\n,positive\ntwo,\n")
    summary = imported(folder, "e.csv", match="text", items=str(folder / "texts.parquet"))
    assert said(folder) == {"0004": ("positive", None, "explore"), "0011": ("negative", None, "explore")}
    assert summary["refused"] == {"no item with its text": 2, "ambiguous text": 1}
    assert (summary["records"], summary["unlabeled"]) == (6, 1)
    assert "ambiguous text, 1 row (" in "".join(summary["warnings"])
    assert "e.csv line 4" in "".join(summary["warnings"])


def test_the_tools_own_ids_are_not_looked_at(folder: Path) -> None:
    records = [{"id": 4, "text": "two", "label": "positive"}, {"id": 20, "text": "größe one", "label": "negative"}]
    (folder / "e.json").write_text(json.dumps(records))
    imported(folder, "e.json", match="text", items=str(folder / "texts.parquet"))
    assert said(folder) == {"0011": ("positive", None, "explore"), "0004": ("negative", None, "explore")}
    assert imported(folder, "e.json", match="text", items=str(folder / "texts.parquet"))["known"] == 2


def test_by_path(folder: Path) -> None:
    names = ["a/1.jpg", "https://host/files/b/1.jpg?token=x", "0a1b2c3d-x%20y.jpg", "1.jpg", "4.jpg"]
    records = [{"data": {"image": name}, "annotations": [annotation("positive")]} for name in names]
    (folder / "e.json").write_text(json.dumps(records))
    summary = imported(folder, "e.json", match="path", items=str(folder / "pictures.parquet"))
    assert set(said(folder)) == {"0004", "0011", "0020"}
    assert summary["refused"] == {"ambiguous path": 1, "no item with its path": 1}


def annotation(label: str) -> dict[str, Any]:
    result = [{"type": "choices", "from_name": "label", "to_name": "image", "value": {"choices": [label]}}]
    return {"completed_by": 1, "was_cancelled": False, "result": result}


def test_two_pictures_of_one_name_are_nobodys(folder: Path) -> None:
    """A name that only one item has, and two pictures of the export: one of them is another picture."""
    (folder / "e.csv").write_text("filename,label\ncats/3.jpg,positive\ndogs/3.jpg,negative\n")
    with pytest.raises(InputError, match="ambiguous path, 2 rows"):
        imported(folder, "e.csv", match="path", items=str(folder / "pictures.parquet"))
    (folder / "e.csv").write_text("filename,label,annotator\ncats/3.jpg,positive,kim\ncats/3.jpg,negative,lee\n")
    assert imported(folder, "e.csv", match="path", items=str(folder / "pictures.parquet"))["imported"] == 2


def test_by_rank_where_a_spreadsheet_took_the_zeros(folder: Path) -> None:
    (folder / "e.csv").write_text("altool_id,altool_round,altool_rank,label\n4,0,1,positive\n11,0,2,\n20,0,3.0,negative\n20,0,9,negative\n")
    with pytest.raises(InputError) as error:
        imported(folder, "e.csv")
    assert "--match rank" in error.value.hint
    summary = imported(folder, "e.csv", match="rank")
    assert said(folder) == {"0004": ("positive", None, "explore"), "0020": ("negative", None, "explore")}
    assert (summary["unlabeled"], summary["refused"]) == (1, {"no item with its rank": 1})
    assert [row["round"] for row in log_rows(folder)] == [0, 0]


def test_a_matched_row_must_still_have_the_text_of_its_item(folder: Path) -> None:
    (folder / "e.csv").write_text("altool_rank,text,label\n1,größe one,positive\n2,größe one,positive\n")
    summary = imported(folder, "e.csv", match="rank", items=str(folder / "texts.parquet"))
    assert (set(said(folder)), summary["refused"]) == ({"0004"}, {"the text is not that of its id": 1})


@pytest.mark.parametrize("form", ["csv", "prodigy", "label-studio"])
def test_the_text_may_stand_in_another_column(folder: Path, form: str) -> None:
    """The items have it in theirs all the same."""
    if form == "csv":
        (folder / "e").write_text("body,label\ntwo,positive\nsix,positive\n")
    elif form == "prodigy":
        marks = {"label": "positive", "answer": "accept", "_task_hash": 1}
        (folder / "e").write_text("".join(json.dumps({"body": text, **marks}) + "\n" for text in ("two", "six")))
    else:
        tasks = [{"data": {"body": text}, "annotations": [annotation("positive")]} for text in ("two", "six")]
        (folder / "e").write_text(json.dumps(tasks))
    summary = imported(folder, "e", match="text", items=str(folder / "texts.parquet"), columns="text=body")
    assert (set(said(folder)), summary["refused"]) == ({"0011"}, {"no item with its text": 1})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"match": "text"}, "--match text needs --items"),
        ({"match": "rank", "queries": None}, "--match rank needs --queries"),
        ({"match": "rank", "id_col": "x"}, "--id-col has no effect with --match"),
    ],
)
def test_what_a_match_needs(folder: Path, options: dict[str, Any], message: str) -> None:
    (folder / "e.csv").write_text("text,label\ntwo,positive\n")
    with pytest.raises(UsageError, match=message):
        imported(folder, "e.csv", **options)


def test_match_from_a_shell(folder: Path, altool: Callable[..., Any]) -> None:
    (folder / "e.csv").write_text("text,label\ntwo,positive\n")
    words = ("import-labels", folder / "e.csv", "--labels", folder / "log", "--match", "sound", "--items", folder / "texts.parquet")
    assert altool(*words, code=2).said == "error: --match: expected text, path or rank, found 'sound'\n"


ENCODINGS = [("cp1252", ";"), ("mac-roman", ","), ("utf-16", "\t"), ("utf-16-le", ","), ("shift-jis", ",")]


@pytest.mark.parametrize(("encoding", "separator"), ENCODINGS)
def test_other_encodings(folder: Path, encoding: str, separator: str) -> None:
    name = "größe" if encoding != "shift-jis" else "日本"
    rows = [["altool_id", "label", "annotator"], ["0004", "positive", name], ["0011", "negative", "kim"]]
    (folder / "e.csv").write_bytes("".join(separator.join(row) + "\r\n" for row in rows).encode(encoding))
    if encoding in ("cp1252", "utf-16"):
        with pytest.raises(InputError, match="not UTF-8") as error:
            imported(folder, "e.csv")
        assert f"--encoding {encoding}" in error.value.hint
    imported(folder, "e.csv", encoding=encoding)
    assert said(folder)["0004"] == ("positive", name, "explore")


def test_an_encoding_that_is_none_or_another(folder: Path) -> None:
    (folder / "e.csv").write_bytes("altool_id,label,annotator\n0004,positive,gr\u00f6\u00dfe\n".encode("cp1252"))
    with pytest.raises(UsageError, match="--encoding: 'latin-99' is unknown"):
        imported(folder, "e.csv", encoding="latin-99")
    with pytest.raises(InputError, match="its text is not ascii"):
        imported(folder, "e.csv", encoding="ascii")


def test_rows_that_end_early_and_columns_without_a_name(folder: Path) -> None:
    (folder / "short.csv").write_text('altool_id,label,annotator,comment\r\n0004,positive,kim,"a\nnote"\r\n0011,negative\r\n0020\r\n')
    summary = imported(folder, "short.csv")
    assert said(folder) == {"0004": ("positive", "kim", "explore"), "0011": ("negative", None, "explore")}
    assert summary["unlabeled"] == 1
    (folder / "unnamed.csv").write_text("altool_id,label,,\n0020,positive,,\n0021,negative,,check this\n")
    assert imported(folder, "unnamed.csv")["imported"] == 2


@pytest.mark.parametrize("content", ["altool_id,label\n0004,positive,x\n", "altool_id,label,annotator\n0004,positive,kim\n0011,nega"])
def test_rows_that_are_too_long_or_cut_off_are_refused(folder: Path, content: str) -> None:
    (folder / "e.csv").write_text(content)
    with pytest.raises(InputError, match="fields, the header has"):
        imported(folder, "e.csv")
