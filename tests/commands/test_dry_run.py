"""`--dry-run`: every command that writes reads, checks and says what it would do, and leaves every file as it is."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import CLASSES, Recorder, features, known_truth, predictions, probabilities, write
from PIL import Image

from altool import catalogue
from altool.errors import AltoolError, InputError, NothingLeft, UsageError

IDS = [f"row-{row:04d}" for row in range(24)]


def tree(folder: Path) -> dict[str, Any]:
    """What lies in a folder: names, times and contents."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None)
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with everything that commands read."""
    monkeypatch.chdir(tmp_path)
    known_truth(tmp_path, 24)
    write(predictions(probabilities(24), IDS), tmp_path / "p.parquet")
    write(pa.table({"id": IDS, "text": [f"text {row}" for row in range(24)]}), tmp_path / "texts.parquet")
    (tmp_path / "answers.csv").write_text("altool_id,label\nrow-0001,ant\nrow-0002,bee\nrow-0003,\n")
    (tmp_path / "labels").mkdir()
    with tarfile.open(tmp_path / "pics.tar", "w") as file:
        for row in range(6):
            stream = io.BytesIO()
            Image.fromarray(np.full((8, 8, 3), row, np.uint8)).save(stream, "PNG")
            member = tarfile.TarInfo(f"{row}.png")
            member.size = len(stream.getvalue())
            file.addfile(member, io.BytesIO(stream.getvalue()))
    return tmp_path


def dry(command: str, **given: Any) -> dict[str, Any]:
    """The summary of a command with --dry-run. It changed nothing."""
    before = tree(Path("."))
    module = catalogue.module_of(command)
    console = Recorder()
    console.dry_run = True
    try:
        module.run(module.Options(**given), console)
    finally:
        assert tree(Path(".")) == before
    assert console.said["dry_run"] is True
    return console.said


SELECT = {"strategy": "margin", "budget": 4, "predictions": "p.parquet", "output": "q.parquet"}
CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("embed", {"items": "pics.tar", "backbone": "pixels", "output": "f/"}, {"rows": 6, "backbone": "pixels", "output": "f/"}),
    ("embed", {"items": "texts.parquet", "backbone": "hashing", "limit": 5, "output": "e.parquet"}, {"rows": 5, "left": 19}),
    ("index", {"features": "f.parquet"}, {"rows": 24, "metric": "cosine", "output": "f.index"}),
    ("train", {"features": "f.parquet", "labels": "truth.parquet", "output": "m"}, {"labels": 18, "output": "m"}),
    ("select", SELECT, {"candidates": 24, "budget": 4, "output": "q.parquet"}),
    ("select", {**SELECT, "labels": "truth.parquet", "predictions": "p.parquet", "budget": 1}, NothingLeft),  # type: ignore[list-item]
    ("import-labels", {"exports": ["answers.csv"], "labels": "labels"}, {"imported": 2, "unlabeled": 1, "fragment": None}),
    (
        "report",
        {"predictions": "p.parquet", "labels": "truth.parquet", "output": "r.html", "metrics_output": "x.parquet"},
        {"measured_on": "holdout", "rows": 6, "output": "r.html"},
    ),
    ("check", {"items": "texts.parquet", "features": "f.parquet", "output": "c.parquet"}, {"rows": {"items": 24, "features": 24}}),
    (
        "simulate",
        {"features": "f.parquet", "labels": "truth.parquet", "strategy": ["random", "margin"], "rounds": 2, "budget": 2, "seed_size": 6}
        | {"repeats": 3, "output": "runs"},
        {"to_simulate": 6, "rounds": 2, "pool": 18},
    ),
    ("init", {"items": "texts.parquet", "project": "project"}, {"written": ["project/altool.toml", "project/targets.toml"]}),
]


@pytest.mark.parametrize(("command", "given", "found"), CASES, ids=lambda part: part if isinstance(part, str) else "")
def test_nothing_is_written(place: Path, command: str, given: dict[str, Any], found: Any) -> None:
    if isinstance(found, type):
        with pytest.raises(found):
            dry(command, **given)
        return
    said = dry(command, **given)
    assert found.items() <= said.items()


def test_every_command_that_writes_has_the_option() -> None:
    tried = {command for command, *_ in CASES} | {"score", "compare", "round", "merge"}  # below, and in test_object_store
    assert tried == set(catalogue.WRITING)
    for command in catalogue.COMMANDS:
        own, _ = catalogue.options_of(catalogue.module_of(command))
        assert ("dry_run" in {option.name for option in own}) == (command in catalogue.WRITING)


@pytest.mark.parametrize(
    ("command", "given", "error"),
    [
        ("embed", {"items": "absent.parquet", "backbone": "pixels", "output": "e.parquet"}, InputError),
        ("embed", {"items": "pics.tar", "backbone": "pixels", "output": "f.parquet"}, UsageError),  # it is there
        ("train", {"features": "f.parquet", "labels": "few.csv", "output": "m"}, InputError),
        ("check", {"items": "twins.csv", "output": "c.parquet"}, InputError),
    ],
)
def test_what_the_run_would_refuse_is_refused(place: Path, command: str, given: dict[str, Any], error: type[AltoolError]) -> None:
    (place / "few.csv").write_text("id,label\nrow-0000,ant\nelsewhere,bee\n")
    (place / "twins.csv").write_text("id,id,text\na,a,b\n")
    with pytest.raises(error):
        dry(command, **given)


@pytest.mark.slow
def test_what_others_made_is_read(place: Path) -> None:
    """A model that is to score, runs that are to be compared, a project that is to take a step."""
    console = Recorder()
    for command, given in (
        ("train", {"features": "f.parquet", "labels": "truth.parquet", "output": "m"}),
        (
            "simulate",
            {"features": "f.parquet", "labels": "truth.parquet", "strategy": ["random"], "output": "runs"}
            | {"rounds": 1, "budget": 2, "seed_size": 9, "repeats": 1, "jobs": 1},
        ),
        ("init", {"items": "texts.parquet", "project": "project"}),
    ):
        module = catalogue.module_of(command)
        module.run(module.Options(**given), console)
    said = dry("score", model="m", features="f.parquet", output="s.parquet")
    assert {"rows": 24, "classes": list(CLASSES)}.items() <= said.items()
    assert dry("compare", tables=["runs"], output="c.html")["runs"] == 1
    assert (
        dry(
            "simulate",
            features="f.parquet",
            labels="truth.parquet",
            strategy=["random"],
            output="runs",
            rounds=1,
            budget=2,
            seed_size=9,
            repeats=1,
        )["to_simulate"]
        == 0
    )
    assert dry("round", project="project")["next"][:4] == ["altool", "embed", "--items", "../texts.parquet"]
    (place / "project/answers").mkdir()
    (place / "project/answers/a.csv").write_text("altool_id,label\nrow-0001,ant\n")
    assert dry("round", project="project")["next"][:3] == ["altool", "import-labels", "answers/a.csv"]


@pytest.mark.slow
def test_on_the_command_line(altool: Callable[..., Any], place: Path) -> None:
    write(features(np.eye(24, dtype=np.float32), IDS), place / "f.parquet")
    before = tree(place)
    said = altool("check", "--features", "f.parquet", "-o", "c.parquet", "--dry-run")
    assert said.said == "dry run: would look for problems in features 24 -> c.parquet; nothing is written\n"
    assert json.loads(altool("check", "--features", "f.parquet", "-o", "c.parquet", "--dry-run", "--json").text)["dry_run"] is True
    altool("show", "f.parquet", "--dry-run", code=2)
    assert tree(place) == before
