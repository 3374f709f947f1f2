"""`altool import-labels` from outside: what it says, what it leaves behind, alone, twice, in a crowd and killed."""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import program
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from altool.commands import import_labels
from altool.console import Console
from altool.errors import AltoolError
from altool.labels.consensus import resolve
from altool.tables import label_log
from altool.tables.read import Reader

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).parents[1] / "golden" / "import_labels"
HEAD = "altool_id,label,annotator,labeled_at\n"


def log(folder: Path) -> list[dict[str, Any]]:
    reader = Reader()
    source = reader.open(str(folder), "labels")
    reader.match_ids()
    return sorted(label_log.read(source).to_pylist(), key=str)


def files(folder: Path) -> dict[str, bytes]:
    """Everything that is to be seen below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")
    }


def queries(path: Path, ids: list[Any], classes: list[str] | None = None, round_: int = 1, **columns: Any) -> Path:
    table = pa.table({"id": ids, "rank": pa.array(range(1, len(ids) + 1), pa.int32()), "round": pa.array([round_] * len(ids), pa.int32()),
                      "source": ["exploit"] * len(ids), **columns})  # fmt: skip
    pq.write_table(table.replace_schema_metadata({"altool.classes": json.dumps(classes)} if classes else None), path)
    return path


def run_here(folder: Path, **options: Any) -> dict[str, Any]:
    """The command in this process; its summary."""
    summaries: list[dict[str, Any]] = []
    console = Console(quiet=True)
    console.result = lambda summary, line: summaries.append(summary)  # type: ignore[method-assign]
    options = {"exports": [str(folder / "export")], "labels": str(folder / "log"), **options}
    import_labels.run(import_labels.Options(**options), console)
    return {**summaries[0], "warnings": console.warnings}


# name: (export, arguments, exit status); every run has queries of r1 to r4, classes cat and dog
SCENARIOS: dict[str, tuple[str, list[str], int]] = {
    "seed": (HEAD + "r1,cat,ann,\nr2,dog,ann,\nr3,,,\n", [], 0),
    "queries": (HEAD + "r1,cat,ann,\nr2,SKIP,ann,\nr1,dog,bob,\nr4,,,\n", ["--queries", "q.parquet", "--skip-value", "SKIP"], 0),
    "refused": (
        HEAD + "r1,cat,ann,\nr2,ox,ann,\nr9,cat,ann,\nr8,dog,,\nr3,cat,ann,\nr3,dog,ann,\nr4,dog,ann,yesterday\n,dog,ann,\n",
        ["--queries", "q.parquet"],
        0,
    ),
    "refused-json": (HEAD + "r1,cat,ann,\nr2,ox,ann,\n", ["--queries", "q.parquet", "--json"], 0),
    "strict": (HEAD + "r1,cat,ann,\nr2,ox,ann,\nr9,ox,ann,\n", ["--queries", "q.parquet", "--strict"], 3),
    "all-refused": (HEAD + "r8,cat,ann,\nr9,cat,ann,\n", ["--queries", "q.parquet"], 3),
    "all-refused-json": (HEAD + "r8,cat,ann,\n", ["--queries", "q.parquet", "--json"], 3),
    "integers": (HEAD + "1,cat,ann,\n", [], 0),
    "queried": ("altool_id,altool_round,label\nr1,4,cat\n", [], 0),
    "no-label-column": ("altool_id,text\nr1,cat\n", [], 3),
    "bad-source": (HEAD, ["--source", "web"], 2),
    "bad-map": (HEAD, ["--label-map", "a=b,a=c"], 2),
    "bad-columns": (HEAD + "r1,cat,,\n", ["--columns", "label=answer"], 2),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_it_says(name: str, tmp_path: Path, altool: Callable[..., Any]) -> None:
    export, arguments, code = SCENARIOS[name]
    (tmp_path / "export.csv").write_text(export)
    queries(tmp_path / "q.parquet", ["r1", "r2", "r3", "r4"], ["cat", "dog"])
    before = files(tmp_path)
    done = altool("import-labels", "export.csv", "--labels", "log", *arguments, code=code)
    found = f"exit {done.returncode}\n--- stdout\n{done.text}--- stderr\n{done.said}"
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("ALTOOL_GOLDEN"):
        golden.write_text(found)
    assert found == golden.read_text()
    if code:
        assert files(tmp_path) == before
        assert not (tmp_path / "log").exists()


def test_the_log_and_the_rejects(tmp_path: Path, altool: Callable[..., Any]) -> None:
    (tmp_path / "export.csv").write_text(HEAD + "r1,cat,ann,2026-01-01T00:00:00Z\nr2,SKIP,ann,\nr9,cat,bob,\n")
    queries(tmp_path / "q.parquet", ["r1", "r2"], suggested_label=["dog", None])
    done = altool("import-labels", "export.csv", "--labels", "log", "--queries", "q.parquet", "--skip-value", "SKIP", "--json")
    summary = json.loads(done.text)
    assert {
        row["id"]: (row["label"], row["status"], row["round"], row["source"], row["suggested_label"]) for row in log(tmp_path / "log")
    } == {
        "r1": ("cat", "labeled", 1, "exploit", "dog"),
        "r2": (None, "skipped", 1, "exploit", None),
    }
    name = summary["fragment"]
    assert name.startswith("round-0001-")
    assert set(files(tmp_path / "log")) == {name}
    rejects = pq.read_table(tmp_path / "log.rejects" / name)
    assert rejects.to_pylist() == [{"id": "r9", "label": "cat", "annotator": "bob", "reason": "unknown id"}]
    for table, kind in ((rejects, b"rejects"), (pq.read_table(tmp_path / "log" / name), b"labels")):
        metadata = table.schema.metadata
        assert metadata[b"altool.kind"] == kind
        origin = json.loads(metadata[b"altool.provenance"])
        assert (origin["command"], origin["options"], set(origin["inputs"])) == (
            "import-labels",
            {"skip_value": "SKIP"},
            {"export", "queries"},
        )

    before = files(tmp_path)
    again = altool("import-labels", "export.csv", "--labels", "log", "--queries", "q.parquet", "--skip-value", "SKIP")
    assert "no change (2 known, 1 refused)\n" in again.said
    assert files(tmp_path) == before


def test_what_has_no_effect_on_the_bytes(tmp_path: Path) -> None:
    """Order of rows, the format and the names of files."""
    rows = [{"altool_id": f"r{number}", "label": "cat" if number % 3 else "dog", "annotator": "ann"} for number in range(50)]
    outcomes = []
    for number, form in enumerate(("csv", "jsonl", "parquet", "two")):
        folder = tmp_path / form
        folder.mkdir()
        order = random.Random(number).sample(rows, 50)
        lines = [HEAD + "".join(f"{r['altool_id']},{r['label']},ann,\n" for r in part) for part in (order[:20], order[20:])]
        exports = [folder / "e1", folder / "e2"] if form == "two" else [folder / "e1"]
        if form == "parquet":
            pq.write_table(pa.Table.from_pylist(order), exports[0])
        else:
            text = "\n".join(map(json.dumps, order)) if form == "jsonl" else lines[0] + ("" if form == "two" else lines[1][len(HEAD) :])
            exports[0].write_text(text)
        if form == "two":
            exports[1].write_text(lines[1])
        run_here(folder, exports=[str(path) for path in exports])
        outcomes.append(files(folder / "log"))
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_an_export_that_grows(tmp_path: Path) -> None:
    """The export holds all rounds; each import takes what is new, whether or not the queries of old rounds are given."""
    queries(tmp_path / "q1", ["r1", "r2"], round_=1)
    queries(tmp_path / "q2", ["r3"], round_=2)
    (tmp_path / "export").write_text(HEAD + "r1,cat,ann,\n")
    assert run_here(tmp_path, queries=[str(tmp_path / "q1")])["imported"] == 1
    (tmp_path / "export").write_text(HEAD + "r1,cat,ann,\nr2,dog,ann,\nr3,dog,ann,\n")
    summary = run_here(tmp_path, queries=[str(tmp_path / "q2")])
    assert (summary["imported"], summary["known"], summary["refused"]) == (1, 1, {"unknown id": 1})
    summary = run_here(tmp_path, queries=[str(tmp_path / "q*")])
    assert (summary["imported"], summary["known"], summary["refused"]) == (1, 2, {})
    assert {row["id"]: row["round"] for row in log(tmp_path / "log")} == {"r1": 1, "r2": 1, "r3": 2}
    (tmp_path / "export").write_text(HEAD + "r1,dog,ann,\nr2,dog,ann,\n")
    summary = run_here(tmp_path, queries=[str(tmp_path / "q*")])
    assert (summary["imported"], summary["known"], summary["changed"], summary["conflicts"]) == (1, 1, 1, 0)


def test_classes_that_may_be_given(tmp_path: Path) -> None:
    (tmp_path / "export").write_text(HEAD + "r1,cat,,\nr2,ox,,\n")
    path = str(queries(tmp_path / "q", ["r1", "r2"], ["cat"]))
    (tmp_path / "closed.toml").write_text('[class.cat]\nmetric = "f1"\ntarget = 0.9\n')
    (tmp_path / "open.toml").write_text('[default]\nmetric = "f1"\ntarget = 0.9\n')

    def refused(**options: Any) -> dict[str, int]:
        return run_here(tmp_path, labels=str(tmp_path / f"log{len(list(tmp_path.iterdir()))}"), **options)["refused"]

    unknown = {"unknown class": 1}
    assert refused() == {}
    assert refused(queries=[path]) == unknown
    assert refused(queries=[path], classes="ox,cat") == {}
    assert refused(classes="cat") == unknown
    assert refused(classes="cat", allow_new_classes=True) == {}
    assert refused(classes="cat", label_map=["ox=cat"]) == {}
    assert refused(targets=str(tmp_path / "closed.toml")) == unknown
    assert refused(queries=[path], targets=str(tmp_path / "open.toml")) == {}
    assert refused(classes="cat", targets=str(tmp_path / "open.toml")) == unknown


def test_ids_take_the_type_of_the_pool(tmp_path: Path) -> None:
    (tmp_path / "export").write_text(HEAD + "1,cat,,\n02,dog,,\n3,ox,,\n")
    pq.write_table(pa.table({"id": [1, 2]}), tmp_path / "items")
    summary = run_here(tmp_path, items=str(tmp_path / "items"))
    assert summary["refused"] == {"id is no integer": 1, "unknown id": 1}
    assert [row["id"] for row in log(tmp_path / "log")] == [1]
    (tmp_path / "export").write_text(HEAD + "2,cat,,\n")
    assert run_here(tmp_path)["imported"] == 1  # now the log itself says that ids are integers
    task = {
        "data": {"altool_id": "7"},
        "annotations": [{"completed_by": 1, "result": [{"from_name": "label", "value": {"choices": ["cat"]}}]}],
    }
    (tmp_path / "export").write_text(json.dumps([task]))
    run_here(tmp_path)
    assert [row["id"] for row in log(tmp_path / "log")] == [1, 2, 7]


def test_ids_of_another_type_are_refused(tmp_path: Path, altool: Callable[..., Any]) -> None:
    pq.write_table(pa.table({"id": [1], "label": ["cat"]}), tmp_path / "e.parquet")
    pq.write_table(pa.table({"id": ["1"]}), tmp_path / "items.parquet")
    done = altool("import-labels", "e.parquet", "--labels", "log", "--items", "items.parquet", code=3)
    assert "export e.parquet, column 'id': ids are int64, but items items.parquet has string" in done.said
    assert not (tmp_path / "log").exists()


def test_numbers_out_of_json_stay_numbers(tmp_path: Path) -> None:
    task = {
        "data": {"altool_id": 7},
        "annotations": [{"completed_by": 1, "result": [{"from_name": "label", "value": {"choices": ["cat"]}}]}],
    }
    (tmp_path / "export").write_text(json.dumps([task]))
    run_here(tmp_path)
    assert [row["id"] for row in log(tmp_path / "log")] == [7]


def test_queries_that_the_log_could_not_hold(tmp_path: Path, altool: Callable[..., Any]) -> None:
    (tmp_path / "e").write_text(HEAD + "r1,cat,,\n")
    (tmp_path / "q1").write_text("id,source\nr1,web\n")
    (tmp_path / "q2").write_text("id,round\nr1,1\nr1,2\n")
    assert (
        "queries q1, column 'source': 1 row with another value than"
        in altool("import-labels", "e", "--labels", "log", "--queries", "q1", code=3).said
    )
    assert "queries q2, column 'id': 1 duplicate id" in altool("import-labels", "e", "--labels", "log", "--queries", "q2", code=3).said


def test_the_log_is_a_folder(tmp_path: Path, altool: Callable[..., Any]) -> None:
    (tmp_path / "e").write_text(HEAD + "r1,cat,,\n")
    assert "--labels: expected a folder, found e" in altool("import-labels", "e", "--labels", "e", code=2).said


def test_standard_input_and_several_exports(tmp_path: Path, altool: Callable[..., Any]) -> None:
    nested = {"data": {"altool_id": "r2"}}
    result = [{"from_name": "label", "value": {"choices": ["cat"]}}]
    (tmp_path / "tasks.json").write_text(json.dumps({"id": 1, "completed_by": 2, "result": result, "task": nested}))
    altool("import-labels", "-", "tasks.json", "--labels", "log", stdin=(HEAD + "r1,cat,ann,\n").encode())
    assert [row["id"] for row in log(tmp_path / "log")] == ["r1", "r2"]


def test_a_crowd_of_imports(tmp_path: Path) -> None:
    """Ten exports at once, three of them twice, each sharing rows with the next: every row is there once."""
    for number in range(10):
        rows = "".join(f"r{row},cat,ann,2026-01-01T00:00:{row % 60:02}Z\n" for row in range(number * 10, number * 10 + 15))
        (tmp_path / f"e{number}").write_text(HEAD + rows)
    command = ["import-labels", "--labels", "log", "--quiet"]
    started = [program.Running([*command, f"e{number}"], tmp_path) for number in (*range(10), *range(3))]
    ended = [run.end() for run in started]
    assert [status for status, _ in ended] == [0] * 13, ended
    assert sorted(row["id"] for row in log(tmp_path / "log")) == sorted(f"r{number}" for number in range(105))
    before = files(tmp_path)
    run_here(tmp_path, exports=[str(tmp_path / f"e{number}") for number in range(10)])
    assert files(tmp_path) == before


def test_killed_and_repeated(tmp_path: Path) -> None:
    """At six moments from start to end: whole files or none, and a second run makes up what an undisturbed one leaves."""
    rows = "".join(f"r{number},{'cat' if number % 2 else 'ox'},ann,\n" for number in range(3000))
    command = ["import-labels", "../e", "--labels", "log", "--classes", "cat", "--quiet"]
    (tmp_path / "e").write_text(HEAD + rows)

    def start(name: str) -> program.Running:
        (tmp_path / name).mkdir(exist_ok=True)
        return program.Running(command, tmp_path / name)

    program.start()
    begun = time.monotonic()
    assert start("whole").end()[0] == 0
    duration = time.monotonic() - begun
    expected = files(tmp_path / "whole")
    assert len(expected) == 2
    for number in range(6):
        process = start(f"k{number}")
        time.sleep(duration * (0.1 + 0.18 * number))
        process.kill()
        left = files(tmp_path / f"k{number}")
        assert left.items() <= expected.items()
        if left:
            assert any(name.startswith("log.rejects") for name in left)  # or the reasons would be lost
        assert start(f"k{number}").end()[0] == 0
        assert files(tmp_path / f"k{number}") == expected


def easy(folder: Path, ids: list[str], round_: int = 2, name: str = "q.parquet") -> str:
    """Queries of a hard row, an audited easy one and easy ones that the machine labels."""
    rows = [("hard-1", "exploit", "hard", "dog"), ("easy-1", "exploit", "easy", "cat"), *((key, "auto", "easy", "cat") for key in ids)]
    columns = {name: [line[place] for line in rows] for place, name in enumerate(("id", "source", "tier", "suggested_label"))}
    table = pa.table({**columns, "round": pa.array([round_] * len(rows), pa.int32())})
    pq.write_table(table.replace_schema_metadata({"altool.classes": '["cat", "dog"]'}), folder / name)
    return str(folder / name)


def resolved(folder: Path) -> dict[str, tuple[str | None, str]]:
    reader = Reader()
    source = reader.open(str(folder), "labels")
    reader.match_ids()
    return {row["id"]: (row["label"], row["source"]) for row in resolve(label_log.read(source)).table.to_pylist()}


def test_auto_labels_come_and_go(tmp_path: Path) -> None:
    machine: dict[str, Any] = {"exports": None, "auto": easy(tmp_path, ["a1", "a2"])}
    found = run_here(tmp_path, **machine)
    assert (found["imported"], found["sources"], found["fragment"][:10]) == (2, {"auto": 2}, "round-0002")
    kept = {name: value for name, value in log(tmp_path / "log")[0].items() if value is not None}
    assert kept == {"id": "a1", "label": "cat", "source": "auto", "round": 2, "status": "labeled", "arrival": 1}
    before = files(tmp_path / "log")
    again = run_here(tmp_path, **machine)
    assert (again["imported"], again["known"], files(tmp_path / "log")) == (0, 2, before)

    (tmp_path / "export").write_text("altool_id,label\na1,dog\n")  # a person's label beats the machine's, and survives its retraction
    person = run_here(tmp_path, queries=[machine["auto"]])
    assert person["sources"] == {"exploit": 1}
    assert resolved(tmp_path / "log") == {"a1": ("dog", "exploit"), "a2": ("cat", "auto")}
    retract: dict[str, Any] = {"exports": None, "retract_auto": 2}
    assert run_here(tmp_path, **retract)["retracted"] == 2
    assert resolved(tmp_path / "log") == {"a1": ("dog", "exploit")}
    before = files(tmp_path / "log")
    assert (run_here(tmp_path, **retract)["known"], run_here(tmp_path, **machine)["retracted"]) == (2, 2)
    assert files(tmp_path / "log") == before

    later = run_here(tmp_path, exports=None, auto=easy(tmp_path, ["a2"], round_=3, name="q3.parquet"))
    assert (later["imported"], later["retracted"]) == (1, 0)
    assert resolved(tmp_path / "log")["a2"] == ("cat", "auto")
    assert run_here(tmp_path, exports=None, auto=easy(tmp_path, [], name="none.parquet"))["imported"] == 0


def test_auto_labels_and_retractions_at_once(tmp_path: Path) -> None:
    """Whoever is first: the round's labels are all withdrawn or all there, and the people's are."""
    easy(tmp_path, [f"a{number}" for number in range(50)])
    (tmp_path / "e").write_text("altool_id,label\nhard-1,dog\neasy-1,cat\n")
    one = ["--auto", "q.parquet"]
    run_here(tmp_path, exports=None, auto=str(tmp_path / "q.parquet"))
    crowd = [one, ["--retract-auto", "2"], ["e", "--queries", "q.parquet"], one, ["--retract-auto", "2"]]
    started = [program.Running(["import-labels", *each, "--labels", "log", "--quiet"], tmp_path) for each in crowd]
    assert [run.end() for run in started] == [(0, "")] * 5
    assert resolved(tmp_path / "log") == {"hard-1": ("dog", "exploit"), "easy-1": ("cat", "exploit")}
    assert len(log(tmp_path / "log")) == 102


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "EXPORT is missing"),
        (["e", "--auto", "q"], 2, "EXPORT has no effect with --auto"),
        (["--auto", "q", "--queries", "q"], 2, "--queries has no effect with --auto"),
        (["--auto", "q", "--retract-auto", "2"], 2, "--auto has no effect with --retract-auto"),
        (["--retract-auto", "2", "--round", "2"], 2, "--round has no effect with --retract-auto"),
        (["--retract-auto", "2"], 3, "labels log: no such folder"),
        (["--auto", "q"], 3, "queries q, column 'suggested_label': 1 row of source auto without one (ids r1)"),
        (["--auto", "blank"], 3, "queries blank, column 'suggested_label': 1 row of source auto without one (ids r1)"),
        (["--auto", "items"], 3, "column 'source'"),
    ],
)
def test_what_is_refused_of_auto_labels(tmp_path: Path, arguments: list[str], code: int, message: str, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "q").write_text("id,source,suggested_label\nr1,auto,\n")
    (tmp_path / "blank").write_text('id,source,suggested_label\nr1,auto," "\n')
    (tmp_path / "items").write_text("id,suggested_label\nr1,cat\n")
    names = {"--auto": "auto", "--queries": "queries", "--retract-auto": "retract_auto", "--round": "round"}
    given: dict[str, Any] = {}
    words = iter(arguments)
    for word in words:
        value = next(words) if word in names else None
        if value is None:
            given["exports"] = [word]
        else:
            given[names[word]] = [value] if word == "--queries" else int(value) if value.isdigit() else value
    with pytest.raises(AltoolError, match=re.escape(message)) as error:
        run_here(tmp_path, **{"exports": None, "labels": "log", **given})
    assert error.value.exit_code == code
    assert not (tmp_path / "log").exists()


def test_a_round_without_auto_labels(tmp_path: Path) -> None:
    run_here(tmp_path, exports=None, auto=easy(tmp_path, ["a1"]))
    with pytest.raises(AltoolError, match="round 7 has no auto label") as error:
        run_here(tmp_path, exports=None, retract_auto=7)
    assert "2" in error.value.hint
