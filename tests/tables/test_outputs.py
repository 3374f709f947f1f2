"""An output destroys nothing: what is refused, however it is spelled, and what --overwrite may replace."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from altool.errors import InputError, UsageError
from altool.tables import outputs, relations, write
from altool.tables.outputs import Output

QUERIES = pa.table({"id": ["a"], "rank": [1], "score": [0.5], "strategy": ["margin"], "round": [0], "source": ["exploit"]})


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `here` beside `elsewhere`, where the run takes place."""
    here = tmp_path / "here"
    (here / "labels").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    for path in (here / "f.parquet", here / "labels" / "one.parquet", tmp_path / "elsewhere" / "two.parquet"):
        pq.write_table(pa.table({"id": ["a"]}), path)
    (here / "labels" / "linked.parquet").symlink_to("../../elsewhere/two.parquet")
    (here / "other").symlink_to("labels")
    (here / "link.parquet").symlink_to("f.parquet")
    os.link(here / "f.parquet", here / "hard.parquet")
    os.link(here / "labels" / "one.parquet", here / "hard-one.parquet")
    monkeypatch.chdir(here)
    return here


def refusal(*outputs_: Output, inputs: list[tuple[str, str]] | None = None, overwrite: bool = True) -> str:
    with pytest.raises(UsageError) as caught:
        outputs.check(outputs_, inputs or [], overwrite=overwrite)
    return caught.value.message


@pytest.mark.parametrize(
    ("output", "relation", "given"),
    [
        ("f.parquet", "is", "f.parquet"),
        ("./f.parquet", "is", "f.parquet"),
        ("labels/../f.parquet", "is", "f.parquet"),
        ("{here}/f.parquet", "is", "f.parquet"),
        ("f.parquet", "is", "{here}/f.parquet"),
        ("file://{here}/f.parquet", "is", "f.parquet"),
        ("f.parquet", "is", "file://{here}/f.parquet"),
        ("file://{here}/%66.parquet", "is", "f.parquet"),
        ("link.parquet", "is", "f.parquet"),
        ("f.parquet", "is", "link.parquet"),
        ("hard.parquet", "is", "f.parquet"),
        ("labels/q.parquet", "lies in", "labels"),
        ("labels/q.parquet", "lies in", "labels/"),
        ("labels/q.parquet", "lies in", "."),
        ("labels/deep/er/q.parquet", "lies in", "labels"),
        ("labels/one.parquet", "lies in", "labels"),
        ("other/q.parquet", "lies in", "labels"),
        ("labels/q.parquet", "lies in", "other"),
        ("file://{here}/labels/q.parquet", "lies in", "file://{here}/labels"),
        ("hard-one.parquet", "lies in", "labels"),
        ("../elsewhere/two.parquet", "lies in", "labels"),
        ("labels/one.parquet", "would be read as part of", "labels/*.parquet"),
        ("labels/new.parquet", "would be read as part of", "labels/*.parquet"),
        ("other/new.parquet", "would be read as part of", "labels/*.parquet"),
        ("labels/deep/new.parquet", "would be read as part of", "**/*.parquet"),
        ("labels/new.parquet", "would be read as part of", "l*/new.parquet"),
    ],
)
def test_an_output_that_meets_an_input_is_refused(project: Path, output: str, relation: str, given: str) -> None:
    output, given = output.format(here=project), given.format(here=project)
    said = refusal(Output("-o", output, "queries"), inputs=[("--labels", given)])
    assert said == f"-o {output} {relation} the --labels {given}"


@pytest.mark.parametrize(
    ("output", "relation", "given"),
    [
        ("deep/../../elsewhere", "holds", "labels"),
        ("labels", "is", "labels"),
        ("labels/", "is", "labels"),
        ("other", "is", "labels"),
        ("labels", "holds", "labels/*.parquet"),
        ("../elsewhere", "holds", "labels"),
        ("../here/labels", "is", "labels"),
        ("labels/model", "lies in", "labels"),
    ],
)
def test_a_folder_that_meets_an_input_is_refused(project: Path, output: str, relation: str, given: str) -> None:
    given = given.format(here=project)
    said = refusal(Output("-o", output, "model"), inputs=[("--labels", given)])
    assert said == f"-o {output} {relation} the --labels {given}"
    assert (project / "labels" / "one.parquet").exists()


