"""Whatever the outputs of a run are called: what was there is there afterwards, byte for byte, and the run says why with status 2."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import features, known_truth, predictions, probabilities, write

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
IDS = [f"row-{number:04d}" for number in range(12)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project: every table that commands read, and what they wrote of it."""
    from altool.commands import report, select, train
    from altool.console import Console

    folder = tmp_path_factory.mktemp("made")
    write(features(np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)), folder / "f.parquet")
    write(
        pa.table({"id": IDS[:8], "label": ["ant", "bee"] * 4, "source": ["holdout", "holdout", "seed", "seed"] * 2}),
        folder / "labels" / "r.parquet",
    )
    write(predictions(probabilities(12, 2), IDS, ("ant", "bee")), folder / "p.parquet")
    write(pa.table({"id": IDS, "text": IDS}), folder / "items.parquet")
    (folder / "targets.toml").write_text('[default]\nmetric = "f1"\ntarget = 0.5\n')
    (folder / "notes.txt").write_text("mine")
    before = Path.cwd()
    try:
        os.chdir(folder)
        quiet = Console(quiet=True)
        train.run(train.Options(labels="labels", features="f.parquet", output="m"), quiet)
        select.run(select.Options(strategy="random", budget=2, features="f.parquet", output="q.parquet"), quiet)
        report.run(report.Options(predictions="p.parquet", labels="labels", output="page.html", metrics_output="metrics.parquet"), quiet)
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def content(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


TRAIN = ("train", "--features", "f.parquet", "--labels", "labels")
SCORE = ("score", "--model", "m", "--features", "f.parquet")
SELECT = ("select", "--strategy", "margin", "--budget", 2, "--predictions", "p.parquet", "--labels", "labels")
REPORT = ("report", "--predictions", "p.parquet", "--labels", "labels")
EXPORT = (*SELECT, "--items", "items.parquet")
EMBED = ("embed", "--items", "items.parquet", "--backbone", "hashing", "--width", 4)
SIMULATE = (
    "simulate",
    "--features",
    "f.parquet",
    "--labels",
    "labels",
    "--strategy",
    "random",
    "--seed-size",
    2,
    "--rounds",
    1,
    "--budget",
    1,
)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((*TRAIN, "-o", ".."), "--output .. is the folder that this run is in, or lies above it"),
        ((*TRAIN, "-o", "."), "--output . is the folder that this run is in, or lies above it"),
        ((*TRAIN, "-o", "../{name}"), "--output ../{name} is the folder that this run is in"),
        ((*TRAIN, "-o", "labels"), "--output labels is the --labels labels"),
        ((*TRAIN, "-o", "labels/m"), "--output labels/m lies in the --labels labels"),
        ((*TRAIN, "-o", "m2", "--folds", 2, "--oof", "f.parquet"), "--oof f.parquet is the --features f.parquet"),
        ((*TRAIN, "-o", "m", "--folds", 2, "--oof", "m/oof.parquet"), "--oof m/oof.parquet lies in the --output m"),
        ((*TRAIN, "-o", "notes.txt"), "--output notes.txt is a file, not a folder"),
        ((*SCORE, "-o", "f.parquet"), "--output f.parquet is the --features f.parquet"),
        ((*SCORE, "-o", "m/weights.safetensors"), "--output m/weights.safetensors lies in the --model m"),
        ((*SCORE, "-o", "m"), "--output m is the --model m"),
        ((*SCORE, "-o", "q.parquet"), "q.parquet exists and is not a table of predictions written by altool"),
        ((*SELECT, "-o", "p.parquet"), "--output p.parquet is the --predictions p.parquet"),
        ((*SELECT, "-o", "file://{here}/p.parquet"), "--output file://{here}/p.parquet is the --predictions p.parquet"),
        ((*SELECT, "-o", "labels/q.parquet"), "--output labels/q.parquet lies in the --labels labels"),
        ((*SELECT, "-o", "notes.txt"), "notes.txt exists and is not a table of queries written by altool"),
        ((*SELECT, "-o", "file://{here}/notes.txt"), "file://{here}/notes.txt exists and is not a table of queries written by altool"),
        ((*EXPORT, "-o", "q2.parquet", "--export", "csv=items.parquet"), "--export csv items.parquet is the --items items.parquet"),
        ((*EXPORT, "-o", "x", "--export", "csv=./x"), "--export csv ./x is the --output x"),
        ((*EXPORT, "-o", "q.parquet", "--export", "csv=notes.txt"), "notes.txt exists and holds answers, or is not a sheet"),
        (
            (*EXPORT, "-o", "q.parquet", "--export", "csv=-", "--json"),
            "--export csv and --json: only one of them can be on standard output",
        ),
        ((*REPORT, "-o", "p.parquet"), "--output p.parquet is the --predictions p.parquet"),
        ((*REPORT, "-o", "notes.txt"), "notes.txt exists and is not a page of altool report written by altool"),
        ((*REPORT, "--metrics-output", "labels/m.parquet"), "--metrics-output labels/m.parquet lies in the --labels labels"),
        ((*REPORT, "--history", "metrics.parquet", "--metrics-output", "metrics.parquet"), "is the --history metrics.parquet"),
        ((*EMBED, "-o", "items.parquet"), "--output items.parquet is the --items items.parquet"),
        ((*EMBED, "-o", "labels"), "labels exists and is not a table of features written by altool"),
        ((*EMBED, "-o", "f.parquet"), "f.parquet exists and is not a table of features written by altool"),
        ((*SIMULATE, "-o", "labels"), "--output labels/runs lies in the --labels labels"),
    ],
)
def test_nothing_is_replaced_but_what_altool_wrote(altool: Altool, project: Path, arguments: tuple[Any, ...], says: str) -> None:
    before = content(project)
    names = {"here": project, "name": project.name}
    filled = [str(word).format(**names) for word in arguments]
    result = altool(*filled, "--overwrite", code=2)
    assert says.format(**names) in result.said.splitlines()[0]
    assert content(project) == before


