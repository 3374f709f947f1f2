"""`altool formats`, and a format of another package."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from imports import imported, said

from altool.commands import formats
from altool.console import Console
from altool.errors import InputError, UsageError
from altool.labels import registry
from altool.labels.exchange import Answers, Export, Format, Naming, Task
from altool.labels.opening import open_exports
from altool.labels.table import read as read_table


def _read(export: Export, naming: Naming) -> Answers:
    records = [{"id": record["uid"], "label": record["verdict"]} for record in export.records]
    return read_table(Export(export.name, export.encoding, records=records), naming)


VERDICTS = Format("verdicts", lambda export: {"uid", "verdict"} <= set(export.columns), _read, lambda tasks, classes: {"": b"{}"})
NO_FORMAT = 7


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("verdicts", f"{__name__}:VERDICTS", "altool.formats")
    monkeypatch.setitem(registry.FORMATS.__dict__, "added", {"verdicts": point})


def test_every_format_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    formats.run(formats.Options(), Console(json_output=True))
    found = {fact["name"]: fact for fact in json.loads(capsys.readouterr().out)["formats"]}
    tools = [
        "argilla",
        "csv",
        "cvat",
        "doccano",
        "fiftyone",
        "folders",
        "ground-truth",
        "html",
        "jsonl",
        "label-studio",
        "labelbox",
        "mturk",
    ]
    assert list(found) == [*tools, "parquet", "prodigy", "roboflow", "xlsx"]
    assert [name for name, fact in found.items() if fact["writes"]] == [
        *("argilla", "csv", "cvat", "doccano", "ground-truth", "html", "label-studio", "prodigy")
    ]
    assert found["label-studio"]["sidecars"] == [".config.xml"]
    assert all(fact["reads"] for fact in found.values())
    formats.run(formats.Options(), Console())
    assert all(name in capsys.readouterr().out for name in ["prodigy"])


@pytest.mark.usefixtures("added")
@pytest.mark.parametrize("from_", ["auto", "verdicts"])
def test_a_format_of_another_package_is_taken_by_content_and_by_name(tmp_path: Path, from_: str) -> None:
    (tmp_path / "e.json").write_text('[{"uid": "a", "verdict": "cat"}, {"uid": "b", "verdict": ""}]')
    assert imported(tmp_path, "e.json", from_=from_)["unlabeled"] == 1
    assert said(tmp_path) == {"a": ("cat", None, "seed")}
    assert registry.export("verdicts", [Task("a", 1, 0, text="x")], []) == {"": b"{}"}


@pytest.mark.usefixtures("added")
def test_an_added_format_comes_behind_the_tools_and_before_the_plain_ones() -> None:
    names = [form.name for form in registry.ordered()]
    assert names == [
        *("label-studio", "prodigy", "ground-truth", "mturk", "doccano", "argilla", "cvat", "labelbox", "fiftyone", "roboflow", "folders"),
        *("verdicts", "html", "csv", "jsonl", "parquet", "xlsx"),
    ]


def test_a_broken_format_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    point = EntryPoint("verdicts", f"{__name__}:NO_FORMAT", "altool.formats")
    monkeypatch.setitem(registry.FORMATS.__dict__, "added", {"verdicts": point})
    (tmp_path / "e.csv").write_text("id,label\na,cat\n")
    (export,) = open_exports(str(tmp_path / "e.csv"))
    with pytest.raises(InputError, match=r"--from verdicts, of package .*: expected an altool Format, found int"):
        registry.read(export, "auto", Naming({}))


def test_an_unknown_format_is_refused_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("id,label\na,cat\n")
    for name, hint in (("prodigi", "did you mean prodigy?"), ("oak", "choose from argilla, csv")):
        with pytest.raises(UsageError, match=f"--from: '{name}' is unknown") as refused:
            imported(tmp_path, "e.csv", from_=name)
        assert hint in refused.value.hint
    with pytest.raises(UsageError, match="--export: 'csw' is unknown") as wrong:
        registry.export("csw", [], [])
    assert wrong.value.hint == "did you mean csv?"
