"""Events: written down once, also behind a line that was torn."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import Recorder

from altool.project.events import Events


def test_an_event_is_known_once_it_is_written_down(tmp_path: Path) -> None:
    events = Events(tmp_path, {}, Recorder())
    events.fire("asked", "0.1", "round 0 asks for 3 labels", {"round": 0})
    again = Events(tmp_path, {}, Recorder())
    assert again.known("asked", "0.1")
    assert not again.known("asked", "1.1")
    assert not again.known("closed", "0.1")
    assert again.last["text"] == "round 0 asks for 3 labels"
    assert again.fired == []


def test_a_torn_line_hides_nothing(tmp_path: Path) -> None:
    events = Events(tmp_path, {}, Recorder())
    events.fire("asked", "0.1", "one")
    with open(tmp_path / "log.jsonl", "ab") as log:
        log.write(b'{"time": "2026-')
    after = Events(tmp_path, {}, Recorder())
    after.fire("closed", "0", "two \ud800")
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(lines[place])["event"] for place in (0, 2)] == ["asked", "closed"]
    assert Events(tmp_path, {}, Recorder()).known("closed", "0")


def test_a_command_that_fails_is_named_and_stops_nothing(tmp_path: Path) -> None:
    console = Recorder()
    events = Events(tmp_path, {"asked": ("sh", "-c", "cat > heard; echo no >&2; exit 3"), "closed": ("/no/such",)}, console)
    events.fire("asked", "0.1", "round 0", {"files": ["a.csv"]})
    events.fire("closed", "0", "round 0")
    assert json.loads((tmp_path / "heard").read_text())["files"] == ["a.csv"]
    assert console.warnings == [
        "altool.toml, [hooks] asked: the command ended with status 3 (no)",
        "altool.toml, [hooks] closed: /no/such cannot be run (No such file or directory)",
    ]