@pytest.mark.parametrize(
    "arguments",
    [
        (*SELECT, "-o", "file://{here}/notes.txt"),
        (*EXPORT, "-o", "q2.parquet", "--export", "csv=file://{here}/notes.txt"),
        (*EXPORT, "-o", "q2.parquet", "--export", "label-studio=notes.txt"),
        (*TRAIN, "-o", "file://{here}/m"),
        (*REPORT, "-o", "file://{here}/notes.txt"),
    ],
)
def test_a_file_that_is_there_is_kept_under_every_name(altool: Altool, project: Path, arguments: tuple[Any, ...]) -> None:
    before = content(project)
    result = altool(*(str(word).format(here=project) for word in arguments), code=2)
    assert " exists\n" in result.said
    assert content(project) == before


def test_what_altool_wrote_is_replaced_by_the_same_kind(altool: Altool, project: Path) -> None:
    for arguments in (
        (*TRAIN, "-o", "m"),
        (*SELECT, "-o", "q.parquet"),
        (*REPORT, "-o", "page.html", "--metrics-output", "metrics.parquet"),
        (*EXPORT, "-o", "q.parquet", "--export", "csv=todo.csv", "--export", "label-studio=tasks.json"),
        (*EXPORT, "-o", "q.parquet", "--export", "csv=todo.csv", "--export", "label-studio=tasks.json"),
        (*EMBED, "-o", "parts/"),
        (*EMBED, "-o", "parts/"),
        (*SIMULATE, "-o", "out"),
        (*SIMULATE, "-o", "out"),
    ):
        altool(*arguments, "--overwrite", "--quiet")
    assert (project / "notes.txt").read_text() == "mine"


def test_a_sheet_that_people_have_filled_in_stays(altool: Altool, project: Path) -> None:
    arguments = (*EXPORT, "-o", "q.parquet", "--export", "csv=todo.csv", "--overwrite")
    altool(*arguments)
    lines = (project / "todo.csv").read_text().splitlines()
    place = lines[0].split(",").index("label")
    cells = lines[1].split(",")
    cells[place] = "ant"
    (project / "todo.csv").write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n")
    before = content(project)
    assert "todo.csv exists and holds answers" in altool(*arguments, code=2).said
    assert content(project) == before


def test_a_rejects_table_of_somebody_else_stays(altool: Altool, project: Path) -> None:
    (project / "new.rejects.parquet").write_text("mine")
    before = content(project)
    assert "new.rejects.parquet exists and is not a table of rejects" in altool(*EMBED, "-o", "new.parquet", code=2).said
    assert content(project) == before


def test_exports_do_not_lie_in_the_log_that_they_are_added_to(altool: Altool, project: Path) -> None:
    (project / "labels" / "answers.csv").write_text("altool_id,label\nrow-0000,ant\n")
    before = content(project)
    result = altool("import-labels", "labels/answers.csv", "--labels", "labels", code=2)
    assert "--labels labels holds the EXPORT labels/answers.csv" in result.said
    assert content(project) == before


def test_a_run_folder_of_somebody_else_stays(altool: Altool, project: Path) -> None:
    (project / "out" / "runs" / "random-000").mkdir(parents=True)
    (project / "out" / "runs" / "random-000" / "mine").touch()
    before = content(project)
    for more in ((), ("--overwrite",)):
        assert "random-000 exists and is not a simulated run" in altool(*SIMULATE, "-o", "out", *more, code=2).said
    assert content(project) == before


def test_a_damaged_run_is_named(altool: Altool, tmp_path: Path) -> None:
    known_truth(tmp_path, 40)
    arguments = ("simulate", "--features", "f.parquet", "--labels", "truth.parquet", "--strategy", "random", "--jobs", 1)
    arguments += ("--seed-size", 6, "--rounds", 1, "--budget", 3, "-o", "out", "--quiet")
    altool(*arguments)
    path = tmp_path / "out" / "runs" / "random-000" / "history.parquet"
    path.write_bytes(path.read_bytes()[:-50])
    result = altool(*arguments, code=3)
    assert result.said == (
        "error: out/runs/random-000/history.parquet: cannot be read; truncated or damaged\n"
        "hint: remove out/runs/random-000, and it is simulated again\n"
    )


def test_a_full_disk_is_no_fault_of_altool(altool: Altool, project: Path) -> None:
    with open("/dev/full", "wb") as full:
        for more in (("-o", "-"), ("-o", "q9.parquet", "--json")):
            command = [sys.executable, "-m", "altool", *map(str, SELECT), *more]
            done = subprocess.run(command, cwd=project, stdout=full, stderr=subprocess.PIPE, text=True)
            assert (done.returncode, done.stderr.splitlines()[-2]) == (
                3,
                "error: standard output cannot be written (No space left on device)",
            )
