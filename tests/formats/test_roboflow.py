"""Roboflow's _classes.csv."""

from __future__ import annotations

from pathlib import Path

from imports import imported, said

NAMES = "filename, negative, positive, Unlabeled\n"


def test_one_hot(folder: Path) -> None:
    rows = ["r-1.jpg, 0, 1, 0", "r-2.jpg, 1, 1, 0", "r-3.jpg, 0, 0, 0", "r-4.jpg, 0, 0, 1", "r-5_jpg.rf.0a1b2c.jpg, 1, 0, 0"]
    (folder / "_classes.csv").write_text(NAMES + "\n".join(rows) + "\n")
    summary = imported(folder, "_classes.csv")
    assert said(folder) == {"r-1": ("positive", None, "explore"), "r-5": ("negative", None, "explore")}
    assert (summary["unlabeled"], summary["refused"]) == (2, {"several classes": 1})


def test_in_its_folder_the_splits_are_no_classes(folder: Path) -> None:
    for split, name in (("train", "r-1"), ("valid", "r-2")):
        (folder / "set" / split).mkdir(parents=True)
        (folder / "set" / split / f"{name}.jpg").write_bytes(b"\xff\xd8\xff")
        (folder / "set" / split / "_classes.csv").write_text(f"filename, negative, positive\n{name}.jpg, 0, 1\n")
    (folder / "set" / "README.roboflow.txt").write_text("made-up, text\n1, 2\n")
    assert imported(folder, "set")["imported"] == 2
    assert {label for label, _, _ in said(folder).values()} == {"positive"}


def test_names_that_roboflow_gave_are_matched(folder: Path) -> None:
    (folder / "e.csv").write_text("filename,negative,positive\n1_jpg.rf.0a1b.jpg,0,1\n")
    assert imported(folder, "e.csv", match="path", items=str(folder / "pictures.parquet"))["imported"] == 1
    assert set(said(folder)) == {"r-1"}
