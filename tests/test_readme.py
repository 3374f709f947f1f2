"""The README's round works as printed, and so does the round for cron."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import program
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
def environment() -> Iterator[dict[str, str]]:
    """A PATH on which `altool` is this checkout's."""
    with program.on_path() as folder:
        yield {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "COLUMNS": "100", "ALTOOL_TESTS_FORK": "1"}


def sh(script: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(["sh", "-eu"], input=script, text=True, cwd=folder, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("sample", ["digits", "titles"])
def test_the_project_works_as_printed(tmp_path: Path, environment: dict[str, str], sample: str) -> None:
    folder = tmp_path / sample
    shutil.copytree(ROOT / "sample_data" / sample, folder)
    printed = block("round: digits")
    commands = [line for line in printed.splitlines() if line.startswith("altool")]
    assert len(commands) <= 4
    assert len(re.findall(r" --?\w", "".join(commands))) <= 4  # options to type
    output = sh(printed, folder, environment)
    assert (folder / "report.html").stat().st_size > 10_000
    assert pq.read_table(folder / "rounds/001/queries.parquet").num_rows == 40
    if sample == "digits":
        assert block("output: digits") in "".join(f"{line.rstrip()}\n" for line in output.splitlines())
        sh(block("round: commands"), folder, environment)
        assert pq.read_table(folder / "queries.parquet").num_rows == 40


def test_the_demo_begins(tmp_path: Path, environment: dict[str, str]) -> None:
    """`make demo` goes on: its rounds are those of the test above."""
    demo = ROOT / "sample_data/demo.sh"
    done = subprocess.run(["sh", demo, tmp_path / "demo", "digits", "0"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "round 0 asks for 40 labels" in done.stderr
    assert f"Open {tmp_path}/demo/report.html" in done.stdout
    assert block("output: demo").splitlines()[0] == block("output: digits").strip()
