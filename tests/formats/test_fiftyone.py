"""FiftyOne's labels.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from imports import imported, said

from altool.errors import InputError


def write(folder: Path, labels: dict[str, Any], classes: Any = ("positive", "negative")) -> None:
    (folder / "labels.json").write_text(json.dumps({"classes": classes, "labels": labels}))


def test_numbers_names_and_the_machines(folder: Path) -> None:
    machine = {"label": "negative", "confidence": 0.9}
    write(folder, {"r-1": 0, "r-2": "negative", "r-3": None, "r-4": machine, "r-5": [0, 1]})
    summary = imported(folder, "labels.json")
    assert said(folder) == {"r-1": ("positive", None, "explore"), "r-2": ("negative", None, "explore"), "r-4": ("negative", None, "auto")}
    assert (summary["unlabeled"], summary["refused"]) == (1, {"several classes": 1})


def test_a_number_without_a_name_is_none(folder: Path) -> None:
    write(folder, {"r-1": 2, "r-2": -1, "r-3": True, "r-4": [7], "r-5": {"label": 1, "confidence": None}})
    assert imported(folder, "labels.json")["refused"] == {"label is no text": 4}
    assert said(folder) == {"r-5": ("negative", None, "explore")}


def test_other_objects_are_refused(folder: Path) -> None:
    write(folder, {"r-1": 0}, classes={"0": "positive"})
    with pytest.raises(InputError, match="no list of names"):
        imported(folder, "labels.json")
    for content in ({"classes": ["a"], "labels": [0]}, {"samples": [{"filepath": "1.jpg"}]}):
        (folder / "labels.json").write_text(json.dumps(content))
        with pytest.raises(InputError, match="FiftyOne's export"):
            imported(folder, "labels.json")
