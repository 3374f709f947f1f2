"""doccano: JSON Lines, CSV, fastText lines and archives, in the shapes of its backend."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from imports import imported, log_rows, rejects, said

from altool.errors import InputError
from altool.labels import registry
from altool.labels.exchange import Task


def example(id_: str | None, label: Any, number: int = 7, **values: Any) -> str:
    ours = {} if id_ is None else {"altool_id": id_}
    return json.dumps({"id": number, "text": "t", **ours, "label": label, "Comments": [], **values}) + "\n"


def test_json_lines(folder: Path) -> None:
    content = example("r-1", ["positive"]) + example("r-2", []) + example("r-3", ["positive", "negative"]) + example("r-4", [5])
    (folder / "all.jsonl").write_text(content + example("r-5", [[0, 3, "PER"]]))
    summary = imported(folder, "all.jsonl")
    assert said(folder) == {"r-1": ("positive", None, "explore")}
    assert (summary["unlabeled"], summary["refused"]) == (1, {"label is no text": 2, "several classes": 1})


def test_an_archive_has_a_file_per_annotator(folder: Path) -> None:
    with zipfile.ZipFile(folder / "export.zip", "w") as archive:
        archive.writestr("kim.jsonl", example("r-1", ["positive"]) + example("r-2", ["negative"]))
        archive.writestr("lee.jsonl", example("r-1", ["negative"]))
        archive.writestr("unknown.jsonl", example("r-3", []))
        archive.writestr("nobody.jsonl", "")
    summary = imported(folder, "export.zip")
    assert (summary["imported"], summary["unlabeled"], summary["disagreements"]) == (3, 1, 1)
    assert sorted((row["id"], row["annotator"]) for row in log_rows(folder)) == [("r-1", "kim"), ("r-1", "lee"), ("r-2", "kim")]


def test_all_is_nobodys_name(folder: Path) -> None:
    with zipfile.ZipFile(folder / "export.zip", "w") as archive:
        archive.writestr("all.jsonl", example("r-1", ["positive"]))
    assert (imported(folder, "export.zip")["imported"], said(folder)["r-1"][1]) == (1, None)


def test_csv(folder: Path) -> None:
    (folder / "all.csv").write_text("id,text,label,Comments,altool_id\n1,a,positive,,r-1\n2,b,positive#negative,,r-2\n3,c,,,r-3\n")
    summary = imported(folder, "all.csv")
    assert (set(said(folder)), summary["unlabeled"]) == ({"r-1"}, 1)
    assert rejects(folder) == [("r-2", "positive#negative", "several classes")]


def test_a_class_may_hold_the_mark_that_joins_several(folder: Path) -> None:
    (folder / "all.csv").write_text("id,text,label,Comments,altool_id\n1,a,C#,,r-1\n2,b,a#b,,r-2\n")
    imported(folder, "all.csv", classes="C#,a#b")
    assert [label for label, _, _ in said(folder).values()] == ["C#", "a#b"]


def test_old_versions_keep_what_was_imported_in_meta(folder: Path) -> None:
    (folder / "e").write_text(example(None, ["positive"], meta={"altool_id": "r-1", "altool_round": 0, "altool_rank": 1}))
    assert (imported(folder, "e")["imported"], set(said(folder))) == (1, {"r-1"})


def test_its_own_number_is_no_id(folder: Path) -> None:
    (folder / "e").write_text(example(None, ["positive"]))
    with pytest.raises(InputError, match="no record has 'altool_id'") as error:
        imported(folder, "e")
    assert "--match" in error.value.hint


def test_fasttext_lines_are_known_by_their_text(folder: Path) -> None:
    (folder / "e.txt").write_text("__label__positive made-up sentence 1\n__label__positive __label__negative made-up sentence 2\nmade-up\n")
    with pytest.raises(InputError, match="fastText's lines have no ids"):
        imported(folder, "e.txt")
    summary = imported(folder, "e.txt", match="text", items=str(folder / "texts.parquet"))
    assert said(folder) == {"r-1": ("positive", None, "explore")}
    assert (summary["unlabeled"], summary["refused"]) == (1, {"several classes": 1})


def test_pictures_are_known_by_their_file(folder: Path) -> None:
    (folder / "e").write_text(json.dumps({"id": 1, "filename": "1.jpg", "label": ["positive"], "Comments": []}) + "\n")
    assert imported(folder, "e", match="path", items=str(folder / "pictures.parquet"))["imported"] == 1
    assert set(said(folder)) == {"r-1"}


def test_a_suggestion_goes_beside_the_text_not_as_a_label() -> None:
    files = registry.export("doccano", [Task("r-1", 1, 2, text="größe", suggested_label="positive")], ["positive"])
    assert json.loads(files[""]) == {
        "text": "größe", "label": [], "altool_id": "r-1", "altool_round": 2, "altool_rank": 1, "altool_suggestion": "positive",
    }  # fmt: skip
    with pytest.raises(InputError, match="doccano: 1 query without text"):
        registry.export("doccano", [Task("r-1", 1, 2, path="a.jpg")], [])