@pytest.mark.parametrize(
    ("output", "given"),
    [
        ("q.parquet", "labels"),
        ("q.parquet", "labels/*.parquet"),
        ("labels.parquet", "labels"),
        ("deep/q.parquet", "*.parquet"),
        ("labelsq/q.parquet", "labels"),
        ("q.csv", "*.parquet"),
        ("s3://bucket/labels/q.parquet", "s3://other/labels"),
    ],
)
def test_what_only_lies_near_an_input_is_written(output: str, given: str) -> None:
    if "://" in output:
        assert not relations.relation(output, given, relations.Inputs(given))
    else:
        outputs.check([Output("-o", output, "queries")], [("--labels", given)])


@pytest.mark.parametrize(
    ("output", "relation", "given"),
    [
        ("s3://bucket/a/q.parquet", "is", "S3://bucket//a/./q.parquet?region=eu"),
        ("s3://bucket/a/q.parquet", "lies in", "s3://bucket/a"),
        ("s3://bucket/a/q.parquet", "would be read as part of", "s3://bucket/*/q.parquet"),
        ("s3://bucket/a", "holds", "s3://bucket/a/q.parquet"),
    ],
)
def test_two_addresses_are_compared_by_their_text(output: str, relation: str, given: str) -> None:
    assert relations.relation(output, given, relations.Inputs(given)) == relation


@pytest.mark.parametrize(
    ("one", "two", "relation"),
    [
        ("x", "x", "is"),
        ("x", "./x", "is"),
        ("x", "file://{here}/x", "is"),
        ("other/x", "labels/x", "is"),
        ("m", "m/x", "lies in"),
        ("m/x", "m", "holds"),
    ],
)
def test_two_outputs_that_meet_are_refused(project: Path, one: str, two: str, relation: str) -> None:
    one, two = one.format(here=project), two.format(here=project)
    first = Output("-o", one, "model" if two.startswith(one + "/") else "queries")
    second = Output("--oof", two, "model" if relation == "holds" else "predictions")
    assert refusal(first, second) == f"--oof {two} {relation} the -o {one}"


def test_standard_output_holds_one_table() -> None:
    assert refusal(Output("-o", "-", "queries"), Output("--export csv", "-", "csv")).startswith(
        "-o and --export csv: only one of them can be on standard output"
    )
    with pytest.raises(UsageError, match="-o and --json: only one of them can be on standard output"):
        outputs.check([Output("-o", "-", "queries")], json=True)
    outputs.check([Output("-o", "-", "queries"), Output("--oof", None, "predictions")], [("--labels", "-")])


