"""The README's round works as printed, and so does the round for cron."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def block(name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n```\w*\n(.*?)```", README, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A PATH on which `altool` is this checkout's."""
    program = tmp_path / "bin" / "altool"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m altool "$@"\n')
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "COLUMNS": "100"}


def sh(script: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(["sh", "-eu"], input=script, text=True, cwd=folder, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("project", "backbone"), [("digits", "pixels --image-size 8"), ("titles", "hashing")])
def test_the_round_works_as_printed(tmp_path: Path, environment: dict[str, str], project: str, backbone: str) -> None:
    folder = tmp_path / project
    shutil.copytree(ROOT / "sample_data" / project, folder)
    printed = block("round: digits")
    assert len(printed.splitlines()) == 10
    output = sh(printed.replace("pixels --image-size 8", backbone), folder, environment)
    assert pq.read_table(folder / "round1.parquet").num_rows == 30
    assert (folder / "report.html").stat().st_size > 10_000
    if project == "digits":
        assert block("output: digits") in "".join(f"{line.rstrip()}\n" for line in output.splitlines())
    assert "not yet" in sh(block("round: targets"), folder, environment)
    assert pq.read_table(folder / "queries.parquet").num_rows == 40


def test_the_round_for_cron_can_be_called_at_any_time(tmp_path: Path, environment: dict[str, str]) -> None:
    source = ROOT / "sample_data"
    folder = tmp_path / "project"
    shutil.copytree(source / "digits", folder)
    (folder / "round.env").write_text('BACKBONE="pixels --image-size 8" BUDGET=40\n')
    call = f"sh '{source}/round.sh' '{folder}'"
    assert "round 000 asks for labels" in sh(call, tmp_path, environment)
    assert "round 000 waits for answers" in sh(call, tmp_path, environment)
    asked = [line.split(",")[0] for line in (folder / "rounds/000/todo.csv").read_text().splitlines()[1:]]
    truth = dict(line.split(",") for line in (folder / "truth.csv").read_text().splitlines())
    answers = ["altool_id,label", *(f"{name},{truth[name]}" for name in asked)]
    (folder / "answers" / "000-first.csv").write_text("\n".join(answers[:25]) + "\n")
    assert "round 000 waits for answers" in sh(call, tmp_path, environment)  # answered in part
    (folder / "answers" / "000-second.csv").write_text("\n".join(answers[:1] + answers[25:]) + "\n")
    assert "round 001 asks for labels" in sh(call, tmp_path, environment)
    kept = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet") if "open" not in path.name}
    assert "round 001 waits for answers" in sh(call, tmp_path, environment)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept  # no work is done twice
