"""Excel workbooks, cell by cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from imports import imported, log_rows, said
from sheets import Raw, xlsx

from altool.errors import InputError

NAMES = ["altool_id", "label", "annotator", "labeled_at"]


def write(folder: Path, *sheets: list[list[Any]], **values: Any) -> None:
    (folder / "e.xlsx").write_bytes(xlsx(*sheets, **values))


def test_a_filled_sheet(folder: Path) -> None:
    rows = [["r-1", "positive", "kim"], [], ["r-2", None, "kim"], ["r-3", "'=1+1", "größe 😀"]]
    write(folder, [NAMES, *rows, []], [[]])
    summary = imported(folder, "e.xlsx", allow_new_classes=True)
    assert said(folder) == {"r-1": ("positive", "kim", "explore"), "r-3": ("=1+1", "größe 😀", "explore")}
    assert summary["unlabeled"] == 2


def test_numbers_truth_values_and_dates(folder: Path) -> None:
    day = Raw('<c s="1"><v>45413</v></c>')  # 2024-05-01, in a format that every workbook has
    noon = Raw('<c s="2"><v>45413.5</v></c>')
    write(folder, [NAMES, [1, 7, "kim", day], [2, True, "kim", noon], [3.0, 2.5, "kim"]])
    summary = imported(folder, "e.xlsx", queries=None, time_zone="UTC")
    rows = log_rows(folder)
    assert [(row["id"], row["label"]) for row in rows] == [("1", "7"), ("2", "TRUE"), ("3", "2.5")]
    assert [str(row["labeled_at"]) for row in rows[:2]] == ["2024-05-01 00:00:00+00:00", "2024-05-01 12:00:00+00:00"]
    assert summary["imported"] == 3


def test_formulas_are_read_by_the_values_that_were_kept(folder: Path) -> None:
    kept = Raw('<c t="str"><f>A1&amp;"x"</f><v>positive</v></c>')
    rich = Raw("<c t='inlineStr'><is><r><t>nega</t></r><r><t>tive</t></r><rPh><t>x</t></rPh></is></c>")
    write(folder, [NAMES, ["r-1", kept], ["r-2", rich]])
    imported(folder, "e.xlsx")
    assert [label for label, _, _ in said(folder).values()] == ["positive", "negative"]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("<c><f>B1</f></c>", "cell B2: a formula without a value"),
        ('<c t="e"><v>#N/A</v></c>', "cell B2: found the error value #N/A"),
        ("<c><v>x</v></c>", "damaged"),
    ],
)
def test_cells_that_are_refused(folder: Path, cell: str, message: str) -> None:
    write(folder, [NAMES, ["r-1", Raw(cell)]])
    with pytest.raises(InputError, match=message):
        imported(folder, "e.xlsx")


def test_which_sheet(folder: Path) -> None:
    rows = [NAMES, ["r-1", "positive"]]
    write(folder, rows, rows)
    with pytest.raises(InputError, match=r"found 2 sheets with rows \(Sheet1, Sheet2\)"):
        imported(folder, "e.xlsx")
    write(folder, rows, rows, hidden=[1])
    assert imported(folder, "e.xlsx")["imported"] == 1
    write(folder, [])
    with pytest.raises(InputError, match="no sheet with rows"):
        imported(folder, "e.xlsx")


def test_a_document_type_is_refused(folder: Path) -> None:
    cell = '<c t="inlineStr"><is><t>&a;</t></is></c>'
    bomb = f'<!DOCTYPE x [<!ENTITY a "ha">]><worksheet><sheetData><row>{cell}</row></sheetData></worksheet>'
    write(folder, more={"xl/worksheets/sheet1.xml": bomb, "xl/styles.xml": bomb})
    with pytest.raises(InputError, match="DOCTYPE"):
        imported(folder, "e.xlsx")


def test_another_tools_columns_in_a_workbook(folder: Path) -> None:
    names = ["HITId", "WorkerId", "AssignmentStatus", "Input.altool_id", "Answer.label"]
    write(folder, [names, ["H1", "W1", "Approved", "r-1", "positive"], ["H2", "W1", "Rejected", "r-2", "positive"]])
    assert (imported(folder, "e.xlsx")["rejected"], set(said(folder))) == (1, {"r-1"})


def test_a_refusal_names_the_row(folder: Path) -> None:
    write(folder, [NAMES, ["r-1", "positive"], ["r-9", "positive"]])
    assert "e.xlsx row 3" in imported(folder, "e.xlsx")["warnings"][0]
