"""People's sheets that happen to have columns like a tool's are no files of that tool."""

from __future__ import annotations

from pathlib import Path

import pytest
from imports import imported, said

pytestmark = pytest.mark.slow

SHEETS = {
    "Roboflow's, by two columns of 0 and 1": "altool_id,filename,label,done\nr-1,a.jpg,1,0\nr-2,b.jpg,0,1\n",
    "Roboflow's, by two annotators": "altool_id,filename,annotator:kim,annotator:lee\nr-1,a.jpg,1,1\nr-2,b.jpg,0,0\n",
    "doccano's, by its comments": "id,altool_id,text,label,skip,annotator,Comments\n1,r-1,t,1,,kim,\n2,r-2,t,0,,kim,why\n",
    "Argilla's, by two columns": "altool_id,label,annotation,prediction\nr-1,1,x,y\nr-2,0,x,y\n",
    "FiftyOne's, by one column": "altool_id,label,samples\nr-1,1,3\nr-2,0,4\n",
}


@pytest.mark.parametrize("sheet", SHEETS)
def test_a_sheet_is_a_sheet(folder: Path, sheet: str) -> None:
    (folder / "e.csv").write_text(SHEETS[sheet])
    imported(folder, "e.csv", classes="0,1")
    found = {row: label for row, (label, _, _) in said(folder).items()} if "two annotators" not in sheet else None
    assert found in (None, {"r-1": "1", "r-2": "0"})


def test_skips_of_a_sheet_with_comments_are_heard(folder: Path) -> None:
    (folder / "e.csv").write_text("altool_id,id,text,label,skip,Comments\nr-1,1,t,positive,,\nr-2,2,t,,x,\n")
    assert imported(folder, "e.csv")["skipped"] == 1
