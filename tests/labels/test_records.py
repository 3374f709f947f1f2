"""The records of a large JSON file are those that reading it whole gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from altool.errors import InputError
from altool.labels import records, registry
from altool.labels.exchange import Naming
from altool.labels.opening import open_exports

LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=4)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3), max_leaves=5)
OBJECTS = st.dictionaries(st.text(max_size=3), VALUES, max_size=3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(OBJECTS, min_size=1, max_size=8), st.sampled_from([None, 1]), st.booleans(), st.booleans(), st.integers(1, 9))
def test_any_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: list[Any], indent: int | None, ascii_: bool, array: bool, window: int
) -> None:
    monkeypatch.setattr(records, "WINDOW", window)
    monkeypatch.setattr(records, "HEAD", 4)
    lines = [json.dumps(value, indent=indent, ensure_ascii=ascii_) for value in values]
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_) if array else " \n".join(lines) + "\n"
    (tmp_path / "e").write_bytes(text.encode("utf-8-sig" if indent else "utf-8"))
    found = records.scan(str(tmp_path / "e"))
    assert found is not None
    assert list(found) == values == [found[place] for place in range(len(found))]
    assert list(found.take([len(values) - 1])) == list(found[len(values) - 1 :]) == [values[-1]]


NONE = ['[{"a": 1}', '[{"a": 1}]x', '[{"a": 1},]', '[{"a": 1} {"a": 2}]', '{"a": 1},{"a": 2}', '[{"a": 1}, 2]', "[,{}]", "3"]


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_list_of_objects_is_left_to_whoever_reads_it_whole(tmp_path: Path, text: str) -> None:
    (tmp_path / "e").write_text(text)
    assert records.scan(str(tmp_path / "e")) is None


def test_half_a_character_is_marked(tmp_path: Path) -> None:
    (tmp_path / "e").write_text('{"a": "\\ud83d"}\n{"a": "\\ud83d\\ude00"}\n')
    found = records.scan(str(tmp_path / "e"))
    assert found is not None
    assert [record["a"] for record in found] == ["\ufdd0", "😀"]


def test_a_large_export_is_read_as_a_small_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def task(number: int, *labels: str, **values: Any) -> dict[str, Any]:
        result = [{"type": "choices", "from_name": "label", "to_name": "text", "value": {"choices": list(labels)}}] if labels else []
        return {"data": {"altool_id": f"r-{number}", "text": "größe"}, "annotations": [{"completed_by": 1, "result": result, **values}]}

    tasks = [task(1, "ant"), task(2, was_cancelled=True), task(3), task(4, "ant", "bee")]
    (tmp_path / "e.json").write_text(json.dumps(tasks, indent=1))
    (small,) = open_exports(str(tmp_path / "e.json"))
    monkeypatch.setattr(records, "LARGE", 1)
    (large,) = open_exports(str(tmp_path / "e.json"))
    assert isinstance(large.records, records.Records)
    one, other = (registry.read(export, "auto", Naming({})) for export in (small, large))
    assert one.table.equals(other.table)
    counted = Naming({}, where={"data": (json.dumps(tasks[0]["data"], ensure_ascii=False),)})
    assert registry.read(large, "auto", counted).table.column("id").to_pylist() == ["r-1"]
    (tmp_path / "e.json").write_text(json.dumps(tasks)[:-1])
    with pytest.raises(InputError, match="is not JSON"):
        open_exports(str(tmp_path / "e.json"))
