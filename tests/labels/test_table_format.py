"""Plain tables in, and the sheet that annotators fill in."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from altool.console import Console
from altool.errors import InputError, UsageError
from altool.labels import registry
from altool.labels.exchange import Answers, Naming, Task, with_ids
from altool.labels.opening import open_exports

PLAIN = Naming({})


def read(path: Path, content: str | bytes | pa.Table, naming: Naming = PLAIN, wanted: str = "auto") -> Answers:
    if isinstance(content, pa.Table):
        pq.write_table(content, path)
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    (export,) = open_exports(str(path))
    return registry.read(export, wanted, naming)


def columns(found: Answers, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in found.table.to_pylist()]


CSV = 'altool_id,text,label,annotator,seconds,labeled_at\n007,"a, b",cat,ann,1.5,2026-01-01T00:00:00Z\nNA,\'=x,,,,\n'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", CSV),
        ("b", "\ufeff" + CSV.replace("\n", "\r\n")),
        ("c.parquet.tsv", CSV.replace(",", "\t").replace("a\t b", "a, b")),
        ("d.csv", CSV.replace(",", ";").replace("a; b", "a; b")),
        (
            "e.csv",  # JSON Lines all the same
            '{"altool_id": "007", "label": "cat", "annotator": "ann", "seconds": 1.5, "labeled_at": "2026-01-01T00:00:00Z"}\n'
            '{"altool_id": "NA", "label": ""}\n',
        ),
        (
            "f.json",
            '[{"altool_id": "007", "label": "cat", "annotator": "ann", "seconds": 1.5, "labeled_at": "2026-01-01T00:00:00Z"},'
            ' {"altool_id": "NA"}]',
        ),
    ],
)
def test_the_content_says_what_a_file_is(tmp_path: Path, name: str, content: str) -> None:
    found = read(tmp_path / name, content)
    assert columns(found, "id", "label", "annotator", "seconds", "reason") == [
        ("007", "cat", "ann", 1.5, None),
        ("NA", None, None, None, None),
    ]
    assert found.table["labeled_at"][0].as_py().isoformat() == "2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string()), pa.string_view()])
def test_parquet_of_any_kind_of_string(tmp_path: Path, kind: pa.DataType) -> None:
    label = pa.array(["cat", None])
    try:
        found = read(
            tmp_path / "a.csv",
            pa.table({"id": pa.array(["x", "y"]).cast(kind), "label": label.dictionary_encode(), "image": [b"1", b"2"]}),
        )
    except pa.ArrowNotImplementedError:
        pytest.skip("this pyarrow knows the type, but does not write it")
    assert columns(found, "id", "label") == [("x", "cat"), ("y", None)]
    assert found.id_type == pa.string()


def test_integers_may_be_ids_and_classes(tmp_path: Path) -> None:
    found = read(tmp_path / "a", pa.table({"task": pa.array([5, 6], pa.int32()), "label": [0, 9], "annotator": [1, 2]}))
    assert columns(found, "id", "label", "annotator") == [(5, "0", "1"), (6, "9", "2")]
    assert found.id_type == pa.int64()


def test_altool_id_goes_before_a_tools_own_id(tmp_path: Path) -> None:
    found = read(tmp_path / "a", "id,altool_id,label\n1,r1,cat\n")
    assert columns(found, "id") == [("r1",)]
    assert columns(read(tmp_path / "a", "id,altool_id,label\n1,r1,cat\n", Naming({}, "id")), "id") == [("1",)]


def test_other_names_by_columns(tmp_path: Path) -> None:
    found = read(tmp_path / "a", "key,answer,label\nr1,cat,x\n", Naming({"id": "key", "label": "answer", "round": "nowhere"}))
    assert columns(found, "id", "label") == [("r1", "cat")]
    assert found.used == {"id", "label"}


def test_a_column_per_annotator(tmp_path: Path) -> None:
    content = (
        "altool_id,altool_round,text,suggestion,label,annotator:ann,annotator:Bob B.\nr1,2,a,cat,,cat,dog\nr2,2,b,cat,,,dog\nr3,2,c,,, ,\n"
    )
    found = read(tmp_path / "a", content)
    expected = [
        ("r1", "cat", "ann", 2, "cat"),
        ("r3", None, "ann", 2, None),
        ("r1", "dog", "Bob B.", 2, "cat"),
        ("r2", "dog", "Bob B.", 2, "cat"),
    ]
    assert columns(found, "id", "label", "annotator", "round", "suggested_label") == expected


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_annotators_named_on_the_command_line(tmp_path: Path, form: str) -> None:
    rows = [{"id": "r1", "text": "t", "ann": "cat", "bob": "dog"}]
    content = {
        "csv": "id,text,ann,bob\nr1,t,cat,dog\n",
        "jsonl": "\n".join(map(json.dumps, rows)),
        "parquet": pa.Table.from_pylist(rows),
    }[form]
    found = read(tmp_path / "a", content, Naming({}, None, ("ann", "bob")))  # type: ignore[arg-type]
    assert columns(found, "label", "annotator") == [("cat", "ann"), ("dog", "bob")]


def test_payload_is_never_taken_for_annotators(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column 'label'") as caught:
        read(tmp_path / "a", "id,text,image,ann,bob\nr1,cat,dog,x,y\n")
    assert "--annotator-columns" in caught.value.hint


def test_what_may_be_either_of_two_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="also a filled column 'label'"):
        read(tmp_path / "a", "id,label,annotator:ann\nr1,cat,dog\n")
    with pytest.raises(InputError, match="also a filled column 'seconds'"):
        read(tmp_path / "a", "id,seconds,annotator:ann\nr1,3,dog\n")
    with pytest.raises(UsageError, match="named for two things"):
        read(tmp_path / "a", "id,text\nr1,dog\n", Naming({}, None, ("id",)))
    with pytest.raises(InputError, match="two columns are called 'label'"):
        read(tmp_path / "a", "id,label,label\nr1,cat,dog\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        ("id,label\n", "no rows"),
        ("[]", "no rows"),
        ("label\ncat\n", "no column 'altool_id'"),
        ("id,label\nr1,cat\nr2,dog,extra\n", "line 3 has 3 fields, the header has 2"),
        ('{"id": "r1", "label": "cat"}\n{"id": "r2", "la', "line 2, column 14 is not JSON"),
        ('{"id": "r1", "label": "cat"}\n[]\n', "entry 2: expected a JSON object"),
        ('{"id": 1.5, "label": "cat"}\n', "1 id of another type than string or integer .1.5."),
        ('{"id": true, "label": "cat"}\n', "1 id of another type than string or integer .true."),
        ('{"id": 1, "label": "cat"}\n{"id": "2", "label": "cat"}\n', "some ids are strings, some integers"),
        ("[" * 100_000, "nested too deeply"),
        (b"PAR1\0\0\0\0", "is cut off"),
        (b"PK\x03\x04\0\0zip", "it is a damaged zip archive"),
        (b"id,label\nr1,\xff\xfe\n", "not UTF-8 .probably Windows-1252"),
        ("id,label,source\nr1,cat,web\n", "column 'source': 1 row with another value than seed, explore"),
        ("id,label,status\nr1,cat,done\n", "column 'status': 1 row with another value than labeled, skipped"),
        ("id,label,round\nr1,cat,-1\n", "column 'round': 1 row with a negative round"),
        ("id,label,round\nr1,cat,two\n", "column 'round': expected int32, found string"),
    ],
)
def test_what_cannot_be_read_is_refused_as_a_whole(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path / "a", content)


def test_labels_must_be_texts(tmp_path: Path) -> None:
    found = read(
        tmp_path / "a", '{"id": "1", "label": ["a"]}\n{"id": "2", "label": 3}\n{"id": "3", "label": 1.5}\n{"id": "4", "label": true}\n'
    )
    assert columns(found, "label", "reason") == [("a", None), ("3", None), ("1.5", "label is no text"), ("true", None)]
    with pytest.raises(InputError, match="column 'label': expected string, found double"):
        read(tmp_path / "a", pa.table({"id": ["a"], "label": [1.5]}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31t12:00:00.123456789z", "2026-01-31T12:00:00.123456+00:00"),
        ("2026-01-31 12:00:00+02:00", "2026-01-31T10:00:00+00:00"),
        (" ", None),
        ("2026-01-31T12:00:00", "refused"),
        ("2026-01-31", "refused"),
        ("1769860800", "refused"),
        ("31.1.2026", "refused"),
    ],
)
def test_times_are_rfc_3339(tmp_path: Path, text: str, expected: str | None) -> None:
    ((time, reason),) = columns(read(tmp_path / "a", f"id,label,labeled_at\nr1,cat,{text}\n"), "labeled_at", "reason")
    assert (time and time.isoformat()) == (None if expected == "refused" else expected)
    assert (reason is not None) == (expected == "refused")


def test_times_of_parquet_need_a_zone_too(tmp_path: Path) -> None:
    naive, aware = pa.array([0], pa.timestamp("ns")), pa.array([1], pa.timestamp("ns", "Europe/Berlin"))
    assert columns(read(tmp_path / "a", pa.table({"id": ["a"], "label": ["x"], "labeled_at": naive})), "reason")[0][0]
    assert columns(read(tmp_path / "a", pa.table({"id": ["a"], "label": ["x"], "labeled_at": aware})), "reason") == [(None,)]


@pytest.mark.parametrize(
    ("text", "good"),
    [("0", True), ("1e3", True), ("", True), ("-1", False), ("nan", False), ("inf", False), ("1e39", False), ("2 s", False)],
)
def test_seconds_are_a_length_of_time(tmp_path: Path, text: str, good: bool) -> None:
    assert columns(read(tmp_path / "a", f"id,label,seconds\nr1,cat,{text}\n"), "reason") == [
        (None if good else "seconds is no length of time",)
    ]


def test_ids_take_the_type_of_the_other_tables(tmp_path: Path) -> None:
    found = read(tmp_path / "a", "id,label\n12,a\n-3,b\n007,c\n1.0,d\n99999999999999999999,e\n,f\nx,\n")
    assert found.id_type is None
    integers = with_ids(found, pa.int64())
    assert integers["id"].to_pylist() == [12, -3, None, None, None, None, None]
    wrong = "id is no integer"
    assert integers["reason"].to_pylist()[:6] == [None, None, wrong, wrong, wrong, "no id"]
    strings = with_ids(found, pa.string())
    assert strings["id"].to_pylist() == ["12", "-3", "007", "1.0", "99999999999999999999", None, "x"]


def test_another_format_than_the_one_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected format parquet, found csv"):
        read(tmp_path / "a", "id,label\nr,a\n", wanted="parquet")
    with pytest.raises(InputError, match="expected format label-studio, found jsonl"):
        read(tmp_path / "a", '{"id": "r", "label": "a"}', wanted="label-studio")


def test_a_folder_and_a_glob_are_many_exports(tmp_path: Path) -> None:
    for name in ("b", "a", ".hidden"):
        (tmp_path / name).write_text(f"id,label\n{name},x\n")
    assert [Path(export.name).name for export in open_exports(str(tmp_path))] == ["a", "b"]
    assert len(open_exports(str(tmp_path / "[ab]"))) == 2
    with pytest.raises(InputError, match="no such file"):
        open_exports(str(tmp_path / "c*"))


def test_notes_beside_the_exports_are_left_out_with_a_word(tmp_path: Path) -> None:
    for name, text in {"a.csv": "id,label\nr,x\n", "README.md": "hi\n", "about.txt": "Some words, and more\nof them\n"}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "answers.txt").write_text("id\tlabel\nr\tx\n")
    console = Console(silent=True)
    assert [Path(export.name).name for export in open_exports(str(tmp_path), console)] == ["a.csv", "answers.txt"]
    assert "left out 2 files without a table (README.md, about.txt)" in console.warnings[0]
    for name in ("a.csv", "answers.txt"):
        (tmp_path / name).unlink()
    with pytest.raises(InputError, match="does not begin as answers do"):
        open_exports(str(tmp_path))


TASKS = [
    Task("r-1", 1, 3, text='He said "no",\nthen left', suggested_label="cat", suggested_probability=0.62, tier="hard"),
    Task("=1+1", 2, 3, text="'-quoted", image=b"\x89PNG\r\n\x1a\n"),
]


def test_the_sheet_is_what_the_format_says() -> None:
    assert registry.export("csv", TASKS, ["cat"]) == {
        "": b"altool_id,altool_round,altool_rank,text,suggestion,suggestion_score,tier,label,skip,annotator,comment\n"
        b'r-1,3,1,"He said ""no"",\nthen left",cat,0.62,hard,,,,\n'
        b"'=1+1,3,2,''-quoted,,,,,,,\n"
    }
    assert registry.export("csv", [Task(1, 1, 0, path="a.png")], [])[""].splitlines()[0].count(b"path") == 1
    with pytest.raises(UsageError, match="--export: 'parquet' is only read") as refused:
        registry.export("parquet", TASKS, [])
    assert refused.value.hint == "choose from argilla, csv, cvat, doccano, ground-truth, html, label-studio, prodigy"


# U+FDD0 is no character, now or ever; altool reads it as half of one (labels/exchange.py).
IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufdd0"), min_size=1, max_size=8).filter(str.strip)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(ids=st.lists(IDS, min_size=1, max_size=5, unique=True), text=IDS)
def test_a_filled_in_sheet_gives_back_the_ids(tmp_path_factory: pytest.TempPathFactory, ids: list[str], text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "sheet"
    path.write_bytes(registry.export("csv", [Task(key, rank, 2, text=text) for rank, key in enumerate(ids, 1)], [])[""])
    rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, rows[0])
    writer.writeheader()
    writer.writerows({**row, "label": "cat", "annotator": "ann"} for row in rows)
    found = read(path, out.getvalue())
    assert columns(found, "id", "label", "annotator", "round") == [(key, "cat", "ann", 2) for key in ids]
