"""Prodigy: the tasks that go out. What comes back is in tests/commands/test_import_verdicts.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from imports import imported

from altool.errors import InputError
from altool.labels import registry
from altool.labels.exchange import Task


def test_the_suggestion_is_chosen_already() -> None:
    tasks = [Task("r-1", 1, 2, text="größe", suggested_label="b", suggested_probability=0.62), Task(7, 2, 2, image=b"GIF89a")]
    first, second = map(json.loads, registry.export("prodigy", tasks, ["a", "b"])[""].splitlines())
    options = [{"id": "a", "text": "a"}, {"id": "b", "text": "b"}]
    asked = {"altool_id": "r-1", "altool_round": 2, "altool_rank": 1, "altool_suggestion": "b"}
    assert first == {"text": "größe", **asked, "options": options, "accept": ["b"], "meta": {"score": 0.62}}
    assert second == {"image": "data:image/gif;base64,R0lGODlh", "altool_id": 7, "altool_round": 2, "altool_rank": 2, "options": options}


def test_without_classes_there_is_nothing_to_choose_from() -> None:
    with pytest.raises(InputError, match="the classes to choose from are unknown"):
        registry.export("prodigy", [Task("r-1", 1, 0, text="t")], [])


def test_spans_are_refused(folder: Path) -> None:
    record = {"text": "t", "altool_id": "r-1", "spans": [{"start": 0, "end": 1, "label": "ORG"}], "answer": "accept", "_task_hash": 1}
    (folder / "e").write_text(json.dumps(record) + "\n")
    with pytest.raises(InputError, match="Prodigy's records without a label"):
        imported(folder, "e")