@pytest.mark.parametrize(
    ("location", "kind", "says"),
    [
        (".", "queries", "-o . names a folder|-o . is a folder"),
        ("labels", "queries", "-o labels is a folder"),
        (".", "model", "-o . is the folder that this run is in, or lies above it"),
        ("..", "model", "-o .. is the folder that this run is in, or lies above it"),
        ("labels/../../here", "model", "is the folder that this run is in, or lies above it"),
        ("/", "model", "-o / is the folder that this run is in, or lies above it"),
        ("new/", "queries", "-o new/ names a folder"),
        ("", "queries", "-o is empty"),
        ("f.parquet", "model", "-o f.parquet is a file, not a folder"),
        ("f.parquet/q.parquet", "queries", "-o f.parquet/q.parquet: .*/here/f.parquet is not a folder"),
        ("f.parquet/deep/q.parquet", "queries", "-o f.parquet/deep/q.parquet: .*/here/f.parquet is not a folder"),
        ("s3://bucket/model?no=1", "model", "s3://bucket/model.no=1: not an address that altool can write to"),
        ("nothing://x", "queries", "nothing://x: not an address that altool can write to"),
        ("file://here/x", "queries", "file://here/x: not an address that altool can write to"),
        ("n" * 300, "queries", "File name too long"),
        ("n" * 250, "queries", "-o: the name of the output is longer than 234 bytes"),
        ("d" * 300 + "/q", "queries", "File name too long"),
    ],
)
def test_a_place_that_cannot_be_written(location: str, kind: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        outputs.check([Output("-o", location, kind)])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_changed(project: Path) -> None:
    (project / "labels").chmod(0o500)
    assert "is not writable" in refusal(Output("-o", "labels/q.parquet", "queries"))


SHEET = "altool_id,altool_round,altool_rank,text,suggestion,suggestion_score,tier,label,annotator,comment\na,0,1,t,,,,{label},,\n"
TASK = '[\n{"data": {"text": "t", "altool_id": "a", "altool_round": 0, "altool_rank": 1}, "predictions": []%s}\n]\n'
CONFIG = '<View><Text name="text" value="$text"/><Choices name="label" toName="text" choice="single"><Choice value="a"/></Choices></View>\n'


@pytest.mark.parametrize(
    ("kind", "content", "ours"),
    [
        ("queries", "", True),
        ("queries", "mine", False),
        ("queries", "id\na\n", False),
        ("queries", "id,rank,score,strategy,round,source\na,1,0.5,margin,0,exploit\n", True),
        ("queries", "id,rank,score,strategy,round,source,mine\n", False),
        ("queries", '{"id": "a", "rank": 1, "score": 0.5, "strategy": "margin", "round": 0, "source": "exploit"}\n', True),
        ("queries", '{"id": "a", "label": "b"}\n', False),
        ("predictions", "id,probabilities\n", False),
        ("features", "id,features\n", False),
        ("csv", SHEET.format(label=""), True),
        ("csv", SHEET.format(label="cat"), False),
        ("csv", "id,label\n", False),
        ("label-studio", TASK % "", True),
        ("label-studio", "[\n]\n", True),
        ("label-studio", TASK % ', "annotations": []', False),
        ("label-studio", "[]", False),
        ("config", CONFIG, True),
        ("config", CONFIG.replace("</View>", '<TextArea name="mine"/></View>'), False),
        ("page", "<!DOCTYPE html>\n<p>mine</p>\n", False),
    ],
)
def test_what_altool_wrote_is_told_by_its_content(project: Path, kind: str, content: str, ours: bool) -> None:
    (project / "out").write_text(content)
    assert refusal(Output("-o", "out", kind), overwrite=False) == "out exists"
    if ours:
        outputs.check([Output("-o", "out", kind)], overwrite=True)
    else:
        assert refusal(Output("-o", "out", kind)).endswith("written by altool")
        assert refusal(Output("-o", f"file://{project}/out", kind)).endswith("written by altool")
    assert (project / "out").read_text() == content


@pytest.mark.parametrize("ending", ["parquet", "arrow", "csv", "jsonl"])
def test_a_table_of_the_same_kind_may_be_replaced(ending: str) -> None:
    write.write_table(QUERIES, "queries", f"q.{ending}", origin={})
    outputs.check([Output("-o", f"q.{ending}", "queries")], overwrite=True)
    assert refusal(Output("-o", f"q.{ending}", "metrics")) == f"q.{ending} exists and is not a table of metrics written by altool"


def model(folder: Path) -> Path:
    folder.mkdir()
    (folder / "model.json").write_text(json.dumps({"format": 1, "classifier": "logistic", "classes": ["a"], "width": 2}))
    (folder / "weights.safetensors").touch()
    return folder


def test_a_model_folder_holds_nothing_foreign(project: Path) -> None:
    made = model(project / "m")
    outputs.check([Output("-o", "m", "model")], overwrite=True)
    (made / "notes.txt").touch()
    assert refusal(Output("-o", "m", "model")) == "m exists and is not a model written by altool"
    (made / "notes.txt").unlink()
    (made / "model.json").write_text('{"name": "mine"}')
    assert refusal(Output("-o", "m", "model")) == "m exists and is not a model written by altool"


def test_a_sidecar_replaces_what_altool_wrote_and_nothing_else(project: Path) -> None:
    sidecar = Output("-o", "r.parquet", "rejects", sidecar=True)
    write.write_table(pa.table({"id": ["a"], "reason": ["b"]}), "rejects", "r.parquet", origin={})
    outputs.check([sidecar])
    (project / "r.parquet").write_text("mine")
    assert refusal(sidecar, overwrite=False) == "r.parquet exists and is not a table of rejects written by altool"


def test_metrics_may_join_their_history(project: Path) -> None:
    history = [("--history", "history")]
    (project / "history").mkdir()
    write.write_table(pa.table({"class": ["a"], "metric": ["f1"], "value": [0.5]}), "metrics", "history/0.parquet", origin={})
    for name in ("0.parquet", "1.parquet"):
        outputs.check([Output("--metrics-output", f"history/{name}", "metrics", within=("--history",))], history, overwrite=True)
    (project / "history" / "2.parquet").write_text("mine")
    for name, kind, given in (
        ("2.parquet", "metrics", "history"),
        ("r.html", "page", "history"),
        ("0.parquet", "metrics", "history/0.parquet"),
    ):
        within = ("--history",) if kind == "metrics" else ()
        assert "the --history" in refusal(Output("-o", f"history/{name}", kind, within=within), inputs=[("--history", given)])


@pytest.mark.parametrize("special", ["/dev/null", "pipe", "dangling"])
def test_nothing_special_is_replaced(project: Path, special: str) -> None:
    os.mkfifo(project / "pipe")
    (project / "dangling").symlink_to("nowhere")
    assert refusal(Output("-o", special, "queries")) == f"{special} exists and is not a table of queries written by altool"


def test_a_folder_that_came_meanwhile_stays(project: Path) -> None:
    with pytest.raises(UsageError, match="m exists and is not a model"), write.replacing("m", "model") as path:  # noqa: PT012
        model(path)
        (project / "m").mkdir()
        (project / "m" / "mine").touch()
    assert (project / "m" / "mine").exists()
    assert sorted(path.name for path in project.iterdir() if path.name.startswith(".")) == []


def test_a_model_replaces_a_model_and_a_link_to_one(project: Path) -> None:
    model(project / "old")
    (project / "latest").symlink_to("old")
    for name in ("old", "latest"):
        with write.replacing(name, "model") as path:
            (model(path) / "vaal.safetensors").touch()
        assert (project / name / "vaal.safetensors").exists()
        assert not (project / name).is_symlink()
    assert sorted(path.name for path in project.iterdir() if path.name.startswith(".")) == []


def test_a_run_that_was_killed_between_two_names_gives_the_old_one_back(project: Path) -> None:
    model(project / ".m.1.old")
    (project / ".m.1.tmp-lock").touch()
    write.remove_stale(project / "m")
    assert (project / "m" / "model.json").exists()
    assert sorted(path.name for path in project.iterdir() if path.name.startswith(".")) == []


def test_a_uri_of_a_file_is_a_path(project: Path) -> None:
    write.write_bytes(b"x", f"file://{project}/deep/x%20y")
    assert (project / "deep" / "x y").read_bytes() == b"x"
    assert not list((project / "deep").glob(".*"))


def test_a_disk_that_fails_while_writing_is_named(project: Path) -> None:
    with pytest.raises(InputError) as caught, write.replacing("q") as path:
        raise OSError(28, "No space left on device", str(path))
    assert caught.value.message == "q cannot be written (No space left on device)"
    with pytest.raises(UsageError, match=r"^q cannot be written \(Permission denied\)$"), write.replacing("q") as path:
        raise PermissionError(13, "Permission denied", str(path))
    with pytest.raises(PermissionError), write.replacing("q") as path:
        raise PermissionError(13, "Permission denied", "another file")
