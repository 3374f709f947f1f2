"""A project on the sample digits, answered from the truth as a person would."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import program
import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = """
[project]
items = "items.parquet"
classes = "classes.txt"
holdout = "holdout.csv"
[embed]
backbone = "pixels"
image_size = 8
[select]
budget = 40
"""


class Project:
    """A project in `folder`. `said` and `text` are what the last call wrote to standard error and output."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said = self.text = ""
        self.truth: dict[str, str] = {}
        for name in ("truth.csv", "holdout.csv"):
            with open(ROOT / "sample_data/digits" / name, newline="") as file:
                self.truth |= {row["altool_id"]: row["label"] for row in csv.DictReader(file)}

    def altool(self, *words: object, code: int = 0, **environment: str) -> str:
        """Run a command in the project's folder; returns its standard error."""
        with tempfile.TemporaryDirectory() as streams:
            for name in program.STREAMS:
                Path(streams, name).write_bytes(b"")
            wanted = {**os.environ, "COLUMNS": "100", "ALTOOL_TESTS_FORK": "1", **environment}
            status = program.run([str(word) for word in words], self.folder, wanted, Path(streams))
            self.said, self.text = Path(streams, "stderr").read_text(), Path(streams, "stdout").read_text()
        assert status == code, f"status {status}\n{self.said}\n{self.text}"
        return self.said

    def round(self, *words: object, code: int = 0) -> str:
        return self.altool("round", *words, code=code)

    def set(self, section: str, line: str) -> None:
        """Add a line to a section of altool.toml."""
        path = self.folder / "altool.toml"
        text = path.read_text()
        path.write_text(
            text.replace(f"[{section}]\n", f"[{section}]\n{line}\n") if f"[{section}]" in text else f"{text}[{section}]\n{line}\n"
        )

    def asked(self, sheet: str = "000/todo.csv") -> list[str]:
        """The ids of a sheet."""
        with open(self.folder / "rounds" / sheet, newline="") as file:
            return [row["altool_id"] for row in csv.DictReader(file)]

    def answer(self, name: str, ids: Iterable[str], **others: str) -> None:
        """Put a sheet into answers/ that says the truth of these ids, but for `others`."""
        lines = ["altool_id,label", *(f"{one},{others.get(one.replace('-', '_'), self.truth[one])}" for one in ids)]
        path = self.folder / "answers" / name
        before = path.stat().st_mtime_ns if path.exists() else 0
        path.write_text("\n".join(lines) + "\n")
        if path.stat().st_mtime_ns <= before:  # two writes within a tick of the file system's clock
            os.utime(path, ns=(before + 1, before + 1))

    def labels(self) -> dict[str, str]:
        """{id: label} of the label log, the held-out rows aside."""
        from altool.labels.consensus import resolve
        from altool.project.state import read_log

        log = read_log(self.folder, "labels")
        training = resolve(log).training if log is not None else None
        return dict(zip(*(training.column(name).to_pylist() for name in ("id", "label")), strict=True)) if training is not None else {}


def copied(project: Project, folder: Path) -> Project:
    shutil.copytree(project.folder, folder)  # with the times of its files
    return Project(folder)


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Round 0 is asked."""
    folder = tmp_path_factory.mktemp("projects") / "begun"
    shutil.copytree(ROOT / "sample_data/digits", folder)
    (folder / "altool.toml").write_text(SETTINGS)
    project = Project(folder)
    project.round()
    return project


@pytest.fixture(scope="session")
def measured(begun: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Round 0 is answered, and round 1 is asked."""
    project = copied(begun, tmp_path_factory.mktemp("projects") / "measured")
    project.answer("000.csv", project.asked())
    project.round()
    return project


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[Project], Project]:
    """A copy of a project of one's own."""
    return lambda project: copied(project, tmp_path / "project")


@pytest.fixture
def at() -> Callable[[Path], Project]:
    """A project in a folder."""
    return Project
