"""How far a simulation is, as lines."""

from __future__ import annotations

import time

import numpy as np
import pytest

from altool.console import Console
from altool.simulation import progress

NAMES = ["margin, repeat 0", "margin, repeat 1", "random, repeat 0"]


def told(console: Console, capsys: pytest.CaptureFixture[str], *steps: list[int]) -> list[str]:
    done = np.zeros(3, np.int32)
    with progress.followed(NAMES, 2, done, console):
        for step in steps:
            done[:] = step
            time.sleep(0.05)
    captured = capsys.readouterr()
    assert not captured.out
    return captured.err.splitlines()


def test_a_line_for_each_run_that_ends(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "LOOK", 0.01)
    lines = told(Console(), capsys, [1, 0, 0], [3, 1, 0], [3, 3, 3])
    assert [line.partition(",")[0] + line.partition(",")[2].partition(", about")[0] for line in lines] == [
        "margin repeat 0; 1 of 3 runs",
        "margin repeat 1; 2 of 3 runs",
        "random repeat 0; 3 of 3 runs",
    ]
    assert "about 1 s left" in lines[0]
    assert "left" not in lines[2]


def test_a_line_every_half_minute(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "LOOK", 0.01)
    monkeypatch.setattr(progress, "LINE", 0.02)
    lines = told(Console(), capsys, [0, 0, 0], [2, 0, 0])
    assert lines
    assert set(lines) == {"margin, repeat 0, round 1 of 2; 0 of 3 runs, about 1 s left"}


@pytest.mark.parametrize("console", [Console(quiet=True), Console(json_output=True)])
def test_nobody_is_told(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(console, capsys, [3, 3, 3]) == []


@pytest.mark.parametrize(
    ("done", "elapsed", "left"),
    [
        ([0, 0], 5, ""),
        ([3, 3], 5, ""),
        ([3, 0], 5, ", about 5 s left"),
        ([1, 0], 120, ", about 10 min left"),
        ([1, 0], 3600, ", about 5.0 h left"),
    ],
)
def test_time_left(done: list[int], elapsed: float, left: str) -> None:
    assert progress.time_left(np.array(done), 2, elapsed) == left
