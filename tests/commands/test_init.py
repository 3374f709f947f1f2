"""`altool init`: what it says, what it writes, and that it writes over nothing."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conftest import Recorder, write
from golden_files import equals_golden
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from PIL import Image
from program import Running

from altool.commands import init
from altool.errors import InputError, UsageError
from altool.project import settings

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_data"
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=15)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    return write(pa.table({"id": range(1000), "text": ["a b"] * 1000}), tmp_path / "items.parquet")


def made(*words: str, **given: Any) -> dict[str, Any]:
    """What --json says of a new project."""
    console = Recorder()
    init.run(init.Options(items=words[0], **({"project": words[1]} if len(words) > 1 else {}), **given), console)
    return console.said


def said(text: str, folder: Path) -> str:
    """What is said, without what depends on the machine."""
    return re.sub(r"\* \* \* \* \S.* round ", "* * * * PROGRAM round ", text.replace(str(folder), "FOLDER"))


@pytest.mark.parametrize("sample", ["digits", "titles"])
def test_what_it_says_of_the_samples(altool: Callable[..., Any], tmp_path: Path, sample: str) -> None:
    shutil.copytree(SAMPLES / sample, tmp_path / "p")
    result = altool("init", "p/items.parquet", "p")
    equals_golden(said(result.said, tmp_path), f"init/{sample}.txt")
    assert result.text == ""
    found = settings.read(tmp_path / "p")
    assert (found.project["items"], found.project["classes"], found.project["holdout"]) == ("items.parquet", "classes.txt", "holdout.csv")
    assert (found.of("select", "budget"), found.holdout["rows"]) == (50, 0)
    assert {path.name for path in (tmp_path / "p").iterdir()} == {path.name for path in (SAMPLES / sample).iterdir()} | {"altool.toml"}
    assert (tmp_path / "p/targets.toml").read_bytes() == (SAMPLES / sample / "targets.toml").read_bytes()


def test_nothing_but_items(altool: Callable[..., Any], tmp_path: Path, texts: Path) -> None:
    shutil.move(texts, tmp_path / "my items.parquet")
    result = altool("init", "my items.parquet", "new/one")
    equals_golden(said(result.said, tmp_path), "init/new.txt")
    found = settings.read(tmp_path / "new/one")
    assert found.project["items"] == "../../my items.parquet"
    assert found.project["targets"] == "targets.toml"
    assert (found.commands["embed"], found.commands["select"]) == ({"backbone": "hashing"}, {"budget": 50})
    assert found.holdout["rows"] == 200
    assert {path.name for path in (tmp_path / "new/one").iterdir()} == {"altool.toml", "targets.toml"}
    assert altool("init", "my items.parquet", "two", "--quiet").said == ""


def test_it_is_told_the_rest(tmp_path: Path, texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("class,metric,target\na,f1,0.8\nb,f1,0.8\n")
    Path("h.csv").write_text("id,label\n1,a\n2,\n3,b\n")
    facts = made("items.parquet", classes="b,a", targets="t.csv", holdout="h.csv", holdout_rows=30, budget=7, name="N", allow_outside=True)
    assert facts["classes"] == ["b", "a"]
    assert facts["written"] == ["altool.toml"]
    found = settings.read(Path())
    assert dict(found.project) == {
        "name": "N",
        "items": "items.parquet",
        "columns": None,
        "classes": "b,a",
        "targets": "t.csv",
        "holdout": "h.csv",
        "features": "features.parquet",
        "labels": "labels",
        "answers": "answers",
        "allow_outside": True,
    }
    assert (found.holdout["rows"], found.of("select", "budget")) == (30, 7)


def test_columns_are_written_where_names_do_not_say_it(tmp_path: Path) -> None:
    write(pa.table({"key": [1, 2], "uid": [1, 2], "a": ["x y", "z"], "b": ["x y", "z"]}), tmp_path / "t.parquet")
    made(str(tmp_path / "t.parquet"), str(tmp_path / "p"), id_="uid", text="b")
    assert settings.read(tmp_path / "p").project["columns"] == "id=uid,text=b"
    with pytest.raises(UsageError, match="--path and --text both name what is labeled"):
        made(str(tmp_path / "t.parquet"), str(tmp_path / "q"), path="a", text="b")


def test_a_project_is_not_written_over(tmp_path: Path, texts: Path) -> None:
    project = tmp_path / "p"
    made(str(texts), str(project))
    (project / "targets.toml").write_text('[default]\nmetric = "recall"\ntarget = 0.7\n')
    kept = (project / "altool.toml").read_bytes()
    with pytest.raises(InputError, match=r"p/altool.toml: a project is there already") as caught:
        made(str(texts), str(project), budget=3)
    assert "altool round" in caught.value.hint
    assert (project / "altool.toml").read_bytes() == kept
    assert made(str(texts), str(project), budget=3, overwrite=True)["written"] == [str(project / "altool.toml")]
    assert settings.read(project).of("select", "budget") == 3
    assert "0.7" in (project / "targets.toml").read_text()


def test_both_files_are_written_or_none(tmp_path: Path, texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = init.write.write_bytes

    def full(content: bytes, location: str) -> None:
        if location.endswith("altool.toml"):
            raise InputError("the disk is full")
        real(content, location)

    monkeypatch.setattr(init.write, "write_bytes", full)
    with pytest.raises(InputError, match="the disk is full"):
        made(str(texts), str(tmp_path / "p"))
    assert list((tmp_path / "p").iterdir()) == []


def test_a_project_is_not_made_among_its_items(tmp_path: Path, texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for items, project in ((".", "."), (".", "p"), ("*.parquet", ".")):
        with pytest.raises(UsageError) as caught:
            made(items, project)
        assert caught.value.hint == "give the project a folder of its own: altool init ITEMS PROJECT"
    made("*.parquet", "p")
    assert settings.read(Path("p")).project["items"] == "../*.parquet"


def test_a_broken_neighbour_is_refused(tmp_path: Path, texts: Path) -> None:
    for name, content, message in (
        ("targets.toml", "[default]\nmetric = 1\n", "unknown metric"),
        ("targets.toml", '[class."x"]\nmetric = "f1"\ntarget = 1\n', "1 class in no other table"),
        ("classes.txt", "only\n", "expected two classes or more, found 'only'"),
        ("holdout.csv", "id,label\n1,\n", "no row with a label"),
        ("holdout.parquet", "", "two files of held-out labels|empty"),
    ):
        project = tmp_path / name / str(len(content))
        project.mkdir(parents=True)
        (project / "classes.txt").write_text("a\nb\n")
        (project / name).write_text(content)
        with pytest.raises((InputError, UsageError), match=message):
            made(str(texts), str(project))
        assert not (project / "altool.toml").exists()
    project = tmp_path / "two"
    project.mkdir()
    for name in ("holdout.csv", "holdout.jsonl"):
        (project / name).touch()
    with pytest.raises(InputError, match="two files of held-out labels"):
        made(str(texts), str(project))


def test_held_out_labels_of_a_log_count(tmp_path: Path, texts: Path) -> None:
    log = pa.table({"id": range(3), "label": ["a", "b", "a"], "source": ["holdout", "seed", "holdout"]})
    write(log, tmp_path / "p/labels/x.parquet")
    assert made(str(texts), str(tmp_path / "p"))["settings"]["holdout"] == {"rows": 0}


def pictures(folder: Path, size: int, rows: int = 3) -> Path:
    folder.mkdir()
    for row in range(rows):
        Image.new("RGB", (size, 8), (row, 0, 0)).save(folder / f"{row}.png")
    return folder


@pytest.mark.parametrize(
    ("size", "torch", "backbone"),
    [
        (20, True, {"backbone": "pixels", "image_size": 20}),
        (64, True, {"backbone": "pixels", "image_size": 32}),
        (65, True, {"backbone": "resnet18"}),
        (65, False, {"backbone": "pixels", "image_size": 32}),
    ],
)
def test_the_backbone_follows_the_pictures(
    tmp_path: Path, size: int, torch: bool, backbone: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: torch or None)
    assert made(str(pictures(tmp_path / "pics", size)), str(tmp_path / "p"))["settings"]["embed"] == backbone


@examples(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NAMES.filter(lambda name: name.strip(".")), st.lists(NAMES.filter(lambda n: "," not in n and n.strip()), min_size=2, max_size=3))
def test_hostile_names_survive(tmp_path: Path, name: str, classes: list[str]) -> None:
    folder = tmp_path / "w"
    shutil.rmtree(folder, ignore_errors=True)
    items = write(pa.table({"id": [1, 2], "text": ["a b", "c"]}), folder / f"{name}.parquet")
    classes = sorted({one.strip() for one in classes})
    if len(classes) < 2:
        return
    made(str(items), str(folder / f"p {name}"), classes=",".join(classes), name=name)
    found = settings.read(folder / f"p {name}")
    assert (found.project["items"], found.name) == (f"../{name}.parquet", name)
    assert found.project["classes"] == ",".join(classes)


def test_links_lead_where_they_lead(tmp_path: Path, texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`..` of a folder that is a link is its target's."""
    (tmp_path / "far/away").mkdir(parents=True)
    (tmp_path / "near").symlink_to(tmp_path / "far/away")
    (tmp_path / "now.parquet").symlink_to(texts)
    made(str(tmp_path / "now.parquet"), str(tmp_path / "near"))
    items = settings.read(tmp_path / "near").project["items"]
    assert items == "../../now.parquet"
    assert os.path.exists(tmp_path / "near" / items)


def run(*words: str, folder: Path) -> None:
    status, said = Running(words, folder).end()
    assert status == 0, said


def test_cron_gets_a_program_that_it_finds(tmp_path: Path, texts: Path) -> None:
    """cron's PATH has no virtual environment, and cron takes % for the end of a line."""
    command = [sys.executable, "-m", "altool", "init", str(texts), "100%", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    cron = json.loads(done.stdout)["cron"]
    assert cron == f"0 * * * * {sys.executable} -m altool round {tmp_path}/100\\%"


@pytest.mark.slow
def test_what_was_written_is_what_the_commands_take(tmp_path: Path) -> None:
    """From a folder of images: no option is typed that the project knows."""
    pictures(tmp_path / "pics", 20, 40)
    run("init", "pics", "p", folder=tmp_path)
    run("embed", folder=tmp_path / "p")
    run("select", "-o", "q.parquet", folder=tmp_path / "p")
    assert (tmp_path / "p/q.parquet").exists()
