"""A folder per class."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from imports import imported, said

from altool.errors import InputError


def pictures(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\x89PNG\r\n\x1a\n\0")


def test_the_folder_is_the_class(folder: Path) -> None:
    pictures(folder, "positive/r-1.jpg", "negative/r-2.PNG", "no_label/r-3.jpg", "positive/r-4.jpg", "negative/r-4.jpg")
    (folder / "set" / "synsets.txt").write_text("positive\nnegative\n")
    summary = imported(folder, "set")
    assert said(folder) == {"r-1": ("positive", None, "explore"), "r-2": ("negative", None, "explore")}
    assert (summary["records"], summary["unlabeled"], summary["refused"]) == (5, 1, {"conflict": 2})


def test_in_an_archive_and_below_splits(folder: Path) -> None:
    with zipfile.ZipFile(folder / "e.zip", "w") as archive:
        for name in ("set/train/positive/r-1.jpg", "set/test/negative/r-2.jpg", "__MACOSX/set/train/positive/._r-1.jpg"):
            archive.writestr(name, b"x")
    assert imported(folder, "e.zip")["records"] == 2
    assert [label for label, _, _ in said(folder).values()] == ["positive", "negative"]


@pytest.mark.parametrize("names", [["r-1.jpg"], ["positive/r-1.jpg"], ["train/r-1.jpg", "test/r-2.jpg"]])
def test_folders_that_are_no_classes(folder: Path, names: list[str]) -> None:
    pictures(folder, *names)
    with pytest.raises(InputError, match="pictures without a folder per class"):
        imported(folder, "set")
    assert not (folder / "log").exists()


def test_one_folder_that_is_a_known_class(folder: Path) -> None:
    pictures(folder, "positive/r-1.jpg")
    assert imported(folder, "set", classes="positive,negative")["imported"] == 1


def test_files_are_matched_by_their_names(folder: Path) -> None:
    pictures(folder, "positive/1.jpg", "negative/2.jpg", "negative/r-4.jpg")
    summary = imported(folder, "set", match="path", items=str(folder / "pictures.parquet"))
    assert set(said(folder)) == {"r-1"}
    assert summary["refused"] == {"ambiguous path": 1, "no item with its path": 1}
